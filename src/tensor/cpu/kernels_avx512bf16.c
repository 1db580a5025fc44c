/* kernels_avx512bf16.c - AVX-512 with vdpbf16ps: 32 products of bfloat16 an instruction. It takes numbers under
 * 2^-126 for zero, and so does the rounding on the way to it. */
#define LEVEL       avx512bf16
#define LANES       16
#define TILE_ROWS   8
#define TILE_PANELS 3
#include "tensor/cpu/turn_avx2.h"
#include "tensor/cpu/turn_avx512.h"
#define DOT_BF16(acc, a, b)    ((vf)_mm512_dpbf16_ps((__m512)(acc), (__m512bh)(a), (__m512bh)(b)))
#define ROUND_PAIRS(low, high) ((vu)_mm512_cvtne2ps_pbh((__m512)(high), (__m512)(low)))
#include "tensor/cpu/kernels_template.h"
