/* teach.h - answers made ahead for lessons: what a person will choose from next, and what they will compare. Used inside serve alone.
 *
 * A lesson is a row of the store, whose data is {"taste", "model", "round", "dataset", "check", "rounds": [{"run", "drift"}]}, and two datasets:
 * the picks (a ranking and an edit of four answers), and the blind comparisons of each round. What is made here becomes a record of one
 * of them as soon as its answers are whole; until then it lives in memory, and after the server ended it is made again.
 *
 *     teach_make ──► worker, one request or two ──► teach's thread ──► POST /datasets/ID/records/bulk ──► event `teach` */
#ifndef FETTLE_SERVE_TEACH_H
#define FETTLE_SERVE_TEACH_H

#include "serve/api.h"

enum { TEACH_ANSWERS = 4, TEACH_TOKENS = 96 };

typedef struct teach teach;
teach *teach_new(server *s);
void teach_end(teach *t);  /* what is being made is given up: before the worker's end */
void teach_free(teach *t); /* NULL is fine */
teach *server_teach(server *s);

typedef struct {
    const char *lesson, *dataset; /* ids */
    int64_t by;                   /* whose lesson: who hears of it */
    int round, index;
    const char *prompt;
    const char *model[2]; /* four answers of the first; or, with a second, one of each to compare: the newer, the older */
    const char *against;  /* of a comparison: "start" or "previous" */
    uint64_t seed;
} teach_item;

/* Begins it, unless it is being made already. */
bool teach_make(teach *t, const teach_item *x, err *e);
/* How many of a lesson's round are being made for this dataset, or were within the last half minute; from: the indexes, room of them. */
int teach_making(teach *t, const char *set, int round, int *from, int room);
/* What there is of the first of them: texts in a's memory. False: nothing is being made. */
bool teach_partial(teach *t, arena *a, const char *set, int round, const char **prompt, str *texts, int room, int *count);
/* Why the last one of this dataset could not be made; NULL: nothing failed since. Told once. */
const char *teach_failure(teach *t, arena *a, const char *set);

#endif
