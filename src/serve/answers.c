/* answers.c - what follows from a change of a record: its facets and text index, its status, the event that tells of it. Shared by
 * the routes of records, responses and suggestions. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "serve/api.h"

/* ---- the index ------------------------------------------------------------------------------------------------------------------------- */

static bool texts_of(call *c, const record *r, const schema *s, str *out, err *e) {
    const json *values = json_parse(c->a, r->fields, e);
    if (!values) return false;
    for (int i = 0; i < s->field.count; i++) {
        buf text = {0};
        const json *v = json_get(values, s->field.item[i].name);
        if (v) field_search_text(json_at(s->fields, (size_t)i), v, &text);
        out[i] = (str){arena_copy(c->a, text.ptr ? text.ptr : "", text.len), text.len};
        buf_free(&text);
    }
    return true;
}

bool index_record(call *c, const record *r, const schema *s, const record *before, err *e) {
    str *now = arena_array(c->a, str, s->field.count + 1), *then = before ? arena_array(c->a, str, s->field.count + 1) : NULL;
    if (before && !texts_of(c, before, s, then, e)) return false;
    return texts_of(c, r, s, now, e) && search_put(c->tx, r->dataset, r->seq, &s->field, then, now, e);
}

/* Words and number of a value; a list of words is as many facets. */
static bool add_facets(call *c, facet_kind kind, int64_t of, int64_t row, int64_t owner, const json *terms, bool numeric,
                       double number, err *e) {
    const size_t n = json_count(terms);
    if (!n && numeric) return facet_add(c->tx, kind, of, row, owner, (str){NULL, 0}, number, e);
    for (size_t i = 0; i < n; i++)
        if (!facet_add(c->tx, kind, of, row, owner, json_text(json_at(terms, i), STR("")), numeric ? number : NAN, e))
            return false;
    return true;
}

bool index_metadata(call *c, const record *r, const schema *s, err *e) {
    if (!facet_clear(c->tx, FACET_METADATA, 0, r->seq, 0, e)) return false;
    const json *values = r->metadata.ptr ? json_parse(c->a, r->metadata, e) : NULL;
    if (e->code) return false;
    for (int i = 0; i < s->metadata.count && values; i++) {
        const json *v = json_get(values, s->metadata.item[i].name);
        double number = NAN;
        if (!v) continue;
        const bool numeric = metadata_number(v, &number);
        if (!add_facets(c, FACET_METADATA, s->metadata.item[i].seq, r->seq, 0, metadata_terms(c->a, v), numeric, number, e))
            return false;
    }
    return true;
}

bool index_response(call *c, const response *r, const schema *s, bool gone, err *e) {
    if (!facet_clear(c->tx, FACET_RESPONSE, 0, r->record, r->user, e)) return false;
    const json *values = !gone && r->values.ptr ? json_parse(c->a, r->values, e) : NULL;
    if (e->code) return false;
    for (int i = 0; i < s->question.count && values; i++) {
        const part *q = &s->question.item[i];
        const json *v = json_get(json_get(values, q->name), "value"), *d = json_at(s->questions, (size_t)i);
        double number = NAN;
        if (!v) continue;
        const bool numeric = question_number(d, v, &number);
        if (!add_facets(c, FACET_RESPONSE, q->seq, r->record, r->user, question_terms(c->a, d, v), numeric, number, e))
            return false;
    }
    return true;
}

bool index_suggestion(call *c, const suggestion *x, const part *question, const json *d, err *e) {
    if (!facet_clear(c->tx, FACET_SUGGESTION, question->seq, x->record, 0, e)) return false;
    json *v;
    double number = NAN;
    if (!json_parse_any(c->a, x->value, &v, e)) return false;
    const bool numeric = question_number(d, v, &number);
    return add_facets(c, FACET_SUGGESTION, question->seq, x->record, 0, question_terms(c->a, d, v), numeric, number, e);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------------------- */

static str text_of(call *c, const json *v) {
    buf text = {0};
    if (!v) return (str){NULL, 0};
    json_put(&text, v);
    const str out = {arena_copy(c->a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

bool answer_changed(call *c, record *r, const dataset *d, err *e) {
    bool changed;
    if (!record_recount(c->tx, r, d->min_submitted, &changed, e) || !dataset_touch(c->tx, d->seq, e)) return false;
    if (!changed) return true;
    return note_event(c, "record.updated", d, r, NULL, e) && (!r->completed || note_event(c, "record.completed", d, r, NULL, e));
}

bool answer_put(call *c, record *r, const dataset *d, const schema *s, int64_t person, const json *values, str status, bool bulk,
                response *out, err *e) {
    const json *fields = json_parse(c->a, r->fields, e);
    response before;
    err none = {0};
    *out = (response){.record = r->seq, .user = person};
    if (!fields || !response_check(s->questions, fields, values, status, bulk, e)) return false;
    if (!response_status_of(status, &out->status))
        return err_set(e, ERR_INPUT, "status should be draft, submitted or discarded, it is '%.*s'", STR_ARG(status));
    out->values = text_of(c, values);
    const bool there = response_of(c->tx, c->a, r->seq, person, &before, &none);
    return response_put(c->tx, out, c->me.seq, e) && index_response(c, out, s, false, e) && answer_changed(c, r, d, e) &&
           note_event(c, there ? "response.updated" : "response.created", d, r, out, e);
}

/* ---- suggestions -------------------------------------------------------------------------------------------------------------------------- */

bool suggestion_write(call *c, const record *r, const schema *s, const json *item, suggestion *out, bool *created, err *e) {
    const json *fields = json_parse(c->a, r->fields, e);
    json *question;
    if (!fields || !suggestion_check(s->questions, fields, item, &question, e)) return false;
    const part *q = part_named(&s->question, json_get_text(question, "name", STR("")));
    *out = (suggestion){.record = r->seq,
                        .question = q->seq,
                        .value = text_of(c, json_get(item, "value")),
                        .score = text_of(c, json_get(item, "score"))};
    memcpy(out->question_id, q->id, sizeof out->question_id);
    if (json_get(item, "type")) out->type = str_copy(c->a, json_get_text(item, "type", STR("")));
    if (json_get(item, "agent")) out->agent = str_copy(c->a, json_get_text(item, "agent", STR("")));
    return suggestion_put(c->tx, out, created, e) && index_suggestion(c, out, q, question, e);
}

/* ---- events -------------------------------------------------------------------------------------------------------------------------------- */

/* Ids suffice: who is told reads the object, with the rights they have. Webhooks get the whole from it (webhook.c). */
bool note_event(call *c, const char *kind, const dataset *d, const record *r, const response *x, err *e) {
    buf text = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '{');
    json_key(&w, "dataset_id"), json_put_cstr(&w, d->id);
    if (r) json_key(&w, "record_id"), json_put_cstr(&w, r->id);
    if (x) json_key(&w, "response_id"), json_put_cstr(&w, x->id), json_key(&w, "user_id"), json_put_cstr(&w, x->user_id);
    json_close(&w);
    const bool ok = event_add(c->tx, kind, d->workspace, d->seq, buf_str(&text), e);
    buf_free(&text);
    return ok;
}
