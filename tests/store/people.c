/* People: rows that come back as they were put, names that are unique, and what goes when somebody goes. */
#include "things.h"

#include <unistd.h>

#include "base/clock.h"

static void a_user_comes_back_as_it_was_put(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    user put = {.username = "Ann \"x\" \xc3\xa9",
                .first_name = "",
                .last_name = NULL,
                .password = "$argon2id$",
                .role = ROLE_ADMIN},
         got;
    assert_ok(user_add(x->t, &put, &e), e);
    KEEP(h, x);
    reopen(h);
    x = begin(h, false);
    assert_ok(user_get(x->t, h->a, put.id, &got, &e), e);
    assert_string_equal(got.username, put.username);
    assert_string_equal(got.first_name, "");
    assert_null(got.last_name);
    assert_string_equal(got.password, "$argon2id$");
    assert_int_equal(got.role, ROLE_ADMIN);
    assert_int_equal(got.seq, put.seq);
    assert_int_equal(got.inserted_at, put.inserted_at);
    assert_ok(user_get_seq(x->t, h->a, put.seq, &got, &e), e);
    assert_string_equal(got.id, put.id);
    assert_ok(user_named(x->t, h->a, str_of(put.username), &got, &e), e);
    assert_string_equal(got.id, put.id);
    KEEP(h, x);
}

static void what_is_not_there_is_not_found(void **state) {
    things *h = *state;
    user u;
    pass p;
    workspace w;
    session *x = begin(h, false);
    assert_fails(user_get(x->t, h->a, "00000000-0000-4000-8000-000000000000", &u, &because), ERR_NOT_FOUND);
    assert_fails(user_get_seq(x->t, h->a, 7, &u, &because), ERR_NOT_FOUND);
    assert_fails(user_named(x->t, h->a, STR("nobody"), &u, &because), ERR_NOT_FOUND);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("key"), &p, &because), ERR_NOT_FOUND);
    assert_fails(workspace_named(x->t, h->a, STR("nowhere"), &w, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

static void names_of_users_are_unique(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    user ann = a_user(x->t, "ann", ROLE_OWNER), bob = a_user(x->t, "bob", ROLE_ANNOTATOR), second = ann;
    second.seq = 0;
    second.id[0] = '\0';
    assert_fails(user_add(x->t, &second, &because), ERR_CONFLICT);
    user same_id = {.username = "else", .first_name = "else"};
    memcpy(same_id.id, ann.id, sizeof same_id.id);
    assert_fails(user_add(x->t, &same_id, &because), ERR_CONFLICT);
    bob.username = "ann";
    assert_fails(user_save(x->t, &bob, &because), ERR_CONFLICT);
    bob.username = "bob";
    bob.role = ROLE_ADMIN;
    bob.last_name = "B";
    assert_ok(user_save(x->t, &bob, &e), e); /* its own name is no conflict */
    user got;
    assert_ok(user_get(x->t, h->a, bob.id, &got, &e), e);
    assert_int_equal(got.role, ROLE_ADMIN);
    assert_string_equal(got.last_name, "B");
    assert_true(got.updated_at >= got.inserted_at);
    assert_int_equal(user_count(x->t, &e), 2);
    KEEP(h, x);
}

static void users_are_listed_in_order_of_making(void **state) {
    things *h = *state;
    static const char *const names[] = {"c", "a", "b", "e", "d"};
    users all;
    err e = {0};
    session *x = begin(h, true);
    for (int i = 0; i < 5; i++) a_user(x->t, names[i], ROLE_ANNOTATOR);
    assert_ok(user_list(x->t, h->a, &all, &e), e);
    assert_int_equal(all.count, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(all.item[i].username, names[i]);
    KEEP(h, x);
}

static void roles_have_names_both_ways(void **state) {
    (void)state;
    role r;
    for (int i = ROLE_ANNOTATOR; i <= ROLE_OWNER; i++) {
        assert_true(role_of(str_of(role_name((role)i)), &r));
        assert_int_equal(r, i);
    }
    assert_false(role_of(STR("root"), &r));
    assert_false(role_of(STR(""), &r));
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------------- */

static void a_pass_is_found_by_its_secret_and_kind_alone(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER);
    pass key = {.kind = PASS_KEY, .user = ann.seq, .name = "first"}, got;
    assert_ok(pass_add(x->t, &key, STR("s3cret"), &e), e);
    assert_ok(pass_find(x->t, h->a, PASS_KEY, STR("s3cret"), &got, &e), e);
    assert_int_equal(got.user, ann.seq);
    assert_string_equal(got.name, "first");
    assert_fails(pass_find(x->t, h->a, PASS_SESSION, STR("s3cret"), &got, &because), ERR_NOT_FOUND);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("s3cre"), &got, &because), ERR_NOT_FOUND);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR(""), &got, &because), ERR_NOT_FOUND);
    pass again = {.kind = PASS_SESSION, .user = ann.seq};
    assert_fails(pass_add(x->t, &again, STR("s3cret"), &because), ERR_CONFLICT);
    KEEP(h, x);
}

