/* recipe_ranking.c - answers in order: the best to imitate, every strict pair to prefer. "answers" maps options to fields.
 *
 * "edit" may name a text question: what the annotator made of the best. Where a record has such a text it is what to imitate, and it is
 * preferred to every one of the answers; their order among themselves then says less than it would unlearn, and gives nothing. */
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
    const json *edit = json_get(r->mapping, "edit"), *question = member_named(r->questions, json_text(edit, STR("")));
    return !edit || (question && question_type_of(question) == &question_type_text) ||
           err_set(e, ERR_INPUT, "'edit' should be the name of a text question, but is %s", value_words(edit));
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

static void give_over_all(kitchen *k, const voice *v, const voice *edit) {
    const example_part text = text_answer(k, json_text(edit->value, STR("")));
    if (k->as == TARGET_SFT) return give_sft(k, edit, text);
    for (size_t i = 0; i < json_count(v->value); i++) give_pair(k, edit, text, answer_of(k, json_at(v->value, i)), NAN);
}

/* False: nobody edited anything. */
static bool convert_edits(kitchen *k, const voice *v) {
    const json *question = member_named(k->r->questions, json_get_text(k->r->mapping, "edit", STR("")));
    voice *edits;
    left_out why;
    recipe each = *k->r;
    each.o.unify = "all"; /* two edits have no mean */
    const size_t n = question ? voices_of(k->a, &each, k->record, question, &edits, &why) : 0;
    bool some = false;
    for (size_t i = 0; i < n; i++) {
        if (!str_trim(json_text(edits[i].value, STR(""))).len) continue;
        give_over_all(k, v, &edits[i]);
        some = true;
    }
    return some;
}

static void convert(kitchen *k, const voice *v) {
    const size_t n = json_count(v->value), before = k->out->count;
    if (convert_edits(k, v)) return;
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
