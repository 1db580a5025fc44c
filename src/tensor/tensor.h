/* tensor.h - numbers: tensors, the tape that differentiates them, the backend that computes them.
 *
 * An activation is a matrix of float32, one row per token: [T, width]. A batch is ragged: the tokens of all its sequences lie
 * one after the other and a `layout` says which is which; nothing is padded. Calling an op_* function appends a node to the
 * tape and runs it at once; tape_backward walks the nodes in reverse. Weights are handles: the packed copy that matrix
 * products read is the backend's affair.
 *
 *      ids, layout ── op_embed ─ op_rmsnorm ─ op_linear ─ op_rope ─ op_attention ─ … ─ op_logp ──► columns (host)
 *                                                                                        ◄── dlogp (host) ── tape_backward
 *
 * Precision: activations, gradients, accumulators and logits are float32. With COMPUTE_BF16 the operands of matrix products
 * are rounded to bfloat16 (nearest even) on the way into the kernel and nothing else changes.
 * Determinism: every reduction has a fixed order that does not depend on the number of threads.
 *
 * Letters: T tokens, R rows chosen among them, D width, H heads, KV key/value heads, d width of a head, V vocabulary. */
#ifndef FETTLE_TENSOR_TENSOR_H
#define FETTLE_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* ---- storage types (TYPES rows live in tensor/types.c) ---------------------------------------------------------------- */

/*     token        name    values bytes  per block */
#define TYPES(X)                                                                                                                 \
    X(TYPE_F32, "f32", 1, 4)                                                                                                     \
    X(TYPE_F16, "f16", 1, 2)                                                                                                     \
    X(TYPE_BF16, "bf16", 1, 2)                                                                                                   \
    X(TYPE_Q8_0, "q8_0", 32, 34)                                                                                                 \
    X(TYPE_Q4_0, "q4_0", 32, 18)                                                                                                 \
    X(TYPE_Q4_1, "q4_1", 32, 20)

typedef enum {
#define X(token, name, values, bytes) token,
    TYPES(X)
#undef X
        TYPE_COUNT
} storage_type;

const char *type_name(storage_type t);
bool type_of_name(const char *name, storage_type *out);
size_t type_bytes(storage_type t, size_t values); /* values is a multiple of the block */
/* Converts n values (a multiple of the block) between storage and float32. */
void type_to_f32(storage_type t, const void *in, float *out, size_t n);
void type_from_f32(storage_type t, const float *in, void *out, size_t n);

typedef enum { COMPUTE_F32, COMPUTE_BF16 } compute_type;

/* ---- weights ------------------------------------------------------------------------------------------------------------ */

typedef struct backend backend;

/* A parameter: matrix [rows = out, cols = in] or vector (rows 1). Owned by the arena and backend it was made with.
 *   values   row-major float32 [rows, cols]; kept for vectors and for whatever is trained (the master copy), else NULL
 *   packed   what matrix products and embedding look-ups of a matrix read (NULL for vectors)
 *   grad     row-major float32 [rows, cols], zeroed by the optimiser; NULL when not trained                              */
typedef struct weight {
    const char *name;
    int rows, cols;
    bool matrix;
    storage_type type; /* of the packed copy */
    float *values, *grad;
    void *packed;
    size_t packed_bytes;
    uint32_t version; /* counts refreshes and settings of new values */
} weight;

/* Makes a weight from `count` = rows*cols values of type `from` at data (row-major). A matrix is packed as `type`
 * (TYPE_F32, TYPE_BF16 or, when from == type, left in its blocks). trained: also keeps the float32 master and a gradient. */
weight *weight_new(arena *a, backend *b, const char *name, int rows, int cols, bool matrix, storage_type from, const void *data,
                   storage_type type, bool trained);
void weight_train(arena *a, backend *b, weight *w);              /* from frozen to trained: adds master and gradient */
void weight_refresh(backend *b, weight *w);                      /* packs again after values changed */
void weight_read(const backend *b, const weight *w, float *out); /* float32 rows, whatever it is kept in */
void weight_set(backend *b, weight *w, const float *values);     /* the other way (master and packed) */
/* out [rows] (host): the length of every row of W + scale B A;  W [rows, cols], B [rows, r], A [r, cols]. */
void weight_lengths(backend *b, const weight *w, const weight *B, const weight *A, float scale, float *out);
size_t weight_bytes_needed(int rows, int cols, bool matrix, storage_type type, bool trained);

