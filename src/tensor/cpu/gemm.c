/* gemm.c - see gemm.h. The tiles themselves are in kernels_template.h. */
#include "tensor/cpu/gemm.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/cpu/kernels.h"

enum {
    STEPS = 1024,  /* of a tile: a block of B (48 columns) fills 200 KB of the second-level cache */
    ROWS = 96,     /* of x in one task */
    DOWN = 48,     /* columns of dy in one task of the weight's gradient: whole tiles of every instruction set */
    STRIP = 12,    /* panels of x in one such task where there are few */
    TURNED = 48,   /* panels of W turned at a time: 3 MB */
    FEW = 8,       /* tasks: too few to share them out evenly */
    FEW_ROWS = 12, /* up to so many a panel is cheaper widened by every tile than once */
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

/* Columns `column` .. +width of x, for a reduction along its rows: [M or ceil(M/2)][width] of values or pairs of rows. Missing
 * columns are zero. */
static void columns_panel(uint32_t *out, const float *x, int ldx, int M, int column, int columns, int width, compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const int there = smaller(width, columns - column);
    if (pairs && width == PANEL && there == PANEL) {
        f->pack_columns(out, x + column, ldx, M);
        return;
    }
    uint32_t *const begin = out;
    float edge[2][PANEL] = {{0}};
    if (!pairs && there == width) {
        (width == PANEL ? f->take_panel : f->take_tile)((float *)(void *)out, x + column, ldx, M);
    } else
        for (int m = 0; m < M; m += pairs ? 2 : 1, out += width) {
            const float *row = x + (size_t)m * (size_t)ldx + column;
            const bool two = pairs && m + 1 < M;
            memcpy(edge[0], row, (size_t)there * 4);
            if (two) memcpy(edge[1], row + ldx, (size_t)there * 4);
            if (pairs) f->pack_two_rows(out, edge[0], two ? edge[1] : NULL, width);
            else memcpy(out, edge[0], (size_t)width * 4);
        }
    if (c == COMPUTE_BF16 && !pairs)
        f->round_bf16((float *)(void *)begin, (const float *)(const void *)begin, (size_t)M * (size_t)width);
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------------ */

/* How a product runs. Words of two bfloat16 go to the dot instruction; without it they are widened: by every tile while few rows share
 * the work, else once for all rows, and the tiles are float32's. Sums are the same bit for bit. */
typedef struct {
    bool words;         /* a step is a word of two values */
    int total, block;   /* steps; of them in one tile */
    storage_type panel; /* of B: float32 or words of two bfloat16 */
    bool direct;        /* and that is how the matrix is packed */
    void (*run)(const tile *t);
} plan;

static plan forward_plan(const gemm_matrix *w, int M, compute_type c) {
    const kernels *f = cpu_kernels();
    if (c == COMPUTE_F32) return (plan){false, w->K, STEPS, TYPE_F32, w->type == TYPE_F32, f->tile_f32};
    const int words = (w->K + 1) / 2;
    const bool packed = w->type == TYPE_BF16;
    if (f->pairs || (packed && M <= FEW_ROWS)) return (plan){true, words, STEPS, TYPE_BF16, packed, f->tile_bf16};
    return (plan){false, 2 * words, 2 * STEPS, TYPE_F32, false, f->tile_f32};
}

/* Where steps from .. of the panels first .. of w stand in the form of the plan, and in *panel the words between panels: in the matrix
 * itself when it is packed so, else widened or rounded into scratch. */
static const void *forward_panels(const gemm_matrix *w, int first, int panels, int from, int steps, const plan *p, compute_type c,
                                  ptrdiff_t *panel) {
    const kernels *f = cpu_kernels();
    const int words = p->words ? p->total : w->type == TYPE_BF16 ? (w->K + 1) / 2 : w->K;
    if (p->direct) {
        *panel = (ptrdiff_t)words * PANEL;
        return (const uint32_t *)w->packed + ((size_t)first * (size_t)words + (size_t)from) * PANEL;
    }
    if (w->type == TYPE_BF16) {
        float *out = gemm_scratch(SCRATCH_B, (size_t)panels * (size_t)(steps + 1) * PANEL * 4);
        *panel = (ptrdiff_t)(steps + steps % 2) * PANEL;
        for (int i = 0; i < panels; i++)
            f->widen_pairs(out + i * *panel,
                           (const uint32_t *)w->packed + ((size_t)(first + i) * (size_t)words + (size_t)(from / 2)) * PANEL,
                           (steps + 1) / 2);
        return out;
    }
    *panel = (ptrdiff_t)p->total * PANEL;
    uint32_t *out = gemm_scratch(SCRATCH_B, (size_t)panels * (size_t)*panel * 4);
    float *rows = gemm_scratch(SCRATCH_RIGHT, (size_t)PANEL * (size_t)w->K * 4);
    for (int i = 0; i < panels; i++) {
        const int there = smaller(PANEL, w->N - (first + i) * PANEL);
        gemm_unpack(w->packed, w->type, w->N, w->K, (first + i) * PANEL, there, rows);
        if (c == COMPUTE_BF16 && !p->words) f->round_bf16(rows, rows, (size_t)there * (size_t)w->K);
        pack_panel(out + i * *panel, p->panel, rows, there, w->K);
        if (!p->words && w->K % 2 && c == COMPUTE_BF16) memset(out + i * *panel + (size_t)w->K * PANEL, 0, PANEL * 4);
    }
    return out + (size_t)from * PANEL;
}

/* `rows` rows from the first of a, whose words begin at `from`, against the panels of t. */
static void run_tiles(tile *t, void (*run)(const tile *), const left_factor *a, int first_row, int rows, ptrdiff_t from, float *y,
                      int ldy) {
    const kernels *f = cpu_kernels();
    for (int i = 0; i < rows; i += f->rows) {
        t->rows = smaller(f->rows, rows - i);
        t->a = (const uint32_t *)a->at + (first_row + i) * a->row + from;
        t->c = y + (size_t)(first_row + i) * (size_t)ldy;
        run(t);
    }
}

void gemm_forward(float *y, int ldy, const float *x, int ldx, const gemm_matrix *w, int M, const float *bias, bool add,
                  float alpha, compute_type c) {
    const kernels *f = cpu_kernels();
    const left_factor a = left_rows(x, ldx, M, w->K, c);
    const plan p = forward_plan(w, M, c);
    const int panels = panels_of(w->N), wide = M == 1 ? f->panels_alone : f->panels, blocks = (panels + wide - 1) / wide;
    /* A task whose panels are made first makes them once for all rows, unless that leaves threads without work. */
    const int chunk = !p.direct && blocks >= FEW ? M : ROWS, chunks = (M + chunk - 1) / chunk;
    const ptrdiff_t left_step = p.words && !f->pairs ? 2 : 1;
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < blocks * chunks; task++) {
        const int first = task / chunks * wide, row = task % chunks * chunk;
        for (int from = 0; from < p.total; from += p.block) {
            tile t = {.row = a.row,
                      .step = 1,
                      .bstep = PANEL,
                      .panels = smaller(wide, panels - first),
                      .steps = smaller(p.block, p.total - from),
                      .ldc = ldy,
                      .columns = w->N - first * PANEL,
                      .alpha = alpha,
                      .add = add || from,
                      .bias = bias && !from ? bias + first * PANEL : NULL};
            if (t.columns > t.panels * PANEL) t.columns = t.panels * PANEL;
            t.b = forward_panels(w, first, t.panels, from, t.steps, &p, c, &t.panel);
            run_tiles(&t, p.run, &a, row, smaller(chunk, M - row), from * left_step, y + first * PANEL, ldy);
        }
    }
}

/* ---- backward to the input ------------------------------------------------------------------------------------------------------------ */

/* Columns k .. k+15 of rows n .. n+15 of w, rows that are not there as zeros: [16 n][16 k] float32. */
static void square_of_blocks(float out[PANEL * PANEL], const gemm_matrix *w, int n, int k) {
    const int there = smaller(PANEL, w->K - k), block = w->type == TYPE_F16 ? 1 : 32, begin = k / block * block,
              end = (k + there + block - 1) / block * block; /* whole blocks around the 16 columns */
    float wide[64];
    memset(out, 0, PANEL * PANEL * sizeof *out);
    for (int i = 0; i < smaller(PANEL, w->N - n); i++) {
        const char *row = (const char *)w->packed + (size_t)(n + i) * type_bytes(w->type, (size_t)w->K);
        type_to_f32(w->type, row + type_bytes(w->type, (size_t)begin), wide, (size_t)(end - begin));
        memcpy(out + i * PANEL, wide + (k - begin), (size_t)there * 4);
    }
}

/* The words of those 16 x 16 values as they are packed, `per` to a word: where they stand, or a copy filled up with zeros. */
static const uint32_t *square_of_words(uint32_t edge[PANEL * PANEL], const gemm_matrix *w, int n, int k, int per) {
    const int words = (w->K + per - 1) / per, need = PANEL / per, there = words - k / per;
    const uint32_t *in = (const uint32_t *)w->packed + ((size_t)(n / PANEL) * (size_t)words + (size_t)(k / per)) * PANEL;
    if (there >= need) return in;
    memset(edge, 0, PANEL * PANEL * sizeof *edge);
    memcpy(edge, in, (size_t)there * PANEL * 4);
    return edge;
}

/* Columns k .. k+15 of rows n0 .. n0+count of w, as a panel [count or count/2][16] of values or pairs along n. */
static void input_panel(uint32_t *out, const gemm_matrix *w, int n0, int count, int k, compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    uint32_t edge[PANEL * PANEL];
    float square[PANEL * PANEL];
    for (int n = 0; n < count; n += PANEL, out += pairs ? PANEL * PANEL / 2 : PANEL * PANEL) {
        float *values = pairs ? square : (float *)(void *)out;
        if (w->type == TYPE_BF16) {
            const uint32_t *in = square_of_words(edge, w, n0 + n, k, 2);
            if (pairs) {
                f->turn_pairs(out, PANEL, in);
                continue;
            }
            f->turn_words(values, in);
        } else if (w->type == TYPE_F32) f->turn(values, (const float *)(const void *)square_of_words(edge, w, n0 + n, k, 1));
        else square_of_blocks(values, w, n0 + n, k);
        if (pairs)
            for (int i = 0; i < PANEL; i += 2)
                f->pack_two_rows(out + i / 2 * PANEL, square + i * PANEL, square + (i + 1) * PANEL, PANEL);
        else if (c == COMPUTE_BF16 && w->type != TYPE_BF16) f->round_bf16(values, values, PANEL * PANEL);
    }
}

/* W is turned a block at a time, by all threads together, and all rows of dy share it; of dy, which may be the largest matrix of a step
 * (the head's), a task's rows stay in the second-level cache from one panel to the next. */
void gemm_backward_input(float *dx, int lddx, const float *dy, int lddy, const gemm_matrix *w, int M, bool add, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const left_factor a = left_rows(dy, lddy, M, w->N, c);
    const int per = pairs ? 2 : 1, total = (w->N + per - 1) / per, panels = panels_of(w->K), wide = f->panels;
    const int most = smaller(STEPS, (total + PANEL - 1) / PANEL * PANEL), chunks = (M + ROWS - 1) / ROWS;
    uint32_t *b = gemm_scratch(SCRATCH_B, (size_t)smaller(TURNED, panels) * (size_t)most * PANEL * 4);
    for (int begin = 0; begin < panels; begin += TURNED)
        for (int from = 0; from < total; from += STEPS) {
            const int n = smaller(TURNED, panels - begin), steps = smaller(STEPS, total - from),
                      count = (steps * per + PANEL - 1) / PANEL * PANEL, blocks = (n + wide - 1) / wide;
            const ptrdiff_t panel = (ptrdiff_t)(count / per) * PANEL;
#pragma omp parallel
            {
#pragma omp for schedule(dynamic, 1)
                for (int p = 0; p < n; p++) input_panel(b + p * panel, w, from * per, count, (begin + p) * PANEL, c);
#pragma omp for schedule(dynamic, 1)
                for (int task = 0; task < blocks * chunks; task++) {
                    const int q = task % blocks * wide, row = task / blocks * ROWS, column = (begin + q) * PANEL;
                    tile t = {.row = a.row,
                              .step = 1,
                              .b = b + q * panel,
                              .panel = panel,
                              .bstep = PANEL,
                              .panels = smaller(wide, n - q),
                              .steps = steps,
                              .ldc = lddx,
                              .alpha = alpha,
                              .add = add || from};
                    t.columns = smaller(t.panels * PANEL, w->K - column);
                    run_tiles(&t, pairs ? f->tile_bf16 : f->tile_f32, &a, row, smaller(ROWS, M - row), from, dx + column, lddx);
                }
            }
        }
}

/* ---- backward to the weight ------------------------------------------------------------------------------------------------------------- */

/* A task packs its few columns of dy and goes along all of x, which the second-level caches keep: dy may be the largest matrix of a
 * step (the head's), so it is read once. */
static void weight_chunk(float *dw, const float *dy, int lddy, const float *x, int ldx, int M, int N, int K, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const int steps = pairs ? (M + 1) / 2 : M, columns = panels_of(K), wide = f->panels;
    const int group = PANEL % f->rows ? f->rows : PANEL; /* columns of dy packed together: whole tiles */
    const int down = (N + DOWN - 1) / DOWN, strip = down < FEW ? STRIP : columns, strips = (columns + strip - 1) / strip;
    uint32_t *right = gemm_scratch(SCRATCH_RIGHT, (size_t)columns * PANEL * (size_t)steps * 4);
#pragma omp parallel
    {
        uint32_t *left = gemm_scratch(SCRATCH_B, (size_t)DOWN * (size_t)steps * 4);
#pragma omp for schedule(static)
        for (int p = 0; p < columns; p++)
            columns_panel(right + (size_t)p * (size_t)steps * PANEL, x, ldx, M, p * PANEL, K, PANEL, c);
#pragma omp for schedule(dynamic, 1)
        for (int task = 0; task < down * strips; task++) {
            const int first = task / strips * DOWN, rows = smaller(DOWN, N - first), begin = task % strips * strip;
            for (int i = 0; i < rows; i += group)
                columns_panel(left + (size_t)i * (size_t)steps, dy, lddy, M, first + i, N, group, c);
            for (int q = begin; q < smaller(begin + strip, columns); q += wide) {
                tile t = {.row = 1,
                          .step = group,
                          .b = right + (size_t)q * (size_t)steps * PANEL,
                          .panel = (ptrdiff_t)steps * PANEL,
                          .bstep = PANEL,
                          .panels = smaller(wide, columns - q),
                          .steps = steps,
                          .ldc = K,
                          .alpha = alpha,
                          .add = true};
                t.columns = smaller(t.panels * PANEL, K - q * PANEL);
                for (int i = 0; i < rows; i += f->rows) {
                    t.rows = smaller(f->rows, rows - i);
                    t.a = left + (size_t)(i / group * group) * (size_t)steps + i % group;
                    t.c = dw + (size_t)(first + i) * (size_t)K + q * PANEL;
                    if (pairs) f->tile_bf16(&t);
                    else f->tile_f32(&t);
                }
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
