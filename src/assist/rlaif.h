/* rlaif.h - pairs without people: a model answers, and a judge, or its own revision, says which answer is better. Used through assist.h.
 *
 *   judge    two answers drawn from the policy ──► judge_pair ──► the likelier better one over the other           (RLAIF, arXiv:2309.00267)
 *   revise   an answer ──► critique by the guidelines ──► revision ──► the revision over the first answer  (Constitutional AI, arXiv:2212.08073)
 *
 * The guidelines are the principles. What comes of it are rows of TRL's preference type, for every objective that learns from pairs. */
#ifndef FETTLE_ASSIST_RLAIF_H
#define FETTLE_ASSIST_RLAIF_H

#include "assist/judge.h"

typedef struct {
    endpoint *policy, *judge; /* who answers; who judges, or criticises and revises */
    str guidelines, prompt;
    double temperature, tie; /* of the answers; so near to one half is a tie */
    int max_tokens;
    uint64_t seed;
    bool revise;
} rlaif_order;

/* {"prompt", "chosen", "rejected", "judge", "probability_chosen" or "critique"}; or {"prompt", "left_out": why}: the answers are the same, a tie, or
 * one was cut off. worded: as in judge.h. */
bool rlaif_row(arena *a, const rlaif_order *o, json **row, int *worded, err *e);

#endif
