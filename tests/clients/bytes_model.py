"""A llama too small to matter, made on the spot: random weights, a byte-level tokenizer (GPT-2's, without merges), ChatML's template.
Any text goes through it, it trains within seconds, and it goes into a GGUF file. For journeys that begin with a model."""
import json, os, random, struct, sys

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, POSITIONS = 64, 2, 4, 2, 160, 512
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>"
            "{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
SPECIAL = ["<|im_start|>", "<|im_end|>"]


def byte_names():
    """GPT-2's printable name of each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) if b in plain else chr(256 + rest.index(b)) for b in range(256)]


def tokenizer():
    vocab = {name: i for i, name in enumerate(byte_names())}
    added = [{"id": 256 + i, "content": s, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
             for i, s in enumerate(SPECIAL)]
    vocab.update({a["content"]: a["id"] for a in added})
    split = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": split, "post_processor": None,
            "decoder": split, "model": {"type": "BPE", "vocab": vocab, "merges": []}}


def shapes(vocab):
    head = HIDDEN // HEADS
    yield "model.embed_tokens.weight", (vocab, HIDDEN)
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", (HIDDEN,)
        yield at + "self_attn.q_proj.weight", (HIDDEN, HIDDEN)
        yield at + "self_attn.k_proj.weight", (KV_HEADS * head, HIDDEN)
        yield at + "self_attn.v_proj.weight", (KV_HEADS * head, HIDDEN)
        yield at + "self_attn.o_proj.weight", (HIDDEN, HIDDEN)
        yield at + "post_attention_layernorm.weight", (HIDDEN,)
        yield at + "mlp.gate_proj.weight", (FFN, HIDDEN)
        yield at + "mlp.up_proj.weight", (FFN, HIDDEN)
        yield at + "mlp.down_proj.weight", (HIDDEN, FFN)
    yield "model.norm.weight", (HIDDEN,)


def write_weights(path, vocab, seed):
    rng, header, body = random.Random(seed), {}, b""
    for name, shape in shapes(vocab):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0] * count if len(shape) == 1 else [rng.gauss(0, 0.08) for _ in range(count)]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(body), len(body) + 4 * count]}
        body += struct.pack(f"<{count}f", *values)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + body)


def make(folder, seed=1):
    os.makedirs(folder, exist_ok=True)
    vocab = 256 + len(SPECIAL)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
              "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
              "vocab_size": vocab, "max_position_embeddings": POSITIONS, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True, "eos_token_id": 257, "torch_dtype": "float32"}
    files = {"config.json": config, "tokenizer.json": tokenizer(), "tokenizer_config.json": {"eos_token": SPECIAL[1], "chat_template": TEMPLATE}}
    for name, value in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f)
    write_weights(os.path.join(folder, "model.safetensors"), vocab, seed)


if __name__ == "__main__":
    make(sys.argv[1])
