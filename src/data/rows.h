/* rows.h - the rows of a file one after the other, in bounded memory. Used inside data alone.
 *
 *     ROWS_LINES    {...}\n{...}\n              JSON Lines
 *     ROWS_ARRAY    [{...}, {...}]              one array
 *     ROWS_MEMBER   {"data": [{...}, {...}]}    an array inside an object
 *
 * What comes out is the text of each row, not yet checked to be JSON. */
#ifndef FETTLE_DATA_ROWS_H
#define FETTLE_DATA_ROWS_H

#include "base/file.h"
#include "data/scanner.h"

enum { ROW_BYTES_MAX = 64 << 20 };

typedef enum { ROWS_LINES, ROWS_ARRAY, ROWS_MEMBER } rows_layout;

typedef struct {
    rows_layout layout;
    char *member; /* ROWS_MEMBER: key of the array. ROWS_LINES of one line: an array in it that may be meant instead, or NULL */
} file_shape;

/* Looks at the beginning of the file. Fails with words for what holds no rows: compressed, Parquet, a folder, an empty file. */
bool file_shape_find(arena *a, const char *path, file_shape *out, err *e);

typedef struct {
    rows_layout layout;
    const char *path;
    file_lines lines;
    byte_scanner bytes;
    buf element;
    bool begun, ended, open;
} row_reader;

bool row_reader_open(row_reader *r, const char *path, rows_layout layout, err *e);
/* The text of the next row (until the next call), line and column of its first byte. False: the end (e->code == 0), or an error
 * that names the line and after which nothing can be read. */
bool row_reader_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e);
void row_reader_close(row_reader *r);

#endif
