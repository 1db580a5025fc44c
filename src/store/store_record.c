/* store_record.c - records, their vectors and facets, and the counts that follow from answers. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "store/db.h"
#include "store/row.h"

record record_read(db_rows *r, arena *a) {
    record x = {.seq = db_int(r, 0),
                .dataset = db_int(r, 2),
                .completed = db_int(r, 4) != 0,
                .fields = db_text(r, a, 5),
                .metadata = db_text(r, a, 6),
                .external_id = db_text(r, a, 7),
                .submitted = db_int(r, 8),
                .inserted_at = db_int(r, 9),
                .updated_at = db_int(r, 10),
                .import = db_int(r, 11)};
    store_id(db_view(r, 1), x.id);
    store_id(db_view(r, 3), x.dataset_id);
    return x;
}

bool record_add(store_tx *t, record *x, err *e) {
    x->inserted_at = x->updated_at = clock_now();
    if (!*x->id) uuid_new(x->id);
    if (x->external_id.ptr && db_int_of(t, e, 0, "SELECT 1 FROM records WHERE dataset = $1 AND external_id = $2",
                                        db_i(x->dataset), db_s(x->external_id)))
        return err_set(e, ERR_CONFLICT, "a record with external_id `%.*s` is in the dataset already", STR_ARG(x->external_id));
    if (!db_run(t, e,
                "INSERT INTO records(id, dataset, external_id, fields, metadata, inserted_at, updated_at, import) VALUES($1, $2, "
                "$3, $4, $5,"
                " $6, $6, $7)",
                db_c(x->id), db_i(x->dataset), db_s(x->external_id), db_s(x->fields), db_s(x->metadata), db_i(x->inserted_at),
                db_i(x->import)))
        return false;
    x->seq = db_last_seq(t);
    return true;
}

bool record_count(store_tx *t, int64_t set, int64_t more, err *e) {
    return db_run(t, e, "UPDATE datasets SET records = records + $2 WHERE seq = $1", db_i(set), db_i(more));
}

bool record_save(store_tx *t, record *x, err *e) {
    x->updated_at = clock_now();
    return db_run(t, e, "UPDATE records SET fields = $2, metadata = $3, external_id = $4, updated_at = $5 WHERE seq = $1",
                  db_i(x->seq), db_s(x->fields), db_s(x->metadata), db_s(x->external_id), db_i(x->updated_at));
}

bool record_delete(store_tx *t, const record *x, err *e) {
    return vector_states_change(t, x->seq, e) && db_run(t, e, "DELETE FROM records WHERE seq = $1", db_i(x->seq)) &&
           db_run(t, e, "UPDATE datasets SET records = records - 1, completed = completed - $2 WHERE seq = $1", db_i(x->dataset),
                  db_i(x->completed));
}

static bool one_record(db_rows *r, arena *a, record *out, str key, err *e) {
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Record with id `%.*s` not found", STR_ARG(key));
    *out = record_read(r, a);
    db_done(r);
    return true;
}

bool record_get(store_tx *t, arena *a, const char *id, record *out, err *e) {
    return one_record(db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.id = $1", db_c(id)), a, out, str_of(id), e);
}

bool record_external(store_tx *t, arena *a, int64_t set, str external_id, record *out, err *e) {
    return one_record(db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.dataset = $1 AND r.external_id = $2",
                               db_i(set), db_s(external_id)),
                      a, out, external_id, e);
}

static bool read_records(db_rows *r, arena *a, records *out, err *e) {
    *out = (records){0};
    while (db_next(r, e)) STORE_APPEND(a, out, record_read(r, a));
    return e->code == ERR_NONE;
}

bool record_author(store_tx *t, const char *id, int64_t person, err *e) {
    return db_run(t, e, "UPDATE records SET author = $2 WHERE id = $1", db_c(id), db_i(person));
}

bool record_list_author(store_tx *t, arena *a, int64_t person, records *out, err *e) {
    return read_records(
        db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.author > 0 AND r.author = $1 ORDER BY r.dataset, r.seq",
                 db_i(person)),
        a, out, e);
}

bool record_page(store_tx *t, arena *a, int64_t set, int64_t offset, int64_t limit, records *out, err *e) {
    return read_records(db_query(t, e,
                                 "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.dataset = $1 ORDER BY r.seq LIMIT $2 OFFSET $3",
                                 db_i(set), db_i(limit), db_i(offset)),
                        a, out, e);
}

bool record_after(store_tx *t, arena *a, int64_t set, int64_t seq, int64_t limit, records *out, err *e) {
    return read_records(
        db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.dataset = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3",
                 db_i(set), db_i(seq), db_i(limit)),
        a, out, e);
}

bool record_open_after(store_tx *t, arena *a, int64_t set, int64_t seq, int64_t limit, records *out, err *e) {
    return read_records(db_query(t, e,
                                 "SELECT " RECORD_COLUMNS RECORD_FROM
                                 "WHERE r.dataset = $1 AND r.completed = 0 AND r.seq > $2 ORDER BY r.seq LIMIT $3",
                                 db_i(set), db_i(seq), db_i(limit)),
                        a, out, e);
}

bool record_recount(store_tx *t, record *x, int64_t least, bool *changed, err *e) {
    x->submitted = db_int_of(t, e, 0, "SELECT count(*) FROM responses WHERE record = $1 AND status = 1", db_i(x->seq));
    const bool completed = x->submitted >= least;
    *changed = completed != x->completed;
    if (e->code) return false;
    if (!*changed) return db_run(t, e, "UPDATE records SET submitted = $2 WHERE seq = $1", db_i(x->seq), db_i(x->submitted));
    x->completed = completed;
    x->updated_at = clock_now();
    return db_run(t, e, "UPDATE records SET submitted = $2, completed = $3, updated_at = $4 WHERE seq = $1", db_i(x->seq),
                  db_i(x->submitted), db_i(completed), db_i(x->updated_at)) &&
           db_run(t, e, "UPDATE datasets SET completed = completed + $2 WHERE seq = $1", db_i(x->dataset),
                  db_i(completed ? 1 : -1));
}

bool record_recount_all(store_tx *t, int64_t set, int64_t least, err *e) {
    return db_run(t, e, "UPDATE records SET completed = (submitted >= $2) WHERE dataset = $1", db_i(set), db_i(least)) &&
           db_run(t, e,
                  "UPDATE datasets SET completed = (SELECT count(*) FROM records WHERE dataset = $1 AND completed = 1) WHERE seq "
                  "= $1",
                  db_i(set));
}

/* ---- facets ----------------------------------------------------------------------------------------------------------------------- */

