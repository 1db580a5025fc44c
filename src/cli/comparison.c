/* comparison.c - see comparison.h. */
#include "cli/comparison.h"

#include <math.h>
#include <string.h>

#include "base/sys.h"
#include "data/data.h"

static judged_text judged(const given_answer *g, const answering_options *o) {
    return (judged_text){g->text, g->finish == FINISH_LENGTH || g->finish == FINISH_FULL, (int)o->max_new_tokens};
}

/* How the start model finds answers, each behind its prompt: loss, its mean per token without the end tokens; kl, the mean of what those who wrote
 * them found each token, end tokens included, likelier. */
static bool start_loss(arena *a, const subject *start, compute_type compute, const given_answer *g, int count, double *loss,
                       double *kl, err *e) {
    const int32_t **ids = arena_array(a, const int32_t *, count);
    int *length = arena_array(a, int, count);
    float **logp = arena_array(a, float *, count);
    for (int i = 0; i < count; i++) {
        int32_t *all = arena_array(a, int32_t, g[i].prompt_count + g[i].count + 1);
        memcpy(all, g[i].prompt, (size_t)g[i].prompt_count * sizeof *all);
        memcpy(all + g[i].prompt_count, g[i].ids, (size_t)g[i].count * sizeof *all);
        ids[i] = all;
        length[i] = g[i].prompt_count + g[i].count;
        logp[i] = arena_array(a, float, length[i] + 1);
    }
    if (!model_score(start->model, start->adapter, compute, ids, length, count, logp, e)) return false;
    double sum = 0, tokens = 0, further = 0, all = 0;
    for (int i = 0; i < count; i++) {
        const int last = length[i] - 1 - (g[i].finish == FINISH_EOS);
        further += g[i].logp;
        for (int t = g[i].prompt_count - 1; t + 1 < length[i]; t++, all++) {
            further -= (double)logp[i][t];
            if (t < last) sum -= (double)logp[i][t], tokens++;
        }
    }
    *loss = tokens > 0 ? sum / tokens : 0;
    *kl = all > 0 ? further / all : 0;
    return true;
}

static void describe_side(arena *a, comparison *c, int side, const answering_options *o, const taste *judge) {
    str *texts = arena_array(a, str, c->count);
    int distinct, all;
    for (int i = 0; i < c->count; i++) {
        const given_answer *g = &c->answers[side][i];
        texts[i] = g->text;
        c->words[side] += (double)text_words(g->text) / c->count;
        c->cut[side] += judged(g, o).cut;
        c->reward[side] += g->reward / c->count;
        if (judge) c->score[side] += judge->score(judged(g, o)) / c->count;
    }
    texts_trigrams(texts, c->count, &distinct, &all);
    c->distinct[side] = all > 0 ? (double)distinct / all : 1;
}

static void count_verdicts(comparison *c, const answering_options *o, const taste *judge) {
    c->wins = c->losses = c->ties = 0;
    for (int i = 0; i < c->count && (judge || c->reward_model); i++) {
        const given_answer *g[2] = {&c->answers[0][i], &c->answers[1][i]};
        const double before = judge ? judge->score(judged(g[0], o)) : g[0]->reward,
                     after = judge ? judge->score(judged(g[1], o)) : g[1]->reward;
        c->verdict[i] = after > before ? 1 : after < before ? -1 : 0;
        c->wins += c->verdict[i] > 0;
        c->losses += c->verdict[i] < 0;
        c->ties += c->verdict[i] == 0;
    }
    const int decided = c->wins + c->losses;
    c->rate = decided ? (double)c->wins / decided : 0.5;
    wilson_interval(c->wins, decided, 0.95, &c->low, &c->high);
}

bool comparison_answer(arena *a, const comparison_how *how, const subject *who, int side, comparison *out, err *e) {
    static const char *const words[2] = {"before: answering", "after: answering"};
    out->answers[side] = arena_array(a, given_answer, out->count);
    const answering_order x = {who, how->compute, out->prompts, out->count, 1, how->answering, how->quiet ? NULL : words[side],
                               NULL};
    if (!answer_prompts(a, &x, out->answers[side], e) ||
        !start_loss(a, how->start, how->compute, out->answers[side], out->count, &out->start_loss[side], &out->kl[side], e))
        return false;
    if (how->reward && !reward_answers(a, how->reward, &x, out->answers[side], e)) return false;
    describe_side(a, out, side, how->answering, how->judge);
    return true;
}

