/* cmd_dataset.c - fettle dataset list|show|map|rm and who works on it, and fettle export: what is collected, what it can train, the rows. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/dataset_options.h"
#include "cli/dataset_show.h"
#include "cli/dataset_work.h"
#include "cli/listing.h"
#include "cli/shelf.h"

/* ---- dataset ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *home, *person, *setting, *model, *fields;
    bool json, csv, again;
    int64_t from, count, quota;
    opt_list set;
    options_order change;
} dataset_options;

#define AT(member) offsetof(dataset_options, member)
static const opt dataset_table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"json", OPT_BOOL, AT(json), "false", 0, 0, NULL, "answers as JSON"},
    {"set", OPT_EACH, AT(set), NULL, 0, 0, NULL,
     "map: ROLE=FIELD (prompt, system, context, answer, answer_a, answer_b, messages, question), good=LABEL,LABEL, bad=..., or "
     "an option of "
     "recipes (unify, threshold, suggestions ...)"},
    {"csv", OPT_BOOL, AT(csv), "false", 0, 0, NULL, "annotators: a line for each person, for spreadsheets"},
    {"user", OPT_TEXT, AT(person), NULL, 0, 0, NULL, "assign, unassign: to or from whom"},
    {"from", OPT_INT, AT(from), "0", 0, INT32_MAX, NULL, "assign: the first record, in order of making"},
    {"count", OPT_INT, AT(count), "0", 0, 10000, NULL, "assign: how many records (0: none of their own, they get any)"},
    {"quota", OPT_INT, AT(quota), "0", 0, INT32_MAX, NULL, "assign: how many answers are wanted (0: no end)"},
    {"setting", OPT_TEXT, AT(setting), NULL, 0, 0, NULL, "vectors: the vector setting to fill; made when it is not there"},
    {"model", OPT_TEXT, AT(model), NULL, 0, 0, NULL,
     "vectors: a model by name, or URL#MODEL of a server that speaks OpenAI's API"},
    {"fields", OPT_TEXT, AT(fields), NULL, 0, 0, NULL, "vectors: NAME,NAME of fields that are read (unset: all)"},
    {"again", OPT_BOOL, AT(again), "false", 0, 0, NULL, "vectors: also those that were computed already"},
    {"question", OPT_TEXT, AT(change.question), NULL, 0, 0, NULL, "options: which question's"},
    {"options", OPT_EACH, AT(change.options), NULL, 0, 0, NULL,
     "options: VALUE or VALUE=TEXT, each there will be (unset: they stay)"},
    {"map", OPT_EACH, AT(change.becomes), NULL, 0, 0, NULL, "options: OLD=NEW, in answers, suggestions and gold answers"},
    {"drop", OPT_EACH, AT(change.drop), NULL, 0, 0, NULL, "options: a value that goes out of what holds it"},
    {"incomplete", OPT_CHOICE, AT(change.incomplete), NULL, 0, 0, "draft|last",
     "options: a ranking that lacks a new one becomes a draft, or gets it last"},
    {"apply", OPT_BOOL, AT(change.apply), "false", 0, 0, NULL, "options: write it (unset: only say what would happen)"},
    {"undo", OPT_BOOL, AT(change.undo), "false", 0, 0, NULL, "options: take the newest change back"},
    OPT_END,
};
#undef AT

static bool dataset_run(arena *a, int argc, char **argv, err *e);
const command command_dataset = {
    "dataset", "what is collected and what it can train",
    "list\ndataset show [WORKSPACE/]NAME\ndataset map NAME --set prompt=FIELD ...\ndataset rm NAME\n"
    "dataset annotators NAME [--csv]\ndataset disagreements NAME\ndataset assignments NAME\n"
    "dataset assign NAME --user PERSON [--from N --count N] [--quota N]\n"
    "dataset unassign NAME --user PERSON\n"
    "dataset options NAME --question Q [--options VALUE=TEXT ...] [--map OLD=NEW ...] [--drop V ...] "
    "[--apply|--undo]\n"
    "dataset vectors NAME [--setting S --model M [--fields F,G] [--again]]",
    dataset_table, dataset_run};

static bool list(arena *a, desk *d, const dataset_options *o, err *e) {
    json *all, *progress;
    if (!desk_ask(a, d, "GET", "/api/v1/me/datasets", STR(""), &all, e)) return false;
    const json *items = json_get(all, "items");
    if (o->json) return desk_print(items), true;
    listing l = listing_new(a, (const char *const[]){"dataset", "state", "records", "completed", NULL});
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/progress", STR_ARG(desk_text(v, "id"))), STR(""),
                      &progress, e))
            return false;
        listing_add(&l, (const char *const[]){str_copy(a, desk_text(v, "name")), str_copy(a, desk_text(v, "status")),
                                              arena_printf(a, "%lld", (long long)json_get_int(progress, "total", 0)),
                                              arena_printf(a, "%lld", (long long)json_get_int(progress, "completed", 0))});
    }
    listing_print(&l, "no datasets yet: 'fettle import FILE --dataset NAME' makes one, so do the page and Argilla's SDK");
    return true;
}

static bool show(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    return show_dataset(a, d, set, o->json, e);
}
static bool map(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    if (!o->set.count) return err_set(e, ERR_USAGE, "fettle dataset map NAME wants --set ROLE=FIELD");
    return map_dataset(a, d, set, &o->set, e);
}

static bool remove_set(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    json *answer;
    (void)o;
    return desk_ask(a, d, "DELETE", arena_printf(a, "/api/v1/datasets/%.*s", STR_ARG(desk_text(set, "id"))), STR(""), &answer, e);
}

static bool annotators(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    return work_annotators(a, d, set, o->csv, o->json, e);
}
static bool list_assignments(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    return work_assignments(a, d, set, o->json, e);
}
static bool disagreements(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    return work_disagreements(a, d, set, o->json, e);
}
static bool assign(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    if (!o->person) return err_set(e, ERR_USAGE, "fettle dataset assign NAME wants --user PERSON");
    return work_assign(a, d, set, &(work_order){o->person, o->from, o->count, o->quota}, e);
}
static bool unassign(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    if (!o->person) return err_set(e, ERR_USAGE, "fettle dataset unassign NAME wants --user PERSON");
    return work_unassign(a, d, set, o->person, e);
}

static bool vectors(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    return work_vectors(a, d, set, &(work_vectors_order){o->setting, o->model, o->fields, o->again, false}, o->json, e);
}

static bool options(arena *a, desk *d, const dataset_options *o, const json *set, err *e) {
    if (!o->change.question) return err_set(e, ERR_USAGE, "fettle dataset options NAME wants --question Q");
    return options_change(a, d, set, &o->change, o->json, e);
}

static const struct {
    const char *name;
    bool (*run)(arena *a, desk *d, const dataset_options *o, const json *set, err *e);
} works[] = {{"show", show},
             {"map", map},
             {"rm", remove_set},
             {"annotators", annotators},
             {"assignments", list_assignments},
             {"disagreements", disagreements},
             {"assign", assign},
             {"unassign", unassign},
             {"options", options},
             {"vectors", vectors}};

static bool work(arena *a, desk *d, const dataset_options *o, const char *what, const char *name, err *e) {
    const json *set;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, what) == 0) return shelf_dataset(a, d, name, &set, e) && works[i].run(a, d, o, set, e);
    return err_set(e, ERR_USAGE, "fettle dataset has no part '%s': fettle dataset --help lists them", what);
}

static bool dataset_run(arena *a, int argc, char **argv, err *e) {
    dataset_options o;
    int rest;
    bool help;
    desk d;
    if (!arguments_read(a, &command_dataset, &o, argc, argv, &rest, &help, e) || help) return help;
    const char *what = rest ? argv[0] : "list", *name = rest > 1 ? argv[1] : NULL;
    const bool lists = strcmp(what, "list") == 0;
    if (!lists && !name) return err_set(e, ERR_USAGE, "fettle dataset %s NAME: name a dataset", what);
    if (!desk_open(a, o.home, &d, e)) return false;
    const bool ok = lists ? list(a, &d, &o, e) : work(a, &d, &o, what, name, e);
    desk_close(&d);
    return ok;
}

/* ---- export ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *home, *as, *out, *to, *unify, *form, *purpose, *base;
    double threshold;
    bool suggestions;
} export_options;

#define AT(member) offsetof(export_options, member)
static const opt export_table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"as", OPT_CHOICE, AT(as), "records", 0, 0, "sft|pairs|labelled|prompts|records|trl",
     "rows: examples, or whole records; trl: examples with a script"},
    {"out", OPT_TEXT, AT(out), NULL, 0, 0, NULL, "file (unset: standard output); trl: a folder"},
    {"to", OPT_CHOICE, AT(to), "jsonl", 0, 0, "jsonl|json|csv|tsv|parquet|argilla",
     "layout of the file; argilla: a folder for its SDK"},
    {"unify", OPT_CHOICE, AT(unify), NULL, 0, 0, "auto|gold|majority|mean|latest|all", "how several people's answers become one"},
    {"threshold", OPT_REAL, AT(threshold), NULL, 0, 10, NULL, "ratings from here on are good"},
    {"form", OPT_CHOICE, AT(form), NULL, 0, 0, "messages|text", "conversations or plain texts"},
    {"purpose", OPT_CHOICE, AT(purpose), NULL, 0, 0, "any|commercial", "refuse records whose licence forbids it"},
    {"suggestions", OPT_BOOL, AT(suggestions), "false", 0, 0, NULL, "where nobody answered, the suggestion stands in"},
    {"base", OPT_TEXT, AT(base), "HuggingFaceTB/SmolLM2-135M-Instruct", 0, 0, NULL, "trl: the model that the script trains"},
    OPT_END,
};
#undef AT

static bool export_run(arena *a, int argc, char **argv, err *e);
const command command_export = {"export", "rows of a dataset: examples to train on, or its records",
                                "[WORKSPACE/]NAME --as sft|pairs|labelled|prompts|records|trl [--out FILE]", export_table,
                                export_run};

static bool export_run(arena *a, int argc, char **argv, err *e) {
    export_options o;
    int rest;
    bool help;
    desk d;
    if (!arguments_read(a, &command_export, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1) return err_set(e, ERR_USAGE, "fettle export NAME --as sft|pairs|labelled|prompts|records|trl");
    if (!desk_open(a, o.home, &d, e)) return false;
    const shelf_order order = {.as = o.as,
                               .unify = o.unify,
                               .form = o.form,
                               .purpose = o.purpose,
                               .threshold = o.threshold,
                               .suggestions = o.suggestions};
    bool ok;
    if (strcmp(o.as, "trl") == 0) ok = shelf_trl(a, &d, argv[0], &order, o.out ? o.out : argv[0], o.base, e);
    else if (strcmp(o.to, "jsonl") != 0)
        ok = o.out ? shelf_rows_as(a, &d, argv[0], &order, o.out, o.to, e) : err_set(e, ERR_USAGE, "--to %s wants --out", o.to);
    else
        ok = o.out ? shelf_rows_to_file(a, &d, argv[0], &order, o.out, e)
                   : shelf_rows(a, &d, argv[0], &order, shelf_to_stdout, NULL, e);
    desk_close(&d);
    return ok;
}
