/* sample.c - from a row of logits to a token: repetition penalty (arXiv:1909.05858), temperature, top-k, top-p
 * (arXiv:1904.09751), min-p (arXiv:2407.01082), one draw.
 *
 * The candidates are kept in a heap ordered by logit, so that only those that can be drawn are ever sorted. */
#include "model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate candidate;

enum { BLOCK = 1024 }; /* weights that are added up by themselves, so that a draw need not walk all of them */

void sampler_free(sampler *s) {
    memory_release(s->item);
    memory_release(s->top);
    memory_release(s->row);
    memory_release(s->weight);
    *s = (sampler){0};
}

static void reserve(sampler *s, int V) {
    if (s->capacity >= V) return;
    s->item = memory_resize(s->item, (size_t)V * sizeof *s->item);
    s->top = memory_resize(s->top, (size_t)V * sizeof *s->top);
    s->row = memory_resize(s->row, (size_t)V * sizeof *s->row);
    s->weight = memory_resize(s->weight, (size_t)V * sizeof *s->weight);
    s->capacity = V;
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
 * prefix of the order by logit, so that it may be applied first. Beyond 30 nats a token's share is under 1e-13: no draw in practice.
 * Of V tokens those with less than (1 - top_p) / V of the total lie together under 1 - top_p, so top-p never reaches them (half of
 * that allows for rounding). */
static int collect(sampler *s, const float *z, int V, float best, const sampling *o, double *total) {
    double least = o->min_p > 0 ? log(o->min_p) : -30;
    *total = row_weights(s->weight, z, V, best, (float)(1 / o->temperature));
    if (o->top_p < 1 && o->top_k <= 0) least = fmax(least, log(0.5 * (1 - o->top_p) * *total / V));
    const float floor = (float)((double)best + fmax(least, -30) * o->temperature);
    int count = 0;
    for (int i = 0; i < V; i++)
        if (z[i] >= floor) s->item[count++] = (candidate){z[i], i};
    return count;
}

/* One draw among all tokens by their weights, in blocks first. */
static int draw_of_all(const sampler *s, int V, int best, double total, rng *r) {
    double left = rng_uniform(r) * total;
    for (int from = 0; from < V; from += BLOCK) {
        const int end = from + BLOCK < V ? from + BLOCK : V;
        double sum = 0;
        for (int i = from; i < end; i++) sum += (double)s->weight[i];
        if (left >= sum) {
            left -= sum;
            continue;
        }
        for (int i = from; i < end; i++)
            if ((left -= (double)s->weight[i]) < 0) return i;
    }
    return best; /* rounding used up what was left */
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
    const int best = row_largest(z, V);
    if (o->temperature <= 0) return best;
    if (o->top_k <= 0 && o->top_p >= 1 && o->min_p <= 0) {
        const double all = row_weights(s->weight, z, V, z[best], (float)(1 / o->temperature));
        return draw_of_all(s, V, best, all, r);
    }
    double total;
    const int count = collect(s, z, V, z[best], o, &total);
    if (o->top_k <= 0 && o->top_p >= 1) return draw(s->item, count, z[best], o->temperature, r);
    const int kept = cut(s, count, z[best], o, total);
    return draw(s->top, kept, z[best], o->temperature, r);
}

float logit_logp(sampler *s, const float *z, int V, int id, double temperature) {
    reserve(s, V);
    const float best = z[row_largest(z, V)];
    return (float)(((double)z[id] - (double)best) / temperature -
                   log(row_weights(s->weight, z, V, best, (float)(1 / temperature))));
}

void logit_tops(sampler *s, const float *z, int V, int k, token_top *out) {
    int kept = 0;
    for (int id = 0; id < V; id++) {
        if (kept == k && !(z[id] > out[k - 1].logp)) continue;
        int at = kept < k ? kept++ : k - 1;
        for (; at > 0 && z[id] > out[at - 1].logp; at--) out[at] = out[at - 1];
        out[at] = (token_top){id, z[id]};
    }
    reserve(s, V);
    const float best = z[row_largest(z, V)];
    const double all = log(row_weights(s->weight, z, V, best, 1));
    for (int i = 0; i < kept; i++) out[i].logp = (float)((double)out[i].logp - (double)best - all);
}
