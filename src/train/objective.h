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
    float *dlogp, *dentropy, *dsmooth, *ddivergence; /* [T] */
    float *dvalue;                                   /* [T * values] */
    float *dscore;                                   /* [S] */
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
    X(COLUMN_DIVERGENCE, divergence, TOKEN, "heads of policy and teacher")                                                       \
    X(COLUMN_MASK, mask, TOKEN, "batch")                                                                                         \
    X(COLUMN_LABEL, label, SEQUENCE, "batch")                                                                                    \
    X(COLUMN_PAIR, pair, SEQUENCE, "batch")                                                                                      \
    X(COLUMN_MARGIN, margin, SEQUENCE, "batch")                                                                                  \
    X(COLUMN_ROLE, role, SEQUENCE, "batch")                                                                                      \
    X(COLUMN_GROUP, group, SEQUENCE, "batch")                                                                                    \
    X(COLUMN_SCORE, score, SEQUENCE, "score head, or batch")                                                                     \
    X(COLUMN_VALUE, value, VALUE, "value head")                                                                                  \
    X(COLUMN_TOKEN_LABEL, token_label, FLAG, "batch")                                                                            \
    X(COLUMN_DESIRABLE_PROBABILITY, desirable_probability, SEQUENCE, "batch")                                                    \
    X(COLUMN_OLD_LOGP, old_logp, TOKEN, "rollout")                                                                               \
    X(COLUMN_SAMPLER_LOGP, sampler_logp, TOKEN, "rollout")                                                                       \
    X(COLUMN_ADVANTAGE, advantage, TOKEN, "rollout")                                                                             \
    X(COLUMN_OLD_VALUE, old_value, TOKEN, "rollout")                                                                             \
    X(COLUMN_RETURNS, returns, TOKEN, "rollout")

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

/* What a sequence is for. An answer is judged by its label; a target is a third answer beside a pair, to be imitated; a mismatched one
 * is another prompt's answer, only measured (KTO's distance from the reference); an opponent was written by another model. */
typedef enum { ROLE_ANSWER, ROLE_TARGET, ROLE_MISMATCHED, ROLE_OPPONENT } sequence_role;

/* What the policy's head does. The state behind token t predicts token t+1: a value beside a head that writes stands in the column of
 * the token that comes next, what a head says of a token in that token's own. */
typedef enum {
    POLICY_WRITES, /* log-probabilities, and with NEEDS(COLUMN_VALUE) a value of the state before each token */
    POLICY_SCORES, /* a number for the whole sequence: score */
    POLICY_LABELS, /* `values` numbers for each trained token: value */
} policy_kind;

/* Of the whole optimiser step (all micro-batches, all ranks), or with --normalize microbatch TRL's view of it:
 * of this micro-batch, times the number of micro-batches. */
typedef struct {
    double tokens;           /* trained tokens */
    double sequences, pairs; /* mismatched sequences left out */
    double chosen_tokens;    /* trained tokens of chosen sequences */
    double chosen_predicted; /* predicted tokens of chosen sequences, their prompts included */
    double target_tokens;    /* trained tokens of targets */
    double labelled;         /* trained tokens; with --normalize microbatch, unlike tokens, of the micro-batch */
    double groups;           /* of sequences that answer one prompt: units in training */
    double rollout_tokens;   /* trained tokens of a step: of the rollout, its share, with --normalize microbatch; else tokens */
    double most_tokens;      /* max_completion_length of a rollout */
} step_counts;

/* Numbers that an objective keeps from one step to the next; zeros at the start, part of a checkpoint. */
enum { OBJECTIVE_CARRY = 2 };

