/* store_search.c - finding records: full text on the driver's index (db_search in db.h), filters as trees, sorting.
 *
 * A query becomes one SQL statement. What comes from outside is bound, never written into the text: values go to a list and the
 * text gets their number, so a statement has as many parameters as it needs. Texts of statements are therefore few and stay
 * prepared. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "store/row.h"
#include "store/words.h"

enum { PARAMETERS_MOST = 256 }; /* fifty filters take at most four each */

/* ---- the index ----------------------------------------------------------------------------------------------------------------------- */

bool db_search_drop(store_tx *t, int64_t set, err *e) {
    return db_search_of(t)->drop(t, set, e) && db_run(t, e, "DELETE FROM text_changes WHERE dataset = $1", db_i(set));
}

bool search_create(store_tx *t, int64_t set, const parts *fields, err *e) {
    return db_search_drop(t, set, e) && db_search_of(t)->create(t, set, fields, e) && words_changed(t, set, 0, e);
}

bool search_put(store_tx *t, int64_t set, int64_t row, const parts *fields, const str *before, const str *texts, err *e) {
    const db_search *x = db_search_of(t);
    if (!fields->count) return true;
    return words_changed(t, set, row, e) && (!before || x->put(t, set, row, fields, before, true, e)) &&
           (!texts || x->put(t, set, row, fields, texts, false, e));
}

bool search_compact(store_tx *t, int64_t set, err *e) { return db_search_of(t)->compact(t, set, e); }

/* ---- filters as SQL --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    const db_search *text;
    buf sql;
    db_value value[PARAMETERS_MOST];
    int count;
    int64_t user;
    bool too_many;
} builder;

static builder builder_of(store_tx *t, arena *a, const record_query *q) {
    return (builder){.a = a, .text = db_search_of(t), .user = q->user};
}

static void put_value(builder *b, db_value v) {
    if (b->count == PARAMETERS_MOST) b->too_many = true;
    else b->value[b->count++] = v;
    buf_printf(&b->sql, "$%d", b->count);
}

/* Terms go as one JSON array, so that their number does not change the statement. */
static void put_terms(builder *b, const filter *f) {
    buf list = {0};
    json_writer w = json_writer_on(&list, false);
    json_open(&w, '[');
    for (int i = 0; i < f->count; i++) json_put_text(&w, f->terms[i]);
    json_close(&w);
    buf_put_text(&b->sql, b->text->list_begin);
    put_value(b, db_s((str){arena_copy(b->a, list.ptr, list.len), list.len}));
    buf_put_text(&b->sql, b->text->list_end);
    buf_free(&list);
}

static void put_bounds(builder *b, const char *column, const filter *f) {
    if (!isnan(f->ge)) {
        buf_printf(&b->sql, "%s >= ", column);
        put_value(b, db_r(f->ge));
    }
    if (!isnan(f->ge) && !isnan(f->le)) buf_put_text(&b->sql, " AND ");
    if (!isnan(f->le)) {
        buf_printf(&b->sql, "%s <= ", column);
        put_value(b, db_r(f->le));
    }
    if (isnan(f->ge) && isnan(f->le)) buf_put_text(&b->sql, "1");
}

static void put_condition(builder *b, const char *column, const filter *f) {
    if (f->kind == FILTER_RANGE) put_bounds(b, column, f);
    else {
        buf_printf(&b->sql, "%s IN ", column);
        put_terms(b, f);
    }
}

static void put_facet(builder *b, facet_kind kind, const filter *f) {
    buf_printf(&b->sql, "r.seq IN (SELECT record FROM facets WHERE kind = %d AND part = ", kind);
    put_value(b, db_i(f->part));
    if (kind == FACET_RESPONSE && b->user) {
        buf_put_text(&b->sql, " AND owner = ");
        put_value(b, db_i(b->user));
    }
    buf_put_text(&b->sql, " AND ");
    put_condition(b, f->kind == FILTER_RANGE ? "number" : "text", f);
    buf_put_char(&b->sql, ')');
}

static void put_suggestion(builder *b, const char *column, const filter *f) {
    buf_put_text(&b->sql, "r.seq IN (SELECT record FROM suggestions WHERE question = ");
    put_value(b, db_i(f->part));
    buf_put_text(&b->sql, " AND ");
    put_condition(b, column, f);
    buf_put_char(&b->sql, ')');
}

