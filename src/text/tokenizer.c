/* tokenizer.c - encoding and decoding with a made tokenizer (contract: tokenizer.h). */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

void token_ids_free(token_ids *t) {
    memory_release(t->ids);
    memory_release(t->begin);
    memory_release(t->end);
    *t = (token_ids){0};
}

void token_ids_put(token_ids *t, int32_t id, int32_t begin, int32_t end) {
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->ids = memory_resize(t->ids, t->room * sizeof *t->ids);
        t->begin = memory_resize(t->begin, t->room * sizeof *t->begin);
        t->end = memory_resize(t->end, t->room * sizeof *t->end);
    }
    t->ids[t->count] = id;
    t->begin[t->count] = begin;
    t->end[t->count++] = end;
}

/* ---- GPT-2's alphabet of bytes --------------------------------------------------------------------------------------------------- */

static bool printable(int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255); }

int32_t byte_to_letter(int byte) {
    if (printable(byte)) return byte;
    int n = 0;
    for (int b = 0; b < byte; b++) n += !printable(b);
    return 256 + n;
}

int letter_to_byte(int32_t letter) {
    if (letter < 256) return letter >= 0 && printable(letter) ? letter : -1;
    int n = letter - 256;
    for (int b = 0; b < 256; b++)
        if (!printable(b) && n-- == 0) return b;
    return -1;
}

str letters_to_bytes(arena *a, str letters) {
    buf out = {0};
    int32_t code;
    bool all = true;
    for (size_t i = 0; i < letters.len && all;) {
        i += utf8_next(letters, i, &code);
        const int b = letter_to_byte(code);
        all = b >= 0;
        if (all) buf_put_char(&out, (char)b);
    }
    const str made = all ? buf_str(&out) : letters, kept = {arena_copy(a, made.ptr ? made.ptr : "", made.len), made.len};
    buf_free(&out);
    return kept;
}

void bytes_to_letters(buf *out, str bytes) {
    for (size_t i = 0; i < bytes.len; i++) utf8_put(out, byte_to_letter((unsigned char)bytes.ptr[i]));
}

/* ---- maps ---------------------------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static size_t room_for(size_t items) {
    size_t n = 16;
    while (n < 2 * items) n *= 2;
    return n;
}

void int_map_init(arena *a, int_map *m, size_t items) {
    const size_t n = room_for(items);
    *m = (int_map){arena_array(a, uint64_t, n), arena_array(a, int64_t, n), n - 1};
}

void int_map_put(int_map *m, uint64_t key, int64_t value) {
    size_t i = mix(key) & m->mask;
    while (m->key[i] && m->key[i] != key) i = (i + 1) & m->mask;
    m->key[i] = key;
    m->value[i] = value;
}

int64_t int_map_get(const int_map *m, uint64_t key) {
    if (!m->key) return -1;
    for (size_t i = mix(key) & m->mask; m->key[i]; i = (i + 1) & m->mask)
        if (m->key[i] == key) return m->value[i];
    return -1;
}

static uint64_t text_hash(str s) {
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ull;
    return mix(h);
}

int tokenizer_match(const tokenizer *t, str token) {
    for (size_t i = text_hash(token) & t->ids.mask; t->ids.slot[i]; i = (i + 1) & t->ids.mask)
        if (str_eq(t->token[t->ids.slot[i] - 1], token)) return t->ids.slot[i] - 1;
    return -1;
}

static void index_token(tokenizer *t, int id) {
    size_t i = text_hash(t->token[id]) & t->ids.mask;
    while (t->ids.slot[i]) {
        if (str_eq(t->token[t->ids.slot[i] - 1], t->token[id])) return; /* the first stands */
        i = (i + 1) & t->ids.mask;
    }
    t->ids.slot[i] = id + 1;
}

