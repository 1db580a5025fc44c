/* The stream of events: all that happened since, in order and at once; of one's own workspaces; and only for those who may still come in. */
#include "house.h"

/* What comes from a stream until `needle` stands in it `times` times, the server closes it, or the time is over. */
typedef struct {
    int fd;
    buf seen;
    bool closed;
} stream;

static stream listen_as(const char *key, const char *query) {
    stream x = {.fd = dial(the_house->port)};
    const struct timeval patience = {.tv_usec = 100000};
    setsockopt(x.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_true(send_bytes(
        x.fd, str_of(FORMAT("GET /api/v1/events%s HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\n\r\n", query, key))));
    return x;
}

static int count_of(const stream *x, const char *needle) {
    int count = 0;
    for (ptrdiff_t at = -1; x->seen.ptr && (at = str_find(buf_str(&x->seen), str_of(needle), (size_t)(at + 1))) >= 0;) count++;
    return count;
}

/* By closing, or by the last chunk. */
static bool has_ended(const stream *x) { return x->closed || str_ends(buf_str(&x->seen), STR("\r\n0\r\n\r\n")); }

static bool wait_for(stream *x, const char *needle, int times, double seconds) {
    char chunk[8192];
    for (const double end = sys_seconds() + seconds; !has_ended(x) && count_of(x, needle) < times && sys_seconds() < end;) {
        const ssize_t n = recv(x->fd, chunk, sizeof chunk, 0);
        if (n == 0) x->closed = true;
        if (n > 0) buf_put(&x->seen, chunk, (size_t)n);
    }
    return count_of(x, needle) >= times;
}

static void hang_up(stream *x) {
    close(x->fd);
    buf_free(&x->seen);
}

static void add_records(const char *set, int count) {
    buf items = {0};
    for (int i = 0; i < count; i++) buf_printf(&items, "%s{'fields':{'text':'t'}}", i ? "," : "");
    made("PUT", FORMAT("/api/v1/datasets/%s/records/bulk", set), FORMAT("{'items':[%s]}", items.ptr));
    buf_free(&items);
}

static void all_that_happened_comes_at_once_and_in_order(void **state) {
    (void)state;
    const person owner = a_person("owner");
    const stuff d = a_dataset(a_space(), NULL);
    add_records(d.id, 450);
    stream x = listen_as(owner.key, "?after=0");
    if (!wait_for(&x, "event: record.created", 451, 5)) fail_msg("%d of 451 came", count_of(&x, "event: record.created"));
    long last = 0, id;
    for (ptrdiff_t at = 0; (at = str_find(buf_str(&x.seen), STR("\nid: "), (size_t)at)) >= 0; at++, last = id) {
        id = atol(x.seen.ptr + at + 5);
        assert_true(id > last);
    }
    made("PATCH", FORMAT("/api/v1/datasets/%s", d.id), "{'name':'another'}");
    assert_true(wait_for(&x, "event: dataset.updated", 1, 3));
    hang_up(&x);
    /* and on from where one was */
    x = listen_as(owner.key, FORMAT("?after=%ld", last));
    assert_true(wait_for(&x, "event: dataset.updated", 1, 3));
    assert_int_equal(count_of(&x, "event: record.created"), 0);
    hang_up(&x);
}

static void nothing_is_missed_that_happens_while_one_comes_in(void **state) {
    (void)state;
    const person owner = a_person("owner");
    const stuff d = a_dataset(a_space(), NULL);
    for (int i = 0; i < 20; i++) {
        stream x = listen_as(owner.key, "");
        assert_true(wait_for(&x, ": fettle", 1, 3));
        add_records(d.id, 1);
        if (!wait_for(&x, "event: record.created", 1, 3)) fail_msg("round %d: it did not come", i);
        hang_up(&x);
    }
}

static void events_of_other_workspaces_do_not_come(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const stuff mine = a_dataset(a_space(), NULL), other = a_dataset(a_space(), NULL);
    joins(mine.space, &ann);
    stream x = listen_as(ann.key, "?after=0");
    add_records(other.id, 3);
    add_records(mine.id, 1);
    made("PATCH", FORMAT("/api/v1/datasets/%s", mine.id), "{'name':'seen'}");
    assert_true(wait_for(&x, "event: dataset.updated", 1, 5));
    assert_int_equal(count_of(&x, other.id), 0);
    assert_true(count_of(&x, mine.id) >= 2);
    hang_up(&x);
}

static void a_stream_ends_with_the_right_to_it(void **state) {
    (void)state;
    const person ann = a_person("owner"), bob = a_person("owner");
    const stuff d = a_dataset(a_space(), NULL);
    stream gone = listen_as(ann.key, ""), demoted = listen_as(bob.key, "");
    assert_true(wait_for(&gone, ": fettle", 1, 3) && wait_for(&demoted, ": fettle", 1, 3));
    made("DELETE", FORMAT("/api/v1/users/%s", ann.id), NULL);
    made("PATCH", FORMAT("/api/v1/users/%s", bob.id), "{'role':'annotator'}");
    add_records(d.id, 1);
    assert_false(wait_for(&gone, "event: record.created", 1, 3));
    assert_true(has_ended(&gone));
    assert_false(wait_for(&demoted, "event: record.created", 1, 1));
    hang_up(&gone);
    hang_up(&demoted);
    const person cat = a_person("owner");
    stream revoked = listen_as(cat.key, "");
    assert_true(wait_for(&revoked, ": fettle", 1, 3));
    const char *id = word(json_at(json_get(parsed(request_of(cat.key, "GET", "/api/v1/me/keys", NULL).body), "items"), 0), "id");
    assert_int_equal(request_of(cat.key, "DELETE", FORMAT("/api/v1/me/keys/%s", id), NULL).status, 204);
    add_records(d.id, 1);
    assert_false(wait_for(&revoked, "event: record.created", 1, 3));
    assert_true(has_ended(&revoked));
    hang_up(&revoked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(all_that_happened_comes_at_once_and_in_order),
        TEST(nothing_is_missed_that_happens_while_one_comes_in),
        TEST(events_of_other_workspaces_do_not_come),
        TEST(a_stream_ends_with_the_right_to_it),
    };
    return HOUSE_TESTS(tests);
}
