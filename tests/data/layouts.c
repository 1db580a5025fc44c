/* Tables of text, Parquet and folders as sources: the same rows whatever they lie in. */
#include "reading.h"

#include "base/compress.h"
#include "data/folder.h"

static const char *read_file(room *r, const char *name, const char *text) {
    return read_with(r, file_of(r, name, str_of(text)), NULL);
}

static void table_gives(const char *name, const char *text, const char *expected) {
    room r = room_new();
    assert_string_equal(read_file(&r, name, text), expected);
    room_end(&r);
}

#define PAIRS "{\"prompt\":\"a, b\",\"completion\":\"c\"}\n{\"prompt\":\"d\",\"completion\":\"e \\\"f\\\"\\ng\"}\n"

static void tables_of_text_hold_rows(void **state) {
    (void)state;
    const char *quoted = "prompt,completion\n\"a, b\",c\nd,\"e \"\"f\"\"\ng\"\n";
    table_gives("x.csv", quoted, PAIRS);
    table_gives("x.CSV", "\xef\xbb\xbfprompt,completion\r\n\"a, b\",c\r\n\r\nd,\"e \"\"f\"\"\ng\"", PAIRS);
    table_gives("x.tsv", "prompt\tcompletion\na, b\tc\nd\t\"e \"\"f\"\"\ng\"\n", PAIRS);
    table_gives("x.csv", "prompt;completion\na, b;c\nd;\"e \"\"f\"\"\ng\"\n", PAIRS);
    table_gives("x.csv", "text\n", "ERROR x.csv holds no rows\n");
    table_gives("x.csv", "", "ERROR x.csv is empty: expected a first line with the names of the columns\n");
}

