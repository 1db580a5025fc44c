/* peak.h - the machine's own limits, measured by loops that do nothing else; and products as shares of them. */
#ifndef FETTLE_TENSOR_CPU_PEAK_H
#define FETTLE_TENSOR_CPU_PEAK_H

#include "tensor/tensor.h"

machine_peak cpu_peak(backend *b);
void cpu_bench(backend *b, FILE *out);

#endif
