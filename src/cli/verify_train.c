/* verify_train.c - training curves (case.json with a trainer), columns (files of "fettle vectors"), schedules.
 * Tolerances: curves' INDEX: loss and gradient norm 1e-3 relative; other metrics 1e-3 relative or 2e-4 absolute, shares of tokens or
 * pairs by one of them; final weights mean 1e-5, largest 10 x the case's own sensitivity, at least 1e-3 lr steps. Adam makes a step of
 * full size out of a gradient that is only noise, whichever sign rounding gave it: one weight in STRAY may be off by two of them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"
#include "model/model.h"

enum { STRAY = 100000 };

static json *read_json(arena *a, const char *folder, const char *name, verdict *v) {
    err e = {0};
    json *j = json_parse_file(a, path_join(a, folder, name), 256 << 20, &e);
    if (!j && v) verdict_fail(v, "%s", e.text);
    return j;
}

/* ---- curves -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *folder, *objective, *run, *data;
    json *spec, *expected;
    const char *words[256]; /* --set key=value ... for this case */
    int count;
} curve;

enum { WORDS_MOST = sizeof((curve *)0)->words / sizeof(char *), WORDS_BEFORE = 16 };

static void set_option(arena *a, curve *c, const char *key, const char *value) {
    if (c->count + 2 > WORDS_MOST) bug("a case with more than %d options", WORDS_MOST / 2);
    c->words[c->count++] = "--set";
    c->words[c->count++] = arena_printf(a, "%s=%s", key, value);
}

static const char *json_words(arena *a, const json *v) {
    buf b = {0};
    if (json_kind_of(v) == JSON_STRING) buf_put_str(&b, json_text(v, STR("")));
    else json_put(&b, v);
    const char *text = str_copy(a, buf_str(&b));
    buf_free(&b);
    return text;
}

static bool is_curve(arena *a, const char *f) {
    return file_exists(path_join(a, f, "case.json")) && file_exists(path_join(a, f, "data.jsonl")) &&
           file_exists(path_join(a, f, "expected.json"));
}

/* "DPOTrainer" or "BCOTrainer (TRL 1.13.0)" -> "dpo" */
static const char *objective_of_trainer(arena *a, str trainer) {
    const ptrdiff_t end = str_find(trainer, STR("Trainer"), 0);
    char *name = str_copy(a, str_slice(trainer, 0, end < 0 ? trainer.len : (size_t)end));
    for (char *p = name; *p; p++) *p = (char)tolower((unsigned char)*p);
    return name;
}

static const char *base_of(arena *a, const curve *c) {
    return path_join(a, c->folder, str_copy(a, json_get_text(c->spec, "model", STR("../base"))));
}

/* Whose tokenizer made the rows: models with a head of their own stand in the curves without one. */
static const char *text_of(arena *a, const curve *c) {
    const char *base = base_of(a, c), *common = path_join(a, c->folder, "../base");
    return file_exists(path_join(a, base, "tokenizer.json")) ? base : common;
}

/* Completions that were given to TRL, in the order that it trained them (expected.json's micro: [prompt, completion]): a file of rollouts; and
 * beside it each prompt once. */
static bool write_replay(arena *a, curve *c, verdict *v) {
    int count;
    json **lines = verify_lines(a, c->data, &count, v);
    const int64_t each = json_get_int(json_get(c->spec, "options"), "num_generations", 8);
    buf prompts = {0}, rollouts = {0};
    err e = {0};
    for (int i = 0; i < count; i += (int)each) json_put(&prompts, lines[i]), buf_put_char(&prompts, '\n');
    const json *micros = json_get(c->expected, "micro");
    for (size_t m = 0; m < json_count(micros); m++)
        for (size_t k = 0; k < json_count(json_get(json_at(micros, m), "rows")); k++) {
            const json *at = json_at(json_get(json_at(micros, m), "rows"), k);
            const int64_t line = json_int(json_at(at, 0), -1) * each + json_int(json_at(at, 1), -1);
            if (line < 0 || line >= count) continue;
            json_put(&rollouts, lines[line]), buf_put_char(&rollouts, '\n');
        }
    c->data = path_join(a, verify_scratch(), "prompts.jsonl");
    const char *path = path_join(a, verify_scratch(), "rollouts.jsonl");
    const bool ok = file_write(c->data, buf_str(&prompts), &e) && file_write(path, buf_str(&rollouts), &e);
    if (!ok) verdict_fail(v, "%s", e.text);
    set_option(a, c, "rollouts", path);
    buf_free(&prompts);
    buf_free(&rollouts);
    return ok;
}

