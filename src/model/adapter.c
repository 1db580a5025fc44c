/* adapter.c - LoRA (arXiv:2106.09685): y = x W^T + b + s B(A dropout(x)), s = alpha/r or alpha/sqrt(r) (rsLoRA, arXiv:2312.03732),
 * DoRA (arXiv:2402.09353): y = c (x W^T + s B(A x)) + b, c = m / |W + s B A| by output, the lengths held constant on the way back; in PEFT's files: adapter_config.json, adapter_model.safetensors with names base_model.model.MODULE.lora_A.weight. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/load.h"

/* "model.layers.0.self_attn.q_proj.weight" -> "model.layers.0.self_attn.q_proj" */
static char *module_of(arena *a, const char *name) { return arena_copy(a, name, strlen(name) - strlen(".weight")); }

/* "model.layers.0.self_attn.q_proj" -> "q_proj" */
static const char *short_name(const char *module) {
    const char *dot = strrchr(module, '.');
    return dot ? dot + 1 : module;
}

static bool wanted(const parameter *p, const char *module, const lora_options *o) {
    if (!p->form->adaptable) return false;
    if (!o->target_count) return p->form->default_target;
    for (int i = 0; i < o->target_count; i++) {
        const str target = str_of(o->targets[i]), name = str_of(module);
        if (str_is(target, "all-linear") || str_eq(target, name)) return true;
        if (str_ends(name, target) && name.len > target.len && name.ptr[name.len - target.len - 1] == '.') return true;
    }
    return false;
}

static double scale_of(double alpha, int r, bool rslora) { return rslora ? alpha / sqrt(r) : alpha / r; }

const lora *adapter_find(const adapter *ad, const weight *base) {
    if (!ad || !base) return NULL;
    int low = 0, high = ad->count; /* sorted by address */
    while (low < high) {
        const int middle = (low + high) / 2;
        if (ad->entry[middle].base < base) low = middle + 1;
        else high = middle;
    }
    return low < ad->count && ad->entry[low].base == base ? &ad->entry[low] : NULL;
}

static int by_base(const void *a, const void *b) {
    const lora *x = a, *y = b;
    return (x->base > y->base) - (x->base < y->base);
}

/* |W + s B A| of every output, for as long as A and B are these. */
typedef struct row_lengths {
    float *value; /* [out] */
    uint32_t of_A, of_B;
    bool known;
} row_lengths;

static const float *lengths_of(const model *m, const lora *l) {
    row_lengths *x = l->lengths;
    if (m->measured || (x->known && x->of_A == l->A->version && x->of_B == l->B->version)) return x->value;
    weight_lengths(m->backend, l->base, l->B, l->A, l->scale, x->value);
    *x = (row_lengths){x->value, l->A->version, l->B->version, true};
    return x->value;
}

/* What dropout takes reaches W too: y = x W^T + b + c (z W^T + s B A z) - z W^T, z = dropout(x) (as PEFT). */
static tensor *dora_linear(const model *m, tape *t, tensor *x, tensor *dropped, weight *w, weight *bias, const lora *l) {
    tensor *y = op_linear(t, dropped, w, NULL);
    y = op_linear_add(t, y, op_linear(t, dropped, l->A, NULL), l->B, l->scale);
    y = op_magnitude(t, y, l->magnitude, lengths_of(m, l), bias);
    return dropped == x ? y : op_linear_add(t, op_linear_add(t, y, x, w, 1), dropped, w, -1);
}

tensor *model_linear(const model *m, tape *t, tensor *x, weight *w, weight *bias, const adapter *ad) {
    const lora *l = adapter_find(ad, w);
    if (!l) return op_linear(t, x, w, bias);
    if (l->magnitude) return dora_linear(m, t, x, op_dropout(t, x, (float)ad->options.dropout), w, bias, l);
    tensor *y = op_linear(t, x, w, bias), *low = op_linear(t, op_dropout(t, x, (float)ad->options.dropout), l->A, NULL);
    return op_linear_add(t, y, low, l->B, l->scale);
}

/* What it holds whole beside its factors, in a fixed order; how many. */
enum { WHOLE = 4 };
static int whole_weights(const adapter *ad, weight *out[WHOLE]) {
    weight *const all[WHOLE] = {ad->score, ad->score_bias, ad->embedding, ad->lm_head};
    int n = 0;
    for (int i = 0; i < WHOLE; i++)
        if (all[i]) out[n++] = all[i];
    return n;
}

