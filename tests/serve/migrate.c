/* Options of a published question change: what holds them follows, nothing is lost unsaid, and it can be undone. */
#include "house.h"

#define OPTIONS(...) "{'settings':{'type':'label_selection','options':[" __VA_ARGS__ "],'visible_options':null}"
#define YES          "{'value':'yes','text':'Yes'}"
#define NO           "{'value':'no','text':'No'}"
#define MAYBE        "{'value':'maybe','text':'Maybe'}"
#define SURE         "{'value':'sure','text':'Sure'}"

/* The question 'label' (yes, no, maybe; required): ann said yes, the suggestion says no, the settled answer yes. */
static stuff asked(person *ann) {
    const char *space = a_space();
    *ann = a_person("annotator");
    joins(space, ann);
    const stuff x = a_dataset(space, ann->id);
    made("PUT", FORMAT("/api/v1/records/%s/gold", x.record), "{'values':{'label':{'value':'yes'}}}");
    return x;
}

static json *change(const stuff *x, const char *query, const char *body) {
    return made("PATCH", FORMAT("/api/v1/questions/%s?%s", x->question, query), body);
}

/* The words of a refusal with this status. */
static const char *words_of(const char *method, const char *path, const char *body, int wanted) {
    house *h = the_house;
    buf out = {0};
    err e = {0};
    int status = 0;
    server_call(h->s, method, path, str_of(quoted(h->a, body)), &status, &out, &e);
    buf_free(&out);
    if (status != wanted) fail_msg("%s %s: %d, %d was expected: %s", method, path, status, wanted, e.text);
    return arena_text(h->a, e.text);
}

static const char *refused(const stuff *x, const char *query, const char *body) {
    return words_of("PATCH", FORMAT("/api/v1/questions/%s?%s", x->question, query), body, 422);
}

static json *whole(const stuff *x) { return made("GET", FORMAT("/api/v1/records/%s", x->record), NULL); }
static json *answer_of(const stuff *x) { return json_at(json_get(whole(x), "responses"), 0); }
static const char *label_of(const stuff *x) { return word(json_get(json_get(answer_of(x), "values"), "label"), "value"); }
static const char *suggested(const stuff *x) { return word(json_at(json_get(whole(x), "suggestions"), 0), "value"); }

static const char *settled(const stuff *x) {
    int status;
    const str text = ask("GET", FORMAT("/api/v1/records/%s/gold", x->record), NULL, &status);
    return status == 404 ? "" : word(json_get(json_get(parsed(text), "values"), "label"), "value");
}

static int64_t found(const stuff *x, const char *property, const char *value) {
    return json_get_int(
        made("POST", FORMAT("/api/v1/datasets/%s/records/search", x->id),
             FORMAT("{'filters':{'type':'terms','scope':{'entity':'%s','question':'label'},'values':['%s']}}", property, value)),
        "total", -1);
}

static json *count(const json *answered, const char *of) { return json_get(json_get(answered, "migration"), of); }

static void a_dry_run_says_how_much_it_would_touch_and_changes_nothing(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    const json *v = change(&x, "migrate=true&dry_run=true", OPTIONS(NO "," MAYBE) "}");
    assert_int_equal(json_get_int(count(v, "answers"), "touched", -1), 1);
    assert_int_equal(json_get_int(count(v, "answers"), "emptied", -1), 1);
    assert_int_equal(json_get_int(count(v, "answers"), "become_drafts", -1), 1);
    assert_int_equal(json_get_int(count(v, "suggestions"), "touched", -1), 0);
    assert_int_equal(json_get_int(count(v, "settled"), "touched", -1), 1);
    const json *yes = json_at(count(v, "options"), 0);
    assert_string_equal(word(yes, "value"), "yes");
    assert_false(json_get_bool(yes, "decided", true));
    assert_int_equal(json_get_int(yes, "answers", -1), 1);
    const json *q = json_at(json_get(made("GET", FORMAT("/api/v1/datasets/%s/questions", x.id), NULL), "items"), 0);
    assert_int_equal(json_count(json_get(json_get(q, "settings"), "options")), 3);
    assert_string_equal(label_of(&x), "yes");
}

static void what_would_be_lost_is_refused_until_told(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    const char *words = refused(&x, "migrate=true", OPTIONS(NO "," MAYBE) "}");
    assert_non_null(strstr(words, "1 answers, 0 suggestions and 1 settled"));
    assert_non_null(strstr(words, "'yes'"));
    refused(&x, "migrate=true", OPTIONS(NO "," MAYBE) ",'migration':{'map':{'yes':'sure'}}}"); /* no option of the new ones */
    refused(&x, "", OPTIONS(NO "," MAYBE) "}"); /* without migrate: as Argilla keeps it */
    assert_string_equal(label_of(&x), "yes");
    assert_int_equal(json_count(json_get(made("GET", FORMAT("/api/v1/questions/%s/changes", x.question), NULL), "items")), 0);
}

