/* A lesson from the first pick to the second round's result, conversations, and the arena, on models too small to matter. */
#include "desk.h"

#include <unistd.h>

#include "base/sys.h"
#include "tiny.h"

static int begin(void **state) {
    setenv("FETTLE_THREADS", "1", 1);
    if (desk_begin(state) != 0) return -1;
    desk *d = *state;
    tiny_model_of(d->a, path_join(d->a, d->home, "models"), "tiny", 32, 3);
    tiny_model_of(d->a, path_join(d->a, d->home, "models"), "other", 32, 4);
    return 0;
}
#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, desk_end)

static json *get(desk *d, const char *path) { return ask(d, "GET", path, "", NULL); }
static str text(const json *v, const char *key) { return json_get_text(v, key, STR("?")); }
static int number(const json *v, const char *key) { return (int)json_get_int(v, key, -1); }

/* Asks until the member is true. */
static json *until_true(desk *d, const char *path, const char *key) {
    for (int i = 0; i < 2400; i++) {
        json *v = get(d, path);
        if (json_get_bool(v, key, false)) return v;
        if (json_get(v, "problem")) fail_msg("%s: %s", path, str_copy(d->a, text(v, "problem")));
        usleep(50000);
    }
    fail_msg("%s: never %s", path, key);
    return NULL;
}

static json *until_status(desk *d, const char *path, const char *status) {
    for (int i = 0; i < 2400; i++) {
        json *v = get(d, path);
        if (str_is(text(v, "status"), status)) return v;
        if (str_is(text(v, "status"), "failed")) fail_msg("%s: %s", path, str_copy(d->a, text(v, "reason")));
        usleep(50000);
    }
    fail_msg("%s: never %s", path, status);
    return NULL;
}

static const char *a_lesson(desk *d) {
    const json *v = ask(d, "POST", "/api/v1/teach", "{\"taste\":\"shorter\",\"model\":\"tiny\"}", NULL);
    assert_true(str_is(text(v, "status"), "teaching"));
    assert_int_equal(number(v, "picks_wanted"), 12);
    return arena_printf(d->a, "/api/v1/teach/%s", id_of(d, v));
}

static json *pick(desk *d, const char *at, int best, const char *edit) {
    const json *next = until_true(d, arena_printf(d->a, "%s/next", at), "ready");
    assert_int_equal(json_count(json_get(next, "answers")), 4);
    return ask(d, "POST", arena_printf(d->a, "%s/picks", at),
               arena_printf(d->a, "{\"record_id\":\"%s\",\"best\":%d,\"edit\":%s}", str_copy(d->a, text(next, "record_id")), best,
                            edit ? edit : "null"),
               NULL);
}

static void all_picks(desk *d, const char *at) {
    for (int i = 0; i < 12; i++) pick(d, at, i % 4 + 1, i % 2 ? "\"short words.\"" : NULL);
    assert_true(str_is(text(get(d, at), "status"), "ready"));
}

static void train(desk *d, const char *at) {
    const json *made = ask(d, "POST", arena_printf(d->a, "%s/train", at), "{}", NULL);
    assert_true(str_is(text(made, "objective"), "dpo"));
    assert_true(str_is(text(made, "preset"), "small-feedback")); /* no word is new to a model that finds all equally likely */
    assert_true(str_is(text(json_get(json_get(made, "config"), "preset"), "asked"), "auto"));
    until_status(d, arena_printf(d->a, "/api/v1/runs/%s", id_of(d, made)), "done");
    assert_true(str_is(text(get(d, at), "status"), "checking"));
}

/* Every item, as its answers come; all votes say the same. */
static void vote_all(desk *d, const char *at, const char *vote, int wanted) {
    for (int done = 0, tries = 0; done < wanted && tries < 400; tries++) {
        const json *all = get(d, arena_printf(d->a, "%s/check", at)), *items = json_get(all, "items");
        assert_int_equal(json_count(items), wanted);
        for (size_t i = 0; i < json_count(items); i++) {
            const json *x = json_at(items, i);
            if (!json_get_bool(x, "ready", false) || json_get_bool(x, "voted", false)) continue;
            const json *left = ask(d, "POST", arena_printf(d->a, "%s/votes", at),
                                   arena_printf(d->a, "{\"id\":\"%s\",\"vote\":\"%s\"}", id_of(d, x), vote), NULL);
            assert_int_equal(number(left, "votes"), ++done);
            assert_int_equal(number(left, "left"), wanted - done);
        }
        if (json_get(all, "problem")) fail_msg("%s", str_copy(d->a, text(all, "problem")));
        usleep(50000);
    }
    const json *now = get(d, at);
    if (str_is(text(now, "status"), "result")) return;
    buf all = {0};
    json_put(&all, get(d, arena_printf(d->a, "%s/check", at)));
    fail_msg("%s with %d votes of %d: %s", str_copy(d->a, text(now, "status")), number(now, "votes"), wanted, all.ptr);
}

