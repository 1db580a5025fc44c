/* The methods of the demo: their settings are such that their objectives know. */
#include "test.h"

#include <string.h>

#include "cli/demo_method.h"
#include "train/train.h"

static void set_all(arena *a, train_settings *s, const char *const *settings) {
    for (; *settings; settings++) {
        err e = {0};
        const str whole = str_of(*settings);
        const ptrdiff_t at = str_find(whole, STR("="), 0);
        assert_true(at > 0);
        assert_ok(
            resolve_set(a, &s->from, str_slice(whole, 0, (size_t)at), str_slice(whole, (size_t)at + 1, whole.len), "--set", &e),
            e);
    }
}

static void every_setting_is_known_to_its_objective(void **state) {
    (void)state;
    for (const demo_method *m = demo_methods; m->name; m++) {
        arena *a = arena_new();
        err e = {0};
        train_settings *s;
        assert_ok(train_settings_begin(a, m->objective, &s, &e), e);
        set_all(a, s, m->settings);
        if (m->preset) assert_ok(resolve_preset(a, &s->from, "small-feedback", &e), e);
        arena_free(a);
    }
    arena *a = arena_new();
    err e = {0};
    train_settings *s;
    assert_ok(train_settings_begin(a, "reward", &s, &e), e);
    set_all(a, s, demo_reward_settings);
    arena_free(a);
}

/* Completions that have no likes in their group teach nothing, so a rollout takes whole groups and all of its prompts are there. */
static void a_rollout_is_made_of_whole_groups(void **state) {
    (void)state;
    for (const demo_method *m = demo_methods; m->name; m++) {
        arena *a = arena_new();
        err e = {0};
        train_settings *s;
        if (m->rewarded) {
            assert_ok(train_settings_begin(a, m->objective, &s, &e), e);
            set_all(a, s, m->settings);
            const int64_t answers = s->o.per_device_train_batch_size * s->rollout->steps_per_generation;
            assert_int_equal(answers % s->rollout->num_generations, 0);
            assert_true(answers / s->rollout->num_generations <= 12); /* prompts of the demo */
            assert_true(s->rollout->max_kl > 0);
        }
        arena_free(a);
    }
}

/* What reinforcement begins with is a preset of imitation. */
static void a_start_is_a_preset_of_sft(void **state) {
    (void)state;
    int starts = 0;
    for (const preset *p = run_presets; p->name; p++) {
        arena *a = arena_new();
        err e = {0};
        train_settings *s;
        assert_ok(train_settings_begin(a, "sft", &s, &e), e);
        if (p->start) assert_ok(resolve_preset(a, &s->from, p->start, &e), e);
        starts += p->start != NULL;
        arena_free(a);
    }
    assert_int_equal(starts, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_setting_is_known_to_its_objective),
                                       cmocka_unit_test(a_rollout_is_made_of_whole_groups),
                                       cmocka_unit_test(a_start_is_a_preset_of_sft)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
