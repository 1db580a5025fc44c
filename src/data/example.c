/* example.c - what can be asked of an example: its kind's name, whether two are the same, the prompt two answers share. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "data/format.h"

static const struct {
    const char *name, *words;
} kinds[EXAMPLE_KIND_COUNT] = {
#define X(token, name, words) [token] = {name, words},
    EXAMPLE_KINDS(X)
#undef X
};

const char *example_kind_name(example_kind k) { return kinds[k].name; }
const char *example_kind_words(example_kind k) { return kinds[k].words; }

bool example_kind_find(str name, example_kind *out) {
    for (int k = 0; k < EXAMPLE_KIND_COUNT; k++)
        if (str_is(name, kinds[k].name)) return *out = (example_kind)k, true;
    return false;
}

bool example_is_conversational(const example *x) {
    return x->messages || x->prompt.type == PART_MESSAGES || x->completion.type == PART_MESSAGES ||
           x->chosen.type == PART_MESSAGES;
}

/* ---- equality and its hash ------------------------------------------------------------------------------------------------------ */

static bool part_equal(const example_part *a, const example_part *b) {
    return a->type == b->type && a->unfinished == b->unfinished && str_eq(a->text, b->text) &&
           json_equal(a->messages, b->messages);
}

static bool steps_equal(const example *a, const example *b) {
    if (a->steps != b->steps) return false;
    for (int i = 0; i < a->steps; i++)
        if (!str_eq(a->completions[i], b->completions[i]) || a->labels[i] != b->labels[i]) return false;
    return true;
}

static bool number_equal(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

bool example_equal(const example *a, const example *b) {
    return a->kind == b->kind && str_eq(a->text, b->text) && json_equal(a->messages, b->messages) &&
           a->unfinished == b->unfinished && part_equal(&a->prompt, &b->prompt) && part_equal(&a->completion, &b->completion) &&
           part_equal(&a->chosen, &b->chosen) && part_equal(&a->rejected, &b->rejected) &&
           part_equal(&a->reference, &b->reference) && a->label == b->label && number_equal(a->margin, b->margin) &&
           number_equal(a->probability, b->probability) && number_equal(a->reward, b->reward) && steps_equal(a, b) &&
           json_equal(a->tools, b->tools) && json_equal(a->template_kwargs, b->template_kwargs);
}

/* Eight bytes at a time, each spread over the whole hash. */
static uint64_t hash_bytes(uint64_t h, const void *data, size_t size) {
    const char *at = data;
    for (size_t left = size; left > 0;) {
        const size_t n = left < 8 ? left : 8;
        uint64_t word = 0;
        memcpy(&word, at, n);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
        at += n;
        left -= n;
    }
    return h;
}

static uint64_t hash_text(uint64_t h, str s) { return rng_mix(hash_bytes(h, s.ptr, s.len), s.len); }

static uint64_t hash_real(uint64_t h, double v) {
    const double zero_is_one = v == 0 ? 0 : v; /* -0 equals 0 */
    return hash_bytes(h, &zero_is_one, sizeof v);
}

/* As json_equal compares: numbers by value, members of an object in any order. */
static uint64_t hash_json(uint64_t h, const json *v) {
    const json_kind kind = json_kind_of(v);
    uint64_t members = 0;
    h = rng_mix(h, kind == JSON_INT ? JSON_REAL : (uint64_t)kind);
    switch (kind) {
    case JSON_NULL: return h;
    case JSON_BOOL: return rng_mix(h, json_bool(v, false));
    case JSON_INT:
    case JSON_REAL: return hash_real(h, json_real(v, 0));
    case JSON_STRING: return hash_text(h, json_text(v, STR("")));
    case JSON_ARRAY:
        for (size_t i = 0; i < json_count(v); i++) h = hash_json(h, json_at(v, i));
        return rng_mix(h, json_count(v));
    case JSON_OBJECT:
        for (json_member m = {0}; json_next(v, &m);) members += hash_json(hash_text(1, str_of(m.key)), m.value);
        return rng_mix(h, members);
    }
    return h;
}

static uint64_t hash_part(uint64_t h, const example_part *p) {
    h = rng_mix(h, (uint64_t)p->type + (p->unfinished ? 16 : 0));
    return p->type == PART_MESSAGES ? hash_json(h, p->messages) : hash_text(h, p->text);
}

uint64_t example_hash(const example *x) {
    const example_part *const parts[] = {&x->prompt, &x->completion, &x->chosen, &x->rejected, &x->reference};
    uint64_t h = hash_json(hash_text(rng_mix(0xcbf29ce484222325u, x->kind + (x->unfinished ? 64 : 0)), x->text), x->messages);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) h = hash_part(h, parts[i]);
    for (int i = 0; i < x->steps; i++) h = rng_mix(hash_text(h, x->completions[i]), x->labels[i]);
    if (!isnan(x->margin)) h = hash_real(h, x->margin);
    if (!isnan(x->reward)) h = hash_real(h + 2, x->reward);
    if (!isnan(x->probability)) h = hash_real(h + 1, x->probability);
    return rng_mix(hash_json(hash_json(h, x->tools), x->template_kwargs), x->label);
}

/* ---- the prompt two answers share ------------------------------------------------------------------------------------------------ */

static bool in_character(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* Bytes of the common beginning, at a character's edge. */
static size_t common_text(str a, str b) {
    const size_t shorter = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    while (i < shorter && a.ptr[i] == b.ptr[i]) i++;
    if (i < shorter || !shorter) {
        while (i && i < shorter && in_character(a.ptr[i])) i--;
        return i && a.ptr[i - 1] == ' ' ? i - 1 : i;
    }
    for (i--; i && in_character(a.ptr[i]);) i--; /* one begins the other: before the last character of the shorter */
    return i;
}

static size_t common_messages(const json *a, const json *b) {
    const size_t shorter = json_count(a) < json_count(b) ? json_count(a) : json_count(b);
    for (size_t i = 0; i < shorter; i++)
        if (!json_equal(json_at(a, i), json_at(b, i))) return i;
    return shorter ? shorter - 1 : 0;
}

static void cut(arena *a, example_part *p, size_t at) {
    if (p->type == PART_TEXT) p->text = str_slice(p->text, at, p->text.len);
    else p->messages = messages_slice(a, p->messages, at, json_count(p->messages));
}

void example_take_prompt(arena *a, example *x) {
    const bool text = x->chosen.type == PART_TEXT;
    const size_t at =
        text ? common_text(x->chosen.text, x->rejected.text) : common_messages(x->chosen.messages, x->rejected.messages);
    x->prompt = x->chosen;
    if (text) x->prompt.text = str_slice(x->chosen.text, 0, at);
    else x->prompt.messages = messages_slice(a, x->chosen.messages, 0, at);
    cut(a, &x->chosen, at);
    cut(a, &x->rejected, at);
    x->prompt_implicit = true;
}
