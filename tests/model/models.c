/* models.c - models made here, so that nothing shared is needed: files out and in again, shards, precision, adapters, configs that
 * are refused. */
#include <errno.h>

#include "model/pass.h"

static const char llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":61,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"intermediate_size\":40,\"max_position_embeddings\":64,\"eos_token_id\":[2,5],"
    "\"tie_word_embeddings\":false,\"rope_theta\":5000,\"kept\":{\"as\":\"it was\"}}";
static const char qwen2[] =
    "{\"model_type\":\"qwen2\",\"vocab_size\":61,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":1,\"intermediate_size\":40,\"tie_word_embeddings\":true,"
    "\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2.0,\"rope_theta\":10000.0}}";
static const char gpt2[] =
    "{\"model_type\":\"gpt2\",\"vocab_size\":61,\"n_embd\":32,\"n_layer\":2,\"n_head\":4,\"n_positions\":64,\"n_inner\":null}";
static const char *const configs[] = {llama, qwen2, gpt2};
enum { CONFIGS = sizeof configs / sizeof *configs };

static const model_options frozen = {.compute = COMPUTE_F32}, trained = {.compute = COMPUTE_F32, .train = true};

static model *made(arena *a, backend *b, const char *config, const model_options *o) {
    err e = {0};
    model *m = model_new(a, b, parsed(a, config), 7, o, &e);
    if (!m) fail_msg("%s", e.text);
    return m;
}

static model *opened(arena *a, backend *b, const char *path, const model_options *o) {
    err e = {0};
    model *m = model_open(a, b, path, o, &e);
    if (!m) fail_msg("%s", e.text);
    return m;
}

static double logits_differ(arena *a, const model *x, const adapter *ax, const model *y, const adapter *ay) {
    const sequences s = some_sequences(a, x->config.vocab, 19, 8);
    return largest_difference(pass(a, x, ax, &s, false).logits, pass(a, y, ay, &s, false).logits, 27 * (size_t)x->config.vocab);
}

static void a_saved_model_opens_to_the_same_logits(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        arena *a = arena_new();
        backend *b = test_backend();
        char *folder = scratch_folder(a);
        err e = {0};
        const model *m = made(a, b, configs[i], &frozen);
        assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
        const model *again = opened(a, b, folder, &frozen);
        assert_true(logits_differ(a, m, NULL, again, NULL) == 0);
        assert_int_equal(again->config.tied, m->config.tied);
        assert_int_equal(again->config.eos_count, m->config.eos_count);
        assert_int_equal(model_parameter_count(again), model_parameter_count(m));
        assert_ok(dir_remove(folder, &e), e);
        arena_free(a);
        backend_close(b);
    }
}

static void members_of_a_config_that_we_do_not_know_are_kept(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0};
    assert_ok(model_save(made(a, b, llama, &frozen), NULL, folder, TYPE_BF16, 0, &e), e);
    const json *c = json_parse_file(a, path_join(a, folder, "config.json"), 1 << 20, &e);
    assert_true(str_is(json_get_text(json_get(c, "kept"), "as", STR("")), "it was"));
    assert_true(str_is(json_get_text(c, "dtype", STR("")), "bfloat16"));
    assert_true(json_get_real(json_get(c, "rope_parameters"), "rope_theta", 0) == 5000);
    assert_false(json_has(c, "rope_theta"));
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

static void shards_hold_the_same_model_as_one_file(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0};
    const model *m = made(a, b, gpt2, &frozen);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 20000, &e), e); /* over the single file */
    assert_false(file_exists(path_join(a, folder, "model.safetensors")));
    assert_true(file_exists(path_join(a, folder, "model.safetensors.index.json")));
    assert_true(logits_differ(a, m, NULL, opened(a, b, folder, &frozen), NULL) == 0);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e); /* and back */
    assert_false(file_exists(path_join(a, folder, "model.safetensors.index.json")));
    assert_true(logits_differ(a, m, NULL, opened(a, b, folder, &frozen), NULL) == 0);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

