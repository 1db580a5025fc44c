/* Examples: the rule for shared prompts, equality and its hash, the split, other kinds; and random rows that survive file and back. */
#include "reading.h"

#include <math.h>

#include "base/rng.h"
#include "base/str.h"

/* ---- the prompt two answers share ------------------------------------------------------------------------------------------------ */

static void splits(const char *chosen, const char *rejected, const char *prompt, const char *better, const char *worse) {
    arena *a = arena_new();
    example x = {.kind = EXAMPLE_PREFERENCE, .margin = NAN, .reward = NAN, .probability = NAN};
    x.chosen = (example_part){.type = PART_TEXT, .text = str_of(chosen)};
    x.rejected = (example_part){.type = PART_TEXT, .text = str_of(rejected)};
    example_take_prompt(a, &x);
    assert_true(x.prompt_implicit);
    assert_string_equal(str_copy(a, x.prompt.text), prompt);
    assert_string_equal(str_copy(a, x.chosen.text), better);
    assert_string_equal(str_copy(a, x.rejected.text), worse);
    arena_free(a);
}

static void a_shared_prompt_ends_where_texts_differ_one_back_at_a_space(void **state) {
    (void)state;
    splits("The sky is blue", "The sky is green", "The sky is", " blue", " green");
    splits("a: x", "a:\ny", "a:", " x", "\ny");
    splits("ab", "ac", "a", "b", "c");
    splits("xa", "yb", "", "xa", "yb");
    splits(" a", " b", "", " a", " b");
    splits("", "", "", "", "");
    splits("", "b", "", "", "b");
}

static void one_answer_within_the_other_keeps_its_last_character(void **state) {
    (void)state;
    splits("same", "same", "sam", "e", "e");
    splits("abc", "abcdef", "ab", "c", "cdef");
    splits("a b ", "a b c", "a b", " ", " c"); /* no step back: nothing differs */
    splits("caf\xc3\xa9", "caf\xc3\xa9!", "caf", "\xc3\xa9", "\xc3\xa9!");
}

static void characters_are_not_cut(void **state) {
    (void)state;
    splits("caf\xc3\xa9", "caf\xc3\xa8", "caf", "\xc3\xa9", "\xc3\xa8");
    splits("\xf0\x9f\x98\x80x", "\xf0\x9f\x98\x81x", "", "\xf0\x9f\x98\x80x", "\xf0\x9f\x98\x81x");
    splits("a \xe2\x82\xac", "a \xe2\x82\xad", "a", " \xe2\x82\xac", " \xe2\x82\xad");
}

/* ---- equality, hash, split --------------------------------------------------------------------------------------------------------- */

/* The only example of the row. */
static example one(room *r, const char *row) {
    err e = {0};
    example x;
    source *s = source_open(r->a, file_of(r, "one.jsonl", str_of(row)), &e);
    assert_ok(s, e);
    assert_ok(source_next(s, r->a, &x, &e), e);
    return x;
}

static void same(const char *a, const char *b, bool expected) {
    room r = room_new();
    const example x = one(&r, a), y = one(&r, b);
    assert_int_equal(example_equal(&x, &y), expected);
    assert_int_equal(example_hash(&x) == example_hash(&y), expected);
    room_end(&r);
}

static void equal_examples_hash_alike_and_others_do_not(void **state) {
    (void)state;
    same("{\"text\":\"a\"}", "{\"text\":\"a\",\"record\":\"r\"}", true);
    same("{\"text\":\"a\"}", "{\"text\":\"b\"}", false);
    same("{\"prompt\":\"a\",\"completion\":\"bc\"}", "{\"prompt\":\"ab\",\"completion\":\"c\"}", false);
    same("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}", "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":false}",
         false);
    same("{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}", "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"b\"}",
         false);
    same("{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"margin\":1}",
         "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"margin\":2}", false);
    same("{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"n\":1}]}",
         "{\"messages\":[{\"n\":1.0,\"content\":\"a\",\"role\":\"user\"}]}", true);
    same("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}",
         false);
    same("{\"prompt\":\"a\",\"completions\":[\"b\"],\"labels\":[true]}",
         "{\"prompt\":\"a\",\"completions\":[\"b\"],\"labels\":[false]}", false);
}

static example_side side_of(room *r, const char *row, double validation, double test) {
    const example x = one(r, row);
    return example_split(&x, validation, test);
}

static void the_split_depends_on_the_prompts_words_alone(void **state) {
    (void)state;
    room r = room_new();
    for (int i = 0; i < 40; i++) {
        const char *rows[] = {
            arena_printf(r.a, "{\"prompt\":\"Tell me %d\",\"completion\":\"yes\"}", i),
            arena_printf(r.a, "{\"prompt\":\" tell  me\\n%d \",\"chosen\":\"yes\",\"rejected\":\"no\"}", i),
            arena_printf(r.a, "{\"prompt\":[{\"role\":\"user\",\"content\":\"TELL me %d\"}]}", i),
            arena_printf(r.a,
                         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Tell me %d\"}]},"
                         "{\"role\":\"assistant\",\"content\":\"yes\"}]}",
                         i),
            arena_printf(r.a, "{\"prompt\":\"other %d\",\"completion\":\"b\",\"group\":\"tell me %d\"}", i * 7, i),
        };
        for (int k = 1; k < 5; k++) assert_int_equal(side_of(&r, rows[k], 30, 20), side_of(&r, rows[0], 30, 20));
    }
    room_end(&r);
}

