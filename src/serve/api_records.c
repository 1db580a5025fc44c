/* api_records.c - records: listed, written in bulk, changed, removed. */
#include <string.h>

#include "serve/api.h"

enum { BULK_MOST = 500, DELETE_MOST = 100, PAGE_MOST = 1000, PAGE = 50 };

static const include everything = {.responses = true, .suggestions = true, .vectors = true};

static bool get_records(call *c, err *e) {
    schema s;
    include i;
    records page;
    int64_t offset, limit;
    if (!include_of(c, &i, e) || !query_int(c, "offset", 0, INT64_MAX, 0, &offset, e) ||
        !query_int(c, "limit", 1, PAGE_MOST, PAGE, &limit, e) || !schema_of(c, c->set.seq, &s, e))
        return false;
    if (old_query_given(c)) return put_old_page(c, &s, &i, offset, limit, e);
    if (!record_page(c->tx, c->a, c->set.seq, offset, limit, &page, e)) return false;
    items_begin(c);
    for (int k = 0; k < page.count; k++)
        if (!put_record(c, &page.item[k], &s, &i, e)) return false;
    items_end(c);
    json_key(&c->w, "total"), json_put_int(&c->w, c->set.records);
    object_end(c);
    return true;
}

static bool get_record(call *c, err *e) {
    schema s;
    return schema_of(c, c->set.seq, &s, e) && put_record(c, &c->record, &s, &everything, e);
}

/* ---- one item of a bulk write ------------------------------------------------------------------------------------------------------- */

/* Fields and metadata of an item, checked and written; a NULL view: they are to be looked at in the item's turn. */
typedef struct {
    str fields, metadata;
} ready_item;

/* What was done of a bulk write before its turn, and under which settings. */
typedef struct {
    uint64_t stamp;
    size_t count;
    ready_item item[];
} ready_items;

typedef struct {
    call *c;
    const schema *s;
    int64_t import;         /* new records come with it */
    bool keep_ids;          /* new records have the id they were sent with */
    const ready_item *done; /* of the item whose turn it is; NULL: nothing */
} rules;

/* ?keep_ids=true: for moving records here from another server. */
static bool keep_ids_of(call *c, bool *out, err *e) {
    *out = str_is(query_of(c, "keep_ids", STR("")), "true");
    return !*out || c->me.role == ROLE_OWNER || forbidden(e, "only owners may say which ids records get");
}

static bool take_id(call *c, const json *item, record *r, err *e) {
    record other;
    err none = {0};
    if (!uuid_parse(json_get_text(item, "id", STR("")), r->id)) return err_set(e, ERR_INPUT, "id should be a UUID");
    if (record_get(c->tx, c->a, r->id, &other, &none))
        return err_set(e, ERR_INPUT, "the id `%s` belongs to a record elsewhere", r->id);
    return none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
}

/* ?import=ID: of an import that runs. */
static bool import_of(call *c, int64_t *out, err *e) {
    const str text = query_of(c, "import", (str){NULL, 0});
    uuid_text id;
    import_row i;
    *out = 0;
    if (!text.ptr) return true;
    if (!uuid_parse(text, id)) return invalid(c, "query.import", e, "import should be a UUID");
    if (!import_get(c->tx, c->a, c->set.seq, id, &i, e)) return false;
    if (i.finished_at) return err_set(e, ERR_CONFLICT, "this import is finished");
    *out = i.seq;
    return true;
}

static bool fields_of(const rules *x, json *values, str *out, err *e) {
    if (x->done && x->done->fields.ptr) return *out = x->done->fields, true;
    if (!fields_check(x->s->fields, values, e)) return false;
    *out = written(x->c, fields_normal(x->c->a, x->s->fields, values));
    return true;
}

static bool metadata_of(const rules *x, const json *values, str *out, err *e) {
    if (x->done && x->done->metadata.ptr) return *out = x->done->metadata, true;
    if (values && json_kind_of(values) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "metadata should be an object, it is %s", json_kind_name(json_kind_of(values)));
    if (!metadata_check(x->s->properties, x->c->set.allow_extra_metadata, values, e)) return false;
    *out = written(x->c, values);
    return true;
}

