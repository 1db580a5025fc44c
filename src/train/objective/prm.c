/* prm.c - a process reward model: each step of an answer is right or wrong (arXiv:2305.20050), said at the last token of the separator
 * behind it.
 *
 * y is a step's label, 1 right, 0 wrong. With two outputs z_0 ("wrong") and z_1 ("right") x = z_1 - z_0, with one x is that:
 *     loss = mean over the labelled tokens of the step of  -log sigmoid(x) if y = 1, -log sigmoid(-x) if y = 0
 * so d loss / d x = (sigmoid(x) - y) / N, and the two outputs get minus and plus that. The score of a step is sigmoid(x). */
#include <math.h>
#include <string.h>

#include "train/objective.h"

typedef struct {
    const char *head, *separator;
    bool last_only, disable_dropout;
    int64_t max_completion;
} prm_options;

static const opt options[] = {
    {"head", OPT_CHOICE, offsetof(prm_options, head), "two_logits", 0, 0, "two_logits|scalar",
     "ours: outputs for wrong and right (TRL's), or one number"},
    {"step_separator", OPT_TEXT, offsetof(prm_options, separator), "\n", 0, 0, NULL, "text behind each step"},
    {"train_on_last_step_only", OPT_BOOL, offsetof(prm_options, last_only), "false", 0, 0, NULL,
     "train the label of the last step alone"},
    {"max_completion_length", OPT_INT, offsetof(prm_options, max_completion), "0", 0, 1e7, NULL,
     "tokens of the steps that are kept; 0: all"},
    {"disable_dropout", OPT_BOOL, offsetof(prm_options, disable_dropout), "true", 0, 0, NULL, "leave lora_dropout out"},
    OPT_END,
};

static int prm_values(const void *opts) { return strcmp(((const prm_options *)opts)->head, "scalar") == 0 ? 1 : 2; }
static bool prm_dropout(const void *opts) { return !((const prm_options *)opts)->disable_dropout; }

static step_rows prm_steps(const void *opts) {
    const prm_options *o = opts;
    return (step_rows){o->separator ? o->separator : "", o->last_only, o->max_completion};
}

static bool prm_check(const void *opts, err *e) {
    const prm_options *o = opts;
    return (o->separator && *o->separator) || err_set(e, ERR_USAGE, "step_separator should be a text: labels stand at its end");
}

static double logit_of(const columns *c, int t) {
    return c->values == 1 ? (double)c->value[t] : (double)c->value[2 * t + 1] - (double)c->value[2 * t];
}

static double prm_loss(const void *opts, const columns *c, gradients *g) {
    const double N = at_least_one(c->step.labelled);
    double loss = 0;
    (void)opts;
    metric_add(g->metrics, "accuracy", 0, 0); /* is there, even where nothing is labelled */
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        const double x = logit_of(c, t), slope = (c->token_label[t] ? -sigmoid(-x) : sigmoid(x)) / N;
        loss += softplus(c->token_label[t] ? -x : x) / N;
        if (c->values == 2) g->dvalue[2 * t] -= (float)slope;
        g->dvalue[c->values * t + c->values - 1] += (float)slope;
        metric_add(g->metrics, "accuracy", (x > 0) == c->token_label[t], 1);
    }
    return loss;
}

static void prm_explain(const void *opts, const columns *c, json_writer *w) {
    (void)opts;
    json_key(w, "step_scores"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++)
            if (c->mask[t]) json_put_real(w, sigmoid(logit_of(c, t)));
        json_close(w);
    }
    json_close(w);
}

const objective objective_prm = {.name = "prm",
                                 .words = "a process reward model: is each step of an answer right?",
                                 .rows = WANTS_STEPS,
                                 .scope = SCOPE_TOKEN,
                                 .policy = POLICY_LABELS,
                                 .adds_micro_batches = true,
                                 .values = prm_values,
                                 .dropout_of = prm_dropout,
                                 .needs = NEEDS(COLUMN_VALUE) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_TOKEN_LABEL),
                                 .options = options,
                                 .options_size = sizeof(prm_options),
                                 .learning_rate = 1e-5,
                                 .check = prm_check,
                                 .steps = prm_steps,
                                 .loss = prm_loss,
                                 .explain = prm_explain};
