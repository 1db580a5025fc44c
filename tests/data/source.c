/* Sources: every layout of rows, odd ends and beginnings of files, errors by line, choosing a format, reading on past bad rows. */
#include "reading.h"

#include "base/sys.h"

#define A "{\"text\":\"a\"}\n"
#define B "{\"text\":\"b\"}\n"

static void lines_arrays_and_objects_around_arrays_hold_rows(void **state) {
    (void)state;
    gives(A B, A B);
    gives("[{\"text\":\"a\"},{\"text\":\"b\"}]", A B);
    gives("[\n  {\n    \"text\": \"a\"\n  },\n  {\"text\": \"b\"}\n]\n", A B);
    gives("{\"data\": [{\"text\":\"a\"},{\"text\":\"b\"}]}", A B);
    gives("{\n\"version\": \"1.0\",\n\"n\": [1, [2]],\n\"rows\": [\n{\"text\":\"a\"},\n{\"text\":\"b\"}\n],\n\"end\": {\"x\": "
          "[1]}\n}\n",
          A B);
    gives("[\"a\", \"b\"]", A B);
    gives("[{\"text\":\"]},{[\\\"\"}]", "{\"text\":\"]},{[\\\"\"}\n");
}

static void one_line_is_a_row_if_it_can_be_one(void **state) {
    (void)state;
    gives("{\"text\":\"a\",\"tags\":[{\"x\":1}]}", A);
    gives("{\"text\":\"a\",\"tags\":[],\"responses\":[]}", "{\"text\":\"a\",\"responses\":[]}\n");
    room r = room_new();
    assert_string_equal(read_as(&r, "text", "{\"text\":\"a\",\"tags\":[{\"x\":1}]}"), A);
    assert_string_equal(read_as(&r, "text", "{\"data\":[{\"text\":\"a\"}]}"), A);
    room_end(&r);
    gives("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n");
}

static void byte_order_marks_line_ends_and_blank_lines_do_not_matter(void **state) {
    (void)state;
    gives("\xef\xbb\xbf" A B, A B);
    gives("\xef\xbb\xbf[{\"text\":\"a\"}]", A);
    gives("{\"text\":\"a\"}\r\n{\"text\":\"b\"}\r\n", A B);
    gives("\n\n" A "   \n\r\n" B "\n\n", A B);
    gives(A "{\"text\":\"b\"}", A B);
    gives("[ ]", "ERROR rows.jsonl holds no rows\n");
}

static void what_holds_no_rows_is_refused_with_words(void **state) {
    (void)state;
    gives("", "ERROR rows.jsonl is empty: expected rows of examples\n");
    gives(" \n ", "ERROR rows.jsonl is empty: expected rows of examples\n");
    gives("\x1f\x8b\x08zzz", "ERROR rows.jsonl: damaged gzip\n");
    gives("PAR1zzz", "ERROR rows.jsonl is no Parquet file\n");
    gives("prompt,completion\na,b\n",
          "ERROR rows.jsonl line 1: expected JSON Lines (an object in each line) or JSON (an array of "
          "objects), found 'p'; tables of text should be called .csv or .tsv\n");
    gives("{\n\"text\": 5\n}",
          "ERROR rows.jsonl holds neither rows in lines nor an array of rows; as lines, line 1 is not valid JSON: "
          "line 1, column 2: expected a key in double quotes, but the text ends\n");
    gives("{\"mesages\":[]}\n", "ERROR rows.jsonl, list 'mesages' holds no rows\n");
    room r = room_new();
    const char *got = read_as(&r, "", "{\"name\":\"x\"}\n");
    assert_non_null(strstr(got,
                           "ERROR rows.jsonl: rows with columns 'name' fit no format; expected 'messages', 'text', 'prompt' with "
                           "'completion', 'chosen' with 'rejected', 'instruction' with 'output', or 'conversations' (fettle "
                           "knows text, messages, "));
    room_end(&r);
}

static void folders_missing_files_and_unknown_formats_are_named(void **state) {
    (void)state;
    room r = room_new();
    assert_non_null(strstr(read_with(&r, path_join(r.a, r.folder, "."), NULL),
                           "holds no data: expected .parquet, .jsonl, .json, .csv or .tsv files in it"));
    assert_string_equal(read_with(&r, path_join(r.a, r.folder, "no.jsonl"), NULL), "ERROR there is no file no.jsonl\n");
    assert_string_equal(read_with(&r, arena_printf(r.a, "text:%s/no.jsonl", r.folder), NULL),
                        "ERROR there is no file no.jsonl\n");
    assert_non_null(strstr(read_with(&r, "sharegtp:x.json", NULL),
                           "there is no file sharegtp:x.json, and no format sharegtp; formats "
                           "are text, messages"));
    room_end(&r);
}

