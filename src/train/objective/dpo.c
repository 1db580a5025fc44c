/* dpo.c - direct preference optimisation (arXiv:2305.18290) and its relatives that see the same four numbers.
 *
 * A pair is the chosen and the rejected answer to one prompt. Sums run over trained tokens, n is how many they are:
 *     a = S_c - Q_c,  b = S_r - Q_r   (S under the policy, Q under the reference),   d = a - b
 * A loss type gives the loss of a pair and its slopes by a and b; the loss of the step is their mean over its pairs, weighted
 * (loss_type sigmoid,sft with loss_weights 1,0.5 adds two). Tokens of an answer share the slope: dlogp = dl/da for every chosen one. */
#include <math.h>
#include <string.h>

#include "train/objective.h"

typedef struct {
    double beta, label_smoothing;
    opt_list loss_type, loss_weights;
} dpo_options;

static const opt options[] = {
    {"beta", OPT_REAL, offsetof(dpo_options, beta), "0.1", 0, 1e6, NULL, "how strongly to stay near the reference"},
    {"loss_type", OPT_LIST, offsetof(dpo_options, loss_type), "sigmoid", 0, 0, NULL,
     "one or more of sigmoid, hinge, ipo, robust, exo_pair, nca_pair, sppo_hard, apo_zero, apo_down, sigmoid_norm, sft"},
    {"loss_weights", OPT_LIST, offsetof(dpo_options, loss_weights), NULL, 0, 0, NULL,
     "a weight for each loss type (unset: 1 each)"},
    {"label_smoothing", OPT_REAL, offsetof(dpo_options, label_smoothing), "0", 0, 0.5, NULL,
     "how often a preference is the wrong way round (robust, exo_pair, sigmoid)"},
    OPT_END,
};

/* What a pair looks like to a loss type, and what it answers. */
typedef struct {
    double a, b, nc, nr, beta, smooth;
    double loss, da, db;
} pair_terms;

static void sigmoid_type(pair_terms *p) { /* -(1-s) log sigmoid(beta d) - s log sigmoid(-beta d)   (s > 0: conservative DPO) */
    const double x = p->beta * (p->a - p->b);
    p->loss = (1 - p->smooth) * softplus(-x) + p->smooth * softplus(x);
    p->da = -p->beta * ((1 - p->smooth) * sigmoid(-x) - p->smooth * sigmoid(x));
    p->db = -p->da;
}
static void hinge_type(pair_terms *p) { /* max(0, 1 - beta d)                                        (arXiv:2309.06657) */
    const double x = p->beta * (p->a - p->b);
    p->loss = x < 1 ? 1 - x : 0;
    p->da = x < 1 ? -p->beta : 0;
    p->db = -p->da;
}
static void ipo_type(pair_terms *p) { /* (a/n_c - b/n_r - 1/(2 beta))^2                               (arXiv:2310.12036) */
    const double e = p->a / p->nc - p->b / p->nr - 1 / (2 * p->beta);
    p->loss = e * e;
    p->da = 2 * e / p->nc;
    p->db = -2 * e / p->nr;
}
static void robust_type(pair_terms *p) { /* (-(1-s) log sigmoid(x) + s log sigmoid(-x)) / (1 - 2s)    (arXiv:2403.00409) */
    const double x = p->beta * (p->a - p->b), s = p->smooth;
    p->loss = ((1 - s) * softplus(-x) - s * softplus(x)) / (1 - 2 * s);
    p->da = -p->beta * ((1 - s) * sigmoid(-x) + s * sigmoid(x)) / (1 - 2 * s);
    p->db = -p->da;
}
static void exo_type(pair_terms *p) { /* KL between the pair's shares and (1-s, s)                     (arXiv:2402.00856) */
    const double x = p->beta * (p->a - p->b), q = sigmoid(x), s = p->smooth;
    p->loss = q * (-softplus(-x) - log1p(-s)) + (1 - q) * (-softplus(x) - log(s));
    p->da = p->beta * q * (1 - q) * (x - log1p(-s) + log(s));
    p->db = -p->da;
}
static void nca_type(pair_terms *p) { /* -ls(beta a) - ls(-beta a)/2 - ls(-beta b)/2                   (arXiv:2402.05369) */
    const double x = p->beta * p->a, y = p->beta * p->b;
    p->loss = softplus(-x) + 0.5 * softplus(x) + 0.5 * softplus(y);
    p->da = p->beta * (1.5 * sigmoid(x) - 1);
    p->db = 0.5 * p->beta * sigmoid(y);
}
static void sppo_type(pair_terms *p) { /* (a - 1/(2 beta))^2 + (b + 1/(2 beta))^2                        (arXiv:2405.00675) */
    const double h = 0.5 / p->beta;
    p->loss = (p->a - h) * (p->a - h) + (p->b + h) * (p->b + h);
    p->da = 2 * (p->a - h);
    p->db = 2 * (p->b + h);
}
static void apo_zero_type(pair_terms *p) { /* 1 - sigmoid(beta a) + sigmoid(beta b)                        (arXiv:2408.06266) */
    const double x = sigmoid(p->beta * p->a), y = sigmoid(p->beta * p->b);
    p->loss = 1 - x + y;
    p->da = -p->beta * x * (1 - x);
    p->db = p->beta * y * (1 - y);
}
static void apo_down_type(pair_terms *p) { /* sigmoid(beta a) + 1 - sigmoid(beta (a - b)) */
    const double x = sigmoid(p->beta * p->a), y = sigmoid(p->beta * (p->a - p->b));
    p->loss = x + 1 - y;
    p->da = p->beta * (x * (1 - x) - y * (1 - y));
    p->db = p->beta * y * (1 - y);
}
static void norm_type(pair_terms *p) { /* sigmoid on lengths-averaged log-ratios */
    const double x = p->beta * (p->a / p->nc - p->b / p->nr), slope = -p->beta * sigmoid(-x);
    p->loss = softplus(-x);
    p->da = slope / p->nc;
    p->db = -slope / p->nr;
}