static void two_different_output_matrices_are_not_tied(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0};
    const model *m = made(a, b, llama, &frozen);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
    json *c = json_parse_file(a, path_join(a, folder, "config.json"), 1 << 20, &e);
    json_set(c, "tie_word_embeddings", json_new_bool(a, true)); /* a config that lies */
    buf text = {0};
    json_put(&text, c);
    assert_ok(file_write(path_join(a, folder, "config.json"), buf_str(&text), &e), e);
    buf_free(&text);
    const model *again = opened(a, b, folder, &frozen);
    assert_false(again->config.tied);
    assert_true(logits_differ(a, m, NULL, again, NULL) == 0);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

/* ---- adapters -------------------------------------------------------------------------------------------------------------------- */

/* An adapter whose B is not zero, and whose magnitudes are not the lengths of the base's rows. */
static adapter *disturbed(arena *a, model *m, const lora_options *o) {
    err e = {0};
    adapter *ad = adapter_new(a, m, o, 3, true, &e);
    if (!ad) fail_msg("%s", e.text);
    for (int i = 0; i < ad->count; i++) {
        weight *w = ad->entry[i].B;
        const size_t n = (size_t)w->rows * (size_t)w->cols;
        float *values = arena_array(a, float, n);
        for (size_t k = 0; k < n; k++) values[k] = (float)((double)((k * 37 + (size_t)i) % 19) - 9) * 0.02f;
        weight_set(m->backend, w, values);
        weight *magnitude = ad->entry[i].magnitude;
        if (!magnitude) continue;
        float *own = arena_array(a, float, magnitude->cols);
        weight_read(m->backend, magnitude, own);
        for (int k = 0; k < magnitude->cols; k++) own[k] *= 1 + 0.03f * (float)(k % 7 - 3);
        weight_set(m->backend, magnitude, own);
    }
    return ad;
}

static const char *const all_linear[] = {"all-linear"};

static void a_fresh_adapter_changes_nothing(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    err e = {0};
    for (int i = 0; i < CONFIGS; i++) {
        model *m = made(a, b, configs[i], &frozen);
        const lora_options o = {.r = 4, .alpha = 8};
        const adapter *ad = adapter_new(a, m, &o, 1, true, &e);
        if (!ad) fail_msg("%s", e.text);
        assert_int_equal(ad->count, m->config.rope.kind == ROPE_NONE ? 2 : 4); /* PEFT's default: c_attn; q_proj and v_proj */
        assert_true(logits_differ(a, m, NULL, m, ad) == 0);
    }
    arena_free(a);
    backend_close(b);
}

/* Its magnitudes are the lengths of the base's rows then, whatever dropout takes. */
static void a_fresh_adapter_with_magnitudes_changes_nothing(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    pool *memory_pool = pool_new();
    err e = {0};
    for (int i = 0; i < CONFIGS; i++) {
        model *m = made(a, b, configs[i], &frozen);
        const lora_options o = {.r = 4, .alpha = 8, .dora = true, .dropout = 0.4, .targets = all_linear, .target_count = 1};
        const adapter *ad = adapter_new(a, m, &o, 1, true, &e);
        if (!ad) fail_msg("%s", e.text);
        assert_true(logits_differ(a, m, NULL, m, ad) < 1e-5);
        weight *w = (weight *)(uintptr_t)ad->entry[0].base, *table = m->parameters[0].w;
        tape *t = tape_new(b, memory_pool, (tape_options){.dropout = true, .seed = 4});
        const int32_t ids[] = {3, 5};
        tensor *x = op_embed(t, table, ids, 2, -1);
        if (w->cols == x->cols) {
            tensor *plain = op_linear(t, x, w, NULL), *adapted = model_linear(m, t, x, w, NULL, ad);
            for (int k = 0; k < 2 * w->rows; k++)
                assert_true(fabs((double)(plain->data[k] - adapted->data[k])) <= 1e-5 * (1 + fabs((double)plain->data[k])));
        }
        tape_free(t);
    }
    pool_free(memory_pool);
    arena_free(a);
    backend_close(b);
}

