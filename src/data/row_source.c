/* row_source.c - rows as they stand, for those who give them a meaning of their own: import, mapping. */
#include <string.h>

#include "data/data.h"
#include "data/stream.h"

enum { LOOK_ROWS = 200, LOOK_BYTES = 16 << 20, COLUMNS_MAX = 4096 };

struct row_source {
    row_files files;
    bool members, ended;
    row_stream rows;
    int64_t row;
    row_source_info info;
    const json *classes; /* of columns that hold numbers of classes their names: {column: [name ...]}; NULL: none */
};

/* ---- classes ----------------------------------------------------------------------------------------------------------------------------- */

/* `datasets` writes labels as numbers, and their names into the metadata of Parquet:
 * {"info": {"features": {COLUMN: {"names": [...], "_type": "ClassLabel"}}}}, lists of them with {"feature": ...} around. */
static json *names_of(const json *feature) {
    if (json_get(feature, "feature")) feature = json_get(feature, "feature");
    return str_is(json_get_text(feature, "_type", STR("")), "ClassLabel") ? json_get(feature, "names") : NULL;
}

static const json *find_classes(arena *a, const row_files *files) {
    arena *scratch = arena_new();
    err no = {0};
    str text;
    json *classes = json_new_object(a);
    if (files->shape.layout == ROWS_PARQUET) {
        const parquet *p = parquet_open(scratch, files->file[0].path, &no);
        const bool told = p && parquet_metadata(p, STR("huggingface"), &text);
        const json *about = told ? json_parse(scratch, text, &no) : NULL;
        for (json_member m = {0}; json_next(json_get(json_get(about, "info"), "features"), &m);)
            if (names_of(m.value)) json_set(classes, m.key, names_of(m.value));
    }
    arena_free(scratch);
    return json_count(classes) ? classes : NULL;
}

/* -1, which means that there is none, becomes null. */
static json *class_name(const json *names, json *v) {
    const int64_t n = json_int(v, -1);
    if (json_kind_of(v) != JSON_INT) return v;
    return n < 0 ? NULL : (size_t)n < json_count(names) ? json_at(names, (size_t)n) : v;
}