weight **adapter_weights(arena *a, const adapter *ad, int *count) {
    weight **list = arena_array(a, weight *, 3 * ad->count + WHOLE);
    *count = 0;
    for (int i = 0; i < ad->count; i++) {
        const lora *l = &ad->entry[i];
        list[(*count)++] = l->A, list[(*count)++] = l->B;
        if (l->magnitude) list[(*count)++] = l->magnitude;
    }
    *count += whole_weights(ad, list + *count);
    return list;
}

weight *model_head(const model *m, const adapter *ad) { return ad && ad->lm_head ? ad->lm_head : m->head; }

weight *model_embedding(const model *m, const adapter *ad) { return ad && ad->embedding ? ad->embedding : m->slot[0][0]; }

/* ---- a new one ------------------------------------------------------------------------------------------------------------------- */

static storage_type packed_type(const model *m) { return m->compute == COMPUTE_BF16 ? TYPE_BF16 : TYPE_F32; }

/* A weight of the adapter's own; values NULL: those of `from`. */
static weight *own_weight(adapter *ad, const model *m, const char *name, int rows, int cols, bool matrix, const float *values,
                          const weight *from, bool trained) {
    if (m->measured) return weight_measured(ad->arena, m->backend, name, rows, cols, matrix, packed_type(m), trained);
    float *copy = NULL;
    if (!values) {
        values = copy = memory_alloc((size_t)rows * (size_t)cols * sizeof *copy);
        weight_read(m->backend, from, copy);
    }
    weight *w = weight_new(ad->arena, m->backend, name, rows, cols, matrix, TYPE_F32, values, matrix ? packed_type(m) : TYPE_F32,
                           trained);
    memory_release(copy);
    return w;
}

/* values NULL: as long as the rows of the base are with A and B. */
static void add_magnitude(adapter *ad, const model *m, lora *l, const float *values, bool trained) {
    const int rows = l->base->rows;
    const char *name = arena_printf(ad->arena, "%s.lora_magnitude_vector", l->name);
    l->lengths = arena_new_of(ad->arena, row_lengths);
    l->lengths->value = m->measured ? NULL : arena_array(ad->arena, float, rows);
    l->magnitude = own_weight(ad, m, name, 1, rows, false, values ? values : lengths_of(m, l), NULL, trained);
}

/* A matrix's two factors; their values as they stand in files. */
static lora *add_entry(adapter *ad, const model *m, const parameter *p, const char *module, int r, double scale, const float *A,
                       const float *B, bool trained) {
    lora *l = &ad->entry[ad->count++];
    *l = (lora){.base = p->w, .name = arena_text(ad->arena, module), .scale = (float)scale};
    l->A = own_weight(ad, m, arena_printf(ad->arena, "%s.lora_A.weight", module), r, p->w->cols, true, A, NULL, trained);
    l->B = own_weight(ad, m, arena_printf(ad->arena, "%s.lora_B.weight", module), p->w->rows, r, true, B, NULL, trained);
    return l;
}

/* The model's own head, in weights beside the adapter. */
static void copy_head(adapter *ad, const model *m, bool trained) {
    const weight *w = m->score, *b = m->score_bias;
    ad->head = m->config.head;
    if (w) ad->score = own_weight(ad, m, w->name, w->rows, w->cols, true, NULL, w, trained);
    if (w && b) ad->score_bias = own_weight(ad, m, b->name, 1, b->cols, false, NULL, b, trained);
}

/* ---- whole modules ---------------------------------------------------------------------------------------------------------------- */

/* What PEFT calls the two that may be saved whole: the module of the first table, and lm_head. */
static const char *embedding_module(arena *a, const model *m) { return module_of(a, m->parameters[0].module_name); }

/* values NULL: the base's own. */
static void add_whole(adapter *ad, const model *m, bool head, const float *values, bool trained) {
    const weight *from = head ? m->head : m->slot[0][0];
    const char *name = head ? "lm_head.weight" : m->parameters[0].module_name;
    *(head ? &ad->lm_head : &ad->embedding) = own_weight(ad, m, name, from->rows, from->cols, true, values, from, trained);
}

