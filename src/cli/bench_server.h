/* bench_server.h - fettle bench server: a server on a temporary folder under load. */
#ifndef FETTLE_CLI_BENCH_SERVER_H
#define FETTLE_CLI_BENCH_SERVER_H

#include "base/arena.h"
#include "base/json.h"

typedef struct {
    int64_t records;   /* of about 1 KB */
    int64_t vectors;   /* how many of them have one of 384 numbers; 0: similarity is not measured */
    int64_t streams;   /* idle ones */
    int people;        /* who annotate at once; 0: not measured */
    const char *train; /* a model that a run trains meanwhile, a folder or a GGUF file; NULL: none */
    double seconds;    /* of each measure */
} bench_server_options;

/* Prints a table, or puts an object when out is not NULL. */
bool bench_server_run(arena *a, const bench_server_options *o, json_writer *out, err *e);

#endif
