/* api_runs.c - training from the server: what can be trained, what an order would need, runs and how they go. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sys.h"
#include "serve/catalog.h"
#include "serve/runs.h"

enum { SETS_MOST = 100, TEXT_MOST = 1 << 20, LINES_MOST = 20000 };

/* ---- an order of a request -------------------------------------------------------------------------------------------------------------- */

static bool is_a_path(const char *text) { return strchr(text, '/') || *text == '.' || *text == '~'; }

/* Who owns this machine may name its files; others what is in the data folder. */
static bool may_name(call *c, const char *where, const char *text, err *e) {
    if (c->me.role == ROLE_OWNER || !is_a_path(text)) return true;
    return invalid(c, where, e, "'%s' is a path: only the owner may name files of this machine, others name models", text);
}

/* A reward function, "NAME:ARGUMENT": what it reaches is said in its row. */
static bool may_reward(call *c, const char *spec, err *e) {
    const json *all, *kinds;
    if (c->me.role == ROLE_OWNER) return true;
    if (!runs_describe(server_runs(c->server), c->a, &all, e)) return false;
    kinds = json_get(all, "rewards");
    for (size_t i = 0; i < json_count(kinds); i++) {
        const str name = json_get_text(json_at(kinds, i), "name", STR("")),
                  reach = json_get_text(json_at(kinds, i), "reach", STR(""));
        if (!str_starts(str_of(spec), name) || (spec[name.len] && spec[name.len] != ':')) continue;
        if (str_is(reach, "nothing")) return true;
        if (str_is(reach, "files")) return may_name(c, "body.set", spec + name.len + (spec[name.len] == ':'), e);
        return invalid(c, "body.set", e, "'%s' runs a program of this machine: only the owner may order that", spec);
    }
    return invalid(c, "body.set", e, "'%s' names no reward function", spec);
}

/* A value of an option: a text, or texts in a list. */
static bool may_set(call *c, const char *key, const json *value, err *e) {
    for (size_t i = 0; json_kind_of(value) == JSON_ARRAY && i < json_count(value); i++)
        if (!may_set(c, key, json_at(value, i), e)) return false;
    if (json_kind_of(value) != JSON_STRING) return true;
    const char *text = str_copy(c->a, json_text(value, STR("")));
    return strcmp(key, "reward_funcs") == 0 ? may_reward(c, text, e) : may_name(c, "body.set", text, e);
}

/* The program takes '-' for '_' in keys, and ends a key at '='. */
static bool take_key(call *c, const char *given, const char **out, err *e) {
    char *key = str_copy(c->a, str_of(given));
    for (char *at = key; *at; at++) {
        if (*at == '-') *at = '_';
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && *at != '_')
            return invalid(c, "body.set", e, "'%s' is no name of an option", given);
    }
    *out = key;
    return true;
}

static bool take_set(call *c, const json_member *m, const char **out, err *e) {
    static const char *const own[] = {"base", "data", "output", "run", "resume", "config"};
    const char *key = NULL;
    buf text = {0};
    if (!take_key(c, m->key, &key, e)) return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(key, own[i]) == 0) return invalid(c, "body.set", e, "'%s' is a member of the order, not of 'set'", key);
    buf_printf(&text, "%s=", key);
    if (json_kind_of(m->value) == JSON_STRING) buf_put_str(&text, json_text(m->value, STR("")));
    else json_put(&text, m->value);
    *out = str_copy(c->a, buf_str(&text));
    buf_free(&text);
    return may_set(c, key, m->value, e);
}

static bool take_sets(call *c, run_order *o, err *e) {
    const json *set = json_get(c->body, "set");
    const char **list = arena_array(c->a, const char *, SETS_MOST);
    json_member m = {0};
    if (!set) return true;
    if (json_kind_of(set) != JSON_OBJECT || json_count(set) > SETS_MOST)
        return invalid(c, "body.set", e, "set should be an object of at most %d options", SETS_MOST);
    while (json_next(set, &m)) {
        if (!m.value) continue;
        if (!take_set(c, &m, &list[o->sets], e)) return false;
        o->sets++;
    }
    o->set = list;
    return true;
}

