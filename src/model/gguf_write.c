/* gguf_write.c - a model as a GGUF file, version 3, and an Ollama Modelfile beside it.
 *
 * Layout: magic, version, counts; key-value metadata; one info per tensor (name, sizes innermost first, type, offset); padding to
 * 32 bytes; the data, each tensor padded to 32. Everything is written as it is made: one tensor in memory at a time.
 *
 * llama.cpp rotates neighbouring values where transformers rotates halves, so the rows of llama's q and k are reordered:
 * row (head, i, j) of the file is row (head, j, i) of the folder, i < d/2, j < 2. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 32, GGUF_VERSION = 3 };

/* ids of ggml's tensor types and of general.file_type ("mostly ...") for the types that we write */
static const struct {
    storage_type type;
    uint32_t tensor, file;
} written_types[] = {{TYPE_F32, 0, 0}, {TYPE_F16, 1, 1}, {TYPE_BF16, 30, 32}, {TYPE_Q8_0, 8, 7}};

static uint32_t tensor_type_id(storage_type t) {
    for (size_t i = 0; i < sizeof written_types / sizeof *written_types; i++)
        if (written_types[i].type == t) return written_types[i].tensor;
    bug("GGUF type %d is not among those we write", (int)t);
}

/* ---- metadata ------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    buf out;
    uint64_t count;
} metadata;

static void put_u32(buf *b, uint32_t v) { buf_put(b, &v, 4); }
static void put_u64(buf *b, uint64_t v) { buf_put(b, &v, 8); }
static void put_text(buf *b, str s) {
    put_u64(b, s.len);
    buf_put_str(b, s);
}

static void put_key(metadata *m, const char *key, uint32_t kind) {
    put_text(&m->out, str_of(key));
    put_u32(&m->out, kind);
    m->count++;
}

static void meta_u32(metadata *m, const char *key, int64_t v) {
    put_key(m, key, 4);
    put_u32(&m->out, (uint32_t)v);
}

static void meta_f32(metadata *m, const char *key, double v) {
    const float f = (float)v;
    put_key(m, key, 6);
    buf_put(&m->out, &f, 4);
}

static void meta_bool(metadata *m, const char *key, bool v) {
    put_key(m, key, 7);
    buf_put_char(&m->out, v ? 1 : 0);
}

static void meta_text(metadata *m, const char *key, str v) {
    put_key(m, key, 8);
    put_text(&m->out, v);
}

static void meta_texts(metadata *m, const char *key, const str *v, int count) {
    put_key(m, key, 9);
    put_u32(&m->out, 8);
    put_u64(&m->out, (uint64_t)count);
    for (int i = 0; i < count; i++) put_text(&m->out, v[i]);
}

static void meta_words(metadata *m, const char *key, uint32_t kind, const void *v, int count) {
    put_key(m, key, 9);
    put_u32(&m->out, kind);
    put_u64(&m->out, (uint64_t)count);
    buf_put(&m->out, v, (size_t)count * 4);
}

static void put_sizes(metadata *m, const model *from, const char *arch, arena *a) {
    const model_config *c = &from->config;
#define KEY(name) arena_printf(a, "%s." name, arch)
    meta_u32(m, KEY("vocab_size"), c->vocab);
    meta_u32(m, KEY("context_length"), c->positions);
    meta_u32(m, KEY("embedding_length"), c->hidden);
    meta_u32(m, KEY("block_count"), c->layers);
    meta_u32(m, KEY("feed_forward_length"), c->ffn);
    meta_u32(m, KEY("attention.head_count"), c->heads);
    meta_u32(m, KEY("attention.head_count_kv"), c->kv_heads);
    if (c->rope.kind == ROPE_NONE) {
        meta_f32(m, KEY("attention.layer_norm_epsilon"), (double)c->norm_eps);
        return;
    }
    meta_f32(m, KEY("attention.layer_norm_rms_epsilon"), (double)c->norm_eps);
    meta_u32(m, KEY("attention.key_length"), c->head_dim);
    meta_u32(m, KEY("attention.value_length"), c->head_dim);
    meta_u32(m, KEY("rope.dimension_count"), from->rope.rotary);
    meta_f32(m, KEY("rope.freq_base"), c->rope.theta);
    if (c->rope.kind == ROPE_LINEAR) {
        meta_text(m, KEY("rope.scaling.type"), STR("linear"));
        meta_f32(m, KEY("rope.scaling.factor"), c->rope.factor);
    }
    if (c->rope.kind == ROPE_LLAMA3) { /* the rule itself is in the tensor rope_freqs.weight; its parameters for our own reader */
        meta_u32(m, KEY("rope.scaling.original_context_length"), c->rope.original_positions);
        meta_f32(m, "fettle.rope.low_freq_factor", c->rope.low_freq_factor);
        meta_f32(m, "fettle.rope.high_freq_factor", c->rope.high_freq_factor);
    }
#undef KEY
}

static void put_id(metadata *m, const char *key, int id) {
    if (id >= 0) meta_u32(m, key, id);
}

