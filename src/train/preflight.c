/* preflight.c - what must hold before step 1, and what a person wants to know: counts, the first batch as text, memory, time.
 *
 * Memory is measured on a model of sizes alone: nothing is loaded before it is known to fit. The tape runs in measuring mode over as
 * many tokens as the largest piece can have; weights, gradients, optimiser state and reference are counted from their shapes. */
#include <stdio.h>

#include "base/sys.h"
#include "train/loop.h"

/* ---- memory ------------------------------------------------------------------------------------------------------------------------ */

enum { HEAD_CHUNK = 256 }; /* rows whose logits stand in memory at a time, and their rounded copy */

/* Completions are not there yet: as long as they may get. */
static piece_size largest_piece(const trainer *t) {
    if (!t->s->rollout) return trainer_largest_piece(t);
    int64_t tokens = t->s->o.micro_batch_tokens, longest = rows_counts(t->rows)->longest;
    if (t->s->o.max_length && longest > t->s->o.max_length) longest = t->s->o.max_length;
    longest = trainer_rows_per_unit(t) * (longest + t->s->rollout->max_completion_length);
    if (tokens < longest) tokens = longest;
    return (piece_size){(int)tokens, (int)tokens};
}

/* A step's activations, at their peak. */
static size_t measure_pass(const trainer *t) {
    const piece_size size = largest_piece(t);
    const int T = size.tokens;
    arena *a = arena_new();
    int32_t *ids = arena_array(a, int32_t, T), *position = arena_array(a, int32_t, T);
    const span one = {.length = T, .parent = -1};
    const layout l = {T, 1, &one, position};
    pool *measured = pool_new();
    tape *tp = tape_new(
        t->backend, measured,
        (tape_options){.compute = t->compute, .grad = true, .measure = true, .recompute = t->s->o.gradient_checkpointing});
    const bool writes = t->policy->head != NULL;
    const int R = writes && !t->value_head ? size.asked : T;
    tensor *h = op_rows(tp, model_forward(t->policy, tp, &(model_batch){ids, &l}, t->adapter), ids, R);
    float *zeros = arena_array(a, float, R *(1 + objective_values(t->s->objective, t->s->own)));
    if (writes)
        op_logp_seed(tp, op_logp(tp, h, model_head(t->policy, t->adapter), t->policy->head_bias, &(logp_form){.target = ids}),
                     zeros, NULL, NULL);
    if (t->value_adapter) {
        tensor *v = op_rows(tp, model_forward(t->policy, tp, &(model_batch){ids, &l}, t->value_adapter), ids, T);
        tape_seed(tp, model_labels(t->policy, tp, v, t->value_adapter), zeros);
    }
    if (t->value_head) tape_seed(tp, op_linear(tp, h, t->value_head, NULL), zeros);
    if (!writes) tape_seed(tp, model_labels(t->policy, tp, h, t->adapter), zeros);
    tape_backward(tp);
    tape_free(tp);
    const size_t logits = (size_t)t->policy->config.vocab * (size_t)(R < HEAD_CHUNK ? R : HEAD_CHUNK) * sizeof(float) *
                          (t->compute == COMPUTE_BF16 ? 2 : 1);
    const size_t bytes = pool_peak(measured) + (writes ? logits : 0);
    pool_free(measured);
    arena_free(a);
    return bytes;
}

static size_t packed_bytes(const model *m) {
    size_t bytes = 0;
    for (int i = 0; i < m->count; i++) {
        const weight *w = m->parameters[i].w;
        bytes += w->matrix ? w->packed_bytes : (size_t)w->cols * sizeof(float);
    }
    return bytes;
}

/* Packed weights of policy, reference and teacher; of what is trained also master copy, gradient, and what the optimiser keeps. */
static size_t count_weights(const trainer *t) {
    size_t bytes =
        packed_bytes(t->policy) + (t->reference ? packed_bytes(t->reference) : 0) + (t->teacher ? packed_bytes(t->teacher) : 0);
    for (int i = 0; i < t->count; i++) {
        const weight_shape *w = &t->weights[i].shape;
        size_t floats = 2 * (size_t)w->rows * (size_t)w->cols;
        for (int k = 0; k < OPTIMIZER_STATES && t->optimizer.kind->state[k]; k++) floats += trainer_state_size(t, k, w);
        bytes += sizeof(float) * floats;
    }
    return bytes;
}

