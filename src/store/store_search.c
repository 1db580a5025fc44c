/* store_search.c - finding records: full text in Elasticsearch's simple query syntax on an FTS5 index, filters as trees, sorting.
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

static bool search_is_there(store_tx *t, int64_t set, err *e) {
    char name[48];
    snprintf(name, sizeof name, "search_%lld", (long long)set);
    return db_int_of(t, e, 0, "SELECT 1 FROM sqlite_schema WHERE name = $1", db_c(name)) == 1;
}

bool db_search_drop(store_tx *t, int64_t set, err *e) {
    char sql[96];
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS search_%lld", (long long)set);
    return db_exec(t, sql, e) && db_run(t, e, "DELETE FROM text_changes WHERE dataset = $1", db_i(set));
}

bool search_create(store_tx *t, int64_t set, const parts *fields, err *e) {
    buf sql = {0};
    buf_printf(&sql, "CREATE VIRTUAL TABLE search_%lld USING fts5(", (long long)set);
    for (int i = 0; i < fields->count; i++) buf_printf(&sql, "f%lld, ", (long long)fields->item[i].seq);
    buf_put_text(&sql, "content='', tokenize='unicode61 remove_diacritics 0')");
    const bool ok = db_search_drop(t, set, e) && (!fields->count || db_exec(t, sql.ptr, e)) && words_changed(t, set, 0, e);
    buf_free(&sql);
    return ok;
}

/* The index keeps no texts: to take a record out it must be told what it put in. */
static bool index_row(store_tx *t, int64_t set, int64_t row, const parts *fields, const str *texts, bool remove, err *e) {
    buf sql = {0};
    db_value v[PARAMETERS_MOST + 1];
    const int n = fields->count < PARAMETERS_MOST - 1 ? fields->count : PARAMETERS_MOST - 1;
    buf_printf(&sql, "INSERT INTO search_%lld(", (long long)set);
    if (remove) buf_printf(&sql, "search_%lld, ", (long long)set);
    buf_put_text(&sql, "rowid");
    for (int i = 0; i < n; i++) buf_printf(&sql, ", f%lld", (long long)fields->item[i].seq);
    buf_printf(&sql, ") VALUES(%s$1", remove ? "'delete', " : "");
    v[0] = db_i(row);
    for (int i = 0; i < n; i++) {
        buf_printf(&sql, ", $%d", i + 2);
        v[i + 1] = texts[i].ptr ? db_s(texts[i]) : db_c("");
    }
    buf_put_char(&sql, ')');
    const bool ok = db_run_values(t, sql.ptr, v, n + 1, e);
    buf_free(&sql);
    return ok;
}

bool search_put(store_tx *t, int64_t set, int64_t row, const parts *fields, const str *before, const str *texts, err *e) {
    if (!fields->count) return true;
    return words_changed(t, set, row, e) && (!before || index_row(t, set, row, fields, before, true, e)) &&
           (!texts || index_row(t, set, row, fields, texts, false, e));
}

bool search_compact(store_tx *t, int64_t set, err *e) {
    char sql[128];
    const bool there = search_is_there(t, set, e);
    snprintf(sql, sizeof sql, "INSERT INTO search_%lld(search_%lld) VALUES('optimize')", (long long)set, (long long)set);
    return !e->code && (!there || db_exec(t, sql, e));
}

/* ---- the language of text queries ------------------------------------------------------------------------------------------------------ */

/* words AND by default, + and, | or, -word not, "phrase", pre*, ( ), word~1 and "a b"~2 (the number is read and not used: FTS5 knows no
 * edit distance), \ escapes. Errors never fail: what cannot be read is left out. */
typedef struct {
    str s;
    size_t at;
    int depth;
} reader;

static void skip_space(reader *r) {
    while (r->at < r->s.len && strchr(" \t\r\n+", r->s.ptr[r->at])) r->at++;
}

static void skip_fuzz(reader *r) {
    if (r->at < r->s.len && r->s.ptr[r->at] == '~') {
        r->at++;
        while (r->at < r->s.len && r->s.ptr[r->at] >= '0' && r->s.ptr[r->at] <= '9') r->at++;
    }
}

