/* store_plain.c - a page of records for a query of plain words, from the lists in memory (words.h): words and filters become sets of
 * seqs, the sets are cut, counted, and only the page is put in order.
 *
 *     words ──► hits (seq, score) ─┐
 *     filters ──► bits of seqs ────┴─► what is left: its number is the total ──► by score: the best of them
 *                                                                            └─► by a number: walk its index until the page is full */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/row.h"
#include "store/words.h"

enum { WORDS_MOST = 8, FEW = 2000 };
static const int64_t SPREAD_MOST = (int64_t)1 << 28; /* bits */

/* Words between blanks and nothing that means something to the language of queries; "a-b" is a phrase. */
static bool plain_words(str text, str *out, int *count) {
    *count = 0;
    for (size_t at = 0; at < text.len;) {
        const size_t from = at;
        for (; at < text.len && !strchr(" \t\r\n", text.ptr[at]); at++)
            if (!text.ptr[at] || strchr("\"|()~*-+\\", text.ptr[at])) return false;
        if (at > from && *count == WORDS_MOST) return false;
        if (at > from) out[(*count)++] = str_slice(text, from, at);
        while (at < text.len && strchr(" \t\r\n", text.ptr[at])) at++;
    }
    return *count > 0;
}

/* ---- sets ---------------------------------------------------------------------------------------------------------------------------- */

/* Bits of seqs first ... last. */
typedef struct {
    int64_t first, last;
    uint64_t *word;
} bits;

static bits bits_of(int64_t first, int64_t last) {
    return (bits){first, last, memory_alloc((size_t)((last - first) / 64 + 1) * sizeof(uint64_t))};
}

static inline void set_bit(bits *b, int64_t seq) {
    if (seq >= b->first && seq <= b->last) b->word[(seq - b->first) >> 6] |= (uint64_t)1 << ((seq - b->first) & 63);
}

static inline bool has_bit(const bits *b, int64_t seq) {
    return seq >= b->first && seq <= b->last && b->word[(seq - b->first) >> 6] >> ((seq - b->first) & 63) & 1;
}

static bool is_number_range(const filter *f) { return f->kind == FILTER_RANGE && f->scope == SCOPE_METADATA; }

static bool read_bits(db_rows *r, bits *out, err *e) {
    while (db_next(r, e)) set_bit(out, db_int(r, 0));
    return e->code == ERR_NONE;
}

static db_value lowest(const filter *f) { return db_r(isnan(f->ge) ? -INFINITY : f->ge); }
static db_value highest(const filter *f) { return db_r(isnan(f->le) ? INFINITY : f->le); }

/* The index of numbers has the records of a range side by side. */
static bool range_bits(store_tx *t, const filter *f, bits *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT record FROM facets WHERE kind = $1 AND part = $2 AND number >= $3 AND number <= $4",
                          db_i(FACET_METADATA), db_i(f->part), lowest(f), highest(f));
    return read_bits(r, out, e);
}

/* Few hits are looked up one by one: a range may hold a tenth of all records. The plus signs: see look_up_page. */
static bool range_bits_few(store_tx *t, const filter *f, const words_hits *h, bits *out, err *e) {
    for (int64_t i = 0; i < h->count && !e->code; i++)
        if (db_int_of(t, e, 0,
                      "SELECT 1 FROM facets WHERE record = $1 AND +kind = $2 AND +part = $3 AND +number >= $4 AND +number <= $5",
                      db_i(h->seq[i]), db_i(FACET_METADATA), db_i(f->part), lowest(f), highest(f)))
            set_bit(out, h->seq[i]);
    return e->code == ERR_NONE;
}

static bool any_bits(store_tx *t, arena *a, const record_query *q, const filter *f, bits *out, err *e) {
    const record_query only = {.dataset = q->dataset, .user = q->user, .where = f};
    int64_t *seq, count;
    if (!search_seqs(t, a, &only, &seq, &count, e)) return false;
    for (int64_t i = 0; i < count; i++) set_bit(out, seq[i]);
    return true;
}

/* A status is in an index of its own: those that have it, or, for pending, those that are past it, which `but` tells. Other conditions:
 * *known false. */
