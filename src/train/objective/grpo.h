/* grpo.h - what grpo.c and its losses (grpo_losses.c) share (private to them). */
#ifndef FETTLE_TRAIN_OBJECTIVE_GRPO_H
#define FETTLE_TRAIN_OBJECTIVE_GRPO_H

#include "train/objective/advantages.h"

typedef struct {
    const char *loss_type, *level, *scale_rewards, *aggregation, *sampler_mode;
    double beta, epsilon, epsilon_high, delta;
    double sapo_pos, sapo_neg, vespo_k_pos, vespo_k_neg, vespo_lambda_pos, vespo_lambda_neg;
    double off_policy_threshold, top_entropy, entropy_coef, entropy_min, entropy_max, entropy_delta, entropy_target;
    double sampler_min, sampler_max;
    bool bias_correction, adaptive_entropy;
} grpo_options;

/* One completion of the columns. */
typedef struct {
    const grpo_options *o;
    const columns *c;
    seq s;
    double n, A;  /* trained tokens, at least 1; its advantage */
    double ratio; /* of the sequence, where the level asks for one */
    double phi;   /* VESPO's weight, GMPO's mean ratio */
} answer;

/* A token's loss; its slope by the log-ratio, and by logp where a factor in front of logp is held constant. */
typedef struct {
    double value, slope, direct;
} term;

typedef struct grpo_loss {
    const char *name;
    term (*token)(const answer *a, double ratio, double logp); /* NULL: one number for the completion (GMPO) */
    double (*weight)(const answer *a); /* of each token in the loss: one over a divisor of the whole step */
    void (*measure)(metrics *m, const answer *a,
                    const double *ratios); /* its share of the metrics; ratios by token of the answer */
} grpo_loss;
const grpo_loss *grpo_loss_find(const char *name);

double grpo_log_ratio(const columns *c, int t);                 /* logp - old_logp; 0 without old ones */
double grpo_high(const grpo_options *o);                        /* epsilon_high, or epsilon where it is unset */
double grpo_phi(const answer *a, const double *sampler_weight); /* VESPO: [T] weights or NULL */
double grpo_geometric(const answer *a, const double *keep);     /* GMPO: exp of the mean clipped log-ratio */
bool grpo_geometric_cut(const answer *a, double log_ratio);

#endif
