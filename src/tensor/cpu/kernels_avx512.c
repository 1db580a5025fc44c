/* kernels_avx512.c - the inner loops for AVX-512: 32 registers, tiles of 8 x 48 (24 sums, 3 of B). */
#define LEVEL       avx512
#define LANES       16
#define TILE_ROWS   8
#define TILE_PANELS 3
#include "tensor/cpu/turn_avx2.h"
#include "tensor/cpu/turn_avx512.h"
#include "tensor/cpu/kernels_template.h"
