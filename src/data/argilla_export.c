/* argilla_export.c - records of Argilla's SDK to items of its REST API and back.
 *
 * The SDK's rankings are lists of options, best first (the API: objects with a value); responses are grouped by question (the API: by
 * person); labels of files from the hub may be numbers of classes (the API: the option). What a question is, settings say. */
#include "data/argilla_export.h"

#include <string.h>

#include "base/file.h"
#include "data/data.h"

enum { SETTINGS_MAX = 64 << 20 };

struct argilla_export {
    row_source *rows;
    const json *settings, *dataset;
};

/* ---- settings ------------------------------------------------------------------------------------------------------------------------ */

static const json *named(const json *settings, const char *list, const char *key, str name) {
    const json *all = json_get(settings, list);
    for (size_t i = 0; i < json_count(all); i++)
        if (str_eq(json_get_text(json_at(all, i), key, STR("")), name)) return json_at(all, i);
    return NULL;
}

static str type_of_question(const json *settings, const char *question) {
    return json_get_text(json_get(named(settings, "questions", "name", str_of(question)), "settings"), "type", STR(""));
}

bool argilla_export_is(const char *path) {
    arena *scratch = arena_new();
    const bool is = file_exists(path_join(scratch, path, ".argilla/settings.json"));
    arena_free(scratch);
    return is;
}

/* ---- values -------------------------------------------------------------------------------------------------------------------------- */

static json *ranking_value(arena *a, json *value) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) {
        json *option = json_at(value, i), *object = json_new_object(a);
        if (json_kind_of(option) != JSON_OBJECT) json_set(object, "value", option);
        json_append(out, json_kind_of(option) == JSON_OBJECT ? option : object);
    }
    return out;
}

/* A class's number stands for the option at that place; -1 for none. */
static json *class_value(const json *settings, const char *question, json *value) {
    const json *options = json_get(json_get(named(settings, "questions", "name", str_of(question)), "settings"), "options");
    const int64_t n = json_int(value, -1);
    if (json_kind_of(value) != JSON_INT) return value;
    return n >= 0 ? json_get(json_at(options, (size_t)n), "value") : NULL;
}

static json *value_in(arena *a, const json *settings, const char *question, json *value) {
    const str type = type_of_question(settings, question);
    if (str_is(type, "ranking") && json_kind_of(value) == JSON_ARRAY) return ranking_value(a, value);
    if (str_is(type, "label_selection")) return class_value(settings, question, value);
    if (!str_is(type, "multi_label_selection") || json_kind_of(value) != JSON_ARRAY) return value;
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) json_append(out, class_value(settings, question, json_at(value, i)));
    return out;
}

static json *value_out(arena *a, const json *settings, const char *question, json *value) {
    if (!str_is(type_of_question(settings, question), "ranking") || json_kind_of(value) != JSON_ARRAY) return value;
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) {
        json *option = json_at(value, i);
        json_append(out, json_kind_of(option) == JSON_OBJECT ? json_get(option, "value") : option);
    }
    return out;
}

/* ---- parts of an item ------------------------------------------------------------------------------------------------------------------ */

static void add_suggestion(arena *a, const json *settings, json *list, const char *question, json *value, json *score,
                           json *agent) {
    json *s = json_new_object(a);
    if (!value) return;
    json_set(s, "question_name", json_new_text(a, str_of(question)));
    json_set(s, "value", value_in(a, settings, question, value));
    json_set(s, "score", score);
    json_set(s, "agent", agent);
    json_append(list, s);
}

/* The response of this person, made where there is none yet. "None" is what Python writes for nobody. */
static json *response_of(arena *a, json *list, json *user) {
    if (str_is(json_text(user, STR("")), "None")) user = NULL;
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_get(json_at(list, i), "user_id"), user)) return json_at(list, i);
    json *r = json_new_object(a);
    json_set(r, "user_id", user);
    json_set(r, "values", json_new_object(a));
    json_set(r, "status", json_new_text(a, STR("discarded")));
    json_append(list, r);
    return r;
}

static void add_response(arena *a, const json *settings, json *list, const char *question, json *value, json *user,
                         json *status) {
    json *r = response_of(a, list, user);
    const bool first = !json_count(json_get(r, "values"));
    if (value) {
        json *wrapped = json_new_object(a);
        json_set(wrapped, "value", value_in(a, settings, question, value));
        json_set(json_get(r, "values"), question, wrapped);
    }
    if (!status) status = value ? json_new_text(a, STR("submitted")) : json_get(r, "status");
    if (!first && !json_equal(status, json_get(r, "status"))) status = json_new_text(a, STR("draft")); /* as the SDK decides */
    json_set(r, "status", status);
}

