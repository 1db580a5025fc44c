/* kto.c - Kahneman-Tversky optimisation (arXiv:2402.01306): answers that are good or bad, each for itself, beside a reference.
 *
 * u = S - Q is the log-ratio of an answer: sums of logp and ref_logp over its trained tokens. z0 estimates how far the policy is from the
 * reference: the same log-ratio of mismatched answers (another prompt's answer behind this prompt), held constant:
 *     z0   = max(0, mean over the mismatched answers of S' - Q')
 *     loss = mean over the answers of the step of
 *            good:  desirable_weight   (1 - sigmoid(beta (u - z0)))      dl/dS = -weight beta sigmoid(x) sigmoid(-x),  x = beta (u - z0)
 *            bad:   undesirable_weight (1 - sigmoid(beta (z0 - u)))      dl/dS = +weight beta sigmoid(x) sigmoid(-x),  x = beta (z0 - u)
 * apo_zero_unpaired (arXiv:2408.06266): z0 = 0, no mismatched answers. */
#include <math.h>
#include <string.h>

#include "train/objective.h"

typedef struct {
    double beta, desirable_weight, undesirable_weight;
    const char *loss_type;
} kto_options;

#define AT(member) offsetof(kto_options, member)
static const opt options[] = {
    {"beta", OPT_REAL, AT(beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the reference"},
    {"loss_type", OPT_CHOICE, AT(loss_type), "kto", 0, 0, "kto|apo_zero_unpaired",
     "what an answer is measured against: mismatched answers, or zero"},
    {"desirable_weight", OPT_REAL, AT(desirable_weight), "1", 0, 1e6, NULL, "weight of the good answers"},
    {"undesirable_weight", OPT_REAL, AT(undesirable_weight), "1", 0, 1e6, NULL, "weight of the bad answers"},
    OPT_END,
};

static bool measures(const kto_options *o) { return strcmp(o->loss_type, "kto") == 0; }

static objective_rows kto_rows(const void *opts) { return measures(opts) ? WANTS_MATCHED : WANTS_LABELLED; }

static bool kto_check(const void *opts, err *e) {
    const kto_options *o = opts;
    return o->beta > 0 || err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
}

static double log_ratio(const columns *c, int s) {
    return sum_trained(c, c->logp, c->sequence[s]) - sum_trained(c, c->ref_logp, c->sequence[s]);
}

/* z0 */
static double distance(const columns *c) {
    double sum = 0, n = 0;
    for (int s = 0; s < c->S; s++)
        if (sequence_role_of(c, s) == ROLE_MISMATCHED) sum += log_ratio(c, s), n++;
    return n > 0 ? fmax(0, sum / n) : 0;
}

/* Loss of one answer, and its slope by S. */
static double answer_loss(const kto_options *o, bool good, double u, double z0, double *slope) {
    const double sign = good ? 1 : -1, weight = good ? o->desirable_weight : o->undesirable_weight, x = sign * o->beta * (u - z0);
    *slope = -sign * weight * o->beta * sigmoid(x) * sigmoid(-x);
    return weight * sigmoid(-x);
}

static double kto_loss(const void *opts, const columns *c, gradients *g) {
    const kto_options *o = opts;
    const double N = at_least_one(c->step.sequences), z0 = distance(c);
    labelled_means means = {0};
    double loss = 0;
    for (int s = 0; s < c->S; s++) {
        if (sequence_role_of(c, s) == ROLE_MISMATCHED) continue;
        double slope;
        const double u = log_ratio(c, s);
        loss += answer_loss(o, c->label[s], u, z0, &slope) / N;
        add_dlogp(c, g, c->sequence[s], slope / N);
        metric_add_answer(g->metrics, c, s, o->beta * u, &means);
    }
    metric_add(g->metrics, "kl", z0, 1);
    metric_add_margin(g->metrics, &means);
    return loss;
}

/* Whatever the labels, when both count the same: u = z0 = 0. */
static double kto_start(const void *opts) {
    const kto_options *o = opts;
    return o->desirable_weight == o->undesirable_weight ? o->desirable_weight / 2 : (double)NAN;
}

static void kto_explain(const void *opts, const columns *c, json_writer *w) {
    const double z0 = distance(c);
    double slope;
    json_key(w, "log_ratio"), json_open(w, '[');
    for (int s = 0; s < c->S; s++)
        if (sequence_role_of(c, s) != ROLE_MISMATCHED) json_put_real(w, log_ratio(c, s));
    json_close(w);
    json_key(w, "loss_per_sequence"), json_open(w, '[');
    for (int s = 0; s < c->S; s++)
        if (sequence_role_of(c, s) != ROLE_MISMATCHED)
            json_put_real(w, answer_loss(opts, c->label[s], log_ratio(c, s), z0, &slope));
    json_close(w);
}

/* z0 is of all answers of the step, and so are the means whose difference is rewards/margins. */
const objective objective_kto = {.name = "kto",
                                 .words = "raise good answers and lower bad ones, each for itself",
                                 .rows = WANTS_MATCHED,
                                 .rows_of = kto_rows,
                                 .scope = SCOPE_STEP,
                                 .reference = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_LABEL) |
                                          NEEDS(COLUMN_ROLE) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MEAN_LOGIT),
                                 .options = options,
                                 .options_size = sizeof(kto_options),
                                 .learning_rate = 1e-6,
                                 .check = kto_check,
                                 .loss = kto_loss,
                                 .start = kto_start,
                                 .explain = kto_explain};
