/* sft.c - supervised fine-tuning: imitate the trained tokens.
 *
 *     nll   loss = - sum logp / N            dlogp = -1/N              N: trained tokens of the whole step
 *     dft   loss = - sum p logp / N          dlogp = -p/N, p = e^logp held constant          (arXiv:2508.05629)
 *     label smoothing s (nll only):  (1-s) nll - s/N sum of the mean over the vocabulary of log p */
#include <math.h>
#include <string.h>

#include "train/objective.h"

typedef struct {
    const char *loss_type;
    double label_smoothing_factor;
} sft_options;

static const opt options[] = {
    {"loss_type", OPT_CHOICE, offsetof(sft_options, loss_type), "nll", 0, 0, "nll|chunked_nll|dft",
     "nll, or dft: each token weighted by its own probability"},
    {"label_smoothing_factor", OPT_REAL, offsetof(sft_options, label_smoothing_factor), "0", 0, 1, NULL,
     "share of the target spread over the vocabulary"},
    OPT_END,
};

static double sft_loss(const void *opts, const columns *c, gradients *g) {
    const sft_options *o = opts;
    const double N = c->step.tokens > 1 ? c->step.tokens : 1, s = o->label_smoothing_factor;
    const bool dft = strcmp(o->loss_type, "dft") == 0;
    double loss = 0, entropy = 0, hits = 0, tokens = 0;
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        const double weight = dft ? exp((double)c->logp[t]) : 1 - s;
        loss -= weight * (double)c->logp[t] / N;
        g->dlogp[t] -= (float)(weight / N);
        if (s > 0 && c->smooth) {
            loss -= s * (double)c->smooth[t] / N;
            g->dsmooth[t] -= (float)(s / N);
        }
        tokens++;
        entropy += c->entropy ? (double)c->entropy[t] : 0;
        hits += c->hit ? (double)c->hit[t] : 0;
    }
    if (c->entropy) metric_add(g->metrics, "entropy", entropy, tokens);
    if (c->hit) metric_add(g->metrics, "mean_token_accuracy", hits, tokens);
    return loss;
}

static unsigned sft_needs(const void *opts) {
    return ((const sft_options *)opts)->label_smoothing_factor > 0 ? NEEDS(COLUMN_SMOOTH) : 0;
}

const objective objective_sft = {.name = "sft",
                                 .words = "imitate the answers",
                                 .rows = WANTS_ROWS,
                                 .scope = SCOPE_TOKEN,
                                 .dropout = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT),
                                 .more_needs = sft_needs,
                                 .options = options,
                                 .options_size = sizeof(sft_options),
                                 .learning_rate = 2e-5,
                                 .loss = sft_loss};
