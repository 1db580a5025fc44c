/* run.c - run folders: state, metrics, listing (contract: run.h). */
#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"

enum { LOCK_TRIES = 40 }; /* 5 ms apart */

static const char *const words[] = {
#define X(token, word) word,
    RUN_STATUSES(X)
#undef X
};

const char *run_status_word(run_status s) { return words[s]; }

static run_status status_of(str word) {
    for (int i = 0; i < RUN_STATUS_COUNT; i++)
        if (str_is(word, words[i])) return (run_status)i;
    return RUN_FAILED;
}

static bool write_state(run *r, err *e) {
    buf out = {0};
    char now[32];
    arena *a = arena_new();
    sys_date(now);
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "status"), json_put_cstr(&w, words[r->status]);
    json_key(&w, "pid"), json_put_int(&w, r->pid);
    json_key(&w, "step"), json_put_int(&w, r->step);
    json_key(&w, "steps"), json_put_int(&w, r->steps);
    json_key(&w, "reason"), json_put_cstr(&w, r->reason);
    json_key(&w, "started"), json_put_cstr(&w, r->started);
    json_key(&w, "updated"), json_put_cstr(&w, now);
    json_key(&w, "begun"), json_put_cstr(&w, *r->begun ? r->begun : NULL);
    json_key(&w, "begun_step"), json_put_int(&w, r->begun_step);
    json_close(&w);
    buf_put_char(&out, '\n');
    const bool ok = file_write(path_join(a, r->path, "state.json"), buf_str(&out), e);
    buf_free(&out);
    arena_free(a);
    return ok;
}

/* A lock on the folder itself, which the kernel takes back when the process ends. -1: another has it, or there is no folder. */
/* how: LOCK_EX to own it; LOCK_SH to look whether somebody does, which others may do at the same time. */
static int lock_folder(const char *dir, int how) {
    const int fd = file_io.open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0 || flock(fd, how | LOCK_NB) == 0 || errno != EWOULDBLOCK) return fd; /* or a file system without locks */
    file_io.close(fd);
    return -1;
}

