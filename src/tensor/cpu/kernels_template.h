/* kernels_template.h - the inner loops, in vectors of LANES floats (GCC's vector extension, which clang has too).
 *
 * The file that includes it defines LEVEL (suffix of the table), LANES, TILE_ROWS, TILE_PANELS, and may define DOT_BF16(acc, a, b)
 * (one step of bfloat16 pairs in hardware) and ROUND_PAIRS(low, high) (2 x LANES floats to as many bfloat16). Without them a bfloat16
 * step is two float32 steps on halves widened by shifts, and rounding is done on the bits. */
#include <math.h>
#include <string.h>

#include "tensor/cpu/kernels.h"
#include "tensor/tensor.h"

#define INLINE static inline __attribute__((always_inline))
enum { PARTS = PANEL / LANES, ALONE = 3, MOST_SUMS = (TILE_PANELS > ALONE ? TILE_PANELS : ALONE) * PARTS };

typedef float vf __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

typedef uint64_t vw __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* half as many words of twice the width */
typedef uint32_t vh __attribute__((vector_size(2 * LANES), aligned(4), may_alias));

INLINE vf load(const float *p) { return *(const vf *)(const void *)p; }
INLINE void store(float *p, vf x) { *(vf *)(void *)p = x; }
INLINE vu load_u(const uint32_t *p) { return *(const vu *)(const void *)p; }
INLINE void store_u(uint32_t *p, vu x) { *(vu *)(void *)p = x; }
/* x - 0 is x for every x, so nothing is computed; 0 + x is not (-0), and cost an addition and a shuffle for every factor of A. */
INLINE vf all(float x) { return x - (vf){}; }
INLINE vi all_i(int32_t x) { return (vi){} + x; }
INLINE vu all_u(uint32_t x) { return (vu){} + x; }
INLINE vf pick(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

/* ---- products ------------------------------------------------------------------------------------------------------------------ */

INLINE void finish_tile(const tile *t, const int rows, const int panels, vf acc[][MOST_SUMS]) {
    for (int i = 0; i < rows; i++)
        for (int p = 0; p < panels * PARTS; p++) {
            const int j = p * LANES, left = t->columns - j;
            float *c = t->c + i * t->ldc + j;
            vf y = acc[i][p] * all(t->alpha);
            if (left >= LANES) {
                if (t->bias) y += load(t->bias + j);
                if (t->add) y += load(c);
                store(c, y);
            } else {
                for (int k = 0; k < left; k++) c[k] = y[k] + (t->bias ? t->bias[j + k] : 0) + (t->add ? c[k] : 0);
            }
        }
}

/* Unrolled by constants all through, and copied out before the first index that is not one: an array that is indexed by a variable
 * anywhere lives on the stack, and the compiler then stores every sum in every step. */
#define UNROLL _Pragma("GCC unroll 32")
#define EACH_SUM(op)                                                                                                             \
    UNROLL                                                                                                                       \
    for (int i = 0; i < rows; i++) {                                                                                             \
        UNROLL                                                                                                                   \
        for (int p = 0; p < panels * PARTS; p++) { op; }                                                                         \
    }
#define EACH_PART(op)                                                                                                            \
    UNROLL                                                                                                                       \
    for (int p = 0; p < panels * PARTS; p++) { op; }
#define PART_AT(p) ((p) / PARTS * panel + (p) % PARTS * LANES)

#define TILE_BEGIN(type)                                                                                                         \
    vf acc[TILE_ROWS][MOST_SUMS], sums[TILE_ROWS][MOST_SUMS];                                                                    \
    const type *a[TILE_ROWS];                                                                                                    \
    const ptrdiff_t step = t->step, bstep = t->bstep, panel = t->panel;                                                          \
    EACH_SUM(acc[i][p] = (vf){})                                                                                                 \
    UNROLL                                                                                                                       \
    for (int i = 0; i < rows; i++) {                                                                                             \
        a[i] = (const type *)t->a + i * t->row;                                                                                  \
        for (int p = 0; p < panels; p++) __builtin_prefetch(t->c + i * t->ldc + p * PANEL, 1);                                   \
    }                                                                                                                            \
    const float *next = t->next ? t->next : t->a; /* nothing to fetch: what is there */                                          \
    const ptrdiff_t next_step = t->next ? t->next_step : 0;
#define FETCH_NEXT /* one row reads as fast as memory gives, without help */                                                     \
    UNROLL                                                                                                                       \
    for (int p = 0; rows > 1 && p < panels; p++) __builtin_prefetch(next + p * panel, 0, 2);                                     \
    next += next_step;
#define TILE_END                                                                                                                 \
    EACH_SUM(sums[i][p] = acc[i][p])                                                                                             \
    finish_tile(t, rows, panels, sums);

INLINE void tile_f32_body(const tile *t, const int rows, const int panels) {
    TILE_BEGIN(float)
    const float *b = t->b;
    for (ptrdiff_t s = 0, at = 0; s < t->steps; s++, at += step, b += bstep) {
        vf x[MOST_SUMS];
        FETCH_NEXT
        EACH_PART(x[p] = load(b + PART_AT(p)))
        EACH_SUM(acc[i][p] += all(a[i][at]) * x[p])
    }
    TILE_END
}

INLINE void tile_bf16_body(const tile *t, const int rows, const int panels) {
#ifdef DOT_BF16
    TILE_BEGIN(uint32_t)
    const float *b = t->b; /* words of two, moved as floats */
    for (ptrdiff_t s = 0, at = 0; s < t->steps; s++, at += step, b += bstep) {
        vf x[MOST_SUMS];
        FETCH_NEXT
        EACH_PART(x[p] = load(b + PART_AT(p)))
        EACH_SUM(acc[i][p] = DOT_BF16(acc[i][p], x[p], (vf)all_u(a[i][at])))
    }
    TILE_END
#else
    TILE_BEGIN(float)
    const uint32_t *b = t->b;
    for (ptrdiff_t s = 0, at = 0; s < t->steps; s++, at += 2 * step, b += bstep) {
        vf x[MOST_SUMS]; /* the low halves, then the high ones: both at once do not fit the registers */
        FETCH_NEXT
        EACH_PART(x[p] = (vf)(load_u(b + PART_AT(p)) << 16))
        EACH_SUM(acc[i][p] += all(a[i][at]) * x[p])
        EACH_PART(x[p] = (vf)(load_u(b + PART_AT(p)) & all_u(0xffff0000u)))
        EACH_SUM(acc[i][p] += all(a[i][at + step]) * x[p])
    }
    TILE_END
#endif
}

/* Every size of tile is compiled by itself, so that its sums stay in registers. */
#define TILE_FITS(r, p) ((r) <= TILE_ROWS && (p) <= ((r) == 1 ? ALONE : TILE_PANELS))
#define TILE_CASE(body, r, p)                                                                                                    \
    case (r)*4 + (p):                                                                                                            \
        if (TILE_FITS(r, p)) body(t, TILE_FITS(r, p) ? (r) : 1, TILE_FITS(r, p) ? (p) : 1);                                      \
        break;
// clang-format off
#define TILE_ROW(body, r) TILE_CASE(body, r, 1) TILE_CASE(body, r, 2) TILE_CASE(body, r, 3)
#define TILE_SWITCH(body)                                                                                                        \
    switch (t->rows * 4 + t->panels) {                                                                                           \
        TILE_ROW(body, 1) TILE_ROW(body, 2) TILE_ROW(body, 3) TILE_ROW(body, 4)                                                  \
        TILE_ROW(body, 5) TILE_ROW(body, 6) TILE_ROW(body, 7) TILE_ROW(body, 8)                                                  \
    default: bug("tile of %d x %d", t->rows, t->panels);                                                                         \
    }
// clang-format on

static void tile_f32(const tile *t) { TILE_SWITCH(tile_f32_body) }
static void tile_bf16(const tile *t){TILE_SWITCH(tile_bf16_body)}

/* ---- bfloat16 ---------------------------------------------------------------------------------------------------------------------- */

/* Round to nearest even; NaN stays NaN. */
INLINE uint32_t bf16_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (u >> 16) | 0x40;
    return (u + 0x7fffu + ((u >> 16) & 1)) >> 16;
}

