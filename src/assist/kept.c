/* kept.c - see kept.h. */
#include "assist/kept.h"

#include <stdio.h>

#include "base/file.h"

enum { ROW_MOST = 1 << 26 };

const char *kept_part(arena *a, const char *out) { return arena_printf(a, "%s.part", out); }

bool kept_recall(arena *a, const char *part, bool (*see)(void *self, const json *row, err *e), void *self, err *e) {
    file_lines in;
    str line;
    if (!file_exists(part)) return true;
    if (!file_lines_open(&in, part, ROW_MOST, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!row) err_prefix(e, "%s line %lld (remove that line to go on)", part, (long long)in.line);
        if (!row || !see(self, row, e)) break;
    }
    file_lines_close(&in);
    return !e->code;
}

bool kept_add(int fd, json *const *rows, int count, err *e) {
    buf lines = {0};
    for (int i = 0; i < count; i++) json_put(&lines, rows[i]), buf_put_char(&lines, '\n');
    const bool ok = file_append(fd, buf_str(&lines), e);
    buf_free(&lines);
    return ok;
}

typedef struct {
    buf rows;
    int64_t most;
    kept_count *n;
} choosing;

/* Without what stands in brackets, which is of one row. */
static void count_reason(kept_count *n, str why) {
    int i = 0;
    const ptrdiff_t bracket = str_find(why, STR(" ("), 0);
    if (bracket > 0) why.len = (size_t)bracket;
    while (i < KEPT_REASONS && n->reason[i].times &&
           !str_is(str_slice(why, 0, why.len < KEPT_WORDS ? why.len : KEPT_WORDS - 1), n->reason[i].words))
        i++;
    if (i == KEPT_REASONS) why = STR("other reasons"), i--;
    snprintf(n->reason[i].words, KEPT_WORDS, "%.*s", STR_ARG(why));
    n->reason[i].times++;
    n->left_out++;
}

void kept_reasons(const kept_count *n, char *out, size_t room) {
    size_t at = 0;
    *out = 0;
    for (int i = 0; i < KEPT_REASONS && n->reason[i].times && at < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%lld x %s", i ? ", " : "", (long long)n->reason[i].times,
                               n->reason[i].words);
}

static bool choose(void *self, const json *row, err *e) {
    choosing *c = self;
    (void)e;
    if (json_has(row, "left_out")) return count_reason(c->n, json_get_text(row, "left_out", STR(""))), true;
    if (c->most && c->n->rows >= c->most) return true;
    json_put(&c->rows, row);
    buf_put_char(&c->rows, '\n');
    c->n->rows++;
    return true;
}

bool kept_finish(arena *a, const char *out, int64_t most, kept_count *n, err *e) {
    choosing c = {.most = most, .n = n};
    const char *part = kept_part(a, out);
    *n = (kept_count){0};
    const bool ok = kept_recall(a, part, choose, &c, e) && file_write(out, buf_str(&c.rows), e);
    buf_free(&c.rows);
    if (ok) file_io.unlink(part);
    return ok;
}
