/* runs.c - what runs there are and how they go: their folders read, the queue, the children collected (contract: runs.h). */
#include "serve/runs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "serve/news.h"
#include "serve/runs_parts.h"

enum { CHILDREN_MOST = 64, LOOK_BUSY_MS = 300, LOOK_IDLE_MS = 2000, PATIENCE = 60, NICE = 10 };

/* A child of ours that was not collected yet. */
typedef struct {
    int64_t process;
    char *id;
    bool asked; /* SIGTERM was sent: a second one would end it at once */
    bool met;   /* it was seen at work in its folder */
} child;

/* What was last told of a run. */
typedef struct {
    char *id;
    run_state state;
    int64_t step;
} told;

struct runs {
    server *server;
    pthread_mutex_t mutex; /* over children, and over changes of the queue */
    pthread_cond_t call;
    pthread_t thread;
    bool begun, looked, called;
    _Atomic bool ending;
    child child[CHILDREN_MOST];
    int children;
    told *told; /* of the thread alone */
    int tolds;
    char *described; /* under the lock */
};

static const char *const state_words[] = {
#define X(token, word) word,
    RUN_STATES(X)
#undef X
};
const char *run_state_word(run_state s) { return state_words[s]; }
bool run_is_busy(run_state s) { return s <= STATE_PAUSED; }

server *runs_server(const runs *r) { return r->server; }
char **runs_described(runs *r) { return &r->described; }
void runs_lock(runs *r) { pthread_mutex_lock(&r->mutex); }
void runs_unlock(runs *r) { pthread_mutex_unlock(&r->mutex); }
/* Never whatever program this happens to be: one that takes the words for its own would start itself for ever. */
bool runs_program(const runs *r, err *e) {
    return server_program(r->server) || err_set(e, ERR_CONFLICT, "this server was opened without the program that trains");
}
const char *runs_home(const runs *r) { return store_folder(server_store(r->server)); }

/* ---- reading a folder ----------------------------------------------------------------------------------------------------------------- */

