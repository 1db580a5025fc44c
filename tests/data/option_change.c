/* Options that are renamed, merged, removed or added, in values of every type. */
#include "json_words.h"

/* {"type", "options": [...]} from "bad good": with texts as labels need them. */
static json *settings_of(const char *type, const char *options) {
    arena *a = memory_of_test;
    json *out = json_new_object(a), *list = json_new_array(a);
    json_set(out, "type", json_new_text(a, str_of(type)));
    const json *given = J(options);
    for (size_t i = 0; i < json_count(given); i++) {
        json *one = json_new_object(a);
        json_set(one, "value", json_at(given, i));
        json_append(list, one);
    }
    json_set(out, "options", list);
    return out;
}

static option_change planned(const char *type, const char *before, const char *after, const char *plan) {
    option_change c;
    err e = {0};
    assert_ok(
        option_change_plan(memory_of_test, settings_of(type, before), settings_of(type, after), plan ? J(plan) : NULL, &c, &e),
        e);
    return c;
}

/* The value afterwards; NULL: nothing is left. */
static json *replaced(option_change *c, const char *value) {
    json *question = json_new_object(memory_of_test);
    json_set(question, "settings", (json *)(uintptr_t)c->settings);
    return question_replace(memory_of_test, question, J(value), c);
}

static void check(const char *type, const char *before, const char *after, const char *plan, const char *value,
                  const char *wanted) {
    option_change c = planned(type, before, after, plan);
    assert_string_equal(text_of(replaced(&c, value)), text_of(J(wanted)));
}

static void a_label_is_renamed_dropped_or_left(void **state) {
    (void)state;
    check("label_selection", "['bad','good']", "['poor','good']", "{'map':{'bad':'poor'}}", "'bad'", "'poor'");
    check("label_selection", "['bad','good']", "['poor','good']", "{'map':{'bad':'poor'}}", "'good'", "'good'");
    option_change c = planned("label_selection", "['bad','good']", "['good','fine']", NULL);
    assert_null(replaced(&c, "'bad'"));
    assert_true(c.fate[0].seen && c.fate[0].gone && !c.fate[0].told);
}

static void labels_can_change_places(void **state) {
    (void)state;
    check("label_selection", "['a','b']", "['a','b']", "{'map':{'a':'b','b':'a'}}", "'a'", "'b'");
    check("multi_label_selection", "['a','b','c']", "['a','b','c']", "{'map':{'a':'b','b':'a'}}", "['a','c','b']",
          "['b','c','a']");
}

static void labels_that_became_one_stand_once(void **state) {
    (void)state;
    check("multi_label_selection", "['a','b','c']", "['a','c']", "{'map':{'b':'a'}}", "['b','a','c']", "['a','c']");
    option_change c = planned("multi_label_selection", "['a','b','c']", "['b','c']", "{'drop':['a']}");
    assert_null(replaced(&c, "['a']"));
    assert_true(c.fate[0].told);
}

static void ratings_are_mapped_by_number(void **state) {
    (void)state;
    check("rating", "[1,2,3]", "[1,5]", "{'map':{'3':5,'2':'1'}}", "3", "5");
    check("rating", "[1,2,3]", "[1,5]", "{'map':{'3':5,'2':'1'}}", "2", "1");
}

static void a_ranking_closes_its_gaps_and_takes_new_options_last(void **state) {
    (void)state;
    const char *whole = "[{'value':'a','rank':1},{'value':'b','rank':2},{'value':'c','rank':3}]";
    check("ranking", "['a','b','c']", "['b','c']", "{'drop':['a']}", whole, "[{'value':'b','rank':1},{'value':'c','rank':2}]");
    check("ranking", "['a','b','c']", "['a','b']", "{'map':{'c':'a'}}", whole, "[{'value':'a','rank':1},{'value':'b','rank':2}]");
    check("ranking", "['a','b']", "['a','b','d']", "{'incomplete':'last'}", "[{'value':'b','rank':1},{'value':'a','rank':1}]",
          "[{'value':'b','rank':1},{'value':'a','rank':1},{'value':'d','rank':3}]");
    /* of one that is not whole the person has not said what comes last */
    check("ranking", "['a','b']", "['a','b','d']", "{'incomplete':'last'}", "[{'value':'b','rank':1}]",
          "[{'value':'b','rank':1}]");
}

static void spans_keep_their_places(void **state) {
    (void)state;
    const char *spans = "[{'label':'x','start':0,'end':2},{'label':'y','start':0,'end':2},{'label':'y','start':3,'end':4}]";
    check("span", "['x','y']", "['z','y']", "{'map':{'x':'z'}}", spans,
          "[{'label':'z','start':0,'end':2},{'label':'y','start':0,'end':2},{'label':'y','start':3,'end':4}]");
    check("span", "['x','y']", "['y']", "{'map':{'x':'y'}}", spans,
          "[{'label':'y','start':0,'end':2},{'label':'y','start':3,'end':4}]");
    check("span", "['x','y']", "['y']", "{'drop':['x']}", "[{'label':'x','start':0,'end':2}]", "[]");
}

static void texts_and_comparisons_stay(void **state) {
    (void)state;
    check("text", "[]", "[]", NULL, "'anything'", "'anything'");
    check("comparison", "['a','b']", "['a','b']", NULL, "{'choice':'a'}", "{'choice':'a'}");
}

static void a_plan_that_makes_no_sense_is_refused(void **state) {
    (void)state;
    static const char *const plans[] = {"{'map':{'x':'good'}}",
                                        "{'map':{'bad':'x'}}",
                                        "{'drop':['x']}",
                                        "{'map':{'bad':'good'},'drop':['bad']}",
                                        "{'incomplete':'maybe'}",
                                        "[]",
                                        "{'map':[]}",
                                        "{'drop':'bad'}"};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        option_change c;
        err e = {0};
        if (option_change_plan(memory_of_test, settings_of("label_selection", "['bad','good']"),
                               settings_of("label_selection", "['good','ok']"), J(plans[i]), &c, &e))
            fail_msg("%s was taken", plans[i]);
        assert_int_equal(e.code, ERR_INPUT);
        assert_non_null(strstr(e.text, "migration"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_label_is_renamed_dropped_or_left),
        TEST(labels_can_change_places),
        TEST(labels_that_became_one_stand_once),
        TEST(ratings_are_mapped_by_number),
        TEST(a_ranking_closes_its_gaps_and_takes_new_options_last),
        TEST(spans_keep_their_places),
        TEST(texts_and_comparisons_stay),
        TEST(a_plan_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
