/* Every route of the table, asked by everybody, for what is theirs, somebody else's, and nobody's: as the row's `who` says. */
#include "house.h"

#include <sys/stat.h>

enum { ROOM = 400, ROLES = 4, PLACES = 3 };
static const char *const roles[ROLES] = {"nobody", "annotator", "admin", "owner"};
static const char *const places[PLACES] = {"own", "foreign", "missing"};
typedef enum { OWN, FOREIGN, ABSENT } place;

typedef struct {
    person people[ROLES], target[2]; /* target: somebody to look at and delete */
    stuff set[2];                    /* of the workspace of annotator and admin, and of another */
    const char *webhook;
} world;

static void make_set(world *w, int which) {
    const char *space = w->set[which].space ? w->set[which].space : a_space();
    w->set[which] = a_dataset(space, which == OWN ? w->people[1].id : w->people[3].id);
}

static void make_rest(world *w) {
    w->target[0] = a_person("annotator");
    w->target[1] = a_person("annotator");
    w->webhook = word(made("POST", "/api/v1/webhooks", "{'url':'http://127.0.0.1:1/','events':['record.created']}"), "id");
    made("PATCH", FORMAT("/api/v1/webhooks/%s", w->webhook), "{'enabled':false}");
}

static world *make_world(void) {
    world *w = arena_new_of(the_house->own, world);
    for (int i = 1; i < ROLES; i++) w->people[i] = a_person(roles[i]);
    make_set(w, 0);
    make_set(w, 1);
    joins(w->set[0].space, &w->people[1]);
    joins(w->set[0].space, &w->people[2]);
    make_rest(w);
    return w;
}

/* What the first {id} of this class is, there. */
static const char *object_of(const world *w, const char *class, place where) {
    if (where == ABSENT) return MISSING;
    const stuff *x = &w->set[where];
    const struct {
        const char *class, *id;
    } all[] = {{"User", w->target[where].id}, {"Workspace", x->space},   {"Dataset", x->id},
               {"Field", x->field},           {"Question", x->question}, {"MetadataProperty", x->property},
               {"VectorSettings", x->vector}, {"Record", x->record},     {"Response", x->response},
               {"Suggestion", x->suggestion}, {"Webhook", w->webhook}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].class, class) == 0) return all[i].id;
    fail_msg("routes name objects of a class '%s' that this test does not know", class);
    return NULL;
}

/* The path with the object for its first braces and an id that nothing has for the others. */
static char *path_of(const route_info *r, const char *id) {
    buf out = {0};
    int braces = 0;
    for (const char *at = r->path; *at;) {
        if (*at != '{') {
            buf_put_char(&out, *at++);
            continue;
        }
        buf_put_text(&out, braces++ == 0 && *r->of ? id : MISSING);
        at = strchr(at, '}') + 1;
    }
    char *path = arena_text(the_house->a, out.ptr);
    buf_free(&out);
    return path;
}

/* 401, 403, 404, or 0: it comes to the handler. */
static int expected(const route_info *r, int who, place where) {
    const bool object = *r->of != '\0', foreign_object = strcmp(r->of, "User") != 0 && strcmp(r->of, "Webhook") != 0;
    if (strcmp(r->who, "anyone") == 0) return 0;
    if (who == 0) return 401;
    if (strcmp(r->who, "owner") == 0 && who < 3) return 403;
    if (object && (where == ABSENT || (where == FOREIGN && who < 3 && foreign_object))) return 404;
    if (strcmp(r->who, "admin") == 0 && who < 2) return 403;
    return 0;
}

/* In 1.x's shape too. */
static bool is_about(str body, const char *id) {
    return str_find(body, str_of(FORMAT("with id `%s` not found", id)), 0) >= 0 ||
           (str_find(body, STR("EntityNotFoundError"), 0) >= 0 && str_find(body, str_of(id), 0) >= 0);
}

