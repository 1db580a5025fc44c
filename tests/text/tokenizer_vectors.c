/* Tokenizers: a small one made here for what must always hold, and other programs' ids of hostile texts where they lie beside. */
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "test.h"
#include "text/text.h"

/* ---- helpers -------------------------------------------------------------------------------------------------------------- */

static tokenizer *load(arena *a, const char *json_path, const char *config_path) {
    err e = {0};
    str text, config = {0};
    assert_ok(file_read(a, json_path, 64 << 20, &text, &e), e);
    if (config_path) assert_ok(file_read(a, config_path, 1 << 20, &config, &e), e);
    tokenizer *t = tokenizer_from_json(a, text, config, json_path, &e);
    assert_ok(t, e);
    return t;
}

static void expect_ids(const tokenizer *t, str text, bool special, const json *want) {
    err e = {0};
    token_ids got = {0};
    assert_ok(tokenizer_encode(t, text, special, &got, &e), e);
    bool same = got.count == json_count(want);
    for (size_t i = 0; same && i < got.count; i++) same = got.ids[i] == json_int(json_at(want, i), -1);
    if (!same) {
        buf words = {0};
        for (size_t i = 0; i < got.count; i++) buf_printf(&words, " %d", got.ids[i]);
        fail_msg("'%.*s' gives%s", STR_ARG(text), words.ptr ? words.ptr : " nothing");
    }
    token_ids_free(&got);
}

/* Decoding the ids at once and one after the other is the same text. */
static void expect_stream(const tokenizer *t, const token_ids *ids) {
    buf whole = {0}, parts = {0};
    tokenizer_decode(t, ids->ids, (int)ids->count, false, &whole);
    stream_decoder *d = stream_decoder_new(t, false);
    for (size_t i = 0; i < ids->count; i++) {
        stream_decoder_push(d, ids->ids[i], &parts);
        assert_true(str_is_utf8(buf_str(&parts)));
    }
    stream_decoder_flush(d, &parts);
    stream_decoder_free(d);
    if (!str_eq(buf_str(&whole), buf_str(&parts))) fail_msg("at once '%s', streamed '%s'", whole.ptr, parts.ptr);
    buf_free(&whole);
    buf_free(&parts);
}

static void expect_round_trip(const tokenizer *t, str text) {
    err e = {0};
    token_ids ids = {0};
    buf back = {0};
    assert_ok(tokenizer_encode(t, text, false, &ids, &e), e);
    tokenizer_decode(t, ids.ids, (int)ids.count, false, &back);
    if (!str_eq(buf_str(&back), text)) fail_msg("'%.*s' comes back as '%s'", STR_ARG(text), back.ptr);
    expect_stream(t, &ids);
    buf_free(&back);
    token_ids_free(&ids);
}

/* A byte-level tokenizer: the printable ASCII letters and the space, a few merges, two added tokens. */
static const char small_steps[] =
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[99],"
    "\"tokens\":[\"<s>\"]}}},\"decoder\":{\"type\":\"ByteLevel\"}";

static void put_small(buf *out, const char *steps, const char *merges) {
    buf_printf(
        out,
        "{\"added_tokens\":[{\"id\":99,\"content\":\"<s>\",\"special\":true,\"normalized\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"single_word\":false},{\"id\":100,\"content\":\"<end>\",\"special\":true,\"normalized\":false,"
        "\"lstrip\":false,\"rstrip\":false,\"single_word\":false}],%s,\"model\":{\"type\":\"BPE\",\"merges\":%s,\"vocab\":{",
        steps, merges);
    for (int c = 33; c < 127; c++) {
        const char letter[2] = {(char)c, 0};
        json_quote(out, str_of(letter));
        buf_printf(out, ":%d,", c - 33);
    }
    buf_put_text(out, "\"\xC4\xA0\":94,\"ab\":95,\"abc\":96,\"\xC4\xA0"
                      "ab\":97,\"aa\":98}}}");
}

