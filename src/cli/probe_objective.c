/* probe_objective.c - fettle probe objective: columns in, loss, gradients, metrics and what lies on the way out. */
#include "cli/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/probe_columns.h"

/* With TRL's padded layout only the tokens, and of a gradient by values every state. */
static void put_ragged(json_writer *w, const char *key, const columns *c, const float *x) {
    const bool tokens = c->state && strcmp(key, "dvalue") != 0;
    json_key(w, key), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        if (c->role[s] == ROLE_MISMATCHED) continue;
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++)
            if (!tokens || c->mask[t]) json_put_float(w, x[t]);
        json_close(w);
    }
    json_close(w);
}

/* Whole rows of logits: the columns that the head would make of them. Returns the rows, one behind the other. */
static float *columns_of_logits(arena *a, const json *in, columns *c, err *e) {
    const json *rows_of = json_get(in, "logits"), *targets = json_get(in, "target");
    const int V = (int)json_count(json_at(json_at(rows_of, 0), 0));
    float *all = arena_array(a, float, (size_t)c->T *(size_t)V + 1), *logp = arena_array(a, float, c->T + 1),
          *smooth = arena_array(a, float, c->T + 1), *entropy = arena_array(a, float, c->T + 1),
          *hit = arena_array(a, float, c->T + 1);
    for (int s = 0; s < c->S; s++)
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) {
            const json *row_of = json_at(json_at(rows_of, (size_t)s), (size_t)(t - c->sequence[s].begin));
            const int64_t y = json_int(json_at(json_at(targets, (size_t)s), (size_t)(t - c->sequence[s].begin)), -1);
            float *z = all + (size_t)t * (size_t)V;
            double max = -INFINITY, sum = 0, total = 0;
            if ((int)json_count(row_of) != V || (targets && (y < 0 || y >= V)))
                return err_null(e, ERR_INPUT, "logits or target of sequence %d do not fit", s);
            for (int k = 0; k < V; k++) z[k] = (float)json_real(json_at(row_of, (size_t)k), 0), max = fmax(max, (double)z[k]);
            for (int k = 0; k < V; k++) sum += exp((double)z[k] - max), total += (double)z[k];
            if (targets) logp[t] = (float)((double)z[y] - max - log(sum));
            double weighted = 0;
            for (int k = 0; k < V; k++) weighted += exp((double)z[k] - max) / sum * (double)z[k];
            entropy[t] = (float)(max + log(sum) - weighted);
            hit[t] = targets && (double)z[y] == max;
            smooth[t] = (float)(total / V - max - log(sum));
        }
    c->logp = logp;
    c->smooth = smooth;
    c->entropy = entropy;
    c->hit = hit;
    return all;
}

/* What the opponent of a mixture draws from, as log-probabilities. */
static bool put_mixture(arena *a, const train_settings *s, const json *in, json_writer *w) {
    const json *own = json_get(in, "logits"), *other = json_get(in, "ref_logits");
    json_open(w, '{');
    json_key(w, "log_probability"), json_open(w, '[');
    for (size_t q = 0; q < json_count(own); q++) {
        json_open(w, '[');
        for (size_t t = 0; t < json_count(json_at(own, q)); t++) {
            const json *x = json_at(json_at(own, q), t);
            const int V = (int)json_count(x);
            const float *y = probe_numbers(a, json_at(json_at(other, q), t), V);
            float *z = arena_array(a, float, V + 1);
            double sum = 0;
            for (int k = 0; k < V; k++) z[k] = (float)json_real(json_at(x, (size_t)k), 0);
            if (y) logits_mix(z, y, (size_t)V, s->objective->mixture(s->own));
            const double max = (double)z[row_largest(z, V)];
            for (int k = 0; k < V; k++) sum += exp((double)z[k] - max);
            json_open(w, '[');
            for (int k = 0; k < V; k++) json_put_real(w, (double)z[k] - max - log(sum));
            json_close(w);
        }
        json_close(w);
    }
    json_close(w);
    json_close(w);
    return true;
}

/* Two rows at the temperature of the case: how far they are apart, and what that changes in the first. */
typedef struct {
    int V;
    double beta, temperature;
    float *z, *y;
} row_pair;

