/* sgd.c - gradient descent with momentum, as torch.optim.SGD: weight decay is part of the gradient.
 *
 *     g += decay w;   m = momentum m + g;   w -= lr m        (nesterov: w -= lr (g + momentum m)) */
#include "train/optimizer.h"

typedef struct {
    double momentum;
    bool nesterov;
} sgd_options;

static const opt options[] = {
    {"momentum", OPT_REAL, offsetof(sgd_options, momentum), "0", 0, 1, NULL, "share of the last step that goes on"},
    {"nesterov", OPT_BOOL, offsetof(sgd_options, nesterov), "false", 0, 0, NULL, "look ahead by the momentum"},
    OPT_END,
};

static bool check(const void *own, err *e) {
    const sgd_options *o = own;
    return !o->nesterov || o->momentum > 0 || err_set(e, ERR_USAGE, "optim_args: nesterov wants a momentum above 0");
}

static size_t state_size(const void *own, int which, const weight_shape *w) {
    return which == 0 && ((const sgd_options *)own)->momentum > 0 ? (size_t)w->rows * (size_t)w->cols : 0;
}

static void update(const void *own, const weight_update *u) {
    const sgd_options *o = own;
    const size_t n = (size_t)u->shape.rows * (size_t)u->shape.cols;
    float *w = u->values, *m = u->state[0];
#pragma omp parallel for schedule(static) if (n > OPTIMIZER_ALONE)
    for (size_t i = 0; i < n; i++) {
        double g = (double)u->grad[i] * u->grad_scale + u->weight_decay * (double)w[i];
        if (m) {
            const double next = o->momentum * (double)m[i] + g;
            m[i] = (float)next;
            g = o->nesterov ? g + o->momentum * next : next;
        }
        w[i] = (float)((double)w[i] - u->lr * g);
    }
}

const optimizer optimizer_sgd = {.words = "gradient descent with momentum",
                                 .options = options,
                                 .options_size = sizeof(sgd_options),
                                 .state = {"momentum"},
                                 .state_size = state_size,
                                 .update = update,
                                 .check = check};
