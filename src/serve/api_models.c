/* api_models.c - the models of the data folder, names that mean them, files for other programs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "model/model.h"
#include "serve/catalog.h"
#include "serve/news.h"
#include "serve/starter.h"
#include "serve/worker.h"

enum { CARD_MOST = 64 << 10, HISTORY_MOST = 50 };

static const char *home_of(const call *c) { return store_folder(server_store(c->server)); }

static void tell(call *c, const char *id, const char *status) {
    buf data = {0};
    json_writer w = json_writer_on(&data, false);
    json_open(&w, '{');
    json_key(&w, "id"), json_put_cstr(&w, id);
    json_key(&w, "status"), json_put_cstr(&w, status);
    json_close(&w);
    news_post(c->server, "model", id, 0, buf_str(&data));
    buf_free(&data);
}

typedef struct {
    const call *c;
    const char *action, *target;
} noting;

static bool write_audit(store_tx *t, void *context, err *e) {
    const noting *n = context;
    return audit_add(t, n->c->me.seq, n->action, n->target, (str){NULL, 0}, e);
}

static bool audit(call *c, const char *action, const char *target, err *e) {
    noting n = {c, action, target};
    return store_write(server_store(c->server), write_audit, &n, e);
}

/* ---- what there is -------------------------------------------------------------------------------------------------------------------------- */

static str card_of(call *c, const catalog_entry *x) {
    str text;
    err none = {0};
    if (!file_is_dir(x->path) || !file_read(c->a, path_join(c->a, x->path, "README.md"), CARD_MOST, &text, &none)) return STR("");
    return text;
}

/* What a look at its files found; a model that cannot be used says why. */
static void put_facts(call *c, const catalog_entry *x) {
    static const char *const members[] = {"family", "parameters", "type", "positions", "chat"};
    const json *facts = NULL;
    err why = {0};
    const char *base = x->adapter ? x->base : x->path;
    if (base) worker_check(server_worker(c->server), c->a, base, x->adapter ? x->path : NULL, &facts, &why);
    else err_set(&why, ERR_NOT_FOUND, "the base of this adapter is not here");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_key(&c->w, members[i]);
        json_put_value(&c->w, json_get(facts, members[i]));
    }
    json_key(&c->w, "memory"), facts ? json_put_int(&c->w, json_get_int(facts, "bytes", 0)) : json_put_null(&c->w);
    json_key(&c->w, "problem"), json_put_cstr(&c->w, why.code ? why.text : NULL);
}

static void put_model(call *c, const catalog_entry *x) {
    const char *base = x->adapter ? x->base : x->path;
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_cstr(&c->w, x->id);
    json_key(&c->w, "kind"), json_put_cstr(&c->w, x->adapter ? "adapter" : "model");
    json_key(&c->w, "writes"), json_put_bool(&c->w, x->writes);
    json_key(&c->w, "base"), json_put_cstr(&c->w, x->base_id ? x->base_id : x->base);
    json_key(&c->w, "path"), json_put_cstr(&c->w, x->path);
    put_facts(c, x);
    json_key(&c->w, "bytes"), json_put_int(&c->w, x->bytes);
    json_key(&c->w, "run"), json_put_cstr(&c->w, x->run);
    json_key(&c->w, "loaded"),
        json_put_bool(&c->w, base && worker_has(server_worker(c->server), base, x->adapter ? x->path : NULL));
    json_key(&c->w, "card"), json_put_text(&c->w, card_of(c, x));
    json_close(&c->w);
}

static void put_alias(call *c, const alias *x) {
    err none = {0};
    const json *history = json_parse(c->a, x->history, &none);
    json_open(&c->w, '{');
    json_key(&c->w, "name"), json_put_cstr(&c->w, x->name);
    json_key(&c->w, "target"), json_put_cstr(&c->w, x->target);
    json_key(&c->w, "history"), json_open(&c->w, '[');
    for (size_t i = 0; i < json_count(history); i++) json_put_text(&c->w, json_get_text(json_at(history, i), "target", STR("")));
    json_close(&c->w);
    put_moment(&c->w, "at", x->at);
    json_close(&c->w);
}

typedef struct {
    call *c;
    alias_rows list;
} alias_reading;

static bool read_aliases(store_tx *t, void *context, err *e) {
    alias_reading *r = context;
    return alias_list(t, r->c->a, &r->list, e);
}

