/* secret.c - random ids and keys, password hashes, SHA-256. The only file that includes libsodium. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"

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

/* ---- random ------------------------------------------------------------------------------------------------------------------ */

void secret_random(void *out, size_t size) {
    if (sodium_init() < 0) bug("libsodium cannot find random numbers");
    randombytes_buf(out, size);
}

static void put_uuid(uuid_text out, unsigned char b[16], int version) {
    static const char hex[] = "0123456789abcdef";
    b[6] = (unsigned char)((b[6] & 15) | version << 4);
    b[8] = (unsigned char)((b[8] & 63) | 128);
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
}

void uuid_new(uuid_text out) {
    unsigned char b[16];
    uint64_t milliseconds = (uint64_t)(clock_now() / 1000);
    secret_random(b, sizeof b);
    for (int i = 5; i >= 0; i--, milliseconds >>= 8) b[i] = (unsigned char)milliseconds;
    put_uuid(out, b, 7);
}

void uuid_of_text(uuid_text out, str space, str text) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)space.ptr, space.len);
    crypto_hash_sha256_update(&state, (const unsigned char *)"", 1);
    crypto_hash_sha256_update(&state, (const unsigned char *)text.ptr, text.len);
    crypto_hash_sha256_final(&state, digest);
    put_uuid(out, digest, 8);
}

bool uuid_parse(str text, uuid_text out) {
    if (text.len != sizeof(uuid_text) - 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23, upper = c >= 'A' && c <= 'F';
        if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || upper)) return false;
        out[i] = upper ? (char)(c - 'A' + 'a') : c;
    }
    out[text.len] = '\0';
    return true;
}

void key_new(key_text out) {
    unsigned char b[32];
    secret_random(b, sizeof b);
    sodium_bin2base64(out, sizeof(key_text), b, sizeof b, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

char *secret_base64(arena *a, const void *data, size_t size) {
    const size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    return sodium_bin2base64(arena_alloc(a, room), room, data, size, sodium_base64_VARIANT_ORIGINAL);
}

unsigned char *secret_unbase64(arena *a, str text, size_t *size) {
    unsigned char *out = arena_alloc(a, text.len + 1);
    if (sodium_base642bin(out, text.len + 1, text.ptr, text.len, NULL, size, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        *size = 0;
    return out;
}

/* ---- passwords ------------------------------------------------------------------------------------------------------------------ */

/* Each takes 64 MiB for a while: a crowd at the door waits in turn. */
enum { AT_ONCE = 4 };
static sem_t turns;
static pthread_once_t turns_once = PTHREAD_ONCE_INIT;
static void make_turns(void) { sem_init(&turns, 0, AT_ONCE); }

static void take_turn(void) {
    pthread_once(&turns_once, make_turns);
    while (sem_wait(&turns) != 0) continue; /* a signal came between */
}

bool password_set(str password, password_hash out) {
    take_turn();
    const bool ok = sodium_init() >= 0 && crypto_pwhash_str(out, password.ptr, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                            crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
    sem_post(&turns);
    return ok;
}

bool password_check(str password, const char *hash) {
    take_turn();
    const bool ok = crypto_pwhash_str_verify(hash, password.ptr ? password.ptr : "", password.len) == 0;
    sem_post(&turns);
    return ok;
}

bool secret_equal(const void *a, const void *b, size_t size) { return sodium_memcmp(a, b, size) == 0; }

void secret_hmac(const void *key, size_t key_size, const void *data, size_t size, unsigned char out[32]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_size);
    crypto_auth_hmacsha256_update(&state, data, size);
    crypto_auth_hmacsha256_final(&state, out);
}
