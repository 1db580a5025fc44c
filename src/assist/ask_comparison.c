/* ask_comparison.c - which of two answers is better. Strength, where it is asked for: 1 up to a probability of 0.75, 2 up to 0.9, then 3. */
#include <math.h>

#include "assist/ask.h"

static json *verdict(const ask_order *o, double p) {
    json *v = json_new_object(o->a);
    const bool tie = fabs(p - 0.5) < o->tie;
    const double sure = fmax(p, 1 - p);
    json_set(v, "choice", json_new_text(o->a, tie ? STR("tie") : p > 0.5 ? STR("a") : STR("b")));
    if (!tie && json_get_bool(json_get(o->question, "settings"), "strength", false))
        json_set(v, "strength", json_new_int(o->a, sure > 0.9 ? 3 : sure > 0.75 ? 2 : 1));
    return v;
}

static bool ask(const ask_order *o, ask_answer *out, err *e) {
    judge_verdict v;
    const str names[2] = {json_get_text(o->mapping, "answer_a", STR("")), json_get_text(o->mapping, "answer_b", STR(""))};
    if (!names[0].len || !names[1].len)
        return err_set(e, ERR_INPUT, "which fields '%.*s' compares is not known: say it with fettle dataset map",
                       STR_ARG(json_get_text(o->question, "name", STR("?"))));
    const str a = ask_field(o, names[0]), b = ask_field(o, names[1]);
    const judge_case c = {o->guidelines, ask_words(o), ask_context(o, names, 2)};
    if (!a.len || !b.len) return true;
    if (!judge_pair(o->p, o->a, &c, a, b, &v, &out->worded, e)) return false;
    out->value = verdict(o, v.p);
    out->score = json_new_real(o->a, fmax(v.p, 1 - v.p));
    return true;
}

const ask_kind ask_kind_comparison = {"comparison", true, ask};
