/* objectives.c - every objective and loss type against finite differences over random ragged columns, and shares of a step that add up. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/train.h"

typedef struct {
    arena *a;
    columns c;
    float *logp, *smooth;
} made;

static made some_columns(uint64_t seed, int pairs) {
    made m = {.a = arena_new()};
    rng r = rng_new(seed, 1);
    columns *c = &m.c;
    c->P = pairs;
    c->S = 2 * pairs;
    seq *s = arena_array(m.a, seq, c->S);
    for (int i = 0; i < c->S; i++) {
        s[i].begin = c->T;
        s[i].end = c->T += (int)rng_below(&r, 7);
    }
    float *logp = arena_array(m.a, float, c->T + 1), *ref = arena_array(m.a, float, c->T + 1),
          *smooth = arena_array(m.a, float, c->T + 1);
    uint8_t *mask = arena_array(m.a, uint8_t, c->T + 1);
    int *label = arena_array(m.a, int, c->S);
    struct pair_of *p = arena_array(m.a, struct pair_of, pairs + 1);
    for (int t = 0; t < c->T; t++) {
        logp[t] = (float)(-4 * rng_uniform(&r));
        ref[t] = (float)(-4 * rng_uniform(&r));
        smooth[t] = (float)(-6 * rng_uniform(&r));
        mask[t] = rng_below(&r, 4) != 0;
    }
    for (int i = 0; i < c->S; i++) {
        label[i] = i % 2 == 0;
        if (label[i]) p[i / 2].chosen = i;
        else p[i / 2].rejected = i;
    }
    c->sequence = s;
    c->logp = m.logp = logp;
    c->ref_logp = ref;
    c->smooth = m.smooth = smooth;
    c->mask = mask;
    c->label = label;
    c->pairs = p;
    c->step = (step_counts){.sequences = c->S, .pairs = pairs};
    for (int i = 0; i < c->S; i++) {
        c->step.tokens += count_trained(c, s[i]);
        c->step.chosen_tokens += label[i] ? count_trained(c, s[i]) : 0;
    }
    return m;
}

static double loss_and_gradients(const objective *o, const void *own, const columns *c, gradients *g) {
    memset(g->dlogp, 0, (size_t)c->T * sizeof(float));
    memset(g->dsmooth, 0, (size_t)c->T * sizeof(float));
    return o->loss(own, c, g);
}

static void check(const char *name, const char *key, const char *value, const char *key2, const char *value2) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        made m = some_columns(seed, 1 + (int)seed % 4);
        train_settings *s;
        err e = {0};
        assert_ok(train_settings_begin(m.a, name, &s, &e), e);
        if (key) assert_ok(resolve_set(m.a, &s->from, str_of(key), str_of(value), "test", &e), e);
        if (key2) assert_ok(resolve_set(m.a, &s->from, str_of(key2), str_of(value2), "test", &e), e);
        gradients g = {.dlogp = arena_array(m.a, float, m.c.T + 1),
                       .dentropy = arena_array(m.a, float, m.c.T + 1),
                       .dsmooth = arena_array(m.a, float, m.c.T + 1)};
        gradients ignored = {.dlogp = arena_array(m.a, float, m.c.T + 1),
                             .dentropy = arena_array(m.a, float, m.c.T + 1),
                             .dsmooth = arena_array(m.a, float, m.c.T + 1)};
        const double loss = loss_and_gradients(s->objective, s->own, &m.c, &g);
        assert_true(isfinite(loss));
        for (int t = 0; t < m.c.T; t++) {
            if (!m.c.mask[t]) assert_true(g.dlogp[t] == 0);
            if (value && strcmp(value, "dft") == 0) continue; /* its p is held constant, so differences are not its gradient */
            const float x = m.logp[t], h = 1e-2f;
            double side[2];
            for (int k = 0; k < 2; k++) {
                m.logp[t] = x + (k ? -h : h);
                side[k] = loss_and_gradients(s->objective, s->own, &m.c, &ignored);
            }
            m.logp[t] = x;
            const double want = (side[0] - side[1]) / (2 * (double)h);
            if (!(fabs(want - (double)g.dlogp[t]) <= 2e-3 * fabs(want) + 2e-4))
                fail_msg("%s %s, seed %d, token %d: %g, finite differences say %g", name, value ? value : "", (int)seed, t,
                         (double)g.dlogp[t], want);
        }
        arena_free(m.a);
    }
}

static void every_objective_has_the_gradient_of_finite_differences(void **state) {
    static const char *const types[] = {"sigmoid",  "ipo",          "nca_pair", "sppo_hard",  "apo_zero",
                                        "apo_down", "sigmoid_norm", "sft",      "sigmoid,sft"};
    int count;
    (void)state;
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) check(list[i]->name, NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) check("dpo", "loss_type", types[i], "beta", "0.5");
    check("dpo", "loss_type", "robust", "label_smoothing", "0.1");
    check("dpo", "loss_type", "exo_pair", "label_smoothing", "0.01");
    check("sft", "loss_type", "dft", NULL, NULL);
    check("sft", "label_smoothing_factor", "0.2", NULL, NULL);
}

static void huge_margins_stay_finite(void **state) {
    made m = some_columns(3, 2);
    train_settings *s;
    err e = {0};
    (void)state;
    assert_ok(train_settings_begin(m.a, "dpo", &s, &e), e);
    gradients g = {.dlogp = arena_array(m.a, float, m.c.T + 1),
                   .dentropy = arena_array(m.a, float, m.c.T + 1),
                   .dsmooth = arena_array(m.a, float, m.c.T + 1)};
    for (int sign = -1; sign < 2; sign += 2) {
        for (int t = 0; t < m.c.T; t++) m.logp[t] = (float)(sign * 1e5);
        assert_true(isfinite(loss_and_gradients(s->objective, s->own, &m.c, &g)));
        for (int t = 0; t < m.c.T; t++) assert_true(isfinite(g.dlogp[t]));
    }
    arena_free(m.a);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_objective_has_the_gradient_of_finite_differences),
                                       TEST(huge_margins_stay_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