/* ---- layout ------------------------------------------------------------------------------------------------------------- */

/* Keys and values of tokens that were computed before, float32: per layer values as rows [capacity][KV*d], and keys turned, so that a
 * vector of them is one column of CACHE_BLOCK tokens: [capacity/CACHE_BLOCK][KV*d][CACHE_BLOCK]. */
enum { CACHE_BLOCK = 16 };
typedef struct {
    int layers, capacity, width; /* width = KV*d; capacity is a multiple of CACHE_BLOCK */
    int used;                    /* tokens stored; attention writes at `used`, the caller advances it after the forward pass */
    float **k, **v;              /* [layers] */
} kv_cache;
kv_cache *kv_cache_new(int layers, int capacity, int width); /* heap; capacity grows by kv_cache_reserve */
void kv_cache_reserve(kv_cache *c, int capacity);
void kv_cache_copy(kv_cache *to, const kv_cache *from, int tokens); /* the first `tokens` tokens */
void kv_cache_free(kv_cache *c);

/* One sequence of a ragged batch. Tokens begin .. begin+length-1 of the batch. What comes before its first token: nothing;
 * or the first `shared` tokens of another sequence of the batch (parent >= 0; a parent has no parent itself); or the
 * cache->used tokens of a cache, to which its keys and values are added. Positions start behind them. */
typedef struct {
    int begin, length, prompt;
    int parent, shared; /* -1: none */
    kv_cache *cache;    /* NULL: none */
} span;

typedef struct {
    int tokens, count;       /* T, sequences */
    const span *seq;         /* [count] */
    const int32_t *position; /* [T] */
} layout;

/* Fills in positions from the spans. */
void layout_positions(const span *seq, int count, int32_t *position);

/* ---- tape --------------------------------------------------------------------------------------------------------------- */

typedef struct tape tape;
typedef struct tensor {
    int rows, cols;
    float *data;       /* [rows, cols]; NULL once freed or while measuring */
    float *grad;       /* the same shape, made by tape_backward when needed */
    bool wants_grad;   /* something trained lies behind it */
    int node, segment; /* which node made it */
} tensor;

/* Memory of activations: blocks handed out and taken back in a fixed order, so that a run in measuring mode gives the exact
 * peak. One pool serves every step of a run. */
typedef struct pool pool;
pool *pool_new(void); /* grows as needed */
void pool_free(pool *p);
size_t pool_peak(const pool *p); /* bytes, also of measured tapes */

typedef struct {
    compute_type compute;
    bool grad;      /* keep what backward needs */
    bool recompute; /* keep only the ends of segments; the inside is computed again in backward */
    bool measure;   /* run nothing, only count memory */
    bool dropout;   /* let op_dropout drop */
    float noise;    /* op_embed adds numbers drawn evenly from +- noise / sqrt(D) to what it looks up */
    uint64_t seed;  /* of this step: randomness is keyed by (seed, node) */
} tape_options;

tape *tape_new(backend *b, pool *p, tape_options o);
void tape_free(tape *t); /* gives every block back to the pool */
backend *tape_backend(const tape *t);
const tape_options *tape_options_of(const tape *t);

/* A segment is a piece of the forward pass (a layer) whose inside may be computed again: between begin and end only tensors
 * of the segment and `x` are read. Without grad, the inside is freed at the end. Returns the tensor that goes on. */
void tape_segment_begin(tape *t, tensor *x);
tensor *tape_segment_end(tape *t, tensor *y);

/* Runs backward from every head whose gradients were given (op_logp_seed, op_score_seed, tape_seed). Gradients of weights are
 * added to weight->grad. Called once. */
void tape_backward(tape *t);
void tape_seed(tape *t, tensor *y, const float *dy);        /* adds dy [rows, cols] (host) to the gradient of y */
void tape_read(const tape *t, const tensor *x, float *out); /* to the host */

/* ---- operations ---------------------------------------------------------------------------------------------------------- */

