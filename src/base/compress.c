/* compress.c - a row per compression: one function that unpacks, one that packs. */
#include "base/compress.h"

#include <errno.h>
#include <fcntl.h>
#include <snappy-c.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"

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

/* ---- files -------------------------------------------------------------------------------------------------------------------------- */

enum { FILE_PIECE = 1 << 18 };

typedef struct {
    const char *path;
    int fd;
    file_out out;
    uint64_t most;
    char *in, *plain; /* [FILE_PIECE] each */
    size_t have;      /* bytes in `in` */
    bool at_end;
} unpacking;

static bool refill(unpacking *u, err *e) {
    ssize_t n;
    do n = file_io.read(u->fd, u->in, FILE_PIECE);
    while (n < 0 && errno == EINTR);
    if (n < 0) return err_errno(e, ERR_IO, "cannot read %s", u->path);
    u->have = (size_t)n;
    u->at_end = n == 0;
    return true;
}

static bool hand_out(unpacking *u, size_t size, err *e) {
    if (size > u->most - u->out.written)
        return err_set(e, ERR_LIMIT, "%s unpacks to more than %llu MB; unpack it by hand", u->path,
                       (unsigned long long)u->most >> 20);
    return file_out_put(&u->out, u->plain, size, e);
}

/* Several members behind each other are one file. */
static bool gzip_stream(unpacking *u, err *e) {
    z_stream z = {0};
    int state = Z_OK;
    bool ok = inflateInit2(&z, GZIP_OR_ZLIB) == Z_OK || err_set(e, ERR_LIMIT, "no memory to unpack gzip");
    while (ok) {
        if (!z.avail_in && !u->at_end) {
            ok = refill(u, e);
            z.next_in = (Bytef *)u->in;
            z.avail_in = (uInt)u->have;
        }
        if (ok && u->at_end && !z.avail_in) break;
        if (ok && state == Z_STREAM_END && inflateReset(&z) != Z_OK) ok = err_set(e, ERR_IO, "gzip failed");
        z.next_out = (Bytef *)u->plain;
        z.avail_out = FILE_PIECE;
        if (ok) state = inflate(&z, Z_NO_FLUSH);
        if (ok && state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            ok = err_set(e, ERR_INPUT, "%s: damaged gzip", u->path);
        ok = ok && hand_out(u, FILE_PIECE - z.avail_out, e);
    }
    inflateEnd(&z);
    return ok && (state == Z_STREAM_END || err_set(e, ERR_INPUT, "%s: the gzip file ends too early", u->path));
}

static bool zstd_stream(unpacking *u, err *e) {
    ZSTD_DCtx *z = ZSTD_createDCtx();
    size_t left = 1;
    bool ok = z || err_set(e, ERR_LIMIT, "no memory to unpack zstd");
    while (ok && (ok = refill(u, e)) && !u->at_end) {
        ZSTD_inBuffer in = {u->in, u->have, 0};
        bool full = true;
        while (ok && (in.pos < in.size || full)) {
            ZSTD_outBuffer out = {u->plain, FILE_PIECE, 0};
            left = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(left)) ok = err_set(e, ERR_INPUT, "%s: damaged zstd: %s", u->path, ZSTD_getErrorName(left));
            ok = ok && hand_out(u, out.pos, e);
            full = out.pos == out.size;
        }
    }
    ZSTD_freeDCtx(z);
    return ok && (!left || err_set(e, ERR_INPUT, "%s: the zstd file ends too early", u->path));
}

// clang-format off
/*    compression     first bytes           how it is unpacked */
#define PACKED_FILES(X)                                            \
    X(COMPRESS_GZIP, "\x1f\x8b",            gzip_stream)           \
    X(COMPRESS_ZSTD, "\x28\xb5\x2f\xfd",    zstd_stream)
// clang-format on

static const struct {
    compression kind;
    str magic;
    bool (*stream)(unpacking *u, err *e);
} packed_files[] = {
#define X(kind, magic, stream) {kind, {magic, sizeof(magic) - 1}, stream},
    PACKED_FILES(X)
#undef X
};
enum { PACKED_KINDS = sizeof packed_files / sizeof *packed_files };

compression file_compression(const char *path) {
    char head[8];
    const int fd = file_io.open(path, O_RDONLY, 0);
    const ssize_t n = fd < 0 ? -1 : file_io.read(fd, head, sizeof head);
    if (fd >= 0) file_io.close(fd);
    for (size_t i = 0; i < PACKED_KINDS; i++)
        if (n > 0 && str_starts((str){head, (size_t)n}, packed_files[i].magic)) return packed_files[i].kind;
    return COMPRESS_NONE;
}

static bool unpack_open(unpacking *u, err *e) {
    const compression kind = file_compression(u->path);
    for (size_t i = 0; i < PACKED_KINDS; i++)
        if (packed_files[i].kind == kind) return packed_files[i].stream(u, e);
    return err_set(e, ERR_INPUT, "%s is packed with neither gzip nor zstd", u->path);
}

bool file_unpack(const char *path, const char *to, uint64_t most, err *e) {
    unpacking u = {.path = path, .most = most, .fd = file_io.open(path, O_RDONLY, 0)};
    if (u.fd < 0) return err_errno(e, ERR_IO, "cannot read %s", path);
    bool ok = file_out_open(&u.out, to, e);
    if (ok) {
        u.in = memory_alloc(FILE_PIECE);
        u.plain = memory_alloc(FILE_PIECE);
        ok = unpack_open(&u, e);
        if (ok) ok = file_out_commit(&u.out, e);
        else file_out_abandon(&u.out);
    }
    memory_release(u.in);
    memory_release(u.plain);
    file_io.close(u.fd);
    return ok;
}