static void put_response_status(builder *b, const filter *f) {
    const char *mine = "";
    if (b->user) mine = arena_printf(b->a, " AND s.user = %lld", (long long)b->user);
    buf_put_text(&b->sql, "(0");
    for (int i = 0; i < f->count; i++) {
        response_status status;
        if (response_status_of(f->terms[i], &status))
            buf_printf(&b->sql, " OR EXISTS (SELECT 1 FROM responses s WHERE s.record = r.seq%s AND s.status = %d)", mine,
                       status);
        else if (str_is(f->terms[i], "pending"))
            buf_printf(&b->sql, " OR NOT EXISTS (SELECT 1 FROM responses s WHERE s.record = r.seq%s)", mine);
    }
    buf_put_char(&b->sql, ')');
}

static void put_status(builder *b, const filter *f) {
    bool pending = false, completed = false;
    for (int i = 0; i < f->count; i++) {
        pending |= str_is(f->terms[i], "pending");
        completed |= str_is(f->terms[i], "completed");
    }
    buf_put_text(&b->sql, pending && completed ? "1" : pending ? "r.completed = 0" : completed ? "r.completed = 1" : "0");
}

static void put_filter(builder *b, const filter *f) {
    if (f->kind == FILTER_NOT) {
        buf_put_text(&b->sql, "NOT ");
        put_filter(b, f->child[0]);
        return;
    }
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        buf_put_char(&b->sql, '(');
        for (int i = 0; i < f->children; i++) {
            if (i) buf_put_text(&b->sql, f->kind == FILTER_AND ? " AND " : " OR ");
            put_filter(b, f->child[i]);
        }
        buf_put_text(&b->sql, f->children ? ")" : "1)");
        return;
    }
    buf_put_char(&b->sql, '(');
    switch (f->scope) {
    case SCOPE_ID: put_condition(b, "r.id", f); break;
    case SCOPE_EXTERNAL_ID: /* false, not unknown, without one: NOT turns it round */
        buf_put_text(&b->sql, "r.external_id IS NOT NULL AND ");
        put_condition(b, "r.external_id", f);
        break;
    case SCOPE_INSERTED_AT: put_condition(b, "r.inserted_at", f); break;
    case SCOPE_UPDATED_AT: put_condition(b, "r.updated_at", f); break;
    case SCOPE_STATUS: put_status(b, f); break;
    case SCOPE_RESPONSE_STATUS: put_response_status(b, f); break;
    case SCOPE_RESPONSE: put_facet(b, FACET_RESPONSE, f); break;
    case SCOPE_SUGGESTION: put_facet(b, FACET_SUGGESTION, f); break;
    case SCOPE_METADATA: put_facet(b, FACET_METADATA, f); break;
    case SCOPE_SUGGESTION_SCORE: put_suggestion(b, "CAST(score AS REAL)", f); break;
    case SCOPE_SUGGESTION_AGENT: put_suggestion(b, "agent", f); break;
    case SCOPE_SUGGESTION_TYPE: put_suggestion(b, "type", f); break;
    }
    buf_put_char(&b->sql, ')');
}

/* What a record is sorted by: the mean over what it has in scope. */
static void put_sort(builder *b, const sort_key *k) {
    const char *mine = k->scope == SCOPE_RESPONSE && b->user ? arena_printf(b->a, " AND owner = %lld", (long long)b->user) : "";
    const char *value = NULL;
    switch (k->scope) {
    case SCOPE_ID: value = "r.id"; break;
    case SCOPE_EXTERNAL_ID: value = "r.external_id"; break;
    case SCOPE_INSERTED_AT: value = "r.inserted_at"; break;
    case SCOPE_UPDATED_AT: value = "r.updated_at"; break;
    case SCOPE_STATUS: value = "r.completed"; break;
    case SCOPE_RESPONSE:
    case SCOPE_SUGGESTION:
    case SCOPE_METADATA:
        value = arena_printf(
            b->a, "(SELECT coalesce(avg(number), min(text)) FROM facets WHERE record = r.seq AND kind = %d AND part = %lld%s)",
            k->scope == SCOPE_RESPONSE     ? FACET_RESPONSE
            : k->scope == SCOPE_SUGGESTION ? FACET_SUGGESTION
                                           : FACET_METADATA,
            (long long)k->part, mine);
        break;
    case SCOPE_SUGGESTION_SCORE:
    case SCOPE_SUGGESTION_AGENT:
    case SCOPE_SUGGESTION_TYPE:
        value = arena_printf(b->a, "(SELECT %s FROM suggestions WHERE record = r.seq AND question = %lld)",
                             k->scope == SCOPE_SUGGESTION_SCORE   ? "CAST(score AS REAL)"
                             : k->scope == SCOPE_SUGGESTION_AGENT ? "agent"
                                                                  : "type",
                             (long long)k->part);
        break;
    default: return;
    }
    buf_printf(&b->sql, "%s %s NULLS LAST, ", value, k->descending ? "DESC" : "ASC");
}

