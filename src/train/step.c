/* step.c - one optimiser step: rows to pieces, reference and policy passes, columns, objective, backward, clip, AdamW.
 *
 * A *micro-batch* is TRL's: it only decides means (--normalize microbatch) and what a logged metric is the mean of. A *piece* is ours:
 * as many rows as micro_batch_tokens allows, pairs kept together. A rejected answer is computed behind its chosen one's prompt. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "train/loop.h"

/* ---- which rows ---------------------------------------------------------------------------------------------------------------------- */

static int rows_per_unit(const trainer *t) { return t->s->objective->rows == WANTS_PAIRS ? 2 : 1; }

int64_t trainer_steps_per_epoch(const trainer *t) {
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

/* ---- one piece --------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    row *row; /* cut to max_length */
    int64_t *index;
    int rows;
    /* tokens of the batch */
    int32_t *ids, *position;
    span *spans;
    layout layout;
    int T;
    /* the head's rows: trained tokens only */
    int32_t *head_row, *target;
    int *column; /* where each of them stands in the columns */
    int R;
    /* columns: all predicted tokens */
    seq *sequences;
    uint8_t *mask;
    int columns;
} piece;

static int trained_tokens(const row *r) {
    int n = 0;
    for (int i = 1; i < r->length; i++) n += r->mask[i] != 0;
    return n;
}

static bool shares_prompt(const row *first, const row *second) {
    return first->prompt == second->prompt && first->prompt > 0 && second->length > second->prompt &&
           first->length >= first->prompt && memcmp(first->ids, second->ids, (size_t)first->prompt * sizeof *first->ids) == 0;
}

static piece make_piece(arena *a, const trainer *t, const int64_t *index, int count) {
    piece p = {.rows = count,
               .index = arena_array(a, int64_t, count),
               .row = arena_array(a, row, count),
               .spans = arena_array(a, span, count),
               .sequences = arena_array(a, seq, count)};
    int tokens = 0, most = (int)t->s->o.max_length;
    for (int i = 0; i < count; i++) {
        p.index[i] = index[i];
        p.row[i] = rows_at(t->rows, index[i]);
        if (most && p.row[i].length > most) p.row[i].length = most;
        tokens += p.row[i].length;
    }
    p.ids = arena_array(a, int32_t, tokens);
    p.position = arena_array(a, int32_t, tokens);
    p.head_row = arena_array(a, int32_t, tokens);
    p.target = arena_array(a, int32_t, tokens);
    p.column = arena_array(a, int, tokens);
    p.mask = arena_array(a, uint8_t, tokens);
    for (int i = 0; i < count; i++) {
        const row *r = &p.row[i];
        const bool shared =
            i > 0 && r->pair >= 0 && r->label == 0 && p.row[i - 1].pair == r->pair && shares_prompt(&p.row[i - 1], r);
        const int from = shared ? r->prompt : 0;
        p.spans[i] =
            (span){.begin = p.T, .length = r->length - from, .prompt = r->prompt, .parent = shared ? i - 1 : -1, .shared = from};
        memcpy(p.ids + p.T, r->ids + from, (size_t)(r->length - from) * sizeof *p.ids);
        p.sequences[i].begin = p.columns;
        for (int k = 1; k < r->length; k++, p.columns++) {
            p.mask[p.columns] = r->mask[k] != 0;
            if (!r->mask[k]) continue;
            p.head_row[p.R] = k - 1 >= from
                                  ? p.T + k - 1 - from
                                  : p.spans[i - 1].begin + k - 1; /* the first answer token is predicted from the shared prompt */
            p.target[p.R] = r->ids[k];
            p.column[p.R++] = p.columns;
        }
        p.sequences[i].end = p.columns;
        p.T += r->length - from;
    }
    layout_positions(p.spans, count, p.position);
    p.layout = (layout){p.T, count, p.spans, p.position};
    return p;
}

/* ---- reference ---------------------------------------------------------------------------------------------------------------------------- */

