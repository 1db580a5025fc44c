/* serve.h - the feedback server: one process, one store, one table of routes.
 *
 *     HTTP connection ─► http.c: framing, limits, body ─► route.c: who, which object, transaction ─► api_*.c: one handler ─► answer
 *     a command       ─► server_call: the same from route.c on
 *
 * The public contract is Argilla's (docs/api.md is made from the route table). */
#ifndef FETTLE_SERVE_SERVE_H
#define FETTLE_SERVE_SERVE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "store/store.h"

typedef struct server server;

/* A restore that was asked for while the server ran: server_run ends for it; who called it puts the file in the place of the store
 * (store_restore), says here what came of it, and begins again (fettle serve). */
typedef struct {
    _Atomic bool asked;
    bool done; /* what follows tells the last one */
    char file[4096];
    char kept[4096]; /* what was there before; "" for nothing */
    err failed;
} serve_restore;

typedef struct {
    const char *home;                   /* data folder */
    const char *host;                   /* address to listen on: 127.0.0.1 */
    int64_t port;                       /* 0: any free one */
    const char *port_file;              /* the port is written there when ready, or NULL */
    bool open;                          /* loopback without login: whoever connects is the owner (fettle ui) */
    const char *web;                    /* folder of the web app's files, for working on them; NULL: those in the program */
    void (*ready)(const char *address); /* called when it listens; NULL: nobody */
    int64_t body_max;                   /* bytes */
    serve_restore *restore;             /* the caller's; NULL: the server cannot begin again, a restore is refused */
    const char
        *program; /* a file of this program, for work in processes of their own; NULL: no training, other work by this very one */
} serve_options;

/* Opens the store and makes the routes; nothing listens yet. */
server *server_open(const serve_options *o, err *e);
store *server_store(server *s);
void server_close(server *s);

/* Listens, prints where and (to an empty store) a link that makes its first reader the owner, and answers until
 * sys_stop_requested, or until a restore is asked for; then lets requests end. */
bool server_run(server *s, err *e);
int server_port(const server *s); /* it listened on */

/* A request of this process, as the owner: the same code as over HTTP. The answer is written to *out; false when its status is 400
 * or more, with its words in e. */
bool server_call(server *s, const char *method, const char *path, str body, int *status, buf *out, err *e);

/* The same through the Unix socket of a server that has the data folder open. ERR_NOT_FOUND: there is none. */
bool server_call_socket(arena *a, const char *home, const char *method, const char *path, str body, int *status, str *out,
                        err *e);

/* Both for answers of any size: pieces go to the sink as they come, in bounded memory. */
typedef bool (*answer_sink)(void *context, str piece, err *e);
bool server_call_to(server *s, const char *method, const char *path, str body, answer_sink sink, void *context, err *e);
bool server_call_socket_to(const char *home, const char *method, const char *path, str body, answer_sink sink, void *context,
                           err *e);

/* For docs/api.md, openapi.json and the test of roles: every route in order. */
typedef struct {
    const char *method, *path;
    const char *who;   /* "anyone", "user" (logged in), "member" of the object's workspace, "admin", "owner" */
    const char *of;    /* class of what the first {id} names: "Dataset" ...; "" when it decides nothing */
    const char *group; /* of routes that stand together: "records" */
    bool writes;       /* inside one transaction; takes an Idempotency-Key */
    const char *words;
} route_info;
int server_routes(route_info *out, int room);
void server_put_openapi(json_writer *w);

#endif
