/* parquet_shape.c - a shape that grows with the values it has to hold. */
#include "data/parquet_shape.h"

#include <string.h>

enum { DEPTH_MAX = 10, MEMBERS_MAX = 256 };

/* What is of several kinds becomes JSON text, whatever it was before. */
static void give_up(column_shape *s) {
    s->kind = COLUMN_JSON;
    s->child = NULL;
    s->child_count = s->child_room = 0;
}

static column_shape *member(arena *a, column_shape *s, const char *name, int guess) {
    if (guess < s->child_count && !strcmp(s->child[guess].name, name)) return &s->child[guess];
    for (int i = 0; i < s->child_count; i++)
        if (!strcmp(s->child[i].name, name)) return &s->child[i];
    if (s->child_count == s->child_room) {
        const int room = s->child_room ? s->child_room * 2 : 8;
        column_shape *more = arena_array(a, column_shape, room);
        if (s->child_count) memcpy(more, s->child, sizeof *more * (size_t)s->child_count);
        s->child = more;
        s->child_room = room;
    }
    column_shape *new = &s->child[s->child_count++];
    *new = (column_shape){.name = arena_text(a, name)};
    return new;
}

static column_kind kind_of(const json *v, int depth) {
    switch (json_kind_of(v)) {
    case JSON_NULL: return COLUMN_NOTHING;
    case JSON_BOOL: return COLUMN_FLAG;
    case JSON_INT: return COLUMN_INTEGER;
    case JSON_REAL: return COLUMN_REAL;
    case JSON_STRING: return COLUMN_TEXT;
    case JSON_ARRAY: return depth < DEPTH_MAX ? COLUMN_LIST : COLUMN_JSON;
    case JSON_OBJECT: return depth < DEPTH_MAX ? COLUMN_OBJECT : COLUMN_JSON;
    }
    return COLUMN_JSON;
}

static column_kind both(column_kind x, column_kind y) {
    if (x == y || y == COLUMN_NOTHING) return x;
    if (x == COLUMN_NOTHING) return y;
    const bool numbers = (x == COLUMN_INTEGER || x == COLUMN_REAL) && (y == COLUMN_INTEGER || y == COLUMN_REAL);
    return numbers ? COLUMN_REAL : COLUMN_JSON;
}

void column_shape_add(arena *a, column_shape *s, const json *v, int depth) {
    if (s->kind == COLUMN_JSON || !v) return;
    const column_kind kind = both(s->kind, kind_of(v, depth));
    if (kind == COLUMN_JSON) {
        give_up(s);
        return;
    }
    s->kind = kind;
    if (kind == COLUMN_LIST) {
        column_shape *element = member(a, s, "element", 0);
        for (size_t i = 0; i < json_count(v); i++) column_shape_add(a, element, json_at(v, i), depth + 1);
    }
    if (kind != COLUMN_OBJECT) return;
    int place = 0;
    for (json_member m = {0}; json_next(v, &m); place++) column_shape_add(a, member(a, s, m.key, place), m.value, depth + 1);
    if (depth && s->child_count > MEMBERS_MAX) give_up(s); /* names that are data, not names */
}

int column_shape_settle(column_shape *s, int def, int rep, int leaf) {
    if (s->kind == COLUMN_OBJECT && !s->child_count) give_up(s);
    s->def = def;
    s->leaf = leaf;
    if (s->kind == COLUMN_LIST) {
        s->rep = rep + 1;
        leaf = column_shape_settle(&s->child[0], def + 2, rep + 1, leaf);
    } else if (s->kind == COLUMN_OBJECT) {
        for (int i = 0; i < s->child_count; i++) leaf = column_shape_settle(&s->child[i], def + 1, rep, leaf);
    } else leaf++;
    return s->end = leaf;
}
