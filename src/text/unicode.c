/* unicode.c - see unicode.h. */
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

size_t utf8_next(str s, size_t at, int32_t *code) {
    utf8proc_int32_t c;
    const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at, (utf8proc_ssize_t)(s.len - at), &c);
    *code = n > 0 ? c : -1;
    return n > 0 ? (size_t)n : 1;
}

void utf8_put(buf *out, int32_t code) {
    utf8proc_uint8_t bytes[4];
    buf_put(out, bytes, (size_t)utf8proc_encode_char(code, bytes));
}

bool utf8_valid(str s) {
    int32_t code;
    for (size_t i = 0; i < s.len;) {
        if ((unsigned char)s.ptr[i] < 0x80) {
            i++;
            continue;
        }
        i += utf8_next(s, i, &code);
        if (code < 0) return false;
    }
    return true;
}

/* How many bytes of a broken character belong together (the longest start of a valid one). */
static size_t broken_length(str s, size_t at) {
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    const size_t left = s.len - at;
    const unsigned lead = p[0];
    size_t want = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 1;
    size_t n = 1;
    while (n < want && n < left) {
        unsigned low = 0x80, high = 0xBF;
        if (n == 1 && lead == 0xE0) low = 0xA0;
        if (n == 1 && lead == 0xED) high = 0x9F;
        if (n == 1 && lead == 0xF0) low = 0x90;
        if (n == 1 && lead == 0xF4) high = 0x8F;
        if (p[n] < low || p[n] > high) break;
        n++;
    }
    return n;
}

void utf8_lossy(buf *out, str s) {
    int32_t code;
    for (size_t i = 0; i < s.len;) {
        const size_t n = utf8_next(s, i, &code);
        if (code >= 0) buf_put(out, s.ptr + i, n);
        else buf_put_text(out, "\xEF\xBF\xBD");
        i += code >= 0 ? n : broken_length(s, i);
    }
}

void unicode_normalise(buf *out, str s, normal_form f) {
    static const int options[] = {UTF8PROC_STABLE | UTF8PROC_COMPOSE, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
                                  UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                  UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    utf8proc_uint8_t *made = NULL;
    const utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &made, (utf8proc_option_t)options[f]);
    if (n >= 0) buf_put(out, made, (size_t)n);
    else buf_put_str(out, s);
    free(made);
}

int32_t unicode_lower(int32_t code) { return utf8proc_tolower(code); }
int32_t unicode_upper(int32_t code) { return utf8proc_toupper(code); }

bool unicode_is_space(int32_t c) {
    if (c == ' ' || (c >= 9 && c <= 13) || c == 0x85) return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

bool unicode_is_digit(int32_t c) {
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool unicode_is_letter(int32_t c) {
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool unicode_is_mark(int32_t c) {
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool unicode_combines(int32_t c) { return c >= 0 && utf8proc_get_property(c)->combining_class != 0; }

bool unicode_is_punctuation(int32_t c) {
    if (c < 128) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool unicode_is_printable(int32_t c) {
    const utf8proc_category_t k = utf8proc_category(c);
    return c == ' ' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_SO);
}
