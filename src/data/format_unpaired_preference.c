/* format_unpaired_preference.c - single answers with a verdict (KTO, BCO): prompt, completion, label; or, as LLaMA-Factory writes it,
 * a conversation and the label of its last message. */
#include "data/format.h"

#include <math.h>

static bool is_verdict(const json *row) {
    const int64_t n = json_int(json_get(row, "label"), -1);
    return is_flag(row, "label") || n == 0 || n == 1;
}

static guess look(const json *row) {
    const bool two = is_part(row, "prompt") && is_part(row, "completion") && is_verdict(row);
    const bool one = is_turns(row, "messages", "role") && is_flag(row, "label");
    return two || one ? (guess){LIKELY_SURELY, EXAMPLE_LABELLED} : NOT_MINE;
}

static bool probability(const json *row, double *out, err *e) {
    const json *given = json_get(row, "desirable_probability");
    *out = json_real(given, NAN);
    return !given || (*out >= 0 && *out <= 1) || field_wrong(row, "desirable_probability", "a number from 0 to 1", e);
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    json *messages;
    out->kind = EXAMPLE_LABELLED;
    if (!field_label(row, "label", &out->label, e) || !probability(row, &out->probability, e)) return false;
    if (!json_has(row, "prompt") && json_has(row, "messages"))
        return field_messages(row, "messages", &messages, e) &&
               messages_cut(a, messages, "messages", &out->prompt, &out->completion, e);
    if (!field_part(row, "prompt", &out->prompt, e) || !field_part(row, "completion", &out->completion, e)) return false;
    return out->completion.type == out->prompt.type || field_wrong(row, "completion", "of the same type as 'prompt'", e);
}

static const char *const columns[] = {"prompt", "completion", "messages", "label", "desirable_probability", NULL};
const format format_unpaired_preference = {
    "unpaired-preference",
    columns,
    look,
    NULL,
    convert,
    "a prompt and an answer that is good (true) or bad (false)",
    "{\"prompt\": \"The sky is\", \"completion\": \" blue.\", \"label\": true}",
};
