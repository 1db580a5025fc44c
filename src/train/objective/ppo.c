/* ppo.c - proximal policy optimisation (arXiv:1707.06347) for language models (arXiv:1909.08593, 2203.02155), with a value head.
 *
 * l and o are a token's log-probability now and when it was written, A its advantage, v the value of the state before it now, w at the
 * rollout, R its return (ppo_rollout.c); r = e^(l - o). Means run over the trained tokens of the step:
 *     policy = mean max(-A r, -A clip(r, 1 - cliprange, 1 + cliprange))           dual_clip c: for A < 0 at most -A c
 *     value  = mean max((v - R)^2, (clip(v, w - cliprange_value, w + cliprange_value) - R)^2) / 2
 *     loss   = policy + vf_coef value - entropy_coef mean H + kl_coef mean kl     the last with kl_in_loss alone
 * so d loss / dl = -A r / N where the first form is taken, else 0; d loss / dv = vf_coef (v - R) / N where that form is taken, and within
 * the clip. The first update after a rollout has r = 1. */
#include <math.h>
#include <string.h>

#include "train/objective/ppo.h"

static const opt options[] = {
    {"kl_coef", OPT_REAL, offsetof(ppo_options, kl_coef), "0.05", 0, 1e6, NULL,
     "what a nat of distance from the reference costs"},
    {"kl_estimator", OPT_CHOICE, offsetof(ppo_options, estimator), "k1", 0, 0, KL_NAMES, "how distance is estimated for a token"},
    {"kl_in_loss", OPT_CHOICE, offsetof(ppo_options, in_loss), NULL, 0, 0, KL_NAMES,
     "ours: the distance is a term of the loss, by this estimator, instead of a part of the reward"},
    {"init_kl_coef", OPT_REAL, offsetof(ppo_options, init_kl_coef), NULL, 0, 1e6, NULL,
     "coefficient at the start, where it adapts (unset: kl_coef)"},
    {"target", OPT_REAL, offsetof(ppo_options, target), NULL, 1e-6, 1e6, NULL,
     "distance of an answer, in nats, that the coefficient adapts to (unset: it stays)"},
    {"horizon", OPT_REAL, offsetof(ppo_options, horizon), "10000", 1, 1e9, NULL, "answers in which the coefficient adapts"},
    {"gamma", OPT_REAL, offsetof(ppo_options, gamma), "1", 0, 1, NULL, "what a later reward is worth"},
    {"lam", OPT_REAL, offsetof(ppo_options, lam), "0.95", 0, 1, NULL,
     "lambda of the advantages: 0 trusts the values, 1 the rewards"},
    {"cliprange", OPT_REAL, offsetof(ppo_options, cliprange), "0.2", 0, 10, NULL, "how far from 1 a ratio still pulls"},
    {"cliprange_value", OPT_REAL, offsetof(ppo_options, cliprange_value), "0.2", 0, 1e6, NULL, "how far a value may move"},
    {"vf_coef", OPT_REAL, offsetof(ppo_options, vf_coef), "0.1", 0, 1e6, NULL, "weight of the values' loss"},
    {"entropy_coef", OPT_REAL, offsetof(ppo_options, entropy_coef), "0", 0, 1e6, NULL, "ours: weight of an entropy bonus"},
    {"whiten_rewards", OPT_BOOL, offsetof(ppo_options, whiten_rewards), "false", 0, 0, NULL,
     "rewards of deviation 1 over the rollout"},
    {"whiten_advantages", OPT_BOOL, offsetof(ppo_options, whiten_advantages), "true", 0, 0, NULL,
     "ours: advantages of mean 0 and deviation 1 over the rollout, as TRL always has them"},
    {"missing_eos_penalty", OPT_REAL, offsetof(ppo_options, missing_eos_penalty), NULL, 0, 1e6, NULL,
     "taken off the score of an answer that did not end"},
    {"reward_clip", OPT_REAL, offsetof(ppo_options, reward_clip), "0", 0, 1e6, NULL, "ours: largest score, either way; 0: any"},
    {"dual_clip", OPT_REAL, offsetof(ppo_options, dual_clip), "0", 0, 1e6, NULL,
     "ours: a bad token pulls at most this many times its advantage (arXiv:1912.09729); 0: as the ratio says"},
    OPT_END,
};

static bool in_state(const columns *c, int t) { return c->state ? c->state[t] : c->mask[t]; }

/* One token's policy term and its slope by logp, before they are divided. */
typedef struct {
    double loss, slope, ratio, log_ratio;
    bool clipped;
} policy_term;

static double advantage_at(const columns *c, int t) {
    return (double)c->advantage[t] + (c->advantage_rest ? (double)c->advantage_rest[t] : 0);
}

static policy_term policy_of(const ppo_options *o, const columns *c, int t) {
    const double A = advantage_at(c, t), d = c->old_logp ? (double)c->logp[t] - (double)c->old_logp[t] : 0, r = exp(d),
                 held = fmax(1 - o->cliprange, fmin(1 + o->cliprange, r)), free = -A * r, clip = -A * held;
    policy_term p = {
        .loss = fmax(free, clip), .slope = free >= clip ? free : 0, .ratio = r, .log_ratio = d, .clipped = clip > free};
    if (o->dual_clip > 0 && A < 0 && p.loss > -A * o->dual_clip) p.loss = -A * o->dual_clip, p.slope = 0;
    return p;
}

static double log_ratio_to_reference(const columns *c, int t) { return (double)c->logp[t] - (double)c->ref_logp[t]; }

