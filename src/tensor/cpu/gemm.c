/* gemm.c - see gemm.h. The tiles themselves are in kernels_template.h. */
#include "tensor/cpu/gemm.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/cpu/kernels.h"

enum {
    STEPS = 1024, /* of a tile: a block of B (48 columns) fills 200 KB of the second-level cache */
    ROWS = 96, /* of x in one task, whole tiles of every instruction set: the second-level cache keeps up to WIDE steps of them */
    WIDE = 768,       /* steps; half as many rows where there are more */
    DOWN = 48,        /* columns of dy in one task of the weight's gradient: whole tiles of every instruction set */
    STRIP = 12,       /* panels of x in one such task where there are few */
    TURNED = 48,      /* panels of W turned at a time: 3 MB */
    LARGE = 16 << 20, /* bytes of a matrix that a last-level cache is not likely to keep */
    FEW = 8,          /* tasks: too few to share them out evenly */
    AHEAD = 8,        /* steps between fetching a row of a factor that is brought into tiles' form and reading it */
    ALIASED = 1024 /* words: rows so far apart, or a multiple of it, fall into the same few sets of a cache */,
    HUGE_PAGE = 2 << 20
};

static int panels_of(int n) { return (n + PANEL - 1) / PANEL; }
static int smaller(int a, int b) { return a < b ? a : b; }

/* ---- tasks ------------------------------------------------------------------------------------------------------------------------- */

/* Each thread has neighbouring tasks of its own, so that what it fetches ahead is what it reads next; who is done takes from the end of
 * what another has left. */
typedef struct {
    _Alignas(64) atomic_ullong left; /* begin << 32 | end */
} share;
enum { SHARES_MOST = 256 };
typedef struct {
    int count;
    share of[SHARES_MOST];
} shares;

static void share_out(shares *s, int tasks) {
    const int threads = omp_get_max_threads();
    s->count = threads < SHARES_MOST ? threads : SHARES_MOST;
    for (int i = 0; i < s->count; i++) {
        const uint64_t begin = (uint64_t)tasks * (uint64_t)i / (uint64_t)s->count,
                       end = (uint64_t)tasks * (uint64_t)(i + 1) / (uint64_t)s->count;
        atomic_init(&s->of[i].left, begin << 32 | end);
    }
}

static int take_from(share *s, bool first) {
    unsigned long long left = atomic_load_explicit(&s->left, memory_order_relaxed);
    for (;;) {
        const uint64_t begin = left >> 32, end = left & 0xffffffffu;
        if (begin >= end) return -1;
        if (atomic_compare_exchange_weak(&s->left, &left, first ? (begin + 1) << 32 | end : begin << 32 | (end - 1)))
            return (int)(first ? begin : end - 1);
    }
}

/* The next task of this thread of the team; -1: none is left. */
static int take_task(shares *s) {
    const int me = omp_get_thread_num() % s->count;
    int task = take_from(&s->of[me], true);
    for (int i = 1; task < 0 && i < s->count; i++) task = take_from(&s->of[(me + i) % s->count], false);
    return task;
}

/* ---- memory of a thread --------------------------------------------------------------------------------------------------------------- */

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
    ptrdiff_t row;  /* words between rows */
    const float *x; /* what is to be copied there by fill_left; NULL: nothing */
    int ldx, M, K;
    compute_type c;
} left_factor;

/* Rows of x for a reduction along its columns: float32 as they are, unless caches could not keep rows so far apart and `reused` says
 * that it matters; bfloat16 as words of pairs, or rounded floats. Copies lie an odd number of cache lines apart. */
static left_factor left_rows(const float *x, int ldx, int M, int K, bool reused, compute_type c) {
    if (c == COMPUTE_F32 && !(reused && ldx % ALIASED == 0)) return (left_factor){.at = x, .row = ldx};
    const bool pairs = c == COMPUTE_BF16 && cpu_kernels()->pairs;
    const int words = pairs ? (K + 1) / 2 : (K + 1) / 2 * 2, apart = ((words + PANEL - 1) / PANEL | 1) * PANEL;
    return (left_factor){gemm_scratch(SCRATCH_LEFT, (size_t)M * (size_t)apart * 4), apart, x, ldx, M, K, c};
}

