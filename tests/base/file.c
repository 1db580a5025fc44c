/* Files: what a failing disk leaves behind, lines, folders, hashes. */
#include "test.h"

#include <errno.h>
#include <string.h>

static arena *a;
static char *folder;

static int set_up(void **state) {
    (void)state;
    a = arena_new();
    folder = scratch_folder(a);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    dir_remove(folder, NULL);
    arena_free(a);
    return 0;
}

static bool holds(const char *path, str expected) {
    str text;
    err e = {0};
    return file_read(a, path, 1 << 20, &text, &e) && str_eq(text, expected);
}

/* The Nth call through the table fails, for any kind of call that changes the disk. */
static file_ops real;
static int countdown;
static bool strikes(int why) { return countdown-- == 0 ? (errno = why, true) : false; }
static int failing_open(const char *path, int flags, int mode) { return strikes(EACCES) ? -1 : real.open(path, flags, mode); }
static ssize_t failing_write(int fd, const void *data, size_t size) {
    return strikes(ENOSPC) ? -1 : real.write(fd, data, size > 7 ? 7 : size); /* short writes are no errors */
}
static int failing_sync(int fd) { return strikes(EIO) ? -1 : real.sync(fd); }
static int failing_close(int fd) {
    const int result = real.close(fd);
    return strikes(EIO) ? -1 : result;
}
static int failing_rename(const char *from, const char *to) { return strikes(EIO) ? -1 : real.rename(from, to); }

static void fail_call(int n) {
    real = file_io;
    countdown = n;
    file_io.open = failing_open, file_io.write = failing_write, file_io.sync = failing_sync, file_io.close = failing_close;
    file_io.rename = failing_rename;
}

static void any_failing_call_leaves_the_old_file_or_the_new(void **state) {
    (void)state;
    char *path = path_join(a, folder, "kept");
    const str old = STR("the old file"), new = STR("the new file, which is longer than the old one");
    int failures = 0;
    for (int n = 0;; n++) {
        err e = {0}, quiet = {0};
        assert_ok(file_write(path, old, &quiet), quiet);
        fail_call(n);
        const bool ok = file_write(path, new, &e);
        file_io = real;
        if (countdown >= 0) {
            assert_true(ok);
            break;
        }
        failures++;
        const bool renamed = holds(path, new); /* then only the folder's sync or close failed */
        assert_true(renamed || holds(path, old));
        assert_true(renamed || (!ok && e.code == ERR_IO));
        assert_false(file_exists(path_join(a, folder, "kept.tmp")));
    }
    assert_true(failures >= 12);
    assert_true(holds(path, new));
}

static void pieces_are_one_file_after_the_commit_only(void **state) {
    (void)state;
    char *path = path_join(a, folder, "pieces");
    file_out f;
    err e = {0};
    assert_ok(file_out_open(&f, path, &e), e);
    const size_t large = 600000;
    char *block = arena_alloc(a, large);
    memset(block, 'x', large);
    for (int i = 0; i < 1000; i++) assert_ok(file_out_put(&f, "0123456789", 10, &e), e);
    assert_ok(file_out_put(&f, block, large, &e), e);
    assert_int_equal(f.written, 10000 + large);
    assert_false(file_exists(path));
    assert_ok(file_out_commit(&f, &e), e);
    assert_int_equal(file_size(path), 10000 + large);
    assert_ok(file_out_open(&f, path, &e), e);
    assert_ok(file_out_put(&f, "y", 1, &e), e);
    file_out_abandon(&f);
    assert_int_equal(file_size(path), 10000 + large);
    assert_false(file_exists(path_join(a, folder, "pieces.tmp")));
}

static void what_cannot_be_read_says_why(void **state) {
    (void)state;
    str text;
    err e1 = {0}, e2 = {0}, e3 = {0};
    assert_false(file_read(a, path_join(a, folder, "none"), 10, &text, &e1));
    assert_int_equal(e1.code, ERR_NOT_FOUND);
    assert_false(file_map(a, folder, &text, &e2));
    assert_int_equal(e2.code, ERR_INPUT);
    file_write(path_join(a, folder, "long"), STR("12345"), NULL);
    assert_false(file_read(a, path_join(a, folder, "long"), 4, &text, &e3));
    assert_int_equal(e3.code, ERR_LIMIT);
    assert_true(file_read(a, "/proc/self/status", 1 << 20, &text, NULL) && text.len > 100);
    assert_false(file_read(a, "/dev/zero", 1 << 20, &text, NULL));
}

static void maps_show_the_file(void **state) {
    (void)state;
    char *path = path_join(a, folder, "map");
    str text;
    err e = {0};
    file_write(path, STR("mapped"), NULL);
    assert_ok(file_map(a, path, &text, &e), e);
    assert_true(str_is(text, "mapped"));
    file_write(path, STR(""), NULL);
    assert_ok(file_map(a, path, &text, &e), e);
    assert_int_equal(text.len, 0);
}

