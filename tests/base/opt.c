/* Options: rows to values and back. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/opt.h"

typedef struct {
    bool verbose;
    int64_t steps, limit;
    double rate, unset;
    const char *name, *shape;
    opt_list targets;
} settings;

static const opt rows[] = {
    {"verbose", OPT_BOOL, offsetof(settings, verbose), "false", 0, 0, NULL, "say more"},
    {"max_steps", OPT_INT, offsetof(settings, steps), "-1", -1, 1e9, NULL, "stop after so many steps"},
    {"limit", OPT_INT, offsetof(settings, limit), NULL, 0, 0, NULL, "no more than this"},
    {"learning_rate", OPT_REAL, offsetof(settings, rate), "1e-6", 0, 1, NULL, "size of a step"},
    {"beta", OPT_REAL, offsetof(settings, unset), NULL, 0, 0, NULL, "weight"},
    {"name", OPT_TEXT, offsetof(settings, name), NULL, 0, 0, NULL, "of the run"},
    {"lr_scheduler_type", OPT_CHOICE, offsetof(settings, shape), "linear", 0, 0, "linear|cosine|none", "how it decays"},
    {"target_modules", OPT_LIST, offsetof(settings, targets), "q,v", 0, 0, NULL, "what is trained"},
    OPT_END,
};

static arena *a;
static settings s;

static int set_up(void **state) {
    (void)state;
    a = arena_new();
    opt_defaults(rows, &s, a);
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static bool give(const char *key, const char *value, err *e) {
    return opt_set(opt_find(rows, str_of(key)), &s, str_of(value), a, e);
}

static void defaults_are_the_rows(void **state) {
    (void)state;
    assert_true(!s.verbose && s.steps == -1 && s.limit == OPT_UNSET_INT && s.rate == 1e-6 && isnan(s.unset) && !s.name);
    assert_string_equal(s.shape, "linear");
    assert_true(s.targets.count == 2 && strcmp(s.targets.item[1], "v") == 0);
}

static void keys_take_dashes_for_underscores(void **state) {
    (void)state;
    assert_ptr_equal(opt_find(rows, STR("learning-rate")), opt_find(rows, STR("learning_rate")));
    assert_null(opt_find(rows, STR("learning")));
    assert_null(opt_find(rows, STR("learning_rates")));
    assert_null(opt_find(rows, STR("")));
}

static void texts_become_values(void **state) {
    (void)state;
    err e = {0};
    assert_ok(give("verbose", "", &e) && s.verbose && give("verbose", "no", &e) && !s.verbose, e);
    assert_ok(give("max-steps", "1e4", &e) && s.steps == 10000, e);
    assert_ok(give("learning_rate", "3e-4", &e) && s.rate == 3e-4, e);
    assert_ok(give("beta", "0.5", &e) && s.unset == 0.5 && give("beta", "none", &e) && isnan(s.unset), e);
    assert_ok(give("lr-scheduler-type", "none", &e) && strcmp(s.shape, "none") == 0, e);
    assert_ok(give("target_modules", " a, b,,c ", &e) && s.targets.count == 3 && strcmp(s.targets.item[2], "c") == 0, e);
    assert_ok(give("target_modules", "", &e) && s.targets.count == 0, e);
    assert_ok(give("name", "none", &e) && strcmp(s.name, "none") == 0, e);
}

static void refused_with(const char *key, const char *value, const char *words) {
    err e = {0};
    const settings before = s;
    assert_false(give(key, value, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_string_equal(e.text, words);
    assert_memory_equal(&before, &s, sizeof s);
}

static void wrong_values_say_what_was_expected(void **state) {
    (void)state;
    refused_with("learning_rate", "2", "expected a number from 0 to 1, got '2'");
    refused_with("learning_rate", "fast", "expected a number from 0 to 1, got 'fast'");
    refused_with("max_steps", "1.5", "expected an integer from -1 to 1000000000, got '1.5'");
    refused_with("verbose", "maybe", "expected true or false, got 'maybe'");
    refused_with("lr_scheduler_type", "cos", "expected one of linear|cosine|none, got 'cos'");
    refused_with("lr_scheduler_type", "", "expected one of linear|cosine|none, got ''");
    refused_with("beta", "nan", "expected a number, got 'nan'");
}

static bool give_json(const char *key, const char *value, err *e) {
    json *v;
    return json_parse_any(a, str_of(value), &v, e) && opt_set_json(opt_find(rows, str_of(key)), &s, v, a, e);
}

static void json_values_are_taken_by_kind(void **state) {
    (void)state;
    err e = {0}, e1 = {0}, e2 = {0}, e3 = {0}, e4 = {0};
    assert_ok(give_json("max_steps", "12.0", &e) && s.steps == 12, e);
    assert_ok(give_json("learning_rate", "1", &e) && s.rate == 1, e);
    assert_ok(give_json("target_modules", "[\"x\", 0.5]", &e) && s.targets.count == 2 && strcmp(s.targets.item[1], "0.5") == 0,
              e);
    assert_ok(give_json("name", "null", &e) && !s.name, e);
    assert_false(give_json("name", "3", &e1) || give_json("verbose", "1", &e2) || give_json("max_steps", "\"3\"", &e3));
    assert_string_equal(e3.text, "expected an integer from -1 to 1000000000, got '\"3\"'");
    assert_false(give_json("verbose", "null", &e4));
}

static void values_go_out_as_json_and_come_back(void **state) {
    (void)state;
    buf out = {0};
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '{');
    for (const opt *o = rows; o->key; o++) json_key(&w, o->key), opt_put_json(&w, o, &s);
    json_close(&w);
    assert_string_equal(out.ptr, "{\"verbose\":false,\"max_steps\":-1,\"limit\":null,\"learning_rate\":1e-06,\"beta\":null,"
                                 "\"name\":null,\"lr_scheduler_type\":\"linear\",\"target_modules\":[\"q\",\"v\"]}");
    err e = {0};
    json *v = json_parse(a, buf_str(&out), &e);
    for (json_member m = {0}; json_next(v, &m);) assert_ok(opt_set_json(opt_find(rows, str_of(m.key)), &s, m.value, a, &e), e);
    buf_free(&out);
}

static void nearest_keys_are_offered(void **state) {
    (void)state;
    assert_string_equal(opt_nearest(a, rows, STR("betta")), "beta");
    assert_string_equal(opt_nearest(a, rows, STR("learnign-rate")), "learning_rate");
    assert_string_equal(opt_nearest(a, rows, STR("learning")), "learning_rate");
    assert_string_equal(opt_nearest(a, rows, STR("max_step")), "max_steps");
    assert_string_equal(opt_nearest(a, rows, STR("max_steps_all")), "max_steps");
    assert_string_equal(opt_nearest(a, rows, STR("colour")), "");
    assert_string_equal(opt_nearest(a, rows, STR("")), "");
    const opt others[] = {{.key = "data"}, {.key = NULL}};
    opt_near best = {0};
    opt_nearer(a, others, STR("bata"), &best);
    opt_nearer(a, rows, STR("bata"), &best);
    assert_string_equal(best.key, "beta"); /* not the first that is near: the nearest */
}

