/* model.c - opening models: config, tensors by the family's table, tokenizer and template beside them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/config.h"

/* ---- sizes and names ----------------------------------------------------------------------------------------------------------- */

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
                 {"3*hidden", 3 * c->hidden}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strcmp(sizes[i].words, words) == 0) return sizes[i].value;
    bug("no size is called '%s'", words);
}

static bool is_layered(const tensor_form *f) { return strstr(f->name, "%d") != NULL; }
static bool is_present(const tensor_form *f, const model_config *c) { return !f->present || f->present(c); }
static bool is_matrix(const tensor_form *f) { return strcmp(f->rows, "1") != 0; }

static char *name_of(arena *a, const char *pattern, int layer) {
    const char *at = strstr(pattern, "%d");
    return at ? arena_printf(a, "%.*s%d%s", (int)(at - pattern), pattern, layer, at + 2) : arena_text(a, pattern);
}

const weight *model_weight(const model *m, const tensor_form *f, int layer) {
    weight **row = m->slot[f - m->config.family->tensors];
    return row ? row[layer < 0 ? 0 : layer] : NULL;
}

/* ---- where values come from -------------------------------------------------------------------------------------------------------- */

typedef struct {
    model *m;
    const model_options *o;
    tensor_file files;
    bool gguf;
    bool random; /* model_new: no files */
    rng draw;
    err *e;
} loader;

static const file_tensor *find_tensor(const loader *l, const tensor_form *f, int layer, arena *scratch) {
    const char *name = name_of(scratch, l->gguf ? f->gguf : f->name, layer), *prefix = l->m->config.family->prefix;
    const file_tensor *t = tensor_file_find(&l->files, name);
    if (!t && !l->gguf && prefix && strncmp(name, prefix, strlen(prefix)) == 0)
        t = tensor_file_find(&l->files, name + strlen(prefix));
    return t;
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
                       l->m->path, name, t->type);
    bool same = t->dims == dims;
    for (int i = 0; same && i < dims; i++) same = t->shape[i] == want[i];
    return same || err_set(l->e, ERR_INPUT, "%s: tensor '%s' has the shape %s, the config says %s", l->m->path, name,
                           shape_words(a, t->shape, t->dims), shape_words(a, want, dims));
}

/* Rows of one head in GGUF are (i, j) of i < d/2, j < 2; ours are (j, i). */
static void unpermute(float *out, const float *in, int rows, int cols, int d) {
    for (int r = 0; r < rows; r++) {
        const int h = r / d, i = r % d / 2, j = r % 2;
        memcpy(out + (size_t)(h * d + j * (d / 2) + i) * (size_t)cols, in + (size_t)r * (size_t)cols, (size_t)cols * sizeof *out);
    }
}

static void transpose(float *out, const float *in, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) out[(size_t)c * (size_t)rows + (size_t)r] = in[(size_t)r * (size_t)cols + (size_t)c];
}

/* The bytes as our [out, in] rows of some type: as they are, or turned in float32. */
static const void *our_rows(const loader *l, const file_tensor *t, const tensor_form *f, int rows, int cols, arena *a,
                            storage_type *type) {
    const size_t n = (size_t)rows * (size_t)cols;
    *type = t->storage;
    const bool turned = f->transposed && !l->gguf, permuted = f->permuted && l->gguf;
    if (!turned && !permuted) return t->data;
    float *in = arena_array(a, float, n), *out = arena_array(a, float, n);
    type_to_f32(t->storage, t->data, in, n);
    if (turned) transpose(out, in, cols, rows);
    else if (is_matrix(f)) unpermute(out, in, rows, cols, l->m->config.head_dim);
    else unpermute(out, in, cols, 1, l->m->config.head_dim);
    *type = TYPE_F32;
    return out;
}

/* Fresh values: norms one, biases zero, the rest normal with deviation 0.02 (GPT-2). */
static const void *random_rows(loader *l, const char *name, const tensor_form *f, size_t n, arena *a) {
    float *out = arena_array(a, float, n);
    const bool bias = str_ends(str_of(name), STR(".bias"));
    for (size_t i = 0; i < n; i++) out[i] = is_matrix(f) ? (float)(0.02 * rng_normal(&l->draw)) : bias ? 0 : 1;
    return out;
}

