/* hosted.c - see hosted.h. */
#include "serve/hosted.h"

#include <math.h>
#include <string.h>

typedef struct {
    worker *w;
    char *model;
    bool (*stop)(void *self);
    void *self;
} hands;

static void close_hands(void *context) {
    hands *h = context;
    memory_release(h->model);
    memory_release(h);
}

static bool chat(void *context, arena *a, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    hands *h = context;
    work_view v;
    work_order order = {
        .model = h->model, .messages = o->messages, .sampling = work_sampling_default(), .gone = h->stop, .self = h->self};
    order.sampling.temperature = o->temperature;
    order.sampling.max_tokens = o->max_tokens;
    order.sampling.seed = o->seed;
    order.sampling.stop = o->stop;
    order.sampling.stop_count = o->stop_count;
    if (!worker_answer(h->w, &order, a, &v, e)) return t->passing = e->code == ERR_BUSY, false;
    t->prompt_tokens = v.prompt_tokens;
    t->answer_tokens = v.answer[0].count;
    *out = (endpoint_answer){v.answer[0].text, v.answer[0].finish};
    return true;
}

static bool choose(void *context, arena *a, const json *messages, const char *const *choices, int count, double *logp,
                   endpoint_try *t, err *e) {
    hands *h = context;
    work_pair *pairs = arena_array(a, work_pair, count);
    work_scored *scored;
    for (int i = 0; i < count; i++) pairs[i] = (work_pair){.messages = messages, .answer = str_of(choices[i])};
    if (!worker_score(h->w, h->model, pairs, count, a, &scored, e)) return t->passing = e->code == ERR_BUSY, false;
    for (int i = 0; i < count; i++)
        if (!scored[i].count) return err_set(e, ERR_INPUT, "%s has no token for the choice '%s'", h->model, choices[i]);
    for (int i = 0; i < count; i++) logp[i] = scored[i].sum, t->prompt_tokens += scored[i].length;
    return true;
}

static bool embed(void *context, arena *a, const str *texts, int count, const float **out, int *width, endpoint_try *t, err *e) {
    hands *h = context;
    work_vectors v;
    work_input *in = arena_array(a, work_input, count);
    for (int i = 0; i < count; i++) in[i] = (work_input){.text = texts[i], .cut = true};
    const work_order order = {.model = h->model, .gone = h->stop, .self = h->self};
    if (!worker_embed(h->w, &order, in, count, a, &v, e)) return t->passing = e->code == ERR_BUSY, false;
    memcpy(out, v.vector, (size_t)count * sizeof *out);
    *width = v.width;
    t->prompt_tokens = v.tokens;
    return true;
}

static const endpoint_kind kind = {"hosted", "a model of the server", NULL, NULL, close_hands, chat, choose, embed};

endpoint *hosted_open(worker *w, const endpoint_options *o, err *e) {
    if (endpoint_kind_remote.takes(o->spec)) return endpoint_open(o, e);
    hands *h = memory_alloc(sizeof *h);
    *h = (hands){.w = w, .model = memory_alloc(strlen(o->spec) + 1), .stop = o->stop, .self = o->self};
    strcpy(h->model, o->spec);
    return endpoint_over(&kind, h, o);
}

bool hosted_may_name(const call *c, const char *model, err *e) {
    if (!endpoint_kind_remote.takes(model) || c->me.role == ROLE_OWNER) return true;
    return forbidden(e, "only an owner may send records to another server");
}
