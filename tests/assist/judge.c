/* Judges: what is asked in both orders and averaged, how words are read, and which suggestions come of it. */
#include "far.h"

#include <math.h>

#include "assist/assist.h"
#include "base/json.h"

static arena *a;

static int begin(void **state) {
    (void)state;
    a = arena_new();
    unsetenv("FETTLE_ENDPOINT_KEY"), unsetenv("OPENAI_API_KEY");
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static json *parsed(const char *text) {
    err e = {0};
    char *copy = arena_text(a, text);
    for (char *c = copy; *c; c++)
        if (*c == '\'') *c = '"';
    json *v = json_parse(a, str_of(copy), &e);
    assert_ok(v, e);
    return v;
}

/* ---- a judge with a rule ---------------------------------------------------------------------------------------------------------------- */

/* Of two answers it likes the one with "good" in it, and adds `place` to whatever stands first. Of options it likes the one with "yes". */
typedef struct {
    double place;
    bool silent;       /* tells no log-probabilities */
    const char *words; /* what it says then; NULL: the letter it likes */
    bool endless;      /* its answers reach the limit */
    int asked;
} rule;

static str last_of(const json *messages) {
    return json_get_text(json_at(messages, json_count(messages) - 1), "content", STR(""));
}

static int liked(str user) {
    const ptrdiff_t b = str_find(user, STR("Answer B:"), 0), good = str_find(user, STR("good"), 0);
    if (b >= 0) return good > b;
    for (int i = 0; i < 20; i++)
        if (str_find(user, str_of(arena_printf(a, "%c) yes", 'A' + i)), 0) >= 0) return i;
    return 0;
}

static bool rule_choices(void *hands, arena *at, const json *messages, const char *const *choices, int count, double *logp,
                         endpoint_try *t, err *e) {
    rule *r = hands;
    (void)at, (void)choices;
    if (r->silent) return err_set(e, ERR_UNSUPPORTED, "no log-probabilities");
    r->asked++;
    t->prompt_tokens = 10;
    for (int i = 0; i < count; i++) logp[i] = (i == liked(last_of(messages)) ? -0.5 : -2.5) + (i ? 0 : r->place);
    return true;
}

static bool rule_chat(void *hands, arena *at, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    rule *r = hands;
    (void)t, (void)e;
    r->asked++;
    out->text = str_of(r->words ? r->words : arena_printf(at, "%c.", 'A' + liked(last_of(o->messages))));
    out->finish = r->endless ? "length" : "stop";
    return true;
}

static void rule_close(void *hands) { (void)hands; }
static const endpoint_kind rule_kind = {"rule", "a rule", NULL, NULL, rule_close, rule_chat, rule_choices, NULL};

static endpoint *judge_with(rule *r) { return endpoint_over(&rule_kind, r, &(endpoint_options){.spec = "rule"}); }

static double likely(double more) { return 1 / (1 + exp(-more)); }

/* ---- pairs ------------------------------------------------------------------------------------------------------------------------------ */

static void a_pair_is_asked_in_both_orders_and_averaged(void **state) {
    (void)state;
    err e = {0};
    rule r = {.place = 1};
    judge_verdict v, turned;
    int worded = 0;
    const judge_case c = {STR("be good"), STR(""), STR("hi")};
    endpoint *p = judge_with(&r);
    assert_ok(judge_pair(p, a, &c, STR("good"), STR("bad"), &v, &worded, &e), e);
    assert_ok(judge_pair(p, a, &c, STR("bad"), STR("good"), &turned, &worded, &e), e);
    assert_true(fabs(v.order[0] - likely(2 + 1)) < 1e-12 && fabs(v.order[1] - likely(2 - 1)) < 1e-12);
    assert_true(fabs(v.p - (v.order[0] + v.order[1]) / 2) < 1e-12);
    assert_true(fabs(v.p + turned.p - 1) < 1e-12); /* whoever is named first */
    assert_int_equal(r.asked, 4);
    assert_int_equal(worded, 0);
    endpoint_close(p);
}

static void a_judge_that_sees_the_place_alone_ends_at_one_half(void **state) {
    (void)state;
    err e = {0};
    rule r = {.silent = true, .words = "A"};
    judge_verdict v;
    int worded = 0;
    endpoint *p = judge_with(&r);
    assert_ok(judge_pair(p, a, &(judge_case){0}, STR("good"), STR("bad"), &v, &worded, &e), e);
    assert_true(fabs(v.p - 0.5) < 1e-12);
    assert_int_equal(worded, 2);
    endpoint_close(p);
}

static void words_without_a_letter_are_an_error_that_quotes_them(void **state) {
    (void)state;
    err e = {0};
    rule r = {.silent = true, .words = "Both are fine."};
    judge_verdict v;
    int worded = 0;
    endpoint *p = judge_with(&r);
    assert_false(judge_pair(p, a, &(judge_case){0}, STR("x"), STR("y"), &v, &worded, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_non_null(strstr(e.text, "Both are fine."));
    endpoint_close(p);
}

static void letters_are_read_where_they_stand_for_a_choice(void **state) {
    (void)state;
    static const struct {
        const char *words;
        int letter;
    } cases[] = {{"A", 0},
                 {" B\n", 1},
                 {"B.", 1},
                 {"(B)", 1},
                 {"**A**", 0},
                 {"Answer B is better", 1},
                 {"A better answer is B.", 1},
                 {"Apples", -1},
                 {"", -1},
                 {"C", -1},
                 {"A's", -1},
                 {"I would say: A", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (judge_read_letter(str_of(cases[i].words), 2) != cases[i].letter)
            fail_msg("'%s': %d", cases[i].words, judge_read_letter(str_of(cases[i].words), 2));
}

static void the_judge_reads_guidelines_and_marked_texts(void **state) {
    (void)state;
    const judge_case c = {STR("Be brief."), STR("Which is kinder?"), STR("Say hello.")};
    const json *m = judge_pair_messages(a, &c, STR("Hello!"), STR("Go away."));
    assert_int_equal(json_count(m), 2);
    assert_true(str_find(json_get_text(json_at(m, 0), "content", STR("")), STR("Be brief."), 0) >= 0);
    const str user = last_of(m);
    assert_true(str_find(user, STR("Prompt:\n<<<\nSay hello.\n>>>"), 0) == 0);
    assert_true(str_find(user, STR("Answer A:\n<<<\nHello!\n>>>"), 0) > 0 && str_find(user, STR("Which is kinder?"), 0) > 0);
}

/* ---- options and ranks ------------------------------------------------------------------------------------------------------------------ */

static void options_are_listed_both_ways_and_their_probabilities_sum_to_one(void **state) {
    (void)state;
    err e = {0};
    rule r = {.place = 3};
    double p[3], sum = 0;
    int worded = 0;
    const str options[] = {STR("no"), STR("maybe"), STR("yes")};
    endpoint *j = judge_with(&r);
    assert_ok(judge_options(j, a, &(judge_case){0}, STR(""), options, 3, p, &worded, &e), e);
    for (int i = 0; i < 3; i++) sum += p[i];
    assert_true(fabs(sum - 1) < 1e-12);
    assert_int_equal(ask_likeliest(p, 3), 2); /* the first place alone would say "no" */
    assert_true(p[1] < p[0]);
    assert_false(judge_options(j, a, &(judge_case){0}, STR(""), options, 1, p, &worded, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    endpoint_close(j);
}

static void a_ranking_puts_the_best_first_and_equals_beside_each_other(void **state) {
    (void)state;
    err e = {0};
    rule r = {.place = 1, .silent = false};
    double worth[3];
    int place[3], worded = 0;
    const str answers[] = {STR("bad"), STR("good"), STR("bad")};
    endpoint *j = judge_with(&r);
    assert_ok(judge_rank(j, a, &(judge_case){0}, answers, 3, worth, place, &worded, &e), e);
    assert_int_equal(place[1], 1);
    assert_true(worth[1] > worth[0] && worth[1] > worth[2]);
    assert_true(fabs(worth[0] + worth[1] + worth[2] - 1.5) < 1e-9);
    assert_int_equal(r.asked, 6);
    endpoint_close(j);
}

/* ---- questions of a dataset -------------------------------------------------------------------------------------------------------------- */

static ask_answer asked_of(rule *r, const char *question, const char *mapping, const char *values) {
    err e = {0};
    ask_answer out = {0};
    endpoint *p = judge_with(r);
    const ask_order o = {
        .p = p,
        .a = a,
        .guidelines = STR("be good"),
        .fields = parsed("[{'name':'prompt','settings':{'type':'text'}},{'name':'one','settings':{'type':'text'}},{'name':'two',"
                         "'settings':{'type':'text'}}]"),
        .question = parsed(question),
        .mapping = parsed(mapping),
        .values = parsed(values),
        .tie = 0.05,
    };
    assert_ok(ask_kind_of(o.question)->ask(&o, &out, &e), e);
    endpoint_close(p);
    return out;
}

#define COMPARE "{'name':'q','title':'Better?','settings':{'type':'comparison','strength':true}}"
#define SIDES   "{'answer_a':'one','answer_b':'two'}"

static void a_comparison_is_a_choice_with_its_probability_or_a_tie(void **state) {
    (void)state;
    rule r = {0}, blind = {.silent = true, .words = "A"};
    const ask_answer x = asked_of(&r, COMPARE, SIDES, "{'prompt':'hi','one':'bad','two':'good'}");
    assert_true(str_is(json_get_text(x.value, "choice", STR("")), "b"));
    assert_true(fabs(json_real(x.score, 0) - likely(2)) < 1e-9);
    assert_int_equal(json_get_int(x.value, "strength", 0), 2); /* 0.88 */
    const ask_answer y = asked_of(&blind, COMPARE, SIDES, "{'prompt':'hi','one':'bad','two':'good'}");
    assert_true(str_is(json_get_text(y.value, "choice", STR("")), "tie"));
    assert_false(json_has(y.value, "strength"));
    assert_null(asked_of(&r, COMPARE, SIDES, "{'prompt':'hi','one':'bad'}").value); /* nothing to compare */
}

static void ranking_rating_and_label_are_values_of_their_questions(void **state) {
    (void)state;
    rule r = {0};
    const ask_answer x =
        asked_of(&r, "{'name':'q','settings':{'type':'ranking','options':[{'value':'x','text':'X'},{'value':'y','text':'Y'}]}}",
                 "{'answers':{'x':'one','y':'two'}}", "{'prompt':'hi','one':'bad','two':'good'}");
    assert_true(json_equal(x.value, parsed("[{'value':'x','rank':2},{'value':'y','rank':1}]")));
    assert_int_equal(json_count(x.score), 2);
    const ask_answer l = asked_of(
        &r, "{'name':'q','settings':{'type':'label_selection','options':[{'value':'n','text':'no'},{'value':'j','text':'yes'}]}}",
        "{}", "{'prompt':'hi'}");
    assert_true(str_is(json_text(l.value, STR("")), "j"));
    const ask_answer n = asked_of(&r, "{'name':'q','settings':{'type':'rating','options':[{'value':1},{'value':2}]}}",
                                  "{'answer':'one'}", "{'prompt':'hi','one':'x'}");
    assert_int_equal(json_kind_of(n.value), JSON_INT);
    assert_true(json_real(n.score, 0) > 0 && json_real(n.score, 0) <= 1);
}

static void a_text_is_written_by_the_model(void **state) {
    (void)state;
    rule r = {.words = " A fine day. "};
    const ask_answer x = asked_of(&r, "{'name':'q','title':'Answer','settings':{'type':'text'}}", "{}", "{'prompt':'hi'}");
    assert_true(str_is(json_text(x.value, STR("")), "A fine day."));
    assert_null(x.score);
    const ask_answer unasked = asked_of(&r, "{'name':'q','settings':{'type':'text'}}", "{}", "{}");
    assert_true(!unasked.value && !unasked.no_use);
    assert_null(ask_kind_of(parsed("{'settings':{'type':'span'}}")));
}

static void a_text_without_words_or_end_is_of_no_use(void **state) {
    (void)state;
    rule mute = {.words = " "}, endless = {.words = "and on and on", .endless = true};
    rule *const rules[] = {&mute, &endless};
    for (int i = 0; i < 2; i++) {
        const ask_answer x = asked_of(rules[i], "{'name':'q','settings':{'type':'text'}}", "{}", "{'prompt':'hi'}");
        assert_true(!x.value && x.no_use);
    }
}

/* ---- pairs without people ------------------------------------------------------------------------------------------------------------------ */

/* Says one thing after the other. */
typedef struct {
    const char *says[4];
    int said;
} script;

static bool script_chat(void *hands, arena *at, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    script *s = hands;
    (void)at, (void)o, (void)t, (void)e;
    out->text = str_of(s->says[s->said++]);
    out->finish = out->text.len ? "stop" : "length";
    return true;
}
static const endpoint_kind script_kind = {"script", "a script", NULL, NULL, rule_close, script_chat, rule_choices, NULL};

static json *row_of(script *policy, const endpoint_kind *kind, void *judge, bool revise) {
    err e = {0};
    json *row;
    int worded = 0;
    const rlaif_order o = {.policy = endpoint_over(&script_kind, policy, &(endpoint_options){.spec = "p"}),
                           .judge = endpoint_over(kind, judge, &(endpoint_options){.spec = "j"}),
                           .guidelines = STR("be good"),
                           .prompt = STR("hi"),
                           .tie = 0.05,
                           .revise = revise};
    assert_ok(rlaif_row(a, &o, &row, &worded, &e), e);
    endpoint_close(o.policy), endpoint_close(o.judge);
    return row;
}

static void the_judged_better_answer_is_chosen_wherever_it_came(void **state) {
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        script p = {.says = {turn ? "bad" : "good", turn ? "good" : "bad"}};
        rule r = {.place = 1};
        const json *row = row_of(&p, &rule_kind, &r, false);
        assert_true(str_is(json_get_text(row, "chosen", STR("")), "good"));
        assert_true(str_is(json_get_text(row, "rejected", STR("")), "bad"));
        assert_true(json_get_real(row, "probability_chosen", 0) > 0.8);
        assert_true(str_is(json_get_text(row, "judge", STR("")), "j"));
    }
}

static void ties_same_answers_and_cut_ones_give_no_pair(void **state) {
    (void)state;
    rule blind = {.silent = true, .words = "A"}, r = {0};
    script tie = {.says = {"good", "bad"}}, same = {.says = {"x", "x"}}, cut = {.says = {"x", ""}};
    assert_true(str_is(json_get_text(row_of(&tie, &rule_kind, &blind, false), "left_out", STR("")), "a tie"));
    assert_true(json_has(row_of(&same, &rule_kind, &r, false), "left_out"));
    assert_int_equal(r.asked, 0);
    assert_true(json_has(row_of(&cut, &rule_kind, &r, false), "left_out"));
}

static void a_revision_is_preferred_to_what_it_revises(void **state) {
    (void)state;
    script p = {.says = {"rude"}}, j = {.says = {"It is rude.", "kind"}}, none = {.says = {"It is rude.", ""}};
    const json *row = row_of(&p, &script_kind, &j, true);
    assert_true(str_is(json_get_text(row, "chosen", STR("")), "kind"));
    assert_true(str_is(json_get_text(row, "rejected", STR("")), "rude"));
    assert_true(str_is(json_get_text(row, "critique", STR("")), "It is rude."));
    p.said = 0;
    assert_false(json_has(row_of(&p, &script_kind, &none, true), "chosen"));
}

/* Says everything it was told, so that answers differ and show what they go by. */
typedef struct {
    int asked;
} echo;

static bool echo_chat(void *hands, arena *at, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    buf all = {0};
    (void)t, (void)e;
    buf_printf(&all, "%d ", ++((echo *)hands)->asked);
    json_put(&all, o->messages);
    *out = (endpoint_answer){str_of(str_copy(at, buf_str(&all))), "stop"};
    buf_free(&all);
    return true;
}
static const endpoint_kind echo_kind = {"echo", "an echo", NULL, NULL, rule_close, echo_chat, NULL, NULL};

static bool until(void *self, int done) { return done < *(int *)self; }

/* A principle is drawn for each prompt, by its place alone; it is all that the critique goes by. */
static void each_prompt_is_revised_by_a_principle_that_is_drawn(void **state) {
    (void)state;
    err e = {0};
    str text;
    static const char *const prompts[] = {"one", "two", "three", "four", "five", "six"}, *const principles[] = {"Be kind.",
                                                                                                                "Be brief."};
    const char *folder = scratch_folder(a), *out = path_join(a, folder, "pairs.jsonl");
    int stop_at = 2, seen[2] = {0};
    rlaif_file f = {.out = out,
                    .prompts = prompts,
                    .count = 6,
                    .principles = principles,
                    .principle_count = 2,
                    .go_on = until,
                    .self = &stop_at};
    rlaif_made made;
    rlaif_order o = {.guidelines = STR("be good"), .seed = 1, .revise = true};
    echo x = {0};
    o.policy = o.judge = endpoint_over(&echo_kind, &x, &(endpoint_options){.spec = "j"});
    assert_false(rlaif_run(&o, &f, &made, &e));
    assert_int_equal(e.code, ERR_STOPPED);
    assert_int_equal(x.asked, 6); /* an answer, a critique and a revision of two prompts */
    assert_false(file_exists(out));
    e = (err){0}, stop_at = 100;
    assert_ok(rlaif_run(&o, &f, &made, &e), e);
    assert_int_equal(x.asked, 18); /* what was there is not asked again */
    assert_true(made.pairs == 6 && made.left_out == 0 && !file_exists(kept_part(a, out)));
    assert_ok(file_read(a, out, 1 << 16, &text, &e), e);
    for (int i = 0; i < 6; i++) {
        const ptrdiff_t at = str_find(text, STR("\n"), 0);
        const json *row = json_parse(a, str_slice(text, 0, (size_t)at), &e);
        const str principle = json_get_text(row, "principle", STR(""));
        text = str_slice(text, (size_t)at + 1, text.len);
        assert_true(str_is(json_get_text(row, "prompt", STR("")), prompts[i]));
        seen[str_is(principle, principles[1])]++;
        assert_true(str_find(json_get_text(row, "critique", STR("")), principle, 0) >= 0);
        assert_true(str_find(json_get_text(row, "critique", STR("")), STR("be good"), 0) < 0);
    }
    assert_true(seen[0] && seen[1]);
    f.count = 5, f.prompts = prompts + 1; /* other prompts */
    assert_ok(file_write(kept_part(a, out), STR("{\"prompt\":\"one\"}\n"), &e), e);
    assert_false(rlaif_run(&o, &f, &made, &e));
    assert_non_null(strstr(e.text, "other prompts"));
    endpoint_close(o.judge);
    assert_true(dir_remove(folder, &(err){0}));
}

static void what_was_left_out_is_counted_by_its_reason(void **state) {
    (void)state;
    err e = {0};
    kept_count n;
    char words[200];
    const char *out = path_join(a, scratch_folder(a), "rows.jsonl");
    assert_ok(file_write(kept_part(a, out),
                         STR("{\"left_out\":\"a tie\"}\n{\"x\":1}\n{\"left_out\":\"too like another (ROUGE-L 0.81)\"}\n"
                             "{\"left_out\":\"a tie\"}\n{\"left_out\":\"too like another (ROUGE-L 0.9)\"}\n{\"left_out\":\"c\"}\n"
                             "{\"left_out\":\"d\"}\n{\"left_out\":\"e\"}\n{\"left_out\":\"f\"}\n{\"left_out\":\"g\"}\n"),
                         &e),
              e);
    assert_ok(kept_finish(a, out, 0, &n, &e), e);
    assert_true(n.rows == 1 && n.left_out == 9);
    kept_reasons(&n, words, sizeof words);
    assert_string_equal(words, "2 x a tie, 2 x too like another, 1 x c, 1 x d, 1 x e, 2 x other reasons");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pair_is_asked_in_both_orders_and_averaged, begin, end),
        cmocka_unit_test_setup_teardown(a_judge_that_sees_the_place_alone_ends_at_one_half, begin, end),
        cmocka_unit_test_setup_teardown(words_without_a_letter_are_an_error_that_quotes_them, begin, end),
        cmocka_unit_test_setup_teardown(letters_are_read_where_they_stand_for_a_choice, begin, end),
        cmocka_unit_test_setup_teardown(the_judge_reads_guidelines_and_marked_texts, begin, end),
        cmocka_unit_test_setup_teardown(options_are_listed_both_ways_and_their_probabilities_sum_to_one, begin, end),
        cmocka_unit_test_setup_teardown(a_ranking_puts_the_best_first_and_equals_beside_each_other, begin, end),
        cmocka_unit_test_setup_teardown(a_comparison_is_a_choice_with_its_probability_or_a_tie, begin, end),
        cmocka_unit_test_setup_teardown(ranking_rating_and_label_are_values_of_their_questions, begin, end),
        cmocka_unit_test_setup_teardown(a_text_is_written_by_the_model, begin, end),
        cmocka_unit_test_setup_teardown(a_text_without_words_or_end_is_of_no_use, begin, end),
        cmocka_unit_test_setup_teardown(the_judged_better_answer_is_chosen_wherever_it_came, begin, end),
        cmocka_unit_test_setup_teardown(ties_same_answers_and_cut_ones_give_no_pair, begin, end),
        cmocka_unit_test_setup_teardown(a_revision_is_preferred_to_what_it_revises, begin, end),
        cmocka_unit_test_setup_teardown(each_prompt_is_revised_by_a_principle_that_is_drawn, begin, end),
        cmocka_unit_test_setup_teardown(what_was_left_out_is_counted_by_its_reason, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