/* Log-probabilities of the trained tokens under the reference, computed once per row. */
static void reference_pass(trainer *t, const piece *p, float *out) {
    bool known = true;
    for (int i = 0; i < p->rows; i++) known &= t->reference_logp[p->index[i]] != NULL;
    if (!known) {
        const model *m = t->reference ? t->reference : t->policy;
        tape *tp = tape_new(t->backend, t->pool, (tape_options){.compute = t->compute});
        tensor *h =
            op_rows(tp, model_forward(m, tp, &(model_batch){p->ids, &p->layout}, t->reference_adapter), p->head_row, p->R);
        op_logp(tp, h, m->head, m->head_bias, &(logp_form){.target = p->target, .columns = {.logp = out}});
        tape_free(tp);
    }
    for (int i = 0, at = 0; i < p->rows; i++) {
        const int n = trained_tokens(&p->row[i]);
        float **kept = &t->reference_logp[p->index[i]];
        if (known) memcpy(out + at, *kept, (size_t)n * sizeof *out);
        else if (!*kept) *kept = memcpy(memory_alloc((size_t)(n + 1) * sizeof **kept), out + at, (size_t)n * sizeof *out);
        at += n;
    }
}

/* ---- policy -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    trainer *t;
    const piece *p;
    step_counts counts;
    columns c;
    gradients g;
    float *packed[COLUMN_COUNT]; /* columns of the head, [R] */
    float *wide[COLUMN_COUNT];   /* the same among all predicted tokens, [columns] */
    double loss;
    double tokens_seen;
} pass;

static float **slot(columns *c, int which) {
#define X(token, member, per, producer)                                                                                          \
    if (which == token) return (float **)(uintptr_t)(const void *)&c->member;
    COLUMNS(X)
#undef X
    bug("column %d", which);
}

static void spread(const pass *s, int from, int count) {
    for (int k = 0; k < COLUMN_COUNT; k++)
        for (int i = from; s->wide[k] && i < from + count; i++) s->wide[k][s->p->column[i]] = s->packed[k][i];
}

static unsigned needs_of(const trainer *t) {
    const objective *o = t->s->objective;
    return o->needs | (o->more_needs ? o->more_needs(t->s->own) : 0);
}

static const int head_made[] = {COLUMN_LOGP,       COLUMN_REF_LOGP,   COLUMN_ENTROPY, COLUMN_HIT,
                                COLUMN_MEAN_LOGIT, COLUMN_LOG_SUM_SQ, COLUMN_SMOOTH};

static void make_columns(pass *s) {
    const piece *p = s->p;
    const unsigned needs = needs_of(s->t);
    for (size_t i = 0; i < sizeof head_made / sizeof *head_made; i++) {
        const int k = head_made[i];
        if (!(needs & NEEDS(k))) continue;
        s->packed[k] = arena_array(s->a, float, p->R + 1);
        *slot(&s->c, k) = s->wide[k] = arena_array(s->a, float, p->columns + 1);
    }
    int *label = arena_array(s->a, int, p->rows), *pair = arena_array(s->a, int, p->rows);
    float *margin = arena_array(s->a, float, p->rows);
    struct pair_of *pairs = arena_array(s->a, struct pair_of, p->rows);
    for (int i = 0; i < p->rows; i++) {
        label[i] = p->row[i].label;
        margin[i] = p->row[i].margin;
        pair[i] = i / 2;
        if (p->row[i].pair < 0) continue;
        if (label[i]) pairs[i / 2].chosen = i;
        else pairs[i / 2].rejected = i;
    }
    s->c.T = p->columns;
    s->c.S = p->rows;
    s->c.P = rows_per_unit(s->t) == 2 ? p->rows / 2 : 0;
    s->c.sequence = p->sequences;
    s->c.mask = p->mask;
    s->c.label = label;
    s->c.pair = pair;
    s->c.margin = margin;
    s->c.pairs = pairs;
    s->c.step = s->counts;
    s->g.dlogp = arena_array(s->a, float, p->columns + 1);
    s->g.dentropy = arena_array(s->a, float, p->columns + 1);
    s->g.dsmooth = arena_array(s->a, float, p->columns + 1);
}