static storage_type packed_type(const loader *l, storage_type stored) {
    if (l->o->keep_blocks && !l->o->train && (stored == TYPE_Q8_0 || stored == TYPE_Q4_0 || stored == TYPE_Q4_1)) return stored;
    return l->o->compute == COMPUTE_BF16 ? TYPE_BF16 : TYPE_F32;
}

static weight *load_one(loader *l, const tensor_form *f, int layer, const char *name) {
    const model_config *c = &l->m->config;
    const int rows = size_of(c, f->rows), cols = size_of(c, f->cols);
    arena *scratch = arena_new();
    storage_type from = TYPE_F32;
    const void *data = NULL;
    weight *w = NULL;
    if (l->random) data = random_rows(l, name, f, (size_t)rows * (size_t)cols, scratch);
    else {
        const file_tensor *t = find_tensor(l, f, layer, scratch);
        if (check_tensor(l, t, name, f, rows, cols, scratch)) data = our_rows(l, t, f, rows, cols, scratch, &from);
        if (data && is_matrix(f)) l->m->stored = t->storage;
    }
    if (data)
        w = weight_new(l->m->arena, l->m->backend, name, rows, cols, is_matrix(f), from, data,
                       is_matrix(f) ? packed_type(l, from) : TYPE_F32, l->o->train);
    arena_free(scratch);
    return w;
}

static bool load_all(loader *l) {
    model *m = l->m;
    const tensor_form *forms = m->config.family->tensors;
    int count = 0, total = 0;
    for (; forms[count].name; count++) total += is_layered(&forms[count]) ? m->config.layers : 1;
    m->slot = arena_array(m->arena, weight **, count);
    m->parameters = arena_array(m->arena, parameter, total);
    for (int i = 0; i < count; i++) {
        if (!is_present(&forms[i], &m->config)) continue;
        const int layers = is_layered(&forms[i]) ? m->config.layers : 1;
        m->slot[i] = arena_array(m->arena, weight *, layers);
        for (int k = 0; k < layers; k++) {
            parameter *p = &m->parameters[m->count++];
            *p = (parameter){&forms[i], is_layered(&forms[i]) ? k : -1, name_of(m->arena, forms[i].name, k), NULL};
            if (!(p->w = m->slot[i][k] = load_one(l, &forms[i], k, p->name))) return false;
        }
        if (strcmp(forms[i].rows, "vocab") == 0)
            m->head = m->slot[i][0]; /* the last one: the output matrix, or the embedding's own */
    }
    return true;
}

/* A tensor that the family does not know means that the forward pass would leave something out. */
static bool refuse_unknown(const loader *l) {
    const model *m = l->m;
    if (l->files.count <= m->count) return true;
    arena *a = arena_new();
    bool ok = true;
    for (int i = 0; ok && i < l->files.count; i++) {
        const str name = l->files.tensor[i].name;
        bool known = false;
        for (const char *const *s = m->config.family->skipped; s && *s && !known; s++) known = str_ends(name, str_of(*s));
        for (int k = 0; k < m->count && !known; k++) {
            const char *file = l->gguf ? name_of(a, m->parameters[k].form->gguf, m->parameters[k].layer) : m->parameters[k].name,
                       *prefix = m->config.family->prefix;
            known = str_is(name, file) ||
                    (prefix && strncmp(file, prefix, strlen(prefix)) == 0 && str_is(name, file + strlen(prefix)));
        }
        if (!known && m->config.tied && (str_is(name, "lm_head.weight") || str_is(name, "output.weight"))) known = true;
        if (!known)
            ok = err_set(l->e, ERR_UNSUPPORTED, "%s: tensor '%.*s' is no part of the family '%s' as we know it", m->path,
                         STR_ARG(name), m->config.family->name);
    }
    arena_free(a);
    return ok;
}

