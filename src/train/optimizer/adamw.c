/* adamw.c - Adam with decoupled weight decay (arXiv:1711.05101), as torch.optim.AdamW.
 *
 *     w -= lr decay w;   m = b1 m + (1-b1) g;   v = b2 v + (1-b2) g^2
 *     w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps) */
#include "train/optimizer.h"

static const opt options[] = {OPT_END};

enum { M, V };

static size_t state_size(const void *own, int which, const weight_shape *w) {
    (void)own;
    return which <= V ? (size_t)w->rows * (size_t)w->cols : 0;
}

static void update(const void *own, const weight_update *u) {
    const optimizer_rates *r = u->rates;
    const adamw_form f = {u->lr, r->beta1, r->beta2, r->epsilon, u->weight_decay, u->step, u->grad_scale};
    (void)own;
    values_adamw(u->backend, u->values, u->grad, u->state[M], u->state[V], (size_t)u->shape.rows * (size_t)u->shape.cols, &f);
}

const optimizer optimizer_adamw = {.words = "Adam with decoupled weight decay",
                                   .options = options,
                                   .state = {"m", "v"},
                                   .state_size = state_size,
                                   .update = update};
