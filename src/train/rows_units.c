/* rows_units.c - which rows an example becomes: a text to imitate, a pair, a triple, answers that are good or bad, each as the trainer of
 * TRL that wants them prepares it. */
#include <math.h>
#include <string.h>

#include "train/rows_parts.h"

/* ---- writing rows ----------------------------------------------------------------------------------------------------------------------- */

void rows_note(row_numbers *n, int64_t from_zero) {
    const int64_t number = from_zero + 1;
    if (n->count && n->last == number) return; /* both answers of a pair */
    if (n->count < ROW_NUMBERS) n->first[n->count] = number;
    n->last = number;
    n->count++;
}

/* What the step will see of a row: pairs are kept whole and cut there. In a row that is cut and trained from end to end, the ends are
 * of earlier turns. */
static void look_at(const preparing *p, const fresh *f, const place *at) {
    row_counts *c = &p->r->counts;
    const int bos = tokenizer_bos(p->m->tokenizer), eos = tokenizer_eos(p->m->tokenizer), most = (int)p->s->o.max_length;
    const int n = most && f->length > most ? most : f->length;
    int64_t learned = 0, masked = 0, ends = 0, ends_learned = 0;
    if (n > 1 && bos >= 0 && bos != eos && f->ids[0] == bos && f->ids[1] == bos) rows_note(&c->double_bos, at->example);
    for (int i = 0, begin = 0; i < n; i++) {
        if (f->mask[i] & MASK_BEGINS) begin = i;
        if (i + 1 - begin > c->longest_document) c->longest_document = i + 1 - begin;
        if (f->mask[i] & MASK_BEGINS) continue;
        const bool trained = f->mask[i], end = rows_ends_turn(p, f->ids[i]);
        learned += trained;
        masked += !trained;
        ends += end;
        ends_learned += end && trained;
    }
    c->tokens += n;
    c->longest = n > c->longest ? n : c->longest;
    if (at->role == ROLE_MISMATCHED) return; /* only measured */
    c->trained_tokens += learned;
    c->masked_tokens += masked;
    if (!f->cut || masked) c->ends += ends, c->ends_trained += ends_learned;
    if (!learned && p->r->kind != WANTS_PROMPTS) rows_note(&c->untrained, at->example);
}

static bool write_row(preparing *p, fresh *f, const place *at) {
    rows *r = p->r;
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 1024;
        r->item = memory_resize(r->item, (size_t)r->room * sizeof *r->item);
    }
    if (f->length) f->mask[0] |= MASK_BEGINS;
    look_at(p, f, at);
    r->item[r->count++] = (rows_entry){.at = (int64_t)p->out.written,
                                       .example = at->example,
                                       .length = f->length,
                                       .prompt = f->prompt,
                                       .unit = at->unit,
                                       .label = at->label,
                                       .role = (int)at->role,
                                       .note = (int32_t)at->note.len,
                                       .margin = at->margin,
                                       .probability = at->probability};
    const size_t pad = (4 - ((size_t)f->length + at->note.len) % 4) % 4;
    return file_out_put(&p->out, f->ids, 4 * (size_t)f->length, p->e) &&
           file_out_put(&p->out, f->mask, (size_t)f->length, p->e) && file_out_put(&p->out, at->note.ptr, at->note.len, p->e) &&
           file_out_put(&p->out, "\0\0\0", pad, p->e);
}

static bool any_label(const fresh *f) {
    for (int i = 0; i < f->length; i++)
        if (f->mask[i]) return true;
    return false;
}

/* ---- packing -------------------------------------------------------------------------------------------------------------------------------- */

