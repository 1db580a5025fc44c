/* question_comparison.c - which of two answers is better: a, b, tie, or both bad, and by how much.
 *
 *   settings  {"type", "fields": [field of A, field of B] or null, "options": [{"value": "a", "text"}, {"value": "b", "text"}], "strength"}
 *   answer    {"choice": "a" | "b" | "tie" | "both_bad", "strength": 1..3 (with strength, for a and b), "order": ["b", "a"]}
 *
 * `order` says which answer stood first on the screen; `choice` is about A and B themselves, wherever they stood. */
#include "data/kind.h"

#include <stdio.h>

enum { STRENGTH_MAX = 3 };

static bool take_fields(const json *in, const kind_context *c, json *out, err *e) {
    json *given = json_get(in, "fields");
    json_set(out, "fields", given);
    if (!given) return true;
    if (json_kind_of(given) != JSON_ARRAY || json_count(given) != 2)
        return key_wrong(in, "fields", "null or a list of two names of fields", e);
    for (size_t i = 0; i < 2; i++) {
        const str name = json_text(json_at(given, i), STR(""));
        if (!member_named(c ? c->fields : NULL, name))
            return err_set(e, ERR_INPUT, "'fields' should name two fields of the dataset, but %s is none",
                           value_words(json_at(given, i)));
    }
    return !json_equal(json_at(given, 0), json_at(given, 1)) ||
           err_set(e, ERR_INPUT, "'fields' should name two different fields");
}

static json *option(arena *a, const char *value, const char *text) {
    json *one = json_new_object(a);
    json_set(one, "value", json_new_text(a, str_of(value)));
    json_set(one, "text", json_new_text(a, str_of(text)));
    return one;
}

static bool take_sides(arena *a, const json *in, json *out, err *e) {
    static const char *const values[] = {"a", "b"}, *const texts[] = {"A", "B"};
    const json *given = json_get(in, "options");
    json *options = json_new_array(a);
    if (given && json_count(given) != 2) return key_wrong(in, "options", "null or a list of the two options 'a' and 'b'", e);
    for (size_t i = 0; i < 2; i++) {
        json *one = option(a, values[i], texts[i]);
        const json *side = json_at(given, i);
        if (side && !str_is(json_get_text(side, "value", STR("")), values[i]))
            return err_set(e, ERR_INPUT, "option %zu: 'value' should be '%s', but is %s", i + 1, values[i],
                           value_words(json_get(side, "value")));
        if (side && !take_text(a, side, "text", 500, one, e)) return err_prefix(e, "option %zu", i + 1);
        json_append(options, one);
    }
    json_set(out, "options", options);
    return true;
}

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("comparison")));
    if (!json_get(in, "fields") && !json_get(in, "options"))
        return err_set(e, ERR_INPUT, "'fields' should name the two fields that are compared, or 'options' say what A and B are");
    return take_fields(in, c, *out, e) && take_sides(a, in, *out, e) && take_flag(a, in, "strength", false, false, *out, e);
}

/* Texts of the options and `strength` change; which fields are compared only when free. */
static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e)) return false;
    json *merged = with_changes(a, old, in);
    if (c && c->free) return create(a, merged, c, out, e);
    *out = copy_object(a, old);
    return take_sides(a, merged, *out, e) && take_flag(a, merged, "strength", false, false, *out, e);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

static bool is_side(str s) { return str_is(s, "a") || str_is(s, "b"); }

static bool check_order(const json *order, err *e) {
    const str first = json_text(json_at(order, 0), STR("")), second = json_text(json_at(order, 1), STR(""));
    if (!order || (json_count(order) == 2 && is_side(first) && is_side(second) && !str_eq(first, second))) return true;
    return err_set(e, ERR_INPUT, "'order' should be [\"a\", \"b\"] or [\"b\", \"a\"], but is %s", value_words(order));
}

static bool check_strength(const json *settings, const json *value, str choice, err *e) {
    const json *v = json_get(value, "strength");
    if (!v) return true;
    if (!json_get_bool(settings, "strength", false)) return err_set(e, ERR_INPUT, "this question does not ask for 'strength'");
    if (!is_side(choice))
        return err_set(e, ERR_INPUT, "'strength' goes with the choices a and b alone, not with '%.*s'", STR_ARG(choice));
    if (json_kind_of(v) == JSON_INT && json_int(v, 0) >= 1 && json_int(v, 0) <= STRENGTH_MAX) return true;
    return key_wrong(value, "strength", "a whole number from 1 to 3", e);
}

/* A choice alone may stand for an answer: "a". */
static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    (void)c;
    const bool alone = json_kind_of(value) == JSON_STRING;
    const str choice = alone ? json_text(value, STR("")) : json_get_text(value, "choice", STR(""));
    if (alone && (is_side(choice) || str_is(choice, "tie") || str_is(choice, "both_bad"))) return true;
    if (!body_is_object(value, "the answer", e)) return false;
    if (!is_side(choice) && !str_is(choice, "tie") && !str_is(choice, "both_bad"))
        return key_wrong(value, "choice", "'a', 'b', 'tie' or 'both_bad'", e);
    return check_strength(settings, value, choice, e) && check_order(json_get(value, "order"), e);
}

static json *whole(arena *a, const json *value, const json *before) {
    if (json_kind_of(value) != JSON_STRING) return to_share(value);
    if (str_eq(json_get_text(before, "choice", STR("")), json_text(value, STR("")))) return to_share(before);
    json *out = json_new_object(a);
    json_set(out, "choice", to_share(value));
    return out;
}

static void terms(arena *a, const json *value, json *out) {
    (void)a;
    if (json_get(value, "choice")) json_append(out, json_get(value, "choice"));
}

static void same(const json *value, buf *out) { same_text(json_get(value, "choice"), out); }

const question_type question_type_comparison = {
    "comparison", "which of two answers is better", SCALE_NOMINAL, create, update, check, terms, NULL, same, NULL, whole,
};