/*     token         function prefix  words */
#define OPS(X)                                                                                                                   \
    X(OP_EMBED, embed, "rows of a table by token id")                                                                            \
    X(OP_POSITION, position, "adds rows of a table by position")                                                                 \
    X(OP_LINEAR, linear, "x W^T + b")                                                                                            \
    X(OP_MAGNITUDE, magnitude, "x m / length + b")                                                                               \
    X(OP_RMSNORM, rmsnorm, "root mean square normalisation")                                                                     \
    X(OP_LAYERNORM, layernorm, "layer normalisation")                                                                            \
    X(OP_ROPE, rope, "rotary positions")                                                                                         \
    X(OP_ATTENTION, attention, "causal attention over a layout")                                                                 \
    X(OP_GATE, gate, "act(gate) * up")                                                                                           \
    X(OP_ACTIVATION, activation, "act(x)")                                                                                       \
    X(OP_ADD, add, "a + b")                                                                                                      \
    X(OP_ROWS, rows, "some rows of a matrix")                                                                                    \
    X(OP_COLUMNS, columns, "some columns of a matrix")                                                                           \
    X(OP_DROPOUT, dropout, "zeroes values at random")                                                                            \
    X(OP_LOGP, logp, "log-probabilities of given tokens")

typedef enum {
#define X(token, name, words) token,
    OPS(X)
#undef X
        OP_COUNT
} op_kind;

/*     token          name (transformers) */
#define ACTIVATIONS(X)                                                                                                           \
    X(ACT_SILU, "silu")                                                                                                          \
    X(ACT_GELU, "gelu")                                                                                                          \
    X(ACT_GELU_TANH, "gelu_pytorch_tanh")                                                                                        \
    X(ACT_RELU, "relu")

typedef enum {
#define X(token, name) token,
    ACTIVATIONS(X)
#undef X
        ACT_COUNT
} activation_kind;

/* ids [T] -> [T, D]; the table's gradient is scattered back (none to row `no_grad_id`; -1: to all). */
tensor *op_embed(tape *t, weight *table, const int32_t *ids, int T, int no_grad_id);
tensor *op_position(tape *t, tensor *x, weight *table, const layout *l);      /* x + table[position] */
tensor *op_linear(tape *t, tensor *x, weight *w, weight *bias);               /* [T,K] W[N,K] -> [T,N]; bias [N] or NULL */
tensor *op_linear_add(tape *t, tensor *y, tensor *x, weight *w, float scale); /* y += scale * x W^T, in place; returns y */
/* x [T,N] * magnitude [N] / length [N] + bias [N] or NULL. length (host) is a constant and stays until backward is over. */
tensor *op_magnitude(tape *t, tensor *x, weight *magnitude, const float *length, weight *bias);
tensor *op_rmsnorm(tape *t, tensor *x, weight *w, float eps); /* x / rms(x) * w */
tensor *op_layernorm(tape *t, tensor *x, weight *w, weight *bias, float eps);

/* cos/sin of every position up to `positions` for the first `rotary` values of a head (pairs (i, i + rotary/2)):
 * frequencies [rotary/2] are the family's affair, attention_factor multiplies both. */
typedef struct {
    int rotary;
    const float *frequency;
    float attention_factor;
    bool interleaved; /* pairs (2i, 2i+1) instead */
} rope_table;
tensor *op_rope(tape *t, tensor *x, int head_dim, const layout *l, const rope_table *r);

typedef struct {
    int heads, kv_heads, head_dim;
    float scale;        /* of the scores */
    int window;         /* query i sees keys j with i - window < j <= i; 0: all */
    float cap;          /* cap * tanh(score / cap); 0: none */
    const float *alibi; /* [heads] slopes or NULL */
    int layer;          /* which matrices of a cache */
} attention_form;
/* q [T, H*d], k and v [T, KV*d] -> [T, H*d] */
tensor *op_attention(tape *t, tensor *q, tensor *k, tensor *v, const layout *l, const attention_form *f);
tensor *op_gate(tape *t, tensor *gate, tensor *up, activation_kind act);
tensor *op_activation(tape *t, tensor *x, activation_kind act);
tensor *op_add(tape *t, tensor *a, tensor *b);
tensor *op_rows(tape *t, tensor *x, const int32_t *rows, int R); /* [T,D] -> [R,D] */
tensor *op_columns(tape *t, tensor *x, int first, int count);    /* [T,D] -> [T,count] */
tensor *op_dropout(tape *t, tensor *x, float p);                 /* x itself when p = 0 or dropout is off */