static bool is_replay(arena *a, const curve *c) {
    int count;
    return json_has(verify_lines(a, c->data, &count, NULL)[0], "completion_ids");
}

static bool open_curve(arena *a, curve *c, verdict *v) {
    static const char *const preset[][2] = {{"dtype", "float32"},   {"train_sampling_strategy", "sequential"},
                                            {"logging_steps", "1"}, {"normalize", "microbatch"},
                                            {"lora_dropout", "0"},  {"preflight", "warn"},
                                            {"save_steps", "0"}};
    c->spec = read_json(a, c->folder, "case.json", v);
    c->expected = read_json(a, c->folder, "expected.json", v);
    if (!c->spec || !c->expected) return false;
    c->objective = objective_of_trainer(a, json_get_text(c->spec, "trainer", STR("")));
    c->run = path_join(a, verify_scratch(), "run");
    c->data = path_join(a, c->folder, "data.jsonl");
    for (size_t i = 0; i < sizeof preset / sizeof *preset; i++) set_option(a, c, preset[i][0], preset[i][1]);
    json_member m = {0};
    if (json_count(json_get(c->spec, "options")) > 100) {
        verdict_fail(v, "case.json has %zu options, more than any run", json_count(json_get(c->spec, "options")));
        return false;
    }
    while (json_next(json_get(c->spec, "options"), &m)) /* null: not set */
        if (m.value) set_option(a, c, m.key, json_words(a, m.value));
    if (strcmp(text_of(a, c), base_of(a, c)) != 0) set_option(a, c, "tokenizer", text_of(a, c));
    const str reference = json_get_text(c->spec, "reference", STR(""));
    const ptrdiff_t remark = str_find(reference, STR(" ("), 0); /* "../qwen-base (the teacher)" */
    const char *other = path_join(a, c->folder, str_copy(a, remark < 0 ? reference : str_slice(reference, 0, (size_t)remark)));
    if (str_starts(reference, STR("../"))) set_option(a, c, remark < 0 ? "reference" : "teacher", other);
    if (file_is_dir(path_join(a, c->folder, "init"))) set_option(a, c, "adapter", path_join(a, c->folder, "init"));
    return !is_replay(a, c) || write_replay(a, c, v);
}

static int rows_of_steps(const curve *c) {
    const json *batch = json_get(c->spec, "batch");
    return (int)(json_get_int(batch, "per_device_train_batch_size", 1) * json_get_int(batch, "gradient_accumulation_steps", 1) *
                 (int64_t)json_count(json_get(c->expected, "steps")));
}

static bool compare_rows(arena *a, const curve *c, verdict *v) {
    const char *words[WORDS_MOST + WORDS_BEFORE] = {"probe", "rows", c->objective, "--model", text_of(a, c)};
    memcpy(words + 5, c->words, (size_t)c->count * sizeof *words);
    program_result r;
    str data;
    err e = {0};
    if (!file_read(a, path_join(a, c->folder, "data.jsonl"), 1 << 28, &data, &e) || !program_run(a, words, data, &r, &e)) {
        verdict_fail(v, "%s", e.text);
        return false;
    }
    if (!program_succeeded(&r, v)) return false;
    int wanted;
    json **want = verify_lines(a, path_join(a, c->folder, "tokens.jsonl"), &wanted, v);
    int n = 0;
    for (size_t at = 0; at < r.out.len;) {
        const ptrdiff_t end = str_find(r.out, STR("\n"), at);
        const str line = str_slice(r.out, at, end < 0 ? r.out.len : (size_t)end);
        at = end < 0 ? r.out.len : (size_t)end + 1;
        if (!str_trim(line).len) continue;
        const json *got = json_parse(a, line, &e);
        if (n < wanted) verdict_compare(v, want[n], got, 0, 1e-9, arena_printf(a, "tokens.jsonl row %d", n));
        n++;
    }
    /* where batches are tokenised as they are formed, only rows that the steps reach have a line */
    const bool reached = n > wanted && wanted == rows_of_steps(c);
    if (n != wanted && !reached) verdict_fail(v, "%d prepared rows, expected %d", n, wanted);
    return v->outcome == CASE_PASSED;
}

