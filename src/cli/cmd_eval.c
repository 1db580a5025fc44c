/* cmd_eval.c - fettle eval MODEL --data FILE: how likely the model finds given answers; of pairs, how often the chosen one more. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>

#include "base/sys.h"
#include "data/data.h"
#include "cli/eval_heads.h"
#include "train/train.h"

static const opt options[] = {
    {"data", OPT_LIST, offsetof(eval_options, data), NULL, 0, 0, NULL, "files of examples (rows or pairs)"},
    {"dtype", OPT_CHOICE, offsetof(eval_options, dtype), "bfloat16", 0, 0, "bfloat16|float32", "arithmetic of matrix products"},
    {"max_length", OPT_INT, offsetof(eval_options, max_length), "1024", 0, 1e7, NULL, "tokens of a row that are kept"},
    {"json", OPT_BOOL, offsetof(eval_options, json), "false", 0, 0, NULL, "one JSON object"},
    OPT_END,
};

/* Sum of log-probabilities over trained tokens of rows [first, first+count), and how many. */
static bool score_rows(const subject *s, compute_type compute, const rows *r, int64_t first, int count, double *sum,
                       double *tokens, err *e) {
    arena *a = arena_new();
    const int32_t **ids = arena_array(a, const int32_t *, count);
    int *length = arena_array(a, int, count);
    float **logp = arena_array(a, float *, count);
    for (int i = 0; i < count; i++) {
        const row x = rows_at(r, first + i);
        ids[i] = x.ids;
        length[i] = x.length;
        logp[i] = arena_array(a, float, x.length + 1);
    }
    const bool ok = model_score(s->model, s->adapter, compute, ids, length, count, logp, e);
    for (int i = 0; ok && i < count; i++) {
        const row x = rows_at(r, first + i);
        sum[i] = tokens[i] = 0;
        for (int k = 1; k < x.length; k++)
            if (x.mask[k]) sum[i] += (double)logp[i][k - 1], tokens[i]++;
    }
    arena_free(a);
    return ok;
}

static bool eval(arena *a, int argc, char **argv, err *e);
const command command_eval = {"eval", "measure a model on examples", "MODEL --data FILE [options]", options, eval};

static bool has_pairs(arena *a, const char *spec, bool *pairs, err *e) {
    source *s = source_open(a, spec, e);
    if (!s) return false;
    *pairs = source_describe(s)->kind == EXAMPLE_PREFERENCE;
    source_close(s);
    return true;
}

typedef struct {
    double loss, tokens; /* of labels, or chosen answers */
    double wins, pairs;  /* the chosen answer is the likelier one */
} measured;

static bool measure_rows(const subject *s, compute_type compute, const rows *r, bool pairs, measured *m, err *e) {
    enum { TOGETHER = 16 };
    for (int64_t i = 0; i < rows_count(r); i += TOGETHER) {
        const int count = rows_count(r) - i < TOGETHER ? (int)(rows_count(r) - i) : TOGETHER;
        double sum[TOGETHER], seen[TOGETHER];
        if (!score_rows(s, compute, r, i, count, sum, seen, e)) return false;
        for (int k = 0; k < count; k++) {
            const row x = rows_at(r, i + k);
            if (x.label) m->loss -= sum[k], m->tokens += seen[k];
            if (pairs && !x.label) m->wins += sum[k - 1] > sum[k], m->pairs++;
        }
    }
    return true;
}

static void print_json(const measured *m, double low, double high) {
    const double mean = m->tokens > 0 ? m->loss / m->tokens : 0;
    printf("{\"loss\": %.9g, \"perplexity\": %.9g, \"tokens\": %.0f", mean, exp(mean), m->tokens);
    if (m->pairs > 0)
        printf(", \"pairs\": %.0f, \"accuracy\": %.9g, \"low\": %.9g, \"high\": %.9g", m->pairs, m->wins / m->pairs, low, high);
    printf("}\n");
}

static void print_words(const measured *m, double low, double high) {
    const double mean = m->tokens > 0 ? m->loss / m->tokens : 0;
    printf("loss %.4f nat per token, perplexity %.2f, over %.0f tokens%s\n", mean, exp(mean), m->tokens,
           m->pairs > 0 ? " of chosen answers" : "");
    if (m->pairs > 0)
        printf("the chosen answer is the likelier one in %.0f of %.0f pairs: %.1f %% (95 %% interval %.1f to %.1f %%)\n", m->wins,
               m->pairs, 100 * m->wins / m->pairs, 100 * low, 100 * high);
}

static bool eval(arena *a, int argc, char **argv, err *e) {
    eval_options o;
    int rest;
    bool help, pairs = false;
    subjects all;
    subject s;
    train_settings *t;
    measured m = {0};
    double low, high;
    if (!arguments_read(a, &command_eval, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1 || !o.data.count) return err_set(e, ERR_USAGE, "fettle eval MODEL --data FILE");
    if (!has_pairs(a, o.data.item[0], &pairs, e) || !subjects_begin(a, o.dtype, &all, e) || !subject_open(&all, argv[0], &s, e))
        return false;
    if (model_label_count(s.model, s.adapter)) return eval_head(a, &s, all.options.compute, &o, e);
    if (!train_settings_begin(a, pairs ? "dpo" : "sft", &t, e)) return false;
    t->o.data = o.data;
    t->o.max_length = o.max_length;
    const rows *r = rows_prepare(a, s.model, t, sys_scratch(), NULL, e);
    if (!r || !measure_rows(&s, all.options.compute, r, pairs, &m, e)) return false;
    wilson_interval(m.wins, m.pairs, 0.95, &low, &high);
    (o.json ? print_json : print_words)(&m, low, high);
    return true;
}
