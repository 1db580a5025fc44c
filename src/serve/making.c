/* making.c - new tasks out of a few seeds (Self-Instruct, assist/synth.h), in the background.
 *
 *     POST /api/v1/synth {"model", "seeds": [text ...], "name", "count", "licence", "asked", "instances", "similar", "temperature", "seed",
 *                         "per_minute", "tokens_most", "cost_prompt", "cost_answer"}          ─► a job of kind "synth"
 *
 * What is made lies as NAME.jsonl in the folder exports of the data folder, where an erasure finds its lines; NAME.jsonl.part beside it is what a job
 * that was stopped or cut off goes on with, when the same is ordered again. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "serve/hosted.h"
#include "serve/jobs.h"

enum { SEEDS_MOST = 1000 };

typedef struct {
    server *server;
    arena *own;
    const char *model, *path;
    json *seeds;
    int64_t count;
    synth_order order;
    endpoint_options limits;
    endpoint *p;
    job *j;
} making;

static void end_making(void *context) {
    making *x = context;
    endpoint_close(x->p);
    arena *own = x->own;
    arena_free(own);
}

static bool stop_asked(void *self) { return job_stop_asked(self); }

static bool go_on(void *self, int kept) {
    const making *x = self;
    const endpoint_use u = endpoint_used(x->p);
    char words[200];
    snprintf(words, sizeof words, "%d tasks, %lld requests, %lld tokens, cost %.4g", kept, (long long)u.requests,
             (long long)(u.prompt_tokens + u.answer_tokens), u.cost);
    job_progress(x->j, kept, x->count, words);
    return !job_stop_asked(x->j);
}

static void put_count(json_writer *w, const char *key, int64_t n) { json_key(w, key), json_put_int(w, n); }

static void put_result(const making *x, const synth_made *made, json_writer *w) {
    json_key(w, "path"), json_put_cstr(w, x->path);
    put_count(w, "tasks", made->tasks);
    put_count(w, "left_out", made->left_out);
    put_count(w, "read_from_words", made->worded);
    endpoint_put_used(w, x->p);
}

static bool make_work(job *j, void *context, json_writer *result, err *e) {
    making *x = context;
    synth_made made;
    x->j = j;
    x->limits.spec = x->model;
    x->limits.stop = stop_asked;
    x->limits.self = j;
    if (!(x->p = x->order.p = hosted_open(server_worker(x->server), &x->limits, e))) return false;
    synth *s = synth_new(x->own, &x->order);
    for (size_t i = 0; i < json_count(x->seeds); i++) synth_seed(s, str_trim(json_text(json_at(x->seeds, i), STR(""))));
    const synth_file f = {.out = x->path, .count = x->count, .go_on = go_on, .self = x};
    if (!synth_run(s, &f, &made, e)) return false;
    put_result(x, &made, result);
    return true;
}

/* ---- what is ordered ---------------------------------------------------------------------------------------------------------------------- */

static bool take_number(call *c, const char *key, double least, double most, double *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    *out = json_real(v, NAN);
    return (*out >= least && *out <= most) ||
           invalid(c, arena_printf(c->a, "body.%s", key), e, "%s should be a number from %g to %g", key, least, most);
}

static bool take_numbers(call *c, making *x, err *e) {
    double count = 100, asked = 8, instances = 3, tokens = 512, seed = 1, most = 0;
    endpoint_options *o = &x->limits;
    x->order.similar = x->order.temperature = 0.7;
    if (!take_number(c, "count", 1, 1e6, &count, e) || !take_number(c, "asked", 1, 64, &asked, e) ||
        !take_number(c, "instances", 1, 16, &instances, e) || !take_number(c, "max_new_tokens", 1, 1e6, &tokens, e) ||
        !take_number(c, "seed", 0, 1e9, &seed, e) || !take_number(c, "similar", 0, 1, &x->order.similar, e) ||
        !take_number(c, "temperature", 0, 100, &x->order.temperature, e) ||
        !take_number(c, "per_minute", 0, 1e6, &o->per_minute, e) || !take_number(c, "tokens_most", 0, 1e15, &most, e) ||
        !take_number(c, "cost_prompt", 0, 1e9, &o->cost_prompt, e) || !take_number(c, "cost_answer", 0, 1e9, &o->cost_answer, e))
        return false;
    x->count = (int64_t)count;
    x->order.asked = (int)asked;
    x->order.instances = (int)instances;
    x->order.max_tokens = (int)tokens;
    x->order.seed = (uint64_t)seed;
    o->tokens_most = (int64_t)most;
    return true;
}

static bool take_seeds(call *c, making *x, err *e) {
    const json *seeds = json_get(c->body, "seeds");
    const size_t n = json_count(seeds);
    bool ok = json_kind_of(seeds) == JSON_ARRAY && n && n <= SEEDS_MOST;
    for (size_t i = 0; ok && i < n; i++) ok = str_trim(json_text(json_at(seeds, i), STR(""))).len > 0;
    if (!ok) return invalid(c, "body.seeds", e, "seeds should be a list of 1 to %d tasks, each a text", SEEDS_MOST);
    x->seeds = json_parse(x->own, written(c, seeds), e);
    return x->seeds != NULL;
}

/* A file's name in the folder exports. */
static bool take_path(call *c, making *x, err *e) {
    const char *name, *folder = path_join(c->a, store_folder(server_store(c->server)), "exports");
    if (!body_text(c, "name", 1, 190, &name, e)) return false;
    if (*name == '.' || strchr(name, '/')) return invalid(c, "body.name", e, "name should be a file's name");
    const char *whole = str_ends(str_of(name), STR(".jsonl")) ? name : arena_printf(c->a, "%s.jsonl", name);
    x->path = path_join(x->own, folder, whole);
    return dir_make(folder, e);
}

/* Whose terms go with every row: of a server elsewhere they must be said. */
static bool take_licence(call *c, making *x, err *e) {
    const str said = str_trim(json_get_text(c->body, "licence", STR("")));
    x->order.licence = (str){str_copy(x->own, said), said.len};
    return said.len || !strstr(x->model, "://") ||
           invalid(c, "body.licence", e, "say under which terms that server's answers may be used: openai-terms, apache-2.0 ...");
}

static bool post_synth(call *c, err *e) {
    const char *model;
    uuid_text id;
    if (!body_object(c, e) || !body_text(c, "model", 1, 2000, &model, e) || !hosted_may_name(c, model, e)) return false;
    arena *own = arena_new();
    making *x = arena_new_of(own, making);
    *x = (making){.server = c->server, .own = own, .model = arena_text(own, model)};
    bool ok = take_numbers(c, x, e) && take_seeds(c, x, e) && take_path(c, x, e) && take_licence(c, x, e);
    if (ok && jobs_run_of(c->server, "synth", x->path))
        ok = err_set(e, ERR_CONFLICT, "that file is being made: wait for the job, or stop it");
    const job_order o = {.kind = "synth", .unit = "tasks", .total = x->count, .by = c->me.seq, .of = x->path};
    if (ok) return job_run(c->server, &o, make_work, end_making, x, id, e) && job_accepted(c, id);
    end_making(x);
    return false;
}

const route routes_making[] = {
    {"POST", "/api/v1/synth", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_synth,
     "new tasks out of a few seeds (Self-Instruct) to a file in exports, as a job: {model, seeds, name, count, licence, asked, "
     "instances, "
     "similar, temperature, seed, max_new_tokens, per_minute, tokens_most, cost_prompt, cost_answer}"},
    {0},
};
