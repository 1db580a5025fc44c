/* tokenizer_merge.c - byte-pair encoding of one piece: merges by rank from a heap, O(n log n). */
#include <string.h>

#include "text/tokenizer_parts.h"

typedef struct {
    int32_t id, before, after; /* neighbours; -1: none */
    uint32_t begin, end;       /* bytes of the piece */
} symbol;

typedef struct {
    double rank;
    int32_t left, right; /* symbols */
    int32_t left_id, right_id, id;
} candidate;

typedef struct {
    const tokenizer *t;
    symbol *s;
    candidate *heap;
    size_t count, room;
    str piece;
} merger;

static bool earlier(const candidate *a, const candidate *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->left < b->left);
}

static void heap_put(merger *m, candidate c) {
    if (m->count == m->room) {
        m->room = m->room ? 2 * m->room : 64;
        m->heap = memory_resize(m->heap, m->room * sizeof *m->heap);
    }
    size_t i = m->count++;
    for (; i && earlier(&c, &m->heap[(i - 1) / 2]); i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
}

static candidate heap_take(merger *m) {
    const candidate top = m->heap[0], last = m->heap[--m->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->count; i = child) {
        if (child + 1 < m->count && earlier(&m->heap[child + 1], &m->heap[child])) child++;
        if (!earlier(&m->heap[child], &last)) break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return top;
}

static void consider(merger *m, int left, int right) {
    if (left < 0 || right < 0) return;
    const symbol *l = &m->s[left], *r = &m->s[right];
    if (l->id < 0 || r->id < 0) return;
    if (m->t->by_score) { /* SentencePiece: any neighbours that together are a token; the best score first */
        const int id = tokenizer_match(m->t, str_slice(m->piece, l->begin, r->end));
        if (id >= 0) heap_put(m, (candidate){-(double)m->t->score[id], left, right, l->id, r->id, id});
        return;
    }
    const int64_t found = int_map_get(&m->t->merges, ((uint64_t)(unsigned)l->id << 32 | (unsigned)r->id) + 1);
    if (found >= 0) heap_put(m, (candidate){(double)(found >> 32), left, right, l->id, r->id, (int32_t)found});
}

static void merge_all(merger *m) {
    while (m->count) {
        const candidate c = heap_take(m);
        symbol *l = &m->s[c.left], *r = &m->s[c.right];
        if (l->id != c.left_id || r->id != c.right_id || l->after != c.right || r->begin == r->end)
            continue; /* one of them is gone */
        l->id = c.id;
        l->end = r->end;
        l->after = r->after;
        r->begin = r->end;
        r->id = -1;
        if (l->after >= 0) m->s[l->after].before = c.left;
        consider(m, l->before, c.left);
        consider(m, c.left, l->after);
    }
}

static size_t put_symbol(merger *m, size_t n, int id, size_t begin, size_t end) {
    m->s[n] = (symbol){id, (int32_t)n - 1, -1, (uint32_t)begin, (uint32_t)end};
    if (n) m->s[n - 1].after = (int32_t)n;
    return n + 1;
}

/* The smallest symbols: bytes, or characters with a way out for those that the vocabulary lacks. */
static size_t first_symbols(merger *m) {
    const tokenizer *t = m->t;
    size_t n = 0;
    int32_t code;
    for (size_t i = 0, length; i < m->piece.len; i += length) {
        length = t->byte_level ? 1 : utf8_next(m->piece, i, &code);
        str letter = str_slice(m->piece, i, i + length);
        char marked[64];
        if (!t->byte_level && (t->suffix.len || t->subword_prefix.len) &&
            length + t->suffix.len + t->subword_prefix.len < sizeof marked) {
            size_t k = 0;
            if (i) memcpy(marked, t->subword_prefix.ptr, t->subword_prefix.len), k = t->subword_prefix.len;
            memcpy(marked + k, letter.ptr, length);
            k += length;
            if (i + length == m->piece.len) memcpy(marked + k, t->suffix.ptr, t->suffix.len), k += t->suffix.len;
            letter = (str){marked, k};
        }
        const int id = t->byte_level ? t->byte_id[(unsigned char)letter.ptr[0]] : tokenizer_match(t, letter);
        bool bytes = id < 0 && t->byte_fallback;
        for (size_t k = 0; bytes && k < length; k++) bytes = t->byte_id[(unsigned char)m->piece.ptr[i + k]] >= 0;
        if (id >= 0) n = put_symbol(m, n, id, i, i + length);
        else if (bytes)
            for (size_t k = 0; k < length; k++)
                n = put_symbol(m, n, t->byte_id[(unsigned char)m->piece.ptr[i + k]], i + k, i + k + 1);
        else if (t->unk >= 0) {
            if (t->fuse_unk && n && m->s[n - 1].id == t->unk) m->s[n - 1].end = (uint32_t)(i + length);
            else n = put_symbol(m, n, t->unk, i, i + length);
        }
    }
    return n;
}

void model_tokens(const tokenizer *t, str piece, const int32_t *origin, token_ids *out) {
    const int whole = t->ignore_merges ? tokenizer_match(t, piece) : -1;
    if (!piece.len) return;
    if (whole >= 0) {
        token_ids_put(out, whole, origin[0], origin[piece.len]);
        return;
    }
    symbol stack[128];
    merger m = {.t = t, .piece = piece, .s = piece.len <= 128 ? stack : memory_alloc(piece.len * sizeof *m.s)};
    const size_t n = first_symbols(&m);
    for (size_t i = 0; i + 1 < n; i++) consider(&m, (int)i, (int)i + 1);
    merge_all(&m);
    for (int i = n ? 0 : -1; i >= 0; i = m.s[i].after) token_ids_put(out, m.s[i].id, origin[m.s[i].begin], origin[m.s[i].end]);
    memory_release(m.heap);
    if (m.s != stack) memory_release(m.s);
}
