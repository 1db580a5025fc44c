/* runs.h - training runs as child processes of the server: a queue, one at a time. Used inside serve alone.
 *
 * A run is its folder (run/run.h); the server keeps nothing of it elsewhere, so a run that was started in a terminal is here too, and one
 * that goes on while the server is away is found again by the lock its process holds. The server knows objectives and options only
 * through the program: `fettle train --describe | --preview | --prepare | --run | --resume`. What it adds to a folder is order.json:
 * {"name", "objective", "base", "preset", "dataset_id", "examples", "by", "teach", "queued", "again"}.
 *
 *     run_order_put ──► queued ──► preparing ──► running ◄──► paused      a thread of ours starts the next, collects who ended,
 *                         ▲                         │                     and tells who listens to /api/v1/events
 *                         └── runs_resume ── stopped | failed | done
 *
 * All functions may be called from any thread. */
#ifndef FETTLE_SERVE_RUNS_H
#define FETTLE_SERVE_RUNS_H

#include "run/run.h"
#include "serve/api.h"

typedef struct runs runs;

runs *runs_new(server *s);
void runs_wake(runs *r); /* looks now; begins its thread with the first call */
void runs_free(runs *r); /* ends the thread; children train on. NULL is fine */
runs *server_runs(server *s);

/* ---- what is ordered ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *objective, *base, *preset; /* name, preset NULL: none */
    const char *dataset_id;                       /* whose examples: or file, of this machine */
    const char *file;
    const char *by, *teach; /* ids; NULL: nobody, no lesson */
    const char *const *set; /* "key=value", `sets` of them */
    int sets;
} run_order;

/* Makes the folder: examples.jsonl by the dataset's recipe, config.json by the program, order.json; and queues it. id is the folder's
 * name. Everything that can be refused before a model is loaded is refused here. */
bool runs_order(runs *r, arena *a, const run_order *o, const char **id, err *e);
/* What `--preview --json` says of it; nothing is left behind. *refusal: the words, when it is refused (then *out may be NULL). */
bool runs_preview(runs *r, arena *a, const run_order *o, const json **out, const char **refusal, err *e);
bool runs_describe(runs *r, arena *a, const json **out, err *e); /* what `--describe --json` says */

/* ---- what there is ---------------------------------------------------------------------------------------------------------------------- */

// clang-format off
/*     token            word */
#define RUN_STATES(X)                \
    X(STATE_QUEUED,    "queued")     \
    X(STATE_PREPARING, "preparing")  \
    X(STATE_RUNNING,   "running")    \
    X(STATE_PAUSED,    "paused")     \
    X(STATE_STOPPED,   "stopped")    \
    X(STATE_DONE,      "done")       \
    X(STATE_FAILED,    "failed")
// clang-format on

typedef enum {
#define X(token, word) token,
    RUN_STATES(X)
#undef X
} run_state;
const char *run_state_word(run_state s);

typedef struct {
    run r;
    const char *id;
    run_state state;
    const json *order; /* NULL: started in a terminal */
} run_view;
bool runs_find(runs *r, arena *a, const char *id, run_view *out, err *e); /* ERR_NOT_FOUND: none of this name */
bool runs_list(runs *r, arena *a, run_view **out, int *count, err *e);    /* newest first */
void run_put(call *c, const run_view *v);                                 /* as the API answers it (api_runs.c) */
bool run_is_busy(run_state s);                                            /* it waits or works */

bool runs_stop(runs *r, arena *a, const run_view *v, err *e); /* it saves what it has, then ends */
bool runs_pause(runs *r, const run_view *v, err *e);          /* it stands still with all it has in memory */
bool runs_resume(runs *r, arena *a, const run_view *v,
                 err *e); /* from there; or, ended, from its newest checkpoint: it is queued */
bool runs_delete(runs *r, const run_view *v, err *e);

#endif
