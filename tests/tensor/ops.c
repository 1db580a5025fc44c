/* ops.c - every operation against finite differences at odd shapes: a table with a builder per row of OPS, so that an operation
 * without a check fails. Then what must change nothing: recomputation, threads, shared prompts, caches, measuring. */
#include "test.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/rng.h"
#include "base/sys.h"
#include "tensor/cpu/kernels.h"
#include "tensor/tensor.h"

typedef struct {
    arena *a;
    backend *b;
    weight *w[8];
    int weights, T;
    int32_t ids[64], rows[64], target[64], position[64];
    span spans[4];
    layout layout;
    float frequency[16], slopes[8];
    uint64_t seed;
    compute_type compute;
    bool parents;
} setting;

static weight *add_weight(setting *s, int rows, int cols, bool matrix) {
    rng r = rng_new(s->seed, (uint64_t)s->weights + 10);
    float *x = arena_array(s->a, float, rows *cols);
    for (int i = 0; i < rows * cols; i++) x[i] = (float)(0.6 * rng_normal(&r));
    return s->w[s->weights++] = weight_new(s->a, s->b, "w", rows, cols, matrix, TYPE_F32, x,
                                           s->compute == COMPUTE_F32 ? TYPE_F32 : TYPE_BF16, true);
}

/* Three sequences of 5, 1 and the rest; or a prompt with two answers that share it. */
static void lay_out(setting *s, int T) {
    s->T = T;
    const int first = T > 5 ? 5 : T - (T > 2), second = T > 2;
    s->spans[0] = (span){.begin = 0, .length = first, .parent = -1};
    s->spans[1] = (span){.begin = first, .length = second, .parent = -1};
    s->spans[2] = (span){.begin = first + second, .length = T - first - second, .parent = -1};
    if (s->parents) s->spans[1].parent = s->spans[2].parent = 0, s->spans[1].shared = s->spans[2].shared = first - 1;
    int count = 0;
    for (int i = 0; i < 3; i++)
        if (s->spans[i].length > 0) s->spans[count++] = s->spans[i];
    s->layout = (layout){T, count, s->spans, s->position};
    layout_positions(s->spans, count, s->position);
    for (int i = 0; i < T; i++) s->ids[i] = (i * 7 + 3) % 11, s->rows[i] = (i * 3) % T, s->target[i] = (i * 5) % 11;
    for (int i = 0; i < 16; i++) s->frequency[i] = 1.0f / (float)(1 + i);
    for (int i = 0; i < 8; i++) s->slopes[i] = 0.1f * (float)(i + 1);
}

/* Each builds its operation on a table of embeddings, so that gradients go through it to weights. The width of x is D. */
static tensor *input(setting *s, tape *t, int D) {
    if (!s->weights) add_weight(s, 11, D, true);
    return op_embed(t, s->w[0], s->ids, s->T, -1);
}
static weight *nth(setting *s, int i, int rows, int cols, bool matrix) {
    return i < s->weights ? s->w[i] : add_weight(s, rows, cols, matrix);
}

