/* kernels.c - which instruction set's loops run. */
#include "tensor/cpu/kernels.h"

const kernels *cpu_kernels_at(cpu_level level) {
    static const kernels *const table[] = {&kernels_portable,
#ifdef __x86_64__
                                           &kernels_avx2, &kernels_avx512, &kernels_avx512bf16
#else
                                           &kernels_portable, &kernels_portable, &kernels_portable
#endif
    };
    return table[level];
}

static const kernels *chosen;

void cpu_kernels_use(const kernels *k) { chosen = k; }

const kernels *cpu_kernels(void) {
    if (!chosen) chosen = cpu_kernels_at(sys_cpu());
    return chosen;
}
