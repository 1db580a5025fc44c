/* A whole server moved into another by its REST API: everything arrives, twice is the same as once, and what does not fit is told. */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/fetch.h"
#include "base/json.h"
#include "base/sys.h"
#include "cli/import_argilla.h"

/* The server that is read, with its key; it runs while all tests do. */
static struct {
    arena *a;
    char *folder;
    server *s;
    pthread_t thread;
    err e;
    bool ran;
    const char *url, *key;
} there;

static json *ask(const char *method, const char *path, const char *body) {
    err e = {0};
    int status;
    buf out = {0};
    json *v = NULL;
    if (!server_call(there.s, method, path, str_of(body), &status, &out, &e)) fail_msg("%s %s: %s", method, path, e.text);
    if (out.len) assert_ok(json_parse_any(there.a, buf_str(&out), &v, &e), e);
    buf_free(&out);
    return v;
}

static const char *id_of(const json *v) { return str_copy(there.a, json_get_text(v, "id", STR(""))); }
#define FORMAT(...) arena_printf(there.a, __VA_ARGS__)

static const char *add_user(const char *name, const char *may) {
    return id_of(ask(
        "POST", "/api/v1/users",
        FORMAT("{\"username\": \"%s\", \"first_name\": \"%s\", \"role\": \"%s\", \"password\": \"12345678\"}", name, name, may)));
}

static const char *add_set(const char *space, const char *name) {
    static const char *const fields[] = {
        "{\"name\": \"text\", \"title\": \"Text\", \"required\": true, \"settings\": {\"type\": \"text\"}}",
        "{\"name\": \"chat\", \"title\": \"Chat\", \"settings\": {\"type\": \"chat\"}}"};
    static const char *const questions[] = {
        "{\"name\": \"label\", \"title\": \"L\", \"required\": true, \"settings\": {\"type\": \"label_selection\", \"options\": "
        "[{\"value\": \"a\", \"text\": \"A\"}, {\"value\": \"b\", \"text\": \"B\"}]}}",
        "{\"name\": \"better\", \"title\": \"Better\", \"description\": \"how\", \"settings\": {\"type\": \"text\"}}",
        "{\"name\": \"order\", \"title\": \"O\", \"settings\": {\"type\": \"ranking\", \"options\": [{\"value\": \"x\", "
        "\"text\": \"X\"}, "
        "{\"value\": \"y\", \"text\": \"Y\"}]}}"};
    const char *id =
        id_of(ask("POST", "/api/v1/datasets",
                  FORMAT("{\"name\": \"%s\", \"workspace_id\": \"%s\", \"guidelines\": \"Be fair.\", \"distribution\": "
                         "{\"strategy\": \"overlap\", \"min_submitted\": 2}}",
                         name, space)));
    for (int i = 0; i < 2; i++) ask("POST", FORMAT("/api/v1/datasets/%s/fields", id), fields[i]);
    for (int i = 0; i < 3; i++) ask("POST", FORMAT("/api/v1/datasets/%s/questions", id), questions[i]);
    ask("POST", FORMAT("/api/v1/datasets/%s/metadata-properties", id),
        "{\"name\": \"n\", \"title\": \"N\", \"settings\": {\"type\": \"integer\"}}");
    ask("POST", FORMAT("/api/v1/datasets/%s/vectors-settings", id), "{\"name\": \"v\", \"title\": \"V\", \"dimensions\": 3}");
    return id;
}

/* 230 records are three pages; every fifth has no external id. */
static void add_records(const char *set, const char *ann, const char *bob) {
    for (int from = 0; from < 230; from += 115) {
        buf body = {0};
        buf_put_text(&body, "{\"items\": [");
        for (int i = from; i < from + 115; i++) {
            buf_printf(&body, "%s{\"fields\": {\"text\": \"text %d é\"", i == from ? "" : ", ", i);
            if (i % 2) buf_printf(&body, ", \"chat\": [{\"role\": \"user\", \"content\": \"hi %d\"}]", i);
            buf_printf(&body, "}, \"metadata\": {\"n\": %d, \"free\": [1, null, true]}, \"vectors\": {\"v\": [%d, 0.1, -1e-7]}",
                       i, i);
            if (i % 5) buf_printf(&body, ", \"external_id\": \"r%d\"", i);
            buf_printf(&body,
                       ", \"suggestions\": [{\"question_name\": \"label\", \"value\": \"a\", \"score\": 0.25, \"agent\": \"m\", "
                       "\"type\": \"model\"}]");
            buf_printf(
                &body,
                ", \"responses\": [{\"user_id\": \"%s\", \"status\": \"submitted\", \"values\": {\"label\": {\"value\": \"b\"}, "
                "\"order\": {\"value\": [{\"value\": \"x\", \"rank\": 1}, {\"value\": \"y\", \"rank\": 1}]}}}",
                ann);
            if (i % 3 == 0)
                buf_printf(&body, ", {\"user_id\": \"%s\", \"status\": \"%s\", \"values\": {\"label\": {\"value\": \"a\"}}}", bob,
                           i % 2 ? "submitted" : "draft");
            buf_put_text(&body, "]}");
        }
        buf_put_text(&body, "]}");
        ask("POST", FORMAT("/api/v1/datasets/%s/records/bulk", set), body.ptr);
        buf_free(&body);
    }
}