static void help_and_description_come_from_the_rows(void **state) {
    (void)state;
    buf out = {0};
    opt_help(&out, rows);
    assert_non_null(strstr(out.ptr, "  --learning-rate X                       size of a step (1e-6)\n"));
    assert_non_null(strstr(out.ptr, "  --verbose                               say more\n"));
    buf_clear(&out);
    json_writer w = json_writer_on(&out, false);
    opt_describe(&w, rows);
    err e = {0};
    json *v = json_parse(a, buf_str(&out), &e);
    assert_int_equal(json_count(v), 8);
    assert_int_equal(json_count(json_get(json_at(v, 6), "choices")), 3);
    assert_true(json_get_real(json_at(v, 3), "max", 0) == 1 && !json_has(json_at(v, 2), "max"));
    assert_true(json_equal(json_get(json_at(v, 7), "default"), json_parse(a, STR("[\"q\",\"v\"]"), &e)));
    buf_free(&out);
}

int main(void) {
#define FRESH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(defaults_are_the_rows),         FRESH(keys_take_dashes_for_underscores),
        FRESH(texts_become_values),           FRESH(wrong_values_say_what_was_expected),
        FRESH(json_values_are_taken_by_kind), FRESH(values_go_out_as_json_and_come_back),
        FRESH(nearest_keys_are_offered),      FRESH(help_and_description_come_from_the_rows),
    };
    return cmocka_run_group_tests_name("base/opt", tests, NULL, NULL);
}
