/* rows.c - the next row, whichever way the file lays them out. */
#include "data/rows.h"

#include <string.h>

static bool enter_array(row_reader *r, err *e) {
    arena *scratch = arena_new();
    char *key = NULL;
    bool ok = scanner_open(&r->bytes, r->path, e);
    if (ok && r->layout == ROWS_MEMBER) {
        ok = scanner_find_member(&r->bytes, scratch, &key, e) &&
             (key || err_set(e, ERR_INPUT, "%s: expected an object with an array of rows", r->path));
    } else if (ok) {
        const int first = scanner_peek_solid(&r->bytes, e);
        ok = first == '[' || err_set(e, ERR_INPUT, "%s: expected an array of rows", r->path);
        if (ok) scanner_pass(&r->bytes);
    }
    arena_free(scratch);
    return ok;
}

bool row_reader_open(row_reader *r, const char *path, rows_layout layout, err *e) {
    *r = (row_reader){.layout = layout, .path = path, .open = true};
    const bool ok = layout == ROWS_LINES ? file_lines_open(&r->lines, path, ROW_BYTES_MAX, e) : enter_array(r, e);
    if (!ok) row_reader_close(r);
    return ok;
}

void row_reader_close(row_reader *r) {
    if (!r->open) return;
    if (r->layout == ROWS_LINES) file_lines_close(&r->lines);
    else scanner_close(&r->bytes);
    buf_free(&r->element);
    r->open = false;
}

/* Blank lines are no rows. */
static bool next_line(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    while (file_lines_next(&r->lines, text, e)) {
        if (r->lines.line == 1 && str_starts(*text, STR("\xef\xbb\xbf"))) *text = str_slice(*text, 3, text->len);
        if (!str_trim(*text).len) continue;
        *line = r->lines.line;
        *column = 1;
        return true;
    }
    return false;
}

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

static bool next_element(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
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

bool row_reader_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e) {
    return r->layout == ROWS_LINES ? next_line(r, text, line, column, e) : next_element(r, text, line, column, e);
}
