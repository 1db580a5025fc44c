/* Who is given what: queues, assignments, hidden checks, answers sent back; and how their work is told. */
#include "desk.h"

#include "base/secret.h"

/* The id of the next record, or NULL. */
static const char *next(desk *d, const somebody *p, const char *order) {
    json *v;
    const char *body = order ? arena_printf(d->a, "{\"order\":\"%s\"}", order) : "";
    const int status = ask_as(d, p, "POST", arena_printf(d->a, "/api/v1/me/datasets/%s/next", d->set), body, &v);
    if (status != 200 && status != 404) fail_msg("next: status %d", status);
    return status == 200 ? id_of(d, v) : NULL;
}

static const char *answer(desk *d, const somebody *p, const char *row, const char *good) {
    json *v;
    const char *body = arena_printf(d->a, "{\"status\":\"submitted\",\"values\":{\"good\":{\"value\":\"%s\"}}}", good);
    assert_int_equal(ask_as(d, p, "POST", arena_printf(d->a, "/api/v1/records/%s/responses", row), body, &v), 201);
    return id_of(d, v);
}

static const char *numbered(desk *d, int i) { return a_record(d, arena_printf(d->a, "\"fields\":{\"prompt\":\"p%d\"}", i)); }

static void suggest(desk *d, const char *row, const char *value, const char *score) {
    ask(d, "PUT", arena_printf(d->a, "/api/v1/records/%s/suggestions", row),
        arena_printf(d->a, "{\"question_id\":\"%s\",\"value\":\"%s\",\"agent\":\"m\",\"score\":%s}", d->label, value, score),
        NULL);
}

/* ---- queues ------------------------------------------------------------------------------------------------------------------------ */

static void two_people_are_not_given_the_same_record(void **state) {
    desk *d = *state;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2);
    assert_string_equal(next(d, &ann, NULL), one);
    assert_string_equal(next(d, &ann, NULL), one); /* still held by her */
    assert_string_equal(next(d, &bob, NULL), two);
    answer(d, &ann, one, "yes");
    assert_null(next(d, &ann, NULL)); /* two is held by bob */
}

/* The ids of a list, with a space after each. */
static const char *ahead(desk *d, const somebody *p, const char *body) {
    json *v;
    const char *out = "";
    if (ask_as(d, p, "POST", arena_printf(d->a, "/api/v1/me/datasets/%s/next", d->set), body, &v) != 200) return NULL;
    for (size_t i = 0; i < json_count(json_get(v, "items")); i++)
        out = arena_printf(d->a, "%s%s ", out, id_of(d, json_at(json_get(v, "items"), i)));
    return out;
}

static void what_is_looked_at_ahead_is_held_when_it_is_shown(void **state) {
    desk *d = *state;
    json *v;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2), *three = numbered(d, 3);
    const char *hold_two = arena_printf(d->a, "/api/v1/records/%s/lease", two);
    assert_string_equal(ahead(d, &ann, "{\"count\":2}"), arena_printf(d->a, "%s %s ", one, two));
    assert_string_equal(ahead(d, &bob, "{\"count\":10}"), arena_printf(d->a, "%s %s %s ", one, two, three));
    assert_int_equal(ask_as(d, &ann, "POST", hold_two, "", &v), 204);
    assert_int_equal(ask_as(d, &ann, "POST", hold_two, "", &v), 204); /* once more: for longer */
    assert_int_equal(ask_as(d, &bob, "POST", hold_two, "", &v), 409);
    assert_string_equal(ahead(d, &bob, "{\"count\":10}"), arena_printf(d->a, "%s %s ", one, three));
    assert_string_equal(ahead(d, &bob, arena_printf(d->a, "{\"count\":1,\"except\":[\"%s\"]}", one)),
                        arena_printf(d->a, "%s ", three));
    assert_string_equal(ahead(d, &bob, arena_printf(d->a, "{\"count\":1,\"except\":[\"%s\",\"%s\"]}", one, three)), "");
    assert_null(ahead(d, &bob, "{\"count\":11}"));
    assert_null(ahead(d, &bob, "{\"count\":1,\"except\":[\"one\"]}"));
    assert_int_equal(ask_as(d, &ann, "DELETE", hold_two, "", &v), 204);
    assert_int_equal(ask_as(d, &bob, "POST", hold_two, "", &v), 204);
}

