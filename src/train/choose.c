/* choose.c - the preset that suits some pairs (contract: train.h).
 *
 * A preference shifts what the model writes anyway: it takes probability from the rejected answers and leaves it to whatever comes next. Words
 * that the model hardly writes cannot be had so; they have to be imitated (docs/decisions/0018, 0019). So what decides is how
 * often a chosen answer holds a token to which the start model gives less than one chance in 400. Its own answers hold few of them, for it
 * drew them itself; an edit that takes sentences away adds none, and one in words of a person's own adds several. What is rejected is
 * the measure, so that strange subjects and answers of another model do not count as new words. */
#include <string.h>

#include "base/sys.h"
#include "train/train.h"

enum { PAIRS_MOST = 24 }; /* different chosen answers that are looked at, spread over the data */
#define RARE_LOGP (-6.0F) /* exp(-6): one in 403 */
#define NEW_WORDS 0.005   /* that many more of the tokens: one in 200 */

typedef struct {
    row pair[PAIRS_MOST][2]; /* by CHOICE_ */
    int count;
} looked_at;

static void clip(row *r, int64_t most) {
    if (most > 0 && r->length > most) r->length = (int)most;
}

static bool same_row(const row *a, const row *b) {
    return a->length == b->length && memcmp(a->ids, b->ids, (size_t)a->length * sizeof *a->ids) == 0;
}

/* The units whose chosen answer is not that of the unit before: an edit is preferred to several answers one behind the other. */
static int64_t *fresh_units(arena *a, const rows *all, int64_t each, int64_t *count) {
    const int64_t units = rows_count(all) / each;
    int64_t *out = arena_array(a, int64_t, units + 1);
    *count = 0;
    for (int64_t u = 0; u < units; u++) {
        const row now = rows_at(all, u * each), before = rows_at(all, (u ? u - 1 : 0) * each);
        if (!u || !same_row(&now, &before)) out[(*count)++] = u;
    }
    return out;
}

static void look(arena *a, const train_settings *s, const rows *all, looked_at *out) {
    const int64_t each = objective_rows_per_unit(objective_rows_of(s->objective, s->own));
    int64_t fresh;
    const int64_t *unit = fresh_units(a, all, each, &fresh);
    out->count = (int)(fresh < PAIRS_MOST ? fresh : PAIRS_MOST);
    for (int i = 0; i < out->count; i++)
        for (int64_t k = 0; k < 2; k++) {
            const row r = rows_at(all, unit[i * fresh / out->count] * each + k);
            row *at = &out->pair[i][r.label ? CHOICE_CHOSEN : CHOICE_REJECTED];
            *at = r;
            clip(at, s->o.max_length);
        }
}

/* ---- rare tokens -------------------------------------------------------------------------------------------------------------------- */

static void count_rare(const row *r, const float *logp, int32_t end, int64_t *rare, int64_t *all) {
    for (int k = 1; k < r->length; k++) {
        if (!row_trains(r, k) || r->ids[k] == end) continue; /* an answer that was cut got its end from us */
        *rare += logp[k - 1] < RARE_LOGP;
        ++*all;
    }
}

static bool score(arena *a, const train_settings *s, const looked_at *x, int32_t end, double out[2], err *e) {
    const compute_type compute = strcmp(s->o.dtype, "float32") == 0 ? COMPUTE_F32 : COMPUTE_BF16;
    backend *b = backend_open(NULL, e);
    if (!b) return false;
    const int32_t *ids[2 * PAIRS_MOST];
    int length[2 * PAIRS_MOST];
    float *logp[2 * PAIRS_MOST];
    arena *of_model = arena_new();
    model *m = model_open(of_model, b, s->o.base, &(model_options){.compute = compute, .no_text = true}, e);
    adapter *ad = m && s->o.adapter ? adapter_open(of_model, m, s->o.adapter, false, e) : NULL;
    for (int i = 0; i < 2 * x->count; i++) {
        const row *r = &x->pair[i / 2][i % 2];
        ids[i] = r->ids, length[i] = r->length;
        logp[i] = arena_array(a, float, r->length + 1);
    }
    const bool ok = m && (ad || !s->o.adapter) && model_score(m, ad, compute, ids, length, 2 * x->count, logp, e);
    for (int side = 0; ok && side < 2; side++) {
        int64_t rare = 0, all = 0;
        for (int i = side; i < 2 * x->count; i += 2) count_rare(&x->pair[i / 2][side], logp[i], end, &rare, &all);
        out[side] = all ? (double)rare / (double)all : 0;
    }
    arena_free(of_model);
    backend_close(b);
    return ok;
}

/* ---- the choice ---------------------------------------------------------------------------------------------------------------------- */

static const char *words_of(arena *a, const preset_choice *c) {
    return arena_printf(
        a,
        "%.1f %% of the chosen answers' words are such as the model hardly writes, %.1f %% of the rejected ones': "
        "preset %s",
        100 * c->rare[CHOICE_CHOSEN], 100 * c->rare[CHOICE_REJECTED], c->name);
}

void preset_choice_put(json_writer *w, const preset_choice *c) {
    json_open(w, '{');
    json_key(w, "name"), json_put_cstr(w, c->name);
    json_key(w, "asked"), json_put_cstr(w, c->asked);
    json_key(w, "rare_chosen"), json_put_real(w, c->rare[CHOICE_CHOSEN]);
    json_key(w, "rare_rejected"), json_put_real(w, c->rare[CHOICE_REJECTED]);
    json_key(w, "pairs"), json_put_int(w, c->pairs);
    json_close(w);
}

static bool measure(arena *a, const train_settings *s, preset_choice *c, err *e) {
    looked_at x;
    const model *text =
        model_open_text(a, s->o.tokenizer ? s->o.tokenizer : s->o.base, &(model_options){.chat_template = s->o.chat_template}, e);
    const rows *all = text ? rows_prepare(a, text, s, sys_scratch(), &(rows_how){.quiet = true}, e) : NULL;
    if (!all) return false;
    look(a, s, all, &x);
    c->pairs = x.count;
    return !x.count || score(a, s, &x, rows_counts(all)->end, c->rare, e);
}

bool train_may_choose(const preset *p, const train_settings *s, err *e) {
    const objective_rows kind = objective_rows_of(s->objective, s->own);
    return objective_wants_pairs(kind) || err_set(e, ERR_USAGE, "preset %s looks at pairs, and %s trains on %s: name another",
                                                  p->name, s->objective->name, objective_rows_name(kind));
}

bool train_choose(arena *a, const preset *p, train_settings *s, err *e) {
    if (!train_may_choose(p, s, e)) return false;
    preset_choice *c = arena_new_of(a, preset_choice);
    arena *meanwhile = arena_new();
    const bool ok = measure(meanwhile, s, c, e);
    arena_free(meanwhile);
    if (!ok) return err_prefix(e, "preset %s", p->name);
    c->asked = p->name;
    c->name = p->among[c->rare[CHOICE_CHOSEN] - c->rare[CHOICE_REJECTED] > NEW_WORDS];
    c->words = words_of(a, c);
    s->choice = c;
    return resolve_preset_under(a, &s->from, c->name, e);
}
