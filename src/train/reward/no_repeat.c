/* no_repeat.c - against saying the same again: -(1 - different runs of n tokens / all of them), 0 where nothing is repeated, near -1 where all is.
 * The end token is left out of the count only when nothing else follows, so a completion of fewer than n tokens has 0. */
#include <stdlib.h>
#include <string.h>

#include "train/reward.h"

static bool no_repeat_open(arena *a, str argument, void **state, err *e) {
    long *n = arena_new_of(a, long);
    *n = 3;
    *state = n;
    return !argument.len || (str_to_long(argument, n) && *n >= 1 && *n <= 64) ||
           err_set(e, ERR_USAGE, "the run should be 1 to 64 tokens long, and '%.*s' came", STR_ARG(argument));
}

static bool seen_before(const int32_t *ids, int at, int n) {
    for (int i = 0; i < at; i++)
        if (memcmp(ids + i, ids + at, (size_t)n * sizeof *ids) == 0) return true;
    return false;
}

static bool no_repeat_score(void *state, const reward_case *c, int count, float *out, err *e) {
    const int n = (int)*(const long *)state;
    (void)e;
    for (int i = 0; i < count; i++) {
        const int all = c[i].tokens - n + 1;
        int again = 0;
        for (int k = 0; k < all; k++) again += seen_before(c[i].ids, k, n);
        out[i] = all > 0 ? -(float)again / (float)all : 0;
    }
    return true;
}

const reward_kind reward_no_repeat = {.name = "no_repeat",
                                      .argument = "N",
                                      .words = "0 where no run of N tokens (3) comes twice, towards -1 the more do",
                                      .open = no_repeat_open,
                                      .score = no_repeat_score};
