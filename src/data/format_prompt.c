/* format_prompt.c - prompts alone, for what answers them itself (PPO, GRPO, generation). Other columns stay in the example's raw row,
 * where reward functions find them. Rows that are texts are prompts when the format is named: prompt:FILE. */
#include "data/format.h"

static guess look(const json *row) {
    static const char *const answers[] = {"completion", "completions", "chosen", "rejected"};
    if (!is_part(row, "prompt")) return NOT_MINE;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (json_get(row, answers[i])) return NOT_MINE;
    return (guess){LIKELY_PERHAPS, EXAMPLE_PROMPT};
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)a, (void)nth;
    out->kind = EXAMPLE_PROMPT;
    if (json_kind_of(row) != JSON_STRING) return field_part(row, "prompt", &out->prompt, e);
    out->prompt = part_text(json_text(row, STR("")));
    return true;
}

static const char *const columns[] = {"prompt", NULL};
const format format_prompt = {
    "prompt", columns, look, NULL, convert, "a prompt to answer (a text, or a list of messages)", "{\"prompt\": \"The sky is\"}",
};
