/* row_out.c - a row of functions per layout that is written.
 *
 * A table's first line has all columns, which only the last row decides: the rows wait beside the file as lines until then. */
#include "data/row_out.h"

#include <string.h>

#include "base/file.h"
#include "data/parquet_write.h"
#include "data/rows.h"

enum { COLUMNS_MAX = 4096 };

typedef struct {
    const char *name;
    bool (*begin)(row_out *w, err *e);
    bool (*row)(row_out *w, const json *row, err *e);
    bool (*end)(row_out *w, err *e);
} layout;

struct row_out {
    arena *a;
    const layout *how;
    char *path, *lines_path;
    file_out out; /* the file, or the lines beside it */
    bool open, ended;
    int64_t rows;
    buf text;
    const char **columns; /* of a table */
    int column_count, column_room;
    parquet_out *columnar;
};

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------------ */

static bool begin_file(row_out *w, const char *path, err *e) { return w->open = file_out_open(&w->out, path, e); }

static bool put_line(row_out *w, const char *before, const json *row, const char *behind, err *e) {
    buf_clear(&w->text);
    buf_put_text(&w->text, before);
    json_put(&w->text, row);
    buf_put_text(&w->text, behind);
    return file_out_put(&w->out, w->text.ptr, w->text.len, e);
}

static bool end_file(row_out *w, err *e) {
    w->open = false;
    return file_out_commit(&w->out, e);
}

static bool jsonl_begin(row_out *w, err *e) { return begin_file(w, w->path, e); }
static bool jsonl_row(row_out *w, const json *row, err *e) { return put_line(w, "", row, "\n", e); }
static bool jsonl_end(row_out *w, err *e) { return end_file(w, e); }

static bool json_begin(row_out *w, err *e) { return begin_file(w, w->path, e) && file_out_put(&w->out, "[", 1, e); }
static bool json_row(row_out *w, const json *row, err *e) { return put_line(w, w->rows ? ",\n" : "\n", row, "", e); }
static bool json_end(row_out *w, err *e) { return file_out_put(&w->out, "\n]\n", 3, e) && end_file(w, e); }

/* ---- tables ---------------------------------------------------------------------------------------------------------------------------- */

static bool csv_begin(row_out *w, err *e) { return begin_file(w, w->lines_path, e); }
static bool tsv_begin(row_out *w, err *e) { return begin_file(w, w->lines_path, e); }

static bool know_column(row_out *w, const char *name, int guess, err *e) {
    if (guess < w->column_count && !strcmp(w->columns[guess], name)) return true;
    for (int i = 0; i < w->column_count; i++)
        if (!strcmp(w->columns[i], name)) return true;
    if (w->column_count == COLUMNS_MAX) return err_set(e, ERR_LIMIT, "a table of more than %d columns", COLUMNS_MAX);
    if (w->column_count == w->column_room) {
        const char **more = arena_array(w->a, const char *, w->column_room = w->column_room ? w->column_room * 2 : 16);
        if (w->column_count) memcpy(more, w->columns, sizeof *more * (size_t)w->column_count);
        w->columns = more;
    }
    w->columns[w->column_count++] = arena_text(w->a, name);
    return true;
}

static bool csv_row(row_out *w, const json *row, err *e) {
    int place = 0;
    for (json_member m = {0}; json_next(row, &m); place++)
        if (!know_column(w, m.key, place, e)) return false;
    return put_line(w, "", row, "\n", e);
}
static bool tsv_row(row_out *w, const json *row, err *e) { return csv_row(w, row, e); }

/* In quotes where it would not be read back otherwise. */
static void put_cell(buf *out, str cell, char delimiter) {
    const char special[] = {delimiter, '"', '\n', '\r', 0};
    bool quote = cell.len && (cell.ptr[0] == ' ' || cell.ptr[cell.len - 1] == ' ');
    for (size_t i = 0; i < cell.len && !quote; i++) quote = strchr(special, cell.ptr[i]) != NULL;
    if (!quote) {
        buf_put_str(out, cell);
        return;
    }
    buf_put_char(out, '"');
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.ptr[i] == '"') buf_put_char(out, '"');
        buf_put_char(out, cell.ptr[i]);
    }
    buf_put_char(out, '"');
}

/* Null is nothing; what is no text is JSON. */
static void put_value(buf *out, const json *v, char delimiter) {
    buf text = {0};
    if (json_kind_of(v) == JSON_STRING) put_cell(out, json_text(v, STR("")), delimiter);
    else if (v) json_put(&text, v), put_cell(out, buf_str(&text), delimiter);
    buf_free(&text);
}

