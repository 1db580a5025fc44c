/* openai.c - /v1 over the wire: shapes, streams, errors, log-probabilities, vectors, and callers that hang up. */
#include "house.h"
#include "tiny.h"

#include <math.h>

static const char *models;

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    house *h = *state;
    err e = {0};
    models = path_join(h->own, path_join(h->own, h->folder, "home"), "models");
    if (!dir_make(models, &e)) return -1;
    tiny_model(h->own, models);
    return 0;
}

static person somebody(void) {
    static person p;
    if (!p.key) {
        arena *own = the_house->own;
        const person x = a_person("annotator");
        p = (person){arena_text(own, x.id), arena_text(own, x.key), arena_text(own, x.name)};
    }
    return p;
}

static answer post(const char *path, const char *body) { return request_of(somebody().key, "POST", path, body); }

static json *posted(const char *path, const char *body) {
    const answer x = post(path, body);
    if (x.status != 200) fail_msg("%s %s: %d %.*s", path, body, x.status, STR_ARG(x.body));
    return parsed(x.body);
}

static json *choice_of(const json *v, size_t i) { return json_at(json_get(v, "choices"), i); }
static str content_of(const json *v, size_t i) {
    return json_get_text(json_get(choice_of(v, i), "message"), "content", STR("?"));
}

#define CHAT "'model':'base','messages':[{'role':'user','content':'the cat'}]"

/* ---- whole answers ---------------------------------------------------------------------------------------------------------------- */

static void a_chat_is_answered_in_openais_shape(void **state) {
    (void)state;
    const json *v =
        posted("/v1/chat/completions", "{" CHAT ",'max_tokens':8,'temperature':0,'ignore_eos':true,'fettle':{'tokens':true}}");
    assert_true(str_starts(json_get_text(v, "id", STR("")), STR("chatcmpl-")));
    assert_true(str_is(json_get_text(v, "object", STR("")), "chat.completion"));
    assert_true(str_is(json_get_text(v, "model", STR("")), "base"));
    assert_true(json_get_int(v, "created", 0) > 1700000000);
    assert_true(str_is(json_get_text(json_get(choice_of(v, 0), "message"), "role", STR("")), "assistant"));
    assert_in_range(content_of(v, 0).len, 1, 8); /* its tokens are letters, or special and not shown */
    assert_true(str_is(json_get_text(choice_of(v, 0), "finish_reason", STR("")), "length"));
    const json *usage = json_get(v, "usage"), *own = json_get(v, "fettle");
    assert_int_equal(json_get_int(usage, "completion_tokens", 0), 8);
    assert_int_equal(json_get_int(usage, "total_tokens", 0), 8 + json_get_int(usage, "prompt_tokens", 0));
    assert_int_equal((int)json_count(json_get(own, "prompt_tokens")), (int)json_get_int(usage, "prompt_tokens", -1));
    assert_true(str_is(json_get_text(own, "prompt_text", STR("")), "u the cat<t>a "));
}

static void the_same_seed_gives_the_same_answers(void **state) {
    (void)state;
    const char *body = "{" CHAT ",'max_tokens':12,'temperature':1,'seed':5,'n':3,'ignore_eos':true}";
    const json *first = posted("/v1/chat/completions", body), *again = posted("/v1/chat/completions", body);
    assert_int_equal((int)json_count(json_get(first, "choices")), 3);
    int differs = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal((int)json_get_int(choice_of(first, i), "index", -1), (int)i);
        assert_true(str_eq(content_of(first, i), content_of(again, i)));
        differs += i && !str_eq(content_of(first, i), content_of(first, 0));
    }
    assert_true(differs > 0);
}

static void parts_of_a_message_are_joined_and_developers_are_the_system(void **state) {
    (void)state;
    const json *v = posted(
        "/v1/chat/completions",
        "{'model':'base','max_completion_tokens':1,'fettle':{'tokens':true},'messages':[{'role':'developer','content':'be'},"
        "{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]}]}");
    assert_true(str_is(json_get_text(json_get(v, "fettle"), "prompt_text", STR("")), "s be<t>u ab<t>a "));
}