static json *new_item(arena *a, const json *row) {
    json *item = json_new_object(a), *id = json_get(row, "id");
    const bool number = json_kind_of(id) == JSON_INT;
    if (number) id = json_new_text(a, str_of(arena_printf(a, "%lld", (long long)json_int(id, 0))));
    if (id) json_set(item, "external_id", id);
    static const char *const objects[] = {"fields", "metadata", "vectors"};
    for (int i = 0; i < 3; i++) json_set(item, objects[i], json_new_object(a));
    json_set(item, "suggestions", json_new_array(a));
    json_set(item, "responses", json_new_array(a));
    return item;
}

/* ---- nested records ------------------------------------------------------------------------------------------------------------------- */

static bool want_object(const json *row, const char *key, err *e) {
    const json_kind kind = json_kind_of(json_get(row, key));
    return kind == JSON_OBJECT || kind == JSON_NULL ||
           err_set(e, ERR_INPUT, "'%s' should be an object, but is %s", key, json_kind_name(kind));
}

static bool nested_responses(arena *a, const json *settings, const json *row, json *list, err *e) {
    for (json_member m = {0}; json_next(json_get(row, "responses"), &m);) {
        if (m.value && json_kind_of(m.value) != JSON_ARRAY)
            return err_set(e, ERR_INPUT, "'responses' to '%s' should be a list, but are %s", m.key,
                           json_kind_name(json_kind_of(m.value)));
        for (size_t i = 0; i < json_count(m.value); i++) {
            const json *r = json_at(m.value, i);
            if (json_kind_of(r) != JSON_OBJECT)
                return err_set(e, ERR_INPUT, "a response to '%s' should be an object with 'value' and 'user_id', but is %s",
                               m.key, json_kind_name(json_kind_of(r)));
            add_response(a, settings, list, m.key, json_get(r, "value"), json_get(r, "user_id"), json_get(r, "status"));
        }
    }
    return true;
}

static bool nested_item(arena *a, const json *settings, const json *row, json **item, err *e) {
    static const char *const keys[] = {"fields", "metadata", "vectors", "suggestions", "responses"};
    for (int i = 0; i < 5; i++)
        if (!want_object(row, keys[i], e)) return false;
    *item = new_item(a, row);
    for (int i = 0; i < 3; i++)
        if (json_get(row, keys[i])) json_set(*item, keys[i], json_get(row, keys[i]));
    for (json_member m = {0}; json_next(json_get(row, "suggestions"), &m);)
        add_suggestion(a, settings, json_get(*item, "suggestions"), m.key, json_get(m.value, "value"), json_get(m.value, "score"),
                       json_get(m.value, "agent"));
    return nested_responses(a, settings, row, json_get(*item, "responses"), e);
}

/* ---- flattened records ------------------------------------------------------------------------------------------------------------------ */

/* "QUESTION.responses" and the like: the question, when the key ends so. */
static const char *without(arena *a, const char *key, const char *end) {
    const size_t size = strlen(key), tail = strlen(end);
    return size > tail && !strcmp(key + size - tail, end) ? arena_copy(a, key, size - tail) : NULL;
}

static json *beside(arena *a, const json *row, const char *question, const char *end) {
    return json_get(row, arena_printf(a, "%s%s", question, end));
}

static void flat_responses(arena *a, const json *settings, const json *row, const char *question, const json *values,
                           json *list) {
    const json *users = beside(a, row, question, ".responses.users"), *status = beside(a, row, question, ".responses.status");
    for (size_t i = 0; i < json_count(values); i++)
        add_response(a, settings, list, question, json_at(values, i), json_at(users, i), json_at(status, i));
}

static bool is_about_record(const char *key) {
    static const char *const keys[] = {"id", "status", "_server_id", "inserted_at", "updated_at"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i])) return true;
    return false;
}

/* True when the column belongs to a question. */
static bool flat_question(arena *a, const json *settings, const json *row, const json_member *m, json *item) {
    const char *question = without(a, m->key, ".responses");
    if (question) flat_responses(a, settings, row, question, m->value, json_get(item, "responses"));
    else if ((question = without(a, m->key, ".suggestion")) != NULL)
        add_suggestion(a, settings, json_get(item, "suggestions"), question, m->value,
                       beside(a, row, question, ".suggestion.score"), beside(a, row, question, ".suggestion.agent"));
    return question || without(a, m->key, ".responses.users") || without(a, m->key, ".responses.status") ||
           without(a, m->key, ".suggestion.score") || without(a, m->key, ".suggestion.agent");
}

