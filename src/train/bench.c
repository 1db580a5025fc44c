/* bench.c - a training step on a model with random weights, as `fettle bench` measures it: 8 sequences of 256 tokens. */
#include <string.h>

#include "base/rng.h"
#include "base/sys.h"
#include "train/loop.h"

enum { SEQUENCES = 8, LENGTH = 256, PIECE = 2 };

typedef struct {
    int32_t ids[PIECE * LENGTH], position[PIECE * LENGTH], rows[PIECE * LENGTH], target[PIECE * LENGTH];
    span spans[PIECE];
    layout layout;
    int R;
} bench_piece;

static void fill(bench_piece *p, uint64_t seed, int vocab) {
    rng r = rng_new(seed, 3);
    p->R = 0;
    for (int i = 0; i < PIECE; i++) {
        p->spans[i] = (span){.begin = i * LENGTH, .length = LENGTH, .parent = -1};
        for (int k = 0; k < LENGTH; k++) {
            p->ids[i * LENGTH + k] = (int32_t)rng_below(&r, (uint32_t)vocab);
            if (k + 1 == LENGTH) continue;
            p->rows[p->R] = i * LENGTH + k;
            p->target[p->R++] = (int32_t)rng_below(&r, (uint32_t)vocab);
        }
    }
    layout_positions(p->spans, PIECE, p->position);
    p->layout = (layout){PIECE * LENGTH, PIECE, p->spans, p->position};
}

static void constant_gradient(void *self, int first, int count, const head_columns *h, float *dlogp, float *dentropy,
                              float *ddivergence) {
    (void)self, (void)h, (void)ddivergence;
    for (int i = first; i < first + count; i++) dlogp[i] = -1e-3f, dentropy[i] = 0;
}

static void one_pass(trainer *t, const bench_piece *p, bool grad, bool fused) {
    static float out[PIECE * LENGTH], d[PIECE * LENGTH];
    tape *tp = tape_new(t->backend, t->pool, (tape_options){.compute = t->compute, .grad = grad});
    tensor *h =
        op_rows(tp, model_forward(t->policy, tp, &(model_batch){p->ids, &p->layout}, grad ? t->adapter : NULL), p->rows, p->R);
    tensor *y = op_logp(
        tp, h, model_head(t->policy, t->adapter), NULL,
        &(logp_form){.target = p->target, .columns = {.logp = out}, .fused = {grad && fused ? constant_gradient : NULL, NULL}});
    if (grad) {
        for (int i = 0; i < p->R; i++) d[i] = -1e-3f;
        if (!fused) op_logp_seed(tp, y, d, NULL, NULL);
        tape_backward(tp);
    }
    tape_free(tp);
}

static bool make_trainer(trainer *t, const json *config, bool low_rank, err *e) {
    static const char *all[] = {"all-linear"};
    train_settings *s;
    if (!train_settings_begin(t->arena, "sft", &s, e)) return false;
    s->o.use_peft = low_rank;
    s->o.lora_dropout = 0;
    s->o.lora_target_modules = (opt_list){all, 1};
    t->s = s;
    t->policy = model_new(t->arena, t->backend, config, 1,
                          &(model_options){.compute = COMPUTE_BF16, .train = !low_rank, .no_text = true}, e);
    return t->policy && trainer_weights(t, e);
}

static void optimizer_step(trainer *t, int64_t step) {
    for (int i = 0; i < t->count; i++) { /* what clipping needs */
        const weight *w = t->weights[i].w;
        values_sum_squares(t->backend, w->grad, (size_t)w->rows * (size_t)w->cols);
    }
    trainer_update(t, 1e-5, 1, step);
    for (int i = 0; i < t->count; i++) {
        const weight *w = t->weights[i].w;
        values_zero(t->backend, w->grad, (size_t)w->rows * (size_t)w->cols);
    }
}

static series measure_pieces(trainer *t, train_bench_case which, double flops, double seconds) {
    bench_piece *p = arena_new_of(t->arena, bench_piece);
    series s = series_begin(t->backend, 1u << LIMIT_BF16, seconds, 2);
    const double amount[LIMIT_COUNT] = {[LIMIT_BF16] = flops};
    for (int i = 0; series_next(&s); i++) {
        fill(p, (uint64_t)i, t->policy->config.vocab);
        series_start(&s);
        if (which == TRAIN_BENCH_DPO_LORA) one_pass(t, p, false, false);
        one_pass(t, p, true, which != TRAIN_BENCH_DPO_LORA);
        series_stop(&s, amount);
    }
    series_end(&s);
    return s;
}

static series measure_optimizer(trainer *t, double seconds) {
    series s = series_begin(t->backend, 0, seconds, 2);
    for (int i = 0; series_next(&s); i++) {
        series_start(&s);
        optimizer_step(t, i + 1);
        series_stop(&s, NULL);
    }
    series_end(&s);
    return s;
}

bool train_bench(backend *b, const json *config, train_bench_case which, double seconds, train_bench_result *out, err *e) {
    static const char *const names[] = {"sft full", "sft lora", "dpo lora"};
    static const double useful[] = {6, 4, 6}; /* FLOP per weight and token: forward and backward, and DPO's reference forward */
    trainer t = {.arena = arena_new(), .backend = b, .compute = COMPUTE_BF16, .pool = pool_new()};
    const bool ok = make_trainer(&t, config, which != TRAIN_BENCH_SFT_FULL, e);
    if (ok) {
        const double flops = useful[which] * (double)model_parameter_count(t.policy) * PIECE * LENGTH;
        const series pieces = measure_pieces(&t, which, flops, 0.9 * seconds), end = measure_optimizer(&t, 0.1 * seconds);
        const double work = SEQUENCES / PIECE * pieces.seconds.median, step = work + end.seconds.median;
        const sampled s = pieces.share[LIMIT_BF16];
        *out = (train_bench_result){.name = names[which],
                                    .tokens_per_second = SEQUENCES * LENGTH / step,
                                    .optimizer_seconds = end.seconds.median,
                                    .share = {s.median * work / step, s.low * work / step, s.high * work / step},
                                    .had = pieces.had,
                                    .resident = sys_memory_resident()};
    }
    pool_free(t.pool);
    arena_free(t.arena);
    return ok;
}
