/* The contract that Argilla's clients rely on, over the wire: shapes of errors, moments, PATCH, bulk writes, and the traps that cost
 * somebody a bug. */
#include "house.h"

static person owner;
static const char *space;

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    owner = a_person("owner");
    space = a_space();
    return 0;
}

/* The answer must have this status; its body as JSON. */
static json *want(int status, const char *method, const char *path, const char *body) {
    const answer x = request_of(owner.key, method, path, body);
    if (x.status != status)
        fail_msg("%s %s %s: %d, expected %d: %.*s", method, path, body ? body : "", x.status, status, STR_ARG(x.body));
    if (status == 204) assert_int_equal(x.body.len, 0);
    return parsed(x.body);
}

static const json *at(const json *v, const char *path) { /* "items.0.id" */
    for (const char *p = path; *p && v;) {
        const size_t n = strcspn(p, ".");
        char *key = arena_copy(the_house->a, p, n);
        v = *key >= '0' && *key <= '9' ? json_at(v, (size_t)atoi(key)) : json_get(v, key);
        p += n + (p[n] == '.');
    }
    return v;
}

static const char *compact(const json *v) {
    buf out = {0};
    json_put(&out, v);
    char *text = str_copy(the_house->a, buf_str(&out));
    buf_free(&out);
    for (char *c = text; *c; c++)
        if (*c == '"') *c = '\'';
    return text;
}

#define assert_json(v, text) assert_string_equal(compact(v), (text))

/* ---- errors ------------------------------------------------------------------------------------------------------------------------ */

