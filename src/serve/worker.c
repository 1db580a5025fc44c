/* worker.c - the queue and the thread that owns the engines (contract: worker.h; the parts: worker_parts.h). */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/sys.h"
#include "serve/worker_parts.h"

enum { STREAMS = 64, QUEUE = 256, IDLE = 900, SPARE = 256 << 20, KEPT_SHARE = 16 };

void worker_wake(worker *w) { pthread_cond_signal(&w->news); }

/* ---- names ------------------------------------------------------------------------------------------------------------------------------------ */

static int find_alias(const worker *w, const char *name) {
    for (int i = 0; i < w->aliases; i++)
        if (strcmp(w->alias[i].name, name) == 0) return i;
    return -1;
}

void worker_alias(worker *w, const char *name, const char *target) {
    pthread_mutex_lock(&w->mutex);
    int at = find_alias(w, name);
    if (at >= 0 && !target) w->alias[at] = w->alias[--w->aliases];
    if (at < 0 && target) {
        if (w->aliases == w->aliases_room) {
            w->aliases_room = 2 * w->aliases_room + 8;
            w->alias = memory_resize(w->alias, (size_t)w->aliases_room * sizeof *w->alias);
        }
        at = w->aliases++;
    }
    if (target) {
        snprintf(w->alias[at].name, sizeof w->alias[at].name, "%s", name);
        snprintf(w->alias[at].target, sizeof w->alias[at].target, "%s", target);
    }
    pthread_mutex_unlock(&w->mutex);
}

const char *worker_resolve(worker *w, arena *a, const char *id) {
    pthread_mutex_lock(&w->mutex);
    const int at = find_alias(w, id);
    const char *out = arena_text(a, at >= 0 ? w->alias[at].target : id);
    pthread_mutex_unlock(&w->mutex);
    return out;
}

const char *worker_alias_at(worker *w, arena *a, int index) {
    pthread_mutex_lock(&w->mutex);
    const char *out = index < w->aliases ? arena_text(a, w->alias[index].name) : NULL;
    pthread_mutex_unlock(&w->mutex);
    return out;
}

/* ---- the queue ---------------------------------------------------------------------------------------------------------------------------------- */

/* The thread's own reference is taken here. */
static bool enqueue(worker *w, work *x, const model_place *at, err *e) {
    pthread_mutex_lock(&w->mutex);
    bool ok = !w->ending || err_set(e, ERR_STOPPED, "the server is ending");
    ok = ok &&
         (w->waiting < w->o.queue || err_set(e, ERR_BUSY, "%d requests wait already: try again in some seconds", w->waiting));
    if (ok) {
        x->mount = mounts_take(w, at);
        x->references++;
        *w->last = x;
        w->last = &x->next;
        w->waiting++;
        w->counters.requests++;
        worker_wake(w);
    }
    pthread_mutex_unlock(&w->mutex);
    return ok;
}

static work *submit(worker *w, const work_form *form, const work_order *o, const work *with, err *e) {
    model_place at;
    work *x = work_new(w, form, o);
    if (with) {
        x->input = with->input;
        x->pair = with->pair;
        x->pair_messages = with->pair_messages;
        x->inputs = with->inputs;
    }
    x->model = worker_resolve(w, x->a, o->model);
    if (model_find(x->a, w->o.home, x->model, false, &at, e) && enqueue(w, x, &at, e)) return x;
    work_drop(x);
    return NULL;
}

work *worker_submit(worker *w, const work_order *o, err *e) { return submit(w, &form_generate, o, NULL, e); }

static bool wait_for(work *x, bool (*gone)(void *self), void *self, err *e) {
    (void)gone, (void)self; /* the worker asks */
    for (int64_t seen = 0; !work_over(x);) seen = work_wait(x, seen, 10);
    pthread_mutex_lock(&x->mutex);
    const bool ok = x->state == WORK_DONE || err_set(e, x->e.code, "%s", x->e.text);
    pthread_mutex_unlock(&x->mutex);
    return ok;
}

bool worker_answer(worker *w, const work_order *o, arena *a, work_view *out, err *e) {
    work *x = worker_submit(w, o, e);
    if (!x) return false;
    const bool ok = wait_for(x, NULL, NULL, e);
    if (ok) work_read(x, a, out);
    work_free(x);
    return ok;
}

/* ---- vectors and scores --------------------------------------------------------------------------------------------------------------------------- */

