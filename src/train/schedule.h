/* schedule.h - learning-rate schedules by name (private to train; probed by cli through train.h). */
#ifndef FETTLE_TRAIN_SCHEDULE_H
#define FETTLE_TRAIN_SCHEDULE_H

#include "base/json.h"

#define SCHEDULE_NAMES                                                                                                           \
    "linear|cosine|constant|constant_with_warmup|inverse_sqrt|polynomial|cosine_with_restarts|cosine_with_min_lr|warmup_stable_" \
    "decay"

/* The rate of the step after `done` of `total` steps. warmup: steps, or a share below 1. kwargs: lr_scheduler_kwargs or NULL. */
bool schedule_rate(const char *name, double lr, int64_t done, int64_t total, double warmup, const json *kwargs, double *out,
                   err *e);

#endif