static row_pair row_pair_of(arena *a, const train_settings *s, const json *in) {
    row_pair r = {.V = (int)json_count(json_at(json_at(json_get(in, "logits"), 0), 0)),
                  .beta = s->objective->distil(s->own).beta,
                  .temperature = json_get_real(in, "temperature", 1)};
    r.z = arena_array(a, float, r.V + 1);
    r.y = arena_array(a, float, r.V + 1);
    return r;
}

static double apart(row_pair *r, const json *in, int s, int k, float *dz) {
    const json *z = json_at(json_at(json_get(in, "logits"), (size_t)s), (size_t)k),
               *y = json_at(json_at(json_get(in, "teacher_logits"), (size_t)s), (size_t)k);
    for (int v = 0; v < r->V; v++) {
        r->z[v] = (float)(json_real(json_at(z, (size_t)v), 0) / r->temperature);
        r->y[v] = (float)(json_real(json_at(y, (size_t)v), 0) / r->temperature);
    }
    return row_divergence(r->z, r->y, r->V, r->beta, dz);
}

/* The column divergence, from logits and teacher_logits. */
static bool read_divergence(arena *a, const train_settings *s, const json *in, columns *c, err *e) {
    float *out = arena_array(a, float, c->T + 1);
    if (!s->objective->distil) return true;
    if (!json_has(in, "teacher_logits")) return err_set(e, ERR_INPUT, "inputs need logits and teacher_logits");
    row_pair r = row_pair_of(a, s, in);
    for (int q = 0; q < c->S; q++)
        for (int t = c->sequence[q].begin; t < c->sequence[q].end; t++)
            out[t] = (float)apart(&r, in, q, t - c->sequence[q].begin, NULL);
    c->divergence = out;
    return true;
}

static void put_row_gradients(arena *a, json_writer *w, const train_settings *s, const json *in, const columns *c,
                              const gradients *g) {
    row_pair r = row_pair_of(a, s, in);
    float *dz = arena_array(a, float, r.V + 1);
    json_key(w, "dlogits"), json_open(w, '[');
    for (int q = 0; q < c->S; q++) {
        json_open(w, '[');
        for (int t = c->sequence[q].begin; t < c->sequence[q].end; t++) {
            apart(&r, in, q, t - c->sequence[q].begin, dz);
            json_open(w, '[');
            for (int v = 0; v < r.V; v++) json_put_real(w, (double)g->ddivergence[t] * (double)dz[v] / r.temperature);
            json_close(w);
        }
        json_close(w);
    }
    json_close(w);
}

/* dz = g (1[y] - p) + s (1/V - p) */
static void put_dlogits(json_writer *w, const json *in, const columns *c, const gradients *g, const float *all) {
    const int V = (int)json_count(json_at(json_at(json_get(in, "logits"), 0), 0));
    json_key(w, "dlogits"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) {
            const int64_t y =
                json_int(json_at(json_at(json_get(in, "target"), (size_t)s), (size_t)(t - c->sequence[s].begin)), 0);
            const float *z = all + (size_t)t * (size_t)V;
            double max = -INFINITY, sum = 0;
            for (int k = 0; k < V; k++) max = fmax(max, (double)z[k]);
            for (int k = 0; k < V; k++) sum += exp((double)z[k] - max);
            json_open(w, '[');
            for (int k = 0; k < V; k++) {
                const double p = exp((double)z[k] - max) / sum;
                json_put_real(w, (double)g->dlogp[t] * ((k == y) - p) + (double)g->dsmooth[t] * (1.0 / V - p));
            }
            json_close(w);
        }
        json_close(w);
    }
    json_close(w);
}

static gradients new_gradients(arena *a, const columns *c, metrics *m) {
    return (gradients){.dlogp = arena_array(a, float, c->T + 1),
                       .dentropy = arena_array(a, float, c->T + 1),
                       .dsmooth = arena_array(a, float, c->T + 1),
                       .ddivergence = arena_array(a, float, c->T + 1),
                       .dvalue = arena_array(a, float, c->T * c->values + 1),
                       .dscore = arena_array(a, float, c->S + 1),
                       .metrics = m};
}

