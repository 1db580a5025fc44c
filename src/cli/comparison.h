/* comparison.h - before against after: both answer the same prompts with the same sampling; a rule says which answer it prefers.
 *
 * What a run is worth is told by three figures together: how often the new answer is preferred (with its 95 % interval), how far
 * the answers drifted from what the start model finds likely, and whether they repeat themselves. */
#ifndef FETTLE_CLI_COMPARISON_H
#define FETTLE_CLI_COMPARISON_H

#include <stdio.h>

#include "assist/assist.h"
#include "cli/rewarding.h"
#include "data/data.h"

typedef struct {
    int wins, losses, ties; /* of the second (after) against the first (before) */
    double rate, low, high; /* wins / decided, Wilson's 95 % interval */
    double start_loss[2];   /* nats per token of the start model on either's answers, end token left out */
    double kl
        [2]; /* nats a token that whoever wrote an answer found it likelier than the start model does: an estimate of the KL distance */
    double distinct[2];        /* distinct three-word runs / all of them, over all answers together */
    double words[2], score[2]; /* means per answer */
    double reward[2];          /* the same, where a reward model judges */
    const char *reward_model;  /* its name; NULL: none */
    bool adherence;            /* these rewards say how well guidelines are followed, 1 to 5 */
    int cut[2];                /* answers that ended at the token limit */
    const char **prompts;
    given_answer *answers[2]; /* [count] */
    int *verdict;             /* [count] 1 after, -1 before, 0 tie */
    int count;
} comparison;

/* Who judges, and against what drift is measured. judge NULL: the reward model's verdict counts; reward NULL too: nothing is preferred, the other
 * figures still stand. `start` is usually the base without adapter. */
typedef struct {
    const subject *start, *reward;
    const taste *judge;
    compute_type compute;
    const answering_options *answering;
    bool quiet;
} comparison_how;

bool comparison_run(arena *a, const comparison_how *how, const subject *before, const subject *after, const char **prompts,
                    int count, comparison *out, err *e);

/* Its two halves, where one side is compared with several: the answers of side 0 (before) or 1 (after) with what they are by themselves, then
 * the verdicts. out->prompts and count are set. */
bool comparison_answer(arena *a, const comparison_how *how, const subject *who, int side, comparison *out, err *e);
void comparison_count(arena *a, const comparison_how *how, comparison *c);

/* Rates every answer by the guidelines, as the mean of the ratings 1 to 5 with their probabilities, and counts who is rated higher. */
bool comparison_judge(arena *a, comparison *c, endpoint *judge, str guidelines, err *e);

void comparison_print(FILE *out, const comparison *c, const taste *judge, int shown);
void comparison_put_json(json_writer *w, const comparison *c, const taste *judge);

/* "clearly better", "clearly worse", "no clear difference": whether the interval leaves one half out. */
const char *comparison_verdict(const comparison *c);

#endif
