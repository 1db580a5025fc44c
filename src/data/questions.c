/* questions.c - the table of question types, and whole questions: name, title, description, required, settings. */
#include "data/kind.h"

enum { NAME_MAX_LENGTH = 200, TITLE_MAX = 500, DESCRIPTION_MAX = 1000 };

enum {
#define X(name) QUESTION_##name,
    QUESTION_TYPES(X)
#undef X
        QUESTION_TYPE_COUNT
};

static const question_type *const all[QUESTION_TYPE_COUNT] = {
#define X(name) &question_type_##name,
    QUESTION_TYPES(X)
#undef X
};

const question_type *const *question_types(int *count) {
    *count = QUESTION_TYPE_COUNT;
    return all;
}

const question_type *question_type_find(str name) {
    for (int i = 0; i < QUESTION_TYPE_COUNT; i++)
        if (str_is(name, all[i]->name)) return all[i];
    return NULL;
}

static const question_type *type_of_settings(const json *settings) {
    return question_type_find(json_get_text(settings, "type", STR("")));
}

const question_type *question_type_of(const json *question) { return type_of_settings(json_get(question, "settings")); }

static bool no_such_type(const json *settings, err *e) {
    buf names = {0};
    for (int i = 0; i < QUESTION_TYPE_COUNT; i++) buf_printf(&names, "%s%s", i ? ", " : "", all[i]->name);
    err_set(e, ERR_INPUT, "settings.type should be one of %s, but is %s", names.ptr,
            json_has(settings, "type") ? value_words(json_get(settings, "type")) : "missing");
    buf_free(&names);
    return false;
}

static bool name_question(const json *question, err *e) {
    return err_prefix(e, "question '%.*s'", STR_ARG(json_get_text(question, "name", STR("?"))));
}

/* ---- definitions ----------------------------------------------------------------------------------------------------------------- */

static bool take_settings(arena *a, const json *body, const kind_context *c, json *out, err *e) {
    const json *given = json_get(body, "settings");
    json *settings;
    if (!body_is_object(given, "'settings'", e)) return false;
    const question_type *type = type_of_settings(given);
    if (!type) return no_such_type(given, e);
    if (!type->create(a, given, c, &settings, e)) return err_prefix(e, "settings");
    json_set(out, "settings", settings);
    return true;
}

bool question_create(arena *a, const json *body, const kind_context *c, json **out, err *e) {
    json *q = *out = json_new_object(a);
    if (!body_is_object(body, "a question", e) || !take_text(a, body, "name", NAME_MAX_LENGTH, q, e)) return false;
    const bool ok = take_text(a, body, "title", TITLE_MAX, q, e) &&
                    take_text_or_null(a, body, "description", DESCRIPTION_MAX, q, e) &&
                    take_flag(a, body, "required", false, true, q, e) && take_settings(a, body, c, q, e) &&
                    name_is_free(c ? c->questions : NULL, json_get_text(q, "name", STR("")), "question", e);
    return ok || name_question(q, e);
}

static bool change_settings(arena *a, const json *old, const json *body, const kind_context *c, json *out, err *e) {
    const question_type *type = question_type_of(old);
    json *settings;
    if (!type) return no_such_type(json_get(old, "settings"), e);
    if (!type->update(a, json_get(old, "settings"), json_get(body, "settings"), c, &settings, e))
        return err_prefix(e, "settings");
    json_set(out, "settings", settings);
    return true;
}

bool question_update(arena *a, const json *old, const json *body, const kind_context *c, json **out, err *e) {
    static const char *const never_null[] = {"title", "settings", NULL};
    json *q = *out = copy_object(a, old);
    const bool ok = body_is_object(body, "a question", e) && keys_not_null(body, never_null, e) &&
                    (!json_has(body, "title") || take_text(a, body, "title", TITLE_MAX, q, e)) &&
                    (!json_has(body, "description") || take_text_or_null(a, body, "description", DESCRIPTION_MAX, q, e)) &&
                    (!json_has(body, "settings") || change_settings(a, old, body, c, q, e));
    return ok || name_question(old, e);
}

json *question_named(const json *questions, str name) { return member_named(questions, name); }

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

bool question_check(const json *question, const json *value, const value_context *c, err *e) {
    const question_type *type = question_type_of(question);
    if (!type) return no_such_type(json_get(question, "settings"), e) || name_question(question, e);
    return type->check(json_get(question, "settings"), value, c, e) || name_question(question, e);
}

json *question_terms(arena *a, const json *question, const json *value) {
    const question_type *type = question_type_of(question);
    json *out = json_new_array(a);
    if (type && type->terms) type->terms(a, value, out);
    return out;
}

bool question_number(const json *question, const json *value, double *out) {
    const question_type *type = question_type_of(question);
    return type && type->number && type->number(value, out);
}

json *question_whole(arena *a, const json *question, const json *value, const json *before) {
    const question_type *type = question_type_of(question);
    return type && type->whole ? type->whole(a, value, before) : to_share(value);
}

json *values_whole(arena *a, const json *questions, const json *values, const json *before) {
    json *out = to_share(values);
    for (json_member m = {0}; json_next(values, &m);) {
        const json *value = json_get(m.value, "value"), *was = json_get(json_get(before, m.key), "value");
        json *now = question_whole(a, member_named(questions, str_of(m.key)), value, was);
        if (now == value) continue;
        if (out == values) out = copy_object(a, values);
        json *one = copy_object(a, m.value);
        json_set(one, "value", now);
        json_set(out, m.key, one);
    }
    return out;
}

str question_same(arena *a, const json *question, const json *value) {
    const question_type *type = question_type_of(question);
    buf text = {0};
    if (type) type->same(value, &text);
    const str out = {str_copy(a, buf_str(&text)), text.len};
    buf_free(&text);
    return out;
}

answer_scale question_scale(const json *question) {
    const question_type *type = question_type_of(question);
    return type ? type->scale : SCALE_NONE;
}
