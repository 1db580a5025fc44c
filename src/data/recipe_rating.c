/* recipe_rating.c - answers with a number: good ones to imitate, good and bad ones apart, higher over lower with the difference as margin.
 *
 * A rating question rates the field "answer" (or the end of the conversation). Where several questions rate several fields, "answers" maps each
 * question to its field. Pairs are made of answers to one prompt, in one record or in several. */
#include <math.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

static bool is_rating(const json *question) { return question_type_of(question) == &question_type_rating; }

static bool guess(arena *a, const json *fields, const json *question, json *mapping, json *ask) {
    json *answers = answer_fields(a, fields);
    const str name = json_get_text(question, "name", STR(""));
    for (size_t i = 0; i < json_count(answers); i++) /* "quality_answer_a" rates answer_a */
        if (str_find(name, json_text(json_at(answers, i), STR("")), 0) >= 0) {
            json_set(mapping, "answer", json_at(answers, i));
            return true;
        }
    guess_answer(a, fields, mapping, ask, "Which field is rated?");
    return true;
}

static bool ready(const recipe *r, err *e) {
    const json *answers = json_get(r->mapping, "answers");
    for (json_member m = {0}; json_next(answers, &m);) {
        const json *question = member_named(r->questions, str_of(m.key));
        if (!question || !is_rating(question) || !member_named(r->fields, json_text(m.value, STR(""))))
            return err_set(e, ERR_INPUT, "'answers' should map rating questions to fields, but '%s' -> %s does not", m.key,
                           value_words(m.value));
    }
    if (json_count(answers) || r->answer || r->messages) return true;
    return err_set(e, ERR_INPUT, "no field is what is rated: name it as 'answer'");
}

static void add(kitchen *k, rated_list *l, rated x) {
    if (l->count == l->capacity) {
        rated *old = l->item;
        l->capacity = l->capacity ? 2 * l->capacity : 4;
        l->item = arena_array(k->a, rated, l->capacity);
        for (size_t i = 0; i < l->count; i++) l->item[i] = old[i];
    }
    l->item[l->count++] = x;
}

static void collect_from(kitchen *k, const json *question, const char *field, rated_list *out) {
    voice *voices;
    left_out why;
    const size_t n = voices_of(k->a, k->r, k->record, question, &voices, &why);
    const example_part answer = field ? field_answer(k, field) : k->ending;
    if (!n) return leave(k, why);
    if (!answer.type) return leave(k, LEFT_NO_TEXT);
    for (size_t i = 0; i < n; i++)
        add(k, out, (rated){k->prompt, answer, k->record, voices[i], json_real(voices[i].value, NAN), STR("")});
}

static void collect(kitchen *k, rated_list *out) {
    const json *answers = json_get(k->r->mapping, "answers");
    if (!json_count(answers)) return collect_from(k, k->r->question, k->r->answer, out);
    for (json_member m = {0}; json_next(answers, &m);)
        collect_from(k, member_named(k->r->questions, str_of(m.key)), json_text(m.value, STR("")).ptr, out);
}

/* ---- pairs -------------------------------------------------------------------------------------------------------------------------- */

static json *both(arena *a, const json *x, const json *y) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(x); i++) json_append(out, json_at(x, i));
    for (size_t i = 0; i < json_count(y); i++) {
        bool there = false;
        for (size_t k = 0; k < json_count(out); k++) there = there || json_equal(json_at(out, k), json_at(y, i));
        if (!there) json_append(out, json_at(y, i));
    }
    return out;
}

static str both_texts(arena *a, str x, str y) {
    if (!y.len || str_eq(x, y)) return x;
    return x.len ? str_join(a, x, str_join(a, STR(","), y)) : y;
}

void pair_rated(kitchen *k, const rated *x, const rated *y) {
    const rated *better = x->rating > y->rating ? x : y, *worse = better == x ? y : x;
    const bool everyone = str_is(str_of(k->r->o.unify), "all"); /* then one person's numbers are compared with their own alone */
    if (!(better->rating > worse->rating) || (everyone && !json_equal(x->voice.people, y->voice.people))) return;
    const size_t before = k->out->count;
    voice v = better->voice;
    v.responses = both(k->a, better->voice.responses, worse->voice.responses);
    v.people = both(k->a, better->voice.people, worse->voice.people);
    v.origin = both_texts(k->a, better->voice.origin, worse->voice.origin);
    k->record = better->record;
    k->prompt = better->prompt;
    give_pair(k, &v, better->answer, worse->answer, better->rating - worse->rating);
    if (k->out->count == before || better->record == worse->record) return;
    example *pair = &k->out->item[before];
    pair->record = both_texts(k->a, pair->record, json_get_text(worse->record, "id", STR("")));
    pair->licence = both_texts(k->a, pair->licence, licence_text_of_record(worse->record));
}

static json *mean(arena *a, const recipe *r, const json *const *values, size_t n) {
    double sum = 0;
    (void)r;
    for (size_t i = 0; i < n; i++) sum += json_real(values[i], 0);
    return json_new_real(a, sum / (double)n);
}

const recipe_kind recipe_rating = {
    .name = "rating",
    .question_types = {"rating", NULL},
    .words = "answers with a number",
    .unify = "mean",
    .guess = guess,
    .ready = ready,
    .collect = collect,
    .mean = mean,
};
