/* api_responses.c - answers of people: given, changed, taken back; their history and undo. */
#include <string.h>

#include "serve/api.h"

enum { BULK_MOST = 100 };

static bool post_response(call *c, err *e) {
    schema s;
    response before, made;
    err none = {0};
    if (c->ahead) return answer_ahead(c), true;
    if (!need_me(c, e) || !body_object(c, e) || !schema_answers(c, c->set.seq, &s, e)) return false;
    if (response_of(c->tx, c->a, c->record.seq, c->me.seq, &before, &none))
        return err_set(e, ERR_CONFLICT, "Response already exists for record with id `%s` and by user with id `%s`", c->record.id,
                       c->me.id);
    if (!answer_put(c, &c->record, &c->set, &s, c->me.seq, json_get(c->body, "values"), json_get_text(c->body, "status", STR("")),
                    false, &made, e))
        return false;
    c->status = 201;
    put_response(&c->w, &made);
    return true;
}

/* The author's own, or of an admin. */
static bool may_change(call *c, err *e) {
    return c->response.user == c->me.seq || c->me.role != ROLE_ANNOTATOR || forbidden(e, "Operation not allowed");
}

static bool put_one(call *c, err *e) {
    schema s;
    response made;
    if (!may_change(c, e) || !body_object(c, e) || !schema_answers(c, c->set.seq, &s, e) ||
        !answer_put(c, &c->record, &c->set, &s, c->response.user, json_get(c->body, "values"),
                    json_get_text(c->body, "status", STR("")), false, &made, e))
        return false;
    put_response(&c->w, &made);
    return true;
}

static bool delete_one(call *c, err *e) {
    schema s;
    if (!may_change(c, e) || !schema_answers(c, c->set.seq, &s, e)) return false;
    put_response(&c->w, &c->response);
    return response_delete(c->tx, &c->response, c->me.seq, e) && index_response(c, &c->response, &s, true, e) &&
           answer_changed(c, &c->record, &c->set, e) && note_event(c, "response.deleted", &c->set, &c->record, &c->response, e);
}

/* ---- many at once: each for itself -------------------------------------------------------------------------------------------------------- */

static bool bulk_one(call *c, const json *item, response *made, err *e) {
    uuid_text id;
    schema s;
    if (!uuid_parse(json_get_text(item, "record_id", STR("")), id)) return err_set(e, ERR_INPUT, "record_id should be a UUID");
    if (!record_get(c->tx, c->a, id, &c->record, e) || !dataset_get_seq(c->tx, c->a, c->record.dataset, &c->set, e)) return false;
    if (!is_member(c, c->set.workspace)) return err_set(e, ERR_NOT_FOUND, "Record with id `%s` not found", id);
    /* answer_put checks before it writes anything: an item that fails leaves nothing in this transaction. */
    return schema_answers(c, c->set.seq, &s, e) && answer_put(c, &c->record, &c->set, &s, c->me.seq, json_get(item, "values"),
                                                              json_get_text(item, "status", STR("")), false, made, e);
}

static bool post_bulk(call *c, err *e) {
    const json *items = json_get(c->body, "items");
    const size_t n = json_count(items);
    if (!need_me(c, e) || !body_object(c, e)) return false;
    if (json_kind_of(items) != JSON_ARRAY || !n || n > BULK_MOST)
        return invalid(c, "body.items", e, "items should be a list of 1 to %d answers, it has %zu", BULK_MOST, n);
    items_begin(c);
    for (size_t i = 0; i < n; i++) {
        response made;
        err one = {0};
        const bool ok = bulk_one(c, json_at(items, i), &made, &one);
        if (!ok && err_http_status(one.code) >= 500) return err_set(e, one.code, "%s", one.text);
        json_open(&c->w, '{');
        json_key(&c->w, "item");
        if (ok) put_response(&c->w, &made);
        else json_put_null(&c->w);
        json_key(&c->w, "error");
        if (ok) json_put_null(&c->w);
        else {
            json_open(&c->w, '{');
            json_key(&c->w, "detail"), json_put_cstr(&c->w, one.text);
            json_close(&c->w);
        }
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

/* ---- history ------------------------------------------------------------------------------------------------------------------------------- */

static bool get_history(call *c, err *e) {
    response_versions list;
    if (!response_history(c->tx, c->a, c->record.seq, c->me.role == ROLE_ANNOTATOR ? c->me.seq : 0, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const response_version *v = &list.item[i];
        json_open(&c->w, '{');
        json_key(&c->w, "user_id"), json_put_cstr(&c->w, v->user_id);
        json_key(&c->w, "changed_by"), json_put_cstr(&c->w, *v->actor_id ? v->actor_id : NULL);
        json_key(&c->w, "status"), json_put_cstr(&c->w, v->status);
        json_key(&c->w, "values"), json_put_raw(&c->w, v->values);
        put_moment(&c->w, "replaced_at", v->at);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

/* An earlier answer may hold options that were changed since. */
static bool still_fits(call *c, const response *r, const schema *s, err *e) {
    err why = {0};
    const json *fields = json_parse(c->a, c->record.fields, e), *values = r->values.ptr ? json_parse(c->a, r->values, e) : NULL;
    if (e->code) return false;
    const str status = str_of(response_status_name(r->status));
    return response_check(s->questions, fields, values, status, false, &why) ||
           err_set(e, ERR_CONFLICT, "the answer before this one does not fit the questions as they are now (%s)", why.text);
}

static bool post_undo(call *c, err *e) {
    schema s;
    response now = {.record = c->record.seq, .user = c->me.seq};
    bool exists;
    if (!need_me(c, e) || !schema_answers(c, c->set.seq, &s, e) ||
        !response_undo(c->tx, c->a, c->record.seq, c->me.seq, c->me.seq, &now, &exists, e) ||
        (exists && !still_fits(c, &now, &s, e)) || !index_response(c, &now, &s, !exists, e) ||
        !answer_changed(c, &c->record, &c->set, e))
        return false;
    json_open(&c->w, '{');
    json_key(&c->w, "response");
    if (exists) put_response(&c->w, &now);
    else json_put_null(&c->w);
    json_close(&c->w);
    return note_event(c, exists ? "response.updated" : "response.deleted", &c->set, &c->record, exists ? &now : NULL, e);
}

const route routes_responses[] = {
    {"POST", "/api/v1/records/{id}/responses", WHO_MEMBER, OF_RECORD, RUN_AHEAD, post_response, "my answer to a record"},
    {"PUT", "/api/v1/responses/{id}", WHO_MEMBER, OF_RESPONSE, RUN_WRITE, put_one, "change an answer of mine"},
    {"DELETE", "/api/v1/responses/{id}", WHO_MEMBER, OF_RESPONSE, RUN_WRITE, delete_one, "take an answer back"},
    {"POST", "/api/v1/me/responses/bulk", WHO_USER, OF_NOTHING, RUN_WRITE, post_bulk,
     "answers to 1 to 100 records, each for itself"},
    {"GET", "/api/v1/records/{id}/history", WHO_MEMBER, OF_RECORD, RUN_READ, get_history,
     "what answers were before they changed"},
    {"POST", "/api/v1/records/{id}/undo", WHO_MEMBER, OF_RECORD, RUN_WRITE, post_undo,
     "my answer as it was before its last change"},
    {0},
};