static void errors_have_the_shapes_that_clients_read(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    answer x = request_of("wrong", "GET", "/api/v1/me", NULL);
    assert_int_equal(x.status, 401);
    assert_string_equal(word(at(parsed(x.body), "detail"), "code"), "argilla.api.errors::UnauthorizedError");
    assert_int_equal(json_kind_of(at(parsed(x.body), "detail.params.detail")), JSON_STRING);
    const person ann = a_person("annotator");
    x = request_of(ann.key, "GET", "/api/v1/users", NULL);
    assert_int_equal(x.status, 403);
    assert_string_equal(word(at(parsed(x.body), "detail"), "code"), "argilla.api.errors::ForbiddenOperationError");
    assert_json(want(404, "GET", "/api/v1/datasets/" MISSING, NULL), "{'detail':'Dataset with id `" MISSING "` not found'}");
    assert_int_equal(json_kind_of(json_get(want(409, "POST", "/api/v1/users",
                                                FORMAT("{'username':'%s','first_name':'x','password':'12345678'}", ann.name)),
                                           "detail")),
                     JSON_STRING);
    static const char *const wrong[][3] = {
        {"GET", "/api/v1/datasets/x", "path"},
        {"GET", "/api/v1/datasets/%s/records?limit=0", "query"},
        {"GET", "/api/v1/datasets/%s/records?limit=1001", "query"},
        {"GET", "/api/v1/datasets/%s/records?offset=-1", "query"},
        {"GET", "/api/v1/datasets/%s/records?limit=x", "query"},
        {"GET", "/api/v1/datasets/%s/records?include=everything", "query"},
        {"DELETE", "/api/v1/datasets/%s/records?ids=x", "query"},
        {"DELETE", "/api/v1/datasets/%s/records", "query"},
        {"POST", "/api/v1/datasets", "body"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path =
            strstr(wrong[i][1], "%s") ? FORMAT("/api/v1/datasets/%s%s", d.id, strstr(wrong[i][1], "%s") + 2) : wrong[i][1];
        const json *v = want(422, wrong[i][0], path, strcmp(wrong[i][0], "POST") == 0 ? "{'name':''}" : NULL);
        assert_string_equal(word(at(v, "detail"), "code"), "argilla.api.errors::ValidationError");
        const json *first = at(v, "detail.params.errors.0");
        assert_true(*word(first, "msg") && *word(first, "type"));
        if (!str_is(json_text(at(first, "loc.0"), STR("")), wrong[i][2])) fail_msg("%s: loc %s", path, compact(at(first, "loc")));
    }
    assert_string_equal(word(want(422, "PUT", FORMAT("/api/v1/datasets/%s/publish", d.id), NULL), "detail"),
                        "Dataset is already published");
    made("PATCH", FORMAT("/api/v1/records/%s", d.record), "{'vectors':{'emb':null}}");
    const json *missing = want(422, "POST", FORMAT("/api/v1/datasets/%s/records/search", d.id),
                               FORMAT("{'query':{'vector':{'name':'emb','record_id':'%s'}}}", d.record));
    assert_string_equal(word(missing, "code"), "missing_vector");
    assert_true(*word(missing, "message"));
}

static void what_is_no_json_is_refused_in_words(void **state) {
    (void)state;
    static const char *const bodies[] = {"{", "[]", "null", "1", "'text'", "{'name':}", "{'name':'a'} x", "\xff\xfe"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const answer x = request_of(owner.key, "POST", "/api/v1/workspaces", bodies[i]);
        if (x.status != 422 && x.status != 400) fail_msg("%s: %d %.*s", bodies[i], x.status, STR_ARG(x.body));
        assert_non_null(json_get(parsed(x.body), "detail"));
    }
    buf deep = {0};
    for (int i = 0; i < 100000; i++) buf_put_char(&deep, '[');
    const answer x = request_of(owner.key, "POST", "/api/v1/workspaces", deep.ptr);
    assert_true(x.status >= 400 && x.status < 500);
    buf_free(&deep);
}

/* Whatever stands in the query of whatever is read: an answer or a refusal, never a failure of ours. */
static void no_query_makes_the_server_fail(void **state) {
    static const char *const keys[] = {"limit",   "offset",          "include",  "ids",      "after",   "workspace_id", "status",
                                       "name",    "response_status", "metadata", "sort_by",  "as",      "format",       "migrate",
                                       "dry_run", "import",          "kind",     "strategy", "question"};
    static const char *const values[] = {"",
                                         "-1",
                                         "0",
                                         "1",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "1e308",
                                         "nan",
                                         "0x10",
                                         "x",
                                         "%ff",
                                         "%00",
                                         "'",
                                         "%22",
                                         "a%2Cb",
                                         "a:b",
                                         "source:%7B%22ge%22:1e999%7D",
                                         "source:%7B",
                                         "metadata.source:desc",
                                         "vectors:",
                                         "vectors:emb,emb",
                                         "true",
                                         "%F0%9F%98%80"};
    static route_info all[400];
    const int n = server_routes(all, 400);
    const stuff d = a_dataset(space, owner.id);
    (void)state;
    for (int i = 0; i < n; i++) {
        if (strcmp(all[i].method, "GET") != 0 || strstr(all[i].path, "/events") || strstr(all[i].path, "openapi")) continue;
        const char *brace = strchr(all[i].path, '{'), *id = strcmp(all[i].of, "Record") == 0    ? d.record
                                                            : strcmp(all[i].of, "Dataset") == 0 ? d.id
                                                                                                : MISSING;
        const char *path =
            brace ? FORMAT("%.*s%s%s", (int)(brace - all[i].path), all[i].path, id, strchr(brace, '}') + 1) : all[i].path;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                int status;
                arena *own = the_house->a;
                the_house->a = arena_new();
                const char *asked = FORMAT("%s?%s=%s", path, keys[k], values[v]);
                const str out = ask("GET", asked, NULL, &status);
                if (status < 200 || status >= 500) fail_msg("%s: %d %.*s", asked, status, STR_ARG(out));
                arena_free(the_house->a);
                the_house->a = own;
            }
    }
}

/* ---- moments ----------------------------------------------------------------------------------------------------------------------- */

static void check_moments(const json *v) {
    json_member m = {0};
    for (size_t i = 0; json_kind_of(v) == JSON_ARRAY && i < json_count(v); i++) check_moments(json_at(v, i));
    while (json_kind_of(v) == JSON_OBJECT && json_next(v, &m)) {
        check_moments(m.value);
        const size_t n = strlen(m.key);
        if (n < 4 || strcmp(m.key + n - 3, "_at") != 0) continue;
        int year, month, day, hour, minute, second, micro, end = 0;
        const char *text = str_copy(the_house->a, json_text(m.value, STR("")));
        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6d%n", &year, &month, &day, &hour, &minute, &second, &micro, &end) != 7 ||
            end != 26 || text[end])
            fail_msg("%s: '%s' is no moment as Python 3.9 reads it", m.key, text);
    }
}

