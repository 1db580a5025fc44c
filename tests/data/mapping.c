/* Columns to fields: what is guessed, what comes out of a row, and what is said of rows that do not fit. */
#include "reading.h"

static str text_of(room *r, const json *v) {
    buf text = {0};
    json_put(&text, v);
    char *copy = arena_copy(r->a, text.ptr, text.len);
    buf_free(&text);
    return str_of(copy);
}

static json *parsed(room *r, const char *text) {
    err e = {0};
    json *v = json_parse(r->a, str_of(text), &e);
    assert_ok(v, e);
    return v;
}

static row_source *rows_of(room *r, const char *name, const char *text, row_facts *facts) {
    err e = {0};
    row_source *s = row_source_open(r->a, file_of(r, name, str_of(text)), &e);
    assert_ok(s, e);
    assert_ok(row_facts_look(r->a, s, 1000, facts, &e), e);
    return s;
}

#define SETTINGS                                                                                                                 \
    "{\"fields\":[{\"name\":\"prompt\",\"required\":true,\"settings\":{\"type\":\"text\"}},"                                     \
    "{\"name\":\"chat\",\"required\":false,\"settings\":{\"type\":\"chat\"}}],"                                                  \
    "\"questions\":[{\"name\":\"quality\",\"settings\":{\"type\":\"rating\",\"options\":[{\"value\":1},{\"value\":2}]}},"        \
    "{\"name\":\"label\",\"settings\":{\"type\":\"label_selection\",\"options\":[{\"value\":\"good\"},{\"value\":\"bad\"}]}},"   \
    "{\"name\":\"order\",\"settings\":{\"type\":\"ranking\",\"options\":[{\"value\":\"a\"},{\"value\":\"b\"}]}}],"               \
    "\"metadata\":[{\"name\":\"length\",\"settings\":{\"type\":\"integer\"}}],"                                                  \
    "\"vectors\":[{\"name\":\"v\",\"dimensions\":2}],\"allow_extra_metadata\":false}"

#define ROW                                                                                                                      \
    "{\"id\":7,\"Instruction\":\"Say hi\",\"messages\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"role\":\"assistant\","          \
    "\"content\":[{\"type\":\"text\",\"text\":\"Hel\"},{\"text\":\"lo\"}]}],\"score\":2,\"label\":\"good\",\"length\":3,"        \
    "\"order\":[\"b\",\"a\"],\"v\":[0.5,1],\"x\":null}\n"

static void names_and_values_tell_what_a_column_is_for(void **state) {
    (void)state;
    room r = room_new();
    row_facts facts;
    rows_of(&r, "x.jsonl", ROW "{\"id\":8,\"Instruction\":\"Say no\",\"score\":1}\n", &facts);
    const json *map = mapping_guess(r.a, &facts, parsed(&r, SETTINGS));
    assert_string_equal(
        text_of(&r, map).ptr,
        "{\"fields\":[{\"source\":\"Instruction\",\"target\":\"prompt\"},{\"source\":\"messages\",\"target\":\"chat\"}],"
        "\"metadata\":[{\"source\":\"length\",\"target\":\"length\"}],\"suggestions\":[{\"source\":\"label\",\"target\":"
        "\"label\"},{\"source\":\"order\",\"target\":\"order\"},{\"source\":\"score\",\"target\":\"quality\"}],"
        "\"vectors\":[{\"source\":\"v\",\"target\":\"v\"}],\"external_id\":\"id\"}");
    room_end(&r);
}

static void a_required_field_takes_the_only_text(void **state) {
    (void)state;
    room r = room_new();
    row_facts facts;
    rows_of(&r, "x.jsonl", "{\"words\":\"some words\",\"n\":[1]}\n{\"words\":\"more\"}\n", &facts);
    const json *map = mapping_guess(r.a, &facts, parsed(&r, SETTINGS));
    assert_string_equal(text_of(&r, json_get(map, "fields")).ptr, "[{\"source\":\"words\",\"target\":\"prompt\"}]");
    room_end(&r);
}

static json *apply(room *r, const char *map, const char *row, err *e) {
    json *item = NULL;
    mapping_plan *m = mapping_open(r->a, parsed(r, map), parsed(r, SETTINGS), NULL, e);
    if (!m || !mapping_apply(m, r->a, parsed(r, row), &item, e)) return NULL;
    return item;
}

