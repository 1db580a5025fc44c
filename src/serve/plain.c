/* plain.c - see plain.h: one walk over the answer, and only where it may hold a comparison. */
#include "serve/plain.h"

#include <string.h>

static json *option(arena *a, const char *value, str text) {
    json *one = json_new_object(a);
    json_set(one, "value", json_new_text(a, str_of(value)));
    json_set(one, "text", json_new_text(a, text));
    json_set(one, "description", NULL);
    return one;
}

static json *as_labels(arena *a, const json *settings) {
    static const char *const sides[] = {"a", "b"}, *const texts[] = {"A", "B"};
    json *out = json_new_object(a), *options = json_new_array(a);
    for (size_t i = 0; i < 2; i++)
        json_append(options,
                    option(a, sides[i], json_get_text(json_at(json_get(settings, "options"), i), "text", str_of(texts[i]))));
    json_append(options, option(a, "tie", STR("Tie")));
    json_append(options, option(a, "both_bad", STR("Both bad")));
    json_set(out, "type", json_new_text(a, STR("label_selection")));
    json_set(out, "options", options);
    json_set(out, "visible_options", NULL);
    return out;
}

/* {"choice": "a", "strength", "order"} and nothing else. */
static bool is_choice(const json *v) {
    if (json_kind_of(v) != JSON_OBJECT || json_kind_of(json_get(v, "choice")) != JSON_STRING) return false;
    for (json_member m = {0}; json_next(v, &m);)
        if (strcmp(m.key, "choice") != 0 && strcmp(m.key, "strength") != 0 && strcmp(m.key, "order") != 0) return false;
    return true;
}

/* Members of a record that are the user's own, whatever they look like. */
static bool is_foreign(const char *key) { return strcmp(key, "fields") == 0 || strcmp(key, "metadata") == 0; }

static json *walk(arena *a, json *v);

static json *member(arena *a, const char *key, json *value, const json *owner) {
    const bool settings = strcmp(key, "settings") == 0, is_record = json_has(owner, "external_id");
    if (settings && str_is(json_get_text(value, "type", STR("")), "comparison")) return as_labels(a, value);
    if (strcmp(key, "value") == 0 && is_choice(value)) return json_get(value, "choice");
    return is_record && is_foreign(key) ? value : walk(a, value);
}

static json *walk(arena *a, json *v) {
    if (json_kind_of(v) == JSON_ARRAY) {
        json *out = json_new_array(a);
        for (size_t i = 0; i < json_count(v); i++) json_append(out, walk(a, json_at(v, i)));
        return out;
    }
    if (json_kind_of(v) != JSON_OBJECT) return v;
    json *out = json_new_object(a);
    for (json_member m = {0}; json_next(v, &m);) json_set(out, m.key, member(a, m.key, m.value, v));
    return out;
}

void plain_answer(call *c) {
    err e = {0};
    const str text = buf_str(&c->out);
    if (!text.ptr || c->type || (str_find(text, STR("\"comparison\""), 0) < 0 && str_find(text, STR("\"choice\""), 0) < 0))
        return;
    json *v = json_parse(c->a, text, &e);
    if (!v) return;
    v = walk(c->a, v);
    buf_clear(&c->out);
    json_put(&c->out, v);
}
