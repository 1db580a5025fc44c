/* agreement_games.c - Bradley-Terry strengths by Newton's method, and ROUGE-L. */
#include <math.h>
#include <string.h>

#include "data/agreement.h"

/* ---- Bradley and Terry ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int n;
    double prior;
    double *wins, *games; /* [n], [n][n] */
    double *slope, *step; /* [n] of the log likelihood; Newton's step */
    double *curve;        /* [n][n] minus its second derivatives */
} ladder;

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static void set_games(arena *a, ladder *l, const game *games, int count, int players, double prior) {
    const size_t n = (size_t)players;
    *l = (ladder){players,
                  prior,
                  arena_array(a, double, n + 1),
                  arena_array(a, double, n *n + 1),
                  arena_array(a, double, n + 1),
                  arena_array(a, double, n + 1),
                  arena_array(a, double, n *n + 1)};
    for (int i = 0; i < count; i++) {
        const game g = games[i];
        l->wins[g.a] += g.result;
        l->wins[g.b] += 1 - g.result;
        l->games[g.a * players + g.b]++;
        l->games[g.b * players + g.a]++;
    }
}

static void reach(const bool *beats, int n, int from, bool forward, bool *seen) {
    seen[from] = true;
    for (int to = 0; to < n; to++)
        if (!seen[to] && beats[forward ? from * n + to : to * n + from]) reach(beats, n, to, forward, seen);
}

/* Ford's condition (1957): everyone has beaten (or tied) everyone through others, both ways; else some strength is infinite or nothing ties
 * two groups together. */
static bool has_maximum(arena *a, const game *games, int count, int n) {
    bool *beats = arena_array(a, bool, (size_t)n *(size_t)n + 1), *up = arena_array(a, bool, n + 1),
         *down = arena_array(a, bool, n + 1);
    for (int i = 0; i < count; i++) {
        if (games[i].result > 0) beats[games[i].a * n + games[i].b] = true;
        if (games[i].result < 1) beats[games[i].b * n + games[i].a] = true;
    }
    if (n) reach(beats, n, 0, true, up), reach(beats, n, 0, false, down);
    for (int i = 0; i < n; i++)
        if (!up[i] || !down[i]) return false;
    return true;
}

/* Slope and curvature at `s`. Without a prior the likelihood does not change when all strengths move together; ones added to the
 * curvature pin that direction. */
static void differentiate(ladder *l, const double *s) {
    const int n = l->n;
    for (int i = 0; i < n; i++) {
        const double chance = sigmoid(s[i]);
        l->slope[i] = l->wins[i] + l->prior * (0.5 - chance);
        for (int k = 0; k < n; k++) l->curve[i * n + k] = l->prior > 0 ? 0 : 1.0 / n;
        l->curve[i * n + i] += l->prior * chance * (1 - chance);
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            const double chance = sigmoid(s[i] - s[k]), games = i == k ? 0 : l->games[i * n + k];
            l->slope[i] -= games * chance;
            l->curve[i * n + i] += games * chance * (1 - chance);
            l->curve[i * n + k] -= games * chance * (1 - chance);
        }
}

/* step = curve^-1 slope; curve is symmetric and positive, so elimination needs no pivots. */
static void solve(ladder *l) {
    const int n = l->n;
    double *m = l->curve;
    memcpy(l->step, l->slope, sizeof(double) * (size_t)n);
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++) {
            const double factor = m[k * n + i] / m[i * n + i];
            for (int c = i; c < n; c++) m[k * n + c] -= factor * m[i * n + c];
            l->step[k] -= factor * l->step[i];
        }
    for (int i = n - 1; i >= 0; i--) {
        for (int c = i + 1; c < n; c++) l->step[i] -= m[i * n + c] * l->step[c];
        l->step[i] /= m[i * n + i];
    }
}

/* The largest change of this round. Steps are cut to 1: far from the maximum a whole one can overshoot. */
static double climb(ladder *l, double *s) {
    double most = 0;
    differentiate(l, s);
    solve(l);
    for (int i = 0; i < l->n; i++) most = fmax(most, fabs(l->step[i]));
    for (int i = 0; i < l->n; i++) s[i] += most > 1 ? l->step[i] / most : l->step[i];
    return most;
}