static const json *row_of(const json *result, const char *against) {
    const json *rows = json_get(result, "rows");
    for (size_t i = 0; i < json_count(rows); i++)
        if (str_is(text(json_at(rows, i), "against"), against)) return json_at(rows, i);
    fail_msg("no row against %s", against);
    return NULL;
}

static void a_lesson_goes_from_picks_to_a_second_round(void **state) {
    desk *d = *state;
    const char *at = a_lesson(d);
    all_picks(d, at);
    train(d, at);
    err why = {0};
    ask(d, "POST", arena_printf(d->a, "%s/train", at), "{}", &why);
    assert_int_equal(why.code, ERR_CONFLICT);
    vote_all(d, at, "tie", 12);
    const json *result = get(d, arena_printf(d->a, "%s/result", at)), *row = row_of(result, "start");
    assert_int_equal(number(row, "tied"), 12);
    assert_int_equal(number(row, "won") + number(row, "lost"), 0);
    assert_true(str_is(text(row, "better"), "unclear")); /* nothing was preferred: it says so */
    assert_true(json_get(row, "drift_nat") != NULL);
    const json *taken = ask(d, "DELETE", arena_printf(d->a, "%s/votes/last", at), "", NULL);
    assert_int_equal(number(taken, "left"), 1);
    ask(d, "POST", arena_printf(d->a, "%s/votes", at), arena_printf(d->a, "{\"id\":\"%s\",\"vote\":\"bad\"}", id_of(d, taken)),
        NULL);
    assert_int_equal(number(row_of(get(d, arena_printf(d->a, "%s/result", at)), "start"), "bad"), 1);
    const int before = number(get(d, at), "pairs");
    const json *again = ask(d, "POST", arena_printf(d->a, "%s/again", at), "", NULL);
    assert_int_equal(number(again, "round"), 2);
    assert_true(str_starts(text(again, "source"), STR("run:"))); /* it draws from the model as it is now */
    all_picks(d, at);
    assert_true(number(get(d, at), "pairs") > before); /* and trains on all picks */
    train(d, at);
    vote_all(d, at, "tie", 24);
    const json *second = get(d, arena_printf(d->a, "%s/result", at));
    assert_int_equal(number(row_of(second, "start"), "tied"), 12);
    assert_int_equal(number(row_of(second, "previous"), "tied"), 12);
}

static void picks_become_pairs_and_are_taken_back(void **state) {
    desk *d = *state;
    const char *at = a_lesson(d);
    const json *one = pick(d, at, 2, NULL);
    const int plain = number(one, "pairs");
    assert_true(plain >= 0 && plain <= 3); /* three, fewer where answers are the same or empty */
    const json *four = json_get(until_true(d, arena_printf(d->a, "%s/next", at), "ready"), "answers");
    int over = 0; /* an edit is preferred to each answer that says something */
    for (size_t i = 0; i < json_count(four); i++) over += json_text(json_at(four, i), STR("")).len > 0;
    const json *two = pick(d, at, 1, "\"an edit of mine.\"");
    assert_int_equal(number(two, "pairs") - plain, over);
    const json *none = pick(d, at, 0, NULL);
    assert_int_equal(number(none, "picks"), 3);
    assert_int_equal(number(none, "pairs"), number(two, "pairs"));
    const json *rows = get(d, arena_printf(d->a, "/api/v1/datasets/%s/recipes", str_copy(d->a, text(one, "dataset_id"))));
    assert_int_equal(number(json_get(json_get(json_get(rows, "report"), "targets"), "pairs"), "count"), number(two, "pairs"));
    const json *back = ask(d, "DELETE", arena_printf(d->a, "%s/picks/last", at), "", NULL);
    const json *next = until_true(d, arena_printf(d->a, "%s/next", at), "ready");
    assert_true(str_eq(text(back, "record_id"), text(next, "record_id")));
    assert_int_equal(number(get(d, at), "picks"), 2);
    static const char *const wrong[] = {"{\"best\":1}", "{\"record_id\":\"%s\",\"best\":5}",
                                        "{\"record_id\":\"%s\",\"best\":\"1\"}"};
    for (size_t i = 0; i < 3; i++) {
        err why = {0};
        char body[200];
        const str id = text(next, "record_id");
        if (i)
            snprintf(body, sizeof body,
                     i == 1 ? "{\"record_id\":\"%.*s\",\"best\":5}" : "{\"record_id\":\"%.*s\",\"best\":\"1\"}", STR_ARG(id));
        ask(d, "POST", arena_printf(d->a, "%s/picks", at), i ? body : wrong[0], &why);
        assert_int_equal(why.code, ERR_INPUT);
    }
}

