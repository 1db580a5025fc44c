/* compress.c - a row per compression: one function that unpacks, one that packs. */
#include "base/compress.h"

#include <snappy-c.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 3 };

/* `more` bytes were written behind the end of out, where room was reserved. */
static void buf_grown(buf *out, size_t more) {
    out->len += more;
    out->ptr[out->len] = 0;
}

/* ---- none ------------------------------------------------------------------------------------------------------------------------ */

static bool none_unpack(str packed, void *out, size_t size, err *e) {
    if (packed.len != size) return err_set(e, ERR_INPUT, "expected %zu bytes, found %zu", size, packed.len);
    if (size) memcpy(out, packed.ptr, size);
    return true;
}

static bool none_pack(str plain, buf *out, err *e) {
    (void)e;
    buf_put_str(out, plain);
    return true;
}

/* ---- gzip: one member or several, one behind the other ------------------------------------------------------------------------------ */

enum { GZIP_OR_ZLIB = 15 + 32, GZIP = 15 + 16, PIECE_MAX = 1 << 30 };

static uInt piece(size_t size) { return (uInt)(size < PIECE_MAX ? size : PIECE_MAX); }

/* Z_STREAM_END when all of it was read and out is full. */
static int inflate_all(z_stream *z, str packed, char *out, size_t size) {
    size_t in_left = packed.len, out_left = size;
    z->next_in = (z_const Bytef *)(uintptr_t)packed.ptr;
    z->next_out = (Bytef *)out;
    for (;;) {
        const uInt in_now = z->avail_in = piece(in_left), out_now = z->avail_out = piece(out_left);
        const int state = inflate(z, Z_NO_FLUSH);
        in_left -= in_now - z->avail_in;
        out_left -= out_now - z->avail_out;
        if (state == Z_STREAM_END && (!in_left || !out_left)) return out_left || in_left ? Z_DATA_ERROR : Z_STREAM_END;
        if (state == Z_STREAM_END && inflateReset(z) == Z_OK) continue;
        if (state != Z_OK || (in_now == z->avail_in && out_now == z->avail_out)) return Z_DATA_ERROR;
    }
}

static bool gzip_unpack(str packed, void *out, size_t size, err *e) {
    z_stream z = {0};
    char none; /* zlib wants a place to write even when nothing is to be written */
    if (inflateInit2(&z, GZIP_OR_ZLIB) != Z_OK) return err_set(e, ERR_LIMIT, "no memory to unpack gzip");
    const int state = inflate_all(&z, packed, size ? out : &none, size);
    inflateEnd(&z);
    return state == Z_STREAM_END || err_set(e, ERR_INPUT, "damaged gzip: expected %zu bytes in it", size);
}

static bool gzip_pack(str plain, buf *out, err *e) {
    z_stream z = {0};
    if (plain.len > PIECE_MAX) return err_set(e, ERR_LIMIT, "%zu bytes are too many for one piece of gzip", plain.len);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, ERR_LIMIT, "no memory to pack with gzip");
    const size_t most = deflateBound(&z, (uLong)plain.len);
    buf_reserve(out, most);
    z.next_in = (z_const Bytef *)(uintptr_t)plain.ptr;
    z.avail_in = (uInt)plain.len;
    z.next_out = (Bytef *)out->ptr + out->len;
    z.avail_out = (uInt)most;
    const int state = deflate(&z, Z_FINISH);
    buf_grown(out, z.total_out);
    deflateEnd(&z);
    return state == Z_STREAM_END || err_set(e, ERR_IO, "gzip failed");
}

/* ---- zstd ------------------------------------------------------------------------------------------------------------------------- */

static bool zstd_unpack(str packed, void *out, size_t size, err *e) {
    const size_t got = ZSTD_decompress(out, size, packed.ptr, packed.len);
    if (ZSTD_isError(got)) return err_set(e, ERR_INPUT, "damaged zstd: %s", ZSTD_getErrorName(got));
    return got == size || err_set(e, ERR_INPUT, "damaged zstd: expected %zu bytes in it, found %zu", size, got);
}

static bool zstd_pack(str plain, buf *out, err *e) {
    const size_t most = ZSTD_compressBound(plain.len);
    buf_reserve(out, most);
    const size_t got = ZSTD_compress(out->ptr + out->len, most, plain.ptr, plain.len, ZSTD_LEVEL);
    if (ZSTD_isError(got)) return err_set(e, ERR_IO, "zstd failed: %s", ZSTD_getErrorName(got));
    buf_grown(out, got);
    return true;
}

/* ---- snappy: what it promises stands in front -------------------------------------------------------------------------------------- */

static bool snappy_unpack(str packed, void *out, size_t size, err *e) {
    size_t promised = 0, got = size;
    if (snappy_uncompressed_length(packed.ptr, packed.len, &promised) != SNAPPY_OK || promised != size)
        return err_set(e, ERR_INPUT, "damaged snappy: expected %zu bytes in it, it promises %zu", size, promised);
    return snappy_uncompress(packed.ptr, packed.len, out, &got) == SNAPPY_OK || err_set(e, ERR_INPUT, "damaged snappy");
}

static bool snappy_pack(str plain, buf *out, err *e) {
    size_t size = snappy_max_compressed_length(plain.len);
    buf_reserve(out, size);
    if (snappy_compress(plain.ptr, plain.len, out->ptr + out->len, &size) != SNAPPY_OK)
        return err_set(e, ERR_IO, "snappy failed");
    buf_grown(out, size);
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t ratio;
    bool (*unpack)(str packed, void *out, size_t size, err *e);
    bool (*pack)(str plain, buf *out, err *e);
} table[COMPRESSION_COUNT] = {
#define X(token, name, ratio) [token] = {#name, ratio, name##_unpack, name##_pack},
    COMPRESSIONS(X)
#undef X
};

const char *compression_name(compression c) { return table[c].name; }

bool compression_can(compression c, size_t packed, size_t size) { return packed && size / packed <= table[c].ratio; }

bool bytes_unpack(compression c, str packed, void *out, size_t size, err *e) {
    if (size && !compression_can(c, packed.len, size))
        return err_set(e, ERR_INPUT, "%zu bytes of %s cannot become %zu", packed.len, table[c].name, size);
    return table[c].unpack(packed, out, size, e);
}

bool bytes_pack(compression c, str plain, buf *out, err *e) { return table[c].pack(plain, out, e); }
