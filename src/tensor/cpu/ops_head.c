/* ops_head.c - log-probabilities of given tokens. Logits exist for HEAD_ROWS rows at a time, [HEAD_ROWS, V] in scratch: one product
 * forward; backward makes them again (or, with a token rule, goes both ways in one visit).
 *     z = h W^T + b,  logp = z[y] - lse,  H = lse - sum p z,   dz = g (1[y] - p) - e p (log p + H) + s (1/V - p) + d dD/dz
 * D is the divergence from a teacher's row (row_divergence), whose logits are made the same way beside them. */
#include <math.h>
#include <string.h>

#include "tensor/cpu/ops.h"

enum { HEAD_ROWS = 256 };

static void put_columns(const node *n, int r, const row_stats *s, float lse, float z_target, int V) {
    const head_columns *c = &n->logp.columns;
    const double H = (double)lse - s->sum_z / s->sum;
    n->saved[2 * r] = lse;
    n->saved[2 * r + 1] = (float)H;
    n->out->data[r] = z_target - lse;
    if (c->logp) c->logp[r] = z_target - lse;
    if (c->entropy) c->entropy[r] = (float)H;
    if (c->mean_logit) c->mean_logit[r] = (float)(s->total / V);
    if (c->log_sum_sq) c->log_sum_sq[r] = (float)(log(s->sum_square) - 2 * log(s->sum));
    if (c->hit) c->hit[r] = s->argmax == n->logp.target[r];
    if (n->logp.smooth) n->logp.smooth[r] = (float)(s->total / V - (double)lse);
}

/* Logits on their way out, gradients of logits on their way back: by the same factor. */
static void rescale(const node *n, float *z, int count) {
    const float scale = n->logp.scale;
    if (scale == 0 || scale == 1) return;
#pragma omp parallel for schedule(static) if (is_worth(4 * (size_t)count * (size_t)n->w->rows))
    for (int r = 0; r < count; r++)
        for (int k = 0; k < n->w->rows; k++) z[(size_t)r * (size_t)n->w->rows + (size_t)k] *= scale;
}

/* Logits of rows first .. first+count. */
static float *look_by(const node *n, float *z, const float *hidden, const weight *head, const weight *bias, int first,
                      int count) {
    const int V = n->w->rows, D = head->cols;
    const gemm_matrix w = matrix_of(head);
    gemm_forward(z, V, hidden + (size_t)first * (size_t)D, D, &w, count, bias ? bias->values : NULL, false, 1, n->compute);
    rescale(n, z, count);
    return z;
}

static float *look(const node *n, int first, int count) {
    float *z = gemm_scratch(SCRATCH_LOGITS, (size_t)HEAD_ROWS * (size_t)n->w->rows * sizeof *z);
    return look_by(n, z, n->in[0]->data, n->w, n->bias, first, count);
}

/* The teacher's logits beside z, the divergence of each row, and where backward follows, its gradient by z in the teacher's place.
 * NULL: there is no teacher. */
static float *compare(const node *n, const float *z, int first, int count, bool slopes) {
    const teacher_form *f = &n->logp.teacher;
    const int V = n->w->rows;
    if (!f->head) return NULL;
    float *y = gemm_scratch(SCRATCH_TEACHER, (size_t)HEAD_ROWS * (size_t)V * sizeof *y);
    look_by(n, y, f->hidden, f->head, f->bias, first, count);
#pragma omp parallel for schedule(static) if (is_worth(4 * (size_t)count * (size_t)n->w->rows))
    for (int r = 0; r < count; r++) {
        float *row = y + (size_t)r * (size_t)V;
        f->out[first + r] = (float)row_divergence(z + (size_t)r * (size_t)V, row, V, f->beta, slopes ? row : NULL);
    }
    return y;
}

