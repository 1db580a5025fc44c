/* ops_rows.c - operations on rows: tables, linear layers, norms, rotary positions, activations, sums.
 * All but the linear layer are bound by memory: each reads its inputs and writes its output once, 4 bytes a value. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/cpu/ops.h"

static size_t values_of(const tensor *x) { return (size_t)x->rows * (size_t)x->cols; }

/* Runs `body` over pieces [i, i + m) of n values, on all threads where it is worth waking them; pieces do not depend on their
 * number. */
enum { PIECE = 8192 };
#define EACH_PIECE(values, body)                                                                                                 \
    {                                                                                                                            \
        const size_t count = (values);                                                                                           \
        _Pragma("omp parallel for schedule(static) if (count > 2 * PIECE)") for (size_t i = 0; i < count; i += PIECE) {          \
            const size_t m = count - i < PIECE ? count - i : PIECE;                                                              \
            body;                                                                                                                \
        }                                                                                                                        \
    }

/* ---- tables --------------------------------------------------------------------------------------------------------------------- */

/* y [D] += uniform numbers of +- bound, those of token t */
static void add_noise(float *y, int D, uint64_t key, int t, float bound) {
    rng r = rng_new(key, (uint64_t)t);
    for (int k = 0; k < D; k++) y[k] += (float)(2 * rng_uniform(&r) - 1) * bound;
}

/* y [T,D] = table [V,D] [ids], and noise */
void cpu_embed_forward(backend *b, node *n) {
    (void)b;
    const weight *w = n->w;
    const int T = n->out->rows, D = n->out->cols;
#pragma omp parallel for schedule(static) if (T > 64)
    for (int t = 0; t < T; t++) {
        float *y = n->out->data + (size_t)t * (size_t)D;
        if (w->values && w->grad && w->type == TYPE_F32)
            memcpy(y, w->values + (size_t)n->index[t] * (size_t)D, (size_t)D * sizeof *y);
        else gemm_unpack(w->packed, w->type, w->rows, w->cols, n->index[t], 1, y);
        if (n->scale > 0) add_noise(y, D, n->key, t, n->scale);
    }
}

/* dtable [id] += dy of every token with that id; threads own columns, so the order of the tokens stands. */
void cpu_embed_backward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols, wide = 64;
    if (!n->w->grad) return;
#pragma omp parallel for schedule(static) if (is_worth(4 * values_of(n->out)))
    for (int c = 0; c < D; c += wide)
        for (int t = 0; t < T; t++) {
            if (n->index[t] == n->size) continue;
            float *dw = n->w->grad + (size_t)n->index[t] * (size_t)D + c;
            const float *dy = n->out->grad + (size_t)t * (size_t)D + c;
            for (int k = 0; k < (D - c < wide ? D - c : wide); k++) dw[k] += dy[k];
        }
}

/* y = x + table [position] */
void cpu_position_forward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
    float *row = gemm_scratch(SCRATCH_A, (size_t)D * sizeof *row);
    for (int t = 0; t < T; t++) {
        gemm_unpack(n->w->packed, n->w->type, n->w->rows, n->w->cols, n->layout->position[t], 1, row);
        cpu_kernels()->add(n->out->data + (size_t)t * (size_t)D, n->in[0]->data + (size_t)t * (size_t)D, row, (size_t)D);
    }
}

void cpu_position_backward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
    const kernels *f = cpu_kernels();
    for (int t = 0; n->w->grad && t < T; t++)
        f->axpy(n->w->grad + (size_t)n->layout->position[t] * (size_t)D, 1, n->out->grad + (size_t)t * (size_t)D, D);
    if (!n->grad_in[0]) return;
    if (n->grad_add[0]) f->add(n->grad_in[0], n->grad_in[0], n->out->grad, values_of(n->out));
    else memcpy(n->grad_in[0], n->out->grad, values_of(n->out) * sizeof(float));
}

/* y [R,D] = x [T,D] [rows] */
void cpu_rows_forward(backend *b, node *n) {
    (void)b;
    const size_t D = (size_t)n->out->cols;
    for (int r = 0; r < n->size; r++)
        memcpy(n->out->data + (size_t)r * D, n->in[0]->data + (size_t)n->index[r] * D, D * sizeof(float));
}

