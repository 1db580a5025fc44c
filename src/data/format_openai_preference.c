/* format_openai_preference.c - pairs as OpenAI's preference fine-tuning takes them: {"input": {"messages", "tools"},
 * "preferred_output": [...], "non_preferred_output": [...]}. */
#include "data/format.h"

static guess look(const json *row) {
    const bool mine = is_turns(json_get(row, "input"), "messages", "role") && is_turns(row, "preferred_output", "role") &&
                      is_turns(row, "non_preferred_output", "role");
    return mine ? (guess){LIKELY_SURELY, EXAMPLE_PREFERENCE} : NOT_MINE;
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    const json *input = json_get(row, "input");
    out->kind = EXAMPLE_PREFERENCE;
    out->prompt.type = out->chosen.type = out->rejected.type = PART_MESSAGES;
    if (json_kind_of(input) != JSON_OBJECT) return field_wrong(row, "input", "an object with 'messages'", e);
    if (!field_messages(input, "messages", &out->prompt.messages, e) || !field_tools(a, input, "tools", &out->tools, e))
        return err_prefix(e, "in 'input'");
    return field_messages(row, "preferred_output", &out->chosen.messages, e) &&
           field_messages(row, "non_preferred_output", &out->rejected.messages, e);
}

static const char *const columns[] = {"input", "preferred_output", "non_preferred_output", NULL};
const format format_openai_preference = {
    "openai-preference",
    columns,
    look,
    NULL,
    convert,
    "a conversation, a better and a worse answer",
    "{\"input\": {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}, "
    "\"preferred_output\": [{\"role\": \"assistant\", \"content\": \"Hello.\"}], "
    "\"non_preferred_output\": [{\"role\": \"assistant\", \"content\": \"What.\"}]}",
};
