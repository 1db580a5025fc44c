/* rest.c - imitation of the best of the model's own answers: ReST (arXiv:2308.08998), ReST-EM (arXiv:2312.06585), RAFT (arXiv:2304.06767), best of
 * n. Each answer has a reward; answers to one prompt are a group.
 *
 *     rest   kept are answers with  reward >= threshold           (ReST-EM: rewards 0 and 1, threshold 1)
 *     raft   kept are the `keep` best of each group, the first of equals
 *     loss = - sum logp / N over the kept answers            dlogp = -1/N              N: their trained tokens in the whole step
 * What is not kept never becomes a row, so the loss sees kept answers alone. */
#include <string.h>

#include "train/objective.h"

typedef struct {
    const char *method;
    double threshold;
    int64_t keep;
} rest_options;

static const opt options[] = {
    {"method", OPT_CHOICE, offsetof(rest_options, method), "rest", 0, 0, "rest|raft",
     "ours: keep answers whose reward reaches the threshold, or the best of each prompt"},
    {"threshold", OPT_REAL, offsetof(rest_options, threshold), "0.7", 0, 0, NULL, "ours: the least reward that is kept (rest)"},
    {"keep", OPT_INT, offsetof(rest_options, keep), "1", 1, 1e6, NULL, "ours: how many answers of a prompt are kept (raft)"},
    OPT_END,
};

/* How many of its group stand before answer i. */
static int rank_of(const int *group, const float *reward, int count, int i) {
    int before = 0;
    for (int k = 0; k < count; k++)
        before += group[k] == group[i] && (reward[k] > reward[i] || (k < i && !(reward[k] < reward[i])));
    return before;
}

static void rest_keep(const void *opts, const int *group, const float *reward, int count, bool *kept) {
    const rest_options *o = opts;
    const bool raft = strcmp(o->method, "raft") == 0;
    for (int i = 0; i < count; i++)
        kept[i] = raft ? rank_of(group, reward, count, i) < o->keep : (double)reward[i] >= o->threshold;
}

static double rest_loss(const void *opts, const columns *c, gradients *g) {
    const double N = at_least_one(c->step.tokens);
    double loss = 0;
    (void)opts;
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        loss -= (double)c->logp[t] / N;
        g->dlogp[t] -= (float)(1 / N);
        if (c->entropy) metric_add(g->metrics, "entropy", (double)c->entropy[t], 1);
        if (c->hit) metric_add(g->metrics, "mean_token_accuracy", (double)c->hit[t], 1);
    }
    return loss;
}

const objective objective_rest = {.name = "rest",
                                  .words = "imitate the answers with the best rewards (ReST, RAFT)",
                                  .rows = WANTS_REWARDED,
                                  .scope = SCOPE_TOKEN,
                                  .dropout = true,
                                  .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT),
                                  .options = options,
                                  .options_size = sizeof(rest_options),
                                  .learning_rate = 2e-5,
                                  .keep = rest_keep,
                                  .loss = rest_loss};
