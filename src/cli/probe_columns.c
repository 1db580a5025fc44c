/* probe_columns.c - columns of an objective out of JSON, for fettle probe. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/probe_columns.h"

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
        if (json_kind_of(list) == JSON_INT || json_kind_of(list) == JSON_REAL) { /* one for all its tokens */
            for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) out[t] = (float)json_real(list, 0);
            continue;
        }
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

const float *probe_numbers(arena *a, const json *given, int count) {
    float *out = arena_array(a, float, count + 1);
    for (int s = 0; s < count; s++) out[s] = (float)json_real(json_at(given, (size_t)s), NAN);
    return given ? out : NULL;
}

const int *probe_integers(arena *a, const json *given, int count) {
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
        role[s] = str_eq(word, STR("target")) ? ROLE_TARGET : str_eq(word, STR("reference")) ? ROLE_OPPONENT : c->role[s];
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
        n.labelled += trained;
        n.chosen_tokens += c->label[s] ? trained : 0;
        n.chosen_predicted += c->label[s] ? c->sequence[s].end - c->sequence[s].begin : 0;
        n.target_tokens += c->role[s] == ROLE_TARGET ? trained : 0;
    }
    return n;
}

/* Counts of a step of which these sequences are only a part. */
static void override_counts(const json *in, step_counts *n) {
    const json *given = json_get(in, "counts");
    n->tokens = json_get_real(given, "tokens", n->tokens);
    n->sequences = json_get_real(given, "sequences", n->sequences);
    n->chosen_tokens = json_get_real(given, "chosen_tokens", n->chosen_tokens);
    n->rollout_tokens = json_get_real(given, "rollout_tokens", n->rollout_tokens);
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

/* Sequences that only have a score have no token; labels of tokens, -100 where there is none, say which tokens are trained. */
static void mask_of_labels(arena *a, json *in) {
    const json *labels = json_get(in, "labels"), *scores = json_get(in, "score");
    json *mask = json_new_array(a);
    for (size_t s = 0; s < json_count(labels ? labels : scores); s++) {
        json *bits = json_new_array(a);
        for (size_t t = 0; labels && t < json_count(json_at(labels, s)); t++)
            json_append(bits, json_new_int(a, json_int(json_at(json_at(labels, s), t), -100) >= 0));
        json_append(mask, bits);
    }
    json_set(in, "mask", mask);
}

static void read_token_labels(arena *a, const json *in, columns *c) {
    uint8_t *label = arena_array(a, uint8_t, c->T + 1);
    for (int s = 0; s < c->S; s++)
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++)
            label[t] = json_int(json_at(json_at(json_get(in, "labels"), (size_t)s), (size_t)(t - c->sequence[s].begin)), 0) > 0;
    c->token_label = label;
}

/* value: a number a token; or logits: `values` of them. */
static bool read_values(arena *a, const json *in, columns *c, err *e) {
    const json *all = json_get(in, "logits");
    float *out = arena_array(a, float, c->T * c->values + 1);
    c->value = all ? out : ragged(a, in, c, "value", e);
    for (int s = 0; all && s < c->S; s++)
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) {
            const json *one = json_at(json_at(all, (size_t)s), (size_t)(t - c->sequence[s].begin));
            if ((int)json_count(one) != c->values)
                return err_set(e, ERR_INPUT, "logits of sequence %d should be %d a token", s, c->values);
            for (int j = 0; j < c->values; j++) out[t * c->values + j] = (float)json_real(json_at(one, (size_t)j), 0);
        }
    return (c->value && (all || c->values == 1)) || e->code ||
           err_set(e, ERR_INPUT, "inputs need the column %s", c->values == 1 ? "value" : "logits");
}

/* A number for each pair, said of both its sequences. */
static const float *of_pairs(arena *a, const json *given, const columns *c) {
    float *out = arena_array(a, float, c->S + 1);
    for (int s = 0; s < c->S; s++) out[s] = c->pair[s] < 0 ? NAN : (float)json_real(json_at(given, (size_t)c->pair[s]), NAN);
    return given ? out : NULL;
}

