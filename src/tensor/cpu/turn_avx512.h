/* turn_avx512.h - turns 8 x 16 pairs along k into 8 x 16 pairs along n: an 8 x 8 transpose of 64-bit groups, then the two middle
 * halves of every group change places. */
#ifndef FETTLE_TENSOR_CPU_TURN_AVX512_H
#define FETTLE_TENSOR_CPU_TURN_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

static inline void turn_pairs_avx512(uint32_t *out, ptrdiff_t step, const uint32_t *in) {
    __m512i r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm512_loadu_si512(in + 16 * i);
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + k] = _mm512_shuffle_i64x2(s[i + k], s[i + k + 2], 0x88);
            r[i + k + 2] = _mm512_shuffle_i64x2(s[i + k], s[i + k + 2], 0xdd);
        }
    /* r[i+k]: groups k, 4+k of rows i..i+3;  r[i+k+2]: groups 2+k, 6+k */
    const __m512i middle = _mm512_set4_epi32(0x0f0e0b0a, 0x0d0c0908, 0x07060302, 0x05040100);
    for (int k = 0; k < 2; k++)
        for (int h = 0; h < 2; h++) {
            const __m512i a = r[k + 2 * h], b = r[4 + k + 2 * h];
            const __m512i lo = _mm512_shuffle_i64x2(a, b, 0x88), hi = _mm512_shuffle_i64x2(a, b, 0xdd);
            _mm512_storeu_si512(out + (k + 2 * h) * step, _mm512_shuffle_epi8(lo, middle));
            _mm512_storeu_si512(out + (4 + k + 2 * h) * step, _mm512_shuffle_epi8(hi, middle));
        }
}

#define TURN_PAIRS(out, step, in) turn_pairs_avx512(out, step, in)

#endif