static tokenizer *small(arena *a, const char *steps, const char *merges, err *e) {
    buf text = {0};
    put_small(&text, steps, merges);
    tokenizer *t = tokenizer_from_json(a, buf_str(&text), STR(""), "small", e);
    buf_free(&text);
    return t;
}
#define SMALL_MERGES "[\"a b\",\"ab c\",\"\xC4\xA0 ab\",\"a a\"]"

static void expect_small(const tokenizer *t, const char *text, bool special, const char *want) {
    err e = {0};
    arena *a = arena_new();
    json *ids;
    assert_ok(json_parse_any(a, str_of(want), &ids, &e), e);
    expect_ids(t, str_of(text), special, ids);
    arena_free(a);
}

/* ---- what must always hold -------------------------------------------------------------------------------------------------- */

static void merges_happen_in_the_order_of_their_rank(void **state) {
    (void)state;
    err e = {0};
    arena *a = arena_new();
    const tokenizer *t = small(a, small_steps, SMALL_MERGES, &e);
    assert_ok(t, e);
    expect_small(t, "abc", false, "[96]");
    expect_small(t, "xab ab", false, "[87,95,97]");
    expect_small(t, "aab", false, "[64,95]");
    expect_small(t, "aaa", false, "[98,64]");
    expect_small(t, "", false, "[]");
    expect_small(t, "", true, "[99]");
    arena_free(a);
}

static void special_tokens_in_the_text_are_one_token_each(void **state) {
    (void)state;
    err e = {0};
    arena *a = arena_new();
    const tokenizer *t = small(a, small_steps, SMALL_MERGES, &e);
    assert_ok(t, e);
    expect_small(t, "ab<end>ab", true, "[99,95,100,95]");
    expect_small(t, "<end", false, "[27,68,77,67]");
    assert_int_equal(tokenizer_id(t, STR("<end>")), 100);
    assert_int_equal(tokenizer_id(t, STR("<none>")), -1);
    assert_true(tokenizer_is_special(t, 100) && !tokenizer_is_special(t, 95) && !tokenizer_is_special(t, -1));
    assert_true(str_is(tokenizer_token(t, 96), "abc"));
    assert_int_equal(tokenizer_token(t, 100000).len, 0);
    const int32_t ids[] = {99, 95, 100, -7, 1 << 30};
    buf text = {0};
    tokenizer_decode(t, ids, 5, true, &text);
    assert_string_equal(text.ptr, "ab");
    buf_free(&text);
    arena_free(a);
}

static void spans_say_which_bytes_a_token_stands_for(void **state) {
    (void)state;
    err e = {0};
    arena *a = arena_new();
    const tokenizer *t = small(a, small_steps, SMALL_MERGES, &e);
    token_ids got = {0};
    assert_ok(t && tokenizer_encode(t, STR("abc ab<end>x"), true, &got, &e), e);
    const int32_t begin[] = {0, 0, 3, 6, 11}, end[] = {0, 3, 6, 11, 12};
    assert_int_equal(got.count, 5);
    assert_memory_equal(got.begin, begin, sizeof begin);
    assert_memory_equal(got.end, end, sizeof end);
    token_ids_free(&got);
    arena_free(a);
}

