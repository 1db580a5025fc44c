/* store_people.c - users and what lets them in. */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/db.h"
#include "store/row.h"

static const char *const role_names[] = {"annotator", "admin", "owner"};

const char *role_name(role r) { return role_names[r]; }

bool role_of(str name, role *out) {
    for (int i = 0; i < 3; i++)
        if (str_is(name, role_names[i])) {
            *out = (role)i;
            return true;
        }
    return false;
}

#define USER_COLUMNS "seq, id, username, first_name, last_name, password, role, inserted_at, updated_at"

static user read_user(db_rows *r, arena *a) {
    user u = {.seq = db_int(r, 0),
              .username = db_cstr(r, a, 2),
              .first_name = db_cstr(r, a, 3),
              .last_name = db_cstr(r, a, 4),
              .password = db_cstr(r, a, 5),
              .role = (role)db_int(r, 6),
              .inserted_at = db_int(r, 7),
              .updated_at = db_int(r, 8)};
    store_id(db_view(r, 1), u.id);
    return u;
}

static bool one_user(db_rows *r, arena *a, user *out, const char *what, str key, err *e) {
    if (!db_next(r, e)) return !e->code ? err_set(e, ERR_NOT_FOUND, "User with %s `%.*s` not found", what, STR_ARG(key)) : false;
    *out = read_user(r, a);
    db_done(r);
    return true;
}

static bool name_free(store_tx *t, const user *u, err *e) {
    const int64_t other =
        db_int_of(t, e, 0, "SELECT seq FROM users WHERE username = $1 AND seq <> $2", db_c(u->username), db_i(u->seq));
    return e->code == ERR_NONE && (!other || err_set(e, ERR_CONFLICT, "User with username `%s` is not unique", u->username));
}

bool user_add(store_tx *t, user *u, err *e) {
    u->inserted_at = u->updated_at = clock_now();
    if (!*u->id) uuid_new(u->id);
    if (!name_free(t, u, e)) return false;
    if (db_int_of(t, e, 0, "SELECT seq FROM users WHERE id = $1", db_c(u->id)))
        return err_set(e, ERR_CONFLICT, "User with id `%s` is not unique", u->id);
    if (!db_run(t, e,
                "INSERT INTO users(id, username, first_name, last_name, password, role, inserted_at, updated_at)"
                " VALUES($1, $2, $3, $4, $5, $6, $7, $7)",
                db_c(u->id), db_c(u->username), db_c(u->first_name), db_c(u->last_name), db_c(u->password), db_i(u->role),
                db_i(u->inserted_at)))
        return false;
    u->seq = db_last_seq(t);
    return true;
}

bool user_save(store_tx *t, user *u, err *e) {
    u->updated_at = clock_now();
    return name_free(t, u, e) &&
           db_run(t, e,
                  "UPDATE users SET username = $2, first_name = $3, last_name = $4, password = $5, role = $6,"
                  " updated_at = $7 WHERE seq = $1",
                  db_i(u->seq), db_c(u->username), db_c(u->first_name), db_c(u->last_name), db_c(u->password), db_i(u->role),
                  db_i(u->updated_at));
}

bool answered_by(store_tx *t, arena *a, int64_t person, answered_list *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT record, dataset FROM responses WHERE user = $1", db_i(person));
    *out = (answered_list){0};
    while (db_next(r, e)) STORE_APPEND(a, out, (answered){db_int(r, 0), db_int(r, 1)});
    return e->code == ERR_NONE;
}

bool answered_recount(store_tx *t, const answered_list *list, err *e) {
    for (int i = 0; i < list->count; i++) {
        bool changed;
        record row = {.seq = list->item[i].seq, .dataset = list->item[i].dataset};
        const int64_t least = db_int_of(t, e, 1, "SELECT min_submitted FROM datasets WHERE seq = $1", db_i(row.dataset));
        row.completed = db_int_of(t, e, 0, "SELECT completed FROM records WHERE seq = $1", db_i(row.seq)) != 0;
        if (e->code || !record_recount(t, &row, least, &changed, e)) return false;
    }
    return true;
}

/* What a person answered goes with them: the records they completed are counted anew. */
bool user_delete(store_tx *t, const user *u, err *e) {
    arena *a = arena_new();
    answered_list touched;
    const bool ok = answered_by(t, a, u->seq, &touched, e) && facet_clear_answers(t, u->seq, e) &&
                    db_run(t, e, "DELETE FROM users WHERE seq = $1", db_i(u->seq)) && answered_recount(t, &touched, e);
    arena_free(a);
    return ok;
}

bool user_get(store_tx *t, arena *a, const char *id, user *out, err *e) {
    return one_user(db_query(t, e, "SELECT " USER_COLUMNS " FROM users WHERE id = $1", db_c(id)), a, out, "id", str_of(id), e);
}