/* Metrics of TRL's that mean something else here (docs/decisions/0016-logits-over-the-answer.md). */
static bool differs_on_purpose(const curve *c, const char *key) {
    static const char *const objectives[] = {"cpo", "orpo", "bco"};
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
        if (strcmp(c->objective, objectives[i]) == 0) return str_starts(str_of(key), STR("logits/"));
    return false;
}

static void compare_metric(const curve *c, verdict *v, int step, const char *key, double want, double got) {
    const bool share = strstr(key, "accuracy") || strstr(key, "accuracies");
    const bool exact = strcmp(key, "loss") == 0 || strcmp(key, "grad_norm") == 0;
    const double batch = json_get_real(json_get(c->spec, "batch"), "per_device_train_batch_size", 1);
    const double accumulation = json_get_real(json_get(c->spec, "batch"), "gradient_accumulation_steps", 1);
    double tolerance = 1e-3 * fabs(want);
    if (!exact && tolerance < 2e-4) tolerance = 2e-4;
    if (exact && tolerance < 1e-7) tolerance = 1e-7;
    if (share) tolerance = strstr(key, "mean_token") ? 0.05 : 1.01 / (batch * accumulation);
    verdict_note(v, fabs(got - want), tolerance, "step %d %s", step, key);
}

static void compare_steps(arena *a, const curve *c, verdict *v) {
    int count;
    json **got = verify_lines(a, path_join(a, c->run, "metrics.jsonl"), &count, v);
    const json *steps = json_get(c->expected, "steps");
    if (count < (int)json_count(steps)) verdict_fail(v, "%d steps were logged, expected %zu", count, json_count(steps));
    for (int i = 0; i < count && i < (int)json_count(steps); i++) {
        json_member m = {0};
        while (json_next(json_at(steps, (size_t)i), &m)) {
            const json_kind kind = json_kind_of(m.value);
            if ((kind != JSON_INT && kind != JSON_REAL) || differs_on_purpose(c, m.key)) continue;
            if (!json_has(got[i], m.key)) verdict_fail(v, "step %d: '%s' was not logged", i + 1, m.key);
            else compare_metric(c, v, i + 1, m.key, json_real(m.value, NAN), json_get_real(got[i], m.key, NAN));
        }
    }
}

/* Of the same name and size; NULL: none. */
static const file_tensor *twin_of(const file_tensor *w, const tensor_file *other) {
    arena *a = arena_new();
    const file_tensor *g = tensor_file_find(other, str_copy(a, w->name));
    arena_free(a);
    return g && g->bytes == w->bytes ? g : NULL;
}

typedef struct {
    double n, sum, stray; /* weights; of all distances; of weights further apart than `far` */
} distance;

static void add_distance(distance *d, const file_tensor *w, const file_tensor *g, double far) {
    const float *x = w->data, *y = g ? g->data : NULL;
    for (size_t k = 0; g && k < w->bytes / 4; k++, d->n++) {
        const double apart = fabs((double)x[k] - (double)y[k]);
        d->sum += apart;
        d->stray += !(apart <= far);
    }
}

