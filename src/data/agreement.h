/* agreement.h - how far people agree, how sure a share is, who wins: statistics from their published definitions.
 *
 * Undefined results (no variation, nothing in common) are NAN and written as null: show "not defined", never 0 or 1. */
#ifndef FETTLE_DATA_AGREEMENT_H
#define FETTLE_DATA_AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* Two people. a[n], b[n]: answers to the same records, as categories 0 .. categories-1 (for weights: places on a scale).
 *     kappa = (observed - expected) / (1 - expected)                        (J. Cohen, Educ. Psychol. Meas. 20, 1960) */
typedef struct {
    double observed, expected, kappa;
} kappa_result;
kappa_result cohen_kappa(const int *a, const int *b, int n, int categories);
/* Disagreement counts |i - j| (power 1, linear) or (i - j)^2 (power 2, quadratic): 1 - sum(w o) / sum(w e)     (J. Cohen, 1968) */
double cohen_weighted(const int *a, const int *b, int n, int categories, int power);

/* Many people, everyone's answers counted. counts[records][categories]; every record has the same number of answers, at least 2, else
 * all NAN. observed: mean agreement of pairs.                             (J. Fleiss, Psychol. Bull. 76, 1971) */
kappa_result fleiss_kappa(const int *counts, int records, int categories);

/* Any number of people with holes. values[people][records], NAN: no answer; records with one answer do not count. For ALPHA_NOMINAL values
 * are only the same or not.                       (K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011) */
typedef enum { ALPHA_NOMINAL, ALPHA_ORDINAL, ALPHA_INTERVAL, ALPHA_RATIO } alpha_metric;
double krippendorff_alpha(const double *values, int people, int records, alpha_metric metric);

/* Share of pairs of answers to one record that are the same, over all records. values as above. */
double percent_agreement(const double *values, int people, int records);

/* Wilson's score interval, no continuity correction, within [0, 1]; nothing tried: 0 to 1. 0 < confidence < 1, e.g. 0.95.
 *                                                                                        (E. B. Wilson, JASA 22, 1927) */
void wilson_interval(double successes, double trials, double confidence, double *low, double *high);

/* Players 0 .. players-1. result: 1 a won, 0 b won, 0.5 a tie, which counts half a win for each. */
typedef struct {
    int a, b;
    double result;
} game;
/* strength[players]: maximum likelihood of P(a beats b) = 1 / (1 + exp(strength b - strength a)), mean 0. prior_games p adds for everyone p games,
 * half of them won, against one opponent of strength 0: finite strengths for the unbeaten (then the mean is not pinned). False and all
 * NAN when there is no maximum: without a prior, players that cannot be compared or never lost.    (Bradley and Terry, Biometrika 39, 1952) */
bool bradley_terry(const game *games, int count, int players, double prior_games, double *strength);
/* errors[players]: standard errors of these strengths, from the curvature of the log likelihood there (Fisher's information); NAN where the
 * strength is. strength plus and minus 1.96 of them is a 95 % interval. */
void bradley_terry_errors(const game *games, int count, int players, double prior_games, const double *strength, double *errors);
double elo_of(double strength); /* 1000 + strength * 400 / ln 10 */

/* ROUGE-L of two texts by their longest common subsequence of tokens; tokens are runs of a-z and 0-9 in lower case, as hashes. An
 * empty side: all 0.                                                                       (C.-Y. Lin, 2004) */
typedef struct {
    int lcs;
    double precision, recall, f; /* lcs / candidate, lcs / reference, their harmonic mean */
} rouge_score;
uint64_t *rouge_tokens(arena *a, str text, int *count);
rouge_score rouge_l(const uint64_t *reference, int reference_count, const uint64_t *candidate, int candidate_count);

/* ---- one case as JSON, for probe --------------------------------------------------------------------------------------------------- */

/* name: cohen_kappa, fleiss_kappa, krippendorff_alpha, wilson_interval, bradley_terry, rouge_l. v: {"params", "inputs"}. Writes the results as an
 * object. ERR_NOT_FOUND: no statistic of this name. */
bool statistic_put(str name, const json *v, json_writer *w, err *e);

/* ---- a dataset's agreement ----------------------------------------------------------------------------------------------------------- */

/* questions: array of definitions; records: array of records with "responses" ({"user_id", "status", "values"}); submitted ones count.
 *   {"questions": [{"name", "type", "answers", "records" (with two answers or more), "people",
 *                   "percent", "alpha", "alpha_metric": "nominal" | "ordinal" | null, "fleiss",
 *                   "pairs": [{"people": [id, id], "records", "percent", "kappa", "weighted" (quadratic, ratings)}],
 *                   "annotators": [{"user_id", "answers", "compared", "with_majority"}],
 *                   "disagreements": [{"record_id", "answers", "agreement"}]}]}
 * with_majority: share of a person's answers that are the most frequent answer of the others (ties of the others do not count).
 * disagreements: records whose answers differ, least agreement first, at most `worst`. */
json *agreement_report(arena *a, const json *questions, const json *records, int worst);

/* What each person did; records also with "suggestions" ({"question_id", "value"}), "gold" ({question: {"value"}}) and "gold_hidden" (bool), and
 * responses with "updated_at".
 *   [{"user_id", "submitted", "drafts", "discarded",
 *     "active_seconds" (sum of the gaps below five minutes between their answers), "median_seconds" (of these gaps; null: none),
 *     "gold", "hidden_gold", "majority" (of the others), "suggestions": {"compared", "same", "share" (null: nothing compared)}}]
 * Compared are values of submitted answers, question by question. */
json *annotator_report(arena *a, const json *questions, const json *records);

#endif
