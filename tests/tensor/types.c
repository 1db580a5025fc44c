/* types.c - storage types: known blocks, round trips, halves at their edges. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

static void every_type_keeps_zeros_and_its_own_values(void **state) {
    (void)state;
    for (int t = 0; t < TYPE_COUNT; t++) {
        float x[64], y[64], z[64];
        char blocks[64 * 4], again[64 * 4];
        for (int i = 0; i < 64; i++) x[i] = (float)(i % 16 - 8) / 4;
        type_from_f32((storage_type)t, x, blocks, 64);
        type_to_f32((storage_type)t, blocks, y, 64);
        type_from_f32((storage_type)t, y, again, 64);
        type_to_f32((storage_type)t, again, z, 64);
        for (int i = 0; i < 64; i++) {
            assert_float_equal(y[i], x[i], 0.3);
            assert_float_equal(z[i], y[i], 0.3);
        }
        memset(x, 0, sizeof x);
        type_from_f32((storage_type)t, x, blocks, 64);
        type_to_f32((storage_type)t, blocks, y, 64);
        for (int i = 0; i < 64; i++) assert_true(y[i] == 0);
    }
}

static void halves_round_to_even_and_keep_their_edges(void **state) {
    const float in[] = {65504, 65520, 1e-8f, 6.1e-5f, -0.0f, 1.0009766f, INFINITY};
    const float want[] = {65504, INFINITY, 0, 6.1035156e-05f, -0.0f, 1.0009766f, INFINITY};
    uint16_t h[7];
    float out[7];
    (void)state;
    type_from_f32(TYPE_F16, in, h, 7);
    type_to_f32(TYPE_F16, h, out, 7);
    for (int i = 0; i < 7; i++) assert_true(out[i] == want[i] || fabsf(out[i] - want[i]) < 1e-7f);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_type_keeps_zeros_and_its_own_values),
                                       TEST(halves_round_to_even_and_keep_their_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
