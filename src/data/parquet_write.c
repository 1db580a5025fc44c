/* parquet_write.c - columns, pages, row groups, footer.
 *
 * Rows lie beside the file as lines until their shape is known, which only the last one decides. Commit reads them again: each value goes
 * to its column with its levels (Dremel); a column's page is packed when it has 1 MB, a row group is written when its pages have 64 MB.
 * In memory is one row group. Everything but the root is optional, so that nulls need no thought. */
#include "data/parquet_write.h"

#include <string.h>

#include "base/file.h"
#include "data/parquet_shape.h"
#include "data/parquet_thrift.h"
#include "data/rows.h"

enum { PAGE_BYTES = 1 << 20, GROUP_BYTES = 64 << 20 };
enum { PAGE_DATA = 0, PLAIN = 0, AS_RUNS = 3, OPTIONAL = 1, REPEATED = 2 };

typedef struct {
    const column_shape *shape;
    const char **path; /* names from the root on, NULL behind the last */
    int max_def, max_rep;
    buf reps, defs, values; /* of the page: levels a byte each */
    int64_t page_entries, entries;
    buf pages; /* of the row group, packed */
    int64_t unpacked;
} column;

struct parquet_out {
    arena *own;
    char *path, *lines_path;
    compression codec;
    file_out lines, out;
    bool lines_open, out_open;
    int64_t rows;
    column_shape root;
    column *column;
    int columns;
    buf groups, scratch, body;
    int group_count;
    int64_t group_rows;
    size_t group_bytes; /* pages packed so far, and what waits */
};

/* ---- rows beside the file -------------------------------------------------------------------------------------------------------------- */

static void abandon_deferred(void *w) { parquet_out_abandon(w); }

parquet_out *parquet_out_open(arena *a, const char *path, compression c, err *e) {
    parquet_out *w = arena_new_of(a, parquet_out);
    w->codec = c;
    w->path = arena_text(a, path);
    w->lines_path = arena_printf(a, "%s.rows", path);
    w->root.kind = COLUMN_OBJECT;
    if (!file_out_open(&w->lines, w->lines_path, e)) return NULL;
    w->lines_open = true;
    w->own = arena_new();
    arena_defer(a, abandon_deferred, w);
    return w;
}

bool parquet_out_row(parquet_out *w, const json *row, err *e) {
    if (json_kind_of(row) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "a row of a Parquet file should be an object, but is %s", json_kind_name(json_kind_of(row)));
    buf_clear(&w->scratch);
    json_put(&w->scratch, row);
    buf_put_char(&w->scratch, '\n');
    if (w->scratch.len > ROW_BYTES_MAX) return err_set(e, ERR_LIMIT, "a row of more than %d bytes", ROW_BYTES_MAX);
    column_shape_add(w->own, &w->root, row, 0);
    w->rows++;
    return file_out_put(&w->lines, w->scratch.ptr, w->scratch.len, e);
}

int64_t parquet_out_rows(const parquet_out *w) { return w->rows; }

/* ---- levels and values ------------------------------------------------------------------------------------------------------------------ */

static void put_u32(buf *out, size_t v) {
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_put(out, bytes, 4);
}

static void put_u64(buf *out, uint64_t v) {
    put_u32(out, (size_t)(v & 0xffffffff));
    put_u32(out, (size_t)(v >> 32));
}

static void put_bytes(buf *out, str s) {
    put_u32(out, s.len);
    buf_put_str(out, s);
}

static void put_level(column *c, int rep, int def) {
    buf_put_char(&c->reps, (char)rep);
    buf_put_char(&c->defs, (char)def);
    c->page_entries++;
}

static void put_json_text(buf *out, const json *v) {
    const size_t at = out->len;
    put_u32(out, 0);
    json_put(out, v);
    const size_t size = out->len - at - 4;
    for (int i = 0; i < 4; i++) out->ptr[at + (size_t)i] = (char)(size >> (8 * i));
}

