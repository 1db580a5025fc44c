/* family_llama.c - Llama 1 to 3.3, SmolLM, TinyLlama, Yi (arXiv:2302.13971): RMSNorm before attention and a gated feed-forward, rotary
 * positions, shared key/value heads. */
#include "model/llama_blocks.h"

static const tensor_form tensors[] = LLAMA_TENSORS(true);

bool llama_read_config(const json *j, model_config *c, err *e) {
    if (!config_size(j, "vocab_size", 0, 1 << 24, &c->vocab, e) || !config_size(j, "hidden_size", 0, 1 << 16, &c->hidden, e) ||
        !config_size(j, "num_hidden_layers", 0, 4096, &c->layers, e) ||
        !config_size(j, "num_attention_heads", 0, 4096, &c->heads, e) ||
        !config_size(j, "num_key_value_heads", c->heads, 4096, &c->kv_heads, e) ||
        !config_size(j, "head_dim", c->hidden / c->heads, 1024, &c->head_dim, e) ||
        !config_size(j, "intermediate_size", 0, 1 << 18, &c->ffn, e) ||
        !config_size(j, "max_position_embeddings", 2048, 1 << 24, &c->positions, e) ||
        !config_activation(j, "hidden_act", "silu", &c->activation, e) || !config_rope(j, c, e))
        return false;
    double eps;
    if (!config_real(j, "rms_norm_eps", 1e-6, 0, 1, &eps, e) || !config_bool(j, "tie_word_embeddings", false, &c->tied, e))
        return false;
    c->norm_eps = (float)eps;
    return true;
}

static bool read_config(const json *j, model_config *c, arena *a, err *e) {
    (void)a;
    if (!config_bool(j, "attention_bias", false, &c->qkv_bias, e) || !config_bool(j, "mlp_bias", false, &c->mlp_bias, e))
        return false;
    c->out_bias = c->qkv_bias;
    return llama_read_config(j, c, e);
}

void llama_write_config(json_writer *w, const model_config *c) {
    json_key(w, "hidden_size"), json_put_int(w, c->hidden);
    json_key(w, "num_hidden_layers"), json_put_int(w, c->layers);
    json_key(w, "num_attention_heads"), json_put_int(w, c->heads);
    json_key(w, "num_key_value_heads"), json_put_int(w, c->kv_heads);
    json_key(w, "head_dim"), json_put_int(w, c->head_dim);
    json_key(w, "intermediate_size"), json_put_int(w, c->ffn);
    json_key(w, "max_position_embeddings"), json_put_int(w, c->positions);
    json_key(w, "hidden_act"), json_put_cstr(w, config_activation_name(c->activation));
    json_key(w, "rms_norm_eps"), json_put_float(w, c->norm_eps);
    config_put_rope(w, c);
}

static void write_config(json_writer *w, const model_config *c) {
    json_key(w, "architectures"), json_open(w, '['), json_put_cstr(w, "LlamaForCausalLM"), json_close(w);
    json_key(w, "attention_bias"), json_put_bool(w, c->qkv_bias);
    json_key(w, "mlp_bias"), json_put_bool(w, c->mlp_bias);
    llama_write_config(w, c);
}

static tensor *attention(const model *m, tape *t, tensor *x, const model_batch *b, const adapter *ad, weight **w[], int l) {
    const model_config *c = &m->config;
#define W(slot) (w[slot] ? w[slot][l] : NULL)
    tensor *q = model_linear(m, t, x, W(Q), W(QB), ad), *k = model_linear(m, t, x, W(K), W(KB), ad),
           *v = model_linear(m, t, x, W(V), W(VB), ad);
    q = op_rope(t, q, c->head_dim, b->layout, &m->rope);
    k = op_rope(t, k, c->head_dim, b->layout, &m->rope);
    const attention_form f = {.heads = c->heads,
                              .kv_heads = c->kv_heads,
                              .head_dim = c->head_dim,
                              .scale = 1 / __builtin_sqrtf((float)c->head_dim),
                              .layer = l};
    return model_linear(m, t, op_attention(t, q, k, v, b->layout, &f), W(O), W(OB), ad);
}

static tensor *feed_forward(const model *m, tape *t, tensor *x, const adapter *ad, weight **w[], int l) {
    tensor *gate = model_linear(m, t, x, W(GATE), W(GATEB), ad), *up = model_linear(m, t, x, W(UP), W(UPB), ad);
    return model_linear(m, t, op_gate(t, gate, up, m->config.activation), W(DOWN), W(DOWNB), ad);
}

tensor *llama_forward(const model *m, tape *t, const model_batch *b, const adapter *ad) {
    const model_config *c = &m->config;
    weight ***w = m->slot;
    tensor *x = op_embed(t, model_embedding(m, ad), b->ids, b->layout->tokens, c->pad);
    for (int l = 0; l < c->layers; l++) {
        tape_segment_begin(t, x);
        x = op_add(t, x, attention(m, t, op_rmsnorm(t, x, W(NORM1), c->norm_eps), b, ad, w, l));
        x = op_add(t, x, feed_forward(m, t, op_rmsnorm(t, x, W(NORM2), c->norm_eps), ad, w, l));
        x = tape_segment_end(t, x);
    }
    return op_rmsnorm(t, x, w[NORM][0], c->norm_eps);
}

static const char *const types[] = {"llama", NULL};
static const char *const skipped[] = {"rotary_emb.inv_freq", "rope_freqs.weight", NULL};

const family family_llama = {.name = "llama",
                             .model_types = types,
                             .gguf_types = types,
                             .tensors = tensors,
                             .skipped = skipped,
                             .read_config = read_config,
                             .write_config = write_config,
                             .forward = llama_forward};
