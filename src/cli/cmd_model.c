/* cmd_model.c - fettle model show|check|list|add|rm|export: the models of the data folder, and files between tools. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "cli/listing.h"
#include "cli/subject.h"
#include "train/train.h"

typedef struct {
    const char *to, *out, *type;
    int64_t shard_mb;
    bool json, copy;
} model_command_options;

static const opt options[] = {
    {"to", OPT_CHOICE, offsetof(model_command_options, to), "hf", 0, 0, "hf|peft|gguf", "export: kind of files"},
    {"out", OPT_TEXT, offsetof(model_command_options, out), NULL, 0, 0, NULL,
     "export: folder (hf, peft) or file (gguf) to write"},
    {"type", OPT_CHOICE, offsetof(model_command_options, type), NULL, 0, 0, "f32|bf16|f16|q8_0",
     "export: storage of matrices (unset: bf16 for hf, f16 for gguf, f32 for peft)"},
    {"shard_mb", OPT_INT, offsetof(model_command_options, shard_mb), "0", 0, 1e6, NULL,
     "export to hf: files of at most so many megabytes; 0: one file"},
    {"json", OPT_BOOL, offsetof(model_command_options, json), "false", 0, 0, NULL, "show: as JSON"},
    {"copy", OPT_BOOL, offsetof(model_command_options, copy), "false", 0, 0, NULL,
     "add: copy the files instead of linking to them"},
    OPT_END,
};

static bool model_run(arena *a, int argc, char **argv, err *e);

const command command_model = {
    "model", "show, add, list, remove and export models",
    "show MODEL | check PATH [ADAPTER] | list | add NAME PATH | rm NAME | export MODEL[:ADAPTER] --to hf|peft|gguf --out PATH",
    options, model_run};

/* ---- show ------------------------------------------------------------------------------------------------------------------------ */

static const char *rope_name(const model_config *c) {
    static const char *const names[] = {
#define X(token, name) name,
        ROPE_KINDS(X)
#undef X
            "none"};
    return names[c->rope.kind];
}

static void put_adapter(json_writer *w, const subject *s) {
    if (!s->adapter) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    json_key(w, "path"), json_put_cstr(w, s->adapter_path);
    json_key(w, "r"), json_put_int(w, s->adapter->options.r);
    json_key(w, "alpha"), json_put_real(w, s->adapter->options.alpha);
    json_key(w, "layers"), json_put_int(w, s->adapter->count);
    json_close(w);
}

static void put_shown(json_writer *w, const subject *s, const char *hash) {
    const model *m = s->model;
    const model_config *c = &m->config;
    const struct {
        const char *key;
        int value;
    } sizes[] = {{"vocabulary", c->vocab},  {"hidden", c->hidden},     {"layers", c->layers}, {"heads", c->heads},
                 {"kv_heads", c->kv_heads}, {"head_dim", c->head_dim}, {"ffn", c->ffn},       {"positions", c->positions}};
    json_open(w, '{');
    json_key(w, "path"), json_put_cstr(w, m->path);
    json_key(w, "family"), json_put_cstr(w, c->family->name);
    json_key(w, "model_type"), json_put_cstr(w, c->model_type);
    json_key(w, "parameters"), json_put_int(w, (int64_t)model_parameter_count(m));
    json_key(w, "stored_as"), json_put_cstr(w, type_name(m->stored));
    json_key(w, "sha256"), json_put_cstr(w, hash);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) json_key(w, sizes[i].key), json_put_int(w, sizes[i].value);
    json_key(w, "rope"), json_put_cstr(w, rope_name(c));
    json_key(w, "rope_theta"), json_put_real(w, c->rope.theta);
    json_key(w, "tied_output"), json_put_bool(w, c->tied);
    json_key(w, "tokenizer"), json_put_bool(w, m->tokenizer != NULL);
    json_key(w, "chat_template"), json_put_bool(w, m->chat != NULL);
    json_key(w, "adapter"), put_adapter(w, s);
    json_close(w);
}

/* The members of an object, a line each. */
static bool print_members(arena *a, str object, err *e) {
    const json *v = json_parse(a, object, e);
    for (json_member m = {0}; v && json_next(v, &m);) {
        buf text = {0};
        json_put(&text, m.value);
        const str shown = json_kind_of(m.value) == JSON_STRING ? json_text(m.value, STR("")) : buf_str(&text);
        printf("%-14s %.*s\n", m.key, STR_ARG(shown));
        buf_free(&text);
    }
    return v != NULL;
}

static bool show(arena *a, const model_command_options *o, int argc, char **argv, err *e) {
    subjects all;
    subject s;
    sha256_text hash;
    buf out = {0};
    if (argc != 1) return err_set(e, ERR_USAGE, "fettle model show MODEL");
    if (!subjects_begin(a, NULL, &all, e)) return false;
    all.options.keep_blocks = true;
    if (!subject_open(&all, argv[0], &s, e) || !model_hash(s.model, hash, e)) return false;
    json_writer w = json_writer_on(&out, true);
    put_shown(&w, &s, hash);
    const bool ok = o->json || print_members(a, buf_str(&out), e);
    if (o->json) printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
    return ok;
}

