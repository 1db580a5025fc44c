/* answers.c - what follows from a change of a record: its facets and text index, its status, the event that tells of it. Shared by
 * the routes of records, responses and suggestions. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "serve/api.h"

/* ---- the index ------------------------------------------------------------------------------------------------------------------------- */

bool record_texts(call *c, const record *r, const schema *s, str *out, err *e) {
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

/* Not in the index yet: whoever puts it there reads the record as it is by then (indexer.c). */
static bool waits(call *c, const record *r, err *e) { return behind_holds(c->tx, r->seq, e) || e->code; }

bool index_record(call *c, const record *r, const schema *s, const record *before, err *e) {
    if (waits(c, r, e)) return e->code == ERR_NONE;
    str *now = arena_array(c->a, str, s->field.count + 1), *then = before ? arena_array(c->a, str, s->field.count + 1) : NULL;
    if (before && !record_texts(c, before, s, then, e)) return false;
    return record_texts(c, r, s, now, e) && search_put(c->tx, r->dataset, r->seq, &s->field, then, now, e);
}

bool unindex_record(call *c, const record *r, const schema *s, err *e) {
    if (waits(c, r, e)) return e->code == ERR_NONE;
    str *texts = arena_array(c->a, str, s->field.count + 1);
    return record_texts(c, r, s, texts, e) && search_put(c->tx, r->dataset, r->seq, &s->field, texts, NULL, e);
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

static bool add_metadata(call *c, const record *r, const schema *s, err *e) {
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

bool index_metadata(call *c, const record *r, const schema *s, err *e) {
    if (waits(c, r, e)) return e->code == ERR_NONE;
    return facet_clear(c->tx, FACET_METADATA, 0, r->seq, 0, e) && add_metadata(c, r, s, e);
}

bool index_new(call *c, const record *r, const schema *s, err *e) {
    str *texts = arena_array(c->a, str, s->field.count + 1);
    return record_texts(c, r, s, texts, e) && search_put(c->tx, r->dataset, r->seq, &s->field, NULL, texts, e) &&
           add_metadata(c, r, s, e);
}

bool index_response(call *c, const response *r, const schema *s, bool gone, err *e) {
    if (!r->fresh && !facet_clear(c->tx, FACET_RESPONSE, 0, r->record, r->user, e)) return false;
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

bool answer_changed(call *c, record *r, const dataset *d, err *e) {
    bool changed;
    if (!record_recount(c->tx, r, d->min_submitted, &changed, e) || !dataset_touch(c->tx, d->seq, e)) return false;
    if (!changed) return true;
    return note_event(c, "record.updated", d, r, NULL, e) && (!r->completed || note_event(c, "record.completed", d, r, NULL, e));
}

void answer_ahead(call *c) {
    err none = {0};
    schema s;
    schema_answers(c, c->set.seq, &s, &none);
    none = (err){0};
    c->parsed_as = json_parse(c->a, c->record.fields, &none);
    c->parsed = c->record.fields;
}

static const json *fields_of(call *c, const record *r, err *e) {
    if (c->parsed_as && str_eq(c->parsed, r->fields)) return c->parsed_as;
    return json_parse(c->a, r->fields, e);
}

bool answer_put(call *c, record *r, const dataset *d, const schema *s, int64_t person, const json *values, str status, bool bulk,
                response *out, err *e) {
    const json *fields = fields_of(c, r, e);
    response before;
    err none = {0};
    *out = (response){.record = r->seq, .user = person};
    memcpy(out->record_id, r->id, sizeof out->record_id);
    if (person == c->me.seq) memcpy(out->user_id, c->me.id, sizeof out->user_id);
    if (!fields || !response_check(s->questions, fields, values, status, bulk, e)) return false;
    if (!response_status_of(status, &out->status))
        return err_set(e, ERR_INPUT, "status should be draft, submitted or discarded, it is '%.*s'", STR_ARG(status));
    const bool there = response_of(c->tx, c->a, r->seq, person, &before, &none);
    const json *was = there && before.values.ptr ? json_parse(c->a, before.values, e) : NULL;
    if (e->code) return false;
    out->values = written(c, values_whole(c->a, s->questions, values, was));
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
                        .value = written(c, question_whole(c->a, question, json_get(item, "value"), NULL)),
                        .score = written(c, json_get(item, "score"))};
    memcpy(out->question_id, q->id, sizeof out->question_id);
    if (json_get(item, "type")) out->type = str_copy(c->a, json_get_text(item, "type", STR("")));
    if (json_get(item, "agent")) out->agent = str_copy(c->a, json_get_text(item, "agent", STR("")));
    return suggestion_put(c->tx, out, created, e) && index_suggestion(c, out, q, question, e);
}

/* ---- events -------------------------------------------------------------------------------------------------------------------------------- */

static bool put_parts(call *c, json_writer *w, const char *key, int64_t set, part_kind kind, err *e) {
    parts list;
    if (!part_list(c->tx, c->a, set, kind, &list, e)) return false;
    json_key(w, key), json_open(w, '[');
    for (int i = 0; i < list.count; i++) put_part(w, &list.item[i]);
    json_close(w);
    return true;
}

/* A dataset with all its settings, as webhooks get it. */
static bool put_whole_dataset(call *c, json_writer *w, const dataset *d, err *e) {
    workspace space;
    if (!workspace_get_seq(c->tx, c->a, d->workspace, &space, e)) return false;
    json_open(w, '{');
    put_dataset_head(w, d);
    json_key(w, "workspace"), put_workspace(w, &space);
    if (!put_parts(c, w, "questions", d->seq, PART_QUESTION, e) || !put_parts(c, w, "fields", d->seq, PART_FIELD, e) ||
        !put_parts(c, w, "metadata_properties", d->seq, PART_METADATA, e) ||
        !put_parts(c, w, "vectors_settings", d->seq, PART_VECTOR, e))
        return false;
    put_moment(w, "last_activity_at", d->last_activity_at);
    put_moment(w, "inserted_at", d->inserted_at);
    put_moment(w, "updated_at", d->updated_at);
    json_close(w);
    return true;
}

static bool put_whole_record(call *c, json_writer *w, const dataset *d, const record *r, err *e) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, r->id);
    json_key(w, "status"), json_put_cstr(w, r->completed ? "completed" : "pending");
    json_key(w, "fields"), json_put_raw(w, r->fields);
    json_key(w, "metadata"), json_put_raw(w, r->metadata);
    json_key(w, "external_id");
    if (r->external_id.ptr) json_put_text(w, r->external_id);
    else json_put_null(w);
    json_key(w, "dataset");
    if (!put_whole_dataset(c, w, d, e)) return false;
    put_moment(w, "inserted_at", r->inserted_at);
    put_moment(w, "updated_at", r->updated_at);
    json_close(w);
    return true;
}

static bool put_whole_response(call *c, json_writer *w, const dataset *d, const record *r, const response *x, err *e) {
    user person;
    if (!user_get_seq(c->tx, c->a, x->user, &person, e)) return false;
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "values"), json_put_raw(w, x->values);
    json_key(w, "status"), json_put_cstr(w, response_status_name(x->status));
    json_key(w, "record");
    if (!put_whole_record(c, w, d, r, e)) return false;
    json_key(w, "user"), put_user(w, &person, NULL);
    put_moment(w, "inserted_at", x->inserted_at);
    put_moment(w, "updated_at", x->updated_at);
    json_close(w);
    return true;
}

/* Everybody who may see the dataset is told the ids; the whole is built only when a webhook is there to get it. */
bool note_event(call *c, const char *kind, const dataset *d, const record *r, const response *x, err *e) {
    buf text = {0}, whole = {0};
    json_writer w = json_writer_on(&text, false), p = json_writer_on(&whole, false);
    json_open(&w, '{');
    json_key(&w, "dataset_id"), json_put_cstr(&w, d->id);
    if (r) json_key(&w, "record_id"), json_put_cstr(&w, r->id);
    if (x) json_key(&w, "response_id"), json_put_cstr(&w, x->id), json_key(&w, "user_id"), json_put_cstr(&w, x->user_id);
    json_close(&w);
    bool ok = true;
    if (server_has_webhooks(c->server))
        ok = x ? put_whole_response(c, &p, d, r, x, e) : r ? put_whole_record(c, &p, d, r, e) : put_whole_dataset(c, &p, d, e);
    ok = ok && event_add(c->tx, kind, d->workspace, d->seq, buf_str(&text), whole.len ? buf_str(&whole) : (str){NULL, 0}, e);
    buf_free(&text);
    buf_free(&whole);
    return ok;
}
