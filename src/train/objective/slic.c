/* slic.c - sequence likelihood calibration with human feedback, SLiC-HF (arXiv:2305.10425): the chosen answer ahead by a margin, without a
 * reference model.
 *
 * S is the sum of logp over the trained tokens of an answer, c the chosen, r the rejected, t a third one to imitate (or the chosen itself):
 *     loss = mean over the pairs of the step of  max(0, delta - S_c + S_r) - lambda S_t
 * While the margin is missed, a chosen token gets -1 / pairs and a rejected one +1 / pairs; one of t always -lambda / pairs. */
#include <string.h>

#include "train/objective.h"

typedef struct {
    double delta, lambda;
    const char *imitate;
} slic_options;

static const opt options[] = {
    {"delta", OPT_REAL, offsetof(slic_options, delta), "1", 0, 1e6, NULL,
     "ours: by how many nats the chosen answer should be ahead"},
    {"lambda", OPT_REAL, offsetof(slic_options, lambda), "0.1", 0, 1e6, NULL, "ours: weight of imitation"},
    {"imitate", OPT_CHOICE, offsetof(slic_options, imitate), "chosen", 0, 0, "chosen|reference",
     "ours: which answer is imitated, the chosen one or the rows' reference"},
    OPT_END,
};

static objective_rows slic_rows(const void *opts) {
    return strcmp(((const slic_options *)opts)->imitate, "chosen") == 0 ? WANTS_PAIRS : WANTS_TRIPLES;
}

/* One pair before it is divided by the number of pairs. */
typedef struct {
    seq chosen, rejected, target;
    double hinge, imitation;
} terms;

static terms read_pair(const slic_options *o, const columns *c, int p) {
    const struct pair_of *x = &c->pairs[p];
    terms t = {.chosen = c->sequence[x->chosen],
               .rejected = c->sequence[x->rejected],
               .target = c->sequence[x->target < 0 ? x->chosen : x->target]};
    const double behind = o->delta - sum_trained(c, c->logp, t.chosen) + sum_trained(c, c->logp, t.rejected);
    t.hinge = behind > 0 ? behind : 0;
    t.imitation = -o->lambda * sum_trained(c, c->logp, t.target);
    return t;
}

static double slic_loss(const void *opts, const columns *c, gradients *g) {
    const slic_options *o = opts;
    const double pairs = at_least_one(c->step.pairs);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const terms t = read_pair(o, c, p);
        loss += (t.hinge + t.imitation) / pairs;
        add_dlogp(c, g, t.chosen, t.hinge > 0 ? -1 / pairs : 0);
        add_dlogp(c, g, t.rejected, t.hinge > 0 ? 1 / pairs : 0);
        add_dlogp(c, g, t.target, -o->lambda / pairs);
        metric_add(g->metrics, "hinge", t.hinge, 1);
        metric_add(g->metrics, "active", t.hinge > 0, 1);
        metric_add_logps(g->metrics, sum_trained(c, c->logp, t.chosen), sum_trained(c, c->logp, t.rejected));
    }
    return loss;
}

static void slic_explain(const void *opts, const columns *c, json_writer *w) {
    put_sums(w, c);
    json_key(w, "loss_per_pair"), json_open(w, '[');
    for (int p = 0; p < c->P; p++) {
        const terms t = read_pair(opts, c, p);
        json_put_real(w, t.hinge + t.imitation);
    }
    json_close(w);
}

const objective objective_slic = {.name = "slic",
                                  .words = "bring the chosen answer ahead by a margin, without a reference model",
                                  .rows = WANTS_PAIRS,
                                  .rows_of = slic_rows,
                                  .scope = SCOPE_PAIR,
                                  .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_LABEL) |
                                           NEEDS(COLUMN_ROLE),
                                  .options = options,
                                  .options_size = sizeof(slic_options),
                                  .learning_rate = 1e-6,
                                  .loss = slic_loss,
                                  .explain = slic_explain};