static bool name_whole(adapter *ad, const model *m, const char *name, bool trained, err *e) {
    const char *embedding = short_name(embedding_module(ad->arena, m));
    const bool head = strcmp(name, "lm_head") == 0, score = strcmp(name, "score") == 0 || strcmp(name, "classifier") == 0;
    if (score && m->score) return true; /* copy_head */
    if (!(head && m->head) && strcmp(name, embedding) != 0)
        return err_set(e, ERR_USAGE, "modules_to_save names '%s', expected %s'%s'", name, m->head ? "'lm_head' or " : "",
                       embedding);
    add_whole(ad, m, head, NULL, trained);
    return true;
}

bool adapter_merges(const adapter *ad, const model *m, err *e) {
    return !ad || !m->config.tied || (!ad->embedding && !ad->lm_head) ||
           err_set(e, ERR_UNSUPPORTED,
                   "the adapter keeps an output matrix and an embedding apart, for which %s has one matrix: export the adapter "
                   "itself (--to peft)",
                   m->path);
}

static adapter *begin(arena *a, model *m, const lora_options *o) {
    adapter *ad = arena_new_of(a, adapter);
    *ad = (adapter){.arena = a, .entry = arena_array(a, lora, m->count), .options = *o, .base_name = m->path};
    return ad;
}

adapter *adapter_new(arena *a, model *m, const lora_options *o, uint64_t seed, bool trained, err *e) {
    adapter *ad = begin(a, m, o);
    if (o->r < 1 || o->r > 4096) return err_null(e, ERR_USAGE, "lora_r is %d, expected 1 to 4096", o->r);
    rng r = rng_new(seed, 0x6c6f7261);
    for (int i = 0; i < m->count; i++) {
        const parameter *p = &m->parameters[i];
        arena *scratch = arena_new();
        char *module = module_of(scratch, p->module_name);
        if (wanted(p, module, o)) {
            const size_t n = m->measured ? 0 : (size_t)o->r * (size_t)p->w->cols;
            float *A = arena_array(scratch, float, n), *B = arena_array(scratch, float, (size_t)p->w->rows *(size_t)o->r);
            const double bound = 1 / sqrt(p->w->cols); /* Kaiming-uniform with a = sqrt 5 */
            for (size_t k = 0; k < n; k++) A[k] = (float)((2 * rng_uniform(&r) - 1) * bound);
            lora *l = add_entry(ad, m, p, module, o->r, scale_of(o->alpha, o->r, o->rslora), A, B, trained);
            if (o->dora) add_magnitude(ad, m, l, NULL, trained);
        }
        arena_free(scratch);
    }
    if (!ad->count)
        return err_null(e, ERR_USAGE,
                        "no linear layer of %s is named by lora_target_modules (say all-linear, or q_proj, v_proj, ...)",
                        m->path);
    qsort(ad->entry, (size_t)ad->count, sizeof *ad->entry, by_base);
    copy_head(ad, m, trained);
    for (int i = 0; i < o->whole_count; i++)
        if (!name_whole(ad, m, o->whole[i], trained, e)) return NULL;
    return ad;
}

size_t adapter_bytes_needed(const model *m, const lora_options *o, bool trained) {
    size_t n = 0;
    arena *a = arena_new();
    for (int i = 0; i < m->count; i++) {
        const parameter *p = &m->parameters[i];
        if (!wanted(p, module_of(a, p->module_name), o)) continue;
        const storage_type type = packed_type(m);
        n += weight_bytes_needed(o->r, p->w->cols, true, type, trained) +
             weight_bytes_needed(p->w->rows, o->r, true, type, trained) +
             (o->dora ? weight_bytes_needed(1, p->w->rows, false, TYPE_F32, trained) : 0);
    }
    for (int i = 0; i < o->whole_count; i++)
        n += weight_bytes_needed(m->config.vocab, m->config.hidden, true, packed_type(m), trained);
    arena_free(a);
    return n;
}

/* ---- files -------------------------------------------------------------------------------------------------------------------------- */

