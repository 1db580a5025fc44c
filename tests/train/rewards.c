/* rewards.c - reward functions one by one: what each says of given completions, which arguments are refused, and a command's time limit. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "train/reward.h"

static arena *a;

static int begin(void **state) {
    (void)state;
    a = arena_new();
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static reward_case said(const char *text) {
    err e = {0};
    static const int32_t prompt[] = {1};
    const size_t n = strlen(text);
    int32_t *ids = arena_array(a, int32_t, n + 1);
    for (size_t i = 0; i < n; i++) ids[i] = (unsigned char)text[i]; /* a token a letter */
    return (reward_case){.row = json_parse(a, STR("{\"answer\":\"42\",\"lang\":\"de\"}"), &e),
                         .prompt = STR("How much?"),
                         .text = str_of(text),
                         .whole = str_of(text),
                         .prompt_ids = prompt,
                         .ids = ids,
                         .prompt_tokens = 1,
                         .tokens = (int)n};
}

static double reward_by(const char *spec, const char *text) {
    err e = {0};
    reward *list;
    float out = NAN;
    const reward_case c = said(text);
    assert_ok(rewards_open(a, &spec, 1, NULL, 0, &list, &e), e);
    assert_ok(list->kind->score(list->state, &c, 1, &out, &e), e);
    return (double)out;
}

static void check(const char *spec, const char *text, double want) {
    const double got = reward_by(spec, text);
    if (!(fabs(got - want) < 1e-6) && !(isnan(got) && isnan(want)))
        fail_msg("%s of '%s': %g, expected %g", spec, text, got, want);
}

static void refused(const char *spec) {
    err e = {0};
    reward *list;
    if (rewards_open(a, &spec, 1, NULL, 0, &list, &e)) fail_msg("%s was taken", spec);
    assert_true(e.code == ERR_USAGE || e.code == ERR_INPUT);
}

static void length_is_measured_in_tokens(void **state) {
    (void)state;
    check("length", "abcde", 0.05);
    check("length:4", "abcd", 0);
    check("length:4", "ab", -0.5);
    check("length:4", "abcdef", -0.5);
    check("length:-4", "abc", 0);
    check("length:-4", "abcdef", -0.5);
    check("length:-4", "abcdefghijkl", -1);
    refused("length:long");
}

static void a_pattern_matches_or_not(void **state) {
    (void)state;
    check("regex:^[a-m]", "bird", 1);
    check("regex:^[a-m]", "worm", 0);
    check("regex:b+$", "abb", 1);
    refused("regex:(");
}

static void repetition_costs_its_share(void **state) {
    (void)state;
    check("no_repeat:2", "abcd", 0);
    check("no_repeat:2", "ababa", -0.5); /* ab ba ab ba: two of four came before */
    check("no_repeat:1", "aaaa", -0.75);
    check("no_repeat", "ab", 0); /* shorter than three */
    refused("no_repeat:0");
}

static void an_answer_is_compared_with_its_column(void **state) {
    (void)state;
    check("exact:answer", "42", 1);
    check("exact:answer", "43", 0);
}

static void a_schema_is_followed_or_not(void **state) {
    (void)state;
    err e = {0};
    char *root = scratch_folder(a);
    const char *path = path_join(a, root, "schema.json"), *spec = arena_printf(a, "json_schema:%s", path);
    assert_ok(
        file_write(path, STR("{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}"), &e), e);
    check(spec, "{\"n\":3}", 1);
    assert_true(reward_by(spec, "{\"n\":\"three\"}") < 1);
    assert_true(reward_by(spec, "no JSON") < 1);
    dir_remove(root, &e);
}

static void a_language_is_told_from_others(void **state) {
    (void)state;
    const char *german = "Das ist ein Satz, der nicht lang ist, und er wird von allen verstanden.",
               *english = "This is a sentence that is not long, and it is understood by all of them.";
    assert_true(reward_by("language:de", german) > reward_by("language:de", english));
    assert_true(reward_by("language:en", english) > reward_by("language:en", german));
}

/* What a command prints is the reward; one that takes too long, fails or prints no number has no word, and the others keep theirs. */
static void a_command_has_its_time_and_no_more(void **state) {
    static const char spec[] =
        "command:1:x=$(cat); case $x in slow) sleep 30;; bad) exit 3;; words) echo words;; *) echo 0.25;; esac";
    const char *const specs[] = {spec}, *const none[] = {"command:1:exit 3"};
    (void)state;
    err e = {0};
    reward *list;
    float out[4];
    const reward_case c[] = {said("slow"), said("fine"), said("bad"), said("words")};
    assert_ok(rewards_open(a, specs, 1, NULL, 0, &list, &e), e);
    const double begun = sys_seconds();
    assert_ok(list->kind->score(list->state, c, 4, out, &e), e);
    assert_true(sys_seconds() - begun < 15);
    assert_true(isnan(out[0]) && fabs((double)out[1] - 0.25) < 1e-6 && isnan(out[2]) && isnan(out[3]));
    assert_ok(rewards_open(a, none, 1, NULL, 0, &list, &e), e);
    assert_false(list->kind->score(list->state, c, 4, out, &e));
    assert_non_null(strstr(e.text, "none of 4 completions"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(length_is_measured_in_tokens, begin, end),
        cmocka_unit_test_setup_teardown(a_pattern_matches_or_not, begin, end),
        cmocka_unit_test_setup_teardown(repetition_costs_its_share, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_is_compared_with_its_column, begin, end),
        cmocka_unit_test_setup_teardown(a_schema_is_followed_or_not, begin, end),
        cmocka_unit_test_setup_teardown(a_language_is_told_from_others, begin, end),
        cmocka_unit_test_setup_teardown(a_command_has_its_time_and_no_more, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
