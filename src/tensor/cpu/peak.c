/* peak.c - see peak.h.
 *
 * The limit of the arithmetic is what a loop of independent multiply-adds on registers reaches: nothing is loaded, nothing stored,
 * and there are as many sums as a tile of a product has, more than latency times width of any processor so far. It is not a product,
 * so a product cannot hide what it loses. Without dot instructions a bfloat16 product is float32 arithmetic on widened halves and
 * its limit is that of float32.
 *
 * The limit of memory is a sum over 128 MB, more than a last-level cache is likely to keep for one process. */
#include "tensor/cpu/peak.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/sys.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"

static const double probe_seconds = 0.02;

/* Every thread counts its own rounds and its own time: one that the system holds up does not spoil the others' figure. */
static double spin_rate(bool bf16) {
    enum { ROUNDS = 20000 };
    const kernels *f = cpu_kernels();
    double rate = 0;
    float keep = 0;
#pragma omp parallel reduction(+ : rate, keep)
    {
        int times = 0;
        double took = 0;
        const double begun = sys_seconds();
        for (; took < probe_seconds; times++, took = sys_seconds() - begun) keep += f->spin[bf16](1.5f, ROUNDS);
        rate = f->spin_flops[bf16] * ROUNDS * times / took;
    }
    return isfinite(keep) || rate > 0 ? rate : 0; /* the sums are looked at, so that they are made */
}

static double read_rate(backend *b) {
    enum { N = 32 << 20, PIECE = 1 << 16 };
    float *x = b->alloc(b, (size_t)N * sizeof *x);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < N; i += 1024) x[i] = 1; /* every page is there, and where its reader is */
    double sum = 0;
    const double begun = sys_seconds();
#pragma omp parallel for schedule(static) reduction(+ : sum)
    for (int i = 0; i < N; i += PIECE) sum += cpu_kernels()->sum_squares(x + i, PIECE);
    const double took = sys_seconds() - begun;
    b->free(b, x);
    return sum >= 0 ? (double)N * sizeof *x / took : 0;
}

double cpu_limit(backend *b, limit_kind which) { return which == LIMIT_MEMORY ? read_rate(b) : spin_rate(which == LIMIT_BF16); }

/* ---- products ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    float *x, *y, *w;
    gemm_matrix m;
} product;

static const char *const names[] = {"x W^T", "dy W", "dy^T x"};

static void multiply(const product *p, int which, int M, compute_type c) {
    if (which == 0) gemm_forward(p->y, p->m.N, p->x, p->m.K, &p->m, M, NULL, false, 1, c);
    if (which == 1) gemm_backward_input(p->x, p->m.K, p->y, p->m.N, &p->m, M, false, 1e-3f, c);
    if (which == 2) gemm_backward_weight(p->w, p->y, p->m.N, p->x, p->m.K, M, p->m.N, p->m.K, 1e-3f, c);
}

/* A sample repeats the product until it is long enough to be timed. */
static product_figure measure(backend *b, const product *p, int which, int M, compute_type c, double seconds) {
    const limit_kind arithmetic = c == COMPUTE_F32 ? LIMIT_F32 : LIMIT_BF16, limit = M == 1 ? LIMIT_MEMORY : arithmetic;
    const double flops = 2.0 * M * p->m.N * p->m.K, bytes = (double)gemm_packed_bytes(p->m.type, p->m.N, p->m.K);
    multiply(p, which, M, c);
    const double begun = sys_seconds();
    multiply(p, which, M, c);
    const int times = 1 + (int)(probe_seconds / (sys_seconds() - begun + 1e-7));
    series s = series_begin(b, 1u << limit, seconds, 3);
    double amount[LIMIT_COUNT] = {0};
    amount[limit] = times * (limit == LIMIT_MEMORY ? bytes : flops);
    while (series_next(&s)) {
        series_start(&s);
        for (int i = 0; i < times; i++) multiply(p, which, M, c);
        series_stop(&s, amount);
    }
    series_end(&s);
    return (product_figure){names[which],   M,    p->m.N, p->m.K, c, times * flops / (s.seconds.median + 1e-12),
                            s.share[limit], s.had};
}

static const struct { int which, M; } cases[] = {{0, 512}, {1, 512}, {2, 512}, {0, 16}, {0, 1}};
enum { CASES = sizeof cases / sizeof *cases, MOST = 512 };

/* The matrices of a layer; and the head, which alone is too large for a cache, so that it shows what one row costs. */
static const int shapes[][2] = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static bool bench_shape(backend *b, int N, int K, compute_type c, double seconds, bool (*row)(void *, const product_figure *),
                        void *self) {
    const storage_type type = c == COMPUTE_BF16 ? TYPE_BF16 : TYPE_F32;
    void *packed = b->alloc(b, gemm_packed_bytes(type, N, K));
    product p = {.x = memory_alloc(MOST * (size_t)K * 4),
                 .y = memory_alloc(MOST * (size_t)N * 4),
                 .w = memory_alloc((size_t)N * (size_t)K * 4),
                 .m = {packed, type, N, K}};
    for (size_t i = 0; i < (size_t)N * (size_t)K; i++) p.w[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < MOST * (size_t)K; i++) p.x[i] = (float)(i % 5) - 2;
    gemm_pack(packed, type, N, K, TYPE_F32, p.w);
    bool ok = true;
    for (int k = 0; ok && k < CASES; k++) {
        if (cases[k].M == 1 && N < 10000) continue;
        const product_figure f = measure(b, &p, cases[k].which, cases[k].M, c, seconds);
        ok = row(self, &f);
    }
    memory_release(p.x);
    memory_release(p.y);
    memory_release(p.w);
    b->free(b, packed);
    return ok;
}

bool cpu_bench(backend *b, double seconds, bool (*row)(void *self, const product_figure *f), void *self) {
    const double each = seconds / (2 * SHAPES * CASES);
    for (int c = 0; c < 2; c++)
        for (int s = 0; s < SHAPES; s++)
            if (!bench_shape(b, shapes[s][0], shapes[s][1], (compute_type)c, each, row, self)) return false;
    return true;
}
