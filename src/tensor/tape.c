/* tape.c - the list of operations that were run, and its way back.
 *
 * Memory comes from a pool whose blocks are handed out by the same decisions whether anything is computed or not; so a pass in
 * measuring mode knows the exact peak. A tensor's block lives until nothing later needs it: without gradients until the end of its
 * segment; with them until its node has gone backward; inside a segment to be recomputed, until the segment's end and again from its
 * recomputation on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rng.h"
#include "tensor/node.h"

/* ---- pool ------------------------------------------------------------------------------------------------------------------------ */

enum { ALIGN = 64, CHUNK = 64 << 20 };

/* Blocks in use and free lie in one list per chunk, in the order of their addresses; neighbours that are free are joined. */
typedef struct block block;
struct block {
    size_t size;           /* with this header */
    block *before, *after; /* neighbours in the chunk */
    bool used;
    char pad[ALIGN - sizeof(size_t) - 2 * sizeof(void *) - 1];
};

typedef struct chunk {
    struct chunk *next;
    size_t size;
    block *first;
} chunk;

struct pool {
    chunk *chunks, *last;
    size_t used, peak;
};

pool *pool_new(void) { return memory_alloc(sizeof(pool)); }

void pool_free(pool *p) {
    if (!p) return;
    for (chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        munmap((void *)c->first, c->size);
        memory_release(c);
    }
    memory_release(p);
}

size_t pool_peak(const pool *p) { return p->peak; }

static block *new_chunk(pool *p, size_t need) {
    const size_t size = need > CHUNK ? (need + 4095) / 4096 * 4096 : CHUNK;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) bug("no memory for %zu bytes of activations", size);
    madvise(at, size, MADV_HUGEPAGE);
    chunk *c = memory_alloc(sizeof *c);
    *c = (chunk){.size = size, .first = at};
    if (p->last) p->last->next = c;
    else p->chunks = c;
    p->last = c;
    *c->first = (block){.size = size};
    return c->first;
}

static void *pool_take(pool *p, size_t bytes) {
    const size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN + sizeof(block);
    block *found = NULL;
    for (chunk *c = p->chunks; c && !found; c = c->next)
        for (block *b = c->first; b && !found; b = b->after)
            if (!b->used && b->size >= need) found = b;
    if (!found) found = new_chunk(p, need);
    if (found->size - need >= 2 * sizeof(block)) {
        block *rest = (block *)(void *)((char *)found + need);
        *rest = (block){.size = found->size - need, .before = found, .after = found->after};
        if (rest->after) rest->after->before = rest;
        found->after = rest;
        found->size = need;
    }
    found->used = true;
    p->used += found->size;
    p->peak = p->used > p->peak ? p->used : p->peak;
    return found + 1;
}

static void join(block *b) {
    block *next = b->after;
    b->size += next->size;
    b->after = next->after;
    if (next->after) next->after->before = b;
}

static void pool_give(pool *p, void *at) {
    if (!at) return;
    block *b = (block *)at - 1;
    b->used = false;
    p->used -= b->size;
    if (b->after && !b->after->used) join(b);
    if (b->before && !b->before->used) join(b->before);
}

/* ---- tape ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int begin, end; /* nodes */
    tensor *out;
    bool recomputed;
} segment;

struct tape {
    backend *backend;
    pool *pool;
    tape_options o;
    arena *arena; /* nodes and tensors */
    node **nodes;
    int count, room;
    segment *segments;
    int segment_count, segment_room, open;
};

tape *tape_new(backend *b, pool *p, tape_options o) {
    tape *t = memory_alloc(sizeof *t);
    *t = (tape){.backend = b, .pool = p, .o = o, .arena = arena_new(), .open = -1};
    return t;
}

static void drop_data(tape *t, tensor *x) {
    pool_give(t->pool, x->data);
    x->data = NULL;
}

static void drop_grad(tape *t, tensor *x) {
    pool_give(t->pool, x->grad);
    x->grad = NULL;
}

static void drop_saved(tape *t, node *n) {
    pool_give(t->pool, n->saved);
    n->saved = NULL;
}

