/* gemm.c - products against a plain triple loop in double, at odd shapes, on every instruction set this processor has; threads and
 * neighbours change no bit. */
#include "test.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"

/* Runs a test once for every instruction set up to this processor's; the others are named. */
static void on_every_instruction_set(void (*test)(void)) {
    for (int level = 0; level <= (int)CPU_AVX512_BF16; level++) {
        if (level > (int)sys_cpu()) {
            print_message("SKIPPED on this processor: %s\n", sys_cpu_name((cpu_level)level));
            continue;
        }
        cpu_kernels_use(cpu_kernels_at((cpu_level)level));
        test();
    }
    cpu_kernels_use(NULL);
}

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

static void check_shape(rng *r, int M, int N, int K) {
    arena *a = arena_new();
    for (int c = 0; c < 2; c++) {
        const double worst = worst_of(a, r, M, N, K, (compute_type)c);
        if (!(worst < 1e-4)) fail_msg("%s, %d x %d x %d, %s: off by %g", cpu_kernels()->name, M, N, K, c ? "bf16" : "f32", worst);
    }
    arena_free(a);
}

/* Every size once in each place, others drawn; then some that cross the edges of blocks (48 columns, 96 rows, 1024 steps). */
static void check_shapes(void) {
    static const int sizes[] = {1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 47, 49, 63, 65, 95, 97, 127};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    rng r = rng_new(1, 1);
    for (int i = 0; i < 3 * COUNT; i++) {
        int at[3];
        for (int k = 0; k < 3; k++) at[k] = sizes[k == i % 3 ? i / 3 : (int)rng_below(&r, COUNT)];
        check_shape(&r, at[0], at[1], at[2]);
    }
    check_shape(&r, 3, 5, 2051);
    check_shape(&r, 2, 2051, 7);
    check_shape(&r, 2051, 3, 5);
    check_shape(&r, 17, 1024, 65); /* rows that caches could not keep are copied */
    check_shape(&r, 17, 65, 1024);
}

static void products_equal_a_triple_loop_at_odd_shapes(void **state) {
    (void)state;
    on_every_instruction_set(check_shapes);
    rng r = rng_new(6, 6);
    check_shape(&r, 97, 8209, 513); /* larger than a cache: tasks in another order */
}

/* All three products of one odd shape, one after the other, in `out`; returns how many values. */
static int all_products(float *out, const float *x, const float *dy, const gemm_matrix *m, int M, compute_type c) {
    const int N = m->N, K = m->K;
    memset(out, 0, (size_t)(M * N + M * K + N * K) * sizeof *out);
    gemm_forward(out, N, x, K, m, M, NULL, false, 1, c);
    gemm_backward_input(out + M * N, K, dy, N, m, M, false, 1, c);
    gemm_backward_weight(out + M * N + M * K, dy, N, x, K, M, N, K, 1, c);
    return M * N + M * K + N * K;
}

static void check_bits(void) {
    enum { M = 203, N = 83, K = 1300 };
    rng r = rng_new(2, 2);
    arena *a = arena_new();
    const int total = M * N + M * K + N * K;
    float *x = numbers(a, &r, M * K), *dy = numbers(a, &r, M * N), *w = numbers(a, &r, N * K), *all = numbers(a, &r, total),
          *again = numbers(a, &r, total), *one = numbers(a, &r, N > K ? N : K);
    for (int c = 0; c < 2; c++) {
        const storage_type type = c ? TYPE_BF16 : TYPE_F32;
        const gemm_matrix m = {arena_alloc(a, gemm_packed_bytes(type, N, K) + 256), type, N, K};
        gemm_pack((void *)(uintptr_t)m.packed, type, N, K, TYPE_F32, w);
        omp_set_num_threads(1);
        all_products(all, x, dy, &m, M, (compute_type)c);
        for (int threads = 2; threads <= 5; threads++) {
            omp_set_num_threads(threads);
            all_products(again, x, dy, &m, M, (compute_type)c);
            assert_memory_equal(all, again, (size_t)total * sizeof *all);
        }
        omp_set_num_threads(2);
        for (int i = 0; i < M; i += 9) {
            gemm_forward(one, N, x + i * K, K, &m, 1, NULL, false, 1, (compute_type)c);
            assert_memory_equal(one, all + i * N, N * sizeof *one);
            gemm_backward_input(one, K, dy + i * N, N, &m, 1, false, 1, (compute_type)c);
            assert_memory_equal(one, all + M * N + i * K, K * sizeof *one);
        }
    }
    arena_free(a);
}

static void a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads(void **state) {
    (void)state;
    on_every_instruction_set(check_bits);
}

