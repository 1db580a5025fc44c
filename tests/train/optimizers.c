/* optimizers.c - each optimiser against its formula worked out here in plain double, what Muon's directions must be, optim_args, and
 * that the number of threads changes no bit. */
#include "test.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/rng.h"
#include "train/optimizer.h"

enum { R = 7, C = 5, N = R * C, STEPS = 6 };

typedef struct {
    float w[N], g[STEPS][N], state[OPTIMIZER_STATES][N];
} problem;

static problem some_problem(uint64_t seed) {
    problem p = {0};
    rng r = rng_new(seed, 5);
    for (int i = 0; i < N; i++) p.w[i] = (float)(2 * rng_uniform(&r) - 1);
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < N; i++) p.g[t][i] = (float)(2 * rng_uniform(&r) - 1);
    return p;
}

static const optimizer_rates rates = {0.9, 0.95, 1e-8, 0.01};

/* Runs all steps with clipping to half and weight decay 0.1. */
static void run(const char *name, const char *args, weight_shape shape, problem *p) {
    arena *a = arena_new();
    err e = {0};
    optimizer_choice o;
    backend *b = backend_open(NULL, &e);
    assert_ok(optimizer_choose(a, name, args, &o, &e), e);
    for (int t = 0; t < STEPS; t++) {
        weight_update u = {.backend = b,
                           .shape = shape,
                           .values = p->w,
                           .grad = p->g[t],
                           .grad_scale = 0.5,
                           .lr = 0.01,
                           .weight_decay = 0.1,
                           .step = t + 1,
                           .rates = &rates};
        for (int k = 0; k < OPTIMIZER_STATES && o.kind->state[k]; k++) {
            const size_t n = o.kind->state_size(o.own, k, &shape);
            assert_true(n <= N);
            u.state[k] = n ? p->state[k] : NULL;
        }
        o.kind->update(o.own, &u);
    }
    backend_close(b);
    arena_free(a);
}

static void same(const char *name, const float *got, const double *want) {
    for (int i = 0; i < N; i++)
        if (!(fabs((double)got[i] - want[i]) <= 2e-6))
            fail_msg("%s, weight %d: %g, expected %g", name, i, (double)got[i], want[i]);
}

static const weight_shape matrix = {R, C, true, true}, vector = {1, N, false, false};

static void adamw_lion_and_sgd_follow_their_formulas(void **state) {
    problem start = some_problem(1);
    double adam[N], lion[N], sgd[N], nesterov[N], plain[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        double m = 0, v = 0, lm = 0, sm = 0, nm = 0;
        adam[i] = lion[i] = sgd[i] = nesterov[i] = plain[i] = (double)start.w[i];
        for (int t = 1; t <= STEPS; t++) {
            const double g = 0.5 * (double)start.g[t - 1][i], c = 0.9 * lm + 0.1 * g;
            m = 0.9 * m + 0.1 * g, v = 0.95 * v + 0.05 * g * g;
            adam[i] -= 0.01 * (0.1 * adam[i] + m / (1 - pow(0.9, t)) / (sqrt(v / (1 - pow(0.95, t))) + 1e-8));
            lion[i] -= 0.01 * (0.1 * lion[i] + (c > 0 ? 1 : -1));
            lm = 0.95 * lm + 0.05 * g;
            sm = 0.8 * sm + g + 0.1 * sgd[i];
            sgd[i] -= 0.01 * sm;
            const double n = g + 0.1 * nesterov[i];
            nm = 0.8 * nm + n;
            nesterov[i] -= 0.01 * (n + 0.8 * nm);
            plain[i] -= 0.01 * (g + 0.1 * plain[i]);
        }
    }
    const struct {
        const char *name, *args;
        const double *want;
    } cases[] = {{"adamw_torch", NULL, adam},
                 {"adamw_torch_fused", NULL, adam},
                 {"lion_32bit", NULL, lion},
                 {"sgd", "momentum=0.8", sgd},
                 {"sgd", "{\"momentum\": 0.8, \"nesterov\": true}", nesterov},
                 {"sgd", NULL, plain},
                 {"muon", "adamw_learning_rate=0.01", adam}}; /* a vector: AdamW */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem p = start;
        run(cases[i].name, cases[i].args, vector, &p);
        same(cases[i].name, p.w, cases[i].want);
    }
}

/* One step from nothing: b = 0, so a matrix's moments are this gradient's own means. */
static void adafactor_factors_the_second_moment_of_a_matrix(void **state) {
    problem p = some_problem(2), start = p;
    double row[R] = {0}, col[C] = {0}, mean = 0, rms = 0, want[N];
    (void)state;
    for (int t = 1; t < STEPS; t++) memset(p.g[t], 0, sizeof p.g[t]);
    for (int i = 0; i < N; i++) {
        const double g = 0.5 * (double)p.g[0][i];
        row[i / C] += g * g / C, col[i % C] += g * g / R, mean += g * g / N;
    }
    for (int i = 0; i < N; i++) {
        want[i] = 0.5 * (double)p.g[0][i] / sqrt(row[i / C] * col[i % C] / mean);
        rms += want[i] * want[i] / N;
    }
    for (int i = 0; i < N; i++) {
        want[i] = (double)start.w[i] * (1 - 0.001) - 0.01 * want[i] / fmax(1, sqrt(rms));
        for (int t = 1; t < STEPS; t++) want[i] *= 1 - 0.001; /* steps without a gradient only decay */
    }
    run("adafactor", NULL, matrix, &p);
    same("adafactor", p.w, want);
}

