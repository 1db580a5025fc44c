/* rows.c - the next row, whichever way the file lays them out: a row of functions per layout. */
#include "data/rows.h"

#include <string.h>
#include <unistd.h>

static int64_t position_of(int fd) {
    const off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (int64_t)at;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------------- */

static bool rows_lines_open(row_reader *r, err *e) { return file_lines_open(&r->lines, r->path, ROW_BYTES_MAX, e); }
static void rows_lines_close(row_reader *r) { file_lines_close(&r->lines); }
static int64_t rows_lines_position(const row_reader *r) { return position_of(r->lines.fd); }

/* Blank lines are no rows. */
static bool rows_lines_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    while (file_lines_next(&r->lines, text, e)) {
        if (r->lines.line == 1 && str_starts(*text, STR("\xef\xbb\xbf"))) *text = str_slice(*text, 3, text->len);
        if (!str_trim(*text).len) continue;
        *line = r->lines.line;
        *column = 1;
        return true;
    }
    return false;
}

/* ---- an array, of its own or inside an object ------------------------------------------------------------------------------------------ */

static bool rows_array_open(row_reader *r, err *e) {
    if (!scanner_open(&r->bytes, r->path, e)) return false;
    const int first = scanner_peek_solid(&r->bytes, e);
    if (first != '[') return err_set(e, ERR_INPUT, "%s: expected an array of rows", r->path);
    scanner_pass(&r->bytes);
    return true;
}

static bool rows_member_open(row_reader *r, err *e) {
    arena *scratch = arena_new();
    char *key = NULL;
    const bool ok = scanner_open(&r->bytes, r->path, e) && scanner_find_member(&r->bytes, scratch, &key, e) &&
                    (key || err_set(e, ERR_INPUT, "%s: expected an object with an array of rows", r->path));
    arena_free(scratch);
    return ok;
}

static void rows_array_close(row_reader *r) { scanner_close(&r->bytes); }
static void rows_member_close(row_reader *r) { scanner_close(&r->bytes); }
static int64_t rows_array_position(const row_reader *r) { return position_of(r->bytes.fd); }
static int64_t rows_member_position(const row_reader *r) { return position_of(r->bytes.fd); }

static bool wrong_byte(const row_reader *r, int c, const char *expected, err *e) {
    if (c == SCANNER_FAILED) return false;
    const long long line = r->bytes.line, column = scanner_column(&r->bytes);
    if (c == SCANNER_END)
        return err_set(e, ERR_INPUT, "%s line %lld: expected %s, but the file ends here; is it cut off?", r->path, line,
                       expected);
    return err_set(e, ERR_INPUT, "%s line %lld, column %lld: expected %s, found '%c'", r->path, line, column, expected,
                   c > ' ' && c < 0x7f ? c : '?');
}

/* Behind the array: the other members of the object around it, and nothing else. */
static bool end_array(row_reader *r, err *e) {
    int c;
    r->ended = true;
    scanner_pass(&r->bytes);
    if (r->layout == ROWS_MEMBER) {
        while ((c = scanner_peek_solid(&r->bytes, e)) == ',') {
            scanner_pass(&r->bytes);
            if (!scanner_take_value(&r->bytes, NULL, 0, e)) return false;
        }
        if (c != '}') return wrong_byte(r, c, "',' or '}' behind the array", e);
        scanner_pass(&r->bytes);
    }
    c = scanner_peek_solid(&r->bytes, e);
    if (c != SCANNER_END) return wrong_byte(r, c, "the end of the file", e);
    return false;
}

static bool rows_array_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    if (r->ended) return false;
    int c = scanner_peek_solid(&r->bytes, e);
    if (c == ']' && !r->begun) return end_array(r, e);
    if (r->begun) {
        if (c == ']') return end_array(r, e);
        if (c != ',') return wrong_byte(r, c, "',' or ']' behind the row", e);
        scanner_pass(&r->bytes);
        c = scanner_peek_solid(&r->bytes, e);
    }
    if (c < 0 || c == ']' || c == ',' || c == '}') return wrong_byte(r, c, "a row", e);
    r->begun = true;
    *line = r->bytes.line;
    *column = scanner_column(&r->bytes);
    buf_clear(&r->element);
    if (!scanner_take_value(&r->bytes, &r->element, ROW_BYTES_MAX, e)) return false;
    if (scanner_peek(&r->bytes, e) < 0) return wrong_byte(r, e->code ? SCANNER_FAILED : SCANNER_END, "the rest of the array", e);
    *text = str_trim(buf_str(&r->element));
    return true;
}

static bool rows_member_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    return rows_array_next(r, text, line, column, e);
}

/* ---- cells ------------------------------------------------------------------------------------------------------------------------------ */

static bool rows_csv_open(row_reader *r, err *e) {
    r->own = arena_new();
    return csv_reader_open(&r->cells, r->own, r->path, r->known, e);
}
static void rows_csv_close(row_reader *r) { csv_reader_close(&r->cells); }
static int64_t rows_csv_position(const row_reader *r) { return position_of(r->cells.bytes.fd); }

static bool rows_csv_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    *column = 1;
    if (!csv_reader_next(&r->cells, &r->element, line, &r->bad, e)) return false;
    *text = buf_str(&r->element);
    return true;
}

/* ---- columns ------------------------------------------------------------------------------------------------------------------------------ */

static bool rows_parquet_open(row_reader *r, err *e) {
    r->own = arena_new();
    r->columns = parquet_open(r->own, r->path, e);
    return r->columns != NULL;
}
static void rows_parquet_close(row_reader *r) { (void)r; /* its arena does it */ }
static int64_t rows_parquet_position(const row_reader *r) { return parquet_position(r->columns); }

static bool rows_parquet_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    if (!parquet_next(r->columns, &r->element, e)) return false;
    *text = buf_str(&r->element);
    *line = ++r->row;
    *column = 1;
    return true;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *unit, *words;
    bool (*open)(row_reader *r, err *e);
    bool (*next)(row_reader *r, str *text, int64_t *line, int64_t *column, err *e);
    int64_t (*position)(const row_reader *r);
    void (*close)(row_reader *r);
} layouts[ROW_LAYOUT_COUNT] = {
#define X(token, name, unit, words)                                                                                              \
    [token] = {unit, words, rows_##name##_open, rows_##name##_next, rows_##name##_position, rows_##name##_close},
    ROW_LAYOUTS(X)
#undef X
};

const char *rows_layout_words(rows_layout layout) { return layouts[layout].words; }
const char *row_reader_unit(const row_reader *r) { return layouts[r->layout].unit; }

bool row_reader_open(row_reader *r, const char *path, rows_layout layout, csv_memory *known, err *e) {
    *r = (row_reader){.layout = layout, .path = path, .known = known, .open = true};
    const bool ok = layouts[layout].open(r, e);
    if (!ok) row_reader_close(r);
    return ok;
}

void row_reader_call(row_reader *r, const char *name) {
    r->path = r->lines.path = r->bytes.path = r->cells.path = r->cells.bytes.path = name;
}

void row_reader_close(row_reader *r) {
    if (!r->open) return;
    layouts[r->layout].close(r);
    buf_free(&r->element);
    arena_free(r->own);
    r->own = NULL;
    r->open = false;
}

bool row_reader_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    r->bad.code = ERR_NONE;
    return layouts[r->layout].next(r, text, line, column, e);
}

int64_t row_reader_position(const row_reader *r) { return r->open ? layouts[r->layout].position(r) : 0; }
