/* advantages.h - rewards of a rollout to advantages, and clipped ratios (private to the objectives that learn from rollouts). */
#ifndef FETTLE_TRAIN_OBJECTIVE_ADVANTAGES_H
#define FETTLE_TRAIN_OBJECTIVE_ADVANTAGES_H

#include "train/objective.h"

/* Mean and standard deviation (n - 1; 0 of fewer than two) of values that are numbers. */
typedef struct {
    double mean, deviation;
    int count;
} spread;
spread spread_of(const double *x, int count);
spread spread_of_group(const judged *j, const double *x, int group);

/* sum over functions of weight * reward, those without a word left out; NAN where none has one. Fills j->score. out [S] */
void score_all(judged *j, double *out);
double advantage_of(const columns *c, seq s);            /* of the whole completion: that of its last token (a prompt has none) */
void put_advantages(judged *j, const double *advantage); /* [S] to every token; NAN is 0 */
/* reward, reward_std, frac_reward_zero_std: completions of groups (whole: of rollouts) whose rewards are all equal */
void metric_add_scores(judged *j, const double *score, bool whole);

/* clip_ratio/low_mean ... of n ratios (tokens, or 1 where the ratio is one per sequence) of one sequence: how many were cut off below with a
 * negative advantage, above with a positive one. */
typedef struct {
    double low, high, n;
} clipped;
void metric_add_clipped(metrics *m, const clipped *c);

#endif