static bool status_bits(store_tx *t, const record_query *q, const filter *f, bits *out, bool *but, bool *known, err *e) {
    const bool own = f->scope == SCOPE_RESPONSE_STATUS;
    *known = f->kind == FILTER_TERMS && f->count == 1 && (f->scope == SCOPE_STATUS || (own && q->user));
    if (!*known) return true;
    *but = str_is(f->terms[0], "pending");
    response_status status = RESPONSE_SUBMITTED;
    if (own && *but)
        return read_bits(
            db_query(t, e, "SELECT record FROM responses WHERE dataset = $1 AND user = $2", db_i(q->dataset), db_i(q->user)), out,
            e);
    if (own && (*known = response_status_of(f->terms[0], &status)))
        return read_bits(db_query(t, e, "SELECT record FROM responses WHERE dataset = $1 AND user = $2 AND status = $3",
                                  db_i(q->dataset), db_i(q->user), db_i(status)),
                         out, e);
    if (!own && (*known = *but || str_is(f->terms[0], "completed")))
        return read_bits(db_query(t, e, "SELECT seq FROM records WHERE dataset = $1 AND completed = 1", db_i(q->dataset)), out,
                         e);
    return true;
}

static bool bits_for(store_tx *t, arena *a, const record_query *q, const filter *f, const words_hits *h, bits *out, bool *but,
                     err *e) {
    const bool few = h->count * 256 <= out->last - out->first; /* a look-up takes as long as three or four rows of a range */
    bool known = false;
    *but = false;
    if (is_number_range(f)) return few ? range_bits_few(t, f, h, out, e) : range_bits(t, f, out, e);
    return status_bits(t, q, f, out, but, &known, e) && (known || any_bits(t, a, q, f, out, e));
}

/* Keeps of the hits those that one condition lets through. */
static bool keep_those(store_tx *t, arena *a, const record_query *q, const filter *f, words_hits *h, err *e) {
    if (!h->count) return true;
    bits b = bits_of(h->seq[0], h->seq[h->count - 1]);
    bool but;
    const bool ok = bits_for(t, a, q, f, h, &b, &but, e);
    int64_t kept = 0;
    for (int64_t i = 0; ok && i < h->count; i++) {
        if (has_bit(&b, h->seq[i]) == but) continue;
        h->seq[kept] = h->seq[i];
        h->score[kept++] = h->score[i];
    }
    h->count = kept;
    memory_release(b.word);
    return ok;
}

static bool keep_all(store_tx *t, arena *a, const record_query *q, words_hits *h, err *e) {
    const filter *f = q->where;
    if (!f) return true;
    if (f->kind != FILTER_AND) return keep_those(t, a, q, f, h, e);
    for (int i = 0; i < f->children; i++)
        if (!keep_those(t, a, q, f->child[i], h, e)) return false;
    return true;
}

/* ---- the best ------------------------------------------------------------------------------------------------------------------------ */

static bool before(found x, found y) { return x.score > y.score || (x.score == y.score && x.seq < y.seq); }
static int in_order(const void *x, const void *y) { return before(*(const found *)x, *(const found *)y) ? -1 : 1; }

static void sink(found *heap, int64_t count, int64_t at) {
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(heap[child], heap[child + 1])) child++;
        if (!before(heap[at], heap[child])) return;
        const found x = heap[at];
        heap[at] = heap[child];
        heap[child] = x;
    }
}

/* The first `limit` behind `offset` of all in order: a heap of as many as are needed, whose root is the last of them. */
static void best_page(arena *a, const record_query *q, const words_hits *h, found_list *out) {
    const int64_t end = q->offset + q->limit < h->count ? q->offset + q->limit : h->count;
    found *heap = memory_alloc(sizeof *heap * (size_t)(end + 1));
    for (int64_t i = 0; i < end; i++) heap[i] = (found){h->seq[i], h->score[i]};
    for (int64_t i = end / 2; i-- > 0;) sink(heap, end, i);
    for (int64_t i = end; i < h->count; i++) {
        const found x = {h->seq[i], h->score[i]};
        if (!before(x, heap[0])) continue;
        heap[0] = x;
        sink(heap, end, 0);
    }
    qsort(heap, (size_t)end, sizeof *heap, in_order);
    for (int64_t i = q->offset; i < end; i++) STORE_APPEND(a, out, heap[i]);
    memory_release(heap);
}

/* ---- by a number --------------------------------------------------------------------------------------------------------------------- */

static const filter *range_on(const filter *f, int64_t part_seq) {
    if (!f) return NULL;
    if (is_number_range(f)) return f->part == part_seq ? f : NULL;
    for (int i = 0; f->kind == FILTER_AND && i < f->children; i++)
        if (is_number_range(f->child[i]) && f->child[i]->part == part_seq) return f->child[i];
    return NULL;
}

