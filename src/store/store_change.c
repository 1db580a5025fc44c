/* store_change.c - changes of a question's options: what answers, suggestions and settled answers were before. */
#include "base/clock.h"
#include "store/db.h"

bool change_begin(store_tx *t, part_change *x, err *e) {
    uuid_new(x->id);
    x->at = clock_now();
    if (!db_run(t, e, "INSERT INTO changes(id, part, actor, at, settings, summary) VALUES($1, $2, $3, $4, $5, $6)", db_c(x->id),
                db_i(x->part), db_i(x->actor), db_i(x->at), db_s(x->settings), db_s(x->summary)))
        return false;
    x->seq = db_last_seq(t);
    return true;
}

bool change_list(store_tx *t, arena *a, int64_t question, part_changes *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT seq, id, actor, (SELECT id FROM users WHERE seq = actor), at, settings, summary FROM changes"
                          " WHERE part = $1 ORDER BY seq DESC",
                          db_i(question));
    *out = (part_changes){0};
    while (db_next(r, e)) {
        part_change x = {.seq = db_int(r, 0),
                         .part = question,
                         .actor = db_int(r, 2),
                         .at = db_int(r, 4),
                         .settings = db_text(r, a, 5),
                         .summary = db_text(r, a, 6)};
        store_id(db_view(r, 1), x.id);
        store_id(db_view(r, 3), x.actor_id);
        STORE_APPEND(a, out, x);
    }
    return e->code == ERR_NONE;
}

bool change_delete(store_tx *t, int64_t seq, err *e) { return db_run(t, e, "DELETE FROM changes WHERE seq = $1", db_i(seq)); }

bool change_hold(store_tx *t, int64_t change, const held_value *x, err *e) {
    return db_run(t, e,
                  "INSERT INTO changed(change, kind, record, user, status, value, score, type, agent, stamp)"
                  " VALUES($1, $2, $3, nullif($4, 0), $5, $6, $7, $8, $9, $10)",
                  db_i(change), db_i(x->kind), db_i(x->record), db_i(x->user), db_i(x->status), db_s(x->value), db_s(x->score),
                  db_c(x->type), db_c(x->agent), db_i(x->stamp));
}

bool change_held(store_tx *t, arena *a, int64_t change, int64_t seq, int64_t limit, held_values *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT seq, kind, record, coalesce(user, 0), status, value, score, type, agent, stamp FROM changed"
                          " WHERE change = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                          db_i(change), db_i(seq), db_i(limit));
    *out = (held_values){0};
    while (db_next(r, e))
        STORE_APPEND(a, out,
                     (held_value){.seq = db_int(r, 0),
                                  .kind = (held_kind)db_int(r, 1),
                                  .record = db_int(r, 2),
                                  .user = db_int(r, 3),
                                  .status = db_int(r, 4),
                                  .value = db_text(r, a, 5),
                                  .score = db_text(r, a, 6),
                                  .type = db_cstr(r, a, 7),
                                  .agent = db_cstr(r, a, 8),
                                  .stamp = db_int(r, 9)});
    return e->code == ERR_NONE;
}
