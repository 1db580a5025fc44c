/* turns.h - parts of one import that are on their way at once are written in their order: each waits for its turn after all that can
 * be done before has been done. Used inside serve alone. */
#ifndef FETTLE_SERVE_TURNS_H
#define FETTLE_SERVE_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct turns turns;
turns *turns_new(void);
void turns_free(turns *t); /* NULL is fine */

/* Until all parts of `key` before this one ended; part 0 is the first. Fails when one of them failed, or none of them ends for a
 * minute. Who was let in calls turn_end, whatever happens. */
bool turn_wait(turns *t, str key, int64_t part, err *e);
void turn_end(turns *t, str key, int64_t part, bool ok);

#endif
