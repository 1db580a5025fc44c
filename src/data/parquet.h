/* parquet.h - Parquet files read row by row as JSON text. Used inside data alone.
 *
 *   file ── footer (thrift, schema) ── row group ── column chunks ── pages ── levels and values ──► a row
 *
 * Read: all encodings of the format but BIT_PACKED levels; pages of version 1 and 2; uncompressed, snappy, gzip, zstd. Nested columns are
 * put together by their definition and repetition levels (Melnik and others, Dremel, 2010). In memory are the file's mapping, and of each
 * column one page and its dictionary: at most 1 GB together, whatever the file promises.
 *
 * As JSON: a group is an object, a list (or a repeated field) an array, a map with texts as keys an object, other maps arrays of
 * {"key", "value"}. Dates and times are ISO 8601 texts, decimals numbers with all their digits, UUIDs texts; NaN and infinities null.
 * Bytes without a meaning are a text when they are UTF-8, else a data URL (data:image/png;base64,...). */
#ifndef FETTLE_DATA_PARQUET_H
#define FETTLE_DATA_PARQUET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct parquet parquet;

/* Owned by the arena. Fails with words for what is no Parquet, damaged, encrypted, or written in a way that is not read. */
parquet *parquet_open(arena *a, const char *path, err *e);
int64_t parquet_rows(const parquet *p);
int parquet_columns(const parquet *p); /* of the first level */
str parquet_column_name(const parquet *p, int column);
const char *parquet_column_type(const parquet *p, int column); /* "text", "integer", "number", "flag", "list", "object" */
bool parquet_metadata(const parquet *p, str key, str *value);  /* what writers left beside the schema, such as "huggingface" */

/* The next row as the JSON text of an object, in place of what is in `row`. False: the end (e->code == 0), or an error that names file,
 * column and row and behind which nothing can be read. */
bool parquet_next(parquet *p, buf *row, err *e);
int64_t parquet_position(const parquet *p); /* bytes of the file behind us, for a progress line */
void parquet_close(parquet *p);             /* gives the pages back; the arena does it too */

#endif