/* Answers that are not kept have no trained token; those kept are listed in inputs.kept. */
static bool keep_some(arena *a, json *in, const objective *o, const void *own, columns *c, err *e) {
    const float *reward = probe_numbers(a, json_get(in, "reward"), c->S);
    if (!reward || !c->group) return err_set(e, ERR_INPUT, "inputs need the columns group and reward");
    bool *kept = arena_array(a, bool, c->S + 1);
    uint8_t *mask = arena_array(a, uint8_t, c->T + 1);
    json *list = json_new_array(a);
    o->keep(own, c->group, reward, c->S, 0, kept);
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
    const bool judged_before = needs & NEEDS(COLUMN_RETURNS) && c->returns; /* the reference is in the advantages */
    const char *lacking = needs & NEEDS(COLUMN_REF_LOGP) && !c->ref_logp && !judged_before ? "ref_logp"
                          : needs & NEEDS(COLUMN_RETURNS) && !c->returns                   ? "return, or score"
                          : needs & NEEDS(COLUMN_GROUP) && !c->group                       ? "group"
                          : needs & NEEDS(COLUMN_SCORE) && !c->score                       ? "score"
                                                                                           : NULL;
    return !lacking || err_set(e, ERR_INPUT, "inputs need the column %s", lacking);
}

/* Tokens of tools, and with mask_truncated_completions those of completions that found no end, are not trained. */
static void mask_more(arena *a, const json *in, const train_settings *s, columns *c) {
    const json *tool = json_get(in, "tool_mask"), *cut = json_get(in, "truncated");
    uint8_t *mask = arena_array(a, uint8_t, c->T + 1);
    for (int q = 0; q < c->S; q++)
        for (int t = c->sequence[q].begin; t < c->sequence[q].end; t++) {
            const bool out = s->rollout && s->rollout->mask_truncated_completions && json_int(json_at(cut, (size_t)q), 0);
            mask[t] = c->mask[t] && !out && json_int(json_at(json_at(tool, (size_t)q), (size_t)(t - c->sequence[q].begin)), 1);
        }
    c->mask = mask;
}

/* TRL's padded layout: a sequence with one more value than tokens has a state behind its end. There it gets an entry that no policy
 * learns from. */
static void pad_states(arena *a, json *in, columns *c) {
    static const char *const tokens[] = {"mask", "logp", "old_logp", "ref_logp", "advantage"};
    const json *values = json_get(in, "old_value");
    for (size_t s = 0; s < json_count(values); s++)
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            json *list = (json *)(uintptr_t)json_at(json_get(in, tokens[i]), s);
            while (list && json_count(list) < json_count(json_at(values, s))) json_append(list, json_new_int(a, 0));
        }
    int n = 0;
    for (size_t s = 0; s < json_count(values); s++) n += (int)json_count(json_at(values, s));
    uint8_t *state = arena_array(a, uint8_t, n + 1);
    memset(state, 1, (size_t)n);
    c->state = state;
}

/* inputs.reward [S], with values score [S], or inputs.rewards [S][functions] become inputs' advantages. */
static bool judge(arena *a, const json *in, const train_settings *s, columns *c, metrics *m, err *e) {
    const bool values = objective_needs(s->objective, s->own) & NEEDS(COLUMN_OLD_VALUE);
    const json *one = json_get(in, values || !json_has(in, "reward") ? "score" : "reward"), *several = json_get(in, "rewards"),
               *ended = json_get(in, "contains_eos");
    if (!s->objective->judge || (!one && !several)) return true;
    if (!c->group && !values) return err_set(e, ERR_INPUT, "inputs need the column group");
    bool *truncated = arena_array(a, bool, c->S + 1);
    float *returns = arena_array(a, float, c->T + 1), *rest = arena_array(a, float, c->T + 1);
    for (int i = 0; ended && i < c->S; i++) truncated[i] = !json_int(json_at(ended, (size_t)i), 1);
    const int F = one ? 1 : (int)json_count(json_at(several, 0));
    float *rewards = arena_array(a, float, c->S *F + 1), *advantage = arena_array(a, float, c->T + 1),
          *score = arena_array(a, float, c->S + 1);
    double *weights = arena_array(a, double, F + 1);
    for (int f = 0; f < F; f++)
        weights[f] = f < s->rollout->reward_weights.count ? strtod(s->rollout->reward_weights.item[f], NULL) : 1;
    for (int i = 0; i < c->S; i++)
        for (int f = 0; f < F; f++)
            rewards[i * F + f] =
                (float)json_real(one ? json_at(one, (size_t)i) : json_at(json_at(several, (size_t)i), (size_t)f), NAN);
    judged j = {.a = a,
                .T = c->T,
                .S = c->S,
                .F = F,
                .sequence = c->sequence,
                .mask = c->mask,
                .group = c->group,
                .rewards = rewards,
                .weights = weights,
                .truncated = truncated,
                .state = c->state,
                .advantage_rest = rest,
                .value = c->old_value,
                .old_logp = c->old_logp ? c->old_logp : c->logp,
                .ref_logp = c->ref_logp,
                .score = score,
                .advantage = advantage,
                .returns = returns,
                .metrics = m};
    s->objective->judge(s->own, &j);
    c->score = score;
    if (!c->advantage || json_has(in, "reward") || values) c->advantage = advantage;
    c->returns = returns;
    c->advantage_rest = rest;
    return true;
}

