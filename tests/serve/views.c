/* Views that people keep: one's own, and those that are shared with everybody who sees the dataset. */
#include "house.h"

static const char *path(const stuff *x) { return FORMAT("/api/v1/datasets/%s/views", x->id); }

static const char *keep(const stuff *x, const person *who, const char *name, bool shared) {
    const answer y = request_of(
        who->key, "POST", path(x),
        FORMAT("{'name':'%s','query':{'status':'pending','n':%d},'shared':%s}", name, shared, shared ? "true" : "false"));
    assert_int_equal(y.status, 201);
    return word(parsed(y.body), "id");
}

static size_t seen(const stuff *x, const person *who) {
    const answer y = request_of(who->key, "GET", path(x), NULL);
    assert_int_equal(y.status, 200);
    return json_count(json_get(parsed(y.body), "items"));
}

static int forget(const stuff *x, const person *who, const char *id) {
    return request_of(who->key, "DELETE", FORMAT("%s/%s", path(x), id), NULL).status;
}

static void others_see_what_is_shared_alone(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const person ann = a_person("annotator"), bob = a_person("annotator"), eve = a_person("annotator");
    joins(x.space, &ann), joins(x.space, &bob);
    keep(&x, &ann, "hard", false);
    const char *shared = keep(&x, &ann, "long", true);
    assert_int_equal(seen(&x, &ann), 2);
    assert_int_equal(seen(&x, &bob), 1);
    const json *one = json_at(json_get(parsed(request_of(bob.key, "GET", path(&x), NULL).body), "items"), 0);
    assert_string_equal(word(one, "by"), ann.name);
    assert_string_equal(word(json_get(one, "query"), "status"), "pending");
    assert_int_equal(request_of(eve.key, "GET", path(&x), NULL).status, 404);
    assert_int_equal(forget(&x, &eve, shared), 404);
}

static void a_name_is_kept_once_by_each(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const person ann = a_person("annotator"), bob = a_person("annotator");
    joins(x.space, &ann), joins(x.space, &bob);
    keep(&x, &ann, "mine", false);
    keep(&x, &ann, "mine", true);
    keep(&x, &bob, "mine", true);
    assert_int_equal(seen(&x, &ann), 2);
}

static void a_view_is_removed_by_its_owner_or_an_admin(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const person ann = a_person("annotator"), bob = a_person("annotator"), ada = a_person("admin");
    joins(x.space, &ann), joins(x.space, &bob), joins(x.space, &ada);
    const char *shared = keep(&x, &ann, "one", true), *own = keep(&x, &ann, "two", false);
    assert_int_equal(forget(&x, &bob, shared), 409);
    assert_int_equal(forget(&x, &bob, own), 404);
    assert_int_equal(forget(&x, &ada, own), 404);
    assert_int_equal(forget(&x, &ada, shared), 204);
    assert_int_equal(forget(&x, &ann, own), 204);
    assert_int_equal(seen(&x, &ann), 0);
}

static void what_is_no_view_is_refused(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    int status;
    static const char *const wrong[] = {"{}", "{'name':'','query':{}}", "{'name':'a'}", "{'name':'a','query':[]}",
                                        "{'name':'a','query':{},'shared':1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask("POST", path(&x), wrong[i], &status);
        if (status != 422 && status != 409) fail_msg("%s: %d", wrong[i], status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(others_see_what_is_shared_alone),
        TEST(a_name_is_kept_once_by_each),
        TEST(a_view_is_removed_by_its_owner_or_an_admin),
        TEST(what_is_no_view_is_refused),
    };
    return HOUSE_TESTS(tests);
}