static bool write_packed(preparing *p, const packed_row *packed, bool apart) {
    arena *a = arena_new();
    const waiting *w = p->waiting;
    fresh f = {.ids = arena_array(a, int32_t, packed->length), .mask = arena_array(a, uint8_t, packed->length)};
    for (int i = 0; i < packed->count; i++) {
        const fragment *x = &packed->item[i];
        const fresh *from = &w->item[x->document];
        memcpy(f.ids + f.length, from->ids + x->from, (size_t)x->length * sizeof *f.ids);
        memcpy(f.mask + f.length, from->mask + x->from, (size_t)x->length);
        if (apart) f.mask[f.length] |= MASK_BEGINS;
        f.length += x->length;
    }
    const bool ok = write_row(p, &f, &(place){.example = w->example[packed->item[0].document], .unit = -1, .label = 1});
    arena_free(a);
    return ok;
}

/* Packs what waits and writes it. */
static bool pack(preparing *p) {
    waiting *w = p->waiting;
    int lengths[PACKED_AT_ONCE];
    bool ok = true;
    if (!w) return true;
    for (int i = 0; i < w->count; i++) lengths[i] = w->item[i].length;
    const packed_rows packed = pack_documents(w->a, p->s->o.packing_strategy, lengths, w->count, (int)p->s->o.max_length);
    for (int i = 0; ok && i < packed.count; i++) ok = write_packed(p, &packed.row[i], packed.apart);
    arena_free(w->a);
    *w = (waiting){.a = arena_new()};
    return ok;
}

static bool wait_for_packing(preparing *p, const fresh *f, int64_t example_row) {
    waiting *w = p->waiting;
    p->r->counts.truncated += strcmp(p->s->o.packing_strategy, "bfd") == 0 && f->length > p->s->o.max_length;
    w->example[w->count] = example_row;
    w->item[w->count++] = (fresh){.ids = (void *)arena_copy(w->a, f->ids, (size_t)f->length * sizeof *f->ids),
                                  .mask = (void *)arena_copy(w->a, f->mask, (size_t)f->length),
                                  .length = f->length};
    return w->count < PACKED_AT_ONCE || pack(p);
}

/* ---- sft ----------------------------------------------------------------------------------------------------------------------------------- */

static bool sft_row(arena *a, preparing *p, const example *x, fresh *f) {
    const train_options *o = &p->s->o;
    const bool marks = o->assistant_only_loss;
    fresh prompt;
    f->prompt = 0;
    if (x->kind == EXAMPLE_TEXT) return rows_text(a, p, x->text, f);
    if (x->kind == EXAMPLE_MESSAGES) return rows_chat(a, p, x, x->messages, rows_ending(x->unfinished), marks, f);
    if (x->kind == EXAMPLE_LABELLED && !x->label) return (f->length = 0, true); /* nothing to imitate */
    const example_part *answer = x->kind == EXAMPLE_PREFERENCE ? &x->chosen : &x->completion;
    if (answer->type == PART_ABSENT)
        return err_set(p->e, ERR_INPUT, "%s line %lld: sft wants an answer to imitate; this example is a %s", x->source,
                       (long long)x->line, example_kind_name(x->kind));
    if (!rows_both(a, p, x, answer, marks, &prompt, f)) return false;
    if (strcmp(o->completion_only_loss, "false") != 0) memset(f->mask, 0, (size_t)f->prompt);
    return true;
}

/* A row that stands alone, cut to max_length; dropped when nothing of it is trained. */
static bool write_alone(preparing *p, const example *x, fresh *f) {
    const int most = (int)p->s->o.max_length;
    if (most && f->length > most) {
        f->length = most;
        f->cut = true;
        p->r->counts.truncated++;
    }
    if (!any_label(f)) {
        p->r->counts.dropped++;
        p->r->counts.empty += f->length == 0;
        rows_note(&p->r->counts.dropped_rows, x->row);
        return true;
    }
    return write_row(p, f, &(place){.example = x->row, .unit = -1, .label = 1, .margin = NAN, .probability = NAN});
}

