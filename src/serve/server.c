/* server.c - the server as a whole: its store, its doors, who may come in, and how it ends. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "serve/courier.h"
#include "serve/http.h"
#include "serve/jobs.h"
#include "serve/vectors.h"
#include "serve/indexer.h"
#include "serve/suggester.h"
#include "serve/turns.h"
#include "serve/bouts.h"
#include "serve/news.h"
#include "serve/teach.h"
#include "serve/runs.h"
#include "serve/worker.h"
#include "serve/recall.h"

struct server {
    serve_options o;
    arena *a;
    store *store;
    http *web, *local;
    const char *link; /* of a new owner: as long as there is nobody */
    _Atomic int64_t running, served;
    _Atomic int64_t behind;
    _Atomic bool webhooks;
    courier *courier;
    vector_keeper *keeper;
    jobs *jobs;
    indexer *indexer;
    suggesting *suggesting;
    turns *turns;
    board *board;
    runs *runs;
    teach *teach;
    bouts *bouts;
    worker *worker;
    recall *recall;
    double begun;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    int64_t news_count;
    int port;
};

store *server_store(server *s) { return s->store; }
jobs *server_jobs(server *s) { return s->jobs; }
board *server_board(server *s) { return s->board; }
runs *server_runs(server *s) { return s->runs; }
teach *server_teach(server *s) { return s->teach; }
bouts *server_bouts(server *s) { return s->bouts; }
const char *server_link(server *s) { return s->link; }
suggesting *server_suggesting(server *s) { return s->suggesting; }
bool server_has_webhooks(server *s) { return s->webhooks; }
void server_note_webhooks(server *s) { s->webhooks = true; }
int64_t server_behind(server *s) { return s->behind; }
turns *server_turns(server *s) { return s->turns; }
void server_note_behind(server *s) { s->behind = clock_now(); }
void server_caught_up(server *s, int64_t stamp) { atomic_compare_exchange_strong(&s->behind, &stamp, 0); }
worker *server_worker(server *s) { return s->worker; }
const char *server_program(const server *s) { return s->o.program; }
recall *server_recall(server *s) { return s->recall; }
bool serve_is_open(const server *s) { return s->o.open; }
const char *server_pages(const server *s) { return s->o.web; }
serve_restore *server_restore(const server *s) { return s->o.restore; }
int server_port(const server *s) { return s->port; }
bool server_ends(const server *s) { return sys_stop_requested() || (s->o.restore && s->o.restore->asked); }

server *server_open(const serve_options *o, err *e) {
    arena *a = arena_new();
    server *s = arena_new_of(a, server);
    s->a = a;
    s->o = *o;
    s->o.home = arena_text(a, o->home);
    s->o.web = o->web ? arena_text(a, o->web) : NULL;
    s->begun = sys_seconds();
    s->jobs = jobs_new();
    s->turns = turns_new();
    s->board = news_new();
    s->runs = runs_new(s);
    s->teach = teach_new(s);
    s->bouts = bouts_new();
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->recall = recall_new();
    s->store = store_open(s->o.home, e);
    if (s->store && undo_unfinished_imports(s, e) && index_look(s, e) &&
        (s->worker = worker_start(&(worker_options){.home = s->o.home, .program = s->o.program}, e)) != NULL &&
        load_aliases(s, e))
        return s;
    server_close(s);
    return NULL;
}

void server_close(server *s) {
    if (!s) return;
    teach_end(s->teach);
    bouts_end(s->bouts);
    worker_end(s->worker);
    jobs_stop(s->jobs);
    runs_free(s->runs);
    worker_free(s->worker);
    recall_free(s->recall);
    store_close(s->store);
    jobs_free(s->jobs);
    turns_free(s->turns);
    teach_free(s->teach);
    bouts_free(s->bouts);
    news_free(s->board);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->mutex);
    arena_free(s->a);
}