static void no_moment_has_a_zone_or_is_null(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    check_moments(want(200, "GET", "/api/v1/me", NULL));
    check_moments(want(200, "GET", "/api/v1/users", NULL));
    check_moments(want(200, "GET", "/api/v1/me/workspaces", NULL));
    check_moments(want(200, "GET", "/api/v1/me/datasets", NULL));
    check_moments(want(200, "GET", set, NULL));
    static const char *const lists[] = {"fields", "questions", "metadata-properties", "vectors-settings",
                                        "records?include=responses,suggestions"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        check_moments(want(200, "GET", FORMAT("%s/%s", set, lists[i]), NULL));
    check_moments(want(200, "GET", FORMAT("/api/v1/records/%s", d.record), NULL));
    check_moments(want(200, "GET", "/api/me", NULL));
}

/* ---- PATCH ------------------------------------------------------------------------------------------------------------------------- */

static void patch_changes_what_is_named_and_nothing_else(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    const json *v =
        want(200, "PATCH", set,
             "{'guidelines':'Be "
             "kind','distribution':{'strategy':'overlap','min_submitted':2},'id':'x','status':'draft','inserted_at':null}");
    assert_string_equal(word(v, "guidelines"), "Be kind");
    assert_string_equal(word(v, "status"), "ready");
    assert_json(at(v, "distribution"), "{'strategy':'overlap','min_submitted':2}");
    v = want(200, "PATCH", set, "{}");
    assert_string_equal(word(v, "guidelines"), "Be kind");
    v = want(200, "PATCH", set, "{'guidelines':null}");
    assert_true(json_has(v, "guidelines") && !json_get(v, "guidelines"));
    static const char *const never[] = {"name", "allow_extra_metadata", "distribution"};
    for (size_t i = 0; i < 3; i++) {
        v = want(422, "PATCH", set, FORMAT("{'%s':null}", never[i]));
        assert_json(at(v, "detail.params.errors.0.loc"), "['body']");
        assert_true(str_starts(json_text(at(v, "detail.params.errors.0.msg"), STR("")),
                               STR("The following keys must have non-null values: ")));
    }
    want(422, "PATCH", set, "{'guidelines':''}"); /* trap 14 */
    const person ann = a_person("annotator");
    const char *user_path = FORMAT("/api/v1/users/%s", ann.id);
    v = want(200, "PATCH", user_path, "{'last_name':'L','password':null,'id':null,'inserted_at':null}");
    assert_string_equal(word(v, "last_name"), "L");
    assert_string_equal(word(want(200, "PATCH", user_path, "{'first_name':'F'}"), "last_name"), "L");
    assert_null(json_get(want(200, "PATCH", user_path, "{'last_name':null}"), "last_name"));
    want(422, "PATCH", user_path, "{'role':null}");
    want(422, "PATCH", user_path, "{'role':'god'}");
    assert_int_equal(
        request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name)).status, 201);
}

/* ---- bulk --------------------------------------------------------------------------------------------------------------------------- */

static int64_t total(const char *set) {
    return json_get_int(want(200, "GET", FORMAT("%s/records?limit=1", set), NULL), "total", -1);
}

