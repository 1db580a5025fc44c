/* Erasing in the store: what goes, what is kept as a number, and bytes that leave the files. */
#include "things.h"

#include "base/needles.h"

#define CANARY "q7x2kfw9z4hb8n3vcm5ty6rjd1gp0lsa"

static bool holds(things *h, const char *file) {
    str data;
    err e = {0};
    const char *path = path_join(h->a, h->folder, file);
    if (file_size(path) < 1) return false;
    assert_ok(file_read(h->a, path, 1 << 28, &data, &e), e);
    return str_find(data, STR(CANARY), 0) >= 0;
}

static void deleted_bytes_leave_database_and_log(void **state) {
    things *h = *state;
    err e = {0};
    bool left;
    needles *gone = needles_new(h->a);
    needles_add(gone, STR(CANARY));
    session *x = begin(h, true);
    const workspace w = a_workspace(x->t, "w");
    const dataset d = a_dataset(x->t, &w, "d");
    record r[300];
    for (int i = 0; i < 600; i++) { /* of many sizes and in no order, so that pages split and texts go over their ends */
        const char *more = i % 2 ? " " : CANARY;
        record one = {.dataset = d.seq,
                      .external_id = str_of(arena_printf(h->a, "%03d %s", i * 211 % 600, more)),
                      .fields = str_of(arena_printf(h->a, "{\"text\":\"%0*d %s\"}", 1 + (i * 37) % 5000, i, more))};
        assert_ok(record_add(x->t, &one, &e), e);
        if (i % 2 == 0) r[i / 2] = one;
    }
    KEEP(h, x);
    assert_true(holds(h, "fettle.db-wal"));
    x = begin(h, true);
    for (int i = 0; i < 300; i++) assert_ok(record_delete(x->t, &r[(i * 7) % 300], &e), e);
    KEEP(h, x);
    assert_true(holds(h, "fettle.db-wal"));
    assert_ok(store_scrub(h->s, gone, &left, &e), e);
    assert_false(left);
    assert_false(holds(h, "fettle.db") || holds(h, "fettle.db-wal"));
    assert_ok(store_check(h->s, &e), e);
}

typedef struct {
    store *s;
    bool ok, left;
    _Atomic bool done;
    err e;
} scrubbing;

static void *scrub_main(void *context) {
    scrubbing *x = context;
    x->ok = store_scrub(x->s, NULL, &x->left, &x->e);
    x->done = true;
    return NULL;
}

static void a_scrub_waits_for_who_reads(void **state) {
    things *h = *state;
    pthread_t thread;
    session *x = begin(h, true);
    a_user(x->t, CANARY, ROLE_ANNOTATOR);
    KEEP(h, x);
    session *reader = begin(h, false);
    err e = {0};
    assert_int_equal(user_count(reader->t, &e), 1); /* from here on it holds what was */
    x = begin(h, true);
    a_user(x->t, "another", ROLE_ANNOTATOR);
    KEEP(h, x);
    scrubbing s = {.s = h->s};
    assert_int_equal(pthread_create(&thread, NULL, scrub_main, &s), 0);
    usleep(100000);
    const bool early = s.done;
    finish(h, reader, true);
    pthread_join(thread, NULL);
    assert_false(early);
    assert_ok(s.ok, s.e);
}

