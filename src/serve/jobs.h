/* jobs.h - long work that a request begins and others watch: an import, an export, vectors, suggestions.
 *
 *     POST ... ─► job_run ─► 202 {"id","status" ...}        a thread of its own ─► job_progress ... ─► job_done | job_failed
 *     GET /api/v1/jobs/{id} · POST /api/v1/jobs/{id}/stop · events `job` of /api/v1/events
 *
 *                 job_start
 *                ──────────► started ─► finished  job_done, or the work of job_run returned true
 *                                   ├─► stopped   the work failed with ERR_STOPPED: it looked at job_stop_asked
 *                                   └─► failed    job_failed, or any other error
 *
 * Jobs live in the memory of the server: what they made is in the store or in files, and a job that was cut off by the end of the
 * server is begun again. The newest JOBS_KEPT that ended can still be asked for. All functions may be called from any thread. */
#ifndef FETTLE_SERVE_JOBS_H
#define FETTLE_SERVE_JOBS_H

#include "serve/api.h"

enum { JOBS_KEPT = 200, JOBS_AT_ONCE = 8 };

typedef struct job job;

typedef struct {
    const char *kind;  /* "import", "export", "vectors" ...: a literal */
    const char *unit;  /* what is counted: "records", "bytes"; a literal, or NULL */
    int64_t total;     /* 0: not known yet */
    int64_t workspace; /* whose admins may see it; 0: every admin */
    int64_t by;        /* the person who began it, who sees it too; 0: the owner of this process */
    const char *of;    /* id or file's name of what it works on, for jobs_run_of; copied; NULL: nothing that has one */
} job_order;

/* Work of a job on its own thread. What it writes is the result: members of one object, which is open. False with ERR_STOPPED when it
 * ended because it was asked to. */
typedef bool (*job_work)(job *j, void *context, json_writer *result, err *e);

/* Begins a job and its thread; `end` gets the context in any case, once, when the work is over (or could not begin); NULL: nothing to do.
 * ERR_BUSY while JOBS_AT_ONCE run. The job is named by its id from here on: the pointer may be gone. */
bool job_run(server *s, const job_order *o, job_work work, void (*end)(void *context), void *context, uuid_text id, err *e);

/* The same for work that has a thread or process of its own: whoever starts it must end it by job_done or job_failed, and not use
 * it after that. */
job *job_start(server *s, const job_order *o);
const char *job_id(const job *j);
void job_progress(job *j, int64_t done, int64_t total, const char *message); /* total 0, message NULL: as they were */
bool job_stop_asked(const job *j);                                           /* by a person, or the server ends */
void job_done(job *j, str result);                                           /* JSON of an object; empty: {} */
void job_failed(job *j, const err *why);                                     /* ERR_STOPPED: it is stopped, not failed */

/* {"id","kind","status","done","total","unit","eta_s","message","result","error", started_at, ended_at} ; false: there is none. */
bool job_put(server *s, const char *id, json_writer *w);
bool job_accepted(call *c, const char *id); /* answers 202 with it */
/* Of the job that the path names, for who may see it: its kind, and a text of its result (empty: there is none, or not yet). */
bool job_result_text(call *c, const char *key, str *kind, str *text, err *e);
bool jobs_run_of(server *s, const char *kind, const char *of); /* one of this kind, on this, runs now */
/* The newest such job failed or was stopped, less than so many seconds ago. */
bool jobs_failed_lately(server *s, const char *kind, const char *of, double seconds);

/* For the stream of events: those that changed since *seen and this person may see, as `event: job`. */
void jobs_append_news(server *s, const user *me, bool (*member)(void *context, int64_t workspace), void *context, int64_t *seen,
                      buf *out);
int64_t jobs_news(server *s); /* a number that grows with every change */

/* Of the server: made with it; jobs_stop asks all of them to stop and waits for their threads. */
typedef struct jobs jobs;
jobs *jobs_new(void);
void jobs_stop(jobs *all);
void jobs_free(jobs *all); /* after jobs_stop */
jobs *server_jobs(server *s);

#endif
