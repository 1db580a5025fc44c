/* worker_generate.c - answers: a session for each, all sessions of a model in one pass, a token each.
 *
 * Who is answering already comes first in a pass; of prompts only so much is read beside them that nobody waits long for a token. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/sys.h"
#include "serve/worker_parts.h"

enum {
    PROMPT_ALONE = 1024, /* tokens of prompts in a pass while nobody is answering */
    PROMPT_BESIDE = 192, /* while somebody is */
    KEEP_LEAST = 16,     /* shorter beginnings are computed anew */
    AHEAD = 1024         /* tokens of an answer that memory is looked for before it begins */
};

/* ---- beginning ------------------------------------------------------------------------------------------------------------------------------ */

static bool chat_prompt(work *x, err *e) {
    const model *m = x->mount->base->m;
    chat_encoded out;
    if (!m->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer.json, so it cannot read text", x->model);
    if (!m->chat) return err_set(e, ERR_INPUT, "%s has no chat template: it can only continue texts (/v1/completions)", x->model);
    const chat_request r = {
        .messages = x->order.messages, .tools = x->order.tools, .add_generation_prompt = true, .tok = m->tokenizer};
    if (!chat_tokens(m->chat, m->tokenizer, &r, x->a, &out, e)) return false;
    x->prompt = out.text;
    x->prompt_ids = out.ids;
    x->prompt_count = out.count;
    return true;
}

static bool token_prompt(work *x) {
    const tokenizer *t = x->mount->base->m->tokenizer;
    buf text = {0};
    if (t) tokenizer_decode(t, x->order.ids, x->order.id_count, false, &text);
    x->prompt = (str){arena_copy(x->a, text.ptr ? text.ptr : "", text.len), text.len};
    x->prompt_ids = x->order.ids;
    x->prompt_count = x->order.id_count;
    buf_free(&text);
    return true;
}

static bool text_prompt(work *x, err *e) {
    int count;
    x->prompt = x->order.text;
    x->prompt_ids = work_tokens(x, x->order.text, true, &count, e);
    x->prompt_count = count;
    return x->prompt_ids != NULL;
}

static bool make_prompt(work *x, err *e) {
    const int most = x->mount->base->m->config.positions;
    pthread_mutex_lock(&x->mutex);
    bool ok = x->prompt_ids || (x->order.messages ? chat_prompt(x, e) : x->order.ids ? token_prompt(x) : text_prompt(x, e));
    pthread_mutex_unlock(&x->mutex);
    if (ok && most > 0 && x->prompt_count >= most)
        ok = err_set(e, ERR_INPUT, "the prompt has %d tokens, %s reads %d with its answer: shorten it", x->prompt_count, x->model,
                     most);
    return ok;
}

static int answer_room(const work *x) {
    const int most = x->mount->base->m->config.positions, asked = x->order.sampling.max_tokens;
    const int left = most > 0 ? most - x->prompt_count : 1 << 20;
    return asked < 0 || asked > left ? left : asked;
}

static sampling sampling_of(const work *x, int index) {
    const work_sampling *o = &x->order.sampling;
    sampling s = sampling_default(x->mount->base->m);
    if (!isnan(o->temperature)) s.temperature = o->temperature;
    if (!isnan(o->top_p)) s.top_p = o->top_p;
    if (!isnan(o->min_p)) s.min_p = o->min_p;
    if (!isnan(o->repetition_penalty)) s.repetition_penalty = o->repetition_penalty;
    if (o->top_k >= 0) s.top_k = o->top_k;
    s.max_new_tokens = answer_room(x);
    if (s.max_new_tokens < 1) s.max_new_tokens = 1; /* the prompt is to be read: the token is dropped */
    s.seed = index ? rng_mix(o->seed, (uint64_t)index) : o->seed;
    s.stop = o->stop;
    s.stop_count = o->stop_count;
    s.ignore_eos = o->ignore_eos;
    s.tops = o->logprobs ? o->tops : 0;
    s.prompt_logp = o->logprobs && o->echo && index == 0;
    return s;
}

static void gather(const worker *w, const mount *m, session **out, int *count) {
    *count = 0;
    for (int i = 0; i < w->running_count; i++) {
        const work *x = w->running[i];
        if (x->mount != m || x->form != &form_generate) continue;
        for (int k = 0; k < x->choices; k++)
            if (x->choice[k].s) out[(*count)++] = x->choice[k].s;
    }
}

static bool open_sessions(worker *w, work *x, err *e) {
    base *b = x->mount->base;
    session **others = memory_alloc((size_t)(w->answers + 1) * sizeof *others);
    int count;
    bool ok = true;
    gather(w, x->mount, others, &count);
    for (int i = 0; ok && i < x->choices; i++) {
        const sampling s = sampling_of(x, i);
        choice *c = &x->choice[i];
        c->s = session_new(b->g, x->mount->adapter, x->prompt_ids, x->prompt_count, &s, NULL, NULL, e);
        ok = c->s != NULL;
        if (ok && i == 0) x->reused = base_borrow(b, c->s, others, count); /* the others copy the first one's */
    }
    memory_release(others);
    if (!ok) generate_end(w, x);
    return ok;
}

/* False without words: it must wait until others are done. */
static bool memory_for(worker *w, const work *x, err *e) {
    const int room = answer_room(x), ahead = room < AHEAD ? room : AHEAD;
    const size_t need = (size_t)(x->prompt_count + ahead) * (size_t)x->choices * model_token_bytes(x->mount->base->m);
    const size_t free_now = sys_memory_available();
    if (free_now > need + (size_t)w->o.memory_spare / 4) return true;
    if (w->running_count) return false;
    pthread_mutex_lock(&w->mutex);
    const bool ok = mounts_make_room(w, need);
    pthread_mutex_unlock(&w->mutex);
    return ok || err_set(e, ERR_LIMIT, "%d answers to a prompt of %d tokens need %.2f GB of memory, %.2f GB are free", x->choices,
                         x->prompt_count, (double)need / 1e9, (double)free_now / 1e9);
}

static bool generate_begin(worker *w, work *x, err *e) {
    if (w->answers && w->answers + x->choices > w->o.streams) return false;
    if (!make_prompt(x, e) || !memory_for(w, x, e) || !open_sessions(w, x, e)) return false;
    w->answers += x->choices;
    pthread_mutex_lock(&w->mutex);
    w->counters.prompt_tokens += x->prompt_count;
    w->counters.reused_tokens += x->reused;
    pthread_mutex_unlock(&w->mutex);
    return true;
}

/* ---- passes ---------------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    session **item;
    int count, answering, pending;
} turn;

/* Sessions of a base: those that answer, then prompts as far as there is room for them in a pass. */
static void add_prompts(turn *t, const work *x, int most) {
    for (int k = 0; k < x->choices; k++) {
        session *s = x->choice[k].s;
        if (!s || session_pending(s) <= 1) continue;
        if (t->pending >= most) return;
        if (k == 0 || !x->choice[0].s || session_pending(x->choice[0].s) <= 1) t->pending += session_pending(s);
        t->item[t->count++] = s;
    }
}

static void fill_turn(const worker *w, const base *b, turn *t) {
    t->count = t->answering = t->pending = 0;
    for (int i = 0; i < w->running_count; i++) {
        const work *x = w->running[i];
        if (x->mount->base != b || x->form != &form_generate) continue;
        for (int k = 0; k < x->choices; k++)
            if (x->choice[k].s && session_pending(x->choice[k].s) <= 1) t->item[t->count++] = x->choice[k].s;
    }
    t->answering = t->count;
    const int most = t->answering ? PROMPT_BESIDE : PROMPT_ALONE;
    for (int i = 0; i < w->running_count; i++) {
        const work *x = w->running[i];
        if (x->mount->base == b && x->form == &form_generate) add_prompts(t, x, most);
    }
    engine_limit_pass(b->g, t->answering + most);
}

/* ---- what came of a pass ------------------------------------------------------------------------------------------------------------------------------ */

static void grow(choice *c, int count, int tops) {
    if (count <= c->room) return;
    c->room = 2 * count + 32;
    c->ids = memory_resize(c->ids, (size_t)c->room * sizeof *c->ids);
    c->logps = memory_resize(c->logps, (size_t)c->room * sizeof *c->logps);
    if (tops) c->tops = memory_resize(c->tops, (size_t)(c->room * tops) * sizeof *c->tops);
}

static bool take_tokens(choice *c, int tops) {
    int count;
    const int32_t *ids = session_ids(c->s, &count);
    const int more = count - c->count;
    const str told = session_told(c->s);
    buf_put_str(&c->text, str_slice(told, c->text.len, told.len));
    if (!more) return false;
    grow(c, count, tops);
    memcpy(c->ids + c->count, ids + c->count, (size_t)more * sizeof *ids);
    memcpy(c->logps + c->count, session_logps(c->s) + c->count, (size_t)more * sizeof *c->logps);
    if (tops) memcpy(c->tops + c->count * tops, session_tops(c->s) + c->count * tops, (size_t)(more * tops) * sizeof *c->tops);
    c->count = count;
    return true;
}

static const char *finish_word(finish_reason why) {
    static const char *const words[] = {
#define X(token, word) word,
        FINISHES(X)
#undef X
    };
    return words[why];
}

static void take_prompt(work *x, const session *s) {
    int count;
    const float *logps = session_prompt_logps(s, &count);
    const int k = x->order.sampling.tops;
    if (x->prompt_logps || !x->order.sampling.echo || !x->order.sampling.logprobs || count < x->prompt_count - 1) return;
    x->prompt_logps = memory_alloc((size_t)x->prompt_count * sizeof *logps);
    memcpy(x->prompt_logps, logps, (size_t)count * sizeof *logps);
    if (!k) return;
    x->prompt_tops = memory_alloc((size_t)(x->prompt_count * k) * sizeof *x->prompt_tops);
    memcpy(x->prompt_tops, session_prompt_tops(s), (size_t)(count * k) * sizeof *x->prompt_tops);
}

static void put_away(worker *w, work *x, choice *c) {
    base *b = x->mount->base;
    if (x->prompt_count + c->count >= KEEP_LEAST) base_keep(b, c->s, w->kept_most);
    else session_free(c->s);
    c->s = NULL;
    w->answers--;
}

/* A token that was drawn only because the prompt had to be read. */
static void drop_token(choice *c) {
    c->count = 0;
    buf_clear(&c->text);
    c->finish = "length";
    c->ended = false;
}

static bool harvest_choice(worker *w, work *x, choice *c) {
    const bool more = take_tokens(c, x->order.sampling.logprobs ? x->order.sampling.tops : 0);
    const finish_reason why = session_finish(c->s);
    if (c == x->choice) take_prompt(x, c->s);
    if (why == FINISH_NONE) return more;
    c->finish = finish_word(why);
    c->ended = why == FINISH_EOS;
    if (x->order.sampling.max_tokens == 0) drop_token(c);
    put_away(w, x, c);
    return true;
}

static int harvest(worker *w, work *x) {
    bool news = false, busy = false;
    int tokens = 0;
    pthread_mutex_lock(&x->mutex);
    for (int k = 0; k < x->choices; k++) {
        choice *c = &x->choice[k];
        const int before = c->count;
        if (c->s) news |= harvest_choice(w, x, c);
        busy |= c->s != NULL;
        tokens += c->count > before ? c->count - before : 0;
    }
    if (news) work_told(x);
    pthread_mutex_unlock(&x->mutex);
    if (!busy) work_set_state(x, WORK_DONE, NULL);
    return tokens;
}

void generate_step(worker *w) {
    turn t = {.item = memory_alloc((size_t)(w->answers + 1) * sizeof *t.item)};
    int took = 0, tokens = 0;
    err none = {0};
    for (base *b = w->mounts.bases; b; b = b->next) {
        fill_turn(w, b, &t);
        if (!t.count) continue;
        took += t.count;
        engine_step(b->g, t.item, t.count, &none);
    }
    memory_release(t.item);
    for (int i = 0; took && i < w->running_count; i++)
        if (w->running[i]->form == &form_generate) tokens += harvest(w, w->running[i]);
    if (tokens) {
        pthread_mutex_lock(&w->mutex);
        w->counters.answer_tokens += tokens;
        pthread_mutex_unlock(&w->mutex);
    }
}

void generate_end(worker *w, work *x) {
    pthread_mutex_lock(&x->mutex);
    for (int k = 0; k < x->choices; k++) {
        choice *c = &x->choice[k];
        if (!c->s) continue;
        session_free(c->s);
        c->s = NULL;
        c->finish = "cancelled";
        if (x->state == WORK_RUNNING) w->answers--;
    }
    pthread_mutex_unlock(&x->mutex);
}

const work_form form_generate = {"generate", generate_begin, NULL};
