/* store_words.c - see words.h.
 *
 * A record has a slot; slots are given in the order of reading and never again, so a word's list only grows: per slot the distance from
 * the one before and how often, as numbers of seven bits a byte. A record that changed gets a new slot and its old one is dead. When a
 * quarter is dead the index is made anew.
 *
 *     word ──► [ +3 x1 | +1 x2 | +9 x1 ... ]      slot ──► record, number of its words, dead or not
 *
 * bm25 with k1 = 1.2 and b = 0.75 over all fields; idf = log((N - n + 0.5) / (n + 0.5)), at least 1e-6. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "store/db.h"
#include "store/row.h"
#include "store/words.h"

enum { INDEXES = 16, TERMS_MOST = 8, TIDY_FROM = 1000 };

typedef struct {
    char *word;
    uint32_t hash, used, room, last;
    unsigned char *data;
} list;

typedef struct {
    int64_t dataset;       /* 0: the place is free */
    int64_t covered, next; /* the change up to which it has read; the record from which to read on, -1: all were */
    int64_t *record;       /* of a slot; 0: dead */
    uint32_t *length;
    int64_t slots, room, dead, words; /* words: of all that live */
    list *table;                      /* open addressing */
    uint32_t size, lists;
    uint32_t *place; /* of a record: its last slot + 1, by open addressing; 0: free */
    int64_t places;
} index_of;

struct words_shelf {
    pthread_rwlock_t lock;
    index_of item[INDEXES];
};

/* ---- lists ------------------------------------------------------------------------------------------------------------------------- */

static uint32_t hash_word(str w) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < w.len; i++) h = (h ^ (unsigned char)w.ptr[i]) * 16777619u;
    return h;
}

static list *place_of(const index_of *x, str w, uint32_t hash) {
    uint32_t at = hash & (x->size - 1);
    while (x->table[at].word && (x->table[at].hash != hash || !str_is(w, x->table[at].word))) at = (at + 1) & (x->size - 1);
    return &x->table[at];
}

static void grow_table(index_of *x) {
    index_of bigger = {.size = x->size ? 2 * x->size : 1024};
    bigger.table = memory_alloc(bigger.size * sizeof *bigger.table);
    for (uint32_t i = 0; i < x->size; i++)
        if (x->table[i].word) *place_of(&bigger, str_of(x->table[i].word), x->table[i].hash) = x->table[i];
    memory_release(x->table);
    x->table = bigger.table;
    x->size = bigger.size;
}

static void put_number(list *l, uint32_t v) {
    if (l->used + 5 > l->room) l->data = memory_resize(l->data, l->room = l->room ? l->room + l->room / 2 + 8 : 8);
    for (; v >= 128; v >>= 7) l->data[l->used++] = (unsigned char)(v | 128);
    l->data[l->used++] = (unsigned char)v;
}

static inline uint32_t take_number(const unsigned char **at) {
    uint32_t v = *(*at)++;
    if (v < 128) return v;
    v &= 127;
    for (int shift = 7;; shift += 7) {
        const unsigned char c = *(*at)++;
        v |= (uint32_t)(c & 127) << shift;
        if (c < 128) return v;
    }
}

static void add_word(index_of *x, str w, uint32_t slot, uint32_t times) {
    if (2 * (x->lists + 1) > x->size) grow_table(x);
    const uint32_t hash = hash_word(w);
    list *l = place_of(x, w, hash);
    if (!l->word) {
        *l = (list){.word = memory_alloc(w.len + 1), .hash = hash};
        memcpy(l->word, w.ptr, w.len);
        x->lists++;
    }
    put_number(l, slot - l->last);
    put_number(l, times);
    l->last = slot;
}

static void empty_index(index_of *x) {
    for (uint32_t i = 0; i < x->size; i++) {
        memory_release(x->table[i].word);
        memory_release(x->table[i].data);
    }
    memory_release(x->table);
    memory_release(x->record);
    memory_release(x->length);
    memory_release(x->place);
    *x = (index_of){0};
}

words_shelf *words_shelf_new(void) {
    words_shelf *s = memory_alloc(sizeof *s);
    pthread_rwlock_init(&s->lock, NULL);
    return s;
}

void words_shelf_free(words_shelf *s) {
    if (!s) return;
    for (int i = 0; i < INDEXES; i++) empty_index(&s->item[i]);
    pthread_rwlock_destroy(&s->lock);
    memory_release(s);
}