static void one_bad_item_refuses_the_whole_call(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id),
               *before = compact(want(200, "GET", FORMAT("/api/v1/records/%s", d.record), NULL)),
               *counts = compact(want(200, "GET", FORMAT("%s/progress", set), NULL));
    static const char *const bad[] = {
        "{'fields':{'text':1,'more':'x'}}",
        "{'fields':{}}",
        "{}",
        "1",
        "{'fields':{'text':'x'},'metadata':{'source':'none'}}",
        "{'fields':{'text':'x'},'vectors':{'emb':[1,2]}}",
        "{'fields':{'text':'x'},'vectors':{'ghost':[1,2,3]}}",
        "{'fields':{'text':'x'},'suggestions':[{'question_id':'" MISSING "','value':'yes'}]}",
        "{'fields':{'text':'x'},'suggestions':[{'question_id':'QUESTION','value':'none'}]}",
        "{'fields':{'text':'x'},'suggestions':[{'question_id':'QUESTION','value':'yes'},{'question_id':'QUESTION','value':'no'}]"
        "}",
        "{'fields':{'text':'x'},'responses':[{'user_id':'" MISSING "','values':{'label':{'value':'yes'}},'status':'submitted'}]}",
        "{'fields':{'text':'x'},'responses':[{'user_id':'OWNER','values':{'label':{'value':'none'}},'status':'submitted'}]}",
        "{'fields':{'text':'x'},'responses':[{'user_id':'OWNER','values':{},'status':'submitted'}]}",
        "{'fields':{'text':'x'},'responses':[{'user_id':'OWNER','status':'draft'}]}",
        "{'fields':{'text':'x'},'responses':[{'user_id':'OWNER','values':{'label':{'value':'yes'}},'status':'pending'}]}",
        "{'fields':{'text':'x'},'external_id':'new'}",
        "{'fields':{'text':'x'},'external_id':{}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf item = {0};
        for (const char *p = bad[i]; *p;) {
            const bool question = strncmp(p, "QUESTION", 8) == 0, person_here = strncmp(p, "OWNER", 5) == 0;
            if (question || person_here) buf_put_text(&item, question ? d.question : owner.id);
            else buf_put_char(&item, *p);
            p += question ? 8 : person_here ? 5 : 1;
        }
        const char *body = FORMAT(
            "{'items':[{'fields':{'text':'good'},'external_id':'new','metadata':{'source':'a'}},"
            "{'external_id':'1','fields':{'text':'changed'},'responses':[{'user_id':'%s','values':{'label':{'value':'no'}},"
            "'status':'discarded'}]},%s]}",
            owner.id, item.ptr);
        const bool same_id = strstr(bad[i], "'new'") != NULL; /* on PUT that is the record just made */
        if (!same_id) {
            const json *v = want(422, "PUT", FORMAT("%s/records/bulk", set), body);
            if (!strstr(compact(v), "position 2")) fail_msg("%s does not name the place: %s", item.ptr, compact(v));
        }
        want(422, "POST", FORMAT("%s/records/bulk", set),
             FORMAT("{'items':[{'fields':{'text':'good'},'external_id':'new'},%s]}", item.ptr));
        assert_int_equal(total(set), 1);
        assert_string_equal(compact(want(200, "GET", FORMAT("/api/v1/records/%s", d.record), NULL)), before);
        buf_free(&item);
    }
    assert_string_equal(compact(want(200, "GET", FORMAT("%s/progress", set), NULL)), counts);
    const json *hits =
        want(200, "POST", FORMAT("%s/records/search", set), "{'query':{'text':{'q':'good | changed','field':null}}}");
    assert_int_equal(json_get_int(hits, "total", -1), 0); /* neither does the index know them */
}

static void a_bulk_of_answers_judges_each_for_itself(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    const json *v = want(200, "POST", "/api/v1/me/responses/bulk",
                         FORMAT("{'items':[{'record_id':'%s','status':'submitted','values':{'label':{'value':'none'}}},"
                                "{'record_id':'" MISSING "','status':'draft'},"
                                "{'record_id':'%s','status':'submitted','values':{'label':{'value':'yes'}}}]}",
                                d.record, d.record));
    assert_int_equal(json_count(json_get(v, "items")), 3);
    for (int i = 0; i < 2; i++) {
        assert_null(at(v, FORMAT("items.%d.item", i)));
        assert_int_equal(json_kind_of(at(v, FORMAT("items.%d.error.detail", i))), JSON_STRING);
    }
    assert_null(at(v, "items.2.error"));
    assert_string_equal(word(at(v, "items.2.item"), "status"), "submitted");
    assert_string_equal(word(want(200, "GET", FORMAT("/api/v1/records/%s", d.record), NULL), "status"), "completed");
}

/* ---- the same request twice ---------------------------------------------------------------------------------------------------------------- */

static void a_key_makes_every_write_happen_once(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id), *with = "Idempotency-Key: k-1\r\n";
    const str body = str_of(quoted(the_house->a, "{'items':[{'fields':{'text':'once'}}]}")),
              other = str_of(quoted(the_house->a, "{'items':[{'fields':{'text':'twice'}}]}"));
    const int fd = dial(the_house->port);
    const answer one = request_on(the_house->a, fd, "POST", FORMAT("%s/records/bulk", set), owner.key, with, body),
                 two = request_on(the_house->a, fd, "POST", FORMAT("%s/records/bulk", set), owner.key, with, body),
                 three = request_on(the_house->a, fd, "POST", FORMAT("%s/records/bulk", set), owner.key, with, other);
    assert_int_equal(one.status, 201);
    assert_int_equal(two.status, 201);
    assert_true(str_eq(one.body, two.body));
    assert_int_equal(three.status, 409);
    assert_int_equal(total(set), 2);
    /* a failure is not kept: it may be tried again */
    const answer wrong = request_on(the_house->a, fd, "POST", "/api/v1/workspaces", owner.key, "Idempotency-Key: k-2\r\n",
                                    STR("{\"name\":\"\"}")),
                 again = request_on(the_house->a, fd, "POST", "/api/v1/workspaces", owner.key, "Idempotency-Key: k-2\r\n",
                                    STR("{\"name\":\"\"}"));
    assert_int_equal(wrong.status, 422);
    assert_int_equal(again.status, 422);
    close(fd);
}