/* Many hits: the index of the number is walked until the page is full. False in *whole: those without a number belong to it too. */
static bool walk_page(store_tx *t, arena *a, const record_query *q, const words_hits *h, found_list *out, bool *whole, err *e) {
    const filter *range = range_on(q->where, q->sort[0].part);
    bits b = bits_of(h->seq[0], h->seq[h->count - 1]);
    for (int64_t i = 0; i < h->count; i++) set_bit(&b, h->seq[i]);
    const char *sql = q->sort[0].descending
                          ? "SELECT record FROM facets WHERE kind = $1 AND part = $2 AND number >= $3 AND number <= $4"
                            " ORDER BY number DESC, record"
                          : "SELECT record FROM facets WHERE kind = $1 AND part = $2 AND number >= $3 AND number <= $4"
                            " ORDER BY number, record";
    db_rows *r =
        db_query(t, e, sql, db_i(FACET_METADATA), db_i(q->sort[0].part), db_r(range && !isnan(range->ge) ? range->ge : -INFINITY),
                 db_r(range && !isnan(range->le) ? range->le : INFINITY));
    for (int64_t seen = 0; out->count < q->limit && db_next(r, e);)
        if (has_bit(&b, db_int(r, 0)) && seen++ >= q->offset) STORE_APPEND(a, out, (found){db_int(r, 0), 1});
    db_done(r);
    memory_release(b.word);
    *whole = out->count == q->limit || range;
    return e->code == ERR_NONE;
}

typedef struct {
    int64_t seq;
    double number; /* NAN: none, at the end */
    bool down;
} numbered;

static int by_number(const void *a, const void *b) {
    const numbered *x = a, *y = b;
    if (isnan(x->number) != isnan(y->number)) return isnan(x->number) ? 1 : -1;
    if (!isnan(x->number) && x->number != y->number) return (x->number > y->number) != x->down ? 1 : -1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* The plus signs keep SQLite from the index of numbers, which has all it needs and would be read as a whole for each record. */
static bool look_up_page(store_tx *t, arena *a, const record_query *q, const words_hits *h, found_list *out, err *e) {
    numbered *all = memory_alloc(sizeof *all * (size_t)(h->count + 1));
    for (int64_t i = 0; i < h->count && !e->code; i++) {
        all[i] = (numbered){h->seq[i], NAN, q->sort[0].descending};
        db_rows *r = db_query(t, e, "SELECT number FROM facets WHERE record = $1 AND +kind = $2 AND +part = $3", db_i(h->seq[i]),
                              db_i(FACET_METADATA), db_i(q->sort[0].part));
        if (db_next(r, e) && !db_is_null(r, 0)) all[i].number = db_real(r, 0);
        db_done(r);
    }
    qsort(all, (size_t)h->count, sizeof *all, by_number);
    for (int64_t i = q->offset; i < h->count && i < q->offset + q->limit; i++) STORE_APPEND(a, out, (found){all[i].seq, 1});
    memory_release(all);
    return e->code == ERR_NONE;
}

static bool number_page(store_tx *t, arena *a, const record_query *q, const words_hits *h, found_list *out, err *e) {
    bool whole = false;
    if (h->count > FEW && !walk_page(t, a, q, h, out, &whole, e)) return false;
    if (whole) return true;
    *out = (found_list){0};
    return look_up_page(t, a, q, h, out, e);
}

/* ---- all --------------------------------------------------------------------------------------------------------------------------------- */

static bool make_page(store_tx *t, arena *a, const record_query *q, words_hits *h, found_list *out, int64_t *total, err *e) {
    if (!keep_all(t, a, q, h, e)) return false;
    *total = h->count;
    if (!h->count) return true;
    if (q->sorts) return number_page(t, a, q, h, out, e);
    best_page(a, q, h, out);
    return true;
}

bool plain_page(store_tx *t, arena *a, const record_query *q, bool by_one_number, found_list *out, int64_t *total, bool *done,
                err *e) {
    str word[WORDS_MOST];
    int count;
    words_hits h;
    *done = false;
    *out = (found_list){0};
    if (!q->text.ptr || q->text_field || (q->sorts && !by_one_number) || !plain_words(q->text, word, &count)) return true;
    if (!words_find(t, a, q->dataset, word, count, &h, e)) return e->code == ERR_NONE;
    bool ok = true;
    if (!h.count || h.seq[h.count - 1] - h.seq[0] < SPREAD_MOST) {
        *done = true;
        ok = make_page(t, a, q, &h, out, total, e);
    }
    words_hits_free(&h);
    return ok;
}
