/* Records as Argilla's SDK writes them, to items of the API and back. */
#include "reading.h"

#define SETTINGS                                                                                                                 \
    "{\"guidelines\":\"Be kind.\",\"fields\":[{\"name\":\"prompt\",\"settings\":{\"type\":\"text\"}}],\"questions\":["           \
    "{\"id\":\"q-1\",\"name\":\"rank\",\"settings\":{\"type\":\"ranking\",\"options\":[{\"value\":\"a\"},{\"value\":\"b\"}]}},"  \
    "{\"id\":\"q-2\",\"name\":\"label\",\"settings\":{\"type\":\"label_selection\",\"options\":[{\"value\":\"no\"},{\"value\":"  \
    "\"yes\"}]}}],\"metadata\":[{\"name\":\"n\",\"settings\":{\"type\":\"integer\"}}],\"vectors\":[{\"name\":\"v\","             \
    "\"dimensions\":2}],\"allow_extra_metadata\":false}"

#define NESTED                                                                                                                   \
    "{\"id\":\"r1\",\"fields\":{\"prompt\":\"Hi\"},\"metadata\":{\"n\":1},\"suggestions\":{\"rank\":{\"value\":[\"b\",\"a\"],"   \
    "\"score\":[0.5,0.25],\"agent\":\"m\"}},\"responses\":{\"rank\":[{\"value\":[\"a\",\"b\"],\"user_id\":\"u1\"},{\"value\":"   \
    "[\"b\",\"a\"],\"user_id\":\"u2\"}],\"label\":[{\"value\":\"yes\",\"user_id\":\"u2\"}]},\"vectors\":{\"v\":[1,2]},"          \
    "\"status\":\"completed\",\"_server_id\":\"s1\"}"

#define ITEM                                                                                                                     \
    "{\"external_id\":\"r1\",\"fields\":{\"prompt\":\"Hi\"},\"metadata\":{\"n\":1},\"vectors\":{\"v\":[1,2]},\"suggestions\":["  \
    "{\"question_name\":\"rank\",\"value\":[{\"value\":\"b\"},{\"value\":\"a\"}],\"score\":[0.5,0.25],\"agent\":\"m\"}],"        \
    "\"responses\":[{\"user_id\":\"u1\",\"values\":{\"rank\":{\"value\":[{\"value\":\"a\"},{\"value\":\"b\"}]}},\"status\":"     \
    "\"submitted\"},{\"user_id\":\"u2\",\"values\":{\"rank\":{\"value\":[{\"value\":\"b\"},{\"value\":\"a\"}]},\"label\":{"      \
    "\"value\":\"yes\"}},\"status\":\"submitted\"}]}"

static json *parsed(arena *a, const char *text) {
    err e = {0};
    json *v = json_parse(a, str_of(text), &e);
    assert_ok(v, e);
    return v;
}

/* Items of a file, one a line, "ERROR ..." where a record is none; members in the order of the reader. */
static char *items_of(room *r, const char *path, const json *settings) {
    err e = {0};
    buf out = {0};
    argilla_export *x = argilla_export_open(r->a, path, settings, &e);
    assert_ok(x, e);
    while (!argilla_export_ended(x)) {
        json *item;
        err bad = {0};
        if (argilla_export_next(x, r->a, &item, &bad)) json_put(&out, item);
        else if (bad.code) buf_printf(&out, "ERROR %s", strstr(bad.text, "x.json"));
        else break;
        buf_put_char(&out, '\n');
    }
    char *text = arena_text(r->a, out.ptr ? out.ptr : "");
    buf_free(&out);
    return text;
}

static void nested_records_become_items(void **state) {
    (void)state;
    room r = room_new();
    char *path = file_of(&r, "x.json", STR("[" NESTED "]"));
    assert_string_equal(items_of(&r, path, parsed(r.a, SETTINGS)), ITEM "\n");
    room_end(&r);
}

static void flattened_records_become_the_same_items(void **state) {
    (void)state;
    room r = room_new();
    const char *flat =
        "{\"id\":\"r1\",\"status\":\"completed\",\"_server_id\":\"s1\",\"prompt\":\"Hi\",\"n\":1,\"v\":[1,2],\"extra\":5,"
        "\"rank.responses\":[[\"a\",\"b\"],[\"b\",\"a\"]],\"rank.responses.users\":[\"u1\",\"u2\"],"
        "\"rank.responses.status\":[\"submitted\",\"submitted\"],\"label.responses\":[1],\"label.responses.users\":[\"u2\"],"
        "\"label.responses.status\":[\"submitted\"],\"rank.suggestion\":[\"b\",\"a\"],"
        "\"rank.suggestion.score\":[0.5,0.25],\"rank.suggestion.agent\":\"m\",\"label.suggestion\":null}\n";
    char *path = file_of(&r, "x.jsonl", str_of(flat));
    assert_string_equal(items_of(&r, path, parsed(r.a, SETTINGS)), ITEM "\n");
    err e = {0};
    json *item;
    argilla_export *x = argilla_export_open(r.a, path, NULL, &e);
    assert_false(argilla_export_next(x, r.a, &item, &e));
    assert_non_null(strstr(e.text, "x.jsonl line 1: this record is flattened"));
    room_end(&r);
}

