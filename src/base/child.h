/* child.h - another process that runs this program or a file of it, watched: what it prints is caught, its time and memory are limited. */
#ifndef FETTLE_BASE_CHILD_H
#define FETTLE_BASE_CHILD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct {
    const char *program;                /* a file; NULL: this very program */
    const char *const *words;           /* after its name, ended by NULL */
    const char *const *environment;     /* "NAME=value" over ours, ended by NULL; or NULL */
    bool watched;                       /* of a server: as in sys_child */
    double seconds;                     /* it is killed then; 0: 3600 */
    size_t output_most;                 /* bytes of standard output; 0: 1 MiB */
    size_t memory_most;                 /* of its address space; 0: unlimited */
    bool (*stop)(void *self);           /* asked ten times a second: true ends it; NULL: never */
    void (*line)(void *self, str line); /* of what it prints on standard error, as it comes; NULL: it is kept for the message */
    void *self;
} child_run;

/* Waits for its end. True when it ended with status 0; else e says what it said last on standard error, or the signal, under the code
 * that its exit status stands for (wrong usage is wrong input). Its standard
 * output is *out (whatever the end). It reads nothing, and ends when we do. */
bool child_capture(arena *a, const child_run *c, str *out, err *e);

#endif
