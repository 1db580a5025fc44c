/* Packed and unpacked again; damaged bytes and promises that cannot be kept. */
#include "test.h"

#include <string.h>

#include "base/compress.h"

static str long_text(buf *b) {
    for (int i = 0; i < 5000; i++) buf_printf(b, "line %d of many, some alike;", i % 37);
    return buf_str(b);
}

static void what_was_packed_comes_back(void **state) {
    (void)state;
    buf text = {0};
    const str plain[] = {STR(""), STR("a"), long_text(&text)};
    for (int c = 0; c < COMPRESSION_COUNT; c++)
        for (int i = 0; i < 3; i++) {
            buf packed = {0};
            err e = {0};
            char *out = memory_alloc(plain[i].len + 1);
            buf_put_text(&packed, "before");
            assert_ok(bytes_pack((compression)c, plain[i], &packed, &e), e);
            const str rest = str_slice(buf_str(&packed), 6, packed.len);
            assert_ok(bytes_unpack((compression)c, rest, out, plain[i].len, &e), e);
            assert_memory_equal(out, plain[i].ptr, plain[i].len);
            if (i == 2 && c) assert_true(rest.len * 5 < plain[i].len);
            memory_release(out);
            buf_free(&packed);
        }
    buf_free(&text);
}

static void another_size_than_promised_is_refused(void **state) {
    (void)state;
    buf text = {0};
    const str plain = long_text(&text);
    char *out = memory_alloc(plain.len + 8);
    for (int c = 0; c < COMPRESSION_COUNT; c++)
        for (int more = -1; more <= 1; more += 2) {
            buf packed = {0};
            err e = {0}, why = {0};
            assert_ok(bytes_pack((compression)c, plain, &packed, &e), e);
            assert_false(bytes_unpack((compression)c, buf_str(&packed), out, plain.len + (size_t)more, &why));
            assert_int_equal(why.code, ERR_INPUT);
            buf_free(&packed);
        }
    memory_release(out);
    buf_free(&text);
}

static void every_cut_is_refused(void **state) {
    (void)state;
    buf text = {0};
    const str plain = long_text(&text);
    char *out = memory_alloc(plain.len);
    for (int c = 1; c < COMPRESSION_COUNT; c++) {
        buf packed = {0};
        err e = {0};
        assert_ok(bytes_pack((compression)c, plain, &packed, &e), e);
        for (size_t cut = 0; cut + 1 < packed.len; cut += 1 + packed.len / 50) {
            err why = {0};
            assert_false(bytes_unpack((compression)c, (str){packed.ptr, cut}, out, plain.len, &why));
        }
        buf_free(&packed);
    }
    memory_release(out);
    buf_free(&text);
}

static void a_promise_no_packing_keeps_takes_no_memory(void **state) {
    (void)state;
    err e = {0};
    assert_false(bytes_unpack(COMPRESS_SNAPPY, STR("abc"), NULL, (size_t)1 << 40, &e));
    assert_string_equal(e.text, "3 bytes of snappy cannot become 1099511627776");
    assert_false(compression_can(COMPRESS_ZSTD, 0, 1));
    assert_true(compression_can(COMPRESS_ZSTD, 100, 1 << 20));
}

static void files_are_unpacked_up_to_a_size(void **state) {
    (void)state;
    arena *a = arena_new();
    buf text = {0};
    const str plain = long_text(&text);
    char *folder = scratch_folder(a), *from = path_join(a, folder, "x"), *to = path_join(a, folder, "y");
    for (int c = COMPRESS_GZIP; c <= COMPRESS_ZSTD; c++) {
        buf packed = {0};
        err e = {0}, limit = {0}, cut = {0};
        str got;
        for (int twice = 0; twice < 2; twice++) assert_ok(bytes_pack((compression)c, plain, &packed, &e), e);
        assert_ok(file_write(from, buf_str(&packed), &e), e);
        assert_int_equal(file_compression(from), c);
        assert_ok(file_unpack(from, to, plain.len * 2, &e) && file_read(a, to, 1 << 24, &got, &e), e);
        assert_int_equal(got.len, plain.len * 2);
        assert_memory_equal(got.ptr + plain.len, plain.ptr, plain.len);
        assert_false(file_unpack(from, path_join(a, folder, "z"), plain.len * 2 - 1, &limit));
        assert_int_equal(limit.code, ERR_LIMIT);
        assert_ok(file_write(from, str_slice(buf_str(&packed), 0, packed.len - 3), &e), e);
        assert_false(file_unpack(from, path_join(a, folder, "z"), plain.len * 2, &cut));
        assert_non_null(strstr(cut.text, "ends too early"));
        assert_false(file_exists(path_join(a, folder, "z")) || file_exists(path_join(a, folder, "z.tmp")));
        buf_free(&packed);
    }
    err e = {0}, none = {0};
    assert_ok(file_write(from, plain, &e), e);
    assert_int_equal(file_compression(from), COMPRESS_NONE);
    assert_false(file_unpack(from, to, 1 << 24, &none));
    assert_ok(dir_remove(folder, &e), e);
    buf_free(&text);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_packed_comes_back),      TEST(another_size_than_promised_is_refused),      TEST(every_cut_is_refused),
        TEST(files_are_unpacked_up_to_a_size), TEST(a_promise_no_packing_keeps_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
