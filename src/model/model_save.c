/* model_save.c - a model as a Hugging Face folder: config.json, weights (one file or shards with an index), tokenizer, template. */
#include <string.h>

#include "model/config.h"

typedef struct {
    const model *m;
    const adapter *merged;
    const parameter *const *p;
    storage_type type;
} saving;

static const char *type_words(storage_type t) { return t == TYPE_F32 ? "F32" : t == TYPE_BF16 ? "BF16" : "F16"; }

static void fill(void *self, int index, void *out) {
    const saving *s = self;
    const parameter *p = s->p[index];
    const int rows = p->w->rows, cols = p->w->cols;
    const size_t n = (size_t)rows * (size_t)cols;
    float *values = memory_alloc(n * sizeof *values), *turned = p->form->transposed ? memory_alloc(n * sizeof *turned) : NULL;
    parameter_read_merged(s->m, s->merged, p, values);
    for (int r = 0; turned && r < rows; r++)
        for (int c = 0; c < cols; c++)
            turned[(size_t)c * (size_t)rows + (size_t)r] = values[(size_t)r * (size_t)cols + (size_t)c];
    type_from_f32(s->type, turned ? turned : values, out, n);
    memory_release(values);
    memory_release(turned);
}

static size_t bytes_of(const parameter *p, storage_type type) {
    return type_bytes(type, (size_t)p->w->rows * (size_t)p->w->cols);
}

static bool write_file(const saving *s, const char *path, int count, err *e) {
    arena *a = arena_new();
    tensor_to_write *t = arena_array(a, tensor_to_write, count + 1);
    for (int i = 0; i < count; i++) {
        const weight *w = s->p[i]->w;
        const bool turned = s->p[i]->form->transposed;
        t[i] = (tensor_to_write){.name = s->p[i]->name,
                                 .type = type_words(s->type),
                                 .dims = w->matrix ? 2 : 1,
                                 .shape = {turned ? w->cols : w->rows, turned ? w->rows : w->cols},
                                 .fill = fill,
                                 .bytes = bytes_of(s->p[i], s->type)};
        if (!w->matrix) t[i].shape[0] = w->cols;
    }
    const bool ok = safetensors_write(path, t, count, (void *)(uintptr_t)s, NULL, e);
    arena_free(a);
    return ok;
}

/* How many parameters from `first` on go into a file of at most `limit` bytes (at least one; limit 0: all). */
static int shard_length(const model *m, int first, size_t limit, storage_type type) {
    size_t bytes = 0;
    int n = 0;
    while (first + n < m->count && (n == 0 || !limit || bytes + bytes_of(&m->parameters[first + n], type) <= limit))
        bytes += bytes_of(&m->parameters[first + n++], type);
    return n;
}

static bool write_weights(const model *m, const adapter *merged, const char *folder, storage_type type, size_t limit, err *e) {
    arena *a = arena_new();
    const parameter **list = arena_array(a, const parameter *, m->count);
    buf index = {0};
    json_writer w = json_writer_on(&index, true);
    int shards = 0;
    uint64_t total = 0;
    bool ok = true;
    for (int first = 0; first < m->count; shards++) first += shard_length(m, first, limit, type);
    for (int i = 0; i < m->count; i++) {
        list[i] = &m->parameters[i];
        total += bytes_of(list[i], type);
    }
    json_open(&w, '{');
    json_key(&w, "metadata"), json_open(&w, '{'), json_key(&w, "total_size"), json_put_int(&w, (int64_t)total), json_close(&w);
    json_key(&w, "weight_map"), json_open(&w, '{');
    for (int first = 0, k = 1; ok && first < m->count; k++) {
        const int n = shard_length(m, first, limit, type);
        const char *name = shards == 1 ? "model.safetensors" : arena_printf(a, "model-%05d-of-%05d.safetensors", k, shards);
        const saving s = {m, merged, list + first, type};
        ok = write_file(&s, path_join(a, folder, name), n, e);
        for (int i = first; i < first + n; i++) json_key(&w, list[i]->name), json_put_cstr(&w, name);
        first += n;
    }
    json_close(&w);
    json_close(&w);
    if (ok && shards > 1) ok = file_write(path_join(a, folder, "model.safetensors.index.json"), buf_str(&index), e);
    if (ok)
        file_io.unlink(
            path_join(a, folder, shards > 1 ? "model.safetensors" : "model.safetensors.index.json")); /* of an older save */
    buf_free(&index);
    arena_free(a);
    return ok;
}

static void put_token_ids(json_writer *w, const model_config *c) {
    if (c->bos >= 0) json_key(w, "bos_token_id"), json_put_int(w, c->bos);
    if (c->eos_count == 1) json_key(w, "eos_token_id"), json_put_int(w, c->eos[0]);
    if (c->eos_count < 2) return;
    json_key(w, "eos_token_id"), json_open(w, '[');
    for (int i = 0; i < c->eos_count; i++) json_put_int(w, c->eos[i]);
    json_close(w);
}

/* The class that transformers makes of it: the family's, with the ending that says its head. */
static void name_class(arena *a, json *config, const model_config *c) {
    static const char *const endings[] = {"ForCausalLM", "LMHeadModel"};
    const str name = json_text(json_at(json_get(config, "architectures"), 0), STR(""));
    json *classes = json_new_array(a);
    for (size_t i = 0; c->head != HEAD_WRITES && i < sizeof endings / sizeof *endings; i++) {
        if (!str_ends(name, str_of(endings[i]))) continue;
        const str family_name = str_slice(name, 0, name.len - strlen(endings[i]));
        json_append(classes, json_new_text(a, str_join(a, family_name, str_of(head_ending(c->head)))));
        json_set(config, "architectures", classes);
        return;
    }
}

