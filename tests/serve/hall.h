/* hall.h - a data folder with tiny models in it, and a worker on it. */
#ifndef FETTLE_TESTS_SERVE_HALL_H
#define FETTLE_TESTS_SERVE_HALL_H

#include "tiny.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "serve/worker.h"

typedef struct {
    arena *a;
    const char *home, *models;
    worker *w;
} hall;

/* HOME/models/base with an adapter beside it, HOME/models/lora, whose B is not zero. */
static inline void tiny_adapter(arena *a, const char *base, const char *folder, uint64_t seed) {
    err e = {0};
    arena *own = arena_new();
    backend *b = backend_open(NULL, &e);
    arena_defer(own, tiny_close, b);
    model *m = model_open(own, b, base, &(model_options){.compute = COMPUTE_F32}, &e);
    if (!m) fail_msg("%s", e.text);
    adapter *ad = adapter_new(own, m, &(lora_options){.r = 2, .alpha = 64}, seed, false, &e);
    if (!ad) fail_msg("%s", e.text);
    ad->base_name = arena_text(own, base);
    for (int i = 0; i < ad->count; i++) { /* B like A, so that it does something */
        const weight *B = ad->entry[i].B;
        float *values = arena_array(own, float, B->rows * B->cols);
        for (int k = 0; k < B->rows * B->cols; k++) values[k] = (float)((k * 7 + i) % 11 - 5) * 0.1f;
        ad->entry[i].B = weight_new(own, b, B->name, B->rows, B->cols, true, TYPE_F32, values, TYPE_F32, false);
    }
    assert_ok(adapter_save(ad, m, folder, TYPE_F32, &e), e);
    arena_free(own);
    (void)a;
}

static inline int hall_begin_with(void **state, worker_options o) {
    arena *a = arena_new();
    hall *h = arena_new_of(a, hall);
    err e = {0};
    log_most = LOG_ERROR;
    h->a = a;
    h->home = scratch_folder(a);
    h->models = path_join(a, h->home, "models");
    if (!dir_make(h->models, &e)) return -1;
    const char *base = tiny_model(a, h->models);
    tiny_adapter(a, base, path_join(a, h->models, "lora"), 5);
    o.home = h->home;
    o.program = the_program();
    *state = h;
    return (h->w = worker_start(&o, &e)) ? 0 : -1;
}

static inline int hall_begin(void **state) { return hall_begin_with(state, (worker_options){0}); }

static inline int hall_end(void **state) {
    hall *h = *state;
    err e = {0};
    worker_end(h->w);
    worker_free(h->w);
    dir_remove(h->home, &e);
    arena_free(h->a);
    return 0;
}

#define HALL_TEST(name) cmocka_unit_test_setup_teardown(name, hall_begin, hall_end)

static inline work_order text_order(const char *id, const char *text, int tokens) {
    work_order o = {.model = id, .text = str_of(text), .sampling = work_sampling_default()};
    o.sampling.temperature = 0;
    o.sampling.max_tokens = tokens;
    o.sampling.ignore_eos = true;
    return o;
}

static inline work_view answered(hall *h, const work_order *o) {
    work_view v;
    err e = {0};
    assert_ok(worker_answer(h->w, o, h->a, &v, &e), e);
    return v;
}

#endif
