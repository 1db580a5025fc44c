/* Answers: one per record and person, a history of every change, undo that walks back through it, progress that adds up. */
#include "things.h"

#include "base/rng.h"

static void a_person_has_one_answer_to_a_record(void **state) {
    things *h = *state;
    err e = {0};
    response got;
    responses list;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user bob = a_user(x->t, "bob", ROLE_ANNOTATOR);
    const record r = a_record(x->t, &d.set, NULL);
    const response first = an_answer(x->t, &r, &d.ann, RESPONSE_DRAFT, NULL),
                   second = an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, "{\"label\":{\"value\":\"a\"}}");
    an_answer(x->t, &r, &bob, RESPONSE_DISCARDED, NULL);
    assert_string_equal(first.id, second.id);
    assert_int_equal(first.inserted_at, second.inserted_at);
    assert_string_equal(second.record_id, r.id);
    assert_string_equal(second.user_id, d.ann.id);
    assert_ok(response_of(x->t, h->a, r.seq, d.ann.seq, &got, &e), e);
    assert_int_equal(got.status, RESPONSE_SUBMITTED);
    assert_text(got.values, "{\"label\":{\"value\":\"a\"}}");
    assert_ok(response_get(x->t, h->a, first.id, &got, &e), e);
    assert_int_equal(got.user, d.ann.seq);
    assert_ok(response_list(x->t, h->a, r.seq, &list, &e), e);
    assert_int_equal(list.count, 2);
    assert_null(list.item[1].values.ptr);
    assert_fails(response_of(x->t, h->a, r.seq + 1, d.ann.seq, &got, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

static void statuses_have_names_both_ways(void **state) {
    (void)state;
    response_status s;
    for (int i = 0; i < 3; i++) {
        assert_true(response_status_of(str_of(response_status_name((response_status)i)), &s));
        assert_int_equal(s, i);
    }
    assert_false(response_status_of(STR("pending"), &s)); /* the absence of an answer is no status of one */
}

static void the_history_holds_what_was_there_before_and_who_changed_it(void **state) {
    things *h = *state;
    err e = {0};
    response_versions v;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user boss = a_user(x->t, "boss", ROLE_ADMIN);
    const record r = a_record(x->t, &d.set, NULL);
    an_answer(x->t, &r, &d.ann, RESPONSE_DRAFT, "{\"a\":1}");
    response changed = {.record = r.seq, .user = d.ann.seq, .status = RESPONSE_SUBMITTED, .values = STR("{\"a\":2}")};
    assert_ok(response_put(x->t, &changed, boss.seq, &e) && response_delete(x->t, &changed, d.ann.seq, &e), e);
    an_answer(x->t, &r, &boss, RESPONSE_DRAFT, NULL);
    assert_ok(response_history(x->t, h->a, r.seq, d.ann.seq, &v, &e), e);
    assert_int_equal(v.count, 3);
    assert_string_equal(v.item[0].status, "submitted");
    assert_text(v.item[0].values, "{\"a\":2}");
    assert_string_equal(v.item[0].actor_id, d.ann.id);
    assert_string_equal(v.item[1].status, "draft");
    assert_text(v.item[1].values, "{\"a\":1}");
    assert_string_equal(v.item[1].actor_id, boss.id);
    assert_string_equal(v.item[1].user_id, d.ann.id);
    assert_string_equal(v.item[2].status, "none");
    assert_null(v.item[2].values.ptr);
    assert_ok(response_history(x->t, h->a, r.seq, 0, &v, &e), e); /* of everybody */
    assert_int_equal(v.count, 4);
    KEEP(h, x);
}

/* Whatever was done, undoing it step by step shows every former state in reverse, down to none. */
static void undo_walks_back_through_every_state(void **state) {
    things *h = *state;
    err e = {0};
    enum { STEPS = 40 };
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    int was[STEPS + 1] = {-1}; /* status * 100 + value, or -1 */
    rng random = rng_new(7, 0);
    for (int i = 1; i <= STEPS; i++) {
        if (was[i - 1] >= 0 && rng_below(&random, 4) == 0) {
            response now;
            assert_ok(response_of(x->t, h->a, r.seq, d.ann.seq, &now, &e) && response_delete(x->t, &now, d.ann.seq, &e), e);
            was[i] = -1;
            continue;
        }
        was[i] = (int)rng_below(&random, 3) * 100 + i;
        an_answer(x->t, &r, &d.ann, (response_status)(was[i] / 100), arena_printf(h->a, "%d", i));
    }
    for (int i = STEPS - 1; i >= 0; i--) {
        response now = {0}, read;
        bool exists;
        assert_ok(response_undo(x->t, h->a, r.seq, d.ann.seq, d.ann.seq, &now, &exists, &e), e);
        assert_int_equal(exists, was[i] >= 0);
        if (!exists) {
            assert_fails(response_of(x->t, h->a, r.seq, d.ann.seq, &read, &because), ERR_NOT_FOUND);
            continue;
        }
        assert_ok(response_of(x->t, h->a, r.seq, d.ann.seq, &read, &e), e);
        assert_int_equal(read.status, was[i] / 100);
        assert_text(read.values, arena_printf(h->a, "%d", was[i] % 100));
        assert_string_equal(read.id, now.id);
    }
    response now;
    bool exists;
    assert_fails(response_undo(x->t, h->a, r.seq, d.ann.seq, d.ann.seq, &now, &exists, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

static void undo_of_one_person_leaves_the_others_alone(void **state) {
    things *h = *state;
    err e = {0};
    response got;
    bool exists;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user bob = a_user(x->t, "bob", ROLE_ANNOTATOR);
    const record r = a_record(x->t, &d.set, NULL);
    an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, "1");
    an_answer(x->t, &r, &bob, RESPONSE_SUBMITTED, "2");
    assert_ok(response_undo(x->t, h->a, r.seq, d.ann.seq, d.ann.seq, &got, &exists, &e), e);
    assert_false(exists);
    assert_ok(response_of(x->t, h->a, r.seq, bob.seq, &got, &e), e);
    assert_text(got.values, "2");
    KEEP(h, x);
}

/* Random answers by several people: what progress says is what a count over all of them says. */
static void progress_adds_up(void **state) {
    things *h = *state;
    err e = {0};
    enum { PEOPLE = 4, RECORDS = 30 };
    int64_t wanted[PEOPLE][2][3] = {0};
    int status[RECORDS][PEOPLE];
    rng random = rng_new(11, 0);
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    user people[PEOPLE];
    for (int i = 0; i < PEOPLE; i++) people[i] = a_user(x->t, arena_printf(h->a, "p%d", i), ROLE_ANNOTATOR);
    for (int i = 0; i < RECORDS; i++) {
        record r = a_record(x->t, &d.set, NULL);
        int submitted = 0;
        bool changed;
        for (int k = 0; k < PEOPLE; k++) {
            status[i][k] = (int)rng_below(&random, 4) - 1;
            if (k == PEOPLE - 1) status[i][k] = -1; /* somebody who never answers */
            if (status[i][k] >= 0) an_answer(x->t, &r, &people[k], (response_status)status[i][k], NULL);
            submitted += status[i][k] == RESPONSE_SUBMITTED;
        }
        assert_ok(record_recount(x->t, &r, 2, &changed, &e), e);
        for (int k = 0; k < PEOPLE; k++)
            if (status[i][k] >= 0) wanted[k][submitted >= 2][status[i][k]]++;
    }
    user_progress *list;
    int count;
    assert_ok(progress_users(x->t, h->a, d.set.seq, &list, &count, &e), e);
    assert_int_equal(count, PEOPLE - 1);
    for (int k = 0; k < count; k++) {
        int64_t mine[3];
        assert_string_equal(list[k].username, people[k].username);
        assert_memory_equal(list[k].count, wanted[k], sizeof wanted[k]);
        assert_ok(progress_of(x->t, d.set.seq, people[k].seq, mine, &e), e);
        for (int s = 0; s < 3; s++) assert_int_equal(mine[s], wanted[k][0][s] + wanted[k][1][s]);
    }
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_person_has_one_answer_to_a_record),
        TEST(statuses_have_names_both_ways),
        STORE_TEST(the_history_holds_what_was_there_before_and_who_changed_it),
        STORE_TEST(undo_walks_back_through_every_state),
        STORE_TEST(undo_of_one_person_leaves_the_others_alone),
        STORE_TEST(progress_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
