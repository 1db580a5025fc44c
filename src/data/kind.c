/* kind.c - see kind.h: keys of a body read with words when they are wrong, names, and what came in place of a value. */
#include "data/kind.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 40 }; /* bytes of a text that a message quotes */

size_t text_characters(str s) {
    size_t n = 0;
    for (size_t at = 0; at < s.len; n++) {
        const size_t bytes = str_utf8(s, at);
        at += bytes ? bytes : 1;
    }
    return n;
}

/* The beginning of a text, cut at a character. */
static str beginning(str s) {
    size_t at = 0;
    if (s.len <= SHOWN) return s;
    for (size_t n; at < SHOWN && (n = str_utf8(s, at)) > 0 && at + n <= SHOWN;) at += n;
    return str_slice(s, 0, at);
}

const char *value_words(const json *v) {
    static _Thread_local char words[128];
    const str text = json_text(v, STR("")), shown = beginning(text);
    const double real = json_real(v, 0);
    switch (json_kind_of(v)) {
    case JSON_NULL: return "null";
    case JSON_BOOL: return json_bool(v, false) ? "true" : "false";
    case JSON_ARRAY: return json_count(v) ? "a list" : "an empty list";
    case JSON_OBJECT: return "an object";
    case JSON_INT: snprintf(words, sizeof words, "the number %lld", (long long)json_int(v, 0)); break;
    case JSON_REAL:
        snprintf(words, sizeof words, real == (double)(int64_t)real ? "the number %.1f" : "the number %g", real);
        break;
    case JSON_STRING:
        if (!text.len) return "an empty text";
        snprintf(words, sizeof words, "the text '%.*s%s'", STR_ARG(shown), shown.len < text.len ? "..." : "");
        break;
    }
    return words;
}

bool key_wrong(const json *object, const char *key, const char *expected, err *e) {
    if (!json_has(object, key)) return err_set(e, ERR_INPUT, "'%s' should be %s, but is missing", key, expected);
    return err_set(e, ERR_INPUT, "'%s' should be %s, but is %s", key, expected, value_words(json_get(object, key)));
}

/* ---- keys of a body -------------------------------------------------------------------------------------------------------------- */

bool body_is_object(const json *body, const char *what, err *e) {
    if (json_kind_of(body) == JSON_OBJECT) return true;
    return err_set(e, ERR_INPUT, "%s should be an object, but is %s", what, value_words(body));
}

bool key_text(const json *body, const char *key, size_t min, size_t max, str *out, err *e) {
    char expected[64];
    snprintf(expected, sizeof expected, "a text of %zu to %zu characters", min, max);
    const json *v = json_get(body, key);
    if (json_kind_of(v) != JSON_STRING) return key_wrong(body, key, expected, e);
    *out = json_text(v, STR(""));
    if (out->len && memchr(out->ptr, '\0', out->len)) return err_set(e, ERR_INPUT, "'%s' should not hold a NUL", key);
    const size_t n = text_characters(*out);
    if (n >= min && n <= max) return true;
    return err_set(e, ERR_INPUT, "'%s' should be %s, but has %zu", key, expected, n);
}

bool take_text(arena *a, const json *body, const char *key, size_t max, json *out, err *e) {
    str text;
    if (!key_text(body, key, 1, max, &text, e)) return false;
    json_set(out, key, json_new_text(a, text));
    return true;
}

bool take_text_or_null(arena *a, const json *body, const char *key, size_t max, json *out, err *e) {
    if (json_get(body, key)) return take_text(a, body, key, max, out, e);
    json_set(out, key, NULL);
    return true;
}

bool take_flag(arena *a, const json *body, const char *key, bool fallback, bool null_is_missing, json *out, err *e) {
    const json *v = json_get(body, key);
    const bool missing = !json_has(body, key) || (!v && null_is_missing);
    if (!missing && json_kind_of(v) != JSON_BOOL) return key_wrong(body, key, "true or false", e);
    json_set(out, key, json_new_bool(a, json_bool(v, fallback)));
    return true;
}

bool keys_not_null(const json *body, const char *const *keys, err *e) {
    buf list = {0};
    for (; *keys; keys++)
        if (json_has(body, *keys) && !json_get(body, *keys)) buf_printf(&list, "%s%s", list.len ? ", " : "", *keys);
    const bool ok = !list.len || err_set(e, ERR_INPUT, "The following keys must have non-null values: %s", list.ptr);
    buf_free(&list);
    return ok;
}

json *member_named(const json *list, str name) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_get_text(json_at(list, i), "name", STR("")), name)) return json_at(list, i);
    return NULL;
}

bool name_is_free(const json *others, str name, const char *what, err *e) {
    return !member_named(others, name) ||
           err_set(e, ERR_CONFLICT, "a %s with the name '%.*s' exists already: choose another name", what, STR_ARG(name));
}

json *value_of(const json *object, str key) {
    char name[1024];
    if (key.len >= sizeof name || memchr(key.ptr, 0, key.len)) return NULL;
    memcpy(name, key.ptr, key.len);
    name[key.len] = 0;
    return json_get(object, name);
}

json *copy_object(arena *a, const json *object) {
    json *out = json_new_object(a);
    for (json_member m = {0}; json_next(object, &m);) json_set(out, m.key, m.value);
    return out;
}

json *with_changes(arena *a, const json *old, const json *in) {
    json *out = copy_object(a, old);
    for (json_member m = {0}; json_next(in, &m);) json_set(out, m.key, m.value);
    return out;
}

void same_text(const json *value, buf *out) { buf_put_str(out, str_trim(json_text(value, STR("")))); }

bool same_type(const json *old, const json *in, err *e) {
    if (!body_is_object(in, "'settings'", e)) return false;
    const str was = json_get_text(old, "type", STR("")), is = json_get_text(in, "type", was);
    if (str_eq(was, is) && (!json_has(in, "type") || json_kind_of(json_get(in, "type")) == JSON_STRING)) return true;
    return err_set(e, ERR_INPUT, "the type stays '%.*s' for good, but settings.type is %s: delete this and make a new one",
                   STR_ARG(was), value_words(json_get(in, "type")));
}
