/* A model answers questions of a dataset: suggestions with agent and score, written one by one, by a model here or a server elsewhere. */
#include "house.h"

#include "../assist/far.h"
#include "../tiny.h"

static const char *at(const stuff *x, const char *what) { return FORMAT("/api/v1/datasets/%s/%s", x->id, what); }

static json *ended(const json *begun) {
    const char *path = FORMAT("/api/v1/jobs/%s", word(begun, "id"));
    for (int i = 0; i < 20000; i++) {
        json *v = made("GET", path, NULL);
        if (json_get(v, "ended_at")) return v;
        usleep(1000);
    }
    fail_msg("the job does not end");
    return NULL;
}

static json *result_of(const stuff *x, const char *what, const char *body) {
    json *v = ended(made("POST", at(x, what), body));
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s: %s", word(v, "status"), word(v, "error"));
    return json_get(v, "result");
}

static const char *add(const stuff *x, const char *fields) {
    const json *all = made("POST", FORMAT("%s/bulk", at(x, "records")), FORMAT("{'items':[{'fields':%s}]}", fields));
    return word(json_at(json_get(all, "items"), 0), "id");
}

static const json *suggested(const char *row) {
    return json_at(json_get(made("GET", FORMAT("/api/v1/records/%s/suggestions", row), NULL), "items"), 0);
}

static bool replace_in(arena *a, const char *path, const char *old, const char *by, err *e) {
    str text;
    if (!file_read(a, path, 1 << 16, &text, e)) return false;
    const ptrdiff_t at = str_find(text, str_of(old), 0);
    if (at < 0) return err_set(e, ERR_INPUT, "%s has no %s", path, old);
    return file_write(path, str_of(arena_printf(a, "%.*s%s%s", (int)at, text.ptr, by, text.ptr + at + strlen(old))), e);
}

/* The tiny model, reading as much as a judge is told, and knowing the letters it may say. */
static bool reading_more(arena *a, const char *folder, err *e) {
    return replace_in(a, path_join(a, folder, "config.json"), "128", "1024", e) &&
           replace_in(a, path_join(a, folder, "tokenizer.json"), "\".\":28,", "\".\":28,\"A\":32,\"B\":33,\"C\":34,", e);
}

/* Two answers, a comparison and a label; guidelines. */
static stuff pairs(void) {
    static int number;
    stuff x = {.space = a_space()};
    x.id = word(made("POST", "/api/v1/datasets",
                     FORMAT("{'name':'pairs-%d','workspace_id':'%s','guidelines':'Be brief.'}", ++number, x.space)),
                "id");
    static const char *const fields[] = {"prompt", "answer_a", "answer_b"};
    for (int i = 0; i < 3; i++)
        made("POST", at(&x, "fields"),
             FORMAT("{'name':'%s','title':'%s','required':true,'settings':{'type':'text'}}", fields[i], fields[i]));
    made("POST", at(&x, "questions"),
         "{'name':'better','title':'Which is "
         "better?','required':true,'settings':{'type':'comparison','fields':['answer_a','answer_b']}}");
    made("PUT", at(&x, "publish"), NULL);
    x.record = add(&x, "{'prompt':'Say hello.','answer_a':'Hello.','answer_b':'Well, hello there, my friend.'}");
    return x;
}

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    house *h = *state;
    err e = {0};
    unsetenv("FETTLE_ENDPOINT_KEY"), unsetenv("OPENAI_API_KEY");
    const char *models = path_join(h->own, store_folder(server_store(h->s)), "models");
    if (!dir_make(models, &e)) return -1;
    return reading_more(h->own, tiny_model(h->own, models), &e) ? 0 : -1;
}

static void a_model_here_suggests_once_and_again_when_told(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL); /* its record has a suggestion */
    const char *b = add(&x, "{'text':'some words'}");
    const json *r = result_of(&x, "suggest", "{'model':'base'}");
    assert_int_equal(json_get_int(r, "suggested", -1), 1);
    assert_int_equal(json_get_int(r, "there_already", -1), 1);
    assert_int_equal(json_get_int(r, "requests", -1), 2); /* both orders */
    assert_string_equal(word(suggested(b), "agent"), "base");
    assert_string_equal(word(suggested(b), "type"), "model");
    const double score = json_get_real(suggested(b), "score", -1);
    assert_true(score > 1.0 / 3 - 1e-9 && score <= 1); /* the likeliest of three */
    assert_string_equal(word(suggested(x.record), "value"), "no");
    assert_int_equal(json_get_int(result_of(&x, "suggest", "{'model':'base'}"), "requests", -1), 0);
    assert_int_equal(json_get_int(result_of(&x, "suggest", "{'model':'base','again':true}"), "suggested", -1), 2);
    assert_string_equal(word(suggested(x.record), "agent"), "base");
}

