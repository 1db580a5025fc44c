/* engine.c - sessions: prompts in, tokens out, many together (contract: model.h).
 *
 * A session is one growing sequence with its KV cache. Every pass takes, from each session that is not finished, the tokens its
 * cache does not hold yet: a piece of the prompt, or the token drawn last. All of them make one ragged batch (one pass per
 * adapter), so that a weight is read once for all. Sessions that begin with the same prompt wait for the first of them and copy
 * its cache.
 *
 *      fresh ── engine_step: prompt in pieces ──► ready ── one token a pass ──► finished (end token, stop text, length, caller) */
#include "model/model.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "model/sample.h"

enum {
    PASS_TOKENS = 1024, /* of prompts in one pass: bounds the memory of activations */
    LOGIT_ROWS = 256
}; /* logits of a prompt that exist at once */

struct engine {
    const model *m;
    compute_type compute;
    int pass_tokens;
    pool *pool;
    sampler *sampler; /* [samplers], one a thread */
    int samplers;
    engine_mixture mix; /* other NULL: none */
    float *logits;      /* [sessions of a pass, V] */
    size_t logits_room;
};

typedef struct {
    int32_t *item;
    int count, room;
} tokens;

struct session {
    engine *g;
    const adapter *adapter;
    sampling options;
    tokens all; /* prompt and answer */
    int prompt; /* tokens of the prompt */
    int first;  /* where the answer begins in `all` */
    kv_cache *cache;
    session *shadow; /* the same tokens as the other model of a mixture reads them; NULL: none */
    float *logp;     /* [answer], room as all.room */
    token_top *tops; /* [answer, options.tops], room as all.room */
    struct {
        float *logp;     /* [prompt - 1] */
        token_top *tops; /* [prompt - 1, options.tops] */
        int known;       /* how many are there */
    } of_prompt;         /* with options.prompt_logp */
    rng random;
    stream_decoder *decoder;
    buf text;    /* decoded so far, stop text cut when finished */
    size_t told; /* bytes given to the listener */
    on_text listen;
    void *self;
    finish_reason finish;
    int32_t eos[16];
    int eos_count;
};

/* ---- sampling settings -------------------------------------------------------------------------------------------------------- */

sampling sampling_default(const model *m) {
    const json *g = m->generation;
    const bool sample = json_get_bool(g, "do_sample", true);
    return (sampling){.temperature = sample ? json_get_real(g, "temperature", 1) : 0,
                      .top_k = (int)json_get_int(g, "top_k", 0),
                      .top_p = json_get_real(g, "top_p", 1),
                      .min_p = json_get_real(g, "min_p", 0),
                      .repetition_penalty = json_get_real(g, "repetition_penalty", 1),
                      .max_new_tokens = 256,
                      .seed = 1};
}

static void add_eos(session *s, int64_t id) {
    if (id < 0 || s->eos_count == (int)(sizeof s->eos / sizeof *s->eos)) return;
    s->eos[s->eos_count++] = (int32_t)id;
}

/* Every id that ends an answer: the config's, generation_config's, the tokenizer's. */
static void collect_eos(session *s) {
    const model *m = s->g->m;
    for (int i = 0; i < m->config.eos_count; i++) add_eos(s, m->config.eos[i]);
    const json *eos = json_get(m->generation, "eos_token_id");
    if (json_kind_of(eos) == JSON_ARRAY)
        for (size_t i = 0; i < json_count(eos); i++) add_eos(s, json_int(json_at(eos, i), -1));
    else add_eos(s, json_int(eos, -1));
    if (m->tokenizer) add_eos(s, tokenizer_eos(m->tokenizer));
}

static bool is_eos(const session *s, int id) {
    for (int i = 0; i < s->eos_count; i++)
        if (s->eos[i] == id) return true;
    return false;
}

