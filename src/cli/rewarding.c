/* rewarding.c - answers to rewards (contract: rewarding.h). */
#include "cli/rewarding.h"

bool reward_model_open(subjects *all, const char *spec, subject *out, err *e) {
    if (!subject_open(all, spec, out, e)) return false;
    return model_label_count(out->model, out->adapter) > 0 ||
           err_set(e, ERR_USAGE, "%s is no reward model: it has no score head ('fettle train reward' makes one)", spec);
}

/* Prompt and answer as ids of the judge. */
static bool judged_tokens(arena *a, const model *m, const char *prompt, str text, const answering_options *o, const int32_t **ids,
                          int *count, err *e) {
    if (!o->raw) return dialogue_tokens(a, m, prompt, text, o, ids, count, e);
    const int eos = m->tokenizer ? tokenizer_eos(m->tokenizer) : -1;
    const str whole = str_join(a, str_of(prompt), text), end = eos < 0 ? STR("") : tokenizer_token(m->tokenizer, eos);
    return prompt_tokens(a, m, str_ends(whole, end) ? whole : str_join(a, whole, end), o, ids, count, e);
}

bool reward_answers(arena *a, const subject *judge, const answering_order *x, given_answer *answers, err *e) {
    const int total = x->count * x->each;
    const int32_t **ids = arena_array(a, const int32_t *, total + 1);
    int *length = arena_array(a, int, total + 1);
    float *reward = arena_array(a, float, total + 1);
    for (int i = 0; i < total; i++)
        if (!judged_tokens(a, judge->model, x->prompts[i / x->each], answers[i].text, x->how, &ids[i], &length[i], e))
            return false;
    if (!model_rewards(judge->model, judge->adapter, x->compute, ids, length, total, reward, e)) return false;
    for (int i = 0; i < total; i++) answers[i].reward = (double)reward[i];
    return true;
}

void reward_order(const double *reward, int count, int *order) {
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && reward[order[at - 1]] < reward[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}
