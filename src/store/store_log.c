/* store_log.c - webhooks, the sequence of events, the audit log, and answers kept for requests that come twice. */
#include "base/clock.h"
#include "store/db.h"

#define WEBHOOK_COLUMNS "seq, id, url, secret, description, events, enabled, inserted_at, updated_at"

static webhook read_webhook(db_rows *r, arena *a) {
    webhook w = {.seq = db_int(r, 0),
                 .url = db_cstr(r, a, 2),
                 .secret = db_cstr(r, a, 3),
                 .description = db_cstr(r, a, 4),
                 .events = db_text(r, a, 5),
                 .enabled = db_int(r, 6) != 0,
                 .inserted_at = db_int(r, 7),
                 .updated_at = db_int(r, 8)};
    store_id(db_view(r, 1), w.id);
    return w;
}

bool webhook_add(store_tx *t, webhook *w, err *e) {
    w->inserted_at = w->updated_at = clock_now();
    uuid_new(w->id);
    if (!db_run(t, e,
                "INSERT INTO webhooks(id, url, secret, description, events, enabled, inserted_at, updated_at, told)"
                " VALUES($1, $2, $3, $4, $5, $6, $7, $7, (SELECT coalesce(max(seq), 0) FROM events))",
                db_c(w->id), db_c(w->url), db_c(w->secret), db_c(w->description), db_s(w->events), db_i(w->enabled),
                db_i(w->inserted_at)))
        return false;
    w->seq = db_last_seq(t);
    return true;
}

bool webhook_save(store_tx *t, webhook *w, err *e) {
    w->updated_at = clock_now();
    return db_run(t, e,
                  "UPDATE webhooks SET url = $2, description = $3, events = $4, enabled = $5, updated_at = $6 WHERE seq = $1",
                  db_i(w->seq), db_c(w->url), db_c(w->description), db_s(w->events), db_i(w->enabled), db_i(w->updated_at));
}

bool webhook_delete(store_tx *t, const webhook *w, err *e) {
    return db_run(t, e, "DELETE FROM webhooks WHERE seq = $1", db_i(w->seq));
}

bool webhook_get(store_tx *t, arena *a, const char *id, webhook *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " WEBHOOK_COLUMNS " FROM webhooks WHERE id = $1", db_c(id));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "Webhook with id `%s` not found", id);
    *out = read_webhook(r, a);
    db_done(r);
    return true;
}

bool webhook_list(store_tx *t, arena *a, webhooks *out, err *e) {
    db_rows *r = db_query_values(t, "SELECT " WEBHOOK_COLUMNS " FROM webhooks ORDER BY seq", NULL, 0, e);
    *out = (webhooks){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_webhook(r, a));
    return e->code == ERR_NONE;
}

/* ---- what a webhook is told --------------------------------------------------------------------------------------------------------- */

bool delivery_again(store_tx *t, int64_t hook, int64_t now, int64_t *seq, int *tries, err *e) {
    db_rows *r = db_query(t, e, "SELECT event, tries FROM deliveries WHERE webhook = $1 AND due <= $2 ORDER BY due LIMIT 1",
                          db_i(hook), db_i(now));
    *seq = 0;
    if (!db_next(r, e)) return e->code == ERR_NONE;
    *seq = db_int(r, 0);
    *tries = (int)db_int(r, 1);
    db_done(r);
    return true;
}

bool delivery_place(store_tx *t, int64_t hook, int64_t *told, int64_t *waiting, err *e) {
    *told = db_int_of(t, e, -1, "SELECT told FROM webhooks WHERE seq = $1", db_i(hook));
    *waiting = db_int_of(t, e, 0, "SELECT count(*) FROM deliveries WHERE webhook = $1", db_i(hook));
    return e->code == ERR_NONE;
}

bool delivery_move(store_tx *t, int64_t hook, int64_t told, err *e) {
    return db_run(t, e, "UPDATE webhooks SET told = max(told, $2) WHERE seq = $1", db_i(hook), db_i(told));
}

