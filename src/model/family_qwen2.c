/* family_qwen2.c - Qwen2 and 2.5 (arXiv:2407.10671): llama's blocks with biases on q, k and v, whatever the config says. */
#include "model/llama_blocks.h"

static const tensor_form tensors[] = LLAMA_TENSORS(false);

static bool windows_refused(err *e) {
    return err_set(e, ERR_UNSUPPORTED, "config: layers with a sliding window are not here yet");
}

static bool read_config(const json *j, model_config *c, arena *a, err *e) {
    (void)a;
    c->qkv_bias = true;
    const json *kinds = json_get(j, "layer_types");
    for (size_t i = 0; i < json_count(kinds); i++)
        if (!str_is(json_text(json_at(kinds, i), STR("")), "full_attention")) return windows_refused(e);
    if (!kinds && json_get_bool(j, "use_sliding_window", false) && json_get(j, "sliding_window")) return windows_refused(e);
    return llama_read_config(j, c, e);
}

static void write_config(json_writer *w, const model_config *c) {
    json_key(w, "architectures"), json_open(w, '['), json_put_cstr(w, "Qwen2ForCausalLM"), json_close(w);
    json_key(w, "use_sliding_window"), json_put_bool(w, false);
    llama_write_config(w, c);
}

static const char *const types[] = {"qwen2", NULL};
static const char *const skipped[] = {"rotary_emb.inv_freq", NULL};

const family family_qwen2 = {.name = "qwen2",
                             .model_types = types,
                             .gguf_types = types,
                             .tensors = tensors,
                             .skipped = skipped,
                             .read_config = read_config,
                             .write_config = write_config,
                             .forward = llama_forward};
