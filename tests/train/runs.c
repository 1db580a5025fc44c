/* runs.c - whole runs on a model made here (random weights, byte tokens): what must not change a result, and what a kill leaves. */
#include "test.h"

#include <math.h>
#include <omp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "train/train.h"

static void close_it(void *b) { backend_close(b); }

/* A tiny llama with a tokenizer of single letters. */
static char *base_model(arena *a, const char *root) {
    static const char config[] = "{\"model_type\":\"llama\",\"vocab_size\":40,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_"
                                 "attention_heads\":4,\"num_key_value_heads\":2,"
                                 "\"intermediate_size\":48,\"max_position_embeddings\":128,\"eos_token_id\":0}";
    err e = {0};
    char *folder = path_join(a, root, "base");
    backend *b = backend_open(NULL, &e);
    arena_defer(a, close_it, b); /* behind the model, which goes first */
    const model *m = model_new(a, b, json_parse(a, STR(config), &e), 3, &(model_options){.compute = COMPUTE_F32}, &e);
    buf t = {0};
    if (!m || !model_save(m, NULL, folder, TYPE_F32, 0, &e)) fail_msg("%s", e.text);
    buf_put_text(&t, "{\"added_tokens\":[{\"id\":0,\"content\":\"<e>\",\"special\":true}],\"model\":{\"type\":\"BPE\",\"merges\":"
                     "[],\"vocab\":{\"<e>\":0");
    for (int i = 0; i < 26; i++) buf_printf(&t, ",\"%c\":%d", 'a' + i, i + 1);
    buf_put_text(&t, ",\" \":27,\".\":28}}}");
    assert_ok(file_write(path_join(a, folder, "tokenizer.json"), buf_str(&t), &e), e);
    assert_ok(file_write(path_join(a, folder, "tokenizer_config.json"), STR("{\"eos_token\":\"<e>\"}"), &e), e);
    buf_free(&t);
    return folder;
}

