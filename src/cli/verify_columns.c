/* verify_columns.c - columns of TRL's trainers that write their own answers (expected.json with "variants"): the policy loss on given numbers, and
 * advantages of given rewards. Each variant becomes a case of `fettle probe objective`. Tolerance: 1e-4 relative, as the folder's INDEX says of
 * columns; TRL computed them in float32. (Whole runs on given completions are curves: verify_train.c.) */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"

static json *read_json(arena *a, const char *folder, const char *name) {
    err e = {0};
    const char *path = path_join(a, folder, name);
    return file_exists(path) ? json_parse_file(a, path, 256 << 20, &e) : NULL;
}

static const json *first_variant(arena *a, const char *folder) {
    return json_at(json_get(read_json(a, folder, "expected.json"), "variants"), 0);
}

static bool is_columns(arena *a, const char *folder) {
    if (!file_exists(path_join(a, folder, "case.json"))) return false;
    const json *v = first_variant(a, folder);
    const str name = json_get_text(read_json(a, folder, "case.json"), "name", STR(""));
    const bool ours = str_starts(name, STR("grpo")) || str_starts(name, STR("rloo")) || str_is(name, "advantages");
    return ours && (json_has(v, "dloss_dlogps") || json_has(v, "advantages"));
}

/* ---- one variant of the loss ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    const json *columns, *variant;
    const char *objective;
    json *params, *inputs;
    int rows;
} columns_case;

static int length_of(const columns_case *c, int row) {
    const json *mask = json_at(json_get(c->columns, "completion_mask"), (size_t)row);
    int n = 0;
    for (size_t t = 0; t < json_count(mask); t++) n += json_int(json_at(mask, t), 0) != 0;
    return n;
}

/* Padding is cut off. */
static json *cut(const columns_case *c, const json *padded) {
    json *out = json_new_array(c->a);
    for (int i = 0; i < c->rows; i++) {
        json *row = json_new_array(c->a);
        for (int t = 0; t < length_of(c, i); t++) json_append(row, json_at(json_at(padded, (size_t)i), (size_t)t));
        json_append(out, row);
    }
    return out;
}

static void put(json *object, const char *key, const json *value) { json_set(object, key, (json *)(uintptr_t)value); }
static void put_text(arena *a, json *object, const char *key, const char *text) {
    json_set(object, key, json_new_text(a, str_of(text)));
}
static void put_real(arena *a, json *object, const char *key, double x) { json_set(object, key, json_new_real(a, x)); }

/* Log-probabilities of the sampler that give the weights that TRL was given (0: one far over the limit, which the mask takes out): of tokens, or of a completion, all of it at its first token. */
static json *sampler(const columns_case *c, bool whole) {
    const json *ratio = json_get(c->columns, whole ? "importance_sampling_ratio_sequence" : "importance_sampling_ratio_token");
    json *out = json_new_array(c->a);
    for (int i = 0; i < c->rows; i++) {
        json *row = json_new_array(c->a);
        for (int t = 0; t < length_of(c, i); t++) {
            const double old = json_real(json_at(json_at(json_get(c->columns, "old_per_token_logps"), (size_t)i), (size_t)t), 0);
            const double w = json_real(json_at(json_at(ratio, (size_t)i), whole ? 0 : (size_t)t), 1);
            json_append(row, json_new_real(c->a, whole && t ? old : old - (w > 0 ? log(w) : 60)));
        }
        json_append(out, row);
    }
    return out;
}

static json *old_of_sums(const columns_case *c) {
    json *out = json_new_array(c->a);
    for (int i = 0; i < c->rows; i++) {
        const json *logp = json_at(json_get(c->variant, "per_token_logps"), (size_t)i);
        json *row = json_new_array(c->a);
        double left = json_real(json_at(json_get(c->columns, "old_logps"), (size_t)i), 0);
        for (int t = 1; t < length_of(c, i); t++) left -= json_real(json_at(logp, (size_t)t), 0);
        for (int t = 0; t < length_of(c, i); t++) json_append(row, t ? json_at(logp, (size_t)t) : json_new_real(c->a, left));
        json_append(out, row);
    }
    return out;
}

