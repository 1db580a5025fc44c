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

static void put_table(buf *out, const opt *table) {
    buf_put_text(out, "| option | default | meaning |\n|---|---|---|\n");
    for (const opt *o = table; o->key; o++) {
        buf_printf(out, "| `%s` | %s | %s", o->key, o->fallback ? o->fallback : "unset", o->help);
        for (const char *c = o->choices; c && *c; c++) {
            if (c == o->choices) buf_put_text(out, " (");
            if (*c == '|') buf_put_text(out, ", ");
            else buf_put_char(out, *c);
            if (!c[1]) buf_put_char(out, ')');
        }
        buf_put_text(out, " |\n");
    }
}

static bool docs(arena *a, int argc, char **argv, err *e) {
    docs_options o;
    int rest, count;
    bool help, ok = true;
    if (!arguments_read(a, &command_docs, &o, argc, argv, &rest, &help, e) || help) return help;
    buf out = {0};
    buf_put_text(&out, "# Options of a training run\n\nMade by `fettle docs` from the tables in the source. Names and defaults "
                       "are TRL's and transformers'; \"ours\" marks the rest.\n"
                       "Give them as `--learning-rate 1e-4`, `--set learning_rate=1e-4`, in a JSON file (`--config`), or as "
                       "`FETTLE_LEARNING_RATE`.\n\n");
    put_table(&out, train_option_table);
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) {
        buf_printf(&out, "\n## %s: %s\n\nDefault learning rate %g.\n\n", list[i]->name, list[i]->words, list[i]->learning_rate);
        put_table(&out, list[i]->options);
    }
    buf_put_text(&out, "\n## Presets\n\n");
    for (const preset *p = run_presets; p->name; p++) {
        buf_printf(&out, "`%s`: %s.\n", p->name, p->words);
        for (const char *const *k = p->settings; *k; k++) buf_printf(&out, "%s`%s`", k == p->settings ? "\n" : ", ", *k);
        buf_put_char(&out, '\n');
    }
    if (o.check) {
        str there;
        ok = file_read(a, "docs/options.md", 1 << 22, &there, e) &&
             (str_eq(there, buf_str(&out)) || err_set(e, ERR_CONFLICT, "docs/options.md is not current: run build/fettle docs"));
    } else ok = file_write("docs/options.md", buf_str(&out), e);
    buf_free(&out);
    return ok;
}
