/* probe_train.c - fettle probe rows, objective, schedule, optimizer. */
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

/* ---- objectives ----------------------------------------------------------------------------------------------------------------------- */

/* Columns of the mismatched sequences stand apart: kl_logp, kl_ref_logp. */
static const json *mismatched(const json *in, const char *name) {
    if (strcmp(name, "logp") == 0) return json_get(in, "kl_logp");
    return strcmp(name, "ref_logp") == 0 ? json_get(in, "kl_ref_logp") : NULL;
}

/* A ragged column [sequences][tokens] as one array behind the other; those of mismatched sequences behind the others. */
static float *ragged(arena *a, const json *in, const columns *c, const char *name, err *e) {
    const json *given = json_get(in, name), *other = mismatched(in, name);
    const int first = (int)json_count(json_get(in, "mask"));
    float *out = arena_array(a, float, c->T + 1);
    if (!given) return NULL;
    for (int s = 0; s < c->S; s++) {
        const json *list = s < first ? json_at(given, (size_t)s) : json_at(other, (size_t)(s - first));
        if (s >= first && !other) continue;
        if ((int)json_count(list) != c->sequence[s].end - c->sequence[s].begin)
            return err_null(e, ERR_INPUT, "column '%s', sequence %d: %zu values, expected %d", name, s, json_count(list),
                            c->sequence[s].end - c->sequence[s].begin);
        for (size_t t = 0; t < json_count(list); t++) out[c->sequence[s].begin + (int)t] = (float)json_real(json_at(list, t), 0);
    }
    return out;
}

/* Where each sequence lies, and what of it is trained. Every token of a mismatched one counts. */
static bool read_mask(arena *a, const json *in, columns *c, err *e) {
    const json *mask = json_get(in, "mask"), *other = json_get(in, "kl_logp");
    if (json_kind_of(mask) != JSON_ARRAY) return err_set(e, ERR_INPUT, "inputs.mask should be a list of lists");
    const int first = (int)json_count(mask);
    c->S = first + (int)json_count(other);
    seq *sequences = arena_array(a, seq, c->S + 1);
    int *role = arena_array(a, int, c->S + 1);
    for (int s = 0; s < c->S; s++) {
        sequences[s].begin = c->T;
        sequences[s].end = c->T += (int)json_count(s < first ? json_at(mask, (size_t)s) : json_at(other, (size_t)(s - first)));
        role[s] = s < first ? ROLE_ANSWER : ROLE_MISMATCHED;
    }
    uint8_t *bits = arena_array(a, uint8_t, c->T + 1);
    for (int s = 0; s < c->S; s++)
        for (int t = sequences[s].begin; t < sequences[s].end; t++)
            bits[t] = s >= first || json_int(json_at(json_at(mask, (size_t)s), (size_t)(t - sequences[s].begin)), 0) != 0;
    c->sequence = sequences;
    c->mask = bits;
    c->role = role;
    return true;
}

static const float *numbers(arena *a, const json *given, int count) {
    float *out = arena_array(a, float, count + 1);
    for (int s = 0; s < count; s++) out[s] = (float)json_real(json_at(given, (size_t)s), NAN);
    return given ? out : NULL;
}

static const int *integers(arena *a, const json *given, int count) {
    int *out = arena_array(a, int, count + 1);
    for (int s = 0; s < count; s++) out[s] = (int)json_int(json_at(given, (size_t)s), 0);
    return given ? out : NULL;
}

/* A sequence says what it is by label, or by role: chosen, rejected, target. */
static bool read_pairs(arena *a, const json *in, columns *c, err *e) {
    int *label = arena_array(a, int, c->S + 1), *pair = arena_array(a, int, c->S + 1), *role = arena_array(a, int, c->S + 1);
    struct pair_of *pairs = arena_array(a, struct pair_of, c->S + 1);
    for (int i = 0; i <= c->S; i++) pairs[i].target = -1;
    for (int s = 0; s < c->S; s++) {
        const str word = json_text(json_at(json_get(in, "role"), (size_t)s), STR(""));
        role[s] = str_eq(word, STR("target")) ? ROLE_TARGET : c->role[s];
        label[s] = (int)json_int(json_at(json_get(in, "label"), (size_t)s), !word.len || str_eq(word, STR("chosen")));
        pair[s] = (int)json_int(json_at(json_get(in, "pair"), (size_t)s), -1);
        if (pair[s] >= c->S) return err_set(e, ERR_INPUT, "inputs.pair[%d] is %d", s, pair[s]);
        if (pair[s] < 0) continue;
        if (pair[s] >= c->P) c->P = pair[s] + 1;
        *(role[s] == ROLE_TARGET ? &pairs[pair[s]].target : label[s] ? &pairs[pair[s]].chosen : &pairs[pair[s]].rejected) = s;
    }
    c->label = label;
    c->pair = pair;
    c->pairs = pairs;
    c->role = role;
    return true;
}

