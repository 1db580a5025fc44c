/* reward.h - what a completion is worth: functions as rows of a table, one file each in train/reward.
 *
 * A function is named with its argument, --reward-funcs "regex:^[0-9]+$" --reward-funcs length:80 --reward-weights 1,0.2; the reward of a
 * completion is the weighted sum of what each function says. A function that has no word on a completion gives NAN. */
#ifndef FETTLE_TRAIN_REWARD_H
#define FETTLE_TRAIN_REWARD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "model/model.h"

/* A completion to judge. Views that live as long as the call. */
typedef struct {
    const json *row;  /* the prompt's row in the data: its other columns */
    str prompt, text; /* the prompt's words (of a chat: its last message); the completion, special tokens left out */
    str whole;        /* both as the policy read and wrote them, special tokens included */
    const int32_t *prompt_ids, *ids;
    int prompt_tokens, tokens; /* of the completion, its end token included */
    bool truncated;            /* no end token came */
} reward_case;

/* What a function that computes with a model stands beside. */
typedef struct {
    backend *backend;
    compute_type compute;
    model *frozen; /* the policy's base, where its weights stay as they are; NULL: they are trained */
    const char *chat_template;
} reward_world;

/* What its argument leads to, beside the completion itself. */
typedef enum { REACHES_NOTHING, REACHES_FILES, REACHES_PROGRAMS } reward_reach;

typedef struct {
    const char *name, *argument, *words; /* "regex", "PATTERN" (NULL: takes none), "1 where the pattern matches, else 0" */
    /* argument: what stands behind NAME:, empty when nothing does. *state lives in the arena. */
    bool (*open)(arena *a, str argument, void **state, err *e);
    bool (*score)(void *state, const reward_case *c, int count, float *out, err *e); /* out [count] */
    bool (*ready)(void *state, const reward_world *w, err *e); /* once, before the first score; NULL: nothing to do */
    reward_reach reach;
} reward_kind;

#define REWARDS(X)                                                                                                               \
    X(length)                                                                                                                    \
    X(regex)                                                                                                                     \
    X(json_schema)                                                                                                               \
    X(exact)                                                                                                                     \
    X(no_repeat)                                                                                                                 \
    X(language)                                                                                                                  \
    X(command)                                                                                                                   \
    X(model)
#define X(name) extern const reward_kind reward_##name;
REWARDS(X)
#undef X

typedef struct {
    const reward_kind *kind;
    const char *name; /* as metrics and rollouts.jsonl call it: "regex", a second one "regex_2" */
    void *state;
    double weight;
} reward;

/* [{"name", "argument": text or null, "words", "reach": "nothing", "files" or "programs"}] */
void rewards_describe(json_writer *w);
/* specs [count] "NAME" or "NAME:ARGUMENT"; weights [count] texts, or none (all 1). */
bool rewards_open(arena *a, const char *const *specs, int count, const char *const *weights, int weight_count, reward **out,
                  err *e);

#endif
