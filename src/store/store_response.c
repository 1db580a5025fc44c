/* store_response.c - answers, their history, and progress.
 *
 * The history of (record, user) holds what was there before each change, newest last; an undo puts the newest back and takes it
 * out, so that undoing walks backwards. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/db.h"

static const char *const status_names[] = {"draft", "submitted", "discarded"};
enum { STATUS_NONE = -1 }; /* in the history: there was no answer */

const char *response_status_name(response_status s) { return status_names[s]; }

bool response_status_of(str name, response_status *out) {
    for (int i = 0; i < 3; i++)
        if (str_is(name, status_names[i])) {
            *out = (response_status)i;
            return true;
        }
    return false;
}

#define RESPONSE_COLUMNS                                                                                                         \
    "s.seq, s.id, s.record, (SELECT r.id FROM records r WHERE r.seq = s.record), s.user, u.id, s.status, s.\"values\", "         \
    "s.inserted_at,"                                                                                                             \
    " s.updated_at FROM responses s JOIN users u ON u.seq = s.user "

static response read_response(db_rows *r, arena *a) {
    response x = {.seq = db_int(r, 0),
                  .record = db_int(r, 2),
                  .user = db_int(r, 4),
                  .status = (response_status)db_int(r, 6),
                  .values = db_text(r, a, 7),
                  .inserted_at = db_int(r, 8),
                  .updated_at = db_int(r, 9)};
    store_id(db_view(r, 1), x.id);
    store_id(db_view(r, 3), x.record_id);
    store_id(db_view(r, 5), x.user_id);
    return x;
}

static bool one_response(db_rows *r, arena *a, response *out, const char *key, err *e) {
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Response with id `%s` not found", key);
    *out = read_response(r, a);
    db_done(r);
    return true;
}

bool response_get(store_tx *t, arena *a, const char *id, response *out, err *e) {
    return one_response(db_query(t, e, "SELECT " RESPONSE_COLUMNS "WHERE s.id = $1", db_c(id)), a, out, id, e);
}

bool response_of(store_tx *t, arena *a, int64_t row, int64_t person, response *out, err *e) {
    return one_response(db_query(t, e, "SELECT " RESPONSE_COLUMNS "WHERE s.record = $1 AND s.user = $2", db_i(row), db_i(person)),
                        a, out, "?", e);
}

static int by_seq(const void *x, const void *y) {
    const int64_t a = ((const response *)x)->seq, b = ((const response *)y)->seq;
    return (a > b) - (a < b);
}

/* Few: sorted here, where the database would set up a sorter even for none. */
bool response_list(store_tx *t, arena *a, int64_t row, responses *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " RESPONSE_COLUMNS "WHERE s.record = $1", db_i(row));
    *out = (responses){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_response(r, a));
    if (out->count > 1) qsort(out->item, (size_t)out->count, sizeof *out->item, by_seq);
    return e->code == ERR_NONE;
}

bool response_after(store_tx *t, arena *a, int64_t set, int64_t seq, int64_t limit, responses *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " RESPONSE_COLUMNS "WHERE +s.dataset = $1 AND s.seq > $2 ORDER BY s.seq LIMIT $3",
                          db_i(set), db_i(seq), db_i(limit));
    *out = (responses){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_response(r, a));
    return e->code == ERR_NONE;
}

/* What (record, user) has now; seq 0: nothing. */
static bool read_now(store_tx *t, arena *a, int64_t row, int64_t person, response *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT seq, id, status, \"values\", inserted_at FROM responses WHERE record = $1 AND user = $2",
                          db_i(row), db_i(person));
    *out = (response){0};
    if (!db_next(r, e)) return e->code == ERR_NONE;
    out->seq = db_int(r, 0);
    store_id(db_view(r, 1), out->id);
    out->status = (response_status)db_int(r, 2);
    out->values = db_text(r, a, 3);
    out->inserted_at = db_int(r, 4);
    db_done(r);
    return true;
}

static bool keep(store_tx *t, int64_t row, int64_t person, const response *was, int64_t actor, err *e) {
    return db_run(t, e, "INSERT INTO history(record, user, actor, status, \"values\", at) VALUES($1, $2, $3, $4, $5, $6)",
                  db_i(row), db_i(person), db_i(actor), db_i(was->seq ? (int64_t)was->status : STATUS_NONE), db_s(was->values),
                  db_i(clock_now()));
}

/* The ids that stand beside the numbers, unless the caller knew them. */
static bool name_ids(store_tx *t, response *x, err *e) {
    if (*x->user_id && *x->record_id) return true;
    db_rows *r = db_query(t, e, "SELECT u.id, r.id FROM users u, records r WHERE u.seq = $1 AND r.seq = $2", db_i(x->user),
                          db_i(x->record));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_IO, "an answer that was written has no person or no record");
    store_id(db_view(r, 0), x->user_id);
    store_id(db_view(r, 1), x->record_id);
    db_done(r);
    return true;
}

