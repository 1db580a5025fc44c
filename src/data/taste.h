/* taste.h - the scripted annotator of the demo: a rule that measures an answer, and the edit a person with that taste would make.
 * A taste is a row of TASTES (taste.c). It stands in for a person; the demo says so. */
#ifndef FETTLE_DATA_TASTE_H
#define FETTLE_DATA_TASTE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "data/demo_prompts.h"

typedef struct {
    str text;
    bool cut;  /* ended at the token limit, not by itself */
    int limit; /* that limit, in tokens */
} judged_text;

typedef struct {
    const char *name, *words; /* "shorter", "fewer words" */
    const char *unit;         /* what the score counts, for the tables */
    const demo_prompts *prompts;
    double (*score)(judged_text a);             /* larger is better */
    char *(*edit)(arena *a, judged_text given); /* the answer as this person would have it */
    bool control;                               /* not offered to people: `longer`, for the test that the sign is right */
} taste;

extern const taste taste_list[]; /* ended by a row without a name */
const taste *taste_find(const char *name);

int text_words(str s);
/* Distinct runs of three words among all the texts, and how many runs there are: repetition, within an answer or from one answer to
 * the next, shows as a small share. */
void texts_trigrams(const str *texts, int count, int *distinct, int *all);

#endif
