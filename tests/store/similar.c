/* Nearest records: what a scan in double finds, under text and filters, while others write. */
#include "vectors.h"

#include "base/file.h"

/* Every hit has the score that its own vector gives; scores fall; and what was left out scores no better than the last. */
static void the_nearest_are_those_of_a_scan(void **state) {
    things *h = *state;
    err e = {0};
    enum { COUNT = 400, NEAREST = 25 };
    rng random = rng_new(3, 0);
    record all[COUNT];
    double v[COUNT][DIMENSIONS], q[DIMENSIONS];
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    for (int i = 0; i < COUNT; i++) {
        const bool bare = i % 10 == 9; /* some have no vector */
        all[i] = bare ? a_record(x->t, &d.set, NULL) : with_random(x->t, &d, &random, v[i]);
    }
    KEEP(h, x);
    x = begin(h, false);
    for (int round = 0; round < 12; round++) {
        const bool least = round % 2 != 0;
        const int without = round % 3 ? -1 : 5 + round;
        const record_query query = {.dataset = d.set.seq, .limit = NEAREST};
        record_hits hits;
        a_vector(&random, q);
        assert_ok(record_similar(x->t, h->a, &query,
                                 &(nearness){d.vector.seq, q, DIMENSIONS, least, without < 0 ? 0 : all[without].seq}, &hits, &e),
                  e);
        assert_int_equal(hits.count, NEAREST);
        assert_int_equal(hits.total, NEAREST);
        bool chosen[COUNT] = {false};
        double last = 2;
        for (int k = 0; k < hits.count; k++) {
            int i = 0;
            while (i < COUNT && all[i].seq != hits.item[k].record.seq) i++;
            assert_true(i < COUNT && i != without && i % 10 != 9 && !chosen[i]);
            chosen[i] = true;
            const double score = (1 + cosine(v[i], q) * (least ? -1 : 1)) / 2;
            assert_true(fabs(score - hits.item[k].score) < 1e-12);
            assert_true(score <= last + 1e-6); /* the order is decided in float */
            last = score;
        }
        for (int i = 0; i < COUNT; i++)
            if (!chosen[i] && i % 10 != 9 && i != without)
                assert_true((1 + cosine(v[i], q) * (least ? -1 : 1)) / 2 <= last + 1e-6);
    }
    KEEP(h, x);
}

static void pages_of_the_nearest_fit_together_up_to_a_thousand(void **state) {
    things *h = *state;
    err e = {0};
    enum { COUNT = 1100 };
    rng random = rng_new(5, 0);
    double v[DIMENSIONS];
    int64_t last = 0, seen = 0;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    for (int i = 0; i < COUNT; i++) with_random(x->t, &d, &random, v);
    KEEP(h, x);
    x = begin(h, false);
    double score = 2;
    for (int64_t offset = 0; offset < 1400; offset += 300) {
        const record_query q = {.dataset = d.set.seq, .offset = offset, .limit = 300};
        record_hits hits;
        assert_ok(record_similar(x->t, h->a, &q, &(nearness){d.vector.seq, v, DIMENSIONS, false, 0}, &hits, &e), e);
        for (int i = 0; i < hits.count; i++) {
            assert_true(hits.item[i].score <= score + 1e-6 && hits.item[i].record.seq != last);
            score = hits.item[i].score;
            last = hits.item[i].record.seq;
        }
        if (!seen && hits.count) assert_true(fabs(hits.item[0].score - 1) < 1e-12); /* itself */
        seen += hits.count;
        assert_int_equal(hits.total, offset >= 1000 ? 0 : offset + 300 < 1000 ? offset + 300 : 1000);
    }
    assert_int_equal(seen, 1000);
    KEEP(h, x);
}

