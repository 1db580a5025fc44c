/* coh.c - Chain of Hindsight (arXiv:2302.02676): answers of several kinds in one text, each behind words that say how good it is. A model that
 * has read them writes a good one when the words for good stand before its answer.
 *
 * A row is  prompt  bad_feedback rejected  good_feedback chosen ; the prompt and the feedback are read, not trained:
 *     loss = - sum logp / N            dlogp = -1/N              N: trained tokens of the whole step */
#include <string.h>

#include "train/objective.h"

typedef struct {
    const char *train_on, *bad_feedback, *good_feedback;
} coh_options;

static const opt options[] = {
    {"train_on", OPT_CHOICE, offsetof(coh_options, train_on), "response", 0, 0, "response|last response",
     "ours: which answers are trained, all or the last (the good one)"},
    {"bad_feedback", OPT_TEXT, offsetof(coh_options, bad_feedback), "A bad answer: ", 0, 0, NULL,
     "ours: what stands before the rejected answer"},
    {"good_feedback", OPT_TEXT, offsetof(coh_options, good_feedback), " A good answer: ", 0, 0, NULL,
     "ours: what stands before the chosen answer, and before an answer that is to be good"},
    OPT_END,
};

static chain coh_chain(const void *opts) {
    const coh_options *o = opts;
    return (chain){o->bad_feedback, o->good_feedback, strcmp(o->train_on, "last response") == 0};
}

const objective objective_coh = {.name = "coh",
                                 .words = "learn from good and bad answers in one text, told which is which",
                                 .rows = WANTS_CHAINS,
                                 .scope = SCOPE_TOKEN,
                                 .dropout = true,
                                 .needs = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_ENTROPY) | NEEDS(COLUMN_HIT),
                                 .options = options,
                                 .options_size = sizeof(coh_options),
                                 .learning_rate = 2e-5,
                                 .chain = coh_chain,
                                 .loss = imitation_loss};
