/* dpo_losses.c - one function per loss type with its formula and paper, one pair of functions per divergence.
 * x = beta d, ls = log sigmoid = -softplus(-x); names as in dpo.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "train/objective.h"
#include "train/objective/dpo.h"

static double margin(const pair_terms *p) { return p->beta * (p->a - p->b); }

/* A loss of d = a - b alone. */
static void answer(pair_terms *p, double loss, double slope) {
    p->loss = loss;
    p->da = slope;
    p->db = -slope;
}

/* ---- loss types ------------------------------------------------------------------------------------------------------------- */

/* -(1-s) ls(x) - s ls(-x)                                       (arXiv:2305.18290; s > 0: conservative DPO) */
static void sigmoid_link(pair_terms *p) {
    const double x = margin(p), s = p->smoothing;
    answer(p, (1 - s) * softplus(-x) + s * softplus(x), p->beta * (sigmoid(x) - (1 - s)));
}

/* max(0, 1 - x)                                                                            (arXiv:2309.06657) */
static void hinge_link(pair_terms *p) {
    const double x = margin(p);
    answer(p, x < 1 ? 1 - x : 0, x < 1 ? -p->beta : 0);
}

/* (a/n_c - b/n_r - 1/(2 beta))^2                                                           (arXiv:2310.12036) */
static void ipo_link(pair_terms *p) {
    const double e = p->a / p->nc - p->b / p->nr - 1 / (2 * p->beta);
    p->loss = e * e;
    p->da = 2 * e / p->nc;
    p->db = -2 * e / p->nr;
}

/* (-(1-s) ls(x) + s ls(-x)) / (1 - 2s)                                                     (arXiv:2403.00409) */
static void robust_link(pair_terms *p) {
    const double x = margin(p), s = p->smoothing, scale = 1 - 2 * s;
    answer(p, ((1 - s) * softplus(-x) - s * softplus(x)) / scale, -p->beta * ((1 - s) * sigmoid(-x) + s * sigmoid(x)) / scale);
}

/* q (ls(x) - log(1-s)) + (1-q) (ls(-x) - log s),  q = sigmoid(x): KL from (q, 1-q) to (1-s, s)   (arXiv:2402.00856) */
static void exo_pair_link(pair_terms *p) {
    const double x = margin(p), q = sigmoid(x), s = p->smoothing;
    answer(p, q * (-softplus(-x) - log1p(-s)) + (1 - q) * (-softplus(x) - log(s)),
           p->beta * q * (1 - q) * (x - log1p(-s) + log(s)));
}

/* -ls(beta a) - ls(-beta a)/2 - ls(-beta b)/2                                              (arXiv:2402.05369) */
static void nca_pair_link(pair_terms *p) {
    const double x = p->beta * p->a, y = p->beta * p->b;
    p->loss = softplus(-x) + 0.5 * softplus(x) + 0.5 * softplus(y);
    p->da = p->beta * (1.5 * sigmoid(x) - 1);
    p->db = 0.5 * p->beta * sigmoid(y);
}

/* -ls(beta a) - ls(-beta b)                                                                (arXiv:2404.04656) */
static void bco_pair_link(pair_terms *p) {
    const double x = p->beta * p->a, y = p->beta * p->b;
    p->loss = softplus(-x) + softplus(y);
    p->da = -p->beta * sigmoid(-x);
    p->db = p->beta * sigmoid(y);
}

/* (a - h)^2 + (b + h)^2,  h = 1/(2 beta)                                                   (arXiv:2405.00675) */
static void sppo_hard_link(pair_terms *p) {
    const double h = 0.5 / p->beta;
    p->loss = (p->a - h) * (p->a - h) + (p->b + h) * (p->b + h);
    p->da = 2 * (p->a - h);
    p->db = 2 * (p->b + h);
}

/* The sigmoid loss of answers that were matched anew: alignment by optimal transport      (arXiv:2406.05882) */
static void aot_link(pair_terms *p) { sigmoid_link(p); }
static void aot_unpaired_link(pair_terms *p) { sigmoid_link(p); }

/* 1 - sigmoid(beta a) + sigmoid(beta b)                                                    (arXiv:2408.06266) */
static void apo_zero_link(pair_terms *p) {
    const double x = sigmoid(p->beta * p->a), y = sigmoid(p->beta * p->b);
    p->loss = 1 - x + y;
    p->da = -p->beta * x * (1 - x);
    p->db = p->beta * y * (1 - y);
}

/* sigmoid(beta a) + 1 - sigmoid(x)                                                         (arXiv:2408.06266) */
static void apo_down_link(pair_terms *p) {
    const double x = sigmoid(p->beta * p->a), y = sigmoid(margin(p));
    p->loss = x + 1 - y;
    p->da = p->beta * (x * (1 - x) - y * (1 - y));
    p->db = p->beta * y * (1 - y);
}

