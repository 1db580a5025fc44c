/* Responses, suggestions and a dataset's own settings. */
#include "json_words.h"

static const char *const QUESTIONS =
    "[{'id':'1','name':'label','required':true,'settings':{'type':'label_selection','options':[{'value':'a'},{'value':'b'}]}},"
    "{'id':'2','name':'comment','required':false,'settings':{'type':'text'}},"
    "{'id':'3','name':'many','settings':{'type':'multi_label_selection','options':[{'value':'a'},{'value':'b'}]}},"
    "{'id':'4','name':'rank','settings':{'type':'ranking','options':[{'value':'a'},{'value':'b'}]}},"
    "{'id':'5','name':'span','settings':{'type':'span','field':'text','options':[{'value':'a'}]}}]";

static void response(const char *status, const char *values, bool bulk, const char *words) {
    err e = {0};
    assert_words(response_check(J(QUESTIONS), J("{'text':'four'}"), J(values), str_of(status), bulk, &e), &e, words, values);
}

static void a_submitted_response_answers_what_is_required(void **state) {
    (void)state;
    response("submitted", "{'label':{'value':'a'}}", false, "");
    response("submitted", "{'comment':{'value':'c'}}", false, "the required question 'label' has no answer");
    response("submitted", "{}", true, "should have values");
    response("submitted", "null", true, "should have values");
    response("submitted", "{'label':null}", false, "required question 'label'");
}

static void drafts_may_be_partial_and_discarded_ones_empty(void **state) {
    (void)state;
    response("draft", "{'comment':{'value':'c'}}", true, "");
    response("draft", "{}", true, "");
    response("draft", "null", true, "'values' should be an object in a draft");
    response("draft", "null", false, "");
    response("discarded", "null", true, "");
    response("discarded", "{'label':{'value':'a'}}", true, "");
    response("pending", "{}", false, "should be draft, submitted or discarded, but is 'pending'");
}

static void every_value_is_checked_whatever_the_status(void **state) {
    (void)state;
    response("draft", "{'label':{'value':'c'}}", false, "question 'label': the answer should be one of");
    response("discarded", "{'nothing':{'value':'c'}}", false, "no question 'nothing'");
    response("draft", "{'label':'a'}", false, "question 'label': an answer should be an object");
    response("draft", "{'label':{}}", false, "one without 'value'");
    response("draft", "[]", false, "'values' should be an object");
    response("draft", "{'rank':{'value':[{'value':'a'}]}}", false, "");
    response("submitted", "{'label':{'value':'a'},'rank':{'value':[{'value':'a'}]}}", false,
             "question 'rank': a submitted ranking");
    response("draft", "{'span':{'value':[{'label':'a','start':0,'end':4}]}}", false, "");
    response("draft", "{'span':{'value':[{'label':'a','start':0,'end':5}]}}", false, "question 'span': span 1: it ends at 5");
}

static void suggestion(const char *given, const char *words) {
    err e = {0};
    json *question = NULL;
    assert_words(suggestion_check(J(QUESTIONS), J("{'text':'four'}"), J(given), &question, &e), &e, words, given);
    if (!*words) assert_non_null(question);
}

static void a_suggestion_is_for_a_question_of_the_dataset(void **state) {
    (void)state;
    suggestion("{'question_id':'1','value':'a'}", "");
    suggestion("{'question_name':'label','value':'a'}", "");
    suggestion("{'question_id':'9','question_name':'label','value':'a'}", "names no question");
    suggestion("{'question_name':'none','value':'a'}", "'question_name' should be a question");
    suggestion("{'value':'a'}", "'question_id' should be a question of the dataset, but is missing");
    suggestion("{'question_id':'1','value':'c'}", "question 'label'");
    suggestion("{'question_id':'4','value':[{'value':'a'}]}", "");
    suggestion("[]", "should be an object");
}

static void a_suggestion_says_who_and_how_sure(void **state) {
    (void)state;
    suggestion("{'question_id':'1','value':'a','type':'model','agent':'gpt-4 v1:0','score':0.7}", "");
    suggestion("{'question_id':'1','value':'a','type':'human','agent':null,'score':null}", "");
    suggestion("{'question_id':'1','value':'a','type':'robot'}", "null, 'model' or 'human', but is the text 'robot'");
    suggestion("{'question_id':'1','value':'a','agent':''}", "suggestion for 'label': 'agent'");
    suggestion("{'question_id':'1','value':'a','agent':'-:'}", "'agent'");
    suggestion("{'question_id':'1','value':'a','agent':'a;b'}", "'agent'");
    suggestion("{'question_id':'1','value':'a','agent':3}", "'agent'");
    suggestion("{'question_id':'1','value':'a','score':1.1}", "a number from 0 to 1");
    suggestion("{'question_id':'1','value':'a','score':'1'}", "a number from 0 to 1");
    suggestion("{'question_id':'1','value':'a','score':[1]}", "'score' should be one number");
    suggestion("{'question_id':'3','value':['a','b'],'score':[1,0]}", "");
    suggestion("{'question_id':'3','value':['a','b'],'score':[1]}", "as long as 'value' (2), but has 1");
    suggestion("{'question_id':'3','value':['a','b'],'score':0.5}", "but is one number");
    suggestion("{'question_id':'3','value':['a','b'],'score':[1,2]}", "place 2 should be a number from 0 to 1");
}

