/* JSON: what is read, what is refused, and numbers that survive the way there and back. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/sys.h"

static json *parse(arena *a, const char *text) {
    err e = {0};
    json *v = json_parse(a, str_of(text), &e);
    if (!v) fail_msg("%s: %s", text, e.text);
    return v;
}

/* Parses and writes again; compares. */
static void comes_back_as(const char *text, const char *expected) {
    arena *a = arena_new();
    buf out = {0};
    json_put(&out, parse(a, text));
    assert_string_equal(out.ptr, expected);
    buf_free(&out);
    arena_free(a);
}

static void values_come_back_as_they_were(void **state) {
    (void)state;
    comes_back_as("{\"b\": 1, \"a\": [true,false,null], \"c\": {}, \"d\": []}",
                  "{\"b\":1,\"a\":[true,false,null],\"c\":{},\"d\":[]}");
    comes_back_as("[-9223372036854775808, 9223372036854775807, 0.1, 1.0, 1e22]",
                  "[-9223372036854775808,9223372036854775807,0.1,1.0,1e+22]");
    comes_back_as("\"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\\/\\u0001\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\n\\\"\\\\/\\u0001\"");
    comes_back_as(" 12 ", "12");
    comes_back_as("\xef\xbb\xbf[1]", "[1]");
    comes_back_as("{\"k\":1,\"x\":2,\"k\":3}", "{\"k\":3,\"x\":2}");
    comes_back_as("\"a\\u0000b\"", "\"a\\u0000b\"");
    comes_back_as("{\"a\\u0000b\\u0000\":1,\"a\":2}", "{\"a\\u0000b\\u0000\":1,\"a\":2}"); /* a NUL in a key too */
}

static void integers_past_64_bits_become_reals(void **state) {
    (void)state;
    arena *a = arena_new();
    json *v = parse(a, "{\"model_max_length\": 1000000000000000019884624838656, \"x\": [18446744073709551615, -5]}");
    assert_true(json_get_real(v, "model_max_length", 0) == 1e30);
    assert_int_equal(json_kind_of(json_at(json_get(v, "x"), 0)), JSON_REAL);
    assert_int_equal(json_int(json_at(json_get(v, "x"), 1), 0), -5);
    assert_int_equal(json_get_int(v, "model_max_length", 77), 77);
    arena_free(a);
}

static void refuses(const char *text, const char *words) {
    arena *a = arena_new();
    err e = {0};
    json *v;
    if (json_parse_any(a, str_of(text), &v, &e)) fail_msg("was accepted: %s", text);
    if (!strstr(e.text, words)) fail_msg("'%s' is not in: %s", words, e.text);
    assert_null(v);
    arena_free(a);
}

static void errors_name_line_and_column(void **state) {
    (void)state;
    refuses("{\"a\": 1,\n \"b\" 2}", "line 2, column 6: expected ':' behind a key, found '2'");
    refuses("{\"a\": 1} x", "line 1, column 10: expected nothing behind the value, found 'x'");
    refuses("[1, 2", "expected ',' or ']' behind an element, but the text ends");
    refuses("\"a\x80\"", "column 3: expected UTF-8, found byte 0x80");
}

