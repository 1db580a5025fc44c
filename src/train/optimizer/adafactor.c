/* adafactor.c - Adam's second moment of a matrix from the means of its rows and columns (arXiv:1804.04235), as transformers has it.
 *
 *     b = 1 - t^decay_rate,   s = g^2 + eps1
 *     matrix: r = b r + (1-b) row means of s,  c = b c + (1-b) column means,   x_ij = g_ij / sqrt(r_i c_j / mean r)
 *     vector: v = b v + (1-b) s,                                               x   = g / sqrt(v)
 *     x /= max(1, rms(x) / clip_threshold)
 *     a = lr, or with relative_step min(0.01, 1/sqrt t);   a *= max(eps2, rms w) with scale_parameter
 *     step = a x, or with beta1 the running mean m of that;     w -= decay a w;   w -= step
 * Memory: rows + columns instead of rows x columns (with beta1: both). */
#include <math.h>

#include "train/optimizer.h"

typedef struct {
    double eps1, eps2, clip_threshold, decay_rate, beta1;
    bool scale_parameter, relative_step, warmup_init;
} adafactor_options;

#define AT(member) offsetof(adafactor_options, member)
static const opt options[] = {
    {"eps1", OPT_REAL, AT(eps1), "1e-30", 0, 1, NULL, "added to squared gradients"},
    {"eps2", OPT_REAL, AT(eps2), "1e-3", 0, 1, NULL, "the smallest scale of a parameter"},
    {"clip_threshold", OPT_REAL, AT(clip_threshold), "1", 1e-6, 1e6, NULL, "root mean square of the largest step"},
    {"decay_rate", OPT_REAL, AT(decay_rate), "-0.8", -10, 0, NULL, "how fast the second moment's memory grows"},
    {"beta1", OPT_REAL, AT(beta1), NULL, 0, 1, NULL, "decay of a first moment (unset: none)"},
    {"scale_parameter", OPT_BOOL, AT(scale_parameter), "false", 0, 0, NULL, "steps in proportion to the parameter's size"},
    {"relative_step", OPT_BOOL, AT(relative_step), "false", 0, 0, NULL, "a rate by the number of steps instead of learning_rate"},
    {"warmup_init", OPT_BOOL, AT(warmup_init), "false", 0, 0, NULL, "relative_step starts at 1e-6 t"},
    OPT_END,
};

enum { ROWS, COLS, V, M };

static bool check(const void *own, err *e) {
    const adafactor_options *o = own;
    return !o->warmup_init || o->relative_step || err_set(e, ERR_USAGE, "optim_args: warmup_init wants relative_step");
}

static size_t state_size(const void *own, int which, const weight_shape *w) {
    const adafactor_options *o = own;
    const size_t n = (size_t)w->rows * (size_t)w->cols;
    const size_t size[] = {w->matrix ? (size_t)w->rows : 0, w->matrix ? (size_t)w->cols : 0, w->matrix ? 0 : n,
                           isnan(o->beta1) ? 0 : n};
    return size[which];
}

static double rate(const adafactor_options *o, const weight_update *u) {
    const double n = (double)u->shape.rows * u->shape.cols, t = (double)u->step;
    double a = u->lr;
    if (o->relative_step) a = fmin(o->warmup_init ? 1e-6 * t : 1e-2, 1 / sqrt(t));
    if (o->scale_parameter) a *= fmax(o->eps2, sqrt(values_sum_squares(u->backend, u->values, (size_t)n) / n));
    return a;
}

static double square(const weight_update *u, size_t i, double eps) {
    const double g = (double)u->grad[i] * u->grad_scale;
    return g * g + eps;
}

static void remember(float *mean, double b, double now) { *mean = (float)(b * (double)*mean + (1 - b) * now); }

/* Row and column means of squared gradients. */
static void remember_matrix(const adafactor_options *o, const weight_update *u, double b) {
    const int R = u->shape.rows, C = u->shape.cols;
#pragma omp parallel for schedule(static) if ((size_t)R * (size_t)C > OPTIMIZER_ALONE)
    for (int i = 0; i < R; i++) {
        double sum = 0;
        for (int j = 0; j < C; j++) sum += square(u, (size_t)i * (size_t)C + (size_t)j, o->eps1);
        remember(&u->state[ROWS][i], b, sum / C);
    }
#pragma omp parallel for schedule(static) if ((size_t)R * (size_t)C > OPTIMIZER_ALONE)
    for (int j = 0; j < C; j++) {
        double sum = 0;
        for (int i = 0; i < R; i++) sum += square(u, (size_t)i * (size_t)C + (size_t)j, o->eps1);
        remember(&u->state[COLS][j], b, sum / R);
    }
}

/* What gradients are multiplied by: row[i] * col[j]. */
typedef struct {
    double *row, *col;
} factors;

static factors second_moment(arena *a, const adafactor_options *o, const weight_update *u) {
    const int R = u->shape.rows, C = u->shape.cols;
    const double b = 1 - pow((double)u->step, o->decay_rate);
    const factors f = {arena_array(a, double, R), arena_array(a, double, C)};
    double mean = 0;
    if (u->shape.matrix) remember_matrix(o, u, b);
    for (int i = 0; u->shape.matrix && i < R; i++) mean += (double)u->state[ROWS][i] / R;
    for (int i = 0; i < R; i++) f.row[i] = u->shape.matrix ? sqrt(mean / (double)u->state[ROWS][i]) : 1;
    for (int j = 0; j < C; j++) {
        if (!u->shape.matrix) remember(&u->state[V][j], b, square(u, (size_t)j, o->eps1));
        f.col[j] = 1 / sqrt((double)u->state[u->shape.matrix ? COLS : V][j]);
    }
    return f;
}

/* Sum of squares of the step, each row by itself and then in order. */
static double sum_squares(arena *a, const weight_update *u, const factors *f) {
    const int R = u->shape.rows, C = u->shape.cols;
    double *part = arena_array(a, double, R), total = 0;
#pragma omp parallel for schedule(static) if ((size_t)R * (size_t)C > OPTIMIZER_ALONE)
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++) {
            const double x = (double)u->grad[(size_t)i * (size_t)C + (size_t)j] * u->grad_scale * f->row[i] * f->col[j];
            part[i] += x * x;
        }
    for (int i = 0; i < R; i++) total += part[i];
    return total;
}

static void update(const void *own, const weight_update *u) {
    const adafactor_options *o = own;
    arena *a = arena_new();
    const int R = u->shape.rows, C = u->shape.cols;
    const double step = rate(o, u), keep = 1 - u->weight_decay * step;
    const factors f = second_moment(a, o, u);
    const double rms = sqrt(sum_squares(a, u, &f) / ((double)R * C));
    const double scale = u->grad_scale * step / fmax(1, rms / o->clip_threshold);
    float *m = u->state[M];
#pragma omp parallel for schedule(static) if ((size_t)R * (size_t)C > OPTIMIZER_ALONE)
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++) {
            const size_t at = (size_t)i * (size_t)C + (size_t)j;
            double x = (double)u->grad[at] * f.row[i] * f.col[j] * scale;
            if (m) {
                remember(&m[at], o->beta1, x);
                x = (double)m[at];
            }
            u->values[at] = (float)((double)u->values[at] * keep - x);
        }
    arena_free(a);
}

const optimizer optimizer_adafactor = {.words = "Adam's second moment from row and column means",
                                       .options = options,
                                       .options_size = sizeof(adafactor_options),
                                       .state = {"rows", "columns", "v", "m"},
                                       .state_size = state_size,
                                       .update = update,
                                       .check = check};
