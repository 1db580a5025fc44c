/* clock.h - moments: microseconds since 1970 in UTC, as int64_t. */
#ifndef FETTLE_BASE_CLOCK_H
#define FETTLE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

int64_t clock_now(void);
typedef char moment_text[27]; /* 2024-12-03T10:15:30.123456 : UTC without a zone, as Argilla writes it */
void moment_put(int64_t moment, moment_text out);
bool moment_parse(str text, int64_t *out); /* ISO 8601: a date, or date and time with T or a space, fraction, Z or +hh:mm */

#endif