static bool put_tokenizer(metadata *m, const model *from, arena *a, err *e) {
    if (!from->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer; a GGUF file needs one", from->path);
    tokenizer_vocab v;
    if (!tokenizer_vocabulary(from->tokenizer, a, &v, e)) return false;
    if (v.count > from->config.vocab) v.count = from->config.vocab;
    /* Rows of the embedding without a token get a name, as llama.cpp's converter does. */
    str *token = arena_array(a, str, from->config.vocab);
    int32_t *type = arena_array(a, int32_t, from->config.vocab);
    float *score = arena_array(a, float, from->config.vocab);
    for (int i = 0; i < from->config.vocab; i++) {
        const bool there = i < v.count && v.tokens[i].ptr;
        token[i] = there ? v.tokens[i] : str_of(arena_printf(a, "[PAD%d]", i));
        type[i] = there && v.types ? v.types[i] : there ? 1 : 5;
        score[i] = there && v.scores ? v.scores[i] : 0;
    }
    meta_text(m, "tokenizer.ggml.model", str_of(v.model));
    if (v.pre && *v.pre) meta_text(m, "tokenizer.ggml.pre", str_of(v.pre));
    meta_texts(m, "tokenizer.ggml.tokens", token, from->config.vocab);
    meta_words(m, "tokenizer.ggml.token_type", 5, type, from->config.vocab);
    if (v.scores) meta_words(m, "tokenizer.ggml.scores", 6, score, from->config.vocab);
    if (v.merges) meta_texts(m, "tokenizer.ggml.merges", v.merges, v.merge_count);
    put_id(m, "tokenizer.ggml.bos_token_id", v.bos);
    put_id(m, "tokenizer.ggml.eos_token_id", v.eos);
    put_id(m, "tokenizer.ggml.unknown_token_id", v.unk);
    put_id(m, "tokenizer.ggml.padding_token_id", v.pad);
    meta_bool(m, "tokenizer.ggml.add_bos_token", v.add_bos);
    meta_bool(m, "tokenizer.ggml.add_eos_token", v.add_eos);
    if (strcmp(v.model, "llama") == 0) meta_bool(m, "tokenizer.ggml.add_space_prefix", v.add_space_prefix);
    if (from->chat) meta_text(m, "tokenizer.chat_template", chat_template_source(from->chat));
    return true;
}

static bool put_metadata(metadata *m, const model *from, storage_type type, const char *name, arena *a, err *e) {
    const char *arch = from->config.family->gguf_types[0];
    uint32_t file_type = 0;
    for (size_t i = 0; i < sizeof written_types / sizeof *written_types; i++)
        if (written_types[i].type == type) file_type = written_types[i].file;
    meta_text(m, "general.architecture", str_of(arch));
    meta_text(m, "general.name", str_of(name));
    meta_u32(m, "general.file_type", file_type);
    meta_u32(m, "general.quantization_version", 2);
    meta_u32(m, "general.alignment", ALIGNMENT);
    put_sizes(m, from, arch, a);
    return put_tokenizer(m, from, a, e);
}

/* ---- tensors ---------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const parameter *p; /* NULL: rope_freqs.weight */
    const char *name;
    int rows, cols;
    storage_type type;
    uint64_t offset, bytes;
} out_tensor;

static bool has_rope_tensor(const model *m) { return m->config.rope.kind == ROPE_LLAMA3; }

