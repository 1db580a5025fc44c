/* store_work.c - who is given which records, in which order; and the guidelines they worked by. */

#include "base/clock.h"
#include "store/db.h"
#include "store/row.h"

/* ---- assignments ------------------------------------------------------------------------------------------------------------------- */

bool assignment_put(store_tx *t, assignment *x, err *e) {
    uuid_new(x->id);
    x->inserted_at = clock_now();
    if (!db_run(t, e,
                "INSERT INTO assignments(id, dataset, user, quota, inserted_at) VALUES($1, $2, $3, $4, $5)"
                " ON CONFLICT(dataset, user) DO UPDATE SET quota = excluded.quota",
                db_c(x->id), db_i(x->dataset), db_i(x->user), db_i(x->quota), db_i(x->inserted_at)))
        return false;
    db_rows *r = db_query(t, e, "SELECT seq, id, inserted_at FROM assignments WHERE dataset = $1 AND user = $2", db_i(x->dataset),
                          db_i(x->user));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_IO, "an assignment that was written is not there");
    x->seq = db_int(r, 0);
    store_id(db_view(r, 1), x->id);
    x->inserted_at = db_int(r, 2);
    db_done(r);
    return true;
}

bool assignment_add_record(store_tx *t, const assignment *x, int64_t row, err *e) {
    return db_run(t, e, "INSERT INTO assigned VALUES($1, $2) ON CONFLICT(assignment, record) DO NOTHING", db_i(x->seq),
                  db_i(row));
}

bool assignment_list(store_tx *t, arena *a, int64_t set, int64_t person, assignments *out, err *e) {
    db_rows *r = db_query(
        t, e,
        "SELECT x.seq, x.id, x.dataset, x.user, u.id, u.username, x.quota, x.inserted_at,"
        " (SELECT count(*) FROM assigned y WHERE y.assignment = x.seq),"
        " (SELECT count(*) FROM responses s WHERE s.dataset = x.dataset AND s.user = x.user AND s.status > 0 AND"
        "  (EXISTS (SELECT 1 FROM assigned y WHERE y.assignment = x.seq AND y.record = s.record)"
        "   OR NOT EXISTS (SELECT 1 FROM assigned y WHERE y.assignment = x.seq)))"
        " FROM assignments x JOIN users u ON u.seq = x.user WHERE x.dataset = $1 AND ($2 = 0 OR x.user = $2) ORDER BY x.seq",
        db_i(set), db_i(person));
    *out = (assignments){0};
    while (db_next(r, e)) {
        assignment x = {.seq = db_int(r, 0),
                        .dataset = db_int(r, 2),
                        .user = db_int(r, 3),
                        .username = db_cstr(r, a, 5),
                        .quota = db_int(r, 6),
                        .inserted_at = db_int(r, 7),
                        .records = db_int(r, 8),
                        .answered = db_int(r, 9)};
        store_id(db_view(r, 1), x.id);
        store_id(db_view(r, 4), x.user_id);
        STORE_APPEND(a, out, x);
    }
    return e->code == ERR_NONE;
}

bool assignment_delete(store_tx *t, int64_t set, const char *id, err *e) {
    if (!db_run(t, e, "DELETE FROM assignments WHERE dataset = $1 AND id = $2", db_i(set), db_c(id))) return false;
    return db_changes(t) > 0 || err_set(e, ERR_NOT_FOUND, "Assignment with id `%s` not found", id);
}

/* ---- the queue --------------------------------------------------------------------------------------------------------------------- */

/* $1 dataset, $2 person, $3 now, $4 assignment, $5 where the person's own order begins, $6 limit. */
#define FREE      " r.dataset = $1 AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.record = r.seq AND l.user <> $2 AND l.until >= $3)"
#define NEW_TO_ME " AND NOT EXISTS (SELECT 1 FROM responses s WHERE s.record = r.seq AND s.user = $2)"
#define MINE      " AND r.seq IN (SELECT record FROM assigned WHERE assignment = $4)"

static const struct {
    const char *which, *order;
} orders[] = {
    [QUEUE_SEQUENTIAL] = {"", "r.seq"},
    [QUEUE_RANDOM] = {"", "(r.seq + $5) * 7919 % 104729, r.seq"},
    [QUEUE_UNCERTAINTY] =
        {"", "(SELECT min(CAST(ltrim(x.score, '[ ') AS REAL)) FROM suggestions x WHERE x.record = r.seq AND x.score IS "
             "NOT NULL) NULLS LAST, r.seq"},
    [QUEUE_ANSWERED] = {" AND r.submitted > 0", "r.submitted DESC, r.seq"},
    [QUEUE_CHECKS] = {" AND r.seq IN (SELECT record FROM gold WHERE hidden = 1)", "(r.seq + $5) * 7919 % 104729, r.seq"},
    [QUEUE_RETURNED] =
        {" AND r.seq IN (SELECT s.record FROM returned x JOIN responses s ON s.seq = x.response WHERE s.user = $2 AND "
         "s.dataset = $1)",
         "r.seq"},
};

bool queue_list(store_tx *t, arena *a, int64_t set, int64_t person, const assignment *of, queue_order order, int64_t limit,
                records *out, err *e) {
    const bool mine = of && of->records, whoever = order == QUEUE_CHECKS || order == QUEUE_RETURNED;
    const char *sql = arena_printf(a, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE" FREE "%s%s%s ORDER BY %s LIMIT $6",
                                   order == QUEUE_RETURNED ? "" : NEW_TO_ME,
                                   whoever ? ""
                                   : mine  ? MINE
                                           : " AND r.completed = 0",
                                   orders[order].which, orders[order].order);
    db_rows *r = db_query(t, e, sql, db_i(set), db_i(person), db_i(clock_now()), db_i(mine ? of->seq : 0),
                          db_i(person * 15485863 % 104729), db_i(limit));
    *out = (records){0};
    while (db_next(r, e)) STORE_APPEND(a, out, record_read(r, a));
    return e->code == ERR_NONE;
}

/* ---- guidelines -------------------------------------------------------------------------------------------------------------------- */

bool guidelines_keep(store_tx *t, const dataset *d, err *e) {
    return db_run(t, e,
                  "INSERT INTO guidelines(dataset, text, at) SELECT $1, $2, $3 WHERE"
                  " (SELECT text FROM guidelines WHERE dataset = $1 ORDER BY seq DESC LIMIT 1) IS DISTINCT FROM $2",
                  db_i(d->seq), db_s(d->guidelines), db_i(clock_now()));
}

bool guidelines_list(store_tx *t, arena *a, int64_t set, guidelines *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT text, at FROM guidelines WHERE dataset = $1 ORDER BY seq DESC", db_i(set));
    *out = (guidelines){0};
    while (db_next(r, e)) STORE_APPEND(a, out, (guideline){db_text(r, a, 0), db_int(r, 1)});
    return e->code == ERR_NONE;
}
