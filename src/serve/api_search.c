/* api_search.c - finding records: text, filters, sorting, similarity. The language of the contract, into store's query.
 *
 * Beyond Argilla, filters may be joined by {"type": "or", "or": [...]} and {"type": "not", "not": filter} at any depth. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "serve/api.h"

enum { FILTERS_MOST = 50, TERMS_MOST = 250, SORTS_MOST = 10, DEPTH_MOST = 8, PAGE_MOST = 1000, PAGE = 50 };

typedef struct {
    call *c;
    const schema *s;
    err *e;
    int filters, groups; /* conditions; those that join them */
} reader;

/* ---- scopes -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    filter_scope scope;
    int64_t part;
    bool moment; /* bounds are points in time */
} scope;

static bool record_scope(reader *r, const json *v, scope *out) {
    static const struct {
        const char *name;
        filter_scope scope;
    } names[] = {{"id", SCOPE_ID},
                 {"external_id", SCOPE_EXTERNAL_ID},
                 {"inserted_at", SCOPE_INSERTED_AT},
                 {"updated_at", SCOPE_UPDATED_AT},
                 {"status", SCOPE_STATUS}};
    const str property = json_get_text(v, "property", STR(""));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(property, names[i].name)) {
            *out = (scope){names[i].scope, 0, names[i].scope == SCOPE_INSERTED_AT || names[i].scope == SCOPE_UPDATED_AT};
            return true;
        }
    return invalid(r->c, "body.scope.property", r->e, "a record has no property '%.*s' to filter by", STR_ARG(property));
}

static bool question_of(reader *r, const json *v, int64_t *out) {
    const str name = json_get_text(v, "question", STR(""));
    const part *q = part_named(&r->s->question, name);
    if (!q) return err_set(r->e, ERR_INPUT, "Question with name `%.*s` not found", STR_ARG(name));
    *out = q->seq;
    return true;
}

static bool response_scope(reader *r, const json *v, scope *out) {
    if (json_get(v, "question")) {
        *out = (scope){SCOPE_RESPONSE, 0, false};
        return question_of(r, v, &out->part);
    }
    *out = (scope){SCOPE_RESPONSE_STATUS, 0, false};
    return str_is(json_get_text(v, "property", STR("")), "status") ||
           invalid(r->c, "body.scope", r->e, "a response scope needs a question, or the property 'status'");
}

/* A word that may be absent; present, it is a text. */
static bool word_or(reader *r, const json *v, const char *key, str fallback, str *out) {
    *out = json_get_text(v, key, fallback);
    return !json_has(v, key) || json_kind_of(json_get(v, key)) == JSON_STRING ||
           invalid(r->c, arena_printf(r->c->a, "body.%s", key), r->e, "%s should be a string, it is %s", key,
                   json_kind_name(json_kind_of(json_get(v, key))));
}

static bool suggestion_scope(reader *r, const json *v, scope *out) {
    str property;
    if (!word_or(r, v, "property", STR("value"), &property)) return false;
    *out = (scope){SCOPE_SUGGESTION, 0, false};
    if (str_is(property, "score")) out->scope = SCOPE_SUGGESTION_SCORE;
    else if (str_is(property, "agent")) out->scope = SCOPE_SUGGESTION_AGENT;
    else if (str_is(property, "type")) out->scope = SCOPE_SUGGESTION_TYPE;
    else if (!str_is(property, "value"))
        return invalid(r->c, "body.scope.property", r->e, "a suggestion has value, score, agent and type, not '%.*s'",
                       STR_ARG(property));
    return question_of(r, v, &out->part);
}

/* What is hidden from annotators is not there for them: a filter or an order would tell it. */
static const part *property_named(const reader *r, str name) {
    const part *p = part_named(&r->s->metadata, name);
    return p && (p->visible || r->c->me.role != ROLE_ANNOTATOR) ? p : NULL;
}

