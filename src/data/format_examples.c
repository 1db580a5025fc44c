/* format_examples.c - what example_put_json writes: rows of TRL's types, of several kinds in one file. A run reads its own
 * examples.jsonl so; a person's file is never taken for it, only examples:PATH is. */
#include "data/format.h"

static const format *const types[] = {&format_stepwise_supervision,
                                      &format_unpaired_preference,
                                      &format_preference,
                                      &format_prompt_completion,
                                      &format_messages,
                                      &format_text,
                                      &format_prompt};

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i]->look(row).level != LIKELY_NOT) return types[i]->convert(a, row, nth, out, e);
    return err_set(e, ERR_INPUT, "expected a row of one of TRL's types");
}

static const char *const columns[] = {"text",   "messages", "prompt",    "completion",  "chosen", "rejected",
                                      "margin", "label",    "reference", "completions", "labels", "desirable_probability",
                                      "reward", NULL};
const format format_examples = {
    "examples",
    columns,
    NULL,
    NULL,
    convert,
    "what each row says; only when named (examples:FILE)",
    "{\"prompt\": \"2 + 2 =\", \"completion\": \" 4\"}",
};
