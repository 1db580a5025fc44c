/* shelf.c - rows of a dataset, asked for once and written where they are wanted. */
#include "cli/shelf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "data/data.h"

bool shelf_dataset(arena *a, desk *d, const char *name, const json **out, err *e) {
    const char *slash = strchr(name, '/');
    json *all;
    const json *space = NULL;
    if (slash && !desk_find(a, d, "/api/v1/me/workspaces", "name", arena_copy(a, name, (size_t)(slash - name)), &space, e))
        return false;
    if (!desk_ask(a, d, "GET", "/api/v1/me/datasets", STR(""), &all, e)) return false;
    const char *own = slash ? slash + 1 : name;
    const json *items = json_get(all, "items");
    buf names = {0};
    int found = 0;
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        const bool here = !space || str_eq(json_get_text(v, "workspace_id", STR("")), json_get_text(space, "id", STR("-")));
        if (here && (str_is(json_get_text(v, "name", STR("")), own) || str_is(json_get_text(v, "id", STR("")), own)))
            *out = v, found++;
        buf_printf(&names, "%s%.*s", names.len ? ", " : "", STR_ARG(json_get_text(v, "name", STR(""))));
    }
    if (found > 1) err_set(e, ERR_CONFLICT, "%d datasets are named '%s': say WORKSPACE/%s", found, own, own);
    if (!found) err_set(e, ERR_NOT_FOUND, "there is no dataset '%s'; there are: %s", name, names.len ? names.ptr : "none");
    buf_free(&names);
    return found == 1;
}

static str order_body(arena *a, const shelf_order *o) {
    buf text = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '{');
    json_key(&w, "as"), json_put_cstr(&w, o->as);
    json_key(&w, "options"), json_open(&w, '{');
    if (o->unify) json_key(&w, "unify"), json_put_cstr(&w, o->unify);
    if (o->form) json_key(&w, "form"), json_put_cstr(&w, o->form);
    if (o->purpose) json_key(&w, "purpose"), json_put_cstr(&w, o->purpose);
    if (!isnan(o->threshold)) json_key(&w, "threshold"), json_put_real(&w, o->threshold);
    if (o->suggestions) json_key(&w, "suggestions"), json_put_bool(&w, true);
    json_close(&w), json_close(&w);
    const str out = {arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

bool shelf_rows(arena *a, desk *d, const char *name, const shelf_order *o, answer_sink sink, void *context, err *e) {
    const json *set;
    if (!shelf_dataset(a, d, name, &set, e)) return false;
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/rows", STR_ARG(json_get_text(set, "id", STR(""))));
    return desk_ask_to(d, "POST", path, order_body(a, o), sink, context, e);
}

bool shelf_to_stdout(void *context, str piece, err *e) {
    (void)context;
    return fwrite(piece.ptr, 1, piece.len, stdout) == piece.len || err_errno(e, ERR_IO, "cannot write to standard output");
}

static bool into_file(void *context, str piece, err *e) { return file_out_put(context, piece.ptr, piece.len, e); }

bool shelf_rows_to_file(arena *a, desk *d, const char *name, const shelf_order *o, const char *path, err *e) {
    file_out f;
    if (!file_out_open(&f, path, e)) return false;
    if (shelf_rows(a, d, name, o, into_file, &f, e)) return file_out_commit(&f, e);
    file_out_abandon(&f);
    return false;
}

/* Lines of a stream, one JSON object each, whatever pieces they come in. */
typedef struct {
    buf rest;
    bool (*take)(void *context, arena *a, json *row, err *e);
    void *context;
} line_reader;

static bool read_lines(void *context, str piece, err *e) {
    line_reader *r = context;
    buf_put_str(&r->rest, piece);
    size_t at = 0;
    bool ok = true;
    for (ptrdiff_t end; ok && (end = str_find(buf_str(&r->rest), STR("\n"), at)) >= 0; at = (size_t)end + 1) {
        arena *a = arena_new();
        json *row = json_parse(a, str_slice(buf_str(&r->rest), at, (size_t)end), e);
        if (row && json_get(row, "error")) ok = err_set(e, ERR_INPUT, "%.*s", STR_ARG(json_get_text(row, "error", STR(""))));
        else ok = row && r->take(r->context, a, row, e);
        arena_free(a);
    }
    memmove(r->rest.ptr, r->rest.ptr + at, r->rest.len - at);
    r->rest.len -= at;
    return ok;
}

static bool into_rows(void *context, arena *a, json *row, err *e) {
    (void)a;
    return row_out_row(context, row, e);
}

static bool into_argilla(void *context, arena *a, json *row, err *e) {
    (void)a;
    return argilla_out_item(context, row, e);
}

bool shelf_settings(arena *a, desk *d, const json *set, json **out, err *e) {
    static const char *const lists[][2] = {
        {"fields", "fields"}, {"questions", "questions"}, {"metadata-properties", "metadata"}, {"vectors-settings", "vectors"}};
    *out = json_new_object(a);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json *answer;
        const char *path = arena_printf(a, "/api/v1/datasets/%.*s/%s", STR_ARG(json_get_text(set, "id", STR(""))), lists[i][0]);
        if (!desk_ask(a, d, "GET", path, STR(""), &answer, e)) return false;
        json_set(*out, lists[i][1], json_get(answer, "items"));
    }
    return true;
}

