/* preflight.c - what is refused before the first step, in which words; what a run folder holds when it is not. */
#include "tiny.h"

#include <math.h>
#include <string.h>

#include "train/train.h"

static char *put(arena *a, const char *root, const char *name, const char *text) {
    err e = {0};
    char *path = path_join(a, root, name);
    assert_ok(file_write(path, str_of(text), &e), e);
    return path;
}

static train_settings *settings(arena *a, const char *objective_name, const char *base, const char *data,
                                const char *const *more) {
    static const char *const common[] = {"dtype=float32", "logging_steps=1", "max_steps=2", "train_sampling_strategy=sequential",
                                         NULL};
    err e = {0};
    train_settings *s;
    assert_ok(train_settings_begin(a, objective_name, &s, &e), e);
    assert_ok(resolve_set(a, &s->from, STR("base"), str_of(base), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("data"), str_of(data), "test", &e), e);
    for (int k = 0; k < 2; k++)
        for (const char *const *p = k ? more : common; p && *p; p++) {
            const char *equals = strchr(*p, '=');
            assert_ok(resolve_set(a, &s->from, (str){*p, (size_t)(equals - *p)}, str_of(equals + 1), "test", &e), e);
        }
    return s;
}

static bool previewed(arena *a, const char *objective_name, const char *base, const char *data, const char *const *more, err *e) {
    *e = (err){0};
    return train_run(a, settings(a, objective_name, base, data, more), NULL, &(train_how){.preview = true, .quiet = true}, e);
}

static void in_folder(void (*test)(arena *a, const char *root, const char *base)) {
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a);
    test(a, root, tiny_model(a, root));
    dir_remove(root, &e);
    arena_free(a);
}

// clang-format off
/* what is wrong, the objective, settings, rows, words of the refusal */
static const struct {
    const char *name, *objective, *set[3], *rows, *words[2];
} refused[] = {
    {"every row is masked", "sft", {"max_length=3"},
     "{\"prompt\":\"abc\",\"completion\":\"d\"}\n{\"prompt\":\"abcd\",\"completion\":\"e\"}\n", {"none of 2", "rows 1, 2"}},
    {"a pair without an answer", "dpo", {NULL},
     "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":[],\"rejected\":[]}\n", {NULL}},
    {"two BOS", "sft", {NULL}, "{\"text\":\"ab\"}\n{\"text\":\"<s><s>ab\"}\n", {"two BOS tokens ('<s>')", "row 2"}},
    {"the end of a turn left out of the marks", "sft", {"assistant_only_loss=true", "chat_template=noend.jinja"},
     "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n", {"'<t>'", "never trained"}},
    {"the end of a turn cut off", "sft", {"max_length=8"},
     "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"bcdefghi\"}]}\n", {"'<t>'", "max_length"}},
    {"the end of both answers cut off", "dpo", {"max_length=6"},
     "{\"prompt\":\"ab\",\"chosen\":\"cdefgh\",\"rejected\":\"ijklmn\"}\n", {"never trained", "max_length"}},
    {"no marks", "sft", {"assistant_only_loss=true", "chat_template=plain.jinja"},
     "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n", {"generation", "--chat-template"}},
    {"longer than the positions", "sft", {"max_length=0"},
     "{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n",
     {"128 positions", "max_length"}},
};
// clang-format on

static void refusals(arena *a, const char *root, const char *base) {
    err e;
    put(a, root, "noend.jinja",
        "{% for m in messages %}{{ m.role[0] }} {% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration "
        "%}<t>"
        "{% else %}{{ m.content }}<t>{% endif %}{% endfor %}");
    put(a, root, "plain.jinja", "{% for m in messages %}{{ m.content }}<t>{% endfor %}");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *set[4] = {0};
        for (int k = 0; k < 3 && refused[i].set[k]; k++) {
            const char *file = strstr(refused[i].set[k], "chat_template=");
            set[k] = file ? arena_printf(a, "chat_template=%s", path_join(a, root, file + 14)) : refused[i].set[k];
        }
        const char *data = put(a, root, arena_printf(a, "data%zu.jsonl", i), refused[i].rows);
        if (previewed(a, refused[i].objective, base, data, set, &e)) fail_msg("not refused: %s", refused[i].name);
        for (int k = 0; k < 2 && refused[i].words[k]; k++)
            if (!strstr(e.text, refused[i].words[k]))
                fail_msg("%s: no '%s' in '%s'", refused[i].name, refused[i].words[k], e.text);
    }
}
static void what_would_go_wrong_is_refused_with_rows_and_reasons(void **state) {
    (void)state;
    in_folder(refusals);
}