static bool add_sft(arena *a, preparing *p, const example *x) {
    fresh f = {0};
    if (!sft_row(a, p, x, &f)) return false;
    if (p->waiting && f.length) return wait_for_packing(p, &f, x->row);
    return write_alone(p, x, &f);
}

/* ---- pairs and triples ------------------------------------------------------------------------------------------------------------------ */

static bool wrong_kind(preparing *p, const example *x, const char *wanted) {
    return err_set(p->e, ERR_INPUT, "%s line %lld: %s wants %s; this example is a %s", x->source, (long long)x->line,
                   p->s->objective->name, wanted, example_kind_name(x->kind));
}

/* The answer of one side, what is before it masked. */
static bool answer_row(arena *a, preparing *p, const example *x, const example_part *answer, fresh *f) {
    fresh prompt;
    if (!(p->r->older ? rows_both_older(a, p, x, answer, f) : rows_both(a, p, x, answer, false, &prompt, f))) return false;
    memset(f->mask, 0, (size_t)f->prompt);
    return true;
}

/* A prompt that alone fills max_length leaves nothing to learn. Older trainers keep such a row, with an empty answer. */
static bool too_long(preparing *p, const example *x, int boundary) {
    const int most = (int)p->s->o.max_length;
    if (!most || p->r->older || boundary < most) return false;
    p->r->counts.dropped++;
    rows_note(&p->r->counts.dropped_rows, x->row);
    return true;
}

static void note_cut(preparing *p, fresh *f) {
    const int most = (int)p->s->o.max_length;
    f->cut |= most && f->length > most;
    p->r->counts.truncated += f->cut;
}

/* All sides begin where the first of them does; of older rows each has its own boundary. */
static int common_boundary(const preparing *p, fresh *side, int count) {
    int boundary = side[0].prompt;
    for (int k = 1; k < count; k++) boundary = side[k].prompt < boundary ? side[k].prompt : boundary;
    for (int k = 0; !p->r->older && k < count; k++) {
        memset(side[k].mask + boundary, 1, (size_t)(side[k].length - boundary));
        side[k].prompt = boundary;
    }
    return boundary;
}

static bool add_sides(arena *a, preparing *p, const example *x, const example_part *const *answer, int count) {
    fresh side[3];
    for (int k = 0; k < count; k++)
        if (!answer_row(a, p, x, answer[k], &side[k])) return false;
    if (too_long(p, x, common_boundary(p, side, count))) return true;
    const int unit = (int)(p->r->count / count);
    p->r->counts.pairs++;
    for (int k = 0; k < count; k++) {
        const place at = {.example = x->row,
                          .unit = unit,
                          .label = k == 0,
                          .role = k == 2 ? ROLE_TARGET : ROLE_ANSWER,
                          .margin = (float)x->margin,
                          .probability = (float)x->probability};
        note_cut(p, &side[k]);
        if (!write_row(p, &side[k], &at)) return false;
    }
    return true;
}

static bool add_pair(arena *a, preparing *p, const example *x) {
    const example_part *const answer[] = {&x->chosen, &x->rejected};
    if (x->kind != EXAMPLE_PREFERENCE) return wrong_kind(p, x, "pairs (chosen and rejected)");
    return add_sides(a, p, x, answer, 2);
}

static bool add_triple(arena *a, preparing *p, const example *x) {
    const example_part *const answer[] = {&x->chosen, &x->rejected, &x->reference};
    if (x->kind != EXAMPLE_PREFERENCE || x->reference.type == PART_ABSENT)
        return wrong_kind(p, x, "chosen, rejected and reference (a third answer, to imitate)");
    return add_sides(a, p, x, answer, 3);
}

