/* grpo.c - group relative policy optimisation (arXiv:2402.03300) and the family that grew from it.
 *
 * Several completions of one prompt are a group. With R the reward of a completion,
 *     A     = (R - mean of the group) / (deviation + 1e-4)          scale_rewards: of the group, of the batch, or none
 *     r     = exp(logp - old_logp) of a token, or exp of its mean over the completion (GSPO, arXiv:2507.18071)
 *     loss  = sum over tokens of  w (u l(r, A) + beta r kl)  - entropy_coef * mean entropy      l, w: grpo_losses.c
 *     kl    = exp(ref_logp - logp) - (ref_logp - logp) - 1          r in front of it with use_bias_correction_kl
 * u takes a token out or weighs it: completions that the policy has moved away from (off_policy_mask_threshold), tokens of little entropy
 * (top_entropy_quantile), the distance of the sampling engine (vllm_importance_sampling_mode). Before the first update of a rollout old_logp
 * is logp itself, held constant: r is 1 and its gradient is not 0. */
#include "train/objective/grpo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#define AT(member) offsetof(grpo_options, member)
static const opt options[] = {
    {"loss_type", OPT_CHOICE, AT(loss_type), "dapo", 0, 0, "grpo|bnpo|dr_grpo|dapo|luspo|sapo|cispo|vespo|gmpo", "which loss of the family"},
    {"importance_sampling_level", OPT_CHOICE, AT(level), "token", 0, 0, "token|sequence|sequence_token", "the ratio is of a token, of the completion (GSPO), or of the completion with gradients by token (GSPO-token)"},
    {"beta", OPT_REAL, AT(beta), "0", 0, 1e3, NULL, "weight of the distance from the reference; 0: no reference"},
    {"epsilon", OPT_REAL, AT(epsilon), "0.2", 0, 1e3, NULL, "how far down (and up) a ratio may pull"},
    {"epsilon_high", OPT_REAL, AT(epsilon_high), NULL, 0, 1e3, NULL, "how far up; unset: epsilon. For cispo the largest ratio itself"},
    {"delta", OPT_REAL, AT(delta), NULL, 0, 1e6, NULL, "largest ratio of a negative advantage (INTELLECT-2); unset: any"},
    {"use_bias_correction_kl", OPT_BOOL, AT(bias_correction), "true", 0, 0, NULL, "weigh the distance from the reference by the ratio"},
    {"scale_rewards", OPT_CHOICE, AT(scale_rewards), "group", 0, 0, "group|batch|none", "whose deviation divides an advantage"},
    {"multi_objective_aggregation", OPT_CHOICE, AT(aggregation), "sum_then_normalize", 0, 0, "sum_then_normalize|normalize_then_sum", "several reward functions: summed first, or each normalised first (GDPO)"},
    {"sapo_temperature_pos", OPT_REAL, AT(sapo_pos), "1", 1e-6, 1e6, NULL, "sapo: temperature of positive advantages"},
    {"sapo_temperature_neg", OPT_REAL, AT(sapo_neg), "1.05", 1e-6, 1e6, NULL, "sapo: temperature of negative advantages"},
    {"vespo_k_pos", OPT_REAL, AT(vespo_k_pos), "2", 0, 1e3, NULL, "vespo: power of the ratio, positive advantages"},
    {"vespo_lambda_pos", OPT_REAL, AT(vespo_lambda_pos), "3", 0, 1e3, NULL, "vespo: decay by the ratio, positive advantages"},
    {"vespo_k_neg", OPT_REAL, AT(vespo_k_neg), "3", 0, 1e3, NULL, "vespo: power of the ratio, negative advantages"},
    {"vespo_lambda_neg", OPT_REAL, AT(vespo_lambda_neg), "2", 0, 1e3, NULL, "vespo: decay by the ratio, negative advantages"},
    {"off_policy_mask_threshold", OPT_REAL, AT(off_policy_threshold), NULL, 0, 1e3, NULL, "leave out bad completions that the policy has moved this far from, nats a token; unset: none"},
    {"top_entropy_quantile", OPT_REAL, AT(top_entropy), "1", 0, 1, NULL, "share of the tokens, those of most entropy, that are trained"},
    {"entropy_coef", OPT_REAL, AT(entropy_coef), "0", 0, 1e3, NULL, "weight of the entropy that is rewarded"},
    {"use_adaptive_entropy", OPT_BOOL, AT(adaptive_entropy), "false", 0, 0, NULL, "raise and lower entropy_coef around entropy_target"},
    {"entropy_coef_min", OPT_REAL, AT(entropy_min), "0", 0, 1e3, NULL, "its least"},
    {"entropy_coef_max", OPT_REAL, AT(entropy_max), "1", 0, 1e3, NULL, "its most"},
    {"entropy_coef_delta", OPT_REAL, AT(entropy_delta), "0.005", 0, 1e3, NULL, "its change a step"},
    {"entropy_target", OPT_REAL, AT(entropy_target), "0.2", 0, 1e3, NULL, "entropy below which it applies, nats a token"},
    {"vllm_importance_sampling_mode", OPT_CHOICE, AT(sampler_mode), "none", 0, 0, "none|token_truncate|token_mask|sequence_truncate|sequence_mask", "weigh tokens by how far the sampling engine was from the training kernel (TRL: sequence_mask; here both read the same weights)"},
    {"vllm_importance_sampling_clip_min", OPT_REAL, AT(sampler_min), NULL, 0, 1e6, NULL, "least such weight; unset: any"},
    {"vllm_importance_sampling_clip_max", OPT_REAL, AT(sampler_max), "3", 0, 1e6, NULL, "largest such weight"},
    OPT_END,
};
// clang-format on

