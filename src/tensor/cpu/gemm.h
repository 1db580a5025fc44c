/* gemm.h - matrix products of a training step, cut into tiles for all threads.
 *
 * A packed matrix W [N, K] is one copy for all products:
 *     float32     panels [ceil(N/16)][K][16]           value (k, n)
 *     bfloat16    panels [ceil(N/16)][ceil(K/2)][16]   words of two values (k, k+1), low half first
 *     other types rows of blocks as in the file, widened a piece at a time
 * Every element of a result is summed by one thread in an order that depends on K (N, M) alone: results do not depend on the number
 * of threads, and a row of y has the same bits whatever rows stand beside it.
 *
 * With GEMM_BF16 both factors are rounded to bfloat16 first; sums are float32. Floor: 2*M*N*K operations at the peak of the dot
 * instruction for M >= 64; the bytes of W at the speed of memory for M = 1. */
#ifndef FETTLE_TENSOR_CPU_GEMM_H
#define FETTLE_TENSOR_CPU_GEMM_H

#include "tensor/tensor.h"

size_t gemm_packed_bytes(storage_type type, int N, int K);
void gemm_pack(void *packed, storage_type type, int N, int K, storage_type from, const void *rows);
/* Rows first .. first+count-1 as float32 [count, K]. */
void gemm_unpack(const void *packed, storage_type type, int N, int K, int first, int count, float *out);

typedef struct {
    const void *packed;
    storage_type type;
    int N, K;
} gemm_matrix;

/* y [M,N] (+)= alpha * x [M,K] W^T (+ bias [N]) */
void gemm_forward(float *y, int ldy, const float *x, int ldx, const gemm_matrix *w, int M, const float *bias, bool add,
                  float alpha, compute_type c);
/* dx [M,K] (+)= alpha * dy [M,N] W */
void gemm_backward_input(float *dx, int lddx, const float *dy, int lddy, const gemm_matrix *w, int M, bool add, float alpha,
                         compute_type c);
/* dw [N,K] += alpha * dy^T [N,M] x [M,K] */
void gemm_backward_weight(float *dw, const float *dy, int lddy, const float *x, int ldx, int M, int N, int K, float alpha,
                          compute_type c);

/* One thread, float32: C [rows, columns] (+)= alpha * A B, A(i,s) = a[i*row + s*step], B(s,j) = b[s*ldb + j].
 * b must be readable up to the next multiple of 16 columns behind its last row. */
void gemm_small(float *c, ptrdiff_t ldc, const float *a, ptrdiff_t row, ptrdiff_t step, const float *b, ptrdiff_t ldb, int rows,
                int columns, int steps, float alpha, bool add);

/* Whether so many products of numbers (or a quarter as many numbers that are gone through) are worth waking threads, which takes some
 * microseconds, and far more where other programs have the processors. */
enum { WORTH = 1 << 18 };
static inline bool is_worth(size_t products) { return products >= WORTH; }

/* Memory of this thread that is kept between calls, one buffer per use; at least `bytes`, 64-byte aligned, not zeroed. */
void *gemm_scratch(int use, size_t bytes);
enum {
    SCRATCH_A,
    SCRATCH_B,
    SCRATCH_LEFT,
    SCRATCH_RIGHT,
    SCRATCH_ROW,
    SCRATCH_LOGITS,
    SCRATCH_TEACHER,
    SCRATCH_ATTENTION,
    SCRATCH_KEYS,
    SCRATCH_COUNT
};

#endif
