/* schedule.c - learning rates by step (transformers' optimization.py): t steps are done, W of T are warm-up. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

typedef struct {
    double t, W, T, lr;
    const json *k; /* lr_scheduler_kwargs */
} moment;

static double share(const moment *m) { return (m->t - m->W) / (m->T - m->W > 1 ? m->T - m->W : 1); }

static double constant_rate(const moment *m) {
    (void)m;
    return 1;
}
static double linear_rate(const moment *m) { return fmax(0, 1 - share(m)); }
static double cosine_rate(const moment *m) {
    return fmax(0, 0.5 * (1 + cos(M_PI * json_get_real(m->k, "num_cycles", 0.5) * 2 * share(m))));
}
static double restarts_rate(const moment *m) {
    const double p = share(m), cycles = json_get_real(m->k, "num_cycles", 1);
    return p >= 1 ? 0 : fmax(0, 0.5 * (1 + cos(M_PI * fmod(cycles * p, 1))));
}
static double min_share(const moment *m) {
    return json_has(m->k, "min_lr") ? json_get_real(m->k, "min_lr", 0) / m->lr : json_get_real(m->k, "min_lr_rate", 0);
}
static double min_rate(const moment *m) {
    const double least = min_share(m);
    const double f = 0.5 * (1 + cos(M_PI * json_get_real(m->k, "num_cycles", 0.5) * 2 * share(m)));
    return fmax(0, f * (1 - least) + least);
}
static double inverse_rate(const moment *m) {
    const double scale = json_get_real(m->k, "timescale", m->W > 0 ? m->W : 10000);
    return 1 / sqrt((m->t + scale - m->W) / scale);
}
static double polynomial_rate(const moment *m) {
    const double end = json_get_real(m->k, "lr_end", 1e-7), power = json_get_real(m->k, "power", 1);
    if (m->t > m->T) return end / m->lr;
    return ((m->lr - end) * pow(1 - share(m), power) + end) / m->lr;
}
static double shape(str kind, double p, double cycles) { /* from 1 at p = 0 to 0 at p = 1 (cosine: with half a cycle) */
    if (str_is(kind, "cosine")) return 0.5 * (1 + cos(M_PI * cycles * 2 * p));
    if (str_is(kind, "1-sqrt")) return 1 - sqrt(p);
    return 1 - p;
}
static double stable_rate(const moment *m) {
    const double decay = json_get_real(m->k, "num_decay_steps", 0), least = json_get_real(m->k, "min_lr_ratio", 0),
                 stable = json_get_real(m->k, "num_stable_steps", m->T - m->W - decay);
    if (m->t < m->W + stable) return 1;
    if (m->t >= m->W + stable + decay) return least;
    const double cycles = json_get_real(m->k, "num_cycles", 0.5),
                 left = shape(json_get_text(m->k, "decay_type", STR("cosine")), (m->t - m->W - stable) / decay, cycles);
    return fmax(0, left * (1 - least) + least);
}

/* Steps count from 1 here, in warm-up and behind it. */
static double warm_min_rate(const moment *m) {
    const double p = (m->t - m->W + 1) / (m->T - m->W > 1 ? m->T - m->W : 1), least = min_share(m);
    const double f = 0.5 * (1 + cos(M_PI * json_get_real(m->k, "num_cycles", 0.5) * 2 * p));
    return fmax(0, f * (1 - least) + least);
}

/* ---- warm-up ------------------------------------------------------------------------------------------------------------------ */

static double linear_warm(const moment *m) { return m->t / (m->W > 1 ? m->W : 1); }
static double stable_warm(const moment *m) {
    const double least = json_get_real(m->k, "min_lr_ratio", 0), p = linear_warm(m);
    const str kind = json_get_text(m->k, "warmup_type", STR("linear"));
    const double rise = str_is(kind, "1-sqrt") ? 1 - sqrt(1 - p) : 1 - shape(kind, p, 0.5);
    return rise * (1 - least) + least;
}
static double min_warm(const moment *m) {
    if (!json_has(m->k, "warmup_lr_rate")) return (m->t + 1) / (m->W > 1 ? m->W : 1);
    const double first = json_get_real(m->k, "warmup_lr_rate", 0);
    return first + (1 - first) * m->t / (m->W > 2 ? m->W - 1 : 1);
}

static const struct {
    const char *name;
    double (*rate)(const moment *m);
    double (*warm)(const moment *m); /* while t < W; NULL: no warm-up */
} rows[] = {
#define X(name, rate, warm) {#name, rate, warm},
    SCHEDULES(X)
#undef X
};

bool schedule_rate(const char *name, double lr, int64_t done, int64_t total, double warmup, const json *kwargs, double *out,
                   err *e) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        const moment m = {(double)done, warmup < 1 ? ceil(warmup * (double)total) : warmup, (double)total, lr, kwargs};
        *out = lr * (rows[i].warm && m.t < m.W ? rows[i].warm(&m) : rows[i].rate(&m));
        return true;
    }
    return err_set(e, ERR_UNSUPPORTED, "lr_scheduler_type '%s' is not here; there are: %s", name, SCHEDULE_NAMES);
}
