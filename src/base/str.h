/* str.h - views of text, and text that grows. */
#ifndef FETTLE_BASE_STR_H
#define FETTLE_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* A view: owns nothing, need not end with NUL. */
typedef struct {
    const char *ptr;
    size_t len;
} str;

#define STR(literal) ((str){(literal), sizeof(literal) - 1})
#define STR_ARG(s)   (int)(s).len, (s).ptr /* for "%.*s" */

str str_of(const char *text); /* NULL gives the empty view */
bool str_eq(str a, str b);
bool str_is(str a, const char *text);
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
ptrdiff_t str_find(str s, str needle, size_t from); /* -1: not there */
str str_trim(str s);                                /* without ASCII white space at both ends */
str str_slice(str s, size_t from, size_t to);
int str_compare(str a, str b);          /* by bytes, shorter first */
bool str_to_long(str s, long *out);     /* whole string, base 10 */
bool str_to_double(str s, double *out); /* whole string, finite */
char *str_copy(arena *a, str s);        /* NUL-terminated copy */
str str_join(arena *a, str first, str second);
size_t str_utf8(str s, size_t at); /* bytes of the UTF-8 character at `at` (1..4); 0: not one, or the end */
bool str_is_utf8(str s);
int64_t str_characters(str s); /* code points of UTF-8 text: bytes that do not continue one */

/* Text that grows on the heap. `buf b = {0};` is empty; buf_free releases. Always NUL-terminated once anything was put. */
typedef struct {
    char *ptr;
    size_t len, capacity;
} buf;

void buf_free(buf *b);
void buf_clear(buf *b); /* keeps the memory */
void buf_reserve(buf *b, size_t more);
void buf_put(buf *b, const void *data, size_t size);
void buf_put_str(buf *b, str s);
void buf_put_text(buf *b, const char *text);
void buf_put_char(buf *b, char c);
void buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(buf *b, const char *format, va_list arguments);
str buf_str(const buf *b);

#endif
