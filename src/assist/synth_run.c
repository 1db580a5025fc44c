/* synth_run.c - rounds of synthesis to a file that work which was cut off goes on with (contract: synth.h). */
#include "assist/assist.h"
#include "base/file.h"

enum { IDLE_MOST = 10 };

static bool recall(void *self, const json *row, err *e) {
    (void)e;
    synth_recall(self, row);
    return true;
}

/* A round is written at once. */
static bool one_round(synth *s, int fd, int *worded, err *e) {
    arena *a = arena_new();
    json **rows;
    int count;
    const bool ok = synth_round(s, a, &rows, &count, worded, e) && kept_add(fd, rows, count, e);
    arena_free(a);
    return ok;
}

static bool all_rounds(synth *s, const synth_file *f, const char *part, synth_made *made, err *e) {
    const int fd = file_append_open(part, e);
    bool ok = fd >= 0;
    while (ok && synth_kept(s) < f->count) {
        if (f->go_on && !f->go_on(f->self, synth_kept(s)))
            ok = err_set(e, ERR_STOPPED, "stopped at %d tasks; the same order goes on", synth_kept(s));
        else if (synth_idle(s) >= IDLE_MOST)
            ok = err_set(
                e, ERR_INPUT,
                "%d rounds in a row gave no new task: the generator repeats itself or writes no list (%s says why each was "
                "left out); use a stronger model, more seeds, or another file and seed",
                IDLE_MOST, part);
        else ok = one_round(s, fd, &made->worded, e);
    }
    if (fd >= 0) file_close(fd);
    return ok;
}

bool synth_run(synth *s, const synth_file *f, synth_made *made, err *e) {
    arena *a = arena_new();
    const char *part = kept_part(a, f->out);
    kept_count n;
    *made = (synth_made){0};
    const bool ok =
        kept_recall(a, part, recall, s, e) && all_rounds(s, f, part, made, e) && kept_finish(a, f->out, f->count, &n, e);
    if (ok) made->tasks = n.rows, made->left_out = n.left_out, kept_reasons(&n, made->why, sizeof made->why);
    arena_free(a);
    return ok;
}
