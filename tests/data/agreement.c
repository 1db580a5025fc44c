/* Agreement: published examples, undefined cases, the report of a dataset. tools/verify has many more cases (fixtures/agreement). */
#include "json_words.h"

#include <math.h>

static void near_to(double got, double wanted) {
    if (!(fabs(got - wanted) < 1e-9)) fail_msg("expected %.12g, got %.12g", wanted, got);
}

static void kappa_of_fifty_proposals_is_0_4(void **state) {
    (void)state;
    int a[50], b[50];
    for (int i = 0; i < 50; i++) a[i] = i >= 25, b[i] = i >= 20 && (i < 25 || i >= 35);
    const kappa_result k = cohen_kappa(a, b, 50, 2);
    near_to(k.observed, 0.7);
    near_to(k.expected, 0.5);
    near_to(k.kappa, 0.4);
    near_to(cohen_weighted(a, b, 50, 2, 1), 0.4);
    near_to(cohen_weighted(a, b, 50, 2, 2), 0.4);
}

static void kappa_without_variation_is_not_defined(void **state) {
    (void)state;
    const int same[] = {1, 1, 1}, counts[] = {3, 0, 3, 0}, uneven[] = {2, 1, 1, 1};
    assert_true(isnan(cohen_kappa(same, same, 3, 2).kappa));
    assert_true(isnan(cohen_weighted(same, same, 3, 2, 1)));
    assert_true(isnan(cohen_kappa(same, same, 0, 2).observed));
    assert_true(isnan(fleiss_kappa(counts, 2, 2).kappa));
    assert_true(isnan(fleiss_kappa(uneven, 2, 2).kappa));
}

static void weights_punish_far_answers_more(void **state) {
    (void)state;
    const int a[] = {0, 1, 2, 3, 0, 1}, close[] = {1, 1, 2, 3, 0, 2}, far[] = {3, 1, 2, 3, 0, 3};
    near_to(cohen_kappa(a, a, 6, 4).kappa, 1);
    assert_true(cohen_weighted(a, close, 6, 4, 2) > cohen_weighted(a, far, 6, 4, 2));
}

static void fleiss_of_two_raters(void **state) {
    (void)state;
    const int counts[] = {2, 0, 1, 1, 0, 2, 1, 1};
    near_to(fleiss_kappa(counts, 4, 2).observed, 0.5);
    near_to(fleiss_kappa(counts, 4, 2).kappa, 0);
}

static void alpha_of_krippendorffs_example(void **state) {
    (void)state;
    const double _ = NAN;
    const double values[] = {1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _, 1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3,
                             _, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _, 1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _};
    near_to(krippendorff_alpha(values, 4, 12, ALPHA_NOMINAL), 0.743421052632);
    near_to(krippendorff_alpha(values, 4, 12, ALPHA_ORDINAL), 0.815387503755);
    near_to(krippendorff_alpha(values, 4, 12, ALPHA_INTERVAL), 0.849107142857);
    near_to(krippendorff_alpha(values, 4, 12, ALPHA_RATIO), 0.797402774712);
}

static void alpha_without_variation_or_answers_is_not_defined(void **state) {
    (void)state;
    const double same[] = {2, 2, 2, 2}, alone[] = {1, 2, NAN, NAN};
    assert_true(isnan(krippendorff_alpha(same, 2, 2, ALPHA_INTERVAL)));
    assert_true(isnan(krippendorff_alpha(alone, 2, 2, ALPHA_NOMINAL)));
    assert_true(isnan(percent_agreement(alone, 2, 2)));
    near_to(percent_agreement(same, 2, 2), 1);
}

static void intervals_are_wilsons(void **state) {
    (void)state;
    double low, high;
    wilson_interval(5, 6, 0.95, &low, &high);
    near_to(low, 0.436497177814);
    near_to(high, 0.969946630252);
    wilson_interval(0, 6, 0.9, &low, &high);
    assert_true(low == 0);
    near_to(high, 0.310783981306);
    wilson_interval(6, 6, 0.99, &low, &high);
    assert_true(high == 1);
    wilson_interval(0, 0, 0.95, &low, &high);
    assert_true(low == 0 && high == 1);
}

static void strengths_of_two_are_the_log_odds(void **state) {
    (void)state;
    const game games[] = {{0, 1, 1}, {0, 1, 1}, {0, 1, 1}, {0, 1, 0}, {0, 1, 0.5}, {1, 0, 0.5}};
    double s[2];
    assert_true(bradley_terry(games, 6, 2, 0, s));
    near_to(s[0], log(2) / 2);
    near_to(s[1], -log(2) / 2);
    near_to(elo_of(log(10)), 1400);
}

