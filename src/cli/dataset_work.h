/* dataset_work.h - who works on a dataset, from a terminal: for fettle dataset annotators|assign|assignments|disagreements. */
#ifndef FETTLE_CLI_DATASET_WORK_H
#define FETTLE_CLI_DATASET_WORK_H

#include "cli/desk.h"

/* set: a dataset as the API answers it. */
bool work_annotators(arena *a, desk *d, const json *set, bool csv, bool as_json, err *e);
/* To whom records [from, from + count) are given, in order of making; count 0: any. quota 0: no end. */
typedef struct {
    const char *person;
    int64_t from, count, quota;
} work_order;
bool work_assign(arena *a, desk *d, const json *set, const work_order *o, err *e);
bool work_unassign(arena *a, desk *d, const json *set, const char *person, err *e);
bool work_assignments(arena *a, desk *d, const json *set, bool as_json, err *e);
/* Vectors of the records that lack one, by a model; members that are NULL: as the setting says. fields: names with commas between. */
typedef struct {
    const char *setting, *model, *fields;
    bool again, quiet;
} work_vectors_order;
bool work_vectors(arena *a, desk *d, const json *set, const work_vectors_order *o, bool as_json, err *e);
bool work_disagreements(arena *a, desk *d, const json *set, bool as_json, err *e);

#endif
