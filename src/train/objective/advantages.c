/* advantages.c - see advantages.h. */
#include "train/objective/advantages.h"

#include <math.h>

spread spread_of(const double *x, int count) {
    spread s = {0};
    double squares = 0;
    for (int i = 0; i < count; i++)
        if (!isnan(x[i])) s.mean += x[i], s.count++;
    s.mean = s.count ? s.mean / s.count : 0;
    for (int i = 0; i < count; i++)
        if (!isnan(x[i])) squares += (x[i] - s.mean) * (x[i] - s.mean);
    s.deviation = s.count > 1 ? sqrt(squares / (s.count - 1)) : 0;
    return s;
}

spread spread_of_group(const judged *j, const double *x, int group) {
    double *own = arena_array(j->a, double, j->S + 1);
    int n = 0;
    for (int i = 0; i < j->S; i++)
        if (j->group[i] == group) own[n++] = x[i];
    return spread_of(own, n);
}

void score_all(judged *j, double *out) {
    for (int i = 0; i < j->S; i++) {
        bool any = false;
        out[i] = 0;
        for (int f = 0; f < j->F; f++) {
            const double r = (double)j->rewards[i * j->F + f];
            if (isnan(r)) continue;
            out[i] += j->weights[f] * r;
            any = true;
        }
        if (!any) out[i] = NAN;
        j->score[i] = (float)out[i];
    }
}

double advantage_of(const columns *c, seq s) { return s.end > s.begin ? (double)c->advantage[s.end - 1] : 0; }

void put_advantages(judged *j, const double *advantage) {
    for (int i = 0; i < j->S; i++)
        for (int t = j->sequence[i].begin; t < j->sequence[i].end; t++)
            j->advantage[t] = isnan(advantage[i]) ? 0 : (float)advantage[i];
}

void metric_add_scores(judged *j, const double *score, bool whole) {
    const spread all = spread_of(score, j->S);
    double flat = 0;
    for (int i = 0; i < j->S; i++) flat += (whole ? all : spread_of_group(j, score, j->group[i])).deviation < 1e-8;
    metric_add(j->metrics, "reward", all.mean, 1);
    metric_add(j->metrics, "reward_std", all.deviation, 1);
    metric_add(j->metrics, "frac_reward_zero_std", flat, j->S);
}

void metric_add_clipped(metrics *m, const clipped *c) {
    metric_add(m, "clip_ratio/low_mean", c->low, c->n);
    metric_add(m, "clip_ratio/high_mean", c->high, c->n);
    metric_add(m, "clip_ratio/region_mean", c->low + c->high, c->n);
    if (!(c->n > 0)) return;
    metric_add_least(m, "clip_ratio/low_min", c->low / c->n);
    metric_add_most(m, "clip_ratio/high_max", c->high / c->n);
}