/* ---- check ------------------------------------------------------------------------------------------------------------------------ */

static void close_backend(void *b) { backend_close(b); }

/* The files as far as they can be judged without reading the weights: for a server, which lets a process of its own do it. */
static bool check(arena *a, int argc, char **argv, err *e) {
    if (argc < 1 || argc > 2) return err_set(e, ERR_USAGE, "fettle model check PATH [ADAPTER]");
    backend *b = backend_open(NULL, e);
    if (!b) return false;
    arena_defer(a, close_backend, b);
    model *m = model_open(a, b, argv[0], &(model_options){.compute = COMPUTE_BF16, .measure = true}, e);
    if (!m || (argc == 2 && !adapter_open(a, m, argv[1], false, e))) return false;
    buf out = {0};
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '{');
    json_key(&w, "family"), json_put_cstr(&w, m->config.family->name);
    json_key(&w, "parameters"), json_put_int(&w, (int64_t)model_parameter_count(m));
    json_key(&w, "type"), json_put_cstr(&w, type_name(m->stored));
    json_key(&w, "bytes"), json_put_int(&w, (int64_t)model_weight_bytes(m));
    json_key(&w, "token_bytes"), json_put_int(&w, (int64_t)model_token_bytes(m));
    json_key(&w, "positions"), json_put_int(&w, m->config.positions);
    json_key(&w, "text"), json_put_bool(&w, m->tokenizer != NULL);
    json_key(&w, "chat"), json_put_bool(&w, m->chat != NULL);
    json_close(&w);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
    return true;
}

/* ---- the data folder ---------------------------------------------------------------------------------------------------------------- */

static char *models_folder(arena *a) { return path_join(a, sys_home(a), "models"); }

static bool list(arena *a, err *e) {
    char **names = NULL;
    int count = 0;
    if (file_is_dir(models_folder(a)) && !dir_list(a, models_folder(a), &names, &count, e)) return false;
    listing l = listing_new(a, (const char *const[]){"model", "path", NULL});
    for (int i = 0; i < count; i++) {
        subject s;
        err ignored = {0};
        str name = str_of(names[i]);
        if (str_ends(name, STR(".gguf"))) name = str_slice(name, 0, name.len - 5);
        if (subject_find(a, str_copy(a, name), &s, &ignored))
            listing_add(&l, (const char *const[]){str_copy(a, name), s.base_path});
    }
    listing_print(&l,
                  arena_printf(a, "no models yet in %s; 'fettle model add NAME PATH' adds one, 'make demo' fetches the starter",
                               models_folder(a)));
    return true;
}

