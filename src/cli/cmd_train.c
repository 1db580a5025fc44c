/* cmd_train.c - fettle train OBJECTIVE: flags to a run folder, and the run. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "cli/configured.h"
#include "cli/shelf.h"
#include "cli/subject.h"
#include "train/train.h"

typedef struct {
    const char *output, *resume, *run, *preset, *config;
    bool preview, describe, prepare, json, quiet;
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
    {"preset", OPT_TEXT, offsetof(flags, preset), NULL, 0, 0, NULL,
     "settings that belong together: small-feedback (preferences), small-rewrites (preferences for new words), small-edits "
     "(sft), auto (one of the first two, by the words of the answers)"},
    {"config", OPT_TEXT, offsetof(flags, config), NULL, 0, 0, NULL, "a JSON file of options"},
    {"set", OPT_EACH, offsetof(flags, set), NULL, 0, 0, NULL, "KEY=VALUE, any option of the run"},
    {"preview", OPT_BOOL, offsetof(flags, preview), "false", 0, 0, NULL,
     "check everything, print the first batch with trained tokens marked, train nothing"},
    {"prepare", OPT_BOOL, offsetof(flags, prepare), "false", 0, 0, NULL,
     "make the run folder with everything resolved, train nothing; --run FOLDER trains it"},
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
    if (!only || (objective_of(only) && objective_of(only)->judge)) {
        buf_put_text(&out, "\nof objectives that write their own answers:\n");
        opt_help(&out, rollout_option_table);
    }
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

/* An option of any objective: whether it fits this one is said when all flags are known. */
static const opt *find_option(str key) {
    const opt *o = opt_find(train_option_table, key);
    if (!o) o = opt_find(rollout_option_table, key);
    int count;
    const objective *const *list = objective_list(&count);
    for (int i = 0; !o && i < count; i++) o = opt_find(list[i]->options, key);
    return o;
}

static bool unknown_flag(arena *a, const char *key, err *e) {
    opt_near near = {0};
    int count;
    const objective *const *list = objective_list(&count);
    opt_nearer(a, train_option_table, str_of(key), &near);
    opt_nearer(a, rollout_option_table, str_of(key), &near);
    for (int i = 0; i < count; i++) opt_nearer(a, list[i]->options, str_of(key), &near);
    opt_nearer(a, own_flags, str_of(key), &near);
    char *flag = arena_text(a, near.key);
    for (char *c = flag; *c; c++) *c = *c == '_' ? '-' : *c;
    return err_set(e, ERR_USAGE, "fettle train has no option '--%s'%s%s%s; 'fettle train --help' lists them", key,
                   *flag ? " (did you mean '--" : "", flag, *flag ? "'?)" : "");
}

static bool is_truth(const char *word) { return word && (strcmp(word, "true") == 0 || strcmp(word, "false") == 0); }

/* --flag VALUE, --flag=VALUE, --switch, --no-switch at argv[*i]; advances *i past its value. */
static bool read_flag(arena *a, int argc, char **argv, int *i, flags *f, err *e) {
    const char *word = argv[*i], *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
    const char *key = arena_copy(a, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
    const opt *own = opt_find(own_flags, str_of(key)), *o = own ? NULL : find_option(str_of(key));
    if (own && own->type == OPT_BOOL) {
        if (equals) return err_set(e, ERR_USAGE, "--%s takes no value", key);
        *(bool *)((char *)f + own->offset) = true;
        return true;
    }
    const bool no = strncmp(key, "no-", 3) == 0;
    if (!own && !o && no && !equals && (o = find_option(str_of(key + 3))) && o->type == OPT_BOOL)
        return add_set(a, f, key + 3, "false", e);
    if (!own && (!o || no)) return unknown_flag(a, key, e);
    if (!value && o && o->type == OPT_BOOL && !is_truth(*i + 1 < argc ? argv[*i + 1] : NULL)) value = "true";
    if (!value && *i + 1 == argc) return err_set(e, ERR_USAGE, "--%s wants a value", key);
    if (!value) value = argv[++*i];
    if (own && own->type == OPT_EACH) return add_set(a, f, value, NULL, e); /* --set KEY=VALUE */
    if (own) *(const char **)(void *)((char *)f + own->offset) = value;
    return own || add_set(a, f, key, value, e);
}

static bool read_flags(arena *a, int argc, char **argv, flags *f, bool *help, err *e) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) *help = true;
        else if (strncmp(argv[i], "--", 2) == 0) {
            if (!read_flag(a, argc, argv, &i, f, e)) return false;
        } else if (f->objective)
            return err_set(e, ERR_USAGE, "'%s' stands where an option should: behind %s come options, --base MODEL among them",
                           argv[i], f->objective);
        else f->objective = argv[i];
    }
    return true;
}