INLINE vu round_bits(vf x) {
    const vu u = (vu)x;
    const vu r = (u + all_u(0x7fffu) + ((u >> 16) & all_u(1))) & all_u(0xffff0000u);
    const vu nan = (vu)((vi)((u & all_u(0x7fffffffu)) > all_u(0x7f800000u)));
    return (r & ~nan) | ((u | all_u(0x400000u)) & all_u(0xffff0000u) & nan);
}

static void round_bf16(float *out, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) store(out + i, (vf)round_bits(load(x + i)));
    for (; i < n; i++) {
        const uint32_t u = bf16_bits(x[i]) << 16;
        memcpy(out + i, &u, 4);
    }
}

/* Neighbours lie in one 64-bit lane, and so does the word they make. */
static void pack_pairs(uint32_t *out, const float *x, int n) {
    int i = 0;
#ifdef ROUND_PAIRS
    for (; i + 2 * LANES <= n; i += 2 * LANES) store_u(out + i / 2, ROUND_PAIRS(load(x + i), load(x + i + LANES)));
#endif
    for (; i + LANES <= n; i += LANES) {
        const vw r = (vw)round_bits(load(x + i));
        *(vh *)(void *)(out + i / 2) = __builtin_convertvector((r >> 16 & 0xffffu) | (r >> 32 & 0xffff0000u), vh);
    }
    for (; i + 1 < n; i += 2) out[i / 2] = bf16_bits(x[i]) | bf16_bits(x[i + 1]) << 16;
    if (i < n) out[i / 2] = bf16_bits(x[i]);
}