/* Gradients of a head that scores or labels, in the shape of its column. */
static void put_head_gradients(json_writer *w, const columns *c, policy_kind policy, const gradients *g) {
    if (policy == POLICY_SCORES) {
        json_key(w, "dscore"), json_open(w, '[');
        for (int s = 0; s < c->S; s++) json_put_float(w, g->dscore[s]);
        json_close(w);
    } else if (c->values == 1) put_ragged(w, "dvalue", c, g->dvalue);
    else {
        json_key(w, "dlogits"), json_open(w, '[');
        for (int s = 0; s < c->S; s++) {
            json_open(w, '[');
            for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) {
                json_open(w, '[');
                for (int j = 0; j < c->values; j++) json_put_float(w, g->dvalue[t * c->values + j]);
                json_close(w);
            }
            json_close(w);
        }
        json_close(w);
    }
}

/* The loss of some sequences alone, under given counts. */
static double loss_of(arena *a, const train_settings *s, const columns *c, const bool *in, step_counts counts) {
    columns part = *c;
    uint8_t *mask = arena_array(a, uint8_t, c->T + 1);
    struct pair_of *pairs = arena_array(a, struct pair_of, c->P + 1);
    part.P = 0;
    for (int q = 0; q < c->S; q++)
        for (int t = c->sequence[q].begin; t < c->sequence[q].end; t++) mask[t] = in[q] && c->mask[t];
    for (int p = 0; p < c->P; p++)
        if (in[c->pairs[p].chosen] && in[c->pairs[p].rejected]) pairs[part.P++] = c->pairs[p];
    part.mask = mask;
    part.pairs = pairs;
    part.step = counts;
    gradients g = new_gradients(a, c, NULL);
    return s->objective->loss(s->own, &part, &g);
}

/* What lies on the way to the loss, to find where a difference begins. */
static void put_intermediate(arena *a, json_writer *w, const train_settings *s, const json *in, const columns *c, bool logits) {
    const json *micros = json_get(in, "micro_batches");
    bool *some = arena_array(a, bool, c->S + 1);
    json_key(w, "intermediate"), json_open(w, '{');
    if (s->objective->explain) s->objective->explain(s->own, c, w);
    if (logits) {
        double nll = 0, smoothed = 0;
        for (int t = 0; t < c->T; t++)
            if (c->mask[t]) nll -= (double)c->logp[t] / c->step.tokens, smoothed -= (double)c->smooth[t] / c->step.tokens;
        json_key(w, "nll"), json_put_real(w, nll);
        json_key(w, "smoothed"), json_put_real(w, smoothed);
        put_ragged(w, "logp", c, c->logp);
    }
    if (micros) {
        double means = 0;
        json_key(w, "share_of_each_micro_batch"), json_open(w, '[');
        for (size_t i = 0; i < json_count(micros); i++) {
            step_counts own = {0};
            memset(some, 0, (size_t)c->S);
            for (size_t k = 0; k < json_count(json_at(micros, i)); k++) {
                const int64_t q = json_int(json_at(json_at(micros, i), k), -1);
                if (q < 0 || q >= c->S) continue;
                some[q] = true;
                own.tokens += count_trained(c, c->sequence[q]);
            }
            own.pairs = own.sequences = own.chosen_tokens = 1;
            json_put_real(w, loss_of(a, s, c, some, c->step));
            means += loss_of(a, s, c, some, own) / (double)json_count(micros);
        }
        json_close(w);
        json_key(w, "mean_of_micro_batch_means"), json_put_real(w, means);
    }
    json_close(w);
}

/* Names of cases that are a setting of another objective. */
static const struct {
    const char *name, *objective, *key, *value;
} kinds[] = {{"dft", "sft", "loss_type", "dft"}, {"ipo", "dpo", "loss_type", "ipo"}};

static int kind_of(const char *name) {
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++)
        if (strcmp(kinds[i].name, name) == 0) return i;
    return -1;
}

static bool begin_objective(arena *a, const char *name, const json *params, train_settings **s, err *e) {
    const int k = kind_of(name);
    return train_settings_begin(a, k < 0 ? name : kinds[k].objective, s, e) &&
           (k < 0 || resolve_set(a, &(*s)->from, str_of(kinds[k].key), str_of(kinds[k].value), name, e)) &&
           resolve_set_json(a, &(*s)->from, params, "params", e);
}

