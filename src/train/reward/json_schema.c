/* json_schema.c - 1 where the completion is JSON that fits a schema, 0.5 where it is JSON alone, 0 where it is none. Of JSON Schema: type, enum,
 * const, properties, required, additionalProperties (false), items, minItems, maxItems, minLength, maxLength, minimum, maximum. A fence of
 * three backticks around the JSON is taken off. A schema with another keyword that would constrain is refused by name. */
#include <math.h>
#include <string.h>

#include "train/reward.h"

static bool fits(const json *schema, const json *v, bool present);

/* ---- keywords, a row each --------------------------------------------------------------------------------------------------------------- */

static bool is_type(const char *name, const json *v) {
    static const struct {
        const char *name;
        json_kind kind;
    } types[] = {{"null", JSON_NULL},     {"boolean", JSON_BOOL}, {"integer", JSON_INT},  {"number", JSON_REAL},
                 {"string", JSON_STRING}, {"array", JSON_ARRAY},  {"object", JSON_OBJECT}};
    const json_kind kind = json_kind_of(v);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return kind == types[i].kind || (types[i].kind == JSON_REAL && kind == JSON_INT) ||
                   (types[i].kind == JSON_INT && kind == JSON_REAL && json_real(v, 0) == floor(json_real(v, 0)));
    return false;
}

static bool fit_type(const json *want, const json *schema, const json *v) {
    (void)schema;
    arena *a = arena_new();
    bool any = json_kind_of(want) == JSON_STRING && is_type(str_copy(a, json_text(want, STR(""))), v);
    for (size_t i = 0; json_kind_of(want) == JSON_ARRAY && i < json_count(want); i++)
        any |= is_type(str_copy(a, json_text(json_at(want, i), STR(""))), v);
    arena_free(a);
    return any;
}

static bool fit_enum(const json *want, const json *schema, const json *v) {
    (void)schema;
    for (size_t i = 0; i < json_count(want); i++)
        if (json_equal(json_at(want, i), v)) return true;
    return false;
}

static bool fit_const(const json *want, const json *schema, const json *v) { return (void)schema, json_equal(want, v); }

static bool fit_properties(const json *want, const json *schema, const json *v) {
    (void)schema;
    for (json_member m = {0}; json_kind_of(v) == JSON_OBJECT && json_next(want, &m);)
        if (!fits(m.value, json_get(v, m.key), json_has(v, m.key))) return false;
    return true;
}

static bool fit_required(const json *want, const json *schema, const json *v) {
    (void)schema;
    arena *a = arena_new();
    bool all = true;
    for (size_t i = 0; json_kind_of(v) == JSON_OBJECT && i < json_count(want); i++)
        all &= json_has(v, str_copy(a, json_text(json_at(want, i), STR(""))));
    arena_free(a);
    return all;
}

static bool fit_additional(const json *want, const json *schema, const json *v) {
    const json *known = json_get(schema, "properties");
    if (json_kind_of(v) != JSON_OBJECT) return true;
    for (json_member m = {0}; json_next(v, &m);) {
        if (json_has(known, m.key)) continue;
        if (json_kind_of(want) == JSON_BOOL ? !json_bool(want, true) : !fits(want, m.value, true)) return false;
    }
    return true;
}

static bool fit_items(const json *want, const json *schema, const json *v) {
    (void)schema;
    for (size_t i = 0; json_kind_of(v) == JSON_ARRAY && i < json_count(v); i++)
        if (!fits(want, json_at(v, i), true)) return false;
    return true;
}

static double characters(const json *v) { return (double)str_characters(json_text(v, STR(""))); }

static bool is_number(const json *v) { return json_kind_of(v) == JSON_INT || json_kind_of(v) == JSON_REAL; }
#define LIMIT(name, applies, measure, relation)                                                                                  \
    static bool name(const json *want, const json *schema, const json *v) {                                                      \
        return (void)schema, !(applies) || (measure)relation json_real(want, 0);                                                 \
    }
