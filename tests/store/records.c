/* Records and what hangs on them: vectors, facets, suggestions, leases, notes, gold. */
#include "things.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"

static void a_record_comes_back_as_it_was_put(void **state) {
    things *h = *state;
    err e = {0};
    record got;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    record r = {.dataset = d.set.seq,
                .fields = STR("{\"text\":\"a\\u0000b \xf0\x9f\x98\x80\"}"),
                .metadata = STR("{\"n\":5,\"f\":5.0,\"b\":true}"),
                .external_id = STR("x 1")};
    assert_ok(record_add(x->t, &r, &e), e);
    assert_ok(record_count(x->t, r.dataset, 1, &e), e);
    KEEP(h, x);
    reopen(h);
    x = begin(h, true);
    assert_ok(record_external(x->t, h->a, d.set.seq, STR("x 1"), &got, &e), e);
    assert_string_equal(got.id, r.id);
    assert_string_equal(got.dataset_id, d.set.id);
    assert_text(got.fields, "{\"text\":\"a\\u0000b \xf0\x9f\x98\x80\"}");
    assert_text(got.metadata, "{\"n\":5,\"f\":5.0,\"b\":true}");
    assert_false(got.completed);
    got.metadata = got.external_id = (str){NULL, 0};
    got.fields = STR("{}");
    assert_ok(record_save(x->t, &got, &e) && record_get(x->t, h->a, r.id, &got, &e), e);
    assert_null(got.metadata.ptr);
    assert_null(got.external_id.ptr);
    assert_text(got.fields, "{}");
    assert_true(got.updated_at > got.inserted_at || got.updated_at == got.inserted_at);
    KEEP(h, x);
}

static void external_ids_are_unique_in_a_dataset(void **state) {
    things *h = *state;
    err e = {0};
    record got;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const dataset other = a_dataset(x->t, &d.space, "other");
    a_record(x->t, &d.set, "1");
    a_record(x->t, &other, "1");
    a_record(x->t, &d.set, NULL);
    a_record(x->t, &d.set, NULL); /* none is no id */
    record again = {.dataset = d.set.seq, .fields = STR("{}"), .external_id = STR("1")};
    assert_fails(record_add(x->t, &again, &because), ERR_CONFLICT);
    assert_fails(record_external(x->t, h->a, other.seq, STR("2"), &got, &because), ERR_NOT_FOUND);
    dataset set;
    assert_ok(dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.records, 3);
    KEEP(h, x);
}

static void pages_and_walks_see_every_record_once(void **state) {
    things *h = *state;
    err e = {0};
    enum { COUNT = 57 };
    uuid_text id[COUNT];
    records page;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const dataset other = a_dataset(x->t, &d.space, "other");
    for (int i = 0; i < COUNT; i++) {
        memcpy(id[i], a_record(x->t, &d.set, NULL).id, sizeof *id);
        a_record(x->t, &other, NULL);
    }
    int seen = 0;
    for (int offset = 0; offset <= 60; offset += 10) {
        assert_ok(record_page(x->t, h->a, d.set.seq, offset, 10, &page, &e), e);
        for (int i = 0; i < page.count; i++) assert_string_equal(page.item[i].id, id[seen++]);
    }
    assert_int_equal(seen, COUNT);
    int64_t last = 0;
    seen = 0;
    do {
        assert_ok(record_after(x->t, h->a, d.set.seq, last, 8, &page, &e), e);
        for (int i = 0; i < page.count; i++, last = page.item[i - 1].seq) assert_string_equal(page.item[i].id, id[seen++]);
    } while (page.count);
    assert_int_equal(seen, COUNT);
    KEEP(h, x);
}