static double count_groups(const columns *c) {
    double n = 0;
    for (int s = 0; c->group && s < c->S; s++) {
        bool first = true;
        for (int i = 0; i < s; i++) first &= c->group[i] != c->group[s];
        n += first;
    }
    return n;
}

static step_counts count_all(const columns *c) {
    step_counts n = {.pairs = c->P, .groups = count_groups(c)};
    for (int s = 0; s < c->S; s++) {
        const double trained = count_trained(c, c->sequence[s]);
        if (c->role[s] == ROLE_MISMATCHED) continue;
        n.sequences++;
        n.tokens += trained;
        n.chosen_tokens += c->label[s] ? trained : 0;
        n.chosen_predicted += c->label[s] ? c->sequence[s].end - c->sequence[s].begin : 0;
        n.target_tokens += c->role[s] == ROLE_TARGET ? trained : 0;
    }
    return n;
}

/* Sequences given as segments of prompt, feedback and responses: the mask that the chain makes of them. A first token has no column. */
static void mask_of_segments(arena *a, json *in, const chain *how) {
    const json *all = json_get(in, "segments");
    json *mask = json_new_array(a);
    for (size_t s = 0; s < json_count(all); s++) {
        const json *list = json_at(all, s);
        json *bits = json_new_array(a);
        for (size_t k = 0, seen = 0; k < json_count(list); k++) {
            const bool response = str_eq(json_get_text(json_at(list, k), "role", STR("")), STR("response")),
                       trained = response && (!how->last_only || k + 1 == json_count(list));
            for (int64_t t = 0; t < json_get_int(json_at(list, k), "tokens", 0); t++)
                if (seen++) json_append(bits, json_new_int(a, trained));
        }
        json_append(mask, bits);
    }
    json_set(in, "mask", mask);
}

/* Answers that are not kept have no trained token; those kept are listed in inputs.kept. */
static bool keep_some(arena *a, json *in, const objective *o, const void *own, columns *c, err *e) {
    const float *reward = numbers(a, json_get(in, "reward"), c->S);
    if (!reward || !c->group) return err_set(e, ERR_INPUT, "inputs need the columns group and reward");
    bool *kept = arena_array(a, bool, c->S + 1);
    uint8_t *mask = arena_array(a, uint8_t, c->T + 1);
    json *list = json_new_array(a);
    o->keep(own, c->group, reward, c->S, kept);
    for (int s = 0; s < c->S; s++) {
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) mask[t] = kept[s] && c->mask[t];
        if (kept[s]) json_append(list, json_new_int(a, s));
    }
    json_set(in, "kept", list);
    c->mask = mask;
    return true;
}

/* Columns that a loss reads without asking. */
static bool has_columns(const objective *o, const void *own, const columns *c, err *e) {
    const unsigned needs = objective_needs(o, own);
    const char *lacking = needs & NEEDS(COLUMN_REF_LOGP) && !c->ref_logp ? "ref_logp"
                          : needs & NEEDS(COLUMN_GROUP) && !c->group     ? "group"
                          : needs & NEEDS(COLUMN_SCORE) && !c->score     ? "score"
                                                                         : NULL;
    return !lacking || err_set(e, ERR_INPUT, "inputs need the column %s", lacking);
}

