/* store_similar.c - exact nearest records by cosine.
 *
 * One pass over the unit vectors of a setting (near.h): 4 n d bytes, which is what bounds it. Scores of the few that win are computed
 * again in double from the vectors as they came. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/near.h"
#include "store/row.h"

enum { SIMILAR_MOST = 1000 };

/* The compiler makes one for each instruction set; sanitizers cannot stand the choice at start-up, and clang is not asked. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
static float
dot(const float *restrict a, const float *restrict b, int n) {
    float lane[16] = {0};
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] += a[i + k] * b[i + k];
    float sum = 0;
    for (int k = 0; k < 16; k++) sum += lane[k];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

typedef struct {
    float score;
    int64_t row;
} scored;

static bool better(scored a, scored b) { return a.score > b.score || (a.score == b.score && a.row < b.row); }

/* A heap of the k best whose root is the worst of them. */
typedef struct {
    scored *heap;
    int count, k;
} best;

static void swap(scored *heap, int i, int j) {
    const scored x = heap[i];
    heap[i] = heap[j];
    heap[j] = x;
}

static void offer(best *b, scored x) {
    scored *heap = b->heap;
    if (b->count == b->k && !better(x, heap[0])) return;
    int at = b->count < b->k ? b->count++ : 0;
    heap[at] = x;
    for (int up; at > 0 && better(heap[up = (at - 1) / 2], heap[at]); at = up)
        swap(heap, at, up);                                        /* when it was added at the end */
    for (int child; (child = 2 * at + 1) < b->count; at = child) { /* down, when it took the root's place */
        if (child + 1 < b->count && better(heap[child], heap[child + 1])) child++;
        if (!better(heap[at], heap[child])) break;
        swap(heap, at, child);
    }
}

static int by_score(const void *x, const void *y) { return better(*(const scored *)x, *(const scored *)y) ? -1 : 1; }

static const float *unit_at(const near_rows *r, int64_t i) {
    return (const float *)(const void *)(r->row + (size_t)i * r->stride + sizeof(int64_t));
}

static int64_t seq_at(const near_rows *r, int64_t i) {
    int64_t seq;
    memcpy(&seq, r->row + (size_t)i * r->stride, sizeof seq);
    return seq;
}

/* What is looked for, and what may be found. */
typedef struct {
    const nearness *near;
    const float *unit;   /* [near->n]: near->to, of length 1 */
    const int64_t *only; /* sorted; NULL: all */
    int64_t onlys;
} search;

static bool is_in(const int64_t *sorted, int64_t count, int64_t x) {
    int64_t from = 0, to = count;
    while (from < to) {
        const int64_t middle = (from + to) / 2;
        if (sorted[middle] < x) from = middle + 1;
        else to = middle;
    }
    return from < count && sorted[from] == x;
}

static scored score_of(const search *x, const float *unit, int64_t seq) {
    const float s = dot(unit, x->unit, x->near->n);
    return (scored){x->near->least ? -s : s, seq};
}

static void scan(const near_rows *r, const search *x, best *b) {
    float *score = memory_alloc(sizeof *score * (size_t)(r->count + 1));
/* a few thousand take less time than waking threads, of which each connection would get its own */
#pragma omp parallel for schedule(static) if (r->count > 1 << 14)
    for (int64_t i = 0; i < r->count; i++) score[i] = score_of(x, unit_at(r, i), 0).score;
    int64_t at = 0;
    for (int64_t i = 0; i < r->count; i++) {
        if (!x->only && b->count == b->k && score[i] < b->heap[0].score) continue; /* nearly all */
        const int64_t seq = seq_at(r, i);
        if (seq < 0) continue;
        if (x->only) {
            while (at < x->onlys && x->only[at] < seq) at++;
            if (at == x->onlys) break;
            if (x->only[at] != seq) continue;
        }
        if (seq != x->near->without && (!r->aparts || !is_in(r->apart, r->aparts, seq))) offer(b, (scored){score[i], seq});
    }
    memory_release(score);
}

/* Those that have no row. */
static bool scan_apart(store_tx *t, arena *a, const near_rows *r, const search *x, best *b, err *e) {
    const int n = x->near->n;
    float *unit = arena_array(a, float, n + 1);
    for (int64_t i = 0; i < r->aparts; i++) {
        const int64_t seq = r->apart[i];
        double *v;
        int m;
        if (seq == x->near->without || (x->only && !is_in(x->only, x->onlys, seq))) continue;
        if (!vector_get(t, a, x->near->setting, seq, &v, &m, e)) return false;
        if (m != n) continue; /* none */
        near_unit(unit, v, n);
        offer(b, score_of(x, unit, seq));
    }
    return true;
}

static double exact(const double *a, const double *b, int n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static bool fetch(store_tx *t, arena *a, const nearness *near, int64_t seq, record_hits *out, err *e) {
    double *own;
    int m;
    db_rows *r = db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.seq = $1", db_i(seq));
    if (!db_next(r, e)) return e->code == ERR_NONE;
    const record hit = record_read(r, a);
    db_done(r);
    if (!vector_get(t, a, near->setting, seq, &own, &m, e) || m != near->n) return e->code == ERR_NONE;
    const double cosine = exact(own, near->to, near->n) * (near->least ? -1 : 1);
    STORE_APPEND(a, out, (record_hit){hit, (1 + cosine) / 2});
    return true;
}

bool record_similar(store_tx *t, arena *a, const record_query *q, const nearness *near, record_hits *out, err *e) {
    const int64_t end = q->offset + q->limit;
    const bool chosen = q->where || q->text.ptr;
    best b = {.k = (int)(end < SIMILAR_MOST ? end : SIMILAR_MOST)};
    int64_t *only = NULL, onlys = 0;
    near_rows rows;
    *out = (record_hits){0};
    if (q->offset >= b.k) return true;
    if (chosen && !search_seqs(t, a, q, &only, &onlys, e)) return false;
    if (chosen && !onlys) return true;
    float *unit = arena_array(a, float, near->n + 1);
    near_unit(unit, near->to, near->n);
    const search x = {near, unit, only, onlys};
    b.heap = arena_array(a, scored, b.k + 1);
    if (!near_take(t, near->setting, near->n, &rows, e)) return false;
    scan(&rows, &x, &b);
    bool ok = scan_apart(t, a, &rows, &x, &b, e);
    near_give(&rows);
    qsort(b.heap, (size_t)b.count, sizeof *b.heap, by_score);
    for (int i = (int)q->offset; i < b.count && ok; i++) ok = fetch(t, a, near, b.heap[i].row, out, e);
    out->total = b.count;
    return ok;
}
