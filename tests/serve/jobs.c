/* Long work: it goes on beside requests, tells how far it is, stops when asked, and is shown to whom it concerns. */
#include "house.h"

#include <stdatomic.h>

#include "serve/jobs.h"

typedef struct {
    _Atomic int step; /* the test lets the work go on to here */
    _Atomic bool ended;
    bool fails;
} work;

static bool count_to_ten(job *j, void *context, json_writer *result, err *e) {
    work *w = context;
    for (int i = 1; i <= 10; i++) {
        while (w->step < i && !job_stop_asked(j)) usleep(500);
        if (job_stop_asked(j)) return err_set(e, ERR_STOPPED, "stopped");
        job_progress(j, i, 10, "counting");
        if (w->fails) return err_set(e, ERR_IO, "no more fingers");
    }
    json_key(result, "path"), json_put_cstr(result, "somewhere");
    return true;
}

static void end_work(void *context) { ((work *)context)->ended = true; }

static const char *begin(work *w, const job_order *o) {
    uuid_text id;
    err e = {0};
    assert_ok(job_run(the_house->s, o, count_to_ten, end_work, w, id, &e), e);
    return arena_text(the_house->a, id);
}

static json *look(const char *id) { return made("GET", FORMAT("/api/v1/jobs/%s", id), NULL); }

static json *wait_until(const char *id, const char *status) {
    for (int i = 0; i < 5000; i++) {
        json *v = look(id);
        if (strcmp(word(v, "status"), status) == 0) return v;
        usleep(1000);
    }
    fail_msg("the job did not become %s: it is %s", status, word(look(id), "status"));
    return NULL;
}

static const job_order counting = {.kind = "count", .unit = "fingers", .total = 10};

static void a_job_tells_how_far_it_is_and_what_came_of_it(void **state) {
    (void)state;
    work w = {0};
    const char *id = begin(&w, &counting);
    assert_string_equal(word(look(id), "status"), "started");
    w.step = 4;
    while (json_get_int(look(id), "done", 0) < 4) usleep(500);
    const json *half = look(id);
    assert_int_equal(json_get_int(half, "total", 0), 10);
    assert_string_equal(word(half, "unit"), "fingers");
    assert_string_equal(word(half, "message"), "counting");
    assert_null(json_get(half, "result"));
    w.step = 10;
    const json *done = wait_until(id, "finished");
    assert_true(w.ended);
    assert_string_equal(word(json_get(done, "result"), "path"), "somewhere");
    assert_null(json_get(done, "error"));
    assert_non_null(json_get(done, "ended_at"));
}

static void a_failed_job_says_why(void **state) {
    (void)state;
    work w = {.step = 10, .fails = true};
    const json *v = wait_until(begin(&w, &counting), "failed");
    assert_string_equal(word(v, "error"), "no more fingers");
    assert_true(w.ended);
}

static void a_job_stops_when_asked(void **state) {
    (void)state;
    work w = {.step = 2};
    const char *id = begin(&w, &counting);
    made("POST", FORMAT("/api/v1/jobs/%s/stop", id), "{}");
    assert_null(json_get(wait_until(id, "stopped"), "error"));
    assert_true(w.ended);
}

static void a_job_is_shown_to_whom_it_concerns(void **state) {
    (void)state;
    const char *space = a_space();
    const person ann = a_person("annotator"), ben = a_person("admin"), eve = a_person("admin");
    joins(space, &ann), joins(space, &ben);
    work w = {.step = 10}, x = {.step = 10};
    const char *id = begin(&w, &counting), *at = FORMAT("/api/v1/jobs/%s", id);
    wait_until(id, "finished");
    assert_int_equal(request_of(ben.key, "GET", at, NULL).status, 200);
    assert_int_equal(request_of(ann.key, "GET", at, NULL).status, 404);
    assert_int_equal(request_of(NULL, "GET", at, NULL).status, 401);
    const job_order foreign = {.kind = "count", .workspace = 1 << 30};
    at = FORMAT("/api/v1/jobs/%s", begin(&x, &foreign));
    assert_int_equal(request_of(eve.key, "GET", at, NULL).status, 404);
    assert_int_equal(request_of(eve.key, "POST", FORMAT("%s/stop", at), "{}").status, 404);
    const json *mine = json_get(parsed(request_of(eve.key, "GET", "/api/v1/jobs", NULL).body), "items");
    for (size_t i = 0; i < json_count(mine); i++) assert_null(strstr(at, word(json_at(mine, i), "id")));
    while (!x.ended) usleep(500);
}

static void an_unknown_job_is_not_found(void **state) {
    int status;
    (void)state;
    ask("GET", "/api/v1/jobs/" MISSING, NULL, &status);
    assert_int_equal(status, 404);
    ask("GET", "/api/v1/jobs/7", NULL, &status);
    assert_int_equal(status, 404);
}

static void more_than_a_few_at_once_are_refused(void **state) {
    (void)state;
    work w[JOBS_AT_ONCE] = {0}, late = {0};
    const char *ids[JOBS_AT_ONCE];
    uuid_text id;
    for (int i = 0; i < JOBS_AT_ONCE; i++) ids[i] = begin(&w[i], &counting);
    assert_fails(job_run(the_house->s, &counting, count_to_ten, end_work, &late, id, &because), ERR_BUSY);
    assert_true(late.ended);
    for (int i = 0; i < JOBS_AT_ONCE; i++) w[i].step = 10;
    for (int i = 0; i < JOBS_AT_ONCE; i++) wait_until(ids[i], "finished");
}

static void the_stream_of_events_tells_of_jobs(void **state) {
    (void)state;
    const person olga = a_person("owner");
    char chunk[8192];
    buf seen = {0};
    const int fd = dial(the_house->port);
    assert_true(send_bytes(
        fd, str_of(FORMAT("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\n\r\n", olga.key))));
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    work w = {.step = 10};
    const char *id = begin(&w, &counting);
    for (int i = 0; i < 50 && n > 0; i++) {
        if (seen.ptr && str_find(buf_str(&seen), STR("\"status\":\"finished\""), 0) >= 0) break;
        if ((n = recv(fd, chunk, sizeof chunk, 0)) > 0) buf_put(&seen, chunk, (size_t)n);
    }
    assert_true(str_find(buf_str(&seen), STR("event: job\ndata: {"), 0) >= 0);
    assert_true(str_find(buf_str(&seen), str_of(id), 0) >= 0);
    assert_true(str_find(buf_str(&seen), STR("\"status\":\"finished\""), 0) >= 0);
    buf_free(&seen);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_tells_how_far_it_is_and_what_came_of_it),
        cmocka_unit_test(a_failed_job_says_why),
        cmocka_unit_test(a_job_stops_when_asked),
        cmocka_unit_test(a_job_is_shown_to_whom_it_concerns),
        cmocka_unit_test(an_unknown_job_is_not_found),
        cmocka_unit_test(more_than_a_few_at_once_are_refused),
        cmocka_unit_test(the_stream_of_events_tells_of_jobs),
    };
    return HOUSE_TESTS(tests);
}
