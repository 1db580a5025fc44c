/* runs_parts.h - what runs.c and runs_order.c share. */
#ifndef FETTLE_SERVE_RUNS_PARTS_H
#define FETTLE_SERVE_RUNS_PARTS_H

#include "serve/runs.h"

bool runs_program(const runs *r, err *e); /* there is one to start */
server *runs_server(const runs *r);
const char *runs_home(const runs *r); /* data folder */
void runs_lock(runs *r);
void runs_unlock(runs *r);
char **runs_described(runs *r); /* what --describe said, under the lock; NULL: not asked yet */
/* Writes order.json: `order` (or NULL) and whether it waits. */
bool runs_mark(arena *a, const run *r, const json *order, bool queued, err *e);

#endif
