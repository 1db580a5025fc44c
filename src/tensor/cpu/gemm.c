/* gemm.c - see gemm.h. The tiles themselves are in kernels_template.h. */
#include "tensor/cpu/gemm.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/cpu/kernels.h"

enum {
    STEPS = 1024, /* of a tile: a block of B (48 columns) fills 200 KB of the second-level cache */
    ROWS = 96,    /* of x in one task */
    WIDTH = 48,   /* columns in one task: three panels */
    FEW = 8,      /* tasks: too few to share them out evenly */
    HUGE_PAGE = 2 << 20
};

static int panels_of(int n) { return (n + PANEL - 1) / PANEL; }
static int smaller(int a, int b) { return a < b ? a : b; }

/* Of each thread, freed when it ends: a team that gets smaller sends threads away. */
typedef struct {
    void *at;
    size_t bytes;
} scratch;
static pthread_key_t scratch_key;
static void free_scratch(void *kept) {
    for (int i = 0; i < SCRATCH_COUNT; i++) free(((scratch *)kept)[i].at);
    free(kept);
}
static void make_scratch_key(void) { pthread_key_create(&scratch_key, free_scratch); }

static scratch *new_scratch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    scratch *kept = calloc(SCRATCH_COUNT, sizeof *kept);
    pthread_once(&once, make_scratch_key);
    if (!kept || pthread_setspecific(scratch_key, kept) != 0) bug("no memory for a thread's scratch");
    return kept;
}

void *gemm_scratch(int use, size_t bytes) {
    static _Thread_local scratch *kept;
    if (!kept) kept = new_scratch();
    if (kept[use].bytes < bytes) {
        free(kept[use].at);
        const bool huge = bytes >= HUGE_PAGE;
        const size_t page = huge ? HUGE_PAGE : 4096, room = (bytes + (huge ? 0 : bytes / 4) + page - 1) / page * page;
        if (posix_memalign(&kept[use].at, huge ? page : 64, room) != 0) bug("no memory for %zu bytes of scratch", room);
        if (huge) madvise(kept[use].at, room, MADV_HUGEPAGE);
        kept[use].bytes = room;
    }
    return kept[use].at;
}

/* ---- packing ---------------------------------------------------------------------------------------------------------------- */

size_t gemm_packed_bytes(storage_type type, int N, int K) {
    if (type == TYPE_F32) return (size_t)panels_of(N) * PANEL * (size_t)K * 4;
    if (type == TYPE_BF16) return (size_t)panels_of(N) * PANEL * (size_t)((K + 1) / 2) * 4;
    return type_bytes(type, (size_t)N * (size_t)K);
}

/* 16 rows (missing ones are zero) of float32 into one panel. */
static void pack_panel(void *panel, storage_type type, const float *rows, int there, int K) {
    if (type == TYPE_F32) {
        float *out = panel;
        for (int k = 0; k < K; k++)
            for (int i = 0; i < PANEL; i++)
                out[(size_t)k * PANEL + (size_t)i] = i < there ? rows[(size_t)i * (size_t)K + (size_t)k] : 0;
        return;
    }
    const kernels *f = cpu_kernels();
    const int words = (K + 1) / 2;
    uint32_t *out = panel, *row = gemm_scratch(SCRATCH_ROW, (size_t)words * 4); /* the left factor lies in its own */
    for (int i = 0; i < PANEL; i++) {
        if (i < there) f->pack_pairs(row, rows + (size_t)i * (size_t)K, K);
        for (int k = 0; k < words; k++) out[(size_t)k * PANEL + (size_t)i] = i < there ? row[k] : 0;
    }
}

/* The same of rows that are bfloat16 already: their bits, whatever they are. */
static void pack_panel_bits(uint32_t *out, const char *rows, int there, int K) {
    const int words = (K + 1) / 2;
    for (int i = 0; i < PANEL; i++, rows += 2 * (size_t)K)
        for (int k = 0; k < words; k++) {
            uint16_t pair[2] = {0};
            if (i < there) memcpy(pair, rows + 4 * (size_t)k, 2 * k + 1 < K ? 4 : 2);
            out[(size_t)k * PANEL + (size_t)i] = pair[0] | (uint32_t)pair[1] << 16;
        }
}