static void a_row_becomes_an_item(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    rows_of(&r, "x.jsonl", ROW, &facts);
    const json *settings = parsed(&r, SETTINGS);
    mapping_plan *m = mapping_open(r.a, mapping_guess(r.a, &facts, settings), settings, &facts, &e);
    json *item;
    assert_ok(m && mapping_apply(m, r.a, parsed(&r, ROW), &item, &e), e);
    assert_string_equal(
        text_of(&r, item).ptr,
        "{\"external_id\":\"7\",\"fields\":{\"prompt\":\"Say hi\",\"chat\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":"
        "\"assistant\",\"content\":\"Hello\"}]},\"metadata\":{\"length\":3},\"vectors\":{\"v\":[0.5,1]},\"suggestions\":["
        "{\"question_name\":\"label\",\"value\":\"good\"},{\"question_name\":\"order\",\"value\":[{\"value\":\"b\"},{\"value\":"
        "\"a\"}]},{\"question_name\":\"quality\",\"value\":2}]}");
    room_end(&r);
}

static void suggestions_say_from_which_file_they_came(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    json *item;
    mapping_plan *m = mapping_open(
        r.a,
        parsed(
            &r,
            "{\"fields\":[{\"source\":\"p\",\"target\":\"prompt\"}],\"suggestions\":[{\"source\":\"l\",\"target\":\"label\"}]}"),
        parsed(&r, SETTINGS), NULL, &e);
    assert_ok(m, e);
    mapping_of_file(m, r.a, "my labels(1).jsonl");
    assert_ok(mapping_apply(m, r.a, parsed(&r, "{\"p\":\"a\",\"l\":\"good\"}"), &item, &e), e);
    const json *one = json_at(json_get(item, "suggestions"), 0);
    assert_true(str_is(json_get_text(one, "agent", STR("")), "file:my labels_1_.jsonl"));
    room_end(&r);
}

#define PROMPT "{\"fields\":[{\"source\":\"p\",\"target\":\"prompt\"}]"

static void says(const char *map, const char *row, const char *words) {
    room r = room_new();
    err e = {0};
    assert_null(apply(&r, map, row, &e));
    assert_string_equal(e.text, words);
    room_end(&r);
}

static void rows_that_do_not_fit_are_explained(void **state) {
    (void)state;
    says(PROMPT "}", "{\"q\":1}", "column 'p' is missing, but field 'prompt' is required");
    says(PROMPT "}", "{\"p\":[1]}", "column 'p' should be a text for 'prompt', but is a list");
    says(PROMPT ",\"metadata\":[{\"source\":\"n\",\"target\":\"length\"}]}", "{\"p\":\"a\",\"n\":\"long\"}",
         "column 'n' should be an integer for 'length', but is a text");
    says(PROMPT ",\"suggestions\":[{\"source\":\"l\",\"target\":\"label\"}]}", "{\"p\":\"a\",\"l\":\"fine\"}",
         "column 'l': \"fine\" is none of the options of 'label' (\"good\", \"bad\")");
    says(PROMPT ",\"vectors\":[{\"source\":\"v\",\"target\":\"v\"}]}", "{\"p\":\"a\",\"v\":[1]}",
         "column 'v' should have 2 numbers for 'v', but has 1");
    says("{\"fields\":[{\"source\":\"p\",\"target\":\"chat\"}]}", "{\"p\":[{\"role\":\"user\"},{}]}",
         "column 'p', message 2 should be an object with a text 'role' and 'content'");
}

static void mappings_that_name_nothing_are_explained(void **state) {
    (void)state;
    says("{}", "{}", "the mapping gives no field a column; fields are prompt, chat");
    says("{\"fields\":[{\"source\":\"p\",\"target\":\"q\"}]}", "{}", "there is no field 'q'; there are prompt, chat");
    says("{\"fields\":[{\"source\":\"p\"}]}", "{}",
         "'fields' of the mapping should be a list of objects with 'source' and 'target'");
    says(PROMPT ",\"metadata\":[{\"source\":\"n\",\"target\":\"other\"}]}", "{}",
         "there is no metadata property 'other'; there are length");
    room r = room_new();
    err e = {0};
    row_facts facts;
    rows_of(&r, "x.jsonl", "{\"a\":1,\"b\":{\"c\":\"x\"}}\n", &facts);
    assert_null(mapping_open(r.a, parsed(&r, PROMPT "}"), parsed(&r, SETTINGS), &facts, &e));
    assert_string_equal(e.text, "there is no column 'p'; columns are a, b");
    room_end(&r);
}

