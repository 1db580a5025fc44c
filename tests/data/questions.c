/* Questions: how each kind is made, changed and answered; what filters and agreement see of an answer. */
#include "json_words.h"

static const char *const FIELDS =
    "[{'name':'text','required':true,'settings':{'type':'text'}},{'name':'other','settings':{'type':'text'}},"
    "{'name':'notes','settings':{'type':'text'}}]";

static kind_context context(bool free) {
    return (kind_context){J(FIELDS), J("[{'name':'old','settings':{'type':'span','field':'other'}}]"), free};
}

static void makes(const char *settings, const char *wanted) {
    const json *in = J(settings);
    const question_type *type = question_type_find(json_get_text(in, "type", STR("")));
    const kind_context c = context(false);
    json *out;
    err e = {0};
    assert_non_null(type);
    if (!type->create(memory_of_test, in, &c, &out, &e)) fail_msg("%s: %s", settings, e.text);
    assert_string_equal(text_of(out), wanted);
}

static void refuses(const char *settings, const char *words) {
    const json *in = J(settings);
    const question_type *type = question_type_find(json_get_text(in, "type", STR("")));
    const kind_context c = context(false);
    json *out;
    err e = {0};
    assert_non_null(type);
    assert_words(type->create(memory_of_test, in, &c, &out, &e), &e, words, settings);
    assert_int_equal(e.code, ERR_INPUT);
}

/* wanted: the settings that come out, or words of the error. */
static void changes(const char *old, const char *in, bool free, const char *wanted) {
    const json *before = J(old);
    const question_type *type = question_type_find(json_get_text(before, "type", STR("")));
    const kind_context c = context(free);
    json *out = NULL;
    err e = {0};
    const bool ok = type->update(memory_of_test, before, J(in), &c, &out, &e);
    if (ok) assert_string_equal(text_of(out), wanted);
    else assert_words(ok, &e, wanted, in);
}

/* words: "" when the answer fits. */
static void answer(const char *settings, const char *value, bool submitted, const char *words) {
    const json *s = J(settings);
    const value_context c = {submitted, J("{'text':'na\xc3\xafve \xf0\x9f\x98\x80!','other':null}")}; /* 8 code points */
    err e = {0};
    const question_type *type = question_type_find(json_get_text(s, "type", STR("")));
    assert_words(type->check(s, J(value), &c, &e), &e, words, value);
}

/* A list of n options, 'o0' ...; n == the number given. */
static char *options(int n) {
    buf out = {0};
    for (int i = 0; i < n; i++) buf_printf(&out, "%s{'value':'o%d','text':'O'}", i ? "," : "", i);
    char *text = str_copy(memory_of_test, buf_str(&out));
    buf_free(&out);
    return text;
}

static char *with_options(const char *type, int n) {
    return arena_printf(memory_of_test, "{'type':'%s','field':'text','options':[%s]}", type, options(n));
}

/* ---- text -------------------------------------------------------------------------------------------------------------------------- */

static void a_text_question_is_markdown_or_not(void **state) {
    (void)state;
    makes("{'type':'text'}", "{'type':'text','use_markdown':false}");
    makes("{'type':'text','use_markdown':true,'more':1}", "{'type':'text','use_markdown':true}");
    refuses("{'type':'text','use_markdown':null}", "'use_markdown' should be true or false, but is null");
    changes("{'type':'text','use_markdown':false}", "{'type':'text','use_markdown':true}", false,
            "{'type':'text','use_markdown':true}");
    changes("{'type':'text','use_markdown':false}", "{'type':'rating'}", true, "the type stays 'text'");
    changes("{'type':'text','use_markdown':false}", "{'type':null}", true, "the type stays 'text'");
    changes("{'type':'text','use_markdown':false}", "[]", true, "should be an object");
}

static void a_text_answer_is_a_text(void **state) {
    (void)state;
    answer("{'type':'text'}", "'words'", true, "");
    answer("{'type':'text'}", "''", true, "");
    answer("{'type':'text'}", "1", true, "should be a text, but is the number 1");
    answer("{'type':'text'}", "null", true, "should be a text, but is null");
}

