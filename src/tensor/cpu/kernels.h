/* kernels.h - the inner loops, once per instruction set. kernels_template.h holds them in vector form; kernels_LEVEL.c compiles it
 * with that level's flags; cpu_kernels() chooses at run time. Nothing here knows tensors, allocates, or starts threads.
 *
 * Every sum runs in an order that depends only on the length, so results do not depend on threads or on neighbours. */
#ifndef FETTLE_TENSOR_CPU_KERNELS_H
#define FETTLE_TENSOR_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sys.h"

enum { PANEL = 16 }; /* columns of a panel */

/* One tile of a product: C [rows, panels*16] (+)= alpha * sum over s < steps of A(i, s) B(s, j).
 * float32: a step is one value; A(i,s) = a[i*row + s*step] ; B(s, j) = b[(j/16)*panel + s*bstep + j%16].
 * bfloat16: a step is two values: B holds 16 pairs (low half first) in 16 words; A holds pairs in words when the kernels say
 * `pairs`, else two float32 (already rounded) side by side at a[i*row + 2*s*step'] with step in floats of one value. */
typedef struct {
    const void *a;
    ptrdiff_t row, step; /* in 4-byte words */
    const void *b;
    ptrdiff_t panel, bstep; /* in 4-byte words */
    int rows, panels, steps;
    float *c;
    ptrdiff_t ldc;
    int columns; /* of C that are really there: <= panels*16 */
    float alpha;
    bool add;            /* to what C holds; else it is overwritten */
    const float *bias;   /* [columns] added, or NULL */
    const void *next;    /* what is to be fetched meanwhile, `panels` lines a step, panels apart as b's; or NULL */
    ptrdiff_t next_step; /* and the words from step to step */
} tile;

/* What one pass over a row of logits gives. sums are of e^(z - max). */
typedef struct {
    float max;
    int argmax;
    double sum, sum_z, sum_square, total; /* S e, S z e, S e^2, S z */
} row_stats;

typedef struct {
    double lr, beta1, beta2, eps, decay, correct1, correct2, scale;
} adam_values;

typedef struct {
    const char *name;
    int rows, panels; /* largest tile */
    int panels_alone; /* and of one row: as many sums as it takes not to wait for any of them */
    bool pairs;       /* bfloat16 tiles read A as words of two */
    /* The limit of the arithmetic, float32 and bfloat16: loops that load nothing, and the FLOP of one round. */
    float (*spin[2])(float x, int rounds);
    double spin_flops[2];
    void (*tile_f32)(const tile *t);
    void (*tile_bf16)(const tile *t);
    void (*round_bf16)(float *out, const float *x, size_t n);                      /* to the nearest bfloat16, kept as float32 */
    void (*pack_pairs)(uint32_t *out, const float *x, int n);                      /* n values -> (n+1)/2 words, low half first */
    void (*pack_two_rows)(uint32_t *out, const float *x0, const float *x1, int n); /* out[i] = (x0[i], x1[i]) ; x1 NULL: 0 */
    /* A row of `columns` words dealt out in pieces of a panel, of a tile's rows: piece i to out + i*apart. */
    void (*deal_panels)(uint32_t *out, ptrdiff_t apart, const uint32_t *row, int columns);
    void (*deal_tiles)(uint32_t *out, ptrdiff_t apart, const uint32_t *row, int columns);
    void (*turn_pairs)(uint32_t *out, ptrdiff_t out_step,
                       const uint32_t *in); /* 8 steps of 16 pairs along k -> 8 steps of 16 pairs along n */
    void (*widen_pairs)(float *out, const uint32_t *in, int words); /* [words][16] of two values -> [2 words][16] */
    void (*turn)(float *out, const float *in);                      /* [16][16] -> its transpose */
    void (*turn_words)(float *out, const uint32_t *in);             /* [8 k-pairs][16 n] words -> [16 n][16 k] values */
    float (*dot)(const float *x, const float *y, int n);
    void (*axpy)(float *y, float a, const float *x, int n);
    double (*sum_squares)(const float *x, size_t n);
    void (*scale)(float *x, size_t n, float a);
    void (*add)(float *out, const float *x, const float *y, size_t n);
    float (*softmax)(float *x, int n);             /* in place; returns log-sum-exp */
    void (*exp_minus)(float *x, int n, float lse); /* x = e^(x - lse) */
    /* out = e^((x - max) * factor); returns its sum. */
    double (*exp_row)(float *out, const float *x, int n, float max, float factor);
    int (*largest)(const float *x, int n); /* the lowest index of the largest value */
    void (*row_stats)(const float *z, int n, row_stats *s);
    void (*row_gradient)(float *z, int n, float lse, float g, float e, float H, float s); /* see kernels_template.h */
    void (*act)(int kind, float *y, const float *x, size_t n);
    void (*act_back)(int kind, float *dx, const float *x, const float *dy, size_t n, bool add);
    void (*gate)(int kind, float *y, const float *g, const float *u, size_t n);
    void (*gate_back)(int kind, float *dg, float *du, const float *g, const float *u, const float *dy, size_t n, bool addg,
                      bool addu);
    /* Rows of a norm, a head's rotation and a softmax's gradient: formulas in kernels_template.h. */
    void (*norm_row)(float *y, const float *x, const float *w, float r, int n);
    void (*norm_row_back)(float *dx, const float *x, const float *w, const float *dy, float r, int n, bool add);
    void (*norm_weight_back)(float *dw, const float *x, const float *dy, float r, int n);
    void (*rope_halves)(float *y, const float *x, const float *cosine, const float *sine, int half, float sign, bool add);
    void (*drop)(float *y, const float *x, size_t n, uint64_t key, uint32_t limit, float factor,
                 bool add); /* the words of base/rng.h's stream `key`, from the first on */
    void (*softmax_back)(float *dp, const float *p, float sum, int n);
    void (*adamw)(float *w, const float *g, float *m, float *v, size_t n, const adam_values *o);
} kernels;

const kernels *cpu_kernels(void);
const kernels *cpu_kernels_at(cpu_level level);
/* For tests: from now on these, or the best there are again (NULL). The caller knows that the processor can run them. */
void cpu_kernels_use(const kernels *k);
extern const kernels kernels_portable, kernels_avx2, kernels_avx512, kernels_avx512bf16;

#endif
