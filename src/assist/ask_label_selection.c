/* ask_label_selection.c - the likeliest label of a record. */
#include "assist/ask.h"

static bool ask(const ask_order *o, ask_answer *out, err *e) {
    str options[JUDGE_OPTIONS_MOST];
    double p[JUDGE_OPTIONS_MOST];
    int n;
    const judge_case c = {o->guidelines, ask_words(o), ask_context(o, NULL, 0)};
    if (!c.context.len) return true;
    if (!ask_option_texts(o, options, &n, e) || !judge_options(o->p, o->a, &c, STR(""), options, n, p, &out->worded, e))
        return false;
    const int best = ask_likeliest(p, n);
    out->value = json_get(json_at(ask_options(o), (size_t)best), "value");
    out->score = json_new_real(o->a, p[best]);
    return true;
}

const ask_kind ask_kind_label_selection = {"label_selection", false, ask};
