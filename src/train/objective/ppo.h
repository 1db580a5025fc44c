/* ppo.h - what PPO makes of a rollout before it learns from it (private to train/objective). */
#ifndef FETTLE_TRAIN_OBJECTIVE_PPO_H
#define FETTLE_TRAIN_OBJECTIVE_PPO_H

#include "train/objective.h"

/* Estimators of the distance from the reference for one token, d = log p - log q:
 *     token         name   value                slope by log p */
#define KL_ESTIMATORS(X)                                                                                                         \
    X(KL_K1, "k1", d, 1)                                                                                                         \
    X(KL_K2, "k2", d *d / 2, d)                                                                                                  \
    X(KL_K3, "k3", exp(-d) - 1 + d, 1 - exp(-d))                                                                                 \
    X(KL_ABS, "abs", fabs(d), (d > 0) - (d < 0))
#define KL_NAMES "k1|k2|k3|abs"

double kl_value(const char *estimator, double d);
double kl_slope(const char *estimator, double d);

typedef struct {
    const char *estimator, *in_loss;
    double kl_coef, init_kl_coef, target, horizon, gamma, lam, cliprange, cliprange_value, vf_coef, missing_eos_penalty,
        reward_clip, dual_clip, entropy_coef;
    bool whiten_rewards, whiten_advantages;
} ppo_options;

/* Tokens of a rollout, or of columns. state: where a value counts (NULL: where the mask does): with TRL's padded layout one more than there
 * are tokens. */
typedef struct {
    int T, S;
    const seq *sequence;
    const uint8_t *mask, *state;
    const float *old_logp, *ref_logp, *value, *score;
} ppo_view;

/* reward [T]: minus coef times the distance of each token, and the score where the sequence ends; whitened if that is asked for. */
void ppo_rewards(const ppo_options *o, double coef, const ppo_view *v, double *reward);
/* Generalised advantages (arXiv:1506.02438), before whitening, and returns. */
void ppo_advantages(const ppo_options *o, const ppo_view *v, const double *reward, double *advantage, double *returns);
/* To mean 0 (or the mean as it was) and deviation 1 over some places; a single one is left alone. */
void ppo_whiten(double *x, const uint8_t *where, int count, bool shift);
double ppo_coefficient(const ppo_options *o, const double *carry); /* in force now */
/* The coefficient behind a rollout of `count` completions whose mean distance was kl (arXiv:1909.08593). */
double ppo_next_coefficient(const ppo_options *o, double coef, double kl, double count);
void ppo_judge(const void *options, judged *j);

#endif
