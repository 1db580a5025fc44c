/* rlaif.c - see rlaif.h. */
#include "assist/rlaif.h"

#include <math.h>

#include "base/message.h"

static const char cut_off[] = "an answer was cut off at the limit";

/* *out: its text; empty when it was cut off, or there was none. */
static bool say(endpoint *p, arena *a, const rlaif_order *o, str system, const char *user, double temperature, uint64_t seed,
                str *out, err *e) {
    const endpoint_order order = {
        .messages = messages_new(a, system, str_of(user)), .temperature = temperature, .max_tokens = o->max_tokens, .seed = seed};
    endpoint_answer said;
    if (!endpoint_chat(p, a, &order, &said, e)) return false;
    *out = str_is(str_of(said.finish), "stop") ? str_trim(said.text) : STR("");
    return true;
}

static void put(arena *a, json *row, const char *key, str text) { json_set(row, key, json_new_text(a, text)); }

static bool leave(arena *a, json *row, const char *why) {
    put(a, row, "left_out", str_of(why));
    return true;
}

static void put_pair(arena *a, const rlaif_order *o, json *row, str chosen, str rejected) {
    put(a, row, "chosen", chosen);
    put(a, row, "rejected", rejected);
    put(a, row, "judge", str_of(endpoint_agent(o->judge)));
}

static bool judged(arena *a, const rlaif_order *o, const str *answer, json *row, int *worded, err *e) {
    const judge_case c = {o->guidelines, STR(""), o->prompt};
    judge_verdict v;
    if (str_eq(answer[0], answer[1])) return leave(a, row, "both answers are the same");
    if (!judge_pair(o->judge, a, &c, answer[0], answer[1], &v, worded, e)) return false;
    if (fabs(v.p - 0.5) < o->tie) return leave(a, row, "a tie");
    const bool first = v.p > 0.5;
    put_pair(a, o, row, answer[!first], answer[first]);
    json_set(row, "probability_chosen", json_new_real(a, first ? v.p : 1 - v.p));
    return true;
}

static bool revised(arena *a, const rlaif_order *o, str draft, json *row, err *e) {
    const char *talk =
        arena_printf(a, "Prompt:\n<<<\n%.*s\n>>>\n\nAnswer:\n<<<\n%.*s\n>>>\n\n", STR_ARG(o->prompt), STR_ARG(draft));
    const str by = o->principle.len ? o->principle : o->guidelines;
    const str rules = str_of(arena_printf(a, "Guidelines for good answers:\n%.*s", STR_ARG(by)));
    str critique, better;
    if (!say(o->judge, a, o, rules, arena_printf(a, "%sSay where the answer does not follow the guidelines.", talk), 0, o->seed,
             &critique, e))
        return false;
    if (!critique.len) return leave(a, row, cut_off);
    const char *ask =
        arena_printf(a,
                     "%sCritique:\n<<<\n%.*s\n>>>\n\nWrite the answer again so that it follows the guidelines. Say the "
                     "new answer and nothing else.",
                     talk, STR_ARG(critique));
    if (!say(o->judge, a, o, rules, ask, 0, o->seed, &better, e)) return false;
    if (!better.len) return leave(a, row, cut_off);
    if (str_eq(better, draft)) return leave(a, row, "both answers are the same");
    put_pair(a, o, row, better, draft);
    put(a, row, "critique", critique);
    if (o->principle.len) put(a, row, "principle", o->principle);
    return true;
}

bool rlaif_row(arena *a, const rlaif_order *o, json **row, int *worded, err *e) {
    str answer[2];
    const char *prompt = str_copy(a, o->prompt);
    *row = json_new_object(a);
    put(a, *row, "prompt", o->prompt);
    for (int i = 0; i < 2 - o->revise; i++) {
        if (!say(o->policy, a, o, STR(""), prompt, o->temperature, o->seed * 2 + (uint64_t)i, &answer[i], e)) return false;
        if (!answer[i].len) return leave(a, *row, cut_off);
    }
    return o->revise ? revised(a, o, answer[0], *row, e) : judged(a, o, answer, *row, worded, e);
}
