/* nash_md.c - Nash learning by mirror descent (arXiv:2312.00886): an answer y of the policy against one, y', of an opponent half-way between
 * policy and reference.
 *
 *     y' is drawn token by token from  softmax(c log pi_ref + (1-c) log pi)                        c: mixture_coef
 *     P    = sigmoid(r(y) - r(y'))                                                                 probability that y is preferred
 *     loss = mean over y of  beta sum sg(logp - ref_logp) logp - (P - 1/2) sum logp                sg: held constant
 * so d loss / d logp of a token of y is  (beta (logp - ref_logp) - (P - 1/2)) / n,  n answers y of the step. y' is only compared with. */
#include <math.h>

#include "train/objective/online.h"

typedef struct {
    double beta, mixture_coef, missing_eos_penalty;
} nash_md_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(nash_md_options, beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the reference"},
    {"mixture_coef", OPT_REAL, offsetof(nash_md_options, mixture_coef), "0.5", 0, 1, NULL,
     "share of the reference in the opponent: 0 is the policy itself, 1 the reference"},
    {"missing_eos_penalty", OPT_REAL, offsetof(nash_md_options, missing_eos_penalty), "0", 0, 1e6, NULL,
     "taken off the reward of an answer that found no end"},
    OPT_END,
};

/* Answers stand in pairs: the policy's, the opponent's. The advantage of y is P - 1/2. */
static void nash_md_judge(const void *opts, judged *j) {
    const nash_md_options *o = opts;
    double *score = arena_array(j->a, double, j->S + 1), *advantage = arena_array(j->a, double, j->S + 1);
    score_all(j, score);
    metric_add_scores(j, score, false);
    for (int i = 0; i < j->S; i++) j->score[i] = (float)(score[i] -= j->truncated[i] ? o->missing_eos_penalty : 0);
    for (int i = 0; i + 1 < j->S; i++) {
        if (j->group[i] != j->group[i + 1] || isnan(score[i]) || isnan(score[i + 1])) continue;
        advantage[i] = sigmoid(score[i] - score[i + 1]) - 0.5;
        metric_add(j->metrics, "rewards/probabilities", advantage[i] + 0.5, 1);
        metric_add(j->metrics, "rewards/accuracies", score[i] > score[i + 1], 1);
        metric_add(j->metrics, "rewards/margins", score[i] - score[i + 1], 1);
    }
    put_advantages(j, advantage);
}

static double nash_md_loss(const void *opts, const columns *c, gradients *g) {
    const nash_md_options *o = opts;
    const double n = at_least_one(c->step.sequences);
    double loss = 0;
    for (int s = 0; s < c->S; s++) {
        const seq x = c->sequence[s];
        double kl = 0;
        if (sequence_role_of(c, s) == ROLE_OPPONENT) continue;
        for (int t = x.begin; t < x.end; t++) {
            if (!c->mask[t]) continue;
            const double off = (double)c->logp[t] - (double)c->ref_logp[t], slope = o->beta * off - (double)c->advantage[t];
            loss += slope * (double)c->logp[t] / n;
            g->dlogp[t] += (float)(slope / n);
            kl += off;
            if (c->entropy) metric_add(g->metrics, "entropy", (double)c->entropy[t], 1);
        }
        metric_add(g->metrics, "objective/kl", kl, 1);
    }
    return loss;
}

static writer_kind nash_md_writer(const void *opts, int which, double chance) {
    return (void)opts, (void)chance, which % 2 ? WRITER_MIXTURE : WRITER_POLICY;
}

static double nash_md_mixture(const void *opts) { return ((const nash_md_options *)opts)->mixture_coef; }

static void nash_md_explain(const void *opts, const columns *c, json_writer *w) {
    arena *a = arena_new();
    double *P = arena_array(a, double, c->S + 1), *term = arena_array(a, double, c->S + 1);
    (void)opts;
    for (int s = 0; s < c->S; s++) {
        const double A = advantage_of(c, c->sequence[s]);
        P[s] = A + 0.5;
        term[s] = A * sum_trained(c, c->logp, c->sequence[s]);
    }
    put_reals(w, "probability", P, c->S);
    put_reals(w, "score_term", term, c->S);
    arena_free(a);
}

static const char *const rollout[] = {"num_generations=2", "max_completion_length=64", "temperature=0.9", NULL};

const objective objective_nash_md = {.name = "nash-md",
                                     .words = "be preferred to a mixture of policy and reference (Nash-MD)",
                                     .rows = WANTS_PROMPTS,
                                     .scope = SCOPE_PAIR,
                                     .reference = true,
                                     .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_ADVANTAGE) |
                                              NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_ROLE) | NEEDS(COLUMN_MASK),
                                     .options = options,
                                     .options_size = sizeof(nash_md_options),
                                     .learning_rate = 5e-7,
                                     .judge = nash_md_judge,
                                     .rollout = rollout,
                                     .in_twos = true,
                                     .own_alone = true,
                                     .writer = nash_md_writer,
                                     .mixture = nash_md_mixture,
                                     .loss = nash_md_loss,
                                     .explain = nash_md_explain};