/* Both ways round a step of Muon has singular values near 1: X X^T is near the identity of the shorter side. */
static void muon_steps_are_nearly_orthogonal(void **state) {
    (void)state;
    for (int tall = 0; tall < 2; tall++) {
        problem p = some_problem(3), start;
        const int rows = tall ? R : C, cols = tall ? C : R;
        memset(p.w, 0, sizeof p.w);
        for (int t = 1; t < STEPS; t++) memcpy(p.g[t], p.g[0], sizeof p.g[0]);
        start = p;
        run("muon", "{\"ns_steps\": 9}", (weight_shape){rows, cols, true, true}, &p);
        double trace = 0; /* of W^T W, W = -lr scale (sum of equal orthogonal steps under decay) */
        for (int i = 0; i < N; i++) trace += (double)p.w[i] * (double)p.w[i];
        const double lr = 0.01 * sqrt(fmax(1, (double)rows / cols)), steps = (1 - pow(1 - 0.001, STEPS)) / 0.001,
                     size = sqrt(trace / C) / (lr * steps);
        if (!(size > 0.7 && size < 1.25)) fail_msg("singular values of about %g", size);
        double along = 0;
        for (int i = 0; i < N; i++) along += (double)p.w[i] * (double)start.g[0][i];
        assert_true(along < 0); /* downhill */
    }
}

/* One step on a matrix that is large enough to be shared. */
static void large_step(const char *name, float *w, const float *g) {
    enum { ROWS = 150, COLS = 2 * OPTIMIZER_ALONE / ROWS };
    arena *a = arena_new();
    err e = {0};
    optimizer_choice o;
    backend *b = backend_open(NULL, &e);
    const weight_shape shape = {ROWS, COLS, true, true};
    assert_ok(optimizer_choose(a, name, name[0] == 's' ? "momentum=0.9" : NULL, &o, &e), e);
    weight_update u = {
        .backend = b, .shape = shape, .values = w, .grad = g, .grad_scale = 1, .lr = 0.01, .step = 1, .rates = &rates};
    for (int k = 0; k < OPTIMIZER_STATES && o.kind->state[k]; k++) {
        const size_t n = o.kind->state_size(o.own, k, &shape);
        u.state[k] = n ? arena_array(a, float, n) : NULL;
    }
    o.kind->update(o.own, &u);
    backend_close(b);
    arena_free(a);
}

static void threads_change_no_bit(void **state) {
    enum { MANY = 2 * OPTIMIZER_ALONE };
    static const char *const names[] = {"adamw_torch", "lion_32bit", "adafactor", "muon", "sgd"};
    static float w[2][MANY], g[MANY];
    const int before = omp_get_max_threads();
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rng r = rng_new(i, 6);
        for (int k = 0; k < MANY; k++) {
            w[0][k] = w[1][k] = (float)(2 * rng_uniform(&r) - 1);
            g[k] = (float)(2 * rng_uniform(&r) - 1);
        }
        for (int k = 0; k < 2; k++) {
            setenv("FETTLE_THREADS", k ? "3" : "1", 1);
            large_step(names[i], w[k], g);
        }
        assert_memory_equal(w[0], w[1], sizeof w[0]);
    }
    setenv("FETTLE_THREADS", "1", 1);
    omp_set_num_threads(before);
}

static void settings_that_an_optimizer_lacks_are_refused_by_name(void **state) {
    static const char *const cases[][3] = {{"sgd", "momentum=2", "momentum"},
                                           {"sgd", "nesterov=true", "momentum above 0"},
                                           {"sgd", "beta=1", "beta"},
                                           {"sgd", "momentum", "KEY=VALUE"},
                                           {"adamw_torch", "{\"momentum\": 0.9}", "momentum"},
                                           {"adafactor", "{\"eps1\": \"small\"}", "eps1"},
                                           {"adafactor", "{\"eps1\"", "optim_args"},
                                           {"adafactor", "warmup_init=true", "relative_step"},
                                           {"muon", "{\"ns_coefficients\": [1, 2]}", "three numbers"},
                                           {"adam", NULL, "lion_32bit"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        err e = {0};
        optimizer_choice o;
        assert_false(optimizer_choose(a, cases[i][0], cases[i][1], &o, &e));
        if (!strstr(e.text, cases[i][2])) fail_msg("'%s' does not name '%s'", e.text, cases[i][2]);
        arena_free(a);
    }
}

int main(void) {
    setenv("FETTLE_THREADS", "1", 1); /* small matrices would only wait for each other */
    const struct CMUnitTest tests[] = {TEST(adamw_lion_and_sgd_follow_their_formulas),
                                       TEST(adafactor_factors_the_second_moment_of_a_matrix),
                                       TEST(muon_steps_are_nearly_orthogonal), TEST(threads_change_no_bit),
                                       TEST(settings_that_an_optimizer_lacks_are_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
