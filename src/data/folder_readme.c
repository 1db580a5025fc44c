/* folder_readme.c - the part of a README.md's YAML that says which files are which split:
 *
 *     configs:
 *     - config_name: en
 *       default: true
 *       data_dir: en                       patterns are below it
 *       data_files:                        or one pattern, or a list of patterns: split train
 *       - split: train
 *         path: "train-*.parquet"          or a list of patterns
 *
 * Only `configs` is read, by its indentation; the rest of the YAML may be what it likes. */
#include <string.h>

#include "base/file.h"
#include "data/folder.h"

enum { README_MAX = 8 << 20, PATTERNS_MAX = 10000 };

typedef struct {
    int indent;     /* of its first character that is no dash */
    int dash;       /* column of the last dash in front, -1: none */
    str key, value; /* "key: value"; a bare scalar has no key */
    int64_t number;
} yaml_line;

typedef struct {
    arena *a;
    str rest;
    int64_t number;
    folder_patterns *out;
    int room;
    str subset, data_dir, split;
    bool is_default;
    int first; /* pattern of this subset */
} reader;

static str unquoted(str s) {
    s = str_trim(s);
    if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0]) return str_slice(s, 1, s.len - 1);
    const ptrdiff_t comment = str_find(s, STR(" #"), 0);
    return comment < 0 ? s : str_trim(str_slice(s, 0, (size_t)comment));
}

static bool take_line(reader *r, str *line) {
    if (!r->rest.len) return false;
    const ptrdiff_t end = str_find(r->rest, STR("\n"), 0);
    const size_t size = end < 0 ? r->rest.len : (size_t)end;
    *line = str_slice(r->rest, 0, size);
    if (line->len && line->ptr[line->len - 1] == '\r') line->len--;
    r->rest = str_slice(r->rest, size + (end >= 0), r->rest.len);
    r->number++;
    return !str_is(*line, "---");
}

static yaml_line parse_line(str line) {
    yaml_line out = {.dash = -1};
    size_t at = 0;
    for (; at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '-'); at++) {
        const bool dash = line.ptr[at] == '-' && (at + 1 == line.len || line.ptr[at + 1] == ' ');
        if (line.ptr[at] == '-' && !dash) break;
        if (dash) out.dash = (int)at;
    }
    out.indent = (int)at;
    const str text = str_slice(line, at, line.len);
    size_t colon = 0;
    while (colon < text.len && !(text.ptr[colon] == ':' && (colon + 1 == text.len || text.ptr[colon + 1] == ' '))) colon++;
    const bool quoted = text.len && (text.ptr[0] == '"' || text.ptr[0] == '\'');
    if (colon == text.len || quoted) out.value = unquoted(text);
    else out.key = str_trim(str_slice(text, 0, colon)), out.value = unquoted(str_slice(text, colon + 1, text.len));
    return out;
}

/* ---- patterns ---------------------------------------------------------------------------------------------------------------------- */

static void add_pattern(reader *r, str pattern) {
    folder_patterns *p = r->out;
    pattern = unquoted(pattern);
    if (!pattern.len || p->count >= PATTERNS_MAX) return;
    if (p->count == r->room) {
        const int room = r->room ? r->room * 2 : 16;
        folder_pattern *more = arena_array(r->a, folder_pattern, room);
        if (p->count) memcpy(more, p->item, sizeof *more * (size_t)p->count);
        p->item = more;
        r->room = room;
    }
    p->item[p->count++] = (folder_pattern){.split = r->split, .pattern = pattern};
}

/* One pattern, or [a, b]. */
static void add_patterns(reader *r, str value) {
    if (!str_starts(value, STR("["))) {
        add_pattern(r, value);
        return;
    }
    str list = str_slice(value, 1, str_ends(value, STR("]")) ? value.len - 1 : value.len);
    while (list.len) {
        const ptrdiff_t comma = str_find(list, STR(","), 0);
        const size_t size = comma < 0 ? list.len : (size_t)comma;
        add_pattern(r, str_slice(list, 0, size));
        list = str_slice(list, size + (comma >= 0), list.len);
    }
}

/* What belongs to the whole subset is known at its end. */
static void end_subset(reader *r) {
    for (int i = r->first; i < r->out->count; i++) {
        folder_pattern *p = &r->out->item[i];
        p->subset = r->subset.len ? r->subset : STR("default");
        p->is_default = r->is_default || str_is(p->subset, "default");
        if (r->data_dir.len) p->pattern = str_of(arena_printf(r->a, "%.*s/%.*s", STR_ARG(r->data_dir), STR_ARG(p->pattern)));
        if (str_starts(p->pattern, STR("./"))) p->pattern = str_slice(p->pattern, 2, p->pattern.len);
    }
    if (r->first == r->out->count && r->data_dir.len) { /* a folder alone: all that is in it */
        r->split = STR("");
        add_pattern(r, str_of(arena_printf(r->a, "%.*s/**", STR_ARG(r->data_dir))));
        r->data_dir = STR("");
        end_subset(r);
    }
    r->first = r->out->count;
    r->subset = r->data_dir = r->split = STR("");
    r->is_default = false;
}

/* Members of a subset stand at `column`; what is deeper belongs to data_files. */
static void read_line(reader *r, const yaml_line *l, int column, bool *in_files) {
    if (l->indent == column && l->key.len) {
        *in_files = str_is(l->key, "data_files");
        if (str_is(l->key, "config_name")) r->subset = l->value;
        else if (str_is(l->key, "data_dir")) r->data_dir = l->value;
        else if (str_is(l->key, "default")) r->is_default = str_is(l->value, "true");
        else if (*in_files) r->split = STR("train"), add_patterns(r, l->value);
    } else if (*in_files && str_is(l->key, "split")) r->split = l->value;
    else if (*in_files && str_is(l->key, "path")) add_patterns(r, l->value);
    else if (*in_files && !l->key.len) add_patterns(r, l->value);
}

static void read_configs(reader *r) {
    str line;
    int dash = -1, column = -1;
    bool in_files = false;
    while (take_line(r, &line)) {
        if (!str_trim(line).len || str_trim(line).ptr[0] == '#') continue;
        const yaml_line l = parse_line(line);
        if (l.dash < 0 && l.indent == 0) break; /* the next key of the README */
        if (dash < 0) dash = l.dash;
        if (l.dash == dash) {
            end_subset(r);
            column = l.indent;
            in_files = false;
        }
        read_line(r, &l, column, &in_files);
    }
    end_subset(r);
}

bool folder_readme(arena *a, const char *path, folder_patterns *out, err *e) {
    reader r = {.a = a, .out = out, .subset = STR(""), .data_dir = STR(""), .split = STR("")};
    str line;
    *out = (folder_patterns){0};
    if (!file_exists(path)) return true;
    if (!file_read(a, path, README_MAX, &r.rest, e)) return false;
    if (!str_starts(r.rest, STR("---\n")) && !str_starts(r.rest, STR("---\r\n"))) return true;
    r.rest = str_slice(r.rest, 4, r.rest.len);
    while (take_line(&r, &line))
        if (str_is(str_trim(line), "configs:") && line.ptr[0] == 'c') {
            read_configs(&r);
            break;
        }
    return true;
}