static bool rows_as_argilla(arena *a, desk *d, const char *name, const shelf_order *o, const char *folder, err *e) {
    const json *set;
    json *settings;
    if (strcmp(o->as, "records") != 0) return err_set(e, ERR_USAGE, "Argilla's folder holds records, not examples: --as records");
    if (!shelf_dataset(a, d, name, &set, e) || !shelf_settings(a, d, set, &settings, e)) return false;
    argilla_out *w = argilla_out_open(a, folder, set, settings, e);
    line_reader r = {.take = into_argilla, .context = w};
    const bool ok = w && shelf_rows(a, d, name, o, read_lines, &r, e) && argilla_out_commit(w, e);
    buf_free(&r.rest);
    return ok;
}

bool shelf_rows_as(arena *a, desk *d, const char *name, const shelf_order *o, const char *path, const char *layout, err *e) {
    if (strcmp(layout, "argilla") == 0) return rows_as_argilla(a, d, name, o, path, e);
    row_out *w = row_out_open(a, path, str_of(layout), e);
    line_reader r = {.take = into_rows, .context = w};
    const bool ok = w && shelf_rows(a, d, name, o, read_lines, &r, e) && row_out_commit(w, e);
    if (w && !ok) row_out_abandon(w);
    buf_free(&r.rest);
    return ok;
}

bool shelf_trl(arena *a, desk *d, const char *name, const shelf_order *o, const char *folder, const char *base, err *e) {
    const json *set;
    json *what;
    shelf_order own = *o;
    recipe_target as = TARGET_COUNT;
    int64_t most = 0;
    if (!shelf_dataset(a, d, name, &set, e)) return false;
    if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/recipes", STR_ARG(json_get_text(set, "id", STR("")))),
                  STR(""), &what, e))
        return false;
    for (int t = 0; t < TARGET_COUNT; t++) {
        const int64_t n = json_get_int(
            json_get(json_get(json_get(what, "report"), "targets"), recipe_target_name((recipe_target)t)), "count", 0);
        if (n > most && t != TARGET_PROMPTS) most = n, as = (recipe_target)t;
    }
    if (!most) return err_set(e, ERR_INPUT, "'%s' gives no examples: fettle dataset show %s says why", name, name);
    own.as = recipe_target_name(as);
    buf script = {0};
    recipe_put_trl(&script, as, "rows.jsonl", base);
    const bool ok = dir_make(folder, e) && shelf_rows_to_file(a, d, name, &own, path_join(a, folder, "rows.jsonl"), e) &&
                    file_write(path_join(a, folder, "train.py"), buf_str(&script), e);
    buf_free(&script);
    if (ok) log_note("%lld examples (%s) and a script: cd %s && python3 train.py", (long long)most, own.as, folder);
    return ok;
}

/* The files are named by dataset and target, and made anew each time: what a run trains on is kept in the run's own folder. */
bool shelf_source(arena *a, const char *spec, const char *const *as, const char **out, err *e) {
    desk d;
    const char *name = spec + strlen("store:"), *none = "";
    if (!desk_open(a, NULL, &d, e)) return false;
    const json *set;
    const char *folder = path_join(a, d.home, "exports"), *path = NULL;
    bool ok = shelf_dataset(a, &d, name, &set, e) && dir_make(folder, e);
    for (*out = NULL; ok && *as && !*out; as++) {
        const shelf_order o = {.as = *as, .threshold = NAN};
        path = path_join(a, folder, arena_printf(a, "%.*s-%s.jsonl", STR_ARG(json_get_text(set, "id", STR(""))), *as));
        ok = shelf_rows_to_file(a, &d, name, &o, path, e);
        if (ok && file_size(path) > 0) *out = arena_printf(a, "examples:%s", path);
        none = arena_printf(a, "%s%s%s", none, *none ? " or " : "", *as);
    }
    desk_close(&d);
    if (ok && !*out) err_set(e, ERR_INPUT, "'%s' gives no %s: fettle dataset show %s says why", name, none, name);
    return ok && *out;
}
