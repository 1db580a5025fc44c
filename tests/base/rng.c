/* Random numbers: the published vectors, and that a place in a stream is all there is to save. */
#include "test.h"

#include <math.h>

#include "base/rng.h"

/* Random123's kat_vectors, philox4x32 10: (counter, key) -> words. Our counters have 64 bits; their upper half is zero. */
static void philox_gives_the_published_words(void **state) {
    (void)state;
    const uint32_t expected[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    rng r = {.key = 0, .counter = 0};
    for (int i = 0; i < 4; i++) assert_int_equal(rng_next(&r), expected[i]);
}

static void a_stream_goes_on_from_its_counter(void **state) {
    (void)state;
    rng r = rng_new(7, 3);
    uint32_t first[50];
    for (int i = 0; i < 50; i++) first[i] = rng_next(&r);
    for (int i = 0; i < 50; i++) {
        rng again = {.key = r.key, .counter = (uint64_t)i};
        assert_int_equal(rng_next(&again), first[i]);
    }
    assert_true(rng_new(7, 4).key != r.key && rng_new(8, 3).key != r.key && rng_mix(1, 2) != rng_mix(2, 1));
}

static void moments_are_those_of_the_distributions(void **state) {
    (void)state;
    enum { N = 200000 };
    rng r = rng_new(1, 1);
    double sum = 0, squares = 0, normal = 0, normal_squares = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        const double u = rng_uniform(&r), z = rng_normal(&r);
        assert_true(u >= 0 && u < 1);
        sum += u, squares += u * u, normal += z, normal_squares += z * z, fourth += z * z * z * z;
    }
    assert_true(fabs(sum / N - 0.5) < 0.005 && fabs(squares / N - 1.0 / 3) < 0.005);
    assert_true(fabs(normal / N) < 0.01 && fabs(normal_squares / N - 1) < 0.02 && fabs(fourth / N - 3) < 0.15);
}

static void below_is_even(void **state) {
    (void)state;
    rng r = rng_new(5, 5);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) counts[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) assert_in_range(counts[i], 9600, 10400);
    assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 100; i++) assert_true(rng_below(&r, 0x80000001u) <= 0x80000000u);
}

static void permutations_hold_everything_once(void **state) {
    (void)state;
    enum { N = 1000 };
    int order[N], seen[N] = {0}, moved = 0;
    rng r = rng_new(9, 9);
    rng_permutation(&r, N, order);
    for (int i = 0; i < N; i++) seen[order[i]]++, moved += order[i] != i;
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 980);
    rng_permutation(&r, 0, order);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(philox_gives_the_published_words),       TEST(a_stream_goes_on_from_its_counter),
        TEST(moments_are_those_of_the_distributions), TEST(below_is_even),
        TEST(permutations_hold_everything_once),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
