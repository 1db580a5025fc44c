/* cmd_docs.c - fettle docs: the pages that follow from tables. --check compares what lies in docs/ with what the tables say. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "serve/serve.h"
#include "train/train.h"

typedef struct {
    bool check;
} docs_options;

static const opt options[] = {
    {"check", OPT_BOOL, offsetof(docs_options, check), "false", 0, 0, NULL, "fail when a page is not current"}, OPT_END};

static bool docs(arena *a, int argc, char **argv, err *e);
const command command_docs = {"docs", "write the pages that follow from tables (docs/options.md, api.md, openapi.json, fettle.1)",
                              "[--check]", options, docs};

/* flags: the keys as they are typed behind a command. */
static void put_table(buf *out, const opt *table, bool flags) {
    buf_put_text(out,
                 flags ? "| flag | default | meaning |\n|---|---|---|\n" : "| option | default | meaning |\n|---|---|---|\n");
    for (const opt *o = table; o->key; o++) {
        buf_put_text(out, flags ? "| `--" : "| `");
        for (const char *c = o->key; *c; c++) buf_put_char(out, flags && *c == '_' ? '-' : *c);
        buf_put_text(out, "` | ");
        if (o->fallback) opt_put_default(out, o);
        else buf_put_text(out, "unset");
        buf_printf(out, " | %s", o->help);
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
    buf_put_text(out, "\n## Options of objectives that write their own answers\n\n");
    put_table(out, rollout_option_table, false);
    for (int i = 0; i < count; i++) {
        buf_printf(out, "\n## %s: %s\n\nTrains on %s%s. `learning_rate` %g when it is unset.\n\n", list[i]->name, list[i]->words,
                   objective_rows_name(list[i]->rows), list[i]->reference ? ", beside a frozen reference" : "",
                   list[i]->learning_rate);
        for (const char *const *d = list[i]->rollout; d && *d; d++)
            buf_printf(out, "%s`%s`%s", d == list[i]->rollout ? "Other defaults of rollouts: " : ", ", *d, d[1] ? "" : ".\n\n");
        put_table(out, list[i]->options, false);
    }
}

static void put_presets(buf *out) {
    buf_put_text(out, "\n## Presets\n");
    for (const preset *p = run_presets; p->name; p++) {
        buf_printf(out, "\n`--preset %s`: %s.\n", p->name, p->words);
        for (const char *const *k = p->settings; k && *k; k++) buf_printf(out, "%s`%s`", k == p->settings ? "\n" : ", ", *k);
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

static void put_options(buf *out) {
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

/* ---- the routes of the server ----------------------------------------------------------------------------------------------- */

static const char api_head[] =
    "# The API\n\nMade by `fettle docs` from the route table in the source; do not edit. [openapi.json](openapi.json) is the "
    "same for "
    "programs, and a\nserver answers it under `/api/v1/openapi.json`. Shapes of bodies are those of Argilla's REST API 2.x, so "
    "that "
    "its Python SDK works as it is;\nroutes under `/api/` without `v1` are for its 1.x client. What is beyond Argilla is in "
    "[feedback.md](feedback.md) and [serve.md](serve.md).\n\n"
    "**Who is asking** is told by `X-Argilla-Api-Key: KEY`, by `Authorization: Bearer TOKEN` (from `POST /api/v1/token`), or by "
    "the "
    "cookie of a\nbrowser's session.\n\n"
    "| who | may call a route |\n|---|---|\n"
    "| anyone | without logging in |\n"
    "| user | everybody who is logged in |\n"
    "| member | members of the workspace that {id} lies in; owners are members everywhere |\n"
    "| admin | members with the role admin; owners |\n"
    "| owner | owners |\n\n"
    "A request is judged in this order: nobody is logged in (401), what `{id}` names is not there or in a workspace of others "
    "(404, "
    "the same words\nfor both), the role does not allow it (403), the body or a parameter is wrong (422), it contradicts what is "
    "there "
    "(409). Where `{id}` is in\nno workspace (users, webhooks) the role comes before it. Routes that write take "
    "`Idempotency-Key: TEXT`: the same request again\nwithin a week gets the first answer (not "
    "logins and exports); one whose answer showed a key is refused the second time.\n";

static void put_api(buf *out) {
    enum { ROOM = 512 };
    route_info *list = memory_alloc(ROOM * sizeof *list);
    const int count = server_routes(list, ROOM);
    if (count > ROOM) bug("%d routes, room for %d", count, ROOM);
    buf_put_text(out, api_head);
    for (int i = 0; i < count; i++) {
        const route_info *r = &list[i];
        if (i == 0 || strcmp(r->group, list[i - 1].group) != 0)
            buf_printf(out, "\n## %s\n\n| | | {id} | who | |\n|---|---|---|---|---|\n", r->group);
        buf_printf(out, "| %s | `%s` | %s | %s | %s |\n", r->method, r->path, *r->of ? r->of : "–", r->who, r->words);
    }
    memory_release(list);
}

static void put_openapi(buf *out) {
    json_writer w = json_writer_on(out, true);
    server_put_openapi(&w);
    buf_put_char(out, '\n');
}

/* ---- the man page --------------------------------------------------------------------------------------------------------------- */

/* Text for troff: no line begins a request, no backslash an escape. */
static void put_roff(buf *out, const char *text) {
    if (*text == '.' || *text == '\'') buf_put_text(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\') buf_put_text(out, "\\e");
        else if (*text == '-') buf_put_text(out, "\\-");
        else buf_put_char(out, *text);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\'')) buf_put_text(out, "\\&");
    }
}

static void put_man_option(buf *out, const opt *o) {
    buf_put_text(out, ".TP\n.B \\-\\-");
    for (const char *c = o->key; *c; c++) {
        if (*c == '_') buf_put_text(out, "\\-");
        else buf_put_char(out, *c);
    }
    buf_put_char(out, '\n');
    put_roff(out, o->help);
    if (o->choices) buf_put_text(out, ": "), put_roff(out, o->choices);
    buf shown = {0};
    opt_put_default(&shown, o);
    buf_put_char(&shown, '\0');
    if (shown.len > 1) buf_put_text(out, " ("), put_roff(out, shown.ptr), buf_put_char(out, ')');
    buf_free(&shown);
    buf_put_char(out, '\n');
}

static void put_man(buf *out) {
    buf_put_text(
        out, ".\\\" Made by `fettle docs` from the tables in the source; do not edit.\n.TH FETTLE 1 \"\" \"fettle " FETTLE_VERSION
             "\"\n.SH NAME\nfettle \\- people's judgement into a better language model, on your own machine\n"
             ".SH SYNOPSIS\n.B fettle\n.I COMMAND\n[options]\n.SH DESCRIPTION\nCollects feedback "
             "(\\fBfettle serve\\fR), fine\\-tunes models on it (\\fBfettle train\\fR) and compares them (\\fBfettle "
             "compare\\fR).\nOptions of a training run are listed by \\fBfettle train \\-\\-help\\fR.\n.SH COMMANDS\n");
    for (const command *const *c = command_list; *c; c++) {
        buf_printf(out, ".SS fettle %s\n", (*c)->name);
        put_roff(out, (*c)->words);
        buf_put_text(out, ".\n.PP\n.nf\nfettle "), put_roff(out, (*c)->name), buf_put_char(out, ' ');
        put_roff(out, (*c)->usage);
        buf_put_text(out, "\n.fi\n");
        for (const opt *o = (*c)->options; o && o->key; o++) put_man_option(out, o);
    }
    buf_put_text(
        out, ".SH ENVIRONMENT\n.TP\n.B FETTLE_HOME\nthe data folder (else $XDG_DATA_HOME/fettle, else ~/.local/share/fettle)\n"
             ".TP\n.B FETTLE_THREADS\nthreads for arithmetic\n.TP\n.B FETTLE_LOG\nerror, warning, note or debug\n"
             ".TP\n.B FETTLE_OPTION\nany option of a training run, as FETTLE_LEARNING_RATE\n"
             ".TP\n.B FETTLE_SERVE_OPTION\nany option of fettle serve, as FETTLE_SERVE_PORT\n"
             ".SH EXIT STATUS\n");
    static const struct {
        const char *words;
        int status;
    } ends[] = {
#define X(code, exit_status, http_status, error_words) {error_words, exit_status},
        ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) buf_printf(out, ".TP\n.B %d\n%s\n", ends[i].status, ends[i].words);
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *path;
    void (*put)(buf *out);
} pages[] = {
    {"docs/options.md", put_options}, {"docs/api.md", put_api}, {"docs/openapi.json", put_openapi}, {"docs/fettle.1", put_man}};

static bool check(arena *a, const char *path, str page, err *e) {
    str there;
    return file_read(a, path, 1 << 22, &there, e) &&
           (str_eq(there, page) || err_set(e, ERR_CONFLICT, "%s is not current: run build/fettle docs", path));
}

static bool docs(arena *a, int argc, char **argv, err *e) {
    docs_options o;
    int rest;
    bool help, ok = true;
    if (!arguments_read(a, &command_docs, &o, argc, argv, &rest, &help, e) || help) return help;
    for (size_t i = 0; i < sizeof pages / sizeof *pages && ok; i++) {
        buf page = {0};
        pages[i].put(&page);
        ok = o.check ? check(a, pages[i].path, buf_str(&page), e) : file_write(pages[i].path, buf_str(&page), e);
        buf_free(&page);
    }
    return ok;
}
