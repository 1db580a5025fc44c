/* recipe_ranking.c - answers in order: the best to imitate, every strict pair to prefer. "answers" maps options to fields. */
#include <math.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

static json *options_of(const json *question) { return json_get(json_get(question, "settings"), "options"); }

/* Options are fields' names, or stand in the order of the fields that look like answers. */
static bool guess(arena *a, const json *fields, const json *question, json *mapping, json *ask) {
    const json *options = options_of(question);
    json *answers = json_new_object(a), *found = answer_fields(a, fields);
    bool named = true;
    for (size_t i = 0; i < json_count(options); i++) {
        const str value = json_get_text(json_at(options, i), "value", STR(""));
        json *field = member_named(fields, value);
        named = named && field;
        json_set(answers, str_copy(a, value), field ? json_get(field, "name") : json_at(found, i));
    }
    if (named || json_count(found) == json_count(options)) json_set(mapping, "answers", answers);
    else ask_for(a, ask, "answers", all_field_names(a, fields, NULL), "Which field does every option of the ranking stand for?");
    return true;
}

static const char *field_of(const recipe *r, str option) {
    const json *field = value_of(json_get(r->mapping, "answers"), option);
    return field ? json_text(field, STR("")).ptr : NULL;
}

static bool ready(const recipe *r, err *e) {
    const json *options = options_of(r->question);
    for (size_t i = 0; i < json_count(options); i++) {
        const str value = json_get_text(json_at(options, i), "value", STR(""));
        const char *field = field_of(r, value);
        if (!field || !member_named(r->fields, str_of(field)))
            return err_set(e, ERR_INPUT, "'answers' should map every option of the ranking to a field, but '%.*s' has none",
                           STR_ARG(value));
    }
    return true;
}

static double rank_of(const json *item) { return json_get_real(item, "rank", INFINITY); }

static example_part answer_of(const kitchen *k, const json *item) {
    const char *field = field_of(k->r, json_get_text(item, "value", STR("")));
    return field ? field_answer(k, field) : (example_part){0};
}

static void give_best(kitchen *k, const voice *v) {
    double best = INFINITY, worst = -INFINITY;
    for (size_t i = 0; i < json_count(v->value); i++) {
        best = fmin(best, rank_of(json_at(v->value, i)));
        worst = fmax(worst, rank_of(json_at(v->value, i)));
    }
    if (!(best < worst)) return leave(k, LEFT_NO_DIFFERENCE);
    for (size_t i = 0; i < json_count(v->value); i++)
        if (rank_of(json_at(v->value, i)) == best) give_sft(k, v, answer_of(k, json_at(v->value, i)));
}

static void convert(kitchen *k, const voice *v) {
    const size_t n = json_count(v->value), before = k->out->count;
    if (k->as == TARGET_SFT) return give_best(k, v);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const json *x = json_at(v->value, i), *y = json_at(v->value, j);
            if (rank_of(x) < rank_of(y)) give_pair(k, v, answer_of(k, x), answer_of(k, y), NAN);
        }
    if (k->out->count == before && k->why == LEFT_NOTHING) leave(k, LEFT_NO_DIFFERENCE);
}

static double mean_rank(const json *const *values, size_t n, str option) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < json_count(values[i]); k++) {
            const json *item = json_at(values[i], k);
            if (!str_eq(json_get_text(item, "value", STR("")), option)) continue;
            sum += rank_of(item);
            count++;
        }
    return count > 0 ? sum / count : INFINITY;
}

static json *mean(arena *a, const recipe *r, const json *const *values, size_t n) {
    const json *options = options_of(r->question);
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(options); i++) {
        json *item = json_new_object(a), *value = json_get(json_at(options, i), "value");
        const double rank = mean_rank(values, n, json_text(value, STR("")));
        json_set(item, "value", value);
        if (isfinite(rank)) json_set(item, "rank", json_new_real(a, rank));
        json_append(out, item);
    }
    return out;
}

const recipe_kind recipe_ranking = {
    .name = "ranking",
    .question_types = {"ranking", NULL},
    .words = "answers put in order, best of several",
    .never = {[TARGET_LABELLED] = "a ranking says which answer is better, not whether one is good"},
    .unify = "mean",
    .guess = guess,
    .ready = ready,
    .convert = convert,
    .mean = mean,
};