static void an_adapter_saved_opened_and_merged_gives_the_same_logits(void **state) {
    (void)state;
    for (int twice = 0; twice < 2 * CONFIGS; twice++) {
        const int i = twice / 2;
        arena *a = arena_new();
        backend *b = test_backend();
        char *folder = scratch_folder(a), *merged = scratch_folder(a);
        err e = {0};
        model *m = made(a, b, configs[i], &frozen);
        const lora_options o = {
            .r = 4, .alpha = 8, .rslora = i == 1, .dora = twice % 2, .targets = all_linear, .target_count = 1};
        const adapter *ad = disturbed(a, m, &o);
        assert_true(logits_differ(a, m, NULL, m, ad) > 1e-3);
        assert_ok(adapter_save(ad, m, folder, TYPE_F32, &e), e);
        const adapter *again = adapter_open(a, m, folder, false, &e);
        if (!again) fail_msg("%s", e.text);
        assert_int_equal(again->count, ad->count);
        assert_true(logits_differ(a, m, ad, m, again) == 0);
        assert_ok(model_save(m, ad, merged, TYPE_F32, 0, &e), e);
        assert_true(logits_differ(a, m, ad, opened(a, b, merged, &frozen), NULL) < 1e-5);
        assert_ok(dir_remove(folder, &e), e);
        assert_ok(dir_remove(merged, &e), e);
        arena_free(a);
        backend_close(b);
    }
}

/* An embedding and an output matrix in the adapter's file stand for those of the base, apart even where the base has one for both. */
static void what_an_adapter_saves_whole_stands_for_the_base(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        arena *a = arena_new();
        backend *b = test_backend();
        char *folder = scratch_folder(a), *merged = scratch_folder(a);
        err e = {0};
        model *m = made(a, b, configs[i], &frozen);
        const char *const whole[] = {"lm_head", m->config.rope.kind == ROPE_NONE ? "wte" : "embed_tokens"};
        const lora_options o = {.r = 4, .alpha = 8, .whole = whole, .whole_count = 2};
        adapter *ad = adapter_new(a, m, &o, 1, true, &e);
        if (!ad) fail_msg("%s", e.text);
        assert_true(logits_differ(a, m, NULL, m, ad) == 0);
        weight *own[] = {ad->lm_head, ad->embedding};
        for (int k = 0; k < 2; k++) {
            const size_t n = (size_t)own[k]->rows * (size_t)own[k]->cols;
            float *values = arena_array(a, float, n);
            weight_read(b, own[k], values);
            for (size_t x = 0; x < n; x++) values[x] *= 1 + 0.1f * (float)((x + (size_t)k) % 5);
            weight_set(b, own[k], values);
        }
        assert_true(logits_differ(a, m, NULL, m, ad) > 1e-3);
        assert_ok(adapter_save(ad, m, folder, TYPE_F32, &e), e);
        const adapter *again = adapter_open(a, m, folder, false, &e);
        if (!again) fail_msg("%s", e.text);
        assert_true(logits_differ(a, m, ad, m, again) == 0);
        if (m->config.tied) {
            assert_false(model_save(m, ad, merged, TYPE_F32, 0, &e));
            assert_non_null(strstr(e.text, "--to peft"));
        } else {
            assert_ok(model_save(m, ad, merged, TYPE_F32, 0, &e), e);
            assert_true(logits_differ(a, m, ad, opened(a, b, merged, &frozen), NULL) < 1e-5);
        }
        assert_ok(dir_remove(folder, &e), e);
        assert_ok(dir_remove(merged, &e), e);
        arena_free(a);
        backend_close(b);
    }
}