static void a_path_reaches_into_objects(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    json *item;
    row_source *s = rows_of(&r, "x.jsonl", "{\"b\":{\"c\":{\"d\":\"deep\"}}}\n", &facts);
    (void)s;
    mapping_plan *m = mapping_open(r.a, parsed(&r, "{\"fields\":[{\"source\":\"b.c.d\",\"target\":\"prompt\"}]}"),
                                   parsed(&r, SETTINGS), &facts, &e);
    assert_ok(m && mapping_apply(m, r.a, parsed(&r, "{\"b\":{\"c\":{\"d\":\"deep\"}}}"), &item, &e), e);
    assert_string_equal(text_of(&r, item).ptr, "{\"fields\":{\"prompt\":\"deep\"}}");
    room_end(&r);
}

static void numbers_become_texts_and_texts_numbers(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    json *item =
        apply(&r,
              PROMPT ",\"metadata\":[{\"source\":\"n\",\"target\":\"length\"}],\"suggestions\":[{\"source\":\"r\",\"target\":"
                     "\"quality\"}],\"external_id\":\"i\"}",
              "{\"p\":1.5,\"n\":\"12\",\"r\":2.0,\"i\":3}", &e);
    assert_ok(item, e);
    assert_string_equal(text_of(&r, item).ptr,
                        "{\"external_id\":\"3\",\"fields\":{\"prompt\":\"1.5\"},\"metadata\":{\"length\":12},\"suggestions\":[{"
                        "\"question_name\":\"quality\",\"value\":2}]}");
    room_end(&r);
}

static void settings_for_new_data_sets_follow_the_columns(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    buf rows = {0};
    json *map;
    for (int i = 0; i < 30; i++)
        buf_printf(&rows,
                   "{\"id\":\"row-%d\",\"Prompt Text\":\"Question number %d, which is a long "
                   "one\",\"messages\":[{\"role\":\"user\",\"content\":"
                   "\"a\"}],\"label\":\"%s\",\"rating\":%d,\"words\":%d,\"share\":%d.5,\"lang\":\"%s\",\"vec\":[1,2.5,%d]}\n",
                   i, i, i % 2 ? "yes" : "no", i % 5 + 1, i * 3, i, i % 3 ? "en" : "de", i);
    rows_of(&r, "x.jsonl", rows.ptr, &facts);
    const json *settings = mapping_settings(r.a, &facts, &map, &e);
    assert_ok(settings, e);
    assert_string_equal(
        text_of(&r, json_get(settings, "fields")).ptr,
        "[{\"name\":\"prompt_text\",\"title\":\"Prompt Text\",\"required\":true,\"settings\":{\"type\":\"text\",\"use_markdown\":"
        "false}},{\"name\":\"messages\",\"title\":\"messages\",\"required\":false,\"settings\":{\"type\":\"chat\",\"use_"
        "markdown\":true}}]");
    const json *questions = json_get(settings, "questions"), *metadata = json_get(settings, "metadata");
    assert_int_equal(json_count(questions), 2);
    assert_true(str_is(json_get_text(json_get(json_at(questions, 0), "settings"), "type", STR("")), "label_selection"));
    assert_true(str_is(json_get_text(json_get(json_at(questions, 1), "settings"), "type", STR("")), "rating"));
    assert_int_equal(json_count(json_get(json_get(json_at(questions, 1), "settings"), "options")), 5);
    assert_int_equal(json_count(metadata), 3);
    const char *types[] = {"integer", "float", "terms"};
    for (size_t i = 0; i < 3; i++)
        assert_true(str_is(json_get_text(json_get(json_at(metadata, i), "settings"), "type", STR("")), types[i]));
    assert_int_equal(json_get_int(json_at(json_get(settings, "vectors"), 0), "dimensions", 0), 3);
    assert_true(str_is(json_get_text(map, "external_id", STR("")), "id"));
    mapping_plan *m = mapping_open(r.a, map, settings, &facts, &e);
    assert_ok(m, e);
    row_source *s = row_source_open(r.a, path_join(r.a, r.folder, "x.jsonl"), &e);
    int count = 0;
    for (json *row, *item; row_source_next(s, r.a, &row, &e); count++) assert_ok(mapping_apply(m, r.a, row, &item, &e), e);
    assert_int_equal(count, 30);
    buf_free(&rows);
    room_end(&r);
}

