/* models.c - /api/v1/models, aliases, keys with limits, feedback: over the wire, with tiny models. */
#include "house.h"
#include "tiny.h"

static const char *models, *elsewhere;

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    house *h = *state;
    err e = {0};
    const char *home = path_join(h->own, h->folder, "home");
    models = path_join(h->own, home, "models");
    elsewhere = path_join(h->own, h->folder, "elsewhere");
    if (!dir_make(models, &e) || !dir_make(elsewhere, &e)) return -1;
    tiny_model(h->own, models);
    tiny_model_of(h->own, elsewhere, "other", 32, 8);
    return 0;
}

static const json *item_named(const json *list, const char *id) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_is(json_get_text(json_at(list, i), "id", STR("")), id)) return json_at(list, i);
    return NULL;
}

static int64_t status_of(const char *method, const char *path, const char *body) {
    int status;
    ask(method, path, body, &status);
    return status;
}

static json *done_job(const json *accepted) {
    const char *id = word(accepted, "id");
    for (int i = 0; i < 600; i++) {
        json *j = made("GET", FORMAT("/api/v1/jobs/%s", id), NULL);
        if (!str_is(json_get_text(j, "status", STR("")), "started")) return j;
        usleep(50000);
    }
    fail_msg("a job does not end");
    return NULL;
}

/* ---- models --------------------------------------------------------------------------------------------------------------------------- */

static void models_are_added_shown_and_removed(void **state) {
    (void)state;
    const json *before = made("GET", "/api/v1/models", NULL), *base = item_named(json_get(before, "items"), "base");
    assert_non_null(base);
    assert_true(str_is(json_get_text(base, "family", STR("")), "llama"));
    assert_true(json_get_int(base, "parameters", 0) > 1000);
    assert_true(json_get_int(base, "bytes", 0) > 1000);
    assert_null(json_get(base, "problem"));
    assert_false(json_get_bool(json_get(before, "starter"), "present", true));
    const json *added = made("POST", "/api/v1/models", FORMAT("{'path':'%s/other','name':'other'}", elsewhere));
    assert_true(str_is(json_get_text(added, "kind", STR("")), "model"));
    assert_int_equal(status_of("POST", "/api/v1/models", FORMAT("{'path':'%s/other','name':'other'}", elsewhere)), 409);
    assert_int_equal(status_of("POST", "/api/v1/models", FORMAT("{'path':'%s/other','name':'../x'}", elsewhere)), 422);
    assert_int_equal(status_of("POST", "/api/v1/models", FORMAT("{'path':'%s','name':'x'}", elsewhere)), 404);
    assert_int_equal(status_of("DELETE", "/api/v1/models/other", NULL), 204);
    assert_int_equal(status_of("DELETE", "/api/v1/models/other", NULL), 404);
    assert_true(file_exists(path_join(the_house->a, elsewhere, "other/config.json"))); /* what a link leads to stays */
}

static void a_broken_model_is_not_added(void **state) {
    (void)state;
    err e = {0};
    const char *folder = tiny_model_of(the_house->a, elsewhere, "broken", 32, 8);
    assert_ok(file_write(path_join(the_house->a, folder, "model.safetensors"), STR("nonsense"), &e), e);
    int status;
    const str text = ask("POST", "/api/v1/models", FORMAT("{'path':'%s','name':'broken'}", folder), &status);
    assert_true(status >= 400 && status < 500);
    assert_true(str_find(text, STR("safetensors"), 0) > 0);
    assert_null(item_named(json_get(made("GET", "/api/v1/models", NULL), "items"), "broken"));
}

static void only_admins_change_models(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("admin");
    assert_int_equal(request_of(ann.key, "GET", "/api/v1/models", NULL).status, 200);
    assert_int_equal(request_of(ann.key, "DELETE", "/api/v1/models/base", NULL).status, 403);
    assert_int_equal(request_of(ann.key, "PUT", "/api/v1/aliases/x", "{'target':'base'}").status, 403);
    assert_int_equal(request_of(bob.key, "PUT", "/api/v1/aliases/x", "{'target':'base'}").status, 201);
    assert_int_equal(request_of(bob.key, "DELETE", "/api/v1/aliases/x", NULL).status, 204);
    assert_int_equal(request_of(bob.key, "POST", "/api/v1/models", "{'path':'/etc','name':'etc'}").status,
                     403); /* files of the machine */
}

