/* detect.c - each format says of each of the first rows how sure it is; the surest on the whole wins.
 *
 * A format is a candidate when half of the rows or more may be its own (so that one bad row is reported as a bad row, not as an
 * unknown format). Two candidates half a step apart or less are as sure as each other: the caller's wish decides if it knows one
 * kind only, else the user is asked. */
#include "data/detect.h"

#include <string.h>

enum { ROWS_MAX = 50, BYTES_MAX = 16 << 20, FORMATS_MAX = 64, COLUMNS_MAX = 64, KINDS = EXAMPLE_KIND_COUNT };

typedef struct {
    int mine, sureness, kind[KINDS];
} tally;

typedef struct {
    arena *a;
    int rows;
    tally of[FORMATS_MAX];
    const char *columns[COLUMNS_MAX + 1]; /* of the rows, in the order met */
    int column_count;
    err bad; /* of the first row that is no JSON */
    int64_t bad_line;
} looking;

static void look_at_columns(looking *l, const json *row) {
    for (json_member m = {0}; json_next(row, &m);) {
        int i = 0;
        while (i < l->column_count && strcmp(l->columns[i], m.key)) i++;
        if (i == l->column_count && i < COLUMNS_MAX) l->columns[l->column_count++] = arena_text(l->a, m.key);
    }
}

static void look_at_row(looking *l, const json *row) {
    int count;
    const format *const *all = format_list(&count);
    l->rows++;
    look_at_columns(l, row);
    for (int i = 0; i < count && i < FORMATS_MAX; i++) {
        const guess g = all[i]->look ? all[i]->look(row) : NOT_MINE;
        if (g.level == LIKELY_NOT) continue;
        l->of[i].mine++;
        l->of[i].sureness += (int)g.level;
        l->of[i].kind[g.kind]++;
    }
}

static bool look_at_rows(looking *l, const row_files *files, bool members, err *e) {
    row_stream s;
    str text;
    size_t bytes = 0;
    if (!row_stream_open(&s, files, members, e)) return false;
    while (l->rows < ROWS_MAX && bytes < BYTES_MAX && row_stream_next(&s, &text, e)) {
        arena *scratch = arena_new();
        json *row = s.rows.bad.code ? NULL : json_parse(scratch, text, &l->bad);
        if (row) look_at_row(l, row);
        else if (!l->bad_line) l->bad_line = s.line;
        bytes += text.len + 1;
        arena_free(scratch);
    }
    row_stream_close(&s);
    return !e->code || l->rows > 0; /* what comes after good rows is reported when it is read */
}

/* ---- choosing ------------------------------------------------------------------------------------------------------------------ */

static example_kind kind_of(const tally *t) {
    int best = 0;
    for (int k = 1; k < KINDS; k++)
        if (t->kind[k] > t->kind[best]) best = k;
    return (example_kind)best;
}

static bool is_candidate(const looking *l, int i, unsigned kinds) {
    const tally *t = &l->of[i];
    return t->mine && t->mine * 2 >= l->rows && (!kinds || kinds & KIND(kind_of(t)));
}

/* The surest candidate and the second, -1 where there is none. */
static void rank(const looking *l, unsigned kinds, int *first, int *second) {
    int count;
    format_list(&count);
    *first = *second = -1;
    for (int i = 0; i < count && i < FORMATS_MAX; i++) {
        if (!is_candidate(l, i, kinds)) continue;
        if (*first < 0 || l->of[i].sureness > l->of[*first].sureness) *second = *first, *first = i;
        else if (*second < 0 || l->of[i].sureness > l->of[*second].sureness) *second = i;
    }
}

static const char *joined(arena *a, const char *const *names) {
    char *out = arena_text(a, "");
    for (int i = 0; names[i]; i++) out = arena_printf(a, "%s%s'%s'", out, i ? ", " : "", names[i]);
    return out;
}

static bool nothing_fits(looking *l, const char *path, err *e) {
    if (!l->rows && l->bad_line)
        return err_set(e, ERR_INPUT, "%s holds neither rows in lines nor an array of rows; as lines, line %lld is %s", path,
                       (long long)l->bad_line, l->bad.text);
    if (!l->rows) return err_set(e, ERR_INPUT, "%s holds no rows", path);
    if (!l->column_count)
        return err_set(e, ERR_INPUT, "%s: the rows should be objects with columns such as 'prompt' and 'completion'", path);
    return err_set(
        e, ERR_INPUT,
        "%s: rows with columns %s fit no format; expected 'messages', 'text', 'prompt' with 'completion', 'chosen' with "
        "'rejected', 'instruction' with 'output', or 'conversations' (fettle knows %s)",
        path, joined(l->a, l->columns), format_names(l->a));
}

static bool two_fit(looking *l, const char *path, const format *x, const format *y, err *e) {
    return err_set(e, ERR_INPUT, "%s fits two formats, %s and %s (columns %s); say which: %s:%s or %s:%s", path, x->name, y->name,
                   joined(l->a, l->columns), x->name, path, y->name, path);
}

static bool choose(looking *l, const char *path, unsigned kinds, finding *out, err *e) {
    int count, first, second;
    const format *const *all = format_list(&count);
    rank(l, kinds, &first, &second);
    if (first < 0 && kinds) rank(l, 0, &first, &second); /* of no use to the caller, who says so better than we */
    if (first < 0) return nothing_fits(l, path, e);
    if (second >= 0 && (l->of[first].sureness - l->of[second].sureness) * 2 <= l->rows)
        return two_fit(l, path, all[first], all[second], e);
    out->format = all[first];
    out->kind = kind_of(&l->of[first]);
    return true;
}

/* ---- columns ------------------------------------------------------------------------------------------------------------------- */

static void sort_columns(looking *l, finding *out) {
    const size_t room = (size_t)l->column_count + 1;
    out->used = arena_array(l->a, const char *, room);
    out->ignored = arena_array(l->a, const char *, room);
    int used = 0, ignored = 0;
    for (int i = 0; i < l->column_count; i++)
        if (format_reads(out->format, str_of(l->columns[i]))) out->used[used++] = l->columns[i];
        else out->ignored[ignored++] = l->columns[i];
    out->reason = used ? arena_printf(l->a, "columns %s", joined(l->a, out->used)) : "rows that are texts";
}

static bool look(arena *a, const row_files *files, bool members, const format *named, unsigned kinds, finding *out, err *e) {
    looking l = {.a = a};
    const char *list = members ? files->shape.member : NULL,
               *path = list ? arena_printf(a, "%s, list '%s'", files->name, list) : files->name;
    *out = (finding){.format = named, .members = members};
    if (!look_at_rows(&l, files, members, e)) return false;
    *e = (err){0};
    if (!named && !choose(&l, path, kinds, out, e)) return false;
    if (named && !l.rows) return nothing_fits(&l, path, e);
    sort_columns(&l, out);
    return true;
}

static bool has_own_column(const finding *f) {
    for (const char **column = f->used; *column; column++)
        if (format_reads_itself(f->format, str_of(*column))) return true;
    return false;
}

/* A file of one line that is an object with an array in it is one row if that is a row of a format, else the array's rows. */
bool detect(arena *a, const row_files *files, const format *named, unsigned kinds, finding *out, err *e) {
    const file_shape *shape = &files->shape;
    if (shape->layout != ROWS_LINES || !shape->member) return look(a, files, true, named, kinds, out, e);
    err not_a_row = {0};
    if (look(a, files, false, named, kinds, out, &not_a_row) && has_own_column(out)) return true;
    return look(a, files, true, named, kinds, out, e);
}