static int byte_token(const tokenizer *t, int byte) {
    char name[8];
    if (t->byte_level) {
        const char c = (char)byte;
        return tokenizer_match(t, (str){&c, 1});
    }
    static const char hex[] = "0123456789ABCDEF";
    memcpy(name, "<0x00>", 7);
    name[3] = hex[byte >> 4];
    name[4] = hex[byte & 15];
    return tokenizer_match(t, str_of(name));
}

void tokenizer_index(tokenizer *t) {
    const size_t n = room_for((size_t)t->size + 1);
    t->ids = (text_map){arena_array(t->arena, int32_t, n), n - 1};
    for (int i = 0; i < t->size; i++)
        if (t->token[i].ptr && !t->is_added[i]) index_token(t, i);
    for (int i = 0; i < t->size; i++)
        if (t->token[i].ptr && t->is_added[i]) index_token(t, i);
    for (int b = 0; b < 256; b++) t->byte_id[b] = byte_token(t, b);
}

bool tokenizer_add_merge(tokenizer *t, str left, str right, int rank, err *e) {
    char stack[512];
    const int l = tokenizer_match(t, left), r = tokenizer_match(t, right);
    const size_t skip = t->subword_prefix.len && str_starts(right, t->subword_prefix) ? t->subword_prefix.len : 0,
                 n = left.len + right.len - skip;
    char *joined = n <= sizeof stack ? stack : memory_alloc(n);
    memcpy(joined, left.ptr, left.len);
    memcpy(joined + left.len, right.ptr + skip, right.len - skip);
    const int id = tokenizer_match(t, (str){joined, n});
    if (joined != stack) memory_release(joined);
    if (l < 0 || r < 0 || id < 0)
        return err_set(e, ERR_INPUT, "merge %d: '%.*s' and '%.*s' or what they make is no token", rank, STR_ARG(left),
                       STR_ARG(right));
    int_map_put(&t->merges, ((uint64_t)(unsigned)l << 32 | (unsigned)r) + 1, (int64_t)rank << 32 | id);
    return true;
}

/* ---- added tokens: a trie over bytes -------------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t child, next; /* first child, next sibling; 0: none */
    int32_t token;       /* index in the list of added tokens; -1: none ends here */
    unsigned char byte;
} trie_node;

struct trie {
    trie_node *node;
    int count;
    int first[256];
};

struct trie *trie_new(arena *a, const added_token *list, int count, bool normalized) {
    size_t bytes = 1;
    for (int i = 0; i < count; i++) bytes += list[i].found.len;
    struct trie *t = arena_new_of(a, struct trie);
    t->node = arena_array(a, trie_node, bytes + 1);
    t->count = 1;
    for (int i = 0; i < count; i++) {
        if (list[i].normalized != normalized || !list[i].found.len) continue;
        int32_t *at = &t->first[(unsigned char)list[i].found.ptr[0]];
        for (size_t k = 0; k < list[i].found.len; k++) {
            const unsigned char b = (unsigned char)list[i].found.ptr[k];
            while (*at && t->node[*at].byte != b) at = &t->node[*at].next;
            if (!*at) {
                *at = t->count;
                t->node[t->count++] = (trie_node){.byte = b, .token = -1};
            }
            if (k + 1 == list[i].found.len) t->node[*at].token = i;
            else at = &t->node[*at].child;
        }
    }
    return t;
}

int trie_match(const struct trie *t, str text, size_t at) {
    int found = -1;
    int32_t n = t->first[(unsigned char)text.ptr[at]];
    for (; at < text.len && n; at++) {
        while (n && t->node[n].byte != (unsigned char)text.ptr[at]) n = t->node[n].next;
        if (!n) break;
        if (t->node[n].token >= 0) found = t->node[n].token;
        n = t->node[n].child;
    }
    return found;
}

/* ---- the model: byte-pair merges ------------------------------------------------------------------------------------------------------- */

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

/* ---- encoding ---------------------------------------------------------------------------------------------------------------------------- */

