/* What people did, from records small enough to count by hand. */
#include "test.h"

#include <math.h>

#include "data/data.h"

static const char questions_text[] = "[{\"id\":\"q1\",\"name\":\"good\",\"settings\":{\"type\":\"label_selection\",\"options\":[{"
                                     "\"value\":\"yes\"},{\"value\":\"no\"}]}},"
                                     "{\"id\":\"q2\",\"name\":\"note\",\"settings\":{\"type\":\"text\"}}]";

static json *parse(arena *a, const char *text) {
    err e = {0};
    json *v = json_parse(a, str_of(text), &e);
    if (!v) fail_msg("%s", e.text);
    return v;
}

static char *answer(arena *a, const char *who, const char *status, const char *good, const char *at) {
    return arena_printf(
        a, "{\"user_id\":\"%s\",\"status\":\"%s\",\"values\":{\"good\":{\"value\":\"%s\"}},\"updated_at\":\"2026-01-01T%s\"}",
        who, status, good, at);
}

static const json *of(const json *report, const char *who) {
    for (size_t i = 0; i < json_count(report); i++)
        if (str_is(json_get_text(json_at(report, i), "user_id", STR("")), who)) return json_at(report, i);
    fail_msg("nobody is called %s", who);
    return NULL;
}

static void assert_share(const json *person, const char *key, int compared, int same) {
    const json *v = json_get(person, key);
    assert_int_equal(json_get_int(v, "compared", -1), compared);
    assert_int_equal(json_get_int(v, "same", -1), same);
    if (compared) assert_true(fabs(json_get_real(v, "share", -1) - (double)same / compared) < 1e-12);
    else assert_null(json_get(v, "share"));
}

static void gaps_below_five_minutes_are_work(void **state) {
    (void)state;
    arena *a = arena_new();
    static const char *const at[] = {"10:00:00", "10:00:30", "10:01:40", "10:06:40", "10:07:00"}; /* 30, 70, a pause of 300, 20 */
    buf records = {0};
    for (int i = 0; i < 5; i++) /* not in order */
        buf_printf(&records, "%s{\"id\":\"%d\",\"responses\":[%s]}", i ? "," : "[", i,
                   answer(a, "ann", "submitted", "yes", at[(i * 2) % 5]));
    buf_put_text(&records, "]");
    const json *report = annotator_report(a, parse(a, questions_text), parse(a, records.ptr));
    assert_true(fabs(json_get_real(of(report, "ann"), "active_seconds", -1) - 120) < 1e-9);
    assert_true(fabs(json_get_real(of(report, "ann"), "median_seconds", -1) - 30) < 1e-9);
    buf_free(&records);
    arena_free(a);
}

static void one_answer_has_no_time(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *records = arena_printf(a, "[{\"id\":\"1\",\"responses\":[%s]}]", answer(a, "ann", "draft", "yes", "10:00:00"));
    const json *ann = of(annotator_report(a, parse(a, questions_text), parse(a, records)), "ann");
    assert_null(json_get(ann, "median_seconds"));
    assert_true(fabs(json_get_real(ann, "active_seconds", -1) - 0) < 1e-12);
    assert_int_equal(json_get_int(ann, "drafts", -1), 1);
    assert_int_equal(json_get_int(ann, "submitted", -1), 0);
    arena_free(a);
}

static void answers_are_compared_with_gold_the_others_and_suggestions(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *records =
        arena_printf(a,
                     "[{\"id\":\"1\",\"gold\":{\"good\":{\"value\":\"yes\"}},\"responses\":[%s,%s,%s],\"suggestions\":[{"
                     "\"question_id\":\"q1\",\"value\":"
                     "\"no\"}]},"
                     "{\"id\":\"2\",\"gold\":{\"good\":{\"value\":\"no\"}},\"gold_hidden\":true,\"responses\":[%s,%s],"
                     "\"suggestions\":[{\"question_id\":"
                     "\"q2\",\"value\":\"x\"}]},"
                     "{\"id\":\"3\",\"gold\":{\"good\":{\"value\":\"no\"}},\"responses\":[%s]}]",
                     answer(a, "ann", "submitted", "yes", "10:00:00"), answer(a, "bob", "submitted", "no", "10:00:00"),
                     answer(a, "cat", "submitted", "yes", "10:00:00"), answer(a, "ann", "submitted", "yes", "10:00:10"),
                     answer(a, "bob", "discarded", "no", "10:00:10"), answer(a, "bob", "draft", "no", "10:00:10"));
    const json *report = annotator_report(a, parse(a, questions_text), parse(a, records)), *ann = of(report, "ann"),
               *bob = of(report, "bob");
    assert_share(ann, "gold", 1, 1);
    assert_share(ann, "hidden_gold", 1, 0);
    assert_share(ann, "suggestions", 1, 0);
    assert_share(bob, "gold", 1, 0); /* the draft does not count */
    assert_share(bob, "hidden_gold", 0, 0);
    assert_share(bob, "suggestions", 1, 1);
    assert_share(bob, "majority", 1, 0); /* the others said yes twice */
    assert_share(ann, "majority", 0, 0); /* the others are a tie */
    assert_int_equal(json_get_int(bob, "discarded", -1), 1);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gaps_below_five_minutes_are_work),
        TEST(one_answer_has_no_time),
        TEST(answers_are_compared_with_gold_the_others_and_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
