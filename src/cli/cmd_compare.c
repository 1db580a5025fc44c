/* cmd_compare.c - fettle compare BEFORE AFTER: the same prompts answered by both, side by side, with drift and, if a rule judges,
 * how often the second is preferred. Base and adapter share one copy of the base. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/comparison.h"

typedef struct {
    answering_options answering;
    const char *prompts, *judge, *start, *reward_model, *guidelines, *judge_model;
    int64_t show;
    bool json, quiet;
} compare_options;

static const opt options[] = {
    ANSWERING_ROWS,
    {"prompts", OPT_TEXT, offsetof(compare_options, prompts), NULL, 0, 0, NULL,
     "a file with one prompt a line (unset: the demo's 50 everyday questions)"},
    {"judge", OPT_CHOICE, offsetof(compare_options, judge), NULL, 0, 0, "shorter|prose|warmer|longer|guidelines",
     "a rule that says which answer it prefers; guidelines: a model says how well answers follow them"},
    {"guidelines", OPT_TEXT, offsetof(compare_options, guidelines), NULL, 0, 0, NULL, "judge guidelines: a file with them"},
    {"judge_model", OPT_TEXT, offsetof(compare_options, judge_model), NULL, 0, 0, NULL,
     "judge guidelines: a model, or URL#MODEL of a server that speaks OpenAI's API"},
    REWARD_MODEL_ROW(compare_options, reward_model),
    {"start", OPT_TEXT, offsetof(compare_options, start), NULL, 0, 0, NULL,
     "the model whose loss measures drift (unset: the base of BEFORE)"},
    {"show", OPT_INT, offsetof(compare_options, show), "5", 0, 1e6, NULL, "how many pairs of answers to print"},
    {"json", OPT_BOOL, offsetof(compare_options, json), "false", 0, 0, NULL, "everything as one JSON object"},
    {"quiet", OPT_BOOL, offsetof(compare_options, quiet), "false", 0, 0, NULL, "no progress"},
    OPT_END,
};

static bool judge_by_guidelines(arena *a, const compare_options *o, comparison *c, err *e) {
    str guidelines;
    if (!file_read(a, o->guidelines, 1 << 20, &guidelines, e)) return false;
    endpoint *judge = endpoint_open(&(endpoint_options){.spec = o->judge_model, .paths = true}, e);
    const bool ok = judge && comparison_judge(a, c, judge, guidelines, e);
    endpoint_close(judge);
    return ok;
}

static bool compare(arena *a, int argc, char **argv, err *e);

const command command_compare = {"compare", "put two models side by side on the same prompts", "BEFORE AFTER [options]", options,
                                 compare};

static bool compare(arena *a, int argc, char **argv, err *e) {
    compare_options o;
    int rest, count = 0;
    bool help;
    if (!arguments_read(a, &command_compare, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 2) return err_set(e, ERR_USAGE, "name two models: fettle compare BEFORE AFTER");
    const bool by_guidelines = o.judge && strcmp(o.judge, "guidelines") == 0;
    if (by_guidelines && (!o.guidelines || !o.judge_model || o.reward_model))
        return err_set(e, ERR_USAGE, "--judge guidelines wants --guidelines FILE and --judge-model MODEL, and no --reward-model");
    const taste *judge = o.judge && !by_guidelines ? taste_find(o.judge) : NULL;
    const char **prompts = (const char **)(judge ? judge->prompts : &demo_everyday)->held_out;
    if (o.prompts) {
        if (!prompts_read(a, o.prompts, &prompts, &count, e)) return false;
    } else count = DEMO_HELD_OUT;
    subjects all;
    subject before, after, start, reward;
    if (!subjects_begin(a, o.answering.dtype, &all, e) || !subject_open(&all, argv[0], &before, e) ||
        !subject_open(&all, argv[1], &after, e))
        return false;
    start = (subject){.spec = before.spec, .model = before.model};
    if (o.start && !subject_open(&all, o.start, &start, e)) return false;
    if (o.reward_model && !reward_model_open(&all, o.reward_model, &reward, e)) return false;
    comparison c;
    const comparison_how how = {.start = &start,
                                .reward = o.reward_model ? &reward : NULL,
                                .judge = judge,
                                .compute = all.options.compute,
                                .answering = &o.answering,
                                .quiet = o.quiet || o.json};
    if (!comparison_run(a, &how, &before, &after, prompts, count, &c, e) || (by_guidelines && !judge_by_guidelines(a, &o, &c, e)))
        return false;
    if (!o.json) {
        comparison_print(stdout, &c, judge, (int)o.show);
        return true;
    }
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    comparison_put_json(&w, &c, judge);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
    return true;
}