/* A dataset in a workspace of theirs, or (the owner alone) a file. */
static bool take_data(call *c, run_order *o, err *e) {
    const json *data = json_get(c->body, "data");
    const str id = json_get_text(data, "dataset_id", STR("")), file = json_get_text(data, "file", STR(""));
    uuid_text known;
    dataset set;
    err none = {0};
    if (!id.len == !file.len) return invalid(c, "body.data", e, "data should be {\"dataset_id\"} or {\"file\"}");
    if (file.len) {
        o->file = str_copy(c->a, file);
        return c->me.role == ROLE_OWNER || invalid(c, "body.data.file", e, "only the owner may name files of this machine");
    }
    if (!uuid_parse(id, known) || !dataset_get(c->tx, c->a, known, &set, &none) || !is_member(c, set.workspace))
        return invalid(c, "body.data.dataset_id", e, "there is no dataset with id `%.*s`", STR_ARG(id));
    o->dataset_id = arena_text(c->a, known);
    return true;
}

static bool take_order(call *c, run_order *o, err *e) {
    *o = (run_order){.by = *c->me.id ? c->me.id : NULL};
    return body_text(c, "objective", 1, 50, &o->objective, e) && body_text(c, "base", 1, 4000, &o->base, e) &&
           may_name(c, "body.base", o->base, e) && body_text_or(c, "preset", 1, 100, &o->preset, e) &&
           body_text_or(c, "name", 1, 100, &o->name, e) && take_data(c, o, e) && take_sets(c, o, e);
}

typedef struct {
    call *c;
    run_order *o;
} ordering;

static bool take_inside(store_tx *t, void *context, err *e) {
    ordering *x = context;
    x->c->tx = t;
    const bool ok = take_order(x->c, x->o, e);
    x->c->tx = NULL;
    return ok;
}

static bool read_order(call *c, run_order *o, err *e) {
    return store_read(server_store(c->server), take_inside, &(ordering){c, o}, e);
}

/* What the program refuses is the request's fault. */
static bool as_invalid(call *c, const err *why, err *e) {
    if (why->code == ERR_INPUT || why->code == ERR_USAGE || why->code == ERR_REFUSED)
        return invalid(c, "body", e, "%s", why->text);
    return err_set(e, why->code, "%s", why->text);
}

/* ---- before ------------------------------------------------------------------------------------------------------------------------------ */

static bool get_train(call *c, err *e) {
    const json *all;
    if (!runs_describe(server_runs(c->server), c->a, &all, e)) return false;
    json_put_value(&c->w, all);
    return true;
}

static void put_numbers(json_writer *w, const json *p) {
    static const char *const keys[] = {"steps",      "examples", "rows",   "pairs",          "truncated", "dropped",
                                       "duplicates", "empty",    "tokens", "trained_tokens", "longest",   "tokens_per_step"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) json_key(w, keys[i]), json_put_value(w, json_get(p, keys[i]));
    json_key(w, "masked"), json_put_value(w, json_get(p, "masked_tokens"));
    json_key(w, "eta_s"), json_put_value(w, json_get(p, "seconds"));
}

static void put_pair_of(json_writer *w, const char *key, const json *needed, const json *free) {
    json_key(w, key), json_open(w, '{');
    json_key(w, "needed"), json_put_value(w, needed);
    json_key(w, "free"), json_put_value(w, free);
    json_close(w);
}

static void put_refusal(json_writer *w, const json *p, const char *words) {
    json_key(w, "refusal");
    if (!words) return json_put_null(w);
    const json *dropped = json_get(p, "dropped_rows"), *untrained = json_get(p, "untrained_rows");
    json_open(w, '{');
    json_key(w, "words"), json_put_cstr(w, words);
    json_key(w, "rows"), json_put_value(w, json_count(untrained) || !dropped ? untrained : dropped);
    json_close(w);
}

