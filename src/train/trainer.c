/* trainer.c - making a run ready: models, adapter, optimiser state, rows; saving and loading its state; measuring its memory. */
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

static float *state_of(trainer *t, const weight *w) {
    held *h = arena_new_of(t->arena, held);
    *h = (held){t->backend, t->backend->alloc(t->backend, (size_t)w->rows * (size_t)w->cols * sizeof(float))};
    arena_defer(t->arena, let_go, h);
    return h->at;
}

static void add_weight(trainer *t, weight *w, const char *name) {
    t->weights[t->count++] =
        (trained){.w = w, .name = name, .decays = parameter_decays(name), .m = state_of(t, w), .v = state_of(t, w)};
}

bool trainer_weights(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    t->weights = arena_array(t->arena, trained, t->policy->count * 2 + 2);
    const bool adapts = o->use_peft || o->adapter;
    if (o->adapter) {
        if (!(t->adapter = adapter_open(t->arena, t->policy, o->adapter, true, e))) return false;
        t->adapter->options.dropout = o->lora_dropout;
    } else if (adapts) {
        const lora_options l = {.r = (int)o->lora_r,
                                .alpha = o->lora_alpha,
                                .dropout = o->lora_dropout,
                                .rslora = o->use_rslora,
                                .targets = o->lora_target_modules.item,
                                .target_count = o->lora_target_modules.count};
        if (!(t->adapter = adapter_new(t->arena, t->policy, &l, (uint64_t)o->seed, true, e))) return false;
    }
    for (int i = 0; adapts && i < t->adapter->count; i++) {
        add_weight(t, t->adapter->entry[i].A, t->adapter->entry[i].A->name);
        add_weight(t, t->adapter->entry[i].B, t->adapter->entry[i].B->name);
    }
    for (int i = 0; !adapts && i < t->policy->count; i++)
        add_weight(t, t->policy->parameters[i].w, t->policy->parameters[i].name);
    return true;
}

/* An adapter that only starts at zero (B = 0) is the reference when switched off; one that was trained before needs a frozen copy. */
static bool open_reference(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    const model_options frozen = {.compute = t->compute, .no_text = true};
    if (!t->s->objective->reference) return true;
    if (o->reference) return (t->reference = model_open(t->arena, t->backend, o->reference, &frozen, e)) != NULL;
    if (!t->adapter) return (t->reference = model_open(t->arena, t->backend, o->base, &frozen, e)) != NULL;
    bool fresh = true;
    for (int i = 0; i < t->adapter->count && fresh; i++) {
        const weight *B = t->adapter->entry[i].B;
        fresh = values_sum_squares(t->backend, B->values, (size_t)B->rows * (size_t)B->cols) == 0;
    }
    return fresh || (t->reference_adapter = adapter_open(t->arena, t->policy, o->adapter, false, e)) != NULL;
}

/* A reference of its own reads the policy's tokens, so its vocabulary must be the same. */
static bool measure_reference(trainer *t, err *e) {
    const char *path = t->s->o.reference;
    const model_options sizes = {.compute = t->compute, .measure = true, .no_text = true};
    if (!path || !t->s->objective->reference) return true;
    const model *m = model_open(t->arena, t->backend, path, &sizes, e);
    if (!m) return false;
    t->reference_bytes = model_weight_bytes(m);
    return m->config.vocab == t->sized->config.vocab ||
           err_set(e, ERR_REFUSED, "the reference %s has %d tokens, the model %d: they do not read the same text", path,
                   m->config.vocab, t->sized->config.vocab);
}

bool trainer_open(arena *a, const train_settings *s, const char *folder, const rows_how *how, trainer *t, err *e) {
    const train_options *o = &s->o;
    *t = (trainer){
        .arena = a, .s = s, .compute = strcmp(o->dtype, "float32") == 0 ? COMPUTE_F32 : COMPUTE_BF16, .pool = pool_new()};
    if (!(t->backend = backend_open(NULL, e))) return false;
    arena_defer(a, close_backend, t->backend);
    const model_options m = {
        .compute = t->compute, .train = !o->use_peft && !o->adapter, .measure = true, .chat_template = o->chat_template};
    if (!(t->sized = model_open(a, t->backend, o->base, &m, e)) || !measure_reference(t, e) ||
        !(t->rows = rows_prepare(a, t->sized, s, folder, how, e)))
        return false;
    if (t->sized->config.positions && rows_counts(t->rows)->longest > t->sized->config.positions &&
        (!o->max_length || o->max_length > t->sized->config.positions))
        return err_set(e, ERR_REFUSED, "the longest row has %lld tokens, the model knows %d positions: set max_length",
                       (long long)rows_counts(t->rows)->longest, t->sized->config.positions);
    t->units = rows_count(t->rows) / (s->objective->rows == WANTS_PAIRS ? 2 : 1);
    t->per_micro = o->per_device_train_batch_size;
    t->per_step = t->per_micro * o->gradient_accumulation_steps;
    if (t->units > 0)
        t->steps = o->max_steps > 0 ? o->max_steps : (int64_t)ceil(o->num_train_epochs * (double)trainer_steps_per_epoch(t));
    t->reference_logp = arena_array(a, float *, rows_count(t->rows) + 1);
    return true;
}

