/* Runs of the server: real children of the program on a model too small to matter, from an order to the end of each kind. */
#include "desk.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tiny.h"

/* The answers are what the tiny model's tokenizer can read. */
static int begin(void **state) {
    setenv("FETTLE_THREADS", "1", 1);
    if (desk_begin(state) != 0) return -1;
    desk *d = *state;
    tiny_model_of(d->a, path_join(d->a, d->home, "models"), "tiny", 32, 3);
    const char *person =
        json_get(ask(d, "GET", "/api/v1/me", "", NULL), "id") ? id_of(d, ask(d, "GET", "/api/v1/me", "", NULL)) : "";
    for (int i = 0; i < 6; i++) {
        const char *row = a_record(d, arena_printf(d->a, "\"fields\":{\"prompt\":\"say %c\",\"answer\":\"bad\"}", 'a' + i));
        an_answer(d, row, person, "good words", "yes");
    }
    ask(d, "PUT", arena_printf(d->a, "/api/v1/datasets/%s/recipe", d->set),
        "{\"mapping\":{\"recipe\":\"text\",\"question\":\"note\",\"prompt\":\"prompt\",\"answer\":\"answer\"}}", NULL);
    return 0;
}
#define RUNS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, desk_end)

static const char *order(desk *d, const char *objective, const char *settings) {
    return arena_printf(
        d->a,
        "{\"objective\":\"%s\",\"base\":\"tiny\",\"data\":{\"dataset_id\":\"%s\"},\"name\":\"First try\",\"set\":{"
        "\"dtype\":\"float32\",\"learning_rate\":0.001,\"logging_steps\":1%s%s}}",
        objective, d->set, *settings ? "," : "", settings);
}

