/* erase.c - what a run folder and files of rows keep of a record or a person: lines that go, and a note that stays (contract: run.h).
 *
 * Lines of examples say what they come from ("record", "responses", "people"): those are judged by their ids alone. Other lines
 * (samples, rollouts, the log) are judged by the texts they hold. */
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "run/run.h"

enum { LINE_MOST = 1 << 28, SMALL = 16 << 20 };

static bool goes(const erasure *x, str line) {
    if (needles_in(x->ids, line)) return true;
    return str_find(line, STR("\"record\":"), 0) < 0 && needles_in(x->texts, line);
}

static bool copy_rest(const erasure *x, file_lines *in, file_out *out, int64_t *gone, err *e) {
    str line;
    while (file_lines_next(in, &line, e)) {
        if (goes(x, line)) ++*gone;
        else if (!file_out_put(out, line.ptr, line.len, e) || !file_out_put(out, "\n", 1, e)) return false;
    }
    return e->code == ERR_NONE;
}

bool erase_lines(const char *path, const erasure *x, int64_t *gone, err *e) {
    bool ids, texts;
    file_lines in;
    file_out out;
    *gone = 0;
    if (!file_exists(path)) return true;
    if (!needles_in_file(x->ids, path, &ids, e) || !needles_in_file(x->texts, path, &texts, e)) return false;
    if (!ids && !texts) return true;
    if (!file_lines_open(&in, path, LINE_MOST, e)) return false;
    bool ok = file_out_open(&out, path, e);
    if (ok && !(copy_rest(x, &in, &out, gone, e) && *gone)) {
        file_out_abandon(&out);
        ok = e->code == ERR_NONE;
    } else ok = ok && file_out_commit(&out, e);
    file_lines_close(&in);
    return ok;
}

bool erase_folder(arena *a, const char *folder, const erasure *x, int64_t *gone, err *e) {
    char **names;
    int count;
    *gone = 0;
    if (!file_is_dir(folder)) return true;
    if (!dir_list(a, folder, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        const char *path = path_join(a, folder, names[i]);
        int64_t lines = 0;
        bool ids = false, texts = false;
        if (file_is_dir(path)) {
            if (!erase_folder(a, path, x, &lines, e)) return false;
        } else if (str_ends(str_of(path), STR(".jsonl"))) {
            if (!erase_lines(path, x, &lines, e)) return false;
        } else if (!needles_in_file(x->ids, path, &ids, e) || !needles_in_file(x->texts, path, &texts, e)) return false;
        if (ids || texts) { /* no lines to take out one by one */
            if (file_io.unlink(path) != 0) return err_errno(e, ERR_IO, "cannot remove %s", path);
            lines = 1;
        }
        *gone += lines;
    }
    return true;
}

/* ---- what is told ------------------------------------------------------------------------------------------------------------------ */

json *run_erasures(arena *a, const char *folder) {
    err none = {0};
    const char *path = path_join(a, folder, "erased.json");
    return file_exists(path) ? json_get(json_parse_file(a, path, SMALL, &none), "erasures") : NULL;
}

char *run_erased_words(arena *a, const char *folder) {
    const json *list = run_erasures(a, folder);
    int64_t examples = 0, records = 0, people = 0;
    str last = {0};
    for (size_t i = 0; i < json_count(list); i++) {
        const json *x = json_at(list, i);
        examples += json_get_int(x, "examples", 0);
        *(str_is(json_get_text(x, "kind", STR("")), "user") ? &people : &records) += 1;
        last = json_get_text(x, "at", STR(""));
    }
    if (!json_count(list)) return NULL;
    return arena_printf(
        a,
        "Data that it was trained on was erased afterwards (records: %lld, people: %lld, examples of this run: %lld; the "
        "last on %.10s): train it again without them.",
        (long long)records, (long long)people, (long long)examples, last.ptr ? last.ptr : "?");
}

static bool write_note(arena *a, const erased_run *r, const erasure *x, err *e) {
    const json *before = run_erasures(a, r->path);
    buf out = {0};
    char now[32];
    sys_date(now);
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "erasures"), json_open(&w, '[');
    for (size_t i = 0; i < json_count(before); i++) json_put_value(&w, json_at(before, i));
    json_open(&w, '{');
    json_key(&w, "at"), json_put_cstr(&w, now);
    json_key(&w, "kind"), json_put_cstr(&w, x->kind);
    json_key(&w, "target"), json_put_cstr(&w, x->target);
    json_key(&w, "examples"), json_put_int(&w, r->examples);
    json_key(&w, "through"), json_put_cstr(&w, r->through);
    json_close(&w), json_close(&w), json_close(&w);
    buf_put_char(&out, '\n');
    const bool ok = file_write(path_join(a, r->path, "erased.json"), buf_str(&out), e);
    buf_free(&out);
    return ok;
}

