/* subject.c - names to models (contract: subject.h). */
#include "cli/subject.h"

#include <string.h>

#include "base/sys.h"

bool subject_find(arena *a, const char *spec, subject *out, err *e) {
    model_place at;
    *out = (subject){.spec = arena_text(a, spec)};
    if (!model_find(a, sys_home(a), spec, true, &at, e)) return false;
    out->base_path = at.base;
    out->adapter_path = at.adapter;
    return true;
}

bool compute_of_dtype(const char *dtype, compute_type *out, err *e) {
    if (!dtype || strcmp(dtype, "bfloat16") == 0 || strcmp(dtype, "bf16") == 0) *out = COMPUTE_BF16;
    else if (strcmp(dtype, "float32") == 0 || strcmp(dtype, "f32") == 0) *out = COMPUTE_F32;
    else return err_set(e, ERR_USAGE, "dtype is '%s', expected float32 or bfloat16", dtype);
    return true;
}

static void close_backend(void *b) { backend_close(b); }

bool subjects_begin(arena *a, const char *dtype, subjects *out, err *e) {
    *out = (subjects){.arena = a};
    if (!compute_of_dtype(dtype, &out->options.compute, e) || !(out->backend = backend_open(NULL, e))) return false;
    arena_defer(a, close_backend, out->backend);
    return true;
}

static model *open_once(subjects *s, const char *path, err *e) {
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->opened[i].path, path) == 0) return s->opened[i].model;
    if (s->count == (int)(sizeof s->opened / sizeof *s->opened)) return err_null(e, ERR_LIMIT, "too many models at once");
    model *m = model_open(s->arena, s->backend, path, &s->options, e);
    if (!m) return NULL;
    s->opened[s->count].path = arena_text(s->arena, path);
    s->opened[s->count++].model = m;
    return m;
}

bool subject_open(subjects *s, const char *spec, subject *out, err *e) {
    if (!subject_find(s->arena, spec, out, e)) return false;
    if (!(out->model = open_once(s, out->base_path, e))) return false;
    if (!out->adapter_path) return true;
    out->adapter = adapter_open(s->arena, out->model, out->adapter_path, false, e);
    return out->adapter != NULL;
}
