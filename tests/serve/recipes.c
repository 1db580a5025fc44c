/* Answers become rows over the API, and imports come and go whole. */
#include "desk.h"

static const char *set_path(desk *d, const char *more) { return arena_printf(d->a, "/api/v1/datasets/%s%s", d->set, more); }

static void answers_become_pairs_and_examples_with_their_lineage(void **state) {
    desk *d = *state;
    const char *ann = a_member(d, "ann", "annotator");
    const char *row = a_record(d, "\"fields\":{\"prompt\":\"One and one?\",\"answer\":\"It is two, of course.\"}");
    an_answer(d, row, ann, "Two.", "yes");
    ask(d, "PUT", set_path(d, "/recipe"),
        "{\"mapping\":{\"recipe\":\"text\",\"question\":\"note\",\"prompt\":\"prompt\",\"answer\":\"answer\"}}", NULL);
    const json *pairs = rows_of(d, d->set, "{\"as\":\"pairs\"}"), *one = json_at(pairs, 0);
    assert_int_equal(json_count(pairs), 1);
    const json *chosen = json_at(json_get(one, "chosen"), 0), *rejected = json_at(json_get(one, "rejected"), 0);
    assert_true(str_is(json_get_text(chosen, "content", STR("")), "Two."));
    assert_true(str_is(json_get_text(rejected, "content", STR("")), "It is two, of course."));
    assert_true(str_is(json_get_text(one, "record", STR("")), row));
    assert_int_equal(json_count(json_get(one, "responses")), 1);
    const str person = json_text(json_at(json_get(one, "people"), 0), STR(""));
    assert_true(person.len > 4 && !str_is(person, ann)); /* a pseudonym */
    assert_int_equal(json_count(rows_of(d, d->set, "{\"as\":\"sft\"}")), 1);
    assert_int_equal(json_count(rows_of(d, d->set, "{\"as\":\"prompts\"}")), 1);
    assert_int_equal(json_count(rows_of(d, d->set, "{\"as\":\"labelled\"}")), 0);
    const json *what = ask(d, "GET", set_path(d, "/recipes"), "", NULL), *targets = json_get(json_get(what, "report"), "targets");
    assert_int_equal(json_get_int(json_get(targets, "pairs"), "count", -1), 1);
    assert_true(json_get_text(json_get(targets, "labelled"), "reason", STR("")).len > 0);
}

static void a_purpose_that_a_licence_forbids_is_refused_before_the_first_row(void **state) {
    desk *d = *state;
    err why = {0};
    const char *ann = a_member(d, "ann", "annotator");
    const char *row =
        a_record(d, "\"fields\":{\"prompt\":\"One?\",\"answer\":\"Two\"},\"metadata\":{\"licence\":\"cc-by-nc-4.0\"}");
    an_answer(d, row, ann, "Two.", "yes");
    ask(d, "PUT", set_path(d, "/recipe"),
        "{\"mapping\":{\"recipe\":\"text\",\"question\":\"note\",\"prompt\":\"prompt\",\"answer\":\"answer\"}}", NULL);
    assert_int_equal(json_count(rows_of(d, d->set, "{\"as\":\"sft\"}")), 1);
    ask(d, "POST", set_path(d, "/rows"), "{\"as\":\"sft\",\"options\":{\"purpose\":\"commercial\"}}", &why);
    assert_non_null(strstr(why.text, row));
}

static void a_mapping_that_names_what_is_not_there_is_refused(void **state) {
    desk *d = *state;
    err why = {0};
    ask(d, "PUT", set_path(d, "/recipe"), "{\"mapping\":{\"recipe\":\"text\",\"question\":\"note\",\"prompt\":\"question\"}}",
        &why);
    assert_non_null(strstr(why.text, "question"));
    why = (err){0};
    ask(d, "POST", set_path(d, "/rows"), "{\"as\":\"poems\"}", &why);
    assert_non_null(strstr(why.text, "poems"));
}

