/* secret.h - random ids and keys, hashes of passwords. What is kept of a password or key is a hash; the thing itself is seen once. */
#ifndef FETTLE_BASE_SECRET_H
#define FETTLE_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

typedef char uuid_text[37];
void uuid_new(uuid_text out); /* version 7: the time and 74 random bits, so that new ids stand behind older ones in an index */
bool uuid_parse(str text, uuid_text out);              /* 36 characters with hyphens, either case; out is lower case */
void uuid_of_text(uuid_text out, str space, str text); /* the same id for the same two texts (from SHA-256) */

typedef char key_text[44]; /* 32 random bytes as url-safe base64 without padding */
void key_new(key_text out);
void secret_random(void *out, size_t size);
unsigned char *secret_unbase64(arena *a, str text, size_t *size); /* what is no base64 ends it */
char *secret_base64(arena *a, const void *data, size_t size);     /* padded, RFC 4648 */

/* Argon2id, libsodium's interactive limits (64 MiB): about 0.1 s. The text holds salt and limits. */
typedef char password_hash[128];
bool password_set(str password, password_hash out); /* false: no memory */
bool password_check(str password, const char *hash);

bool secret_equal(const void *a, const void *b, size_t size);                                             /* in constant time */
void secret_hmac(const void *key, size_t key_size, const void *data, size_t size, unsigned char out[32]); /* HMAC-SHA-256 */

#endif
