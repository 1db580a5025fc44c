/* asking.h - a model answers questions of a dataset's next records ahead of people. Used inside serve alone; asking.c has the routes of
 * the same as jobs. */
#ifndef FETTLE_SERVE_ASKING_H
#define FETTLE_SERVE_ASKING_H

#include "serve/api.h"

typedef struct asking asking;

typedef struct {
    int ahead;      /* records */
    int64_t tokens; /* 0: no limit */
    bool (*stop)(void *self);
    void *self;
} asking_limits;

/* c->body has a model this person may name, questions of c->set that can be asked, and limits within their ranges. In a transaction. */
bool asking_allowed(call *c, err *e);

/* settings: {"model", "questions", "tie", "per_minute", "cost_prompt", "cost_answer"}, as asking_allowed saw them. NULL: the model cannot
 * be opened. */
asking *asking_begin(server *s, const dataset *set, const json *settings, const asking_limits *most, err *e);
/* The next records that are not completed: those of their questions that have no suggestion are asked, and each suggestion is written.
 * What was asked in vain is not asked again by this one. *count: how many records there were. ERR_STOPPED: stop said so. */
bool asking_ahead(asking *x, int *count, err *e);
void asking_end(asking *x); /* NULL is fine */

typedef struct {
    int64_t suggested, requests, tokens;
    double cost;
} asking_count;
asking_count asking_counted(asking *x); /* since it began */

#endif
