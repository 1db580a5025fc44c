/* A disk that fails under a running server: nothing is acknowledged that is not safe, reading goes on, and /health says it. */
#include "house.h"

#include "store/faults.h"

static int begin(void **state) {
    faults_install();
    return house_begin(state);
}

static int put(const char *key, const char *set, const char *text) {
    return request_of(key, "PUT", FORMAT("/api/v1/datasets/%s/records/bulk", set),
                      FORMAT("{'items':[{'fields':{'text':'%s'},'external_id':'%s'}]}", text, text))
        .status;
}

static int64_t finds(const char *key, const char *set, const char *text) {
    const answer x =
        request_of(key, "POST", FORMAT("/api/v1/datasets/%s/records/search", set), FORMAT("{'query':{'text':{'q':'%s'}}}", text));
    assert_int_equal(x.status, 200);
    return json_get_int(parsed(x.body), "total", -1);
}

static void a_full_disk_is_507_until_there_is_room(void **state) {
    (void)state;
    const person owner = a_person("owner");
    const stuff d = a_dataset(a_space(), NULL);
    assert_int_equal(put(owner.key, d.id, "before"), 200);
    faults_set(FAULT_FULL, 1, true);
    assert_int_equal(put(owner.key, d.id, "during"), 507);
    assert_int_equal(request_of(NULL, "GET", "/health", NULL).status, 200);
    assert_int_equal(finds(owner.key, d.id, "before"), 1);
    assert_int_equal(finds(owner.key, d.id, "during"), 0);
    /* an answer in a list of answers is no success either */
    const answer x =
        request_of(owner.key, "POST", "/api/v1/me/responses/bulk",
                   FORMAT("{'items':[{'record_id':'%s','status':'submitted','values':{'label':{'value':'yes'}}}]}", d.record));
    assert_int_equal(x.status, 507);
    faults_set(FAULT_NONE, 0, false);
    assert_int_equal(put(owner.key, d.id, "after"), 200);
    assert_int_equal(finds(owner.key, d.id, "after"), 1);
}

/* The last of this program: the store does not come back before the program is started anew. */
static void a_commit_that_may_not_be_safe_stops_all_writing(void **state) {
    (void)state;
    const person owner = a_person("owner");
    const stuff d = a_dataset(a_space(), NULL);
    assert_int_equal(put(owner.key, d.id, "before"), 200);
    assert_int_equal(request_of(NULL, "GET", "/health", NULL).status, 200);
    faults_set(FAULT_SYNC, 1, false);
    assert_int_equal(put(owner.key, d.id, "during"), 500);
    const answer x = request_of(NULL, "GET", "/health", NULL);
    assert_int_equal(x.status, 503);
    assert_int_equal(json_kind_of(json_get(parsed(x.body), "status")), JSON_STRING);
    faults_set(FAULT_NONE, 0, false);
    for (int i = 0; i < 3; i++) assert_int_equal(put(owner.key, d.id, "after"), 500); /* though the disk would take it now */
    assert_int_equal(finds(owner.key, d.id, "before"), 1);
    assert_int_equal(finds(owner.key, d.id, "after"), 0);
    assert_int_equal(request_of(owner.key, "GET", "/api/v1/me", NULL).status, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(a_full_disk_is_507_until_there_is_room),
                                       TEST(a_commit_that_may_not_be_safe_stops_all_writing)};
    return cmocka_run_group_tests(tests, begin, house_end);
}
