/* scanner.h - JSON by single bytes, as far as it takes to find where the rows are: brackets, strings, keys of the first level.
 * Used inside data alone. Reads in chunks, so a file of any size takes 256 KB. */
#ifndef FETTLE_DATA_SCANNER_H
#define FETTLE_DATA_SCANNER_H

#include "base/file.h"

typedef struct {
    int fd;
    const char *path;
    char *data;               /* [SCANNER_CHUNK] */
    size_t at, end;           /* unread: data[at .. end) */
    int64_t before;           /* bytes of the file before data[0] */
    int64_t line, line_begin; /* of data[at]: line from 1, offset in the file of that line's first byte */
} byte_scanner;

enum { SCANNER_CHUNK = 1 << 18, SCANNER_END = -1, SCANNER_FAILED = -2 };

bool scanner_open(byte_scanner *s, const char *path, err *e); /* a byte order mark is passed over */
void scanner_close(byte_scanner *s);
int scanner_peek(byte_scanner *s, err *e);       /* the next byte, SCANNER_END or SCANNER_FAILED */
int scanner_peek_solid(byte_scanner *s, err *e); /* the same behind white space */
void scanner_pass(byte_scanner *s);              /* over the byte peeked at */
int64_t scanner_column(const byte_scanner *s);   /* of the next byte, from 1 */

/* Over one value (or "key": value), to the comma or closing bracket behind it, or the end. Its text is appended to `into` unless that
 * is NULL; more than max_bytes are ERR_LIMIT. A text that goes over a line's end is an error. */
bool scanner_take_value(byte_scanner *s, buf *into, size_t max_bytes, err *e);

/* From the file's beginning into the first array of objects that is a member of the object there: behind its '['. The member's key is
 * copied to *key; NULL when there is none, or when this is no JSON. Keys that are columns of a format do not count. */
bool scanner_find_member(byte_scanner *s, arena *a, char **key, err *e);

#endif
