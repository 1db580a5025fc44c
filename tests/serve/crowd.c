/* A crowd at one dataset: nobody gets what somebody else works on, every record gets the answers it needs and no more, and the counts
 * are those of the rows whatever came in between. */
#include "house.h"

#include "base/rng.h"

enum { PEOPLE = 8, RECORDS = 40 };

typedef struct {
    person who;
    const char *set;
    rng random;
    arena *a;
    int answered, twice, failed;
    int patience;
    bool careless; /* asks twice, drops connections */
} annotator;

static const char *text_of(annotator *x, const char *key, str body) {
    err e = {0};
    const json *v = body.len ? json_parse(x->a, body, &e) : NULL;
    return str_copy(x->a, json_get_text(v, key, STR("")));
}

static answer submit(annotator *x, int fd, const char *record_id, const char *value) {
    const char *body = arena_printf(
        x->a, "{\"items\":[{\"record_id\":\"%s\",\"status\":\"submitted\",\"values\":{\"label\":{\"value\":\"%s\"}}}]}",
        record_id, value);
    return request_on(x->a, fd, "POST", "/api/v1/me/responses/bulk", x->who.key, NULL, str_of(body));
}

static void *annotate(void *context) {
    annotator *x = context;
    const char *next = arena_printf(x->a, "/api/v1/me/datasets/%s/next", x->set);
    int fd = dial(the_house->port), idle = 0;
    while (fd >= 0) {
        const answer got = request_on(x->a, fd, "POST", next, x->who.key, NULL, STR("{\"order\":\"random\"}"));
        if (got.status == 404 && ++idle < x->patience) { /* what is left is held by others */
            usleep(20000);
            continue;
        }
        if (got.status == 404) break;
        idle = 0;
        const char *id = text_of(x, "id", got.body);
        if (got.status != 200 || !*id) {
            x->failed++;
            break;
        }
        if (x->careless && rng_below(&x->random, 4) == 0) { /* sent, and gone before the answer comes */
            const char *body = arena_printf(
                x->a, "{\"items\":[{\"record_id\":\"%s\",\"status\":\"submitted\",\"values\":{\"label\":{\"value\":\"no\"}}}]}",
                id);
            send_bytes(fd, str_of(arena_printf(x->a,
                                               "POST /api/v1/me/responses/bulk HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: "
                                               "%s\r\nContent-Length: %zu\r\n\r\n%s",
                                               x->who.key, strlen(body), body)));
            close(fd);
            fd = dial(the_house->port);
        }
        for (int i = 0; i < (x->careless ? 2 : 1); i++) {
            const answer sent = submit(x, fd, id, "yes");
            if (sent.status != 200 || str_find(sent.body, STR("\"error\":null"), 0) < 0) x->failed++;
        }
        x->answered++;
    }
    if (fd >= 0) close(fd);
    return NULL;
}

static void every_record_gets_the_answers_it_needs(int overlap, bool careless) {
    annotator crowd[PEOPLE];
    pthread_t thread[PEOPLE];
    const stuff d = a_dataset(a_space(), NULL);
    const char *set = FORMAT("/api/v1/datasets/%s", d.id);
    buf items = {0};
    for (int i = 1; i < RECORDS; i++) buf_printf(&items, "%s{'fields':{'text':'t%d'}}", i > 1 ? "," : "", i);
    made("PUT", FORMAT("%s/records/bulk", set), FORMAT("{'items':[%s]}", items.ptr));
    buf_free(&items);
    made("PATCH", set, FORMAT("{'distribution':{'strategy':'overlap','min_submitted':%d}}", overlap));
    for (int i = 0; i < PEOPLE; i++) {
        crowd[i] = (annotator){.who = a_person("annotator"),
                               .set = d.id,
                               .random = rng_new(5, (uint64_t)i),
                               .a = arena_new(),
                               .patience = overlap > 1 ? 50 : 1,
                               .careless = careless};
        joins(d.space, &crowd[i].who);
    }
    for (int i = 0; i < PEOPLE; i++) assert_int_equal(pthread_create(&thread[i], NULL, annotate, &crowd[i]), 0);
    int answered = 0, failed = 0;
    for (int i = 0; i < PEOPLE; i++) {
        pthread_join(thread[i], NULL);
        arena_free(crowd[i].a);
        answered += crowd[i].answered;
        failed += crowd[i].failed;
    }
    assert_int_equal(failed, 0);
    assert_int_equal(answered, RECORDS * overlap);
    const json *all = made("GET", FORMAT("%s/records?limit=1000&include=responses", set), NULL);
    for (int i = 0; i < RECORDS; i++) {
        const json *r = json_at(json_get(all, "items"), (size_t)i);
        assert_int_equal(json_count(json_get(r, "responses")), overlap);
        assert_string_equal(word(r, "status"), "completed");
    }
    const json *counts = made("GET", FORMAT("%s/progress", set), NULL);
    assert_int_equal(json_get_int(counts, "completed", -1), RECORDS);
    assert_int_equal(json_get_int(counts, "pending", -1), 0);
}

static void nobody_gets_what_somebody_works_on(void **state) {
    (void)state;
    every_record_gets_the_answers_it_needs(1, false);
}

static void what_was_answered_is_free_for_the_next(void **state) {
    (void)state;
    every_record_gets_the_answers_it_needs(3, false);
}

static void double_clicks_and_dropped_connections_change_no_count(void **state) {
    (void)state;
    every_record_gets_the_answers_it_needs(1, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(nobody_gets_what_somebody_works_on), TEST(what_was_answered_is_free_for_the_next),
                                       TEST(double_clicks_and_dropped_connections_change_no_count)};
    return HOUSE_TESTS(tests);
}
