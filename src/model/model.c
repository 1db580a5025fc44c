/* model.c - opening models: config, weights (load.c), tokenizer and template beside them; and reading them out. */
#include <string.h>

#include "model/load.h"

const weight *model_weight(const model *m, const tensor_form *f, int layer) {
    weight **row = m->slot[f - m->config.family->tensors];
    return row ? row[layer < 0 ? 0 : layer] : NULL;
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
    m->compute = l->o->compute;
    m->measured = l->o->measure;
    if (!load_weights(l)) return false;
    if (m->config.rope.kind != ROPE_NONE) {
        m->rope_frequency = arena_array(m->arena, float, m->config.head_dim);
        rope_frequencies(&m->config, &m->rope, m->rope_frequency);
    }
    return true;
}

static model *open_folder(arena *a, backend *b, const char *path, const model_options *o, err *e) {
    model *m = begin(a, b, path);
    loader l = {.m = m, .o = o, .e = e};
    const json *config = json_parse_file(a, path_join(a, path, "config.json"), 16 << 20, e);
    if (!config || !config_read(a, config, m->path, &m->config, e) || !safetensors_open_folder(a, path, "model", &l.files, e))
        return NULL;
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

bool model_is_known(const char *path, err *e) {
    arena *a = arena_new();
    model_config c;
    const char *in_folder = path_join(a, path, "config.json");
    const json *config = NULL;
    bool ok = true;
    if (!file_is_dir(path)) {
        const gguf *g = gguf_open(a, path, e);
        ok = g && (config = gguf_config(g, a, e));
    } else if (file_exists(in_folder)) ok = (config = json_parse_file(a, in_folder, 16 << 20, e)) != NULL;
    ok = ok && (!config || config_read(a, config, path, &c, e));
    arena_free(a);
    return ok;
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

model *model_open_text(arena *a, const char *path, const model_options *o, err *e) {
    model *m = begin(a, NULL, path);
    if (file_is_dir(path)) return open_text(m, o, e) ? m : NULL;
    const gguf *g = gguf_open(a, path, e);
    return g && open_gguf_text(m, g, o, e) ? m : NULL;
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

tensor *model_logits(const model *m, tape *t, tensor *hidden, const adapter *ad) {
    return op_linear(t, hidden, model_head(m, ad), m->head_bias);
}
