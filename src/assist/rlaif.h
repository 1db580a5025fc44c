/* rlaif.h - pairs without people: a model answers, and a judge, or its own revision, says which answer is better. Used through assist.h.
 *
 *   judge    two answers drawn from the policy ──► judge_pair ──► the likelier better one over the other           (RLAIF, arXiv:2309.00267)
 *   revise   an answer ──► critique by the guidelines ──► revision ──► the revision over the first answer  (Constitutional AI, arXiv:2212.08073)
 *
 * The guidelines are the principles; of several principles one is drawn for each prompt, as the paper does. What comes of it are rows of TRL's preference type, for every objective that learns from pairs. */
#ifndef FETTLE_ASSIST_RLAIF_H
#define FETTLE_ASSIST_RLAIF_H

#include "assist/judge.h"

typedef struct {
    endpoint *policy, *judge; /* who answers; who judges, or criticises and revises */
    str guidelines, prompt;
    str principle;           /* revise: what this one is criticised by; empty: the guidelines as a whole */
    double temperature, tie; /* of the answers; so near to one half is a tie */
    int max_tokens;
    uint64_t seed;
    bool revise;
} rlaif_order;

/* {"prompt", "chosen", "rejected", "judge", "probability_chosen" or "critique" (and "principle")}; or {"prompt", "left_out": why}: the answers are the same, a tie, or
 * one was cut off. worded: as in judge.h. */
bool rlaif_row(arena *a, const rlaif_order *o, json **row, int *worded, err *e);

/* Of many prompts, to a file: OUT.part has a row for each prompt that is done (kept.h). order.seed is the seed of all; order.prompt and
 * order.principle are set here. */
typedef struct {
    const char *out;
    const char *const *prompts;
    int count;
    const char *const *principles; /* revise: one is drawn for each prompt; 0 of them: the guidelines */
    int principle_count;
    bool (*go_on)(void *self, int done); /* before each prompt; NULL: to the end */
    void *self;
} rlaif_file;
typedef struct {
    int64_t pairs, left_out;
    int worded;
    char why[400]; /* of what was left out */
} rlaif_made;
/* ERR_STOPPED when go_on says so; ERR_INPUT when OUT.part is of other prompts. */
bool rlaif_run(const rlaif_order *o, const rlaif_file *f, rlaif_made *made, err *e);

#endif
