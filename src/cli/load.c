/* load.c - clients on threads (contract: load.h). One thread with epoll for all of them was tried and was not faster on two cores. */
#include "cli/load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool read_more(wire *w, err *e) {
    enum { PIECE = 1 << 14 };
    buf_reserve(&w->in, PIECE);
    const ssize_t n = recv(w->fd, w->in.ptr + w->in.len, w->in.capacity - w->in.len - 1, 0);
    if (n <= 0) return err_set(e, ERR_IO, "the server closed a connection");
    w->in.len += (size_t)n;
    return true;
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

bool wire_receive(wire *w, int *status, str *body, err *e) {
    buf_clear(&w->in);
    w->whole = 0;
    while (!is_whole(w, status, body, e))
        if (e->code || !read_more(w, e)) return false;
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
    const load *l;
    int number;
    double begun, ended;
    load_times times;
    int64_t refused;
    err e;
    pthread_t thread;
} client;

static void *client_main(void *context) {
    client *c = context;
    wire w;
    buf request = {0};
    if (!wire_open(&w, c->l->port, &c->e)) return NULL;
    for (int64_t i = 0; sys_seconds() - c->begun < c->l->seconds && !sys_stop_requested(); i++) {
        int status;
        str body;
        buf_clear(&request);
        if (!c->l->make(c->l->context, c->number, i, &request)) break;
        const double from = sys_seconds();
        if (!wire_send(&w, buf_str(&request), &c->e) || !wire_receive(&w, &status, &body, &c->e)) break;
        c->ended = sys_seconds();
        load_note(&c->times, c->ended - from);
        c->refused += status >= 400;
    }
    buf_free(&request);
    wire_close(&w);
    return NULL;
}

static void sum_up(client *c, int connections, double begun, load_result *out) {
    load_times **lists = memory_alloc((size_t)connections * sizeof *lists + 1);
    for (int i = 0; i < connections; i++) {
        lists[i] = &c[i].times;
        out->refused += c[i].refused;
        if (c[i].ended - begun > out->seconds) out->seconds = c[i].ended - begun;
    }
    load_sum(lists, connections, out);
    memory_release(lists);
}

bool load_run(const load *l, load_result *out, err *e) {
    client *c = memory_alloc((size_t)l->connections * sizeof *c);
    const double begun = sys_seconds();
    int started = 0;
    *out = (load_result){0};
    for (; started < l->connections; started++) {
        c[started] = (client){.l = l, .number = started, .begun = begun};
        if (pthread_create(&c[started].thread, NULL, client_main, &c[started]) != 0) break;
    }
    for (int i = 0; i < started; i++) pthread_join(c[i].thread, NULL);
    sum_up(c, started, begun, out);
    bool ok = started == l->connections || err_set(e, ERR_LIMIT, "no more than %d threads", started);
    for (int i = 0; i < started; i++)
        if (c[i].e.code) ok = err_set(e, c[i].e.code, "%s", c[i].e.text);
    memory_release(c);
    return ok;
}