/* Unused columns are NULL. Per token [T], per sequence [S]. */
typedef struct {
    int T, S, P;         /* tokens, sequences, pairs of this micro-batch */
    const seq *sequence; /* [S] */
    const float *logp, *ref_logp, *entropy, *hit, *mean_logit, *log_sum_sq, *smooth; /* [T] */
    const float *divergence;              /* [T] of the policy's whole row from a teacher's (distil) */
    const float *old_logp, *sampler_logp; /* [T] NULL: the policy itself, so the ratio is 1 (a constant below) */
    const float *advantage;               /* [T] the same for all tokens of a sequence, where it is of the whole completion */
    const float *advantage_rest;          /* [T] what rounding left out of it; NULL: nothing to speak of */
    const float *old_value, *returns;     /* [T] of the state before the token, at the rollout; what came of it */
    const uint8_t *state;                 /* [T] where a value counts; NULL: where the mask does */
    const uint8_t *mask;                  /* [T] 1 = trained */
    const int *label;                     /* [S] 1 chosen or desirable, 0 rejected */
    const int *pair;                      /* [S] number of the pair, from 0 in this micro-batch */
    const float *margin;                  /* [S] */
    const int *group;                     /* [S] number of the prompt */
    const float *score;         /* [S] how good it is, as the head says; of POLICY_WRITES as the data say (of a pair 1 and 0) */
    const float *value;         /* [T * values] */
    int values;                 /* outputs of the value head for a token */
    const uint8_t *token_label; /* [T] of a trained token: 1 right, 0 wrong */
    const float *desirable_probability; /* [S] that an answer to this prompt is good; NAN or NULL: not known */
    const int *role;                    /* [S] sequence_role; NULL: all are answers */
    const struct pair_of { int chosen, rejected, target; } * pairs; /* [P] sequence numbers; target -1: none */
    step_counts step;
    double *carry; /* [OBJECTIVE_CARRY]; changed only by an objective of SCOPE_STEP, which is called once per step */
} columns;

/* Named values of a step. A loss gives sums and how many they are of; pieces of one micro-batch add up, and the log shows the plain
 * mean over micro-batches, as TRL does. */
void metric_add(metrics *m, const char *name, double sum, double weight);

enum { METRICS_MAX = 96 };
void metric_add_sum(metrics *m, const char *name, double sum); /* a sum over a micro-batch, whose pieces add up to it */
void metric_add_least(metrics *m, const char *name, double x); /* the least (most) of a micro-batch */
void metric_add_most(metrics *m, const char *name, double x);

struct metrics {
    struct {
        const char *name;
        double sum, weight; /* a smallest or largest value is its own sum, of weight 1 */
    } item[METRICS_MAX];
    int count;
};

/* What the loss of a piece may depend on: its tokens one by one; pairs, which stay together; or all pairs that its means are over
 * (the whole step, or with --normalize microbatch the micro-batch), so that it must be called once with all of them. */
typedef enum { SCOPE_TOKEN, SCOPE_PAIR, SCOPE_STEP } objective_scope;

/* What it trains on. A unit is what one example becomes: rows that stand side by side and are never parted.
 *     token  name (of a unit)  rows of a unit  what a store gives for it (fettle export --as), the first that it has */
#define OBJECTIVE_ROWS(X)                                                                                                        \
    X(WANTS_ROWS, "rows", 1, "sft")                      /* an answer to imitate */                                              \
    X(WANTS_PAIRS, "pairs", 2, "pairs")                  /* chosen, rejected */                                                  \
    X(WANTS_TRIPLES, "triples", 3, "pairs")              /* chosen, rejected, target */                                          \
    X(WANTS_LABELLED, "answers", 1, "labelled", "pairs") /* an answer, good or bad; pairs are taken apart */                     \
    X(WANTS_MATCHED, "answers", 2, "labelled", "pairs")  /* the same, and beside it the answer to another prompt */              \
    X(WANTS_CHAINS, "chains", 1, "pairs")                /* a bad and a good answer in one text, each behind feedback */         \
    X(WANTS_REWARDED, "answers", 1, "labelled")          /* answers that are kept by their reward (keep) */                      \
    X(WANTS_JUDGED, "pairs", 2, "pairs")                 /* chosen, rejected, each read whole: none is cut */                    \
    X(WANTS_STEPS, "answers", 1, NULL)                   /* an answer in steps, each right or wrong (steps) */                   \
    X(WANTS_PROMPTS, "prompts", 1, "prompts")            /* prompts that the policy answers itself: a rollout (judge) */         \
    X(WANTS_ANSWERED, "answers", 1, "sft") /* prompts with an answer, beside or instead of which others are written */

/* How the steps of an answer become a row: what stands behind each, and which are trained. */
typedef struct {
    const char *separator;
    bool last_only;
    int64_t max_completion; /* tokens of the answer that are kept; 0: all */
} step_rows;

/* What stands in a chain before a bad and before a good answer, and whether only the last answer is trained. */
typedef struct {
    const char *bad, *good;
    bool last_only;
} chain;

typedef enum {
#define X(token, ...) token,
    OBJECTIVE_ROWS(X)
#undef X
} objective_rows;
const char *objective_rows_name(objective_rows r);
int objective_rows_per_unit(objective_rows r);
const char *const *objective_rows_store(objective_rows r); /* ended by NULL; empty: no dataset of feedback gives any */

/* A finished rollout as the objective that learns from it sees it: rewards in, advantages out. Host arrays, like columns; per token [T] of
 * completions alone. Completions of one prompt stand side by side. */