static bool metadata_scope(reader *r, const json *v, scope *out) {
    const str name = json_get_text(v, "metadata_property", STR(""));
    const part *p = property_named(r, name);
    if (!p) return err_set(r->e, ERR_INPUT, "MetadataProperty with name `%.*s` not found", STR_ARG(name));
    *out = (scope){SCOPE_METADATA, p->seq, false};
    return true;
}

static bool read_scope(reader *r, const json *v, scope *out) {
    const str entity = json_get_text(v, "entity", STR(""));
    if (str_is(entity, "record")) return record_scope(r, v, out);
    if (str_is(entity, "response")) return response_scope(r, v, out);
    if (str_is(entity, "suggestion")) return suggestion_scope(r, v, out);
    if (str_is(entity, "metadata")) return metadata_scope(r, v, out);
    return invalid(r->c, "body.scope.entity", r->e, "scopes are record, response, suggestion and metadata, not '%.*s'",
                   STR_ARG(entity));
}

/* ---- filters ------------------------------------------------------------------------------------------------------------------------- */

static bool read_terms(reader *r, const json *list, filter *out) {
    const size_t n = json_count(list);
    if (json_kind_of(list) != JSON_ARRAY || n < 1 || n > TERMS_MOST)
        return invalid(r->c, "body.filters.values", r->e, "values should be a list of 1 to %d, it has %zu", TERMS_MOST, n);
    out->terms = arena_array(r->c->a, str, n);
    for (size_t i = 0; i < n; i++) {
        const json *v = json_at(list, i);
        buf text = {0};
        if (json_kind_of(v) == JSON_STRING) out->terms[i] = json_text(v, STR(""));
        else if (json_kind_of(v) == JSON_OBJECT || json_kind_of(v) == JSON_ARRAY || !v)
            return invalid(r->c, "body.filters.values", r->e, "values should be strings, numbers or booleans");
        else {
            json_put(&text, v);
            out->terms[i] = (str){arena_copy(r->c->a, text.ptr, text.len), text.len};
        }
        buf_free(&text);
    }
    out->count = (int)n;
    return true;
}

static bool read_bound(reader *r, const json *v, bool moment, double *out) {
    int64_t at;
    *out = NAN;
    if (!v) return true;
    if (json_kind_of(v) == JSON_STRING) {
        if (moment_parse(json_text(v, STR("")), &at)) *out = (double)at;
        else if (moment || !str_to_double(json_text(v, STR("")), out))
            return invalid(r->c, "body.filters", r->e, "a bound should be %s, it is '%.*s'",
                           moment ? "a date and time" : "a number", STR_ARG(json_text(v, STR(""))));
        return true;
    }
    if (json_kind_of(v) != JSON_INT && json_kind_of(v) != JSON_REAL)
        return invalid(r->c, "body.filters", r->e, "a bound should be a number or a date");
    *out = json_real(v, 0);
    return true;
}

static const filter *read_filter(reader *r, const json *v, int depth);

static const filter *read_children(reader *r, const json *list, filter_kind kind, int depth) {
    const size_t n = json_count(list);
    if (json_kind_of(list) != JSON_ARRAY || !n || n > FILTERS_MOST)
        return invalid(r->c, "body.filters", r->e, "a list of 1 to %d filters is expected", FILTERS_MOST), NULL;
    filter *f = arena_new_of(r->c->a, filter);
    *f = (filter){.kind = kind, .child = arena_array(r->c->a, const filter *, n), .children = (int)n};
    for (size_t i = 0; i < n; i++)
        if (!(f->child[i] = read_filter(r, json_at(list, i), depth + 1))) return NULL;
    return f;
}

static const filter *read_leaf(reader *r, const json *v, bool terms) {
    filter *f = arena_new_of(r->c->a, filter);
    scope s;
    if (!read_scope(r, json_get(v, "scope"), &s)) return NULL;
    *f = (filter){.kind = terms ? FILTER_TERMS : FILTER_RANGE, .scope = s.scope, .part = s.part, .ge = NAN, .le = NAN};
    if (terms) return read_terms(r, json_get(v, "values"), f) ? f : NULL;
    if (!read_bound(r, json_get(v, "ge"), s.moment, &f->ge) || !read_bound(r, json_get(v, "le"), s.moment, &f->le)) return NULL;
    if (isnan(f->ge) && isnan(f->le)) return invalid(r->c, "body.filters", r->e, "a range needs 'ge' or 'le'"), NULL;
    if (f->ge > f->le) return invalid(r->c, "body.filters", r->e, "the range is empty: ge is above le"), NULL;
    return f;
}

