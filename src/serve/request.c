/* request.c - what a handler reads of a request, and the words when it is wrong. */
#include <stdio.h>
#include <string.h>

#include "serve/api.h"

bool invalid(call *c, const char *where, err *e, const char *format, ...) {
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!e->code) c->where = arena_text(c->a, where);
    return err_set(e, ERR_INPUT, "%s", text);
}

bool broken_rule(call *c, const err *broken, err *e) {
    if (broken->code != ERR_INPUT) return err_set(e, broken->code, "%s", broken->text);
    return invalid(c, "body", e, "%s", broken->text);
}

str written(call *c, const json *v) {
    buf text = {0};
    if (!v) return (str){NULL, 0};
    json_put(&text, v);
    const str out = {arena_copy(c->a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

bool forbidden(err *e, const char *words) { return err_set(e, ERR_FORBIDDEN, "%s", words); }

str query_of(const call *c, const char *key, str fallback) {
    for (int i = 0; i < c->queries; i++)
        if (strcmp(c->query[i].key, key) == 0) return c->query[i].value;
    return fallback;
}

bool query_int(call *c, const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *out, err *e) {
    const str text = query_of(c, key, (str){NULL, 0});
    long v = (long)fallback;
    if (text.ptr && !str_to_long(text, &v))
        return invalid(c, arena_printf(c->a, "query.%s", key), e, "%s should be an integer, it is '%.*s'", key, STR_ARG(text));
    if (v < min || v > max)
        return invalid(c, arena_printf(c->a, "query.%s", key), e, "%s should be %lld to %lld, it is %ld", key, (long long)min,
                       (long long)max, v);
    *out = v;
    return true;
}

bool body_object(call *c, err *e) {
    return json_kind_of(c->body) == JSON_OBJECT || invalid(c, "body", e, "the body should be a JSON object, it is %s",
                                                           c->raw.len ? json_kind_name(json_kind_of(c->body)) : "empty");
}

static const char *place(call *c, const char *key) { return arena_printf(c->a, "body.%s", key); }

static bool text_of(call *c, const json *v, const char *key, size_t min, size_t max, str *out, err *e) {
    if (json_kind_of(v) != JSON_STRING)
        return invalid(c, place(c, key), e, "%s should be a string, it is %s", key, json_kind_name(json_kind_of(v)));
    *out = json_text(v, STR(""));
    if (out->len && memchr(out->ptr, '\0', out->len)) return invalid(c, place(c, key), e, "%s should not hold a NUL", key);
    const size_t n = text_characters(*out);
    if (n < min || n > max)
        return invalid(c, place(c, key), e, "%s should have %zu to %zu characters, it has %zu", key, min, max, n);
    return true;
}

bool body_text(call *c, const char *key, size_t min, size_t max, const char **out, err *e) {
    str text;
    if (!body_object(c, e)) return false;
    if (!json_get(c->body, key)) return invalid(c, place(c, key), e, "%s is required", key);
    if (!text_of(c, json_get(c->body, key), key, min, max, &text, e)) return false;
    *out = str_copy(c->a, text);
    return true;
}

bool body_text_or(call *c, const char *key, size_t min, size_t max, const char **out, err *e) {
    return !json_get(c->body, key) || body_text(c, key, min, max, out, e);
}

bool body_text_null(call *c, const char *key, size_t min, size_t max, str *out, bool *given, err *e) {
    *given = json_has(c->body, key);
    if (!*given) return true;
    *out = (str){NULL, 0};
    return !json_get(c->body, key) || text_of(c, json_get(c->body, key), key, min, max, out, e);
}

bool body_bool_or(call *c, const char *key, bool *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    if (json_kind_of(v) != JSON_BOOL)
        return invalid(c, place(c, key), e, "%s should be true or false, it is %s", key, json_kind_name(json_kind_of(v)));
    *out = json_bool(v, false);
    return true;
}

bool body_not_null(call *c, const char *const *keys, err *e) {
    buf list = {0};
    for (; *keys; keys++)
        if (json_has(c->body, *keys) && !json_get(c->body, *keys)) buf_printf(&list, "%s%s", list.len ? ", " : "", *keys);
    const bool ok = !list.len || invalid(c, "body", e, "The following keys must have non-null values: %s", list.ptr);
    buf_free(&list);
    return ok;
}

/* ---- include=responses&include=vectors:a,b -------------------------------------------------------------------------------------- */

static bool include_word(call *c, str word, include *out, err *e) {
    if (str_is(word, "responses")) out->responses = true;
    else if (str_is(word, "suggestions")) out->suggestions = true;
    else if (str_is(word, "vectors")) {
        if (out->vectors && out->vector_count)
            return invalid(c, "query.include", e, "'vectors' and 'vectors:...' exclude each other");
        out->vectors = true;
    } else
        return invalid(c, "query.include", e, "include knows responses, suggestions, vectors and vectors:NAMES, not '%.*s'",
                       STR_ARG(word));
    return true;
}

static bool include_vectors(call *c, str names, include *out, err *e) {
    if (out->vectors && !out->vector_count)
        return invalid(c, "query.include", e, "'vectors' and 'vectors:...' exclude each other");
    str *list = arena_array(c->a, str, names.len + 1);
    int n = 0;
    for (size_t at = 0; at <= names.len;) {
        const ptrdiff_t comma = str_find(names, STR(","), at);
        const size_t end = comma < 0 ? names.len : (size_t)comma;
        if (end > at) list[n++] = str_slice(names, at, end);
        at = end + 1;
    }
    if (!n) return invalid(c, "query.include", e, "'vectors:' names no vector");
    out->vectors = true;
    out->vector_names = list;
    out->vector_count = n;
    return true;
}

bool include_of(call *c, include *out, err *e) {
    *out = (include){0};
    for (int i = 0; i < c->queries; i++) {
        if (strcmp(c->query[i].key, "include") != 0) continue;
        const str v = c->query[i].value;
        for (size_t at = 0; at <= v.len;) { /* names of vectors take the rest: they are joined by commas too */
            const str rest = str_slice(v, at, v.len);
            if (str_starts(rest, STR("vectors:"))) {
                if (!include_vectors(c, str_slice(rest, 8, rest.len), out, e)) return false;
                break;
            }
            const ptrdiff_t comma = str_find(v, STR(","), at);
            const size_t end = comma < 0 ? v.len : (size_t)comma;
            if (end > at && !include_word(c, str_slice(v, at, end), out, e)) return false;
            at = end + 1;
        }
    }
    return true;
}
