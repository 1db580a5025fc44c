/* tokenizer.c - a small tokenizer made here; then every vector of the shared data, when it is there. */
#include "test.h"

#include <string.h>
#include <time.h>

#include "text/text.h"

static const char small[] = "{\"added_tokens\":[{\"id\":9,\"content\":\"<|end|>\",\"special\":true}],\"normalizer\":null,"
                            "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
                            "\"decoder\":{\"type\":\"ByteLevel\"},"
                            "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":3,\"\\u0120ab\":4,"
                            "\"\\u00c3\":5,\"\\u00a9\":6,\"c\":7,\"abc\":8},"
                            "\"merges\":[\"a b\",\"\\u0120 ab\",[\"ab\",\"c\"]]}}";

static tokenizer *made(arena *a, const char *text) {
    err e = {0};
    tokenizer *t = tokenizer_from_json(a, str_of(text), STR("{\"eos_token\":\"<|end|>\"}"), "small", &e);
    if (!t) fail_msg("%s", e.text);
    return t;
}

static void merges_follow_their_rank_and_special_tokens_are_found(void **state) {
    arena *a = arena_new();
    const tokenizer *t = made(a, small);
    token_ids ids = {0};
    err e = {0};
    const int32_t want[] = {8, 4, 0, 9, 5, 6};
    (void)state;
    assert_ok(tokenizer_encode(t, STR("abc aba<|end|>\xC3\xA9"), false, &ids, &e), e);
    assert_int_equal(ids.count, 6);
    assert_memory_equal(ids.ids, want, sizeof want);
    assert_int_equal(ids.begin[3], 7);
    assert_int_equal(ids.end[3], 14);
    assert_int_equal(tokenizer_eos(t), 9);
    buf out = {0};
    tokenizer_decode(t, ids.ids, 6, true, &out);
    assert_string_equal(out.ptr, "abc aba\xC3\xA9");
    buf_free(&out);
    token_ids_free(&ids);
    arena_free(a);
}

static const char sentence[] =
    "{\"added_tokens\":[{\"id\":5,\"content\":\"<x>\",\"special\":false,\"normalized\":true},"
    "{\"id\":6,\"content\":\"<0x0D>\",\"special\":true,\"normalized\":false}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"_\":1,\"a\":2,\"\\u0000\":3,\"_a\":4},\"merges\":[\"_ "
    "a\"]}}";

static void has_ids(const tokenizer *t, str text, const int32_t *want, size_t count) {
    token_ids ids = {0};
    err e = {0};
    assert_ok(tokenizer_encode(t, text, false, &ids, &e), e);
    assert_int_equal(ids.count, count);
    assert_memory_equal(ids.ids, want, count * sizeof *want);
    token_ids_free(&ids);
}

/* A token that is looked for in normalised text is normalised itself: here it wants a space, or the beginning, before it. */
static void normalised_added_tokens_are_found_as_the_normalizers_leave_them(void **state) {
    arena *a = arena_new();
    err e = {0};
    (void)state;
    const tokenizer *t = made(a, sentence);
    has_ids(t, STR("<x>a"), (const int32_t[]){5, 2}, 2);
    has_ids(t, STR("a <x>"), (const int32_t[]){4, 5}, 2);
    has_ids(t, STR("a<x>a"), (const int32_t[]){4, 0, 0, 0, 2}, 5);
    buf out = {0};
    tokenizer_decode(t, (const int32_t[]){4, 5, 6}, 3, false, &out);
    assert_string_equal(out.ptr, " a <x>\r");
    buf_free(&out);
    const tokenizer *u = tokenizer_from_json(a, str_of(sentence),
                                             STR("{\"added_tokens_decoder\":{\"5\":{\"content\":\"<x>\",\"normalized\":false}}}"),
                                             "with a config", &e);
    if (!u) fail_msg("%s", e.text);
    has_ids(u, STR("a<x>"), (const int32_t[]){4, 5}, 2);
    arena_free(a);
}

static void a_nul_is_a_token_like_any_other(void **state) {
    arena *a = arena_new();
    (void)state;
    const tokenizer *t = made(a, sentence);
    has_ids(t, (str){"a\0", 2}, (const int32_t[]){4, 3}, 2);
    buf again = {0};
    tokenizer_write_json(t, &again);
    assert_non_null(strstr(again.ptr, "\"\\u0000\": 3"));
    buf_free(&again);
    arena_free(a);
}

static void streaming_gives_whole_characters(void **state) {
    arena *a = arena_new();
    stream_decoder *d = stream_decoder_new(made(a, small), true);
    buf out = {0};
    (void)state;
    stream_decoder_push(d, 5, &out);
    assert_int_equal(out.len, 0);
    stream_decoder_push(d, 6, &out);
    assert_string_equal(out.ptr, "\xC3\xA9");
    stream_decoder_push(d, 5, &out);
    stream_decoder_flush(d, &out);
    assert_string_equal(out.ptr, "\xC3\xA9\xEF\xBF\xBD");
    stream_decoder_free(d);
    buf_free(&out);
    arena_free(a);
}

