/* metadata_integer.c - a whole number, within bounds where they are given. */
#include "data/kind.h"

static bool take_bound(const json *in, const char *key, json *out, err *e) {
    json *v = json_get(in, key);
    json_set(out, key, v);
    return !v || json_kind_of(v) == JSON_INT || key_wrong(in, key, "null or a whole number", e);
}

static bool create(arena *a, const json *in, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("integer")));
    return take_bound(in, "min", *out, e) && take_bound(in, "max", *out, e) && bounds_in_order(*out, e);
}

static bool check(const json *settings, const json *value, err *e) {
    if (json_kind_of(value) != JSON_INT)
        return err_set(e, ERR_INPUT, "it should be a whole number, but is %s", value_words(value));
    return within_bounds(settings, value, e);
}

const metadata_type metadata_type_integer = {"integer", "a whole number", create, check, true};
