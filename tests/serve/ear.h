/* ear.h - a receiver of webhooks, for tests that look at what is told. */
#ifndef FETTLE_TESTS_SERVE_EAR_H
#define FETTLE_TESTS_SERVE_EAR_H

#include "house.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { HEARD = 64 };

/* A receiver of one address: answers with `status`; 0: never. */
typedef struct {
    int fd, port;
    _Atomic int status, count;
    _Atomic bool over;
    char id[HEARD][64], kind[HEARD][32];
    pthread_t thread;
} ear;

static inline void hear_one(ear *x, int fd) {
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

static inline void *hear(void *context) {
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

static inline void listen_on(ear *x, int status) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *x = (ear){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .status = status};
    assert_int_equal(bind(x->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(x->fd, 16), 0);
    assert_int_equal(getsockname(x->fd, (struct sockaddr *)&at, &size), 0);
    x->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&x->thread, NULL, hear, x), 0);
}

static inline void go_deaf(ear *x) {
    x->over = true;
    pthread_join(x->thread, NULL);
    close(x->fd);
}

static inline bool hears(const ear *x, int count, double seconds) {
    for (const double end = sys_seconds() + seconds; x->count < count && sys_seconds() < end;) usleep(10000);
    return x->count >= count;
}

#endif