/* dx [rows] += dy; other rows of x have none */
void cpu_rows_backward(backend *b, node *n) {
    (void)b;
    const int D = n->out->cols;
    if (!n->grad_in[0]) return;
    if (!n->grad_add[0]) memset(n->grad_in[0], 0, values_of(n->in[0]) * sizeof(float));
    for (int r = 0; r < n->size; r++)
        cpu_kernels()->axpy(n->grad_in[0] + (size_t)n->index[r] * (size_t)D, 1, n->out->grad + (size_t)r * (size_t)D, D);
}

/* y [T,N] = x [T,D] columns first .. first+N-1 */
void cpu_columns_forward(backend *b, node *n) {
    (void)b;
    const size_t N = (size_t)n->out->cols, D = (size_t)n->in[0]->cols;
    for (int t = 0; t < n->out->rows; t++)
        memcpy(n->out->data + (size_t)t * N, n->in[0]->data + (size_t)t * D + n->size, N * sizeof(float));
}

void cpu_columns_backward(backend *b, node *n) {
    (void)b;
    const int N = n->out->cols, D = n->in[0]->cols;
    if (!n->grad_in[0]) return;
    if (!n->grad_add[0]) memset(n->grad_in[0], 0, values_of(n->in[0]) * sizeof(float));
    for (int t = 0; t < n->out->rows; t++)
        cpu_kernels()->axpy(n->grad_in[0] + (size_t)t * (size_t)D + n->size, 1, n->out->grad + (size_t)t * (size_t)N, N);
}

/* ---- linear ------------------------------------------------------------------------------------------------------------------------- */

/* y = s x W^T + b, or y += s x W^T in place */
void cpu_linear_forward(backend *b, node *n) {
    (void)b;
    const gemm_matrix w = matrix_of(n->w);
    gemm_forward(n->out->data, n->out->cols, n->in[0]->data, n->in[0]->cols, &w, n->in[0]->rows, n->bias ? n->bias->values : NULL,
                 n->in_place, n->scale, n->compute);
}

/* dx = s dy W,  dW += s dy^T x,  db += sum over T of dy */
void cpu_linear_backward(backend *b, node *n) {
    (void)b;
    const tensor *x = n->in[0];
    const gemm_matrix w = matrix_of(n->w);
    const int T = x->rows, N = n->out->cols;
    if (n->grad_in[0]) gemm_backward_input(n->grad_in[0], x->cols, n->out->grad, N, &w, T, n->grad_add[0], n->scale, n->compute);
    if (n->w->grad) gemm_backward_weight(n->w->grad, n->out->grad, N, x->data, x->cols, T, N, x->cols, n->scale, n->compute);
    if (!n->bias || !n->bias->grad) return;
#pragma omp parallel for schedule(static) if (is_worth(4 * values_of(n->out)))
    for (int c = 0; c < N; c += 64)
        for (int t = 0; t < T; t++)
            for (int k = c; k < (N - c < 64 ? N : c + 64); k++)
                n->bias->grad[k] += n->out->grad[(size_t)t * (size_t)N + (size_t)k];
}

/* ---- magnitude ------------------------------------------------------------------------------------------------------------------------ */

/* Threads own columns from c on; a piece is small enough to stay in the first cache while its rows pass. */
enum { COLUMNS = 256 };
#define EACH_COLUMNS(total)                                                                                                      \
    _Pragma("omp parallel for schedule(static) if (is_worth(4 * values_of(n->out)))") for (int c = 0; c < (total); c += COLUMNS)
static int end_of(int c, int total) { return total - c < COLUMNS ? total : c + COLUMNS; }

/* y = x m / l + b */
void cpu_magnitude_forward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, N = n->out->cols;
    const float *m = n->w->values, *bias = n->bias ? n->bias->values : NULL;
    EACH_COLUMNS(N) {
        float factor[COLUMNS];
        for (int k = c; k < end_of(c, N); k++) factor[k - c] = m[k] / n->length[k];
        for (int t = 0; t < T; t++) {
            const float *x = n->in[0]->data + (size_t)t * (size_t)N;
            float *y = n->out->data + (size_t)t * (size_t)N;
            for (int k = c; k < end_of(c, N); k++) y[k] = x[k] * factor[k - c] + (bias ? bias[k] : 0);
        }
    }
}

