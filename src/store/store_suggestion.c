/* store_suggestion.c - what models and people propose for a question of a record. */
#include <stdlib.h>

#include "base/clock.h"
#include "store/db.h"

#define SUGGESTION_COLUMNS                                                                                                       \
    "s.seq, s.id, s.record, s.question, q.id, s.type, s.agent, s.value, s.score, s.inserted_at, s.updated_at FROM suggestions s" \
    " JOIN parts q ON q.seq = s.question "

static suggestion read_suggestion(db_rows *r, arena *a) {
    suggestion x = {.seq = db_int(r, 0),
                    .record = db_int(r, 2),
                    .question = db_int(r, 3),
                    .type = db_cstr(r, a, 5),
                    .agent = db_cstr(r, a, 6),
                    .value = db_text(r, a, 7),
                    .score = db_text(r, a, 8),
                    .inserted_at = db_int(r, 9),
                    .updated_at = db_int(r, 10)};
    store_id(db_view(r, 1), x.id);
    store_id(db_view(r, 4), x.question_id);
    return x;
}

bool suggestion_put(store_tx *t, suggestion *x, bool *created, err *e) {
    x->inserted_at = x->updated_at = clock_now();
    x->seq =
        db_int_of(t, e, 0, "SELECT seq FROM suggestions WHERE record = $1 AND question = $2", db_i(x->record), db_i(x->question));
    *created = !x->seq;
    uuid_new(x->id);
    if (*created) {
        if (!db_run(t, e,
                    "INSERT INTO suggestions(id, record, question, type, agent, value, score, inserted_at, updated_at)"
                    " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $8)",
                    db_c(x->id), db_i(x->record), db_i(x->question), db_c(x->type), db_c(x->agent), db_s(x->value),
                    db_s(x->score), db_i(x->inserted_at)))
            return false;
        x->seq = db_last_seq(t);
        return true;
    }
    if (!db_run(t, e, "UPDATE suggestions SET type = $2, agent = $3, value = $4, score = $5, updated_at = $6 WHERE seq = $1",
                db_i(x->seq), db_c(x->type), db_c(x->agent), db_s(x->value), db_s(x->score), db_i(x->updated_at)))
        return false;
    db_rows *r = db_query(t, e, "SELECT id, inserted_at FROM suggestions WHERE seq = $1", db_i(x->seq));
    if (!db_next(r, e)) return false;
    store_id(db_view(r, 0), x->id);
    x->inserted_at = db_int(r, 1);
    db_done(r);
    return true;
}

bool suggestion_delete(store_tx *t, const suggestion *x, err *e) {
    return facet_clear(t, FACET_SUGGESTION, x->question, x->record, 0, e) &&
           db_run(t, e, "DELETE FROM suggestions WHERE seq = $1", db_i(x->seq));
}

bool suggestion_clear(store_tx *t, int64_t row, err *e) {
    return facet_clear(t, FACET_SUGGESTION, 0, row, 0, e) && db_run(t, e, "DELETE FROM suggestions WHERE record = $1", db_i(row));
}

bool suggestion_get(store_tx *t, arena *a, const char *id, suggestion *out, int64_t *row, err *e) {
    db_rows *r = db_query(t, e, "SELECT " SUGGESTION_COLUMNS "WHERE s.id = $1", db_c(id));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Suggestion with id `%s` not found", id);
    *out = read_suggestion(r, a);
    *row = out->record;
    db_done(r);
    return true;
}

static int by_seq(const void *x, const void *y) {
    const int64_t a = ((const suggestion *)x)->seq, b = ((const suggestion *)y)->seq;
    return (a > b) - (a < b);
}

/* Sorted here: see response_list. */
bool suggestion_list(store_tx *t, arena *a, int64_t row, suggestions *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " SUGGESTION_COLUMNS "WHERE s.record = $1", db_i(row));
    *out = (suggestions){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_suggestion(r, a));
    if (out->count > 1) qsort(out->item, (size_t)out->count, sizeof *out->item, by_seq);
    return e->code == ERR_NONE;
}

bool suggestion_after(store_tx *t, arena *a, int64_t question, int64_t seq, int64_t limit, suggestions *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " SUGGESTION_COLUMNS "WHERE +s.question = $1 AND s.seq > $2 ORDER BY s.seq LIMIT $3",
                          db_i(question), db_i(seq), db_i(limit));
    *out = (suggestions){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_suggestion(r, a));
    return e->code == ERR_NONE;
}

bool suggestion_agents(store_tx *t, arena *a, int64_t question, const char ***out, int *count, err *e) {
    struct {
        const char **item;
        int count;
    } list = {0};
    db_rows *r = db_query(t, e, "SELECT DISTINCT agent FROM suggestions WHERE question = $1 AND agent IS NOT NULL ORDER BY agent",
                          db_i(question));
    while (db_next(r, e)) STORE_APPEND(a, &list, db_cstr(r, a, 0));
    *out = list.item;
    *count = list.count;
    return e->code == ERR_NONE;
}