static void the_split_has_the_asked_shares_and_grows_from_training(void **state) {
    (void)state;
    int count[3] = {0};
    for (int i = 0; i < 4000; i++) {
        char text[32];
        snprintf(text, sizeof text, "prompt %d", i);
        const example x = {.kind = EXAMPLE_TEXT, .text = str_of(text)};
        const example_side side = example_split(&x, 10, 20);
        count[side]++;
        assert_int_equal(example_split(&x, 0, 0), SPLIT_TRAIN);
        assert_int_equal(example_split(&x, 0, 100), SPLIT_TEST);
        assert_int_equal(example_split(&x, 100, 0), SPLIT_VALIDATION);
        if (side == SPLIT_TEST) assert_int_equal(example_split(&x, 30, 30), SPLIT_TEST);
        if (side == SPLIT_VALIDATION) assert_int_equal(example_split(&x, 30, 30), SPLIT_VALIDATION);
    }
    assert_in_range(count[SPLIT_VALIDATION], 330, 470);
    assert_in_range(count[SPLIT_TEST], 700, 900);
}

static void the_split_never_moves(void **state) { /* values written down once: a change here moves people's test sets */
    (void)state;
    const struct {
        const char *text;
        double from; /* the share for tests at which it becomes one */
    } known[] = {{"", 88.9416}, {"Hello", 11.1760}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const example x = {.kind = EXAMPLE_TEXT, .text = str_of(known[i].text)};
        assert_int_equal(example_split(&x, 0, known[i].from - 0.01), SPLIT_TRAIN);
        assert_int_equal(example_split(&x, 0, known[i].from + 0.01), SPLIT_TEST);
    }
}

/* ---- other kinds ----------------------------------------------------------------------------------------------------------------- */

static void converts(const char *row, example_kind to, convert_result result, const char *expected) {
    room r = room_new();
    err e = {0};
    example y;
    buf out = {0};
    const example x = one(&r, row);
    assert_int_equal(example_convert(r.a, &x, to, &y, &e), result);
    json_writer w = json_writer_on(&out, false);
    if (result == CONVERT_DONE) example_put_json(&w, &y);
    if (result == CONVERT_FAILED) buf_put_text(&out, e.text);
    assert_string_equal(out.len ? out.ptr : "", expected);
    buf_free(&out);
    room_end(&r);
}

#define CHAT "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}"

static void examples_become_other_kinds_as_far_as_they_say_it(void **state) {
    (void)state;
    converts("{\"prompt\":\"a\",\"completion\":\"b\"}", EXAMPLE_MESSAGES, CONVERT_DONE, CHAT);
    converts("{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"record\":\"r\"}", EXAMPLE_PROMPT_COMPLETION, CONVERT_DONE,
             "{\"prompt\":\"a\",\"completion\":\"b\",\"record\":\"r\"}");
    converts(CHAT, EXAMPLE_PROMPT_COMPLETION, CONVERT_DONE,
             "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"b\"}]}");
    converts(CHAT, EXAMPLE_PROMPT, CONVERT_DONE, "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    converts("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}", EXAMPLE_MESSAGES, CONVERT_DONE, CHAT);
    converts("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":false}", EXAMPLE_MESSAGES, CONVERT_LEFT_OUT, "");
    converts(CHAT, EXAMPLE_PREFERENCE, CONVERT_FAILED,
             "messages rows cannot become preference rows: they do not say what these need");
    converts("{\"text\":\"a\"}", EXAMPLE_MESSAGES, CONVERT_FAILED,
             "text rows cannot become messages rows: they hold no answer to a prompt");
    converts("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", EXAMPLE_PROMPT_COMPLETION, CONVERT_FAILED,
             "field 'messages' should end with an answer (role 'assistant') to what comes before, but has a single message");
}

static void kinds_are_found_by_name(void **state) {
    (void)state;
    example_kind kind;
    for (int k = 0; k < EXAMPLE_KIND_COUNT; k++) {
        assert_true(example_kind_find(str_of(example_kind_name((example_kind)k)), &kind));
        assert_int_equal(kind, k);
    }
    assert_false(example_kind_find(STR("pairs"), &kind));
}

/* ---- random rows, there and back -------------------------------------------------------------------------------------------------- */