/* A reward is read behind the last token: a pair with a side that would be cut is left out. */
static bool add_judged(arena *a, preparing *p, const example *x) {
    const example_part *const answer[] = {&x->chosen, &x->rejected};
    const int most = (int)p->s->o.max_length;
    fresh side[2];
    if (x->kind != EXAMPLE_PREFERENCE) return wrong_kind(p, x, "pairs (chosen and rejected)");
    for (int k = 0; k < 2; k++)
        if (!answer_row(a, p, x, answer[k], &side[k])) return false;
    if (!side[0].length || !side[1].length || (most && (side[0].length > most || side[1].length > most))) {
        p->r->counts.dropped++;
        p->r->counts.empty += !side[0].length || !side[1].length;
        rows_note(&p->r->counts.dropped_rows, x->row);
        return true;
    }
    return add_sides(a, p, x, answer, 2);
}

static bool add_steps(arena *a, preparing *p, const example *x) {
    fresh f;
    if (x->kind != EXAMPLE_STEPWISE || x->prompt.type != PART_TEXT)
        return wrong_kind(p, x, "prompt (a text), completions (steps) and labels");
    if (!rows_steps(a, p, x, &f)) return false;
    return write_alone(p, x, &f);
}

/* ---- chains ---------------------------------------------------------------------------------------------------------------------------- */

/* The words of an answer: its text, or what its only message says. */
static bool words_of(preparing *p, const example *x, const example_part *answer, str *out) {
    const json *message = json_at(answer->messages, 0), *content = json_get(message, "content");
    if (answer->type == PART_TEXT) return *out = answer->text, true;
    if (json_count(answer->messages) != 1 || json_kind_of(content) != JSON_STRING)
        return wrong_kind(p, x, "answers of one message with a text");
    return *out = json_text(content, STR("")), true;
}

static example_part part_of_words(arena *a, const example_part *like, str text) {
    if (like->type == PART_TEXT) return (example_part){.type = PART_TEXT, .text = text};
    json *message = json_new_object(a), *all = json_new_array(a);
    json_set(message, "role", json_get(json_at(like->messages, 0), "role"));
    json_set(message, "content", json_new_text(a, text));
    json_append(all, message);
    return (example_part){.type = PART_MESSAGES, .messages = all};
}

/* Where each part ends is seen by rendering the text up to there. */
static bool add_chain(arena *a, preparing *p, const example *x) {
    const chain how = p->s->objective->chain(p->s->own);
    str bad, good, text = STR("");
    fresh prompt, f, upto;
    if (x->kind != EXAMPLE_PREFERENCE) return wrong_kind(p, x, "pairs (chosen and rejected)");
    if (!words_of(p, x, &x->rejected, &bad) || !words_of(p, x, &x->chosen, &good)) return false;
    const str parts[4] = {str_of(how.bad), bad, str_of(how.good), good};
    example_part whole[4];
    for (int k = 0; k < 4; k++) whole[k] = part_of_words(a, &x->chosen, text = str_join(a, text, parts[k]));
    if (!rows_both(a, p, x, &whole[3], false, &prompt, &f)) return false;
    int end[3];
    for (int k = 0; k < 3; k++) {
        if (!rows_both(a, p, x, &whole[k], false, &prompt, &upto)) return false;
        end[k] = rows_common_prefix(&upto, &f);
    }
    memset(f.mask, 0, (size_t)end[2]);
    if (!how.last_only && end[1] > end[0]) memset(f.mask + end[0], 1, (size_t)(end[1] - end[0]));
    return write_alone(p, x, &f);
}

/* ---- labelled answers --------------------------------------------------------------------------------------------------------------------- */

enum { UNPAIRED_AT_ONCE = 1000 };

static void clear(queue *q) {
    if (q->a) arena_free(q->a);
    memory_release(q->item);
    memory_release(q->at);
    *q = (queue){0};
}

static void push(queue *q, const fresh *f, const place *at) {
    if (!q->a) q->a = arena_new();
    if (q->count == q->room) {
        q->room = q->room ? 2 * q->room : 64;
        q->item = memory_resize(q->item, (size_t)q->room * sizeof *q->item);
        q->at = memory_resize(q->at, (size_t)q->room * sizeof *q->at);
    }
    q->at[q->count] = *at;
    q->item[q->count] = *f;
    q->item[q->count].ids = (void *)arena_copy(q->a, f->ids, (size_t)f->length * sizeof *f->ids);
    q->item[q->count++].mask = (void *)arena_copy(q->a, f->mask, (size_t)f->length);
}

