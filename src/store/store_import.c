/* store_import.c - which records came together, so that they can go together.
 *
 * Their index holds imported records alone, and SQLite takes it only where a statement says so: import > 0. */
#include "base/clock.h"
#include "store/db.h"
#include "store/row.h"

#define IMPORT_COLUMNS "i.seq, i.id, i.dataset, i.source, i.started_at, i.finished_at FROM imports i "

/* Without the number of its records: who asks for one import does so with each part that it sends. */
static import_row read_import(db_rows *r, arena *a) {
    import_row x = {.seq = db_int(r, 0),
                    .dataset = db_int(r, 2),
                    .source = db_cstr(r, a, 3),
                    .started_at = db_int(r, 4),
                    .finished_at = db_int(r, 5)};
    store_id(db_view(r, 1), x.id);
    return x;
}

static bool read_imports(db_rows *r, arena *a, imports *out, err *e) {
    *out = (imports){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_import(r, a));
    return e->code == ERR_NONE;
}

bool import_count(store_tx *t, import_row *i, err *e) {
    i->records = db_int_of(t, e, 0, "SELECT count(*) FROM records WHERE import = $1 AND import > 0", db_i(i->seq));
    return e->code == ERR_NONE;
}

bool import_begin(store_tx *t, import_row *i, int64_t actor, err *e) {
    i->started_at = clock_now();
    uuid_new(i->id);
    if (!db_run(t, e, "INSERT INTO imports(id, dataset, source, actor, started_at) VALUES($1, $2, $3, $4, $5)", db_c(i->id),
                db_i(i->dataset), db_c(i->source), db_i(actor), db_i(i->started_at)))
        return false;
    i->seq = db_last_seq(t);
    return true;
}

bool import_end(store_tx *t, const import_row *i, err *e) {
    return db_run(t, e, "UPDATE imports SET finished_at = $2 WHERE seq = $1", db_i(i->seq), db_i(clock_now()));
}

bool import_get(store_tx *t, arena *a, int64_t set, const char *id, import_row *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " IMPORT_COLUMNS "WHERE i.id = $1 AND i.dataset = $2", db_c(id), db_i(set));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Import with id `%s` not found", id);
    *out = read_import(r, a);
    db_done(r);
    return true;
}

bool import_list(store_tx *t, arena *a, int64_t set, imports *out, err *e) {
    bool ok =
        read_imports(db_query(t, e, "SELECT " IMPORT_COLUMNS "WHERE i.dataset = $1 ORDER BY i.seq DESC", db_i(set)), a, out, e);
    for (int i = 0; i < out->count && ok; i++) ok = import_count(t, &out->item[i], e);
    return ok;
}

bool import_unfinished(store_tx *t, arena *a, imports *out, err *e) {
    return read_imports(db_query_values(t, "SELECT " IMPORT_COLUMNS "WHERE i.finished_at IS NULL ORDER BY i.seq", NULL, 0, e), a,
                        out, e);
}

bool import_records(store_tx *t, arena *a, int64_t import, int64_t seq, int64_t limit, records *out, err *e) {
    db_rows *r = db_query(
        t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.import = $1 AND r.import > 0 AND r.seq > $2 ORDER BY r.seq LIMIT $3",
        db_i(import), db_i(seq), db_i(limit));
    *out = (records){0};
    while (db_next(r, e)) STORE_APPEND(a, out, record_read(r, a));
    return e->code == ERR_NONE;
}

bool import_undo(store_tx *t, const import_row *i, err *e) {
    return db_run(t, e,
                  "UPDATE datasets SET records = records - (SELECT count(*) FROM records WHERE import = $1 AND import > 0),"
                  " completed = completed - (SELECT count(*) FROM records WHERE import = $1 AND import > 0 AND completed = 1)"
                  " WHERE seq = $2",
                  db_i(i->seq), db_i(i->dataset)) &&
           vector_states_change_all(t, i->dataset, e) &&
           db_run(t, e, "DELETE FROM records WHERE import = $1 AND import > 0", db_i(i->seq)) &&
           db_run(t, e, "DELETE FROM imports WHERE seq = $1", db_i(i->seq));
}