static void an_unknown_order_is_refused(void **state) {
    desk *d = *state;
    json *v;
    const somebody ann = a_person(d, "ann", "annotator");
    assert_int_equal(
        ask_as(d, &ann, "POST", arena_printf(d->a, "/api/v1/me/datasets/%s/next", d->set), "{\"order\":\"backwards\"}", &v), 422);
}

static void the_least_certain_suggestion_comes_first(void **state) {
    desk *d = *state;
    const somebody ann = a_person(d, "ann", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2), *three = numbered(d, 3);
    suggest(d, two, "yes", "0.9");
    suggest(d, three, "yes", "0.2");
    assert_string_equal(next(d, &ann, "uncertainty"), three);
    answer(d, &ann, three, "yes");
    assert_string_equal(next(d, &ann, "uncertainty"), two);
    answer(d, &ann, two, "yes");
    assert_string_equal(next(d, &ann, "uncertainty"), one); /* no suggestion: last */
}

static void disputed_records_come_first(void **state) {
    desk *d = *state;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2), *three = numbered(d, 3);
    suggest(d, two, "yes", "0.9");
    suggest(d, three, "yes", "0.9");
    answer(d, &bob, one, "no");
    answer(d, &bob, two, "yes");
    answer(d, &bob, three, "no"); /* against the suggestion */
    assert_string_equal(next(d, &ann, "disagreement"), three);
    answer(d, &ann, three, "yes");
    assert_string_equal(next(d, &ann, "disagreement"), one); /* nothing disputed is left: in order */
}

static void a_random_order_is_each_persons_own_and_whole(void **state) {
    desk *d = *state;
    enum { N = 12 };
    const somebody ann = a_person(d, "ann", "annotator");
    const char *all[N], *given[N];
    bool moved = false;
    for (int i = 0; i < N; i++) all[i] = numbered(d, i);
    for (int i = 0; i < N; i++) {
        assert_non_null(given[i] = next(d, &ann, "random"));
        for (int k = 0; k < i; k++) assert_string_not_equal(given[k], given[i]);
        moved |= strcmp(given[i], all[i]) != 0;
        answer(d, &ann, given[i], "yes");
    }
    assert_true(moved);
    assert_null(next(d, &ann, "random"));
}

/* ---- assignments ------------------------------------------------------------------------------------------------------------------- */

static void who_has_an_assignment_is_given_it_alone_until_the_quota(void **state) {
    desk *d = *state;
    json *v;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator"),
                   cat = a_person(d, "cat", "annotator");
    const char *row[4], *path = arena_printf(d->a, "/api/v1/datasets/%s/assignments", d->set);
    for (int i = 0; i < 4; i++) row[i] = numbered(d, i);
    ask(d, "POST", path, arena_printf(d->a, "{\"user_id\":\"%s\",\"records\":[\"%s\",\"%s\"]}", ann.id, row[2], row[3]), NULL);
    const json *made = ask(d, "POST", path, arena_printf(d->a, "{\"user_id\":\"%s\",\"quota\":1}", bob.id), NULL);
    assert_string_equal(next(d, &ann, NULL), row[2]);
    answer(d, &ann, row[2], "yes");
    assert_string_equal(next(d, &ann, NULL), row[3]);
    answer(d, &ann, row[3], "yes");
    assert_null(next(d, &ann, NULL));
    assert_string_equal(next(d, &bob, NULL), row[0]);
    answer(d, &bob, row[0], "yes");
    assert_null(next(d, &bob, NULL));
    assert_string_equal(next(d, &cat, NULL), row[0]); /* without an assignment: anything */
    const json *list = json_get(ask(d, "GET", path, "", NULL), "items");
    assert_int_equal(json_count(list), 2);
    assert_int_equal(json_get_int(json_at(list, 0), "records", -1), 2);
    assert_int_equal(json_get_int(json_at(list, 0), "answered", -1), 2);
    assert_int_equal(json_get_int(json_at(list, 1), "quota", -1), 1);
    assert_int_equal(ask_as(d, &ann, "GET", path, "", &v), 200); /* her own alone */
    assert_int_equal(json_count(json_get(v, "items")), 1);
    assert_int_equal(ask_as(d, &ann, "POST", path, arena_printf(d->a, "{\"user_id\":\"%s\",\"quota\":9}", ann.id), &v), 403);
    ask(d, "DELETE", arena_printf(d->a, "%s/%s", path, id_of(d, made)), "", NULL);
    assert_non_null(next(d, &bob, NULL));
}

