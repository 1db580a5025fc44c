/* Moments from and to text, and ids. */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

static int64_t parsed(const char *text) {
    int64_t m = -1;
    if (!moment_parse(str_of(text), &m)) fail_msg("'%s' was not read", text);
    return m;
}

static void moments_are_written_as_argilla_writes_them(void **state) {
    (void)state;
    moment_text text;
    moment_put(1733220930123456, text);
    assert_string_equal(text, "2024-12-03T10:15:30.123456");
    moment_put(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000");
    moment_put(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999");
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    static const int64_t moments[] = {0, -1, 1733220930123456, 951782400000000, 4107542399999999, -62135596800000000};
    moment_text text;
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        moment_put(moments[i], text);
        assert_int_equal(parsed(text), moments[i]);
    }
}

static void zones_and_short_forms_are_read(void **state) {
    (void)state;
    const int64_t noon = parsed("2024-02-29T12:00:00");
    assert_int_equal(parsed("2024-02-29T12:00:00Z"), noon);
    assert_int_equal(parsed("2024-02-29 12:00"), noon);
    assert_int_equal(parsed("2024-02-29T13:30:00+01:30"), noon);
    assert_int_equal(parsed("2024-02-29T07:00:00-0500"), noon);
    assert_int_equal(parsed("2024-02-29T12:00:00.5"), noon + 500000);
    assert_int_equal(parsed("2024-12-31") - parsed("2024-12-01"), (int64_t)30 * 24 * 3600 * 1000000);
    assert_int_equal(parsed("2024-02-29"), noon - (int64_t)12 * 3600 * 1000000);
}

static void what_is_no_moment_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "2024",
                                        "2024-13-01",
                                        "2024-01-00",
                                        "yesterday",
                                        "2024-01-01T25:00:00",
                                        "2024-01-01T10",
                                        "2024-01-01T10:00:00X",
                                        "2023-02-29",
                                        "2024-04-31T10:00:00",
                                        "2024-01-01T10:00:00+24:00",
                                        "2024-01-01T10:00:00-05:60"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t m;
        if (moment_parse(str_of(wrong[i]), &m)) fail_msg("'%s' was read", wrong[i]);
    }
}

static void ids_grow_with_time_and_are_read_in_either_case(void **state) {
    (void)state;
    uuid_text a, b, c;
    uuid_new(a);
    assert_int_equal(a[14], '7');
    assert_true(uuid_parse(STR("6C820C44-ED4B-4080-ADC1-69521A66CF9D"), b));
    assert_string_equal(b, "6c820c44-ed4b-4080-adc1-69521a66cf9d");
    assert_false(uuid_parse(STR("6c820c44ed4b4080adc169521a66cf9d"), c));
    assert_false(uuid_parse(STR("6c820c44-ed4b-4080-adc1-69521a66cf9g"), c));
    uuid_of_text(b, STR("x"), STR("y"));
    uuid_of_text(c, STR("x"), STR("y"));
    assert_string_equal(b, c);
    uuid_of_text(c, STR("xy"), STR(""));
    assert_string_not_equal(b, c);
}

static void a_password_is_known_by_its_hash_alone(void **state) {
    (void)state;
    password_hash hash;
    assert_true(password_set(STR("correct horse"), hash));
    assert_null(strstr(hash, "horse"));
    assert_true(password_check(STR("correct horse"), hash));
    assert_false(password_check(STR("correct horsf"), hash));
    assert_false(password_check(STR(""), hash));
}

static void a_signature_is_the_standard_one(void **state) {
    (void)state;
    arena *a = arena_new();
    unsigned char mac[32];
    secret_hmac("key", 3, "The quick brown fox jumps over the lazy dog", 43, mac);
    assert_string_equal(secret_base64(a, mac, 32), "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=");
    size_t n;
    assert_memory_equal(secret_unbase64(a, STR("97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg="), &n), mac, 32);
    assert_int_equal(n, 32);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_as_argilla_writes_them),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(zones_and_short_forms_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(ids_grow_with_time_and_are_read_in_either_case),
        cmocka_unit_test(a_password_is_known_by_its_hash_alone),
        cmocka_unit_test(a_signature_is_the_standard_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
