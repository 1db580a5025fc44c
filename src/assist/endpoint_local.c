/* endpoint_local.c - a model of this machine, by our own engine. It is opened once; one call computes at a time. */
#include <pthread.h>
#include <string.h>

#include "assist/assist.h"
#include "base/sys.h"
#include "model/model.h"

typedef struct {
    arena *a;
    backend *backend;
    model *m;
    adapter *ad; /* NULL: none */
    pthread_mutex_t mutex;
    bool (*stop)(void *self);
    void *self;
} local;

static bool takes(const char *spec) { return *spec != '\0'; }

static void close_backend(void *b) { backend_close(b); }

static void close_local(void *hands) {
    local *l = hands;
    pthread_mutex_destroy(&l->mutex);
    arena *a = l->a;
    arena_free(a);
}

static bool load(local *l, const endpoint_options *o, err *e) {
    const model_options how = {.compute = COMPUTE_BF16, .keep_blocks = true};
    model_place at;
    if (!model_find(l->a, o->home ? o->home : sys_home(l->a), o->spec, o->paths, &at, e)) return false;
    if (!(l->backend = backend_open(NULL, e))) return false;
    arena_defer(l->a, close_backend, l->backend);
    if (!(l->m = model_open(l->a, l->backend, at.base, &how, e))) return false;
    if (!l->m->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer, so it cannot read text", o->spec);
    return !at.adapter || (l->ad = adapter_open(l->a, l->m, at.adapter, false, e)) != NULL;
}

static void *open_local(const endpoint_options *o, err *e) {
    arena *a = arena_new();
    local *l = arena_new_of(a, local);
    *l = (local){.a = a, .stop = o->stop, .self = o->self};
    pthread_mutex_init(&l->mutex, NULL);
    if (load(l, o, e)) return l;
    close_local(l);
    return NULL;
}

/* ---- text to tokens ------------------------------------------------------------------------------------------------------------------- */

static bool prompt_of(const local *l, arena *a, const json *messages, chat_encoded *out, err *e) {
    const chat_request r = {.messages = messages, .add_generation_prompt = true, .tok = l->m->tokenizer};
    if (!model_writes(l->m, l->ad, e)) return false;
    if (!l->m->chat) return err_set(e, ERR_INPUT, "the model has no chat template: it cannot answer a conversation");
    return chat_tokens(l->m->chat, l->m->tokenizer, &r, a, out, e);
}

/* ---- an answer ------------------------------------------------------------------------------------------------------------------------ */

static bool goes_on(void *self, str piece) {
    const local *l = self;
    (void)piece;
    return !(l->stop && l->stop(l->self)) && !sys_stop_requested();
}

static bool answer(local *l, arena *a, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    chat_encoded prompt;
    int tokens = 0;
    sampling s = sampling_default(l->m);
    s.temperature = o->temperature;
    s.max_new_tokens = o->max_tokens;
    s.seed = o->seed;
    s.stop = o->stop;
    s.stop_count = o->stop_count;
    if (!prompt_of(l, a, o->messages, &prompt, e)) return false;
    engine *g = engine_new(l->m, COMPUTE_BF16);
    session *x = session_new(g, l->ad, prompt.ids, prompt.count, &s, goes_on, l, e);
    bool ok = x && engine_run(g, &x, 1, sys_stop_requested, e);
    if (ok) {
        const str text = session_text(x);
        const finish_reason finish = session_finish(x);
        session_ids(x, &tokens);
        *out = (endpoint_answer){{arena_copy(a, text.ptr ? text.ptr : "", text.len), text.len},
                                 finish == FINISH_LENGTH || finish == FINISH_FULL ? "length" : "stop"};
        if (finish == FINISH_CALLER) ok = err_set(e, ERR_STOPPED, "stopped");
    }
    t->prompt_tokens = prompt.count;
    t->answer_tokens = tokens;
    session_free(x);
    engine_free(g);
    return ok;
}

static bool chat(void *hands, arena *a, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    local *l = hands;
    pthread_mutex_lock(&l->mutex);
    const bool ok = answer(l, a, o, out, t, e);
    pthread_mutex_unlock(&l->mutex);
    return ok;
}

/* ---- choices -------------------------------------------------------------------------------------------------------------------------- */

/* The prompt and a choice behind it, one sequence for each choice. */
static bool sequences(local *l, arena *a, const chat_encoded *prompt, const char *const *choices, int count, int32_t **ids,
                      int *length, err *e) {
    for (int i = 0; i < count; i++) {
        token_ids more = {0};
        if (!tokenizer_encode(l->m->tokenizer, str_of(choices[i]), false, &more, e)) return false;
        length[i] = prompt->count + (int)more.count;
        ids[i] = arena_array(a, int32_t, length[i] + 1);
        memcpy(ids[i], prompt->ids, (size_t)prompt->count * sizeof **ids);
        if (more.count) memcpy(ids[i] + prompt->count, more.ids, more.count * sizeof **ids);
        token_ids_free(&more);
        if (length[i] == prompt->count) return err_set(e, ERR_INPUT, "choice %d is empty", i);
    }
    return true;
}

static bool score(local *l, arena *a, const json *messages, const char *const *choices, int count, double *out, endpoint_try *t,
                  err *e) {
    chat_encoded prompt;
    int32_t **ids = arena_array(a, int32_t *, count);
    int *length = arena_array(a, int, count);
    float **logp = arena_array(a, float *, count);
    if (!prompt_of(l, a, messages, &prompt, e) || !sequences(l, a, &prompt, choices, count, ids, length, e)) return false;
    for (int i = 0; i < count; i++) logp[i] = arena_array(a, float, length[i]);
    if (!model_score(l->m, l->ad, COMPUTE_BF16, (const int32_t *const *)ids, length, count, logp, e)) return false;
    for (int i = 0; i < count; i++) {
        out[i] = 0;
        for (int k = prompt.count - 1; k < length[i] - 1; k++) out[i] += (double)logp[i][k];
        t->prompt_tokens += length[i];
    }
    return true;
}

static bool choose(void *hands, arena *a, const json *messages, const char *const *choices, int count, double *logp,
                   endpoint_try *t, err *e) {
    local *l = hands;
    pthread_mutex_lock(&l->mutex);
    const bool ok = score(l, a, messages, choices, count, logp, t, e);
    pthread_mutex_unlock(&l->mutex);
    return ok;
}

/* ---- vectors -------------------------------------------------------------------------------------------------------------------------- */

static bool vectors(local *l, arena *a, const str *texts, int count, const float **out, int *width, endpoint_try *t, err *e) {
    const int D = *width = l->m->config.hidden, most = l->m->config.positions;
    const int32_t **ids = arena_array(a, const int32_t *, count);
    int *length = arena_array(a, int, count);
    float **v = arena_array(a, float *, count);
    for (int i = 0; i < count; i++) {
        token_ids own = {0};
        if (!tokenizer_encode(l->m->tokenizer, texts[i], true, &own, e)) return false;
        length[i] = most > 0 && (int)own.count > most ? most : (int)own.count;
        ids[i] = (const int32_t *)(const void *)arena_copy(a, own.ids, (size_t)length[i] * sizeof *own.ids);
        token_ids_free(&own);
        out[i] = v[i] = arena_array(a, float, D);
        t->prompt_tokens += length[i];
    }
    return model_embed(l->m, l->ad, COMPUTE_BF16, ids, length, count, v, e);
}

static bool embed(void *hands, arena *a, const str *texts, int count, const float **out, int *width, endpoint_try *t, err *e) {
    local *l = hands;
    pthread_mutex_lock(&l->mutex);
    const bool ok = vectors(l, a, texts, count, out, width, t, e);
    pthread_mutex_unlock(&l->mutex);
    return ok;
}

const endpoint_kind endpoint_kind_local = {"local", "a model of this machine", takes, open_local, close_local, chat, choose,
                                           embed};
