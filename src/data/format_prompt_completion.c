/* format_prompt_completion.c - a prompt and its answer, both texts or both lists of messages. */
#include "data/format.h"

#include <math.h>

static guess look(const json *row) {
    if (!is_part(row, "prompt") || !is_part(row, "completion")) return NOT_MINE;
    return (guess){json_get(row, "label") ? LIKELY_PERHAPS : LIKELY, EXAMPLE_PROMPT_COMPLETION};
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    const json *reward = json_get(row, "reward");
    (void)a, (void)nth;
    out->reward = json_real(reward, NAN);
    if (reward && isnan(out->reward)) return field_wrong(row, "reward", "a number", e);
    out->kind = EXAMPLE_PROMPT_COMPLETION;
    if (!field_part(row, "prompt", &out->prompt, e) || !field_part(row, "completion", &out->completion, e)) return false;
    return out->completion.type == out->prompt.type || field_wrong(row, "completion", "of the same type as 'prompt'", e);
}

static const char *const columns[] = {"prompt", "completion", "reward", NULL};
const format format_prompt_completion = {
    "prompt-completion",
    columns,
    look,
    NULL,
    convert,
    "a prompt and the answer to imitate (texts, or lists of messages)",
    "{\"prompt\": \"The sky is\", \"completion\": \" blue.\"}",
};
