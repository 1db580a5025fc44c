/* house.h - a server with an empty data folder in this process, its people, and a client that speaks HTTP to it over real sockets.
 *
 * One server for a whole test program: what ends it (sys_request_stop) cannot be taken back. */
#ifndef FETTLE_TESTS_SERVE_HOUSE_H
#define FETTLE_TESTS_SERVE_HOUSE_H

#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/sys.h"
#include "serve/serve.h"

typedef struct {
    arena *a; /* of the running test; house_memory makes it anew */
    arena *own;
    const char *folder, *port_file;
    server *s;
    pthread_t thread;
    int port;
    bool failed;
    err e;
} house;

static house *the_house;

static inline void *house_main(void *context) {
    house *h = context;
    h->failed = !server_run(h->s, &h->e);
    return NULL;
}

static inline int house_port(house *h) {
    err e = {0};
    str text;
    for (int i = 0; i < 2000 && !h->failed; i++) {
        if (file_size(h->port_file) > 0 && file_read(h->own, h->port_file, 100, &text, &e)) return atoi(str_copy(h->own, text));
        usleep(2000);
    }
    return 0;
}

/* For tests that load models: which, when it is not there, say so. */
static inline const char *house_program(void) {
    const char *named = getenv("FETTLE_PROGRAM");
    return named && *named ? named : "build/fettle";
}

static inline int house_begin(void **state) {
    arena *a = arena_new();
    house *h = arena_new_of(a, house);
    *h = (house){.own = a, .a = arena_new(), .folder = scratch_folder(a)};
    h->port_file = path_join(a, h->folder, "port");
    log_most = LOG_ERROR;
    const serve_options o = {.home = path_join(a, h->folder, "home"),
                             .host = "127.0.0.1",
                             .port_file = h->port_file,
                             .program = house_program(),
                             .body_max = 8 << 20};
    if (!(h->s = server_open(&o, &h->e)) || pthread_create(&h->thread, NULL, house_main, h) != 0 || !(h->port = house_port(h))) {
        fprintf(stderr, "no server: %s\n", h->e.text);
        return -1;
    }
    *state = the_house = h;
    return 0;
}

static inline int house_end(void **state) {
    house *h = *state;
    err e = {0};
    sys_request_stop();
    pthread_join(h->thread, NULL);
    server_close(h->s);
    dir_remove(h->folder, &e);
    arena_free(h->a);
    arena_free(h->own);
    return 0;
}

/* ---- inside ------------------------------------------------------------------------------------------------------------------------ */

/* ' for " */
static inline char *quoted(arena *a, const char *text) {
    char *copy = arena_text(a, text);
    for (char *c = copy; *c; c++)
        if (*c == '\'') *c = '"';
    return copy;
}

/* As the owner, without a socket. The body's text, of a refusal its words; *status. */
static inline str ask(const char *method, const char *path, const char *body, int *status) {
    house *h = the_house;
    buf out = {0};
    err e = {0};
    *status = 0;
    server_call(h->s, method, path, str_of(body ? quoted(h->a, body) : NULL), status, &out, &e);
    const str text =
        e.code ? str_of(arena_text(h->a, e.text)) : (str){arena_copy(h->a, out.ptr ? out.ptr : "", out.len), out.len};
    buf_free(&out);
    return text;
}

static inline json *parsed(str text) {
    err e = {0};
    json *v = NULL;
    if (text.len && !json_parse_any(the_house->a, text, &v, &e)) fail_msg("%.*s: %s", STR_ARG(text), e.text);
    return v;
}

/* The same, which must succeed: the answer as JSON. */
static inline json *made(const char *method, const char *path, const char *body) {
    int status;
    const str text = ask(method, path, body, &status);
    if (status >= 300) fail_msg("%s %s %s: %d %.*s", method, path, body ? body : "", status, STR_ARG(text));
    return parsed(text);
}

static inline const char *word(const json *v, const char *key) { return str_copy(the_house->a, json_get_text(v, key, STR(""))); }

#define FORMAT(...) arena_printf(the_house->a, __VA_ARGS__)

typedef struct {
    const char *id, *key, *name;
} person;

static inline person a_person(const char *as) {
    static int number;
    const char *name = FORMAT("%s-%d", as, ++number);
    const json *u = made("POST", "/api/v1/users",
                         FORMAT("{'username':'%s','first_name':'%s','role':'%s','password':'12345678'}", name, name, as));
    return (person){word(u, "id"), word(u, "api_key"), name};
}

/* A published dataset with one of everything, and one record with an answer and a suggestion. */
typedef struct {
    const char *space, *id, *field, *question, *property, *vector, *record, *response, *suggestion;
} stuff;

static inline const char *a_space(void) {
    static int number;
    return word(made("POST", "/api/v1/workspaces", FORMAT("{'name':'space-%d'}", ++number)), "id");
}

static inline stuff a_draft(const char *space) {
    static int number;
    stuff x = {.space = space};
    x.id = word(made("POST", "/api/v1/datasets", FORMAT("{'name':'set-%d','workspace_id':'%s'}", ++number, space)), "id");
    const char *at = FORMAT("/api/v1/datasets/%s", x.id);
    x.field = word(made("POST", FORMAT("%s/fields", at),
                        "{'name':'text','title':'Text','required':true,'settings':{'type':'text','use_markdown':false}}"),
                   "id");
    x.question = word(
        made("POST", FORMAT("%s/questions", at),
             "{'name':'label','title':'Label','required':true,'settings':{'type':'label_selection','options':["
             "{'value':'yes','text':'Yes'},{'value':'no','text':'No'},{'value':'maybe','text':'Maybe'}],'visible_options':3}}"),
        "id");
    x.property = word(made("POST", FORMAT("%s/metadata-properties", at),
                           "{'name':'source','title':'Source','settings':{'type':'terms','values':['a','b',true,3]}}"),
                      "id");
    x.vector = word(made("POST", FORMAT("%s/vectors-settings", at), "{'name':'emb','title':'Emb','dimensions':3}"), "id");
    return x;
}