static void a_stop_text_ends_the_answer(void **state) {
    (void)state;
    const char *start = "{" CHAT ",'max_tokens':20,'temperature':0,'ignore_eos':true";
    const json *whole = posted("/v1/chat/completions", FORMAT("%s}", start));
    const str text = content_of(whole, 0);
    const str stop = str_slice(text, 5, 7);
    const json *v = posted("/v1/chat/completions", FORMAT("%s,'stop':['%.*s']}", start, STR_ARG(stop)));
    assert_true(str_is(json_get_text(choice_of(v, 0), "finish_reason", STR("")), "stop"));
    assert_int_equal((int)content_of(v, 0).len, (int)str_find(text, stop, 0));
}

static void log_probabilities_come_with_the_tokens(void **state) {
    (void)state;
    const json *v = posted("/v1/chat/completions",
                           "{" CHAT ",'max_tokens':4,'temperature':0,'ignore_eos':true,'logprobs':true,'top_logprobs':3}");
    const json *list = json_get(json_get(choice_of(v, 0), "logprobs"), "content");
    assert_int_equal((int)json_count(list), 4);
    buf joined = {0};
    for (size_t i = 0; i < 4; i++) {
        const json *t = json_at(list, i), *top = json_get(t, "top_logprobs");
        const str token = json_get_text(t, "token", STR(""));
        if (!str_starts(token, STR("<"))) buf_put_str(&joined, token); /* special ones are no part of the text */
        assert_int_equal((int)json_count(top), 3);
        assert_true(json_get_real(t, "logprob", 1) == json_get_real(json_at(top, 0), "logprob", 2));
        assert_true(json_get_real(json_at(top, 1), "logprob", 1) >= json_get_real(json_at(top, 2), "logprob", 1));
    }
    assert_true(str_eq(buf_str(&joined), content_of(v, 0)));
    buf_free(&joined);
}

/* ---- streams -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    buf text[4];
    int chunks, finished, done, failed, usage, first_role;
    str finish;
} heard;

static void hear_chunk(heard *h, const json *v) {
    const json *choice = choice_of(v, 0), *delta = json_get(choice, "delta");
    h->chunks++;
    h->failed += json_get(v, "error") != NULL;
    h->usage += json_get(v, "usage") != NULL;
    if (!choice) return;
    const int64_t index = json_get_int(choice, "index", 0);
    if (json_get(delta, "role")) h->first_role++;
    buf_put_str(&h->text[index], delta ? json_get_text(delta, "content", STR("")) : json_get_text(choice, "text", STR("")));
    h->finish = json_get_text(choice, "finish_reason", h->finish);
    h->finished += json_get(choice, "finish_reason") != NULL;
}

/* The whole stream of a request; its body is chunked. */
static heard listened(const char *path, const char *body) {
    heard out = {0};
    house *h = the_house;
    buf all = {0};
    char piece[4096];
    const int fd = dial(h->port);
    const str text = str_of(quoted(h->a, body));
    const char *head = FORMAT("POST %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
                              path, somebody().key, text.len, STR_ARG(text));
    assert_true(send_bytes(fd, str_of(head)));
    for (ssize_t n; str_find(buf_str(&all), STR("\r\n0\r\n\r\n"), 0) < 0 && (n = recv(fd, piece, sizeof piece, 0)) > 0;)
        buf_put(&all, piece, (size_t)n);
    close(fd);
    assert_true(str_find(buf_str(&all), STR("text/event-stream"), 0) > 0);
    for (ptrdiff_t at = 0; (at = str_find(buf_str(&all), STR("data: "), (size_t)at)) >= 0;) {
        const ptrdiff_t end = str_find(buf_str(&all), STR("\n\n"), (size_t)at);
        const str said = str_slice(buf_str(&all), (size_t)at + 6, (size_t)end);
        if (str_is(said, "[DONE]")) out.done++;
        else hear_chunk(&out, parsed((str){arena_copy(h->a, said.ptr, said.len), said.len}));
        at = end;
    }
    buf_free(&all);
    return out;
}

