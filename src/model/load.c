/* load.c - the weights of a model, found by its family's table.
 *
 * Every tensor is checked against the sizes of the config before anything is allocated for it. What a folder stores as [in, out] is
 * turned, what llama.cpp reordered is put back, the rest goes from the mapped file into the backend's packed form as it is. */
#include <string.h>

#include "model/load.h"

/* ---- the family's table -------------------------------------------------------------------------------------------------- */

static int size_of(const model_config *c, const char *words) {
    const struct {
        const char *words;
        int value;
    } sizes[] = {{"1", 1},
                 {"vocab", c->vocab},
                 {"hidden", c->hidden},
                 {"heads*d", c->heads * c->head_dim},
                 {"kv*d", c->kv_heads * c->head_dim},
                 {"ffn", c->ffn},
                 {"positions", c->positions},
                 {"labels", c->labels},
                 {"3*hidden", 3 * c->hidden}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strcmp(sizes[i].words, words) == 0) return sizes[i].value;
    bug("no size is called '%s'", words);
}

static bool is_layered(const tensor_form *f) { return strstr(f->name, "%d") != NULL; }
static bool is_present(const tensor_form *f, const model_config *c) { return !f->present || f->present(c); }
static bool is_matrix(const tensor_form *f) { return strcmp(f->rows, "1") != 0; }
static bool is_block(storage_type t) { return t == TYPE_Q8_0 || t == TYPE_Q4_0 || t == TYPE_Q4_1; }

static char *name_of(arena *a, const char *pattern, int layer) {
    const char *at = strstr(pattern, "%d");
    return at ? arena_printf(a, "%.*s%d%s", (int)(at - pattern), pattern, layer, at + 2) : arena_text(a, pattern);
}

/* ---- tensors of the file ---------------------------------------------------------------------------------------------------- */

static const file_tensor *find_named(const loader *l, const char *name) {
    const char *prefix = l->m->config.family->prefix;
    const file_tensor *t = tensor_file_find(&l->files, name);
    if (!t && !l->gguf && prefix && strncmp(name, prefix, strlen(prefix)) == 0)
        t = tensor_file_find(&l->files, name + strlen(prefix));
    return t;
}

/* The output matrix has values of its own, or is the embedding's: a folder's config says so, unless both are there and differ. Where
 * only the output matrix is there, the embedding takes its values. */
static const file_tensor *settle_tying(loader *l, arena *a) {
    const tensor_form *embedding = &l->m->config.family->tensors[0];
    const file_tensor *head = tensor_file_find(&l->files, l->gguf ? "output.weight" : "lm_head.weight");
    const file_tensor *embed = find_named(l, name_of(a, l->gguf ? embedding->gguf : embedding->name, 0));
    if (!head) return NULL;
    const bool same = !embed || (head->bytes == embed->bytes && strcmp(head->type, embed->type) == 0 && head->data &&
                                 embed->data && memcmp(head->data, embed->data, head->bytes) == 0);
    if (l->m->config.head != HEAD_WRITES) {
        l->used[head - l->files.tensor] = true; /* another head stands in its place */
        return embed ? NULL : head;
    }
    if (l->gguf) l->m->config.tied = embed && same;
    else if (!same) l->m->config.tied = false;
    if (l->m->config.tied) l->used[head - l->files.tensor] = true;
    return l->m->config.tied && !embed ? head : NULL;
}

static const char *shape_words(arena *a, const int64_t *shape, int dims) {
    const char *s = "[";
    for (int i = 0; i < dims; i++) s = arena_printf(a, "%s%s%lld", s, i ? ", " : "", (long long)shape[i]);
    return arena_printf(a, "%s]", s);
}

static bool check_tensor(const loader *l, const file_tensor *t, const char *name, const tensor_form *f, int rows, int cols,
                         arena *a) {
    const bool turned = f->transposed && !l->gguf;
    const int64_t want[2] = {is_matrix(f) ? (turned ? cols : rows) : cols, turned ? rows : cols};
    const int dims = is_matrix(f) ? 2 : 1;
    if (!t) return err_set(l->e, ERR_INPUT, "%s: tensor '%s' is missing", l->m->path, name);
    if (!t->known)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor '%s' is stored as %s; F32, F16, BF16, Q8_0, Q4_0 and Q4_1 are read",
                       t->file, name, t->type);
    bool same = t->dims == dims;
    for (int i = 0; same && i < dims; i++) same = t->shape[i] == want[i];
    return same || err_set(l->e, ERR_INPUT, "%s: tensor '%s' has the shape %s, the config says %s", t->file, name,
                           shape_words(a, t->shape, t->dims), shape_words(a, want, dims));
}

