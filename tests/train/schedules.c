/* schedules.c - rates that transformers gives, at the steps where a schedule turns. */
#include "test.h"

#include <math.h>

#include "train/schedule.h"

static void rates_turn_where_transformers_turns_them(void **state) {
    static const struct {
        const char *name;
        double warmup;
        const char *kwargs;
        int64_t done;
        double share;
    } cases[] = {
        {"linear", 4, NULL, 0, 0},
        {"linear", 4, NULL, 2, 0.5},
        {"linear", 4, NULL, 12, 0.5},
        {"linear", 0.2, NULL, 2, 0.5}, /* a share of 20 steps */
        {"linear", 4, NULL, 25, 0},
        {"constant", 4, NULL, 0, 1},
        {"constant_with_warmup", 4, NULL, 1, 0.25},
        {"constant_with_warmup", 4, NULL, 19, 1},
        {"cosine", 0, NULL, 10, 0.5},
        {"cosine_with_min_lr", 0, "{\"min_lr_rate\": 0.1}", 10, 0.55},
        {"cosine_with_min_lr", 0, "{\"min_lr\": 1e-4}", 20, 0.1},
        {"cosine_warmup_with_min_lr", 0, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 0, 0.9944597532678121},
        {"cosine_warmup_with_min_lr", 0, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 19, 0.1},
        {"cosine_warmup_with_min_lr", 4, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 0, 0.05},
        {"cosine_warmup_with_min_lr", 4, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 1, 0.05 + 0.95 / 3},
        {"cosine_warmup_with_min_lr", 4, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 3, 1},
        {"cosine_warmup_with_min_lr", 4, "{\"min_lr_rate\": 0.1, \"warmup_lr_rate\": 0.05}", 4, 0.9913533761814538},
        {"cosine_warmup_with_min_lr", 4, NULL, 0, 0.25},
        {"warmup_stable_decay", 4, "{\"num_decay_steps\": 8, \"decay_type\": \"linear\"}", 11, 1},
        {"warmup_stable_decay", 4, "{\"num_decay_steps\": 8, \"decay_type\": \"linear\"}", 16, 0.5},
        {"inverse_sqrt", 4, NULL, 16, 0.5},
        {"polynomial", 0, "{\"lr_end\": 0, \"power\": 2}", 10, 0.25},
        {"cosine_with_restarts", 0, "{\"num_cycles\": 2}", 10, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        err e = {0};
        double lr;
        const json *kwargs = cases[i].kwargs ? json_parse(a, str_of(cases[i].kwargs), &e) : NULL;
        assert_ok(schedule_rate(cases[i].name, 1e-3, cases[i].done, 20, cases[i].warmup, kwargs, &lr, &e), e);
        if (!(fabs(lr - 1e-3 * cases[i].share) < 1e-12))
            fail_msg("%s after %d steps: %.15g, expected %.15g", cases[i].name, (int)cases[i].done, lr, 1e-3 * cases[i].share);
        arena_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(rates_turn_where_transformers_turns_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