static tensor *b_embed(setting *s, tape *t) { return input(s, t, 7); }
static tensor *b_position(setting *s, tape *t) {
    tensor *x = input(s, t, 5);
    return op_position(t, x, nth(s, 1, 64, 5, true), &s->layout);
}
static tensor *b_linear(setting *s, tape *t) {
    tensor *x = input(s, t, 9);
    weight *w = nth(s, 1, 6, 9, true), *bias = nth(s, 2, 1, 6, false), *A = nth(s, 3, 3, 9, true), *B = nth(s, 4, 6, 3, true);
    tensor *y = op_linear(t, x, w, bias);
    return op_linear_add(t, y, op_linear(t, x, A, NULL), B, 0.7f);
}
static tensor *b_magnitude(setting *s, tape *t) {
    tensor *x = input(s, t, 9);
    float *length = arena_array(s->a, float, 9);
    for (int i = 0; i < 9; i++) length[i] = 0.5f + 0.3f * (float)i;
    weight *m = nth(s, 1, 1, 9, false);
    return op_magnitude(t, x, m, length, s->seed % 2 ? nth(s, 2, 1, 9, false) : NULL);
}
static tensor *b_rmsnorm(setting *s, tape *t) {
    tensor *x = input(s, t, 9);
    return op_rmsnorm(t, x, nth(s, 1, 1, 9, false), 1e-5f);
}
static tensor *b_layernorm(setting *s, tape *t) {
    tensor *x = input(s, t, 9);
    weight *w = nth(s, 1, 1, 9, false);
    return op_layernorm(t, x, w, nth(s, 2, 1, 9, false), 1e-5f);
}
static tensor *b_rope(setting *s, tape *t) {
    const rope_table r = {.rotary = 6, .frequency = s->frequency, .attention_factor = 1.1f, .interleaved = s->seed % 2};
    return op_rope(t, input(s, t, 16), 8, &s->layout, &r);
}
static tensor *b_attention(setting *s, tape *t) {
    tensor *x = input(s, t, 10);
    tensor *q = op_linear(t, x, nth(s, 1, 24, 10, true), NULL), *k = op_linear(t, x, nth(s, 2, 12, 10, true), NULL),
           *v = op_linear(t, x, nth(s, 3, 12, 10, true), NULL);
    const attention_form f = {.heads = 4,
                              .kv_heads = 2,
                              .head_dim = 6,
                              .scale = 0.4f,
                              .window = s->seed % 3 == 1 ? 3 : 0,
                              .cap = s->seed % 3 == 2 ? 2.0f : 0,
                              .alibi = s->seed % 2 ? s->slopes : NULL};
    return op_attention(t, q, k, v, &s->layout, &f);
}
static tensor *b_gate(setting *s, tape *t) {
    tensor *x = input(s, t, 5);
    tensor *g = op_linear(t, x, nth(s, 1, 7, 5, true), NULL), *u = op_linear(t, x, nth(s, 2, 7, 5, true), NULL);
    return op_gate(t, g, u, (activation_kind)(s->seed % 3));
}
static tensor *b_activation(setting *s, tape *t) { return op_activation(t, input(s, t, 7), (activation_kind)(s->seed % 3)); }
static tensor *b_add(setting *s, tape *t) {
    tensor *x = input(s, t, 7);
    return op_add(t, x, op_add(t, x, op_activation(t, x, ACT_SILU)));
}
static tensor *b_rows(setting *s, tape *t) { return op_rows(t, input(s, t, 7), s->rows, s->T); }
static tensor *b_columns(setting *s, tape *t) { return op_columns(t, input(s, t, 9), 2, 5); }
static tensor *b_dropout(setting *s, tape *t) { return op_dropout(t, input(s, t, 9), 0.3f); }

/* The head has a way of its own to be seeded. */
static float logp_columns[6][64];
static logp_form head_form(setting *s) {
    return (logp_form){.target = s->target,
                       .columns = {logp_columns[0], logp_columns[1], logp_columns[2], logp_columns[3], logp_columns[5]},
                       .smooth = logp_columns[4]};
}
/* Another model's rows: narrower, over the same 11 tokens, frozen. */
static float divergence[64];
static bool with_teacher;
static teacher_form teacher_of(setting *s, double beta) {
    float *h = arena_array(s->a, float, s->T * 5 + 1), values[55];
    for (int i = 0; i < s->T * 5; i++) h[i] = (float)cos(1.3 * i + 0.2);
    for (int i = 0; i < 55; i++) values[i] = (float)sin(0.9 * i);
    return (teacher_form){.hidden = h,
                          .head = weight_new(s->a, s->b, "teacher", 11, 5, true, TYPE_F32, values, TYPE_F32, false),
                          .beta = beta,
                          .out = divergence};
}

static tensor *b_logp(setting *s, tape *t) {
    with_teacher = false;
    tensor *x = input(s, t, 9);
    weight *w = nth(s, 1, 11, 9, true), *bias = nth(s, 2, 1, 11, false);
    const logp_form f = head_form(s);
    return op_logp(t, x, w, bias, &f);
}

