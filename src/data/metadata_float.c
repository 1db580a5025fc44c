/* metadata_float.c - a number, within bounds where they are given. Whole numbers are numbers too. */
#include "data/kind.h"

static bool is_number(const json *v) { return json_kind_of(v) == JSON_INT || json_kind_of(v) == JSON_REAL; }

static bool take_bound(const json *in, const char *key, json *out, err *e) {
    json *v = json_get(in, key);
    json_set(out, key, v);
    return !v || is_number(v) || key_wrong(in, key, "null or a number", e);
}

static bool create(arena *a, const json *in, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("float")));
    return take_bound(in, "min", *out, e) && take_bound(in, "max", *out, e) && bounds_in_order(*out, e);
}

static bool check(const json *settings, const json *value, err *e) {
    if (!is_number(value)) return err_set(e, ERR_INPUT, "it should be a number, but is %s", value_words(value));
    return within_bounds(settings, value, e);
}

const metadata_type metadata_type_float = {"float", "a number", create, check, true};