static void compare_final(arena *a, const curve *c, verdict *v) {
    err e = {0};
    tensor_file want, got;
    if (!file_exists(path_join(a, c->folder, "final.safetensors"))) return;
    const char *result = path_join(a, c->run, "model");
    const char *adapted = path_join(a, result, "adapter_model.safetensors");
    const bool opened =
        safetensors_open(a, path_join(a, c->folder, "final.safetensors"), &want, &e) &&
        (file_exists(adapted) ? safetensors_open(a, adapted, &got, &e) : safetensors_open_folder(a, result, "model", &got, &e));
    if (!opened) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    const double lr = json_get_real(json_get(c->spec, "optimiser"), "learning_rate", 0),
                 steps = (double)json_count(json_get(c->expected, "steps"));
    double largest = 10 * json_get_real(json_get(c->expected, "sensitivity_final"), "max_abs", 0);
    if (largest < 1e-3 * lr * steps) largest = 1e-3 * lr * steps;
    distance all = {0};
    for (int i = 0; i < want.count; i++) add_distance(&all, &want.tensor[i], twin_of(&want.tensor[i], &got), largest);
    for (int i = 0; i < want.count; i++) {
        const file_tensor *w = &want.tensor[i], *g = twin_of(w, &got);
        const char *name = str_copy(a, w->name);
        distance own = {0};
        add_distance(&own, w, g, largest);
        const bool few = all.stray * STRAY <= all.n && own.stray * STRAY <= own.n + STRAY; /* and one in each at most */
        const double wide = few && largest < 2 * lr ? 2 * lr : largest;                    /* a step this way, and not that way */
        if (g) verdict_compare_floats(v, w->data, g->data, w->bytes / 4, wide, name);
        else verdict_fail(v, "final weight %s: %s", name, tensor_file_find(&got, name) ? "another size" : "not written");
    }
    verdict_note(v, all.n > 0 ? all.sum / all.n : 0, 1e-5, "final weights, mean");
}

static void run_curve(arena *a, const char *folder) {
    verdict v = {0};
    curve c = {.folder = folder};
    err e = {0};
    program_result r;
    if (open_curve(a, &c, &v) && (!file_exists(path_join(a, folder, "tokens.jsonl")) || compare_rows(a, &c, &v))) {
        const char *words[WORDS_MOST + WORDS_BEFORE] = {"train", c.objective, "--base", base_of(a, &c), "--data",
                                                        c.data,  "--output",  c.run,    "--quiet"};
        memcpy(words + 9, c.words, (size_t)c.count * sizeof *words);
        dir_remove(c.run, &e);
        if (!program_run(a, words, STR(""), &r, &e)) verdict_fail(&v, "%s", e.text);
        else if (program_succeeded(&r, &v)) {
            compare_steps(a, &c, &v);
            compare_final(a, &c, &v);
        }
    }
    verify_report(path_name(folder), &v);
}

const verify_kind verify_curve = {"curve", "a training run, step by step", is_curve, run_curve};

/* ---- vectors: columns, schedules, optimisers ------------------------------------------------------------------------------------------------ */

static bool is_vectors_file(arena *a, const char *path) {
    if (!str_ends(str_of(path), STR(".json"))) return false;
    str head;
    arena *scratch = arena_new();
    err e = {0};
    bool yes = false;
    if (file_map(scratch, path, &head, &e)) {
        head = str_slice(head, 0, 256);
        yes = str_find(head, STR("\"fettle vectors"), 0) >= 0;
    }
    arena_free(scratch);
    (void)a;
    return yes;
}

static bool is_vectors(arena *a, const char *folder) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return false;
    for (int i = 0; i < count; i++)
        if (is_vectors_file(a, path_join(a, folder, names[i]))) return true;
    return false;
}