/* The same run with other settings, on sizes alone. */
static bool measure(const trainer *t, const train_settings *s, size_t *weights, size_t *activations, err *e) {
    arena *a = arena_new();
    const bool full = !s->o.use_peft && !s->o.adapter;
    trainer m = {.arena = a, .s = s, .backend = t->backend, .compute = t->compute, .rows = t->rows};
    model_options sizes = trainer_policy_options(&m);
    sizes.measure = sizes.no_text = true;
    bool ok = (m.policy = model_open(a, t->backend, s->o.base, &sizes, e)) != NULL && trainer_weights(&m, e);
    const char *reference = !reference_wanted(&m) ? NULL : s->o.reference ? s->o.reference : full ? s->o.base : NULL;
    if (ok && reference)
        ok = (m.reference = model_open(a, t->backend, reference,
                                       &(model_options){.compute = t->compute, .measure = true, .no_text = true}, e)) != NULL;
    if (ok && teacher_wanted(&m))
        ok = (m.teacher = model_open(a, t->backend, s->o.teacher,
                                     &(model_options){.compute = t->compute, .measure = true, .no_text = true}, e)) != NULL;
    if (ok) {
        *weights = count_weights(&m);
        *activations = measure_pass(&m);
    }
    arena_free(a);
    return ok;
}

/* Settings that need less, from the least harm on; the first that fits, with a tenth to spare, is named. shorten: max_length becomes the longest row over it. */
static const struct {
    int64_t micro_batch_tokens;
    bool gradient_checkpointing, use_peft;
    int shorten;
} nearest[] = {
    {512, false, false, 1}, {256, false, false, 1}, {256, true, false, 1}, {1 << 30, false, true, 1},
    {256, false, true, 1},  {256, true, true, 1},   {256, true, true, 2},  {256, true, true, 4},
};

/* One row of the table over the run's own settings, and the flags that would ask for it. */
static train_settings variant(const trainer *t, size_t which, buf *flags) {
    train_settings s = *t->s;
    if (s.o.micro_batch_tokens > nearest[which].micro_batch_tokens) {
        s.o.micro_batch_tokens = nearest[which].micro_batch_tokens;
        buf_printf(flags, " --micro-batch-tokens %lld", (long long)s.o.micro_batch_tokens);
    }
    if (nearest[which].gradient_checkpointing && !s.o.gradient_checkpointing) {
        s.o.gradient_checkpointing = true;
        buf_put_text(flags, " --gradient-checkpointing");
    }
    if (nearest[which].use_peft && !s.o.use_peft && !s.o.adapter) {
        s.o.use_peft = true;
        buf_put_text(flags, " --use-peft");
    }
    if (nearest[which].shorten > 1) {
        s.o.max_length = rows_counts(t->rows)->longest / nearest[which].shorten;
        buf_printf(flags, " --max-length %lld", (long long)s.o.max_length);
    }
    return s;
}

static bool refuse(const trainer *t, const preflight *p, err *e) {
    buf flags = {0};
    size_t weights = 0, activations = 0;
    bool found = false;
    for (size_t i = 0; !found && i < sizeof nearest / sizeof *nearest; i++) {
        err ignored = {0};
        buf_clear(&flags);
        const train_settings s = variant(t, i, &flags);
        found = flags.len && measure(t, &s, &weights, &activations, &ignored) && weights + activations <= p->memory_free / 10 * 9;
    }
    if (found)
        err_set(e, ERR_REFUSED,
                "needs %.2f GB (weights and optimiser %.2f, activations %.2f), %.2f GB are free; at %.2f GB it fits with%s",
                (double)p->memory_needed / 1e9, (double)p->weights / 1e9, (double)p->activations / 1e9,
                (double)p->memory_free / 1e9, (double)(weights + activations) / 1e9, flags.ptr);
    else
        err_set(
            e, ERR_REFUSED,
            "needs %.2f GB (weights and optimiser %.2f, activations %.2f), %.2f GB are free, and no setting makes it fit: take a "
            "smaller model",
            (double)p->memory_needed / 1e9, (double)p->weights / 1e9, (double)p->activations / 1e9, (double)p->memory_free / 1e9);
    buf_free(&flags);
    return false;
}

bool preflight_memory(const trainer *t, preflight *p, err *e) {
    const int64_t units = t->per_step < t->units ? t->per_step : t->units;
    *p = (preflight){.steps = t->steps, .memory_free = sys_memory_available()};
    if (!measure(t, t->s, &p->weights, &p->activations, e)) return false;
    p->memory_needed = p->weights + p->activations;
    p->tokens_per_step = t->units ? rows_counts(t->rows)->tokens * units / t->units : 0;
    return p->memory_needed <= p->memory_free || refuse(t, p, e);
}

/* ---- time -------------------------------------------------------------------------------------------------------------------------- */

