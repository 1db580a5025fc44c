/* detect.h - which format a file is in. Used inside data alone. */
#ifndef FETTLE_DATA_DETECT_H
#define FETTLE_DATA_DETECT_H

#include "data/format.h"
#include "data/stream.h"

typedef struct {
    const format *format;
    example_kind kind;
    bool members;                 /* row_stream_open */
    const char **used, **ignored; /* columns, ended by NULL */
    const char *reason;
} finding;

/* Looks at up to 50 rows (or 16 MB). `named` is the format the user named, or NULL. `kinds`: what the caller can use, 0 for any.
 * Fails with words when nothing fits or two fit as well. Rows that are no JSON count for nothing here; reading will name them. */
bool detect(arena *a, const row_files *files, const format *named, unsigned kinds, finding *out, err *e);

#endif
