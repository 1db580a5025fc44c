/* store_view.c - what belongs to a dataset beside its settings: views that people keep, the model that suggests ahead of them. */
#include "base/clock.h"
#include "store/db.h"

/* ---- views ------------------------------------------------------------------------------------------------------------------------- */

#define VIEW_COLUMNS "v.seq, v.id, v.dataset, v.user, v.name, u.username, v.query, v.shared, v.inserted_at"
#define VIEW_FROM    " FROM views v JOIN users u ON u.seq = v.user "

static kept_view read_view(db_rows *r, arena *a) {
    kept_view x = {.seq = db_int(r, 0),
                   .dataset = db_int(r, 2),
                   .user = db_int(r, 3),
                   .name = db_cstr(r, a, 4),
                   .username = db_cstr(r, a, 5),
                   .query = db_text(r, a, 6),
                   .shared = db_int(r, 7) != 0,
                   .inserted_at = db_int(r, 8)};
    store_id(db_view(r, 1), x.id);
    return x;
}

bool view_put(store_tx *t, kept_view *x, err *e) {
    uuid_new(x->id);
    x->inserted_at = clock_now();
    if (!db_run(t, e, "DELETE FROM views WHERE dataset = $1 AND user = $2 AND name = $3", db_i(x->dataset), db_i(x->user),
                db_c(x->name)) ||
        !db_run(t, e, "INSERT INTO views(id, dataset, user, name, query, shared, inserted_at) VALUES($1, $2, $3, $4, $5, $6, $7)",
                db_c(x->id), db_i(x->dataset), db_i(x->user), db_c(x->name), db_s(x->query), db_i(x->shared),
                db_i(x->inserted_at)))
        return false;
    x->seq = db_last_seq(t);
    return true;
}

bool view_list(store_tx *t, arena *a, int64_t set, int64_t person, kept_views *out, err *e) {
    db_rows *r = db_query(
        t, e, "SELECT " VIEW_COLUMNS VIEW_FROM "WHERE v.dataset = $1 AND (v.user = $2 OR v.shared = 1) ORDER BY v.name, v.seq",
        db_i(set), db_i(person));
    *out = (kept_views){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_view(r, a));
    return e->code == ERR_NONE;
}

bool view_get(store_tx *t, arena *a, int64_t set, const char *id, kept_view *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " VIEW_COLUMNS VIEW_FROM "WHERE v.dataset = $1 AND v.id = $2", db_i(set), db_c(id));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "View with id `%s` not found", id);
    *out = read_view(r, a);
    db_done(r);
    return true;
}

bool view_delete(store_tx *t, const kept_view *x, err *e) {
    return db_run(t, e, "DELETE FROM views WHERE seq = $1", db_i(x->seq));
}

int64_t view_count(store_tx *t, int64_t set, int64_t person, err *e) {
    return db_int_of(t, e, 0, "SELECT count(*) FROM views WHERE dataset = $1 AND user = $2", db_i(set), db_i(person));
}

/* ---- suggesters -------------------------------------------------------------------------------------------------------------------- */

#define SUGGESTER_COLUMNS "dataset, actor, at, active, settings, spent"

static suggester read_suggester(db_rows *r, arena *a) {
    return (suggester){.dataset = db_int(r, 0),
                       .actor = db_int(r, 1),
                       .at = db_int(r, 2),
                       .active = db_int(r, 3) != 0,
                       .settings = db_text(r, a, 4),
                       .spent = db_text(r, a, 5)};
}

bool suggester_put(store_tx *t, suggester *x, err *e) {
    x->at = clock_now();
    return db_run(t, e, "DELETE FROM suggesters WHERE dataset = $1", db_i(x->dataset)) &&
           db_run(t, e, "INSERT INTO suggesters(dataset, actor, at, active, settings, spent) VALUES($1, $2, $3, $4, $5, $6)",
                  db_i(x->dataset), db_i(x->actor), db_i(x->at), db_i(x->active), db_s(x->settings), db_s(x->spent));
}

bool suggester_get(store_tx *t, arena *a, int64_t set, suggester *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " SUGGESTER_COLUMNS " FROM suggesters WHERE dataset = $1", db_i(set));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "no model suggests for this dataset");
    *out = read_suggester(r, a);
    db_done(r);
    return true;
}

bool suggester_spend(store_tx *t, int64_t set, str spent, err *e) {
    return db_run(t, e, "UPDATE suggesters SET spent = $2 WHERE dataset = $1", db_i(set), db_s(spent));
}

bool suggester_active(store_tx *t, arena *a, suggesters *out, err *e) {
    db_rows *r = db_query_values(t, "SELECT " SUGGESTER_COLUMNS " FROM suggesters WHERE active = 1 ORDER BY dataset", NULL, 0, e);
    *out = (suggesters){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_suggester(r, a));
    return e->code == ERR_NONE;
}