#define LOGPROBS(first, second)                                                                                                  \
    "{\"choices\":[{\"message\":{\"content\":\"A\"},\"logprobs\":{\"content\":[{\"token\":\"A\",\"logprob\":-0.1,\"top_"         \
    "logprobs\":[{\"token\":\"A\",\"logprob\":" first "},{\"token\":\"B\",\"logprob\":" second                                   \
    "}]}]}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":1}}"

static void a_judge_elsewhere_compares_in_both_orders_by_the_guidelines(void **state) {
    (void)state;
    far_server f;
    const stuff x = pairs();
    const person ben = a_person("admin");
    joins(x.space, &ben);
    far_begin(&f, (const far_answer[]){{200, LOGPROBS("-0.1", "-3")}, {429, "{}"}, {200, LOGPROBS("-2", "-0.2")}}, 3);
    const char *body = FORMAT("{'model':'http://127.0.0.1:%d/v1#big','cost_prompt':10,'cost_answer':20}", f.port);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "judge"), body).status, 403);
    const json *r = result_of(&x, "judge", body);
    assert_int_equal(json_get_int(r, "suggested", -1), 1);
    assert_int_equal(json_get_int(r, "retries", -1), 1);
    assert_true(json_get_real(r, "cost", 0) > 0.00203 && json_get_real(r, "cost", 0) < 0.00205); /* 200 and 2 tokens */
    const json *s = suggested(x.record);
    assert_string_equal(word(json_get(s, "value"), "choice"), "a");
    assert_true(json_get_real(s, "score", 0) > 0.8);
    assert_string_equal(word(s, "agent"), "big");
    assert_non_null(strstr(f.request[0], "Be brief."));
    assert_true(strstr(f.request[0], "Hello.") < strstr(f.request[0], "my friend"));
    assert_true(strstr(f.request[2], "Hello.") > strstr(f.request[2], "my friend"));
    far_end(&f);
}

static void what_was_judged_before_a_failure_stays_and_the_next_job_goes_on(void **state) {
    (void)state;
    far_server f;
    const stuff x = pairs();
    for (int i = 0; i < 2; i++) add(&x, "{'prompt':'Go.','answer_a':'Gone.','answer_b':'No.'}");
    far_begin(&f, (const far_answer[]){{200, LOGPROBS("-0.1", "-3")}, {200, LOGPROBS("-3", "-0.1")}, {401, "{}"}}, 3);
    json *v = ended(made("POST", at(&x, "judge"), FORMAT("{'model':'http://127.0.0.1:%d/v1#big'}", f.port)));
    assert_string_equal(word(v, "status"), "failed");
    assert_non_null(strstr(word(v, "error"), "401"));
    far_end(&f);
    const json *r = result_of(&x, "judge", "{'model':'base'}");
    assert_int_equal(json_get_int(r, "there_already", -1), 1);
    assert_int_equal(json_get_int(r, "suggested", -1), 2);
    assert_string_equal(word(suggested(x.record), "agent"), "big");
}

