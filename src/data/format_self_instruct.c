/* format_self_instruct.c - tasks of Self-Instruct: an instruction and instances, each with input and output. One example per
 * instance, worded as format_alpaca.c does. */
#include "data/format.h"

static guess look(const json *row) {
    const bool mine = is_text(row, "instruction") && is_turns(row, "instances", "output");
    return mine ? (guess){LIKELY_SURELY, EXAMPLE_PROMPT_COMPLETION} : NOT_MINE;
}

static int64_t count(const json *row) {
    const size_t instances = json_count(json_get(row, "instances"));
    return instances ? (int64_t)instances : 1; /* none: one, which says what is wrong */
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    const json *instances = json_get(row, "instances");
    if (!is_list(row, "instances") || !json_count(instances))
        return field_wrong(row, "instances", "a list of objects with 'input' and 'output', one or more", e);
    json *instance = json_at(instances, (size_t)nth), *task = json_new_object(a);
    if (json_kind_of(instance) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "field 'instances', instance %lld should be an object", (long long)nth + 1);
    if (json_has(row, "instruction")) json_set(task, "instruction", json_get(row, "instruction"));
    if (json_has(instance, "input")) json_set(task, "input", json_get(instance, "input"));
    if (json_has(instance, "output")) json_set(task, "output", json_get(instance, "output"));
    return format_alpaca.convert(a, task, 0, out, e) || err_prefix(e, "instance %lld", (long long)nth + 1);
}

static const char *const columns[] = {"instruction", "instances", NULL};
const format format_self_instruct = {
    "self-instruct",
    columns,
    look,
    count,
    convert,
    "a conversation per instance: the instruction (a blank line, the input), and the answer to imitate",
    "{\"instruction\": \"Name a colour.\", \"instances\": [{\"input\": \"\", \"output\": \"Blue\"}]}",
};
