/* rlaif_run.c - pairs of many prompts to a file that work which was cut off goes on with (contract: rlaif.h). */
#include "assist/assist.h"
#include "base/file.h"
#include "base/rng.h"

enum { PURPOSE_PRINCIPLE = 0x7072696e };

typedef struct {
    const rlaif_file *f;
    int done;
} recalling;

/* What is there must be of these prompts. */
static bool recall(void *self, const json *row, err *e) {
    recalling *r = self;
    if (r->done >= r->f->count || !str_is(json_get_text(row, "prompt", STR("")), r->f->prompts[r->done]))
        return err_set(e, ERR_INPUT, "%s.part was begun with other prompts: remove it, or name another file", r->f->out);
    r->done++;
    return true;
}

/* The order of one prompt: its seed and its principle depend on its place alone. */
static rlaif_order order_of(const rlaif_order *o, const rlaif_file *f, int i) {
    rlaif_order one = *o;
    rng draw = rng_new(o->seed, rng_mix(PURPOSE_PRINCIPLE, (uint64_t)i));
    one.prompt = str_of(f->prompts[i]);
    one.seed = o->seed * 1000003 + (uint64_t)i;
    if (f->principle_count) one.principle = str_of(f->principles[rng_below(&draw, (uint32_t)f->principle_count)]);
    return one;
}

static bool one_prompt(const rlaif_order *o, const rlaif_file *f, int i, int fd, int *worded, err *e) {
    arena *a = arena_new();
    json *row;
    const rlaif_order one = order_of(o, f, i);
    const bool ok = rlaif_row(a, &one, &row, worded, e) && kept_add(fd, &row, 1, e);
    arena_free(a);
    return ok;
}

static bool all_prompts(const rlaif_order *o, const rlaif_file *f, const char *part, int done, int *worded, err *e) {
    const int fd = file_append_open(part, e);
    bool ok = fd >= 0;
    for (int i = done; ok && i < f->count; i++) {
        if (f->go_on && !f->go_on(f->self, i))
            ok = err_set(e, ERR_STOPPED, "stopped at prompt %d; the same order goes on", i + 1);
        else ok = one_prompt(o, f, i, fd, worded, e);
    }
    if (fd >= 0) file_close(fd);
    return ok;
}

bool rlaif_run(const rlaif_order *o, const rlaif_file *f, rlaif_made *made, err *e) {
    arena *a = arena_new();
    const char *part = kept_part(a, f->out);
    recalling r = {.f = f};
    kept_count n;
    *made = (rlaif_made){0};
    const bool ok = kept_recall(a, part, recall, &r, e) && all_prompts(o, f, part, r.done, &made->worded, e) &&
                    kept_finish(a, f->out, 0, &n, e);
    if (ok) made->pairs = n.rows, made->left_out = n.left_out, kept_reasons(&n, made->why, sizeof made->why);
    arena_free(a);
    return ok;
}