/* ---- values ------------------------------------------------------------------------------------------------------------------- */

void transpose(float *out, const float *in, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) out[(size_t)c * (size_t)rows + (size_t)r] = in[(size_t)r * (size_t)cols + (size_t)c];
}

/* GGUF has the rows of each of llama's heads as (i, j), i < d/2, j < 2; ours are (j, i). */
static void unpermute(void *out, const void *in, int rows, size_t row_bytes, int d) {
    for (int r = 0; r < rows; r++) {
        const int h = r / d, i = r % d / 2, j = r % 2;
        memcpy((char *)out + (size_t)(h * d + j * (d / 2) + i) * row_bytes, (const char *)in + (size_t)r * row_bytes, row_bytes);
    }
}

static float *widened(const file_tensor *t, size_t n, arena *a) {
    float *out = arena_array(a, float, n);
    type_to_f32(t->storage, t->data, out, n);
    return out;
}

/* The values as rows [out, in] of some type: the file's own bytes where that is possible. */
static const void *our_rows(const loader *l, const file_tensor *t, const tensor_form *f, int rows, int cols, arena *a,
                            storage_type *type) {
    const size_t n = (size_t)rows * (size_t)cols;
    const bool turned = f->transposed && !l->gguf, permuted = f->permuted && l->gguf;
    file_tensor aligned = *t;
    if ((uintptr_t)t->data % 4) aligned.data = arena_copy(a, t->data, t->bytes); /* a header of odd length */
    *type = t->storage;
    if (turned || (permuted && !is_matrix(f))) {
        float *in = widened(&aligned, n, a), *out = arena_array(a, float, n);
        if (turned) transpose(out, in, cols, rows);
        else unpermute(out, in, cols, sizeof *out, l->m->config.head_dim);
        *type = TYPE_F32;
        return out;
    }
    if (!permuted) return aligned.data;
    void *out = arena_alloc(a, t->bytes);
    unpermute(out, aligned.data, rows, type_bytes(t->storage, (size_t)cols), l->m->config.head_dim);
    return out;
}

/* Fresh values: norms one, biases zero, the rest normal with deviation 0.02 (GPT-2). */
static const void *random_rows(loader *l, const char *name, const tensor_form *f, size_t n, arena *a) {
    float *out = arena_array(a, float, n);
    const bool bias = str_ends(str_of(name), STR(".bias"));
    if (!is_matrix(f)) {
        for (size_t i = 0; i < n; i++) out[i] = bias ? 0 : 1;
        return out;
    }
    const rng begin = l->draw;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) { /* four words each, so any thread knows where it is */
        rng r = {begin.key, begin.counter + 4 * i};
        out[i] = (float)(0.02 * rng_normal(&r));
    }
    l->draw.counter += 4 * n;
    return out;
}

/* ---- weights -------------------------------------------------------------------------------------------------------------------- */

weight *weight_measured(arena *a, const backend *b, const char *name, int rows, int cols, bool matrix, storage_type type,
                        bool trained) {
    static float mark;
    weight *w = arena_new_of(a, weight);
    *w = (weight){.name = arena_text(a, name), .rows = rows, .cols = cols, .matrix = matrix, .type = matrix ? type : TYPE_F32};
    w->packed_bytes = matrix ? b->packed_bytes(type, rows, cols) : 0;
    w->grad = trained ? &mark : NULL;
    return w;
}

static storage_type packed_type(const loader *l, const tensor_form *f, storage_type stored) {
    const bool turned = f->transposed && !l->gguf;
    if (!is_matrix(f)) return TYPE_F32;
    if (l->o->keep_blocks && !l->o->train && !turned && is_block(stored)) return stored;
    return l->o->compute == COMPUTE_BF16 ? TYPE_BF16 : TYPE_F32;
}

static weight *load_one(loader *l, const tensor_form *f, const char *name, const file_tensor *t, arena *scratch) {
    model *m = l->m;
    const int rows = size_of(&m->config, f->rows), cols = size_of(&m->config, f->cols);
    if (!l->random) {
        if (!check_tensor(l, t, name, f, rows, cols, scratch)) return NULL;
        l->used[t - l->files.tensor] = true;
        if (is_matrix(f)) m->stored = t->storage;
    }
    storage_type from = l->random ? TYPE_F32 : t->storage;
    const storage_type type = packed_type(l, f, from);
    if (l->o->measure) return weight_measured(m->arena, m->backend, name, rows, cols, is_matrix(f), type, l->o->train);
    const void *data =
        l->random ? random_rows(l, name, f, (size_t)rows * (size_t)cols, scratch) : our_rows(l, t, f, rows, cols, scratch, &from);
    return weight_new(m->arena, m->backend, name, rows, cols, is_matrix(f), from, data, type, l->o->train);
}

