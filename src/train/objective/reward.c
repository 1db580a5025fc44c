/* reward.c - a reward model from preferences (Bradley and Terry): the score of the chosen answer above that of the rejected one.
 *
 * r is what the head says behind the last token of a sequence, c the chosen answer, n the rejected one, m how much better the data say
 * c is (margin; absent: 0; Llama 2, arXiv:2307.09288), P how probable it is that c is better at all (absent: 1; RLAIF, arXiv:2309.00267):
 *     x = r_c - r_n - m
 *     loss = mean over the pairs of the step of  -P log sigmoid(x) - (1-P) log sigmoid(-x) + k (r_c + r_n)^2
 * k, center_rewards_coefficient, keeps scores around 0 (arXiv:2312.09244). With s = -P sigmoid(-x) + (1-P) sigmoid(x):
 *     d loss / d r_c = (s + 2k (r_c + r_n)) / pairs,     d loss / d r_n = (-s + 2k (r_c + r_n)) / pairs */
#include <math.h>

#include "train/objective.h"

typedef struct {
    double centre;
    bool disable_dropout;
} reward_options;

static const opt options[] = {
    {"center_rewards_coefficient", OPT_REAL, offsetof(reward_options, centre), "0", 0, 1e6, NULL,
     "weight of the squared sum of both scores of a pair, which keeps scores around 0 (0.01 is usual)"},
    {"disable_dropout", OPT_BOOL, offsetof(reward_options, disable_dropout), "true", 0, 0, NULL, "leave lora_dropout out"},
    OPT_END,
};

/* One pair before it is divided by the number of pairs. */
typedef struct {
    int chosen, rejected;
    double loss, slope, centre; /* slope: by x; centre: by either score */
} terms;

static double given(const float *of, int s, double otherwise) { return of && !isnan(of[s]) ? (double)of[s] : otherwise; }

static terms read_pair(const reward_options *o, const columns *c, int p) {
    terms t = {.chosen = c->pairs[p].chosen, .rejected = c->pairs[p].rejected};
    const double r = (double)c->score[t.chosen], n = (double)c->score[t.rejected],
                 P = given(c->desirable_probability, t.chosen, 1), x = r - n - given(c->margin, t.chosen, 0);
    t.slope = (1 - P) * sigmoid(x) - P * sigmoid(-x);
    t.centre = 2 * o->centre * (r + n);
    t.loss = P * softplus(-x) + (1 - P) * softplus(x);
    return t;
}

static void log_pair(const columns *c, const terms *t, metrics *m) {
    const double r = (double)c->score[t->chosen], n = (double)c->score[t->rejected];
    metric_add_least(m, "min_reward", fmin(r, n));
    metric_add(m, "mean_reward", r + n, 2);
    metric_add_most(m, "max_reward", fmax(r, n));
    metric_add(m, "accuracy", r > n, 1);
    metric_add(m, "margin", r - n, 1);
}

static double reward_loss(const void *opts, const columns *c, gradients *g) {
    const reward_options *o = opts;
    const double pairs = at_least_one(c->step.pairs);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const terms t = read_pair(o, c, p);
        const double sum = (double)c->score[t.chosen] + (double)c->score[t.rejected];
        loss += (t.loss + o->centre * sum * sum) / pairs;
        g->dscore[t.chosen] += (float)((t.centre + t.slope) / pairs);
        g->dscore[t.rejected] += (float)((t.centre - t.slope) / pairs);
        log_pair(c, &t, g->metrics);
    }
    return loss;
}

static void reward_explain(const void *opts, const columns *c, json_writer *w) {
    json_key(w, "loss_per_pair"), json_open(w, '[');
    for (int p = 0; p < c->P; p++) json_put_real(w, read_pair(opts, c, p).loss);
    json_close(w);
}

static bool reward_dropout(const void *opts) { return !((const reward_options *)opts)->disable_dropout; }

const objective objective_reward = {.name = "reward",
                                    .words = "a reward model: score the chosen answer above the rejected one",
                                    .rows = WANTS_JUDGED,
                                    .scope = SCOPE_PAIR,
                                    .policy = POLICY_SCORES,
                                    .dropout_of = reward_dropout,
                                    .needs = NEEDS(COLUMN_SCORE) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_MARGIN) |
                                             NEEDS(COLUMN_DESIRABLE_PROBABILITY),
                                    .options = options,
                                    .options_size = sizeof(reward_options),
                                    .learning_rate = 1e-4,
                                    .loss = reward_loss,
                                    .explain = reward_explain};
