/* tokenizer_bpe.c - byte-pair encoding: the neighbours whose merge ranks first are joined until none is left (arXiv:1508.07909).
 *
 * Short pieces look for the best pair again after each merge; long ones keep candidates in a heap, O(n log n). With scores, as
 * llama.cpp reads a SentencePiece vocabulary, any two neighbours that together are a token may merge, the best score first, and
 * what is left without a token is written as bytes. */
#include <string.h>

#include "text/tokenizer_parts.h"

typedef struct {
    int32_t id;            /* -1: no token, or gone */
    int32_t before, after; /* neighbours; -1: none */
    uint32_t begin, end;   /* bytes of the piece */
} symbol;

typedef struct {
    double rank; /* less comes first, then what is further left */
    int32_t left, right;
    int32_t id;
    uint32_t length; /* of both together, when they were put: another length tells that one has changed */
} candidate;

typedef struct {
    const tokenizer *t;
    const bpe *b;
    str piece;
    symbol *s;
    candidate *heap;
    size_t count, room;
} merger;

/* ---- candidates ---- */

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

/* rank << 32 | id of the merge of two tokens; -1: none */
static int64_t merge_of(const bpe *b, int32_t left, int32_t right) {
    return left < 0 || right < 0 ? -1 : int_map_get(&b->merges, ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1);
}

static void consider(merger *m, int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const symbol *l = &m->s[left], *r = &m->s[right];
    if (m->b->score) {
        const int id = vocab_find(&m->t->words, str_slice(m->piece, l->begin, r->end));
        if (id >= 0) heap_put(m, (candidate){-(double)m->b->score[id], left, right, id, r->end - l->begin});
        return;
    }
    const int64_t found = merge_of(m->b, l->id, r->id);
    if (found >= 0) heap_put(m, (candidate){(double)(found >> 32), left, right, (int32_t)found, r->end - l->begin});
}

static void merge_all(merger *m, size_t n) {
    for (size_t i = 0; i + 1 < n; i++) consider(m, (int32_t)i, (int32_t)i + 1);
    while (m->count) {
        const candidate c = heap_take(m);
        symbol *l = &m->s[c.left], *r = &m->s[c.right];
        if (l->after != c.right || l->begin == l->end || r->end - l->begin != c.length) continue; /* one of them has changed */
        l->id = c.id;
        l->end = r->end;
        l->after = r->after;
        r->begin = r->end;
        r->after = -1;
        if (l->after >= 0) m->s[l->after].before = c.left;
        consider(m, l->before, c.left);
        consider(m, c.left, l->after);
    }
}

/* ---- the smallest symbols ---- */

static size_t put_symbol(merger *m, size_t n, int id, size_t begin, size_t end) {
    m->s[n] = (symbol){id, (int32_t)n - 1, -1, (uint32_t)begin, (uint32_t)end};
    if (n) m->s[n - 1].after = (int32_t)n;
    return n + 1;
}

/* The token of a character, with the marks of the inside and the end of a word. */
static int marked_letter(const merger *m, size_t i, size_t length) {
    const bpe *b = m->b;
    char text[512];
    const size_t before = i ? b->prefix.len : 0, after = i + length == m->piece.len ? b->suffix.len : 0;
    if (before + length + after > sizeof text) return -1;
    if (before) memcpy(text, b->prefix.ptr, before);
    memcpy(text + before, m->piece.ptr + i, length);
    if (after) memcpy(text + before + length, b->suffix.ptr, after);
    return vocab_find(&m->t->words, (str){text, before + length + after});
}

static int letter(const merger *m, size_t i, size_t length, int32_t code) {
    if (m->b->prefix.len || m->b->suffix.len) return marked_letter(m, i, length);
    if (code >= 0 && code < 1024) return m->b->letter_id[code];
    return vocab_find(&m->t->words, str_slice(m->piece, i, i + length));
}

static bool all_bytes_known(const bpe *b, str s) {
    for (size_t i = 0; i < s.len; i++)
        if (b->byte_id[(unsigned char)s.ptr[i]] < 0) return false;
    return true;
}

/* Characters, with a way out for those that the vocabulary lacks: bytes, the unknown token, nothing. */
static size_t first_symbols(merger *m) {
    const bpe *b = m->b;
    size_t n = 0;
    int32_t code;
    bool fuse = false; /* the last symbol is unknown and takes more */
    for (size_t i = 0, length; i < m->piece.len; i += length) {
        length = utf8_next(m->piece, i, &code);
        const int id = letter(m, i, length, code);
        const str text = str_slice(m->piece, i, i + length);
        if (id >= 0 || b->score) n = put_symbol(m, n, id, i, i + length), fuse = false;
        else if (b->byte_fallback && all_bytes_known(b, text)) {
            for (size_t k = i; k < i + length; k++) n = put_symbol(m, n, b->byte_id[(unsigned char)m->piece.ptr[k]], k, k + 1);
            fuse = false;
        } else if (b->unk >= 0 && fuse) m->s[n - 1].end = (uint32_t)(i + length);
        else if (b->unk >= 0) n = put_symbol(m, n, b->unk, i, i + length), fuse = b->fuse_unk;
    }
    return n;
}