static void an_option_is_renamed_everywhere(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    const json *v = change(&x, "migrate=true", OPTIONS(SURE "," NO "," MAYBE) ",'migration':{'map':{'yes':'sure'}}}");
    assert_int_equal(json_get_int(count(v, "answers"), "touched", -1), 1);
    assert_string_equal(label_of(&x), "sure");
    assert_string_equal(word(answer_of(&x), "status"), "submitted");
    assert_string_equal(suggested(&x), "no");
    assert_string_equal(settled(&x), "sure");
    assert_int_equal(found(&x, "response", "sure"), 1);
    assert_int_equal(found(&x, "response", "yes"), 0);
    const json *history = json_get(made("GET", FORMAT("/api/v1/records/%s/history", x.record), NULL), "items");
    assert_string_equal(word(json_get(json_get(json_at(history, 0), "values"), "label"), "value"), "yes");
    /* the person's own undo would bring back what is no option any more */
    assert_int_equal(request_of(ann.key, "POST", FORMAT("/api/v1/records/%s/undo", x.record), "{}").status, 409);
}

static void a_change_is_undone_whole(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    change(&x, "migrate=true", OPTIONS(SURE "," MAYBE) ",'migration':{'map':{'yes':'sure'},'drop':['no']}}");
    assert_string_equal(suggested(&x), "");
    const json *list = json_get(made("GET", FORMAT("/api/v1/questions/%s/changes", x.question), NULL), "items");
    assert_int_equal(json_count(list), 1);
    const json *q = made("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}");
    assert_int_equal(json_count(json_get(json_get(q, "settings"), "options")), 3);
    assert_string_equal(label_of(&x), "yes");
    assert_string_equal(suggested(&x), "no");
    assert_string_equal(settled(&x), "yes");
    assert_int_equal(found(&x, "response", "yes"), 1);
    assert_int_equal(found(&x, "suggestion", "no"), 1);
    int status;
    ask("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}", &status);
    assert_int_equal(status, 404);
}

static void what_came_since_is_not_lost_by_an_undo(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    change(&x, "migrate=true", OPTIONS(YES "," NO "," SURE) "}"); /* maybe went, and nobody had said it */
    made("PUT", FORMAT("/api/v1/responses/%s", x.response), "{'values':{'label':{'value':'sure'}},'status':'submitted'}");
    assert_non_null(strstr(words_of("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}", 409), "came since"));
    assert_string_equal(label_of(&x), "sure");
    made("PUT", FORMAT("/api/v1/responses/%s", x.response), "{'values':{'label':{'value':'no'}},'status':'submitted'}");
    made("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}");
    assert_string_equal(label_of(&x), "no");
}

static void a_dropped_required_answer_becomes_a_draft(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    assert_string_equal(word(whole(&x), "status"), "completed");
    change(&x, "migrate=true", OPTIONS(NO "," MAYBE) ",'migration':{'drop':['yes']}}");
    assert_string_equal(word(answer_of(&x), "status"), "draft");
    assert_string_equal(word(whole(&x), "status"), "pending");
    assert_string_equal(settled(&x), "");
    made("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}");
    assert_string_equal(word(answer_of(&x), "status"), "submitted");
    assert_string_equal(word(whole(&x), "status"), "completed");
    assert_string_equal(settled(&x), "yes");
}

/* ---- other types ---------------------------------------------------------------------------------------------------------------------- */

/* One question of this kind beside, not required; ann's answer to it. */
static const char *also_asked(stuff *x, const person *ann, const char *settings, const char *value) {
    const char *q = word(made("POST", FORMAT("/api/v1/datasets/%s/questions?migrate=true", x->id),
                              FORMAT("{'name':'more','title':'More','settings':%s}", settings)),
                         "id");
    made("PUT", FORMAT("/api/v1/responses/%s", x->response),
         FORMAT("{'values':{'label':{'value':'yes'},'more':{'value':%s}},'status':'submitted'}", value));
    (void)ann;
    x->question = q;
    return q;
}

static const char *more_of(const stuff *x) {
    buf out = {0};
    json_put(&out, json_get(json_get(json_get(answer_of(x), "values"), "more"), "value"));
    const char *text = str_copy(the_house->a, buf_str(&out));
    buf_free(&out);
    return text;
}