static id_list ids_of(arena *a, const json *list) {
    const int n = (int)json_count(list);
    return (id_list){probe_integers(a, list, n), n};
}

/* Prompt, steps and separator as ids: the row that they become. */
static bool put_layout(arena *a, const train_settings *s, const json *in, json_writer *w, err *e) {
    const json *all = json_get(in, "steps");
    const int count = (int)json_count(all), *label = probe_integers(a, json_get(in, "labels"), count);
    const int64_t bos = json_get_int(in, "bos", -1);
    id_list prompt = ids_of(a, json_get(in, "prompt")), separator = ids_of(a, json_get(in, "separator")),
            *steps = arena_array(a, id_list, count + 1);
    bool *right = arena_array(a, bool, count + 1);
    int most = prompt.count + 1;
    if (!label || !prompt.ids || !separator.ids) return err_set(e, ERR_INPUT, "inputs need prompt, steps, labels and separator");
    for (int i = 0; i < count; i++) {
        steps[i] = ids_of(a, json_at(all, (size_t)i));
        right[i] = label[i] > 0;
        most += steps[i].count + separator.count;
    }
    int32_t *begin = arena_array(a, int32_t, prompt.count + 1), *ids = arena_array(a, int32_t, most);
    uint8_t *mask = arena_array(a, uint8_t, most);
    if (bos >= 0) begin[0] = (int32_t)bos;
    memcpy(begin + (bos >= 0), prompt.ids, (size_t)prompt.count * sizeof *begin);
    const step_rows how = s->objective->steps(s->own);
    const int n = rows_lay_steps(&how, (id_list){begin, prompt.count + (bos >= 0)}, steps, right, count, separator,
                                 s->o.max_length, ids, mask);
    json_open(w, '{');
    json_key(w, "ids"), json_open(w, '[');
    for (int i = 0; i < n; i++) json_put_int(w, ids[i]);
    json_close(w);
    json_key(w, "labels"), json_open(w, '[');
    for (int i = 0; i < n; i++) json_put_int(w, mask[i] & MASK_TRAINED ? !(mask[i] & MASK_WRONG) : -100);
    json_close(w);
    json_close(w);
    return true;
}

static void put_metrics(json_writer *w, const metrics *m) {
    for (int i = 0; i < m->count; i++)
        json_key(w, m->item[i].name), json_put_real(w, m->item[i].weight > 0 ? m->item[i].sum / m->item[i].weight : 0);
}

/* Rewards without tokens: each completion is one. */
static bool advantages_alone(arena *a, const train_settings *s, json *in, json_writer *w, err *e) {
    columns c = {0};
    metrics m = {0};
    json *mask = json_new_array(a), *one = json_new_array(a);
    json_append(one, json_new_int(a, 1));
    for (size_t i = 0; i < json_count(json_get(in, "rewards")); i++) json_append(mask, one);
    json_set(in, "mask", mask);
    if (!probe_columns(a, in, s, &c, &m, e)) return false;
    json_open(w, '{');
    json_key(w, "advantage"), json_open(w, '[');
    for (int i = 0; i < c.S; i++) json_put_float(w, c.advantage[c.sequence[i].begin]);
    json_close(w);
    json_key(w, "metrics"), json_open(w, '{');
    put_metrics(w, &m);
    json_close(w);
    json_close(w);
    return true;
}

/* What a coefficient that adapts becomes, rollout by rollout of n_steps answers of one token. */
static bool coefficients(arena *a, const train_settings *s, const json *in, json_writer *w) {
    const json *given = json_get(in, "kl");
    const int n = (int)json_get_int(in, "n_steps", 1);
    float *zeros = arena_array(a, float, n + 1), *far = arena_array(a, float, n + 1);
    double one_each = 1, carry[OBJECTIVE_CARRY] = {0};
    seq *one = arena_array(a, seq, n + 1);
    uint8_t *mask = arena_array(a, uint8_t, n + 1);
    memset(mask, 1, (size_t)n);
    for (int i = 0; i < n; i++) one[i] = (seq){i, i + 1};
    judged j = {.a = a,
                .T = n,
                .S = n,
                .F = 1,
                .sequence = one,
                .mask = mask,
                .rewards = zeros,
                .weights = &one_each,
                .truncated = arena_array(a, bool, n + 1),
                .old_logp = far,
                .ref_logp = zeros,
                .value = zeros,
                .score = arena_array(a, float, n + 1),
                .advantage = arena_array(a, float, n + 1),
                .returns = arena_array(a, float, n + 1),
                .carry = carry};
    json_open(w, '{');
    json_key(w, "kl_coef"), json_open(w, '[');
    for (size_t i = 0; i < json_count(given); i++) {
        for (int k = 0; k < n; k++) far[k] = (float)json_real(json_at(given, i), 0);
        s->objective->judge(s->own, &j);
        json_put_real(w, carry[0]);
    }
    json_close(w);
    json_close(w);
    return true;
}

