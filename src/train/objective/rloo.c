/* rloo.c - REINFORCE with the other completions as the baseline (RLOO, arXiv:2402.14740).
 *
 * A completion earns R less its distance from the reference; its advantage is what it earns above the mean of the group's others:
 *     R'   = clip(sum of rewards) - beta * sum over tokens of (old_logp - ref_logp)
 *     A    = R' - mean of the others' R'                      normalize_advantages: (A - mean) / (deviation + 1e-4) over the rollout
 *     r    = exp(sum of logp - sum of old_logp)
 *     loss = mean over completions of  -min(r A, clip(r, 1 - epsilon, 1 + epsilon_high) A)         dlogp = -r A / completions where r A is taken */
#include <math.h>
#include <stdlib.h>

#include "train/objective/advantages.h"

typedef struct {
    double beta, epsilon, epsilon_high;
    bool normalize;
    opt_list clip;
} rloo_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(rloo_options, beta), "0.05", 0, 1e3, NULL,
     "what a nat of distance from the reference costs; 0: no reference"},
    {"epsilon", OPT_REAL, offsetof(rloo_options, epsilon), "0.2", 0, 1e3, NULL, "how far down (and up) a ratio may pull"},
    {"epsilon_high", OPT_REAL, offsetof(rloo_options, epsilon_high), NULL, 0, 1e3, NULL, "how far up; unset: epsilon"},
    {"normalize_advantages", OPT_BOOL, offsetof(rloo_options, normalize), "false", 0, 0, NULL,
     "advantages of mean 0 and deviation 1 over the rollout (REINFORCE++)"},
    {"reward_clip_range", OPT_LIST, offsetof(rloo_options, clip), NULL, 0, 0, NULL, "least and most of a reward: -5,5"},
    OPT_END,
};

static bool rloo_range(const rloo_options *o, double *low, double *high) {
    char *end = NULL;
    if (o->clip.count != 2) return false;
    *low = strtod(o->clip.item[0], &end);
    if (*end) return false;
    *high = strtod(o->clip.item[1], &end);
    return !*end && *low <= *high;
}

static bool rloo_check(const void *opts, err *e) {
    double low, high;
    const rloo_options *o = opts;
    return !o->clip.count || rloo_range(o, &low, &high) ||
           err_set(e, ERR_USAGE, "reward_clip_range should be two numbers, the least and the most: -5,5");
}

/* ---- rewards to advantages ------------------------------------------------------------------------------------------------------------ */

static void shape(const rloo_options *o, judged *j, double *score, double *distance) {
    double low, high;
    const bool clips = rloo_range(o, &low, &high);
    for (int i = 0; i < j->S; i++) {
        distance[i] = 0;
        for (int t = j->sequence[i].begin; j->ref_logp && t < j->sequence[i].end; t++)
            if (j->mask[t]) distance[i] += (double)j->old_logp[t] - (double)j->ref_logp[t];
        if (clips) score[i] = score[i] < low ? low : score[i] > high ? high : score[i];
        if (o->beta > 0) score[i] -= o->beta * distance[i];
    }
}

static void leave_one_out(const judged *j, const double *score, double *out) {
    for (int i = 0; i < j->S; i++) {
        const spread own = spread_of_group(j, score, j->group[i]);
        const double n = own.count;
        out[i] = n > 1 ? n / (n - 1) * (score[i] - own.mean) : score[i] - own.mean;
    }
}

static void rloo_advantages(const rloo_options *o, judged *j, double *score, double *distance, double *advantage) {
    score_all(j, score);
    metric_add_scores(j, score, false);
    shape(o, j, score, distance);
    leave_one_out(j, score, advantage);
    const spread all = spread_of(advantage, j->S);
    for (int i = 0; o->normalize && i < j->S; i++) advantage[i] = (advantage[i] - all.mean) / (all.deviation + 1e-4);
}

