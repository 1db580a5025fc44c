/* cmd_judge.c - fettle judge and fettle suggest: a model answers questions of a dataset, as suggestions. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/shelf.h"

typedef struct {
    const char *home, *model;
    opt_list question;
    double tie, per_minute, cost_prompt, cost_answer;
    int64_t tokens_most;
    bool again, json, quiet;
} judge_options;

#define AT(member) offsetof(judge_options, member)
static const opt table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"model", OPT_TEXT, AT(model), NULL, 0, 0, NULL,
     "who answers: a model by name, or URL#MODEL of a server that speaks OpenAI's API"},
    {"question", OPT_EACH, AT(question), NULL, 0, 0, NULL, "a question by name; again for more (unset: all that can be asked)"},
    {"again", OPT_BOOL, AT(again), "false", 0, 0, NULL, "also records that have a suggestion already"},
    {"tie", OPT_REAL, AT(tie), "0.05", 0, 0.5, NULL, "comparisons whose probability is so near to one half are ties"},
    {"per_minute", OPT_REAL, AT(per_minute), "0", 0, 1e6, NULL, "requests a minute (0: no limit)"},
    {"tokens_most", OPT_INT, AT(tokens_most), "0", 0, 1e15, NULL, "stop when so many tokens are used (0: no limit)"},
    {"cost_prompt", OPT_REAL, AT(cost_prompt), "0", 0, 1e9, NULL, "price of a million tokens that are read"},
    {"cost_answer", OPT_REAL, AT(cost_answer), "0", 0, 1e9, NULL, "price of a million tokens that are written"},
    {"json", OPT_BOOL, AT(json), "false", 0, 0, NULL, "the job as JSON"},
    {"quiet", OPT_BOOL, AT(quiet), "false", 0, 0, NULL, "no progress"},
    OPT_END,
};
#undef AT

static bool run_judge(arena *a, int argc, char **argv, err *e);
static bool run_suggest(arena *a, int argc, char **argv, err *e);
const command command_judge = {
    "judge", "a model judges the answers of a dataset",
    "[WORKSPACE/]NAME --model MODEL [--question Q]\n\nComparison, rating and ranking questions, by the dataset's guidelines, in "
    "both orders; what it "
    "says are suggestions.\nThen: fettle export NAME --as pairs --suggestions, fettle train dpo --data that file.",
    table, run_judge};
const command command_suggest = {"suggest", "a model answers the questions of a dataset",
                                 "[WORKSPACE/]NAME --model MODEL [--question Q]\n\nText, label, rating, comparison and ranking "
                                 "questions; what it says are suggestions.",
                                 table, run_suggest};

static str body_of(arena *a, const judge_options *o) {
    buf out = {0};
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '{');
    json_key(&w, "model"), json_put_cstr(&w, o->model);
    if (o->question.count) {
        json_key(&w, "questions"), json_open(&w, '[');
        for (int i = 0; i < o->question.count; i++) json_put_cstr(&w, o->question.item[i]);
        json_close(&w);
    }
    json_key(&w, "again"), json_put_bool(&w, o->again);
    json_key(&w, "tie"), json_put_real(&w, o->tie);
    json_key(&w, "per_minute"), json_put_real(&w, o->per_minute);
    json_key(&w, "tokens_most"), json_put_int(&w, o->tokens_most);
    json_key(&w, "cost_prompt"), json_put_real(&w, o->cost_prompt);
    json_key(&w, "cost_answer"), json_put_real(&w, o->cost_answer);
    json_close(&w);
    const str text = {arena_copy(a, out.ptr, out.len), out.len};
    buf_free(&out);
    return text;
}

static void print_result(const json *r) {
    static const struct {
        const char *key, *words;
    } lines[] = {{"there_already", "had one already (--again asks them too)"},
                 {"nothing_to_ask", "had nothing to ask about"},
                 {"empty_or_cut_off", "answers were empty or cut off at the limit, and are left out"},
                 {"changed_meanwhile", "changed meanwhile"},
                 {"failed", "failed"},
                 {"read_from_words", "choices were read from words: the server tells no log-probabilities"}};
    printf("%lld suggestions by %.*s on %lld records\n", (long long)json_get_int(r, "suggested", 0),
           STR_ARG(desk_text(r, "agent")), (long long)json_get_int(r, "records", 0));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const int64_t n = json_get_int(r, lines[i].key, 0);
        if (n) printf("%lld %s\n", (long long)n, lines[i].words);
    }
    if (desk_text(r, "first_failure").len) printf("the first failure: %.*s\n", STR_ARG(desk_text(r, "first_failure")));
    printf("%lld requests, %lld tokens read, %lld written, cost %.4g\n", (long long)json_get_int(r, "requests", 0),
           (long long)json_get_int(r, "prompt_tokens", 0), (long long)json_get_int(r, "answer_tokens", 0),
           json_get_real(r, "cost", 0));
}

static bool work(arena *a, desk *d, const judge_options *o, const char *name, const char *what, err *e) {
    const json *set;
    json *job;
    if (!shelf_dataset(a, d, name, &set, e)) return false;
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/%s", STR_ARG(desk_text(set, "id")), what);
    if (!desk_ask(a, d, "POST", path, body_of(a, o), &job, e) || !desk_wait(a, d, job, what, o->quiet || o->json, &job, e))
        return false;
    if (o->json) desk_print(job);
    else print_result(json_get(job, "result"));
    return true;
}

static bool ask(arena *a, const command *c, int argc, char **argv, err *e) {
    judge_options o;
    int rest;
    bool help;
    desk d;
    if (!arguments_read(a, c, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1 || !o.model)
        return err_set(e, ERR_USAGE, "fettle %s DATASET --model MODEL: name a dataset and a model", c->name);
    if (!desk_open(a, o.home, &d, e)) return false;
    const bool ok = work(a, &d, &o, argv[0], c->name, e);
    desk_close(&d);
    return ok;
}

static bool run_judge(arena *a, int argc, char **argv, err *e) { return ask(a, &command_judge, argc, argv, e); }
static bool run_suggest(arena *a, int argc, char **argv, err *e) { return ask(a, &command_suggest, argc, argv, e); }