/* dx = dy m / l,  dm += sum over T of dy x / l,  db += sum over T of dy */
void cpu_magnitude_backward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, N = n->out->cols;
    float *dm = n->w->grad, *db = n->bias ? n->bias->grad : NULL;
    EACH_COLUMNS(N) {
        float factor[COLUMNS], sum[COLUMNS] = {0}, sum_bias[COLUMNS] = {0};
        for (int k = c; k < end_of(c, N); k++) factor[k - c] = n->w->values[k] / n->length[k];
        for (int t = 0; t < T; t++) {
            const size_t at = (size_t)t * (size_t)N;
            const float *x = n->in[0]->data + at, *dy = n->out->grad + at;
            float *dx = n->grad_in[0] ? n->grad_in[0] + at : NULL;
            for (int k = c; k < end_of(c, N); k++) {
                sum[k - c] += dy[k] * x[k];
                sum_bias[k - c] += dy[k];
                if (dx) dx[k] = dy[k] * factor[k - c] + (n->grad_add[0] ? dx[k] : 0);
            }
        }
        for (int k = c; k < end_of(c, N); k++) {
            if (dm) dm[k] += sum[k - c] / n->length[k];
            if (db) db[k] += sum_bias[k - c];
        }
    }
}

/* ---- norms --------------------------------------------------------------------------------------------------------------------------- */

/* y = x r w, r = 1 / sqrt(mean x^2 + eps)                                                          (arXiv:1910.07467) */
void cpu_rmsnorm_forward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
    const float *w = n->w->values;
#pragma omp parallel for schedule(static) if (T > 32)
    for (int t = 0; t < T; t++) {
        const float *x = n->in[0]->data + (size_t)t * (size_t)D;
        float *y = n->out->data + (size_t)t * (size_t)D;
        const float r = (float)(1 / sqrt(cpu_kernels()->sum_squares(x, (size_t)D) / D + (double)n->scale));
        n->saved[t] = r;
        cpu_kernels()->norm_row(y, x, w, r, D);
    }
}

/* y = x r w:   dx = r (w dy - x r^2 mean(w dy x)),   dw += sum over T of dy x r */
void cpu_rmsnorm_backward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
    const float *w = n->w->values;
    if (n->grad_in[0]) {
#pragma omp parallel for schedule(static) if (T > 32)
        for (int t = 0; t < T; t++) {
            const float *x = n->in[0]->data + (size_t)t * (size_t)D, *dy = n->out->grad + (size_t)t * (size_t)D;
            cpu_kernels()->norm_row_back(n->grad_in[0] + (size_t)t * (size_t)D, x, w, dy, n->saved[t], D, n->grad_add[0]);
        }
    }
    if (!n->w->grad) return;
#pragma omp parallel for schedule(static) if (is_worth(4 * values_of(n->out)))
    for (int c = 0; c < D; c += 64)
        for (int t = 0; t < T; t++) {
            const float *x = n->in[0]->data + (size_t)t * (size_t)D, *dy = n->out->grad + (size_t)t * (size_t)D;
            cpu_kernels()->norm_weight_back(n->w->grad + c, x + c, dy + c, n->saved[t], D - c < 64 ? D - c : 64);
        }
}

/* y = (x - mean) r w + b, r = 1 / sqrt(var + eps)                                                   (arXiv:1607.06450) */
void cpu_layernorm_forward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
#pragma omp parallel for schedule(static) if (T > 32)
    for (int t = 0; t < T; t++) {
        const float *x = n->in[0]->data + (size_t)t * (size_t)D;
        float *y = n->out->data + (size_t)t * (size_t)D;
        double mean = 0, variance = 0;
        for (int k = 0; k < D; k++) mean += (double)x[k];
        mean /= D;
        for (int k = 0; k < D; k++) variance += ((double)x[k] - mean) * ((double)x[k] - mean);
        const float m = (float)mean, r = (float)(1 / sqrt(variance / D + (double)n->scale));
        n->saved[2 * t] = m;
        n->saved[2 * t + 1] = r;
        for (int k = 0; k < D; k++) y[k] = (x[k] - m) * r * n->w->values[k] + (n->bias ? n->bias->values[k] : 0);
    }
}

