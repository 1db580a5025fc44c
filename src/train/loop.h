/* loop.h - a training run in memory: what the pieces of train share (private to train). */
#ifndef FETTLE_TRAIN_LOOP_H
#define FETTLE_TRAIN_LOOP_H

#include "train/rollout.h"
#include "train/train.h"

/* A weight in training with its optimiser state. */
typedef struct {
    weight *w;
    const char *name;
    weight_shape shape;
    bool decays;
    float *state[OPTIMIZER_STATES]; /* as its optimiser says; NULL: not needed */
} trained;

/* What guards remember of a run (guard.c). */
enum {
    GUARD_ROLLOUTS,
    GUARD_FIRST_REWARD,
    GUARD_FIRST_LENGTH,
    GUARD_FIRST_PREFERRED,
    GUARD_PREFERRED,
    GUARD_BAD_TURNS,
    GUARD_BACKED_OFF, /* how often the run went back to a good checkpoint with half the learning rate */
    GUARD_NUMBERS
};

typedef struct trainer {
    arena *arena;
    const train_settings *s;
    backend *backend;
    compute_type compute;
    model *text;               /* tokenizer and chat template alone */
    model *policy, *reference; /* reference NULL: the policy without its adapter, or none */
    model *teacher;            /* frozen, over the same tokens; NULL: none */
    adapter *adapter, *reference_adapter;
    weight *value_head;     /* [1, D] beside the head that writes; NULL: no values are read, or by an adapter of their own */
    adapter *value_adapter; /* on the policy's base, with a score head; NULL: none */
    optimizer_choice optimizer;
    optimizer_rates rates;
    trained *weights;
    int count;
    rows *rows;
    int64_t units, per_micro, per_step, steps; /* units: what examples became (OBJECTIVE_ROWS) */
    pool *pool;
    float **reference_logp; /* [reference_rows] of trained tokens, kept once computed */
    int64_t reference_rows; /* rows, or completions of a rollout */
    rollout *rollout;       /* what the steps learn from; NULL: rows as they were prepared */
    reward *rewards;        /* [reward_count] */
    int reward_count;
    file_lines *replay; /* rollouts that are read instead of written; NULL: none */
    int64_t step;       /* done */
    double num_tokens;
    double carry[OBJECTIVE_CARRY]; /* what the objective keeps */
    int32_t *order;                /* of the running epoch */
    int64_t order_epoch;
    double drift_sum, drift_tokens;
    rows *held; /* what is measured and not trained on; NULL: nothing */
    float **held_logp;
    bool measuring;    /* no gradients, no dropout */
    rows *preferences; /* held-out pairs that guards look at; NULL: none */
    double guard[GUARD_NUMBERS];
    bool nothing_good;                             /* an alarm came before the first checkpoint: there is no result */
    double ratio_off, sampler_gap, sampler_tokens; /* of the step: see check_rollout */
} trainer;

/* Rows as one ragged batch, a span per document. The other rows of a unit stand behind the first one's prompt. */
typedef struct {
    row *row; /* cut to max_length */
    int64_t *index;
    int rows;
    /* tokens of the batch */
    int32_t *ids, *position;
    span *spans;
    int span_count;
    layout layout;
    int T;
    /* the head's rows: trained tokens only */
    int32_t *head_row, *target;
    int *column; /* where each of them stands in the columns */
    int R;
    /* rows of heads that score or label: of POLICY_SCORES one a sequence, of POLICY_LABELS one a trained token, of values beside a head
     * that writes those of head_row */
    int32_t *label_row;
    int *label_column; /* sequence, or place in the columns */
    int L;
    /* columns: all predicted tokens */
    seq *sequences;
    uint8_t *mask, *right; /* right: what the data say of a trained token */
    int columns;
} piece;
int trainer_rows_per_unit(const trainer *t);
int trainer_step_unit(const trainer *t);          /* rows that stay together in a step: a unit's, or a rollout's group */
bool trainer_in_pairs(const trainer *t);          /* chosen and rejected answers stand side by side */
row trainer_row(const trainer *t, int64_t index); /* a row of the data, cut to max_length, or a completion of the rollout */
int piece_rows(const trainer *t, const int64_t *index, int count); /* how many of them make a piece of about micro_batch_tokens */
piece piece_make(arena *a, const trainer *t, const int64_t *index, int count);
/* Columns, objective and gradients of `pieces` pieces that the objective sees at once, sizes[i] rows each. The loss. */
double pass_run(trainer *t, const int64_t *index, const int *sizes, int pieces, const step_counts *counts, metrics *m);