static tensor *b_taught(setting *s, tape *t) {
    static const double betas[] = {0, 0.3, 0.9, 1};
    tensor *x = input(s, t, 9);
    weight *w = nth(s, 1, 11, 9, true), *bias = nth(s, 2, 1, 11, false);
    logp_form f = head_form(s);
    f.teacher = teacher_of(s, betas[s->seed % 4]);
    f.scale = s->seed % 2 ? 0.7f : 1;
    with_teacher = true;
    return op_logp(t, x, w, bias, &f);
}

static const struct {
    op_kind op;
    tensor *(*build)(setting *s, tape *t);
} checks[] = {{OP_EMBED, b_embed},     {OP_POSITION, b_position},     {OP_LINEAR, b_linear}, {OP_MAGNITUDE, b_magnitude},
              {OP_RMSNORM, b_rmsnorm}, {OP_LAYERNORM, b_layernorm},   {OP_ROPE, b_rope},     {OP_ATTENTION, b_attention},
              {OP_GATE, b_gate},       {OP_ACTIVATION, b_activation}, {OP_ADD, b_add},       {OP_ROWS, b_rows},
              {OP_COLUMNS, b_columns}, {OP_DROPOUT, b_dropout},       {OP_LOGP, b_logp},     {OP_LOGP, b_taught}};

static float weight_of_output(int i) { return (float)sin(1.7 * i + 0.3); }

/* loss = sum of outputs, each times a fixed number; for the head: of logp, entropy and mean log-probability. */
static double run(setting *s, tensor *(*build)(setting *, tape *), bool grad, bool head) {
    pool *p = pool_new();
    tape *t = tape_new(s->b, p, (tape_options){.compute = s->compute, .grad = grad, .dropout = true, .noise = 0.4f, .seed = 5});
    tensor *y = build(s, t);
    const int n = y->rows * y->cols;
    double loss = 0;
    float *out = arena_array(s->a, float, n), *dy = arena_array(s->a, float, n);
    if (head) {
        float d[3][64];
        for (int i = 0; i < y->rows; i++) {
            for (int k = 0; k < 3; k++) d[k][i] = weight_of_output(i + 7 * k);
            loss += (double)d[0][i] * (double)logp_columns[0][i] + (double)d[1][i] * (double)logp_columns[1][i] +
                    (double)d[2][i] * (double)logp_columns[4][i];
        }
        if (grad) op_logp_seed(t, y, d[0], d[1], d[2]);
        for (int i = 0; with_teacher && i < y->rows; i++) {
            d[0][i] = weight_of_output(i + 21);
            loss += (double)d[0][i] * (double)divergence[i];
        }
        if (grad && with_teacher) op_logp_seed_divergence(t, y, d[0]);
    } else {
        tape_read(t, y, out);
        for (int i = 0; i < n; i++) loss += (double)(dy[i] = weight_of_output(i)) * (double)out[i];
        if (grad) tape_seed(t, y, dy);
    }
    if (grad) tape_backward(t);
    tape_free(t);
    pool_free(p);
    return loss;
}

static void begin(setting *s, backend *b, int T, uint64_t seed, bool parents) {
    *s = (setting){.a = arena_new(), .b = b, .seed = seed, .parents = parents};
    lay_out(s, T);
}

