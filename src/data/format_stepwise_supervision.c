/* format_stepwise_supervision.c - a prompt and the steps of an answer, each right or wrong (process reward models). */
#include "data/format.h"

static guess look(const json *row) {
    const bool mine = is_text(row, "prompt") && is_list(row, "completions") && is_list(row, "labels");
    return mine ? (guess){LIKELY_SURELY, EXAMPLE_STEPWISE} : NOT_MINE;
}

static bool step(const json *steps, const json *labels, size_t i, example *out, err *e) {
    const json *text = json_at(steps, i), *label = json_at(labels, i);
    const int64_t right = json_kind_of(label) == JSON_BOOL ? json_bool(label, false) : json_int(label, -1);
    if (json_kind_of(text) != JSON_STRING)
        return err_set(e, ERR_INPUT, "field 'completions', step %zu should be a text, but is %s", i + 1,
                       json_kind_name(json_kind_of(text)));
    if (right != 0 && right != 1)
        return err_set(e, ERR_INPUT, "field 'labels', step %zu should be true or false, but is %s", i + 1,
                       json_kind_name(json_kind_of(label)));
    out->completions[i] = json_text(text, STR(""));
    out->labels[i] = right == 1;
    return true;
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    const json *steps = json_get(row, "completions"), *labels = json_get(row, "labels");
    const size_t count = json_count(steps);
    out->kind = EXAMPLE_STEPWISE;
    out->prompt.type = PART_TEXT;
    if (!field_text(row, "prompt", &out->prompt.text, e)) return false;
    if (!is_list(row, "completions") || !count) return field_wrong(row, "completions", "a list of texts, one or more", e);
    if (!is_list(row, "labels")) return field_wrong(row, "labels", "a list of true and false", e);
    if (count != json_count(labels))
        return err_set(e, ERR_INPUT, "field 'labels' should have one label for each of %zu completions, but has %zu", count,
                       json_count(labels));
    out->completions = arena_array(a, str, count);
    out->labels = arena_array(a, bool, count);
    out->steps = (int)count;
    for (size_t i = 0; i < count; i++)
        if (!step(steps, labels, i, out, e)) return false;
    return true;
}

static const char *const columns[] = {"prompt", "completions", "labels", NULL};
const format format_stepwise_supervision = {
    "stepwise-supervision",
    columns,
    look,
    NULL,
    convert,
    "a prompt and the steps of an answer, each right or wrong",
    "{\"prompt\": \"2+3*4?\", \"completions\": [\"3*4 = 12\", \"2+12 = 15\"], \"labels\": [true, false]}",
};