/* FROM ... WHERE ... of a query. *ranked: the index gives a score. */
static void put_from(builder *b, const record_query *q, bool *ranked) {
    const char *match = NULL;
    bool all_but = false;
    const bool text = q->text.ptr && b->text->match(b->a, q->text, q->text_field, &match, &all_but);
    *ranked = text && !all_but;
    buf_put_text(&b->sql, *ranked ? b->text->from(b->a, q->dataset) : RECORD_FROM);
    buf_put_text(&b->sql, "WHERE r.dataset = ");
    put_value(b, db_i(q->dataset));
    if (text) {
        if (all_but) buf_printf(&b->sql, " AND r.seq NOT IN (%s", b->text->rows(b->a, q->dataset, "seq"));
        else buf_printf(&b->sql, " AND %s", b->text->where(b->a, q->dataset));
        put_value(b, db_c(match));
        if (all_but) buf_put_char(&b->sql, ')');
    } else if (q->text.ptr && str_trim(q->text).len) buf_put_text(&b->sql, " AND 0"); /* words of punctuation alone */
    if (q->where) {
        buf_put_text(&b->sql, " AND ");
        put_filter(b, q->where);
    }
}

static void put_order(builder *b, const record_query *q, bool ranked) {
    buf_put_text(&b->sql, " ORDER BY ");
    for (int i = 0; i < q->sorts; i++) put_sort(b, &q->sort[i]);
    if (!q->sorts && ranked) buf_printf(&b->sql, "%s, ", b->text->rank);
    else if (!q->sorts && q->shuffled && q->user) /* a walk over residues of a prime, begun elsewhere by each */
        buf_printf(&b->sql, "((r.seq + %lld) * 7919 %% 104729), ", (long long)(q->user * 15485863 % 104729));
    buf_put_text(&b->sql, "r.seq");
}

/* Without an index nothing was ever put in. */
static bool unsearchable(store_tx *t, const record_query *q, err *e) {
    return q->text.ptr && !db_search_of(t)->is_there(t, q->dataset, e);
}

static bool too_many(const builder *b, err *e) {
    return b->too_many && !err_set(e, ERR_LIMIT, "a query of at most %d conditions, this one has more", PARAMETERS_MOST / 4);
}

/* "SELECT seq, score ..." so far: a page of it. Ends the builder. */
static bool find_page(store_tx *t, builder *b, const record_query *q, found_list *out, err *e) {
    *out = (found_list){0};
    buf_put_text(&b->sql, " LIMIT ");
    put_value(b, db_i(q->limit));
    buf_put_text(&b->sql, " OFFSET ");
    put_value(b, db_i(q->offset));
    if (!too_many(b, e)) {
        db_rows *r = db_query_values(t, b->sql.ptr, b->value, b->count, e);
        while (db_next(r, e)) STORE_APPEND(b->a, out, (found){db_int(r, 0), db_real(r, 1)});
    }
    buf_free(&b->sql);
    return e->code == ERR_NONE;
}

static bool find_any(store_tx *t, arena *a, const record_query *q, found_list *out, err *e) {
    builder b = builder_of(t, a, q), from = builder_of(t, a, q);
    bool ranked;
    put_from(&from, q, &ranked); /* for what it says of the rank, which stands before it */
    buf_free(&from.sql);
    if (ranked && !q->sorts) buf_printf(&b.sql, "SELECT r.seq, -%s ", b.text->rank);
    else buf_put_text(&b.sql, "SELECT r.seq, 1.0 ");
    put_from(&b, q, &ranked);
    put_order(&b, q, ranked);
    return find_page(t, &b, q, out, e);
}

/* Sorted by one number of the metadata alone: whoever has one has just one, and the index has them in order. */
static bool sorts_by_number(store_tx *t, arena *a, const record_query *q, err *e) {
    return q->sorts == 1 && q->sort[0].scope == SCOPE_METADATA &&
           db_int_of(t, e, 0,
                     arena_printf(a, "SELECT %s IN ('integer', 'float') FROM parts WHERE seq = $1", db_search_of(t)->type_of),
                     db_i(q->sort[0].part)) == 1;
}

