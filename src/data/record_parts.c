/* record_parts.c - fields, metadata properties and vector settings: their tables, their definitions, and a record's values for them. */
#include <math.h>
#include <stdio.h>

#include "data/kind.h"

enum { NAME_MAX_LENGTH = 200, TITLE_MAX = 500 };

/* ---- tables ------------------------------------------------------------------------------------------------------------------------ */

enum {
#define X(name) FIELD_##name,
    FIELD_TYPES(X)
#undef X
        FIELD_TYPE_COUNT
};

static const field_type *const fields[FIELD_TYPE_COUNT] = {
#define X(name) &field_type_##name,
    FIELD_TYPES(X)
#undef X
};

enum {
#define X(name) METADATA_##name,
    METADATA_TYPES(X)
#undef X
        METADATA_TYPE_COUNT
};

static const metadata_type *const properties[METADATA_TYPE_COUNT] = {
#define X(name) &metadata_type_##name,
    METADATA_TYPES(X)
#undef X
};

#define X(name) " " #name
static const char field_names[] = FIELD_TYPES(X), property_names[] = METADATA_TYPES(X);
#undef X

static str type_name(const json *definition) { return json_get_text(json_get(definition, "settings"), "type", STR("")); }

const field_type *const *field_types(int *count) {
    *count = FIELD_TYPE_COUNT;
    return fields;
}

const field_type *field_type_find(str name) {
    for (int i = 0; i < FIELD_TYPE_COUNT; i++)
        if (str_is(name, fields[i]->name)) return fields[i];
    return NULL;
}

const field_type *field_type_of(const json *field) { return field_type_find(type_name(field)); }

const metadata_type *const *metadata_types(int *count) {
    *count = METADATA_TYPE_COUNT;
    return properties;
}

const metadata_type *metadata_type_find(str name) {
    for (int i = 0; i < METADATA_TYPE_COUNT; i++)
        if (str_is(name, properties[i]->name)) return properties[i];
    return NULL;
}

const metadata_type *metadata_type_of(const json *property) { return metadata_type_find(type_name(property)); }

static bool wrong_type(const json *body, const char *names, err *e) {
    const json *settings = json_get(body, "settings");
    if (!body_is_object(settings, "'settings'", e)) return false;
    return err_set(e, ERR_INPUT, "settings.type should be one of:%s, but is %s", names,
                   json_has(settings, "type") ? value_words(json_get(settings, "type")) : "missing");
}

/* ---- definitions ----------------------------------------------------------------------------------------------------------------- */

static bool name_it(const char *what, const json *definition, err *e) {
    return err_prefix(e, "%s '%.*s'", what, STR_ARG(json_get_text(definition, "name", STR("?"))));
}

/* name and title, which all of them have */
static bool begin(arena *a, const json *body, const char *what, const json *others, json **out, err *e) {
    char article[64];
    snprintf(article, sizeof article, "a %s", what);
    *out = json_new_object(a);
    return body_is_object(body, article, e) && take_text(a, body, "name", NAME_MAX_LENGTH, *out, e) &&
           take_text(a, body, "title", TITLE_MAX, *out, e) && name_is_free(others, json_get_text(*out, "name", STR("")), what, e);
}

static bool begin_change(arena *a, const json *old, const json *body, const char *what, const char *const *never_null, json **out,
                         err *e) {
    char article[64];
    snprintf(article, sizeof article, "a %s", what);
    *out = copy_object(a, old);
    return body_is_object(body, article, e) && keys_not_null(body, never_null, e) &&
           (!json_has(body, "title") || take_text(a, body, "title", TITLE_MAX, *out, e));
}

static bool field_settings(arena *a, const json *body, json *out, err *e) {
    const field_type *type = field_type_of(body);
    json *settings;
    if (!type) return wrong_type(body, field_names, e);
    if (!type->create(a, json_get(body, "settings"), &settings, e)) return err_prefix(e, "settings");
    json_set(out, "settings", settings);
    return true;
}

bool field_create(arena *a, const json *body, const json *others, json **out, err *e) {
    const bool ok = begin(a, body, "field", others, out, e) && take_flag(a, body, "required", false, true, *out, e) &&
                    field_settings(a, body, *out, e);
    return ok || name_it("field", *out, e);
}

bool field_update(arena *a, const json *old, const json *body, json **out, err *e) {
    static const char *const never_null[] = {"title", "settings", NULL};
    const field_type *type = field_type_of(old);
    json *settings = NULL;
    if (!type) return wrong_type(old, field_names, e) || name_it("field", old, e);
    bool ok = begin_change(a, old, body, "field", never_null, out, e);
    if (ok && json_has(body, "settings"))
        ok = type->update(a, json_get(old, "settings"), json_get(body, "settings"), &settings, e);
    if (ok && settings) json_set(*out, "settings", settings);
    return ok || name_it("field", old, e);
}

