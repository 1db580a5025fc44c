/* Copies of vectors in files: what a scan in double finds whatever changed, without being made anew; nothing of what was erased. */
#include "vectors.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { MANY = 13600, ROW = 8 + 4 * DIMENSIONS, HEAD = 4096 }; /* over a megabyte, from where on a copy is a file */

static double many_of[MANY + 20][DIMENSIONS];
static bool gone_of[MANY + 20];

static desk an_empty_desk(things *h) {
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    KEEP(h, x);
    return d;
}

static void put_many(things *h, const desk *d, rng *random, int64_t *seq, int from, int to) {
    session *x = begin(h, true);
    for (int i = from; i < to; i++) seq[i] = with_random(x->t, d, random, many_of[i]).seq;
    KEEP(h, x);
}

/* What a scan in double finds. */
static int best_of_all(const double *q, int count) {
    int best = -1;
    for (int i = 0; i < count; i++)
        if (!gone_of[i] && (best < 0 || cosine(many_of[i], q) > cosine(many_of[best], q))) best = i;
    return best;
}

static void expect_best(things *h, const desk *d, rng *random, const int64_t *seq, int count) {
    err e = {0};
    session *x = begin(h, false);
    for (int round = 0; round < 3; round++) {
        double q[DIMENSIONS];
        record_hits hits;
        const record_query query = {.dataset = d->set.seq, .limit = 3};
        a_vector(random, q);
        assert_ok(record_similar(x->t, h->a, &query, &(nearness){d->vector.seq, q, DIMENSIONS, false, 0}, &hits, &e), e);
        assert_int_equal(hits.count, 3);
        assert_int_equal(hits.item[0].record.seq, seq[best_of_all(q, count)]);
    }
    KEEP(h, x);
}

/* The nearest to the vector of i is the record itself, or what the test says. */
static int64_t nearest_to(things *h, store_tx *t, const desk *d, int i) {
    err e = {0};
    record_hits hits;
    const record_query query = {.dataset = d->set.seq, .limit = 1};
    assert_ok(record_similar(t, h->a, &query, &(nearness){d->vector.seq, many_of[i], DIMENSIONS, false, 0}, &hits, &e), e);
    assert_int_equal(hits.count, 1);
    return hits.item[0].record.seq;
}

static void change_one(store_tx *t, const desk *d, rng *random, const int64_t *seq, int i) {
    err e = {0};
    a_vector(random, many_of[i]);
    gone_of[i] = false;
    assert_ok(vector_put(t, d->vector.seq, seq[i], many_of[i], DIMENSIONS, &e), e);
}

static void drop_one(store_tx *t, const desk *d, const int64_t *seq, int i) {
    err e = {0};
    gone_of[i] = true;
    assert_ok(vector_delete(t, d->vector.seq, seq[i], &e), e);
}

static const char *copy_path(things *h, const desk *d) {
    return path_join(h->a, h->folder, arena_printf(h->a, "vectors/%lld", (long long)d->vector.seq));
}

/* Which file it is: a second name keeps its number from being given to another one. */
static ino_t copy_file(things *h, const desk *d, int64_t rows) {
    struct stat s = {0};
    if (stat(copy_path(h, d), &s) != 0) fail_msg("there is no copy");
    assert_int_equal(s.st_size, HEAD + rows * ROW);
    assert_int_equal(s.st_mode & 077, 0);
    const char *held = path_join(h->a, h->folder, arena_printf(h->a, "held-%lld", (long long)s.st_ino));
    assert_true(file_exists(held) || link(copy_path(h, d), held) == 0);
    return s.st_ino;
}

static bool refresh(store_tx *t, void *context, err *e) {
    (void)context;
    return near_refresh(t, e);
}