/* Steps of one token each: what an adaptive coefficient does with their entropies. */
static bool entropy_steps(arena *a, const train_settings *s, const json *in, json_writer *w) {
    const json *given = json_get(in, "entropy_of_step");
    const int n = (int)json_count(given);
    double *applied = arena_array(a, double, n + 1), *left = arena_array(a, double, n + 1), carry[OBJECTIVE_CARRY] = {0};
    const float zero = 0;
    const uint8_t on = 1;
    const seq one = {0, 1};
    for (int i = 0; i < n; i++) {
        const float entropy = (float)json_real(json_at(given, (size_t)i), 0);
        float d[3] = {0};
        metrics m = {0};
        columns c = {.T = 1, .S = 1, .sequence = &one, .logp = &zero, .advantage = &zero, .entropy = &entropy, .mask = &on};
        c.step = (step_counts){.tokens = 1, .sequences = 1, .chosen_tokens = 1, .rollout_tokens = 1};
        c.carry = carry;
        s->objective->loss(s->own, &c, &(gradients){.dlogp = &d[0], .dentropy = &d[1], .dsmooth = &d[2], .metrics = &m});
        for (int k = 0; k < m.count; k++)
            if (strcmp(m.item[k].name, "entropy_coef") == 0) applied[i] = m.item[k].sum;
        left[i] = carry[0];
    }
    json_open(w, '{');
    put_reals(w, "applied_coef", applied, n);
    put_reals(w, "entropy_coef", left, n);
    json_close(w);
    return true;
}

static json *without(arena *a, const json *object, const char *key) {
    json *out = json_new_object(a);
    json_member m = {0};
    while (json_next(object, &m))
        if (strcmp(m.key, key) != 0) json_set(out, m.key, m.value);
    return out;
}

/* What the inputs ask for is not a loss: how a step is laid out, an advantage, a coefficient. False in *done: it is. */
static bool put_other(arena *a, const train_settings *s, json *in, json_writer *w, bool *done, err *e) {
    *done = true;
    if (s->objective->judge && json_has(in, "n_steps")) return coefficients(a, s, in, w);
    if (s->objective->steps && json_has(in, "steps")) return put_layout(a, s, in, w, e);
    if (json_has(in, "entropy_of_step")) return entropy_steps(a, s, in, w);
    if (s->objective->mixture && json_has(in, "ref_logits")) return put_mixture(a, s, in, w);
    if (s->objective->judge && !json_has(in, "mask")) return advantages_alone(a, s, in, w, e);
    *done = false;
    return true;
}

static void put_gradients(arena *a, const train_settings *s, const json *in, const columns *c, const gradients *g,
                          const float *logits, json_writer *w) {
    const policy_kind policy = s->objective->policy;
    if (policy != POLICY_WRITES) put_head_gradients(w, c, policy, g);
    else if (c->divergence) put_row_gradients(a, w, s, in, c, g);
    else if (logits) put_dlogits(w, in, c, g, logits);
    else put_ragged(w, "dlogp", c, g->dlogp);
    if (c->value && policy == POLICY_WRITES) put_ragged(w, "dvalue", c, g->dvalue);
    if (c->entropy && !logits) put_ragged(w, "dentropy", c, g->dentropy);
}

