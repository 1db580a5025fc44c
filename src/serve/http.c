/* http.c - HTTP by libmicrohttpd. The only file that includes microhttpd.h.
 *
 * The library reads requests leniently where two readers could disagree about where one ends (reference: RFC 9112, 6.3 and 11.2);
 * those are refused here with 400 and the connection is closed: two lengths, a length beside a coding, a coding other than
 * chunked, a length that is no number, two hosts, a name that is no token, a control character in a value; and, because the library
 * cuts a head into strings where it lies, every head whose strings do not lie one behind the other with exactly a space, a colon or
 * a CRLF between them: bare line feeds, folded lines, NULs, doubled spaces. Lines between chunks cannot be seen here, so a chunked
 * request is the last one of its connection. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "serve/http.h"

struct http {
    server *server;
    struct MHD_Daemon *daemon;
    int64_t body_max;
    bool trusted;
    _Atomic int requests; /* whose heads are there and whose answers are not yet sent */
};

/* A request on its way in. */
typedef struct {
    call c;
    const char *target, *target_end; /* of the first line as it came; NULL: there was none */
    buf body;
    bool too_large, begun, chunked, unclear;
    buf pending;
    size_t sent;
} request;

/* ---- headers --------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    request *r;
    const char *next; /* where the next name must lie; NULL: this library keeps heads otherwise */
    int lengths, codings, hosts;
    bool bad, cross;
    str host, origin;
    bool full; /* it asks for our own types of questions too */
} headers;

/* The layout of heads in memory was read in the source of this version, the one of Debian 12. */
static bool heads_lie_as_they_came(void) { return strcmp(MHD_get_version(), "0.9.75") == 0; }

static bool is_token(const char *text) {
    static const char characters[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return *text && strspn(text, characters) == strlen(text);
}

static bool has_controls(const char *text) {
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 127) return true;
    return false;
}

/* name ':' blanks value CRLF, the colon and both line ends having become NULs. */
static bool lies_right(headers *h, const char *key, const char *value) {
    if (!h->next) return true;
    const char *at = key + strlen(key) + 1;
    at += strspn(at, " \t");
    if (key != h->next || value != at) return false;
    h->next = value + strlen(value) + 2;
    return true;
}

static bool is_number(const char *text) { return *text && strspn(text, "0123456789") == strlen(text); }

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *key, const char *value) {
    headers *h = context;
    call *c = &h->r->c;
    (void)kind;
    if (!value) value = "";
    h->bad |= !lies_right(h, key, value) || !is_token(key) || has_controls(value);
    if (strcasecmp(key, "Content-Length") == 0) h->lengths++, h->bad |= !is_number(value);
    else if (strcasecmp(key, "Transfer-Encoding") == 0) h->codings++, h->bad |= strcasecmp(value, "chunked") != 0;
    else if (strcasecmp(key, "X-Argilla-Api-Key") == 0) c->api_key = str_of(arena_text(c->a, value));
    else if (strcasecmp(key, "Authorization") == 0 && strncasecmp(value, "Bearer ", 7) == 0)
        c->bearer = str_of(arena_text(c->a, value + 7));
    else if (strcasecmp(key, "User-Agent") == 0) c->plain |= str_starts(str_of(value), STR("python-httpx/"));
    else if (strcasecmp(key, "Accept") == 0) h->full |= strstr(value, "application/vnd.fettle+json") != NULL;
    else if (strcasecmp(key, "Idempotency-Key") == 0) c->idempotency = str_of(arena_text(c->a, value));
    else if (strcasecmp(key, "Content-Type") == 0) c->form = strncasecmp(value, "application/x-www-form-urlencoded", 33) == 0;
    else if (strcasecmp(key, "If-None-Match") == 0) c->if_none_match = str_of(arena_text(c->a, value));
    else if (strcasecmp(key, "Accept-Encoding") == 0) c->takes_gzip = strstr(value, "gzip") != NULL;
    else if (strcasecmp(key, "Host") == 0) h->hosts++, h->host = str_of(arena_text(c->a, value));
    else if (strcasecmp(key, "Origin") == 0) h->origin = str_of(arena_text(c->a, value));
    else if (strcasecmp(key, "Sec-Fetch-Site") == 0)
        h->cross |= strcasecmp(value, "same-origin") != 0 && strcasecmp(value, "none") != 0;
    else if (strcasecmp(key, "Cookie") == 0) {
        const char *mine = strstr(value, "fettle_session=");
        if (mine) c->cookie = (str){arena_text(c->a, mine + 15), strcspn(mine + 15, "; ")};
    }
    return MHD_YES;
}

static enum MHD_Result take_query(void *context, enum MHD_ValueKind kind, const char *key, const char *value) {
    call *c = context;
    (void)kind;
    if (c->queries < PARAMETERS_MOST)
        c->query[c->queries++] = (query_member){arena_text(c->a, key), str_of(arena_text(c->a, value ? value : ""))};
    return MHD_YES;
}

