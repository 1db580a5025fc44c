/* optimizer.h - how gradients change weights: one file per optimiser in train/optimizer/, one row per name.
 *
 * An optimiser sees one weight at a time: values, gradient, and up to OPTIMIZER_STATES arrays of its own, which start at zero and
 * are kept in checkpoints under "STATE.WEIGHT". What it does must not depend on the number of threads. */
#ifndef FETTLE_TRAIN_OPTIMIZER_H
#define FETTLE_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"
#include "tensor/tensor.h"

enum { OPTIMIZER_STATES = 4, OPTIMIZER_ALONE = 16384 /* values that are not worth a second thread */ };

/* What kind of weight it is. */
typedef struct {
    int rows, cols;
    bool matrix; /* two dimensions; else rows is 1 */
    bool hidden; /* a matrix inside the model: neither embedding nor output head */
} weight_shape;

typedef struct {
    double beta1, beta2, epsilon; /* adam_beta1 ... of the run, for those that have them */
    double learning_rate;         /* of the run, before the schedule */
} optimizer_rates;

/* One weight at one step. */
typedef struct {
    backend *backend;
    weight_shape shape;
    float *values;                  /* [rows, cols], changed */
    const float *grad;              /* [rows, cols], to be read times grad_scale */
    double grad_scale;              /* of clipping */
    float *state[OPTIMIZER_STATES]; /* NULL where the size is 0 */
    double lr, weight_decay;        /* lr: of this step */
    int64_t step;                   /* from 1 */
    const optimizer_rates *rates;
} weight_update;

typedef struct {
    const char *words;
    const opt *options; /* what optim_args may say */
    size_t options_size;
    const char *state[OPTIMIZER_STATES + 1];                                     /* names, then NULL */
    size_t (*state_size)(const void *options, int which, const weight_shape *w); /* floats; 0: this weight has none */
    void (*update)(const void *options, const weight_update *u);
    bool (*check)(const void *options, err *e); /* NULL: nothing to check */
} optimizer;

/*     file       name (transformers' for optim; muon is torch.optim's) */
#define OPTIMIZERS(X)                                                                                                            \
    X(adamw, "adamw_torch")                                                                                                      \
    X(adamw, "adamw_torch_fused")                                                                                                \
    X(lion, "lion_32bit")                                                                                                        \
    X(adafactor, "adafactor")                                                                                                    \
    X(muon, "muon")                                                                                                              \
    X(sgd, "sgd")
#define OPTIMIZER_CHOICE(file, name) "|" name
#define OPTIMIZER_CHOICES            (&("" OPTIMIZERS(OPTIMIZER_CHOICE))[1]) /* "adamw_torch|..." */

#define X(file, name) extern const optimizer optimizer_##file;
OPTIMIZERS(X)
#undef X

/* An optimiser with its settings. args: optim_args, a JSON object or transformers' "momentum=0.9, nesterov=true"; NULL: defaults. */
typedef struct {
    const optimizer *kind;
    void *own;
} optimizer_choice;
bool optimizer_choose(arena *a, const char *name, const char *args, optimizer_choice *out, err *e);

void optimizers_describe(json_writer *w); /* [{name, words, options}] */

#endif
