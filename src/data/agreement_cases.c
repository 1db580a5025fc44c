/* agreement_cases.c - statistics of one case that is written as JSON: what `fettle probe agreement` answers. */
#include <math.h>
#include <stdlib.h>

#include "data/agreement.h"

static void put(json_writer *w, const char *key, double v) {
    json_key(w, key);
    if (isnan(v)) json_put_null(w);
    else json_put_real(w, v);
}

static bool wrong(const char *what, err *e) { return err_set(e, ERR_INPUT, "'inputs': expected %s", what); }

static bool is_number(const json *v) { return json_kind_of(v) == JSON_INT || json_kind_of(v) == JSON_REAL; }

/* ---- Cohen ------------------------------------------------------------------------------------------------------------------------- */

static int by_number(const void *x, const void *y) {
    const double a = json_real(*(const json *const *)x, 0), b = json_real(*(const json *const *)y, 0);
    return (a > b) - (a < b);
}

/* The place of a value among those seen, which it joins when it is new and may. */
static int place(const json **seen, int *count, const json *v, bool may_join) {
    for (int i = 0; i < *count; i++)
        if (json_equal(seen[i], v)) return i;
    if (!may_join) return -1;
    seen[*count] = v;
    return (*count)++;
}

static bool put_cohen(arena *m, const json *in, json_writer *w, err *e) {
    const json *a = json_get(in, "a"), *b = json_get(in, "b"), *scale = json_get(in, "scale");
    const size_t n = json_count(a);
    if (json_kind_of(a) != JSON_ARRAY || json_kind_of(b) != JSON_ARRAY || json_count(b) != n)
        return wrong("'a' and 'b' of one length", e);
    const json **seen = arena_array(m, const json *, 2 * n + json_count(scale) + 1);
    int *x = arena_array(m, int, n + 1), *y = arena_array(m, int, n + 1), count = 0;
    bool numbers = n > 0;
    for (size_t i = 0; i < json_count(scale); i++) place(seen, &count, json_at(scale, i), true);
    for (size_t i = 0; i < 2 * n; i++) {
        const json *v = json_at(i < n ? a : b, i < n ? i : i - n);
        numbers = numbers && is_number(v);
        if (place(seen, &count, v, !scale) < 0) return wrong("only values of 'scale'", e);
    }
    if (numbers && !scale) qsort(seen, (size_t)count, sizeof *seen, by_number);
    for (size_t i = 0; i < n; i++)
        x[i] = place(seen, &count, json_at(a, i), false), y[i] = place(seen, &count, json_at(b, i), false);
    const kappa_result k = cohen_kappa(x, y, (int)n, count);
    json_key(w, "unweighted");
    json_open(w, '{');
    put(w, "observed_agreement", k.observed), put(w, "expected_agreement", k.expected), put(w, "kappa", k.kappa);
    json_close(w);
    if (numbers || scale)
        put(w, "linear", cohen_weighted(x, y, (int)n, count, 1)), put(w, "quadratic", cohen_weighted(x, y, (int)n, count, 2));
    return true;
}

/* ---- tables of numbers --------------------------------------------------------------------------------------------------------------- */

static bool put_fleiss(arena *m, const json *in, json_writer *w, err *e) {
    const json *rows = json_get(in, "counts");
    const size_t records = json_count(rows), categories = json_count(json_at(rows, 0));
    if (!records || !categories) return wrong("'counts', records by categories", e);
    int *counts = arena_array(m, int, records *categories);
    for (size_t i = 0; i < records * categories; i++) {
        const json *row = json_at(rows, i / categories), *v = json_at(row, i % categories);
        if (json_count(row) != categories || json_kind_of(v) != JSON_INT || json_int(v, -1) < 0 || json_int(v, 0) > INT32_MAX)
            return wrong("rows of 'counts' of one length, all whole numbers from 0", e);
        counts[i] = (int)json_int(v, 0);
    }
    const kappa_result k = fleiss_kappa(counts, (int)records, (int)categories);
    put(w, "mean_agreement", k.observed), put(w, "expected_agreement", k.expected), put(w, "kappa", k.kappa);
    return true;
}

/* Answers of any type; where one is no number, only whether they are the same counts. */
static bool put_krippendorff(arena *m, const json *in, json_writer *w, err *e) {
    static const char *const names[] = {"nominal", "ordinal", "interval", "ratio"};
    const json *rows = json_get(in, "observers");
    const size_t people = json_count(rows), records = json_count(json_at(rows, 0));
    double *values = arena_array(m, double, people *records + 1), *kinds = arena_array(m, double, people *records + 1);
    const json **seen = arena_array(m, const json *, people *records + 1);
    bool numbers = true;
    int count = 0;
    for (size_t i = 0; i < people * records; i++) {
        const json *row = json_at(rows, i / records), *v = json_at(row, i % records);
        if (json_kind_of(row) != JSON_ARRAY || json_count(row) != records) return wrong("'observers' of one length", e);
        numbers = numbers && (!v || is_number(v));
        values[i] = json_real(v, NAN);
        kinds[i] = v ? place(seen, &count, v, true) : (double)NAN;
    }
    put(w, names[0], krippendorff_alpha(numbers ? values : kinds, (int)people, (int)records, ALPHA_NOMINAL));
    for (int k = 1; k < 4 && numbers; k++)
        put(w, names[k], krippendorff_alpha(values, (int)people, (int)records, (alpha_metric)k));
    return true;
}

