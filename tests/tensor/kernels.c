/* kernels.c - inner loops that are no products, against plain loops in double, at odd lengths, on every instruction set this
 * processor has. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/cpu/kernels.h"
#include "tensor/tensor.h"

enum { MOST = 2100 };
static const int lengths[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100, 576, 1023, 1025, 2049};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

typedef struct {
    float x[MOST], y[MOST], w[MOST], out[MOST];
} rows;

static void each_length(void (*check)(const kernels *f, rows *r, int n)) {
    rows *r = malloc(sizeof *r);
    for (int level = 0; level <= (int)CPU_AVX512_BF16; level++) {
        if (level > (int)sys_cpu()) {
            print_message("SKIPPED on this processor: %s\n", sys_cpu_name((cpu_level)level));
            continue;
        }
        rng g = rng_new(3, 1);
        for (int i = 0; i < LENGTHS; i++) {
            for (int k = 0; k < MOST; k++) {
                r->x[k] = (float)(4 * rng_uniform(&g) - 2);
                r->y[k] = (float)(4 * rng_uniform(&g) - 2);
                r->w[k] = r->out[k] = (float)(4 * rng_uniform(&g) - 2);
            }
            check(cpu_kernels_at((cpu_level)level), r, lengths[i]);
        }
    }
    free(r);
}

static void near(const kernels *f, int n, int k, double want, double got) {
    if (!(fabs(want - got) <= 2e-5 * (1 + fabs(want))))
        fail_msg("%s, length %d: at %d %.9g is not %.9g", f->name, n, k, got, want);
}

static void check_weights(const kernels *f, rows *r, int n) {
    const int best = f->largest(r->x, n);
    for (int k = 0; k < n; k++) assert_true(r->x[k] < r->x[best] || (k >= best && r->x[k] <= r->x[best]));
    double sum = 0;
    const double total = f->exp_row(r->out, r->x, n, r->x[best], 0.7f);
    for (int k = 0; k < n; k++) {
        const double want = exp(0.7 * ((double)r->x[k] - (double)r->x[best]));
        near(f, n, k, want, (double)r->out[k]);
        sum += want;
    }
    near(f, n, -1, sum, total);
    f->exp_row(r->x, r->x, n, r->x[best], 0.7f); /* in place */
    assert_memory_equal(r->x, r->out, (size_t)n * sizeof(float));
}

static void weights_of_logits_and_their_sum_are_exponentials(void **state) {
    (void)state;
    each_length(check_weights);
}

static void check_norm(const kernels *f, rows *r, int n) {
    float dx[MOST], dw[MOST];
    double s = 0;
    for (int k = 0; k < n; k++) s += (double)r->w[k] * (double)r->y[k] * (double)r->x[k];
    f->norm_row(r->out, r->x, r->w, 0.5f, n);
    for (int k = 0; k < n; k++) near(f, n, k, (double)r->x[k] * 0.5 * (double)r->w[k], (double)r->out[k]);
    memcpy(dx, r->x, sizeof dx);
    memcpy(dw, r->w, sizeof dw);
    f->norm_row_back(dx, r->x, r->w, r->y, 0.5f, n, true);
    f->norm_row_back(r->out, r->x, r->w, r->y, 0.5f, n, false);
    f->norm_weight_back(dw, r->x, r->y, 0.5f, n);
    for (int k = 0; k < n; k++) {
        const double d = 0.5 * ((double)r->w[k] * (double)r->y[k] - (double)r->x[k] * s * 0.25 / n);
        near(f, n, k, d, (double)r->out[k]);
        near(f, n, k, (double)r->x[k] + d, (double)dx[k]);
        near(f, n, k, (double)r->w[k] + 0.5 * (double)r->x[k] * (double)r->y[k], (double)dw[k]);
    }
}

static void norms_go_both_ways_as_their_formulas_say(void **state) {
    (void)state;
    each_length(check_norm);
}

static void check_rope(const kernels *f, rows *r, int n) {
    const int half = n / 2;
    f->rope_halves(r->out, r->x, r->y, r->w, half, 1, false);
    for (int k = 0; k < half; k++) {
        const double a = (double)r->x[k], b = (double)r->x[half + k], c = (double)r->y[k], s = (double)r->w[k];
        near(f, n, k, a * c - b * s, (double)r->out[k]);
        near(f, n, half + k, b * c + a * s, (double)r->out[half + k]);
    }
    float twice[MOST];
    memcpy(twice, r->out, sizeof twice);
    f->rope_halves(twice, r->x, r->y, r->w, half, 1, true);
    for (int k = 0; k < 2 * half; k++) near(f, n, k, 2 * (double)r->out[k], (double)twice[k]);
}

static void rotations_turn_halves_of_a_head(void **state) {
    (void)state;
    each_length(check_rope);
}

static void check_softmax(const kernels *f, rows *r, int n) {
    memcpy(r->out, r->y, sizeof r->out);
    f->softmax_back(r->out, r->x, 0.3f, n);
    for (int k = 0; k < n; k++) near(f, n, k, (double)r->x[k] * ((double)r->y[k] - 0.3), (double)r->out[k]);
}

static void the_gradient_of_a_softmax_is_p_times_what_exceeds_its_mean(void **state) {
    (void)state;
    each_length(check_softmax);
}