static void ratings_rankings_and_spans_follow_too(void **state) {
    (void)state;
    person ann;
    stuff x = asked(&ann);
    also_asked(&x, &ann, "{'type':'rating','options':[{'value':1},{'value':2},{'value':3}]}", "3");
    refused(&x, "migrate=true", "{'settings':{'type':'rating','options':[{'value':1},{'value':10}]}}");
    change(&x, "migrate=true",
           "{'settings':{'type':'rating','options':[{'value':1},{'value':10}]},'migration':{'map':{'3':10,'2':10}}}");
    assert_string_equal(more_of(&x), "10");
    x = asked(&ann);
    also_asked(&x, &ann, "{'type':'ranking','options':[{'value':'a','text':'A'},{'value':'b','text':'B'}]}",
               "[{'value':'a','rank':2},{'value':'b','rank':1}]");
    static const char three[] =
        "{'settings':{'type':'ranking','options':[{'value':'a','text':'A'},{'value':'b','text':'B'},{'value':'c','text':'C'}]}";
    assert_non_null(strstr(refused(&x, "migrate=true", FORMAT("%s}", three)), "would lack an option"));
    change(&x, "migrate=true", FORMAT("%s,'migration':{'incomplete':'last'}}", three));
    assert_string_equal(more_of(&x), "[{\"value\":\"a\",\"rank\":2},{\"value\":\"b\",\"rank\":1},{\"value\":\"c\",\"rank\":3}]");
    x = asked(&ann);
    also_asked(&x, &ann, "{'type':'span','field':'text','options':[{'value':'p','text':'P'},{'value':'q','text':'Q'}]}",
               "[{'label':'p','start':0,'end':5}]");
    change(&x, "migrate=true", "{'settings':{'options':[{'value':'q','text':'Q'}]},'migration':{'map':{'p':'q'}}}");
    assert_string_equal(more_of(&x), "[{\"label\":\"q\",\"start\":0,\"end\":5}]");
    made("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}");
    assert_string_equal(more_of(&x), "[{\"label\":\"p\",\"start\":0,\"end\":5}]");
}

static void a_ranking_can_wait_as_a_draft(void **state) {
    (void)state;
    person ann;
    stuff x = asked(&ann);
    also_asked(&x, &ann, "{'type':'ranking','options':[{'value':'a','text':'A'},{'value':'b','text':'B'}]}",
               "[{'value':'a','rank':2},{'value':'b','rank':1}]");
    change(&x, "migrate=true",
           "{'settings':{'options':[{'value':'a','text':'A'},{'value':'b','text':'B'},{'value':'c','text':'C'}]},"
           "'migration':{'incomplete':'draft'}}");
    assert_string_equal(word(answer_of(&x), "status"), "draft");
    assert_string_equal(label_of(&x), "yes");
}

static void overlaps_that_are_forbidden_later_are_not_lost_unsaid(void **state) {
    (void)state;
    person ann;
    stuff x = asked(&ann);
    also_asked(&x, &ann, "{'type':'span','field':'text','options':[{'value':'p','text':'P'}],'allow_overlapping':true}",
               "[{'label':'p','start':0,'end':5},{'label':'p','start':1,'end':4}]");
    assert_non_null(strstr(refused(&x, "migrate=true", "{'settings':{'allow_overlapping':false}}"), "not fit"));
    change(&x, "migrate=true", "{'settings':{'allow_overlapping':false},'migration':{'drop':true}}");
    assert_string_equal(more_of(&x), "null");
    assert_string_equal(word(answer_of(&x), "status"), "submitted"); /* 'more' is not required */
}

static void an_undo_passes_over_records_that_are_gone(void **state) {
    (void)state;
    person ann;
    const stuff x = asked(&ann);
    change(&x, "migrate=true", OPTIONS(SURE "," NO) ",'migration':{'map':{'yes':'sure'}}}");
    made("DELETE", FORMAT("/api/v1/records/%s", x.record), NULL);
    made("POST", FORMAT("/api/v1/questions/%s/undo", x.question), "{}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_says_how_much_it_would_touch_and_changes_nothing),
        cmocka_unit_test(what_would_be_lost_is_refused_until_told),
        cmocka_unit_test(an_option_is_renamed_everywhere),
        cmocka_unit_test(a_change_is_undone_whole),
        cmocka_unit_test(what_came_since_is_not_lost_by_an_undo),
        cmocka_unit_test(a_dropped_required_answer_becomes_a_draft),
        cmocka_unit_test(ratings_rankings_and_spans_follow_too),
        cmocka_unit_test(a_ranking_can_wait_as_a_draft),
        cmocka_unit_test(overlaps_that_are_forbidden_later_are_not_lost_unsaid),
        cmocka_unit_test(an_undo_passes_over_records_that_are_gone),
    };
    return HOUSE_TESTS(tests);
}