/* -(1-m) ls(x) + m e^-x,  m = sigmoid(x/tau).  m e^-x is finite although e^-x alone is not   (arXiv:2406.08414) */
static void discopop_link(pair_terms *p) {
    const double x = margin(p), m = sigmoid(x / p->tau), rest = sigmoid(-x / p->tau), me = exp(-x - softplus(-x / p->tau));
    answer(p, rest * softplus(-x) + me, p->beta * (rest / p->tau * (me - m * softplus(-x)) - rest * sigmoid(-x) - me));
}

/* -ls(beta (a/n_c - b/n_r)): log-ratios per token */
static void sigmoid_norm_link(pair_terms *p) {
    const double x = p->beta * (p->a / p->nc - p->b / p->nr), slope = -p->beta * sigmoid(-x);
    p->loss = softplus(-x);
    p->da = slope / p->nc;
    p->db = -slope / p->nr;
}

#define sft_link NULL

/* ---- matchings of a batch -------------------------------------------------------------------------------------------------------- */

typedef struct {
    double key;
    int pair;
} ranked;

static int by_key(const void *x, const void *y) {
    const ranked *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->pair - b->pair; /* equal keys stay in order, so that the result is one */
}

static void rank(ranked *r, int P) { qsort(r, (size_t)P, sizeof *r, by_key); }

/* The i-th smallest margin of the policy meets the i-th smallest of the reference: d_i = (S_c - S_r)_(i) - (Q_c - Q_r)_(i) */
static void match_margins(const log_sums *chosen, const log_sums *rejected, int P, matching *out) {
    arena *a = arena_new();
    ranked *policy = arena_array(a, ranked, P + 1), *reference = arena_array(a, ranked, P + 1);
    for (int p = 0; p < P; p++) {
        policy[p] = (ranked){chosen[p].S - rejected[p].S, p};
        reference[p] = (ranked){chosen[p].Q - rejected[p].Q, p};
    }
    rank(policy, P);
    rank(reference, P);
    for (int i = 0; i < P; i++) out[i] = (matching){policy[i].pair, policy[i].pair, reference[i].pair, reference[i].pair};
    arena_free(a);
}

/* The i-th smallest log-ratio of the chosen answers meets the i-th smallest of the rejected: d_i = a_(i) - b_(i) */
static void match_sides(const log_sums *chosen, const log_sums *rejected, int P, matching *out) {
    arena *a = arena_new();
    ranked *good = arena_array(a, ranked, P + 1), *bad = arena_array(a, ranked, P + 1);
    for (int p = 0; p < P; p++) {
        good[p] = (ranked){chosen[p].S - chosen[p].Q, p};
        bad[p] = (ranked){rejected[p].S - rejected[p].Q, p};
    }
    rank(good, P);
    rank(bad, P);
    for (int i = 0; i < P; i++) out[i] = (matching){good[i].pair, bad[i].pair, good[i].pair, bad[i].pair};
    arena_free(a);
}

static const dpo_loss_type types[] = {
#define X(name, match, divergence) {#name, name##_link, match, divergence},
    DPO_LOSS_TYPES(X)
#undef X
};

const dpo_loss_type *dpo_loss_type_of(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

/* ---- divergences ---------------------------------------------------------------------------------------------------------------------- */

/* f-DPO (arXiv:2309.16240). The constants cancel in d, but not where each side is divided by its own length. e^80 is near the end
 * of float32: an exponent beyond it is held there, and its slope is 0. */
enum { EXPONENT_MOST = 80 };

/* u: plain DPO */
static double reverse_kl_score(double u, double coef) { return (void)coef, u; }
static double reverse_kl_slope(double u, double coef) { return (void)u, (void)coef, 1; }

/* (e^((alpha-1) u) - 1) / (alpha - 1);  alpha = 1: u */
static double alpha_divergence_score(double u, double alpha) {
    return alpha == 1 ? u : expm1(fmin((alpha - 1) * u, EXPONENT_MOST)) / (alpha - 1);
}
static double alpha_divergence_slope(double u, double alpha) {
    return (alpha - 1) * u > EXPONENT_MOST ? 0 : exp((alpha - 1) * u);
}

/* 1 - e^-u: alpha = 0 */
static double forward_kl_score(double u, double coef) { return (void)coef, alpha_divergence_score(u, 0); }
static double forward_kl_slope(double u, double coef) { return (void)coef, alpha_divergence_slope(u, 0); }

/* log 2 + log sigmoid(u) */
static double js_divergence_score(double u, double coef) { return (void)coef, M_LN2 - softplus(-u); }
static double js_divergence_slope(double u, double coef) { return (void)coef, sigmoid(-u); }

static const dpo_divergence divergences[] = {
#define X(name) {#name, name##_score, name##_slope},
    DPO_DIVERGENCES(X)
#undef X
};

const dpo_divergence *dpo_divergence_of(const char *name) {
    for (size_t i = 0; i < sizeof divergences / sizeof *divergences; i++)
        if (strcmp(divergences[i].name, name) == 0) return &divergences[i];
    return NULL;
}