static bool same_prompt(const fresh *x, const fresh *y) {
    return x->prompt == y->prompt && memcmp(x->ids, y->ids, (size_t)x->prompt * sizeof *x->ids) == 0;
}

/* The answer before i in its group, the last before the first; one with another prompt if there is any. */
static const fresh *other_answer(const queue *g, int i) {
    for (int back = 1; back < g->count; back++) {
        const fresh *f = &g->item[(i + g->count - back) % g->count];
        if (!same_prompt(f, &g->item[i])) return f;
    }
    return &g->item[(i + g->count - 1) % g->count];
}

static fresh mismatched(arena *a, const fresh *own, const fresh *other) {
    const int answer = other->length - other->prompt, n = own->prompt + answer;
    fresh f = {.ids = arena_array(a, int32_t, n + 1), .mask = arena_array(a, uint8_t, n + 1), .length = n, .prompt = own->prompt};
    memcpy(f.ids, own->ids, (size_t)own->prompt * sizeof *f.ids);
    memcpy(f.ids + own->prompt, other->ids + other->prompt, (size_t)answer * sizeof *f.ids);
    memset(f.mask + own->prompt, 1, (size_t)answer);
    return f;
}

/* Each answer of the group, and behind it another one's answer to the same prompt. */
static bool write_group(preparing *p) {
    queue *g = &p->group;
    bool ok = true;
    for (int i = 0; ok && i < g->count; i++) {
        place at = g->at[i];
        at.unit = (int)(p->r->count / 2);
        fresh other = mismatched(g->a, &g->item[i], other_answer(g, i));
        ok = write_row(p, &g->item[i], &at);
        at.role = ROLE_MISMATCHED;
        at.label = 0;
        ok = ok && write_row(p, &other, &at);
    }
    clear(g);
    return ok;
}

static bool put_labelled(preparing *p, fresh *f, const place *at) {
    note_cut(p, f);
    if (p->r->kind != WANTS_MATCHED) return write_row(p, f, at);
    push(&p->group, f, at);
    return p->group.count < p->s->o.per_device_train_batch_size || write_group(p);
}

static bool write_rejected(preparing *p) {
    queue *q = &p->rejected;
    bool ok = true;
    for (int i = 0; ok && i < q->count; i++) ok = put_labelled(p, &q->item[i], &q->at[i]);
    clear(q);
    return ok;
}

/* A pair is two answers: all chosen ones first, then, behind at most 1000 of them, the rejected ones. */
static bool add_labelled(arena *a, preparing *p, const example *x) {
    fresh f, g;
    const bool pair = x->kind == EXAMPLE_PREFERENCE;
    place at = {.example = x->row, .unit = -1, .label = pair || x->label, .margin = NAN, .probability = (float)x->probability};
    if (!pair && x->kind != EXAMPLE_LABELLED) return wrong_kind(p, x, "answers with a label, or pairs");
    if (!answer_row(a, p, x, pair ? &x->chosen : &x->completion, &f)) return false;
    if (!too_long(p, x, f.prompt) && !put_labelled(p, &f, &at)) return false;
    if (!pair) return true;
    if (!answer_row(a, p, x, &x->rejected, &g)) return false;
    at.label = 0;
    if (!too_long(p, x, g.prompt)) push(&p->rejected, &g, &at);
    return p->rejected.count < UNPAIRED_AT_ONCE || write_rejected(p);
}

/* ---- rewarded answers ------------------------------------------------------------------------------------------------------------------- */

