/* store_traffic.c - names that mean models, what keys spent of their budgets, and answers that are kept because a key is marked so. */
#include "base/clock.h"
#include "store/db.h"

/* ---- aliases --------------------------------------------------------------------------------------------------------------------------- */

#define ALIAS_COLUMNS "name, target, history, at"

static alias read_alias(db_rows *r, arena *a) {
    return (alias){.name = db_cstr(r, a, 0), .target = db_cstr(r, a, 1), .history = str_of(db_cstr(r, a, 2)), .at = db_int(r, 3)};
}

bool alias_put(store_tx *t, alias *x, err *e) {
    x->at = clock_now();
    return db_run(t, e,
                  "INSERT INTO aliases(name, target, history, at) VALUES($1, $2, $3, $4)"
                  " ON CONFLICT(name) DO UPDATE SET target = $2, history = $3, at = $4",
                  db_c(x->name), db_c(x->target), db_s(x->history), db_i(x->at));
}

bool alias_get(store_tx *t, arena *a, const char *name, alias *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " ALIAS_COLUMNS " FROM aliases WHERE name = $1", db_c(name));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "there is no alias '%s'", name);
    *out = read_alias(r, a);
    db_done(r);
    return true;
}

bool alias_list(store_tx *t, arena *a, alias_rows *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " ALIAS_COLUMNS " FROM aliases ORDER BY name", db_i(0));
    *out = (alias_rows){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_alias(r, a));
    return e->code == ERR_NONE;
}

bool alias_delete(store_tx *t, const char *name, err *e) {
    if (!db_run(t, e, "DELETE FROM aliases WHERE name = $1", db_c(name))) return false;
    return db_changes(t) > 0 || err_set(e, ERR_NOT_FOUND, "there is no alias '%s'", name);
}

/* ---- budgets ----------------------------------------------------------------------------------------------------------------------------- */

bool pass_spend(store_tx *t, int64_t pass_seq, int64_t day, int64_t tokens, err *e) {
    return db_run(t, e,
                  "INSERT INTO spent(pass, day, tokens) SELECT seq, $2, $3 FROM passes WHERE seq = $1"
                  " ON CONFLICT(pass, day) DO UPDATE SET tokens = tokens + $3",
                  db_i(pass_seq), db_i(day), db_i(tokens)) &&
           db_run(t, e, "DELETE FROM spent WHERE pass = $1 AND day < $2", db_i(pass_seq), db_i(day - 31));
}

int64_t pass_spent(store_tx *t, int64_t pass_seq, int64_t day, err *e) {
    return db_int_of(t, e, 0, "SELECT tokens FROM spent WHERE pass = $1 AND day = $2", db_i(pass_seq), db_i(day));
}

/* ---- traffic ------------------------------------------------------------------------------------------------------------------------------ */

#define TRAFFIC_COLUMNS "x.seq, x.id, x.pass, x.user, x.model, x.request, x.answer, x.at, x.until, x.unfinished"

static traffic read_traffic(db_rows *r, arena *a) {
    return (traffic){.seq = db_int(r, 0),
                     .id = db_cstr(r, a, 1),
                     .pass = db_int(r, 2),
                     .user = db_int(r, 3),
                     .model = db_cstr(r, a, 4),
                     .request = str_of(db_cstr(r, a, 5)),
                     .answer = str_of(db_cstr(r, a, 6)),
                     .at = db_int(r, 7),
                     .until = db_int(r, 8),
                     .unfinished = str_of(db_cstr(r, a, 9))};
}

bool traffic_add(store_tx *t, traffic *x, err *e) {
    x->at = clock_now();
    return db_run(t, e,
                  "INSERT INTO traffic(id, pass, user, model, request, answer, at, until, unfinished)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                  db_c(x->id), db_i(x->pass), db_i(x->user), db_c(x->model), db_s(x->request), db_s(x->answer), db_i(x->at),
                  db_i(x->until), db_s(x->unfinished)) &&
           traffic_sweep(t, x->at, e);
}

bool traffic_sweep(store_tx *t, int64_t now, err *e) { return db_run(t, e, "DELETE FROM traffic WHERE until <= $1", db_i(now)); }

bool traffic_get(store_tx *t, arena *a, const char *id, traffic *out, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT " TRAFFIC_COLUMNS " FROM traffic x WHERE x.id = $1 AND x.until > $2", db_c(id), db_i(clock_now()));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "no answer '%s' is kept", id);
    *out = read_traffic(r, a);
    db_done(r);
    return true;
}

bool traffic_list(store_tx *t, arena *a, int64_t person, int64_t limit, traffic_rows *out, err *e) {
    db_rows *r = db_query(
        t, e, "SELECT " TRAFFIC_COLUMNS " FROM traffic x WHERE x.user = $1 AND x.until > $2 ORDER BY x.seq DESC LIMIT $3",
        db_i(person), db_i(clock_now()), db_i(limit));
    *out = (traffic_rows){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_traffic(r, a));
    return e->code == ERR_NONE;
}
