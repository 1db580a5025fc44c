/* store_similar.c - exact nearest records by cosine.
 *
 * The vectors of a setting are held in memory as unit vectors in float32, one row after the other, with the record of each row;
 * made from the rows when first asked for and again after a write. Whether they are old is decided by the state of the setting
 * that the asking transaction sees, never by what a writer announces: a write that is under way is not to be seen yet. A search is
 * one pass over them: 4 n d bytes, which is what bounds it. Scores of the few that win are computed again in double from the vectors as they came. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/row.h"

enum { CACHES = 32, SIMILAR_MOST = 1000 };

typedef struct {
    int64_t setting, state, used; /* state: of the rows it was made from; 0: of none */
    int64_t *row;
    float *unit; /* [count][n] */
    int64_t count;
    int n;
} cache;

static cache caches[CACHES];
static int64_t uses;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static cache *cache_of(int64_t setting) {
    cache *oldest = &caches[0];
    for (int i = 0; i < CACHES; i++) {
        if (caches[i].setting == setting) return &caches[i];
        if (caches[i].used < oldest->used) oldest = &caches[i];
    }
    memory_release(oldest->row);
    memory_release(oldest->unit);
    *oldest = (cache){.setting = setting};
    return oldest;
}

static void put_unit(float *to, const double *v, int n) {
    double norm = 0;
    for (int i = 0; i < n; i++) norm += v[i] * v[i];
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (int i = 0; i < n; i++) to[i] = (float)(v[i] * norm);
}

static bool build(store_tx *t, cache *c, int n, err *e) {
    int64_t room = db_int_of(t, e, 0, "SELECT count(*) FROM vectors WHERE setting = $1", db_i(c->setting));
    if (e->code) return false;
    memory_release(c->row);
    memory_release(c->unit);
    c->row = memory_alloc(sizeof *c->row * (size_t)(room + 1));
    c->unit = memory_alloc(sizeof *c->unit * (size_t)(room * n + 1));
    c->count = 0;
    c->n = n;
    db_rows *r = db_query(t, e, "SELECT record, value FROM vectors WHERE setting = $1 ORDER BY record", db_i(c->setting));
    double *one = memory_alloc(sizeof *one * (size_t)n);
    while (db_next(r, e)) {
        const str v = db_view(r, 1);
        if (c->count == room || v.len != sizeof *one * (size_t)n) continue;
        memcpy(one, v.ptr, v.len);
        put_unit(c->unit + c->count * n, one, n);
        c->row[c->count++] = db_int(r, 0);
    }
    memory_release(one);
    return e->code == ERR_NONE;
}

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

/* only: sorted seqs that may be found, or NULL for all. */
static int scan(const cache *c, const float *q, bool least, int64_t without, const int64_t *only, int64_t onlys, near *heap,
                int k) {
    int count = 0;
    float *score = memory_alloc(sizeof *score * (size_t)(c->count + 1));
/* a few thousand take less time than waking threads, of which each connection would get its own */
#pragma omp parallel for schedule(static) if (c->count > 1 << 14)
    for (int64_t i = 0; i < c->count; i++) score[i] = dot(c->unit + i * c->n, q, c->n);
    int64_t at = 0;
    for (int64_t i = 0; i < c->count; i++) {
        if (only) {
            while (at < onlys && only[at] < c->row[i]) at++;
            if (at == onlys) break;
            if (only[at] != c->row[i]) continue;
        }
        if (c->row[i] != without) offer(heap, &count, k, (near){least ? -score[i] : score[i], c->row[i]});
    }
    memory_release(score);
    qsort(heap, (size_t)count, sizeof *heap, by_score);
    return count;
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
    *out = (record_hits){0};
    if (q->offset >= k) return true;
    if ((q->where || q->text.ptr) && !search_seqs(t, a, q, &only, &onlys, e)) return false;
    if ((q->where || q->text.ptr) && !onlys) return true;
    near *heap = arena_array(a, near, k + 1);
    float *unit = arena_array(a, float, n + 1);
    put_unit(unit, v, n);
    const int64_t state = db_int_of(t, e, 0, "SELECT state FROM vector_states WHERE setting = $1", db_i(setting));
    if (e->code || !state) return e->code == ERR_NONE; /* no vector was ever put */
    pthread_mutex_lock(&guard);
    cache *c = cache_of(setting);
    c->used = ++uses;
    bool ok = (c->state == state && c->n == n) || build(t, c, n, e);
    c->state = ok ? state : 0;
    const int count = ok ? scan(c, unit, least, without, only, onlys, heap, k) : 0;
    pthread_mutex_unlock(&guard);
    for (int i = (int)q->offset; i < count && ok; i++) ok = fetch(t, a, setting, heap[i], v, n, least, out, e);
    out->total = count;
    return ok;
}