static void check_drop(const kernels *f, rows *r, int n) {
    rng g = rng_new(11, (uint64_t)n);
    f->drop(r->out, r->x, (size_t)n, g.key, 1u << 30, 2, false);
    for (int k = 0; k < n; k++) {
        const float want = rng_next(&g) < 1u << 30 ? 0 : 2 * r->x[k];
        assert_memory_equal(&want, &r->out[k], sizeof want);
    }
}

static void dropout_draws_the_words_of_the_generator(void **state) {
    (void)state;
    each_length(check_drop);
}

/* Rounding to nearest even; what the dot instruction takes for zero may be zero here too. */
static void check_pairs(const kernels *f, rows *r, int n) {
    uint32_t words[MOST];
    static const float odd[] = {1.00390625f, 1.01171875f, -1.00390625f, 3.4e38f, 0, -0.0f, INFINITY};
    for (int k = 0; k < n; k += 5) r->x[k] = odd[k / 5 % 7];
    f->pack_pairs(words, r->x, n);
    for (int k = 0; k < n; k++) {
        uint32_t u;
        memcpy(&u, &r->x[k], 4);
        assert_int_equal((u + 0x7fff + (u >> 16 & 1)) >> 16, words[k / 2] >> (k % 2 ? 16 : 0) & 0xffff);
    }
    if (n % 2) assert_int_equal(words[n / 2] >> 16, 0);
    const float nan = NAN;
    f->pack_pairs(words, &nan, 1);
    assert_true((words[0] & 0x7fff) > 0x7f80);
}

static void pairs_are_rounded_to_nearest_even(void **state) {
    (void)state;
    each_length(check_pairs);
}

static void check_turn(const kernels *f, rows *r, int n) {
    uint32_t in[8 * 16], out[8 * 16];
    (void)r;
    for (uint32_t i = 0; i < 128; i++) in[i] = (i * 2 + (uint32_t)n) | (i * 2 + 1 + (uint32_t)n) << 16;
    f->turn_pairs(out, 16, in);
    for (int k = 0; k < 16; k++)
        for (int j = 0; j < 16; j++) {
            const uint32_t from = in[k / 2 * 16 + j] >> (k % 2 ? 16 : 0) & 0xffff;
            assert_int_equal(from, out[j / 2 * 16 + k] >> (j % 2 ? 16 : 0) & 0xffff);
        }
}

static void pairs_along_one_side_become_pairs_along_the_other(void **state) {
    (void)state;
    each_length(check_turn);
}

static uint32_t word_of(uint32_t i) { return (i * 2 + 0x3f80) | (i * 2 + 0x3f81) << 16; }

/* Squares turned, and words of two bfloat16 as float32: values are moved, so they are the same bits. */
static void check_squares(const kernels *f, rows *r, int n) {
    uint32_t in[16 * 16], out[16 * 16];
    (void)r;
    for (uint32_t i = 0; i < 256; i++) in[i] = word_of(i + (uint32_t)n);
    f->turn((float *)(void *)out, (const float *)(const void *)in);
    for (int i = 0; i < 256; i++) assert_int_equal(out[i], in[i % 16 * 16 + i / 16]);
    f->turn_words((float *)(void *)out, in);
    for (int j = 0; j < 16; j++)
        for (int k = 0; k < 16; k++)
            assert_int_equal(out[j * 16 + k], k % 2 ? in[k / 2 * 16 + j] & 0xffff0000u : in[k / 2 * 16 + j] << 16);
    f->widen_pairs((float *)(void *)out, in, 8);
    for (int k = 0; k < 16; k++)
        for (int j = 0; j < 16; j++)
            assert_int_equal(out[k * 16 + j], k % 2 ? in[k / 2 * 16 + j] & 0xffff0000u : in[k / 2 * 16 + j] << 16);
}

static void squares_and_words_are_moved_bit_for_bit(void **state) {
    (void)state;
    each_length(check_squares);
}

/* Three pieces, further apart than they are long: what lies between them stays. */
static void check_pieces(const kernels *f, rows *r, int n) {
    enum { PIECES = 3, APART = 19 };
    uint32_t in[PIECES * 16], out[PIECES * APART];
    (void)r;
    for (uint32_t i = 0; i < PIECES * 16; i++) in[i] = word_of(i + (uint32_t)n);
    for (int tiles = 0; tiles < 2; tiles++) {
        const int width = tiles ? f->rows : 16;
        memset(out, 0, sizeof out);
        (tiles ? f->deal_tiles : f->deal_panels)(out, APART, in, PIECES * width);
        for (int i = 0; i < PIECES * APART; i++)
            assert_int_equal(out[i], i % APART < width ? in[i / APART * width + i % APART] : 0);
    }
}

static void a_row_is_dealt_out_in_pieces_and_nothing_between_them(void **state) {
    (void)state;
    each_length(check_pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(weights_of_logits_and_their_sum_are_exponentials),
        TEST(norms_go_both_ways_as_their_formulas_say),
        TEST(rotations_turn_halves_of_a_head),
        TEST(the_gradient_of_a_softmax_is_p_times_what_exceeds_its_mean),
        TEST(dropout_draws_the_words_of_the_generator),
        TEST(pairs_are_rounded_to_nearest_even),
        TEST(pairs_along_one_side_become_pairs_along_the_other),
        TEST(squares_and_words_are_moved_bit_for_bit),
        TEST(a_row_is_dealt_out_in_pieces_and_nothing_between_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