static void lines_end_with_lf_or_crlf(void **state) {
    (void)state;
    char *path = path_join(a, folder, "lines");
    file_write(path, STR("one\r\n\ntwo\r\r\nlast"), NULL);
    const char *const expected[] = {"one", "", "two\r", "last"};
    file_lines l;
    str line;
    err e = {0};
    assert_ok(file_lines_open(&l, path, 100, &e), e);
    for (int i = 0; i < 4; i++) {
        assert_ok(file_lines_next(&l, &line, &e), e);
        assert_true(str_is(line, expected[i]));
        assert_int_equal(l.line, i + 1);
    }
    assert_false(file_lines_next(&l, &line, &e));
    assert_int_equal(e.code, ERR_NONE);
    file_lines_close(&l);
}

static void long_files_stay_in_bounded_memory(void **state) {
    (void)state;
    char *path = path_join(a, folder, "many");
    buf text = {0};
    for (int i = 0; i < 200000; i++) buf_printf(&text, "line %d\n", i);
    assert_true(file_write(path, buf_str(&text), NULL));
    file_lines l;
    str line;
    err e = {0};
    assert_true(file_lines_open(&l, path, 1000, &e));
    char expected[32];
    for (int i = 0; i < 200000; i++) {
        snprintf(expected, sizeof expected, "line %d", i);
        assert_true(file_lines_next(&l, &line, &e) && str_is(line, expected));
    }
    assert_false(file_lines_next(&l, &line, &e));
    assert_true(e.code == 0 && l.capacity <= 1 << 16);
    file_lines_close(&l);
    buf_free(&text);
}

static void a_line_over_the_limit_is_an_error(void **state) {
    (void)state;
    char *path = path_join(a, folder, "long-line");
    for (int over = 0; over <= 1; over++) {
        buf text = {0};
        buf_put_text(&text, "short\n");
        for (int i = 0; i < 100000 + over; i++) buf_put_char(&text, 'x');
        buf_put_text(&text, "\r\nend");
        assert_true(file_write(path, buf_str(&text), NULL));
        file_lines l;
        str line;
        err e = {0};
        assert_true(file_lines_open(&l, path, 100000, &e));
        assert_true(file_lines_next(&l, &line, &e));
        assert_int_equal(file_lines_next(&l, &line, &e), !over);
        if (over) assert_non_null(strstr(e.text, "long-line: line 2 is longer than the 100000 bytes allowed"));
        file_lines_close(&l);
        buf_free(&text);
    }
}

static void folders_are_made_listed_and_removed(void **state) {
    (void)state;
    char *deep = path_join(a, folder, "a/b/c");
    char **names;
    int count;
    err e = {0};
    assert_ok(dir_make(deep, &e) && dir_make(deep, &e) && dir_sync(deep, &e), e);
    file_write(path_join(a, deep, "z"), STR("1"), NULL), file_write(path_join(a, deep, "y"), STR("2"), NULL);
    assert_int_equal(symlink("/etc", path_join(a, deep, "link")), 0);
    assert_ok(dir_list(a, deep, &names, &count, &e), e);
    assert_true(count == 3 && strcmp(names[0], "link") == 0 && strcmp(names[2], "z") == 0);
    assert_ok(dir_remove(path_join(a, folder, "a"), &e), e);
    assert_false(file_exists(deep));
    assert_true(file_exists("/etc/passwd"));
    assert_ok(dir_remove(deep, &e), e);
    file_write(path_join(a, folder, "file"), STR("x"), NULL);
    assert_false(dir_make(path_join(a, folder, "file/sub"), &e));
    assert_int_equal(e.code, ERR_IO);
}

static void paths_are_joined_and_taken_apart(void **state) {
    (void)state;
    assert_string_equal(path_join(a, "a/", "b"), "a/b");
    assert_string_equal(path_name("x/y.z"), "y.z");
    assert_string_equal(path_folder(a, "/x"), "/");
    assert_string_equal(path_folder(a, "x"), ".");
    assert_string_equal(path_folder(a, "x/y/z"), "x/y");
}

static void logs_grow_at_the_end(void **state) {
    (void)state;
    char *path = path_join(a, folder, "log");
    err e = {0};
    for (int i = 0; i < 2; i++) {
        const int fd = file_append_open(path, &e);
        assert_true(fd >= 0 && file_append(fd, STR("x\n"), &e));
        file_close(fd);
    }
    assert_true(holds(path, STR("x\nx\n")));
}

static void hashes_are_those_of_the_standard(void **state) {
    (void)state;
    sha256_text digest;
    err e = {0};
    bytes_sha256("abc", 3, digest); /* FIPS 180-2, B.1 */
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char *path = path_join(a, folder, "empty");
    file_write(path, STR(""), NULL);
    assert_ok(file_sha256(path, digest, &e), e);
    assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(any_failing_call_leaves_the_old_file_or_the_new),
        TEST(pieces_are_one_file_after_the_commit_only),
        TEST(what_cannot_be_read_says_why),
        TEST(maps_show_the_file),
        TEST(lines_end_with_lf_or_crlf),
        TEST(long_files_stay_in_bounded_memory),
        TEST(a_line_over_the_limit_is_an_error),
        TEST(folders_are_made_listed_and_removed),
        TEST(paths_are_joined_and_taken_apart),
        TEST(logs_grow_at_the_end),
        TEST(hashes_are_those_of_the_standard),
    };
    return cmocka_run_group_tests_name("base/file", tests, set_up, tear_down);
}