typedef struct {
    arena *a;                                 /* for what is needed meanwhile */
    int T, S, F;                              /* tokens, completions, reward functions */
    const seq *sequence;                      /* [S] */
    const uint8_t *mask;                      /* [T] 1 = trained */
    const int *group;                         /* [S] number of the prompt */
    const float *rewards;                     /* [S, F]; NAN: this function has no word on it */
    const double *weights;                    /* [F] */
    const bool *truncated;                    /* [S] no end token came */
    const float *old_logp, *ref_logp, *value; /* [T]; NULL where the objective does not ask for them */
    float *score;               /* [S] out: the reward of the completion, all functions together; NAN: none had a word */
    float *advantage, *returns; /* [T] out */
    metrics *metrics;
    float *advantage_rest; /* [T] out, or NULL: as in columns */
    const uint8_t *state;  /* [T] as in columns */
    double *carry;         /* [OBJECTIVE_CARRY] as in columns; may be changed; NULL: nothing is kept */
} judged;

/* Who writes a completion of a rollout. What the data give and what others write is told apart from the policy's own by ROLE_OPPONENT,
 * but for a completion that stands in the policy's place. */
typedef enum {
    WRITER_POLICY,
    WRITER_REFERENCE,
    WRITER_MIXTURE, /* drawn from policy and reference together (mixture) */
    WRITER_TEACHER,
    WRITER_DATA, /* the answer that stands in the data: WANTS_ANSWERED */
} writer_kind;

/* How the policy's whole rows are compared with those of a second, frozen model (teacher). */
typedef struct {
    double beta;
    bool tempered; /* both rows at the temperature of sampling */
} distilling;

typedef struct {
    const char *name, *words; /* "dpo", "prefer the chosen answer to the rejected one" */
    objective_rows rows;      /* what kind of examples it trains on */
    objective_scope scope;
    bool reference; /* needs a frozen reference */
    policy_kind policy;
    bool dropout;       /* lora_dropout applies; TRL switches dropout off in every trainer but SFT's */
    bool older_rows;    /* rows as TRL's older trainers prepare them (CPO, ORPO, BCO): rows_text.c */
    unsigned needs;     /* NEEDS(COLUMN_LOGP) | ...; metrics-only columns included */
    const opt *options; /* beta ...; struct of options_size */
    size_t options_size;
    double learning_rate;                       /* TRL's default for this trainer */
    bool (*check)(const void *options, err *e); /* NULL: nothing to check */
    /* Share of the step's loss that this micro-batch contributes; gradients of exactly that share. */
    double (*loss)(const void *options, const columns *c, gradients *g);
    unsigned (*more_needs)(const void *options);      /* columns that only some options need; NULL: none */
    objective_scope (*scope_of)(const void *options); /* where options decide it; NULL: scope */
    objective_rows (*rows_of)(const void *options);   /* where options decide it; NULL: rows */
    /* Whether it reads logp of every predicted token of chosen answers, not only of trained ones (without a reference); NULL: no */
    bool (*whole_chosen)(const void *options);
    double (*start)(const void *options); /* loss of step 1 when policy = reference; NAN: not known; NULL: no reference */
    const char *carry[OBJECTIVE_CARRY]; /* names of what it keeps in columns.carry, as `fettle probe` reads them; NULL: nothing */
    chain (*chain)(const void *options);     /* for WANTS_CHAINS */
    step_rows (*steps)(const void *options); /* for WANTS_STEPS */
    int (*values)(const void *options);      /* outputs of the head for a token or a sequence; NULL: 1 */
    bool (*dropout_of)(const void *options); /* where options decide it; NULL: dropout */
    bool
        adds_micro_batches; /* --normalize microbatch adds the micro-batches' means, as TRL does here, instead of averaging them */
    /* Which of some answers, whole groups of them, are trained on: of given ones (WANTS_REWARDED; pass 0), or of a finished rollout, whose
     * rewards are the judge's advantages, anew each time (pass, from 0) that it is gone through. */
    void (*keep)(const void *options, const int *group, const float *reward, int count, int pass, bool *kept);
    /* For WANTS_PROMPTS and WANTS_ANSWERED: advantages of a finished rollout. */
    void (*judge)(const void *options, judged *j);
    const char *const *rollout; /* defaults of rollout options that differ from GRPO's: "num_generations=2", NULL */
    bool judges_old;            /* judge reads old_logp */
    bool tempered;              /* log-probabilities are at the temperature of the rollout */
    bool whole_groups;          /* completions of one prompt are a unit, never parted */
    bool unrewarded;            /* rollouts ask for no reward function */
    /* Whether answers are written at all under these options, where there is a judge; NULL: yes */
    bool (*writes)(const void *options);
    /* Who writes completion `which` of a prompt; chance: uniform in [0,1), the same for all of a rollout. NULL: the policy, all of them */
    writer_kind (*writer)(const void *options, int which, double chance);
    double (*mixture)(const void *options); /* share of the reference in WRITER_MIXTURE */
    bool own_alone;                         /* what others wrote is compared with, and never trained on */
    /* How often the data are gone through while the policy writes; 0: as num_train_epochs says. NULL: that too */
    int64_t (*iterations)(const void *options);
    bool renews;                               /* the reference becomes the policy with each iteration */
    bool in_pairs;                             /* of a rollout's two completions the first is chosen, the second rejected */
    bool in_twos;                              /* rollouts have two completions of a prompt; whole_groups says so too */
    distilling (*distil)(const void *options); /* for COLUMN_DIVERGENCE */
    /* What lies on the way to the loss, as members of the object that is open (fettle probe); NULL: nothing to tell. */
    void (*explain)(const void *options, const columns *c, json_writer *w);
} objective;

