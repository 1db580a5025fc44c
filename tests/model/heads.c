/* heads.c - heads that score or label: made anew, saved, read again, beside adapters; where a score is read; what cannot write. */
#include "tiny.h"

#include <math.h>
#include <string.h>

static backend *open_backend(arena *a) {
    err e = {0};
    backend *b = backend_open(NULL, &e);
    arena_defer(a, tiny_close, b);
    return b;
}

static const int32_t ids[] = {1, 2, 3, 4, 5};
static const int32_t *const sequence[] = {ids};
static const int length[] = {5};

static float reward_of(const model *m, const adapter *ad) {
    err e = {0};
    float r = NAN;
    assert_ok(model_rewards(m, ad, COMPUTE_F32, sequence, length, 1, &r, &e), e);
    return r;
}

static void a_new_head_is_saved_as_a_classifier_and_read_again(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root), *out = path_join(a, root, "reward");
    backend *b = open_backend(a);
    model *m = model_open(a, b, base, &(model_options){.head = HEAD_SCORES, .labels = 1, .seed = 5}, &e);
    assert_ok(m, e);
    assert_null(m->head);
    assert_int_equal(model_label_count(m, NULL), 1);
    const float before = reward_of(m, NULL);
    assert_true(isfinite((double)before) && before != 0);
    assert_ok(model_save(m, NULL, out, TYPE_F32, 0, &e), e);
    const json *config = json_parse_file(a, path_join(a, out, "config.json"), 1 << 20, &e);
    assert_true(str_is(json_text(json_at(json_get(config, "architectures"), 0), STR("")), "LlamaForSequenceClassification"));
    assert_int_equal(json_count(json_get(config, "id2label")), 1);
    assert_int_equal(json_get_int(config, "pad_token_id", -1), 0); /* the end token, where there is no other */
    head_kind kind;
    int labels;
    assert_ok(model_head_of(out, &kind, &labels, &e), e);
    assert_true(kind == HEAD_SCORES && labels == 1);
    const model *again = model_open(a, b, out, &(model_options){0}, &e); /* as the folder says */
    assert_ok(again, e);
    assert_true(reward_of(again, NULL) == before);
    dir_remove(root, &e);
    arena_free(a);
}

static void a_classifier_of_tokens_has_a_bias(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root), *out = path_join(a, root, "steps");
    backend *b = open_backend(a);
    model *m = model_open(a, b, base, &(model_options){.head = HEAD_LABELS, .labels = 2, .seed = 5}, &e);
    assert_ok(m, e);
    assert_int_equal(m->score_bias->cols, 2);
    assert_ok(model_save(m, NULL, out, TYPE_F32, 0, &e), e);
    tensor_file f;
    assert_ok(safetensors_open_folder(a, out, "model", &f, &e), e);
    assert_non_null(tensor_file_find(&f, "score.bias"));
    assert_null(tensor_file_find(&f, "lm_head.weight"));
    m = model_open(a, b, out, &(model_options){0}, &e);
    assert_ok(m, e);
    assert_true(m->config.head == HEAD_LABELS && m->config.labels == 2);
    dir_remove(root, &e);
    arena_free(a);
}

/* PEFT's modules_to_save: the head lies whole in the adapter's file, and the language model below it has none. */
static void an_adapter_brings_its_own_head(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root), *out = path_join(a, root, "adapter");
    backend *b = open_backend(a);
    model *m = model_open(a, b, base, &(model_options){.head = HEAD_SCORES, .labels = 1, .seed = 5}, &e);
    assert_ok(m, e);
    const lora_options l = {.r = 2, .alpha = 4};
    adapter *ad = adapter_new(a, m, &l, 1, true, &e);
    assert_ok(ad, e);
    assert_true(reward_of(m, ad) == reward_of(m, NULL)); /* B is zero, the head a copy */
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = (float)i / 16 - 1;
    weight_set(b, ad->score, w);
    const float before = reward_of(m, ad);
    assert_true(before != reward_of(m, NULL));
    assert_ok(adapter_save(ad, m, out, TYPE_F32, &e), e);
    const json *config = json_parse_file(a, path_join(a, out, "adapter_config.json"), 1 << 20, &e);
    assert_true(str_is(json_get_text(config, "task_type", STR("")), "SEQ_CLS"));
    assert_true(str_is(json_text(json_at(json_get(config, "modules_to_save"), 0), STR("")), "score"));
    model *plain = model_open(a, b, base, &(model_options){0}, &e);
    const adapter *again = adapter_open(a, plain, out, false, &e);
    assert_ok(again, e);
    assert_true(reward_of(plain, again) == before);
    assert_false(model_writes(plain, again, &e));
    assert_non_null(strstr(e.text, "reward model"));
    dir_remove(root, &e);
    arena_free(a);
}

