/* piece.c - rows to pieces: as many as micro_batch_tokens allows, pairs kept together, a shared prompt once. */
#include <math.h>
#include <string.h>

#include "train/loop.h"

int trainer_rows_per_unit(const trainer *t) { return objective_rows_per_unit(objective_rows_of(t->s->objective, t->s->own)); }

/* Whether chosen and rejected answers stand side by side. */
bool trainer_in_pairs(const trainer *t) {
    const bool drawn = t->rollout && t->s->objective->in_pairs;
    return drawn || objective_wants_pairs(objective_rows_of(t->s->objective, t->s->own));
}

/* Rows of a unit in a step: completions that are compared with one another stay together. */
int trainer_step_unit(const trainer *t) {
    return t->rollout && t->s->objective->whole_groups ? (int)t->s->rollout->num_generations : trainer_rows_per_unit(t);
}

int row_trained(const row *r) {
    int n = 0;
    for (int i = 0; i < r->length; i++) n += row_trains(r, i);
    return n;
}

row trainer_row(const trainer *t, int64_t index) {
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
    const row begun = trainer_row(t, first);
    *counted = *computed = *asked = 0;
    for (int k = 0; k < trainer_rows_per_unit(t); k++) {
        const row r = k ? trainer_row(t, first + k) : begun;
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

piece piece_make(arena *a, const trainer *t, const int64_t *index, int count) {
    piece p = {.rows = count,
               .index = arena_array(a, int64_t, count),
               .row = arena_array(a, row, count),
               .sequences = arena_array(a, seq, count)};
    int tokens = 0, documents = 0;
    for (int i = 0; i < count; i++) {
        p.index[i] = index[i];
        p.row[i] = trainer_row(t, index[i]);
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

/* How many of the rows make a piece of about micro_batch_tokens; pairs stay together. */
int piece_rows(const trainer *t, const int64_t *index, int count) {
    const int unit = trainer_step_unit(t);
    int64_t tokens = 0;
    int n = 0;
    for (; n < count; n += unit) {
        int64_t more = 0;
        for (int k = 0; k < unit; k++) more += trainer_row(t, index[n + k]).length;
        if (n && tokens + more > t->s->o.micro_batch_tokens) break;
        tokens += more;
    }
    return n;
}
