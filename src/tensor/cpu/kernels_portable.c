/* kernels_portable.c - the inner loops for any C11 compiler with vector extensions (plain SSE2 on x86-64). */
#define LEVEL       portable
#define LANES       4
#define TILE_ROWS   2
#define TILE_PANELS 1
#include "tensor/cpu/kernels_template.h"