void engine_limit_pass(engine *g, int most) { g->pass_tokens = most < 1 ? 1 : most > PASS_TOKENS ? PASS_TOKENS : most; }

/* ---- sessions ------------------------------------------------------------------------------------------------------------------ */

engine *engine_new(const model *m, compute_type compute) {
    engine *g = memory_alloc(sizeof *g);
    g->m = m;
    g->compute = compute;
    g->pass_tokens = PASS_TOKENS;
    g->pool = pool_new();
    g->samplers = omp_get_max_threads();
    g->sampler = memory_alloc((size_t)g->samplers * sizeof *g->sampler);
    return g;
}

void engine_free(engine *g) {
    if (!g) return;
    for (int i = 0; i < g->samplers; i++) sampler_free(&g->sampler[i]);
    memory_release(g->sampler);
    memory_release(g->logits);
    pool_free(g->pool);
    memory_release(g);
}

/* Learned positions end where their table does; rotary ones only get worse. 0: no limit. */
static int position_limit(const model *m) { return m->config.rope.kind == ROPE_NONE ? m->config.positions : 0; }

static void push(session *s, int32_t id) {
    if (s->all.count == s->all.room) {
        s->all.room = s->all.room ? 2 * s->all.room : 64;
        s->all.item = memory_resize(s->all.item, (size_t)s->all.room * sizeof *s->all.item);
        s->logp = memory_resize(s->logp, (size_t)s->all.room * sizeof *s->logp);
        if (s->options.tops) s->tops = memory_resize(s->tops, (size_t)(s->all.room * s->options.tops) * sizeof *s->tops);
    }
    s->all.item[s->all.count++] = id;
}

session *session_new(engine *g, const adapter *ad, const int32_t *prompt, int count, const sampling *o, on_text listen,
                     void *self, err *e) {
    const model_config *c = &g->m->config;
    if (!model_writes(g->m, ad, e)) return NULL;
    if (count < 1) return err_null(e, ERR_INPUT, "the prompt is empty: it needs at least one token");
    if (position_limit(g->m) && count >= position_limit(g->m))
        return err_null(e, ERR_LIMIT, "the prompt has %d tokens, the model knows %d positions", count, position_limit(g->m));
    for (int i = 0; i < count; i++)
        if (prompt[i] < 0 || prompt[i] >= c->vocab)
            return err_null(e, ERR_INPUT, "token %d of the prompt is %d, the model knows 0 to %d", i, prompt[i], c->vocab - 1);
    session *s = memory_alloc(sizeof *s);
    *s = (session){.g = g, .adapter = ad, .listen = listen, .self = self};
    s->cache = kv_cache_new(c->layers, count + 64, c->kv_heads * c->head_dim);
    collect_eos(s);
    session_continue(s, prompt, count, o);
    if (g->mix.other && !(s->shadow = session_new(g->mix.other, g->mix.adapter, prompt, count, o, NULL, NULL, e))) {
        session_free(s);
        return NULL;
    }
    return s;
}

/* For what is kept beside tokens. */
static void make_room(session *s, int prompt) {
    const size_t most = (size_t)prompt, k = (size_t)s->options.tops;
    if (k) s->tops = memory_resize(s->tops, (size_t)s->all.room * k * sizeof *s->tops);
    s->of_prompt.known = 0;
    if (!s->options.prompt_logp) return;
    s->of_prompt.logp = memory_resize(s->of_prompt.logp, most * sizeof *s->of_prompt.logp);
    if (k) s->of_prompt.tops = memory_resize(s->of_prompt.tops, most * k * sizeof *s->of_prompt.tops);
}

void session_free(session *s) {
    if (!s) return;
    session_free(s->shadow);
    kv_cache_free(s->cache);
    stream_decoder_free(s->decoder);
    buf_free(&s->text);
    memory_release(s->all.item);
    memory_release(s->logp);
    memory_release(s->tops);
    memory_release(s->of_prompt.logp);
    memory_release(s->of_prompt.tops);
    memory_release(s);
}

