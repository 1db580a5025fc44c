/* Workspaces, datasets and their parts. */
#include "things.h"

static void a_workspace_with_datasets_stays(void **state) {
    things *h = *state;
    err e = {0};
    workspace got;
    session *x = begin(h, true);
    const workspace w = a_workspace(x->t, "w");
    workspace second = {.name = "w"};
    const dataset d = a_dataset(x->t, &w, "d");
    assert_fails(workspace_add(x->t, &second, &because), ERR_CONFLICT);
    assert_fails(workspace_delete(x->t, &w, &because), ERR_CONFLICT);
    assert_ok(dataset_delete(x->t, &d, &e) && workspace_delete(x->t, &w, &e), e);
    assert_fails(workspace_get(x->t, h->a, w.id, &got, &because), ERR_NOT_FOUND);
    assert_fails(workspace_get_seq(x->t, h->a, w.seq, &got, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

static void a_dataset_comes_back_as_it_was_put(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    const workspace w = a_workspace(x->t, "w");
    dataset d = {.workspace = w.seq, .name = "d", .guidelines = STR("Be\nkind \xf0\x9f\x98\x80"), .min_submitted = 3}, got;
    memcpy(d.workspace_id, w.id, sizeof d.workspace_id);
    assert_ok(dataset_add(x->t, &d, &e), e);
    KEEP(h, x);
    reopen(h);
    x = begin(h, true);
    assert_ok(dataset_get(x->t, h->a, d.id, &got, &e), e);
    assert_text(got.guidelines, "Be\nkind \xf0\x9f\x98\x80");
    assert_null(got.metadata.ptr);
    assert_false(got.allow_extra_metadata || got.ready);
    assert_int_equal(got.min_submitted, 3);
    assert_string_equal(got.workspace_id, w.id);
    assert_int_equal(got.records + got.completed, 0);
    got.guidelines = (str){NULL, 0};
    got.metadata = STR("{\"a\":1}");
    got.ready = got.allow_extra_metadata = true;
    got.name = "e";
    got.records = 99; /* counts are not the caller's */
    assert_ok(dataset_save(x->t, &got, &e), e);
    assert_ok(dataset_named(x->t, h->a, w.seq, STR("e"), &got, &e), e);
    assert_null(got.guidelines.ptr);
    assert_text(got.metadata, "{\"a\":1}");
    assert_true(got.ready && got.allow_extra_metadata);
    assert_int_equal(got.records, 0);
    assert_true(got.updated_at >= d.updated_at);
    assert_int_equal(got.last_activity_at, d.last_activity_at);
    assert_ok(dataset_touch(x->t, got.seq, &e) && dataset_get_seq(x->t, h->a, got.seq, &got, &e), e);
    assert_true(got.last_activity_at >= d.last_activity_at);
    KEEP(h, x);
}

static void names_of_datasets_are_unique_in_a_workspace(void **state) {
    things *h = *state;
    err e = {0};
    dataset got;
    datasets list;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_ANNOTATOR);
    const workspace one = a_workspace(x->t, "one"), two = a_workspace(x->t, "two");
    const dataset first = a_dataset(x->t, &one, "d"), second = a_dataset(x->t, &two, "d");
    dataset again = first;
    assert_fails(dataset_add(x->t, &again, &because), ERR_CONFLICT);
    assert_fails(dataset_named(x->t, h->a, 0, STR("d"), &got, &because), ERR_CONFLICT); /* which of the two? */
    assert_fails(dataset_named(x->t, h->a, 0, STR("c"), &got, &because), ERR_NOT_FOUND);
    assert_ok(dataset_named(x->t, h->a, two.seq, STR("d"), &got, &e), e);
    assert_string_equal(got.id, second.id);
    assert_ok(member_add(x->t, two.seq, ann.seq, &e) && dataset_list(x->t, h->a, ann.seq, &list, &e), e);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.item[0].id, second.id);
    assert_ok(dataset_list(x->t, h->a, 0, &list, &e), e);
    assert_int_equal(list.count, 2);
    KEEP(h, x);
}

static void a_dataset_goes_with_all_that_is_in_it(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, "1");
    const response answer = an_answer(x->t, &r, &d.ann, RESPONSE_SUBMITTED, NULL);
    const double v[] = {1, 2};
    const parts fields = {(part *)(uintptr_t)&d.field, 1};
    const str text = STR("words");
    suggestion s = {.record = r.seq, .question = d.question.seq, .value = STR("1")};
    note n = {.record = r.seq, .user = d.ann.seq, .text = "n"};
    bool created;
    assert_ok(vector_put(x->t, d.vector.seq, r.seq, v, 2, &e) && suggestion_put(x->t, &s, &created, &e) &&
                  note_add(x->t, &n, &e) && lease_take(x->t, r.seq, d.ann.seq, 1, &e) &&
                  gold_put(x->t, r.seq, STR("{}"), d.ann.seq, false, &e) && search_create(x->t, d.set.seq, &fields, &e) &&
                  search_put(x->t, d.set.seq, r.seq, &fields, NULL, &text, &e) &&
                  facet_add(x->t, FACET_METADATA, d.property.seq, r.seq, 0, STR("a"), 1, &e),
              e);
    assert_ok(dataset_delete(x->t, &d.set, &e), e);
    record gone;
    response no_answer;
    suggestion no_suggestion;
    part no_part;
    dataset no_set;
    facet_count *terms;
    int64_t row;
    int count;
    assert_fails(dataset_get(x->t, h->a, d.set.id, &no_set, &because), ERR_NOT_FOUND);
    assert_fails(record_get(x->t, h->a, r.id, &gone, &because), ERR_NOT_FOUND);
    assert_fails(response_get(x->t, h->a, answer.id, &no_answer, &because), ERR_NOT_FOUND);
    assert_fails(suggestion_get(x->t, h->a, s.id, &no_suggestion, &row, &because), ERR_NOT_FOUND);
    assert_fails(part_get(x->t, h->a, PART_VECTOR, d.vector.id, &no_part, &because), ERR_NOT_FOUND);
    assert_ok(facet_terms(x->t, h->a, FACET_METADATA, d.property.seq, &terms, &count, &e), e);
    assert_int_equal(count, 0);
    record_query q = {.dataset = d.set.seq, .text = STR("words"), .limit = 10};
    record_hits hits;
    assert_ok(record_search(x->t, h->a, &q, &hits, &e), e);
    assert_int_equal(hits.count, 0);
    KEEP(h, x);
    assert_ok(store_check(h->s, &e), e);
}

