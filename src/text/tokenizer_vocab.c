/* tokenizer_vocab.c - maps of a tokenizer (open addressing, at most half full), GPT-2's alphabet, growing ids. */
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

/* ---- GPT-2's alphabet of bytes: printable ones are themselves, the others follow from U+0100 on ---- */

static bool printable(int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; }

int32_t byte_to_letter(int byte) {
    if (printable(byte)) return byte;
    return byte <= 32 ? 256 + byte : byte <= 160 ? 256 + 33 + (byte - 127) : 256 + 67;
}

int letter_to_byte(int32_t letter) {
    if (letter < 0 || letter > 256 + 67) return -1;
    if (letter < 256) return printable(letter) ? letter : -1;
    const int n = letter - 256;
    return n <= 32 ? n : n < 67 ? 127 + n - 33 : 173;
}

/* ---- numbers to numbers ---- */

static uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static size_t slots_for(size_t items) {
    size_t n = 16;
    while (n < 2 * items) n *= 2;
    return n;
}

void int_map_init(arena *a, int_map *m, size_t items) {
    const size_t n = slots_for(items);
    *m = (int_map){arena_array(a, uint64_t, n), arena_array(a, int64_t, n), n - 1};
}

void int_map_put(int_map *m, uint64_t key, int64_t value) {
    size_t i = mix(key) & m->mask;
    while (m->key[i] && m->key[i] != key) i = (i + 1) & m->mask;
    m->key[i] = key;
    m->value[i] = value;
}

int64_t int_map_get(const int_map *m, uint64_t key) {
    for (size_t i = mix(key) & m->mask; m->key[i]; i = (i + 1) & m->mask)
        if (m->key[i] == key) return m->value[i];
    return -1;
}

/* ---- texts to ids ---- */

static uint64_t text_hash(str s) {
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ull;
    return mix(h);
}

void vocab_init(arena *a, vocab *v, int count, size_t entries) {
    const size_t n = slots_for(entries);
    *v = (vocab){count, arena_array(a, str, count + 1), arena_array(a, int32_t, n), n - 1};
}

bool vocab_put(vocab *v, int id, str text, err *e) {
    size_t i = text_hash(text) & v->mask;
    if (v->text[id].ptr)
        return err_set(e, ERR_INPUT, "tokens '%.*s' and '%.*s' have the same id %d", STR_ARG(v->text[id]), STR_ARG(text), id);
    for (; v->slot[i]; i = (i + 1) & v->mask)
        if (str_eq(v->text[v->slot[i] - 1], text))
            return err_set(e, ERR_INPUT, "ids %d and %d have the same token '%.*s'", v->slot[i] - 1, id, STR_ARG(text));
    v->text[id] = text;
    v->slot[i] = id + 1;
    return true;
}

int vocab_find(const vocab *v, str text) {
    if (!v->slot) return -1;
    for (size_t i = text_hash(text) & v->mask; v->slot[i]; i = (i + 1) & v->mask)
        if (str_eq(v->text[v->slot[i] - 1], text)) return v->slot[i] - 1;
    return -1;
}