static bool write_vectors(const rules *x, const record *r, const json *values, err *e) {
    json_member m = {0};
    if (!values) return true;
    if (!vectors_check(x->s->vectors, values, e)) return false;
    while (json_next(values, &m)) {
        const part *p = part_named(&x->s->vector, str_of(m.key));
        const int n = (int)json_count(m.value);
        double *v = arena_array(x->c->a, double, n + 1);
        for (int i = 0; i < n; i++) v[i] = json_real(json_at(m.value, (size_t)i), 0);
        if (!(m.value ? vector_put(x->c->tx, p->seq, r->seq, v, n, e) : vector_delete(x->c->tx, p->seq, r->seq, e))) return false;
    }
    return true;
}

static bool is_list(const json *list, const char *key, err *e) {
    return !list || json_kind_of(list) == JSON_ARRAY ||
           err_set(e, ERR_INPUT, "%s should be a list, it is %s", key, json_kind_name(json_kind_of(list)));
}

static bool write_suggestions(const rules *x, const record *r, const json *list, err *e) {
    if (!is_list(list, "suggestions", e)) return false;
    for (size_t i = 0; i < json_count(list); i++) {
        suggestion made;
        bool created;
        for (size_t k = 0; k < i; k++) {
            const json *a = json_get(json_at(list, i), "question_id"), *b = json_get(json_at(list, k), "question_id");
            if (a && b && json_equal(a, b)) return err_set(e, ERR_INPUT, "found duplicate suggestions question IDs");
        }
        if (!suggestion_write(x->c, r, x->s, json_at(list, i), &made, &created, e)) return err_prefix(e, "suggestion %zu", i);
    }
    return true;
}

static bool write_responses(const rules *x, record *r, const json *list, err *e) {
    if (!is_list(list, "responses", e)) return false;
    for (size_t i = 0; i < json_count(list); i++) {
        const json *item = json_at(list, i);
        uuid_text id;
        user person;
        err missing = {0};
        response made;
        if (!uuid_parse(json_get_text(item, "user_id", STR("")), id))
            return err_set(e, ERR_INPUT, "response %zu: user_id should be a UUID", i);
        if (!user_get(x->c->tx, x->c->a, id, &person, &missing))
            return err_set(e, ERR_INPUT, "response %zu: %s", i, missing.text);
        for (size_t k = 0; k < i; k++)
            if (str_is(json_get_text(json_at(list, k), "user_id", STR("")), id))
                return err_set(e, ERR_INPUT, "response %zu: a second one of this user", i);
        if (!answer_put(x->c, r, &x->c->set, x->s, person.seq, json_get(item, "values"), json_get_text(item, "status", STR("")),
                        true, &made, e))
            return err_prefix(e, "response %zu", i);
    }
    return true;
}

/* An external id is a text; clients send numbers too. */
static bool external_id_of(call *c, const json *item, str *out, err *e) {
    const json *v = json_get(item, "external_id");
    const json_kind kind = json_kind_of(v);
    *out = (str){NULL, 0};
    if (!v) return true;
    if (kind == JSON_INT || kind == JSON_REAL) *out = written(c, v);
    else if (kind == JSON_STRING) *out = json_text(v, STR(""));
    else return err_set(e, ERR_INPUT, "external_id should be a string, it is %s", json_kind_name(kind));
    return true;
}

static bool create(const rules *x, const json *item, record *r, err *e) {
    call *c = x->c;
    *r = (record){.dataset = c->set.seq, .import = x->import};
    memcpy(r->dataset_id, c->set.id, sizeof r->dataset_id);
    err taken = {0};
    if (x->keep_ids && json_get(item, "id") && !take_id(c, item, r, e)) return false;
    if (!external_id_of(c, item, &r->external_id, e) || !fields_of(x, json_get(item, "fields"), &r->fields, e) ||
        !metadata_of(x, json_get(item, "metadata"), &r->metadata, e))
        return false;
    if (!record_add(c->tx, r, &taken)) return err_set(e, taken.code == ERR_CONFLICT ? ERR_INPUT : taken.code, "%s", taken.text);
    return (x->import || index_new(c, r, x->s, e)) && write_vectors(x, r, json_get(item, "vectors"), e) &&
           write_suggestions(x, r, json_get(item, "suggestions"), e) && write_responses(x, r, json_get(item, "responses"), e) &&
           (x->import || note_event(c, "record.created", &c->set, r, NULL, e));
}