/* ---- rating ------------------------------------------------------------------------------------------------------------------------ */

static void ratings_are_two_to_eleven_whole_numbers_up_to_ten(void **state) {
    (void)state;
    makes("{'type':'rating','options':[{'value':5},{'value':0},{'value':10}]}",
          "{'type':'rating','options':[{'value':5},{'value':0},{'value':10}]}");
    refuses("{'type':'rating'}", "'options' should be a list of 2 to 11 numbers, each {\"value\": N}, but is missing");
    refuses("{'type':'rating','options':[{'value':1}]}", "but are 1");
    refuses("{'type':'rating','options':[{'value':0},{'value':1},{'value':2},{'value':3},{'value':4},{'value':5},{'value':6},"
            "{'value':7},{'value':8},{'value':9},{'value':10},{'value':10}]}",
            "but are 12");
    refuses("{'type':'rating','options':[{'value':1},{'value':1}]}", "option 2: the value 1 is there already");
    refuses("{'type':'rating','options':[{'value':1},{'value':11}]}", "option 2: 'value' should be a whole number from 0 to 10");
    refuses("{'type':'rating','options':[{'value':-1},{'value':1}]}", "option 1: 'value'");
    refuses("{'type':'rating','options':[{'value':1},{'value':2.0}]}", "but is the number 2.0");
}

static void a_rating_is_one_of_the_numbers_as_json_writes_whole_ones(void **state) {
    (void)state;
    const char *s = "{'type':'rating','options':[{'value':1},{'value':3}]}";
    answer(s, "3", true, "");
    answer(s, "2", true, "one of the whole numbers 1, 3, but is the number 2");
    answer(s, "3.0", true, "but is the number 3.0");
    answer(s, "'3'", true, "but is the text '3'");
    answer(s, "null", false, "but is null");
}

static void options_of_ratings_and_rankings_stay_unless_free(void **state) {
    (void)state;
    const char *s = "{'type':'rating','options':[{'value':1},{'value':3}]}", *in = "{'options':[{'value':1},{'value':2}]}";
    changes(s, in, false, s);
    changes(s, in, true, "{'type':'rating','options':[{'value':1},{'value':2}]}");
    changes(s, "{'options':[{'value':1}]}", true, "but are 1");
    const char *r =
        "{'type':'ranking','options':[{'value':'a','text':'A','description':null},{'value':'b','text':'B','description':null}]}";
    changes(r, "{'options':[]}", false, r);
    changes(r, "{'options':[]}", true, "a list of 2 to 50 options, but is a list of 0");
}

/* ---- labels ------------------------------------------------------------------------------------------------------------------------ */

static void labels_are_two_to_five_hundred_with_text(void **state) {
    (void)state;
    makes(
        "{'type':'label_selection','options':[{'value':'y','text':'Yes','more':1},{'value':'n','text':'No','description':'d'}]}",
        "{'type':'label_selection','options':[{'value':'y','text':'Yes','description':null},{'value':'n','text':'No','"
        "description':'d'}],"
        "'visible_options':null}");
    makes("{'type':'multi_label_selection','options':[{'value':'y','text':'Yes'},{'value':'n','text':'No'}]}",
          "{'type':'multi_label_selection','options':[{'value':'y','text':'Yes','description':null},{'value':'n','text':'No',"
          "'description':null}],'visible_options':null,'options_order':'natural'}");
    refuses(with_options("label_selection", 1), "2 to 500 options, but is a list of 1");
    refuses(with_options("label_selection", 501), "but is a list of 501");
    refuses("{'type':'label_selection'}", "but is missing");
    refuses("{'type':'label_selection','options':[{'value':'a'},{'value':'b','text':'B'}]}", "option 1: 'text'");
    refuses("{'type':'label_selection','options':[{'value':1,'text':'A'},{'value':'b','text':'B'}]}", "option 1: 'value'");
    refuses("{'type':'label_selection','options':[{'value':'a','text':'A'},{'value':'a','text':'B'}]}",
            "option 2: the value 'a' is there");
    refuses("{'type':'label_selection','options':[{'value':'a','text':'A','description':''},{'value':'b','text':'B'}]}",
            "'description'");
    refuses("{'type':'multi_label_selection','options':[{'value':'a','text':'A'},{'value':'b','text':'B'}],'options_order':'by "
            "hand'}",
            "'natural' or 'suggestion'");
}

