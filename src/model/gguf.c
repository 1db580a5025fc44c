/* gguf.c - reading GGUF, version 2 and 3 (ggml's docs/gguf.md): a header, typed key-value metadata, tensor infos, aligned data.
 *
 * The file is mapped and foreign: one cursor walks it, every length is checked against the bytes that are left before it is
 * used, every tensor is checked to lie inside the file, and nothing is allocated from a number that was not. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 65535, KEYS_MAX = 65536, TENSORS_MAX = 65536, TENSOR_DIMS_MAX = 4, SHORT_ARRAY = 64 };

/*     token      id  size in bytes (0: not fixed) */
#define VALUE_KINDS(X)                                                                                                           \
    X(VALUE_U8, 0, 1)                                                                                                            \
    X(VALUE_I8, 1, 1)                                                                                                            \
    X(VALUE_U16, 2, 2)                                                                                                           \
    X(VALUE_I16, 3, 2)                                                                                                           \
    X(VALUE_U32, 4, 4)                                                                                                           \
    X(VALUE_I32, 5, 4)                                                                                                           \
    X(VALUE_F32, 6, 4)                                                                                                           \
    X(VALUE_BOOL, 7, 1)                                                                                                          \
    X(VALUE_TEXT, 8, 0)                                                                                                          \
    X(VALUE_ARRAY, 9, 0)                                                                                                         \
    X(VALUE_U64, 10, 8)                                                                                                          \
    X(VALUE_I64, 11, 8)                                                                                                          \
    X(VALUE_F64, 12, 8)

typedef enum {
#define X(token, id, size) token = id,
    VALUE_KINDS(X)
#undef X
        VALUE_COUNT
} value_kind;

static const size_t value_size[VALUE_COUNT] = {
#define X(token, id, size) [id] = size,
    VALUE_KINDS(X)
#undef X
};

/* ggml's tensor types: the ones we read have a storage type; the others have a name, for the message that refuses them. */
static const struct {
    uint32_t id;
    const char *name;
    bool known;
    storage_type storage;
} tensor_types[] = {
    {0, "F32", true, TYPE_F32},   {1, "F16", true, TYPE_F16},    {2, "Q4_0", true, TYPE_Q4_0}, {3, "Q4_1", true, TYPE_Q4_1},
    {8, "Q8_0", true, TYPE_Q8_0}, {30, "BF16", true, TYPE_BF16}, {6, "Q5_0", false, 0},        {7, "Q5_1", false, 0},
    {9, "Q8_1", false, 0},        {10, "Q2_K", false, 0},        {11, "Q3_K", false, 0},       {12, "Q4_K", false, 0},
    {13, "Q5_K", false, 0},       {14, "Q6_K", false, 0},        {15, "Q8_K", false, 0},       {16, "IQ2_XXS", false, 0},
    {17, "IQ2_XS", false, 0},     {18, "IQ3_XXS", false, 0},     {19, "IQ1_S", false, 0},      {20, "IQ4_NL", false, 0},
    {21, "IQ3_S", false, 0},      {22, "IQ2_S", false, 0},       {23, "IQ4_XS", false, 0},     {24, "I8", false, 0},
    {25, "I16", false, 0},        {26, "I32", false, 0},         {27, "I64", false, 0},        {28, "F64", false, 0},
    {29, "IQ1_M", false, 0},      {39, "MXFP4", false, 0},
};

typedef struct {
    str key;
    value_kind kind, item; /* item: of an array */
    uint64_t count;        /* of an array */
    const uint8_t *at;     /* the value, or an array's first item: checked to lie inside the file */
} entry;

struct gguf {
    arena *arena;
    const char *path;
    entry *entries;
    size_t count;
    tensor_file tensors;
};

