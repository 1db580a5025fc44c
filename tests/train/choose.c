/* The preset that pairs choose: by words that the start model hardly writes, on a model that was taught to write few words. */
#include "tiny.h"

#include <string.h>

#include "train/train.h"

static const char *const usual[] = {"abc abd", "abd abc", "abc abc", "abd abd"};

/* Pairs over the words the model knows; chosen and rejected end in tails of their own. */
static char *pairs_file(arena *a, const char *root, const char *name, const char *chosen_tail, const char *rejected_tail) {
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) /* an answer is preferred to several */
            buf_printf(&t, "{\"prompt\":\"%s \",\"chosen\":\"%s%s.\",\"rejected\":\"%s %s%s.\"}\n", usual[i], usual[i],
                       chosen_tail, usual[(i + k) % 4], usual[k], rejected_tail);
    char *path = path_join(a, root, name);
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

static train_settings *settings(arena *a, const char *objective_name, const char *base, const char *data) {
    err e = {0};
    train_settings *s;
    const char *const set[][2] = {{"base", base}, {"data", data}, {"dtype", "float32"}, {"logging_steps", "1"}};
    if (!train_settings_begin(a, objective_name, &s, &e)) fail_msg("%s", e.text);
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        assert_ok(resolve_set(a, &s->from, str_of(set[i][0]), str_of(set[i][1]), "test", &e), e);
    return s;
}

/* A model that writes a, b, c, d and hardly anything else. */
static char *taught_model(arena *a, const char *root) {
    err e = {0};
    run r;
    train_settings *s = settings(a, "sft", tiny_model(a, root), pairs_file(a, root, "taught.jsonl", "", ""));
    assert_ok(resolve_set(a, &s->from, STR("learning_rate"), STR("1e-2"), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("max_steps"), STR("60"), "test", &e), e);
    const char *dir = path_join(a, root, "taught");
    if (!train_create(a, s, dir, &r, &e) || !train_run(a, s, &r, &(train_how){.quiet = true}, &e)) fail_msg("%s", e.text);
    return path_join(a, dir, "model");
}

static const preset_choice *chosen(arena *a, train_settings *s) {
    err e = {0};
    if (!resolve_preset(a, &s->from, preset_find("auto")->among[0], &e) || !train_choose(a, preset_find("auto"), s, &e))
        fail_msg("%s", e.text);
    return s->choice;
}

static void choices(arena *a, const char *root) {
    const char *base = taught_model(a, root);
    const preset_choice *plain = chosen(a, settings(a, "dpo", base, pairs_file(a, root, "plain.jsonl", "", "")));
    assert_string_equal(plain->name, "small-feedback");
    assert_int_equal(plain->pairs, 4); /* each answer once, whatever it is preferred to */
    train_settings *s = settings(a, "dpo", base, pairs_file(a, root, "new.jsonl", " xyz", ""));
    const preset_choice *new = chosen(a, s);
    assert_string_equal(new->name, "small-rewrites");
    assert_true(new->rare[CHOICE_CHOSEN] > 0.1 && new->rare[CHOICE_REJECTED] < 0.01);
    assert_string_equal(resolve_source(&s->from, "learning_rate"), "preset small-rewrites");
    assert_true(s->o.learning_rate > 2e-4);
    /* words that are new on both sides are the subject's, not a person's */
    assert_string_equal(chosen(a, settings(a, "dpo", base, pairs_file(a, root, "both.jsonl", " xyz", " xyz qqq")))->name,
                        "small-feedback");
    assert_string_equal(chosen(a, settings(a, "dpo", base, pairs_file(a, root, "less.jsonl", "", " xyz")))->name,
                        "small-feedback");
}
static void new_words_in_chosen_answers_alone_choose_imitation(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a);
    choices(a, root);
    dir_remove(root, &e);
    arena_free(a);
}

static void what_is_set_by_hand_stays(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    train_settings *s;
    assert_ok(train_settings_begin(a, "dpo", &s, &e), e);
    assert_ok(resolve_preset(a, &s->from, "small-feedback", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("learning_rate"), STR("5e-6"), "command line", &e), e);
    assert_ok(resolve_preset_under(a, &s->from, "small-rewrites", &e), e);
    assert_true(s->o.learning_rate < 6e-6);
    assert_string_equal(resolve_source(&s->from, "learning_rate"), "command line");
    assert_string_equal(resolve_source(&s->from, "loss_type"), "preset small-rewrites");
    arena_free(a);
}

/* Else something of the first would stay under another. */
static void whatever_the_first_sets_the_others_set_too(void **state) {
    (void)state;
    const char *const *among = preset_find("auto")->among;
    for (const char *const *s = preset_find(among[0])->settings; *s; s++)
        for (int i = 1; among[i]; i++) {
            const size_t key = (size_t)(strchr(*s, '=') - *s) + 1;
            bool found = false;
            for (const char *const *o = preset_find(among[i])->settings; *o; o++) found |= strncmp(*o, *s, key) == 0;
            assert_true(found);
        }
}

static void only_pairs_choose(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    train_settings *s = settings(a, "sft", "nowhere", "nothing.jsonl");
    assert_false(train_choose(a, preset_find("auto"), s, &e));
    assert_int_equal(e.code, ERR_USAGE);
    e = (err){0};
    assert_false(resolve_preset(a, &s->from, "auto", &e)); /* it has no settings of its own */
    assert_int_equal(e.code, ERR_USAGE);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(new_words_in_chosen_answers_alone_choose_imitation),
        TEST(what_is_set_by_hand_stays),
        TEST(whatever_the_first_sets_the_others_set_too),
        TEST(only_pairs_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
