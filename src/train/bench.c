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

static void constant_gradient(void *self, int first, int count, const head_columns *h, float *dlogp, float *dentropy) {
    (void)self, (void)h;
    for (int i = first; i < first + count; i++) dlogp[i] = -1e-3f, dentropy[i] = 0;
}

static void one_pass(trainer *t, const bench_piece *p, bool grad, bool fused) {
    static float out[PIECE * LENGTH], d[PIECE * LENGTH];
    tape *tp = tape_new(t->backend, t->pool, (tape_options){.compute = t->compute, .grad = grad});
    tensor *h =
        op_rows(tp, model_forward(t->policy, tp, &(model_batch){p->ids, &p->layout}, grad ? t->adapter : NULL), p->rows, p->R);
    tensor *y = op_logp(
        tp, h, t->policy->head, NULL,
        &(logp_form){.target = p->target, .columns = {.logp = out}, .fused = {grad && fused ? constant_gradient : NULL, NULL}});
    if (grad) {
        for (int i = 0; i < p->R; i++) d[i] = -1e-3f;
        if (!fused) op_logp_seed(tp, y, d, NULL, NULL);
        tape_backward(tp);
    }
    tape_free(tp);
}

bool train_bench(backend *b, const json *config, train_bench_case which, int repeat, train_bench_result *out, err *e) {
    static const char *const names[] = {"sft full", "sft lora", "dpo lora"};
    static const double useful[] = {6, 4, 6}; /* FLOP per weight and token: forward and backward, and DPO's reference forward */
    arena *a = arena_new();
    train_settings *s;
    trainer t = {.arena = a, .backend = b, .compute = COMPUTE_BF16, .pool = pool_new()};
    if (!train_settings_begin(a, "sft", &s, e)) return false;
    s->o.use_peft = which != TRAIN_BENCH_SFT_FULL;
    s->o.lora_dropout = 0;
    static const char *all[] = {"all-linear"};
    s->o.lora_target_modules = (opt_list){all, 1};
    t.s = s;
    t.policy = model_new(a, b, config, 1, &(model_options){.compute = COMPUTE_BF16, .train = !s->o.use_peft, .no_text = true}, e);
    bool ok = t.policy && trainer_weights(&t, e);
    double best = 1e9;
    bench_piece *p = arena_new_of(a, bench_piece);
    for (int r = 0; ok && r < repeat; r++) {
        const double begun = sys_seconds();
        for (int i = 0; i < SEQUENCES / PIECE; i++) {
            fill(p, (uint64_t)i, t.policy->config.vocab);
            if (which == TRAIN_BENCH_DPO_LORA) one_pass(&t, p, false, false);
            one_pass(&t, p, true, which != TRAIN_BENCH_DPO_LORA);
        }
        trainer_update(&t, 1e-5, 1, r + 1);
        for (int i = 0; i < t.count; i++)
            values_zero(b, t.weights[i].w->grad, (size_t)t.weights[i].w->rows * (size_t)t.weights[i].w->cols);
        const double took = sys_seconds() - begun;
        best = took < best ? took : best;
    }
    if (ok)
        *out = (train_bench_result){names[which], SEQUENCES * LENGTH / best,
                                    useful[which] * (double)model_parameter_count(t.policy) * SEQUENCES * LENGTH / best,
                                    sys_memory_resident()};
    pool_free(t.pool);
    arena_free(a);
    return ok;
}