LIMIT(fit_min_items, json_kind_of(v) == JSON_ARRAY, (double)json_count(v), >=)
LIMIT(fit_max_items, json_kind_of(v) == JSON_ARRAY, (double)json_count(v), <=)
LIMIT(fit_min_length, json_kind_of(v) == JSON_STRING, characters(v), >=)
LIMIT(fit_max_length, json_kind_of(v) == JSON_STRING, characters(v), <=)
LIMIT(fit_minimum, is_number(v), json_real(v, 0), >=)
LIMIT(fit_maximum, is_number(v), json_real(v, 0), <=)
static bool fit_any(const json *want, const json *schema, const json *v) { return (void)want, (void)schema, (void)v, true; }

static const struct {
    const char *name;
    bool (*fit)(const json *want, const json *schema, const json *v);
} keywords[] = {
    {"type", fit_type},
    {"enum", fit_enum},
    {"const", fit_const},
    {"properties", fit_properties},
    {"required", fit_required},
    {"items", fit_items},
    {"minItems", fit_min_items},
    {"maxItems", fit_max_items},
    {"minimum", fit_minimum},
    {"maximum", fit_maximum},
    {"title", fit_any},
    {"minLength", fit_min_length},
    {"$schema", fit_any},
    {"maxLength", fit_max_length},
    {"description", fit_any},
    {"additionalProperties", fit_additional},
    {"$id", fit_any},
    {"default", fit_any},
    {"examples", fit_any},
    {"$comment", fit_any},
};
enum { KEYWORDS = sizeof keywords / sizeof *keywords };

static bool fits(const json *schema, const json *v, bool present) {
    if (!present) return true;
    if (json_kind_of(schema) == JSON_BOOL) return json_bool(schema, true);
    for (int k = 0; k < KEYWORDS; k++)
        if (json_has(schema, keywords[k].name) && !keywords[k].fit(json_get(schema, keywords[k].name), schema, v)) return false;
    return true;
}

/* ---- the schema ------------------------------------------------------------------------------------------------------------------------ */

static bool known(const json *schema, err *e);
static bool known_if(const json *schema, err *e) { return json_kind_of(schema) != JSON_OBJECT || known(schema, e); }

static bool known(const json *schema, err *e) {
    for (json_member m = {0}; json_kind_of(schema) == JSON_OBJECT && json_next(schema, &m);) {
        int k = 0;
        while (k < KEYWORDS && strcmp(keywords[k].name, m.key) != 0) k++;
        if (k == KEYWORDS) return err_set(e, ERR_UNSUPPORTED, "the schema's keyword '%s' is not known here", m.key);
    }
    for (json_member m = {0}; json_next(json_get(schema, "properties"), &m);)
        if (!known(m.value, e)) return false;
    return known_if(json_get(schema, "items"), e) && known_if(json_get(schema, "additionalProperties"), e);
}

static bool json_schema_open(arena *a, str argument, void **state, err *e) {
    if (!argument.len) return err_set(e, ERR_USAGE, "which schema? json_schema:FILE");
    const json *schema = json_parse_file(a, str_copy(a, argument), 16 << 20, e);
    *state = (void *)(uintptr_t)schema;
    return schema && known(schema, e);
}

static str without_fence(str text) {
    text = str_trim(text);
    if (!str_starts(text, STR("```")) || text.len < 6 || !str_ends(text, STR("```"))) return text;
    const ptrdiff_t line = str_find(text, STR("\n"), 0);
    return line < 0 ? text : str_trim(str_slice(text, (size_t)line, text.len - 3));
}

static bool json_schema_score(void *state, const reward_case *c, int count, float *out, err *e) {
    (void)e;
    for (int i = 0; i < count; i++) {
        arena *a = arena_new();
        err ignored = {0};
        json *v;
        const bool is_json = json_parse_any(a, without_fence(c[i].text), &v, &ignored);
        out[i] = !is_json ? 0 : fits(state, v, true) ? 1 : 0.5f;
        arena_free(a);
    }
    return true;
}

const reward_kind reward_json_schema = {.name = "json_schema",
                                        .argument = "FILE",
                                        .words = "1 where it is JSON that fits the schema, 0.5 where it is JSON, else 0",
                                        .open = json_schema_open,
                                        .score = json_schema_score,
                                        .reach = REACHES_FILES};
