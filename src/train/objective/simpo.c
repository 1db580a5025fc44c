/* simpo.c - simple preference optimisation (arXiv:2405.14734): no reference, an answer is worth its mean log-probability.
 *
 *     loss = mean over the pairs of the step of  -log sigmoid(beta (S_c/n_c - S_r/n_r) - simpo_gamma)
 * It is cpo's loss type simpo (formula and gradient: cpo.c) without imitation and with the paper's numbers, which are not the defaults
 * of TRL's CPO. */
#include "train/objective/cpo.h"

static const opt options[] = {CPO_OPTIONS("simpo", "simpo", "2.5", "0", "1.375", "0")};

const objective objective_simpo = {.name = "simpo",
                                   .words = "prefer the chosen answer by its mean log-probability, without a reference",
                                   .rows = WANTS_PAIRS,
                                   .scope = SCOPE_PAIR,
                                   .older_rows = true,
                                   .needs = CPO_NEEDS,
                                   .options = options,
                                   .options_size = sizeof(cpo_options),
                                   .learning_rate = 1e-6,
                                   .check = cpo_check,
                                   .loss = cpo_loss,
                                   .explain = cpo_explain};
