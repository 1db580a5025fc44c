/* config.c - config.json in the spelling of transformers 4 and 5, sanity bounds, rotary frequencies, the table of families. */
#include "model/config.h"

#include <math.h>
#include <string.h>

static const family *const families[] = {
#define X(name) &family_##name,
    FAMILIES(X)
#undef X
};

const family *const *family_list(int *count) {
    *count = (int)(sizeof families / sizeof *families);
    return families;
}

static bool among(const char *const *list, const char *name) {
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0) return true;
    return false;
}

const family *family_of_type(const char *type) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (among(families[i]->model_types, type)) return families[i];
    return NULL;
}

const family *family_of_gguf(const char *architecture) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (among(families[i]->gguf_types, architecture)) return families[i];
    return NULL;
}

const char *family_names(arena *a) {
    const char *names = "";
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        names = arena_printf(a, "%s%s%s", names, i ? ", " : "", families[i]->name);
    return names;
}

/* ---- members ---------------------------------------------------------------------------------------------------------------------- */

bool config_size(const json *j, const char *key, int64_t fallback, int64_t max, int *out, err *e) {
    const json *v = json_get(j, key);
    const int64_t n = v ? json_int(v, -1) : fallback;
    if (v && json_kind_of(v) != JSON_INT)
        return err_set(e, ERR_INPUT, "config: '%s' should be a whole number, it is %s", key, json_kind_name(json_kind_of(v)));
    if (n < 1 || n > max)
        return err_set(e, ERR_INPUT, "config: '%s' is %s%lld, expected 1 to %lld", key, v ? "" : "missing: ", (long long)n,
                       (long long)max);
    *out = (int)n;
    return true;
}

bool config_real(const json *j, const char *key, double fallback, double min, double max, double *out, err *e) {
    const json *v = json_get(j, key);
    const json_kind kind = json_kind_of(v);
    *out = json_real(v, fallback);
    if (v && kind != JSON_INT && kind != JSON_REAL)
        return err_set(e, ERR_INPUT, "config: '%s' should be a number, it is %s", key, json_kind_name(kind));
    if (!(*out >= min && *out <= max)) return err_set(e, ERR_INPUT, "config: '%s' is %g, expected %g to %g", key, *out, min, max);
    return true;
}

bool config_bool(const json *j, const char *key, bool fallback, bool *out, err *e) {
    const json *v = json_get(j, key);
    *out = json_bool(v, fallback);
    if (v && json_kind_of(v) != JSON_BOOL)
        return err_set(e, ERR_INPUT, "config: '%s' should be true or false, it is %s", key, json_kind_name(json_kind_of(v)));
    return true;
}

static const struct {
    const char *name;
    activation_kind kind;
} activations[] = {
#define X(token, name) {name, token},
    ACTIVATIONS(X)
#undef X
        {"swish", ACT_SILU},
    {"gelu_new", ACT_GELU_TANH},
    {"gelu_fast", ACT_GELU_TANH},
};

const char *config_activation_name(activation_kind kind) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (activations[i].kind == kind) return activations[i].name;
    bug("activation %d has no name", (int)kind);
}

bool config_activation(const json *j, const char *key, const char *fallback, activation_kind *out, err *e) {
    const str name = json_get_text(j, key, str_of(fallback));
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (str_is(name, activations[i].name)) {
            *out = activations[i].kind;
            return true;
        }
    return err_set(e, ERR_UNSUPPORTED,
                   "config: activation '%.*s' is not here; silu, gelu, gelu_new (gelu_pytorch_tanh) and relu are", STR_ARG(name));
}

/* Version 5 has rope_parameters; version 4 rope_theta beside rope_scaling (null, or with "rope_type" or the older "type"). */
bool config_rope(const json *j, model_config *c, err *e) {
    static const char *const names[] = {
#define X(token, name) name,
        ROPE_KINDS(X)
#undef X
    };
    const json *p = json_get(j, "rope_parameters"), *s = json_get(j, "rope_scaling"), *from = p ? p : s;
    rope_config *r = &c->rope;
    int64_t original = json_get_int(from, "original_max_position_embeddings", c->positions);
    if ((p && json_kind_of(p) != JSON_OBJECT) || (s && json_kind_of(s) != JSON_OBJECT))
        return err_set(e, ERR_INPUT, "config: rope_parameters or rope_scaling should be an object");
    if (!config_real(json_has(p, "rope_theta") ? p : j, "rope_theta", 10000, 1, 1e12, &r->theta, e) ||
        !config_real(json_has(p, "partial_rotary_factor") ? p : j, "partial_rotary_factor", 1, 0, 1, &r->partial, e) ||
        !config_real(from, "factor", 1, 1e-6, 1e6, &r->factor, e) ||
        !config_real(from, "low_freq_factor", 1, 1e-6, 1e6, &r->low_freq_factor, e) ||
        !config_real(from, "high_freq_factor", 4, 1e-6, 1e6, &r->high_freq_factor, e))
        return false;
    const str kind = json_get_text(from, "rope_type", json_get_text(from, "type", STR("default")));
    int i = 0;
    while (i < ROPE_NONE && !str_is(kind, names[i])) i++;
    if (i == ROPE_NONE)
        return err_set(e, ERR_UNSUPPORTED, "config: rope_type '%.*s' is not here; default, linear and llama3 are", STR_ARG(kind));
    r->kind = (rope_kind)i;
    if (original < 1 || original > 1 << 30 || r->high_freq_factor <= r->low_freq_factor)
        return err_set(e, ERR_INPUT, "config: impossible values of rope (original length %lld, frequency factors %g to %g)",
                       (long long)original, r->low_freq_factor, r->high_freq_factor);
    r->original_positions = (int)original;
    return true;
}

