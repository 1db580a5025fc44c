/* field_custom.c - an object that a template of the dataset's owner shows, shut in a sandbox. */
#include "data/kind.h"

static bool create(arena *a, const json *in, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("custom")));
    return take_text(a, in, "template", (size_t)1 << 24, *out, e) && take_flag(a, in, "advanced_mode", false, false, *out, e);
}

static bool update(arena *a, const json *old, const json *in, json **out, err *e) {
    return same_type(old, in, e) && create(a, with_changes(a, old, in), out, e);
}

static bool check(const json *value, err *e) {
    return json_kind_of(value) == JSON_OBJECT || err_set(e, ERR_INPUT, "it should be an object, but is %s", value_words(value));
}

static void search_text(const json *value, buf *out) { json_put(out, value); }

const field_type field_type_custom = {"custom", "an object shown by a template", create, update, check, search_text};
