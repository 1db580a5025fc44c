/* Endpoints: our own engine and a server elsewhere give the same kinds of things; what fails passingly is tried again, and limits hold. */
#include "far.h"

#include <math.h>

#include "assist/assist.h"
#include "base/json.h"
#include "base/sys.h"
#include "tiny.h"

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

static json *said(const char *words) {
    err e = {0};
    json *v = json_parse(a, str_of(arena_printf(a, "[{\"role\":\"user\",\"content\":\"%s\"}]", words)), &e);
    assert_ok(v, e);
    return v;
}

static double length_of(const float *v, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

/* ---- our own engine -------------------------------------------------------------------------------------------------------------------- */

static endpoint *near(char **root) {
    err e = {0};
    *root = scratch_folder(a);
    endpoint *p = endpoint_open(&(endpoint_options){.spec = tiny_model(a, *root), .paths = true}, &e);
    assert_ok(p, e);
    return p;
}

static void away(endpoint *p, const char *root) {
    err e = {0};
    endpoint_close(p);
    assert_ok(dir_remove(root, &e), e);
}

static void a_local_model_answers_the_same_for_the_same_seed(void **state) {
    (void)state;
    char *root;
    err e = {0};
    endpoint_answer x, y;
    endpoint *p = near(&root);
    const endpoint_order o = {.messages = said("hello"), .temperature = 1, .max_tokens = 12, .seed = 5};
    assert_ok(endpoint_chat(p, a, &o, &x, &e) && endpoint_chat(p, a, &o, &y, &e), e);
    assert_true(str_eq(x.text, y.text));
    assert_string_equal(endpoint_agent(p), "base");
    const endpoint_use used = endpoint_used(p);
    assert_int_equal(used.requests, 2);
    assert_true(used.prompt_tokens > 10 && used.answer_tokens > 0 && used.answer_tokens <= 24);
    away(p, root);
}

static void local_choices_are_the_likelihoods_of_their_tokens(void **state) {
    (void)state;
    char *root;
    err e = {0};
    double logp[3], again[3];
    endpoint *p = near(&root);
    assert_ok(endpoint_choices(p, a, said("which"), (const char *const[]){"a", "b", "ab"}, 3, logp, &e), e);
    assert_ok(endpoint_choices(p, a, said("which"), (const char *const[]){"ab", "b", "a"}, 3, again, &e), e);
    for (int i = 0; i < 3; i++) assert_true(logp[i] < 0 && isfinite(logp[i]));
    assert_true(logp[2] < logp[0]); /* "ab" begins with "a" */
    assert_true(fabs(logp[0] - again[2]) < 1e-6 && fabs(logp[2] - again[0]) < 1e-6);
    err because = {0};
    assert_false(endpoint_choices(p, a, said("which"), (const char *const[]){""}, 1, logp, &because));
    away(p, root);
}

static void local_vectors_have_length_one_and_like_texts_are_near(void **state) {
    (void)state;
    char *root;
    int width;
    err e = {0};
    const float **v;
    endpoint *p = near(&root);
    buf longer = {0};
    for (int i = 0; i < 400; i++) buf_put_text(&longer, "too long ");
    const str texts[] = {STR("the cat sat"), STR("the cat sat"), STR("zz qq xx"), buf_str(&longer)};
    assert_ok(endpoint_embed(p, a, texts, 4, &v, &width, &e), e);
    assert_int_equal(width, 32);
    double same = 0, other = 0;
    for (int i = 0; i < width; i++) same += (double)v[0][i] * (double)v[1][i], other += (double)v[0][i] * (double)v[2][i];
    for (int i = 0; i < 4; i++) assert_true(fabs(length_of(v[i], width) - 1) < 1e-3);
    assert_true(same > 0.999 && other < same);
    const str nothing = STR("  ");
    assert_false(endpoint_embed(p, a, &nothing, 1, &v, &width, &e));
    assert_int_equal(e.code, ERR_INPUT);
    buf_free(&longer);
    away(p, root);
}

static void a_model_that_is_not_there_is_named(void **state) {
    (void)state;
    err e = {0};
    assert_null(endpoint_open(&(endpoint_options){.spec = "no-such-model", .home = "/nowhere"}, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "no-such-model"));
}

/* ---- a server elsewhere ------------------------------------------------------------------------------------------------------------------ */

#define ANSWER                                                                                                                   \
    "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"Hi.\"},\"finish_reason\":\"stop\"}],"                      \
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"
#define TRY(...) far_begin(&f, (const far_answer[]){__VA_ARGS__}, sizeof((const far_answer[]){__VA_ARGS__}) / sizeof(far_answer))

static endpoint *far_from(const far_server *f, endpoint_options o) {
    err e = {0};
    o.spec = arena_printf(a, "http://127.0.0.1:%d/v1/#org/small-model", f->port);
    endpoint *p = endpoint_open(&o, &e);
    assert_ok(p, e);
    return p;
}

static bool ask(endpoint *p, endpoint_answer *out, err *e) {
    return endpoint_chat(
        p, a, &(endpoint_order){.messages = said("hello"), .max_tokens = 9, .stop = (const char *const[]){"x"}, .stop_count = 1},
        out, e);
}

static void a_remote_answer_is_read_and_counted(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    TRY({200, ANSWER});
    setenv("FETTLE_ENDPOINT_KEY", "secret-7", 1);
    endpoint *p = far_from(&f, (endpoint_options){.cost_prompt = 1, .cost_answer = 10});
    assert_ok(ask(p, &x, &e), e);
    assert_true(str_is(x.text, "Hi."));
    const endpoint_use used = endpoint_used(p);
    assert_int_equal(used.prompt_tokens, 7);
    assert_int_equal(used.answer_tokens, 3);
    assert_true(fabs(used.cost - 37e-6) < 1e-12);
    assert_non_null(strstr(f.request[0], "POST /v1/chat/completions "));
    assert_non_null(strstr(f.request[0], "Authorization: Bearer secret-7\r\n"));
    assert_non_null(strstr(f.request[0], "\"model\":\"org/small-model\""));
    assert_non_null(strstr(f.request[0], "\"stop\":[\"x\"]"));
    assert_string_equal(endpoint_agent(p), "org/small-model");
    endpoint_close(p);
    far_end(&f);
}

static void what_passes_is_tried_again(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    TRY({429, "{\"error\":{\"message\":\"slow down\"}}"}, {0, NULL}, {200, ANSWER});
    endpoint *p = far_from(&f, (endpoint_options){0});
    const double begun = sys_seconds();
    assert_ok(ask(p, &x, &e), e);
    assert_true(sys_seconds() - begun > 1.4); /* 0.5 to 1 s, then 1 to 2 s */
    assert_int_equal(endpoint_used(p).retries, 2);
    assert_int_equal(f.asked, 3);
    endpoint_close(p);
    far_end(&f);
}

static void what_does_not_pass_is_told_at_once(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    TRY({401, "{\"error\":{\"message\":\"no such key\"}}"}, {200, "{\"choices\":[]}"}, {200, "[1"});
    endpoint *p = far_from(&f, (endpoint_options){0});
    assert_false(ask(p, &x, &e));
    assert_int_equal(e.code, ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "no such key"));
    for (int i = 0; i < 2; i++) {
        err odd = {0};
        assert_false(ask(p, &x, &odd));
        assert_int_equal(odd.code, ERR_INPUT);
    }
    assert_int_equal(f.asked, 3);
    endpoint_close(p);
    far_end(&f);
}

