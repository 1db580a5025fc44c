/* recipe_label.c - answers that were called good or bad, thumbs up or down. "good" and "bad" list the labels that say so. */
#include "data/kind.h"
#include "data/recipe_kind.h"

static const char good_names[] =
    "good|yes|up|thumbs_up|accept|accepted|correct|right|helpful|pass|like|ok|okay|true|keep|safe|\xf0\x9f\x91\x8d";
static const char bad_names[] = "bad|no|down|thumbs_down|reject|rejected|incorrect|wrong|unhelpful|not_helpful|fail|dislike|"
                                "false|drop|unsafe|\xf0\x9f\x91\x8e";

static json *options_like(arena *a, const json *question, const char *names) {
    const json *options = json_get(json_get(question, "settings"), "options");
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(options); i++) {
        json *value = json_get(json_at(options, i), "value");
        if (name_is_like(a, json_text(value, STR("")), names) ||
            name_is_like(a, json_get_text(json_at(options, i), "text", STR("")), names))
            json_append(out, value);
    }
    return out;
}

/* A label question that knows no good or bad (a topic, a language) judges no answer. */
static bool guess(arena *a, const json *fields, const json *question, json *mapping, json *ask) {
    json *good = options_like(a, question, good_names), *bad = options_like(a, question, bad_names);
    if (!json_count(good) && !json_count(bad)) return false;
    json_set(mapping, "good", good);
    json_set(mapping, "bad", bad);
    guess_answer(a, fields, mapping, ask, "Which field is judged?");
    return true;
}

static bool check_labels(const recipe *r, const char *role, err *e) {
    const json *list = json_get(r->mapping, role), *settings = json_get(r->question, "settings");
    if (list && json_kind_of(list) != JSON_ARRAY) return key_wrong(r->mapping, role, "a list of labels", e);
    for (size_t i = 0; i < json_count(list); i++)
        if (!check_label(settings, json_at(list, i), "a label", e)) return err_prefix(e, "'%s'", role);
    return true;
}

static bool ready(const recipe *r, err *e) {
    if (!check_labels(r, "good", e) || !check_labels(r, "bad", e)) return false;
    if (!json_count(json_get(r->mapping, "good")) && !json_count(json_get(r->mapping, "bad")))
        return err_set(e, ERR_INPUT, "which labels mean a good answer, which a bad one? list them as 'good' and 'bad'");
    return r->answer || r->messages || err_set(e, ERR_INPUT, "no field is what is judged: name it as 'answer'");
}

static bool among(const recipe *r, const char *role, const json *value) {
    const json *list = json_get(r->mapping, role);
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_at(list, i), value)) return true;
    return false;
}

static void convert(kitchen *k, const voice *v) {
    const bool good = among(k->r, "good", v->value), bad = among(k->r, "bad", v->value);
    const example_part answer = k->r->answer ? field_answer(k, k->r->answer) : k->ending;
    if (good == bad) return leave(k, LEFT_NO_LABEL);
    if (k->as == TARGET_LABELLED) give_labelled(k, v, answer, good);
    else if (good) give_sft(k, v, answer);
    else leave(k, LEFT_NOT_GOOD);
}

const recipe_kind recipe_label = {
    .name = "label",
    .question_types = {"label_selection", NULL},
    .words = "answers called good or bad",
    .never = {[TARGET_PAIRS] = "a label judges one answer; a pair needs two answers to one prompt, one better"},
    .unify = "majority",
    .guess = guess,
    .ready = ready,
    .convert = convert,
};
