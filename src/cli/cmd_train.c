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
static const struct {
    const char *name, *help;
    size_t at;
    bool text;
} own_flags[] = {
    {"output", "the run folder to make (unset: a new one in the data folder)", offsetof(flags, output), true},
    {"resume", "go on with this run folder from its newest whole checkpoint", offsetof(flags, resume), true},
    {"run", "run this folder, whose config.json is there already", offsetof(flags, run), true},
    {"preset", "settings that belong together: small-feedback", offsetof(flags, preset), true},
    {"config", "a JSON file of options", offsetof(flags, config), true},
    {"preview", "check everything, print the first batch with trained tokens marked, train nothing", offsetof(flags, preview),
     false},
    {"describe", "objectives and options as tables (--json)", offsetof(flags, describe), false},
    {"json", "metrics (or the preview) as JSON lines on standard output", offsetof(flags, json), false},
    {"quiet", "no progress", offsetof(flags, quiet), false},
};

static bool train(arena *a, int argc, char **argv, err *e);
const command command_train = {"train", "fine-tune a model on feedback",
                               "OBJECTIVE --base MODEL --data FILE [--set KEY=VALUE ...] [--OPTION VALUE ...]", NULL, train};

static void print_help(const char *only) {
    buf out = {0};
    arena *a = arena_new();
    buf_printf(&out, "fettle train: %s\n\nusage: fettle train %s\n\nobjectives: %s\n\nof this command:\n", command_train.words,
               command_train.usage, objective_names(a));
    for (size_t i = 0; i < sizeof own_flags / sizeof *own_flags; i++)
        buf_printf(&out, "  --%-28s %s\n", own_flags[i].name, own_flags[i].help);
    buf_put_text(&out, "  --set KEY=VALUE               any option below\n\noptions of the run:\n");
    opt_help(&out, train_option_table);
    int count;
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) {
        if (only && strcmp(list[i]->name, only) != 0) continue;
        buf_printf(&out, "\nof %s (%s):\n", list[i]->name, list[i]->words);
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
        size_t k = 0;
        while (k < sizeof own_flags / sizeof *own_flags && strcmp(own_flags[k].name, key) != 0) k++;
        const bool own = k < sizeof own_flags / sizeof *own_flags;
        if (own && !own_flags[k].text) {
            *(bool *)((char *)f + own_flags[k].at) = true;
            continue;
        }
        const opt *o = opt_find(train_option_table, str_of(key));
        const bool lone = !own && o && o->type == OPT_BOOL && !value && (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0);
        if (lone) value = "true";
        if (!value && i + 1 == argc) return err_set(e, ERR_USAGE, "--%s wants a value", key);
        if (!value) value = argv[++i];
        if (own) *(const char **)(void *)((char *)f + own_flags[k].at) = value;
        else if (!add_set(a, f, strcmp(key, "set") == 0 ? value : key, strcmp(key, "set") == 0 ? NULL : value, e)) return false;
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
