/* run.h - the run folder: everything a training run reads, says and leaves, so that it can be read, repeated and resumed.
 *
 *   config.json       everything resolved: objective, options with their origin, SHA-256 of base and reference
 *   examples.jsonl    what it trained on, in TRL's types, with record and response ids (the lineage)
 *   state.json        {status, pid, step, steps, reason, started, updated, begun, begun_step}
 *   metrics.jsonl     one line per logged step, TRL's names
 *   samples.jsonl     answers to the same prompts during the run
 *   rollouts.jsonl    what the model wrote to learn from, and what it earned (objectives that write their own answers)
 *   log               what was said
 *   order.json        who ordered it and of what, where a server started it; console: what it printed there
 *   erased.json       what was erased since of what it trained on (where something was)
 *   checkpoint-N/     weights or adapter, optimiser, step, manifest.json (SHA-256 of each file); order and random numbers
 *                     are functions of seed and step, so there is no state of theirs to keep
 *   model/            the result: a Hugging Face folder or a PEFT adapter
 *
 *      ready ── run_begin ──► running ── run_end ──► done | stopped | failed        (killed: running with a dead pid)
 */
#ifndef FETTLE_RUN_RUN_H
#define FETTLE_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/needles.h"
#include "base/opt.h"
#include "base/str.h"

/*     token         word */
#define RUN_STATUSES(X)                                                                                                          \
    X(RUN_READY, "ready")                                                                                                        \
    X(RUN_RUNNING, "running")                                                                                                    \
    X(RUN_DONE, "done")                                                                                                          \
    X(RUN_STOPPED, "stopped")                                                                                                    \
    X(RUN_FAILED, "failed")                                                                                                      \
    X(RUN_KILLED, "killed")

typedef enum {
#define X(token, word) token,
    RUN_STATUSES(X)
#undef X
        RUN_STATUS_COUNT
} run_status;
const char *run_status_word(run_status s);

typedef struct {
    char *path;
    run_status status;
    int64_t step, steps, pid;
    char *reason, *started, *updated;
    char begun[32]; /* when this process began to train, "" before; at which step: what an estimate of the time left stands on */
    int64_t begun_step;
    double written;                                  /* when run_step last wrote state.json, by sys_seconds */
    int metrics_fd, samples_fd, rollouts_fd, log_fd; /* -1 when not open for writing */
    int lock_fd;                                     /* -1 when the folder is not ours */
} run;

/* Makes DIR (must be missing, or hold nothing but examples.jsonl) with config.json, state ready. The folder is ours until run_end or run_release. */
bool run_create(arena *a, const char *dir, str config_json, run *out, err *e);
/* The folder for this process alone (a lock that goes with the process, whatever ends it); ERR_CONFLICT while another has it. */
bool run_lock(run *r, err *e);
void run_release(run *r);
bool run_is_held(const run *r); /* some process has it now */
/* Reads an existing one; a running run whose process is gone reads as killed. */
bool run_open(arena *a, const char *dir, run *out, err *e);
/* A run as a person names it: its folder, or a name under HOME/runs. */
const char *run_find(arena *a, const char *home, const char *name);
json *run_config(arena *a, const run *r, err *e);
/* A new, empty folder HOME/runs/NAME-1, NAME-2 ...: two callers never get the same. */
char *run_new_path(arena *a, const char *home, const char *name, err *e);

bool run_begin(run *r, int64_t steps, err *e); /* -> running; opens metrics, samples and log for appending */
bool run_step(run *r, int64_t step, err *e);   /* state.json, at most once a second */
bool run_end(run *r, run_status s, const char *reason, err *e);
bool run_metric(run *r, str line, err *e); /* one JSON object, newline added */
bool run_sample(run *r, str line, err *e);
bool run_rollout(run *r, str line, err *e); /* the file is made by the first line */
/* After a resume at `step`: lines of later steps are cut off metrics.jsonl, samples.jsonl and rollouts.jsonl. */
bool run_rewind(run *r, int64_t step, err *e);
bool run_back(run *r, int64_t step, err *e); /* the same while it runs */

/* ---- checkpoints: written aside, fsynced, renamed; manifest.json names every file with size and SHA-256 ------------------ */

#define CHECKPOINT_ROLLOUTS                                                                                                      \
    "rollout.jsonl" /* in it: answers under way, where the run writes its own; an erasure looks here too */