static void visible_options_are_three_at_least_and_no_more_than_there_are(void **state) {
    (void)state;
    const char *form = "{'type':'label_selection','options':[%s],'visible_options':%s}";
    refuses(arena_printf(memory_of_test, form, options(4), "2"), "null or a whole number from 3 to 4");
    refuses(arena_printf(memory_of_test, form, options(4), "5"), "but is the number 5");
    refuses(arena_printf(memory_of_test, form, options(4), "3.0"), "but is the number 3.0");
    const kind_context c = context(false);
    json *out;
    err e = {0};
    assert_ok(question_type_label_selection.create(memory_of_test, J(arena_printf(memory_of_test, form, options(4), "4")), &c,
                                                   &out, &e),
              e);
    assert_int_equal(json_get_int(out, "visible_options", 0), 4);
}

static void lengths_count_characters_not_bytes(void **state) {
    (void)state;
    buf value = {0};
    for (int i = 0; i < 200; i++) buf_put_text(&value, "\xc3\xa9");
    const char *form = "{'type':'label_selection','options':[{'value':'%s%s','text':'A'},{'value':'b','text':'B'}]}";
    const kind_context c = context(false);
    json *out;
    err e = {0};
    assert_ok(
        question_type_label_selection.create(memory_of_test, J(arena_printf(memory_of_test, form, value.ptr, "")), &c, &out, &e),
        e);
    refuses(arena_printf(memory_of_test, form, value.ptr, "x"), "a text of 1 to 200 characters, but has 201");
    buf_free(&value);
}

static void published_labels_change_their_words_and_order_not_their_values(void **state) {
    (void)state;
    const char *s =
        "{'type':'label_selection','options':[{'value':'a','text':'A','description':null},{'value':'b','text':'B','description':"
        "null}],'visible_options':null}";
    changes(s, "{'options':[{'value':'b','text':'Bee','description':null},{'value':'a','text':'A','description':null}]}", false,
            "{'type':'label_selection','options':[{'value':'b','text':'Bee','description':null},{'value':'a','text':'A','"
            "description':null}]"
            ",'visible_options':null}");
    changes(s, "{'options':[{'value':'a','text':'A'},{'value':'c','text':'C'}]}", false, "'c' is not one of 'a', 'b'");
    changes(s, "{'options':[{'value':'a','text':'A'}]}", true, "2 to 500 options");
    changes(s, "{'options':[{'value':'a','text':'A'},{'value':'b','text':'B'},{'value':'c','text':'C'}]}", false,
            "the number of options cannot change: expected 2, got 3");
    changes(s, "{'options':[{'value':'a','text':'A'},{'value':'c','text':'C'}]}", true,
            "{'type':'label_selection','options':[{'value':'a','text':'A','description':null},{'value':'c','text':'C','"
            "description':null}],"
            "'visible_options':null}");
    changes(s, "{'visible_options':3}", false, "'visible_options'");
}

static void a_label_is_one_of_the_options(void **state) {
    (void)state;
    const char *s = "{'type':'label_selection','options':[{'value':'a'},{'value':'b'}]}";
    answer(s, "'a'", true, "");
    answer(s, "'c'", true, "the answer should be one of 'a', 'b', but is the text 'c'");
    answer(s, "['a']", true, "but is a list");
}