/* What is mentioned changes; what is not stays. */
static bool update(const rules *x, const json *item, record *r, err *e) {
    call *c = x->c;
    const record before = *r;
    const bool fields = json_get(item, "fields") != NULL, metadata = json_has(item, "metadata");
    if (fields && !fields_of(x, json_get(item, "fields"), &r->fields, e)) return false;
    if (metadata && !metadata_of(x, json_get(item, "metadata"), &r->metadata, e)) return false;
    if ((fields || metadata) && !record_save(c->tx, r, e)) return false;
    if (fields && !index_record(c, r, x->s, &before, e)) return false;
    if (metadata && !index_metadata(c, r, x->s, e)) return false;
    return write_vectors(x, r, json_get(item, "vectors"), e) && write_suggestions(x, r, json_get(item, "suggestions"), e) &&
           write_responses(x, r, json_get(item, "responses"), e) && note_event(c, "record.updated", &c->set, r, NULL, e);
}

/* ---- bulk --------------------------------------------------------------------------------------------------------------------------- */

static uint64_t rules_stamp(const call *c, const schema *s) { return schema_stamp(s) ^ c->set.allow_extra_metadata; }

/* Most of the work of a record without a write is reading and writing its JSON. What is wrong is told in its turn. */
static bool prepare_bulk(call *c) {
    const json *items = json_kind_of(c->body) == JSON_OBJECT ? json_get(c->body, "items") : NULL;
    const size_t n = json_kind_of(items) == JSON_ARRAY ? json_count(items) : 0;
    schema s;
    err none = {0};
    if (!n || !schema_rules(c, c->set.seq, &s, &none)) return true;
    const rules x = {.c = c, .s = &s};
    ready_items *out = arena_alloc(c->a, sizeof *out + n * sizeof *out->item);
    *out = (ready_items){.stamp = rules_stamp(c, &s), .count = n};
    for (size_t i = 0; i < n; i++) {
        const json *item = json_at(items, i);
        err wrong = {0};
        out->item[i] = (ready_item){0};
        if (json_kind_of(item) != JSON_OBJECT) continue;
        if (!fields_of(&x, json_get(item, "fields"), &out->item[i].fields, &wrong) ||
            !metadata_of(&x, json_get(item, "metadata"), &out->item[i].metadata, &wrong))
            out->item[i] = (ready_item){0};
    }
    c->prepared = out;
    return true;
}

static bool bulk_items(call *c, size_t most, const json **items, err *e) {
    if (!body_object(c, e)) return false;
    *items = json_get(c->body, "items");
    const size_t n = json_count(*items);
    if (json_kind_of(*items) != JSON_ARRAY || !n || n > most)
        return invalid(c, "body.items", e, "items should be a list of 1 to %zu records, it has %zu", most, n);
    if (!c->set.ready) return err_set(e, ERR_INPUT, "records cannot be created for a draft dataset: publish it first");
    return true;
}

