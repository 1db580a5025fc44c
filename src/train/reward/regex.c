/* regex.c - 1 where a pattern (Oniguruma's, over UTF-8) is found in the completion, else 0. Anchors make it the whole: \A...\z */
#include "text/text.h"
#include "train/reward.h"

static bool regex_open(arena *a, str argument, void **state, err *e) {
    if (!argument.len) return err_set(e, ERR_USAGE, "which pattern? regex:PATTERN");
    return (*state = regex_new(a, argument, e)) != NULL;
}

static bool regex_score(void *state, const reward_case *c, int count, float *out, err *e) {
    (void)e;
    for (int i = 0; i < count; i++) {
        size_t begin, end;
        out[i] = regex_find(state, c[i].text, 0, &begin, &end);
    }
    return true;
}

const reward_kind reward_regex = {.name = "regex",
                                  .argument = "PATTERN",
                                  .words = "1 where the pattern is found, else 0",
                                  .open = regex_open,
                                  .score = regex_score};