static answer keyed(const char *method, const char *path, const char *key, const char *body) {
    const int fd = dial(the_house->port);
    const answer x = request_on(the_house->a, fd, method, path, owner.key, FORMAT("Idempotency-Key: %s\r\n", key),
                                body ? str_of(quoted(the_house->a, body)) : (str){NULL, 0});
    close(fd);
    return x;
}

/* Also where the object is gone by then, and where the query alone tells two requests apart. */
static void a_key_stands_for_one_request_of_any_kind(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    const json *more = want(200, "PUT", FORMAT("%s/records/bulk", set), "{'items':[{'fields':{'text':'b'}}]}");
    const char *other = FORMAT("%s/records?ids=%s", set, word(at(more, "items.0"), "id")),
               *one = FORMAT("%s/records?ids=%s", set, d.record);
    for (int i = 0; i < 3; i++) assert_int_equal(keyed("DELETE", one, "d-1", NULL).status, 204);
    assert_int_equal(keyed("DELETE", other, "d-1", NULL).status, 409); /* not "done" without doing it */
    assert_int_equal(total(set), 1);
    const answer first = keyed("DELETE", set, "d-2", NULL), second = keyed("DELETE", set, "d-2", NULL);
    assert_int_equal(first.status, 200);
    assert_int_equal(second.status, 200);
    assert_true(str_eq(first.body, second.body));
    const char *name = a_person("annotator").name,
               *person_body = FORMAT("{'username':'%s-b','first_name':'x','password':'12345678'}", name);
    assert_int_equal(keyed("POST", "/api/v1/users", "u-1", person_body).status, 201);
    const answer again = keyed("POST", "/api/v1/users", "u-1", person_body);
    assert_int_equal(again.status, 409);
    assert_true(str_find(again.body, STR("shown once"), 0) > 0);
    assert_int_equal(keyed("POST", "/api/v1/users", FORMAT("%0300d", 1), person_body).status, 422);
}

static void no_key_stands_in_the_file_of_the_store(void **state) {
    (void)state;
    const answer x = keyed("POST", "/api/v1/me/keys", "s-1", "{'name':'n'}");
    assert_int_equal(x.status, 201);
    const str secret = str_of(word(parsed(x.body), "api_key"));
    assert_true(secret.len > 20);
    for (int i = 0; i < 2; i++) {
        str file;
        err e = {0};
        assert_ok(file_read(the_house->a, FORMAT("%s/home/fettle.db%s", the_house->folder, i ? "-wal" : ""), (size_t)1 << 30,
                            &file, &e),
                  e);
        assert_true(str_find(file, secret, 0) < 0);
    }
    assert_int_equal(request_of(str_copy(the_house->a, secret), "GET", "/api/v1/me", NULL).status, 200);
}

/* ---- people ------------------------------------------------------------------------------------------------------------------------------- */

static const char *session_of(const char *name, const char *password) {
    const answer x = request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'%s'}", name, password));
    assert_int_equal(x.status, 201);
    return word(parsed(x.body), "access_token");
}

static int status_with(const char *session) {
    const int fd = dial(the_house->port);
    const answer x =
        request_on(the_house->a, fd, "GET", "/api/v1/me", NULL, FORMAT("Authorization: Bearer %s\r\n", session), (str){NULL, 0});
    close(fd);
    return x.status;
}

static void another_password_or_role_ends_sessions(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const char *path = FORMAT("/api/v1/users/%s", ann.id), *session = session_of(ann.name, "12345678");
    want(200, "PATCH", path, "{'first_name':'A'}");
    assert_int_equal(status_with(session), 200);
    want(200, "PATCH", path, "{'role':'admin'}");
    assert_int_equal(status_with(session), 401);
    session = session_of(ann.name, "12345678");
    want(200, "PATCH", path, "{'password':'another-one'}");
    assert_int_equal(status_with(session), 401);
    assert_int_equal(status_with(session_of(ann.name, "another-one")), 200);
    assert_int_equal(request_of(ann.key, "PUT", "/api/v1/me/password", "{'old_password':'wrong','password':'12345678'}").status,
                     403);
    assert_int_equal(
        request_of(ann.key, "PUT", "/api/v1/me/password", "{'old_password':'another-one','password':'12345678'}").status, 204);
}

