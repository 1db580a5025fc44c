/* grpo_losses.c - the loss types of grpo as rows. r is the ratio (of a token or of its sequence), A the advantage, l = -min(...) etc.; the slope
 * is by log r.
 *
 *     clip    l = -min(r' A, clip(r, 1 - eps, 1 + eps_high) A), r' = min(r, delta)     slope  -r A where what is taken moves with r
 *             grpo: mean over completions of their mean (arXiv:2402.03300)   bnpo: over all tokens of the batch
 *             dr_grpo: over completions x max_completion_length (arXiv:2503.20783)   dapo: over all tokens of the rollout (arXiv:2503.14476)
 *             luspo: mean over completions of their sum
 *     sapo    l = -A 4/tau sigmoid(tau (r - 1)), tau by the sign of A                   slope  -4 A s (1 - s) r
 *     cispo   l = -const(min(r, eps_high)) A logp                                       (arXiv:2506.13585)
 *     vespo   l = -const(phi) A logp, log phi = lambda + k log w - lambda w, w the ratio of the whole completion
 *     gmpo    l = -A exp(mean of log r, clipped), one for the completion (arXiv:2507.20673): grpo.c sums it up */
#include <math.h>
#include <string.h>

#include "train/objective/grpo.h"

double grpo_log_ratio(const columns *c, int t) { return c->old_logp ? (double)c->logp[t] - (double)c->old_logp[t] : 0; }
double grpo_high(const grpo_options *o) { return isnan(o->epsilon_high) ? o->epsilon : o->epsilon_high; }

/* ---- terms -------------------------------------------------------------------------------------------------------------------------- */

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static term clip_term(const answer *a, double r, double logp) {
    const grpo_options *o = a->o;
    const bool cut = !isnan(o->delta) && r > o->delta;
    const double free = (cut ? o->delta : r) * a->A, held = clamp(r, 1 - o->epsilon, 1 + grpo_high(o)) * a->A;
    (void)logp;
    if (free <= held) return (term){-free, cut ? 0 : -free, 0};
    return (term){-held, r >= 1 - o->epsilon && r <= 1 + grpo_high(o) ? -held : 0, 0};
}

static term sapo_term(const answer *a, double r, double logp) {
    const double tau = a->A > 0 ? a->o->sapo_pos : a->o->sapo_neg, s = sigmoid(tau * (r - 1));
    (void)logp;
    return (term){-a->A * 4 / tau * s, -4 * a->A * s * (1 - s) * r, 0};
}

static term cispo_term(const answer *a, double r, double logp) {
    const double w = fmin(r, grpo_high(a->o));
    return (term){-w * a->A * logp, 0, -w * a->A};
}

static term vespo_term(const answer *a, double r, double logp) {
    (void)r;
    return (term){-a->phi * a->A * logp, 0, -a->phi * a->A};
}

double grpo_phi(const answer *a, const double *sampler_weight) {
    const grpo_options *o = a->o;
    const double least = log(1e-8), k = a->A >= 0 ? o->vespo_k_pos : o->vespo_k_neg,
                 lambda = fmax(a->A >= 0 ? o->vespo_lambda_pos : o->vespo_lambda_neg, 1e-4);
    double sum = 0;
    for (int t = a->s.begin; t < a->s.end; t++) {
        if (!a->c->mask[t]) continue;
        sum += clamp(grpo_log_ratio(a->c, t), -20, 20);
        if (sampler_weight) sum += clamp(log(sampler_weight[t]), least, 20);
    }
    const double log_w = clamp(sum, least, 20);
    return exp(lambda + k * log_w - lambda * exp(log_w));
}

/* ---- GMPO: log-ratios are clipped on the side that the advantage pulls to ------------------------------------------------------------ */

static double gmpo_log_ratio(const answer *a, double d) {
    if (a->A > 0) return fmin(d, clamp(d, -a->o->epsilon, grpo_high(a->o)));
    return fmax(d, clamp(d, -a->o->epsilon, grpo_high(a->o)));
}

bool grpo_geometric_cut(const answer *a, double d) { return a->A > 0 ? d > grpo_high(a->o) : d < -a->o->epsilon; }

double grpo_geometric(const answer *a, const double *keep) {
    double sum = 0, n = 0;
    for (int t = a->s.begin; t < a->s.end; t++) {
        sum += keep[t] * gmpo_log_ratio(a, grpo_log_ratio(a->c, t));
        n += keep[t];
    }
    return exp(sum / at_least_one(n));
}

/* ---- divisors ------------------------------------------------------------------------------------------------------------------------ */

static double over_answers(const answer *a) { return 1 / (a->n * at_least_one(a->c->step.sequences)); }
static double over_sums(const answer *a) { return 1 / at_least_one(a->c->step.sequences); }
static double over_batch(const answer *a) { return 1 / at_least_one(a->c->step.chosen_tokens); }
static double over_rollout(const answer *a) { return 1 / at_least_one(a->c->step.rollout_tokens); }
static double over_limit(const answer *a) {
    return 1 / (at_least_one(a->c->step.sequences) * at_least_one(a->c->step.most_tokens));
}

/* ---- metrics ------------------------------------------------------------------------------------------------------------------------- */

static clipped count_clipped(const answer *a, const double *ratios, double low, double high) {
    clipped k = {0};
    for (int t = a->s.begin; t < a->s.end; t++) {
        if (!a->c->mask[t]) continue;
        k.low += ratios[t] < low && a->A < 0;
        k.high += ratios[t] > high && a->A > 0;
        k.n++;
    }
    return k;
}

static void measure_clip(metrics *m, const answer *a, const double *ratios) {
    const clipped k = count_clipped(a, ratios, 1 - a->o->epsilon, 1 + grpo_high(a->o));
    if (strcmp(a->o->level, "token") == 0) metric_add_clipped(m, &k);
    else metric_add_clipped(m, &(clipped){k.n > 0 ? k.low / k.n : 0, k.n > 0 ? k.high / k.n : 0, k.n > 0});
}

static void measure_gmpo(metrics *m, const answer *a, const double *ratios) {
    const clipped k = count_clipped(a, ratios, exp(-a->o->epsilon), exp(grpo_high(a->o)));
    metric_add_clipped(m, &k);
}

static void measure_cispo(metrics *m, const answer *a, const double *ratios) {
    const clipped k = count_clipped(a, ratios, 0, grpo_high(a->o));
    metric_add(m, "cispo_clip_ratio", k.high, k.n);
}

static void measure_vespo(metrics *m, const answer *a, const double *ratios) {
    (void)ratios;
    metric_add(m, "vespo/phi_seq_mean", a->phi, 1);
}

static const grpo_loss losses[] = {
    {"grpo", clip_term, over_answers, measure_clip},    {"bnpo", clip_term, over_batch, measure_clip},
    {"dr_grpo", clip_term, over_limit, measure_clip},   {"dapo", clip_term, over_rollout, measure_clip},
    {"luspo", clip_term, over_sums, measure_clip},      {"sapo", sapo_term, over_answers, NULL},
    {"cispo", cispo_term, over_rollout, measure_cispo}, {"vespo", vespo_term, over_rollout, measure_vespo},
    {"gmpo", NULL, over_answers, measure_gmpo},
};

const grpo_loss *grpo_loss_find(const char *name) {
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (strcmp(losses[i].name, name) == 0) return &losses[i];
    bug("loss_type %s", name);
}