/* The answers to one prompt, of which some are kept. */
static bool write_kept(preparing *p) {
    queue *g = &p->rewarded;
    arena *a = arena_new();
    int *group = arena_array(a, int, g->count + 1);
    float *reward = arena_array(a, float, g->count + 1);
    bool *kept = arena_array(a, bool, g->count + 1), ok = true;
    for (int i = 0; i < g->count; i++) reward[i] = g->at[i].reward;
    if (g->count) p->s->objective->keep(p->s->own, group, reward, g->count, 0, kept);
    for (int i = 0; ok && i < g->count; i++) {
        if (kept[i]) ok = write_row(p, &g->item[i], &g->at[i]);
        else {
            p->r->counts.dropped++;
            rows_note(&p->r->counts.dropped_rows, g->at[i].example);
        }
    }
    arena_free(a);
    clear(g);
    return ok;
}

/* Answers to one prompt are neighbours in the data. A label is a reward of 1 or 0. */
static bool add_rewarded(arena *a, preparing *p, const example *x) {
    fresh f;
    const bool labelled = x->kind == EXAMPLE_LABELLED;
    if (!labelled && (x->kind != EXAMPLE_PROMPT_COMPLETION || isnan(x->reward)))
        return wrong_kind(p, x, "prompt and completion with a reward (a number), or answers with a label");
    if (!answer_row(a, p, x, &x->completion, &f)) return false;
    if (too_long(p, x, f.prompt)) return true;
    if (p->rewarded.count && !same_prompt(&p->rewarded.item[0], &f) && !write_kept(p)) return false;
    note_cut(p, &f);
    push(&p->rewarded, &f,
         &(place){.example = x->row,
                  .unit = -1,
                  .label = 1,
                  .margin = NAN,
                  .probability = NAN,
                  .reward = (float)(labelled ? x->label : x->reward)});
    return true;
}

/* ---- prompts ------------------------------------------------------------------------------------------------------------------------------ */

/* The columns that reward functions find: those of the row as it stood in the data, which a run's own copy keeps under "columns". */
static str columns_of(arena *a, const example *x) {
    const json *kept = json_get(x->raw, "columns");
    buf text = {0};
    json_put(&text, json_kind_of(kept) == JSON_OBJECT ? kept : x->raw);
    const str out = {str_copy(a, buf_str(&text)), text.len};
    buf_free(&text);
    return out;
}

static bool add_prompt(arena *a, preparing *p, const example *x) {
    example prompt = *x;
    fresh f;
    if (x->kind != EXAMPLE_PROMPT && example_convert(a, x, EXAMPLE_PROMPT, &prompt, p->e) != CONVERT_DONE)
        return p->e->code ? false : wrong_kind(p, x, "prompts");
    if (!rows_prompt(a, p, &prompt, &f)) return false;
    if (!f.length || too_long(p, x, f.length + 1)) {
        p->r->counts.empty += !f.length;
        return true;
    }
    return write_row(
        p, &f, &(place){.example = x->row, .unit = -1, .label = 1, .margin = NAN, .probability = NAN, .note = columns_of(a, x)});
}

/* The last message is the answer to those before it. */
static bool split_messages(arena *a, preparing *p, const example *x, example *out) {
    const size_t n = json_count(x->messages);
    json *prompt = json_new_array(a), *answer = json_new_array(a);
    if (n < 2 || !str_is(json_get_text(json_at(x->messages, n - 1), "role", STR("")), "assistant"))
        return wrong_kind(p, x, "conversations whose last message is the assistant's answer");
    for (size_t i = 0; i + 1 < n; i++) json_append(prompt, (json *)(uintptr_t)json_at(x->messages, i));
    json_append(answer, (json *)(uintptr_t)json_at(x->messages, n - 1));
    out->prompt = (example_part){.type = PART_MESSAGES, .messages = prompt};
    out->completion = (example_part){.type = PART_MESSAGES, .messages = answer, .unfinished = x->unfinished};
    return true;
}