static void *run_server(void *context) {
    (void)context;
    there.ran = server_run(there.s, &there.e);
    return NULL;
}

static int group_begin(void **state) {
    (void)state;
    arena *a = there.a = arena_new();
    there.folder = scratch_folder(a);
    str port = {0};
    const serve_options o = {
        .home = there.folder, .host = "127.0.0.1", .port_file = path_join(a, there.folder, "port"), .body_max = 100 << 20};
    there.s = server_open(&o, &there.e);
    if (!there.s) return -1;
    const char *olga = add_user("olga", "owner"), *ann = add_user("ann", "annotator"), *bob = add_user("bob", "admin");
    add_user("loner", "annotator");
    there.key = str_copy(a, json_get_text(ask("POST", FORMAT("/api/v1/users/%s/keys", olga), "{}"), "api_key", STR("")));
    const char *space = id_of(ask("POST", "/api/v1/workspaces", "{\"name\": \"team\"}"));
    ask("POST", "/api/v1/workspaces", "{\"name\": \"empty\"}");
    ask("POST", FORMAT("/api/v1/workspaces/%s/users", space), FORMAT("{\"user_id\": \"%s\"}", ann));
    const char *set = add_set(space, "answers");
    ask("PUT", FORMAT("/api/v1/datasets/%s/publish", set), "");
    add_records(set, ann, bob);
    add_set(space, "draft");
    if (pthread_create(&there.thread, NULL, run_server, NULL) != 0) return -1;
    for (int i = 0; i < 500 && !port.len; i++) {
        err none = {0};
        poll(NULL, 0, 10);
        if (file_exists(o.port_file)) file_read(a, o.port_file, 100, &port, &none);
    }
    there.url = FORMAT("http://127.0.0.1:%.*s/", STR_ARG(str_trim(port)));
    return port.len ? 0 : -1;
}

static int group_end(void **state) {
    (void)state;
    err e = {0};
    sys_request_stop();
    pthread_join(there.thread, NULL);
    server_close(there.s);
    dir_remove(there.folder, &e);
    arena_free(there.a);
    return there.ran ? 0 : -1;
}

typedef struct {
    arena *a;
    char *folder;
    desk d;
} home;

static home home_open(void) {
    err e = {0};
    home h = {.a = arena_new()};
    int status;
    str answer;
    const fetch_request r = {.method = "GET", .url = FORMAT("%shealth", there.url)};
    if (!fetch(h.a, &r, &status, &answer, &e) && e.code == ERR_UNSUPPORTED) {
        fprintf(stderr, "SKIPPED: %s\n", e.text);
        arena_free(h.a);
        skip();
    }
    h.folder = scratch_folder(h.a);
    assert_ok(desk_open(h.a, h.folder, &h.d, &e), e);
    return h;
}

static void home_close(home *h) {
    err e = {0};
    desk_close(&h->d);
    assert_ok(dir_remove(h->folder, &e), e);
    arena_free(h->a);
}

static json *here(home *h, const char *path) {
    json *v;
    err e = {0};
    if (!desk_ask(h->a, &h->d, "GET", path, STR(""), &v, &e)) fail_msg("%s: %s", path, e.text);
    return json_get(v, "items");
}

static const json *find(const json *list, const char *member, const char *name) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_is(json_get_text(json_at(list, i), member, STR("")), name)) return json_at(list, i);
    fail_msg("no %s '%s'", member, name);
    return NULL;
}

