/* gguf.c - models in GGUF files: llama.cpp's logits, the same model as a folder, and out again. Damaged files are refused. */
#include "model/pass.h"

static const char *const names[] = {"tiny-llama", "tiny-qwen2", "tiny-gpt2"};
enum { NAMES = sizeof names / sizeof *names };

static const model_options float32 = {.compute = COMPUTE_F32};

static model *opened(arena *a, backend *b, const char *path) {
    err e = {0};
    model *m = model_open(a, b, path, &float32, &e);
    if (!m) fail_msg("%s", e.text);
    return m;
}

static double differ(arena *a, const model *x, const model *y) {
    const sequences s = some_sequences(a, x->config.vocab, 23, 9);
    return largest_difference(pass(a, x, NULL, &s, false).logits, pass(a, y, NULL, &s, false).logits,
                              32 * (size_t)x->config.vocab);
}

static sequences llama_cpp_tokens(arena *a, const char *folder) {
    err e = {0};
    const json *tokens = json_get(json_parse_file(a, path_join(a, folder, "llama.cpp.json"), 1 << 20, &e), "tokens");
    int32_t *id = arena_array(a, int32_t, json_count(tokens));
    for (size_t i = 0; i < json_count(tokens); i++) id[i] = (int32_t)json_int(json_at(tokens, i), -1);
    return (sequences){.count = 1, .length = {(int)json_count(tokens)}, .ids = {id}};
}

static void files_of_llama_cpp_give_its_logits_and_those_of_the_folder(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *root = shared_path(a, "data/models");
    if (!root) skip_freeing(a);
    backend *b = test_backend();
    for (int i = 0; i < NAMES; i++) {
        const char *folder = path_join(a, root, names[i]);
        err e = {0};
        str theirs;
        const model *m = opened(a, b, path_join(a, folder, "model.gguf")), *f = opened(a, b, folder);
        const sequences s = llama_cpp_tokens(a, folder);
        assert_ok(file_read(a, path_join(a, folder, "llama.cpp.logits.f32"), 1 << 24, &theirs, &e), e);
        assert_int_equal(theirs.len, (size_t)s.length[0] * (size_t)m->config.vocab * 4);
        const double d =
            largest_difference(pass(a, m, NULL, &s, false).logits, (const float *)(const void *)theirs.ptr, theirs.len / 4);
        if (!(d < 2e-3)) fail_msg("%s: llama.cpp's logits differ by %g", names[i], d);
        if (!(differ(a, m, f) < 2e-5)) fail_msg("%s: the folder's logits differ by %g", names[i], differ(a, m, f));
    }
    arena_free(a);
    backend_close(b);
}

static void a_gguf_file_goes_through_a_folder_and_back(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *root = shared_path(a, "data/models");
    if (!root) skip_freeing(a);
    backend *b = test_backend();
    for (int i = 0; i < NAMES; i++) {
        char *folder = scratch_folder(a);
        err e = {0};
        const model *m = opened(a, b, path_join(a, path_join(a, root, names[i]), "model.gguf"));
        assert_ok(model_save(m, NULL, folder, TYPE_F32, 0, &e), e);
        const model *f = opened(a, b, folder);
        assert_true(differ(a, m, f) == 0);
        assert_non_null(f->tokenizer);
        const char *again = path_join(a, folder, "again.gguf");
        assert_ok(model_save_gguf(f, NULL, again, TYPE_F32, &e), e);
        assert_true(differ(a, m, opened(a, b, again)) == 0);
        assert_true(file_exists(path_join(a, folder, "Modelfile")));
        assert_ok(dir_remove(folder, &e), e);
    }
    arena_free(a);
    backend_close(b);
}

static void the_story_of_stories260K_is_told_byte_for_byte(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *folder = shared_path(a, "data/models/stories260K");
    if (!folder) skip_freeing(a);
    backend *b = test_backend();
    err e = {0};
    const json *want = json_parse_file(a, path_join(a, folder, "expected.json"), 1 << 20, &e);
    const model *m = opened(a, b, folder), *words = opened(a, b, path_join(a, folder, "stories260Ktok512.gguf"));
    const sampling o = {.top_p = 1, .repetition_penalty = 1, .max_new_tokens = (int)json_get_int(want, "steps", 0)};
    const int32_t bos = 1;
    int count;
    buf text = {0};
    engine *g = engine_new(m, COMPUTE_F32); /* the folder knows 512 positions, the GGUF file 128 */
    session *s = session_new(g, NULL, &bos, 1, &o, NULL, NULL, &e);
    if (!s) fail_msg("%s", e.text);
    assert_ok(engine_run(g, &s, 1, NULL, &e), e);
    const int32_t *ids = session_ids(s, &count);
    tokenizer_decode(words->tokenizer, ids, count, true, &text);
    assert_string_equal(str_copy(a, str_trim(buf_str(&text))), str_copy(a, json_get_text(want, "expected_text", STR(""))));
    assert_true(differ(a, m, words) < 2e-5);
    buf_free(&text);
    session_free(s);
    engine_free(g);
    arena_free(a);
    backend_close(b);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *root = shared_path(a, "data/models");
    if (!root) skip_freeing(a);
    backend *b = test_backend();
    char *folder = scratch_folder(a), *path = path_join(a, folder, "cut.gguf");
    str whole;
    err e = {0};
    assert_ok(file_read(a, path_join(a, root, "tiny-llama/model.gguf"), 1 << 24, &whole, &e), e);
    for (size_t cut = 0; cut < whole.len; cut += cut < 4096 ? 61 : 15013) {
        err refused = {0};
        arena *scratch = arena_new();
        assert_ok(file_write(path, str_slice(whole, 0, cut), &e), e);
        if (model_open(scratch, b, path, &(model_options){.measure = true}, &refused))
            fail_msg("taken: the first %zu bytes", cut);
        assert_true(refused.code != ERR_NONE);
        arena_free(scratch);
    }
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    backend_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(files_of_llama_cpp_give_its_logits_and_those_of_the_folder),
        TEST(a_gguf_file_goes_through_a_folder_and_back),
        TEST(the_story_of_stories260K_is_told_byte_for_byte),
        TEST(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
