/* making_tasks.c - new tasks out of a few seeds (Self-Instruct, assist/synth.h), in the background.
 *
 *     POST /api/v1/synth {"model", "seeds": [text ...], "name", "count", "licence", "asked", "instances", "similar", "temperature", "seed",
 *                         "per_minute", "tokens_most", "cost_prompt", "cost_answer", "dataset", "workspace_id"}    ─► a job of kind "synth"
 *
 * What is made lies as NAME.jsonl in the folder exports of the data folder, where an erasure finds its lines; NAME.jsonl.part beside it is what a job
 * that was stopped or cut off goes on with, when the same is ordered again. With "dataset": true it becomes a dataset too, whose outputs are
 * suggestions of the generator. */
#include <string.h>

#include "base/file.h"
#include "serve/making.h"

enum { SEEDS_MOST = 1000 };

typedef struct {
    making m;
    const char *model;
    json *seeds;
    int64_t count;
    synth_order order;
    endpoint *p;
    job *j;
} tasks;

static void end_tasks(void *context) {
    tasks *x = context;
    endpoint_close(x->p);
    arena *own = x->m.own;
    arena_free(own);
}

/* ---- as a dataset ------------------------------------------------------------------------------------------------------------------------- */

static const char *const fields[] = {
    "{\"name\":\"instruction\",\"title\":\"Instruction\",\"required\":true,\"settings\":{\"type\":\"text\"}}",
    "{\"name\":\"input\",\"title\":\"Input\",\"required\":false,\"settings\":{\"type\":\"text\"}}", NULL};
static const char *const questions[] = {
    "{\"name\":\"output\",\"title\":\"Output\",\"required\":true,\"settings\":{\"type\":\"text\",\"use_markdown\":true}}", NULL};

static void set_text(arena *a, json *v, const char *key, str text) { json_set(v, key, json_new_text(a, text)); }

static void put_instance(arena *a, const json *row, const json *instance, json *items) {
    json *item = json_new_object(a), *values = json_new_object(a), *list = json_new_array(a), *said = json_new_object(a);
    const str by = json_get_text(row, "by", STR("")), input = json_get_text(instance, "input", STR(""));
    set_text(a, values, "instruction", json_get_text(row, "instruction", STR("")));
    if (input.len) set_text(a, values, "input", input);
    set_text(a, said, "question_name", STR("output"));
    set_text(a, said, "value", json_get_text(instance, "output", STR("")));
    set_text(a, said, "type", STR("model"));
    set_text(a, said, "agent", str_starts(by, STR("suggestion:")) ? str_slice(by, strlen("suggestion:"), by.len) : by);
    json_append(list, said);
    json_set(item, "fields", values);
    json_set(item, "suggestions", list);
    json_append(items, item);
}

static void put_row(arena *a, const json *row, int64_t number, json *items) {
    const json *all = json_get(row, "instances");
    (void)number;
    for (size_t i = 0; i < json_count(all); i++) put_instance(a, row, json_at(all, i), items);
}

static const making_shape shape = {
    .fields = fields,
    .questions = questions,
    .recipe = "{\"mapping\":{\"recipe\":\"text\",\"question\":\"output\",\"prompt\":\"instruction\",\"context\":\"input\"},"
              "\"options\":{\"suggestions\":true}}",
    .put = put_row};

/* ---- the job ------------------------------------------------------------------------------------------------------------------------------ */

static bool go_on(void *self, int kept) {
    const tasks *x = self;
    making_tell(x->j, x->p, kept, x->count);
    return !job_stop_asked(x->j);
}

static bool tasks_work(job *j, void *context, json_writer *result, err *e) {
    tasks *x = context;
    synth_made made;
    x->j = j;
    if (!(x->p = x->order.p = making_open(&x->m, x->model, j, e))) return false;
    synth *s = synth_new(x->m.own, &x->order);
    for (size_t i = 0; i < json_count(x->seeds); i++) synth_seed(s, str_trim(json_text(json_at(x->seeds, i), STR(""))));
    const synth_file f = {.out = x->m.path, .count = x->count, .go_on = go_on, .self = x};
    if (!synth_run(s, &f, &made, e) || !making_finish(&x->m, &shape, x->p, result, e)) return false;
    json_key(result, "tasks"), json_put_int(result, made.tasks);
    json_key(result, "left_out"), json_put_int(result, made.left_out);
    json_key(result, "read_from_words"), json_put_int(result, made.worded);
    return true;
}

/* ---- what is ordered ---------------------------------------------------------------------------------------------------------------------- */

static bool take_numbers(call *c, tasks *x, err *e) {
    double count = 100, asked = 8, instances = 3, tokens = 512, seed = 1;
    x->order.similar = x->order.temperature = 0.7;
    if (!making_number(c, "count", 1, 1e6, &count, e) || !making_number(c, "asked", 1, 64, &asked, e) ||
        !making_number(c, "instances", 1, 16, &instances, e) || !making_number(c, "max_new_tokens", 1, 1e6, &tokens, e) ||
        !making_number(c, "seed", 0, 1e9, &seed, e) || !making_number(c, "similar", 0, 1, &x->order.similar, e) ||
        !making_number(c, "temperature", 0, 100, &x->order.temperature, e))
        return false;
    x->count = (int64_t)count;
    x->order.asked = (int)asked;
    x->order.instances = (int)instances;
    x->order.max_tokens = (int)tokens;
    x->order.seed = (uint64_t)seed;
    return true;
}

static bool take_seeds(call *c, tasks *x, err *e) {
    const json *seeds = json_get(c->body, "seeds");
    const size_t n = json_count(seeds);
    bool ok = json_kind_of(seeds) == JSON_ARRAY && n && n <= SEEDS_MOST;
    for (size_t i = 0; ok && i < n; i++) ok = str_trim(json_text(json_at(seeds, i), STR(""))).len > 0;
    if (!ok) return invalid(c, "body.seeds", e, "seeds should be a list of 1 to %d tasks, each a text", SEEDS_MOST);
    x->seeds = json_parse(x->m.own, written(c, seeds), e);
    return x->seeds != NULL;
}

static bool post_synth(call *c, err *e) {
    const char *model;
    if (!body_object(c, e) || !body_text(c, "model", 1, 2000, &model, e) || !hosted_may_name(c, model, e)) return false;
    arena *own = arena_new();
    tasks *x = arena_new_of(own, tasks);
    *x = (tasks){.m = {.server = c->server, .own = own}, .model = arena_text(own, model)};
    const bool ok =
        take_numbers(c, x, e) && take_seeds(c, x, e) && making_take(c, &x->m, NULL, e) && making_terms(c, &x->m, model, e);
    x->order.licence = str_of(x->m.licence ? x->m.licence : "");
    const making_job j = {
        .order = {.kind = "synth", .unit = "tasks", .total = x->count, .by = c->me.seq, .of = ok ? path_name(x->m.path) : NULL},
        .running = "that file is being made: wait for the job, or stop it",
        .work = tasks_work,
        .end = end_tasks,
        .context = x};
    return making_begin(c, &j, ok, e);
}

const route routes_making_tasks[] = {
    {"POST", "/api/v1/synth", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_synth,
     "new tasks out of a few seeds (Self-Instruct) to a file in exports, as a job: {model, seeds, name, count, licence, asked, "
     "instances, similar, temperature, seed, max_new_tokens, per_minute, tokens_most, cost_prompt, cost_answer, dataset: true to "
     "make one of them, workspace_id}"},
    {0},
};