void tape_free(tape *t) {
    if (!t) return;
    for (int i = 0; i < t->count; i++) {
        node *n = t->nodes[i];
        drop_saved(t, n);
        if (!n->in_place) {
            drop_data(t, n->out);
            drop_grad(t, n->out);
        }
    }
    memory_release(t->nodes);
    memory_release(t->segments);
    arena_free(t->arena);
    memory_release(t);
}

backend *tape_backend(const tape *t) { return t->backend; }
const tape_options *tape_options_of(const tape *t) { return &t->o; }

static void run_forward(tape *t, node *n) {
    if (!n->in_place && !n->out->data)
        n->out->data = pool_take(t->pool, (size_t)n->out->rows * (size_t)n->out->cols * sizeof(float));
    if (n->saved_floats && !n->saved) n->saved = pool_take(t->pool, n->saved_floats * sizeof(float));
    n->grad = t->o.grad && n->out->wants_grad;
    if (n->backward_done) n->fused_dh = n->saved + 2 * (size_t)n->out->rows;
    if (!t->o.measure) t->backend->forward[n->op](t->backend, n);
}

static node *push(tape *t, op_kind op, tensor *out) {
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->nodes = memory_resize(t->nodes, (size_t)t->room * sizeof *t->nodes);
    }
    node *n = arena_new_of(t->arena, node);
    n->op = op;
    n->out = out;
    n->segment = t->open;
    n->compute = t->o.compute;
    n->key = rng_mix(t->o.seed, (uint64_t)t->count);
    t->nodes[t->count++] = n;
    return n;
}

static tensor *new_tensor(tape *t, int rows, int cols, bool wants) {
    tensor *x = arena_new_of(t->arena, tensor);
    *x = (tensor){.rows = rows, .cols = cols, .wants_grad = wants && t->o.grad, .node = t->count, .segment = t->open};
    return x;
}

/* ---- segments ---------------------------------------------------------------------------------------------------------------------- */

void tape_segment_begin(tape *t, tensor *x) {
    (void)x;
    if (t->open >= 0) bug("a segment inside a segment");
    if (t->segment_count == t->segment_room) {
        t->segment_room = t->segment_room ? 2 * t->segment_room : 64;
        t->segments = memory_resize(t->segments, (size_t)t->segment_room * sizeof *t->segments);
    }
    t->open = t->segment_count;
    t->segments[t->segment_count++] = (segment){.begin = t->count};
}

static void drop_inside(tape *t, const segment *s) {
    for (int i = s->begin; i < s->end; i++) {
        node *n = t->nodes[i];
        if (n->out != s->out && !n->in_place) drop_data(t, n->out);
        drop_saved(t, n);
    }
}

tensor *tape_segment_end(tape *t, tensor *y) {
    segment *s = &t->segments[t->open];
    s->end = t->count;
    s->out = y;
    t->open = -1;
    if (!t->o.grad || t->o.recompute) drop_inside(t, s);
    return y;
}

/* Before the first node of a dropped segment goes backward: runs its forward again. */
static void recompute(tape *t, int index) {
    if (!t->o.recompute || index < 0 || t->segments[index].recomputed) return;
    segment *s = &t->segments[index];
    s->recomputed = true;
    for (int i = s->begin; i < s->end; i++) {
        node *n = t->nodes[i];
        if (n->out == s->out && !n->saved_floats) continue; /* still there */
        run_forward(t, n);
    }
}

/* ---- backward ------------------------------------------------------------------------------------------------------------------------- */

static float *want_grad(tape *t, tensor *x, bool *add) {
    if (!x || !x->wants_grad) return NULL;
    *add = x->grad != NULL;
    if (!x->grad) x->grad = pool_take(t->pool, (size_t)x->rows * (size_t)x->cols * sizeof(float));
    return x->grad;
}

static bool has_gradient(const node *n) {
    return n->op == OP_LOGP ? n->dlogp || n->ddivergence || n->backward_done : n->out->grad != NULL;
}

void tape_backward(tape *t) {
    for (int i = t->count - 1; i >= 0; i--) {
        node *n = t->nodes[i];
        if (n->out->wants_grad && has_gradient(n)) {
            recompute(t, n->segment);
            for (int k = 0; k < 3; k++) n->grad_in[k] = want_grad(t, n->in[k], &n->grad_add[k]);
            if (!t->o.measure) t->backend->backward[n->op](t->backend, n);
        }
        drop_saved(t, n);
        if (!n->in_place) {
            drop_data(t, n->out);
            drop_grad(t, n->out);
        }
    }
}