void gemm_pack(void *packed, storage_type type, int N, int K, storage_type from, const void *rows) {
    if (type != TYPE_F32 && type != TYPE_BF16) {
        if (type != from) bug("packing %s from %s", type_name(type), type_name(from));
        memcpy(packed, rows, type_bytes(type, (size_t)N * (size_t)K));
        return;
    }
    const size_t panel = gemm_packed_bytes(type, PANEL, K), row = type_bytes(from, (size_t)K);
#pragma omp parallel for schedule(static)
    for (int p = 0; p < panels_of(N); p++) {
        const int there = smaller(PANEL, N - p * PANEL);
        const char *source = (const char *)rows + (size_t)p * PANEL * row;
        char *panel_at = (char *)packed + (size_t)p * panel;
        if (from == TYPE_BF16 && type == TYPE_BF16) {
            pack_panel_bits((uint32_t *)(void *)panel_at, source, there, K);
            continue;
        }
        const float *values = (const float *)(const void *)source;
        if (from != TYPE_F32) {
            float *wide = gemm_scratch(SCRATCH_RIGHT, (size_t)PANEL * (size_t)K * 4);
            type_to_f32(from, source, wide, (size_t)there * (size_t)K);
            values = wide;
        }
        pack_panel(panel_at, type, values, there, K);
    }
}