/* A low-rank factor is one panel wide; its rows are shared out among threads instead. */
static void check_low_rank(void) {
    rng r = rng_new(4, 4);
    check_shape(&r, 199, 83, 16);
    check_shape(&r, 199, 16, 83);
}

static void low_rank_factors_multiply_in_pieces_of_rows(void **state) {
    (void)state;
    on_every_instruction_set(check_low_rank);
}

static void check_type(storage_type type, int M, int N, int K, rng *r) {
    arena *a = arena_new();
    float *w = numbers(a, r, N * K), *wide = numbers(a, r, N * K), *x = numbers(a, r, M * K), *dy = numbers(a, r, M * N);
    float *y[2] = {numbers(a, r, M * N), numbers(a, r, M * N)}, *dx[2] = {numbers(a, r, M * K), numbers(a, r, M * K)};
    void *stored = arena_alloc(a, type_bytes(type, (size_t)(N * K)));
    type_from_f32(type, w, stored, (size_t)(N * K));
    type_to_f32(type, stored, wide, (size_t)(N * K));
    for (int c = 0; c < 2; c++) {
        const storage_type plain = c ? TYPE_BF16 : TYPE_F32;
        void *kept = arena_alloc(a, gemm_packed_bytes(type, N, K) + 256),
             *packed = arena_alloc(a, gemm_packed_bytes(plain, N, K) + 256);
        gemm_pack(kept, type, N, K, type, stored);
        gemm_pack(packed, plain, N, K, TYPE_F32, wide);
        const gemm_matrix m[2] = {{kept, type, N, K}, {packed, plain, N, K}};
        for (int k = 0; k < 2; k++) {
            gemm_forward(y[k], N, x, K, &m[k], M, NULL, false, 1, (compute_type)c);
            gemm_backward_input(dx[k], K, dy, N, &m[k], M, false, 1, (compute_type)c);
        }
        double worst = 0;
        for (int i = 0; i < M * N; i++) worst = fmax(worst, fabs((double)y[0][i] - (double)y[1][i]));
        for (int i = 0; i < M * K; i++) worst = fmax(worst, fabs((double)dx[0][i] - (double)dx[1][i]));
        if (!(worst < 1e-4))
            fail_msg("%s, %s in %s, %d x %d x %d: off by %g", cpu_kernels()->name, type_name(type), type_name(plain), M, N, K,
                     worst);
    }
    arena_free(a);
}

static void check_types(void) {
    static const int block_shapes[][3] = {{5, 37, 96}, {1, 1, 32}, {17, 49, 64}},
                     shapes[][3] = {{5, 37, 99}, {1, 1, 1}, {17, 49, 31}};
    rng r = rng_new(3, 3);
    for (int t = 0; t < TYPE_COUNT; t++)
        for (int i = 0; i < 3; i++) {
            const int *s = type_bytes((storage_type)t, 32) < 64 ? block_shapes[i] : shapes[i];
            check_type((storage_type)t, s[0], s[1], s[2], &r);
        }
}

static void every_storage_type_multiplies_as_its_values_do(void **state) {
    (void)state;
    on_every_instruction_set(check_types);
}

/* Also those that the dot instruction would take for zero: a model that is only read must be written as it came. */
static void bfloat16_weights_come_out_of_their_packed_form_bit_for_bit(void **state) {
    static const uint16_t odd[] = {0x0001, 0x8001, 0x007f, 0x0080, 0x7f80, 0xff80, 0x8000, 0x3f80, 0x7fc1};
    enum { N = 19, K = 37 };
    uint16_t bits[N * K];
    uint32_t wide[N * K];
    (void)state;
    rng r = rng_new(5, 5);
    for (int i = 0; i < N * K; i++) bits[i] = i % 2 ? odd[i / 2 % 9] : (uint16_t)(rng_below(&r, 0x7f80));
    arena *a = arena_new();
    void *packed = arena_alloc(a, gemm_packed_bytes(TYPE_BF16, N, K) + 256);
    gemm_pack(packed, TYPE_BF16, N, K, TYPE_BF16, bits);
    gemm_unpack(packed, TYPE_BF16, N, K, 0, N, (float *)(void *)wide);
    for (int i = 0; i < N * K; i++) assert_int_equal(wide[i] >> 16, bits[i]);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(products_equal_a_triple_loop_at_odd_shapes),
        TEST(a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads),
        TEST(low_rank_factors_multiply_in_pieces_of_rows),
        TEST(every_storage_type_multiplies_as_its_values_do),
        TEST(bfloat16_weights_come_out_of_their_packed_form_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
