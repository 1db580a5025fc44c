/* runs_order.c - an order becomes a run folder: examples by the dataset's recipe, everything else by the program itself. */
#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sys.h"
#include "serve/runs_parts.h"

enum { WORDS_MOST = 300, PREPARE_SECONDS = 300, DESCRIBE_SECONDS = 20, OUTPUT_MOST = 16 << 20, SLUG_MOST = 40 };

/* ---- asking the program ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *word[WORDS_MOST + 1]; /* NULL behind the last */
    int count;
} command_line;

static void add(command_line *c, const char *word) {
    if (c->count < WORDS_MOST) c->word[c->count++] = word;
}

static bool ask_program(runs *r, arena *a, const command_line *c, double seconds, str *out, err *e) {
    const char *const environment[] = {arena_printf(a, "FETTLE_HOME=%s", runs_home(r)), "FETTLE_LOG=error", NULL};
    const child_run child = {.program = server_program(runs_server(r)),
                             .words = c->word,
                             .environment = environment,
                             .watched = true,
                             .seconds = seconds,
                             .output_most = OUTPUT_MOST};
    return runs_program(r, e) && child_capture(a, &child, out, e);
}

bool runs_describe(runs *r, arena *a, const json **out, err *e) {
    command_line c = {0};
    str text = {0};
    add(&c, "train"), add(&c, "--describe"), add(&c, "--json");
    runs_lock(r);
    char **kept = runs_described(r);
    bool ok = *kept != NULL;
    if (!ok && (ok = ask_program(r, a, &c, DESCRIBE_SECONDS, &text, e))) {
        *kept = memory_alloc(text.len + 1);
        memcpy(*kept, text.ptr, text.len);
    }
    if (ok) text = str_of(str_copy(a, str_of(*kept)));
    runs_unlock(r);
    return ok && (*out = json_parse(a, text, e)) != NULL;
}

/* What a dataset gives for the objective: ["labelled", "pairs"], the first that it has. */
static bool targets_of(runs *r, arena *a, const char *objective, const json **out, err *e) {
    const json *all;
    buf names = {0};
    if (!runs_describe(r, a, &all, e)) return false;
    const json *list = json_get(all, "objectives");
    *out = NULL;
    for (size_t i = 0; i < json_count(list); i++) {
        const str name = json_get_text(json_at(list, i), "name", STR(""));
        buf_printf(&names, "%s%.*s", i ? ", " : "", STR_ARG(name));
        if (str_is(name, objective)) *out = json_get(json_at(list, i), "store");
    }
    if (!*out) err_set(e, ERR_INPUT, "there is no objective '%s'; there are: %s", objective, names.ptr);
    buf_free(&names);
    return *out != NULL;
}

/* ---- examples ------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    file_out file;
    int64_t lines;
} examples_out;

/* A failure in the middle of a stream comes as a line of its own. */
static bool take_rows(void *context, str piece, err *e) {
    examples_out *x = context;
    if (str_starts(piece, STR("{\"error\":")))
        return err_set(e, ERR_INPUT, "the examples cannot be made: %.*s", STR_ARG(str_trim(piece)));
    for (size_t i = 0; i < piece.len; i++) x->lines += piece.ptr[i] == '\n';
    return file_out_put(&x->file, piece.ptr, piece.len, e);
}

static bool write_rows(runs *r, arena *a, const char *set, const char *as, const char *path, int64_t *count, err *e) {
    examples_out x = {0};
    const char *rows = arena_printf(a, "/api/v1/datasets/%s/rows", set);
    if (!file_out_open(&x.file, path, e)) return false;
    const bool ok =
        server_call_to(runs_server(r), "POST", rows, str_of(arena_printf(a, "{\"as\":\"%s\"}", as)), take_rows, &x, e);
    *count = x.lines;
    if (ok && x.lines) return file_out_commit(&x.file, e);
    file_out_abandon(&x.file);
    return ok;
}

static bool write_examples(runs *r, arena *a, const run_order *o, const char *path, int64_t *count, err *e) {
    const json *targets;
    const char *none = "";
    *count = 0;
    if (!targets_of(r, a, o->objective, &targets, e)) return false;
    for (size_t i = 0; i < json_count(targets) && !*count; i++) {
        const char *as = str_copy(a, json_text(json_at(targets, i), STR("")));
        if (!write_rows(r, a, o->dataset_id, as, path, count, e)) return false;
        none = arena_printf(a, "%s%s%s", none, i ? " or " : "", as);
    }
    if (*count) return true;
    if (!*none)
        return err_set(e, ERR_INPUT, "'%s' trains on what no dataset of feedback gives: train it on a file, with fettle train",
                       o->objective);
    return err_set(e, ERR_INPUT, "the dataset gives no %s, which '%s' trains on; its recipes say why", none, o->objective);
}

