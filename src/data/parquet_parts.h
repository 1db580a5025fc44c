/* parquet_parts.h - what the reader of Parquet is made of. Used by parquet*.c alone. */
#ifndef FETTLE_DATA_PARQUET_PARTS_H
#define FETTLE_DATA_PARQUET_PARTS_H

#include "base/compress.h"
#include "data/parquet.h"
#include "data/parquet_thrift.h"

/* ---- values ------------------------------------------------------------------------------------------------------------------------- */

// clang-format off
/* how values lie in the file: number in the format, name, bytes of one value (0: told otherwise) */
#define PHYSICALS(X)        \
    X(0, BOOLEAN,     0)    \
    X(1, INT32,       4)    \
    X(2, INT64,       8)    \
    X(3, INT96,      12)    \
    X(4, FLOAT,       4)    \
    X(5, DOUBLE,      8)    \
    X(6, BYTE_ARRAY,  0)    \
    X(7, FIXED,       0)

/* what they mean: name, and what a column of them is called */
#define MEANINGS(X)             \
    X(flag,       "flag")       \
    X(integer,    "integer")    \
    X(unsigned,   "integer")    \
    X(real16,     "number")     \
    X(real32,     "number")     \
    X(real64,     "number")     \
    X(decimal,    "number")     \
    X(date,       "text")       \
    X(time,       "text")       \
    X(timestamp,  "text")       \
    X(timestamp96,"text")       \
    X(text,       "text")       \
    X(document,   "object")     \
    X(bytes,      "text")       \
    X(uuid,       "text")
// clang-format on

typedef enum {
#define X(number, name, size) PHYSICAL_##name = number,
    PHYSICALS(X)
#undef X
        PHYSICAL_COUNT
} physical;

typedef enum {
#define X(name, words) MEANING_##name,
    MEANINGS(X)
#undef X
        MEANING_COUNT
} meaning;

/* Numbers are in `bits` (reals as their bits, INT32 with its sign); what has bytes is at `ptr`, `bits` long. */
typedef struct {
    const uint8_t *ptr;
    int64_t bits;
} parquet_value;

/* ---- schema ------------------------------------------------------------------------------------------------------------------------- */

typedef enum { SHAPE_LEAF, SHAPE_GROUP, SHAPE_LIST, SHAPE_MAP } parquet_shape;

/* A place in a row. Levels: a value (or group, or list) is there when the definition level is `def` or more. */
typedef struct parquet_node {
    parquet_shape shape;
    str name;
    str key;                    /* the name as a JSON key: "name": */
    const char *path;           /* a.b.c, for messages */
    int def;                    /* from here on it is not null */
    int element_def, rep;       /* LIST, MAP: from here on there is an element; repetition level of a further one */
    struct parquet_node *child; /* GROUP: its members; LIST: the element; MAP: key and value */
    int child_count;
    int leaf_begin, leaf_end; /* the columns below: [begin, end) */
    physical physical;        /* LEAF, as what follows */
    int size;                 /* bytes of a value, 0: each has its length in front */
    meaning meaning;
    int scale;          /* decimal: digits behind the point */
    int64_t per_second; /* time, timestamp: units of a second */
    bool utc;
} parquet_node;

typedef struct {
    parquet_node root; /* a group */
    const parquet_node **leaf;
    int leaf_count;
} parquet_schema;

/* The list of schema elements, at which t stands. */
bool parquet_schema_read(arena *a, thrift_in *t, thrift_field f, parquet_schema *out, err *e);

/* A value as JSON. False with *wrong set (a static text) when it is none. */
bool parquet_value_put(buf *out, const parquet_node *leaf, parquet_value v, const char **wrong);
const char *parquet_node_type(const parquet_node *n);

/* ---- decoding ----------------------------------------------------------------------------------------------------------------------- */

/* Runs of one value, and packed values: levels, indexes of a dictionary, booleans. */
typedef struct {
    const uint8_t *at, *end, *packed;
    uint64_t index, left; /* of the run: place in packed values, values to come */
    uint32_t value;
    int width;
} run_decoder;
run_decoder run_decoder_on(const uint8_t *at, const uint8_t *end, int width);
bool run_next(run_decoder *d, uint32_t *value); /* false: nothing is left, or damaged */

/* Blocks of differences, bit-packed. */
typedef struct {
    const uint8_t *at, *end, *widths, *packed;
    uint64_t left, value, least; /* values to come; the one before; what each difference is more than */
    uint32_t per_mini, minis, mini, index;
    bool first;
} delta_decoder;
bool delta_open(delta_decoder *d, const uint8_t *at, const uint8_t *end);
bool delta_next(delta_decoder *d, int64_t *value);
const uint8_t *delta_behind(delta_decoder d); /* where the block's bytes end; NULL: damaged */

typedef struct {
    physical physical;
    int size;
    const uint8_t *at, *end;
    const parquet_value *dictionary;
    uint32_t dictionary_count;
    run_decoder runs;
    delta_decoder lengths, prefixes;
    buf *previous; /* DELTA_BYTE_ARRAY: the value before */
    uint64_t index;
    const char *wrong; /* a static text */
} value_decoder;

typedef struct {
    int number;
    const char *name;
    bool (*begin)(value_decoder *d);
    bool (*next)(value_decoder *d, parquet_value *v); /* v is good until the next call */
} encoding;
const encoding *encoding_find(int number); /* NULL: none that is read */

/* ---- columns of a row group --------------------------------------------------------------------------------------------------------- */

enum { PARQUET_PAGE_MAX = 128 << 20, PARQUET_LIVE_MAX = 1 << 30, PARQUET_VALUES_MAX = 1 << 24 };

typedef struct {
    const parquet_node *leaf;
    int max_def, max_rep;
    compression codec;
    const uint8_t *at, *end; /* pages yet to be read */
    int64_t left, page_left; /* entries in them; in the page at hand */
    int rep, def;            /* of the entry peeked at */
    bool peeked, has_dictionary;
    run_decoder reps, defs;
    const encoding *encoding;
    value_decoder values;
    uint8_t *page, *dictionary_page; /* heap, for what had to be unpacked */
    size_t page_room, dictionary_room, table_room;
    parquet_value *table; /* the dictionary's values */
    buf previous;
    size_t *live; /* bytes held by all columns of the file */
} parquet_column;

/* Begins the chunk of column number `at` of the row group: t stands at the list element. */
bool parquet_column_begin(parquet_column *c, thrift_in *t, str file, err *e);
bool parquet_column_peek(parquet_column *c, err *e); /* rep and def of the next entry; false with e->code == 0: the end */
bool parquet_column_take(parquet_column *c, parquet_value *v,
                         err *e); /* the value of the entry peeked at, which has def == max_def */
void parquet_column_free(parquet_column *c);

#endif