static void an_export_is_a_job_with_a_file(void **state) {
    (void)state;
    const json *j =
        done_job(made("POST", "/api/v1/models/base/export", "{'to':'hf'}")); /* GGUF has no tokenizer of single letters */
    if (!str_is(json_get_text(j, "status", STR("")), "finished")) fail_msg("%.*s", STR_ARG(json_get_text(j, "error", STR("?"))));
    const char *path = word(json_get(j, "result"), "path");
    assert_true(file_size(path_join(the_house->a, path, "model.safetensors")) > 1000);
    assert_int_equal(status_of("POST", "/api/v1/models/base/export", "{'to':'peft'}"), 422);
    assert_int_equal(status_of("POST", "/api/v1/models/base/export", "{'to':'zip'}"), 422);
    assert_int_equal(status_of("POST", "/api/v1/models/none/export", "{'to':'gguf'}"), 404);
}

/* ---- aliases -------------------------------------------------------------------------------------------------------------------------------- */

static str answer_of(const char *key, const char *id) {
    const answer x =
        request_of(key, "POST", "/v1/completions",
                   FORMAT("{'model':'%s','prompt':'the cat ','max_tokens':12,'temperature':0,'ignore_eos':true}", id));
    if (x.status != 200) fail_msg("%d %.*s", x.status, STR_ARG(x.body));
    return json_get_text(json_at(json_get(parsed(x.body), "choices"), 0), "text", STR(""));
}

static void an_alias_is_moved_and_rolled_back(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    made("POST", "/api/v1/models", FORMAT("{'path':'%s/other','name':'other'}", elsewhere));
    assert_int_equal(status_of("PUT", "/api/v1/aliases/mine", "{'target':'base'}"), 201);
    const str base = answer_of(ann.key, "base"), other = answer_of(ann.key, "other");
    assert_false(str_eq(base, other));
    assert_true(str_eq(answer_of(ann.key, "mine"), base));
    const json *moved = made("PUT", "/api/v1/aliases/mine", "{'target':'other'}");
    assert_int_equal((int)json_count(json_get(moved, "history")), 1);
    assert_true(str_eq(answer_of(ann.key, "mine"), other));
    assert_int_equal(status_of("DELETE", "/api/v1/models/other", NULL), 409); /* somebody means it */
    const json *back = made("POST", "/api/v1/aliases/mine/rollback", NULL);
    assert_true(str_is(json_get_text(back, "target", STR("")), "base"));
    assert_true(str_eq(answer_of(ann.key, "mine"), base));
    assert_int_equal(status_of("POST", "/api/v1/aliases/mine/rollback", NULL), 409);
    assert_int_equal(status_of("PUT", "/api/v1/aliases/mine", "{'target':'none'}"), 404);
    assert_int_equal(status_of("PUT", "/api/v1/aliases/base", "{'target':'other'}"), 409);
    assert_int_equal((int)json_count(json_get(made("GET", "/api/v1/models", NULL), "aliases")), 1);
    assert_int_equal(status_of("DELETE", "/api/v1/aliases/mine", NULL), 204);
    assert_int_equal(request_of(ann.key, "POST", "/v1/completions", "{'model':'mine','prompt':'a'}").status, 404);
}

#define LONG_ANSWER "'prompt':'the cat ','max_tokens':110,'temperature':0,'ignore_eos':true"

/* A stream that has begun; what came of it is in `got`. */
static int stream_begun(const char *key, const char *id, buf *got) {
    house *h = the_house;
    char piece[4096];
    const int fd = dial(h->port);
    const char *body = quoted(h->a, FORMAT("{'model':'%s','stream':true," LONG_ANSWER "}", id));
    assert_true(send_bytes(fd, str_of(FORMAT("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                                             "Content-Length: %zu\r\n\r\n%s",
                                             key, strlen(body), body))));
    const ssize_t n = recv(fd, piece, sizeof piece, 0);
    assert_true(n > 0);
    buf_put(got, piece, (size_t)n);
    return fd;
}

/* All that the stream says, to its end; closes it. */
static str stream_ended(int fd, buf *got) {
    house *h = the_house;
    buf text = {0};
    char piece[4096];
    for (ssize_t n = 1; n > 0 && str_find(buf_str(got), STR("[DONE]"), 0) < 0;)
        if ((n = recv(fd, piece, sizeof piece, 0)) > 0) buf_put(got, piece, (size_t)n);
    close(fd);
    for (ptrdiff_t at = 0; (at = str_find(buf_str(got), STR("data: {"), (size_t)at)) >= 0;) {
        const ptrdiff_t end = str_find(buf_str(got), STR("\n\n"), (size_t)at);
        const json *v = parsed((str){arena_copy(h->a, got->ptr + at + 6, (size_t)(end - at - 6)), (size_t)(end - at - 6)});
        buf_put_str(&text, json_get_text(json_at(json_get(v, "choices"), 0), "text", STR("")));
        at = end;
    }
    const str out = {arena_copy(h->a, text.ptr ? text.ptr : "", text.len), text.len};
    buf_free(&text);
    return out;
}

