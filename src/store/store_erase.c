/* store_erase.c - records and people that go for good, and what is kept of them: numbers.
 *
 * Deleting rows is not enough: what was answered to requests (idempotency) and told to webhooks (events) repeats them, and so it is
 * emptied wherever it names their ids. store_scrub takes the bytes out of the files afterwards. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/db.h"
#include "store/row.h"

/* ---- traces ------------------------------------------------------------------------------------------------------------------------ */

/* Rows of (plain, text). */
static bool add_texts(db_rows *r, arena *a, traces *out, err *e) {
    while (db_next(r, e))
        if (!db_is_null(r, 1)) STORE_APPEND(a, out, (trace){db_text(r, a, 1), db_int(r, 0) != 0});
    return e->code == ERR_NONE;
}

typedef struct {
    uuid_text id;
} one_id;
typedef struct {
    one_id *item;
    int count;
} id_list;

static bool add_ids(db_rows *r, arena *a, const char *first, traces *out, err *e) {
    id_list list = {0};
    one_id x;
    memcpy(x.id, first, sizeof x.id);
    STORE_APPEND(a, &list, x);
    while (db_next(r, e)) {
        store_id(db_view(r, 0), x.id);
        STORE_APPEND(a, &list, x);
    }
    out->id = &list.item->id;
    out->ids = list.count;
    return e->code == ERR_NONE;
}

bool record_traces(store_tx *t, arena *a, const record *x, traces *out, err *e) {
    *out = (traces){0};
    return add_texts(
               db_query(t, e,
                        "SELECT 0, fields FROM records WHERE seq = $1 UNION ALL SELECT 0, metadata FROM records WHERE seq = $1"
                        " UNION ALL SELECT 1, external_id FROM records WHERE seq = $1"
                        " UNION ALL SELECT 0, \"values\" FROM responses WHERE record = $1"
                        " UNION ALL SELECT 0, \"values\" FROM history WHERE record = $1"
                        " UNION ALL SELECT 0, value FROM suggestions WHERE record = $1"
                        " UNION ALL SELECT 0, \"values\" FROM gold WHERE record = $1"
                        " UNION ALL SELECT 0, value FROM changed WHERE record = $1"
                        " UNION ALL SELECT 1, text FROM notes WHERE record = $1",
                        db_i(x->seq)),
               a, out, e) &&
           add_ids(db_query(t, e, "SELECT id FROM responses WHERE record = $1", db_i(x->seq)), a, x->id, out, e);
}

bool user_traces(store_tx *t, arena *a, const user *u, traces *out, err *e) {
    *out = (traces){0};
    return add_texts(db_query(t, e,
                              "SELECT 0, \"values\" FROM responses WHERE user = $1"
                              " UNION ALL SELECT 0, \"values\" FROM history WHERE user = $1"
                              " UNION ALL SELECT 0, \"values\" FROM gold WHERE actor = $1"
                              " UNION ALL SELECT 0, value FROM changed WHERE user = $1"
                              " UNION ALL SELECT 1, text FROM notes WHERE user = $1"
                              " UNION ALL SELECT 1, name FROM passes WHERE user = $1"
                              " UNION ALL SELECT 1, name FROM views WHERE user = $1"
                              " UNION ALL SELECT 0, query FROM views WHERE user = $1"
                              " UNION ALL SELECT 0, request FROM traffic WHERE user = $1"
                              " UNION ALL SELECT 0, answer FROM traffic WHERE user = $1"
                              " UNION ALL SELECT 1, username FROM users WHERE seq = $1"
                              " UNION ALL SELECT 1, first_name FROM users WHERE seq = $1"
                              " UNION ALL SELECT 1, last_name FROM users WHERE seq = $1"
                              " UNION ALL SELECT 1, password FROM users WHERE seq = $1",
                              db_i(u->seq)),
                     a, out, e) &&
           add_ids(db_query(t, e, "SELECT id FROM responses WHERE user = $1", db_i(u->seq)), a, u->id, out, e);
}

/* ---- erasing ----------------------------------------------------------------------------------------------------------------------- */

/* What repeats the object of this id. A request that comes again still finds that it was made, with nothing to show for it. */
static bool empty_copies(store_tx *t, const char *id, err *e) {
    return db_run(t, e, "UPDATE events SET payload = NULL WHERE payload LIKE '%' || $1 || '%'", db_c(id)) &&
           db_run(t, e, "UPDATE idempotency SET body = NULL WHERE body LIKE '%' || $1 || '%' OR request LIKE '%' || $1 || '%'",
                  db_c(id));
}