/* alpha_pattern's keys are regular expressions, as in PEFT; the first that fits counts. */
static void alpha_patterns_are_regular_expressions(void **state) {
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    const char *path = path_join(a, folder, "adapter_config.json");
    err e = {0};
    (void)state;
    model *m = made(a, b, llama, &frozen);
    const lora_options o = {.r = 4, .alpha = 8, .targets = all_linear, .target_count = 1};
    assert_ok(adapter_save(disturbed(a, m, &o), m, folder, TYPE_F32, &e), e);
    json *config = json_parse_file(a, path, 1 << 20, &e);
    json_set(config, "alpha_pattern", parsed(a, "{\"layers\\\\.0\\\\..*(q|v)_proj\":16,\"v_proj\":4,\"_proj\":12,\"proj\":99}"));
    buf text = {0};
    json_put(&text, config);
    assert_ok(file_write(path, buf_str(&text), &e), e);
    buf_free(&text);
    const adapter *ad = adapter_open(a, m, folder, false, &e);
    if (!ad) fail_msg("%s", e.text);
    int first = 0, second = 0;
    for (int i = 0; i < ad->count; i++) {
        const str name = str_of(ad->entry[i].name);
        const bool zero = str_find(name, STR("layers.0."), 0) >= 0, q = str_ends(name, STR(".q_proj")),
                   v = str_ends(name, STR(".v_proj"));
        const float want = zero && (q || v) ? 4 : v ? 1 : 2; /* "_proj" is no name behind a dot */
        assert_true(ad->entry[i].scale == want);
        first += want == 4, second += want == 1;
    }
    assert_int_equal(first, 2);
    assert_int_equal(second, 1);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

/* The first GPT-2 files have no "transformer." before their names: what is read is what is told and written; PEFT's names have it. */
static void names_without_the_prefix_stay_so(void **state) {
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a), *again = scratch_folder(a);
    const char *path = path_join(a, folder, "model.safetensors");
    err e = {0};
    tensor_file f, g;
    (void)state;
    const model *m = made(a, b, gpt2, &frozen);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
    assert_ok(safetensors_open(a, path, &f, &e), e);
    tensor_to_write *t = arena_array(a, tensor_to_write, f.count);
    for (int i = 0; i < f.count; i++) {
        const file_tensor *x = &f.tensor[i];
        const str name = str_starts(x->name, STR("transformer.")) ? str_slice(x->name, 12, x->name.len) : x->name;
        t[i] = (tensor_to_write){.name = str_copy(a, name), .type = "F32", .dims = x->dims, .data = x->data, .bytes = x->bytes};
        memcpy(t[i].shape, x->shape, sizeof x->shape);
    }
    assert_ok(safetensors_write(path, t, f.count, NULL, NULL, &e), e);
    model *bare = opened(a, b, folder, &frozen);
    assert_true(logits_differ(a, m, NULL, bare, NULL) == 0);
    for (int i = 0; i < bare->count; i++) assert_false(str_starts(str_of(bare->parameters[i].name), STR("transformer.")));
    assert_ok(model_save(bare, NULL, again, TYPE_F32, 0, &e), e);
    assert_ok(safetensors_open(a, path_join(a, again, "model.safetensors"), &g, &e), e);
    assert_non_null(tensor_file_find(&g, "h.0.attn.c_attn.weight"));
    const lora_options o = {.r = 2, .alpha = 4, .targets = all_linear, .target_count = 1};
    const adapter *ad = disturbed(a, bare, &o);
    for (int i = 0; i < ad->count; i++) assert_true(str_starts(str_of(ad->entry[i].name), STR("transformer.h.")));
    assert_ok(dir_remove(folder, &e), e);
    assert_ok(dir_remove(again, &e), e);
    arena_free(a);
    backend_close(b);
}

static void an_adapter_of_another_base_is_refused(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0};
    model *m = made(a, b, llama, &frozen), *other = made(a, b, gpt2, &frozen);
    const lora_options o = {.r = 4, .alpha = 8};
    assert_ok(adapter_save(disturbed(a, m, &o), m, folder, TYPE_F32, &e), e);
    assert_null(adapter_open(a, other, folder, false, &e));
    assert_non_null(strstr(e.text, "another base"));
    err ignored = {0};
    dir_remove(folder, &ignored);
    arena_free(a);
    backend_close(b);
}