static str without_id(str body, const char *id) {
    buf out = {0};
    const size_t n = strlen(id);
    for (size_t i = 0; i < body.len;) {
        const bool here = n && body.len - i >= n && memcmp(body.ptr + i, id, n) == 0;
        buf_put_text(&out, here ? "ID" : "");
        if (!here) buf_put_char(&out, body.ptr[i]);
        i += here ? n : 1;
    }
    const str text = {arena_copy(the_house->a, out.ptr ? out.ptr : "", out.len), out.len};
    buf_free(&out);
    return text;
}

static void check_one(const route_info *r, const char *path, const char *id, int who, place where, const answer *x) {
    const int wanted = expected(r, who, where);
    const char *what = FORMAT("%s %s by %s, %s object", r->method, path, roles[who], places[where]);
    if (wanted && x->status != wanted) fail_msg("%s: %d, expected %d: %.*s", what, x->status, wanted, STR_ARG(x->body));
    if (wanted == 404 && !is_about(x->body, id)) fail_msg("%s: the 404 is about something else: %.*s", what, STR_ARG(x->body));
    if (wanted) return;
    const bool refused = x->status == 401 || x->status == 403 || x->status == 405 || x->status < 200 || x->status >= 500;
    const bool own_login = strcmp(r->who, "anyone") == 0; /* a login that fails is 401, a link that is over 403 */
    if ((refused && !own_login) || x->status == 0 || x->status >= 500 || (x->status == 404 && *r->of && is_about(x->body, id)))
        fail_msg("%s: %d, expected to come to the handler: %.*s", what, x->status, STR_ARG(x->body));
}

/* What an allowed DELETE took is made again. */
static void repair(world *w, const route_info *r, place where, const answer *x) {
    if (strcmp(r->method, "DELETE") != 0 || x->status >= 300 || !*r->of) return;
    if (strcmp(r->of, "User") == 0 || strcmp(r->of, "Webhook") == 0) {
        if (strcmp(r->of, "User") == 0) made("DELETE", FORMAT("/api/v1/webhooks/%s", w->webhook), NULL);
        make_rest(w);
    } else if (where != ABSENT) make_set(w, (int)where);
}

static void every_route_obeys_its_row(void **state) {
    static route_info all[ROOM];
    const int n = server_routes(all, ROOM);
    (void)state;
    assert_true(n > 80 && n <= ROOM);
    world *w = make_world();
    for (int i = 0; i < n; i++)
        for (int who = 0; who < ROLES; who++) {
            str bodies[PLACES];
            for (int where = OWN; where < PLACES; where++) {
                const route_info *r = &all[i];
                if (!*r->of && where != OWN) continue;
                const char *id = *r->of ? object_of(w, r->of, (place)where) : "", *path = path_of(r, id);
                const bool reads = strcmp(r->method, "GET") == 0 || strcmp(r->method, "DELETE") == 0;
                const answer x = request_of(w->people[who].key, r->method, path, reads ? NULL : "{}");
                check_one(r, path, id, who, (place)where, &x);
                bodies[where] = without_id(x.body, id);
                repair(w, r, (place)where, &x);
                if (where == ABSENT && expected(r, who, FOREIGN) == 404 && !str_eq(bodies[FOREIGN], bodies[ABSENT]))
                    fail_msg("%s %s by %s tells a foreign object from a missing one: %.*s / %.*s", r->method, path, roles[who],
                             STR_ARG(bodies[FOREIGN]), STR_ARG(bodies[ABSENT]));
            }
        }
}

/* The same table without a socket: this process is the owner, and nothing but a wrong request is refused. */
static void this_process_is_the_owner_of_every_route(void **state) {
    static route_info all[ROOM];
    const int n = server_routes(all, ROOM);
    (void)state;
    for (int i = 0; i < n; i++) {
        int status;
        if (strstr(all[i].path, "/events")) continue; /* a stream needs a connection */
        const str body = ask(all[i].method, path_of(&all[i], MISSING), strcmp(all[i].method, "GET") == 0 ? NULL : "{}", &status);
        const bool wrong_login = strcmp(all[i].who, "anyone") == 0;
        if (status < 200 || status >= 500 || ((status == 401 || status == 403) && !wrong_login))
            fail_msg("%s %s: %d %.*s", all[i].method, all[i].path, status, STR_ARG(body));
        if (*all[i].of && status != 404) fail_msg("%s %s: %d of what is not there", all[i].method, all[i].path, status);
    }
}

