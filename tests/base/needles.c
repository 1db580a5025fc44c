/* Many texts at once: what is there is found, what is not is not, whatever stands around it. */
#include "test.h"

#include <string.h>

#include "base/needles.h"
#include "base/rng.h"

static void a_needle_is_found_wherever_it_stands(void **state) {
    (void)state;
    arena *a = arena_new();
    needles *n = needles_new(a);
    assert_true(needles_add(n, STR("0123456789abcdef")));
    assert_true(needles_add(n, STR("0123456789abcdef and more")));
    assert_int_equal(needles_count(n), 2);
    assert_true(needles_in(n, STR("0123456789abcdef")));
    assert_true(needles_in(n, STR("x0123456789abcdef")));
    assert_true(needles_in(n, STR("\xff\xff 0123456789abcdef\n")));
    assert_false(needles_in(n, STR("0123456789abcde")));
    assert_false(needles_in(n, STR("0123456789abcdeF and more")));
    assert_false(needles_in(n, STR("")));
    arena_free(a);
}

static void a_short_needle_is_not_taken_and_one_is_taken_once(void **state) {
    (void)state;
    arena *a = arena_new();
    needles *n = needles_new(a);
    assert_false(needles_add(n, STR("0123456789abcde")));
    assert_true(needles_add(n, STR("0123456789abcdef")));
    assert_true(needles_add(n, STR("0123456789abcdef")));
    assert_int_equal(needles_count(n), 1);
    arena_free(a);
}

/* Against strstr, over an alphabet so small that beginnings are met everywhere. */
static void it_finds_what_a_plain_search_finds(void **state) {
    (void)state;
    arena *a = arena_new();
    rng r = rng_new(7, 1);
    int found = 0;
    for (int round = 0; round < 300; round++) {
        needles *n = needles_new(a);
        char text[2000], *list[40];
        for (int i = 0; i < 1999; i++) text[i] = (char)('a' + rng_below(&r, 2));
        text[1999] = '\0';
        bool expected = false;
        for (int k = 0; k < 40; k++) {
            const size_t length = 16 + rng_below(&r, 3);
            list[k] = arena_alloc(a, length + 1);
            for (size_t i = 0; i < length; i++) list[k][i] = (char)('a' + rng_below(&r, 2));
            expected |= k < 3 && strstr(text, list[k]);
            if (k < 3) needles_add(n, str_of(list[k]));
        }
        assert_int_equal(needles_in(n, str_of(text)), expected);
        found += expected;
    }
    assert_in_range(found, 5, 250);
    arena_free(a);
}

static void a_file_is_searched_as_bytes(void **state) {
    (void)state;
    arena *a = arena_new();
    needles *n = needles_new(a);
    const char *folder = scratch_folder(a), *path = path_join(a, folder, "f");
    err e = {0};
    bool in;
    needles_add(n, (str){"0123\0"
                         "567\n9abcdef",
                         16});
    assert_ok(file_write(path,
                         (str){"before\0"
                               "0123\0"
                               "567\n9abcdef",
                               23},
                         &e),
              e);
    assert_ok(needles_in_file(n, path, &in, &e), e);
    assert_true(in);
    assert_ok(file_write(path, STR(""), &e) && needles_in_file(n, path, &in, &e), e);
    assert_false(in);
    assert_false(needles_in_file(n, path_join(a, folder, "none"), &in, &e));
    e = (err){0};
    dir_remove(folder, &e);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_needle_is_found_wherever_it_stands),
        TEST(a_short_needle_is_not_taken_and_one_is_taken_once),
        TEST(it_finds_what_a_plain_search_finds),
        TEST(a_file_is_searched_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
