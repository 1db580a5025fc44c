/* jobs.c - the list of jobs, newest first, under one lock; their threads; their routes. */
#include "serve/jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"

enum { TOLD_EVERY = 500000 /* microseconds between two events of progress */, OF_MOST = 256 };

/* Argilla's words, for jobs of all kinds: whoever waits for one knows them all. */
#define JOB_STATES(X) X(JOB_RUNNING, "started") X(JOB_DONE, "finished") X(JOB_FAILED, "failed") X(JOB_STOPPED, "stopped")
#define X(name, word) name,
typedef enum { JOB_STATES(X) } job_status;
#undef X
#define X(name, word) [name] = word,
static const char *const words[] = {JOB_STATES(X)};
#undef X

struct job {
    job_order o;
    uuid_text id;
    char of[OF_MOST];
    server *server;
    job_status status;
    int64_t done, total, began, ended, told, news;
    char message[200];
    char *result, *error; /* NULL: none */
    _Atomic bool stop;
    job_work work; /* NULL: started by job_start */
    void (*end)(void *context);
    void *context;
    job *next;
};

struct jobs {
    pthread_mutex_t mutex;
    job *newest;
    int64_t news;
    _Atomic int threads;
    _Atomic bool ending;
};

jobs *jobs_new(void) {
    jobs *all = memory_alloc(sizeof *all);
    pthread_mutex_init(&all->mutex, NULL);
    return all;
}

static void free_job(job *j) {
    memory_release(j->result);
    memory_release(j->error);
    memory_release(j);
}

void jobs_stop(jobs *all) {
    all->ending = true;
    while (all->threads) usleep(2000);
}

void jobs_free(jobs *all) {
    if (!all) return;
    for (job *j; (j = all->newest) != NULL;) {
        all->newest = j->next;
        free_job(j);
    }
    pthread_mutex_destroy(&all->mutex);
    memory_release(all);
}

/* ---- beginning, going on, ending ------------------------------------------------------------------------------------------------------ */

static void changed(jobs *all, job *j) { j->news = ++all->news; } /* under the lock */

/* Those that ended longest ago go. */
static void forget(jobs *all) {
    int ended = 0;
    for (job **at = &all->newest, *j; (j = *at) != NULL;) {
        if (j->status == JOB_RUNNING || ++ended <= JOBS_KEPT) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        free_job(j);
    }
}

job *job_start(server *s, const job_order *o) {
    jobs *all = server_jobs(s);
    job *j = memory_alloc(sizeof *j);
    j->o = *o;
    if (o->of) snprintf(j->of, sizeof j->of, "%s", o->of);
    j->server = s;
    j->total = o->total;
    j->began = clock_now();
    uuid_new(j->id);
    pthread_mutex_lock(&all->mutex);
    j->next = all->newest;
    all->newest = j;
    changed(all, j);
    forget(all);
    pthread_mutex_unlock(&all->mutex);
    server_tell(s);
    return j;
}

const char *job_id(const job *j) { return j->id; }
bool job_stop_asked(const job *j) { return j->stop || server_jobs(j->server)->ending || sys_stop_requested(); }

void job_progress(job *j, int64_t done, int64_t total, const char *message) {
    jobs *all = server_jobs(j->server);
    const int64_t now = clock_now();
    pthread_mutex_lock(&all->mutex);
    j->done = done;
    if (total) j->total = total;
    if (message) snprintf(j->message, sizeof j->message, "%s", message);
    const bool tell = now - j->told >= TOLD_EVERY;
    if (tell) changed(all, j), j->told = now;
    pthread_mutex_unlock(&all->mutex);
    if (tell) server_tell(j->server);
}

static char *kept(str text) {
    char *out = memory_alloc(text.len + 1);
    if (text.len) memcpy(out, text.ptr, text.len);
    return out;
}

static void finish(job *j, job_status status, str result, const char *error) {
    server *s = j->server;
    jobs *all = server_jobs(s);
    pthread_mutex_lock(&all->mutex);
    j->status = status;
    j->ended = clock_now();
    if (result.len) j->result = kept(result);
    if (error) j->error = kept(str_of(error));
    changed(all, j);
    pthread_mutex_unlock(&all->mutex);
    server_tell(s);
}

void job_done(job *j, str result) { finish(j, JOB_DONE, result.len ? result : STR("{}"), NULL); }
void job_failed(job *j, const err *why) {
    const bool stopped = why->code == ERR_STOPPED;
    finish(j, stopped ? JOB_STOPPED : JOB_FAILED, STR(""), stopped ? NULL : why->text);
}