static bool get_list(call *c, err *e) {
    catalog all;
    alias_reading r = {.c = c};
    if (!catalog_read(c->a, home_of(c), &all, e) || !store_read(server_store(c->server), read_aliases, &r, e)) return false;
    items_begin(c);
    for (int i = 0; i < all.count; i++) put_model(c, &all.item[i]);
    items_end(c);
    json_key(&c->w, "aliases"), json_open(&c->w, '[');
    for (int i = 0; i < r.list.count; i++) put_alias(c, &r.list.item[i]);
    json_close(&c->w);
    json_key(&c->w, "starter"), json_open(&c->w, '{');
    json_key(&c->w, "name"), json_put_cstr(&c->w, STARTER_NAME);
    json_key(&c->w, "present"), json_put_bool(&c->w, starter_present(c->a, home_of(c)));
    json_key(&c->w, "bytes"), json_put_int(&c->w, STARTER_BYTES);
    json_key(&c->w, "sha256"), json_put_cstr(&c->w, STARTER_SHA256);
    json_close(&c->w), json_close(&c->w);
    return true;
}

static const catalog_entry *entry_named(const catalog *all, const char *id) {
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->item[i].id, id) == 0) return &all->item[i];
    return NULL;
}

/* ---- adding and removing --------------------------------------------------------------------------------------------------------------------- */

static bool link_into(call *c, const char *name, const char *path, err *e) {
    const char *models = path_join(c->a, home_of(c), "models"), *ending = file_is_dir(path) ? "" : ".gguf";
    const char *to = path_join(c->a, models, arena_printf(c->a, "%s%s", name, ending));
    char *real = realpath(path, NULL);
    if (!real) return err_errno(e, ERR_IO, "cannot resolve %s", path);
    bool ok = dir_make(models, e);
    if (ok && file_exists(to)) ok = err_set(e, ERR_CONFLICT, "there is a model '%s' already", name);
    if (ok) unlink(to); /* a link whose target went away */
    if (ok && symlink(real, to) != 0) ok = err_errno(e, ERR_IO, "cannot link %s to %s", to, real);
    free(real);
    return ok;
}

static bool post_one(call *c, err *e) {
    const char *path, *name;
    const json *facts;
    model_place at;
    catalog all;
    err none = {0};
    if (!body_text(c, "path", 1, 4000, &path, e) || !body_text(c, "name", 1, 100, &name, e)) return false;
    if (!model_name_is_plain(name)) return invalid(c, "body.name", e, "name should be of letters, digits, '.', '_' and '-'");
    if (model_find(c->a, home_of(c), name, false, &at, &none))
        return err_set(e, ERR_CONFLICT, "there is a model '%s' already", name);
    if (!model_find(c->a, home_of(c), path, true, &at, e) ||
        !worker_check(server_worker(c->server), c->a, at.base, at.adapter, &facts, e) ||
        !link_into(c, name, at.adapter ? at.adapter : at.base, e) || !audit(c, "model.add", name, e) ||
        !catalog_read(c->a, home_of(c), &all, e))
        return false;
    tell(c, name, "added");
    const catalog_entry *x = entry_named(&all, name);
    if (!x) return err_set(e, ERR_IO, "the model '%s' is not there after it was added", name);
    c->status = 201;
    put_model(c, x);
    return true;
}

static bool target_is(const char *target, const char *name) {
    const size_t n = strlen(name);
    const char *colon = strrchr(target, ':');
    return (strncmp(target, name, n) == 0 && (!target[n] || target[n] == ':')) || (colon && strcmp(colon + 1, name) == 0);
}

static bool nobody_means(call *c, const char *name, err *e) {
    alias_reading r = {.c = c};
    if (!store_read(server_store(c->server), read_aliases, &r, e)) return false;
    for (int i = 0; i < r.list.count; i++)
        if (target_is(r.list.item[i].target, name))
            return err_set(e, ERR_CONFLICT, "the alias '%s' means %s: move it first", r.list.item[i].name, r.list.item[i].target);
    return true;
}

static bool delete_one(call *c, err *e) {
    catalog all;
    const char *name = str_copy(c->a, c->arg[0]);
    if (!catalog_read(c->a, home_of(c), &all, e)) return false;
    const catalog_entry *x = entry_named(&all, name);
    if (!x) return err_set(e, ERR_NOT_FOUND, "there is no model '%s'", name);
    if (x->run) return err_set(e, ERR_CONFLICT, "'%s' belongs to a run: it goes with the run", name);
    if (!nobody_means(c, name, e)) return false;
    const char *models = path_join(c->a, home_of(c), "models");
    const char *paths[] = {path_join(c->a, models, name), path_join(c->a, models, arena_printf(c->a, "%s.gguf", name))};
    worker_forget(server_worker(c->server), x->path);
    for (int i = 0; i < 2; i++)
        if (unlink(paths[i]) != 0 && file_is_dir(paths[i]) && !dir_remove(paths[i], e))
            return false; /* what a link leads to stays */
    tell(c, name, "removed");
    c->status = 204;
    c->no_body = true;
    return audit(c, "model.remove", name, e);
}

