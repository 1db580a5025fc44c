/* Self-Instruct: which tasks are kept, which instances, and what a scripted generator's words become. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "assist/assist.h"
#include "base/json.h"

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

static void a_list_is_read_by_its_numbers(void **state) {
    str item[8];
    (void)state;
    assert_int_equal(synth_read_list(a, STR("Sure:\n9. Name a bird. \n10) Say why.\n- no number\n11.\n12. Sum up"), item, 8), 3);
    assert_true(str_is(item[0], "Name a bird.") && str_is(item[1], "Say why.") && str_is(item[2], "Sum up"));
    assert_int_equal(synth_read_list(a, STR("1. a\n2. b\n3. c"), item, 2), 2);
}

static void unfit_tasks_are_left_out_for_the_published_reasons(void **state) {
    static const struct {
        const char *task, *why;
    } cases[] = {{"Name a bird.", "too short"},
                 {"Name a bird that sings.", NULL},
                 {"Describe the picture in two words.", "asks for what text cannot do"},
                 {"Describe what is picturesque about hills.", NULL}, /* whole words alone */
                 {"Please go to the next page now.", "asks for what text cannot do"},
                 {"Write a program that sums two numbers.", "asks for a program"},
                 {"\"Quote a poet of your choice\"", "begins with punctuation"},
                 {"\xc3\x89"
                  "crire une lettre courte",
                  "begins with a letter that is not ASCII"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = synth_unfit(str_of(cases[i].task));
        if ((why == NULL) != (cases[i].why == NULL) || (why && strcmp(why, cases[i].why) != 0))
            fail_msg("'%s': %s, expected %s", cases[i].task, why ? why : "fit", cases[i].why ? cases[i].why : "fit");
    }
    buf t = {0};
    for (int i = 0; i < 151; i++) buf_put_text(&t, "word ");
    assert_string_equal(synth_unfit(buf_str(&t)), "too long");
    buf_free(&t);
}

static void instances_are_read_in_both_orders(void **state) {
    synth_instance x[4];
    (void)state;
    assert_int_equal(
        synth_read_instances(a, STR("Example 1\nInput: two\nlines\nOutput: 4\n\nExample 2\nInput: none\nOutput:\nfree\ntext"),
                             false, x, 4),
        2);
    assert_true(str_is(x[0].input, "two\nlines") && str_is(x[0].output, "4"));
    assert_true(str_is(x[1].input, "") && str_is(x[1].output, "free\ntext"));
    assert_int_equal(
        synth_read_instances(a, STR("Class label: good\nInput: I like it.\nClass label: bad\nInput: I do not."), true, x, 4), 2);
    assert_true(str_is(x[1].output, "bad") && str_is(x[1].input, "I do not."));
    assert_int_equal(synth_read_instances(a, STR("Output: alone"), false, x, 4), 1);
    assert_true(str_is(x[0].input, "") && str_is(x[0].output, "alone"));
}

static void unfit_instances_are_left_out(void **state) {
    (void)state;
    synth_instance x[] = {{STR("a"), STR("1")},           {STR("a"), STR("1")}, {STR("b"), STR("")},  {STR("c"), STR("c")},
                          {STR("d"), STR("as follows:")}, {STR("e"), STR("1")}, {STR("e"), STR("2")}, {STR(""), STR("x")}};
    const int n = synth_fit_instances(x, 8, false);
    assert_int_equal(n, 2); /* doubles once; without output, echo, colon, contradiction: gone */
    assert_true(str_is(x[0].input, "a") && str_is(x[1].output, "x"));
    synth_instance open[] = {{STR("b"), STR("")}};
    assert_int_equal(synth_fit_instances(open, 1, true), 1);
}

/* ---- a generator with a script ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *list; /* of new tasks */
    int asked, lists, answered;
    buf seen; /* the request for tasks */
} writer;

static str asked_for(const json *messages) {
    return json_get_text(json_at(messages, json_count(messages) - 1), "content", STR(""));
}

static bool write_words(void *hands, arena *at, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    writer *w = hands;
    const str user = asked_for(o->messages);
    (void)t, (void)e, (void)at;
    w->asked++;
    out->finish = "stop";
    if (str_find(user, STR("Come up with"), 0) >= 0) {
        w->lists++;
        buf_clear(&w->seen), buf_put_str(&w->seen, user);
        out->text = str_of(w->list);
    } else if (str_find(user, STR("class labels"), 0) >= 0)
        out->text = STR("Class label: positive\nInput: Lovely.\nClass label: negative\nInput: Awful.");
    else if (str_find(user, STR("Write up to"), 0) >= 0)
        out->text = str_find(user, STR("bird"), 0) >= 0 ? STR("I see.") : STR("Input: rain\nOutput: wet");
    else out->text = STR("A robin sings."), w->answered++;
    return true;
}