static void labels_are_one_or_more_different_options(void **state) {
    (void)state;
    const char *s = "{'type':'multi_label_selection','options':[{'value':'a'},{'value':'b'}]}";
    answer(s, "['b','a']", true, "");
    answer(s, "[]", true, "but is an empty list");
    answer(s, "[]", false, "but is an empty list");
    answer(s, "['a','a']", true, "the text 'a' is there twice");
    answer(s, "['c']", true, "every label should be one of");
    answer(s, "'a'", true, "should be a list");
}

/* ---- ranking ----------------------------------------------------------------------------------------------------------------------- */

static void a_final_ranking_is_whole_ties_and_gaps_allowed(void **state) {
    (void)state;
    const char *s = "{'type':'ranking','options':[{'value':'a'},{'value':'b'},{'value':'c'}]}";
    answer(s, "[{'value':'a','rank':1},{'value':'b','rank':1},{'value':'c','rank':3}]", true, "");
    answer(s, "[{'value':'a','rank':1},{'value':'b','rank':2}]", true, "should have all 3 options, but has 2");
    answer(s, "[{'value':'a','rank':1},{'value':'b','rank':2},{'value':'c','rank':4}]", true, "from 1 to 3");
    answer(s, "[{'value':'a','rank':0},{'value':'b','rank':2},{'value':'c','rank':3}]", true, "item 1");
    answer(s, "[{'value':'a'},{'value':'b'},{'value':'c'}]", true, "'rank' should be a whole number from 1 to 3");
}

static void a_draft_ranking_may_be_partial(void **state) {
    (void)state;
    const char *s = "{'type':'ranking','options':[{'value':'a'},{'value':'b'},{'value':'c'}]}";
    answer(s, "[{'value':'a'}]", false, "");
    answer(s, "[]", false, "");
    answer(s, "[{'value':'a','rank':null}]", false, "");
    answer(s, "[{'value':'a','rank':1.0}]", false, "'rank' should be a whole number or null");
    answer(s, "[{'value':'a'},{'value':'a'}]", false, "is ranked already");
    answer(s, "[{'value':'d'}]", false, "item 1: 'value' should be one of");
    answer(s, "['a']", false, "should be an object");
    answer(s, "{'a':1}", false, "should be a list");
}

/* ---- span -------------------------------------------------------------------------------------------------------------------------- */

static void a_span_question_has_a_field_of_its_own(void **state) {
    (void)state;
    makes("{'type':'span','field':'text','options':[{'value':'a','text':'A'}]}",
          "{'type':'span','field':'text','options':[{'value':'a','text':'A','description':null}],'visible_options':null,"
          "'allow_overlapping':false,'allow_character_annotation':true}");
    refuses("{'type':'span','field':'none','options':[{'value':'a','text':'A'}]}", "'none' is none");
    refuses("{'type':'span','field':'other','options':[{'value':'a','text':'A'}]}", "has a span question already ('old')");
    refuses("{'type':'span','options':[{'value':'a','text':'A'}]}", "'field' should be a text");
    refuses(with_options("span", 0), "1 to 500 options");
    refuses(with_options("span", 501), "1 to 500 options");
}

static void overlapping_is_allowed_for_good(void **state) {
    (void)state;
    const char *yes =
        "{'type':'span','field':'text','options':[{'value':'a','text':'A','description':null}],'visible_options':null,"
        "'allow_overlapping':true,'allow_character_annotation':true}";
    const char *no =
        "{'type':'span','field':'text','options':[{'value':'a','text':'A','description':null}],'visible_options':null,"
        "'allow_overlapping':false,'allow_character_annotation':true}";
    changes(no, "{'allow_overlapping':true}", false, yes);
    changes(yes, "{'allow_overlapping':false}", false, "cannot go back to false");
    changes(yes, "{'allow_overlapping':false}", true, no);
    changes(no, "{'field':'notes'}", false, no);
    changes(no, "{'field':'none'}", true, "'none' is none");
}

