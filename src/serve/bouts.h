/* bouts.h - two models that answer one prompt side by side, unnamed, until somebody votes. Used inside serve alone. */
#ifndef FETTLE_SERVE_BOUTS_H
#define FETTLE_SERVE_BOUTS_H

#include "serve/api.h"
#include "serve/worker.h"

typedef struct bouts bouts;
bouts *bouts_new(void);
void bouts_end(bouts *b);  /* before the worker's end */
void bouts_free(bouts *b); /* NULL is fine */
bouts *server_bouts(server *s);

typedef struct {
    uuid_text id;
    int64_t by;
    const char *prompt, *model[2]; /* left, right: drawn when it began */
    work *work[2];
} bout;

/* Keeps it (texts are copied); the oldest go when there are many. */
void bouts_add(bouts *b, const bout *x);
/* Runs `see` on a person's bout under the lock; false: there is none. */
bool bouts_see(bouts *b, const char *id, int64_t by, void (*see)(void *context, const bout *x), void *context);

#endif
