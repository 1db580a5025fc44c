/* pass.c - what happens to a piece: columns of the reference and the policy, the objective, gradients. Also passes that only look. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "train/loop.h"

/* ---- columns ------------------------------------------------------------------------------------------------------------------------------ */

/* What one call of the objective sees: the rows of one piece, or of several when it must see a whole batch at once. */
typedef struct {
    arena *a;
    trainer *t;
    piece all;
    step_counts counts;
    columns c;
    gradients g;
    float *packed[COLUMN_COUNT]; /* columns of the head, [R] */
    float *wide[COLUMN_COUNT];   /* the same among all predicted tokens, [columns] */
    float *labels, *wide_labels; /* of a head that scores or labels: [L * values], and as the objective sees them; NULL: none */
    double loss;
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
        for (int i = from; s->wide[k] && i < from + count; i++) s->wide[k][s->all.column[i]] = s->packed[k][i];
}

static bool scores(const pass *s) { return s->t->s->objective->policy == POLICY_SCORES; }

static void spread_labels(const pass *s) {
    const int n = s->c.values;
    for (int i = 0; i < s->all.L; i++)
        for (int j = 0; j < n; j++) s->wide_labels[s->all.label_column[i] * n + j] = s->labels[i * n + j];
}

static const int head_made[] = {COLUMN_LOGP,       COLUMN_REF_LOGP,   COLUMN_ENTROPY, COLUMN_HIT,
                                COLUMN_MEAN_LOGIT, COLUMN_LOG_SUM_SQ, COLUMN_SMOOTH,  COLUMN_DIVERGENCE};

/* A column of a rollout: numbers of each completion's tokens, or one for all of them. */
static float *rollout_column(const pass *s, float *const *tokens) {
    float *out = arena_array(s->a, float, s->all.columns + 1);
    for (int k = 0; k < s->all.rows; k++) {
        const completion *c = &s->t->rollout->item[s->all.index[k]];
        float *to = out + s->all.sequences[k].begin + c->row.prompt - 1;
        memcpy(to, tokens[k], (size_t)c->tokens * sizeof *to);
    }
    return out;
}

static void make_rollout_columns(pass *s, unsigned needs) {
    const int n = s->all.rows;
    float **old = arena_array(s->a, float *, n + 1), **sampler = arena_array(s->a, float *, n + 1),
          **advantage = arena_array(s->a, float *, n + 1), **value = arena_array(s->a, float *, n + 1),
          **returns = arena_array(s->a, float *, n + 1), *score = arena_array(s->a, float, n + 1);
    int *group = arena_array(s->a, int, n + 1), *role = arena_array(s->a, int, n + 1);
    for (int k = 0; k < n; k++) {
        const completion *c = &s->t->rollout->item[s->all.index[k]];
        old[k] = c->old_logp;
        sampler[k] = c->sampler_logp;
        advantage[k] = c->advantage;
        value[k] = c->value;
        returns[k] = c->returns;
        score[k] = c->score;
        group[k] = c->group;
        role[k] = c->row.role;
    }
    s->c.score = score;
    s->c.group = group;
    s->c.role = role;
    if (old[0]) s->c.old_logp = rollout_column(s, old);
    if (sampler[0] && needs & NEEDS(COLUMN_SAMPLER_LOGP)) s->c.sampler_logp = rollout_column(s, sampler);
    if (advantage[0]) s->c.advantage = rollout_column(s, advantage);
    if (value[0] && needs & NEEDS(COLUMN_OLD_VALUE)) s->c.old_value = rollout_column(s, value);
    if (returns[0] && needs & NEEDS(COLUMN_RETURNS)) s->c.returns = rollout_column(s, returns);
}

/* What the head computes, as the head packs it and as the objective reads it. */
static void make_head_columns(pass *s, unsigned needs) {
    for (size_t i = 0; i < sizeof head_made / sizeof *head_made; i++) {
        const int k = head_made[i];
        if (!(needs & NEEDS(k))) continue;
        s->packed[k] = arena_array(s->a, float, s->all.R + 1);
        *slot(&s->c, k) = s->wide[k] = arena_array(s->a, float, s->all.columns + 1);
    }
}