static void a_stream_says_what_the_whole_answer_says(void **state) {
    (void)state;
    const char *start = "{" CHAT ",'max_tokens':30,'temperature':1,'seed':3,'ignore_eos':true,'n':2";
    const json *whole = posted("/v1/chat/completions", FORMAT("%s}", start));
    heard s = listened("/v1/chat/completions", FORMAT("%s,'stream':true,'stream_options':{'include_usage':true}}", start));
    for (size_t i = 0; i < 2; i++) {
        assert_true(str_eq(buf_str(&s.text[i]), content_of(whole, i)));
        buf_free(&s.text[i]);
    }
    assert_int_equal(s.done, 1);
    assert_int_equal(s.usage, 1);
    assert_int_equal(s.finished, 2);
    assert_int_equal(s.first_role, 2);
    assert_true(str_is(s.finish, "length"));
}

static void a_completion_streams_too(void **state) {
    (void)state;
    const char *start = "{'model':'base','prompt':'the cat ','max_tokens':10,'temperature':0,'ignore_eos':true";
    const json *whole = posted("/v1/completions", FORMAT("%s}", start));
    heard s = listened("/v1/completions", FORMAT("%s,'stream':true}", start));
    assert_true(str_eq(buf_str(&s.text[0]), json_get_text(choice_of(whole, 0), "text", STR(""))));
    assert_int_equal(s.done, 1);
    buf_free(&s.text[0]);
}

static int64_t metric(const char *name) {
    const answer x = request_of(NULL, "GET", "/metrics", NULL);
    const ptrdiff_t at = str_find(x.body, str_of(FORMAT("\nfettle_%s ", name)), 0);
    if (at < 0) fail_msg("no metric %s", name);
    return atoll(x.body.ptr + at + strlen(name) + 9);
}

static void who_hangs_up_stops_the_generation(void **state) {
    (void)state;
    house *h = the_house;
    char piece[256];
    const char *body =
        quoted(h->a, "{'model':'base','prompt':'the cat ','max_tokens':100000,'ignore_eos':true,'stream':true,'n':32}");
    const int fd = dial(h->port);
    assert_true(send_bytes(fd, str_of(FORMAT("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                                             "Content-Length: %zu\r\n\r\n%s",
                                             somebody().key, strlen(body), body))));
    assert_true(recv(fd, piece, sizeof piece, 0) > 0);
    close(fd);
    const int64_t before = metric("answer_tokens");
    for (int i = 0; i < 500 && metric("answering"); i++) usleep(2000);
    assert_int_equal(metric("answering"), 0);
    assert_true(metric("answer_tokens") - before < 32 * 119); /* it did not run to its end */
}

/* ---- texts that go on, and lm-eval's requests --------------------------------------------------------------------------------------------- */

/* What lm_eval's local-completions sends to know how likely a text is, and what it reads: every list as long as the tokens, null first,
 * the chosen token among its alternatives, and one token behind. */
