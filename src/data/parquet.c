/* parquet.c - the file: its footer, its row groups, and rows put together from their columns.
 *
 * A row is written by walking the schema. Each leaf has one entry at hand, its levels looked at (peek); the first leaf below a place says
 * whether the place is null, empty or there, and every other leaf must agree, or the file is damaged:
 *
 *     def < node.def                       null       one entry of every leaf below is used up
 *     LIST: node.def <= def < element_def  empty      likewise
 *     else                                 there; of a list another element follows while the next entry's rep == node.rep */
#include "data/parquet.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "data/parquet_parts.h"
#include "data/rows.h"

enum { FOOTER_MAX = 64 << 20, GROUPS_MAX = 1 << 20 };

struct parquet {
    const char *path;
    str file, footer; /* footer: the metadata, without its length and magic */
    parquet_schema schema;
    parquet_column *column; /* [schema.leaf_count] */
    int64_t rows, row;      /* in the file; read so far */
    const uint8_t *group;   /* the next row group's bytes in the footer */
    uint32_t groups, group_number;
    thrift_field group_field;
    str pairs; /* the footer from its key-value list on */
    thrift_field pairs_field;
    int64_t group_left; /* rows */
    size_t live;
    bool ended;
};

/* ---- opening ---------------------------------------------------------------------------------------------------------------------------- */