static bool metadata_settings(arena *a, const json *body, json *out, err *e) {
    const metadata_type *type = metadata_type_of(body);
    json *settings;
    if (!type) return wrong_type(body, property_names, e);
    if (!type->create(a, json_get(body, "settings"), &settings, e)) return err_prefix(e, "settings");
    json_set(out, "settings", settings);
    return true;
}

bool metadata_create(arena *a, const json *body, const json *others, json **out, err *e) {
    const bool ok = begin(a, body, "metadata property", others, out, e) && metadata_settings(a, body, *out, e) &&
                    take_flag(a, body, "visible_for_annotators", true, false, *out, e);
    return ok || name_it("metadata property", *out, e);
}

bool metadata_update(arena *a, const json *old, const json *body, json **out, err *e) {
    static const char *const never_null[] = {"title", "visible_for_annotators", NULL};
    const bool ok =
        begin_change(a, old, body, "metadata property", never_null, out, e) &&
        (!json_has(body, "visible_for_annotators") || take_flag(a, body, "visible_for_annotators", true, false, *out, e));
    return ok || name_it("metadata property", old, e);
}

static bool is_plain(str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
    }
    return name.len > 0;
}

static bool plain_name(str name, const char *what, err *e) {
    return is_plain(name) ||
           err_set(e, ERR_INPUT, "the name of a %s should be letters a-z, digits, '-' and '_' alone, but is '%.*s'", what,
                   STR_ARG(name));
}

bool workspace_name_check(str name, err *e) {
    if (text_characters(name) > NAME_MAX_LENGTH)
        return err_set(e, ERR_INPUT, "the name of a workspace should have at most %d characters", NAME_MAX_LENGTH);
    return plain_name(name, "workspace", e);
}

bool vector_create(arena *a, const json *body, const json *others, json **out, err *e) {
    const json *v = json_get(body, "dimensions");
    if (!begin(a, body, "vector", others, out, e) || !plain_name(json_get_text(*out, "name", STR("")), "vector", e))
        return name_it("vector", *out, e);
    if (json_count(others) >= VECTORS_MAX)
        return err_set(e, ERR_INPUT, "a dataset has at most %d vectors; delete one first", VECTORS_MAX);
    if (json_kind_of(v) != JSON_INT || json_int(v, 0) < 1)
        return key_wrong(body, "dimensions", "a whole number above 0", e) || name_it("vector", *out, e);
    json_set(*out, "dimensions", to_share(v));
    return true;
}

bool vector_update(arena *a, const json *old, const json *body, json **out, err *e) {
    static const char *const never_null[] = {"title", NULL};
    return begin_change(a, old, body, "vector", never_null, out, e) || name_it("vector", old, e);
}

/* ---- bounds ---------------------------------------------------------------------------------------------------------------------- */

bool bounds_in_order(const json *settings, err *e) {
    const json *min = json_get(settings, "min"), *max = json_get(settings, "max");
    if (!min || !max || json_real(min, 0) < json_real(max, 0)) return true;
    return err_set(e, ERR_INPUT, "'min' should be below 'max', but they are %g and %g", json_real(min, 0), json_real(max, 0));
}

bool within_bounds(const json *settings, const json *value, err *e) {
    const double n = json_real(value, NAN), min = json_get_real(settings, "min", -INFINITY),
                 max = json_get_real(settings, "max", INFINITY);
    if (n >= min && n <= max) return true;
    if (isinf(max)) return err_set(e, ERR_INPUT, "it should be at least %g, but is %g", min, n);
    if (isinf(min)) return err_set(e, ERR_INPUT, "it should be at most %g, but is %g", max, n);
    return err_set(e, ERR_INPUT, "it should be from %g to %g, but is %g", min, max, n);
}

/* ---- a record's fields ------------------------------------------------------------------------------------------------------------- */

static bool all_required_there(const json *definitions, const json *values, err *e) {
    for (size_t i = 0; i < json_count(definitions); i++) {
        const json *field = json_at(definitions, i);
        const str name = json_get_text(field, "name", STR(""));
        if (json_get_bool(field, "required", false) && !value_of(values, name))
            return err_set(e, ERR_INPUT, "the required field '%.*s' has no value", STR_ARG(name));
    }
    return true;
}