static void put_leaf(column *c, const json *v) {
    const double real = json_real(v, 0);
    uint64_t bits;
    switch (c->shape->kind) {
    case COLUMN_FLAG: buf_put_char(&c->values, (char)json_bool(v, false)); break; /* packed with the page */
    case COLUMN_INTEGER: put_u64(&c->values, (uint64_t)json_int(v, 0)); break;
    case COLUMN_REAL:
        memcpy(&bits, &real, sizeof bits);
        put_u64(&c->values, bits);
        break;
    case COLUMN_TEXT: put_bytes(&c->values, json_text(v, STR(""))); break;
    default: put_json_text(&c->values, v);
    }
}

/* `def`: the level that what is around has reached. */
static void put_value(parquet_out *w, const column_shape *s, const json *v, int rep, int def) {
    const size_t count = s->kind == COLUMN_LIST ? json_count(v) : 1;
    if (!v || !count) {
        for (int i = s->leaf; i < s->end; i++) put_level(&w->column[i], rep, v ? s->def : def);
    } else if (s->kind == COLUMN_LIST) {
        for (size_t i = 0; i < count; i++) put_value(w, &s->child[0], json_at(v, i), i ? s->rep : rep, s->def + 1);
    } else if (s->kind == COLUMN_OBJECT) {
        for (int i = 0; i < s->child_count; i++) put_value(w, &s->child[i], json_get(v, s->child[i].name), rep, s->def);
    } else {
        put_level(&w->column[s->leaf], rep, s->def);
        put_leaf(&w->column[s->leaf], v);
    }
}

/* ---- pages --------------------------------------------------------------------------------------------------------------------------------- */

/* Levels as runs of one value, their length in front: lowest bit 0, the count above it, then the value in whole bytes. */
static void put_runs(buf *out, const buf *levels, int most) {
    if (!most) return;
    const size_t at = out->len;
    put_u32(out, 0);
    for (size_t i = 0, n; i < levels->len; i += n) {
        for (n = 1; i + n < levels->len && levels->ptr[i + n] == levels->ptr[i]; n++) continue;
        uint64_t head = (uint64_t)n << 1;
        for (; head >= 0x80; head >>= 7) buf_put_char(out, (char)(head | 0x80));
        buf_put_char(out, (char)head);
        buf_put_char(out, levels->ptr[i]);
    }
    const size_t size = out->len - at - 4;
    for (int i = 0; i < 4; i++) out->ptr[at + (size_t)i] = (char)(size >> (8 * i));
}

static void put_flags(buf *out, const buf *flags) {
    for (size_t i = 0; i < flags->len; i += 8) {
        int byte = 0;
        for (size_t k = 0; k < 8 && i + k < flags->len; k++) byte |= flags->ptr[i + k] << k;
        buf_put_char(out, (char)byte);
    }
}

static void put_page_header(buf *out, size_t unpacked, size_t packed, int64_t entries) {
    thrift_out t = thrift_element(out);
    thrift_put_int(&t, 1, THRIFT_I32, PAGE_DATA);
    thrift_put_int(&t, 2, THRIFT_I32, (int64_t)unpacked);
    thrift_put_int(&t, 3, THRIFT_I32, (int64_t)packed);
    thrift_out data = thrift_put_struct(&t, 5);
    thrift_put_int(&data, 1, THRIFT_I32, entries);
    thrift_put_int(&data, 2, THRIFT_I32, PLAIN);
    thrift_put_int(&data, 3, THRIFT_I32, AS_RUNS);
    thrift_put_int(&data, 4, THRIFT_I32, AS_RUNS);
    thrift_end(&data);
    thrift_end(&t);
}