/* A model that knows nothing often finds no end before the limit: such answers are marked, what the person wrote is not. */
static void answers_that_were_cut_off_are_not_taught_to_end(void **state) {
    desk *d = *state;
    const char *at = NULL;
    int marked = 0;
    /* what the model says is drawn; about one answer in 25 is cut off, so ten lessons are sure to have some */
    for (int picks = 0; picks < 120 && !marked; picks++) {
        if (picks % 12 == 0) at = a_lesson(d);
        const json *now = pick(d, at, 1, "\"an edit of mine.\"");
        const json *rows = rows_of(d, str_copy(d->a, text(now, "dataset_id")), "{\"as\":\"pairs\"}");
        assert_int_equal(json_count(rows), number(now, "pairs"));
        for (size_t i = 0; i < json_count(rows); i++) {
            const json *names = json_get(json_at(rows, i), "unfinished");
            if (!json_count(names)) continue;
            assert_int_equal(json_count(names), 1);
            assert_true(str_is(json_text(json_at(names, 0), STR("")), "rejected"));
            marked++;
        }
    }
    assert_true(marked > 0);
}

static void what_is_no_taste_or_model_is_refused(void **state) {
    desk *d = *state;
    err why = {0};
    ask(d, "POST", "/api/v1/teach", "{\"taste\":\"sour\"}", &why);
    assert_int_equal(why.code, ERR_INPUT);
    why = (err){0};
    ask(d, "POST", "/api/v1/teach", "{\"taste\":\"shorter\",\"model\":\"nothing\"}", &why);
    assert_int_equal(why.code, ERR_INPUT);
    assert_int_equal(json_count(json_get(get(d, "/api/v1/teach"), "items")), 0);
    const json *tastes = json_get(get(d, "/api/v1/teach/tastes"), "items");
    assert_int_equal(json_count(tastes), 4);
    assert_true(str_is(text(json_at(tastes, 3), "id"), "own"));
}

/* ---- conversations --------------------------------------------------------------------------------------------------------------------- */

static void conversations_are_trees_of_their_owner(void **state) {
    desk *d = *state;
    const json *made =
        ask(d, "POST", "/api/v1/chats",
            "{\"model\":\"tiny\",\"title\":\"A talk\",\"messages\":[{\"id\":\"1\",\"parent\":null,\"role\":\"user\","
            "\"content\":\"hi\"},{\"id\":\"2\",\"parent\":\"1\",\"role\":\"assistant\",\"content\":\"a\",\"completion_id\":"
            "\"x\"},{\"id\":\"3\",\"parent\":\"1\",\"role\":\"assistant\",\"content\":\"b\"}]}",
            NULL);
    const char *at = arena_printf(d->a, "/api/v1/chats/%s", id_of(d, made));
    assert_int_equal(json_count(json_get(get(d, at), "messages")), 3);
    ask(d, "PATCH", at, "{\"title\":\"Another\"}", NULL);
    assert_true(str_is(text(json_at(json_get(get(d, "/api/v1/chats"), "items"), 0), "title"), "Another"));
    assert_int_equal(json_count(json_get(get(d, at), "messages")), 3);
    static const char *const wrong[] = {"{\"messages\":[{\"id\":\"1\",\"parent\":\"0\",\"role\":\"user\",\"content\":\"\"}]}",
                                        "{\"messages\":[{\"id\":\"1\",\"role\":\"robot\",\"content\":\"\"}]}",
                                        "{\"messages\":[{\"id\":\"1\",\"role\":\"user\",\"content\":1}]}", "{\"messages\":{}}",
                                        "{\"settings\":[]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err why = {0};
        ask(d, "PATCH", at, wrong[i], &why);
        assert_int_equal(why.code, ERR_INPUT);
    }
    ask(d, "DELETE", at, "", NULL);
    err why = {0};
    ask(d, "GET", at, "", &why);
    assert_int_equal(why.code, ERR_NOT_FOUND);
}

/* ---- the arena --------------------------------------------------------------------------------------------------------------------------- */

static int pairs_in(desk *d, const char *set) {
    const json *all = get(d, arena_printf(d->a, "/api/v1/datasets/%s/recipes", set));
    return (int)number(json_get(json_get(json_get(all, "report"), "targets"), "pairs"), "count");
}

/* Every vote is a record with the person's comparison; the models lie in metadata; one that is taken back trains nothing. */
typedef struct {
    arena *a;
    const char *person;
    records own;
} authored;

