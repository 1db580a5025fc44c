/* recipe_comparison.c - of two answers the better: the winner to imitate, winner over loser, how much better as margin. */
#include <math.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

static bool guess(arena *a, const json *fields, const json *question, json *mapping, json *ask) {
    static const char *const roles[] = {"answer_a", "answer_b"};
    const json *sides = json_get(json_get(question, "settings"), "fields");
    json *answers = answer_fields(a, fields);
    for (size_t i = 0; i < 2; i++) {
        if (sides) json_set(mapping, roles[i], json_at(sides, i));
        else if (json_count(answers) == 2) json_set(mapping, roles[i], json_at(answers, i));
        else
            ask_for(a, ask, roles[i], all_field_names(a, fields, NULL),
                    i ? "Which field is answer B?" : "Which field is answer A?");
    }
    return true;
}

static bool ready(const recipe *r, err *e) {
    if (!r->answer_a || !r->answer_b)
        return err_set(e, ERR_INPUT, "no field is %s: name it as '%s'", r->answer_a ? "answer B" : "answer A",
                       r->answer_a ? "answer_b" : "answer_a");
    return !str_eq(str_of(r->answer_a), str_of(r->answer_b)) ||
           err_set(e, ERR_INPUT, "'answer_a' and 'answer_b' should be two fields");
}

static void convert(kitchen *k, const voice *v) {
    const str choice = json_get_text(v->value, "choice", STR(""));
    const bool a = str_is(choice, "a"), b = str_is(choice, "b");
    if (!a && !b) return leave(k, k->as == TARGET_SFT && str_is(choice, "both_bad") ? LEFT_NOT_GOOD : LEFT_NO_DIFFERENCE);
    const example_part winner = field_answer(k, a ? k->r->answer_a : k->r->answer_b),
                       loser = field_answer(k, a ? k->r->answer_b : k->r->answer_a);
    if (k->as == TARGET_SFT) give_sft(k, v, winner);
    if (k->as == TARGET_PAIRS) give_pair(k, v, winner, loser, json_get_real(v->value, "strength", NAN));
}

/* How far A is ahead; without a strength a choice counts one. */
static json *mean(arena *a, const recipe *r, const json *const *values, size_t n) {
    double ahead = 0;
    json *out = json_new_object(a);
    for (size_t i = 0; i < n; i++) {
        const str choice = json_get_text(values[i], "choice", STR(""));
        const double strength = json_get_real(values[i], "strength", 1);
        ahead += str_is(choice, "a") ? strength : str_is(choice, "b") ? -strength : 0;
    }
    json_set(out, "choice", json_new_text(a, ahead > 0 ? STR("a") : ahead < 0 ? STR("b") : STR("tie")));
    if (ahead != 0 && json_get_bool(json_get(r->question, "settings"), "strength", false))
        json_set(out, "strength", json_new_real(a, fabs(ahead) / (double)n));
    return out;
}

const recipe_kind recipe_comparison = {
    .name = "comparison",
    .question_types = {"comparison", NULL},
    .words = "of two answers the better",
    .never = {[TARGET_LABELLED] = "a comparison says which answer is better, not whether one is good"},
    .unify = "majority",
    .guess = guess,
    .ready = ready,
    .convert = convert,
    .mean = mean,
};
