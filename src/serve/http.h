/* http.h - the one door to libmicrohttpd: connections in, calls to route_run, answers out. Used inside serve alone. */
#ifndef FETTLE_SERVE_HTTP_H
#define FETTLE_SERVE_HTTP_H

#include "serve/api.h"

typedef struct http http;

/* A thread a connection. listen_fd < 0: host and port; else a socket that listens already (the data folder's), whose callers are
 * trusted. */
http *http_open(server *s, const char *host, int64_t port, int listen_fd, int64_t body_max, err *e);
int http_port(const http *h);
void http_close(http *h); /* lets requests that run end */

#endif