/* The head. Columns for R rows whose next token is given; the logits [R, V] exist only a chunk at a time.
 *   z = (h W^T + bias), logp = z[target] - logsumexp(z), entropy = lse - sum p z, mean_logit = mean z,
 *   log_sum_sq = log sum p^2, hit = 1 when the target has the largest logit (ties: the lowest id wins).
 * Column pointers that are NULL are not computed. All host arrays [R]. */
typedef struct {
    float *logp, *entropy, *mean_logit, *log_sum_sq, *hit;
} head_columns;

/* For objectives whose gradient of a token needs nothing but that token: called for each chunk of rows with the columns filled
 * in, it writes dlogp[first .. first+count-1]; forward and backward then share one pass over the chunk's logits. */
typedef struct {
    void (*gradient)(void *self, int first, int count, const head_columns *c, float *dlogp, float *dentropy, float *ddivergence);
    void *self;
} token_rule;

/* A second row of logits for every row, of another model over the same vocabulary: its last hidden state times its own head. Theirs too
 * exist a chunk at a time. `out` gets row_divergence of the two. */
typedef struct {
    const float *hidden; /* [R, width of head], on the host; stays until backward is over */
    weight *head, *bias; /* [V, width], [V] or NULL; head NULL: there is no second row */
    double beta;
    float *out; /* [R] */
} teacher_form;

typedef struct {
    int32_t const *target; /* [R] */
    head_columns columns;  /* written */
    float label_smoothing; /* row rule: with token_rule, the gradient of dlogp's token is spread: see tensor/ops.c */
    float *smooth;         /* [R] or NULL: mean over the vocabulary of log p (for label smoothing) */
    float scale;           /* logits, a teacher's too, are multiplied by it (one over a temperature); 0: not at all */
    teacher_form teacher;
    token_rule fused; /* gradient NULL: backward is seeded later by op_logp_seed */
} logp_form;

/* h [R, D], w [V, D]. The returned tensor is [R, 1] of logp (its data is what columns.logp got). */
tensor *op_logp(tape *t, tensor *h, weight *w, weight *bias, const logp_form *f);
/* Gradients for tape_backward: dlogp [R], dentropy [R] or NULL, dsmooth [R] or NULL. */
void op_logp_seed(tape *t, tensor *y, const float *dlogp, const float *dentropy, const float *dsmooth);
void op_logp_seed_divergence(tape *t, tensor *y, const float *ddivergence); /* [R]; beside op_logp_seed */

/* ---- optimiser kernels: element-wise updates where the numbers live ------------------------------------------------------- */

/* Sum of squares in double, in a fixed order; scale in place. */
double values_sum_squares(backend *b, const float *x, size_t n);
void values_scale(backend *b, float *x, size_t n, float factor);
void values_zero(backend *b, float *x, size_t n);

typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t step;      /* from 1 */
    double grad_scale; /* clipping: gradients are read times this */
} adamw_form;
void values_adamw(backend *b, float *values, const float *grad, float *m, float *v, size_t n, const adamw_form *f);
/* out [N,K] = left [T,N]^T right [T,K], float32 */
void values_product(backend *b, float *out, const float *left, const float *right, int T, int N, int K);

/* ---- rows on the host: what sampling does to logits (one thread, fixed order) ---------------------------------------------------- */

int row_largest(const float *z, int n); /* index of the largest value, the lowest of equals */
/* w = e^((z - max) * factor); returns the sum of w. w may be z. */
double row_weights(float *w, const float *z, int n, float max, float factor);
/* Generalised Jensen-Shannon divergence (arXiv:2306.13649) of two rows of logits, s and t their log-softmax, p = e^s, q = e^t:
 *     beta 0: KL(q|p)    beta 1: KL(p|q)    else, M = (1-beta) p + beta q:  beta KL(q|M) + (1-beta) KL(p|M)
 * dz [n] or NULL: its gradient by z. dz may be y. */
double row_divergence(const float *z, const float *y, int n, double beta, float *dz);

/* ---- limits, and work as a share of them ------------------------------------------------------------------------------------ */

/*     token        words                  unit */
#define LIMITS(X)                                                                                                                \
    X(LIMIT_F32, "float32 FMA", "FLOP")                                                                                          \
    X(LIMIT_BF16, "bfloat16 dot", "FLOP")                                                                                        \
    X(LIMIT_MEMORY, "memory read", "B")