static bool load_form(loader *l, int index, const file_tensor *instead) {
    model *m = l->m;
    const tensor_form *f = &m->config.family->tensors[index];
    const int layers = is_layered(f) ? m->config.layers : 1;
    m->slot[index] = arena_array(m->arena, weight *, layers);
    for (int k = 0; k < layers; k++) {
        parameter *p = &m->parameters[m->count++];
        arena *scratch = arena_new();
        *p = (parameter){f, is_layered(f) ? k : -1, name_of(m->arena, f->name, k), NULL, NULL};
        p->name = p->module_name;
        const file_tensor *t = instead ? instead : find_named(l, l->gguf ? name_of(scratch, f->gguf, k) : p->name);
        if (t && t != instead && !l->gguf) p->name = str_copy(m->arena, t->name);
        p->w = m->slot[index][k] = load_one(l, f, p->name, t, scratch);
        arena_free(scratch);
        if (!p->w) return false;
    }
    return true;
}

/* ---- heads that score or label ---------------------------------------------------------------------------------------------------- */

static const tensor_form head_weight = {.name = "score.weight", .rows = "labels", .cols = "hidden"},
                         head_bias = {.name = "score.bias", .rows = "1", .cols = "labels"};

/* A head that is not in the file is made anew. Older files of either name are read. */
static weight *load_head_part(loader *l, const tensor_form *f, const char *stem, const char *kind) {
    static const char *const stems[] = {"score", "classifier"};
    model *m = l->m;
    arena *scratch = arena_new();
    loader fresh = *l;
    const file_tensor *t = NULL;
    for (size_t i = 0; !t && i < sizeof stems / sizeof *stems; i++)
        t = tensor_file_find(&l->files, arena_printf(scratch, "%s.%s", stems[i], kind));
    fresh.random = l->random || !t;
    fresh.draw = rng_new(l->o->seed, 0x73636f7265);
    parameter *p = &m->parameters[m->count++];
    *p = (parameter){f, -1, arena_printf(m->arena, "%s.%s", stem, kind), NULL, NULL};
    p->name = t ? str_copy(m->arena, t->name) : p->module_name;
    p->w = load_one(&fresh, f, p->name, t, scratch);
    arena_free(scratch);
    return p->w;
}

static bool load_head(loader *l) {
    model *m = l->m;
    const bool labels = m->config.head == HEAD_LABELS;
    const char *stem = labels && m->config.family->token_head ? m->config.family->token_head : "score";
    if (m->config.head == HEAD_WRITES) return true;
    m->head = NULL;
    return (m->score = load_head_part(l, &head_weight, stem, "weight")) != NULL &&
           (!labels || (m->score_bias = load_head_part(l, &head_bias, stem, "bias")) != NULL);
}

/* A tensor that the family does not know means that the forward pass would leave something out. */
static bool refuse_unknown(const loader *l) {
    for (int i = 0; i < l->files.count; i++) {
        const str name = l->files.tensor[i].name;
        bool known = l->used[i];
        for (const char *const *s = l->m->config.family->skipped; s && *s && !known; s++) known = str_ends(name, str_of(*s));
        if (!known)
            return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor '%.*s' is no part of the family '%s' as we know it", l->m->path,
                           STR_ARG(name), l->m->config.family->name);
    }
    return true;
}

bool load_weights(loader *l) {
    model *m = l->m;
    const tensor_form *forms = m->config.family->tensors;
    const file_tensor *instead = NULL;
    int count = 0, total = 0;
    l->used = arena_array(m->arena, bool, l->files.count + 1);
    if (l->o->head != HEAD_WRITES && l->o->head != m->config.head) m->config.head = l->o->head, m->config.labels = l->o->labels;
    if (!l->random) {
        arena *scratch = arena_new();
        instead = settle_tying(l, scratch);
        arena_free(scratch);
    }
    for (; forms[count].name; count++) total += is_layered(&forms[count]) ? m->config.layers : 1;
    m->slot = arena_array(m->arena, weight **, count);
    m->parameters = arena_array(m->arena, parameter, total + 2);
    for (int i = 0; i < count; i++) {
        if (!is_present(&forms[i], &m->config)) continue;
        if (!load_form(l, i, i == 0 ? instead : NULL)) return false;
        if (strcmp(forms[i].rows, "vocab") == 0)
            m->head = m->slot[i][0]; /* the last one: the output matrix, or the embedding's own */
    }
    return load_head(l) && refuse_unknown(l);
}
