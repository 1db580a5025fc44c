/* gemm.c - products against a plain triple loop in double, at odd shapes, on every instruction set; threads change no bit. */
#include "test.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"

static float rounded(float x, compute_type c) {
    uint32_t u;
    if (c == COMPUTE_F32) return x;
    memcpy(&u, &x, 4);
    u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &u, 4);
    return x;
}

static float *numbers(arena *a, rng *r, int n) {
    float *x = arena_array(a, float, n + 16);
    for (int i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(r) - 1);
    return x;
}

static double worst_of(arena *a, rng *r, int M, int N, int K, compute_type c) {
    float *x = numbers(a, r, M * K), *w = numbers(a, r, N * K), *dy = numbers(a, r, M * N), *bias = numbers(a, r, N);
    float *y = numbers(a, r, M * N), *dx = numbers(a, r, M * K), *dw = arena_array(a, float, N *K);
    const storage_type type = c == COMPUTE_F32 ? TYPE_F32 : TYPE_BF16;
    const gemm_matrix m = {arena_alloc(a, gemm_packed_bytes(type, N, K) + 256), type, N, K};
    double worst = 0;
    gemm_pack((void *)(uintptr_t)m.packed, type, N, K, TYPE_F32, w);
    gemm_forward(y, N, x, K, &m, M, bias, false, 0.5f, c);
    gemm_backward_input(dx, K, dy, N, &m, M, false, 1, c);
    gemm_backward_weight(dw, dy, N, x, K, M, N, K, 1, c);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double s = 2 * (double)bias[j];
            for (int k = 0; k < K; k++) s += (double)rounded(x[i * K + k], c) * (double)rounded(w[j * K + k], c);
            worst = fmax(worst, fabs(s / 2 - (double)y[i * N + j]));
        }
    for (int i = 0; i < M; i++)
        for (int k = 0; k < K; k++) {
            double s = 0;
            for (int j = 0; j < N; j++) s += (double)rounded(dy[i * N + j], c) * (double)rounded(w[j * K + k], c);
            worst = fmax(worst, fabs(s - (double)dx[i * K + k]));
        }
    for (int j = 0; j < N; j++)
        for (int k = 0; k < K; k++) {
            double s = 0;
            for (int i = 0; i < M; i++) s += (double)rounded(dy[i * N + j], c) * (double)rounded(x[i * K + k], c);
            worst = fmax(worst, fabs(s - (double)dw[j * K + k]));
        }
    return worst;
}

static void products_equal_a_triple_loop_at_odd_shapes(void **state) {
    static const int sizes[] = {1, 2, 3, 5, 7, 16, 17, 33, 50, 100};
    rng r = rng_new(1, 1);
    (void)state;
    for (int i = 0; i < 150; i++) {
        arena *a = arena_new();
        const int M = sizes[rng_below(&r, 10)], N = sizes[rng_below(&r, 10)], K = sizes[rng_below(&r, 10)];
        for (int c = 0; c < 2; c++) {
            const double worst = worst_of(a, &r, M, N, K, (compute_type)c);
            if (!(worst < 1e-4)) fail_msg("%d x %d x %d, %s: off by %g", M, N, K, c ? "bf16" : "f32", worst);
        }
        arena_free(a);
    }
}

static void a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads(void **state) {
    enum { M = 37, N = 83, K = 1300 };
    rng r = rng_new(2, 2);
    arena *a = arena_new();
    float *x = numbers(a, &r, M * K), *w = numbers(a, &r, N * K), *all = numbers(a, &r, M * N), *one = numbers(a, &r, N),
          *two = numbers(a, &r, M * N);
    (void)state;
    for (int c = 0; c < 2; c++) {
        const storage_type type = c ? TYPE_BF16 : TYPE_F32;
        const gemm_matrix m = {arena_alloc(a, gemm_packed_bytes(type, N, K) + 256), type, N, K};
        gemm_pack((void *)(uintptr_t)m.packed, type, N, K, TYPE_F32, w);
        omp_set_num_threads(1);
        gemm_forward(all, N, x, K, &m, M, NULL, false, 1, (compute_type)c);
        omp_set_num_threads(3);
        gemm_forward(two, N, x, K, &m, M, NULL, false, 1, (compute_type)c);
        assert_memory_equal(all, two, M * N * sizeof *all);
        for (int i = 0; i < M; i += 9) {
            gemm_forward(one, N, x + i * K, K, &m, 1, NULL, false, 1, (compute_type)c);
            assert_memory_equal(one, all + i * N, N * sizeof *one);
        }
    }
    arena_free(a);
}

static void blocks_multiply_as_their_values_do(void **state) {
    static const storage_type types[] = {TYPE_Q8_0, TYPE_Q4_0, TYPE_Q4_1, TYPE_F16};
    enum { M = 5, N = 37, K = 96 };
    rng r = rng_new(3, 3);
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        arena *a = arena_new();
        float *w = numbers(a, &r, N * K), *wide = numbers(a, &r, N * K), *x = numbers(a, &r, M * K), *dy = numbers(a, &r, M * N);
        float *y[2] = {numbers(a, &r, M * N), numbers(a, &r, M * N)}, *dx[2] = {numbers(a, &r, M * K), numbers(a, &r, M * K)};
        void *blocks = arena_alloc(a, type_bytes(types[t], N * K)),
             *packed = arena_alloc(a, gemm_packed_bytes(TYPE_F32, N, K) + 256);
        type_from_f32(types[t], w, blocks, N * K);
        type_to_f32(types[t], blocks, wide, N * K);
        gemm_pack(packed, TYPE_F32, N, K, TYPE_F32, wide);
        const gemm_matrix m[2] = {{blocks, types[t], N, K}, {packed, TYPE_F32, N, K}};
        for (int k = 0; k < 2; k++) {
            gemm_forward(y[k], N, x, K, &m[k], M, NULL, false, 1, COMPUTE_F32);
            gemm_backward_input(dx[k], K, dy, N, &m[k], M, false, 1, COMPUTE_F32);
        }
        for (int i = 0; i < M * N; i++) assert_float_equal(y[0][i], y[1][i], 1e-4);
        for (int i = 0; i < M * K; i++) assert_float_equal(dx[0][i], dx[1][i], 1e-4);
        arena_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(products_equal_a_triple_loop_at_odd_shapes),
        TEST(a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads),
        TEST(blocks_multiply_as_their_values_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
