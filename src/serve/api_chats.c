/* api_chats.c - conversations with models: each its owner's alone, a tree of messages (an edit or another answer is a sibling). */
#include <string.h>

#include "serve/api.h"

enum { MESSAGES_MOST = 2000, TITLE_MOST = 200 };

static void put_talk(json_writer *w, const talk *x, bool whole) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "title"), json_put_cstr(w, x->title);
    json_key(w, "model"), json_put_cstr(w, x->model);
    json_key(w, "settings"), json_put_raw(w, x->settings);
    if (whole) json_key(w, "messages"), json_put_raw(w, x->messages);
    put_moment(w, "inserted_at", x->inserted_at);
    put_moment(w, "updated_at", x->updated_at);
    json_close(w);
}

/* ---- what a conversation may be ------------------------------------------------------------------------------------------------------------ */

static bool is_speaker(str who_says) {
    return str_is(who_says, "user") || str_is(who_says, "assistant") || str_is(who_says, "system");
}

static bool stands_before(const json *list, size_t i, str id) {
    for (size_t k = 0; k < i; k++)
        if (str_eq(json_get_text(json_at(list, k), "id", STR("")), id)) return true;
    return false;
}

/* Each message has an id of its own, and a parent before it, or none. */
static bool message_rule(call *c, const json *list, size_t i, err *e) {
    const json *m = json_at(list, i), *parent = json_get(m, "parent");
    const char *where = arena_printf(c->a, "body.messages.%zu", i);
    const str id = json_get_text(m, "id", STR(""));
    if (!id.len || id.len > 100 || stands_before(list, i, id))
        return invalid(c, where, e, "a message should have an id of its own");
    if (parent && !stands_before(list, i, json_text(parent, STR(""))))
        return invalid(c, where, e, "'parent' should be null or the id of a message before this one");
    if (!is_speaker(json_get_text(m, "role", STR("")))) return invalid(c, where, e, "'role' should be user, assistant or system");
    if (json_kind_of(json_get(m, "content")) != JSON_STRING) return invalid(c, where, e, "'content' should be a string");
    return true;
}

static bool take_messages(call *c, str *out, err *e) {
    const json *list = json_get(c->body, "messages");
    if (!list) return true;
    if (json_kind_of(list) != JSON_ARRAY || json_count(list) > MESSAGES_MOST)
        return invalid(c, "body.messages", e, "messages should be a list of at most %d", MESSAGES_MOST);
    for (size_t i = 0; i < json_count(list); i++)
        if (!message_rule(c, list, i, e)) return false;
    *out = written(c, list);
    return true;
}

static bool take_settings(call *c, str *out, err *e) {
    const json *settings = json_get(c->body, "settings");
    if (!settings) return true;
    if (json_kind_of(settings) != JSON_OBJECT) return invalid(c, "body.settings", e, "settings should be an object");
    *out = written(c, settings);
    return true;
}

static bool take_talk(call *c, talk *x, err *e) {
    return need_me(c, e) && body_object(c, e) && body_text_or(c, "title", 0, TITLE_MOST, &x->title, e) &&
           body_text_or(c, "model", 1, 200, &x->model, e) && take_settings(c, &x->settings, e) &&
           take_messages(c, &x->messages, e);
}

static bool find_talk(call *c, talk *x, err *e) {
    uuid_text id;
    if (uuid_parse(c->arg[0], id)) return talk_get(c->tx, c->a, c->me.seq, id, x, e);
    return err_set(e, ERR_NOT_FOUND, "Chat with id `%.*s` not found", STR_ARG(c->arg[0]));
}

/* ---- routes ------------------------------------------------------------------------------------------------------------------------------------ */

static bool get_list(call *c, err *e) {
    talks list;
    if (!talk_list(c->tx, c->a, c->me.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_talk(&c->w, &list.item[i], false);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_one(call *c, err *e) {
    talk x;
    if (!find_talk(c, &x, e)) return false;
    put_talk(&c->w, &x, true);
    return true;
}

static bool post_talk(call *c, err *e) {
    talk x = {.title = "", .model = "", .settings = STR("{}"), .messages = STR("[]"), .user = c->me.seq};
    if (!take_talk(c, &x, e)) return false;
    if (!*x.model) return invalid(c, "body.model", e, "model is required");
    if (!talk_add(c->tx, &x, e)) return false;
    c->status = 201;
    put_talk(&c->w, &x, true);
    return true;
}

static bool patch_talk(call *c, err *e) {
    talk x;
    if (!find_talk(c, &x, e) || !take_talk(c, &x, e) || !talk_save(c->tx, &x, e)) return false;
    put_talk(&c->w, &x, true);
    return true;
}

static bool delete_talk(call *c, err *e) {
    talk x;
    c->status = 204;
    c->no_body = true;
    return find_talk(c, &x, e) && talk_delete(c->tx, &x, e);
}

const route routes_chats[] = {
    {"GET", "/api/v1/chats", WHO_USER, OF_NOTHING, RUN_READ, get_list, "my conversations, without their messages"},
    {"POST", "/api/v1/chats", WHO_USER, OF_NOTHING, RUN_WRITE, post_talk, "keep a conversation"},
    {"GET", "/api/v1/chats/{chat}", WHO_USER, OF_NOTHING, RUN_READ, get_one, "one of mine, whole"},
    {"PATCH", "/api/v1/chats/{chat}", WHO_USER, OF_NOTHING, RUN_WRITE, patch_talk,
     "its title, model, settings, or all its messages"},
    {"DELETE", "/api/v1/chats/{chat}", WHO_USER, OF_NOTHING, RUN_WRITE, delete_talk, "forget it"},
    {0},
};