static void unknown_kinds_of_adapters_are_refused_by_name(void **state) {
    (void)state;
    static const char *const kinds[][2] = {{"{\"peft_type\":\"IA3\"}", "IA3"},
                                           {"{\"peft_type\":\"LORA\",\"use_qalora\":true}", "use_qalora"},
                                           {"{\"peft_type\":\"LORA\",\"modules_to_save\":[\"q_proj\"]}", "modules_to_save"},
                                           {"{\"peft_type\":\"LORA\",\"bias\":\"all\"}", "bias"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        arena *a = arena_new();
        backend *b = test_backend();
        char *folder = scratch_folder(a);
        err e = {0}, ignored = {0};
        assert_ok(file_write(path_join(a, folder, "adapter_config.json"), str_of(kinds[i][0]), &e), e);
        assert_null(adapter_open(a, made(a, b, llama, &frozen), folder, false, &e));
        if (!strstr(e.text, kinds[i][1])) fail_msg("%s", e.text);
        dir_remove(folder, &ignored);
        arena_free(a);
        backend_close(b);
    }
}

/* ---- measuring, training ----------------------------------------------------------------------------------------------------------- */

static void a_measured_model_has_the_sizes_and_no_values(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    const model_options o = {.compute = COMPUTE_F32, .measure = true, .train = true};
    const model *real = made(a, b, llama, &trained), *m = made(a, b, llama, &o);
    assert_int_equal(m->count, real->count);
    assert_int_equal(model_weight_bytes(m), model_weight_bytes(real));
    for (int i = 0; i < m->count; i++) {
        assert_null(m->parameters[i].w->packed);
        assert_null(m->parameters[i].w->values);
        assert_non_null(m->parameters[i].w->grad);
    }
    arena_free(a);
    backend_close(b);
}

static void a_measured_adapter_needs_what_a_real_one_does(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    err e = {0};
    const model_options o = {.compute = COMPUTE_F32, .measure = true};
    const lora_options l = {.r = 4, .alpha = 8, .targets = all_linear, .target_count = 1};
    model *m = made(a, b, llama, &o), *real = made(a, b, llama, &frozen);
    const adapter *ad = adapter_new(a, m, &l, 1, true, &e);
    if (!ad) fail_msg("%s", e.text);
    assert_int_equal(ad->count, 14);
    assert_null(ad->entry[0].A->packed);
    assert_non_null(ad->entry[0].A->grad);
    assert_int_equal(adapter_bytes_needed(m, &l, true), adapter_bytes_needed(real, &l, true));
    arena_free(a);
    backend_close(b);
}

static int writes_left;
static ssize_t full_disk(int fd, const void *data, size_t size) {
    if (writes_left-- > 0) return write(fd, data, size);
    errno = ENOSPC;
    return -1;
}

static void a_full_disk_leaves_the_model_that_was_there(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0};
    const model *m = made(a, b, llama, &frozen);
    assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
    const file_ops kept = file_io;
    int failures = 0;
    for (bool saved = false; !saved; failures += !saved) {
        err full = {0};
        writes_left = failures;
        file_io.write = full_disk;
        saved = model_save(m, NULL, folder, TYPE_F32, 0, &full);
        file_io = kept;
        if (!saved && !*full.text) fail_msg("no words after %d writes", failures);
        assert_true(logits_differ(a, m, NULL, opened(a, b, folder, &frozen), NULL) == 0);
        assert_false(file_exists(path_join(a, folder, "model.safetensors.tmp")));
    }
    assert_true(failures > 1);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

static void gradients_agree_with_finite_differences(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        arena *a = arena_new();
        backend *b = test_backend();
        const model *m = made(a, b, configs[i], &trained);
        const sequences s = some_sequences(a, m->config.vocab, 11, 6);
        pass(a, m, NULL, &s, true);
        for (int k = 0; k < m->count; k++) { /* one value of each parameter, the one with the largest gradient */
            weight *w = m->parameters[k].w;
            size_t best = 0;
            for (size_t j = 0; j < (size_t)w->rows * (size_t)w->cols; j++)
                if (fabsf(w->grad[j]) > fabsf(w->grad[best])) best = j;
            const float kept = w->values[best], step = 4e-3f;
            double loss[2];
            for (int side = 0; side < 2; side++) {
                w->values[best] = side ? kept + step : kept - step;
                weight_refresh(b, w);
                loss[side] = pass(a, m, NULL, &s, false).loss;
            }
            w->values[best] = kept;
            weight_refresh(b, w);
            const double slope = (loss[1] - loss[0]) / (2 * (double)step), want = (double)w->grad[best];
            if (!(fabs(slope - want) <= 0.03 * fabs(want) + 2e-4)) fail_msg("%s: gradient %g, slope %g", w->name, want, slope);
        }
        arena_free(a);
        backend_close(b);
    }
}