/* Forward, and backward by x; by weights too where they are trained; forward once more where layers are computed again; the reference
 * sees each row once. */
bool preflight_time(const trainer *t, preflight *p, err *e) {
    const int passes = 2 + !t->adapter + t->s->o.gradient_checkpointing;
    const double steps = (double)p->steps * (double)p->tokens_per_step,
                 once = reference_wanted(t) ? (double)rows_counts(t->rows)->tokens : 0;
    double one;
    if (!model_seconds_per_token(t->policy, t->compute, &one, e)) return false;
    p->seconds = one * (passes * steps + (once < steps ? once : steps));
    return true;
}

/* ---- what is shown ------------------------------------------------------------------------------------------------------------------ */

void preflight_print_counts(FILE *out, const trainer *t) {
    const row_counts *c = rows_counts(t->rows);
    fprintf(out, "%lld examples: %lld %s, %lld dropped, %lld truncated, %lld duplicates, %lld empty\n", (long long)c->examples,
            (long long)t->units, objective_rows_name(objective_rows_of(t->s->objective, t->s->own)), (long long)c->dropped,
            (long long)c->truncated, (long long)c->duplicates, (long long)c->empty);
    arena *a = arena_new();
    if (c->dropped_rows.count) fprintf(out, "dropped: %s\n", row_numbers_text(a, &c->dropped_rows));
    if (c->untrained.count) fprintf(out, "masked from end to end: %s\n", row_numbers_text(a, &c->untrained));
    arena_free(a);
    fprintf(out, "tokens: %lld trained, %lld masked, %.1f a row, longest %lld\n", (long long)c->trained_tokens,
            (long long)c->masked_tokens, t->units ? (double)c->tokens / (double)c->rows : 0, (long long)c->longest);
}

/* Text of the data on a terminal: a control character could be an order to it. */
static void put_shown(FILE *out, str text) {
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) fprintf(out, "\\x%02x", c);
        else fputc(c, out);
    }
}

/* One row; what is trained stands in colour, or in [brackets]. Characters of several tokens are whole. */
static void print_row(FILE *out, const tokenizer *tok, const row *r, bool color) {
    stream_decoder *d = stream_decoder_new(tok, false);
    bool on = false;
    buf text = {0};
    for (int k = 0; k <= r->length; k++) {
        const bool now = k < r->length && row_trains(r, k);
        if (now != on || k == r->length) {
            stream_decoder_flush(d, &text);
            put_shown(out, buf_str(&text));
            buf_clear(&text);
            if (now != on) fputs(color ? (now ? "\033[32m" : "\033[0m") : now ? "[" : "]", out);
            on = now;
        }
        if (k < r->length) stream_decoder_push(d, r->ids[k], &text);
    }
    fputc('\n', out);
    buf_free(&text);
    stream_decoder_free(d);
}

enum { PREVIEW_UNITS = 16, PREVIEW_ROWS = 3 * PREVIEW_UNITS };

/* Rows of the first batch, in its order, those that are only measured left out; a long one is cut. */
static int64_t first_batch(trainer *t, row *out) {
    const int64_t each = trainer_rows_per_unit(t);
    int64_t n = 0;
    for (int64_t i = 0; i < t->per_micro && i < t->units && i < PREVIEW_UNITS; i++)
        for (int64_t k = 0; k < each; k++) {
            out[n] = rows_at(t->rows, trainer_unit(t, 0, i) * each + k);
            if (out[n].role == ROLE_MISMATCHED) continue;
            if (t->s->o.max_length && out[n].length > t->s->o.max_length) out[n].length = (int)t->s->o.max_length;
            n++;
        }
    return n;
}

/* NULL: it is only imitated. */
static const char *role_of(const trainer *t, const row *r) {
    const objective_rows kind = objective_rows_of(t->s->objective, t->s->own);
    if (kind == WANTS_ROWS || kind == WANTS_CHAINS || kind == WANTS_REWARDED || kind == WANTS_STEPS || kind == WANTS_PROMPTS ||
        kind == WANTS_ANSWERED)
        return NULL;
    if (r->role == ROLE_TARGET) return "to imitate";
    if (objective_wants_pairs(kind)) return r->label ? "chosen" : "rejected";
    return r->label ? "good" : "bad";
}

