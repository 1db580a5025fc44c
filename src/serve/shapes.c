/* shapes.c - how rows look in answers. The one place that knows; keys and order as Argilla writes them. */
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "serve/api.h"

void put_moment(json_writer *w, const char *key, int64_t moment) {
    moment_text text;
    moment_put(moment, text);
    json_key(w, key), json_put_cstr(w, text);
}

void put_unfinished(json_writer *w, const char *const *names, const bool *unfinished, int count) {
    int some = 0;
    for (int i = 0; i < count; i++) some += unfinished[i];
    if (!some) return;
    json_key(w, "unfinished"), json_open(w, '[');
    for (int i = 0; i < count; i++)
        if (unfinished[i]) json_put_cstr(w, names[i]);
    json_close(w);
}

static void put_times(json_writer *w, int64_t inserted_at, int64_t updated_at) {
    put_moment(w, "inserted_at", inserted_at);
    put_moment(w, "updated_at", updated_at);
}

static void put_str(json_writer *w, const char *key, str text) {
    json_key(w, key);
    if (text.ptr) json_put_text(w, text);
    else json_put_null(w);
}

void put_user(json_writer *w, const user *u, const char *api_key) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, u->id);
    json_key(w, "first_name"), json_put_cstr(w, u->first_name);
    json_key(w, "last_name"), json_put_cstr(w, u->last_name);
    json_key(w, "username"), json_put_cstr(w, u->username);
    json_key(w, "role"), json_put_cstr(w, role_name(u->role));
    json_key(w, "api_key"), json_put_cstr(w, api_key ? api_key : "");
    put_times(w, u->inserted_at, u->updated_at);
    json_close(w);
}

void put_workspace(json_writer *w, const workspace *x) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "name"), json_put_cstr(w, x->name);
    put_times(w, x->inserted_at, x->updated_at);
    json_close(w);
}

void put_dataset_head(json_writer *w, const dataset *d) {
    json_key(w, "id"), json_put_cstr(w, d->id);
    json_key(w, "name"), json_put_cstr(w, d->name);
    put_str(w, "guidelines", d->guidelines);
    json_key(w, "allow_extra_metadata"), json_put_bool(w, d->allow_extra_metadata);
    json_key(w, "status"), json_put_cstr(w, d->ready ? "ready" : "draft");
    json_key(w, "distribution"), json_open(w, '{');
    json_key(w, "strategy"), json_put_cstr(w, "overlap");
    json_key(w, "min_submitted"), json_put_int(w, d->min_submitted);
    json_close(w);
}

void put_dataset(json_writer *w, const dataset *d) {
    json_open(w, '{');
    put_dataset_head(w, d);
    json_key(w, "metadata"), json_put_raw(w, d->metadata);
    json_key(w, "workspace_id"), json_put_cstr(w, d->workspace_id);
    put_moment(w, "last_activity_at", d->last_activity_at);
    put_times(w, d->inserted_at, d->updated_at);
    json_close(w);
}

/* A vector's settings hold its dimensions, which stand beside the name in answers. */
static void put_vector(json_writer *w, const part *p) {
    arena *a = arena_new();
    err e = {0};
    json_key(w, "dimensions"), json_put_int(w, json_get_int(json_parse(a, p->settings, &e), "dimensions", 0));
    arena_free(a);
}

void put_part(json_writer *w, const part *p) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, p->id);
    json_key(w, "name"), json_put_cstr(w, p->name);
    json_key(w, "title"), json_put_cstr(w, p->title);
    if (p->kind == PART_QUESTION) json_key(w, "description"), json_put_cstr(w, p->description);
    if (p->kind == PART_QUESTION || p->kind == PART_FIELD) json_key(w, "required"), json_put_bool(w, p->required);
    if (p->kind == PART_VECTOR) put_vector(w, p);
    else json_key(w, "settings"), json_put_raw(w, p->settings);
    if (p->kind == PART_METADATA) json_key(w, "visible_for_annotators"), json_put_bool(w, p->visible);
    json_key(w, "dataset_id"), json_put_cstr(w, p->dataset_id);
    put_times(w, p->inserted_at, p->updated_at);
    json_close(w);
}

void put_response(json_writer *w, const response *r) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, r->id);
    json_key(w, "values"), json_put_raw(w, r->values.ptr ? r->values : STR("{}")); /* never null: older clients walk over it */
    json_key(w, "status"), json_put_cstr(w, response_status_name(r->status));
    json_key(w, "record_id"), json_put_cstr(w, r->record_id);
    json_key(w, "user_id"), json_put_cstr(w, r->user_id);
    put_times(w, r->inserted_at, r->updated_at);
    json_close(w);
}

void put_suggestion(json_writer *w, const suggestion *s) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, s->id);
    json_key(w, "question_id"), json_put_cstr(w, s->question_id);
    json_key(w, "type"), json_put_cstr(w, s->type);
    json_key(w, "value"), json_put_raw(w, s->value);
    json_key(w, "agent"), json_put_cstr(w, s->agent);
    json_key(w, "score"), json_put_raw(w, s->score);
    put_times(w, s->inserted_at, s->updated_at);
    json_close(w);
}

void put_webhook(json_writer *w, const webhook *x) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "url"), json_put_cstr(w, x->url);
    json_key(w, "secret"), json_put_cstr(w, x->secret);
    json_key(w, "events"), json_put_raw(w, x->events);
    json_key(w, "enabled"), json_put_bool(w, x->enabled);
    json_key(w, "description"), json_put_cstr(w, x->description);
    put_times(w, x->inserted_at, x->updated_at);
    json_close(w);
}

void items_begin(call *c) {
    json_open(&c->w, '{');
    json_key(&c->w, "items"), json_open(&c->w, '[');
}
void items_end(call *c) { json_close(&c->w); }
void object_end(call *c) { json_close(&c->w); }