static void columns_of_a_table_have_types(void **state) {
    (void)state;
    table_gives(
        "x.csv", "prompt,completion,label\np,c,1\nq,d,0\n",
        "{\"prompt\":\"p\",\"completion\":\"c\",\"label\":true}\n{\"prompt\":\"q\",\"completion\":\"d\",\"label\":false}\n");
    table_gives("x.csv", "prompt,completion,label\n1,2,True\n007,,False\n",
                "{\"prompt\":\"1\",\"completion\":\"2\",\"label\":true}\n"
                "{\"prompt\":\"007\",\"completion\":\"\",\"label\":false}\n");
    table_gives("x.csv", "messages\n\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"a\"\"}]\"\n",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n");
    table_gives("x.csv", "prompt,chosen,rejected,margin\np,c,r,0.5\nq,d,s,\n",
                "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"margin\":0.5}\n"
                "{\"prompt\":\"q\",\"chosen\":\"d\",\"rejected\":\"s\"}\n");
}

static void damaged_tables_name_the_line(void **state) {
    (void)state;
    table_gives("x.csv", "text,id\na,1\nb\nc,3\n", "{\"text\":\"a\"}\nERROR x.csv line 3: 1 cells, but there are 2 columns\n");
    table_gives("x.csv", "text,id\na,1\n\n\"b,2\nc,3\n",
                "{\"text\":\"a\"}\nERROR x.csv line 4: a quote is opened here and never closed\n");
    table_gives("x.csv", "text,id\n\"a\"b,1\n",
                "ERROR x.csv line 2: expected a delimiter or the end of the line behind a closing quote\n");
    table_gives("x.csv", "text,text\na,1\n", "ERROR x.csv line 1: two columns are called 'text'\n");
    table_gives("x.csv", "text\na\n\xff\n", "{\"text\":\"a\"}\nERROR x.csv line 3: column 'text' is not UTF-8\n");
    room r = room_new();
    const str nul = STR("text\na\nb\0c\n");
    assert_string_equal(
        read_with(&r, file_of(&r, "x.csv", nul), NULL),
        "{\"text\":\"a\"}\nERROR x.csv line 3: a byte of value 0, which no text has; is this another kind of file?\n");
    const source_options forgiving = {.skip_bad = true};
    assert_string_equal(read_with(&r, file_of(&r, "x.csv", STR("text,id\na,1\nb\nc,3\n")), &forgiving),
                        "{\"text\":\"a\"}\n{\"text\":\"c\"}\n");
    room_end(&r);
}

/* ---- Parquet ---------------------------------------------------------------------------------------------------------------------- */

static void parquet_holds_examples(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    source *s = source_open(r.a, "tests/data/parquet/chats.parquet", &e);
    assert_ok(s, e);
    const source_info *info = source_describe(s);
    assert_string_equal(info->format, "messages");
    assert_string_equal(info->layout, "Parquet");
    assert_true(info->conversational);
    int64_t rows = 0;
    for (example x; source_next(s, r.a, &x, &e); rows++) assert_int_equal(x.line, rows + 1);
    assert_ok(!e.code, e);
    assert_int_equal(rows, 6);
    assert_true(source_position(s) > 0 && source_position(s) <= info->bytes);
    room_end(&r);
}

static void a_bad_row_of_parquet_is_named(void **state) {
    (void)state;
    room r = room_new();
    char *got = read_with(&r, "messages:tests/data/parquet/chat.parquet", NULL);
    assert_non_null(strstr(got, "chat.parquet row 2: field 'messages' should be a list of messages, but is an empty list"));
    room_end(&r);
}

/* ---- folders ---------------------------------------------------------------------------------------------------------------------- */

static void put_in(room *r, const char *folder, const char *name, const char *text) {
    err e = {0};
    char *path = path_join(r->a, path_join(r->a, r->folder, folder), name);
    assert_ok(dir_make(path_folder(r->a, path), &e) && file_write(path, str_of(text), &e), e);
}

#define T(x) "{\"text\":\"" x "\"}\n"

static char *read_folder(room *r, const char *folder, const char *wish) {
    return read_with(r, arena_printf(r->a, "%s/%s%s", r->folder, folder, wish), NULL);
}

static void shards_are_read_in_order(void **state) {
    (void)state;
    room r = room_new();
    put_in(&r, "d", "data/train-00001-of-00002.jsonl", T("c") "{\"text\":1}\n");
    put_in(&r, "d", "data/train-00000-of-00002.jsonl", T("a") T("b"));
    put_in(&r, "d", "data/test-00000-of-00001.jsonl", T("t"));
    put_in(&r, "d", "dataset_info.json", "{}");
    assert_string_equal(read_folder(&r, "d", ""),
                        T("a") T("b") T("c") "ERROR d/data/train-00001-of-00002.jsonl line 2: field 'text' "
                                             "should be a text, but is an integer\n");
    assert_string_equal(read_folder(&r, "d", "#split=test"), T("t"));
    assert_string_equal(read_folder(&r, "d", "#split=validation"), "ERROR d has no split 'validation'; it has test, train\n");
    assert_string_equal(read_folder(&r, "d", "#x"), "ERROR expected d#split=NAME or #subset=NAME,split=NAME; 'x' is neither\n");
    put_in(&r, "e", "train-00001-of-00003.jsonl", T("c"));
    assert_string_equal(read_folder(&r, "e", ""),
                        "ERROR e: 1 of 3 shards of train-00001-of-00003.jsonl are there; fetch the others too\n");
    room_end(&r);
}

static void names_tell_the_split(void **state) {
    (void)state;
    room r = room_new();
    put_in(&r, "d", "my_training_set.csv", "text\na\n");
    put_in(&r, "d", "dev/part.csv", "text\nb\n");
    put_in(&r, "d", "README.md", "# A data set without configs\n");
    put_in(&r, "d", ".cache/test.csv", "text\nhidden\n");
    assert_string_equal(read_folder(&r, "d", ""), T("a"));
    assert_string_equal(read_folder(&r, "d", "#split=validation"), T("b"));
    put_in(&r, "one", "latest.json", "[{\"text\":\"a\"}]");
    assert_string_equal(read_folder(&r, "one", ""), T("a"));
    put_in(&r, "two", "custom-00000-of-00001.jsonl", T("a"));
    put_in(&r, "two", "other-00000-of-00001.jsonl", T("b"));
    assert_string_equal(read_folder(&r, "two", ""), "ERROR two has several splits (custom, other); say which: two#split=NAME\n");
    assert_string_equal(read_folder(&r, "two", "#split=other"), T("b"));
    room_end(&r);
}

static void the_readme_names_subsets_and_splits(void **state) {
    (void)state;
    room r = room_new();
    put_in(
        &r, "d", "README.md",
        "---\nlicense: mit\nlanguage:\n- en\nconfigs:\n- config_name: en   # English\n  default: true\n  data_files:\n  - split: "
        "train\n"
        "    path: \"en/tr*.jsonl\"\n  - split: test\n    path:\n    - en/x.jsonl\n    - 'deep/**/y.jsonl'\n- config_name: de\n"
        "  data_dir: de\n  data_files: '*.jsonl'\n- config_name: fr\n  data_files: [fr/a.jsonl, fr/b.jsonl]\ntags:\n- x\n---\n# "
        "Title\n");
    put_in(&r, "d", "en/tr1.jsonl", T("1"));
    put_in(&r, "d", "en/tr2.jsonl", T("2"));
    put_in(&r, "d", "en/x.jsonl", T("x"));
    put_in(&r, "d", "deep/er/still/y.jsonl", T("y"));
    put_in(&r, "d", "de/a.jsonl", T("de"));
    put_in(&r, "d", "fr/a.jsonl", T("fa"));
    put_in(&r, "d", "fr/b.jsonl", T("fb"));
    put_in(&r, "d", "unnamed.jsonl", T("?"));
    assert_string_equal(read_folder(&r, "d", ""), T("1") T("2"));
    assert_string_equal(read_folder(&r, "d", "#split=test"), T("y") T("x"));
    assert_string_equal(read_folder(&r, "d", "#subset=de"), T("de"));
    assert_string_equal(read_folder(&r, "d", "#subset=fr,split=train"), T("fa") T("fb"));
    assert_string_equal(read_folder(&r, "d", "#subset=it"), "ERROR d has no subset 'it'; it has en, de, fr\n");
    room_end(&r);
}

static void arrow_is_refused_with_the_way_out(void **state) {
    (void)state;
    room r = room_new();
    put_in(&r, "d", "data-00000-of-00001.arrow", "ARROW1");
    put_in(&r, "d", "dataset_info.json", "{}");
    put_in(&r, "d", "state.json", "{}");
    assert_non_null(strstr(read_folder(&r, "d", ""),
                           "Arrow files, as save_to_disk writes them, which are not read; write it as Parquet: "
                           "datasets.load_from_disk("));
    room_end(&r);
}

static char *packed_file(room *r, const char *name, compression c, const char *text) {
    buf packed = {0};
    err e = {0};
    assert_ok(bytes_pack(c, str_of(text), &packed, &e), e);
    char *path = file_of(r, name, buf_str(&packed));
    buf_free(&packed);
    return path;
}

static void packed_files_are_unpacked(void **state) {
    (void)state;
    room r = room_new();
    assert_string_equal(read_with(&r, packed_file(&r, "x.jsonl.gz", COMPRESS_GZIP, T("a") T("b")), NULL), T("a") T("b"));
    assert_string_equal(read_with(&r, packed_file(&r, "x.csv.zst", COMPRESS_ZSTD, "text\na\n"), NULL), T("a"));
    assert_string_equal(read_with(&r, packed_file(&r, "y.jsonl.gz", COMPRESS_GZIP, T("a") "{\"text\":1}\n"), NULL),
                        T("a") "ERROR y.jsonl.gz line 2: field 'text' should be a text, but is an integer\n");
    put_in(&r, "d", "train.jsonl.gz", "");
    packed_file(&r, "d/train.jsonl.gz", COMPRESS_GZIP, T("in a folder"));
    assert_string_equal(read_folder(&r, "d", ""), T("in a folder"));
    char *path = packed_file(&r, "z.jsonl.zst", COMPRESS_ZSTD, T("a") T("b"));
    err e = {0};
    str bytes;
    assert_ok(file_read(r.a, path, 1 << 20, &bytes, &e), e);
    assert_string_equal(read_with(&r, file_of(&r, "z.jsonl.zst", str_slice(bytes, 0, bytes.len - 2)), NULL),
                        "ERROR z.jsonl.zst: the zstd file ends too early\n");
    room_end(&r);
}

static void patterns_are_those_of_a_shell(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool fits;
    } cases[] = {
        {"a*.csv", "abc.csv", true},
        {"a*.csv", "a/b.csv", false},
        {"**/b.csv", "b.csv", true},
        {"**/b.csv", "x/y/b.csv", true},
        {"data/**", "data/x/y", true},
        {"data/**", "other/x", false},
        {"t?st", "test", true},
        {"t?st", "t/st", false},
        {"x[0-9]", "x7", true},
        {"x[!0-9]", "x7", false},
        {"*", "abc", true},
        {"*", "a/b", false},
        {"**/a*b/*.c", "q/axb/d.c", true},
        {"**/a*b/*.c", "a/axc/d.c", false},
        {"a", "ab", false},
        {"*a*a*", "xaya", true},
        {"**a/b*c", "x/a/bxc", true},
        {"", "", true},
        {"*-of-*", "train-0-of-2", true},
        {"a**", "abc/d", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (folder_glob(str_of(cases[i].pattern), str_of(cases[i].path)) != cases[i].fits)
            fail_msg("pattern %s, path %s", cases[i].pattern, cases[i].path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tables_of_text_hold_rows),  TEST(columns_of_a_table_have_types),       TEST(damaged_tables_name_the_line),
        TEST(parquet_holds_examples),    TEST(a_bad_row_of_parquet_is_named),       TEST(shards_are_read_in_order),
        TEST(names_tell_the_split),      TEST(the_readme_names_subsets_and_splits), TEST(arrow_is_refused_with_the_way_out),
        TEST(packed_files_are_unpacked), TEST(patterns_are_those_of_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
