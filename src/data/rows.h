/* rows.h - the rows of a file one after the other, in bounded memory. Used inside data alone.
 *
 *     ROWS_LINES    {...}\n{...}\n              JSON Lines
 *     ROWS_ARRAY    [{...}, {...}]              one array
 *     ROWS_MEMBER   {"data": [{...}, {...}]}    an array inside an object
 *     ROWS_CSV      a,b\n1,"x"\n                cells with a delimiter (csv.h)
 *     ROWS_PARQUET  PAR1 ...                    columns (parquet.h)
 *
 * What comes out is the text of each row. In the first three layouts it is as it stands in the file, not yet checked to be JSON; in the
 * others it is JSON that was made of the cells. */
#ifndef FETTLE_DATA_ROWS_H
#define FETTLE_DATA_ROWS_H

#include "base/file.h"
#include "data/csv.h"
#include "data/parquet.h"
#include "data/scanner.h"

enum { ROW_BYTES_MAX = 64 << 20 };

// clang-format off
/*     token          name      rows are counted in  what it is called */
#define ROW_LAYOUTS(X)                                                 \
    X(ROWS_LINES,   lines,     "line",              "JSON Lines")      \
    X(ROWS_ARRAY,   array,     "line",              "a JSON array")    \
    X(ROWS_MEMBER,  member,    "line",              "a JSON array in an object") \
    X(ROWS_CSV,     csv,       "line",              "a table of text") \
    X(ROWS_PARQUET, parquet,   "row",               "Parquet")
// clang-format on

typedef enum {
#define X(token, name, unit, words) token,
    ROW_LAYOUTS(X)
#undef X
        ROW_LAYOUT_COUNT
} rows_layout;
const char *rows_layout_words(rows_layout layout);

typedef struct {
    rows_layout layout;
    char *member; /* ROWS_MEMBER: key of the array. ROWS_LINES of one line: an array in it that may be meant instead, or NULL */
} file_shape;

/* Looks at the beginning of the file. Fails with words for what holds no rows: compressed, Arrow, a folder, an empty file. */
bool file_shape_find(arena *a, const char *path, file_shape *out, err *e);

typedef struct {
    rows_layout layout;
    const char *path;
    file_lines lines;
    byte_scanner bytes;
    csv_reader cells;
    csv_memory *known;
    parquet *columns;
    arena *own; /* what csv and parquet were opened in */
    buf element;
    int64_t row;
    bool begun, ended, open;
    err bad; /* of the row last returned, when it is no row but others follow it */
} row_reader;

/* `known` keeps the types of a table's columns from one opening to the next; NULL is fine. */
bool row_reader_open(row_reader *r, const char *path, rows_layout layout, csv_memory *known, err *e);
/* The text of the next row (until the next call), line and column of its first byte (of Parquet: number of the row, 1). True with
 * r->bad set: this row is damaged, the next one may be read. False: the end (e->code == 0), or an error that names the line and after
 * which nothing can be read. */
bool row_reader_next(row_reader *r, str *text, int64_t *line, int64_t *column, err *e);
int64_t row_reader_position(const row_reader *r);      /* bytes of the file read so far */
const char *row_reader_unit(const row_reader *r);      /* "line" or "row" */
void row_reader_call(row_reader *r, const char *name); /* errors call the file this from now on */
void row_reader_close(row_reader *r);

#endif
