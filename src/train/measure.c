/* measure.c - the memory of a run before anything of it is allocated: weights from the sizes in the files, activations from the tape
 * run in measuring mode; and, where that is too much, the nearest settings that fit.
 *
 *     weights      packed copy of the policy (and of a reference of its own)  +  16 bytes for each trained number:
 *                  master copy, gradient, two moments, all float32
 *     activations  of the largest piece: micro_batch_tokens, or the longest row (a pair: both answers)                        */
#include "train/loop.h"

static bool reads_adapter(const trainer *t) { return t->s->o.use_peft || t->s->o.adapter; }

/* The adapter of this run on a model of sizes, with the settings' rank; for a run without, the one that --use-peft would make. */
static adapter *sized_adapter(arena *a, const trainer *t, model *sized, err *e) {
    const train_options *o = &t->s->o;
    if (o->adapter) return adapter_open(a, sized, o->adapter, true, e);
    const lora_options l = {.r = (int)o->lora_r,
                            .alpha = o->lora_alpha,
                            .rslora = o->use_rslora,
                            .targets = o->lora_target_modules.item,
                            .target_count = o->lora_target_modules.count};
    return adapter_new(a, sized, &l, (uint64_t)o->seed, true, e);
}

static int64_t numbers_of(const weight *w) { return (int64_t)w->rows * w->cols; }

static size_t weight_bytes(const trainer *t, const model *sized, const adapter *ad) {
    int64_t trained_numbers = 0;
    for (int i = 0; ad && i < ad->count; i++) trained_numbers += numbers_of(ad->entry[i].A) + numbers_of(ad->entry[i].B);
    for (int i = 0; !ad && i < sized->count; i++) trained_numbers += numbers_of(sized->parameters[i].w);
    size_t bytes = model_weight_bytes(sized) + 16 * (size_t)trained_numbers;
    if (t->s->o.reference) bytes += t->reference_bytes;
    else if (t->s->objective->reference && !ad) bytes += model_weight_bytes(sized);
    return bytes;
}

static int per_unit(const trainer *t) { return t->s->objective->rows == WANTS_PAIRS ? 2 : 1; }

static int64_t tokens_of(const trainer *t, const memory_plan *p) {
    const row_counts *c = rows_counts(t->rows);
    int64_t longest = c->longest, tokens = p->micro_batch_tokens;
    if (p->max_length && longest > p->max_length) longest = p->max_length;
    if (tokens < per_unit(t) * longest) tokens = per_unit(t) * longest;
    return tokens < c->tokens ? tokens : c->tokens;
}

static size_t activation_bytes(const trainer *t, const model *sized, const adapter *ad, const memory_plan *p) {
    enum { HEAD_ROWS = 256, HEAD_BYTES = 6 }; /* the head's chunk: logits and their rounded copy */
    const int T = (int)tokens_of(t, p);
    arena *a = arena_new();
    int32_t *ids = arena_array(a, int32_t, T), *position = arena_array(a, int32_t, T);
    const span one = {.length = T, .parent = -1};
    const layout l = {T, 1, &one, position};
    pool *measured = pool_new();
    tape *tp =
        tape_new(t->backend, measured,
                 (tape_options){.compute = t->compute, .grad = true, .measure = true, .recompute = p->gradient_checkpointing});
    tensor *h = op_rows(tp, model_forward(sized, tp, &(model_batch){ids, &l}, ad), ids, T);
    tensor *y = op_logp(tp, h, sized->head, sized->head_bias, &(logp_form){.target = ids});
    op_logp_seed(tp, y, arena_array(a, float, T), NULL, NULL);
    tape_backward(tp);
    tape_free(tp);
    const size_t bytes = pool_peak(measured) + (size_t)sized->config.vocab * HEAD_ROWS * HEAD_BYTES;
    pool_free(measured);
    arena_free(a);
    return bytes;
}

bool trainer_need(trainer *t, const memory_plan *p, memory_need *out, err *e) {
    arena *a = arena_new();
    const bool adapts = p->lora || reads_adapter(t);
    model *sized = t->sized;
    if (adapts && !reads_adapter(t)) /* the weights would be frozen */
        sized =
            model_open(a, t->backend, t->s->o.base, &(model_options){.compute = t->compute, .measure = true, .no_text = true}, e);
    const adapter *ad = sized && adapts ? sized_adapter(a, t, sized, e) : NULL;
    const bool ok = sized && (!adapts || ad);
    if (ok) *out = (memory_need){weight_bytes(t, sized, ad), activation_bytes(t, sized, ad, p)};
    arena_free(a);
    return ok;
}

memory_plan trainer_plan(const trainer *t) {
    const train_options *o = &t->s->o;
    return (memory_plan){.micro_batch_tokens = o->micro_batch_tokens,
                         .max_length = o->max_length,
                         .gradient_checkpointing = o->gradient_checkpointing};
}

static bool fits(trainer *t, const memory_plan *p, size_t room) {
    memory_need need;
    err ignored = {0};
    return trainer_need(t, p, &need, &ignored) && need.weights + need.activations <= room;
}

/* Fewer tokens at a time, in halves, down to what the longest row needs. */
static bool fits_in_pieces(trainer *t, memory_plan *p, size_t room, bool smaller) {
    enum { LEAST = 64 };
    for (;;) {
        if (fits(t, p, room)) return true;
        const int64_t tokens = tokens_of(t, p);
        if (!smaller || p->micro_batch_tokens <= LEAST) return false;
        while (p->micro_batch_tokens > tokens) p->micro_batch_tokens /= 2; /* the rows are fewer */
        p->micro_batch_tokens /= 2;
        if (tokens_of(t, p) == tokens) return false; /* one row alone is longer */
    }
}

static const char *plan_words(arena *a, const trainer *t, const memory_plan *p) {
    const memory_plan now = trainer_plan(t);
    char *words = arena_text(a, "");
    if (p->lora) words = arena_printf(a, "%s --use-peft", words);
    if (p->gradient_checkpointing && !now.gradient_checkpointing) words = arena_printf(a, "%s --gradient-checkpointing", words);
    if (p->max_length != now.max_length) words = arena_printf(a, "%s --max-length %lld", words, (long long)p->max_length);
    if (p->micro_batch_tokens != now.micro_batch_tokens)
        words = arena_printf(a, "%s --micro-batch-tokens %lld", words, (long long)p->micro_batch_tokens);
    return words + 1;
}

/* From what changes nothing but time, over what trains less, to what cuts the data. */
static const struct {
    bool smaller, recompute, lora, shorter;
} ways[] = {
    {.smaller = true},
    {.recompute = true},
    {.smaller = true, .recompute = true},
    {.lora = true},
    {.smaller = true, .lora = true},
    {.smaller = true, .recompute = true, .lora = true},
    {.smaller = true, .shorter = true},
    {.smaller = true, .recompute = true, .shorter = true},
    {.smaller = true, .recompute = true, .lora = true, .shorter = true},
};

const char *trainer_advice(arena *a, trainer *t, size_t room) {
    enum { SHORTEST = 64 };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        memory_plan p = trainer_plan(t);
        if (ways[i].lora && reads_adapter(t)) continue;
        p.lora = ways[i].lora;
        p.gradient_checkpointing |= ways[i].recompute;
        int64_t length = rows_counts(t->rows)->longest;
        do {
            memory_plan tried = p;
            if (ways[i].shorter) tried.max_length = length /= 2;
            if (fits_in_pieces(t, &tried, room, ways[i].smaller)) return plan_words(a, t, &tried);
        } while (ways[i].shorter && length > SHORTEST);
    }
    return NULL;
}
