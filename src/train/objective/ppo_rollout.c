/* ppo_rollout.c - from the scores of a rollout to advantages and returns.
 *
 * o and q are log-probabilities of a token under the policy that wrote it and under the reference, v the value of the state before it:
 *     reward_t = -kl_coef kl(o_t - q_t),  at the end of the answer + score        (kl in the loss instead: no such term)
 *     delta_t  = reward_t + gamma v_{t+1} - v_t,  v behind the end = 0
 *     A_t      = delta_t + gamma lam A_{t+1},     return_t = A_t + v_t            (GAE, arXiv:1506.02438)
 * and A is whitened over the rollout. The score of an answer that did not end is less missing_eos_penalty.
 * Adaptive coefficient: coef <- coef (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)           (arXiv:1909.08593) */
#include "train/objective/ppo.h"

#include <math.h>
#include <string.h>

double kl_value(const char *estimator, double d) {
#define X(token, name, value, slope)                                                                                             \
    if (strcmp(estimator, name) == 0) return value;
    KL_ESTIMATORS(X)
#undef X
    bug("no estimator '%s'", estimator);
}

double kl_slope(const char *estimator, double d) {
#define X(token, name, value, slope)                                                                                             \
    if (strcmp(estimator, name) == 0) return slope;
    KL_ESTIMATORS(X)
#undef X
    bug("no estimator '%s'", estimator);
}

static const uint8_t *states_of(const ppo_view *v) { return v->state ? v->state : v->mask; }

void ppo_whiten(double *x, const uint8_t *where, int count, bool shift) {
    double n = 0, sum = 0, squares = 0;
    for (int t = 0; t < count; t++)
        if (where[t]) sum += x[t], n++;
    if (n < 2) return;
    const double mean = sum / n;
    for (int t = 0; t < count; t++)
        if (where[t]) squares += (x[t] - mean) * (x[t] - mean);
    const double scale = 1 / sqrt(squares / (n - 1) + 1e-8);
    for (int t = 0; t < count; t++)
        if (where[t]) x[t] = (x[t] - mean) * scale + (shift ? 0 : mean);
}

void ppo_rewards(const ppo_options *o, double coef, const ppo_view *v, double *reward) {
    const uint8_t *state = states_of(v);
    for (int s = 0; s < v->S; s++) {
        int last = -1;
        for (int t = v->sequence[s].begin; t < v->sequence[s].end; t++) {
            const bool far = v->mask[t] && v->ref_logp && !o->in_loss;
            reward[t] = far ? -coef * kl_value(o->estimator, (double)v->old_logp[t] - (double)v->ref_logp[t]) : 0;
            if (state[t]) last = t;
        }
        if (last >= 0) reward[last] += (double)v->score[s];
    }
    if (o->whiten_rewards) ppo_whiten(reward, state, v->T, false);
}

void ppo_advantages(const ppo_options *o, const ppo_view *v, const double *reward, double *advantage, double *returns) {
    const uint8_t *state = states_of(v);
    for (int s = 0; s < v->S; s++) {
        double next_value = 0, next = 0;
        for (int t = v->sequence[s].end - 1; t >= v->sequence[s].begin; t--) {
            advantage[t] = returns[t] = 0;
            if (!state[t]) continue;
            const double value = (double)v->value[t];
            next = reward[t] + o->gamma * next_value - value + o->gamma * o->lam * next;
            next_value = value;
            advantage[t] = next;
            returns[t] = next + value;
        }
    }
}

double ppo_coefficient(const ppo_options *o, const double *carry) {
    if (carry && carry[0] > 0) return carry[0];
    return isnan(o->init_kl_coef) ? o->kl_coef : o->init_kl_coef;
}

double ppo_next_coefficient(const ppo_options *o, double coef, double kl, double count) {
    if (isnan(o->target)) return coef;
    return coef * (1 + fmax(-0.2, fmin(0.2, kl / o->target - 1)) * count / o->horizon);
}

/* A completion's functions together, with what is taken off and the limit; one that no function has a word on is worth 0. */
static float score_of(const ppo_options *o, const judged *j, int i) {
    double sum = 0;
    for (int f = 0; f < j->F; f++) {
        const float x = j->rewards[i * j->F + f];
        if (!isnan(x)) sum += j->weights[f] * (double)x;
    }
    if (j->truncated[i] && !isnan(o->missing_eos_penalty)) sum -= o->missing_eos_penalty;
    if (o->reward_clip > 0) sum = fmax(-o->reward_clip, fmin(o->reward_clip, sum));
    return (float)sum;
}

/* TRL's names; means over completions of sums over their tokens. Returns the mean distance. */
static double log_rollout(const ppo_options *o, double coef, const judged *j) {
    double kl = 0, penalty = 0, entropy = 0, score = 0, ended = 0;
    for (int i = 0; i < j->S; i++) {
        score += (double)j->score[i];
        ended += !j->truncated[i];
        for (int t = j->sequence[i].begin; t < j->sequence[i].end; t++) {
            if (!j->mask[t]) continue;
            const double one = j->ref_logp ? kl_value(o->estimator, (double)j->old_logp[t] - (double)j->ref_logp[t]) : 0;
            kl += one;
            penalty -= o->in_loss ? 0 : coef * one;
            entropy -= (double)j->old_logp[t];
        }
    }
    const double n = at_least_one(j->S);
    metric_add(j->metrics, "objective/kl", kl, n);
    metric_add(j->metrics, "objective/entropy", entropy, n);
    metric_add(j->metrics, "objective/non_score_reward", penalty, n);
    metric_add(j->metrics, "objective/rlhf_reward", score + penalty, n);
    metric_add(j->metrics, "objective/scores", score, n);
    metric_add(j->metrics, "objective/kl_coef", coef, 1);
    metric_add(j->metrics, "val/num_eos_tokens", ended, 1);
    return kl / n;
}

void ppo_judge(const void *options, judged *j) {
    const ppo_options *o = options;
    const double coef = ppo_coefficient(o, j->carry);
    for (int i = 0; i < j->S; i++) j->score[i] = score_of(o, j, i);
    const ppo_view v = {j->T, j->S, j->sequence, j->mask, j->state, j->old_logp, j->ref_logp, j->value, j->score};
    double *reward = arena_array(j->a, double, j->T + 1), *advantage = arena_array(j->a, double, j->T + 1),
           *returns = arena_array(j->a, double, j->T + 1);
    ppo_rewards(o, coef, &v, reward);
    ppo_advantages(o, &v, reward, advantage, returns);
    if (o->whiten_advantages) ppo_whiten(advantage, j->mask, j->T, true);
    for (int t = 0; t < j->T; t++) {
        j->advantage[t] = j->mask[t] ? (float)advantage[t] : 0;
        if (j->advantage_rest) j->advantage_rest[t] = j->mask[t] ? (float)(advantage[t] - (double)j->advantage[t]) : 0;
        j->returns[t] = (float)returns[t];
    }
    const double kl = log_rollout(o, coef, j);
    if (j->carry) j->carry[0] = ppo_next_coefficient(o, coef, kl, j->S);
}
