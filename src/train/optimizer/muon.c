/* muon.c - momentum made orthogonal by Newton-Schulz steps (Jordan et al., 2024), for the matrices inside the model, as
 * torch.optim.Muon; everything else (vectors, embedding, head) by AdamW.
 *
 *     m = mu m + (1-mu) g;   u = mu m + (1-mu) g (nesterov) or m;   X = u / |u|
 *     ns_steps times:  A = X X^T,  X = a X + (b A + c A^2) X         (X wide; a tall one is turned)
 *     w -= lr decay w;   w -= lr scale X,   scale = sqrt(max(1, rows/cols)), or 0.2 sqrt(max(rows, cols)) with match_rms_adamw */
#include <math.h>
#include <string.h>

#include "train/optimizer.h"

typedef struct {
    double momentum, eps, adamw_learning_rate;
    bool nesterov;
    int64_t ns_steps;
    opt_list ns_coefficients;
    const char *adjust_lr_fn;
} muon_options;

#define AT(member) offsetof(muon_options, member)
static const opt options[] = {
    {"momentum", OPT_REAL, AT(momentum), "0.95", 0, 1, NULL, "decay of the momentum"},
    {"nesterov", OPT_BOOL, AT(nesterov), "true", 0, 0, NULL, "look ahead by the momentum"},
    {"ns_steps", OPT_INT, AT(ns_steps), "5", 1, 100, NULL, "Newton-Schulz steps"},
    {"ns_coefficients", OPT_LIST, AT(ns_coefficients), "3.4445,-4.775,2.0315", 0, 0, NULL, "a, b, c of a step"},
    {"eps", OPT_REAL, AT(eps), "1e-7", 0, 1, NULL, "the least norm to divide by"},
    {"adjust_lr_fn", OPT_CHOICE, AT(adjust_lr_fn), "original", 0, 0, "original|match_rms_adamw", "how the shape scales the rate"},
    {"adamw_learning_rate", OPT_REAL, AT(adamw_learning_rate), NULL, 0, 1e3, NULL,
     "rate of what AdamW trains, under the same schedule (unset: learning_rate)"},
    OPT_END,
};

enum { MOMENTUM, ADAM_M, ADAM_V };

static bool coefficients(const muon_options *o, double out[3]) {
    for (int i = 0; i < 3; i++)
        if (o->ns_coefficients.count != 3 || !str_to_double(str_of(o->ns_coefficients.item[i]), &out[i])) return false;
    return true;
}

static bool check(const void *own, err *e) {
    double c[3];
    return coefficients(own, c) || err_set(e, ERR_USAGE, "optim_args: ns_coefficients wants three numbers");
}

static size_t state_size(const void *own, int which, const weight_shape *w) {
    (void)own;
    return (which == MOMENTUM) == w->hidden && which <= ADAM_V ? (size_t)w->rows * (size_t)w->cols : 0;
}

/* y [cols, rows] from x [rows, cols] */
static void turn(float *y, const float *x, int rows, int cols) {
#pragma omp parallel for schedule(static) if ((size_t)rows * (size_t)cols > OPTIMIZER_ALONE)
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) y[(size_t)j * (size_t)rows + (size_t)i] = x[(size_t)i * (size_t)cols + (size_t)j];
}

/* y = a x + b z */
static void mix(float *y, double a, const float *x, double b, const float *z, size_t n) {
#pragma omp parallel for schedule(static) if (n > OPTIMIZER_ALONE)
    for (size_t i = 0; i < n; i++) y[i] = (float)(a * (double)x[i] + b * (double)z[i]);
}

/* x [s, l] with s <= l, of norm 1: its singular values go to about 1. Products are of the form left^T right, so x is kept both ways. */
static void orthogonalize(const muon_options *o, backend *b, float *x, int s, int l) {
    arena *a = arena_new();
    const size_t n = (size_t)s * (size_t)l, square = (size_t)s * (size_t)s;
    float *turned = arena_array(a, float, n), *A = arena_array(a, float, square), *AA = arena_array(a, float, square),
          *BX = arena_array(a, float, n);
    double c[3] = {0};
    coefficients(o, c);
    for (int64_t i = 0; i < o->ns_steps; i++) {
        turn(turned, x, s, l);
        values_product(b, A, turned, turned, l, s, s);
        values_product(b, AA, A, A, s, s, s); /* A is symmetric */
        mix(A, c[1], A, c[2], AA, square);
        values_product(b, BX, A, x, s, s, l);
        mix(x, c[0], x, 1, BX, n);
    }
    arena_free(a);
}

/* The momentum goes on; x becomes the direction of the step. */
static void direction(const muon_options *o, const weight_update *u, float *x) {
    const size_t n = (size_t)u->shape.rows * (size_t)u->shape.cols;
    const double mu = o->momentum, rest = (1 - mu) * u->grad_scale;
    float *m = u->state[MOMENTUM];
    mix(m, mu, m, rest, u->grad, n);
    if (o->nesterov) mix(x, mu, m, rest, u->grad, n);
    else memcpy(x, m, n * sizeof *x);
    const double norm = fmax(sqrt(values_sum_squares(u->backend, x, n)), o->eps);
    mix(x, 1 / norm, x, 0, x, n);
}

static void update_matrix(const muon_options *o, const weight_update *u) {
    const int R = u->shape.rows, C = u->shape.cols;
    const size_t n = (size_t)R * (size_t)C;
    arena *a = arena_new();
    float *x = arena_array(a, float, n), *turned = R > C ? arena_array(a, float, n) : NULL;
    direction(o, u, x);
    if (turned) {
        turn(turned, x, R, C);
        orthogonalize(o, u->backend, turned, C, R);
        turn(x, turned, C, R);
    } else orthogonalize(o, u->backend, x, R, C);
    const double scale = strcmp(o->adjust_lr_fn, "original") == 0 ? sqrt(fmax(1, (double)R / C)) : 0.2 * sqrt(R > C ? R : C);
    mix(u->values, 1 - u->lr * u->weight_decay, u->values, -u->lr * scale, x, n);
    arena_free(a);
}

static void update(const void *own, const weight_update *u) {
    const muon_options *o = own;
    if (u->shape.hidden) {
        update_matrix(o, u);
        return;
    }
    weight_update adam = *u;
    adam.state[0] = u->state[ADAM_M];
    adam.state[1] = u->state[ADAM_V];
    if (!isnan(o->adamw_learning_rate) && u->rates->learning_rate > 0)
        adam.lr = u->lr * o->adamw_learning_rate / u->rates->learning_rate;
    optimizer_adamw.update(NULL, &adam);
}

const optimizer optimizer_muon = {.words = "orthogonal momentum for matrices, AdamW for the rest",
                                  .options = options,
                                  .options_size = sizeof(muon_options),
                                  .state = {"momentum", "m", "v"},
                                  .state_size = state_size,
                                  .update = update,
                                  .check = check};