bool worker_embed(worker *w, const work_order *o, const work_input *inputs, int count, arena *a, work_vectors *out, err *e) {
    const work_order order = {.model = o->model, .gone = o->gone, .self = o->self};
    work *x = submit(w, &form_embed, &order, &(work){.input = inputs, .inputs = count}, e);
    if (!x) return false;
    const bool ok = wait_for(x, o->gone, o->self, e);
    if (ok) {
        *out = (work_vectors){arena_array(a, const float *, count), x->mount->base->m->config.hidden, (int)x->tokens};
        for (int i = 0; i < count; i++)
            out->vector[i] = (const float *)(const void *)arena_copy(a, x->out[i], (size_t)out->width * sizeof(float));
    }
    work_free(x);
    return ok;
}

static void read_scored(const work *x, arena *a, int i, work_scored *out) {
    const int from = x->from[i] > 0 ? x->from[i] - 1 : 0, n = x->length[i] - 1 - from;
    *out = (work_scored){.count = n > 0 ? n : 0, .length = x->length[i]};
    out->logp = (const float *)(const void *)arena_copy(a, x->out[i] + from, (size_t)out->count * sizeof(float));
    for (int k = 0; k < out->count; k++) out->sum += (double)out->logp[k];
}

bool worker_score(worker *w, const char *id, const work_pair *pairs, int count, arena *a, work_scored **out, err *e) {
    const json **messages = arena_array(a, const json *, count);
    for (int i = 0; i < count; i++) messages[i] = pairs[i].messages; /* read by the worker while this thread waits */
    work *x =
        submit(w, &form_score, &(work_order){.model = id}, &(work){.pair = pairs, .pair_messages = messages, .inputs = count}, e);
    if (!x) return false;
    const bool ok = wait_for(x, NULL, NULL, e);
    if (ok) {
        *out = arena_array(a, work_scored, count);
        for (int i = 0; i < count; i++) read_scored(x, a, i, &(*out)[i]);
    }
    work_free(x);
    return ok;
}

/* ---- from the queue to running ---------------------------------------------------------------------------------------------------------------------- */

static void fail(work *x, err_code code, const char *words) {
    err why = {0};
    err_set(&why, code, "%s", words);
    work_set_state(x, WORK_FAILED, &why);
}

static void run(worker *w, work *x) {
    if (w->running_count == w->running_room) {
        w->running_room = 2 * w->running_room + 16;
        w->running = memory_resize(w->running, (size_t)w->running_room * sizeof(work *));
    }
    w->running[w->running_count++] = x;
    work_set_state(x, WORK_RUNNING, NULL);
}

/* What becomes of a request in the queue now: true when it leaves it. `full`: one before it waits for room. */
static bool look_at(worker *w, work *x, mount_state state, const err *why, bool *full) {
    err e = {0};
    if (work_unwanted(x)) {
        fail(x, ERR_STOPPED, "nobody waits for it any more");
        return true;
    }
    if (state == MOUNT_FAILED) {
        work_set_state(x, WORK_FAILED, why);
        return true;
    }
    if (state != MOUNT_READY) {
        work_set_state(x, WORK_LOADING, NULL);
        return false;
    }
    if (*full) return false;
    if (x->form->begin(w, x, &e)) {
        run(w, x);
        return true;
    }
    *full = e.code == ERR_NONE;
    if (e.code) work_set_state(x, WORK_FAILED, &e);
    return e.code != ERR_NONE;
}

/* In order of their coming, as far as they can begin. Only this thread takes something out of the queue. */
static void admit(worker *w) {
    bool full = false;
    for (work **at = &w->first; *at;) {
        work *x = *at;
        const mount_state state = x->mount->state;
        const err why = x->mount->e;
        pthread_mutex_unlock(&w->mutex);
        const bool leaves = look_at(w, x, state, &why, &full);
        pthread_mutex_lock(&w->mutex);
        if (!leaves) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        if (w->last == &x->next) w->last = at;
        w->waiting--;
        pthread_mutex_unlock(&w->mutex);
        if (work_over(x)) work_drop(x);
        pthread_mutex_lock(&w->mutex);
    }
}

/* ---- running ------------------------------------------------------------------------------------------------------------------------------------------ */

static void drop_unwanted(worker *w) {
    for (int i = 0; i < w->running_count; i++) {
        work *x = w->running[i];
        if (!work_unwanted(x)) continue;
        generate_end(w, x);
        fail(x, ERR_STOPPED, "nobody waits for it any more");
    }
}