static void what_is_no_id_is_no_object(void **state) {
    static route_info all[ROOM];
    static const char *const wrong[] = {"x",
                                        "1",
                                        "..",
                                        "%2e%2e",
                                        "00000000-0000-4000-8000-00000000000",
                                        "%00",
                                        "00000000-0000-4000-8000-0000000000000",
                                        "'%20OR%201=1--"};
    const int n = server_routes(all, ROOM);
    const person owner = a_person("owner");
    (void)state;
    for (int i = 0; i < n; i++) {
        if (!*all[i].of) continue;
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            if (strcmp(wrong[k], "..") == 0 || strcmp(wrong[k], "%2e%2e") == 0) continue;
            const answer x = request_of(owner.key, all[i].method, path_of(&all[i], wrong[k]), NULL);
            if (x.status != 422 && x.status != 404 && x.status != 400)
                fail_msg("%s %s: %d %.*s", all[i].method, path_of(&all[i], wrong[k]), x.status, STR_ARG(x.body));
            if (x.status == 404)
                fail_msg("%s %s: a malformed id is 422: %.*s", all[i].method, path_of(&all[i], wrong[k]), STR_ARG(x.body));
        }
    }
}

static void what_is_no_route_says_so(void **state) {
    const person owner = a_person("owner");
    (void)state;
    answer x = request_of(owner.key, "GET", "/api/v1/nothing", NULL);
    assert_int_equal(x.status, 404);
    assert_true(str_is(x.body, "{\"detail\":\"Not Found\"}"));
    x = request_of(owner.key, "GET", "/nothing", NULL);
    assert_int_equal(x.status, 404);
    x = request_of(NULL, "POST", "/api/v1/me", "{}");
    assert_int_equal(x.status, 405);
    assert_true(str_is(x.body, "{\"detail\":\"Method Not Allowed\"}"));
    x = request_of(owner.key, "TRACE", "/api/v1/me", NULL);
    assert_true(x.status == 405 || x.status == 400 || x.status == 501);
}

