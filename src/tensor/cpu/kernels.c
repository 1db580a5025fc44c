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

const kernels *cpu_kernels(void) {
    static const kernels *chosen;
    if (!chosen) chosen = cpu_kernels_at(sys_cpu());
    return chosen;
}
