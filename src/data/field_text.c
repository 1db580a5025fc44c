/* field_text.c - a text to read. Numbers stand for their digits. */
#include "data/kind.h"

static bool create(arena *a, const json *in, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("text")));
    return take_flag(a, in, "use_markdown", false, false, *out, e);
}

static bool update(arena *a, const json *old, const json *in, json **out, err *e) {
    return same_type(old, in, e) && create(a, with_changes(a, old, in), out, e);
}

static bool check(const json *value, err *e) {
    const json_kind kind = json_kind_of(value);
    return kind == JSON_STRING || kind == JSON_INT || kind == JSON_REAL ||
           err_set(e, ERR_INPUT, "it should be a text, but is %s", value_words(value));
}

static void search_text(const json *value, buf *out) {
    if (json_kind_of(value) == JSON_STRING) buf_put_str(out, json_text(value, STR("")));
    else json_put(out, value);
}

const field_type field_type_text = {"text", "a text to read", create, update, check, search_text};
