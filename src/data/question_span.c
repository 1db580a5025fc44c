/* question_span.c - stretches of a field's text, each with a label. Offsets count code points. */
#include "data/kind.h"

#include <stdlib.h>

enum { SPANS_MAX = 10000 };
static const option_limits limits = {1, 500};

static bool settings_of(arena *a, const json *in, json *out, err *e) {
    json_set(out, "type", json_new_text(a, STR("span")));
    if (!take_text(a, in, "field", 200, out, e) || !take_options(a, in, limits, out, e)) return false;
    if (!take_visible_options(a, in, out, e) || !take_flag(a, in, "allow_overlapping", false, false, out, e)) return false;
    json_set(out, "allow_character_annotation", json_new_bool(a, true));
    return true;
}

/* The field exists, and no other question marks spans in it. */
static bool field_is_free(str field, const kind_context *c, err *e) {
    const json *fields = c ? c->fields : NULL, *questions = c ? c->questions : NULL;
    if (!member_named(fields, field))
        return err_set(e, ERR_INPUT, "'field' should name a field of the dataset, but '%.*s' is none", STR_ARG(field));
    for (size_t i = 0; i < json_count(questions); i++) {
        const json *one = json_at(questions, i), *settings = json_get(one, "settings");
        if (str_is(json_get_text(settings, "type", STR("")), "span") && str_eq(json_get_text(settings, "field", STR("")), field))
            return err_set(e, ERR_INPUT, "the field '%.*s' has a span question already ('%.*s'); one for each field",
                           STR_ARG(field), STR_ARG(json_get_text(one, "name", STR("?"))));
    }
    return true;
}

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    *out = json_new_object(a);
    return settings_of(a, in, *out, e) && field_is_free(json_get_text(*out, "field", STR("")), c, e);
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e)) return false;
    json *merged = with_changes(a, old, in);
    if (c && c->free) return create(a, merged, c, out, e);
    json_set(merged, "field", json_get(old, "field"));
    *out = json_new_object(a);
    if (!settings_of(a, merged, *out, e) || !options_keep_values(old, json_get(*out, "options"), e)) return false;
    if (json_get_bool(old, "allow_overlapping", false) && !json_get_bool(*out, "allow_overlapping", false))
        return err_set(e, ERR_INPUT, "'allow_overlapping' cannot go back to false: answers may overlap already");
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

static int64_t start_of(const json *span) { return json_get_int(span, "start", -1); }
static int64_t end_of(const json *span) { return json_get_int(span, "end", -1); }
static bool is_whole(const json *span, const char *key) { return json_kind_of(json_get(span, key)) == JSON_INT; }

static bool check_span(const json *settings, const json *span, int64_t length, err *e) {
    if (!body_is_object(span, "it", e) || !check_label(settings, json_get(span, "label"), "'label'", e)) return false;
    if (!is_whole(span, "start") || start_of(span) < 0) return key_wrong(span, "start", "a whole number of at least 0", e);
    if (!is_whole(span, "end") || end_of(span) <= start_of(span))
        return key_wrong(span, "end", "a whole number above 'start'", e);
    if (end_of(span) <= length) return true;
    return err_set(e, ERR_INPUT, "it ends at %lld, but the text of '%.*s' has %lld characters", (long long)end_of(span),
                   STR_ARG(json_get_text(settings, "field", STR("?"))), (long long)length);
}

static int by_start(const void *x, const void *y) {
    const json *a = *(const json *const *)x, *b = *(const json *const *)y;
    if (start_of(a) != start_of(b)) return start_of(a) < start_of(b) ? -1 : 1;
    if (end_of(a) != end_of(b)) return end_of(a) < end_of(b) ? -1 : 1;
    return str_compare(json_get_text(a, "label", STR("")), json_get_text(b, "label", STR("")));
}

/* The spans by their place; release with memory_release. */
static const json **sorted(const json *value) {
    const size_t n = json_count(value);
    const json **list = memory_alloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = json_at(value, i);
    qsort(list, n, sizeof *list, by_start);
    return list;
}

static bool check_apart(const json *value, err *e) {
    const json **list = sorted(value);
    bool ok = true;
    for (size_t i = 1; ok && i < json_count(value); i++)
        if (start_of(list[i]) < end_of(list[i - 1]))
            ok = err_set(e, ERR_INPUT, "spans should not overlap, but %lld-%lld and %lld-%lld do",
                         (long long)start_of(list[i - 1]), (long long)end_of(list[i - 1]), (long long)start_of(list[i]),
                         (long long)end_of(list[i]));
    memory_release(list);
    return ok;
}

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    const str field = json_get_text(settings, "field", STR(""));
    const json *text = value_of(c ? c->record_fields : NULL, field);
    const size_t n = json_count(value);
    if (json_kind_of(value) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "the answer should be a list of {\"label\", \"start\", \"end\"}, but is %s",
                       value_words(value));
    if (n > SPANS_MAX) return err_set(e, ERR_INPUT, "the answer should have at most %d spans, but has %zu", SPANS_MAX, n);
    if (n && json_kind_of(text) != JSON_STRING)
        return err_set(e, ERR_INPUT, "spans need a text in the field '%.*s', but it is %s", STR_ARG(field), value_words(text));
    const int64_t length = (int64_t)text_characters(json_text(text, STR("")));
    for (size_t i = 0; i < n; i++)
        if (!check_span(settings, json_at(value, i), length, e)) return err_prefix(e, "span %zu", i + 1);
    return json_get_bool(settings, "allow_overlapping", false) || check_apart(value, e);
}

static void same(const json *value, buf *out) {
    const json **list = sorted(value);
    for (size_t i = 0; i < json_count(value); i++) {
        buf_printf(out, "%lld-%lld", (long long)start_of(list[i]), (long long)end_of(list[i]));
        json_quote(out, json_get_text(list[i], "label", STR("")));
    }
    memory_release(list);
}

static json *relabelled(arena *a, const json *span, json *label) {
    json *out = copy_object(a, span);
    json_set(out, "label", label);
    return out;
}

static bool has_span(const json *list, const json *span) {
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_at(list, i), span)) return true;
    return false;
}

/* Spans whose labels became one, at one place, are one. A text without spans is an answer too. */
static json *replace(arena *a, const json *value, option_change *c) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) {
        const json *old = json_at(value, i);
        json *label = option_becomes(c, json_get(old, "label"));
        json *span = label ? relabelled(a, old, label) : NULL;
        if (span && !has_span(out, span)) json_append(out, span);
    }
    return out;
}

const question_type question_type_span = {
    "span", "stretches of a text, each with a label", SCALE_NONE, create, update, check, NULL, NULL, same, replace, NULL,
};
