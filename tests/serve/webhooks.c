/* Webhooks are told in order, each in its own time: one that does not answer delays nobody, and what failed comes again
 * under the same id: it waits in the store, where a restart finds it. */
#include "ear.h"

static const char *a_webhook(const ear *x) {
    return word(made("POST", "/api/v1/webhooks",
                     FORMAT("{'url':'http://127.0.0.1:%d/','events':['record.created','record.deleted']}", x->port)),
                "id");
}

static void add_records(const stuff *x, int count) {
    for (int i = 0; i < count; i++)
        made("POST", FORMAT("/api/v1/datasets/%s/records/bulk", x->id), "{'items':[{'fields':{'text':'a'}}]}");
}

static void a_silent_webhook_delays_no_other(void **state) {
    (void)state;
    ear silent, quick;
    listen_on(&silent, 0), listen_on(&quick, 200);
    const stuff x = a_dataset(a_space(), NULL);
    const char *first = a_webhook(&silent), *second = a_webhook(&quick);
    add_records(&x, 8);
    assert_true(hears(&silent, 1, 10));
    assert_true(hears(&quick, 8, 10));
    assert_int_equal(silent.count, 1);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(quick.id[i], quick.id[k]);
    made("DELETE", FORMAT("/api/v1/records/%s", x.record), NULL);
    assert_true(hears(&quick, 9, 10));
    assert_string_equal(quick.kind[0], "record.created");
    assert_string_equal(quick.kind[8], "record.deleted");
    made("DELETE", FORMAT("/api/v1/webhooks/%s", first), NULL);
    made("DELETE", FORMAT("/api/v1/webhooks/%s", second), NULL);
    go_deaf(&silent), go_deaf(&quick);
}

/* The pauses are long: a test does not wait for them, it makes the store forget them. */
static bool all_due(store_tx *t, void *context, err *e) {
    webhooks hooks;
    bool ok = webhook_list(t, the_house->a, &hooks, e);
    for (int i = 0; ok && i < hooks.count; i++) {
        int64_t seq;
        int tries = 0;
        ok = delivery_again(t, hooks.item[i].seq, INT64_MAX, &seq, &tries, e) &&
             (!seq || delivery_keep(t, hooks.item[i].seq, seq, tries, 1, e));
        *(int *)context += seq != 0;
    }
    return ok;
}

static void what_failed_comes_again_under_the_same_id(void **state) {
    (void)state;
    err e = {0};
    ear x;
    listen_on(&x, 500);
    const stuff set = a_dataset(a_space(), NULL);
    const char *hook = a_webhook(&x);
    add_records(&set, 1);
    assert_true(hears(&x, 1, 10));
    int waiting = 0;
    x.status = 200;
    for (int i = 0; i < 500 && !waiting; i++) { /* until it is noted */
        usleep(10000);
        waiting = 0;
        assert_ok(store_write(server_store(the_house->s), all_due, &waiting, &e), e);
    }
    assert_int_equal(waiting, 1);
    assert_true(hears(&x, 2, 10));
    assert_string_equal(x.id[0], x.id[1]);
    add_records(&set, 1); /* and goes on with what is new */
    assert_true(hears(&x, 3, 10));
    assert_string_not_equal(x.id[2], x.id[1]);
    made("DELETE", FORMAT("/api/v1/webhooks/%s", hook), NULL);
    go_deaf(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_silent_webhook_delays_no_other),
        TEST(what_failed_comes_again_under_the_same_id),
    };
    return HOUSE_TESTS(tests);
}