static bool refuse_kinds(const json *config, const char *path, err *e) {
    const str kind = json_get_text(config, "peft_type", STR(""));
    if (!str_is(kind, "LORA"))
        return err_set(e, ERR_UNSUPPORTED, "%s: peft_type is '%.*s'; LORA is what we have", path, STR_ARG(kind));
    static const char *const switches[] = {"use_qalora", "lora_bias"};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (json_get_bool(config, switches[i], false))
            return err_set(e, ERR_UNSUPPORTED, "%s: %s is not here yet", path, switches[i]);
    static const char *const settings[] = {"layer_replication", "alora_invocation_tokens", "target_parameters",
                                           "trainable_token_indices"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (json_count(json_get(config, settings[i])))
            return err_set(e, ERR_UNSUPPORTED, "%s: %s is not here yet", path, settings[i]);
    const str bias = json_get_text(config, "bias", STR("none"));
    if (!str_is(bias, "none"))
        return err_set(e, ERR_UNSUPPORTED, "%s: trained biases (bias '%.*s') are not here yet", path, STR_ARG(bias));
    const json *whole = json_get(config, "modules_to_save");
    for (size_t i = 0; i < json_count(whole); i++) {
        static const char *const known[] = {"score", "classifier", "lm_head", "embed_tokens", "wte"};
        const str name = json_text(json_at(whole, i), STR("?"));
        bool have = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) have |= str_is(name, known[k]);
        if (!have)
            return err_set(e, ERR_UNSUPPORTED,
                           "%s: modules_to_save names '%.*s'; lm_head, the embedding and heads that score are what we have", path,
                           STR_ARG(name));
    }
    return true;
}

/* A value of alpha_pattern: its keys are regular expressions for the end of a module's name, from its start or behind a dot. The
 * first that fits counts. */
static bool pattern_value(arena *a, const json *patterns, const char *module, double *value, err *e) {
    json_member p = {0};
    while (json_next(patterns, &p)) {
        size_t begin, end;
        const regex *r = regex_new(a, str_of(arena_printf(a, "\\A(.*\\.)?(%s)\\z", p.key)), e);
        if (!r) return err_prefix(e, "alpha_pattern");
        if (!regex_find(r, str_of(module), 0, &begin, &end)) continue;
        *value = json_real(p.value, *value);
        return true;
    }
    return true;
}

static const float *floats_of(arena *a, const file_tensor *t) {
    const size_t n = (size_t)t->shape[0] * (size_t)(t->dims > 1 ? t->shape[1] : 1);
    float *out = arena_array(a, float, n);
    type_to_f32(t->storage, t->data, out, n);
    return out;
}

static bool open_entry(adapter *ad, model *m, const tensor_file *files, const json *config, const parameter *p,
                       const char *folder, bool trained, int *used, err *e) {
    arena *a = arena_new();
    char *module = module_of(a, p->module_name);
    const file_tensor *A = tensor_file_find(files, arena_printf(a, "base_model.model.%s.lora_A.weight", module));
    const file_tensor *B = tensor_file_find(files, arena_printf(a, "base_model.model.%s.lora_B.weight", module));
    const file_tensor *M = tensor_file_find(files, arena_printf(a, "base_model.model.%s.lora_magnitude_vector", module));
    bool ok = true;
    if (A || B) {
        const int64_t r = A && A->dims == 2 ? A->shape[0] : 0;
        ok = A && B && A->known && B->known && A->dims == 2 && B->dims == 2 && r > 0 && r <= 4096 && A->shape[1] == p->w->cols &&
             B->shape[0] == p->w->rows && B->shape[1] == r;
        if (!ok)
            err_set(e, ERR_INPUT, "%s: lora_A and lora_B of '%s' should be [r, %d] and [%d, r]", folder, module, p->w->cols,
                    p->w->rows);
        if (ok && ad->options.dora && (!M || !M->known || M->dims != 1 || M->shape[0] != p->w->rows))
            ok = err_set(e, ERR_INPUT, "%s: use_dora, and '%s' should have a lora_magnitude_vector of [%d]", folder, module,
                         p->w->rows);
        double alpha = ad->options.alpha;
        ok = ok && pattern_value(a, json_get(config, "alpha_pattern"), module, &alpha, e);
        if (ok) {
            lora *l = add_entry(ad, m, p, module, (int)r, scale_of(alpha, (int)r, ad->options.rslora), floats_of(a, A),
                                floats_of(a, B), trained);
            if (ad->options.dora) add_magnitude(ad, m, l, floats_of(a, M), trained);
            *used += 2 + ad->options.dora;
        }
    }
    arena_free(a);
    return ok;
}

/* "base_model.model.score.weight" -> "score.weight" */
static const char *inner_name(arena *a, const file_tensor *t) { return str_copy(a, t->name) + strlen("base_model.model."); }