static void what_is_not_json_is_refused(void **state) {
    (void)state;
    const char *const bad[] = {"",        " ",          "nan",    "NaN",       "[NaN]",  "Infinity", "-Infinity",
                               "[1,]",    "{\"a\":1,}", "01",     "-",         "1.",     ".5",       "+1",
                               "1e",      "'a'",        "{a:1}",  "tru",       "truex",  "\"a",      "\"\n\"",
                               "\"\\x\"", "\"\\u12\"",  "[1 2]",  "{\"a\" 1}", "1 2",    "[",        "]",
                               "{\"a\"}", "/**/1",      "[1]//x", "1e999",     "-1e999", "\"\xc0\"", "\"\xed\xa0\x80\"",
                               "{,}",     "[,1]",       "nul",    "\f1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refuses(bad[i], "not valid JSON");
    arena *a = arena_new();
    err e = {0};
    assert_null(json_parse(a, STR("1\0002"), &e));
    arena_free(a);
}

static void depth_ends_at_64(void **state) {
    (void)state;
    char text[200];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    refuses(text, "64 deep");
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    comes_back_as(text, text);
    refuses("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "64 deep");
}

static void a_bare_null_is_told_apart(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    json *v = (json *)a;
    assert_true(json_parse_any(a, STR("null"), &v, &e));
    assert_null(v);
    assert_null(json_parse(a, STR("null"), &e));
    assert_int_equal(e.code, ERR_INPUT);
    arena_free(a);
}

static void accessors_fall_back(void **state) {
    (void)state;
    arena *a = arena_new();
    json *v = parse(a, "{\"t\":\"x\",\"i\":3,\"r\":2.5,\"w\":4.0,\"b\":true,\"n\":null}");
    assert_true(str_is(json_get_text(v, "t", STR("-")), "x") && str_is(json_get_text(v, "i", STR("-")), "-"));
    assert_true(json_get_int(v, "i", 0) == 3 && json_get_int(v, "w", 0) == 4 && json_get_int(v, "r", 9) == 9);
    assert_true(json_get_real(v, "i", 0) == 3.0 && json_get_real(v, "t", 1.5) == 1.5);
    assert_true(json_get_bool(v, "b", false) && !json_get_bool(v, "i", false));
    assert_true(json_has(v, "n") && !json_get(v, "n") && !json_has(v, "zz") && !json_get(NULL, "x"));
    assert_true(json_count(v) == 6 && json_at(v, 0) == NULL && json_count(NULL) == 0);
    arena_free(a);
}

static void wants_say_what_came(void **state) {
    (void)state;
    arena *a = arena_new();
    json *v = parse(a, "{\"beta\":\"x\",\"n\":3.5,\"big\":100}");
    int64_t i;
    double r;
    err e1 = {0}, e2 = {0}, e3 = {0}, e4 = {0};
    assert_false(json_want_real(v, "beta", 0, 10, &r, &e1));
    assert_string_equal(e1.text, "'beta': expected a number from 0 to 10, got a string");
    assert_false(json_want_int(v, "n", 0, 10, &i, &e2));
    assert_string_equal(e2.text, "'n': expected an integer from 0 to 10, got 3.5");
    assert_false(json_want_int(v, "none", 0, 10, &i, &e3));
    assert_string_equal(e3.text, "'none': expected an integer from 0 to 10, got nothing: the key is missing");
    assert_false(json_want_int(v, "big", 0, 10, &i, &e4));
    assert_string_equal(e4.text, "'big': expected an integer from 0 to 10, got 100");
    assert_true(json_want_int(v, "big", 0, 100, &i, &e4) && i == 100);
    arena_free(a);
}

static void reals_and_floats_survive_in_few_digits(void **state) {
    (void)state;
    rng r = rng_new(1, 2);
    buf out = {0};
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } d = {.bits = (uint64_t)rng_next(&r) << 32 | rng_next(&r)};
        union {
            uint32_t bits;
            float value;
        } f = {.bits = rng_next(&r)};
        json_writer w = json_writer_on(&out, false);
        buf_clear(&out);
        json_put_real(&w, d.value);
        if (isfinite(d.value)) assert_true(strtod(out.ptr, NULL) == d.value);
        else assert_string_equal(out.ptr, "null");
        buf_clear(&out);
        json_put_float(&w, f.value);
        if (isfinite(f.value)) assert_true(strtof(out.ptr, NULL) == f.value);
        assert_true(out.len <= 17);
    }
    buf_clear(&out);
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '[');
    json_put_float(&w, 0.1f), json_put_real(&w, 0.1), json_put_real(&w, -0.0), json_put_real(&w, 5e-324), json_put_real(&w, 3);
    json_close(&w);
    assert_string_equal(out.ptr, "[0.1,0.1,-0.0,4.94065645841247e-324,3.0]");
    buf_free(&out);
}