static void a_megabyte_of_one_letter_takes_less_than_a_second(void **state) {
    (void)state;
    err e = {0};
    arena *a = arena_new();
    const tokenizer *t = small(a, small_steps, SMALL_MERGES, &e);
    const size_t n = 1 << 20;
    char *text = memset(arena_alloc(a, n), 'a', n);
    token_ids got = {0};
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_ok(t && tokenizer_encode(t, (str){text, n}, false, &got, &e), e);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_int_equal(got.count, n / 2);
#ifndef __SANITIZE_ADDRESS__
    assert_true((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9 < 1);
#endif
    token_ids_free(&got);
    arena_free(a);
}

static void hostile_files_are_refused_with_words(void **state) {
    (void)state;
    static const struct {
        const char *steps, *merges, *words;
    } cases[] = {
        {small_steps, "[\"a zz\"]", "merge"},
        {small_steps, "[\"ab\"]", "merge"},
        {"\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}", "[]", "Precompiled"},
        {"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Martian\"}]}", "[]", "Martian"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}", "[]", "pattern"},
        {"\"post_processor\":{\"type\":\"Odd\"}", "[]", "Odd"},
        {"\"decoder\":{\"type\":\"CTC\"}", "[]", "CTC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        err e = {0};
        assert_null(small(a, cases[i].steps, cases[i].merges, &e));
        if (!strstr(e.text, cases[i].words)) fail_msg("'%s' should name %s", e.text, cases[i].words);
        arena_free(a);
    }
    static const char *const whole[] = {"",
                                        "{",
                                        "[]",
                                        "{\"model\":{}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2000000000},\"merges\":[]}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":16000000},\"merges\":[]}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"0\"},\"merges\":[]}}",
                                        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        arena *a = arena_new();
        err e = {0};
        assert_null(tokenizer_from_json(a, str_of(whole[i]), STR(""), "hostile", &e));
        assert_true(*e.text);
        arena_free(a);
    }
}

static void every_cut_of_a_file_is_refused(void **state) {
    (void)state;
    buf text = {0};
    put_small(&text, small_steps, SMALL_MERGES);
    for (size_t n = 0; n < text.len; n += 7) {
        arena *a = arena_new();
        err e = {0};
        assert_null(tokenizer_from_json(a, (str){text.ptr, n}, STR(""), "cut", &e));
        assert_true(*e.text);
        arena_free(a);
    }
    buf_free(&text);
}

static void a_written_tokenizer_gives_the_same_ids(void **state) {
    (void)state;
    err e = {0};
    arena *a = arena_new();
    str tokens[99], merges[] = {STR("a b"), STR("ab c"), STR("\xC4\xA0 ab"), STR("a a")};
    int32_t types[99];
    for (int i = 0; i < 94; i++) tokens[i] = str_of(arena_printf(a, "%c", 33 + i)), types[i] = 1;
    const char *more[] = {"\xC4\xA0", "ab", "abc", "\xC4\xA0\x61\x62", "aa"};
    for (int i = 94; i < 99; i++) tokens[i] = str_of(more[i - 94]), types[i] = 1;
    const tokenizer_vocab v = {.model = "gpt2",
                               .pre = "gpt-2",
                               .count = 99,
                               .tokens = tokens,
                               .types = types,
                               .merges = merges,
                               .merge_count = 4,
                               .bos = -1,
                               .eos = -1,
                               .unk = -1,
                               .pad = -1};
    const tokenizer *from = tokenizer_from_vocab(a, &v, &e);
    assert_ok(from, e);
    buf text = {0};
    tokenizer_write_json(from, &text);
    const tokenizer *again = tokenizer_from_json(a, buf_str(&text), STR(""), "written", &e);
    assert_ok(again, e);
    expect_small(from, "xab ab aaa", false, "[87,95,97,94,98,64]");
    expect_small(again, "xab ab aaa", false, "[87,95,97,94,98,64]");
    tokenizer_vocab back;
    assert_ok(tokenizer_vocabulary(again, a, &back, &e), e);
    assert_int_equal(back.count, 99);
    assert_int_equal(back.merge_count, 4);
    buf_free(&text);
    arena_free(a);
}

static void unknown_gguf_names_are_refused(void **state) {
    (void)state;
    arena *a = arena_new();
    str token = STR("a");
    const tokenizer_vocab model = {.model = "bert", .count = 1, .tokens = &token, .bos = -1, .eos = -1, .unk = -1, .pad = -1};
    const tokenizer_vocab pre = {
        .model = "gpt2", .pre = "martian", .count = 1, .tokens = &token, .bos = -1, .eos = -1, .unk = -1, .pad = -1};
    err e = {0}, f = {0};
    assert_null(tokenizer_from_vocab(a, &model, &e));
    assert_non_null(strstr(e.text, "bert"));
    assert_null(tokenizer_from_vocab(a, &pre, &f));
    assert_non_null(strstr(f.text, "martian"));
    arena_free(a);
}

/* ---- other programs' ids ------------------------------------------------------------------------------------------------------ */

static void check_vectors(const char *folder) {
    arena *a = arena_new();
    err e = {0};
    const char *path = shared_path(a, arena_printf(a, "data/tokenizers/%s/tokenizer.json", folder));
    if (!path) skip_freeing(a);
    const tokenizer *t = load(a, path, NULL);
    const char *cases = shared_path(a, arena_printf(a, "data/tokenizers/%s/%s", folder,
                                                    strcmp(folder, "smollm") == 0 ? "smollm2-cases.ascii.json" : "vectors.json"));
    if (!cases) skip_freeing(a);
    const json *list = json_get(json_parse_file(a, cases, 16 << 20, &e), "cases");
    assert_true(json_count(list) > 20);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *c = json_at(list, i);
        const str text = json_get_text(c, "text", STR(""));
        expect_ids(t, text, false, json_get(c, "ids"));
        if (strcmp(folder, "gpt2") == 0 || strcmp(folder, "smollm") == 0) expect_round_trip(t, text);
    }
    arena_free(a);
}

