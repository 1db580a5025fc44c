/* step.c - one optimiser step: rows to pieces, reference and policy passes, columns, objective, backward, clip, optimiser.
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

int trainer_rows_per_unit(const trainer *t) { return objective_rows_per_unit(objective_rows_of(t->s->objective, t->s->own)); }

/* Whether chosen and rejected answers stand side by side. */
static bool stand_in_pairs(const trainer *t) {
    const bool drawn = t->rollout && t->s->objective->in_pairs;
    return drawn || objective_wants_pairs(objective_rows_of(t->s->objective, t->s->own));
}

/* Rows of a unit in a step: completions that are compared with one another stay together. */
static int step_unit(const trainer *t) {
    return t->rollout && t->s->objective->whole_groups ? (int)t->s->rollout->num_generations : trainer_rows_per_unit(t);
}

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

/* ---- one piece --------------------------------------------------------------------------------------------------------------------------- */

int row_trained(const row *r) {
    int n = 0;
    for (int i = 0; i < r->length; i++) n += row_trains(r, i);
    return n;
}

static row cut_row(const trainer *t, int64_t index) {
    if (t->rollout) return t->rollout->item[index].row;
    row r = rows_at(t->rows, index);
    if (t->s->o.max_length && r.length > t->s->o.max_length) r.length = (int)t->s->o.max_length;
    return r;
}

/* Whether a row stands behind the prompt of the first row of its unit. */
static bool shares_prompt(const row *first, const row *r) {
    return r != first && first->prompt == r->prompt && r->prompt > 0 && r->length > r->prompt && first->length >= first->prompt &&
           memcmp(first->ids, r->ids, (size_t)first->prompt * sizeof *first->ids) == 0;
}

/* What the rows of a unit ask for: the tokens that count when pieces are cut, those that are computed (a shared prompt once), and those
 * whose logits are looked at. */
