/* api_more.c - beyond Argilla: what is said about a record, settled answers. */
#include <string.h>

#include "serve/api.h"

bool need_me(call *c, err *e) { return c->me.seq || err_set(e, ERR_CONFLICT, "there is no user yet who could do this: add one"); }

/* ---- comments and flags --------------------------------------------------------------------------------------------------------------- */

static void put_note(json_writer *w, const note *n) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, n->id);
    json_key(w, "user_id"), json_put_cstr(w, n->user_id);
    json_key(w, "text"), json_put_cstr(w, n->text);
    json_key(w, "flag"), json_put_bool(w, n->flag);
    json_key(w, "resolved"), json_put_bool(w, n->resolved);
    put_moment(w, "inserted_at", n->inserted_at);
    json_close(w);
}

static bool get_notes(call *c, err *e) {
    notes list;
    if (!note_list(c->tx, c->a, c->record.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_note(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool post_note(call *c, err *e) {
    note n = {.record = c->record.seq, .user = c->me.seq};
    if (!need_me(c, e) || !body_text(c, "text", 1, 10000, &n.text, e) || !body_bool_or(c, "flag", &n.flag, e) ||
        !note_add(c->tx, &n, e))
        return false;
    memcpy(n.user_id, c->me.id, sizeof n.user_id);
    c->status = 201;
    put_note(&c->w, &n);
    return true;
}

static bool patch_note(call *c, err *e) {
    uuid_text id;
    bool resolved = true;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.note_id", e, "the note's id should be a UUID");
    c->status = 204;
    c->no_body = true;
    return body_bool_or(c, "resolved", &resolved, e) && note_resolve(c->tx, c->record.seq, id, resolved, e);
}

/* ---- gold --------------------------------------------------------------------------------------------------------------------------------- */

static bool get_gold(call *c, err *e) {
    str values;
    bool hidden;
    if (!gold_get(c->tx, c->a, c->record.seq, &values, &hidden, e)) return false;
    if (!values.ptr) return err_set(e, ERR_NOT_FOUND, "this record has no settled answer");
    json_open(&c->w, '{');
    json_key(&c->w, "values"), json_put_raw(&c->w, values);
    json_key(&c->w, "hidden"), json_put_bool(&c->w, hidden);
    json_close(&c->w);
    return true;
}

static bool put_gold(call *c, err *e) {
    schema s;
    bool hidden = false;
    const json *fields, *values = json_get(c->body, "values");
    if (!body_object(c, e) || !body_bool_or(c, "hidden", &hidden, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    if (!(fields = json_parse(c->a, c->record.fields, e)) ||
        !response_check(s.questions, fields, values, STR("submitted"), false, e))
        return false;
    buf text = {0};
    json_put(&text, values_whole(c->a, s.questions, values, NULL));
    const bool ok = gold_put(c->tx, c->record.seq, buf_str(&text), c->me.seq, hidden, e) &&
                    audit_add(c->tx, c->me.seq, "gold.put", c->record.id, (str){NULL, 0}, e);
    buf_free(&text);
    return ok && get_gold(c, e);
}

static bool delete_gold(call *c, err *e) {
    c->status = 204;
    c->no_body = true;
    return gold_delete(c->tx, c->record.seq, e);
}

const route routes_more[] = {
    {"GET", "/api/v1/records/{id}/notes", WHO_MEMBER, OF_RECORD, RUN_READ, get_notes, "comments and flags"},
    {"POST", "/api/v1/records/{id}/notes", WHO_MEMBER, OF_RECORD, RUN_WRITE, post_note, "a comment, or a flag"},
    {"PATCH", "/api/v1/records/{id}/notes/{note}", WHO_MEMBER, OF_RECORD, RUN_WRITE, patch_note, "resolve a comment or flag"},
    {"GET", "/api/v1/records/{id}/gold", WHO_ADMIN, OF_RECORD, RUN_READ, get_gold, "the settled answer"},
    {"PUT", "/api/v1/records/{id}/gold", WHO_ADMIN, OF_RECORD, RUN_WRITE, put_gold, "settle the answer"},
    {"DELETE", "/api/v1/records/{id}/gold", WHO_ADMIN, OF_RECORD, RUN_WRITE, delete_gold, "open the answer again"},
    {0},
};