void session_continue(session *s, const int32_t *more, int count, const sampling *o) {
    int same = 0;
    while (same < s->all.count && same < count && s->all.item[same] == more[same]) same++;
    if (s->cache->used > same) s->cache->used = same;
    if (s->cache->used >= count) s->cache->used = count - 1; /* the last token's logits are wanted */
    s->options = *o;
    if (o->prompt_logp) s->cache->used = 0; /* what was read before left no logits */
    s->all.count = 0;
    make_room(s, count);
    for (int i = 0; i < count; i++) push(s, more[i]);
    s->prompt = s->first = count;
    s->random = rng_new(o->seed, 0x73616d706c65);
    s->finish = o->max_new_tokens < 1 ? FINISH_LENGTH : FINISH_NONE;
    buf_clear(&s->text);
    s->told = 0;
    stream_decoder_free(s->decoder);
    s->decoder = s->g->m->tokenizer ? stream_decoder_new(s->g->m->tokenizer, true) : NULL;
}

/* ---- text: stop texts, whole characters ------------------------------------------------------------------------------------------ */

/* The longest end of the text that a stop text begins with: it is held back until more is known. */
static size_t held_back(const session *s) {
    size_t most = 0;
    for (int i = 0; i < s->options.stop_count; i++) {
        const str stop = str_of(s->options.stop[i]);
        for (size_t n = stop.len ? stop.len - 1 : 0; n > most; n--)
            if (n <= s->text.len && memcmp(s->text.ptr + s->text.len - n, stop.ptr, n) == 0) {
                most = n;
                break;
            }
    }
    return most;
}

