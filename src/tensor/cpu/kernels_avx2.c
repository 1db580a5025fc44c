/* kernels_avx2.c - the inner loops for AVX2 + FMA: 16 registers, so tiles of 6 x 16 (12 sums, 2 of B, 1 of A). */
#define LEVEL       avx2
#define LANES       8
#define TILE_ROWS   6
#define TILE_PANELS 1
#include "tensor/cpu/turn_avx2.h"
#include "tensor/cpu/kernels_template.h"