static void a_large_copy_is_a_file_that_grows_and_outlives_the_process(void **state) {
    things *h = *state;
    err e = {0};
    rng random = rng_new(11, 0);
    static int64_t seq[MANY + 20];
    const desk d = an_empty_desk(h);
    put_many(h, &d, &random, seq, 0, MANY);
    assert_ok(store_read(h->s, refresh, NULL, &e), e); /* it might still change */
    assert_false(file_exists(copy_path(h, &d)));
    assert_ok(store_read(h->s, refresh, NULL, &e), e);
    const ino_t first = copy_file(h, &d, MANY);
    expect_best(h, &d, &random, seq, MANY);
    session *before = begin(h, false);
    assert_ok(vector_count(before->t, d.vector.seq, &e) == MANY, e);
    put_many(h, &d, &random, seq, MANY, MANY + 20);
    expect_best(h, &d, &random, seq, MANY + 20);
    assert_true(copy_file(h, &d, MANY + 20) == first);
    record_hits hits;
    const record_query query = {.dataset = d.set.seq, .limit = 1}; /* a snapshot of before has no row of after */
    assert_ok(
        record_similar(before->t, h->a, &query, &(nearness){d.vector.seq, many_of[MANY + 3], DIMENSIONS, false, 0}, &hits, &e),
        e);
    assert_true(hits.count == 1 && hits.item[0].record.seq <= seq[MANY - 1]);
    KEEP(h, before);
    reopen(h);
    expect_best(h, &d, &random, seq, MANY + 20);
    assert_true(copy_file(h, &d, MANY + 20) == first);
}

static void settle(things *h) {
    err e = {0};
    for (int i = 0; i < 2; i++) assert_ok(store_read(h->s, refresh, NULL, &e), e);
}

/* A desk with MANY vectors and their copy, as it was left. */
static desk many_there(things *h, rng *random, int64_t *seq) {
    const desk d = an_empty_desk(h);
    memset(gone_of, 0, sizeof gone_of);
    put_many(h, &d, random, seq, 0, MANY);
    settle(h);
    return d;
}

static void vectors_that_change_change_a_row_of_the_file(void **state) {
    things *h = *state;
    rng random = rng_new(13, 0);
    static int64_t seq[MANY + 20];
    const desk d = many_there(h, &random, seq);
    const ino_t first = copy_file(h, &d, MANY);
    for (int round = 0; round < 8; round++) {
        session *x = begin(h, true);
        for (int i = 0; i < 40; i++) change_one(x->t, &d, &random, seq, (int)rng_below(&random, MANY));
        for (int i = 0; i < 10; i++) drop_one(x->t, &d, seq, (int)rng_below(&random, MANY));
        const int again = (int)rng_below(&random, MANY); /* gone and back, in one transaction and over several */
        drop_one(x->t, &d, seq, again);
        if (round % 2) change_one(x->t, &d, &random, seq, again);
        drop_one(x->t, &d, seq, MANY - 1);
        KEEP(h, x);
        expect_best(h, &d, &random, seq, MANY);
        x = begin(h, true);
        change_one(x->t, &d, &random, seq, MANY - 1);
        KEEP(h, x);
        x = begin(h, false);
        assert_int_equal(nearest_to(h, x->t, &d, MANY - 1), seq[MANY - 1]);
        KEEP(h, x);
        if (round == 3) reopen(h);
        if (round == 5) settle(h);
    }
    assert_true(copy_file(h, &d, MANY) == first);
}

/* Records whose vectors come when others behind them have some. */
static void a_vector_in_between_needs_no_new_file(void **state) {
    things *h = *state;
    rng random = rng_new(14, 0);
    static int64_t seq[MANY + 20];
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    memset(gone_of, 0, sizeof gone_of);
    for (int i = MANY; i < MANY + 20; i++) seq[i] = a_record(x->t, &d.set, NULL).seq; /* before all that have vectors */
    KEEP(h, x);
    put_many(h, &d, &random, seq, 0, MANY);
    settle(h);
    const ino_t first = copy_file(h, &d, MANY);
    session *before = begin(h, false);
    assert_true(nearest_to(h, before->t, &d, 5) == seq[5]);
    for (int i = MANY; i < MANY + 20; i++) {
        x = begin(h, true);
        change_one(x->t, &d, &random, seq, i);
        KEEP(h, x);
        x = begin(h, false);
        assert_int_equal(nearest_to(h, x->t, &d, i), seq[i]);
        KEEP(h, x);
        assert_int_not_equal(nearest_to(h, before->t, &d, i), seq[i]);
        if (i != MANY + 10) continue;
        KEEP(h, before);
        reopen(h); /* what has no row is known to the file */
        before = begin(h, false);
        assert_true(nearest_to(h, before->t, &d, i) == seq[i]);
    }
    KEEP(h, before);
    expect_best(h, &d, &random, seq, MANY + 20);
    x = begin(h, true);
    drop_one(x->t, &d, seq, MANY + 3);
    KEEP(h, x);
    expect_best(h, &d, &random, seq, MANY + 20);
    assert_true(copy_file(h, &d, MANY) == first);
}

