/* store_behind.c - records that are in the store and not yet in the index: an import writes rows, their words and metadata follow.
 *
 * A row is a range of seqs that one write made. Whoever indexes takes records from its front and moves the front in the same
 * transaction, so that a kill at any moment leaves each record either in the range or in the index. Records that were removed
 * meanwhile leave holes, which are passed by: seqs are never given twice. */
#include "store/db.h"
#include "store/row.h"

bool behind_add(store_tx *t, int64_t set, int64_t first, int64_t last, err *e) {
    return db_run(t, e, "INSERT INTO behind VALUES($1, $2, $3)", db_i(first), db_i(last), db_i(set));
}

bool behind_holds(store_tx *t, int64_t row, err *e) {
    return db_int_of(t, e, 0, "SELECT last FROM behind WHERE first <= $1 ORDER BY first DESC LIMIT 1", db_i(row)) >= row;
}

int64_t behind_count(store_tx *t, int64_t set, err *e) {
    return db_int_of(t, e, 0, "SELECT sum(last - first + 1) FROM behind WHERE $1 = 0 OR dataset = $1", db_i(set));
}

bool behind_next(store_tx *t, int64_t set, behind_range *out, err *e) {
    *out = (behind_range){0};
    db_rows *r =
        set ? db_query(t, e, "SELECT first, last, dataset FROM behind WHERE dataset = $1 ORDER BY first LIMIT 1", db_i(set))
            : db_query_values(t, "SELECT first, last, dataset FROM behind ORDER BY first LIMIT 1", NULL, 0, e);
    if (!db_next(r, e)) return e->code == ERR_NONE;
    *out = (behind_range){db_int(r, 0), db_int(r, 1), db_int(r, 2)};
    db_done(r);
    return true;
}

bool behind_records(store_tx *t, arena *a, const behind_range *b, int64_t from, int64_t limit, records *out, err *e) {
    db_rows *r = db_query(
        t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.seq BETWEEN $1 AND $2 AND +r.dataset = $3 ORDER BY r.seq LIMIT $4",
        db_i(from), db_i(b->last), db_i(b->dataset), db_i(limit));
    *out = (records){0};
    while (db_next(r, e)) STORE_APPEND(a, out, record_read(r, a));
    return e->code == ERR_NONE;
}

bool behind_move(store_tx *t, const behind_range *b, int64_t first, err *e) {
    return first > b->last ? db_run(t, e, "DELETE FROM behind WHERE first = $1", db_i(b->first))
                           : db_run(t, e, "UPDATE behind SET first = $2 WHERE first = $1", db_i(b->first), db_i(first));
}