/* A head saved whole beside the adapter. One that PEFT names but did not write (a language model has none) is no head. */
static bool open_head(adapter *ad, const model *m, const tensor_file *files, const char *folder, bool trained, int *used,
                      err *e) {
    const file_tensor *w = adapter_head_tensor(files, "weight"), *b = adapter_head_tensor(files, "bias");
    int labels;
    if (!w && !b) return true;
    if (!w || !w->known || w->dims != 2 || w->shape[1] != m->config.hidden || w->shape[0] < 1 || w->shape[0] > 4096 ||
        (b && (!b->known || b->dims != 1 || b->shape[0] != w->shape[0])))
        return err_set(e, ERR_INPUT, "%s: the head should be [labels, %d], its bias [labels]", folder, m->config.hidden);
    if (!model_head_of(folder, &ad->head, &labels, e)) return false;
    if (ad->head == HEAD_WRITES) ad->head = b ? HEAD_LABELS : HEAD_SCORES;
    arena *a = arena_new();
    const int rows = (int)w->shape[0];
    ad->score = own_weight(ad, m, inner_name(a, w), rows, m->config.hidden, true, floats_of(a, w), NULL, trained);
    if (b) ad->score_bias = own_weight(ad, m, inner_name(a, b), 1, rows, false, floats_of(a, b), NULL, trained);
    *used += 1 + (b != NULL);
    arena_free(a);
    return true;
}

/* An embedding or output matrix that stands whole in the file. */
static bool open_whole(adapter *ad, const model *m, const tensor_file *files, bool head, const char *folder, bool trained,
                       int *used, err *e) {
    arena *a = arena_new();
    const char *module = head ? "lm_head" : embedding_module(a, m);
    const file_tensor *t = tensor_file_find(files, arena_printf(a, "base_model.model.%s.weight", module));
    const weight *from = head ? m->head : m->slot[0][0];
    const bool fits = t && from && t->known && t->dims == 2 && t->shape[0] == from->rows && t->shape[1] == from->cols,
               ok = !t || !from || fits ||
                    err_set(e, ERR_INPUT, "%s: '%s' should be [%d, %d], as in the base", folder, module, from->rows, from->cols);
    if (fits) add_whole(ad, m, head, floats_of(a, t), trained), ++*used;
    arena_free(a);
    return ok;
}

static adapter *err_null_prefix(err *e, const char *folder) {
    err_prefix(e, "%s/adapter_config.json", folder);
    return NULL;
}

adapter *adapter_open(arena *a, model *m, const char *folder, bool trained, err *e) {
    const json *config = json_parse_file(a, path_join(a, folder, "adapter_config.json"), 1 << 20, e);
    tensor_file files;
    if (!config || !refuse_kinds(config, folder, e) || !safetensors_open_folder(a, folder, "adapter_model", &files, e))
        return NULL;
    const json *targets = json_get(config, "target_modules");
    int64_t r = 8;
    lora_options o = {.alpha = 8};
    if (json_has(config, "r") && !json_want_int(config, "r", 1, 4096, &r, e)) return err_null_prefix(e, folder);
    if (json_get(config, "lora_alpha") && !json_want_real(config, "lora_alpha", -1e9, 1e9, &o.alpha, e))
        return err_null_prefix(e, folder);
    if (json_get(config, "lora_dropout") && !json_want_real(config, "lora_dropout", 0, 0.999, &o.dropout, e))
        return err_null_prefix(e, folder);
    o.r = (int)r;
    o.rslora = json_get_bool(config, "use_rslora", false);
    o.dora = json_get_bool(config, "use_dora", false);
    const char **names = arena_array(a, const char *, json_count(targets) + 1);
    for (size_t i = 0; json_kind_of(targets) == JSON_ARRAY && i < json_count(targets); i++)
        names[o.target_count++] = str_copy(a, json_text(json_at(targets, i), STR("")));
    o.targets = names;
    adapter *ad = begin(a, m, &o);
    int used = 0;
    for (int i = 0; i < m->count; i++)
        if (m->parameters[i].w->matrix && !open_entry(ad, m, &files, config, &m->parameters[i], folder, trained, &used, e))
            return NULL;
    if (!open_head(ad, m, &files, folder, trained, &used, e) || !open_whole(ad, m, &files, false, folder, trained, &used, e) ||
        !open_whole(ad, m, &files, true, folder, trained, &used, e))
        return NULL;
    if (trained && !ad->score) copy_head(ad, m, true);
    if (used != files.count)
        return err_null(e, ERR_INPUT, "%s has %d tensors, of which %d fit %s; was it trained on another base?", folder,
                        files.count, used, m->path);
    qsort(ad->entry, (size_t)ad->count, sizeof *ad->entry, by_base);
    return ad;
}

