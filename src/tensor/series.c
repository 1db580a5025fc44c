/* series.c - samples of some work between probes of the limit it runs against (contract: tensor.h). */
#include <stdlib.h>

#include "base/sys.h"
#include "tensor/tensor.h"

static double larger(double a, double b) { return a > b ? a : b; }

static void probe(series *s, double top[LIMIT_COUNT]) {
    for (int k = 0; k < LIMIT_COUNT; k++) {
        if (!(s->limits & 1u << k)) continue;
        top[k] = s->b->limit(s->b, (limit_kind)k);
    }
}

series series_begin(backend *b, unsigned limits, double seconds, int least) {
    series s = {.b = b, .limits = limits, .least = least, .budget = seconds, .begun = sys_seconds()};
    probe(&s, s.top);
    return s;
}

bool series_next(series *s) {
    if (sys_stop_requested() || s->samples == SERIES_SAMPLES) return false;
    const double used = sys_seconds() - s->begun, each = s->samples ? used / s->samples : 0;
    return s->samples < s->least || used + each <= s->budget;
}

void series_start(series *s) {
    s->processor -= sys_processor_seconds();
    s->started = sys_seconds();
}

void series_stop(series *s, const double amount[LIMIT_COUNT]) {
    const double took = sys_seconds() - s->started;
    s->processor += sys_processor_seconds();
    s->used += took;
    double after[LIMIT_COUNT] = {0};
    probe(s, after);
    for (int k = 0; k < LIMIT_COUNT; k++) {
        if (!(s->limits & 1u << k)) continue;
        s->part[k][s->samples] = amount[k] / took / larger(s->top[k], after[k]);
        s->top[k] = after[k];
    }
    s->took[s->samples++] = took;
}

static int order(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static sampled sampled_of(double *x, int n) {
    if (!n) return (sampled){0};
    qsort(x, (size_t)n, sizeof *x, order);
    return (sampled){(x[(n - 1) / 2] + x[n / 2]) / 2, x[0], x[n - 1]};
}

void series_end(series *s) {
    s->had = s->used > 0 ? s->processor / s->used / sys_threads() : 1;
    s->seconds = sampled_of(s->took, s->samples);
    for (int k = 0; k < LIMIT_COUNT; k++)
        if (s->limits & 1u << k) s->share[k] = sampled_of(s->part[k], s->samples);
}