static void a_budget_ends_the_job_with_words(void **state) {
    (void)state;
    const stuff x = pairs();
    add(&x, "{'prompt':'Go.','answer_a':'Gone.','answer_b':'No.'}");
    json *v = ended(made("POST", at(&x, "judge"), "{'model':'base','tokens_most':1}"));
    assert_string_equal(word(v, "status"), "failed");
    assert_non_null(strstr(word(v, "error"), "budget"));
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    int status;
    const stuff x = a_dataset(a_space(), NULL);
    static const struct {
        const char *what, *body;
    } wrong[] = {{"judge", "{'model':'base'}"}, /* it has a label alone */
                 {"judge", "{'model':'base','questions':['label']}"},
                 {"suggest", "{'model':'base','questions':['nothing']}"},
                 {"suggest", "{'model':'base','questions':[]}"},
                 {"suggest", "{'model':'base','tie':2}"},
                 {"suggest", "{}"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask("POST", at(&x, wrong[i].what), wrong[i].body, &status);
        if (status != 422) fail_msg("%s: %d", wrong[i].body, status);
    }
    json *v = ended(made("POST", at(&x, "suggest"), "{'model':'no-such','again':true}"));
    assert_string_equal(word(v, "status"), "failed");
}

/* ---- ahead of people ----------------------------------------------------------------------------------------------------------------- */

static json *ahead_of(const stuff *x) { return made("GET", at(x, "suggester"), NULL); }

static void until_state(const stuff *x, const char *wanted) {
    for (int i = 0; i < 10000; i++) {
        if (strcmp(word(ahead_of(x), "state"), wanted) == 0) return;
        usleep(2000);
    }
    fail_msg("the suggester is %s, not %s", word(ahead_of(x), "state"), wanted);
}

static void until_suggested(const char *row) {
    for (int i = 0; i < 10000; i++) {
        if (suggested(row)) return;
        usleep(2000);
    }
    fail_msg("no suggestion comes");
}

static void answer_as(const person *who, const char *row) {
    const answer y = request_of(who->key, "POST", FORMAT("/api/v1/records/%s/responses", row),
                                "{'values':{'label':{'value':'no'}},'status':'submitted'}");
    assert_int_equal(y.status, 201);
}

static void the_next_records_have_suggestions_before_people_come_to_them(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL); /* its record has a suggestion */
    const person ann = a_person("annotator");
    const char *row[4];
    joins(x.space, &ann);
    for (int i = 0; i < 4; i++) row[i] = add(&x, "{'text':'some words'}");
    assert_string_equal(word(made("PUT", at(&x, "suggester"), "{'model':'base','ahead':2}"), "state"), "off");
    usleep(300000);
    assert_null(suggested(row[0]));
    made("PUT", at(&x, "suggester"), "{'model':'base','ahead':2,'active':true}");
    until_suggested(row[0]);
    until_state(&x, "waiting");
    usleep(400000);
    assert_null(suggested(row[1])); /* no further than two ahead */
    assert_int_equal(json_get_int(ahead_of(&x), "suggested", -1), 1);
    answer_as(&ann, x.record);
    until_suggested(row[1]);
    assert_string_equal(word(suggested(row[1]), "agent"), "base");
    assert_string_equal(word(made("POST", at(&x, "suggester/stop"), "{}"), "state"), "off");
    answer_as(&ann, row[0]);
    answer_as(&ann, row[1]);
    for (int i = 0; i < 100 && json_get_int(ahead_of(&x), "suggested", -1) < 2; i++) usleep(50000); /* counted behind it */
    usleep(500000);
    assert_null(suggested(row[2]));
    const json *after = ahead_of(&x);
    assert_int_equal(json_get_int(after, "suggested", -1), 2);
    assert_int_equal(json_get_int(after, "requests", -1), 4); /* both orders; nothing was asked twice */
    assert_true(json_get_int(after, "tokens", 0) > 0);
}

static void a_suggester_that_fails_says_why(void **state) {
    (void)state;
    const stuff x = pairs();
    made("PUT", at(&x, "suggester"), "{'model':'no-such','active':true}");
    until_state(&x, "failed");
    assert_non_null(strstr(word(ahead_of(&x), "error"), "no-such"));
    made("PUT", at(&x, "suggester"), "{'model':'base','active':true,'tokens_most':1}");
    until_state(&x, "failed");
    assert_non_null(strstr(word(ahead_of(&x), "error"), "budget"));
    int status;
    ask("PUT", at(&x, "suggester"), "{'model':'base','ahead':0}", &status);
    assert_int_equal(status, 422);
    ask("PUT", at(&x, "suggester"), "{'model':'base','questions':['nothing']}", &status);
    assert_int_equal(status, 422);
}

static void records_stay_in_the_house_unless_an_owner_says_otherwise(void **state) {
    (void)state;
    const stuff x = pairs();
    const person ben = a_person("admin");
    joins(x.space, &ben);
    assert_int_equal(
        request_of(ben.key, "PUT", at(&x, "suggester"), "{'model':'http://127.0.0.1:9/v1#big','active':true}").status, 403);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "suggester/try"), "{'model':'http://127.0.0.1:9/v1#big'}").status, 403);
    assert_int_equal(request_of(ben.key, "PUT", at(&x, "suggester"), "{'model':'base'}").status, 200);
}

