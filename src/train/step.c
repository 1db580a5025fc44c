/* step.c - one optimiser step: which rows, their passes, clip, optimiser, and what must hold at its start.
 *
 * A *micro-batch* is TRL's: it only decides means (--normalize microbatch) and what a logged metric is the mean of. A *piece* is ours:
 * as many rows as micro_batch_tokens allows, pairs kept together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "train/loop.h"

/* The most that a ratio may be off before anything has moved: log-probabilities of the same tokens in differently cut pieces. And the most, on
 * average, between log-probabilities of sampling, token by token with a cache, and of training. */
#define RATIO_OFF   1e-3
#define SAMPLER_GAP 0.1

/* ---- which rows ---------------------------------------------------------------------------------------------------------------------- */

unsigned trainer_needs(const trainer *t) {
    const bool watched = t->s->rollout && t->s->rollout->max_kl > 0;
    return objective_needs(t->s->objective, t->s->own) | (watched ? NEEDS(COLUMN_REF_LOGP) : 0);
}

int64_t trainer_steps_per_epoch(const trainer *t) {
    if (t->s->rollout) return rollout_epoch_steps(t);
    const int64_t micros = (t->units + t->per_micro - 1) / t->per_micro;
    return (micros + t->s->o.gradient_accumulation_steps - 1) / t->s->o.gradient_accumulation_steps;
}

int64_t trainer_unit(trainer *t, int64_t epoch, int64_t place) {
    if (strcmp(t->s->o.train_sampling_strategy, "random") != 0) return place;
    if (!t->order || t->order_epoch != epoch) {
        if (!t->order) t->order = arena_array(t->arena, int32_t, t->units);
        rng r = rng_new(rng_mix((uint64_t)t->s->o.seed, (uint64_t)epoch), 0x6f72646572);
        rng_permutation(&r, (int)t->units, t->order);
        t->order_epoch = epoch;
    }
    return t->order[place];
}

/* ---- the step --------------------------------------------------------------------------------------------------------------------------------- */

static step_counts count_rows(const trainer *t, const int64_t *index, int count) {
    const bool has_pairs = trainer_in_pairs(t);
    const int units = count / trainer_step_unit(t);
    step_counts c = {.pairs = has_pairs ? units : 0,
                     .groups = units,
                     .most_tokens = t->s->rollout ? (double)t->s->rollout->max_completion_length : 0};
    for (int i = 0; i < count; i++) {
        const row r = trainer_row(t, index[i]);
        const int n = row_trained(&r);
        if (r.role == ROLE_MISMATCHED || (t->s->objective->own_alone && r.role == ROLE_OPPONENT)) continue;
        c.sequences++;
        c.tokens += n;
        c.labelled += n;
        c.chosen_tokens += r.label ? n : 0;
        c.chosen_predicted += r.label ? r.length - 1 : 0;
        c.target_tokens += r.role == ROLE_TARGET ? n : 0;
    }
    return c;
}

/* What TRL's divisor counts beyond the trained tokens: see family.counts_first_label. */
static double first_labels(const trainer *t, const int64_t *index, int count) {
    double n = 0;
    if (!t->policy->config.family->counts_first_label || t->s->objective->rows != WANTS_ROWS) return 0;
    for (int i = 0; i < count; i++) {
        const row r = rows_at(t->rows, index[i]);
        n += r.length > 0 && (r.mask[0] & MASK_TRAINED);
    }
    return n;
}

static void scale_counts(step_counts *c, double by) {
    c->sequences *= by;
    c->pairs *= by;
    c->chosen_tokens *= by;
    c->chosen_predicted *= by;
    c->target_tokens *= by;
    c->groups *= by;
    c->labelled *= by;
}

/* One micro-batch, piece by piece; an objective that must see all of it is asked once. */
static double run_micro(trainer *t, const int64_t *index, int count, const step_counts *counts, metrics *m) {
    const bool at_once = objective_scope_of(t->s->objective, t->s->own) == SCOPE_STEP;
    arena *a = arena_new();
    int *sizes = arena_array(a, int, count), pieces = 0;
    double loss = 0;
    for (int first = 0; first < count; first += sizes[pieces++]) {
        sizes[pieces] = piece_rows(t, index + first, count - first);
        if (!at_once) loss += pass_run(t, index + first, &sizes[pieces], 1, counts, m);
    }
    if (at_once) loss = pass_run(t, index, sizes, pieces, counts, m);
    arena_free(a);
    return loss;
}