typedef struct {
    char *path; /* the folder being written: DIR/.checkpoint-N.part */
    char *final;
    int64_t step;
} checkpoint_out;
bool checkpoint_begin(arena *a, const run *r, int64_t step, checkpoint_out *out, err *e);
bool checkpoint_commit(const run *r, checkpoint_out *c, int keep_last, err *e); /* manifest, fsync, rename; removes older ones */
void checkpoint_abandon(checkpoint_out *c);

/* The newest checkpoint whose manifest holds; damaged ones are named by log_warning and skipped. NULL, no error: there is none. */
char *checkpoint_latest(arena *a, const run *r, int64_t *step, err *e);

/* All runs under HOME/runs, newest first. */
bool run_list(arena *a, const char *home, run **out, int *count, err *e);

/* ---- erasure: what a record or a person left in runs and exports ---------------------------------------------------------------- */

typedef struct {
    const char *kind, *target; /* "record" or "user", and its id: what erased.json says */
    const needles *ids;        /* a line that names one of these goes */
    const needles *texts;      /* so does one that holds one of these, where no lineage ("record") says whose it is */
} erasure;
typedef struct {
    char *path;
    const char *model;   /* folder of its result; NULL: it has none */
    int64_t examples;    /* lines of examples.jsonl that went */
    const char *through; /* name of the run whose model it began with; NULL: it trained on it itself */
    const char **added;  /* names under HOME/models of its result: links and copies; ended by NULL */
} erased_run;

/* Takes the lines out of all runs under HOME/runs, and leaves in those that trained on it, or began with such a model, erased.json and a
 * section of the model's card. ERR_CONFLICT: one is training on it now. */
bool run_erase(arena *a, const char *home, const erasure *x, erased_run **out, int *count, err *e);
bool erase_lines(const char *path, const erasure *x, int64_t *gone, err *e); /* of one file; missing is fine */
/* All files below a folder: lines of .jsonl, and other files that hold it as a whole (each counts as one). Missing is fine. */
bool erase_folder(arena *a, const char *folder, const erasure *x, int64_t *gone, err *e);
json *run_erasures(arena *a,
                   const char *folder); /* [{"at", "kind", "target", "examples", "through"}]; NULL: nothing was erased */
char *run_erased_words(arena *a, const char *folder); /* a sentence for people; NULL likewise */

/* ---- options: defaults < preset < config file < FETTLE_* < flags and --set ---------------------------------------------------- */

typedef struct {
    const opt *table;
    void *target; /* the struct the table describes */
} opt_group;

typedef struct {
    const opt_group *groups;
    int count;
    opt_origin *origin; /* one per key that is not at its default */
    int origins;
    const char *prefix; /* of environment variables; NULL: FETTLE_ */
} resolved;

typedef struct {
    const char *name, *words;
    const char *const *settings; /* "learning_rate=1e-4", ..., NULL */
    const char *const *among;    /* instead of settings: the presets that the data choose from, NULL at the end (train_choose) */
    const char
        *start; /* preset by which a policy that will be rewarded imitates such chosen answers first; NULL: it begins as it is */
} preset;
extern const preset run_presets[]; /* ended by a row without a name */
const preset *preset_find(const char *name);

bool resolve_defaults(arena *a, resolved *r);
bool resolve_preset(arena *a, resolved *r, const char *name, err *e); /* one with settings */
/* The same once other sources stand over it: sets what is at its default or comes from a preset. */
bool resolve_preset_under(arena *a, resolved *r, const char *name, err *e);
bool resolve_file(arena *a, resolved *r, const char *path, err *e); /* JSON object; an unknown key is an error with the nearest */
bool resolve_environment(arena *a, resolved *r, err *e);
bool resolve_set(arena *a, resolved *r, str key, str value, const char *source, err *e);
bool resolve_set_json(arena *a, resolved *r, const json *object, const char *source, err *e);
void resolve_note(arena *a, resolved *r, const char *key, const char *source); /* where a value, set by other means, came from */
const char *resolve_source(const resolved *r, const char *key);                /* "default" when nothing set it */
void resolve_put_json(json_writer *w, const resolved *r);                      /* {"learning_rate": 2e-5, ...} all values */

#endif
