/* llama_blocks.h - the tensors of llama's blocks, for the families that share them (private to model). */
#ifndef FETTLE_MODEL_LLAMA_BLOCKS_H
#define FETTLE_MODEL_LLAMA_BLOCKS_H

#include "model/config.h"

enum { EMBED, NORM1, Q, QB, K, KB, V, VB, O, OB, NORM2, GATE, GATEB, UP, UPB, DOWN, DOWNB, NORM, HEAD };

static inline bool has_qkv_bias(const model_config *c) { return c->qkv_bias; }
static inline bool has_out_bias(const model_config *c) { return c->out_bias; }
static inline bool has_mlp_bias(const model_config *c) { return c->mlp_bias; }
static inline bool has_head(const model_config *c) { return !c->tied && c->head == HEAD_WRITES; }

/* turn: whether a GGUF file has the rows of q and k reordered (llama.cpp rotates neighbours in that family). */
// clang-format off
#define LLAMA_TENSORS(turn) { \
    [EMBED] = {.name = "model.embed_tokens.weight", .gguf = "token_embd.weight", .rows = "vocab", .cols = "hidden"}, \
    [NORM1] = {.name = "model.layers.%d.input_layernorm.weight", .gguf = "blk.%d.attn_norm.weight", .rows = "1", .cols = "hidden"}, \
    [Q]     = {.name = "model.layers.%d.self_attn.q_proj.weight", .gguf = "blk.%d.attn_q.weight", .rows = "heads*d", .cols = "hidden", .permuted = (turn), .adaptable = true, .default_target = true}, \
    [QB]    = {.name = "model.layers.%d.self_attn.q_proj.bias", .gguf = "blk.%d.attn_q.bias", .rows = "1", .cols = "heads*d", .permuted = (turn), .present = has_qkv_bias}, \
    [K]     = {.name = "model.layers.%d.self_attn.k_proj.weight", .gguf = "blk.%d.attn_k.weight", .rows = "kv*d", .cols = "hidden", .permuted = (turn), .adaptable = true}, \
    [KB]    = {.name = "model.layers.%d.self_attn.k_proj.bias", .gguf = "blk.%d.attn_k.bias", .rows = "1", .cols = "kv*d", .permuted = (turn), .present = has_qkv_bias}, \
    [V]     = {.name = "model.layers.%d.self_attn.v_proj.weight", .gguf = "blk.%d.attn_v.weight", .rows = "kv*d", .cols = "hidden", .adaptable = true, .default_target = true}, \
    [VB]    = {.name = "model.layers.%d.self_attn.v_proj.bias", .gguf = "blk.%d.attn_v.bias", .rows = "1", .cols = "kv*d", .present = has_qkv_bias}, \
    [O]     = {.name = "model.layers.%d.self_attn.o_proj.weight", .gguf = "blk.%d.attn_output.weight", .rows = "hidden", .cols = "heads*d", .adaptable = true}, \
    [OB]    = {.name = "model.layers.%d.self_attn.o_proj.bias", .gguf = "blk.%d.attn_output.bias", .rows = "1", .cols = "hidden", .present = has_out_bias}, \
    [NORM2] = {.name = "model.layers.%d.post_attention_layernorm.weight", .gguf = "blk.%d.ffn_norm.weight", .rows = "1", .cols = "hidden"}, \
    [GATE]  = {.name = "model.layers.%d.mlp.gate_proj.weight", .gguf = "blk.%d.ffn_gate.weight", .rows = "ffn", .cols = "hidden", .adaptable = true}, \
    [GATEB] = {.name = "model.layers.%d.mlp.gate_proj.bias", .gguf = "blk.%d.ffn_gate.bias", .rows = "1", .cols = "ffn", .present = has_mlp_bias}, \
    [UP]    = {.name = "model.layers.%d.mlp.up_proj.weight", .gguf = "blk.%d.ffn_up.weight", .rows = "ffn", .cols = "hidden", .adaptable = true}, \
    [UPB]   = {.name = "model.layers.%d.mlp.up_proj.bias", .gguf = "blk.%d.ffn_up.bias", .rows = "1", .cols = "ffn", .present = has_mlp_bias}, \
    [DOWN]  = {.name = "model.layers.%d.mlp.down_proj.weight", .gguf = "blk.%d.ffn_down.weight", .rows = "hidden", .cols = "ffn", .adaptable = true}, \
    [DOWNB] = {.name = "model.layers.%d.mlp.down_proj.bias", .gguf = "blk.%d.ffn_down.bias", .rows = "1", .cols = "hidden", .present = has_mlp_bias}, \
    [NORM]  = {.name = "model.norm.weight", .gguf = "output_norm.weight", .rows = "1", .cols = "hidden"}, \
    [HEAD]  = {.name = "lm_head.weight", .gguf = "output.weight", .rows = "vocab", .cols = "hidden", .present = has_head}, \
    {0}, \
}
// clang-format on

#endif