/* Both output matrix and embedding in the file, and different: then they are not tied, whatever the config says. */
static void untie_if_different(loader *l) {
    const char *names[2] = {l->gguf ? "token_embd.weight" : NULL, l->gguf ? "output.weight" : "lm_head.weight"};
    if (!l->m->config.tied || l->random) return;
    arena *a = arena_new();
    const file_tensor *head = tensor_file_find(&l->files, names[1]),
                      *embed = find_tensor(l, &l->m->config.family->tensors[0], 0, a);
    if (head && embed && (head->bytes != embed->bytes || memcmp(head->data, embed->data, head->bytes) != 0))
        l->m->config.tied = false;
    arena_free(a);
}

/* ---- text beside the weights --------------------------------------------------------------------------------------------------------------- */

static bool read_optional(arena *a, const char *folder, const char *name, str *out, err *e) {
    const char *path = path_join(a, folder, name);
    *out = (str){NULL, 0};
    return !file_exists(path) || file_read(a, path, 256 << 20, out, e);
}

static bool own_template(model *m, const char *folder, const json *tokenizer_config, str *out, err *e) {
    if (!read_optional(m->arena, folder, "chat_template.jinja", out, e)) return false;
    if (!out->len) *out = chat_template_of_config(tokenizer_config);
    return true;
}

static bool open_template(model *m, const model_options *o, str own, err *e) {
    if (o->chat_template) {
        str text = chat_template_named(o->chat_template);
        if (!text.len && !file_read(m->arena, o->chat_template, 16 << 20, &text, e)) return false;
        return (m->chat = chat_template_parse(m->arena, text, o->chat_template, e)) != NULL;
    }
    if (!own.len) return true;
    return (m->chat = chat_template_parse(m->arena, own, arena_printf(m->arena, "%s: chat template", m->path), e)) != NULL;
}

static bool open_text(model *m, const model_options *o, err *e) {
    str tokens, config, generation, template;
    json *c = NULL;
    if (!read_optional(m->arena, m->path, "tokenizer.json", &tokens, e) ||
        !read_optional(m->arena, m->path, "tokenizer_config.json", &config, e) ||
        !read_optional(m->arena, m->path, "generation_config.json", &generation, e))
        return false;
    if (config.len && !(c = json_parse(m->arena, config, e))) return err_prefix(e, "%s/tokenizer_config.json", m->path);
    if (generation.len && !(m->generation = json_parse(m->arena, generation, e)))
        return err_prefix(e, "%s/generation_config.json", m->path);
    if (o->no_text) return true;
    if (tokens.len && !(m->tokenizer = tokenizer_from_json(m->arena, tokens, config, m->path, e))) return false;
    return own_template(m, m->path, c, &template, e) && open_template(m, o, template, e);
}