static void gpt2_agrees_with_other_programs(void **state) { (void)state, check_vectors("gpt2"); }
static void llama2_agrees_with_other_programs(void **state) { (void)state, check_vectors("llama2"); }
static void phi3_agrees_with_other_programs(void **state) { (void)state, check_vectors("phi3"); }
static void smollm_agrees_with_other_programs(void **state) { (void)state, check_vectors("smollm"); }

static void every_real_tokenizer_loads_and_comes_back(void **state) {
    (void)state;
    static const char *const folders[] = {"gpt2", "llama2", "mistral", "neox", "phi3", "smollm"};
    static const char text[] = "Hello, world! \xC3\xA9\xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\xA6\x99  12345\n\n\tx";
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        arena *a = arena_new();
        const char *path = shared_path(a, arena_printf(a, "data/tokenizers/%s/tokenizer.json", folders[i]));
        if (!path) skip_freeing(a);
        expect_round_trip(load(a, path, NULL), str_of(text));
        arena_free(a);
    }
}

static void the_tokenizer_of_the_curves_agrees(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    str line;
    file_lines lines;
    const char *path = shared_path(a, "fixtures/curves/base/tokenizer.json"),
               *vectors = shared_path(a, "fixtures/curves/tokenizer/vectors.jsonl");
    if (!path || !vectors) skip_freeing(a);
    const tokenizer *t = load(a, path, NULL);
    assert_ok(file_lines_open(&lines, vectors, 1 << 20, &e), e);
    int seen = 0;
    for (; file_lines_next(&lines, &line, &e); seen++) {
        const json *c = json_parse(a, line, &e);
        const str text = json_get_text(c, "text", STR(""));
        expect_ids(t, text, true, json_get(c, "ids"));
        expect_ids(t, text, false, json_get(c, "ids_without_special"));
        expect_round_trip(t, text);
    }
    assert_true(seen > 5);
    file_lines_close(&lines);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(merges_happen_in_the_order_of_their_rank),  TEST(special_tokens_in_the_text_are_one_token_each),
        TEST(spans_say_which_bytes_a_token_stands_for),  TEST(a_megabyte_of_one_letter_takes_less_than_a_second),
        TEST(hostile_files_are_refused_with_words),      TEST(every_cut_of_a_file_is_refused),
        TEST(a_written_tokenizer_gives_the_same_ids),    TEST(unknown_gguf_names_are_refused),
        TEST(gpt2_agrees_with_other_programs),           TEST(llama2_agrees_with_other_programs),
        TEST(phi3_agrees_with_other_programs),           TEST(smollm_agrees_with_other_programs),
        TEST(every_real_tokenizer_loads_and_comes_back), TEST(the_tokenizer_of_the_curves_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