/* Answers that were compared with an opponent's: by both scores, or by the probability that each is the better one. */
static bool read_duels(arena *a, const train_settings *s, const json *in, columns *c, metrics *m, err *e) {
    const json *given = json_get(in, "probability");
    const float *mine = probe_numbers(a, json_get(in, "score"), c->S),
                *theirs = probe_numbers(a, json_get(in, "opponent_score"), c->S);
    float *advantage = arena_array(a, float, 2 * c->T + 1), *rewards = arena_array(a, float, 2 * c->S + 1);
    double one = 1;
    seq *sequence = arena_array(a, seq, 2 * c->S + 1);
    int *group = arena_array(a, int, 2 * c->S + 1);
    c->advantage = advantage;
    for (int i = 0; i < c->S; i++)
        for (int t = c->sequence[i].begin; given && t < c->sequence[i].end; t++)
            advantage[t] = (float)(json_real(json_at(given, (size_t)i), 0.5) - 0.5);
    if (given) return true;
    if (!mine || !theirs) return err_set(e, ERR_INPUT, "inputs need probability, or score and opponent_score");
    for (int i = 0; i < 2 * c->S; i++) { /* the opponent's answers have no tokens here */
        sequence[i] = i % 2 ? (seq){c->T, c->T} : c->sequence[i / 2];
        group[i] = i / 2;
        rewards[i] = i % 2 ? theirs[i / 2] : mine[i / 2];
    }
    judged j = {.a = a,
                .T = c->T,
                .S = 2 * c->S,
                .F = 1,
                .sequence = sequence,
                .mask = c->mask,
                .group = group,
                .rewards = rewards,
                .weights = &one,
                .truncated = arena_array(a, bool, 2 * c->S + 1),
                .score = arena_array(a, float, 2 * c->S + 1),
                .advantage = advantage,
                .returns = arena_array(a, float, c->T + 1),
                .metrics = m};
    s->objective->judge(s->own, &j);
    return true;
}

bool probe_columns(arena *a, json *in, const train_settings *settings, columns *c, metrics *m, err *e) {
    const objective *o = settings->objective;
    const void *own = settings->own;
    if (json_has(in, "segments") && o->chain) {
        const chain how = o->chain(own);
        mask_of_segments(a, in, &how);
    }
    if (o->policy != POLICY_WRITES && !json_has(in, "mask")) mask_of_labels(a, in);
    if (json_has(in, "return")) json_set(in, "returns", json_get(in, "return"));
    if (json_has(in, "padded")) pad_states(a, in, c);
    if (!read_mask(a, in, c, e) || !read_pairs(a, in, c, e)) return false;
#define X(token, member, per, producer)                                                                                          \
    if (strcmp(#per, "TOKEN") == 0 && token != COLUMN_MASK)                                                                      \
        *(const float **)(void *)((char *)c + offsetof(columns, member)) = ragged(a, in, c, #member, e);
    COLUMNS(X)
#undef X
    c->desirable_probability = probe_numbers(a, json_get(in, "desirable_probability"), c->S);
    c->margin = of_pairs(a, json_get(in, "margin"), c);
    if (o->policy == POLICY_SCORES) c->desirable_probability = of_pairs(a, json_get(in, "probability"), c);
    c->values = objective_values(o, own);
    read_token_labels(a, in, c);
    const bool values = objective_needs(o, own) & NEEDS(COLUMN_VALUE);
    if (values && !read_values(a, in, c, e)) return false;
    c->score = probe_numbers(a, json_get(in, "score"), c->S);
    c->group = probe_integers(a, json_get(in, "group"), c->S);
    mask_more(a, in, settings, c);
    if (!(o->mixture ? read_duels(a, settings, in, c, m, e) : judge(a, in, settings, c, m, e)) || !has_columns(o, own, c, e) ||
        (o->keep && !keep_some(a, in, o, own, c, e)))
        return false;
    c->step = count_all(c);
    c->step.rollout_tokens = c->step.tokens;
    override_counts(in, &c->step);
    c->step.most_tokens = settings->rollout ? (double)settings->rollout->max_completion_length : 0;
    c->carry = arena_array(a, double, OBJECTIVE_CARRY);
    for (int i = 0; i < OBJECTIVE_CARRY; i++)
        if (o->carry[i]) c->carry[i] = json_get_real(in, o->carry[i], 0);
    return e->code == ERR_NONE;
}