void comparison_count(arena *a, const comparison_how *how, comparison *c) {
    c->verdict = arena_array(a, int, c->count);
    c->reward_model = how->reward ? how->reward->spec : NULL;
    count_verdicts(c, how->answering, how->judge);
}

bool comparison_run(arena *a, const comparison_how *how, const subject *before, const subject *after, const char **prompts,
                    int count, comparison *out, err *e) {
    *out = (comparison){.prompts = prompts, .count = count};
    if (!comparison_answer(a, how, before, 0, out, e) || !comparison_answer(a, how, after, 1, out, e)) return false;
    comparison_count(a, how, out);
    return true;
}

static bool rate(arena *a, endpoint *judge, str guidelines, const char *prompt, str answer, double *out, err *e) {
    static const char *const words[] = {"1, not at all", "2, hardly", "3, in part", "4, mostly", "5, fully"};
    const judge_case c = {guidelines, STR("How well does the answer follow the guidelines?"), str_of(prompt)};
    str options[5];
    double p[5];
    int worded = 0;
    for (int i = 0; i < 5; i++) options[i] = str_of(words[i]);
    if (!judge_options(judge, a, &c, answer.len ? answer : STR("(nothing)"), options, 5, p, &worded, e)) return false;
    *out = 0;
    for (int i = 0; i < 5; i++) *out += (i + 1) * p[i];
    return true;
}

bool comparison_judge(arena *a, comparison *c, endpoint *judge, str guidelines, err *e) {
    for (int k = 0; k < 2; k++) {
        c->reward[k] = 0;
        for (int i = 0; i < c->count; i++) {
            given_answer *g = &c->answers[k][i];
            if (!rate(a, judge, guidelines, c->prompts[i], g->text, &g->reward, e)) return false;
            c->reward[k] += g->reward / c->count;
        }
    }
    c->reward_model = arena_text(a, endpoint_agent(judge));
    c->adherence = true;
    count_verdicts(c, NULL, NULL);
    return true;
}

