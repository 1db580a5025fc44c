/* cmd_rlaif.c - fettle rlaif: prompts to preference pairs that a model judged or revised, for every objective that learns from pairs.
 *
 * OUT.part has a line for each prompt that is done, also those that gave no pair; the same command goes on behind them. At the end the pairs
 * become OUT and OUT.part goes. */
#include <stdio.h>

#include "assist/assist.h"
#include "base/file.h"
#include "base/sys.h"
#include "cli/answering.h"
#include "cli/command.h"

typedef struct {
    const char *judge, *prompts, *guidelines, *out;
    double temperature, tie, per_minute, cost_prompt, cost_answer;
    int64_t max_new_tokens, seed, tokens_most;
    bool revise, quiet;
} rlaif_options;

#define AT(member) offsetof(rlaif_options, member)
static const opt table[] = {
    {"judge", OPT_TEXT, AT(judge), NULL, 0, 0, NULL, "who judges or revises: a model, or URL#MODEL (unset: MODEL itself)"},
    {"prompts", OPT_TEXT, AT(prompts), NULL, 0, 0, NULL, "a file with one prompt a line"},
    {"guidelines", OPT_TEXT, AT(guidelines), NULL, 0, 0, NULL, "a file with what a good answer is: the principles"},
    {"out", OPT_TEXT, AT(out), NULL, 0, 0, NULL, "file of pairs (JSON Lines)"},
    {"revise", OPT_BOOL, AT(revise), "false", 0, 0, NULL, "criticise and revise one answer, instead of judging two"},
    {"temperature", OPT_REAL, AT(temperature), "0.7", 0, 100, NULL, "randomness of the answers"},
    {"max_new_tokens", OPT_INT, AT(max_new_tokens), "256", 1, 1e6, NULL, "longest answer, in tokens; longer ones give no pair"},
    {"seed", OPT_INT, AT(seed), "1", 0, 1e9, NULL, "of the random numbers"},
    {"tie", OPT_REAL, AT(tie), "0.05", 0, 0.5, NULL, "probabilities so near to one half give no pair"},
    {"per_minute", OPT_REAL, AT(per_minute), "0", 0, 1e6, NULL, "requests of the judge a minute (0: no limit)"},
    {"tokens_most", OPT_INT, AT(tokens_most), "0", 0, 1e15, NULL, "stop when the judge used so many tokens (0: no limit)"},
    {"cost_prompt", OPT_REAL, AT(cost_prompt), "0", 0, 1e9, NULL, "price of a million tokens that the judge reads"},
    {"cost_answer", OPT_REAL, AT(cost_answer), "0", 0, 1e9, NULL, "price of a million tokens that the judge writes"},
    {"quiet", OPT_BOOL, AT(quiet), "false", 0, 0, NULL, "no progress"},
    OPT_END,
};
#undef AT

static bool rlaif(arena *a, int argc, char **argv, err *e);
const command command_rlaif = {"rlaif", "preference pairs that a model judged or revised",
                               "MODEL --prompts FILE --guidelines FILE --out FILE [--judge MODEL] [--revise]\n\nThen: fettle "
                               "train dpo MODEL --data FILE. The same "
                               "command goes on after a stop.",
                               table, rlaif};

/* How many prompts OUT.part has done; they must be these prompts. */
static bool read_done(arena *a, const char *path, const char **prompts, int count, int *done, err *e) {
    file_lines in;
    str line;
    *done = 0;
    if (!file_exists(path)) return true;
    if (!file_lines_open(&in, path, 1 << 26, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!row) err_prefix(e, "%s line %lld (remove that line to go on)", path, (long long)in.line);
        else if (*done >= count || !str_is(json_get_text(row, "prompt", STR("")), prompts[*done]))
            err_set(e, ERR_INPUT, "%s was begun with other prompts: remove it, or name another --out", path);
        if (e->code) break;
        ++*done;
    }
    file_lines_close(&in);
    return !e->code;
}

