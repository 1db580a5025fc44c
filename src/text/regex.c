/* regex.c - see regex.h. The only file that knows Oniguruma. */
#include "text/regex.h"

#include <oniguruma.h>
#include <pthread.h>

#include "text/unicode.h"

struct regex {
    OnigRegex compiled;
};

static void start(void) {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
}

static void release(void *thing) { onig_free(((regex *)thing)->compiled); }

regex *regex_new(arena *a, str pattern, err *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static pthread_mutex_t compiling = PTHREAD_MUTEX_INITIALIZER;
    OnigErrorInfo info;
    pthread_once(&once, start);
    regex *r = arena_new_of(a, regex);
    const OnigUChar *begin = (const OnigUChar *)pattern.ptr;
    pthread_mutex_lock(&compiling);
    const int code =
        onig_new(&r->compiled, begin, begin + pattern.len, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &info);
    pthread_mutex_unlock(&compiling);
    if (code != ONIG_NORMAL) {
        OnigUChar words[ONIG_MAX_ERROR_MESSAGE_LEN];
        onig_error_code_to_str(words, code, &info);
        return err_null(e, ERR_INPUT, "pattern '%.*s': %s", STR_ARG(str_slice(pattern, 0, pattern.len < 200 ? pattern.len : 200)),
                        (const char *)words);
    }
    arena_defer(a, release, r);
    return r;
}

void regex_scan_open(regex_scan *s, const regex *r) { *s = (regex_scan){.r = r, .region = onig_region_new()}; }

void regex_scan_text(regex_scan *s, str text) {
    s->text = text;
    s->at = 0;
    s->last = -1;
}

bool regex_scan_next(regex_scan *s, size_t *begin, size_t *end, err *e) {
    const OnigUChar *text = (const OnigUChar *)s->text.ptr, *stop = text + s->text.len;
    OnigRegion *region = s->region;
    while (s->at <= s->text.len) {
        onig_region_clear(region);
        const int found = onig_search(s->r->compiled, text, stop, text + s->at, stop, region, ONIG_OPTION_NONE);
        if (found == ONIG_MISMATCH) return false;
        if (found < 0) {
            OnigUChar words[ONIG_MAX_ERROR_MESSAGE_LEN];
            onig_error_code_to_str(words, found);
            return err_set(e, ERR_LIMIT, "a pattern gave up on this text: %s", (const char *)words);
        }
        *begin = (size_t)region->beg[0];
        *end = (size_t)region->end[0];
        if (*begin == *end && (ptrdiff_t)*end == s->last) { /* look one character further */
            int32_t code;
            s->at += s->at < s->text.len ? utf8_next(s->text, s->at, &code) : 1;
            continue;
        }
        s->at = *end;
        s->last = (ptrdiff_t)*end;
        return true;
    }
    return false;
}

void regex_scan_close(regex_scan *s) {
    if (s->region) onig_region_free(s->region, 1);
    s->region = NULL;
}