static void the_writer_places_commas_and_lines(void **state) {
    (void)state;
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "a"), json_put_int(&w, -1);
    json_key(&w, "b"), json_open(&w, '['), json_put_bool(&w, true), json_put_cstr(&w, NULL), json_close(&w);
    json_key(&w, "c"), json_open(&w, '{'), json_close(&w);
    json_close(&w);
    assert_string_equal(out.ptr, "{\n  \"a\": -1,\n  \"b\": [\n    true,\n    null\n  ],\n  \"c\": {}\n}");
    buf_clear(&out);
    json_quote(&out, STR("a\xff\x7f\xe2\x82z\t"));
    assert_string_equal(out.ptr, "\"a\xef\xbf\xbd\\u007f\xef\xbf\xbd\xef\xbf\xbdz\\t\"");
    buf_free(&out);
}

static void built_values_belong_to_the_arena(void **state) {
    (void)state;
    arena *a = arena_new();
    json *o = json_new_object(a), *list = json_new_array(a), *shared = json_new_text(a, STR("s"));
    json_append(list, shared), json_append(list, shared), json_append(list, NULL), json_append(list, json_new_real(a, 0.5));
    json_set(o, "list", list), json_set(o, "n", json_new_int(a, 7)), json_set(o, "n", json_new_bool(a, true));
    assert_true(json_equal(o, parse(a, "{\"n\":true,\"list\":[\"s\",\"s\",null,0.5]}")));
    assert_false(json_equal(o, parse(a, "{\"n\":true,\"list\":[\"s\",\"s\",0,0.5]}")));
    assert_true(json_equal(parse(a, "[1,2.0]"), parse(a, "[1.0,2]")));
    arena_free(a);
}

/* The vocabulary of a real tokenizer has 150,000 keys; looked up in seconds it would be quadratic. */
static void many_keys_are_no_burden(void **state) {
    (void)state;
    enum { KEYS = 150000 };
    buf text = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '{');
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "token %d", i);
        json_key(&w, key), json_put_int(&w, i);
    }
    json_close(&w);
    arena *a = arena_new();
    err e = {0};
    const double begun = sys_seconds();
    json *v = json_parse(a, buf_str(&text), &e);
    assert_non_null(v);
    int64_t i = 0;
    for (json_member m = {0}; json_next(v, &m); i++) assert_int_equal(json_int(m.value, -1), i);
    assert_int_equal(i, KEYS);
    for (i = 0; i < KEYS; i += 997) {
        char key[32];
        snprintf(key, sizeof key, "token %lld", (long long)i);
        assert_int_equal(json_get_int(v, key, -1), i);
    }
    print_message("150,000 keys: %.3f s\n", sys_seconds() - begun);
    arena_free(a);
    buf_free(&text);
}

static void files_put_their_name_before_the_error(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a), *path = path_join(a, folder, "x.json");
    err e = {0}, f = {0};
    assert_ok(file_write(path, STR("{\n\"a\": }"), &e), e);
    assert_null(json_parse_file(a, path, 100, &e));
    assert_non_null(strstr(e.text, "x.json: not valid JSON: line 2, column 6"));
    assert_null(json_parse_file(a, path, 3, &f));
    assert_int_equal(f.code, ERR_LIMIT);
    dir_remove(folder, NULL);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_as_they_were),
        TEST(integers_past_64_bits_become_reals),
        TEST(errors_name_line_and_column),
        TEST(what_is_not_json_is_refused),
        TEST(depth_ends_at_64),
        TEST(a_bare_null_is_told_apart),
        TEST(accessors_fall_back),
        TEST(wants_say_what_came),
        TEST(reals_and_floats_survive_in_few_digits),
        TEST(the_writer_places_commas_and_lines),
        TEST(built_values_belong_to_the_arena),
        TEST(many_keys_are_no_burden),
        TEST(files_put_their_name_before_the_error),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
