/* field_chat.c - a conversation: messages with a role and a content. */
#include "data/kind.h"

enum { MESSAGES_MAX = 500, ROLE_MAX = 20, CONTENT_MAX = 20000 };

static bool create(arena *a, const json *in, json **out, err *e) {
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("chat")));
    return take_flag(a, in, "use_markdown", true, false, *out, e);
}

static bool update(arena *a, const json *old, const json *in, json **out, err *e) {
    return same_type(old, in, e) && create(a, with_changes(a, old, in), out, e);
}

static bool check(const json *value, err *e) {
    const size_t n = json_count(value);
    str ignored;
    if (json_kind_of(value) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "it should be a list of messages {\"role\", \"content\"}, but is %s", value_words(value));
    if (n > MESSAGES_MAX) return err_set(e, ERR_INPUT, "it should have at most %d messages, but has %zu", MESSAGES_MAX, n);
    for (size_t i = 0; i < n; i++) {
        const json *m = json_at(value, i);
        if (!body_is_object(m, "it", e) || !key_text(m, "role", 1, ROLE_MAX, &ignored, e) ||
            !key_text(m, "content", 1, CONTENT_MAX, &ignored, e))
            return err_prefix(e, "message %zu", i + 1);
    }
    return true;
}

static void search_text(const json *value, buf *out) {
    for (size_t i = 0; i < json_count(value); i++) {
        buf_put_str(out, json_get_text(json_at(value, i), "role", STR("")));
        buf_put_text(out, ": ");
        buf_put_str(out, json_get_text(json_at(value, i), "content", STR("")));
        buf_put_char(out, '\n');
    }
}

const field_type field_type_chat = {"chat", "a conversation of messages", create, update, check, search_text};