void tape_seed(tape *t, tensor *y, const float *dy) {
    bool add;
    const size_t bytes = (size_t)y->rows * (size_t)y->cols * sizeof(float);
    float *g = want_grad(t, y, &add);
    if (!g || t->o.measure) return;
    if (add) bug("a tensor was seeded twice");
    t->backend->put(t->backend, g, dy, bytes);
}

void tape_read(const tape *t, const tensor *x, float *out) {
    if (!t->o.measure) t->backend->get(t->backend, out, x->data, (size_t)x->rows * (size_t)x->cols * sizeof(float));
}

/* ---- operations -------------------------------------------------------------------------------------------------------------------------- */

static bool trained(const weight *w) { return w && w->grad; }

tensor *op_embed(tape *t, weight *table, const int32_t *ids, int T, int no_grad_id) {
    tensor *y = new_tensor(t, T, table->cols, trained(table));
    node *n = push(t, OP_EMBED, y);
    n->w = table;
    n->index = ids;
    n->size = no_grad_id;
    n->scale = t->o.noise / sqrtf((float)table->cols);
    run_forward(t, n);
    return y;
}

static tensor *unary(tape *t, op_kind op, tensor *x, int cols, node **out, bool more) {
    tensor *y = new_tensor(t, x->rows, cols, x->wants_grad || more);
    node *n = push(t, op, y);
    n->in[0] = x;
    *out = n;
    return y;
}

tensor *op_position(tape *t, tensor *x, weight *table, const layout *l) {
    node *n;
    tensor *y = unary(t, OP_POSITION, x, x->cols, &n, trained(table));
    n->w = table;
    n->layout = l;
    run_forward(t, n);
    return y;
}

tensor *op_linear(tape *t, tensor *x, weight *w, weight *bias) {
    node *n;
    if (x->cols != w->cols) bug("linear: %d columns meet a matrix of %d (%s)", x->cols, w->cols, w->name);
    tensor *y = unary(t, OP_LINEAR, x, w->rows, &n, trained(w) || trained(bias));
    n->w = w;
    n->bias = bias;
    n->scale = 1;
    run_forward(t, n);
    return y;
}

tensor *op_linear_add(tape *t, tensor *y, tensor *x, weight *w, float scale) {
    if (x->cols != w->cols || y->cols != w->rows) bug("linear_add: sizes of %s do not fit", w->name);
    y->wants_grad |= (x->wants_grad || trained(w)) && t->o.grad;
    node *n = push(t, OP_LINEAR, y);
    n->in[0] = x;
    n->w = w;
    n->scale = scale;
    n->in_place = true;
    run_forward(t, n);
    return y;
}

tensor *op_magnitude(tape *t, tensor *x, weight *magnitude, const float *length, weight *bias) {
    node *n;
    if (x->cols != magnitude->cols) bug("magnitude: %d columns meet %d of %s", x->cols, magnitude->cols, magnitude->name);
    tensor *y = unary(t, OP_MAGNITUDE, x, x->cols, &n, trained(magnitude) || trained(bias));
    n->w = magnitude;
    n->bias = bias;
    n->length = length;
    run_forward(t, n);
    return y;
}

tensor *op_rmsnorm(tape *t, tensor *x, weight *w, float eps) {
    node *n;
    tensor *y = unary(t, OP_RMSNORM, x, x->cols, &n, trained(w));
    n->w = w;
    n->scale = eps;
    n->saved_floats = (size_t)x->rows;
    run_forward(t, n);
    return y;
}

tensor *op_layernorm(tape *t, tensor *x, weight *w, weight *bias, float eps) {
    node *n;
    tensor *y = unary(t, OP_LAYERNORM, x, x->cols, &n, trained(w) || trained(bias));
    n->w = w;
    n->bias = bias;
    n->scale = eps;
    n->saved_floats = 2 * (size_t)x->rows;
    run_forward(t, n);
    return y;
}

