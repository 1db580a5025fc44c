/* rest.c - imitation of the best of the model's own answers: ReST (arXiv:2308.08998), ReST-EM (arXiv:2312.06585), RAFT (arXiv:2304.06767), best of
 * n. Each answer has a reward; answers to one prompt are a group.
 *
 *     rest   kept are answers with  reward >= threshold           (ReST-EM: rewards 0 and 1, threshold 1)
 *     raft   kept are the `keep` best of each group, the first of equals
 *     loss = - sum logp / N over the kept answers            dlogp = -1/N              N: their trained tokens in the whole step
 * What is not kept is not trained, so the loss sees kept answers alone.
 *
 * With iterations the policy writes the answers itself. Grow: num_generations to each prompt, rewarded. Improve: the rollout is gone through
 * num_iterations times, and what is kept rises with each by `rise`; rewards of a rollout are first mapped to 0 .. 1 (its least and largest). */
#include <math.h>
#include <string.h>

#include "train/objective/advantages.h"

typedef struct {
    const char *method;
    double threshold, rise;
    int64_t keep, iterations;
    bool normalize;
} rest_options;

static const opt options[] = {
    {"method", OPT_CHOICE, offsetof(rest_options, method), "rest", 0, 0, "rest|raft",
     "ours: keep answers whose reward reaches the threshold, or the best of each prompt"},
    {"threshold", OPT_REAL, offsetof(rest_options, threshold), "0.7", 0, 0, NULL, "ours: the least reward that is kept (rest)"},
    {"rise", OPT_REAL, offsetof(rest_options, rise), "0.1", 0, 1e6, NULL,
     "ours: how much the threshold rises with each time that a rollout is gone through, up to 0.99 of normalised rewards (rest, "
     "with iterations)"},
    {"normalize_rewards", OPT_BOOL, offsetof(rest_options, normalize), "true", 0, 0, NULL,
     "ours: map a rollout's rewards to 0 .. 1 before the threshold (rest, with iterations)"},
    {"iterations", OPT_INT, offsetof(rest_options, iterations), "0", 0, 1e6, NULL,
     "ours: times that the policy answers all prompts itself and learns from the best; 0: answers are given with their rewards"},
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

/* Of normalised rewards the best must be above it. */
static double threshold_of(const rest_options *o, int pass) {
    const double t = o->threshold + pass * o->rise;
    return o->iterations && o->normalize && t > 0.99 ? 0.99 : t;
}

static void rest_keep(const void *opts, const int *group, const float *reward, int count, int pass, bool *kept) {
    const rest_options *o = opts;
    const bool raft = strcmp(o->method, "raft") == 0;
    for (int i = 0; i < count; i++)
        kept[i] =
            raft ? !isnan(reward[i]) && rank_of(group, reward, count, i) < o->keep : (double)reward[i] >= threshold_of(o, pass);
}

static int64_t rest_iterations(const void *opts) { return ((const rest_options *)opts)->iterations; }
static bool rest_writes(const void *opts) { return rest_iterations(opts) > 0; }
static bool rest_dropout(const void *opts) { return !rest_writes(opts); } /* the policy that wrote is the one that learns */
static objective_rows rest_rows(const void *opts) { return rest_writes(opts) ? WANTS_PROMPTS : WANTS_REWARDED; }

/* The reward itself, or where it stands between the least and the largest of the rollout; no word is none. All alike: all are the best. */
static void rest_judge(const void *opts, judged *j) {
    const rest_options *o = opts;
    double *score = arena_array(j->a, double, j->S + 1), least = INFINITY, most = -INFINITY;
    score_all(j, score);
    metric_add_scores(j, score, false);
    for (int i = 0; i < j->S; i++)
        if (!isnan(score[i])) least = fmin(least, score[i]), most = fmax(most, score[i]);
    for (int i = 0; i < j->S; i++) {
        const double x = !o->normalize ? score[i] : most > least ? (score[i] - least) / (most - least) : score[i] - most + 1;
        for (int t = j->sequence[i].begin; t < j->sequence[i].end; t++) j->advantage[t] = (float)x;
    }
}

static const char *const rollout[] = {"num_generations=8", "num_iterations=1", NULL};

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
                                  .rows_of = rest_rows,
                                  .dropout_of = rest_dropout,
                                  .judge = rest_judge,
                                  .rollout = rollout,
                                  .writes = rest_writes,
                                  .iterations = rest_iterations,
                                  .loss = imitation_loss};
