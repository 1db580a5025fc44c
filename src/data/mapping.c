/* mapping.c - a row to an item, as a mapping says: a row of CONVERSIONS per kind of field, question and metadata. */
#include "data/mapping.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "data/data.h"

typedef struct target target;

typedef struct {
    const char *type;
    /* The value as the API takes it; false: e says what it should be. *out NULL: nothing, leave it out. */
    bool (*convert)(arena *a, const target *t, json *v, json **out, err *e);
} conversion;

struct target {
    const char *source, *name; /* source: of a constant what it is called in messages */
    json *constant;            /* NULL: of the column */
    bool is_path, required;
    const json *settings; /* of the field, question or metadata property */
    const conversion *how;
};

typedef struct {
    target *item;
    size_t count;
} targets;

struct mapping_plan {
    targets fields, metadata, suggestions, vectors;
    target id;         /* source NULL: none */
    const char *agent; /* of suggestions; NULL: none */
};

/* ---- values --------------------------------------------------------------------------------------------------------------------------- */

static const char *kind_words(const json *v) {
    const json_kind kind = json_kind_of(v);
    return kind == JSON_STRING ? "a text" : kind == JSON_ARRAY ? "a list" : json_kind_name(kind);
}

static bool wrong(const target *t, const json *v, const char *expected, err *e) {
    return err_set(e, ERR_INPUT, "column '%s' should be %s for '%s', but is %s", t->source, expected, t->name, kind_words(v));
}

/* A text; of numbers and flags their letters. NULL for lists and objects. */
static json *as_text(arena *a, json *v) {
    const json_kind kind = json_kind_of(v);
    if (kind == JSON_STRING) return v;
    if (kind == JSON_ARRAY || kind == JSON_OBJECT || !v) return NULL;
    buf text = {0};
    json_put(&text, v);
    json *out = json_new_text(a, buf_str(&text));
    buf_free(&text);
    return out;
}

static bool to_text(arena *a, const target *t, json *v, json **out, err *e) {
    *out = as_text(a, v);
    return *out || wrong(t, v, "a text", e);
}

static bool to_anything(arena *a, const target *t, json *v, json **out, err *e) {
    (void)a, (void)t, (void)e;
    *out = v;
    return true;
}

static bool to_object(arena *a, const target *t, json *v, json **out, err *e) {
    (void)a;
    *out = v;
    return json_kind_of(v) == JSON_OBJECT || wrong(t, v, "an object", e);
}

static bool to_image(arena *a, const target *t, json *v, json **out, err *e) {
    static const char *const keys[] = {"bytes", "url", "path", "src"};
    (void)a;
    *out = json_kind_of(v) == JSON_STRING ? v : NULL;
    for (int i = 0; !*out && i < 4; i++)
        if (json_kind_of(json_get(v, keys[i])) == JSON_STRING) *out = json_get(v, keys[i]);
    return *out || wrong(t, v, "an address or a data URL of a picture, or an object with its bytes", e);
}

static bool to_whole(arena *a, const target *t, json *v, json **out, err *e) {
    long n;
    const json_kind kind = json_kind_of(v);
    *out = kind == JSON_INT ? v : NULL;
    if (kind == JSON_REAL && json_real(v, 0.5) == floor(json_real(v, 0.5)) && fabs(json_real(v, 0)) < 1e15)
        *out = json_new_int(a, json_int(v, 0));
    if (kind == JSON_STRING && str_to_long(str_trim(json_text(v, STR(""))), &n)) *out = json_new_int(a, n);
    return *out || wrong(t, v, "an integer", e);
}

static bool to_number(arena *a, const target *t, json *v, json **out, err *e) {
    double n;
    const json_kind kind = json_kind_of(v);
    *out = kind == JSON_INT || kind == JSON_REAL ? v : NULL;
    if (kind == JSON_STRING && str_to_double(str_trim(json_text(v, STR(""))), &n)) *out = json_new_real(a, n);
    return *out || wrong(t, v, "a number", e);
}

