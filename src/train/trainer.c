/* trainer.c - making a run ready: models, adapter, optimiser state, rows; saving and loading its state. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "train/loop.h"

static void close_backend(void *b) { backend_close(b); }

typedef struct {
    backend *b;
    void *at;
} held;
static void let_go(void *thing) {
    const held *h = thing;
    h->b->free(h->b, h->at);
}

size_t trainer_state_size(const trainer *t, int which, const weight_shape *w) {
    return t->optimizer.kind->state[which] ? t->optimizer.kind->state_size(t->optimizer.own, which, w) : 0;
}

static float *state_of(trainer *t, int which, const weight_shape *w) {
    const size_t n = trainer_state_size(t, which, w);
    if (!n || t->policy->measured) return NULL;
    held *h = arena_new_of(t->arena, held);
    *h = (held){t->backend, t->backend->alloc(t->backend, n * sizeof(float))};
    arena_defer(t->arena, let_go, h);
    return h->at;
}

static bool is_embedding(const model *m, const adapter *ad, const weight *w) {
    if (w == m->head || (ad && (w == ad->embedding || w == ad->lm_head))) return true;
    for (int i = 0; i < m->count; i++)
        if (m->parameters[i].w == w) return m->parameters[i].layer < 0;
    return false;
}

static void add_weight(trainer *t, weight *w, const char *name) {
    trained *x = &t->weights[t->count++];
    *x = (trained){.w = w,
                   .name = name,
                   .shape = {w->rows, w->cols, w->matrix, w->matrix && !is_embedding(t->policy, t->adapter, w)},
                   .decays = parameter_decays(name)};
    for (int k = 0; k < OPTIMIZER_STATES && t->optimizer.kind->state[k]; k++) x->state[k] = state_of(t, k, &x->shape);
}

bool trainer_has_values(const trainer *t) {
    return t->s->objective->policy == POLICY_WRITES && objective_needs(t->s->objective, t->s->own) & NEEDS(COLUMN_VALUE);
}

/* Begins at zero: at first every state is worth nothing. */
static void add_value_head(trainer *t) {
    const int D = t->policy->config.hidden;
    if (t->policy->measured) t->value_head = weight_measured(t->arena, t->backend, "v_head.weight", 1, D, true, TYPE_F32, true);
    else
        t->value_head = weight_new(t->arena, t->backend, "v_head.weight", 1, D, true, TYPE_F32, arena_array(t->arena, float, D),
                                   TYPE_F32, true);
    add_weight(t, t->value_head, t->value_head->name);
}

static void add_adapter(trainer *t, const adapter *ad, const char *prefix) {
    int count;
    weight **own = adapter_weights(t->arena, ad, &count);
    for (int i = 0; i < count; i++) add_weight(t, own[i], arena_printf(t->arena, "%s%s", prefix, own[i]->name));
}

/* Values by a head on the policy's layers, or by an adapter of their own that begins as a reward model. */
static bool add_values(trainer *t, err *e) {
    const char *path = t->s->rollout ? t->s->rollout->value_model : NULL;
    if (!path) return add_value_head(t), true;
    if (!t->adapter)
        return err_set(e, ERR_UNSUPPORTED, "value_model is a second adapter on the policy's frozen base: train with --use-peft");
    if (!(t->value_adapter = adapter_open(t->arena, t->policy, path, true, e))) return err_prefix(e, "value_model");
    if (!t->value_adapter->score || t->value_adapter->score->rows != 1)
        return err_set(e, ERR_USAGE, "value_model %s has no score head of one number: 'fettle train reward --use-peft' makes one",
                       path);
    add_adapter(t, t->value_adapter, "value.");
    return true;
}

lora_options trainer_lora(const train_options *o) {
    return (lora_options){.r = (int)o->lora_r,
                          .alpha = o->lora_alpha,
                          .dropout = o->lora_dropout,
                          .rslora = o->use_rslora,
                          .dora = o->use_dora,
                          .targets = o->lora_target_modules.item,
                          .target_count = o->lora_target_modules.count,
                          .whole = o->modules_to_save.item,
                          .whole_count = o->modules_to_save.count};
}

bool trainer_weights(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    if (!optimizer_choose(t->arena, o->optim, o->optim_args, &t->optimizer, e)) return false;
    t->rates = (optimizer_rates){o->adam_beta1, o->adam_beta2, o->adam_epsilon, train_learning_rate(t->s)};
    t->weights = arena_array(t->arena, trained, t->policy->count * 6 + 10);
    const bool adapts = o->use_peft || o->adapter;
    if (o->adapter) {
        if (!(t->adapter = adapter_open(t->arena, t->policy, o->adapter, true, e))) return false;
        t->adapter->options.dropout = o->lora_dropout;
    } else if (adapts) {
        const lora_options l = trainer_lora(o);
        if (!(t->adapter = adapter_new(t->arena, t->policy, &l, (uint64_t)o->seed, true, e))) return false;
    }
    if (adapts) add_adapter(t, t->adapter, "");
    for (int i = 0; !adapts && i < t->policy->count; i++)
        add_weight(t, t->policy->parameters[i].w, t->policy->parameters[i].name);
    return !trainer_has_values(t) || add_values(t, e);
}

