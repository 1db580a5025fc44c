/* taste.c - the rules that stand in for a person: what they count, what their edits keep, and the figures a comparison prints. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "cli/comparison.h"

static judged_text whole(const char *text) { return (judged_text){str_of(text), false, 96}; }
static judged_text cut(const char *text) { return (judged_text){str_of(text), true, 96}; }

static void edits_to(const char *name, judged_text given, const char *want) {
    arena *a = arena_new();
    assert_string_equal(taste_find(name)->edit(a, given), want);
    arena_free(a);
}

static void a_cut_answer_counts_as_long_as_the_limit(void **state) {
    (void)state;
    const taste *shorter = taste_find("shorter");
    assert_true(shorter->score(whole("One two three.")) == -3);
    assert_true(shorter->score(cut("One two three")) == -96);
    assert_true(taste_find("longer")->score(cut("One two three")) == 96);
}

static void the_shorter_edit_keeps_two_sentences(void **state) {
    (void)state;
    edits_to("shorter", whole(" It is 3.5 km. Really! There is more. And more."), "It is 3.5 km. Really!");
    edits_to("shorter", whole("1. Boil water.\n2. Add tea.\n3. Wait."), "1. Boil water.\n2. Add tea.");
    edits_to("shorter", cut("Only half a sentence"), "Only half a sentence");
}

static void prose_counts_marks_and_takes_them_out(void **state) {
    (void)state;
    const taste *prose = taste_find("prose");
    assert_true(prose->score(whole("Plain text.\nStill plain, -5 degrees.")) == 0);
    assert_true(prose->score(whole("# Tea\n1. Boil water\n- Add tea\n* Wait\n• Drink")) == -5);
    edits_to("prose", whole("# Tea\n1. **Boil** water:\n- Add tea.\n\n* Wait"), "Tea. Boil water. Add tea. Wait.");
    edits_to("prose", cut("1. Boil water.\n2. Add t"), "Boil water.");
}

static void warmth_counts_each_phrase_once(void **state) {
    (void)state;
    const taste *warmer = taste_find("warmer");
    assert_true(warmer->score(whole("The sky is blue.")) == 0);
    assert_true(warmer->score(whole("Good luck! Good luck, and take care.")) == 2);
    arena *a = arena_new();
    const char *kind = warmer->edit(a, whole("The sky is blue."));
    assert_true(warmer->score(whole(kind)) >= 2);
    assert_non_null(strstr(kind, "The sky is blue."));
    arena_free(a);
}

static void every_edit_is_liked_at_least_as_much(void **state) {
    (void)state;
    static const char *const texts[] = {"One. Two. Three. Four.", "- a point.\n- another one.\n", "Short.",
                                        "A question? Yes! And 1. no list.", "no end"};
    arena *a = arena_new();
    for (const taste *t = taste_list; t->name; t++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            const char *edited = t->edit(a, whole(texts[i]));
            if (t->score(whole(edited)) < t->score(whole(texts[i]))) fail_msg("%s likes '%s' less", t->name, edited);
        }
    arena_free(a);
}

static void repetition_is_counted_within_and_between_answers(void **state) {
    (void)state;
    const str twice[] = {STR("a b c d"), STR("a b c"), STR("x y")}, loop[] = {STR("a a a a a")};
    int distinct, all;
    texts_trigrams(twice, 3, &distinct, &all);
    assert_int_equal(all, 3);
    assert_int_equal(distinct, 2);
    texts_trigrams(loop, 1, &distinct, &all);
    assert_int_equal(all, 3);
    assert_int_equal(distinct, 1);
}

static void prompts_of_training_and_test_never_meet(void **state) {
    (void)state;
    for (const taste *t = taste_list; t->name; t++)
        for (int i = 0; i < DEMO_HELD_OUT; i++) {
            assert_non_null(t->prompts->held_out[i]);
            for (int k = 0; k < DEMO_TRAINING; k++) assert_string_not_equal(t->prompts->held_out[i], t->prompts->training[k]);
            for (int k = 0; k < i; k++) assert_string_not_equal(t->prompts->held_out[i], t->prompts->held_out[k]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_cut_answer_counts_as_long_as_the_limit), TEST(the_shorter_edit_keeps_two_sentences),
        TEST(prose_counts_marks_and_takes_them_out),    TEST(warmth_counts_each_phrase_once),
        TEST(every_edit_is_liked_at_least_as_much),     TEST(repetition_is_counted_within_and_between_answers),
        TEST(prompts_of_training_and_test_never_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
