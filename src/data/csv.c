/* csv.c - cells, their types, and rows as JSON. */
#include "data/csv.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "data/format.h"
#include "data/rows.h"

/* What all cells of a column seen so far may be. Not a set of kinds to be extended: JSON has no others. */
enum { MAY_INTEGER = 1, MAY_NUMBER = 2, MAY_FLAG = 4, MAY_LIST = 8, MAY_ALL = 15, WAS_SEEN = 16 };

bool csv_has_name(const char *path) {
    const char *dot = strrchr(path_name(path), '.');
    return dot && (!strcasecmp(dot, ".csv") || !strcasecmp(dot, ".tsv"));
}

/* ---- cells --------------------------------------------------------------------------------------------------------------------------------- */

static bool damaged(const csv_reader *r, const char *why, err *e) {
    return err_set(e, ERR_INPUT, "%s line %lld: %s", r->path, (long long)r->bytes.line, why);
}

static void end_cell(csv_reader *r) {
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->end = memory_resize(r->end, sizeof *r->end * (size_t)r->room);
    }
    r->end[r->count++] = r->text.len;
}

static inline bool stops(const csv_reader *r, bool quoted, char c) {
    return !c || (quoted ? c == '"' : c == r->delimiter || c == '\n' || c == '\r');
}

/* Bytes that mean themselves, up to one that does not, which is returned (or SCANNER_END, SCANNER_FAILED). */
static int take_plain(csv_reader *r, bool quoted, err *e) {
    for (;;) {
        const int c = scanner_peek(&r->bytes, e);
        if (c < 0 || stops(r, quoted, (char)c)) return c;
        const char *data = r->bytes.data + r->bytes.at;
        const size_t room = r->bytes.end - r->bytes.at;
        size_t n = 0;
        while (n < room && data[n] != '\n' && !stops(r, quoted, data[n])) n++;
        buf_put(&r->text, data, n);
        r->bytes.at += n;
        if (n < room && quoted && data[n] == '\n') {
            buf_put_char(&r->text, '\n');
            scanner_pass(&r->bytes);
        }
        if (r->text.len > ROW_BYTES_MAX) {
            err_set(e, ERR_LIMIT, "%s line %lld: a row of more than %d bytes; is a quote not closed?", r->path,
                    (long long)r->line, ROW_BYTES_MAX);
            return SCANNER_FAILED;
        }
    }
}

/* A cell whose first byte is a quote; behind it. */
static bool take_quoted(csv_reader *r, err *e) {
    const long long begun = r->bytes.line;
    scanner_pass(&r->bytes);
    for (;;) {
        const int c = take_plain(r, true, e);
        if (c == SCANNER_FAILED) return false;
        if (c == SCANNER_END)
            return err_set(e, ERR_INPUT, "%s line %lld: a quote is opened here and never closed", r->path, begun);
        if (c == 0) return damaged(r, "a byte of value 0, which no text has; is this another kind of file?", e);
        scanner_pass(&r->bytes);
        if (scanner_peek(&r->bytes, e) != '"') return !e->code;
        buf_put_char(&r->text, '"');
        scanner_pass(&r->bytes);
    }
}

/* Over the end of a row: LF, CRLF or CR. */
static bool pass_line_end(csv_reader *r, int c, err *e) {
    scanner_pass(&r->bytes);
    if (c == '\r' && scanner_peek(&r->bytes, e) == '\n') scanner_pass(&r->bytes);
    return !e->code;
}

/* One row into text and end; false at the end of the file, or damage behind which nothing can be told apart. */
static bool take_row(csv_reader *r, err *e) {
    int c = scanner_peek(&r->bytes, e);
    while (c == '\n' || c == '\r') { /* blank lines are no rows */
        if (!pass_line_end(r, c, e)) return false;
        c = scanner_peek(&r->bytes, e);
    }
    if (c < 0) return false;
    r->count = 0;
    buf_clear(&r->text);
    r->line = r->bytes.line;
    for (;;) {
        const bool quoted = scanner_peek(&r->bytes, e) == '"';
        if (quoted && !take_quoted(r, e)) return false;
        c = quoted ? scanner_peek(&r->bytes, e) : take_plain(r, false, e);
        if (c == SCANNER_FAILED) return false;
        if (c == 0) return damaged(r, "a byte of value 0, which no text has; is this another kind of file?", e);
        end_cell(r);
        if (c == SCANNER_END) return true;
        if (c == '\n' || c == '\r') return pass_line_end(r, c, e);
        if (c != r->delimiter) return damaged(r, "expected a delimiter or the end of the line behind a closing quote", e);
        if (r->count >= CSV_COLUMNS_MAX) return damaged(r, "a row of more than 4096 cells", e);
        scanner_pass(&r->bytes);
    }
}

