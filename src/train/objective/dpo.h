/* dpo.h - the loss types and divergences of direct preference optimisation as rows (private to dpo.c and dpo_losses.c).
 *
 * A pair is the chosen and the rejected answer to one prompt. S is the log-probability of an answer under the policy, Q under the
 * reference, sums over its n trained tokens:
 *     a = S_c - Q_c,  b = S_r - Q_r,  d = a - b
 * A loss type gives the loss of a pair and its slopes by a and b. A divergence replaces a by s(a), b by s(b) before. */
#ifndef FETTLE_TRAIN_OBJECTIVE_DPO_H
#define FETTLE_TRAIN_OBJECTIVE_DPO_H

#include <stdbool.h>

/* What a pair looks like to a loss type, and what it answers. */
typedef struct {
    double a, b;                 /* in: log-ratios, or their scores under a divergence */
    double nc, nr;               /* in: trained tokens of either side, at least 1 */
    double beta, smoothing, tau; /* in: options beta, label_smoothing, discopop_tau */
    double loss, da, db;         /* out */
} pair_terms;

/* Which answers and references make up term i of a loss type: numbers of pairs. */
typedef struct {
    int chosen, rejected, chosen_reference, rejected_reference;
} matching;

typedef struct {
    double S, Q;
} log_sums;

typedef struct {
    const char *name;
    void (*link)(pair_terms *p); /* NULL: sft, a mean over tokens and not over pairs */
    /* Pairs the answers of a whole batch anew, [P] terms; NULL: as they are given. */
    void (*match)(const log_sums *chosen, const log_sums *rejected, int P, matching *out);
    bool divergence; /* f_divergence_type may be other than reverse_kl */
} dpo_loss_type;

/*     name          match            takes a divergence */
#define DPO_LOSS_TYPES(X)                                                                                                        \
    X(sigmoid, NULL, true)                                                                                                       \
    X(hinge, NULL, true)                                                                                                         \
    X(ipo, NULL, true)                                                                                                           \
    X(robust, NULL, true)                                                                                                        \
    X(exo_pair, NULL, true)                                                                                                      \
    X(nca_pair, NULL, false)                                                                                                     \
    X(bco_pair, NULL, false)                                                                                                     \
    X(sppo_hard, NULL, false)                                                                                                    \
    X(aot, match_margins, false)                                                                                                 \
    X(aot_unpaired, match_sides, false)                                                                                          \
    X(apo_zero, NULL, false)                                                                                                     \
    X(apo_down, NULL, false)                                                                                                     \
    X(discopop, NULL, true)                                                                                                      \
    X(sigmoid_norm, NULL, true)                                                                                                  \
    X(sft, NULL, true)
#define DPO_LOSS_NAME(name, match, divergence) " " #name
#define DPO_LOSS_NAMES                         DPO_LOSS_TYPES(DPO_LOSS_NAME) /* " sigmoid hinge ..." */

const dpo_loss_type *dpo_loss_type_of(const char *name); /* NULL: none */

typedef struct {
    const char *name;
    double (*score)(double u, double coef); /* s(u) */
    double (*slope)(double u, double coef); /* s'(u) */
} dpo_divergence;

/*     name */
#define DPO_DIVERGENCES(X)                                                                                                       \
    X(reverse_kl)                                                                                                                \
    X(forward_kl)                                                                                                                \
    X(js_divergence)                                                                                                             \
    X(alpha_divergence)
#define DPO_DIVERGENCE_NAME(name) "|" #name
#define DPO_DIVERGENCE_NAMES      (&("" DPO_DIVERGENCES(DPO_DIVERGENCE_NAME))[1]) /* "reverse_kl|forward_kl|..." */

const dpo_divergence *dpo_divergence_of(const char *name); /* NULL: none */

#endif