static void tries_come_to_an_end(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    TRY({503, "{\"detail\":\"loading\"}"});
    endpoint *p = far_from(&f, (endpoint_options){.tries = 2});
    assert_false(ask(p, &x, &e));
    assert_non_null(strstr(e.text, "tried 2 times"));
    assert_non_null(strstr(e.text, "loading"));
    assert_int_equal(f.asked, 2);
    endpoint_close(p);
    far_end(&f);
}

static bool never_mind(void *self) { return ++*(int *)self > 3; }

static void waiting_ends_when_nobody_wants_it(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    int polled = 0;
    TRY({503, "{}"});
    endpoint *p = far_from(&f, (endpoint_options){.stop = never_mind, .self = &polled});
    assert_false(ask(p, &x, &e));
    assert_int_equal(e.code, ERR_STOPPED);
    assert_int_equal(f.asked, 1);
    endpoint_close(p);
    far_end(&f);
}

static void budget_and_rate_hold(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    endpoint_answer x;
    TRY({200, ANSWER});
    endpoint *p = far_from(&f, (endpoint_options){.tokens_most = 20, .per_minute = 300});
    const double begun = sys_seconds();
    assert_ok(ask(p, &x, &e) && ask(p, &x, &e), e); /* 10 tokens each */
    assert_true(sys_seconds() - begun >= 0.19);
    assert_false(ask(p, &x, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(f.asked, 2);
    endpoint_close(p);
    far_end(&f);
}

static void remote_choices_come_from_the_likeliest_first_tokens(void **state) {
    (void)state;
    far_server f;
    err e = {0};
    double logp[3];
    TRY({200, "{\"choices\":[{\"message\":{\"content\":\"A\"},\"logprobs\":{\"content\":[{\"token\":\"A\",\"logprob\":-0.7,\"top_"
              "logprobs\":["
              "{\"token\":\"A\",\"logprob\":-0.7},{\"token\":\" "
              "A\",\"logprob\":-2},{\"token\":\"B\",\"logprob\":-1.5},{\"token\":\"the\","
              "\"logprob\":-6}]}]}}]}"},
        {200, ANSWER});
    endpoint *p = far_from(&f, (endpoint_options){0});
    assert_ok(endpoint_choices(p, a, said("A or B?"), (const char *const[]){"A", "B", "C"}, 3, logp, &e), e);
    assert_true(fabs(logp[0] - log(exp(-0.7) + exp(-2))) < 1e-9);
    assert_true(fabs(logp[1] + 1.5) < 1e-9);
    assert_true(fabs(logp[2] + 6) < 1e-9);
    assert_non_null(strstr(f.request[0], "\"top_logprobs\":20"));
    assert_false(endpoint_choices(p, a, said("A or B?"), (const char *const[]){"A", "B"}, 2, logp, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    endpoint_close(p);
    far_end(&f);
}

static void remote_vectors_are_put_in_order_and_made_length_one(void **state) {
    (void)state;
    far_server f;
    int width;
    const float **v;
    const str two[] = {STR("one"), STR("two")};
    static const char *const odd[] = {"{\"data\":[]}",
                                      "{\"data\":[{\"embedding\":[1]},{\"embedding\":[1,2]}]}",
                                      "{\"data\":[{\"embedding\":[0,0]},{\"embedding\":[1,2]}]}",
                                      "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]}",
                                      "{\"data\":[{\"index\":9,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]}",
                                      "{\"data\":[{\"embedding\":[\"x\"]},{\"embedding\":[1]}]}"};
    TRY({200, "{\"data\":[{\"index\":1,\"embedding\":[0,2]},{\"index\":0,\"embedding\":[3,4]}]}"}, {200, odd[0]}, {200, odd[1]},
        {200, odd[2]}, {200, odd[3]}, {200, odd[4]}, {200, odd[5]});
    endpoint *p = far_from(&f, (endpoint_options){0});
    err e = {0};
    assert_ok(endpoint_embed(p, a, two, 2, &v, &width, &e), e);
    assert_int_equal(width, 2);
    assert_true(fabs((double)v[0][0] - 0.6) < 1e-6 && fabs((double)v[0][1] - 0.8) < 1e-6 && v[1][0] == 0 && v[1][1] == 1);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        err why = {0};
        if (endpoint_embed(p, a, two, 2, &v, &width, &why)) fail_msg("%s was taken", odd[i]);
        assert_int_equal(why.code, ERR_INPUT);
    }
    endpoint_close(p);
    far_end(&f);
}

static void addresses_are_whole_and_keys_stay_private(void **state) {
    (void)state;
    err e = {0}, f = {0};
    assert_null(endpoint_open(&(endpoint_options){.spec = "https://host/v1"}, &e));
    assert_non_null(strstr(e.text, "#MODEL"));
    setenv("FETTLE_ENDPOINT_KEY", "secret-7", 1);
    assert_null(endpoint_open(&(endpoint_options){.spec = "http://127.evil.example@host/v1#m"},
                              &f) /* a host that only looks like this machine */);
    assert_int_equal(f.code, ERR_REFUSED);
    f = (err){0};
    assert_null(endpoint_open(&(endpoint_options){.spec = "http://localhost.example/v1#m"}, &f));
    assert_int_equal(f.code, ERR_REFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_local_model_answers_the_same_for_the_same_seed, begin, end),
        cmocka_unit_test_setup_teardown(local_choices_are_the_likelihoods_of_their_tokens, begin, end),
        cmocka_unit_test_setup_teardown(local_vectors_have_length_one_and_like_texts_are_near, begin, end),
        cmocka_unit_test_setup_teardown(a_model_that_is_not_there_is_named, begin, end),
        cmocka_unit_test_setup_teardown(a_remote_answer_is_read_and_counted, begin, end),
        cmocka_unit_test_setup_teardown(what_passes_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_pass_is_told_at_once, begin, end),
        cmocka_unit_test_setup_teardown(tries_come_to_an_end, begin, end),
        cmocka_unit_test_setup_teardown(waiting_ends_when_nobody_wants_it, begin, end),
        cmocka_unit_test_setup_teardown(budget_and_rate_hold, begin, end),
        cmocka_unit_test_setup_teardown(remote_choices_come_from_the_likeliest_first_tokens, begin, end),
        cmocka_unit_test_setup_teardown(remote_vectors_are_put_in_order_and_made_length_one, begin, end),
        cmocka_unit_test_setup_teardown(addresses_are_whole_and_keys_stay_private, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