static void check_op(backend *b, size_t which, int T, uint64_t seed, bool parents) {
    setting s;
    begin(&s, b, T, seed, parents);
    const bool head = checks[which].op == OP_LOGP;
    run(&s, checks[which].build, false, head); /* makes the weights */
    for (int i = 0; i < s.weights; i++) memset(s.w[i]->grad, 0, (size_t)s.w[i]->rows * (size_t)s.w[i]->cols * sizeof(float));
    run(&s, checks[which].build, true, head);
    for (int i = 0; i < s.weights; i++) {
        const int n = s.w[i]->rows * s.w[i]->cols, step = n > 12 ? n / 12 : 1;
        for (int k = 0; k < n; k += step) {
            const float h = 1e-2f, x = s.w[i]->values[k];
            double side[2];
            for (int j = 0; j < 2; j++) {
                s.w[i]->values[k] = x + (j ? -h : h);
                if (s.w[i]->matrix) weight_refresh(b, s.w[i]);
                side[j] = run(&s, checks[which].build, false, head);
            }
            s.w[i]->values[k] = x;
            if (s.w[i]->matrix) weight_refresh(b, s.w[i]);
            const double want = (side[0] - side[1]) / (2 * (double)h), got = (double)s.w[i]->grad[k];
            if (!(fabs(want - got) <= 2e-2 * fabs(want) + 1e-2))
                fail_msg("operation %d, T %d, seed %d%s: weight %d [%d]: %g, finite differences say %g", checks[which].op, T,
                         (int)seed, parents ? ", shared" : "", i, k, got, want);
        }
    }
    arena_free(s.a);
}

static backend *the_backend(void) {
    static backend *b;
    err e = {0};
    if (!b) b = backend_open(NULL, &e);
    omp_set_num_threads(1); /* the shapes are tiny */
    return b;
}

static void every_operation_has_the_gradient_of_finite_differences(void **state) {
    static const int sizes[] = {1, 2, 3, 7, 17};
    bool seen[OP_COUNT] = {false};
    (void)state;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        seen[checks[i].op] = true;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (uint64_t seed = 0; seed < 6; seed += checks[i].op == OP_ATTENTION || k == 3 ? 1 : 3)
                check_op(the_backend(), i, sizes[k], seed, false);
    }
    for (int i = 0; i < OP_COUNT; i++)
        if (!seen[i]) fail_msg("operation %d has no gradient check", i);
}

static void answers_that_share_a_prompt_have_the_same_gradients(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) check_op(the_backend(), 6, 12, seed, true);
}

/* A small stack, run under changed conditions. */
static void stack_gradients(int threads, bool recompute, float *out, size_t room, size_t *used, size_t *peak, size_t *measured) {
    for (int measure = 1; measure >= 0; measure--) {
        setting s;
        begin(&s, the_backend(), 17, 0, false);
        omp_set_num_threads(threads);
        pool *p = pool_new();
        tape *t = tape_new(s.b, p, (tape_options){.grad = true, .recompute = recompute, .measure = measure});
        tensor *x = input(&s, t, 10);
        for (int l = 0; l < 3; l++) {
            tape_segment_begin(t, x);
            tensor *h = op_rmsnorm(t, x, nth(&s, 1 + 2 * l, 1, 10, false), 1e-5f);
            x = tape_segment_end(
                t, op_add(t, x, op_activation(t, op_linear(t, h, nth(&s, 2 + 2 * l, 10, 10, true), NULL), ACT_SILU)));
        }
        float dy[170];
        for (int i = 0; i < 170; i++) dy[i] = weight_of_output(i);
        tape_seed(t, x, dy);
        tape_backward(t);
        *(measure ? measured : peak) = pool_peak(p);
        *used = 0;
        for (int i = 0; i < s.weights && !measure; i++)
            for (int k = 0; k < s.w[i]->rows * s.w[i]->cols && *used < room; k++) out[(*used)++] = s.w[i]->grad[k];
        tape_free(t);
        pool_free(p);
        arena_free(s.a);
    }
}

static void threads_and_recomputation_change_no_bit_and_measuring_knows_the_peak(void **state) {
    static float g[3][2000];
    size_t n[3], peak[3], measured[3];
    (void)state;
    stack_gradients(1, false, g[0], 2000, &n[0], &peak[0], &measured[0]);
    stack_gradients(3, false, g[1], 2000, &n[1], &peak[1], &measured[1]);
    stack_gradients(2, true, g[2], 2000, &n[2], &peak[2], &measured[2]);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(n[0], n[i]);
        assert_memory_equal(g[0], g[i], n[0] * sizeof(float));
    }
    for (int i = 0; i < 3; i++) assert_int_equal(peak[i], measured[i]);
    assert_true(peak[2] < peak[0]);
}