static double epochs_of(const train_settings *s) {
    const bool counts = s->rollout && s->objective->iterations;
    return counts ? (double)s->objective->iterations(s->own) : s->o.num_train_epochs;
}

bool trainer_open(arena *a, const train_settings *s, const char *folder, const rows_how *how, trainer *t, err *e) {
    const train_options *o = &s->o;
    *t = (trainer){
        .arena = a, .s = s, .compute = strcmp(o->dtype, "float32") == 0 ? COMPUTE_F32 : COMPUTE_BF16, .pool = pool_new()};
    if (!(t->backend = backend_open(NULL, e))) return false;
    arena_defer(a, close_backend, t->backend);
    if (!model_is_known(o->base, e) ||
        !(t->text = model_open_text(a, o->tokenizer ? o->tokenizer : o->base, &(model_options){.chat_template = o->chat_template},
                                    e)) ||
        !(t->rows = rows_prepare(a, t->text, s, folder, how, e)))
        return false;
    rows_how other = how ? *how : (rows_how){.quiet = true};
    other.held_out = true;
    other.keep = NULL;
    if ((o->eval_data.count || o->eval_percent > 0) && !(t->held = rows_prepare(a, t->text, s, folder, &other, e))) return false;
    t->units = rows_count(t->rows) / trainer_rows_per_unit(t);
    t->per_micro = o->per_device_train_batch_size;
    t->per_step = t->per_micro * o->gradient_accumulation_steps;
    if (s->rollout && !rollout_fits(t, e)) return false;
    if (t->units > 0)
        t->steps = o->max_steps > 0 ? o->max_steps : (int64_t)ceil(epochs_of(s) * (double)trainer_steps_per_epoch(t));
    return true;
}

model_options trainer_policy_options(const trainer *t) {
    static const head_kind heads[] = {
        [POLICY_WRITES] = HEAD_WRITES, [POLICY_SCORES] = HEAD_SCORES, [POLICY_LABELS] = HEAD_LABELS};
    const train_options *o = &t->s->o;
    return (model_options){.compute = t->compute,
                           .train = !o->use_peft && !o->adapter,
                           .chat_template = o->chat_template,
                           .head = heads[t->s->objective->policy],
                           .labels = objective_values(t->s->objective, t->s->own),
                           .seed = (uint64_t)o->seed};
}

/* A policy that writes has to be a language model; a head that scores has to have as many outputs as the loss reads. */
static bool right_head(const trainer *t, err *e) {
    const int have = model_label_count(t->policy, t->adapter), want = objective_values(t->s->objective, t->s->own);
    if (t->s->objective->policy == POLICY_WRITES) return model_writes(t->policy, t->adapter, e);
    return have == want || err_set(e, ERR_USAGE, "the head of %s has %d outputs, %s here wants %d", t->policy->path, have,
                                   t->s->objective->name, want);
}

/* A base without a tokenizer is saved with the one that made the rows. */
static void lend_text(const trainer *t) {
    model *m = t->policy;
    if (m->tokenizer) return;
    m->tokenizer = t->text->tokenizer;
    m->chat = t->text->chat;
}

bool trainer_models(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    const model_options m = trainer_policy_options(t);
    if (!(t->policy = model_open(t->arena, t->backend, o->base, &m, e))) return false;
    lend_text(t);
    if (t->policy->config.positions && rows_counts(t->rows)->longest_document > t->policy->config.positions &&
        (!o->max_length || o->max_length > t->policy->config.positions))
        return err_set(e, ERR_REFUSED, "the longest row has %lld tokens, the model knows %d positions: set max_length",
                       (long long)rows_counts(t->rows)->longest_document, t->policy->config.positions);
    t->reference_rows = t->s->rollout ? rollout_size(t->s) : rows_count(t->rows);
    t->reference_logp = arena_array(t->arena, float *, t->reference_rows + 1);
    if (t->held) t->held_logp = arena_array(t->arena, float *, rows_count(t->held) + 1);
    return trainer_weights(t, e) && right_head(t, e) && teacher_open(t, e) && reference_open(t, e) &&
           (!t->s->rollout || rollout_open(t, e));
}

void trainer_close(trainer *t) {
    rollout_close(t);
    reference_close(t);
    pool_free(t->pool);
    t->pool = NULL;
}

void trainer_update(trainer *t, double lr, double grad_scale, int64_t step) {
    for (int i = 0; i < t->count; i++) {
        trained *x = &t->weights[i];
        weight_update u = {.backend = t->backend,
                           .shape = x->shape,
                           .values = x->w->values,
                           .grad = x->w->grad,
                           .grad_scale = grad_scale,
                           .lr = lr,
                           .weight_decay = x->decays ? t->s->o.weight_decay : 0,
                           .step = step,
                           .rates = &t->rates};
        memcpy(u.state, x->state, sizeof u.state);
        t->optimizer.kind->update(t->optimizer.own, &u);
        weight_refresh(t->backend, x->w);
    }
}

