/* tiny.h - a llama too small to matter, made on the spot: random weights, a tokenizer of single letters with <e> (end), <s> (begin) and
 * <t> (end of a turn), and a chat template that ends turns with <t>. For tests that stand on `model`. */
#ifndef FETTLE_TESTS_TINY_H
#define FETTLE_TESTS_TINY_H

#include "model/model.h"
#include "test.h"

static const char tiny_template[] =
    "{% for m in messages %}{{ m.role[0] }} {% if m.role == 'assistant' %}{% generation %}{{ m.content }}<t>{% endgeneration %}"
    "{% else %}{{ m.content }}<t>{% endif %}{% endfor %}{% if add_generation_prompt %}a {% endif %}";

static inline void tiny_close(void *b) { backend_close(b); }

/* hidden 32: the smallest that is quick; more where memory must be felt. */
static inline char *tiny_model_of(arena *a, const char *root, const char *name, int hidden, uint64_t seed) {
    err e = {0};
    char *folder = path_join(a, root, name);
    backend *b = backend_open(NULL, &e);
    arena_defer(a, tiny_close, b); /* behind the model, which goes first */
    const char *config = arena_printf(a,
                                      "{\"model_type\":\"llama\",\"vocab_size\":40,\"hidden_size\":%d,\"num_hidden_layers\":2,"
                                      "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"intermediate_size\":%d,"
                                      "\"max_position_embeddings\":128,\"eos_token_id\":0}",
                                      hidden, 2 * hidden);
    const json *parsed = json_parse(a, str_of(config), &e);
    const model *m = parsed ? model_new(a, b, parsed, seed, &(model_options){.compute = COMPUTE_F32}, &e) : NULL;
    if (!m || !model_save(m, NULL, folder, TYPE_F32, 0, &e)) fail_msg("%s", e.text);
    buf t = {0};
    buf_put_text(
        &t, "{\"added_tokens\":[{\"id\":0,\"content\":\"<e>\",\"special\":true},{\"id\":30,\"content\":\"<s>\",\"special\":true},"
            "{\"id\":31,\"content\":\"<t>\",\"special\":true}],\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"<e>\":0");
    for (int i = 0; i < 26; i++) buf_printf(&t, ",\"%c\":%d", 'a' + i, i + 1);
    buf_put_text(&t, ",\" \":27,\".\":28,\"<s>\":30,\"<t>\":31}}}");
    assert_ok(file_write(path_join(a, folder, "tokenizer.json"), buf_str(&t), &e), e);
    assert_ok(file_write(path_join(a, folder, "tokenizer_config.json"), STR("{\"eos_token\":\"<e>\",\"bos_token\":\"<s>\"}"), &e),
              e);
    assert_ok(file_write(path_join(a, folder, "chat_template.jinja"), str_of(tiny_template), &e), e);
    buf_free(&t);
    return folder;
}

static inline char *tiny_model(arena *a, const char *root) { return tiny_model_of(a, root, "base", 32, 3); }

#endif
