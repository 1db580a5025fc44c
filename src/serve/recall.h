/* recall.h - the newest answers of models, in memory for an hour, so that somebody can say what they think of one. Used inside serve
 * alone. What is kept for longer is in the store, and only of keys that are marked so. */
#ifndef FETTLE_SERVE_RECALL_H
#define FETTLE_SERVE_RECALL_H

#include "serve/api.h"

typedef struct recall recall;
recall *recall_new(void);
void recall_free(recall *r);
recall *server_recall(server *s);

/* A completion: messages and answers as JSON. */
typedef struct {
    const char *id, *model;
    int64_t user;   /* 0: the owner of this process */
    str messages;   /* [{"role", "content"}] */
    str answers;    /* ["..."] */
    str unfinished; /* [0, 2]: which of them were cut off at the limit */
} recalled;

void recall_put(recall *r, const recalled *x);
bool recall_find(recall *r, arena *a, const char *id, recalled *out); /* false: never was, or is gone */

#endif