bool run_lock(run *r, err *e) {
    for (int i = 0; i < LOCK_TRIES; i++) { /* who only looks has it for a moment */
        if (r->lock_fd >= 0 || (r->lock_fd = lock_folder(r->path, LOCK_EX)) >= 0) return true;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    return err_set(e, ERR_CONFLICT, "another process (%lld) is training in %s", (long long)r->pid, r->path);
}

bool run_is_held(const run *r) {
    const int fd = r->lock_fd >= 0 ? -1 : lock_folder(r->path, LOCK_SH);
    if (fd >= 0) file_io.close(fd);
    return fd < 0;
}

void run_release(run *r) {
    if (r->lock_fd >= 0) file_io.close(r->lock_fd);
    r->lock_fd = -1;
}

/* Of what a run writes: the examples may be there before it. */
static bool is_empty(arena *a, const char *dir, err *e) {
    char **names;
    int count;
    if (!dir_list(a, dir, &names, &count, e)) return false;
    if (count == 0 || (count == 1 && strcmp(names[0], "examples.jsonl") == 0)) return true;
    const bool is_run = file_exists(path_join(a, dir, "state.json"));
    return err_set(e, ERR_CONFLICT, "%s is there already and not empty; choose another --output%s%s", dir,
                   is_run ? ", or go on with --resume " : "", is_run ? dir : "");
}

bool run_create(arena *a, const char *dir, str config, run *out, err *e) {
    char now[32];
    sys_date(now);
    *out = (run){.path = arena_text(a, dir),
                 .status = RUN_READY,
                 .started = arena_text(a, now),
                 .metrics_fd = -1,
                 .samples_fd = -1,
                 .rollouts_fd = -1,
                 .log_fd = -1,
                 .lock_fd = -1};
    if (file_exists(dir) && !file_is_dir(dir)) return err_set(e, ERR_CONFLICT, "%s is there already and no folder", dir);
    if (!dir_make(dir, e) || !run_lock(out, e)) return false;
    if (is_empty(a, dir, e) && file_write(path_join(a, dir, "config.json"), config, e) && write_state(out, e)) return true;
    run_release(out);
    return false;
}

bool run_open(arena *a, const char *dir, run *out, err *e) {
    const char *state = path_join(a, dir, "state.json");
    if (!file_exists(state))
        return err_set(e, ERR_NOT_FOUND, "%s is no run folder (it has no state.json); 'fettle runs' lists them", dir);
    const json *s = json_parse_file(a, state, 1 << 20, e);
    if (!s) return false;
    *out = (run){.path = arena_text(a, dir),
                 .status = status_of(json_get_text(s, "status", STR(""))),
                 .pid = json_get_int(s, "pid", 0),
                 .step = json_get_int(s, "step", 0),
                 .steps = json_get_int(s, "steps", 0),
                 .metrics_fd = -1,
                 .samples_fd = -1,
                 .rollouts_fd = -1,
                 .log_fd = -1,
                 .lock_fd = -1};
    out->reason = json_has(s, "reason") && json_get(s, "reason") ? str_copy(a, json_get_text(s, "reason", STR(""))) : NULL;
    out->started = str_copy(a, json_get_text(s, "started", STR("")));
    out->updated = str_copy(a, json_get_text(s, "updated", STR("")));
    const str begun = json_get_text(s, "begun", STR(""));
    snprintf(out->begun, sizeof out->begun, "%.*s", STR_ARG(begun));
    out->begun_step = json_get_int(s, "begun_step", 0);
    const int fd = out->status == RUN_RUNNING ? lock_folder(dir, LOCK_SH) : -1;
    if (fd >= 0) { /* its process would have it: a process id alone may be another's by now */
        out->status = RUN_KILLED;
        file_io.close(fd);
    }
    return true;
}

const char *run_find(arena *a, const char *home, const char *name) {
    const char *named = path_join(a, path_join(a, home, "runs"), name);
    return file_exists(path_join(a, name, "state.json")) || !file_exists(named) ? name : named;
}

json *run_config(arena *a, const run *r, err *e) { return json_parse_file(a, path_join(a, r->path, "config.json"), 64 << 20, e); }

char *run_new_path(arena *a, const char *home, const char *name, err *e) {
    const char *folder = path_join(a, home, "runs");
    if (!dir_make(folder, e)) return NULL;
    for (int i = 1; i < 1000000; i++) {
        char *path = path_join(a, folder, arena_printf(a, "%s-%d", name, i));
        if (file_io.mkdir(path, 0700) == 0) return path;
        if (errno != EEXIST) return err_errno(e, ERR_IO, "cannot make %s", path), NULL;
    }
    return err_null(e, ERR_LIMIT, "a million runs are called %s", name);
}

/* ---- while it runs ------------------------------------------------------------------------------------------------------------------ */

bool run_begin(run *r, int64_t steps, err *e) {
    arena *a = arena_new();
    r->status = RUN_RUNNING;
    r->pid = getpid();
    r->steps = steps;
    r->reason = NULL;
    r->begun_step = r->step;
    sys_date(r->begun);
    r->metrics_fd = file_append_open(path_join(a, r->path, "metrics.jsonl"), e);
    r->samples_fd = file_append_open(path_join(a, r->path, "samples.jsonl"), e);
    r->log_fd = file_append_open(path_join(a, r->path, "log"), e);
    arena_free(a);
    log_copy_to(r->log_fd);
    return r->metrics_fd >= 0 && r->samples_fd >= 0 && r->log_fd >= 0 && write_state(r, e);
}

bool run_step(run *r, int64_t step, err *e) {
    const double now = sys_seconds();
    r->step = step;
    if (now - r->written < 1) return true;
    r->written = now;
    return write_state(r, e);
}

bool run_end(run *r, run_status s, const char *reason, err *e) {
    r->status = s;
    r->reason = (char *)(uintptr_t)reason;
    log_copy_to(-1);
    if (r->metrics_fd >= 0) file_close(r->metrics_fd);
    if (r->samples_fd >= 0) file_close(r->samples_fd);
    if (r->rollouts_fd >= 0) file_close(r->rollouts_fd);
    if (r->log_fd >= 0) file_close(r->log_fd);
    r->metrics_fd = r->samples_fd = r->rollouts_fd = r->log_fd = -1;
    const bool ok = write_state(r, e);
    run_release(r);
    return ok;
}

static bool append_line(int fd, str line, err *e) {
    buf out = {0};
    buf_put_str(&out, line);
    buf_put_char(&out, '\n');
    const bool ok = file_append(fd, buf_str(&out), e);
    buf_free(&out);
    return ok;
}
bool run_metric(run *r, str line, err *e) { return append_line(r->metrics_fd, line, e); }
bool run_sample(run *r, str line, err *e) { return append_line(r->samples_fd, line, e); }

bool run_rollout(run *r, str line, err *e) {
    if (r->rollouts_fd < 0) {
        arena *a = arena_new();
        r->rollouts_fd = file_append_open(path_join(a, r->path, "rollouts.jsonl"), e);
        arena_free(a);
    }
    return r->rollouts_fd >= 0 && append_line(r->rollouts_fd, line, e);
}

/* A line that a kill cut in two is none. */
static bool is_until(str line, int64_t step) {
    arena *a = arena_new();
    err ignored = {0};
    const json *j = json_parse(a, line, &ignored);
    const bool stays = j && json_get_int(j, "step", 0) <= step;
    arena_free(a);
    return stays;
}

static bool copy_until(file_lines *in, file_out *out, int64_t step, err *e) {
    str line;
    while (file_lines_next(in, &line, e))
        if (is_until(line, step) && (!file_out_put(out, line.ptr, line.len, e) || !file_out_put(out, "\n", 1, e))) return false;
    return e->code == ERR_NONE;
}

static bool cut_lines(const char *path, int64_t step, err *e) {
    file_lines in;
    file_out out;
    if (!file_exists(path)) return true;
    if (!file_lines_open(&in, path, 1 << 26, e)) return false;
    bool ok = file_out_open(&out, path, e);
    if (ok && !copy_until(&in, &out, step, e)) {
        file_out_abandon(&out);
        ok = false;
    } else ok = ok && file_out_commit(&out, e);
    file_lines_close(&in);
    return ok;
}

bool run_rewind(run *r, int64_t step, err *e) {
    arena *a = arena_new();
    r->step = step;
    const bool ok = cut_lines(path_join(a, r->path, "metrics.jsonl"), step, e) &&
                    cut_lines(path_join(a, r->path, "samples.jsonl"), step, e) &&
                    cut_lines(path_join(a, r->path, "rollouts.jsonl"), step, e);
    arena_free(a);
    return ok;
}

bool run_back(run *r, int64_t step, err *e) {
    arena *a = arena_new();
    file_close(r->metrics_fd);
    file_close(r->samples_fd);
    if (r->rollouts_fd >= 0) file_close(r->rollouts_fd);
    r->rollouts_fd = -1;
    const bool ok = run_rewind(r, step, e);
    r->metrics_fd = file_append_open(path_join(a, r->path, "metrics.jsonl"), e);
    r->samples_fd = file_append_open(path_join(a, r->path, "samples.jsonl"), e);
    arena_free(a);
    return ok && r->metrics_fd >= 0 && r->samples_fd >= 0;
}

/* ---- all runs ---------------------------------------------------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b) { return strcmp(((const run *)b)->started, ((const run *)a)->started); }

bool run_list(arena *a, const char *home, run **out, int *count, err *e) {
    const char *folder = path_join(a, home, "runs");
    char **names = NULL;
    int n = 0;
    *count = 0;
    if (file_is_dir(folder) && !dir_list(a, folder, &names, &n, e)) return false;
    *out = arena_array(a, run, n + 1);
    for (int i = 0; i < n; i++) {
        err ignored = {0};
        if (run_open(a, path_join(a, folder, names[i]), &(*out)[*count], &ignored)) ++*count;
    }
    qsort(*out, (size_t)*count, sizeof **out, newest_first);
    return true;
}