static bool is_plain(const char *name) {
    return *name && *name != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static run_state state_of(const run *r, const json *order) {
    static const run_state ends[] = {[RUN_DONE] = STATE_DONE,
                                     [RUN_STOPPED] = STATE_STOPPED,
                                     [RUN_FAILED] = STATE_FAILED,
                                     [RUN_KILLED] = STATE_FAILED,
                                     [RUN_READY] = STATE_STOPPED};
    if (r->status == RUN_RUNNING) return sys_process(r->pid) == PROCESS_PAUSED ? STATE_PAUSED : STATE_RUNNING;
    if (run_is_held(r)) return STATE_PREPARING;
    return json_get_bool(order, "queued", false) ? STATE_QUEUED : ends[r->status];
}

static child *child_of(runs *r, const char *id) { /* under the lock */
    for (int i = 0; i < r->children; i++)
        if (strcmp(r->child[i].id, id) == 0) return &r->child[i];
    return NULL;
}

static bool is_met(runs *r, const char *id) {
    runs_lock(r);
    const child *own = child_of(r, id);
    const bool met = own && own->met;
    runs_unlock(r);
    return met;
}

/* A child works for a moment before it has its folder's lock, and one that was killed has not ended before it is collected.
 * met: it was seen at work before the folder was read, so that what was read is no older than its work. */
static run_state with_child(runs *r, const run_view *v, bool met) {
    run_state s = v->state;
    runs_lock(r);
    child *own = child_of(r, v->id);
    if (own && s != STATE_QUEUED && run_is_busy(s)) own->met = true;
    else if (own && v->r.status == RUN_KILLED) s = STATE_RUNNING;
    else if (own && !met && s != STATE_DONE) s = STATE_PREPARING;
    runs_unlock(r);
    return s;
}

static bool view(runs *r, arena *a, const char *path, run_view *out, err *e) {
    err none = {0};
    const char *order = path_join(a, path, "order.json");
    const bool met = is_met(r, path_name(path));
    if (!run_open(a, path, &out->r, e)) return false;
    out->id = path_name(out->r.path);
    out->order = file_exists(order) ? json_parse_file(a, order, 1 << 20, &none) : NULL;
    out->state = state_of(&out->r, out->order);
    out->state = with_child(r, out, met);
    return true;
}

bool runs_find(runs *r, arena *a, const char *id, run_view *out, err *e) {
    const char *path = path_join(a, path_join(a, runs_home(r), "runs"), id);
    err why = {0};
    if (is_plain(id) && view(r, a, path, out, &why)) return true;
    return err_set(e, ERR_NOT_FOUND, "Run with id `%s` not found", id);
}

static int newest_first(const void *x, const void *y) {
    const run_view *a = x, *b = y;
    const int by_time = strcmp(b->r.started, a->r.started);
    return by_time ? by_time : strcmp(b->id, a->id);
}

bool runs_list(runs *r, arena *a, run_view **out, int *count, err *e) {
    const char *folder = path_join(a, runs_home(r), "runs");
    char **names = NULL;
    int n = 0;
    *count = 0;
    if (file_is_dir(folder) && !dir_list(a, folder, &names, &n, e)) return false;
    *out = arena_array(a, run_view, n + 1);
    for (int i = 0; i < n; i++) {
        err none = {0};
        if (is_plain(names[i]) && view(r, a, path_join(a, folder, names[i]), &(*out)[*count], &none)) ++*count;
    }
    qsort(*out, (size_t)*count, sizeof **out, newest_first);
    return true;
}

/* ---- order.json ---------------------------------------------------------------------------------------------------------------------------- */

bool runs_mark(arena *a, const run *r, const json *order, bool queued, err *e) {
    json *now = json_new_object(a);
    buf out = {0};
    json_member m = {0};
    while (order && json_next(order, &m)) json_set(now, m.key, m.value);
    json_set(now, "queued", json_new_bool(a, queued));
    if (queued) json_set(now, "queued_at", json_new_int(a, clock_now()));
    json_put(&out, now);
    buf_put_char(&out, '\n');
    const bool ok = file_write(path_join(a, r->path, "order.json"), buf_str(&out), e);
    buf_free(&out);
    return ok;
}

static void write_end(run *r, run_status s, const char *reason) {
    err e = {0};
    if (!run_lock(r, &e) || !run_end(r, s, reason, &e)) log_warning("run %s: %s", r->path, e.text);
}

/* ---- how a run that said nothing ended ----------------------------------------------------------------------------------------------------- */

static bool is_progress(str line) { return str_starts(line, STR("training")) || !str_trim(line).len; }

/* The last lines that say something of what it printed. */
static const char *last_words(arena *a, const run *r) {
    str text;
    err none = {0};
    const char *path = path_join(a, r->path, "console"), *words = "";
    if (!file_read(a, path, 64 << 20, &text, &none)) return words;
    size_t end = text.len;
    for (int lines = 0; end && lines < 3;) {
        size_t begin = end - 1;
        while (begin && text.ptr[begin - 1] != '\n') begin--;
        const str line = str_trim(str_slice(text, begin, end));
        if (!is_progress(line)) {
            words = arena_printf(a, "%.*s%s%s", (int)(line.len < 300 ? line.len : 300), line.ptr, *words ? " | " : "", words);
            lines++;
        }
        end = begin;
    }
    return words;
}

/* status: of sys_wait_child, or -1 when it was no child of ours. */
static const char *why_it_ended(arena *a, const run *r, int status) {
    const char *words = last_words(a, r), *lead = *words ? "; it said last: " : "";
    const int number = status > 128 ? status - 128 : 0;
    if (number == SIGKILL)
        return arena_printf(a, "killed by signal 9: the machine ran out of memory, or somebody ended it%s%s", lead, words);
    if (number) return arena_printf(a, "crashed by signal %d (%s)%s%s", number, strsignal(number), lead, words);
    if (status < 0) return arena_printf(a, "its process was gone while it trained%s%s", lead, words);
    return arena_printf(a, "ended with exit status %d%s%s", status, lead, words);
}

static void settle(runs *r, const char *id, int status) {
    arena *a = arena_new();
    run_view v;
    err e = {0};
    if (runs_find(r, a, id, &v, &e) && !run_is_held(&v.r) && (v.r.status == RUN_KILLED || v.r.status == RUN_READY) &&
        !json_get_bool(v.order, "queued", false))
        write_end(&v.r, status == err_exit_status(ERR_STOPPED) ? RUN_STOPPED : RUN_FAILED, why_it_ended(a, &v.r, status));
    arena_free(a);
}

/* ---- children -------------------------------------------------------------------------------------------------------------------------------- */

static void collect(runs *r) {
    for (int i = 0; i < r->children;) {
        int status = 0;
        if (!sys_poll_child(r->child[i].process, &status)) {
            i++;
            continue;
        }
        char *id = r->child[i].id;
        settle(r, id, status); /* before it is forgotten: whoever looks sees the one or the other */
        runs_lock(r);
        r->child[i] = r->child[--r->children];
        runs_unlock(r);
        memory_release(id);
    }
}

static char *kept(const char *text) {
    char *out = memory_alloc(strlen(text) + 1);
    memcpy(out, text, strlen(text));
    return out;
}

static bool start(runs *r, arena *a, const run_view *v, err *e) {
    const char *const words[] = {"train", v->r.status == RUN_READY ? "--run" : "--resume", v->r.path};
    const char *const environment[] = {arena_printf(a, "FETTLE_HOME=%s", runs_home(r)), "OMP_WAIT_POLICY=passive", NULL};
    const sys_child c = {.program = server_program(r->server),
                         .words = words,
                         .count = 3,
                         .environment = environment,
                         .output = path_join(a, v->r.path, "console"),
                         .watched = true,
                         .nice = NICE,
                         .apart = true};
    if (!runs_program(r, e)) return false;
    runs_lock(r); /* whoever sees the order taken from the queue sees the child too */
    const int64_t process = runs_mark(a, &v->r, v->order, false, e) ? sys_start(&c, e) : -1;
    if (process >= 0) r->child[r->children++] = (child){.process = process, .id = kept(v->id)};
    runs_unlock(r);
    return process >= 0;
}

/* Of a run that goes on before its last process was collected: what is asked of it would reach that one. */
static bool is_leaving(runs *r, const char *id) {
    runs_lock(r);
    const bool leaving = child_of(r, id) != NULL;
    runs_unlock(r);
    return leaving;
}

/* The one that waits longest, when nothing works. */
static void start_next(runs *r, arena *a, const run_view *all, int count) {
    const run_view *next = NULL;
    for (int i = 0; i < count; i++) {
        if (all[i].state == STATE_QUEUED &&
            (!next || json_get_int(all[i].order, "queued_at", 0) < json_get_int(next->order, "queued_at", 0)))
            next = &all[i];
        if (all[i].state != STATE_QUEUED && run_is_busy(all[i].state)) return;
    }
    err e = {0};
    if (!next || is_leaving(r, next->id) || r->children == CHILDREN_MOST) return;
    if (start(r, a, next, &e)) return;
    log_error("run %s: %s", next->id, e.text);
    run failed = next->r;
    write_end(&failed, RUN_FAILED, arena_text(a, e.text));
}

/* ---- telling --------------------------------------------------------------------------------------------------------------------------------- */

static told *told_of(runs *r, const char *id) {
    for (int i = 0; i < r->tolds; i++)
        if (strcmp(r->told[i].id, id) == 0) return &r->told[i];
    r->told = memory_resize(r->told, (size_t)(r->tolds + 1) * sizeof *r->told);
    r->told[r->tolds] = (told){.id = kept(id), .state = STATE_QUEUED, .step = -1};
    return &r->told[r->tolds++];
}

static void tell(runs *r, const run_view *v) {
    told *t = told_of(r, v->id);
    if (t->state == v->state && t->step == v->r.step) return;
    *t = (told){.id = t->id, .state = v->state, .step = v->r.step};
    if (!r->looked) return; /* what was there when the server came is no news */
    buf out = {0};
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '{');
    json_key(&w, "id"), json_put_cstr(&w, v->id);
    json_key(&w, "status"), json_put_cstr(&w, run_state_word(v->state));
    json_key(&w, "step"), json_put_int(&w, v->r.step);
    json_key(&w, "steps"), json_put_int(&w, v->r.steps);
    json_key(&w, "teach"), json_put_value(&w, json_get(v->order, "teach"));
    json_close(&w);
    news_post(r->server, "run", v->id, 0, buf_str(&out));
    buf_free(&out);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------------------------------- */

/* Of an order that was taken but never begun: the server ended in between. */
static void adopt(runs *r, arena *a, const run_view *v) {
    err e = {0};
    if (v->r.status == RUN_READY && v->order && v->state == STATE_STOPPED) runs_mark(a, &v->r, v->order, true, &e);
    if (v->r.status == RUN_KILLED && v->state == STATE_FAILED && v->order) settle(r, v->id, -1);
}

/* True: somebody works. */
static bool look(runs *r) {
    arena *a = arena_new();
    run_view *all;
    int count;
    err e = {0};
    bool busy = false;
    collect(r);
    if (!runs_list(r, a, &all, &count, &e)) log_warning("runs: %s", e.text);
    for (int i = 0; i < count; i++) {
        if (!r->looked || all[i].r.status == RUN_KILLED) adopt(r, a, &all[i]);
        tell(r, &all[i]);
        busy = busy || run_is_busy(all[i].state);
    }
    start_next(r, a, all, count);
    r->looked = true;
    arena_free(a);
    return busy || r->children;
}

static void rest(runs *r, int milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)milliseconds % 1000 * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    runs_lock(r);
    while (!r->called && !r->ending)
        if (pthread_cond_timedwait(&r->call, &r->mutex, &until) != 0) break;
    r->called = false;
    runs_unlock(r);
}

