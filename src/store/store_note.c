/* store_note.c - who works on a record, what is said about it, and what its answer was settled to be. */
#include "base/clock.h"
#include "store/db.h"

bool lease_take(store_tx *t, int64_t row, int64_t person, int64_t until, err *e) {
    if (!db_run(
            t, e,
            "INSERT INTO leases(record, user, until) VALUES($1, $2, $3) ON CONFLICT(record) DO UPDATE SET user = $2, until = $3"
            " WHERE user = $2 OR until < $4",
            db_i(row), db_i(person), db_i(until), db_i(clock_now())))
        return false;
    return db_changes(t) > 0 || err_set(e, ERR_CONFLICT, "somebody else works on this record");
}

bool lease_drop(store_tx *t, int64_t row, int64_t person, err *e) {
    return db_run(t, e, "DELETE FROM leases WHERE record = $1 AND user = $2", db_i(row), db_i(person));
}

bool note_add(store_tx *t, note *n, err *e) {
    n->inserted_at = clock_now();
    uuid_new(n->id);
    if (!db_run(t, e, "INSERT INTO notes(id, record, user, text, flag, inserted_at) VALUES($1, $2, $3, $4, $5, $6)", db_c(n->id),
                db_i(n->record), db_i(n->user), db_c(n->text), db_i(n->flag), db_i(n->inserted_at)))
        return false;
    n->seq = db_last_seq(t);
    return true;
}

bool note_resolve(store_tx *t, int64_t row, const char *id, bool resolved, err *e) {
    if (!db_run(t, e, "UPDATE notes SET resolved = $2 WHERE id = $1 AND record = $3", db_c(id), db_i(resolved), db_i(row)))
        return false;
    return db_changes(t) > 0 || err_set(e, ERR_NOT_FOUND, "Note with id `%s` not found", id);
}

bool note_list(store_tx *t, arena *a, int64_t row, notes *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT n.seq, n.id, n.record, n.user, u.id, n.text, n.flag, n.resolved, n.inserted_at FROM notes n"
                          " JOIN users u ON u.seq = n.user WHERE n.record = $1 ORDER BY n.seq",
                          db_i(row));
    *out = (notes){0};
    while (db_next(r, e)) {
        note n = {.seq = db_int(r, 0),
                  .record = db_int(r, 2),
                  .user = db_int(r, 3),
                  .text = db_cstr(r, a, 5),
                  .flag = db_int(r, 6) != 0,
                  .resolved = db_int(r, 7) != 0,
                  .inserted_at = db_int(r, 8)};
        store_id(db_view(r, 1), n.id);
        store_id(db_view(r, 4), n.user_id);
        STORE_APPEND(a, out, n);
    }
    return e->code == ERR_NONE;
}

bool gold_put(store_tx *t, int64_t row, str values, int64_t by, bool hidden, err *e) {
    return db_run(
        t, e,
        "INSERT INTO gold VALUES($1, $2, $3, $4, $5) ON CONFLICT(record) DO UPDATE SET \"values\" = $2, actor = $3, hidden = $4,"
        " at = $5",
        db_i(row), db_s(values), db_i(by), db_i(hidden), db_i(clock_now()));
}

bool gold_get(store_tx *t, arena *a, int64_t row, str *values, bool *hidden, err *e) {
    db_rows *r = db_query(t, e, "SELECT \"values\", hidden FROM gold WHERE record = $1", db_i(row));
    *values = (str){NULL, 0};
    *hidden = false;
    if (!db_next(r, e)) return e->code == ERR_NONE;
    *values = db_text(r, a, 0);
    *hidden = db_int(r, 1) != 0;
    db_done(r);
    return true;
}

static gold_row read_gold(db_rows *r, arena *a) {
    return (gold_row){.record = db_int(r, 0),
                      .actor = db_int(r, 1),
                      .at = db_int(r, 2),
                      .values = db_text(r, a, 3),
                      .hidden = db_int(r, 4) != 0};
}

bool gold_of(store_tx *t, arena *a, int64_t row, gold_row *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT record, actor, at, \"values\", hidden FROM gold WHERE record = $1", db_i(row));
    *out = (gold_row){0};
    if (!db_next(r, e)) return e->code == ERR_NONE;
    *out = read_gold(r, a);
    db_done(r);
    return true;
}

bool gold_after(store_tx *t, arena *a, int64_t set, int64_t row, int64_t limit, gold_rows *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT g.record, g.actor, g.at, g.\"values\", g.hidden FROM gold g JOIN records r ON r.seq = g.record"
                          " WHERE +r.dataset = $1 AND g.record > $2 ORDER BY g.record LIMIT $3",
                          db_i(set), db_i(row), db_i(limit));
    *out = (gold_rows){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_gold(r, a));
    return e->code == ERR_NONE;
}

bool gold_delete(store_tx *t, int64_t row, err *e) { return db_run(t, e, "DELETE FROM gold WHERE record = $1", db_i(row)); }

const char *store_fact(store_tx *t, arena *a, const char *key, err *e) {
    db_rows *r = db_query(t, e, "SELECT value FROM facts WHERE key = $1", db_c(key));
    if (!db_next(r, e)) return NULL;
    const char *value = db_cstr(r, a, 0);
    db_done(r);
    return value;
}

bool recipe_keep(store_tx *t, int64_t set, str mapping, str options, err *e) {
    return db_run(
        t, e, "INSERT INTO recipes VALUES($1, $2, $3, $4) ON CONFLICT(dataset) DO UPDATE SET mapping = $2, options = $3, at = $4",
        db_i(set), db_s(mapping), db_s(options), db_i(clock_now()));
}

bool recipe_kept(store_tx *t, arena *a, int64_t set, str *mapping, str *options, err *e) {
    db_rows *r = db_query(t, e, "SELECT mapping, options FROM recipes WHERE dataset = $1", db_i(set));
    *mapping = *options = (str){NULL, 0};
    if (!db_next(r, e)) return e->code == ERR_NONE;
    *mapping = db_text(r, a, 0);
    *options = db_text(r, a, 1);
    db_done(r);
    return true;
}
