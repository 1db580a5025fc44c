/* Real files of others, where they lie beside the project: every one is recognised and read to its end. */
#include "reading.h"

/* Opens, reads all; checks format and number of examples (-1: any). */
static void holds(const char *name, const char *prefix, const char *format, int64_t examples) {
    arena *a = arena_new();
    err e = {0};
    const char *path = shared_path(a, name);
    if (!path) {
        arena_free(a);
        skip();
        return;
    }
    source *s = source_open(a, arena_printf(a, "%s%s", prefix, path), &e);
    assert_ok(s, e);
    assert_string_equal(source_describe(s)->format, format);
    int64_t count = 0;
    for (bool more = true; more; count += more) {
        arena *row = arena_new();
        example x;
        more = source_next(s, row, &x, &e);
        arena_free(row);
    }
    if (e.code) fail_msg("%s", e.text);
    if (examples >= 0) assert_int_equal(count, examples);
    arena_free(a);
}

static void llama_factorys_demonstrations(void **state) {
    (void)state;
    holds("data/datasets/llama-factory/identity.json", "", "alpaca", 91);
    holds("data/datasets/llama-factory/dpo_en_demo.json", "", "sharegpt", 300);
    holds("data/datasets/llama-factory/kto_en_demo.json", "", "unpaired-preference", 300);
    holds("data/datasets/llama-factory/glaive_toolcall_en_demo.json", "", "sharegpt", 300);
}

static void open_assistants_trees_messages_and_texts(void **state) {
    (void)state;
    holds("data/datasets/open-assistant/en_100_tree.jsonl", "open-assistant:", "open-assistant", 100);
    holds("data/datasets/open-assistant/en_100_tree.jsonl", "open-assistant-pairs:", "open-assistant-pairs", 754);
    holds("data/datasets/open-assistant/en_100_message.jsonl", "open-assistant:", "open-assistant", 100);
    holds("data/datasets/open-assistant/en_100_text.jsonl", "", "text", 100);
    holds("data/datasets/open-assistant/realistic_seed_data.json", "", "text", 444);
}

static void self_instructs_tasks(void **state) {
    (void)state;
    holds("data/datasets/self-instruct/seed_tasks.jsonl", "", "self-instruct", 175);
    holds("data/datasets/self-instruct/user_oriented_instructions.jsonl", "", "self-instruct", 252);
}

/* The format that a case's name promises; NULL: one of several. */
static const char *format_of_case(const char *name) {
    static const char *const formats[][2] = {
        {"dpo-", "preference"},
        {"cpo", "preference"},
        {"orpo", "preference"},
        {"reward", "preference"},
        {"tpo-", "preference"},
        {"simpo", "preference"},
        {"alphapo", "preference"},
        {"kto-paired", "preference"},
        {"kto", "unpaired-preference"},
        {"bco", "unpaired-preference"},
        {"prm", "stepwise-supervision"},
        {"grpo-", "prompt"},
        {"gkd", "messages"},
        {"sft-chat-completion", "prompt-completion"},
        {"sft-chat", "messages"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strncmp(name, formats[i][0], strlen(formats[i][0]))) return formats[i][1];
    return NULL;
}

static void the_rows_of_every_training_curve(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char **names;
    int count, read = 0;
    const char *folder = shared_path(a, "fixtures/curves");
    if (!folder) {
        arena_free(a);
        skip();
        return;
    }
    assert_ok(dir_list(a, folder, &names, &count, &e), e);
    for (int i = 0; i < count; i++) {
        char *path = arena_printf(a, "%s/%s/data.jsonl", folder, names[i]);
        if (!file_exists(path)) continue;
        source *s = source_open(a, path, &e);
        assert_ok(s, e);
        if (format_of_case(names[i])) assert_string_equal(source_describe(s)->format, format_of_case(names[i]));
        for (example x; source_next(s, a, &x, &e);) assert_int_equal(x.kind, source_describe(s)->kind);
        if (e.code) fail_msg("%s", e.text);
        read++;
    }
    assert_true(read > 10);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(llama_factorys_demonstrations),
        TEST(open_assistants_trees_messages_and_texts),
        TEST(self_instructs_tasks),
        TEST(the_rows_of_every_training_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