static bool end_page(parquet_out *w, column *c, err *e) {
    if (!c->page_entries) return true;
    buf_clear(&w->body);
    buf_clear(&w->scratch);
    put_runs(&w->body, &c->reps, c->max_rep);
    put_runs(&w->body, &c->defs, c->max_def);
    if (c->shape->kind == COLUMN_FLAG) put_flags(&w->body, &c->values);
    else buf_put_str(&w->body, buf_str(&c->values));
    if (!bytes_pack(w->codec, buf_str(&w->body), &w->scratch, e)) return false;
    const size_t before = c->pages.len;
    put_page_header(&c->pages, w->body.len, w->scratch.len, c->page_entries);
    c->unpacked += (int64_t)(c->pages.len - before + w->body.len);
    buf_put_str(&c->pages, buf_str(&w->scratch));
    w->group_bytes += c->pages.len - before;
    c->entries += c->page_entries;
    c->page_entries = 0;
    buf_clear(&c->reps);
    buf_clear(&c->defs);
    buf_clear(&c->values);
    return true;
}

/* ---- row groups ------------------------------------------------------------------------------------------------------------------------------ */

/* The numbers that the format gives to compressions. */
static int codec_number(compression c) {
    static const int numbers[COMPRESSION_COUNT] = {
        [COMPRESS_NONE] = 0, [COMPRESS_SNAPPY] = 1, [COMPRESS_GZIP] = 2, [COMPRESS_ZSTD] = 6};
    return numbers[c];
}

static int physical_of(column_kind kind) {
    static const int numbers[COLUMN_SHAPE_COUNT] = {
#define X(token, words, physical, converted, logical) [token] = physical,
        COLUMN_SHAPES(X)
#undef X
    };
    return numbers[kind];
}

static void put_path(thrift_out *t, int id, const column *c) {
    size_t count = 0;
    while (c->path[count]) count++;
    thrift_put_list(t, id, THRIFT_BINARY, count);
    for (size_t i = 0; i < count; i++) {
        buf name = {0};
        json_key_decode(c->path[i], &name);
        thrift_put_bare_text(t->out, buf_str(&name));
        buf_free(&name);
    }
}

static void put_chunk(parquet_out *w, const column *c, int64_t at) {
    thrift_out chunk = thrift_element(&w->groups);
    thrift_put_int(&chunk, 2, THRIFT_I64, at);
    thrift_out m = thrift_put_struct(&chunk, 3);
    thrift_put_int(&m, 1, THRIFT_I32, physical_of(c->shape->kind));
    thrift_put_list(&m, 2, THRIFT_I32, 2);
    thrift_put_bare_int(m.out, PLAIN);
    thrift_put_bare_int(m.out, AS_RUNS);
    put_path(&m, 3, c);
    thrift_put_int(&m, 4, THRIFT_I32, codec_number(w->codec));
    thrift_put_int(&m, 5, THRIFT_I64, c->entries);
    thrift_put_int(&m, 6, THRIFT_I64, c->unpacked);
    thrift_put_int(&m, 7, THRIFT_I64, (int64_t)c->pages.len);
    thrift_put_int(&m, 9, THRIFT_I64, at);
    thrift_end(&m);
    thrift_end(&chunk);
}

static bool end_group(parquet_out *w, err *e) {
    if (!w->group_rows) return true;
    thrift_out group = thrift_element(&w->groups);
    int64_t total = 0;
    thrift_put_list(&group, 1, THRIFT_STRUCT, (size_t)w->columns);
    for (int i = 0; i < w->columns; i++) {
        column *c = &w->column[i];
        if (!end_page(w, c, e)) return false;
        put_chunk(w, c, (int64_t)w->out.written);
        if (!file_out_put(&w->out, c->pages.ptr, c->pages.len, e)) return false;
        total += c->unpacked;
        c->unpacked = c->entries = 0;
        buf_clear(&c->pages);
    }
    thrift_put_int(&group, 2, THRIFT_I64, total);
    thrift_put_int(&group, 3, THRIFT_I64, w->group_rows);
    thrift_end(&group);
    w->group_count++;
    w->group_rows = 0;
    w->group_bytes = 0;
    return true;
}

