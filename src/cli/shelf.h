/* shelf.h - datasets of the store by name, and their rows: for export, and for --data store:NAME. */
#ifndef FETTLE_CLI_SHELF_H
#define FETTLE_CLI_SHELF_H

#include "cli/desk.h"

/* "NAME" or "WORKSPACE/NAME"; ERR_CONFLICT when several workspaces have one of that name. */
bool shelf_dataset(arena *a, desk *d, const char *name, const json **out, err *e);

/* {"fields", "questions", "metadata", "vectors"} of a dataset, each a list as the API answers it. */
bool shelf_settings(arena *a, desk *d, const json *set, json **out, err *e);

typedef struct {
    const char *as;                     /* sft, pairs, labelled, prompts, records */
    const char *unify, *form, *purpose; /* NULL: as the dataset's recipe says */
    double threshold;                   /* NAN likewise */
    bool suggestions;
} shelf_order;

bool shelf_rows(arena *a, desk *d, const char *name, const shelf_order *o, answer_sink sink, void *context, err *e);
bool shelf_rows_to_file(arena *a, desk *d, const char *name, const shelf_order *o, const char *path,
                        err *e); /* all of it or nothing */
/* The same in another layout: a name of ROW_OUTS, or "argilla": the folder that Argilla's SDK reads with from_disk (records alone). */
bool shelf_rows_as(arena *a, desk *d, const char *name, const shelf_order *o, const char *path, const char *layout, err *e);
bool shelf_to_stdout(void *context, str piece, err *e);
/* A folder with the rows that the dataset has most of, and a script that trains on them with TRL. */
bool shelf_trl(arena *a, desk *d, const char *name, const shelf_order *o, const char *folder, const char *base, err *e);

/* store:NAME as a source for training: the rows, of the first of the targets `as` (ended by NULL) that gives some, go to a file of the data
 * folder, whose path (examples:PATH) is answered. */
bool shelf_source(arena *a, const char *spec, const char *const *as, const char **out, err *e);

#endif
