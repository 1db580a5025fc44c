/* ask_multi_label_selection.c - the labels of a record that fit: each is asked about by itself, yes or no. */
#include "assist/ask.h"

static bool fits(const ask_order *o, str context, str label, double *p, int *worded, err *e) {
    static const str options[] = {{"Yes", 3}, {"No", 2}};
    const str words = ask_words(o);
    const char *question = arena_printf(o->a, "%.*s\nDoes this label fit: %.*s?", STR_ARG(words), STR_ARG(label));
    const judge_case c = {o->guidelines, str_of(question), context};
    double prob[2];
    if (!judge_options(o->p, o->a, &c, STR(""), options, 2, prob, worded, e)) return false;
    *p = prob[0];
    return true;
}

/* No label fits: none is said, as an answer without labels is no answer to such a question. */
static bool ask(const ask_order *o, ask_answer *out, err *e) {
    str labels[JUDGE_OPTIONS_MOST];
    json *value = json_new_array(o->a), *score = json_new_array(o->a);
    int n;
    const str context = ask_context(o, NULL, 0);
    if (!context.len) return true;
    if (!ask_option_texts(o, labels, &n, e)) return false;
    for (int i = 0; i < n; i++) {
        double p;
        if (!fits(o, context, labels[i], &p, &out->worded, e)) return false;
        if (p < 0.5) continue;
        json_append(value, json_share(o->a, json_get(json_at(ask_options(o), (size_t)i), "value")));
        json_append(score, json_new_real(o->a, p));
    }
    if (!json_count(value)) return true;
    out->value = value;
    out->score = score;
    return true;
}

const ask_kind ask_kind_multi_label_selection = {"multi_label_selection", false, ask};
