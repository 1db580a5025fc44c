/* load.c - clients of a server (contract: load.h).
 *
 * One thread drives all connections: it shares the cores with the server that is measured, and a thread for each would spend more on being
 * woken than on asking. */
#include "cli/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"

bool load_server(arena *a, const char *folder, const char *home, int64_t *process, int *port, err *e) {
    const char *file = path_join(a, folder, "port");
    const char *const words[] = {"serve", "--home", home, "--port", "0", "--port-file", file};
    str text = {0};
    *process = sys_start_self(words, 7);
    for (int i = 0; i < 1000 && !text.len; i++) {
        err none = {0};
        poll(NULL, 0, 10);
        if (file_exists(file)) file_read(a, file, 100, &text, &none);
    }
    *port = text.len ? atoi(text.ptr) : 0;
    return *port > 0 || err_set(e, ERR_IO, "the server did not start within 10 seconds");
}

/* ---- one connection ------------------------------------------------------------------------------------------------------------- */

bool wire_open(wire *w, int port, err *e) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;
    *w = (wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (w->fd >= 0 && connect(w->fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
        setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0)
        return true;
    err_errno(e, ERR_IO, "cannot connect to port %d", port);
    wire_close(w);
    return false;
}

void wire_close(wire *w) {
    if (w->fd >= 0) close(w->fd);
    buf_free(&w->in);
    w->fd = -1;
}

bool wire_send(wire *w, str request, err *e) {
    while (request.len) {
        const ssize_t n = send(w->fd, request.ptr, request.len, MSG_NOSIGNAL);
        if (n <= 0) return err_errno(e, ERR_IO, "cannot send to the server");
        request = str_slice(request, (size_t)n, request.len);
    }
    return true;
}

/* What has come, without waiting where `flags` say so; 0: nothing yet. */
static ssize_t read_more(wire *w, int flags, err *e) {
    enum { PIECE = 1 << 14 };
    buf_reserve(&w->in, PIECE);
    const ssize_t n = recv(w->fd, w->in.ptr + w->in.len, w->in.capacity - w->in.len - 1, flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return err_set(e, ERR_IO, "the server closed a connection"), -1;
    w->in.len += (size_t)n;
    return n;
}

/* Content-Length of a head; 0 when there is none. */
static size_t length_of(str head) {
    const str name = STR("\r\ncontent-length:");
    for (size_t at = 0; at + name.len < head.len;) {
        if (strncasecmp(head.ptr + at, name.ptr, name.len) == 0) return strtoul(head.ptr + at + name.len, NULL, 10);
        const char *line = memchr(head.ptr + at + 1, '\r', head.len - at - 1);
        if (!line) break;
        at = (size_t)(line - head.ptr);
    }
    return 0;
}

/* The answer that lies in w->in; false: it is not all there yet, or (an error) it is none. */
static bool is_whole(wire *w, int *status, str *body, err *e) {
    const ptrdiff_t gap = w->whole ? 0 : str_find(buf_str(&w->in), STR("\r\n\r\n"), 0);
    if (gap < 0) return false;
    if (!w->whole) {
        if (w->in.len < 12 || memcmp(w->in.ptr, "HTTP/1.", 7) != 0) return err_set(e, ERR_IO, "the server gave no HTTP answer");
        w->body = (size_t)gap + 4;
        w->whole = w->body + length_of(str_slice(buf_str(&w->in), 0, w->body));
    }
    if (w->in.len < w->whole) return false;
    *status = atoi(w->in.ptr + 9);
    *body = str_slice(buf_str(&w->in), w->body, w->whole);
    return true;
}

static void forget_answer(wire *w) {
    buf_clear(&w->in);
    w->whole = 0;
}

bool wire_receive(wire *w, int *status, str *body, err *e) {
    forget_answer(w);
    while (!is_whole(w, status, body, e))
        if (e->code || read_more(w, 0, e) < 0) return false;
    return true;
}

void wire_put(buf *out, const char *method, const char *path, const char *key, str body) {
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Argilla-Api-Key: %s\r\n", method, path, key);
    if (body.ptr) buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    buf_put_text(out, "\r\n");
    buf_put_str(out, body);
}

/* ---- times ---------------------------------------------------------------------------------------------------------------------- */

void load_note(load_times *t, double seconds) {
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 1024;
        t->taken = memory_resize(t->taken, (size_t)t->room * sizeof *t->taken);
    }
    t->taken[t->count++] = 1e3 * seconds;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t count, double share) {
    return count ? sorted[(int64_t)(share * (double)(count - 1))] : 0;
}

void load_sum(load_times **lists, int count, load_result *out) {
    load_times all = {0};
    for (int i = 0; i < count; i++) {
        for (int64_t k = 0; k < lists[i]->count; k++) load_note(&all, lists[i]->taken[k] / 1e3);
        memory_release(lists[i]->taken);
        *lists[i] = (load_times){0};
    }
    if (all.count) qsort(all.taken, (size_t)all.count, sizeof *all.taken, by_size);
    out->answers = all.count;
    out->p50 = quantile(all.taken, all.count, 0.5);
    out->p95 = quantile(all.taken, all.count, 0.95);
    out->p99 = quantile(all.taken, all.count, 0.99);
    out->worst = quantile(all.taken, all.count, 1);
    memory_release(all.taken);
}

/* ---- many ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    wire w;
    int number;
    int64_t i; /* of its next request */
    double from;
    bool waits; /* for an answer */
} client;