static void the_folders_socket_is_the_owners_and_nobody_elses(void **state) {
    (void)state;
    house *h = the_house;
    const char *home = FORMAT("%s/home", h->folder);
    struct stat about;
    int status = 0;
    str out = {0};
    err e = {0};
    assert_ok(server_call_socket(h->a, home, "GET", "/api/v1/me", STR(""), &status, &out, &e), e);
    assert_int_equal(status, 200);
    assert_string_equal(word(parsed(out), "role"), "owner");
    assert_ok(server_call_socket(h->a, home, "POST", "/api/v1/workspaces", STR("{\"name\":\"by-socket\"}"), &status, &out, &e),
              e);
    assert_int_equal(status, 201);
    assert_fails(
        server_call_socket(h->a, home, "POST", "/api/v1/workspaces", STR("{\"name\":\"by-socket\"}"), &status, &out, &because),
        ERR_CONFLICT);
    assert_int_equal(stat(FORMAT("%s/fettle.sock", home), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(home, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    assert_fails(server_call_socket(h->a, h->folder, "GET", "/api/v1/me", STR(""), &status, &out, &because), ERR_NOT_FOUND);
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_fails(server_call_socket(h->a, longest, "GET", "/api/v1/me", STR(""), &status, &out, &because), ERR_LIMIT);
}

/* ---- ids that do not stand in the path ------------------------------------------------------------------------------------------------- */

static void foreign_ids_in_bodies_and_queries_reach_nothing(void **state) {
    (void)state;
    const person ann = a_person("annotator"), admin = a_person("admin"), owner = a_person("owner");
    const stuff mine = a_dataset(a_space(), ann.id), other = a_dataset(a_space(), owner.id);
    joins(mine.space, &ann);
    joins(mine.space, &admin);

    const char *item = "{'items':[{'record_id':'%s','status':'draft','values':{'label':{'value':'yes'}}}]}";
    answer x = request_of(ann.key, "POST", "/api/v1/me/responses/bulk", FORMAT(item, other.record)),
           y = request_of(ann.key, "POST", "/api/v1/me/responses/bulk", FORMAT(item, MISSING));
    assert_int_equal(x.status, 200);
    assert_true(str_eq(without_id(x.body, other.record), without_id(y.body, MISSING)));
    assert_true(str_find(x.body, STR("\"item\":null"), 0) >= 0);

    const char *at = FORMAT("/api/v1/datasets/%s", mine.id);
    x = request_of(admin.key, "DELETE", FORMAT("%s/records?ids=%s", at, other.record), NULL);
    assert_int_equal(x.status, 204);
    made("GET", FORMAT("/api/v1/records/%s", other.record), NULL);

    x = request_of(admin.key, "PUT", FORMAT("%s/records/bulk", at),
                   FORMAT("{'items':[{'id':'%s','fields':{'text':'new'}}]}", other.record));
    assert_int_equal(x.status, 200);
    const json *there = made("GET", FORMAT("/api/v1/records/%s", other.record), NULL);
    assert_string_equal(word(json_get(there, "fields"), "text"), "Hello world");

    const char *similar = "{'query':{'vector':{'name':'emb','record_id':'%s'}}}";
    x = request_of(admin.key, "POST", FORMAT("%s/records/search", at), FORMAT(similar, other.record));
    y = request_of(admin.key, "POST", FORMAT("%s/records/search", at), FORMAT(similar, MISSING));
    assert_int_equal(x.status, 422);
    assert_true(str_eq(without_id(x.body, other.record), without_id(y.body, MISSING)));

    x = request_of(admin.key, "PUT", FORMAT("/api/v1/records/%s/suggestions", mine.record),
                   FORMAT("{'question_id':'%s','value':'yes'}", other.question));
    assert_int_equal(x.status, 422);

    x = request_of(admin.key, "POST", "/api/v1/datasets", FORMAT("{'name':'n','workspace_id':'%s'}", other.space));
    y = request_of(admin.key, "POST", "/api/v1/datasets", FORMAT("{'name':'n','workspace_id':'%s'}", MISSING));
    assert_int_equal(x.status, 422);
    assert_true(str_eq(without_id(x.body, other.space), without_id(y.body, MISSING)));

    x = request_of(admin.key, "GET", FORMAT("/api/v1/me/datasets?workspace_id=%s", other.space), NULL);
    y = request_of(admin.key, "GET", "/api/v1/me/datasets?workspace_id=" MISSING, NULL);
    assert_int_equal(x.status, y.status);
    assert_true(str_eq(without_id(x.body, other.space), without_id(y.body, MISSING)));

    x = request_of(admin.key, "GET", "/api/v1/me/datasets", NULL);
    assert_true(str_find(x.body, str_of(mine.id), 0) >= 0 && str_find(x.body, str_of(other.id), 0) < 0);
}

/* An answer belongs to its author and to admins. */
static void another_annotator_changes_no_answer_of_mine(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("annotator"), admin = a_person("admin");
    const stuff x = a_dataset(a_space(), ann.id);
    joins(x.space, &ann);
    joins(x.space, &bob);
    joins(x.space, &admin);
    const char *at = FORMAT("/api/v1/responses/%s", x.response),
               *body = "{'values':{'label':{'value':'no'}},'status':'submitted'}";
    assert_int_equal(request_of(bob.key, "PUT", at, body).status, 403);
    assert_int_equal(request_of(bob.key, "DELETE", at, NULL).status, 403);
    assert_int_equal(request_of(ann.key, "PUT", at, body).status, 200);
    const answer y = request_of(admin.key, "PUT", at, body);
    assert_int_equal(y.status, 200);
    assert_string_equal(word(parsed(y.body), "user_id"), ann.id); /* it stays the author's */
    /* and the history of others is not shown to annotators */
    const json *mine = parsed(request_of(ann.key, "GET", FORMAT("/api/v1/records/%s/history", x.record), NULL).body),
               *theirs = parsed(request_of(bob.key, "GET", FORMAT("/api/v1/records/%s/history", x.record), NULL).body);
    assert_int_equal(json_count(json_get(mine, "items")), 3);
    assert_int_equal(json_count(json_get(theirs, "items")), 0);
}

/* ---- ways in ------------------------------------------------------------------------------------------------------------------------------ */

static void keys_and_sessions_that_ended_let_nobody_in(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    answer x = request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name));
    assert_int_equal(x.status, 201);
    const char *session = word(parsed(x.body), "access_token");
    const int fd = dial(the_house->port);
    x = request_on(the_house->a, fd, "GET", "/api/v1/me", NULL, FORMAT("Authorization: Bearer %s\r\n", session), (str){NULL, 0});
    assert_int_equal(x.status, 200);
    x = request_on(the_house->a, fd, "GET", "/api/v1/me", NULL, FORMAT("Cookie: a=b; fettle_session=%s; c=d\r\n", session),
                   (str){NULL, 0});
    assert_int_equal(x.status, 200);
    x = request_on(the_house->a, fd, "GET", "/api/v1/me", session, NULL, (str){NULL, 0}); /* a session is no key */
    assert_int_equal(x.status, 401);
    x = request_on(the_house->a, fd, "DELETE", "/api/v1/me/session", NULL, FORMAT("Authorization: Bearer %s\r\n", session),
                   (str){NULL, 0});
    assert_int_equal(x.status, 204);
    x = request_on(the_house->a, fd, "GET", "/api/v1/me", NULL, FORMAT("Authorization: Bearer %s\r\n", session), (str){NULL, 0});
    assert_int_equal(x.status, 401);
    close(fd);
    x = request_of(ann.key, "GET", "/api/v1/me/keys", NULL);
    assert_true(str_find(x.body, str_of(ann.key), 0) < 0); /* a key is shown once */
    const char *id = word(json_at(json_get(parsed(x.body), "items"), 0), "id");
    assert_int_equal(request_of(ann.key, "DELETE", FORMAT("/api/v1/me/keys/%s", id), NULL).status, 204);
    assert_int_equal(request_of(ann.key, "GET", "/api/v1/me", NULL).status, 401);
    assert_int_equal(request_of("", "GET", "/api/v1/me", NULL).status, 401);
    const person bob = a_person("annotator");
    made("DELETE", FORMAT("/api/v1/users/%s", bob.id), NULL);
    assert_int_equal(request_of(bob.key, "GET", "/api/v1/me", NULL).status, 401);
}

/* Of the one pass of a person that has this id or, without one, is of this kind. */
static const json *pass_of(const person *who, const char *kind, const char *id) {
    const json *items = json_get(made("GET", FORMAT("/api/v1/users/%s/keys", who->id), NULL), "items");
    for (size_t i = 0; i < json_count(items); i++)
        if (id ? str_is(json_get_text(json_at(items, i), "id", STR("")), id)
               : str_is(json_get_text(json_at(items, i), "kind", STR("")), kind))
            return json_at(items, i);
    return NULL;
}

static void owners_see_and_end_keys_and_sessions_of_others(void **state) {
    (void)state;
    const person ann = a_person("annotator"), bob = a_person("annotator");
    int status;
    const json *key = pass_of(&ann, "key", NULL);
    assert_non_null(key);
    assert_null(json_get(key, "used_at")); /* not yet */
    assert_null(json_get(key, "expires_at"));
    assert_int_equal(request_of(ann.key, "GET", "/api/v1/me", NULL).status, 200);
    key = pass_of(&ann, "key", NULL);
    const char *used = word(key, "used_at"), *id = word(key, "id");
    assert_true(strcmp(used, word(key, "inserted_at")) >= 0);
    assert_int_equal(request_of(ann.key, "GET", "/api/v1/me", NULL).status, 200);
    assert_string_equal(word(pass_of(&ann, NULL, id), "used_at"), used); /* once in a while, not at each request */
    made("POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name));
    const json *session = pass_of(&ann, "session", NULL);
    assert_non_null(session);
    assert_true(strcmp(word(session, "expires_at"), word(session, "inserted_at")) > 0);
    ask("DELETE", FORMAT("/api/v1/users/%s/keys/%s", bob.id, id), NULL, &status); /* not bob's */
    assert_int_equal(status, 404);
    made("DELETE", FORMAT("/api/v1/users/%s/keys/%s", ann.id, id), NULL);
    assert_null(pass_of(&ann, NULL, id));
    assert_int_equal(request_of(ann.key, "GET", "/api/v1/me", NULL).status, 401);
    assert_int_equal(request_of(bob.key, "GET", "/api/v1/me", NULL).status, 200);
}

static void wrong_passwords_make_a_name_wait(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    int status = 0;
    for (int i = 0; i < 5; i++)
        status = request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'wrong-%d'}", ann.name, i)).status;
    assert_int_equal(status, 429);
    assert_int_equal(
        request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name)).status, 429);
    /* and no other name that shares a place with it lets it off */
    sha256_text mine, other;
    bytes_sha256(ann.name, strlen(ann.name), mine);
    for (int i = 0, found = 0; found < 2; i++) {
        const char *name = FORMAT("other-%d", i);
        bytes_sha256(name, strlen(name), other);
        if (memcmp(mine + 1, other + 1, 3) != 0) continue;
        found++;
        request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'wrong'}", name));
    }
    assert_int_equal(
        request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name)).status, 429);
}