static void an_echo_with_log_probabilities_reads_as_lm_eval_reads_it(void **state) {
    (void)state;
    const json *v = posted("/v1/completions",
                           "{'model':'base','prompt':[[20,8,5,27,3,1,20],[3,1,20]],'temperature':0,'max_tokens':1,'logprobs':1,"
                           "'seed':1234,'echo':true}");
    const int count[] = {7, 3};
    for (size_t i = 0; i < 2; i++) {
        const json *l = json_get(choice_of(v, i), "logprobs"), *logp = json_get(l, "token_logprobs"),
                   *top = json_get(l, "top_logprobs");
        assert_int_equal((int)json_count(logp), count[i] + 1);
        assert_int_equal((int)json_count(top), count[i] + 1);
        assert_int_equal((int)json_count(json_get(l, "tokens")), count[i] + 1);
        assert_int_equal((int)json_count(json_get(l, "text_offset")), count[i] + 1);
        assert_null(json_at(logp, 0));
        assert_null(json_at(top, 0));
        for (size_t k = 1; k < json_count(logp); k++) {
            json_member m = {0};
            double best = -1e9;
            bool there = false;
            while (json_next(json_at(top, k), &m)) {
                best = fmax(best, json_real(m.value, -1e9));
                there |= json_real(m.value, 1) == json_real(json_at(logp, k), 2);
            }
            assert_true(there);
            assert_true(best >= json_real(json_at(logp, k), 1));
        }
    }
    assert_true(str_starts(json_get_text(choice_of(v, 0), "text", STR("")), STR("the cat"))); /* "the cat" in its letters */
}

static void several_prompts_are_answered_in_their_order(void **state) {
    (void)state;
    const json *all =
        posted("/v1/completions", "{'model':'base','prompt':['the cat ','abc'],'max_tokens':6,'temperature':0,'n':2}");
    assert_int_equal((int)json_count(json_get(all, "choices")), 4);
    static const char *const prompts[] = {"the cat ", "abc"};
    for (size_t i = 0; i < 2; i++) {
        const json *one =
            posted("/v1/completions", FORMAT("{'model':'base','prompt':'%s','max_tokens':6,'temperature':0}", prompts[i]));
        for (size_t k = 0; k < 2; k++)
            assert_true(str_eq(json_get_text(choice_of(all, 2 * i + k), "text", STR("")),
                               json_get_text(choice_of(one, 0), "text", STR("?"))));
    }
}

/* ---- vectors ---------------------------------------------------------------------------------------------------------------------------------- */