static void parts_keep_their_order_and_kind(void **state) {
    things *h = *state;
    err e = {0};
    parts list;
    part got;
    session *x = begin(h, true);
    const workspace w = a_workspace(x->t, "w");
    const dataset d = a_dataset(x->t, &w, "d");
    const part b = a_part(x->t, &d, PART_FIELD, "b"), a = a_part(x->t, &d, PART_FIELD, "a");
    part question = {.dataset = d.seq,
                     .kind = PART_QUESTION,
                     .name = "a", /* another kind: no conflict */
                     .title = "A?",
                     .description = "why",
                     .required = true,
                     .visible = true,
                     .settings = STR("{\"options\":[]}")};
    part again = a;
    assert_ok(part_add(x->t, &question, &e), e);
    assert_fails(part_add(x->t, &again, &because), ERR_CONFLICT);
    assert_ok(part_list(x->t, h->a, d.seq, PART_FIELD, &list, &e), e);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.item[0].id, b.id);
    assert_ptr_equal(part_named(&list, STR("a")), &list.item[1]);
    assert_ptr_equal(part_of_id(&list, b.id), &list.item[0]);
    assert_null(part_named(&list, STR("")));
    assert_fails(part_get(x->t, h->a, PART_FIELD, question.id, &got, &because), ERR_NOT_FOUND); /* it is a question */
    question.title = "B?";
    question.description = NULL;
    question.required = question.visible = false;
    question.settings = STR("{}");
    assert_ok(part_save(x->t, &question, &e) && part_get(x->t, h->a, PART_QUESTION, question.id, &got, &e), e);
    assert_string_equal(got.title, "B?");
    assert_null(got.description);
    assert_false(got.required || got.visible);
    assert_text(got.settings, "{}");
    assert_string_equal(got.dataset_id, d.id);
    KEEP(h, x);
}

static void a_part_goes_with_what_hangs_on_it(void **state) {
    things *h = *state;
    err e = {0};
    double *v;
    suggestions list;
    facet_count *terms;
    int n, count;
    bool created;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    const double one[] = {1};
    suggestion s = {.record = r.seq, .question = d.question.seq, .value = STR("1")};
    assert_ok(vector_put(x->t, d.vector.seq, r.seq, one, 1, &e) && suggestion_put(x->t, &s, &created, &e) &&
                  facet_add(x->t, FACET_METADATA, d.property.seq, r.seq, 0, STR("a"), 1, &e),
              e);
    assert_ok(part_delete(x->t, &d.vector, &e) && part_delete(x->t, &d.question, &e) && part_delete(x->t, &d.property, &e), e);
    assert_ok(vector_get(x->t, h->a, d.vector.seq, r.seq, &v, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(suggestion_list(x->t, h->a, r.seq, &list, &e), e);
    assert_int_equal(list.count, 0);
    assert_ok(facet_terms(x->t, h->a, FACET_METADATA, d.property.seq, &terms, &count, &e), e);
    assert_int_equal(count, 0);
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_workspace_with_datasets_stays),
        STORE_TEST(a_dataset_comes_back_as_it_was_put),
        STORE_TEST(names_of_datasets_are_unique_in_a_workspace),
        STORE_TEST(a_dataset_goes_with_all_that_is_in_it),
        STORE_TEST(parts_keep_their_order_and_kind),
        STORE_TEST(a_part_goes_with_what_hangs_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