static void describe(const node *n, const float *z, int first, int count) {
    const int V = n->w->rows;
#pragma omp parallel for schedule(static) if (is_worth(4 * (size_t)count * (size_t)n->w->rows))
    for (int r = 0; r < count; r++) {
        const float *row = z + (size_t)r * (size_t)V;
        row_stats s;
        cpu_kernels()->row_stats(row, V, &s);
        put_columns(n, first + r, &s, (float)((double)s.max + log(s.sum)), row[n->logp.target[first + r]], V);
    }
}

/* Gradients of columns [R]; NULL: zero. slope: of the divergence by the logits, [count, V]. */
typedef struct {
    const float *g, *e, *s, *d, *slope;
} column_gradients;

/* Turns logits into their gradients and sends them to h and W. dh [count, D] is overwritten or added to. */
static void send_back(const node *n, float *z, int first, int count, column_gradients x, float *dh, bool add) {
    const int V = n->w->rows, D = n->in[0]->cols;
    const gemm_matrix w = matrix_of(n->w);
#pragma omp parallel for schedule(static) if (is_worth(4 * (size_t)count * (size_t)n->w->rows))
    for (int r = 0; r < count; r++) {
        float *row = z + (size_t)r * (size_t)V;
        const int at = first + r;
        cpu_kernels()->row_gradient(row, V, n->saved[2 * at], x.g ? x.g[at] : 0, x.e ? x.e[at] : 0, n->saved[2 * at + 1],
                                    x.s ? x.s[at] : 0);
        if (x.g) row[n->logp.target[at]] += x.g[at];
        if (x.d && x.slope) cpu_kernels()->axpy(row, x.d[at], x.slope + (size_t)r * (size_t)V, V);
    }
    rescale(n, z, count);
    const float *h = n->in[0]->data + (size_t)first * (size_t)D;
    if (dh) gemm_backward_input(dh + (size_t)first * (size_t)D, D, z, V, &w, count, add, 1, n->compute);
    if (n->w->grad) gemm_backward_weight(n->w->grad, z, V, h, D, count, V, D, 1, n->compute);
    if (n->bias && n->bias->grad)
        for (int r = 0; r < count; r++) cpu_kernels()->axpy(n->bias->grad, 1, z + (size_t)r * (size_t)V, V);
}

static int next_rows(int first, int R) { return R - first < HEAD_ROWS ? R - first : HEAD_ROWS; }

void cpu_logp_forward(backend *b, node *n) {
    (void)b;
    const int R = n->in[0]->rows;
    const bool fused = n->backward_done;
    float *dlogp = fused ? arena_array(n->fused_arena, float, 3 * (size_t)R) : NULL, *dentropy = fused ? dlogp + R : NULL,
          *ddivergence = fused ? dlogp + 2 * R : NULL;
    for (int first = 0; first < R; first += HEAD_ROWS) {
        const int count = next_rows(first, R);
        float *z = look(n, first, count);
        describe(n, z, first, count);
        const float *slope = compare(n, z, first, count, fused);
        if (!fused) continue;
        n->logp.fused.gradient(n->logp.fused.self, first, count, &n->logp.columns, dlogp, dentropy, ddivergence);
        send_back(n, z, first, count, (column_gradients){dlogp, dentropy, NULL, ddivergence, slope}, n->fused_dh, false);
    }
}

void cpu_logp_backward(backend *b, node *n) {
    (void)b;
    const int R = n->in[0]->rows, D = n->in[0]->cols;
    float *dh = n->grad_in[0];
    if (n->backward_done) {
        if (!dh) return;
        if (n->grad_add[0]) cpu_kernels()->add(dh, dh, n->fused_dh, (size_t)R * (size_t)D);
        else memcpy(dh, n->fused_dh, (size_t)R * (size_t)D * sizeof *dh);
        return;
    }
    for (int first = 0; first < R; first += HEAD_ROWS) {
        const int count = next_rows(first, R);
        float *z = look(n, first, count);
        const float *slope = n->ddivergence ? compare(n, z, first, count, true) : NULL;
        send_back(n, z, first, count, (column_gradients){n->dlogp, n->dentropy, n->dsmooth, n->ddivergence, slope}, dh,
                  n->grad_add[0]);
    }
}
