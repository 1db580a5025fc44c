/* synth_run.c - rounds of synthesis to a file that work which was cut off goes on with (contract: synth.h). */
#include "assist/assist.h"
#include "base/file.h"

enum { IDLE_MOST = 10 };

static bool read_done(arena *a, const char *path, synth *s, err *e) {
    file_lines in;
    str line;
    if (!file_exists(path)) return true;
    if (!file_lines_open(&in, path, 1 << 26, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!row) {
            err_prefix(e, "%s line %lld (remove that line to go on)", path, (long long)in.line);
            break;
        }
        synth_recall(s, row);
    }
    file_lines_close(&in);
    return !e->code;
}

/* A round is written at once. */
static bool one_round(synth *s, int fd, int *worded, err *e) {
    arena *a = arena_new();
    json **rows;
    int count;
    buf lines = {0};
    bool ok = synth_round(s, a, &rows, &count, worded, e);
    for (int i = 0; ok && i < count; i++) json_put(&lines, rows[i]), buf_put_char(&lines, '\n');
    ok = ok && file_append(fd, buf_str(&lines), e);
    buf_free(&lines);
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

static bool finish(arena *a, const synth_file *f, const char *part, synth_made *made, err *e) {
    file_lines in;
    str line;
    buf rows = {0};
    if (!file_lines_open(&in, part, 1 << 26, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!row) break;
        if (json_has(row, "left_out")) made->left_out++;
        else if (made->tasks < f->count) buf_put_str(&rows, line), buf_put_char(&rows, '\n'), made->tasks++;
    }
    file_lines_close(&in);
    const bool ok = !e->code && file_write(f->out, buf_str(&rows), e);
    buf_free(&rows);
    if (ok) file_io.unlink(part);
    return ok;
}

bool synth_run(synth *s, const synth_file *f, synth_made *made, err *e) {
    arena *a = arena_new();
    const char *part = arena_printf(a, "%s.part", f->out);
    *made = (synth_made){0};
    const bool ok = read_done(a, part, s, e) && all_rounds(s, f, part, made, e) && finish(a, f, part, made, e);
    arena_free(a);
    return ok;
}