#define OBJECTIVES(X)                                                                                                            \
    X(sft)                                                                                                                       \
    X(dpo)                                                                                                                       \
    X(orpo)                                                                                                                      \
    X(cpo)                                                                                                                       \
    X(simpo)                                                                                                                     \
    X(alphapo)                                                                                                                   \
    X(kto)                                                                                                                       \
    X(bco)                                                                                                                       \
    X(tpo)                                                                                                                       \
    X(slic)                                                                                                                      \
    X(rrhf)                                                                                                                      \
    X(spin)                                                                                                                      \
    X(coh)                                                                                                                       \
    X(rest)                                                                                                                      \
    X(reward)                                                                                                                    \
    X(prm)                                                                                                                       \
    X(grpo)                                                                                                                      \
    X(rloo)                                                                                                                      \
    X(ppo)                                                                                                                       \
    X(online_dpo)                                                                                                                \
    X(xpo)                                                                                                                       \
    X(nash_md)                                                                                                                   \
    X(gkd)
#define X(name) extern const objective objective_##name;
OBJECTIVES(X)
#undef X
const objective *const *objective_list(int *count);
const objective *objective_of(const char *name); /* NULL: none */
const char *objective_names(arena *a);
unsigned objective_needs(const objective *o, const void *options); /* all columns under these options */
objective_scope objective_scope_of(const objective *o, const void *options);
objective_rows objective_rows_of(const objective *o, const void *options);
bool objective_wants_pairs(objective_rows r);                   /* chosen and rejected stand in pairs */
bool objective_writes(const objective *o, const void *options); /* it has rollouts */
bool objective_dropout(const objective *o, const void *options);
int objective_values(const objective *o, const void *options);
sequence_role sequence_role_of(const columns *c, int s);

/* Small shared mathematics, stable at both ends. */
double softplus(double x); /* log(1 + e^x) */
double sigmoid(double x);
double sum_trained(const columns *c, const float *values, seq s); /* sum over trained tokens */
int count_trained(const columns *c, seq s);
void add_dlogp(const columns *c, gradients *g, seq s, double dlogp); /* to every trained token of s */
double at_least_one(double count);                                   /* for divisors */
/* A whole loss: - sum logp / N over the trained tokens, N those of the step; entropy and mean_token_accuracy where those columns are. */
double imitation_loss(const void *opts, const columns *c, gradients *g);
/* rewards/chosen, rewards/rejected, rewards/accuracies, rewards/margins of a pair; logps/chosen, logps/rejected */
void metric_add_rewards(metrics *m, double chosen, double rejected);
void metric_add_logps(metrics *m, double chosen, double rejected);
/* A labelled answer of a given reward: rewards, logps, logits by kind, entropy; what is added up in means becomes rewards/margins at the
 * end, which is missing where there is only one kind. */
typedef struct {
    double chosen, rejected, chosen_count, rejected_count;
} labelled_means;
void metric_add_answer(metrics *m, const columns *c, int s, double reward, labelled_means *means);
void metric_add_margin(metrics *m, const labelled_means *means);
void put_reals(json_writer *w, const char *key, const double *x, int count); /* for explain */
/* [T] as a list for each sequence; with TRL's padded layout (columns.state) only where `where` says. */
void put_columns(json_writer *w, const char *key, const columns *c, const double *x, const uint8_t *where);
void put_sums(json_writer *w, const columns *c); /* S and n of every sequence, for explain */

#endif