typedef struct {
    const model *m;
    const weight **w;
    storage_type type;
} saving;

static void fill_weight(void *self, int index, void *out) {
    const saving *s = self;
    const weight *w = s->w[index];
    const size_t n = (size_t)w->rows * (size_t)w->cols;
    float *values = memory_alloc(n * sizeof *values);
    weight_read(s->m->backend, w, values);
    type_from_f32(s->type, values, out, n);
    memory_release(values);
}

/* Are all modules of the model that have this short name adapted? Then PEFT's target_modules may say the short one. */
static bool is_everywhere(const adapter *ad, const model *m, const char *name) {
    arena *a = arena_new();
    bool all = true;
    for (int i = 0; i < m->count && all; i++)
        if (m->parameters[i].w->matrix && strcmp(short_name(module_of(a, m->parameters[i].module_name)), name) == 0)
            all = adapter_find(ad, m->parameters[i].w) != NULL;
    arena_free(a);
    return all;
}

static void put_targets(json_writer *w, const adapter *ad, const model *m) {
    json_open(w, '[');
    for (int i = 0; i < ad->count; i++) {
        const char *name = short_name(ad->entry[i].name);
        bool seen = false;
        if (!is_everywhere(ad, m, name)) {
            json_put_cstr(w, ad->entry[i].name);
            continue;
        }
        for (int k = 0; k < i && !seen; k++) seen = strcmp(short_name(ad->entry[k].name), name) == 0;
        if (!seen) json_put_cstr(w, name);
    }
    json_close(w);
}

/* Modules whose rank (or alpha) is not the adapter's, as PEFT's rank_pattern and alpha_pattern. */
static void put_patterns(json_writer *w, const adapter *ad) {
    const lora_options *o = &ad->options;
    json_key(w, "rank_pattern"), json_open(w, '{');
    for (int i = 0; i < ad->count; i++)
        if (ad->entry[i].A->rows != o->r) json_key(w, ad->entry[i].name), json_put_int(w, ad->entry[i].A->rows);
    json_close(w);
    json_key(w, "alpha_pattern"), json_open(w, '{');
    for (int i = 0; i < ad->count; i++) {
        const int r = ad->entry[i].A->rows;
        const double alpha = (double)ad->entry[i].scale * (o->rslora ? sqrt(r) : r);
        if (fabs(alpha - o->alpha) > 1e-5 * fabs(o->alpha)) json_key(w, ad->entry[i].name), json_put_real(w, alpha);
    }
    json_close(w);
}

static void put_whole(json_writer *w, const adapter *ad) {
    weight *whole[WHOLE];
    const int count = whole_weights(ad, whole);
    arena *a = arena_new();
    if (count) json_open(w, '[');
    else json_put_null(w);
    for (int i = 0; i < count; i++)
        if (whole[i]->matrix) json_put_cstr(w, short_name(module_of(a, whole[i]->name)));
    if (count) json_close(w);
    arena_free(a);
}

