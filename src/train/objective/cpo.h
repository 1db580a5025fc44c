/* cpo.h - the loss that cpo, simpo and alphapo share (private to them). */
#ifndef FETTLE_TRAIN_OBJECTIVE_CPO_H
#define FETTLE_TRAIN_OBJECTIVE_CPO_H

#include "train/objective.h"

typedef struct {
    const char *loss_type;
    double beta, label_smoothing, cpo_alpha, simpo_gamma, alpha;
} cpo_options;

/* The rows of the options table with the defaults of a recipe; loss_types: "sigmoid|hinge". */
#define CPO_OPTIONS(loss_type_default, loss_types, beta_default, cpo_alpha_default, gamma_default, alpha_default)                \
    {"beta", OPT_REAL, offsetof(cpo_options, beta), beta_default, 0, 1e6, NULL, "scale of the distance between the answers"},    \
        {"loss_type", OPT_CHOICE, offsetof(cpo_options, loss_type), loss_type_default, 0,                                        \
         0,           loss_types, "what is made of the distance"},                                                               \
        {"label_smoothing",                                                                                                      \
         OPT_REAL,                                                                                                               \
         offsetof(cpo_options, label_smoothing),                                                                                 \
         "0",                                                                                                                    \
         0,                                                                                                                      \
         0.5,                                                                                                                    \
         NULL,                                                                                                                   \
         "how often a preference is the wrong way round (sigmoid, simpo)"},                                                      \
        {"cpo_alpha", OPT_REAL, offsetof(cpo_options, cpo_alpha),        cpo_alpha_default, 0,                                   \
         1e6,         NULL,     "weight of imitating the chosen answers"},                                                       \
        {"simpo_gamma",                                                                                                          \
         OPT_REAL,                                                                                                               \
         offsetof(cpo_options, simpo_gamma),                                                                                     \
         gamma_default,                                                                                                          \
         0,                                                                                                                      \
         1e6,                                                                                                                    \
         NULL,                                                                                                                   \
         "how far apart the answers should come (simpo)"},                                                                       \
        {"alpha",                                                                                                                \
         OPT_REAL,                                                                                                               \
         offsetof(cpo_options, alpha),                                                                                           \
         alpha_default,                                                                                                          \
         -100,                                                                                                                   \
         100,                                                                                                                    \
         NULL,                                                                                                                   \
         "bends the reward: 0 leaves it straight (AlphaPO)"},                                                                    \
        OPT_END

enum {
    CPO_NEEDS = NEEDS(COLUMN_LOGP) | NEEDS(COLUMN_MASK) | NEEDS(COLUMN_PAIR) | NEEDS(COLUMN_LABEL) | NEEDS(COLUMN_MEAN_LOGIT)
};

bool cpo_check(const void *options, err *e);
double cpo_loss(const void *options, const columns *c, gradients *g);
void cpo_explain(const void *options, const columns *c, json_writer *w);

#endif