static str cell(const csv_reader *r, int i) { return str_slice(buf_str(&r->text), i ? r->end[i - 1] : 0, r->end[i]); }

/* ---- names ----------------------------------------------------------------------------------------------------------------------------------- */

/* The delimiter seen most often outside quotes in the bytes of the first line. */
static char find_delimiter(const byte_scanner *s) {
    static const char delimiters[] = {',', ';', '\t', '|'};
    int seen[4] = {0}, best = 0;
    bool quoted = false;
    for (size_t i = s->at; i < s->end && (quoted || s->data[i] != '\n'); i++) {
        if (s->data[i] == '"') quoted = !quoted;
        for (int d = 0; d < 4 && !quoted; d++) seen[d] += s->data[i] == delimiters[d];
    }
    for (int d = 1; d < 4; d++)
        if (seen[d] > seen[best]) best = d;
    return delimiters[best];
}

static bool name_column(csv_reader *r, arena *a, int i, err *e) {
    const str text = str_trim(cell(r, i));
    if (!str_is_utf8(text)) return damaged(r, "the names of the columns are not UTF-8", e);
    r->name[i] = text.len ? str_copy(a, text) : arena_printf(a, "column %d", i + 1);
    for (int k = 0; k < i; k++)
        if (!strcmp(r->name[k], r->name[i]))
            return err_set(e, ERR_INPUT, "%s line %lld: two columns are called '%s'", r->path, (long long)r->line, r->name[i]);
    buf key = {0};
    json_quote(&key, str_of(r->name[i]));
    buf_put_char(&key, ':');
    r->key[i] = (str){str_copy(a, buf_str(&key)), key.len};
    buf_free(&key);
    return true;
}

static bool read_names(csv_reader *r, arena *a, err *e) {
    if (!take_row(r, e))
        return err_set(e, ERR_INPUT, "%s is empty: expected a first line with the names of the columns", r->path);
    r->columns = r->count;
    r->name = arena_array(a, const char *, r->columns);
    r->key = arena_array(a, str, r->columns);
    r->may_be = arena_array(a, unsigned, r->columns);
    for (int i = 0; i < r->columns; i++)
        if (!name_column(r, a, i, e)) return false;
    return true;
}

/* ---- types ----------------------------------------------------------------------------------------------------------------------------------- */

static bool all_digits(str s) {
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    return s.len > 0;
}

/* As JSON writes them, 18 digits at most: 007 and longer ones are names of things. */
static bool is_integer(str s) {
    const str digits = str_starts(s, STR("-")) ? str_slice(s, 1, s.len) : s;
    return digits.len <= 18 && all_digits(digits) && (digits.len == 1 || digits.ptr[0] != '0');
}

static bool is_number(str s) {
    double value;
    arena *scratch;
    json *v;
    err no = {0};
    if (is_integer(s)) return true;
    if (!s.len || s.len > 40 || !(s.ptr[0] == '-' || (s.ptr[0] >= '0' && s.ptr[0] <= '9')) || !str_to_double(s, &value))
        return false;
    scratch = arena_new();
    const bool json_number = json_parse_any(scratch, s, &v, &no) && json_kind_of(v) == JSON_REAL;
    arena_free(scratch);
    return json_number && !all_digits(s);
}

static bool is_true(str s) { return s.len == 4 && !strncasecmp(s.ptr, "true", 4); }
static bool is_flag_word(str s) { return is_true(s) || (s.len == 5 && !strncasecmp(s.ptr, "false", 5)); }

static bool is_list_of_objects(str s) {
    if (s.len < 2 || s.ptr[0] != '[') return false;
    arena *scratch = arena_new();
    err no = {0};
    const json *v = json_parse(scratch, s, &no);
    bool ok = json_kind_of(v) == JSON_ARRAY;
    for (size_t i = 0; ok && i < json_count(v); i++) ok = json_kind_of(json_at(v, i)) == JSON_OBJECT;
    arena_free(scratch);
    return ok;
}

static unsigned narrow(unsigned may_be, str s) {
    if (!s.len) return may_be;
    if (may_be & MAY_INTEGER && !is_integer(s)) may_be &= ~(unsigned)MAY_INTEGER;
    if (may_be & MAY_NUMBER && !is_number(s)) may_be &= ~(unsigned)MAY_NUMBER;
    if (may_be & MAY_FLAG && !is_flag_word(s)) may_be &= ~(unsigned)MAY_FLAG;
    if (may_be & MAY_LIST && !is_list_of_objects(s)) may_be &= ~(unsigned)MAY_LIST;
    return may_be | WAS_SEEN;
}

