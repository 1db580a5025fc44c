/* str.c - views of text, and text that grows. */
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

str str_of(const char *text) { return (str){text ? text : "", text ? strlen(text) : 0}; }

bool str_eq(str a, str b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }
bool str_is(str a, const char *text) { return str_eq(a, str_of(text)); }
bool str_starts(str s, str prefix) { return s.len >= prefix.len && str_eq((str){s.ptr, prefix.len}, prefix); }
bool str_ends(str s, str suffix) { return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix); }

ptrdiff_t str_find(str s, str needle, size_t from) {
    if (from > s.len) return -1;
    if (needle.len == 0) return (ptrdiff_t)from;
    if (needle.len > s.len - from) return -1;
    const char *hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return hit ? hit - s.ptr : -1;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

str str_trim(str s) {
    while (s.len && is_space(s.ptr[0])) s.ptr++, s.len--;
    while (s.len && is_space(s.ptr[s.len - 1])) s.len--;
    return s;
}

str str_slice(str s, size_t from, size_t to) {
    if (to > s.len) to = s.len;
    if (from > to) from = to;
    return (str){s.len ? s.ptr + from : s.ptr, to - from};
}

int str_compare(str a, str b) {
    const size_t shared = a.len < b.len ? a.len : b.len;
    const int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* A NUL-terminated copy of a number's text; false when it cannot be one. */
static bool number_text(str s, char *text, size_t size) {
    if (s.len == 0 || s.len >= size || is_space(s.ptr[0]) || memchr(s.ptr, '\0', s.len)) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return true;
}

bool str_to_long(str s, long *out) {
    char text[64], *end;
    if (!number_text(s, text, sizeof text)) return false;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (errno || *end || end == text) return false;
    *out = value;
    return true;
}

bool str_to_double(str s, double *out) {
    char text[400], *end;
    if (!number_text(s, text, sizeof text) || strpbrk(text, "xXnN")) return false; /* no hexadecimals, nan, inf */
    const double value = strtod(text, &end);
    if (*end || end == text || !isfinite(value)) return false;
    *out = value;
    return true;
}

char *str_copy(arena *a, str s) { return arena_copy(a, s.ptr, s.len); }

str str_join(arena *a, str first, str second) {
    char *both = arena_alloc(a, first.len + second.len + 1);
    if (first.len) memcpy(both, first.ptr, first.len);
    if (second.len) memcpy(both + first.len, second.ptr, second.len);
    both[first.len + second.len] = 0;
    return (str){both, first.len + second.len};
}

void buf_free(buf *b) {
    memory_release(b->ptr);
    *b = (buf){0};
}

void buf_clear(buf *b) {
    b->len = 0;
    if (b->ptr) b->ptr[0] = '\0';
}

void buf_reserve(buf *b, size_t more) {
    const size_t need = b->len + more + 1;
    if (need <= b->capacity) return;
    if (need < more) bug("a text of %zu and %zu bytes", b->len, more);
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) capacity = capacity > need / 2 ? need : capacity * 2;
    if (b->capacity && capacity < b->capacity + b->capacity / 2) capacity = b->capacity + b->capacity / 2;
    b->ptr = memory_resize(b->ptr, capacity);
    b->capacity = capacity;
}

void buf_put(buf *b, const void *data, size_t size) {
    buf_reserve(b, size);
    if (size) memcpy(b->ptr + b->len, data, size);
    b->len += size;
    b->ptr[b->len] = '\0';
}

void buf_put_str(buf *b, str s) { buf_put(b, s.ptr, s.len); }
void buf_put_text(buf *b, const char *text) { buf_put_str(b, str_of(text)); }
void buf_put_char(buf *b, char c) { buf_put(b, &c, 1); }

void buf_vprintf(buf *b, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) bug("a format that cannot be printed: %s", format);
    buf_reserve(b, (size_t)length);
    vsnprintf(b->ptr + b->len, (size_t)length + 1, format, arguments);
    b->len += (size_t)length;
}

void buf_printf(buf *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(b, format, arguments);
    va_end(arguments);
}

str buf_str(const buf *b) { return (str){b->ptr ? b->ptr : "", b->len}; }

/* Well-formed byte sequences, table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing past U+10FFFF. */
size_t str_utf8(str s, size_t at) {
    if (at >= s.len) return 0;
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    const unsigned char first = p[0];
    if (first < 0x80) return 1;
    const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.len - at < size) return 0;
    const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return size;
}

int64_t str_characters(str s) {
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

bool str_is_utf8(str s) {
    for (size_t at = 0, size; at < s.len; at += size)
        if (!(size = str_utf8(s, at))) return false;
    return true;
}