/* What the rows say: [rows] each, pairs [rows / unit]. */
static void make_row_columns(pass *s) {
    const piece *p = &s->all;
    const int n = p->rows, unit = trainer_step_unit(s->t);
    const bool has_pairs = trainer_in_pairs(s->t);
    int *label = arena_array(s->a, int, n), *pair = arena_array(s->a, int, n), *role = arena_array(s->a, int, n),
        *group = arena_array(s->a, int, n);
    float *score = arena_array(s->a, float, n), *margin = arena_array(s->a, float, n), *probability = arena_array(s->a, float, n);
    struct pair_of *pairs = arena_array(s->a, struct pair_of, n);
    for (int i = 0; i < n; i++) {
        label[i] = p->row[i].label;
        margin[i] = p->row[i].margin;
        probability[i] = p->row[i].probability;
        role[i] = p->row[i].role;
        group[i] = i / unit;
        score[i] = (float)p->row[i].label;
        pair[i] = has_pairs ? i / unit : -1;
        if (has_pairs && i % unit == 0) pairs[i / unit] = (struct pair_of){i, i + 1, unit > 2 ? i + 2 : -1};
    }
    s->c.P = has_pairs ? n / unit : 0;
    s->c.label = label;
    s->c.pair = pair;
    s->c.margin = margin;
    s->c.desirable_probability = probability;
    s->c.role = role;
    s->c.group = group;
    s->c.score = score;
    s->c.pairs = pairs;
}

/* Outputs of a head that scores, labels or values: a score a row, else values a column. */
static void make_label_columns(pass *s) {
    const piece *p = &s->all;
    s->c.token_label = p->right;
    s->c.values = objective_values(s->t->s->objective, s->t->s->own);
    if (s->t->s->objective->policy == POLICY_WRITES && !trainer_has_values(s->t)) return;
    s->labels = arena_array(s->a, float, p->L * s->c.values + 1);
    s->wide_labels = arena_array(s->a, float, (scores(s) ? p->rows : p->columns) * s->c.values + 1);
    *(scores(s) ? &s->c.score : &s->c.value) = s->wide_labels;
}

static void make_gradients(pass *s) {
    const int n = s->all.columns + 1;
    s->g.dvalue = arena_array(s->a, float, s->all.columns * s->c.values + 1);
    s->g.dscore = arena_array(s->a, float, s->all.rows + 1);
    s->g.dlogp = arena_array(s->a, float, n);
    s->g.dentropy = arena_array(s->a, float, n);
    s->g.dsmooth = arena_array(s->a, float, n);
    s->g.ddivergence = arena_array(s->a, float, n);
}

static void make_columns(pass *s) {
    const unsigned needs = trainer_needs(s->t);
    make_head_columns(s, needs);
    s->c.T = s->all.columns;
    s->c.S = s->all.rows;
    s->c.sequence = s->all.sequences;
    s->c.mask = s->all.mask;
    make_row_columns(s);
    if (s->t->rollout) make_rollout_columns(s, needs);
    s->c.carry = s->t->carry;
    s->c.step = s->counts;
    make_label_columns(s);
    make_gradients(s);
}

/* ---- forward and backward -------------------------------------------------------------------------------------------------------------------- */

/* A loss whose tokens need nothing but themselves is asked chunk by chunk, while the chunk's logits are there. */
static void chunk_gradient(void *self, int first, int count, const head_columns *h, float *dlogp, float *dentropy,
                           float *ddivergence) {
    pass *s = self;
    (void)h;
    spread(s, first, count);
    uint8_t *only = arena_array(s->a, uint8_t, s->c.T + 1);
    for (int i = first; i < first + count; i++) only[s->all.column[i]] = 1;
    columns c = s->c;
    c.mask = only;
    s->loss += s->t->s->objective->loss(s->t->s->own, &c, &s->g);
    for (int i = first; i < first + count; i++) {
        dlogp[i] = s->g.dlogp[s->all.column[i]];
        dentropy[i] = 0;
        ddivergence[i] = s->g.ddivergence[s->all.column[i]];
    }
}

