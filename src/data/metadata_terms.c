/* metadata_terms.c - words (or any values) that records are sorted by; a list of values is as good as one. */
#include "data/kind.h"

enum { VALUES_MAX = 250 };

static bool create(arena *a, const json *in, json **out, err *e) {
    json *values = json_get(in, "values");
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("terms")));
    json_set(*out, "values", values);
    if (!values) return true;
    if (json_kind_of(values) != JSON_ARRAY) return key_wrong(in, "values", "null or a list of values", e);
    return (json_count(values) >= 1 && json_count(values) <= VALUES_MAX) ||
           err_set(e, ERR_INPUT, "'values' should be null or 1 to %d values, but are %zu", VALUES_MAX, json_count(values));
}

static bool same_value(const json *a, const json *b) {
    return json_kind_of(a) == json_kind_of(b) && json_equal(a, b); /* 1 is not 1.0, and neither is true */
}

static bool check_one(const json *values, const json *value, err *e) {
    for (size_t i = 0; i < json_count(values); i++)
        if (same_value(json_at(values, i), value)) return true;
    buf list = {0};
    json_put(&list, values);
    err_set(e, ERR_INPUT, "it should be one of %.200s%s, but is %s", list.ptr, list.len > 200 ? "..." : "", value_words(value));
    buf_free(&list);
    return false;
}

static bool check(const json *settings, const json *value, err *e) {
    const json *values = json_get(settings, "values");
    if (!values) return true;
    if (json_kind_of(value) != JSON_ARRAY) return check_one(values, value, e);
    for (size_t i = 0; i < json_count(value); i++)
        if (!check_one(values, json_at(value, i), e)) return err_prefix(e, "value %zu", i + 1);
    return true;
}

const metadata_type metadata_type_terms = {"terms", "words that records are sorted by", create, check, false};