/* h = (x - mean) r:   dx = r (w dy - mean(w dy) - h mean(w dy h)),   dw += sum dy h,   db += sum dy */
void cpu_layernorm_backward(backend *b, node *n) {
    (void)b;
    const int T = n->out->rows, D = n->out->cols;
    const float *w = n->w->values;
#pragma omp parallel for schedule(static) if (T > 32)
    for (int t = 0; t < T; t++) {
        if (!n->grad_in[0]) continue;
        const float *x = n->in[0]->data + (size_t)t * (size_t)D, *dy = n->out->grad + (size_t)t * (size_t)D;
        float *dx = n->grad_in[0] + (size_t)t * (size_t)D;
        const float m = n->saved[2 * t], r = n->saved[2 * t + 1];
        double s = 0, sh = 0;
        for (int k = 0; k < D; k++) {
            s += (double)(w[k] * dy[k]);
            sh += (double)(w[k] * dy[k] * (x[k] - m) * r);
        }
        const float a = (float)(s / D), c = (float)(sh / D);
        for (int k = 0; k < D; k++) dx[k] = (n->grad_add[0] ? dx[k] : 0) + r * (w[k] * dy[k] - a - (x[k] - m) * r * c);
    }
#pragma omp parallel for schedule(static) if (is_worth(4 * values_of(n->out)))
    for (int c = 0; c < D; c += 64)
        for (int t = 0; t < T; t++)
            for (int k = c; k < (D - c < 64 ? D : c + 64); k++) {
                const size_t at = (size_t)t * (size_t)D + (size_t)k;
                const float h = (n->in[0]->data[at] - n->saved[2 * t]) * n->saved[2 * t + 1];
                if (n->w->grad) n->w->grad[k] += n->out->grad[at] * h;
                if (n->bias && n->bias->grad) n->bias->grad[k] += n->out->grad[at];
            }
}

/* ---- rotary positions -------------------------------------------------------------------------------------------------------------------- */

/* Cosines and sines of every position so far, made once: every layer of every pass turns by the same angles. */
typedef struct {
    int half, positions;
    float factor, *frequency, *table; /* [half], [positions][2][half] */
} angles;

static bool same_angles(const angles *a, const rope_table *r) {
    return a->half == r->rotary / 2 && a->factor >= r->attention_factor && a->factor <= r->attention_factor &&
           memcmp(a->frequency, r->frequency, (size_t)a->half * sizeof(float)) == 0;
}

/* Each thread that runs operations has its own; they go with it. */
static pthread_key_t angles_key;

static void angles_free(void *of_thread) {
    angles *a = of_thread;
    memory_release(a->frequency);
    memory_release(a->table);
    memory_release(a);
}

static void angles_begin(void) {
    if (pthread_key_create(&angles_key, angles_free) != 0) bug("no key for the angles of a thread");
}

static angles *angles_of_thread(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, angles_begin);
    angles *a = pthread_getspecific(angles_key);
    if (a) return a;
    a = memory_alloc(sizeof *a);
    if (pthread_setspecific(angles_key, a) != 0) bug("no room for the angles of a thread");
    return a;
}

static const angles *angles_of(const rope_table *r, const layout *l) {
    angles *kept = angles_of_thread();
    const int half = r->rotary / 2;
    int last = 0;
    for (int t = 0; t < l->tokens; t++) last = l->position[t] > last ? l->position[t] : last;
    if (!same_angles(kept, r)) {
        kept->frequency = memory_resize(kept->frequency, (size_t)(half + 1) * sizeof(float));
        memcpy(kept->frequency, r->frequency, (size_t)half * sizeof(float));
        *kept = (angles){.half = half, .factor = r->attention_factor, .frequency = kept->frequency, .table = kept->table};
    }
    if (last < kept->positions) return kept;
    const int room = last + 1 > 2 * kept->positions ? last + 1 : 2 * kept->positions;
    kept->table = memory_resize(kept->table, (size_t)room * 2 * (size_t)(half + 1) * sizeof(float));
    for (int p = kept->positions; p < room; p++)
        for (int i = 0; i < half; i++) {
            const float angle = (float)p * r->frequency[i];
            kept->table[(size_t)p * 2 * (size_t)half + (size_t)i] = cosf(angle) * r->attention_factor;
            kept->table[((size_t)p * 2 + 1) * (size_t)half + (size_t)i] = sinf(angle) * r->attention_factor;
        }
    kept->positions = room;
    return kept;
}

/* Pairs (2i, 2i+1) instead of halves. */
static void turn_neighbours(float *y, const float *x, const float *c, const float *s, int half, float sign, bool add) {
    for (int i = 0; i < half; i++) {
        const float a = x[2 * i] * c[i] - x[2 * i + 1] * s[i] * sign, z = x[2 * i + 1] * c[i] + x[2 * i] * s[i] * sign;
        y[2 * i] = (add ? y[2 * i] : 0) + a;
        y[2 * i + 1] = (add ? y[2 * i + 1] : 0) + z;
    }
}

