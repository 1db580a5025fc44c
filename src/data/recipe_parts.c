/* recipe_parts.c - prompts and answers built from a record's fields, and the examples they become, with their lineage. */
#include <math.h>

#include "data/format.h"
#include "data/kind.h"
#include "data/recipe_kind.h"

/* ---- texts -------------------------------------------------------------------------------------------------------------------------- */

static const json *field_value(const kitchen *k, const char *field) {
    return field ? value_of(json_get(k->record, "fields"), str_of(field)) : NULL;
}

static bool is_blank(str s) { return !str_trim(s).len; }

/* The text of a field; numbers as their digits; empty when there is none. */
static str field_words(const kitchen *k, const char *field) {
    const json *v = field_value(k, field);
    const json_kind kind = json_kind_of(v);
    if (kind == JSON_STRING) return json_text(v, STR(""));
    if (kind != JSON_INT && kind != JSON_REAL) return STR("");
    buf digits = {0};
    json_put(&digits, v);
    const str out = {str_copy(k->a, buf_str(&digits)), digits.len};
    buf_free(&digits);
    return out;
}

static str with_blank_line(arena *a, str first, str second) {
    if (is_blank(second)) return first;
    if (is_blank(first)) return second;
    return str_join(a, first, str_join(a, STR("\n\n"), second));
}

static bool wants_text(const kitchen *k) { return str_is(str_of(k->r->o.form), "text"); }

/* ---- prompts ------------------------------------------------------------------------------------------------------------------------ */

static bool role_is(const json *message, const char *role) { return str_is(json_get_text(message, "role", STR("")), role); }

/* The conversation list[0..n) behind the system's words, unless it has some of its own. */
static bool conversation(kitchen *k, const json *list, size_t n) {
    const str system = field_words(k, k->r->system);
    json *out = json_new_array(k->a);
    if (!is_blank(system) && !role_is(json_at(list, 0), "system")) json_append(out, message_new(k->a, "system", system));
    for (size_t i = 0; i < n; i++) json_append(out, json_at(list, i));
    k->prompt = part_messages(out);
    return n > 0;
}

/* Metadata "unfinished" names the fields whose answers the limit cut off. */
static bool is_unfinished(const kitchen *k, const char *field) {
    const json *names = json_get(json_get(k->record, "metadata"), "unfinished");
    bool found = str_is(json_text(names, STR("")), field);
    for (size_t i = 0; i < json_count(names); i++) found |= str_is(json_text(json_at(names, i), STR("")), field);
    return found;
}

/* Role messages: the last answer is taken off. */
static bool split_conversation(kitchen *k, const char *field) {
    const json *list = field_value(k, field);
    const size_t n = json_count(list);
    const bool answered = n && role_is(json_at(list, n - 1), "assistant");
    if (answered) k->ending = part_messages(messages_slice(k->a, list, n - 1, n));
    k->ending.unfinished = answered && is_unfinished(k, field);
    return json_kind_of(list) == JSON_ARRAY && conversation(k, list, answered ? n - 1 : n);
}

bool build_prompt(kitchen *k) {
    const json *given = field_value(k, k->r->prompt);
    k->ending = (example_part){0};
    if (k->r->messages) return split_conversation(k, k->r->messages);
    if (json_kind_of(given) == JSON_ARRAY) return conversation(k, given, json_count(given));
    const str words = field_words(k, k->r->prompt), prompt = with_blank_line(k->a, words, field_words(k, k->r->context));
    if (is_blank(words)) return false;
    if (wants_text(k)) return k->prompt = part_text(with_blank_line(k->a, field_words(k, k->r->system), prompt)), true;
    return conversation(k, messages_one(k->a, message_new(k->a, "user", prompt)), 1);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

example_part text_answer(const kitchen *k, str text) {
    if (is_blank(text)) return (example_part){0};
    if (k->prompt.type == PART_TEXT) return part_text(text);
    return part_messages(messages_one(k->a, message_new(k->a, "assistant", text)));
}

/* Files of preferences often repeat the prompt at the head of each answer: the answer is what follows it. */
static json *behind_prompt(const kitchen *k, json *list) {
    const json *prompt = k->prompt.messages;
    const size_t from = role_is(json_at(prompt, 0), "system") && !role_is(json_at(list, 0), "system"),
                 n = json_count(prompt) - from;
    if (n >= json_count(list)) return list;
    for (size_t i = 0; i < n; i++)
        if (!json_equal(json_at(prompt, from + i), json_at(list, i))) return list;
    return messages_slice(k->a, list, n, json_count(list));
}

static example_part whole_answer(const kitchen *k, const char *field) {
    json *list = to_share(field_value(k, field));
    if (json_kind_of(list) != JSON_ARRAY) return text_answer(k, field_words(k, field));
    if (!json_count(list)) return (example_part){0};
    if (k->prompt.type == PART_MESSAGES) return part_messages(behind_prompt(k, list));
    return text_answer(k, json_get_text(json_at(list, json_count(list) - 1), "content", STR("")));
}

example_part field_answer(const kitchen *k, const char *field) {
    example_part part = whole_answer(k, field);
    part.unfinished = is_unfinished(k, field);
    return part;
}

/* ---- examples ----------------------------------------------------------------------------------------------------------------------- */

static example *new_example(kitchen *k) {
    example_list *l = k->out;
    if (l->count == l->capacity) {
        example *old = l->item;
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->item = arena_array(k->a, example, l->capacity);
        for (size_t i = 0; i < l->count; i++) l->item[i] = old[i];
    }
    return &l->item[l->count++];
}

example *dish(kitchen *k, example_kind kind, const voice *v) {
    const json *metadata = json_get(k->record, "metadata");
    example *x = new_example(k);
    *x = (example){.kind = kind, .prompt = k->prompt, .margin = NAN, .reward = NAN, .probability = NAN};
    x->record = json_get_text(k->record, "id", STR(""));
    x->licence = licence_text_of_record(k->record);
    x->origin = json_get_text(metadata, "source", (str){0});
    x->group = json_get_text(metadata, "group", (str){0});
    if (!v) return x;
    x->responses = v->responses;
    x->people = v->people;
    x->by = v->origin;
    return x;
}

void leave(kitchen *k, left_out why) { k->why = why; }

void give_sft(kitchen *k, const voice *v, example_part answer) {
    if (!answer.type) return leave(k, LEFT_NO_TEXT);
    example *x = dish(k, EXAMPLE_PROMPT_COMPLETION, v), whole;
    x->completion = answer;
    if (str_is(str_of(k->r->o.sft), "messages") && example_convert(k->a, x, EXAMPLE_MESSAGES, &whole, NULL) == CONVERT_DONE)
        *x = whole;
}

static bool same_part(const example_part *a, const example_part *b) {
    return a->type == b->type && str_eq(str_trim(a->text), str_trim(b->text)) && json_equal(a->messages, b->messages);
}

void give_pair(kitchen *k, const voice *v, example_part chosen, example_part rejected, double margin) {
    if (!chosen.type || !rejected.type) return leave(k, LEFT_NO_TEXT);
    if (same_part(&chosen, &rejected)) return leave(k, LEFT_NO_DIFFERENCE);
    example *x = dish(k, EXAMPLE_PREFERENCE, v);
    x->chosen = chosen;
    x->rejected = rejected;
    x->margin = margin;
}

void give_labelled(kitchen *k, const voice *v, example_part answer, bool good) {
    if (!answer.type) return leave(k, LEFT_NO_TEXT);
    example *x = dish(k, EXAMPLE_LABELLED, v);
    x->completion = answer;
    x->label = good;
}
