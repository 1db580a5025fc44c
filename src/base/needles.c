/* needles.c - a table of texts by the hash of their beginning. */
#include "base/needles.h"

#include <string.h>

#include "base/file.h"

typedef struct {
    uint64_t hash;
    str text;
} needle;

struct needles {
    arena *a;
    needle *slot; /* open addressing; text.ptr NULL: free */
    size_t room, count;
};

static const uint64_t base = 0x9E3779B97F4A7C15u; /* odd */

static uint64_t hash_of(const char *bytes) {
    uint64_t h = 0;
    for (int i = 0; i < NEEDLE_LEAST; i++) h = h * base + (unsigned char)bytes[i];
    return h;
}

static uint64_t weight_of_first(void) {
    uint64_t w = 1;
    for (int i = 1; i < NEEDLE_LEAST; i++) w *= base;
    return w;
}

/* High bits are the best mixed ones of a product. */
static size_t place(const needles *n, uint64_t hash) { return (size_t)((hash * base) >> 20) & (n->room - 1); }

needles *needles_new(arena *a) {
    needles *n = arena_new_of(a, needles);
    *n = (needles){.a = a, .room = 64, .slot = arena_array(a, needle, 64)};
    return n;
}

static void enter(needles *n, needle x) {
    size_t at = place(n, x.hash);
    while (n->slot[at].text.ptr) at = (at + 1) & (n->room - 1);
    n->slot[at] = x;
}

static void grow(needles *n) {
    const needle *old = n->slot;
    const size_t room = n->room;
    n->room = 4 * room;
    n->slot = arena_array(n->a, needle, n->room);
    for (size_t i = 0; i < room; i++)
        if (old[i].text.ptr) enter(n, old[i]);
}

bool needles_add(needles *n, str text) {
    if (text.len < NEEDLE_LEAST) return false;
    const uint64_t hash = hash_of(text.ptr);
    for (size_t at = place(n, hash); n->slot[at].text.ptr; at = (at + 1) & (n->room - 1))
        if (n->slot[at].hash == hash && str_eq(n->slot[at].text, text)) return true;
    if (2 * ++n->count > n->room) grow(n);
    enter(n, (needle){hash, {arena_copy(n->a, text.ptr, text.len), text.len}});
    return true;
}

int64_t needles_count(const needles *n) { return (int64_t)n->count; }

static bool starts_here(const needles *n, uint64_t hash, str rest) {
    for (size_t at = place(n, hash); n->slot[at].text.ptr; at = (at + 1) & (n->room - 1))
        if (n->slot[at].hash == hash && str_starts(rest, n->slot[at].text)) return true;
    return false;
}

bool needles_in(const needles *n, str text) {
    const uint64_t first = weight_of_first();
    if (!n->count || text.len < NEEDLE_LEAST) return false;
    uint64_t hash = hash_of(text.ptr);
    for (size_t at = 0;; at++) {
        if (starts_here(n, hash, str_slice(text, at, text.len))) return true;
        if (at + NEEDLE_LEAST >= text.len) return false;
        hash = (hash - first * (unsigned char)text.ptr[at]) * base + (unsigned char)text.ptr[at + NEEDLE_LEAST];
    }
}

bool needles_in_file(const needles *n, const char *path, bool *in, err *e) {
    arena *a = arena_new();
    str text;
    const bool ok = file_map(a, path, &text, e);
    *in = ok && needles_in(n, text);
    arena_free(a);
    return ok;
}