static void pack_two_rows(uint32_t *out, const float *x0, const float *x1, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        vu w = round_bits(load(x0 + i)) >> 16;
        if (x1) w |= round_bits(load(x1 + i));
        store_u(out + i, w);
    }
    for (; i < n; i++) out[i] = bf16_bits(x0[i]) | (x1 ? bf16_bits(x1[i]) << 16 : 0);
}

static void deal_panels(uint32_t *out, ptrdiff_t apart, const uint32_t *row, int columns) {
    for (int j = 0; j < columns; j += PANEL, out += apart) memcpy(out, row + j, PANEL * sizeof *out);
}
static void deal_tiles(uint32_t *out, ptrdiff_t apart, const uint32_t *row, int columns) {
    for (int j = 0; j < columns; j += TILE_ROWS, out += apart) memcpy(out, row + j, TILE_ROWS * sizeof *out);
}

/* in [8 k-pairs][16 n] words of (k, k+1)  ->  out [8 n-pairs][16 k] words of (n, n+1). */
#ifndef TURN_PAIRS
static void turn_pairs(uint32_t *out, ptrdiff_t out_step, const uint32_t *in) {
    for (int j = 0; j < 8; j++)
        for (int r = 0; r < 8; r++) {
            const uint32_t x = in[r * 16 + 2 * j], y = in[r * 16 + 2 * j + 1];
            out[j * out_step + 2 * r] = (x & 0xffffu) | y << 16;
            out[j * out_step + 2 * r + 1] = x >> 16 | (y & 0xffff0000u);
        }
}
#else
static void turn_pairs(uint32_t *out, ptrdiff_t out_step, const uint32_t *in) { TURN_PAIRS(out, out_step, in); }
#endif

/* What a word holds, as two values; and squares of 16 x 16 turned: by 8 x 8 in registers where the level has AVX2. */
static void widen_pairs(float *out, const uint32_t *in, int words) {
    for (int s = 0; s < words; s++, in += PANEL, out += 2 * PANEL)
        for (int j = 0; j < PANEL; j += LANES) {
            const vu w = load_u(in + j);
            store(out + j, (vf)(w << 16));
            store(out + PANEL + j, (vf)(w & all_u(0xffff0000u)));
        }
}

#ifdef TURN_EIGHT
static void turn(float *out, const float *in) {
    for (int i = 0; i < PANEL; i += 8)
        for (int j = 0; j < PANEL; j += 8) turn_eight(out + i * PANEL + j, in + j * PANEL + i);
}
static void turn_words(float *out, const uint32_t *in) {
    for (int i = 0; i < PANEL; i += 8) turn_eight_words(out + i * PANEL, in + i);
}
#else
static void turn(float *out, const float *in) {
    for (int i = 0; i < PANEL; i++)
        for (int j = 0; j < PANEL; j++) out[i * PANEL + j] = in[j * PANEL + i];
}
static void turn_words(float *out, const uint32_t *in) {
    for (int i = 0; i < PANEL; i++)
        for (int j = 0; j < PANEL / 2; j++) {
            const uint32_t both[2] = {in[j * PANEL + i] << 16, in[j * PANEL + i] & 0xffff0000u};
            memcpy(out + i * PANEL + 2 * j, both, sizeof both);
        }
}
#endif