static void name_classes(const row_source *s, arena *a, json *row) {
    for (json_member m = {0}; json_next(s->classes, &m);) {
        json *v = json_get(row, m.key), *list = json_kind_of(v) == JSON_ARRAY ? json_new_array(a) : NULL;
        for (size_t i = 0; i < json_count(list ? v : NULL); i++) json_append(list, class_name(m.value, json_at(v, i)));
        if (v) json_set(row, m.key, list ? list : class_name(m.value, v));
    }
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------------------------- */

bool row_source_next(row_source *s, arena *a, json **row, err *e) {
    str text;
    err why = {0};
    if (s->ended) return false;
    if (!row_stream_next(&s->rows, &text, &why)) {
        s->ended = true;
        return why.code && err_set(e, why.code, "%s", why.text);
    }
    s->row++;
    const err *bad = &s->rows.rows.bad;
    if (bad->code) return err_set(e, bad->code, "%s", bad->text);
    if (!json_parse_any(a, text, row, &why)) return row_stream_bad_json(&s->rows, &why, e);
    if (json_kind_of(*row) == JSON_OBJECT) return name_classes(s, a, *row), true;
    err_set(e, ERR_INPUT, "a row should be an object, but is %s", json_kind_name(json_kind_of(*row)));
    return row_stream_at(&s->rows, e);
}

bool row_source_rewind(row_source *s, err *e) {
    row_stream_close(&s->rows);
    s->ended = false;
    s->row = -1;
    return row_stream_open(&s->rows, &s->files, s->members, e);
}

bool row_source_ended(const row_source *s) { return s->ended; }
int64_t row_source_row(const row_source *s) { return s->row; }
int64_t row_source_position(const row_source *s) { return row_stream_position(&s->rows); }
const row_source_info *row_source_describe(const row_source *s) { return &s->info; }
void row_source_close(row_source *s) {
    if (s) row_stream_close(&s->rows);
}

const char *row_source_place(const row_source *s, arena *a) {
    return arena_printf(a, "%s %s %lld", s->rows.path, s->rows.unit, (long long)s->rows.line);
}

/* ---- columns ------------------------------------------------------------------------------------------------------------------------- */

static const char *type_of(const json *v) {
    static const char *const types[] = {
        [JSON_NULL] = "null",   [JSON_BOOL] = "flag",  [JSON_INT] = "integer",   [JSON_REAL] = "number",
        [JSON_STRING] = "text", [JSON_ARRAY] = "list", [JSON_OBJECT] = "object",
    };
    return types[json_kind_of(v)];
}

/* The type of both: types are compared by their letters, which this file alone gives. */
static const char *both_types(const char *x, const char *y) {
    if (!strcmp(x, y) || !strcmp(y, "null")) return x;
    if (!strcmp(x, "null")) return y;
    const bool numbers = (*x == 'i' || (*x == 'n' && x[2] == 'm')) && (*y == 'i' || (*y == 'n' && y[2] == 'm'));
    return numbers ? "number" : "mixed";
}

static void look_at(row_source *s, arena *a, const json *row, int *room) {
    row_source_info *info = &s->info;
    for (json_member m = {0}; json_next(row, &m);) {
        int i = 0;
        while (i < info->column_count && strcmp(info->columns[i].name, m.key)) i++;
        if (i < info->column_count) {
            info->columns[i].type = both_types(info->columns[i].type, type_of(m.value));
            continue;
        }
        if (i == COLUMNS_MAX) continue;
        if (i == *room) {
            row_column *more = arena_array(a, row_column, *room = *room ? *room * 2 : 16);
            if (i) memcpy(more, info->columns, sizeof *more * (size_t)i);
            info->columns = more;
        }
        info->columns[info->column_count++] = (row_column){arena_text(a, m.key), type_of(m.value)};
    }
}

/* Bad rows are told when they are read. */
static bool look(row_source *s, arena *a, err *e) {
    int room = 0;
    size_t rows = 0;
    for (; rows < LOOK_ROWS && row_source_position(s) < LOOK_BYTES + SCANNER_CHUNK; rows++) {
        arena *one = arena_new();
        json *row;
        err bad = {0};
        const bool more = row_source_next(s, one, &row, &bad);
        if (more) look_at(s, a, row, &room);
        arena_free(one);
        if (!more && s->ended && bad.code && !s->info.column_count) return err_set(e, bad.code, "%s", bad.text);
        if (!more && s->ended) break;
    }
    return row_source_rewind(s, e);
}

/* A single line that is an object around rows is meant as that, unless its name says lines. */
static bool wants_members(const row_files *files) {
    const str path = str_of(files->file[0].path);
    return !str_ends(path, STR(".jsonl")) && !str_ends(path, STR(".ndjson"));
}

static void close_deferred(void *s) { row_source_close(s); }

row_source *row_source_open(arena *a, const char *path, err *e) {
    row_source *s = arena_new_of(a, row_source);
    if (!row_files_find(a, path, &s->files, e)) return NULL;
    s->members = wants_members(&s->files);
    s->classes = find_classes(a, &s->files);
    const file_shape *shape = &s->files.shape;
    const bool member = shape->layout == ROWS_MEMBER || (shape->layout == ROWS_LINES && shape->member && s->members);
    const char *words = member ? arena_printf(a, "the JSON array '%s'", shape->member) : rows_layout_words(shape->layout);
    s->info = (row_source_info){.path = s->files.name, .layout = words, .bytes = s->files.bytes};
    if (s->files.words) s->info.layout = arena_printf(a, "%s, %s", words, s->files.words);
    arena_defer(a, close_deferred, s);
    return row_source_rewind(s, e) && look(s, a, e) ? s : NULL;
}