static void the_status_of_a_response_is_told_by_its_value(void **state) {
    (void)state;
    room r = room_new();
    char *path =
        file_of(&r, "x.json",
                STR("[{\"id\":3,\"fields\":{},\"responses\":{\"label\":[{\"value\":null,\"user_id\":\"u\"},{\"value\":\"no\","
                    "\"user_id\":\"w\",\"status\":\"draft\"}]}}]"));
    assert_string_equal(
        items_of(&r, path, NULL),
        "{\"external_id\":\"3\",\"fields\":{},\"metadata\":{},\"vectors\":{},\"suggestions\":[],\"responses\":[{"
        "\"user_id\":\"u\",\"values\":{},\"status\":\"discarded\"},{\"user_id\":\"w\",\"values\":{\"label\":{\"value\":"
        "\"no\"}},\"status\":\"draft\"}]}\n");
    room_end(&r);
}

static void a_person_with_two_statuses_has_a_draft(void **state) {
    (void)state;
    room r = room_new();
    char *path =
        file_of(&r, "x.jsonl",
                STR("{\"id\":\"a\",\"rank.responses\":[[\"a\"]],\"rank.responses.users\":[\"u\"],\"rank.responses.status\":"
                    "[\"submitted\"],\"label.responses\":[0],\"label.responses.users\":[\"u\"],\"label.responses.status\":"
                    "[\"discarded\"]}"));
    assert_non_null(strstr(items_of(&r, path, parsed(r.a, SETTINGS)), "\"label\":{\"value\":\"no\"}},\"status\":\"draft\"}]"));
    room_end(&r);
}

static void damaged_records_are_named_and_others_follow(void **state) {
    (void)state;
    room r = room_new();
    char *path = file_of(&r, "x.json",
                         STR("[{\"fields\":{},\"metadata\":[]},\n{\"fields\":{},\"responses\":{\"q\":5}},\n{\"fields\":{},"
                             "\"responses\":{\"q\":[5]}}"
                             ",\n{\"id\":\"ok\",\"fields\":{}}]"));
    assert_string_equal(
        items_of(&r, path, NULL),
        "ERROR x.json line 1: 'metadata' should be an object, but is an array\n"
        "ERROR x.json line 2: 'responses' to 'q' should be a list, but are an integer\n"
        "ERROR x.json line 3: a response to 'q' should be an object with 'value' and 'user_id', but is an integer\n"
        "{\"external_id\":\"ok\",\"fields\":{},\"metadata\":{},\"vectors\":{},\"suggestions\":[],\"responses\":[]}\n");
    room_end(&r);
}

static void a_folder_written_is_the_folder_read(void **state) {
    (void)state;
    room r = room_new();
    err e = {0};
    char *folder = path_join(r.a, r.folder, "d");
    const json *dataset = parsed(r.a, "{\"name\":\"set\",\"guidelines\":null}"), *settings = parsed(r.a, SETTINGS);
    json *item = parsed(r.a, ITEM);
    json_set(item, "id", json_new_text(r.a, STR("s1")));
    json_set(item, "status", json_new_text(r.a, STR("completed")));
    assert_false(argilla_export_is(folder));
    argilla_out *w = argilla_out_open(r.a, folder, dataset, settings, &e);
    assert_ok(w && argilla_out_item(w, item, &e) && argilla_out_item(w, item, &e) && argilla_out_commit(w, &e), e);
    assert_true(argilla_export_is(folder));
    assert_string_equal(items_of(&r, folder, NULL), ITEM "\n" ITEM "\n");
    argilla_export *x = argilla_export_open(r.a, folder, NULL, &e);
    assert_ok(x, e);
    assert_true(json_equal(json_get(argilla_export_settings(x), "questions"), json_get(settings, "questions")));
    assert_true(json_equal(argilla_export_dataset(x), dataset));
    assert_false(json_get_bool(argilla_export_settings(x), "allow_extra_metadata", true));
    room_end(&r);
}

static void an_item_becomes_the_record_it_came_from(void **state) {
    (void)state;
    arena *a = arena_new();
    json *item = parsed(a, ITEM), *settings = parsed(a, SETTINGS);
    json_set(item, "id", json_new_text(a, STR("s1")));
    json_set(item, "status", json_new_text(a, STR("completed")));
    json *suggestion = json_at(json_get(item, "suggestions"), 0);
    json_set(suggestion, "question_name", NULL);
    json_set(suggestion, "question_id", json_new_text(a, STR("q-1")));
    assert_true(json_equal(argilla_record(a, item, settings, false), parsed(a, NESTED)));
    const json *flat = argilla_record(a, item, settings, true);
    assert_true(json_equal(json_get(flat, "rank.responses"), parsed(a, "[[\"a\",\"b\"],[\"b\",\"a\"]]")));
    assert_true(json_equal(json_get(flat, "label.responses.status"), parsed(a, "[\"submitted\"]")));
    assert_true(json_equal(json_get(flat, "rank.suggestion"), parsed(a, "[\"b\",\"a\"]")));
    assert_true(str_is(json_get_text(flat, "_server_id", STR("")), "s1"));
    assert_true(str_is(json_get_text(flat, "prompt", STR("")), "Hi"));
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nested_records_become_items),
        TEST(flattened_records_become_the_same_items),
        TEST(the_status_of_a_response_is_told_by_its_value),
        TEST(a_person_with_two_statuses_has_a_draft),
        TEST(damaged_records_are_named_and_others_follow),
        TEST(a_folder_written_is_the_folder_read),
        TEST(an_item_becomes_the_record_it_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
