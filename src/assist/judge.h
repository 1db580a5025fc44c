/* judge.h - a model's opinion as probabilities: which of two answers is better, which of several options fits. Used through assist.h.
 *
 *   guidelines, question, context, answers ──► messages ──► log-probabilities of the choice tokens ──► p
 *
 * Models prefer what stands first (or last), whatever it says. So everything is asked in both orders and p is the mean of both: a judge that
 * looks at the place alone ends at one half. A server that tells no log-probabilities is asked for the letter in words, which counts as p = 1; how
 * often that happened is told. Between the marks <<< and >>> stands text that is judged. */
#ifndef FETTLE_ASSIST_JUDGE_H
#define FETTLE_ASSIST_JUDGE_H

#include "assist/assist.h"

enum { JUDGE_OPTIONS_MOST = 20 }; /* as many first tokens as servers tell */

typedef struct {
    str guidelines; /* what a good answer is; empty: none */
    str question;   /* what is asked; empty: what suits the call */
    str context;    /* what the answers answer; empty: nothing */
} judge_case;

typedef struct {
    double p;        /* that the first answer is better: (order[0] + order[1]) / 2 */
    double order[2]; /* the same when it stood first, and when it stood second */
} judge_verdict;

/* worded: added to, how many choices were read from words. ERR_INPUT: the judge's words named no choice. */
bool judge_pair(endpoint *p, arena *a, const judge_case *c, str x, str y, judge_verdict *out, int *worded, err *e);

/* prob [n], sum 1. answer empty: the question is about the context alone. 2 to JUDGE_OPTIONS_MOST options. */
bool judge_options(endpoint *p, arena *a, const judge_case *c, str answer, const str *options, int n, double *prob, int *worded,
                   err *e);

/* Every pair in both orders. worth [n]: mean probability to be better than another one; place [n]: 1 for the best. */
bool judge_rank(endpoint *p, arena *a, const judge_case *c, const str *answers, int n, double *worth, int *place, int *worded,
                err *e);

/* ---- parts, for tests ---------------------------------------------------------------------------------------------------------------- */

json *judge_pair_messages(arena *a, const judge_case *c, str first, str second);
json *judge_options_messages(arena *a, const judge_case *c, str answer, const str *options, int n);
/* The letter (A for 0) that the words choose: the first that stands by itself. -1: none of the first n. */
int judge_read_letter(str words, int n);
void judge_spread(const double *logp, int n, double *p); /* softmax */

#endif
