/* parquet_schema.c - the list of schema elements as the tree a row is put together by.
 *
 * The list is the tree in pre-order: an element, then its num_children subtrees. Lists and maps are written as groups around a repeated
 * group; both the three levels of the specification and the two of older writers are read (LogicalTypes.md, "Backward-compatibility
 * rules"). */
#include <string.h>

#include "base/json.h"
#include "data/parquet_parts.h"

enum { ELEMENTS_MAX = 20000, NESTED_MAX = 24, FIXED_MAX = 1 << 16 };
enum { REQUIRED, OPTIONAL, REPEATED };

/* Numbers of the format: ConvertedType, and the members of the union LogicalType. */
enum { OLD_UTF8, OLD_MAP, OLD_MAP_PAIR, OLD_LIST, OLD_ENUM, OLD_DECIMAL, OLD_DATE, OLD_TIME_MS, OLD_TIME_US, OLD_STAMP_MS };
enum { OLD_STAMP_US = 10, OLD_UINT_8, OLD_UINT_16, OLD_UINT_32, OLD_UINT_64, OLD_JSON = 19, OLD_BSON = 20 };
enum { NEW_STRING = 1, NEW_MAP, NEW_LIST, NEW_ENUM, NEW_DECIMAL, NEW_DATE, NEW_TIME, NEW_STAMP };
enum { NEW_INTEGER = 10, NEW_JSON = 12, NEW_BSON, NEW_UUID, NEW_REAL16 };

typedef struct {
    int physical, size, repetition, children, converted, logical, scale, unit;
    bool utc, is_signed;
    str name;
} element;

typedef struct {
    arena *a;
    const element *list;
    uint32_t count, at;
    const parquet_node **leaf;
    int leaf_count;
    err *e;
} builder;

/* ---- reading elements ---------------------------------------------------------------------------------------------------------------- */

/* The unit of a time is a union: which of its members is there. */
static int read_unit(thrift_in *t, thrift_field f) {
    int unit = 0;
    if (!thrift_enter(t, f)) return 0;
    for (thrift_field inner = {0}; thrift_next(t, &inner); thrift_skip(t, inner)) unit = inner.id;
    return unit;
}

static void read_logical_member(thrift_in *t, element *x, thrift_field f) {
    if (x->logical == NEW_DECIMAL && f.id == 1) x->scale = (int)thrift_int(t, f);
    else if ((x->logical == NEW_TIME || x->logical == NEW_STAMP) && f.id == 1) x->utc = thrift_int(t, f);
    else if ((x->logical == NEW_TIME || x->logical == NEW_STAMP) && f.id == 2) x->unit = read_unit(t, f);
    else if (x->logical == NEW_INTEGER && f.id == 2) x->is_signed = thrift_int(t, f);
    else thrift_skip(t, f);
}

static void read_logical(thrift_in *t, element *x, thrift_field f) {
    if (!thrift_enter(t, f)) return;
    for (thrift_field kind = {0}; thrift_next(t, &kind);) {
        x->logical = kind.id;
        if (!thrift_enter(t, kind)) return;
        for (thrift_field member = {0}; thrift_next(t, &member);) read_logical_member(t, x, member);
    }
}

static element read_element(thrift_in *t, thrift_field of) {
    element x = {.physical = -1, .converted = -1, .is_signed = true, .utc = true, .name = STR("")};
    if (!thrift_enter(t, of)) return x;
    for (thrift_field f = {0}; thrift_next(t, &f);) switch (f.id) {
        case 1: x.physical = (int)thrift_int(t, f); break;
        case 2: x.size = (int)thrift_int(t, f); break;
        case 3: x.repetition = (int)thrift_int(t, f); break;
        case 4: x.name = thrift_text(t, f); break;
        case 5: x.children = (int)thrift_int(t, f); break;
        case 6: x.converted = (int)thrift_int(t, f); break;
        case 7: x.scale = (int)thrift_int(t, f); break;
        case 10: read_logical(t, &x, f); break;
        default: thrift_skip(t, f);
        }
    return x;
}

/* ---- what a leaf means ----------------------------------------------------------------------------------------------------------------- */

static bool is_bytes(const element *x) { return x->physical == PHYSICAL_BYTE_ARRAY || x->physical == PHYSICAL_FIXED; }
static bool is_integer(const element *x) { return x->physical == PHYSICAL_INT32 || x->physical == PHYSICAL_INT64; }

/* Where nothing else is said. */
static meaning plain_meaning(const element *x) {
    static const meaning plain[PHYSICAL_COUNT] = {
        [PHYSICAL_BOOLEAN] = MEANING_flag, [PHYSICAL_INT32] = MEANING_integer,    [PHYSICAL_INT64] = MEANING_integer,
        [PHYSICAL_FLOAT] = MEANING_real32, [PHYSICAL_DOUBLE] = MEANING_real64,    [PHYSICAL_INT96] = MEANING_timestamp96,
        [PHYSICAL_FIXED] = MEANING_bytes,  [PHYSICAL_BYTE_ARRAY] = MEANING_bytes,
    };
    return plain[x->physical];
}