/* Without a login a page of another site must not be able to speak for whoever sits here: the names must be this machine's. */
static bool is_local(str host) {
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const str name = str_of(names[i]);
        if (str_starts(host, name) && (host.len == name.len || host.ptr[name.len] == ':')) return true;
    }
    return false;
}

/* Browsers say where a request comes from; older ones say it when it changes something. */
static bool foreign_origin(const headers *h) {
    if (h->cross) return true;
    if (!h->origin.len) return false;
    const ptrdiff_t at = str_find(h->origin, STR("://"), 0);
    return at < 0 || !str_eq(str_slice(h->origin, (size_t)at + 3, h->origin.len), h->host);
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------------------- */

static void add_headers(struct MHD_Response *m, const call *c, bool close) {
    MHD_add_response_header(m, "Content-Type", c->type ? c->type : "application/json");
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(m, "Cross-Origin-Opener-Policy", "same-origin");
    MHD_add_response_header(m, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(m, "Cache-Control", c->cache ? c->cache : "no-store");
    MHD_add_response_header(m, "Content-Security-Policy", c->policy ? c->policy : "default-src 'none'; frame-ancestors 'none'");
    if (c->etag) MHD_add_response_header(m, "ETag", c->etag), MHD_add_response_header(m, "Vary", "Accept-Encoding");
    if (c->encoding) MHD_add_response_header(m, "Content-Encoding", c->encoding);
    char seconds[16];
    if (c->retry_after && snprintf(seconds, sizeof seconds, "%d", c->retry_after) > 0)
        MHD_add_response_header(m, "Retry-After", seconds);
    if (c->set_cookie) MHD_add_response_header(m, "Set-Cookie", c->set_cookie);
    if (c->location) MHD_add_response_header(m, "Location", c->location);
    if (close) MHD_add_response_header(m, "Connection", "close");
}

static enum MHD_Result queue(struct MHD_Connection *connection, request *r, int status, bool close) {
    struct MHD_Response *m =
        r->c.no_body ? MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT)
                     : MHD_create_response_from_buffer(r->c.out.len, r->c.out.ptr ? r->c.out.ptr : "", MHD_RESPMEM_MUST_COPY);
    if (!m) return MHD_NO;
    add_headers(m, &r->c, close || server_ends(r->c.server)); /* a connection that goes on asking would hold the end up */
    const enum MHD_Result ok = MHD_queue_response(connection, (unsigned)status, m);
    MHD_destroy_response(m);
    return ok;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, request *r, int status, const char *words, bool close) {
    buf_clear(&r->c.out);
    buf_printf(&r->c.out, "{\"detail\":\"%s\"}", words);
    return queue(connection, r, status, close);
}

static ssize_t read_stream(void *context, uint64_t at, char *out, size_t room) {
    request *r = context;
    (void)at;
    if (r->sent == r->pending.len) {
        buf_clear(&r->pending);
        r->sent = 0;
        if (server_ends(r->c.server) || !r->c.stream.next(r->c.stream.context, &r->pending))
            return MHD_CONTENT_READER_END_OF_STREAM;
    }
    const size_t left = r->pending.len - r->sent, n = left < room ? left : room;
    memcpy(out, r->pending.ptr + r->sent, n);
    r->sent += n;
    return (ssize_t)n;
}

static enum MHD_Result queue_stream(struct MHD_Connection *connection, request *r) {
    struct MHD_Response *m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 << 10, read_stream, r, NULL);
    if (!m) return MHD_NO;
    add_headers(m, &r->c, false);
    const enum MHD_Result ok = MHD_queue_response(connection, 200, m);
    MHD_destroy_response(m);
    return ok;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------------------ */

/* The library's first word of a request: its target, not yet decoded. What is made here comes back as the slot of handle and end. */
static void *begin(void *context, const char *target, struct MHD_Connection *connection) {
    const http *h = context;
    arena *a = arena_new();
    request *r = arena_new_of(a, request);
    (void)connection;
    r->c.a = a;
    r->c.server = h->server;
    r->c.trusted = h->trusted;
    r->target = target;
    r->target_end = target ? target + strlen(target) : NULL;
    /* %00: decoded it would end the path early, and another object would be meant. */
    r->unclear = !target || has_controls(target) || strpbrk(target, " 	") || strstr(target, "%00");
    return r;
}

static void end(void *context, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode why) {
    http *h = context;
    request *r = *slot;
    (void)connection, (void)why;
    if (!r) return;
    h->requests -= r->begun;
    if (r->c.stream.end) r->c.stream.end(r->c.stream.context);
    buf_free(&r->pending);
    buf_free(&r->body);
    buf_free(&r->c.out);
    arena_free(r->c.a);
    *slot = NULL;
}

/* Reads the headers; false when somebody could see another end of the request. */
static bool read_head(request *r, struct MHD_Connection *connection, const char *method, const char *version, headers *seen) {
    const bool lies = heads_lie_as_they_came();
    bool clear = is_token(method) && !r->unclear;
    *seen = (headers){.r = r, .next = lies ? version + strlen(version) + 2 : NULL};
    if (lies) clear &= r->target == method + strlen(method) + 1 && version == r->target_end + 1;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, seen);
    r->c.plain &= !seen->full;
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (lies) clear &= size && seen->next + 2 == method + size->header_size;
    r->chunked = seen->codings > 0;
    return clear && !seen->bad && seen->lengths <= 1 && seen->codings <= 1 && seen->hosts <= 1 &&
           !(seen->lengths && seen->codings);
}