static bool flat_item(arena *a, const json *settings, const json *row, json **item, err *e) {
    if (!settings)
        return err_set(e, ERR_INPUT,
                       "this record is flattened, and which of its columns are fields is written nowhere; import it with the "
                       "settings of a data set");
    *item = new_item(a, row);
    for (json_member m = {0}; json_next(row, &m);) {
        if (is_about_record(m.key) || !m.value || flat_question(a, settings, row, &m, *item)) continue;
        const str name = str_of(m.key);
        if (named(settings, "fields", "name", name)) json_set(json_get(*item, "fields"), m.key, m.value);
        else if (named(settings, "vectors", "name", name)) json_set(json_get(*item, "vectors"), m.key, m.value);
        else if (named(settings, "metadata", "name", name) || json_get_bool(settings, "allow_extra_metadata", true))
            json_set(json_get(*item, "metadata"), m.key, m.value);
    }
    return true;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------------------ */

static const json *about(arena *a, const char *folder, const char *name, bool wanted, err *e) {
    const char *path = path_join(a, folder, name);
    if (!wanted && !file_exists(path)) return NULL;
    return json_parse_file(a, path, SETTINGS_MAX, e);
}

argilla_export *argilla_export_open(arena *a, const char *path, const json *settings, err *e) {
    argilla_export *x = arena_new_of(a, argilla_export);
    const char *records = path;
    x->settings = settings;
    if (argilla_export_is(path)) {
        const json *own = about(a, path, ".argilla/settings.json", true, e);
        if (!own) return NULL;
        if (!settings) x->settings = own;
        x->dataset = about(a, path, ".argilla/dataset.json", false, e);
        if (e && e->code) return NULL;
        if (file_exists(path_join(a, path, "records.json"))) records = path_join(a, path, "records.json");
    }
    x->rows = row_source_open(a, records, e);
    return x->rows ? x : NULL;
}

const json *argilla_export_settings(const argilla_export *x) { return x->settings; }
const json *argilla_export_dataset(const argilla_export *x) { return x->dataset; }
bool argilla_export_ended(const argilla_export *x) { return row_source_ended(x->rows); }

bool argilla_export_next(argilla_export *x, arena *a, json **item, err *e) {
    json *row;
    if (!row_source_next(x->rows, a, &row, e)) return false;
    const bool nested = json_kind_of(json_get(row, "fields")) == JSON_OBJECT;
    return (nested ? nested_item(a, x->settings, row, item, e) : flat_item(a, x->settings, row, item, e)) ||
           err_prefix(e, "%s", row_source_place(x->rows, a));
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------------------ */

static const char *question_of(arena *a, const json *suggestion, const json *settings) {
    const str name = json_get_text(suggestion, "question_name", STR(""));
    if (name.len) return str_copy(a, name);
    const json *q = named(settings, "questions", "id", json_get_text(suggestion, "question_id", STR("")));
    return str_copy(a, json_get_text(q, "name", STR("")));
}

static json *text_or_null(arena *a, const json *v) {
    const str text = json_text(v, STR(""));
    return text.len ? json_new_text(a, text) : NULL;
}

static void put_suggestions(arena *a, const json *item, const json *settings, json *out, bool flat) {
    const json *list = json_get(item, "suggestions");
    json *nested = flat ? NULL : json_new_object(a);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *s = json_at(list, i);
        const char *question = question_of(a, s, settings);
        json *value = value_out(a, settings, question, json_get(s, "value")), *one = json_new_object(a);
        if (!*question) continue;
        json_set(flat ? out : one, flat ? arena_printf(a, "%s.suggestion", question) : "value", value);
        json_set(flat ? out : one, flat ? arena_printf(a, "%s.suggestion.score", question) : "score", json_get(s, "score"));
        json_set(flat ? out : one, flat ? arena_printf(a, "%s.suggestion.agent", question) : "agent", json_get(s, "agent"));
        if (!flat) json_set(nested, question, one);
    }
    if (!flat) json_set(out, "suggestions", nested);
}

static json *list_in(arena *a, json *object, const char *key) {
    if (!json_get(object, key)) json_set(object, key, json_new_array(a));
    return json_get(object, key);
}

static void put_response(arena *a, const json *settings, const json *response, const json_member *m, json *out, bool flat) {
    json *value = value_out(a, settings, m->key, json_get(m->value, "value")),
         *user = text_or_null(a, json_get(response, "user_id"));
    if (flat) {
        json_append(list_in(a, out, arena_printf(a, "%s.responses", m->key)), value);
        json_append(list_in(a, out, arena_printf(a, "%s.responses.users", m->key)), user);
        json_append(list_in(a, out, arena_printf(a, "%s.responses.status", m->key)), json_get(response, "status"));
        return;
    }
    json *one = json_new_object(a);
    json_set(one, "value", value);
    json_set(one, "user_id", user);
    json_append(list_in(a, out, m->key), one);
}

static void put_responses(arena *a, const json *item, const json *settings, json *out, bool flat) {
    const json *list = json_get(item, "responses");
    json *into = flat ? out : json_new_object(a);
    for (size_t i = 0; i < json_count(list); i++)
        for (json_member m = {0}; json_next(json_get(json_at(list, i), "values"), &m);)
            put_response(a, settings, json_at(list, i), &m, into, flat);
    if (!flat) json_set(out, "responses", into);
}

/* Members of an object: as columns, or as the object. */
static void put_part(arena *a, const json *item, const char *key, json *out, bool flat) {
    json *part = json_get(item, key);
    if (!flat) json_set(out, key, part ? part : json_new_object(a));
    for (json_member m = {0}; flat && json_next(part, &m);) json_set(out, m.key, m.value);
}

json *argilla_record(arena *a, const json *item, const json *settings, bool flat) {
    json *out = json_new_object(a), *id = text_or_null(a, json_get(item, "external_id"));
    json_set(out, "id", id ? id : text_or_null(a, json_get(item, "id")));
    if (flat) json_set(out, "status", json_get(item, "status"));
    if (flat) json_set(out, "_server_id", text_or_null(a, json_get(item, "id")));
    put_part(a, item, "fields", out, flat);
    put_part(a, item, "metadata", out, flat);
    if (flat) put_part(a, item, "vectors", out, flat);
    if (!flat) put_suggestions(a, item, settings, out, flat);
    put_responses(a, item, settings, out, flat);
    if (flat) put_suggestions(a, item, settings, out, flat);
    if (flat) return out;
    put_part(a, item, "vectors", out, flat);
    json_set(out, "status", json_get(item, "status") ? json_get(item, "status") : json_new_text(a, STR("pending")));
    json_set(out, "_server_id", text_or_null(a, json_get(item, "id")));
    return out;
}

struct argilla_out {
    const json *settings;
    file_out records;
    bool open;
    int64_t count;
};

static void abandon_deferred(void *thing) {
    argilla_out *w = thing;
    if (w->open) file_out_abandon(&w->records);
    w->open = false;
}

static bool write_about(arena *a, const char *folder, const char *name, const json *v, err *e) {
    buf text = {0};
    json_put(&text, v);
    const bool ok = file_write(path_join(a, folder, name), buf_str(&text), e);
    buf_free(&text);
    return ok;
}

/* What the SDK's Settings.from_json reads. */
static json *settings_of(arena *a, const json *dataset, const json *settings) {
    static const char *const lists[] = {"questions", "fields", "vectors", "metadata"};
    json *out = json_new_object(a), *guidelines = json_get(settings, "guidelines"), *one = json_new_object(a);
    json_set(out, "guidelines", guidelines ? guidelines : json_get(dataset, "guidelines"));
    for (int i = 0; i < 4; i++)
        json_set(out, lists[i], json_get(settings, lists[i]) ? json_get(settings, lists[i]) : json_new_array(a));
    const json *extra = json_get(settings, "allow_extra_metadata") ? settings : dataset;
    json_set(out, "allow_extra_metadata", json_new_bool(a, json_get_bool(extra, "allow_extra_metadata", true)));
    json *distribution = json_get(json_get(settings, "distribution") ? settings : dataset, "distribution");
    json_set(one, "strategy", json_new_text(a, STR("overlap")));
    json_set(one, "min_submitted", json_new_int(a, 1));
    json_set(out, "distribution", distribution ? distribution : one);
    json_set(out, "mapping", json_get(settings, "mapping"));
    return out;
}

argilla_out *argilla_out_open(arena *a, const char *folder, const json *dataset, const json *settings, err *e) {
    argilla_out *w = arena_new_of(a, argilla_out);
    json *version = json_new_object(a);
    json_set(version, "argilla", json_new_text(a, STR("2.8.0"))); /* of the shape, which is what readers ask for */
    w->settings = settings;
    if (!dir_make(path_join(a, folder, ".argilla"), e) || !write_about(a, folder, ".argilla/dataset.json", dataset, e) ||
        !write_about(a, folder, ".argilla/settings.json", settings_of(a, dataset, settings), e) ||
        !write_about(a, folder, ".argilla/version.json", version, e))
        return NULL;
    if (!file_out_open(&w->records, path_join(a, folder, "records.json"), e)) return NULL;
    w->open = true;
    arena_defer(a, abandon_deferred, w);
    return file_out_put(&w->records, "[", 1, e) ? w : NULL;
}

bool argilla_out_item(argilla_out *w, const json *item, err *e) {
    arena *a = arena_new();
    buf text = {0};
    if (w->count++) buf_put_text(&text, ",\n");
    json_put(&text, argilla_record(a, item, w->settings, false));
    const bool ok = file_out_put(&w->records, text.ptr, text.len, e);
    buf_free(&text);
    arena_free(a);
    return ok;
}

bool argilla_out_commit(argilla_out *w, err *e) {
    if (!file_out_put(&w->records, "]\n", 2, e)) return false;
    w->open = false;
    return file_out_commit(&w->records, e);
}
