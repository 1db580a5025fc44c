/* cmd_dataset.c - fettle dataset list|show|map|rm and who works on it, and fettle export: what is collected, what it can train, the rows. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/dataset_work.h"
#include "cli/shelf.h"

/* ---- dataset ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *home, *person;
    bool json, csv;
    int64_t from, count, quota;
    opt_list set;
} dataset_options;

#define AT(member) offsetof(dataset_options, member)
static const opt dataset_table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"json", OPT_BOOL, AT(json), "false", 0, 0, NULL, "answers as JSON"},
    {"set", OPT_EACH, AT(set), NULL, 0, 0, NULL,
     "map: ROLE=FIELD (prompt, system, context, answer, answer_a, answer_b, messages, question)"},
    {"csv", OPT_BOOL, AT(csv), "false", 0, 0, NULL, "annotators: a line for each person, for spreadsheets"},
    {"user", OPT_TEXT, AT(person), NULL, 0, 0, NULL, "assign, unassign: to or from whom"},
    {"from", OPT_INT, AT(from), "0", 0, INT32_MAX, NULL, "assign: the first record, in order of making"},
    {"count", OPT_INT, AT(count), "0", 0, 10000, NULL, "assign: how many records (0: none of their own, they get any)"},
    {"quota", OPT_INT, AT(quota), "0", 0, INT32_MAX, NULL, "assign: how many answers are wanted (0: no end)"},
    OPT_END,
};
#undef AT

static bool dataset_run(arena *a, int argc, char **argv, err *e);
const command command_dataset = {"dataset", "what is collected and what it can train",
                                 "list\ndataset show [WORKSPACE/]NAME\ndataset map NAME --set prompt=FIELD ...\ndataset rm NAME\n"
                                 "dataset annotators NAME [--csv]\ndataset disagreements NAME\ndataset assignments NAME\n"
                                 "dataset assign NAME --user PERSON [--from N --count N] [--quota N]\n"
                                 "dataset unassign NAME --user PERSON",
                                 dataset_table, dataset_run};

static str text(const json *v, const char *key) { return json_get_text(v, key, STR("")); }

static bool print_json(const json *v) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_put_value(&w, v);
    printf("%s\n", out.ptr);
    buf_free(&out);
    return true;
}

static bool list(arena *a, desk *d, const dataset_options *o, err *e) {
    json *all, *progress;
    if (!desk_ask(a, d, "GET", "/api/v1/me/datasets", STR(""), &all, e)) return false;
    const json *items = json_get(all, "items");
    if (o->json) return print_json(items);
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/progress", STR_ARG(text(v, "id"))), STR(""), &progress,
                      e))
            return false;
        printf("%-32.*s %-6.*s %8lld records, %lld completed\n", STR_ARG(text(v, "name")), STR_ARG(text(v, "status")),
               (long long)json_get_int(progress, "total", 0), (long long)json_get_int(progress, "completed", 0));
    }
    if (!json_count(items)) printf("no datasets yet: make one with Argilla's SDK, or fettle import FILE --dataset NAME\n");
    return true;
}

static void print_target(const char *name, const json *v) {
    const long long count = (long long)json_get_int(v, "count", 0);
    if (count) printf("  %-9s %8lld examples\n", name, count);
    else printf("  %-9s        0: %.*s\n", name, STR_ARG(text(v, "reason")));
}

static void print_mapping(const json *m) {
    json_member x = {0};
    bool first = true;
    while (m && json_next(m, &x)) {
        if (strcmp(x.key, "ask") == 0) continue;
        buf value = {0};
        json_put(&value, x.value);
        printf("%s%s=%s", first ? "" : ", ", x.key, value.ptr);
        buf_free(&value);
        first = false;
    }
    printf("\n");
}

static bool show(arena *a, desk *d, const dataset_options *o, const char *name, err *e) {
    const json *set;
    json *what;
    if (!shelf_dataset(a, d, name, &set, e)) return false;
    if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/recipes", STR_ARG(text(set, "id"))), STR(""), &what, e))
        return false;
    if (o->json) return print_json(what);
    const json *report = json_get(what, "report"), *targets = json_get(report, "targets");
    printf("%.*s: %lld records\n", STR_ARG(text(set, "name")), (long long)json_get_int(report, "records", 0));
    if (!report) printf("It cannot train yet: %.*s\n", STR_ARG(text(what, "reason")));
    else printf("It can train:\n");
    json_member m = {0};
    while (targets && json_next(targets, &m)) print_target(m.key, m.value);
    printf("Mapping: ");
    print_mapping(json_get(what, "mapping") ? json_get(what, "mapping") : json_at(json_get(what, "guesses"), 0));
    const json *preview = json_get(what, "preview");
    m = (json_member){0};
    while (preview && json_next(preview, &m)) {
        if (!json_count(m.value)) continue;
        buf row = {0};
        json_put(&row, json_at(m.value, 0));
        printf("First of %s: %.400s%s\n", m.key, row.ptr, row.len > 400 ? " ..." : "");
        buf_free(&row);
    }
    if (report) printf("Train with it: fettle train sft --base smollm2 --data store:%s\n", name);
    return true;
}

/* The likeliest guess with what was said besides. */
static bool map(arena *a, desk *d, const dataset_options *o, const char *name, err *e) {
    const json *set;
    json *what;
    if (!o->set.count) return err_set(e, ERR_USAGE, "fettle dataset map NAME wants --set ROLE=FIELD");
    if (!shelf_dataset(a, d, name, &set, e)) return false;
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/recipe", STR_ARG(text(set, "id")));
    if (!desk_ask(a, d, "GET", arena_printf(a, "%ss", path), STR(""), &what, e)) return false;
    json *mapping = json_get(what, "mapping") ? json_get(what, "mapping") : json_at(json_get(what, "guesses"), 0),
         *body = json_new_object(a);
    if (!mapping) return err_set(e, ERR_INPUT, "no question of '%s' gives examples", name);
    for (int i = 0; i < o->set.count; i++) {
        const char *equals = strchr(o->set.item[i], '=');
        if (!equals) return err_set(e, ERR_USAGE, "--set wants ROLE=FIELD, not '%s'", o->set.item[i]);
        json_set(mapping, arena_copy(a, o->set.item[i], (size_t)(equals - o->set.item[i])), json_new_text(a, str_of(equals + 1)));
    }
    json_set(body, "mapping", mapping);
    buf out = {0};
    json_put(&out, body);
    const bool ok = desk_ask(a, d, "PUT", path, buf_str(&out), &what, e);
    buf_free(&out);
    if (ok) print_mapping(json_get(what, "mapping"));
    return ok;
}

static bool dataset_rm(arena *a, desk *d, const char *name, err *e) {
    const json *set;
    json *answer;
    return shelf_dataset(a, d, name, &set, e) &&
           desk_ask(a, d, "DELETE", arena_printf(a, "/api/v1/datasets/%.*s", STR_ARG(text(set, "id"))), STR(""), &answer, e);
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

static const struct {
    const char *name;
    bool (*run)(arena *a, desk *d, const dataset_options *o, const json *set, err *e);
} works[] = {{"annotators", annotators},
             {"assignments", list_assignments},
             {"disagreements", disagreements},
             {"assign", assign},
             {"unassign", unassign}};

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
    bool ok;
    if (lists) ok = list(a, &d, &o, e);
    else if (strcmp(what, "show") == 0) ok = show(a, &d, &o, name, e);
    else if (strcmp(what, "map") == 0) ok = map(a, &d, &o, name, e);
    else if (strcmp(what, "rm") == 0) ok = dataset_rm(a, &d, name, e);
    else ok = work(a, &d, &o, what, name, e);
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
