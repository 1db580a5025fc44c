/* safetensors.c - reading and writing safetensors: 8 bytes of header length, a JSON header, the data.
 *
 * The header is foreign: its length is bounded, the JSON strict, every shape multiplied with overflow checks, every tensor's bytes
 * must be exactly those of its shape, lie inside the file, and together fill the data without gap or overlap, as the format demands. */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

enum { HEADER_MAX = 100000000, TENSORS_MAX = 1 << 20, SHARDS_MAX = 1024 };

static const struct {
    const char *name;
    size_t bytes;
    bool known;
    storage_type storage;
} dtypes[] = {{"F32", 4, true, TYPE_F32}, {"F16", 2, true, TYPE_F16}, {"BF16", 2, true, TYPE_BF16}, {"F64", 8, false, 0},
              {"I64", 8, false, 0},       {"I32", 4, false, 0},       {"I16", 2, false, 0},         {"I8", 1, false, 0},
              {"U8", 1, false, 0},        {"U16", 2, false, 0},       {"U32", 4, false, 0},         {"U64", 8, false, 0},
              {"BOOL", 1, false, 0},      {"F8_E4M3", 1, false, 0},   {"F8_E5M2", 1, false, 0}};

static size_t dtype_row(str name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (str_is(name, dtypes[i].name)) return i;
    return SIZE_MAX;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------ */

static bool bad(const char *path, const char *name, const char *words, err *e) {
    return err_set(e, ERR_INPUT, "%s: tensor '%s' %s; the file is damaged, get it again", path, name, words);
}

static bool read_shape(const char *path, const char *name, const json *shape, file_tensor *t, uint64_t *values, err *e) {
    *values = 1;
    if (json_kind_of(shape) != JSON_ARRAY || json_count(shape) > 8) return bad(path, name, "has no array of at most 8 sizes", e);
    t->dims = (int)json_count(shape);
    for (int i = 0; i < t->dims; i++) {
        const json *v = json_at(shape, (size_t)i);
        t->shape[i] = json_int(v, -1);
        if (json_kind_of(v) != JSON_INT || t->shape[i] < 0 || __builtin_mul_overflow(*values, (uint64_t)t->shape[i], values))
            return bad(path, name, "has impossible sizes", e);
    }
    return true;
}

static bool read_entry(const char *path, const json_member *m, str data, file_tensor *t, err *e) {
    uint64_t values, bytes;
    const json *offsets = json_get(m->value, "data_offsets");
    const size_t row = dtype_row(json_get_text(m->value, "dtype", STR("")));
    if (json_kind_of(m->value) != JSON_OBJECT || row == SIZE_MAX) return bad(path, m->key, "has an unknown dtype", e);
    if (!read_shape(path, m->key, json_get(m->value, "shape"), t, &values, e)) return false;
    if (json_kind_of(offsets) != JSON_ARRAY || json_count(offsets) != 2) return bad(path, m->key, "has no two data_offsets", e);
    const int64_t begin = json_int(json_at(offsets, 0), -1), end = json_int(json_at(offsets, 1), -1);
    if (begin < 0 || end < begin || (uint64_t)end > data.len) return bad(path, m->key, "lies outside the file", e);
    if (__builtin_mul_overflow(values, (uint64_t)dtypes[row].bytes, &bytes) || bytes != (uint64_t)(end - begin))
        return bad(path, m->key, "has another number of bytes than its shape says", e);
    t->name = str_of(m->key);
    t->type = dtypes[row].name;
    t->known = dtypes[row].known;
    t->storage = dtypes[row].storage;
    t->data = data.ptr + begin;
    t->bytes = (size_t)bytes;
    t->file = path;
    return true;
}

static int by_place(const void *a, const void *b) {
    const file_tensor *x = a, *y = b;
    return x->data != y->data ? ((const char *)x->data < (const char *)y->data ? -1 : 1)
                              : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}
static int by_name(const void *a, const void *b) {
    return str_compare(((const file_tensor *)a)->name, ((const file_tensor *)b)->name);
}

static bool check_cover(const char *path, file_tensor *t, int count, str data, err *e) {
    const char *at = data.ptr;
    qsort(t, (size_t)count, sizeof *t, by_place);
    for (int i = 0; i < count; at = (const char *)t[i].data + t[i].bytes, i++)
        if ((const char *)t[i].data != at) return bad(path, t[i].name.ptr, "overlaps its neighbour or leaves a gap", e);
    if (at != data.ptr + data.len)
        return err_set(e, ERR_INPUT, "%s: %zu bytes at the end belong to no tensor; the file is damaged", path,
                       (size_t)(data.ptr + data.len - at));
    return true;
}

/* Members of the outermost object as they are written, duplicates too (a parsed object has only the last of them). The text is JSON. */
static size_t count_keys(str text) {
    size_t keys = 0;
    int depth = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (inside && c == '\\') i++;
        else if (c == '"') inside = !inside;
        else if (!inside && (c == '{' || c == '[')) depth++;
        else if (!inside && (c == '}' || c == ']')) depth--;
        else if (!inside && c == ':') keys += depth == 1;
    }
    return keys;
}

