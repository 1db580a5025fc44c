/* memo.c - a small table by statement and parameters (contract: memo.h). */
#include "store/memo.h"

#include "base/rng.h"

enum { ENTRIES = 128, MEMORY_MOST = 1 << 20 };

typedef struct {
    uint64_t hash; /* 0: free */
    const char *sql;
    const db_value *v;
    int count;
    memo_rows rows;
} entry;

struct memo {
    arena *a;
    int64_t version;
    int count;
    entry entry[ENTRIES]; /* open addressing, half full at most */
};

memo *memo_new(void) {
    memo *k = memory_alloc(sizeof *k);
    k->a = arena_new();
    return k;
}

void memo_free(memo *k) {
    if (!k) return;
    arena_free(k->a);
    memory_release(k);
}

void memo_begin(memo *k, int64_t version) {
    if (k->version == version) return;
    k->version = version;
    if (!k->count) return;
    arena_free(k->a);
    k->a = arena_new();
    k->count = 0;
    memset(k->entry, 0, sizeof k->entry);
}

bool memo_has_room(const memo *k) { return k->count < ENTRIES / 2 && arena_used(k->a) < MEMORY_MOST; }

arena *memo_memory(memo *k) { return k->a; }

static bool is_same(const db_value *a, const db_value *b) {
    return a->kind == b->kind && a->integer == b->integer && memcmp(&a->real, &b->real, sizeof a->real) == 0 &&
           str_eq(a->text, b->text);
}

static uint64_t hash_of(const char *sql, const db_value *v, int count) {
    uint64_t h = strlen(sql);
    for (int i = 0; i < count; i++) {
        h = rng_mix(h, (uint64_t)v[i].integer);
        for (size_t k = 0; k < v[i].text.len; k++) h = (h ^ (unsigned char)v[i].text.ptr[k]) * 1099511628211u;
    }
    return h ? h : 1;
}

static bool is_of(const entry *x, const char *sql, const db_value *v, int count) {
    if (x->count != count || strcmp(x->sql, sql) != 0) return false;
    for (int i = 0; i < count; i++)
        if (!is_same(&x->v[i], &v[i])) return false;
    return true;
}

const memo_rows *memo_find(const memo *k, const char *sql, const db_value *v, int count) {
    const uint64_t hash = hash_of(sql, v, count);
    for (size_t at = hash % ENTRIES; k->entry[at].hash; at = (at + 1) % ENTRIES)
        if (k->entry[at].hash == hash && is_of(&k->entry[at], sql, v, count)) return &k->entry[at].rows;
    return NULL;
}

const memo_rows *memo_add(memo *k, const char *sql, const db_value *v, int count, memo_rows rows) {
    db_value *own = arena_array(k->a, db_value, count);
    for (int i = 0; i < count; i++) {
        own[i] = v[i];
        if (v[i].text.ptr) own[i].text.ptr = arena_copy(k->a, v[i].text.ptr, v[i].text.len);
    }
    entry *x = NULL;
    const uint64_t hash = hash_of(sql, v, count);
    for (size_t at = hash % ENTRIES; (x = &k->entry[at])->hash; at = (at + 1) % ENTRIES) continue;
    *x = (entry){hash, arena_text(k->a, sql), own, count, rows};
    k->count++;
    return &x->rows;
}
