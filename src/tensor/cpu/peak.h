/* peak.h - the machine's own limits, measured by loops that do nothing else; and products as shares of them. */
#ifndef FETTLE_TENSOR_CPU_PEAK_H
#define FETTLE_TENSOR_CPU_PEAK_H

#include "tensor/tensor.h"

double cpu_limit(backend *b, limit_kind which);
bool cpu_bench(backend *b, double seconds, bool (*row)(void *self, const product_figure *f), void *self);

#endif