static bool copy_model(arena *a, const char *from, const char *to, err *e) {
    if (!file_is_dir(from)) return file_copy(from, to, e);
    char **names;
    int count;
    if (!dir_make(to, e) || !dir_list(a, from, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        const char *file = path_join(a, from, names[i]);
        if (!file_is_dir(file) && !file_copy(file, path_join(a, to, names[i]), e)) return false;
    }
    return true;
}

static bool add(arena *a, const model_command_options *o, int argc, char **argv, err *e) {
    if (argc != 2) return err_set(e, ERR_USAGE, "fettle model add NAME PATH");
    if (!model_name_is_plain(argv[0]))
        return err_set(e, ERR_USAGE, "'%s' is no plain name: letters, digits, '.', '_' and '-'", argv[0]);
    subject s;
    if (!subject_find(a, argv[1], &s, e)) return false;
    char *real = realpath(s.base_path, NULL);
    if (!real) return err_errno(e, ERR_IO, "cannot resolve %s", s.base_path);
    arena_defer(a, memory_release, real);
    const char *ending = file_is_dir(real) ? "" : ".gguf";
    char *to = path_join(a, models_folder(a), arena_printf(a, "%s%s", argv[0], ending));
    if (!dir_make(models_folder(a), e)) return false;
    if (file_exists(to)) {
        char *there = realpath(to, NULL);
        const bool same = there && strcmp(there, real) == 0;
        memory_release(there);
        return same || err_set(e, ERR_CONFLICT, "there is a model '%s' already (%s); 'fettle model rm %s' removes it", argv[0],
                               to, argv[0]);
    }
    unlink(to); /* a link whose target went away */
    if (o->copy ? !copy_model(a, real, to, e) : symlink(real, to) != 0 && !err_errno(e, ERR_IO, "cannot link %s to %s", to, real))
        return false;
    log_note("added %s: %s", argv[0], real);
    return true;
}

static bool rm(arena *a, int argc, char **argv, err *e) {
    if (argc != 1 || !model_name_is_plain(argv[0])) return err_set(e, ERR_USAGE, "fettle model rm NAME");
    char *paths[] = {path_join(a, models_folder(a), argv[0]),
                     path_join(a, models_folder(a), arena_printf(a, "%s.gguf", argv[0]))};
    for (int i = 0; i < 2; i++) {
        if (unlink(paths[i]) == 0) return true; /* a file or a link: what it points to stays */
        if (file_is_dir(paths[i])) return dir_remove(paths[i], e);
    }
    return err_set(e, ERR_NOT_FOUND, "no model '%s' in %s", argv[0], models_folder(a));
}

/* ---- export ------------------------------------------------------------------------------------------------------------------------------ */

/* The run that made the adapter, or the model; NULL: neither came from one. */
static const char *run_behind(arena *a, const subject *s) {
    const char *made[] = {s->adapter_path, s->base_path};
    for (int i = 0; i < 2; i++) {
        const char *folder = made[i] ? path_folder(a, made[i]) : NULL;
        if (folder && file_exists(path_join(a, folder, "state.json")) && file_exists(path_join(a, folder, "examples.jsonl")))
            return folder;
    }
    return NULL;
}

static bool write_card(arena *a, const subject *s, const char *folder, const char *words, bool is_adapter, err *e) {
    const char *run_folder = run_behind(a, s);
    sha256_text hash;
    if (run_folder) return train_card(a, run_folder, folder, words, is_adapter, e);
    if (!model_hash(s->model, hash, e)) return false;
    const model_card card = {.name = path_name(folder),
                             .base = s->base_path,
                             .base_hash = hash,
                             .licence = model_licence(a, s->base_path),
                             .summary = arena_printf(a, "%s with fettle %s%s%s.", words, FETTLE_VERSION,
                                                     s->adapter ? ", with the adapter " : "", s->adapter ? s->adapter_path : ""),
                             .adapter = is_adapter};
    return model_card_write(&card, folder, e);
}

static bool export_hf(arena *a, const subject *s, const model_command_options *o, storage_type type, err *e) {
    return model_save(s->model, s->adapter, o->out, type, (size_t)o->shard_mb << 20, e) &&
           write_card(a, s, o->out, s->adapter ? "An adapter merged into its base, written" : "Written", false, e);
}

static bool export_peft(arena *a, const subject *s, const model_command_options *o, storage_type type, err *e) {
    if (!s->adapter) return err_set(e, ERR_USAGE, "'%s' has no adapter; PEFT files hold one (say MODEL:ADAPTER)", s->spec);
    return adapter_save(s->adapter, s->model, o->out, type, e) && write_card(a, s, o->out, "A LoRA adapter, written", true, e);
}

static bool export_gguf(arena *a, const subject *s, const model_command_options *o, storage_type type, err *e) {
    const char *path = str_ends(str_of(o->out), STR(".gguf")) ? o->out : path_join(a, o->out, "model.gguf");
    return dir_make(path_folder(a, path), e) && model_save_gguf(s->model, s->adapter, path, type, e);
}

static const struct {
    const char *name;
    storage_type type; /* when none is asked for */
    bool (*write)(arena *, const subject *, const model_command_options *, storage_type, err *);
} exports[] = {{"hf", TYPE_BF16, export_hf}, {"peft", TYPE_F32, export_peft}, {"gguf", TYPE_F16, export_gguf}};

static bool export_model(arena *a, const model_command_options *o, int argc, char **argv, err *e) {
    if (argc != 1 || !o->out) return err_set(e, ERR_USAGE, "fettle model export MODEL[:ADAPTER] --to hf|peft|gguf --out PATH");
    subjects all;
    subject s;
    if (!subjects_begin(a, "float32", &all, e) || !subject_find(a, argv[0], &s, e)) return false;
    /* an adapter's head takes the place of the base's, so that both can be written as one */
    if (s.adapter_path && !model_head_of(s.adapter_path, &all.options.head, &all.options.labels, e)) return false;
    if (!subject_open(&all, argv[0], &s, e)) return false;
    for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) {
        if (strcmp(exports[i].name, o->to) != 0) continue;
        storage_type type = exports[i].type;
        if (o->type && !type_of_name(o->type, &type)) return err_set(e, ERR_USAGE, "--type %s is not a storage type", o->type);
        if (!exports[i].write(a, &s, o, type, e)) return false;
        log_note("wrote %s", o->out);
        return true;
    }
    bug("export kind '%s' passed the option table", o->to);
}

static bool model_run(arena *a, int argc, char **argv, err *e) {
    model_command_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_model, &o, argc, argv, &rest, &help, e) || help) return help;
    const char *verb = rest ? argv[0] : "";
    rest--;
    argv++;
    if (strcmp(verb, "show") == 0) return show(a, &o, rest, argv, e);
    if (strcmp(verb, "check") == 0) return check(a, rest, argv, e);
    if (strcmp(verb, "list") == 0) return list(a, e);
    if (strcmp(verb, "add") == 0) return add(a, &o, rest, argv, e);
    if (strcmp(verb, "rm") == 0) return rm(a, rest, argv, e);
    if (strcmp(verb, "export") == 0) return export_model(a, &o, rest, argv, e);
    return err_set(e, ERR_USAGE, "fettle model wants one of show, check, list, add, rm, export%s%s", *verb ? ", not " : "", verb);
}
