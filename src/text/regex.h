/* regex.h - regular expressions over UTF-8 (Oniguruma with its own syntax: the engine of Hugging Face's tokenizers). */
#ifndef FETTLE_TEXT_REGEX_H
#define FETTLE_TEXT_REGEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Read-only once made; may be used from several threads. */
typedef struct regex regex;
regex *regex_new(arena *a, str pattern, err *e);

/* All matches in a text, left to right and apart from each other. An empty match right behind the last one does not count.
 *     regex_scan s; regex_scan_open(&s, r); regex_scan_text(&s, text); while (regex_scan_next(&s, &begin, &end, e)) ... close */
typedef struct {
    const regex *r;
    void *region;
    str text;
    size_t at;
    ptrdiff_t last; /* end of the last match; -1: none yet */
} regex_scan;
void regex_scan_open(regex_scan *s, const regex *r);
void regex_scan_text(regex_scan *s, str text);
bool regex_scan_next(regex_scan *s, size_t *begin, size_t *end, err *e); /* false: no more, or e is set (it gave up) */
void regex_scan_close(regex_scan *s);

#endif