/* Whatever columns are called and hold, the API takes the settings and the items. */
static void what_is_guessed_can_be_made(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    buf rows = {0};
    json *map, *out;
    for (int i = 0; i < 40; i++) {
        buf_printf(&rows, "{\"Ünï cöde!\":\"text number %d that is long enough to be one\",\"\xe7\xbb\xbf\":%d,", i, i);
        for (int k = 0; k < 3; k++) buf_printf(&rows, "\"%0400d%d\":\"%d\",", 0, k, i % 2);
        for (int k = 0; k < 8; k++) buf_printf(&rows, "\"vector %d\":[%d,1],", k, i);
        buf_printf(&rows, "\"Label\":\"%s\",\"label\":%s,\"rating\":%d,\"score\":%d,\"A b\":1,\"a_b\":2,\"\":3}\n",
                   i % 3 == 0   ? ""
                   : i % 3 == 1 ? "x"
                                : "y",
                   i % 2 ? "true" : "false", i % 11, i % 2);
    }
    row_source *s = rows_of(&r, "x.jsonl", rows.ptr, &facts);
    const json *settings = mapping_settings(r.a, &facts, &map, &e);
    assert_ok(settings, e);
    const json *fields = json_get(settings, "fields"), *questions = json_get(settings, "questions");
    const kind_context c = {.fields = fields};
    const json *metadata = json_get(settings, "metadata"), *vectors = json_get(settings, "vectors");
    for (size_t i = 0; i < json_count(fields); i++) assert_ok(field_create(r.a, json_at(fields, i), NULL, &out, &e), e);
    for (size_t i = 0; i < json_count(questions); i++) assert_ok(question_create(r.a, json_at(questions, i), &c, &out, &e), e);
    for (size_t i = 0; i < json_count(metadata); i++) assert_ok(metadata_create(r.a, json_at(metadata, i), NULL, &out, &e), e);
    for (size_t i = 0; i < json_count(vectors); i++) assert_ok(vector_create(r.a, json_at(vectors, i), NULL, &out, &e), e);
    assert_int_equal(json_count(vectors), VECTORS_MAX);
    assert_int_equal(json_count(questions), 4);
    assert_ok(dataset_publishable(fields, questions, &e), e);
    mapping_plan *m = mapping_open(r.a, map, settings, &facts, &e);
    assert_ok(m, e);
    int suggestions = 0;
    for (json *row, *item; row_source_next(s, r.a, &row, &e);) {
        assert_ok(mapping_apply(m, r.a, row, &item, &e), e);
        assert_ok(fields_check(fields, json_get(item, "fields"), &e), e);
        assert_ok(metadata_check(metadata, false, json_get(item, "metadata"), &e), e);
        assert_ok(vectors_check(vectors, json_get(item, "vectors"), &e), e);
        const json *list = json_get(item, "suggestions");
        for (size_t i = 0; i < json_count(list); i++, suggestions++)
            assert_ok(suggestion_check(questions, json_get(item, "fields"), json_at(list, i), NULL, &e), e);
    }
    assert_ok(!e.code, e);
    assert_int_equal(suggestions, 40 * 4 - 14);
    buf_free(&rows);
    room_end(&r);
}

