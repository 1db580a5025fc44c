/* api_settings.c - fields, questions, metadata properties and vector settings: one shape, four sets of rules (data/kinds.h).
 *
 * After publishing, fields and questions stay as they are, as Argilla's clients expect; with ?migrate=true they may come, go and
 * change, and the answers follow. */
#include <string.h>

#include "serve/migrate.h"

part part_of_json(arena *a, const json *v, part_kind kind) {
    buf text = {0};
    part p = {.kind = kind,
              .name = str_copy(a, json_get_text(v, "name", STR(""))),
              .title = str_copy(a, json_get_text(v, "title", STR(""))),
              .required = json_get_bool(v, "required", false),
              .visible = json_get_bool(v, "visible_for_annotators", true)};
    const json *description = json_get(v, "description"), *settings = json_get(v, "settings");
    if (description) p.description = str_copy(a, json_text(description, STR("")));
    if (settings) json_put(&text, settings);
    else buf_printf(&text, "{\"dimensions\":%lld}", (long long)json_get_int(v, "dimensions", 0));
    p.settings = (str){arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return p;
}

static json *part_json(call *c, const part *p) {
    const parts one = {(part *)(uintptr_t)p, 1};
    return json_at(parts_json(c->a, &one), 0);
}

static bool says_true(const call *c, const char *key) { return str_is(query_of(c, key, STR("")), "true"); }
static bool migrating(const call *c) { return says_true(c, "migrate") || says_true(c, "dry_run"); }

static bool refuse_published(call *c, const char *what, err *e) {
    return !c->set.ready || migrating(c) || err_set(e, ERR_INPUT, "%s cannot be changed for a published dataset", what);
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------------- */

static bool put_list(call *c, part_kind kind, err *e) {
    parts list;
    if (!part_list(c->tx, c->a, c->set.seq, kind, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++)
        if (kind != PART_METADATA || list.item[i].visible || c->me.role != ROLE_ANNOTATOR) put_part(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_fields(call *c, err *e) { return put_list(c, PART_FIELD, e); }
static bool get_questions(call *c, err *e) { return put_list(c, PART_QUESTION, e); }
static bool get_metadata(call *c, err *e) { return put_list(c, PART_METADATA, e); }
static bool get_vectors(call *c, err *e) { return put_list(c, PART_VECTOR, e); }

/* ---- making ------------------------------------------------------------------------------------------------------------------------ */

static bool make(call *c, part_kind kind, const schema *s, json **out, err *e) {
    switch (kind) {
    case PART_FIELD: return field_create(c->a, c->body, parts_json(c->a, &s->field), out, e);
    case PART_QUESTION: {
        const kind_context context = {.fields = parts_json(c->a, &s->field), .questions = parts_json(c->a, &s->question)};
        return question_create(c->a, c->body, &context, out, e);
    }
    case PART_METADATA: return metadata_create(c->a, c->body, parts_json(c->a, &s->metadata), out, e);
    case PART_VECTOR: return vector_create(c->a, c->body, parts_json(c->a, &s->vector), out, e);
    }
    return false;
}

static bool each_record(call *c, bool (*run)(call *c, const record *r, const schema *s, err *e), err *e) {
    schema s;
    records page = {0};
    int64_t seq = 0;
    arena *own = c->a;
    if (!schema_rules(c, c->set.seq, &s, e)) return false;
    do {
        arena *scratch = c->a = arena_new();
        bool ok = record_after(c->tx, scratch, c->set.seq, seq, 500, &page, e);
        for (int i = 0; i < page.count && ok; i++) {
            seq = page.item[i].seq;
            ok = run(c, &page.item[i], &s, e);
        }
        c->a = own;
        arena_free(scratch);
        if (!ok) return false;
    } while (page.count);
    return true;
}

static bool index_texts(call *c, const record *r, const schema *s, err *e) { return index_record(c, r, s, NULL, e); }

/* Records may hold values of a new metadata property already. */
static bool index_values(call *c, const record *r, const schema *s, err *e) {
    return !r->metadata.ptr || index_metadata(c, r, s, e);
}

/* A new field of a published dataset: the text index gets a column, so it is made anew from the records. */
static bool reindex(call *c, err *e) {
    schema s;
    return schema_of(c, c->set.seq, &s, e) && search_create(c->tx, c->set.seq, &s.field, e) && each_record(c, index_texts, e);
}

static bool post_part(call *c, part_kind kind, err *e) {
    schema s;
    json *made;
    err broken = {0};
    if (!body_object(c, e) || !schema_of(c, c->set.seq, &s, e)) return false;
    if ((kind == PART_FIELD || kind == PART_QUESTION) && !refuse_published(c, kind == PART_FIELD ? "Fields" : "Questions", e))
        return false;
    if (!make(c, kind, &s, &made, &broken)) return broken_rule(c, &broken, e);
    part p = part_of_json(c->a, made, kind);
    if (c->set.ready && p.required && migrating(c) && kind == PART_FIELD && c->set.records)
        return err_set(e, ERR_INPUT, "the new field '%s' cannot be required: %lld records do not have it", p.name,
                       (long long)c->set.records);
    p.dataset = c->set.seq;
    memcpy(p.dataset_id, c->set.id, sizeof p.dataset_id);
    if (!part_add(c->tx, &p, e)) return false;
    c->status = 201;
    put_part(&c->w, &p);
    return !c->set.ready || kind != PART_FIELD || reindex(c, e);
}

static bool post_field(call *c, err *e) { return post_part(c, PART_FIELD, e); }
static bool post_question(call *c, err *e) { return post_part(c, PART_QUESTION, e); }
static bool post_metadata(call *c, err *e) {
    return post_part(c, PART_METADATA, e) && (!c->set.records || each_record(c, index_values, e));
}
static bool post_vector(call *c, err *e) { return post_part(c, PART_VECTOR, e); }

/* ---- changing ----------------------------------------------------------------------------------------------------------------------- */

static bool change(call *c, const schema *s, json **out, err *e) {
    const json *old = part_json(c, &c->part);
    switch (c->part.kind) {
    case PART_FIELD: return field_update(c->a, old, c->body, out, e);
    case PART_QUESTION: {
        parts others = {arena_array(c->a, part, s->question.count + 1), 0};
        for (int i = 0; i < s->question.count; i++)
            if (s->question.item[i].seq != c->part.seq) others.item[others.count++] = s->question.item[i];
        const kind_context context = {
            .fields = parts_json(c->a, &s->field), .questions = parts_json(c->a, &others), .free = !c->set.ready || migrating(c)};
        return question_update(c->a, old, c->body, &context, out, e);
    }
    case PART_METADATA: return metadata_update(c->a, old, c->body, out, e);
    case PART_VECTOR: return vector_update(c->a, old, c->body, out, e);
    }
    return false;
}

/* The part, with what its change did to answers. */
static bool put_changed(call *c, const part *p, json *report, err *e) {
    put_part(&c->w, p);
    if (!report) return true;
    json *v = json_parse(c->a, buf_str(&c->out), e);
    if (!v) return false;
    json_set(v, "migration", report);
    buf_clear(&c->out);
    c->w = json_writer_on(&c->out, false);
    json_put_value(&c->w, v);
    return true;
}

/* A client that sees a comparison as labels sends it back as labels: that is no change. */
static void forget_shown_settings(call *c) {
    const json *v = json_get(part_json(c, &c->part), "settings");
    if (!c->plain || c->part.kind != PART_QUESTION || !str_is(json_get_text(v, "type", STR("")), "comparison")) return;
    json *body = json_new_object(c->a);
    for (json_member m = {0}; json_next(c->body, &m);)
        if (strcmp(m.key, "settings") != 0) json_set(body, m.key, m.value);
    c->body = body;
}

static bool patch_part(call *c, err *e) {
    schema s;
    json *made, *report = NULL;
    err broken = {0};
    const bool dry = says_true(c, "dry_run");
    if (!body_object(c, e) || !schema_of(c, c->set.seq, &s, e)) return false;
    forget_shown_settings(c);
    if (!change(c, &s, &made, &broken)) return broken_rule(c, &broken, e);
    part p = part_of_json(c->a, made, c->part.kind), now = c->part;
    now.title = p.title;
    now.description = p.description;
    now.visible = p.visible;
    if (now.kind != PART_VECTOR) now.settings = p.settings;
    const bool migrates = c->set.ready && migrating(c) && now.kind == PART_QUESTION && json_has(c->body, "settings");
    if ((migrates && !migrate_answers(c, &now, dry, &report, e)) || (!dry && !part_save(c->tx, &now, e))) return false;
    return put_changed(c, &now, report, e);
}

static bool get_changes(call *c, err *e) {
    part_changes list;
    if (!change_list(c->tx, c->a, c->part.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const part_change *x = &list.item[i];
        json_open(&c->w, '{');
        json_key(&c->w, "id"), json_put_cstr(&c->w, x->id);
        put_moment(&c->w, "at", x->at);
        json_key(&c->w, "by"), json_put_cstr(&c->w, *x->actor_id ? x->actor_id : NULL);
        json_key(&c->w, "settings_before"), json_put_raw(&c->w, x->settings);
        json_key(&c->w, "migration"), json_put_raw(&c->w, x->summary);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

static bool undo_change(call *c, err *e) {
    if (!migrate_undo(c, e)) return false;
    put_part(&c->w, &c->part);
    return true;
}

/* ---- removing ----------------------------------------------------------------------------------------------------------------------- */

/* Values of a question that is gone leave the answers too. */
static bool drop_answers(call *c, const part *q, err *e) {
    records page = {0};
    int64_t seq = 0;
    do {
        if (!record_after(c->tx, c->a, c->set.seq, seq, 500, &page, e)) return false;
        for (int i = 0; i < page.count; i++) {
            responses list;
            seq = page.item[i].seq;
            if (!response_list(c->tx, c->a, seq, &list, e)) return false;
            for (int k = 0; k < list.count; k++) {
                response *r = &list.item[k];
                json *values = r->values.ptr ? json_parse(c->a, r->values, e) : NULL, *kept = json_new_object(c->a);
                if (!values || !json_has(values, q->name)) continue;
                json_member m = {0};
                while (json_next(values, &m))
                    if (strcmp(m.key, q->name) != 0) json_set(kept, m.key, m.value);
                buf text = {0};
                json_put(&text, kept);
                r->values = (str){arena_copy(c->a, text.ptr, text.len), text.len};
                buf_free(&text);
                if (!response_put(c->tx, r, c->me.seq, e)) return false;
            }
        }
    } while (page.count);
    return true;
}

static bool delete_part(call *c, err *e) {
    const part_kind kind = c->part.kind;
    if ((kind == PART_FIELD || kind == PART_QUESTION) && !refuse_published(c, kind == PART_FIELD ? "Fields" : "Questions", e))
        return false;
    if (c->set.ready && kind == PART_QUESTION && !drop_answers(c, &c->part, e)) return false;
    if (!part_delete(c->tx, &c->part, e)) return false;
    put_part(&c->w, &c->part);
    return !c->set.ready || kind != PART_FIELD || reindex(c, e);
}

/* ---- what a metadata property holds -------------------------------------------------------------------------------------------------- */

static bool put_terms(call *c, err *e) {
    facet_count *list;
    int count;
    if (!facet_terms(c->tx, c->a, FACET_METADATA, c->part.seq, &list, &count, e)) return false;
    json_key(&c->w, "total"), json_put_int(&c->w, count);
    json_key(&c->w, "values"), json_open(&c->w, '[');
    for (int i = 0; i < count; i++) {
        json_open(&c->w, '{');
        json_key(&c->w, "term"), json_put_text(&c->w, list[i].text);
        json_key(&c->w, "count"), json_put_int(&c->w, list[i].count);
        json_close(&c->w);
    }
    json_close(&c->w);
    return true;
}

static bool put_range(call *c, bool whole, err *e) {
    double bounds[2];
    bool any;
    if (!facet_range(c->tx, FACET_METADATA, c->part.seq, &bounds[0], &bounds[1], &any, e)) return false;
    for (int i = 0; i < 2; i++) {
        json_key(&c->w, i ? "max" : "min");
        if (!any) json_put_null(&c->w);
        else if (whole) json_put_int(&c->w, (int64_t)bounds[i]);
        else json_put_real(&c->w, (double)(int64_t)(bounds[i] * 1e5 + (bounds[i] < 0 ? -0.5 : 0.5)) / 1e5);
    }
    return true;
}

static bool get_metadata_metrics(call *c, err *e) {
    const str type = json_get_text(json_get(part_json(c, &c->part), "settings"), "type", STR("terms"));
    if (!c->part.visible && c->me.role == ROLE_ANNOTATOR) return forbidden(e, "Operation not allowed");
    json_open(&c->w, '{');
    json_key(&c->w, "type"), json_put_text(&c->w, type);
    if (!(str_is(type, "terms") ? put_terms(c, e) : put_range(c, str_is(type, "integer"), e))) return false;
    json_close(&c->w);
    return true;
}

const route routes_settings[] = {
    {"GET", "/api/v1/datasets/{id}/fields", WHO_MEMBER, OF_DATASET, RUN_READ, get_fields, "fields of a dataset"},
    {"POST", "/api/v1/datasets/{id}/fields", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_field,
     "a new field (?migrate=true: of a published dataset)"},
    {"PATCH", "/api/v1/fields/{id}", WHO_ADMIN, OF_FIELD, RUN_WRITE, patch_part, "change title and settings of a field"},
    {"DELETE", "/api/v1/fields/{id}", WHO_ADMIN, OF_FIELD, RUN_WRITE, delete_part, "remove a field"},
    {"GET", "/api/v1/datasets/{id}/questions", WHO_MEMBER, OF_DATASET, RUN_READ, get_questions, "questions of a dataset"},
    {"POST", "/api/v1/datasets/{id}/questions", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_question, "a new question"},
    {"PATCH", "/api/v1/questions/{id}", WHO_ADMIN, OF_QUESTION, RUN_WRITE, patch_part,
     "change title, description and settings (?migrate=true: also options, with the answers; &dry_run=true: only say what it "
     "touches)"},
    {"GET", "/api/v1/questions/{id}/changes", WHO_ADMIN, OF_QUESTION, RUN_READ, get_changes,
     "changes of its options after publishing, newest first"},
    {"POST", "/api/v1/questions/{id}/undo", WHO_ADMIN, OF_QUESTION, RUN_WRITE, undo_change,
     "undo the newest of them: settings and answers as they were"},
    {"DELETE", "/api/v1/questions/{id}", WHO_ADMIN, OF_QUESTION, RUN_WRITE, delete_part, "remove a question"},
    {"GET", "/api/v1/me/datasets/{id}/metadata-properties", WHO_MEMBER, OF_DATASET, RUN_READ, get_metadata,
     "metadata properties I may see"},
    {"GET", "/api/v1/datasets/{id}/metadata-properties", WHO_MEMBER, OF_DATASET, RUN_READ, get_metadata,
     "the same, for older clients"},
    {"POST", "/api/v1/datasets/{id}/metadata-properties", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_metadata,
     "a new metadata property"},
    {"PATCH", "/api/v1/metadata-properties/{id}", WHO_ADMIN, OF_METADATA, RUN_WRITE, patch_part, "change title and visibility"},
    {"DELETE", "/api/v1/metadata-properties/{id}", WHO_ADMIN, OF_METADATA, RUN_WRITE, delete_part, "remove a metadata property"},
    {"GET", "/api/v1/metadata-properties/{id}/metrics", WHO_MEMBER, OF_METADATA, RUN_FIND, get_metadata_metrics,
     "terms with counts, or the range"},
    {"GET", "/api/v1/datasets/{id}/vectors-settings", WHO_MEMBER, OF_DATASET, RUN_READ, get_vectors,
     "vector settings of a dataset"},
    {"POST", "/api/v1/datasets/{id}/vectors-settings", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_vector, "a new vector setting"},
    {"PATCH", "/api/v1/vectors-settings/{id}", WHO_ADMIN, OF_VECTOR, RUN_WRITE, patch_part, "change the title"},
    {"DELETE", "/api/v1/vectors-settings/{id}", WHO_ADMIN, OF_VECTOR, RUN_WRITE, delete_part,
     "remove a vector setting with its vectors"},
    {0},
};
