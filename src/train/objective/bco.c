/* bco.c - binary classifier optimisation (arXiv:2404.04656): good and bad answers told apart by their reward, beside a reference.
 *
 * r = beta (S - Q) is the reward of an answer, delta the mean of all rewards seen so far, both kinds, this step's included (held
 * constant, kept from step to step):
 *     loss = mean over the answers of the step of
 *            good:  -log sigmoid(r - delta)                dl/dS = -beta sigmoid(-(r - delta))
 *            bad:   -w log sigmoid(-(r - delta))           dl/dS = +w beta sigmoid(r - delta)
 * w = 1, or where it is known how probable a good answer to this prompt is, p: w = p / (1 - p), between min_density_ratio and
 * max_density_ratio. */
#include <math.h>

#include "train/objective.h"

typedef struct {
    double beta, min_density_ratio, max_density_ratio;
} bco_options;

#define AT(member) offsetof(bco_options, member)
static const opt options[] = {
    {"beta", OPT_REAL, AT(beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the reference"},
    {"min_density_ratio", OPT_REAL, AT(min_density_ratio), "0.5", 0, 1e6, NULL,
     "least weight of a bad answer whose row says desirable_probability"},
    {"max_density_ratio", OPT_REAL, AT(max_density_ratio), "10", 0, 1e6, NULL, "largest weight of such a bad answer"},
    OPT_END,
};

enum { DELTA, SEEN }; /* what is carried: the mean of all rewards, and of how many */

static bool bco_check(const void *opts, err *e) {
    const bco_options *o = opts;
    if (!(o->beta > 0)) return err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
    return o->min_density_ratio <= o->max_density_ratio ||
           err_set(e, ERR_USAGE, "min_density_ratio %g is above max_density_ratio %g", o->min_density_ratio,
                   o->max_density_ratio);
}

static double reward(const bco_options *o, const columns *c, int s) {
    return o->beta * (sum_trained(c, c->logp, c->sequence[s]) - sum_trained(c, c->ref_logp, c->sequence[s]));
}

static double weight_of(const bco_options *o, const columns *c, int s) {
    if (c->label[s] || !c->desirable_probability || isnan(c->desirable_probability[s])) return 1;
    const double p = (double)c->desirable_probability[s];
    return fmin(fmax(p / (1 - p + 1e-8), o->min_density_ratio), o->max_density_ratio);
}

/* Loss of one answer, and its slope by S. */
static double answer_loss(const bco_options *o, const columns *c, int s, double delta, double *slope) {
    const double sign = c->label[s] ? 1 : -1, x = sign * (reward(o, c, s) - delta), w = weight_of(o, c, s);
    *slope = -sign * w * o->beta * sigmoid(-x);
    return w * softplus(-x);
}

static double updated(const bco_options *o, const columns *c) {
    double sum = 0;
    for (int s = 0; s < c->S; s++) sum += reward(o, c, s);
    c->carry[SEEN] += c->S;
    c->carry[DELTA] += (sum - c->S * c->carry[DELTA]) / c->carry[SEEN];
    return c->carry[DELTA];
}

static double bco_loss(const void *opts, const columns *c, gradients *g) {
    const bco_options *o = opts;
    const double N = at_least_one(c->step.sequences), delta = c->S ? updated(o, c) : c->carry[DELTA];
    labelled_means means = {0};
    double loss = 0;
    for (int s = 0; s < c->S; s++) {
        double slope;
        loss += answer_loss(o, c, s, delta, &slope) / N;
        add_dlogp(c, g, c->sequence[s], slope / N);
        metric_add_answer(g->metrics, c, s, reward(o, c, s), &means);
    }
    metric_add(g->metrics, "delta", delta, 1);
    metric_add_margin(g->metrics, &means);
    return loss;
}

static double bco_start(const void *opts) { return (void)opts, M_LN2; }

/* Behind the loss: delta is this step's. */
static void bco_explain(const void *opts, const columns *c, json_writer *w) {
    double slope;
    json_key(w, "reward"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, reward(opts, c, s));
    json_close(w);
    json_key(w, "delta_count"), json_put_real(w, c->carry[SEEN]);
    json_key(w, "weight"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, weight_of(opts, c, s));
    json_close(w);
    json_key(w, "loss_per_sequence"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, answer_loss(opts, c, s, c->carry[DELTA], &slope));
    json_close(w);
}

const objective objective_bco = {.name = "bco",
                                 .words = "tell good answers from bad ones, each for itself",
                                 .rows = WANTS_LABELLED,
                                 .scope = SCOPE_STEP,
                                 .reference = true,
                                 .older_rows = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_LABEL) |
                                          NEEDS(COLUMN_DESIRABLE_PROBABILITY) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MEAN_LOGIT),
                                 .options = options,
                                 .options_size = sizeof(bco_options),
                                 .learning_rate = 5e-7,
                                 .check = bco_check,
                                 .loss = bco_loss,
                                 .start = bco_start,
                                 .carry = {"delta_mean", "delta_count"},
                                 .explain = bco_explain};
