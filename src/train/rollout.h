/* rollout.h - answers that the policy writes to prompts while it is trained (private to train).
 *
 *   prompts ──► engine on the very weights in training ──► completions ──► reward functions ──► rewards
 *           ──► old, reference (and value) passes of the training kernel ──► judge (the objective) ──► advantages ──► steps
 *
 * A rollout is made of per_device_train_batch_size x steps_per_generation completions, num_generations to a prompt, and serves
 * num_iterations x steps_per_generation / gradient_accumulation_steps optimiser steps; step.c takes its completions as rows. Everything random
 * is keyed by (seed, number of the rollout, completion), and a checkpoint in the middle of a rollout holds it, so a resumed run has the same
 * bits. Lines of rollouts.jsonl in the run folder tell what was written and what it earned. */
#ifndef FETTLE_TRAIN_ROLLOUT_H
#define FETTLE_TRAIN_ROLLOUT_H

#include "train/reward.h"
#include "train/train.h"

struct trainer;

/* One completion; memory of the rollout. Per-token arrays are of the completion's tokens, ids[prompt .. length-1], and begin with the first. */
typedef struct {
    int64_t prompt; /* which row of the prompts */
    int group; /* which prompt of the rollout, from 0; completions of a group are neighbours, unless they are replayed in another order */
    row row; /* prompt and completion; its mask trains the completion, or nothing of it (mask_truncated_completions) */
    writer_kind writer;
    int tokens;                                        /* of the completion */
    str text;                                          /* special tokens left out */
    bool truncated;                                    /* no end token came */
    float *sampler_logp, *old_logp, *ref_logp, *value; /* NULL: not computed */
    float *advantage, *returns;                        /* what the objective's judge gave */
    float *reward;                                     /* [functions]; NAN: no word */
    float score;                                       /* all functions together; NAN: none */
} completion;

typedef struct {
    arena *a;
    int64_t number; /* from 0 */
    completion *item;
    int count;
    bool replayed; /* read from a file: the policy is not the one that wrote it */
    bool looked;   /* guards have seen it */
    bool told;     /* its metrics and lines are written */
    double tokens; /* trained ones */
    int kept_pass; /* -1: all are trained on; else which time of going through it decided who is */
    metrics metrics;
    double distinct;   /* share of different completions among those of a prompt, mean over prompts */
    double mean_score; /* NAN: no reward had a word */
    double mean_length;
} rollout;

/* Sizes fit one another and the data, before anything is loaded. */
bool rollout_fits(struct trainer *t, err *e);
bool rollout_open(struct trainer *t, err *e); /* reward functions, files */
void rollout_close(struct trainer *t);
/* Makes the rollout that the coming step belongs to, unless it is there. */
bool rollout_ready(struct trainer *t, err *e);
int64_t rollout_size(const train_settings *s);               /* completions of a rollout */
int64_t rollout_steps(const train_settings *s);              /* optimiser steps that it serves */
int64_t rollout_epoch_steps(const struct trainer *t);        /* optimiser steps in an epoch of the prompts */
void rollout_slice(const struct trainer *t, int64_t *index); /* [per_step] completions of the coming step */
double rollout_share(const struct trainer *t);               /* trained tokens of the rollout, a step's share of them */
bool rollout_is_fresh(const struct trainer *t);              /* the coming step is the first that uses it */
/* Lines of rollouts.jsonl; step: the first that uses it. */
void rollout_put_line(json_writer *w, const struct trainer *t, int which, int64_t step);
bool rollout_save(const struct trainer *t, const char *path, err *e); /* nothing between two rollouts */
bool rollout_load(struct trainer *t, const char *path, err *e);

/* ---- between its files ---- */
row rollout_prompt(const struct trainer *t, int64_t i); /* row i of the prompts, without the answer that may stand behind */
rollout *rollout_new(const struct trainer *t, int64_t number);
void rollout_take(struct trainer *t, rollout *r);           /* instead of the one that is there; NULL: none */
bool rollout_sample(struct trainer *t, rollout *r, err *e); /* completions by the engine */
bool rollout_replay(struct trainer *t, rollout *r, err *e); /* and rewards, from the file that --rollouts names */

#endif
