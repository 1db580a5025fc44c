/* ops_attention.c - causal attention over a ragged layout (FlashAttention's bookkeeping, arXiv:2205.14135): the forward pass keeps
 * only the log-sum-exp of every (token, head); the backward pass makes the probabilities again, a block of queries at a time.
 *
 * Work is cut into (sequence, key/value head). The keys of a sequence come in order from its parent, then its own; they are gathered once
 * into rows [n][d] and, turned, into panels [n/16][d][16] for the scores. A cache keeps keys as panels and values as rows, and both are
 * read where they lie. Per block of rows (queries of one head, or the heads of one query that share keys and values):
 *     S = scale Q K^T  (cap, alibi, mask)   P = softmax(S)   O = P V
 *     dP = dO V^T   dS = P (dP - sum(dO O))   dQ += scale dS K   dK += scale dS^T Q   dV += P^T dO */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "tensor/cpu/ops.h"

enum { BLOCK = 64 /* rows */ };

typedef struct {
    const node *n;
    const span *s;
    int group;        /* key/value head */
    int before, keys; /* keys before the first own one; all of them */
    int d, per;       /* width of a head; query heads of this key/value head */
    int qw, kw;       /* widths of q and k rows */
} work;

static int round16(int n) { return (n + 15) / 16 * 16; }

static work work_of(const node *n, int index, int group) {
    const attention_form *f = &n->attention;
    work w = {.n = n, .s = &n->layout->seq[index], .group = group, .d = f->head_dim, .per = f->heads / f->kv_heads};
    w.before = w.s->cache ? w.s->cache->used : w.s->parent >= 0 ? w.s->shared : 0;
    w.keys = w.before + w.s->length;
    w.qw = f->heads * f->head_dim;
    w.kw = f->kv_heads * f->head_dim;
    return w;
}

/* Where key (which = 1) or value (2) row j of a work without a cache lies. */
static const float *source_row(const work *w, int which, int j) {
    const int row = j >= w->before ? w->s->begin + j - w->before : w->n->layout->seq[w->s->parent].begin + j;
    return w->n->in[which]->data + (size_t)row * (size_t)w->kw + (size_t)w->group * (size_t)w->d;
}

/* The own keys and values of this work, behind what its cache holds. */
static void append_to_cache(const work *w) {
    kv_cache *c = w->s->cache;
    const int layer = w->n->attention.layer, column = w->group * w->d;
    if (w->keys > c->capacity) bug("a cache of %d tokens is full", c->capacity);
    for (int j = w->before; j < w->keys; j++) {
        const size_t row = (size_t)(w->s->begin + j - w->before) * (size_t)w->kw + (size_t)column;
        const float *k = w->n->in[1]->data + row;
        float *to = c->k[layer] + ((size_t)(j / CACHE_BLOCK) * (size_t)c->width + (size_t)column) * CACHE_BLOCK + j % CACHE_BLOCK;
        for (int i = 0; i < w->d; i++) to[i * CACHE_BLOCK] = k[i];
        memcpy(c->v[layer] + (size_t)j * (size_t)c->width + column, w->n->in[2]->data + row, (size_t)w->d * sizeof(float));
    }
}

/* The first key that query q (counted from the first own token) sees, and how many it sees. */
static int first_key(const work *w, int q) {
    const int last = w->before + q, window = w->n->attention.window;
    return window && last + 1 > window ? last + 1 - window : 0;
}

/* Scores of one query, in place: cap, alibi; keys before the window become -infinity. Nobody reads those behind the query. */
static void shape_scores(const work *w, float *s, int q, int head) {
    const attention_form *f = &w->n->attention;
    const int last = w->before + q, first = first_key(w, q);
    if (f->cap > 0)
        for (int j = 0; j <= last; j++) s[j] = f->cap * tanhf(s[j] / f->cap);
    if (f->alibi)
        for (int j = 0; j <= last; j++) s[j] += f->alibi[head] * (float)j;
    for (int j = 0; j < first; j++) s[j] = -INFINITY;
}

