/* regex.h - regular expressions over UTF-8 (Oniguruma, the engine Hugging Face's tokenizers use). */
#ifndef FETTLE_TEXT_REGEX_H
#define FETTLE_TEXT_REGEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct regex regex;
regex *regex_new(arena *a, str pattern, err *e);
/* The first match at or after `from`; false: none. */
bool regex_find(const regex *r, str text, size_t from, size_t *begin, size_t *end);

#endif
