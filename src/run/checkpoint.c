/* checkpoint.c - checkpoints: written into .checkpoint-N.part with a manifest of sizes and SHA-256, fsynced, renamed. After a crash
 * there is the whole checkpoint or none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "run/run.h"

bool checkpoint_begin(arena *a, const run *r, int64_t step, checkpoint_out *out, err *e) {
    *out = (checkpoint_out){.path = path_join(a, r->path, arena_printf(a, ".checkpoint-%lld.part", (long long)step)),
                            .final = path_join(a, r->path, arena_printf(a, "checkpoint-%lld", (long long)step)),
                            .step = step};
    return dir_remove(out->path, e) && dir_make(out->path, e);
}

void checkpoint_abandon(checkpoint_out *c) {
    err ignored = {0};
    dir_remove(c->path, &ignored);
}

static bool write_manifest(arena *a, const checkpoint_out *c, err *e) {
    char **names;
    int count;
    buf out = {0};
    if (!dir_list(a, c->path, &names, &count, e)) return false;
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "step"), json_put_int(&w, c->step);
    json_key(&w, "files"), json_open(&w, '{');
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        sha256_text hash;
        const char *path = path_join(a, c->path, names[i]);
        ok = file_sha256(path, hash, e);
        json_key(&w, names[i]), json_open(&w, '{');
        json_key(&w, "bytes"), json_put_int(&w, file_size(path));
        json_key(&w, "sha256"), json_put_cstr(&w, hash);
        json_close(&w);
    }
    json_close(&w);
    json_close(&w);
    ok = ok && file_write(path_join(a, c->path, "manifest.json"), buf_str(&out), e);
    buf_free(&out);
    return ok;
}

static int64_t step_of(const char *name) {
    long n;
    return strncmp(name, "checkpoint-", 11) == 0 && str_to_long(str_of(name + 11), &n) && n >= 0 ? n : -1;
}

/* Steps of all checkpoints, ascending. */
static int64_t *steps_of(arena *a, const run *r, int *count, err *e) {
    char **names;
    int n;
    *count = 0;
    if (!dir_list(a, r->path, &names, &n, e)) return NULL;
    int64_t *steps = arena_array(a, int64_t, n + 1);
    for (int i = 0; i < n; i++) {
        const int64_t s = step_of(names[i]);
        if (s < 0) continue;
        int at = (*count)++;
        for (; at && steps[at - 1] > s; at--) steps[at] = steps[at - 1];
        steps[at] = s;
    }
    return steps;
}

static char *folder_of(arena *a, const run *r, int64_t step) {
    return path_join(a, r->path, arena_printf(a, "checkpoint-%lld", (long long)step));
}

static bool remove_older(arena *a, const run *r, int keep, err *e) {
    int count;
    const int64_t *steps = steps_of(a, r, &count, e);
    bool ok = steps != NULL;
    for (int i = 0; ok && i < count - keep; i++) ok = dir_remove(folder_of(a, r, steps[i]), e);
    return ok;
}

bool checkpoint_commit(const run *r, checkpoint_out *c, int keep_last, err *e) {
    arena *a = arena_new();
    bool ok = write_manifest(a, c, e) && dir_sync(c->path, e) && dir_remove(c->final, e);
    if (ok && file_io.rename(c->path, c->final) != 0) ok = err_errno(e, ERR_IO, "cannot rename %s to %s", c->path, c->final);
    ok = ok && dir_sync(r->path, e);
    if (!ok) checkpoint_abandon(c);
    ok = ok && (keep_last <= 0 || remove_older(a, r, keep_last, e));
    arena_free(a);
    return ok;
}

static bool holds(arena *a, const char *folder, err *e) {
    const json *m = json_parse_file(a, path_join(a, folder, "manifest.json"), 1 << 20, e), *files = json_get(m, "files");
    json_member f = {0};
    if (!m) return false;
    if (!json_count(files)) return err_set(e, ERR_INPUT, "the manifest names no files");
    while (json_next(files, &f)) {
        sha256_text hash;
        const char *path = path_join(a, folder, f.key);
        if (strchr(f.key, '/') || file_size(path) != json_get_int(f.value, "bytes", -1))
            return err_set(e, ERR_INPUT, "%s is missing or has another size", f.key);
        if (!file_sha256(path, hash, e)) return false;
        if (!str_is(json_get_text(f.value, "sha256", STR("")), hash)) return err_set(e, ERR_INPUT, "%s was changed", f.key);
    }
    return true;
}

char *checkpoint_latest(arena *a, const run *r, int64_t *step, err *e) {
    int count;
    const int64_t *steps = steps_of(a, r, &count, e);
    for (int i = count - 1; steps && i >= 0; i--) {
        err why = {0};
        char *folder = folder_of(a, r, steps[i]);
        *step = steps[i];
        if (holds(a, folder, &why)) return folder;
        log_warning("checkpoint-%lld is damaged and left out: %s", (long long)steps[i], why.text);
    }
    return NULL;
}