bool facet_clear(store_tx *t, facet_kind kind, int64_t of, int64_t row, int64_t owner, err *e) {
    return db_run(t, e, "DELETE FROM facets WHERE record = $1 AND kind = $2 AND ($3 = 0 OR part = $3) AND ($4 = 0 OR owner = $4)",
                  db_i(row), db_i(kind), db_i(of), db_i(owner));
}

bool facet_clear_answers(store_tx *t, int64_t owner, err *e) {
    return db_run(t, e, "DELETE FROM facets WHERE kind = $1 AND owner = $2", db_i(FACET_RESPONSE), db_i(owner));
}

bool facet_add(store_tx *t, facet_kind kind, int64_t of, int64_t row, int64_t owner, str text, double number, err *e) {
    return db_run(t, e, "INSERT INTO facets(kind, part, record, owner, text, number) VALUES($1, $2, $3, $4, $5, $6)", db_i(kind),
                  db_i(of), db_i(row), db_i(owner), db_s(text), isnan(number) ? db_null() : db_r(number));
}

bool facet_terms(store_tx *t, arena *a, facet_kind kind, int64_t of, facet_count **out, int *count, err *e) {
    struct {
        facet_count *item;
        int count;
    } list = {0};
    db_rows *r =
        db_query(t, e,
                 "SELECT text, min(number), count(*) FROM facets WHERE kind = $1 AND part = $2 AND text IS NOT NULL GROUP BY text"
                 " ORDER BY count(*) DESC, text",
                 db_i(kind), db_i(of));
    while (db_next(r, e))
        STORE_APPEND(a, &list, (facet_count){db_text(r, a, 0), db_is_null(r, 1) ? NAN : db_real(r, 1), db_int(r, 2)});
    *out = list.item;
    *count = list.count;
    return e->code == ERR_NONE;
}

bool facet_range(store_tx *t, facet_kind kind, int64_t of, double *min, double *max, bool *any, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT min(number), max(number) FROM facets WHERE kind = $1 AND part = $2", db_i(kind), db_i(of));
    if (!db_next(r, e)) return false;
    *any = !db_is_null(r, 0);
    *min = db_real(r, 0);
    *max = db_real(r, 1);
    db_done(r);
    return true;
}
