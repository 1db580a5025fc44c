/* cmd_docs.c - fettle docs: the pages that follow from tables. --check compares docs/options.md with what the tables say. */
#include "cli/command.h"

#include <stdio.h>

#include "base/file.h"
#include "train/train.h"

typedef struct {
    bool check;
} docs_options;

static const opt options[] = {
    {"check", OPT_BOOL, offsetof(docs_options, check), "false", 0, 0, NULL, "fail when docs/options.md is not current"}, OPT_END};

static bool docs(arena *a, int argc, char **argv, err *e);
const command command_docs = {"docs", "write the pages that follow from tables (docs/options.md)", "[--check]", options, docs};

/* flags: the keys as they are typed behind a command. */
static void put_table(buf *out, const opt *table, bool flags) {
    buf_put_text(out,
                 flags ? "| flag | default | meaning |\n|---|---|---|\n" : "| option | default | meaning |\n|---|---|---|\n");
    for (const opt *o = table; o->key; o++) {
        buf_put_text(out, flags ? "| `--" : "| `");
        for (const char *c = o->key; *c; c++) buf_put_char(out, flags && *c == '_' ? '-' : *c);
        buf_printf(out, "` | %s | %s", o->fallback ? o->fallback : "unset", o->help);
        for (const char *c = o->choices; c && *c; c++) {
            if (c == o->choices) buf_put_text(out, " (");
            if (*c == '|') buf_put_text(out, ", ");
            else buf_put_char(out, *c);
            if (!c[1]) buf_put_char(out, ')');
        }
        buf_put_text(out, " |\n");
    }
}

static void put_run_options(buf *out) {
    int count;
    const objective *const *list = objective_list(&count);
    buf_put_text(out, "\n## Options of every run\n\n");
    put_table(out, train_option_table, false);
    for (int i = 0; i < count; i++) {
        buf_printf(out, "\n## %s: %s\n\nTrains on %s%s. `learning_rate` %g when it is unset.\n\n", list[i]->name, list[i]->words,
                   list[i]->rows == WANTS_PAIRS ? "pairs" : "rows", list[i]->reference ? ", beside a frozen reference" : "",
                   list[i]->learning_rate);
        put_table(out, list[i]->options, false);
    }
}

static void put_presets(buf *out) {
    buf_put_text(out, "\n## Presets\n");
    for (const preset *p = run_presets; p->name; p++) {
        buf_printf(out, "\n`--preset %s`: %s.\n", p->name, p->words);
        for (const char *const *k = p->settings; *k; k++) buf_printf(out, "%s`%s`", k == p->settings ? "\n" : ", ", *k);
        buf_put_char(out, '\n');
    }
}

static void put_commands(buf *out) {
    buf_put_text(out, "\n## Commands\n");
    for (const command *const *c = command_list; *c; c++) {
        buf_printf(out, "\n### fettle %s\n\n%s.\n\n    fettle %s %s\n", (*c)->name, (*c)->words, (*c)->name, (*c)->usage);
        if (!(*c)->options) continue;
        buf_put_char(out, '\n');
        put_table(out, (*c)->options, true);
    }
}

static void put_page(buf *out) {
    buf_put_text(out,
                 "# Options\n\nMade by `fettle docs` from the tables in the source; do not edit. Names and defaults of a run's "
                 "options are TRL's and transformers'; \"ours\" marks the rest.\n"
                 "Give them as `--learning-rate 1e-4`, `--set learning_rate=1e-4`, in a JSON file (`--config`), or as "
                 "`FETTLE_LEARNING_RATE`; where several do, the command line wins over the environment, that over the file, "
                 "that over the preset.\n");
    put_run_options(out);
    put_presets(out);
    put_commands(out);
}

static bool docs(arena *a, int argc, char **argv, err *e) {
    docs_options o;
    int rest;
    bool help, ok = true;
    str there;
    buf page = {0};
    if (!arguments_read(a, &command_docs, &o, argc, argv, &rest, &help, e) || help) return help;
    put_page(&page);
    if (!o.check) ok = file_write("docs/options.md", buf_str(&page), e);
    else
        ok = file_read(a, "docs/options.md", 1 << 22, &there, e) &&
             (str_eq(there, buf_str(&page)) || err_set(e, ERR_CONFLICT, "docs/options.md is not current: run build/fettle docs"));
    buf_free(&page);
    return ok;
}
