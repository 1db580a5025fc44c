/* parquet_write.h - rows written as a Parquet file, which others' readers (pyarrow, DuckDB, the Hugging Face hub) take.
 *
 *   rows ── beside the file, as lines ── their shape, of all of them ──► commit: row groups ── pages (PLAIN, zstd or snappy) ── footer
 *
 * A column's type is what all its values are: texts, integers, numbers, true and false; lists and objects of such are nested columns; what
 * is of several kinds, or an object without members, is JSON text (LogicalType JSON). A missing member is null. */
#ifndef FETTLE_DATA_PARQUET_WRITE_H
#define FETTLE_DATA_PARQUET_WRITE_H

#include <stdint.h>

#include "base/compress.h"
#include "base/json.h"

typedef struct parquet_out parquet_out;

/* Owned by the arena, which abandons what was not committed. */
parquet_out *parquet_out_open(arena *a, const char *path, compression c, err *e); /* COMPRESS_ZSTD, COMPRESS_SNAPPY, ... */
bool parquet_out_row(parquet_out *w, const json *row, err *e);                    /* an object of at most 64 MB */
int64_t parquet_out_rows(const parquet_out *w);
bool parquet_out_commit(parquet_out *w, err *e); /* writes the file; after false nothing is left of it */
void parquet_out_abandon(parquet_out *w);

#endif
