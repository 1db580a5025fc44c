/* worker_parts.h - what the files of the worker share: models in memory (mounts.c), one request (work.c), how the kinds of requests run
 * (worker_generate.c, worker_pieces.c), the queue and the thread (worker.c).
 *
 * Locks: the worker's mutex guards the queue, the list of mounts and their members up to `state`; a work's own mutex guards what its
 * reader sees. A work's mutex is never held while the worker's is taken, nor the other way round. What has no lock belongs to the
 * worker's thread. */
#ifndef FETTLE_SERVE_WORKER_PARTS_H
#define FETTLE_SERVE_WORKER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "model/model.h"
#include "serve/worker.h"

/* ---- models in memory (mounts.c) ------------------------------------------------------------------------------------------------------ */

/* A base, once in memory for all its adapters. */
typedef struct base {
    struct base *next;
    const char *path;
    uint64_t stamp; /* of its files, as they were read */
    arena *a;
    model *m;
    engine *g;
    int mounts;
    session *kept[32]; /* ended ones, whose beginnings may be asked for again; the newest first */
    int kept_count;
} base;

/* A base with an adapter or none, as a request names it.
 *
 *     wanted ── a process looked at the files ──► checked ── the worker made room ──► cleared ── its weights are read ──► opened
 *                                                                                                                          │
 *     any of them ──► failed                                                                    ready ◄── the adapter too ──┘
 *     loader: wanted, cleared.   worker's thread: checked, opened. */
typedef enum { MOUNT_WANTED, MOUNT_CHECKED, MOUNT_CLEARED, MOUNT_OPENED, MOUNT_READY, MOUNT_FAILED } mount_state;
typedef struct mount {
    struct mount *next;
    const char *base_path, *adapter_path; /* adapter_path NULL: none */
    uint64_t base_stamp, adapter_stamp;
    arena *a;
    mount_state state;
    err e;
    size_t need; /* bytes of the base's weights */
    int users;
    bool stale; /* its files changed, or it failed: nobody new gets it */
    double used_at;
    base *base;
    adapter *adapter;
} mount;

typedef struct {
    worker *w;
    mount *list;
    base *bases;
    pthread_t loader;
    pthread_cond_t wanted;
    struct checked *checked;
    pthread_mutex_t checking;
    double load_seconds;
    bool ending;
} mounts;

bool mounts_begin(worker *w, err *e);
void mounts_end(worker *w);  /* ends the loader */
void mounts_free(worker *w); /* and all models */
/* These want the worker's mutex held. */
mount *mounts_take(worker *w, const model_place *at);
void mounts_release(worker *w, mount *m);
bool mounts_advance(worker *w); /* on the worker's thread: the steps that are its own; true: something changed */
void mounts_sweep(worker *w, double now);
/* On the worker's thread. */
bool mounts_make_room(worker *w, size_t bytes); /* gives up what nobody uses, the longest unused first */
void base_keep(base *b, session *s, size_t most_bytes);
int base_borrow(base *b, session *s, session *const *running, int count);
size_t base_kept_bytes(const base *b);

/* ---- one request (work.c) ---------------------------------------------------------------------------------------------------------------- */

typedef struct choice {
    work *of;
    session *s; /* worker's thread */
    buf text;
    const char *finish;
    int count, room;
    int32_t *ids;
    float *logps;
    token_top *tops; /* [count, tops] */
    bool ended;      /* the last token is an end token */
} choice;

typedef struct work_form {
    const char *name;
    /* On the worker's thread, when the model is there; true: it runs now. False: it failed (e), or must wait (no e). */
    bool (*begin)(worker *w, work *x, err *e);
    /* A bounded piece of it; *over at its end. NULL: it runs by sessions. */
    bool (*piece)(worker *w, work *x, bool *over, err *e);
} work_form;
extern const work_form form_generate, form_embed, form_score;

struct work {
    worker *w;
    work *next; /* in the queue */
    _Atomic int references;
    arena *a; /* of the order and the results */
    const work_form *form;
    work_order order;
    const char *model;
    mount *mount;

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t news;
    work_state state;
    err e;
    int64_t version;
    bool cancelled;
    choice *choice;
    int choices;
    const int32_t *prompt_ids;
    str prompt;
    int prompt_count, reused;
    float *prompt_logps; /* [prompt_count - 1], with echo, once read */
    token_top *prompt_tops;
    double begun, ended;

    /* Embeddings and scores: what comes in, where it stands, what came out. */
    const work_input *input;
    const work_pair *pair;
    const json **pair_messages;
    int inputs, done;
    const int32_t **ids;
    int *length, *from; /* from: first token of the answer */
    float **out;
    int64_t tokens;
};

work *work_new(worker *w, const work_form *form, const work_order *o);
void work_drop(work *x);                                                         /* one reference */
void work_set_state(work *x, work_state s, const err *why);                      /* tells */
void work_told(work *x);                                                         /* its mutex held: there is something new */
bool work_unwanted(work *x);                                                     /* cancelled, or gone */
const int32_t *work_tokens(work *x, str text, bool special, int *count, err *e); /* in its arena */

/* ---- the worker --------------------------------------------------------------------------------------------------------------------------- */

struct worker {
    worker_options o;
    arena *a;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t news; /* for the worker's thread */
    bool ending;
    work *first, **last; /* the queue */
    int waiting;
    work **running; /* worker's thread */
    int running_count, running_room, answers;
    mounts mounts;
    struct {
        char name[128], target[256];
    } * alias;
    int aliases, aliases_room;
    worker_counters counters;
    size_t kept_most;
};

void worker_wake(worker *w);           /* mutex held */
void generate_step(worker *w);         /* one pass of every model */
void generate_end(worker *w, work *x); /* its sessions go */

#endif
