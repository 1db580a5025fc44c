/* cpo.c - contrastive preference optimisation (arXiv:2401.08417): pairs without a reference, beside imitation of the chosen answers.
 *
 * S is the sum of logp over the n trained tokens of an answer, c the chosen, r the rejected one, x = S (ipo, simpo: S/n):
 *     z    = v(x_c) - v(x_r)
 *     loss = mean over the pairs of the step of link(z)  +  cpo_alpha * mean of -logp over all trained tokens of chosen answers
 * link (links.h): sigmoid, hinge, ipo, or simpo: the sigmoid of beta z - simpo_gamma.
 * v(x) = x, or with alpha (AlphaPO, arXiv:2501.03884)  v(x) = (1 - e^(-alpha x)) / alpha,  v'(x) = e^(-alpha x), whose exponent is held
 * at 80. A chosen token gets  link' v'(x_c) / pairs  (ipo, simpo: and / n_c)  - cpo_alpha / tokens,  a rejected one  -link' v'(x_r) ... */
#include "train/objective/cpo.h"

#include <math.h>

#include "train/objective/links.h"

static const opt options[] = {CPO_OPTIONS("sigmoid", "sigmoid|hinge|ipo|simpo", "0.1", "1", "0.5", "0")};

static const link_type types[] = {{"sigmoid", link_sigmoid, false},
                                  {"hinge", link_hinge, false},
                                  {"ipo", link_ipo, true},
                                  {"simpo", link_margin, true},
                                  {NULL, NULL, false}};

static link_options how(const cpo_options *o) { return (link_options){o->beta, o->label_smoothing, o->simpo_gamma}; }

bool cpo_check(const void *opts, err *e) {
    const cpo_options *o = opts;
    return o->beta > 0 || err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------------------------- */

enum { EXPONENT_MOST = 80 };

/* One answer: x, what it is worth, and the slope of that by each trained logp. */
typedef struct {
    seq tokens;
    double S, n, x, worth, slope;
} answer;

static answer read_answer(const cpo_options *o, const columns *c, int s, bool mean) {
    answer a = {.tokens = c->sequence[s], .S = sum_trained(c, c->logp, c->sequence[s]), .n = count_trained(c, c->sequence[s])};
    const double each = mean ? 1 / at_least_one(a.n) : 1;
    a.x = a.S * each;
    const double exponent = fmin(-o->alpha * a.x, EXPONENT_MOST);
    a.worth = o->alpha == 0 ? a.x : -expm1(exponent) / o->alpha;
    a.slope = each * (o->alpha == 0 ? 1 : -o->alpha * a.x > EXPONENT_MOST ? 0 : exp(exponent));
    return a;
}

double cpo_loss(const void *opts, const columns *c, gradients *g) {
    const cpo_options *o = opts;
    const link_type *type = link_find(types, o->loss_type);
    const link_options h = how(o);
    const double pairs = at_least_one(c->step.pairs), tokens = at_least_one(c->step.chosen_tokens);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const answer good = read_answer(o, c, c->pairs[p].chosen, type->mean),
                     bad = read_answer(o, c, c->pairs[p].rejected, type->mean);
        const linked l = type->link(&h, good.worth - bad.worth);
        loss += l.loss / pairs - o->cpo_alpha * good.S / tokens;
        add_dlogp(c, g, good.tokens, l.slope * good.slope / pairs - o->cpo_alpha / tokens);
        add_dlogp(c, g, bad.tokens, -l.slope * bad.slope / pairs);
        metric_add_rewards(g->metrics, o->beta * good.worth, o->beta * bad.worth);
        metric_add_logps(g->metrics, good.x, bad.x);
        metric_add(g->metrics, "nll_loss", o->cpo_alpha > 0 ? -good.S : 0, o->cpo_alpha > 0 ? good.n : 1);
        if (!c->mean_logit) continue;
        metric_add(g->metrics, "logits/chosen", sum_trained(c, c->mean_logit, good.tokens), good.n);
        metric_add(g->metrics, "logits/rejected", sum_trained(c, c->mean_logit, bad.tokens), bad.n);
    }
    return loss;
}

void cpo_explain(const void *opts, const columns *c, json_writer *w) {
    const cpo_options *o = opts;
    const link_type *type = link_find(types, o->loss_type);
    const link_options h = how(o);
    put_sums(w, c);
    json_key(w, "loss_per_pair"), json_open(w, '[');
    for (int p = 0; p < c->P; p++)
        json_put_real(w, type->link(&h, read_answer(o, c, c->pairs[p].chosen, type->mean).worth -
                                            read_answer(o, c, c->pairs[p].rejected, type->mean).worth)
                             .loss);
    json_close(w);
}

const objective objective_cpo = {.name = "cpo",
                                 .words = "prefer the chosen answer and imitate it, without a reference",
                                 .rows = WANTS_PAIRS,
                                 .scope = SCOPE_PAIR,
                                 .older_rows = true,
                                 .needs = CPO_NEEDS,
                                 .options = options,
                                 .options_size = sizeof(cpo_options),
                                 .learning_rate = 1e-6,
                                 .check = cpo_check,
                                 .loss = cpo_loss,
                                 .explain = cpo_explain};