static json *run_now(desk *d, const char *id) { return ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s", id), "", NULL); }

static bool is_status(const json *v, const char *words) {
    const str now = json_get_text(v, "status", STR("?"));
    return str_find(str_of(words), now, 0) >= 0;
}

/* The run when it has one of these statuses. */
static json *until(desk *d, const char *id, const char *words) {
    json *v = NULL;
    for (int i = 0; i < 2400; i++) {
        v = run_now(d, id);
        if (is_status(v, words)) return v;
        usleep(50000);
    }
    fail_msg("run %s should be %s, it is %s", id, words, str_copy(d->a, json_get_text(v, "status", STR("?"))));
    return NULL;
}

static int count_items(desk *d, const char *id, const char *what) {
    return (int)json_count(json_get(ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s/%s", id, what), "", NULL), "items"));
}

static void an_order_becomes_a_model(void **state) {
    desk *d = *state;
    const json *made = ask(d, "POST", "/api/v1/runs", order(d, "sft", "\"max_steps\":4,\"sample_times\":2"), NULL);
    const char *id = id_of(d, made);
    assert_string_equal(id, "first-try-1");
    assert_int_equal(json_get_int(made, "examples", 0), 6);
    const json *done = until(d, id, "done failed stopped");
    if (!is_status(done, "done")) fail_msg("%.*s", STR_ARG(json_get_text(done, "reason", STR(""))));
    assert_true(str_is(json_get_text(done, "model", STR("")), "run:first-try-1"));
    assert_true(str_is(json_get_text(done, "name", STR("")), "First try"));
    assert_int_equal(json_get_int(done, "step", 0), 4);
    assert_int_equal(json_get_int(json_get(done, "metrics"), "step", 0), 4);
    assert_int_equal(count_items(d, id, "metrics"), 4);
    assert_int_equal(count_items(d, id, "metrics?after=3"), 1);
    assert_int_equal(count_items(d, id, "samples"), 9); /* three prompts, before and twice */
    const json *asked = json_at(json_get(ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s/samples", id), "", NULL), "items"), 0);
    assert_true(str_starts(json_get_text(asked, "said", STR("")), STR("say ")));       /* as people wrote it */
    assert_true(str_find(json_get_text(asked, "prompt", STR("")), STR("<t>"), 0) > 0); /* as the model reads it */
    const json *log = ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s/log", id), "", NULL);
    assert_true(str_find(json_get_text(log, "text", STR("")), STR("6 examples"), 0) >= 0);
    const int64_t next = json_get_int(log, "next", 0);
    log = ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s/log?after=%lld", id, (long long)next), "", NULL);
    assert_int_equal(json_get_text(log, "text", STR("x")).len, 0);
    const json *list = json_get(ask(d, "GET", "/api/v1/runs", "", NULL), "items");
    assert_int_equal(json_count(list), 1);
    ask(d, "DELETE", arena_printf(d->a, "/api/v1/runs/%s", id), "", NULL);
    err why = {0};
    ask(d, "GET", arena_printf(d->a, "/api/v1/runs/%s", id), "", &why);
    assert_int_equal(why.code, ERR_NOT_FOUND);
}

static void what_is_refused_leaves_no_run(void **state) {
    desk *d = *state;
    static const struct {
        const char *objective, *settings, *words;
    } wrong[] = {{"nothing", "", "there is no objective 'nothing'"},
                 {"sft", "\"learning_rat\":1", "did you mean 'learning_rate'"},
                 {"sft", "\"learning_rate\":\"fast\"", "learning_rate"},
                 {"rest", "", "the dataset gives no labelled, which 'rest' trains on"},
                 {"prm", "", "'prm' trains on what no dataset of feedback gives"},
                 {"sft", "\"data\":\"x\"", "'data' is a member of the order"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err why = {0};
        ask(d, "POST", "/api/v1/runs", order(d, wrong[i].objective, wrong[i].settings), &why);
        if (why.code != ERR_INPUT || !strstr(why.text, wrong[i].words)) fail_msg("%s: %s", wrong[i].words, why.text);
    }
    assert_int_equal(json_count(json_get(ask(d, "GET", "/api/v1/runs", "", NULL), "items")), 0);
}

static void a_preview_tells_what_it_would_need_and_trains_nothing(void **state) {
    desk *d = *state;
    const json *p = ask(d, "POST", "/api/v1/runs/preview", order(d, "dpo", "\"num_train_epochs\":1"), NULL);
    assert_int_equal(json_get_int(p, "examples", 0), 6);
    assert_true(json_get_int(json_get(p, "memory"), "needed", 0) > 0);
    assert_true(json_get_int(json_get(p, "disk"), "free", 0) > 0);
    assert_true(json_count(json_get(p, "batch")) > 0);
    assert_null(json_get(p, "refusal"));
    bool trained = false, masked = false;
    const json *pieces = json_get(json_at(json_get(p, "batch"), 0), "pieces");
    for (size_t i = 0; i < json_count(pieces); i++) {
        if (json_get_bool(json_at(pieces, i), "trained", false)) trained = true;
        else masked = true;
    }
    assert_true(trained && masked);
    const json *apart = ask(d, "POST", "/api/v1/runs/preview", order(d, "kto", ""), NULL); /* of pairs, as nobody gave labels */
    assert_int_equal(json_get_int(apart, "examples", 0), 6);
    assert_null(json_get(apart, "refusal"));
    const json *tight = ask(d, "POST", "/api/v1/runs/preview", order(d, "sft", "\"max_length\":3"), NULL);
    assert_true(json_get_text(json_get(tight, "refusal"), "words", STR("")).len > 0);
    assert_int_equal(json_count(json_get(ask(d, "GET", "/api/v1/runs", "", NULL), "items")), 0);
}

enum { LONG = 200000 };
static const char *a_long_run(desk *d) {
    return id_of(
        d, ask(d, "POST", "/api/v1/runs", order(d, "sft", arena_printf(d->a, "\"max_steps\":%d,\"save_steps\":0", LONG)), NULL));
}
static void post(desk *d, const char *id, const char *what) {
    ask(d, "POST", arena_printf(d->a, "/api/v1/runs/%s/%s", id, what), "", NULL);
}
static int64_t step_of(desk *d, const char *id) { return json_get_int(run_now(d, id), "step", 0); }

static void one_works_and_others_wait(void **state) {
    desk *d = *state;
    const char *first = a_long_run(d), *second = a_long_run(d);
    until(d, first, "running");
    assert_true(is_status(run_now(d, second), "queued"));
    post(d, first, "stop");
    const json *stopped = until(d, first, "stopped failed done");
    assert_true(is_status(stopped, "stopped"));
    assert_true(json_get_int(stopped, "step", 0) > 0);
    until(d, second, "running");
    post(d, second, "stop");
    until(d, second, "stopped");
}

static void a_run_pauses_and_goes_on(void **state) {
    desk *d = *state;
    const char *id = a_long_run(d);
    until(d, id, "running");
    post(d, id, "pause");
    assert_true(is_status(run_now(d, id), "paused"));
    usleep(1200000); /* state.json is written once a second */
    const int64_t then = step_of(d, id);
    usleep(300000);
    assert_int_equal(step_of(d, id), then);
    post(d, id, "resume");
    until(d, id, "running");
    post(d, id, "stop");
    int64_t at = json_get_int(until(d, id, "stopped"), "step", 0);
    assert_true(at >= then);
    for (int i = 0; i < 3; i++) { /* ended: from its checkpoint, through the queue, while the last process may still be leaving */
        post(d, id, "resume");
        until(d, id, "running");
        post(d, id, "stop");
        const int64_t further = json_get_int(until(d, id, "stopped"), "step", 0);
        assert_true(further >= at);
        at = further;
    }
}

static void a_killed_run_says_why(void **state) {
    desk *d = *state;
    const char *id = a_long_run(d);
    const json *v = until(d, id, "running");
    kill((pid_t)json_get_int(v, "pid", -1), SIGKILL);
    v = until(d, id, "failed");
    assert_true(str_find(json_get_text(v, "reason", STR("")), STR("signal 9"), 0) >= 0);
}

static void reopen(desk *d) {
    err e = {0};
    const serve_options o = {.home = d->home, .host = "127.0.0.1", .body_max = 1 << 24, .program = the_program()};
    server_close(d->s);
    d->s = server_open(&o, &e);
    if (!d->s) fail_msg("%s", e.text);
}

static void a_server_that_comes_back_finds_its_runs(void **state) {
    desk *d = *state;
    const char *id = a_long_run(d), *waiting = a_long_run(d);
    const int64_t process = json_get_int(until(d, id, "running"), "pid", 0);
    reopen(d);
    const json *v = run_now(d, id);
    assert_true(is_status(v, "running"));
    assert_int_equal(json_get_int(v, "pid", 0), process);
    assert_true(is_status(run_now(d, waiting), "queued"));
    post(d, id, "stop");
    waitpid((pid_t)process, NULL, 0); /* in a test the new server is the same process */
    until(d, id, "stopped");
    until(d, waiting, "running");
    post(d, waiting, "stop");
    until(d, waiting, "stopped");
}

static void others_see_what_trained_on_their_data_alone(void **state) {
    desk *d = *state;
    const char *id = id_of(d, ask(d, "POST", "/api/v1/runs", order(d, "sft", "\"max_steps\":1"), NULL));
    until(d, id, "done");
    err why = {0};
    ask(d, "GET", "/api/v1/runs/..", "", &why);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    ask(d, "GET", "/api/v1/runs/no-such-1", "", &why);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    const somebody ann = a_person(d, "ann", "annotator");
    const char *path = arena_printf(d->a, "/api/v1/runs/%s", id);
    json *v;
    assert_int_equal(ask_as(d, &ann, "GET", path, "", &v), 200);
    ask(d, "DELETE", arena_printf(d->a, "/api/v1/workspaces/%s/users/%s", d->space, ann.id), "", NULL);
    assert_int_equal(ask_as(d, &ann, "GET", path, "", &v), 404);
    assert_int_equal(ask_as(d, &ann, "GET", "/api/v1/runs", "", &v), 200);
    assert_int_equal(json_count(json_get(v, "items")), 0);
}

/* Whoever may order runs gets no shell and no files of the machine by it. */
static void programs_and_files_of_the_machine_are_the_owners(void **state) {
    desk *d = *state;
    const somebody adam = a_person(d, "adam", "admin");
    static const struct {
        const char *set;
        int adam, owner;
    } cases[] = {
        {"\"reward_funcs\":\"length:5\"", 200, 200},
        {"\"reward_funcs\":\"regex:^a/b\"", 200, 200},
        {"\"reward_funcs\":\"command:echo 1\"", 422, 200},
        {"\"reward_funcs\":[\"length:5\",\"command:echo 1\"]", 422, 200},
        {"\"reward-funcs\":\"command:echo 1\"", 422, 200}, /* as the program spells it too */
        {"\"reward_funcs\":\"[\\\"command:echo 1\\\"]\"", 422, 200},
        {"\"reward_funcs=command:echo 1;\":\"x\"", 422, 422},
        {"\"base=/etc\":\"x\"", 422, 422},
        {"\"reward_funcs\":\"json_schema:/etc/passwd\"", 422, 422},
        {"\"reward_funcs\":\"model:../tiny\"", 422, 422},
        {"\"reward_funcs\":\"length:5\",\"preference_data\":[\"/etc/passwd\"]", 422, 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *body = order(d, "grpo", cases[i].set);
        json *v;
        err why = {0};
        if (ask_as(d, &adam, "POST", "/api/v1/runs/preview", body, &v) != cases[i].adam) fail_msg("adam: %s", cases[i].set);
        ask(d, "POST", "/api/v1/runs/preview", body, cases[i].owner == 200 ? NULL : &why);
    }
}

/* What judges answers is not offered where answers are wanted. */
static void a_reward_model_is_not_served(void **state) {
    desk *d = *state;
    const char *id = id_of(d, ask(d, "POST", "/api/v1/runs", order(d, "reward", "\"max_steps\":1"), NULL));
    const json *run = until(d, id, "done failed");
    assert_true(json_get(run, "model") && !json_get_bool(run, "writes", true));
    const json *models = json_get(ask(d, "GET", "/api/v1/models", "", NULL), "items");
    assert_int_equal(json_count(models), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(json_get_bool(json_at(models, i), "writes", false) ==
                    str_is(json_get_text(json_at(models, i), "id", STR("")), "tiny"));
    assert_int_equal(json_count(json_get(ask(d, "GET", "/v1/models", "", NULL), "data")), 1);
    err why = {0};
    ask(d, "PUT", "/api/v1/aliases/mine", arena_printf(d->a, "{\"target\":\"run:%s\"}", id), &why);
    assert_non_null(strstr(why.text, "judges answers"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(an_order_becomes_a_model),
        RUNS_TEST(what_is_refused_leaves_no_run),
        RUNS_TEST(a_preview_tells_what_it_would_need_and_trains_nothing),
        RUNS_TEST(one_works_and_others_wait),
        RUNS_TEST(a_run_pauses_and_goes_on),
        RUNS_TEST(a_killed_run_says_why),
        RUNS_TEST(a_server_that_comes_back_finds_its_runs),
        RUNS_TEST(others_see_what_trained_on_their_data_alone),
        RUNS_TEST(programs_and_files_of_the_machine_are_the_owners),
        RUNS_TEST(a_reward_model_is_not_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