static void a_batch_is_assigned_by_place(void **state) {
    desk *d = *state;
    err e = {0};
    const somebody ann = a_person(d, "ann", "annotator");
    const char *row[5], *path = arena_printf(d->a, "/api/v1/datasets/%s/assignments", d->set);
    for (int i = 0; i < 5; i++) row[i] = numbered(d, i);
    const json *made =
        ask(d, "POST", path, arena_printf(d->a, "{\"user_id\":\"%s\",\"quota\":1,\"batch\":{\"offset\":3,\"count\":10}}", ann.id),
            NULL);
    assert_int_equal(json_get_int(made, "records", -1), 2);
    assert_string_equal(next(d, &ann, NULL), row[3]);
    const somebody stranger = a_person(d, "eve", "annotator");
    ask(d, "DELETE", arena_printf(d->a, "/api/v1/workspaces/%s/users/%s", d->space, stranger.id), "", NULL);
    ask(d, "POST", path, arena_printf(d->a, "{\"user_id\":\"%s\",\"quota\":1}", stranger.id), &e);
    assert_int_equal(e.code, ERR_NOT_FOUND); /* no member: as if there were nobody */
}

/* ---- checks, returns, guidelines ---------------------------------------------------------------------------------------------------- */

static void hidden_checks_come_to_everybody_and_show_no_gold(void **state) {
    desk *d = *state;
    enum { N = 40 };
    json *v;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator"),
                   cat = a_person(d, "cat", "annotator");
    const char *check = a_record(d, "\"fields\":{\"prompt\":\"p\",\"answer\":\"a\"}");
    ask(d, "PUT", arena_printf(d->a, "/api/v1/records/%s/gold", check),
        "{\"values\":{\"good\":{\"value\":\"yes\"}},\"hidden\":true}", NULL);
    answer(d, &bob, check, "yes"), answer(d, &cat, check, "no"); /* completed: two are enough */
    for (int i = 1; i <= N; i++) numbered(d, i);
    int met = 0;
    for (int i = 0; i < N; i++) {
        const char *row = next(d, &ann, NULL);
        if (!row) break;
        met += strcmp(row, check) == 0;
        answer(d, &ann, row, "yes");
    }
    assert_int_equal(met, 1); /* once, although it is completed */
    assert_int_equal(ask_as(d, &ann, "GET", arena_printf(d->a, "/api/v1/records/%s/gold", check), "", &v), 403);
    assert_int_equal(ask_as(d, &ann, "GET", arena_printf(d->a, "/api/v1/records/%s", check), "", &v), 200);
    assert_false(json_has(v, "gold") || json_has(v, "gold_hidden"));
    err e = {0};
    int status;
    buf mine = {0};
    assert_ok(
        server_call(
            d->s, "PUT", arena_printf(d->a, "/api/v1/datasets/%s/recipe", d->set),
            STR("{\"mapping\":{\"recipe\":\"label\",\"question\":\"good\",\"prompt\":\"prompt\",\"answer\":\"answer\",\"good\":["
                "\"yes\"],\"bad\":[\"no\"]}}"),
            &status, &mine, &e),
        e);
    buf_clear(&mine);
    const char *recipes = arena_printf(d->a, "/api/v1/datasets/%s/recipes", d->set);
    assert_ok(server_call(d->s, "GET", recipes, STR(""), &status, &mine, &e), e);
    assert_true(str_find(buf_str(&mine), STR("\"by\":\"gold\""), 0) > 0);
    buf_clear(&mine);
    assert_int_equal(ask_as(d, &ann, "GET", recipes, "", &v), 200); /* nor does a preview of examples */
    json_put(&mine, json_get(v, "preview"));
    assert_true(str_find(buf_str(&mine), STR("\"completion\""), 0) > 0);
    assert_true(str_find(buf_str(&mine), STR("\"gold\""), 0) < 0);
    buf_free(&mine);
}

