/* family_gpt2.c - GPT-2: learned positions, LayerNorm with bias, q k v in one matrix, tied output. Its folder stores the linear layers
 * transposed (Conv1D: [in, out]); ours are [out, in] as everywhere. The dropout that its config names (0.1) is not applied when it is
 * trained. Its embedding has no padding row, so the pad token is trained like any other. */
#include "model/config.h"

enum { EMBED, POSITION, NORM1, NORM1B, QKV, QKVB, O, OB, NORM2, NORM2B, UP, UPB, DOWN, DOWNB, NORM, NORMB, HEAD };

static bool has_head(const model_config *c) { return !c->tied; }

// clang-format off
static const tensor_form tensors[] = {
    [EMBED]    = {.name = "transformer.wte.weight", .gguf = "token_embd.weight", .rows = "vocab", .cols = "hidden"},
    [POSITION] = {.name = "transformer.wpe.weight", .gguf = "position_embd.weight", .rows = "positions", .cols = "hidden"},
    [NORM1]    = {.name = "transformer.h.%d.ln_1.weight", .gguf = "blk.%d.attn_norm.weight", .rows = "1", .cols = "hidden"},
    [NORM1B]   = {.name = "transformer.h.%d.ln_1.bias", .gguf = "blk.%d.attn_norm.bias", .rows = "1", .cols = "hidden"},
    [QKV]      = {.name = "transformer.h.%d.attn.c_attn.weight", .gguf = "blk.%d.attn_qkv.weight", .rows = "3*hidden", .cols = "hidden", .transposed = true, .adaptable = true, .default_target = true},
    [QKVB]     = {.name = "transformer.h.%d.attn.c_attn.bias", .gguf = "blk.%d.attn_qkv.bias", .rows = "1", .cols = "3*hidden"},
    [O]        = {.name = "transformer.h.%d.attn.c_proj.weight", .gguf = "blk.%d.attn_output.weight", .rows = "hidden", .cols = "hidden", .transposed = true, .adaptable = true},
    [OB]       = {.name = "transformer.h.%d.attn.c_proj.bias", .gguf = "blk.%d.attn_output.bias", .rows = "1", .cols = "hidden"},
    [NORM2]    = {.name = "transformer.h.%d.ln_2.weight", .gguf = "blk.%d.ffn_norm.weight", .rows = "1", .cols = "hidden"},
    [NORM2B]   = {.name = "transformer.h.%d.ln_2.bias", .gguf = "blk.%d.ffn_norm.bias", .rows = "1", .cols = "hidden"},
    [UP]       = {.name = "transformer.h.%d.mlp.c_fc.weight", .gguf = "blk.%d.ffn_up.weight", .rows = "ffn", .cols = "hidden", .transposed = true, .adaptable = true},
    [UPB]      = {.name = "transformer.h.%d.mlp.c_fc.bias", .gguf = "blk.%d.ffn_up.bias", .rows = "1", .cols = "ffn"},
    [DOWN]     = {.name = "transformer.h.%d.mlp.c_proj.weight", .gguf = "blk.%d.ffn_down.weight", .rows = "hidden", .cols = "ffn", .transposed = true, .adaptable = true},
    [DOWNB]    = {.name = "transformer.h.%d.mlp.c_proj.bias", .gguf = "blk.%d.ffn_down.bias", .rows = "1", .cols = "hidden"},
    [NORM]     = {.name = "transformer.ln_f.weight", .gguf = "output_norm.weight", .rows = "1", .cols = "hidden"},
    [NORMB]    = {.name = "transformer.ln_f.bias", .gguf = "output_norm.bias", .rows = "1", .cols = "hidden"},
    [HEAD]     = {.name = "lm_head.weight", .gguf = "output.weight", .rows = "vocab", .cols = "hidden", .present = has_head},
    {0},
};
// clang-format on