static void same_members(const json *x, const json *y, const char *const *keys) {
    for (; *keys; keys++)
        if (!json_equal(json_get(x, *keys), json_get(y, *keys))) {
            buf a = {0}, b = {0};
            json_put(&a, x), json_put(&b, y);
            fail_msg("%s differs:\n%s\n%s", *keys, a.ptr, b.ptr);
        }
}

/* Users by name, since ids of people who were here already are others. */
static const char *name_of(const json *people, const json *answer) {
    const str id = json_get_text(answer, "user_id", STR(""));
    for (size_t i = 0; i < json_count(people); i++)
        if (str_eq(json_get_text(json_at(people, i), "id", STR("")), id))
            return json_get_text(json_at(people, i), "username", STR("")).ptr;
    fail_msg("an answer of nobody");
    return NULL;
}

static void same_record(const json *x, const json *y, const json *x_users, const json *y_users) {
    static const char *const keys[] = {"id", "external_id", "fields", "metadata", "vectors", "status", NULL},
                             *const answer[] = {"values", "status", NULL},
                             *const suggested[] = {"value", "score", "agent", "type", NULL};
    same_members(x, y, keys);
    const json *a = json_get(x, "responses"), *b = json_get(y, "responses");
    assert_int_equal(json_count(a), json_count(b));
    for (size_t i = 0; i < json_count(a); i++) {
        same_members(json_at(a, i), json_at(b, i), answer);
        assert_string_equal(name_of(x_users, json_at(a, i)), name_of(y_users, json_at(b, i)));
    }
    assert_int_equal(json_count(json_get(x, "suggestions")), 1);
    same_members(json_at(json_get(x, "suggestions"), 0), json_at(json_get(y, "suggestions"), 0), suggested);
}

static void same_everything(home *h) {
    static const char *const kinds[] = {"fields", "questions", "metadata-properties", "vectors-settings"};
    static const char
        *const keys[] = {"name", "title", "description", "required", "settings", "dimensions", "visible_for_annotators", NULL},
               *const set_keys[] = {"name", "guidelines", "status", "distribution", "allow_extra_metadata", "metadata", NULL};
    const char *all = "records?limit=1000&include=responses&include=suggestions&include=vectors";
    const json *theirs = json_get(ask("GET", "/api/v1/me/datasets", ""), "items"), *ours = here(h, "/api/v1/me/datasets");
    const json *their_users = json_get(ask("GET", "/api/v1/users", ""), "items"), *our_users = here(h, "/api/v1/users");
    assert_int_equal(json_count(theirs), json_count(ours));
    for (size_t i = 0; i < json_count(theirs); i++) {
        const json *x = json_at(theirs, i), *y = json_at(ours, i);
        same_members(x, y, set_keys);
        for (int k = 0; k < 4; k++) {
            const json *a = json_get(ask("GET", FORMAT("/api/v1/datasets/%s/%s", id_of(x), kinds[k]), ""), "items"),
                       *b = here(h, FORMAT("/api/v1/datasets/%s/%s", id_of(y), kinds[k]));
            assert_int_equal(json_count(a), json_count(b));
            for (size_t n = 0; n < json_count(a); n++) same_members(json_at(a, n), json_at(b, n), keys);
        }
        const json *a = json_get(ask("GET", FORMAT("/api/v1/datasets/%s/%s", id_of(x), all), ""), "items"),
                   *b = here(h, FORMAT("/api/v1/datasets/%s/%s", id_of(y), all));
        assert_int_equal(json_count(a), json_count(b));
        for (size_t n = 0; n < json_count(a); n++) same_record(json_at(a, n), json_at(b, n), their_users, our_users);
    }
}

static argilla_from from(home *h) {
    return (argilla_from){
        .url = there.url, .key = there.key, .quiet = true, .passwords = path_join(h->a, h->folder, "passwords")};
}