static void what_is_tried_is_shown_and_not_written(void **state) {
    (void)state;
    const stuff x = pairs();
    const json *r = result_of(&x, "suggester/try", "{'model':'base','records':1}");
    const json *one = json_at(json_get(r, "answers"), 0);
    assert_int_equal(json_count(json_get(r, "answers")), 1);
    assert_string_equal(word(one, "record_id"), x.record);
    assert_string_equal(word(one, "question"), "better");
    assert_non_null(json_get(json_get(one, "value"), "choice"));
    assert_null(suggested(x.record));
}

static void labels_that_fit_are_asked_one_by_one(void **state) {
    (void)state;
    far_server f;
    stuff x = {.space = a_space()};
    x.id = word(made("POST", "/api/v1/datasets", FORMAT("{'name':'topics','workspace_id':'%s'}", x.space)), "id");
    made("POST", at(&x, "fields"), "{'name':'text','title':'Text','required':true,'settings':{'type':'text'}}");
    made("POST", at(&x, "questions"),
         "{'name':'topics','title':'Topics','required':true,'settings':{'type':'multi_label_selection','options':[{'value':'sea',"
         "'text':'Sea'},"
         "{'value':'sky','text':'Sky'}]}}");
    made("PUT", at(&x, "publish"), NULL);
    const char *row = add(&x, "{'text':'The waves are high.'}");
    far_begin(&f,
              (const far_answer[]){{200, LOGPROBS("-0.1", "-3")},
                                   {200, LOGPROBS("-3", "-0.1")},
                                   {200, LOGPROBS("-3", "-0.1")},
                                   {200, LOGPROBS("-0.1", "-3")}},
              4);
    result_of(&x, "suggest", FORMAT("{'model':'http://127.0.0.1:%d/v1#big'}", f.port));
    const json *s = suggested(row);
    assert_int_equal(json_count(json_get(s, "value")), 1);
    assert_string_equal(str_copy(the_house->a, json_text(json_at(json_get(s, "value"), 0), STR(""))), "sea");
    assert_true(json_real(json_at(json_get(s, "score"), 0), 0) > 0.9);
    assert_non_null(strstr(f.request[0], "Does this label fit: Sea?"));
    assert_non_null(strstr(f.request[2], "Does this label fit: Sky?"));
    far_end(&f);
}

static void refused(const char *body, const char *says) {
    int status;
    const str text = ask("POST", "/api/v1/synth", body, &status);
    if (status != 422 || str_find(text, str_of(says), 0) < 0) fail_msg("%d: %.*s", status, STR_ARG(text));
}

/* A generator elsewhere: its terms must be said, its tasks lie in a file with them. */
static void tasks_are_made_out_of_seeds_as_a_job(void **state) {
    house *h = *state;
    err e = {0};
    str text;
    far_server f;
    const person ben = a_person("admin");
    far_begin(
        &f,
        (const far_answer[]){{200, "{\"choices\":[{\"message\":{\"content\":\"3. Say what the weather does to hair.\"},"
                                   "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":9}}"}},
        1);
    const char *url = FORMAT("http://127.0.0.1:%d/v1#big", f.port),
               *seeds = "['Write a poem about the sea.','Explain why leaves are green.']";
    const char *body =
        FORMAT("{'model':'%s','seeds':%s,'name':'new','count':1,'licence':'openai-terms','cost_answer':10}", url, seeds);
    assert_int_equal(request_of(ben.key, "POST", "/api/v1/synth", body).status, 403);
    refused(FORMAT("{'model':'%s','seeds':%s,'name':'new'}", url, seeds), "under which terms");
    refused("{'model':'base','seeds':[],'name':'new'}", "seeds should be a list");
    refused(FORMAT("{'model':'base','seeds':%s,'name':'../new'}", seeds), "a file's name");
    json *v = ended(made("POST", "/api/v1/synth", body));
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s: %s", word(v, "status"), word(v, "error"));
    assert_int_equal(json_get_int(json_get(v, "result"), "tasks", -1), 1);
    assert_true(json_get_real(json_get(v, "result"), "cost", 0) > 0);
    const char *path = path_join(h->own, store_folder(server_store(h->s)), "exports/new.jsonl");
    assert_string_equal(word(json_get(v, "result"), "path"), path);
    assert_ok(file_read(h->own, path, 1 << 16, &text, &e), e);
    json *row = json_parse(h->own, str_trim(text), &e);
    assert_ok(row, e);
    assert_string_equal(word(row, "licence"), "openai-terms");
    assert_string_equal(word(row, "by"), "suggestion:big");
    assert_string_equal(word(row, "instruction"), "Say what the weather does to hair.");
    assert_false(file_exists(FORMAT("%s.part", path)));
    far_end(&f);
}