static bool field_value_check(const json *definitions, const char *name, const json *value, err *e) {
    const json *field = member_named(definitions, str_of(name));
    if (!field) return err_set(e, ERR_INPUT, "the dataset has no field '%s'", name);
    const field_type *type = field_type_of(field);
    if (!type) return wrong_type(field, field_names, e);
    return !value || type->check(value, e) || err_prefix(e, "field '%s'", name);
}

bool fields_check(const json *definitions, const json *values, err *e) {
    if (!body_is_object(values, "'fields'", e)) return false;
    if (!json_count(values)) return err_set(e, ERR_INPUT, "'fields' should have a value for one field at least, but is empty");
    if (!all_required_there(definitions, values, e)) return false;
    for (json_member m = {0}; json_next(values, &m);)
        if (!field_value_check(definitions, m.key, m.value, e)) return false;
    return true;
}

json *fields_normal(arena *a, const json *definitions, const json *values) {
    json *out = json_new_object(a);
    for (json_member m = {0}; json_next(values, &m);) {
        const json_kind kind = json_kind_of(m.value);
        const bool number = kind == JSON_INT || kind == JSON_REAL;
        buf digits = {0};
        if (number && field_type_of(member_named(definitions, str_of(m.key))) == &field_type_text) json_put(&digits, m.value);
        json_set(out, m.key, digits.len ? json_new_text(a, buf_str(&digits)) : m.value);
        buf_free(&digits);
    }
    return out;
}

void field_search_text(const json *field, const json *value, buf *out) {
    const field_type *type = field_type_of(field);
    if (type && value) type->search_text(value, out);
}

void fields_search_text(const json *definitions, const json *values, buf *out) {
    for (json_member m = {0}; json_next(values, &m);) {
        const size_t before = out->len;
        field_search_text(member_named(definitions, str_of(m.key)), m.value, out);
        if (out->len > before) buf_put_char(out, '\n');
    }
}

/* ---- a record's metadata and vectors ------------------------------------------------------------------------------------------------ */

static bool metadata_value_check(const json *definitions, bool allow_extra, const char *name, const json *value, err *e) {
    const json *property = member_named(definitions, str_of(name));
    if (!property && !allow_extra)
        return err_set(e, ERR_INPUT, "the dataset has no metadata property '%s' and allows no extra metadata", name);
    if (!property || !value) return true;
    const metadata_type *type = metadata_type_of(property);
    if (!type) return wrong_type(property, property_names, e);
    return type->check(json_get(property, "settings"), value, e) || err_prefix(e, "metadata '%s'", name);
}

bool metadata_check(const json *definitions, bool allow_extra, const json *values, err *e) {
    if (!values) return true;
    if (!body_is_object(values, "'metadata'", e)) return false;
    for (json_member m = {0}; json_next(values, &m);)
        if (!metadata_value_check(definitions, allow_extra, m.key, m.value, e)) return false;
    return true;
}

static void put_term(arena *a, const json *value, json *out) {
    buf text = {0};
    if (json_kind_of(value) == JSON_STRING) json_append(out, to_share(value));
    else {
        json_put(&text, value);
        json_append(out, json_new_text(a, buf_str(&text)));
    }
    buf_free(&text);
}

json *metadata_terms(arena *a, const json *value) {
    json *out = json_new_array(a);
    if (value && json_kind_of(value) != JSON_ARRAY) put_term(a, value, out);
    for (size_t i = 0; json_kind_of(value) == JSON_ARRAY && i < json_count(value); i++) put_term(a, json_at(value, i), out);
    return out;
}

bool metadata_number(const json *value, double *out) {
    *out = json_real(value, NAN);
    return !isnan(*out);
}

static bool vector_check(const json *setting, const json *value, err *e) {
    const int64_t n = json_get_int(setting, "dimensions", 0);
    if (json_kind_of(value) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "it should be a list of numbers, but is %s", value_words(value));
    if ((int64_t)json_count(value) != n)
        return err_set(e, ERR_INPUT, "it should have %lld numbers, but has %zu", (long long)n, json_count(value));
    for (size_t i = 0; i < json_count(value); i++)
        if (isnan(json_real(json_at(value, i), NAN)))
            return err_set(e, ERR_INPUT, "place %zu should be a number, but is %s", i + 1, value_words(json_at(value, i)));
    return true;
}

bool vectors_check(const json *settings, const json *values, err *e) {
    if (!values) return true;
    if (!body_is_object(values, "'vectors'", e)) return false;
    for (json_member m = {0}; json_next(values, &m);) {
        const json *setting = member_named(settings, str_of(m.key));
        if (!setting) return err_set(e, ERR_INPUT, "the dataset has no vector '%s'", m.key);
        if (m.value && !vector_check(setting, m.value, e)) return err_prefix(e, "vector '%s'", m.key);
    }
    return true;
}
