/* agreement.c - kappa, alpha, intervals: see agreement.h for what each is and where it was published. */
#include "data/agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double ratio(double x, double y) { return y == 0 ? NAN : x / y; }

/* ---- Cohen ------------------------------------------------------------------------------------------------------------------------- */

kappa_result cohen_kappa(const int *a, const int *b, int n, int categories) {
    double *first = memory_alloc(sizeof *first * (size_t)(categories + 1)),
           *second = memory_alloc(sizeof *second * (size_t)(categories + 1));
    double same = 0, chance = 0;
    for (int i = 0; i < n; i++) {
        first[a[i]]++;
        second[b[i]]++;
        same += a[i] == b[i];
    }
    for (int c = 0; c < categories; c++) chance += first[c] * second[c];
    memory_release(first);
    memory_release(second);
    const double squared = (double)n * n; /* in whole numbers as far as it goes: no variation is exactly none */
    return (kappa_result){ratio(same, n), ratio(chance, squared), ratio(same * n - chance, squared - chance)};
}

double cohen_weighted(const int *a, const int *b, int n, int categories, int power) {
    double *first = memory_alloc(sizeof *first * (size_t)(categories + 1)),
           *second = memory_alloc(sizeof *second * (size_t)(categories + 1));
    double observed = 0, expected = 0;
    for (int i = 0; i < n; i++) {
        first[a[i]]++;
        second[b[i]]++;
        observed += pow(abs(a[i] - b[i]), power);
    }
    for (int i = 0; i < categories; i++)
        for (int k = 0; k < categories; k++) expected += first[i] * second[k] * pow(abs(i - k), power);
    memory_release(first);
    memory_release(second);
    return 1 - ratio(observed * n, expected);
}

/* ---- Fleiss ------------------------------------------------------------------------------------------------------------------------ */

kappa_result fleiss_kappa(const int *counts, int records, int categories) {
    const kappa_result undefined = {NAN, NAN, NAN};
    double pairs = 0, chance = 0, answers = 0;
    for (int c = 0; c < categories && records; c++) answers += counts[c];
    for (int r = 0; r < records; r++) {
        double sum = 0;
        for (int c = 0; c < categories; c++) {
            const double n = counts[r * categories + c];
            sum += n;
            pairs += n * (n - 1);
        }
        if (sum != answers || answers < 2) return undefined;
    }
    for (int c = 0; c < categories; c++) {
        double sum = 0;
        for (int r = 0; r < records; r++) sum += counts[r * categories + c];
        chance += sum * sum;
    }
    const double all = records * answers, observed = ratio(pairs, all * (answers - 1)), expected = ratio(chance, all * all);
    return (kappa_result){observed, expected, chance == all * all ? NAN : (observed - expected) / (1 - expected)};
}

/* ---- Krippendorff ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    double *value, *count, *below; /* distinct values in order, answers with each, answers before each */
    int distinct;
    double n;
} spread;

static int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static int answers_of(const double *values, int people, int records, int record) {
    int n = 0;
    for (int p = 0; p < people; p++) n += !isnan(values[p * records + record]);
    return n;
}

/* The answers to records that have two or more. */
static spread spread_of(const double *values, int people, int records) {
    const size_t most = (size_t)people * (size_t)records + 1;
    spread s = {memory_alloc(most * sizeof(double)), memory_alloc(most * sizeof(double)), memory_alloc(most * sizeof(double)), 0,
                0};
    double *all = memory_alloc(most * sizeof *all);
    size_t n = 0;
    for (int r = 0; r < records; r++)
        for (int p = 0; p < people && answers_of(values, people, records, r) > 1; p++)
            if (!isnan(values[p * records + r])) all[n++] = values[p * records + r];
    qsort(all, n, sizeof *all, by_value);
    for (size_t i = 0; i < n; i++) {
        if (!i || all[i] != all[i - 1]) {
            s.below[s.distinct] = (double)i;
            s.value[s.distinct++] = all[i];
        }
        s.count[s.distinct - 1]++;
    }
    s.n = (double)n;
    memory_release(all);
    return s;
}

static void spread_free(spread *s) {
    memory_release(s->value);
    memory_release(s->count);
    memory_release(s->below);
}

static int place_of(const spread *s, double value) {
    const double *found = bsearch(&value, s->value, (size_t)s->distinct, sizeof value, by_value);
    return (int)(found - s->value);
}

/* delta squared of the values at two places */
static double distance(const spread *s, int i, int k, alpha_metric metric) {
    const double a = s->value[i], b = s->value[k], sum = a + b;
    if (i == k) return 0;
    if (metric == ALPHA_NOMINAL) return 1;
    if (metric == ALPHA_INTERVAL) return (a - b) * (a - b);
    if (metric == ALPHA_RATIO) return sum == 0 ? 0 : (a - b) / sum * ((a - b) / sum);
    const int low = i < k ? i : k, high = i < k ? k : i; /* answers from one to the other, the ends half */
    const double between = s->below[high] + s->count[high] - s->below[low] - (s->count[low] + s->count[high]) / 2;
    return between * between;
}

static double observed_distance(const spread *s, const double *values, int people, int records, alpha_metric metric) {
    double sum = 0;
    for (int r = 0; r < records; r++) {
        const int m = answers_of(values, people, records, r);
        for (int p = 0; p < people && m > 1; p++)
            for (int q = 0; q < people; q++) {
                const double a = values[p * records + r], b = values[q * records + r];
                if (p != q && !isnan(a) && !isnan(b)) sum += distance(s, place_of(s, a), place_of(s, b), metric) / (m - 1);
            }
    }
    return sum / s->n;
}

static double expected_distance(const spread *s, alpha_metric metric) {
    double sum = 0;
    for (int i = 0; i < s->distinct; i++)
        for (int k = 0; k < s->distinct; k++) sum += s->count[i] * s->count[k] * distance(s, i, k, metric);
    return sum / (s->n * (s->n - 1));
}

double krippendorff_alpha(const double *values, int people, int records, alpha_metric metric) {
    spread s = spread_of(values, people, records);
    double alpha = NAN;
    if (s.distinct > 1) alpha = 1 - ratio(observed_distance(&s, values, people, records, metric), expected_distance(&s, metric));
    spread_free(&s);
    return alpha;
}

double percent_agreement(const double *values, int people, int records) {
    double same = 0, pairs = 0;
    for (int r = 0; r < records; r++)
        for (int p = 0; p < people; p++)
            for (int q = 0; q < p; q++) {
                const double a = values[p * records + r], b = values[q * records + r];
                if (isnan(a) || isnan(b)) continue;
                pairs++;
                same += a == b;
            }
    return ratio(same, pairs);
}

/* ---- Wilson ------------------------------------------------------------------------------------------------------------------------ */

/* z with P(|N(0,1)| < z) = confidence */
static double normal_quantile(double confidence) {
    double low = 0, high = 40;
    for (int i = 0; i < 200; i++) {
        const double middle = (low + high) / 2;
        if (erfc(middle / sqrt(2)) > 1 - confidence) low = middle;
        else high = middle;
    }
    return (low + high) / 2;
}

void wilson_interval(double successes, double trials, double confidence, double *low, double *high) {
    *low = 0;
    *high = 1;
    if (trials <= 0) return;
    const double z = normal_quantile(confidence), p = successes / trials, zz = z * z / trials;
    const double middle = (p + zz / 2) / (1 + zz), half = z / (1 + zz) * sqrt(p * (1 - p) / trials + zz / (4 * trials));
    if (successes > 0 && middle - half > 0) *low = middle - half;
    if (successes < trials && middle + half < 1) *high = middle + half;
}