static void a_comparison_is_its_choice(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    json *item;
    const json *settings = parsed(&r, "{\"fields\":[{\"name\":\"p\",\"settings\":{\"type\":\"text\"}}],\"questions\":[{\"name\":"
                                      "\"better\",\"settings\":{\"type\":\"comparison\"}}]}");
    mapping_plan *m = mapping_open(r.a,
                                   parsed(&r, "{\"fields\":[{\"source\":\"p\",\"target\":\"p\"}],\"suggestions\":[{\"source\":"
                                              "\"w\",\"target\":\"better\"}]}"),
                                   settings, NULL, &e);
    assert_ok(m && mapping_apply(m, r.a, parsed(&r, "{\"p\":\"x\",\"w\":\"tie\"}"), &item, &e), e);
    assert_string_equal(text_of(&r, json_get(item, "suggestions")).ptr,
                        "[{\"question_name\":\"better\",\"value\":{\"choice\":\"tie\"}}]");
    assert_false(mapping_apply(m, r.a, parsed(&r, "{\"p\":\"x\",\"w\":\"c\"}"), &item, &e));
    assert_non_null(strstr(e.text, "column 'w' should be 'a', 'b', 'tie' or 'both_bad'"));
    room_end(&r);
}

/* A file of preferences trains as it is, and people can say otherwise. */
static void a_chosen_and_a_rejected_answer_are_compared(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    json *map, *item, *out;
    rows_of(
        &r, "x.jsonl",
        "{\"prompt\":\"p1\",\"rejected\":\"r1\",\"chosen\":\"c1\"}\n{\"prompt\":\"p2\",\"rejected\":\"r2\",\"chosen\":\"c2\"}\n",
        &facts);
    const json *settings = mapping_settings(r.a, &facts, &map, &e);
    assert_ok(settings, e);
    const json *questions = json_get(settings, "questions");
    const kind_context c = {.fields = json_get(settings, "fields")};
    assert_int_equal(json_count(questions), 1);
    assert_ok(question_create(r.a, json_at(questions, 0), &c, &out, &e), e);
    assert_string_equal(text_of(&r, json_get(json_get(json_at(questions, 0), "settings"), "fields")).ptr,
                        "[\"chosen\",\"rejected\"]");
    const char *row = "{\"prompt\":\"p\",\"rejected\":\"r\",\"chosen\":\"c\"}",
               *wanted = "[{\"question_name\":\"better\",\"value\":{\"choice\":\"a\"},\"agent\":\"file:x.jsonl\"}]";
    mapping_plan *m = mapping_open(r.a, map, settings, &facts, &e);
    assert_ok(m, e);
    mapping_of_file(m, r.a, "x.jsonl");
    assert_ok(mapping_apply(m, r.a, parsed(&r, row), &item, &e), e);
    assert_string_equal(text_of(&r, json_get(item, "suggestions")).ptr, wanted);
    m = mapping_open(r.a, mapping_guess(r.a, &facts, settings), settings, &facts, &e); /* more rows into the same data set */
    assert_ok(m, e);
    mapping_of_file(m, r.a, "x.jsonl");
    assert_ok(mapping_apply(m, r.a, parsed(&r, row), &item, &e), e);
    assert_string_equal(text_of(&r, json_get(item, "suggestions")).ptr, wanted);
    room_end(&r);
}

/* A licence that is a field would forbid nothing. */
static void what_recipes_read_of_a_record_is_metadata(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    json *map;
    rows_of(&r, "x.jsonl",
            "{\"prompt\":\"p1\",\"licence\":\"mit\",\"source\":\"a\"}\n{\"prompt\":\"p2\",\"licence\":\"cc-by-4.0\",\"source\":"
            "\"b\"}\n",
            &facts);
    const json *settings = mapping_settings(r.a, &facts, &map, &e);
    assert_ok(settings, e);
    assert_int_equal(json_count(json_get(settings, "fields")), 1);
    assert_string_equal(text_of(&r, json_get(map, "metadata")).ptr,
                        "[{\"source\":\"licence\",\"target\":\"licence\"},{\"source\":\"source\",\"target\":\"source\"}]");
    room_end(&r);
}