static void unit_sizes(const trainer *t, int64_t first, bool whole_chosen, int64_t *counted, int64_t *computed, int64_t *asked) {
    const row begun = cut_row(t, first);
    *counted = *computed = *asked = 0;
    for (int k = 0; k < trainer_rows_per_unit(t); k++) {
        const row r = k ? cut_row(t, first + k) : begun;
        *counted += r.length;
        *computed += r.length - (k && shares_prompt(&begun, &r) ? r.prompt : 0);
        *asked += whole_chosen && r.label ? r.length : row_trained(&r);
    }
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Of a piece with `limit` counted tokens, where `share` of a unit's is the largest there is; a unit of its own may be larger, and
 * all that there is smaller. */
static int bound(int64_t limit, double share, int64_t most, int64_t all) {
    const int64_t n = larger(most, (int64_t)ceil((double)limit * share));
    return (int)(n < all ? n : all);
}

piece_size trainer_largest_piece(const trainer *t) {
    const objective *o = t->s->objective;
    const bool whole = o->whole_chosen && o->whole_chosen(t->s->own);
    const int64_t each = trainer_rows_per_unit(t), units = rows_count(t->rows) / each, limit = t->s->o.micro_batch_tokens;
    int64_t tokens = 0, heads = 0, most_tokens = 0, most_rows = 0, counted, computed, asked;
    double token_share = 0, row_share = 0;
    for (int64_t u = 0; u < units; u++) {
        unit_sizes(t, u * each, whole, &counted, &computed, &asked);
        tokens += computed, heads += asked;
        most_tokens = larger(most_tokens, computed), most_rows = larger(most_rows, asked);
        if (!counted) continue;
        token_share = fmax(token_share, (double)computed / (double)counted);
        row_share = fmax(row_share, (double)asked / (double)counted);
    }
    return (piece_size){bound(limit, token_share, most_tokens, tokens), bound(limit, row_share, most_rows, heads)};
}

/* Tokens of a row from `from` on, a span for each document. */
static void add_spans(piece *p, const row *r, int from, int parent) {
    for (int k = from; k < r->length; k++) {
        if (k == from || row_begins(r, k))
            p->spans[p->span_count++] = (span){.begin = p->T, .prompt = r->prompt, .parent = parent, .shared = from};
        p->spans[p->span_count - 1].length++;
        p->ids[p->T++] = r->ids[k];
    }
}

/* What the head is asked: each trained token (whole: each predicted one), from the place of the one before it. Token k stands at
 * begin + k; those of a shared prompt stand in the parent, whose last token predicts the first of the answer. */
static void add_columns(const trainer *t, piece *p, const row *r, bool whole, int begin, int from, int parent_begin) {
    const bool labels = t->s->objective->policy == POLICY_LABELS, value = trainer_has_values(t);
    for (int k = 0; k < r->length; k++) {
        if (row_begins(r, k)) continue;
        p->mask[p->columns] = row_trains(r, k);
        p->right[p->columns] = row_right(r, k);
        if (labels && row_trains(r, k)) {
            p->label_row[p->L] = k >= from ? begin + k : parent_begin + k;
            p->label_column[p->L++] = p->columns;
        }
        if (whole || row_trains(r, k)) {
            if (value) p->label_row[p->L] = k - 1 >= from ? begin + k - 1 : parent_begin + k - 1;
            if (value) p->label_column[p->L++] = p->columns;
            p->head_row[p->R] = k - 1 >= from ? begin + k - 1 : parent_begin + k - 1;
            p->target[p->R] = r->ids[k];
            p->column[p->R++] = p->columns;
        }
        p->columns++;
    }
}

/* The score of a row: behind its last token. */
static void add_score(const trainer *t, piece *p, int i, int begin, int from, int parent_begin) {
    const int k = model_score_place(t->policy, p->row[i].ids, p->row[i].length);
    p->label_row[p->L] = k >= from ? begin + k : parent_begin + k;
    p->label_column[p->L++] = i;
}

/* Row i, whose unit (or, of completions, whose run of one group) begins with row `begun`. Such rows have one span each, so that the first
 * row's is found from here. */
static void add_row(const trainer *t, piece *p, int i, int begun, bool whole_chosen) {
    const row *r = &p->row[i], *first = &p->row[begun];
    const bool shared = shares_prompt(first, r);
    const int from = shared ? r->prompt : 0, parent = shared ? p->span_count - (i - begun) : -1, begin = p->T - from;
    add_spans(p, r, from, parent);
    p->sequences[i].begin = p->columns;
    add_columns(t, p, r, whole_chosen && r->label, begin, from, shared ? p->spans[parent].begin : 0);
    if (t->s->objective->policy == POLICY_SCORES) add_score(t, p, i, begin, from, shared ? p->spans[parent].begin : 0);
    p->sequences[i].end = p->columns;
}

static piece make_piece(arena *a, const trainer *t, const int64_t *index, int count) {
    piece p = {.rows = count,
               .index = arena_array(a, int64_t, count),
               .row = arena_array(a, row, count),
               .sequences = arena_array(a, seq, count)};
    int tokens = 0, documents = 0;
    for (int i = 0; i < count; i++) {
        p.index[i] = index[i];
        p.row[i] = cut_row(t, index[i]);
        tokens += p.row[i].length;
        for (int k = 0; k < p.row[i].length; k++) documents += row_begins(&p.row[i], k);
    }
    p.spans = arena_array(a, span, documents + 1);
    p.ids = arena_array(a, int32_t, tokens);
    p.position = arena_array(a, int32_t, tokens);
    p.head_row = arena_array(a, int32_t, tokens);
    p.target = arena_array(a, int32_t, tokens);
    p.column = arena_array(a, int, tokens);
    p.mask = arena_array(a, uint8_t, tokens);
    p.right = arena_array(a, uint8_t, tokens);
    p.label_row = arena_array(a, int32_t, tokens + count);
    p.label_column = arena_array(a, int, tokens + count);
    const objective *o = t->s->objective;
    const bool whole = o->whole_chosen && o->whole_chosen(t->s->own);
    for (int i = 0, begun = 0; i < count; i++) {
        if (!t->rollout) begun = i - i % trainer_rows_per_unit(t);
        else if (t->rollout->item[index[i]].group != t->rollout->item[index[begun]].group) begun = i;
        add_row(t, &p, i, begun, whole);
    }
    layout_positions(p.spans, p.span_count, p.position);
    p.layout = (layout){p.T, p.span_count, p.spans, p.position};
    return p;
}

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

static void make_columns(pass *s) {
    const piece *p = &s->all;
    const unsigned needs = trainer_needs(s->t);
    for (size_t i = 0; i < sizeof head_made / sizeof *head_made; i++) {
        const int k = head_made[i];
        if (!(needs & NEEDS(k))) continue;
        s->packed[k] = arena_array(s->a, float, p->R + 1);
        *slot(&s->c, k) = s->wide[k] = arena_array(s->a, float, p->columns + 1);
    }
    const int unit = step_unit(s->t);
    const bool has_pairs = stand_in_pairs(s->t);
    int *label = arena_array(s->a, int, p->rows), *pair = arena_array(s->a, int, p->rows),
        *role = arena_array(s->a, int, p->rows);
    int *group = arena_array(s->a, int, p->rows);
    float *score = arena_array(s->a, float, p->rows);
    float *margin = arena_array(s->a, float, p->rows), *probability = arena_array(s->a, float, p->rows);
    struct pair_of *pairs = arena_array(s->a, struct pair_of, p->rows);
    for (int i = 0; i < p->rows; i++) {
        label[i] = p->row[i].label;
        margin[i] = p->row[i].margin;
        probability[i] = p->row[i].probability;
        role[i] = p->row[i].role;
        group[i] = i / unit;
        score[i] = (float)p->row[i].label;
        pair[i] = has_pairs ? i / unit : -1;
        if (has_pairs && i % unit == 0) pairs[i / unit] = (struct pair_of){i, i + 1, unit > 2 ? i + 2 : -1};
    }
    s->c.T = p->columns;
    s->c.S = p->rows;
    s->c.P = has_pairs ? p->rows / unit : 0;
    s->c.sequence = p->sequences;
    s->c.mask = p->mask;
    s->c.label = label;
    s->c.pair = pair;
    s->c.margin = margin;
    s->c.desirable_probability = probability;
    s->c.role = role;
    s->c.group = group;
    s->c.score = score;
    s->c.pairs = pairs;
    if (s->t->rollout) make_rollout_columns(s, needs);
    s->c.carry = s->t->carry;
    s->c.step = s->counts;
    s->c.token_label = p->right;
    s->c.values = objective_values(s->t->s->objective, s->t->s->own);
    if (s->t->s->objective->policy != POLICY_WRITES || trainer_has_values(s->t)) {
        s->labels = arena_array(s->a, float, p->L * s->c.values + 1);
        s->wide_labels = arena_array(s->a, float, (scores(s) ? p->rows : p->columns) * s->c.values + 1);
        *(scores(s) ? &s->c.score : &s->c.value) = s->wide_labels;
    }
    s->g.dvalue = arena_array(s->a, float, p->columns * s->c.values + 1);
    s->g.dscore = arena_array(s->a, float, p->rows + 1);
    s->g.dlogp = arena_array(s->a, float, p->columns + 1);
    s->g.dentropy = arena_array(s->a, float, p->columns + 1);
    s->g.dsmooth = arena_array(s->a, float, p->columns + 1);
    s->g.ddivergence = arena_array(s->a, float, p->columns + 1);
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

static tape *new_tape(const trainer *t, bool grad) {
    return tape_new(t->backend, t->pool,
                    (tape_options){.compute = t->compute,
                                   .grad = grad,
                                   .recompute = t->s->o.gradient_checkpointing,
                                   .dropout = !t->measuring && objective_dropout(t->s->objective, t->s->own),
                                   .seed = rng_mix((uint64_t)t->s->o.seed, (uint64_t)t->step)});
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
    return op_logp(tp, op_rows(tp, hidden, p->head_row, p->R), m->head, m->head_bias, &form);
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
    tape *tp = new_tape(s->t, learns);
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
        tape *tp = new_tape(s->t, false);
        forward(s, tp, &pieces[i], at, (token_rule){0});
        tape_free(tp);
    }
    ask(s);
    at = (begins){0};
    for (int i = 0; i < count && !s->t->measuring; at = behind(at, &pieces[i++])) {
        if (!is_asked(&pieces[i])) continue;
        tape *tp = new_tape(s->t, true);
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
static double run_pass(trainer *t, const int64_t *index, const int *sizes, int pieces, const step_counts *counts, metrics *m) {
    arena *a = arena_new();
    piece *part = arena_array(a, piece, pieces);
    int count = 0, at = 0;
    for (int i = 0; i < pieces; count += sizes[i++]) part[i] = make_piece(a, t, index + count, sizes[i]);
    pass s = {
        .a = a, .t = t, .all = pieces == 1 ? part[0] : make_piece(a, t, index, count), .counts = *counts, .g = {.metrics = m}};
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

static int rows_that_fit(const trainer *t, const int64_t *index, int count);

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
        n = rows_that_fit(t, index + first, r->count - first);
        arena *a = arena_new();
        pass s = {.a = a, .t = t, .all = make_piece(a, t, index + first, n)};
        if (s.all.R) {
            make_columns(&s);
            tape *tp = new_tape(t, false);
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
        n = rows_that_fit(t, index + first, r->count - first);
        const piece p = make_piece(all, t, index + first, n);
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

/* ---- the step --------------------------------------------------------------------------------------------------------------------------------- */

static step_counts count_rows(const trainer *t, const int64_t *index, int count) {
    const bool has_pairs = stand_in_pairs(t);
    const int units = count / step_unit(t);
    step_counts c = {.pairs = has_pairs ? units : 0,
                     .groups = units,
                     .most_tokens = t->s->rollout ? (double)t->s->rollout->max_completion_length : 0};
    for (int i = 0; i < count; i++) {
        const row r = cut_row(t, index[i]);
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
        n += r.length > 0 && r.mask[0];
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

/* How many of the rows make a piece of about micro_batch_tokens; pairs stay together. */
static int rows_that_fit(const trainer *t, const int64_t *index, int count) {
    const int unit = step_unit(t);
    int64_t tokens = 0;
    int n = 0;
    for (; n < count; n += unit) {
        int64_t more = 0;
        for (int k = 0; k < unit; k++) more += cut_row(t, index[n + k]).length;
        if (n && tokens + more > t->s->o.micro_batch_tokens) break;
        tokens += more;
    }
    return n;
}

/* One micro-batch, piece by piece; an objective that must see all of it is asked once. */
static double run_micro(trainer *t, const int64_t *index, int count, const step_counts *counts, metrics *m) {
    const bool at_once = objective_scope_of(t->s->objective, t->s->own) == SCOPE_STEP;
    arena *a = arena_new();
    int *sizes = arena_array(a, int, count), pieces = 0;
    double loss = 0;
    for (int first = 0; first < count; first += sizes[pieces++]) {
        sizes[pieces] = rows_that_fit(t, index + first, count - first);
        if (!at_once) loss += run_pass(t, index + first, &sizes[pieces], 1, counts, m);
    }
    if (at_once) loss = run_pass(t, index, sizes, pieces, counts, m);
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

/* Completions that are not trained on cost no pass. (With TRL's micro-batches their places decide, so all stay.) */
static bool leaves_some(const trainer *t) {
    return (t->s->objective->own_alone || t->s->objective->keep) && !t->s->objective->whole_groups &&
           strcmp(t->s->o.normalize, "microbatch") != 0;
}

static int64_t only_trained(const trainer *t, int64_t *index, int64_t count) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        if (row_trained(&t->rollout->item[index[i]].row)) index[n++] = index[i];
    return n;
}

/* The rows of the coming step; returns how many units they are. */
static int64_t choose_rows(arena *a, trainer *t, int64_t **index) {
    const int unit = step_unit(t);
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

bool trainer_step(trainer *t, step_result *out, err *e) {
    const train_options *o = &t->s->o;
    int64_t *index;
    *out = (step_result){0};
    if (t->s->rollout && !rollout_ready(t, e)) return false;
    arena *a = arena_new();
    const int64_t units = choose_rows(a, t, &index);
    const int unit = step_unit(t);
    t->drift_sum = t->drift_tokens = t->ratio_off = t->sampler_gap = t->sampler_tokens = 0;
    for (int i = 0; i < t->count; i++)
        values_zero(t->backend, t->weights[i].w->grad, (size_t)t->weights[i].w->rows * (size_t)t->weights[i].w->cols);
    const bool by_micro = strcmp(o->normalize, "microbatch") == 0;
    const int64_t micro = by_micro    ? t->per_micro / (t->rollout ? unit : 1)
                          : units > 0 ? units
                                      : 1,
                  micros = (units + micro - 1) / micro;
    const step_counts whole = count_rows(t, index, (int)(units * unit));
    for (int64_t i = 0; i < units; i += micro) {
        const int n = (int)((units - i < micro ? units - i : micro) * unit);
        step_counts counts = by_micro ? count_rows(t, index + i * unit, n) : whole;
        if (by_micro && !t->s->objective->adds_micro_batches) scale_counts(&counts, (double)micros);
        counts.tokens = whole.tokens + (by_micro ? first_labels(t, index, (int)(units * unit)) : 0);
        counts.rollout_tokens = by_micro && t->rollout ? rollout_share(t) : whole.tokens;
        metrics m = {0};
        out->loss += run_micro(t, index + i * unit, n, &counts, &m);
        add_micro(&out->metrics, &m);
    }
    arena_free(a);
    if (t->rollout && rollout_is_fresh(t)) add_micro(&out->metrics, &t->rollout->metrics);
    out->grad_norm = gradient_norm(t);
    out->drift = t->drift_tokens > 0 ? t->drift_sum / t->drift_tokens : 0;
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return err_set(e, ERR_DIVERGED,
                       "step %lld: loss %g, gradient norm %g: not finite any more; a lower learning_rate or dtype float32 may "
                       "help. The last checkpoint is whole",
                       (long long)t->step + 1, out->loss, out->grad_norm);
    if (!check_start(t, out->loss, e) || !check_rollout(t, &out->metrics, e) || !train_rate(t->s, t->step, t->steps, &out->lr, e))
        return false;
    out->lr *= exp2(-t->guard[GUARD_BACKED_OFF]);
    const double clip = o->max_grad_norm > 0 ? o->max_grad_norm / (out->grad_norm + 1e-6) : 1;
    trainer_update(t, out->lr, clip < 1 ? clip : 1, t->step + 1);
    t->step++;
    reference_sync(t);
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
