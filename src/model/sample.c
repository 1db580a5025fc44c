/* sample.c - from a row of logits to a token: repetition penalty (arXiv:1909.05858), temperature, top-k, top-p
 * (arXiv:1904.09751), min-p (arXiv:2407.01082), one draw.
 *
 * The candidates are kept in a heap ordered by logit, so that only those that can be drawn are ever sorted. */
#include "model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate candidate;

void sampler_free(sampler *s) {
    memory_release(s->item);
    memory_release(s->top);
    memory_release(s->row);
    *s = (sampler){0};
}

static void reserve(sampler *s, int V) {
    if (s->capacity >= V) return;
    s->item = memory_resize(s->item, (size_t)V * sizeof *s->item);
    s->top = memory_resize(s->top, (size_t)V * sizeof *s->top);
    s->row = memory_resize(s->row, (size_t)V * sizeof *s->row);
    s->capacity = V;
}

static int largest(const float *z, int V) {
    int best = 0;
    for (int i = 1; i < V; i++)
        if (z[i] > z[best]) best = i;
    return best;
}

/* Positive logits are divided, negative ones multiplied; a token counts once however often it was seen. */
static void penalise(float *z, int V, const int32_t *seen, int n, double penalty, const float *raw) {
    for (int i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < V) {
            const float x = raw[seen[i]];
            z[seen[i]] = x > 0 ? (float)((double)x / penalty) : (float)((double)x * penalty);
        }
}

/* a stands before b: larger logit, then lower id. */
static bool before(candidate a, candidate b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

static void sift(candidate *h, int n, int i) {
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(h[child + 1], h[child])) child++;
        if (!before(h[child], h[i])) return;
        const candidate t = h[i];
        h[i] = h[child];
        h[child] = t;
    }
}

static candidate pop(candidate *h, int *n) {
    const candidate top = h[0];
    h[0] = h[--*n];
    sift(h, *n, 0);
    return top;
}

static double weight_of(float logit, float best, double temperature) { return exp((double)(logit - best) / temperature); }

/* Candidates in s->item; *total is the sum of weights before min-p, which cuts last in transformers but, like the others, keeps a
 * prefix of the order by logit, so that it may be applied first. */
static int collect(sampler *s, const float *z, int V, float best, const sampling *o, double *total) {
    /* Beyond 30 nats a token's share is under 1e-13: no draw in practice. */
    const double reach = 30 * o->temperature, minimum = o->min_p > 0 ? log(o->min_p) * o->temperature : -reach;
    const float floor = best - (float)reach, least = best + (float)(minimum > -reach ? minimum : -reach);
    int count = 0;
    *total = 0;
    for (int i = 0; i < V; i++)
        if (z[i] >= floor) {
            *total += weight_of(z[i], best, o->temperature);
            if (z[i] >= least) s->item[count++] = (candidate){z[i], i};
        }
    return count;
}

/* The most likely candidates in order, as many as top-k and top-p leave, in s->top; returns how many. */
static int cut(sampler *s, int count, float best, const sampling *o, double total) {
    for (int i = count / 2 - 1; i >= 0; i--) sift(s->item, count, i);
    const bool limited = o->top_k > 0 && o->top_k < count;
    const int limit = limited ? o->top_k : count;
    int heap = count, taken = 0;
    if (limited) {
        for (total = 0; taken < limit; taken++) {
            s->top[taken] = pop(s->item, &heap);
            total += weight_of(s->top[taken].logit, best, o->temperature);
        }
    }
    double sum = 0;
    int kept = 0;
    while (kept < limit && (kept == 0 || sum < o->top_p * total)) {
        if (kept == taken) s->top[taken++] = pop(s->item, &heap);
        sum += weight_of(s->top[kept++].logit, best, o->temperature);
    }
    return kept;
}

static int draw(const candidate *c, int count, float best, double temperature, rng *r) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += weight_of(c[i].logit, best, temperature);
    double left = rng_uniform(r) * sum;
    for (int i = 0; i < count; i++)
        if ((left -= weight_of(c[i].logit, best, temperature)) < 0) return c[i].id;
    return c[count - 1].id;
}

int sample_token(sampler *s, const float *raw, int V, const int32_t *seen, int n, const sampling *o, rng *r) {
    reserve(s, V);
    const float *z = raw;
    if (o->repetition_penalty != 1) {
        memcpy(s->row, raw, (size_t)V * sizeof *raw);
        penalise(s->row, V, seen, n, o->repetition_penalty, raw);
        z = s->row;
    }
    const int best = largest(z, V);
    if (o->temperature <= 0) return best;
    double total;
    const int count = collect(s, z, V, z[best], o, &total);
    if (o->top_k <= 0 && o->top_p >= 1) return draw(s->item, count, z[best], o->temperature, r);
    const int kept = cut(s, count, z[best], o, total);
    return draw(s->top, kept, z[best], o->temperature, r);
}

float logit_logp(const float *z, int V, int id) {
    const int best = largest(z, V);
    double sum = 0;
    for (int i = 0; i < V; i++) {
        const float d = z[i] - z[best];
        if (d > -40.0f) sum += (double)expf(d);
    }
    return (float)((double)z[id] - (double)z[best] - log(sum));
}
