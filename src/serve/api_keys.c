/* api_keys.c - keys and sessions: one's own, and everybody's for owners. None shows its secret again. */
#include "base/clock.h"
#include "serve/api.h"

#define DAY ((int64_t)24 * 3600 * 1000000)

static const struct {
    const char *name;
    pass_scope bit;
} scopes[] = {{"api", SCOPE_API}, {"serve", SCOPE_SERVE}};
enum { SCOPES = sizeof scopes / sizeof *scopes, RETENTION = 30, RETENTION_MOST = 3650 };

static void put_limits(call *c, const pass *p, err *e) {
    json_key(&c->w, "scopes"), json_open(&c->w, '[');
    for (int i = 0; i < SCOPES; i++)
        if (!p->scopes || (p->scopes & scopes[i].bit)) json_put_cstr(&c->w, scopes[i].name);
    json_close(&c->w);
    json_key(&c->w, "budget"), p->budget ? json_put_int(&c->w, p->budget) : json_put_null(&c->w);
    json_key(&c->w, "spent_today"), json_put_int(&c->w, pass_spent(c->tx, p->seq, clock_now() / DAY, e));
    json_key(&c->w, "record"), json_put_bool(&c->w, p->record);
    json_key(&c->w, "retention_days"), p->record ? json_put_int(&c->w, p->retention) : json_put_null(&c->w);
}

static bool read_scopes(call *c, pass *p, err *e) {
    const json *list = json_get(c->body, "scopes");
    if (!list) return true;
    if (json_kind_of(list) != JSON_ARRAY || !json_count(list))
        return invalid(c, "body.scopes", e, "scopes should be a list of api, serve or both");
    for (size_t i = 0; i < json_count(list); i++) {
        int k = 0;
        while (k < SCOPES && !str_is(json_text(json_at(list, i), STR("")), scopes[k].name)) k++;
        if (k == SCOPES) return invalid(c, "body.scopes", e, "scopes are api and serve");
        p->scopes |= scopes[k].bit;
    }
    return true;
}

static bool read_limits(call *c, pass *p, err *e) {
    const json *budget = json_get(c->body, "budget"), *days = json_get(c->body, "retention_days");
    p->budget = json_int(budget, 0);
    p->retention = json_int(days, RETENTION);
    if (budget && (json_kind_of(budget) != JSON_INT || p->budget < 1))
        return invalid(c, "body.budget", e, "budget should be a number of tokens a day, or null");
    if (days && (json_kind_of(days) != JSON_INT || p->retention < 1 || p->retention > RETENTION_MOST))
        return invalid(c, "body.retention_days", e, "retention_days should be 1 to %d", RETENTION_MOST);
    return read_scopes(c, p, e) && body_bool_or(c, "record", &p->record, e);
}

static void put_moment_or_null(json_writer *w, const char *key, int64_t moment) {
    if (moment) put_moment(w, key, moment);
    else json_key(w, key), json_put_null(w);
}

static void put_pass(call *c, const pass *p, err *e) {
    static const char *const kinds[] = {[PASS_KEY] = "key", [PASS_SESSION] = "session", [PASS_LINK] = "link"};
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_cstr(&c->w, p->id);
    json_key(&c->w, "kind"), json_put_cstr(&c->w, kinds[p->kind]);
    json_key(&c->w, "name"), json_put_cstr(&c->w, p->name);
    json_key(&c->w, "current"), json_put_bool(&c->w, p->seq == c->session);
    put_moment(&c->w, "inserted_at", p->inserted_at);
    put_moment_or_null(&c->w, "used_at", p->used_at);
    put_moment_or_null(&c->w, "expires_at", p->expires_at);
    if (p->kind == PASS_KEY) put_limits(c, p, e);
    json_close(&c->w);
}

static bool list_of(call *c, int64_t person, err *e) {
    passes list;
    if (!pass_list(c->tx, c->a, person, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_pass(c, &list.item[i], e);
    items_end(c);
    object_end(c);
    return !e->code;
}

static bool get_mine(call *c, err *e) { return list_of(c, c->me.seq, e); }
static bool get_theirs(call *c, err *e) { return list_of(c, c->person.seq, e); }

static bool post_key(call *c, err *e) {
    const char *name = "key";
    key_text key;
    pass p = {.user = c->me.seq};
    if (!body_text_or(c, "name", 1, 200, &name, e) || !read_limits(c, &p, e)) return false;
    if (!c->me.seq) return err_set(e, ERR_CONFLICT, "there is no user yet to give a key to");
    p.name = name;
    if (!new_key_as(c, &p, key, e) || !audit_add(c->tx, c->me.seq, "key.create", p.id, (str){NULL, 0}, e)) return false;
    c->status = 201;
    json_open(&c->w, '{');
    json_key(&c->w, "name"), json_put_cstr(&c->w, name);
    json_key(&c->w, "api_key"), json_put_cstr(&c->w, key);
    json_key(&c->w, "id"), json_put_cstr(&c->w, p.id);
    put_limits(c, &p, e);
    json_close(&c->w);
    return true;
}

/* Another key for somebody, without limits; what it may, its owner may. */
static bool post_key_for(call *c, err *e) {
    key_text key;
    if (!new_key(c, c->person.seq, "issued", key, e) ||
        !audit_add(c->tx, c->me.seq, "key.create", c->person.id, (str){NULL, 0}, e))
        return false;
    c->status = 201;
    put_user(&c->w, &c->person, key);
    return true;
}

static bool end_pass(call *c, int64_t person, str id, err *e) {
    const char *its = str_copy(c->a, id);
    c->status = 204;
    c->no_body = true;
    return pass_delete(c->tx, person, its, e) && audit_add(c->tx, c->me.seq, "pass.delete", its, (str){NULL, 0}, e);
}

static bool delete_mine(call *c, err *e) { return end_pass(c, c->me.seq, c->arg[0], e); }
static bool delete_theirs(call *c, err *e) { return end_pass(c, c->person.seq, c->arg[1], e); }

const route routes_keys[] = {
    {"GET", "/api/v1/me/keys", WHO_USER, OF_NOTHING, RUN_READ, get_mine, "my keys and sessions, without their secrets"},
    {"POST", "/api/v1/me/keys", WHO_USER, OF_NOTHING, RUN_WRITE, post_key, "a new key; its secret is answered this once"},
    {"DELETE", "/api/v1/me/keys/{key}", WHO_USER, OF_NOTHING, RUN_WRITE, delete_mine, "end a key or session of mine"},
    {"GET", "/api/v1/users/{id}/keys", WHO_OWNER, OF_USER, RUN_READ, get_theirs,
     "a person's keys and sessions, without their secrets"},
    {"POST", "/api/v1/users/{id}/keys", WHO_OWNER, OF_USER, RUN_WRITE, post_key_for, "one more API key for a person"},
    {"DELETE", "/api/v1/users/{id}/keys/{key}", WHO_OWNER, OF_USER, RUN_WRITE, delete_theirs, "end a person's key or session"},
    {0},
};