/* ---- rewards to advantages ------------------------------------------------------------------------------------------------------------ */

static void scale(judged *j, const char *by, const double *score, double *out) {
    const spread all = spread_of(score, j->S);
    for (int i = 0; i < j->S; i++) {
        const spread own = spread_of_group(j, score, j->group[i]);
        const double d = strcmp(by, "group") == 0 ? own.deviation : all.deviation;
        out[i] = strcmp(by, "none") == 0 ? score[i] - own.mean : (score[i] - own.mean) / (d + 1e-4);
    }
}

/* Each function by itself first, within its group; their weighted sum then over the batch. */
static void scale_each(judged *j, double *out) {
    double *one = arena_array(j->a, double, j->S + 1), *scaled = arena_array(j->a, double, j->S + 1);
    for (int i = 0; i < j->S; i++) out[i] = isnan(j->score[i]) ? NAN : 0;
    for (int f = 0; f < j->F; f++) {
        for (int i = 0; i < j->S; i++) one[i] = (double)j->rewards[i * j->F + f];
        scale(j, "group", one, scaled);
        for (int i = 0; i < j->S; i++) out[i] += isnan(scaled[i]) ? 0 : j->weights[f] * scaled[i];
    }
    const spread all = spread_of(out, j->S);
    for (int i = 0; i < j->S; i++) out[i] = (out[i] - all.mean) / (all.deviation + 1e-4);
}

static void grpo_judge(const void *opts, judged *j) {
    const grpo_options *o = opts;
    double *score = arena_array(j->a, double, j->S + 1), *advantage = arena_array(j->a, double, j->S + 1);
    score_all(j, score);
    if (strcmp(o->aggregation, "normalize_then_sum") == 0) scale_each(j, advantage);
    else scale(j, o->scale_rewards, score, advantage);
    put_advantages(j, advantage);
    metric_add_scores(j, score, strcmp(o->scale_rewards, "batch") == 0 || strcmp(o->aggregation, "normalize_then_sum") == 0);
}

/* ---- what a token weighs -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    double *ratio, *keep, *sampler; /* [T]; keep: 1 or 0; sampler NULL: all 1 */
    bool *answers;                  /* [S] not off-policy */
    double kept_tokens;
} weights;

static double mean_of(const columns *c, seq s, const float *x, const float *y) {
    const double n = at_least_one(count_trained(c, s));
    return (sum_trained(c, x, s) - sum_trained(c, y, s)) / n;
}