/* A teacher may be named as any other model is. */
static bool find_teacher(arena *a, train_settings *s, err *e) {
    subject found;
    if (!s->o.teacher) return true;
    if (!subject_find(a, s->o.teacher, &found, e)) return false;
    if (found.adapter_path)
        return err_set(e, ERR_UNSUPPORTED, "a teacher has no adapter beside it: merge it first, fettle model export %s --out DIR",
                       s->o.teacher);
    s->o.teacher = path_absolute(a, found.base_path);
    return true;
}

/* Names and relative paths become whole paths, so that the run folder says where the files are from wherever it is resumed. */
static bool find_models(arena *a, train_settings *s, err *e) {
    subject found;
    if (s->o.base && s->o.adapter) {
        if (!subject_find(a, arena_printf(a, "%s:%s", s->o.base, s->o.adapter), &found, e)) return false;
        s->o.base = path_absolute(a, found.base_path);
        s->o.adapter = path_absolute(a, found.adapter_path);
    } else if (s->o.base) {
        if (!subject_find(a, s->o.base, &found, e)) return false;
        s->o.base = path_absolute(a, found.base_path);
        if (found.adapter_path) s->o.adapter = path_absolute(a, found.adapter_path);
    }
    if (!find_teacher(a, s, e)) return false;
    if (!s->o.reference) return true;
    if (!subject_find(a, s->o.reference, &found, e)) return false;
    if (found.adapter_path)
        return err_set(e, ERR_UNSUPPORTED,
                       "a reference has no adapter beside it: merge it first, fettle model export %s --out DIR", s->o.reference);
    s->o.reference = path_absolute(a, found.base_path);
    return true;
}

/* A reward model may be named as any other model is. */
static bool find_reward_models(arena *a, train_settings *s, err *e) {
    for (int i = 0; s->rollout && i < s->rollout->reward_funcs.count; i++) {
        const char **spec = &s->rollout->reward_funcs.item[i];
        subject found;
        if (!str_starts(str_of(*spec), STR("model:"))) continue;
        if (!subject_find(a, *spec + strlen("model:"), &found, e)) return false;
        *spec = arena_printf(a, "model:%s", path_absolute(a, found.adapter_path ? found.adapter_path : found.base_path));
    }
    if (!s->rollout || !s->rollout->value_model) return true;
    subject found;
    if (!subject_find(a, s->rollout->value_model, &found, e)) return false;
    if (!found.adapter_path)
        return err_set(e, ERR_USAGE,
                       "value_model should be an adapter that 'fettle train reward --use-peft' made, and %s is none",
                       s->rollout->value_model);
    s->rollout->value_model = path_absolute(a, found.adapter_path);
    return true;
}

/* Opens each file of examples for a look, so that a missing or unreadable one is told before anything is made. */
static bool find_data(arena *a, train_settings *s, err *e) {
    const objective_rows kind = objective_rows_of(s->objective, s->own);
    for (int i = 0; i < s->o.data.count; i++) {
        const char *spec = s->o.data.item[i];
        const char *const *as = objective_rows_store(kind);
        if (str_starts(str_of(spec), STR("store:")) && !*as)
            return err_set(e, ERR_UNSUPPORTED, "%s: a dataset of feedback gives no examples for %s", spec, s->objective->name);
        if (str_starts(str_of(spec), STR("store:")) && !shelf_source(a, spec, as, &spec, e)) return false;
        const source_options o = {.kinds = rows_example_kinds(kind)};
        source *file = source_open_with(a, spec, &o, e);
        if (!file) return false;
        const char *path = source_describe(file)->path;
        const size_t before = strlen(spec) - strlen(path); /* FORMAT: */
        s->o.data.item[i] = arena_printf(a, "%.*s%s", (int)before, spec, path_absolute(a, path));
        source_close(file);
    }
    return true;
}