static void spans_are_measured_in_code_points(void **state) {
    (void)state;
    const char *s = "{'type':'span','field':'text','options':[{'value':'a'}]}";
    answer(s, "[{'label':'a','start':0,'end':8}]", true, "");
    answer(s, "[{'label':'a','start':7,'end':8}]", true, "");
    answer(s, "[{'label':'a','start':7,'end':9}]", true, "it ends at 9, but the text of 'text' has 8 characters");
    answer(s, "[{'label':'a','start':8,'end':9}]", true, "ends at 9");
    answer(s, "[]", true, "");
    answer(s, "[{'label':'a','start':3,'end':3}]", true, "'end' should be a whole number above 'start'");
    answer(s, "[{'label':'a','start':-1,'end':3}]", true, "'start' should be");
    answer(s, "[{'label':'a','start':0.0,'end':3}]", true, "'start' should be");
    answer(s, "[{'label':'b','start':0,'end':3}]", true, "span 1: 'label' should be one of 'a'");
    answer(s, "[1]", true, "span 1: it should be an object");
    answer(s, "'x'", true, "should be a list");
    answer("{'type':'span','field':'other','options':[{'value':'a'}]}", "[{'label':'a','start':0,'end':1}]", true,
           "need a text in the field");
    answer("{'type':'span','field':'other','options':[{'value':'a'}]}", "[]", true, "");
}

static void spans_overlap_only_where_they_may(void **state) {
    (void)state;
    const char *s = "{'type':'span','field':'text','options':[{'value':'a'}]}";
    const char *over = "[{'label':'a','start':3,'end':5},{'label':'a','start':0,'end':4}]";
    answer(s, over, true, "0-4 and 3-5");
    answer("{'type':'span','field':'text','options':[{'value':'a'}],'allow_overlapping':true}", over, true, "");
    answer(s, "[{'label':'a','start':3,'end':5},{'label':'a','start':0,'end':3}]", true, "");
}

/* ---- comparison -------------------------------------------------------------------------------------------------------------------- */

static void a_comparison_has_two_sides(void **state) {
    (void)state;
    makes("{'type':'comparison','fields':['text','other']}", "{'type':'comparison','fields':['text','other'],'options':[{'value':"
                                                             "'a','text':'A'},{'value':'b','text':'B'}],'strength':false}");
    makes("{'type':'comparison','options':[{'value':'a','text':'left'},{'value':'b','text':'right'}],'strength':true}",
          "{'type':'comparison','fields':null,'options':[{'value':'a','text':'left'},{'value':'b','text':'right'}],'strength':"
          "true}");
    refuses("{'type':'comparison'}", "'fields' should name the two fields");
    refuses("{'type':'comparison','fields':['text']}", "a list of two names");
    refuses("{'type':'comparison','fields':['text','nothing']}", "the text 'nothing' is none");
    refuses("{'type':'comparison','fields':['text','text']}", "two different fields");
    refuses("{'type':'comparison','fields':['text','other'],'options':[{'value':'b','text':'B'},{'value':'a','text':'A'}]}",
            "option 1: 'value' should be 'a'");
    refuses("{'type':'comparison','fields':['text','other'],'strength':3}", "'strength' should be true or false");
}

static void a_comparison_keeps_its_fields_unless_free(void **state) {
    (void)state;
    const char *s = "{'type':'comparison','fields':['text','other'],'options':[{'value':'a','text':'A'},{'value':'b','text':'B'}]"
                    ",'strength':false}";
    changes(s, "{'fields':['text','notes'],'strength':true}", false,
            "{'type':'comparison','fields':['text','other'],'options':[{'value':'a','text':'A'},{'value':'b','text':'B'}],'"
            "strength':true}");
    changes(s, "{'fields':['text','notes']}", true,
            "{'type':'comparison','fields':['text','notes'],'options':[{'value':'a','text':'A'},{'value':'b','text':'B'}],'"
            "strength':false}");
}