/* What a model makes becomes a dataset whose answers are its suggestions, and trains what it trains as it is. */
static void trains(const char *id, const char *target, int count) {
    const json *all = json_get(json_get(made("GET", FORMAT("/api/v1/datasets/%s/recipes", id), NULL), "report"), "targets");
    assert_int_equal(json_get_int(json_get(all, target), "count", -1), count);
}

static const json *first_row(const char *id) {
    const json *all = made("GET", FORMAT("/api/v1/datasets/%s/records?include=suggestions&limit=50", id), NULL);
    return json_at(json_get(all, "items"), 0);
}

#define SAYS(words)                                                                                                              \
    "{\"choices\":[{\"message\":{\"content\":\"" words "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":50,"       \
    "\"completion_tokens\":9}}"

static void made_tasks_become_a_dataset(void **state) {
    (void)state;
    far_server f;
    a_space();
    far_begin(&f, (const far_answer[]){{200, SAYS("3. Say what the weather does to hair.")}}, 1);
    const char *body =
        FORMAT("{'model':'http://127.0.0.1:%d/v1#big','seeds':['Write a poem about the sea.','Explain why leaves are "
               "green.'],'name':'tasks','count':1,'licence':'apache-2.0','dataset':true}",
               f.port);
    for (int i = 0; i < 2; i++) { /* the same name again gets a number */
        const json *v = ended(made("POST", "/api/v1/synth", body));
        if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s: %s", word(v, "status"), word(v, "error"));
        const char *id = word(json_get(v, "result"), "dataset_id");
        const json *set = made("GET", FORMAT("/api/v1/datasets/%s", id), NULL), *row = first_row(id);
        assert_string_equal(word(set, "name"), i ? "tasks 2" : "tasks");
        assert_string_equal(word(json_get(set, "metadata"), "licence"), "apache-2.0");
        assert_string_equal(word(json_get(row, "fields"), "instruction"), "Say what the weather does to hair.");
        assert_string_equal(word(json_at(json_get(row, "suggestions"), 0), "agent"), "big");
        trains(id, "sft", 1);
    }
    far_end(&f);
}

static void two_jobs_do_not_write_one_file(void **state) {
    (void)state;
    far_server f;
    int status;
    a_space();
    far_begin(&f, (const far_answer[]){{503, "{}"}}, 1); /* asked again with growing pauses */
    const char *body =
        FORMAT("{'model':'http://127.0.0.1:%d/v1#big','seeds':['Write a poem about the sea.'],'name':'a rather long name "
               "of a file','licence':'mit'}",
               f.port);
    const json *v = made("POST", "/api/v1/synth", body);
    ask("POST", "/api/v1/synth", body, &status);
    assert_int_equal(status, 409);
    made("POST", FORMAT("/api/v1/jobs/%s/stop", word(v, "id")), "{}");
    assert_string_equal(word(ended(v), "status"), "stopped");
    far_end(&f);
}

static const char *pairs_of(const stuff *x, const char *more, int count) {
    json *v = ended(made("POST", at(x, "rlaif"), FORMAT("{'name':'feedback','dataset':true%s}", more)));
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s: %s", word(v, "status"), word(v, "error"));
    assert_int_equal(json_get_int(json_get(v, "result"), "pairs", -1), count);
    return word(json_get(v, "result"), "dataset_id");
}

static void a_judge_makes_pairs_of_the_prompts_of_a_dataset(void **state) {
    (void)state;
    far_server f, j;
    const stuff x = pairs();
    far_begin(&f, (const far_answer[]){{200, SAYS("Hello!")}, {200, SAYS("Good day to you.")}}, 2);
    far_begin(&j, (const far_answer[]){{200, LOGPROBS("-0.1", "-3")}, {200, LOGPROBS("-3", "-0.1")}}, 2);
    const char *id = pairs_of(
        &x,
        FORMAT(",'model':'http://127.0.0.1:%d/v1#small','judge':'http://127.0.0.1:%d/v1#big','licence':'mit'", f.port, j.port),
        1);
    assert_non_null(strstr(j.request[0], "Be brief.")); /* the dataset's guidelines */
    const json *row = first_row(id), *said = json_at(json_get(row, "suggestions"), 0), *fields = json_get(row, "fields");
    const char *best = word(fields, strcmp(word(json_get(said, "value"), "choice"), "a") == 0 ? "answer_a" : "answer_b");
    assert_string_equal(word(fields, "prompt"), "Say hello.");
    assert_string_equal(best, "Hello!");
    assert_string_equal(word(said, "agent"), "big");
    assert_true(json_get_real(said, "score", 0) > 0.8);
    trains(id, "pairs", 1);
    far_end(&f), far_end(&j);
}

