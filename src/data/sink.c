/* sink.c - examples written as rows of TRL's types, and turned into other kinds. */
#include <math.h>

#include "data/format.h"

static void put_part(json_writer *w, const char *key, const example_part *p) {
    if (p->type == PART_ABSENT) return;
    json_key(w, key);
    if (p->type == PART_TEXT) json_put_text(w, p->text);
    else json_put_value(w, p->messages);
}

static void put_steps(json_writer *w, const example *x) {
    json_key(w, "completions");
    json_open(w, '[');
    for (int i = 0; i < x->steps; i++) json_put_text(w, x->completions[i]);
    json_close(w);
    json_key(w, "labels");
    json_open(w, '[');
    for (int i = 0; i < x->steps; i++) json_put_bool(w, x->labels[i]);
    json_close(w);
}

static void put_value(json_writer *w, const char *key, const json *v) {
    if (!v) return;
    json_key(w, key);
    json_put_value(w, v);
}

static void put_text(json_writer *w, const char *key, str text) {
    if (!text.len) return;
    json_key(w, key);
    json_put_text(w, text);
}

static void put_lineage(json_writer *w, const example *x) {
    put_text(w, "record", x->record);
    put_value(w, "responses", x->responses);
    put_value(w, "people", x->people);
    put_text(w, "by", x->by);
    put_text(w, "origin", x->origin);
    put_text(w, "licence", x->licence);
    put_text(w, "group", x->group);
}

static void put_unfinished(json_writer *w, const example *x) {
    bool some = false;
#define X(name, there, mark) some |= x->mark;
    EXAMPLE_ANSWERS(X)
#undef X
    if (!some) return;
    json_key(w, "unfinished");
    json_open(w, '[');
#define X(name, there, mark)                                                                                                     \
    if (x->mark) json_put_cstr(w, name);
    EXAMPLE_ANSWERS(X)
#undef X
    json_close(w);
}

static void put_number(json_writer *w, const char *key, double v) {
    if (isnan(v)) return;
    json_key(w, key);
    json_put_real(w, v);
}

void example_put_json(json_writer *w, const example *x) {
    json_open(w, '{');
    if (x->kind == EXAMPLE_TEXT) {
        json_key(w, "text");
        json_put_text(w, x->text);
    }
    put_value(w, "messages", x->messages);
    put_part(w, "prompt", &x->prompt);
    put_part(w, "completion", &x->completion);
    put_part(w, "chosen", &x->chosen);
    put_part(w, "rejected", &x->rejected);
    put_part(w, "reference", &x->reference);
    if (x->kind == EXAMPLE_STEPWISE) put_steps(w, x);
    if (x->kind == EXAMPLE_LABELLED) {
        json_key(w, "label");
        json_put_bool(w, x->label);
    }
    put_unfinished(w, x);
    put_number(w, "margin", x->margin);
    put_number(w, "reward", x->reward);
    put_number(w, "desirable_probability", x->probability);
    put_value(w, "tools", x->tools);
    put_value(w, "chat_template_kwargs", x->template_kwargs);
    put_lineage(w, x);
    json_close(w);
}

/* ---- as another kind ------------------------------------------------------------------------------------------------------------ */

static convert_result never(const example *x, example_kind to, const char *why, err *e) {
    err_set(e, ERR_INPUT, "%s rows cannot become %s rows: %s", example_kind_name(x->kind), example_kind_name(to), why);
    return CONVERT_FAILED;
}

/* The answer to imitate, PART_ABSENT when there is none. */
static example_part answer_of(const example *x) {
    if (x->kind == EXAMPLE_PREFERENCE) return x->chosen;
    if (x->kind == EXAMPLE_LABELLED && !x->label) return (example_part){0};
    return x->completion;
}

static void append_part(arena *a, json *messages, const example_part *p, const char *role) {
    if (p->type == PART_TEXT) json_append(messages, message_new(a, role, p->text));
    for (size_t i = 0; i < json_count(p->messages); i++) json_append(messages, json_at(p->messages, i));
}

static example without_parts(const example *x, example_kind to) {
    example out = *x;
    const example_part none = {0};
    out.kind = to;
    out.text = (str){0};
    out.messages = NULL;
    out.prompt = out.completion = out.chosen = out.rejected = out.reference = none;
    out.prompt_implicit = out.label = out.unfinished = false;
    out.margin = out.reward = out.probability = NAN;
    out.completions = NULL;
    out.labels = NULL;
    out.steps = 0;
    return out;
}

static convert_result to_messages(arena *a, const example *x, example *out, err *e) {
    const example_part answer = answer_of(x);
    *out = without_parts(x, EXAMPLE_MESSAGES);
    if (x->kind == EXAMPLE_LABELLED && !x->label) return CONVERT_LEFT_OUT;
    if (!answer.type) return never(x, EXAMPLE_MESSAGES, "they hold no answer to a prompt", e);
    out->messages = json_new_array(a);
    append_part(a, out->messages, &x->prompt, "user");
    append_part(a, out->messages, &answer, "assistant");
    out->unfinished = answer.unfinished;
    return CONVERT_DONE;
}

static convert_result to_prompt_completion(arena *a, const example *x, example *out, err *e) {
    *out = without_parts(x, EXAMPLE_PROMPT_COMPLETION);
    if (x->kind == EXAMPLE_MESSAGES) {
        if (!messages_cut(a, x->messages, "messages", &out->prompt, &out->completion, e)) return CONVERT_FAILED;
        out->completion.unfinished = x->unfinished;
        return CONVERT_DONE;
    }
    if (x->kind == EXAMPLE_LABELLED && !x->label) return CONVERT_LEFT_OUT;
    out->prompt = x->prompt;
    out->completion = answer_of(x);
    return out->completion.type ? CONVERT_DONE : never(x, out->kind, "they hold no answer to a prompt", e);
}

static convert_result to_prompt(arena *a, const example *x, example *out, err *e) {
    *out = without_parts(x, EXAMPLE_PROMPT);
    example_part answer;
    if (x->kind == EXAMPLE_TEXT) return never(x, EXAMPLE_PROMPT, "where the prompt ends is not said", e);
    if (x->kind == EXAMPLE_MESSAGES)
        return messages_cut(a, x->messages, "messages", &out->prompt, &answer, e) ? CONVERT_DONE : CONVERT_FAILED;
    out->prompt = x->prompt;
    return CONVERT_DONE;
}

convert_result example_convert(arena *a, const example *x, example_kind to, example *out, err *e) {
    if (x->kind == to) return *out = *x, CONVERT_DONE;
    if (to == EXAMPLE_MESSAGES) return to_messages(a, x, out, e);
    if (to == EXAMPLE_PROMPT_COMPLETION) return to_prompt_completion(a, x, out, e);
    if (to == EXAMPLE_PROMPT) return to_prompt(a, x, out, e);
    return never(x, to, "they do not say what these need", e);
}