/* Columns that formats read as words stay texts, be they digits alone: the answer to 2 + 2. */
static unsigned may_be_at_first(const char *name) {
    static const char *const numbers[] = {"label", "labels", "kto_tag", "margin", "reward", "desirable_probability"};
    int count;
    const format *const *all = format_list(&count);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(name, numbers[i])) return MAY_ALL;
    for (int i = 0; i < count; i++)
        if (format_reads(all[i], str_of(name))) return MAY_LIST;
    return MAY_ALL;
}

/* The first 64 MB decide. Damage is not told here but when it is read. */
static bool find_types(csv_reader *r, err *e) {
    err later = {0};
    for (int i = 0; i < r->columns; i++) r->may_be[i] = may_be_at_first(r->name[i]);
    while (r->bytes.before + (int64_t)r->bytes.at < CSV_TYPED_BYTES && take_row(r, &later))
        for (int i = 0; i < r->columns && i < r->count; i++) r->may_be[i] = narrow(r->may_be[i], cell(r, i));
    for (int i = 0; i < r->columns; i++)
        if (!(r->may_be[i] & WAS_SEEN)) r->may_be[i] = 0; /* nothing in it: a text */
    return later.code != ERR_IO || err_set(e, ERR_IO, "%s", later.text);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------------------ */

static bool wrong_cell(const csv_reader *r, int i, const char *holds, err *bad) {
    const str s = cell(r, i);
    return err_set(bad, ERR_INPUT, "%s line %lld: column '%s' holds %s, but here '%.*s'", r->path, (long long)r->line, r->name[i],
                   holds, (int)(s.len < 40 ? s.len : 40), s.ptr);
}

static bool put_cell(const csv_reader *r, int i, buf *row, err *bad) {
    const str s = cell(r, i);
    const unsigned may_be = r->may_be[i];
    if (!(may_be & MAY_ALL)) {
        if (!str_is_utf8(s))
            return err_set(bad, ERR_INPUT, "%s line %lld: column '%s' is not UTF-8", r->path, (long long)r->line, r->name[i]);
        return json_quote(row, s), true;
    }
    if (!s.len) return buf_put_text(row, "null"), true;
    if (may_be & MAY_INTEGER && !is_integer(s)) return wrong_cell(r, i, "integers", bad);
    if (may_be & MAY_NUMBER && !is_number(s)) return wrong_cell(r, i, "numbers", bad);
    if (may_be & MAY_FLAG && !is_flag_word(s)) return wrong_cell(r, i, "true and false", bad);
    if (may_be & MAY_LIST && !is_list_of_objects(s)) return wrong_cell(r, i, "lists of objects", bad);
    if (may_be & MAY_FLAG) buf_put_text(row, is_true(s) ? "true" : "false");
    else buf_put_str(row, s);
    return true;
}

bool csv_reader_next(csv_reader *r, buf *row, int64_t *line, err *bad, err *e) {
    buf_clear(row);
    if (!take_row(r, e)) return false;
    *line = r->line;
    if (r->count != r->columns) {
        err_set(bad, ERR_INPUT, "%s line %lld: %d cells, but there are %d columns", r->path, (long long)r->line, r->count,
                r->columns);
        return true;
    }
    for (int i = 0; i < r->columns; i++) {
        buf_put_char(row, i ? ',' : '{');
        buf_put_str(row, r->key[i]);
        if (!put_cell(r, i, row, bad)) return true;
    }
    buf_put_char(row, '}');
    return true;
}

static bool know_types(csv_reader *r, csv_memory *known, err *e) {
    const size_t size = sizeof *r->may_be * (size_t)r->columns;
    if (known && known->may_be && known->columns == r->columns) {
        memcpy(r->may_be, known->may_be, size);
        return true;
    }
    if (!find_types(r, e)) return false;
    if (!known) return true;
    known->may_be = arena_alloc(known->a, size);
    known->columns = r->columns;
    memcpy(known->may_be, r->may_be, size);
    return true;
}

bool csv_reader_open(csv_reader *r, arena *a, const char *path, csv_memory *known, err *e) {
    *r = (csv_reader){.path = path};
    if (!scanner_open(&r->bytes, path, e)) return false;
    r->delimiter = find_delimiter(&r->bytes);
    if (!read_names(r, a, e) || !know_types(r, known, e)) return false;
    scanner_close(&r->bytes);
    return scanner_open(&r->bytes, path, e) && (take_row(r, e) || err_set(e, ERR_INPUT, "%s changes while it is read", path));
}

void csv_reader_close(csv_reader *r) {
    scanner_close(&r->bytes);
    memory_release(r->end);
    buf_free(&r->text);
    r->end = NULL;
}
