/* backend.c - choosing a backend, and the calls that go straight to it; layouts and key/value caches. */
#include <string.h>

#include "base/sys.h"
#include "tensor/backends.h"

static const struct {
    const char *name;
    backend *(*open)(err *e);
} backends[] = {
#define X(name) {#name, backend_##name##_open},
    BACKENDS(X)
#undef X
};

backend *backend_open(const char *name, err *e) {
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (!name || strcmp(name, backends[i].name) == 0) return backends[i].open(e);
    return err_null(e, ERR_UNSUPPORTED, "no backend '%s'; there is: cpu", name);
}

void backend_close(backend *b) {
    if (b) b->close(b);
}

static double best_of(backend *b, limit_kind which) {
    double best = 0;
    for (int i = 0; i < 5; i++) {
        const double rate = b->limit(b, which);
        best = rate > best ? rate : best;
    }
    return best;
}

machine_peak backend_peak(backend *b) {
    return (machine_peak){.threads = sys_threads(),
                          .f32_flops = best_of(b, LIMIT_F32),
                          .bf16_flops = best_of(b, LIMIT_BF16),
                          .bandwidth = best_of(b, LIMIT_MEMORY)};
}
bool backend_bench(backend *b, double seconds, bool (*row)(void *self, const product_figure *f), void *self) {
    return b->bench(b, seconds, row, self);
}

double values_sum_squares(backend *b, const float *x, size_t n) { return b->sum_squares(b, x, n); }
void values_scale(backend *b, float *x, size_t n, float factor) { b->scale(b, x, n, factor); }
void values_zero(backend *b, float *x, size_t n) { b->zero(b, x, n); }
void values_adamw(backend *b, float *values, const float *grad, float *m, float *v, size_t n, const adamw_form *f) {
    b->adamw(b, values, grad, m, v, n, f);
}
void values_product(backend *b, float *out, const float *left, const float *right, int T, int N, int K) {
    b->product(b, out, left, right, T, N, K);
}

/* ---- layouts ------------------------------------------------------------------------------------------------------------------------ */

void layout_positions(const span *seq, int count, int32_t *position) {
    for (int i = 0; i < count; i++) {
        const int before = seq[i].cache ? seq[i].cache->used : seq[i].parent >= 0 ? seq[i].shared : 0;
        for (int t = 0; t < seq[i].length; t++) position[seq[i].begin + t] = before + t;
    }
}

/* ---- caches -------------------------------------------------------------------------------------------------------------------------- */

kv_cache *kv_cache_new(int layers, int capacity, int width) {
    kv_cache *c = memory_alloc(sizeof *c);
    *c = (kv_cache){.layers = layers,
                    .width = width,
                    .k = memory_alloc((size_t)layers * sizeof *c->k),
                    .v = memory_alloc((size_t)layers * sizeof *c->v)};
    kv_cache_reserve(c, capacity);
    return c;
}

void kv_cache_reserve(kv_cache *c, int capacity) {
    if (capacity <= c->capacity) return;
    capacity = (capacity + CACHE_BLOCK - 1) / CACHE_BLOCK * CACHE_BLOCK;
    for (int l = 0; l < c->layers; l++) { /* a vector that begins in the last row of values may end behind it */
        c->k[l] = memory_resize(c->k[l], (size_t)capacity * (size_t)c->width * sizeof(float));
        c->v[l] = memory_resize(c->v[l], ((size_t)capacity * (size_t)c->width + CACHE_BLOCK) * sizeof(float));
    }
    c->capacity = capacity;
}

void kv_cache_copy(kv_cache *to, const kv_cache *from, int tokens) {
    const size_t blocks = (size_t)(tokens + CACHE_BLOCK - 1) / CACHE_BLOCK;
    for (int l = 0; l < to->layers; l++) {
        memcpy(to->k[l], from->k[l], blocks * CACHE_BLOCK * (size_t)to->width * sizeof(float));
        memcpy(to->v[l], from->v[l], (size_t)tokens * (size_t)to->width * sizeof(float));
    }
}

void kv_cache_free(kv_cache *c) {
    if (!c) return;
    for (int l = 0; l < c->layers; l++) {
        memory_release(c->k[l]);
        memory_release(c->v[l]);
    }
    memory_release(c->k);
    memory_release(c->v);
    memory_release(c);
}
