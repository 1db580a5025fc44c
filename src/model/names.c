/* names.c - names to files of models (contract: model.h). */
#include <string.h>

#include "model/model.h"

bool model_is_model(const char *path) {
    if (!path) return false;
    arena *a = arena_new();
    const bool yes = file_is_dir(path) ? file_exists(path_join(a, path, "config.json")) &&
                                             !file_exists(path_join(a, path, "state.json")) /* a run's */
                                       : file_exists(path) && str_ends(str_of(path), STR(".gguf"));
    arena_free(a);
    return yes;
}

bool model_is_adapter(const char *path) {
    arena *a = arena_new();
    const bool yes = path && file_is_dir(path) && file_exists(path_join(a, path, "adapter_config.json"));
    arena_free(a);
    return yes;
}

bool model_name_is_plain(const char *name) {
    return *name && *name != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

/* A path (when they may be said), HOME/models/NAME, HOME/models/NAME.gguf, HOME/models/NAME/model.gguf, HOME/runs/NAME/model: the first
 * that is there. */
static char *find_named(arena *a, const char *home, const char *name, bool paths) {
    static const char of_run[] = "run:";
    const bool run = strncmp(name, of_run, sizeof of_run - 1) == 0;
    if (run) name += sizeof of_run - 1;
    if (!paths && !model_name_is_plain(name)) return NULL;
    char *models = path_join(a, path_join(a, home, "models"), name);
    char *candidates[] = {run || !paths ? NULL : arena_text(a, name),
                          run ? NULL : models,
                          run ? NULL : arena_printf(a, "%s.gguf", models),
                          run ? NULL : path_join(a, models, "model.gguf"),
                          path_join(a, path_join(a, path_join(a, home, "runs"), name), "model"),
                          run || !paths ? NULL : path_join(a, name, "model")};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i] && (model_is_model(candidates[i]) || model_is_adapter(candidates[i]))) return candidates[i];
    return NULL;
}

static bool refuse_file(const char *name, err *e) {
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
    return true;
}

static bool not_found(const char *home, const char *what, const char *name, bool paths, err *e) {
    if (!paths)
        return err_set(e, ERR_NOT_FOUND, "there is no %s '%s': GET /api/v1/models, or 'fettle model list', shows what is there",
                       what, name);
    return refuse_file(name, e) &&
           err_set(e, ERR_NOT_FOUND,
                   "no %s '%s': looked for a folder with config.json or adapter_config.json, a .gguf file, %s/models/%s and "
                   "%s/runs/%s/model; "
                   "'fettle model list' shows what is there, 'make demo' fetches the starter model as 'smollm2'",
                   what, name, home, name, home, name);
}

/* The base that an adapter folder names, by path or by the name of a model in the data folder. */
static bool base_of_adapter(arena *a, const char *home, const char *folder, const char **base, err *e) {
    const json *config = json_parse_file(a, path_join(a, folder, "adapter_config.json"), 1 << 20, e);
    if (!config) return false;
    const char *name = str_copy(a, json_get_text(config, "base_model_name_or_path", STR("")));
    *base = *name ? find_named(a, home, name, true) : NULL;
    if (*base && model_is_model(*base)) return true;
    return err_set(e, ERR_NOT_FOUND, "the adapter %s was trained on '%s', which is not here; say BASE:%s", folder, name, folder);
}

bool model_find(arena *a, const char *home, const char *spec, bool paths, model_place *out, err *e) {
    *out = (model_place){0};
    char *whole = find_named(a, home, spec, paths);
    const char *colon = whole ? NULL : strrchr(spec, ':');
    if (!whole && !colon) return not_found(home, "model", spec, paths, e);
    if (whole) {
        out->base = whole;
        if (model_is_model(whole)) return true;
        out->adapter = whole;
        return base_of_adapter(a, home, whole, &out->base, e);
    }
    const char *base = arena_copy(a, spec, (size_t)(colon - spec));
    out->base = find_named(a, home, base, paths);
    if (!out->base || !model_is_model(out->base)) return not_found(home, "model", base, paths, e);
    out->adapter = find_named(a, home, colon + 1, paths);
    return model_is_adapter(out->adapter) || not_found(home, "adapter", colon + 1, paths, e);
}
