/* alphapo.c - AlphaPO (arXiv:2501.03884): SimPO whose reward is bent, so that answers which are unlikely already are pushed harder
 * (alpha above 0) or less (below).
 *
 *     v(x) = (1 - e^(-alpha x)) / alpha,   x = S/n
 *     loss = mean over the pairs of the step of  -log sigmoid(beta (v(x_c) - v(x_r)) - simpo_gamma)
 * cpo's loss type simpo with alpha (formula and gradient: cpo.c) and the paper's numbers. */
#include "train/objective/cpo.h"

static const opt options[] = {CPO_OPTIONS("simpo", "simpo", "2.5", "0", "0.1", "0.25")};

const objective objective_alphapo = {.name = "alphapo",
                                     .words = "simpo with a reward that is bent",
                                     .rows = WANTS_PAIRS,
                                     .scope = SCOPE_PAIR,
                                     .older_rows = true,
                                     .needs = CPO_NEEDS,
                                     .options = options,
                                     .options_size = sizeof(cpo_options),
                                     .learning_rate = 7e-7,
                                     .check = cpo_check,
                                     .loss = cpo_loss,
                                     .explain = cpo_explain};
