/* reference.c - the frozen model a policy is compared with: which one it is, its log-probabilities, how it may follow the policy. */
#include <string.h>

#include "train/loop.h"

/* ---- which model ------------------------------------------------------------------------------------------------------------------ */

bool reference_wanted(const trainer *t) { return trainer_needs(t) & NEEDS(COLUMN_REF_LOGP); }

/* It becomes the policy again and again. */
static bool renews(const trainer *t) { return t->s->rollout && t->s->objective->renews; }

/* Another adapter like the policy's new one, at zero: the base itself, until it is renewed. */
static adapter *same_adapter(trainer *t, err *e) {
    lora_options l = trainer_lora(&t->s->o);
    l.dropout = 0;
    return adapter_new(t->arena, t->policy, &l, (uint64_t)t->s->o.seed, false, e);
}

/* An adapter that only starts at zero (B = 0) is the reference when switched off; one that was trained before needs a frozen copy. */
static bool freeze_adapter(trainer *t, err *e) {
    bool fresh = !t->s->o.adapter || (!t->adapter->embedding && !t->adapter->lm_head);
    for (int i = 0; i < t->adapter->count && fresh; i++) {
        const weight *B = t->adapter->entry[i].B;
        fresh = values_sum_squares(t->backend, B->values, (size_t)B->rows * (size_t)B->cols) == 0;
    }
    if (renews(t) && !t->s->o.adapter) return (t->reference_adapter = same_adapter(t, e)) != NULL;
    return (fresh && !renews(t)) || (t->reference_adapter = adapter_open(t->arena, t->policy, t->s->o.adapter, false, e)) != NULL;
}

static bool same_shapes(const trainer *t, err *e) {
    const model *p = t->policy, *r = t->reference;
    bool same = p->count == r->count;
    for (int i = 0; same && i < p->count; i++)
        same = p->parameters[i].w->rows == r->parameters[i].w->rows && p->parameters[i].w->cols == r->parameters[i].w->cols;
    return same || err_set(e, ERR_USAGE, "a reference that follows the policy has its shapes, and %s has other ones than %s",
                           r->path, p->path);
}

bool reference_open(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    const model_options frozen = {.compute = t->compute, .no_text = true};
    if (!reference_wanted(t)) return true;
    if (!o->reference && t->adapter) return freeze_adapter(t, e);
    t->reference = model_open(t->arena, t->backend, o->reference ? o->reference : o->base, &frozen, e);
    return t->reference && model_writes(t->reference, NULL, e) && ((!o->sync_ref_model && !renews(t)) || same_shapes(t, e));
}

/* ---- log-probabilities -------------------------------------------------------------------------------------------------------------- */

static void forget_rows(float **kept, int64_t count) {
    for (int64_t i = 0; kept && i < count; i++) {
        memory_release(kept[i]);
        kept[i] = NULL;
    }
}

void reference_forget(trainer *t) {
    forget_rows(t->reference_logp, t->reference_rows);
    if (t->held) forget_rows(t->held_logp, rows_count(t->held));
}

void reference_close(trainer *t) {
    reference_forget(t);
    t->reference_logp = t->held_logp = NULL;
}

static void compute(trainer *t, const piece *p, float *out) {
    const model *m = t->reference ? t->reference : t->policy;
    tape *tp = tape_new(t->backend, t->pool, (tape_options){.compute = t->compute});
    tensor *h = op_rows(tp, model_forward(m, tp, &(model_batch){p->ids, &p->layout}, t->reference_adapter), p->head_row, p->R);
    op_logp(tp, h, model_head(m, t->reference_adapter), m->head_bias,
            &(logp_form){.target = p->target, .columns = {.logp = out}, .scale = trainer_logit_scale(t)});
    tape_free(tp);
}

void reference_pass(trainer *t, const piece *p, float *out) {
    bool known = true;
    for (int i = 0; i < p->rows; i++) known &= t->reference_logp[p->index[i]] != NULL;
    if (!known) compute(t, p, out);
    for (int i = 0, at = 0; i < p->rows; i++) {
        const int n = row_trained(&p->row[i]);
        float **kept = &t->reference_logp[p->index[i]];
        if (known) memcpy(out + at, *kept, (size_t)n * sizeof *out);
        else if (!*kept) *kept = memcpy(memory_alloc((size_t)(n + 1) * sizeof **kept), out + at, (size_t)n * sizeof *out);
        at += n;
    }
}