/* Of two players with n games and chance p the difference has the variance 1 / (n p (1 - p)), each strength half of the difference. */
static void errors_of_two_follow_from_the_binomial(void **state) {
    (void)state;
    const game games[] = {{0, 1, 1}, {0, 1, 1}, {0, 1, 1}, {0, 1, 0}};
    double s[2], errors[2];
    assert_true(bradley_terry(games, 4, 2, 0, s));
    bradley_terry_errors(games, 4, 2, 0, s, errors);
    near_to(errors[0], sqrt(1 / 0.75) / 2);
    near_to(errors[1], sqrt(1 / 0.75) / 2);
    const game few[] = {{0, 1, 1}};
    assert_true(bradley_terry(few, 1, 2, 1, s));
    bradley_terry_errors(few, 1, 2, 1, s, errors);
    assert_true(errors[0] > 1); /* one game tells little */
    const double nothing[2] = {NAN, NAN};
    bradley_terry_errors(few, 1, 2, 0, nothing, errors);
    assert_true(isnan(errors[0]) && isnan(errors[1]));
}

static void the_unbeaten_need_a_prior(void **state) {
    (void)state;
    const game games[] = {{0, 1, 1}, {0, 2, 1}, {1, 2, 1}, {1, 2, 0}, {0, 1, 1}};
    double s[3];
    assert_false(bradley_terry(games, 5, 3, 0, s));
    assert_true(isnan(s[0]) && isnan(s[2]));
    assert_true(bradley_terry(games, 5, 3, 1, s));
    assert_true(fabs(s[0] - 1.48027480789) < 1e-9 && fabs(s[1] + 0.690362208812) < 1e-9);
}

static void players_that_never_met_cannot_be_ranked_together(void **state) {
    (void)state;
    const game games[] = {{0, 1, 0.5}, {2, 3, 0.5}};
    double s[4];
    assert_false(bradley_terry(games, 2, 4, 0, s));
}

static void many_games_of_unequal_players_come_to_rest(void **state) {
    (void)state;
    game games[202];
    double s[2];
    for (int i = 0; i < 202; i++) games[i] = (game){0, 1, i < 200};
    assert_true(bradley_terry(games, 202, 2, 0, s));
    near_to(s[0] - s[1], log(100));
}

static rouge_score rouge(const char *reference, const char *candidate) {
    int n, m;
    const uint64_t *x = rouge_tokens(memory_of_test, str_of(reference), &n),
                   *y = rouge_tokens(memory_of_test, str_of(candidate), &m);
    return rouge_l(x, n, y, m);
}

static void rouge_counts_the_longest_common_subsequence(void **state) {
    (void)state;
    assert_int_equal(rouge("the cat sat on the mat", "the cat is on the mat").lcs, 5);
    near_to(rouge("Write a poem about the sea.", "Write a short poem about the sea and the sky.").f, 0.75);
    near_to(rouge("Hello, world! It's 2026.", "hello world it s 2026").f, 1);
    near_to(rouge("\xe2\x84\xaa", "k").f, 1); /* the Kelvin sign in lower case */
    near_to(rouge("", "anything").f, 0);
    near_to(rouge("caf\xc3\xa9", "caf").f, 1); /* what is not a-z or 0-9 only parts words */
}

/* ---- cases as JSON ------------------------------------------------------------------------------------------------------------------- */

static void probe(const char *name, const char *v, const char *wanted) {
    buf out = {0};
    err e = {0};
    json_writer w = json_writer_on(&out, false);
    const bool ok = statistic_put(str_of(name), J(v), &w, &e);
    assert_string_equal(ok ? out.ptr : e.text, wanted);
    buf_free(&out);
}

static void cases_are_answered_or_refused_with_words(void **state) {
    (void)state;
    probe("fleiss_kappa", "{'inputs':{'counts':[[3,0],[3,0]]}}",
          "{\"mean_agreement\":1.0,\"expected_agreement\":1.0,\"kappa\":null}");
    probe("fleiss_kappa", "{'inputs':{'counts':[[3,0],[3]]}}",
          "'inputs': expected rows of 'counts' of one length, all whole numbers from 0");
    probe("cohen_kappa", "{'inputs':{'a':[1],'b':[]}}", "'inputs': expected 'a' and 'b' of one length");
    probe("cohen_kappa", "{'inputs':{'a':[1],'b':[2],'scale':[1]}}", "'inputs': expected only values of 'scale'");
    probe("bradley_terry", "{'inputs':{'names':['a'],'games':[['a','b',1]]}}",
          "'inputs': expected 'games' as [name, other name, 0 .. 1]");
    probe("krippendorff_alpha", "{'inputs':{'observers':[[1],[1,2]]}}", "'inputs': expected 'observers' of one length");
    probe("krippendorff_alpha", "{'inputs':{'observers':[['x','y'],['x','y']]}}", "{\"nominal\":1.0}");
    probe("gini", "{}",
          "no statistic 'gini': cohen_kappa, fleiss_kappa, krippendorff_alpha, wilson_interval, bradley_terry or rouge_l");
}