static int up(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The value below which a share q of the trained tokens' entropies lies, between neighbours in proportion. */
static double entropy_quantile(arena *a, const columns *c, double q) {
    double *sorted = arena_array(a, double, c->T + 1);
    int n = 0;
    for (int t = 0; t < c->T; t++)
        if (c->mask[t]) sorted[n++] = (double)c->entropy[t];
    if (!n) return 0;
    qsort(sorted, (size_t)n, sizeof *sorted, up);
    const double at = q * (n - 1), below = floor(at);
    const int i = (int)below;
    return i + 1 < n ? sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static double limited(const grpo_options *o, double w) {
    const bool masks = strstr(o->sampler_mode, "mask") != NULL;
    if (w > o->sampler_max) return masks ? 0 : o->sampler_max;
    if (!isnan(o->sampler_min) && w < o->sampler_min) return masks ? 0 : o->sampler_min;
    return w;
}

static void weigh_sampler(const grpo_options *o, const columns *c, seq s, double *out) {
    const float *old = c->old_logp ? c->old_logp : c->logp;
    const bool whole = strncmp(o->sampler_mode, "sequence", 8) == 0;
    const double all = sum_trained(c, old, s) - sum_trained(c, c->sampler_logp, s);
    for (int t = s.begin; t < s.end; t++) {
        const double own = c->mask[t] ? (double)old[t] - (double)c->sampler_logp[t] : 0;
        out[t] = limited(o, exp(whole ? all : own));
    }
}

static bool near_enough(const grpo_options *o, const columns *c, seq s, double A) {
    const float *then = c->sampler_logp ? c->sampler_logp : c->old_logp;
    return isnan(o->off_policy_threshold) || !then || A >= 0 || mean_of(c, s, then, c->logp) <= o->off_policy_threshold;
}

static void put_ratios(const grpo_options *o, const columns *c, seq s, double *out) {
    const double n = at_least_one(count_trained(c, s));
    double sum = 0;
    for (int t = s.begin; t < s.end; t++) sum += c->mask[t] ? grpo_log_ratio(c, t) : 0;
    for (int t = s.begin; t < s.end; t++) out[t] = exp(strcmp(o->level, "token") == 0 ? grpo_log_ratio(c, t) : sum / n);
}

static weights weigh(arena *a, const grpo_options *o, const columns *c) {
    weights w = {a, arena_array(a, double, c->T + 1), arena_array(a, double, c->T + 1), NULL, arena_array(a, bool, c->S + 1), 0};
    const bool some = o->top_entropy < 1;
    const double least = some ? entropy_quantile(a, c, 1 - o->top_entropy) : 0;
    if (c->sampler_logp && strcmp(o->sampler_mode, "none") != 0) w.sampler = arena_array(a, double, c->T + 1);
    for (int t = 0; t < c->T; t++) {
        w.keep[t] = c->mask[t] && (!some || (double)c->entropy[t] >= least);
        w.kept_tokens += w.keep[t];
    }
    for (int i = 0; i < c->S; i++) {
        const seq s = c->sequence[i];
        put_ratios(o, c, s, w.ratio);
        w.answers[i] = near_enough(o, c, s, advantage_of(c, s));
        if (w.sampler) weigh_sampler(o, c, s, w.sampler);
    }
    return w;
}

/* ---- the loss -------------------------------------------------------------------------------------------------------------------------- */

static answer answer_of(const grpo_options *o, const columns *c, int i, const weights *w) {
    answer a = {.o = o, .c = c, .s = c->sequence[i]};
    a.n = at_least_one(count_trained(c, a.s));
    a.A = advantage_of(c, a.s);
    a.ratio = a.s.end > a.s.begin ? w->ratio[a.s.begin] : 1;
    if (strcmp(o->loss_type, "vespo") == 0) a.phi = grpo_phi(&a, w->sampler);
    if (strcmp(o->loss_type, "gmpo") == 0) a.phi = grpo_geometric(&a, w->keep);
    return a;
}

/* kl and its slopes, weighed: by logp as it stands in it, and by the ratio in front. GMPO weighs it by nothing. */
static term kl_term(const grpo_options *o, const columns *c, int t, double ratio, metrics *m) {
    const double d = (double)c->ref_logp[t] - (double)c->logp[t], kl = exp(d) - d - 1;
    const bool weighed = o->bias_correction && strcmp(o->loss_type, "gmpo") != 0;
    const double r = weighed ? ratio : 1;
    metric_add(m, "kl", r * kl, 1);
    return (term){o->beta * r * kl, weighed ? o->beta * r * kl : 0, o->beta * r * (1 - exp(d))};
}

static void add_term(term *to, double by, term x) {
    to->value += by * x.value;
    to->slope += by * x.slope;
    to->direct += by * x.direct;
}

/* The reference's part is added behind every mask. */
static double answer_loss(const grpo_loss *l, const answer *a, const weights *w, bool kept, gradients *g) {
    const columns *c = a->c;
    const bool shared = strcmp(a->o->level, "sequence") == 0, in_front = w->sampler && strcmp(l->name, "vespo") != 0,
               distant = a->o->beta > 0 && c->ref_logp;
    const double each = l->weight(a);
    double loss = 0, slopes = 0;
    for (int t = a->s.begin; t < a->s.end; t++) {
        if (!c->mask[t]) continue;
        term x = {0};
        add_term(&x, kept ? w->keep[t] * (in_front ? w->sampler[t] : 1) : 0, l->token(a, w->ratio[t], (double)c->logp[t]));
        if (distant) add_term(&x, 1, kl_term(a->o, c, t, w->ratio[t], g->metrics));
        loss += each * x.value;
        slopes += each * x.slope;
        g->dlogp[t] += (float)(each * (x.direct + (shared ? 0 : x.slope)));
    }
    if (shared) add_dlogp(c, g, a->s, slopes / a->n);
    return loss;
}

/* GMPO: one number for the completion, its slope spread evenly over the tokens that are kept. */
static double geometric_loss(const answer *a, const weights *w, gradients *g) {
    const columns *c = a->c;
    const double B = at_least_one(c->step.sequences);
    double loss = -a->A * a->phi / B, n = 0;
    for (int t = a->s.begin; t < a->s.end; t++) n += w->keep[t];
    for (int t = a->s.begin; t < a->s.end; t++) {
        if (!c->mask[t]) continue;
        term x = {0};
        if (a->o->beta > 0 && c->ref_logp) x = kl_term(a->o, c, t, 1, g->metrics);
        const bool moves = !grpo_geometric_cut(a, grpo_log_ratio(c, t));
        const double slope = moves ? -a->A * a->phi * w->keep[t] / (at_least_one(n) * B) : 0;
        loss += x.value / (a->n * B);
        g->dlogp[t] += (float)(slope + x.direct / (a->n * B));
    }
    return loss;
}

/* carry: the coefficient, and how the last step's entropy was, which decides whether this one has a bonus. */
enum { NOT_MEASURED, WAS_HIGH, WAS_LOW };

static double adapt(const grpo_options *o, const columns *c, double entropy) {
    double *now = &c->carry[0];
    if (c->carry[1] == NOT_MEASURED) *now = o->entropy_coef;
    const double applied = c->carry[1] == WAS_LOW ? *now : 0;
    const bool low = entropy <= o->entropy_target;
    c->carry[1] = low ? WAS_LOW : WAS_HIGH;
    *now = fmin(fmax(*now + (low ? o->entropy_delta : -o->entropy_delta), o->entropy_min), o->entropy_max);
    return applied;
}

/* The bonus is over kept tokens. */
static double entropy_bonus(const grpo_options *o, const columns *c, const weights *w, gradients *g) {
    double sum = 0, all = 0, n = 0;
    for (int t = 0; c->entropy && t < c->T; t++) {
        if (!c->mask[t]) continue;
        sum += w->keep[t] * (double)c->entropy[t];
        all += (double)c->entropy[t];
        n++;
    }
    if (c->entropy) metric_add(g->metrics, "entropy", all, n);
    double coef = o->entropy_coef;
    if (o->adaptive_entropy) coef = adapt(o, c, all / at_least_one(n));
    if (coef > 0 || o->adaptive_entropy) metric_add(g->metrics, "entropy_coef", coef, 1);
    if (coef == 0) return 0;
    const double tokens = at_least_one(o->top_entropy < 1 || o->adaptive_entropy ? w->kept_tokens : c->step.chosen_tokens);
    for (int t = 0; t < c->T; t++) g->dentropy[t] -= (float)(coef * w->keep[t] / tokens);
    return -coef * sum / tokens;
}

static double grpo_loss_of(const void *opts, const columns *c, gradients *g) {
    const grpo_options *o = opts;
    const grpo_loss *l = grpo_loss_find(o->loss_type);
    arena *a = arena_new();
    const weights w = weigh(a, o, c);
    double loss = 0;
    for (int i = 0; i < c->S; i++) {
        const answer x = answer_of(o, c, i, &w);
        loss += l->token ? answer_loss(l, &x, &w, w.answers[i], g) : geometric_loss(&x, &w, g);
        if (l->measure) l->measure(g->metrics, &x, w.ratio);
    }
    if (strcmp(o->loss_type, "gmpo") != 0) metric_add_sum(g->metrics, "policy_loss", loss);
    loss += entropy_bonus(o, c, &w, g);
    arena_free(a);
    return loss;
}

static bool grpo_check(const void *opts, err *e) {
    const grpo_options *o = opts;
    if (strcmp(o->loss_type, "gmpo") == 0 && strcmp(o->level, "token") != 0)
        return err_set(e, ERR_USAGE,
                       "gmpo's ratio is a mean over the completion already: importance_sampling_level should be token");
    if (o->entropy_min > o->entropy_max)
        return err_set(e, ERR_USAGE, "entropy_coef_min %g is above entropy_coef_max %g", o->entropy_min, o->entropy_max);
    return true;
}

static unsigned grpo_more(const void *opts) {
    const grpo_options *o = opts;
    const bool sampler = strcmp(o->sampler_mode, "none") != 0 || !isnan(o->off_policy_threshold);
    return (o->beta > 0 ? NEEDS(COLUMN_REF_LOGP) : 0) | (sampler ? NEEDS(COLUMN_SAMPLER_LOGP) : 0);
}

/* A quantile, and a coefficient that is kept, are of all tokens of a step. */
static objective_scope grpo_scope(const void *opts) {
    const grpo_options *o = opts;
    return o->top_entropy < 1 || o->adaptive_entropy ? SCOPE_STEP : SCOPE_PAIR;
}

/* ---- on the way to the loss ------------------------------------------------------------------------------------------------------------ */

static void put_tokens(json_writer *w, const char *key, const columns *c, const double *x) {
    json_key(w, key), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) json_put_real(w, x[t]);
        json_close(w);
    }
    json_close(w);
}