static void weight_decay_leaves_out_what_transformers_leaves_out(void **state) {
    (void)state;
    static const char *const yes[] = {"model.embed_tokens.weight",
                                      "lm_head.weight",
                                      "model.layers.0.self_attn.q_proj.weight",
                                      "transformer.wte.weight",
                                      "transformer.h.0.attn.c_attn.weight",
                                      "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"};
    static const char *const no[] = {"model.norm.weight",
                                     "model.layers.3.input_layernorm.weight",
                                     "model.layers.0.self_attn.q_norm.weight",
                                     "transformer.h.0.attn.c_attn.bias",
                                     "transformer.ln_f.weight",
                                     "transformer.h.1.ln_2.weight"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_true(parameter_decays(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(parameter_decays(no[i]));
}

/* ---- configs ------------------------------------------------------------------------------------------------------------------------- */

/* a member of llama's config that is replaced, its value, and the words of the refusal */
static const char *const wrong[][3] = {
    {"model_type", "\"mamba\"", "llama, qwen2, gpt2"},
    {"vocab_size", "null", "vocab_size"},
    {"vocab_size", "-1", "vocab_size"},
    {"vocab_size", "1e99", "vocab_size"},
    {"hidden_size", "\"32\"", "whole number"},
    {"num_hidden_layers", "100000000", "num_hidden_layers"},
    {"num_key_value_heads", "3", "key/value"},
    {"head_dim", "7", "pairs"},
    {"hidden_act", "\"mish\"", "mish"},
    {"rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":4}", "yarn"},
    {"rope_scaling", "{\"type\":\"dynamic\",\"factor\":4}", "dynamic"},
    {"rope_scaling", "{\"rope_type\":\"longrope\"}", "longrope"},
    {"rope_scaling", "{\"rope_type\":\"linear\",\"factor\":-1}", "factor"},
    {"rope_theta", "\"big\"", "rope_theta"},
    {"attention_bias", "\"yes\"", "true or false"},
    {"quantization_config", "{\"quant_method\":\"gptq\"}", "gptq"},
};

/* A run asks this before it makes rows, of folders whose weights nobody has read. */
static void a_family_that_is_not_here_is_told_without_weights(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    const char *folder = scratch_folder(a);
    assert_true(model_is_known(folder, &e)); /* without a config: text alone */
    const char *path = path_join(a, folder, "config.json");
    assert_ok(file_write(path, str_of(llama), &e), e);
    assert_ok(model_is_known(folder, &e), e);
    assert_ok(file_write(path, STR("{\"model_type\":\"mamba\"}"), &e), e);
    assert_false(model_is_known(folder, &e));
    assert_non_null(strstr(e.text, "model_type 'mamba' is not here; there are: llama, qwen2, gpt2"));
    dir_remove(folder, &e);
    arena_free(a);
}

static void wrong_configs_are_refused_by_member(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        arena *a = arena_new();
        backend *b = test_backend();
        err e = {0};
        json *c = parsed(a, llama), *v = NULL;
        assert_ok(json_parse_any(a, str_of(wrong[i][1]), &v, &e), e);
        json_set(c, wrong[i][0], v);
        if (model_new(a, b, c, 1, &(model_options){.measure = true}, &e)) fail_msg("taken: %s = %s", wrong[i][0], wrong[i][1]);
        if (!strstr(e.text, wrong[i][2])) fail_msg("%s = %s is refused with: %s", wrong[i][0], wrong[i][1], e.text);
        arena_free(a);
        backend_close(b);
    }
}

static void a_tensor_that_does_not_fit_is_named(void **state) {
    (void)state;
    arena *a = arena_new();
    backend *b = test_backend();
    char *folder = scratch_folder(a);
    err e = {0}, ignored = {0};
    assert_ok(model_save(made(a, b, llama, &frozen), NULL, folder, TYPE_F32, 0, &e), e);
    json *c = json_parse_file(a, path_join(a, folder, "config.json"), 1 << 20, &e);
    json_set(c, "intermediate_size", json_new_int(a, 41));
    buf text = {0};
    json_put(&text, c);
    assert_ok(file_write(path_join(a, folder, "config.json"), buf_str(&text), &e), e);
    buf_free(&text);
    assert_null(model_open(a, b, folder, &frozen, &e));
    assert_non_null(strstr(e.text, "mlp.gate_proj.weight"));
    assert_non_null(strstr(e.text, "[40, 32]"));
    dir_remove(folder, &ignored);
    arena_free(a);
    backend_close(b);
}

static void a_card_names_base_data_and_licence(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a);
    const char *const settings[] = {"learning_rate", "1e-4", "a|b", "two\nlines", NULL}, *const metrics[] = {"loss", "0.5", NULL};
    const model_card c = {.name = "shorter",
                          .base = "smollm2 \"x\": y",
                          .licence = "apache-2.0",
                          .objective = "dpo",
                          .data = "feedback.jsonl (48 pairs)",
                          .settings = settings,
                          .metrics = metrics,
                          .adapter = true};
    str text;
    err e = {0};
    assert_ok(model_card_write(&c, folder, &e), e);
    assert_ok(file_read(a, path_join(a, folder, "README.md"), 1 << 20, &text, &e), e);
    assert_true(
        str_starts(text, STR("---\nbase_model: \"smollm2 \\\"x\\\": y\"\nlicense: \"apache-2.0\"\nlibrary_name: peft\n")));
    assert_true(str_find(text, STR("| a\\|b | two lines |\n"), 0) > 0);
    assert_true(str_find(text, STR("feedback.jsonl (48 pairs)"), 0) > 0);
    assert_string_equal(model_licence(a, folder), "apache-2.0");
    assert_null(model_licence(a, "/nowhere"));
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_saved_model_opens_to_the_same_logits),
        TEST(members_of_a_config_that_we_do_not_know_are_kept),
        TEST(shards_hold_the_same_model_as_one_file),
        TEST(two_different_output_matrices_are_not_tied),
        TEST(a_fresh_adapter_changes_nothing),
        TEST(a_fresh_adapter_with_magnitudes_changes_nothing),
        TEST(an_adapter_saved_opened_and_merged_gives_the_same_logits),
        TEST(what_an_adapter_saves_whole_stands_for_the_base),
        TEST(alpha_patterns_are_regular_expressions),
        TEST(names_without_the_prefix_stay_so),
        TEST(an_adapter_of_another_base_is_refused),
        TEST(unknown_kinds_of_adapters_are_refused_by_name),
        TEST(a_measured_model_has_the_sizes_and_no_values),
        TEST(a_measured_adapter_needs_what_a_real_one_does),
        TEST(a_full_disk_leaves_the_model_that_was_there),
        TEST(gradients_agree_with_finite_differences),
        TEST(weight_decay_leaves_out_what_transformers_leaves_out),
        TEST(a_card_names_base_data_and_licence),
        TEST(wrong_configs_are_refused_by_member),
        TEST(a_tensor_that_does_not_fit_is_named),
        TEST(a_family_that_is_not_here_is_told_without_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
