/* mapping_facts.c - what the columns of a file hold. */
#include <math.h>
#include <string.h>

#include "data/data.h"

enum { COLUMNS_MAX = 4096, SEEN_MAX = 1 << 16 };

typedef struct {
    arena *a, *scratch;
    row_facts *out;
    int room;
    uint64_t mask;               /* places of a set, less one */
    uint64_t *seen[COLUMNS_MAX]; /* of each column a set of hashes, open addressed; NULL once two values were alike */
} looking;

static const char *type_of(const json *v) {
    static const char *const types[] = {
        [JSON_NULL] = "null",   [JSON_BOOL] = "flag",  [JSON_INT] = "integer",   [JSON_REAL] = "number",
        [JSON_STRING] = "text", [JSON_ARRAY] = "list", [JSON_OBJECT] = "object",
    };
    return types[json_kind_of(v)];
}

static bool is_number_type(const char *type) { return !strcmp(type, "integer") || !strcmp(type, "number"); }

static const char *both(const char *x, const char *y) {
    if (!strcmp(x, y) || !strcmp(y, "null")) return x;
    if (!strcmp(x, "null")) return y;
    return is_number_type(x) && is_number_type(y) ? "number" : "mixed";
}

static int column_of(looking *l, const char *name) {
    row_facts *f = l->out;
    for (int i = 0; i < f->count; i++)
        if (!strcmp(f->column[i].name, name)) return i;
    if (f->count == COLUMNS_MAX) return -1;
    if (f->count == l->room) {
        column_facts *more = arena_array(l->a, column_facts, l->room = l->room ? l->room * 2 : 16);
        if (f->count) memcpy(more, f->column, sizeof *more * (size_t)f->count);
        f->column = more;
    }
    l->seen[f->count] = arena_array(l->scratch, uint64_t, l->mask + 1);
    f->column[f->count] = (column_facts){.name = arena_text(l->a, name),
                                         .type = "null",
                                         .unique = true,
                                         .messages = true,
                                         .image = true,
                                         .dimensions = -1,
                                         .least = INFINITY,
                                         .most = -INFINITY,
                                         .values = json_new_array(l->a)};
    return f->count++;
}

/* FNV-1a of the value as text; 0 stands for an empty place. */
static uint64_t hash_of(const json *v) {
    buf text = {0};
    uint64_t h = 14695981039346656037u;
    json_put(&text, v);
    for (size_t i = 0; i < text.len; i++) h = (h ^ (uint8_t)text.ptr[i]) * 1099511628211u;
    buf_free(&text);
    return h ? h : 1;
}

static void look_for_twins(looking *l, int i, const json *v) {
    column_facts *c = &l->out->column[i];
    const json_kind kind = json_kind_of(v);
    const uint64_t mask = l->mask, h = hash_of(v);
    if (!c->unique) return;
    if ((kind != JSON_STRING && kind != JSON_INT) || c->count > (int64_t)mask / 2) {
        c->unique = kind == JSON_STRING || kind == JSON_INT;
        return;
    }
    for (uint64_t at = h & mask;; at = (at + 1) & mask) {
        if (l->seen[i][at] == h) c->unique = false;
        if (l->seen[i][at] && l->seen[i][at] != h) continue;
        l->seen[i][at] = h;
        return;
    }
}

static void add_value(looking *l, column_facts *c, json *v) {
    if (!c->values) return;
    const json_kind kind = json_kind_of(v);
    for (size_t i = 0; i < json_count(c->values); i++)
        if (json_kind_of(json_at(c->values, i)) == kind && json_equal(json_at(c->values, i), v)) return;
    const bool fits = (kind == JSON_STRING && json_text(v, STR("")).len <= 200) || kind == JSON_BOOL || kind == JSON_INT;
    if (fits && json_count(c->values) < FACT_VALUES_MAX) json_append(c->values, json_share(l->a, v));
    else c->values = NULL;
}

static bool are_messages(const json *v) {
    for (size_t i = 0; i < json_count(v); i++) {
        const json *m = json_at(v, i);
        if (!(json_has(m, "role") && json_has(m, "content")) && !(json_has(m, "from") && json_has(m, "value"))) return false;
    }
    return json_kind_of(v) == JSON_ARRAY;
}

static bool is_image(const json *v) {
    if (json_kind_of(v) == JSON_OBJECT) return str_starts(json_get_text(v, "bytes", STR("")), STR("data:image/"));
    return str_starts(json_text(v, STR("")), STR("data:image/"));
}

static int dimensions_of(const json *v) {
    for (size_t i = 0; i < json_count(v); i++) {
        const json_kind kind = json_kind_of(json_at(v, i));
        if (kind != JSON_REAL && kind != JSON_INT) return 0;
    }
    return json_kind_of(v) == JSON_ARRAY ? (int)json_count(v) : 0;
}

static void look_at_value(looking *l, int i, json *v) {
    column_facts *c = &l->out->column[i];
    c->type = both(c->type, type_of(v));
    if (!v) return;
    look_for_twins(l, i, v);
    add_value(l, c, v);
    c->count++;
    c->messages = c->messages && are_messages(v);
    c->image = c->image && is_image(v);
    const int dimensions = dimensions_of(v);
    c->dimensions = c->dimensions < 0 || c->dimensions == dimensions ? dimensions : 0;
    const double n = json_real(v, NAN);
    if (n < c->least) c->least = n;
    if (n > c->most) c->most = n;
    if (json_text(v, STR("")).len > c->longest) c->longest = json_text(v, STR("")).len;
}

static void settle(column_facts *c) {
    const bool none = !c->count;
    if (none) c->unique = c->messages = c->image = false;
    if (c->dimensions < 0 || none) c->dimensions = 0;
}

bool row_facts_look(arena *a, row_source *s, int64_t rows, row_facts *out, err *e) {
    arena *scratch = arena_new();
    looking *l = arena_new_of(scratch, looking);
    *out = (row_facts){0};
    *l = (looking){.a = a, .scratch = scratch, .out = out, .mask = 63};
    while (l->mask < (uint64_t)rows * 2 && l->mask < SEEN_MAX - 1) l->mask = l->mask * 2 + 1;
    while (out->rows < rows && !row_source_ended(s)) {
        arena *one = arena_new();
        json *row;
        err bad = {0};
        if (row_source_next(s, one, &row, &bad)) {
            out->rows++;
            for (json_member m = {0}; json_next(row, &m);) {
                const int i = column_of(l, m.key);
                if (i >= 0) look_at_value(l, i, m.value);
            }
        }
        arena_free(one);
    }
    for (int i = 0; i < out->count; i++) settle(&out->column[i]);
    arena_free(scratch);
    return row_source_rewind(s, e);
}