/* Of a row that is too long the last tokens are kept, as GKDTrainer does. */
static void keep_end(preparing *p, fresh *f) {
    const int most = (int)p->s->o.max_length, cut = f->length - most;
    if (!most || cut <= 0) return;
    f->ids += cut;
    f->mask += cut;
    f->length = most;
    f->prompt = f->prompt > cut ? f->prompt - cut : 0;
    f->cut = true;
    p->r->counts.truncated++;
}

static bool add_answered(arena *a, preparing *p, const example *x) {
    example one = *x;
    fresh f = {0};
    if (x->kind == EXAMPLE_LABELLED && !x->label) return true; /* nothing to imitate */
    if (x->kind == EXAMPLE_MESSAGES && !split_messages(a, p, x, &one)) return false;
    if (x->kind == EXAMPLE_PREFERENCE) one.completion = x->chosen;
    if (one.completion.type == PART_ABSENT) return wrong_kind(p, x, "prompts with an answer");
    if (!answer_row(a, p, &one, &one.completion, &f)) return false;
    keep_end(p, &f);
    if (f.prompt < 1 || !any_label(&f)) {
        p->r->counts.dropped++;
        rows_note(&p->r->counts.dropped_rows, x->row);
        return true;
    }
    return write_row(
        p, &f, &(place){.example = x->row, .unit = -1, .label = 1, .margin = NAN, .probability = NAN, .note = columns_of(a, x)});
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------------------------ */

static const struct {
    bool (*add)(arena *a, preparing *p, const example *x);
    unsigned kinds;
} units[] = {
    [WANTS_ROWS] = {add_sft, KIND(EXAMPLE_TEXT) | KIND(EXAMPLE_MESSAGES) | KIND(EXAMPLE_PROMPT_COMPLETION)},
    [WANTS_PAIRS] = {add_pair, KIND(EXAMPLE_PREFERENCE)},
    [WANTS_TRIPLES] = {add_triple, KIND(EXAMPLE_PREFERENCE)},
    [WANTS_LABELLED] = {add_labelled, KIND(EXAMPLE_LABELLED) | KIND(EXAMPLE_PREFERENCE)},
    [WANTS_REWARDED] = {add_rewarded, KIND(EXAMPLE_PROMPT_COMPLETION) | KIND(EXAMPLE_LABELLED)},
    [WANTS_CHAINS] = {add_chain, KIND(EXAMPLE_PREFERENCE)},
    [WANTS_JUDGED] = {add_judged, KIND(EXAMPLE_PREFERENCE)},
    [WANTS_STEPS] = {add_steps, KIND(EXAMPLE_STEPWISE)},
    [WANTS_PROMPTS] = {add_prompt, KIND(EXAMPLE_PROMPT) | KIND(EXAMPLE_PREFERENCE) | KIND(EXAMPLE_PROMPT_COMPLETION) |
                                       KIND(EXAMPLE_LABELLED)},
    [WANTS_ANSWERED] = {add_answered, KIND(EXAMPLE_PROMPT_COMPLETION) | KIND(EXAMPLE_MESSAGES) | KIND(EXAMPLE_PREFERENCE) |
                                          KIND(EXAMPLE_LABELLED)},
    [WANTS_MATCHED] = {add_labelled, KIND(EXAMPLE_LABELLED) | KIND(EXAMPLE_PREFERENCE)},
};

unsigned rows_example_kinds(objective_rows kind) { return units[kind].kinds; }
bool rows_add(arena *a, preparing *p, const example *x) { return units[p->r->kind].add(a, p, x); }
bool rows_flush(preparing *p) { return pack(p) && write_rejected(p) && write_group(p) && write_kept(p); }

void rows_forget(preparing *p) {
    if (p->waiting) arena_free(p->waiting->a);
    clear(&p->group);
    clear(&p->rewarded);
    clear(&p->rejected);
}
