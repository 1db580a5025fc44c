/* dpo.c - direct preference optimisation (arXiv:2305.18290) and its relatives that see the same four numbers of a pair.
 *
 * The loss of a step is the mean over its pairs of the loss type's loss (formulas: dpo_losses.c), weighted when there are several
 * (loss_type sigmoid,sft with loss_weights 1,0.5 adds two); sft is the token mean of -logp over all chosen answers. Variations:
 *     ld_alpha        tokens behind the length of the shorter side count alpha in S and Q             (LD-DPO, arXiv:2409.06411)
 *     use_weighting   l_p times w_c w_r, held constant: w = exp(mean over tokens of logp - log sum p^2)  (WPO, arXiv:2406.11827)
 *     reference_free  Q = 0
 * A token of an answer gets the answer's slope: dlogp = dl/dS (alpha times that in the tail of LD-DPO). */
#include <math.h>
#include <string.h>

#include "train/objective.h"
#include "train/objective/dpo.h"

typedef struct {
    double beta, label_smoothing, f_alpha_divergence_coef, ld_alpha, discopop_tau;
    opt_list loss_type, loss_weights;
    const char *f_divergence_type;
    bool use_weighting, reference_free, length_average;
} dpo_options;

#define AT(member) offsetof(dpo_options, member)
static const opt options[] = {
    {"beta", OPT_REAL, AT(beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the reference"},
    {"loss_type", OPT_LIST, AT(loss_type), "sigmoid", 0, 0, NULL, "one or more of" DPO_LOSS_NAMES},
    {"loss_weights", OPT_LIST, AT(loss_weights), NULL, 0, 0, NULL, "a weight for each loss type (unset: 1 each)"},
    {"label_smoothing", OPT_REAL, AT(label_smoothing), "0", 0, 0.5, NULL,
     "how often a preference is the wrong way round (robust, exo_pair, sigmoid, aot)"},
    {"f_divergence_type", OPT_CHOICE, AT(f_divergence_type), "reverse_kl", 0, 0, DPO_DIVERGENCE_NAMES,
     "how distance from the reference is measured"},
    {"f_alpha_divergence_coef", OPT_REAL, AT(f_alpha_divergence_coef), "0.5", 0, 0, NULL, "alpha of alpha_divergence"},
    {"ld_alpha", OPT_REAL, AT(ld_alpha), NULL, 0, 1, NULL, "weight of the tokens by which one side is longer (unset: 1)"},
    {"use_weighting", OPT_BOOL, AT(use_weighting), "false", 0, 0, NULL, "weigh pairs by how likely the policy is to write them"},
    {"discopop_tau", OPT_REAL, AT(discopop_tau), "0.05", 1e-6, 1e6, NULL, "temperature of discopop's blend"},
    {"reference_free", OPT_BOOL, AT(reference_free), "false", 0, 0, NULL, "ours: compare with nothing instead of a reference"},
    {"length_average", OPT_BOOL, AT(length_average), "true", 0, 0, NULL,
     "ours: ipo and sigmoid_norm divide log-ratios by the tokens of their answer (false: sums, as ipo's paper has it)"},
    OPT_END,
};

/* ---- what may be asked for ------------------------------------------------------------------------------------------------------ */

static double weight_of(const dpo_options *o, int i) {
    double w = 1;
    if (i < o->loss_weights.count) str_to_double(str_of(o->loss_weights.item[i]), &w);
    return w;
}

static bool check_type(const dpo_options *o, const char *name, err *e) {
    const dpo_loss_type *type = dpo_loss_type_of(name);
    if (!type) return err_set(e, ERR_UNSUPPORTED, "loss_type '%s' is not here; there are:%s", name, DPO_LOSS_NAMES);
    if (strcmp(name, "exo_pair") == 0 && o->label_smoothing <= 0)
        return err_set(e, ERR_USAGE, "exo_pair wants label_smoothing above 0 (its paper: 1e-3)");
    if (strcmp(name, "robust") == 0 && o->label_smoothing >= 0.5)
        return err_set(e, ERR_USAGE, "robust wants label_smoothing below 0.5");
    if (!type->divergence && strcmp(o->f_divergence_type, "reverse_kl") != 0)
        return err_set(e, ERR_USAGE, "loss_type %s knows only f_divergence_type reverse_kl, not %s", name, o->f_divergence_type);
    if (type->match && o->use_weighting)
        return err_set(e, ERR_USAGE, "use_weighting weighs pairs, and %s matches answers of different pairs", name);
    return true;
}

static bool dpo_check(const void *opts, err *e) {
    const dpo_options *o = opts;
    double w;
    if (!o->loss_type.count) return err_set(e, ERR_USAGE, "loss_type is empty");
    for (int i = 0; i < o->loss_type.count; i++)
        if (!check_type(o, o->loss_type.item[i], e)) return false;
    if (o->loss_weights.count && o->loss_weights.count != o->loss_type.count)
        return err_set(e, ERR_USAGE, "%d loss_weights for %d loss types", o->loss_weights.count, o->loss_type.count);
    for (int i = 0; i < o->loss_weights.count; i++)
        if (!str_to_double(str_of(o->loss_weights.item[i]), &w))
            return err_set(e, ERR_USAGE, "loss_weights: '%s' is no number", o->loss_weights.item[i]);
    if (!(o->beta > 0)) return err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
    return true;
}

static unsigned dpo_needs(const void *opts) {
    const dpo_options *o = opts;
    return (o->reference_free ? 0 : NEEDS(COLUMN_REF_LOGP)) | (o->use_weighting ? NEEDS(COLUMN_LOG_SUM_SQ) : 0);
}

/* Matching needs every answer of the batch; so does the weighted sft term, whose mean weight multiplies every token. */
static objective_scope dpo_scope(const void *opts) {
    const dpo_options *o = opts;
    for (int i = 0; i < o->loss_type.count; i++) {
        const dpo_loss_type *type = dpo_loss_type_of(o->loss_type.item[i]);
        if (type->match || (!type->link && o->use_weighting)) return SCOPE_STEP;
    }
    return SCOPE_PAIR;
}

/* ---- pairs as numbers ----------------------------------------------------------------------------------------------------------------- */

/* One side of all pairs, arrays [P]. */
typedef struct {
    seq *tokens;
    log_sums *sum;
    double *n;          /* trained tokens */
    double *likelihood; /* WPO's w of the answer; 1 without */
    double *dS;         /* slope of the loss by S */
} side;

typedef struct {
    arena *a;
    const dpo_options *o;
    const columns *c;
    side chosen, rejected;
    double *every; /* [P] slope by each single logp of the chosen answer */
    int *whole;    /* [P] trained tokens that count 1; those behind count tail */
    double tail;
} batch;

static side new_side(arena *a, int P) {
    return (side){.tokens = arena_array(a, seq, P + 1),
                  .sum = arena_array(a, log_sums, P + 1),
                  .n = arena_array(a, double, P + 1),
                  .likelihood = arena_array(a, double, P + 1),
                  .dS = arena_array(a, double, P + 1)};
}

/* The first `whole` trained values as they are, the others times `tail`. */
static double sum_head(const columns *c, const float *x, seq s, int whole, double tail) {
    double sum = 0;
    for (int t = s.begin, i = 0; t < s.end; t++)
        if (c->mask[t]) sum += (i++ < whole ? 1 : tail) * (double)x[t];
    return sum;
}

static double likelihood(const batch *b, seq s, double n) {
    const columns *c = b->c;
    if (!b->o->use_weighting) return 1;
    return exp((sum_trained(c, c->logp, s) - sum_trained(c, c->log_sum_sq, s)) / (n > 1 ? n : 1));
}

static void fill_side(const batch *b, side *x, int p) {
    const columns *c = b->c;
    const bool reference = c->ref_logp && !b->o->reference_free;
    x->sum[p] = (log_sums){sum_head(c, c->logp, x->tokens[p], b->whole[p], b->tail),
                           reference ? sum_head(c, c->ref_logp, x->tokens[p], b->whole[p], b->tail) : 0};
    x->likelihood[p] = likelihood(b, x->tokens[p], x->n[p]);
}

static batch read_pairs(arena *a, const dpo_options *o, const columns *c) {
    batch b = {.a = a,
               .o = o,
               .c = c,
               .chosen = new_side(a, c->P),
               .rejected = new_side(a, c->P),
               .every = arena_array(a, double, c->P + 1),
               .whole = arena_array(a, int, c->P + 1),
               .tail = isnan(o->ld_alpha) ? 1 : o->ld_alpha};
    for (int p = 0; p < c->P; p++) {
        b.chosen.tokens[p] = c->sequence[c->pairs[p].chosen];
        b.rejected.tokens[p] = c->sequence[c->pairs[p].rejected];
        b.chosen.n[p] = count_trained(c, b.chosen.tokens[p]);
        b.rejected.n[p] = count_trained(c, b.rejected.tokens[p]);
        b.whole[p] = (int)fmin(b.chosen.n[p], b.rejected.n[p]);
        fill_side(&b, &b.chosen, p);
        fill_side(&b, &b.rejected, p);
    }
    return b;
}

/* ---- losses --------------------------------------------------------------------------------------------------------------------------- */

static double pair_weight(const batch *b, int p) { return b->chosen.likelihood[p] * b->rejected.likelihood[p]; }

static const matching *matched(const batch *b, const dpo_loss_type *type) {
    matching *m = arena_array(b->a, matching, b->c->P + 1);
    for (int p = 0; p < b->c->P; p++) m[p] = (matching){p, p, p, p};
    if (type->match) type->match(b->chosen.sum, b->rejected.sum, b->c->P, m);
    return m;
}

/* Loss and slopes by S_c and S_r (in da, db) of one term of a loss type. */
static pair_terms term(const batch *b, const dpo_loss_type *type, const matching *m) {
    const dpo_options *o = b->o;
    const dpo_divergence *f = dpo_divergence_of(type->divergence ? o->f_divergence_type : "reverse_kl");
    const double a = b->chosen.sum[m->chosen].S - b->chosen.sum[m->chosen_reference].Q,
                 r = b->rejected.sum[m->rejected].S - b->rejected.sum[m->rejected_reference].Q, coef = o->f_alpha_divergence_coef;
    pair_terms t = {.a = f->score(a, coef),
                    .b = f->score(r, coef),
                    .nc = o->length_average ? fmax(1, b->chosen.n[m->chosen]) : 1,
                    .nr = o->length_average ? fmax(1, b->rejected.n[m->rejected]) : 1,
                    .beta = o->beta,
                    .smoothing = o->label_smoothing,
                    .tau = o->discopop_tau};
    type->link(&t);
    const double w = pair_weight(b, m->chosen);
    t.loss *= w;
    t.da *= w * f->slope(a, coef);
    t.db *= w * f->slope(r, coef);
    return t;
}

/* sft: mean of -logp over the step's chosen tokens (times the pairs' mean weight). */
static double add_sft(const batch *b, double weight) {
    const columns *c = b->c;
    const double tokens = fmax(1, c->step.chosen_tokens);
    double loss = 0, mean = 0;
    for (int p = 0; p < c->P; p++) mean += pair_weight(b, p) / c->P;
    for (int p = 0; p < c->P; p++) {
        loss -= weight * mean * sum_trained(c, c->logp, b->chosen.tokens[p]) / tokens;
        b->every[p] -= weight * mean / tokens;
    }
    return loss;
}

/* Share of the step's loss; slopes are added up in dS. */
static double add_type(const batch *b, const dpo_loss_type *type, double weight) {
    const double pairs = fmax(1, b->c->step.pairs);
    double loss = 0;
    if (!type->link) return add_sft(b, weight);
    const matching *m = matched(b, type);
    for (int i = 0; i < b->c->P; i++) {
        const pair_terms t = term(b, type, &m[i]);
        loss += weight * t.loss / pairs;
        b->chosen.dS[m[i].chosen] += weight * t.da / pairs;
        b->rejected.dS[m[i].rejected] += weight * t.db / pairs;
    }
    return loss;
}

static void spread(const batch *b, const side *x, int p, double every, gradients *g) {
    for (int t = x->tokens[p].begin, i = 0; t < x->tokens[p].end; t++)
        if (b->c->mask[t]) g->dlogp[t] += (float)(every + (i++ < b->whole[p] ? 1 : b->tail) * x->dS[p]);
}

/* ---- metrics ---------------------------------------------------------------------------------------------------------------------------- */

static double add_side_metrics(const batch *b, const side *x, int p, bool chosen, metrics *m) {
    const columns *c = b->c;
    const double reward = b->o->beta * (x->sum[p].S - x->sum[p].Q);
    metric_add(m, chosen ? "rewards/chosen" : "rewards/rejected", reward, 1);
    metric_add(m, chosen ? "logps/chosen" : "logps/rejected", x->sum[p].S, 1);
    if (c->mean_logit)
        metric_add(m, chosen ? "logits/chosen" : "logits/rejected", sum_trained(c, c->mean_logit, x->tokens[p]), x->n[p]);
    if (c->entropy) metric_add(m, "entropy", sum_trained(c, c->entropy, x->tokens[p]), x->n[p]);
    if (c->hit && chosen) metric_add(m, "mean_token_accuracy", sum_trained(c, c->hit, x->tokens[p]), x->n[p]);
    return reward;
}

static void add_metrics(const batch *b, metrics *m) {
    for (int p = 0; p < b->c->P; p++) {
        const double good = add_side_metrics(b, &b->chosen, p, true, m), bad = add_side_metrics(b, &b->rejected, p, false, m);
        metric_add(m, "rewards/accuracies", good > bad, 1);
        metric_add(m, "rewards/margins", good - bad, 1);
    }
}

static double dpo_loss(const void *opts, const columns *c, gradients *g) {
    const dpo_options *o = opts;
    arena *a = arena_new();
    const batch b = read_pairs(a, o, c);
    double loss = 0;
    for (int i = 0; i < o->loss_type.count; i++) loss += add_type(&b, dpo_loss_type_of(o->loss_type.item[i]), weight_of(o, i));
    for (int p = 0; p < c->P; p++) {
        spread(&b, &b.chosen, p, b.every[p], g);
        spread(&b, &b.rejected, p, 0, g);
    }
    if (g->metrics) add_metrics(&b, g->metrics);
    arena_free(a);
    return loss;
}

/* Policy = reference: every log-ratio is 0, so each type's loss is a number known beforehand (sigmoid: ln 2). */
static double dpo_start(const void *opts) {
    const dpo_options *o = opts;
    double loss = 0;
    if (o->use_weighting || o->reference_free) return NAN;
    for (int i = 0; i < o->loss_type.count; i++) {
        pair_terms t = {.nc = 1, .nr = 1, .beta = o->beta, .smoothing = o->label_smoothing, .tau = o->discopop_tau};
        const dpo_loss_type *type = dpo_loss_type_of(o->loss_type.item[i]);
        if (!type->link) return NAN;
        type->link(&t);
        loss += weight_of(o, i) * t.loss;
    }
    return loss;
}

/* ---- what lies on the way --------------------------------------------------------------------------------------------------------------- */

/* One number per sequence, in the order of the sequences. */
static void put_sequences(json_writer *w, const char *key, const columns *c, const double *chosen, const double *rejected,
                          size_t stride) {
    arena *a = arena_new();
    double *out = arena_array(a, double, c->S + 1);
    for (int p = 0; p < c->P; p++) {
        out[c->pairs[p].chosen] = chosen[(size_t)p * stride];
        out[c->pairs[p].rejected] = rejected[(size_t)p * stride];
    }
    json_key(w, key), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, out[s]);
    json_close(w);
    arena_free(a);
}

/* A matched type's terms come in order of rank; sft's token mean stands at every pair. */
static void put_type(json_writer *w, const batch *b, const dpo_loss_type *type) {
    const matching *m = matched(b, type);
    double tokens = 0, nll = 0;
    for (int p = 0; p < b->c->P; p++) {
        tokens += b->chosen.n[p];
        nll -= sum_trained(b->c, b->c->logp, b->chosen.tokens[p]);
    }
    json_open(w, '[');
    for (int i = 0; i < b->c->P; i++)
        json_put_real(w, type->link ? term(b, type, &m[i]).loss : pair_weight(b, i) * nll / fmax(1, tokens));
    json_close(w);
}

static void dpo_explain(const void *opts, const columns *c, json_writer *w) {
    enum { PAIR = sizeof(log_sums) / sizeof(double) };
    const dpo_options *o = opts;
    arena *a = arena_new();
    const batch b = read_pairs(a, o, c);
    put_sequences(w, "S", c, &b.chosen.sum->S, &b.rejected.sum->S, PAIR);
    put_sequences(w, "Q", c, &b.chosen.sum->Q, &b.rejected.sum->Q, PAIR);
    put_sequences(w, "n", c, b.chosen.n, b.rejected.n, 1);
    if (o->use_weighting) put_sequences(w, "wpo_weight", c, b.chosen.likelihood, b.rejected.likelihood, 1);
    json_key(w, "loss_per_pair");
    if (o->loss_type.count > 1) json_open(w, '[');
    for (int i = 0; i < o->loss_type.count; i++) put_type(w, &b, dpo_loss_type_of(o->loss_type.item[i]));
    if (o->loss_type.count > 1) json_close(w);
    arena_free(a);
}

const objective objective_dpo = {.name = "dpo",
                                 .words = "prefer the chosen answer to the rejected one",
                                 .rows = WANTS_PAIRS,
                                 .scope = SCOPE_PAIR,
                                 .scope_of = dpo_scope,
                                 .reference = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_LABEL) |
                                          NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT) | NEEDS(COLUMN_MEAN_LOGIT),
                                 .more_needs = dpo_needs,
                                 .options = options,
                                 .options_size = sizeof(dpo_options),
                                 .learning_rate = 1e-6,
                                 .check = dpo_check,
                                 .loss = dpo_loss,
                                 .start = dpo_start,
                                 .explain = dpo_explain};
