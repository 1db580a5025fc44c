/* far.h - a server of one thread that answers what the test says, one request a connection, and keeps what it was asked. */
#ifndef FETTLE_TESTS_ASSIST_FAR_H
#define FETTLE_TESTS_ASSIST_FAR_H

#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

enum { FAR_MOST = 16 };
typedef struct {
    int status; /* 0: the connection is closed without an answer */
    const char *body;
} far_answer;

typedef struct {
    int fd, port;
    pthread_t thread;
    far_answer answer[FAR_MOST]; /* one after the other; the last for all that follow */
    int answers;
    _Atomic int asked;
    char *request[FAR_MOST]; /* head and body, ended by NUL */
} far_server;

static inline char *far_read(int fd) {
    buf all = {0};
    char chunk[8192];
    size_t wanted = SIZE_MAX;
    while (all.len < wanted) {
        const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n <= 0) break;
        buf_put(&all, chunk, (size_t)n);
        const ptrdiff_t gap = str_find(buf_str(&all), STR("\r\n\r\n"), 0);
        const char *length = gap >= 0 ? strcasestr(all.ptr, "content-length:") : NULL;
        if (gap >= 0) wanted = (size_t)gap + 4 + (length ? (size_t)atol(length + 15) : 0);
    }
    return all.ptr ? all.ptr : strdup("");
}

static inline void *far_main(void *context) {
    far_server *f = context;
    for (int fd; (fd = accept(f->fd, NULL, NULL)) >= 0; close(fd)) {
        const int i = f->asked < FAR_MOST ? f->asked : FAR_MOST - 1;
        const far_answer *x = &f->answer[i < f->answers ? i : f->answers - 1];
        f->request[i] = far_read(fd);
        f->asked++; /* before the answer, behind which somebody looks */
        if (x->status) {
            buf out = {0};
            buf_printf(&out,
                       "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       x->status, strlen(x->body), x->body);
            send(fd, out.ptr, out.len, MSG_NOSIGNAL);
            buf_free(&out);
        }
    }
    return NULL;
}

static inline void far_begin(far_server *f, const far_answer *answers, int count) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *f = (far_server){.fd = socket(AF_INET, SOCK_STREAM, 0), .answers = count};
    memcpy(f->answer, answers, (size_t)count * sizeof *answers);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(f->fd, 8), 0);
    getsockname(f->fd, (struct sockaddr *)&at, &size);
    f->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&f->thread, NULL, far_main, f), 0);
}

static inline void far_end(far_server *f) {
    shutdown(f->fd, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->fd);
    for (int i = 0; i < FAR_MOST; i++) memory.release(f->request[i]);
}

#endif