static bool find_footer(parquet *p, err *e) {
    const size_t size = p->file.len;
    if (size < 12 || !str_starts(p->file, STR("PAR1"))) return err_set(e, ERR_INPUT, "%s is no Parquet file", p->path);
    if (str_ends(p->file, STR("PARE"))) return err_set(e, ERR_UNSUPPORTED, "%s is encrypted Parquet, which is not read", p->path);
    if (!str_ends(p->file, STR("PAR1")))
        return err_set(e, ERR_INPUT, "%s is Parquet without its end ('PAR1'); was it copied whole?", p->path);
    const uint8_t *tail = (const uint8_t *)p->file.ptr + size - 8;
    const size_t length = (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
    if (length > size - 12) return err_set(e, ERR_INPUT, "%s: the footer is longer than the file", p->path);
    if (length > FOOTER_MAX)
        return err_set(e, ERR_LIMIT, "%s: a footer of %zu bytes; at most %d are read", p->path, length, FOOTER_MAX);
    p->footer = str_slice(p->file, size - 8 - length, size - 8);
    p->file = str_slice(p->file, 0, size - 8 - length);
    return true;
}

/* Remembers where the row groups are; they are read one by one. */
static void pass_groups(parquet *p, thrift_in *t, thrift_field f) {
    p->groups = thrift_list(t, f, &p->group_field);
    p->group = t->at;
    for (uint32_t i = 0; i < p->groups && !t->wrong; i++) thrift_skip(t, p->group_field);
}

static bool read_footer(arena *a, parquet *p, err *e) {
    thrift_in t = thrift_on(p->footer);
    for (thrift_field f = {0}; thrift_next(&t, &f);) {
        if (f.id == 8) return err_set(e, ERR_UNSUPPORTED, "encrypted Parquet is not read");
        if (f.id == 5) p->pairs = (str){(const char *)t.at, (size_t)(t.end - t.at)}, p->pairs_field = f;
        if (f.id == 2 && p->schema.leaf) return err_set(e, ERR_INPUT, "damaged footer: a second schema");
        if (f.id == 2 && !parquet_schema_read(a, &t, f, &p->schema, e)) return false;
        if (f.id == 3) p->rows = thrift_int(&t, f);
        else if (f.id == 4) pass_groups(p, &t, f);
        else if (f.id != 2) thrift_skip(&t, f);
    }
    if (t.wrong) return err_set(e, ERR_INPUT, "damaged footer: %s", t.wrong);
    if (!p->schema.leaf) return err_set(e, ERR_INPUT, "damaged footer: no schema");
    return (p->rows >= 0 && p->groups <= GROUPS_MAX) || err_set(e, ERR_INPUT, "damaged footer: a count out of range");
}

/* Levels of a leaf: as many as the places around it have. */
static void set_levels(parquet_column *column, const parquet_node *n, int rep) {
    if (n->shape == SHAPE_LIST || n->shape == SHAPE_MAP) rep = n->rep;
    if (n->shape == SHAPE_LEAF) {
        parquet_column *c = &column[n->leaf_begin];
        c->leaf = n;
        c->max_def = n->def;
        c->max_rep = rep;
    }
    for (int i = 0; i < n->child_count; i++) set_levels(column, &n->child[i], rep);
}

static void close_deferred(void *p) { parquet_close(p); }

parquet *parquet_open(arena *a, const char *path, err *e) {
    parquet *p = arena_new_of(a, parquet);
    p->path = arena_text(a, path);
    if (!file_map(a, path, &p->file, e) || !find_footer(p, e)) return NULL;
    if (!read_footer(a, p, e)) {
        err_prefix(e, "%s", path);
        return NULL;
    }
    p->column = arena_array(a, parquet_column, p->schema.leaf_count);
    set_levels(p->column, &p->schema.root, 0);
    for (int i = 0; i < p->schema.leaf_count; i++) p->column[i].live = &p->live;
    arena_defer(a, close_deferred, p);
    return p;
}

void parquet_close(parquet *p) {
    for (int i = 0; i < p->schema.leaf_count; i++) parquet_column_free(&p->column[i]);
    p->live = 0;
    p->ended = true;
}

int64_t parquet_rows(const parquet *p) { return p->rows; }
int parquet_columns(const parquet *p) { return p->schema.root.child_count; }
str parquet_column_name(const parquet *p, int column) { return p->schema.root.child[column].name; }
const char *parquet_column_type(const parquet *p, int column) { return parquet_node_type(&p->schema.root.child[column]); }

bool parquet_metadata(const parquet *p, str key, str *value) {
    thrift_in t = thrift_on(p->pairs);
    thrift_field pair;
    if (!p->pairs_field.type) return false;
    for (uint32_t count = thrift_list(&t, p->pairs_field, &pair); count && thrift_enter(&t, pair); count--) {
        str name = STR(""), text = STR("");
        for (thrift_field f = {0}; thrift_next(&t, &f);)
            if (f.id == 1) name = thrift_text(&t, f);
            else if (f.id == 2) text = thrift_text(&t, f);
            else thrift_skip(&t, f);
        if (!t.wrong && str_eq(name, key)) return *value = text, true;
    }
    return false;
}

int64_t parquet_position(const parquet *p) {
    const uint8_t *furthest = (const uint8_t *)p->file.ptr;
    for (int i = 0; i < p->schema.leaf_count; i++)
        if (p->column[i].at > furthest) furthest = p->column[i].at;
    return (int64_t)(furthest - (const uint8_t *)p->file.ptr);
}

/* ---- row groups ---------------------------------------------------------------------------------------------------------------------------- */

static bool in_column(const parquet *p, const parquet_column *c, err *e) {
    return err_prefix(e, "%s, column '%s', row %lld", p->path, c->leaf->path, (long long)p->row + 1);
}

static bool begin_columns(parquet *p, thrift_in *t, thrift_field f, err *e) {
    thrift_field each;
    const uint32_t count = thrift_list(t, f, &each);
    if (t->wrong || count != (uint32_t)p->schema.leaf_count)
        return err_set(e, ERR_INPUT, "%s: row group %u has another number of columns than the schema", p->path, p->group_number);
    for (uint32_t i = 0; i < count; i++) {
        thrift_enter(t, each);
        if (!parquet_column_begin(&p->column[i], t, p->file, e)) return in_column(p, &p->column[i], e);
    }
    return true;
}

static bool next_group(parquet *p, err *e) {
    thrift_in t = {.at = p->group, .end = (const uint8_t *)p->footer.ptr + p->footer.len};
    bool columns = false;
    p->group_number++;
    p->group_left = -1;
    thrift_enter(&t, p->group_field);
    for (thrift_field f = {0}; thrift_next(&t, &f);) {
        if (f.id == 1 && !columns) {
            if (!begin_columns(p, &t, f, e)) return false;
            columns = true;
        } else if (f.id == 3) p->group_left = thrift_int(&t, f);
        else thrift_skip(&t, f);
    }
    p->group = t.at;
    if (!t.wrong && columns && p->group_left >= 0) return true;
    return err_set(e, ERR_INPUT, "%s: damaged metadata of row group %u%s%s", p->path, p->group_number, t.wrong ? ": " : "",
                   t.wrong ? t.wrong : "");
}

/* Behind the last row of a group no column may have an entry left. */
static bool end_group(parquet *p, err *e) {
    for (int i = 0; p->group_number && i < p->schema.leaf_count; i++) {
        parquet_column *c = &p->column[i];
        if (!parquet_column_peek(c, e) && !e->code) continue;
        if (!e->code) err_set(e, ERR_INPUT, "more values than row group %u has rows", p->group_number);
        return in_column(p, c, e);
    }
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------------------ */

static bool disagree(const parquet *p, const parquet_column *c, err *e) {
    err_set(e, ERR_INPUT, "levels do not fit those of the columns beside it");
    return in_column(p, c, e);
}

static bool peek(parquet *p, int leaf, parquet_column **c, err *e) {
    *c = &p->column[leaf];
    if (parquet_column_peek(*c, e)) return true;
    if (!e->code) err_set(e, ERR_INPUT, "fewer values than row group %u has rows", p->group_number);
    return in_column(p, *c, e);
}

/* One entry of every leaf below n, each in a place that is not there: its level is from `least` to less than `most`. */
static bool use_up(parquet *p, const parquet_node *n, int rep, int least, int most, err *e) {
    for (int i = n->leaf_begin; i < n->leaf_end; i++) {
        parquet_column *c;
        if (!peek(p, i, &c, e)) return false;
        if (c->rep != rep || c->def < least || c->def >= most) return disagree(p, c, e);
        c->peeked = false;
    }
    return true;
}

static bool put_leaf(parquet *p, const parquet_node *n, int rep, int least, buf *row, err *e) {
    parquet_column *c;
    parquet_value v;
    const char *wrong = NULL;
    if (!peek(p, n->leaf_begin, &c, e)) return false;
    if (c->rep != rep || c->def < least) return disagree(p, c, e);
    c->peeked = false;
    if (c->def < n->def) return buf_put_text(row, "null"), true;
    if (!parquet_column_take(c, &v, e)) return in_column(p, c, e);
    if (v.ptr && v.bits > ROW_BYTES_MAX) err_set(e, ERR_LIMIT, "a value of %lld bytes", (long long)v.bits);
    else if (!parquet_value_put(row, n, v, &wrong)) err_set(e, ERR_INPUT, "%s", wrong);
    if (row->len > ROW_BYTES_MAX) err_set(e, ERR_LIMIT, "a row of more than %d bytes", ROW_BYTES_MAX);
    return !e->code || in_column(p, c, e);
}

static bool put_node(parquet *p, const parquet_node *n, int rep, int least, buf *row, err *e);

static bool put_members(parquet *p, const parquet_node *n, int rep, buf *row, err *e) {
    buf_put_char(row, '{');
    for (int i = 0; i < n->child_count; i++) {
        if (i) buf_put_char(row, ',');
        buf_put_str(row, n->child[i].key);
        if (!put_node(p, &n->child[i], rep, n->shape == SHAPE_GROUP ? n->def : n->element_def, row, e)) return false;
    }
    buf_put_char(row, '}');
    return true;
}

static bool has_text_keys(const parquet_node *n) {
    const parquet_node *key = &n->child[0];
    return n->shape == SHAPE_MAP && key->shape == SHAPE_LEAF && (key->meaning == MEANING_text || key->meaning == MEANING_bytes) &&
           key->def == n->element_def;
}

static bool put_pair(parquet *p, const parquet_node *n, int rep, buf *row, err *e) {
    if (!put_node(p, &n->child[0], rep, n->element_def, row, e)) return false;
    buf_put_char(row, ':');
    return put_node(p, &n->child[1], rep, n->element_def, row, e);
}

static bool put_element(parquet *p, const parquet_node *n, int rep, buf *row, err *e) {
    if (n->shape == SHAPE_LIST) return put_node(p, &n->child[0], rep, n->element_def, row, e);
    return has_text_keys(n) ? put_pair(p, n, rep, row, e) : put_members(p, n, rep, row, e);
}

static bool put_elements(parquet *p, const parquet_node *n, int rep, buf *row, err *e) {
    parquet_column *first = &p->column[n->leaf_begin];
    const bool object = has_text_keys(n);
    buf_put_char(row, object ? '{' : '[');
    if (first->def < n->element_def) {
        if (!use_up(p, n, rep, n->def, n->element_def, e)) return false;
    } else {
        bool more;
        do {
            if (row->len > ROW_BYTES_MAX) {
                err_set(e, ERR_LIMIT, "a row of more than %d bytes", ROW_BYTES_MAX);
                return in_column(p, first, e);
            }
            if (!put_element(p, n, rep, row, e)) return false;
            rep = n->rep;
            more = parquet_column_peek(first, e) && first->rep == rep;
            if (e->code) return in_column(p, first, e);
            if (more) buf_put_char(row, ',');
        } while (more);
    }
    buf_put_char(row, object ? '}' : ']');
    return true;
}

/* `least`: the level that is known to be reached, because what is around n is there. */
static bool put_node(parquet *p, const parquet_node *n, int rep, int least, buf *row, err *e) {
    parquet_column *c;
    if (n->shape == SHAPE_LEAF) return put_leaf(p, n, rep, least, row, e);
    if (!peek(p, n->leaf_begin, &c, e)) return false;
    if (c->def < n->def) {
        buf_put_text(row, "null");
        return use_up(p, n, rep, least, n->def, e);
    }
    return n->shape == SHAPE_GROUP ? put_members(p, n, rep, row, e) : put_elements(p, n, rep, row, e);
}

bool parquet_next(parquet *p, buf *row, err *e) {
    while (!p->ended && !p->group_left) {
        if (!end_group(p, e) || (p->group_number < p->groups && !next_group(p, e))) return p->ended = true, false;
        if (p->group_left || p->group_number < p->groups) continue;
        p->ended = true;
        if (p->row != p->rows)
            err_set(e, ERR_INPUT, "%s: the footer says %lld rows, the row groups have %lld", p->path, (long long)p->rows,
                    (long long)p->row);
        return false;
    }
    if (p->ended) return false;
    buf_clear(row);
    if (!put_members(p, &p->schema.root, 0, row, e)) return p->ended = true, false;
    p->group_left--;
    p->row++;
    return true;
}