/* ---- records ----------------------------------------------------------------------------------------------------------------------- */

static bool put_vectors(call *c, const record *r, const schema *s, const include *i, err *e) {
    json_key(&c->w, "vectors"), json_open(&c->w, '{');
    for (int k = 0; k < s->vector.count; k++) {
        const part *p = &s->vector.item[k];
        bool wanted = !i->vector_count;
        for (int n = 0; n < i->vector_count; n++) wanted |= str_is(i->vector_names[n], p->name);
        double *v;
        int n;
        if (!wanted) continue;
        if (!vector_get(c->tx, c->a, p->seq, r->seq, &v, &n, e)) return false;
        if (!n) continue;
        json_key(&c->w, p->name), json_open(&c->w, '[');
        for (int x = 0; x < n; x++) json_put_real(&c->w, v[x]);
        json_close(&c->w);
    }
    json_close(&c->w);
    return true;
}

static bool put_responses(call *c, const record *r, const include *i, err *e) {
    responses list;
    if (!response_list(c->tx, c->a, r->seq, &list, e)) return false;
    json_key(&c->w, "responses"), json_open(&c->w, '[');
    for (int k = 0; k < list.count; k++)
        if (!i->only_user || list.item[k].user == i->only_user) put_response(&c->w, &list.item[k]);
    json_close(&c->w);
    return true;
}

static bool put_suggestions(call *c, const record *r, err *e) {
    suggestions list;
    if (!suggestion_list(c->tx, c->a, r->seq, &list, e)) return false;
    json_key(&c->w, "suggestions"), json_open(&c->w, '[');
    for (int k = 0; k < list.count; k++) put_suggestion(&c->w, &list.item[k]);
    json_close(&c->w);
    return true;
}

/* Annotators do not see metadata that is hidden from them. */
static void put_metadata(call *c, const record *r, const schema *s) {
    bool hidden = false;
    for (int i = 0; i < s->metadata.count; i++) hidden |= !s->metadata.item[i].visible;
    json_key(&c->w, "metadata");
    if (!hidden || c->me.role != ROLE_ANNOTATOR || !r->metadata.ptr) {
        json_put_raw(&c->w, r->metadata);
        return;
    }
    err e = {0};
    const json *all = json_parse(c->a, r->metadata, &e);
    json_member m = {0};
    json_open(&c->w, '{');
    while (all && json_next(all, &m)) {
        const part *p = part_named(&s->metadata, str_of(m.key));
        if (!p || p->visible) json_key(&c->w, m.key), json_put_value(&c->w, m.value);
    }
    json_close(&c->w);
}

bool put_record(call *c, const record *r, const schema *s, const include *i, err *e) {
    json_writer *w = &c->w;
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, r->id);
    json_key(w, "status"), json_put_cstr(w, r->completed ? "completed" : "pending");
    json_key(w, "fields"), json_put_raw(w, r->fields);
    put_metadata(c, r, s);
    put_str(w, "external_id", r->external_id);
    if (i->responses && !put_responses(c, r, i, e)) return false;
    if (i->suggestions && !put_suggestions(c, r, e)) return false;
    if (i->vectors && !put_vectors(c, r, s, i, e)) return false;
    json_key(w, "dataset_id"), json_put_cstr(w, r->dataset_id);
    put_times(w, r->inserted_at, r->updated_at);
    json_close(w);
    return true;
}

/* ---- settings --------------------------------------------------------------------------------------------------------------------- */

bool schema_of(call *c, int64_t set, schema *out, err *e) {
    parts list[PART_KINDS];
    *out = (schema){0};
    if (!part_list_all(c->tx, c->a, set, list, e)) return false;
    *out = (schema){list[PART_FIELD], list[PART_QUESTION], list[PART_METADATA], list[PART_VECTOR], NULL, NULL, NULL, NULL};
    return true;
}

static uint64_t parts_stamp(uint64_t h, const parts *list) {
    for (int i = 0; i < list->count; i++) {
        const part *p = &list->item[i];
        h = rng_mix(h, rng_mix((uint64_t)p->seq, (uint64_t)p->updated_at));
        h = rng_mix(h, (uint64_t)p->required << 1 | p->visible);
        for (size_t k = 0; k < p->settings.len; k++) h = (h ^ (unsigned char)p->settings.ptr[k]) * 1099511628211u;
    }
    return rng_mix(h, (uint64_t)list->count);
}

uint64_t schema_stamp(const schema *s) {
    return parts_stamp(parts_stamp(parts_stamp(parts_stamp(1, &s->field), &s->question), &s->metadata), &s->vector);
}

json *parts_json(arena *a, const parts *list) {
    buf text = {0};
    err e = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '[');
    for (int i = 0; i < list->count; i++) put_part(&w, &list->item[i]);
    json_close(&w);
    json *v = json_parse(a, buf_str(&text), &e);
    buf_free(&text);
    if (!v) bug("settings that cannot be read back: %s", e.text);
    return v;
}

bool schema_answers(call *c, int64_t set, schema *out, err *e) {
    if (!schema_of(c, set, out, e)) return false;
    const uint64_t stamp = parts_stamp(1, &out->question);
    if (!c->questions || c->questions_stamp != stamp) c->questions = parts_json(c->a, &out->question);
    c->questions_stamp = stamp;
    out->questions = c->questions;
    return true;
}

bool schema_rules(call *c, int64_t set, schema *out, err *e) {
    if (!schema_of(c, set, out, e)) return false;
    out->fields = parts_json(c->a, &out->field);
    out->questions = parts_json(c->a, &out->question);
    out->properties = parts_json(c->a, &out->metadata);
    out->vectors = parts_json(c->a, &out->vector);
    return true;
}