static bool keep_entry(store_tx *t, erasure_entry *x, err *e) {
    x->at = clock_now();
    return db_run(t, e,
                  "INSERT INTO erasures(at, actor, kind, target, dataset, responses, versions, suggestions, notes, golds)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                  db_i(x->at), db_i(x->actor), db_c(x->kind), db_c(x->target), db_i(x->dataset), db_i(x->responses),
                  db_i(x->versions), db_i(x->suggestions), db_i(x->notes), db_i(x->golds)) &&
           audit_add(t, x->actor, *x->kind == 'r' ? "record.erase" : "user.erase", x->target, (str){NULL, 0}, e);
}

/* A message of a conversation and those it follows, which stand before it, lose their words. */
static void empty_messages(arena *a, json *list, size_t last) {
    str wanted = json_get_text(json_at(list, last), "id", STR(""));
    for (size_t i = last + 1; i-- > 0;) {
        json *m = json_at(list, i);
        if (!str_eq(json_get_text(m, "id", STR("")), wanted)) continue;
        wanted = json_get_text(m, "parent", STR(""));
        json_set(m, "content", json_new_text(a, STR("")));
    }
}

/* Whoever's conversation the completion was given in. */
static bool empty_talks(store_tx *t, arena *a, const char *completion, err *e) {
    db_rows *r = db_query(t, e, "SELECT seq, messages FROM talks WHERE messages LIKE '%' || $1 || '%'", db_c(completion));
    talks list = {0};
    while (db_next(r, e)) STORE_APPEND(a, &list, ((talk){.seq = db_int(r, 0), .messages = db_text(r, a, 1)}));
    for (int i = 0; i < list.count && !e->code; i++) {
        json *messages;
        buf out = {0};
        bool is_here = false;
        if (!json_parse_any(a, list.item[i].messages, &messages, e)) return false;
        for (size_t k = 0; k < json_count(messages); k++) {
            if (!str_is(json_get_text(json_at(messages, k), "completion_id", STR("")), completion)) continue;
            empty_messages(a, messages, k);
            is_here = true;
        }
        if (!is_here) continue; /* only like it */
        json_put(&out, messages);
        db_run(t, e, "UPDATE talks SET title = '', messages = $2 WHERE seq = $1", db_i(list.item[i].seq), db_s(buf_str(&out)));
        buf_free(&out);
    }
    return e->code == ERR_NONE;
}

/* Words said in passing stand where they were said as well: a duel of the arena, a kept completion, a conversation. Their record is
 * named after these: ID, or ID#CHOICE. */
static bool empty_origin(store_tx *t, arena *a, const record *x, err *e) {
    const ptrdiff_t choice = str_find(x->external_id, STR("#"), 0);
    const str id = choice < 0 ? x->external_id : str_slice(x->external_id, 0, (size_t)choice);
    if (db_int_of(t, e, 0, "SELECT author FROM records WHERE seq = $1", db_i(x->seq)) == 0 || !id.len) return !e->code;
    return db_run(t, e, "UPDATE duels SET prompt = '', left_text = '', right_text = '' WHERE id = $1", db_s(id)) &&
           db_run(t, e, "DELETE FROM traffic WHERE id = $1", db_s(id)) && empty_talks(t, a, str_copy(a, id), e);
}

bool record_erase(store_tx *t, arena *a, const record *x, int64_t actor, erasure_entry *out, err *e) {
    const db_value row = db_i(x->seq);
    *out = (erasure_entry){.kind = "record", .actor = actor, .dataset = x->dataset};
    memcpy(out->target, x->id, sizeof out->target);
    out->responses = db_int_of(t, e, 0, "SELECT count(*) FROM responses WHERE record = $1", row);
    out->versions = db_int_of(t, e, 0, "SELECT count(*) FROM history WHERE record = $1", row);
    out->suggestions = db_int_of(t, e, 0, "SELECT count(*) FROM suggestions WHERE record = $1", row);
    out->notes = db_int_of(t, e, 0, "SELECT count(*) FROM notes WHERE record = $1", row);
    out->golds = db_int_of(t, e, 0, "SELECT count(*) FROM gold WHERE record = $1", row);
    return !e->code && empty_copies(t, x->id, e) && empty_origin(t, a, x, e) && record_delete(t, x, e) && keep_entry(t, out, e);
}

