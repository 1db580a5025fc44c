/* cmd_generate.c - fettle generate MODEL [PROMPT ...]: answers on stdout, streamed when there is one, together when there are many. */
#include "cli/command.h"

#include <stdio.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/rewarding.h"

typedef struct {
    answering_options answering;
    const char *file, *reward_model;
    int64_t each, best;
    bool json, ids;
} generate_options;

static const opt options[] = {
    ANSWERING_ROWS,
    {"file", OPT_TEXT, offsetof(generate_options, file), NULL, 0, 0, NULL,
     "prompts from a file, one a line ('-': standard input)"},
    {"each", OPT_INT, offsetof(generate_options, each), "1", 1, 64, NULL, "answers to every prompt"},
    REWARD_MODEL_ROW(generate_options, reward_model),
    {"best", OPT_INT, offsetof(generate_options, best), "0", 0, 64, NULL,
     "of the answers to a prompt only so many, the best by reward; 0: all"},
    {"json", OPT_BOOL, offsetof(generate_options, json), "false", 0, 0, NULL,
     "one JSON object a line: prompt, text, tokens, finish, logp, reward"},
    {"ids", OPT_BOOL, offsetof(generate_options, ids), "false", 0, 0, NULL, "with --json: the token ids too"},
    OPT_END,
};

/* Prompts: the arguments, then the lines of the file. */
static bool collect_prompts(arena *a, const generate_options *o, int argc, char **argv, const char ***out, int *count, err *e) {
    enum { MOST = 100000 };
    const char **list = arena_array(a, const char *, MOST);
    *count = 0;
    for (int i = 0; i < argc; i++) list[(*count)++] = argv[i];
    *out = list;
    if (!o->file)
        return *count > 0 || err_set(e, ERR_USAGE, "nothing to answer: give a prompt, or --file FILE (one prompt a line)");
    file_lines lines;
    if (!file_lines_open(&lines, o->file, 1 << 20, e)) return false;
    str line;
    bool ok = true;
    while (ok && file_lines_next(&lines, &line, e)) {
        if (!str_trim(line).len) continue;
        ok = *count < MOST || err_set(e, ERR_LIMIT, "%s has more than %d prompts", o->file, MOST);
        if (ok) list[(*count)++] = str_copy(a, line);
    }
    file_lines_close(&lines);
    return ok && !e->code && (*count > 0 || err_set(e, ERR_INPUT, "%s has no prompts", o->file));
}

static bool stream(void *self, str piece) {
    (void)self;
    fwrite(piece.ptr, 1, piece.len, stdout);
    return fflush(stdout) == 0;
}

static void put_answer(const generate_options *o, const char *prompt, const given_answer *g) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    json_open(&w, '{');
    json_key(&w, "prompt"), json_put_cstr(&w, prompt);
    json_key(&w, "text"), json_put_text(&w, g->text);
    json_key(&w, "prompt_tokens"), json_put_int(&w, g->prompt_count);
    json_key(&w, "tokens"), json_put_int(&w, g->count);
    json_key(&w, "finish"), json_put_cstr(&w, g->finish == FINISH_LENGTH || g->finish == FINISH_FULL ? "length" : "stop");
    json_key(&w, "logp"), json_put_real(&w, g->logp);
    if (o->reward_model) json_key(&w, "reward"), json_put_real(&w, g->reward);
    if (o->ids) {
        json_key(&w, "ids"), json_open(&w, '[');
        for (int i = 0; i < g->count; i++) json_put_int(&w, g->ids[i]);
        json_close(&w);
    }
    json_close(&w);
    buf_put_char(&line, '\n');
    fwrite(line.ptr, 1, line.len, stdout);
    buf_free(&line);
}

/* The answers to one prompt; with a judge the best first. */
static void show_answers(const generate_options *o, const char *prompt, const given_answer *answers) {
    int order[64], shown = o->best && o->best < o->each ? (int)o->best : (int)o->each;
    for (int k = 0; k < o->each; k++) order[k] = k;
    double reward[64];
    for (int k = 0; k < o->each; k++) reward[k] = answers[k].reward;
    if (o->reward_model) reward_order(reward, (int)o->each, order);
    for (int k = 0; k < shown; k++) {
        const given_answer *g = &answers[order[k]];
        if (o->json) put_answer(o, prompt, g);
        else if (o->reward_model) printf("> %s   [reward %.3f]\n%.*s\n\n", prompt, g->reward, STR_ARG(g->text));
        else printf("> %s\n%.*s\n\n", prompt, STR_ARG(g->text));
    }
}

static bool generate(arena *a, int argc, char **argv, err *e);

const command command_generate = {"generate", "answer prompts with a model",
                                  "MODEL [PROMPT ...] [--file FILE] [options]\n\n"
                                  "MODEL is a folder, a .gguf file, a name of the data folder, a run, or MODEL:ADAPTER.",
                                  options, generate};

static bool generate(arena *a, int argc, char **argv, err *e) {
    generate_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_generate, &o, argc, argv, &rest, &help, e) || help) return help;
    if (o.best && !o.reward_model) return err_set(e, ERR_USAGE, "--best wants a judge: --reward-model MODEL");
    if (rest < 1) return err_set(e, ERR_USAGE, "say which model: fettle generate MODEL PROMPT");
    const char **prompts;
    int count;
    if (!collect_prompts(a, &o, rest - 1, argv + 1, &prompts, &count, e)) return false;
    subjects all;
    subject s, judge;
    if (!subjects_begin(a, o.answering.dtype, &all, e) || !subject_open(&all, argv[0], &s, e)) return false;
    if (o.reward_model && !reward_model_open(&all, o.reward_model, &judge, e)) return false;
    const bool streamed = count * o.each == 1 && !o.json && !o.reward_model;
    given_answer *answers = arena_array(a, given_answer, count * o.each);
    const answering_order x = {&s,
                               all.options.compute,
                               prompts,
                               count,
                               (int)o.each,
                               &o.answering,
                               streamed ? NULL : "answering",
                               streamed ? stream : NULL};
    if (!answer_prompts(a, &x, answers, e) || (o.reward_model && !reward_answers(a, &judge, &x, answers, e))) return false;
    for (int i = 0; !streamed && i < count; i++) show_answers(&o, prompts[i], answers + i * o.each);
    if (streamed) putchar('\n');
    return true;
}
