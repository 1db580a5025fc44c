/* recipe_text.c - a text that people wrote or edited is an answer to imitate; what it replaced is worse. */
#include <math.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

/* A remark about an answer is no answer. */
static bool is_remark(arena *a, str name) {
    return name_is_like(a, name, "comment*|reason*|note*|feedback*|explanation*|explain*|why*|rationale*|justification*|remark*");
}

static bool guess(arena *a, const json *fields, const json *question, json *mapping, json *ask) {
    (void)ask;
    if (is_remark(a, json_get_text(question, "name", STR("")))) return false;
    json *answers = answer_fields(a, fields);
    if (json_count(answers) == 1) json_set(mapping, "answer", json_at(answers, 0)); /* what is edited, if anything */
    return true;
}

static bool ready(const recipe *r, err *e) {
    (void)r, (void)e;
    return true;
}

/* What the annotator had before them: a field, the end of the conversation, or a model's suggestion. */
static example_part edited(const kitchen *k) {
    const json *list = json_get(k->record, "suggestions"), *id = json_get(k->r->question, "id");
    if (k->r->answer) return field_answer(k, k->r->answer);
    if (k->r->messages && k->ending.type) return k->ending;
    for (size_t i = 0; i < json_count(list); i++) {
        const json *one = json_at(list, i), *its = json_get(one, "question_id");
        if (its ? json_equal(its, id) : json_equal(json_get(one, "question_name"), json_get(k->r->question, "name")))
            return text_answer(k, json_get_text(one, "value", STR("")));
    }
    return (example_part){0};
}

static void convert(kitchen *k, const voice *v) {
    const example_part answer = text_answer(k, json_text(v->value, STR("")));
    if (k->as == TARGET_SFT) give_sft(k, v, answer);
    if (k->as == TARGET_PAIRS) give_pair(k, v, answer, edited(k), NAN);
}

const recipe_kind recipe_text = {
    .name = "text",
    .question_types = {"text", NULL},
    .words = "written or edited answers",
    .never = {[TARGET_LABELLED] = "a written answer is one to imitate; nobody says of an answer that it is good or bad"},
    .unify = "all",
    .guess = guess,
    .ready = ready,
    .convert = convert,
};