static void constant(void *self, int first, int count, const head_columns *c, float *dlogp, float *dentropy, float *ddivergence) {
    (void)self, (void)c;
    for (int i = first; i < first + count; i++)
        dlogp[i] = weight_of_output(i), dentropy[i] = 0, ddivergence[i] = weight_of_output(i + 9);
}
static void a_fused_head_gives_the_bits_of_a_seeded_one(void **state) {
    float g[2][200];
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        setting s;
        begin(&s, the_backend(), 17, 3, false);
        pool *p = pool_new();
        tape *t = tape_new(s.b, p, (tape_options){.grad = true});
        tensor *x = input(&s, t, 9);
        logp_form f = {.target = s.target, .columns = {.logp = logp_columns[0]}, .teacher = teacher_of(&s, 0.4)};
        if (fused) f.fused.gradient = constant;
        tensor *y = op_logp(t, x, nth(&s, 1, 11, 9, true), NULL, &f);
        float d[64], dd[64];
        for (int i = 0; i < 17; i++) d[i] = weight_of_output(i), dd[i] = weight_of_output(i + 9);
        if (!fused) op_logp_seed(t, y, d, NULL, NULL);
        if (!fused) op_logp_seed_divergence(t, y, dd);
        tape_backward(t);
        memcpy(g[fused], s.w[0]->grad, 99 * sizeof(float));
        memcpy(g[fused] + 99, s.w[1]->grad, 99 * sizeof(float));
        tape_free(t);
        pool_free(p);
        arena_free(s.a);
    }
    assert_memory_equal(g[0], g[1], 198 * sizeof(float));
}

/* Numbers of the same key are the same; they fill +- noise / sqrt(D) evenly. */
static void noise_on_embeddings_is_even_and_known_by_its_key(void **state) {
    (void)state;
    enum { T = 64, D = 48 };
    arena *a = arena_new();
    err e = {0};
    backend *b = backend_open("cpu", &e);
    pool *p = pool_new();
    float *zero = arena_array(a, float, 4 * D), *first = arena_array(a, float, T *D);
    int32_t ids[T];
    for (int i = 0; i < T; i++) ids[i] = i % 4;
    weight *table = weight_new(a, b, "w", 4, D, true, TYPE_F32, zero, TYPE_F32, false);
    const float bound = 5 / sqrtf((float)D);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        tape *t = tape_new(b, p, (tape_options){.noise = seed == 3 ? 0 : 5, .seed = seed == 2 ? 1 : seed});
        const float *y = op_embed(t, table, ids, T, -1)->data;
        double sum = 0, squares = 0;
        for (int i = 0; i < T * D; i++) {
            if (!(fabsf(y[i]) <= bound)) fail_msg("%g is beyond %g", (double)y[i], (double)bound);
            sum += (double)y[i], squares += (double)y[i] * (double)y[i];
        }
        const double n = T * D, even = (double)bound * (double)bound / 3; /* the variance of an even draw */
        if (seed < 3) assert_true(fabs(sum / n) < 4 * sqrt(even / n) && fabs(squares / n - even) < 0.1 * even);
        else assert_true(squares == 0);
        if (seed == 1) memcpy(first, y, T * D * sizeof *first);
        if (seed == 2) assert_memory_equal(first, y, T * D * sizeof *first);
        tape_free(t);
    }
    pool_free(p);
    arena_free(a);
    backend_close(b);
}

/* ---- caches ---------------------------------------------------------------------------------------------------------------------------- */

enum { HEADS = 6, GROUPS = 2, WIDE = 10, TOKENS = 45 }; /* of attention behind a cache */

