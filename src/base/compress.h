/* compress.h - bytes packed and unpacked whole: gzip, zstd, snappy. The one file that includes the headers of those libraries.
 *
 * Whoever unpacks bytes says how many must come out; a promise that the packed bytes cannot keep is refused before memory is taken. Files are
 * unpacked in pieces into another file, up to a number of bytes. */
#ifndef FETTLE_BASE_COMPRESS_H
#define FETTLE_BASE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

// clang-format off
/*     token              name       most bytes that one packed byte can become (RFC 1951, RFC 8878, snappy's 64 from 3) */
#define COMPRESSIONS(X)                    \
    X(COMPRESS_NONE,   none,      1)       \
    X(COMPRESS_GZIP,   gzip,   1032)       \
    X(COMPRESS_ZSTD,   zstd,  32768)       \
    X(COMPRESS_SNAPPY, snappy,   22)
// clang-format on

typedef enum {
#define X(token, name, ratio) token,
    COMPRESSIONS(X)
#undef X
        COMPRESSION_COUNT
} compression;

const char *compression_name(compression c);

/* Whether `packed` bytes may become `size` at all. */
bool compression_can(compression c, size_t packed, size_t size);

/* Exactly `size` bytes into out[size]; anything else is an error. */
bool bytes_unpack(compression c, str packed, void *out, size_t size, err *e);

/* Appends the packed bytes. */
bool bytes_pack(compression c, str plain, buf *out, err *e);

/* Which compression the file's first bytes show: gzip, zstd, or none (also when it cannot be read). */
compression file_compression(const char *path);

/* Writes what is in a gzip or zstd file as `to`. More than `most` bytes are ERR_LIMIT; after a failure nothing is left. */
bool file_unpack(const char *path, const char *to, uint64_t most, err *e);

#endif