/* What is on the disk must not let anybody in. */
static void no_secret_stands_in_the_file(void **state) {
    things *h = *state;
    err e = {0};
    str file;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER);
    pass key = {.kind = PASS_KEY, .user = ann.seq, .name = "first"};
    assert_ok(pass_add(x->t, &key, STR("a-secret-that-nobody-should-find"), &e), e);
    KEEP(h, x);
    for (int i = 0; i < 2; i++) {
        const char *path = path_join(h->a, h->folder, i ? "fettle.db-wal" : "fettle.db");
        assert_ok(file_read(h->a, path, (size_t)1 << 30, &file, &e), e);
        assert_true(str_find(file, STR("a-secret-that-nobody"), 0) < 0);
    }
}

static void passes_end(void **state) {
    things *h = *state;
    err e = {0};
    passes list;
    pass got;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER), bob = a_user(x->t, "bob", ROLE_OWNER);
    pass over = {.kind = PASS_SESSION, .user = ann.seq, .expires_at = clock_now() - 1},
         good = {.kind = PASS_SESSION, .user = ann.seq, .expires_at = clock_now() + 60000000},
         key = {.kind = PASS_KEY, .user = ann.seq};
    assert_ok(pass_add(x->t, &over, STR("over"), &e) && pass_add(x->t, &good, STR("good"), &e) &&
                  pass_add(x->t, &key, STR("key"), &e),
              e);
    assert_fails(pass_find(x->t, h->a, PASS_SESSION, STR("over"), &got, &because), ERR_NOT_FOUND);
    assert_ok(pass_find(x->t, h->a, PASS_SESSION, STR("good"), &got, &e), e);
    assert_ok(pass_touch(x->t, got.seq, 77, &e), e);
    assert_fails(pass_delete(x->t, bob.seq, good.id, &because), ERR_NOT_FOUND); /* of somebody else */
    assert_ok(pass_delete_kind(x->t, ann.seq, PASS_SESSION, &e), e);
    assert_fails(pass_find(x->t, h->a, PASS_SESSION, STR("good"), &got, &because), ERR_NOT_FOUND);
    assert_ok(pass_list(x->t, h->a, ann.seq, &list, &e), e);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.item[0].id, key.id);
    assert_ok(pass_delete(x->t, ann.seq, key.id, &e), e);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

/* A connection that reads remembers who has a key only while nobody has written. */
static void what_a_reader_remembers_ends_with_a_write(void **state) {
    things *h = *state;
    err e = {0};
    pass got;
    user who;
    session *x = begin(h, true);
    user ann = a_user(x->t, "ann", ROLE_OWNER);
    pass key = {.kind = PASS_KEY, .user = ann.seq},
         brief = {.kind = PASS_SESSION, .user = ann.seq, .expires_at = clock_now() + 200000};
    assert_ok(pass_add(x->t, &key, STR("key"), &e) && pass_add(x->t, &brief, STR("brief"), &e), e);
    KEEP(h, x);
    for (int i = 0; i < 2; i++) {
        x = begin(h, false);
        assert_ok(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &e) && user_get_seq(x->t, h->a, got.user, &who, &e), e);
        assert_string_equal(who.username, "ann");
        assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("other"), &got, &because), ERR_NOT_FOUND);
        if (i == 0) assert_ok(pass_find(x->t, h->a, PASS_SESSION, STR("brief"), &got, &e), e);
        KEEP(h, x);
    }
    usleep(250000);
    x = begin(h, false); /* time goes on without a write */
    assert_fails(pass_find(x->t, h->a, PASS_SESSION, STR("brief"), &got, &because), ERR_NOT_FOUND);
    session *w = begin(h, true);
    ann.username = "anna";
    pass other = {.kind = PASS_KEY, .user = ann.seq};
    assert_ok(user_save(w->t, &ann, &e) && pass_delete(w->t, ann.seq, key.id, &e) && pass_add(w->t, &other, STR("other"), &e), e);
    assert_ok(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &e), e);
    KEEP(h, w);
    assert_ok(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &e), e); /* its snapshot stays what it was */
    KEEP(h, x);
    x = begin(h, false);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &because), ERR_NOT_FOUND);
    assert_ok(pass_find(x->t, h->a, PASS_KEY, STR("other"), &got, &e) && user_get_seq(x->t, h->a, got.user, &who, &e), e);
    assert_string_equal(who.username, "anna");
    KEEP(h, x);
}