/* ---- the cursor ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *begin, *at, *end;
    const char *path;
    err *e;
} cursor;

static bool short_file(cursor *c, const char *what) {
    return err_set(c->e, ERR_INPUT, "%s: the file ends inside %s at byte %zu; it is truncated or damaged, get it again", c->path,
                   what, (size_t)(c->at - c->begin));
}

static size_t left(const cursor *c) { return (size_t)(c->end - c->at); }

static bool take(cursor *c, void *out, size_t size, const char *what) {
    if (left(c) < size) return short_file(c, what);
    memcpy(out, c->at, size);
    c->at += size;
    return true;
}

static bool take_text(cursor *c, str *out, uint64_t max, const char *what) {
    uint64_t length = 0;
    if (!take(c, &length, 8, what)) return false;
    if (length > max || length > left(c)) {
        return length > left(c) ? short_file(c, what)
                                : err_set(c->e, ERR_INPUT, "%s: %s has %llu bytes, at most %llu are allowed", c->path, what,
                                          (unsigned long long)length, (unsigned long long)max);
    }
    *out = (str){(const char *)c->at, (size_t)length};
    c->at += length;
    return true;
}

/* ---- metadata -------------------------------------------------------------------------------------------------------------- */

static bool skip_texts(cursor *c, uint64_t count, str key) {
    for (uint64_t i = 0; i < count; i++) {
        str ignored;
        if (!take_text(c, &ignored, UINT32_MAX, "an array of texts")) return err_prefix(c->e, "key '%.*s'", STR_ARG(key));
    }
    return true;
}

static bool read_array(cursor *c, entry *v) {
    uint32_t item;
    if (!take(c, &item, 4, "an array") || !take(c, &v->count, 8, "an array")) return false;
    if (item >= VALUE_COUNT || item == VALUE_ARRAY)
        return err_set(c->e, ERR_INPUT, "%s: key '%.*s' is an array of type %u, which is not allowed", c->path, STR_ARG(v->key),
                       item);
    v->item = (value_kind)item;
    v->at = c->at;
    if (v->item == VALUE_TEXT) {
        if (v->count > left(c) / 8) return short_file(c, "an array of texts");
        return skip_texts(c, v->count, v->key);
    }
    if (v->count > left(c) / value_size[v->item]) return short_file(c, "an array");
    c->at += v->count * value_size[v->item];
    return true;
}

static bool read_entry(cursor *c, entry *v) {
    uint32_t kind;
    if (!take_text(c, &v->key, KEY_MAX, "a metadata key") || !take(c, &kind, 4, "a metadata type")) return false;
    if (kind >= VALUE_COUNT)
        return err_set(c->e, ERR_INPUT, "%s: key '%.*s' has the unknown type %u", c->path, STR_ARG(v->key), kind);
    v->kind = (value_kind)kind;
    v->at = c->at;
    if (v->kind == VALUE_ARRAY) return read_array(c, v);
    if (v->kind == VALUE_TEXT) {
        str ignored;
        return take_text(c, &ignored, UINT32_MAX, "a text");
    }
    if (left(c) < value_size[v->kind]) return short_file(c, "a metadata value");
    c->at += value_size[v->kind];
    return true;
}

static const entry *find(const gguf *g, str key) {
    for (size_t i = 0; i < g->count; i++)
        if (str_eq(g->entries[i].key, key)) return &g->entries[i];
    return NULL;
}

static int key_order(const void *a, const void *b) { return str_compare(*(const str *)a, *(const str *)b); }

static bool read_metadata(cursor *c, gguf *g, uint64_t count) {
    if (count > KEYS_MAX)
        return err_set(c->e, ERR_LIMIT, "%s: %llu metadata keys, at most %d are read", c->path, (unsigned long long)count,
                       KEYS_MAX);
    if (count > left(c) / 13) return short_file(c, "the metadata");
    g->entries = arena_array(g->arena, entry, count);
    for (uint64_t i = 0; i < count; i++) {
        if (!read_entry(c, &g->entries[i])) return false;
        g->count++;
    }
    str *keys = arena_array(g->arena, str, count + 1);
    for (uint64_t i = 0; i < count; i++) keys[i] = g->entries[i].key;
    qsort(keys, count, sizeof(str), key_order);
    for (uint64_t i = 1; i < count; i++)
        if (str_eq(keys[i], keys[i - 1]))
            return err_set(c->e, ERR_INPUT, "%s: key '%.*s' stands there twice", c->path, STR_ARG(keys[i]));
    return true;
}

