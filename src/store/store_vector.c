/* store_vector.c - vectors of records: IEEE doubles as they came, and which of them were computed of which state of the record.
 *
 * A record wants a vector of a setting when it has neither vector nor mark, or a mark that is older than it. A mark without a vector: there
 * was nothing to compute from. A vector without a mark was given by hand, and stays. */
#include <string.h>

#include "base/clock.h"
#include "store/db.h"
#include "store/row.h"

/* near.h says what a state and an epoch are for. A state is never 0. */
static db_value lot(void) {
    uint64_t drawn;
    secret_random(&drawn, sizeof drawn);
    return db_i((int64_t)(drawn >> 1 | 1));
}

enum { ALL = 0 }; /* as the record of a change */

/* Some settings, by parameter $1, begin an epoch. */
typedef struct {
    const char *note, *begin;
} epoch_sql;
#define EPOCH(which)                                                                                                             \
    {                                                                                                                            \
        "INSERT INTO vector_changes(setting, epoch, record, before) SELECT setting, epoch + 1, $2, state FROM vector_states"     \
        " WHERE " which,                                                                                                         \
            "UPDATE vector_states SET epoch = epoch + 1, state = $2 WHERE " which                                                \
    }
static const epoch_sql of_setting = EPOCH("setting = $1");
static const epoch_sql of_record = EPOCH("setting IN (SELECT setting FROM vectors WHERE record = $1)");
static const epoch_sql of_dataset = EPOCH("setting IN (SELECT seq FROM parts WHERE dataset = $1)");

static bool begin_epoch(store_tx *t, const epoch_sql *sql, int64_t which, int64_t row, err *e) {
    return db_run(t, e, sql->note, db_i(which), db_i(row)) && (!db_changes(t) || db_run(t, e, sql->begin, db_i(which), lot()));
}

/* A vector behind all that ever were begins no epoch. */
static bool state_put(store_tx *t, int64_t setting, int64_t row, err *e) {
    const int64_t last = db_int_of(t, e, 0, "SELECT last FROM vector_states WHERE setting = $1", db_i(setting));
    if (e->code || row <= last) return !e->code && begin_epoch(t, &of_setting, setting, row, e);
    return db_run(t, e,
                  "INSERT INTO vector_states(setting, state, last) VALUES($1, $2, $3) ON CONFLICT(setting)"
                  " DO UPDATE SET state = excluded.state, last = excluded.last",
                  db_i(setting), lot(), db_i(row));
}

bool vector_states_change(store_tx *t, int64_t row, err *e) { return begin_epoch(t, &of_record, row, row, e); }

bool vector_states_change_all(store_tx *t, int64_t set, err *e) { return begin_epoch(t, &of_dataset, set, ALL, e); }

bool vector_tidy(store_tx *t, int64_t *forgotten, err *e) {
    enum { KEPT = 10000 };
    const bool ok =
        db_run(t, e,
               "DELETE FROM vector_changes WHERE (setting, epoch) IN (SELECT c.setting, c.epoch FROM vector_states s JOIN"
               " vector_changes c ON c.setting = s.setting AND c.epoch <= s.epoch - $1 LIMIT $2)",
               db_i(KEPT), db_i(TIDY_MOST));
    *forgotten = ok ? db_changes(t) : 0;
    return ok;
}

/* A vector given by hand is no computed one. */
static bool unmark(store_tx *t, int64_t setting, int64_t row, err *e) {
    return db_run(t, e, "DELETE FROM vector_marks WHERE setting = $1 AND record = $2", db_i(setting), db_i(row));
}

/* The same one again changes nothing. */
bool vector_put(store_tx *t, int64_t setting, int64_t row, const double *v, int n, err *e) {
    return unmark(t, setting, row, e) &&
           db_run(t, e,
                  "INSERT INTO vectors VALUES($1, $2, $3) ON CONFLICT(setting, record) DO UPDATE SET value = excluded.value"
                  " WHERE vectors.value <> excluded.value",
                  db_i(setting), db_i(row), db_b((str){(const char *)v, sizeof *v * (size_t)n})) &&
           (!db_changes(t) || state_put(t, setting, row, e));
}

