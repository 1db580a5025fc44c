/* load.h - many clients of a server at once, for measuring it: keep-alive connections, a thread each, and how long answers took. */
#ifndef FETTLE_CLI_LOAD_H
#define FETTLE_CLI_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Starts this very program as a server on a data folder, on a port of its own choice; `folder` takes the file that tells it. False:
 * it did not answer within ten seconds. The caller ends the process (sys.h). */
bool load_server(arena *a, const char *folder, const char *home, int64_t *process, int *port, err *e);

typedef struct {
    int fd;
    buf in;             /* what was read of the answer */
    size_t body, whole; /* where its body begins, and its length; whole 0: not known yet */
} wire;

bool wire_open(wire *w, int port, err *e); /* 127.0.0.1 */
void wire_close(wire *w);
bool wire_send(wire *w, str request, err *e);
/* The whole answer of a request with a length; its body is a view until the next one. */
bool wire_receive(wire *w, int *status, str *body, err *e);
/* A request with its headers. body NULL view: none. */
void wire_put(buf *out, const char *method, const char *path, const char *key, str body);

/* How long answers took, in milliseconds. */
typedef struct {
    double *taken;
    int64_t count, room;
} load_times;

void load_note(load_times *t, double seconds);

typedef struct {
    int port, connections;
    double seconds;
    /* The i-th request of a connection into `out` (empty); false: there is none any more. Called from all threads at once. */
    bool (*make)(const void *context, int connection, int64_t i, buf *out);
    const void *context;
} load;

typedef struct {
    int64_t answers, refused;    /* refused: a status of 400 or more */
    double seconds;              /* from the first request to the last answer */
    double p50, p95, p99, worst; /* of an answer, in milliseconds */
} load_result;

/* Quantiles of all lists together; `answers` is their number. Releases the lists. */
void load_sum(load_times **lists, int count, load_result *out);
/* False when a connection failed. */
bool load_run(const load *l, load_result *out, err *e);

#endif