static index_of *find_index(words_shelf *s, int64_t set) {
    for (int i = 0; i < INDEXES; i++)
        if (s->item[i].dataset == set) return &s->item[i];
    return NULL;
}

/* ---- a record in, a record out ------------------------------------------------------------------------------------------------------- */

/* The words of one record, each once. */
typedef struct {
    arena *a;
    struct {
        str word;
        uint32_t times;
    } * item;
    int count, room;
    uint32_t *slot; /* of a table: 1 + place */
    uint32_t size, all;
} bag;

static void bag_grow(bag *b) {
    const uint32_t size = b->size ? 2 * b->size : 512;
    void *more = arena_alloc(b->a, sizeof *b->item * size / 2);
    if (b->count) memcpy(more, b->item, sizeof *b->item * (size_t)b->count);
    b->item = more;
    b->room = (int)(size / 2);
    b->slot = arena_array(b->a, uint32_t, size);
    b->size = size;
    for (int i = 0; i < b->count; i++) {
        uint32_t at = hash_word(b->item[i].word) & (size - 1);
        while (b->slot[at]) at = (at + 1) & (size - 1);
        b->slot[at] = (uint32_t)i + 1;
    }
}

static void bag_add(void *context, str w) {
    bag *b = context;
    b->all++;
    if (b->count == b->room) bag_grow(b);
    uint32_t at = hash_word(w) & (b->size - 1);
    for (; b->slot[at]; at = (at + 1) & (b->size - 1))
        if (str_eq(b->item[b->slot[at] - 1].word, w)) {
            b->item[b->slot[at] - 1].times++;
            return;
        }
    b->slot[at] = (uint32_t)b->count + 1;
    b->item[b->count].word = (str){arena_copy(b->a, w.ptr, w.len), w.len};
    b->item[b->count++].times = 1;
}

static uint32_t *find_place(const index_of *x, int64_t seq) {
    for (int64_t i = (int64_t)(rng_mix((uint64_t)seq, 0) & (uint64_t)(x->places - 1));; i = (i + 1) & (x->places - 1))
        if (!x->place[i] || llabs(x->record[x->place[i] - 1]) == seq) return &x->place[i];
}

/* Twice as many as there can be slots. */
static void grow_places(index_of *x) {
    while (x->places < 2 * x->room) x->places = x->places ? 2 * x->places : 8192;
    memory_release(x->place);
    x->place = memory_alloc(sizeof *x->place * (size_t)x->places);
    for (int64_t i = 0; i < x->slots; i++) *find_place(x, llabs(x->record[i])) = (uint32_t)i + 1;
}

static void add_record(index_of *x, int64_t seq, const bag *b) {
    if (x->slots == x->room) {
        x->room = x->room ? x->room + x->room / 2 : 4096;
        x->record = memory_resize(x->record, sizeof *x->record * (size_t)x->room);
        x->length = memory_resize(x->length, sizeof *x->length * (size_t)x->room);
        grow_places(x);
    }
    *find_place(x, seq) = (uint32_t)x->slots + 1;
    x->record[x->slots] = seq;
    x->length[x->slots] = b->all;
    x->words += b->all;
    for (int i = 0; i < b->count; i++) add_word(x, b->item[i].word, (uint32_t)x->slots, b->item[i].times);
    x->slots++;
}

static void kill_slot(index_of *x, int64_t at) {
    x->words -= x->length[at];
    x->record[at] = -x->record[at]; /* its place stays the record's */
    x->dead++;
}

static void forget_record(index_of *x, int64_t seq) {
    const uint32_t place = x->places ? *find_place(x, seq) : 0;
    if (place && x->record[place - 1] == seq) kill_slot(x, place - 1);
}

/* ---- keeping up ------------------------------------------------------------------------------------------------------------------------ */

bool words_changed(store_tx *t, int64_t set, int64_t row, err *e) {
    return db_run(t, e, "INSERT INTO text_changes(dataset, record) VALUES($1, $2)", db_i(set), db_i(row));
}

static int64_t last_change(store_tx *t, int64_t set, err *e) {
    return db_int_of(t, e, 0, "SELECT max(seq) FROM text_changes WHERE dataset = $1", db_i(set));
}