bool vector_delete(store_tx *t, int64_t setting, int64_t row, err *e) {
    return unmark(t, setting, row, e) &&
           db_run(t, e, "DELETE FROM vectors WHERE setting = $1 AND record = $2", db_i(setting), db_i(row)) &&
           (!db_changes(t) || begin_epoch(t, &of_setting, setting, row, e));
}

bool vector_get(store_tx *t, arena *a, int64_t setting, int64_t row, double **v, int *n, err *e) {
    db_rows *r = db_query(t, e, "SELECT value FROM vectors WHERE setting = $1 AND record = $2", db_i(setting), db_i(row));
    *n = 0;
    if (!db_next(r, e)) return e->code == ERR_NONE;
    const str value = db_view(r, 0);
    *n = (int)(value.len / sizeof **v);
    *v = arena_array(a, double, *n + 1);
    memcpy(*v, value.ptr, sizeof **v * (size_t)*n);
    db_done(r);
    return true;
}

/* ---- computed ones ------------------------------------------------------------------------------------------------------------------- */

#define WANTING                                                                                                                  \
    "LEFT JOIN vectors v ON v.setting = $1 AND v.record = r.seq LEFT JOIN vector_marks m ON m.setting = $1 AND m.record = r.seq" \
    " WHERE r.dataset = $2 AND ((v.record IS NULL AND m.record IS NULL) OR m.at < r.updated_at)"

bool vector_wanting(store_tx *t, arena *a, int64_t set, int64_t setting, int64_t seq, int64_t limit, wanting_records *out,
                    err *e) {
    db_rows *r =
        db_query(t, e, "SELECT " RECORD_COLUMNS ", m.hash " RECORD_FROM WANTING " AND r.seq > $3 ORDER BY r.seq LIMIT $4",
                 db_i(setting), db_i(set), db_i(seq), db_i(limit));
    *out = (wanting_records){0};
    while (db_next(r, e)) STORE_APPEND(a, out, (wanting_record){.record = record_read(r, a), .hash = db_text(r, a, 12)});
    return e->code == ERR_NONE;
}

int64_t vector_wanting_count(store_tx *t, int64_t set, int64_t setting, err *e) {
    return db_int_of(t, e, 0, "SELECT count(*) " RECORD_FROM WANTING, db_i(setting), db_i(set));
}

int64_t vector_count(store_tx *t, int64_t setting, err *e) {
    return db_int_of(t, e, 0, "SELECT count(*) FROM vectors WHERE setting = $1", db_i(setting));
}

/* Still there, and without a vector that somebody gave. */
static bool is_wanted(store_tx *t, int64_t setting, int64_t row, err *e) {
    return db_int_of(
               t, e, 0,
               "SELECT count(*) FROM records r WHERE r.seq = $2 AND (NOT EXISTS(SELECT 1 FROM vectors WHERE setting = $1 AND"
               " record = $2) OR EXISTS(SELECT 1 FROM vector_marks WHERE setting = $1 AND record = $2))",
               db_i(setting), db_i(row)) > 0;
}

bool vector_keep(store_tx *t, int64_t setting, const vector_computed *x, bool *kept, err *e) {
    *kept = is_wanted(t, setting, x->record, e);
    if (!*kept) return e->code == ERR_NONE;
    const bool put =
        x->same || (x->v ? vector_put(t, setting, x->record, x->v, x->n, e) : vector_delete(t, setting, x->record, e));
    return put && db_run(t, e,
                         "INSERT INTO vector_marks(setting, record, at, hash) VALUES($1, $2, $3, $4) ON CONFLICT(setting, record)"
                         " DO UPDATE SET at = excluded.at, hash = excluded.hash",
                         db_i(setting), db_i(x->record), db_i(x->at), db_c(x->hash));
}

bool vector_forget(store_tx *t, int64_t setting, err *e) {
    return begin_epoch(t, &of_setting, setting, ALL, e) &&
           db_run(t, e,
                  "DELETE FROM vectors WHERE setting = $1 AND record IN (SELECT record FROM vector_marks WHERE setting = $1)",
                  db_i(setting)) &&
           db_run(t, e, "DELETE FROM vector_marks WHERE setting = $1", db_i(setting));
}