/* ---- going ------------------------------------------------------------------------------------------------------------------------ */

static void who_goes_takes_answers_keys_and_memberships_along(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user bob = a_user(x->t, "bob", ROLE_ANNOTATOR);
    const record one = a_record(x->t, &d.set, "1"), two = a_record(x->t, &d.set, "2");
    pass key = {.kind = PASS_KEY, .user = d.ann.seq}, got;
    record row = one;
    dataset set;
    users members;
    facet_count *terms;
    bool changed;
    int count;
    assert_ok(pass_add(x->t, &key, STR("key"), &e) && member_add(x->t, d.space.seq, d.ann.seq, &e), e);
    an_answer(x->t, &one, &d.ann, RESPONSE_SUBMITTED, "{\"label\":{\"value\":\"yes\"}}");
    an_answer(x->t, &two, &d.ann, RESPONSE_SUBMITTED, NULL);
    an_answer(x->t, &two, &bob, RESPONSE_SUBMITTED, NULL);
    assert_ok(facet_add(x->t, FACET_RESPONSE, d.question.seq, one.seq, d.ann.seq, STR("yes"), 1, &e), e);
    assert_ok(record_recount(x->t, &row, 1, &changed, &e), e);
    row = two;
    assert_ok(record_recount(x->t, &row, 1, &changed, &e), e);
    assert_int_equal(row.submitted, 2);

    assert_ok(user_delete(x->t, &d.ann, &e), e);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("key"), &got, &because), ERR_NOT_FOUND);
    assert_ok(record_get(x->t, h->a, one.id, &row, &e), e);
    assert_false(row.completed);
    assert_int_equal(row.submitted, 0);
    assert_ok(record_get(x->t, h->a, two.id, &row, &e), e);
    assert_true(row.completed);
    assert_int_equal(row.submitted, 1);
    assert_ok(dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.completed, 1);
    assert_ok(facet_terms(x->t, h->a, FACET_RESPONSE, d.question.seq, &terms, &count, &e), e);
    assert_int_equal(count, 0);
    assert_ok(member_list(x->t, h->a, d.space.seq, &members, &e), e);
    assert_int_equal(members.count, 0);
    KEEP(h, x);
}

static void members_are_members_once(void **state) {
    things *h = *state;
    err e = {0};
    workspaces spaces;
    users members;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_ANNOTATOR), bob = a_user(x->t, "bob", ROLE_ADMIN);
    const workspace one = a_workspace(x->t, "one"), two = a_workspace(x->t, "two");
    assert_ok(member_add(x->t, one.seq, bob.seq, &e) && member_add(x->t, one.seq, ann.seq, &e), e);
    assert_fails(member_add(x->t, one.seq, ann.seq, &because), ERR_CONFLICT);
    assert_fails(member_add(x->t, 999, ann.seq, &because), ERR_CONFLICT); /* no such workspace */
    assert_true(member_is(x->t, one.seq, ann.seq));
    assert_false(member_is(x->t, two.seq, ann.seq));
    assert_ok(member_list(x->t, h->a, one.seq, &members, &e), e);
    assert_int_equal(members.count, 2);
    assert_string_equal(members.item[0].username, "ann");
    assert_ok(workspace_list(x->t, h->a, ann.seq, &spaces, &e), e);
    assert_int_equal(spaces.count, 1);
    assert_ok(workspace_list(x->t, h->a, 0, &spaces, &e), e);
    assert_int_equal(spaces.count, 2);
    assert_ok(member_remove(x->t, one.seq, ann.seq, &e), e);
    assert_fails(member_remove(x->t, one.seq, ann.seq, &because), ERR_NOT_FOUND);
    assert_false(member_is(x->t, one.seq, ann.seq));
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_user_comes_back_as_it_was_put),
        STORE_TEST(what_is_not_there_is_not_found),
        STORE_TEST(names_of_users_are_unique),
        STORE_TEST(users_are_listed_in_order_of_making),
        TEST(roles_have_names_both_ways),
        STORE_TEST(a_pass_is_found_by_its_secret_and_kind_alone),
        STORE_TEST(no_secret_stands_in_the_file),
        STORE_TEST(passes_end),
        STORE_TEST(what_a_reader_remembers_ends_with_a_write),
        STORE_TEST(who_goes_takes_answers_keys_and_memberships_along),
        STORE_TEST(members_are_members_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