static void padding_behind_a_sequence_moves_no_score(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    model *m = model_open(a, open_backend(a), base, &(model_options){.head = HEAD_SCORES, .labels = 1}, &e);
    assert_ok(m, e);
    const int32_t padded[] = {1, 2, 0, 3, 0, 0}, nothing[] = {0, 0};
    assert_int_equal(model_score_place(m, padded, 6), 3);
    assert_int_equal(model_score_place(m, padded, 3), 1);
    assert_int_equal(model_score_place(m, nothing, 2), 0);
    dir_remove(root, &e);
    arena_free(a);
}

static void a_reward_model_writes_nothing_and_a_language_model_scores_nothing(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    backend *b = open_backend(a);
    model *m = model_open(a, b, base, &(model_options){.head = HEAD_SCORES, .labels = 1}, &e);
    engine *g = engine_new(m, COMPUTE_F32);
    const sampling s = sampling_default(m);
    float reward;
    assert_null(session_new(g, NULL, ids, 5, &s, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "writes none"));
    engine_free(g);
    e = (err){0};
    m = model_open(a, b, base, &(model_options){0}, &e);
    assert_false(model_rewards(m, NULL, COMPUTE_F32, sequence, length, 1, &reward, &e));
    assert_non_null(strstr(e.text, "score head"));
    dir_remove(root, &e);
    arena_free(a);
}

/* Answers behind one prompt: together, with the prompt computed once, each has the score that it has alone. */
static void sequences_that_begin_alike_score_as_they_do_alone(void **state) {
    (void)state;
    enum { PROMPT = 12, COUNT = 5 };
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    model *m = model_open(a, open_backend(a), base, &(model_options){.head = HEAD_SCORES, .labels = 1, .seed = 3}, &e);
    assert_ok(m, e);
    int32_t text[COUNT][PROMPT + 4];
    const int32_t *all[COUNT];
    const int lengths[COUNT] = {PROMPT + 4, PROMPT + 2, PROMPT, PROMPT + 4, PROMPT + 3}; /* the third is the prompt alone */
    float together[COUNT], alone;
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < PROMPT + 4; k++) text[i][k] = 1 + (k < PROMPT ? 5 * k + (i > 2) : 7 * k + 3 * i) % 15;
    for (int i = 0; i < COUNT; i++) all[i] = text[i];
    assert_ok(model_rewards(m, NULL, COMPUTE_F32, all, lengths, COUNT, together, &e), e);
    for (int i = 0; i < COUNT; i++) {
        assert_ok(model_rewards(m, NULL, COMPUTE_F32, &all[i], &lengths[i], 1, &alone, &e), e);
        assert_float_equal(together[i], alone, 1e-5f);
        for (int k = 0; k < i; k++) assert_true(together[k] != together[i]);
    }
    dir_remove(root, &e);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(a_new_head_is_saved_as_a_classifier_and_read_again),
                                       TEST(a_classifier_of_tokens_has_a_bias),
                                       TEST(an_adapter_brings_its_own_head),
                                       TEST(padding_behind_a_sequence_moves_no_score),
                                       TEST(sequences_that_begin_alike_score_as_they_do_alone),
                                       TEST(a_reward_model_writes_nothing_and_a_language_model_scores_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