bool delivery_keep(store_tx *t, int64_t hook, int64_t seq, int tries, int64_t due, err *e) {
    return db_run(t, e,
                  "INSERT INTO deliveries SELECT seq, $2, $3, $4 FROM webhooks WHERE seq = $1"
                  " ON CONFLICT(webhook, event) DO UPDATE SET tries = excluded.tries, due = excluded.due",
                  db_i(hook), db_i(seq), db_i(tries), db_i(due));
}

bool delivery_drop(store_tx *t, int64_t hook, int64_t seq, err *e) {
    return db_run(t, e, "DELETE FROM deliveries WHERE webhook = $1 AND event = $2", db_i(hook), db_i(seq));
}

/* ---- events ------------------------------------------------------------------------------------------------------------------------- */

bool event_add(store_tx *t, const char *kind, int64_t space, int64_t set, str data, str payload, err *e) {
    return db_run(t, e, "INSERT INTO events(at, kind, workspace, dataset, data, payload) VALUES($1, $2, $3, $4, $5, $6)",
                  db_i(clock_now()), db_c(kind), db_i(space), db_i(set), db_s(data), db_s(payload));
}

bool event_after(store_tx *t, arena *a, int64_t seq, int64_t limit, events *out, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT seq, at, workspace, dataset, kind, data, payload FROM events WHERE seq > $1 ORDER BY seq LIMIT $2",
                 db_i(seq), db_i(limit));
    *out = (events){0};
    while (db_next(r, e))
        STORE_APPEND(a, out,
                     (event){.seq = db_int(r, 0),
                             .at = db_int(r, 1),
                             .workspace = db_int(r, 2),
                             .dataset = db_int(r, 3),
                             .kind = db_cstr(r, a, 4),
                             .data = db_text(r, a, 5),
                             .payload = db_text(r, a, 6)});
    return e->code == ERR_NONE;
}

int64_t event_last(store_tx *t, err *e) { return db_int_of_values(t, 0, "SELECT max(seq) FROM events", NULL, 0, e); }

/* ---- audit -------------------------------------------------------------------------------------------------------------------------- */

bool audit_add(store_tx *t, int64_t actor, const char *action, const char *target, str detail, err *e) {
    return db_run(t, e, "INSERT INTO audit(at, actor, action, target, detail) VALUES($1, $2, $3, $4, $5)", db_i(clock_now()),
                  db_i(actor), db_c(action), db_c(target), db_s(detail));
}

bool audit_list(store_tx *t, arena *a, int64_t limit, audit_entries *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT at, (SELECT username FROM users u WHERE u.seq = actor), action, target, detail FROM audit"
                          " ORDER BY seq DESC LIMIT $1",
                          db_i(limit));
    *out = (audit_entries){0};
    while (db_next(r, e))
        STORE_APPEND(a, out, (audit_entry){db_int(r, 0), db_cstr(r, a, 1), db_cstr(r, a, 2), db_cstr(r, a, 3), db_text(r, a, 4)});
    return e->code == ERR_NONE;
}

/* ---- idempotency -------------------------------------------------------------------------------------------------------------------- */

bool idempotency_find(store_tx *t, arena *a, int64_t person, str key, str request, int *status, str *body, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT request, status, body FROM idempotency WHERE user = $1 AND key = $2", db_i(person), db_s(key));
    if (!db_next(r, e)) return e->code ? false : err_set(e, ERR_NOT_FOUND, "no request with this key yet");
    const bool same = str_eq(db_view(r, 0), request);
    *status = (int)db_int(r, 1);
    *body = db_text(r, a, 2);
    db_done(r);
    return same || err_set(e, ERR_CONFLICT, "the Idempotency-Key '%.*s' was used for another request", STR_ARG(key));
}

/* Nobody tries a request again after a week: answers that old go as new ones come. */
#define KEPT ((int64_t)7 * 24 * 3600 * 1000000)

bool idempotency_keep(store_tx *t, int64_t person, str key, str request, int status, str body, err *e) {
    return db_run(t, e, "DELETE FROM idempotency WHERE at < $1", db_i(clock_now() - KEPT)) &&
           db_run(t, e, "INSERT INTO idempotency VALUES($1, $2, $3, $4, $5, $6)", db_i(person), db_s(key), db_s(request),
                  db_i(status), db_s(body), db_i(clock_now()));
}