static bool write_row(parquet_out *w, const json *row, err *e) {
    for (int i = 0; i < w->root.child_count; i++) put_value(w, &w->root.child[i], json_get(row, w->root.child[i].name), 0, 0);
    w->group_rows++;
    for (int i = 0; i < w->columns; i++)
        if (w->column[i].values.len + w->column[i].defs.len * 2 >= PAGE_BYTES && !end_page(w, &w->column[i], e)) return false;
    return w->group_bytes < GROUP_BYTES || end_group(w, e);
}

/* ---- footer ---------------------------------------------------------------------------------------------------------------------------------- */

static void put_text_key(thrift_out *t, int id, const char *key) {
    buf name = {0};
    json_key_decode(key, &name);
    thrift_put_text(t, id, name.len ? buf_str(&name) : STR(""));
    buf_free(&name);
}

static int converted_of(column_kind kind) {
    static const int numbers[COLUMN_SHAPE_COUNT] = {
#define X(token, words, physical, converted, logical) [token] = converted,
        COLUMN_SHAPES(X)
#undef X
    };
    return numbers[kind];
}

static int logical_of(column_kind kind) {
    static const int numbers[COLUMN_SHAPE_COUNT] = {
#define X(token, words, physical, converted, logical) [token] = logical,
        COLUMN_SHAPES(X)
#undef X
    };
    return numbers[kind];
}

/* The union LogicalType, of which one member, an empty struct, is there. */
static void put_logical(thrift_out *t, int which) {
    thrift_out all = thrift_put_struct(t, 10), one = thrift_put_struct(&all, which);
    thrift_end(&one);
    thrift_end(&all);
}

static void put_group_element(buf *out, const char *name, int repetition, int children, column_kind kind, int *count) {
    thrift_out t = thrift_element(out);
    if (repetition) thrift_put_int(&t, 3, THRIFT_I32, repetition);
    put_text_key(&t, 4, name);
    thrift_put_int(&t, 5, THRIFT_I32, children);
    if (converted_of(kind) >= 0) thrift_put_int(&t, 6, THRIFT_I32, converted_of(kind));
    if (logical_of(kind)) put_logical(&t, logical_of(kind));
    thrift_end(&t);
    (*count)++;
}

static void put_schema(buf *out, const column_shape *s, int *count) {
    if (s->kind == COLUMN_LIST) {
        put_group_element(out, s->name, OPTIONAL, 1, COLUMN_LIST, count);
        put_group_element(out, "list", REPEATED, 1, COLUMN_OBJECT, count);
        put_schema(out, &s->child[0], count);
    } else if (s->kind == COLUMN_OBJECT) {
        put_group_element(out, s->name, OPTIONAL, s->child_count, COLUMN_OBJECT, count);
        for (int i = 0; i < s->child_count; i++) put_schema(out, &s->child[i], count);
    } else {
        thrift_out t = thrift_element(out);
        thrift_put_int(&t, 1, THRIFT_I32, physical_of(s->kind));
        thrift_put_int(&t, 3, THRIFT_I32, OPTIONAL);
        put_text_key(&t, 4, s->name);
        if (converted_of(s->kind) >= 0) thrift_put_int(&t, 6, THRIFT_I32, converted_of(s->kind));
        if (logical_of(s->kind)) put_logical(&t, logical_of(s->kind));
        thrift_end(&t);
        (*count)++;
    }
}