static void rloo_judge(const void *opts, judged *j) {
    const rloo_options *o = opts;
    double *score = arena_array(j->a, double, j->S + 1), *distance = arena_array(j->a, double, j->S + 1),
           *advantage = arena_array(j->a, double, j->S + 1);
    rloo_advantages(o, j, score, distance, advantage);
    put_advantages(j, advantage);
    if (!(o->beta > 0) || !j->ref_logp) return;
    double tokens = 0, sum = 0;
    for (int t = 0; t < j->T; t++) tokens += j->mask[t] != 0;
    for (int i = 0; i < j->S; i++) sum += distance[i];
    metric_add(j->metrics, "kl", sum, at_least_one(tokens));
}

/* ---- the loss -------------------------------------------------------------------------------------------------------------------------- */

static double ratio_of(const columns *c, seq s) {
    return c->old_logp ? exp(sum_trained(c, c->logp, s) - sum_trained(c, c->old_logp, s)) : 1;
}

static double rloo_loss(const void *opts, const columns *c, gradients *g) {
    const rloo_options *o = opts;
    const double n = at_least_one(c->step.sequences), low = 1 - o->epsilon,
                 high = 1 + (isnan(o->epsilon_high) ? o->epsilon : o->epsilon_high);
    double loss = 0;
    for (int i = 0; i < c->S; i++) {
        const seq s = c->sequence[i];
        const double A = advantage_of(c, s), r = ratio_of(c, s), held = (r < low ? low : r > high ? high : r) * A;
        loss -= fmin(r * A, held) / n;
        if (r * A <= held) add_dlogp(c, g, s, -r * A / n);
        metric_add_clipped(g->metrics, &(clipped){r < low && A<0, r> high && A > 0, 1});
        if (c->entropy) metric_add(g->metrics, "entropy", sum_trained(c, c->entropy, s), count_trained(c, s));
    }
    return loss;
}

/* What stands behind the advantage, where a reward is known (score). */
static void rloo_explain(const void *opts, const columns *c, json_writer *w) {
    const rloo_options *o = opts;
    double low, high;
    const bool clips = rloo_range(o, &low, &high);
    arena *a = arena_new();
    double *kl = arena_array(a, double, c->S + 1), *shaped = arena_array(a, double, c->S + 1),
           *advantage = arena_array(a, double, c->S + 1), *ratio = arena_array(a, double, c->S + 1);
    for (int i = 0; i < c->S; i++) {
        const seq s = c->sequence[i];
        const double R = c->score ? (double)c->score[i] : NAN;
        kl[i] = o->beta > 0 && c->ref_logp && c->old_logp ? sum_trained(c, c->old_logp, s) - sum_trained(c, c->ref_logp, s) : 0;
        shaped[i] = (clips ? fmin(fmax(R, low), high) : R) - o->beta * kl[i];
        if (isnan(R)) shaped[i] = NAN;
        advantage[i] = advantage_of(c, s);
        ratio[i] = ratio_of(c, s);
    }
    put_reals(w, "kl", kl, c->S);
    put_reals(w, "shaped_reward", shaped, c->S);
    put_reals(w, "advantage", advantage, c->S);
    put_reals(w, "ratio", ratio, c->S);
    arena_free(a);
}

static unsigned rloo_more(const void *opts) { return ((const rloo_options *)opts)->beta > 0 ? NEEDS(COLUMN_REF_LOGP) : 0; }

static const char *const rollout[] = {"num_generations=2", NULL};

const objective objective_rloo = {
    .name = "rloo",
    .words = "raise the answers that earn more than the mean of the others to the same prompt (RLOO)",
    .rows = WANTS_PROMPTS,
    .scope = SCOPE_PAIR,
    .reference = true,
    .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_OLD_LOGP) | NEEDS(COLUMN_ADVANTAGE) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MASK),
    .more_needs = rloo_more,
    .options = options,
    .options_size = sizeof(rloo_options),
    .learning_rate = 1e-6,
    .check = rloo_check,
    .judge = rloo_judge,
    .judges_old = true,
    .rollout = rollout,
    .tempered = true,
    .loss = rloo_loss,
    .explain = rloo_explain};
