/* loop.h - a training run in memory: what the pieces of train share (private to train). */
#ifndef FETTLE_TRAIN_LOOP_H
#define FETTLE_TRAIN_LOOP_H

#include "train/train.h"

/* A weight in training with its optimiser state. */
typedef struct {
    weight *w;
    const char *name;
    bool decays;
    float *m, *v;
} trained;

typedef struct {
    arena *arena;
    const train_settings *s;
    backend *backend;
    compute_type compute;
    model *sized;              /* the policy's sizes, tokenizer and template, before any weight is read */
    size_t reference_bytes;    /* of a reference of its own */
    model *policy, *reference; /* reference NULL: the policy without its adapter, or none */
    adapter *adapter, *reference_adapter;
    trained *weights;
    int count;
    rows *rows;
    int64_t units, per_micro, per_step, steps; /* units: rows, or pairs */
    pool *pool;
    float **reference_logp; /* [rows] of trained tokens, kept once computed */
    float **fixed_logp;     /* bench: none */
    int64_t step;           /* done */
    double num_tokens;
    int32_t *order; /* of the running epoch */
    int64_t order_epoch;
    metrics last;
    double drift_sum, drift_tokens;
} trainer;

/* One optimiser step over given units. Fills loss, gradient norm (before clipping) and metrics. */
typedef struct {
    double loss, grad_norm, lr;
    metrics metrics;
    double drift;
} step_result;

bool trainer_open(arena *a, const train_settings *s, const char *folder, const rows_how *how, trainer *t, err *e);
void trainer_close(trainer *t);
/* Opens the models that trainer_open has only measured. */
bool trainer_load_models(trainer *t, err *e);

/* Memory (measure.c): settings that decide it, and what they need. Nothing is computed, no weight is read. */
typedef struct {
    int64_t micro_batch_tokens, max_length;
    bool gradient_checkpointing, lora;
} memory_plan;
typedef struct {
    size_t weights, activations; /* weights: with optimiser state and reference */
} memory_need;
memory_plan trainer_plan(const trainer *t); /* of the settings */
bool trainer_need(trainer *t, const memory_plan *p, memory_need *out, err *e);
/* The nearest settings that need no more than `room`, as flags; NULL: none does. */
const char *trainer_advice(arena *a, trainer *t, size_t room);

/* The unit (row or pair) at a place of an epoch, from 0. */
int64_t trainer_unit(trainer *t, int64_t epoch, int64_t place);
bool trainer_step(trainer *t, step_result *out, err *e);
int64_t trainer_steps_per_epoch(const trainer *t);
bool trainer_save(const trainer *t, const char *folder, err *e);
bool trainer_load(trainer *t, const char *folder, int64_t step, err *e);
/* Weights in training, without rows: also for measuring. */
bool trainer_weights(trainer *t, err *e);

#endif