static void counts_follow_records_and_answers(void **state) {
    things *h = *state;
    err e = {0};
    bool changed;
    dataset set;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user bob = a_user(x->t, "bob", ROLE_ANNOTATOR);
    record r = a_record(x->t, &d.set, "1"), other = a_record(x->t, &d.set, "2");
    an_answer(x->t, &r, &d.ann, RESPONSE_DRAFT, NULL);
    an_answer(x->t, &r, &bob, RESPONSE_DISCARDED, NULL);
    assert_ok(record_recount(x->t, &r, 1, &changed, &e), e);
    assert_false(changed || r.completed);
    an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, NULL);
    assert_ok(record_recount(x->t, &r, 2, &changed, &e), e);
    assert_false(changed || r.completed);
    assert_int_equal(r.submitted, 1);
    an_answer(x->t, &r, &bob, RESPONSE_SUBMITTED, NULL);
    assert_ok(record_recount(x->t, &r, 2, &changed, &e), e);
    assert_true(changed && r.completed);
    assert_ok(record_recount(x->t, &r, 2, &changed, &e), e);
    assert_false(changed);
    assert_ok(dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.completed, 1);
    assert_ok(record_recount_all(x->t, d.set.seq, 3, &e) && dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.completed, 0);
    assert_ok(record_recount_all(x->t, d.set.seq, 1, &e) && dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.completed, 1);
    assert_ok(record_get(x->t, h->a, r.id, &r, &e), e);
    assert_true(r.completed);
    assert_ok(record_delete(x->t, &r, &e) && dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.records, 1);
    assert_int_equal(set.completed, 0);
    assert_ok(record_delete(x->t, &other, &e) && dataset_get(x->t, h->a, d.set.id, &set, &e), e);
    assert_int_equal(set.records, 0);
    KEEP(h, x);
}