static void a_revision_is_a_suggestion_with_its_critique_beside_it(void **state) {
    (void)state;
    far_server f;
    const stuff x = pairs();
    far_begin(&f, (const far_answer[]){{200, SAYS("Well, hello.")}, {200, SAYS("It is long.")}, {200, SAYS("Hi.")}}, 3);
    const char *id = pairs_of(&x,
                              FORMAT(",'model':'http://127.0.0.1:%d/v1#big','licence':'mit','revise':true,'constitution':['Use "
                                     "one word.']",
                                     f.port),
                              1);
    assert_non_null(strstr(f.request[1], "Use one word."));
    assert_null(strstr(f.request[1], "Be brief."));
    const json *row = first_row(id), *fields = json_get(row, "fields"), *said = json_at(json_get(row, "suggestions"), 0);
    assert_string_equal(word(fields, "answer"), "Well, hello.");
    assert_string_equal(word(fields, "critique"), "It is long.");
    assert_string_equal(word(fields, "principle"), "Use one word.");
    assert_string_equal(word(said, "value"), "Hi.");
    assert_string_equal(word(said, "agent"), "big");
    trains(id, "pairs", 1);
    trains(id, "sft", 1);
    far_end(&f);
}

/* The tiny model answers and judges itself; what it says is noise, but it is said, and the file is there to fetch. */
static void a_model_here_makes_pairs_or_says_why_there_are_none(void **state) {
    (void)state;
    const stuff x = pairs();
    const json *v =
        ended(made("POST", at(&x, "rlaif"), "{'name':'own','model':'base','tie':0,'temperature':5,'max_new_tokens':4}"));
    if (strcmp(word(v, "status"), "failed") == 0) assert_non_null(strstr(word(v, "error"), "none of 1 prompts gave a pair"));
    else assert_int_equal(json_get_int(json_get(v, "result"), "pairs", -1), 1);
}

static void pairs_that_cannot_be_made_are_refused(void **state) {
    (void)state;
    int status;
    const stuff x = pairs(), bare = a_dataset(a_space(), NULL);
    static const char *const wrong[] = {"{}",
                                        "{'model':'base'}",
                                        "{'model':'base','name':'a/b'}",
                                        "{'model':'base','name':'a','tie':2}",
                                        "{'model':'base','name':'a','constitution':['Be kind.']}",
                                        "{'model':'http://127.0.0.1:9/v1#big','name':'a'}",
                                        "{'model':'base','name':'a','dataset':true,'workspace_id':'none'}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask("POST", at(&x, "rlaif"), wrong[i], &status);
        if (status != 422) fail_msg("%s: %d", wrong[i], status);
    }
    ask("POST", at(&bare, "rlaif"), "{'model':'base','name':'a'}", &status); /* no guidelines */
    assert_int_equal(status, 422);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_here_suggests_once_and_again_when_told),
        cmocka_unit_test(a_judge_elsewhere_compares_in_both_orders_by_the_guidelines),
        cmocka_unit_test(what_was_judged_before_a_failure_stays_and_the_next_job_goes_on),
        cmocka_unit_test(a_budget_ends_the_job_with_words),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(the_next_records_have_suggestions_before_people_come_to_them),
        cmocka_unit_test(a_suggester_that_fails_says_why),
        cmocka_unit_test(records_stay_in_the_house_unless_an_owner_says_otherwise),
        cmocka_unit_test(what_is_tried_is_shown_and_not_written),
        cmocka_unit_test(labels_that_fit_are_asked_one_by_one),
        cmocka_unit_test(tasks_are_made_out_of_seeds_as_a_job),
        cmocka_unit_test(made_tasks_become_a_dataset),
        cmocka_unit_test(two_jobs_do_not_write_one_file),
        cmocka_unit_test(a_judge_makes_pairs_of_the_prompts_of_a_dataset),
        cmocka_unit_test(a_revision_is_a_suggestion_with_its_critique_beside_it),
        cmocka_unit_test(a_model_here_makes_pairs_or_says_why_there_are_none),
        cmocka_unit_test(pairs_that_cannot_be_made_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
