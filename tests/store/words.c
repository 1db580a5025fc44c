/* The lists of words in memory say what the database's index says: the same records, totals, scores and order, whatever happened to the
 * records, and while they are behind they say nothing. */
#include "things.h"

#include <math.h>

#include "base/rng.h"
#include "store/db.h"
#include "store/words.h"

enum { RECORDS = 400, FIELDS = 2, QUERIES = 150 }; /* records are a multiple of a piece: the last one is empty */

static const char *const vocabulary[] = {"the", "of", "and", "Alpha", "beta", "\xc3\x89t\xc3\xa9", "gamma", "42", "rare", "x1"};

typedef struct {
    desk d;
    part second, number;
    parts fields;
    part both[FIELDS];
    record r[RECORDS];
    str text[RECORDS][FIELDS]; /* NULL view: the record is gone */
    rng random;
    things *h;
} world;

/* The first words of the vocabulary are in nearly every text. */
static str some_text(world *w) {
    buf text = {0};
    for (uint32_t n = rng_below(&w->random, 30); n; n--) {
        const double u = rng_uniform(&w->random);
        buf_printf(&text, "%s%s", vocabulary[(int)(10 * u * u)], rng_below(&w->random, 5) ? " " : ", ");
    }
    const str out = {arena_copy(w->h->a, text.ptr ? text.ptr : "", text.len), text.len};
    buf_free(&text);
    return out;
}

static void write_texts(world *w, store_tx *t, int i, bool known) {
    err e = {0};
    str before[FIELDS];
    memcpy(before, w->text[i], sizeof before);
    for (int f = 0; f < FIELDS; f++) w->text[i][f] = some_text(w);
    assert_ok(search_put(t, w->d.set.seq, w->r[i].seq, &w->fields, known ? before : NULL, w->text[i], &e), e);
}

static void make_world(things *h, world *w, store_tx *t) {
    err e = {0};
    *w = (world){.d = a_desk(t), .random = rng_new(5, 5), .h = h};
    w->second = a_part(t, &w->d.set, PART_FIELD, "second");
    w->number = a_part(t, &w->d.set, PART_METADATA, "number");
    w->number.settings = STR("{\"type\":\"float\"}");
    assert_ok(part_save(t, &w->number, &e), e);
    w->both[0] = w->d.field, w->both[1] = w->second;
    w->fields = (parts){w->both, FIELDS};
    w->d.set.ready = true;
    assert_ok(dataset_save(t, &w->d.set, &e) && search_create(t, w->d.set.seq, &w->fields, &e), e);
    const user bob = a_user(t, "bob", ROLE_ANNOTATOR);
    for (int i = 0; i < RECORDS; i++) {
        w->r[i] = a_record(t, &w->d.set, NULL);
        write_texts(w, t, i, false);
        if (rng_below(&w->random, 3)) an_answer(t, &w->r[i], &w->d.ann, (response_status)rng_below(&w->random, 3), NULL);
        if (rng_below(&w->random, 3) == 0) an_answer(t, &w->r[i], &bob, RESPONSE_SUBMITTED, NULL);
        if (rng_below(&w->random, 4))
            assert_ok(facet_add(t, FACET_METADATA, w->number.seq, w->r[i].seq, 0, (str){NULL, 0}, rng_below(&w->random, 40), &e),
                      e);
    }
    /* few as they are, they count as many: only large datasets are to have lists */
    assert_ok(db_run(t, &e, "UPDATE datasets SET records = records + $1 WHERE seq = $2", db_i(WORDS_LEAST), db_i(w->d.set.seq)),
              e);
}

/* Some texts change, some records go. */
static void disturb(world *w, store_tx *t) {
    err e = {0};
    for (int n = 0; n < 30; n++) {
        const int i = (int)rng_below(&w->random, RECORDS);
        if (!w->text[i][0].ptr) continue;
        if (rng_below(&w->random, 3)) {
            write_texts(w, t, i, true);
            continue;
        }
        assert_ok(search_put(t, w->d.set.seq, w->r[i].seq, &w->fields, w->text[i], NULL, &e) && record_delete(t, &w->r[i], &e),
                  e);
        w->text[i][0].ptr = NULL;
    }
}

