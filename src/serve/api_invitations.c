/* api_invitations.c - somebody new comes in by a link that works once and not for ever.
 *
 *     owner ── POST /invitations ──► a person without a password, a PASS_LINK ──► ADDRESS/join#SECRET ── POST /join ──► their password
 *
 * The secret stands behind the # of the link, so that no log on the way holds it; the store has its hash alone. Until they came in nobody
 * can log in under the name. Who takes the invitation back takes the person with it, unless they came in or were given a key. */
#include <string.h>

#include "base/clock.h"
#include "serve/api.h"

#define HOUR ((int64_t)3600 * 1000000)
enum { HOURS = 72, HOURS_MOST = 24 * 90 };

static void put_invitation(json_writer *w, const pass *p, const user *u) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, p->id);
    json_key(w, "user_id"), json_put_cstr(w, u->id);
    json_key(w, "username"), json_put_cstr(w, u->username);
    json_key(w, "role"), json_put_cstr(w, role_name(u->role));
    put_moment(w, "inserted_at", p->inserted_at);
    put_moment(w, "expires_at", p->expires_at);
    json_key(w, "expired"), json_put_bool(w, p->expires_at <= clock_now());
}

/* ---- owners invite ----------------------------------------------------------------------------------------------------------------- */

static bool join_workspace(call *c, const user *u, err *e) {
    const json *id = json_get(c->body, "workspace_id");
    workspace space;
    uuid_text text;
    err missing = {0};
    if (!id) return true;
    if (!uuid_parse(json_text(id, STR("")), text)) return invalid(c, "body.workspace_id", e, "workspace_id should be a UUID");
    if (!workspace_get(c->tx, c->a, text, &space, &missing)) return err_set(e, ERR_INPUT, "%s", missing.text);
    return member_add(c->tx, space.seq, u->seq, e);
}

static bool post_invitation(call *c, err *e) {
    user u = {.role = ROLE_ANNOTATOR};
    key_text secret;
    const json *role_given = json_get(c->body, "role"), *hours = json_get(c->body, "hours");
    const int64_t lasts = json_int(hours, HOURS);
    if (!body_text(c, "username", 1, 200, &u.username, e)) return false;
    if (role_given && !role_of(json_text(role_given, STR("")), &u.role))
        return invalid(c, "body.role", e, "role should be owner, admin or annotator");
    if (hours && (json_kind_of(hours) != JSON_INT || lasts < 1 || lasts > HOURS_MOST))
        return invalid(c, "body.hours", e, "hours should be 1 to %d", HOURS_MOST);
    u.first_name = u.username;
    pass p = {.kind = PASS_LINK, .name = c->me.username, .expires_at = clock_now() + lasts * HOUR};
    key_new(secret);
    if (!user_add(c->tx, &u, e) || !join_workspace(c, &u, e)) return false;
    p.user = u.seq;
    if (!pass_add(c->tx, &p, str_of(secret), e) || !audit_add(c->tx, c->me.seq, "user.invite", u.id, (str){NULL, 0}, e))
        return false;
    c->status = 201;
    c->shows_secret = true;
    put_invitation(&c->w, &p, &u);
    json_key(&c->w, "link"), json_put_cstr(&c->w, secret);
    json_close(&c->w);
    return true;
}

static bool get_invitations(call *c, err *e) {
    passes list;
    user u;
    if (!pass_list_kind(c->tx, c->a, PASS_LINK, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        if (!user_get_seq(c->tx, c->a, list.item[i].user, &u, e)) return false;
        put_invitation(&c->w, &list.item[i], &u);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

/* The person goes too, as nobody ever was one: without a password, and nothing else lets them in. */
static bool forget(call *c, const pass *p, err *e) {
    user u;
    passes rest;
    if (!pass_delete(c->tx, p->user, p->id, e) || !user_get_seq(c->tx, c->a, p->user, &u, e) ||
        !pass_list(c->tx, c->a, p->user, &rest, e) || !audit_add(c->tx, c->me.seq, "invitation.delete", u.id, (str){NULL, 0}, e))
        return false;
    return u.password || rest.count || user_delete(c->tx, &u, e);
}

static bool delete_invitation(call *c, err *e) {
    passes list;
    uuid_text id;
    if (!uuid_parse(c->arg[0], id)) return invalid(c, "path.invitation", e, "the invitation's id should be a UUID");
    if (!pass_list_kind(c->tx, c->a, PASS_LINK, &list, e)) return false;
    c->status = 204;
    c->no_body = true;
    for (int i = 0; i < list.count; i++)
        if (strcmp(list.item[i].id, id) == 0) return forget(c, &list.item[i], e);
    return err_set(e, ERR_NOT_FOUND, "Invitation with id `%s` not found", id);
}

/* ---- the invited come in ----------------------------------------------------------------------------------------------------------- */

static bool find_invited(call *c, err *e) {
    pass p;
    err none = {0};
    const str secret = json_get_text(c->body, "link", STR(""));
    if (!pass_find(c->tx, c->a, PASS_LINK, secret, &p, &none))
        return none.code == ERR_NOT_FOUND
                   ? err_set(e, ERR_FORBIDDEN, "this invitation was used, taken back, or is over: ask for a new one")
                   : err_set(e, none.code, "%s", none.text);
    c->came_by = p;
    return user_get_seq(c->tx, c->a, p.user, &c->person, e);
}

static bool look_for_invited(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    const bool ok = find_invited(c, e);
    c->tx = NULL;
    return ok;
}

static bool post_look(call *c, err *e) {
    if (!body_object(c, e) || !find_invited(c, e)) return false;
    put_invitation(&c->w, &c->came_by, &c->person);
    json_close(&c->w);
    return true;
}

/* The link is looked up again: between two who send it at once, one comes in. */
static bool come_in(call *c, err *e) {
    const char *own = c->person.password;
    if (!find_invited(c, e)) return false;
    c->person.password = own;
    if (!user_save(c->tx, &c->person, e) || !pass_delete_kind(c->tx, c->person.seq, PASS_LINK, e) ||
        !audit_add(c->tx, c->person.seq, "user.join", c->person.id, (str){NULL, 0}, e))
        return false;
    put_user(&c->w, &c->person, NULL);
    return true;
}

static bool post_join(call *c, err *e) {
    const char *password;
    if (!body_object(c, e) || !store_read(server_store(c->server), look_for_invited, c, e) || !password_rule(c, &password, e))
        return false;
    c->status = 201;
    return hash_password(c, password, &c->person, e) && write_inside(c, come_in, e);
}

const route routes_invitations[] = {
    {"GET", "/api/v1/invitations", WHO_OWNER, OF_NOTHING, RUN_READ, get_invitations, "who was invited and has not come in yet"},
    {"POST", "/api/v1/invitations", WHO_OWNER, OF_NOTHING, RUN_WRITE, post_invitation,
     "invite somebody: {username, role, workspace_id, hours}; the answer alone has the secret of the link /join#LINK"},
    {"DELETE", "/api/v1/invitations/{invitation}", WHO_OWNER, OF_NOTHING, RUN_WRITE, delete_invitation,
     "take an invitation back, and the person who never came in"},
    {"POST", "/api/v1/join/look", WHO_ANYONE, OF_NOTHING, RUN_READ, post_look, "whom a link invites: {link}"},
    {"POST", "/api/v1/join", WHO_ANYONE, OF_NOTHING, RUN_SELF, post_join,
     "come in by an invitation: {link, password}; the link works once"},
    {0},
};
