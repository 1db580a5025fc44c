/* Somebody comes in by a link: once, until it is over or taken back, and under nobody else's name. */
#include "house.h"

static person owner;

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    owner = a_person("owner");
    return 0;
}

static answer by_owner(const char *method, const char *path, const char *body) {
    return request_of(owner.key, method, path, body);
}

typedef struct {
    const char *id, *user, *name, *link;
} invited;

static invited an_invitation(const char *more) {
    static int number;
    const char *name = FORMAT("guest-%d", ++number);
    const answer x = by_owner("POST", "/api/v1/invitations", FORMAT("{'username':'%s'%s}", name, more));
    assert_int_equal(x.status, 201);
    const json *v = parsed(x.body);
    return (invited){word(v, "id"), word(v, "user_id"), name, word(v, "link")};
}

static int join(const char *link, const char *password) {
    return request_of(NULL, "POST", "/api/v1/join", FORMAT("{'link':'%s','password':'%s'}", link, password)).status;
}

static int log_in(const char *name, const char *password) {
    return request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'%s'}", name, password)).status;
}

static size_t open_invitations(void) {
    return json_count(json_get(parsed(by_owner("GET", "/api/v1/invitations", NULL).body), "items"));
}

static void who_is_invited_sets_a_password_and_logs_in(void **state) {
    (void)state;
    const size_t before = open_invitations();
    const invited x = an_invitation(",'role':'admin'");
    assert_int_equal(open_invitations(), before + 1);
    assert_int_equal(log_in(x.name, ""), 422);
    assert_int_equal(log_in(x.name, "12345678"), 401);
    const answer look = request_of(NULL, "POST", "/api/v1/join/look", FORMAT("{'link':'%s'}", x.link));
    assert_int_equal(look.status, 200);
    assert_string_equal(word(parsed(look.body), "username"), x.name);
    assert_string_equal(word(parsed(look.body), "role"), "admin");
    assert_int_equal(join(x.link, "short"), 422);
    assert_int_equal(join(x.link, "long enough"), 201);
    assert_int_equal(log_in(x.name, "long enough"), 201);
    assert_int_equal(open_invitations(), before);
}

static void a_link_works_once(void **state) {
    (void)state;
    const invited x = an_invitation("");
    assert_int_equal(join(x.link, "the first one"), 201);
    assert_int_equal(join(x.link, "the second one"), 403);
    assert_int_equal(log_in(x.name, "the second one"), 401);
    assert_int_equal(request_of(NULL, "POST", "/api/v1/join/look", FORMAT("{'link':'%s'}", x.link)).status, 403);
}

static void a_link_is_no_key_and_a_key_is_no_link(void **state) {
    (void)state;
    const invited x = an_invitation("");
    assert_int_equal(request_of(x.link, "GET", "/api/v1/me", NULL).status, 401);
    assert_int_equal(join(owner.key, "long enough"), 403);
    assert_int_equal(join("", "long enough"), 403);
}

static void what_was_taken_back_lets_nobody_in_and_leaves_no_person(void **state) {
    (void)state;
    const invited x = an_invitation("");
    assert_int_equal(by_owner("DELETE", FORMAT("/api/v1/invitations/%s", x.id), NULL).status, 204);
    assert_int_equal(join(x.link, "long enough"), 403);
    assert_int_equal(by_owner("GET", FORMAT("/api/v1/users/%s", x.user), NULL).status, 404);
    assert_int_equal(by_owner("DELETE", FORMAT("/api/v1/invitations/%s", x.id), NULL).status, 404);
}

static void the_invited_are_members_of_the_workspace_that_was_named(void **state) {
    (void)state;
    const char *space = a_space();
    const invited x = an_invitation(FORMAT(",'workspace_id':'%s'", space));
    const answer list = by_owner("GET", FORMAT("/api/v1/workspaces/%s/users", space), NULL);
    assert_true(str_find(list.body, str_of(x.user), 0) >= 0);
    assert_int_equal(by_owner("POST", "/api/v1/invitations", "{'username':'lost','workspace_id':'x'}").status, 422);
    assert_int_equal(by_owner("POST", "/api/v1/invitations", FORMAT("{'username':'%s'}", x.name)).status, 409);
    assert_int_equal(by_owner("POST", "/api/v1/invitations", "{'username':'long','hours':100000}").status, 422);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(who_is_invited_sets_a_password_and_logs_in),
        TEST(a_link_works_once),
        TEST(a_link_is_no_key_and_a_key_is_no_link),
        TEST(what_was_taken_back_lets_nobody_in_and_leaves_no_person),
        TEST(the_invited_are_members_of_the_workspace_that_was_named),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