static void who_began_before_a_change_sees_what_was(void **state) {
    things *h = *state;
    rng random = rng_new(15, 0);
    static int64_t seq[MANY + 20];
    double old[DIMENSIONS], now[DIMENSIONS];
    const desk d = many_there(h, &random, seq);
    session *before = begin(h, false);
    assert_int_equal(nearest_to(h, before->t, &d, 7), seq[7]);
    memcpy(old, many_of[7], sizeof old);
    for (int i = 0; i < 3; i++) {
        session *x = begin(h, true);
        change_one(x->t, &d, &random, seq, 7);
        drop_one(x->t, &d, seq, 9);
        KEEP(h, x);
        expect_best(h, &d, &random, seq, MANY);
        assert_int_not_equal(nearest_to(h, before->t, &d, 7), seq[7]);
        assert_int_equal(nearest_to(h, before->t, &d, 9), seq[9]);
    }
    memcpy(now, many_of[7], sizeof now);
    memcpy(many_of[7], old, sizeof old);
    assert_int_equal(nearest_to(h, before->t, &d, 7), seq[7]);
    memcpy(many_of[7], now, sizeof now);
    session *x = begin(h, true);
    for (int i = 0; i < 600; i++) change_one(x->t, &d, &random, seq, 20 + i); /* more than are remembered */
    KEEP(h, x);
    expect_best(h, &d, &random, seq, MANY);
    memcpy(many_of[7], old, sizeof old);
    assert_int_equal(nearest_to(h, before->t, &d, 7), seq[7]);
    assert_int_equal(nearest_to(h, before->t, &d, 9), seq[9]);
    KEEP(h, before);
}

/* The rows of later states under the head of an earlier one, some of them torn. */
static void a_crash_between_rows_and_head_is_followed_again(void **state) {
    things *h = *state;
    err e = {0};
    rng random = rng_new(16, 0);
    static int64_t seq[MANY + 20];
    str bytes;
    const desk d = many_there(h, &random, seq);
    const ino_t first = copy_file(h, &d, MANY);
    const char *path = copy_path(h, &d);
    assert_ok(file_read(h->a, path, 1 << 22, &bytes, &e), e);
    session *x = begin(h, true);
    for (int i = 0; i < 50; i++) change_one(x->t, &d, &random, seq, 3 * i);
    for (int i = 0; i < 50; i++) drop_one(x->t, &d, seq, 3 * i + 1);
    KEEP(h, x);
    put_many(h, &d, &random, seq, MANY, MANY + 20);
    expect_best(h, &d, &random, seq, MANY + 20);
    store_close(h->s);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.ptr, 1, HEAD, f), HEAD);
    assert_int_equal(fseek(f, HEAD + 33 * ROW + 20, SEEK_SET), 0); /* half of a row that changed */
    assert_int_equal(fwrite(bytes.ptr, 1, ROW / 2, f), ROW / 2);
    assert_int_equal(fclose(f), 0);
    h->s = store_open(h->folder, &e);
    assert_ok(h->s != NULL, e);
    expect_best(h, &d, &random, seq, MANY + 20);
    x = begin(h, false);
    assert_int_equal(nearest_to(h, x->t, &d, 33), seq[33]);
    assert_int_not_equal(nearest_to(h, x->t, &d, 34), seq[34]);
    KEEP(h, x);
    assert_true(copy_file(h, &d, MANY + 20) == first);
}