/* ---- threads --------------------------------------------------------------------------------------------------------------------------- */

static void work_through(job *j) {
    buf result = {0};
    err e = {0};
    json_writer w = json_writer_on(&result, false);
    json_open(&w, '{');
    const bool ok = j->work(j, j->context, &w, &e);
    json_close(&w);
    if (j->end) j->end(j->context);
    if (ok) job_done(j, buf_str(&result));
    else job_failed(j, &e);
    buf_free(&result);
}

static void *job_main(void *context) {
    job *j = context;
    jobs *all = server_jobs(j->server);
    work_through(j);
    all->threads--;
    return NULL;
}

bool job_run(server *s, const job_order *o, job_work work, void (*end)(void *context), void *context, uuid_text id, err *e) {
    jobs *all = server_jobs(s);
    pthread_t thread;
    err why = {0};
    if (++all->threads > JOBS_AT_ONCE || all->ending) {
        all->threads--;
        if (end) end(context);
        return err_set(e, ERR_BUSY, "%d jobs run already: wait for one to end, or stop it", JOBS_AT_ONCE);
    }
    job *j = job_start(s, o);
    j->work = work;
    j->end = end;
    j->context = context;
    memcpy(id, j->id, sizeof j->id);
    if (pthread_create(&thread, NULL, job_main, j) == 0) return pthread_detach(thread) == 0;
    all->threads--;
    if (end) end(context);
    err_set(&why, ERR_LIMIT, "no thread for a job");
    job_failed(j, &why);
    return err_set(e, why.code, "%s", why.text);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------------------------------ */

static void put_seconds_left(const job *j, json_writer *w) {
    const double passed = (double)(clock_now() - j->began) / 1e6;
    const bool known = j->status == JOB_RUNNING && j->done > 0 && j->total > j->done;
    json_key(w, "eta_s");
    if (known) json_put_real(w, (double)(int64_t)(passed * (double)(j->total - j->done) / (double)j->done + 0.5));
    else json_put_null(w);
}

static void put_number(json_writer *w, const char *key, int64_t n) {
    json_key(w, key);
    if (n) json_put_int(w, n);
    else json_put_null(w);
}

static void put_job(const job *j, json_writer *w) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, j->id);
    json_key(w, "kind"), json_put_cstr(w, j->o.kind);
    json_key(w, "of"), json_put_cstr(w, *j->of ? j->of : NULL);
    json_key(w, "status"), json_put_cstr(w, words[j->status]);
    json_key(w, "done"), json_put_int(w, j->done);
    put_number(w, "total", j->total);
    json_key(w, "unit"), json_put_cstr(w, j->o.unit);
    put_seconds_left(j, w);
    json_key(w, "message"), json_put_cstr(w, j->message[0] ? j->message : NULL);
    json_key(w, "result"), json_put_raw(w, str_of(j->result));
    json_key(w, "error"), json_put_cstr(w, j->error);
    put_moment(w, "started_at", j->began);
    if (j->ended) put_moment(w, "ended_at", j->ended);
    else json_key(w, "ended_at"), json_put_null(w);
    json_close(w);
}

static job *find(jobs *all, const char *id) { /* under the lock */
    job *j = all->newest;
    while (j && strcmp(j->id, id) != 0) j = j->next;
    return j;
}

bool job_put(server *s, const char *id, json_writer *w) {
    jobs *all = server_jobs(s);
    pthread_mutex_lock(&all->mutex);
    const job *j = find(all, id);
    if (j) put_job(j, w);
    pthread_mutex_unlock(&all->mutex);
    return j != NULL;
}

bool jobs_run_of(server *s, const char *kind, const char *of) {
    jobs *all = server_jobs(s);
    bool found = false;
    pthread_mutex_lock(&all->mutex);
    for (const job *j = all->newest; j; j = j->next)
        found = found || (j->status == JOB_RUNNING && strcmp(j->o.kind, kind) == 0 && strcmp(j->of, of) == 0);
    pthread_mutex_unlock(&all->mutex);
    return found;
}

bool jobs_failed_lately(server *s, const char *kind, const char *of, double seconds) {
    jobs *all = server_jobs(s);
    pthread_mutex_lock(&all->mutex);
    const job *j = all->newest;
    while (j && (strcmp(j->o.kind, kind) != 0 || strcmp(j->of, of) != 0)) j = j->next;
    const bool failed =
        j && (j->status == JOB_FAILED || j->status == JOB_STOPPED) && (double)(clock_now() - j->ended) < seconds * 1e6;
    pthread_mutex_unlock(&all->mutex);
    return failed;
}

