/* probe_train.c - fettle probe rows, schedule, optimizer. */
#include "cli/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/file.h"
#include "train/train.h"

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

static bool settle(arena *a, const probe *p, train_settings *s, err *e) {
    for (int i = 0; i < p->o.set.count; i++) {
        const char *equals = strchr(p->o.set.item[i], '=');
        if (!equals) return err_set(e, ERR_USAGE, "--set wants KEY=VALUE, not '%s'", p->o.set.item[i]);
        if (!resolve_set(a, &s->from, (str){p->o.set.item[i], (size_t)(equals - p->o.set.item[i])}, str_of(equals + 1),
                         "command line", e))
            return false;
    }
    return true;
}

/* Standard input goes to a file first: formats are found by looking at the first rows, then read from the start. */
static bool keep_input(arena *a, char *path, err *e) {
    const int fd = mkstemps(path, 6);
    char block[65536];
    ssize_t n;
    (void)a;
    if (fd < 0) return err_errno(e, ERR_IO, "cannot make a temporary file");
    bool ok = true;
    while (ok && (n = read(STDIN_FILENO, block, sizeof block)) > 0)
        ok = write(fd, block, (size_t)n) == n || err_errno(e, ERR_IO, "cannot write %s", path);
    close(fd);
    return ok;
}

bool probe_rows(arena *a, const probe *p, err *e) {
    char path[] = "/tmp/fettle-rows-XXXXXX.jsonl";
    train_settings *s;
    if (p->rest < 1) return err_set(e, ERR_USAGE, "fettle probe rows OBJECTIVE --model M");
    if (!train_settings_begin(a, p->words[0], &s, e) || !settle(a, p, s, e) || !keep_input(a, path, e)) return false;
    const char *item[] = {path};
    s->o.data = (opt_list){item, 1};
    const rows *r = rows_prepare(a, p->subject.model, s, sys_scratch(), NULL, e);
    unlink(path);
    if (!r) return false;
    const int64_t count = rows_count(r) / objective_rows_per_unit(objective_rows_of(s->objective, s->own));
    for (int64_t i = 0; i < count; i++) {
        buf line = {0};
        json_writer w = json_writer_on(&line, false);
        rows_put_json(&w, r, i);
        printf("%.*s\n", STR_ARG(buf_str(&line)));
        buf_free(&line);
    }
    return true;
}

/* ---- schedules ---------------------------------------------------------------------------------------------------------------------------- */

/* The options of a run under these params; an object inside them is an option's text. */
static train_settings *settings_of(arena *a, const json *params, err *e) {
    train_settings *s;
    json *plain = json_new_object(a);
    json_member m = {0};
    while (json_next(params, &m)) {
        buf text = {0};
        if (json_kind_of(m.value) == JSON_OBJECT) {
            json_put(&text, m.value);
            json_set(plain, m.key, json_new_text(a, (str){str_copy(a, buf_str(&text)), text.len}));
        } else json_set(plain, m.key, m.value);
        buf_free(&text);
    }
    return train_settings_begin(a, "sft", &s, e) && resolve_set_json(a, &s->from, plain, "params", e) ? s : NULL;
}

static bool one_schedule(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    (void)p;
    const train_settings *s = settings_of(a, json_get(v, "params"), e);
    if (!s) return false;
    const int64_t steps = json_get_int(json_get(v, "inputs"), "steps", s->o.max_steps);
    json_open(w, '{');
    json_key(w, "lr"), json_open(w, '[');
    for (int64_t t = 0; t < steps; t++) {
        double lr;
        if (!train_rate(s, t, s->o.max_steps, &lr, e)) return false;
        json_put_real(w, lr);
    }
    json_close(w);
    json_close(w);
    return true;
}

bool probe_schedules(arena *a, const probe *p, err *e) { return probe_lines(a, p, one_schedule, e); }

/* ---- optimisers --------------------------------------------------------------------------------------------------------------------------- */

static size_t flat(const json *v, float *out) {
    size_t n = 0;
    if (json_kind_of(v) != JSON_ARRAY) {
        if (out) *out = (float)json_real(v, 0);
        return 1;
    }
    for (size_t i = 0; i < json_count(v); i++) n += flat(json_at(v, i), out ? out + n : NULL);
    return n;
}

static void put_like(json_writer *w, const json *shape, const float **x) {
    if (json_kind_of(shape) != JSON_ARRAY) {
        json_put_float(w, *(*x)++);
        return;
    }
    json_open(w, '[');
    for (size_t i = 0; i < json_count(shape); i++) put_like(w, json_at(shape, i), x);
    json_close(w);
}

