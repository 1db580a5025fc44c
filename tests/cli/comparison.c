/* A judge of guidelines fills a comparison: expected ratings, and who is rated higher. */
#include "test.h"

#include <math.h>

#include "cli/comparison.h"

/* Sure of "5, fully" where the answer is kind, of "1, not at all" elsewhere, wherever these stand in the list. */
static bool choices(void *hands, arena *a, const json *messages, const char *const *letters, int count, double *logp,
                    endpoint_try *t, err *e) {
    const str user = json_get_text(json_at(messages, json_count(messages) - 1), "content", STR(""));
    const bool kind = str_find(user, STR("kind words"), 0) >= 0;
    (void)hands, (void)t, (void)e;
    for (int i = 0; i < count; i++) {
        const char *wanted = arena_printf(a, "%s) %s", letters[i], kind ? "5, fully" : "1, not at all");
        logp[i] = str_find(user, str_of(wanted), 0) >= 0 ? 0 : -60;
    }
    return true;
}

static void close_nothing(void *hands) { (void)hands; }

static void answers_that_follow_the_guidelines_win(void **state) {
    (void)state;
    static const endpoint_kind rule = {"rule", "a rule", NULL, NULL, close_nothing, NULL, choices, NULL};
    arena *a = arena_new();
    err e = {0};
    const char *prompts[] = {"one", "two", "three"};
    given_answer before[3] = {{.text = STR("no")}, {.text = STR("kind words")}, {.text = STR("no")}};
    given_answer after[3] = {{.text = STR("kind words")}, {.text = STR("kind words")}, {.text = STR("kind words")}};
    int verdict[3];
    comparison c = {.prompts = prompts, .answers = {before, after}, .verdict = verdict, .count = 3};
    endpoint *judge = endpoint_over(&rule, NULL, &(endpoint_options){.spec = "rule"});
    assert_ok(comparison_judge(a, &c, judge, STR("Be kind."), &e), e);
    assert_true(fabs(c.reward[0] - 7.0 / 3) < 1e-9 && fabs(c.reward[1] - 5) < 1e-9);
    assert_int_equal(c.wins, 2);
    assert_int_equal(c.losses, 0);
    assert_int_equal(c.ties, 1);
    assert_string_equal(c.reward_model, "rule");
    endpoint_close(judge);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_that_follow_the_guidelines_win)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
