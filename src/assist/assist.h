/* assist.h - a model that helps: one endpoint, whoever computes behind it.
 *
 *                        ┌─ local    a model folder, GGUF file or name of the data folder, by our own engine
 *   endpoint_open(spec) ─┤
 *                        └─ remote   URL#MODEL: any server that speaks OpenAI's API
 *   endpoint_over(kind) ─── what the caller brings: the server's thread that generates
 *
 *   endpoint_chat    a conversation ─► the next answer
 *   endpoint_choices a conversation ─► log-probabilities of answers that are given
 *   endpoint_embed   texts          ─► vectors of length 1
 *
 * Failures that pass (an overloaded server, a lost connection) are tried again with growing pauses; a rate, a budget of tokens and a time limit
 * hold for every kind, and what was used is counted. What comes of it are suggestions and vectors, never answers of people. Functions
 * may be called from several threads; a local model computes one call at a time.
 *
 * To add a kind: one file endpoint_NAME.c with its endpoint_kind, one token in the list below. */
#ifndef FETTLE_ASSIST_ASSIST_H
#define FETTLE_ASSIST_ASSIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* In the order in which they are asked whether a spec is theirs. */
#define ENDPOINT_KINDS(X) X(remote) X(local)

typedef struct endpoint endpoint;
typedef struct endpoint_kind endpoint_kind;

typedef struct {
    const char *spec;    /* NAME, run:NAME, MODEL:ADAPTER, PATH; or http(s)://HOST/v1#MODEL */
    const char *home;    /* data folder; NULL: the usual one */
    bool paths;          /* files outside the data folder may be named */
    const char *key_env; /* remote: the environment variable with the key; NULL: FETTLE_ENDPOINT_KEY, else OPENAI_API_KEY */
    double seconds;      /* time limit of one request; 0: 120 */
    int tries;           /* in all, for failures that pass; 0: 5 */
    double per_minute;   /* requests; 0: no limit */
    int64_t tokens_most; /* of prompts and answers together; 0: no limit */
    double cost_prompt, cost_answer; /* of a million tokens, in whatever money */
    bool (*stop)(void *self);        /* polled while it waits; NULL: never */
    void *self;
} endpoint_options;

endpoint *endpoint_open(const endpoint_options *o, err *e);
/* Over a kind of the caller's; `hands` is given to it, and closed by it. */
endpoint *endpoint_over(const endpoint_kind *kind, void *hands, const endpoint_options *o);
void endpoint_close(endpoint *p); /* NULL is fine */

/* As suggestions name their agent: letters, digits and -_:./ alone. */
const char *endpoint_agent(const endpoint *p);

typedef struct {
    const json *messages; /* [{"role", "content"}] */
    double temperature;
    int max_tokens; /* 0: 512 */
    uint64_t seed;
    const char *const *stop; /* texts that end the answer */
    int stop_count;
} endpoint_order;

typedef struct {
    str text;
    const char *finish; /* "stop" or "length" */
} endpoint_answer;
bool endpoint_chat(endpoint *p, arena *a, const endpoint_order *o, endpoint_answer *out, err *e);

/* logp[i]: of choices[i] as the answer to the conversation, in nats. A local model sums over all tokens of a choice; a remote one tells the
 * likeliest first tokens, so choices should differ in their beginnings ("A", "B"), and one that is not among them gets the least that was told.
 * ERR_UNSUPPORTED: the server tells no log-probabilities. */
bool endpoint_choices(endpoint *p, arena *a, const json *messages, const char *const *choices, int count, double *logp, err *e);

/* out[i]: [*width]. Texts that are longer than the model reads are cut; empty ones are ERR_INPUT. */
bool endpoint_embed(endpoint *p, arena *a, const str *texts, int count, const float ***out, int *width, err *e);

typedef struct {
    int64_t requests, retries, prompt_tokens, answer_tokens;
    double seconds, cost;
} endpoint_use;
endpoint_use endpoint_used(endpoint *p);
/* Members of an object that is open: agent, and what was used. */
void endpoint_put_used(json_writer *w, endpoint *p);

/* ---- what a kind is ------------------------------------------------------------------------------------------------------------------ */

/* One try, told by the kind beside success or failure. */
typedef struct {
    double seconds;                       /* time limit */
    bool passing;                         /* of a failure: another try may succeed */
    int64_t prompt_tokens, answer_tokens; /* what it used */
} endpoint_try;

struct endpoint_kind {
    const char *name, *words;
    bool (*takes)(const char *spec); /* NULL: not by a spec */
    void *(*open)(const endpoint_options *o, err *e);
    void (*close)(void *hands);
    /* Each as the function of its name above. */
    bool (*chat)(void *hands, arena *a, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e);
    bool (*choices)(void *hands, arena *a, const json *messages, const char *const *choices, int count, double *logp,
                    endpoint_try *t, err *e);
    bool (*embed)(void *hands, arena *a, const str *texts, int count, const float **out, int *width, endpoint_try *t, err *e);
};

#define X(name) extern const endpoint_kind endpoint_kind_##name;
ENDPOINT_KINDS(X)
#undef X

#include "assist/judge.h" /* opinions as probabilities */
#include "assist/ask.h"   /* questions of datasets, put to a model */
#include "assist/kept.h"  /* rows that are made one after the other */
#include "assist/rlaif.h" /* pairs without people */
#include "assist/synth.h" /* tasks out of tasks */

#endif
