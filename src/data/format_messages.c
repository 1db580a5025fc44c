/* format_messages.c - conversations as OpenAI, ChatML and TRL write them: a list of {"role", "content"}, perhaps with tool_calls, and a
 * column `tools`. */
#include "data/format.h"

static guess look(const json *row) { return is_turns(row, "messages", "role") ? (guess){LIKELY, EXAMPLE_MESSAGES} : NOT_MINE; }

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)a, (void)nth;
    out->kind = EXAMPLE_MESSAGES;
    return field_messages(row, "messages", &out->messages, e);
}

static const char *const columns[] = {"messages", NULL};
const format format_messages = {
    "messages",
    columns,
    look,
    NULL,
    convert,
    "a conversation to imitate",
    "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Hello.\"}]}",
};
