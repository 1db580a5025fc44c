/* work.c - one request of the worker: what was ordered, what is known of it, who reads it (contract: worker.h). */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "serve/worker_parts.h"

static const char *const state_words[] = {
#define X(token, word) word,
    WORK_STATES(X)
#undef X
};
const char *work_state_word(work_state s) { return state_words[s]; }

work_sampling work_sampling_default(void) {
    return (work_sampling){
        .temperature = NAN, .top_p = NAN, .min_p = NAN, .repetition_penalty = NAN, .top_k = -1, .max_tokens = 256, .seed = 1};
}

/* ---- ordering ---------------------------------------------------------------------------------------------------------------------------- */

/* A value of another thread's arena, as our own: json-c's counts are not for several threads. */
static const json *own_json(arena *a, const json *v) {
    buf text = {0};
    err none = {0};
    json *out = NULL;
    if (!v) return NULL;
    json_put(&text, v);
    if (!json_parse_any(a, buf_str(&text), &out, &none)) bug("what was written does not parse: %s", none.text);
    buf_free(&text);
    return out;
}

static void copy_order(work *x, const work_order *o) {
    arena *a = x->a;
    x->order = *o;
    x->order.model = NULL;
    x->order.messages = own_json(a, o->messages);
    x->order.tools = own_json(a, o->tools);
    x->order.text = (str){arena_copy(a, o->text.ptr ? o->text.ptr : "", o->text.len), o->text.len};
    if (o->ids) x->order.ids = (const int32_t *)(const void *)arena_copy(a, o->ids, (size_t)o->id_count * sizeof *o->ids);
    const char **stop = arena_array(a, const char *, o->sampling.stop_count);
    for (int i = 0; i < o->sampling.stop_count; i++) stop[i] = arena_text(a, o->sampling.stop[i]);
    x->order.sampling.stop = stop;
    if (x->order.n < 1) x->order.n = 1;
}