static double policy_loss(const ppo_options *o, const columns *c, double N, gradients *g) {
    double loss = 0;
    static const char *const empty[] = {"loss/policy_avg", "policy/clipfrac_avg", "policy/approxkl_avg", "val/ratio"};
    for (int i = 0; i < 4; i++) metric_add(g->metrics, empty[i], 0, 0);
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        const policy_term p = policy_of(o, c, t);
        loss += p.loss / N;
        g->dlogp[t] += (float)(p.slope / N);
        if (o->in_loss && c->ref_logp) {
            loss += o->kl_coef * kl_value(o->in_loss, log_ratio_to_reference(c, t)) / N;
            g->dlogp[t] += (float)(o->kl_coef * kl_slope(o->in_loss, log_ratio_to_reference(c, t)) / N);
        }
        if (o->entropy_coef > 0) {
            loss -= o->entropy_coef * (double)c->entropy[t] / N;
            g->dentropy[t] -= (float)(o->entropy_coef / N);
        }
        metric_add(g->metrics, "loss/policy_avg", p.loss, 1);
        metric_add(g->metrics, "policy/clipfrac_avg", p.clipped, 1);
        metric_add(g->metrics, "policy/approxkl_avg", p.log_ratio * p.log_ratio / 2, 1);
        metric_add(g->metrics, "val/ratio", p.ratio, 1);
        if (c->entropy) metric_add(g->metrics, "policy/entropy_avg", (double)c->entropy[t], 1);
    }
    return loss;
}

static double value_loss(const ppo_options *o, const columns *c, double N, gradients *g) {
    double loss = 0;
    metric_add(g->metrics, "loss/value_avg", 0, 0);
    metric_add(g->metrics, "val/clipfrac_avg", 0, 0);
    for (int t = 0; t < c->T; t++) {
        if (!in_state(c, t)) continue;
        const double v = (double)c->value[t], w = (double)c->old_value[t], R = (double)c->returns[t],
                     held = fmax(w - o->cliprange_value, fmin(w + o->cliprange_value, v)), free = (v - R) * (v - R),
                     clip = (held - R) * (held - R);
        loss += o->vf_coef * fmax(free, clip) / (2 * N);
        if (free >= clip || held == v) g->dvalue[t] += (float)(o->vf_coef * (v - R) / N);
        metric_add(g->metrics, "loss/value_avg", fmax(free, clip) / 2, 1);
        metric_add(g->metrics, "val/clipfrac_avg", clip > free, 1);
    }
    return loss;
}

static double ppo_loss(const void *opts, const columns *c, gradients *g) {
    const ppo_options *o = opts;
    double states = c->step.tokens;
    for (int t = 0; c->state && t < c->T; t++) states += c->state[t] && !c->mask[t];
    return policy_loss(o, c, at_least_one(c->step.tokens), g) + value_loss(o, c, at_least_one(states), g);
}

/* Behind advantages that were made of scores. */
static void ppo_explain(const void *opts, const columns *c, json_writer *w) {
    const ppo_options *o = opts;
    if (!c->score) return;
    arena *a = arena_new();
    double *kl = arena_array(a, double, c->T + 1), *reward = arena_array(a, double, c->T + 1),
           *raw = arena_array(a, double, c->T + 1), *advantage = arena_array(a, double, c->T + 1),
           *returns = arena_array(a, double, c->T + 1);
    const ppo_view v = {c->T, c->S, c->sequence, c->mask, c->state, c->old_logp, c->ref_logp, c->old_value, c->score};
    ppo_rewards(o, ppo_coefficient(o, NULL), &v, reward);
    ppo_advantages(o, &v, reward, raw, returns);
    for (int t = 0; t < c->T; t++) {
        kl[t] = c->mask[t] ? kl_value(o->estimator, (double)c->old_logp[t] - (double)c->ref_logp[t]) : 0;
        advantage[t] = advantage_at(c, t);
        if (!c->mask[t]) raw[t] = 0;
    }
    put_columns(w, "kl", c, kl, c->mask);
    put_columns(w, "reward", c, reward, c->state);
    put_columns(w, "advantage_before_whitening", c, raw, c->mask);
    put_columns(w, "advantage", c, advantage, c->mask);
    put_columns(w, "return", c, returns, c->state);
    arena_free(a);
}

static unsigned ppo_more(const void *opts) {
    const ppo_options *o = opts;
    return o->kl_coef > 0 || !isnan(o->target) || o->in_loss ? NEEDS(COLUMN_REF_LOGP) : 0;
}

static const char *const rollout[] = {"num_generations=1", "num_iterations=4", "temperature=0.7", "max_completion_length=53",
                                      NULL};

const objective objective_ppo = {.name = "ppo",
                                 .words = "raise the answers that earn more than a value head expected (PPO)",
                                 .rows = WANTS_PROMPTS,
                                 .scope = SCOPE_TOKEN,
                                 .reference = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_OLD_LOGP) | NEEDS(COLUMN_ADVANTAGE) |
                                          NEEDS(COLUMN_VALUE) | NEEDS(COLUMN_OLD_VALUE) | NEEDS(COLUMN_RETURNS) |
                                          NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MASK),
                                 .more_needs = ppo_more,
                                 .options = options,
                                 .options_size = sizeof(ppo_options),
                                 .learning_rate = 3e-6,
                                 .judge = ppo_judge,
                                 .judges_old = true,
                                 .rollout = rollout,
                                 .tempered = true,
                                 .loss = ppo_loss,
                                 .explain = ppo_explain};