static void *change_password(void *context) {
    const person *p = context;
    arena *a = arena_new();
    const int fd = dial(the_house->port);
    request_on(a, fd, "PUT", "/api/v1/me/password", p->key, NULL,
               STR("{\"old_password\":\"12345678\",\"password\":\"87654321\"}"));
    close(fd);
    arena_free(a);
    return NULL;
}

/* Making a password takes a while; who is demoted meanwhile stays demoted. */
static void a_change_of_password_brings_no_old_role_back(void **state) {
    (void)state;
    const person admin = a_person("admin");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change_password, (void *)(uintptr_t)&admin), 0);
    usleep(60000);
    want(200, "PATCH", FORMAT("/api/v1/users/%s", admin.id), "{'role':'annotator'}");
    pthread_join(thread, NULL);
    assert_string_equal(word(want(200, "GET", FORMAT("/api/v1/users/%s", admin.id), NULL), "role"), "annotator");
    session_of(admin.name, "87654321");
}

static void a_property_finds_what_records_held_before_it(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    want(200, "PUT", FORMAT("%s/records/bulk", set),
         "{'items':[{'fields':{'text':'x'},'metadata':{'late':7}},{'fields':{'text':'y'},'metadata':{'late':8}}]}");
    want(201, "POST", FORMAT("%s/metadata-properties", set), "{'name':'late','title':'L','settings':{'type':'integer'}}");
    const json *v = want(
        200, "POST", FORMAT("%s/records/search", set),
        "{'filters':{'type':'and','and':[{'type':'range','scope':{'entity':'metadata','metadata_property':'late'},'ge':8}]}}");
    assert_int_equal(json_get_int(v, "total", -1), 1);
}

/* ---- traps -------------------------------------------------------------------------------------------------------------------------------- */

static void traps_1_and_3_statuses_and_absent_keys(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    want(201, "POST", FORMAT("%s/records/bulk", set), "{'items':[{'fields':{'text':'a'}}]}");
    want(200, "PUT", FORMAT("%s/records/bulk", set), "{'items':[{'fields':{'text':'b'}}]}");
    want(200, "PATCH", FORMAT("/api/v1/records/%s", d.record), "{'metadata':{'source':'b'}}");
    const json *r = at(want(200, "GET", FORMAT("%s/records", set), NULL), "items.0");
    assert_true(!json_has(r, "responses") && !json_has(r, "suggestions") && !json_has(r, "vectors"));
    r = at(want(200, "GET", FORMAT("%s/records?include=responses&include=vectors%%3Aemb%%2Cghost", set), NULL),
           "items.0"); /* 10 */
    assert_int_equal(json_count(json_get(r, "responses")), 1);
    assert_json(at(r, "vectors"), "{'emb':[0.1,0.2,0.3]}");
    assert_false(json_has(r, "suggestions"));
    want(422, "GET", FORMAT("%s/records?include=vectors,vectors:emb", set), NULL);
    want(204, "DELETE", FORMAT("%s/records?ids=%s", set, d.record), NULL);
    want(200, "DELETE", set, NULL);
}

static void trap_4_ids_of_suggestions_and_unknown_keys_are_ignored(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    const json *v = want(
        200, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id),
        FORMAT(
            "{'items':[{'fields':{'text':'a'},'status':'completed','inserted_at':null,'ghost':1,'suggestions':[{'id':'" MISSING
            "','question_id':'%s','question_name':'label','value':'yes'}]},{'fields':{'text':'b'},'suggestions':[{'id':'" MISSING
            "','question_id':'%s','value':'no'}]}]}",
            d.question, d.question));
    assert_string_equal(word(at(v, "items.0"), "status"), "pending");
    assert_string_not_equal(word(at(v, "items.0.suggestions.0"), "id"), word(at(v, "items.1.suggestions.0"), "id"));
    assert_string_equal(word(at(v, "items.0.suggestions.0"), "value"), "yes");
    assert_string_equal(word(at(v, "items.1.suggestions.0"), "value"), "no");
}

