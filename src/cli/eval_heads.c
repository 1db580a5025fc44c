/* eval_heads.c - reward models and process reward models, measured (contract: eval_heads.h). */
#include "cli/eval_heads.h"

#include <math.h>
#include <stdio.h>

#include "base/sys.h"
#include "data/data.h"
#include "train/train.h"

static const rows *rows_of(arena *a, const subject *s, const char *name, const eval_options *o, err *e) {
    train_settings *t;
    if (!train_settings_begin(a, name, &t, e)) return NULL;
    t->o.data = o->data;
    t->o.max_length = o->max_length;
    return rows_prepare(a, s->model, t, sys_scratch(), NULL, e);
}

/* Scores of a reward model: of pairs, how often the chosen answer has the higher one. */
static bool eval_scores(arena *a, const subject *s, compute_type compute, const eval_options *o, err *e) {
    const rows *r = rows_of(a, s, "reward", o, e);
    if (!r) return false;
    const int64_t count = rows_count(r);
    const int32_t **ids = arena_array(a, const int32_t *, count + 1);
    int *length = arena_array(a, int, count + 1);
    float *reward = arena_array(a, float, count + 1);
    double wins = 0, margin = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) ids[i] = rows_at(r, i).ids, length[i] = rows_at(r, i).length;
    if (!model_rewards(s->model, s->adapter, compute, ids, length, (int)count, reward, e)) return false;
    for (int64_t i = 0; i + 1 < count; i += 2) {
        wins += reward[i] > reward[i + 1];
        margin += (double)reward[i] - (double)reward[i + 1];
        sum += (double)reward[i] + (double)reward[i + 1];
    }
    const double n = (double)(count / 2), divisor = n > 0 ? n : 1;
    double low, high;
    wilson_interval(wins, n, 0.95, &low, &high);
    if (o->json)
        printf("{\"pairs\": %.0f, \"accuracy\": %.9g, \"low\": %.9g, \"high\": %.9g, \"margin\": %.9g, \"mean_reward\": %.9g}\n",
               n, wins / divisor, low, high, margin / divisor, sum / (2 * divisor));
    else
        printf("the chosen answer has the higher score in %.0f of %.0f pairs: %.1f %% (95 %% interval %.1f to %.1f %%); by %.3f "
               "on the "
               "mean, the mean score is %.3f\n",
               wins, n, 100 * wins / divisor, 100 * low, 100 * high, margin / divisor, sum / (2 * divisor));
    return true;
}

/* The classifier's verdict on a token: right or wrong. One output is the logit itself. */
static bool says_right(const float *out, int labels) { return labels == 1 ? out[0] > 0 : out[1] > out[0]; }

static bool eval_steps(arena *a, const subject *s, compute_type compute, const eval_options *o, err *e) {
    const rows *r = rows_of(a, s, "prm", o, e);
    const int labels = model_label_count(s->model, s->adapter);
    double agreed = 0, n = 0, good = 0, low, high;
    if (labels > 2) return err_set(e, ERR_USAGE, "%s has %d labels; steps are right or wrong", s->spec, labels);
    for (int64_t i = 0; r && i < rows_count(r); i++) {
        const row x = rows_at(r, i);
        float *out = arena_array(a, float, x.length *labels + 1);
        if (!model_token_labels(s->model, s->adapter, compute, x.ids, x.length, out, e)) return false;
        for (int k = 0; k < x.length; k++) {
            if (!row_trains(&x, k)) continue;
            agreed += says_right(out + k * labels, labels) == row_right(&x, k);
            good += row_right(&x, k);
            n++;
        }
    }
    if (!r) return false;
    wilson_interval(agreed, n, 0.95, &low, &high);
    const double divisor = n > 0 ? n : 1;
    if (o->json)
        printf("{\"steps\": %.0f, \"accuracy\": %.9g, \"low\": %.9g, \"high\": %.9g, \"right\": %.9g}\n", n, agreed / divisor,
               low, high, good / divisor);
    else
        printf("judged as people did: %.0f of %.0f steps, %.1f %% (95 %% interval %.1f to %.1f %%); %.1f %% of them are right\n",
               agreed, n, 100 * agreed / divisor, 100 * low, 100 * high, 100 * good / divisor);
    return true;
}

bool eval_head(arena *a, const subject *s, compute_type compute, const eval_options *o, err *e) {
    const head_kind k = s->adapter && s->adapter->score ? s->adapter->head : s->model->config.head;
    return k == HEAD_LABELS ? eval_steps(a, s, compute, o, e) : eval_scores(a, s, compute, o, e);
}
