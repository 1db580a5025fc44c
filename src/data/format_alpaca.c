/* format_alpaca.c - instructions: instruction, input (may be empty), output; and their relatives: Dolly's context and response,
 * LLaMA-Factory's system, history, chosen/rejected and kto_tag.
 *
 * The user says the instruction, a blank line, and the input if there is one. `alpaca` makes conversations, which a model's chat
 * template frames; `alpaca-plain` makes plain texts for base models, the prompt ended by a blank line. */
#include "data/format.h"

static const char *input_key(const json *row) { return json_has(row, "input") ? "input" : "context"; }
static const char *output_key(const json *row) { return json_has(row, "output") ? "output" : "response"; }

static example_kind kind_of(const json *row) {
    if (is_text(row, "chosen") && is_text(row, "rejected")) return EXAMPLE_PREFERENCE;
    return is_flag(row, "kto_tag") || is_flag(row, "label") ? EXAMPLE_LABELLED : EXAMPLE_PROMPT_COMPLETION;
}

static guess look(const json *row) {
    if (!is_text(row, "instruction")) return NOT_MINE;
    const example_kind kind = kind_of(row);
    const bool answered = kind == EXAMPLE_PREFERENCE || is_text(row, output_key(row));
    const bool sure = kind == EXAMPLE_PREFERENCE && !json_get(row, "prompt"); /* the pair's prompt is the instruction */
    return answered ? (guess){sure ? LIKELY_SURELY : LIKELY, kind} : NOT_MINE;
}

/* instruction [blank line, input] */
static bool request(arena *a, const json *row, str *out, err *e) {
    str instruction, input;
    if (!field_text(row, "instruction", &instruction, e) || !field_text_if_any(row, input_key(row), &input, e)) return false;
    *out = instruction;
    if (!input.len) return true;
    buf text = {0};
    buf_put_str(&text, instruction);
    buf_put_text(&text, "\n\n");
    buf_put_str(&text, input);
    *out = (str){arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return true;
}

/* Earlier turns: [[question, answer], ...] */
static bool history(arena *a, const json *row, json *messages, err *e) {
    const json *turns = json_get(row, "history");
    if (turns && json_kind_of(turns) != JSON_ARRAY) return field_wrong(row, "history", "a list of [question, answer]", e);
    for (size_t i = 0; i < json_count(turns); i++) {
        json *turn = json_at(turns, i), *question = json_at(turn, 0), *answer = json_at(turn, 1);
        if (json_kind_of(question) != JSON_STRING || json_kind_of(answer) != JSON_STRING)
            return err_set(e, ERR_INPUT, "field 'history', turn %zu should be [question, answer], two texts", i + 1);
        json_append(messages, message_new(a, "user", json_text(question, STR(""))));
        json_append(messages, message_new(a, "assistant", json_text(answer, STR(""))));
    }
    return true;
}

static bool chat_prompt(arena *a, const json *row, example_part *out, err *e) {
    str asked, system;
    json *messages = json_new_array(a);
    if (!request(a, row, &asked, e) || !field_text_if_any(row, "system", &system, e)) return false;
    if (system.len) json_append(messages, message_new(a, "system", system));
    if (!history(a, row, messages, e)) return false;
    json_append(messages, message_new(a, "user", asked));
    *out = part_messages(messages);
    return true;
}

static bool plain_prompt(arena *a, const json *row, example_part *out, err *e) {
    str asked;
    if (json_get(row, "history") || json_get_text(row, "system", STR("")).len)
        return err_set(e, ERR_INPUT,
                       "a row with 'history' or 'system' is a conversation; use the format alpaca, not alpaca-plain");
    if (!request(a, row, &asked, e)) return false;
    char *text = arena_alloc(a, asked.len + 3);
    for (size_t i = 0; i < asked.len; i++) text[i] = asked.ptr[i];
    text[asked.len] = text[asked.len + 1] = '\n';
    *out = part_text((str){text, asked.len + 2});
    return true;
}

typedef bool make_prompt(arena *a, const json *row, example_part *out, err *e);

static bool answer(arena *a, const json *row, const char *key, bool chat, example_part *out, err *e) {
    str text;
    if (!field_text(row, key, &text, e)) return false;
    *out = chat ? part_messages(messages_one(a, message_new(a, "assistant", text))) : part_text(text);
    return true;
}

static bool convert_as(arena *a, const json *row, bool chat, example *out, err *e) {
    make_prompt *prompt = chat ? chat_prompt : plain_prompt;
    out->kind = kind_of(row);
    if (!prompt(a, row, &out->prompt, e)) return false;
    if (out->kind == EXAMPLE_PREFERENCE)
        return answer(a, row, "chosen", chat, &out->chosen, e) && answer(a, row, "rejected", chat, &out->rejected, e);
    if (out->kind == EXAMPLE_LABELLED) out->label = json_get_bool(row, is_flag(row, "kto_tag") ? "kto_tag" : "label", false);
    return answer(a, row, output_key(row), chat, &out->completion, e);
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    return convert_as(a, row, true, out, e);
}

static bool convert_plain(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    return convert_as(a, row, false, out, e);
}

static guess look_never(const json *row) { /* only by name */
    (void)row;
    return NOT_MINE;
}

static const char *const columns[] = {"instruction", "input",  "context",  "output",  "response", "system",
                                      "history",     "chosen", "rejected", "kto_tag", "label",    NULL};
const format format_alpaca = {
    "alpaca",
    columns,
    look,
    NULL,
    convert,
    "a conversation: the instruction (a blank line, the input), and the answer to imitate",
    "{\"instruction\": \"Translate into French.\", \"input\": \"Good day\", \"output\": \"Bonjour\"}",
};
const format format_alpaca_plain = {
    "alpaca-plain",
    columns,
    look_never,
    NULL,
    convert_plain,
    "the same as plain texts, for models without a chat template; only by name: alpaca-plain:FILE",
    "{\"instruction\": \"Translate into French.\", \"input\": \"Good day\", \"output\": \"Bonjour\"}",
};