static bool to_numbers(arena *a, const target *t, json *v, json **out, err *e) {
    (void)a;
    *out = v;
    const int64_t wanted = json_get_int(t->settings, "dimensions", 0);
    if (json_kind_of(v) != JSON_ARRAY) return wrong(t, v, "a list of numbers", e);
    if (wanted && json_count(v) != (size_t)wanted)
        return err_set(e, ERR_INPUT, "column '%s' should have %lld numbers for '%s', but has %zu", t->source, (long long)wanted,
                       t->name, json_count(v));
    return true;
}

/* ---- conversations --------------------------------------------------------------------------------------------------------------------- */

/* Who speaks in files of others (ShareGPT, Open Assistant), in the words of the API. */
static const struct {
    const char *theirs, *ours;
} roles[] = {
    {"human", "user"},    {"prompter", "user"},   {"gpt", "assistant"},    {"chatgpt", "assistant"}, {"bing", "assistant"},
    {"bot", "assistant"}, {"model", "assistant"}, {"observation", "tool"}, {"function", "tool"},     {"tool_response", "tool"},
};

static str role_of(str theirs) {
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (str_is(theirs, roles[i].theirs)) return str_of(roles[i].ours);
    return theirs;
}

/* A content that is a list of parts: its texts, one behind the other. */
static json *content_of(arena *a, json *content) {
    if (json_kind_of(content) != JSON_ARRAY) return content ? as_text(a, content) : json_new_text(a, STR(""));
    buf text = {0};
    for (size_t i = 0; i < json_count(content); i++) buf_put_str(&text, json_get_text(json_at(content, i), "text", STR("")));
    json *out = json_new_text(a, buf_str(&text));
    buf_free(&text);
    return out;
}

static json *message_of(arena *a, json *m) {
    const bool theirs = !json_has(m, "role");
    const str role = json_get_text(m, theirs ? "from" : "role", STR(""));
    json *content = content_of(a, json_get(m, theirs ? "value" : "content"));
    if (!role.len || !content || json_kind_of(m) != JSON_OBJECT) return NULL;
    json *out = json_new_object(a);
    json_set(out, "role", json_new_text(a, role_of(role)));
    json_set(out, "content", content);
    return out;
}

static bool to_chat(arena *a, const target *t, json *v, json **out, err *e) {
    err no = {0};
    if (json_kind_of(v) == JSON_STRING) { /* a conversation as JSON text, or one message */
        const str text = str_trim(json_text(v, STR("")));
        json *parsed = str_starts(text, STR("[")) ? json_parse(a, text, &no) : NULL;
        if (!parsed) {
            *out = json_new_array(a);
            json *m = json_new_object(a);
            json_set(m, "role", json_new_text(a, STR("user")));
            json_set(m, "content", v);
            json_append(*out, m);
            return true;
        }
        v = parsed;
    }
    if (json_kind_of(v) != JSON_ARRAY) return wrong(t, v, "a list of messages", e);
    *out = json_new_array(a);
    for (size_t i = 0; i < json_count(v); i++) {
        json *m = message_of(a, json_at(v, i));
        if (!m)
            return err_set(e, ERR_INPUT, "column '%s', message %zu should be an object with a text 'role' and 'content'",
                           t->source, i + 1);
        json_append(*out, m);
    }
    return true;
}

/* ---- answers to questions ---------------------------------------------------------------------------------------------------------------- */

static const json *option_of(const target *t, const json *value) {
    const json *options = json_get(t->settings, "options");
    for (size_t i = 0; i < json_count(options); i++)
        if (json_equal(json_get(json_at(options, i), "value"), value)) return json_at(options, i);
    return NULL;
}