/* The most that a piece of given rows can hold, whatever their order: tokens that are computed, and of them those whose logits are
 * looked at. Not for completions, which are not there yet. */
typedef struct {
    int tokens, asked;
} piece_size;
piece_size trainer_largest_piece(const trainer *t);

int row_trained(const row *r); /* how many of its tokens are trained */
/* "prompt": its exact text; "said": without the chat template's words, where there are any. */
void row_put_prompt(json_writer *w, const model *m, const row *x);

bool trainer_has_values(const trainer *t); /* a value head stands beside the one that writes */
/* What the model is opened with for this objective, and the head of its policy. */
model_options trainer_policy_options(const trainer *t);

/* One optimiser step over given units. Fills loss, gradient norm (before clipping) and metrics. */
typedef struct {
    double loss, grad_norm, lr;
    metrics metrics;
    double drift;
} step_result;

/* Rows and steps, no model yet. */
bool trainer_open(arena *a, const train_settings *s, const char *folder, const rows_how *how, trainer *t, err *e);
bool trainer_models(trainer *t, err *e); /* behind the pre-flight: policy, adapter, optimiser state, reference */
void trainer_close(trainer *t);
size_t trainer_state_size(const trainer *t, int which, const weight_shape *w); /* floats of an optimiser's state for a weight */
/* The unit (row or pair) at a place of an epoch, from 0. */
int64_t trainer_unit(trainer *t, int64_t epoch, int64_t place);
bool trainer_step(trainer *t, step_result *out, err *e);
/* Loss and metrics over what is held out, all of it as one step; changes nothing. */
void trainer_measure(trainer *t, step_result *out);
lora_options trainer_lora(const train_options *o); /* a new adapter as the run's options say */
unsigned trainer_needs(const trainer *t);          /* columns: the objective's, and those that the run watches */
/* Passes over a whole rollout: old_logp (and value) of its completions by the policy as it is, ref_logp by the reference. */
void trainer_look(trainer *t);
void trainer_look_reference(trainer *t);
float trainer_logit_scale(const trainer *t); /* one over the temperature that log-probabilities are at */
int64_t trainer_steps_per_epoch(const trainer *t);
bool trainer_save(const trainer *t, const char *folder, err *e);
bool trainer_load(trainer *t, const char *folder, int64_t step, err *e);
/* Weights in training, without rows: also for measuring. */
bool trainer_weights(trainer *t, err *e);
/* The optimiser's part of a step: weights change by their gradients, which are read times grad_scale. step: from 1. */
void trainer_update(trainer *t, double lr, double grad_scale, int64_t step);

/* ---- pre-flight: what must hold before step 1 ---- */

typedef struct {
    size_t memory_needed, memory_free, weights, activations; /* bytes */
    int64_t steps, tokens_per_step;
    double seconds; /* from a pass timed now; 0 until preflight_time */
} preflight;
/* Measured on a model of sizes alone, before anything is loaded. Refuses what does not fit and names the nearest setting that does. */
bool preflight_memory(const trainer *t, preflight *p, err *e);
bool preflight_time(const trainer *t, preflight *p, err *e); /* behind trainer_models */
void preflight_print_counts(FILE *out, const trainer *t);
void preflight_print(FILE *out, const preflight *p);
void preflight_print_batch(FILE *out, trainer *t); /* the first rows as text, trained tokens in colour or [brackets] */
void preflight_put_json(json_writer *w, trainer *t, const preflight *p, const char *refusal); /* NULL: not refused */

/* ---- guards ---- */

bool guard_open(trainer *t, err *e);
/* Behind a step: false with words (ERR_DIVERGED) when something has gone wrong that the loss does not show. */
bool guard_look(trainer *t, step_result *s, err *e);

/* ---- the teacher ---- */

bool teacher_wanted(const trainer *t);
bool teacher_open(trainer *t, err *e); /* after the policy; nothing when the objective needs none */
/* The teacher's last hidden states [R, width] behind the head's rows. */
float *teacher_pass(trainer *t, arena *a, const piece *p);

/* ---- the reference ---- */

bool reference_wanted(const trainer *t);
bool reference_open(trainer *t, err *e); /* after the weights; nothing when the objective needs none */
void reference_close(trainer *t);
/* Log-probabilities [R] of the trained tokens under the reference, computed once per row. */
void reference_pass(trainer *t, const piece *p, float *out);
void reference_forget(trainer *t); /* other rows stand behind the numbers now */
void reference_sync(trainer *t);   /* behind each step: sync_ref_model */
bool reference_save(const trainer *t, const char *path, err *e);
bool reference_load(trainer *t, const char *path, err *e);

#endif