static void vectors_keep_every_bit(void **state) {
    things *h = *state;
    err e = {0};
    const double v[] = {0.1, -0.0, DBL_MIN / 4, 1e308, 1.0 / 3}, w[] = {1, 2};
    double *got;
    int n;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    assert_ok(vector_get(x->t, h->a, d.vector.seq, r.seq, &got, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(vector_put(x->t, d.vector.seq, r.seq, v, 5, &e) && vector_get(x->t, h->a, d.vector.seq, r.seq, &got, &n, &e), e);
    assert_int_equal(n, 5);
    assert_memory_equal(got, v, sizeof v);
    assert_ok(vector_put(x->t, d.vector.seq, r.seq, w, 2, &e) && vector_get(x->t, h->a, d.vector.seq, r.seq, &got, &n, &e), e);
    assert_int_equal(n, 2);
    assert_memory_equal(got, w, sizeof w);
    assert_ok(vector_delete(x->t, d.vector.seq, r.seq, &e) && vector_get(x->t, h->a, d.vector.seq, r.seq, &got, &n, &e), e);
    assert_int_equal(n, 0);
    KEEP(h, x);
}

static void facets_count_terms_and_bound_numbers(void **state) {
    things *h = *state;
    err e = {0};
    facet_count *terms;
    double min, max;
    bool any;
    int count;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r[] = {a_record(x->t, &d.set, "0"), a_record(x->t, &d.set, "1"), a_record(x->t, &d.set, "2")};
    const int64_t p = d.property.seq;
    assert_ok(facet_range(x->t, FACET_METADATA, p, &min, &max, &any, &e), e);
    assert_false(any);
    assert_ok(facet_add(x->t, FACET_METADATA, p, r[0].seq, 0, STR("b"), 2.5, &e) &&
                  facet_add(x->t, FACET_METADATA, p, r[1].seq, 0, STR("a"), -1, &e) &&
                  facet_add(x->t, FACET_METADATA, p, r[2].seq, 0, STR("a"), NAN, &e) &&
                  facet_add(x->t, FACET_SUGGESTION, p, r[2].seq, 0, STR("else"), 99, &e),
              e);
    assert_ok(facet_terms(x->t, h->a, FACET_METADATA, p, &terms, &count, &e), e);
    assert_int_equal(count, 2);
    assert_text(terms[0].text, "a"); /* the most frequent first */
    assert_int_equal(terms[0].count, 2);
    assert_text(terms[1].text, "b");
    assert_ok(facet_range(x->t, FACET_METADATA, p, &min, &max, &any, &e), e);
    assert_true(any && min == -1 && max == 2.5);
    assert_ok(facet_clear(x->t, FACET_METADATA, p, r[0].seq, 0, &e) && facet_range(x->t, FACET_METADATA, p, &min, &max, &any, &e),
              e);
    assert_true(any && max == -1);
    assert_ok(facet_clear(x->t, FACET_METADATA, 0, r[1].seq, 0, &e) &&
                  facet_terms(x->t, h->a, FACET_METADATA, p, &terms, &count, &e),
              e);
    assert_int_equal(count, 1);
    KEEP(h, x);
}

static void clearing_the_facets_of_one_person_leaves_those_of_another(void **state) {
    things *h = *state;
    err e = {0};
    facet_count *terms;
    int count;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, "0");
    const int64_t q = d.question.seq;
    assert_ok(facet_add(x->t, FACET_RESPONSE, q, r.seq, 1, STR("mine"), NAN, &e) &&
                  facet_add(x->t, FACET_RESPONSE, q, r.seq, 2, STR("yours"), NAN, &e) &&
                  facet_clear(x->t, FACET_RESPONSE, 0, r.seq, 1, &e) &&
                  facet_terms(x->t, h->a, FACET_RESPONSE, q, &terms, &count, &e),
              e);
    assert_int_equal(count, 1);
    assert_text(terms[0].text, "yours");
    KEEP(h, x);
}

/* ---- suggestions ------------------------------------------------------------------------------------------------------------------- */

static void a_question_of_a_record_has_one_suggestion(void **state) {
    things *h = *state;
    err e = {0};
    bool created;
    int64_t row;
    suggestions list;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    suggestion first = {.record = r.seq,
                        .question = d.question.seq,
                        .value = STR("[1,2]"),
                        .score = STR("[0.5,0.5]"),
                        .agent = "m 1"},
               got;
    assert_ok(suggestion_put(x->t, &first, &created, &e), e);
    assert_true(created);
    suggestion second = {.record = r.seq, .question = d.question.seq, .value = STR("\"b\""), .type = "human"};
    assert_ok(suggestion_put(x->t, &second, &created, &e), e);
    assert_false(created);
    assert_string_equal(first.id, second.id);
    assert_int_equal(first.inserted_at, second.inserted_at);
    assert_ok(suggestion_get(x->t, h->a, first.id, &got, &row, &e), e);
    assert_int_equal(row, r.seq);
    assert_text(got.value, "\"b\"");
    assert_null(got.score.ptr);
    assert_null(got.agent);
    assert_string_equal(got.type, "human");
    assert_string_equal(got.question_id, d.question.id);
    assert_ok(suggestion_list(x->t, h->a, r.seq, &list, &e), e);
    assert_int_equal(list.count, 1);
    KEEP(h, x);
}

static void agents_are_named_once_and_suggestions_go_with_their_facets(void **state) {
    things *h = *state;
    err e = {0};
    bool created;
    const char **agents;
    facet_count *terms;
    int count;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    suggestion last = {0};
    static const char *const names[] = {"b", "a", "b", NULL};
    for (int i = 0; i < 4; i++) {
        const record r = a_record(x->t, &d.set, NULL);
        last = (suggestion){.record = r.seq, .question = d.question.seq, .value = STR("1"), .agent = names[i]};
        assert_ok(suggestion_put(x->t, &last, &created, &e) &&
                      facet_add(x->t, FACET_SUGGESTION, d.question.seq, r.seq, 0, STR("1"), 1, &e),
                  e);
    }
    assert_ok(suggestion_agents(x->t, h->a, d.question.seq, &agents, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(agents[0], "a");
    assert_string_equal(agents[1], "b");
    assert_ok(suggestion_delete(x->t, &last, &e) && facet_terms(x->t, h->a, FACET_SUGGESTION, d.question.seq, &terms, &count, &e),
              e);
    assert_int_equal(terms[0].count, 3);
    KEEP(h, x);
}

/* ---- leases, notes, gold --------------------------------------------------------------------------------------------------------- */

static void a_lease_holds_until_its_time_is_over(void **state) {
    things *h = *state;
    err e = {0};
    const int64_t now = clock_now(), later = now + 60000000;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const user bob = a_user(x->t, "bob", ROLE_ANNOTATOR);
    const record r = a_record(x->t, &d.set, NULL);
    assert_ok(lease_take(x->t, r.seq, d.ann.seq, later, &e) && lease_take(x->t, r.seq, d.ann.seq, later + 1, &e), e);
    assert_fails(lease_take(x->t, r.seq, bob.seq, later, &because), ERR_CONFLICT);
    assert_ok(lease_drop(x->t, r.seq, bob.seq, &e), e); /* not theirs: nothing happens */
    assert_fails(lease_take(x->t, r.seq, bob.seq, later, &because), ERR_CONFLICT);
    assert_ok(lease_drop(x->t, r.seq, d.ann.seq, &e) && lease_take(x->t, r.seq, bob.seq, now - 1, &e), e);
    assert_ok(lease_take(x->t, r.seq, d.ann.seq, later, &e), e); /* the time of the other was over */
    assert_ok(user_delete(x->t, &d.ann, &e) && lease_take(x->t, r.seq, bob.seq, later, &e), e);
    KEEP(h, x);
}

static void notes_belong_to_their_record(void **state) {
    things *h = *state;
    err e = {0};
    notes list;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL), other = a_record(x->t, &d.set, NULL);
    note one = {.record = r.seq, .user = d.ann.seq, .text = "look", .flag = true},
         two = {.record = r.seq, .user = d.ann.seq, .text = "fine"};
    assert_ok(note_add(x->t, &one, &e) && note_add(x->t, &two, &e), e);
    assert_fails(note_resolve(x->t, other.seq, one.id, true, &because), ERR_NOT_FOUND);
    assert_ok(note_resolve(x->t, r.seq, one.id, true, &e) && note_list(x->t, h->a, r.seq, &list, &e), e);
    assert_int_equal(list.count, 2);
    assert_true(list.item[0].flag && list.item[0].resolved && !list.item[1].flag && !list.item[1].resolved);
    assert_string_equal(list.item[1].text, "fine");
    assert_string_equal(list.item[0].user_id, d.ann.id);
    assert_ok(note_list(x->t, h->a, other.seq, &list, &e), e);
    assert_int_equal(list.count, 0);
    KEEP(h, x);
}

static void gold_is_put_replaced_and_taken_away(void **state) {
    things *h = *state;
    err e = {0};
    str values;
    bool hidden;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    assert_ok(gold_get(x->t, h->a, r.seq, &values, &hidden, &e), e);
    assert_null(values.ptr);
    assert_ok(gold_put(x->t, r.seq, STR("{\"a\":1}"), d.ann.seq, true, &e) && gold_get(x->t, h->a, r.seq, &values, &hidden, &e),
              e);
    assert_text(values, "{\"a\":1}");
    assert_true(hidden);
    assert_ok(gold_put(x->t, r.seq, STR("{}"), d.ann.seq, false, &e) && gold_get(x->t, h->a, r.seq, &values, &hidden, &e), e);
    assert_text(values, "{}");
    assert_false(hidden);
    assert_ok(gold_delete(x->t, r.seq, &e) && gold_get(x->t, h->a, r.seq, &values, &hidden, &e), e);
    assert_null(values.ptr);
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_record_comes_back_as_it_was_put),
        STORE_TEST(external_ids_are_unique_in_a_dataset),
        STORE_TEST(pages_and_walks_see_every_record_once),
        STORE_TEST(counts_follow_records_and_answers),
        STORE_TEST(vectors_keep_every_bit),
        STORE_TEST(facets_count_terms_and_bound_numbers),
        STORE_TEST(clearing_the_facets_of_one_person_leaves_those_of_another),
        STORE_TEST(a_question_of_a_record_has_one_suggestion),
        STORE_TEST(agents_are_named_once_and_suggestions_go_with_their_facets),
        STORE_TEST(a_lease_holds_until_its_time_is_over),
        STORE_TEST(notes_belong_to_their_record),
        STORE_TEST(gold_is_put_replaced_and_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