static bool put_wilson(arena *m, const json *in, json_writer *w, err *e) {
    double successes, trials, confidence = 0.95, low, high;
    (void)m;
    if (!json_want_real(in, "trials", 0, 1e15, &trials, e) || !json_want_real(in, "successes", 0, trials, &successes, e))
        return false;
    if (json_has(in, "confidence") && !json_want_real(in, "confidence", 1e-9, 1 - 1e-12, &confidence, e)) return false;
    wilson_interval(successes, trials, confidence, &low, &high);
    json_key(w, "interval");
    json_open(w, '[');
    json_put_real(w, low), json_put_real(w, high);
    json_close(w);
    return true;
}

/* ---- games and texts ------------------------------------------------------------------------------------------------------------------ */

static int player(const json *names, const json *name) {
    for (size_t i = 0; i < json_count(names); i++)
        if (json_equal(json_at(names, i), name)) return (int)i;
    return -1;
}

static void put_players(json_writer *w, const char *key, const json *names, const double *v, bool elo) {
    json_key(w, key);
    json_open(w, '{');
    for (size_t i = 0; i < json_count(names); i++) {
        json_key_str(w, json_text(json_at(names, i), STR("")));
        if (isnan(v[i])) json_put_null(w);
        else json_put_real(w, elo ? elo_of(v[i]) : v[i]);
    }
    json_close(w);
}

static bool put_bradley_terry(arena *m, const json *in, double prior, json_writer *w, err *e) {
    const json *names = json_get(in, "names"), *list = json_get(in, "games");
    const size_t n = json_count(names), count = json_count(list);
    game *games = arena_array(m, game, count + 1);
    double *strength = arena_array(m, double, n + 1), *wins = arena_array(m, double, n + 1);
    if (n > 10000) return wrong("at most 10000 names", e);
    for (size_t i = 0; i < count; i++) {
        const json *one = json_at(list, i);
        games[i] = (game){player(names, json_at(one, 0)), player(names, json_at(one, 1)), json_real(json_at(one, 2), NAN)};
        const bool fits = games[i].a >= 0 && games[i].b >= 0 && games[i].a != games[i].b;
        if (!fits || !(games[i].result >= 0 && games[i].result <= 1)) return wrong("'games' as [name, other name, 0 .. 1]", e);
        wins[games[i].a] += games[i].result;
        wins[games[i].b] += 1 - games[i].result;
    }
    bradley_terry(games, (int)count, (int)n, prior, strength);
    put_players(w, "strength", names, strength, false), put_players(w, "wins", names, wins, false);
    put_players(w, "elo", names, strength, true);
    return true;
}

static bool put_rouge(arena *m, const json *in, json_writer *w, err *e) {
    str reference, candidate;
    int n, k;
    if (!json_want_text(in, "reference", &reference, e) || !json_want_text(in, "candidate", &candidate, e)) return false;
    const uint64_t *x = rouge_tokens(m, reference, &n), *y = rouge_tokens(m, candidate, &k);
    const rouge_score s = rouge_l(x, n, y, k);
    json_key(w, "lcs");
    json_put_int(w, s.lcs);
    put(w, "precision", s.precision), put(w, "recall", s.recall), put(w, "f", s.f);
    return true;
}

static bool put_games(arena *m, const json *v, json_writer *w, err *e) {
    return put_bradley_terry(m, json_get(v, "inputs"), json_get_real(json_get(v, "params"), "prior_games", 0), w, e);
}

static const struct {
    const char *name;
    bool (*put)(arena *m, const json *inputs, json_writer *w, err *e);
    bool whole; /* wants the case, not its inputs alone */
} statistics[] = {
    {"cohen_kappa", put_cohen, false},      {"fleiss_kappa", put_fleiss, false}, {"krippendorff_alpha", put_krippendorff, false},
    {"wilson_interval", put_wilson, false}, {"bradley_terry", put_games, true},  {"rouge_l", put_rouge, false},
};

bool statistic_put(str name, const json *v, json_writer *w, err *e) {
    for (size_t i = 0; i < sizeof statistics / sizeof *statistics; i++) {
        if (!str_is(name, statistics[i].name)) continue;
        arena *m = arena_new();
        json_open(w, '{');
        const bool ok = statistics[i].put(m, statistics[i].whole ? v : json_get(v, "inputs"), w, e);
        json_close(w);
        arena_free(m);
        return ok;
    }
    return err_set(
        e, ERR_NOT_FOUND,
        "no statistic '%.*s': cohen_kappa, fleiss_kappa, krippendorff_alpha, wilson_interval, bradley_terry or rouge_l",
        STR_ARG(name));
}
