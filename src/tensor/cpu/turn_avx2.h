/* turn_avx2.h - squares of 8 x 8 values turned in registers; rows are PANEL words apart on both sides. */
#ifndef FETTLE_TENSOR_CPU_TURN_AVX2_H
#define FETTLE_TENSOR_CPU_TURN_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "tensor/cpu/kernels.h"

#define TURN_EIGHT

/* Neighbours in pairs of rows, pairs in fours, then the halves: t[i] becomes column i. */
static inline void turn_registers(__m256 t[8]) {
    __m256 u[8];
    for (int i = 0; i < 8; i += 2) u[i] = _mm256_unpacklo_ps(t[i], t[i + 1]), u[i + 1] = _mm256_unpackhi_ps(t[i], t[i + 1]);
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            t[i + 2 * k] = _mm256_shuffle_ps(u[i + k], u[i + k + 2], 0x44);
            t[i + 2 * k + 1] = _mm256_shuffle_ps(u[i + k], u[i + k + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        u[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        u[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) t[i] = u[i];
}

static inline void turn_eight(float *out, const float *in) {
    __m256 t[8];
    for (int i = 0; i < 8; i++) t[i] = _mm256_loadu_ps(in + i * PANEL);
    turn_registers(t);
    for (int i = 0; i < 8; i++) _mm256_storeu_ps(out + i * PANEL, t[i]);
}

/* [8 k-pairs][8 n] words -> [8 n][16 k] values: a turned row of words is widened to its low and high halves, side by side. */
static inline void turn_eight_words(float *out, const uint32_t *in) {
    __m256 t[8];
    const __m256i high = _mm256_set1_epi32((int)0xffff0000u);
    for (int i = 0; i < 8; i++) t[i] = _mm256_loadu_ps((const float *)(const void *)(in + i * PANEL));
    turn_registers(t);
    for (int i = 0; i < 8; i++) {
        const __m256i w = _mm256_castps_si256(t[i]);
        const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)), odd = _mm256_castsi256_ps(_mm256_and_si256(w, high));
        const __m256 lo = _mm256_unpacklo_ps(even, odd), hi = _mm256_unpackhi_ps(even, odd); /* k 0-3 8-11, 4-7 12-15 */
        _mm256_storeu_ps(out + i * PANEL, _mm256_permute2f128_ps(lo, hi, 0x20));
        _mm256_storeu_ps(out + i * PANEL + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
    }
}

#endif
