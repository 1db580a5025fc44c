/* A client that knows Argilla's types alone sees a comparison as labels, and nothing is lost when it writes them back. */
#include "house.h"

static answer as(const char *key, const char *agent, const char *method, const char *path, const char *body) {
    house *h = the_house;
    const int fd = dial(h->port);
    const answer x =
        request_on(h->a, fd, method, path, key, FORMAT("%s\r\n", agent), body ? str_of(quoted(h->a, body)) : (str){NULL, 0});
    close(fd);
    return x;
}

#define SDK  "User-Agent: python-httpx/0.27.2"
#define OURS "User-Agent: python-httpx/0.27.2\r\nAccept: application/vnd.fettle+json"

typedef struct {
    person olga;
    const char *set, *question, *record, *response;
} compared;

static compared a_comparison(void) {
    compared x = {.olga = a_person("owner")};
    x.set = word(made("POST", "/api/v1/datasets", FORMAT("{'name':'pairs','workspace_id':'%s'}", a_space())), "id");
    const char *at = FORMAT("/api/v1/datasets/%s", x.set);
    static const char *const fields[] = {"prompt", "one", "two"};
    for (int i = 0; i < 3; i++)
        made("POST", FORMAT("%s/fields", at), FORMAT("{'name':'%s','title':'F','settings':{'type':'text'}}", fields[i]));
    x.question = word(made("POST", FORMAT("%s/questions", at),
                           "{'name':'better','title':'Better','required':true,'settings':{'type':'comparison','fields':['one',"
                           "'two'],'strength':true}}"),
                      "id");
    made("PUT", FORMAT("%s/publish", at), NULL);
    const json *all =
        made("POST", FORMAT("%s/records/bulk", at),
             FORMAT("{'items':[{'fields':{'prompt':'p','one':'1','two':'2'},'metadata':{'value':{'choice':'a'}},"
                    "'responses':[{'user_id':'%s','status':'submitted','values':{'better':{'value':{'choice':'a',"
                    "'strength':2,'order':['b','a']}}}}],'suggestions':[{'question_id':'%s','value':{'choice':'tie'}}]}]}",
                    x.olga.id, x.question));
    const json *r = json_at(json_get(all, "items"), 0);
    x.record = word(r, "id");
    x.response = word(json_at(json_get(r, "responses"), 0), "id");
    return x;
}

static json *value_in(const json *record_of) {
    const json *values = json_get(json_at(json_get(record_of, "responses"), 0), "values");
    return json_get(json_get(values, "better"), "value");
}

static void the_sdk_sees_labels_and_others_the_whole(void **state) {
    (void)state;
    const compared x = a_comparison();
    const char *questions = FORMAT("/api/v1/datasets/%s/questions", x.set), *row = FORMAT("/api/v1/records/%s", x.record);
    const json *q = json_at(json_get(parsed(as(x.olga.key, SDK, "GET", questions, NULL).body), "items"), 0);
    assert_string_equal(word(json_get(q, "settings"), "type"), "label_selection");
    const json *options = json_get(json_get(q, "settings"), "options");
    assert_int_equal(json_count(options), 4);
    assert_string_equal(word(json_at(options, 3), "value"), "both_bad");
    const json *r = parsed(as(x.olga.key, SDK, "GET", row, NULL).body);
    assert_true(str_is(json_text(value_in(r), STR("")), "a"));
    assert_true(str_is(json_get_text(json_at(json_get(r, "suggestions"), 0), "value", STR("")), "tie"));
    assert_string_equal(word(json_get(json_get(r, "metadata"), "value"), "choice"), "a"); /* theirs, not an answer */
    static const char *const others[] = {OURS, "User-Agent: Mozilla/5.0", "X-Nothing: 1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        q = json_at(json_get(parsed(as(x.olga.key, others[i], "GET", questions, NULL).body), "items"), 0);
        assert_string_equal(word(json_get(q, "settings"), "type"), "comparison");
        assert_int_equal(json_get_int(value_in(parsed(as(x.olga.key, others[i], "GET", row, NULL).body)), "strength", 0), 2);
    }
}

static void a_choice_that_comes_back_keeps_strength_and_order(void **state) {
    (void)state;
    const compared x = a_comparison();
    const char *at = FORMAT("/api/v1/responses/%s", x.response), *row = FORMAT("/api/v1/records/%s", x.record);
    answer y = as(x.olga.key, SDK, "PUT", at, "{'status':'submitted','values':{'better':{'value':'a'}}}");
    assert_int_equal(y.status, 200);
    const json *v = value_in(made("GET", row, NULL));
    assert_int_equal(json_get_int(v, "strength", 0), 2);
    assert_int_equal(json_count(json_get(v, "order")), 2);
    y = as(x.olga.key, SDK, "PUT", at, "{'status':'submitted','values':{'better':{'value':'both_bad'}}}");
    assert_int_equal(y.status, 200);
    assert_true(str_is(json_get_text(json_get(json_get(parsed(y.body), "values"), "better"), "value", STR("")), "both_bad"));
    v = value_in(made("GET", row, NULL));
    assert_string_equal(word(v, "choice"), "both_bad");
    assert_false(json_has(v, "strength"));
    assert_int_equal(as(x.olga.key, SDK, "PUT", at, "{'status':'submitted','values':{'better':{'value':'c'}}}").status, 422);
    y = as(x.olga.key, SDK, "PUT", FORMAT("%s/suggestions", row), FORMAT("{'question_id':'%s','value':'b'}", x.question));
    assert_int_equal(y.status, 200);
    const json *s = json_at(json_get(made("GET", row, NULL), "suggestions"), 0);
    assert_string_equal(word(json_get(s, "value"), "choice"), "b");
}

static void settings_that_come_back_as_labels_change_nothing(void **state) {
    (void)state;
    const compared x = a_comparison();
    const char *path = FORMAT("/api/v1/questions/%s", x.question);
    const answer y =
        as(x.olga.key, SDK, "PATCH", path,
           "{'title':'New','settings':{'type':'label_selection','options':[{'value':'a','text':'A'},{'value':'b','text':'B'}]}}");
    assert_int_equal(y.status, 200);
    const json *q = json_at(json_get(made("GET", FORMAT("/api/v1/datasets/%s/questions", x.set), NULL), "items"), 0);
    assert_string_equal(word(json_get(q, "settings"), "type"), "comparison");
    assert_string_equal(word(q, "title"), "New");
    assert_int_equal(json_get_bool(json_get(q, "settings"), "strength", false), true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sdk_sees_labels_and_others_the_whole),
        cmocka_unit_test(a_choice_that_comes_back_keeps_strength_and_order),
        cmocka_unit_test(settings_that_come_back_as_labels_change_nothing),
    };
    return HOUSE_TESTS(tests);
}
