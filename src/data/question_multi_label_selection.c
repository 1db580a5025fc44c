/* question_multi_label_selection.c - all labels that fit, at least one. */
#include "data/kind.h"

#include <stdlib.h>

static const option_limits limits = {2, 500};

static bool take_order(arena *a, const json *in, json *out, err *e) {
    const str order = json_has(in, "options_order") ? json_get_text(in, "options_order", STR("")) : STR("natural");
    if (!str_is(order, "natural") && !str_is(order, "suggestion"))
        return key_wrong(in, "options_order", "'natural' or 'suggestion'", e);
    json_set(out, "options_order", json_new_text(a, order));
    return true;
}

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    (void)c;
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("multi_label_selection")));
    return take_options(a, in, limits, *out, e) && take_visible_options(a, in, *out, e) && take_order(a, in, *out, e);
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e) || !create(a, with_changes(a, old, in), c, out, e)) return false;
    return (c && c->free) || options_keep_values(old, json_get(*out, "options"), e);
}

static bool has_before(const json *list, size_t end, const json *label) {
    for (size_t k = 0; k < end; k++)
        if (json_equal(json_at(list, k), label)) return true;
    return false;
}

static bool has(const json *list, const json *label) { return has_before(list, json_count(list), label); }

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    (void)c;
    if (json_kind_of(value) != JSON_ARRAY || !json_count(value))
        return err_set(e, ERR_INPUT, "the answer should be a list of one or more labels, but is %s", value_words(value));
    for (size_t i = 0; i < json_count(value); i++) {
        if (!check_label(settings, json_at(value, i), "every label", e)) return false;
        if (has_before(value, i, json_at(value, i)))
            return err_set(e, ERR_INPUT, "labels should differ, but %s is there twice", value_words(json_at(value, i)));
    }
    return true;
}

static void terms(arena *a, const json *value, json *out) {
    (void)a;
    for (size_t i = 0; i < json_count(value); i++) json_append(out, json_at(value, i));
}

static int by_text(const void *x, const void *y) { return str_compare(*(const str *)x, *(const str *)y); }

/* The labels in one order, whatever order they were chosen in. */
static void same(const json *value, buf *out) {
    const size_t n = json_count(value);
    str *labels = memory_alloc((n + 1) * sizeof *labels);
    for (size_t i = 0; i < n; i++) labels[i] = json_text(json_at(value, i), STR(""));
    qsort(labels, n, sizeof *labels, by_text);
    for (size_t i = 0; i < n; i++) json_quote(out, labels[i]);
    memory_release(labels);
}

/* Labels that became one stand once. */
static json *replace(arena *a, const json *value, option_change *c) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) {
        json *label = option_becomes(c, json_at(value, i));
        if (label && !has(out, label)) json_append(out, label);
    }
    return json_count(out) ? out : NULL;
}

const question_type question_type_multi_label_selection = {
    "multi_label_selection", "all labels that fit", SCALE_NOMINAL, create, update, check, terms, NULL, same, replace, NULL,
};
