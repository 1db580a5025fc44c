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
} near;

static bool better(near a, near b) { return a.score > b.score || (a.score == b.score && a.row < b.row); }

/* A heap of the k best whose root is the worst of them. */
static void offer(near *heap, int *count, int k, near x) {
    if (*count == k && !better(x, heap[0])) return;
    int at = *count < k ? (*count)++ : 0;
    heap[at] = x;
    while (at > 0 && better(heap[(at - 1) / 2], heap[at])) { /* up, when it was added at the end */
        const near y = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[at = (at - 1) / 2] = y;
    }
    for (int child; (child = 2 * at + 1) < *count; at = child) { /* down, when it took the root's place */
        if (child + 1 < *count && better(heap[child], heap[child + 1])) child++;
        if (!better(heap[at], heap[child])) break;
        const near y = heap[at];
        heap[at] = heap[child];
        heap[child] = y;
    }
}

static int by_score(const void *x, const void *y) { return better(*(const near *)x, *(const near *)y) ? -1 : 1; }

static const float *unit_at(const near_rows *r, int64_t i) {
    return (const float *)(const void *)(r->row + (size_t)i * r->stride + sizeof(int64_t));
}

static int64_t seq_at(const near_rows *r, int64_t i) {
    int64_t seq;
    memcpy(&seq, r->row + (size_t)i * r->stride, sizeof seq);
    return seq;
}

/* What may be found. */
typedef struct {
    const int64_t *only; /* sorted; NULL: all */
    int64_t onlys, without;
} choice;

static bool is_in(const int64_t *sorted, int64_t count, int64_t x) {
    int64_t from = 0, to = count;
    while (from < to) {
        const int64_t middle = (from + to) / 2;
        if (sorted[middle] < x) from = middle + 1;
        else to = middle;
    }
    return from < count && sorted[from] == x;
}

static int scan(const near_rows *r, const float *q, int n, bool least, const choice *c, near *heap, int k) {
    int count = 0;
    float *score = memory_alloc(sizeof *score * (size_t)(r->count + 1));
/* a few thousand take less time than waking threads, of which each connection would get its own */
#pragma omp parallel for schedule(static) if (r->count > 1 << 14)
    for (int64_t i = 0; i < r->count; i++) score[i] = dot(unit_at(r, i), q, n);
    int64_t at = 0;
    for (int64_t i = 0; i < r->count; i++) {
        const float s = least ? -score[i] : score[i];
        if (!c->only && count == k && s < heap[0].score) continue; /* nearly all */
        const int64_t seq = seq_at(r, i);
        if (seq < 0) continue;
        if (c->only) {
            while (at < c->onlys && c->only[at] < seq) at++;
            if (at == c->onlys) break;
            if (c->only[at] != seq) continue;
        }
        if (seq != c->without && (!r->aparts || !is_in(r->apart, r->aparts, seq))) offer(heap, &count, k, (near){s, seq});
    }
    memory_release(score);
    return count;
}

/* Those that have no row. */
static bool scan_apart(store_tx *t, arena *a, int64_t setting, const near_rows *r, const float *q, int n, bool least,
                       const choice *c, near *heap, int *count, int k, err *e) {
    float *unit = arena_array(a, float, n + 1);
    for (int64_t i = 0; i < r->aparts; i++) {
        const int64_t seq = r->apart[i];
        double *v;
        int m;
        if (seq == c->without || (c->only && !is_in(c->only, c->onlys, seq))) continue;
        if (!vector_get(t, a, setting, seq, &v, &m, e)) return false;
        if (m != n) continue; /* none */
        near_unit(unit, v, n);
        const float s = dot(unit, q, n);
        offer(heap, count, k, (near){least ? -s : s, seq});
    }
    return true;
}

static double exact(const double *a, const double *b, int n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static bool fetch(store_tx *t, arena *a, int64_t setting, near x, const double *v, int n, bool least, record_hits *out, err *e) {
    double *own;
    int m;
    db_rows *r = db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.seq = $1", db_i(x.row));
    if (!db_next(r, e)) return e->code == ERR_NONE;
    const record hit = record_read(r, a);
    db_done(r);
    if (!vector_get(t, a, setting, x.row, &own, &m, e) || m != n) return e->code == ERR_NONE;
    const double cosine = exact(own, v, n) * (least ? -1 : 1);
    STORE_APPEND(a, out, (record_hit){hit, (1 + cosine) / 2});
    return true;
}

bool record_similar(store_tx *t, arena *a, const record_query *q, int64_t setting, const double *v, int n, bool least,
                    int64_t without, record_hits *out, err *e) {
    const int64_t end = q->offset + q->limit;
    const int k = (int)(end < SIMILAR_MOST ? end : SIMILAR_MOST);
    int64_t *only = NULL, onlys = 0;
    bool ok = true;
    *out = (record_hits){0};
    if (q->offset >= k) return true;
    if ((q->where || q->text.ptr) && !search_seqs(t, a, q, &only, &onlys, e)) return false;
    if ((q->where || q->text.ptr) && !onlys) return true;
    near *heap = arena_array(a, near, k + 1);
    float *unit = arena_array(a, float, n + 1);
    near_unit(unit, v, n);
    near_rows rows;
    if (!near_take(t, setting, n, &rows, e)) return false;
    const choice c = {only, onlys, without};
    int count = scan(&rows, unit, n, least, &c, heap, k);
    ok = scan_apart(t, a, setting, &rows, unit, n, least, &c, heap, &count, k, e);
    near_give(&rows);
    qsort(heap, (size_t)count, sizeof *heap, by_score);
    for (int i = (int)q->offset; i < count && ok; i++) ok = fetch(t, a, setting, heap[i], v, n, least, out, e);
    out->total = count;
    return ok;
}
