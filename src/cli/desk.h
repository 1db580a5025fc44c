/* desk.h - commands that ask the store: through the server that has the data folder open, else in this process. The same request
 * either way. */
#ifndef FETTLE_CLI_DESK_H
#define FETTLE_CLI_DESK_H

#include "base/json.h"
#include "serve/serve.h"

typedef struct {
    const char *home;
    server *own; /* NULL: a server has the folder, we ask its socket */
} desk;

bool desk_open(arena *a, const char *home, desk *out, err *e); /* home NULL: the usual one */
/* The body as JSON text or empty; *out is the answer (NULL where there is none). */
bool desk_ask(arena *a, desk *d, const char *method, const char *path, str body, json **out, err *e);
bool desk_ask_raw(arena *a, desk *d, const char *method, const char *path, str body, str *out, err *e);
/* For answers of any size. */
bool desk_ask_to(desk *d, const char *method, const char *path, str body, answer_sink sink, void *context, err *e);
void desk_close(desk *d);

/* {"a": "x", ...} of pairs of texts ended by NULL; values that are NULL are left out. */
str desk_body(arena *a, const char *const *pairs);
/* A job that was begun (an answer of 202) to its end, with a line of progress unless quiet; *ended: as it is then. A failed one fails with
 * its words. */
bool desk_wait(arena *a, desk *d, const json *begun, const char *what, bool quiet, json **ended, err *e);

/* A text of an answer, empty where there is none; an answer on standard output, for --json. */
str desk_text(const json *answer, const char *key);
void desk_print(const json *answer);
/* The id of what is named in a list the API answers, by a member ("name", "username"). */
bool desk_find(arena *a, desk *d, const char *list, const char *member, const char *name, const json **out, err *e);

#endif