static bool open_gguf_text(model *m, const gguf *g, const model_options *o, err *e) {
    tokenizer_vocab v;
    if (o->no_text) return true;
    if (!gguf_vocab(g, m->arena, &v, e) || !(m->tokenizer = tokenizer_from_vocab(m->arena, &v, e)))
        return err_prefix(e, "%s", m->path);
    return open_template(m, o, gguf_chat_template(g), e);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------------------------- */

static model *begin(arena *a, backend *b, const char *path) {
    model *m = arena_new_of(a, model);
    *m = (model){.arena = a, .backend = b, .path = arena_text(a, path)};
    return m;
}

static bool finish(loader *l) {
    model *m = l->m;
    if (!load_all(l)) return false;
    if (m->config.rope.kind != ROPE_NONE) {
        m->rope_frequency = arena_array(m->arena, float, m->config.head_dim);
        rope_frequencies(&m->config, &m->rope, m->rope_frequency);
    }
    return l->random || refuse_unknown(l);
}

static model *open_folder(arena *a, backend *b, const char *path, const model_options *o, err *e) {
    model *m = begin(a, b, path);
    loader l = {.m = m, .o = o, .e = e};
    const json *config = json_parse_file(a, path_join(a, path, "config.json"), 16 << 20, e);
    if (!config || !config_read(a, config, m->path, &m->config, e) || !safetensors_open_folder(a, path, "model", &l.files, e))
        return NULL;
    untie_if_different(&l);
    return finish(&l) && open_text(m, o, e) ? m : NULL;
}

static model *open_gguf(arena *a, backend *b, const char *path, const model_options *o, err *e) {
    model *m = begin(a, b, path);
    loader l = {.m = m, .o = o, .gguf = true, .e = e};
    const gguf *g = gguf_open(a, path, e);
    const json *config = g ? gguf_config(g, a, e) : NULL;
    if (!config || !config_read(a, config, m->path, &m->config, e)) return NULL;
    m->config.source = NULL;
    l.files = *gguf_tensors(g);
    return finish(&l) && open_gguf_text(m, g, o, e) ? m : NULL;
}

model *model_open(arena *a, backend *b, const char *path, const model_options *o, err *e) {
    if (file_is_dir(path)) return open_folder(a, b, path, o, e);
    if (!file_exists(path)) return err_null(e, ERR_NOT_FOUND, "no model at %s", path);
    if (str_ends(str_of(path), STR(".bin")) || str_ends(str_of(path), STR(".pt")) || str_ends(str_of(path), STR(".pth")))
        return err_null(
            e, ERR_UNSUPPORTED,
            "%s is a pickle, which can run any code and is never read; get the safetensors or GGUF version of the model", path);
    return open_gguf(a, b, path, o, e);
}

model *model_new(arena *a, backend *b, const json *config, uint64_t seed, const model_options *o, err *e) {
    model *m = begin(a, b, "(new model)");
    loader l = {.m = m, .o = o, .random = true, .draw = rng_new(seed, 0x6d6f64656c), .e = e};
    if (!config_read(a, config, m->path, &m->config, e)) return NULL;
    return finish(&l) ? m : NULL;
}

/* ---- reading out ----------------------------------------------------------------------------------------------------------------------------------- */

size_t model_parameter_count(const model *m) {
    size_t n = 0;
    for (int i = 0; i < m->count; i++) n += (size_t)m->parameters[i].w->rows * (size_t)m->parameters[i].w->cols;
    return n;
}

size_t model_weight_bytes(const model *m) {
    size_t n = 0;
    for (int i = 0; i < m->count; i++) {
        const weight *w = m->parameters[i].w;
        const bool lookup =
            m->parameters[i].form == &m->config.family->tensors[0] && w != m->head; /* a table of which one row is read */
        if (!lookup) n += w->matrix ? w->packed_bytes : (size_t)w->cols * sizeof(float);
    }
    return n;
}

static void in_folder_order(const parameter *p, const float *in, float *out) {
    if (p->form->transposed) transpose(out, in, p->w->rows, p->w->cols);
    else memcpy(out, in, (size_t)p->w->rows * (size_t)p->w->cols * sizeof *out);
}

void parameter_read(const model *m, const parameter *p, float *out) {
    float *rows = memory_alloc((size_t)p->w->rows * (size_t)p->w->cols * sizeof *rows);
    weight_read(m->backend, p->w, rows);
    in_folder_order(p, rows, out);
    memory_release(rows);
}

void parameter_grad_read(const model *m, const parameter *p, float *out) {
    const size_t bytes = (size_t)p->w->rows * (size_t)p->w->cols * sizeof(float);
    float *rows = memory_alloc(bytes);
    m->backend->get(m->backend, rows, p->w->grad, bytes);
    in_folder_order(p, rows, out);
    memory_release(rows);
}

bool model_hash(model *m, sha256_text out, err *e) {
    if (!file_is_dir(m->path)) return file_sha256(m->path, out, e);
    buf all = {0};
    arena *a = arena_new();
    char **names;
    int count;
    bool ok = dir_list(a, m->path, &names, &count, e);
    for (int i = 0; ok && i < count; i++) {
        sha256_text one;
        if (!str_ends(str_of(names[i]), STR(".safetensors"))) continue;
        ok = file_sha256(path_join(a, m->path, names[i]), one, e);
        buf_printf(&all, "%s  %s\n", one, names[i]);
    }
    if (ok) bytes_sha256(all.ptr, all.len, out);
    buf_free(&all);
    arena_free(a);
    return ok;
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------------------------------ */

tensor *model_forward(const model *m, tape *t, const model_batch *b, const adapter *ad) {
    return m->config.family->forward(m, t, b, ad);
}

tensor *model_logits(const model *m, tape *t, tensor *hidden) { return op_linear(t, hidden, m->head, m->head_bias); }
