/* api_v0.c - the older API that clients of Argilla 1.x still speak for people and workspaces: bare lists, names instead of ids. */
#include <string.h>

#include "serve/api.h"

#define IMITATED "1.29.0" /* 1.x clients warn about any other minor version than their own */

static bool put_user_v0(call *c, const user *u, const char *key, err *e) {
    workspaces list;
    json_writer *w = &c->w;
    if (!workspace_list(c->tx, c->a, u->role == ROLE_OWNER ? 0 : u->seq, &list, e)) return false;
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, u->id);
    json_key(w, "first_name"), json_put_cstr(w, u->first_name);
    json_key(w, "last_name"), json_put_cstr(w, u->last_name);
    json_key(w, "full_name"),
        json_put_cstr(w, u->last_name ? arena_printf(c->a, "%s %s", u->first_name, u->last_name) : u->first_name);
    json_key(w, "username"), json_put_cstr(w, u->username);
    json_key(w, "role"), json_put_cstr(w, role_name(u->role));
    json_key(w, "workspaces"), json_open(w, '[');
    for (int i = 0; i < list.count; i++) json_put_cstr(w, list.item[i].name);
    json_close(w);
    json_key(w, "api_key"), json_put_cstr(w, key ? key : "");
    put_moment(w, "inserted_at", u->inserted_at);
    put_moment(w, "updated_at", u->updated_at);
    json_close(w);
    return true;
}

static bool get_me(call *c, err *e) { return put_user_v0(c, &c->me, NULL, e); }

static bool get_info(call *c, err *e) {
    (void)e;
    json_open(&c->w, '{');
    json_key(&c->w, "version"), json_put_cstr(&c->w, IMITATED);
    json_close(&c->w);
    return true;
}

static bool get_status(call *c, err *e) {
    (void)e;
    json_open(&c->w, '{');
    json_key(&c->w, "version"), json_put_cstr(&c->w, IMITATED);
    json_key(&c->w, "elasticsearch"), json_open(&c->w, '{'), json_close(&c->w);
    json_key(&c->w, "mem_info"), json_open(&c->w, '{'), json_close(&c->w);
    json_close(&c->w);
    return true;
}

static bool get_users(call *c, err *e) {
    users list;
    if (!user_list(c->tx, c->a, &list, e)) return false;
    json_open(&c->w, '[');
    for (int i = 0; i < list.count; i++)
        if (!put_user_v0(c, &list.item[i], NULL, e)) return false;
    json_close(&c->w);
    return true;
}

static bool add_user(call *c, err *e) {
    key_text key;
    const json *names = json_get(c->body, "workspaces");
    if (!user_add(c->tx, &c->person, e) || !new_key(c, c->person.seq, "first", key, e)) return false;
    for (size_t i = 0; i < json_count(names); i++) {
        workspace w;
        if (!workspace_named(c->tx, c->a, json_text(json_at(names, i), STR("")), &w, e) ||
            !member_add(c->tx, w.seq, c->person.seq, e))
            return false;
    }
    return put_user_v0(c, &c->person, key, e);
}

static bool post_user(call *c, err *e) {
    user *u = &c->person;
    const char *password, *name = "annotator";
    *u = (user){0};
    if (!body_text(c, "username", 1, 200, &u->username, e) || !body_text_or(c, "first_name", 1, 200, &u->first_name, e) ||
        !body_text_or(c, "last_name", 1, 200, &u->last_name, e) || !body_text_or(c, "role", 1, 20, &name, e) ||
        !password_rule(c, &password, e))
        return false;
    if (!u->first_name) u->first_name = u->username;
    if (!role_of(str_of(name), &u->role)) return invalid(c, "body.role", e, "role should be owner, admin or annotator");
    return hash_password(c, password, u, e) && write_inside(c, add_user, e);
}

static bool delete_user(call *c, err *e) { return put_user_v0(c, &c->person, NULL, e) && user_delete(c->tx, &c->person, e); }

static bool get_workspaces(call *c, err *e) {
    workspaces list;
    if (!workspace_list(c->tx, c->a, c->me.role == ROLE_OWNER ? 0 : c->me.seq, &list, e)) return false;
    json_open(&c->w, '[');
    for (int i = 0; i < list.count; i++) put_workspace(&c->w, &list.item[i]);
    json_close(&c->w);
    return true;
}

static bool post_workspace(call *c, err *e) {
    workspace w = {0};
    if (!body_text(c, "name", 1, 200, &w.name, e) || !workspace_name_check(str_of(w.name), e) || !workspace_add(c->tx, &w, e))
        return false;
    put_workspace(&c->w, &w);
    return true;
}

static bool get_members(call *c, err *e) {
    users list;
    if (!member_list(c->tx, c->a, c->space.seq, &list, e)) return false;
    json_open(&c->w, '[');
    for (int i = 0; i < list.count; i++)
        if (!put_user_v0(c, &list.item[i], NULL, e)) return false;
    json_close(&c->w);
    return true;
}

static bool second_user(call *c, err *e) {
    uuid_text id;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.user_id", e, "user_id should be a UUID");
    return user_get(c->tx, c->a, id, &c->person, e);
}

static bool post_member(call *c, err *e) {
    return second_user(c, e) && member_add(c->tx, c->space.seq, c->person.seq, e) && put_user_v0(c, &c->person, NULL, e);
}

static bool delete_member(call *c, err *e) {
    return second_user(c, e) && member_remove(c->tx, c->space.seq, c->person.seq, e) && put_user_v0(c, &c->person, NULL, e);
}

const route routes_v0[] = {
    {"GET", "/api/me", WHO_USER, OF_NOTHING, RUN_READ, get_me, "who I am (1.x)"},
    {"GET", "/api/_info", WHO_ANYONE, OF_NOTHING, RUN_READ, get_info, "version that is imitated (1.x)"},
    {"GET", "/api/_status", WHO_ANYONE, OF_NOTHING, RUN_READ, get_status, "status (1.x)"},
    {"GET", "/api/users", WHO_OWNER, OF_NOTHING, RUN_READ, get_users, "all people (1.x)"},
    {"POST", "/api/users", WHO_OWNER, OF_NOTHING, RUN_SELF, post_user, "a new person (1.x)"},
    {"DELETE", "/api/users/{id}", WHO_OWNER, OF_USER, RUN_WRITE, delete_user, "remove a person (1.x)"},
    {"GET", "/api/workspaces", WHO_USER, OF_NOTHING, RUN_READ, get_workspaces, "workspaces I may see (1.x)"},
    {"POST", "/api/workspaces", WHO_OWNER, OF_NOTHING, RUN_WRITE, post_workspace, "a new workspace (1.x)"},
    {"GET", "/api/workspaces/{id}/users", WHO_ADMIN, OF_WORKSPACE, RUN_READ, get_members, "members (1.x)"},
    {"POST", "/api/workspaces/{id}/users/{user}", WHO_OWNER, OF_WORKSPACE, RUN_WRITE, post_member, "add a member (1.x)"},
    {"DELETE", "/api/workspaces/{id}/users/{user}", WHO_OWNER, OF_WORKSPACE, RUN_WRITE, delete_member, "remove a member (1.x)"},
    {0},
};