static meaning integer_meaning(const element *x) {
    const int c = x->converted;
    switch (x->logical) {
    case NEW_DATE: return MEANING_date;
    case NEW_TIME: return MEANING_time;
    case NEW_STAMP: return MEANING_timestamp;
    case NEW_INTEGER: return x->is_signed ? MEANING_integer : MEANING_unsigned;
    case NEW_DECIMAL: return MEANING_decimal;
    default: break;
    }
    if (c == OLD_DATE) return MEANING_date;
    if (c == OLD_TIME_MS || c == OLD_TIME_US) return MEANING_time;
    if (c == OLD_STAMP_MS || c == OLD_STAMP_US) return MEANING_timestamp;
    if (c == OLD_DECIMAL) return MEANING_decimal;
    return c >= OLD_UINT_8 && c <= OLD_UINT_64 ? MEANING_unsigned : MEANING_integer;
}

static meaning bytes_meaning(const element *x) {
    const int c = x->converted;
    const bool fixed = x->physical == PHYSICAL_FIXED;
    if (x->logical == NEW_DECIMAL || c == OLD_DECIMAL) return MEANING_decimal;
    if (x->logical == NEW_UUID && fixed && x->size == 16) return MEANING_uuid;
    if (x->logical == NEW_REAL16 && fixed && x->size == 2) return MEANING_real16;
    if (x->logical == NEW_JSON || c == OLD_JSON) return MEANING_document;
    const bool text = x->logical == NEW_STRING || x->logical == NEW_ENUM || c == OLD_UTF8 || c == OLD_ENUM;
    return text ? MEANING_text : MEANING_bytes;
}

static int64_t units_per_second(const element *x) {
    static const int64_t units[] = {0, 1000, 1000000, 1000000000};
    if (x->unit >= 1 && x->unit <= 3) return units[x->unit];
    return x->converted == OLD_TIME_MS || x->converted == OLD_STAMP_MS ? 1000 : 1000000;
}

static int fixed_size(const element *x) {
    static const int sizes[PHYSICAL_COUNT] = {
#define X(number, name, size) [number] = size,
        PHYSICALS(X)
#undef X
    };
    return x->physical == PHYSICAL_FIXED ? x->size : sizes[x->physical];
}

static bool build_leaf(builder *b, const element *x, parquet_node *out) {
    if (x->physical < 0 || x->physical >= PHYSICAL_COUNT)
        return err_set(b->e, ERR_UNSUPPORTED, "column '%s' has values of a type (%d) that is not known", out->path, x->physical);
    if (x->physical == PHYSICAL_FIXED && (x->size < 1 || x->size > FIXED_MAX))
        return err_set(b->e, ERR_INPUT, "column '%s': values of %d bytes; expected 1 to %d", out->path, x->size, FIXED_MAX);
    out->shape = SHAPE_LEAF;
    out->physical = (physical)x->physical;
    out->size = fixed_size(x);
    out->meaning = is_integer(x) ? integer_meaning(x) : is_bytes(x) ? bytes_meaning(x) : plain_meaning(x);
    out->per_second = units_per_second(x);
    out->utc = x->utc;
    out->scale = x->scale;
    if (out->meaning == MEANING_decimal && (x->scale < 0 || x->scale > 38 || out->size > 16))
        return err_set(b->e, ERR_UNSUPPORTED, "column '%s': decimals of scale %d in %d bytes are not read", out->path, x->scale,
                       out->size);
    b->leaf[b->leaf_count++] = out;
    return true;
}

/* ---- the tree -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int def, rep, depth; /* levels of what is around; how deep it is */
    const char *path;
} around;

static bool build(builder *b, around o, bool in_list, parquet_node *out);

static const element *next_element(builder *b) {
    if (b->at < b->count) return &b->list[b->at++];
    return err_null(b->e, ERR_INPUT, "damaged schema: groups have more members than there are elements");
}

static void set_name(builder *b, around o, const element *x, parquet_node *out) {
    buf key = {0};
    out->name = (str){str_copy(b->a, x->name), x->name.len};
    json_quote(&key, x->name);
    buf_put_char(&key, ':');
    out->key = (str){str_copy(b->a, buf_str(&key)), key.len};
    buf_free(&key);
    out->path = *o.path ? arena_printf(b->a, "%s.%.*s", o.path, STR_ARG(x->name)) : out->name.ptr;
}

static bool build_children(builder *b, around o, int count, parquet_node *out) {
    if (count < 0 || (uint32_t)count > b->count - b->at)
        return err_set(b->e, ERR_INPUT, "damaged schema: '%s' has more members than there are elements", out->path);
    out->child = arena_array(b->a, parquet_node, count ? count : 1);
    out->child_count = count;
    for (int i = 0; i < count; i++)
        if (!build(b, o, false, &out->child[i])) return false;
    return true;
}

static bool is_list(const element *x) { return x->logical == NEW_LIST || x->converted == OLD_LIST; }
static bool is_map(const element *x) { return x->logical == NEW_MAP || x->converted == OLD_MAP || x->converted == OLD_MAP_PAIR; }