/* One of the two weights of a case. */
typedef struct {
    const char *name;
    weight_shape shape;
    size_t n;
    float *values, *grad, *state[OPTIMIZER_STATES];
    bool decays;
} probed;

static probed read_weight(arena *a, const json *in, const char *name, const optimizer_choice *o) {
    const json *given = json_get(in, name);
    const bool matrix = json_kind_of(json_at(given, 0)) == JSON_ARRAY;
    probed x = {.name = name, .n = flat(given, NULL), .decays = json_get_bool(json_get(in, "decay"), name, true)};
    const int rows_of = matrix ? (int)json_count(given) : 1;
    x.shape = (weight_shape){rows_of, (int)x.n / (rows_of ? rows_of : 1), matrix, matrix};
    x.values = arena_array(a, float, x.n + 1);
    x.grad = arena_array(a, float, x.n + 1);
    flat(given, x.values);
    for (int k = 0; k < OPTIMIZER_STATES && o->kind->state[k]; k++) {
        const size_t size = o->kind->state_size(o->own, k, &x.shape);
        x.state[k] = size ? arena_array(a, float, size) : NULL;
    }
    return x;
}

static void take_step(const train_settings *s, const optimizer_choice *o, backend *b, probed *x, double lr, double clip,
                      int64_t step) {
    const optimizer_rates r = {s->o.adam_beta1, s->o.adam_beta2, s->o.adam_epsilon, train_learning_rate(s)};
    weight_update u = {.backend = b,
                       .shape = x->shape,
                       .values = x->values,
                       .grad = x->grad,
                       .grad_scale = clip,
                       .lr = lr,
                       .weight_decay = x->decays ? s->o.weight_decay : 0,
                       .step = step,
                       .rates = &r};
    memcpy(u.state, x->state, sizeof u.state);
    o->kind->update(o->own, &u);
}

static bool run_optimizer(arena *a, const json *in, const train_settings *s, backend *b, json_writer *w, err *e) {
    optimizer_choice o;
    if (!optimizer_choose(a, s->o.optim, s->o.optim_args, &o, e)) return false;
    probed x[2] = {read_weight(a, in, "matrix", &o), read_weight(a, in, "vector", &o)};
    const char *const grads[2] = {"matrix_grad", "vector_grad"};
    const size_t steps = json_count(json_get(in, grads[0]));
    double *norms = arena_array(a, double, steps + 1);
    float *after[2] = {arena_array(a, float, x[0].n *steps + 1), arena_array(a, float, x[1].n *steps + 1)};
    for (size_t t = 0; t < steps; t++) {
        for (int k = 0; k < 2; k++) {
            if (flat(json_at(json_get(in, grads[k]), t), NULL) != x[k].n)
                return err_set(e, ERR_INPUT, "%s of step %zu has another size than %s", grads[k], t + 1, x[k].name);
            flat(json_at(json_get(in, grads[k]), t), x[k].grad);
            norms[t] += values_sum_squares(b, x[k].grad, x[k].n);
        }
        norms[t] = sqrt(norms[t]);
        const double lr = json_real(json_at(json_get(in, "learning_rates"), t), train_learning_rate(s)),
                     clip = s->o.max_grad_norm > 0 ? fmin(1, s->o.max_grad_norm / (norms[t] + 1e-6)) : 1;
        for (int k = 0; k < 2; k++) {
            take_step(s, &o, b, &x[k], lr, clip, (int64_t)t + 1);
            memcpy(after[k] + t * x[k].n, x[k].values, x[k].n * sizeof(float));
        }
    }
    json_open(w, '{');
    for (int k = 0; k < 2; k++) {
        const float *at = after[k];
        json_key(w, x[k].name), json_open(w, '[');
        for (size_t t = 0; t < steps; t++) put_like(w, json_get(in, x[k].name), &at);
        json_close(w);
    }
    json_key(w, "grad_norm"), json_open(w, '[');
    for (size_t t = 0; t < steps; t++) json_put_real(w, norms[t]);
    json_close(w);
    json_close(w);
    return true;
}

static bool one_optimizer(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    json *params = json_get(v, "params");
    (void)p;
    if (json_kind_of(params) == JSON_OBJECT && !json_has(params, "max_grad_norm"))
        json_set(params, "max_grad_norm", json_new_int(a, 0)); /* not given: neutral */
    const train_settings *s = settings_of(a, params, e);
    backend *b = s ? backend_open(NULL, e) : NULL;
    const bool ok = b && run_optimizer(a, json_get(v, "inputs"), s, b, w, e);
    backend_close(b);
    return ok;
}

bool probe_optimizers(arena *a, const probe *p, err *e) { return probe_lines(a, p, one_optimizer, e); }