static void near_prompts_across_the_split_are_told(void **state) {
    desk *d = *state;
    for (int i = 0; i < 60; i++) /* thirty prompts, each once more with a word at its end */
        a_record(
            d, arena_printf(d->a,
                            "\"fields\":{\"prompt\":\"Tell me in plain words why number %d is the friend of number %d and of no "
                            "other number at all %s\"}",
                            i / 2, i / 2, i % 2 ? "please" : ""));
    ask(d, "PUT", set_path(d, "/recipe"),
        "{\"mapping\":{\"recipe\":\"text\",\"question\":\"note\",\"prompt\":\"prompt\",\"answer\":\"answer\"}}", NULL);
    const json *what = ask(d, "GET", set_path(d, "/recipes"), "", NULL), *split = json_get(json_get(what, "report"), "split");
    const int64_t count = json_get_int(split, "near_count", 0);
    assert_int_equal(json_get_int(split, "train", 0) + json_get_int(split, "validation", 0) + json_get_int(split, "test", 0), 60);
    assert_true(count > 0 && count <= 30);
    const json *first = json_at(json_get(split, "near"), 0), *sides = json_get(first, "sides"),
               *prompts = json_get(first, "prompts");
    assert_false(json_equal(json_at(sides, 0), json_at(sides, 1)));
    assert_true(str_starts(json_text(json_at(prompts, 0), STR("")), STR("tell me in plain words why number")));
    what = ask(d, "GET", set_path(d, "/recipes?validation=0&test=0"), "", NULL);
    assert_int_equal(json_get_int(json_get(json_get(what, "report"), "split"), "near_count", -1), 0);
    err why = {0};
    ask(d, "GET", set_path(d, "/recipes?test=90"), "", &why);
    assert_non_null(strstr(why.text, "test"));
}

static void records_are_counted_also_while_a_mapping_is_unclear(void **state) {
    desk *d = *state;
    d->set = id_of(d, ask(d, "POST", "/api/v1/datasets",
                          arena_printf(d->a, "{\"name\":\"unclear\",\"workspace_id\":\"%s\"}", d->space), NULL));
    static const char *const fields[] = {"prompt", "output_a", "output_b"};
    for (int i = 0; i < 3; i++)
        ask(d, "POST", set_path(d, "/fields"),
            arena_printf(d->a, "{\"name\":\"%s\",\"title\":\"F\",\"settings\":{\"type\":\"text\"}}", fields[i]), NULL);
    ask(d, "POST", set_path(d, "/questions"),
        "{\"name\":\"good\",\"title\":\"Good\",\"required\":true,\"settings\":{\"type\":\"label_selection\",\"options\":["
        "{\"value\":\"yes\",\"text\":\"yes\"},{\"value\":\"no\",\"text\":\"no\"}]}}",
        NULL);
    ask(d, "PUT", set_path(d, "/publish"), "", NULL);
    a_record(d, "\"fields\":{\"prompt\":\"One?\",\"output_a\":\"1\",\"output_b\":\"2\"}");
    const json *what = ask(d, "GET", set_path(d, "/recipes"), "", NULL);
    assert_null(json_get(what, "report"));
    assert_int_equal(json_get_int(what, "records", -1), 1);
    const json *asked = json_at(json_get(json_at(json_get(what, "guesses"), 0), "ask"), 0);
    assert_int_equal(json_count(json_get(asked, "choices")), 2);
}

static void agreement_of_two_people_is_counted(void **state) {
    desk *d = *state;
    const char *ann = a_member(d, "ann", "annotator"), *bob = a_member(d, "bob", "annotator");
    for (int i = 0; i < 4; i++) {
        const char *row = a_record(d, arena_printf(d->a, "\"fields\":{\"prompt\":\"%d?\"}", i));
        an_answer(d, row, ann, NULL, i % 2 ? "yes" : "no");
        an_answer(d, row, bob, NULL, i == 0 ? "yes" : i % 2 ? "yes" : "no");
    }
    const json *report = ask(d, "GET", set_path(d, "/agreement"), "", NULL), *good = NULL;
    for (size_t i = 0; i < json_count(json_get(report, "questions")); i++)
        if (str_is(json_get_text(json_at(json_get(report, "questions"), i), "name", STR("")), "good"))
            good = json_at(json_get(report, "questions"), i);
    assert_float_equal(json_get_real(good, "percent", 0), 0.75, 1e-9);
    assert_float_equal(json_get_real(json_at(json_get(good, "pairs"), 0), "kappa", 0), 0.5, 1e-9);
}

