/* cmd_generate.c - fettle generate MODEL [PROMPT ...]: answers on stdout, streamed when there is one, together when there are many. */
#include "cli/command.h"

#include <stdio.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/answering.h"

typedef struct {
    answering_options answering;
    const char *file;
    int64_t each;
    bool json, ids;
} generate_options;

static const opt options[] = {
    ANSWERING_ROWS,
    {"file", OPT_TEXT, offsetof(generate_options, file), NULL, 0, 0, NULL,
     "prompts from a file, one a line ('-': standard input)"},
    {"each", OPT_INT, offsetof(generate_options, each), "1", 1, 64, NULL, "answers to every prompt"},
    {"json", OPT_BOOL, offsetof(generate_options, json), "false", 0, 0, NULL,
     "one JSON object a line: prompt, text, tokens, finish, logp"},
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
    if (rest < 1) return err_set(e, ERR_USAGE, "say which model: fettle generate MODEL PROMPT");
    const char **prompts;
    int count;
    if (!collect_prompts(a, &o, rest - 1, argv + 1, &prompts, &count, e)) return false;
    subjects all;
    subject s;
    if (!subjects_begin(a, o.answering.dtype, &all, e) || !subject_open(&all, argv[0], &s, e)) return false;
    const bool streamed = count * o.each == 1 && !o.json;
    given_answer *answers = arena_array(a, given_answer, count * o.each);
    if (!answer_prompts(a, &s, all.options.compute, prompts, count, (int)o.each, &o.answering, streamed ? NULL : "answering",
                        streamed ? stream : NULL, answers, e))
        return false;
    for (int i = 0; i < count * o.each; i++) {
        if (o.json) put_answer(&o, prompts[i / o.each], &answers[i]);
        else if (!streamed) printf("> %s\n%.*s\n\n", prompts[i / o.each], STR_ARG(answers[i].text));
    }
    if (streamed) putchar('\n');
    return true;
}