static inline stuff a_dataset(const char *space, const char *answerer) {
    stuff x = a_draft(space);
    const char *at = FORMAT("/api/v1/datasets/%s", x.id);
    made("PUT", FORMAT("%s/publish", at), NULL);
    const char *answer =
        answerer ? FORMAT("{'values':{'label':{'value':'yes'}},'status':'submitted','user_id':'%s'}", answerer) : "";
    const json *all = made("PUT", FORMAT("%s/records/bulk", at),
                           FORMAT("{'items':[{'fields':{'text':'Hello world'},'external_id':'1','metadata':{'source':'a'},"
                                  "'vectors':{'emb':[0.1,0.2,0.3]},'responses':[%s],"
                                  "'suggestions':[{'question_id':'%s','value':'no','score':0.5}]}]}",
                                  answer, x.question));
    const json *r = json_at(json_get(all, "items"), 0);
    x.record = word(r, "id");
    x.response = word(json_at(json_get(r, "responses"), 0), "id");
    x.suggestion = word(json_at(json_get(r, "suggestions"), 0), "id");
    return x;
}

static inline void joins(const char *space, const person *p) {
    made("POST", FORMAT("/api/v1/workspaces/%s/users", space), FORMAT("{'user_id':'%s'}", p->id));
}

/* ---- over a socket ------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int status;     /* 0: no answer */
    str head, body; /* the head ends with its last line */
    bool closed;    /* the server ended the connection after it */
} answer;

static inline int dial(int port) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 20};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (fd >= 0) close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

static inline bool send_bytes(int fd, str data) {
    while (data.len) {
        const ssize_t n = send(fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data = str_slice(data, (size_t)n, data.len);
    }
    return true;
}

/* The value of a header of an answer; the NULL view: it is not there. */
static inline str header_of(str head, const char *name) {
    const size_t n = strlen(name);
    for (size_t at = 0; at < head.len;) {
        const ptrdiff_t end = str_find(head, STR("\r\n"), at);
        const str line = str_slice(head, at, end < 0 ? head.len : (size_t)end);
        if (line.len > n && line.ptr[n] == ':' && strncasecmp(line.ptr, name, n) == 0)
            return str_trim(str_slice(line, n + 1, line.len));
        at = end < 0 ? head.len : (size_t)end + 2;
    }
    return (str){NULL, 0};
}

/* Reads one answer; of one without a length (a stream) the head alone. */
static inline answer receive(arena *a, int fd) {
    answer x = {0};
    buf all = {0};
    char chunk[16384];
    ptrdiff_t gap = -1;
    long length = -1;
    while (gap < 0 || length < 0 || all.len < (size_t)gap + 4 + (size_t)length) {
        const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n <= 0) {
            x.closed = true;
            break;
        }
        buf_put(&all, chunk, (size_t)n);
        if (gap < 0 && (gap = str_find(buf_str(&all), STR("\r\n\r\n"), 0)) >= 0) {
            x.head = (str){arena_copy(a, all.ptr, (size_t)gap), (size_t)gap};
            const str text = header_of(x.head, "Content-Length");
            if (sscanf(all.ptr, "HTTP/1.%*d %d", &x.status) != 1) x.status = 0;
            if (text.ptr) str_to_long(text, &length);
            else if (x.status == 204) length = 0;
            else break;
        }
    }
    if (gap >= 0) x.body = (str){arena_copy(a, all.ptr + gap + 4, all.len - (size_t)gap - 4), all.len - (size_t)gap - 4};
    buf_free(&all);
    return x;
}

static inline answer request_on(arena *a, int fd, const char *method, const char *path, const char *key, const char *more,
                                str body) {
    buf head = {0};
    buf_printf(&head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s", method, path, key ? "X-Argilla-Api-Key: " : "",
               key ? key : "", key ? "\r\n" : "", more ? more : "");
    if (body.ptr) buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    buf_put_text(&head, "\r\n");
    buf_put_str(&head, body); /* at once: two small packets would wait for each other */
    const bool sent = send_bytes(fd, buf_str(&head));
    buf_free(&head);
    return sent ? receive(a, fd) : (answer){.closed = true};
}

/* One request on a connection of its own; the body with ' for ". */
static inline answer request_of(const char *key, const char *method, const char *path, const char *body) {
    house *h = the_house;
    const int fd = dial(h->port);
    if (fd < 0) fail_msg("no connection to port %d", h->port);
    const answer x = request_on(h->a, fd, method, path, key, NULL, body ? str_of(quoted(h->a, body)) : (str){NULL, 0});
    close(fd);
    return x;
}

/* The call fails with this code; it gets `&because` for its err. */
#define assert_fails(call, wanted)                                                                                               \
    do {                                                                                                                         \
        err because = {0};                                                                                                       \
        if (call) fail_msg("%s should have failed", #call);                                                                      \
        if (because.code != (wanted))                                                                                            \
            fail_msg("%s: expected %s, got %s (%s)", #call, #wanted, err_words(because.code), because.text);                     \
    } while (0)

#define MISSING "00000000-0000-4000-8000-000000000000"

#define HOUSE_TESTS(tests) cmocka_run_group_tests((tests), house_begin, house_end)

#endif
