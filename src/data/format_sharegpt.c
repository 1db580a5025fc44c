/* format_sharegpt.c - conversations as ShareGPT, FastChat, Axolotl and LLaMA-Factory write them: a list of {"from", "value"}.
 *
 * Who spoke is told in many words (the table SPEAKERS); LLaMA-Factory adds calls of functions as JSON, a column `system`, and for
 * preferences single turns `chosen` and `rejected`, or a `label`. */
#include "data/format.h"

typedef enum { AS_SAID, AS_CALL } speech;

// clang-format off
/*    word              role         what its value is */
#define SPEAKERS(X)                           \
    X("human",          "user",      AS_SAID) \
    X("user",           "user",      AS_SAID) \
    X("prompter",       "user",      AS_SAID) \
    X("gpt",            "assistant", AS_SAID) \
    X("assistant",      "assistant", AS_SAID) \
    X("chatgpt",        "assistant", AS_SAID) \
    X("bing",           "assistant", AS_SAID) \
    X("bard",           "assistant", AS_SAID) \
    X("model",          "assistant", AS_SAID) \
    X("bot",            "assistant", AS_SAID) \
    X("system",         "system",    AS_SAID) \
    X("developer",      "developer", AS_SAID) \
    X("tool",           "tool",      AS_SAID) \
    X("function",       "tool",      AS_SAID) \
    X("observation",    "tool",      AS_SAID) \
    X("tool_response",  "tool",      AS_SAID) \
    X("function_call",  "assistant", AS_CALL) \
    X("tool_call",      "assistant", AS_CALL)
// clang-format on

typedef struct {
    const char *word, *role;
    speech kind;
} speaker;
static const speaker speakers[] = {
#define X(word, role, kind) {word, role, kind},
    SPEAKERS(X)
#undef X
};

static const speaker *speaker_of(str word) {
    for (size_t i = 0; i < sizeof speakers / sizeof *speakers; i++)
        if (str_is(word, speakers[i].word)) return &speakers[i];
    return NULL;
}

/* ---- turns to messages --------------------------------------------------------------------------------------------------------- */

/* {"name", "arguments"} as the call that chat templates know. */
static bool put_call(arena *a, json *calls, json *function, err *e) {
    if (!is_text(function, "name"))
        return err_set(e, ERR_INPUT, "a call of a function should be {\"name\": ..., \"arguments\": ...}, but is something else");
    json *call = json_new_object(a);
    json_set(call, "type", json_new_text(a, STR("function")));
    json_set(call, "function", function);
    json_append(calls, call);
    return true;
}

static bool put_calls(arena *a, json *message, str value, err *e) {
    json *calls = json_new_array(a), *given = json_parse(a, value, e);
    if (!given) return err_prefix(e, "a call of a function should be JSON");
    const bool many = json_kind_of(given) == JSON_ARRAY;
    for (size_t i = 0; i < (many ? json_count(given) : 1); i++)
        if (!put_call(a, calls, many ? json_at(given, i) : given, e)) return false;
    json_set(message, "tool_calls", calls);
    return true;
}

/* Turns that are messages already ("role", "content") pass as they are and are checked by the caller. */
static json *to_message(arena *a, json *turn, err *e) {
    if (!json_has(turn, "from")) return turn;
    str from, value;
    if (!field_text(turn, "from", &from, e) || !field_text(turn, "value", &value, e)) return NULL;
    const speaker *who = speaker_of(from);
    if (!who)
        return err_null(e, ERR_INPUT, "'from' is '%.*s'; known are human, gpt, system, tool, function_call, observation",
                        STR_ARG(from));
    json *message = message_new(a, who->role, who->kind == AS_SAID ? value : STR(""));
    return who->kind == AS_SAID || put_calls(a, message, value, e) ? message : NULL;
}