static void a_megabyte_of_one_letter_is_merged_in_order_n_log_n(void **state) {
    arena *a = arena_new();
    const tokenizer *t =
        made(a, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1,\"aaaa\":2},\"merges\":[\"a a\",\"aa aa\"]}}");
    const size_t n = 1 << 20;
    char *text = arena_alloc(a, n);
    token_ids ids = {0};
    err e = {0};
    (void)state;
    memset(text, 'a', n);
    assert_ok(tokenizer_encode(t, (str){text, n}, false, &ids, &e), e);
    assert_int_equal(ids.count, n / 4);
    token_ids_free(&ids);
    arena_free(a);
}

static void hostile_files_are_refused_with_words(void **state) {
    static const char *const bad[] = {
        "{",
        "[]",
        "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2000000000},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a zz\"]}}",
        "{\"normalizer\":{\"type\":\"Nmt\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
        ("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"}},\"model\":{\"type\":\"BPE\",\"vocab\":{},"
         "\"merges\":[]}}")};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        arena *a = arena_new();
        err e = {0};
        if (tokenizer_from_json(a, str_of(bad[i]), STR(""), "bad", &e)) fail_msg("accepted: %s", bad[i]);
        assert_true(e.code != ERR_NONE && strlen(e.text) > 10);
        arena_free(a);
    }
}

/* {"cases": [{text, ids}]} beside tokenizer.json */
static void check_folder(arena *a, const char *folder, const char *file) {
    err e = {0};
    str text;
    assert_ok(file_read(a, path_join(a, folder, "tokenizer.json"), 1 << 28, &text, &e), e);
    tokenizer *t = tokenizer_from_json(a, text, STR(""), folder, &e);
    const json *cases = json_get(json_parse_file(a, path_join(a, folder, file), 1 << 26, &e), "cases");
    if (!t || !json_count(cases)) fail_msg("%s: %s", folder, e.text);
    for (size_t i = 0; i < json_count(cases); i++) {
        const json *want = json_get(json_at(cases, i), "ids");
        token_ids ids = {0};
        assert_ok(tokenizer_encode(t, json_get_text(json_at(cases, i), "text", STR("")), false, &ids, &e), e);
        assert_int_equal(ids.count, json_count(want));
        for (size_t k = 0; k < ids.count; k++) assert_int_equal(ids.ids[k], json_int(json_at(want, k), -1));
        token_ids_free(&ids);
    }
}

static void shared_vectors_have_their_ids(void **state) {
    static const char *const sets[][2] = {{"data/tokenizers/gpt2", "vectors.json"},
                                          {"data/tokenizers/llama2", "vectors.json"},
                                          {"data/tokenizers/phi3", "vectors.json"},
                                          {"data/tokenizers/smollm", "smollm2-cases.ascii.json"}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        arena *a = arena_new();
        const char *folder = shared_path(a, sets[i][0]);
        if (!folder) {
            arena_free(a);
            skip();
        }
        check_folder(a, folder, sets[i][1]);
        arena_free(a);
    }
}

static void writing_and_reading_again_gives_the_same_ids(void **state) {
    arena *a = arena_new();
    tokenizer_vocab v;
    err e = {0};
    (void)state;
    const tokenizer *t = made(a, small);
    assert_ok(tokenizer_vocabulary(t, a, &v, &e), e);
    const tokenizer *g = tokenizer_from_vocab(a, &v, &e);
    if (!g) fail_msg("%s", e.text);
    buf again = {0};
    tokenizer_write_json(g, &again);
    const tokenizer *h = tokenizer_from_json(a, buf_str(&again), STR(""), "again", &e);
    if (!h) fail_msg("%s", e.text);
    const tokenizer *all[] = {t, g, h};
    token_ids ids[3] = {{0}};
    for (int i = 0; i < 3; i++) assert_ok(tokenizer_encode(all[i], STR("abc ab<|end|> cab"), false, &ids[i], &e), e);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(ids[0].count, ids[i].count);
        assert_memory_equal(ids[0].ids, ids[i].ids, ids[0].count * sizeof(int32_t));
    }
    for (int i = 0; i < 3; i++) token_ids_free(&ids[i]);
    buf_free(&again);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(merges_follow_their_rank_and_special_tokens_are_found),
        TEST(streaming_gives_whole_characters),
        TEST(normalised_added_tokens_are_found_as_the_normalizers_leave_them),
        TEST(a_nul_is_a_token_like_any_other),
        TEST(a_megabyte_of_one_letter_is_merged_in_order_n_log_n),
        TEST(hostile_files_are_refused_with_words),
        TEST(writing_and_reading_again_gives_the_same_ids),
        TEST(shared_vectors_have_their_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
