/* tpo.c - triple preference optimisation (arXiv:2405.16681): a pair, and a third answer to imitate, without a reference model.
 *
 * S is the sum of logp over the n trained tokens of an answer, c the chosen, r the rejected one, x = S (ipo, tpo-l: S/n):
 *     loss = mean over the pairs of the step of link(x_c - x_r)  +  tpo_alpha * mean of -logp over all trained tokens of the third answers
 * link (links.h): sigmoid, hinge, ipo, or tpo-l: the sigmoid of beta (x_c - x_r) - tpo_l_gamma.
 * A chosen token gets link' / pairs (of means: and / n_c), a rejected one the negative, one of the third answer -tpo_alpha / tokens. */
#include "train/objective.h"
#include "train/objective/links.h"

typedef struct {
    double beta, label_smoothing, tpo_alpha, tpo_l_gamma;
    const char *loss_type;
} tpo_options;

#define AT(member) offsetof(tpo_options, member)
static const opt options[] = {
    {"beta", OPT_REAL, AT(beta), "0.01", 0, 1e6, NULL, "scale of the distance between the answers"},
    {"loss_type", OPT_CHOICE, AT(loss_type), "sigmoid", 0, 0, "sigmoid|hinge|ipo|tpo-l", "what is made of the distance"},
    {"label_smoothing", OPT_REAL, AT(label_smoothing), "0", 0, 0.5, NULL,
     "how often a preference is the wrong way round (sigmoid, tpo-l)"},
    {"tpo_alpha", OPT_REAL, AT(tpo_alpha), "1", 0, 1e6, NULL, "weight of imitating the third answers"},
    {"tpo_l_gamma", OPT_REAL, AT(tpo_l_gamma), "0.5", 0, 1e6, NULL, "how far apart the answers should come (tpo-l)"},
    OPT_END,
};

static const link_type types[] = {{"sigmoid", link_sigmoid, false},
                                  {"hinge", link_hinge, false},
                                  {"ipo", link_ipo, true},
                                  {"tpo-l", link_margin, true},
                                  {NULL, NULL, false}};

static bool tpo_check(const void *opts, err *e) {
    const tpo_options *o = opts;
    return o->beta > 0 || err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
}

static void add_metrics(const columns *c, seq s, const char *logits, metrics *m) {
    const double n = count_trained(c, s);
    if (c->entropy) metric_add(m, "entropy", sum_trained(c, c->entropy, s), n);
    if (c->mean_logit && logits) metric_add(m, logits, sum_trained(c, c->mean_logit, s), n);
}

/* The third answer of a pair: its share of the loss. */
static double imitate(const tpo_options *o, const columns *c, int target, gradients *g) {
    const double tokens = at_least_one(c->step.target_tokens);
    if (target < 0) return 0;
    add_dlogp(c, g, c->sequence[target], -o->tpo_alpha / tokens);
    add_metrics(c, c->sequence[target], NULL, g->metrics);
    return -o->tpo_alpha * sum_trained(c, c->logp, c->sequence[target]) / tokens;
}

static double tpo_loss(const void *opts, const columns *c, gradients *g) {
    const tpo_options *o = opts;
    const link_options how = {o->beta, o->label_smoothing, o->tpo_l_gamma};
    const link_type *type = link_find(types, o->loss_type);
    const double pairs = at_least_one(c->step.pairs);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const seq good = c->sequence[c->pairs[p].chosen], bad = c->sequence[c->pairs[p].rejected];
        const double nc = type->mean ? at_least_one(count_trained(c, good)) : 1,
                     nr = type->mean ? at_least_one(count_trained(c, bad)) : 1;
        const double xc = sum_trained(c, c->logp, good) / nc, xr = sum_trained(c, c->logp, bad) / nr;
        const linked l = type->link(&how, xc - xr);
        loss += l.loss / pairs + imitate(o, c, c->pairs[p].target, g);
        add_dlogp(c, g, good, l.slope / nc / pairs);
        add_dlogp(c, g, bad, -l.slope / nr / pairs);
        metric_add_rewards(g->metrics, o->beta * xc, o->beta * xr);
        metric_add_logps(g->metrics, xc, xr);
        add_metrics(c, good, "logits/chosen", g->metrics);
        add_metrics(c, bad, "logits/rejected", g->metrics);
        if (c->hit) metric_add(g->metrics, "mean_token_accuracy", sum_trained(c, c->hit, good), count_trained(c, good));
    }
    return loss;
}

const objective objective_tpo = {.name = "tpo",
                                 .words = "prefer the chosen answer and imitate a third one, without a reference model",
                                 .rows = WANTS_TRIPLES,
                                 .scope = SCOPE_PAIR,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_LABEL) |
                                          NEEDS(COLUMN_ROLE) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT) |
                                          NEEDS(COLUMN_MEAN_LOGIT),
                                 .options = options,
                                 .options_size = sizeof(tpo_options),
                                 .learning_rate = 5e-7,
                                 .check = tpo_check,
                                 .loss = tpo_loss};