static void to_mean_zero(double *s, int n) {
    double mean = 0;
    for (int i = 0; i < n; i++) mean += s[i] / n;
    for (int i = 0; i < n; i++) s[i] -= mean;
}

bool bradley_terry(const game *games, int count, int players, double prior_games, double *strength) {
    arena *a = arena_new();
    ladder l;
    const bool defined = prior_games > 0 || has_maximum(a, games, count, players);
    for (int i = 0; i < players; i++) strength[i] = defined ? 0 : NAN;
    set_games(a, &l, games, count, players, prior_games);
    for (int round = 0; defined && round < 1000; round++)
        if (climb(&l, strength) < 1e-12) break;
    if (defined && prior_games <= 0) to_mean_zero(strength, players);
    arena_free(a);
    return defined;
}

void bradley_terry_errors(const game *games, int count, int players, double prior_games, const double *strength, double *errors) {
    arena *a = arena_new();
    ladder l;
    set_games(a, &l, games, count, players, prior_games);
    for (int k = 0; k < players; k++) { /* the k-th column of the inverse of the curve; elimination uses the curve up */
        differentiate(&l, strength);
        for (int i = 0; i < players; i++) l.slope[i] = i == k;
        solve(&l);
        const double pinned = prior_games > 0 ? 0 : 1.0 / players;
        errors[k] = isfinite(strength[k]) ? sqrt(fmax(0, l.step[k] - pinned)) : NAN;
    }
    arena_free(a);
}

double elo_of(double strength) { return 1000 + strength * 400 / log(10); }

/* ---- ROUGE-L ----------------------------------------------------------------------------------------------------------------------- */

/* Bytes of the character at `at` that stand for one of a-z, 0-9 in lower case, and that character; 0: none. Two letters from beyond ASCII
 * have lower-case forms within it: the Kelvin sign and I with a dot. */
static size_t token_character(str s, size_t at, char *out) {
    const char c = s.ptr[at];
    *out = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    if ((*out >= 'a' && *out <= 'z') || (*out >= '0' && *out <= '9')) return 1;
    if (str_starts(str_slice(s, at, s.len), STR("\xe2\x84\xaa"))) return *out = 'k', 3;
    if (str_starts(str_slice(s, at, s.len), STR("\xc4\xb0"))) return *out = 'i', 2;
    return 0;
}

uint64_t *rouge_tokens(arena *a, str text, int *count) {
    uint64_t *tokens = arena_array(a, uint64_t, text.len / 2 + 2);
    size_t n = 0;
    *count = 0;
    for (size_t at = 0; at < text.len;) {
        uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
        const size_t begin = at;
        for (char c; at < text.len && (n = token_character(text, at, &c)) > 0; at += n)
            hash = (hash ^ (uint8_t)c) * 0x100000001b3u;
        if (at > begin) tokens[(*count)++] = hash;
        else at++;
    }
    return tokens;
}

static int common_subsequence(const uint64_t *x, int n, const uint64_t *y, int m) {
    int *row = memory_alloc(sizeof *row * (size_t)(m + 1)); /* row[k]: longest one of x[0..i) and y[0..k) */
    for (int i = 0; i < n; i++) {
        int before = 0; /* row[k-1] of the last round */
        for (int k = 1; k <= m; k++) {
            const int above = row[k];
            if (x[i] == y[k - 1]) row[k] = before + 1;
            else if (row[k - 1] > above) row[k] = row[k - 1];
            before = above;
        }
    }
    const int length = row[m];
    memory_release(row);
    return length;
}

rouge_score rouge_l(const uint64_t *reference, int reference_count, const uint64_t *candidate, int candidate_count) {
    rouge_score s = {0};
    if (!reference_count || !candidate_count) return s;
    s.lcs = common_subsequence(reference, reference_count, candidate, candidate_count);
    s.precision = (double)s.lcs / candidate_count;
    s.recall = (double)s.lcs / reference_count;
    s.f = s.lcs ? 2 * s.precision * s.recall / (s.precision + s.recall) : 0;
    return s;
}