static bool list_own(store_tx *t, void *context, err *e) {
    authored *x = context;
    user u;
    return user_get(t, x->a, x->person, &u, e) && record_list_author(t, x->a, u.seq, &x->own, e);
}

/* Who asked is who is erased with it. */
static void assert_own(desk *d, const char *row) {
    err e = {0};
    authored x = {.a = d->a, .person = id_of(d, get(d, "/api/v1/me"))};
    assert_ok(store_read(server_store(d->s), list_own, &x, &e), e);
    bool found = false;
    for (int i = 0; i < x.own.count; i++) found |= strcmp(x.own.item[i].id, row) == 0;
    assert_true(found);
}

static void votes_are_pairs_of_the_arena(desk *d, const json *last, int votes) {
    const char *set = arena_printf(d->a, "%.*s", STR_ARG(text(last, "dataset_id"))),
               *row = arena_printf(d->a, "%.*s", STR_ARG(text(last, "record_id")));
    const json *one = get(d, arena_printf(d->a, "/api/v1/records/%s", row)), *about = json_get(one, "metadata"),
               *fields = json_get(one, "fields");
    const json *said = json_get(json_get(json_get(json_at(json_get(one, "responses"), 0), "values"), "better"), "value");
    const bool a = str_is(text(about, "model_a"), "tiny");
    assert_own(d, row);
    assert_true(str_is(text(about, a ? "model_b" : "model_a"), "other"));
    assert_true(str_is(text(said, "choice"), a ? "a" : "b"));
    assert_true(str_is(text(fields, "prompt"), "say a") && text(fields, "answer_a").len && text(fields, "answer_b").len);
    const int all = pairs_in(d, set);
    assert_true(all >= 1);
    const char *vote = arena_printf(d->a, "/api/v1/arena/%.*s/vote", STR_ARG(text(one, "external_id")));
    ask(d, "DELETE", vote, "", NULL);
    assert_int_equal(pairs_in(d, set), all - 1);
    assert_int_equal(number(get(d, "/api/v1/arena/table"), "votes"), votes - 1);
    ask(d, "POST", vote, a ? "{\"vote\":\"left\"}" : "{\"vote\":\"right\"}", NULL);
    assert_int_equal(pairs_in(d, set), all);
}

static void models_are_named_behind_the_vote(void **state) {
    desk *d = *state;
    const json *last = NULL;
    int votes = 0;
    /* an empty answer, of so small a model, is no pair: its record_id is null */
    for (; votes < 4 || (votes < 60 && !json_get(last, "record_id")); votes++) {
        const json *made = ask(d, "POST", "/api/v1/arena", "{\"models\":[\"tiny\",\"other\"],\"prompt\":\"say a\"}", NULL);
        const char *at = arena_printf(d->a, "/api/v1/arena/%s", id_of(d, made));
        const json *sides = until_true(d, at, "done");
        buf all = {0};
        json_put(&all, sides);
        assert_true(str_find(buf_str(&all), STR("tiny"), 0) < 0 && str_find(buf_str(&all), STR("other"), 0) < 0);
        buf_free(&all);
        const json *names = ask(d, "POST", arena_printf(d->a, "%s/vote", at), "{\"vote\":\"tie\"}", NULL);
        const bool left = str_is(text(names, "left"), "tiny");
        const json *said =
            ask(d, "POST", arena_printf(d->a, "%s/vote", at), left ? "{\"vote\":\"left\"}" : "{\"vote\":\"right\"}", NULL);
        if (!last || json_get(said, "record_id")) last = said;
    }
    votes_are_pairs_of_the_arena(d, last, votes);
    const json *table = get(d, "/api/v1/arena/table"), *first = json_at(json_get(table, "items"), 0);
    assert_int_equal(number(table, "votes"), votes);
    assert_true(str_is(text(first, "model"), "tiny"));
    assert_int_equal(number(first, "games"), votes);
    assert_true(json_get_real(first, "low", 0) < json_get_real(first, "score", 0));
    assert_true(json_get_real(first, "score", 0) < json_get_real(first, "high", 0));
    err why = {0};
    ask(d, "POST", "/api/v1/arena", "{\"models\":[\"tiny\",\"nobody\"],\"prompt\":\"x\"}", &why);
    assert_int_equal(why.code, ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LIVE_TEST(what_is_no_taste_or_model_is_refused),
        LIVE_TEST(picks_become_pairs_and_are_taken_back),
        LIVE_TEST(answers_that_were_cut_off_are_not_taught_to_end),
        LIVE_TEST(conversations_are_trees_of_their_owner),
        LIVE_TEST(models_are_named_behind_the_vote),
        LIVE_TEST(a_lesson_goes_from_picks_to_a_second_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
