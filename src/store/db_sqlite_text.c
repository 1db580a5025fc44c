/* db_sqlite_text.c - the text index of SQLite: FTS5 tables, one a dataset, and queries in Elasticsearch's simple syntax as its expressions.
 *
 * The statements that only SQLite understands are here; store_search.c puts the pieces into its own (db_search in db.h). */
#include <stdio.h>
#include <string.h>

#include "store/db.h"

enum { COLUMNS_MOST = 255 };

/* ---- the index ----------------------------------------------------------------------------------------------------------------------- */

static bool is_there(store_tx *t, int64_t set, err *e) {
    char name[48];
    snprintf(name, sizeof name, "search_%lld", (long long)set);
    return db_int_of(t, e, 0, "SELECT 1 FROM sqlite_schema WHERE name = $1", db_c(name)) == 1;
}

static bool drop(store_tx *t, int64_t set, err *e) {
    char sql[96];
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS search_%lld", (long long)set);
    return db_exec(t, sql, e);
}

static bool create(store_tx *t, int64_t set, const parts *fields, err *e) {
    buf sql = {0};
    buf_printf(&sql, "CREATE VIRTUAL TABLE search_%lld USING fts5(", (long long)set);
    for (int i = 0; i < fields->count; i++) buf_printf(&sql, "f%lld, ", (long long)fields->item[i].seq);
    buf_put_text(&sql, "content='', tokenize='unicode61 remove_diacritics 0')");
    const bool ok = drop(t, set, e) && (!fields->count || db_exec(t, sql.ptr, e));
    buf_free(&sql);
    return ok;
}

/* The index keeps no texts: to take a record out it must be told what it put in. */
static bool put(store_tx *t, int64_t set, int64_t row, const parts *fields, const str *texts, bool remove, err *e) {
    buf sql = {0};
    db_value v[COLUMNS_MOST + 1];
    const int n = fields->count < COLUMNS_MOST ? fields->count : COLUMNS_MOST;
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

static bool compact(store_tx *t, int64_t set, err *e) {
    char sql[128];
    const bool there = is_there(t, set, e);
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
static bool match(arena *a, str text, int64_t field, const char **out, bool *all_but) {
    reader r = {.s = text};
    buf expression = {0};
    bool some = alternatives(&r, &expression, all_but);
    if (some) *out = field ? arena_printf(a, "f%lld : (%s)", (long long)field, expression.ptr) : arena_text(a, expression.ptr);
    buf_free(&expression);
    return some;
}

/* ---- pieces of statements -------------------------------------------------------------------------------------------------------------- */

/* What is outside in a CROSS JOIN stays outside: with the records there the words would be looked up once for each of them. */
static const char *from(arena *a, int64_t set) {
    return arena_printf(a, "FROM search_%lld x CROSS JOIN records r ON r.seq = x.rowid ", (long long)set);
}

static const char *where(arena *a, int64_t set) { return arena_printf(a, "search_%lld MATCH ", (long long)set); }

static const char *rows(arena *a, int64_t set, const char *what) {
    return arena_printf(a, "SELECT %s FROM search_%lld WHERE search_%lld MATCH ", *what == '*' ? "count(*)" : "rowid",
                        (long long)set, (long long)set);
}

const db_search db_sqlite_search = {.is_there = is_there,
                                    .drop = drop,
                                    .create = create,
                                    .put = put,
                                    .compact = compact,
                                    .match = match,
                                    .from = from,
                                    .where = where,
                                    .rows = rows,
                                    .rank = "rank",
                                    .list_begin = "(SELECT value FROM json_each(",
                                    .list_end = "))",
                                    .type_of = "json_extract(settings, '$.type')"};
