/* embed.c - texts as vectors: the mean of the last hidden states of their tokens (contract: model.h). */
#include <math.h>
#include <string.h>

#include "model/model.h"

enum { PASS_TOKENS = 1024 }; /* in one pass; a longer sequence has one of its own */

/* out [D] = the mean of rows h [T, D], scaled to length 1. */
static void mean_of(float *out, const float *h, int T, int D) {
    double length = 0;
    for (int k = 0; k < D; k++) {
        double sum = 0;
        for (int t = 0; t < T; t++) sum += (double)h[(size_t)t * (size_t)D + (size_t)k];
        out[k] = (float)(sum / T);
        length += (double)out[k] * (double)out[k];
    }
    const double scale = length > 0 ? 1 / sqrt(length) : 0;
    for (int k = 0; k < D; k++) out[k] = (float)((double)out[k] * scale);
}

/* One ragged pass over sequences first .. last-1. */
static void embed_pass(const model *m, const adapter *ad, tape *t, const int32_t *const *ids, const int *length, int first,
                       int last, float **out) {
    arena *a = arena_new();
    const int D = m->config.hidden;
    int T = 0;
    for (int i = first; i < last; i++) T += length[i];
    int32_t *id = arena_array(a, int32_t, T), *position = arena_array(a, int32_t, T);
    float *h = arena_alloc(a, (size_t)T * (size_t)D * sizeof *h);
    span *spans = arena_array(a, span, last - first);
    for (int i = first, at = 0; i < last; at += length[i++]) {
        memcpy(id + at, ids[i], (size_t)length[i] * sizeof *id);
        spans[i - first] = (span){.begin = at, .length = length[i], .parent = -1};
    }
    layout_positions(spans, last - first, position);
    const layout l = {T, last - first, spans, position};
    tape_read(t, model_forward(m, t, &(model_batch){id, &l}, ad), h);
    for (int i = first; i < last; i++) mean_of(out[i], h + (size_t)spans[i - first].begin * (size_t)D, length[i], D);
    arena_free(a);
}

bool model_embed(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length, int count,
                 float **out, err *e) {
    for (int i = 0; i < count; i++)
        if (!model_fits(m, ids[i], length[i], i, e)) return false;
    pool *memory_of_passes = pool_new();
    for (int first = 0, last; first < count; first = last) {
        int T = 0;
        for (last = first; last < count && (last == first || T + length[last] <= PASS_TOKENS); last++) T += length[last];
        tape *t = tape_new(m->backend, memory_of_passes, (tape_options){.compute = compute});
        embed_pass(m, ad, t, ids, length, first, last, out);
        tape_free(t);
    }
    pool_free(memory_of_passes);
    return true;
}
