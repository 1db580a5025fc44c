/* xpo.c - exploratory preference optimisation (arXiv:2405.21046): one answer of the policy against one of the reference, and a bonus for leaving what
 * the reference would say.
 *
 *     z    = (S_c - Q_c) - (S_r - Q_r)                     chosen: the better of the two, the policy's where both earn the same
 *     loss = mean over pairs of  link(z) + alpha * S of the reference's answer
 * link: -log sigmoid(beta z), or (z - 1/(2 beta))^2. */
#include <math.h>
#include <string.h>

#include "train/objective/online.h"

typedef struct {
    double beta, alpha;
    const char *loss_type;
} xpo_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(xpo_options, beta), "0.1", 1e-9, 1e6, NULL, "how strongly to stay near the reference"},
    {"alpha", OPT_REAL, offsetof(xpo_options, alpha), "1e-5", 0, 1e3, NULL, "weight of the bonus for exploring"},
    {"loss_type", OPT_CHOICE, offsetof(xpo_options, loss_type), "sigmoid", 0, 0, "sigmoid|ipo", "the loss of a pair"},
    OPT_END,
};

static void xpo_judge(const void *opts, judged *j) {
    double *score = arena_array(j->a, double, j->S + 1);
    (void)opts;
    score_all(j, score);
    metric_add_scores(j, score, false);
}

static double xpo_loss(const void *opts, const columns *c, gradients *g) {
    const xpo_options *o = opts;
    const link_options l = {.beta = o->beta};
    const double pairs = at_least_one(c->step.sequences / 2);
    double dpo = 0, bonus = 0;
    for (int s = 0; s < c->S; s++) {
        const duel d = duel_of(c, s);
        if (d.chosen < 0) continue;
        const int other = sequence_role_of(c, d.first) == ROLE_OPPONENT ? d.first : d.second;
        const double a = log_ratio(c, d.chosen), b = log_ratio(c, d.rejected);
        const linked x = online_link(o->loss_type, &l, a - b);
        dpo += x.loss / pairs;
        bonus += o->alpha * sum_trained(c, c->logp, c->sequence[other]) / pairs;
        add_dlogp(c, g, c->sequence[d.chosen], x.slope / pairs);
        add_dlogp(c, g, c->sequence[d.rejected], -x.slope / pairs);
        add_dlogp(c, g, c->sequence[other], o->alpha / pairs);
        metric_add(g->metrics, "rewards/accuracies", a > b, 1);
        metric_add(g->metrics, "rewards/margins", o->beta * (a - b), 1);
    }
    metric_add_sum(g->metrics, "loss/dpo", dpo);
    metric_add_sum(g->metrics, "loss/xpo", bonus);
    for (int s = 0; s < c->S; s++)
        if (sequence_role_of(c, s) != ROLE_OPPONENT) metric_add(g->metrics, "objective/kl", log_ratio(c, s), 1);
    return dpo + bonus;
}

static writer_kind xpo_writer(const void *opts, int which, double chance) {
    return (void)opts, (void)chance, which % 2 ? WRITER_REFERENCE : WRITER_POLICY;
}

static void xpo_explain(const void *opts, const columns *c, json_writer *w) { (void)opts, put_duels(w, c); }

static const char *const rollout[] = {"num_generations=2", "max_completion_length=64", "temperature=0.9", NULL};

const objective objective_xpo = {.name = "xpo",
                                 .words =
                                     "prefer the better of an answer of the policy and one of the reference, and explore (XPO)",
                                 .rows = WANTS_PROMPTS,
                                 .scope = SCOPE_PAIR,
                                 .reference = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_SCORE) |
                                          NEEDS(COLUMN_GROUP) | NEEDS(COLUMN_ROLE) | NEEDS(COLUMN_MASK),
                                 .options = options,
                                 .options_size = sizeof(xpo_options),
                                 .learning_rate = 5e-7,
                                 .judge = xpo_judge,
                                 .rollout = rollout,
                                 .whole_groups = true,
                                 .writer = xpo_writer,
                                 .loss = xpo_loss,
                                 .explain = xpo_explain};