static float low_half(uint32_t w) {
    const uint32_t u = w << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static float high_half(uint32_t w) {
    const uint32_t u = w & 0xffff0000u;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

void gemm_unpack(const void *packed, storage_type type, int N, int K, int first, int count, float *out) {
    (void)N;
    if (type != TYPE_F32 && type != TYPE_BF16) {
        type_to_f32(type, (const char *)packed + (size_t)first * type_bytes(type, (size_t)K), out, (size_t)count * (size_t)K);
        return;
    }
    const size_t words = type == TYPE_F32 ? (size_t)K : (size_t)((K + 1) / 2);
    for (int r = 0; r < count; r++, out += K) {
        const size_t at = (size_t)((first + r) / PANEL) * words * PANEL + (size_t)((first + r) % PANEL);
        for (int k = 0; k < K; k++) {
            if (type == TYPE_F32) out[k] = ((const float *)packed)[at + (size_t)k * PANEL];
            else {
                const uint32_t w = ((const uint32_t *)packed)[at + (size_t)(k / 2) * PANEL];
                out[k] = k % 2 ? high_half(w) : low_half(w);
            }
        }
    }
}

/* ---- factors in the form that tiles read -------------------------------------------------------------------------------------- */

typedef struct {
    const void *at;
    ptrdiff_t row; /* words between rows */
} left_factor;

/* Rows of x for a reduction along its columns. float32: as they are. bfloat16: words of pairs, or rounded floats. */
static left_factor left_rows(const float *x, int ldx, int M, int K, compute_type c) {
    if (c == COMPUTE_F32) return (left_factor){x, ldx};
    const kernels *f = cpu_kernels();
    const int words = f->pairs ? (K + 1) / 2 : (K + 1) / 2 * 2;
    uint32_t *out = gemm_scratch(SCRATCH_LEFT, (size_t)M * (size_t)words * 4);
#pragma omp parallel for schedule(static) if ((size_t)M * (size_t)K > 32768)
    for (int i = 0; i < M; i++) {
        uint32_t *row = out + (size_t)i * (size_t)words;
        const float *from = x + (size_t)i * (size_t)ldx;
        if (f->pairs) f->pack_pairs(row, from, K);
        else {
            f->round_bf16((float *)(void *)row, from, (size_t)K);
            if (K % 2) row[K] = 0;
        }
    }
    return (left_factor){out, words};
}

/* 16 columns of x from `column` on, for a reduction along its rows: panels [M or ceil(M/2)][16] of values or pairs of rows. */
static void columns_panel(uint32_t *out, const float *x, int ldx, int M, int column, int columns, bool pairs) {
    const kernels *f = cpu_kernels();
    const int there = smaller(PANEL, columns - column);
    if (pairs && there == PANEL) {
        f->pack_columns(out, x + column, ldx, M);
        return;
    }
    float edge[2][PANEL] = {{0}};
    for (int m = 0; m < M; m += pairs ? 2 : 1, out += PANEL) {
        const float *r0 = x + (size_t)m * (size_t)ldx + column, *r1 = m + 1 < M ? r0 + ldx : NULL;
        if (there < PANEL) {
            memcpy(edge[0], r0, (size_t)there * 4);
            if (pairs && r1) memcpy(edge[1], r1, (size_t)there * 4);
            r0 = edge[0];
            r1 = r1 ? edge[1] : NULL;
        }
        if (pairs) f->pack_two_rows(out, r0, r1, PANEL);
        else memcpy(out, r0, PANEL * 4);
    }
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------------ */

/* Where the panels first .. of w stand in the form of this arithmetic, for steps `from` on. Direct when the matrix is packed so,
 * else widened or rounded into scratch. *panel: words between panels. */
static const void *forward_panels(const gemm_matrix *w, int first, int panels, int from, int steps, compute_type c,
                                  ptrdiff_t *panel) {
    const int words = c == COMPUTE_F32 ? w->K : (w->K + 1) / 2;
    const storage_type want = c == COMPUTE_F32 ? TYPE_F32 : TYPE_BF16;
    if (w->type == want) {
        *panel = (ptrdiff_t)words * PANEL;
        return (const uint32_t *)w->packed + ((size_t)first * (size_t)words + (size_t)from) * PANEL;
    }
    uint32_t *out = gemm_scratch(SCRATCH_B, (size_t)WIDTH * (size_t)(words + 1) * 4);
    *panel = (ptrdiff_t)words * PANEL;
    float *rows = gemm_scratch(SCRATCH_RIGHT, (size_t)PANEL * (size_t)w->K * 4);
    for (int p = 0; p < panels; p++) {
        const int there = smaller(PANEL, w->N - (first + p) * PANEL);
        gemm_unpack(w->packed, w->type, w->N, w->K, (first + p) * PANEL, there, rows);
        pack_panel(out + (size_t)p * (size_t)words * PANEL, want, rows, there, w->K);
    }
    (void)steps;
    return out + (size_t)from * PANEL;
}

/* All rows of one task against one block of panels. */
static void run_tiles(tile *t, const left_factor *a, int first_row, int rows, int from, compute_type c, float *y, int ldy) {
    const kernels *f = cpu_kernels();
    const ptrdiff_t offset = c == COMPUTE_F32 || f->pairs ? from : 2 * (ptrdiff_t)from;
    for (int i = 0; i < rows; i += f->rows) {
        t->rows = smaller(f->rows, rows - i);
        t->a = (const uint32_t *)a->at + (first_row + i) * a->row + offset;
        t->c = y + (size_t)(first_row + i) * (size_t)ldy;
        if (c == COMPUTE_F32) f->tile_f32(t);
        else f->tile_bf16(t);
    }
}

void gemm_forward(float *y, int ldy, const float *x, int ldx, const gemm_matrix *w, int M, const float *bias, bool add,
                  float alpha, compute_type c) {
    const kernels *f = cpu_kernels();
    const left_factor a = left_rows(x, ldx, M, w->K, c);
    const int total = c == COMPUTE_F32 ? w->K : (w->K + 1) / 2, panels = panels_of(w->N), wide = f->panels;
    const int blocks = (panels + wide - 1) / wide, chunks = (M + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < blocks * chunks; task++) {
        const int first = task / chunks * wide, row = task % chunks * ROWS;
        for (int from = 0; from < total; from += STEPS) {
            tile t = {.row = a.row,
                      .step = 1,
                      .bstep = PANEL,
                      .panels = smaller(wide, panels - first),
                      .steps = smaller(STEPS, total - from),
                      .ldc = ldy,
                      .columns = w->N - first * PANEL,
                      .alpha = alpha,
                      .add = add || from,
                      .bias = bias && !from ? bias + first * PANEL : NULL};
            if (t.columns > t.panels * PANEL) t.columns = t.panels * PANEL;
            t.b = forward_panels(w, first, t.panels, from, t.steps, c, &t.panel);
            run_tiles(&t, &a, row, smaller(ROWS, M - row), from, c, y + first * PANEL, ldy);
        }
    }
}

/* ---- backward to the input ------------------------------------------------------------------------------------------------------------ */

/* Columns k .. k+15 of rows n0 .. n0+count of w, as a panel [count or count/2][16] of values or pairs along n. */
static void input_panel(uint32_t *out, const gemm_matrix *w, int n0, int count, int k, compute_type c) {
    const kernels *f = cpu_kernels();
    const int words = (w->K + 1) / 2;
    if (c == COMPUTE_BF16 && w->type == TYPE_BF16) {
        uint32_t edge[8 * PANEL] = {0};
        for (int n = 0; n < count; n += PANEL, out += 8 * PANEL) {
            const uint32_t *in =
                (const uint32_t *)w->packed + ((size_t)((n0 + n) / PANEL) * (size_t)words + (size_t)(k / 2)) * PANEL;
            if (words - k / 2 < 8) {
                memcpy(edge, in, (size_t)(words - k / 2) * PANEL * 4);
                in = edge;
            }
            f->turn_pairs(out, PANEL, in);
        }
        return;
    }
    float rows[2 * PANEL][PANEL] = {{0}};
    const int there = smaller(PANEL, w->K - k);
    for (int n = 0; n < count; n += PANEL) {
        for (int i = 0; i < PANEL; i++) memset(rows[i], 0, sizeof rows[i]);
        if (w->type == TYPE_F32) {
            const float *in = (const float *)w->packed + ((size_t)((n0 + n) / PANEL) * (size_t)w->K + (size_t)k) * PANEL;
            for (int j = 0; j < there; j++)
                for (int i = 0; i < PANEL; i++) rows[i][j] = in[(size_t)j * PANEL + (size_t)i];
        } else {
            for (int i = 0; i < smaller(PANEL, w->N - n0 - n); i++) { /* whole blocks around the 16 columns */
                float wide[64];
                const int block = w->type == TYPE_BF16 || w->type == TYPE_F16 ? 1 : 32, begin = k / block * block;
                if (w->type == TYPE_BF16) {
                    for (int j = 0; j < there; j++) {
                        const uint32_t word =
                            ((const uint32_t *)
                                 w->packed)[((size_t)((n0 + n) / PANEL) * (size_t)words + (size_t)((k + j) / 2)) * PANEL +
                                            (size_t)i];
                        rows[i][j] = (k + j) % 2 ? high_half(word) : low_half(word);
                    }
                    continue;
                }
                const size_t row = (size_t)(n0 + n + i) * type_bytes(w->type, (size_t)w->K);
                const int end = (k + there + block - 1) / block * block;
                type_to_f32(w->type, (const char *)w->packed + row + type_bytes(w->type, (size_t)begin), wide,
                            (size_t)(end - begin));
                memcpy(rows[i], wide + (k - begin), (size_t)there * 4);
            }
        }
        if (c == COMPUTE_F32) {
            memcpy(out, rows, PANEL * sizeof rows[0]);
            out += PANEL * PANEL;
        } else
            for (int i = 0; i < PANEL; i += 2, out += PANEL) f->pack_two_rows(out, rows[i], rows[i + 1], PANEL);
    }
}

void gemm_backward_input(float *dx, int lddx, const float *dy, int lddy, const gemm_matrix *w, int M, bool add, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const left_factor a = left_rows(dy, lddy, M, w->N, c);
    const int per = c == COMPUTE_F32 ? 1 : 2, total = (w->N + per - 1) / per, panels = panels_of(w->K), wide = f->panels;
    /* A task turns its panels of W once for all rows, unless that leaves threads without work (a low-rank factor is one panel). */
    const int blocks = (panels + wide - 1) / wide, chunk = blocks < FEW ? ROWS : M, chunks = (M + chunk - 1) / chunk;
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < blocks * chunks; task++) {
        const int first = task / chunks * wide, row = task % chunks * chunk, n = smaller(wide, panels - first);
        uint32_t *b = gemm_scratch(SCRATCH_B, (size_t)(STEPS + PANEL) * WIDTH * 4);
        for (int from = 0; from < total; from += STEPS) {
            const int steps = smaller(STEPS, total - from), count = (steps * per + PANEL - 1) / PANEL * PANEL;
            const ptrdiff_t panel = (ptrdiff_t)(count / per) * PANEL;
            for (int p = 0; p < n; p++) input_panel(b + p * panel, w, from * per, count, (first + p) * PANEL, c);
            tile t = {.row = a.row,
                      .step = 1,
                      .b = b,
                      .panel = panel,
                      .bstep = PANEL,
                      .panels = n,
                      .steps = steps,
                      .ldc = lddx,
                      .columns = smaller(n * PANEL, w->K - first * PANEL),
                      .alpha = alpha,
                      .add = add || from};
            run_tiles(&t, &a, row, smaller(chunk, M - row), from, c, dx + first * PANEL, lddx);
        }
    }
}

/* ---- backward to the weight ------------------------------------------------------------------------------------------------------------- */

static void weight_chunk(float *dw, const float *dy, int lddy, const float *x, int ldx, int M, int N, int K, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16, left_pairs = pairs && f->pairs;
    const int steps = pairs ? (M + 1) / 2 : M, left_steps = left_pairs ? steps : pairs ? 2 * steps : M;
    const int rows = panels_of(N), columns = panels_of(K), wide = f->panels;
    uint32_t *left = gemm_scratch(SCRATCH_LEFT, (size_t)rows * PANEL * (size_t)left_steps * 4);
    uint32_t *right = gemm_scratch(SCRATCH_RIGHT, (size_t)columns * PANEL * (size_t)steps * 4);
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (int p = 0; p < rows; p++) {
            uint32_t *out = left + (size_t)p * (size_t)left_steps * PANEL;
            columns_panel(out, dy, lddy, M, p * PANEL, N, left_pairs);
            if (pairs && !left_pairs) {
                f->round_bf16((float *)(void *)out, (const float *)(const void *)out, (size_t)M * PANEL);
                if (M % 2) memset(out + (size_t)M * PANEL, 0, PANEL * 4);
            }
        }
#pragma omp for schedule(static)
        for (int p = 0; p < columns; p++)
            columns_panel(right + (size_t)p * (size_t)steps * PANEL, x, ldx, M, p * PANEL, K, pairs);
        const int across = (columns + wide - 1) / wide, down = (rows + 3) / 4;
#pragma omp for schedule(dynamic, 1)
        for (int task = 0; task < across * down; task++) {
            const int q = task / down * wide, first = task % down * 4 * PANEL;
            tile t = {.row = 1,
                      .step = PANEL,
                      .b = right + (size_t)q * (size_t)steps * PANEL,
                      .panel = (ptrdiff_t)steps * PANEL,
                      .bstep = PANEL,
                      .panels = smaller(wide, columns - q),
                      .steps = steps,
                      .ldc = K,
                      .alpha = alpha,
                      .add = true};
            t.columns = smaller(t.panels * PANEL, K - q * PANEL);
            for (int i = first; i < smaller(first + 4 * PANEL, N); i += t.rows) {
                t.rows = smaller(smaller(f->rows, PANEL - i % PANEL), N - i);
                t.a = left + (size_t)(i / PANEL) * (size_t)left_steps * PANEL + i % PANEL;
                t.c = dw + (size_t)i * (size_t)K + q * PANEL;
                if (pairs) f->tile_bf16(&t);
                else f->tile_f32(&t);
            }
        }
    }
}

void gemm_backward_weight(float *dw, const float *dy, int lddy, const float *x, int ldx, int M, int N, int K, float alpha,
                          compute_type c) {
    for (int m = 0; m < M; m += STEPS)
        weight_chunk(dw, dy + (size_t)m * (size_t)lddy, lddy, x + (size_t)m * (size_t)ldx, ldx, smaller(STEPS, M - m), N, K,
                     alpha, c);
}

/* ---- small --------------------------------------------------------------------------------------------------------------------------------- */

void gemm_small(float *c, ptrdiff_t ldc, const float *a, ptrdiff_t row, ptrdiff_t step, const float *b, ptrdiff_t ldb, int rows,
                int columns, int steps, float alpha, bool add) {
    const kernels *f = cpu_kernels();
    const int panels = panels_of(columns);
    for (int q = 0; q < panels; q += f->panels) {
        tile t = {.row = row,
                  .step = step,
                  .b = b + q * PANEL,
                  .panel = PANEL,
                  .bstep = ldb,
                  .panels = smaller(f->panels, panels - q),
                  .steps = steps,
                  .ldc = ldc,
                  .alpha = alpha,
                  .add = add};
        t.columns = smaller(t.panels * PANEL, columns - q * PANEL);
        for (int i = 0; i < rows; i += f->rows) {
            t.rows = smaller(f->rows, rows - i);
            t.a = a + i * row;
            t.c = c + i * ldc + q * PANEL;
            f->tile_f32(&t);
        }
    }
}