static const struct {
    const char *name;
    void (*terms)(pair_terms *p); /* NULL: sft, which is a mean over tokens and not over pairs */
} types[] = {{"sigmoid", sigmoid_type},
             {"hinge", hinge_type},
             {"ipo", ipo_type},
             {"robust", robust_type},
             {"exo_pair", exo_type},
             {"nca_pair", nca_type},
             {"sppo_hard", sppo_type},
             {"apo_zero", apo_zero_type},
             {"apo_down", apo_down_type},
             {"sigmoid_norm", norm_type},
             {"sft", NULL}};

static int type_of(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return (int)i;
    return -1;
}

static double weight_of(const dpo_options *o, int i) {
    double w = 1;
    if (i < o->loss_weights.count) str_to_double(str_of(o->loss_weights.item[i]), &w);
    return w;
}

static bool dpo_check(const void *opts, err *e) {
    const dpo_options *o = opts;
    double w;
    for (int i = 0; i < o->loss_type.count; i++) {
        if (type_of(o->loss_type.item[i]) < 0)
            return err_set(e, ERR_UNSUPPORTED, "loss_type '%s' is not here; there are: %s", o->loss_type.item[i],
                           options[1].help + sizeof "one or more of " - 1);
        if (strcmp(o->loss_type.item[i], "exo_pair") == 0 && o->label_smoothing <= 0)
            return err_set(e, ERR_USAGE, "exo_pair wants label_smoothing above 0 (its paper: 1e-3)");
    }
    if (!o->loss_type.count) return err_set(e, ERR_USAGE, "loss_type is empty");
    if (o->loss_weights.count && o->loss_weights.count != o->loss_type.count)
        return err_set(e, ERR_USAGE, "%d loss_weights for %d loss types", o->loss_weights.count, o->loss_type.count);
    for (int i = 0; i < o->loss_weights.count; i++)
        if (!str_to_double(str_of(o->loss_weights.item[i]), &w))
            return err_set(e, ERR_USAGE, "loss_weights: '%s' is no number", o->loss_weights.item[i]);
    if (!(o->beta > 0)) return err_set(e, ERR_USAGE, "beta is %g, expected above 0", o->beta);
    return true;
}

static double gain(const columns *c, seq s) { /* how much likelier than under the reference, in nats */
    return sum_trained(c, c->logp, s) - (c->ref_logp ? sum_trained(c, c->ref_logp, s) : 0);
}

