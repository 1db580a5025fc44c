/* every_objective.c - every objective of the table in whole runs on a tiny model: it learns, a step does not depend on how it is cut, a run
 * goes on with the same bits; and the rows that each of them makes of examples. */
#include "tiny.h"

#include <math.h>
#include <string.h>

#include "train/train.h"

/* Pairs with a third answer, so that every objective can train on them. */
static char *pairs_file(arena *a, const char *root) {
    static const char *const words[] = {"the cat sat", "a dog ran far",   "rain", "bread and salt",
                                        "go on",       "six small ships", "moss", "old stones sing"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 8; i++)
        buf_printf(&t,
                   "{\"prompt\":\"%s \",\"chosen\":\"%s.\",\"rejected\":\"%s %s.\",\"reference\":\"%s, yes.\","
                   "\"margin\":1}\n",
                   words[i], words[(i + 3) % 8], words[(i + 5) % 8], words[i], words[(i + 1) % 8]);
    char *path = path_join(a, root, "triples.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

/* Two answers to each prompt, the first with the better reward. */
static char *rewarded_file(arena *a, const char *root) {
    static const char *const words[] = {"the cat sat", "a dog", "rain", "bread", "go on", "ships", "moss", "stones sing"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 16; i++)
        buf_printf(&t, "{\"prompt\":\"%s \",\"completion\":\"%s.\",\"reward\":%g}\n", words[i / 2], words[(i + 3) % 8],
                   i % 2 ? 0.25 : 0.75);
    char *path = path_join(a, root, "rewarded.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

/* Answers in two steps, the second of which is wrong now and then. */
static char *steps_file(arena *a, const char *root) {
    static const char *const words[] = {"the cat sat", "a dog", "rain", "bread", "go on", "ships", "moss", "stones sing"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 16; i++)
        buf_printf(&t, "{\"prompt\":\"%s \",\"completions\":[\"%s\",\"%s\"],\"labels\":[true,%s]}\n", words[i / 2],
                   words[(i + 3) % 8], words[(i + 5) % 8], i % 3 ? "true" : "false");
    char *path = path_join(a, root, "steps.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

static char *data_of(arena *a, const char *root, const objective *o) {
    if (o->rows == WANTS_STEPS) return steps_file(a, root);
    return o->rows == WANTS_REWARDED ? rewarded_file(a, root) : pairs_file(a, root); /* prompts of pairs are prompts */
}

static char *put(arena *a, const char *root, const char *name, const char *text) {
    err e = {0};
    char *path = path_join(a, root, name);
    assert_ok(file_write(path, str_of(text), &e), e);
    return path;
}

static train_settings *settings_of(arena *a, const char *name, const char *base, const char *data, const char *const *more) {
    static const char *const common[] = {"dtype=float32", "logging_steps=1", "train_sampling_strategy=sequential",
                                         "lora_dropout=0", NULL};
    err e = {0};
    train_settings *s;
    assert_ok(train_settings_begin(a, name, &s, &e), e);
    assert_ok(resolve_set(a, &s->from, STR("base"), str_of(base), "test", &e), e);
    assert_ok(resolve_set(a, &s->from, STR("data"), str_of(data), "test", &e), e);
    for (int k = 0; k < 2; k++)
        for (const char *const *p = k ? more : common; p && *p; p++) {
            const char *equals = strchr(*p, '=');
            assert_ok(resolve_set(a, &s->from, (str){*p, (size_t)(equals - *p)}, str_of(equals + 1), "test", &e), e);
        }
    if (objective_needs(s->objective, s->own) & NEEDS(COLUMN_DIVERGENCE)) {
        char *root = path_folder(a, base);
        s->o.teacher = path_join(a, root, "teacher");
        if (!file_exists(s->o.teacher)) tiny_model_of(a, root, "teacher", 24, 8);
        s->rollout->num_generations = 1;
    }
    train_settings_settle(s);
    if (s->rollout && !s->objective->unrewarded) {
        const bool two = s->objective->whole_groups || s->objective->in_twos;
        if (two) s->o.per_device_train_batch_size += s->o.per_device_train_batch_size % 2;
        s->rollout->num_generations = s->o.per_device_train_batch_size % 2 ? 3 : 2;
        s->rollout->max_completion_length = 5;
        assert_ok(resolve_set(a, &s->from, STR("reward_funcs"), STR("regex:[aeiou]"), "test", &e), e);
        assert_ok(resolve_set(a, &s->from, STR("reward_funcs"), STR("no_repeat:1"), "test", &e), e);
    }
    if (s->rollout) s->rollout->max_completion_length = 5;
    return s;
}

enum { MOST = 32 };
typedef struct {
    double loss[MOST], norm[MOST];
    int steps;
} curve;

static curve run_it(arena *a, const char *name, const char *dir, const char *base, const char *data, const char *const *more) {
    err e = {0};
    run r;
    file_lines in;
    str line;
    curve out = {0};
    const train_settings *s = settings_of(a, name, base, data, more);
    if (!train_create(a, s, dir, &r, &e) || !train_run(a, s, &r, &(train_how){.quiet = true}, &e))
        fail_msg("%s: %s", name, e.text);
    assert_ok(file_lines_open(&in, path_join(a, dir, "metrics.jsonl"), 1 << 20, &e), e);
    while (out.steps < MOST && file_lines_next(&in, &line, &e)) {
        const json *j = json_parse(a, line, &e);
        out.loss[out.steps] = json_get_real(j, "loss", NAN);
        out.norm[out.steps++] = json_get_real(j, "grad_norm", NAN);
    }
    file_lines_close(&in);
    return out;
}

static void in_folder(void (*test)(arena *a, const char *root, const char *base, const objective *o)) {
    int count;
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) {
        arena *a = arena_new();
        err e = {0};
        char *root = scratch_folder(a);
        test(a, root, tiny_model(a, root), list[i]);
        dir_remove(root, &e);
        arena_free(a);
    }
}

static void learns(arena *a, const char *root, const char *base, const objective *o) {
    static const char *const set[] = {"max_steps=16", "learning_rate=3e-3", "lr_scheduler_type=constant", "max_grad_norm=1",
                                      NULL};
    if (settings_of(a, o->name, base, data_of(a, root, o), set)->rollout)
        return; /* its loss says nothing: what is rewarded grows in rollouts.c */
    const curve c = run_it(a, o->name, path_join(a, root, "run"), base, data_of(a, root, o), set);
    assert_int_equal(c.steps, 16);
    if (!(c.loss[15] < c.loss[0])) fail_msg("%s: loss %g, then %g", o->name, c.loss[0], c.loss[15]);
}
static void every_objective_lowers_its_loss(void **state) {
    (void)state;
    in_folder(learns);
}

/* On given answers, on the policy's own, and on the teacher's: the divergence falls. */
static void a_policy_comes_nearer_to_its_teacher(void **state) {
    static const char *const ways[] = {"lmbda=0", "lmbda=1", "seq_kd=true"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        arena *a = arena_new();
        err e = {0};
        char *root = scratch_folder(a);
        const char *set[] = {ways[i], "max_steps=16", "learning_rate=3e-3", "lr_scheduler_type=constant", "beta=0.3", NULL};
        const curve c = run_it(a, "gkd", path_join(a, root, "run"), tiny_model(a, root), pairs_file(a, root), set);
        assert_int_equal(c.steps, 16);
        if (!(c.loss[15] < 0.8 * c.loss[0])) fail_msg("%s: divergence %g, then %g", ways[i], c.loss[0], c.loss[15]);
        dir_remove(root, &e);
        arena_free(a);
    }
}

/* Groups of kto are made of micro-batches as TRL counts them, so those stay as they are. */
static void cut(arena *a, const char *root, const char *base, const objective *o) {
    static const char *const cuts[2][5] = {
        {"per_device_train_batch_size=8", "micro_batch_tokens=100000", "max_steps=3", "learning_rate=1e-3", NULL},
        {"per_device_train_batch_size=8", "micro_batch_tokens=64", "max_steps=3", "learning_rate=1e-3", NULL}};
    curve c[2];
    for (int i = 0; i < 2; i++)
        c[i] = run_it(a, o->name, path_join(a, root, arena_printf(a, "cut%d", i)), base, data_of(a, root, o), cuts[i]);
    for (int k = 0; k < 3; k++)
        if (!(fabs(c[1].loss[k] - c[0].loss[k]) <= 1e-5 * fabs(c[0].loss[k]) + (o->judge ? 1e-6 : 0)) ||
            !(fabs(c[1].norm[k] - c[0].norm[k]) <= 2e-4 * fabs(c[0].norm[k])))
            fail_msg("%s, step %d: loss %g and %g, norm %g and %g", o->name, k + 1, c[0].loss[k], c[1].loss[k], c[0].norm[k],
                     c[1].norm[k]);
}
static void a_step_of_any_objective_does_not_depend_on_how_it_is_cut(void **state) {
    (void)state;
    in_folder(cut);
}

static void resumed(arena *a, const char *root, const char *base, const objective *o) {
    static const char *const set[] = {"max_steps=5", "learning_rate=1e-3", "save_steps=3", "per_device_train_batch_size=3", NULL};
    const char *dir = path_join(a, root, "run"), *result = path_join(a, dir, "model/model.safetensors");
    sha256_text hash[2];
    err e = {0};
    train_settings *s;
    run r;
    run_it(a, o->name, dir, base, data_of(a, root, o), set);
    assert_ok(file_sha256(result, hash[0], &e), e);
    assert_ok(dir_remove(path_join(a, dir, "model"), &e), e);
    assert_ok(train_reopen(a, dir, &s, &r, &e), e);
    assert_ok(train_run(a, s, &r, &(train_how){.resume = true, .quiet = true}, &e), e);
    assert_ok(file_sha256(result, hash[1], &e), e);
    if (strcmp(hash[0], hash[1]) != 0) fail_msg("%s: other bits after a resume", o->name);
}
static void a_run_of_any_objective_resumes_bit_for_bit(void **state) {
    (void)state;
    in_folder(resumed);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------------ */

/* Rows of an objective as `fettle probe rows` shows them. */
static json *rows_of(arena *a, const char *root, const char *base, const char *name, const char *data, const char *const *more,
                     err *e) {
    backend *b = backend_open(NULL, e);
    arena_defer(a, tiny_close, b);
    const train_settings *s = settings_of(a, name, base, data, more);
    const model *m = model_open_text(a, base, &(model_options){0}, e);
    const rows *r = m ? rows_prepare(a, m, s, root, NULL, e) : NULL;
    json *out = json_new_array(a);
    const int each = objective_rows_per_unit(objective_rows_of(s->objective, s->own));
    for (int64_t i = 0; r && i < rows_count(r) / each; i++) {
        buf line = {0};
        json_writer w = json_writer_on(&line, false);
        rows_put_json(&w, r, i);
        json_append(out, json_parse(a, buf_str(&line), e));
        buf_free(&line);
    }
    return r ? out : NULL;
}

static void ids_are(const json *unit, const char *key, const char *want) {
    buf text = {0};
    const json *ids = json_get(unit, key);
    for (size_t i = 0; i < json_count(ids); i++) buf_printf(&text, "%s%d", i ? " " : "", (int)json_int(json_at(ids, i), -1));
    if (!str_eq(buf_str(&text), str_of(want))) fail_msg("%s: '%.*s', expected '%s'", key, STR_ARG(buf_str(&text)), want);
    buf_free(&text);
}

static void an_answer_is_matched_with_one_of_another_prompt(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    static const char *const set[] = {"per_device_train_batch_size=3", NULL},
                             *const alone[] = {"per_device_train_batch_size=1", NULL},
                             *const apo[] = {"loss_type=apo_zero_unpaired", "per_device_train_batch_size=1", NULL};
    const char *data = put(a, root, "labelled.jsonl",
                           "{\"prompt\":\"a\",\"completion\":\"x\",\"label\":true}\n"
                           "{\"prompt\":\"a\",\"completion\":\"y\",\"label\":false}\n"
                           "{\"prompt\":\"b\",\"completion\":\"z\",\"label\":true}\n"
                           "{\"prompt\":\"c\",\"completion\":\"w\",\"label\":false}\n");
    json *units = rows_of(a, root, base, "kto", data, set, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 4);
    ids_are(json_at(units, 0), "completion_ids", "24 0"); /* x, the end */
    ids_are(json_at(units, 0), "KL_completion_ids", "26 0");
    ids_are(json_at(units, 1), "KL_completion_ids", "26 0"); /* the one before has the same prompt */
    ids_are(json_at(units, 2), "KL_completion_ids", "25 0");
    ids_are(json_at(units, 3), "KL_completion_ids", "23 0"); /* alone in its group */
    assert_false(json_get_bool(json_at(units, 3), "label", true));
    assert_null(rows_of(a, root, base, "kto", data, alone, &e));
    assert_non_null(strstr(e.text, "per_device_train_batch_size"));
    e = (err){0};
    units = rows_of(a, root, base, "kto", data, apo, &e);
    assert_ok(units, e);
    assert_false(json_has(json_at(units, 0), "KL_completion_ids"));
    dir_remove(root, &e);
    arena_free(a);
}

static void pairs_are_taken_apart_for_labelled_objectives(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    static const char *const set[] = {"max_length=6", NULL};
    const char *data = put(a, root, "pairs.jsonl",
                           "{\"prompt\":\"a\",\"chosen\":\"x\",\"rejected\":\"y\"}\n"
                           "{\"prompt\":\"bbbbbbb\",\"chosen\":\"x\",\"rejected\":\"y\"}\n"
                           "{\"prompt\":\"c\",\"chosen\":\"z\",\"rejected\":\"wwwwwww\"}\n");
    json *units = rows_of(a, root, base, "bco", data, set, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 6);
    ids_are(json_at(units, 0), "completion_input_ids", "30 1 24 0"); /* begin, a, x, end */
    ids_are(json_at(units, 0), "completion_labels", "-100 -100 24 0");
    ids_are(json_at(units, 1), "completion_labels", "-100 -100 -100 -100 -100 -100 -100 -100"); /* the prompt fills max_length */
    ids_are(json_at(units, 2), "completion_labels", "-100 -100 26 0");
    ids_are(json_at(units, 3), "completion_labels", "-100 -100 25 0"); /* rejected ones behind all chosen */
    ids_are(json_at(units, 5), "completion_labels", "-100 -100 23 23 23 23");
    units = rows_of(a, root, base, "kto", data, set, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 4); /* the long prompt is dropped */
    assert_null(rows_of(a, root, base, "tpo", data, set, &e));
    assert_non_null(strstr(e.text, "reference"));
    dir_remove(root, &e);
    arena_free(a);
}

static void a_chain_trains_answers_and_not_what_is_said_of_them(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    static const char *const set[] = {"bad_feedback=b.", "good_feedback=g.", NULL}, *const last[] = {
                                                                                        "bad_feedback=b.", "good_feedback=g.",
                                                                                        "train_on=last response", NULL};
    const char *text = put(a, root, "pairs.jsonl", "{\"prompt\":\"a\",\"chosen\":\"xy\",\"rejected\":\"z\"}\n");
    json *units = rows_of(a, root, base, "coh", text, set, &e);
    assert_ok(units, e);
    ids_are(json_at(units, 0), "input_ids", "1 2 28 26 7 28 24 25 0"); /* a b. z g. xy, end */
    ids_are(json_at(units, 0), "labels", "-100 -100 -100 26 -100 -100 24 25 0");
    units = rows_of(a, root, base, "coh", text, last, &e);
    assert_ok(units, e);
    ids_are(json_at(units, 0), "labels", "-100 -100 -100 -100 -100 -100 24 25 0");
    const char *chat = put(a, root, "chat.jsonl",
                           "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],"
                           "\"chosen\":[{\"role\":\"assistant\",\"content\":\"xy\"}],"
                           "\"rejected\":[{\"role\":\"assistant\",\"content\":\"z\"}]}\n");
    units = rows_of(a, root, base, "coh", chat, set, &e);
    assert_ok(units, e);
    ids_are(json_at(units, 0), "input_ids", "21 27 17 31 1 27 2 28 26 7 28 24 25 31"); /* u q<t>a b.zg.xy<t> */
    ids_are(json_at(units, 0), "labels", "-100 -100 -100 -100 -100 -100 -100 -100 26 -100 -100 24 25 31");
    dir_remove(root, &e);
    arena_free(a);
}

static void only_the_best_rewards_are_imitated(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    static const char *const rest[] = {"threshold=0.5", NULL}, *const raft[] = {"method=raft", NULL};
    const char *data = put(a, root, "rewards.jsonl",
                           "{\"prompt\":\"a\",\"completion\":\"x\",\"reward\":0.5}\n"
                           "{\"prompt\":\"a\",\"completion\":\"y\",\"reward\":0.9}\n"
                           "{\"prompt\":\"b\",\"completion\":\"z\",\"reward\":0.25}\n"
                           "{\"prompt\":\"b\",\"completion\":\"w\",\"reward\":0.25}\n");
    json *units = rows_of(a, root, base, "rest", data, rest, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 2);
    ids_are(json_at(units, 0), "labels", "-100 24 0");
    ids_are(json_at(units, 1), "labels", "-100 25 0");
    units = rows_of(a, root, base, "rest", data, raft, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 2);
    ids_are(json_at(units, 0), "labels", "-100 25 0");
    ids_are(json_at(units, 1), "labels", "-100 26 0"); /* the first of equals */
    const char *bare = put(a, root, "bare.jsonl", "{\"prompt\":\"a\",\"completion\":\"x\"}\n");
    assert_null(rows_of(a, root, base, "rest", bare, rest, &e));
    assert_non_null(strstr(e.text, "reward"));
    dir_remove(root, &e);
    arena_free(a);
}

static void a_reward_is_read_from_whole_pairs(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    static const char *const set[] = {"max_length=4", NULL}, *const last[] = {"train_on_last_step_only=true", "step_separator=..",
                                                                              NULL};
    const char *data = put(a, root, "pairs.jsonl",
                           "{\"prompt\":\"a\",\"chosen\":\"x\",\"rejected\":\"yz\",\"margin\":2}\n"
                           "{\"prompt\":\"a\",\"chosen\":\"xxxx\",\"rejected\":\"y\"}\n");
    json *units = rows_of(a, root, base, "reward", data, set, &e);
    assert_ok(units, e);
    assert_int_equal(json_count(units), 1); /* the chosen side of the other one is longer than max_length */
    ids_are(json_at(units, 0), "chosen_ids", "1 24 0");
    ids_are(json_at(units, 0), "rejected_ids", "1 25 26 0");
    assert_true(json_get_real(json_at(units, 0), "margin", 0) == 2);
    const char *steps = put(a, root, "steps.jsonl", "{\"prompt\":\"a\",\"completions\":[\"x\",\"y\"],\"labels\":[true,false]}\n");
    units = rows_of(a, root, base, "prm", steps, last, &e);
    assert_ok(units, e);
    ids_are(json_at(units, 0), "input_ids", "30 1 24 28 28 25 28 28"); /* begin, a, x.., y.. */
    ids_are(json_at(units, 0), "labels", "-100 -100 -100 -100 -100 -100 -100 0");
    assert_null(rows_of(a, root, base, "reward", steps, set, &e));
    dir_remove(root, &e);
    arena_free(a);
}

/* Nobody chose the end of an answer that was cut off. */
static void an_answer_that_was_cut_off_is_not_taught_to_end(void **state) {
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root);
    const char *data = put(a, root, "pairs.jsonl",
                           "{\"prompt\":\"a\",\"chosen\":\"x\",\"rejected\":\"y\",\"unfinished\":[\"chosen\"]}\n"
                           "{\"prompt\":\"b\",\"chosen\":\"x\",\"rejected\":\"y\",\"unfinished\":[\"rejected\"]}\n"
                           "{\"prompt\":\"c\",\"chosen\":\"x\",\"rejected\":\"y\",\"unfinished\":null}\n");
    json *units = rows_of(a, root, base, "reward", data, NULL, &e);
    assert_ok(units, e);
    ids_are(json_at(units, 0), "chosen_ids", "1 24");
    ids_are(json_at(units, 0), "rejected_ids", "1 25 0");
    ids_are(json_at(units, 1), "chosen_ids", "2 24 0");
    ids_are(json_at(units, 1), "rejected_ids", "2 25");
    ids_are(json_at(units, 2), "chosen_ids", "3 24 0");
    units = rows_of(a, root, base, "bco", data, NULL, &e); /* framed as older trainers do */
    assert_ok(units, e);
    ids_are(json_at(units, 0), "completion_labels", "-100 -100 24");
    ids_are(json_at(units, 4), "completion_labels", "-100 -100 25"); /* rejected ones behind all chosen */
    const char *chat =
        put(a, root, "chat.jsonl",
            "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"x\"}],"
            "\"rejected\":[{\"role\":\"assistant\",\"content\":\"x\"}],\"unfinished\":[\"chosen\"]}\n");
    units = rows_of(a, root, base, "reward", chat, (const char *const[]){"chat_template=chatml", NULL}, &e);
    assert_ok(units, e);
    const json *open = json_get(json_at(units, 0), "chosen_ids"), *closed = json_get(json_at(units, 0), "rejected_ids");
    assert_true(json_count(open) < json_count(closed));
    assert_int_equal(json_int(json_at(open, json_count(open) - 1), -1), 24);
    const char *talk = put(a, root, "talk.jsonl",
                           "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"x\"}],"
                           "\"unfinished\":[\"messages\"]}\n");
    units = rows_of(a, root, base, "sft", talk, (const char *const[]){"chat_template=chatml", NULL}, &e);
    assert_ok(units, e);
    open = json_get(json_at(units, 0), "input_ids");
    assert_int_equal(json_int(json_at(open, json_count(open) - 1), -1), 24);
    const char *wrong =
        put(a, root, "wrong.jsonl", "{\"prompt\":\"a\",\"chosen\":\"x\",\"rejected\":\"y\",\"unfinished\":[\"completion\"]}\n");
    assert_null(rows_of(a, root, base, "reward", wrong, NULL, &e));
    assert_non_null(strstr(e.text, "'unfinished' should be a list"));
    dir_remove(root, &e);
    arena_free(a);
}

/* No prompt of the held out side is trained on, and measuring it changes no bit of the result. */
static void what_is_held_out_is_measured_and_not_trained_on(void **state) {
    static const char *const set[] = {"max_steps=4", "eval_percent=30", "eval_steps=2", NULL}, *const rarely[] = {
                                                                                                   "max_steps=4",
                                                                                                   "eval_percent=30", NULL};
    (void)state;
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a), *base = tiny_model(a, root), *data = pairs_file(a, root);
    const char *dir[2] = {path_join(a, root, "often"), path_join(a, root, "rarely")};
    sha256_text hash[2];
    const train_settings *s = settings_of(a, "reward", base, data, set);
    backend *b = backend_open(NULL, &e);
    arena_defer(a, tiny_close, b);
    const model *m = model_open_text(a, base, &(model_options){0}, &e);
    const rows *trained = rows_prepare(a, m, s, root, NULL, &e),
               *held = rows_prepare(a, m, s, root, &(rows_how){.quiet = true, .held_out = true}, &e);
    assert_true(trained && held && rows_count(held) > 0 && rows_count(trained) > 0);
    assert_int_equal(rows_count(held) + rows_count(trained), 16);
    for (int i = 0; i < 2; i++) {
        run_it(a, "reward", dir[i], base, data, i ? rarely : set);
        assert_ok(file_sha256(path_join(a, dir[i], "model/model.safetensors"), hash[i], &e), e);
    }
    assert_string_equal(hash[0], hash[1]);
    str text;
    assert_ok(file_read(a, path_join(a, dir[0], "metrics.jsonl"), 1 << 20, &text, &e), e);
    assert_true(str_find(text, STR("\"eval_accuracy\""), 0) > 0);
    dir_remove(root, &e);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_objective_lowers_its_loss),
                                       TEST(a_policy_comes_nearer_to_its_teacher),
                                       TEST(a_step_of_any_objective_does_not_depend_on_how_it_is_cut),
                                       TEST(a_run_of_any_objective_resumes_bit_for_bit),
                                       TEST(an_answer_is_matched_with_one_of_another_prompt),
                                       TEST(pairs_are_taken_apart_for_labelled_objectives),
                                       TEST(a_chain_trains_answers_and_not_what_is_said_of_them),
                                       TEST(only_the_best_rewards_are_imitated),
                                       TEST(a_reward_is_read_from_whole_pairs),
                                       TEST(an_answer_that_was_cut_off_is_not_taught_to_end),
                                       TEST(what_is_held_out_is_measured_and_not_trained_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