static bool find_existing(call *c, const json *item, record *r, bool *found, err *e) {
    uuid_text id;
    str external;
    err none = {0};
    *found =
        uuid_parse(json_get_text(item, "id", STR("")), id) && record_get(c->tx, c->a, id, r, &none) && r->dataset == c->set.seq;
    if (*found) return true;
    if (none.code && none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    if (!external_id_of(c, item, &external, e)) return false;
    none = (err){0};
    *found = external.ptr && record_external(c->tx, c->a, c->set.seq, external, r, &none);
    return !none.code || none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
}

static bool put_written(call *c, const schema *s, const record *list, size_t n, const bool *updated, err *e) {
    items_begin(c);
    for (size_t i = 0; i < n; i++)
        if (!put_record(c, &list[i], s, &everything, e)) return false;
    items_end(c);
    if (updated) {
        json_key(&c->w, "updated_item_ids"), json_open(&c->w, '[');
        for (size_t i = 0; i < n; i++)
            if (updated[i]) json_put_cstr(&c->w, list[i].id);
        json_close(&c->w);
    }
    object_end(c);
    return true;
}

/* The new records of an import, which have seqs one after the other, are indexed after it. */
static bool leave_behind(call *c, const record *list, const bool *updated, size_t n, err *e) {
    int64_t first = 0, last = 0;
    for (size_t i = 0; i < n; i++) {
        if (updated[i]) continue;
        last = list[i].seq;
        if (!first) first = last;
    }
    server_note_behind(c->server);
    return behind_add(c->tx, c->set.seq, first, last, e);
}

static bool write_bulk(call *c, bool upsert, size_t most, record **out, bool **updated, schema *s, err *e) {
    const json *items;
    if (!bulk_items(c, most, &items, e) || !schema_rules(c, c->set.seq, s, e)) return false;
    rules x = {.c = c, .s = s};
    if (!import_of(c, &x.import, e) || !keep_ids_of(c, &x.keep_ids, e)) return false;
    const size_t n = json_count(items);
    const ready_items *done = c->prepared;
    if (done && (done->stamp != rules_stamp(c, s) || done->count != n)) done = NULL;
    int64_t added = 0;
    *out = arena_array(c->a, record, n + 1);
    *updated = arena_array(c->a, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json *item = json_at(items, i);
        x.done = done ? &done->item[i] : NULL;
        if (json_kind_of(item) != JSON_OBJECT) return err_set(e, ERR_INPUT, "record at position %zu is not an object", i);
        if (upsert && !find_existing(c, item, &(*out)[i], &(*updated)[i], e))
            return err_prefix(e, "record at position %zu is not valid", i);
        if (!((*updated)[i] ? update(&x, item, &(*out)[i], e) : create(&x, item, &(*out)[i], e)))
            return err_prefix(e, "record at position %zu is not valid", i);
    }
    for (size_t i = 0; i < n; i++) added += !(*updated)[i];
    return !added || (record_count(c->tx, c->set.seq, added, e) && (!x.import || leave_behind(c, *out, *updated, n, e)));
}

static bool post_bulk(call *c, err *e) {
    if (c->ahead) return prepare_bulk(c);
    record *list;
    bool *updated;
    schema s;
    c->status = 201;
    return write_bulk(c, false, BULK_MOST, &list, &updated, &s, e) &&
           put_written(c, &s, list, json_count(json_get(c->body, "items")), NULL, e);
}

static bool put_bulk(call *c, err *e) {
    if (c->ahead) return prepare_bulk(c);
    record *list;
    bool *updated;
    schema s;
    return write_bulk(c, true, BULK_MOST, &list, &updated, &s, e) &&
           put_written(c, &s, list, json_count(json_get(c->body, "items")), updated, e);
}

/* Older clients: the same without an answer, and suggestions nested. */
static bool post_records(call *c, err *e) {
    if (c->ahead) return prepare_bulk(c);
    record *list;
    bool *updated;
    schema s;
    c->status = 204;
    c->no_body = true;
    return write_bulk(c, false, 1000, &list, &updated, &s, e);
}

static bool patch_one(const rules *x, const json *item, record *r, err *e) {
    call *c = x->c;
    const json *list = json_get(item, "suggestions");
    if (list && !suggestion_clear(c->tx, r->seq, e)) return false;
    return update(x, item, r, e);
}

static bool patch_records(call *c, err *e) {
    const json *items;
    schema s;
    if (!bulk_items(c, 1000, &items, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    const rules x = {.c = c, .s = &s};
    for (size_t i = 0; i < json_count(items); i++) {
        record r;
        bool found;
        if (!find_existing(c, json_at(items, i), &r, &found, e)) return false;
        if (!found) return err_set(e, ERR_INPUT, "record at position %zu is not in the dataset", i);
        if (!patch_one(&x, json_at(items, i), &r, e)) return err_prefix(e, "record at position %zu is not valid", i);
    }
    c->status = 204;
    c->no_body = true;
    return true;
}

static bool patch_record(call *c, err *e) {
    schema s;
    if (!body_object(c, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    const rules x = {.c = c, .s = &s};
    return patch_one(&x, c->body, &c->record, e) && put_record(c, &c->record, &s, &everything, e);
}

/* ---- removing ------------------------------------------------------------------------------------------------------------------------ */

static bool remove_record(call *c, const schema *s, const record *r, err *e) {
    return (!c->set.ready || unindex_record(c, r, s, e)) && note_event(c, "record.deleted", &c->set, r, NULL, e) &&
           record_delete(c->tx, r, e);
}

static bool delete_record(call *c, err *e) {
    schema s;
    return schema_rules(c, c->set.seq, &s, e) && put_record(c, &c->record, &s, &(include){0}, e) &&
           remove_record(c, &s, &c->record, e);
}

/* "a,b,c" into ids; each a UUID. */
static bool ids_of(call *c, size_t most, uuid_text **out, size_t *count, err *e) {
    const str text = query_of(c, "ids", STR(""));
    *out = arena_alloc(c->a, (most + 1) * sizeof **out);
    *count = 0;
    for (size_t at = 0; at < text.len;) {
        const ptrdiff_t comma = str_find(text, STR(","), at);
        const size_t end = comma < 0 ? text.len : (size_t)comma;
        const str one = str_trim(str_slice(text, at, end));
        at = end + 1;
        if (!one.len) continue;
        if (*count == most) return invalid(c, "query.ids", e, "at most %zu ids at once", most);
        if (!uuid_parse(one, (*out)[*count])) return invalid(c, "query.ids", e, "'%.*s' is no UUID", STR_ARG(one));
        ++*count;
    }
    return *count || invalid(c, "query.ids", e, "ids is empty: name 1 to %zu records", most);
}

static bool delete_records(call *c, err *e) {
    uuid_text *ids;
    size_t count;
    schema s;
    if (!ids_of(c, DELETE_MOST, &ids, &count, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    for (size_t i = 0; i < count; i++) {
        record r;
        err none = {0};
        if (!record_get(c->tx, c->a, ids[i], &r, &none)) {
            if (none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
        } else if (r.dataset == c->set.seq && !remove_record(c, &s, &r, e)) return false;
    }
    c->status = 204;
    c->no_body = true;
    return true;
}

const route routes_records[] = {
    {"GET", "/api/v1/datasets/{id}/records", WHO_ADMIN, OF_DATASET, RUN_FIND, get_records, "a page of records"},
    {"POST", "/api/v1/datasets/{id}/records", WHO_ADMIN, OF_DATASET, RUN_AHEAD, post_records,
     "new records, as older clients send them"},
    {"PATCH", "/api/v1/datasets/{id}/records", WHO_ADMIN, OF_DATASET, RUN_WRITE, patch_records,
     "change records, as older clients do"},
    {"DELETE", "/api/v1/datasets/{id}/records", WHO_ADMIN, OF_DATASET, RUN_WRITE, delete_records, "remove records by ?ids=a,b"},
    {"POST", "/api/v1/datasets/{id}/records/bulk", WHO_ADMIN, OF_DATASET, RUN_AHEAD, post_bulk, "1 to 500 new records"},
    {"PUT", "/api/v1/datasets/{id}/records/bulk", WHO_ADMIN, OF_DATASET, RUN_AHEAD, put_bulk,
     "1 to 500 records, new or known by id or external_id"},
    {"GET", "/api/v1/records/{id}", WHO_MEMBER, OF_RECORD, RUN_READ, get_record, "a record with all that belongs to it"},
    {"PATCH", "/api/v1/records/{id}", WHO_ADMIN, OF_RECORD, RUN_WRITE, patch_record, "change a record"},
    {"DELETE", "/api/v1/records/{id}", WHO_ADMIN, OF_RECORD, RUN_WRITE, delete_record, "remove a record"},
    {0},
};