/* One loss type over all pairs. */
static double add_type(const dpo_options *o, int which, double weight, const columns *c, gradients *g) {
    const double pairs = c->step.pairs > 1 ? c->step.pairs : 1, tokens = c->step.chosen_tokens > 1 ? c->step.chosen_tokens : 1;
    double loss = 0;
    for (int p = 0; p < c->P; p++) {
        const seq chosen = c->sequence[c->pairs[p].chosen], rejected = c->sequence[c->pairs[p].rejected];
        if (!types[which].terms) {
            loss -= weight * sum_trained(c, c->logp, chosen) / tokens;
            add_dlogp(c, g, chosen, -weight / tokens);
            continue;
        }
        const int nc = count_trained(c, chosen), nr = count_trained(c, rejected);
        pair_terms t = {.a = gain(c, chosen),
                        .b = gain(c, rejected),
                        .nc = nc > 1 ? nc : 1,
                        .nr = nr > 1 ? nr : 1,
                        .beta = o->beta,
                        .smooth = o->label_smoothing};
        types[which].terms(&t);
        loss += weight * t.loss / pairs;
        add_dlogp(c, g, chosen, weight * t.da / pairs);
        add_dlogp(c, g, rejected, weight * t.db / pairs);
    }
    return loss;
}

static void add_metrics(const dpo_options *o, const columns *c, metrics *m) {
    double entropy = 0, tokens = 0, hits = 0, chosen_tokens = 0;
    for (int p = 0; p < c->P; p++) {
        const seq side[2] = {c->sequence[c->pairs[p].chosen], c->sequence[c->pairs[p].rejected]};
        static const char *const rewards[2] = {"rewards/chosen", "rewards/rejected"},
                                 *const logps[2] = {"logps/chosen", "logps/rejected"},
                                 *const logits[2] = {"logits/chosen", "logits/rejected"};
        double r[2];
        for (int k = 0; k < 2; k++) {
            const int n = count_trained(c, side[k]);
            r[k] = o->beta * gain(c, side[k]);
            metric_add(m, rewards[k], r[k], 1);
            metric_add(m, logps[k], sum_trained(c, c->logp, side[k]), 1);
            if (c->mean_logit) metric_add(m, logits[k], sum_trained(c, c->mean_logit, side[k]), n);
            if (c->entropy) entropy += sum_trained(c, c->entropy, side[k]);
            tokens += n;
        }
        if (c->hit) hits += sum_trained(c, c->hit, side[0]);
        chosen_tokens += count_trained(c, side[0]);
        metric_add(m, "rewards/accuracies", r[0] > r[1], 1);
        metric_add(m, "rewards/margins", r[0] - r[1], 1);
    }
    if (c->entropy) metric_add(m, "entropy", entropy, tokens);
    if (c->hit) metric_add(m, "mean_token_accuracy", hits, chosen_tokens);
}

static double dpo_loss(const void *opts, const columns *c, gradients *g) {
    const dpo_options *o = opts;
    double loss = 0;
    for (int i = 0; i < o->loss_type.count; i++) loss += add_type(o, type_of(o->loss_type.item[i]), weight_of(o, i), c, g);
    if (g->metrics) add_metrics(o, c, g->metrics);
    return loss;
}

/* Policy = reference: every log-ratio is 0, so each type's loss is a number known beforehand (sigmoid: ln 2). */
static double dpo_start(const void *opts) {
    const dpo_options *o = opts;
    double loss = 0;
    for (int i = 0; i < o->loss_type.count; i++) {
        pair_terms t = {.nc = 1, .nr = 1, .beta = o->beta, .smooth = o->label_smoothing};
        const int which = type_of(o->loss_type.item[i]);
        if (!types[which].terms) return NAN;
        types[which].terms(&t);
        loss += weight_of(o, i) * t.loss;
    }
    return loss;
}

const objective objective_dpo = {.name = "dpo",
                                 .words = "prefer the chosen answer to the rejected one",
                                 .rows = WANTS_PAIRS,
                                 .scope = SCOPE_PAIR,
                                 .reference = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_REF_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) |
                                          NEEDS(COLUMN_LABEL) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT) |
                                          NEEDS(COLUMN_MEAN_LOGIT),
                                 .options = options,
                                 .options_size = sizeof(dpo_options),
                                 .learning_rate = 1e-6,
                                 .check = dpo_check,
                                 .loss = dpo_loss,
                                 .start = dpo_start};
