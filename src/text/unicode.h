/* unicode.h - code points, UTF-8 checks and normal forms (utf8proc). */
#ifndef FETTLE_TEXT_UNICODE_H
#define FETTLE_TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Length of the character at s[at] (1 for a byte that begins none), its code point in *code (-1: invalid). */
size_t utf8_next(str s, size_t at, int32_t *code);
void utf8_put(buf *out, int32_t code);
bool utf8_valid(str s);
/* Appends s with every invalid sequence replaced by U+FFFD, as Python's and Rust's lossy decoding does. */
void utf8_lossy(buf *out, str s);

typedef enum { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD } normal_form;
void unicode_normalise(buf *out, str s, normal_form f);
int32_t unicode_lower(int32_t code);
int32_t unicode_upper(int32_t code);
bool unicode_is_space(int32_t code);
bool unicode_is_digit(int32_t code); /* general category N* */
bool unicode_is_letter(int32_t code);
bool unicode_is_mark(int32_t code);  /* M*: what StripAccents removes */
bool unicode_combines(int32_t code); /* it has a combining class: it belongs to the letter before it */
bool unicode_is_punctuation(int32_t code);
bool unicode_is_printable(
    int32_t code); /* as str.isprintable: no control, format or unassigned character, no space but the plain one */

#endif