static void an_answer_sent_back_comes_first_with_its_comment(void **state) {
    desk *d = *state;
    json *v;
    const somebody ann = a_person(d, "ann", "annotator"), boss = a_person(d, "boss", "admin");
    const char *one = numbered(d, 1), *two = numbered(d, 2);
    const char *given = answer(d, &ann, two, "yes"), *path = arena_printf(d->a, "/api/v1/responses/%s/return", given);
    assert_int_equal(ask_as(d, &ann, "POST", path, "{\"comment\":\"x\"}", &v), 403);
    assert_int_equal(ask_as(d, &boss, "POST", path, "{}", &v), 422);
    assert_int_equal(ask_as(d, &boss, "POST", path, "{\"comment\":\"look again\"}", &v), 200);
    assert_true(str_is(json_get_text(v, "status", STR("")), "draft"));
    assert_true(str_is(json_get_text(json_get(json_get(v, "values"), "good"), "value", STR("")), "yes")); /* kept */
    assert_int_equal(ask_as(d, &boss, "POST", path, "{\"comment\":\"again\"}", &v), 409);
    assert_int_equal(ask_as(d, &ann, "GET", arena_printf(d->a, "/api/v1/records/%s/notes", two), "", &v), 200);
    assert_true(str_is(json_get_text(json_at(json_get(v, "items"), 0), "text", STR("")), "look again"));
    assert_string_equal(next(d, &ann, NULL), two);
    assert_int_equal(ask_as(d, &ann, "PUT", arena_printf(d->a, "/api/v1/responses/%s", given),
                            "{\"status\":\"submitted\",\"values\":{\"good\":{\"value\":\"no\"}}}", &v),
                     200);
    assert_string_equal(next(d, &ann, NULL), one);
}

static void guidelines_are_kept_as_they_were(void **state) {
    desk *d = *state;
    const char *path = arena_printf(d->a, "/api/v1/datasets/%s", d->set);
    ask(d, "PATCH", path, "{\"guidelines\":\"second\"}", NULL);
    ask(d, "PATCH", path, "{\"guidelines\":\"second\"}", NULL);
    ask(d, "PATCH", path, "{\"allow_extra_metadata\":false}", NULL);
    ask(d, "PATCH", path, "{\"guidelines\":null}", NULL);
    const json *list = json_get(ask(d, "GET", arena_printf(d->a, "%s/guidelines", path), "", NULL), "items");
    assert_int_equal(json_count(list), 3);
    assert_null(json_get(json_at(list, 0), "guidelines"));
    assert_true(str_is(json_get_text(json_at(list, 1), "guidelines", STR("")), "second"));
    assert_true(str_is(json_get_text(json_at(list, 2), "guidelines", STR("")), "first"));
    assert_int_equal(json_get_int(json_at(list, 2), "version", -1), 1);
}

/* ---- told to whom it may concern ----------------------------------------------------------------------------------------------------- */