static bool read_config(const json *j, model_config *c, arena *a, err *e) {
    (void)a;
    if (!config_size(j, "vocab_size", 0, 1 << 24, &c->vocab, e) || !config_size(j, "n_embd", 0, 1 << 16, &c->hidden, e) ||
        !config_size(j, "n_layer", 0, 4096, &c->layers, e) || !config_size(j, "n_head", 0, 4096, &c->heads, e) ||
        !config_size(j, "n_inner", 4 * (int64_t)c->hidden, 1 << 18, &c->ffn, e) ||
        !config_size(j, "n_positions", 1024, 1 << 20, &c->positions, e) ||
        !config_activation(j, "activation_function", "gelu_new", &c->activation, e))
        return false;
    if (c->hidden % c->heads) return err_set(e, ERR_INPUT, "config: n_embd %d is no multiple of n_head %d", c->hidden, c->heads);
    if (!json_get_bool(j, "scale_attn_weights", true) || json_get_bool(j, "scale_attn_by_inverse_layer_idx", false))
        return err_set(e, ERR_UNSUPPORTED, "config: scale_attn_weights false and scale_attn_by_inverse_layer_idx are not here");
    c->kv_heads = c->heads;
    c->head_dim = c->hidden / c->heads;
    double eps;
    if (!config_real(j, "layer_norm_epsilon", 1e-5, 0, 1, &eps, e) || !config_bool(j, "tie_word_embeddings", true, &c->tied, e))
        return false;
    c->norm_eps = (float)eps;
    c->rope.kind = ROPE_NONE;
    return true;
}

static void write_config(json_writer *w, const model_config *c) {
    json_key(w, "architectures"), json_open(w, '['), json_put_cstr(w, "GPT2LMHeadModel"), json_close(w);
    json_key(w, "n_embd"), json_put_int(w, c->hidden);
    json_key(w, "n_layer"), json_put_int(w, c->layers);
    json_key(w, "n_head"), json_put_int(w, c->heads);
    json_key(w, "n_inner"), json_put_int(w, c->ffn);
    json_key(w, "n_positions"), json_put_int(w, c->positions);
    json_key(w, "activation_function");
    json_put_cstr(w, c->activation == ACT_GELU_TANH ? "gelu_new" : config_activation_name(c->activation));
    json_key(w, "layer_norm_epsilon"), json_put_float(w, c->norm_eps);
}

static tensor *forward(const model *m, tape *t, const model_batch *b, const adapter *ad) {
    const model_config *c = &m->config;
    weight ***w = m->slot;
    tensor *x = op_position(t, op_embed(t, model_embedding(m, ad), b->ids, b->layout->tokens, -1), w[POSITION][0], b->layout);
    for (int l = 0; l < c->layers; l++) {
        tape_segment_begin(t, x);
        tensor *h = op_layernorm(t, x, w[NORM1][l], w[NORM1B][l], c->norm_eps);
        tensor *qkv = model_linear(m, t, h, w[QKV][l], w[QKVB][l], ad);
        tensor *q = op_columns(t, qkv, 0, c->hidden), *k = op_columns(t, qkv, c->hidden, c->hidden),
               *v = op_columns(t, qkv, 2 * c->hidden, c->hidden);
        const attention_form f = {.heads = c->heads,
                                  .kv_heads = c->heads,
                                  .head_dim = c->head_dim,
                                  .scale = 1 / __builtin_sqrtf((float)c->head_dim),
                                  .layer = l};
        x = op_add(t, x, model_linear(m, t, op_attention(t, q, k, v, b->layout, &f), w[O][l], w[OB][l], ad));
        h = op_layernorm(t, x, w[NORM2][l], w[NORM2B][l], c->norm_eps);
        h = op_activation(t, model_linear(m, t, h, w[UP][l], w[UPB][l], ad), c->activation);
        x = tape_segment_end(t, op_add(t, x, model_linear(m, t, h, w[DOWN][l], w[DOWNB][l], ad)));
    }
    return op_layernorm(t, x, w[NORM][0], w[NORMB][0], c->norm_eps);
}

static const char *const types[] = {"gpt2", NULL};
static const char *const skipped[] = {".attn.bias", ".attn.masked_bias", NULL};

const family family_gpt2 = {.name = "gpt2",
                            .token_head = "classifier",
                            .model_types = types,
                            .gguf_types = types,
                            .tensors = tensors,
                            .skipped = skipped,
                            .prefix = "transformer.",
                            .counts_first_label = true,
                            .read_config = read_config,
                            .write_config = write_config,
                            .forward = forward};
