/* types.c - storage of weights: float32, float16, bfloat16 and ggml's blocks of 32 values.
 *
 *     Q8_0  {f16 d; int8 q[32]}              x = d q
 *     Q4_0  {f16 d; uint8 q[16]}             x = d (q - 8)     low nibbles are values 0..15, high ones 16..31
 *     Q4_1  {f16 d, m; uint8 q[16]}          x = d q + m       likewise
 * Encoders round as ggml's reference ones do, so that blocks are equal to the bit. */
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

enum { BLOCK = 32 };

static const struct {
    const char *name;
    size_t values, bytes;
} types[TYPE_COUNT] = {
#define X(token, name, values, bytes) {name, values, bytes},
    TYPES(X)
#undef X
};

const char *type_name(storage_type t) { return types[t].name; }

bool type_of_name(const char *name, storage_type *out) {
    for (int i = 0; i < TYPE_COUNT; i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = (storage_type)i;
            return true;
        }
    return false;
}

size_t type_bytes(storage_type t, size_t values) { return values / types[t].values * types[t].bytes; }

/* ---- halves ---------------------------------------------------------------------------------------------------------------------- */

static float bits_float(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static uint32_t float_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static float half_float(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31) return bits_float(sign | 0x7f800000u | m << 13);
    if (e) return bits_float(sign | (e + 112) << 23 | m << 13);
    const float tiny = (float)m * 0x1p-24f; /* subnormal */
    return sign ? -tiny : tiny;
}

/* To nearest, ties to even. */
static uint16_t float_half(float x) {
    const uint32_t u = float_bits(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000u) { /* subnormal: count units of 2^-24 */
        const float units = bits_float(a) * 0x1p24f;
        return (uint16_t)(sign | (uint32_t)rintf(units));
    }
    const uint32_t r = a + 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | (r - 0x38000000u) >> 13);
}

static uint16_t float_bf16(float x) {
    const uint32_t u = float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* ---- rows of the table: decode and encode n values ------------------------------------------------------------------------------- */

static void f32_decode(const void *in, float *out, size_t n) { memcpy(out, in, n * 4); }
static void f32_encode(const float *in, void *out, size_t n) { memcpy(out, in, n * 4); }

static uint16_t word_at(const void *p, size_t i) {
    uint16_t w;
    memcpy(&w, (const char *)p + 2 * i, 2);
    return w;
}
static void put_word(void *p, size_t i, uint16_t w) { memcpy((char *)p + 2 * i, &w, 2); }

static void f16_decode(const void *in, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = half_float(word_at(in, i));
}
static void f16_encode(const float *in, void *out, size_t n) {
    for (size_t i = 0; i < n; i++) put_word(out, i, float_half(in[i]));
}
static void bf16_decode(const void *in, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = bits_float((uint32_t)word_at(in, i) << 16);
}
static void bf16_encode(const float *in, void *out, size_t n) {
    for (size_t i = 0; i < n; i++) put_word(out, i, float_bf16(in[i]));
}

static void q8_0_decode(const void *in, float *out, size_t n) {
    const uint8_t *b = in;
    for (size_t i = 0; i < n; i += BLOCK, b += 34) {
        const float d = half_float(word_at(b, 0));
        for (int k = 0; k < BLOCK; k++) out[i + (size_t)k] = d * (float)(int8_t)b[2 + k];
    }
}
static void q8_0_encode(const float *in, void *out, size_t n) {
    uint8_t *b = out;
    for (size_t i = 0; i < n; i += BLOCK, b += 34) {
        float most = 0;
        for (int k = 0; k < BLOCK; k++) most = fmaxf(most, fabsf(in[i + (size_t)k]));
        const float d = most / 127, inverse = d != 0 ? 1 / d : 0;
        put_word(b, 0, float_half(d));
        for (int k = 0; k < BLOCK; k++) b[2 + k] = (uint8_t)(int8_t)roundf(in[i + (size_t)k] * inverse);
    }
}

static void q4_0_decode(const void *in, float *out, size_t n) {
    const uint8_t *b = in;
    for (size_t i = 0; i < n; i += BLOCK, b += 18) {
        const float d = half_float(word_at(b, 0));
        for (int k = 0; k < 16; k++) {
            out[i + (size_t)k] = d * (float)((b[2 + k] & 15) - 8);
            out[i + (size_t)k + 16] = d * (float)((b[2 + k] >> 4) - 8);
        }
    }
}
static uint8_t nibble(float x) { return x >= 15 ? 15 : (uint8_t)x; }
static void q4_0_encode(const float *in, void *out, size_t n) {
    uint8_t *b = out;
    for (size_t i = 0; i < n; i += BLOCK, b += 18) {
        float most = 0, extreme = 0;
        for (int k = 0; k < BLOCK; k++)
            if (fabsf(in[i + (size_t)k]) > most) {
                extreme = in[i + (size_t)k];
                most = fabsf(extreme);
            }
        const float d = extreme / -8, inverse = d != 0 ? 1 / d : 0;
        put_word(b, 0, float_half(d));
        for (int k = 0; k < 16; k++) {
            const uint8_t low = nibble(in[i + (size_t)k] * inverse + 8.5f),
                          high = nibble(in[i + (size_t)k + 16] * inverse + 8.5f);
            b[2 + k] = (uint8_t)(low | high << 4);
        }
    }
}

static void q4_1_decode(const void *in, float *out, size_t n) {
    const uint8_t *b = in;
    for (size_t i = 0; i < n; i += BLOCK, b += 20) {
        const float d = half_float(word_at(b, 0)), m = half_float(word_at(b, 1));
        for (int k = 0; k < 16; k++) {
            out[i + (size_t)k] = d * (float)(b[4 + k] & 15) + m;
            out[i + (size_t)k + 16] = d * (float)(b[4 + k] >> 4) + m;
        }
    }
}
static void q4_1_encode(const float *in, void *out, size_t n) {
    uint8_t *b = out;
    for (size_t i = 0; i < n; i += BLOCK, b += 20) {
        float least = in[i], most = in[i];
        for (int k = 0; k < BLOCK; k++) {
            least = fminf(least, in[i + (size_t)k]);
            most = fmaxf(most, in[i + (size_t)k]);
        }
        const float d = (most - least) / 15, inverse = d != 0 ? 1 / d : 0;
        put_word(b, 0, float_half(d));
        put_word(b, 1, float_half(least));
        for (int k = 0; k < 16; k++) {
            const uint8_t low = nibble((in[i + (size_t)k] - least) * inverse + 0.5f),
                          high = nibble((in[i + (size_t)k + 16] - least) * inverse + 0.5f);
            b[4 + k] = (uint8_t)(low | high << 4);
        }
    }
}

static const struct {
    void (*decode)(const void *in, float *out, size_t n);
    void (*encode)(const float *in, void *out, size_t n);
} coders[TYPE_COUNT] = {
    [TYPE_F32] = {f32_decode, f32_encode},    [TYPE_F16] = {f16_decode, f16_encode},    [TYPE_BF16] = {bf16_decode, bf16_encode},
    [TYPE_Q8_0] = {q8_0_decode, q8_0_encode}, [TYPE_Q4_0] = {q4_0_decode, q4_0_encode}, [TYPE_Q4_1] = {q4_1_decode, q4_1_encode},
};

void type_to_f32(storage_type t, const void *in, float *out, size_t n) { coders[t].decode(in, out, n); }
void type_from_f32(storage_type t, const float *in, void *out, size_t n) { coders[t].encode(in, out, n); }