static bool post_starter(call *c, err *e) {
    uuid_text id_of_job;
    return starter_fetch(c->server, c->me.seq, id_of_job, e) && job_accepted(c, arena_text(c->a, id_of_job));
}

/* ---- files for other programs ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    arena *a;
    server *server;
    job *job;
    const char *program, *spec, *to, *out;
} exporting;

static bool asked_to_stop(void *self) { return job_stop_asked(((exporting *)self)->job); }

static bool export_it(job *j, void *context, json_writer *result, err *e) {
    exporting *x = context;
    const char *const words[] = {"model", "export", x->spec, "--to", x->to, "--out", x->out, NULL};
    str said;
    x->job = j;
    const child_run run = {.program = x->program, .words = words, .stop = asked_to_stop, .self = x};
    job_progress(j, 0, 0, "writing");
    if (!dir_make(path_folder(x->a, x->out), e) || !child_capture(x->a, &run, &said, e)) return false;
    json_key(result, "path"), json_put_cstr(result, x->out);
    return true;
}

static void export_over(void *context) {
    exporting *x = context;
    arena_free(x->a);
}

static bool export_known(const char *to) {
    static const char *const kinds[] = {"hf", "peft", "gguf"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], to) == 0) return true;
    return false;
}

static bool post_export(call *c, err *e) {
    const char *to = "gguf", *id = worker_resolve(server_worker(c->server), c->a, str_copy(c->a, c->arg[0]));
    model_place at;
    uuid_text id_of_job;
    if (!body_text_or(c, "to", 1, 10, &to, e)) return false;
    if (!export_known(to)) return invalid(c, "body.to", e, "to should be hf, peft or gguf, it is '%s'", to);
    if (!model_find(c->a, home_of(c), id, false, &at, e)) return false;
    if (strcmp(to, "peft") == 0 && !at.adapter)
        return invalid(c, "body.to", e, "'%s' has no adapter, which is what peft holds", id);
    arena *a = arena_new();
    exporting *x = arena_new_of(a, exporting);
    char *file = arena_text(a, id);
    for (char *p = file; *p; p++) *p = *p == ':' ? '-' : *p;
    *x = (exporting){.a = a, .server = c->server, .to = arena_text(a, to), .program = server_program(c->server)};
    x->spec = at.adapter ? arena_printf(a, "%s:%s", at.base, at.adapter) : arena_text(a, at.base);
    x->out =
        path_join(a, path_join(a, home_of(c), "exports"), arena_printf(a, strcmp(to, "gguf") == 0 ? "%s.%s" : "%s-%s", file, to));
    return job_run(c->server, &(job_order){.kind = "model export", .by = c->me.seq}, export_it, export_over, x, id_of_job, e) &&
           job_accepted(c, arena_text(c->a, id_of_job));
}

/* ---- aliases ---------------------------------------------------------------------------------------------------------------------------------------- */

static const char *with_one_more(call *c, str history, const char *target, err *e) {
    json *list = history.len ? json_parse(c->a, history, e) : json_new_array(c->a), *out = json_new_array(c->a),
         *one = json_new_object(c->a);
    const size_t n = json_count(list);
    for (size_t i = n >= HISTORY_MOST ? n - HISTORY_MOST + 1 : 0; i < n; i++) json_append(out, (json *)json_at(list, i));
    json_set(one, "target", json_new_text(c->a, str_of(target)));
    json_set(one, "at", json_new_int(c->a, clock_now()));
    json_append(out, one);
    return str_copy(c->a, written(c, out));
}