/* The flags of "it fits with --a-b 3 --c" as settings. */
static const char *const *settings_of(arena *a, const char *advice) {
    const char **out = arena_array(a, const char *, 16);
    int n = 0;
    for (char *word = strtok(arena_text(a, advice), " "); word && n < 15; word = strtok(NULL, " ")) {
        if (strncmp(word, "--", 2) == 0) {
            for (char *c = word += 2; *c; c++) *c = *c == '-' ? '_' : *c;
            out[n++] = arena_printf(a, "%s=true", word);
        } else {
            *strchr(out[n - 1], '=') = '\0';
            out[n - 1] = arena_printf(a, "%s=%s", out[n - 1], word);
        }
    }
    return out;
}

static void memory_advice(arena *a, const char *root, const char *base) {
    static const char *const set[] = {"micro_batch_tokens=4096", "per_device_train_batch_size=64", NULL};
    (void)base;
    const char *wide = tiny_model_of(a, root, "wide", 1024, 5);
    buf text = {0};
    for (int i = 0; i < 64; i++)
        buf_put_text(
            &text,
            "{\"text\":\"the quick brown fox jumps over the lazy dog and then it sleeps in the warm sun for a while.\"}\n");
    const char *data = put(a, root, "long.jsonl", text.ptr);
    buf_free(&text);
    int advised = 0;
    for (int megabytes = 60; megabytes <= 700; megabytes += 80) {
        err e, again;
        setenv("FETTLE_MEMORY_MB", arena_printf(a, "%d", megabytes), 1);
        if (previewed(a, "sft", wide, data, set, &e)) continue;
        const char *advice = strstr(e.text, "it fits with ");
        if (!advice) continue;
        const char *all[24] = {set[0], set[1]};
        const char *const *found = settings_of(a, advice + strlen("it fits with "));
        for (int n = 0; found[n]; n++) all[2 + n] = found[n];
        if (!previewed(a, "sft", wide, data, all, &again)) fail_msg("%d MB: %s\nand then: %s", megabytes, e.text, again.text);
        advised++;
    }
    unsetenv("FETTLE_MEMORY_MB");
    assert_true(advised >= 2);
}
static void memory_that_does_not_fit_names_settings_that_do(void **state) {
    (void)state;
    in_folder(memory_advice);
}

/* ---- what a run leaves -------------------------------------------------------------------------------------------------------------- */

static const json *only_line(arena *a, const char *path, int number) {
    file_lines in;
    str line = {0};
    err e = {0};
    assert_ok(file_lines_open(&in, path, 1 << 20, &e), e);
    for (int i = 0; i < number; i++) assert_true(file_lines_next(&in, &line, &e));
    const json *j = json_parse(a, line, &e);
    file_lines_close(&in);
    assert_non_null(j);
    return j;
}