/* ---- values ---------------------------------------------------------------------------------------------------------------- */

static double number_at(value_kind kind, const uint8_t *at) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        uint64_t u64;
        int64_t i64;
        double f64;
    } v;
    memcpy(&v, at, value_size[kind]);
    switch (kind) {
    case VALUE_U8:
    case VALUE_BOOL: return v.u8;
    case VALUE_I8: return v.i8;
    case VALUE_U16: return v.u16;
    case VALUE_I16: return v.i16;
    case VALUE_U32: return v.u32;
    case VALUE_I32: return v.i32;
    case VALUE_F32: return (double)v.f32;
    case VALUE_U64: return (double)v.u64;
    case VALUE_I64: return (double)v.i64;
    case VALUE_F64: return v.f64;
    default: bug("not a number: GGUF value type %d", (int)kind);
    }
}

static bool is_integer(value_kind k) {
    return k != VALUE_F32 && k != VALUE_F64 && k != VALUE_BOOL && k != VALUE_TEXT && k != VALUE_ARRAY;
}

static str text_at(const uint8_t *at) {
    uint64_t length;
    memcpy(&length, at, 8);
    return (str){(const char *)at + 8, (size_t)length};
}

static str get_text(const gguf *g, const char *key) {
    const entry *v = find(g, str_of(key));
    return v && v->kind == VALUE_TEXT ? text_at(v->at) : (str){NULL, 0};
}

static double get_number(const gguf *g, const char *key, double fallback) {
    const entry *v = find(g, str_of(key));
    return v && v->kind != VALUE_TEXT && v->kind != VALUE_ARRAY ? number_at(v->kind, v->at) : fallback;
}