static bool read_alias_named(store_tx *t, void *context, err *e) {
    call *c = context;
    alias x;
    err none = {0};
    const char *name = str_copy(c->a, c->arg[0]);
    const bool there = alias_get(t, c->a, name, &x, &none);
    if (!there && none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    worker_alias(server_worker(c->server), name, there ? x.target : NULL); /* what runs already goes on with what it has */
    tell(c, name, there ? "alias" : "removed");
    return true;
}

/* Once it is on the disk. */
static void alias_changed(call *c) {
    err e = {0};
    if (!store_read(server_store(c->server), read_alias_named, c, &e))
        log_error("the worker does not know of an alias: %s", e.text);
}

static bool keep_alias(call *c, alias *x, const char *action, err *e) {
    if (!alias_put(c->tx, x, e) || !audit_add(c->tx, c->me.seq, action, x->name, str_of(x->target), e)) return false;
    put_alias(c, x);
    c->after = alias_changed;
    return true;
}

static bool put_one_alias(call *c, err *e) {
    alias x = {0};
    model_place at;
    err none = {0};
    const char *target, *name = str_copy(c->a, c->arg[0]);
    if (!body_text(c, "target", 1, 250, &target, e)) return false;
    if (!model_name_is_plain(name) || strlen(name) > 100)
        return invalid(c, "path.name", e, "an alias should be of letters, digits, '.', '_' and '-', 100 at most");
    if (model_find(c->a, home_of(c), name, false, &at, &none))
        return err_set(e, ERR_CONFLICT, "'%s' is the name of a model: an alias needs another", name);
    if (!model_find(c->a, home_of(c), target, false, &at, e)) return false;
    if (!catalog_writes(at.adapter ? at.adapter : at.base))
        return invalid(c, "body.target", e, "'%s' judges answers and writes none: it cannot be served", target);
    none = (err){0};
    const bool there = alias_get(c->tx, c->a, name, &x, &none);
    if (!there && none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    if (there && strcmp(x.target, target) != 0) x.history = str_of(with_one_more(c, x.history, x.target, e));
    if (!there) x = (alias){.name = name, .history = STR("[]")};
    x.target = target;
    c->status = there ? 200 : 201;
    return keep_alias(c, &x, "alias.move", e);
}

/* Back to what it meant before; that way there is no way forth but to move it. */
static bool post_rollback(call *c, err *e) {
    alias x;
    model_place at;
    if (!alias_get(c->tx, c->a, str_copy(c->a, c->arg[0]), &x, e)) return false;
    json *history = json_parse(c->a, x.history, e), *left = json_new_array(c->a);
    const size_t n = json_count(history);
    if (!n) return err_set(e, ERR_CONFLICT, "the alias '%s' has meant nothing else before", x.name);
    for (size_t i = 0; i + 1 < n; i++) json_append(left, json_at(history, i));
    x.target = str_copy(c->a, json_get_text(json_at(history, n - 1), "target", STR("")));
    x.history = written(c, left);
    return model_find(c->a, home_of(c), x.target, false, &at, e) && keep_alias(c, &x, "alias.rollback", e);
}

static bool delete_alias(call *c, err *e) {
    const char *name = str_copy(c->a, c->arg[0]);
    if (!alias_delete(c->tx, name, e) || !audit_add(c->tx, c->me.seq, "alias.remove", name, (str){NULL, 0}, e)) return false;
    c->after = alias_changed;
    c->status = 204;
    c->no_body = true;
    return true;
}

/* ---- beginning ---------------------------------------------------------------------------------------------------------------------------------------- */

static bool tell_worker(store_tx *t, void *context, err *e) {
    server *s = context;
    arena *a = arena_new();
    alias_rows list;
    const bool ok = alias_list(t, a, &list, e);
    for (int i = 0; ok && i < list.count; i++) worker_alias(server_worker(s), list.item[i].name, list.item[i].target);
    arena_free(a);
    return ok;
}

bool load_aliases(server *s, err *e) { return store_read(server_store(s), tell_worker, s, e); }

const route routes_models[] = {
    {"GET", "/api/v1/models", WHO_USER, OF_NOTHING, RUN_SELF, get_list, "models, adapters, what runs made, aliases, the starter"},
    {"POST", "/api/v1/models", WHO_OWNER, OF_NOTHING, RUN_SELF, post_one, "add files of the server's machine under a name"},
    {"POST", "/api/v1/models/starter", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_starter, "fetch the starter model: a job"},
    {"DELETE", "/api/v1/models/{model}", WHO_ADMIN, OF_NOTHING, RUN_SELF, delete_one, "remove a model"},
    {"POST", "/api/v1/models/{model}/export", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_export, "write it for other programs: a job"},
    {"PUT", "/api/v1/aliases/{name}", WHO_ADMIN, OF_NOTHING, RUN_WRITE, put_one_alias,
     "a name that means a model: make or move it"},
    {"POST", "/api/v1/aliases/{name}/rollback", WHO_ADMIN, OF_NOTHING, RUN_WRITE, post_rollback,
     "let it mean what it meant before"},
    {"DELETE", "/api/v1/aliases/{name}", WHO_ADMIN, OF_NOTHING, RUN_WRITE, delete_alias, "remove it"},
    {0},
};