static void each_person_is_counted_and_an_erased_one_stays_as_a_number(void **state) {
    desk *d = *state;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2), *path = arena_printf(d->a, "/api/v1/datasets/%s/annotators", d->set);
    suggest(d, one, "yes", "0.5");
    ask(d, "PUT", arena_printf(d->a, "/api/v1/records/%s/gold", one),
        "{\"values\":{\"good\":{\"value\":\"no\"}},\"hidden\":true}", NULL);
    answer(d, &ann, one, "yes"), answer(d, &ann, two, "no"), answer(d, &bob, two, "no");
    const json *list = json_get(ask(d, "GET", path, "", NULL), "items"), *first = json_at(list, 0);
    assert_int_equal(json_count(list), 2);
    assert_true(str_is(json_get_text(first, "username", STR("")), "ann"));
    assert_int_equal(json_get_int(first, "submitted", -1), 2);
    assert_int_equal(json_get_int(json_get(first, "hidden_gold"), "compared", -1), 1);
    assert_int_equal(json_get_int(json_get(first, "hidden_gold"), "same", -1), 0);
    assert_int_equal(json_get_int(json_get(first, "gold"), "compared", -1), 0);
    assert_int_equal(json_get_int(json_get(first, "suggestions"), "same", -1), 1);
    assert_int_equal(json_get_int(json_get(first, "majority"), "same", -1), 1);
    ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/erase", ann.id), "", NULL);
    list = json_get(ask(d, "GET", path, "", NULL), "items");
    assert_int_equal(json_count(list), 2);
    assert_true(json_get_bool(json_at(list, 1), "erased", false));
    assert_int_equal(json_get_int(json_at(list, 1), "submitted", -1), 2);
    assert_true(str_starts(json_get_text(json_at(list, 1), "username", STR("")), STR("erased-")));
}

static void disputes_are_listed_until_they_are_settled(void **state) {
    desk *d = *state;
    const somebody ann = a_person(d, "ann", "annotator"), bob = a_person(d, "bob", "annotator"),
                   cat = a_person(d, "cat", "annotator");
    const char *one = numbered(d, 1), *two = numbered(d, 2), *three = numbered(d, 3);
    const char *path = arena_printf(d->a, "/api/v1/datasets/%s/disagreements", d->set);
    answer(d, &ann, one, "yes"), answer(d, &bob, one, "yes"), answer(d, &cat, one, "no"); /* a third of the pairs agree */
    answer(d, &ann, two, "yes"), answer(d, &bob, two, "no");                              /* none */
    answer(d, &ann, three, "yes"), answer(d, &bob, three, "yes");
    const json *v = ask(d, "GET", path, "", NULL), *list = json_get(v, "items");
    assert_int_equal(json_get_int(v, "total", -1), 2);
    assert_string_equal(id_of(d, json_get(json_at(list, 0), "record")), two);
    assert_string_equal(id_of(d, json_get(json_at(list, 1), "record")), one);
    assert_int_equal(json_count(json_get(json_get(json_at(list, 1), "record"), "responses")), 3);
    assert_true(str_is(json_get_text(json_at(json_get(json_at(list, 0), "questions"), 0), "name", STR("")), "good"));
    ask(d, "PUT", arena_printf(d->a, "/api/v1/records/%s/gold", two), "{\"values\":{\"good\":{\"value\":\"yes\"}}}", NULL);
    assert_int_equal(json_get_int(ask(d, "GET", path, "", NULL), "total", -1), 1);
    assert_int_equal(json_get_int(ask(d, "GET", arena_printf(d->a, "%s?settled=true", path), "", NULL), "total", -1), 2);
    assert_int_equal(json_get_int(ask(d, "GET", arena_printf(d->a, "%s?question=note", path), "", NULL), "total", -1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DESK_TEST(two_people_are_not_given_the_same_record),
        DESK_TEST(what_is_looked_at_ahead_is_held_when_it_is_shown),
        DESK_TEST(an_unknown_order_is_refused),
        DESK_TEST(the_least_certain_suggestion_comes_first),
        DESK_TEST(disputed_records_come_first),
        DESK_TEST(a_random_order_is_each_persons_own_and_whole),
        DESK_TEST(who_has_an_assignment_is_given_it_alone_until_the_quota),
        DESK_TEST(a_batch_is_assigned_by_place),
        DESK_TEST(hidden_checks_come_to_everybody_and_show_no_gold),
        DESK_TEST(an_answer_sent_back_comes_first_with_its_comment),
        DESK_TEST(guidelines_are_kept_as_they_were),
        DESK_TEST(each_person_is_counted_and_an_erased_one_stays_as_a_number),
        DESK_TEST(disputes_are_listed_until_they_are_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