/* False in *whole: the page is not full, so that those without the number, who come last, may belong to it. */
static bool find_by_number(store_tx *t, arena *a, const record_query *q, found_list *out, bool *whole, err *e) {
    builder b = builder_of(t, a, q);
    buf_printf(&b.sql, "SELECT r.seq, 1.0 FROM facets s CROSS JOIN records r ON r.seq = s.record WHERE s.kind = %d AND s.part = ",
               FACET_METADATA);
    put_value(&b, db_i(q->sort[0].part));
    buf_put_text(&b.sql, " AND s.number IS NOT NULL AND r.dataset = ");
    put_value(&b, db_i(q->dataset));
    if (q->where) {
        buf_put_text(&b.sql, " AND ");
        put_filter(&b, q->where);
    }
    buf_printf(&b.sql, " ORDER BY s.number %s, s.record", q->sort[0].descending ? "DESC" : "ASC");
    const bool ok = find_page(t, &b, q, out, e);
    *whole = ok && out->count == q->limit;
    return ok;
}

static int64_t count_all(store_tx *t, arena *a, const record_query *q, err *e) {
    builder b = builder_of(t, a, q);
    const char *match;
    bool ranked, all_but = false;
    if (!q->where && !q->text.ptr) return db_int_of(t, e, 0, "SELECT records FROM datasets WHERE seq = $1", db_i(q->dataset));
    if (!q->where && b.text->match(a, q->text, q->text_field, &match, &all_but) &&
        !all_but) { /* the index has this dataset alone */
        buf_put_text(&b.sql, b.text->rows(a, q->dataset, "*"));
        put_value(&b, db_c(match));
    } else {
        buf_put_text(&b.sql, "SELECT count(*) ");
        put_from(&b, q, &ranked);
    }
    const int64_t n = too_many(&b, e) ? 0 : db_int_of_values(t, 0, b.sql.ptr, b.value, b.count, e);
    buf_free(&b.sql);
    return n;
}

/* Sorting moves numbers about, not records: these are read when it is known which. */
static bool find_page_of(store_tx *t, arena *a, const record_query *q, found_list *page, int64_t *total, err *e) {
    bool done = false, whole = false;
    const bool by_number = sorts_by_number(t, a, q, e);
    if (e->code || !plain_page(t, a, q, by_number, page, total, &done, e) || done) return e->code == ERR_NONE;
    if (by_number && !q->text.ptr && !find_by_number(t, a, q, page, &whole, e)) return false;
    if (!whole && !find_any(t, a, q, page, e)) return false;
    const bool last = page->count < q->limit && (page->count || !q->offset), plain = !q->where && !q->text.ptr;
    *total = last && !plain ? q->offset + page->count : count_all(t, a, q, e);
    return e->code == ERR_NONE;
}

bool record_search(store_tx *t, arena *a, const record_query *q, record_hits *out, err *e) {
    found_list page;
    *out = (record_hits){0};
    if (unsearchable(t, q, e)) return e->code == ERR_NONE;
    if (!find_page_of(t, a, q, &page, &out->total, e)) return false;
    for (int i = 0; i < page.count && !e->code; i++) {
        db_rows *r = db_query(t, e, "SELECT " RECORD_COLUMNS RECORD_FROM "WHERE r.seq = $1", db_i(page.item[i].seq));
        if (db_next(r, e)) STORE_APPEND(a, out, (record_hit){record_read(r, a), page.item[i].score});
        db_done(r);
    }
    return e->code == ERR_NONE;
}

bool search_seqs(store_tx *t, arena *a, const record_query *q, int64_t **out, int64_t *count, err *e) {
    builder b = builder_of(t, a, q);
    struct {
        int64_t *item;
        int count;
    } list = {0};
    bool ranked;
    *count = 0;
    if (unsearchable(t, q, e)) return e->code == ERR_NONE;
    buf_put_text(&b.sql, "SELECT r.seq ");
    put_from(&b, q, &ranked);
    buf_put_text(&b.sql, " ORDER BY r.seq");
    const bool ok =
        !b.too_many || err_set(e, ERR_LIMIT, "a query of at most %d conditions, this one has more", PARAMETERS_MOST / 4);
    if (ok) {
        db_rows *r = db_query_values(t, b.sql.ptr, b.value, b.count, e);
        while (db_next(r, e)) STORE_APPEND(a, &list, db_int(r, 0));
    }
    buf_free(&b.sql);
    *out = list.item;
    *count = list.count;
    return ok && e->code == ERR_NONE;
}
