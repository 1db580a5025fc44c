/* cmd_rlaif.c - fettle rlaif: prompts to preference pairs that a model judged or revised, for every objective that learns from pairs
 * (assist/rlaif.h). The same command goes on after a stop. */
#include <stdio.h>

#include "assist/assist.h"
#include "base/file.h"
#include "base/sys.h"
#include "cli/answering.h"
#include "cli/command.h"

typedef struct {
    const char *judge, *prompts, *guidelines, *constitution, *out;
    double temperature, tie, per_minute, cost_prompt, cost_answer;
    int64_t max_new_tokens, seed, tokens_most;
    bool revise, quiet;
} rlaif_options;

#define AT(member) offsetof(rlaif_options, member)
static const opt table[] = {
    {"judge", OPT_TEXT, AT(judge), NULL, 0, 0, NULL, "who judges or revises: a model, or URL#MODEL (unset: MODEL itself)"},
    {"prompts", OPT_TEXT, AT(prompts), NULL, 0, 0, NULL, "a file with one prompt a line"},
    {"guidelines", OPT_TEXT, AT(guidelines), NULL, 0, 0, NULL, "a file with what a good answer is: the principles"},
    {"constitution", OPT_TEXT, AT(constitution), NULL, 0, 0, NULL,
     "a file with one principle a line: each answer is criticised and revised by one that is drawn"},
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
const command command_rlaif = {
    "rlaif", "preference pairs that a model judged or revised",
    "MODEL --prompts FILE --guidelines FILE --out FILE [--judge MODEL] [--revise | --constitution FILE]\n\nThen: fettle "
    "train dpo --base MODEL --data FILE. The same "
    "command goes on after a stop.",
    table, rlaif};

static bool go_on(void *self, int done) {
    const rlaif_options *o = self;
    if (!o->quiet && done) fprintf(stderr, "rlaif: %d prompts done\n", done);
    return !sys_stop_requested();
}

static bool work(const rlaif_options *o, const rlaif_order *r, const rlaif_file *f, err *e) {
    rlaif_made made = {0};
    const bool ok = rlaif_run(r, f, &made, e);
    if (made.worded) fprintf(stderr, "%d choices were read from words: the judge tells no log-probabilities\n", made.worded);
    if (ok)
        printf("%lld pairs in %s; %lld prompts gave none%s%s\n", (long long)made.pairs, o->out, (long long)made.left_out,
               *made.why ? ": " : "", made.why);
    return ok;
}

static void print_use(endpoint *judge) {
    const endpoint_use u = endpoint_used(judge);
    printf("%s: %lld requests, %lld tokens read, %lld written, cost %.4g\n", endpoint_agent(judge), (long long)u.requests,
           (long long)u.prompt_tokens, (long long)u.answer_tokens, u.cost);
}

static bool with_endpoints(const rlaif_options *o, const char *who, rlaif_order *r, const rlaif_file *f, err *e) {
    endpoint_options of = {.spec = who, .paths = true};
    if (!(r->policy = endpoint_open(&of, e))) return false;
    of = (endpoint_options){.spec = o->judge ? o->judge : who,
                            .paths = true,
                            .per_minute = o->per_minute,
                            .tokens_most = o->tokens_most,
                            .cost_prompt = o->cost_prompt,
                            .cost_answer = o->cost_answer};
    r->judge = endpoint_open(&of, e);
    const bool ok = r->judge && work(o, r, f, e);
    if (ok) print_use(r->judge);
    endpoint_close(r->judge);
    endpoint_close(r->policy);
    return ok;
}

static bool with_files(arena *a, rlaif_options *o, const char *who, err *e) {
    rlaif_order r = {.temperature = o->temperature,
                     .tie = o->tie,
                     .max_tokens = (int)o->max_new_tokens,
                     .revise = o->revise || o->constitution,
                     .seed = (uint64_t)o->seed};
    rlaif_file f = {.out = o->out, .go_on = go_on, .self = o};
    const char **prompts, **principles = NULL;
    if (!prompts_read(a, o->prompts, &prompts, &f.count, e)) return false;
    if (o->constitution && !prompts_read(a, o->constitution, &principles, &f.principle_count, e)) return false;
    if (o->guidelines && !file_read(a, o->guidelines, 1 << 20, &r.guidelines, e)) return false;
    f.prompts = prompts, f.principles = principles;
    return with_endpoints(o, who, &r, &f, e);
}

static bool rlaif(arena *a, int argc, char **argv, err *e) {
    rlaif_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_rlaif, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1 || !o.prompts || !(o.guidelines || o.constitution) || !o.out)
        return err_set(e, ERR_USAGE, "fettle rlaif MODEL --prompts FILE --guidelines FILE (or --constitution FILE) --out FILE");
    return with_files(a, &o, argv[0], e);
}