static void catch_up(world *w, store_tx *t) {
    err e = {0};
    for (int i = 0; i < 1000; i++) {
        words_piece p;
        assert_ok(words_take(t, w->h->a, w->d.set.seq, 40, &p, &e), e);
        if (!p.more) return;
        const str **texts = arena_array(w->h->a, const str *, p.list.count + 1);
        for (int k = 0; k < p.list.count; k++)
            for (int j = 0; j < RECORDS; j++)
                if (w->r[j].seq == p.list.item[k].seq) texts[k] = w->text[j];
        assert_ok(words_give(t, &p, texts, FIELDS, &e), e);
    }
    fail_msg("the lists never catch up");
}

static bool there(world *w, store_tx *t) {
    err e = {0};
    words_hits hits;
    const bool ok = words_find(t, w->h->a, w->d.set.seq, &STR("the"), 1, &hits, &e);
    int64_t behind;
    words_hits_free(&hits);
    assert_ok(words_behind(t, &behind, &e), e);
    assert_int_equal(behind, !ok);
    return ok;
}

/* Equal but for the last digits, so that either may come first; at the ends of a page its equal may be on the next. */
static bool is_tied(const record_hits *all, const record_hit *x) {
    for (int i = 0; i < all->count; i++)
        if (fabs(all->item[i].score - x->score) <= 1e-12 * (1 + x->score) &&
            (all->item[i].record.seq == x->record.seq || i == 0 || i == all->count - 1))
            return true;
    return false;
}

/* What only the database's index can tell is asked with words that mean the same: in quotes they are a phrase of one. */
static void compare_one(world *w, store_tx *t) {
    err e = {0};
    buf plain = {0}, quoted = {0};
    record_hits by_lists, by_index;
    filter range = {
        .kind = FILTER_RANGE, .scope = SCOPE_METADATA, .part = w->number.seq, .ge = rng_below(&w->random, 30), .le = NAN};
    range.le = range.ge + 15;
    const filter inserted = {.kind = FILTER_RANGE, .scope = SCOPE_INSERTED_AT, .ge = 0, .le = NAN}, *both[] = {&range, &inserted};
    const filter all = {.kind = FILTER_AND, .child = both, .children = 2},
                 not_that = {.kind = FILTER_NOT, .child = both, .children = 1};
    static const char *const states[] = {"pending", "draft", "submitted", "discarded", "pending", "completed"};
    const uint32_t s = rng_below(&w->random, 6);
    str term = str_of(states[s]);
    const filter status = {
        .kind = FILTER_TERMS, .scope = s < 4 ? SCOPE_RESPONSE_STATUS : SCOPE_STATUS, .terms = &term, .count = 1};
    const filter *three[] = {&range, &status, &inserted};
    const filter with_status = {.kind = FILTER_AND, .child = three, .children = 3},
                 not_status = {.kind = FILTER_NOT, .child = three + 1, .children = 1};
    const filter *const filters[] = {NULL, &range, &all, &not_that, &status, &with_status, &not_status};
    const sort_key key = {SCOPE_METADATA, w->number.seq, rng_below(&w->random, 2) == 1};
    for (uint32_t n = 1 + rng_below(&w->random, 3); n; n--) {
        const char *word = vocabulary[rng_below(&w->random, 10)];
        buf_printf(&plain, "%s ", word), buf_printf(&quoted, "\"%s\" ", word);
    }
    record_query q = {.dataset = w->d.set.seq,
                      .text = buf_str(&plain),
                      .where = filters[rng_below(&w->random, 7)],
                      .user = rng_below(&w->random, 2) ? w->d.ann.seq : 0,
                      .sort = &key,
                      .sorts = rng_below(&w->random, 2) == 1,
                      .offset = rng_below(&w->random, 60),
                      .limit = 1 + rng_below(&w->random, 50)};
    assert_ok(record_search(t, w->h->a, &q, &by_lists, &e), e);
    q.text = buf_str(&quoted);
    assert_ok(record_search(t, w->h->a, &q, &by_index, &e), e);
    if (by_lists.total != by_index.total) fail_msg("%s: %d and %d", plain.ptr, (int)by_lists.total, (int)by_index.total);
    assert_int_equal(by_lists.count, by_index.count);
    for (int i = 0; i < by_lists.count; i++) {
        const record_hit *x = &by_lists.item[i], *y = &by_index.item[i];
        if (fabs(x->score - y->score) > 1e-9 * (1 + fabs(y->score)))
            fail_msg("%s: scores %.17g and %.17g", plain.ptr, x->score, y->score);
        if (x->record.seq != y->record.seq && (q.sorts || !is_tied(&by_index, x)))
            fail_msg("%s: place %d is another record", plain.ptr, i);
    }
    buf_free(&plain), buf_free(&quoted);
}