static void an_agent_has_two_hundred_characters_at_most(void **state) {
    (void)state;
    char *agent = arena_alloc(memory_of_test, 202);
    memset(agent, 'a', 200);
    suggestion(arena_printf(memory_of_test, "{'question_id':'1','value':'a','agent':'%s'}", agent), "");
    agent[200] = 'a';
    suggestion(arena_printf(memory_of_test, "{'question_id':'1','value':'a','agent':'%s'}", agent), "'agent'");
}

/* ---- datasets ---------------------------------------------------------------------------------------------------------------------- */

static void dataset(const char *old, const char *body, const char *wanted, err_code code) {
    json *out = NULL;
    err e = {0};
    const bool ok =
        old ? dataset_update(memory_of_test, J(old), J(body), &out, &e) : dataset_create(memory_of_test, J(body), &out, &e);
    if (ok) assert_string_equal(text_of(out), wanted);
    else assert_words(ok, &e, wanted, body);
    assert_int_equal(e.code, code);
}

static void a_dataset_is_made_with_its_defaults(void **state) {
    (void)state;
    dataset(NULL, "{'name':'d','workspace_id':'w'}",
            "{'name':'d','guidelines':null,'allow_extra_metadata':true,'distribution':{'strategy':'overlap','min_submitted':1},'"
            "metadata':null}",
            ERR_NONE);
    dataset(NULL, "{'name':''}", "'name'", ERR_INPUT);
    dataset(NULL, "{}", "'name'", ERR_INPUT);
    dataset(NULL, "{'name':'d','guidelines':''}", "'guidelines' should be a text of 1 to 10000 characters, but has 0", ERR_INPUT);
    dataset(NULL, "{'name':'d','distribution':{'strategy':'overlap','min_submitted':0}}", "at least 1", ERR_INPUT);
    dataset(NULL, "{'name':'d','distribution':{'strategy':'all','min_submitted':1}}", "'strategy'", ERR_INPUT);
    dataset(NULL, "{'name':'d','metadata':[]}", "'metadata'", ERR_INPUT);
}

static void a_dataset_changes_what_is_named(void **state) {
    (void)state;
    const char *old = "{'id':'1','name':'d','guidelines':'g','allow_extra_metadata':true,'status':'draft'}";
    dataset(old, "{'guidelines':null,'status':'ready','id':'2'}",
            "{'id':'1','name':'d','guidelines':null,'allow_extra_metadata':true,'status':'draft'}", ERR_NONE);
    dataset(old, "{'name':null}", "non-null values: name", ERR_INPUT);
    dataset(old, "{'allow_extra_metadata':null,'distribution':null}", "allow_extra_metadata, distribution", ERR_INPUT);
}

static void publishing_needs_a_field_and_a_required_question(void **state) {
    (void)state;
    err e = {0}, none = {0}, optional = {0};
    assert_ok(dataset_publishable(J("[{}]"), J("[{'required':false},{'required':true}]"), &e), e);
    assert_words(dataset_publishable(J("[]"), J("[{'required':true}]"), &none), &none, "needs a field", "no field");
    assert_words(dataset_publishable(J("[{}]"), J("[{'required':false}]"), &optional), &optional, "required question",
                 "no question");
}

static void workspaces_have_plain_names(void **state) {
    (void)state;
    err e = {0}, bad = {0};
    assert_ok(workspace_name_check(STR("Team_1-a"), &e), e);
    assert_words(workspace_name_check(STR("a b"), &bad), &bad, "letters a-z", "a b");
    bad = (err){0};
    assert_words(workspace_name_check(STR(""), &bad), &bad, "letters a-z", "empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_submitted_response_answers_what_is_required),
        TEST(drafts_may_be_partial_and_discarded_ones_empty),
        TEST(every_value_is_checked_whatever_the_status),
        TEST(a_suggestion_is_for_a_question_of_the_dataset),
        TEST(a_suggestion_says_who_and_how_sure),
        TEST(an_agent_has_two_hundred_characters_at_most),
        TEST(a_dataset_is_made_with_its_defaults),
        TEST(a_dataset_changes_what_is_named),
        TEST(publishing_needs_a_field_and_a_required_question),
        TEST(workspaces_have_plain_names),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
