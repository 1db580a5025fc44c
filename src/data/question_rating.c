/* question_rating.c - one whole number out of a few. */
#include <stdio.h>

#include "data/kind.h"

enum { OPTIONS_MIN = 2, OPTIONS_MAX = 11, VALUE_MIN = 0, VALUE_MAX = 10 };

static bool has(const json *options, int64_t number) {
    for (size_t i = 0; i < json_count(options); i++)
        if (json_int(json_get(json_at(options, i), "value"), -1) == number) return true;
    return false;
}

static bool take_number(arena *a, const json *given, json *options, err *e) {
    const json *v = json_get(given, "value");
    const int64_t number = json_int(v, -1);
    json *one = json_new_object(a);
    if (json_kind_of(v) != JSON_INT || number < VALUE_MIN || number > VALUE_MAX)
        return key_wrong(given, "value", "a whole number from 0 to 10", e);
    if (has(options, number)) return err_set(e, ERR_INPUT, "the value %d is there already; values should differ", (int)number);
    json_set(one, "value", json_new_int(a, number));
    json_append(options, one);
    return true;
}

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    const json *given = json_get(in, "options");
    const size_t n = json_count(given);
    json *options = json_new_array(a);
    (void)c;
    *out = json_new_object(a);
    if (json_kind_of(given) != JSON_ARRAY) return key_wrong(in, "options", "a list of 2 to 11 numbers, each {\"value\": N}", e);
    if (n < OPTIONS_MIN || n > OPTIONS_MAX) return err_set(e, ERR_INPUT, "'options' should be 2 to 11 numbers, but are %zu", n);
    for (size_t i = 0; i < n; i++)
        if (!take_number(a, json_at(given, i), options, e)) return err_prefix(e, "option %zu", i + 1);
    json_set(*out, "type", json_new_text(a, STR("rating")));
    json_set(*out, "options", options);
    return true;
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e)) return false;
    return create(a, c && c->free ? with_changes(a, old, in) : old, c, out, e);
}

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    (void)c;
    if (json_kind_of(value) == JSON_INT && has(json_get(settings, "options"), json_int(value, -1))) return true;
    return err_set(e, ERR_INPUT, "the answer should be one of the whole numbers %s, but is %s", option_names(settings),
                   value_words(value));
}

static void same(const json *value, buf *out) { buf_printf(out, "%lld", (long long)json_int(value, -1)); }

static void terms(arena *a, const json *value, json *out) {
    buf text = {0};
    same(value, &text);
    json_append(out, json_new_text(a, buf_str(&text)));
    buf_free(&text);
}

static bool number(const json *value, double *out) {
    *out = json_real(value, 0);
    return json_kind_of(value) == JSON_INT;
}

static json *replace(arena *a, const json *value, option_change *c) {
    (void)a;
    return option_becomes(c, value);
}

const question_type question_type_rating = {
    "rating", "one whole number out of a few", SCALE_ORDINAL, create, update, check, terms, number, same, replace, NULL,
};