static void set_params(columns_case *c) {
    static const char *const of_the_loop[] = {"gradient_accumulation_steps", "steps_per_generation"};
    const json *uses = json_get(c->variant, "uses");
    for (json_member m = {0}; json_next(json_get(c->variant, "options"), &m);) {
        bool ours = true;
        for (int i = 0; i < 2; i++) ours &= strcmp(m.key, of_the_loop[i]) != 0;
        if (ours) put(c->params, m.key, m.value);
    }
    if (str_is(json_get_text(c->variant, "trainer", STR("")), "GMPOTrainer")) {
        put_text(c->a, c->params, "loss_type", "gmpo");
        if (!json_has(c->params, "epsilon")) put_real(c->a, c->params, "epsilon", 0.4);
    }
    if (strcmp(c->objective, "rloo") == 0) put_real(c->a, c->params, "beta", 0); /* it is in the advantages */
    if (json_has(uses, "is")) {
        const bool whole = str_is(json_get_text(uses, "is", STR("")), "sequence");
        put_text(c->a, c->params, "vllm_importance_sampling_mode", whole ? "sequence_mask" : "token_mask");
        put_real(c->a, c->params, "vllm_importance_sampling_clip_max", 1e5);
        json_set(c->inputs, "sampler_logp", sampler(c, whole));
    }
    if (json_has(c->columns, "max_completion_length"))
        put(c->params, "max_completion_length", json_get(c->columns, "max_completion_length"));
}

/* TRL divides by the micro-batches of a window: as if there were as many of them as this one. */
static void set_counts(columns_case *c) {
    const json *mask = json_get(c->inputs, "mask"), *resolved = json_get(c->variant, "resolved");
    const double micros = json_get_real(resolved, "gradient_accumulation_steps", 1),
                 generation = json_get_real(resolved, "steps_per_generation", 1);
    double tokens = 0;
    for (size_t i = 0; i < json_count(mask); i++)
        for (size_t t = 0; t < json_count(json_at(mask, i)); t++) tokens += json_real(json_at(json_at(mask, i), t), 0);
    json *counts = json_new_object(c->a);
    put_real(c->a, counts, "sequences", c->rows * micros);
    put_real(c->a, counts, "chosen_tokens", tokens * micros);
    put_real(c->a, counts, "rollout_tokens", json_get_real(c->variant, "num_items_in_batch", tokens) * micros / generation);
    json_set(c->inputs, "counts", counts);
}

static void set_inputs(columns_case *c) {
    const json *uses = json_get(c->variant, "uses");
    const bool old = json_get_bool(uses, "old", true);
    put(c->inputs, "mask", cut(c, json_get(c->columns, json_has(uses, "empty") ? "empty_completion_mask" : "completion_mask")));
    if (json_has(uses, "tool")) json_set(c->inputs, "tool_mask", cut(c, json_get(c->columns, "tool_mask")));
    json_set(c->inputs, "logp", cut(c, json_get(c->variant, "per_token_logps")));
    json_set(c->inputs, "entropy", cut(c, json_get(c->columns, "policy_entropies")));
    put(c->inputs, "advantage", json_get(c->columns, "advantages"));
    if (json_has(c->columns, "old_logps")) json_set(c->inputs, "old_logp", old_of_sums(c));
    else if (old) json_set(c->inputs, "old_logp", cut(c, json_get(c->columns, "old_per_token_logps")));
    if (json_has(c->columns, "ref_per_token_logps"))
        json_set(c->inputs, "ref_logp", cut(c, json_get(c->columns, "ref_per_token_logps")));
}

/* Entropies were given at temperature 1 alone. */
static json *wanted(const columns_case *c) {
    const bool warm = json_has(json_get(c->variant, "options"), "temperature");
    json *out = json_new_object(c->a), *metrics = json_new_object(c->a);
    for (json_member m = {0}; json_next(json_get(c->variant, "metrics"), &m);)
        if (!warm || strcmp(m.key, "entropy") != 0) put(metrics, m.key, m.value);
    put(out, "loss", json_get(c->variant, "loss"));
    json_set(out, "dlogp", cut(c, json_get(c->variant, "dloss_dlogps")));
    json_set(out, "metrics", metrics);
    return out;
}