/* ---- rooms --------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    float *k, *v;   /* [keys][d], readable 16 further */
    float *kt, *vt; /* panels [keys/16][d][16] of the same, turned; vt only backward */
    float *p, *dp;  /* [BLOCK or query heads][keys rounded to 16] */
    float *dk, *dv; /* [keys][d], backward only */
} room;

static room make_room(const work *w, bool backward) {
    const size_t n = (size_t)round16(w->keys), d = (size_t)w->d, rows = n * d + 32,
                 block = (size_t)(w->per > BLOCK ? w->per : BLOCK) * n;
    float *at = gemm_scratch(SCRATCH_ATTENTION, (rows * (backward ? 6 : 4) + block * 2 + 64) * sizeof *at);
    room r = {.k = at, .v = at + rows, .kt = at + 2 * rows, .p = at + 3 * rows, .dp = at + 3 * rows + block};
    if (backward) {
        r.vt = r.dp + block;
        r.dk = r.vt + rows;
        r.dv = r.dk + rows;
    }
    return r;
}

static void gather(const work *w, int which, float *rows, float *turned) {
    const int n = round16(w->keys), d = w->d;
    for (int j = 0; j < w->keys; j++) memcpy(rows + (size_t)j * (size_t)d, source_row(w, which, j), (size_t)d * sizeof *rows);
    memset(rows + (size_t)w->keys * (size_t)d, 0, 16 * sizeof *rows);
    if (!turned) return;
    for (int p = 0; p < n; p += 16, turned += 16 * d)
        for (int i = 0; i < 16; i++)
            for (int k = 0; k < d; k++)
                turned[(size_t)k * 16 + (size_t)i] = p + i < w->keys ? rows[(size_t)(p + i) * (size_t)d + (size_t)k] : 0;
}

/* C [rows, keys] = alpha * A [rows, d] times turned panels; only keys from .. limit-1 are wanted. */
static void times_turned(float *c, int ldc, const float *a, int lda, const float *turned, ptrdiff_t panel, int rows, int d,
                         int from, int limit, float alpha) {
    const kernels *f = cpu_kernels();
    const int panels = round16(limit) / 16;
    for (int q = from / 16; q < panels; q += f->panels) {
        tile t = {.row = lda,
                  .step = 1,
                  .b = turned + q * panel,
                  .panel = panel,
                  .bstep = 16,
                  .steps = d,
                  .ldc = ldc,
                  .alpha = alpha,
                  .next_step = 16};
        t.panels = panels - q < f->panels ? panels - q : f->panels;
        t.columns = t.panels * 16;
        if (q + 2 * f->panels <= panels) t.next = (const float *)t.b + f->panels * panel;
        for (int i = 0; i < rows; i += f->rows) {
            t.rows = rows - i < f->rows ? rows - i : f->rows;
            t.a = a + (ptrdiff_t)i * lda;
            t.c = c + (ptrdiff_t)i * ldc + q * 16;
            f->tile_f32(&t);
        }
    }
}

/* ---- forward --------------------------------------------------------------------------------------------------------------------------- */

/* What the queries of a work look at: keys in panels so far apart, values in rows. */
typedef struct {
    const float *turned, *values;
    ptrdiff_t panel, row;
    float *p; /* room for scores, as room.p */
} sight;

static sight sight_of(const work *w) {
    const room r = make_room(w, false);
    const kv_cache *c = w->s->cache;
    if (c) {
        const int layer = w->n->attention.layer, column = w->group * w->d;
        return (sight){c->k[layer] + column * CACHE_BLOCK, c->v[layer] + column, (ptrdiff_t)c->width * CACHE_BLOCK, c->width,
                       r.p};
    }
    gather(w, 1, r.k, r.kt);
    gather(w, 2, r.v, NULL);
    return (sight){r.kt, r.v, 16 * w->d, w->d, r.p};
}