static bool read_columns(arena *a, json *in, const objective *o, const void *own, columns *c, err *e) {
    if (json_has(in, "segments") && o->chain) {
        const chain how = o->chain(own);
        mask_of_segments(a, in, &how);
    }
    if (!read_mask(a, in, c, e) || !read_pairs(a, in, c, e)) return false;
#define X(token, member, per, producer)                                                                                          \
    if (strcmp(#per, "TOKEN") == 0 && token != COLUMN_MASK)                                                                      \
        *(const float **)(void *)((char *)c + offsetof(columns, member)) = ragged(a, in, c, #member, e);
    COLUMNS(X)
#undef X
    c->desirable_probability = numbers(a, json_get(in, "desirable_probability"), c->S);
    c->score = numbers(a, json_get(in, "score"), c->S);
    c->group = integers(a, json_get(in, "group"), c->S);
    if (!has_columns(o, own, c, e) || (o->keep && !keep_some(a, in, o, own, c, e))) return false;
    c->step = count_all(c);
    c->carry = arena_array(a, double, OBJECTIVE_CARRY);
    for (int i = 0; i < OBJECTIVE_CARRY; i++)
        if (o->carry[i]) c->carry[i] = json_get_real(in, o->carry[i], 0);
    return e->code == ERR_NONE;
}

static void put_ragged(json_writer *w, const char *key, const columns *c, const float *x) {
    json_key(w, key), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        if (c->role[s] == ROLE_MISMATCHED) continue;
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) json_put_float(w, x[t]);
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
            if ((int)json_count(row_of) != V || y < 0 || y >= V)
                return err_null(e, ERR_INPUT, "logits or target of sequence %d do not fit", s);
            for (int k = 0; k < V; k++) z[k] = (float)json_real(json_at(row_of, (size_t)k), 0), max = fmax(max, (double)z[k]);
            for (int k = 0; k < V; k++) sum += exp((double)z[k] - max), total += (double)z[k];
            logp[t] = (float)((double)z[y] - max - log(sum));
            double weighted = 0;
            for (int k = 0; k < V; k++) weighted += exp((double)z[k] - max) / sum * (double)z[k];
            entropy[t] = (float)(max + log(sum) - weighted);
            hit[t] = (double)z[y] == max;
            smooth[t] = (float)(total / V - max - log(sum));
        }
    c->logp = logp;
    c->smooth = smooth;
    c->entropy = entropy;
    c->hit = hit;
    return all;
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
    gradients g = {.dlogp = arena_array(a, float, c->T + 1),
                   .dentropy = arena_array(a, float, c->T + 1),
                   .dsmooth = arena_array(a, float, c->T + 1)};
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

static bool one_objective(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    train_settings *s;
    columns c = {0};
    if (!begin_objective(a, p->words[0], json_get(v, "params"), &s, e) ||
        !read_columns(a, json_get(v, "inputs"), s->objective, s->own, &c, e))
        return false;
    float *logits = c.logp ? NULL : columns_of_logits(a, json_get(v, "inputs"), &c, e);
    if (!c.logp) return err_set(e, ERR_INPUT, "inputs need the column logp, or logits with target");
    if (s->objective->check && !s->objective->check(s->own, e)) return false;
    metrics m = {0};
    gradients g = {.dlogp = arena_array(a, float, c.T + 1),
                   .dentropy = arena_array(a, float, c.T + 1),
                   .dsmooth = arena_array(a, float, c.T + 1),
                   .metrics = &m};
    const double loss = s->objective->loss(s->own, &c, &g);
    json_open(w, '{');
    json_key(w, "loss"), json_put_real(w, loss);
    if (json_has(json_get(v, "inputs"), "segments"))
        json_key(w, "mask"), json_put_value(w, json_get(json_get(v, "inputs"), "mask"));
    if (s->objective->keep) json_key(w, "kept"), json_put_value(w, json_get(json_get(v, "inputs"), "kept"));
    if (logits) put_dlogits(w, json_get(v, "inputs"), &c, &g, logits);
    else put_ragged(w, "dlogp", &c, g.dlogp);
    put_intermediate(a, w, s, json_get(v, "inputs"), &c, logits != NULL);
    json_key(w, "metrics"), json_open(w, '{');
    json_key(w, "num_trained_tokens"), json_put_real(w, c.step.tokens);
    for (int i = 0; i < m.count; i++)
        json_key(w, m.item[i].name), json_put_real(w, m.item[i].weight > 0 ? m.item[i].sum / m.item[i].weight : 0);
    json_close(w);
    json_close(w);
    return true;
}

bool probe_objectives(arena *a, const probe *p, err *e) {
    if (p->rest < 1) return err_set(e, ERR_USAGE, "fettle probe objective NAME < cases");
    if (!objective_of(p->words[0]) && kind_of(p->words[0]) < 0)
        return err_set(e, ERR_UNSUPPORTED, "no objective '%s' here; there are: %s", p->words[0], objective_names(a));
    return probe_lines(a, p, one_objective, e);
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
