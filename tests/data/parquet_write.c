/* What the writer writes, the reader reads again. */
#include "test.h"

#include <string.h>

#include "base/json.h"
#include "data/parquet.h"
#include "data/parquet_write.h"

typedef struct {
    arena *a;
    char *folder, *path;
} room;

static room room_new(void) {
    arena *a = arena_new();
    char *folder = scratch_folder(a);
    return (room){a, folder, path_join(a, folder, "x.parquet")};
}

static void room_end(room *r) {
    err e = {0};
    assert_ok(dir_remove(r->folder, &e), e);
    arena_free(r->a);
}

static void write_rows(room *r, compression c, const char *const *rows, err *e) {
    parquet_out *w = parquet_out_open(r->a, r->path, c, e);
    assert_ok(w, *e);
    for (int i = 0; rows[i]; i++) assert_ok(parquet_out_row(w, json_parse(r->a, str_of(rows[i]), e), e), *e);
    parquet_out_commit(w, e);
}

/* All rows of the file, one a line. */
static char *read_rows(room *r) {
    err e = {0};
    buf row = {0}, all = {0};
    parquet *p = parquet_open(r->a, r->path, &e);
    assert_ok(p, e);
    while (parquet_next(p, &row, &e)) buf_put_str(&all, buf_str(&row)), buf_put_char(&all, '\n');
    assert_ok(!e.code, e);
    char *text = arena_text(r->a, all.ptr ? all.ptr : "");
    buf_free(&row);
    buf_free(&all);
    return text;
}

static void becomes(const char *const *rows, const char *expected) {
    for (int c = 0; c < COMPRESSION_COUNT; c++) {
        room r = room_new();
        err e = {0};
        write_rows(&r, (compression)c, rows, &e);
        assert_ok(!e.code, e);
        assert_string_equal(read_rows(&r), expected);
        char **names;
        int count;
        assert_ok(dir_list(r.a, r.folder, &names, &count, &e), e);
        assert_int_equal(count, 1);
        room_end(&r);
    }
}
#define ROWS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void plain_columns_keep_their_types(void **state) {
    (void)state;
    becomes(ROWS("{\"t\":\"a\",\"i\":1,\"r\":0.5,\"f\":true,\"n\":null}", "{\"t\":\"\",\"i\":-9223372036854775808,\"r\":2}",
                 "{\"f\":false,\"i\":null,\"t\":\"ü\\u0000\"}"),
            "{\"t\":\"a\",\"i\":1,\"r\":0.5,\"f\":true,\"n\":null}\n"
            "{\"t\":\"\",\"i\":-9223372036854775808,\"r\":2.0,\"f\":null,\"n\":null}\n"
            "{\"t\":\"ü\\u0000\",\"i\":null,\"r\":null,\"f\":false,\"n\":null}\n");
}

static void lists_and_objects_are_nested_columns(void **state) {
    (void)state;
    becomes(
        ROWS("{\"m\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\"}],\"o\":{\"l\":[[1],[],null]}}",
             "{\"m\":[],\"o\":null}", "{\"m\":null,\"o\":{\"l\":null}}", "{\"m\":[null],\"o\":{\"l\":[]}}"),
        "{\"m\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null}],\"o\":{\"l\":[[1],[],null]}}\n"
        "{\"m\":[],\"o\":null}\n{\"m\":null,\"o\":{\"l\":null}}\n{\"m\":[null],\"o\":{\"l\":[]}}\n");
}

static void what_is_of_several_kinds_is_json_text(void **state) {
    (void)state;
    becomes(
        ROWS("{\"v\":1,\"l\":[1],\"e\":{}}", "{\"v\":\"x\",\"l\":[\"y\"],\"e\":{}}", "{\"v\":{\"a\":[true]},\"l\":[null]}"),
        "{\"v\":1,\"l\":[1],\"e\":{}}\n{\"v\":\"x\",\"l\":[\"y\"],\"e\":{}}\n{\"v\":{\"a\":[true]},\"l\":[null],\"e\":null}\n");
}

static void many_rows_make_pages_and_groups(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    buf row = {0};
    parquet_out *w = parquet_out_open(r.a, r.path, COMPRESS_SNAPPY, &e);
    assert_ok(w, e);
    for (int i = 0; i < 20000; i++) {
        arena *one = arena_new();
        buf_clear(&row);
        buf_printf(&row, "{\"i\":%d,\"t\":\"%0*d\",\"l\":[", i, i % 400, i);
        for (int k = 0; k < i % 5; k++) buf_printf(&row, "%s%d", k ? "," : "", k);
        buf_put_text(&row, "]}");
        assert_ok(parquet_out_row(w, json_parse(one, buf_str(&row), &e), &e), e);
        arena_free(one);
    }
    assert_int_equal(parquet_out_rows(w), 20000);
    assert_ok(parquet_out_commit(w, &e), e);
    parquet *p = parquet_open(r.a, r.path, &e);
    assert_ok(p, e);
    int i = 0;
    for (; parquet_next(p, &row, &e); i++) {
        arena *one = arena_new();
        const json *v = json_parse(one, buf_str(&row), &e);
        assert_int_equal(json_get_int(v, "i", -1), i);
        assert_int_equal(json_count(json_get(v, "l")), i % 5);
        assert_true(json_get_text(v, "t", STR("")).len >= (size_t)(i % 400));
        arena_free(one);
    }
    assert_ok(!e.code, e);
    assert_int_equal(i, 20000);
    buf_free(&row);
    room_end(&r);
}

static void without_rows_there_is_no_file(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    write_rows(&r, COMPRESS_ZSTD, (const char *const[]){NULL}, &e);
    assert_non_null(strstr(e.text, "x.parquet: a Parquet file needs a column, but there are no rows"));
    char **names;
    int count;
    assert_ok(dir_list(r.a, r.folder, &names, &count, &(err){0}), e);
    assert_int_equal(count, 0);
    err why = {0};
    parquet_out *w = parquet_out_open(r.a, r.path, COMPRESS_ZSTD, &why);
    assert_false(parquet_out_row(w, json_new_int(r.a, 1), &why));
    assert_string_equal(why.text, "a row of a Parquet file should be an object, but is an integer");
    parquet_out_abandon(w);
    assert_ok(dir_list(r.a, r.folder, &names, &count, &(err){0}), e);
    assert_int_equal(count, 0);
    room_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(plain_columns_keep_their_types),        TEST(lists_and_objects_are_nested_columns),
        TEST(what_is_of_several_kinds_is_json_text), TEST(many_rows_make_pages_and_groups),
        TEST(without_rows_there_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
