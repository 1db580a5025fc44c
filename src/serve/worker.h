/* worker.h - the one thread that generates. Requests of all kinds (chats, completions, answers made ahead, embeddings, scores) go into
 * its queue; it loads the models they name, runs them together, a token of each a pass, and tells who waits. Used inside serve alone.
 *
 *     worker_submit ──► queued ──► loading ──► running ──► done
 *                          │          │           │
 *                          └──────────┴───────────┴──────► failed (work_read says why), or cancelled
 *
 * Everything here may be called from any thread; nothing of it may be called inside a transaction of the store that others wait for.
 * Texts and arrays of an order are copied: they need not outlive worker_submit. */
#ifndef FETTLE_SERVE_WORKER_H
#define FETTLE_SERVE_WORKER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

typedef struct worker worker;
typedef struct work work; /* a request, from worker_submit to work_free */

typedef struct {
    const char *home;     /* data folder: where names of models lead */
    const char *program;  /* a file of this program, which checks foreign model files in a process of its own */
    int streams;          /* answers that are made at once; 0: 64 */
    int queue;            /* requests that may wait; 0: 256 */
    double idle;          /* seconds after which a model that nobody uses is given up; 0: 900 */
    int64_t memory_spare; /* bytes that loading a model must leave free; 0: 256 MiB */
} worker_options;

worker *worker_start(const worker_options *o, err *e);
void worker_end(worker *w);  /* cancels what runs, wakes who waits, takes nothing more; NULL is fine */
void worker_free(worker *w); /* after worker_end, when every work was freed */

/* ---- what is asked ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double temperature, top_p, min_p, repetition_penalty; /* NAN: the model's own */
    int top_k;                                            /* -1: the model's own; 0: off */
    int max_tokens;                                       /* of an answer; -1: as many as there is room for */
    uint64_t seed;                                        /* choice k draws with a seed made of this and k */
    const char *const *stop;
    int stop_count;
    bool ignore_eos;
    bool logprobs; /* tokens with their log-probabilities are kept */
    int tops;      /* with logprobs: so many of the likeliest tokens beside each, 20 at most */
    bool echo;     /* with logprobs: the prompt's tokens too */
} work_sampling;
work_sampling work_sampling_default(void); /* the model's own, seed 1, 256 tokens */

typedef struct {
    const char *model;    /* an id: NAME, NAME:ADAPTER, run:NAME, or an alias, which means what it means now */
    const json *messages; /* a conversation for the model's chat template; NULL: a text or tokens */
    const json *tools;    /* for the template, or NULL */
    str text;             /* to go on with, as it stands */
    const int32_t *ids;   /* the same as tokens; NULL: text */
    int id_count;
    int n; /* answers to it; 0: 1 */
    work_sampling sampling;

    /* NULL, or called on the worker's thread, which waits meanwhile: so briefly, and never back into the worker. */
    void (*tell)(void *self); /* there is something new */
    bool (*gone)(void *self); /* before each pass: true when nobody wants it any more */
    void *self;
} work_order;

/* At once: ERR_BUSY when the queue is full, ERR_NOT_FOUND when there is no such model. What goes wrong later is told by work_read. */
work *worker_submit(worker *w, const work_order *o, err *e);

/* ---- what comes of it -------------------------------------------------------------------------------------------------------------- */

/*     token           word */
#define WORK_STATES(X)                                                                                                           \
    X(WORK_QUEUED, "queued")                                                                                                     \
    X(WORK_LOADING, "loading")                                                                                                   \
    X(WORK_RUNNING, "running")                                                                                                   \
    X(WORK_DONE, "done")                                                                                                         \
    X(WORK_FAILED, "failed")

typedef enum {
#define X(token, word) token,
    WORK_STATES(X)
#undef X
} work_state;

const char *work_state_word(work_state s);

typedef struct work_token {
    str text; /* its bytes, which need not be whole characters */
    int32_t id;
    float logp; /* NAN: of the very first token, which follows nothing */
    int tops;
    const struct work_token *top; /* [tops], likeliest first */
} work_token;