static void grpo_explain(const void *opts, const columns *c, json_writer *w) {
    const grpo_options *o = opts;
    arena *a = arena_new();
    const weights x = weigh(a, o, c);
    double *phi = arena_array(a, double, c->S + 1), *kept = arena_array(a, double, c->S + 1);
    for (int s = 0; s < c->S; s++) phi[s] = answer_of(o, c, s, &x).phi, kept[s] = x.answers[s];
    put_tokens(w, "ratio", c, x.ratio);
    json_key(w, "tokens"), json_put_real(w, c->step.tokens);
    put_reals(w, "phi", phi, c->S);
    put_reals(w, "sequence_weight", phi, c->S);
    put_reals(w, "kept", kept, c->S);
    put_tokens(w, "entropy_mask", c, x.keep);
    if (x.sampler) put_tokens(w, "importance_weight", c, x.sampler);
    arena_free(a);
}

const objective objective_grpo = {
    .name = "grpo",
    .words = "raise the answers that earn more reward than others to the same prompt (GRPO and its variants)",
    .rows = WANTS_PROMPTS,
    .scope = SCOPE_PAIR,
    .scope_of = grpo_scope,
    .reference = true,
    .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_OLD_LOGP) | NEEDS(COLUMN_ADVANTAGE) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_MASK),
    .more_needs = grpo_more,
    .options = options,
    .options_size = sizeof(grpo_options),
    .learning_rate = 1e-6,
    .check = grpo_check,
    .judge = grpo_judge,
    .tempered = true,
    .carry = {"entropy_coef_now", "entropy_was"},
    .loss = grpo_loss_of,
    .explain = grpo_explain};
