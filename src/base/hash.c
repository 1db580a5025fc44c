/* hash.c - SHA-256 as text. The only file of base that includes libsodium. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>

#include "base/file.h"

enum { CHUNK = 1 << 18 };

static void as_text(crypto_hash_sha256_state *state, sha256_text out) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(state, digest);
    sodium_bin2hex(out, sizeof(sha256_text), digest, sizeof digest);
}

void bytes_sha256(const void *data, size_t size, sha256_text out) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, data, size);
    as_text(&state, out);
}

bool file_sha256(const char *path, sha256_text out, err *e) {
    const int fd = file_io.open(path, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read %s", path);
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    unsigned char *chunk = memory_alloc(CHUNK);
    ssize_t n;
    while ((n = file_io.read(fd, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) crypto_hash_sha256_update(&state, chunk, (size_t)n);
    const bool ok = n == 0 || err_errno(e, ERR_IO, "cannot read %s", path);
    memory_release(chunk);
    file_io.close(fd);
    if (ok) as_text(&state, out);
    return ok;
}