/* ---- short pieces ---- */

enum { SHORT = 24 };

static size_t merge_short(const bpe *b, symbol *s, size_t n) {
    int64_t rank[SHORT]; /* of symbol i with i + 1 */
    for (size_t i = 0; i + 1 < n; i++) rank[i] = merge_of(b, s[i].id, s[i + 1].id);
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (rank[i] >= 0 && (best == n || rank[i] < rank[best])) best = i;
        if (best == n) return n;
        s[best].id = (int32_t)rank[best];
        s[best].end = s[best + 1].end;
        n--;
        for (size_t i = best + 1; i < n; i++) s[i] = s[i + 1], rank[i] = rank[i + 1];
        if (best + 1 < n) rank[best] = merge_of(b, s[best].id, s[best + 1].id);
        if (best) rank[best - 1] = merge_of(b, s[best - 1].id, s[best].id);
    }
}

/* ---- a piece ---- */

static void put(const bpe *b, str piece, const symbol *s, const span *from, token_ids *out) {
    if (s->id >= 0) token_ids_put(out, s->id, from[s->begin].begin, from[s->end - 1].end);
    else /* by score: what no merge made a token of */
        for (uint32_t i = s->begin; i < s->end; i++) {
            const int byte = b->byte_id[(unsigned char)piece.ptr[i]], id = byte >= 0 ? byte : b->unk;
            if (id >= 0) token_ids_put(out, id, from[i].begin, from[i].end);
        }
}

static void encode(const tokenizer *t, str piece, const span *from, token_ids *out) {
    const bpe *b = t->bpe;
    const int whole = b->ignore_merges ? vocab_find(&t->words, piece) : -1;
    if (whole >= 0) {
        token_ids_put(out, whole, from[0].begin, from[piece.len - 1].end);
        return;
    }
    symbol stack[256];
    merger m = {.t = t, .b = b, .piece = piece, .s = piece.len <= 256 ? stack : memory_alloc(piece.len * sizeof *m.s)};
    size_t n = first_symbols(&m);
    if (n <= SHORT && !b->score) {
        n = merge_short(b, m.s, n);
        for (size_t i = 0; i < n; i++) put(b, piece, &m.s[i], from, out);
    } else {
        merge_all(&m, n);
        for (int32_t i = n ? 0 : -1; i >= 0; i = m.s[i].after) put(b, piece, &m.s[i], from, out);
    }
    memory_release(m.heap);
    if (m.s != stack) memory_release(m.s);
}

/* ---- reading ---- */

bool bpe_add_merge(const tokenizer *t, bpe *b, int rank, str left, str right, err *e) {
    char stack[512];
    const int l = vocab_find(&t->words, left), r = vocab_find(&t->words, right);
    if (l < 0 || r < 0)
        return err_set(e, ERR_INPUT, "merges[%d]: '%.*s' is not in the vocabulary", rank, STR_ARG(l < 0 ? left : right));
    if (b->prefix.len > right.len)
        return err_set(e, ERR_INPUT, "merges[%d]: '%.*s' does not begin with '%.*s'", rank, STR_ARG(right), STR_ARG(b->prefix));
    const str tail = str_slice(right, b->prefix.len, right.len);
    const size_t n = left.len + tail.len;
    char *joined = n <= sizeof stack ? stack : memory_alloc(n);
    memcpy(joined, left.ptr, left.len);
    memcpy(joined + left.len, tail.ptr, tail.len);
    const int id = vocab_find(&t->words, (str){joined, n});
    if (id < 0) err_set(e, ERR_INPUT, "merges[%d]: '%.*s', what it makes, is not in the vocabulary", rank, (int)n, joined);
    if (joined != stack) memory_release(joined);
    if (id < 0) return false;
    b->pair[rank][0] = l;
    b->pair[rank][1] = r;
    int_map_put(&b->merges, ((uint64_t)(uint32_t)l << 32 | (uint32_t)r) + 1, (int64_t)rank << 32 | id);
    return true;
}