static void run_steps(const steps *s, pieces *p) {
    for (int i = 0; i < s->count; i++) {
        pieces out = {.first = p->first};
        s->item[i].kind->run(&s->item[i], p, &out);
        if (!out.origin) pieces_put(&out, "", 0, 0, false);
        out.origin[out.text.len] = p->origin[p->text.len];
        if (!out.text.ptr) buf_reserve(&out.text, 1);
        pieces_free(p);
        *p = out;
    }
}

static pieces pieces_of(str text, int32_t at, bool first) {
    pieces p = {.first = first};
    pieces_put(&p, text.ptr, text.len, at, true);
    p.origin[text.len] = at + (int32_t)text.len;
    return p;
}

static bool is_word_letter(str text, size_t at, bool before) {
    int32_t code;
    if (before) {
        if (!at) return false;
        do at--;
        while (at && ((unsigned char)text.ptr[at] & 0xC0) == 0x80);
    } else if (at >= text.len) return false;
    utf8_next(text, at, &code);
    return code == '_' || unicode_is_letter(code) || unicode_is_digit(code);
}

/* Cuts [begin, end) of p at added tokens of this trie and gives the spans between them to `rest`. */
typedef void (*between)(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out);

static void cut_at_added(const tokenizer *t, const struct trie *found, const pieces *p, size_t begin, size_t end, between rest,
                         token_ids *out) {
    const str text = buf_str(&p->text);
    size_t plain = begin;
    for (size_t i = begin; i < end;) {
        const int k = trie_match(found, str_slice(text, 0, end), i);
        if (k < 0) {
            i++;
            continue;
        }
        const added_token *a = &t->added[k];
        size_t from = i, to = i + a->found.len;
        if (a->single_word && (is_word_letter(text, from, true) || is_word_letter(text, to, false))) {
            i++;
            continue;
        }
        int32_t code;
        while (a->lstrip && from > plain) {
            size_t at = from - 1;
            while (at > plain && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) at--;
            utf8_next(text, at, &code);
            if (!unicode_is_space(code)) break;
            from = at;
        }
        for (size_t n; a->rstrip && to < end; to += n) {
            n = utf8_next(text, to, &code);
            if (!unicode_is_space(code)) break;
        }
        if (from > plain) rest(t, p, plain, from, out);
        token_ids_put(out, a->id, p->origin[from], p->origin[to]);
        plain = i = to;
    }
    if (plain < end) rest(t, p, plain, end, out);
}

static void encode_plain(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out) {
    pieces part = pieces_of(str_slice(buf_str(&p->text), begin, end), 0, p->first && begin == 0);
    memcpy(part.origin, p->origin + begin, (end - begin + 1) * sizeof *part.origin);
    pieces_cut(&part, part.text.len);
    run_steps(&t->pre_tokenizers, &part);
    size_t at = 0;
    for (size_t c = 0; c < part.cuts; at = part.cut[c++])
        model_tokens(t, (str){part.text.ptr + at, part.cut[c] - at}, part.origin + at, out);
    pieces_free(&part);
}

static void encode_section(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out) {
    pieces part = pieces_of(str_slice(buf_str(&p->text), begin, end), (int32_t)p->origin[begin], p->first && begin == 0);
    run_steps(&t->normalizers, &part);
    cut_at_added(t, t->found_normalized, &part, 0, part.text.len, encode_plain, out);
    pieces_free(&part);
}

str tokenizer_normalized(const tokenizer *t, arena *a, str text) {
    pieces p = pieces_of(text, 0, true);
    run_steps(&t->normalizers, &p);
    const str out = {str_copy(a, buf_str(&p.text)), p.text.len};
    pieces_free(&p);
    return out;
}

