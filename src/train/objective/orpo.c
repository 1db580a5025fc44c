/* orpo.c - odds ratio preference optimisation (arXiv:2403.07691): imitation of the chosen answers and a preference in one, without a
 * reference.
 *
 * p = S/n is the mean of logp over the n trained tokens of an answer, odds = e^p / (1 - e^p), c the chosen, r the rejected one:
 *     lo   = log odds_c - log odds_r = (p_c - log(1 - e^(p_c))) - (p_r - log(1 - e^(p_r)))
 *     loss = mean of -logp over the tokens to imitate  -  beta * mean over the pairs of the step of log sigmoid(lo)
 * The tokens to imitate are all of the chosen rows, prompts included, as TRL has it, or with nll_tokens completion the trained ones.
 *     d log odds / dp = 1 / (1 - e^p),  so a chosen token gets  -beta sigmoid(-lo) / (1 - e^(p_c)) / n_c / pairs  beside the imitation
 * A probability of 1 has no odds: p is held at -1e-6, and its slope there is 0. */
#include <math.h>
#include <string.h>

#include "train/objective.h"

typedef struct {
    double beta;
    const char *nll_tokens;
} orpo_options;

#define PROMPT_TOO "prompt and completion"

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(orpo_options, beta), "0.1", 0, 1e6, NULL, "weight of the preference beside the imitation"},
    {"nll_tokens", OPT_CHOICE, offsetof(orpo_options, nll_tokens), PROMPT_TOO, 0, 0, PROMPT_TOO "|completion",
     "ours: which tokens of a chosen row are imitated"},
    OPT_END,
};

static bool imitates_prompt(const void *opts) { return strcmp(((const orpo_options *)opts)->nll_tokens, PROMPT_TOO) == 0; }

/* ---- one answer ---------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    seq tokens;
    double n, p, log_odds, slope; /* slope of log_odds by each trained logp */
} answer;

/* log(1 - e^p), p < 0 */
static double log1mexp(double p) { return p > -M_LN2 ? log(-expm1(p)) : log1p(-exp(p)); }

static answer read_answer(const columns *c, int s) {
    static const double MOST = -1e-6;
    answer a = {.tokens = c->sequence[s], .n = at_least_one(count_trained(c, c->sequence[s]))};
    a.p = sum_trained(c, c->logp, a.tokens) / a.n;
    const double p = fmin(a.p, MOST);
    a.log_odds = p - log1mexp(p);
    a.slope = a.p > MOST ? 0 : 1 / (-expm1(p) * a.n);
    return a;
}

/* The imitation of one chosen row: its share of the loss. */
static double imitate(bool whole, const columns *c, seq s, gradients *g) {
    const double tokens = at_least_one(whole ? c->step.chosen_predicted : c->step.chosen_tokens);
    double nll = 0, n = 0;
    for (int t = s.begin; t < s.end; t++) {
        if (!whole && !c->mask[t]) continue;
        nll -= (double)c->logp[t];
        g->dlogp[t] -= (float)(1 / tokens);
        n++;
    }
    metric_add(g->metrics, "nll_loss", nll, n);
    return nll / tokens;
}

static double orpo_loss(const void *opts, const columns *c, gradients *g) {
    const orpo_options *o = opts;
    const double pairs = at_least_one(c->step.pairs);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const answer good = read_answer(c, c->pairs[p].chosen), bad = read_answer(c, c->pairs[p].rejected);
        const double lo = good.log_odds - bad.log_odds, pull = o->beta * sigmoid(-lo) / pairs;
        loss += imitate(imitates_prompt(o), c, good.tokens, g) + o->beta * softplus(-lo) / pairs;
        add_dlogp(c, g, good.tokens, -pull * good.slope);
        add_dlogp(c, g, bad.tokens, pull * bad.slope);
        metric_add(g->metrics, "log_odds_ratio", -softplus(-lo), 1);
        metric_add(g->metrics, "log_odds_chosen", lo, 1);
        metric_add_rewards(g->metrics, o->beta * good.p, o->beta * bad.p);
        metric_add_logps(g->metrics, good.p, bad.p);
        if (!c->mean_logit) continue;
        metric_add(g->metrics, "logits/chosen", sum_trained(c, c->mean_logit, good.tokens), good.n);
        metric_add(g->metrics, "logits/rejected", sum_trained(c, c->mean_logit, bad.tokens), bad.n);
    }
    return loss;
}

static void orpo_explain(const void *opts, const columns *c, json_writer *w) {
    (void)opts;
    json_key(w, "mean_logp"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, read_answer(c, s).p);
    json_close(w);
    json_key(w, "log_odds"), json_open(w, '[');
    for (int p = 0; p < c->P; p++)
        json_put_real(w, read_answer(c, c->pairs[p].chosen).log_odds - read_answer(c, c->pairs[p].rejected).log_odds);
    json_close(w);
}

const objective objective_orpo = {.name = "orpo",
                                  .words = "imitate the chosen answer and prefer it, in one, without a reference",
                                  .rows = WANTS_PAIRS,
                                  .scope = SCOPE_PAIR,
                                  .older_rows = true,
                                  .whole_chosen = imitates_prompt,
                                  .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_LABEL) |
                                           NEEDS(COLUMN_MEAN_LOGIT),
                                  .options = options,
                                  .options_size = sizeof(orpo_options),
                                  .learning_rate = 1e-6,
                                  .loss = orpo_loss,
                                  .explain = orpo_explain};