/* Means over micro-batches: each one's own mean counts once. */
static void add_micro(metrics *to, const metrics *micro) {
    for (int i = 0; i < micro->count; i++)
        if (micro->item[i].weight > 0) metric_add(to, micro->item[i].name, micro->item[i].sum / micro->item[i].weight, 1);
}

static double gradient_norm(const trainer *t) {
    double sum = 0;
    for (int i = 0; i < t->count; i++)
        sum +=
            values_sum_squares(t->backend, t->weights[i].w->grad, (size_t)t->weights[i].w->rows * (size_t)t->weights[i].w->cols);
    return sqrt(sum);
}

/* The first step from the reference itself must show the loss that is known beforehand. */
static bool check_start(const trainer *t, double loss, err *e) {
    const bool same = !t->reference || strcmp(t->reference->path, t->policy->path) == 0;
    if (t->step || !t->s->objective->start || t->s->o.adapter || t->s->o.reference || !same) return true;
    const double want = t->s->objective->start(t->s->own);
    if (isnan(want) || fabs(loss - want) <= 1e-5 * fabs(want) + 1e-7) return true;
    return err_set(e, ERR_DIVERGED,
                   "step 1 should have the loss %.7f, because policy and reference are the same model, but has %.7f: please "
                   "report this, it is a defect",
                   want, loss);
}

static bool is_by_micro(const trainer *t) { return strcmp(t->s->o.normalize, "microbatch") == 0; }

/* Completions that are not trained on cost no pass. (With TRL's micro-batches their places decide, so all stay.) */
static bool leaves_some(const trainer *t) {
    return (t->s->objective->own_alone || t->s->objective->keep) && !t->s->objective->whole_groups && !is_by_micro(t);
}

static int64_t only_trained(const trainer *t, int64_t *index, int64_t count) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        if (row_trained(&t->rollout->item[index[i]].row)) index[n++] = index[i];
    return n;
}

/* The rows of the coming step; returns how many units they are. */
static int64_t choose_rows(arena *a, trainer *t, int64_t **index) {
    const int unit = trainer_step_unit(t);
    if (t->rollout) {
        *index = arena_array(a, int64_t, t->per_step);
        rollout_slice(t, *index);
        return (leaves_some(t) ? only_trained(t, *index, t->per_step) : t->per_step) / unit;
    }
    const int64_t per_epoch = trainer_steps_per_epoch(t), epoch = t->step / per_epoch, begin = t->step % per_epoch * t->per_step;
    const int64_t units = t->units - begin < t->per_step ? t->units - begin : t->per_step;
    *index = arena_array(a, int64_t, units * unit);
    for (int64_t i = 0; i < units; i++) {
        const int64_t u = trainer_unit(t, epoch, begin + i);
        for (int k = 0; k < unit; k++) (*index)[i * unit + k] = u * unit + k;
    }
    return units;
}

/* At the first step of a rollout nothing has moved yet: the ratio of every token is 1, and the engine that sampled has read the same weights. */
static bool check_rollout(const trainer *t, metrics *m, err *e) {
    const double gap = t->sampler_tokens > 0 ? t->sampler_gap / t->sampler_tokens : 0;
    if (!t->rollout || !rollout_is_fresh(t)) return true;
    if (t->sampler_tokens > 0) metric_add(m, "sampling/sampling_logp_difference/mean", gap, 1);
    if (!t->rollout->replayed && t->ratio_off > RATIO_OFF)
        return err_set(
            e, ERR_DIVERGED,
            "step %lld: the ratio of a token is %.3g away from 1 before any update of this rollout: please report this, "
            "it is a defect",
            (long long)t->step + 1, t->ratio_off);
    if (gap > SAMPLER_GAP)
        return err_set(e, ERR_DIVERGED,
                       "step %lld: the engine that sampled is %.3g nats a token away from the kernel that trains: please report "
                       "this, it is a defect",
                       (long long)t->step + 1, gap);
    return true;
}