/* A task that says "Decide" is a classification. */
static bool choose(void *hands, arena *at, const json *messages, const char *const *choices, int count, double *logp,
                   endpoint_try *t, err *e) {
    const str user = asked_for(messages);
    (void)hands, (void)at, (void)choices, (void)t, (void)e;
    const ptrdiff_t yes = str_find(user, STR(") yes"), 0), no = str_find(user, STR(") no"), 0);
    const bool classifies = str_find(user, STR("Decide"), 0) >= 0;
    for (int i = 0; i < count; i++) logp[i] = ((yes < no) == (i == 0)) == classifies ? -0.1 : -3;
    return true;
}

static void close_writer(void *hands) { (void)hands; }
static const endpoint_kind writer_kind = {"writer", "a script", NULL, NULL, close_writer, write_words, choose, NULL};

static synth *synth_of(endpoint *p) {
    const synth_order o = {.p = p,
                           .licence = STR("apache-2.0"),
                           .similar = 0.7,
                           .temperature = 0.7,
                           .asked = 8,
                           .instances = 3,
                           .max_tokens = 64,
                           .seed = 3};
    synth *s = synth_new(a, &o);
    synth_seed(s, STR("Write a short poem about the sea."));
    synth_seed(s, STR("Explain why leaves are green."));
    return s;
}

static const char *const tasks =
    "3. Explain why leaves are green to me.\n4. Decide whether the sentence is positive or negative.\n"
    "5. Tell me what bird sings at night.\n6. Too short.\n7. Say what the weather does to hair.";

static void a_round_keeps_what_is_new_with_instances_of_its_kind(void **state) {
    (void)state;
    err e = {0};
    writer w = {.list = tasks};
    endpoint *p = endpoint_over(&writer_kind, &w, &(endpoint_options){.spec = "writer"});
    synth *s = synth_of(p);
    json **rows;
    int n, worded = 0;
    assert_ok(synth_round(s, a, &rows, &n, &worded, &e), e);
    assert_int_equal(n, 5);
    assert_int_equal(synth_kept(s), 3);
    assert_true(str_starts(json_get_text(rows[0], "left_out", STR("")), STR("too like another (ROUGE-L 0.8")));
    assert_true(str_is(json_get_text(rows[3], "left_out", STR("")), "too short"));
    assert_true(json_get_bool(rows[1], "is_classification", false));
    assert_int_equal(json_count(json_get(rows[1], "instances")), 2);
    assert_true(str_is(json_get_text(json_at(json_get(rows[1], "instances"), 0), "output", STR("")), "positive"));
    assert_false(json_get_bool(rows[2], "is_classification", true));
    assert_true(str_is(json_get_text(json_at(json_get(rows[2], "instances"), 0), "output", STR("")), "A robin sings."));
    assert_int_equal(w.answered, 1); /* where no example could be read */
    assert_true(str_is(json_get_text(rows[4], "licence", STR("")), "apache-2.0"));
    assert_true(str_is(json_get_text(rows[4], "by", STR("")), "suggestion:writer"));
    assert_true(str_find(buf_str(&w.seen), STR("numbered 3 to 10"), 0) >= 0);
    endpoint_close(p);
    buf_free(&w.seen);
}

/* The same words again are no news; what was made is shown beside the seeds; and rows are enough to go on. */
static void a_pool_grows_by_what_is_kept_and_is_recalled_from_rows(void **state) {
    (void)state;
    err e = {0};
    writer w = {.list = tasks};
    endpoint *p = endpoint_over(&writer_kind, &w, &(endpoint_options){.spec = "writer"});
    synth *s = synth_of(p), *again = synth_of(p);
    json **rows, **more;
    int n, worded = 0;
    assert_ok(synth_round(s, a, &rows, &n, &worded, &e), e);
    for (int i = 0; i < n; i++) synth_recall(again, rows[i]);
    assert_int_equal(synth_kept(again), 3);
    assert_ok(synth_round(again, a, &more, &n, &worded, &e), e);
    assert_int_equal(synth_kept(again), 3);
    assert_int_equal(synth_idle(again), 1);
    for (int i = 0; i < n; i++) assert_true(json_has(more[i], "left_out") && json_get_int(more[i], "round", 0) == 2);
    assert_true(str_find(buf_str(&w.seen), STR("numbered 5 to 12"), 0) >= 0); /* two seeds and two of its own */
    w.list = "I would rather not.";
    assert_ok(synth_round(again, a, &more, &n, &worded, &e), e);
    assert_int_equal(synth_idle(again), 2);
    assert_true(str_is(json_get_text(more[0], "left_out", STR("")), "no list of tasks came"));
    endpoint_close(p);
    buf_free(&w.seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_is_read_by_its_numbers, begin, end),
        cmocka_unit_test_setup_teardown(unfit_tasks_are_left_out_for_the_published_reasons, begin, end),
        cmocka_unit_test_setup_teardown(instances_are_read_in_both_orders, begin, end),
        cmocka_unit_test_setup_teardown(unfit_instances_are_left_out, begin, end),
        cmocka_unit_test_setup_teardown(a_round_keeps_what_is_new_with_instances_of_its_kind, begin, end),
        cmocka_unit_test_setup_teardown(a_pool_grows_by_what_is_kept_and_is_recalled_from_rows, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