static void a_comparison_is_answered_with_a_choice(void **state) {
    (void)state;
    const char *s = "{'type':'comparison','strength':true}";
    answer(s, "{'choice':'a'}", true, "");
    answer(s, "{'choice':'b','strength':3,'order':['b','a']}", true, "");
    answer(s, "{'choice':'both_bad'}", true, "");
    answer(s, "{'choice':'tie'}", true, "");
    answer(s, "{'choice':'c'}", true, "'choice' should be 'a', 'b', 'tie' or 'both_bad', but is the text 'c'");
    answer(s, "{}", true, "'choice' should be");
    answer(s, "'a'", true, ""); /* a choice alone */
    answer(s, "'x'", true, "should be an object");
    answer(s, "3", true, "should be an object");
    answer(s, "{'choice':'a','strength':4}", true, "'strength' should be a whole number from 1 to 3");
    answer(s, "{'choice':'tie','strength':1}", true, "goes with the choices a and b alone");
    answer(s, "{'choice':'a','order':['a','a']}", true, "'order' should be");
    answer("{'type':'comparison','strength':false}", "{'choice':'a','strength':1}", true, "does not ask for 'strength'");
}

/* ---- whole questions --------------------------------------------------------------------------------------------------------------- */

static void whole(const char *body, const char *wanted, err_code code) {
    const kind_context c = context(false);
    json *out;
    err e = {0};
    const bool ok = question_create(memory_of_test, J(body), &c, &out, &e);
    if (ok) assert_string_equal(text_of(out), wanted);
    else assert_words(ok, &e, wanted, body);
    assert_int_equal(e.code, code);
}

static void a_question_has_name_title_description_required(void **state) {
    (void)state;
    whole("{'id':null,'name':'q','title':'Q','required':null,'settings':{'type':'text'},'dataset_id':'x'}",
          "{'name':'q','title':'Q','description':null,'required':false,'settings':{'type':'text','use_markdown':false}}",
          ERR_NONE);
    whole("{'name':'','title':'Q','settings':{'type':'text'}}", "'name' should be a text of 1 to 200 characters, but has 0",
          ERR_INPUT);
    whole("{'title':'Q','settings':{'type':'text'}}", "'name' should be a text of 1 to 200 characters, but is missing",
          ERR_INPUT);
    whole("{'name':'q','settings':{'type':'text'}}", "question 'q': 'title'", ERR_INPUT);
    whole("{'name':'q','title':'Q','description':'','settings':{'type':'text'}}", "'description'", ERR_INPUT);
    whole("{'name':'q','title':'Q','required':'yes','settings':{'type':'text'}}", "'required' should be true or false",
          ERR_INPUT);
    whole("{'name':'q','title':'Q','settings':{'type':'guess'}}", "settings.type should be one of text, rating,", ERR_INPUT);
    whole("{'name':'q','title':'Q'}", "'settings' should be an object, but is null", ERR_INPUT);
    whole("{'name':'old','title':'Q','settings':{'type':'text'}}", "'old' exists already", ERR_CONFLICT);
    whole("[]", "a question should be an object, but is an empty list", ERR_INPUT);
}

static void a_change_touches_what_it_names(void **state) {
    (void)state;
    const json *old =
        J("{'id':'1','name':'q','title':'Q','description':'d','required':true,'settings':{'type':'text','use_markdown':false}}");
    const kind_context c = context(false);
    json *out;
    err e = {0};
    assert_ok(
        question_update(memory_of_test, old, J("{'name':'z','title':'New','description':null,'required':false}"), &c, &out, &e),
        e);
    assert_string_equal(
        text_of(out),
        "{'id':'1','name':'q','title':'New','description':null,'required':true,'settings':{'type':'text','use_markdown':false}}");
    assert_words(question_update(memory_of_test, old, J("{'title':null,'settings':null}"), &c, &out, &e), &e,
                 "The following keys must have non-null values: title, settings", "nulls");
}

/* ---- what others see of an answer -------------------------------------------------------------------------------------------------- */