typedef struct {
    const load *l;
    client *c;
    int epoll, waiting;
    double begun, ended;
    buf request;
    load_times times;
    int64_t refused;
} crowd;

/* The next request of a client, unless there is none any more. */
static bool ask_next(crowd *x, client *c, err *e) {
    c->waits = false;
    const double now = sys_seconds();
    buf_clear(&x->request);
    if (now - x->begun >= x->l->seconds || sys_stop_requested() || !x->l->make(x->l->context, c->number, c->i, &x->request))
        return true;
    c->i++;
    c->from = now;
    c->waits = true;
    x->waiting++;
    forget_answer(&c->w);
    return wire_send(&c->w, buf_str(&x->request), e);
}

/* Something came: to the end of an answer, then the next request. */
static bool hear(crowd *x, client *c, err *e) {
    int status;
    str body;
    if (read_more(&c->w, MSG_DONTWAIT, e) < 0) return false;
    if (!c->waits) return err_set(e, ERR_IO, "the server spoke unasked");
    if (!is_whole(&c->w, &status, &body, e)) return !e->code;
    x->ended = sys_seconds();
    load_note(&x->times, x->ended - c->from);
    x->refused += status >= 400;
    x->waiting--;
    return ask_next(x, c, e);
}

static bool join(crowd *x, int number, err *e) {
    client *c = &x->c[number];
    c->number = number;
    if (!wire_open(&c->w, x->l->port, e)) return false;
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(x->epoll, EPOLL_CTL_ADD, c->w.fd, &wanted) == 0 || err_errno(e, ERR_IO, "cannot wait for answers");
}

static bool run_crowd(crowd *x, err *e) {
    enum { AT_ONCE = 64 };
    struct epoll_event ready[AT_ONCE];
    for (int i = 0; i < x->l->connections; i++)
        if (!join(x, i, e)) return false;
    x->begun = x->ended = sys_seconds();
    for (int i = 0; i < x->l->connections; i++)
        if (!ask_next(x, &x->c[i], e)) return false;
    while (x->waiting) {
        const int n = epoll_wait(x->epoll, ready, AT_ONCE, -1);
        if (n < 0 && errno != EINTR) return err_errno(e, ERR_IO, "cannot wait for answers");
        for (int i = 0; i < n; i++)
            if (!hear(x, ready[i].data.ptr, e)) return false;
    }
    return true;
}

bool load_run(const load *l, load_result *out, err *e) {
    crowd x = {.l = l, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    *out = (load_result){0};
    if (x.epoll < 0) return err_errno(e, ERR_IO, "cannot wait for answers");
    x.c = memory_alloc((size_t)l->connections * sizeof *x.c);
    for (int i = 0; i < l->connections; i++) x.c[i].w.fd = -1;
    const bool ok = run_crowd(&x, e);
    for (int i = 0; i < l->connections; i++) wire_close(&x.c[i].w);
    close(x.epoll);
    out->refused = x.refused;
    out->seconds = x.ended - x.begun;
    load_times *list = &x.times;
    load_sum(&list, 1, out);
    buf_free(&x.request);
    memory_release(x.c);
    return ok;
}