static bool put_turns(arena *a, const json *turns, const char *field, json *messages, err *e) {
    if (!json_count(turns)) return err_set(e, ERR_INPUT, "field '%s' should be a list of turns, but is an empty list", field);
    for (size_t i = 0; i < json_count(turns); i++) {
        json *turn = json_at(turns, i);
        if (json_kind_of(turn) != JSON_OBJECT)
            return err_set(e, ERR_INPUT, "field '%s', turn %zu should be an object with 'from' and 'value'", field, i + 1);
        json *message = to_message(a, turn, e);
        if (!message) return err_prefix(e, "field '%s', turn %zu", field, i + 1);
        json_append(messages, message);
    }
    return messages_check(messages, field, e);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------------- */

static const char *turns_key(const json *row) {
    if (json_has(row, "conversations")) return "conversations";
    return json_has(row, "conversation") ? "conversation" : "messages";
}

static bool is_answer(const json *row, const char *key) {
    return json_has(json_get(row, key), "from") || json_has(json_get(row, key), "role") || is_turns(row, key, "from") ||
           is_part(row, key);
}

static example_kind kind_of(const json *row) {
    if (json_get(row, "chosen") && json_get(row, "rejected")) return EXAMPLE_PREFERENCE;
    return is_flag(row, "label") ? EXAMPLE_LABELLED : EXAMPLE_MESSAGES;
}

static guess look(const json *row) {
    const char *key = turns_key(row);
    const example_kind kind = kind_of(row);
    if (!is_turns(row, key, "from") && (str_is(STR("messages"), key) || !is_turns(row, key, "role"))) return NOT_MINE;
    if (kind != EXAMPLE_PREFERENCE) return (guess){kind == EXAMPLE_LABELLED ? LIKELY_SURELY : LIKELY, kind};
    return is_answer(row, "chosen") && is_answer(row, "rejected") ? (guess){LIKELY_SURELY, kind}
                                                                  : (guess){LIKELY, EXAMPLE_MESSAGES};
}

static bool answer(arena *a, const json *row, const char *key, example_part *out, err *e) {
    json *v = json_get(row, key);
    *out = part_messages(json_new_array(a));
    if (json_kind_of(v) == JSON_STRING) v = message_new(a, "assistant", json_text(v, STR("")));
    if (json_kind_of(v) == JSON_OBJECT) v = messages_one(a, v);
    if (json_kind_of(v) != JSON_ARRAY)
        return field_wrong(row, key, "a turn ({\"from\", \"value\"}), a list of turns or a text", e);
    return put_turns(a, v, key, out->messages, e);
}

/* Function descriptions without the frame {"type": "function", "function": ...} get it. */
static bool tools(arena *a, const json *row, json **out, err *e) {
    json *given, *framed = json_new_array(a);
    if (!field_tools(a, row, "tools", &given, e)) return false;
    for (size_t i = 0; i < json_count(given); i++) {
        json *tool = json_at(given, i);
        if (is_text(tool, "name") && !json_has(tool, "function")) {
            json *frame = json_new_object(a);
            json_set(frame, "type", json_new_text(a, STR("function")));
            json_set(frame, "function", tool);
            tool = frame;
        }
        json_append(framed, tool);
    }
    *out = given ? framed : NULL;
    return true;
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    const char *key = turns_key(row);
    str system;
    json *messages = json_new_array(a);
    out->kind = kind_of(row);
    if (!is_list(row, key)) return field_wrong(row, key, "a list of turns ({\"from\", \"value\"})", e);
    if (!field_text_if_any(row, "system", &system, e)) return false;
    if (system.len) json_append(messages, message_new(a, "system", system));
    if (!put_turns(a, json_get(row, key), key, messages, e) || !tools(a, row, &out->tools, e)) return false;
    if (out->kind == EXAMPLE_LABELLED)
        return field_label(row, "label", &out->label, e) && messages_cut(a, messages, key, &out->prompt, &out->completion, e);
    if (out->kind == EXAMPLE_MESSAGES) return out->messages = messages, true;
    out->prompt = part_messages(messages);
    return answer(a, row, "chosen", &out->chosen, e) && answer(a, row, "rejected", &out->rejected, e);
}

static const char *const columns[] = {"conversations", "conversation", "messages", "system", "chosen", "rejected", "label", NULL};
const format format_sharegpt = {
    "sharegpt",
    columns,
    look,
    NULL,
    convert,
    "a conversation to imitate; with turns chosen and rejected a pair, with label a judged answer",
    "{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"gpt\", \"value\": \"Hello.\"}]}",
};