/* A piece of the first request that is computed in pieces; then it stands behind the others. */
static void piece_step(worker *w) {
    for (int i = 0; i < w->running_count; i++) {
        work *x = w->running[i];
        bool over = false;
        err e = {0};
        if (!x->form->piece || work_over(x)) continue;
        if (!x->form->piece(w, x, &over, &e)) work_set_state(x, WORK_FAILED, &e);
        else if (over) work_set_state(x, WORK_DONE, NULL);
        memmove(w->running + i, w->running + i + 1, (size_t)(w->running_count - 1 - i) * sizeof(work *));
        w->running[w->running_count - 1] = x;
        return;
    }
}

static void drop_over(worker *w) {
    int left = 0;
    for (int i = 0; i < w->running_count; i++)
        if (work_over(w->running[i])) work_drop(w->running[i]);
        else w->running[left++] = w->running[i];
    w->running_count = left;
}

static void sleep_a_second(worker *w) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_cond_timedwait(&w->news, &w->mutex, &until);
}

static void fail_all(worker *w) {
    drop_unwanted(w);
    for (int i = 0; i < w->running_count; i++) {
        generate_end(w, w->running[i]);
        fail(w->running[i], ERR_STOPPED, "the server is ending");
    }
    drop_over(w);
    for (work *x; (x = w->first) != NULL; work_drop(x)) {
        w->first = x->next;
        fail(x, ERR_STOPPED, "the server is ending");
    }
    w->last = &w->first;
}

static void note_load(worker *w) {
    w->counters.running = w->answers;
    w->counters.kept_bytes = 0;
    for (const base *b = w->mounts.bases; b; b = b->next) w->counters.kept_bytes += (int64_t)base_kept_bytes(b);
}

static void *worker_main(void *context) {
    worker *w = context;
    err none = {0};
    backend_close(backend_open(NULL, &none)); /* tells this thread how many others to use */
    pthread_mutex_lock(&w->mutex);
    while (!w->ending) {
        if (mounts_advance(w)) pthread_cond_signal(&w->mounts.wanted);
        admit(w);
        mounts_sweep(w, sys_seconds());
        if (!w->running_count) {
            if (!w->ending) sleep_a_second(w);
            continue;
        }
        pthread_mutex_unlock(&w->mutex);
        drop_unwanted(w);
        drop_over(w);
        generate_step(w);
        piece_step(w);
        drop_over(w);
        pthread_mutex_lock(&w->mutex);
        note_load(w);
    }
    pthread_mutex_unlock(&w->mutex);
    fail_all(w);
    return NULL;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------------------------------------------- */

static void settle(worker *w, const worker_options *o) {
    w->o = *o;
    w->o.home = arena_text(w->a, o->home);
    w->o.program = arena_text(w->a, o->program);
    if (w->o.streams <= 0) w->o.streams = STREAMS;
    if (w->o.queue <= 0) w->o.queue = QUEUE;
    if (w->o.idle <= 0) w->o.idle = IDLE;
    if (w->o.memory_spare <= 0) w->o.memory_spare = SPARE;
    w->kept_most = sys_memory_total() / KEPT_SHARE;
}

worker *worker_start(const worker_options *o, err *e) {
    arena *a = arena_new();
    worker *w = arena_new_of(a, worker);
    pthread_condattr_t monotonic;
    w->a = a;
    w->last = &w->first;
    settle(w, o);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (mounts_begin(w, e)) {
        if (pthread_create(&w->thread, NULL, worker_main, w) == 0) return w;
        mounts_end(w);
        err_set(e, ERR_LIMIT, "no thread for models");
    }
    arena_free(a);
    return NULL;
}

void worker_end(worker *w) {
    if (!w || w->ending) return;
    pthread_mutex_lock(&w->mutex);
    w->ending = true;
    worker_wake(w);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    mounts_end(w);
}

void worker_free(worker *w) {
    if (!w) return;
    worker_end(w);
    mounts_free(w);
    memory_release(w->running);
    memory_release(w->alias);
    pthread_cond_destroy(&w->news);
    pthread_mutex_destroy(&w->mutex);
    arena_free(w->a);
}

worker_counters worker_count(worker *w) {
    pthread_mutex_lock(&w->mutex);
    worker_counters out = w->counters;
    for (const base *b = w->mounts.bases; b; b = b->next) out.models++;
    out.waiting = w->waiting;
    out.load_seconds = w->mounts.load_seconds;
    pthread_mutex_unlock(&w->mutex);
    return out;
}