static void *runs_main(void *context) {
    runs *r = context;
    while (!r->ending) rest(r, look(r) ? LOOK_BUSY_MS : LOOK_IDLE_MS);
    return NULL;
}

runs *runs_new(server *s) {
    runs *r = memory_alloc(sizeof *r);
    r->server = s;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->call, NULL);
    return r;
}

void runs_wake(runs *r) {
    runs_lock(r);
    r->called = true;
    if (!r->begun) r->begun = pthread_create(&r->thread, NULL, runs_main, r) == 0;
    pthread_cond_signal(&r->call);
    runs_unlock(r);
}

void runs_free(runs *r) {
    if (!r) return;
    r->ending = true;
    runs_lock(r);
    pthread_cond_signal(&r->call);
    runs_unlock(r);
    if (r->begun) pthread_join(r->thread, NULL);
    for (int i = 0; i < r->children; i++) memory_release(r->child[i].id);
    for (int i = 0; i < r->tolds; i++) memory_release(r->told[i].id);
    memory_release(r->told);
    memory_release(r->described);
    pthread_cond_destroy(&r->call);
    pthread_mutex_destroy(&r->mutex);
    memory_release(r);
}

/* ---- what people ask for -------------------------------------------------------------------------------------------------------------------- */

static bool not_now(const run_view *v, const char *what, err *e) {
    return err_set(e, ERR_CONFLICT, "run %s is %s: it cannot be %s now", v->id, run_state_word(v->state), what);
}

