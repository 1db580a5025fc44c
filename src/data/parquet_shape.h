/* parquet_shape.h - the shape that all rows of a file have in common. Used by parquet_write.c alone. */
#ifndef FETTLE_DATA_PARQUET_SHAPE_H
#define FETTLE_DATA_PARQUET_SHAPE_H

#include "base/json.h"

// clang-format off
/*     token          what JSON it holds          number of the type in the file; of ConvertedType (-1: none) and LogicalType (0) */
#define COLUMN_SHAPES(X)                                                       \
    X(COLUMN_NOTHING, "nulls alone",              6,  0, 1)                    \
    X(COLUMN_FLAG,    "true and false",           0, -1, 0)                    \
    X(COLUMN_INTEGER, "integers",                 2, -1, 0)                    \
    X(COLUMN_REAL,    "numbers",                  5, -1, 0)                    \
    X(COLUMN_TEXT,    "texts",                    6,  0, 1)                    \
    X(COLUMN_JSON,    "anything, as JSON text",   6, 19, 12)                   \
    X(COLUMN_LIST,    "arrays",                  -1,  3, 3)                    \
    X(COLUMN_OBJECT,  "objects",                 -1, -1, 0)
// clang-format on

typedef enum {
#define X(token, words, physical, converted, logical) token,
    COLUMN_SHAPES(X)
#undef X
        COLUMN_SHAPE_COUNT
} column_kind;

typedef struct column_shape {
    column_kind kind;
    const char *name;           /* key in the object around it; "element" of a list */
    struct column_shape *child; /* LIST: one; OBJECT: its members in the order met */
    int child_count, child_room;
    int def, rep;  /* levels: when it is there; LIST: of a further element (its elements are there from def + 1 on) */
    int leaf, end; /* leaves below: [leaf, end) */
} column_shape;

/* Widens the shape to hold this value too. */
void column_shape_add(arena *a, column_shape *s, const json *v, int depth);
/* When all values were added: numbers levels and leaves. How many leaves. */
int column_shape_settle(column_shape *s, int def, int rep, int leaf);

#endif