/* ---- an order ------------------------------------------------------------------------------------------------------------------------------- */

static command_line order_words(const run_order *o, const char *data) {
    command_line c = {0};
    add(&c, "train"), add(&c, o->objective);
    add(&c, "--base"), add(&c, o->base);
    add(&c, "--data"), add(&c, data);
    if (o->preset) add(&c, "--preset"), add(&c, o->preset);
    for (int i = 0; i < o->sets; i++) add(&c, "--set"), add(&c, o->set[i]);
    return c;
}

static bool put_order(arena *a, const run *made, const run_order *o, int64_t examples, err *e) {
    const struct {
        const char *key, *value;
    } texts[] = {{"name", o->name ? o->name : path_name(made->path)},
                 {"objective", o->objective},
                 {"base", o->base},
                 {"preset", o->preset},
                 {"dataset_id", o->dataset_id},
                 {"by", o->by},
                 {"teach", o->teach}};
    json *order = json_new_object(a);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_set(order, texts[i].key, texts[i].value ? json_new_text(a, str_of(texts[i].value)) : NULL);
    json_set(order, "examples", o->dataset_id ? json_new_int(a, examples) : NULL);
    return runs_mark(a, made, order, true, e);
}

/* A folder's name of what people call a run. */
static const char *slug(arena *a, const char *name) {
    char *out = arena_alloc(a, SLUG_MOST + 1);
    size_t n = 0;
    for (; *name && n < SLUG_MOST; name++) {
        const char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 'a' - 'A') : *name;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out[n++] = c;
        else if (n && out[n - 1] != '-') out[n++] = '-';
    }
    while (n && out[n - 1] == '-') out[--n] = '\0';
    return n ? out : "run";
}

bool runs_order(runs *r, arena *a, const run_order *o, const char **id, err *e) {
    run made;
    str said;
    int64_t count = 0;
    char *dir = run_new_path(a, runs_home(r), slug(a, o->name ? o->name : o->objective), e);
    if (!dir) return false;
    const char *examples = path_join(a, dir, "examples.jsonl"), *data = o->file;
    bool ok = true;
    if (o->dataset_id) {
        ok = write_examples(r, a, o, examples, &count, e);
        data = arena_printf(a, "examples:%s", examples);
    }
    command_line c = order_words(o, data);
    add(&c, "--output"), add(&c, dir), add(&c, "--prepare");
    ok = ok && ask_program(r, a, &c, PREPARE_SECONDS, &said, e) && run_open(a, dir, &made, e) && put_order(a, &made, o, count, e);
    err ignored = {0};
    if (!ok) return dir_remove(dir, &ignored), false;
    *id = path_name(dir);
    runs_wake(r);
    return true;
}

/* ---- before an order ------------------------------------------------------------------------------------------------------------------------- */

bool runs_preview(runs *r, arena *a, const run_order *o, const json **out, const char **refusal, err *e) {
    uuid_text name;
    str said = {0};
    err why = {0};
    int64_t count;
    uuid_new(name);
    const char *folder = path_join(a, runs_home(r), "exports"), *data = o->file,
               *examples = path_join(a, folder, arena_printf(a, "preview-%s.jsonl", name));
    *refusal = NULL;
    *out = NULL;
    if (o->dataset_id) {
        if (!dir_make(folder, e) || !write_examples(r, a, o, examples, &count, e)) return false;
        data = arena_printf(a, "examples:%s", examples);
    }
    command_line c = order_words(o, data);
    add(&c, "--preview"), add(&c, "--json");
    const bool ok = ask_program(r, a, &c, PREPARE_SECONDS, &said, &why);
    if (o->dataset_id) file_io.unlink(examples);
    if (!ok && why.code != ERR_REFUSED) return err_set(e, why.code, "%s", why.text);
    if (!ok) *refusal = arena_text(a, why.text);
    if (!str_trim(said).len) return true;
    return (*out = json_parse(a, said, e)) != NULL;
}
