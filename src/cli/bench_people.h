/* bench_people.h - people who annotate, by the routes the page uses, beside a run that trains: how long they wait. */
#ifndef FETTLE_CLI_BENCH_PEOPLE_H
#define FETTLE_CLI_BENCH_PEOPLE_H

#include "base/rng.h"
#include "cli/desk.h"
#include "cli/load.h"

typedef struct {
    int people, port;
    double seconds;
    desk *d;                            /* of the owner */
    const char *space;                  /* id of the workspace */
    const char *set;                    /* the dataset: "/api/v1/datasets/ID", with the question `label` */
    void (*put_word)(buf *out, rng *r); /* a word of its records, to search for */
} bench_people;

typedef struct {
    load_result next, submit, search;
} people_result;

/* Adds annotators to the workspace and lets them answer for some seconds. `round` tells their names apart. */
bool bench_people_run(arena *a, const bench_people *b, int round, people_result *out, err *e);

/* A run of `fettle train sft` on the model, ordered from the server; returns when it makes steps. *run: its id. */
bool bench_run_begin(arena *a, desk *d, const char *folder, const char *model, const char **run, err *e);
/* Steps it has made. */
bool bench_run_step(arena *a, desk *d, const char *run, int64_t *step, err *e);
/* Stops it, and returns when its process is gone. */
bool bench_run_end(arena *a, desk *d, const char *run, err *e);

#endif