static const filter *read_filter(reader *r, const json *v, int depth) {
    const str type = json_get_text(v, "type", STR(""));
    const bool leaf = str_is(type, "terms") || str_is(type, "range");
    if (depth > DEPTH_MOST || ++*(leaf ? &r->filters : &r->groups) > FILTERS_MOST)
        return err_set(r->e, ERR_LIMIT, "at most %d filters, %d deep", FILTERS_MOST, DEPTH_MOST), NULL;
    if (str_is(type, "terms")) return read_leaf(r, v, true);
    if (str_is(type, "range")) return read_leaf(r, v, false);
    if (str_is(type, "and")) return read_children(r, json_get(v, "and"), FILTER_AND, depth);
    if (str_is(type, "or")) return read_children(r, json_get(v, "or"), FILTER_OR, depth);
    if (str_is(type, "not")) {
        filter *f = arena_new_of(r->c->a, filter);
        *f = (filter){.kind = FILTER_NOT, .child = arena_array(r->c->a, const filter *, 1), .children = 1};
        return (f->child[0] = read_filter(r, json_get(v, "not"), depth + 1)) ? f : NULL;
    }
    return invalid(r->c, "body.filters.type", r->e, "filters are terms, range, and, or, not; '%.*s' is none", STR_ARG(type)),
           NULL;
}

static bool read_sort(reader *r, const json *list, record_query *q) {
    const size_t n = json_count(list);
    if (!list) return true;
    if (json_kind_of(list) != JSON_ARRAY || !n || n > SORTS_MOST)
        return invalid(r->c, "body.sort", r->e, "sort should be a list of 1 to %d keys", SORTS_MOST);
    sort_key *keys = arena_array(r->c->a, sort_key, n);
    for (size_t i = 0; i < n; i++) {
        const json *v = json_at(list, i);
        str order;
        scope s;
        if (!read_scope(r, json_get(v, "scope"), &s) || !word_or(r, v, "order", STR("asc"), &order)) return false;
        if (!str_is(order, "asc") && !str_is(order, "desc"))
            return invalid(r->c, "body.sort.order", r->e, "order should be asc or desc");
        keys[i] = (sort_key){s.scope, s.part, str_is(order, "desc")};
    }
    q->sort = keys;
    q->sorts = (int)n;
    return true;
}

/* ---- the query ------------------------------------------------------------------------------------------------------------------------ */

static bool read_text(reader *r, const json *v, record_query *q) {
    if (!v) return true;
    if (json_kind_of(json_get(v, "q")) != JSON_STRING) return invalid(r->c, "body.query.text.q", r->e, "q should be a string");
    q->text = json_get_text(v, "q", STR(""));
    if (!json_get(v, "field")) return true;
    const part *f = part_named(&r->s->field, json_get_text(v, "field", STR("")));
    if (!f) return err_set(r->e, ERR_INPUT, "Field with name `%.*s` not found", STR_ARG(json_get_text(v, "field", STR(""))));
    q->text_field = f->seq;
    return true;
}

static bool vector_given(reader *r, const part *p, const json *list, double **v, int *n) {
    *n = (int)json_count(list);
    *v = arena_array(r->c->a, double, *n + 1);
    for (int i = 0; i < *n; i++) {
        const json_kind kind = json_kind_of(json_at(list, (size_t)i));
        if (kind != JSON_INT && kind != JSON_REAL)
            return invalid(r->c, "body.query.vector.value", r->e, "value should be a list of numbers, one is %s",
                           json_kind_name(kind));
        (*v)[i] = json_real(json_at(list, (size_t)i), 0);
    }
    const json *made = json_at(parts_json(r->c->a, &(parts){(part *)(uintptr_t)p, 1}), 0);
    const int64_t dimensions = json_get_int(made, "dimensions", 0);
    return *n == dimensions ||
           err_set(r->e, ERR_INPUT, "the vector '%s' has %lld dimensions, this one has %d", p->name, (long long)dimensions, *n);
}