/* Turns every pair of every head by position * frequency; sign -1 turns back, which is the gradient.        (arXiv:2104.09864) */
static void rotate(const node *n, const float *in, float *out, float sign, bool add) {
    const int T = n->out->rows, D = n->out->cols, d = n->size, half = n->rope.rotary / 2;
    const angles *all = angles_of(&n->rope, n->layout);
#pragma omp parallel for schedule(static) if (T > 64)
    for (int t = 0; t < T; t++) {
        const float *c = all->table + (size_t)n->layout->position[t] * 2 * (size_t)half, *s = c + half;
        for (int h = 0; h < D; h += d) {
            const float *x = in + (size_t)t * (size_t)D + h;
            float *y = out + (size_t)t * (size_t)D + h;
            if (n->rope.interleaved) turn_neighbours(y, x, c, s, half, sign, add);
            else cpu_kernels()->rope_halves(y, x, c, s, half, sign, add);
            for (int i = 2 * half; i < d; i++) y[i] = (add ? y[i] : 0) + x[i];
        }
    }
}

void cpu_rope_forward(backend *b, node *n) {
    (void)b;
    rotate(n, n->in[0]->data, n->out->data, 1, false);
}

void cpu_rope_backward(backend *b, node *n) {
    (void)b;
    if (n->grad_in[0]) rotate(n, n->out->grad, n->grad_in[0], -1, n->grad_add[0]);
}

/* ---- value by value --------------------------------------------------------------------------------------------------------------------------- */

void cpu_gate_forward(backend *b, node *n) {
    (void)b;
    EACH_PIECE(values_of(n->out), cpu_kernels()->gate(n->activation, n->out->data + i, n->in[0]->data + i, n->in[1]->data + i, m))
}

/* y = act(g) u:   dg = dy u act'(g),   du = dy act(g) */
void cpu_gate_backward(backend *b, node *n) {
    (void)b;
    float *dg = n->grad_in[0], *du = n->grad_in[1];
    EACH_PIECE(values_of(n->out),
               cpu_kernels()->gate_back(n->activation, dg ? dg + i : NULL, du ? du + i : NULL, n->in[0]->data + i,
                                        n->in[1]->data + i, n->out->grad + i, m, dg && n->grad_add[0], du && n->grad_add[1]))
}

void cpu_activation_forward(backend *b, node *n) {
    (void)b;
    EACH_PIECE(values_of(n->out), cpu_kernels()->act(n->activation, n->out->data + i, n->in[0]->data + i, m))
}

void cpu_activation_backward(backend *b, node *n) {
    (void)b;
    if (!n->grad_in[0]) return;
    EACH_PIECE(values_of(n->out),
               cpu_kernels()->act_back(n->activation, n->grad_in[0] + i, n->in[0]->data + i, n->out->grad + i, m, n->grad_add[0]))
}

void cpu_add_forward(backend *b, node *n) {
    (void)b;
    EACH_PIECE(values_of(n->out), cpu_kernels()->add(n->out->data + i, n->in[0]->data + i, n->in[1]->data + i, m))
}

void cpu_add_backward(backend *b, node *n) {
    (void)b;
    for (int k = 0; k < 2; k++) {
        float *dx = n->grad_in[k];
        if (!dx) continue;
        const bool add = n->grad_add[k] || (k == 1 && n->in[0] == n->in[1]);
        EACH_PIECE(values_of(n->out), if (add) cpu_kernels()->add(dx + i, dx + i, n->out->grad + i, m);
                   else memcpy(dx + i, n->out->grad + i, m * sizeof *dx))
    }
}

/* y = x keep / (1 - p); the same numbers are drawn again on the way back */
static void drop(const node *n, const float *in, float *out, bool add) {
    const float factor = 1 / (1 - n->scale);
    const uint32_t limit = (uint32_t)((double)n->scale * 4294967296.0);
    EACH_PIECE(values_of(n->out), cpu_kernels()->drop(out + i, in + i, m, rng_new(n->key, i).key, limit, factor, add))
}

void cpu_dropout_forward(backend *b, node *n) {
    (void)b;
    drop(n, n->in[0]->data, n->out->data, false);
}

void cpu_dropout_backward(backend *b, node *n) {
    (void)b;
    if (n->grad_in[0]) drop(n, n->out->grad, n->grad_in[0], n->grad_add[0]);
}
