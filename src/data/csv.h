/* csv.h - tables of text: cells between delimiters (RFC 4180), the first row their names. Used inside data alone.
 *
 * The delimiter is the one that stands most often in the first row: comma, semicolon, tab or bar. Cells in quotes may hold delimiters, line
 * ends and doubled quotes. What a column holds is found by reading the file once, up to 64 MB of it: integers, numbers, true and false,
 * lists of objects written as JSON, or else texts; an empty cell is the empty text there and null elsewhere.
 * Columns that formats read as words (prompt, completion, text ...) are texts or lists. */
#ifndef FETTLE_DATA_CSV_H
#define FETTLE_DATA_CSV_H

#include "data/scanner.h"

enum { CSV_COLUMNS_MAX = 4096, CSV_TYPED_BYTES = 64 << 20 };

typedef struct {
    byte_scanner bytes;
    const char *path;
    int columns;
    str *key; /* each name as a JSON key with its colon */
    const char **name;
    unsigned *may_be; /* of each column, what it may hold (csv.c) */
    char delimiter;
    buf text;        /* the cells of a row, one behind the other */
    size_t *end;     /* where each ends in text */
    int count, room; /* cells of the row; in `end` */
    int64_t line;    /* where the row began */
} csv_reader;

/* What was found out about a file's columns, so that it is found out once however often the file is opened. */
typedef struct {
    arena *a;
    unsigned *may_be; /* NULL: not yet */
    int columns;
} csv_memory;

/* Behind the first row. Names and types are the arena's; `known` may be NULL. */
bool csv_reader_open(csv_reader *r, arena *a, const char *path, csv_memory *known, err *e);
/* The next row as a JSON object in place of what is in `row`, and the line it begins in. True with bad->code set: this row is damaged (too
 * many cells, not UTF-8, not what its column holds), the next may be read. False: the end, or an error that names the line. */
bool csv_reader_next(csv_reader *r, buf *row, int64_t *line, err *bad, err *e);
void csv_reader_close(csv_reader *r);

bool csv_has_name(const char *path); /* ends like a table of text: .csv, .tsv */

#endif