static void annotators_do_not_see_hidden_metadata(void **state) {
    (void)state;
    const person ann = a_person("annotator"), admin = a_person("admin");
    const stuff x = a_dataset(a_space(), ann.id);
    joins(x.space, &ann);
    joins(x.space, &admin);
    made("PATCH", FORMAT("/api/v1/metadata-properties/%s", x.property), "{'visible_for_annotators':false}");
    const char *at = FORMAT("/api/v1/records/%s", x.record), *search = FORMAT("/api/v1/me/datasets/%s/records/search", x.id);
    const str seen[] = {request_of(ann.key, "GET", at, NULL).body, request_of(ann.key, "POST", search, "{}").body,
                        request_of(ann.key, "GET", FORMAT("/api/v1/me/datasets/%s/metadata-properties", x.id), NULL).body};
    for (int i = 0; i < 3; i++) assert_true(seen[i].len && str_find(seen[i], STR("source"), 0) < 0);
    assert_true(str_find(request_of(admin.key, "GET", at, NULL).body, STR("source"), 0) >= 0);
    assert_int_equal(request_of(ann.key, "GET", FORMAT("/api/v1/metadata-properties/%s/metrics", x.property), NULL).status, 403);
    /* nor find records by it */
    const char *by = "{'filters':{'type':'and','and':[{'type':'terms','scope':{'entity':'metadata','metadata_property':'%s'},'"
                     "values':['a']}]}}";
    const answer hidden = request_of(ann.key, "POST", search, FORMAT(by, "source")),
                 missing = request_of(ann.key, "POST", search, FORMAT(by, "ghosts"));
    assert_int_equal(hidden.status, missing.status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_route_obeys_its_row),
        TEST(this_process_is_the_owner_of_every_route),
        TEST(what_is_no_id_is_no_object),
        TEST(what_is_no_route_says_so),
        TEST(the_folders_socket_is_the_owners_and_nobody_elses),
        TEST(foreign_ids_in_bodies_and_queries_reach_nothing),
        TEST(another_annotator_changes_no_answer_of_mine),
        TEST(keys_and_sessions_that_ended_let_nobody_in),
        TEST(owners_see_and_end_keys_and_sessions_of_others),
        TEST(wrong_passwords_make_a_name_wait),
        TEST(annotators_do_not_see_hidden_metadata),
    };
    return HOUSE_TESTS(tests);
}