/* ---- the report of a dataset --------------------------------------------------------------------------------------------------------- */

static const json *report(const char *type, const char *records) {
    const json *questions = J(arena_printf(
        memory_of_test, "[{'name':'q','settings':{'type':'%s','options':[{'value':1},{'value':2},{'value':3}]}}]", type));
    return json_at(json_get(agreement_report(memory_of_test, questions, J(records), 10), "questions"), 0);
}

#define SAYS(user, value) "{'user_id':'" user "','status':'submitted','values':{'q':{'value':" value "}}}"

static void a_report_counts_submitted_answers(void **state) {
    (void)state;
    const json *r = report(
        "rating",
        "[{'id':'1','responses':[" SAYS("u", "1") "," SAYS("v", "1") "]},{'id':'2','responses':[" SAYS("u", "2") "," SAYS(
            "v", "3") "]},{'id':'3','responses':[" SAYS("u",
                                                        "2") ",{'user_id':'w','status':'draft','values':{'q':{'value':1}}}]}]");
    assert_int_equal(json_get_int(r, "answers", 0), 5);
    assert_int_equal(json_get_int(r, "records", 0), 2);
    assert_int_equal(json_get_int(r, "people", 0), 2);
    near_to(json_get_real(r, "percent", 0), 0.5);
    assert_true(str_is(json_get_text(r, "alpha_metric", STR("")), "ordinal"));
    const double values[] = {1, 2, 1, 3};
    near_to(json_get_real(r, "alpha", 0), krippendorff_alpha(values, 2, 2, ALPHA_ORDINAL));
    assert_string_equal(text_of(json_get(r, "disagreements")), "[{'record_id':'2','answers':2,'agreement':0.0}]");
}

static void a_report_holds_everyone_against_the_others(void **state) {
    (void)state;
    const json *r =
        report("label_selection",
               "[{'id':'1','responses':[" SAYS("u", "'a'") "," SAYS("v", "'a'") "," SAYS(
                   "w", "'b'") "]},"
                               "{'id':'2','responses':[" SAYS("u", "'b'") "," SAYS("v", "'b'") "," SAYS("w", "'b'") "]}]");
    assert_string_equal(text_of(json_get(r, "annotators")), "[{'user_id':'u','answers':2,'compared':1,'with_majority':1.0},"
                                                            "{'user_id':'v','answers':2,'compared':1,'with_majority':1.0},"
                                                            "{'user_id':'w','answers':2,'compared':2,'with_majority':0.5}]");
    const json *pair = json_at(json_get(r, "pairs"), 1);
    assert_string_equal(text_of(json_get(pair, "people")), "['u','w']");
    near_to(json_get_real(pair, "percent", 0), 0.5);
    assert_true(json_has(pair, "weighted") && !json_get(pair, "weighted"));
    const int counts[] = {2, 1, 0, 3};
    near_to(json_get_real(r, "fleiss", 0), fleiss_kappa(counts, 2, 2).kappa);
}

static void a_report_of_texts_has_no_alpha_and_one_of_nothing_no_numbers(void **state) {
    (void)state;
    const json *texts = report("text", "[{'id':'1','responses':[" SAYS("u", "'x'") "," SAYS("v", "' x '") "]}]"),
               *none = report("rating", "[]");
    near_to(json_get_real(texts, "percent", 0), 1);
    assert_true(json_has(texts, "alpha") && !json_get(texts, "alpha") && !json_get(texts, "alpha_metric"));
    assert_true(json_has(none, "percent") && !json_get(none, "percent") && !json_get(none, "alpha"));
    assert_int_equal(json_get_int(none, "answers", 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(kappa_of_fifty_proposals_is_0_4),
        TEST(kappa_without_variation_is_not_defined),
        TEST(weights_punish_far_answers_more),
        TEST(fleiss_of_two_raters),
        TEST(alpha_of_krippendorffs_example),
        TEST(alpha_without_variation_or_answers_is_not_defined),
        TEST(intervals_are_wilsons),
        TEST(strengths_of_two_are_the_log_odds),
        TEST(errors_of_two_follow_from_the_binomial),
        TEST(the_unbeaten_need_a_prior),
        TEST(players_that_never_met_cannot_be_ranked_together),
        TEST(many_games_of_unequal_players_come_to_rest),
        TEST(rouge_counts_the_longest_common_subsequence),
        TEST(cases_are_answered_or_refused_with_words),
        TEST(a_report_counts_submitted_answers),
        TEST(a_report_holds_everyone_against_the_others),
        TEST(a_report_of_texts_has_no_alpha_and_one_of_nothing_no_numbers),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