bool runs_stop(runs *r, arena *a, const run_view *v, err *e) {
    if (!run_is_busy(v->state)) return not_now(v, "stopped", e);
    if (v->state == STATE_QUEUED) {
        run stopped = v->r;
        if (!runs_mark(a, &v->r, v->order, false, e)) return false;
        if (v->r.status == RUN_READY) write_end(&stopped, RUN_STOPPED, "stopped before it began");
        return true;
    }
    runs_lock(r);
    child *own = child_of(r, v->id);
    const int64_t process = own ? own->process : v->r.pid;
    const bool again = own && own->asked;
    if (own) own->asked = true;
    runs_unlock(r);
    if (!again) sys_signal(process, SIGTERM);
    sys_signal(process, SIGCONT);
    runs_wake(r);
    return true;
}

bool runs_pause(runs *r, const run_view *v, err *e) {
    if (v->state != STATE_RUNNING) return not_now(v, "paused", e);
    sys_signal(v->r.pid, SIGSTOP);
    for (int i = 0; i < PATIENCE && sys_process(v->r.pid) == PROCESS_RUNS; i++) nanosleep(&(struct timespec){0, 5000000}, NULL);
    runs_wake(r);
    return true;
}

bool runs_resume(runs *r, arena *a, const run_view *v, err *e) {
    if (v->state == STATE_PAUSED) sys_signal(v->r.pid, SIGCONT);
    else if (v->state != STATE_STOPPED && v->state != STATE_FAILED) return not_now(v, "resumed", e);
    else if (!runs_mark(a, &v->r, v->order, true, e)) return false;
    runs_wake(r);
    return true;
}

bool runs_delete(runs *r, const run_view *v, err *e) {
    if (run_is_busy(v->state) && v->state != STATE_QUEUED) return not_now(v, "deleted", e);
    runs_wake(r);
    return dir_remove(v->r.path, e);
}