/* Attention of tokens first .. first+count-1 of the tables' ids, to what `cache` holds (NULL: nothing), into out [count, HEADS*WIDE]. */
static void attend_piece(backend *b, weight *const table[3], kv_cache *cache, int first, int count, const attention_form *f,
                         float *out) {
    int32_t ids[TOKENS], position[TOKENS];
    for (int i = 0; i < count; i++) ids[i] = first + i;
    span one = {.begin = 0, .length = count, .parent = -1, .cache = cache};
    layout_positions(&one, 1, position);
    const layout l = {count, 1, &one, position};
    pool *p = pool_new();
    tape *t = tape_new(b, p, (tape_options){.compute = COMPUTE_F32});
    tensor *x[3];
    for (int i = 0; i < 3; i++) x[i] = op_embed(t, table[i], ids, count, -1);
    tape_read(t, op_attention(t, x[0], x[1], x[2], &l, f), out);
    tape_free(t);
    pool_free(p);
    if (cache) cache->used += count;
}

/* A sequence in pieces, the second half of it behind a copy of the cache, against the whole in one pass. */
static double largest_error_behind_a_cache(backend *b, arena *a, const attention_form *f, const int *pieces) {
    static float whole[TOKENS * HEADS * WIDE], part[TOKENS * HEADS * WIDE];
    weight *table[3];
    rng r = rng_new(7, 1);
    for (int i = 0; i < 3; i++) {
        const int cols = (i ? GROUPS : HEADS) * WIDE;
        float *x = arena_array(a, float, TOKENS *cols);
        for (int k = 0; k < TOKENS * cols; k++) x[k] = (float)rng_normal(&r);
        table[i] = weight_new(a, b, "table", TOKENS, cols, true, TYPE_F32, x, TYPE_F32, false);
    }
    attend_piece(b, table, NULL, 0, TOKENS, f, whole);
    kv_cache *cache = kv_cache_new(1, 3, GROUPS * WIDE), *copy = kv_cache_new(1, 3, GROUPS * WIDE);
    double error = 0;
    for (int first = 0, i = 0; first < TOKENS; first += pieces[i++]) {
        kv_cache_reserve(cache, first + pieces[i]);
        attend_piece(b, table, cache, first, pieces[i], f, part);
        for (int k = 0; k < pieces[i] * HEADS * WIDE; k++)
            error = fmax(error, fabs((double)part[k] - (double)whole[first * HEADS * WIDE + k]));
        if (i != 2) continue;
        kv_cache_reserve(copy, first + pieces[i]);
        kv_cache_copy(copy, cache, first + pieces[i]);
        copy->used = cache->used;
        kv_cache *other = cache;
        cache = copy;
        copy = other;
    }
    kv_cache_free(cache);
    kv_cache_free(copy);
    return error;
}

static void a_cache_stands_for_the_tokens_before(void **state) {
    (void)state;
    static const int odd[] = {1, 2, 4, 1, 1, 17, 1, 18}, even[] = {16, 8, 2, 2, 1, 1, 15};
    static float slopes[HEADS] = {0.5f, 0.25f, 0.1f, 0.05f, 0.02f, 0.01f};
    const attention_form plain = {.heads = HEADS, .kv_heads = GROUPS, .head_dim = WIDE, .scale = 0.3f};
    attention_form forms[4] = {plain, plain, plain, plain};
    forms[1].window = 5;
    forms[2].alibi = slopes;
    forms[3].cap = 2;
    backend *b = the_backend();
    for (int level = CPU_PORTABLE; level <= (int)sys_cpu(); level++)
        for (int i = 0; i < 8; i++) {
            arena *a = arena_new();
            cpu_kernels_use(cpu_kernels_at((cpu_level)level));
            const double error = largest_error_behind_a_cache(b, a, &forms[i / 2], i % 2 ? odd : even);
            cpu_kernels_use(NULL);
            if (!(error <= 2e-6)) fail_msg("%s, case %d: %g", sys_cpu_name((cpu_level)level), i, error);
            arena_free(a);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_operation_has_the_gradient_of_finite_differences),
        TEST(answers_that_share_a_prompt_have_the_same_gradients),
        TEST(threads_and_recomputation_change_no_bit_and_measuring_knows_the_peak),
        TEST(a_fused_head_gives_the_bits_of_a_seeded_one),
        TEST(noise_on_embeddings_is_even_and_known_by_its_key),
        TEST(a_cache_stands_for_the_tokens_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