work *work_new(worker *w, const work_form *form, const work_order *o) {
    arena *a = arena_new();
    work *x = memory_alloc(sizeof *x);
    pthread_condattr_t monotonic;
    x->w = w;
    x->a = a;
    x->form = form;
    x->references = 1;
    pthread_mutex_init(&x->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    copy_order(x, o);
    x->choices = form == &form_generate ? x->order.n : 0;
    x->choice = memory_alloc((size_t)x->choices * sizeof *x->choice + 1);
    for (int i = 0; i < x->choices; i++) x->choice[i].of = x;
    return x;
}

/* The model stays in memory as long as somebody may read tokens of it. */
void work_drop(work *x) {
    if (--x->references) return;
    if (x->mount) {
        pthread_mutex_lock(&x->w->mutex);
        mounts_release(x->w, x->mount);
        pthread_mutex_unlock(&x->w->mutex);
    }
    for (int i = 0; i < x->choices; i++) {
        buf_free(&x->choice[i].text);
        memory_release(x->choice[i].ids);
        memory_release(x->choice[i].logps);
        memory_release(x->choice[i].tops);
    }
    memory_release(x->choice);
    memory_release(x->prompt_logps);
    memory_release(x->prompt_tops);
    pthread_cond_destroy(&x->news);
    pthread_mutex_destroy(&x->mutex);
    arena_free(x->a);
    memory_release(x);
}

/* ---- telling --------------------------------------------------------------------------------------------------------------------------------- */

void work_told(work *x) {
    x->version++;
    pthread_cond_broadcast(&x->news);
    if (x->order.tell) x->order.tell(x->order.self);
}

void work_set_state(work *x, work_state s, const err *why) {
    pthread_mutex_lock(&x->mutex);
    if (x->state != s && x->state < WORK_DONE) {
        x->state = s;
        if (why) x->e = *why;
        if (s == WORK_RUNNING) x->begun = sys_seconds();
        if (s >= WORK_DONE) x->ended = sys_seconds();
        work_told(x);
    }
    pthread_mutex_unlock(&x->mutex);
}

bool work_unwanted(work *x) {
    pthread_mutex_lock(&x->mutex);
    if (!x->cancelled && x->order.gone && x->order.gone(x->order.self)) x->cancelled = true;
    const bool unwanted = x->cancelled;
    pthread_mutex_unlock(&x->mutex);
    return unwanted;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------------------------- */

static struct timespec moment_in(double seconds) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)seconds;
    t.tv_nsec += (long)(1e9 * (seconds - floor(seconds)));
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

int64_t work_wait(work *x, int64_t seen, double seconds) {
    const struct timespec until = moment_in(seconds);
    pthread_mutex_lock(&x->mutex);
    while (x->version <= seen && x->state < WORK_DONE)
        if (pthread_cond_timedwait(&x->news, &x->mutex, &until) != 0) break;
    const int64_t now = x->version;
    pthread_mutex_unlock(&x->mutex);
    return now;
}

work_state work_state_of(work *x, err *why) {
    pthread_mutex_lock(&x->mutex);
    const work_state s = x->state;
    if (s == WORK_FAILED && why) err_set(why, x->e.code, "%s", x->e.text);
    pthread_mutex_unlock(&x->mutex);
    return s;
}

bool work_cut(const work_answer *a) { return a->finish && strcmp(a->finish, "length") == 0; }

bool work_over(work *x) { return work_state_of(x, NULL) >= WORK_DONE; }

static work_token token_of(const work *x, arena *a, int32_t id, float logp) {
    const tokenizer *t = x->mount->base->m->tokenizer;
    buf text = {0};
    if (t) tokenizer_put_bytes(t, id, &text);
    const work_token out = {.id = id, .logp = logp, .text = {arena_copy(a, text.ptr ? text.ptr : "", text.len), text.len}};
    buf_free(&text);
    return out;
}

/* The tokens with what could have stood in their place; logps [count], its first member missing when `from` is 1. */
static const work_token *read_tokens(const work *x, arena *a, const int32_t *ids, int count, int from, const float *logps,
                                     const token_top *tops) {
    const int k = x->order.sampling.tops;
    work_token *out = arena_array(a, work_token, count), *all = arena_array(a, work_token, count * k);
    for (int i = 0; i < count; i++) {
        out[i] = token_of(x, a, ids[i], i < from ? NAN : logps[i - from]);
        if (i < from || !k) continue;
        out[i].tops = k;
        out[i].top = all + i * k;
        for (int j = 0; j < k; j++) all[i * k + j] = token_of(x, a, tops[(i - from) * k + j].id, tops[(i - from) * k + j].logp);
    }
    return out;
}

static void read_choice(const work *x, arena *a, const choice *c, work_answer *out) {
    *out = (work_answer){.finish = c->finish, .count = c->count, .ended = c->ended};
    out->text = (str){arena_copy(a, c->text.ptr ? c->text.ptr : "", c->text.len), c->text.len};
    if (x->order.sampling.logprobs) out->token = read_tokens(x, a, c->ids, c->count, 0, c->logps, c->tops);
}

void work_read(work *x, arena *a, work_view *out) {
    int answered = 0;
    pthread_mutex_lock(&x->mutex);
    *out = (work_view){.state = x->state, .e = x->e, .count = x->choices, .prompt_tokens = x->prompt_count, .reused = x->reused};
    out->model = arena_text(a, x->model);
    out->answer = arena_array(a, work_answer, x->choices);
    for (int i = 0; i < x->choices; i++) {
        read_choice(x, a, &x->choice[i], &out->answer[i]);
        answered += x->choice[i].count;
    }
    if (x->prompt_ids) {
        out->prompt = (str){arena_copy(a, x->prompt.ptr, x->prompt.len), x->prompt.len};
        out->prompt_ids =
            (const int32_t *)(const void *)arena_copy(a, x->prompt_ids, (size_t)x->prompt_count * sizeof *x->prompt_ids);
    }
    if (x->prompt_logps)
        out->prompt_token = read_tokens(x, a, x->prompt_ids, x->prompt_count, 1, x->prompt_logps, x->prompt_tops);
    if (x->begun > 0) out->seconds = (x->ended > 0 ? x->ended : sys_seconds()) - x->begun;
    if (out->seconds > 0) out->tokens_per_s = answered / out->seconds;
    pthread_mutex_unlock(&x->mutex);
}

void work_cancel(work *x) {
    pthread_mutex_lock(&x->mutex);
    x->cancelled = true;
    pthread_mutex_unlock(&x->mutex);
    pthread_mutex_lock(&x->w->mutex);
    worker_wake(x->w);
    pthread_mutex_unlock(&x->w->mutex);
}

void work_free(work *x) {
    if (!x) return;
    pthread_mutex_lock(&x->mutex); /* nobody is called any more */
    x->order.tell = NULL;
    x->order.gone = NULL;
    const bool over = x->state >= WORK_DONE;
    pthread_mutex_unlock(&x->mutex);
    if (!over) work_cancel(x);
    work_drop(x);
}

/* ---- text to tokens ------------------------------------------------------------------------------------------------------------------------------ */

const int32_t *work_tokens(work *x, str text, bool special, int *count, err *e) {
    const model *m = x->mount->base->m;
    token_ids out = {0};
    *count = 0;
    if (!m->tokenizer) return err_null(e, ERR_INPUT, "%s has no tokenizer.json, so it cannot read text", x->model);
    if (!tokenizer_encode(m->tokenizer, text, special, &out, e)) return NULL;
    int32_t *ids = arena_array(x->a, int32_t, out.count + 1);
    if (out.count) memcpy(ids, out.ids, out.count * sizeof *ids);
    *count = (int)out.count;
    token_ids_free(&out);
    return ids;
}