static bool no_option(const target *t, const json *v, err *e) {
    const json *options = json_get(t->settings, "options");
    buf names = {0}, came = {0};
    for (size_t i = 0; i < json_count(options) && names.len < 300; i++) {
        if (i) buf_put_text(&names, ", ");
        json_put(&names, json_get(json_at(options, i), "value"));
    }
    json_put(&came, v);
    if (came.len > 60) came.ptr[60] = 0;
    err_set(e, ERR_INPUT, "column '%s': %s is none of the options of '%s' (%s)", t->source, came.ptr, t->name,
            names.ptr ? names.ptr : "");
    buf_free(&names);
    buf_free(&came);
    return false;
}

/* An empty text is no answer. */
static bool to_label(arena *a, const target *t, json *v, json **out, err *e) {
    *out = NULL;
    if (json_kind_of(v) == JSON_STRING && !json_text(v, STR("")).len) return true;
    *out = as_text(a, v);
    if (!*out) return wrong(t, v, "a text", e);
    return option_of(t, *out) != NULL || no_option(t, v, e);
}

static bool to_rating(arena *a, const target *t, json *v, json **out, err *e) {
    if (!to_whole(a, t, v, out, e)) return false;
    return option_of(t, *out) != NULL || no_option(t, v, e);
}

static bool to_labels(arena *a, const target *t, json *v, json **out, err *e) {
    const bool list = json_kind_of(v) == JSON_ARRAY;
    const size_t count = list ? json_count(v) : 1;
    *out = count ? json_new_array(a) : NULL;
    for (size_t i = 0; i < count; i++) {
        json *one;
        if (!to_label(a, t, list ? json_at(v, i) : v, &one, e)) return false;
        if (one) json_append(*out, one);
    }
    if (!json_count(*out)) *out = NULL;
    return true;
}

/* What fettle asks besides: an answer as the API takes it, or its choice alone. */
static bool to_comparison(arena *a, const target *t, json *v, json **out, err *e) {
    const str choice = json_text(v, STR(""));
    *out = v;
    if (json_kind_of(v) == JSON_OBJECT) return true;
    if (!str_is(choice, "a") && !str_is(choice, "b") && !str_is(choice, "tie") && !str_is(choice, "both_bad"))
        return wrong(t, v, "'a', 'b', 'tie' or 'both_bad', or an object with such a 'choice',", e);
    *out = json_new_object(a);
    json_set(*out, "choice", v);
    return true;
}

/* A list of options, best first; objects with value and rank as they are. */
static bool to_ranking(arena *a, const target *t, json *v, json **out, err *e) {
    if (json_kind_of(v) != JSON_ARRAY) return wrong(t, v, "a list of options, the best first", e);
    *out = json_new_array(a);
    for (size_t i = 0; i < json_count(v); i++) {
        json *one = json_at(v, i), *object = json_new_object(a);
        const bool ready = json_kind_of(one) == JSON_OBJECT;
        json *value = ready ? json_get(one, "value") : as_text(a, one);
        if (!value || !option_of(t, value)) return no_option(t, one, e);
        json_set(object, "value", value);
        json_append(*out, ready ? one : object);
    }
    return true;
}

static bool to_list(arena *a, const target *t, json *v, json **out, err *e) {
    (void)a;
    *out = v;
    return json_kind_of(v) == JSON_ARRAY || wrong(t, v, "a list of spans", e);
}

// clang-format off
static const conversion field_kinds[] = {
    {"text", to_text}, {"chat", to_chat}, {"image", to_image}, {"custom", to_object}, {NULL, NULL}};
static const conversion question_kinds[] = {
    {"text", to_text}, {"rating", to_rating}, {"label_selection", to_label}, {"multi_label_selection", to_labels},
    {"ranking", to_ranking}, {"span", to_list}, {"comparison", to_comparison}, {NULL, NULL}};
static const conversion metadata_kinds[] = {
    {"terms", to_anything}, {"integer", to_whole}, {"float", to_number}, {NULL, NULL}};
// clang-format on
static const conversion vector_kind = {"vector", to_numbers}, extra_kind = {"extra", to_anything};

/* ---- making a mapping ready ---------------------------------------------------------------------------------------------------------------- */