static bool stop_found(session *s, size_t from) {
    ptrdiff_t first = -1;
    for (int i = 0; i < s->options.stop_count; i++) {
        const str stop = str_of(s->options.stop[i]);
        if (!stop.len) continue;
        const size_t begin = from > stop.len ? from - stop.len : 0;
        const ptrdiff_t at = str_find(buf_str(&s->text), stop, begin);
        if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    if (first < 0) return false;
    s->text.len = (size_t)first;
    s->text.ptr[first] = 0;
    return true;
}

static void tell(session *s, bool all) {
    const size_t end = all ? s->text.len : s->text.len - held_back(s);
    if (end <= s->told) return;
    const str piece = {s->text.ptr + s->told, end - s->told};
    s->told = end;
    if (s->listen && !s->listen(s->self, piece) && s->finish == FINISH_NONE) s->finish = FINISH_CALLER;
}

static void finish(session *s, finish_reason why) {
    if (s->finish == FINISH_NONE) s->finish = why;
    if (s->decoder && why != FINISH_STOP) {
        const size_t from = s->text.len;
        stream_decoder_flush(s->decoder, &s->text);
        if (stop_found(s, from)) s->finish = FINISH_STOP;
    }
    tell(s, true);
}

/* A token was drawn: it joins the sequence, its text goes out, and perhaps the answer is over. */
static void accept(session *s, int id, float logp, const token_top *tops) {
    push(s, id);
    if (s->shadow) push(s->shadow, id);
    const int answered = s->all.count - s->first, k = s->options.tops;
    s->logp[answered - 1] = logp;
    if (k) memcpy(s->tops + (answered - 1) * k, tops, (size_t)k * sizeof *tops);
    if (!s->options.ignore_eos && is_eos(s, id)) {
        finish(s, FINISH_EOS);
        return;
    }
    if (s->decoder) {
        const size_t from = s->text.len;
        stream_decoder_push(s->decoder, id, &s->text);
        if (stop_found(s, from)) {
            finish(s, FINISH_STOP);
            return;
        }
        tell(s, false);
    }
    const int positions = position_limit(s->g->m);
    if (answered >= s->options.max_new_tokens) finish(s, FINISH_LENGTH);
    else if (positions > 0 && s->all.count >= positions) finish(s, FINISH_FULL);
}

/* ---- passes ------------------------------------------------------------------------------------------------------------------------ */

static int waiting(const session *s) { return s->all.count - s->cache->used; }

/* Another session of the list that is further into the same prompt, whose cache can be copied. */
static session *leader_of(session **list, int index, bool *wait) {
    session *s = list[index];
    *wait = false;
    if (s->cache->used || s->all.count != s->prompt || s->options.prompt_logp) return NULL;
    for (int i = 0; i < index; i++) {
        session *other = list[i];
        if (other->adapter != s->adapter || other->prompt != s->prompt ||
            memcmp(other->all.item, s->all.item, (size_t)s->prompt * 4))
            continue;
        if (other->cache->used < s->prompt) {
            if (other->finish != FINISH_NONE) continue;
            *wait = true;
        }
        return other;
    }
    return NULL;
}

typedef struct {
    session **member;
    int *take; /* tokens of each in this pass */
    int count, tokens;
} pass;

static void take_prompt(session *s, const session *leader) {
    kv_cache_reserve(s->cache, s->prompt + 64);
    kv_cache_copy(s->cache, leader->cache, s->prompt - 1);
    s->cache->used = s->prompt - 1;
}

/* Which sessions take part, all with the adapter of the first one that has something to do. */
static pass plan_pass(const engine *g, arena *a, session **list, int count, const bool *done) {
    pass p = {.member = arena_array(a, session *, count), .take = arena_array(a, int, count)};
    const adapter *ad = NULL;
    for (int i = 0; i < count; i++) {
        session *s = list[i];
        if (s->finish != FINISH_NONE || done[i] || (p.count && s->adapter != ad)) continue;
        bool wait;
        session *leader = leader_of(list, i, &wait);
        if (wait) continue;
        if (leader) { /* all but the last prompt token, whose logits this session needs itself */
            take_prompt(s, leader);
            if (s->shadow) take_prompt(s->shadow, leader->shadow);
        }
        int take = waiting(s);
        if (p.tokens + take > g->pass_tokens) take = g->pass_tokens - p.tokens;
        if (take <= 0) continue;
        ad = s->adapter;
        p.member[p.count] = s;
        p.take[p.count++] = take;
        p.tokens += take;
    }
    return p;
}

static float *logit_room(engine *g, int rows) {
    const size_t need = (size_t)rows * (size_t)g->m->config.vocab;
    if (need > g->logits_room) {
        g->logits = memory_resize(g->logits, need * sizeof(float));
        g->logits_room = need;
    }
    return g->logits;
}

/* Log-probabilities of the prompt's own tokens: rows begin .. of h [T, D] are its tokens cache->used .., `take` of them. */
static void read_prompt(engine *g, arena *a, tape *t, tensor *h, session *s, int begin, int take) {
    const int V = g->m->config.vocab, first = s->cache->used, k = s->options.tops;
    int32_t *rows = arena_array(a, int32_t, LOGIT_ROWS);
    for (int done = 0; done < take && first + done + 1 < s->prompt;) {
        int n = take - done < LOGIT_ROWS ? take - done : LOGIT_ROWS;
        if (first + done + n >= s->prompt) n = s->prompt - 1 - first - done;
        for (int i = 0; i < n; i++) rows[i] = begin + done + i;
        float *z = logit_room(g, n);
        tape_read(t, model_logits(g->m, t, op_rows(t, h, rows, n), s->adapter), z);
#pragma omp parallel for schedule(dynamic, 1) num_threads(g->samplers)
        for (int i = 0; i < n; i++) {
            sampler *mine = &g->sampler[omp_get_thread_num()];
            const int at = first + done + i;
            const float *row = z + (size_t)i * (size_t)V;
            s->of_prompt.logp[at] = logit_logp(mine, row, V, s->all.item[at + 1], 1);
            if (k) logit_tops(mine, row, V, k, s->of_prompt.tops + at * k);
        }
        done += n;
        s->of_prompt.known = first + done;
    }
}

/* One forward pass; logits of the sessions whose tokens are all in go to g->logits. Returns how many rows that are. */
static int forward(engine *g, arena *a, const pass *p, int *row_of) {
    int32_t *ids = arena_array(a, int32_t, p->tokens), *position = arena_array(a, int32_t, p->tokens),
            *last = arena_array(a, int32_t, p->count);
    span *spans = arena_array(a, span, p->count);
    int at = 0, rows = 0;
    for (int i = 0; i < p->count; i++) {
        session *s = p->member[i];
        if (s->cache->used + p->take[i] > s->cache->capacity) kv_cache_reserve(s->cache, 2 * s->cache->capacity + p->take[i]);
        memcpy(ids + at, s->all.item + s->cache->used, (size_t)p->take[i] * sizeof *ids);
        spans[i] = (span){.begin = at, .length = p->take[i], .parent = -1, .cache = s->cache};
        row_of[i] = p->take[i] == waiting(s) ? rows : -1;
        at += p->take[i];
        if (row_of[i] >= 0) last[rows++] = at - 1;
    }
    layout_positions(spans, p->count, position);
    const layout l = {p->tokens, p->count, spans, position};
    tape *t = tape_new(g->m->backend, g->pool, (tape_options){.compute = g->compute});
    tensor *h = model_forward(g->m, t, &(model_batch){ids, &l}, p->member[0]->adapter);
    for (int i = 0; i < p->count; i++)
        if (p->member[i]->options.prompt_logp) read_prompt(g, a, t, h, p->member[i], spans[i].begin, p->take[i]);
    if (rows) tape_read(t, model_logits(g->m, t, op_rows(t, h, last, rows), p->member[0]->adapter), logit_room(g, rows));
    tape_free(t);
    for (int i = 0; i < p->count; i++) p->member[i]->cache->used += p->take[i];
    return rows;
}

void engine_mix(engine *g, const engine_mixture *m) { g->mix = *m; }

void logits_mix(float *z, const float *other, size_t n, double share) {
    for (size_t i = 0; i < n; i++) z[i] = (float)(share * (double)other[i] + (1 - share) * (double)z[i]);
}

/* The same tokens through the other model; its logits stand in the same rows. */
static void mix_in(engine *g, arena *a, const pass *p, int rows) {
    pass q = {.member = arena_array(a, session *, p->count), .take = p->take, .count = p->count, .tokens = p->tokens};
    int *row_of = arena_array(a, int, p->count);
    for (int i = 0; i < p->count; i++) q.member[i] = p->member[i]->shadow;
    forward(g->mix.other, a, &q, row_of);
    logits_mix(g->logits, g->mix.other->logits, (size_t)rows * (size_t)g->m->config.vocab, g->mix.share);
}

/* Every row by any thread with its own session's random numbers; what follows (text, listeners) in order, by this one. */
static void draw_tokens(engine *g, arena *a, const pass *p, const int *row_of) {
    const int V = g->m->config.vocab;
    int *id = arena_array(a, int, p->count);
    float *logp = arena_array(a, float, p->count);
    token_top **tops = arena_array(a, token_top *, p->count);
    for (int i = 0; i < p->count; i++) tops[i] = arena_array(a, token_top, p->member[i]->options.tops);
#pragma omp parallel for schedule(dynamic, 1) num_threads(g->samplers) if (p->count > 1)
    for (int i = 0; i < p->count; i++) {
        if (row_of[i] < 0) continue;
        session *s = p->member[i];
        sampler *mine = &g->sampler[omp_get_thread_num()];
        const float *z = g->logits + (size_t)row_of[i] * (size_t)V;
        id[i] = sample_token(mine, z, V, s->all.item, s->all.count, &s->options, &s->random);
        logp[i] = logit_logp(mine, z, V, id[i], s->options.logp_temperature > 0 ? s->options.logp_temperature : 1);
        if (s->options.tops) logit_tops(mine, z, V, s->options.tops, tops[i]);
    }
    for (int i = 0; i < p->count; i++)
        if (row_of[i] >= 0) accept(p->member[i], id[i], logp[i], tops[i]);
}

bool engine_step(engine *g, session **sessions, int count, err *e) {
    (void)e;
    arena *a = arena_new();
    bool *done = arena_array(a, bool, count);
    for (;;) { /* one pass per adapter */
        const pass p = plan_pass(g, a, sessions, count, done);
        if (!p.count) break;
        int *row_of = arena_array(a, int, p.count);
        const int rows = forward(g, a, &p, row_of);
        if (g->mix.other) mix_in(g, a, &p, rows);
        draw_tokens(g, a, &p, row_of);
        for (int i = 0; i < count; i++)
            for (int k = 0; k < p.count; k++)
                if (sessions[i] == p.member[k]) done[i] = true;
    }
    arena_free(a);
    return true;
}

bool engine_run(engine *g, session **sessions, int count, bool (*stop)(void), err *e) {
    for (;;) {
        bool busy = false;
        for (int i = 0; i < count; i++) busy |= sessions[i]->finish == FINISH_NONE;
        if (!busy) return true;
        if (stop && stop()) return err_set(e, ERR_STOPPED, "stopped while generating");
        if (!engine_step(g, sessions, count, e)) return false;
    }
}

/* ---- what came out ------------------------------------------------------------------------------------------------------------------- */

str session_text(const session *s) { return buf_str(&s->text); }
str session_told(const session *s) { return str_slice(buf_str(&s->text), 0, s->told); }

const int32_t *session_ids(const session *s, int *count) {
    *count = s->all.count - s->first;
    return s->all.item + s->first;
}

const float *session_logps(const session *s) { return s->logp; }
finish_reason session_finish(const session *s) { return s->finish; }
int session_prompt_tokens(const session *s) { return s->prompt; }
const token_top *session_tops(const session *s) { return s->tops; }
const token_top *session_prompt_tops(const session *s) { return s->of_prompt.tops; }

const float *session_prompt_logps(const session *s, int *count) {
    *count = s->of_prompt.known;
    return s->of_prompt.logp;
}

/* ---- what sessions share --------------------------------------------------------------------------------------------------------- */

int session_common(const session *s, const session *with) {
    if (s->g != with->g || s->adapter != with->adapter || s->options.prompt_logp) return 0;
    int most = with->cache->used < s->prompt - 1 ? with->cache->used : s->prompt - 1,
        same = 0; /* the last one's logits are wanted */
    while (same < most && s->all.item[same] == with->all.item[same]) same++;
    return same;
}

int session_borrow(session *s, const session *from) {
    const int same = session_common(s, from);
    if (same <= s->cache->used || s->all.count != s->prompt) return 0;
    kv_cache_reserve(s->cache, s->prompt + 64);
    kv_cache_copy(s->cache, from->cache, same);
    s->cache->used = same;
    return same;
}

size_t model_token_bytes(const model *m) {
    const model_config *c = &m->config;
    return 2 * sizeof(float) * (size_t)c->layers * (size_t)(c->kv_heads * c->head_dim);
}

int session_pending(const session *s) { return waiting(s); }
const adapter *session_adapter(const session *s) { return s->adapter; }
size_t session_bytes(const session *s) { return (size_t)s->cache->capacity * model_token_bytes(s->g->m); }

/* ---- scoring given tokens --------------------------------------------------------------------------------------------------------------- */

/* One ragged pass over sequences first .. last-1. */
static void score_pass(const model *m, const adapter *ad, tape *t, arena *a, const int32_t *const *ids, const int *length,
                       int first, int last, float **logp) {
    int T = 0, R = 0;
    for (int i = first; i < last; i++) {
        T += length[i];
        R += length[i] > 0 ? length[i] - 1 : 0;
    }
    int32_t *id = arena_array(a, int32_t, T), *position = arena_array(a, int32_t, T), *rows = arena_array(a, int32_t, R),
            *target = arena_array(a, int32_t, R);
    float *out = arena_array(a, float, R);
    span *spans = arena_array(a, span, last - first);
    for (int i = first, at = 0, r = 0; i < last; at += length[i++]) {
        memcpy(id + at, ids[i], (size_t)length[i] * sizeof *id);
        spans[i - first] = (span){.begin = at, .length = length[i], .parent = -1};
        for (int k = 0; k + 1 < length[i]; k++, r++) {
            rows[r] = at + k;
            target[r] = ids[i][k + 1];
        }
    }
    layout_positions(spans, last - first, position);
    const layout l = {T, last - first, spans, position};
    tensor *h = model_forward(m, t, &(model_batch){id, &l}, ad);
    if (R)
        op_logp(t, op_rows(t, h, rows, R), model_head(m, ad), m->head_bias,
                &(logp_form){.target = target, .columns = {.logp = out}});
    for (int i = first, r = 0; i < last; i++)
        for (int k = 0; k + 1 < length[i]; k++) logp[i][k] = out[r++];
}

bool model_fits(const model *m, const int32_t *ids, int length, int number, err *e) {
    if (length < 1) return err_set(e, ERR_INPUT, "sequence %d is empty: it needs at least one token", number + 1);
    if (position_limit(m) && length > position_limit(m))
        return err_set(e, ERR_LIMIT, "sequence %d has %d tokens, the model knows %d positions", number + 1, length,
                       position_limit(m));
    for (int k = 0; k < length; k++)
        if (ids[k] < 0 || ids[k] >= m->config.vocab)
            return err_set(e, ERR_INPUT, "token %d of sequence %d is %d, the model knows 0 to %d", k, number + 1, ids[k],
                           m->config.vocab - 1);
    return true;
}

bool model_score(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length, int count,
                 float **logp, err *e) {
    if (!model_writes(m, ad, e)) return false;
    for (int i = 0; i < count; i++)
        if (length[i] && !model_fits(m, ids[i], length[i], i, e)) return false;
    pool *memory_of_passes = pool_new();
    for (int first = 0, last; first < count; first = last) {
        int T = 0;
        for (last = first; last < count && (last == first || T + length[last] <= PASS_TOKENS); last++) T += length[last];
        arena *a = arena_new();
        tape *t = tape_new(m->backend, memory_of_passes, (tape_options){.compute = compute});
        score_pass(m, ad, t, a, ids, length, first, last, logp);
        tape_free(t);
        arena_free(a);
    }
    pool_free(memory_of_passes);
    return true;
}

bool model_seconds_per_token(const model *m, compute_type compute, double *out, err *e) {
    enum { MOST = 128, LEAST = 16 };
    const double wanted = 2e10 / (double)model_parameter_count(m); /* tokens that are some 40 GFLOP */
    int length = wanted > MOST ? MOST : wanted < LEAST ? LEAST : (int)wanted;
    if (position_limit(m) && length > position_limit(m)) length = position_limit(m);
    int32_t ids[MOST] = {0};
    float logp[MOST];
    const int32_t *sequence = ids;
    float *row = logp;
    double begun = 0;
    for (int turn = 0; turn < 3; turn++) { /* the first wakes memory and threads up */
        if (turn == 1) begun = sys_seconds();
        if (m->head ? !model_score(m, NULL, compute, &sequence, &length, 1, &row, e)
                    : !model_rewards(m, NULL, compute, &sequence, &length, 1, row, e))
            return false;
    }
    *out = (sys_seconds() - begun) / (2 * length);
    return true;
}