static bool vector_of_record(reader *r, const part *p, str text, double **v, int *n, int64_t *without) {
    uuid_text id;
    record row;
    err none = {0};
    if (!uuid_parse(text, id)) return invalid(r->c, "body.query.vector.record_id", r->e, "record_id should be a UUID");
    if (!record_get(r->c->tx, r->c->a, id, &row, &none) || row.dataset != r->c->set.seq)
        return err_set(r->e, ERR_INPUT, "Record with id `%s` not found", id);
    if (!vector_get(r->c->tx, r->c->a, p->seq, row.seq, v, n, r->e)) return false;
    *without = row.seq;
    if (*n) return true;
    r->c->where = "missing_vector";
    return err_set(r->e, ERR_INPUT, "Record `%s` does not have a vector for vector settings `%s`", id, p->name);
}

static bool similar(reader *r, const json *v, const record_query *q, record_hits *out) {
    const part *p = part_named(&r->s->vector, json_get_text(v, "name", STR("")));
    const json *id = json_get(v, "record_id"), *value = json_get(v, "value");
    str order;
    double *vector = NULL;
    int n = 0;
    int64_t without = 0;
    if (!p) return err_set(r->e, ERR_INPUT, "Vector `%.*s` not found", STR_ARG(json_get_text(v, "name", STR(""))));
    if (!word_or(r, v, "order", STR("most_similar"), &order)) return false;
    if (!str_is(order, "most_similar") && !str_is(order, "least_similar"))
        return invalid(r->c, "body.query.vector.order", r->e, "order should be most_similar or least_similar");
    if (!id == !value)
        return invalid(r->c, "body.query.vector", r->e, "either 'record_id' or 'value' should be given, and not both");
    if (!(id ? vector_of_record(r, p, json_text(id, STR("")), &vector, &n, &without) : vector_given(r, p, value, &vector, &n)))
        return false;
    const nearness near = {p->seq, vector, n, str_is(order, "least_similar"), without};
    return record_similar(r->c->tx, r->c->a, q, &near, out, r->e);
}

/* Only while an import is so young, or so large, that waiting for the index took too long. */
static void put_indexing(call *c) {
    if (c->indexing) json_key(&c->w, "indexing"), json_put_int(&c->w, c->indexing);
}

static bool put_hits(call *c, const record_hits *hits, const schema *s, const include *i, bool scored, err *e) {
    items_begin(c);
    for (int k = 0; k < hits->count; k++) {
        json_open(&c->w, '{');
        json_key(&c->w, "record");
        if (!put_record(c, &hits->item[k].record, s, i, e)) return false;
        json_key(&c->w, "query_score");
        if (scored) json_put_real(&c->w, hits->item[k].score);
        else json_put_null(&c->w);
        json_close(&c->w);
    }
    items_end(c);
    json_key(&c->w, "total"), json_put_int(&c->w, hits->total);
    put_indexing(c);
    object_end(c);
    return true;
}

