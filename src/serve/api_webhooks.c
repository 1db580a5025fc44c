/* api_webhooks.c - who is told of events by HTTP. */
#include <string.h>

#include "serve/api.h"

enum { WEBHOOKS_MOST = 10, SECRET_BYTES = 64 };

static const char *const known[] = {"dataset.created",  "dataset.updated",  "dataset.deleted",  "dataset.published",
                                    "record.created",   "record.updated",   "record.deleted",   "record.completed",
                                    "response.created", "response.updated", "response.deleted", NULL};

static bool is_known(str name) {
    for (int i = 0; known[i]; i++)
        if (str_is(name, known[i])) return true;
    return false;
}

static bool read_events(call *c, str *out, err *e) {
    const json *list = json_get(c->body, "events");
    const size_t n = json_count(list);
    buf text = {0};
    if (!list && out->ptr) return true;
    if (json_kind_of(list) != JSON_ARRAY || !n)
        return invalid(c, "body.events", e, "events should be a list of at least one event");
    for (size_t i = 0; i < n; i++) {
        const str name = json_text(json_at(list, i), STR(""));
        if (!is_known(name)) return invalid(c, "body.events", e, "'%.*s' is no event", STR_ARG(name));
        for (size_t k = 0; k < i; k++)
            if (str_eq(name, json_text(json_at(list, k), STR(""))))
                return invalid(c, "body.events", e, "'%.*s' stands twice", STR_ARG(name));
    }
    json_put(&text, list);
    *out = (str){arena_copy(c->a, text.ptr, text.len), text.len};
    buf_free(&text);
    return true;
}

static bool check_url(call *c, const char *url, err *e) {
    const char *rest = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : "";
    return (*rest && *rest != '/' && !strpbrk(url, " \t\r\n")) ||
           invalid(c, "body.url", e, "url should be http(s)://host/..., it is '%.200s'", url);
}

static bool get_list(call *c, err *e) {
    webhooks list;
    if (!webhook_list(c->tx, c->a, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_webhook(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool post_one(call *c, err *e) {
    unsigned char secret[SECRET_BYTES];
    webhooks list;
    webhook w = {.enabled = true};
    if (!body_text(c, "url", 1, 2000, &w.url, e) || !check_url(c, w.url, e) || !read_events(c, &w.events, e) ||
        !body_text_or(c, "description", 1, 1000, &w.description, e) || !webhook_list(c->tx, c->a, &list, e))
        return false;
    if (list.count >= WEBHOOKS_MOST) return err_set(e, ERR_INPUT, "there are %d webhooks already, which is the most", list.count);
    secret_random(secret, sizeof secret);
    w.secret = secret_base64(c->a, secret, sizeof secret);
    if (!webhook_add(c->tx, &w, e)) return false;
    server_note_webhooks(c->server);
    c->status = 201;
    put_webhook(&c->w, &w);
    return true;
}

static bool patch_one(call *c, err *e) {
    static const char *const fixed[] = {"url", "events", "enabled", NULL};
    webhook *w = &c->webhook;
    str description = str_of(w->description);
    bool given;
    if (!body_object(c, e) || !body_not_null(c, fixed, e) || !body_text_or(c, "url", 1, 2000, &w->url, e) ||
        !check_url(c, w->url, e) || !read_events(c, &w->events, e) || !body_bool_or(c, "enabled", &w->enabled, e) ||
        !body_text_null(c, "description", 1, 1000, &description, &given, e))
        return false;
    if (given) w->description = description.ptr ? str_copy(c->a, description) : NULL;
    if (!webhook_save(c->tx, w, e)) return false;
    put_webhook(&c->w, w);
    return true;
}

static bool delete_one(call *c, err *e) {
    put_webhook(&c->w, &c->webhook);
    return webhook_delete(c->tx, &c->webhook, e);
}

/* The ping is an event of its own that only this webhook hears. */
static bool post_ping(call *c, err *e) {
    buf data = {0};
    buf_printf(&data, "{\"webhook_id\":\"%s\"}", c->webhook.id);
    const bool ok = event_add(c->tx, "ping", 0, 0, buf_str(&data), buf_str(&data), e);
    buf_free(&data);
    c->status = 204;
    c->no_body = true;
    return ok;
}

const route routes_webhooks[] = {
    {"GET", "/api/v1/webhooks", WHO_OWNER, OF_NOTHING, RUN_READ, get_list, "all webhooks"},
    {"POST", "/api/v1/webhooks", WHO_OWNER, OF_NOTHING, RUN_WRITE, post_one, "a new webhook"},
    {"PATCH", "/api/v1/webhooks/{id}", WHO_OWNER, OF_WEBHOOK, RUN_WRITE, patch_one, "change a webhook"},
    {"DELETE", "/api/v1/webhooks/{id}", WHO_OWNER, OF_WEBHOOK, RUN_WRITE, delete_one, "remove a webhook"},
    {"POST", "/api/v1/webhooks/{id}/ping", WHO_OWNER, OF_WEBHOOK, RUN_WRITE, post_ping, "send a ping to a webhook"},
    {0},
};
