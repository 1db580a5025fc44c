/* api_workspaces.c - workspaces and their members. */
#include "serve/api.h"

static bool put_spaces(call *c, int64_t member, err *e) {
    workspaces list;
    if (!workspace_list(c->tx, c->a, member, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_workspace(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_mine(call *c, err *e) { return put_spaces(c, c->me.role == ROLE_OWNER ? 0 : c->me.seq, e); }

static bool get_one(call *c, err *e) {
    (void)e;
    put_workspace(&c->w, &c->space);
    return true;
}

static bool post_workspace(call *c, err *e) {
    workspace *s = &c->space;
    err rule = {0};
    *s = (workspace){0};
    if (!body_text(c, "name", 1, 200, &s->name, e)) return false;
    if (!workspace_name_check(str_of(s->name), &rule)) return invalid(c, "body.name", e, "%s", rule.text);
    if (json_get(c->body, "id") && !uuid_parse(json_get_text(c->body, "id", STR("")), s->id))
        return invalid(c, "body.id", e, "id should be a UUID");
    if (!workspace_add(c->tx, s, e)) return false;
    c->status = 201;
    put_workspace(&c->w, s);
    return true;
}

static bool delete_workspace(call *c, err *e) {
    if (!workspace_delete(c->tx, &c->space, e)) return false;
    put_workspace(&c->w, &c->space);
    return true;
}

static bool get_members(call *c, err *e) {
    users list;
    if (!member_list(c->tx, c->a, c->space.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_user(&c->w, &list.item[i], NULL);
    items_end(c);
    object_end(c);
    return true;
}

static bool post_member(call *c, err *e) {
    uuid_text id;
    err missing = {0};
    if (!uuid_parse(json_get_text(c->body, "user_id", STR("")), id))
        return invalid(c, "body.user_id", e, "user_id should be a UUID");
    if (!user_get(c->tx, c->a, id, &c->person, &missing)) return err_set(e, ERR_INPUT, "%s", missing.text);
    if (!member_add(c->tx, c->space.seq, c->person.seq, e)) return false;
    c->status = 201;
    put_user(&c->w, &c->person, NULL);
    return true;
}

static bool delete_member(call *c, err *e) {
    uuid_text id;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.user_id", e, "user_id should be a UUID");
    if (!user_get(c->tx, c->a, id, &c->person, e) || !member_remove(c->tx, c->space.seq, c->person.seq, e)) return false;
    put_user(&c->w, &c->person, NULL);
    return true;
}

const route routes_workspaces[] = {
    {"GET", "/api/v1/me/workspaces", WHO_USER, OF_NOTHING, RUN_READ, get_mine, "workspaces I may see"},
    {"GET", "/api/v1/workspaces/{id}", WHO_MEMBER, OF_WORKSPACE, RUN_READ, get_one, "a workspace"},
    {"POST", "/api/v1/workspaces", WHO_OWNER, OF_NOTHING, RUN_WRITE, post_workspace, "a new workspace"},
    {"DELETE", "/api/v1/workspaces/{id}", WHO_OWNER, OF_WORKSPACE, RUN_WRITE, delete_workspace,
     "remove a workspace without datasets"},
    {"GET", "/api/v1/workspaces/{id}/users", WHO_ADMIN, OF_WORKSPACE, RUN_READ, get_members, "members of a workspace"},
    {"POST", "/api/v1/workspaces/{id}/users", WHO_OWNER, OF_WORKSPACE, RUN_WRITE, post_member, "add a member"},
    {"DELETE", "/api/v1/workspaces/{id}/users/{user}", WHO_ADMIN, OF_WORKSPACE, RUN_WRITE, delete_member, "remove a member"},
    {0},
};