/* In units. */
static int64_t micro_size(const trainer *t, int64_t units) {
    if (is_by_micro(t)) return t->per_micro / (t->rollout ? trainer_step_unit(t) : 1);
    return units > 0 ? units : 1;
}

static void begin_step(trainer *t) {
    t->drift_sum = t->drift_tokens = t->ratio_off = t->sampler_gap = t->sampler_tokens = 0;
    for (int i = 0; i < t->count; i++)
        values_zero(t->backend, t->weights[i].w->grad, (size_t)t->weights[i].w->rows * (size_t)t->weights[i].w->cols);
}

/* Loss and gradients of the step's rows, micro-batch by micro-batch. */
static void run_micros(trainer *t, const int64_t *index, int64_t units, step_result *out) {
    const bool by_micro = is_by_micro(t);
    const int unit = trainer_step_unit(t), all = (int)(units * unit);
    const int64_t micro = micro_size(t, units), micros = (units + micro - 1) / micro;
    const step_counts whole = count_rows(t, index, all);
    for (int64_t i = 0; i < units; i += micro) {
        const int n = (int)((units - i < micro ? units - i : micro) * unit);
        step_counts counts = by_micro ? count_rows(t, index + i * unit, n) : whole;
        if (by_micro && !t->s->objective->adds_micro_batches) scale_counts(&counts, (double)micros);
        counts.tokens = whole.tokens + (by_micro ? first_labels(t, index, all) : 0);
        counts.rollout_tokens = by_micro && t->rollout ? rollout_share(t) : whole.tokens;
        metrics m = {0};
        out->loss += run_micro(t, index + i * unit, n, &counts, &m);
        add_micro(&out->metrics, &m);
    }
    out->grad_norm = gradient_norm(t);
    out->drift = t->drift_tokens > 0 ? t->drift_sum / t->drift_tokens : 0;
}

static bool check_finite(const trainer *t, const step_result *x, err *e) {
    return (isfinite(x->loss) && isfinite(x->grad_norm)) ||
           err_set(e, ERR_DIVERGED,
                   "step %lld: loss %g, gradient norm %g: not finite any more; a lower learning_rate or dtype float32 may "
                   "help. The last checkpoint is whole",
                   (long long)t->step + 1, x->loss, x->grad_norm);
}

static void move_weights(trainer *t, step_result *out) {
    const double most = t->s->o.max_grad_norm, clip = most > 0 ? most / (out->grad_norm + 1e-6) : 1;
    out->lr *= exp2(-t->guard[GUARD_BACKED_OFF]);
    trainer_update(t, out->lr, clip < 1 ? clip : 1, t->step + 1);
    t->step++;
    reference_sync(t);
}

bool trainer_step(trainer *t, step_result *out, err *e) {
    int64_t *index;
    *out = (step_result){0};
    if (t->s->rollout && !rollout_ready(t, e)) return false;
    arena *a = arena_new();
    const int64_t units = choose_rows(a, t, &index);
    begin_step(t);
    run_micros(t, index, units, out);
    arena_free(a);
    if (t->rollout && rollout_is_fresh(t)) add_micro(&out->metrics, &t->rollout->metrics);
    if (!check_finite(t, out, e) || !check_start(t, out->loss, e) || !check_rollout(t, &out->metrics, e) ||
        !train_rate(t->s, t->step, t->steps, &out->lr, e))
        return false;
    move_weights(t, out);
    return true;
}

void trainer_measure(trainer *t, step_result *out) {
    const trainer before = *t;
    const int count = (int)(rows_count(t->held) / trainer_rows_per_unit(t) * trainer_rows_per_unit(t));
    arena *a = arena_new();
    int64_t *index = arena_array(a, int64_t, count + 1);
    for (int i = 0; i < count; i++) index[i] = i;
    *out = (step_result){0};
    t->rows = t->held;
    t->reference_logp = t->held_logp;
    t->measuring = true;
    const step_counts counts = count_rows(t, index, count);
    metrics m = {0};
    if (count) out->loss = run_micro(t, index, count, &counts, &m);
    add_micro(&out->metrics, &m);
    *t = before; /* rows, counters of tokens and drift, what the objective keeps */
    arena_free(a);
}