static void lists_say_what_the_index_says(void **state) {
    things *h = *state;
    world *w = arena_new_of(h->a, world);
    session *x = begin(h, true);
    make_world(h, w, x->t);
    assert_false(there(w, x->t));
    catch_up(w, x->t);
    for (int round = 0; round < 8; round++) {
        assert_true(there(w, x->t));
        for (int i = 0; i < QUERIES; i++) compare_one(w, x->t);
        disturb(w, x->t);
        assert_false(there(w, x->t)); /* behind: the index answers */
        for (int i = 0; i < 5; i++) compare_one(w, x->t);
        catch_up(w, x->t);
    }
    KEEP(h, x);
}

/* Lists that know more than a transaction sees are not used by it. */
static void an_older_view_does_not_use_newer_lists(void **state) {
    things *h = *state;
    world *w = arena_new_of(h->a, world);
    session *x = begin(h, true);
    make_world(h, w, x->t);
    catch_up(w, x->t);
    KEEP(h, x);
    session *old = begin(h, false);
    assert_true(there(w, old->t));
    x = begin(h, true);
    write_texts(w, x->t, 0, true);
    KEEP(h, x);
    x = begin(h, false);
    catch_up(w, x->t);
    assert_true(there(w, x->t));
    assert_false(there(w, old->t));
    for (int i = 0; i < 20; i++) compare_one(w, x->t);
    KEEP(h, x);
    KEEP(h, old);
}

static void a_field_more_begins_the_lists_anew(void **state) {
    things *h = *state;
    err e = {0};
    world *w = arena_new_of(h->a, world);
    session *x = begin(h, true);
    make_world(h, w, x->t);
    catch_up(w, x->t);
    assert_ok(search_create(x->t, w->d.set.seq, &w->fields, &e), e);
    for (int i = 0; i < RECORDS; i++) write_texts(w, x->t, i, false);
    assert_false(there(w, x->t));
    catch_up(w, x->t);
    assert_true(there(w, x->t));
    for (int i = 0; i < QUERIES; i++) compare_one(w, x->t);
    KEEP(h, x);
}

static int64_t changes(store_tx *t) {
    err e = {0};
    return db_int_of(t, &e, -1, "SELECT count(*) FROM text_changes WHERE seq > $1", db_i(0));
}

/* What was read goes, some at a time; the last change stays, for its number is the state. */
static void changes_that_were_read_are_forgotten(void **state) {
    things *h = *state;
    err e = {0};
    world *w = arena_new_of(h->a, world);
    session *x = begin(h, true);
    make_world(h, w, x->t);
    for (int round = 0; round < 6; round++)
        for (int i = 0; i < RECORDS; i++) write_texts(w, x->t, i, true);
    const int64_t before = changes(x->t);
    int64_t forgotten = -1, all = 0;
    assert_in_range(before, 2 * TIDY_MOST, 4 * TIDY_MOST);
    catch_up(w, x->t);
    while (forgotten) {
        assert_ok(words_tidy(x->t, &forgotten, &e), e);
        assert_in_range(forgotten, 0, TIDY_MOST);
        all += forgotten;
    }
    assert_in_range(all, TIDY_MOST + 1, before - 1);
    assert_int_equal(changes(x->t), before - all);
    assert_true(there(w, x->t));
    for (int i = 0; i < 20; i++) compare_one(w, x->t);
    disturb(w, x->t);
    const int64_t unread = changes(x->t);
    assert_ok(words_tidy(x->t, &forgotten, &e), e);
    assert_int_equal(changes(x->t), unread - forgotten);
    catch_up(w, x->t);
    for (int i = 0; i < 20; i++) compare_one(w, x->t);
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(lists_say_what_the_index_says),
        STORE_TEST(an_older_view_does_not_use_newer_lists),
        STORE_TEST(a_field_more_begins_the_lists_anew),
        STORE_TEST(changes_that_were_read_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
