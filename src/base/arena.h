/* arena.h - memory whose lifetime is an argument.
 *
 * A function that returns memory takes the arena it comes from; who made the arena frees everything at once. Allocation
 * never fails: past the ceiling, or out of memory, the process ends with the size asked for (class 3 of err.h), so parsers
 * check sizes of foreign input before they allocate. Not for use from several threads at once. */
#ifndef FETTLE_BASE_ARENA_H
#define FETTLE_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct arena arena;

/* All allocation of the program goes through this table, so that tests can count and fail it. */
typedef struct {
    void *(*alloc)(size_t size);             /* calloc(1, size): zeroed */
    void *(*resize)(void *old, size_t size); /* realloc  */
    void (*release)(void *memory);           /* free     */
} memory_ops;
extern memory_ops memory;

void *memory_alloc(size_t size);             /* zeroed; aborts with words when there is none */
void *memory_resize(void *old, size_t size); /* not zeroed; aborts likewise */
void memory_release(void *p);

arena *arena_new(void);
void arena_free(arena *a);                /* runs the deferred calls, newest first; NULL is fine */
void *arena_alloc(arena *a, size_t size); /* zeroed, aligned to 64 bytes when size >= 64, else 16 */
size_t arena_used(const arena *a);        /* bytes handed out */

/* `release(thing)` is called when the arena is freed: for what a library allocated. */
void arena_defer(arena *a, void (*release)(void *thing), void *thing);

char *arena_copy(arena *a, const void *data, size_t size); /* a copy with a NUL behind it */
char *arena_text(arena *a, const char *text);              /* strdup; NULL stays NULL */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *format, va_list arguments);

#define arena_new_of(a, type)       ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (size_t)(count)))

#endif
