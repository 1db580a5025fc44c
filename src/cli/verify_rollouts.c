/* verify_rollouts.c - rollouts of TRL's PPO trainer (case.json of PPOTrainer, expected.json with updates) as columns through `fettle probe
 * objective ppo`: scores to rewards, advantages, returns and metrics; then every micro-batch to its loss and gradients. TRL pads responses
 * to one length: a response that ends early has one state more than tokens. Tolerance: 1e-4 relative (the curves' INDEX). */
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"

static bool is_ppo(arena *a, const char *f) {
    const char *path = path_join(a, f, "expected.json"), *spec = path_join(a, f, "case.json");
    err e = {0};
    if (!file_exists(path) || !file_exists(spec)) return false;
    const json *c = json_parse_file(a, spec, 16 << 20, &e);
    return c && str_starts(json_get_text(c, "trainer", STR("")), STR("PPO")) &&
           json_has(json_parse_file(a, path, 256 << 20, &e), "updates");
}

/* Of each chosen row the first so many numbers: of tokens, or of states where `more` is 1. */
static json *cut(arena *a, const json *all, const json *rows, const json *lengths, int more, bool in_order) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(rows); i++) {
        const int64_t which = json_int(json_at(rows, i), 0);
        const json *row_of = json_at(all, in_order ? i : (size_t)which);
        json *list = json_new_array(a);
        const int64_t n = json_int(json_at(lengths, (size_t)which), 0) + 1 + more;
        for (int64_t k = 0; k < n && k < (int64_t)json_count(row_of); k++) json_append(list, json_at(row_of, (size_t)k));
        json_append(out, list);
    }
    return out;
}

static json *ones_like(arena *a, const json *lists) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(lists); i++) {
        json *list = json_new_array(a);
        for (size_t k = 0; k < json_count(json_at(lists, i)); k++) json_append(list, json_new_int(a, 1));
        json_append(out, list);
    }
    return out;
}

static json *params_of(arena *a, const json *options) {
    static const char *const keys[] = {"kl_coef",   "kl_estimator",    "gamma",   "lam",           "response_length",
                                       "cliprange", "cliprange_value", "vf_coef", "whiten_rewards"};
    json *out = json_new_object(a);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_has(options, keys[i])) json_set(out, keys[i], json_get(options, keys[i]));
    return out;
}

typedef struct {
    arena *a;
    const json *update, *lengths, *file;
    json *params;
} told;

static json *column(const told *t, const char *name, const json *rows, int more) {
    return cut(t->a, json_get(t->update, name), rows, t->lengths, more, false);
}

static void check(const told *t, const char *label, json *inputs, json *expected) {
    json *one = json_new_object(t->a);
    json_set(one, "name", json_new_text(t->a, str_of(label)));
    json_set(one, "params", t->params);
    json_set(one, "inputs", inputs);
    json_set(one, "expected", expected);
    verify_vector(t->a, "ppo", t->file, one);
}

static void check_rollout(const told *t, const char *label) {
    static const char *const metrics[] = {"objective/kl", "objective/scores", "objective/non_score_reward",
                                          "objective/rlhf_reward"};
    json *rows = json_new_array(t->a), *in = json_new_object(t->a), *expected = json_new_object(t->a),
         *means = json_new_object(t->a), *way = json_new_object(t->a);
    for (size_t i = 0; i < json_count(t->lengths); i++) json_append(rows, json_new_int(t->a, (int64_t)i));
    json *old = column(t, "logprobs", rows, 0), *values = column(t, "values", rows, 1);
    json_set(in, "mask", ones_like(t->a, old));
    json_set(in, "logp", old);
    json_set(in, "old_logp", column(t, "logprobs", rows, 0));
    json_set(in, "ref_logp", column(t, "ref_logprobs", rows, 0));
    json_set(in, "value", values);
    json_set(in, "old_value", values);
    json_set(in, "score", json_get(t->update, "scores"));
    json_set(way, "reward", column(t, "rewards", rows, 1));
    json_set(way, "advantage", column(t, "advantages", rows, 0));
    json_set(way, "return", column(t, "returns", rows, 1));
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        json_set(means, metrics[i], json_get(json_get(t->update, "metrics"), metrics[i]));
    json_set(expected, "intermediate", way);
    json_set(expected, "metrics", means);
    check(t, label, in, expected);
}

static void check_micro(const told *t, const json *micro, const char *label) {
    const json *rows = json_get(micro, "rows");
    json *in = json_new_object(t->a), *expected = json_new_object(t->a), *means = json_new_object(t->a);
    json *old = column(t, "logprobs", rows, 0);
    json_set(in, "mask", ones_like(t->a, old));
    json_set(in, "old_logp", old);
    json_set(in, "logp", cut(t->a, json_get(micro, "new_logprobs"), rows, t->lengths, 0, true));
    json_set(in, "value", cut(t->a, json_get(micro, "vpred"), rows, t->lengths, 1, true));
    json_set(in, "old_value", column(t, "values", rows, 1));
    json_set(in, "advantage", column(t, "advantages", rows, 0));
    json_set(in, "return", column(t, "returns", rows, 1));
    json_set(expected, "loss", json_get(micro, "loss"));
    json_set(expected, "dlogp", cut(t->a, json_get(micro, "dloss_dlogprobs"), rows, t->lengths, 0, true));
    json_set(expected, "dvalue", cut(t->a, json_get(micro, "dloss_dvpred"), rows, t->lengths, 1, true));
    json_set(means, "loss/policy_avg", json_get(micro, "policy_loss"));
    json_set(means, "loss/value_avg", json_get(micro, "value_loss"));
    json_set(means, "val/clipfrac_avg", json_get(micro, "value_clipfrac"));
    json_set(expected, "metrics", means);
    check(t, label, in, expected);
}

static void run_ppo(arena *a, const char *folder) {
    err e = {0};
    const json *spec = json_parse_file(a, path_join(a, folder, "case.json"), 16 << 20, &e),
               *updates = json_get(json_parse_file(a, path_join(a, folder, "expected.json"), 256 << 20, &e), "updates");
    json *file = json_new_object(a), *tolerance = json_new_object(a);
    json_set(tolerance, "relative", json_new_real(a, 1e-4));
    json_set(tolerance, "absolute", json_new_real(a, 1e-6));
    json_set(file, "tolerance", tolerance);
    for (size_t u = 0; u < json_count(updates); u++) {
        const json *update = json_at(updates, u), *micros = json_get(update, "micro");
        const told t = {a, update, json_get(update, "sequence_lengths"), file, params_of(a, json_get(spec, "options"))};
        const char *name = arena_printf(a, "%s update %zu", path_name(folder), u + 1);
        check_rollout(&t, arena_printf(a, "%s, rollout", name));
        for (size_t i = 0; i < json_count(micros); i++)
            check_micro(&t, json_at(micros, i), arena_printf(a, "%s, micro-batch %zu", name, i + 1));
    }
}

const verify_kind verify_ppo = {"ppo", "rollouts of PPO: rewards, advantages, losses, gradients", is_ppo, run_ppo};