static bool tidy_one(store_tx *t, int64_t set, int64_t *count, err *e) {
    pthread_rwlock_rdlock(&db_words(t)->lock);
    const index_of *x = find_index(db_words(t), set);
    const int64_t covered = x ? x->covered : INT64_MAX;
    pthread_rwlock_unlock(&db_words(t)->lock);
    /* the last one stays: its number is the state */
    const bool ok = db_run(t, e,
                           "DELETE FROM text_changes WHERE seq IN (SELECT seq FROM text_changes WHERE dataset = $1 AND seq <= $2"
                           " AND seq < (SELECT max(seq) FROM text_changes WHERE dataset = $1) ORDER BY seq LIMIT $3)",
                           db_i(set), db_i(covered), db_i(TIDY_MOST));
    *count = ok ? db_changes(t) : 0;
    return ok;
}

static bool read_sets(db_rows *r, arena *a, int64_t **sets, int *count, err *e) {
    struct {
        int64_t *item;
        int count;
    } all = {0};
    while (db_next(r, e)) STORE_APPEND(a, &all, db_int(r, 0));
    *sets = all.item;
    *count = all.count;
    return e->code == ERR_NONE;
}

bool words_tidy(store_tx *t, int64_t *forgotten, err *e) {
    arena *a = arena_new();
    int64_t *set;
    int count;
    *forgotten = 0;
    bool ok = read_sets(db_query(t, e,
                                 "SELECT seq FROM datasets WHERE EXISTS (SELECT 1 FROM text_changes WHERE dataset = datasets.seq"
                                 " LIMIT 1 OFFSET $1)",
                                 db_i(TIDY_FROM)),
                        a, &set, &count, e);
    for (int i = 0; ok && i < count && !*forgotten; i++) ok = tidy_one(t, set[i], forgotten, e);
    arena_free(a);
    return ok;
}

bool words_wanted(store_tx *t, arena *a, int64_t **sets, int *count, err *e) {
    return read_sets(db_query(t, e, "SELECT seq FROM datasets WHERE ready = 1 AND records >= $1 ORDER BY records DESC LIMIT $2",
                              db_i(WORDS_LEAST), db_i(INDEXES)),
                     a, sets, count, e);
}

/* With the lock. */
static bool is_at(const index_of *x, int64_t state) { return x && x->next < 0 && x->covered == state; }

bool words_behind(store_tx *t, int64_t *behind, err *e) {
    arena *a = arena_new();
    int64_t *set;
    int count;
    *behind = 0;
    bool ok = words_wanted(t, a, &set, &count, e);
    for (int i = 0; ok && i < count; i++) {
        const int64_t state = last_change(t, set[i], e);
        pthread_rwlock_rdlock(&db_words(t)->lock);
        *behind += !is_at(find_index(db_words(t), set[i]), state);
        pthread_rwlock_unlock(&db_words(t)->lock);
        ok = e->code == ERR_NONE;
    }
    arena_free(a);
    return ok;
}