void bpe_index(const tokenizer *t, bpe *b) {
    static const char hex[] = "0123456789ABCDEF";
    char name[] = "<0x00>";
    buf one = {0};
    for (int i = 0; i < 256; i++) {
        name[3] = hex[i >> 4];
        name[4] = hex[i & 15];
        b->byte_id[i] = vocab_find(&t->words, str_of(name));
    }
    for (int32_t c = 0; c < 1024; c++) {
        buf_clear(&one);
        utf8_put(&one, c);
        b->letter_id[c] = vocab_find(&t->words, buf_str(&one));
    }
    buf_free(&one);
}

static bool read_words(tokenizer *t, const json *words, err *e) {
    enum { MOST = 16 << 20 };
    json_member m = {0};
    int largest = -1;
    const size_t entries = json_count(words);
    if (json_kind_of(words) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "vocab should be an object, it is %s", json_kind_name(json_kind_of(words)));
    while (json_next(words, &m)) {
        const int64_t id = json_int(m.value, -1);
        if (json_kind_of(m.value) != JSON_INT || id < 0 || id >= MOST)
            return err_set(e, ERR_INPUT, "vocab: the id of '%s' should be a number from 0 to %d", m.key, MOST - 1);
        largest = id > largest ? (int)id : largest;
    }
    /* Ids are nearly without gaps: a small file cannot ask for much memory. */
    if ((size_t)(largest + 1) > 4 * entries + 65536)
        return err_set(e, ERR_INPUT, "vocab: the largest id is %d, but there are only %zu tokens", largest, entries);
    vocab_init(t->arena, &t->words, largest + 1, entries);
    m = (json_member){0};
    while (json_next(words, &m))
        if (!vocab_put(&t->words, (int)json_int(m.value, 0), text_keep(t->arena, str_of(m.key)), e)) return err_prefix(e, "vocab");
    return true;
}

/* ["left", "right"], or "left right" in older files */
static bool read_merge(tokenizer *t, const json *j, int rank, err *e) {
    str left = json_text(json_at(j, 0), STR("")), right = json_text(json_at(j, 1), STR(""));
    if (json_kind_of(j) == JSON_STRING) {
        const str both = json_text(j, STR(""));
        const ptrdiff_t space = str_find(both, STR(" "), 0);
        if (space < 0 || str_find(both, STR(" "), (size_t)space + 1) >= 0)
            return err_set(e, ERR_INPUT, "merges[%d]: '%.*s' should be two tokens with a space between", rank, STR_ARG(both));
        left = str_slice(both, 0, (size_t)space);
        right = str_slice(both, (size_t)space + 1, both.len);
    } else if (json_kind_of(j) != JSON_ARRAY || json_count(j) != 2 || json_kind_of(json_at(j, 0)) != JSON_STRING ||
               json_kind_of(json_at(j, 1)) != JSON_STRING)
        return err_set(e, ERR_INPUT, "merges[%d] should be two tokens", rank);
    return bpe_add_merge(t, t->bpe, rank, left, right, e);
}

static bool read_bpe(tokenizer *t, const json *model, err *e) {
    const json *merges = json_get(model, "merges");
    bpe *b = t->bpe = arena_new_of(t->arena, bpe);
    if (!read_words(t, json_get(model, "vocab"), e)) return false;
    b->byte_fallback = json_get_bool(model, "byte_fallback", false);
    b->ignore_merges = json_get_bool(model, "ignore_merges", false);
    b->fuse_unk = json_get_bool(model, "fuse_unk", false);
    b->prefix = text_keep(t->arena, json_get_text(model, "continuing_subword_prefix", STR("")));
    b->suffix = text_keep(t->arena, json_get_text(model, "end_of_word_suffix", STR("")));
    const str unk = json_get_text(model, "unk_token", STR(""));
    b->unk = json_get(model, "unk_token") ? vocab_find(&t->words, unk) : -1;
    if (json_get(model, "unk_token") && b->unk < 0)
        return err_set(e, ERR_INPUT, "unk_token '%.*s' is not in the vocabulary", STR_ARG(unk));
    if (json_get_real(model, "dropout", 0) != 0)
        return err_set(e, ERR_UNSUPPORTED, "dropout: merging at random is not here; set it to null");
    if (json_kind_of(merges) != JSON_ARRAY) return err_set(e, ERR_INPUT, "merges should be a list");
    if (json_count(merges) > 1u << 26) return err_set(e, ERR_LIMIT, "merges: %zu are too many", json_count(merges));
    b->pair_count = (int)json_count(merges);
    b->pair = arena_alloc(t->arena, sizeof *b->pair * ((size_t)b->pair_count + 1));
    int_map_init(t->arena, &b->merges, (size_t)b->pair_count + 1);
    for (int i = 0; i < b->pair_count; i++)
        if (!read_merge(t, json_at(merges, (size_t)i), i, e)) return false;
    bpe_index(t, b);
    return true;
}

const model_kind model_bpe = {"BPE", read_bpe, encode, bpe_write};