/* ---- calls without HTTP ----------------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

char *url_decoded(arena *a, str text) {
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const bool coded =
            text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 && hex_digit(text.ptr[i + 2]) >= 0;
        out[n++] = coded                ? (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]))
                   : text.ptr[i] == '+' ? ' '
                                        : text.ptr[i];
        if (coded) i += 2;
    }
    return out;
}

static void split_query(call *c, const char *path) {
    const char *mark = strchr(path, '?');
    c->path = mark ? arena_copy(c->a, path, (size_t)(mark - path)) : path;
    while (mark && *mark && c->queries < PARAMETERS_MOST) {
        const char *at = mark + 1, *end = at + strcspn(at, "&"), *equal = memchr(at, '=', (size_t)(end - at));
        c->query[c->queries++] =
            (query_member){arena_copy(c->a, at, (size_t)((equal ? equal : end) - at)),
                           equal ? str_of(url_decoded(c->a, (str){equal + 1, (size_t)(end - equal - 1)})) : STR("")};
        mark = end;
    }
}

static bool refused(int status, str body, err *e) {
    const err_code code = status == 404   ? ERR_NOT_FOUND
                          : status == 409 ? ERR_CONFLICT
                          : status == 403 ? ERR_FORBIDDEN
                          : status < 500  ? ERR_INPUT
                                          : ERR_IO;
    arena *a = arena_new();
    err none = {0};
    const json *detail = json_get(json_parse(a, body, &none), "detail"), *params = json_get(detail, "params"),
               *first = json_at(json_get(params, "errors"), 0);
    str words =
        json_text(detail, json_get_text(params, "detail", json_get_text(params, "message", json_get_text(first, "msg", body))));
    err_set(e, code, "%.*s", STR_ARG(words));
    arena_free(a);
    return false;
}

static bool call_to(server *s, const char *method, const char *path, str body, int *status, answer_sink sink, void *context,
                    err *e) {
    arena *a = arena_new();
    call *c = arena_new_of(a, call);
    *c = (call){.server = s, .a = a, .method = method, .raw = body, .trusted = true};
    split_query(c, path);
    route_run(c);
    *status = c->status;
    bool ok = c->status < 400 || refused(c->status, buf_str(&c->out), e);
    if (ok && !c->no_body && c->out.len) ok = sink(context, buf_str(&c->out), e);
    while (ok && c->stream.next) {
        buf_clear(&c->out);
        if (!c->stream.next(c->stream.context, &c->out)) break;
        ok = sink(context, buf_str(&c->out), e);
    }
    if (c->stream.end) c->stream.end(c->stream.context);
    buf_free(&c->out);
    arena_free(a);
    return ok;
}

bool server_call_to(server *s, const char *method, const char *path, str body, answer_sink sink, void *context, err *e) {
    int status;
    return call_to(s, method, path, body, &status, sink, context, e);
}

static bool into_buf(void *context, str piece, err *e) {
    (void)e;
    buf_put_str(context, piece);
    return true;
}

bool server_call(server *s, const char *method, const char *path, str body, int *status, buf *out, err *e) {
    return call_to(s, method, path, body, status, into_buf, out, e);
}

/* ---- the data folder's socket ---------------------------------------------------------------------------------------------------------------- */

static bool socket_address(const char *home, struct sockaddr_un *out, err *e) {
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    const int n = snprintf(out->sun_path, sizeof out->sun_path, "%s/fettle.sock", home);
    return n < (int)sizeof out->sun_path || err_set(e, ERR_LIMIT, "the path %s is too long for a socket (%zu bytes at most)",
                                                    home, sizeof out->sun_path - sizeof "/fettle.sock");
}

static int listen_local(const char *home, err *e) {
    struct sockaddr_un address;
    if (!socket_address(home, &address, e)) return -1;
    unlink(address.sun_path); /* we hold the folder's lock: an old one is nobody's */
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(address.sun_path, 0600) == 0 &&
        listen(fd, 64) == 0)
        return fd;
    err_errno(e, ERR_IO, "cannot listen on %s", address.sun_path);
    if (fd >= 0) close(fd);
    return -1;
}