static bool write_names(row_out *w, file_out *table, char delimiter, err *e) {
    buf_clear(&w->text);
    for (int i = 0; i < w->column_count; i++) {
        if (i) buf_put_char(&w->text, delimiter);
        arena *scratch = arena_new();
        put_cell(&w->text, json_key_text(scratch, w->columns[i]), delimiter);
        arena_free(scratch);
    }
    buf_put_text(&w->text, "\r\n");
    return file_out_put(table, w->text.ptr, w->text.len, e);
}

static bool write_row(row_out *w, file_out *table, str line, char delimiter, err *e) {
    arena *one = arena_new();
    const json *row = json_parse(one, line, e);
    buf_clear(&w->text);
    for (int i = 0; row && i < w->column_count; i++) {
        if (i) buf_put_char(&w->text, delimiter);
        put_value(&w->text, json_get(row, w->columns[i]), delimiter);
    }
    if (w->column_count == 1 && !w->text.len) buf_put_text(&w->text, "\"\""); /* an empty line is no row */
    buf_put_text(&w->text, "\r\n");
    const bool ok = row && file_out_put(table, w->text.ptr, w->text.len, e);
    arena_free(one);
    return ok;
}

static bool write_table(row_out *w, file_out *table, char delimiter, err *e) {
    file_lines lines;
    str line;
    bool ok = write_names(w, table, delimiter, e);
    if (!ok || !file_lines_open(&lines, w->lines_path, ROW_BYTES_MAX + 1, e)) return false;
    while (ok && file_lines_next(&lines, &line, e)) ok = write_row(w, table, line, delimiter, e);
    file_lines_close(&lines);
    return ok && !e->code;
}

static bool end_table(row_out *w, char delimiter, err *e) {
    file_out table;
    if (!w->column_count) return err_set(e, ERR_INPUT, "%s: a table needs a column, but there are no rows", w->path);
    if (!end_file(w, e) || !file_out_open(&table, w->path, e)) return false;
    if (write_table(w, &table, delimiter, e)) return file_out_commit(&table, e);
    file_out_abandon(&table);
    return false;
}
static bool csv_end(row_out *w, err *e) { return end_table(w, ',', e); }
static bool tsv_end(row_out *w, err *e) { return end_table(w, '\t', e); }

/* ---- Parquet ----------------------------------------------------------------------------------------------------------------------------- */

static bool parquet_begin(row_out *w, err *e) {
    w->columnar = parquet_out_open(w->a, w->path, COMPRESS_ZSTD, e);
    return w->columnar != NULL;
}
static bool parquet_row(row_out *w, const json *row, err *e) { return parquet_out_row(w->columnar, row, e); }
static bool parquet_end(row_out *w, err *e) { return parquet_out_commit(w->columnar, e); }

/* ---- the table ------------------------------------------------------------------------------------------------------------------------- */

static const layout layouts[] = {
#define X(name, words) {#name, name##_begin, name##_row, name##_end},
    ROW_OUTS(X)
#undef X
};

static void abandon_deferred(void *w) { row_out_abandon(w); }

static const layout *find_layout(str kind) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (str_is(kind, layouts[i].name)) return &layouts[i];
    return NULL;
}

row_out *row_out_open(arena *a, const char *path, str kind, err *e) {
    row_out *w = arena_new_of(a, row_out);
    w->a = a;
    w->how = find_layout(kind);
    w->path = arena_text(a, path);
    w->lines_path = arena_printf(a, "%s.rows", path);
    if (!w->how)
        return err_null(e, ERR_USAGE, "'%.*s' is no layout that is written; expected jsonl, json, csv, tsv or parquet",
                        STR_ARG(kind));
    if (!w->how->begin(w, e)) return row_out_abandon(w), NULL;
    arena_defer(a, abandon_deferred, w);
    return w;
}

bool row_out_row(row_out *w, const json *row, err *e) {
    if (json_kind_of(row) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "a row should be an object, but is %s", json_kind_name(json_kind_of(row)));
    if (!w->how->row(w, row, e)) return false;
    w->rows++;
    return true;
}

int64_t row_out_rows(const row_out *w) { return w->rows; }

bool row_out_commit(row_out *w, err *e) {
    err why = {0};
    const bool ok = w->how->end(w, &why);
    row_out_abandon(w);
    return ok || err_set(e, why.code, "%s", why.text);
}

void row_out_abandon(row_out *w) {
    if (w->ended) return;
    w->ended = true;
    if (w->open) file_out_abandon(&w->out);
    w->open = false;
    if (w->columnar) parquet_out_abandon(w->columnar);
    if (file_exists(w->lines_path)) file_io.unlink(w->lines_path);
    buf_free(&w->text);
}