/* By all threads of a team together, none of which goes on before all is there. */
static void fill_left(const left_factor *a) {
    const kernels *f = cpu_kernels();
    if (!a->x) return;
#pragma omp for schedule(static)
    for (int i = 0; i < a->M; i++) {
        uint32_t *row = (uint32_t *)(uintptr_t)a->at + (size_t)i * (size_t)a->row;
        const float *from = a->x + (size_t)i * (size_t)a->ldx;
        if (a->c == COMPUTE_BF16 && f->pairs) f->pack_pairs(row, from, a->K);
        else {
            if (a->c == COMPUTE_BF16) f->round_bf16((float *)(void *)row, from, (size_t)a->K);
            else memcpy(row, from, (size_t)a->K * 4);
            if (a->K % 2) row[a->K] = 0;
        }
    }
}

/* Step s of a reduction along the rows of x: `columns` of its values or, with the dot instruction, pairs of two rows. Where x holds
 * them, or in `room`, which is then filled up with zeros to `full`. */
static const uint32_t *step_of_columns(uint32_t *room, const float *x, int ldx, int M, int s, int columns, int full,
                                       compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const float *row = x + (size_t)(pairs ? 2 * s : s) * (size_t)ldx;
    if (c == COMPUTE_F32 && columns == full) return (const uint32_t *)(const void *)row;
    if (pairs) f->pack_two_rows(room, row, 2 * s + 1 < M ? row + ldx : NULL, columns);
    else if (c == COMPUTE_BF16) f->round_bf16((float *)(void *)room, row, (size_t)columns);
    else memcpy(room, row, (size_t)columns * 4);
    memset(room + columns, 0, (size_t)(full - columns) * 4);
    return room;
}

/* Steps from .. to of `columns` columns of x in pieces of `width` (a panel, or a tile's rows), piece i at out + i*apart: [steps][width].
 * A row is read once, whole: its pieces a step apart may be in another page each. */
