/* pass.h - one pass over given sequences as one ragged batch, for the tests of models: logits, log-probabilities, loss, gradients. */
#ifndef FETTLE_TESTS_MODEL_PASS_H
#define FETTLE_TESTS_MODEL_PASS_H

#include <math.h>
#include <string.h>

#include "model/model.h"
#include "test.h"

enum { PASS_SEQUENCES = 4 };

typedef struct {
    int count, length[PASS_SEQUENCES]; /* sequences */
    const int32_t *ids[PASS_SEQUENCES];
} sequences;

typedef struct {
    float *logits; /* [T, V]: all sequences, one after the other */
    float *logp;   /* [T - count]: of each next token */
    double loss;   /* mean over the predicted tokens of -logp */
} passed;

/* Gradients of the loss are added to those of the weights when `grad` says so. */
static inline passed pass(arena *a, const model *m, const adapter *ad, const sequences *s, bool grad) {
    int T = 0, R = 0;
    for (int i = 0; i < s->count; i++) T += s->length[i];
    int32_t *id = arena_array(a, int32_t, T), *position = arena_array(a, int32_t, T);
    int32_t *row = arena_array(a, int32_t, T), *target = arena_array(a, int32_t, T);
    span *spans = arena_array(a, span, s->count);
    for (int i = 0, at = 0; i < s->count; at += s->length[i++]) {
        memcpy(id + at, s->ids[i], (size_t)s->length[i] * sizeof *id);
        spans[i] = (span){.begin = at, .length = s->length[i], .parent = -1};
        for (int t = 0; t + 1 < s->length[i]; t++) row[R] = at + t, target[R++] = s->ids[i][t + 1];
    }
    layout_positions(spans, s->count, position);
    const layout l = {T, s->count, spans, position};
    const int V = m->config.vocab;
    passed out = {.logits = arena_array(a, float, (size_t)T *(size_t)V), .logp = arena_array(a, float, R)};
    float *dlogp = arena_array(a, float, R);
    pool *p = pool_new();
    tape *t = tape_new(m->backend, p, (tape_options){.compute = COMPUTE_F32, .grad = grad});
    tensor *h = model_forward(m, t, &(model_batch){id, &l}, ad);
    tape_read(t, model_logits(m, t, h, ad), out.logits);
    tensor *y = op_logp(t, op_rows(t, h, row, R), model_head(m, ad), m->head_bias,
                        &(logp_form){.target = target, .columns = {.logp = out.logp}});
    for (int i = 0; i < R; i++) {
        out.loss -= (double)out.logp[i] / R;
        dlogp[i] = -1.0f / (float)R;
    }
    if (grad) {
        op_logp_seed(t, y, dlogp, NULL, NULL);
        tape_backward(t);
    }
    tape_free(t);
    pool_free(p);
    return out;
}

static inline double largest_difference(const float *x, const float *y, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)x[i] - (double)y[i]);
        if (!(d <= most)) most = d; /* a NaN stays */
    }
    return most;
}

static inline json *parsed(arena *a, const char *text) {
    err e = {0};
    json *v = json_parse(a, str_of(text), &e);
    if (!v) fail_msg("%s", e.text);
    return v;
}

static inline backend *test_backend(void) {
    err e = {0};
    backend *b = backend_open(NULL, &e);
    if (!b) fail_msg("%s", e.text);
    return b;
}

/* Some token ids that depend on the seed alone. */
static inline sequences some_sequences(arena *a, int vocab, int first, int second) {
    sequences s = {.count = 2, .length = {first, second}};
    uint32_t x = 12345;
    for (int i = 0; i < s.count; i++) {
        int32_t *id = arena_array(a, int32_t, s.length[i]);
        for (int t = 0; t < s.length[i]; t++) {
            x = x * 1664525u + 1013904223u;
            id[t] = (int32_t)((x >> 8) % (uint32_t)vocab);
        }
        s.ids[i] = id;
    }
    return s;
}

#endif