static bool post_preview(call *c, err *e) {
    run_order o;
    const json *p;
    const char *refusal;
    err why = {0};
    if (!read_order(c, &o, e)) return false;
    if (!runs_preview(server_runs(c->server), c->a, &o, &p, &refusal, &why)) return as_invalid(c, &why, e);
    json_open(&c->w, '{');
    put_numbers(&c->w, p);
    put_pair_of(&c->w, "memory", json_get(p, "memory_needed"), json_get(p, "memory_free"));
    put_pair_of(&c->w, "disk", json_get(p, "disk_needed"),
                json_new_int(c->a, sys_disk_free(store_folder(server_store(c->server)))));
    json_key(&c->w, "preset"), json_put_value(&c->w, json_get(p, "preset"));
    json_key(&c->w, "batch"), json_put_value(&c->w, json_get(p, "first_batch"));
    put_refusal(&c->w, p, refusal);
    json_close(&c->w);
    return true;
}

/* ---- a run as JSON --------------------------------------------------------------------------------------------------------------------------- */

/* Whole lines of a file behind byte `after`, the last `most` bytes of them when there are more. */
static bool tail(arena *a, const char *path, size_t after, size_t most, str *out, err *e) {
    str all;
    *out = STR("");
    if (file_size(path) < 0) return true;
    if (!file_map(a, path, &all, e)) return false;
    size_t begin = after < all.len ? after : all.len;
    if (all.len - begin > most) begin = all.len - most;
    *out = str_slice(all, begin, all.len);
    return true;
}

static json *last_metrics(arena *a, const run *r) {
    err none = {0};
    str text;
    if (!tail(a, path_join(a, r->path, "metrics.jsonl"), 0, 64 << 10, &text, &none)) return NULL;
    text = str_trim(text);
    size_t begin = text.len;
    while (begin && text.ptr[begin - 1] != '\n') begin--;
    return text.len ? json_parse(a, str_slice(text, begin, text.len), &none) : NULL;
}

/* Seconds left, from the steps since this process began. */
static void put_eta(json_writer *w, const run_view *v) {
    int64_t begun, now;
    const int64_t done = v->r.step - v->r.begun_step;
    json_key(w, "eta_s");
    if (v->state != STATE_RUNNING || done < 1 || !moment_parse(str_of(v->r.begun), &begun) ||
        !moment_parse(str_of(v->r.updated), &now))
        return json_put_null(w);
    json_put_int(w, (now - begun) * (v->r.steps - v->r.step) / done / 1000000);
}

static void put_text_or_null(json_writer *w, const char *key, const char *text) {
    json_key(w, key), json_put_cstr(w, text && *text ? text : NULL);
}

static const json *of_either(const run_view *v, const json *config, const char *key) {
    return json_get(v->order, key) ? json_get(v->order, key) : json_get(config, key);
}

void run_put(call *c, const run_view *v) {
    json_writer *w = &c->w;
    err none = {0};
    const json *config = run_config(c->a, &v->r, &none), *base = json_get(json_get(config, "options"), "base"),
               *taken = json_get(json_get(config, "preset"), "name"); /* the preset that the data chose */
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, v->id);
    json_key(w, "name"), json_put_text(w, json_get_text(v->order, "name", str_of(v->id)));
    json_key(w, "objective"), json_put_value(w, of_either(v, config, "objective"));
    json_key(w, "base"), json_put_value(w, json_get(v->order, "base") ? json_get(v->order, "base") : base);
    json_key(w, "dataset_id"), json_put_value(w, json_get(v->order, "dataset_id"));
    json_key(w, "preset"), json_put_value(w, taken ? taken : json_get(v->order, "preset"));
    json_key(w, "teach"), json_put_value(w, json_get(v->order, "teach"));
    json_key(w, "status"), json_put_cstr(w, run_state_word(v->state));
    put_text_or_null(w, "reason", run_is_busy(v->state) ? NULL : v->r.status == RUN_KILLED ? "its process is gone" : v->r.reason);
    json_key(w, "step"), json_put_int(w, v->r.step);
    json_key(w, "steps"), json_put_int(w, v->r.steps);
    put_eta(w, v);
    put_text_or_null(w, "started_at", v->r.started);
    put_text_or_null(w, "ended_at", run_is_busy(v->state) ? NULL : v->r.updated);
    json_key(w, "examples"), json_put_value(w, json_get(v->order, "examples"));
    json_key(w, "metrics"), json_put_value(w, last_metrics(c->a, &v->r));
    json_key(w, "pid"), v->state >= STATE_RUNNING && v->state <= STATE_PAUSED ? json_put_int(w, v->r.pid) : json_put_null(w);
    json_key(w, "config"), json_put_value(w, config);
    const char *made = path_join(c->a, v->r.path, "model");
    put_text_or_null(w, "model", file_exists(made) ? arena_printf(c->a, "run:%s", v->id) : NULL);
    json_key(w, "writes"), json_put_bool(w, file_exists(made) && catalog_writes(made));
    put_text_or_null(w, "flagged", run_erased_words(c->a, v->r.path));
    json_close(w);
}