static void what_cannot_be_followed_is_made_anew(void **state) {
    things *h = *state;
    err e = {0};
    rng random = rng_new(17, 0);
    static int64_t seq[MANY + 20];
    const desk d = many_there(h, &random, seq);
    const ino_t first = copy_file(h, &d, MANY);
    session *x = begin(h, true); /* more than a quarter is dead */
    for (int i = 0; i < 3410; i++) drop_one(x->t, &d, seq, i);
    KEEP(h, x);
    expect_best(h, &d, &random, seq, MANY);
    assert_true(copy_file(h, &d, MANY) == first);
    settle(h);
    settle(h);
    assert_true(copy_file(h, &d, MANY - 3410) != first);
    expect_best(h, &d, &random, seq, MANY);
    const ino_t second = copy_file(h, &d, MANY - 3410);
    x = begin(h, true); /* too many */
    for (int i = 3410; i < 8000; i++) change_one(x->t, &d, &random, seq, i);
    KEEP(h, x);
    expect_best(h, &d, &random, seq, MANY);
    assert_true(copy_file(h, &d, MANY - 3410) != second);
    const ino_t third = copy_file(h, &d, MANY - 3410);
    x = begin(h, true); /* an import that goes may take anything along; none of ours came with it */
    import_row i = {.dataset = d.set.seq, .source = "file"};
    assert_ok(import_begin(x->t, &i, d.ann.seq, &e) && import_undo(x->t, &i, &e), e);
    KEEP(h, x);
    expect_best(h, &d, &random, seq, MANY);
    assert_true(copy_file(h, &d, MANY - 3410) != third);
}

static void what_is_erased_leaves_the_copies(void **state) {
    things *h = *state;
    err e = {0};
    rng random = rng_new(12, 0);
    static int64_t seq[MANY + 20];
    static const char zeros[ROW - 8];
    bool left;
    str bytes;
    const desk d = many_there(h, &random, seq);
    const ino_t first = copy_file(h, &d, MANY);
    for (int round = 0; round < 2; round++) {
        const size_t at = HEAD + (3 + (size_t)round) * ROW + 8;
        if (round) reopen(h); /* a file that nobody has asked for yet */
        assert_ok(file_map(h->a, copy_path(h, &d), &bytes, &e), e);
        const str canary = {arena_copy(h->a, bytes.ptr + at, 32), 32};
        assert_true(str_find(bytes, canary, 0) == (int64_t)at);
        session *x = begin(h, true);
        const record r = {.seq = seq[3 + round], .dataset = d.set.seq};
        assert_ok(record_delete(x->t, &r, &e), e);
        gone_of[3 + round] = true;
        KEEP(h, x);
        assert_ok(store_scrub(h->s, NULL, &left, &e), e);
        assert_true(copy_file(h, &d, MANY) == first);
        assert_ok(file_map(h->a, copy_path(h, &d), &bytes, &e), e);
        assert_true(str_find(bytes, canary, 0) < 0);
        assert_memory_equal(bytes.ptr + at, zeros, sizeof zeros);
        expect_best(h, &d, &random, seq, MANY);
    }
}

/* Nobody knows what a file of another program holds. */
static void an_erasure_takes_files_away_that_it_cannot_read(void **state) {
    things *h = *state;
    err e = {0};
    rng random = rng_new(18, 0);
    static int64_t seq[MANY + 20];
    bool left;
    const desk d = many_there(h, &random, seq);
    const char *path = copy_path(h, &d);
    store_close(h->s);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 24, SEEK_SET), 0); /* the state in the head */
    assert_int_equal(fwrite("other st", 1, 8, f), 8);
    assert_int_equal(fclose(f), 0);
    h->s = store_open(h->folder, &e);
    assert_ok(h->s != NULL, e);
    assert_ok(store_scrub(h->s, NULL, &left, &e), e);
    assert_false(file_exists(path));
    expect_best(h, &d, &random, seq, MANY);
    copy_file(h, &d, MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_large_copy_is_a_file_that_grows_and_outlives_the_process),
        STORE_TEST(vectors_that_change_change_a_row_of_the_file),
        STORE_TEST(a_vector_in_between_needs_no_new_file),
        STORE_TEST(who_began_before_a_change_sees_what_was),
        STORE_TEST(a_crash_between_rows_and_head_is_followed_again),
        STORE_TEST(what_cannot_be_followed_is_made_anew),
        STORE_TEST(what_is_erased_leaves_the_copies),
        STORE_TEST(an_erasure_takes_files_away_that_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