/* ---- sums -------------------------------------------------------------------------------------------------------------------------- */

INLINE float sum_lanes(vf x) {
    float s[LANES];
    store(s, x);
    for (int w = LANES / 2; w; w /= 2)
        for (int i = 0; i < w; i++) s[i] += s[i + w];
    return s[0];
}

static float dot(const float *x, const float *y, int n) {
    vf s0 = {}, s1 = {};
    int i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        s0 += load(x + i) * load(y + i);
        s1 += load(x + i + LANES) * load(y + i + LANES);
    }
    float s = sum_lanes(s0 + s1);
    for (; i < n; i++) s += x[i] * y[i];
    return s;
}

static void axpy(float *y, float a, const float *x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) store(y + i, load(y + i) + all(a) * load(x + i));
    for (; i < n; i++) y[i] += a * x[i];
}

static double sum_squares(const float *x, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n;) { /* float32 sums of 1024 values, added in double */
        const size_t end = i + 1024 < n ? i + 1024 : n;
        vf s = {};
        for (; i + LANES <= end; i += LANES) s += load(x + i) * load(x + i);
        double part = (double)sum_lanes(s);
        for (; i < end; i++) part += (double)x[i] * (double)x[i];
        total += part;
    }
    return total;
}

static void scale(float *x, size_t n, float a) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) store(x + i, load(x + i) * all(a));
    for (; i < n; i++) x[i] *= a;
}

static void add(float *out, const float *x, const float *y, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) store(out + i, load(x + i) + load(y + i));
    for (; i < n; i++) out[i] = x[i] + y[i];
}

/* ---- exponentials ---------------------------------------------------------------------------------------------------------------- */

/* e^x by 2^k times a polynomial of degree 6 on [-ln2/2, ln2/2] (Cephes' coefficients): relative error under 2e-7; below -87: 0. */
INLINE vf exp_v(vf x) {
    const vi tiny = x < all(-87.3f);
    x = pick((vi)(x > all(88.7f)), all(88.7f), x);
    x = pick(tiny, all(-87.3f), x);
    const vf shift = all(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
    const vf t = x * all(1.44269504f) + shift, k = t - shift;
    const vf r = (x - k * all(0.693359375f)) - k * all(-2.12194440e-4f);
    vf p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * r * r + r + all(1.0f);
    const vi power = ((vi)t << 23) + all_i(127 << 23); /* the low bits of t are k */
    const vf y = p * (vf)power;
    return pick(tiny, (vf){}, y);
}

/* The rest of a row that does not fill a vector goes through the same code, padded. */
INLINE vf load_part(const float *p, int n, float fill) {
    float x[LANES];
    for (int i = 0; i < LANES; i++) x[i] = i < n ? p[i] : fill;
    return load(x);
}
INLINE void store_part(float *p, int n, vf v) {
    float x[LANES];
    store(x, v);
    for (int i = 0; i < n; i++) p[i] = x[i];
}

INLINE float row_max(const float *x, int n) {
    vf m = all(-INFINITY);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vf v = load(x + i);
        m = pick((vi)(v > m), v, m);
    }
    float best = -INFINITY, lane[LANES];
    store(lane, m);
    for (int k = 0; k < LANES; k++) best = lane[k] > best ? lane[k] : best;
    for (; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

static float softmax(float *x, int n) {
    const float max = row_max(x, n);
    vf sum = {};
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vf e = exp_v(load(x + i) - all(max));
        store(x + i, e);
        sum += e;
    }
    if (i < n) {
        const vf e = exp_v(load_part(x + i, n - i, -INFINITY) - all(max));
        store_part(x + i, n - i, e);
        sum += e;
    }
    const float total = sum_lanes(sum);
    scale(x, (size_t)n, 1.0f / total);
    return max + logf(total);
}

static void exp_minus(float *x, int n, float lse) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) store(x + i, exp_v(load(x + i) - all(lse)));
    if (i < n) store_part(x + i, n - i, exp_v(load_part(x + i, n - i, 0) - all(lse)));
}