/* A loss whose tokens need nothing but themselves is asked chunk by chunk, while the chunk's logits are there. */
static void chunk_gradient(void *self, int first, int count, const head_columns *h, float *dlogp, float *dentropy) {
    pass *s = self;
    (void)h;
    spread(s, first, count);
    uint8_t *only = arena_array(s->a, uint8_t, s->c.T + 1);
    for (int i = first; i < first + count; i++) only[s->p->column[i]] = 1;
    columns c = s->c;
    c.mask = only;
    s->loss += s->t->s->objective->loss(s->t->s->own, &c, &s->g);
    for (int i = first; i < first + count; i++) {
        dlogp[i] = s->g.dlogp[s->p->column[i]];
        dentropy[i] = 0;
    }
}

static float *gathered(const pass *s, const float *wide) {
    float *out = arena_array(s->a, float, s->p->R + 1);
    bool any = false;
    for (int i = 0; i < s->p->R; i++) any |= (out[i] = wide[s->p->column[i]]) != 0;
    return any ? out : NULL;
}

static tape_options options_of(const trainer *t) {
    return (tape_options){.compute = t->compute,
                          .grad = true,
                          .recompute = t->s->o.gradient_checkpointing,
                          .dropout = strcmp(t->s->objective->name, "sft") == 0,
                          .seed = rng_mix((uint64_t)t->s->o.seed, (uint64_t)t->step)};
}

static void policy_pass(pass *s) {
    trainer *t = s->t;
    const piece *p = s->p;
    const bool fused = t->s->objective->scope == SCOPE_TOKEN && !s->packed[COLUMN_SMOOTH];
    tape *tp = tape_new(t->backend, t->pool, options_of(t));
    tensor *h = op_rows(tp, model_forward(t->policy, tp, &(model_batch){p->ids, &p->layout}, t->adapter), p->head_row, p->R);
    const logp_form form = {.target = p->target,
                            .columns = {s->packed[COLUMN_LOGP], s->packed[COLUMN_ENTROPY], s->packed[COLUMN_MEAN_LOGIT],
                                        s->packed[COLUMN_LOG_SUM_SQ], s->packed[COLUMN_HIT]},
                            .smooth = s->packed[COLUMN_SMOOTH],
                            .fused = {fused ? chunk_gradient : NULL, s}};
    tensor *y = op_logp(tp, h, t->policy->head, t->policy->head_bias, &form);
    if (!fused) {
        spread(s, 0, p->R);
        s->loss = t->s->objective->loss(t->s->own, &s->c, &s->g);
        op_logp_seed(tp, y, gathered(s, s->g.dlogp), gathered(s, s->g.dentropy), gathered(s, s->g.dsmooth));
    }
    tape_backward(tp);
    tape_free(tp);
}

static double run_piece(trainer *t, const int64_t *index, int count, const step_counts *counts, metrics *m) {
    arena *a = arena_new();
    const piece p = make_piece(a, t, index, count);
    pass s = {.a = a, .t = t, .p = &p, .counts = *counts, .g = {.metrics = m}};
    for (int i = 0; i < count; i++) t->num_tokens += p.row[i].length;
    if (p.R) {
        make_columns(&s);
        if (s.packed[COLUMN_REF_LOGP]) reference_pass(t, &p, s.packed[COLUMN_REF_LOGP]);
        policy_pass(&s);
        for (int i = 0; s.wide[COLUMN_REF_LOGP] && i < p.columns; i++) {
            if (!p.mask[i]) continue;
            for (int k = 0; k < p.rows; k++)
                if (p.row[k].label && i >= p.sequences[k].begin && i < p.sequences[k].end) {
                    t->drift_sum += (double)s.wide[COLUMN_LOGP][i] - (double)s.wide[COLUMN_REF_LOGP][i];
                    t->drift_tokens++;
                }
        }
    }
    arena_free(a);
    return s.loss;
}

/* ---- the step --------------------------------------------------------------------------------------------------------------------------------- */

static step_counts count_rows(const trainer *t, const int64_t *index, int count) {
    step_counts c = {.sequences = count, .pairs = rows_per_unit(t) == 2 ? count / 2 : 0};
    for (int i = 0; i < count; i++) {
        row r = rows_at(t->rows, index[i]);
        if (t->s->o.max_length && r.length > t->s->o.max_length) r.length = (int)t->s->o.max_length;
        const int n = trained_tokens(&r);
        c.tokens += n;
        c.chosen_tokens += r.label ? n : 0;
    }
    return c;
}

