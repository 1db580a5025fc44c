/* cmd_synth.c - fettle synth: a few seed tasks to many, with instances, by Self-Instruct (assist/synth.h). The same command goes on after a
 * stop. */
#include <stdio.h>
#include <string.h>

#include "assist/assist.h"
#include "base/file.h"
#include "base/sys.h"
#include "cli/command.h"
#include "data/data.h"

typedef struct {
    const char *seeds, *out, *licence;
    double temperature, similar, per_minute, cost_prompt, cost_answer;
    int64_t count, asked, instances, max_new_tokens, seed, tokens_most;
    bool quiet;
} synth_options;

#define AT(member) offsetof(synth_options, member)
static const opt table[] = {
    {"seeds", OPT_TEXT, AT(seeds), NULL, 0, 0, NULL, "a file of tasks: one a line, or JSON Lines with \"instruction\""},
    {"out", OPT_TEXT, AT(out), NULL, 0, 0, NULL, "file of new tasks (JSON Lines)"},
    {"count", OPT_INT, AT(count), "100", 1, 1e9, NULL, "how many tasks to make"},
    {"licence", OPT_TEXT, AT(licence), NULL, 0, 0, NULL,
     "terms of what the generator writes, as every row says them (apache-2.0, openai-terms ...); wanted of URL#MODEL"},
    {"asked", OPT_INT, AT(asked), "8", 1, 64, NULL, "new tasks that one request asks for"},
    {"instances", OPT_INT, AT(instances), "3", 1, 16, NULL, "inputs with outputs of a task, at most"},
    {"similar", OPT_REAL, AT(similar), "0.7", 0, 1, NULL, "tasks with this ROUGE-L to another one, or more, are left out"},
    {"temperature", OPT_REAL, AT(temperature), "0.7", 0, 100, NULL,
     "randomness of new tasks; instances take the likeliest tokens"},
    {"max_new_tokens", OPT_INT, AT(max_new_tokens), "512", 1, 1e6, NULL,
     "longest answer, in tokens; what is cut off is left out"},
    {"seed", OPT_INT, AT(seed), "1", 0, 1e9, NULL, "of the random numbers"},
    {"per_minute", OPT_REAL, AT(per_minute), "0", 0, 1e6, NULL, "requests a minute (0: no limit)"},
    {"tokens_most", OPT_INT, AT(tokens_most), "0", 0, 1e15, NULL, "stop when so many tokens were used (0: no limit)"},
    {"cost_prompt", OPT_REAL, AT(cost_prompt), "0", 0, 1e9, NULL, "price of a million tokens read"},
    {"cost_answer", OPT_REAL, AT(cost_answer), "0", 0, 1e9, NULL, "price of a million tokens written"},
    {"quiet", OPT_BOOL, AT(quiet), "false", 0, 0, NULL, "no progress"},
    OPT_END,
};
#undef AT

static bool synthesise(arena *a, int argc, char **argv, err *e);
const command command_synth = {
    "synth", "new tasks out of a few seeds (Self-Instruct)",
    "MODEL --seeds FILE --out FILE [--count N] [--licence TERMS]\n\nMODEL is a model, or URL#MODEL. Then: "
    "fettle train sft --base MODEL --data FILE, or fettle import FILE. The same command goes on after a stop.",
    table, synthesise};

/* A line of the seeds: its task; empty: none. */
static bool seed_of(arena *a, str line, str *out, err *e) {
    *out = str_trim(line);
    if (!out->len || out->ptr[0] != '{') return true;
    const json *row = json_parse(a, *out, e);
    if (!row) return false;
    *out = str_trim(json_get_text(row, "instruction", STR("")));
    return out->len || err_set(e, ERR_INPUT, "a seed should have the text \"instruction\"");
}

static bool read_seeds(arena *a, const char *path, synth *s, err *e) {
    file_lines in;
    str line, task;
    int n = 0;
    if (!file_lines_open(&in, path, 1 << 24, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        if (!seed_of(a, line, &task, e)) {
            err_prefix(e, "%s line %lld", path, (long long)in.line);
            break;
        }
        if (task.len) synth_seed(s, task), n++;
    }
    file_lines_close(&in);
    if (!e->code && !n) err_set(e, ERR_INPUT, "%s has no tasks", path);
    return !e->code;
}

static bool go_on(void *self, int kept) {
    const synth_options *o = self;
    if (!o->quiet) fprintf(stderr, "synth: %d of %lld tasks\n", kept, (long long)o->count);
    return !sys_stop_requested();
}

static bool work(const synth_options *o, synth *s, err *e) {
    const synth_file f = {.out = o->out, .count = o->count, .go_on = go_on, .self = (void *)(uintptr_t)o};
    synth_made made = {0};
    const bool ok = synth_run(s, &f, &made, e);
    if (made.worded) fprintf(stderr, "%d choices were read from words: the model tells no log-probabilities\n", made.worded);
    if (ok)
        printf("%lld tasks in %s; %lld were left out%s%s\n", (long long)made.tasks, o->out, (long long)made.left_out,
               *made.why ? ": " : "", made.why);
    return ok;
}

static void print_use(endpoint *p) {
    const endpoint_use u = endpoint_used(p);
    printf("%s: %lld requests, %lld tokens read, %lld written, cost %.4g\n", endpoint_agent(p), (long long)u.requests,
           (long long)u.prompt_tokens, (long long)u.answer_tokens, u.cost);
}

/* What the terms say about training on it. */
static void print_terms(const synth_options *o) {
    const licence_terms *terms = o->licence ? licence_find(str_of(o->licence)) : NULL;
    if (terms) printf("licence %s: %s\n", o->licence, terms->words);
    else if (o->licence) printf("licence %s is not known here: read its terms before training on this\n", o->licence);
}

static bool synthesise(arena *a, int argc, char **argv, err *e) {
    synth_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_synth, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1 || !o.seeds || !o.out) return err_set(e, ERR_USAGE, "fettle synth MODEL --seeds FILE --out FILE");
    if (strstr(argv[0], "://") && !o.licence)
        return err_set(e, ERR_USAGE,
                       "say under which terms that server's answers may be used: --licence openai-terms, apache-2.0 ...");
    const endpoint_options of = {.spec = argv[0],
                                 .paths = true,
                                 .per_minute = o.per_minute,
                                 .tokens_most = o.tokens_most,
                                 .cost_prompt = o.cost_prompt,
                                 .cost_answer = o.cost_answer};
    synth_order order = {.licence = str_of(o.licence ? o.licence : ""),
                         .similar = o.similar,
                         .temperature = o.temperature,
                         .asked = (int)o.asked,
                         .instances = (int)o.instances,
                         .max_tokens = (int)o.max_new_tokens,
                         .seed = (uint64_t)o.seed};
    if (!(order.p = endpoint_open(&of, e))) return false;
    synth *s = synth_new(a, &order);
    const bool ok = read_seeds(a, o.seeds, s, e) && work(&o, s, e);
    if (ok) print_use(order.p);
    if (ok) print_terms(&o);
    endpoint_close(order.p);
    return ok;
}
