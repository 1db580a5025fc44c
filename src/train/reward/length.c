/* length.c - how near a completion's length is to what is wanted, in tokens.
 *
 *     length:N      -|tokens - N| / N
 *     length:-N     0 up to N tokens, then falling to -1 at twice as many: a soft limit
 *     length        tokens / 100: longer is better; give it a negative weight and shorter is */
#include <math.h>

#include "train/reward.h"

static bool length_open(arena *a, str argument, void **state, err *e) {
    double *target = arena_new_of(a, double);
    *state = target;
    return !argument.len || (str_to_double(argument, target) && *target != 0) ||
           err_set(e, ERR_USAGE, "the wanted length should be a number of tokens, and '%.*s' came", STR_ARG(argument));
}

static double length_of(double target, double n) {
    if (target == 0) return n / 100;
    if (target > 0) return -fabs(n - target) / target;
    const double over = n + target;
    return over <= 0 ? 0 : -fmin(over / -target, 1);
}

static bool length_score(void *state, const reward_case *c, int count, float *out, err *e) {
    (void)e;
    for (int i = 0; i < count; i++) out[i] = (float)length_of(*(const double *)state, c[i].tokens);
    return true;
}

const reward_kind reward_length = {.name = "length",
                                   .argument = "N",
                                   .words = "tokens: near N; -N: at most N; without N: the more the better (a hundredth each)",
                                   .open = length_open,
                                   .score = length_score};