bool tokenizer_encode(const tokenizer *t, str text, bool special, token_ids *out, err *e) {
    buf clean = {0};
    if (text.len > INT32_MAX / 2) return err_set(e, ERR_LIMIT, "a text of %zu bytes is too long to tokenise at once", text.len);
    if (!utf8_valid(text)) {
        utf8_lossy(&clean, text);
        text = buf_str(&clean);
    }
    for (int i = 0; special && i < t->before_count; i++) token_ids_put(out, t->before[i], 0, 0);
    pieces p = pieces_of(text, 0, true);
    cut_at_added(t, t->found_raw, &p, 0, text.len, encode_section, out);
    pieces_free(&p);
    for (int i = 0; special && i < t->after_count; i++) token_ids_put(out, t->after[i], 0, 0);
    buf_free(&clean);
    return true;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------------------------------ */

/* <0xXX> -> the byte; -1: another token */
static int byte_of(str token) {
    if (token.len != 6 || memcmp(token.ptr, "<0x", 3) != 0 || token.ptr[5] != '>') return -1;
    char *end, digits[3] = {token.ptr[3], token.ptr[4], 0};
    const long v = strtol(digits, &end, 16);
    return *end ? -1 : (int)v;
}

static void put_replaced(buf *out, str s, str content, str with) {
    size_t at = 0;
    for (ptrdiff_t found; content.len && (found = str_find(s, content, at)) >= 0; at = (size_t)found + content.len) {
        buf_put(out, s.ptr + at, (size_t)found - at);
        buf_put_str(out, with);
    }
    buf_put(out, s.ptr + at, s.len - at);
}

static bool has_step(const tokenizer *t, decode_what what) {
    for (int i = 0; i < t->decoder_count; i++)
        if (t->decoders[i].what == what) return true;
    return false;
}

/* One token through the decoders that work token by token. */
static void put_token(const tokenizer *t, int id, bool first, bool bytes, buf *out) {
    if (t->byte_level && !t->is_added[id]) {
        buf_put_str(out, t->token[id]);
        return;
    }
    const int byte = bytes ? byte_of(t->shown[id]) : -1;
    if (byte >= 0) {
        buf_put_char(out, (char)byte);
        return;
    }
    buf now = {0}, next = {0};
    buf_put_str(&now, t->decoded[id].ptr ? t->decoded[id] : t->shown[id]);
    for (int i = 0; i < t->decoder_count; i++) {
        const decode_step *d = &t->decoders[i];
        buf_clear(&next);
        str s = buf_str(&now);
        if (d->what == DECODE_REPLACE) put_replaced(&next, s, d->content, d->with);
        else if (d->what == DECODE_METASPACE) {
            if (first && d->flag && str_starts(s, d->content)) s = str_slice(s, d->content.len, s.len);
            put_replaced(&next, s, d->content, STR(" "));
        } else if (d->what == DECODE_WORDPIECE) {
            if (!first && str_starts(s, d->content)) s = str_slice(s, d->content.len, s.len);
            else if (!first) buf_put_char(&next, ' ');
            buf_put_str(&next, s);
        } else continue;
        const buf swap = now;
        now = next;
        next = swap;
    }
    buf_put_str(out, buf_str(&now));
    buf_free(&now);
    buf_free(&next);
}

/* All tokens as bytes: characters may be broken. */
static void decode_bytes(const tokenizer *t, const int32_t *ids, int count, bool skip_special, buf *out) {
    const bool bytes = has_step(t, DECODE_BYTES);
    const size_t begin = out->len;
    bool first = true;
    for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= t->size || !t->shown[ids[i]].ptr || (skip_special && t->special[ids[i]])) continue;
        put_token(t, ids[i], first, bytes, out);
        first = false;
    }
    for (int i = 0; i < t->decoder_count; i++) { /* Strip behind Fuse: of the whole text */
        const decode_step *d = &t->decoders[i];
        if (d->what != DECODE_STRIP) continue;
        size_t n = 0;
        while (n < (size_t)d->start && str_starts(str_slice(buf_str(out), begin + n * d->content.len, out->len), d->content)) n++;
        n *= d->content.len;
        if (!n) continue;
        memmove(out->ptr + begin, out->ptr + begin + n, out->len - begin - n);
        out->len -= n;
        if (out->ptr) out->ptr[out->len] = 0;
    }
}