/* Older clients put filters into the query: response_status=, metadata=name:a,b or name:{"ge":1}, sort_by=inserted_at:asc. */
static const filter *old_filter(reader *r, const char *key, str value) {
    filter *f = arena_new_of(r->c->a, filter);
    *f = (filter){.kind = FILTER_TERMS,
                  .scope = SCOPE_RESPONSE_STATUS,
                  .terms = arena_array(r->c->a, str, 1),
                  .count = 1,
                  .ge = NAN,
                  .le = NAN};
    if (strcmp(key, "response_status") == 0) {
        f->terms[0] = str_is(value, "missing") ? STR("pending") : value;
        return f;
    }
    const ptrdiff_t colon = str_find(value, STR(":"), 0);
    const part *p = colon > 0 ? property_named(r, str_slice(value, 0, (size_t)colon)) : NULL;
    if (!p) return err_set(r->e, ERR_INPUT, "metadata=%.*s names no metadata property", STR_ARG(value)), NULL;
    const str rest = str_slice(value, (size_t)colon + 1, value.len);
    f->scope = SCOPE_METADATA;
    f->part = p->seq;
    if (str_starts(rest, STR("{"))) {
        const json *v = json_parse(r->c->a, rest, r->e);
        f->kind = FILTER_RANGE;
        return v && read_bound(r, json_get(v, "ge"), false, &f->ge) && read_bound(r, json_get(v, "le"), false, &f->le) ? f : NULL;
    }
    f->terms = arena_array(r->c->a, str, rest.len + 1);
    f->count = 0;
    for (size_t at = 0; at <= rest.len;) {
        const ptrdiff_t comma = str_find(rest, STR(","), at);
        const size_t end = comma < 0 ? rest.len : (size_t)comma;
        f->terms[f->count++] = str_slice(rest, at, end);
        at = end + 1;
    }
    return f;
}

static bool old_sort(reader *r, str value, sort_key *out) {
    const ptrdiff_t colon = str_find(value, STR(":"), 0);
    const str name = colon < 0 ? value : str_slice(value, 0, (size_t)colon),
              text = colon < 0 ? STR("asc") : str_slice(value, (size_t)colon + 1, value.len),
              order = str_starts(text, STR("SortOrder.")) ? str_slice(text, 10, text.len) : text; /* the client on Python 3.11 */
    *out = (sort_key){SCOPE_INSERTED_AT, 0, str_is(order, "desc")};
    if (str_is(name, "updated_at")) out->scope = SCOPE_UPDATED_AT;
    else if (str_starts(name, STR("metadata."))) {
        const part *p = property_named(r, str_slice(name, 9, name.len));
        if (!p) return err_set(r->e, ERR_INPUT, "sort_by=%.*s names no metadata property", STR_ARG(value));
        *out = (sort_key){SCOPE_METADATA, p->seq, str_is(order, "desc")};
    } else if (!str_is(name, "inserted_at"))
        return invalid(r->c, "query.sort_by", r->e, "sort_by knows inserted_at, updated_at and metadata.NAME");
    return str_is(order, "asc") || str_is(order, "desc") ||
           invalid(r->c, "query.sort_by", r->e, "order should be asc or desc, it is '%.*s'", STR_ARG(order));
}

static bool old_query(reader *r, record_query *q) {
    call *c = r->c;
    const filter **all = arena_array(c->a, const filter *, c->queries + 2),
                 **statuses = arena_array(c->a, const filter *, c->queries + 1);
    sort_key *keys = arena_array(c->a, sort_key, c->queries + 1);
    int filters = 0, status = 0, sorts = 0;
    for (int i = 0; i < c->queries; i++) {
        const char *key = c->query[i].key;
        if (strcmp(key, "response_status") == 0) statuses[status++] = old_filter(r, key, c->query[i].value);
        else if (strcmp(key, "metadata") == 0) all[filters++] = old_filter(r, key, c->query[i].value);
        else if (strcmp(key, "sort_by") == 0 && !old_sort(r, c->query[i].value, &keys[sorts++])) return false;
    }
    if (r->e->code) return false;
    if (status) {
        filter *any = arena_new_of(c->a, filter);
        *any = (filter){.kind = FILTER_OR, .child = statuses, .children = status};
        all[filters++] = any;
    }
    if (q->where && filters) all[filters++] = q->where;
    if (filters) {
        filter *whole = arena_new_of(c->a, filter);
        *whole = (filter){.kind = FILTER_AND, .child = all, .children = filters};
        q->where = whole;
    }
    if (sorts) q->sort = keys, q->sorts = sorts;
    return true;
}