static bool put(store_tx *t, response *x, const response *was, err *e) {
    x->updated_at = clock_now();
    x->fresh = !was->seq;
    if (!x->fresh) {
        x->seq = was->seq;
        x->inserted_at = was->inserted_at;
        memcpy(x->id, was->id, sizeof x->id);
        return db_run(t, e, "UPDATE responses SET status = $2, \"values\" = $3, updated_at = $4 WHERE seq = $1", db_i(x->seq),
                      db_i(x->status), db_s(x->values), db_i(x->updated_at)) &&
               name_ids(t, x, e);
    }
    x->inserted_at = x->updated_at;
    uuid_new(x->id);
    if (!db_run(t, e,
                "INSERT INTO responses(id, record, user, dataset, status, \"values\", inserted_at, updated_at)"
                " VALUES($1, $2, $3, (SELECT dataset FROM records WHERE seq = $2), $4, $5, $6, $6)",
                db_c(x->id), db_i(x->record), db_i(x->user), db_i(x->status), db_s(x->values), db_i(x->updated_at)))
        return false;
    x->seq = db_last_seq(t);
    return name_ids(t, x, e);
}

/* Whoever is done no longer holds the record, and what was sent back is settled. */
static bool settle(store_tx *t, const response *x, err *e) {
    return (x->fresh || db_run(t, e, "DELETE FROM returned WHERE response = $1", db_i(x->seq))) &&
           lease_drop(t, x->record, x->user, e);
}

bool response_put(store_tx *t, response *x, int64_t actor, err *e) {
    arena *a = arena_new();
    response was;
    const bool ok = read_now(t, a, x->record, x->user, &was, e) && keep(t, x->record, x->user, &was, actor, e) &&
                    put(t, x, &was, e) && (x->status == RESPONSE_DRAFT || settle(t, x, e));
    arena_free(a);
    return ok;
}

bool response_return(store_tx *t, const response *x, err *e) {
    return db_run(t, e, "INSERT INTO returned VALUES($1, $2) ON CONFLICT(response) DO UPDATE SET at = excluded.at", db_i(x->seq),
                  db_i(clock_now()));
}

bool response_delete(store_tx *t, const response *x, int64_t actor, err *e) {
    arena *a = arena_new();
    response was;
    const bool ok = read_now(t, a, x->record, x->user, &was, e) && keep(t, x->record, x->user, &was, actor, e) &&
                    db_run(t, e, "DELETE FROM responses WHERE seq = $1", db_i(x->seq));
    arena_free(a);
    return ok;
}

bool response_history(store_tx *t, arena *a, int64_t row, int64_t person, response_versions *out, err *e) {
    db_rows *r =
        db_query(t, e,
                 "SELECT h.seq, h.at, u.id, (SELECT id FROM users WHERE seq = h.actor), h.status, h.\"values\" FROM history h"
                 " JOIN users u ON u.seq = h.user WHERE h.record = $1 AND ($2 = 0 OR h.user = $2) ORDER BY h.seq DESC",
                 db_i(row), db_i(person));
    *out = (response_versions){0};
    while (db_next(r, e)) {
        const int64_t status = db_int(r, 4);
        response_version v = {.seq = db_int(r, 0),
                              .at = db_int(r, 1),
                              .status = status == STATUS_NONE ? "none" : status_names[status],
                              .values = db_text(r, a, 5)};
        store_id(db_view(r, 2), v.user_id);
        store_id(db_view(r, 3), v.actor_id);
        STORE_APPEND(a, out, v);
    }
    return e->code == ERR_NONE;
}

bool response_undo(store_tx *t, arena *a, int64_t row, int64_t person, int64_t actor, response *now, bool *exists, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT seq, status, \"values\" FROM history WHERE record = $1 AND user = $2 ORDER BY seq DESC LIMIT 1",
                 db_i(row), db_i(person));
    (void)actor;
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "nothing to undo: this answer was never changed");
    const int64_t seq = db_int(r, 0), status = db_int(r, 1);
    const str values = db_text(r, a, 2);
    db_done(r);
    *exists = status != STATUS_NONE;
    if (!db_run(t, e, "DELETE FROM history WHERE seq = $1", db_i(seq))) return false;
    if (!*exists) return db_run(t, e, "DELETE FROM responses WHERE record = $1 AND user = $2", db_i(row), db_i(person));
    response was;
    *now = (response){.record = row, .user = person, .status = (response_status)status, .values = values};
    return read_now(t, a, row, person, &was, e) && put(t, now, &was, e);
}

/* ---- progress --------------------------------------------------------------------------------------------------------------------- */

bool progress_users(store_tx *t, arena *a, int64_t set, user_progress **out, int *count, err *e) {
    struct {
        user_progress *item;
        int count;
    } list = {0};
    db_rows *r =
        db_query(t, e,
                 "SELECT u.username, r.completed, s.status, count(*) FROM responses s JOIN users u ON u.seq = s.user"
                 " JOIN records r ON r.seq = s.record WHERE s.dataset = $1 GROUP BY u.seq, r.completed, s.status ORDER BY u.seq",
                 db_i(set));
    while (db_next(r, e)) {
        const str name = db_view(r, 0);
        if (!list.count || !str_is(name, list.item[list.count - 1].username))
            STORE_APPEND(a, &list, (user_progress){.username = str_copy(a, name)});
        list.item[list.count - 1].count[db_int(r, 1) != 0][db_int(r, 2)] = db_int(r, 3);
    }
    *out = list.item;
    *count = list.count;
    return e->code == ERR_NONE;
}

bool progress_of(store_tx *t, int64_t set, int64_t person, int64_t count[3], err *e) {
    memset(count, 0, sizeof *count * 3);
    db_rows *r = db_query(t, e, "SELECT status, count(*) FROM responses WHERE dataset = $1 AND user = $2 GROUP BY status",
                          db_i(set), db_i(person));
    while (db_next(r, e)) count[db_int(r, 0)] = db_int(r, 1);
    return e->code == ERR_NONE;
}
