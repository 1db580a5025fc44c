/* openai.h - what the /v1 routes share: a request as orders for the worker, and what came of them in OpenAI's shapes.
 *
 *     body ── completion_read ──► completion ── completion_submit ──► works ──► one answer, or a stream of chunks, until completion_end
 *
 * The shapes are those that the official clients read (openai for Python and JavaScript). What is not supported is refused by name;
 * members that only describe a request (user, metadata ...) are let pass. */
#ifndef FETTLE_SERVE_OPENAI_H
#define FETTLE_SERVE_OPENAI_H

#include <pthread.h>

#include "serve/api.h"
#include "serve/worker.h"

enum { PROMPTS_MOST = 256, CHOICES_MOST = 128, TOPS_MOST = 20 };

typedef struct {
    size_t text; /* bytes of the answer that are told */
    int tokens;
    bool begun, over;
} told;

/* A request of either kind: one prompt and n answers (chat), or several prompts with n answers each. Lives as long as its call. */
typedef struct {
    call *c;
    bool chat, stream, usage, logprobs, echo, details; /* details: the member "fettle" is wanted */
    int n, tops, prompts;
    const char *model; /* as it was asked for */
    char id[48];
    int64_t created; /* seconds */
    work_order order;
    const str *text;     /* [prompts] of completions: texts */
    const int32_t **ids; /* or tokens */
    int *id_count;
    work **work;           /* [prompts] */
    told *told;            /* [prompts * n] */
    pthread_mutex_t mutex; /* of version: moves when any work has news */
    pthread_cond_t news;
    int64_t version, seen;
    bool open, streaming, ended;
} completion;

bool completion_read(call *c, bool chat, completion **out, err *e);
bool completion_submit(completion *x,
                       err *e);      /* and waits until all prompts are being answered: what fails before is no stream */
void completion_wait(completion *x); /* for the next news, 15 s at most */
bool completion_over(completion *x, err *why); /* all done; or one failed: why */
void completion_end(completion *x);            /* frees the works */
bool caller_gone(void *self);                  /* of a work_order: self is a call */

void completion_put(completion *x, json_writer *w); /* the whole answer */
bool completion_chunks(completion *x, buf *out);    /* what is new as events; false: that was the last */
void put_openai_error(json_writer *w, int status, const char *where, const err *e); /* {"error": ...} */
int openai_status(err_code code);

bool budget_left(call *c, err *e);            /* ERR_BUSY when the key has spent what it may today */
void account_tokens(call *c, int64_t tokens); /* off the key's budget */
void account_completion(completion *x);       /* the same, and the answer is kept as far as it may be */

#endif
