/* answers.c - what a person or a model says about a record: responses and suggestions as a whole. */
#include <math.h>
#include <string.h>

#include "data/kind.h"

enum { AGENT_MAX = 200 };

/* ---- responses --------------------------------------------------------------------------------------------------------------------- */

static bool check_answer(const json *questions, const char *name, const json *answer, const value_context *c, err *e) {
    const json *question = member_named(questions, str_of(name));
    if (!question) return err_set(e, ERR_INPUT, "the dataset has no question '%s'", name);
    if (json_kind_of(answer) != JSON_OBJECT || !json_has(answer, "value"))
        return err_set(e, ERR_INPUT, "question '%s': an answer should be an object {\"value\": ...}, but is %s", name,
                       json_kind_of(answer) == JSON_OBJECT ? "one without 'value'" : value_words(answer));
    return question_check(question, json_get(answer, "value"), c, e);
}

static bool all_required_answered(const json *questions, const json *values, err *e) {
    for (size_t i = 0; i < json_count(questions); i++) {
        const json *question = json_at(questions, i);
        const str name = json_get_text(question, "name", STR(""));
        if (json_get_bool(question, "required", false) && !value_of(values, name))
            return err_set(e, ERR_INPUT, "the required question '%.*s' has no answer; save a draft until it has", STR_ARG(name));
    }
    return true;
}

static bool check_status(const json *questions, const json *values, str status, bool bulk, err *e) {
    const bool submitted = str_is(status, "submitted"), draft = str_is(status, "draft");
    if (!submitted && !draft && !str_is(status, "discarded"))
        return err_set(e, ERR_INPUT, "'status' should be draft, submitted or discarded, but is '%.*s'", STR_ARG(status));
    if (values && !body_is_object(values, "'values'", e)) return false;
    if (draft && bulk && !values) return err_set(e, ERR_INPUT, "'values' should be an object in a draft, but is missing or null");
    if (submitted && !json_count(values)) return err_set(e, ERR_INPUT, "a submitted response should have values, but has none");
    return !submitted || all_required_answered(questions, values, e);
}

bool response_check(const json *questions, const json *record_fields, const json *values, str status, bool bulk, err *e) {
    const value_context c = {str_is(status, "submitted"), record_fields};
    if (!check_status(questions, values, status, bulk, e)) return false;
    for (json_member m = {0}; json_next(values, &m);)
        if (!check_answer(questions, m.key, m.value, &c, e)) return false;
    return true;
}

/* ---- suggestions ------------------------------------------------------------------------------------------------------------------- */

static json *question_of(const json *questions, const json *suggestion, err *e) {
    const json *id = json_get(suggestion, "question_id"), *name = json_get(suggestion, "question_name");
    for (size_t i = 0; id && i < json_count(questions); i++)
        if (json_equal(json_get(json_at(questions, i), "id"), id)) return json_at(questions, i);
    if (id) return err_null(e, ERR_INPUT, "'question_id' names no question of the dataset: %s", value_words(id));
    json *found = name ? member_named(questions, json_text(name, STR(""))) : NULL;
    if (!found) key_wrong(suggestion, name ? "question_name" : "question_id", "a question of the dataset", e);
    return found;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

static bool check_agent(const json *suggestion, err *e) {
    static const char expected[] =
        "null, or 1 to 200 characters of a-z, A-Z, 0-9, -_:./ and spaces with a letter or digit among them";
    const json *v = json_get(suggestion, "agent");
    const str agent = json_text(v, STR(""));
    bool seen = false;
    if (!v) return true;
    if (json_kind_of(v) != JSON_STRING || agent.len > AGENT_MAX) return key_wrong(suggestion, "agent", expected, e);
    for (size_t i = 0; i < agent.len; i++) {
        const char c = agent.ptr[i];
        const bool space = c == ' ' || (c >= '\t' && c <= '\r');
        seen = seen || is_letter(c);
        if (!is_letter(c) && !space && !(c && strchr("-_:./", c))) return key_wrong(suggestion, "agent", expected, e);
    }
    return seen || key_wrong(suggestion, "agent", expected, e);
}

static bool check_type(const json *suggestion, err *e) {
    const json *v = json_get(suggestion, "type");
    const str type = json_text(v, STR(""));
    return !v || str_is(type, "model") || str_is(type, "human") || key_wrong(suggestion, "type", "null, 'model' or 'human'", e);
}

static bool is_share(const json *v) {
    const double n = json_real(v, NAN);
    return n >= 0 && n <= 1;
}

static bool check_score(const json *suggestion, err *e) {
    const json *score = json_get(suggestion, "score"), *value = json_get(suggestion, "value");
    const bool list = json_kind_of(value) == JSON_ARRAY;
    if (!score) return true;
    if (json_kind_of(score) != JSON_ARRAY) {
        if (!is_share(score)) return key_wrong(suggestion, "score", "null, a number from 0 to 1, or a list of them", e);
        return !list ||
               err_set(e, ERR_INPUT, "'score' should be a list as long as 'value' (%zu), but is one number", json_count(value));
    }
    if (!list) return err_set(e, ERR_INPUT, "'score' should be one number, as 'value' is no list");
    if (json_count(score) != json_count(value))
        return err_set(e, ERR_INPUT, "'score' should be as long as 'value' (%zu), but has %zu", json_count(value),
                       json_count(score));
    for (size_t i = 0; i < json_count(score); i++)
        if (!is_share(json_at(score, i)))
            return err_set(e, ERR_INPUT, "'score', place %zu should be a number from 0 to 1, but is %s", i + 1,
                           value_words(json_at(score, i)));
    return true;
}

bool suggestion_check(const json *questions, const json *record_fields, const json *suggestion, json **question, err *e) {
    const value_context c = {false, record_fields};
    if (question) *question = NULL;
    if (!body_is_object(suggestion, "a suggestion", e)) return false;
    json *found = question_of(questions, suggestion, e);
    if (!found) return false;
    if (question) *question = found;
    if (!question_check(found, json_get(suggestion, "value"), &c, e)) return false;
    return (check_type(suggestion, e) && check_agent(suggestion, e) && check_score(suggestion, e)) ||
           err_prefix(e, "suggestion for '%.*s'", STR_ARG(json_get_text(found, "name", STR("?"))));
}