static void everything_arrives_and_twice_is_as_once(void **state) {
    (void)state;
    err e = {0};
    home h = home_open();
    json *v;
    str passwords;
    const char *const bob[] = {"username", "bob", "first_name", "Bob", "role", "annotator", "password", "87654321", NULL};
    const argilla_from f = from(&h);
    assert_ok(desk_ask(h.a, &h.d, "POST", "/api/v1/users", desk_body(h.a, bob), &v, &e), e); /* one is here already */
    const char *bob_id = str_copy(h.a, json_get_text(v, "id", STR("")));
    for (int i = 0; i < 2; i++) {
        assert_ok(import_argilla(h.a, &h.d, &f, &e), e);
        same_everything(&h);
        const json *people = here(&h, "/api/v1/users");
        assert_int_equal(json_count(people), 4);
        assert_true(str_is(json_get_text(find(people, "username", "bob"), "id", STR("")), bob_id));
        assert_true(str_is(json_get_text(find(people, "username", "olga"), "role", STR("")), "owner"));
        const json *space = find(here(&h, "/api/v1/me/workspaces"), "name", "team");
        find(here(&h, "/api/v1/me/workspaces"), "name", "empty");
        assert_int_equal(json_count(here(&h, FORMAT("/api/v1/workspaces/%s/users", id_of(space)))), 1);
        assert_ok(file_read(h.a, f.passwords, 10000, &passwords, &e), e);
        int lines = 0;
        for (size_t k = 0; k < passwords.len; k++) lines += passwords.ptr[k] == '\n';
        assert_int_equal(lines, 3); /* the second time nobody is new */
    }
    home_close(&h);
}

static void one_workspace_brings_its_own_people_alone(void **state) {
    (void)state;
    err e = {0};
    home h = home_open();
    argilla_from f = from(&h);
    f.workspace = "empty";
    assert_ok(import_argilla(h.a, &h.d, &f, &e), e);
    assert_int_equal(json_count(here(&h, "/api/v1/users")), 0);
    assert_int_equal(json_count(here(&h, "/api/v1/me/datasets")), 0);
    f.workspace = "team";
    assert_ok(import_argilla(h.a, &h.d, &f, &e), e);
    assert_int_equal(json_count(here(&h, "/api/v1/users")), 2); /* ann is a member, bob answered */
    f.workspace = "nowhere";
    assert_false(import_argilla(h.a, &h.d, &f, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    home_close(&h);
}

static void what_does_not_fit_is_told_and_the_rest_arrives(void **state) {
    (void)state;
    err e = {0}, reason = {0};
    home h = home_open();
    json *v;
    const argilla_from f = from(&h);
    assert_ok(desk_ask(h.a, &h.d, "POST", "/api/v1/workspaces", STR("{\"name\": \"team\"}"), &v, &e), e);
    const char *space = str_copy(h.a, json_get_text(v, "id", STR("")));
    const char *body = FORMAT("{\"name\": \"answers\", \"workspace_id\": \"%s\"}", space);
    assert_ok(desk_ask(h.a, &h.d, "POST", "/api/v1/datasets", str_of(body), &v, &e), e);
    body = "{\"name\": \"n\", \"title\": \"N\", \"settings\": {\"type\": \"integer\", \"max\": 199}}"; /* 30 records are above */
    const char *set = str_copy(h.a, json_get_text(v, "id", STR("")));
    assert_ok(desk_ask(h.a, &h.d, "POST", FORMAT("/api/v1/datasets/%s/metadata-properties", set), str_of(body), &v, &e), e);
    assert_false(import_argilla(h.a, &h.d, &f, &reason));
    assert_int_equal(reason.code, ERR_INPUT);
    assert_non_null(strstr(reason.text, "30 records were refused"));
    assert_int_equal(json_count(here(&h, FORMAT("/api/v1/datasets/%s/records?limit=1000", set))), 200);
    home_close(&h);
}

static void a_key_must_be_an_owners(void **state) {
    (void)state;
    home h = home_open();
    argilla_from f = from(&h);
    err wrong = {0}, lower = {0};
    f.key = "nonsense";
    assert_false(import_argilla(h.a, &h.d, &f, &wrong));
    assert_int_equal(wrong.code, ERR_UNAUTHORIZED);
    const char *bob = id_of(find(json_get(ask("GET", "/api/v1/users", ""), "items"), "username", "bob"));
    f.key = str_copy(h.a, json_get_text(ask("POST", FORMAT("/api/v1/users/%s/keys", bob), "{}"), "api_key", STR("")));
    assert_false(import_argilla(h.a, &h.d, &f, &lower));
    assert_int_equal(lower.code, ERR_FORBIDDEN);
    home_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(everything_arrives_and_twice_is_as_once),
                                       TEST(one_workspace_brings_its_own_people_alone),
                                       TEST(what_does_not_fit_is_told_and_the_rest_arrives), TEST(a_key_must_be_an_owners)};
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
