/* question_text.c - a text the annotator writes or edits. */
#include "data/kind.h"

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    (void)c;
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("text")));
    return take_flag(a, in, "use_markdown", false, false, *out, e);
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    return same_type(old, in, e) && create(a, with_changes(a, old, in), c, out, e);
}

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    (void)settings, (void)c;
    return json_kind_of(value) == JSON_STRING ||
           err_set(e, ERR_INPUT, "the answer should be a text, but is %s", value_words(value));
}

const question_type question_type_text = {
    "text", "a text, written or edited", SCALE_NONE, create, update, check, NULL, NULL, same_text, NULL, NULL,
};