static out_tensor *plan_tensors(const model *m, storage_type type, arena *a, int *count) {
    out_tensor *t = arena_array(a, out_tensor, m->count + 1);
    *count = 0;
    if (has_rope_tensor(m)) t[(*count)++] = (out_tensor){NULL, "rope_freqs.weight", 1, m->rope.rotary / 2, TYPE_F32, 0, 0};
    for (int i = 0; i < m->count; i++) {
        const parameter *p = &m->parameters[i];
        out_tensor *o = &t[(*count)++];
        *o = (out_tensor){.p = p, .name = arena_printf(a, p->form->gguf, p->layer), .rows = p->w->rows, .cols = p->w->cols};
        /* rows that do not fill blocks of 32 stay in half precision, as in llama.cpp */
        o->type = !p->w->matrix ? TYPE_F32 : type == TYPE_Q8_0 && p->w->cols % 32 ? TYPE_F16 : type;
    }
    uint64_t at = 0;
    for (int i = 0; i < *count; i++) {
        t[i].offset = at;
        t[i].bytes = type_bytes(t[i].type, (size_t)t[i].rows * (size_t)t[i].cols);
        at += (t[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return t;
}

static void put_infos(buf *b, const out_tensor *t, int count) {
    for (int i = 0; i < count; i++) {
        const bool vector = !t[i].p || !t[i].p->w->matrix;
        put_text(b, str_of(t[i].name));
        put_u32(b, vector ? 1 : 2);
        put_u64(b, (uint64_t)(vector ? t[i].rows * t[i].cols : t[i].cols));
        if (!vector) put_u64(b, (uint64_t)t[i].rows);
        put_u32(b, tensor_type_id(t[i].type));
        put_u64(b, t[i].offset);
    }
}

/* Halves to neighbours: out row (h, i, j) = in row (h, j, i). */
static void permute_rows(float *out, const float *in, int rows, int cols, int head_dim) {
    const int half = head_dim / 2;
    for (int r = 0; r < rows; r++) {
        const int h = r / head_dim, i = r % head_dim / 2, j = r % 2;
        memcpy(out + (size_t)r * (size_t)cols, in + (size_t)(h * head_dim + j * half + i) * (size_t)cols,
               (size_t)cols * sizeof *out);
    }
}

/* llama3's divisors: the plain frequency over the scaled one. */
static void rope_divisors(const model *m, float *out) {
    for (int i = 0; i < m->rope.rotary / 2; i++)
        out[i] = (float)(__builtin_pow(m->config.rope.theta, -2.0 * i / m->rope.rotary) / (double)m->rope.frequency[i]);
}

static bool write_tensors(file_out *f, const model *m, const adapter *merged, const out_tensor *t, int count, err *e) {
    static const char zeros[ALIGNMENT] = {0};
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        const size_t values = (size_t)t[i].rows * (size_t)t[i].cols;
        most = values > most ? values : most;
    }
    float *value = memory_alloc(most * sizeof *value), *spare = memory_alloc(most * sizeof *value);
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        const size_t values = (size_t)t[i].rows * (size_t)t[i].cols;
        float *from = value, *other = spare;
        if (!t[i].p) rope_divisors(m, value);
        else parameter_read_merged(m, merged, t[i].p, value);
        if (t[i].p && t[i].p->form->permuted) {
            permute_rows(spare, value, t[i].rows * (t[i].p->w->matrix ? 1 : t[i].cols), t[i].p->w->matrix ? t[i].cols : 1,
                         m->config.head_dim);
            from = spare;
            other = value;
        }
        type_from_f32(t[i].type, from, other, values);
        ok = file_out_put(f, other, t[i].bytes, e) && file_out_put(f, zeros, (ALIGNMENT - t[i].bytes % ALIGNMENT) % ALIGNMENT, e);
    }
    memory_release(value);
    memory_release(spare);
    return ok;
}

/* ---- the Modelfile -------------------------------------------------------------------------------------------------------------------- */

static bool write_modelfile(const model *m, const char *gguf_path, arena *a, err *e) {
    buf out = {0};
    const sampling s = sampling_default(m);
    buf_printf(&out, "# ollama create %.*s -f Modelfile     (the chat template stands in the GGUF file)\nFROM ./%s\n",
               (int)strcspn(path_name(gguf_path), "."), path_name(gguf_path), path_name(gguf_path));
    buf_printf(&out, "PARAMETER temperature %g\n", s.temperature);
    if (s.top_p < 1) buf_printf(&out, "PARAMETER top_p %g\n", s.top_p);
    if (s.top_k > 0) buf_printf(&out, "PARAMETER top_k %d\n", s.top_k);
    const int eos = tokenizer_eos(m->tokenizer);
    if (eos >= 0) buf_printf(&out, "PARAMETER stop \"%.*s\"\n", STR_ARG(tokenizer_token(m->tokenizer, eos)));
    const bool ok = file_write(path_join(a, path_folder(a, gguf_path), "Modelfile"), buf_str(&out), e);
    buf_free(&out);
    return ok;
}

bool model_save_gguf(const model *m, const adapter *merged, const char *path, storage_type type, err *e) {
    bool known = false;
    for (size_t i = 0; i < sizeof written_types / sizeof *written_types; i++) known |= written_types[i].type == type;
    if (!known) return err_set(e, ERR_UNSUPPORTED, "GGUF files are written as f32, f16, bf16 or q8_0, not %s", type_name(type));
    if (!model_writes(m, merged, e)) return err_prefix(e, "a GGUF file holds a language model");
    if (!adapter_merges(merged, m, e)) return false;
    arena *a = arena_new();
    metadata meta = {0};
    buf head = {0};
    file_out f = {.fd = -1};
    int count;
    const out_tensor *t = plan_tensors(m, type, a, &count);
    bool ok = put_metadata(&meta, m, type, path_name(path), a, e);
    if (ok) {
        buf_put(&head, "GGUF", 4);
        put_u32(&head, GGUF_VERSION);
        put_u64(&head, (uint64_t)count);
        put_u64(&head, meta.count);
        buf_put_str(&head, buf_str(&meta.out));
        put_infos(&head, t, count);
        while (head.len % ALIGNMENT) buf_put_char(&head, 0);
        ok = file_out_open(&f, path, e) && file_out_put(&f, head.ptr, head.len, e) && write_tensors(&f, m, merged, t, count, e) &&
             file_out_commit(&f, e);
        if (!ok) file_out_abandon(&f);
        ok = ok && write_modelfile(m, path, a, e);
    }
    buf_free(&meta.out);
    buf_free(&head);
    arena_free(a);
    return ok;
}