/* What is drawn at random is a matter of the step and of the piece's first row. */
static tape *new_tape(const trainer *t, const piece *p, bool grad) {
    const train_options *o = &t->s->o;
    const bool draws = !t->measuring && objective_dropout(t->s->objective, t->s->own);
    int longest = 1;
    for (int i = 0; i < p->rows; i++) longest = p->row[i].length > longest ? p->row[i].length : longest;
    return tape_new(t->backend, t->pool,
                    (tape_options){.compute = t->compute,
                                   .grad = grad,
                                   .recompute = o->gradient_checkpointing,
                                   .dropout = draws,
                                   .noise = draws ? (float)(o->neftune_noise_alpha / sqrt(longest)) : 0,
                                   .seed = rng_mix(rng_mix((uint64_t)o->seed, (uint64_t)t->step), (uint64_t)p->index[0])});
}

/* Where the rows of a piece stand among those of the pass: of the head that writes, and of the one that scores or labels. */
typedef struct {
    int row, label;
} begins;

/* What the policy's heads said of a piece; NULL: it has no such head. */
typedef struct {
    tensor *logp, *labels;
} said;

/* The teacher's rows beside the policy's. */
static teacher_form teacher_of(pass *s, const piece *p, float *out) {
    const trainer *t = s->t;
    return (teacher_form){.hidden = teacher_pass(s->t, s->a, p),
                          .head = t->teacher->head,
                          .bias = t->teacher->head_bias,
                          .beta = t->s->objective->distil(t->s->own).beta,
                          .out = out};
}

static tensor *write_head(pass *s, tape *tp, tensor *hidden, const piece *p, int at, token_rule rule) {
    const model *m = s->t->policy;
    float *out[COLUMN_COUNT] = {0};
    for (int k = 0; k < COLUMN_COUNT; k++) out[k] = s->packed[k] ? s->packed[k] + at : NULL;
    const logp_form form = {
        .target = p->target,
        .columns = {out[COLUMN_LOGP], out[COLUMN_ENTROPY], out[COLUMN_MEAN_LOGIT], out[COLUMN_LOG_SUM_SQ], out[COLUMN_HIT]},
        .smooth = out[COLUMN_SMOOTH],
        .scale = trainer_logit_scale(s->t),
        .teacher = out[COLUMN_DIVERGENCE] ? teacher_of(s, p, out[COLUMN_DIVERGENCE]) : (teacher_form){0},
        .fused = rule};
    return op_logp(tp, op_rows(tp, hidden, p->head_row, p->R), model_head(m, s->t->adapter), m->head_bias, &form);
}

static tensor *label_head(pass *s, tape *tp, tensor *hidden, const piece *p, int at) {
    const trainer *t = s->t;
    if (t->value_adapter) hidden = model_forward(t->policy, tp, &(model_batch){p->ids, &p->layout}, t->value_adapter);
    tensor *h = op_rows(tp, hidden, p->label_row, p->L);
    tensor *y = t->value_adapter ? model_labels(t->policy, tp, h, t->value_adapter)
                : t->value_head  ? op_linear(tp, h, t->value_head, NULL)
                                 : model_labels(t->policy, tp, h, t->adapter);
    tape_read(tp, y, s->labels + at * s->c.values);
    return y;
}

/* The policy over one piece; fills its columns. */
static said forward(pass *s, tape *tp, const piece *p, begins at, token_rule rule) {
    said y = {0};
    tensor *hidden = model_forward(s->t->policy, tp, &(model_batch){p->ids, &p->layout}, s->t->adapter);
    if (s->labels && p->L) y.labels = label_head(s, tp, hidden, p, at.label);
    if (s->t->policy->head && p->R) y.logp = write_head(s, tp, hidden, p, at.row, rule);
    return y;
}

static void ask(pass *s) {
    spread(s, 0, s->all.R);
    if (s->labels) spread_labels(s);
    s->loss = s->t->s->objective->loss(s->t->s->own, &s->c, &s->g);
}

