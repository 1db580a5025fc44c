/* peak.c - see peak.h. The arithmetic peak is a tile whose factors stay in the first-level cache; without bfloat16 instructions its
 * bfloat16 figure is that of the widened form, which is what products can reach there. */
#include "tensor/cpu/peak.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"

static double best_of(double a, double b) { return a > b ? a : b; }

/* FLOP per second of tiles that read 8 x 64 and 64 x 48 words again and again. */
static double tile_rate(bool bf16) {
    enum { STEPS = 64 };
    const kernels *f = cpu_kernels();
    double best = 0;
    for (int round = 0; round < 3; round++) {
        int times = 0;
        double seconds = 0;
#pragma omp parallel reduction(+ : times) reduction(max : seconds)
        {
            float *a = gemm_scratch(SCRATCH_A, 8 * 2 * STEPS * 4), *b = gemm_scratch(SCRATCH_B, 3 * STEPS * PANEL * 4), c[8 * 48];
            memset(a, 0, 8 * 2 * STEPS * 4);
            memset(b, 0, 3 * STEPS * PANEL * 4);
            const tile t = {.a = a,
                            .row = 2 * STEPS,
                            .step = 1,
                            .b = b,
                            .panel = STEPS * PANEL,
                            .bstep = PANEL,
                            .rows = f->rows,
                            .panels = f->panels,
                            .steps = STEPS,
                            .c = c,
                            .ldc = 48,
                            .columns = f->panels * PANEL,
                            .alpha = 1};
#pragma omp barrier
            const double begun = sys_seconds();
            while (sys_seconds() - begun < 0.06)
                for (int i = 0; i < 200; i++, times++) {
                    if (bf16) f->tile_bf16(&t);
                    else f->tile_f32(&t);
                }
            seconds = sys_seconds() - begun;
        }
        best = best_of(best, 2.0 * f->rows * f->panels * PANEL * STEPS * (bf16 ? 2 : 1) * times / seconds);
    }
    return best;
}

static double read_rate(void) {
    const size_t n = (size_t)64 << 20; /* values: 256 MB */
    float *x = memory_alloc(n * sizeof *x);
    double best = 0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += 1024) x[i] = 1;
    for (int round = 0; round < 3; round++) {
        double sum = 0;
        const double begun = sys_seconds();
#pragma omp parallel for schedule(static) reduction(+ : sum)
        for (size_t i = 0; i < n; i += 1 << 16) sum += cpu_kernels()->sum_squares(x + i, 1 << 16);
        const double took = sys_seconds() - begun;
        if (sum >= 0) best = best_of(best, (double)(n * sizeof *x) / took);
    }
    memory_release(x);
    return best;
}

machine_peak cpu_peak(backend *b) {
    (void)b;
    return (machine_peak){
        .threads = omp_get_max_threads(), .f32_flops = tile_rate(false), .bf16_flops = tile_rate(true), .bandwidth = read_rate()};
}

/* ---- products ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    float *x, *y, *w;
    void *packed;
    gemm_matrix m;
} product;

static double product_rate(const product *p, int which, int M, compute_type c) {
    double best = 0;
    for (int round = 0; round < 5; round++) {
        const double begun = sys_seconds();
        if (which == 0) gemm_forward(p->y, p->m.N, p->x, p->m.K, &p->m, M, NULL, false, 1, c);
        if (which == 1) gemm_backward_input(p->x, p->m.K, p->y, p->m.N, &p->m, M, false, 1e-3f, c);
        if (which == 2) gemm_backward_weight(p->w, p->y, p->m.N, p->x, p->m.K, M, p->m.N, p->m.K, 1e-3f, c);
        best = best_of(best, 2.0 * M * p->m.N * p->m.K / (sys_seconds() - begun));
    }
    return best;
}

void cpu_bench(backend *b, FILE *out) {
    static const int shapes[][2] = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}};
    static const char *const names[] = {"x W^T", "dy W", "dy^T x"};
    const machine_peak peak = cpu_peak(b);
    fprintf(out, "matrix products of a 134.5 M llama (GFLOP/s and share of the peak above; 512 rows, then 16 and 1)\n%-14s",
            "N x K");
    for (int c = 0; c < 2; c++)
        for (int k = 0; k < 5; k++) fprintf(out, "%15s", k < 3 ? names[k] : k == 3 ? "x W^T, 16" : "x W^T, 1");
    fprintf(out, "\n%-14s%15s%75s\n", "", "float32", "bfloat16");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int N = shapes[s][0], K = shapes[s][1], M = 512;
        fprintf(out, "%6d x %-5d", N, K);
        for (int c = 0; c < 2; c++) {
            const storage_type type = c ? TYPE_BF16 : TYPE_F32;
            product p = {.x = memory_alloc((size_t)M * (size_t)K * 4),
                         .y = memory_alloc((size_t)M * (size_t)N * 4),
                         .w = memory_alloc((size_t)N * (size_t)K * 4),
                         .packed = b->alloc(b, gemm_packed_bytes(type, N, K))};
            for (size_t i = 0; i < (size_t)N * (size_t)K; i++) p.w[i] = (float)(i % 7) - 3;
            gemm_pack(p.packed, type, N, K, TYPE_F32, p.w);
            p.m = (gemm_matrix){p.packed, type, N, K};
            const double top = c ? peak.bf16_flops : peak.f32_flops;
            for (int k = 0; k < 5; k++) {
                const double rate =
                    k < 3 ? product_rate(&p, k, M, (compute_type)c) : product_rate(&p, 0, k == 3 ? 16 : 1, (compute_type)c);
                fprintf(out, "%9.0f %3.0f %%", rate / 1e9, 100 * rate / top);
            }
            memory_release(p.x);
            memory_release(p.y);
            memory_release(p.w);
            b->free(b, p.packed);
        }
        fputc('\n', out);
    }
    fputc('\n', out);
}