void tokenizer_decode(const tokenizer *t, const int32_t *ids, int count, bool skip_special, buf *out) {
    buf raw = {0};
    decode_bytes(t, ids, count, skip_special, &raw);
    utf8_lossy(out, buf_str(&raw));
    buf_free(&raw);
}

void tokenizer_put_bytes(const tokenizer *t, int id, buf *out) {
    if (id >= 0 && id < t->size && t->shown[id].ptr) put_token(t, id, false, has_step(t, DECODE_BYTES), out);
}

/* ---- streaming: the text of a short window of tokens, before and after the newest ---------------------------------------------------- */

struct stream_decoder {
    const tokenizer *t;
    bool skip_special;
    token_ids kept;
    size_t told; /* tokens whose text is out; those before them are kept for context */
};

stream_decoder *stream_decoder_new(const tokenizer *t, bool skip_special) {
    stream_decoder *d = memory_alloc(sizeof *d);
    *d = (stream_decoder){.t = t, .skip_special = skip_special};
    return d;
}

void stream_decoder_free(stream_decoder *d) {
    if (!d) return;
    token_ids_free(&d->kept);
    memory_release(d);
}

/* Length of an unfinished character at the end. */
static size_t unfinished(str s) {
    for (size_t n = 1; n <= 3 && n <= s.len; n++) {
        const unsigned c = (unsigned char)s.ptr[s.len - n];
        if ((c & 0xC0) == 0x80) continue;
        return (c >= 0xF0 && n < 4) || (c >= 0xE0 && n < 3) || (c >= 0xC0 && n < 2) ? n : 0;
    }
    return 0;
}

static void tell(stream_decoder *d, buf *out, bool all) {
    buf before = {0}, now = {0};
    decode_bytes(d->t, d->kept.ids, (int)d->told, d->skip_special, &before);
    decode_bytes(d->t, d->kept.ids, (int)d->kept.count, d->skip_special, &now);
    const str text = buf_str(&now);
    if (all || !unfinished(text)) {
        if (now.len > before.len) utf8_lossy(out, str_slice(text, before.len, text.len));
        const size_t keep = d->kept.count - d->told; /* the newest become the context of the next */
        memmove(d->kept.ids, d->kept.ids + d->told, keep * sizeof *d->kept.ids);
        d->kept.count = d->told = keep;
    }
    buf_free(&before);
    buf_free(&now);
}

void stream_decoder_push(stream_decoder *d, int32_t id, buf *out) {
    token_ids_put(&d->kept, id, 0, 0);
    tell(d, out, false);
}

void stream_decoder_flush(stream_decoder *d, buf *out) {
    if (d->kept.count > d->told) tell(d, out, true);
}

/* ---- what it holds --------------------------------------------------------------------------------------------------------------------------- */

int tokenizer_size(const tokenizer *t) { return t->size; }

int tokenizer_id(const tokenizer *t, str token) {
    for (int i = 0; i < t->added_count; i++)
        if (str_eq(t->added[i].text, token)) return t->added[i].id;
    if (!t->byte_level) return tokenizer_match(t, token);
    arena *a = arena_new();
    const int id = tokenizer_match(t, letters_to_bytes(a, token));
    arena_free(a);
    return id;
}

str tokenizer_token(const tokenizer *t, int id) { return id >= 0 && id < t->size ? t->shown[id] : (str){NULL, 0}; }
bool tokenizer_is_special(const tokenizer *t, int id) { return id >= 0 && id < t->size && t->special[id]; }
int tokenizer_bos(const tokenizer *t) { return t->bos; }
int tokenizer_eos(const tokenizer *t) { return t->eos; }
int tokenizer_pad(const tokenizer *t) { return t->pad; }
int tokenizer_unk(const tokenizer *t) { return t->unk; }