/* Gradients of the head's rows at .. at+R-1; NULL: all zero. */
static float *gathered(const pass *s, const float *wide, int at, int R) {
    float *out = arena_array(s->a, float, R + 1);
    bool any = false;
    for (int i = 0; i < R; i++) any |= (out[i] = wide[s->all.column[at + i]]) != 0;
    return any ? out : NULL;
}

static void seed_labels(const pass *s, tape *tp, tensor *y, int at, int L) {
    const int n = s->c.values;
    const float *wide = scores(s) ? s->g.dscore : s->g.dvalue;
    float *dy = arena_array(s->a, float, L *n + 1);
    for (int i = 0; i < L; i++)
        for (int j = 0; j < n; j++) dy[i * n + j] = wide[s->all.label_column[at + i] * n + j];
    tape_seed(tp, y, dy);
}

static void backward(const pass *s, tape *tp, said y, begins at, const piece *p) {
    const gradients *g = &s->g;
    if (y.labels) seed_labels(s, tp, y.labels, at.label, p->L);
    if (y.logp && s->packed[COLUMN_DIVERGENCE]) op_logp_seed_divergence(tp, y.logp, gathered(s, g->ddivergence, at.row, p->R));
    if (y.logp)
        op_logp_seed(tp, y.logp, gathered(s, g->dlogp, at.row, p->R), gathered(s, g->dentropy, at.row, p->R),
                     gathered(s, g->dsmooth, at.row, p->R));
    tape_backward(tp);
}

static void one_piece(pass *s) {
    const bool learns = !s->t->measuring,
               fused = learns && s->t->s->objective->scope == SCOPE_TOKEN && !s->packed[COLUMN_SMOOTH] && !s->labels;
    tape *tp = new_tape(s->t, &s->all, learns);
    const said y = forward(s, tp, &s->all, (begins){0}, (token_rule){fused ? chunk_gradient : NULL, s});
    if (fused) tape_backward(tp);
    else {
        ask(s);
        if (learns) backward(s, tp, y, (begins){0}, &s->all);
    }
    tape_free(tp);
}

static begins behind(begins at, const piece *p) { return (begins){at.row + p->R, at.label + p->L}; }
static bool is_asked(const piece *p) { return p->R || p->L; }

/* The objective must see all rows before any of them can learn, but only a piece fits: look at every piece, ask, then go through
 * each again for its gradients. */
static void several_pieces(pass *s, const piece *pieces, int count) {
    begins at = {0};
    for (int i = 0; i < count; at = behind(at, &pieces[i++])) {
        if (!is_asked(&pieces[i])) continue;
        tape *tp = new_tape(s->t, &pieces[i], false);
        forward(s, tp, &pieces[i], at, (token_rule){0});
        tape_free(tp);
    }
    ask(s);
    at = (begins){0};
    for (int i = 0; i < count && !s->t->measuring; at = behind(at, &pieces[i++])) {
        if (!is_asked(&pieces[i])) continue;
        tape *tp = new_tape(s->t, &pieces[i], true);
        backward(s, tp, forward(s, tp, &pieces[i], at, (token_rule){0}), at, &pieces[i]);
        tape_free(tp);
    }
}

/* What must hold before the first update of a rollout: the policy is the one that wrote it. */
static void add_first_look(const pass *s) {
    trainer *t = s->t;
    for (int k = 0; k < s->all.rows; k++) {
        const completion *c = &t->rollout->item[s->all.index[k]];
        const float *now = s->wide[COLUMN_LOGP] + s->all.sequences[k].begin + c->row.prompt - 1;
        for (int i = 0; i < c->tokens && row_trained(&c->row); i++) {
            if (c->old_logp) t->ratio_off = fmax(t->ratio_off, fabs(expm1((double)now[i] - (double)c->old_logp[i])));
            if (!c->sampler_logp) continue;
            t->sampler_gap += fabs((double)now[i] - (double)c->sampler_logp[i]);
            t->sampler_tokens++;
        }
    }
}

static void add_drift(const pass *s) {
    const piece *p = &s->all;
    for (int k = 0; s->wide[COLUMN_REF_LOGP] && k < p->rows; k++)
        for (int i = p->sequences[k].begin; p->row[k].label && i < p->sequences[k].end; i++) {
            if (!p->mask[i]) continue;
            s->t->drift_sum += (double)s->wide[COLUMN_LOGP][i] - (double)s->wide[COLUMN_REF_LOGP][i];
            s->t->drift_tokens++;
        }
}

