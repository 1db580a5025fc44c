/* cpu.c - the CPU as a backend: memory, packing, the table of kernels, and what this machine can do at most. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/backends.h"
#include "tensor/cpu/ops.h"
#include "tensor/cpu/peak.h"

/* Memory comes from the system in chunks that begin at a huge page, zeroed and never handed out twice: a weight that is read at the
 * speed of memory must not wait for page tables. A chunk goes back when all that was taken of it was given back. */
enum { HUGE_PAGE = 2 << 20, CHUNK = 16 << 20, ALIGN = 64 };

typedef struct {
    size_t size, used; /* with this head */
    int takers;
    bool closed; /* nothing more is taken of it */
} chunk;

typedef struct {
    backend b;
    char words[96];
    chunk *open;
} cpu_backend;

static chunk *chunk_new(size_t need) {
    const size_t size = (need + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    char *at = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) bug("no memory for %zu bytes", size);
    const size_t skip = (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
    if (skip) munmap(at, skip);
    if (skip < HUGE_PAGE) munmap(at + skip + size, HUGE_PAGE - skip);
    madvise(at + skip, size, MADV_HUGEPAGE);
    chunk *c = (chunk *)(void *)(at + skip);
    *c = (chunk){.size = size, .used = ALIGN};
    return c;
}

static void chunk_leave(chunk *c) {
    if (c->closed && !c->takers) munmap(c, c->size);
}

/* Before what is handed out stands which chunk it belongs to. */
static void *take(backend *b, size_t bytes) {
    cpu_backend *self = (cpu_backend *)b;
    const size_t need = ALIGN + (bytes + 2 * ALIGN - 1) / ALIGN * ALIGN; /* products may read a little behind the end */
    const bool alone = need > CHUNK / 4;
    if (!alone && (!self->open || self->open->size - self->open->used < need)) {
        if (self->open) {
            self->open->closed = true;
            chunk_leave(self->open);
        }
        self->open = chunk_new(CHUNK);
    }
    chunk *c = alone ? chunk_new(need + ALIGN) : self->open;
    char *at = (char *)c + c->used;
    memcpy(at, &c, sizeof c);
    c->used += need;
    c->takers++;
    c->closed |= alone;
    return at + ALIGN;
}

static void give(backend *b, void *memory_block) {
    (void)b;
    if (!memory_block) return;
    chunk *c;
    memcpy(&c, (char *)memory_block - ALIGN, sizeof c);
    c->takers--;
    chunk_leave(c);
}

static void put(backend *b, void *to, const void *host, size_t bytes) {
    (void)b;
    memcpy(to, host, bytes);
}
static void get(backend *b, void *host, const void *from, size_t bytes) {
    enum { PIECE = 1 << 18 };
    (void)b;
#pragma omp parallel for schedule(static) if (bytes > 2 * PIECE)
    for (size_t i = 0; i < bytes; i += PIECE)
        memcpy((char *)host + i, (const char *)from + i, bytes - i < PIECE ? bytes - i : PIECE);
}
static void finish(backend *b) { (void)b; }

static void pack(backend *b, void *packed, storage_type type, int rows, int cols, storage_type from, const void *data) {
    (void)b;
    gemm_pack(packed, type, rows, cols, from, data);
}
static void unpack(const backend *b, const void *packed, storage_type type, int rows, int cols, int first, int count,
                   float *out) {
    (void)b;
    gemm_unpack(packed, type, rows, cols, first, count, out);
}

static bool supports(op_kind op, storage_type w, compute_type c) {
    (void)op;
    (void)w;
    (void)c;
    return true; /* every operation, every type: this backend is complete */
}

int row_largest(const float *z, int n) { return cpu_kernels()->largest(z, n); }
double row_weights(float *w, const float *z, int n, float max, float factor) {
    return cpu_kernels()->exp_row(w, z, n, max, factor);
}

enum { PIECE = 1 << 16 };

/* Pieces of fixed size are summed by any thread, and added up in their order. */
static double sum_squares(backend *b, const float *x, size_t n) {
    (void)b;
    const size_t pieces = (n + PIECE - 1) / PIECE;
    double *part = memory_alloc((pieces + 1) * sizeof *part), total = 0;
#pragma omp parallel for schedule(static) if (is_worth(4 * n))
    for (size_t i = 0; i < pieces; i++)
        part[i] = cpu_kernels()->sum_squares(x + i * PIECE, n - i * PIECE < PIECE ? n - i * PIECE : PIECE);
    for (size_t i = 0; i < pieces; i++) total += part[i];
    memory_release(part);
    return total;
}

static void zero(backend *b, float *x, size_t n) {
    (void)b;
#pragma omp parallel for schedule(static) if (is_worth(4 * n))
    for (size_t i = 0; i < n; i += PIECE) memset(x + i, 0, (n - i < PIECE ? n - i : PIECE) * sizeof *x);
}

static void scale(backend *b, float *x, size_t n, float factor) {
    (void)b;
#pragma omp parallel for schedule(static) if (is_worth(4 * n))
    for (size_t i = 0; i < n; i += PIECE) cpu_kernels()->scale(x + i, n - i < PIECE ? n - i : PIECE, factor);
}

static void adamw(backend *b, float *values, const float *grad, float *m, float *v, size_t n, const adamw_form *f) {
    (void)b;
    const adam_values o = {.lr = f->lr,
                           .beta1 = f->beta1,
                           .beta2 = f->beta2,
                           .eps = f->eps,
                           .decay = f->weight_decay,
                           .scale = f->grad_scale,
                           .correct1 = 1 - pow(f->beta1, (double)f->step),
                           .correct2 = 1 - pow(f->beta2, (double)f->step)};
#pragma omp parallel for schedule(static) if (is_worth(4 * n))
    for (size_t i = 0; i < n; i += PIECE)
        cpu_kernels()->adamw(values + i, grad + i, m + i, v + i, n - i < PIECE ? n - i : PIECE, &o);
}

static void product(backend *b, float *out, const float *left, const float *right, int T, int N, int K) {
    (void)b;
    memset(out, 0, (size_t)N * (size_t)K * sizeof *out);
    gemm_backward_weight(out, left, N, right, K, T, N, K, 1, COMPUTE_F32);
}

static void close_cpu(void *b) {
    cpu_backend *self = b;
    if (self->open) {
        self->open->closed = true;
        chunk_leave(self->open);
    }
    memory_release(self);
}

backend *backend_cpu_open(err *e) {
    (void)e;
    cpu_backend *c = memory_alloc(sizeof *c);
    omp_set_num_threads(sys_threads());
    snprintf(c->words, sizeof c->words, "%s kernels, %d threads", cpu_kernels()->name, sys_threads());
    c->b = (backend){.name = "cpu",
                     .words = c->words,
                     .alloc = take,
                     .free = give,
                     .put = put,
                     .get = get,
                     .finish = finish,
                     .packed_bytes = gemm_packed_bytes,
                     .pack = pack,
                     .unpack = unpack,
                     .supports = supports,
                     .sum_squares = sum_squares,
                     .scale = scale,
                     .zero = zero,
                     .adamw = adamw,
                     .product = product,
                     .limit = cpu_limit,
                     .bench = cpu_bench,
                     .close = close_cpu};
#define X(token, prefix, words)                                                                                                  \
    c->b.forward[token] = cpu_##prefix##_forward;                                                                                \
    c->b.backward[token] = cpu_##prefix##_backward;
    OPS(X)
#undef X
    return &c->b;
}