static double exp_row(float *out, const float *x, int n, float max, float factor) {
    double total = 0;
    for (int i = 0; i < n;) { /* float32 sums of 1024 values, added in double */
        const int end = i + 1024 < n ? i + 1024 : n;
        vf sum = {};
        for (; i + LANES <= end; i += LANES) {
            const vf e = exp_v((load(x + i) - all(max)) * all(factor));
            store(out + i, e);
            sum += e;
        }
        if (i < end) {
            float e[LANES];
            store(e, exp_v((load_part(x + i, end - i, max) - all(max)) * all(factor)));
            for (int k = 0; i < end; i++, k++) total += (double)(out[i] = e[k]);
        }
        total += (double)sum_lanes(sum);
    }
    return total;
}

static int largest(const float *x, int n) {
    const float max = row_max(x, n);
    int i = 0;
    while (i < n - 1 && x[i] != max) i++;
    return i;
}

static void row_stats_of(const float *z, int n, row_stats *s) {
    *s = (row_stats){.max = row_max(z, n)};
    while (s->argmax < n - 1 && z[s->argmax] != s->max) s->argmax++;
    const vf max = all(s->max);
    for (int i = 0; i < n;) { /* float32 sums of 2048 values, added in double */
        const int end = i + 2048 < n ? i + 2048 : n;
        vf e_sum = {}, ze_sum = {}, ee_sum = {}, z_sum = {};
        for (; i + LANES <= end; i += LANES) {
            const vf v = load(z + i), e = exp_v(v - max);
            e_sum += e;
            ze_sum += (v - max) * e;
            ee_sum += e * e;
            z_sum += v;
        }
        s->sum += (double)sum_lanes(e_sum);
        s->sum_z += (double)sum_lanes(ze_sum);
        s->sum_square += (double)sum_lanes(ee_sum);
        s->total += (double)sum_lanes(z_sum);
        if (i < end) {
            float e[LANES];
            store(e, exp_v(load_part(z + i, end - i, s->max) - max));
            for (int k = 0; i < end; i++, k++) {
                s->sum += (double)e[k];
                s->sum_z += (double)(z[i] - s->max) * (double)e[k];
                s->sum_square += (double)e[k] * (double)e[k];
                s->total += (double)z[i];
            }
        }
    }
    s->sum_z += (double)s->max * s->sum;
}

/* In place, z -> d loss / d z without the target's own term: p = e^(z - lse),
 *   dz = -g p  -  e p (log p + H)  +  s (1/n - p)          g: of logp[target], e: of the entropy H, s: of the mean of log p */
static void row_gradient(float *z, int n, float lse, float g, float e, float H, float s) {
    const vf a = all(g + s), b = all(e), mean = all(s / (float)n), l = all(lse), h = all(H);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vf lp = load(z + i) - l, p = exp_v(lp);
        store(z + i, mean - p * (a + b * (lp + h)));
    }
    if (i < n) {
        const vf lp = load_part(z + i, n - i, 0) - l, p = exp_v(lp);
        store_part(z + i, n - i, mean - p * (a + b * (lp + h)));
    }
}

/* ---- activations ------------------------------------------------------------------------------------------------------------------ */

INLINE vf sigmoid_v(vf x) { return all(1.0f) / (all(1.0f) + exp_v(-x)); }

INLINE vf tanh_v(vf x) { return all(1.0f) - all(2.0f) / (all(1.0f) + exp_v(x + x)); }

/* erf by Abramowitz and Stegun 7.1.26 would be 1.5e-7 absolute; the rational form of W. J. Cody is not needed for single precision,
 * but exact GELU is checked to 1e-6, so erff does each lane. */
INLINE vf erf_v(vf x) {
    float v[LANES];
    store(v, x);
    for (int i = 0; i < LANES; i++) v[i] = erff(v[i]);
    return load(v);
}

/* value and derivative of each activation (ACTIVATIONS of tensor.h) */
INLINE vf act_value(int kind, vf x) {
    switch (kind) {
    case ACT_SILU: return x * sigmoid_v(x);
    case ACT_GELU: return all(0.5f) * x * (all(1.0f) + erf_v(x * all(0.70710678f)));
    case ACT_GELU_TANH: return all(0.5f) * x * (all(1.0f) + tanh_v(all(0.79788456f) * (x + all(0.044715f) * x * x * x)));
    default: return pick((vi)(x > (vf){}), x, (vf){});
    }
}