/* What trained on a dataset belongs to who may see the dataset; what a person ordered, to them; the rest to admins. */
static bool may_see(call *c, const run_view *v) {
    uuid_text id;
    dataset set;
    err none = {0};
    const str by = json_get_text(v->order, "by", STR("")), of = json_get_text(v->order, "dataset_id", STR(""));
    if (c->me.role == ROLE_OWNER || (by.len && str_is(by, c->me.id))) return true;
    if (uuid_parse(of, id) && dataset_get(c->tx, c->a, id, &set, &none)) return is_member(c, set.workspace);
    return c->me.role == ROLE_ADMIN;
}

static bool find_run(call *c, run_view *v, err *e) {
    const char *id = str_copy(c->a, c->arg[0]);
    if (!runs_find(server_runs(c->server), c->a, id, v, e)) return false;
    return may_see(c, v) || err_set(e, ERR_NOT_FOUND, "Run with id `%s` not found", id);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------------------------ */

static bool note_order(call *c, err *e) {
    const str what = written(c, json_get(c->body, "objective"));
    return audit_add(c->tx, c->me.seq, "run.order", c->location, what, e);
}

static bool put_ordered(call *c, const char *id, err *e) {
    run_view v;
    if (!runs_find(server_runs(c->server), c->a, id, &v, e)) return false;
    c->status = 201;
    run_put(c, &v);
    return true;
}

static bool post_run(call *c, err *e) {
    run_order o;
    const char *id;
    err why = {0};
    if (!read_order(c, &o, e)) return false;
    if (!runs_order(server_runs(c->server), c->a, &o, &id, &why)) return as_invalid(c, &why, e);
    c->location = arena_printf(c->a, "/api/v1/runs/%s", id);
    return put_ordered(c, id, e) && write_inside(c, note_order, e);
}

static bool get_list(call *c, err *e) {
    run_view *all;
    int count;
    if (!runs_list(server_runs(c->server), c->a, &all, &count, e)) return false;
    items_begin(c);
    for (int i = 0; i < count; i++)
        if (may_see(c, &all[i])) run_put(c, &all[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_one(call *c, err *e) {
    run_view v;
    if (!find_run(c, &v, e)) return false;
    run_put(c, &v);
    return true;
}

static bool put_again(call *c, const char *id, err *e) {
    run_view v;
    if (!runs_find(server_runs(c->server), c->a, id, &v, e)) return false;
    run_put(c, &v);
    return true;
}

static bool post_stop(call *c, err *e) {
    run_view v;
    return find_run(c, &v, e) && runs_stop(server_runs(c->server), c->a, &v, e) && put_again(c, v.id, e);
}

static bool post_pause(call *c, err *e) {
    run_view v;
    return find_run(c, &v, e) && runs_pause(server_runs(c->server), &v, e) && put_again(c, v.id, e);
}

static bool post_resume(call *c, err *e) {
    run_view v;
    return find_run(c, &v, e) && runs_resume(server_runs(c->server), c->a, &v, e) && put_again(c, v.id, e);
}

static bool delete_one(call *c, err *e) {
    run_view v;
    c->status = 204;
    c->no_body = true;
    return find_run(c, &v, e) && runs_delete(server_runs(c->server), &v, e);
}

/* ---- what it writes ------------------------------------------------------------------------------------------------------------------------- */

/* Lines of a file of JSON objects that `wanted` says are asked for; the half line at the end of one that is being written is left out. */
static bool put_lines(call *c, const char *name, int64_t after, err *e) {
    run_view v;
    str all;
    if (!find_run(c, &v, e) || !tail(c->a, path_join(c->a, v.r.path, name), 0, SIZE_MAX, &all, e)) return false;
    items_begin(c);
    int put = 0;
    for (size_t at = 0; at < all.len && put < LINES_MOST;) {
        const ptrdiff_t end = str_find(all, STR("\n"), at);
        if (end < 0) break;
        arena *a = arena_new();
        err none = {0};
        const json *row = json_parse(a, str_slice(all, at, (size_t)end), &none);
        if (row && json_get_int(row, "step", 0) > after) json_put_value(&c->w, row), put++;
        arena_free(a);
        at = (size_t)end + 1;
    }
    items_end(c);
    object_end(c);
    return true;
}

static bool get_metrics(call *c, err *e) {
    int64_t after;
    return query_int(c, "after", -1, INT64_MAX, -1, &after, e) && put_lines(c, "metrics.jsonl", after, e);
}

static bool get_samples(call *c, err *e) {
    int64_t after;
    return query_int(c, "after", -1, INT64_MAX, -1, &after, e) && put_lines(c, "samples.jsonl", after, e);
}

static bool get_rollouts(call *c, err *e) {
    int64_t after;
    return query_int(c, "after", -1, INT64_MAX, -1, &after, e) && put_lines(c, "rollouts.jsonl", after, e);
}

/* Its log; before it has one, what it printed. */
static bool get_log(call *c, err *e) {
    run_view v;
    int64_t after;
    str text;
    if (!query_int(c, "after", 0, INT64_MAX, 0, &after, e) || !find_run(c, &v, e)) return false;
    const char *log = path_join(c->a, v.r.path, "log"), *path = file_size(log) > 0 ? log : path_join(c->a, v.r.path, "console");
    const int64_t size = file_size(path);
    if (!tail(c->a, path, (size_t)after, TEXT_MOST, &text, e)) return false;
    json_open(&c->w, '{');
    json_key(&c->w, "text"), json_put_text(&c->w, text);
    json_key(&c->w, "next"), json_put_int(&c->w, size < 0 ? 0 : size > after ? size : after);
    json_close(&c->w);
    return true;
}

const route routes_runs[] = {
    {"GET", "/api/v1/train", WHO_USER, OF_NOTHING, RUN_READ, get_train,
     "objectives, options and presets, as the program describes them"},
    {"POST", "/api/v1/runs/preview", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_preview,
     "what an order would need: memory, time, disk, counts, and the first batch as text"},
    {"POST", "/api/v1/runs", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_run, "order a training run; one works at a time"},
    {"GET", "/api/v1/runs", WHO_USER, OF_NOTHING, RUN_READ, get_list, "runs, newest first"},
    {"GET", "/api/v1/runs/{run}", WHO_USER, OF_NOTHING, RUN_READ, get_one, "how far it is, its settings, why it ended"},
    {"DELETE", "/api/v1/runs/{run}", WHO_ADMIN, OF_NOTHING, RUN_READ, delete_one, "remove it with its model"},
    {"GET", "/api/v1/runs/{run}/metrics", WHO_USER, OF_NOTHING, RUN_READ, get_metrics, "its curves, behind step `after`"},
    {"GET", "/api/v1/runs/{run}/samples", WHO_USER, OF_NOTHING, RUN_READ, get_samples, "answers to the same prompts during it"},
    {"GET", "/api/v1/runs/{run}/rollouts", WHO_USER, OF_NOTHING, RUN_READ, get_rollouts,
     "what it wrote itself and was rewarded for"},
    {"GET", "/api/v1/runs/{run}/log", WHO_USER, OF_NOTHING, RUN_READ, get_log, "its log, behind byte `after`"},
    {"POST", "/api/v1/runs/{run}/stop", WHO_ADMIN, OF_NOTHING, RUN_READ, post_stop, "end it; what it has is saved"},
    {"POST", "/api/v1/runs/{run}/pause", WHO_ADMIN, OF_NOTHING, RUN_READ, post_pause, "let it stand still"},
    {"POST", "/api/v1/runs/{run}/resume", WHO_ADMIN, OF_NOTHING, RUN_READ, post_resume, "let it go on"},
    {0},
};