/* Changed records are looked at as they are in this transaction. */
static bool take_changes(store_tx *t, arena *a, const index_of *x, int64_t limit, words_piece *out, err *e) {
    struct {
        int64_t *item;
        int count;
    } gone = {0};
    db_rows *r = db_query(t, e, "SELECT seq, record FROM text_changes WHERE dataset = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                          db_i(x->dataset), db_i(x->covered), db_i(limit));
    while (db_next(r, e)) {
        out->upto = db_int(r, 0);
        out->fresh |= db_int(r, 1) == 0;
        bool twice = false;
        for (int i = 0; i < gone.count; i++) twice |= gone.item[i] == db_int(r, 1);
        if (!twice) STORE_APPEND(a, &gone, db_int(r, 1));
    }
    out->gone = gone.item;
    out->goners = gone.count;
    out->more = gone.count > 0;
    for (int i = 0; i < gone.count && !e->code && !out->fresh; i++) {
        records one;
        if (!record_after(t, a, x->dataset, gone.item[i] - 1, 1, &one, e)) return false;
        if (!one.count || one.item[0].seq != gone.item[i] || behind_holds(t, gone.item[i], e)) continue;
        STORE_APPEND(a, &out->list, one.item[0]);
    }
    return e->code == ERR_NONE;
}

static bool take_records(store_tx *t, arena *a, const index_of *x, int64_t limit, words_piece *out, err *e) {
    records page;
    if (!record_after(t, a, x->dataset, x->next, limit, &page, e)) return false;
    out->last = page.count < limit;
    out->more = true; /* an empty last piece too */
    out->upto = out->fresh ? last_change(t, x->dataset, e) : x->covered;
    for (int i = 0; i < page.count && !e->code; i++)
        if (!behind_holds(t, page.item[i].seq, e)) STORE_APPEND(a, &out->list, page.item[i]);
    if (page.count) out->gone = arena_array(a, int64_t, 1), out->gone[0] = page.item[page.count - 1].seq; /* where to go on */
    return e->code == ERR_NONE;
}

bool words_take(store_tx *t, arena *a, int64_t set, int64_t limit, words_piece *out, err *e) {
    words_shelf *s = db_words(t);
    pthread_rwlock_rdlock(&s->lock);
    const index_of *there = find_index(s, set);
    const index_of x = there ? *there : (index_of){.dataset = set};
    pthread_rwlock_unlock(&s->lock);
    *out = (words_piece){.dataset = set, .fresh = !there || x.dead > x.slots / 4 + 1000};
    if (out->fresh) return take_records(t, a, &(index_of){.dataset = set}, limit, out, e);
    if (x.next >= 0) return take_records(t, a, &x, limit, out, e);
    out->upto = x.covered;
    if (!take_changes(t, a, &x, limit, out, e)) return false;
    if (!out->fresh) return true;
    *out = (words_piece){.dataset = set, .fresh = true};
    return take_records(t, a, &(index_of){.dataset = set}, limit, out, e);
}

static index_of *begin_index(words_shelf *s, int64_t set) {
    index_of *x = find_index(s, set);
    if (!x) x = find_index(s, 0);
    if (!x) return NULL; /* sixteen large ones are enough */
    empty_index(x);
    x->dataset = set;
    return x;
}

/* The words are told apart before anybody has to wait. */
static bool make_bags(store_tx *t, arena *a, const words_piece *p, const str *const *texts, int fields, bag **out, err *e) {
    *out = arena_array(a, bag, p->list.count + 1);
    for (int i = 0; i < p->list.count; i++) {
        (*out)[i].a = a;
        for (int f = 0; f < fields; f++)
            if (!db_tokens(t, texts[i][f], bag_add, &(*out)[i], e)) return false;
    }
    return true;
}

static void put_piece(index_of *x, const words_piece *p, const bag *bags) {
    const bool reading = x->next >= 0;
    for (int i = 0; !reading && i < p->goners; i++) forget_record(x, p->gone[i]);
    for (int i = 0; i < p->list.count; i++) add_record(x, p->list.item[i].seq, &bags[i]);
    if (reading && p->gone) x->next = p->gone[0];
    if (reading && p->last) x->next = -1;
    x->covered = p->upto;
}

bool words_give(store_tx *t, const words_piece *p, const str *const *texts, int fields, err *e) {
    words_shelf *s = db_words(t);
    arena *a = arena_new();
    bag *bags;
    const bool ok = make_bags(t, a, p, texts, fields, &bags, e);
    if (ok) {
        pthread_rwlock_wrlock(&s->lock);
        index_of *x = p->fresh ? begin_index(s, p->dataset) : find_index(s, p->dataset);
        if (x) put_piece(x, p, bags);
        pthread_rwlock_unlock(&s->lock);
    }
    arena_free(a);
    return ok;
}

/* ---- finding --------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t *slot;
    uint32_t *times; /* [count][terms] */
    int64_t count;
    int terms;
    int64_t said[TERMS_MOST]; /* records that live and say it */
} merge;

/* The first word's list, as it is. */
static void begin_merge(const index_of *x, const list *l, merge *m) {
    uint32_t slot = 0;
    for (const unsigned char *at = l->data, *end = l->data + l->used; at < end;) {
        slot += take_number(&at);
        const uint32_t times = take_number(&at);
        if (x->record[slot] <= 0) continue;
        m->slot[m->count] = slot;
        m->times[m->count++ * m->terms] = times;
    }
    m->said[0] = m->count;
}

/* What another word's list has too. */
static void join_merge(const index_of *x, const list *l, int term, merge *m) {
    uint32_t slot = 0;
    int64_t from = 0, kept = 0;
    for (const unsigned char *at = l->data, *end = l->data + l->used; at < end;) {
        slot += take_number(&at);
        const uint32_t times = take_number(&at);
        m->said[term] += x->record[slot] > 0;
        while (from < m->count && m->slot[from] < slot) from++;
        if (from == m->count || m->slot[from] != slot) continue;
        uint32_t *to = m->times + kept * m->terms;
        memmove(to, m->times + from * m->terms, sizeof *to * (size_t)term);
        to[term] = times;
        m->slot[kept++] = slot;
        from++;
    }
    m->count = kept;
}