static const json *named(const json *list, str name) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_get_text(json_at(list, i), "name", STR("")), name)) return json_at(list, i);
    return NULL;
}

static const char *names_of(arena *a, const json *list) {
    char *out = arena_text(a, "");
    for (size_t i = 0; i < json_count(list); i++)
        out = arena_printf(a, "%s%s%.*s", out, i ? ", " : "", STR_ARG(json_get_text(json_at(list, i), "name", STR(""))));
    return *out ? out : "none";
}

static bool has_column(const row_facts *facts, const char *column) {
    for (int i = 0; facts && i < facts->count; i++)
        if (!strcmp(facts->column[i].name, column)) return true;
    return !facts;
}

static bool set_source(arena *a, target *t, str column, const row_facts *facts, err *e) {
    t->source = str_copy(a, column);
    if (has_column(facts, t->source)) return true;
    const char *dot = strchr(t->source, '.');
    t->is_path = dot && has_column(facts, arena_copy(a, t->source, (size_t)(dot - t->source)));
    if (t->is_path) return true;
    char *names = arena_text(a, "");
    for (int i = 0; i < facts->count && strlen(names) < 400; i++)
        names = arena_printf(a, "%s%s%s", names, i ? ", " : "", facts->column[i].name);
    return err_set(e, ERR_INPUT, "there is no column '%s'; columns are %s", t->source, names);
}

static const conversion *conversion_of(const conversion *kinds, const json *settings) {
    for (; kinds && kinds->type; kinds++)
        if (str_is(json_get_text(settings, "type", STR("")), kinds->type)) return kinds;
    return NULL;
}

typedef struct {
    const char *key, *list, *what; /* of the mapping; of the settings; for messages */
    const conversion *kinds;       /* NULL: vectors */
} part;

static bool set_target(arena *a, target *t, str name, const part *p, const json *settings, err *e) {
    const json *list = json_get(settings, p->list), *found = named(list, name);
    t->name = str_copy(a, name);
    t->required = json_get_bool(found, "required", false);
    t->settings = p->kinds ? json_get(found, "settings") : found;
    t->how = !p->kinds ? &vector_kind : conversion_of(p->kinds, t->settings);
    if (!found && p->kinds == metadata_kinds && json_get_bool(settings, "allow_extra_metadata", true)) t->how = &extra_kind;
    else if (!found) return err_set(e, ERR_INPUT, "there is no %s '%s'; there are %s", p->what, t->name, names_of(a, list));
    return t->how || err_set(e, ERR_UNSUPPORTED, "%s '%s' is of a type that nothing can be imported into", p->what, t->name);
}

static bool open_part(arena *a, const json *map, const part *p, const json *settings, const row_facts *facts, targets *out,
                      err *e) {
    const json *list = json_get(map, p->key);
    out->item = arena_array(a, target, json_count(list) + 1);
    for (size_t i = 0; i < json_count(list); i++, out->count++) {
        const str column = json_get_text(json_at(list, i), "source", STR("")),
                  name = json_get_text(json_at(list, i), "target", STR(""));
        target *t = &out->item[i];
        t->constant = p->kinds == question_kinds ? json_get(json_at(list, i), "value") : NULL;
        if ((!column.len && !t->constant) || !name.len)
            return err_set(e, ERR_INPUT, "'%s' of the mapping should be a list of objects with 'source' and 'target'", p->key);
        if (t->constant) t->source = "(value)";
        else if (!set_source(a, t, column, facts, e)) return false;
        if (!set_target(a, t, name, p, settings, e)) return false;
    }
    return true;
}