/* A word or phrase as an FTS5 string; false when nothing of it is left. */
static bool term(reader *r, buf *out) {
    const bool phrase = r->s.ptr[r->at] == '"';
    buf word = {0};
    bool prefix = false;
    if (phrase) r->at++;
    for (; r->at < r->s.len; r->at++) {
        const char c = r->s.ptr[r->at];
        if (c == '\\' && r->at + 1 < r->s.len) buf_put_char(&word, r->s.ptr[++r->at]);
        else if (phrase ? c == '"' : strchr(" \t\r\n|()~\"", c) != NULL) break;
        else if (!phrase && c == '*' && (r->at + 1 >= r->s.len || strchr(" \t\r\n|()", r->s.ptr[r->at + 1]))) prefix = true;
        else buf_put_char(&word, c);
    }
    if (phrase && r->at < r->s.len) r->at++;
    skip_fuzz(r);
    bool some = false;
    for (size_t i = 0; i < word.len; i++) {
        const unsigned char c = (unsigned char)word.ptr[i];
        some |= c >= 128 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    if (some) {
        buf_put_char(out, '"');
        for (size_t i = 0; i < word.len; i++) {
            if (word.ptr[i] == '"') buf_put_char(out, '"');
            if (word.ptr[i]) buf_put_char(out, word.ptr[i]);
        }
        buf_put_text(out, prefix ? "\"*" : "\"");
    }
    buf_free(&word);
    return some;
}

static bool alternatives(reader *r, buf *out, bool *all_but);

/* One operand; *negated: it says what must not be there. */
static bool operand(reader *r, buf *out, bool *negated) {
    *negated = false;
    while (r->at < r->s.len && r->s.ptr[r->at] == '-') {
        *negated = !*negated;
        r->at++;
    }
    if (r->at >= r->s.len) return false;
    if (r->s.ptr[r->at] != '(' || r->depth > 20)
        return r->s.ptr[r->at] == '(' || r->s.ptr[r->at] == ')' ? (r->at++, false) : term(r, out);
    buf inner = {0};
    bool all_but;
    r->at++;
    r->depth++;
    const bool some = alternatives(r, &inner, &all_but);
    r->depth--;
    if (r->at < r->s.len && r->s.ptr[r->at] == ')') r->at++;
    if (some) buf_printf(out, "(%s)", inner.ptr);
    if (all_but) *negated = !*negated;
    buf_free(&inner);
    return some;
}

/* Operands joined by AND; those that must not be there behind NOT. When all are negated the result is what must not be there. */
static bool conjunction(reader *r, buf *out, bool *all_but) {
    buf yes = {0}, no = {0}, one = {0};
    bool negated;
    while (skip_space(r), r->at < r->s.len && r->s.ptr[r->at] != '|' && r->s.ptr[r->at] != ')') {
        const size_t before = r->at;
        buf_clear(&one);
        if (operand(r, &one, &negated)) {
            buf *to = negated ? &no : &yes;
            buf_printf(to, "%s%s", to->len ? (negated ? " OR " : " AND ") : "", one.ptr);
        } else if (r->at == before) r->at++;
    }
    *all_but = !yes.len && no.len;
    if (yes.len && no.len) buf_printf(out, "(%s) NOT (%s)", yes.ptr, no.ptr);
    else if (yes.len || no.len) buf_put_text(out, yes.len ? yes.ptr : no.ptr);
    const bool some = yes.len || no.len;
    buf_free(&yes), buf_free(&no), buf_free(&one);
    return some;
}

static bool alternatives(reader *r, buf *out, bool *all_but) {
    buf one = {0};
    int count = 0;
    *all_but = false;
    do {
        bool but;
        buf_clear(&one);
        if (conjunction(r, &one, &but) && (!but || !count)) { /* FTS5 has no complement: "a | -b" is read as "a" */
            buf_printf(out, "%s(%s)", count ? " OR " : "", one.ptr);
            *all_but = but;
            count++;
            if (but) break;
        }
    } while (r->at < r->s.len && r->s.ptr[r->at] == '|' && ++r->at);
    buf_free(&one);
    return count > 0;
}

/* The FTS5 expression of a query; false: it names no word. */
static bool match_of(arena *a, str text, int64_t field, const char **out, bool *all_but) {
    reader r = {.s = text};
    buf expression = {0};
    bool some = alternatives(&r, &expression, all_but);
    if (some) *out = field ? arena_printf(a, "f%lld : (%s)", (long long)field, expression.ptr) : arena_text(a, expression.ptr);
    buf_free(&expression);
    return some;
}

/* ---- filters as SQL --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    buf sql;
    db_value value[PARAMETERS_MOST];
    int count;
    int64_t user;
    bool too_many;
} builder;

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
    buf_put_text(&b->sql, "(SELECT value FROM json_each(");
    put_value(b, db_s((str){arena_copy(b->a, list.ptr, list.len), list.len}));
    buf_put_text(&b->sql, "))");
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

/* FROM ... WHERE ... of a query. *ranked: the index gives a score. What is outside in a CROSS JOIN stays outside: with the records there
 * the words would be looked up once for each of them. */
static void put_from(builder *b, const record_query *q, bool *ranked) {
    const char *match = NULL;
    bool all_but = false;
    const bool text = q->text.ptr && match_of(b->a, q->text, q->text_field, &match, &all_but);
    *ranked = text && !all_but;
    if (*ranked) buf_printf(&b->sql, "FROM search_%lld x CROSS JOIN records r ON r.seq = x.rowid ", (long long)q->dataset);
    else buf_put_text(&b->sql, RECORD_FROM);
    buf_put_text(&b->sql, "WHERE r.dataset = ");
    put_value(b, db_i(q->dataset));
    if (text) {
        const char *table = arena_printf(b->a, "search_%lld", (long long)q->dataset);
        if (all_but) buf_printf(&b->sql, " AND r.seq NOT IN (SELECT rowid FROM %s WHERE %s MATCH ", table, table);
        else buf_printf(&b->sql, " AND %s MATCH ", table);
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
    if (!q->sorts && ranked) buf_put_text(&b->sql, "rank, ");
    else if (!q->sorts && q->shuffled && q->user) /* a walk over residues of a prime, begun elsewhere by each */
        buf_printf(&b->sql, "((r.seq + %lld) * 7919 %% 104729), ", (long long)(q->user * 15485863 % 104729));
    buf_put_text(&b->sql, "r.seq");
}

/* Without an index nothing was ever put in. */
static bool unsearchable(store_tx *t, const record_query *q, err *e) { return q->text.ptr && !search_is_there(t, q->dataset, e); }

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
    builder b = {.a = a, .user = q->user}, from = {.a = a, .user = q->user};
    bool ranked;
    put_from(&from, q, &ranked); /* for what it says of the rank, which stands before it */
    buf_free(&from.sql);
    buf_printf(&b.sql, "SELECT r.seq, %s ", ranked && !q->sorts ? "-rank" : "1.0");
    put_from(&b, q, &ranked);
    put_order(&b, q, ranked);
    return find_page(t, &b, q, out, e);
}

/* Sorted by one number of the metadata alone: whoever has one has just one, and the index has them in order. */
static bool sorts_by_number(store_tx *t, const record_query *q, err *e) {
    return q->sorts == 1 && q->sort[0].scope == SCOPE_METADATA &&
           db_int_of(t, e, 0, "SELECT json_extract(settings, '$.type') IN ('integer', 'float') FROM parts WHERE seq = $1",
                     db_i(q->sort[0].part)) == 1;
}

/* False in *whole: the page is not full, so that those without the number, who come last, may belong to it. */
static bool find_by_number(store_tx *t, arena *a, const record_query *q, found_list *out, bool *whole, err *e) {
    builder b = {.a = a, .user = q->user};
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
    builder b = {.a = a, .user = q->user};
    const char *match;
    bool ranked, all_but = false;
    if (!q->where && !q->text.ptr) return db_int_of(t, e, 0, "SELECT records FROM datasets WHERE seq = $1", db_i(q->dataset));
    if (!q->where && match_of(a, q->text, q->text_field, &match, &all_but) && !all_but) { /* the index has this dataset alone */
        buf_printf(&b.sql, "SELECT count(*) FROM search_%lld WHERE search_%lld MATCH ", (long long)q->dataset,
                   (long long)q->dataset);
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
    const bool by_number = sorts_by_number(t, q, e);
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
    builder b = {.a = a, .user = q->user};
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
