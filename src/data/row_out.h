/* row_out.h - rows written as a file of any layout that is read, whole or not at all. */
#ifndef FETTLE_DATA_ROW_OUT_H
#define FETTLE_DATA_ROW_OUT_H

#include <stdint.h>

#include "base/json.h"

// clang-format off
/*    name       what is written */
#define ROW_OUTS(X)                                                            \
    X(jsonl,   "JSON Lines: an object a line")                                 \
    X(json,    "a JSON array of objects")                                      \
    X(csv,     "a table of text with commas; lists and objects as JSON text")  \
    X(tsv,     "a table of text with tabs")                                    \
    X(parquet, "Parquet, packed with zstd")
// clang-format on

typedef struct row_out row_out;

/* `kind` is a name of ROW_OUTS. Owned by the arena, which abandons what was not committed. */
row_out *row_out_open(arena *a, const char *path, str kind, err *e);
bool row_out_row(row_out *w, const json *row, err *e); /* an object */
int64_t row_out_rows(const row_out *w);
bool row_out_commit(row_out *w, err *e); /* after false nothing is left of it */
void row_out_abandon(row_out *w);

#endif