const char *comparison_verdict(const comparison *c) {
    if (c->low > 0.5) return "clearly better";
    if (c->high < 0.5) return "clearly worse";
    return "no clear difference";
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------- */

/* One line of a text column: up to `width` characters, broken at a space where there is one. Returns bytes taken. */
static size_t take_line(str s, int width) {
    size_t at = 0, space = 0;
    int shown = 0;
    while (at < s.len && shown < width && s.ptr[at] != '\n') {
        if (s.ptr[at] == ' ') space = at;
        at++;
        while (at < s.len && ((unsigned char)s.ptr[at] & 0xC0) == 0x80) at++;
        shown++;
    }
    return at < s.len && s.ptr[at] != '\n' && s.ptr[at] != ' ' && space ? space : at;
}

static void two_columns(FILE *out, str left, str right, int width, int most_lines) {
    for (int line = 0; line < most_lines && (left.len || right.len); line++) {
        str piece[2];
        str *rest[2] = {&left, &right};
        for (int k = 0; k < 2; k++) {
            const size_t n = take_line(*rest[k], width);
            piece[k] = str_slice(*rest[k], 0, n);
            size_t skip = n;
            if (skip < rest[k]->len && (rest[k]->ptr[skip] == '\n' || rest[k]->ptr[skip] == ' ')) skip++;
            *rest[k] = str_slice(*rest[k], skip, rest[k]->len);
        }
        fprintf(out, "  %.*s%*s | %.*s\n", STR_ARG(piece[0]), width - (int)str_characters(piece[0]), "", STR_ARG(piece[1]));
    }
    if (left.len || right.len) fprintf(out, "  %-*s | %s\n", width, left.len ? "..." : "", right.len ? "..." : "");
}

void comparison_print(FILE *out, const comparison *c, const taste *judge, int shown) {
    const int width = (sys_terminal_columns(fileno(out)) - 5) / 2;
    const bool decides = judge || c->reward_model;
    for (int i = 0; i < c->count && i < shown; i++) {
        static const char *const marks[] = {"before preferred", "tie", "after preferred"};
        fprintf(out, "\n\"%s\"%s%s%s\n", c->prompts[i], decides ? "  [" : "", decides ? marks[c->verdict[i] + 1] : "",
                decides ? "]" : "");
        fprintf(out, "  %-*s | %s\n", width, "BEFORE", "AFTER");
        two_columns(out, c->answers[0][i].text, c->answers[1][i].text, width, 10);
    }
    fprintf(out, "\n%-38s %10s %10s\n", "", "before", "after");
    fprintf(out, "%-38s %10.1f %10.1f\n", "words per answer", c->words[0], c->words[1]);
    fprintf(out, "%-38s %10d %10d\n", "answers cut off at the limit", c->cut[0], c->cut[1]);
    if (judge && strcmp(judge->unit, "words") != 0)
        fprintf(out, "%s%-*s %10.2f %10.2f\n", judge->unit, 38 - (int)strlen(judge->unit), " per answer", fabs(c->score[0]),
                fabs(c->score[1]));
    fprintf(out, "%-38s %10.3f %10.3f   (%+.3f nat)\n", "start model's loss per token", c->start_loss[0], c->start_loss[1],
            c->start_loss[1] - c->start_loss[0]);
    fprintf(out, "%-38s %10.3f %10.3f   (x %.2f)\n", "distinct three-word runs", c->distinct[0], c->distinct[1],
            c->distinct[0] > 0 ? c->distinct[1] / c->distinct[0] : 0);
    if (c->reward_model)
        fprintf(out, "%-38s %10.3f %10.3f   (%+.3f)\n",
                c->adherence ? "adherence to the guidelines, 1 to 5" : "reward model's score", c->reward[0], c->reward[1],
                c->reward[1] - c->reward[0]);
    if (!decides) return;
    const int decided = c->wins + c->losses;
    fprintf(out, "\nAfter is preferred in %d of %d decided comparisons (%d ties): %.0f %%, 95 %% interval %.0f to %.0f %%: %s.\n",
            c->wins, decided, c->ties, 100 * c->rate, 100 * c->low, 100 * c->high, comparison_verdict(c));
    if (judge) fprintf(out, "A rule judged (\"%s\"), not a person.\n", judge->words);
    else fprintf(out, "A %s judged (%s), not a person.\n", c->adherence ? "model" : "reward model", c->reward_model);
}

void comparison_put_json(json_writer *w, const comparison *c, const taste *judge) {
    json_open(w, '{');
    if (judge || c->reward_model) {
        json_key(w, "judge"), json_put_cstr(w, judge ? judge->name : c->reward_model);
        json_key(w, "wins"), json_put_int(w, c->wins);
        json_key(w, "losses"), json_put_int(w, c->losses);
        json_key(w, "ties"), json_put_int(w, c->ties);
        json_key(w, "rate"), json_put_real(w, c->rate);
        json_key(w, "low"), json_put_real(w, c->low);
        json_key(w, "high"), json_put_real(w, c->high);
        json_key(w, "verdict"), json_put_cstr(w, comparison_verdict(c));
    }
    static const char *const sides[2] = {"before", "after"};
    for (int k = 0; k < 2; k++) {
        json_key(w, sides[k]), json_open(w, '{');
        json_key(w, "start_loss"), json_put_real(w, c->start_loss[k]);
        json_key(w, "kl"), json_put_real(w, c->kl[k]);
        json_key(w, "distinct_trigrams"), json_put_real(w, c->distinct[k]);
        json_key(w, "words"), json_put_real(w, c->words[k]);
        json_key(w, "cut"), json_put_int(w, c->cut[k]);
        json_key(w, "score"), json_put_real(w, c->score[k]);
        if (c->reward_model) json_key(w, "reward"), json_put_real(w, c->reward[k]);
        json_close(w);
    }
    json_key(w, "prompts"), json_open(w, '[');
    for (int i = 0; i < c->count; i++) {
        json_open(w, '{');
        json_key(w, "prompt"), json_put_cstr(w, c->prompts[i]);
        json_key(w, "before"), json_put_text(w, c->answers[0][i].text);
        json_key(w, "after"), json_put_text(w, c->answers[1][i].text);
        json_key(w, "verdict"), json_put_int(w, c->verdict[i]);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}