static bool append(int fd, const json *row, err *e) {
    buf line = {0};
    json_put(&line, row);
    buf_put_char(&line, '\n');
    const bool ok = file_append(fd, buf_str(&line), e);
    buf_free(&line);
    return ok;
}

static bool work(const rlaif_options *o, rlaif_order *r, const char *part, const char **prompts, int done, int count, err *e) {
    const int fd = file_append_open(part, e);
    bool ok = fd >= 0;
    int worded = 0;
    for (int i = done; i < count && ok; i++) {
        arena *a = arena_new();
        json *row;
        r->prompt = str_of(prompts[i]);
        r->seed = (uint64_t)o->seed * 1000003 + (uint64_t)i;
        ok = rlaif_row(a, r, &row, &worded, e) && append(fd, row, e);
        if (ok && !o->quiet) fprintf(stderr, "rlaif: %d of %d prompts\n", i + 1, count);
        arena_free(a);
    }
    if (fd >= 0) file_close(fd);
    if (worded) fprintf(stderr, "%d choices were read from words: the judge tells no log-probabilities\n", worded);
    return ok;
}

static bool finish(arena *a, const char *part, const char *out, err *e) {
    file_lines in;
    str line;
    buf rows = {0};
    int pairs = 0, left = 0;
    if (!file_lines_open(&in, part, 1 << 26, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        const json *row = json_parse(a, line, e);
        if (!row) break;
        if (json_has(row, "left_out")) left++;
        else buf_put_str(&rows, line), buf_put_char(&rows, '\n'), pairs++;
    }
    file_lines_close(&in);
    const bool ok = !e->code && file_write(out, buf_str(&rows), e);
    buf_free(&rows);
    if (ok) file_io.unlink(part);
    if (ok) printf("%d pairs in %s; %d prompts gave none\n", pairs, out, left);
    return ok;
}

static void print_use(endpoint *judge) {
    const endpoint_use u = endpoint_used(judge);
    printf("%s: %lld requests, %lld tokens read, %lld written, cost %.4g\n", endpoint_agent(judge), (long long)u.requests,
           (long long)u.prompt_tokens, (long long)u.answer_tokens, u.cost);
}

static bool with_endpoints(arena *a, const rlaif_options *o, const char *who, const char **prompts, int count, err *e) {
    const char *part = arena_printf(a, "%s.part", o->out);
    int done;
    rlaif_order r = {.temperature = o->temperature, .tie = o->tie, .max_tokens = (int)o->max_new_tokens, .revise = o->revise};
    endpoint_options of = {.spec = who, .paths = true};
    if (!file_read(a, o->guidelines, 1 << 20, &r.guidelines, e) || !read_done(a, part, prompts, count, &done, e)) return false;
    if (!(r.policy = endpoint_open(&of, e))) return false;
    of = (endpoint_options){.spec = o->judge ? o->judge : who,
                            .paths = true,
                            .per_minute = o->per_minute,
                            .tokens_most = o->tokens_most,
                            .cost_prompt = o->cost_prompt,
                            .cost_answer = o->cost_answer};
    r.judge = endpoint_open(&of, e);
    const bool ok = r.judge && work(o, &r, part, prompts, done, count, e) && finish(a, part, o->out, e);
    if (ok) print_use(r.judge);
    endpoint_close(r.judge);
    endpoint_close(r.policy);
    return ok;
}

static bool rlaif(arena *a, int argc, char **argv, err *e) {
    rlaif_options o;
    int rest, count = 0;
    bool help;
    const char **prompts;
    if (!arguments_read(a, &command_rlaif, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1 || !o.prompts || !o.guidelines || !o.out)
        return err_set(e, ERR_USAGE, "fettle rlaif MODEL --prompts FILE --guidelines FILE --out FILE");
    return prompts_read(a, o.prompts, &prompts, &count, e) && with_endpoints(a, &o, argv[0], prompts, count, e);
}
