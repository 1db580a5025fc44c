/* lion.c - the sign of an interpolated momentum (arXiv:2302.06675): half of Adam's memory, and steps of one size.
 *
 *     w -= lr decay w;   w -= lr sign(b1 m + (1-b1) g);   m = b2 m + (1-b2) g */
#include "train/optimizer.h"

static const opt options[] = {OPT_END};

static size_t state_size(const void *own, int which, const weight_shape *w) {
    (void)own;
    return which == 0 ? (size_t)w->rows * (size_t)w->cols : 0;
}

static void update(const void *own, const weight_update *u) {
    const size_t n = (size_t)u->shape.rows * (size_t)u->shape.cols;
    const double b1 = u->rates->beta1, b2 = u->rates->beta2, keep = 1 - u->lr * u->weight_decay;
    float *w = u->values, *m = u->state[0];
    (void)own;
#pragma omp parallel for schedule(static) if (n > OPTIMIZER_ALONE)
    for (size_t i = 0; i < n; i++) {
        const double g = (double)u->grad[i] * u->grad_scale, c = b1 * (double)m[i] + (1 - b1) * g;
        w[i] = (float)((double)w[i] * keep - u->lr * (double)((c > 0) - (c < 0)));
        m[i] = (float)(b2 * (double)m[i] + (1 - b2) * g);
    }
}

const optimizer optimizer_lion = {
    .words = "the sign of the momentum", .options = options, .state = {"m"}, .state_size = state_size, .update = update};
