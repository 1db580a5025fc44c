/* stream.h - what a user names as data: one file, or the files of a data set's folder one after the other. Used inside data alone.
 *
 *     data.jsonl                     a file
 *     DIR                            a folder as `datasets` and the Hugging Face hub lay them out (folder.h)
 *     DIR#split=validation,subset=en one of its splits and subsets
 *
 * Files packed with gzip or zstd are unpacked into the scratch folder, where they stay as long as the arena. */
#ifndef FETTLE_DATA_STREAM_H
#define FETTLE_DATA_STREAM_H

#include "data/rows.h"

typedef struct {
    const char *path;
    const char *plain; /* what is read: the file itself, or what was unpacked of it; NULL: not known yet */
    int64_t bytes;
    csv_memory known;
} row_file;

typedef struct {
    arena *a;
    const char *name; /* as the user named it */
    row_file *file;
    int count;
    int64_t bytes;
    const char *words; /* "3 files, split train"; NULL of a single file */
    file_shape shape;  /* of the first */
} row_files;

bool row_files_find(arena *a, const char *name, row_files *out, err *e);

/* Their rows, in the order of the files. */
typedef struct {
    const row_files *files;
    bool members; /* of files that may be one row or an object around rows: the latter is meant */
    int at;       /* file being read */
    row_reader rows;
    bool open;
    const char *path, *unit; /* of the row last returned: its file, "line" or "row", and which */
    int64_t line, column;
} row_stream;

bool row_stream_open(row_stream *s, const row_files *files, bool members, err *e);
bool row_stream_next(row_stream *s, str *text,
                     err *e); /* as row_reader_next; s->rows.bad says what is wrong with this row alone */
int64_t row_stream_position(const row_stream *s);
void row_stream_close(row_stream *s);

/* "FILE line N" of the row last returned, in front of an error's words; false. */
bool row_stream_at(const row_stream *s, err *e);
/* json_parse's words speak of the row ("not valid JSON: line 2, column 7: ..."), the reader wants the file's line; false. */
bool row_stream_bad_json(const row_stream *s, const err *why, err *e);

#endif