static void pack_columns(uint32_t *out, ptrdiff_t apart, const float *x, int ldx, int M, int from, int to, int columns, int width,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const int full = (columns + width - 1) / width * width, rows = c == COMPUTE_BF16 && f->pairs ? 2 : 1;
    uint32_t *room = gemm_scratch(SCRATCH_ROW, (size_t)full * 4);
    for (int s = from; s < to; s++) {
        if ((s + AHEAD) * rows < M)
            for (int k = 0; k < columns; k += PANEL) __builtin_prefetch(x + (size_t)((s + AHEAD) * rows) * (size_t)ldx + k);
        const uint32_t *step = step_of_columns(room, x, ldx, M, s, columns, full, c);
        (width == PANEL ? f->deal_panels : f->deal_tiles)(out + (size_t)s * (size_t)width, apart, step, full);
    }
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------------ */

/* How a product runs. Words of two bfloat16 go to the dot instruction, or are widened by the tile, which costs it next to nothing and
 * halves what it reads. What is packed in another way is brought into a form of tiles first: words for the dot instruction, else
 * float32. Sums are the same bit for bit. */
typedef struct {
    bool words;         /* a step is a word of two values */
    int total, block;   /* steps; of them in one tile */
    storage_type panel; /* of B: float32 or words of two bfloat16 */
    bool direct;        /* and that is how the matrix is packed */
    void (*run)(const tile *t);
} plan;

static plan forward_plan(const gemm_matrix *w, compute_type c) {
    const kernels *f = cpu_kernels();
    if (c == COMPUTE_F32) return (plan){false, w->K, STEPS, TYPE_F32, w->type == TYPE_F32, f->tile_f32};
    const int words = (w->K + 1) / 2;
    const bool packed = w->type == TYPE_BF16;
    if (f->pairs || packed) return (plan){true, words, STEPS, TYPE_BF16, packed, f->tile_bf16};
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

/* Of x in one task, for reductions of so many steps. */
static int rows_of_task(int steps) { return steps > WIDE ? ROWS / 2 : ROWS; }

/* `rows` rows from the first of a, whose words begin at `from`, against the panels of t, in tiles of about the same height: a low one
 * has too few sums to keep the processor busy. Meanwhile they fetch `next`, each a part, or nothing if it is NULL. */
static void run_tiles(tile *t, void (*run)(const tile *), const left_factor *a, int first_row, int rows, ptrdiff_t from, float *y,
                      int ldy, const void *next) {
    const int most = cpu_kernels()->rows, tiles = (rows + most - 1) / most;
    t->next_step = (PANEL + tiles - 1) / tiles;
    for (int i = 0, row = first_row; i < tiles; i++, row += t->rows) {
        t->rows = rows / tiles + (i < rows % tiles);
        t->a = (const uint32_t *)a->at + row * a->row + from;
        t->c = y + (size_t)row * (size_t)ldy;
        t->next = next && i * t->next_step < PANEL ? (const float *)next + (ptrdiff_t)i * t->steps * t->next_step : NULL;
        run(t);
    }
}

/* x W^T: what stays the same from task to task. */
typedef struct {
    const gemm_matrix *w;
    left_factor a;
    plan p;
    int panels, wide; /* of W; of them in a block */
    float *y;
    int ldy;
    const float *bias;
    bool add;
    float alpha;
    compute_type c;
} forward_product;

/* Rows row .. row+rows of x against the panels first .. of one block. */
static void forward_block(const forward_product *q, int first, int row, int rows) {
    const plan *p = &q->p;
    const int here = smaller(q->wide, q->panels - first);
    const ptrdiff_t left_step = p->words && !cpu_kernels()->pairs ? 2 : 1;
    for (int from = 0; from < p->total; from += p->block) {
        tile t = {.row = q->a.row,
                  .step = 1,
                  .bstep = PANEL,
                  .panels = here,
                  .steps = smaller(p->block, p->total - from),
                  .ldc = q->ldy,
                  .columns = smaller(here * PANEL, q->w->N - first * PANEL),
                  .alpha = q->alpha,
                  .add = q->add || from,
                  .bias = q->bias && !from ? q->bias + first * PANEL : NULL};
        t.b = forward_panels(q->w, first, here, from, t.steps, p, q->c, &t.panel);
        const bool more = p->direct && first + 2 * q->wide <= q->panels; /* the next task's, as a rule */
        run_tiles(&t, p->run, &q->a, row, rows, from * left_step, q->y + first * PANEL, q->ldy,
                  more ? (const uint32_t *)t.b + q->wide * t.panel : NULL);
    }
}

void gemm_forward(float *y, int ldy, const float *x, int ldx, const gemm_matrix *w, int M, const float *bias, bool add,
                  float alpha, compute_type c) {
    const kernels *f = cpu_kernels();
    const forward_product q = {.w = w,
                               .a = left_rows(x, ldx, M, w->K, M > f->rows, c),
                               .p = forward_plan(w, c),
                               .panels = panels_of(w->N),
                               .wide = M == 1 ? f->panels_alone : f->panels,
                               .y = y,
                               .ldy = ldy,
                               .bias = bias,
                               .add = add,
                               .alpha = alpha,
                               .c = c};
    const int blocks = (q.panels + q.wide - 1) / q.wide;
    /* A task whose panels are made first makes them once for all rows, unless that leaves threads without work. */
    const int chunk = !q.p.direct && blocks >= FEW ? M : rows_of_task(w->K), chunks = (M + chunk - 1) / chunk;
    /* What no cache keeps is read once, and x goes along a block; else blocks go along rows of x. */
    const bool once = gemm_packed_bytes(w->type, w->N, w->K) > LARGE;
    shares tasks;
    share_out(&tasks, blocks * chunks);
#pragma omp parallel if (is_worth((size_t)M * (size_t)w->N * (size_t)w->K))
    {
        fill_left(&q.a);
        for (int task; (task = take_task(&tasks)) >= 0;) {
            const int block = once ? task / chunks : task % blocks, row = (once ? task % chunks : task / blocks) * chunk;
            forward_block(&q, block * q.wide, row, smaller(chunk, M - row));
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

/* W is turned a block at a time, by all threads together, and all rows of dy share it; dy, which may be the largest matrix of a step (the
 * head's), is brought into tiles' form by the same blocks, and a task's rows of it stay in the second-level cache from one panel to the
 * next. */
void gemm_backward_input(float *dx, int lddx, const float *dy, int lddy, const gemm_matrix *w, int M, bool add, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const int per = pairs ? 2 : 1, panels = panels_of(w->K), wide = f->panels, block = STEPS * per;
    const int most = smaller(block, (w->N + PANEL - 1) / PANEL * PANEL) / per;
    uint32_t *b = gemm_scratch(SCRATCH_B, (size_t)smaller(TURNED, panels) * (size_t)most * PANEL * 4);
    for (int from = 0; from < w->N; from += block) {
        const int values = smaller(block, w->N - from), steps = (values + per - 1) / per,
                  count = (values + PANEL - 1) / PANEL * PANEL, chunk = rows_of_task(steps), chunks = (M + chunk - 1) / chunk;
        const ptrdiff_t panel = (ptrdiff_t)(count / per) * PANEL;
        const left_factor a = left_rows(dy + from, lddy, M, values, panels > wide, c);
        for (int begin = 0; begin < panels; begin += TURNED) {
            const int n = smaller(TURNED, panels - begin), blocks = (n + wide - 1) / wide;
#pragma omp parallel if (is_worth((size_t)M * (size_t)w->N * (size_t)w->K))
            {
                if (begin == 0) fill_left(&a);
#pragma omp for schedule(dynamic, 1)
                for (int p = 0; p < n; p++) input_panel(b + p * panel, w, from, count, (begin + p) * PANEL, c);
#pragma omp for schedule(dynamic, 1)
                for (int task = 0; task < blocks * chunks; task++) {
                    const int q = task % blocks * wide, row = task / blocks * chunk, column = (begin + q) * PANEL;
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
                    run_tiles(&t, pairs ? f->tile_bf16 : f->tile_f32, &a, row, smaller(chunk, M - row), 0, dx + column, lddx,
                              q + 2 * wide <= n ? b + (q + wide) * panel : NULL);
                }
            }
        }
    }
}

/* ---- backward to the weight ------------------------------------------------------------------------------------------------------------- */

/* A task packs its few columns of dy and goes along all of x, which the second-level caches keep: dy may be the largest matrix of a
 * step (the head's), so it is read once. Pieces lie a line further apart than their size, which caches like better than powers of two. */
static void weight_chunk(float *dw, const float *dy, int lddy, const float *x, int ldx, int M, int N, int K, float alpha,
                         compute_type c) {
    const kernels *f = cpu_kernels();
    const bool pairs = c == COMPUTE_BF16 && f->pairs;
    const int steps = pairs ? (M + 1) / 2 : M, columns = panels_of(K), wide = f->panels;
    const int group = PANEL % f->rows ? f->rows : PANEL; /* columns of dy packed together: whole tiles */
    const int down = (N + DOWN - 1) / DOWN, strip = down < FEW ? STRIP : columns, strips = (columns + strip - 1) / strip;
    const ptrdiff_t panel = ((ptrdiff_t)steps + 1) * PANEL, piece = (ptrdiff_t)group * steps + PANEL;
    uint32_t *right = gemm_scratch(SCRATCH_RIGHT, (size_t)columns * (size_t)panel * 4);
#pragma omp parallel if (is_worth((size_t)M * (size_t)N * (size_t)K))
    {
        uint32_t *left = gemm_scratch(SCRATCH_B, (size_t)(DOWN / group) * (size_t)piece * 4);
#pragma omp for schedule(static)
        for (int s = 0; s < steps; s += PANEL) pack_columns(right, panel, x, ldx, M, s, smaller(s + PANEL, steps), K, PANEL, c);
#pragma omp for schedule(dynamic, 1)
        for (int task = 0; task < down * strips; task++) {
            const int first = task / strips * DOWN, rows = smaller(DOWN, N - first), begin = task % strips * strip,
                      end = smaller(begin + strip, columns);
            pack_columns(left, piece, dy + first, lddy, M, 0, steps, rows, group, c);
            for (int q = begin; q < end; q += wide) {
                tile t = {.row = 1,
                          .step = group,
                          .b = right + q * panel,
                          .panel = panel,
                          .bstep = PANEL,
                          .panels = smaller(wide, end - q),
                          .steps = steps,
                          .ldc = K,
                          .alpha = alpha,
                          .add = true};
                t.columns = smaller(t.panels * PANEL, K - q * PANEL);
                for (int i = 0; i < rows; i += f->rows) {
                    t.rows = smaller(f->rows, rows - i);
                    t.a = left + i / group * piece + i % group;
                    t.c = dw + (size_t)(first + i) * (size_t)K + q * PANEL;
                    t.next = i + f->rows >= rows && q + 2 * wide <= end ? right + (q + wide) * panel : NULL;
                    t.next_step = PANEL;
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
                  .add = add,
                  .next =
                      b + AHEAD * ldb + q * PANEL, /* its own: rows that lie apart, where no processor looks ahead by itself */
                  .next_step = ldb};
        t.columns = smaller(t.panels * PANEL, columns - q * PANEL);
        for (int i = 0; i < rows; i += f->rows) {
            t.rows = smaller(f->rows, rows - i);
            t.a = a + i * row;
            t.c = c + i * ldc + q * PANEL;
            f->tile_f32(&t);
        }
    }
}
