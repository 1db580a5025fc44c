/* answering.h - prompts to answers, for the commands that use a model. */
#ifndef FETTLE_CLI_ANSWERING_H
#define FETTLE_CLI_ANSWERING_H

#include "base/opt.h"
#include "cli/subject.h"

/* Sampling flags, shared by chat, generate, compare. */
typedef struct {
    double temperature, top_p, min_p, repetition_penalty;
    int64_t top_k, max_new_tokens, seed;
    opt_list stop;
    const char *system, *dtype;
    bool raw; /* the prompt as it stands, no chat template */
} answering_options;

/* Rows for a struct that has `answering_options answering` as its first member. */
// clang-format off
#define ANSWERING_ROWS \
    {"temperature", OPT_REAL, offsetof(answering_options, temperature), NULL, 0, 100, NULL, "randomness; 0 takes the likeliest token (unset: the model's own)"}, \
    {"top_k", OPT_INT, offsetof(answering_options, top_k), NULL, 0, 1e6, NULL, "draw from the k likeliest tokens; 0: off"}, \
    {"top_p", OPT_REAL, offsetof(answering_options, top_p), NULL, 0, 1, NULL, "draw from the likeliest tokens that share p of the probability"}, \
    {"min_p", OPT_REAL, offsetof(answering_options, min_p), NULL, 0, 1, NULL, "drop tokens less likely than this share of the likeliest"}, \
    {"repetition_penalty", OPT_REAL, offsetof(answering_options, repetition_penalty), NULL, 0.01, 100, NULL, "above 1: tokens seen before become less likely"}, \
    {"max_new_tokens", OPT_INT, offsetof(answering_options, max_new_tokens), "256", 1, 1e6, NULL, "longest answer, in tokens"}, \
    {"stop", OPT_EACH, offsetof(answering_options, stop), NULL, 0, 0, NULL, "a text that ends an answer; again for more"}, \
    {"seed", OPT_INT, offsetof(answering_options, seed), "1", 0, 9e15, NULL, "of the random numbers"}, \
    {"system", OPT_TEXT, offsetof(answering_options, system), NULL, 0, 0, NULL, "a system message"}, \
    {"dtype", OPT_CHOICE, offsetof(answering_options, dtype), "bfloat16", 0, 0, "bfloat16|float32", "arithmetic of matrix products"}, \
    {"raw", OPT_BOOL, offsetof(answering_options, raw), "false", 0, 0, NULL, "the prompt as it stands, without the chat template"}
// clang-format on

/* The model's own defaults (generation_config.json) under what was given. */
sampling answering_sampling(const answering_options *o, const model *m);

/* The tokens of a question to this model: through its chat template (role user, an optional system message), or raw. */
bool prompt_tokens(arena *a, const model *m, str prompt, const answering_options *o, const int32_t **ids, int *count, err *e);
/* The same for a conversation; open: the assistant's turn is begun. */
bool conversation_tokens(arena *a, const model *m, json *messages, bool open, const int32_t **ids, int *count, err *e);
/* A question and its answer, as a whole conversation. */
bool dialogue_tokens(arena *a, const model *m, const char *prompt, str text, const answering_options *o, const int32_t **ids,
                     int *count, err *e);

/* A file with one prompt a line; empty lines do not count. */
bool prompts_read(arena *a, const char *path, const char ***out, int *count, err *e);

typedef struct {
    str text;
    const int32_t *ids; /* the answer's tokens, end token included */
    const int32_t *prompt;
    int count, prompt_count;
    finish_reason finish;
    double reward; /* what a reward model said of it (rewarding.h) */
    double logp;   /* sum over the answer's tokens under the model that gave it */
} given_answer;

/* Who is asked what, and how. */
typedef struct {
    const subject *who;
    compute_type compute;
    const char *const *prompts; /* [count] */
    int count, each;            /* every prompt `each` times: answer [i*each + k] */
    const answering_options *how;
    const char *progress; /* words for a progress line; NULL: none */
    on_text first;        /* called with pieces of the very first answer; may be NULL */
} answering_order;

/* All together. The seed of an answer depends on its prompt's number and k alone. */
bool answer_prompts(arena *a, const answering_order *x, given_answer *out, err *e);

#endif