/* So do answers, and conversations when their last answer is edited. */
static void answers_are_edited(void **state) {
    (void)state;
    static const struct {
        const char *rows, *question, *suggested;
    } cases[] = {
        {"{\"prompt\":\"p1\",\"completion\":\"c1\"}\n{\"prompt\":\"p2\",\"completion\":\"c2\"}\n", "better",
         "[{\"source\":\"completion\",\"target\":\"better\"}]"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n", "better", "[]"},
        {"{\"completion\":\"c1\"}\n", "comment", "[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        room r = room_new();
        err e = {0};
        row_facts facts;
        json *map;
        rows_of(&r, "x.jsonl", cases[i].rows, &facts);
        const json *settings = mapping_settings(r.a, &facts, &map, &e);
        assert_ok(settings, e);
        assert_true(str_is(json_get_text(json_at(json_get(settings, "questions"), 0), "name", STR("")), cases[i].question));
        assert_string_equal(text_of(&r, json_get(map, "suggestions")).ptr, cases[i].suggested);
        assert_ok(mapping_open(r.a, map, settings, &facts, &e), e);
        room_end(&r);
    }
}

static void a_data_set_always_has_a_question(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    row_facts facts;
    json *map;
    rows_of(&r, "x.csv", "n,t\n1,a\n2,b\n", &facts);
    const json *settings = mapping_settings(r.a, &facts, &map, &e);
    assert_ok(settings, e);
    assert_int_equal(json_count(json_get(settings, "fields")), 1);
    assert_true(str_is(json_get_text(json_at(json_get(settings, "questions"), 0), "name", STR("")), "comment"));
    rows_of(&r, "y.jsonl", "{\"o\":{\"a\":1}}\n", &facts);
    assert_null(mapping_settings(r.a, &facts, &map, &e));
    assert_non_null(strstr(e.text, "nothing to show to people"));
    room_end(&r);
}

static void bad_rows_have_a_place_and_others_follow(void **state) {
    (void)state;
    room r = room_new();
    err e = {0}, bad = {0}, none = {0};
    json *row;
    row_source *s = row_source_open(r.a, file_of(&r, "x.jsonl", STR("{\"a\":1}\n{]\n[1]\n{\"a\":2}\n")), &e);
    assert_ok(s, e);
    assert_int_equal(row_source_describe(s)->column_count, 1);
    assert_string_equal(row_source_describe(s)->columns[0].type, "integer");
    assert_ok(row_source_next(s, r.a, &row, &e), e);
    assert_false(row_source_next(s, r.a, &row, &bad));
    assert_non_null(strstr(bad.text, "x.jsonl line 2, column 2: not valid JSON: expected a key"));
    assert_false(row_source_next(s, r.a, &row, &none));
    assert_non_null(strstr(none.text, "x.jsonl line 3: a row should be an object, but is an array"));
    assert_false(row_source_ended(s));
    assert_ok(row_source_next(s, r.a, &row, &e), e);
    assert_non_null(strstr(row_source_place(s, r.a), "x.jsonl line 4"));
    assert_false(row_source_next(s, r.a, &row, &e));
    assert_true(row_source_ended(s) && !e.code);
    room_end(&r);
}

static void numbers_of_classes_become_their_names(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    buf rows = {0};
    row_source *s = row_source_open(r.a, "tests/data/parquet/classes.parquet", &e);
    assert_ok(s, e);
    assert_string_equal(row_source_describe(s)->columns[0].type, "text");
    for (json *row; row_source_next(s, r.a, &row, &e);) json_put(&rows, row);
    assert_ok(!e.code, e);
    assert_string_equal(rows.ptr, "{\"label\":\"neg\",\"tags\":[\"a\",\"b\"]}{\"label\":\"pos\",\"tags\":[]}"
                                  "{\"label\":null,\"tags\":null}{\"label\":null,\"tags\":[\"b\"]}");
    buf_free(&rows);
    room_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_and_values_tell_what_a_column_is_for),
        TEST(a_required_field_takes_the_only_text),
        TEST(a_row_becomes_an_item),
        TEST(suggestions_say_from_which_file_they_came),
        TEST(rows_that_do_not_fit_are_explained),
        TEST(mappings_that_name_nothing_are_explained),
        TEST(a_path_reaches_into_objects),
        TEST(numbers_become_texts_and_texts_numbers),
        TEST(settings_for_new_data_sets_follow_the_columns),
        TEST(a_chosen_and_a_rejected_answer_are_compared),
        TEST(answers_are_edited),
        TEST(what_recipes_read_of_a_record_is_metadata),
        TEST(what_is_guessed_can_be_made),
        TEST(a_comparison_is_its_choice),
        TEST(a_data_set_always_has_a_question),
        TEST(numbers_of_classes_become_their_names),
        TEST(bad_rows_have_a_place_and_others_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