mapping_plan *mapping_open(arena *a, const json *map, const json *settings, const row_facts *facts, err *e) {
    static const part parts[] = {{"fields", "fields", "field", field_kinds},
                                 {"metadata", "metadata", "metadata property", metadata_kinds},
                                 {"suggestions", "questions", "question", question_kinds},
                                 {"vectors", "vectors", "vector", NULL}};
    mapping_plan *m = arena_new_of(a, mapping_plan);
    targets *into[] = {&m->fields, &m->metadata, &m->suggestions, &m->vectors};
    for (int i = 0; i < 4; i++)
        if (!open_part(a, map, &parts[i], settings, facts, into[i], e)) return NULL;
    if (!m->fields.count)
        return err_null(e, ERR_INPUT, "the mapping gives no field a column; fields are %s",
                        names_of(a, json_get(settings, "fields")));
    const str id = json_get_text(map, "external_id", STR(""));
    m->id.name = "external_id";
    return !id.len || set_source(a, &m->id, id, facts, e) ? m : NULL;
}

/* ---- applying it -------------------------------------------------------------------------------------------------------------------------- */

static json *value_of(arena *a, const target *t, const json *row) {
    if (t->constant) return json_share(a, t->constant);
    if (!t->is_path) return json_get(row, t->source);
    char key[256];
    const char *at = t->source;
    json *v = (json *)(uintptr_t)row;
    for (const char *dot; v && (dot = strchr(at, '.')) != NULL; at = dot + 1) {
        if ((size_t)(dot - at) >= sizeof key) return NULL;
        memcpy(key, at, (size_t)(dot - at));
        key[dot - at] = 0;
        v = json_get(v, key);
    }
    return json_get(v, at);
}

static bool put_named(const targets *list, arena *a, const json *row, json *into, err *e) {
    for (size_t i = 0; i < list->count; i++) {
        const target *t = &list->item[i];
        json *v = value_of(a, t, row), *out = NULL;
        if (v && !t->how->convert(a, t, v, &out, e)) return false;
        if (out) json_set(into, t->name, out);
        else if (t->required)
            return err_set(e, ERR_INPUT, "column '%s' is %s, but field '%s' is required", t->source, v ? "empty" : "missing",
                           t->name);
    }
    return true;
}

static bool put_suggestions(const mapping_plan *m, arena *a, const json *row, json *into, err *e) {
    for (size_t i = 0; i < m->suggestions.count; i++) {
        const target *t = &m->suggestions.item[i];
        json *v = value_of(a, t, row), *out = NULL;
        if (v && !t->how->convert(a, t, v, &out, e)) return false;
        if (!out) continue;
        json *one = json_new_object(a);
        json_set(one, "question_name", json_new_text(a, str_of(t->name)));
        json_set(one, "value", out);
        if (m->agent) json_set(one, "agent", json_new_text(a, str_of(m->agent)));
        json_append(into, one);
    }
    return true;
}

static bool put_id(const mapping_plan *m, arena *a, const json *row, json *item, err *e) {
    json *v = m->id.source ? value_of(a, &m->id, row) : NULL;
    if (!v) return true;
    json *id = as_text(a, v);
    if (id) json_set(item, "external_id", id);
    return id || wrong(&m->id, v, "a text or a number", e);
}

static json *part_of(json *item, const char *key, json *object) {
    json_set(item, key, object);
    return object;
}

/* Letters that an agent's name may not have become '_'. */
void mapping_of_file(mapping_plan *m, arena *a, const char *file) {
    enum { NAME_MOST = 180 };
    char *name = arena_printf(a, SUGGESTED_BY_FILE "%.*s", NAME_MOST, file);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_:./ ", *c)) *c = '_';
    m->agent = name;
}

bool mapping_apply(const mapping_plan *m, arena *a, const json *row, json **item, err *e) {
    json *out = *item = json_new_object(a);
    if (!put_id(m, a, row, out, e)) return false;
    if (!put_named(&m->fields, a, row, part_of(out, "fields", json_new_object(a)), e)) return false;
    if (m->metadata.count && !put_named(&m->metadata, a, row, part_of(out, "metadata", json_new_object(a)), e)) return false;
    if (m->vectors.count && !put_named(&m->vectors, a, row, part_of(out, "vectors", json_new_object(a)), e)) return false;
    return !m->suggestions.count || put_suggestions(m, a, row, part_of(out, "suggestions", json_new_array(a)), e);
}
