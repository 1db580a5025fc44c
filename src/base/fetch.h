/* fetch.h - a request to another server, by libcurl, which is loaded when first asked for (the program runs without it). */
#ifndef FETTLE_BASE_FETCH_H
#define FETTLE_BASE_FETCH_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct {
    const char *method, *url;   /* http:// or https:// alone; redirects are not followed */
    const char *const *headers; /* "Name: value", ended by NULL; or NULL */
    str body;
    double seconds; /* time limit of the whole; 0: 60 */
    size_t most;    /* bytes of the answer; 0: 1 GiB */
} fetch_request;

/* False when there was no answer (no such host, time over, too large, libcurl missing); any status is an answer. */
bool fetch(arena *a, const fetch_request *r, int *status, str *body, err *e);

#endif
