/* inbox.c - see inbox.h. */
#include "serve/inbox.h"

#include <pthread.h>
#include <string.h>

static const char usual[] = "inbox";
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* two first thumbs make one dataset */

/* ---- requests of our own -------------------------------------------------------------------------------------------------------------------- */

static bool ask(call *c, const char *method, const char *path, str body, json **out, err *e) {
    int status;
    buf text = {0};
    bool ok = server_call(c->server, method, path, body, &status, &text, e);
    if (out) *out = NULL;
    if (ok && out && text.len) ok = json_parse_any(c->a, str_of(str_copy(c->a, buf_str(&text))), out, e);
    buf_free(&text);
    return ok;
}

static bool make(call *c, const char *path, const char *body, json **out, err *e) {
    return ask(c, "POST", path, str_of(body), out, e);
}

static const char *id_of(call *c, const json *v) { return str_copy(c->a, json_get_text(v, "id", STR(""))); }

static const json *named(const json *list, const char *name) {
    const json *items = json_get(list, "items");
    for (size_t i = 0; i < json_count(items); i++)
        if (str_is(json_get_text(json_at(items, i), "name", STR("")), name)) return json_at(items, i);
    return NULL;
}

/* ---- the dataset ---------------------------------------------------------------------------------------------------------------------------- */

static bool read_space(store_tx *t, void *context, err *e) {
    call *c = context;
    workspaces list;
    if (!workspace_list(t, c->a, c->me.role == ROLE_OWNER ? 0 : c->me.seq, &list, e)) return false;
    c->space = (workspace){0};
    for (int i = 0; i < list.count; i++)
        if (!c->space.seq || strcmp(list.item[i].name, usual) == 0) c->space = list.item[i];
    return true;
}

/* The person's workspace: "inbox" where they are in it, else their first. An owner where there is none gets one. */
static bool find_space(call *c, const char **id, err *e) {
    json *space;
    if (!store_read(server_store(c->server), read_space, c, e)) return false;
    if (c->space.seq) return (*id = c->space.id), true;
    if (c->me.role != ROLE_OWNER) return forbidden(e, "you are in no workspace: an owner must let you into one first");
    if (!make(c, "/api/v1/workspaces", "{\"name\":\"inbox\"}", &space, e)) return false;
    *id = id_of(c, space);
    return true;
}

static bool make_parts(call *c, const char *at, const inbox_shape *shape, err *e) {
    for (const inbox_part *p = shape->parts; p->what; p++)
        if (!make(c, arena_printf(c->a, "%s/%s", at, p->what), p->body, NULL, e)) return false;
    return ask(c, "PUT", arena_printf(c->a, "%s/publish", at), STR(""), NULL, e);
}

static bool make_dataset(call *c, const char *space, const inbox_shape *shape, json **out, err *e) {
    const char *body =
        arena_printf(c->a, "{\"name\":\"%s\",\"workspace_id\":\"%s\",\"allow_extra_metadata\":true,\"guidelines\":\"%s\"}",
                     shape->name, space, shape->guidelines);
    return make(c, "/api/v1/datasets", body, out, e) &&
           make_parts(c, arena_printf(c->a, "/api/v1/datasets/%s", id_of(c, *out)), shape, e);
}

static bool find_dataset(call *c, const inbox_shape *shape, const char **id, err *e) {
    json *all, *made = NULL;
    const char *space = NULL;
    if (!find_space(c, &space, e) ||
        !ask(c, "GET", arena_printf(c->a, "/api/v1/me/datasets?workspace_id=%s", space), STR(""), &all, e))
        return false;
    const json *there = named(all, shape->name);
    if (!there && !make_dataset(c, space, shape, &made, e)) return false;
    *id = id_of(c, there ? there : made);
    return true;
}

bool inbox_find(call *c, const inbox_shape *shape, const char **set, err *e) {
    pthread_mutex_lock(&making);
    const bool ok = find_dataset(c, shape, set, e);
    pthread_mutex_unlock(&making);
    return ok;
}

/* ---- records -------------------------------------------------------------------------------------------------------------------------------- */

bool inbox_question(call *c, const char *set, const char *name, const char **id, err *e) {
    json *all;
    if (!ask(c, "GET", arena_printf(c->a, "/api/v1/datasets/%s/questions", set), STR(""), &all, e)) return false;
    const json *one = named(all, name);
    if (one) *id = id_of(c, one);
    return one || err_set(e, ERR_CONFLICT, "the dataset has no question '%s' any more: rename it, and a new one is made", name);
}

typedef struct {
    const char *row;
    int64_t person;
} owning;

static bool write_author(store_tx *t, void *context, err *e) {
    const owning *o = context;
    return record_author(t, o->row, o->person, e);
}

bool inbox_put(call *c, const char *set, str item, const char **row, err *e) {
    json *done;
    const char *body = arena_printf(c->a, "{\"items\":[%.*s]}", STR_ARG(item));
    if (!ask(c, "PUT", arena_printf(c->a, "/api/v1/datasets/%s/records/bulk", set), str_of(body), &done, e)) return false;
    owning o = {id_of(c, json_at(json_get(done, "items"), 0)), c->me.seq};
    *row = o.row;
    return store_write(server_store(c->server), write_author, &o, e);
}