/* `queries` from q on of `heads` heads from h on, one of which is 1. */
static void attend(const work *w, const sight *x, int q, int queries, int h, int heads, float *lse) {
    const node *n = w->n;
    const int ld = round16(w->keys), rows = queries * heads, apart = heads > 1 ? w->d : w->qw, H = n->attention.heads,
              limit = w->before + q + queries, from = first_key(w, q);
    const size_t at = (size_t)(w->s->begin + q) * (size_t)w->qw + (size_t)h * (size_t)w->d;
    times_turned(x->p, ld, n->in[0]->data + at, apart, x->turned, x->panel, rows, w->d, from, limit, n->attention.scale);
    for (int i = 0; i < rows; i++) {
        const int query = heads > 1 ? q : q + i, head = heads > 1 ? h + i : h;
        float *s = x->p + (size_t)i * (size_t)ld;
        const int seen = w->before + query + 1, first = first_key(w, query);
        shape_scores(w, s, query, head);
        const float sum = cpu_kernels()->softmax(s + first, seen - first);
        for (int j = from; j < first; j++) s[j] = 0;
        for (int j = seen; j < limit; j++) s[j] = 0;
        if (lse) lse[(size_t)(w->s->begin + query) * (size_t)H + (size_t)head] = sum;
    }
    gemm_small(n->out->data + at, apart, x->p + from, ld, 1, x->values + from * x->row, x->row, rows, w->d, limit - from, 1,
               false);
}

static void attend_all(const work *w, float *lse) {
    const sight x = sight_of(w);
    const int h = w->group * w->per;
    if (w->s->cache) append_to_cache(w);
    if (w->s->length < w->per) /* generation */
        for (int q = 0; q < w->s->length; q++) attend(w, &x, q, 1, h, w->per, lse);
    else
        for (int k = 0; k < w->per; k++)
            for (int q = 0; q < w->s->length; q += BLOCK)
                attend(w, &x, q, w->s->length - q < BLOCK ? w->s->length - q : BLOCK, h + k, 1, lse);
}

/* Products of all queries with all keys they see, twice. */
static size_t products_of(const node *n) {
    size_t sum = 0;
    for (int i = 0; i < n->layout->count; i++) {
        const work w = work_of(n, i, 0);
        sum += 2 * (size_t)w.s->length * (size_t)w.keys * (size_t)w.qw;
    }
    return sum;
}

void cpu_attention_forward(backend *b, node *n) {
    (void)b;
    const int groups = n->attention.kv_heads, count = n->layout->count, threads = omp_get_max_threads();
#pragma omp parallel for schedule(dynamic, count < 4 * threads ? 1 : groups) collapse(2) if (is_worth(products_of(n)))
    for (int i = 0; i < count; i++)
        for (int g = 0; g < groups; g++) {
            const work w = work_of(n, i, g);
            attend_all(&w, n->saved_floats ? n->saved : NULL);
        }
}

/* ---- backward ------------------------------------------------------------------------------------------------------------------------------ */

/* dS of one block, in r.dp, from P in r.p and dP in r.dp. */
static void score_gradient(const work *w, const room *r, int q, int rows, int limit, int h) {
    const node *n = w->n;
    const attention_form *f = &n->attention;
    const int ld = round16(w->keys);
    for (int i = 0; i < rows; i++) {
        const size_t at = (size_t)(w->s->begin + q + i) * (size_t)w->qw + (size_t)h * (size_t)w->d;
        const float sum = cpu_kernels()->dot(n->out->grad + at, n->out->data + at, w->d);
        float *p = r->p + (size_t)i * (size_t)ld, *dp = r->dp + (size_t)i * (size_t)ld;
        const int seen = w->before + q + i + 1;
        cpu_kernels()->softmax_back(dp, p, sum, seen);
        for (int j = seen; j < limit; j++) dp[j] = 0;
        if (f->cap > 0) { /* s = cap tanh(x/cap): ds/dx = 1 - (s/cap)^2, with x made again */
            const float *query = n->in[0]->data + at;
            for (int j = first_key(w, q + i); j < seen; j++) {
                const float t = tanhf(f->scale * cpu_kernels()->dot(query, r->k + (size_t)j * (size_t)w->d, w->d) / f->cap);
                dp[j] *= 1 - t * t;
            }
        }
    }
}

