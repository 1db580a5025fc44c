/* Recipes: what is guessed, which examples come of which answers, whose they are, and what is refused. */
#include "json_words.h"

#include <math.h>

static const char *const FIELDS = "[{'name':'prompt','settings':{'type':'text'}},{'name':'answer_a','settings':{'type':'text'}},"
                                  "{'name':'answer_b','settings':{'type':'text'}},{'name':'system','settings':{'type':'text'}},"
                                  "{'name':'context','settings':{'type':'text'}},{'name':'chat','settings':{'type':'chat'}}]";
static const char *const QUESTIONS =
    "[{'id':'1','name':'which','settings':{'type':'comparison','fields':['answer_a','answer_b'],'strength':true}},"
    "{'id':'2','name':'order','settings':{'type':'ranking','options':[{'value':'answer_a'},{'value':'answer_b'}]}},"
    "{'id':'3','name':'stars','settings':{'type':'rating','options':[{'value':1},{'value':2},{'value':3},{'value':4},{'value':5}]"
    "}},"
    "{'id':'4','name':'thumb','settings':{'type':'label_selection','options':[{'value':'good'},{'value':'bad'},{'value':'unsure'}"
    "]}},"
    "{'id':'5','name':'better','settings':{'type':'text'}},"
    "{'id':'6','name':'stars_b','settings':{'type':'rating','options':[{'value':1},{'value':2},{'value':3},{'value':4},{'value':"
    "5}]}}]";

static recipe_options options(const char *unify, const char *form) {
    recipe_options o;
    opt_defaults(recipe_option_table, &o, memory_of_test);
    if (unify) o.unify = unify;
    o.form = form;
    return o;
}

static recipe *open_with(const char *mapping, const recipe_options *o) {
    err e = {0};
    recipe *r = recipe_open(memory_of_test, J(FIELDS), J(QUESTIONS), J(mapping), o, &e);
    if (!r) fail_msg("%s: %s", mapping, e.text);
    return r;
}

/* The rows of one record without lineage, one a line. */
static char *rows_of(const example_list *l) {
    buf out = {0};
    for (size_t i = 0; i < l->count; i++) {
        example x = l->item[i];
        json_writer w = json_writer_on(&out, false);
        x.record = x.by = x.origin = x.licence = x.group = STR("");
        x.responses = x.people = NULL;
        example_put_json(&w, &x);
        buf_put_char(&out, '\n');
    }
    char *text = str_copy(memory_of_test, buf_str(&out));
    buf_free(&out);
    for (char *c = text; *c; c++)
        if (*c == '"') *c = '\'';
    return text;
}

static void gives(const char *mapping, const char *unify, const char *record, const char *target, const char *wanted) {
    const recipe_options o = options(unify, "text");
    example_list list = {0};
    recipe_target as;
    assert_true(recipe_target_find(str_of(target), &as));
    recipe_convert(memory_of_test, open_with(mapping, &o), J(record), as, &list);
    assert_string_equal(rows_of(&list), wanted);
}

#define FIELD_VALUES "'id':'r','fields':{'prompt':'P','answer_a':'A','answer_b':'B'}"
#define SAYS(user, question, value)                                                                                              \
    "{'id':'of-" user "','user_id':'" user "','status':'submitted','values':{'" question "':{'value':" value "}}}"
#define RECORD(responses) "{" FIELD_VALUES ",'responses':[" responses "]}"

/* ---- guessing ----------------------------------------------------------------------------------------------------------------------- */

static const json *guessed(const char *fields, const char *questions, size_t i) {
    return json_at(recipe_guess(memory_of_test, J(fields), J(questions)), i);
}

static void names_tell_what_fields_are_for(void **state) {
    (void)state;
    const json *all = recipe_guess(memory_of_test, J(FIELDS), J(QUESTIONS));
    assert_int_equal(json_count(all), 6);
    assert_string_equal(text_of(json_at(all, 0)),
                        "{'recipe':'comparison','question':'which','prompt':'prompt','system':'system','context':'context',"
                        "'answer_a':'answer_a','answer_b':'answer_b','ask':[]}");
    assert_string_equal(text_of(json_get(json_at(all, 1), "answers")), "{'answer_a':'answer_a','answer_b':'answer_b'}");
    assert_string_equal(
        text_of(guessed("[{'name':'Instruction','settings':{'type':'text'}},{'name':'Input','settings':{'type':'text'}},"
                        "{'name':'Output','settings':{'type':'text'}}]",
                        "[{'name':'ok','settings':{'type':'label_selection','options':[{'value':'Yes'},{'value':'No'}]}}]", 0)),
        "{'recipe':'label','question':'ok','prompt':'Instruction','context':'Input','good':['Yes'],'bad':['No'],'answer':'Output'"
        ",'ask':[]}");
}

static void what_names_do_not_tell_is_asked(void **state) {
    (void)state;
    const json *two =
        guessed("[{'name':'response_1','settings':{'type':'text'}},{'name':'response_2','settings':{'type':'text'}},"
                "{'name':'prompt','settings':{'type':'text'}}]",
                "[{'name':'stars','settings':{'type':'rating','options':[{'value':1},{'value':2}]}}]", 0);
    assert_string_equal(text_of(json_get(two, "ask")),
                        "[{'role':'answer','choices':['response_1','response_2'],'words':'Which field is rated?'}]");
    const json *odd = guessed("[{'name':'x','settings':{'type':'text'}},{'name':'y','settings':{'type':'text'}}]",
                              "[{'name':'q','settings':{'type':'ranking','options':[{'value':'1'},{'value':'2'}]}}]", 0);
    assert_string_equal(text_of(json_get(json_at(json_get(odd, "ask"), 0), "choices")), "['x','y']");
    assert_true(str_is(json_get_text(json_at(json_get(odd, "ask"), 1), "role", STR("")), "answers"));
}

static void a_rating_named_after_a_field_rates_it(void **state) {
    (void)state;
    const json *g =
        guessed("[{'name':'prompt','settings':{'type':'text'}},{'name':'response_1','settings':{'type':'text'}},{'name':'"
                "response_2','settings':"
                "{'type':'text'}}]",
                "[{'name':'quality_response_2','settings':{'type':'rating','options':[{'value':1},{'value':2}]}}]", 0);
    assert_string_equal(text_of(json_get(g, "answer")), "'response_2'");
}

