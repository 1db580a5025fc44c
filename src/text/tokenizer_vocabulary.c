/* tokenizer_vocabulary.c - a tokenizer's lookups: GPT-2's alphabet of bytes, token texts, merges, and the trie of added tokens. */
#include <string.h>

#include "text/tokenizer_parts.h"

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
