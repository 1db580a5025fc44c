/* Files that pyarrow wrote (tests/data/parquet/make.py), beside each the rows it reads from them; and files made wrong. */
#include "test.h"

#include <string.h>

#include "base/json.h"
#include "data/parquet.h"

static const char *const files[] = {
    "bytes",
    "chat",
    "chat2",
    "codec-gzip",
    "codec-none",
    "codec-snappy",
    "codec-zstd",
    "codec2-gzip",
    "codec2-none",
    "codec2-snappy",
    "codec2-zstd",
    "encoding-delta",
    "encoding-delta2",
    "encoding-prefixes",
    "encoding-split",
    "groups",
    "int96",
    "lists",
    "dictionary-fallback",
    "maps",
    "meanings",
    "nothing",
    "pages",
    "pages2",
    "reals",
    "required",
    "structs",
    "tools",
    "uuid-json",
};

static char *made(arena *a, const char *name, const char *end) { return arena_printf(a, "tests/data/parquet/%s.%s", name, end); }

/* Cell by cell, so that what differs is named. */
static void same_cells(const char *file, int64_t row, const json *want, const json *got) {
    assert_int_equal(json_count(want), json_count(got));
    for (json_member m = {0}; json_next(want, &m);) {
        if (json_has(got, m.key) && json_equal(m.value, json_get(got, m.key))) continue;
        buf x = {0}, y = {0};
        json_put(&x, m.value);
        json_put(&y, json_get(got, m.key));
        fail_msg("%s row %lld, %s: expected %s, read %s", file, (long long)row, m.key, x.ptr, y.ptr);
    }
}

static int64_t same_as_pyarrow(const char *name) {
    arena *a = arena_new();
    err e = {0};
    file_lines lines;
    str line;
    buf row = {0};
    int64_t rows = 0;
    parquet *p = parquet_open(a, made(a, name, "parquet"), &e);
    assert_ok(p, e);
    assert_ok(file_lines_open(&lines, made(a, name, "jsonl"), 1 << 20, &e), e);
    for (; file_lines_next(&lines, &line, &e); rows++) {
        assert_ok(parquet_next(p, &row, &e), e);
        json *want = json_parse(a, line, &e), *got = json_parse(a, buf_str(&row), &e);
        assert_ok(want && got, e);
        same_cells(name, rows, want, got);
    }
    assert_false(parquet_next(p, &row, &e));
    assert_ok(!e.code, e);
    assert_int_equal(parquet_rows(p), rows);
    file_lines_close(&lines);
    buf_free(&row);
    arena_free(a);
    return rows;
}

static void every_cell_is_what_pyarrow_reads(void **state) {
    (void)state;
    int64_t rows = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) rows += same_as_pyarrow(files[i]);
    assert_true(rows > 700);
}

/* All rows; the words of the error, the folder cut out, when it does not end well. */
static char *read_all(arena *a, const char *path) {
    err e = {0};
    buf row = {0};
    int64_t rows = 0;
    parquet *p = parquet_open(a, path, &e);
    while (p && parquet_next(p, &row, &e)) rows++;
    buf_free(&row);
    if (!e.code) return arena_printf(a, "%lld rows", (long long)rows);
    const char *name = strstr(e.text, "x.parquet");
    return arena_text(a, name ? name : e.text);
}

static void columns_have_names_and_types(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    parquet *p = parquet_open(a, made(a, "codec-none", "parquet"), &e);
    assert_ok(p, e);
    assert_int_equal(parquet_columns(p), 6);
    assert_true(str_is(parquet_column_name(p, 5), "text"));
    const char *types[] = {"flag", "integer", "integer", "number", "number", "text"};
    for (int i = 0; i < 6; i++) assert_string_equal(parquet_column_type(p, i), types[i]);
    p = parquet_open(a, made(a, "chat", "parquet"), &e);
    assert_string_equal(parquet_column_type(p, 1), "list");
    arena_free(a);
}

static char *cut_of(arena *a, const char *folder, str file, size_t from, size_t to, const char *behind) {
    err e = {0};
    buf bytes = {0};
    char *path = path_join(a, folder, "x.parquet");
    buf_put_str(&bytes, str_slice(file, from, to));
    buf_put_text(&bytes, behind);
    assert_ok(file_write(path, buf_str(&bytes), &e), e);
    buf_free(&bytes);
    return path;
}

static void what_is_no_parquet_or_cut_off_is_named(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    str file;
    char *folder = scratch_folder(a);
    assert_ok(file_read(a, made(a, "chat", "parquet"), 1 << 20, &file, &e), e);
    assert_string_equal(read_all(a, cut_of(a, folder, file, 0, 0, "")), "x.parquet is no Parquet file");
    assert_string_equal(read_all(a, cut_of(a, folder, file, 0, 0, "{\"a\": 1, \"b\": 2}")), "x.parquet is no Parquet file");
    assert_string_equal(read_all(a, cut_of(a, folder, file, 0, file.len / 2, "")),
                        "x.parquet is Parquet without its end ('PAR1'); was it copied whole?");
    assert_string_equal(read_all(a, cut_of(a, folder, file, 0, 4, "xxxx\x7f\x7f\x7f\x7fPAR1")),
                        "x.parquet: the footer is longer than the file");
    assert_string_equal(read_all(a, cut_of(a, folder, file, 0, file.len - 4, "PARE")),
                        "x.parquet is encrypted Parquet, which is not read");
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

static void a_damaged_page_names_column_and_row(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    str file;
    char *folder = scratch_folder(a), *path = path_join(a, folder, "x.parquet");
    assert_ok(file_read(a, made(a, "codec-zstd", "parquet"), 1 << 20, &file, &e), e);
    const ptrdiff_t frame = str_find(file, STR("\x28\xb5\x2f\xfd"), 0);
    assert_true(frame > 0);
    char *bytes = arena_copy(a, file.ptr, file.len);
    bytes[frame] ^= 1;
    assert_ok(file_write(path, (str){bytes, file.len}, &e), e);
    assert_string_equal(read_all(a, path), "x.parquet, column 'flag', row 1: damaged zstd: Unknown frame descriptor");
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

/* Whatever byte is changed, reading ends: with rows, or with words. */
static void every_changed_byte_is_survived(void **state) {
    (void)state;
    static const char *const small[] = {"chat", "encoding-delta2", "dictionary-fallback"};
    char *folder = NULL;
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        arena *a = arena_new();
        err e = {0};
        str file;
        folder = scratch_folder(a);
        char *path = path_join(a, folder, "x.parquet");
        assert_ok(file_read(a, made(a, small[i], "parquet"), 1 << 20, &file, &e), e);
        char *bytes = arena_copy(a, file.ptr, file.len);
        for (size_t at = 0; at < file.len; at++) {
            arena *one = arena_new();
            const char was = bytes[at];
            bytes[at] = (char)(was ^ (at % 3 == 0 ? 0xff : at % 3 == 1 ? 0x01 : 0x80));
            FILE *out = fopen(path, "wb");
            assert_true(out && fwrite(bytes, file.len, 1, out) == 1 && fclose(out) == 0);
            assert_true(strlen(read_all(one, path)) > 0);
            bytes[at] = was;
            arena_free(one);
        }
        assert_ok(dir_remove(folder, &e), e);
        arena_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_cell_is_what_pyarrow_reads),       TEST(columns_have_names_and_types),
        TEST(what_is_no_parquet_or_cut_off_is_named), TEST(a_damaged_page_names_column_and_row),
        TEST(every_changed_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
