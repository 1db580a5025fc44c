/* rollout_sample.c - completions of a rollout by the engine, on the very weights in training: their packed copies are read where the step left
 * them, an adapter is applied where it sits. Sessions of a group stand side by side, so that their prompt is computed once; when one ends the
 * next completion takes its place, so the batch stays full. */
#include <string.h>

#include "base/rng.h"
#include "base/sys.h"
#include "train/loop.h"

enum { AT_ONCE = 64 }; /* sessions: bounds the memory of their caches */

static sampling sampling_of(const trainer *t, int64_t rollout_number, int which) {
    const rollout_options *o = t->s->rollout;
    const uint64_t seed = rng_mix(rng_mix((uint64_t)t->s->o.seed, (uint64_t)rollout_number), (uint64_t)which);
    return (sampling){.temperature = o->temperature,
                      .top_k = (int)o->top_k,
                      .top_p = o->top_p,
                      .min_p = o->min_p,
                      .repetition_penalty = o->repetition_penalty,
                      .max_new_tokens = (int)o->max_completion_length,
                      .seed = seed,
                      .logp_temperature = 1 / (double)trainer_logit_scale(t)};
}

/* The prompt's ids with the answer's behind them. */
static void keep_ids(rollout *r, completion *c, const row *prompt, const int32_t *ids, int n) {
    int32_t *all = arena_array(r->a, int32_t, prompt->length + n + 1);
    uint8_t *mask = arena_array(r->a, uint8_t, prompt->length + n + 1);
    memcpy(all, prompt->ids, (size_t)prompt->length * sizeof *all);
    memcpy(all + prompt->length, ids, (size_t)n * sizeof *all);
    memset(mask + prompt->length, MASK_TRAINED, (size_t)n);
    mask[0] |= MASK_BEGINS;
    const int role = c->row.role;
    c->row = *prompt;
    c->row.role = role;
    c->row.ids = all;
    c->row.mask = mask;
    c->row.prompt = prompt->length;
    c->row.length = prompt->length + n;
    c->row.label = 1;
    c->tokens = n;
}

static void keep_answer(rollout *r, completion *c, const row *prompt, const session *s) {
    int n;
    const int32_t *ids = session_ids(s, &n);
    keep_ids(r, c, prompt, ids, n);
    c->truncated = session_finish(s) != FINISH_EOS && session_finish(s) != FINISH_STOP;
    if (c->writer == WRITER_POLICY)
        c->sampler_logp = (float *)(void *)arena_copy(r->a, session_logps(s), (size_t)n * sizeof(float));
    c->text = (str){str_copy(r->a, session_text(s)), session_text(s).len};
}

typedef struct {
    engine *g;
    const adapter *adapter;
    writer_kind writer; /* whose completions these are */
    session *live[AT_ONCE];
    int of[AT_ONCE], count, next;
} batch;

static bool fill(trainer *t, rollout *r, batch *b, err *e) {
    while (b->count < AT_ONCE && b->next < r->count) {
        const int i = b->next++;
        if (r->item[i].writer != b->writer) continue;
        const row prompt = rollout_prompt(t, r->item[i].prompt);
        const sampling s = sampling_of(t, r->number, i);
        session *one = session_new(b->g, b->adapter, prompt.ids, prompt.length, &s, NULL, NULL, e);
        if (!one) return false;
        b->live[b->count] = one;
        b->of[b->count++] = i;
    }
    return true;
}

static void take_finished(trainer *t, rollout *r, batch *b) {
    int left = 0;
    for (int k = 0; k < b->count; k++) {
        if (session_finish(b->live[k]) == FINISH_NONE) {
            b->live[left] = b->live[k];
            b->of[left++] = b->of[k];
            continue;
        }
        completion *c = &r->item[b->of[k]];
        const row prompt = rollout_prompt(t, c->prompt);
        keep_answer(r, c, &prompt, b->live[k]);
        session_free(b->live[k]);
    }
    b->count = left;
}

static bool sample_with(trainer *t, rollout *r, const model *m, const adapter *ad, writer_kind writer, const engine_mixture *mix,
                        err *e) {
    batch b = {.g = engine_new(m, t->compute), .adapter = ad, .writer = writer};
    if (mix) engine_mix(b.g, mix);
    bool ok = true;
    while (ok && (b.next < r->count || b.count)) {
        if (sys_stop_requested()) ok = err_set(e, ERR_STOPPED, "stopped while writing completions");
        ok = ok && fill(t, r, &b, e) && engine_step(b.g, b.live, b.count, e);
        if (ok) take_finished(t, r, &b);
    }
    for (int k = 0; k < b.count; k++) session_free(b.live[k]);
    engine_free(b.g);
    return ok;
}

/* The answer that stands in the data. */
static void take_given(trainer *t, rollout *r) {
    for (int i = 0; i < r->count; i++) {
        completion *c = &r->item[i];
        if (c->writer != WRITER_DATA) continue;
        const row whole = rows_at(t->rows, c->prompt), prompt = rollout_prompt(t, c->prompt);
        const int n = whole.length - whole.prompt;
        buf text = {0};
        keep_ids(r, c, &prompt, whole.ids + whole.prompt, n);
        tokenizer_decode(t->text->tokenizer, whole.ids + whole.prompt, n, true, &text);
        c->text = (str){str_copy(r->a, buf_str(&text)), text.len};
        buf_free(&text);
    }
}

/* Two engines side by side, whose logits are mixed for every token. */
static bool sample_mixed(trainer *t, rollout *r, const model *reference, err *e) {
    if (reference->head->rows != t->policy->head->rows)
        return err_set(e, ERR_USAGE, "the reference has %d tokens, the policy %d: a mixture wants the same",
                       reference->head->rows, t->policy->head->rows);
    engine *other = engine_new(reference, t->compute);
    const engine_mixture mix = {other, t->reference_adapter, t->s->objective->mixture(t->s->own)};
    const bool ok = sample_with(t, r, t->policy, t->adapter, WRITER_MIXTURE, &mix, e);
    engine_free(other);
    return ok;
}

static bool any_of(const rollout *r, writer_kind writer) {
    for (int i = 0; i < r->count; i++)
        if (r->item[i].writer == writer) return true;
    return false;
}

bool rollout_sample(trainer *t, rollout *r, err *e) {
    const model *const reference = t->reference ? t->reference : t->policy;
    take_given(t, r);
    return (!any_of(r, WRITER_POLICY) || sample_with(t, r, t->policy, t->adapter, WRITER_POLICY, NULL, e)) &&
           (!any_of(r, WRITER_REFERENCE) || sample_with(t, r, reference, t->reference_adapter, WRITER_REFERENCE, NULL, e)) &&
           (!any_of(r, WRITER_MIXTURE) || sample_mixed(t, r, reference, e)) &&
           (!any_of(r, WRITER_TEACHER) || sample_with(t, r, t->teacher, NULL, WRITER_TEACHER, NULL, e));
}