static void put_labels(json_writer *w, const model_config *c) {
    if (c->head == HEAD_WRITES || (int)json_count(json_get(c->source, "id2label")) == c->labels) return;
    char name[32];
    json_key(w, "id2label"), json_open(w, '{');
    for (int i = 0; i < c->labels; i++) {
        snprintf(name, sizeof name, "%d", i);
        json_key(w, name);
        snprintf(name, sizeof name, "LABEL_%d", i);
        json_put_cstr(w, name);
    }
    json_close(w);
    json_key(w, "label2id"), json_open(w, '{');
    for (int i = 0; i < c->labels; i++) {
        snprintf(name, sizeof name, "LABEL_%d", i);
        json_key(w, name), json_put_int(w, i);
    }
    json_close(w);
}

/* Members that we know are written anew; everything else the folder had stays as it was. */
static bool write_config(const model *m, const char *path, storage_type type, err *e) {
    const model_config *c = &m->config;
    buf ours = {0}, out = {0};
    arena *a = arena_new();
    json_writer w = json_writer_on(&ours, true);
    json_open(&w, '{');
    json_key(&w, "model_type"), json_put_cstr(&w, c->model_type);
    json_key(&w, "dtype"), json_put_cstr(&w, type == TYPE_F32 ? "float32" : type == TYPE_BF16 ? "bfloat16" : "float16");
    json_key(&w, "vocab_size"), json_put_int(&w, c->vocab);
    json_key(&w, "tie_word_embeddings"), json_put_bool(&w, c->tied);
    put_token_ids(&w, c);
    const int pad = c->head == HEAD_WRITES ? c->pad : head_padding(m);
    if (pad >= 0) json_key(&w, "pad_token_id"), json_put_int(&w, pad);
    c->family->write_config(&w, c);
    put_labels(&w, c);
    json_close(&w);
    json *known = json_parse(a, buf_str(&ours), e);
    if (known) name_class(a, known, c);
    json_writer v = json_writer_on(&out, true);
    json_open(&v, '{');
    json_member mine = {0}, theirs = {0};
    while (known && json_next(known, &mine)) json_key(&v, mine.key), json_put_value(&v, mine.value);
    static const char *const replaced[] = {"torch_dtype",          "rope_theta",    "rope_scaling",
                                           "transformers_version", "_name_or_path", NULL};
    while (known && c->source && json_next(c->source, &theirs)) {
        bool leave = json_has(known, theirs.key);
        for (const char *const *r = replaced; *r && !leave; r++) leave = strcmp(*r, theirs.key) == 0;
        if (!leave) json_key(&v, theirs.key), json_put_value(&v, theirs.value);
    }
    json_close(&v);
    buf_put_char(&out, '\n');
    const bool ok = known && file_write(path, buf_str(&out), e);
    buf_free(&ours);
    buf_free(&out);
    arena_free(a);
    return ok;
}

/* Text files of a folder are copied as they are. */
static bool copy_text(arena *a, const model *m, const char *folder, err *e) {
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "chat_template.jinja",
                                        "generation_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "tokenizer.model",
                                        "vocab.json",
                                        "merges.txt",
                                        NULL};
    for (const char *const *n = names; file_is_dir(m->path) && *n; n++) {
        const char *from = path_join(a, m->path, *n);
        str text;
        if (!file_exists(from)) continue;
        if (!file_read(a, from, 256 << 20, &text, e) || !file_write(path_join(a, folder, *n), text, e)) return false;
    }
    return true;
}

/* Of a GGUF file, which holds it. */
static bool write_tokenizer(arena *a, const tokenizer *t, const char *folder, err *e) {
    buf words = {0}, config = {0};
    tokenizer_write_json(t, &words);
    tokenizer_write_config(t, &config);
    const bool ok = file_write(path_join(a, folder, "tokenizer.json"), buf_str(&words), e) &&
                    file_write(path_join(a, folder, "tokenizer_config.json"), buf_str(&config), e);
    buf_free(&words);
    buf_free(&config);
    return ok;
}

static bool write_generation(const model *m, const char *path, err *e) {
    buf text = {0};
    json_writer w = json_writer_on(&text, true);
    json_open(&w, '{');
    put_token_ids(&w, &m->config);
    json_close(&w);
    buf_put_char(&text, '\n');
    const bool ok = file_write(path, buf_str(&text), e);
    buf_free(&text);
    return ok;
}

static bool write_text(const model *m, const char *folder, err *e) {
    arena *a = arena_new();
    const char *generation = path_join(a, folder, "generation_config.json");
    const bool has_tokenizer = file_is_dir(m->path) && file_exists(path_join(a, m->path, "tokenizer.json"));
    const bool ok = copy_text(a, m, folder, e) &&
                    (!m->tokenizer || has_tokenizer || write_tokenizer(a, m->tokenizer, folder, e)) &&
                    (!m->chat || file_write(path_join(a, folder, "chat_template.jinja"), chat_template_source(m->chat), e)) &&
                    (file_exists(generation) || !m->config.eos_count || write_generation(m, generation, e));
    arena_free(a);
    return ok;
}

bool model_save(const model *m, const adapter *merged, const char *folder, storage_type type, size_t shard_bytes, err *e) {
    if (type != TYPE_F32 && type != TYPE_BF16 && type != TYPE_F16)
        return err_set(e, ERR_UNSUPPORTED, "folders are written as f32, bf16 or f16, not %s", type_name(type));
    if (!adapter_merges(merged, m, e)) return false;
    arena *a = arena_new();
    const bool ok = dir_make(folder, e) && write_weights(m, merged, folder, type, shard_bytes, e) &&
                    write_config(m, path_join(a, folder, "config.json"), type, e) && write_text(m, folder, e);
    arena_free(a);
    return ok;
}
