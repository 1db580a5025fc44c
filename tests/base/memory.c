/* Arenas, texts and errors. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static void arenas_give_zeroed_aligned_memory(void **state) {
    (void)state;
    arena *a = arena_new();
    for (size_t size = 1, i = 0; i < 400; i++, size = size * 7 % 9973 + 1) {
        unsigned char *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
        for (size_t j = 0; j < size; j++) assert_int_equal(p[j], 0);
        memset(p, 0xff, size);
    }
    assert_non_null(arena_alloc(a, 10 << 20));
    arena_free(a);
}

static int order[3], calls;
static void note_call(void *thing) { order[calls++] = *(int *)thing; }

static void arenas_run_deferred_calls_newest_first(void **state) {
    (void)state;
    arena *a = arena_new();
    calls = 0;
    for (int i = 0; i < 3; i++) {
        int *n = arena_new_of(a, int);
        *n = i;
        arena_defer(a, note_call, n);
    }
    arena_free(a);
    arena_free(NULL);
    assert_int_equal(calls, 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[2], 0);
}

static int live;
static memory_ops real;
static void *counted_alloc(size_t size) { return live++, real.alloc(size); }
static void counted_release(void *p) { live--, real.release(p); }

static void arenas_give_everything_back_through_the_table(void **state) {
    (void)state;
    real = memory;
    memory.alloc = counted_alloc;
    memory.release = counted_release;
    arena *a = arena_new();
    for (int i = 0; i < 1000; i++) arena_printf(a, "%d of %s", i, "many");
    arena_alloc(a, 3 << 20);
    assert_in_range(live, 3, 100);
    arena_free(a);
    memory = real;
    assert_int_equal(live, 0);
}

static void the_first_cause_wins_and_takes_prefixes(void **state) {
    (void)state;
    err e = {0};
    assert_false(err_set(&e, ERR_INPUT, "row %d", 7));
    assert_null(err_null(&e, ERR_IO, "later"));
    err_prefix(&e, "file %s", "x");
    assert_string_equal(e.text, "file x: row 7");
    assert_int_equal(err_exit_status(e.code), 3);
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    err io = {0};
    errno = ENOSPC;
    assert_false(err_errno(&io, ERR_IO, "cannot write %s", "y"));
    assert_string_equal(io.text, "cannot write y: No space left on device");
    assert_false(err_set(NULL, ERR_IO, "nobody listens"));
}

static void views_compare_find_and_trim(void **state) {
    (void)state;
    assert_true(str_is(str_trim(STR(" \t a b \r\n")), "a b"));
    assert_int_equal(str_find(STR("abcabc"), STR("ca"), 0), 2);
    assert_int_equal(str_find(STR("abcabc"), STR("abc"), 1), 3);
    assert_int_equal(str_find(STR("abc"), STR("abcd"), 0), -1);
    assert_int_equal(str_find(STR("abc"), STR("a"), 9), -1);
    assert_true(str_starts(STR("abc"), STR("ab")) && str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_true(str_compare(STR("a"), STR("ab")) < 0 && str_compare(STR("\xff"), STR("a")) > 0);
    assert_true(str_eq(str_of(NULL), STR("")));
    assert_true(str_is(str_slice(STR("abc"), 1, 99), "bc"));
}

static void numbers_are_whole_strings(void **state) {
    (void)state;
    long n = 5;
    double x = 5;
    assert_true(str_to_long(STR("-12"), &n) && n == -12);
    assert_false(str_to_long(STR("12 "), &n) || str_to_long(STR(" 12"), &n) || str_to_long(STR(""), &n));
    assert_false(str_to_long(STR("99999999999999999999"), &n));
    assert_true(str_to_double(STR("1e-6"), &x) && x == 1e-6);
    assert_false(str_to_double(STR("nan"), &x) || str_to_double(STR("inf"), &x) || str_to_double(STR("0x10"), &x));
    assert_false(str_to_double(STR("1e999"), &x) || str_to_double(STR("1.5x"), &x));
    assert_true(n == -12 && x == 1e-6);
}

static void utf8_is_judged_by_the_standard(void **state) {
    (void)state;
    assert_true(str_is_utf8(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_true(str_is_utf8(STR("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
    const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xc1\xbf",         "\xe0\x9f\xbf",
                               "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                               "\xff",         "\xe2\x82",         "\xf0\x9f\x98",     "\xc3(",
                               "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(str_is_utf8(str_of(bad[i])));
}

static void text_grows_and_stays_terminated(void **state) {
    (void)state;
    buf b = {0};
    assert_true(str_is(buf_str(&b), ""));
    for (int i = 0; i < 10000; i++) buf_printf(&b, "%d,", i);
    assert_int_equal(strlen(b.ptr), b.len);
    assert_true(str_ends(buf_str(&b), STR("9998,9999,")));
    buf_clear(&b);
    buf_put_char(&b, 'x');
    assert_string_equal(b.ptr, "x");
    buf_free(&b);
    assert_null(b.ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(arenas_give_zeroed_aligned_memory),
        TEST(arenas_run_deferred_calls_newest_first),
        TEST(arenas_give_everything_back_through_the_table),
        TEST(the_first_cause_wins_and_takes_prefixes),
        TEST(views_compare_find_and_trim),
        TEST(numbers_are_whole_strings),
        TEST(utf8_is_judged_by_the_standard),
        TEST(text_grows_and_stays_terminated),
    };
    return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