/* The headers are all there, the body is not: what is wrong with the frame is refused before a byte of it is read. */
static enum MHD_Result first(http *h, request *r, struct MHD_Connection *connection, const char *method, const char *version) {
    headers seen;
    const bool clear = read_head(r, connection, method, version, &seen);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_query, &r->c);
    if (!clear) return refuse(connection, r, 400, "where the request ends is not clear", true);
    if (serve_is_open(h->server) && !h->trusted && (!is_local(seen.host) || foreign_origin(&seen)))
        return refuse(connection, r, 403, "without a login only this machine may ask, under its own name", true);
    if (r->c.cookie.len && foreign_origin(&seen)) return refuse(connection, r, 403, "a page of another site asked", true);
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    long size = 0;
    if (length && (!str_to_long(str_of(length), &size) || size > h->body_max))
        return refuse(connection, r, 413, "the body is too large", true);
    return MHD_YES;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **slot) {
    http *h = context;
    request *r = *slot;
    if (!r->begun) {
        r->begun = true;
        h->requests++;
        r->c.method = arena_text(r->c.a, method);
        r->c.path = arena_text(r->c.a, url);
        return first(h, r, connection, method, version);
    }
    if (*size) {
        if (r->body.len + *size > (size_t)h->body_max) r->too_large = true;
        else buf_put(&r->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (r->too_large) return refuse(connection, r, 413, "the body is too large", true);
    r->c.raw = buf_str(&r->body);
    const union MHD_ConnectionInfo *its = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    r->c.socket = its ? its->connect_fd : 0;
    route_run(&r->c);
    if (r->c.stream.next) buf_put_str(&r->pending, buf_str(&r->c.out));
    return r->c.stream.next ? queue_stream(connection, r) : queue(connection, r, r->c.status, r->chunked);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------------------------- */

static bool address_of(const char *host, int64_t port, struct sockaddr_in *out, err *e) {
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    return inet_pton(AF_INET, host, &out->sin_addr) == 1 || err_set(e, ERR_USAGE, "host: '%s' is no IPv4 address", host);
}

/* A connection's memory, and so the longest head (MHD clears all of it after each request); how long those have that are on their way. */
enum { POOL = 32 << 10, DRAIN_SECONDS = 5 };

http *http_open(server *s, const char *host, int64_t port, int listen_fd, int64_t body_max, err *e) {
    struct sockaddr_in address;
    if (listen_fd < 0 && !address_of(host, port, &address, e)) return NULL;
    http *h = memory_alloc(sizeof *h);
    *h = (http){.server = s, .body_max = body_max, .trusted = listen_fd >= 0};
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
    struct MHD_OptionItem where[] = {listen_fd >= 0 ? (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL}
                                                    : (struct MHD_OptionItem){MHD_OPTION_SOCK_ADDR, 0, &address},
                                     {MHD_OPTION_END, 0, NULL}};
    h->daemon =
        MHD_start_daemon(flags, (uint16_t)port, NULL, NULL, handle, h, MHD_OPTION_ARRAY, where, MHD_OPTION_NOTIFY_COMPLETED, end,
                         h, MHD_OPTION_URI_LOG_CALLBACK, begin, h, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_TIMEOUT,
                         120u, MHD_OPTION_THREAD_STACK_SIZE, (size_t)512 << 10, MHD_OPTION_CONNECTION_LIMIT, 4096u,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_END);
    if (h->daemon) return h;
    memory_release(h);
    return err_null(e, ERR_CONFLICT, "cannot listen on %s:%lld: is another server there?", host, (long long)port);
}

int http_port(const http *h) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void http_close(http *h) {
    if (!h) return;
    const MHD_socket fd = MHD_quiesce_daemon(h->daemon);
    for (const double until = sys_seconds() + DRAIN_SECONDS; h->requests && sys_seconds() < until;) poll(NULL, 0, 10);
    MHD_stop_daemon(h->daemon);
    if (fd != MHD_INVALID_SOCKET) close(fd);
    memory_release(h);
}
