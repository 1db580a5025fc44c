/* objective.h - what a loss sees: host arrays of columns in, a loss and gradients out. Never a tensor, never a model.
 *
 * The rows (sequences) of one micro-batch lie one after the other; a column per token has one entry for every *predicted* token,
 * that is all of a sequence but its first. Counts are of the whole optimiser step, known before backward, so a loss and its
 * gradients do not depend on how the step is cut into micro-batches (design: "Normalisers are known before backward").
 * Formulas: docs and the papers named in each file of train/objective/. */
#ifndef FETTLE_TRAIN_OBJECTIVE_H
#define FETTLE_TRAIN_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/opt.h"

typedef struct metrics metrics;

/* Gradients start as zeros; an objective adds. metrics may be NULL. */
typedef struct {
    float *dlogp, *dentropy, *dsmooth; /* [T] */
    metrics *metrics;
} gradients;

/* ---- columns: rows of a table (name, per, producer) --------------------------------------------------------------------- */

/*     token         member        per       producer */
#define COLUMNS(X)                                                                                                               \
    X(COLUMN_LOGP, logp, TOKEN, "policy head")                                                                                   \
    X(COLUMN_REF_LOGP, ref_logp, TOKEN, "reference head")                                                                        \
    X(COLUMN_ENTROPY, entropy, TOKEN, "policy head")                                                                             \
    X(COLUMN_HIT, hit, TOKEN, "policy head")                                                                                     \
    X(COLUMN_MEAN_LOGIT, mean_logit, TOKEN, "policy head")                                                                       \
    X(COLUMN_LOG_SUM_SQ, log_sum_sq, TOKEN, "policy head")                                                                       \
    X(COLUMN_SMOOTH, smooth, TOKEN, "policy head")                                                                               \
    X(COLUMN_MASK, mask, TOKEN, "batch")                                                                                         \
    X(COLUMN_LABEL, label, SEQUENCE, "batch")                                                                                    \
    X(COLUMN_PAIR, pair, SEQUENCE, "batch")                                                                                      \
    X(COLUMN_MARGIN, margin, SEQUENCE, "batch")

typedef enum {
#define X(token, member, per, producer) token,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
} column;
#define NEEDS(column) (1u << (column))

typedef struct {
    int begin, end; /* of its tokens in the per-token columns */
} seq;

/* Of the whole optimiser step (all micro-batches, all ranks), or with --normalize microbatch TRL's view of it:
 * of this micro-batch, times the number of micro-batches. */
typedef struct {
    double tokens; /* trained tokens */
    double sequences, pairs;
    double chosen_tokens; /* trained tokens of chosen sequences */
} step_counts;

/* Unused columns are NULL. Per token [T], per sequence [S]. */
typedef struct {
    int T, S, P;         /* tokens, sequences, pairs of this micro-batch */
    const seq *sequence; /* [S] */
    const float *logp, *ref_logp, *entropy, *hit, *mean_logit, *log_sum_sq, *smooth; /* [T] */
    const uint8_t *mask;                                                             /* [T] 1 = trained */
    const int *label;                                                                /* [S] 1 chosen or desirable, 0 rejected */
    const int *pair;                                        /* [S] number of the pair, from 0 in this micro-batch */
    const float *margin;                                    /* [S] */
    const struct pair_of { int chosen, rejected; } * pairs; /* [P] sequence numbers */
    step_counts step;
} columns;

/* Named values of a step. A loss gives sums and how many they are of; pieces of one micro-batch add up, and the log shows the plain
 * mean over micro-batches, as TRL does. */
void metric_add(metrics *m, const char *name, double sum, double weight);

enum { METRICS_MAX = 40 };
struct metrics {
    struct {
        const char *name;
        double sum, weight;
    } item[METRICS_MAX];
    int count;
};

/* What the loss of a piece may depend on: its tokens one by one; pairs, which stay together; or all pairs that its means are over
 * (the whole step, or with --normalize microbatch the micro-batch), so that it must be called once with all of them. */
typedef enum { SCOPE_TOKEN, SCOPE_PAIR, SCOPE_STEP } objective_scope;
typedef enum { WANTS_ROWS, WANTS_PAIRS } objective_rows;

typedef struct {
    const char *name, *words; /* "dpo", "prefer the chosen answer to the rejected one" */
    objective_rows rows;      /* what kind of examples it trains on */
    objective_scope scope;
    bool reference;     /* needs a frozen reference */
    bool dropout;       /* lora_dropout applies; TRL switches dropout off in every trainer but SFT's */
    unsigned needs;     /* NEEDS(COLUMN_LOGP) | ...; metrics-only columns included */
    const opt *options; /* beta ...; struct of options_size */
    size_t options_size;
    double learning_rate;                       /* TRL's default for this trainer */
    bool (*check)(const void *options, err *e); /* NULL: nothing to check */
    /* Share of the step's loss that this micro-batch contributes; gradients of exactly that share. */
    double (*loss)(const void *options, const columns *c, gradients *g);
    unsigned (*more_needs)(const void *options);      /* columns that only some options need; NULL: none */
    objective_scope (*scope_of)(const void *options); /* where options decide it; NULL: scope */
    double (*start)(const void *options); /* loss of step 1 when policy = reference; NAN: not known; NULL: no reference */
    /* What lies on the way to the loss, as members of the object that is open (fettle probe); NULL: nothing to tell. */
    void (*explain)(const void *options, const columns *c, json_writer *w);
} objective;

#define OBJECTIVES(X) X(sft) X(dpo)
#define X(name)       extern const objective objective_##name;
OBJECTIVES(X)
#undef X
const objective *const *objective_list(int *count);
const objective *objective_of(const char *name); /* NULL: none */
const char *objective_names(arena *a);
unsigned objective_needs(const objective *o, const void *options); /* all columns under these options */
objective_scope objective_scope_of(const objective *o, const void *options);

/* Small shared mathematics, stable at both ends. */
double softplus(double x); /* log(1 + e^x) */
double sigmoid(double x);
double sum_trained(const columns *c, const float *values, seq s); /* sum over trained tokens */
int count_trained(const columns *c, seq s);
void add_dlogp(const columns *c, gradients *g, seq s, double dlogp); /* to every trained token of s */

#endif
