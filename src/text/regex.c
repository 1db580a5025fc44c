/* regex.c - see regex.h. */
#include "text/regex.h"

#include <oniguruma.h>

struct regex {
    OnigRegex compiled;
};

static void release(void *thing) { onig_free(((regex *)thing)->compiled); }

regex *regex_new(arena *a, str pattern, err *e) {
    static bool ready;
    OnigErrorInfo info;
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    if (!ready) onig_initialize(encodings, 1);
    ready = true;
    regex *r = arena_new_of(a, regex);
    const OnigUChar *begin = (const OnigUChar *)pattern.ptr;
    const int code = onig_new(&r->compiled, begin, begin + pattern.len, ONIG_OPTION_CAPTURE_GROUP, ONIG_ENCODING_UTF8,
                              ONIG_SYNTAX_ONIGURUMA, &info);
    if (code != ONIG_NORMAL) {
        OnigUChar words[ONIG_MAX_ERROR_MESSAGE_LEN];
        onig_error_code_to_str(words, code, &info);
        return err_null(e, ERR_INPUT, "pattern '%.*s': %s", STR_ARG(pattern), (const char *)words);
    }
    arena_defer(a, release, r);
    return r;
}

bool regex_find(const regex *r, str text, size_t from, size_t *begin, size_t *end) {
    OnigRegion *region = onig_region_new();
    const OnigUChar *at = (const OnigUChar *)text.ptr, *stop = at + text.len;
    const int found =
        from <= text.len ? onig_search(r->compiled, at, stop, at + from, stop, region, ONIG_OPTION_NONE) : ONIG_MISMATCH;
    if (found >= 0) {
        *begin = (size_t)region->beg[0];
        *end = (size_t)region->end[0];
    }
    onig_region_free(region, 1);
    return found >= 0;
}