typedef struct {
    str text;                /* the answer so far, whole characters, without a stop text */
    const char *finish;      /* "stop", "length", "cancelled"; NULL: it goes on */
    int count;               /* tokens so far, the end token included */
    const work_token *token; /* [count] with logprobs */
    bool ended;              /* the last of the tokens is an end token, which is no part of the text */
} work_answer;

typedef struct {
    work_state state;
    err e;     /* of WORK_FAILED */
    int count; /* answers */
    work_answer *answer;
    str prompt;                     /* as the model reads it */
    const int32_t *prompt_ids;      /* [prompt_tokens] */
    int prompt_tokens, reused;      /* reused: those whose computation was there already */
    const work_token *prompt_token; /* [prompt_tokens] with echo, once it is read */
    double seconds, tokens_per_s;   /* since it began to run; of all answers together */
    const char *model;              /* what the id meant when it was submitted: aliases resolved */
} work_view;

/* Waits until there is more than `seen` (0 at first) or the time is over; answers what to pass as `seen` next. */
int64_t work_wait(work *x, int64_t seen, double seconds);
void work_read(work *x, arena *a, work_view *out); /* a copy */
work_state work_state_of(work *x, err *why);       /* why: filled when it failed; may be NULL */
work_state work_state_of(work *x, err *why);       /* why: filled when it failed; may be NULL */
bool work_cut(const work_answer *a);               /* its limit ended it, not the model */
bool work_over(work *x);                           /* done or failed */
void work_cancel(work *x);                         /* ends within a pass */
void work_free(work *x);                           /* cancels what still runs; NULL is fine */

/* Submits and waits for the end: false with the reason when it failed. */
bool worker_answer(worker *w, const work_order *o, arena *a, work_view *out, err *e);

/* ---- texts as vectors, and how likely texts are; both wait for the end ------------------------------------------------------------------ */

typedef struct {
    str text;
    const int32_t *ids; /* NULL: the text's */
    int id_count;
    bool cut; /* read as much of it as the model can; false: one that is too long is refused */
} work_input;

typedef struct {
    const float **vector; /* [count][width], each of length 1 */
    int width, tokens;    /* tokens: of all inputs */
} work_vectors;
/* Of the order its model, gone and self count. */
bool worker_embed(worker *w, const work_order *o, const work_input *inputs, int count, arena *a, work_vectors *out, err *e);

/* Log-probabilities of the tokens of an answer to a conversation (its end-of-turn left out), in nats. */
typedef struct {
    const json *messages; /* NULL: `text` comes before the answer as it stands */
    str text, answer;
} work_pair;
typedef struct {
    double sum;
    int count, length; /* of the answer; with what comes before it */
    const float *logp; /* [count] */
} work_scored;
bool worker_score(worker *w, const char *id, const work_pair *pairs, int count, arena *a, work_scored **out, err *e);

/* ---- models ------------------------------------------------------------------------------------------------------------------------------ */

/* Names that mean other ids; the server keeps them in the store and tells them here. */
void worker_alias(worker *w, const char *name, const char *target); /* target NULL: no longer */
const char *worker_resolve(worker *w, arena *a, const char *id);    /* an id that is no alias is its own */

const char *worker_alias_at(worker *w, arena *a, int index); /* its name; NULL: there are no more */

bool worker_has(worker *w, const char *base_path, const char *adapter_path); /* it is in memory */
void worker_forget(worker *w, const char *path); /* give up what was read of it as soon as nobody uses it: the files changed */

/* What a look by a process of its own found: {"family", "parameters", "type", "bytes", "token_bytes", "positions", "chat"}. Looked at
 * again when the files changed. */
bool worker_check(worker *w, arena *a, const char *base_path, const char *adapter_path, const json **out, err *e);

typedef struct {
    int models, running, waiting; /* in memory; answers; requests */
    int64_t requests, prompt_tokens, reused_tokens, answer_tokens;
    int64_t kept_bytes; /* of caches that are kept for prompts that begin alike */
    double load_seconds;
} worker_counters;
worker_counters worker_count(worker *w);

#endif