static bool put_footer(parquet_out *w, err *e) {
    int elements = 0;
    buf schema = {0}, footer = {0};
    put_group_element(&schema, "schema", 0, w->root.child_count, COLUMN_OBJECT, &elements);
    for (int i = 0; i < w->root.child_count; i++) put_schema(&schema, &w->root.child[i], &elements);
    thrift_out t = thrift_element(&footer);
    thrift_put_int(&t, 1, THRIFT_I32, 2);
    thrift_put_list(&t, 2, THRIFT_STRUCT, (size_t)elements);
    buf_put_str(&footer, buf_str(&schema));
    thrift_put_int(&t, 3, THRIFT_I64, w->rows);
    thrift_put_list(&t, 4, THRIFT_STRUCT, (size_t)w->group_count);
    buf_put_str(&footer, buf_str(&w->groups));
    thrift_put_text(&t, 6, STR("fettle"));
    thrift_end(&t);
    put_u32(&footer, footer.len);
    buf_put_text(&footer, "PAR1");
    const bool ok = file_out_put(&w->out, footer.ptr, footer.len, e);
    buf_free(&schema);
    buf_free(&footer);
    return ok;
}

/* ---- the whole -------------------------------------------------------------------------------------------------------------------------------- */

static void lay_columns(parquet_out *w, const column_shape *s, int rep, const char **path, int depth) {
    path[depth++] = s->name;
    if (s->kind == COLUMN_LIST) path[depth++] = "list", rep = s->rep;
    for (int i = 0; i < s->child_count; i++) lay_columns(w, &s->child[i], rep, path, depth);
    if (s->kind == COLUMN_LIST || s->kind == COLUMN_OBJECT) return;
    column *c = &w->column[s->leaf];
    *c = (column){.shape = s, .max_def = s->def, .max_rep = rep, .path = arena_array(w->own, const char *, depth + 1)};
    memcpy(c->path, path, sizeof *path * (size_t)depth);
}

static bool settle(parquet_out *w, err *e) {
    const char *path[64];
    if (!w->root.child_count) return err_set(e, ERR_INPUT, "%s: a Parquet file needs a column, but there are no rows", w->path);
    for (int i = 0; i < w->root.child_count; i++) w->columns = column_shape_settle(&w->root.child[i], 1, 0, w->columns);
    w->column = arena_array(w->own, column, w->columns);
    for (int i = 0; i < w->root.child_count; i++) lay_columns(w, &w->root.child[i], 0, path, 0);
    return true;
}

static bool write_rows(parquet_out *w, err *e) {
    file_lines lines;
    str line;
    if (!file_lines_open(&lines, w->lines_path, ROW_BYTES_MAX + 1, e)) return false;
    bool ok = true;
    while (ok && file_lines_next(&lines, &line, e)) {
        arena *one = arena_new();
        const json *row = json_parse(one, line, e);
        ok = row && write_row(w, row, e);
        arena_free(one);
    }
    file_lines_close(&lines);
    return ok && !e->code && end_group(w, e);
}

static bool write_all(parquet_out *w, err *e) {
    if (!settle(w, e)) return false;
    w->lines_open = false;
    if (!file_out_commit(&w->lines, e)) return false;
    if (!file_out_open(&w->out, w->path, e)) return false;
    w->out_open = true;
    if (!file_out_put(&w->out, "PAR1", 4, e) || !write_rows(w, e) || !put_footer(w, e)) return false;
    w->out_open = false;
    return file_out_commit(&w->out, e);
}

bool parquet_out_commit(parquet_out *w, err *e) {
    err why = {0};
    const bool ok = write_all(w, &why);
    parquet_out_abandon(w);
    return ok || err_set(e, why.code, "%s", why.text);
}

void parquet_out_abandon(parquet_out *w) {
    if (!w->own) return;
    if (w->lines_open) file_out_abandon(&w->lines);
    if (w->out_open) file_out_abandon(&w->out);
    if (file_exists(w->lines_path)) file_io.unlink(w->lines_path);
    for (int i = 0; w->column && i < w->columns; i++) {
        buf *all[] = {&w->column[i].reps, &w->column[i].defs, &w->column[i].values, &w->column[i].pages};
        for (int k = 0; k < 4; k++) buf_free(all[k]);
    }
    buf_free(&w->groups);
    buf_free(&w->scratch);
    buf_free(&w->body);
    arena_free(w->own);
    w->own = NULL;
}
