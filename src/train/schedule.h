/* schedule.h - learning-rate schedules by name (private to train; probed by cli through train.h). */
#ifndef FETTLE_TRAIN_SCHEDULE_H
#define FETTLE_TRAIN_SCHEDULE_H

#include "base/json.h"

/*     name (transformers')       after warm-up   in warm-up */
#define SCHEDULES(X)                                                                                                             \
    X(linear, linear_rate, linear_warm)                                                                                          \
    X(cosine, cosine_rate, linear_warm)                                                                                          \
    X(constant, constant_rate, NULL)                                                                                             \
    X(constant_with_warmup, constant_rate, linear_warm)                                                                          \
    X(inverse_sqrt, inverse_rate, linear_warm)                                                                                   \
    X(polynomial, polynomial_rate, linear_warm)                                                                                  \
    X(cosine_with_restarts, restarts_rate, linear_warm)                                                                          \
    X(cosine_with_min_lr, min_rate, linear_warm)                                                                                 \
    X(cosine_warmup_with_min_lr, warm_min_rate, min_warm)                                                                        \
    X(warmup_stable_decay, stable_rate, stable_warm)
#define SCHEDULE_NAME(name, rate, warm) "|" #name
#define SCHEDULE_NAMES                  (&("" SCHEDULES(SCHEDULE_NAME))[1]) /* "linear|cosine|..." */

/* The rate of the step after `done` of `total` steps. warmup: steps, or a share below 1. kwargs: lr_scheduler_kwargs or NULL. */
bool schedule_rate(const char *name, double lr, int64_t done, int64_t total, double warmup, const json *kwargs, double *out,
                   err *e);

#endif