static int nearest(things *h, store_tx *t, const desk *d, const double *q) {
    err e = {0};
    record_hits hits;
    const record_query query = {.dataset = d->set.seq, .limit = 10};
    assert_ok(record_similar(t, h->a, &query, &(nearness){d->vector.seq, q, 2, false, 0}, &hits, &e), e);
    assert_int_equal(hits.total, hits.count);
    return hits.count;
}

static record with_vector(store_tx *t, const desk *d, double a, double b) {
    return with_numbers(t, d, (const double[]){a, b}, 2);
}

/* A reader that looks while a write is under way must not leave an old copy behind for those who come after it. */
static void a_search_during_a_write_hides_nothing_afterwards(void **state) {
    things *h = *state;
    const double q[] = {1, 0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    with_vector(x->t, &d, 1, 0);
    KEEP(h, x);
    x = begin(h, true);
    with_vector(x->t, &d, 0, 1);
    session *reader = begin(h, false);
    assert_int_equal(nearest(h, reader->t, &d, q), 1);
    KEEP(h, x);
    assert_int_equal(nearest(h, reader->t, &d, q), 1); /* its snapshot stays what it was */
    session *later = begin(h, false);
    assert_int_equal(nearest(h, later->t, &d, q), 2);
    assert_int_equal(nearest(h, reader->t, &d, q), 1);
    KEEP(h, later);
    KEEP(h, reader);
}

static void what_was_taken_back_is_not_found(void **state) {
    things *h = *state;
    const double q[] = {1, 0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    with_vector(x->t, &d, 1, 0);
    KEEP(h, x);
    x = begin(h, true);
    with_vector(x->t, &d, 1, 1);
    assert_int_equal(nearest(h, x->t, &d, q), 2); /* the writer sees its own */
    assert_false(finish(h, x, false));
    x = begin(h, true);
    assert_int_equal(nearest(h, x->t, &d, q), 1);
    with_vector(x->t, &d, 0, 1);
    with_vector(x->t, &d, 0, 2);
    assert_int_equal(nearest(h, x->t, &d, q), 3);
    KEEP(h, x);
}

static void records_that_went_are_neither_found_nor_counted(void **state) {
    things *h = *state;
    err e = {0};
    const double q[] = {1, 0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record one = with_vector(x->t, &d, 1, 0), two = with_vector(x->t, &d, 0, 1);
    with_vector(x->t, &d, 1, 1);
    assert_int_equal(nearest(h, x->t, &d, q), 3);
    assert_ok(record_delete(x->t, &one, &e), e);
    assert_int_equal(nearest(h, x->t, &d, q), 2);
    assert_ok(vector_delete(x->t, d.vector.seq, two.seq, &e), e);
    assert_int_equal(nearest(h, x->t, &d, q), 1);
    assert_ok(part_delete(x->t, &d.vector, &e), e);
    assert_int_equal(nearest(h, x->t, &d, q), 0);
    KEEP(h, x);
}

static void an_import_that_was_undone_is_neither_found_nor_counted(void **state) {
    things *h = *state;
    err e = {0};
    const double q[] = {1, 0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    import_row i = {.dataset = d.set.seq, .source = "file"};
    with_vector(x->t, &d, 0, 1);
    assert_ok(import_begin(x->t, &i, d.ann.seq, &e), e);
    record r = {.dataset = d.set.seq, .fields = STR("{}"), .import = i.seq};
    assert_ok(record_add(x->t, &r, &e) && vector_put(x->t, d.vector.seq, r.seq, q, 2, &e), e);
    assert_int_equal(nearest(h, x->t, &d, q), 2);
    assert_ok(import_undo(x->t, &i, &e), e);
    assert_int_equal(nearest(h, x->t, &d, q), 1);
    KEEP(h, x);
}

/* Two stores of one process number their vectors alike and share nothing else. */
static void two_stores_do_not_see_each_others_vectors(void **state) {
    things *h = *state, other = {.a = h->a, .folder = scratch_folder(h->a)};
    err e = {0};
    const double q[] = {1, 0};
    other.s = store_open(other.folder, &e);
    assert_ok(other.s != NULL, e);
    session *x = begin(h, true), *y = begin(&other, true);
    const desk d = a_desk(x->t), c = a_desk(y->t);
    with_vector(x->t, &d, 1, 0);
    with_vector(y->t, &c, 1, 0);
    with_vector(y->t, &c, 0, 1);
    assert_int_equal(d.vector.seq, c.vector.seq);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nearest(h, x->t, &d, q), 1);
        assert_int_equal(nearest(&other, y->t, &c, q), 2);
    }
    KEEP(h, x);
    KEEP(&other, y);
    store_close(other.s);
    dir_remove(other.folder, &e);
}

static void text_and_filters_narrow_the_nearest(void **state) {
    things *h = *state;
    err e = {0};
    const double q[] = {1, 0};
    record_hits hits;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const parts fields = {(part *)(uintptr_t)&d.field, 1};
    assert_ok(search_create(x->t, d.set.seq, &fields, &e), e);
    record r[30];
    for (int i = 0; i < 30; i++) {
        const str words = i % 2 ? STR("odd") : STR("even");
        r[i] = with_vector(x->t, &d, i, 10);
        assert_ok(search_put(x->t, d.set.seq, r[i].seq, &fields, NULL, &words, &e) &&
                      facet_add(x->t, FACET_METADATA, d.property.seq, r[i].seq, 0, STR("n"), i, &e),
                  e);
    }
    const filter below = {.kind = FILTER_RANGE, .scope = SCOPE_METADATA, .part = d.property.seq, .ge = NAN, .le = 20};
    record_query query = {.dataset = d.set.seq, .text = STR("odd"), .where = &below, .limit = 100};
    assert_ok(record_similar(x->t, h->a, &query, &(nearness){d.vector.seq, q, 2, false, r[17].seq}, &hits, &e), e);
    assert_int_equal(hits.count, 9); /* 1, 3 ... 19 without 17 */
    assert_int_equal(hits.item[0].record.seq, r[19].seq);
    assert_int_equal(hits.item[1].record.seq, r[15].seq);
    query.text = STR("nowhere");
    assert_ok(record_similar(x->t, h->a, &query, &(nearness){d.vector.seq, q, 2, false, 0}, &hits, &e), e);
    assert_int_equal(hits.count + hits.total, 0);
    KEEP(h, x);
}

static void a_vector_of_zeros_is_in_the_middle(void **state) {
    things *h = *state;
    err e = {0};
    record_hits hits;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record zero = with_vector(x->t, &d, 0, 0), near = with_vector(x->t, &d, 2, 0), far = with_vector(x->t, &d, -2, 0);
    const record_query query = {.dataset = d.set.seq, .limit = 10};
    assert_ok(record_similar(x->t, h->a, &query, &(nearness){d.vector.seq, (const double[]){1, 0}, 2, false, 0}, &hits, &e), e);
    assert_int_equal(hits.count, 3);
    assert_int_equal(hits.item[0].record.seq, near.seq);
    assert_int_equal(hits.item[1].record.seq, zero.seq);
    assert_int_equal(hits.item[2].record.seq, far.seq);
    assert_true(hits.item[0].score == 1 && hits.item[1].score == 0.5 && hits.item[2].score == 0);
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_nearest_are_those_of_a_scan),
        STORE_TEST(pages_of_the_nearest_fit_together_up_to_a_thousand),
        STORE_TEST(a_search_during_a_write_hides_nothing_afterwards),
        STORE_TEST(what_was_taken_back_is_not_found),
        STORE_TEST(records_that_went_are_neither_found_nor_counted),
        STORE_TEST(an_import_that_was_undone_is_neither_found_nor_counted),
        STORE_TEST(two_stores_do_not_see_each_others_vectors),
        STORE_TEST(text_and_filters_narrow_the_nearest),
        STORE_TEST(a_vector_of_zeros_is_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
