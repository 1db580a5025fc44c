/* format_preference.c - pairs: a better and a worse answer, with their prompt or with the prompt as the beginning of both (as in
 * Anthropic's HH-RLHF, "\n\nHuman: ...\n\nAssistant: ..."). TPO's third answer is `reference`.
 *
 * As TRL does: a prompt that is a text beside answers that are conversations (UltraFeedback) only repeats how these begin, so it is
 * set aside and the common beginning is taken. */
#include <math.h>

#include "data/format.h"

static guess look(const json *row) {
    const bool mine = is_part(row, "chosen") && is_part(row, "rejected");
    return mine ? (guess){LIKELY, EXAMPLE_PREFERENCE} : NOT_MINE;
}

static bool answers(const json *row, example *out, err *e) {
    if (!field_part(row, "chosen", &out->chosen, e) || !field_part(row, "rejected", &out->rejected, e)) return false;
    if (out->rejected.type != out->chosen.type) return field_wrong(row, "rejected", "of the same type as 'chosen'", e);
    if (!json_get(row, "reference")) return true;
    if (!field_part(row, "reference", &out->reference, e)) return false;
    return out->reference.type == out->chosen.type || field_wrong(row, "reference", "of the same type as 'chosen'", e);
}

static bool prompt(arena *a, const json *row, example *out, err *e) {
    json *given = json_get(row, "prompt");
    const bool nothing_said = json_kind_of(given) == JSON_ARRAY && !json_count(given); /* what two such answers have in common */
    if (nothing_said && out->chosen.type == PART_MESSAGES) return out->prompt = part_messages(given), true;
    if (given && !field_part(row, "prompt", &out->prompt, e)) return false;
    if (given && out->prompt.type == out->chosen.type) return true;
    if (given && out->chosen.type == PART_TEXT)
        return err_set(e, ERR_INPUT, "field 'chosen' should be a list of messages, as 'prompt' is, but is a text");
    if (out->reference.type) return field_wrong(row, "prompt", "there for rows with a 'reference', of its type", e);
    out->prompt = (example_part){0};
    example_take_prompt(a, out);
    return true;
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    out->kind = EXAMPLE_PREFERENCE;
    const json *margin = json_get(row, "margin");
    out->margin = json_real(margin, NAN);
    if (margin && isnan(out->margin)) return field_wrong(row, "margin", "a number", e);
    return answers(row, out, e) && prompt(a, row, out, e);
}

static const char *const columns[] = {"prompt", "chosen", "rejected", "reference", "margin", NULL};
const format format_preference = {
    "preference",
    columns,
    look,
    NULL,
    convert,
    "a prompt, a better and a worse answer; without 'prompt' it is how both answers begin",
    "{\"prompt\": \"The sky is\", \"chosen\": \" blue.\", \"rejected\": \" green.\"}",
};
