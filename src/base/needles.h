/* needles.h - many texts looked for at once, in one pass over the bytes.
 *
 * The first NEEDLE_LEAST bytes of each needle have a hash that rolls along the text (Karp and Rabin, 1987); where it meets one that
 * is known, the needle is compared. So the time does not depend on how many there are. */
#ifndef FETTLE_BASE_NEEDLES_H
#define FETTLE_BASE_NEEDLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { NEEDLE_LEAST = 16 }; /* bytes; shorter ones would be found everywhere */

typedef struct needles needles; /* in the arena it was made with, with copies of the texts */

needles *needles_new(arena *a);
bool needles_add(needles *n, str text); /* false: too short, not added. A text that is there is not added again */
int64_t needles_count(const needles *n);
bool needles_in(const needles *n, str text);                                /* does any of them stand in the text? */
bool needles_in_file(const needles *n, const char *path, bool *in, err *e); /* a file of any size */

#endif
