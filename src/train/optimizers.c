/* optimizers.c - the table of optimisers, and optim_args. */
#include "train/optimizer.h"

#include <string.h>

static const struct {
    const char *name;
    const optimizer *kind;
} optimizers[] = {
#define X(file, name) {name, &optimizer_##file},
    OPTIMIZERS(X)
#undef X
};

static const optimizer *optimizer_of(const char *name) {
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        if (strcmp(optimizers[i].name, name) == 0) return optimizers[i].kind;
    return NULL;
}

static const opt *option_of(const optimizer *kind, const char *name, str key, err *e) {
    const opt *o = opt_find(kind->options, key);
    if (!o) err_set(e, ERR_USAGE, "optim_args: %s has no '%.*s'", name, STR_ARG(key));
    return o;
}

static bool set_object(arena *a, const char *name, const json *object, optimizer_choice *out, err *e) {
    json_member m = {0};
    if (json_kind_of(object) != JSON_OBJECT) return err_set(e, ERR_USAGE, "optim_args should be an object");
    while (json_next(object, &m)) {
        const opt *o = option_of(out->kind, name, str_of(m.key), e);
        if (!o) return false;
        if (!opt_set_json(o, out->own, m.value, a, e)) return err_prefix(e, "optim_args, %s", m.key);
    }
    return true;
}

/* "a=1, b=true" */
static bool set_pairs(arena *a, const char *name, str text, optimizer_choice *out, err *e) {
    for (size_t at = 0; at < text.len;) {
        const ptrdiff_t comma = str_find(text, STR(","), at);
        const size_t end = comma < 0 ? text.len : (size_t)comma;
        const str pair = str_trim(str_slice(text, at, end));
        const ptrdiff_t equals = str_find(pair, STR("="), 0);
        at = end + 1;
        if (equals < 0) return err_set(e, ERR_USAGE, "optim_args: expected KEY=VALUE, got '%.*s'", STR_ARG(pair));
        const str key = str_trim(str_slice(pair, 0, (size_t)equals));
        const opt *o = option_of(out->kind, name, key, e);
        if (!o) return false;
        if (!opt_set(o, out->own, str_trim(str_slice(pair, (size_t)equals + 1, pair.len)), a, e))
            return err_prefix(e, "optim_args, %.*s", STR_ARG(key));
    }
    return true;
}

bool optimizer_choose(arena *a, const char *name, const char *args, optimizer_choice *out, err *e) {
    const str text = args ? str_trim(str_of(args)) : STR("");
    *out = (optimizer_choice){.kind = optimizer_of(name)};
    if (!out->kind) return err_set(e, ERR_UNSUPPORTED, "optim '%s' is not here; there are: %s", name, OPTIMIZER_CHOICES);
    out->own = arena_alloc(a, out->kind->options_size ? out->kind->options_size : 1);
    opt_defaults(out->kind->options, out->own, a);
    if (str_starts(text, STR("{"))) {
        const json *object = json_parse(a, text, e);
        if (!object) return err_prefix(e, "optim_args");
        if (!set_object(a, name, object, out, e)) return false;
    } else if (!set_pairs(a, name, text, out, e)) return false;
    return !out->kind->check || out->kind->check(out->own, e);
}

void optimizers_describe(json_writer *w) {
    json_open(w, '[');
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        json_open(w, '{');
        json_key(w, "name"), json_put_cstr(w, optimizers[i].name);
        json_key(w, "words"), json_put_cstr(w, optimizers[i].kind->words);
        json_key(w, "options"), opt_describe(w, optimizers[i].kind->options);
        json_close(w);
    }
    json_close(w);
}