static bool delete_counted(store_tx *t, const char *sql, int64_t person, int64_t *count, err *e) {
    if (!db_run(t, e, sql, db_i(person))) return false;
    *count = db_changes(t);
    return true;
}

static bool forget_person(store_tx *t, const user *u, err *e) {
    static const char *const also[] = {"DELETE FROM changed WHERE user = $1",
                                       "UPDATE changes SET actor = 0 WHERE actor = $1",
                                       "DELETE FROM leases WHERE user = $1",
                                       "DELETE FROM traffic WHERE user = $1",
                                       "DELETE FROM passes WHERE user = $1",
                                       "DELETE FROM members WHERE user = $1",
                                       "DELETE FROM assignments WHERE user = $1",
                                       "UPDATE idempotency SET body = NULL WHERE user = $1",
                                       "UPDATE history SET actor = 0 WHERE actor = $1",
                                       "DELETE FROM views WHERE user = $1",
                                       "DELETE FROM lessons WHERE user = $1",
                                       "DELETE FROM talks WHERE user = $1", /* of pairs the votes stay, as numbers */
                                       "UPDATE duels SET prompt = '', left_text = '', right_text = '' WHERE user = $1"};
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (!db_run(t, e, also[i], db_i(u->seq))) return false;
    return facet_clear_answers(t, u->seq, e);
}

static bool keep_tallies(store_tx *t, const user *u, err *e) {
    return db_run(t, e,
                  "INSERT INTO tallies SELECT user, dataset, status, count(*) FROM responses WHERE user = $1"
                  " GROUP BY user, dataset, status"
                  " ON CONFLICT(user, dataset, status) DO UPDATE SET count = count + excluded.count",
                  db_i(u->seq));
}

bool user_erase(store_tx *t, arena *a, user *u, int64_t actor, erasure_entry *out, err *e) {
    answered_list touched;
    *out = (erasure_entry){.kind = "user", .actor = actor};
    memcpy(out->target, u->id, sizeof out->target);
    u->username = arena_printf(a, "erased-%s", u->id + 24);
    u->first_name = "erased";
    u->last_name = u->password = NULL;
    u->role = ROLE_ANNOTATOR;
    return answered_by(t, a, u->seq, &touched, e) && keep_tallies(t, u, e) &&
           delete_counted(t, "DELETE FROM responses WHERE user = $1", u->seq, &out->responses, e) &&
           delete_counted(t, "DELETE FROM history WHERE user = $1", u->seq, &out->versions, e) &&
           delete_counted(t, "DELETE FROM notes WHERE user = $1", u->seq, &out->notes, e) &&
           delete_counted(t, "DELETE FROM gold WHERE actor = $1", u->seq, &out->golds, e) && forget_person(t, u, e) &&
           empty_copies(t, u->id, e) && answered_recount(t, &touched, e) && user_save(t, u, e) && keep_entry(t, out, e);
}

bool erasure_list(store_tx *t, arena *a, erasure_entries *out, err *e) {
    db_rows *r =
        db_query_values(t,
                        "SELECT at, actor, kind, target, dataset, responses, versions, suggestions, notes, golds FROM erasures"
                        " ORDER BY seq DESC",
                        NULL, 0, e);
    *out = (erasure_entries){0};
    while (db_next(r, e)) {
        erasure_entry x = {.at = db_int(r, 0),
                           .actor = db_int(r, 1),
                           .kind = db_cstr(r, a, 2),
                           .dataset = db_int(r, 4),
                           .responses = db_int(r, 5),
                           .versions = db_int(r, 6),
                           .suggestions = db_int(r, 7),
                           .notes = db_int(r, 8),
                           .golds = db_int(r, 9)};
        store_id(db_view(r, 3), x.target);
        STORE_APPEND(a, out, x);
    }
    return e->code == ERR_NONE;
}

bool tally_list(store_tx *t, arena *a, int64_t set, tallies *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT u.id, u.username, x.status, x.count FROM tallies x JOIN users u ON u.seq = x.user"
                          " WHERE x.dataset = $1 ORDER BY u.seq",
                          db_i(set));
    *out = (tallies){0};
    while (db_next(r, e)) {
        tally x = {0};
        store_id(db_view(r, 0), x.user_id);
        if (!out->count || strcmp(out->item[out->count - 1].user_id, x.user_id) != 0) {
            x.username = db_cstr(r, a, 1);
            STORE_APPEND(a, out, x);
        }
        out->item[out->count - 1].count[db_int(r, 2)] = db_int(r, 3);
    }
    return e->code == ERR_NONE;
}
