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
/* The optimiser's part of the memory, and what activations of the largest piece need: measured, nothing is computed. */
size_t trainer_measure(trainer *t, size_t *weights);
/* The unit (row or pair) at a place of an epoch, from 0. */
int64_t trainer_unit(trainer *t, int64_t epoch, int64_t place);
bool trainer_step(trainer *t, step_result *out, err *e);
int64_t trainer_steps_per_epoch(const trainer *t);
bool trainer_save(const trainer *t, const char *folder, err *e);
bool trainer_load(trainer *t, const char *folder, int64_t step, err *e);
/* Weights in training, without rows: also for measuring. */
bool trainer_weights(trainer *t, err *e);

#endif