bool config_finish(model_config *c, err *e) {
    if (c->heads % c->kv_heads)
        return err_set(e, ERR_INPUT, "config: %d heads cannot share %d key/value heads", c->heads, c->kv_heads);
    const int turned = (int)(c->head_dim * c->rope.partial);
    if (c->rope.kind != ROPE_NONE && (turned < 2 || turned % 2))
        return err_set(e, ERR_INPUT, "config: rope turns pairs of values, here it would turn %d", turned);
    if (c->head_dim > 1024) return err_set(e, ERR_LIMIT, "config: heads of %d values, at most 1024", c->head_dim);
    return true;
}

static void add_eos(model_config *c, int64_t id) {
    if (id >= 0 && id < c->vocab && c->eos_count < (int)(sizeof c->eos / sizeof *c->eos)) c->eos[c->eos_count++] = (int)id;
}

static int token_of(const json *j, const char *key, int vocab) {
    const int64_t id = json_get_int(j, key, -1);
    return id >= 0 && id < vocab ? (int)id : -1;
}

void config_tokens(const json *j, model_config *c) {
    const json *eos = json_get(j, "eos_token_id");
    c->bos = token_of(j, "bos_token_id", c->vocab);
    c->pad = token_of(j, "pad_token_id", c->vocab);
    if (json_kind_of(eos) == JSON_ARRAY)
        for (size_t i = 0; i < json_count(eos); i++) add_eos(c, json_int(json_at(eos, i), -1));
    else add_eos(c, json_int(eos, -1));
}

bool config_read(arena *a, const json *j, const char *path, model_config *c, err *e) {
    *c = (model_config){.source = (json *)(uintptr_t)j};
    const str type = json_get_text(j, "model_type", STR(""));
    if (!type.len) return err_set(e, ERR_INPUT, "%s: config.json has no 'model_type'", path);
    c->model_type = str_copy(a, type);
    c->family = family_of_type(c->model_type);
    if (!c->family)
        return err_set(e, ERR_UNSUPPORTED, "%s: model_type '%s' is not here; there are: %s", path, c->model_type,
                       family_names(a));
    if (json_get(j, "quantization_config"))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: its weights are quantised by '%.*s', which is not read; get the plain safetensors, or a GGUF file",
                       path,
                       STR_ARG(json_get_text(json_get(j, "quantization_config"), "quant_method", STR("an unknown method"))));
    if (!c->family->read_config(j, c, a, e) || !config_finish(c, e)) return err_prefix(e, "%s", path);
    config_tokens(j, c);
    return config_head(j, c, e) || err_prefix(e, "%s", path);
}

/* ---- rotary frequencies ---------------------------------------------------------------------------------------------------------------- */

/* f_i = theta^(-2i/n); linear: f / factor; llama3: long waves / factor, short ones as they are, a slope between (Llama 3.1). */
void rope_frequencies(const model_config *c, rope_table *out, float *frequency) {
    const rope_config *r = &c->rope;
    const int n = (int)(c->head_dim * r->partial);
    *out = (rope_table){.rotary = n, .frequency = frequency, .attention_factor = 1};
    for (int i = 0; i < n / 2; i++) {
        double f = pow(r->theta, -2.0 * i / n);
        const double wave = 2 * M_PI / f, o = r->original_positions;
        if (r->kind == ROPE_LINEAR) f /= r->factor;
        if (r->kind == ROPE_LLAMA3 && wave > o / r->low_freq_factor) f /= r->factor;
        else if (r->kind == ROPE_LLAMA3 && wave >= o / r->high_freq_factor) {
            const double s = (o / wave - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
            f = (1 - s) * f / r->factor + s * f;
        }
        frequency[i] = (float)f;
    }
}

void config_put_rope(json_writer *w, const model_config *c) {
    static const char *const names[] = {
#define X(token, name) name,
        ROPE_KINDS(X)
#undef X
    };
    const rope_config *r = &c->rope;
    json_key(w, "rope_parameters"), json_open(w, '{');
    json_key(w, "rope_type"), json_put_cstr(w, names[r->kind]);
    json_key(w, "rope_theta"), json_put_real(w, r->theta);
    if (r->partial != 1) json_key(w, "partial_rotary_factor"), json_put_real(w, r->partial);
    if (r->kind != ROPE_DEFAULT) json_key(w, "factor"), json_put_real(w, r->factor);
    if (r->kind == ROPE_LLAMA3) {
        json_key(w, "low_freq_factor"), json_put_real(w, r->low_freq_factor);
        json_key(w, "high_freq_factor"), json_put_real(w, r->high_freq_factor);
        json_key(w, "original_max_position_embeddings"), json_put_int(w, r->original_positions);
    }
    json_close(w);
}

/* transformers leaves out of weight decay, by name: biases and what is a norm. */
bool parameter_decays(const char *name) {
    const str s = str_of(name);
    if (str_find(s, STR("bias"), 0) >= 0 || str_find(s, STR("layernorm"), 0) >= 0 || str_find(s, STR("rmsnorm"), 0) >= 0)
        return false;
    for (size_t at = 0; at < s.len;) { /* a part between dots that is "norm", ends with "_norm", or GPT-2's ln_1, ln_2, ln_f */
        const ptrdiff_t dot = str_find(s, STR("."), at);
        const str part = str_slice(s, at, dot < 0 ? s.len : (size_t)dot);
        if (str_is(part, "norm") || str_ends(part, STR("_norm")) || str_starts(part, STR("ln_"))) return false;
        at = dot < 0 ? s.len : (size_t)dot + 1;
    }
    return true;
}