static void trap_5_records_keep_the_order_of_their_call(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    buf body = {0};
    buf_put_text(&body, "{'items':[");
    for (int i = 0; i < 500; i++)
        buf_printf(&body, "%s{'fields':{'text':'t'},'external_id':'n%d'}", i ? "," : "", (i * 7919) % 1000);
    buf_put_text(&body, "]}");
    const json *v = want(200, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id), body.ptr),
               *list = want(200, "GET", FORMAT("/api/v1/datasets/%s/records?limit=1000&offset=1", d.id), NULL);
    for (int i = 0; i < 500; i++) {
        assert_string_equal(word(at(v, FORMAT("items.%d", i)), "external_id"), FORMAT("n%d", (i * 7919) % 1000));
        assert_string_equal(word(at(list, FORMAT("items.%d", i)), "id"), word(at(v, FORMAT("items.%d", i)), "id"));
    }
    buf_free(&body);
    want(422, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id), "{'items':[]}");
}

static void traps_7_and_9_duplicates_and_full_workspaces(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("annotator");
    want(409, "POST", "/api/v1/users", FORMAT("{'username':'%s','first_name':'x','password':'12345678'}", ann.name));
    want(422, "PATCH", FORMAT("/api/v1/users/%s", bob.id), FORMAT("{'username':'%s'}", ann.name));
    const char *own = a_space();
    const stuff d = a_draft(own);
    want(409, "DELETE", FORMAT("/api/v1/workspaces/%s", own), NULL);
    want(200, "DELETE", FORMAT("/api/v1/datasets/%s", d.id), NULL);
    want(200, "DELETE", FORMAT("/api/v1/workspaces/%s", own), NULL);
}

static void traps_8_12_and_13_settings_come_back_as_sent(void **state) {
    (void)state;
    const stuff d = a_draft(space);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id),
               *settings = "{'type':'multi_label_selection','options':[{'value':'a','text':'A','description':null},{'value':'b','"
                           "text':'B','description':'bee'},"
                           "{'value':'c','text':'C','description':null}],'visible_options':3,'options_order':'suggestion'}";
    const json *v =
        want(201, "POST", FORMAT("%s/questions", set), FORMAT("{'name':'multi','title':'M','settings':%s}", settings));
    assert_int_equal(json_get_int(at(v, "settings"), "visible_options", 0), 3);
    assert_string_equal(word(at(v, "settings"), "options_order"), "suggestion");
    assert_json(at(v, "settings.options.1"), "{'value':'b','text':'B','description':'bee'}");
    v = want(201, "POST", FORMAT("%s/questions", set),
             "{'name':'none','title':'N','settings':{'type':'label_selection','options':[{'value':'a','text':'A'},{'value':'b','"
             "text':'B'}]}}");
    assert_true(json_has(at(v, "settings"), "visible_options") && !at(v, "settings.visible_options"));
    v = want(201, "POST", FORMAT("%s/metadata-properties", set),
             "{'name':'f','title':'F','settings':{'type':'float','min':0,'max':1}}");
    assert_true(json_real(at(v, "settings.min"), -1) == 0 && json_real(at(v, "settings.max"), -1) == 1);
    v = want(200, "GET", FORMAT("%s/metadata-properties", set), NULL);
    assert_json(at(v, "items.0.settings.values"), "['a','b',true,3]");
    made("PUT", FORMAT("%s/publish", set), NULL);
    v = want(200, "PUT", FORMAT("%s/records/bulk", set),
             "{'items':[{'fields':{'text':'x'},'metadata':{'source':true,'f':0.5,'i':5,'r':5.0,'extra':[1,null]}}]}");
    assert_json(at(v, "items.0.metadata"), "{'source':true,'f':0.5,'i':5,'r':5.0,'extra':[1,null]}");
}