bool user_get_seq(store_tx *t, arena *a, int64_t seq, user *out, err *e) {
    return one_user(db_query_memo(t, e, "SELECT " USER_COLUMNS " FROM users WHERE seq = $1", db_i(seq)), a, out, "seq", STR("?"),
                    e);
}

bool user_named(store_tx *t, arena *a, str username, user *out, err *e) {
    return one_user(db_query(t, e, "SELECT " USER_COLUMNS " FROM users WHERE username = $1", db_s(username)), a, out, "username",
                    username, e);
}

static bool read_users(db_rows *r, arena *a, users *out, err *e) {
    *out = (users){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_user(r, a));
    return e->code == ERR_NONE;
}

bool user_list(store_tx *t, arena *a, users *out, err *e) {
    return read_users(db_query_values(t, "SELECT " USER_COLUMNS " FROM users ORDER BY seq", NULL, 0, e), a, out, e);
}

bool member_list(store_tx *t, arena *a, int64_t space, users *out, err *e) {
    return read_users(db_query(t, e,
                               "SELECT " USER_COLUMNS " FROM users WHERE seq IN (SELECT user FROM members WHERE workspace = $1)"
                               " ORDER BY seq",
                               db_i(space)),
                      a, out, e);
}

int64_t user_count(store_tx *t, err *e) { return db_int_of_values(t, 0, "SELECT count(*) FROM users", NULL, 0, e); }

/* ---- keys, sessions, links ------------------------------------------------------------------------------------------------------- */

#define PASS_COLUMNS "seq, id, kind, user, name, inserted_at, used_at, expires_at, scopes, budget, record, retention"

static pass read_pass(db_rows *r, arena *a) {
    pass p = {.seq = db_int(r, 0),
              .kind = (pass_kind)db_int(r, 2),
              .user = db_int(r, 3),
              .name = db_cstr(r, a, 4),
              .inserted_at = db_int(r, 5),
              .used_at = db_int(r, 6),
              .expires_at = db_int(r, 7),
              .scopes = db_int(r, 8),
              .budget = db_int(r, 9),
              .record = db_int(r, 10) != 0,
              .retention = db_int(r, 11)};
    store_id(db_view(r, 1), p.id);
    return p;
}

bool pass_add(store_tx *t, pass *p, str secret, err *e) {
    sha256_text hash;
    bytes_sha256(secret.ptr, secret.len, hash);
    uuid_new(p->id);
    p->inserted_at = clock_now();
    return db_run(t, e,
                  "INSERT INTO passes(id, kind, user, hash, name, inserted_at, expires_at, scopes, budget, record, retention)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                  db_c(p->id), db_i(p->kind), db_i(p->user), db_c(hash), db_c(p->name), db_i(p->inserted_at), db_i(p->expires_at),
                  db_i(p->scopes), db_i(p->budget), db_i(p->record), db_i(p->retention));
}

bool pass_find(store_tx *t, arena *a, pass_kind kind, str secret, pass *out, err *e) {
    sha256_text hash;
    bytes_sha256(secret.ptr, secret.len, hash);
    db_rows *r = db_query_memo(t, e, "SELECT " PASS_COLUMNS " FROM passes WHERE hash = $1 AND kind = $2", db_c(hash), db_i(kind));
    const bool there = db_next(r, e);
    if (there) *out = read_pass(r, a);
    db_done(r);
    if (e->code) return false;
    const bool good = there && (!out->expires_at || out->expires_at > clock_now());
    return good || err_set(e, ERR_NOT_FOUND, "no such key, or it is over");
}

static bool read_passes(db_rows *r, arena *a, passes *out, err *e) {
    *out = (passes){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_pass(r, a));
    return e->code == ERR_NONE;
}

bool pass_list(store_tx *t, arena *a, int64_t person, passes *out, err *e) {
    return read_passes(db_query(t, e, "SELECT " PASS_COLUMNS " FROM passes WHERE user = $1 ORDER BY seq", db_i(person)), a, out,
                       e);
}

bool pass_list_kind(store_tx *t, arena *a, pass_kind kind, passes *out, err *e) {
    return read_passes(db_query(t, e, "SELECT " PASS_COLUMNS " FROM passes WHERE kind = $1 ORDER BY seq", db_i(kind)), a, out, e);
}

bool pass_delete(store_tx *t, int64_t person, const char *id, err *e) {
    if (!db_run(t, e, "DELETE FROM passes WHERE user = $1 AND id = $2", db_i(person), db_c(id))) return false;
    return db_changes(t) > 0 || err_set(e, ERR_NOT_FOUND, "Key with id `%s` not found", id);
}

bool pass_delete_kind(store_tx *t, int64_t person, pass_kind kind, err *e) {
    return db_run(t, e, "DELETE FROM passes WHERE user = $1 AND kind = $2", db_i(person), db_i(kind));
}

bool pass_touch(store_tx *t, int64_t seq, int64_t now, err *e) {
    return db_run(t, e, "UPDATE passes SET used_at = $2 WHERE seq = $1", db_i(seq), db_i(now));
}