/* ---- state ------------------------------------------------------------------------------------------------------------------------------ */

static tensor_to_write written(const char *name, int height, int width, const float *data) {
    return (tensor_to_write){.name = name,
                             .type = "F32",
                             .dims = 2,
                             .shape = {height, width},
                             .data = data,
                             .bytes = 4 * (size_t)height * (size_t)width};
}

static bool save_weights(const trainer *t, const char *path, err *e) {
    arena *a = arena_new();
    tensor_to_write *w = arena_array(a, tensor_to_write, t->count + 1);
    for (int i = 0; i < t->count; i++) {
        const trained *x = &t->weights[i];
        w[i] = written(x->name, x->w->rows, x->w->cols, x->w->values);
    }
    const bool ok = safetensors_write(path, w, t->count, NULL, NULL, e);
    arena_free(a);
    return ok;
}

/* "STATE.WEIGHT" as flat arrays. */
static bool save_optimizer(const trainer *t, const char *path, err *e) {
    arena *a = arena_new();
    tensor_to_write *w = arena_array(a, tensor_to_write, OPTIMIZER_STATES * t->count + 1);
    int n = 0;
    for (int i = 0; i < t->count; i++)
        for (int k = 0; k < OPTIMIZER_STATES; k++) {
            const trained *x = &t->weights[i];
            if (!x->state[k]) continue;
            w[n++] = written(arena_printf(a, "%s.%s", t->optimizer.kind->state[k], x->name), 1,
                             (int)trainer_state_size(t, k, &x->shape), x->state[k]);
        }
    const bool ok = safetensors_write(path, w, n, NULL, NULL, e);
    arena_free(a);
    return ok;
}

bool trainer_save(const trainer *t, const char *folder, err *e) {
    arena *a = arena_new();
    buf out = {0};
    buf_printf(&out, "{\"step\": %lld, \"num_tokens\": %.0f, \"carry\": [", (long long)t->step, t->num_tokens);
    for (int i = 0; i < OBJECTIVE_CARRY; i++) buf_printf(&out, "%s%.17g", i ? ", " : "", t->carry[i]);
    buf_put_text(&out, "], \"guard\": [");
    for (int i = 0; i < GUARD_NUMBERS; i++) buf_printf(&out, "%s%.17g", i ? ", " : "", t->guard[i]);
    buf_put_text(&out, "]}\n");
    const bool ok = save_weights(t, path_join(a, folder, "weights.safetensors"), e) &&
                    save_optimizer(t, path_join(a, folder, "optimizer.safetensors"), e) &&
                    reference_save(t, path_join(a, folder, "reference.safetensors"), e) &&
                    rollout_save(t, path_join(a, folder, CHECKPOINT_ROLLOUTS), e) &&
                    file_write(path_join(a, folder, "trainer.json"), buf_str(&out), e);
    buf_free(&out);
    arena_free(a);
    return ok;
}

static bool load_values(const tensor_file *f, const char *name, float *to, size_t n, err *e) {
    const file_tensor *t = tensor_file_find(f, name);
    if (!t || t->bytes != 4 * n)
        return err_set(e, ERR_INPUT, "the checkpoint has no '%s' of this size: was it made with other settings?", name);
    memcpy(to, t->data, t->bytes);
    return true;
}

static bool load_weight(arena *a, trainer *t, trained *x, const tensor_file *weights, const tensor_file *state, err *e) {
    bool ok = load_values(weights, x->name, x->w->values, (size_t)x->w->rows * (size_t)x->w->cols, e);
    for (int k = 0; ok && k < OPTIMIZER_STATES; k++)
        if (x->state[k])
            ok = load_values(state, arena_printf(a, "%s.%s", t->optimizer.kind->state[k], x->name), x->state[k],
                             trainer_state_size(t, k, &x->shape), e);
    if (ok) weight_refresh(t->backend, x->w);
    return ok;
}

bool trainer_load(trainer *t, const char *folder, int64_t step, err *e) {
    arena *a = arena_new();
    tensor_file weights, state;
    const json *j = json_parse_file(a, path_join(a, folder, "trainer.json"), 1 << 20, e);
    bool ok = j && safetensors_open(a, path_join(a, folder, "weights.safetensors"), &weights, e) &&
              safetensors_open(a, path_join(a, folder, "optimizer.safetensors"), &state, e) &&
              reference_load(t, path_join(a, folder, "reference.safetensors"), e);
    for (int i = 0; ok && i < t->count; i++) ok = load_weight(a, t, &t->weights[i], &weights, &state, e);
    t->step = step;
    ok = ok && rollout_load(t, path_join(a, folder, CHECKPOINT_ROLLOUTS), e);
    t->num_tokens = json_get_real(j, "num_tokens", 0);
    for (int i = 0; i < OBJECTIVE_CARRY; i++) t->carry[i] = json_real(json_at(json_get(j, "carry"), (size_t)i), 0);
    for (int i = 0; i < GUARD_NUMBERS; i++) t->guard[i] = json_real(json_at(json_get(j, "guard"), (size_t)i), 0);
    arena_free(a);
    return ok;
}
