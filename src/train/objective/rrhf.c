/* rrhf.c - rank responses to align with human feedback, RRHF (arXiv:2304.05302): better answers should be likelier, without a reference
 * model.
 *
 * The answers to one prompt are a group; answer i has a score r_i and p_i = S_i / n_i^length_penalty, S the sum of logp over its n trained
 * tokens. Of a pair of data the chosen answer has score 1, the rejected one 0.
 *     loss = rrhf_weight * sum over the groups of the step and i, j of a group with r_i < r_j of  max(0, p_i - p_j)
 *            + mean over the groups of  -S_b / n_b,   b the answer with the best score (the first of equals)
 * Each pair in the wrong order adds +-rrhf_weight / n^length_penalty to the tokens of its answers; b gets -1 / (n_b groups) besides. */
#include <math.h>

#include "train/objective.h"

typedef struct {
    double rrhf_weight, length_penalty;
} rrhf_options;

static const opt options[] = {
    {"rrhf_weight", OPT_REAL, offsetof(rrhf_options, rrhf_weight), "100", 0, 1e6, NULL,
     "weight of the order beside the imitation (the authors' code 100, the paper 1)"},
    {"length_penalty", OPT_REAL, offsetof(rrhf_options, length_penalty), "1", 0, 10, NULL,
     "power of the length that log-probabilities are divided by"},
    OPT_END,
};

static double length_power(const rrhf_options *o, const columns *c, int s) {
    return pow(at_least_one(count_trained(c, c->sequence[s])), o->length_penalty);
}

static double worth(const rrhf_options *o, const columns *c, int s) {
    return sum_trained(c, c->logp, c->sequence[s]) / length_power(o, c, s);
}

/* What of the rank loss sequence i has to do with sequence j: how far the worse is above the better one. */
static double disorder(const rrhf_options *o, const columns *c, int i, int j) {
    if (c->group[i] != c->group[j] || !(c->score[i] < c->score[j])) return 0;
    return fmax(0, worth(o, c, i) - worth(o, c, j));
}

static bool is_first(const columns *c, int s) {
    for (int i = 0; i < s; i++)
        if (c->group[i] == c->group[s]) return false;
    return true;
}

static int best_of(const columns *c, int group) {
    int best = -1;
    for (int i = 0; i < c->S; i++)
        if (c->group[i] == group && (best < 0 || c->score[i] > c->score[best])) best = i;
    return best;
}

static double add_order(const rrhf_options *o, const columns *c, gradients *g) {
    double sum = 0;
    for (int i = 0; i < c->S; i++)
        for (int j = 0; j < c->S; j++) {
            const double d = disorder(o, c, i, j);
            if (!(d > 0)) continue;
            sum += d;
            add_dlogp(c, g, c->sequence[i], o->rrhf_weight / length_power(o, c, i));
            add_dlogp(c, g, c->sequence[j], -o->rrhf_weight / length_power(o, c, j));
        }
    return sum;
}

static double add_best(const columns *c, gradients *g) {
    const double groups = at_least_one(c->step.groups);
    double loss = 0;
    for (int s = 0; s < c->S; s++) {
        if (!is_first(c, s)) continue;
        const seq b = c->sequence[best_of(c, c->group[s])];
        const double n = at_least_one(count_trained(c, b)), nll = -sum_trained(c, c->logp, b) / n;
        loss += nll / groups;
        add_dlogp(c, g, b, -1 / (n * groups));
        metric_add(g->metrics, "nll_loss", nll, 1);
    }
    return loss;
}

static double rrhf_loss(const void *opts, const columns *c, gradients *g) {
    const rrhf_options *o = opts;
    const double order = add_order(o, c, g);
    metric_add_sum(g->metrics, "rank_loss", order);
    return o->rrhf_weight * order + add_best(c, g);
}

static void rrhf_explain(const void *opts, const columns *c, json_writer *w) {
    json_key(w, "length_normalised_logp"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, worth(opts, c, s));
    json_close(w);
    json_key(w, "rank_loss_per_group"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        double sum = 0;
        for (int i = 0; i < c->S; i++)
            for (int j = 0; j < c->S; j++) sum += c->group[i] == c->group[s] ? disorder(opts, c, i, j) : 0;
        if (is_first(c, s)) json_put_real(w, sum);
    }
    json_close(w);
    json_key(w, "best"), json_open(w, '[');
    for (int s = 0; s < c->S; s++)
        if (is_first(c, s)) json_put_int(w, best_of(c, c->group[s]));
    json_close(w);
}

const objective objective_rrhf = {.name = "rrhf",
                                  .words = "make better answers likelier than worse ones, and imitate the best",
                                  .rows = WANTS_PAIRS,
                                  .scope = SCOPE_PAIR,
                                  .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_GROUP) | NEEDS(COLUMN_SCORE),
                                  .options = options,
                                  .options_size = sizeof(rrhf_options),
                                  .learning_rate = 2e-5,
                                  .loss = rrhf_loss,
                                  .explain = rrhf_explain};