/* sizes [pieces]: rows of each piece. */
double pass_run(trainer *t, const int64_t *index, const int *sizes, int pieces, const step_counts *counts, metrics *m) {
    arena *a = arena_new();
    piece *part = arena_array(a, piece, pieces);
    int count = 0, at = 0;
    for (int i = 0; i < pieces; count += sizes[i++]) part[i] = piece_make(a, t, index + count, sizes[i]);
    pass s = {
        .a = a, .t = t, .all = pieces == 1 ? part[0] : piece_make(a, t, index, count), .counts = *counts, .g = {.metrics = m}};
    for (int i = 0; !t->rollout && i < count; i++)
        t->num_tokens += s.all.row[i].role == ROLE_MISMATCHED ? 0 : s.all.row[i].length;
    if (is_asked(&s.all)) {
        make_columns(&s);
        for (int i = 0; s.packed[COLUMN_REF_LOGP] && i < pieces; at += part[i++].R)
            if (part[i].R) reference_pass(t, &part[i], s.packed[COLUMN_REF_LOGP] + at);
        if (pieces == 1) one_piece(&s);
        else several_pieces(&s, part, pieces);
        add_drift(&s);
        if (t->rollout) add_first_look(&s);
    }
    arena_free(a);
    return s.loss;
}

/* Completion k of the pass as the policy sees it now. */
static void keep_look(const pass *s, rollout *r, int k) {
    completion *c = &r->item[s->all.index[k]];
    const int at = s->all.sequences[k].begin + c->row.prompt - 1;
    const size_t bytes = (size_t)c->tokens * sizeof(float);
    c->old_logp = (float *)(void *)arena_copy(r->a, s->wide[COLUMN_LOGP] + at, bytes);
    if (s->wide_labels) c->value = (float *)(void *)arena_copy(r->a, s->wide_labels + at, bytes);
}

/* What the policy (and its value head) says of every completion of the rollout now, piece by piece as a step would go through them. */
void trainer_look(trainer *t) {
    rollout *r = t->rollout;
    int64_t *index = NULL;
    arena *all = arena_new();
    index = arena_array(all, int64_t, r->count + 1);
    for (int i = 0; i < r->count; i++) index[i] = i;
    for (int first = 0, n; first < r->count; first += n) {
        n = piece_rows(t, index + first, r->count - first);
        arena *a = arena_new();
        pass s = {.a = a, .t = t, .all = piece_make(a, t, index + first, n)};
        if (s.all.R) {
            make_columns(&s);
            tape *tp = new_tape(t, &s.all, false);
            forward(&s, tp, &s.all, (begins){0}, (token_rule){0});
            tape_free(tp);
            spread(&s, 0, s.all.R);
            if (s.labels) spread_labels(&s);
            for (int k = 0; k < n; k++) keep_look(&s, r, k);
        }
        arena_free(a);
    }
    arena_free(all);
}

/* The reference's log-probabilities of every completion, kept where steps look for them. */
void trainer_look_reference(trainer *t) {
    rollout *r = t->rollout;
    arena *all = arena_new();
    int64_t *index = arena_array(all, int64_t, r->count + 1);
    for (int i = 0; i < r->count; i++) index[i] = i;
    for (int first = 0, n; first < r->count; first += n) {
        n = piece_rows(t, index + first, r->count - first);
        const piece p = piece_make(all, t, index + first, n);
        float *out = arena_array(all, float, p.R + 1);
        if (p.R) reference_pass(t, &p, out);
        for (int k = 0, at = 0; k < n; k++) {
            completion *c = &r->item[first + k];
            const int n_trained = row_trained(&c->row);
            c->ref_logp = arena_array(r->a, float, c->tokens + 1);
            if (n_trained) memcpy(c->ref_logp, out + at, (size_t)c->tokens * sizeof *out);
            at += n_trained;
        }
    }
    arena_free(all);
}
