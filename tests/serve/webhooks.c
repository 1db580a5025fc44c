/* Webhooks are told in order, each in its own time: one that does not answer delays nobody, and what failed comes again
 * under the same id: it waits in the store, where a restart finds it. */
#include "house.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { HEARD = 64 };

/* A receiver of one address: answers with `status`; 0: never. */
typedef struct {
    int fd, port;
    _Atomic int status, count;
    _Atomic bool over;
    char id[HEARD][64], kind[HEARD][32];
    pthread_t thread;
} ear;

static void hear_one(ear *x, int fd) {
    char all[16384];
    size_t n = 0;
    for (ssize_t got; n + 1 < sizeof all && (got = recv(fd, all + n, sizeof all - 1 - n, 0)) > 0;) {
        all[n += (size_t)got] = '\0';
        const char *body = strstr(all, "\r\n\r\n"), *length = strstr(all, "Content-Length: ");
        if (body && length && strlen(body + 4) >= (size_t)atoi(length + 16)) break;
    }
    const char *id = strstr(all, "webhook-id: "), *kind = strstr(all, "\"type\":\"");
    const int at = x->count;
    if (!id || !kind || at == HEARD || !strstr(all, "webhook-signature: v1,")) return;
    sscanf(id + 12, "%63[^\r]", x->id[at]);
    sscanf(kind + 8, "%31[^\"]", x->kind[at]);
    int status = x->status; /* before anybody knows that something came */
    x->count = at + 1;
    for (; !status && !x->over; status = x->status) usleep(10000);
    const char *reply = status == 200 ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                                      : "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    send_bytes(fd, str_of(reply));
}

static void *hear(void *context) {
    ear *x = context;
    while (!x->over) {
        struct pollfd p = {.fd = x->fd, .events = POLLIN};
        if (poll(&p, 1, 50) != 1) continue;
        const int fd = accept(x->fd, NULL, NULL);
        if (fd < 0) continue;
        hear_one(x, fd);
        close(fd);
    }
    return NULL;
}

static void listen_on(ear *x, int status) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *x = (ear){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .status = status};
    assert_int_equal(bind(x->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(x->fd, 16), 0);
    assert_int_equal(getsockname(x->fd, (struct sockaddr *)&at, &size), 0);
    x->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&x->thread, NULL, hear, x), 0);
}

static void go_deaf(ear *x) {
    x->over = true;
    pthread_join(x->thread, NULL);
    close(x->fd);
}

static const char *a_webhook(const ear *x) {
    return word(made("POST", "/api/v1/webhooks",
                     FORMAT("{'url':'http://127.0.0.1:%d/','events':['record.created','record.deleted']}", x->port)),
                "id");
}

static bool hears(const ear *x, int count, double seconds) {
    for (const double end = sys_seconds() + seconds; x->count < count && sys_seconds() < end;) usleep(10000);
    return x->count >= count;
}

static void add_records(const stuff *x, int count) {
    for (int i = 0; i < count; i++)
        made("POST", FORMAT("/api/v1/datasets/%s/records/bulk", x->id), "{'items':[{'fields':{'text':'a'}}]}");
}

static void a_silent_webhook_delays_no_other(void **state) {
    (void)state;
    ear silent, quick;
    listen_on(&silent, 0), listen_on(&quick, 200);
    const stuff x = a_dataset(a_space(), NULL);
    const char *first = a_webhook(&silent), *second = a_webhook(&quick);
    add_records(&x, 8);
    assert_true(hears(&silent, 1, 10));
    assert_true(hears(&quick, 8, 10));
    assert_int_equal(silent.count, 1);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(quick.id[i], quick.id[k]);
    made("DELETE", FORMAT("/api/v1/records/%s", x.record), NULL);
    assert_true(hears(&quick, 9, 10));
    assert_string_equal(quick.kind[0], "record.created");
    assert_string_equal(quick.kind[8], "record.deleted");
    made("DELETE", FORMAT("/api/v1/webhooks/%s", first), NULL);
    made("DELETE", FORMAT("/api/v1/webhooks/%s", second), NULL);
    go_deaf(&silent), go_deaf(&quick);
}

/* The pauses are long: a test does not wait for them, it makes the store forget them. */
static bool all_due(store_tx *t, void *context, err *e) {
    webhooks hooks;
    bool ok = webhook_list(t, the_house->a, &hooks, e);
    for (int i = 0; ok && i < hooks.count; i++) {
        int64_t seq;
        int tries = 0;
        ok = delivery_again(t, hooks.item[i].seq, INT64_MAX, &seq, &tries, e) &&
             (!seq || delivery_keep(t, hooks.item[i].seq, seq, tries, 1, e));
        *(int *)context += seq != 0;
    }
    return ok;
}

static void what_failed_comes_again_under_the_same_id(void **state) {
    (void)state;
    err e = {0};
    ear x;
    listen_on(&x, 500);
    const stuff set = a_dataset(a_space(), NULL);
    const char *hook = a_webhook(&x);
    add_records(&set, 1);
    assert_true(hears(&x, 1, 10));
    int waiting = 0;
    x.status = 200;
    for (int i = 0; i < 500 && !waiting; i++) { /* until it is noted */
        usleep(10000);
        waiting = 0;
        assert_ok(store_write(server_store(the_house->s), all_due, &waiting, &e), e);
    }
    assert_int_equal(waiting, 1);
    assert_true(hears(&x, 2, 10));
    assert_string_equal(x.id[0], x.id[1]);
    add_records(&set, 1); /* and goes on with what is new */
    assert_true(hears(&x, 3, 10));
    assert_string_not_equal(x.id[2], x.id[1]);
    made("DELETE", FORMAT("/api/v1/webhooks/%s", hook), NULL);
    go_deaf(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_silent_webhook_delays_no_other),
        TEST(what_failed_comes_again_under_the_same_id),
    };
    return HOUSE_TESTS(tests);
}