static int get_token(const gguf *g, const char *key) {
    const double id = get_number(g, key, -1);
    return id >= 0 && id < 4294967295.0 && id < 2147483647.0 ? (int)id : -1;
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------- */

/* Values of a tensor, or 0 when the product of its sizes is nonsense. */
static uint64_t shape_values(const int64_t *shape, int dims) {
    uint64_t values = 1;
    for (int i = 0; i < dims; i++) {
        if (shape[i] <= 0 || __builtin_mul_overflow(values, (uint64_t)shape[i], &values) || values > (1ull << 48)) return 0;
    }
    return values;
}

static bool read_tensor(cursor *c, file_tensor *t, uint64_t *offset) {
    uint32_t dims, type;
    uint64_t sizes[TENSOR_DIMS_MAX];
    if (!take_text(c, &t->name, KEY_MAX, "a tensor's name") || !take(c, &dims, 4, "a tensor's sizes")) return false;
    if (dims < 1 || dims > TENSOR_DIMS_MAX)
        return err_set(c->e, ERR_INPUT, "%s: tensor '%.*s' has %u dimensions, 1 to 4 are allowed", c->path, STR_ARG(t->name),
                       dims);
    if (!take(c, sizes, 8 * dims, "a tensor's sizes") || !take(c, &type, 4, "a tensor's type") ||
        !take(c, offset, 8, "a tensor's place"))
        return false;
    t->dims = (int)dims;
    for (uint32_t i = 0; i < dims; i++) t->shape[i] = (int64_t)sizes[dims - 1 - i]; /* GGUF writes the innermost first */
    t->file = c->path;
    t->type = "an unknown type";
    for (size_t i = 0; i < sizeof tensor_types / sizeof *tensor_types; i++)
        if (tensor_types[i].id == type) {
            t->type = tensor_types[i].name;
            t->known = tensor_types[i].known;
            t->storage = tensor_types[i].storage;
        }
    if (!shape_values(t->shape, t->dims))
        return err_set(c->e, ERR_INPUT, "%s: the sizes of tensor '%.*s' are impossible", c->path, STR_ARG(t->name));
    return true;
}

/* Where its bytes lie; a type that we cannot read has no size we know, so it is left without data and refused when wanted. */
static bool place_tensor(cursor *c, file_tensor *t, uint64_t offset, const uint8_t *data, uint64_t alignment) {
    if (!t->known) return true;
    const uint64_t values = shape_values(t->shape, t->dims);
    const size_t block = type_bytes(t->storage, 32) == 32 * type_bytes(t->storage, 1) ? 1 : 32;
    if ((uint64_t)t->shape[t->dims - 1] % block)
        return err_set(c->e, ERR_INPUT, "%s: rows of tensor '%.*s' have %lld values, %s wants a multiple of %zu", c->path,
                       STR_ARG(t->name), (long long)t->shape[t->dims - 1], t->type, block);
    t->bytes = type_bytes(t->storage, (size_t)values);
    const uint64_t room = (uint64_t)(c->end - data);
    if (offset % alignment || offset > room || t->bytes > room - offset)
        return err_set(c->e, ERR_INPUT, "%s: tensor '%.*s' (%zu bytes at %llu) does not lie inside the file's data of %llu bytes",
                       c->path, STR_ARG(t->name), t->bytes, (unsigned long long)offset, (unsigned long long)room);
    t->data = data + offset;
    return true;
}

static int by_name(const void *a, const void *b) {
    return str_compare(((const file_tensor *)a)->name, ((const file_tensor *)b)->name);
}

static bool read_tensors(cursor *c, gguf *g, uint64_t count) {
    if (count > TENSORS_MAX)
        return err_set(c->e, ERR_LIMIT, "%s: %llu tensors, at most %d are read", c->path, (unsigned long long)count, TENSORS_MAX);
    if (count > left(c) / 32) return short_file(c, "the list of tensors");
    g->tensors.tensor = arena_array(g->arena, file_tensor, count);
    g->tensors.count = (int)count;
    uint64_t *offset = arena_array(g->arena, uint64_t, count + 1);
    for (uint64_t i = 0; i < count; i++)
        if (!read_tensor(c, &g->tensors.tensor[i], &offset[i])) return false;
    const double wanted = get_number(g, "general.alignment", 32);
    const uint64_t alignment = (uint64_t)wanted;
    if (wanted < 1 || wanted > 65536 || (alignment & (alignment - 1)))
        return err_set(c->e, ERR_INPUT, "%s: general.alignment is %g, expected a power of two up to 65536", c->path, wanted);
    const uint64_t head = (uint64_t)(c->at - c->begin), start = (head + alignment - 1) / alignment * alignment;
    if (start > (uint64_t)(c->end - c->begin) && count) return short_file(c, "the tensors");
    const uint8_t *data = c->begin + (start > (uint64_t)(c->end - c->begin) ? (uint64_t)(c->end - c->begin) : start);
    for (uint64_t i = 0; i < count; i++)
        if (!place_tensor(c, &g->tensors.tensor[i], offset[i], data, alignment)) return false;
    qsort(g->tensors.tensor, count, sizeof(file_tensor), by_name);
    for (uint64_t i = 1; i < count; i++)
        if (str_eq(g->tensors.tensor[i].name, g->tensors.tensor[i - 1].name))
            return err_set(c->e, ERR_INPUT, "%s: tensor '%.*s' stands there twice", c->path, STR_ARG(g->tensors.tensor[i].name));
    return true;
}

gguf *gguf_open(arena *a, const char *path, err *e) {
    str bytes;
    if (!file_map(a, path, &bytes, e)) return NULL;
    cursor c = {(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len, path, e};
    char magic[4];
    uint32_t version;
    uint64_t tensors, entries;
    if (!take(&c, magic, 4, "the header")) return NULL;
    if (memcmp(magic, "GGUF", 4) != 0) return err_null(e, ERR_INPUT, "%s is no GGUF file: it does not begin with 'GGUF'", path);
    if (!take(&c, &version, 4, "the header")) return NULL;
    if (version != 2 && version != 3)
        return err_null(e, ERR_UNSUPPORTED, "%s: GGUF version %u (we read 2 and 3%s)", path, version,
                        version == 0x02000000 || version == 0x03000000 ? "; this one is big-endian" : "");
    if (!take(&c, &tensors, 8, "the header") || !take(&c, &entries, 8, "the header")) return NULL;
    gguf *g = arena_new_of(a, gguf);
    g->arena = a;
    g->path = arena_text(a, path);
    c.path = g->path;
    return read_metadata(&c, g, entries) && read_tensors(&c, g, tensors) ? g : NULL;
}

const tensor_file *gguf_tensors(const gguf *g) { return &g->tensors; }

/* ---- as JSON ------------------------------------------------------------------------------------------------------------------ */

static json *value_json(arena *a, value_kind kind, const uint8_t *at) {
    if (kind == VALUE_TEXT) return json_new_text(a, text_at(at));
    if (kind == VALUE_BOOL) return json_new_bool(a, *at != 0);
    const double v = number_at(kind, at);
    return is_integer(kind) && v < 9e18 ? json_new_int(a, (int64_t)v) : json_new_real(a, v);
}

static json *array_json(arena *a, const entry *v) {
    if (v->count > SHORT_ARRAY) {
        json *o = json_new_object(a);
        json_set(o, "items", json_new_int(a, (int64_t)v->count));
        return o;
    }
    json *out = json_new_array(a);
    const uint8_t *at = v->at;
    for (uint64_t i = 0; i < v->count; i++) {
        json_append(out, value_json(a, v->item, at));
        at += v->item == VALUE_TEXT ? 8 + text_at(at).len : value_size[v->item];
    }
    return out;
}

json *gguf_metadata(const gguf *g) {
    json *out = json_new_object(g->arena);
    for (size_t i = 0; i < g->count; i++) {
        const entry *v = &g->entries[i];
        json_set(out, str_copy(g->arena, v->key),
                 v->kind == VALUE_ARRAY ? array_json(g->arena, v) : value_json(g->arena, v->kind, v->at));
    }
    return out;
}

str gguf_chat_template(const gguf *g) { return get_text(g, "tokenizer.chat_template"); }

/* ---- the tokenizer's part -------------------------------------------------------------------------------------------------------- */

static const entry *want_array(const gguf *g, const char *key, value_kind item, uint64_t count, err *e) {
    const entry *v = find(g, str_of(key));
    if (!v) return NULL;
    const bool right = v->kind == VALUE_ARRAY && (v->item == item || (item == VALUE_I32 && v->item == VALUE_U32));
    if (!right) return err_null(e, ERR_INPUT, "%s: key '%s' has an unexpected type", g->path, key);
    if (count && v->count != count)
        return err_null(e, ERR_INPUT, "%s: key '%s' has %llu items, there are %llu tokens", g->path, key,
                        (unsigned long long)v->count, (unsigned long long)count);
    return v;
}

static str *texts(arena *a, const entry *v) {
    str *out = arena_array(a, str, v->count + 1);
    const uint8_t *at = v->at;
    for (uint64_t i = 0; i < v->count; i++) {
        out[i] = text_at(at);
        at += 8 + out[i].len;
    }
    return out;
}

bool gguf_vocab(const gguf *g, arena *a, tokenizer_vocab *out, err *e) {
    *out = (tokenizer_vocab){0};
    const entry *tokens = want_array(g, "tokenizer.ggml.tokens", VALUE_TEXT, 0, e);
    if (!tokens) return err_set(e, ERR_INPUT, "%s: no tokenizer inside (key 'tokenizer.ggml.tokens')", g->path);
    if (tokens->count > 16u << 20) return err_set(e, ERR_LIMIT, "%s: %llu tokens", g->path, (unsigned long long)tokens->count);
    const entry *scores = want_array(g, "tokenizer.ggml.scores", VALUE_F32, tokens->count, e);
    const entry *types = want_array(g, "tokenizer.ggml.token_type", VALUE_I32, tokens->count, e);
    const entry *merges = want_array(g, "tokenizer.ggml.merges", VALUE_TEXT, 0, e);
    if (e && e->code) return false;
    out->count = (int)tokens->count;
    out->tokens = texts(a, tokens);
    if (scores) out->scores = memcpy(arena_array(a, float, scores->count), scores->at, scores->count * 4);
    if (types) out->types = memcpy(arena_array(a, int32_t, types->count), types->at, types->count * 4);
    if (merges) {
        out->merges = texts(a, merges);
        out->merge_count = (int)merges->count;
    }
    out->model = str_copy(a, get_text(g, "tokenizer.ggml.model"));
    out->pre = str_copy(a, get_text(g, "tokenizer.ggml.pre"));
    out->bos = get_token(g, "tokenizer.ggml.bos_token_id");
    out->eos = get_token(g, "tokenizer.ggml.eos_token_id");
    out->unk = get_token(g, "tokenizer.ggml.unknown_token_id");
    out->pad = get_token(g, "tokenizer.ggml.padding_token_id");
    const bool spm = strcmp(out->model, "llama") == 0;
    out->add_bos = get_number(g, "tokenizer.ggml.add_bos_token", spm) != 0;
    out->add_eos = get_number(g, "tokenizer.ggml.add_eos_token", 0) != 0;
    out->add_space_prefix = get_number(g, "tokenizer.ggml.add_space_prefix", spm) != 0;
    return true;
}

/* ---- the config ---------------------------------------------------------------------------------------------------------------------- */

/* Keys of a family's metadata (behind "llama.") and what transformers' config.json calls them. */
static const struct {
    const char *gguf, *config, *gpt2;
} config_keys[] = {
    {"context_length", "max_position_embeddings", "n_positions"},
    {"embedding_length", "hidden_size", "n_embd"},
    {"block_count", "num_hidden_layers", "n_layer"},
    {"feed_forward_length", "intermediate_size", "n_inner"},
    {"attention.head_count", "num_attention_heads", "n_head"},
    {"attention.head_count_kv", "num_key_value_heads", NULL},
    {"attention.key_length", "head_dim", NULL},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", NULL},
    {"attention.layer_norm_epsilon", "layer_norm_eps", "layer_norm_epsilon"},
};

/* llama.cpp keeps the result of llama3's rule as divisors, one per frequency, and not its parameters. Files we wrote have them
 * beside it; in others the published values of Llama 3.1 and later are tried, and a mismatch is refused. */
static bool put_llama3_rope(const gguf *g, arena *a, const char *arch, json *rope, double theta, int rotary, err *e) {
    const file_tensor *t = tensor_file_find(&g->tensors, "rope_freqs.weight");
    if (!t) return true;
    if (!t->known || t->storage != TYPE_F32 || shape_values(t->shape, t->dims) != (uint64_t)rotary / 2)
        return err_set(e, ERR_INPUT, "%s: rope_freqs.weight should be %d values of F32", g->path, rotary / 2);
    float divisor[1024];
    if (rotary / 2 > 1024) return err_set(e, ERR_LIMIT, "%s: rope_freqs.weight is too long", g->path);
    memcpy(divisor, t->data, t->bytes);
    double factor = 1;
    for (int i = 0; i < rotary / 2; i++) factor = (double)divisor[i] > factor ? (double)divisor[i] : factor;
    const double low = get_number(g, "fettle.rope.low_freq_factor", 1), high = get_number(g, "fettle.rope.high_freq_factor", 4);
    const double original = get_number(g, arena_printf(a, "%s.rope.scaling.original_context_length", arch), 8192);
    for (int i = 0; i < rotary / 2; i++) {
        const double f = __builtin_pow(theta, -2.0 * i / rotary), wave = 2 * 3.14159265358979323846 / f;
        const double s = (original / wave - low) / (high - low);
        const double want = wave < original / high ? 1 : wave > original / low ? factor : 1 / ((1 - s) / factor + s);
        if (__builtin_fabs(want - (double)divisor[i]) > 1e-3 * want)
            return err_set(e, ERR_UNSUPPORTED,
                           "%s: rope_freqs.weight follows no rule that we know (value %d is %g, llama3's is %g)", g->path, i,
                           (double)divisor[i], want);
    }
    json_set(rope, "rope_type", json_new_text(a, STR("llama3")));
    json_set(rope, "factor", json_new_real(a, factor));
    json_set(rope, "low_freq_factor", json_new_real(a, low));
    json_set(rope, "high_freq_factor", json_new_real(a, high));
    json_set(rope, "original_max_position_embeddings", json_new_int(a, (int64_t)original));
    return true;
}

static bool put_rope(const gguf *g, arena *a, const char *arch, json *config, err *e) {
    json *rope = json_new_object(a);
    const double theta = get_number(g, arena_printf(a, "%s.rope.freq_base", arch), 10000);
    json_set(rope, "rope_theta", json_new_real(a, theta));
    const str scaling = get_text(g, arena_printf(a, "%s.rope.scaling.type", arch));
    const double factor = get_number(g, arena_printf(a, "%s.rope.scaling.factor", arch),
                                     get_number(g, arena_printf(a, "%s.rope.scale_linear", arch), 1));
    json_set(rope, "rope_type",
             json_new_text(a, scaling.len && !str_is(scaling, "none") ? scaling
                              : factor != 1                           ? STR("linear")
                                                                      : STR("default")));
    if (factor != 1) json_set(rope, "factor", json_new_real(a, factor));
    const int64_t heads = json_get_int(config, "num_attention_heads", 1), hidden = json_get_int(config, "hidden_size", 0);
    const int64_t head = json_get_int(config, "head_dim", heads > 0 ? hidden / heads : 0);
    const double rotary = get_number(g, arena_printf(a, "%s.rope.dimension_count", arch), (double)head);
    if (rotary < 0 || rotary > (double)head || head > 1 << 20)
        return err_set(e, ERR_INPUT, "%s: %g rotary values in a head of %lld", g->path, rotary, (long long)head);
    if (rotary != (double)head) json_set(rope, "partial_rotary_factor", json_new_real(a, rotary / (double)head));
    if (!put_llama3_rope(g, a, arch, rope, theta, (int)rotary, e)) return false;
    json_set(config, "rope_parameters", rope);
    return true;
}

static void put_tokens(const gguf *g, arena *a, json *config) {
    static const char *const keys[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                          {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                          {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
    for (size_t i = 0; i < 3; i++)
        if (get_token(g, keys[i][0]) >= 0) json_set(config, keys[i][1], json_new_int(a, get_token(g, keys[i][0])));
}

/* How many rows a matrix has; 0 when it is not there. */
static int64_t matrix_rows(const gguf *g, const char *name) {
    const file_tensor *t = tensor_file_find(&g->tensors, name);
    return t && t->dims == 2 ? t->shape[0] : 0;
}

json *gguf_config(const gguf *g, arena *a, err *e) {
    const str architecture = get_text(g, "general.architecture");
    if (!architecture.len) return err_null(e, ERR_INPUT, "%s: no key 'general.architecture'", g->path);
    const char *arch = str_copy(a, architecture);
    const bool gpt2 = strcmp(arch, "gpt2") == 0;
    json *config = json_new_object(a);
    json_set(config, "model_type", json_new_text(a, architecture));
    for (size_t i = 0; i < sizeof config_keys / sizeof *config_keys; i++) {
        const entry *v = find(g, str_of(arena_printf(a, "%s.%s", arch, config_keys[i].gguf)));
        const char *name = gpt2 ? config_keys[i].gpt2 : config_keys[i].config;
        if (v && name && v->kind != VALUE_ARRAY) json_set(config, name, value_json(a, v->kind, v->at));
    }
    json_set(config, "vocab_size", json_new_int(a, matrix_rows(g, "token_embd.weight")));
    json_set(config, "tie_word_embeddings", json_new_bool(a, matrix_rows(g, "output.weight") == 0));
    json_set(config, "attention_bias", json_new_bool(a, tensor_file_find(&g->tensors, "blk.0.attn_output.bias") != NULL));
    json_set(config, "mlp_bias", json_new_bool(a, tensor_file_find(&g->tensors, "blk.0.ffn_down.bias") != NULL));
    put_tokens(g, a, config);
    return gpt2 || put_rope(g, a, arch, config, e) ? config : NULL;
}