static void remarks_and_topics_are_no_recipe(void **state) {
    (void)state;
    assert_null(guessed(FIELDS, "[{'name':'Comment','settings':{'type':'text'}}]", 0));
    assert_null(guessed(
        FIELDS, "[{'name':'topic','settings':{'type':'label_selection','options':[{'value':'sport'},{'value':'art'}]}}]", 0));
    assert_null(guessed(FIELDS, "[{'name':'s','settings':{'type':'span','field':'prompt','options':[{'value':'a'}]}}]", 0));
}

#define RATED   "{'name':'stars','required':%s,'settings':{'type':'rating','options':[{'value':1},{'value':2}]}}"
#define WRITTEN "{'name':'better','required':%s,'settings':{'type':'text'}}"

static void what_everybody_writes_says_most(void **state) {
    (void)state;
    static const struct {
        const char *rated, *written, *first;
    } cases[] = {{"true", "true", "text"}, {"false", "false", "text"}, {"true", "false", "rating"}, {"false", "true", "text"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char questions[300];
        snprintf(questions, sizeof questions, "[" RATED "," WRITTEN "]", cases[i].rated, cases[i].written);
        assert_true(str_is(json_get_text(guessed(FIELDS, questions, 0), "recipe", STR("")), cases[i].first));
    }
}

static void a_lone_conversation_ends_with_the_answer(void **state) {
    (void)state;
    const json *g = guessed("[{'name':'talk','settings':{'type':'chat'}}]",
                            "[{'name':'stars','settings':{'type':'rating','options':[{'value':1},{'value':2}]}}]", 0);
    assert_string_equal(text_of(g), "{'recipe':'rating','question':'stars','messages':'talk','ask':[]}");
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------------ */

static void refuses(const char *mapping, const char *unify, const char *words) {
    const recipe_options o = options(unify, "text");
    err e = {0};
    assert_words(recipe_open(memory_of_test, J(FIELDS), J(QUESTIONS), J(mapping), &o, &e) != NULL, &e, words, mapping);
}

static void a_mapping_names_what_there_is(void **state) {
    (void)state;
    refuses("[]", NULL, "a mapping should be an object");
    refuses("{'recipe':'soup'}", NULL, "one of comparison, ranking, text, rating, label, but is the text 'soup'");
    refuses("{'recipe':'text','question':'none'}", NULL, "'question' should be the name of a question");
    refuses("{'recipe':'text','question':'stars','prompt':'prompt'}", NULL, "for questions of type text, but 'stars' is none");
    refuses("{'recipe':'text','question':'better','prompt':'nothing'}", NULL, "'prompt' should be the name of a field");
    refuses("{'recipe':'text','question':'better'}", NULL, "no field is the prompt");
    refuses("{'recipe':'text','question':'better','prompt':'chat','context':'context'}", NULL,
            "'context' goes with a prompt that is a text");
    refuses("{'recipe':'text','question':'better','prompt':'prompt'}", "mean", "there is no mean of answers to a text question");
    refuses("{'recipe':'rating','question':'stars','prompt':'prompt'}", NULL, "no field is what is rated");
    refuses("{'recipe':'rating','question':'stars','prompt':'prompt','answers':{'which':'answer_a'}}", NULL, "'which' -> ");
    refuses("{'recipe':'comparison','question':'which','prompt':'prompt','answer_a':'answer_a'}", NULL, "no field is answer B");
    refuses("{'recipe':'comparison','question':'which','prompt':'prompt','answer_a':'answer_a','answer_b':'answer_a'}", NULL,
            "two fields");
    refuses("{'recipe':'ranking','question':'order','prompt':'prompt','answers':{'answer_a':'answer_a'}}", NULL,
            "but 'answer_b' has none");
    refuses("{'recipe':'label','question':'thumb','prompt':'prompt','answer':'answer_a'}", NULL,
            "which labels mean a good answer");
    refuses("{'recipe':'label','question':'thumb','prompt':'prompt','answer':'answer_a','good':['great']}", NULL,
            "'good': a label should be one of");
    refuses("{'recipe':'label','question':'thumb','prompt':'prompt','good':['good']}", NULL, "no field is what is judged");
}

/* ---- what comes of answers ------------------------------------------------------------------------------------------------------------ */

#define COMPARES "{'recipe':'comparison','question':'which','prompt':'prompt','answer_a':'answer_a','answer_b':'answer_b'}"

static void the_winner_is_imitated_and_preferred(void **state) {
    (void)state;
    const char *b = RECORD(SAYS("u", "which", "{'choice':'b','strength':3}"));
    gives(COMPARES, NULL, b, "sft", "{'prompt':'P','completion':'B'}\n");
    gives(COMPARES, NULL, b, "pairs", "{'prompt':'P','chosen':'B','rejected':'A','margin':3.0}\n");
    gives(COMPARES, NULL, b, "labelled", "");
    gives(COMPARES, NULL, b, "prompts", "{'prompt':'P'}\n");
    gives(COMPARES, NULL, RECORD(SAYS("u", "which", "{'choice':'a'}")), "pairs", "{'prompt':'P','chosen':'A','rejected':'B'}\n");
    gives(COMPARES, NULL, RECORD(SAYS("u", "which", "{'choice':'tie'}")), "pairs", "");
    gives(COMPARES, NULL, RECORD(SAYS("u", "which", "{'choice':'both_bad'}")), "sft", "");
    gives(COMPARES, NULL, RECORD(""), "pairs", "");
    gives(COMPARES, NULL, RECORD(""), "prompts", "{'prompt':'P'}\n");
}

#define RANKS "{'recipe':'ranking','question':'order','prompt':'prompt','answers':{'answer_a':'answer_a','answer_b':'answer_b'}}"

static void a_ranking_gives_the_best_and_every_strict_pair(void **state) {
    (void)state;
    const char *r = RECORD(SAYS("u", "order", "[{'value':'answer_a','rank':2},{'value':'answer_b','rank':1}]"));
    gives(RANKS, NULL, r, "sft", "{'prompt':'P','completion':'B'}\n");
    gives(RANKS, NULL, r, "pairs", "{'prompt':'P','chosen':'B','rejected':'A'}\n");
    gives(RANKS, NULL, r, "labelled", "");
    const char *tie = RECORD(SAYS("u", "order", "[{'value':'answer_a','rank':1},{'value':'answer_b','rank':1}]"));
    gives(RANKS, NULL, tie, "sft", "");
    gives(RANKS, NULL, tie, "pairs", "");
}

static void ranks_of_several_people_are_averaged(void **state) {
    (void)state;
    gives(RANKS, NULL,
          RECORD(SAYS("u", "order", "[{'value':'answer_a','rank':1},{'value':'answer_b','rank':2}]") "," SAYS(
              "v", "order",
              "[{'value':'answer_a','rank':2},{'value':'answer_b','rank':1}]") "," SAYS("w", "order",
                                                                                        "[{'value':'answer_a','rank':1},{'value':"
                                                                                        "'answer_b','rank':2}]")),
          "pairs", "{'prompt':'P','chosen':'A','rejected':'B'}\n");
}

#define RATES      "{'recipe':'rating','question':'stars','prompt':'prompt','answer':'answer_a'}"
#define RATES_BOTH "{'recipe':'rating','question':'stars','prompt':'prompt','answers':{'stars':'answer_a','stars_b':'answer_b'}}"

static void ratings_are_good_above_the_middle(void **state) {
    (void)state;
    gives(RATES, NULL, RECORD(SAYS("u", "stars", "4")), "sft", "{'prompt':'P','completion':'A'}\n");
    gives(RATES, NULL, RECORD(SAYS("u", "stars", "3")), "sft", "");
    gives(RATES, NULL, RECORD(SAYS("u", "stars", "4")), "labelled", "{'prompt':'P','completion':'A','label':true}\n");
    gives(RATES, NULL, RECORD(SAYS("u", "stars", "3")), "labelled", "{'prompt':'P','completion':'A','label':false}\n");
    recipe_options o = options(NULL, "text");
    o.threshold = 3;
    example_list list = {0};
    recipe_convert(memory_of_test, open_with(RATES, &o), J(RECORD(SAYS("u", "stars", "3"))), TARGET_SFT, &list);
    assert_int_equal(list.count, 1);
}

static void ratings_of_two_answers_make_a_pair_with_their_difference(void **state) {
    (void)state;
    const char *r = RECORD("{'id':'x','user_id':'u','status':'submitted','values':{'stars':{'value':2},'stars_b':{'value':5}}}");
    gives(RATES_BOTH, NULL, r, "pairs", "{'prompt':'P','chosen':'B','rejected':'A','margin':3.0}\n");
    gives(RATES_BOTH, NULL, r, "labelled",
          "{'prompt':'P','completion':'A','label':false}\n{'prompt':'P','completion':'B','label':true}\n");
    gives(RATES_BOTH, NULL,
          RECORD("{'id':'x','user_id':'u','status':'submitted','values':{'stars':{'value':2},'stars_b':{'value':2}}}"), "pairs",
          "");
}

static void pairs_of_ratings_reach_across_records_of_one_prompt(void **state) {
    (void)state;
    const json *records =
        J("[{'id':'1','fields':{'prompt':'Say  HI','answer_a':'x'},'metadata':{'licence':'mit'},'responses':[" SAYS(
            "u", "stars",
            "1") "]},"
                 "{'id':'2','fields':{'prompt':'Bye','answer_a':'y'},'responses':[" SAYS(
                     "u", "stars",
                     "5") "]},"
                          "{'id':'3','fields':{'prompt':'say hi','answer_a':'z'},'metadata':{'licence':'cc0'},'responses':[" SAYS(
                              "v", "stars", "4") "]}]");
    example_list list = {0};
    err e = {0};
    const recipe_options o = options(NULL, "text");
    assert_ok(recipe_convert_all(memory_of_test, open_with(RATES, &o), records, TARGET_PAIRS, &list, &e), e);
    assert_string_equal(rows_of(&list), "{'prompt':'say hi','chosen':'z','rejected':'x','margin':3.0}\n");
    assert_string_equal(str_copy(memory_of_test, list.item[0].record), "3,1");
    assert_string_equal(str_copy(memory_of_test, list.item[0].licence), "cc0,mit");
    assert_int_equal(json_count(list.item[0].people), 2);
    assert_string_equal(text_of(list.item[0].responses), "['of-v','of-u']");
    list.count = 0; /* one person's numbers are not measured against another's when nobody is unified */
    const recipe_options all = options("all", "text");
    assert_ok(recipe_convert_all(memory_of_test, open_with(RATES, &all), records, TARGET_PAIRS, &list, &e), e);
    assert_int_equal(list.count, 0);
}

#define JUDGES "{'recipe':'label','question':'thumb','prompt':'prompt','answer':'answer_a','good':['good'],'bad':['bad']}"

static void labels_are_good_bad_or_nothing(void **state) {
    (void)state;
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'good'")), "sft", "{'prompt':'P','completion':'A'}\n");
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'bad'")), "sft", "");
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'bad'")), "labelled", "{'prompt':'P','completion':'A','label':false}\n");
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'unsure'")), "labelled", "");
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'good'")), "pairs", "");
}

#define WRITES      "{'recipe':'text','question':'better','prompt':'prompt','answer':'answer_a'}"
#define WRITES_ANEW "{'recipe':'text','question':'better','prompt':'prompt'}"

static void an_edit_is_imitated_and_preferred_over_what_it_edits(void **state) {
    (void)state;
    gives(WRITES, NULL, RECORD(SAYS("u", "better", "'C'")), "sft", "{'prompt':'P','completion':'C'}\n");
    gives(WRITES, NULL, RECORD(SAYS("u", "better", "'C'")), "pairs", "{'prompt':'P','chosen':'C','rejected':'A'}\n");
    gives(WRITES, NULL, RECORD(SAYS("u", "better", "' A '")), "pairs", "");
    gives(WRITES, NULL, RECORD(SAYS("u", "better", "'  '")), "sft", "");
    gives(WRITES_ANEW, NULL, RECORD(SAYS("u", "better", "'C'")), "pairs", "");
    gives(WRITES_ANEW, NULL,
          "{" FIELD_VALUES ",'responses':[" SAYS("u", "better", "'C'") "],'suggestions':[{'question_id':'4','value':'good'},"
                                                                       "{'question_id':'5','value':'S'}]}",
          "pairs", "{'prompt':'P','chosen':'C','rejected':'S'}\n");
}

/* ---- several people ----------------------------------------------------------------------------------------------------------------- */

static void majorities_decide_and_ties_do_not(void **state) {
    (void)state;
    const char *two = RECORD(SAYS("u", "thumb", "'good'") "," SAYS("v", "thumb", "'bad'") "," SAYS("w", "thumb", "'bad'"));
    gives(JUDGES, NULL, two, "labelled", "{'prompt':'P','completion':'A','label':false}\n");
    gives(JUDGES, NULL, RECORD(SAYS("u", "thumb", "'good'") "," SAYS("v", "thumb", "'bad'")), "labelled", "");
    gives(JUDGES, "all", RECORD(SAYS("u", "thumb", "'good'") "," SAYS("v", "thumb", "'bad'")), "labelled",
          "{'prompt':'P','completion':'A','label':true}\n{'prompt':'P','completion':'A','label':false}\n");
}

static void gold_comes_first(void **state) {
    (void)state;
    const char *r = "{" FIELD_VALUES ",'gold':{'thumb':{'value':'good'}},'responses':[" SAYS("v", "thumb", "'bad'") "]}";
    gives(JUDGES, NULL, r, "labelled", "{'prompt':'P','completion':'A','label':true}\n");
    gives(JUDGES, "gold", r, "labelled", "{'prompt':'P','completion':'A','label':true}\n");
    gives(JUDGES, "gold", RECORD(SAYS("v", "thumb", "'bad'")), "labelled", "");
    gives(JUDGES, "all", r, "labelled",
          "{'prompt':'P','completion':'A','label':false}\n{'prompt':'P','completion':'A','label':true}\n");
}

static void what_was_settled_otherwise_is_no_example(void **state) {
    (void)state;
    const char *r = "{" FIELD_VALUES ",'gold':{'better':{'value':'G'}},'responses':[" SAYS("u", "better", "'C'") "]}";
    gives(WRITES, NULL, r, "sft", "{'prompt':'P','completion':'G'}\n");
    gives(WRITES, "all", r, "sft", "{'prompt':'P','completion':'C'}\n{'prompt':'P','completion':'G'}\n");
}

static void the_latest_and_the_mean(void **state) {
    (void)state;
    const char *r =
        RECORD("{'id':'1','user_id':'u','status':'submitted','updated_at':'2024-02-01T00:00:00','values':{'stars':{'value':5}}},"
               "{'id':'2','user_id':'v','status':'submitted','updated_at':'2024-01-01T00:00:00','values':{'stars':{'value':2}}}");
    gives(RATES, "latest", r, "labelled", "{'prompt':'P','completion':'A','label':true}\n");
    gives(RATES, "mean", r, "labelled", "{'prompt':'P','completion':'A','label':false}\n");
    gives(COMPARES, "mean",
          RECORD(SAYS("u", "which", "{'choice':'a','strength':1}") "," SAYS("v", "which", "{'choice':'b','strength':3}")),
          "pairs", "{'prompt':'P','chosen':'B','rejected':'A','margin':1.0}\n");
}

static void drafts_and_discarded_records_say_nothing(void **state) {
    (void)state;
    gives(JUDGES, NULL, RECORD("{'id':'1','user_id':'u','status':'draft','values':{'thumb':{'value':'good'}}}"), "labelled", "");
    gives(JUDGES, NULL, RECORD("{'id':'1','user_id':'u','status':'discarded','values':null}"), "prompts", "");
}

static void people_who_want_out_are_left_out(void **state) {
    (void)state;
    const char *names[] = {"v"}, *pseudonyms[] = {person_pseudonym(memory_of_test, "s", STR("v"))};
    const json *record = J("{" FIELD_VALUES ",'gold':{'better':{'value':'G','user_id':'v'}},'responses':[" SAYS(
        "u", "better", "'C'") "," SAYS("v", "better", "'D'") "]}");
    for (int by_pseudonym = 0; by_pseudonym < 2; by_pseudonym++) {
        recipe_options o = options(NULL, "text");
        example_list list = {0};
        o.salt = "s";
        o.without = (opt_list){by_pseudonym ? pseudonyms : names, 1};
        recipe_convert(memory_of_test, open_with(WRITES, &o), record, TARGET_SFT, &list);
        assert_string_equal(rows_of(&list), "{'prompt':'P','completion':'C'}\n");
    }
}

static void suggestions_stand_in_only_when_asked_and_are_named(void **state) {
    (void)state;
    const json *record = J("{" FIELD_VALUES ",'suggestions':[{'question_id':'4','value':'good','agent':'judge-1'}]}");
    recipe_options o = options(NULL, "text");
    example_list list = {0};
    recipe_convert(memory_of_test, open_with(JUDGES, &o), record, TARGET_LABELLED, &list);
    assert_int_equal(list.count, 0);
    o.suggestions = true;
    recipe_convert(memory_of_test, open_with(JUDGES, &o), record, TARGET_LABELLED, &list);
    assert_int_equal(list.count, 1);
    assert_string_equal(str_copy(memory_of_test, list.item[0].by), "suggestion:judge-1");
    assert_int_equal(json_count(list.item[0].people), 0);
}

static void labels_of_a_file_stand_in_until_somebody_answers(void **state) {
    (void)state;
    const json *record = J("{" FIELD_VALUES ",'suggestions':[{'question_id':'4','value':'good','agent':'file:kto.jsonl'}]}"),
               *answered =
                   J("{" FIELD_VALUES ",'responses':[" SAYS("u", "thumb", "'bad'") "],'suggestions':[{'question_id':'4',"
                                                                                   "'value':'good','agent':'file:kto.jsonl'}]}");
    const recipe_options o = options(NULL, "text");
    example_list list = {0};
    recipe_convert(memory_of_test, open_with(JUDGES, &o), record, TARGET_LABELLED, &list);
    recipe_convert(memory_of_test, open_with(JUDGES, &o), answered, TARGET_LABELLED, &list);
    assert_int_equal(list.count, 2);
    assert_string_equal(str_copy(memory_of_test, list.item[0].by), "suggestion:file:kto.jsonl");
    assert_int_equal(json_count(list.item[1].people), 1);
}

static void a_report_counts_what_suggestions_would_add(void **state) {
    (void)state;
    json *records = json_new_array(memory_of_test);
    json_append(records, J("{" FIELD_VALUES ",'suggestions':[{'question_id':'4','value':'good','agent':'judge-1'}]}"));
    json_append(records, J("{" FIELD_VALUES "}"));
    recipe_options o = options(NULL, "text");
    const json *targets = json_get(recipe_report(memory_of_test, open_with(JUDGES, &o), records), "targets");
    assert_int_equal(json_get_int(json_get(targets, "labelled"), "count", -1), 0);
    assert_int_equal(json_get_int(json_get(targets, "labelled"), "with_suggestions", -1), 1);
    o.suggestions = true;
    targets = json_get(recipe_report(memory_of_test, open_with(JUDGES, &o), records), "targets");
    assert_int_equal(json_get_int(json_get(targets, "labelled"), "count", -1), 1);
    assert_false(json_has(json_get(targets, "labelled"), "with_suggestions"));
}

/* ---- prompts ------------------------------------------------------------------------------------------------------------------------ */

static void as_conversation(const char *mapping, const char *record, const char *target, const char *sft, const char *wanted) {
    recipe_options o = options(NULL, "messages");
    example_list list = {0};
    recipe_target as;
    if (sft) o.sft = sft;
    assert_true(recipe_target_find(str_of(target), &as));
    recipe_convert(memory_of_test, open_with(mapping, &o), J(record), as, &list);
    assert_string_equal(rows_of(&list), wanted);
}

#define RATES_ALL                                                                                                                \
    "{'recipe':'rating','question':'stars','prompt':'prompt','system':'system','context':'context','answer':'answer_a'}"

static void prompts_take_system_and_context_with_them(void **state) {
    (void)state;
    const char *r =
        "{'fields':{'prompt':'P','context':'C','system':'S','answer_a':'A'},'responses':[" SAYS("u", "stars", "5") "]}";
    gives(RATES_ALL, NULL, r, "sft", "{'prompt':'S\\n\\nP\\n\\nC','completion':'A'}\n");
    as_conversation(RATES_ALL, r, "sft", NULL,
                    "{'prompt':[{'role':'system','content':'S'},{'role':'user','content':'P\\n\\nC'}],'completion':[{'role':'"
                    "assistant','content':'A'}]}\n");
    as_conversation(RATES_ALL, r, "sft", "messages",
                    "{'messages':[{'role':'system','content':'S'},{'role':'user','content':'P\\n\\nC'},{'role':'assistant','"
                    "content':'A'}]}\n");
    as_conversation(RATES_ALL, r, "prompts", NULL,
                    "{'prompt':[{'role':'system','content':'S'},{'role':'user','content':'P\\n\\nC'}]}\n");
    gives(RATES_ALL, NULL, "{'fields':{'prompt':' ','answer_a':'A'}}", "prompts", "");
}

static void a_conversation_is_cut_before_its_last_answer(void **state) {
    (void)state;
    const char *mapping = "{'recipe':'rating','question':'stars','messages':'chat'}";
    const char *r = "{'fields':{'chat':[{'role':'user','content':'Hi'},{'role':'assistant','content':'Yo'}]},'responses':[" SAYS(
        "u", "stars", "5") "]}";
    as_conversation(mapping, r, "sft", NULL,
                    "{'prompt':[{'role':'user','content':'Hi'}],'completion':[{'role':'assistant','content':'Yo'}]}\n");
    as_conversation(mapping, "{'fields':{'chat':[{'role':'user','content':'Hi'}]},'responses':[" SAYS("u", "stars", "5") "]}",
                    "sft", NULL, "");
    as_conversation(mapping, "{'fields':{'chat':[{'role':'user','content':'Hi'}]}}", "prompts", NULL,
                    "{'prompt':[{'role':'user','content':'Hi'}]}\n");
}

static void a_chat_can_be_the_prompt(void **state) {
    (void)state;
    const char *mapping = "{'recipe':'rating','question':'stars','prompt':'chat','system':'system','answer':'answer_a'}";
    as_conversation(mapping,
                    "{'fields':{'chat':[{'role':'user','content':'Hi'}],'system':'S','answer_a':'A'},'responses':[" SAYS(
                        "u", "stars", "5") "]}",
                    "sft", NULL,
                    "{'prompt':[{'role':'system','content':'S'},{'role':'user','content':'Hi'}],'completion':[{'role':'assistant'"
                    ",'content':'A'}]}\n");
}

static void an_answer_does_not_repeat_its_prompt(void **state) {
    (void)state;
    const char *mapping = "{'recipe':'rating','question':'stars','prompt':'prompt','system':'system','answer':'chat'}";
    as_conversation(mapping,
                    "{'fields':{'prompt':'Hi','system':'S','chat':[{'role':'user','content':'Hi'},{'role':'assistant','content':"
                    "'Yo'}]},'responses':[" SAYS("u", "stars", "5") "]}",
                    "sft", NULL,
                    "{'prompt':[{'role':'system','content':'S'},{'role':'user','content':'Hi'}],'completion':[{'role':'assistant'"
                    ",'content':'Yo'}]}\n");
    as_conversation(
        mapping,
        "{'fields':{'prompt':'Hi','chat':[{'role':'assistant','content':'Yo'}]},'responses':[" SAYS("u", "stars", "5") "]}",
        "sft", NULL, "{'prompt':[{'role':'user','content':'Hi'}],'completion':[{'role':'assistant','content':'Yo'}]}\n");
}

/* ---- lineage and licences -------------------------------------------------------------------------------------------------------------- */

static void examples_say_whose_they_are(void **state) {
    (void)state;
    recipe_options o = options(NULL, "text");
    o.salt = "secret";
    example_list list = {0};
    recipe_convert(memory_of_test, open_with(JUDGES, &o),
                   J("{" FIELD_VALUES ",'metadata':{'source':'forum','license':'CC-BY-4.0','group':'g1'},'responses':[" SAYS(
                       "u", "thumb", "'good'") "," SAYS("v", "thumb", "'good'") "," SAYS("w", "thumb", "'bad'") "]}"),
                   TARGET_LABELLED, &list);
    const example *x = list.item;
    assert_int_equal(list.count, 1);
    assert_string_equal(str_copy(memory_of_test, x->record), "r");
    assert_string_equal(text_of(x->responses), "['of-u','of-v']");
    assert_int_equal(json_count(x->people), 2);
    assert_string_equal(json_text(json_at(x->people, 0), STR("")).ptr, person_pseudonym(memory_of_test, "secret", STR("u")));
    assert_string_equal(str_copy(memory_of_test, x->licence), "CC-BY-4.0");
    assert_string_equal(str_copy(memory_of_test, x->origin), "forum");
    assert_string_equal(str_copy(memory_of_test, x->group), "g1");
}

static void pseudonyms_depend_on_the_salt_and_hide_the_id(void **state) {
    (void)state;
    const char *one = person_pseudonym(memory_of_test, "s", STR("anna")),
               *again = person_pseudonym(memory_of_test, "s", STR("anna"));
    assert_string_equal(one, again);
    assert_string_not_equal(one, person_pseudonym(memory_of_test, "t", STR("anna")));
    assert_string_not_equal(one, person_pseudonym(memory_of_test, "s", STR("bert")));
    assert_null(strstr(one, "anna"));
    assert_int_equal(strlen(one), 14);
}

static void licences_are_found_however_they_are_spelled(void **state) {
    (void)state;
    assert_string_equal(licence_find(STR("Apache License 2.0"))->name, "apache-2.0");
    assert_string_equal(licence_find(STR("CC BY-NC 4.0"))->name, "cc-by-nc-4.0");
    assert_string_equal(licence_find(STR("gpt-4-0613"))->name, "openai-terms");
    assert_string_equal(licence_find(STR("llama_3"))->name, "llama3");
    assert_null(licence_find(STR("mitten")));
    assert_null(licence_find(STR("")));
    assert_false(licence_find(STR("cc-by-nc-sa-4.0"))->commercial);
    assert_false(licence_find(STR("claude-2"))->competing);
    assert_true(licence_find(STR("mit"))->commercial);
}

static void a_commercial_purpose_refuses_by_name(void **state) {
    (void)state;
    const json *records = J("[{'id':'1','metadata':{'licence':'mit'}},{'id':'2','metadata':{'licence':'cc-by-nc-4.0'}},{'id':'3',"
                            "'metadata':{'licence':'mit',"
                            "'source':'gpt-4'}},{'id':'4'},{'id':'5','metadata':{'licence':'our own'}}]");
    err e = {0}, commercial = {0}, run = {0};
    assert_ok(licences_allow(records, "any", &e), e);
    assert_false(licences_allow(records, "commercial", &commercial));
    assert_int_equal(commercial.code, ERR_REFUSED);
    assert_non_null(strstr(commercial.text,
                           "2 records' licences would forbid it: 2 (cc-by-nc-4.0: no commercial use), 3 (openai-terms: outputs"));
    recipe_options o = options(NULL, "text");
    o.purpose = "commercial";
    example_list list = {0};
    assert_false(recipe_convert_all(memory_of_test, open_with(JUDGES, &o), records, TARGET_PROMPTS, &list, &run));
    assert_int_equal(list.count, 0);
}

static void a_report_says_how_many_and_why_none(void **state) {
    (void)state;
    const json *records = J("[" RECORD(
        SAYS("u", "thumb", "'good'")) ",{'id':'2','fields':{'prompt':'Q','answer_a':'Z'},'metadata':{'licence':'mit'},'responses'"
                                      ":[" SAYS("v", "thumb", "'bad'") "]},{'id':'3','fields':{'prompt':'R','answer_a':'Z'}}]");
    const recipe_options o = options(NULL, "text");
    const json *report = recipe_report(memory_of_test, open_with(JUDGES, &o), records), *each = json_get(report, "targets");
    assert_string_equal(text_of(json_get(each, "sft")),
                        "{'count':1,'reason':null,'left_out':{'nobody has answered the question':1,"
                        "'the answer is not good enough to imitate':1}}");
    assert_string_equal(
        text_of(json_get(each, "pairs")),
        "{'count':0,'reason':'a label judges one answer; a pair needs two answers to one prompt, one better','left_out':{}}");
    assert_int_equal(json_get_int(json_get(each, "labelled"), "count", 0), 2);
    assert_int_equal(json_get_int(json_get(each, "prompts"), "count", 0), 3);
    assert_int_equal(json_get_int(report, "people", 0), 2);
    assert_string_equal(text_of(json_get(report, "licences")),
                        "[{'licence':null,'records':2,'commercial':null,'competing':null},"
                        "{'licence':'mit','records':1,'commercial':true,'competing':true}]");
    const json *none = json_get(
        json_get(recipe_report(memory_of_test, open_with(RATES, &o), J("[{'id':'3','fields':{'prompt':'R','answer_a':'Z'}}]")),
                 "targets"),
        "pairs");
    assert_string_equal(text_of(json_get(none, "reason")), "'nobody has answered the question (1 of 1 records)'");
    const json *empty = json_get(json_get(recipe_report(memory_of_test, open_with(RATES, &o), J("[]")), "targets"), "sft");
    assert_string_equal(text_of(json_get(empty, "reason")), "'there are no records yet'");
}

static void an_overview_has_a_report_for_what_is_clear(void **state) {
    (void)state;
    const json *fields = J("[{'name':'prompt','settings':{'type':'text'}},{'name':'response_1','settings':{'type':'text'}},"
                           "{'name':'response_2','settings':{'type':'text'}}]");
    const json *questions = J("[{'name':'stars','settings':{'type':'rating','options':[{'value':1},{'value':2}]}},"
                              "{'name':'edit','settings':{'type':'text'}}]");
    const json *records = J("[{'id':'1','fields':{'prompt':'P'},'responses':[" SAYS("u", "edit", "'E'") "]}]");
    recipe_options o = options("mean", "text");
    const json *all = recipe_overview(memory_of_test, fields, questions, records, &o);
    assert_int_equal(json_count(all), 2);
    assert_true(json_count(json_get(json_get(json_at(all, 1), "mapping"), "ask")) == 1 && !json_get(json_at(all, 1), "report"));
    const json *edit = json_get(json_get(json_at(all, 0), "report"), "targets");
    assert_int_equal(json_get_int(json_get(edit, "sft"), "count", 0), 1);
    assert_string_equal(text_of(json_get(json_get(edit, "pairs"), "reason")), "'the answer's field is empty (1 of 1 records)'");
}

/* ---- split and files ------------------------------------------------------------------------------------------------------------------ */

static void near_copies_across_the_split_are_named(void **state) {
    (void)state;
    enum { COUNT = 400 };
    example *x = arena_array(memory_of_test, example, COUNT);
    for (int i = 0; i < COUNT; i++) { /* twins that differ in one word of twenty, all else unlike */
        const char *text =
            arena_printf(memory_of_test, "%d a%d b%d c%d d%d e%d f%d g%d h%d i%d j%d k%d l%d m%d n%d o%d p%d q%d r%d %s", i / 2,
                         i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2, i / 2,
                         i / 2, i / 2, i / 2, i % 2 ? "end" : "END.");
        x[i] = (example){.kind = EXAMPLE_PROMPT, .prompt = {.type = PART_TEXT, .text = str_of(text)}};
        x[i].record = str_of(arena_printf(memory_of_test, "r%d", i));
    }
    int64_t apart = 0;
    for (int i = 0; i < COUNT; i += 2) apart += example_split(&x[i], 10, 10) != example_split(&x[i + 1], 10, 10);
    const json *report = split_report(memory_of_test, x, COUNT, 10, 10, 0.7);
    assert_true(apart > 20);
    assert_int_equal(json_get_int(report, "near_count", 0), apart);
    assert_int_equal(json_get_int(report, "train", 0) + json_get_int(report, "validation", 0) + json_get_int(report, "test", 0),
                     COUNT);
    const json *first = json_at(json_get(report, "near"), 0);
    assert_true(json_get_real(first, "similarity", 0) > 0.85 && json_get_real(first, "similarity", 0) < 0.95);
    assert_int_equal(json_get_int(split_report(memory_of_test, x, COUNT, 10, 10, 0.95), "near_count", 9), 0);
    assert_int_equal(json_get_int(split_report(memory_of_test, x, COUNT, 0, 0, 0.7), "near_count", 9), 0);
}

static void short_prompts_are_near_only_to_themselves(void **state) {
    (void)state;
    example x[3] = {0};
    static const char *const texts[] = {"", "hi", "hello there"};
    for (int i = 0; i < 3; i++) x[i] = (example){.kind = EXAMPLE_PROMPT, .prompt = {.type = PART_TEXT, .text = str_of(texts[i])}};
    assert_int_equal(json_get_int(split_report(memory_of_test, x, 3, 30, 30, 0.5), "near_count", 9), 0);
    assert_int_equal(json_get_int(split_report(memory_of_test, x, 0, 30, 30, 0.5), "train", 9), 0);
}

static void rows_come_back_with_their_lineage(void **state) {
    (void)state;
    const recipe_options o = options(NULL, "messages");
    example_list list = {0};
    recipe_convert(memory_of_test, open_with(COMPARES, &o),
                   J("{" FIELD_VALUES ",'metadata':{'source':'s','licence':'mit'},'responses':[" SAYS(
                       "u", "which", "{'choice':'a','strength':2}") "]}"),
                   TARGET_PAIRS, &list);
    buf text = {0};
    err e = {0};
    recipe_put_rows(&text, list.item, list.count);
    char *folder = scratch_folder(memory_of_test), *path = path_join(memory_of_test, folder, "rows.jsonl");
    assert_ok(file_write(path, buf_str(&text), &e), e);
    source *s = source_open(memory_of_test, path, &e);
    example back;
    assert_ok(s && source_next(s, memory_of_test, &back, &e), e);
    assert_true(example_equal(&back, &list.item[0]));
    assert_true(json_equal(back.people, list.item[0].people) && str_eq(back.origin, STR("s")) && str_eq(back.record, STR("r")));
    assert_ok(dir_remove(folder, &e), e);
    buf_free(&text);
}

static void scripts_name_their_trainer_rows_and_model(void **state) {
    (void)state;
    static const char *const trainers[] = {"SFTTrainer(", "DPOTrainer(", "KTOTrainer(", "GRPOTrainer("};
    for (int t = 0; t < TARGET_COUNT; t++) {
        buf out = {0};
        recipe_put_trl(&out, (recipe_target)t, "rows \"x\".jsonl", "org/model");
        assert_non_null(strstr(out.ptr, trainers[t]));
        assert_non_null(strstr(out.ptr, "default=\"rows \\\"x\\\".jsonl\")\n"));
        assert_non_null(strstr(out.ptr, "default=\"org/model\")\n"));
        assert_null(strchr(out.ptr, '%'));
        buf_free(&out);
    }
}

/* The edit of the best is preferred to every answer; without one the order gives the pairs. */
static void an_edit_of_the_best_is_over_all_of_them(void **state) {
    (void)state;
#define EDITED                                                                                                                   \
    "{'recipe':'ranking','question':'order','prompt':'prompt','edit':'better','answers':{'answer_a':'answer_a','answer_b':"      \
    "'answer_b'}}"
#define RANKED          "'order':{'value':[{'value':'answer_a','rank':1},{'value':'answer_b','rank':2}]}"
#define RANKED_BY(more) RECORD("{'id':'1','user_id':'u','status':'submitted','values':{" RANKED more "}}")
    gives(EDITED, "mean", RANKED_BY(""), "pairs", "{'prompt':'P','chosen':'A','rejected':'B'}\n");
    gives(EDITED, "mean", RANKED_BY(",'better':{'value':'C'}"), "pairs",
          "{'prompt':'P','chosen':'C','rejected':'A'}\n{'prompt':'P','chosen':'C','rejected':'B'}\n");
    gives(EDITED, "mean", RANKED_BY(",'better':{'value':'C'}"), "sft", "{'prompt':'P','completion':'C'}\n");
    gives(EDITED, "mean", RANKED_BY(",'better':{'value':' '}"), "sft", "{'prompt':'P','completion':'A'}\n");
    refuses("{'recipe':'ranking','question':'order','prompt':'prompt','edit':'stars','answers':{'answer_a':'answer_a','answer_b':"
            "'answer_b'}}",
            NULL, "'edit' should be the name of a text question");
}

/* Metadata "unfinished" names fields; rows keep it for whoever trains on them. */
static void what_was_cut_off_is_marked(void **state) {
    (void)state;
#define CUT_OFF(fields)                                                                                                          \
    "{" FIELD_VALUES ",'metadata':{'unfinished':" fields "},'responses':[" SAYS("u", "which", "{'choice':'a'}") "]}"
    gives(COMPARES, NULL, CUT_OFF("['answer_b']"), "pairs",
          "{'prompt':'P','chosen':'A','rejected':'B','unfinished':['rejected']}\n");
    gives(COMPARES, NULL, CUT_OFF("['answer_a','answer_b']"), "pairs",
          "{'prompt':'P','chosen':'A','rejected':'B','unfinished':['chosen','rejected']}\n");
    gives(COMPARES, NULL, CUT_OFF("'answer_a'"), "sft", "{'prompt':'P','completion':'A','unfinished':['completion']}\n");
    gives(COMPARES, NULL, CUT_OFF("'answer_b'"), "sft", "{'prompt':'P','completion':'A'}\n");
    const char *mapping = "{'recipe':'rating','question':'stars','messages':'chat'}";
    const char *r = "{'fields':{'chat':[{'role':'user','content':'Hi'},{'role':'assistant','content':'Yo'}]},'metadata':{"
                    "'unfinished':['chat']},'responses':[" SAYS("u", "stars", "5") "]}";
    as_conversation(mapping, r, "sft", NULL,
                    "{'prompt':[{'role':'user','content':'Hi'}],'completion':[{'role':'assistant','content':'Yo'}],'unfinished':["
                    "'completion']}\n");
    const char *whole =
        "{'messages':[{'role':'user','content':'Hi'},{'role':'assistant','content':'Yo'}],'unfinished':['messages']}\n";
    as_conversation(mapping, r, "sft", "messages", whole);
    buf row = {0};
    json_put(&row, J(whole));
    example x, back;
    err e = {0};
    char *folder = scratch_folder(memory_of_test), *path = path_join(memory_of_test, folder, "rows.jsonl");
    assert_ok(file_write(path, buf_str(&row), &e), e);
    source *s = source_open(memory_of_test, path, &e);
    assert_ok(s && source_next(s, memory_of_test, &x, &e), e);
    assert_true(x.unfinished);
    assert_int_equal(example_convert(memory_of_test, &x, EXAMPLE_PROMPT_COMPLETION, &back, &e), CONVERT_DONE);
    assert_true(back.completion.unfinished && !back.unfinished);
    buf_free(&row);
    assert_ok(dir_remove(folder, &e), e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_tell_what_fields_are_for),
        TEST(what_was_cut_off_is_marked),
        TEST(what_names_do_not_tell_is_asked),
        TEST(a_rating_named_after_a_field_rates_it),
        TEST(remarks_and_topics_are_no_recipe),
        TEST(what_everybody_writes_says_most),
        TEST(a_lone_conversation_ends_with_the_answer),
        TEST(a_mapping_names_what_there_is),
        TEST(the_winner_is_imitated_and_preferred),
        TEST(a_ranking_gives_the_best_and_every_strict_pair),
        TEST(an_edit_of_the_best_is_over_all_of_them),
        TEST(ranks_of_several_people_are_averaged),
        TEST(ratings_are_good_above_the_middle),
        TEST(ratings_of_two_answers_make_a_pair_with_their_difference),
        TEST(pairs_of_ratings_reach_across_records_of_one_prompt),
        TEST(labels_are_good_bad_or_nothing),
        TEST(an_edit_is_imitated_and_preferred_over_what_it_edits),
        TEST(majorities_decide_and_ties_do_not),
        TEST(gold_comes_first),
        TEST(what_was_settled_otherwise_is_no_example),
        TEST(the_latest_and_the_mean),
        TEST(drafts_and_discarded_records_say_nothing),
        TEST(people_who_want_out_are_left_out),
        TEST(suggestions_stand_in_only_when_asked_and_are_named),
        TEST(labels_of_a_file_stand_in_until_somebody_answers),
        TEST(a_report_counts_what_suggestions_would_add),
        TEST(prompts_take_system_and_context_with_them),
        TEST(a_conversation_is_cut_before_its_last_answer),
        TEST(a_chat_can_be_the_prompt),
        TEST(an_answer_does_not_repeat_its_prompt),
        TEST(examples_say_whose_they_are),
        TEST(pseudonyms_depend_on_the_salt_and_hide_the_id),
        TEST(licences_are_found_however_they_are_spelled),
        TEST(a_commercial_purpose_refuses_by_name),
        TEST(a_report_says_how_many_and_why_none),
        TEST(an_overview_has_a_report_for_what_is_clear),
        TEST(near_copies_across_the_split_are_named),
        TEST(short_prompts_are_near_only_to_themselves),
        TEST(rows_come_back_with_their_lineage),
        TEST(scripts_name_their_trainer_rows_and_model),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
