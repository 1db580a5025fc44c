/* intake.h - what an import reads: rows with a mapping, or an export of Argilla; one item of the REST API after the other.
 *
 *   intake_open ──► settings, mapping (guessed, or for a new data set made to fit) ──► perhaps changed ──► intake_ready ──► intake_next */
#ifndef FETTLE_DATA_INTAKE_H
#define FETTLE_DATA_INTAKE_H

#include "data/argilla_export.h"
#include "data/mapping.h"

typedef struct {
    const char *path;
    struct row_source *rows; /* or */
    argilla_export *export;  /* NULL: rows */
    row_facts facts;         /* of rows */
    json *mapping;           /* of rows: may be changed before intake_ready */
    const json *settings;    /* of the data set; {"fields", "questions", "metadata", "vectors"} in the shape of the REST API */
    bool fresh;              /* the settings were made to fit: the data set has to be made */
    mapping_plan *plan;
} intake;

/* settings NULL: of a data set that is to be made. argilla: the file was written by Argilla's SDK; folders are seen by themselves, and with
 * settings so are files of whole records. Owned by the arena. */
bool intake_open(arena *a, const char *path, const json *settings, bool argilla, intake *out, err *e);
bool intake_ready(arena *a, intake *x, err *e);
/* The next item, in memory of a; *place says where it stood. False: the end (e->code == 0), or an error. */
bool intake_next(intake *x, arena *a, json **item, const char **place, err *e);
double intake_read(const intake *x); /* share of the file that was read, 0 to 1; -1: not known */

#endif