static void a_record_goes_with_what_repeats_it(void **state) {
    things *h = *state;
    err e = {0};
    traces found;
    erasure_entry gone;
    erasure_entries list;
    events told;
    int status;
    str body;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    record r = {.dataset = d.set.seq, .fields = STR("{\"text\":\"" CANARY "\"}"), .external_id = STR("x")};
    assert_ok(record_add(x->t, &r, &e), e);
    const record other = a_record(x->t, &d.set, "2");
    const response mine = an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, "{\"label\":{\"value\":\"yes\"}}");
    an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, NULL);
    an_answer(x->t, &other, &d.ann, RESPONSE_SUBMITTED, NULL);
    const str naming = str_of(arena_printf(h->a, "{\"record\":\"%s\"}", r.id)),
              of_other = str_of(arena_printf(h->a, "{\"record\":\"%s\"}", other.id));
    assert_ok(event_add(x->t, "record.created", d.space.seq, d.set.seq, STR("{}"), naming, &e) &&
                  event_add(x->t, "record.created", d.space.seq, d.set.seq, STR("{}"), of_other, &e) &&
                  idempotency_keep(x->t, d.ann.seq, STR("k"), STR("POST /a"), 201, naming, &e) &&
                  idempotency_keep(x->t, d.ann.seq, STR("l"), STR("POST /b"), 201, of_other, &e),
              e);
    assert_ok(record_traces(x->t, h->a, &r, &found, &e), e);
    assert_int_equal(found.ids, 2);
    assert_string_equal(found.id[0], r.id);
    assert_string_equal(found.id[1], mine.id);
    assert_int_equal(found.count, 3); /* fields, external id, the answer as it was first */
    assert_ok(record_erase(x->t, h->a, &r, 7, &gone, &e), e);
    assert_int_equal(gone.responses, 1);
    assert_int_equal(gone.versions, 2);
    assert_ok(event_after(x->t, h->a, 0, 10, &told, &e), e);
    assert_null(told.item[0].payload.ptr);
    assert_text(told.item[1].payload, of_other.ptr);
    assert_ok(idempotency_find(x->t, h->a, d.ann.seq, STR("k"), STR("POST /a"), &status, &body, &e), e); /* not done again */
    assert_int_equal(body.len, 0);
    assert_ok(idempotency_find(x->t, h->a, d.ann.seq, STR("l"), STR("POST /b"), &status, &body, &e), e);
    assert_text(body, of_other.ptr);
    assert_ok(erasure_list(x->t, h->a, &list, &e), e);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.item[0].target, r.id);
    assert_string_equal(list.item[0].kind, "record");
    KEEP(h, x);
}

static void of_a_person_numbers_are_left(void **state) {
    things *h = *state;
    err e = {0};
    erasure_entry gone;
    tallies left;
    record got;
    responses answers;
    response_versions versions;
    pass found;
    str gold;
    bool hidden;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    user bob = a_user(x->t, "bob", ROLE_ADMIN), again;
    record r = a_record(x->t, &d.set, "1");
    const record other = a_record(x->t, &d.set, "2");
    bool changed;
    an_answer(x->t, &r, &bob, RESPONSE_SUBMITTED, "{}");
    an_answer(x->t, &r, &d.ann, RESPONSE_DRAFT, "{}");
    an_answer(x->t, &other, &bob, RESPONSE_DISCARDED, NULL);
    pass key = {.kind = PASS_KEY, .user = bob.seq, .name = "k"};
    note n = {.record = r.seq, .user = bob.seq, .text = "words"};
    assert_ok(record_recount(x->t, &r, 1, &changed, &e) && pass_add(x->t, &key, STR("secret"), &e) && note_add(x->t, &n, &e) &&
                  gold_put(x->t, other.seq, STR("{}"), bob.seq, false, &e) && member_add(x->t, d.space.seq, bob.seq, &e),
              e);
    assert_true(r.completed);
    assert_ok(user_erase(x->t, h->a, &bob, 7, &gone, &e), e);
    assert_int_equal(gone.responses, 2);
    assert_int_equal(gone.notes, 1);
    assert_int_equal(gone.golds, 1);
    assert_ok(user_get_seq(x->t, h->a, bob.seq, &again, &e), e);
    assert_string_not_equal(again.username, "bob");
    assert_null(again.password);
    assert_int_equal(again.role, ROLE_ANNOTATOR);
    assert_fails(pass_find(x->t, h->a, PASS_KEY, STR("secret"), &found, &because), ERR_NOT_FOUND);
    assert_false(member_is(x->t, d.space.seq, bob.seq));
    assert_ok(response_list(x->t, h->a, r.seq, &answers, &e) && response_history(x->t, h->a, r.seq, 0, &versions, &e), e);
    assert_int_equal(answers.count, 1); /* of ann */
    assert_int_equal(versions.count, 1);
    assert_ok(gold_get(x->t, h->a, other.seq, &gold, &hidden, &e) && record_get(x->t, h->a, r.id, &got, &e), e);
    assert_null(gold.ptr);
    assert_false(got.completed);
    assert_ok(tally_list(x->t, h->a, d.set.seq, &left, &e), e);
    assert_int_equal(left.count, 1);
    assert_int_equal(left.item[0].count[RESPONSE_SUBMITTED], 1);
    assert_int_equal(left.item[0].count[RESPONSE_DISCARDED], 1);
    assert_int_equal(left.item[0].count[RESPONSE_DRAFT], 0);
    a_user(x->t, "bob", ROLE_ANNOTATOR); /* the name is free */
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(deleted_bytes_leave_database_and_log),
        STORE_TEST(a_scrub_waits_for_who_reads),
        STORE_TEST(a_record_goes_with_what_repeats_it),
        STORE_TEST(of_a_person_numbers_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