static void go_back(const work *w, float *dq, bool add_dq) {
    const node *n = w->n;
    const room r = make_room(w, true);
    const int ld = round16(w->keys), d = w->d, H = n->attention.heads;
    gather(w, 1, r.k, r.kt);
    gather(w, 2, r.v, r.vt);
    memset(r.dk, 0, (size_t)w->keys * (size_t)d * sizeof(float));
    memset(r.dv, 0, (size_t)w->keys * (size_t)d * sizeof(float));
    float *queries = gemm_scratch(SCRATCH_KEYS, (size_t)(2 * BLOCK * d + 64) * sizeof *queries), *dout = queries + BLOCK * d + 32;
    for (int h = w->group * w->per; h < (w->group + 1) * w->per; h++)
        for (int q = 0; q < w->s->length; q += BLOCK) {
            const int rows = w->s->length - q < BLOCK ? w->s->length - q : BLOCK, limit = w->before + q + rows;
            const size_t at = (size_t)(w->s->begin + q) * (size_t)w->qw + (size_t)h * (size_t)d;
            for (int i = 0; i < rows; i++) {
                memcpy(queries + (size_t)i * (size_t)d, n->in[0]->data + at + (size_t)i * (size_t)w->qw,
                       (size_t)d * sizeof(float));
                memcpy(dout + (size_t)i * (size_t)d, n->out->grad + at + (size_t)i * (size_t)w->qw, (size_t)d * sizeof(float));
            }
            times_turned(r.p, ld, queries, d, r.kt, 16 * d, rows, d, 0, limit, n->attention.scale);
            for (int i = 0; i < rows; i++) {
                float *s = r.p + (size_t)i * (size_t)ld;
                const int seen = w->before + q + i + 1;
                shape_scores(w, s, q + i, h);
                cpu_kernels()->exp_minus(s, seen, n->saved[(size_t)(w->s->begin + q + i) * (size_t)H + (size_t)h]);
                for (int j = seen; j < limit; j++) s[j] = 0;
            }
            times_turned(r.dp, ld, dout, d, r.vt, 16 * d, rows, d, 0, limit, 1);
            gemm_small(r.dv, d, r.p, 1, ld, dout, d, limit, d, rows, 1, true);
            score_gradient(w, &r, q, rows, limit, h);
            gemm_small(r.dk, d, r.dp, 1, ld, queries, d, limit, d, rows, n->attention.scale, true);
            if (dq) gemm_small(dq + at, w->qw, r.dp, ld, 1, r.k, d, rows, d, limit, n->attention.scale, add_dq);
        }
}

/* Gathered gradients back to the rows of k and v they belong to. Sequences of one parent are done one after the other by the same
 * thread, so the order of the sums stands. */
static void scatter(const work *w, int which, const float *rows) {
    float *grad = w->n->grad_in[which];
    if (!grad) return;
    for (int j = 0; j < w->keys; j++) {
        const int row = j >= w->before ? w->s->begin + j - w->before : w->n->layout->seq[w->s->parent].begin + j;
        cpu_kernels()->axpy(grad + (size_t)row * (size_t)w->kw + (size_t)w->group * (size_t)w->d, 1,
                            rows + (size_t)j * (size_t)w->d, w->d);
    }
}

void cpu_attention_backward(backend *b, node *n) {
    (void)b;
    const layout *l = n->layout;
    const int groups = n->attention.kv_heads;
    for (int k = 1; k < 3; k++)
        if (n->grad_in[k] && !n->grad_add[k])
            memset(n->grad_in[k], 0, (size_t)n->in[k]->rows * (size_t)n->in[k]->cols * sizeof(float));
#pragma omp parallel for schedule(dynamic, 1) collapse(2) if (is_worth(2 * products_of(n)))
    for (int i = 0; i < l->count; i++)
        for (int g = 0; g < groups; g++) {
            if (l->seq[i].parent >= 0) continue; /* done behind its parent */
            for (int j = i; j < l->count; j++) {
                if (j != i && l->seq[j].parent != i) continue;
                const work w = work_of(n, j, g);
                if (w.s->cache) bug("attention to a cache has no gradient");
                go_back(&w, n->grad_in[0], n->grad_add[0]);
                const room r = make_room(&w, true);
                scatter(&w, 1, r.dk);
                scatter(&w, 2, r.dv);
            }
        }
}
