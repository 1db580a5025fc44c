/* spin.c - self-play fine-tuning (arXiv:2401.01335): a person's answer over the model's own, iteration by iteration.
 *
 * A pair is a person's answer (chosen) and the answer that the model of the iteration before wrote to the same prompt (rejected); that model
 * is also the reference. S and Q are sums of logp and ref_logp over the trained tokens, h the person's answer, m the model's:
 *     x    = beta ((S_h - Q_h) - (S_m - Q_m))
 *     loss = mean over the pairs of the step of  -log sigmoid(x)
 * so a token of h gets -beta sigmoid(-x) / pairs and one of m +beta sigmoid(-x) / pairs: dpo's loss, on other pairs.
 *
 * With iterations the data are answered prompts, and m is drawn while it trains: one iteration goes through all prompts once, its opponent and
 * reference is the policy as the iteration began. Drawn when they are needed, the opponent's answers are those it would have written before. */
#include <math.h>

#include "train/objective.h"

typedef struct {
    double beta;
    int64_t iterations;
} spin_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(spin_options, beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the iteration before"},
    {"iterations", OPT_INT, offsetof(spin_options, iterations), "0", 0, 1e6, NULL,
     "ours: rounds of self-play over the prompts, each against the policy as the round began; 0: both answers are given"},
    OPT_END,
};

static bool spin_check(const void *opts, err *e) {
    const spin_options *o = opts;
    return o->beta > 0 || err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
}

static double reward(const spin_options *o, const columns *c, int s) {
    return o->beta * (sum_trained(c, c->logp, c->sequence[s]) - sum_trained(c, c->ref_logp, c->sequence[s]));
}

static double spin_loss(const void *opts, const columns *c, gradients *g) {
    const spin_options *o = opts;
    const double pairs = at_least_one(c->step.pairs);
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const int h = c->pairs[p].chosen, m = c->pairs[p].rejected;
        const double rh = reward(o, c, h), rm = reward(o, c, m), pull = o->beta * sigmoid(rm - rh) / pairs;
        loss += softplus(rm - rh) / pairs;
        add_dlogp(c, g, c->sequence[h], -pull);
        add_dlogp(c, g, c->sequence[m], pull);
        metric_add_rewards(g->metrics, rh, rm);
        metric_add_logps(g->metrics, sum_trained(c, c->logp, c->sequence[h]), sum_trained(c, c->logp, c->sequence[m]));
    }
    return loss;
}

static double spin_start(const void *opts) { return (void)opts, M_LN2; }

static int64_t spin_iterations(const void *opts) { return ((const spin_options *)opts)->iterations; }
static bool spin_writes(const void *opts) { return spin_iterations(opts) > 0; }
static objective_rows spin_rows(const void *opts) { return spin_writes(opts) ? WANTS_ANSWERED : WANTS_PAIRS; }

static writer_kind spin_writer(const void *opts, int which, double chance) {
    return (void)opts, (void)chance, which ? WRITER_REFERENCE : WRITER_DATA;
}

/* Nothing is rewarded: a person's answer is the better one. */
static void spin_judge(const void *opts, judged *j) {
    (void)opts;
    for (int i = 0; i < j->S; i++) j->score[i] = NAN;
}

static const char *const rollout[] = {"num_generations=2", "max_completion_length=256", NULL};

static void spin_explain(const void *opts, const columns *c, json_writer *w) {
    put_sums(w, c);
    json_key(w, "Q"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, sum_trained(c, c->ref_logp, c->sequence[s]));
    json_close(w);
    json_key(w, "loss_per_pair"), json_open(w, '[');
    for (int p = 0; p < c->P; p++)
        json_put_real(w, softplus(reward(opts, c, c->pairs[p].rejected) - reward(opts, c, c->pairs[p].chosen)));
    json_close(w);
}

const objective objective_spin = {.name = "spin",
                                  .words = "prefer a person's answer to the one the model itself wrote before",
                                  .rows = WANTS_PAIRS,
                                  .scope = SCOPE_PAIR,
                                  .reference = true,
                                  .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) |
                                           NEEDS(COLUMN_LABEL),
                                  .options = options,
                                  .options_size = sizeof(spin_options),
                                  .learning_rate = 5e-7,
                                  .check = spin_check,
                                  .rows_of = spin_rows,
                                  .judge = spin_judge,
                                  .rollout = rollout,
                                  .unrewarded = true,
                                  .writes = spin_writes,
                                  .writer = spin_writer,
                                  .iterations = spin_iterations,
                                  .renews = true,
                                  .in_pairs = true,
                                  .whole_groups = true,
                                  .loss = spin_loss,
                                  .start = spin_start,
                                  .explain = spin_explain};