/* ---- imports ------------------------------------------------------------------------------------------------------------------------ */

static int64_t total(desk *d) { return json_get_int(ask(d, "GET", set_path(d, "/progress"), "", NULL), "total", -1); }

static int64_t found(desk *d, const char *word) {
    const char *body = arena_printf(d->a, "{\"query\":{\"text\":{\"q\":\"%s\"}}}", word);
    return json_get_int(ask(d, "POST", set_path(d, "/records/search"), body, NULL), "total", -1);
}

static const char *begin_import(desk *d) {
    return id_of(d, ask(d, "POST", set_path(d, "/imports"), "{\"source\":\"file.jsonl\"}", NULL));
}

static void send_two(desk *d, const char *import) {
    ask(d, "POST", set_path(d, arena_printf(d->a, "/records?import=%s", import)),
        "{\"items\":[{\"fields\":{\"prompt\":\"a zebra\"}},{\"fields\":{\"prompt\":\"two zebras and a zebra\"}}]}", NULL);
}

static void an_import_that_is_undone_takes_its_records_and_nothing_else(void **state) {
    desk *d = *state;
    a_record(d, "\"fields\":{\"prompt\":\"a zebra that was here before\"}");
    const char *import = begin_import(d);
    send_two(d, import);
    ask(d, "PUT", set_path(d, arena_printf(d->a, "/imports/%s", import)), "", NULL);
    assert_int_equal(total(d), 3);
    assert_int_equal(found(d, "zebra"), 3);
    const json *gone = ask(d, "DELETE", set_path(d, arena_printf(d->a, "/imports/%s", import)), "", NULL);
    assert_int_equal(json_get_int(gone, "records", 0), 2);
    assert_int_equal(total(d), 1);
    assert_int_equal(found(d, "zebra"), 1);
    err why = {0};
    ask(d, "DELETE", set_path(d, arena_printf(d->a, "/imports/%s", import)), "", &why);
    assert_int_equal(why.code, ERR_NOT_FOUND);
}

static void a_finished_import_takes_no_more(void **state) {
    desk *d = *state;
    err why = {0};
    const char *import = begin_import(d);
    ask(d, "PUT", set_path(d, arena_printf(d->a, "/imports/%s", import)), "", NULL);
    ask(d, "POST", set_path(d, arena_printf(d->a, "/records?import=%s", import)),
        "{\"items\":[{\"fields\":{\"prompt\":\"late\"}}]}", &why);
    assert_int_equal(why.code, ERR_CONFLICT);
    assert_int_equal(total(d), 0);
}

static void an_import_that_was_not_finished_is_gone_after_a_restart(void **state) {
    desk *d = *state;
    err e = {0};
    a_record(d, "\"fields\":{\"prompt\":\"stays\"}");
    send_two(d, begin_import(d));
    assert_int_equal(total(d), 3);
    server_close(d->s);
    const serve_options o = {.home = d->home, .host = "127.0.0.1", .body_max = 1 << 24};
    d->s = server_open(&o, &e);
    assert_ok(d->s != NULL, e);
    assert_int_equal(total(d), 1);
    assert_int_equal(found(d, "zebra"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DESK_TEST(answers_become_pairs_and_examples_with_their_lineage),
        DESK_TEST(a_purpose_that_a_licence_forbids_is_refused_before_the_first_row),
        DESK_TEST(a_mapping_that_names_what_is_not_there_is_refused),
        DESK_TEST(near_prompts_across_the_split_are_told),
        DESK_TEST(records_are_counted_also_while_a_mapping_is_unclear),
        DESK_TEST(agreement_of_two_people_is_counted),
        DESK_TEST(an_import_that_is_undone_takes_its_records_and_nothing_else),
        DESK_TEST(a_finished_import_takes_no_more),
        DESK_TEST(an_import_that_was_not_finished_is_gone_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
