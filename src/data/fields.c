/* fields.c - reading a row's fields, with words when they are not what they should be. */
#include "data/format.h"

static const char *kind_words(const json *v) {
    const json_kind kind = json_kind_of(v);
    if (kind == JSON_STRING) return "a text";
    return kind == JSON_ARRAY ? "a list" : json_kind_name(kind);
}

/* What a reader sees in place of a field. */
static const char *came(const json *row, const char *key) {
    if (json_kind_of(row) != JSON_OBJECT) return "missing: the row is no object";
    return json_has(row, key) ? kind_words(json_get(row, key)) : "missing";
}

bool field_wrong(const json *row, const char *key, const char *expected, err *e) {
    return err_set(e, ERR_INPUT, "field '%s' should be %s, but is %s", key, expected, came(row, key));
}

bool field_text(const json *row, const char *key, str *out, err *e) {
    if (!is_text(row, key)) return field_wrong(row, key, "a text", e);
    *out = json_text(json_get(row, key), STR(""));
    return true;
}

bool field_text_if_any(const json *row, const char *key, str *out, err *e) {
    *out = STR("");
    return !json_get(row, key) || field_text(row, key, out, e);
}

bool field_messages(const json *row, const char *key, json **out, err *e) {
    *out = json_get(row, key);
    if (!is_list(row, key)) return field_wrong(row, key, "a list of messages", e);
    return messages_check(*out, key, e);
}

bool field_part(const json *row, const char *key, example_part *out, err *e) {
    json *v = json_get(row, key);
    switch (json_kind_of(v)) {
    case JSON_STRING: *out = part_text(json_text(v, STR(""))); return true;
    case JSON_ARRAY: *out = part_messages(v); return messages_check(v, key, e);
    default: return field_wrong(row, key, "a text or a list of messages", e);
    }
}

bool field_label(const json *row, const char *key, bool *out, err *e) {
    const json *v = json_get(row, key);
    const int64_t n = json_kind_of(v) == JSON_BOOL ? json_bool(v, false) : json_int(v, -1);
    if (n != 0 && n != 1) return field_wrong(row, key, "true or false (or 1 or 0)", e);
    *out = n == 1;
    return true;
}

bool field_tools(arena *a, const json *row, const char *key, json **out, err *e) {
    json *v = json_get(row, key);
    *out = NULL;
    if (json_kind_of(v) == JSON_STRING) {
        const str text = str_trim(json_text(v, STR("")));
        json *parsed;
        if (!text.len) return true;
        if (!json_parse_any(a, text, &parsed, e))
            return err_prefix(e, "field '%s' should be a list of tools written as JSON", key);
        v = parsed;
    }
    if (!v || (json_kind_of(v) == JSON_ARRAY && !json_count(v))) return true;
    if (json_kind_of(v) != JSON_ARRAY) return field_wrong(row, key, "a list of tools (or a JSON text of one)", e);
    for (size_t i = 0; i < json_count(v); i++)
        if (json_kind_of(json_at(v, i)) != JSON_OBJECT)
            return err_set(e, ERR_INPUT, "field '%s', tool %zu should be an object that describes a function, but is %s", key,
                           i + 1, kind_words(json_at(v, i)));
    *out = v;
    return true;
}

bool is_text(const json *row, const char *key) { return json_kind_of(json_get(row, key)) == JSON_STRING; }
bool is_list(const json *row, const char *key) { return json_kind_of(json_get(row, key)) == JSON_ARRAY; }
bool is_flag(const json *row, const char *key) { return json_kind_of(json_get(row, key)) == JSON_BOOL; }
bool is_turns(const json *row, const char *key, const char *member) {
    return is_list(row, key) && json_has(json_at(json_get(row, key), 0), member);
}
bool is_part(const json *row, const char *key) { return is_text(row, key) || is_turns(row, key, "role"); }

/* ---- messages ------------------------------------------------------------------------------------------------------------------ */

static bool content_check(const json *content, const char *field, size_t number, err *e) {
    for (size_t i = 0; i < json_count(content); i++) {
        const json *piece = json_at(content, i);
        const str type = json_get_text(piece, "type", STR("text"));
        if (!str_is(type, "text"))
            return err_set(e, ERR_UNSUPPORTED,
                           "field '%s', message %zu: a part of type '%.*s'; only parts of type 'text' can be used", field, number,
                           STR_ARG(type));
        if (!is_text(piece, "text"))
            return err_set(e, ERR_INPUT, "field '%s', message %zu: part %zu of 'content' should be an object with a 'text'",
                           field, number, i + 1);
    }
    return true;
}

static bool message_check(const json *m, const char *field, size_t number, err *e) {
    if (json_kind_of(m) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "field '%s', message %zu should be an object with 'role' and 'content', but is %s", field,
                       number, kind_words(m));
    if (!json_get_text(m, "role", STR("")).len)
        return err_set(e, ERR_INPUT, "field '%s', message %zu: 'role' should be a text such as 'user', but is %s", field, number,
                       is_text(m, "role") ? "empty" : came(m, "role"));
    const json *content = json_get(m, "content"), *calls = json_get(m, "tool_calls");
    if (calls && json_kind_of(calls) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "field '%s', message %zu: 'tool_calls' should be a list, but is %s", field, number,
                       kind_words(calls));
    if (json_kind_of(content) == JSON_ARRAY && json_count(content)) return content_check(content, field, number, e);
    if (json_kind_of(content) == JSON_STRING || (!content && json_count(calls))) return true;
    return err_set(e, ERR_INPUT, "field '%s', message %zu: 'content' should be a text%s, but is %s", field, number,
                   content ? "" : " (or null beside 'tool_calls')",
                   json_kind_of(content) == JSON_ARRAY ? "an empty list" : came(m, "content"));
}

bool messages_check(const json *list, const char *field, err *e) {
    if (!json_count(list)) return err_set(e, ERR_INPUT, "field '%s' should be a list of messages, but is an empty list", field);
    for (size_t i = 0; i < json_count(list); i++)
        if (!message_check(json_at(list, i), field, i + 1, e)) return false;
    return true;
}

json *messages_slice(arena *a, const json *list, size_t from, size_t to) {
    json *slice = json_new_array(a);
    for (size_t i = from; i < to; i++) json_append(slice, json_at(list, i));
    return slice;
}

json *messages_one(arena *a, json *message) {
    json *list = json_new_array(a);
    json_append(list, message);
    return list;
}

example_part part_text(str text) { return (example_part){.type = PART_TEXT, .text = text}; }
example_part part_messages(json *list) { return (example_part){.type = PART_MESSAGES, .messages = list}; }

bool messages_cut(arena *a, const json *list, const char *field, example_part *prompt, example_part *answer, err *e) {
    const size_t count = json_count(list);
    if (count < 2 || !str_is(json_get_text(json_at(list, count - 1), "role", STR("")), "assistant"))
        return err_set(e, ERR_INPUT, "field '%s' should end with an answer (role 'assistant') to what comes before, but %s",
                       field, count < 2 ? "has a single message" : "its last message is not the assistant's");
    *prompt = part_messages(messages_slice(a, list, 0, count - 1));
    *answer = part_messages(messages_slice(a, list, count - 1, count));
    return true;
}