static bool put_loss(arena *a, const train_settings *s, json *in, json_writer *w, err *e) {
    columns c = {0};
    metrics m = {0};
    const policy_kind policy = s->objective->policy;
    if (!probe_columns(a, in, s, &c, &m, e)) return false;
    float *logits = c.logp || policy != POLICY_WRITES ? NULL : columns_of_logits(a, in, &c, e);
    if (!read_divergence(a, s, in, &c, e)) return false;
    if (!c.logp && policy == POLICY_WRITES) return err_set(e, ERR_INPUT, "inputs need the column logp, or logits with target");
    if (s->objective->check && !s->objective->check(s->own, e)) return false;
    gradients g = new_gradients(a, &c, &m);
    const double loss = s->objective->loss(s->own, &c, &g);
    json_open(w, '{');
    json_key(w, "loss"), json_put_real(w, loss);
    if (json_has(in, "segments")) json_key(w, "mask"), json_put_value(w, json_get(in, "mask"));
    if (s->objective->keep) json_key(w, "kept"), json_put_value(w, json_get(in, "kept"));
    put_gradients(a, s, in, &c, &g, logits, w);
    put_intermediate(a, w, s, in, &c, logits && !c.divergence);
    json_key(w, "metrics"), json_open(w, '{');
    json_key(w, policy == POLICY_LABELS ? "num_labelled_tokens" : "num_trained_tokens"), json_put_real(w, c.step.tokens);
    put_metrics(w, &m);
    json_close(w);
    json_close(w);
    return true;
}

static bool one_objective(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    train_settings *s;
    json *in = json_get(v, "inputs"), *params = json_get(v, "params");
    bool done;
    if (json_has(params, "temperature"))
        json_set(in, "temperature", json_get(params, "temperature")); /* of whole rows, where given */
    if (json_has(params, "response_length")) { /* of TRL's padded layout; as an option it is max_completion_length */
        json_set(in, "padded", json_new_bool(a, true));
        params = without(a, params, "response_length");
    }
    return begin_objective(a, p->words[0], params, &s, e) && put_other(a, s, in, w, &done, e) &&
           (done || put_loss(a, s, in, w, e));
}

static void put_best(json_writer *w, const int *group, const float *score, bool *kept, int n, int which) {
    json_open(w, '[');
    for (;;) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (kept[i] && group[i] == which && (best < 0 || score[i] > score[best])) best = i;
        if (best < 0) break;
        json_put_int(w, best);
        kept[best] = false;
    }
    json_close(w);
}

/* The best of each group, best first: what raft keeps, in order. */
static bool one_selection(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const json *in = json_get(v, "inputs"), *groups = json_get(in, "group");
    const int n = (int)json_count(groups), *group = probe_integers(a, groups, n);
    const float *score = probe_numbers(a, json_get(in, "score"), n);
    bool *kept = arena_array(a, bool, n + 1);
    train_settings *s;
    const char *keep = arena_printf(a, "%lld", (long long)json_get_int(json_get(v, "params"), "n_candidates", 1));
    (void)p;
    if (!group || !score) return err_set(e, ERR_INPUT, "inputs need the columns group and score");
    if (!train_settings_begin(a, "rest", &s, e) || !resolve_set(a, &s->from, STR("method"), STR("raft"), "probe", e) ||
        !resolve_set(a, &s->from, STR("keep"), str_of(keep), "probe", e))
        return false;
    s->objective->keep(s->own, group, score, n, 0, kept);
    json_open(w, '{');
    json_key(w, "selected"), json_open(w, '[');
    for (int i = 0; i < n; i++) {
        bool begins = true;
        for (int k = 0; k < i; k++) begins &= group[k] != group[i];
        if (begins) put_best(w, group, score, kept, n, group[i]);
    }
    json_close(w);
    json_close(w);
    return true;
}

bool probe_objectives(arena *a, const probe *p, err *e) {
    if (p->rest < 1) return err_set(e, ERR_USAGE, "fettle probe objective NAME < cases");
    if (strcmp(p->words[0], "best-of-n") == 0) return probe_lines(a, p, one_selection, e);
    if (!objective_of(p->words[0]) && kind_of(p->words[0]) < 0)
        return err_set(e, ERR_UNSUPPORTED, "no objective '%s' here; there are: %s", p->words[0], objective_names(a));
    return probe_lines(a, p, one_objective, e);
}