/* The card of a model that is there already gets the words as its last section. */
static bool write_card(arena *a, const char *run_folder, const char *model, err *e) {
    static const str heading = {"\n## Erased data\n", 17};
    const char *path = path_join(a, model, "README.md");
    str card;
    buf out = {0};
    if (!file_exists(path)) return true;
    if (!file_read(a, path, SMALL, &card, e)) return false;
    const ptrdiff_t at = str_find(card, heading, 0);
    buf_put_str(&out, at < 0 ? card : str_slice(card, 0, (size_t)at));
    buf_printf(&out, "%.*s\n%s\n", STR_ARG(heading), run_erased_words(a, run_folder));
    const bool ok = file_write(path, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

/* ---- runs -------------------------------------------------------------------------------------------------------------------------- */

static bool trained_on(arena *a, const run *r, const erasure *x, bool *in, err *e) {
    const char *examples = path_join(a, r->path, "examples.jsonl");
    *in = false;
    return !file_exists(examples) || needles_in_file(x->ids, examples, in, e);
}

/* The flagged run whose model this one began with or was measured against; NULL: none. */
static const char *inherited(arena *a, const run *r, const erased_run *flagged, int count) {
    static const char *const keys[] = {"base", "adapter", "reference"};
    err none = {0};
    const json *options = json_get(run_config(a, r, &none), "options");
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (int i = 0; i < count; i++) {
            const str path = json_get_text(options, keys[k], STR("")), of = str_of(path_absolute(a, flagged[i].path));
            if (str_starts(path, of) && path.len > of.len && path.ptr[of.len] == '/') return path_name(flagged[i].path);
        }
    return NULL;
}

static bool is_flagged(const erased_run *list, int count, const run *r) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].path, r->path) == 0) return true;
    return false;
}

/* Those that trained on it, then those that began with what came out, until no more are found. */
static bool find_runs(arena *a, run *all, int runs, const erasure *x, erased_run *out, int *count, err *e) {
    for (int i = 0; i < runs; i++) {
        bool in;
        if (!trained_on(a, &all[i], x, &in, e)) return false;
        if (in && all[i].status == RUN_RUNNING)
            return err_set(e, ERR_CONFLICT, "the run %s is training on it now: stop it first, or wait for its end",
                           path_name(all[i].path));
        if (in) out[(*count)++] = (erased_run){.path = all[i].path};
    }
    for (int before = -1; before != *count;) {
        before = *count;
        for (int i = 0; i < runs; i++) {
            const char *through = is_flagged(out, *count, &all[i]) ? NULL : inherited(a, &all[i], out, *count);
            if (through) out[(*count)++] = (erased_run){.path = all[i].path, .through = through};
        }
    }
    return true;
}

/* Of a run that writes its own answers a checkpoint keeps those under way, prompts included. A file less would be damage to it, so it goes
 * as a whole; the run can be resumed from an older one. */
static bool clean_checkpoints(arena *a, const run *r, const erasure *x, err *e) {
    char **names;
    int count;
    if (!dir_list(a, r->path, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        const char *folder = path_join(a, r->path, names[i]), *rollouts = path_join(a, folder, CHECKPOINT_ROLLOUTS);
        bool ids, texts;
        if (!file_exists(rollouts)) continue;
        if (!needles_in_file(x->ids, rollouts, &ids, e) || !needles_in_file(x->texts, rollouts, &texts, e)) return false;
        if ((ids || texts) && !dir_remove(folder, e)) return false;
    }
    return true;
}

static bool clean(arena *a, run *r, const erasure *x, int64_t *examples, err *e) {
    static const char *const others[] = {"samples.jsonl", "rollouts.jsonl", "metrics.jsonl", "log", "console"};
    int64_t lines;
    if (r->status == RUN_RUNNING) return true; /* not on it: see find_runs */
    if (!run_lock(r, e)) return false;
    bool ok = erase_lines(path_join(a, r->path, "examples.jsonl"), x, examples, e);
    for (size_t i = 0; ok && i < sizeof others / sizeof *others; i++)
        ok = erase_lines(path_join(a, r->path, others[i]), x, &lines, e);
    ok = ok && clean_checkpoints(a, r, x, e);
    run_release(r);
    return ok;
}

/* A link to the result, or a copy: a card is headed by the name of its run. */
static bool is_result(arena *a, const erased_run *r, const char *model) {
    str card;
    err none = {0};
    char *real = realpath(model, NULL), *own = realpath(r->path, NULL);
    const bool inside = real && own && str_starts(str_of(real), str_of(own)) && real[strlen(own)] == '/';
    free(real), free(own);
    const char *path = path_join(a, model, "README.md");
    return inside || (file_exists(path) && file_read(a, path, SMALL, &card, &none) &&
                      str_find(card, str_of(arena_printf(a, "\n# %s\n", path_name(r->path))), 0) >= 0);
}

static bool flag(arena *a, const char *home, erased_run *r, const erasure *x, err *e) {
    const char *model = path_join(a, r->path, "model"), *models = path_join(a, home, "models");
    char **names;
    int count = 0, n = 0;
    if (file_is_dir(model)) r->model = model;
    if (!write_note(a, r, x, e) || !write_card(a, r->path, model, e)) return false;
    if (file_is_dir(models) && !dir_list(a, models, &names, &count, e)) return false;
    r->added = arena_array(a, const char *, count + 1);
    for (int i = 0; i < count; i++) {
        const char *path = path_join(a, models, names[i]);
        if (!is_result(a, r, path)) continue;
        r->added[n++] = names[i];
        if (!write_card(a, r->path, path, e)) return false;
    }
    return true;
}

bool run_erase(arena *a, const char *home, const erasure *x, erased_run **out, int *count, err *e) {
    run *all;
    int runs;
    *count = 0;
    if (!run_list(a, home, &all, &runs, e)) return false;
    *out = arena_array(a, erased_run, runs + 1);
    if (!find_runs(a, all, runs, x, *out, count, e)) return false;
    for (int i = 0; i < runs; i++) {
        int64_t examples = 0;
        if (!clean(a, &all[i], x, &examples, e)) return err_prefix(e, "%s", all[i].path);
        for (int k = 0; k < *count; k++)
            if (strcmp((*out)[k].path, all[i].path) == 0) (*out)[k].examples = examples;
    }
    for (int k = 0; k < *count; k++)
        if (!flag(a, home, &(*out)[k], x, e)) return err_prefix(e, "%s", (*out)[k].path);
    return true;
}
