/* Rows written in each layout are the rows read from it; and disks that fail while they are written. */
#include "reading.h"

static const char *const rows[] = {
    "{\"t\":\"a, \\\"b\\\"\\nc\",\"n\":1,\"l\":[{\"x\":1}]}",
    "{\"t\":\" spaced \",\"n\":2,\"r\":0.5,\"l\":[{\"x\":2}]}",
    "{\"t\":\"\",\"n\":3,\"l\":[]}",
};

static bool write_rows(arena *a, const char *path, const char *kind, err *e) {
    row_out *w = row_out_open(a, path, str_of(kind), e);
    err no = {0};
    for (int i = 0; w && i < 3; i++)
        if (!row_out_row(w, json_parse(a, str_of(rows[i]), &no), e)) return row_out_abandon(w), false;
    return w && row_out_commit(w, e);
}

static int files_in(room *r) {
    char **names;
    int count;
    err e = {0};
    assert_ok(dir_list(r->a, r->folder, &names, &count, &e), e);
    return count;
}

static bool same_cell(const json *want, const json *got) {
    return json_equal(want, got) || (!want && json_kind_of(got) == JSON_STRING && !json_text(got, STR("")).len);
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    static const char *const kinds[] = {"jsonl", "json", "csv", "tsv", "parquet"};
    static const char *const columns[] = {"t", "n", "r", "l"};
    for (int k = 0; k < 5; k++) {
        room r = room_new();
        err e = {0};
        char *path = path_join(r.a, r.folder, arena_printf(r.a, "x.%s", kinds[k]));
        assert_ok(write_rows(r.a, path, kinds[k], &e), e);
        assert_int_equal(files_in(&r), 1);
        row_source *s = row_source_open(r.a, path, &e);
        assert_ok(s, e);
        for (int i = 0; i < 3; i++) {
            json *got, *want = json_parse(r.a, str_of(rows[i]), &e);
            assert_ok(row_source_next(s, r.a, &got, &e), e);
            for (int c = 0; c < 4; c++)
                if (!same_cell(json_get(want, columns[c]), json_get(got, columns[c])))
                    fail_msg("%s row %d, column %s", kinds[k], i, columns[c]);
        }
        json *none;
        assert_false(row_source_next(s, r.a, &none, &e));
        room_end(&r);
    }
}

static void a_table_is_what_spreadsheets_read(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    str text;
    char *path = path_join(r.a, r.folder, "x.csv");
    assert_ok(write_rows(r.a, path, "csv", &e) && file_read(r.a, path, 1 << 20, &text, &e), e);
    assert_string_equal(text.ptr,
                        "t,n,l,r\r\n\"a, \"\"b\"\"\nc\",1,\"[{\"\"x\"\":1}]\",\r\n\" spaced \",2,\"[{\"\"x\"\":2}]\",0.5\r\n"
                        ",3,[],\r\n");
    room_end(&r);
}

static int calls_left;
static ssize_t failing_write(int fd, const void *data, size_t size) { return calls_left-- > 0 ? write(fd, data, size) : -1; }
static int failing_sync(int fd) { return calls_left-- > 0 ? fsync(fd) : -1; }
static int failing_rename(const char *from, const char *to) { return calls_left-- > 0 ? rename(from, to) : -1; }

static void only_the_file_is_left(room *r) {
    char **names;
    int count;
    err e = {0};
    assert_ok(dir_list(r->a, r->folder, &names, &count, &e), e);
    for (int i = 0; i < count; i++) assert_string_equal(names[i], "x");
}

static void a_failing_disk_leaves_nothing(void **state) {
    (void)state;
    const file_ops real = file_io;
    static const char *const kinds[] = {"jsonl", "json", "csv", "tsv", "parquet"};
    for (int k = 0; k < 5; k++) {
        bool done = false;
        for (int n = 0; !done && n < 100; n++) {
            room r = room_new();
            err e = {0};
            arena *own = arena_new();
            calls_left = n;
            file_io.write = failing_write;
            file_io.sync = failing_sync;
            file_io.rename = failing_rename;
            done = write_rows(own, path_join(r.a, r.folder, "x"), kinds[k], &e);
            file_io = real;
            arena_free(own);
            assert_int_equal(e.code != ERR_NONE, !done);
            only_the_file_is_left(&r); /* where it had its name already, and the folder could not be synced */
            room_end(&r);
        }
        assert_true(done);
    }
}

static void unknown_layouts_and_rows_that_are_none_are_named(void **state) {
    (void)state;
    room r = room_new();
    err e = {0}, f = {0}, g = {0};
    char *path = path_join(r.a, r.folder, "x");
    assert_null(row_out_open(r.a, path, STR("xlsx"), &e));
    assert_string_equal(e.text, "'xlsx' is no layout that is written; expected jsonl, json, csv, tsv or parquet");
    row_out *w = row_out_open(r.a, path, STR("csv"), &f);
    assert_false(row_out_row(w, json_new_int(r.a, 1), &f));
    assert_string_equal(f.text, "a row should be an object, but is an integer");
    assert_false(row_out_commit(w, &g));
    assert_non_null(strstr(g.text, "a table needs a column, but there are no rows"));
    assert_int_equal(files_in(&r), 0);
    room_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_again),
        TEST(a_table_is_what_spreadsheets_read),
        TEST(a_failing_disk_leaves_nothing),
        TEST(unknown_layouts_and_rows_that_are_none_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
