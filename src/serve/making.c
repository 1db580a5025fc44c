/* making.c - see making.h. */
#include "serve/making.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { BATCH = 100, ROW_MOST = 1 << 26 };

/* ---- what is ordered ---------------------------------------------------------------------------------------------------------------------- */

bool making_number(call *c, const char *key, double least, double most, double *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    *out = json_real(v, NAN);
    return (*out >= least && *out <= most) ||
           invalid(c, arena_printf(c->a, "body.%s", key), e, "%s should be a number from %g to %g", key, least, most);
}

static bool take_limits(call *c, endpoint_options *o, err *e) {
    double most = 0;
    if (!making_number(c, "per_minute", 0, 1e6, &o->per_minute, e) || !making_number(c, "tokens_most", 0, 1e15, &most, e) ||
        !making_number(c, "cost_prompt", 0, 1e9, &o->cost_prompt, e) ||
        !making_number(c, "cost_answer", 0, 1e9, &o->cost_answer, e))
        return false;
    o->tokens_most = (int64_t)most;
    return true;
}

/* A file's name in the folder exports. */
static bool take_path(call *c, making *x, const char *file, err *e) {
    const char *name, *folder = path_join(c->a, store_folder(server_store(c->server)), "exports");
    if (!body_text(c, "name", 1, 190, &name, e)) return false;
    if (*name == '.' || strchr(name, '/')) return invalid(c, "body.name", e, "name should be a file's name");
    const bool whole = str_ends(str_of(name), STR(".jsonl"));
    x->name = whole ? arena_copy(x->own, name, strlen(name) - strlen(".jsonl")) : arena_text(x->own, name);
    x->path = path_join(x->own, folder, arena_printf(c->a, "%s%s.jsonl", x->name, file ? file : ""));
    return dir_make(folder, e);
}

static bool read_spaces(store_tx *t, void *context, err *e) {
    call *c = context;
    workspaces list;
    const str wanted = json_get_text(c->body, "workspace_id", STR(""));
    if (!workspace_list(t, c->a, c->me.role == ROLE_OWNER ? 0 : c->me.seq, &list, e)) return false;
    c->space = (workspace){0};
    for (int i = 0; i < list.count; i++)
        if (!c->space.seq && (!wanted.len || str_is(wanted, list.item[i].id))) c->space = list.item[i];
    return true;
}

/* An owner of a server without workspaces gets one. */
static bool first_space(call *c, making *x, err *e) {
    int status;
    buf text = {0};
    bool ok = server_call(c->server, "POST", "/api/v1/workspaces", STR("{\"name\":\"default\"}"), &status, &text, e);
    const json *made = ok ? json_parse(c->a, buf_str(&text), e) : NULL;
    if (made) x->space = str_copy(x->own, json_get_text(made, "id", STR("")));
    buf_free(&text);
    return made != NULL;
}

static bool take_space(call *c, making *x, err *e) {
    bool wanted = false;
    if (!body_bool_or(c, "dataset", &wanted, e)) return false;
    if (!wanted) return true;
    if (!store_read(server_store(c->server), read_spaces, c, e)) return false;
    if (c->space.seq) return (x->space = arena_text(x->own, c->space.id)), true;
    if (!json_get(c->body, "workspace_id") && c->me.role == ROLE_OWNER) return first_space(c, x, e);
    return invalid(c, "body.workspace_id", e, "workspace_id should be that of a workspace you are in");
}

bool making_take(call *c, making *x, const char *file, err *e) {
    const str licence = str_trim(json_get_text(c->body, "licence", STR("")));
    if (licence.len) x->licence = str_copy(x->own, licence);
    return take_path(c, x, file, e) && take_space(c, x, e) && take_limits(c, &x->limits, e);
}

bool making_terms(call *c, const making *x, const char *model, err *e) {
    return x->licence || !strstr(model, "://") ||
           invalid(c, "body.licence", e, "say under which terms that server's answers may be used: openai-terms, apache-2.0 ...");
}

/* ---- while it runs ------------------------------------------------------------------------------------------------------------------------ */

static bool stop_asked(void *self) { return job_stop_asked(self); }

bool making_begin(call *c, const making_job *j, bool ordered, err *e) {
    uuid_text id;
    if (ordered && jobs_run_of(c->server, j->order.kind, j->order.of)) ordered = err_set(e, ERR_CONFLICT, "%s", j->running);
    if (ordered) return job_run(c->server, &j->order, j->work, j->end, j->context, id, e) && job_accepted(c, id);
    j->end(j->context);
    return false;
}

endpoint *making_open(making *x, const char *model, job *j, err *e) {
    x->limits.spec = model;
    x->limits.stop = stop_asked;
    x->limits.self = j;
    return hosted_open(server_worker(x->server), &x->limits, e);
}