static void seen(const char *type, const char *value, const char *terms, const char *same) {
    const json *question = J(arena_printf(memory_of_test, "{'name':'q','settings':{'type':'%s'}}", type));
    assert_string_equal(text_of(question_terms(memory_of_test, question, J(value))), terms);
    assert_string_equal(question_same(memory_of_test, question, J(value)).ptr, same);
}

static void filters_see_labels_numbers_and_choices(void **state) {
    (void)state;
    double n;
    seen("label_selection", "'a'", "['a']", "a");
    seen("rating", "4", "['4']", "4");
    seen("multi_label_selection", "['b','a']", "['b','a']", "\"a\"\"b\"");
    seen("comparison", "{'choice':'both_bad'}", "['both_bad']", "both_bad");
    seen("text", "' x '", "[]", "x");
    seen("span", "[{'label':'l','start':4,'end':5},{'label':'l','start':1,'end':2}]", "[]", "1-2\"l\"4-5\"l\"");
    assert_true(question_number(J("{'settings':{'type':'rating'}}"), J("4"), &n));
    assert_true(n == 4);
    assert_false(question_number(J("{'settings':{'type':'text'}}"), J("'4'"), &n));
}

static void rankings_are_the_same_when_their_order_is(void **state) {
    (void)state;
    seen("ranking", "[{'value':'a','rank':1},{'value':'b','rank':3}]", "[]", "0\"a\"1\"b\"");
    seen("ranking", "[{'value':'b','rank':2},{'value':'a','rank':1}]", "[]", "0\"a\"1\"b\"");
    seen("ranking", "[{'value':'b','rank':1},{'value':'a','rank':1}]", "[]", "0\"a\"0\"b\"");
}

static void every_type_has_a_name_words_and_a_scale_that_fits(void **state) {
    (void)state;
    int n;
    const question_type *const *all = question_types(&n);
    assert_int_equal(n, 7);
    for (int i = 0; i < n; i++) {
        assert_true(question_type_find(str_of(all[i]->name)) == all[i]);
        assert_true(strlen(all[i]->words) > 5 && all[i]->create && all[i]->update && all[i]->check && all[i]->same);
    }
    assert_int_equal(question_scale(J("{'settings':{'type':'rating'}}")), SCALE_ORDINAL);
    assert_int_equal(question_scale(J("{'settings':{'type':'span'}}")), SCALE_NONE);
    assert_int_equal(question_scale(J("{'settings':{'type':'label_selection'}}")), SCALE_NOMINAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_text_question_is_markdown_or_not),
        TEST(a_text_answer_is_a_text),
        TEST(ratings_are_two_to_eleven_whole_numbers_up_to_ten),
        TEST(a_rating_is_one_of_the_numbers_as_json_writes_whole_ones),
        TEST(options_of_ratings_and_rankings_stay_unless_free),
        TEST(labels_are_two_to_five_hundred_with_text),
        TEST(visible_options_are_three_at_least_and_no_more_than_there_are),
        TEST(lengths_count_characters_not_bytes),
        TEST(published_labels_change_their_words_and_order_not_their_values),
        TEST(a_label_is_one_of_the_options),
        TEST(labels_are_one_or_more_different_options),
        TEST(a_final_ranking_is_whole_ties_and_gaps_allowed),
        TEST(a_draft_ranking_may_be_partial),
        TEST(a_span_question_has_a_field_of_its_own),
        TEST(overlapping_is_allowed_for_good),
        TEST(spans_are_measured_in_code_points),
        TEST(spans_overlap_only_where_they_may),
        TEST(a_comparison_has_two_sides),
        TEST(a_comparison_keeps_its_fields_unless_free),
        TEST(a_comparison_is_answered_with_a_choice),
        TEST(a_question_has_name_title_description_required),
        TEST(a_change_touches_what_it_names),
        TEST(filters_see_labels_numbers_and_choices),
        TEST(rankings_are_the_same_when_their_order_is),
        TEST(every_type_has_a_name_words_and_a_scale_that_fits),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