static void scale_counts(step_counts *c, double by) {
    c->sequences *= by;
    c->pairs *= by;
    c->chosen_tokens *= by;
}

/* One micro-batch in pieces of about micro_batch_tokens. */
static double run_micro(trainer *t, const int64_t *index, int count, const step_counts *counts, metrics *m) {
    const int unit = rows_per_unit(t);
    double loss = 0;
    for (int first = 0, n; first < count; first += n) {
        int64_t tokens = 0;
        for (n = 0; first + n < count; n += unit) {
            int64_t more = 0;
            for (int k = 0; k < unit; k++) {
                const row r = rows_at(t->rows, index[first + n + k]);
                more += t->s->o.max_length && r.length > t->s->o.max_length ? t->s->o.max_length : r.length;
            }
            if (n && tokens + more > t->s->o.micro_batch_tokens) break;
            tokens += more;
        }
        loss += run_piece(t, index + first, n, counts, m);
    }
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

static void update(trainer *t, double lr, double norm) {
    const train_options *o = &t->s->o;
    const double clip = o->max_grad_norm > 0 ? o->max_grad_norm / (norm + 1e-6) : 1;
    for (int i = 0; i < t->count; i++) {
        trained *w = &t->weights[i];
        const size_t n = (size_t)w->w->rows * (size_t)w->w->cols;
        const adamw_form f = {lr,          o->adam_beta1,      o->adam_beta2, o->adam_epsilon, w->decays ? o->weight_decay : 0,
                              t->step + 1, clip < 1 ? clip : 1};
        values_adamw(t->backend, w->w->values, w->w->grad, w->m, w->v, n, &f);
        weight_refresh(t->backend, w->w);
    }
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

bool trainer_step(trainer *t, step_result *out, err *e) {
    const train_options *o = &t->s->o;
    const int64_t per_epoch = trainer_steps_per_epoch(t), epoch = t->step / per_epoch, begin = t->step % per_epoch * t->per_step;
    const int64_t units = t->units - begin < t->per_step ? t->units - begin : t->per_step;
    const int unit = rows_per_unit(t);
    arena *a = arena_new();
    int64_t *index = arena_array(a, int64_t, units * unit);
    for (int64_t i = 0; i < units; i++) {
        const int64_t u = trainer_unit(t, epoch, begin + i);
        for (int k = 0; k < unit; k++) index[i * unit + k] = u * unit + k;
    }
    *out = (step_result){0};
    t->drift_sum = t->drift_tokens = 0;
    for (int i = 0; i < t->count; i++)
        values_zero(t->backend, t->weights[i].w->grad, (size_t)t->weights[i].w->rows * (size_t)t->weights[i].w->cols);
    const bool by_micro = strcmp(o->normalize, "microbatch") == 0;
    const int64_t micro = by_micro ? t->per_micro : units, micros = (units + micro - 1) / micro;
    const step_counts whole = count_rows(t, index, (int)(units * unit));
    for (int64_t i = 0; i < units; i += micro) {
        const int n = (int)((units - i < micro ? units - i : micro) * unit);
        step_counts counts = by_micro ? count_rows(t, index + i * unit, n) : whole;
        if (by_micro) scale_counts(&counts, (double)micros);
        counts.tokens = whole.tokens;
        metrics m = {0};
        out->loss += run_micro(t, index + i * unit, n, &counts, &m);
        add_micro(&out->metrics, &m);
    }
    arena_free(a);
    out->grad_norm = gradient_norm(t);
    out->drift = t->drift_tokens > 0 ? t->drift_sum / t->drift_tokens : 0;
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return err_set(e, ERR_DIVERGED,
                       "step %lld: loss %g, gradient norm %g: not finite any more; a lower learning_rate or dtype float32 may "
                       "help. The last checkpoint is whole",
                       (long long)t->step + 1, out->loss, out->grad_norm);
    if (!check_start(t, out->loss, e) || !train_rate(t->s, t->step, t->steps, &out->lr, e)) return false;
    update(t, out->lr, out->grad_norm);
    t->step++;
    return true;
}
