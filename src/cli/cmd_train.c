/* cmd_train.c - fettle train OBJECTIVE: flags to a run folder, and the run. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "cli/subject.h"
#include "train/train.h"

typedef struct {
    const char *output, *resume, *run, *preset, *config;
    bool preview, describe, json, quiet;
    const char *set[128];
    int sets;
    const char *objective;
} flags;

/* Flags of the command itself; every other one is an option of the run. */
static const opt own_flags[] = {
    {"output", OPT_TEXT, offsetof(flags, output), NULL, 0, 0, NULL,
     "the run folder to make (unset: a new one in the data folder)"},
    {"resume", OPT_TEXT, offsetof(flags, resume), NULL, 0, 0, NULL,
     "go on with this run folder from its newest whole checkpoint"},
    {"run", OPT_TEXT, offsetof(flags, run), NULL, 0, 0, NULL, "run this folder, whose config.json is there already"},
    {"preset", OPT_TEXT, offsetof(flags, preset), NULL, 0, 0, NULL, "settings that belong together: small-feedback"},
    {"config", OPT_TEXT, offsetof(flags, config), NULL, 0, 0, NULL, "a JSON file of options"},
    {"set", OPT_EACH, offsetof(flags, set), NULL, 0, 0, NULL, "KEY=VALUE, any option of the run"},
    {"preview", OPT_BOOL, offsetof(flags, preview), "false", 0, 0, NULL,
     "check everything, print the first batch with trained tokens marked, train nothing"},
    {"describe", OPT_BOOL, offsetof(flags, describe), "false", 0, 0, NULL, "objectives and options as tables (--json)"},
    {"json", OPT_BOOL, offsetof(flags, json), "false", 0, 0, NULL, "metrics (or the preview) as JSON lines on standard output"},
    {"quiet", OPT_BOOL, offsetof(flags, quiet), "false", 0, 0, NULL, "no progress"},
    OPT_END,
};

static bool train(arena *a, int argc, char **argv, err *e);
const command command_train = {"train", "fine-tune a model on feedback",
                               "OBJECTIVE --base MODEL --data FILE [--set KEY=VALUE ...] [--OPTION VALUE ...]", own_flags, train};

static void print_help(const char *only) {
    buf out = {0};
    arena *a = arena_new();
    buf_printf(&out, "fettle train: %s\n\nusage: fettle train %s\n\nobjectives: %s\n\nof this command:\n", command_train.words,
               command_train.usage, objective_names(a));
    opt_help(&out, own_flags);
    buf_put_text(&out, "\noptions of the run:\n");
    opt_help(&out, train_option_table);
    int count;
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) {
        if (only && strcmp(list[i]->name, only) != 0) continue;
        buf_printf(&out, "\nof %s (%s; learning rate %g):\n", list[i]->name, list[i]->words, list[i]->learning_rate);
        opt_help(&out, list[i]->options);
    }
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
    arena_free(a);
}

static bool add_set(arena *a, flags *f, const char *key, const char *value, err *e) {
    if (f->sets == 128) return err_set(e, ERR_LIMIT, "more than 128 settings");
    f->set[f->sets++] = value ? arena_printf(a, "%s=%s", key, value) : key;
    return true;
}

static bool read_flags(arena *a, int argc, char **argv, flags *f, bool *help, err *e) {
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            *help = true;
            continue;
        }
        if (strncmp(word, "--", 2) != 0) {
            if (f->objective) return err_set(e, ERR_USAGE, "'%s' is no option; only one objective can be named", word);
            f->objective = word;
            continue;
        }
        const char *equals = strchr(word, '='),
                   *key = arena_copy(a, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2)),
                   *value = equals ? equals + 1 : NULL;
        const opt *own = opt_find(own_flags, str_of(key));
        if (own && own->type == OPT_BOOL) {
            *(bool *)((char *)f + own->offset) = true;
            continue;
        }
        const opt *o = opt_find(train_option_table, str_of(key));
        const bool lone = !own && o && o->type == OPT_BOOL && !value && (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0);
        if (lone) value = "true";
        if (!value && i + 1 == argc) return err_set(e, ERR_USAGE, "--%s wants a value", key);
        if (!value) value = argv[++i];
        if (own && own->type == OPT_TEXT) *(const char **)(void *)((char *)f + own->offset) = value;
        else if (!add_set(a, f, own ? value : key, own ? NULL : value, e)) return false;
    }
    return true;
}

static bool settle(arena *a, const flags *f, train_settings *s, err *e) {
    if (f->preset && !resolve_preset(a, &s->from, f->preset, e)) return false;
    if (f->config && !resolve_file(a, &s->from, f->config, e)) return false;
    if (!resolve_environment(a, &s->from, e)) return false;
    for (int i = 0; i < f->sets; i++) {
        const char *equals = strchr(f->set[i], '=');
        if (!equals) return err_set(e, ERR_USAGE, "--set wants KEY=VALUE, not '%s'", f->set[i]);
        if (!resolve_set(a, &s->from, (str){f->set[i], (size_t)(equals - f->set[i])}, str_of(equals + 1), "command line", e))
            return false;
    }
    subject base;
    if (s->o.base) { /* names become paths, so that the run folder says where the files are */
        if (!subject_find(a, s->o.base, &base, e)) return false;
        if (base.adapter_path && !s->o.adapter) s->o.adapter = base.adapter_path;
        s->o.base = base.base_path;
    }
    if (s->o.reference) {
        if (!subject_find(a, s->o.reference, &base, e)) return false;
        s->o.reference = base.base_path;
    }
    return train_settings_check(s, e);
}

static bool describe(void) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    train_describe(&w);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
    return true;
}

static bool train(arena *a, int argc, char **argv, err *e) {
    flags f = {0};
    bool help = false;
    train_settings *s;
    run r;
    if (!read_flags(a, argc, argv, &f, &help, e)) return false;
    if (help) {
        print_help(f.objective);
        return true;
    }
    if (f.describe) return describe();
    const train_how how = {.resume = f.resume != NULL, .quiet = f.quiet, .preview = f.preview, .json = f.json};
    if (f.resume || f.run) return train_reopen(a, f.resume ? f.resume : f.run, &s, &r, e) && train_run(a, s, &r, &how, e);
    if (!f.objective)
        return err_set(e, ERR_USAGE, "say what to train for: fettle train OBJECTIVE; there are: %s", objective_names(a));
    if (!train_settings_begin(a, f.objective, &s, e) || !settle(a, &f, s, e)) return false;
    if (f.preview) return train_run(a, s, NULL, &how, e);
    const char *dir = f.output ? f.output : run_new_path(a, sys_home(a), f.objective, e);
    if (!dir || !train_create(a, s, dir, &r, e) || !train_run(a, s, &r, &how, e)) return false;
    if (!f.quiet) log_note("done: %s/model", dir);
    return true;
}