static void trap_11_words_are_found_at_once_in_any_case(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    for (int i = 0; i < 20; i++) {
        want(200, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id),
             FORMAT("{'items':[{'fields':{'text':'Needle%d HAY'}}]}", i));
        const json *v = want(200, "POST", FORMAT("/api/v1/datasets/%s/records/search", d.id),
                             FORMAT("{'query':{'text':{'q':'nEEDLE%d','field':null},'vector':null},'filters':null}", i));
        assert_int_equal(json_get_int(v, "total", -1), 1);
        assert_true(json_real(at(v, "items.0.query_score"), 0) > 0);
    }
    const json *v = want(200, "POST", FORMAT("/api/v1/datasets/%s/records/search?limit=1", d.id),
                         "{'query':{'text':{'q':'hay','field':'text'}},'sort':[{'scope':{'entity':'record','property':'inserted_"
                         "at'},'order':'desc'}]}");
    assert_int_equal(json_get_int(v, "total", -1), 20);
    assert_true(json_has(at(v, "items.0"), "query_score") && !at(v, "items.0.query_score")); /* sorted: null, but there */
    want(422, "POST", FORMAT("/api/v1/datasets/%s/records/search", d.id), "{'query':{'text':{'q':'hay','field':'ghost'}}}");
}

static void vectors_come_back_bit_by_bit(void **state) {
    (void)state;
    const stuff d = a_dataset(space, NULL);
    const json *v = want(200, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id),
                         "{'items':[{'fields':{'text':'x'},'vectors':{'emb':[0.1,1e-320,1.7976931348623157e308]}}]}");
    assert_true(json_real(at(v, "items.0.vectors.emb.0"), 0) == 0.1);
    assert_true(json_real(at(v, "items.0.vectors.emb.1"), 0) == 1e-320);
    assert_true(json_real(at(v, "items.0.vectors.emb.2"), 0) == 1.7976931348623157e308);
    want(422, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", d.id),
         "{'items':[{'fields':{'text':'x'},'vectors':{'emb':[1,2,1e999]}}]}");
}

/* What the answer to a change says is what a look says afterwards. */
static void answers_to_changes_are_what_a_look_shows(void **state) {
    (void)state;
    const stuff d = a_dataset(space, owner.id);
    const char *path = FORMAT("/api/v1/records/%s", d.record);
    const char *changed = compact(want(200, "PATCH", path, "{'metadata':{'source':'b'},'vectors':{'emb':[1,2,3]}}"));
    assert_string_equal(changed, compact(want(200, "GET", path, NULL)));
    changed = compact(want(200, "PUT", FORMAT("/api/v1/responses/%s", d.response), "{'status':'discarded','values':null}"));
    assert_string_equal(changed, compact(at(want(200, "GET", path, NULL), "responses.0")));
    changed = compact(want(200, "PATCH", FORMAT("/api/v1/questions/%s", d.question), "{'title':'New','description':'why'}"));
    assert_string_equal(changed, compact(at(want(200, "GET", FORMAT("/api/v1/datasets/%s/questions", d.id), NULL), "items.0")));
    const json *v = want(200, "GET", FORMAT("/api/v1/datasets/%s/progress", d.id), NULL);
    assert_int_equal(json_get_int(v, "pending", -1), 1);
    want(200, "DELETE", FORMAT("/api/v1/responses/%s", d.response), NULL);
    const json *undone = want(200, "POST", FORMAT("/api/v1/records/%s/undo", d.record), "{}");
    assert_string_equal(word(json_get(undone, "response"), "status"), "discarded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(errors_have_the_shapes_that_clients_read),
        TEST(what_is_no_json_is_refused_in_words),
        TEST(no_query_makes_the_server_fail),
        TEST(no_moment_has_a_zone_or_is_null),
        TEST(patch_changes_what_is_named_and_nothing_else),
        TEST(one_bad_item_refuses_the_whole_call),
        TEST(a_bulk_of_answers_judges_each_for_itself),
        TEST(a_key_makes_every_write_happen_once),
        TEST(a_key_stands_for_one_request_of_any_kind),
        TEST(no_key_stands_in_the_file_of_the_store),
        TEST(another_password_or_role_ends_sessions),
        TEST(a_change_of_password_brings_no_old_role_back),
        TEST(a_property_finds_what_records_held_before_it),
        TEST(traps_1_and_3_statuses_and_absent_keys),
        TEST(trap_4_ids_of_suggestions_and_unknown_keys_are_ignored),
        TEST(trap_5_records_keep_the_order_of_their_call),
        TEST(traps_7_and_9_duplicates_and_full_workspaces),
        TEST(traps_8_12_and_13_settings_come_back_as_sent),
        TEST(trap_11_words_are_found_at_once_in_any_case),
        TEST(vectors_come_back_bit_by_bit),
        TEST(answers_to_changes_are_what_a_look_shows),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