INLINE vf act_slope(int kind, vf x) {
    switch (kind) {
    case ACT_SILU: {
        const vf s = sigmoid_v(x);
        return s * (all(1.0f) + x * (all(1.0f) - s));
    }
    case ACT_GELU:
        return all(0.5f) * (all(1.0f) + erf_v(x * all(0.70710678f))) + x * all(0.39894228f) * exp_v(all(-0.5f) * x * x);
    case ACT_GELU_TANH: {
        const vf t = tanh_v(all(0.79788456f) * (x + all(0.044715f) * x * x * x));
        return all(0.5f) * (all(1.0f) + t) +
               all(0.5f) * x * (all(1.0f) - t * t) * all(0.79788456f) * (all(1.0f) + all(0.134145f) * x * x);
    }
    default: return pick((vi)(x > (vf){}), all(1.0f), (vf){});
    }
}

#define EACH_VECTOR(n, body)                                                                                                     \
    do {                                                                                                                         \
        size_t i = 0;                                                                                                            \
        for (; i + LANES <= (n); i += LANES) {                                                                                   \
            const int w = LANES;                                                                                                 \
            body                                                                                                                 \
        }                                                                                                                        \
        if (i < (n)) {                                                                                                           \
            const int w = (int)((n)-i);                                                                                          \
            body                                                                                                                 \
        }                                                                                                                        \
    } while (0)
INLINE vf get(const float *p, int w) { return w == LANES ? load(p) : load_part(p, w, 0); }
INLINE void put(float *p, int w, vf x) {
    if (w == LANES) store(p, x);
    else store_part(p, w, x);
}

INLINE void act_body(const int kind, float *y, const float *x, size_t n) {
    EACH_VECTOR(n, put(y + i, w, act_value(kind, get(x + i, w))););
}
INLINE void act_back_body(const int kind, float *dx, const float *x, const float *dy, size_t n, bool add_to) {
    EACH_VECTOR(n, vf d = get(dy + i, w) * act_slope(kind, get(x + i, w)); if (add_to) d += get(dx + i, w); put(dx + i, w, d););
}
INLINE void gate_body(const int kind, float *y, const float *g, const float *u, size_t n) {
    EACH_VECTOR(n, put(y + i, w, act_value(kind, get(g + i, w)) * get(u + i, w)););
}
INLINE void gate_back_body(const int kind, float *dg, float *du, const float *g, const float *u, const float *dy, size_t n,
                           bool addg, bool addu) {
    EACH_VECTOR(n, const vf x = get(g + i, w); const vf d = get(dy + i, w); vf a = d * get(u + i, w) * act_slope(kind, x);
                if (addg) a += get(dg + i, w); vf b = d * act_value(kind, x); if (addu) b += get(du + i, w);
                if (dg) put(dg + i, w, a); if (du) put(du + i, w, b););
}

#define BY_KIND(call)                                                                                                            \
    switch (kind) {                                                                                                              \
    case ACT_SILU: {                                                                                                             \
        enum { K = ACT_SILU };                                                                                                   \
        call;                                                                                                                    \
        break;                                                                                                                   \
    }                                                                                                                            \
    case ACT_GELU: {                                                                                                             \
        enum { K = ACT_GELU };                                                                                                   \
        call;                                                                                                                    \
        break;                                                                                                                   \
    }                                                                                                                            \
    case ACT_GELU_TANH: {                                                                                                        \
        enum { K = ACT_GELU_TANH };                                                                                              \
        call;                                                                                                                    \
        break;                                                                                                                   \
    }                                                                                                                            \
    default: {                                                                                                                   \
        enum { K = ACT_RELU };                                                                                                   \
        call;                                                                                                                    \
        break;                                                                                                                   \
    }                                                                                                                            \
    }
