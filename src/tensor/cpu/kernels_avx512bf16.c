/* kernels_avx512bf16.c - AVX-512 with vdpbf16ps: 32 products of bfloat16 an instruction. */
#define LEVEL       avx512bf16
#define LANES       16
#define TILE_ROWS   8
#define TILE_PANELS 3
#include "tensor/cpu/turn_avx512.h"
#define DOT_BF16(acc, a, b) ((vf)_mm512_dpbf16_ps((__m512)(acc), (__m512bh)(a), (__m512bh)(b)))
#include "tensor/cpu/kernels_template.h"