void making_tell(job *j, endpoint *p, int64_t done, int64_t total) {
    const endpoint_use u = endpoint_used(p);
    char words[200];
    snprintf(words, sizeof words, "%lld requests, %lld tokens, cost %.4g", (long long)u.requests,
             (long long)(u.prompt_tokens + u.answer_tokens), u.cost);
    job_progress(j, done, total, words);
}

/* ---- the dataset -------------------------------------------------------------------------------------------------------------------------- */

static bool ask(const making *x, arena *a, const char *method, const char *path, str body, json **out, err *e) {
    int status;
    buf text = {0};
    bool ok = server_call(x->server, method, path, body, &status, &text, e);
    if (ok && out) ok = (*out = json_parse(a, buf_str(&text), e)) != NULL;
    buf_free(&text);
    return ok;
}

static bool ask_json(const making *x, arena *a, const char *method, const char *path, const json *body, json **out, err *e) {
    buf text = {0};
    json_put(&text, body);
    const bool ok = ask(x, a, method, path, buf_str(&text), out, e);
    buf_free(&text);
    return ok;
}

/* A name that is taken gets a number. */
static bool make_named(const making *x, const making_shape *shape, arena *a, json **set, err *e) {
    json *body = json_new_object(a), *about = json_new_object(a);
    json_set(about, "origin", json_new_text(a, STR("synthetic")));
    if (x->licence) json_set(about, "licence", json_new_text(a, str_of(x->licence)));
    json_set(body, "workspace_id", json_new_text(a, str_of(x->space)));
    json_set(body, "metadata", about);
    if (shape->guidelines) json_set(body, "guidelines", json_new_text(a, str_of(shape->guidelines)));
    for (int n = 1; n < 100; n++) {
        *e = (err){0};
        json_set(body, "name", json_new_text(a, str_of(n == 1 ? x->name : arena_printf(a, "%s %d", x->name, n))));
        if (ask_json(x, a, "POST", "/api/v1/datasets", body, set, e)) return true;
        if (e->code != ERR_CONFLICT) return false;
    }
    return false;
}

static bool make_parts(const making *x, arena *a, const char *at, const char *const *bodies, const char *what, err *e) {
    for (; *bodies; bodies++)
        if (!ask(x, a, "POST", arena_printf(a, "%s/%s", at, what), str_of(*bodies), NULL, e)) return false;
    return true;
}

static bool send_items(const making *x, arena *a, const char *at, json *items, err *e) {
    json *body = json_new_object(a);
    if (!json_count(items)) return true;
    json_set(body, "items", items);
    return ask_json(x, a, "POST", arena_printf(a, "%s/records", at), body, NULL, e);
}

static bool fill(const making *x, const making_shape *shape, const char *at, err *e) {
    file_lines in;
    str line;
    bool ok = true;
    arena *a = arena_new();
    json *items = json_new_array(a);
    if (!file_lines_open(&in, x->path, ROW_MOST, e)) return arena_free(a), false;
    while (ok && file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!(ok = row != NULL)) break;
        shape->put(a, row, in.line, items);
        if (json_count(items) < BATCH) continue;
        ok = send_items(x, a, at, items, e);
        arena_free(a);
        a = arena_new();
        items = json_new_array(a);
    }
    file_lines_close(&in);
    ok = ok && !e->code && send_items(x, a, at, items, e);
    arena_free(a);
    return ok;
}

static bool make_dataset(const making *x, const making_shape *shape, arena *a, const char **id, err *e) {
    json *set;
    err none = {0};
    if (!make_named(x, shape, a, &set, e)) return false;
    *id = str_copy(a, json_get_text(set, "id", STR("")));
    const char *at = arena_printf(a, "/api/v1/datasets/%s", *id);
    if (make_parts(x, a, at, shape->fields, "fields", e) && make_parts(x, a, at, shape->questions, "questions", e) &&
        ask(x, a, "PUT", arena_printf(a, "%s/publish", at), STR(""), NULL, e) && fill(x, shape, at, e) &&
        (!shape->recipe || ask(x, a, "PUT", arena_printf(a, "%s/recipe", at), str_of(shape->recipe), NULL, e)))
        return true;
    ask(x, a, "DELETE", at, STR(""), NULL, &none);
    return err_prefix(e, "the rows are in %s, but no dataset could be made of them", x->path);
}

bool making_finish(const making *x, const making_shape *shape, endpoint *p, json_writer *result, err *e) {
    arena *a = arena_new();
    const char *id = NULL;
    const bool ok = !x->space || make_dataset(x, shape, a, &id, e);
    if (ok) {
        json_key(result, "path"), json_put_cstr(result, x->path);
        json_key(result, "dataset_id"), json_put_cstr(result, id);
        endpoint_put_used(result, p);
    }
    arena_free(a);
    return ok;
}