void verify_vector(arena *a, const char *name, const json *file, const json *one) {
    verdict v = {0};
    err e = {0};
    program_result r;
    buf line = {0};
    json_put(&line, one);
    buf_put_char(&line, '\n');
    const char *objective[] = {"probe", "objective", name, NULL}, *schedule[] = {"probe", "schedule", NULL},
               *optimizer[] = {"probe", "optimizer", NULL}, *best[] = {"probe", "best-of-n", NULL};
    const str statistic = json_get_text(one, "statistic", json_get_text(file, "statistic", STR("")));
    const char *agreement[] = {"probe", "agreement", str_copy(a, statistic), NULL};
    const char *const *words = strcmp(name, "schedule") == 0    ? schedule
                               : strcmp(name, "optimizer") == 0 ? optimizer
                               : strcmp(name, "best-of-n") == 0 ? best
                                                                : objective;
    if (statistic.len) words = agreement; /* said by the file or by the case */
    if (!program_run(a, words, buf_str(&line), &r, &e)) verdict_fail(&v, "%s", e.text);
    else if (program_succeeded(&r, &v)) {
        const json *tolerance = json_get(file, "tolerance"), *got = json_parse(a, str_trim(r.out), &e);
        if (!got) verdict_fail(&v, "the program's answer is no JSON: %s", e.text);
        else
            verdict_compare(&v, json_get(one, "expected"), got, json_get_real(tolerance, "relative", 1e-6),
                            json_get_real(tolerance, "absolute", 1e-9), "");
    }
    buf_free(&line);
    verify_report(arena_printf(a, "%s: %.*s", name, STR_ARG(json_get_text(one, "name", STR("?")))), &v);
}

static void run_vectors(arena *a, const char *folder) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return;
    for (int i = 0; i < count; i++) {
        const char *path = path_join(a, folder, names[i]);
        if (!is_vectors_file(a, path)) continue;
        verdict v = {0};
        const json *file = read_json(a, folder, names[i], &v), *cases = json_get(file, "cases");
        const char *name = str_copy(a, json_get_text(file, "name", str_slice(str_of(names[i]), 0, strlen(names[i]) - 5)));
        if (!file || !json_count(cases)) {
            verdict_fail(&v, "%s holds no cases", path);
            verify_report(names[i], &v);
        }
        for (size_t k = 0; k < json_count(cases); k++) verify_vector(a, name, file, json_at(cases, k));
    }
}

const verify_kind verify_vectors = {"vectors", "columns in, loss and gradients out", is_vectors, run_vectors};

/* ---- schedules as Hugging Face computes them ------------------------------------------------------------------------------------------------ */

static bool is_schedules(arena *a, const char *f) {
    const json *v = file_exists(path_join(a, f, "expected.json")) ? read_json(a, f, "expected.json", NULL) : NULL;
    return json_has(v, "schedules");
}

static void run_schedules(arena *a, const char *folder) {
    const json *list = json_get(read_json(a, folder, "expected.json", NULL), "schedules");
    for (size_t i = 0; i < json_count(list); i++) {
        const json *s = json_at(list, i);
        json *params = json_new_object(a), *inputs = json_new_object(a), *one = json_new_object(a),
             *expected = json_new_object(a), *file = json_new_object(a);
        json_set(params, "lr_scheduler_type", json_get(s, "type"));
        json_set(params, "learning_rate", json_get(s, "learning_rate"));
        json_set(params, "max_steps", json_get(s, "total_steps"));
        json_set(params, "warmup_steps", json_get(s, "warmup_steps"));
        if (json_get(s, "kwargs")) json_set(params, "lr_scheduler_kwargs", json_get(s, "kwargs"));
        json_set(inputs, "steps", json_new_int(a, (int64_t)json_count(json_get(s, "lr"))));
        json_set(expected, "lr", json_get(s, "lr"));
        json_set(one, "name",
                 json_new_text(a, str_of(arena_printf(a, "%.*s, warm-up %lld", STR_ARG(json_get_text(s, "type", STR("?"))),
                                                      (long long)json_get_int(s, "warmup_steps", 0)))));
        json_set(one, "params", params);
        json_set(one, "inputs", inputs);
        json_set(one, "expected", expected);
        verify_vector(a, "schedule", file, one);
    }
}

const verify_kind verify_schedules = {"schedules", "learning rate of every step", is_schedules, run_schedules};