static void folder(arena *a, const char *root, const char *base) {
    const char *data =
        put(a, root, "rows.jsonl",
            "{\"prompt\":\"a\",\"completion\":\"b\\u0000c\",\"record\":\"r7\",\"responses\":[\"x\"],\"licence\":\"cc0\"}\n");
    const char *chat = put(a, root, "chat.jsonl",
                           "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n");
    const char *dir = path_join(a, root, "run"), *set[] = {"save_steps=1", NULL};
    err e = {0};
    run r;
    train_settings *s = settings(a, "sft", base, arena_printf(a, "%s,%s", data, chat), set);
    assert_ok(train_create(a, s, dir, &r, &e), e);
    assert_ok(train_run(a, s, &r, &(train_how){.quiet = true}, &e), e);
    const json *first = only_line(a, path_join(a, dir, "examples.jsonl"), 1), *config = run_config(a, &r, &e);
    assert_true(str_is(json_get_text(first, "record", STR("")), "r7"));
    assert_int_equal(json_count(json_get(first, "responses")), 1);
    assert_true(json_get_text(config, "fettle", STR("")).len > 0 && json_get_text(config, "base_sha256", STR("")).len == 64);
    str card;
    assert_ok(file_read(a, path_join(a, dir, "model/README.md"), 1 << 20, &card, &e), e);
    assert_true(str_find(card, STR("cc0"), 0) > 0 && str_find(card, STR("| Objective | sft |"), 0) > 0);
    assert_true(file_size(path_join(a, dir, "log")) > 0);
    /* finished is finished */
    run again;
    assert_ok(train_reopen(a, dir, &s, &again, &e), e);
    assert_false(train_run(a, s, &again, &(train_how){.resume = true, .quiet = true}, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
}
static void a_run_folder_tells_what_was_learned_from_what(void **state) {
    (void)state;
    in_folder(folder);
}

/* Stopped before its first step, resumed when its data are gone: the examples stand in the folder, of several kinds. */
static void from_folder(arena *a, const char *root, const char *base) {
    const char *data = put(a, root, "rows.jsonl", "{\"prompt\":\"a\",\"completion\":\"bc\"}\n");
    const char *text = put(a, root, "text.jsonl", "{\"text\":\"abc\"}\n{\"text\":\"def\"}\n");
    sha256_text hash[2];
    err e = {0};
    for (int i = 0; i < 2; i++) {
        run r;
        const char *dir = path_join(a, root, i ? "broken" : "whole"), *kept = path_join(a, dir, "examples.jsonl");
        train_settings *s = settings(a, "sft", base, arena_printf(a, "%s,%s", data, text), NULL);
        assert_ok(train_create(a, s, dir, &r, &e), e);
        if (i) {
            str examples;
            assert_ok(file_read(a, path_join(a, root, "whole/examples.jsonl"), 1 << 20, &examples, &e), e);
            assert_ok(file_write(kept, examples, &e), e);
            run_release(&r);
            unlink(data);
            unlink(text);
            assert_ok(train_reopen(a, dir, &s, &r, &e), e);
        }
        assert_ok(train_run(a, s, &r, &(train_how){.resume = i, .quiet = true}, &e), e);
        assert_ok(file_sha256(path_join(a, dir, "model/model.safetensors"), hash[i], &e), e);
    }
    assert_string_equal(hash[0], hash[1]);
}
static void a_run_goes_on_from_its_folder_alone(void **state) {
    (void)state;
    in_folder(from_folder);
}

static void other_base(arena *a, const char *root, const char *base) {
    const char *data = put(a, root, "text.jsonl", "{\"text\":\"abc\"}\n"), *dir = path_join(a, root, "run");
    err e = {0};
    run r;
    train_settings *s = settings(a, "sft", base, data, NULL);
    assert_ok(train_create(a, s, dir, &r, &e), e);
    run_release(&r);
    tiny_model_of(a, root, "base", 32, 4); /* the same place, other weights */
    assert_ok(train_reopen(a, dir, &s, &r, &e), e);
    assert_false(train_run(a, s, &r, &(train_how){.resume = true, .quiet = true}, &e));
    assert_non_null(strstr(e.text, "is not the file this run began with"));
}
static void a_run_does_not_go_on_from_other_weights(void **state) {
    (void)state;
    in_folder(other_base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_would_go_wrong_is_refused_with_rows_and_reasons),
        TEST(memory_that_does_not_fit_names_settings_that_do),
        TEST(a_run_folder_tells_what_was_learned_from_what),
        TEST(a_run_goes_on_from_its_folder_alone),
        TEST(a_run_does_not_go_on_from_other_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
