/* weight.c - parameters: packed for products, with master copy and gradient when trained (contract: tensor.h). */
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

static size_t values_of(int rows, int cols) { return (size_t)rows * (size_t)cols; }

static bool is_block(storage_type t) { return t != TYPE_F32 && t != TYPE_BF16; }

typedef struct {
    backend *backend;
    void *memory;
} held;

static void let_go(void *thing) {
    held *h = thing;
    h->backend->free(h->backend, h->memory);
}

/* Memory of the backend that is given back with the arena. */
static void *hold(arena *a, backend *b, size_t bytes) {
    held *h = arena_new_of(a, held);
    *h = (held){b, b->alloc(b, bytes)};
    arena_defer(a, let_go, h);
    return h->memory;
}

/* n values of any type as float32 in the backend's memory. */
static void put_values(backend *b, float *to, storage_type from, const void *data, size_t n) {
    if (from == TYPE_F32) {
        b->put(b, to, data, n * sizeof(float));
        return;
    }
    enum { PIECE = 1 << 16 };
    float *piece = memory_alloc(PIECE * sizeof *piece);
    for (size_t i = 0; i < n; i += PIECE) {
        const size_t count = n - i < PIECE ? n - i : PIECE;
        type_to_f32(from, (const char *)data + type_bytes(from, i), piece, count);
        b->put(b, to + i, piece, count * sizeof(float));
    }
    memory_release(piece);
}

weight *weight_new(arena *a, backend *b, const char *name, int rows, int cols, bool matrix, storage_type from, const void *data,
                   storage_type type, bool train) {
    weight *w = arena_new_of(a, weight);
    *w = (weight){.name = arena_text(a, name), .rows = rows, .cols = cols, .matrix = matrix, .type = type};
    const size_t n = values_of(rows, cols);
    if (!matrix || train) {
        w->values = hold(a, b, n * sizeof(float));
        put_values(b, w->values, from, data, n);
    }
    if (matrix) {
        if (is_block(type) && from != type) bug("%s: blocks are kept as they come", name);
        w->packed_bytes = b->packed_bytes(type, rows, cols);
        w->packed = hold(a, b, w->packed_bytes);
        b->pack(b, w->packed, type, rows, cols, from, data);
    } else w->type = TYPE_F32;
    if (train) w->grad = hold(a, b, n * sizeof(float));
    return w;
}

void weight_train(arena *a, backend *b, weight *w) {
    const size_t n = values_of(w->rows, w->cols);
    if (w->grad) return;
    if (!w->values) {
        w->values = hold(a, b, n * sizeof(float));
        weight_read(b, w, w->values);
    }
    w->grad = hold(a, b, n * sizeof(float));
}

void weight_refresh(backend *b, weight *w) {
    if (w->matrix) b->pack(b, w->packed, w->type, w->rows, w->cols, TYPE_F32, w->values);
    w->version++;
}

void weight_read(const backend *b, const weight *w, float *out) {
    backend *self = (backend *)(uintptr_t)b;
    if (w->values && w->grad) b->get(self, out, w->values, values_of(w->rows, w->cols) * sizeof(float));
    else if (w->matrix) b->unpack(b, w->packed, w->type, w->rows, w->cols, 0, w->rows, out);
    else b->get(self, out, w->values, values_of(w->rows, w->cols) * sizeof(float));
}

void weight_set(backend *b, weight *w, const float *values) {
    if (w->values) b->put(b, w->values, values, values_of(w->rows, w->cols) * sizeof(float));
    if (w->matrix) b->pack(b, w->packed, w->type, w->rows, w->cols, TYPE_F32, values);
    w->version++;
}

/* ---- lengths of rows --------------------------------------------------------------------------------------------------------- */

static float *host_copy(const backend *b, const weight *w) {
    float *out = memory_alloc(values_of(w->rows, w->cols) * sizeof *out);
    weight_read(b, w, out);
    return out;
}

/* Host values to the backend's memory; releases them. */
static float *moved(backend *b, float *host, size_t n) {
    float *there = b->alloc(b, n * sizeof *there);
    b->put(b, there, host, n * sizeof *there);
    memory_release(host);
    return there;
}

static float *turned(float *x, int rows, int cols) {
    float *out = memory_alloc(values_of(rows, cols) * sizeof *out);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < cols; k++) out[(size_t)k * (size_t)rows + (size_t)i] = x[(size_t)i * (size_t)cols + (size_t)k];
    memory_release(x);
    return out;
}

void weight_lengths(backend *b, const weight *w, const weight *B, const weight *A, float scale, float *out) {
    const int r = A->rows;
    const size_t n = values_of(w->rows, w->cols), width = (size_t)w->cols;
    float *x = host_copy(b, w), *low = memory_alloc(n * sizeof *low), *product = b->alloc(b, n * sizeof *product),
          *left = moved(b, turned(host_copy(b, B), B->rows, r), values_of(B->rows, r)),
          *right = moved(b, host_copy(b, A), values_of(r, A->cols));
    values_product(b, product, left, right, r, w->rows, w->cols);
    b->get(b, low, product, n * sizeof *low);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < w->rows; i++) {
        double squares = 0;
        for (size_t k = (size_t)i * width; k < ((size_t)i + 1) * width; k++) {
            const double y = (double)(x[k] + scale * low[k]);
            squares += y * y;
        }
        out[i] = (float)sqrt(squares);
    }
    memory_release(x), memory_release(low);
    b->free(b, product), b->free(b, left), b->free(b, right);
}

size_t weight_bytes_needed(int rows, int cols, bool matrix, storage_type type, bool train) {
    const size_t n = values_of(rows, cols) * sizeof(float);
    const size_t packed = !matrix             ? 0
                          : type == TYPE_F32  ? n
                          : type == TYPE_BF16 ? n / 2
                                              : type_bytes(type, values_of(rows, cols));
    return packed + (!matrix || train ? n : 0) + (train ? n : 0);
}
