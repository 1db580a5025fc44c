/* online_dpo.c - direct preference optimisation on the policy's own answers (arXiv:2402.04792): of two answers to a prompt the one that earns more is
 * the chosen one (the first of equals).
 *
 *     R     = sum of rewards, less missing_eos_penalty where no end token came
 *     z     = (S_c - Q_c) - (S_r - Q_r)            S, Q: sums of logp and ref_logp over the trained tokens
 *     loss  = mean over pairs of  -log sigmoid(beta z)   or, with ipo,  (z - 1/(2 beta))^2 */
#include <math.h>
#include <string.h>

#include "train/objective/online.h"

typedef struct {
    double beta, missing_eos_penalty;
    const char *loss_type;
} online_dpo_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(online_dpo_options, beta), "0.1", 1e-9, 1e6, NULL, "how strongly to stay near the reference"},
    {"loss_type", OPT_CHOICE, offsetof(online_dpo_options, loss_type), "sigmoid", 0, 0, "sigmoid|ipo", "the loss of a pair"},
    {"missing_eos_penalty", OPT_REAL, offsetof(online_dpo_options, missing_eos_penalty), "0", 0, 1e6, NULL,
     "taken off the reward of an answer that found no end"},
    OPT_END,
};

static void online_dpo_judge(const void *opts, judged *j) {
    const online_dpo_options *o = opts;
    double *score = arena_array(j->a, double, j->S + 1);
    score_all(j, score);
    metric_add_scores(j, score, false);
    for (int i = 0; i < j->S; i++) {
        j->score[i] = (float)(score[i] - (j->truncated[i] ? o->missing_eos_penalty : 0));
        metric_add(j->metrics, "val/contain_eos_token", !j->truncated[i], 1);
    }
}

static double online_dpo_loss(const void *opts, const columns *c, gradients *g) {
    const online_dpo_options *o = opts;
    const link_options l = {.beta = o->beta};
    const double pairs = at_least_one(c->step.sequences / 2);
    double loss = 0;
    for (int s = 0; s < c->S; s++) {
        const duel d = duel_of(c, s);
        if (d.chosen < 0) continue;
        const double rc = o->beta * log_ratio(c, d.chosen), rr = o->beta * log_ratio(c, d.rejected);
        const linked x = online_link(o->loss_type, &l, (rc - rr) / o->beta);
        loss += x.loss / pairs;
        add_dlogp(c, g, c->sequence[d.chosen], x.slope / pairs);
        add_dlogp(c, g, c->sequence[d.rejected], -x.slope / pairs);
        metric_add_rewards(g->metrics, rc, rr);
        metric_add_logps(g->metrics, sum_trained(c, c->logp, c->sequence[d.chosen]),
                         sum_trained(c, c->logp, c->sequence[d.rejected]));
        metric_add(g->metrics, "objective/scores_margin", (double)c->score[d.chosen] - (double)c->score[d.rejected], 1);
    }
    for (int s = 0; s < c->S; s++) {
        const double kl = log_ratio(c, s), R = (double)c->score[s];
        metric_add(g->metrics, "objective/kl", kl, 1);
        metric_add(g->metrics, "objective/non_score_reward", -o->beta * kl, 1);
        metric_add(g->metrics, "objective/rlhf_reward", R - o->beta * kl, 1);
        metric_add(g->metrics, "objective/scores", R, 1);
        if (c->entropy) metric_add(g->metrics, "objective/entropy", sum_trained(c, c->entropy, c->sequence[s]), 1);
    }
    return loss;
}

static double online_dpo_start(const void *opts) {
    const online_dpo_options *o = opts;
    return strcmp(o->loss_type, "ipo") == 0 ? 1 / (4 * o->beta * o->beta) : M_LN2;
}

static void online_dpo_explain(const void *opts, const columns *c, json_writer *w) {
    const online_dpo_options *o = opts;
    const link_options l = {.beta = o->beta};
    arena *a = arena_new();
    double *score = arena_array(a, double, c->S + 1), *loss = arena_array(a, double, c->S + 1);
    int n = 0;
    for (int s = 0; s < c->S; s++) {
        const duel d = duel_of(c, s);
        score[s] = (double)c->score[s];
        if (d.chosen >= 0) loss[n++] = online_link(o->loss_type, &l, log_ratio(c, d.chosen) - log_ratio(c, d.rejected)).loss;
    }
    put_duels(w, c);
    put_reals(w, "score", score, c->S);
    put_reals(w, "loss_per_pair", loss, n);
    arena_free(a);
}

static const char *const rollout[] = {"num_generations=2", "max_completion_length=64", "temperature=0.9", NULL};

const objective objective_online_dpo = {.name = "online-dpo",
                                        .words = "prefer the better of two answers that the policy writes itself",
                                        .rows = WANTS_PROMPTS,
                                        .scope = SCOPE_PAIR,
                                        .reference = true,
                                        .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_SCORE) |
                                                 NEEDS(COLUMN_GROUP) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MASK),
                                        .options = options,
                                        .options_size = sizeof(online_dpo_options),
                                        .learning_rate = 5e-7,
                                        .judge = online_dpo_judge,
                                        .rollout = rollout,
                                        .whole_groups = true,
                                        .start = online_dpo_start,
                                        .loss = online_dpo_loss,
                                        .explain = online_dpo_explain};
