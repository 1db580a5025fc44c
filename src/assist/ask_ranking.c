/* ask_ranking.c - answers in the order of their worth, by comparing every two of them. */
#include "assist/ask.h"

enum { MOST = 10 }; /* 90 questions to the model */

static bool collect(const ask_order *o, str *names, str *answers, int n, err *e) {
    const json *of = json_get(o->mapping, "answers");
    for (int i = 0; i < n; i++) {
        const str value = json_get_text(json_at(ask_options(o), (size_t)i), "value", STR(""));
        names[i] = json_get_text(of, str_copy(o->a, value), STR(""));
        if (!names[i].len)
            return err_set(e, ERR_INPUT, "which field '%.*s' stands for is not known: say it with fettle dataset map",
                           STR_ARG(value));
        answers[i] = ask_field(o, names[i]);
    }
    return true;
}

static bool ask(const ask_order *o, ask_answer *out, err *e) {
    str names[MOST], answers[MOST];
    double worth[MOST];
    int place[MOST], n = (int)json_count(ask_options(o));
    if (n > MOST) return err_set(e, ERR_UNSUPPORTED, "a model ranks up to %d answers, these are %d", MOST, n);
    if (!collect(o, names, answers, n, e)) return false;
    for (int i = 0; i < n; i++)
        if (!answers[i].len) return true;
    const judge_case c = {o->guidelines, STR(""), ask_context(o, names, n)};
    if (!judge_rank(o->p, o->a, &c, answers, n, worth, place, &out->worded, e)) return false;
    out->value = json_new_array(o->a);
    out->score = json_new_array(o->a);
    for (int i = 0; i < n; i++) {
        json *one = json_new_object(o->a);
        json_set(one, "value", json_get(json_at(ask_options(o), (size_t)i), "value"));
        json_set(one, "rank", json_new_int(o->a, place[i]));
        json_append(out->value, one);
        json_append(out->score, json_new_real(o->a, worth[i]));
    }
    return true;
}

const ask_kind ask_kind_ranking = {"ranking", true, ask};
