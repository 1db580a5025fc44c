/* guard.c - what ends a run that goes wrong while it looks as if it went well: rows of a table, asked behind every step.
 *
 *   reference   the policy is more than max_kl nats a token from the reference
 *   entropy     tokens are chosen with less than min_entropy nats of doubt
 *   collapse    fewer than min_distinct of a rollout's completions differ
 *   growth      completions are max_length_growth times as long as at first
 *   hack        the reward has risen while the policy prefers fewer of people's held-out choices (preference_data)
 *
 * (A loss or a gradient that is not finite ends every run: step.c.) What they compare with is in the trainer, and in checkpoints. */
#include <math.h>
#include <string.h>

#include "base/sys.h"
#include "train/loop.h"

/* ---- held-out preferences ---------------------------------------------------------------------------------------------------------------- */

enum { PAIRS_MOST = 64 };

bool guard_open(trainer *t, err *e) {
    if (!t->s->rollout->preference_data) return true;
    train_settings *pairs;
    arena *a = t->arena;
    if (!train_settings_begin(a, "dpo", &pairs, e)) return false;
    pairs->o.base = t->s->o.base;
    pairs->o.max_length = t->s->o.max_length;
    const char **item = arena_array(a, const char *, 1);
    item[0] = t->s->rollout->preference_data;
    pairs->o.data = (opt_list){item, 1};
    t->preferences = rows_prepare(a, t->text, pairs, sys_scratch(), NULL, e);
    if (!t->preferences) return err_prefix(e, "preference_data");
    return rows_count(t->preferences) >= 4 ||
           err_set(e, ERR_REFUSED, "preference_data holds %lld pairs, too few to tell anything",
                   (long long)rows_count(t->preferences) / 2);
}

/* Mean log-probability of a row's trained tokens. */
static double mean_logp(const row *r, const float *logp) {
    double sum = 0;
    for (int k = 1; k < r->length; k++)
        if (row_trains(r, k)) sum += (double)logp[k - 1];
    return sum / at_least_one(row_trained(r));
}

/* Share of the pairs whose chosen answer the policy finds likelier, token by token, than the rejected one. */
static bool preferred(const trainer *t, double *out, err *e) {
    arena *a = arena_new();
    const int64_t all = rows_count(t->preferences) / 2;
    const int n = 2 * (int)(all < PAIRS_MOST ? all : PAIRS_MOST);
    const int32_t **ids = arena_array(a, const int32_t *, n);
    int *length = arena_array(a, int, n);
    float **logp = arena_array(a, float *, n);
    for (int i = 0; i < n; i++) {
        const row r = rows_at(t->preferences, i);
        ids[i] = r.ids;
        length[i] = r.length;
        logp[i] = arena_array(a, float, r.length + 1);
    }
    const bool ok = model_score(t->policy, t->adapter, t->compute, ids, length, n, logp, e);
    double won = 0;
    for (int i = 0; ok && i < n; i += 2) {
        const row c = rows_at(t->preferences, i), r = rows_at(t->preferences, i + 1);
        won += mean_logp(&c, logp[i]) > mean_logp(&r, logp[i + 1]);
    }
    *out = won / (n / 2);
    arena_free(a);
    return ok;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------- */

static double metric_of(const step_result *s, const char *name) {
    for (int i = 0; i < s->metrics.count; i++)
        if (strcmp(s->metrics.item[i].name, name) == 0) return s->metrics.item[i].sum / s->metrics.item[i].weight;
    return NAN;
}

static bool far_off(trainer *t, const step_result *s, err *e) {
    const double most = t->s->rollout->max_kl;
    if (most <= 0 || fabs(s->drift) <= most) return false;
    return err_set(e, ERR_DIVERGED, "the policy is %.3f nats a token from the reference, the limit (max_kl) is %.3f", s->drift,
                   most),
           true;
}

static bool too_sure(trainer *t, const step_result *s, err *e) {
    const double least = t->s->rollout->min_entropy, entropy = metric_of(s, "entropy");
    if (least <= 0 || isnan(entropy) || entropy >= least) return false;
    return err_set(e, ERR_DIVERGED, "the entropy of a token has fallen to %.4f nats, the limit (min_entropy) is %.4f", entropy,
                   least),
           true;
}

static bool all_alike(trainer *t, const step_result *s, err *e) {
    const double least = t->s->rollout->min_distinct;
    (void)s;
    if (!t->rollout || t->rollout->count < 8 || t->rollout->distinct >= least) return false;
    return err_set(e, ERR_DIVERGED,
                   "only %.0f of %d completions differ (min_distinct %.2f): the policy has collapsed, it says '%.*s'",
                   t->rollout->distinct * t->rollout->count, t->rollout->count, least,
                   (int)(t->rollout->item[0].text.len < 60 ? t->rollout->item[0].text.len : 60), t->rollout->item[0].text.ptr),
           true;
}

static bool too_long(trainer *t, const step_result *s, err *e) {
    const double most = t->s->rollout->max_length_growth, first = t->guard[GUARD_FIRST_LENGTH];
    (void)s;
    if (most <= 0 || !t->rollout || !(first > 0) || t->rollout->mean_length <= most * first) return false;
    return err_set(e, ERR_DIVERGED,
                   "completions have %.1f tokens on average, %.1f times the first ones' %.1f (max_length_growth %.1f)",
                   t->rollout->mean_length, t->rollout->mean_length / first, first, most),
           true;
}

/* Twice in a row, so that one unlucky measure is no alarm. */
static bool hacked(trainer *t, const step_result *s, err *e) {
    (void)s;
    if (!t->preferences || t->guard[GUARD_BAD_TURNS] < 2) return false;
    return err_set(
               e, ERR_DIVERGED,
               "the reward has risen from %.3f to %.3f while the policy prefers people's choice in %.0f %% of held-out pairs, at "
               "first %.0f %%: the reward function is being played",
               t->guard[GUARD_FIRST_REWARD], t->rollout->mean_score, 100 * t->guard[GUARD_PREFERRED],
               100 * t->guard[GUARD_FIRST_PREFERRED]),
           true;
}

static bool (*const guards[])(trainer *t, const step_result *s, err *e) = {far_off, too_sure, all_alike, too_long, hacked};

/* What a fresh rollout, written by the policy before this step, shows. */
static bool note_rollout(trainer *t, step_result *s, err *e) {
    double *g = t->guard, won = 0;
    const double earned = isnan(t->rollout->mean_score) ? 0 : t->rollout->mean_score;
    if (t->preferences && !preferred(t, &won, e)) return false;
    if (g[GUARD_ROLLOUTS] == 0) {
        g[GUARD_FIRST_LENGTH] = t->rollout->mean_length;
        g[GUARD_FIRST_REWARD] = earned;
        g[GUARD_FIRST_PREFERRED] = won;
    }
    g[GUARD_ROLLOUTS]++;
    g[GUARD_PREFERRED] = won;
    if (!t->preferences) return true;
    const bool bad = earned > g[GUARD_FIRST_REWARD] && won <= g[GUARD_FIRST_PREFERRED] - 0.1;
    g[GUARD_BAD_TURNS] = bad ? g[GUARD_BAD_TURNS] + 1 : 0;
    metric_add(&s->metrics, "held_out/preferred", won, 1);
    return true;
}

bool guard_look(trainer *t, step_result *s, err *e) {
    if (!t->s->rollout) return true;
    if (t->rollout && !t->rollout->looked) {
        t->rollout->looked = true;
        if (!note_rollout(t, s, e)) return false;
    }
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
        if (guards[i](t, s, e)) return false;
    return true;
}