static void errors_name_the_line_of_the_file(void **state) {
    (void)state;
    gives(A "\n{\"text\":5}\n", A "ERROR rows.jsonl line 3: field 'text' should be a text, but is an integer\n");
    gives(A "{\"text\":\"b\n" B,
          A "ERROR rows.jsonl line 2, column 11: not valid JSON: expected '\"' at the end of a string, but "
            "the text ends\n");
    gives("[\n{\"text\":\"a\"},\n  {\"text\":}\n]",
          A "ERROR rows.jsonl line 3, column 11: not valid JSON: expected a value, found '}'\n");
    gives("[\n{\"text\":\"a\"},\n{\n\"text\":\n}\n]",
          A "ERROR rows.jsonl line 5, column 1: not valid JSON: expected a value, found '}'\n");
}

static void arrays_that_do_not_end_well_are_errors(void **state) {
    (void)state;
    gives("[{\"text\":\"a\"}",
          "ERROR rows.jsonl line 1: expected the rest of the array, but the file ends here; is it cut off?\n");
    gives("[{\"text\":\"a\"},\n", A "ERROR rows.jsonl line 2: expected a row, but the file ends here; is it cut off?\n");
    gives("[{\"text\":\"a\"},]", A "ERROR rows.jsonl line 1, column 15: expected a row, found ']'\n");
    gives("[{\"text\":\"a\"}] x", A "ERROR rows.jsonl line 1, column 16: expected the end of the file, found 'x'\n");
    gives("{\"d\":[{\"text\":\"a\"}]",
          A "ERROR rows.jsonl line 1: expected ',' or '}' behind the array, but the file ends here; is it "
            "cut off?\n");
    gives("[{\"text\":\"a\"},\n{\"text\":\"b\n\"}]",
          A "ERROR rows.jsonl line 2: not valid JSON: a text is not closed before the line ends\n");
}

static void two_formats_that_fit_are_asked_about(void **state) {
    (void)state;
    room r = room_new();
    const char *row = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":\"b\",\"rejected\":\"c\"}\n";
    assert_string_equal(read_as(&r, "", row),
                        "ERROR rows.jsonl fits two formats, messages and preference (columns 'messages', 'chosen', "
                        "'rejected'); say which: messages:rows.jsonl or preference:rows.jsonl\n");
    assert_string_equal(read_as(&r, "messages", row), "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n");
    const source_options pairs = {.kinds = KIND(EXAMPLE_PREFERENCE)};
    char *path = file_of(&r, "x.jsonl", str_of(row));
    assert_string_equal(read_with(&r, path, &pairs), "{\"prompt\":\"\",\"chosen\":\"b\",\"rejected\":\"c\"}\n");
    room_end(&r);
}

static void a_file_of_another_kind_than_wanted_still_opens(void **state) {
    (void)state;
    room r = room_new();
    const source_options pairs = {.kinds = KIND(EXAMPLE_PREFERENCE)};
    assert_string_equal(read_with(&r, file_of(&r, "x.jsonl", STR(A)), &pairs), A);
    room_end(&r);
}

static void bad_rows_can_be_left_out_and_are_counted(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    example x;
    const source_options forgiving = {.skip_bad = true};
    char *path = file_of(&r, "x.jsonl", STR("{\"text\":1}\n" A "{]\n[]\n" B));
    source *s = source_open_with(r.a, path, &forgiving, &e);
    assert_ok(s, e);
    for (int again = 0; again < 2; again++) {
        assert_ok(source_next(s, r.a, &x, &e), e);
        assert_true(str_is(x.text, "a"));
        assert_int_equal(x.line, 2);
        assert_int_equal(x.row, 1);
        assert_ok(source_next(s, r.a, &x, &e), e);
        assert_int_equal(x.line, 5);
        assert_false(source_next(s, r.a, &x, &e));
        assert_int_equal(e.code, ERR_NONE);
        assert_int_equal(source_skipped(s), 3);
        assert_non_null(strstr(source_first_bad(s), "x.jsonl line 1: field 'text'"));
        assert_int_equal(source_describe(s)->rows, 5);
        assert_ok(source_rewind(s, &e), e);
    }
    room_end(&r);
}

static void a_source_says_what_it_found(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    char *path =
        file_of(&r, "x.json",
                STR("{\"rows\":[{\"prompt\":\"p\",\"completion\":\"c\",\"id\":4},{\"prompt\":\"q\",\"completion\":\"d\"}]}"));
    source *s = source_open(r.a, path, &e);
    assert_ok(s, e);
    const source_info *info = source_describe(s);
    assert_string_equal(info->format, "prompt-completion");
    assert_string_equal(info->layout, "the JSON array 'rows'");
    assert_string_equal(info->reason, "columns 'prompt', 'completion'");
    assert_int_equal(info->kind, EXAMPLE_PROMPT_COMPLETION);
    assert_false(info->conversational);
    assert_string_equal(info->used[1], "completion");
    assert_null(info->used[2]);
    assert_string_equal(info->ignored[0], "id");
    assert_string_equal(info->preview[1], "{\"prompt\":\"q\",\"completion\":\"d\"}");
    assert_null(info->preview[2]);
    assert_int_equal(info->rows, -1);
    room_end(&r);
}