static void put_random_text(rng *g, json_writer *w) {
    static const char *const pieces[] = {"a",  " ", "\n", "\"",   "\\",   "\xc3\xa9", "\xf0\x9f\x98\x80",
                                         "\t", "{", "]",  "\r\n", "\x01", ",",        "word "};
    buf text = {0};
    for (uint32_t n = rng_below(g, 12); n > 0; n--) buf_put_text(&text, pieces[rng_below(g, sizeof pieces / sizeof *pieces)]);
    json_put_text(w, buf_str(&text));
    buf_free(&text);
}

static void put_random_messages(rng *g, json_writer *w, const char *last) {
    json_open(w, '[');
    for (uint32_t n = rng_below(g, 3); n-- > 0 || last;) {
        static const char *const roles[] = {"user", "assistant", "system", "tool"};
        const bool end = n == UINT32_MAX;
        json_open(w, '{');
        json_key(w, "role");
        json_put_cstr(w, end ? last : roles[rng_below(g, 4)]);
        json_key(w, "content");
        put_random_text(g, w);
        json_close(w);
        if (end) break;
    }
    json_close(w);
}

static void put_random_part(rng *g, json_writer *w, const char *key, bool chat) {
    json_key(w, key);
    if (chat) put_random_messages(g, w, "user");
    else put_random_text(g, w);
}

static void put_random_row(rng *g, json_writer *w, example_kind kind) {
    const bool chat = rng_below(g, 2);
    json_open(w, '{');
    if (kind == EXAMPLE_TEXT) put_random_part(g, w, "text", false);
    else if (kind == EXAMPLE_MESSAGES) put_random_part(g, w, "messages", true);
    else if (kind != EXAMPLE_PREFERENCE || rng_below(g, 2)) put_random_part(g, w, "prompt", chat && kind != EXAMPLE_STEPWISE);
    if (kind == EXAMPLE_PROMPT_COMPLETION || kind == EXAMPLE_LABELLED) put_random_part(g, w, "completion", chat);
    if (kind == EXAMPLE_PREFERENCE) {
        put_random_part(g, w, "chosen", chat);
        put_random_part(g, w, "rejected", chat);
        if (rng_below(g, 2)) json_key(w, "margin"), json_put_real(w, rng_normal(g));
    }
    if (kind == EXAMPLE_LABELLED) json_key(w, "label"), json_put_bool(w, rng_below(g, 2));
    if (kind == EXAMPLE_STEPWISE) {
        const uint32_t steps = 1 + rng_below(g, 3);
        json_key(w, "completions"), json_open(w, '[');
        for (uint32_t i = 0; i < steps; i++) put_random_text(g, w);
        json_close(w), json_key(w, "labels"), json_open(w, '[');
        for (uint32_t i = 0; i < steps; i++) json_put_bool(w, rng_below(g, 2));
        json_close(w);
    }
    json_close(w);
}

/* Reads the file of `text` and writes each example; the examples of both are equal, with equal hashes. */
static void come_back(room *r, const buf *text) {
    err e = {0};
    source *s = source_open(r->a, file_of(r, "there.jsonl", buf_str(text)), &e);
    assert_ok(s, e);
    buf back = {0};
    for (example x; source_next(s, r->a, &x, &e);) {
        json_writer w = json_writer_on(&back, false);
        example_put_json(&w, &x);
        buf_put_char(&back, '\n');
    }
    assert_ok(!e.code && source_rewind(s, &e), e);
    source *t = source_open(r->a, file_of(r, "back.jsonl", buf_str(&back)), &e);
    assert_ok(t, e);
    for (example x, y; source_next(s, r->a, &x, &e);) {
        assert_ok(source_next(t, r->a, &y, &e), e);
        assert_true(example_equal(&x, &y));
        assert_true(example_hash(&x) == example_hash(&y));
        assert_int_equal(example_split(&x, 50, 0), example_split(&y, 50, 0));
    }
    assert_int_equal(e.code, ERR_NONE);
    buf_free(&back);
}

static void random_rows_survive_the_way_there_and_back(void **state) {
    (void)state;
    rng g = rng_new(7, 1);
    for (int kind = 0; kind < EXAMPLE_KIND_COUNT; kind++) {
        room r = room_new();
        buf text = {0};
        for (int i = 0; i < 200; i++) {
            json_writer w = json_writer_on(&text, false);
            put_random_row(&g, &w, (example_kind)kind);
            buf_put_char(&text, '\n');
        }
        come_back(&r, &text);
        buf_free(&text);
        room_end(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_shared_prompt_ends_where_texts_differ_one_back_at_a_space),
        TEST(one_answer_within_the_other_keeps_its_last_character),
        TEST(characters_are_not_cut),
        TEST(equal_examples_hash_alike_and_others_do_not),
        TEST(the_split_depends_on_the_prompts_words_alone),
        TEST(the_split_has_the_asked_shares_and_grows_from_training),
        TEST(the_split_never_moves),
        TEST(examples_become_other_kinds_as_far_as_they_say_it),
        TEST(kinds_are_found_by_name),
        TEST(random_rows_survive_the_way_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