static void streams_end_on_the_model_they_began_with(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *const ids[] = {"base", "other"};
    str whole[2];
    for (int i = 0; i < 2; i++) {
        const answer x = request_of(ann.key, "POST", "/v1/completions", FORMAT("{'model':'%s'," LONG_ANSWER "}", ids[i]));
        whole[i] = json_get_text(json_at(json_get(parsed(x.body), "choices"), 0), "text", STR("?"));
    }
    assert_false(str_eq(whole[0], whole[1]));
    buf got[3] = {{0}, {0}, {0}};
    int fd[3];
    made("PUT", "/api/v1/aliases/mine", "{'target':'base'}");
    fd[0] = stream_begun(ann.key, "mine", &got[0]);
    made("PUT", "/api/v1/aliases/mine", "{'target':'other'}");
    fd[1] = stream_begun(ann.key, "mine", &got[1]);
    made("POST", "/api/v1/aliases/mine/rollback", NULL);
    fd[2] = stream_begun(ann.key, "mine", &got[2]);
    for (int i = 0; i < 3; i++) {
        assert_true(str_eq(stream_ended(fd[i], &got[i]), whole[i % 2]));
        buf_free(&got[i]);
    }
    made("DELETE", "/api/v1/aliases/mine", NULL);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------------------------ */

static const char *a_key(const person *p, const char *members) {
    const answer x = request_of(p->key, "POST", "/api/v1/me/keys", FORMAT("{'name':'k',%s}", members));
    if (x.status != 201) fail_msg("%d %.*s", x.status, STR_ARG(x.body));
    return word(parsed(x.body), "api_key");
}

static void a_key_does_what_its_scopes_say(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *serve = a_key(&ann, "'scopes':['serve']"), *api = a_key(&ann, "'scopes':['api']");
    assert_int_equal(request_of(serve, "GET", "/v1/models", NULL).status, 200);
    assert_int_equal(request_of(serve, "GET", "/api/v1/me", NULL).status, 403);
    assert_int_equal(request_of(serve, "POST", "/api/v1/me/keys", "{}").status, 403); /* no way to a wider one */
    assert_int_equal(request_of(api, "GET", "/api/v1/me", NULL).status, 200);
    assert_int_equal(request_of(api, "GET", "/v1/models", NULL).status, 403);
    assert_int_equal(request_of(ann.key, "POST", "/api/v1/me/keys", "{'scopes':['root']}").status, 422);
    assert_int_equal(request_of(ann.key, "POST", "/api/v1/me/keys", "{'budget':-1}").status, 422);
}

static void a_budget_ends(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *key = a_key(&ann, "'budget':30"),
               *body = "{'model':'base','prompt':'the cat ','max_tokens':20,'ignore_eos':true}";
    assert_int_equal(request_of(key, "POST", "/v1/completions", body).status, 200);
    assert_int_equal(request_of(key, "POST", "/v1/completions", body).status, 200); /* 28 of 30 were spent */
    const answer x = request_of(key, "POST", "/v1/completions", body);
    assert_int_equal(x.status, 429);
    assert_true(header_of(x.head, "Retry-After").len > 0);
    assert_int_equal(request_of(key, "POST", "/v1/embeddings", "{'model':'base','input':'a'}").status, 429);
    const json *keys = json_get(parsed(request_of(ann.key, "GET", "/api/v1/me/keys", NULL).body), "items");
    assert_int_equal(json_get_int(json_at(keys, json_count(keys) - 1), "spent_today", 0), 56);
}

static void traffic_is_kept_of_marked_keys_alone(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *marked = a_key(&ann, "'record':true,'retention_days':7");
    const char *body = "{'model':'base','messages':[{'role':'user','content':'secret words'}],'max_tokens':5}";
    request_of(ann.key, "POST", "/v1/chat/completions", body);
    assert_int_equal((int)json_count(json_get(parsed(request_of(ann.key, "GET", "/api/v1/me/traffic", NULL).body), "items")), 0);
    request_of(marked, "POST", "/v1/chat/completions", body);
    const json *items = json_get(parsed(request_of(ann.key, "GET", "/api/v1/me/traffic", NULL).body), "items");
    assert_int_equal((int)json_count(items), 1);
    assert_true(str_is(json_get_text(json_at(json_get(json_at(items, 0), "messages"), 0), "content", STR("")), "secret words"));
    assert_int_equal(json_kind_of(json_get(json_at(items, 0), "unfinished")), JSON_ARRAY);
    const person bob = a_person("annotator");
    assert_int_equal((int)json_count(json_get(parsed(request_of(bob.key, "GET", "/api/v1/me/traffic", NULL).body), "items")), 0);
    const json *keys = json_get(parsed(request_of(ann.key, "GET", "/api/v1/me/keys", NULL).body), "items");
    const char *id = word(json_at(keys, json_count(keys) - 1), "id");
    assert_int_equal(request_of(ann.key, "DELETE", FORMAT("/api/v1/me/keys/%s", id), NULL).status, 204);
    assert_int_equal((int)json_count(json_get(parsed(request_of(ann.key, "GET", "/api/v1/me/traffic", NULL).body), "items")), 0);
}

/* ---- feedback ---------------------------------------------------------------------------------------------------------------------------------- */

static const json *chatted(const person *p, const char *words) {
    const answer x = request_of(
        p->key, "POST", "/v1/chat/completions",
        FORMAT("{'model':'base','messages':[{'role':'user','content':'%s'}],'max_tokens':8,'ignore_eos':true}", words));
    if (x.status != 200) fail_msg("%d %.*s", x.status, STR_ARG(x.body));
    return parsed(x.body);
}

static const json *said(const person *p, const char *body) {
    const answer x = request_of(p->key, "POST", "/v1/feedback", body);
    if (x.status != 201) fail_msg("%s: %d %.*s", body, x.status, STR_ARG(x.body));
    return parsed(x.body);
}

/* By the guess of this recipe. */
static int64_t rows_for(const char *set, const char *recipe, const char *target) {
    const json *v = made("GET", FORMAT("/api/v1/datasets/%s/recipes", set), NULL), *guesses = json_get(v, "guesses");
    for (size_t i = 0; i < json_count(guesses); i++) {
        const json *one = json_at(guesses, i);
        buf text = {0};
        if (!str_is(json_get_text(one, "recipe", STR("")), recipe)) continue;
        json_put(&text, one);
        made("PUT", FORMAT("/api/v1/datasets/%s/recipe", set), FORMAT("{'mapping':%s}", text.ptr));
        buf_free(&text);
        v = made("GET", FORMAT("/api/v1/datasets/%s/recipes", set), NULL);
        return json_get_int(json_get(json_get(json_get(v, "report"), "targets"), target), "count", -1);
    }
    fail_msg("no guess of %s", recipe);
    return -1;
}

static void a_thumb_and_an_edit_become_examples(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *space = a_space();
    joins(space, &ann);
    const char *first = word(chatted(&ann, "one"), "id"), *second = word(chatted(&ann, "two"), "id"),
               *third = word(chatted(&ann, "three"), "id");
    const json *v = said(&ann, FORMAT("{'id':'%s','thumb':'up'}", first));
    const char *set = word(v, "dataset_id"), *row = word(v, "record_id");
    said(&ann, FORMAT("{'id':'%s','thumb':'down','comment':'too short'}", second));
    said(&ann, FORMAT("{'id':'%s','text':'a better one'}", third));
    const json *r = made("GET", FORMAT("/api/v1/records/%s", row), NULL);
    const json *messages = json_get(json_get(r, "fields"), "messages");
    assert_int_equal((int)json_count(messages), 2);
    assert_true(str_is(json_get_text(json_at(messages, 1), "role", STR("")), "assistant"));
    const json *cut = json_get(json_get(r, "metadata"), "unfinished"); /* the limit of eight tokens ended it */
    assert_true(json_count(cut) == 1 && str_is(json_text(json_at(cut, 0), STR("")), "messages"));
    assert_int_equal(rows_for(set, "label", "labelled"), 2);
    assert_int_equal(rows_for(set, "text", "pairs"), 1);
    /* thought better of it: the same record changes */
    assert_string_equal(word(said(&ann, FORMAT("{'id':'%s','thumb':'down'}", first)), "record_id"), row);
    assert_int_equal(rows_for(set, "label", "labelled"), 2);
    said(&ann, FORMAT("{'id':'%s','thumb':null}", first));
    assert_int_equal(rows_for(set, "label", "labelled"), 1);
}

/* What memory has forgotten, or never had because it was stopped, a conversation of one's own still knows. */
static void feedback_finds_answers_in_a_kept_conversation(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("annotator");
    const char *space = a_space();
    joins(space, &ann);
    joins(space, &bob);
    const answer kept = request_of(
        ann.key, "POST", "/api/v1/chats",
        "{'title':'t','model':'base','settings':{'system':'Be brief.'},'messages':["
        "{'id':'1','parent':null,'role':'user','content':'Hi'},"
        "{'id':'2','parent':'1','role':'assistant','content':'Hello','completion_id':'chatcmpl-old','finish':'stop'},"
        "{'id':'3','parent':'1','role':'assistant','content':'Well, he','completion_id':'chatcmpl-cut','finish':'cancelled'},"
        "{'id':'4','parent':'1','role':'assistant','content':'My own','completion_id':'chatcmpl-old','edited':true},"
        "{'id':'5','parent':'2','role':'user','content':'And?'},"
        "{'id':'6','parent':'5','role':'assistant','content':'So','completion_id':'chatcmpl-so','finish':'length'}]}");
    assert_int_equal(kept.status, 201);
    const char *chat = word(parsed(kept.body), "id");
    static const struct {
        const char *completion, *fields;
        int unfinished;
    } cases[] = {
        {"chatcmpl-old",
         "[{'role':'system','content':'Be brief.'},{'role':'user','content':'Hi'},{'role':'assistant','content':'Hello'}]", 0},
        {"chatcmpl-cut",
         "[{'role':'system','content':'Be brief.'},{'role':'user','content':'Hi'},{'role':'assistant','content':'Well, he'}]", 1},
        {"chatcmpl-so",
         "[{'role':'system','content':'Be brief.'},{'role':'user','content':'Hi'},{'role':'assistant','content':'Hello'},"
         "{'role':'user','content':'And?'},{'role':'assistant','content':'So'}]",
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json *v = said(&ann, FORMAT("{'id':'%s','chat':'%s','thumb':'up'}", cases[i].completion, chat));
        const json *r = made("GET", FORMAT("/api/v1/records/%s", word(v, "record_id")), NULL);
        buf text = {0};
        json_put(&text, json_get(json_get(r, "fields"), "messages"));
        for (size_t k = 0; k < text.len; k++)
            if (text.ptr[k] == '"') text.ptr[k] = '\'';
        assert_string_equal(text.ptr, cases[i].fields);
        assert_int_equal((int)json_count(json_get(json_get(r, "metadata"), "unfinished")), cases[i].unfinished);
        buf_free(&text);
    }
    const char *other = FORMAT("{'id':'chatcmpl-old','chat':'%s','thumb':'up'}", chat);
    assert_int_equal(request_of(bob.key, "POST", "/v1/feedback", other).status, 404);
    assert_int_equal(request_of(ann.key, "POST", "/v1/feedback", "{'id':'chatcmpl-old','thumb':'up'}").status, 404);
    assert_int_equal(request_of(ann.key, "POST", "/v1/feedback", FORMAT("{'id':'no','chat':'%s','thumb':'up'}", chat)).status,
                     404);
}

static void feedback_wants_an_answer_of_ones_own(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("annotator");
    const char *space = a_space();
    joins(space, &ann);
    joins(space, &bob);
    const char *id = word(chatted(&ann, "hello"), "id");
    assert_int_equal(request_of(bob.key, "POST", "/v1/feedback", FORMAT("{'id':'%s','thumb':'up'}", id)).status, 404);
    assert_int_equal(request_of(ann.key, "POST", "/v1/feedback", "{'id':'chatcmpl-none','thumb':'up'}").status, 404);
    assert_int_equal(request_of(ann.key, "POST", "/v1/feedback", FORMAT("{'id':'%s','thumb':'sideways'}", id)).status, 400);
    assert_int_equal(request_of(ann.key, "POST", "/v1/feedback", FORMAT("{'id':'%s','thumb':'up','index':3}", id)).status, 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_are_added_shown_and_removed),
        TEST(a_broken_model_is_not_added),
        TEST(only_admins_change_models),
        TEST(an_export_is_a_job_with_a_file),
        TEST(an_alias_is_moved_and_rolled_back),
        TEST(streams_end_on_the_model_they_began_with),
        TEST(a_key_does_what_its_scopes_say),
        TEST(a_budget_ends),
        TEST(traffic_is_kept_of_marked_keys_alone),
        TEST(a_thumb_and_an_edit_become_examples),
        TEST(feedback_finds_answers_in_a_kept_conversation),
        TEST(feedback_wants_an_answer_of_ones_own),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