static void rows_of_unequal_columns_are_judged_together(void **state) {
    (void)state;
    gives("{\"id\":1}\n" A A, "ERROR rows.jsonl line 1: field 'text' should be a text, but is missing\n");
}

static void a_row_over_64_mb_is_refused_and_a_large_one_read(void **state) {
    (void)state;
    room r = room_new();
    buf big = {0};
    const size_t sizes[] = {5 << 20, 65 << 20};
    for (int array = 0; array < 2; array++)
        for (int i = 0; i < 2; i++) {
            buf_clear(&big);
            buf_put_text(&big, array ? "[{\"text\":\"a\"},{\"text\":\"" : A "{\"text\":\"");
            for (size_t n = 0; n < sizes[i]; n += 16) buf_put_text(&big, "0123456789abcdef");
            buf_put_text(&big, array ? "\"}]" : "\"}\n");
            char *got = read_with(&r, file_of(&r, "big.json", buf_str(&big)), NULL), *at = strstr(got, "ERROR");
            if (!i) assert_int_equal(strlen(got), strlen(A) * 2 + sizes[i] - 1);
            else assert_non_null(at);
            if (i) assert_non_null(strstr(at, "67108864 bytes"));
            if (i) assert_non_null(strstr(at, array ? "big.json line 1" : "line 2"));
        }
    buf_free(&big);
    room_end(&r);
}

static void a_large_file_does_not_sit_in_memory(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    file_out f;
    char *path = path_join(r.a, r.folder, "large.json");
    assert_ok(file_out_open(&f, path, &e), e);
    const char *row =
        "{\"prompt\":\"How are you today, my friend of old?\",\"completion\":\"Well, thank you; and how are you?\"}";
    assert_ok(file_out_put(&f, "[", 1, &e), e);
    for (int i = 0; i < 400000; i++) {
        if (i) assert_ok(file_out_put(&f, ",\n", 2, &e), e);
        assert_ok(file_out_put(&f, row, strlen(row), &e), e);
    }
    assert_ok(file_out_put(&f, "]\n", 2, &e) && file_out_commit(&f, &e), e);
    const size_t before = sys_memory_resident();
    source *s = source_open(r.a, path, &e);
    assert_ok(s, e);
    int64_t count = 0;
    size_t most = 0;
    for (bool more = true; more;) {
        example x;
        arena *one = arena_new();
        more = source_next(s, one, &x, &e);
        if (more && !(count++ & 0xffff) && sys_memory_resident() > most) most = sys_memory_resident();
        arena_free(one);
    }
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(count, 400000);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
    assert_true(most < before + (8u << 20));
#endif
    (void)before;
    room_end(&r);
}

static int reads_left;
static ssize_t failing_read(int fd, void *data, size_t size) { return reads_left-- > 0 ? read(fd, data, size) : -1; }

static void a_failing_disk_is_an_error_wherever_it_fails(void **state) {
    (void)state;
    const file_ops real = file_io;
    const char *files[] = {A B, "[{\"text\":\"a\"},{\"text\":\"b\"}]", "{\"d\":[{\"text\":\"a\"},{\"text\":\"b\"}]}"};
    const source_options forgiving = {.skip_bad = true};
    for (int i = 0; i < 3; i++) {
        room r = room_new();
        char *path = file_of(&r, "x.json", str_of(files[i])), *got = NULL;
        bool ended = false;
        for (int n = 0; n < 200 && !ended; n++) {
            reads_left = n;
            file_io.read = failing_read;
            got = read_with(&r, path, &forgiving);
            file_io = real;
            ended = reads_left >= 0;
            if (!ended) assert_non_null(strstr(got, "ERROR"));
        }
        assert_true(ended);
        assert_string_equal(got, A B);
        room_end(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(lines_arrays_and_objects_around_arrays_hold_rows),
        TEST(one_line_is_a_row_if_it_can_be_one),
        TEST(byte_order_marks_line_ends_and_blank_lines_do_not_matter),
        TEST(what_holds_no_rows_is_refused_with_words),
        TEST(folders_missing_files_and_unknown_formats_are_named),
        TEST(errors_name_the_line_of_the_file),
        TEST(arrays_that_do_not_end_well_are_errors),
        TEST(two_formats_that_fit_are_asked_about),
        TEST(a_file_of_another_kind_than_wanted_still_opens),
        TEST(bad_rows_can_be_left_out_and_are_counted),
        TEST(a_source_says_what_it_found),
        TEST(rows_of_unequal_columns_are_judged_together),
        TEST(a_row_over_64_mb_is_refused_and_a_large_one_read),
        TEST(a_large_file_does_not_sit_in_memory),
        TEST(a_failing_disk_is_an_error_wherever_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