static bool check_metadata(const char *path, const json *metadata, err *e) {
    json_member m = {0};
    if (metadata && json_kind_of(metadata) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "%s: __metadata__ should be an object of texts", path);
    while (json_next(metadata, &m))
        if (json_kind_of(m.value) != JSON_STRING)
            return err_set(e, ERR_INPUT, "%s: __metadata__ '%s' should be a text", path, m.key);
    return true;
}

bool safetensors_open(arena *a, const char *path, tensor_file *out, err *e) {
    str file;
    uint64_t header;
    *out = (tensor_file){0};
    if (!file_map(a, path, &file, e)) return false;
    if (file.len < 8) return err_set(e, ERR_INPUT, "%s has %zu bytes, too few for a safetensors file", path, file.len);
    memcpy(&header, file.ptr, 8);
    if (header > HEADER_MAX || header > file.len - 8)
        return err_set(e, ERR_INPUT,
                       "%s: the header says it has %llu bytes, the file has %zu; it is truncated or no safetensors file", path,
                       (unsigned long long)header, file.len);
    const str data = {file.ptr + 8 + header, file.len - 8 - header};
    const str head = {file.ptr + 8, header};
    if (!header || *head.ptr != '{')
        return err_set(e, ERR_INPUT, "%s: the header does not begin with '{'; it is no safetensors file", path);
    const json *j = json_parse(a, head, e);
    if (!j) return err_prefix(e, "%s: header", path);
    if (json_kind_of(j) != JSON_OBJECT || json_count(j) > TENSORS_MAX)
        return err_set(e, ERR_INPUT, "%s: the header is no object of at most %d tensors", path, TENSORS_MAX);
    if (count_keys(head) != json_count(j))
        return err_set(e, ERR_INPUT, "%s: the header names a tensor twice; the file is damaged", path);
    out->tensor = arena_array(a, file_tensor, json_count(j) + 1);
    const char *kept = arena_text(a, path);
    json_member m = {0};
    while (json_next(j, &m)) {
        if (strcmp(m.key, "__metadata__") == 0) {
            if (!check_metadata(kept, out->metadata = m.value, e)) return false;
        } else if (!read_entry(kept, &m, data, &out->tensor[out->count++], e)) return false;
    }
    if (!check_cover(kept, out->tensor, out->count, data, e)) return false;
    qsort(out->tensor, (size_t)out->count, sizeof *out->tensor, by_name);
    return true;
}

const file_tensor *tensor_file_find(const tensor_file *f, const char *name) {
    const file_tensor key = {.name = str_of(name)};
    return f->count ? bsearch(&key, f->tensor, (size_t)f->count, sizeof *f->tensor, by_name) : NULL;
}