/* ---- following the policy (TR-DPO, arXiv:2404.09656): ref = alpha policy + (1 - alpha) ref --------------------------------------------- */

static void mix_weight(backend *b, double alpha, const weight *from, weight *to) {
    const size_t n = (size_t)to->rows * (size_t)to->cols;
    float *x = memory_alloc(n * sizeof *x), *y = memory_alloc(n * sizeof *y);
    weight_read(b, from, x);
    weight_read(b, to, y);
    for (size_t i = 0; i < n; i++) y[i] = (float)(alpha * (double)x[i] + (1 - alpha) * (double)y[i]);
    weight_set(b, to, y);
    memory_release(x);
    memory_release(y);
}

/* Weights of the reference that move, and those of the policy that they follow: of the model, or of the adapter. */
typedef struct {
    weight **followed, **moved;
    int count;
} followers;

static weight **model_weights(arena *a, const model *m, int *count) {
    weight **list = arena_array(a, weight *, m->count + 1);
    for (*count = 0; *count < m->count; (*count)++) list[*count] = m->parameters[*count].w;
    return list;
}

static followers followers_of(arena *a, const trainer *t) {
    followers f;
    const bool adapts = t->reference_adapter;
    f.followed = adapts ? adapter_weights(a, t->adapter, &f.count) : model_weights(a, t->policy, &f.count);
    f.moved = adapts ? adapter_weights(a, t->reference_adapter, &f.count) : model_weights(a, t->reference, &f.count);
    return f;
}

static bool moves(const trainer *t) { return t->s->o.sync_ref_model || renews(t); }

/* An iteration is over: the policy as it is now is what the next one plays against. */
static bool iteration_ends(const trainer *t) { return renews(t) && t->step % rollout_epoch_steps(t) == 0; }

void reference_sync(trainer *t) {
    const train_options *o = &t->s->o;
    const bool ends = iteration_ends(t);
    if (!ends && (!o->sync_ref_model || t->step % o->ref_model_sync_steps)) return;
    arena *a = arena_new();
    const followers f = followers_of(a, t);
    for (int i = 0; i < f.count; i++) mix_weight(t->backend, ends ? 1 : o->ref_model_mixup_alpha, f.followed[i], f.moved[i]);
    arena_free(a);
    reference_forget(t);
}

/* A reference that has moved is part of a checkpoint. */
bool reference_save(const trainer *t, const char *path, err *e) {
    if (!moves(t)) return true;
    arena *a = arena_new();
    const followers f = followers_of(a, t);
    tensor_to_write *w = arena_array(a, tensor_to_write, f.count + 1);
    for (int i = 0; i < f.count; i++) {
        const weight *x = f.moved[i];
        const size_t n = (size_t)x->rows * (size_t)x->cols;
        float *values = arena_array(a, float, n);
        weight_read(t->backend, x, values);
        w[i] = (tensor_to_write){
            .name = x->name, .type = "F32", .dims = 2, .shape = {x->rows, x->cols}, .data = values, .bytes = n * sizeof *values};
    }
    const bool ok = safetensors_write(path, w, f.count, NULL, NULL, e);
    arena_free(a);
    return ok;
}

bool reference_load(trainer *t, const char *path, err *e) {
    if (!moves(t)) return true;
    arena *a = arena_new();
    const followers f = followers_of(a, t);
    tensor_file file;
    bool ok = safetensors_open(a, path, &file, e);
    for (int i = 0; ok && i < f.count; i++) {
        weight *w = f.moved[i];
        const file_tensor *x = tensor_file_find(&file, w->name);
        if (!x || x->bytes != 4 * (size_t)w->rows * (size_t)w->cols)
            ok = err_set(e, ERR_INPUT, "the checkpoint's reference has no '%s' of this size", w->name);
        else weight_set(t->backend, w, x->data);
    }
    arena_free(a);
    return ok;
}
