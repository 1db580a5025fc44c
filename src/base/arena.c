/* arena.c - blocks of memory handed out from front to back and released together.
 *
 *     arena ── newest block ── older ── older ...        the newest is the one with room; a request too large for it gets a
 *                  [ used ......|  free ]                block of its own, put behind the newest so that its room stays in use
 *
 * Blocks come zeroed from memory_alloc, and nothing is handed out twice, so what is handed out is zero. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { FIRST_BLOCK = 4 << 10, LARGEST_BLOCK = 1 << 20 };

typedef struct block {
    struct block *older;
    size_t used, size; /* of the bytes behind this head */
} block;

typedef struct deferred {
    struct deferred *older;
    void (*release)(void *thing);
    void *thing;
} deferred;

struct arena {
    block *newest;
    deferred *calls;
    size_t next_size, handed_out;
};

static void *zeroed(size_t size) { return calloc(1, size); }
memory_ops memory = {zeroed, realloc, free};

static _Noreturn void out_of_memory(size_t size) {
    fprintf(stderr, "fettle: out of memory: %zu bytes were asked for and not given\n", size);
    abort();
}

void *memory_alloc(size_t size) {
    void *p = memory.alloc(size ? size : 1);
    if (!p) out_of_memory(size);
    return p;
}

void *memory_resize(void *old, size_t size) {
    void *p = memory.resize(old, size ? size : 1);
    if (!p) out_of_memory(size);
    return p;
}

void memory_release(void *p) {
    if (p) memory.release(p);
}

arena *arena_new(void) {
    arena *a = memory_alloc(sizeof *a);
    a->next_size = FIRST_BLOCK;
    return a;
}

void arena_free(arena *a) {
    if (!a) return;
    for (deferred *d = a->calls; d; d = d->older) d->release(d->thing); /* may still read the arena's memory */
    for (block *b = a->newest, *older; b; b = older) {
        older = b->older;
        memory_release(b);
    }
    memory_release(a);
}

static char *block_take(block *b, size_t size, size_t alignment) {
    const uintptr_t start = (uintptr_t)(b + 1), at = (start + b->used + alignment - 1) & ~(uintptr_t)(alignment - 1);
    const size_t offset = (size_t)(at - start);
    if (offset > b->size || size > b->size - offset) return NULL;
    b->used = offset + size;
    return (char *)(b + 1) + offset;
}

static block *block_add(arena *a, size_t need) {
    const bool own = need > a->next_size / 2;
    const size_t size = own ? need : a->next_size;
    block *b = memory_alloc(sizeof(block) + size);
    b->size = size;
    if (own && a->newest) {
        b->older = a->newest->older;
        a->newest->older = b;
    } else {
        b->older = a->newest;
        a->newest = b;
    }
    if (!own && a->next_size < LARGEST_BLOCK) a->next_size *= 2;
    return b;
}

void *arena_alloc(arena *a, size_t size) {
    if (size > SIZE_MAX / 2) out_of_memory(size);
    const size_t alignment = size >= 64 ? 64 : 16;
    a->handed_out += size;
    char *p = a->newest ? block_take(a->newest, size, alignment) : NULL;
    return p ? p : block_take(block_add(a, size + alignment), size, alignment);
}

size_t arena_used(const arena *a) { return a->handed_out; }

void arena_defer(arena *a, void (*release)(void *thing), void *thing) {
    deferred *d = arena_new_of(a, deferred);
    *d = (deferred){a->calls, release, thing};
    a->calls = d;
}

char *arena_copy(arena *a, const void *data, size_t size) {
    char *copy = arena_alloc(a, size + 1);
    if (size) memcpy(copy, data, size);
    return copy;
}

char *arena_text(arena *a, const char *text) { return text ? arena_copy(a, text, strlen(text)) : NULL; }

char *arena_vprintf(arena *a, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) bug("a format that cannot be printed: %s", format);
    char *text = arena_alloc(a, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

char *arena_printf(arena *a, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(a, format, arguments);
    va_end(arguments);
    return text;
}