bool old_query_given(const call *c) {
    return query_of(c, "response_status", (str){NULL, 0}).ptr || query_of(c, "metadata", (str){NULL, 0}).ptr ||
           query_of(c, "sort_by", (str){NULL, 0}).ptr;
}

bool put_old_page(call *c, const schema *s, const include *i, int64_t offset, int64_t limit, err *e) {
    record_query q = {.dataset = c->set.seq, .offset = offset, .limit = limit};
    reader r = {.c = c, .s = s, .e = e};
    record_hits hits;
    if (!old_query(&r, &q) || !record_search(c->tx, c->a, &q, &hits, e)) return false;
    items_begin(c);
    for (int k = 0; k < hits.count; k++)
        if (!put_record(c, &hits.item[k].record, s, i, e)) return false;
    items_end(c);
    json_key(&c->w, "total"), json_put_int(&c->w, hits.total);
    put_indexing(c);
    object_end(c);
    return true;
}

static bool search(call *c, bool mine, err *e) {
    schema s;
    include i;
    record_hits hits;
    record_query q = {.dataset = c->set.seq, .user = mine ? c->me.seq : 0, .shuffled = mine};
    reader r = {.c = c, .s = &s, .e = e};
    const json *query = json_get(c->body, "query"), *filters = json_get(c->body, "filters"), *vector = json_get(query, "vector");
    if (c->body && !body_object(c, e)) return false;
    if (query && json_kind_of(query) != JSON_OBJECT)
        return invalid(c, "body.query", e, "query should be an object, it is %s", json_kind_name(json_kind_of(query)));
    if (!include_of(c, &i, e) || !query_int(c, "offset", 0, INT64_MAX / 2, 0, &q.offset, e) ||
        !query_int(c, "limit", 1, PAGE_MOST, PAGE, &q.limit, e) || !schema_of(c, c->set.seq, &s, e) ||
        !read_text(&r, json_get(query, "text"), &q) || !read_sort(&r, json_get(c->body, "sort"), &q))
        return false;
    if (filters && !(q.where = read_filter(&r, filters, 0))) return false;
    if (!old_query(&r, &q)) return false;
    if (mine) i.only_user = c->me.seq ? c->me.seq : -1;
    if (!(vector ? similar(&r, vector, &q, &hits) : record_search(c->tx, c->a, &q, &hits, e))) return false;
    return put_hits(c, &hits, &s, &i, vector || !q.sorts, e);
}

static bool post_search(call *c, err *e) { return search(c, false, e); }
static bool post_my_search(call *c, err *e) { return search(c, true, e); }

static bool get_options(call *c, err *e) {
    schema s;
    if (!schema_of(c, c->set.seq, &s, e)) return false;
    items_begin(c);
    for (int i = 0; i < s.question.count; i++) {
        const part *q = &s.question.item[i];
        const char **agents;
        int count;
        if (!suggestion_agents(c->tx, c->a, q->seq, &agents, &count, e)) return false;
        json_open(&c->w, '{');
        json_key(&c->w, "question"), json_open(&c->w, '{');
        json_key(&c->w, "id"), json_put_cstr(&c->w, q->id);
        json_key(&c->w, "name"), json_put_cstr(&c->w, q->name);
        json_close(&c->w);
        json_key(&c->w, "agents"), json_open(&c->w, '[');
        for (int k = 0; k < count; k++) json_put_cstr(&c->w, agents[k]);
        json_close(&c->w), json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

const route routes_search[] = {
    {"POST", "/api/v1/datasets/{id}/records/search", WHO_ADMIN, OF_DATASET, RUN_FIND, post_search,
     "find records by text, filters, vector"},
    {"POST", "/api/v1/me/datasets/{id}/records/search", WHO_MEMBER, OF_DATASET, RUN_FIND, post_my_search,
     "the same with my answers alone"},
    {"GET", "/api/v1/datasets/{id}/records/search/suggestions/options", WHO_MEMBER, OF_DATASET, RUN_READ, get_options,
     "agents that made suggestions"},
    {0},
};