/* The files that an index names, each once. A name may not leave the folder. */
static bool open_shards(arena *a, const char *folder, const json *map, tensor_file *out, err *e) {
    json_member m = {0};
    const char *names[SHARDS_MAX];
    int count = 0, total = 0;
    while (json_next(map, &m)) {
        const char *name = str_copy(a, json_text(m.value, STR("")));
        bool known = false;
        if (!*name || strchr(name, '/') || strstr(name, ".."))
            return err_set(e, ERR_INPUT, "%s: the index names the file '%s' for '%s'; only names in the folder are allowed",
                           folder, name, m.key);
        for (int i = 0; i < count && !known; i++) known = strcmp(names[i], name) == 0;
        if (!known && count == SHARDS_MAX) return err_set(e, ERR_LIMIT, "%s: more than %d shards", folder, SHARDS_MAX);
        if (!known) names[count++] = name;
    }
    tensor_file *part = arena_array(a, tensor_file, count + 1);
    for (int i = 0; i < count; i++) {
        if (!safetensors_open(a, path_join(a, folder, names[i]), &part[i], e)) return false;
        total += part[i].count;
    }
    out->tensor = arena_array(a, file_tensor, total + 1);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < part[i].count; k++) out->tensor[out->count++] = part[i].tensor[k];
    qsort(out->tensor, (size_t)out->count, sizeof *out->tensor, by_name);
    for (int i = 1; i < out->count; i++)
        if (str_eq(out->tensor[i].name, out->tensor[i - 1].name))
            return err_set(e, ERR_INPUT, "%s: tensor '%.*s' stands in two files", folder, STR_ARG(out->tensor[i].name));
    for (m = (json_member){0}; json_next(map, &m);)
        if (!tensor_file_find(out, m.key))
            return err_set(e, ERR_INPUT, "%s: the index promises '%s', but no file has it", folder, m.key);
    return true;
}

bool safetensors_open_folder(arena *a, const char *folder, const char *stem, tensor_file *out, err *e) {
    const char *single = path_join(a, folder, arena_printf(a, "%s.safetensors", stem)),
               *index = path_join(a, folder, arena_printf(a, "%s.safetensors.index.json", stem));
    *out = (tensor_file){0};
    if (file_exists(index)) {
        const json *j = json_parse_file(a, index, HEADER_MAX, e), *map = json_get(j, "weight_map");
        if (!j) return false;
        if (json_kind_of(map) != JSON_OBJECT) return err_set(e, ERR_INPUT, "%s: no object 'weight_map'", index);
        return open_shards(a, folder, map, out, e);
    }
    if (file_exists(single)) return safetensors_open(a, single, out, e);
    const char *pickle = path_join(a, folder, "pytorch_model.bin");
    if (file_exists(pickle) || file_exists(path_join(a, folder, "adapter_model.bin")))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s has its weights as a pickle (.bin), which can run any code and is never read; "
                       "get the safetensors version of the model, or convert it where you trust it (save_pretrained(..., "
                       "safe_serialization=True))",
                       folder);
    return err_set(e, ERR_NOT_FOUND, "%s has no %s.safetensors", folder, stem);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------- */

bool safetensors_write(const char *path, const tensor_to_write *t, int count, void *self, const char *const *metadata, err *e) {
    buf head = {0};
    json_writer w = json_writer_on(&head, false);
    json_open(&w, '{');
    json_key(&w, "__metadata__");
    json_open(&w, '{');
    json_key(&w, "format"), json_put_cstr(&w, "pt");
    for (; metadata && metadata[0]; metadata += 2) json_key(&w, metadata[0]), json_put_cstr(&w, metadata[1]);
    json_close(&w);
    uint64_t at = 0;
    size_t most = 0;
    for (int i = 0; i < count; at += t[i++].bytes) {
        json_key(&w, t[i].name), json_open(&w, '{');
        json_key(&w, "dtype"), json_put_cstr(&w, t[i].type);
        json_key(&w, "shape"), json_open(&w, '[');
        for (int k = 0; k < t[i].dims; k++) json_put_int(&w, t[i].shape[k]);
        json_close(&w);
        json_key(&w, "data_offsets"), json_open(&w, '[');
        json_put_int(&w, (int64_t)at), json_put_int(&w, (int64_t)(at + t[i].bytes));
        json_close(&w);
        json_close(&w);
        most = t[i].bytes > most ? t[i].bytes : most;
    }
    json_close(&w);
    while (head.len % 8) buf_put_char(&head, ' ');
    const uint64_t size = head.len;
    file_out f;
    void *room = memory_alloc(most + 1);
    bool ok = file_out_open(&f, path, e);
    if (ok) {
        ok = file_out_put(&f, &size, 8, e) && file_out_put(&f, head.ptr, head.len, e);
        for (int i = 0; ok && i < count; i++) {
            if (!t[i].data) t[i].fill(self, i, room);
            ok = file_out_put(&f, t[i].data ? t[i].data : room, t[i].bytes, e);
        }
        ok = ok && file_out_commit(&f, e);
        if (!ok) file_out_abandon(&f);
    }
    memory_release(room);
    buf_free(&head);
    return ok;
}