static void act(int kind, float *y, const float *x, size_t n) { BY_KIND(act_body(K, y, x, n)) }
static void act_back(int kind, float *dx, const float *x, const float *dy, size_t n, bool add_to) {
    BY_KIND(act_back_body(K, dx, x, dy, n, add_to))
}
static void gate(int kind, float *y, const float *g, const float *u, size_t n) { BY_KIND(gate_body(K, y, g, u, n)) }
static void gate_back(int kind, float *dg, float *du, const float *g, const float *u, const float *dy, size_t n, bool addg,
                      bool addu) {
    BY_KIND(gate_back_body(K, dg, du, g, u, dy, n, addg, addu))
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

/* y = x r w */
static void norm_row(float *y, const float *x, const float *w, float r, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) store(y + i, load(x + i) * all(r) * load(w + i));
    for (; i < n; i++) y[i] = x[i] * r * w[i];
}

/* dx (+)= r (w dy - x r^2 mean(w dy x)) */
static void norm_row_back(float *dx, const float *x, const float *w, const float *dy, float r, int n, bool add_to) {
    vf sum = {};
    int i = 0;
    for (; i + LANES <= n; i += LANES) sum += load(w + i) * load(dy + i) * load(x + i);
    float s = sum_lanes(sum);
    for (; i < n; i++) s += w[i] * dy[i] * x[i];
    s *= r * r / (float)n;
    for (i = 0; i + LANES <= n; i += LANES) {
        const vf d = all(r) * (load(w + i) * load(dy + i) - load(x + i) * all(s));
        store(dx + i, d + (add_to ? load(dx + i) : (vf){}));
    }
    for (; i < n; i++) dx[i] = (add_to ? dx[i] : 0) + r * (w[i] * dy[i] - x[i] * s);
}

/* dw += dy x r */
static void norm_weight_back(float *dw, const float *x, const float *dy, float r, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) store(dw + i, load(dw + i) + load(dy + i) * load(x + i) * all(r));
    for (; i < n; i++) dw[i] += dy[i] * x[i] * r;
}

/* One head's halves turned by the angles whose cosines and sines are given; sign -1 turns back. */
static void rope_halves(float *y, const float *x, const float *c, const float *s, int half, float sign, bool add_to) {
    int i = 0;
    for (; i + LANES <= half; i += LANES) {
        const vf a = load(x + i), b = load(x + half + i), u = load(c + i), v = load(s + i) * all(sign);
        const vf p = a * u - b * v, q = b * u + a * v;
        store(y + i, p + (add_to ? load(y + i) : (vf){}));
        store(y + half + i, q + (add_to ? load(y + half + i) : (vf){}));
    }
    for (; i < half; i++) {
        const float a = x[i], b = x[half + i], v = s[i] * sign;
        const float p = a * c[i] - b * v, q = b * c[i] + a * v;
        y[i] = (add_to ? y[i] : 0) + p;
        y[half + i] = (add_to ? y[half + i] : 0) + q;
    }
}

/* dp = p (dp - sum) */
static void softmax_back(float *dp, const float *p, float sum, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) store(dp + i, load(p + i) * (load(dp + i) - all(sum)));
    for (; i < n; i++) dp[i] = p[i] * (dp[i] - sum);
}

/* The first 4 x WIDE words of a Philox stream from `block` on (base/rng.c), WIDE blocks side by side in lanes of 64 bits. */
enum { WIDE = LANES / 2 };
INLINE void philox_words(uint32_t *out, uint64_t key, uint64_t block) {
    uint64_t number[WIDE], pair[2][WIDE];
    for (uint64_t i = 0; i < WIDE; i++) number[i] = block + i;
    const vw counter = *(const vw *)(const void *)number, low = (vw){} + 0xffffffffu;
    vw c0 = counter & low, c1 = counter >> 32, c2 = {}, c3 = {};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const vw p0 = c0 * 0xD2511F53u, p1 = c2 * 0xCD9E8D57u;
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c1 = p1 & low;
        c3 = p0 & low;
    }
    *(vw *)(void *)pair[0] = c0 | c1 << 32;
    *(vw *)(void *)pair[1] = c2 | c3 << 32;
    for (int i = 0; i < WIDE; i++) memcpy(out + 4 * i, &pair[0][i], 8), memcpy(out + 4 * i + 2, &pair[1][i], 8);
}

/* y (+)= x factor where the generator's word is not under the limit, else 0 */
static void drop(float *y, const float *x, size_t n, uint64_t key, uint32_t limit, float factor, bool add_to) {
    uint32_t word[4 * WIDE];
    for (size_t i = 0; i < n; i += 4 * WIDE) {
        philox_words(word, key, i / 4);
        const size_t m = n - i < 4 * WIDE ? n - i : 4 * WIDE;
        for (size_t k = 0; k < m; k++) {
            const float v = word[k] < limit ? 0 : x[i + k] * factor;
            y[i + k] = add_to ? y[i + k] + v : v;
        }
    }
}

