/* question_label_selection.c - one label out of many. */
#include "data/kind.h"

static const option_limits limits = {2, 500};

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    (void)c;
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("label_selection")));
    return take_options(a, in, limits, *out, e) && take_visible_options(a, in, *out, e);
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e) || !create(a, with_changes(a, old, in), c, out, e)) return false;
    return (c && c->free) || options_keep_values(old, json_get(*out, "options"), e);
}

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    (void)c;
    return check_label(settings, value, "the answer", e);
}

static void terms(arena *a, const json *value, json *out) {
    (void)a;
    if (value) json_append(out, to_share(value));
}

static json *replace(arena *a, const json *value, option_change *c) {
    (void)a;
    return option_becomes(c, value);
}

const question_type question_type_label_selection = {
    "label_selection", "one label out of many", SCALE_NOMINAL, create, update, check, terms, NULL, same_text, replace, NULL,
};