static double score_of(const index_of *x, const merge *m, int64_t at, const double *idf, double mean) {
    const double length = x->length[m->slot[at]];
    double sum = 0;
    for (int i = 0; i < m->terms; i++) {
        const double times = m->times[at * m->terms + i];
        sum += idf[i] * (times * 2.2) / (times + 1.2 * (0.25 + 0.75 * length / mean));
    }
    return sum;
}

typedef struct {
    int64_t seq;
    double score;
} pair;

static int by_seq(const void *a, const void *b) {
    const int64_t x = ((const pair *)a)->seq, y = ((const pair *)b)->seq;
    return (x > y) - (x < y);
}

static void put_hits(const index_of *x, const merge *m, words_hits *out) {
    double idf[TERMS_MOST];
    const double live = (double)(x->slots - x->dead), mean = live > 0 ? (double)x->words / live : 1;
    for (int i = 0; i < m->terms; i++) {
        const double said = (double)m->said[i];
        idf[i] = log((live - said + 0.5) / (said + 0.5));
        if (idf[i] <= 0) idf[i] = 1e-6;
    }
    pair *all = memory_alloc(sizeof *all * (size_t)(m->count + 1));
    for (int64_t i = 0; i < m->count; i++) all[i] = (pair){x->record[m->slot[i]], score_of(x, m, i, idf, mean)};
    int64_t ordered = 1;
    while (ordered < m->count && all[ordered - 1].seq < all[ordered].seq) ordered++;
    if (ordered < m->count) qsort(all, (size_t)m->count, sizeof *all, by_seq);
    out->count = m->count;
    out->seq = memory_alloc(sizeof *out->seq * (size_t)(m->count + 1));
    out->score = memory_alloc(sizeof *out->score * (size_t)(m->count + 1));
    for (int64_t i = 0; i < m->count; i++) out->seq[i] = all[i].seq, out->score[i] = all[i].score;
    memory_release(all);
}

static void find_in(const index_of *x, const str *word, int count, words_hits *out) {
    const list *lists[TERMS_MOST] = {0};
    merge m = {.terms = count};
    *out = (words_hits){0};
    for (int i = 0; i < count; i++) {
        lists[i] = x->size ? place_of(x, word[i], hash_word(word[i])) : NULL;
        if (!lists[i] || !lists[i]->word) return;
    }
    m.slot = memory_alloc(sizeof *m.slot * (size_t)(lists[0]->used / 2 + 1));
    m.times = memory_alloc(sizeof *m.times * (size_t)(lists[0]->used / 2 + 1) * (size_t)count);
    begin_merge(x, lists[0], &m);
    for (int i = 1; i < count; i++) join_merge(x, lists[i], i, &m);
    put_hits(x, &m, out);
    memory_release(m.slot);
    memory_release(m.times);
}

typedef struct {
    arena *a;
    str first;
    int count;
} only_word;

static void note_word(void *context, str w) {
    only_word *x = context;
    if (!x->count++) x->first = (str){arena_copy(x->a, w.ptr, w.len), w.len};
}

bool words_find(store_tx *t, arena *a, int64_t set, const str *word, int count, words_hits *out, err *e) {
    words_shelf *s = db_words(t);
    str folded[TERMS_MOST];
    *out = (words_hits){0};
    if (!count || count > TERMS_MOST) return false;
    for (int i = 0; i < count; i++) { /* a word that is several to the tokenizer is a phrase */
        only_word w = {.a = a};
        if (!db_tokens(t, word[i], note_word, &w, e) || w.count != 1) return false;
        folded[i] = w.first;
    }
    const int64_t state = last_change(t, set, e);
    if (e->code) return false;
    pthread_rwlock_rdlock(&s->lock);
    const index_of *x = find_index(s, set);
    const bool there = is_at(x, state);
    if (there) find_in(x, folded, count, out);
    pthread_rwlock_unlock(&s->lock);
    return there;
}

void words_hits_free(words_hits *h) {
    memory_release(h->seq);
    memory_release(h->score);
    *h = (words_hits){0};
}