bool job_accepted(call *c, const char *id) {
    c->status = 202;
    return job_put(c->server, id, &c->w);
}

/* ---- who may see which --------------------------------------------------------------------------------------------------------------------- */

typedef bool (*membership)(void *context, int64_t workspace);

static bool may_see(const job *j, const user *me, membership member, void *context) {
    if (me->role == ROLE_OWNER || (me->seq && j->o.by == me->seq)) return true;
    return me->role == ROLE_ADMIN && (!j->o.workspace || member(context, j->o.workspace));
}

static bool member_of(void *context, int64_t space) { return is_member(context, space); }

void jobs_append_news(server *s, const user *me, membership member, void *context, int64_t *seen, buf *out) {
    jobs *all = server_jobs(s);
    pthread_mutex_lock(&all->mutex);
    for (const job *j = all->newest; j; j = j->next) {
        if (j->news <= *seen || !may_see(j, me, member, context)) continue;
        buf_printf(out, "event: job\ndata: ");
        json_writer w = json_writer_on(out, false);
        put_job(j, &w);
        buf_put_text(out, "\n\n");
    }
    *seen = all->news;
    pthread_mutex_unlock(&all->mutex);
}

int64_t jobs_news(server *s) {
    jobs *all = server_jobs(s);
    pthread_mutex_lock(&all->mutex);
    const int64_t n = all->news;
    pthread_mutex_unlock(&all->mutex);
    return n;
}

/* ---- routes ---------------------------------------------------------------------------------------------------------------------------------- */

/* One that others began is as if it were not there. */
static bool with_job(call *c, bool stop, err *e) {
    jobs *all = server_jobs(c->server);
    uuid_text id;
    const bool is_id = uuid_parse(c->arg[0], id); /* Argilla's may be any text */
    pthread_mutex_lock(&all->mutex);
    job *j = is_id ? find(all, id) : NULL;
    const bool mine = j && may_see(j, &c->me, member_of, c);
    if (mine && stop && j->status == JOB_RUNNING) j->stop = true;
    if (mine) put_job(j, &c->w);
    pthread_mutex_unlock(&all->mutex);
    return mine || err_set(e, ERR_NOT_FOUND, "Job with id `%.*s` not found", STR_ARG(c->arg[0]));
}

/* Who began it may have left since. */
static bool still_member(call *c, err *e) {
    jobs *all = server_jobs(c->server);
    uuid_text id;
    uuid_parse(c->arg[0], id);
    pthread_mutex_lock(&all->mutex);
    const job *j = find(all, id);
    const bool is = j && (!j->o.workspace || is_member(c, j->o.workspace));
    pthread_mutex_unlock(&all->mutex);
    return is || err_set(e, ERR_NOT_FOUND, "Job with id `%s` not found", id);
}

bool job_result_text(call *c, const char *key, str *kind, str *text, err *e) {
    err none = {0};
    const size_t before = c->out.len;
    if (!with_job(c, false, e) || !still_member(c, e)) return false;
    const json *shown = json_parse(c->a, str_slice(buf_str(&c->out), before, c->out.len), &none);
    *kind = json_get_text(shown, "kind", STR(""));
    *text = json_get_text(json_get(shown, "result"), key, STR(""));
    buf_clear(&c->out);
    c->w = json_writer_on(&c->out, false);
    return true;
}

static bool get_one(call *c, err *e) { return with_job(c, false, e); }
static bool post_stop(call *c, err *e) { return with_job(c, true, e); }

static bool get_list(call *c, err *e) {
    jobs *all = server_jobs(c->server);
    (void)e;
    items_begin(c);
    pthread_mutex_lock(&all->mutex);
    for (const job *j = all->newest; j; j = j->next)
        if (may_see(j, &c->me, member_of, c)) put_job(j, &c->w);
    pthread_mutex_unlock(&all->mutex);
    items_end(c);
    object_end(c);
    return true;
}

const route routes_jobs[] = {
    {"GET", "/api/v1/jobs", WHO_USER, OF_NOTHING, RUN_READ, get_list, "long work of mine, or of my workspaces, newest first"},
    {"GET", "/api/v1/jobs/{job}", WHO_USER, OF_NOTHING, RUN_READ, get_one, "how far it is, its result or error"},
    {"POST", "/api/v1/jobs/{job}/stop", WHO_USER, OF_NOTHING, RUN_READ, post_stop, "ask it to stop"},
    {0},
};