static bool send_all(int fd, str data) {
    while (data.len) {
        const ssize_t n = send(fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data = str_slice(data, (size_t)n, data.len);
    }
    return true;
}

/* The answer of HTTP/1.0: head, then the body until the end. A refusal is kept for its words. */
typedef struct {
    buf head, refusal;
    int status;
    bool begun;
    answer_sink sink;
    void *context;
} receiver;

static bool receive(receiver *r, str piece, err *e) {
    if (!r->begun) {
        buf_put_str(&r->head, piece);
        const ptrdiff_t gap = str_find(buf_str(&r->head), STR("\r\n\r\n"), 0);
        if (gap < 0) return r->head.len < 1 << 16 || err_set(e, ERR_IO, "the server of this data folder gave no answer");
        if (sscanf(r->head.ptr, "HTTP/1.%*d %d", &r->status) != 1)
            return err_set(e, ERR_IO, "the server of this data folder gave no answer");
        r->begun = true;
        piece = str_slice(buf_str(&r->head), (size_t)gap + 4, r->head.len);
    }
    if (r->status >= 400) buf_put_str(&r->refusal, piece);
    return r->status >= 400 || !piece.len || r->sink(r->context, piece, e);
}

static bool exchange(const char *home, const char *method, const char *path, str body, receiver *r, err *e) {
    struct sockaddr_un address;
    char chunk[1 << 16];
    ssize_t n = 0;
    if (!socket_address(home, &address, e)) return false;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (fd >= 0) close(fd);
        return err_set(e, ERR_NOT_FOUND, "no server has %s open", home);
    }
    buf head = {0};
    buf_printf(&head, "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               method, path, body.len);
    bool ok =
        (send_all(fd, buf_str(&head)) && send_all(fd, body)) || err_errno(e, ERR_IO, "cannot write to %s", address.sun_path);
    while (ok && (n = recv(fd, chunk, sizeof chunk, 0)) > 0) ok = receive(r, (str){chunk, (size_t)n}, e);
    if (ok && n < 0) ok = err_errno(e, ERR_IO, "cannot read from %s", address.sun_path);
    buf_free(&head);
    close(fd);
    return ok && (r->begun || err_set(e, ERR_IO, "the server of this data folder gave no answer"));
}

bool server_call_socket_to(const char *home, const char *method, const char *path, str body, answer_sink sink, void *context,
                           err *e) {
    receiver r = {.sink = sink, .context = context};
    bool ok = exchange(home, method, path, body, &r, e);
    ok = ok && (r.status < 400 || refused(r.status, buf_str(&r.refusal), e));
    buf_free(&r.head);
    buf_free(&r.refusal);
    return ok;
}

bool server_call_socket(arena *a, const char *home, const char *method, const char *path, str body, int *status, str *out,
                        err *e) {
    buf all = {0};
    receiver r = {.sink = into_buf, .context = &all};
    bool ok = exchange(home, method, path, body, &r, e);
    *status = r.status;
    ok = ok && (r.status < 400 || refused(r.status, buf_str(&r.refusal), e));
    *out = (str){arena_copy(a, all.ptr ? all.ptr : "", all.len), all.len};
    buf_free(&r.head);
    buf_free(&r.refusal);
    buf_free(&all);
    return ok;
}

/* ---- running -------------------------------------------------------------------------------------------------------------------------------- */

void server_enter(server *s) { s->running++; }
void server_leave(server *s) {
    s->running--;
    s->served++;
}

void server_tell(server *s) {
    pthread_mutex_lock(&s->mutex);
    s->news_count++;
    pthread_cond_broadcast(&s->news);
    pthread_mutex_unlock(&s->mutex);
}

int64_t server_wait_news(server *s, int64_t seen, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    pthread_mutex_lock(&s->mutex);
    while (s->news_count == seen && !server_ends(s))
        if (pthread_cond_timedwait(&s->news, &s->mutex, &until) != 0) break;
    const int64_t now = s->news_count;
    pthread_mutex_unlock(&s->mutex);
    return now;
}

void server_stats(server *s, json_writer *w) {
    const store_counters n = store_count(s->store);
    json_key(w, "uptime_seconds"), json_put_real(w, sys_seconds() - s->begun);
    json_key(w, "requests"), json_put_int(w, s->served);
    json_key(w, "running"), json_put_int(w, s->running);
    json_key(w, "commits"), json_put_int(w, n.commits);
    json_key(w, "writes"), json_put_int(w, n.writes);
    const worker_counters g = worker_count(s->worker);
    json_key(w, "generations"), json_put_int(w, g.requests);
    json_key(w, "prompt_tokens"), json_put_int(w, g.prompt_tokens);
    json_key(w, "reused_tokens"), json_put_int(w, g.reused_tokens);
    json_key(w, "answer_tokens"), json_put_int(w, g.answer_tokens);
    json_key(w, "answering"), json_put_int(w, g.running);
    json_key(w, "waiting"), json_put_int(w, g.waiting);
    json_key(w, "models"), json_put_int(w, g.models);
    json_key(w, "kept_prompt_bytes"), json_put_int(w, g.kept_bytes);
    json_key(w, "load_seconds"), json_put_real(w, g.load_seconds);
    json_key(w, "resident_bytes"), json_put_int(w, (int64_t)sys_memory_resident());
}

static bool count_people(store_tx *t, void *context, err *e) {
    *(int64_t *)context = user_count(t, e);
    return e->code == ERR_NONE;
}

/* Without a login somebody still has to be the one whose answers they are. */
static bool make_somebody(store_tx *t, void *context, err *e) {
    arena *a = context;
    users people;
    workspaces spaces;
    user you = {.username = "you", .first_name = "you", .role = ROLE_OWNER};
    workspace space = {.name = "default"};
    if (!user_list(t, a, &people, e) || !workspace_list(t, a, 0, &spaces, e)) return false;
    for (int i = 0; i < people.count; i++)
        if (people.item[i].role == ROLE_OWNER) return true;
    return user_add(t, &you, e) && (spaces.count || workspace_add(t, &space, e));
}

/* While there is nobody, a link with a secret makes its reader the owner. */
static bool make_link(server *s, err *e) {
    int64_t people = 0;
    key_text key;
    if (s->o.open) return store_write(s->store, make_somebody, s->a, e);
    if (!store_read(s->store, count_people, &people, e)) return false;
    if (people) return true;
    key_new(key);
    s->link = arena_text(s->a, key);
    return true;
}

static bool count_webhooks(store_tx *t, void *context, err *e) {
    arena *a = arena_new();
    webhooks list;
    const bool ok = webhook_list(t, a, &list, e);
    *(bool *)context = ok && list.count > 0;
    arena_free(a);
    return ok;
}

static bool find_webhooks(server *s, err *e) {
    bool some = false;
    if (!store_read(s->store, count_webhooks, &some, e)) return false;
    if (some) s->webhooks = true;
    return true;
}

static bool write_port(const server *s, err *e) {
    if (!s->o.port_file) return true;
    char text[16];
    const int n = snprintf(text, sizeof text, "%d\n", http_port(s->web));
    return file_write(s->o.port_file, (str){text, (size_t)n}, e);
}

static bool start_helpers(server *s, err *e) {
    return (s->courier = courier_start(s, e)) != NULL && (s->keeper = vector_keeper_start(s, e)) != NULL &&
           (s->indexer = indexer_start(s, e)) != NULL && (s->suggesting = suggesting_start(s, e)) != NULL;
}

/* Once all is there that requests look at. */
static bool open_doors(server *s, err *e) {
    const int fd = listen_local(s->o.home, e);
    return fd >= 0 && (s->local = http_open(s, "the data folder's socket", 0, fd, s->o.body_max, e)) != NULL &&
           (s->web = http_open(s, s->o.host, s->o.port, -1, s->o.body_max, e)) != NULL;
}

bool server_run(server *s, err *e) {
    bool ok = make_link(s, e) && find_webhooks(s, e) && start_helpers(s, e) && open_doors(s, e) && write_port(s, e);
    if (ok) {
        s->port = http_port(s->web);
        runs_wake(s->runs);
        log_note("listening on http://%s:%d  (data in %s)", s->o.host, http_port(s->web), s->o.home);
        if (s->link)
            log_note("nobody is here yet: this link makes you the owner, once:\n  http://%s:%d/welcome#%s", s->o.host,
                     http_port(s->web), s->link);
        if (s->o.ready) s->o.ready(arena_printf(s->a, "http://%s:%d/", s->o.host, http_port(s->web)));
        while (!server_ends(s)) poll(NULL, 0, 100);
        log_note("ending: waiting for requests that run");
        server_tell(s);
    }
    teach_end(s->teach);
    bouts_end(s->bouts);
    worker_end(s->worker); /* first: jobs and requests may wait for it */
    jobs_stop(s->jobs);
    suggesting_stop(s->suggesting);
    s->suggesting = NULL;
    vector_keeper_stop(s->keeper);
    courier_stop(s->courier);
    indexer_stop(s->indexer);
    http_close(s->web);
    http_close(s->local);
    struct sockaddr_un address;
    err none = {0};
    if (socket_address(s->o.home, &address, &none)) unlink(address.sun_path);
    return ok;
}