typedef enum {
#define X(token, words, unit) token,
    LIMITS(X)
#undef X
        LIMIT_COUNT
} limit_kind;

/* The machine's own limits: the best of a few short probes. For `fettle bench` and for the time a run will take. */
typedef struct machine_peak {
    int threads;
    double f32_flops, bf16_flops, bandwidth; /* per second: FLOP, FLOP, bytes read */
} machine_peak;

/* Measuring beside the limit. Machines are shared: their speed changes from one second to the next, so a limit is probed before and
 * after every sample, and a sample's share is of the better of its two neighbours. The figure is the median of the samples.
 *     series s = series_begin(b, limits, 10);
 *     while (series_next(&s)) { prepare; series_start(&s); work; series_stop(&s, amounts); }
 *     series_end(&s);                                                                    then s.seconds, s.share[] */
enum { SERIES_SAMPLES = 9 };
typedef struct {
    double median, low, high;
} sampled;
typedef struct {
    backend *b;
    unsigned limits; /* bits 1 << limit_kind */
    int samples, least;
    double begun, budget, started;
    double top[LIMIT_COUNT]; /* of the probe before the running sample */
    double took[SERIES_SAMPLES], part[LIMIT_COUNT][SERIES_SAMPLES];
    double used, processor; /* seconds of all samples, and the processor's seconds that we had in them */
    double had;             /* share of our threads' cores that was ours: under 0.9 others worked too, and shares are too low */
    sampled seconds, share[LIMIT_COUNT];
} series;
series series_begin(backend *b, unsigned limits, double seconds, int least);
bool series_next(series *s); /* another sample? `least` at least, then until the seconds are over or Ctrl-C */
void series_start(series *s);
void series_stop(series *s, const double amount[LIMIT_COUNT]); /* FLOP or bytes that the work needs, per limit asked for */
void series_end(series *s);

/* ---- backend -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *product; /* "x W^T", "dy W", "dy^T x" */
    int M, N, K;
    compute_type compute;
    double flops_per_second;
    sampled share; /* of the arithmetic's limit; for M = 1 of memory's, by the bytes of W */
    double had;    /* as in series */
} product_figure;

typedef struct node node;
typedef void (*op_kernel)(backend *b, node *n);

struct backend {
    const char *name, *words; /* "cpu", "AVX-512, 2 threads" */
    void *(*alloc)(backend *b, size_t bytes);
    void (*free)(backend *b, void *memory);
    void (*put)(backend *b, void *to, const void *host, size_t bytes);
    void (*get)(backend *b, void *host, const void *from, size_t bytes);
    void (*finish)(backend *b); /* waits for all work given so far */
    /* The packed form of a matrix: bytes it needs, made from rows of any type, read back to float32 (some rows of it). */
    size_t (*packed_bytes)(storage_type type, int rows, int cols);
    void (*pack)(backend *b, void *packed, storage_type type, int rows, int cols, storage_type from, const void *data);
    void (*unpack)(const backend *b, const void *packed, storage_type type, int rows, int cols, int first, int count, float *out);
    bool (*supports)(op_kind op, storage_type weight, compute_type compute);
    op_kernel forward[OP_COUNT], backward[OP_COUNT];
    double (*sum_squares)(backend *b, const float *x, size_t n);
    void (*scale)(backend *b, float *x, size_t n, float factor);
    void (*zero)(backend *b, float *x, size_t n);
    void (*adamw)(backend *b, float *values, const float *grad, float *m, float *v, size_t n, const adamw_form *f);
    void (*product)(backend *b, float *out, const float *left, const float *right, int T, int N, int K);
    double (*limit)(backend *b, limit_kind which); /* one probe of some hundredths of a second: per second */
    bool (*bench)(backend *b, double seconds, bool (*row)(void *self, const product_figure *f), void *self);
    void (*close)(void *b);
};

/* name: NULL for the best there is, or a row of BACKENDS ("cpu"). */
backend *backend_open(const char *name, err *e);
void backend_close(backend *b);

machine_peak backend_peak(backend *b);
/* The products of a training step and of generation on a 134.5 M llama, each given to `row` as it is known. False: `row` said so. */
bool backend_bench(backend *b, double seconds, bool (*row)(void *self, const product_figure *f), void *self);

#endif