/* ---- the limit of the arithmetic ---------------------------------------------------------------------------------------------------- */

/* As many independent sums as a full tile has, nothing loaded or stored: what no product can pass. */
enum { SPINS = TILE_ROWS * TILE_PANELS * PARTS };
#define SPIN(step)                                                                                                               \
    vf acc[SPINS];                                                                                                               \
    UNROLL                                                                                                                       \
    for (int i = 0; i < SPINS; i++) acc[i] = all(x + (float)i);                                                                  \
    for (int r = 0; r < rounds; r++) {                                                                                           \
        UNROLL                                                                                                                   \
        for (int i = 0; i < SPINS; i++) acc[i] = step;                                                                           \
    }                                                                                                                            \
    UNROLL                                                                                                                       \
    for (int i = 1; i < SPINS; i++) acc[0] += acc[i];                                                                            \
    return sum_lanes(acc[0]);

static float spin_f32(float x, int rounds) {
    const vf k = all(0.5f), c = all(x);
    SPIN(acc[i] * k + c)
}

/* Without a dot instruction a bfloat16 product is float32 products of widened halves, and so is its limit. */
static float spin_bf16(float x, int rounds) {
#ifdef DOT_BF16
    const vf k = all(x), c = all(0.5f);
    SPIN(DOT_BF16(acc[i], k, c))
#else
    return spin_f32(x, rounds);
#endif
}

/* ---- AdamW ------------------------------------------------------------------------------------------------------------------------- */

/* w -= lr*decay*w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr * (m/correct1) / (sqrt(v/correct2) + eps) */
static void adamw(float *w, const float *g, float *m, float *v, size_t n, const adam_values *o) {
    const float b1 = (float)o->beta1, b2 = (float)o->beta2, c1 = (float)(1 - o->beta1), c2 = (float)(1 - o->beta2);
    const float keep = (float)(1 - o->lr * o->decay), step = (float)(o->lr / o->correct1), root = (float)(1 / sqrt(o->correct2)),
                eps = (float)o->eps, gs = (float)o->scale;
    for (size_t i = 0; i < n; i++) {
        const float d = g[i] * gs;
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        w[i] = w[i] * keep - step * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

#define TABLE_NAME2(level) kernels_##level
#define TABLE_NAME(level)  TABLE_NAME2(level)
#define WORDS2(level)      #level
#define WORDS(level)       WORDS2(level)
const kernels TABLE_NAME(LEVEL) = {
    .name = WORDS(LEVEL),
    .rows = TILE_ROWS,
    .panels = TILE_PANELS,
    .panels_alone = ALONE,
#ifdef DOT_BF16
    .pairs = true,
    .spin_flops = {2.0 * SPINS * LANES, 4.0 * SPINS *LANES},
#else
    .spin_flops = {2.0 * SPINS * LANES, 2.0 * SPINS *LANES},
#endif
    .spin = {spin_f32, spin_bf16},
    .tile_f32 = tile_f32,
    .tile_bf16 = tile_bf16,
    .round_bf16 = round_bf16,
    .pack_pairs = pack_pairs,
    .pack_two_rows = pack_two_rows,
    .deal_panels = deal_panels,
    .deal_tiles = deal_tiles,
    .turn_pairs = turn_pairs,
    .widen_pairs = widen_pairs,
    .turn = turn,
    .turn_words = turn_words,
    .dot = dot,
    .axpy = axpy,
    .sum_squares = sum_squares,
    .scale = scale,
    .add = add,
    .softmax = softmax,
    .exp_minus = exp_minus,
    .exp_row = exp_row,
    .largest = largest,
    .row_stats = row_stats_of,
    .row_gradient = row_gradient,
    .act = act,
    .act_back = act_back,
    .gate = gate,
    .gate_back = gate_back,
    .norm_row = norm_row,
    .norm_row_back = norm_row_back,
    .norm_weight_back = norm_weight_back,
    .rope_halves = rope_halves,
    .softmax_back = softmax_back,
    .drop = drop,
    .adamw = adamw,
};