static char *pairs_file(arena *a, const char *root, bool swapped) {
    static const char *const words[] = {"the cat sat", "a dog ran far",   "rain", "bread and salt",
                                        "go on",       "six small ships", "moss", "old stones sing"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 8; i++)
        buf_printf(&t, "{\"prompt\":\"%s \",\"%s\":\"%s.\",\"%s\":\"%s %s.\"}\n", words[i], swapped ? "rejected" : "chosen",
                   words[(i + 3) % 8], swapped ? "chosen" : "rejected", words[(i + 5) % 8], words[i]);
    char *path = path_join(a, root, swapped ? "swapped.jsonl" : "pairs.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

typedef struct {
    double loss[32], norm[32], margin[32];
    int steps;
} curve;

/* Runs to the end and reads metrics.jsonl. settings: NULL-terminated "key=value". */
static bool run_it(arena *a, const char *objective_name, const char *dir, const char *base, const char *data,
                   const char *const *settings, curve *out, err *e) {
    train_settings *s;
    run r;
    static const char *const common[] = {"dtype=float32", "train_sampling_strategy=sequential", "logging_steps=1",
                                         "lora_dropout=0", NULL};
    bool ok = train_settings_begin(a, objective_name, &s, e) && resolve_set(a, &s->from, STR("base"), str_of(base), "test", e) &&
              resolve_set(a, &s->from, STR("data"), str_of(data), "test", e);
    for (int k = 0; k < 2; k++)
        for (const char *const *p = k ? settings : common; ok && p && *p; p++) {
            const char *equals = strchr(*p, '=');
            ok = resolve_set(a, &s->from, (str){*p, (size_t)(equals - *p)}, str_of(equals + 1), "test", e);
        }
    ok = ok && train_create(a, s, dir, &r, e) && train_run(a, s, &r, &(train_how){.quiet = true}, e);
    if (!ok || !out) return ok;
    file_lines in;
    str line;
    *out = (curve){0};
    if (!file_lines_open(&in, path_join(a, dir, "metrics.jsonl"), 1 << 20, e)) return false;
    while (out->steps < 32 && file_lines_next(&in, &line, e)) {
        const json *j = json_parse(a, line, e);
        out->loss[out->steps] = json_get_real(j, "loss", NAN);
        out->norm[out->steps] = json_get_real(j, "grad_norm", NAN);
        out->margin[out->steps++] = json_get_real(j, "rewards/margins", NAN);
    }
    file_lines_close(&in);
    return true;
}

static void in_folder(void (*test)(arena *a, const char *root, const char *base)) {
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a);
    test(a, root, base_model(a, root));
    dir_remove(root, &e);
    arena_free(a);
}

static void cut_in_micro_batches(arena *a, const char *root, const char *base) {
    static const char *const cuts[3][5] = {
        {"per_device_train_batch_size=1", "gradient_accumulation_steps=8", "max_steps=3", "learning_rate=1e-3", NULL},
        {"per_device_train_batch_size=4", "gradient_accumulation_steps=2", "max_steps=3", "learning_rate=1e-3", NULL},
        {"per_device_train_batch_size=8", "micro_batch_tokens=40", "max_steps=3", "learning_rate=1e-3", NULL}};
    static const char *const names[2] = {"sft", "dpo"};
    for (int o = 0; o < 2; o++) {
        curve c[3];
        for (int i = 0; i < 3; i++) {
            err e = {0};
            assert_ok(run_it(a, names[o], path_join(a, root, arena_printf(a, "m%d%d", o, i)), base, pairs_file(a, root, false),
                             cuts[i], &c[i], &e),
                      e);
            for (int k = 0; k < 3; k++) {
                assert_true(fabs(c[i].loss[k] - c[0].loss[k]) < 1e-5 * fabs(c[0].loss[k]));
                assert_true(fabs(c[i].norm[k] - c[0].norm[k]) < 1e-4 * fabs(c[0].norm[k]));
            }
        }
        if (o) assert_true(fabs(c[0].loss[0] - 0.69314718056) < 1e-6);
    }
}
static void a_step_does_not_depend_on_how_it_is_cut(void **state) {
    (void)state;
    in_folder(cut_in_micro_batches);
}

/* Sorting is over the whole step, whatever is computed at a time; with normalize=microbatch over TRL's micro-batch. */
static void sorted_losses(arena *a, const char *root, const char *base) {
    static const char *const cuts[4][6] = {{"loss_type=aot,sft", "per_device_train_batch_size=8", "micro_batch_tokens=100000",
                                            "max_steps=3", "learning_rate=1e-3", NULL},
                                           {"loss_type=aot,sft", "per_device_train_batch_size=8", "micro_batch_tokens=40",
                                            "max_steps=3", "learning_rate=1e-3", NULL},
                                           {"loss_type=aot,sft", "per_device_train_batch_size=2", "gradient_accumulation_steps=4",
                                            "max_steps=3", "learning_rate=1e-3", NULL},
                                           {"loss_type=aot,sft", "normalize=microbatch", "per_device_train_batch_size=2",
                                            "gradient_accumulation_steps=4", "max_steps=3", NULL}};
    curve c[4];
    for (int i = 0; i < 4; i++) {
        const char *set[8];
        err e = {0};
        int n = 0;
        for (; cuts[i][n]; n++) set[n] = cuts[i][n];
        set[n++] = arena_printf(a, "reference=%s", path_join(a, root, "other/model"));
        set[n] = NULL;
        if (!i) {
            static const char *const first[] = {"max_steps=3", "learning_rate=1e-2", NULL};
            assert_ok(run_it(a, "sft", path_join(a, root, "other"), base, pairs_file(a, root, false), first, NULL, &e), e);
        }
        assert_ok(
            run_it(a, "dpo", path_join(a, root, arena_printf(a, "a%d", i)), base, pairs_file(a, root, false), set, &c[i], &e), e);
        for (int k = 0; k < 3 && i < 3; k++) {
            assert_true(fabs(c[i].loss[k] - c[0].loss[k]) < 1e-5 * fabs(c[0].loss[k]));
            assert_true(fabs(c[i].norm[k] - c[0].norm[k]) < 1e-4 * fabs(c[0].norm[k]));
        }
    }
    assert_true(fabs(c[3].loss[0] - c[0].loss[0]) > 1e-6);
}
static void a_sorted_loss_sees_the_whole_step_however_it_is_cut(void **state) {
    (void)state;
    in_folder(sorted_losses);
}

static char *texts_file(arena *a, const char *root) {
    static const char *const words[] = {"the cat sat", "a dog ran far and wide", "rain", "go on", "six small ships", "m"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 6; i++) buf_printf(&t, "{\"prompt\":\"%s \",\"completion\":\"%s.\"}\n", words[i], words[(i + 2) % 6]);
    char *path = path_join(a, root, "texts.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

/* All rows in one step, so that the order in the packed rows cannot matter. */
static void packed_rows_of_texts(arena *a, const char *root, const char *base) {
    static const char *const sets[4][6] = {
        {"max_steps=2", "per_device_train_batch_size=8", NULL},
        {"max_steps=2", "per_device_train_batch_size=8", "packing=true", "max_length=60", NULL},
        {"max_steps=2", "per_device_train_batch_size=8", "packing=true", "max_length=64", "packing_strategy=bfd_split", NULL},
        {"max_steps=2", "per_device_train_batch_size=8", "packing=true", "max_length=60", "packing_strategy=wrapped", NULL}};
    curve c[4];
    for (int i = 0; i < 4; i++) {
        err e = {0};
        assert_ok(run_it(a, "sft", path_join(a, root, arena_printf(a, "p%d", i)), base, texts_file(a, root), sets[i], &c[i], &e),
                  e);
        for (int k = 0; k < 2 && i < 3; k++) {
            assert_true(fabs(c[i].loss[k] - c[0].loss[k]) < 1e-6 * fabs(c[0].loss[k]));
            assert_true(fabs(c[i].norm[k] - c[0].norm[k]) < 1e-5 * fabs(c[0].norm[k]));
        }
    }
    assert_true(fabs(c[3].loss[0] - c[0].loss[0]) > 1e-5); /* there documents see each other */
}
static void packed_rows_give_what_unpacked_rows_give(void **state) {
    (void)state;
    in_folder(packed_rows_of_texts);
}

static void with_threads(arena *a, const char *root, const char *base) {
    static const char *const settings[] = {"max_steps=4", "learning_rate=1e-3", "dtype=bfloat16", NULL};
    sha256_text hash[2];
    for (int i = 0; i < 2; i++) {
        err e = {0};
        setenv("FETTLE_THREADS", i ? "3" : "1", 1);
        const char *dir = path_join(a, root, i ? "t3" : "t1");
        assert_ok(run_it(a, "dpo", dir, base, pairs_file(a, root, false), settings, NULL, &e), e);
        assert_ok(file_sha256(path_join(a, dir, "model/model.safetensors"), hash[i], &e), e);
    }
    setenv("FETTLE_THREADS", "1", 1);
    assert_string_equal(hash[0], hash[1]);
}
static void threads_change_no_bit_of_the_result(void **state) {
    (void)state;
    in_folder(with_threads);
}

static void swapped_margins(arena *a, const char *root, const char *base) {
    curve c[2];
    const char *other = path_join(a, root, "trained/model");
    static const char *const first[] = {"max_steps=3", "learning_rate=1e-2", NULL};
    err e = {0};
    assert_ok(run_it(a, "sft", path_join(a, root, "trained"), base, pairs_file(a, root, false), first, NULL, &e), e);
    for (int i = 0; i < 2; i++) {
        const char *set[] = {"max_steps=1", arena_printf(a, "reference=%s", other), NULL};
        assert_ok(run_it(a, "dpo", path_join(a, root, i ? "s1" : "s0"), base, pairs_file(a, root, i), set, &c[i], &e), e);
    }
    assert_true(fabs(c[0].margin[0]) > 1e-3);
    assert_true(fabs(c[0].margin[0] + c[1].margin[0]) < 1e-5);
}
static void swapped_pairs_negate_the_margin(void **state) {
    (void)state;
    in_folder(swapped_margins);
}

static void killed_and_resumed(arena *a, const char *root, const char *base) {
    static const char *const settings[] = {"max_steps=24",
                                           "learning_rate=1e-3",
                                           "save_steps=3",
                                           "use_peft=true",
                                           "use_dora=true",
                                           "modules_to_save=lm_head",
                                           "lora_r=4",
                                           "lora_target_modules=all-linear",
                                           "train_sampling_strategy=random",
                                           "per_device_train_batch_size=3",
                                           NULL};
    sha256_text hash[2];
    err e = {0};
    const char *data = pairs_file(a, root, false), *whole = path_join(a, root, "whole"), *broken = path_join(a, root, "broken");
    assert_ok(run_it(a, "dpo", whole, base, data, settings, NULL, &e), e);
    const pid_t child = fork();
    if (child == 0) {
        err f = {0};
        omp_set_num_threads(1);
        setenv("FETTLE_THREADS", "1", 1);
        run_it(a, "dpo", broken, base, data, settings, NULL, &f);
        _exit(0);
    }
    for (int i = 0; i < 20000 && !file_exists(path_join(a, broken, "checkpoint-6")); i++) usleep(500);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* the newest checkpoint is damaged as well: the one before is used */
    train_settings *s;
    run r;
    assert_ok(train_reopen(a, broken, &s, &r, &e), e);
    int64_t step;
    char *newest = checkpoint_latest(a, &r, &step, &e);
    assert_non_null(newest);
    assert_ok(file_write(path_join(a, newest, "weights.safetensors"), STR("damaged"), &e), e);
    assert_ok(train_run(a, s, &r, &(train_how){.resume = true, .quiet = true}, &e), e);
    assert_ok(file_sha256(path_join(a, whole, "model/adapter_model.safetensors"), hash[0], &e), e);
    assert_ok(file_sha256(path_join(a, broken, "model/adapter_model.safetensors"), hash[1], &e), e);
    assert_string_equal(hash[0], hash[1]);
}
static void a_run_killed_and_resumed_gives_the_same_bits(void **state) {
    (void)state;
    in_folder(killed_and_resumed);
}

/* A run cut short at step 4 (its later checkpoint removed) goes on as if nothing had been. */
static void every_state_resumed(arena *a, const char *root, const char *base) {
    static const char *const kinds[][3] = {{"sft", "optim=lion_32bit", NULL},
                                           {"sft", "optim=adafactor", "optim_args=beta1=0.9"},
                                           {"sft", "optim=muon", NULL},
                                           {"sft", "optim=sgd", "optim_args=momentum=0.9,nesterov=true"},
                                           {"dpo", "sync_ref_model=true", "ref_model_sync_steps=2"},
                                           {"dpo", "sync_ref_model=true", "ref_model_sync_steps=3"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *set[] = {
            "max_steps=7", "learning_rate=1e-3", "save_steps=4", "per_device_train_batch_size=3", kinds[i][1], kinds[i][2], NULL};
        sha256_text hash[2];
        err e = {0};
        train_settings *s;
        run r;
        const char *dir = path_join(a, root, arena_printf(a, "k%zu", i)), *result = path_join(a, dir, "model/model.safetensors");
        assert_ok(run_it(a, kinds[i][0], dir, base, pairs_file(a, root, false), set, NULL, &e), e);
        assert_ok(file_sha256(result, hash[0], &e), e);
        assert_ok(dir_remove(path_join(a, dir, "model"), &e), e);
        assert_ok(train_reopen(a, dir, &s, &r, &e), e);
        assert_ok(train_run(a, s, &r, &(train_how){.resume = true, .quiet = true}, &e), e);
        assert_ok(file_sha256(result, hash[1], &e), e);
        if (strcmp(hash[0], hash[1]) != 0) fail_msg("%s %s: other bits after a resume", kinds[i][0], kinds[i][1]);
    }
}
static void every_optimizer_and_a_moving_reference_resume_bit_for_bit(void **state) {
    (void)state;
    in_folder(every_state_resumed);
}

/* TRL's view of GPT-2 counts the label of position 0 as a divisor; a row of text begins with one that is in the loss of nothing. */
static void gpt2_divisor(arena *a, const char *root, const char *base) {
    static const char config[] = "{\"model_type\":\"gpt2\",\"vocab_size\":40,\"n_embd\":16,\"n_layer\":1,\"n_head\":2,"
                                 "\"n_positions\":64}";
    static const char *const settings[2][4] = {{"max_steps=1", "normalize=step", "per_device_train_batch_size=2", NULL},
                                               {"max_steps=1", "normalize=microbatch", "per_device_train_batch_size=2", NULL}};
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};
    err e = {0};
    curve c[2];
    backend *b = backend_open(NULL, &e);
    arena_defer(a, close_it, b); /* behind the model, which goes first */
    char *folder = path_join(a, root, "gpt2"), *data = path_join(a, root, "texts.jsonl");
    const model *m = model_new(a, b, json_parse(a, STR(config), &e), 3, &(model_options){.compute = COMPUTE_F32}, &e);
    if (!m || !model_save(m, NULL, folder, TYPE_F32, 0, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < 2; i++) {
        str text;
        assert_ok(file_read(a, path_join(a, base, names[i]), 1 << 20, &text, &e), e);
        assert_ok(file_write(path_join(a, folder, names[i]), text, &e), e);
    }
    assert_ok(file_write(data, STR("{\"text\":\"abc\"}\n{\"text\":\"abcdef\"}\n"), &e), e);
    for (int i = 0; i < 2; i++)
        assert_ok(run_it(a, "sft", path_join(a, root, i ? "g1" : "g0"), folder, data, settings[i], &c[i], &e), e);
    assert_true(fabs(c[1].loss[0] / c[0].loss[0] - 9.0 / 11) < 1e-6); /* 3 + 6 predicted (the end too), 2 first labels more */
    assert_true(fabs(c[1].norm[0] / c[0].norm[0] - 9.0 / 11) < 1e-5);
    /* A first token that belongs to a prompt has no label: nothing is counted beyond what is predicted. */
    assert_ok(file_write(data, STR("{\"prompt\":\"abc\",\"completion\":\"d\"}\n{\"prompt\":\"a\",\"completion\":\"bcd\"}\n"), &e),
              e);
    for (int i = 0; i < 2; i++)
        assert_ok(run_it(a, "sft", path_join(a, root, i ? "p1" : "p0"), folder, data, settings[i], &c[i], &e), e);
    assert_true(fabs(c[1].loss[0] / c[0].loss[0] - 1) < 1e-6);
    assert_true(fabs(c[1].norm[0] / c[0].norm[0] - 1) < 1e-5);
}
static void trl_counts_the_first_label_of_gpt2(void **state) {
    (void)state;
    in_folder(gpt2_divisor);
}

static void schedule_is(const char *type, const char *kwargs, int64_t done, double want) {
    arena *a = arena_new();
    err e = {0};
    train_settings *s;
    double lr;
    assert_ok(train_settings_begin(a, "sft", &s, &e), e);
    assert_ok(resolve_set(a, &s->from, STR("lr_scheduler_type"), str_of(type), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("lr_scheduler_kwargs"), str_of(kwargs), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("learning_rate"), STR("1"), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("warmup_steps"), STR("4"), "test", &e), e);
    assert_ok(train_rate(s, done, 12, &lr, &e), e);
    assert_true(fabs(lr - want) < 1e-12);
    arena_free(a);
}
static void schedules_take_their_settings_as_an_object(void **state) {
    (void)state;
    schedule_is("warmup_stable_decay", "{\"num_decay_steps\":4,\"warmup_type\":\"1-sqrt\"}", 1, 1 - sqrt(0.75));
    schedule_is("warmup_stable_decay", "{\"num_decay_steps\":4,\"num_cycles\":1}", 10, 0); /* a whole wave: its trough */
    schedule_is("polynomial", "{\"power\":2,\"lr_end\":0}", 8, 0.25);
}

static void refusals(arena *a, const char *root, const char *base) {
    static const char *const rows_of[] = {"{\"prompt\":\"abc\",\"completion\":\"d\"}\n", "{\"text\":\"\"}\n", ""};
    static const char *const set[] = {"max_length=2", "max_steps=1", NULL}, *const wrong[] = {"betta=1", NULL};
    err e = {0};
    for (int i = 0; i < 3; i++) {
        e = (err){0};
        char *path = path_join(a, root, arena_printf(a, "bad%d.jsonl", i));
        err w = {0};
        assert_ok(file_write(path, str_of(rows_of[i]), &w), w);
        assert_false(run_it(a, "sft", path_join(a, root, arena_printf(a, "bad%d", i)), base, path, set, NULL, &e));
        assert_true(strlen(e.text) > 20);
    }
    e = (err){0};
    assert_false(run_it(a, "dpo", path_join(a, root, "bad9"), base, pairs_file(a, root, false), wrong, NULL, &e));
    assert_non_null(strstr(e.text, "beta"));
    static const char *const never[][3] = {{"dpo", "packing=true", "packing"},
                                           {"sft", "sync_ref_model=true", "no reference"},
                                           {"sft", "optim_args=momentum=1", "momentum"}};
    for (int i = 0; i < 3; i++) {
        const char *one[] = {never[i][1], NULL};
        e = (err){0};
        assert_false(run_it(a, never[i][0], path_join(a, root, arena_printf(a, "never%d", i)), base, pairs_file(a, root, false),
                            one, NULL, &e));
        assert_non_null(strstr(e.text, never[i][2]));
    }
}
static void runs_that_would_go_wrong_are_refused_with_words(void **state) {
    (void)state;
    in_folder(refusals);
}

int main(void) {
    setenv("FETTLE_THREADS", "1", 1); /* threads of so small a model would only wait for each other */
    const struct CMUnitTest tests[] = {
        TEST(a_step_does_not_depend_on_how_it_is_cut),
        TEST(a_sorted_loss_sees_the_whole_step_however_it_is_cut),
        TEST(packed_rows_give_what_unpacked_rows_give),
        TEST(threads_change_no_bit_of_the_result),
        TEST(swapped_pairs_negate_the_margin),
        TEST(a_run_killed_and_resumed_gives_the_same_bits),
        TEST(every_optimizer_and_a_moving_reference_resume_bit_for_bit),
        TEST(trl_counts_the_first_label_of_gpt2),
        TEST(schedules_take_their_settings_as_an_object),
        TEST(runs_that_would_go_wrong_are_refused_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