static void vectors_come_as_numbers_and_as_base64(void **state) {
    (void)state;
    const json *plain = posted("/v1/embeddings", "{'model':'base','input':['the cat','a dog']}"),
               *coded = posted("/v1/embeddings", "{'model':'base','input':['the cat','a dog'],'encoding_format':'base64'}");
    for (size_t i = 0; i < 2; i++) {
        const json *v = json_get(json_at(json_get(plain, "data"), i), "embedding");
        size_t size;
        const unsigned char *bytes =
            secret_unbase64(the_house->a, json_get_text(json_at(json_get(coded, "data"), i), "embedding", STR("")), &size);
        assert_int_equal((int)size, 4 * (int)json_count(v));
        double length = 0;
        for (size_t k = 0; k < json_count(v); k++) {
            float x;
            memcpy(&x, bytes + 4 * k, 4);
            assert_true(fabs((double)x - json_real(json_at(v, k), 9)) < 1e-6);
            length += (double)x * (double)x;
        }
        assert_true(fabs(length - 1) < 1e-5);
    }
    assert_int_equal(json_get_int(json_get(plain, "usage"), "prompt_tokens", 0), 12);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------------------------ */

static void refusals_have_openais_shape(void **state) {
    (void)state;
    static const struct {
        const char *path, *body;
        int status;
        const char *param;
    } cases[] = {
        {"/v1/chat/completions", "{'model':'none','messages':[{'role':'user','content':'a'}]}", 404, NULL},
        {"/v1/chat/completions", "{'messages':[{'role':'user','content':'a'}]}", 400, "model"},
        {"/v1/chat/completions", "{'model':'base'}", 400, "messages"},
        {"/v1/chat/completions", "{'model':'base','messages':[]}", 400, "messages"},
        {"/v1/chat/completions", "{'model':'base','messages':[{'role':'king','content':'a'}]}", 400, "messages.0"},
        {"/v1/chat/completions", "{" CHAT ",'temperature':'hot'}", 400, "temperature"},
        {"/v1/chat/completions", "{" CHAT ",'n':0}", 400, "n"},
        {"/v1/chat/completions", "{" CHAT ",'tools':[{'type':'function'}]}", 400, "tools"},
        {"/v1/chat/completions", "{" CHAT ",'frequency_penalty':1}", 400, "frequency_penalty"},
        {"/v1/chat/completions", "{" CHAT ",'response_format':{'type':'json_object'}}", 400, "response_format"},
        {"/v1/chat/completions", "{" CHAT ",'top_logprobs':2}", 400, "top_logprobs"},
        {"/v1/chat/completions", "{" CHAT ",'stop':[1]}", 400, "stop"},
        {"/v1/chat/completions", "not json", 400, NULL},
        {"/v1/completions", "{'model':'base'}", 400, "prompt"},
        {"/v1/completions", "{'model':'base','prompt':[[999]]}", 400, NULL},
        {"/v1/completions", "{'model':'../base','prompt':'a'}", 404, NULL},
        {"/v1/embeddings", "{'model':'base','input':[]}", 400, "input"},
        {"/v1/embeddings", "{'model':'base','input':'a','dimensions':7}", 400, "dimensions"},
        {"/v1/nothing", "{}", 404, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const answer x = post(cases[i].path, cases[i].body);
        const json *v = json_get(parsed(x.body), "error");
        if (x.status != cases[i].status) fail_msg("%s: %d %.*s", cases[i].body, x.status, STR_ARG(x.body));
        assert_true(json_get_text(v, "message", STR("")).len > 0);
        assert_true(json_get_text(v, "type", STR("")).len > 0);
        if (cases[i].param && !str_is(json_get_text(v, "param", STR("")), cases[i].param))
            fail_msg("%s: %.*s", cases[i].body, STR_ARG(x.body));
    }
    const answer nobody = request_of("wrong", "GET", "/v1/models", NULL);
    assert_int_equal(nobody.status, 401);
    assert_true(str_is(json_get_text(json_get(parsed(nobody.body), "error"), "code", STR("")), "invalid_api_key"));
}

static void a_prompt_that_is_too_long_is_refused(void **state) {
    (void)state;
    char words[200];
    memset(words, 'a', sizeof words - 1);
    words[sizeof words - 1] = 0;
    const answer x = post("/v1/completions", FORMAT("{'model':'base','prompt':'%s'}", words));
    assert_int_equal(x.status, 400);
    assert_true(str_find(x.body, STR("128"), 0) > 0);
}

static void models_are_listed(void **state) {
    (void)state;
    const answer x = request_of(somebody().key, "GET", "/v1/models", NULL);
    const json *data = json_get(parsed(x.body), "data");
    assert_true(str_is(json_get_text(json_at(data, 0), "id", STR("")), "base"));
    assert_int_equal(request_of(somebody().key, "GET", "/v1/models/base", NULL).status, 200);
    assert_int_equal(request_of(somebody().key, "GET", "/v1/models/none", NULL).status, 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_chat_is_answered_in_openais_shape),
        TEST(the_same_seed_gives_the_same_answers),
        TEST(parts_of_a_message_are_joined_and_developers_are_the_system),
        TEST(a_stop_text_ends_the_answer),
        TEST(log_probabilities_come_with_the_tokens),
        TEST(a_stream_says_what_the_whole_answer_says),
        TEST(a_completion_streams_too),
        TEST(who_hangs_up_stops_the_generation),
        TEST(an_echo_with_log_probabilities_reads_as_lm_eval_reads_it),
        TEST(several_prompts_are_answered_in_their_order),
        TEST(vectors_come_as_numbers_and_as_base64),
        TEST(refusals_have_openais_shape),
        TEST(a_prompt_that_is_too_long_is_refused),
        TEST(models_are_listed),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
