/* objectives.c - the table of objectives and the mathematics they share. */
#include <math.h>
#include <string.h>

#include "train/objective.h"

static const objective *const objectives[] = {
#define X(name) &objective_##name,
    OBJECTIVES(X)
#undef X
};

const objective *const *objective_list(int *count) {
    *count = (int)(sizeof objectives / sizeof *objectives);
    return objectives;
}

const objective *objective_of(const char *name) {
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
        if (strcmp(objectives[i]->name, name) == 0) return objectives[i];
    return NULL;
}

const char *objective_names(arena *a) {
    const char *names = "";
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
        names = arena_printf(a, "%s%s%s", names, i ? ", " : "", objectives[i]->name);
    return names;
}

unsigned objective_needs(const objective *o, const void *options) {
    return o->needs | (o->more_needs ? o->more_needs(options) : 0);
}

objective_scope objective_scope_of(const objective *o, const void *options) {
    return o->scope_of ? o->scope_of(options) : o->scope;
}

objective_rows objective_rows_of(const objective *o, const void *options) { return o->rows_of ? o->rows_of(options) : o->rows; }

static const struct {
    const char *name;
    int per_unit;
    const char *store[3];
} rows_table[] = {
#define X(token, name, rows, ...) {name, rows, {__VA_ARGS__}},
    OBJECTIVE_ROWS(X)
#undef X
};

const char *objective_rows_name(objective_rows r) { return rows_table[r].name; }
int objective_rows_per_unit(objective_rows r) { return rows_table[r].per_unit; }
const char *const *objective_rows_store(objective_rows r) { return rows_table[r].store; }
bool objective_wants_pairs(objective_rows r) { return r == WANTS_PAIRS || r == WANTS_TRIPLES || r == WANTS_JUDGED; }
bool objective_dropout(const objective *o, const void *options) { return o->dropout_of ? o->dropout_of(options) : o->dropout; }
bool objective_writes(const objective *o, const void *options) { return o->judge && (!o->writes || o->writes(options)); }
int objective_values(const objective *o, const void *options) { return o->values ? o->values(options) : 1; }

sequence_role sequence_role_of(const columns *c, int s) { return c->role ? (sequence_role)c->role[s] : ROLE_ANSWER; }

/* Where a metric stands, or will stand: at count it is new. */
static int place_of(metrics *m, const char *name) {
    int i = 0;
    while (i < m->count && strcmp(m->item[i].name, name) != 0) i++;
    if (i == METRICS_MAX) bug("more than %d metrics", METRICS_MAX);
    return i;
}

void metric_add(metrics *m, const char *name, double sum, double weight) {
    if (!m) return;
    const int i = place_of(m, name);
    if (i == m->count) m->item[m->count++].name = name;
    m->item[i].sum += sum;
    m->item[i].weight += weight;
}

static void keep_one(metrics *m, const char *name, double x, bool least) {
    if (!m) return;
    const int i = place_of(m, name);
    if (i == m->count) metric_add(m, name, x, 1);
    else m->item[i].sum = least ? fmin(m->item[i].sum, x) : fmax(m->item[i].sum, x);
}

void metric_add_least(metrics *m, const char *name, double x) { keep_one(m, name, x, true); }
void metric_add_most(metrics *m, const char *name, double x) { keep_one(m, name, x, false); }

void metric_add_sum(metrics *m, const char *name, double sum) {
    bool there = false;
    for (int i = 0; m && i < m->count; i++) there |= strcmp(m->item[i].name, name) == 0;
    metric_add(m, name, sum, there ? 0 : 1);
}

double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

double sum_trained(const columns *c, const float *values, seq s) {
    double sum = 0;
    for (int t = s.begin; t < s.end; t++)
        if (c->mask[t]) sum += (double)values[t];
    return sum;
}

int count_trained(const columns *c, seq s) {
    int n = 0;
    for (int t = s.begin; t < s.end; t++) n += c->mask[t] != 0;
    return n;
}

void add_dlogp(const columns *c, gradients *g, seq s, double dlogp) {
    for (int t = s.begin; t < s.end; t++)
        if (c->mask[t]) g->dlogp[t] += (float)dlogp;
}

double at_least_one(double count) { return count > 1 ? count : 1; }

double imitation_loss(const void *opts, const columns *c, gradients *g) {
    const double N = at_least_one(c->step.tokens);
    double loss = 0;
    (void)opts;
    for (int t = 0; t < c->T; t++) {
        if (!c->mask[t]) continue;
        loss -= (double)c->logp[t] / N;
        g->dlogp[t] -= (float)(1 / N);
        if (c->entropy) metric_add(g->metrics, "entropy", (double)c->entropy[t], 1);
        if (c->hit) metric_add(g->metrics, "mean_token_accuracy", (double)c->hit[t], 1);
    }
    return loss;
}

void metric_add_rewards(metrics *m, double chosen, double rejected) {
    metric_add(m, "rewards/chosen", chosen, 1);
    metric_add(m, "rewards/rejected", rejected, 1);
    metric_add(m, "rewards/accuracies", chosen > rejected, 1);
    metric_add(m, "rewards/margins", chosen - rejected, 1);
}

void metric_add_logps(metrics *m, double chosen, double rejected) {
    metric_add(m, "logps/chosen", chosen, 1);
    metric_add(m, "logps/rejected", rejected, 1);
}

void metric_add_answer(metrics *m, const columns *c, int s, double reward, labelled_means *means) {
    const seq x = c->sequence[s];
    const double n = count_trained(c, x);
    const bool good = c->label[s];
    metric_add(m, good ? "rewards/chosen" : "rewards/rejected", reward, 1);
    metric_add(m, good ? "logps/chosen" : "logps/rejected", sum_trained(c, c->logp, x), 1);
    if (c->mean_logit) metric_add(m, good ? "logits/chosen" : "logits/rejected", sum_trained(c, c->mean_logit, x), n);
    if (c->entropy) metric_add(m, "entropy", sum_trained(c, c->entropy, x), n);
    *(good ? &means->chosen : &means->rejected) += reward;
    *(good ? &means->chosen_count : &means->rejected_count) += 1;
}

void metric_add_margin(metrics *m, const labelled_means *x) {
    if (!(x->chosen_count > 0) || !(x->rejected_count > 0)) return;
    metric_add(m, "rewards/margins", x->chosen / x->chosen_count - x->rejected / x->rejected_count, 1);
}

void put_reals(json_writer *w, const char *key, const double *x, int count) {
    json_key(w, key), json_open(w, '[');
    for (int i = 0; i < count; i++) json_put_real(w, x[i]);
    json_close(w);
}

void put_columns(json_writer *w, const char *key, const columns *c, const double *x, const uint8_t *where) {
    json_key(w, key), json_open(w, '[');
    for (int s = 0; s < c->S; s++) {
        json_open(w, '[');
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++)
            if (!c->state || !where || where[t]) json_put_real(w, x[t]);
        json_close(w);
    }
    json_close(w);
}

void put_sums(json_writer *w, const columns *c) {
    json_key(w, "S"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, sum_trained(c, c->logp, c->sequence[s]));
    json_close(w);
    json_key(w, "n"), json_open(w, '[');
    for (int s = 0; s < c->S; s++) json_put_real(w, count_trained(c, c->sequence[s]));
    json_close(w);
}