static bool save_config(const adapter *ad, const model *m, const char *path, err *e) {
    buf out = {0};
    bool turned = false;
    for (int i = 0; i < m->count; i++) turned |= m->parameters[i].form->transposed;
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "peft_type"), json_put_cstr(&w, "LORA");
    json_key(&w, "task_type"), json_put_cstr(&w, head_task(ad->score ? ad->head : HEAD_WRITES));
    json_key(&w, "base_model_name_or_path"), json_put_cstr(&w, ad->base_name);
    json_key(&w, "inference_mode"), json_put_bool(&w, true);
    json_key(&w, "r"), json_put_int(&w, ad->options.r);
    json_key(&w, "lora_alpha"), json_put_real(&w, ad->options.alpha);
    json_key(&w, "lora_dropout"), json_put_real(&w, ad->options.dropout);
    json_key(&w, "use_rslora"), json_put_bool(&w, ad->options.rslora);
    json_key(&w, "use_dora"), json_put_bool(&w, ad->options.dora);
    json_key(&w, "fan_in_fan_out"), json_put_bool(&w, turned);
    json_key(&w, "bias"), json_put_cstr(&w, "none");
    json_key(&w, "modules_to_save"), put_whole(&w, ad);
    json_key(&w, "target_modules"), put_targets(&w, ad, m);
    put_patterns(&w, ad);
    json_close(&w);
    buf_put_char(&out, '\n');
    const bool ok = file_write(path, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

static tensor_to_write written(arena *a, const weight *w, storage_type type) {
    tensor_to_write t = {.name = arena_printf(a, "base_model.model.%s", w->name),
                         .type = type == TYPE_F32    ? "F32"
                                 : type == TYPE_BF16 ? "BF16"
                                                     : "F16",
                         .dims = w->matrix ? 2 : 1,
                         .shape = {w->rows, w->cols},
                         .fill = fill_weight,
                         .bytes = type_bytes(type, (size_t)w->rows * (size_t)w->cols)};
    if (!w->matrix) t.shape[0] = w->cols;
    return t;
}

bool adapter_save(const adapter *ad, const model *m, const char *folder, storage_type type, err *e) {
    if (type != TYPE_F32 && type != TYPE_BF16 && type != TYPE_F16)
        return err_set(e, ERR_UNSUPPORTED, "adapters are written as f32, bf16 or f16");
    arena *a = arena_new();
    saving s = {m, arena_array(a, const weight *, 3 * ad->count + WHOLE), type};
    tensor_to_write *t = arena_array(a, tensor_to_write, 3 * ad->count + WHOLE);
    int n = 0;
    for (int i = 0; i < m->count; i++) { /* in the order of the model */
        const lora *l = adapter_find(ad, m->parameters[i].w);
        if (l) s.w[n++] = l->A, s.w[n++] = l->B;
        if (l && l->magnitude) s.w[n++] = l->magnitude;
    }
    weight *whole[WHOLE];
    for (int i = 0, count = whole_weights(ad, whole); i < count; i++) s.w[n++] = whole[i];
    for (int i = 0; i < n; i++) t[i] = written(a, s.w[i], type);
    const bool ok = dir_make(folder, e) &&
                    safetensors_write(path_join(a, folder, "adapter_model.safetensors"), t, n, &s, NULL, e) &&
                    save_config(ad, m, path_join(a, folder, "adapter_config.json"), e);
    arena_free(a);
    return ok;
}

/* W + s B A, with DoRA as long as its magnitude says; a row at a time in double, then rounded once. */
void parameter_read_merged(const model *m, const adapter *ad, const parameter *p, float *out) {
    const weight *const instead[][2] = {{m->score, ad ? ad->score : NULL},
                                        {m->score_bias, ad ? ad->score_bias : NULL},
                                        {m->slot[0][0], ad ? ad->embedding : NULL},
                                        {m->head, ad ? ad->lm_head : NULL}};
    const weight *from = p->w;
    for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
        if (p->w == instead[i][0] && instead[i][1]) from = instead[i][1];
    weight_read(m->backend, from, out);
    const lora *l = adapter_find(ad, p->w);
    if (!l) return;
    const int r = l->A->rows, cols = p->w->cols;
    float *A = memory_alloc((size_t)r * (size_t)cols * sizeof *A), *B = memory_alloc((size_t)p->w->rows * (size_t)r * sizeof *B);
    float *magnitude = l->magnitude ? memory_alloc((size_t)p->w->rows * sizeof *magnitude) : NULL;
    double *row = memory_alloc((size_t)cols * sizeof *row);
    if (magnitude) weight_read(m->backend, l->magnitude, magnitude);
    weight_read(m->backend, l->A, A);
    weight_read(m->backend, l->B, B);
    for (int i = 0; i < p->w->rows; i++) {
        for (int k = 0; k < cols; k++) row[k] = 0;
        for (int j = 0; j < r; j++)
            for (int k = 0; k < cols; k++)
                row[k] += (double)B[(size_t)i * (size_t)r + (size_t)j] * (double)A[(size_t)j * (size_t)cols + (size_t)k];
        double squares = 0;
        for (int k = 0; k < cols; k++) {
            row[k] = (double)out[(size_t)i * (size_t)cols + (size_t)k] + (double)l->scale * row[k];
            squares += row[k] * row[k];
        }
        const double factor = magnitude ? (double)magnitude[i] / sqrt(squares) : 1;
        for (int k = 0; k < cols; k++) out[(size_t)i * (size_t)cols + (size_t)k] = (float)(factor * row[k]);
    }
    memory_release(A);
    memory_release(B);
    memory_release(magnitude);
    memory_release(row);
}
