/* api_users.c - people, as owners manage them. */
#include <string.h>

#include "serve/api.h"

bool password_rule(call *c, const char **out, err *e) { return body_text(c, "password", 8, 100, out, e); }

static bool get_users(call *c, err *e) {
    users list;
    if (!user_list(c->tx, c->a, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_user(&c->w, &list.item[i], NULL);
    items_end(c);
    object_end(c);
    return true;
}

static bool read_role(call *c, role *out, err *e) {
    const json *v = json_get(c->body, "role");
    return !v || role_of(json_text(v, STR("")), out) || invalid(c, "body.role", e, "role should be owner, admin or annotator");
}

/* A new user gets a key, which this answer alone shows. */
static bool add_user(call *c, err *e) {
    key_text key;
    if (!user_add(c->tx, &c->person, e) || !new_key(c, c->person.seq, "first", key, e) ||
        !audit_add(c->tx, c->me.seq, "user.create", c->person.id, (str){NULL, 0}, e))
        return false;
    put_user(&c->w, &c->person, key);
    return true;
}

/* The contract: without spaces around, and then not empty. */
static bool trim_first_name(call *c, user *u, err *e) {
    const str name = str_trim(str_of(u->first_name));
    if (!name.len) return invalid(c, "body.first_name", e, "first_name is blank");
    u->first_name = str_copy(c->a, name);
    return true;
}

static bool post_user(call *c, err *e) {
    user *u = &c->person;
    const char *password, *last = NULL;
    *u = (user){.role = ROLE_ANNOTATOR};
    if (!body_text(c, "username", 1, 200, &u->username, e) || !body_text(c, "first_name", 1, 200, &u->first_name, e) ||
        !body_text_or(c, "last_name", 1, 200, &last, e) || !read_role(c, &u->role, e) || !password_rule(c, &password, e))
        return false;
    u->last_name = last;
    if (!trim_first_name(c, u, e)) return false;
    if (json_get(c->body, "id") && !uuid_parse(json_get_text(c->body, "id", STR("")), u->id))
        return invalid(c, "body.id", e, "id should be a UUID");
    c->status = 201;
    return hash_password(c, password, u, e) && write_inside(c, add_user, e);
}

static bool get_user(call *c, err *e) {
    (void)e;
    put_user(&c->w, &c->person, NULL);
    return true;
}

/* What the body names, onto a row. */
static bool apply(call *c, user *u, err *e) {
    static const char *const fixed[] = {"first_name", "username", "role", NULL};
    str last = str_of(u->last_name);
    bool given;
    if (!body_object(c, e) || !body_not_null(c, fixed, e) || !body_text_or(c, "username", 1, 200, &u->username, e) ||
        !body_text_or(c, "first_name", 1, 200, &u->first_name, e) || !body_text_null(c, "last_name", 1, 200, &last, &given, e) ||
        !read_role(c, &u->role, e))
        return false;
    if (given) u->last_name = last.ptr ? str_copy(c->a, last) : NULL;
    return !json_has(c->body, "first_name") || trim_first_name(c, u, e);
}

/* The row may have changed while the password was made: what the body does not name stays as it is by now. Whoever has another password
 * or role logs in anew. */
static bool save_user(call *c, err *e) {
    const bool password = json_get(c->body, "password") != NULL;
    const char *own = c->person.password;
    err taken = {0};
    user now;
    if (!user_get_seq(c->tx, c->a, c->person.seq, &now, e)) return false;
    const role before = now.role;
    if (!apply(c, &now, e)) return false;
    if (password) now.password = own;
    c->person = now;
    if (!user_save(c->tx, &c->person, &taken))
        return err_set(e, taken.code == ERR_CONFLICT ? ERR_INPUT : taken.code, "%s",
                       taken.text); /* the contract: 422 here, 409 on POST */
    put_user(&c->w, &c->person, NULL);
    return ((!password && before == now.role) || pass_delete_kind(c->tx, now.seq, PASS_SESSION, e)) &&
           audit_add(c->tx, c->me.seq, "user.change", c->person.id, (str){NULL, 0}, e);
}

static bool patch_user(call *c, err *e) {
    const char *password = NULL;
    user checked = c->person;
    return apply(c, &checked, e) && body_text_or(c, "password", 8, 100, &password, e) &&
           (!password || hash_password(c, password, &c->person, e)) && write_inside(c, save_user, e);
}

static bool delete_user(call *c, err *e) {
    if (!user_delete(c->tx, &c->person, e) || !audit_add(c->tx, c->me.seq, "user.delete", c->person.id, (str){NULL, 0}, e))
        return false;
    put_user(&c->w, &c->person, NULL);
    return true;
}

static bool get_user_workspaces(call *c, err *e) {
    workspaces list;
    if (!workspace_list(c->tx, c->a, c->person.role == ROLE_OWNER ? 0 : c->person.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_workspace(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

const route routes_users[] = {
    {"GET", "/api/v1/users", WHO_OWNER, OF_NOTHING, RUN_READ, get_users, "all people"},
    {"POST", "/api/v1/users", WHO_OWNER, OF_NOTHING, RUN_SELF, post_user, "a new person; the answer alone shows the API key"},
    {"GET", "/api/v1/users/{id}", WHO_OWNER, OF_USER, RUN_READ, get_user, "a person"},
    {"PATCH", "/api/v1/users/{id}", WHO_OWNER, OF_USER, RUN_SELF, patch_user,
     "change a person; resets the password when one is given"},
    {"DELETE", "/api/v1/users/{id}", WHO_OWNER, OF_USER, RUN_WRITE, delete_user, "remove a person with all answers of theirs"},
    {"GET", "/api/v1/users/{id}/workspaces", WHO_OWNER, OF_USER, RUN_READ, get_user_workspaces, "where a person is a member"},
    {0},
};