void preflight_print_batch(FILE *out, trainer *t) {
    row batch[PREVIEW_ROWS];
    const bool color = sys_color(fileno(out));
    const int64_t n = first_batch(t, batch);
    for (int64_t i = 0; i < n; i++) {
        const char *role = role_of(t, &batch[i]);
        fprintf(out, "\n--- row %lld%s%s (%d tokens)\n", (long long)batch[i].example + 1, role ? ", " : "", role ? role : "",
                batch[i].length);
        print_row(out, t->text->tokenizer, &batch[i], color);
    }
    if (t->per_micro > PREVIEW_UNITS && t->units > PREVIEW_UNITS)
        fprintf(out, "\n(%d of %lld of the first batch)\n", PREVIEW_UNITS, (long long)t->per_micro);
}

/* [{"row", "role", "pieces": [{"text", "trained"}]}] */
static void put_first(json_writer *w, trainer *t) {
    row batch[PREVIEW_ROWS];
    const int64_t n = first_batch(t, batch);
    json_open(w, '[');
    for (int64_t i = 0; i < n; i++) {
        const row *r = &batch[i];
        json_open(w, '{');
        json_key(w, "row"), json_put_int(w, r->example + 1);
        if (role_of(t, r)) json_key(w, "role"), json_put_cstr(w, role_of(t, r));
        json_key(w, "pieces"), json_open(w, '[');
        for (int from = 0, k = 1; k <= r->length; k++) {
            const bool learned = row_trains(r, from);
            if (k < r->length && row_trains(r, k) == learned) continue;
            buf text = {0};
            tokenizer_decode(t->text->tokenizer, r->ids + from, k - from, false, &text);
            json_open(w, '{');
            json_key(w, "text"), json_put_text(w, buf_str(&text));
            json_key(w, "trained"), json_put_bool(w, learned);
            json_close(w);
            buf_free(&text);
            from = k;
        }
        json_close(w);
        json_close(w);
    }
    json_close(w);
}

void preflight_print(FILE *out, const preflight *p) {
    fprintf(out, "%lld steps of about %lld tokens; needs %.2f GB of %.2f GB free; about %.0f s\n", (long long)p->steps,
            (long long)p->tokens_per_step, (double)p->memory_needed / 1e9, (double)p->memory_free / 1e9, p->seconds);
}

/* What is trained, as it is saved: once as the result, and three times (weights and the optimiser's two states) in each checkpoint that is kept. */
static size_t disk_bytes(const trainer *t) {
    const train_options *o = &t->s->o;
    const int64_t kept = !o->save_steps || t->steps < o->save_steps ? 0
                         : o->save_total_limit                      ? o->save_total_limit
                                                                    : t->steps / o->save_steps;
    size_t floats = 0;
    for (int i = 0; i < t->count; i++) floats += (size_t)t->weights[i].shape.rows * (size_t)t->weights[i].shape.cols;
    return sizeof(float) * floats * (size_t)(1 + 3 * kept);
}

static void put_rows(json_writer *w, const char *key, const row_numbers *n) {
    json_key(w, key), json_open(w, '[');
    for (int64_t i = 0; i < n->count && i < ROW_NUMBERS; i++) json_put_int(w, n->first[i]);
    json_close(w);
}

void preflight_put_json(json_writer *w, trainer *t, const preflight *p, const char *refusal) {
    const row_counts *c = rows_counts(t->rows);
    const struct {
        const char *key;
        int64_t value;
    } values[] = {{"examples", c->examples},
                  {"rows", c->rows},
                  {"pairs", c->pairs},
                  {"dropped", c->dropped},
                  {"truncated", c->truncated},
                  {"duplicates", c->duplicates},
                  {"empty", c->empty},
                  {"trained_tokens", c->trained_tokens},
                  {"masked_tokens", c->masked_tokens},
                  {"tokens", c->tokens},
                  {"longest", c->longest},
                  {"tokens_per_step", p->tokens_per_step},
                  {"steps", p->steps},
                  {"memory_needed", (int64_t)p->memory_needed},
                  {"memory_weights", (int64_t)p->weights},
                  {"memory_activations", (int64_t)p->activations},
                  {"memory_free", (int64_t)p->memory_free},
                  {"disk_needed", (int64_t)disk_bytes(t)}};
    json_open(w, '{');
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) json_key(w, values[i].key), json_put_int(w, values[i].value);
    json_key(w, "tokens_per_example"), json_put_real(w, t->units ? (double)c->tokens / (double)t->units : 0);
    json_key(w, "seconds"), json_put_real(w, p->seconds);
    put_rows(w, "dropped_rows", &c->dropped_rows);
    put_rows(w, "untrained_rows", &c->untrained);
    json_key(w, "refusal"), json_put_cstr(w, refusal);
    if (t->s->choice) json_key(w, "preset"), preset_choice_put(w, t->s->choice);
    json_key(w, "first_batch"), put_first(w, t);
    json_close(w);
}
