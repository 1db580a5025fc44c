/* json_words.h - JSON in tests: written with ' for ", compared as text, errors by a part of their words. */
#ifndef FETTLE_TESTS_DATA_JSON_WORDS_H
#define FETTLE_TESTS_DATA_JSON_WORDS_H

#include "test.h"

#include <string.h>

#include "data/data.h"

static arena *memory_of_test; /* one arena for the whole file; freed by the group's teardown */

static inline int words_begin(void **state) {
    (void)state;
    memory_of_test = arena_new();
    return 0;
}

static inline int words_end(void **state) {
    (void)state;
    arena_free(memory_of_test);
    return 0;
}

/* The value; "null" gives NULL. */
static inline json *J(const char *text) {
    char *copy = arena_text(memory_of_test, text);
    json *v;
    err e = {0};
    for (char *c = copy; *c; c++)
        if (*c == '\'') *c = '"';
    if (!json_parse_any(memory_of_test, str_of(copy), &v, &e)) fail_msg("%s: %s", copy, e.text);
    return v;
}

static inline char *text_of(const json *v) {
    buf out = {0};
    json_put(&out, v);
    char *text = str_copy(memory_of_test, buf_str(&out));
    buf_free(&out);
    for (char *c = text; *c; c++)
        if (*c == '"') *c = '\'';
    return text;
}

/* The err holds `words` ("" stands for: no error). */
static inline void assert_words(bool ok, const err *e, const char *words, const char *what) {
    if (ok != !*words) fail_msg("%s: expected %s, got %s", what, *words ? words : "no error", ok ? "no error" : e->text);
    if (!ok && !strstr(e->text, words)) fail_msg("%s: expected '%s' in '%s'", what, words, e->text);
    if (!ok) assert_true(e->code != ERR_NONE);
}

#endif
