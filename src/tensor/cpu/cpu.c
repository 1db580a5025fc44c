/* cpu.c - the CPU as a backend: memory, packing, the table of kernels, and what this machine can do at most. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/backends.h"
#include "tensor/cpu/ops.h"
#include "tensor/cpu/peak.h"

typedef struct {
    backend b;
    char words[96];
} cpu_backend;

/* Memory is taken page by page from the system, zeroed, so that what is freed goes back. */
static void *take(backend *b, size_t bytes) {
    (void)b;
    const size_t size = (bytes + 64 + 4095) / 4096 * 4096;
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) bug("no memory for %zu bytes", size);
    if (size >= 4 << 20) madvise(at, size, MADV_HUGEPAGE);
    memcpy(at, &size, sizeof size);
    return at + 64;
}

static void give(backend *b, void *memory_block) {
    (void)b;
    if (!memory_block) return;
    char *at = (char *)memory_block - 64;
    size_t size;
    memcpy(&size, at, sizeof size);
    munmap(at, size);
}

static void put(backend *b, void *to, const void *host, size_t bytes) {
    (void)b;
    memcpy(to, host, bytes);
}
static void get(backend *b, void *host, const void *from, size_t bytes) {
    (void)b;
    memcpy(host, from, bytes);
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

enum { PIECE = 1 << 16 };

/* Pieces of fixed size are summed by any thread, and added up in their order. */
static double sum_squares(backend *b, const float *x, size_t n) {
    (void)b;
    const size_t pieces = (n + PIECE - 1) / PIECE;
    double *part = memory_alloc((pieces + 1) * sizeof *part), total = 0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < pieces; i++)
        part[i] = cpu_kernels()->sum_squares(x + i * PIECE, n - i * PIECE < PIECE ? n - i * PIECE : PIECE);
    for (size_t i = 0; i < pieces; i++) total += part[i];
    memory_release(part);
    return total;
}

static void scale(backend *b, float *x, size_t n, float factor) {
    (void)b;
#pragma omp parallel for schedule(static)
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
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += PIECE)
        cpu_kernels()->adamw(values + i, grad + i, m + i, v + i, n - i < PIECE ? n - i : PIECE, &o);
}

static void product(backend *b, float *out, const float *left, const float *right, int T, int N, int K) {
    (void)b;
    memset(out, 0, (size_t)N * (size_t)K * sizeof *out);
    gemm_backward_weight(out, left, N, right, K, T, N, K, 1, COMPUTE_F32);
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
                     .adamw = adamw,
                     .product = product,
                     .peak = cpu_peak,
                     .bench = cpu_bench,
                     .close = memory_release};
#define X(token, prefix, words)                                                                                                  \
    c->b.forward[token] = cpu_##prefix##_forward;                                                                                \
    c->b.backward[token] = cpu_##prefix##_backward;
    OPS(X)
#undef X
    return &c->b;
}
