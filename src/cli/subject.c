/* subject.c - names to models (contract: subject.h). */
#include "cli/subject.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"

static bool is_model(const char *path) {
    if (!path) return false;
    arena *a = arena_new();
    const str name = str_of(path);
    const bool yes = file_is_dir(path) ? file_exists(path_join(a, path, "config.json")) &&
                                             !file_exists(path_join(a, path, "state.json")) /* a run's */
                                       : file_exists(path) && str_ends(name, STR(".gguf"));
    arena_free(a);
    return yes;
}

static bool is_adapter(const char *path) {
    arena *a = arena_new();
    const bool yes = file_is_dir(path) && file_exists(path_join(a, path, "adapter_config.json"));
    arena_free(a);
    return yes;
}

/* HOME/models/NAME, HOME/models/NAME.gguf, HOME/models/NAME/model.gguf, HOME/runs/NAME/model: the first that is there. */
static char *find_named(arena *a, const char *name) {
    const char *home = sys_home(a);
    char *models = path_join(a, path_join(a, home, "models"), name);
    char *candidates[] = {arena_text(a, name),
                          models,
                          arena_printf(a, "%s.gguf", models),
                          path_join(a, models, "model.gguf"),
                          path_join(a, path_join(a, path_join(a, home, "runs"), name), "model"),
                          path_join(a, name, "model")};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (is_model(candidates[i]) || is_adapter(candidates[i])) return candidates[i];
    return NULL;
}

static bool not_found(arena *a, const char *what, const char *name, err *e) {
    static const char *const pickles[] = {".bin", ".pt", ".pth", ".pkl", ".ckpt"};
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++)
        if (file_exists(name) && str_ends(str_of(name), str_of(pickles[i])))
            return err_set(
                e, ERR_UNSUPPORTED,
                "%s is a pickle, which can run any code and is never read; get the safetensors version of the model, or "
                "convert it where you trust it (save_pretrained(..., safe_serialization=True))",
                name);
    if (file_exists(name) && str_ends(str_of(name), STR(".safetensors")))
        return err_set(e, ERR_INPUT, "%s holds weights alone: name the folder that has its config.json too", name);
    return err_set(e, ERR_NOT_FOUND,
                   "no %s '%s': looked for a folder with config.json or adapter_config.json, a .gguf file, %s/models/%s and "
                   "%s/runs/%s/model; "
                   "'fettle model list' shows what is there, 'make demo' fetches the starter model as 'smollm2'",
                   what, name, sys_home(a), name, sys_home(a), name);
}

/* The base that an adapter folder names, by path or by the name of a model in the data folder. */
static bool base_of_adapter(arena *a, const char *folder, const char **base, err *e) {
    const json *config = json_parse_file(a, path_join(a, folder, "adapter_config.json"), 1 << 20, e);
    if (!config) return false;
    const char *name = str_copy(a, json_get_text(config, "base_model_name_or_path", STR("")));
    *base = *name ? find_named(a, name) : NULL;
    if (*base && is_model(*base)) return true;
    return err_set(e, ERR_NOT_FOUND, "the adapter %s was trained on '%s', which is not here; say BASE:%s", folder, name, folder);
}

bool subject_find(arena *a, const char *spec, subject *out, err *e) {
    *out = (subject){.spec = arena_text(a, spec)};
    char *whole = find_named(a, spec);
    const char *colon = whole ? NULL : strrchr(spec, ':');
    if (!whole && !colon) return not_found(a, "model", spec, e);
    if (whole) {
        out->base_path = whole;
        if (is_model(whole)) return true;
        out->adapter_path = whole;
        return base_of_adapter(a, whole, &out->base_path, e);
    }
    const char *base = arena_copy(a, spec, (size_t)(colon - spec));
    out->base_path = find_named(a, base);
    if (!out->base_path || !is_model(out->base_path)) return not_found(a, "model", base, e);
    out->adapter_path = find_named(a, colon + 1);
    if (!out->adapter_path || !is_adapter(out->adapter_path)) return not_found(a, "adapter", colon + 1, e);
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