static void report(arena *a, const char *objective, const json *variant, json *params, json *inputs, json *expected) {
    json *one = json_new_object(a), *file = json_new_object(a), *tolerance = json_new_object(a);
    put_real(a, tolerance, "relative", 1e-4);
    put_real(a, tolerance, "absolute", 2e-6);
    json_set(file, "tolerance", tolerance);
    put(one, "name", json_get(variant, "name"));
    json_set(one, "params", params);
    json_set(one, "inputs", inputs);
    json_set(one, "expected", expected);
    verify_vector(a, objective, file, one);
}

static void run_columns(arena *a, const json *columns, const json *variant, const char *objective) {
    columns_case c = {a, columns, variant, objective, json_new_object(a), json_new_object(a), 0};
    c.rows = (int)json_count(json_get(columns, "completion_mask"));
    set_inputs(&c);
    set_params(&c);
    set_counts(&c);
    report(a, objective, variant, c.params, c.inputs, wanted(&c));
}

/* ---- one variant of the advantages ------------------------------------------------------------------------------------------------------ */

static json *each_alone(arena *a, const json *list, size_t count) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < count; i++) {
        json *one = json_new_array(a);
        json_append(one, list ? json_at(list, i) : json_new_int(a, 0));
        json_append(out, one);
    }
    return out;
}

/* Of RLOO a completion is one token, whose log-ratio is the whole completion's. */
static void run_advantages(arena *a, const json *variant, const char *objective) {
    json *params = json_new_object(a), *inputs = json_new_object(a), *expected = json_new_object(a),
         *metrics = json_new_object(a), *group = json_new_array(a), *mask = json_new_array(a), *one = json_new_array(a),
         *between = json_new_object(a);
    const json *rewards = json_get(variant, "rewards"), *kl = json_get(variant, "kl_sums");
    const size_t n = json_count(rewards);
    for (json_member m = {0}; json_next(json_get(variant, "options"), &m);) put(params, m.key, m.value);
    json_append(one, json_new_int(a, 1));
    for (size_t i = 0; i < n; i++) json_append(group, json_new_int(a, (int64_t)i / 3)), json_append(mask, one);
    put(inputs, "rewards", rewards);
    json_set(inputs, "group", group);
    static const char *const told[] = {"reward", "reward_std", "frac_reward_zero_std"};
    for (int i = 0; i < 3; i++) put(metrics, told[i], json_get(json_get(variant, "metrics"), told[i]));
    json_set(expected, "metrics", metrics);
    if (strcmp(objective, "rloo") == 0) {
        json_set(inputs, "mask", mask);
        json_set(inputs, "logp", each_alone(a, kl, n));
        json_set(inputs, "old_logp", each_alone(a, kl, n));
        json_set(inputs, "ref_logp", each_alone(a, NULL, n));
        put(between, "advantage", json_get(variant, "advantages"));
        json_set(expected, "intermediate", between);
    } else put(expected, "advantage", json_get(variant, "advantages"));
    report(a, objective, variant, params, inputs, expected);
}

static void run_columns_folder(arena *a, const char *folder) {
    const json *list = json_get(read_json(a, folder, "expected.json"), "variants"),
               *columns = read_json(a, folder, "columns.json"), *spec = read_json(a, folder, "case.json");
    for (size_t i = 0; i < json_count(list); i++) {
        const json *v = json_at(list, i);
        const str trainer = json_get_text(v, "trainer", json_get_text(spec, "name", STR("")));
        const char *objective = str_starts(trainer, STR("RLOO")) || str_starts(trainer, STR("rloo")) ? "rloo" : "grpo";
        if (columns) run_columns(a, columns, v, objective);
        else run_advantages(a, v, objective);
    }
}

const verify_kind verify_columns = {"columns", "losses and advantages of rollouts", is_columns, run_columns_folder};
