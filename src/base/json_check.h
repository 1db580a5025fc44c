/* json_check.h - is this text JSON to the letter? Used by json.c alone. */
#ifndef FETTLE_BASE_JSON_CHECK_H
#define FETTLE_BASE_JSON_CHECK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 64 };

/* Fails with line, column, what was expected and what came. Integers past 64 bits (Hugging Face writes 10^30 for "no limit") are
 * legal JSON but no int64: when there are any, `patched` holds the text with "e0" behind each, which makes them reals. */
bool json_check(str text, buf *patched, err *e);

#endif