bool trainer_load_models(trainer *t, err *e) {
    const train_options *o = &t->s->o;
    const model_options m = {.compute = t->compute, .train = t->sized->parameters->w->grad != NULL, .no_text = true};
    if (!(t->policy = model_open(t->arena, t->backend, o->base, &m, e))) return false;
    t->policy->tokenizer = t->sized->tokenizer;
    t->policy->chat = t->sized->chat;
    t->policy->generation = t->sized->generation;
    return trainer_weights(t, e) && open_reference(t, e);
}

void trainer_close(trainer *t) {
    for (int64_t i = 0; t->reference_logp && i < rows_count(t->rows); i++) memory_release(t->reference_logp[i]);
    t->reference_logp = NULL;
    pool_free(t->pool);
    t->pool = NULL;
}

/* ---- state ------------------------------------------------------------------------------------------------------------------------------ */

static bool save_state(const trainer *t, const char *path, int which, err *e) {
    arena *a = arena_new();
    tensor_to_write *w = arena_array(a, tensor_to_write, 2 * t->count + 1);
    int n = 0;
    for (int i = 0; i < t->count; i++)
        for (int k = 0; k < (which ? 2 : 1); k++) {
            const trained *x = &t->weights[i];
            w[n++] = (tensor_to_write){.name = which ? arena_printf(a, "%s.%s", k ? "v" : "m", x->name) : x->name,
                                       .type = "F32",
                                       .dims = 2,
                                       .shape = {x->w->rows, x->w->cols},
                                       .data = which ? (k ? x->v : x->m) : x->w->values,
                                       .bytes = 4 * (size_t)x->w->rows * (size_t)x->w->cols};
        }
    const bool ok = safetensors_write(path, w, n, NULL, NULL, e);
    arena_free(a);
    return ok;
}

bool trainer_save(const trainer *t, const char *folder, err *e) {
    arena *a = arena_new();
    buf out = {0};
    buf_printf(&out, "{\"step\": %lld, \"num_tokens\": %.0f}\n", (long long)t->step, t->num_tokens);
    const bool ok = save_state(t, path_join(a, folder, "weights.safetensors"), 0, e) &&
                    save_state(t, path_join(a, folder, "optimizer.safetensors"), 1, e) &&
                    file_write(path_join(a, folder, "trainer.json"), buf_str(&out), e);
    buf_free(&out);
    arena_free(a);
    return ok;
}

static bool load_values(const tensor_file *f, const char *name, float *to, const weight *w, err *e) {
    const file_tensor *t = tensor_file_find(f, name);
    const size_t bytes = 4 * (size_t)w->rows * (size_t)w->cols;
    if (!t || t->bytes != bytes)
        return err_set(e, ERR_INPUT, "the checkpoint has no '%s' of this size: was it made with other settings?", name);
    memcpy(to, t->data, bytes);
    return true;
}

bool trainer_load(trainer *t, const char *folder, int64_t step, err *e) {
    arena *a = arena_new();
    tensor_file weights, state;
    const json *j = json_parse_file(a, path_join(a, folder, "trainer.json"), 1 << 20, e);
    bool ok = j && safetensors_open(a, path_join(a, folder, "weights.safetensors"), &weights, e) &&
              safetensors_open(a, path_join(a, folder, "optimizer.safetensors"), &state, e);
    for (int i = 0; ok && i < t->count; i++) {
        trained *w = &t->weights[i];
        ok = load_values(&weights, w->name, w->w->values, w->w, e) &&
             load_values(&state, arena_printf(a, "m.%s", w->name), w->m, w->w, e) &&
             load_values(&state, arena_printf(a, "v.%s", w->name), w->v, w->w, e);
        if (ok) weight_refresh(t->backend, w->w);
    }
    t->step = step;
    t->num_tokens = json_get_real(j, "num_tokens", 0);
    arena_free(a);
    return ok;
}
