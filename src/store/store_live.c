/* store_live.c - what a person does with models: lessons (teach), conversations (chat), anonymous pairs (arena). */
#include "base/clock.h"
#include "store/db.h"

/* ---- lessons ----------------------------------------------------------------------------------------------------------------------- */

#define LESSON_COLUMNS "l.seq, l.id, l.user, l.data, l.inserted_at, l.updated_at"

static lesson read_lesson(db_rows *r, arena *a) {
    lesson x = {.seq = db_int(r, 0),
                .user = db_int(r, 2),
                .data = db_text(r, a, 3),
                .inserted_at = db_int(r, 4),
                .updated_at = db_int(r, 5)};
    store_id(db_view(r, 1), x.id);
    return x;
}

bool lesson_add(store_tx *t, lesson *x, err *e) {
    uuid_new(x->id);
    x->inserted_at = x->updated_at = clock_now();
    if (!db_run(t, e, "INSERT INTO lessons(id, user, data, inserted_at, updated_at) VALUES($1, $2, $3, $4, $4)", db_c(x->id),
                db_i(x->user), db_s(x->data), db_i(x->inserted_at)))
        return false;
    x->seq = db_last_seq(t);
    return true;
}

bool lesson_save(store_tx *t, lesson *x, err *e) {
    x->updated_at = clock_now();
    return db_run(t, e, "UPDATE lessons SET data = $2, updated_at = $3 WHERE seq = $1", db_i(x->seq), db_s(x->data),
                  db_i(x->updated_at));
}

bool lesson_get(store_tx *t, arena *a, const char *id, lesson *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " LESSON_COLUMNS " FROM lessons l WHERE l.id = $1", db_c(id));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Lesson with id `%s` not found", id);
    *out = read_lesson(r, a);
    db_done(r);
    return true;
}

bool lesson_list(store_tx *t, arena *a, int64_t person, lessons *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " LESSON_COLUMNS " FROM lessons l WHERE l.user = $1 ORDER BY l.seq DESC", db_i(person));
    *out = (lessons){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_lesson(r, a));
    return e->code == ERR_NONE;
}

/* ---- conversations ----------------------------------------------------------------------------------------------------------------- */

#define TALK_COLUMNS "seq, id, user, title, model, settings, messages, inserted_at, updated_at"

static talk read_talk(db_rows *r, arena *a) {
    talk x = {.seq = db_int(r, 0),
              .user = db_int(r, 2),
              .title = db_cstr(r, a, 3),
              .model = db_cstr(r, a, 4),
              .settings = db_text(r, a, 5),
              .messages = db_text(r, a, 6),
              .inserted_at = db_int(r, 7),
              .updated_at = db_int(r, 8)};
    store_id(db_view(r, 1), x.id);
    return x;
}

bool talk_add(store_tx *t, talk *x, err *e) {
    uuid_new(x->id);
    x->inserted_at = x->updated_at = clock_now();
    if (!db_run(t, e,
                "INSERT INTO talks(id, user, title, model, settings, messages, inserted_at, updated_at)"
                " VALUES($1, $2, $3, $4, $5, $6, $7, $7)",
                db_c(x->id), db_i(x->user), db_c(x->title), db_c(x->model), db_s(x->settings), db_s(x->messages),
                db_i(x->inserted_at)))
        return false;
    x->seq = db_last_seq(t);
    return true;
}

bool talk_save(store_tx *t, talk *x, err *e) {
    x->updated_at = clock_now();
    return db_run(t, e, "UPDATE talks SET title = $2, model = $3, settings = $4, messages = $5, updated_at = $6 WHERE seq = $1",
                  db_i(x->seq), db_c(x->title), db_c(x->model), db_s(x->settings), db_s(x->messages), db_i(x->updated_at));
}

bool talk_delete(store_tx *t, const talk *x, err *e) { return db_run(t, e, "DELETE FROM talks WHERE seq = $1", db_i(x->seq)); }

bool talk_get(store_tx *t, arena *a, int64_t person, const char *id, talk *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " TALK_COLUMNS " FROM talks WHERE id = $1 AND user = $2", db_c(id), db_i(person));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Chat with id `%s` not found", id);
    *out = read_talk(r, a);
    db_done(r);
    return true;
}

bool talk_list(store_tx *t, arena *a, int64_t person, talks *out, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT " TALK_COLUMNS " FROM talks WHERE user = $1 ORDER BY updated_at DESC, seq DESC", db_i(person));
    *out = (talks){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_talk(r, a));
    return e->code == ERR_NONE;
}

/* ---- anonymous pairs --------------------------------------------------------------------------------------------------------------- */

#define DUEL_COLUMNS                                                                                                             \
    "seq, id, user, left_model, right_model, prompt, left_text, right_text, vote, at, left_unfinished, right_unfinished"

static duel read_duel(db_rows *r, arena *a) {
    duel x = {.seq = db_int(r, 0),
              .user = db_int(r, 2),
              .model = {db_cstr(r, a, 3), db_cstr(r, a, 4)},
              .prompt = db_cstr(r, a, 5),
              .text = {db_cstr(r, a, 6), db_cstr(r, a, 7)},
              .vote = db_cstr(r, a, 8),
              .at = db_int(r, 9),
              .unfinished = {db_int(r, 10) != 0, db_int(r, 11) != 0}};
    store_id(db_view(r, 1), x.id);
    return x;
}

bool duel_add(store_tx *t, duel *x, err *e) {
    x->at = clock_now();
    if (!*x->id) uuid_new(x->id);
    return db_run(t, e,
                  "INSERT INTO duels(id, user, left_model, right_model, prompt, left_text, right_text, vote, at, left_unfinished,"
                  " right_unfinished) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                  db_c(x->id), db_i(x->user), db_c(x->model[0]), db_c(x->model[1]), db_c(x->prompt), db_c(x->text[0]),
                  db_c(x->text[1]), db_c(x->vote), db_i(x->at), db_i(x->unfinished[0]), db_i(x->unfinished[1]));
}

bool duel_get(store_tx *t, arena *a, int64_t person, const char *id, duel *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " DUEL_COLUMNS " FROM duels WHERE id = $1 AND user = $2", db_c(id), db_i(person));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Arena with id `%s` not found", id);
    *out = read_duel(r, a);
    db_done(r);
    return true;
}

bool duel_vote(store_tx *t, const duel *x, const char *vote, err *e) {
    return db_run(t, e, "UPDATE duels SET vote = $2, at = $3 WHERE seq = $1", db_i(x->seq), db_c(vote), db_i(clock_now()));
}

bool duel_list(store_tx *t, arena *a, duels *out, err *e) {
    db_rows *r = db_query_values(t, "SELECT " DUEL_COLUMNS " FROM duels WHERE vote IS NOT NULL ORDER BY seq", NULL, 0, e);
    *out = (duels){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_duel(r, a));
    return e->code == ERR_NONE;
}