/* name: of the preset; NULL: none. */
static bool layer(arena *a, const flags *f, const char *name, train_settings *s, err *e) {
    if (name && !resolve_preset(a, &s->from, name, e)) return false;
    if (f->config && !resolve_file(a, &s->from, f->config, e)) return false;
    if (!resolve_environment(a, &s->from, e)) return false;
    for (int i = 0; i < f->sets; i++) {
        const char *equals = strchr(f->set[i], '=');
        if (!equals) return err_set(e, ERR_USAGE, "--set wants KEY=VALUE, not '%s'", f->set[i]);
        if (!resolve_set(a, &s->from, (str){f->set[i], (size_t)(equals - f->set[i])}, str_of(equals + 1), "command line", e))
            return false;
    }
    return true;
}

static bool settle(arena *a, const flags *f, train_settings *s, err *e) {
    const preset *p = f->preset ? preset_find(f->preset) : NULL;
    const bool choose = p && p->among;
    if (choose && !train_may_choose(p, s, e)) return false;
    if (!layer(a, f, choose ? p->among[0] : f->preset, s, e)) return false;
    train_settings_settle(s);
    if (!train_settings_check(s, e) || !find_models(a, s, e) || !find_reward_models(a, s, e) || !find_data(a, s, e)) return false;
    if (!choose) return true;
    if (!train_choose(a, p, s, e)) return false;
    if (!f->quiet && !f->json) log_note("%s", s->choice->words);
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

static bool go_on(arena *a, const flags *f, const train_how *how, err *e) {
    train_settings *s;
    run r;
    if (f->sets || f->preset || f->config || f->output || f->preview || f->prepare)
        return err_set(e, ERR_USAGE, "a run that goes on keeps its settings; leave the other options away");
    const char *dir = run_find(a, sys_home(a), f->resume ? f->resume : f->run);
    return train_reopen(a, dir, &s, &r, e) && train_run(a, s, &r, how, e);
}

/* A run that is refused before its first step leaves no folder behind. */
static bool begin(arena *a, const flags *f, const train_settings *s, const train_how *how, err *e) {
    run r;
    const bool made = !f->output || !file_exists(f->output);
    const char *dir = f->output ? path_absolute(a, f->output) : run_new_path(a, sys_home(a), f->objective, e);
    if (!dir) return false;
    if (f->prepare) {
        if (!train_create(a, s, dir, &r, e)) return false;
        run_release(&r);
        return true;
    }
    const bool ok = train_create(a, s, dir, &r, e) && train_run(a, s, &r, how, e);
    err ignored = {0};
    if (!ok && made && !file_exists(path_join(a, dir, "metrics.jsonl"))) dir_remove(dir, &ignored);
    const bool writes = s->objective->policy == POLICY_WRITES;
    if (ok && !f->quiet)
        log_note("done: %s/model\n%s%s%s   See the run: fettle runs show %s", dir,
                 writes ? "Talk with it: fettle chat " : "Measure it: fettle eval ", dir, writes ? "" : " --data FILE", dir);
    return ok;
}

static bool train(arena *a, int argc, char **argv, err *e) {
    flags f = {0};
    bool help = false;
    train_settings *s;
    if (!read_flags(a, argc, argv, &f, &help, e)) return false;
    if (help) {
        print_help(f.objective);
        return true;
    }
    if (f.describe) return describe();
    const train_how how = {.resume = f.resume != NULL, .quiet = f.quiet, .preview = f.preview, .json = f.json};
    if (f.resume || f.run) return go_on(a, &f, &how, e);
    if (!f.objective)
        return err_set(e, ERR_USAGE, "say what to train for: fettle train OBJECTIVE; there are: %s", objective_names(a));
    if (!train_settings_begin(a, f.objective, &s, e) || !settle(a, &f, s, e)) return false;
    return f.preview ? train_run(a, s, NULL, &how, e) : begin(a, &f, s, &how, e);
}

bool train_configured(arena *a, int argc, char **argv, resolved *out, bool *help, err *e) {
    flags f = {0};
    train_settings *s;
    if (!read_flags(a, argc, argv, &f, help, e)) return false;
    if (*help) return print_help(f.objective), true;
    if (!f.objective)
        return err_set(e, ERR_USAGE, "say which objective: fettle config train OBJECTIVE; there are: %s", objective_names(a));
    if (!train_settings_begin(a, f.objective, &s, e) || !layer(a, &f, f.preset, s, e)) return false;
    *out = s->from;
    return true;
}
