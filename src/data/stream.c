/* stream.c - rows of several files as if they were of one. */
#include "data/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compress.h"
#include "base/sys.h"
#include "data/folder.h"

/* ---- unpacking ---------------------------------------------------------------------------------------------------------------------- */

/* Text is packed to a tenth, seldom to a hundredth: what promises more is no file of examples. */
enum { RATIO_MAX = 400, UNPACKED_LEAST = 64 << 20 };

static void remove_folder(void *path) {
    err ignored = {0};
    dir_remove(path, &ignored);
}

/* The name without .gz or .zst, so that it tells the layout as before. */
static char *plain_name(arena *a, const char *path) {
    char *name = arena_text(a, path_name(path)), *dot = strrchr(name, '.');
    if (dot && dot != name && (!strcmp(dot, ".gz") || !strcmp(dot, ".zst") || !strcmp(dot, ".zstd"))) *dot = 0;
    return name;
}

static bool row_file_ready(arena *a, row_file *f, err *e) {
    if (f->plain) return true;
    if (file_compression(f->path) == COMPRESS_NONE) return f->plain = f->path, true;
    char *folder = arena_printf(a, "%s/fettle-rows-XXXXXX", sys_scratch());
    if (!mkdtemp(folder)) return err_errno(e, ERR_IO, "cannot make a folder to unpack %s in, %s", f->path, folder);
    arena_defer(a, remove_folder, folder);
    const char *plain = path_join(a, folder, plain_name(a, f->path));
    if (!file_unpack(f->path, plain, (uint64_t)f->bytes * RATIO_MAX + UNPACKED_LEAST, e)) return false;
    f->plain = plain;
    f->bytes = file_size(plain);
    return true;
}

/* ---- finding ------------------------------------------------------------------------------------------------------------------------ */

static bool one_file(arena *a, const char *path, row_files *out, err *e) {
    if (!file_exists(path)) return err_set(e, ERR_NOT_FOUND, "there is no file %s", path);
    out->file = arena_new_of(a, row_file);
    *out->file = (row_file){.path = path, .bytes = file_size(path), .known.a = a};
    out->count = 1;
    out->bytes = out->file->bytes;
    return true;
}

static bool whole_folder(arena *a, const char *path, str wish, row_files *out, err *e) {
    folder_files found;
    if (!folder_files_find(a, path, wish, &found, e)) return false;
    out->file = arena_array(a, row_file, found.count);
    for (int i = 0; i < found.count; i++) {
        out->file[i] = (row_file){.path = found.path[i], .bytes = file_size(found.path[i]), .known.a = a};
        out->bytes += out->file[i].bytes > 0 ? out->file[i].bytes : 0;
    }
    out->count = found.count;
    out->words = found.words;
    return true;
}

bool row_files_find(arena *a, const char *name, row_files *out, err *e) {
    const char *mark = strrchr(name, '#');
    const bool wished = mark && !file_exists(name);
    char *path = wished ? arena_copy(a, name, (size_t)(mark - name)) : arena_text(a, name);
    *out = (row_files){.a = a, .name = arena_text(a, name)};
    if (wished && file_exists(path) && !file_is_dir(path))
        return err_set(e, ERR_USAGE, "%s is one file: it has no splits to choose with #%s", path, mark + 1);
    const bool found =
        file_is_dir(path) ? whole_folder(a, path, str_of(wished ? mark + 1 : ""), out, e) : one_file(a, path, out, e);
    return found && row_file_ready(a, &out->file[0], e) && file_shape_find(a, out->file[0].plain, &out->shape, e);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------------ */

static bool shape_of(arena *a, const row_stream *s, file_shape *shape, err *e) {
    if (s->at) return file_shape_find(a, s->files->file[s->at].plain, shape, e);
    *shape = s->files->shape;
    return true;
}

static bool open_file(row_stream *s, err *e) {
    arena *scratch = arena_new();
    file_shape shape;
    row_file *file = &s->files->file[s->at];
    const bool ok = row_file_ready(s->files->a, file, e) && shape_of(scratch, s, &shape, e);
    if (ok && shape.layout == ROWS_LINES && shape.member && s->members) shape.layout = ROWS_MEMBER;
    arena_free(scratch);
    s->path = file->path;
    s->open = ok && row_reader_open(&s->rows, file->plain, shape.layout, &file->known, e);
    if (s->open) row_reader_call(&s->rows, s->path);
    if (s->open) s->unit = row_reader_unit(&s->rows);
    return s->open;
}

bool row_stream_open(row_stream *s, const row_files *files, bool members, err *e) {
    *s = (row_stream){.files = files, .members = members};
    return open_file(s, e);
}

bool row_stream_next(row_stream *s, str *text, err *e) {
    while (s->open) {
        err why = {0};
        if (row_reader_next(&s->rows, text, &s->line, &s->column, &why)) return true;
        if (why.code) return err_set(e, why.code, "%s", why.text);
        row_stream_close(s);
        if (s->at + 1 == s->files->count) return false;
        s->at++;
        if (!open_file(s, e)) return false;
    }
    return false;
}

int64_t row_stream_position(const row_stream *s) {
    int64_t before = 0;
    for (int i = 0; i < s->at; i++) before += s->files->file[i].bytes;
    return before + (s->open ? row_reader_position(&s->rows) : s->files->file[s->at].bytes);
}

void row_stream_close(row_stream *s) {
    if (s->open) row_reader_close(&s->rows);
    s->open = false;
}

/* ---- words ----------------------------------------------------------------------------------------------------------------------------- */

bool row_stream_at(const row_stream *s, err *e) { return err_prefix(e, "%s %s %lld", s->path, s->unit, (long long)s->line); }

bool row_stream_bad_json(const row_stream *s, const err *why, err *e) {
    long long line = 1, at = 1;
    int length = 0;
    const bool placed = sscanf(why->text, "not valid JSON: line %lld, column %lld%n", &line, &at, &length) == 2 && length;
    if (!placed) {
        err_set(e, why->code, "%s", why->text);
        return row_stream_at(s, e);
    }
    return err_set(e, why->code, "%s line %lld, column %lld: not valid JSON%s", s->path, (long long)s->line + line - 1,
                   line == 1 ? at + (long long)s->column - 1 : at, why->text + length);
}
