/* ops.h - the CPU's kernels, one forward and one backward per row of OPS (private to tensor/cpu). A backward function quotes the
 * forward line it differentiates. */
#ifndef FETTLE_TENSOR_CPU_OPS_H
#define FETTLE_TENSOR_CPU_OPS_H

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"
#include "tensor/node.h"

#define X(token, prefix, words)                                                                                                  \
    void cpu_##prefix##_forward(backend *b, node *n);                                                                            \
    void cpu_##prefix##_backward(backend *b, node *n);
OPS(X)
#undef X

static inline gemm_matrix matrix_of(const weight *w) { return (gemm_matrix){w->packed, w->type, w->rows, w->cols}; }

#endif