/* The element of a list: what stands in the repeated group, or (two levels) the repeated element itself. */
static bool repeated_is_element(const element *list, const element *repeated) {
    if (repeated->children != 1 || str_is(repeated->name, "array")) return true;
    return repeated->name.len == list->name.len + 6 && str_starts(repeated->name, list->name) &&
           str_ends(repeated->name, STR("_tuple"));
}

static bool build_list(builder *b, around o, const element *list, parquet_node *out) {
    const element *repeated = &b->list[b->at];
    around inner = {o.def + 1, o.rep + 1, o.depth + 1, o.path};
    out->shape = SHAPE_LIST;
    out->element_def = inner.def;
    out->rep = inner.rep;
    out->child = arena_new_of(b->a, parquet_node);
    out->child_count = 1;
    if (repeated_is_element(list, repeated)) return build(b, inner, true, out->child);
    b->at++;
    return build(b, inner, false, out->child);
}

/* A map of one member is a set: a list of its keys. */
static bool build_map(builder *b, around o, parquet_node *out) {
    const element *pair = &b->list[b->at++];
    around inner = {o.def + 1, o.rep + 1, o.depth + 1, o.path};
    out->shape = pair->children == 2 ? SHAPE_MAP : SHAPE_LIST;
    out->element_def = inner.def;
    out->rep = inner.rep;
    return build_children(b, inner, pair->children, out);
}

/* A repeated field without a list around it. */
static bool build_bare_repeated(builder *b, around o, parquet_node *out) {
    around inner = {o.def + 1, o.rep + 1, o.depth + 1, o.path};
    b->at--;
    out->shape = SHAPE_LIST;
    out->element_def = inner.def;
    out->rep = inner.rep;
    out->child = arena_new_of(b->a, parquet_node);
    out->child_count = 1;
    return build(b, inner, true, out->child);
}

static bool build_group(builder *b, around o, const element *x, parquet_node *out) {
    const bool one = x->children == 1 && b->at < b->count && b->list[b->at].repetition == REPEATED;
    const int below = one ? b->list[b->at].children : 0;
    o.path = out->path;
    o.depth++;
    if (one && is_list(x)) return build_list(b, o, x, out);
    if (one && is_map(x) && (below == 1 || below == 2)) return build_map(b, o, out);
    out->shape = SHAPE_GROUP;
    return build_children(b, o, x->children, out);
}

/* `in_list`: a repeated element whose repetition the list around it has counted already. */
static bool build(builder *b, around o, bool in_list, parquet_node *out) {
    const element *x = next_element(b);
    if (!x) return false;
    set_name(b, o, x, out);
    if (o.depth > NESTED_MAX) return err_set(b->e, ERR_LIMIT, "column '%s' is nested more than %d deep", out->path, NESTED_MAX);
    if (x->repetition < REQUIRED || x->repetition > REPEATED)
        return err_set(b->e, ERR_INPUT, "damaged schema: '%s' is neither required, optional nor repeated", out->path);
    out->leaf_begin = b->leaf_count;
    if (x->repetition == OPTIONAL) o.def++;
    out->def = o.def;
    const bool ok = x->repetition == REPEATED && !in_list ? build_bare_repeated(b, o, out)
                    : x->children                         ? build_group(b, o, x, out)
                                                          : build_leaf(b, x, out);
    out->leaf_end = b->leaf_count;
    if (ok && out->leaf_begin == out->leaf_end)
        return err_set(b->e, ERR_UNSUPPORTED, "column '%s' is a group without members", out->path);
    return ok;
}

bool parquet_schema_read(arena *a, thrift_in *t, thrift_field f, parquet_schema *out, err *e) {
    thrift_field of;
    const uint32_t count = thrift_list(t, f, &of);
    if (t->wrong) return err_set(e, ERR_INPUT, "damaged schema: %s", t->wrong);
    if (count < 2 || count > ELEMENTS_MAX)
        return err_set(e, count < 2 ? ERR_INPUT : ERR_LIMIT, "a schema of %u elements; expected 2 to %d", count, ELEMENTS_MAX);
    arena *scratch = arena_new();
    element *list = arena_array(scratch, element, count);
    for (uint32_t i = 0; i < count && !t->wrong; i++) list[i] = read_element(t, of);
    builder b = {a, list, count, 1, arena_array(a, const parquet_node *, count), 0, e};
    out->root = (parquet_node){.shape = SHAPE_GROUP, .path = ""};
    bool ok = !t->wrong || err_set(e, ERR_INPUT, "damaged schema: %s", t->wrong);
    ok = ok && build_children(&b, (around){.path = ""}, list[0].children, &out->root);
    if (ok && (b.at != count || !b.leaf_count)) ok = err_set(e, ERR_INPUT, "damaged schema: elements outside the tree");
    out->leaf = b.leaf;
    out->leaf_count = out->root.leaf_end = b.leaf_count;
    arena_free(scratch);
    return ok;
}