tensor *op_rope(tape *t, tensor *x, int head_dim, const layout *l, const rope_table *r) {
    node *n;
    tensor *y = unary(t, OP_ROPE, x, x->cols, &n, false);
    n->layout = l;
    n->rope = *r;
    n->size = head_dim;
    run_forward(t, n);
    return y;
}

tensor *op_attention(tape *t, tensor *q, tensor *k, tensor *v, const layout *l, const attention_form *f) {
    node *n;
    tensor *y = unary(t, OP_ATTENTION, q, q->cols, &n, k->wants_grad || v->wants_grad);
    n->in[1] = k;
    n->in[2] = v;
    n->layout = l;
    n->attention = *f;
    n->saved_floats = t->o.grad ? (size_t)q->rows * (size_t)f->heads : 0; /* log-sum-exp of every (token, head) */
    run_forward(t, n);
    return y;
}

tensor *op_gate(tape *t, tensor *gate, tensor *up, activation_kind act) {
    node *n;
    tensor *y = unary(t, OP_GATE, gate, gate->cols, &n, up->wants_grad);
    n->in[1] = up;
    n->activation = (int)act;
    run_forward(t, n);
    return y;
}

tensor *op_activation(tape *t, tensor *x, activation_kind act) {
    node *n;
    tensor *y = unary(t, OP_ACTIVATION, x, x->cols, &n, false);
    n->activation = (int)act;
    run_forward(t, n);
    return y;
}

tensor *op_add(tape *t, tensor *a, tensor *b) {
    node *n;
    tensor *y = unary(t, OP_ADD, a, a->cols, &n, b->wants_grad);
    n->in[1] = b;
    run_forward(t, n);
    return y;
}

tensor *op_rows(tape *t, tensor *x, const int32_t *rows, int R) {
    tensor *y = new_tensor(t, R, x->cols, x->wants_grad);
    node *n = push(t, OP_ROWS, y);
    n->in[0] = x;
    n->index = rows;
    n->size = R;
    run_forward(t, n);
    return y;
}

tensor *op_columns(tape *t, tensor *x, int first, int count) {
    node *n;
    tensor *y = unary(t, OP_COLUMNS, x, count, &n, false);
    n->size = first;
    run_forward(t, n);
    return y;
}

tensor *op_dropout(tape *t, tensor *x, float p) {
    if (p <= 0 || !t->o.dropout) return x;
    node *n;
    tensor *y = unary(t, OP_DROPOUT, x, x->cols, &n, false);
    n->scale = p;
    run_forward(t, n);
    return y;
}

tensor *op_logp(tape *t, tensor *h, weight *w, weight *bias, const logp_form *f) {
    tensor *y = new_tensor(t, h->rows, 1, h->wants_grad || trained(w) || trained(bias));
    node *n = push(t, OP_LOGP, y);
    n->in[0] = h;
    n->w = w;
    n->bias = bias;
    n->logp = *f;
    n->saved_floats = 2 * (size_t)h->rows; /* log-sum-exp and entropy */
    n->backward_done = f->fused.gradient && t->o.grad && y->wants_grad;
    n->fused_arena = t->arena;
    if (n->backward_done) n->saved_floats += (size_t)h->rows * (size_t)h->cols;
    run_forward(t, n);
    return y;
}

static float *copy_floats(tape *t, const float *x, int n) {
    if (!x) return NULL;
    return (float *)(void *)arena_copy(t->arena, x, (size_t)n * sizeof *x);
}

void op_logp_seed(tape *t, tensor *y, const float *dlogp, const float *dentropy, const float *dsmooth) {
    node *n = t->nodes[y->node];
    if (n->op != OP_LOGP) bug("op_logp_seed on another operation's tensor");
    n->dlogp = copy_floats(t, dlogp, y->rows);
    n->dentropy = copy_floats(t, dentropy, y->rows);
    n->dsmooth = copy_floats(t, dsmooth, y->rows);
}

void op_logp_seed_divergence(tape *t, tensor *y, const float *ddivergence) {
    node *n = t->nodes[y->node];
    if (n->op != OP_LOGP || !n->logp.teacher.head) bug("op_logp_seed_divergence on a tensor without a teacher");
    n->ddivergence = copy_floats(t, ddivergence, y->rows);
}
