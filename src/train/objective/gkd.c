/* gkd.c - generalised knowledge distillation (arXiv:2306.13649): the policy's whole distribution at every token comes nearer to a teacher's.
 *
 *     D    = generalised Jensen-Shannon divergence of the two rows of logits (row_divergence): beta 0 is KL(teacher|policy), the soft labels of
 *            plain distillation; beta 1 is KL(policy|teacher), which the policy's own answers are good for; between them a mixture
 *     loss = sum of D / N            dD = 1/N              N: trained tokens of the step
 * With chance lmbda the answers of a step are the policy's own (on-policy), else with seq_kd the teacher's, else those of the data. */
#include <math.h>

#include "train/objective.h"

typedef struct {
    double beta, lmbda;
    bool seq_kd, tempered;
} gkd_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(gkd_options, beta), "0.5", 0, 1, NULL,
     "0: KL from the teacher (cover all it says), 1: KL to it (say what it would), between: a mixture"},
    {"lmbda", OPT_REAL, offsetof(gkd_options, lmbda), "0.5", 0, 1, NULL, "share of steps whose answers the policy writes itself"},
    {"seq_kd", OPT_BOOL, offsetof(gkd_options, seq_kd), "false", 0, 0, NULL,
     "the other steps' answers are the teacher's, not those of the data"},
    {"divide_by_temperature", OPT_BOOL, offsetof(gkd_options, tempered), "false", 0, 0, NULL,
     "ours: compare rows at the temperature of sampling, as TRL's DistillationTrainer does, not at 1"},
    OPT_END,
};

static double gkd_loss(const void *opts, const columns *c, gradients *g) {
    const double N = at_least_one(c->step.tokens);
    double loss = 0;
    (void)opts;
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        loss += (double)c->divergence[t] / N;
        g->ddivergence[t] += (float)(1 / N);
        if (c->entropy) metric_add(g->metrics, "entropy", (double)c->entropy[t], 1);
        if (c->hit) metric_add(g->metrics, "mean_token_accuracy", (double)c->hit[t], 1);
    }
    return loss;
}

/* Nothing is rewarded: the teacher's row says what is good at every token. */
static void gkd_judge(const void *opts, judged *j) {
    (void)opts;
    for (int i = 0; i < j->S; i++) j->score[i] = NAN;
}

static bool gkd_writes(const void *opts) {
    const gkd_options *o = opts;
    return o->lmbda > 0 || o->seq_kd;
}

static writer_kind gkd_writer(const void *opts, int which, double chance) {
    const gkd_options *o = opts;
    (void)which;
    return chance < o->lmbda ? WRITER_POLICY : o->seq_kd ? WRITER_TEACHER : WRITER_DATA;
}

static distilling gkd_distil(const void *opts) {
    const gkd_options *o = opts;
    return (distilling){.beta = o->beta, .tempered = o->tempered};
}

static void gkd_explain(const void *opts, const columns *c, json_writer *w) {
    arena *a = arena_new();
    double *D = arena_array(a, double, c->T + 1);
    (void)opts;
    for (int t = 0; t < c->T; t++) D[t] = (double)c->divergence[t];
    put_columns(w, "divergence", c, D, NULL);
    arena_free(a);
}

static const char *const rollout[] = {"num_generations=1", "max_completion_length=128", "temperature=0.9", NULL};

const objective objective_gkd = {
    .name = "gkd",
    .words = "come nearer to a teacher's distribution at every token (generalised knowledge distillation)",
    .rows = WANTS_ANSWERED,
    .scope = SCOPE_TOKEN,
    .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_DIVERGENCE) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT) | NEEDS(COLUMN_MASK),
    .options = options,
    .options_size = sizeof(gkd_options),
    .learning_rate = 2e-5,
    .loss = gkd_loss,
    .judge = gkd_judge,
    .rollout = rollout,
    .unrewarded = true,
    .writes = gkd_writes,
    .writer = gkd_writer,
    .distil = gkd_distil,
    .explain = gkd_explain};
