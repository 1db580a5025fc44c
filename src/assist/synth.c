/* synth.c - see synth.h. */
#include <math.h>
#include <string.h>

#include "assist/assist.h"
#include "base/message.h"
#include "base/rng.h"
#include "data/data.h"

enum { SHOWN_SEEDS = 6, SHOWN_OWN = 2, INSTANCES_MOST = 16 };

typedef struct {
    str instruction;
    const uint64_t *words;
    int count;
} task;

struct synth {
    arena *a;
    synth_order o;
    task *pool; /* seeds first */
    int count, room, seeds, idle;
    int64_t round; /* done */
};

synth *synth_new(arena *a, const synth_order *o) {
    synth *s = arena_new_of(a, synth);
    *s = (synth){.a = a, .o = *o};
    s->o.licence = (str){str_copy(a, o->licence), o->licence.len};
    return s;
}

static void add(synth *s, str instruction) {
    if (s->count == s->room) {
        task *more = arena_array(s->a, task, 2 * s->room + 64);
        if (s->count) memcpy(more, s->pool, (size_t)s->count * sizeof *more);
        s->pool = more;
        s->room = 2 * s->room + 64;
    }
    task *t = &s->pool[s->count++];
    t->instruction = (str){str_copy(s->a, instruction), instruction.len};
    t->words = rouge_tokens(s->a, t->instruction, &t->count);
}

void synth_seed(synth *s, str instruction) {
    if (s->count != s->seeds) bug("seeds come before tasks");
    add(s, instruction);
    s->seeds++;
}

void synth_recall(synth *s, const json *row) {
    const int64_t round = json_get_int(row, "round", s->round);
    const bool kept = !json_has(row, "left_out");
    if (round > s->round) s->idle = s->idle + (int)(round - s->round);
    s->round = round > s->round ? round : s->round;
    if (!kept) return;
    s->idle = 0;
    add(s, json_get_text(row, "instruction", STR("")));
}

int synth_kept(const synth *s) { return s->count - s->seeds; }
int synth_idle(const synth *s) { return s->idle; }

/* ---- asking ------------------------------------------------------------------------------------------------------------------------------ */

static bool say(const synth *s, arena *a, const char *user, double temperature, uint64_t seed, endpoint_answer *out, err *e) {
    const endpoint_order order = {.messages = messages_new(a, STR(""), str_of(user)),
                                  .temperature = temperature,
                                  .max_tokens = s->o.max_tokens,
                                  .seed = seed};
    return endpoint_chat(s->o.p, a, &order, out, e);
}

/* Six seeds and two tasks of its own (fewer where there are fewer), in any order, as a list that is to be continued. */
static const char *ask_for_tasks(const synth *s, arena *a, rng *r) {
    int *order = arena_array(a, int, s->count + 1), *shown = arena_array(a, int, SHOWN_SEEDS + SHOWN_OWN), n = 0;
    rng_permutation(r, s->seeds, order);
    for (int i = 0; i < s->seeds && i < SHOWN_SEEDS; i++) shown[n++] = order[i];
    rng_permutation(r, synth_kept(s), order);
    for (int i = 0; i < synth_kept(s) && i < SHOWN_OWN; i++) shown[n++] = s->seeds + order[i];
    rng_permutation(r, n, order);
    const char *text = "Come up with a series of different tasks that a language model can do with text alone.\n\n";
    for (int i = 0; i < n; i++)
        text = arena_printf(a, "%s%d. %.*s\n", text, i + 1, STR_ARG(s->pool[shown[order[i]]].instruction));
    return arena_printf(a, "%s\nContinue the list with %d new tasks, numbered %d to %d, one a line. Say nothing else.", text,
                        s->o.asked, n + 1, n + s->o.asked);
}

static bool classifies(const synth *s, arena *a, str instruction, bool *out, int *worded, err *e) {
    static const str options[] = {{"yes, the answer is one of a few given labels", 44}, {"no, the answer is free text", 27}};
    const judge_case c = {.question = STR("Is this a classification task, whose answer is one of a few given labels?"),
                          .context = instruction};
    double p[2];
    err why = {0};
    *out = false;
    if (judge_options(s->o.p, a, &c, STR(""), options, 2, p, worded, &why)) return *out = p[0] > p[1], true;
    return why.code == ERR_INPUT || err_set(e, why.code, "%s", why.text); /* words that choose nothing: free text */
}

static const char *ask_for_instances(const synth *s, arena *a, str instruction, bool labels) {
    return labels
               ? arena_printf(a,
                              "Task: %.*s\n\nName up to %d possible class labels of this task, and with each write an input that "
                              "belongs to it, in this form:\nClass label: ...\nInput: ...",
                              STR_ARG(instruction), s->o.instances)
               : arena_printf(a,
                              "Task: %.*s\n\nWrite up to %d different examples of this task, in this form:\nInput: ... (or none, "
                              "when the task needs no input)\nOutput: ...",
                              STR_ARG(instruction), s->o.instances);
}

/* The answer to a task, where the example came without one. */
static bool answer(const synth *s, arena *a, str instruction, uint64_t seed, synth_instance *x, err *e) {
    endpoint_answer said;
    const char *user =
        x->input.len ? arena_printf(a, "%.*s\n\n%.*s", STR_ARG(instruction), STR_ARG(x->input)) : str_copy(a, instruction);
    if (x->output.len) return true;
    if (!say(s, a, user, 0, seed, &said, e)) return false;
    x->output = str_is(str_of(said.finish), "stop") ? str_trim(said.text) : STR("");
    return true;
}

/* *count 0: nothing usable came. */
static bool instances_of(const synth *s, arena *a, str instruction, bool labels, uint64_t seed, synth_instance *x, int *count,
                         err *e) {
    endpoint_answer said;
    const int most = s->o.instances < INSTANCES_MOST ? s->o.instances : INSTANCES_MOST;
    if (!say(s, a, ask_for_instances(s, a, instruction, labels), 0, seed, &said, e)) return false;
    int n = synth_read_instances(a, said.text, labels, x, most);
    if (n > 1 && !str_is(str_of(said.finish), "stop")) n--; /* the last one was cut off */
    n = synth_fit_instances(x, n, !labels);
    if (!n && !labels) x[n++] = (synth_instance){STR(""), STR("")}; /* no examples: the instruction alone */
    for (int i = 0; i < n; i++)
        if (!answer(s, a, instruction, seed + (uint64_t)i + 1, &x[i], e)) return false;
    *count = synth_fit_instances(x, n, false);
    return true;
}

/* ---- rows --------------------------------------------------------------------------------------------------------------------------------- */

static void put(arena *a, json *row, const char *key, str text) { json_set(row, key, json_new_text(a, text)); }

static json *row_of(const synth *s, arena *a, str instruction, const char *why) {
    json *row = json_new_object(a);
    json_set(row, "round", json_new_int(a, s->round));
    put(a, row, "instruction", instruction);
    if (why) put(a, row, "left_out", str_of(why));
    return row;
}

/* The nearest of the pool, and how near: ROUGE-L's harmonic mean. */
static double nearest(const synth *s, arena *a, str instruction, int *which) {
    int n;
    const uint64_t *words = rouge_tokens(a, instruction, &n);
    double most = -1;
    for (int i = 0; i < s->count; i++) {
        const double f = rouge_l(s->pool[i].words, s->pool[i].count, words, n).f;
        if (f > most) most = f, *which = i;
    }
    return most;
}

static json *kept_row(const synth *s, arena *a, str instruction, bool labels, const synth_instance *x, int n, int near,
                      double f) {
    json *row = row_of(s, a, instruction, NULL), *list = json_new_array(a);
    for (int i = 0; i < n; i++) {
        json *one = json_new_object(a);
        put(a, one, "input", x[i].input);
        put(a, one, "output", x[i].output);
        json_append(list, one);
    }
    json_set(row, "is_classification", json_new_bool(a, labels));
    json_set(row, "instances", list);
    put(a, row, "nearest", s->pool[near].instruction);
    json_set(row, "rouge_l", json_new_real(a, f));
    put(a, row, "origin", STR("synthetic"));
    put(a, row, "by", str_of(arena_printf(a, "suggestion:%s", endpoint_agent(s->o.p))));
    if (s->o.licence.len) put(a, row, "licence", s->o.licence);
    return row;
}

static bool one_task(synth *s, arena *a, str instruction, uint64_t seed, json **row, int *worded, err *e) {
    synth_instance x[INSTANCES_MOST];
    int near = 0, n = 0;
    bool labels;
    const char *why = synth_unfit(instruction);
    const double f = why ? 0 : nearest(s, a, instruction, &near);
    if (!why && f >= s->o.similar)
        why = arena_printf(a, "too like another (ROUGE-L %.2f): %.*s", f, STR_ARG(s->pool[near].instruction));
    if (why) return *row = row_of(s, a, instruction, why), true;
    if (!classifies(s, a, instruction, &labels, worded, e) || !instances_of(s, a, instruction, labels, seed, x, &n, e))
        return false;
    *row = n ? kept_row(s, a, instruction, labels, x, n, near, f) : row_of(s, a, instruction, "no usable instance");
    if (n) add(s, instruction);
    return true;
}

bool synth_round(synth *s, arena *a, json ***rows, int *count, int *worded, err *e) {
    endpoint_answer said;
    const uint64_t seed = rng_mix(s->o.seed, (uint64_t)s->round + 1);
    rng r = rng_new(seed, 0x73796e7468);
    const int before = synth_kept(s);
    *count = 0;
    if (!s->seeds) return err_set(e, ERR_INPUT, "there are no seed tasks: new ones are made after their likeness");
    if (!say(s, a, ask_for_tasks(s, a, &r), s->o.temperature, seed, &said, e)) return false;
    str *list = arena_array(a, str, s->o.asked + 1);
    int n = synth_read_list(a, said.text, list, s->o.asked);
    if (n && n < s->o.asked && !str_is(str_of(said.finish), "stop")) n--; /* the last one was cut off */
    *rows = arena_array(a, json *, n + 2);
    s->round++;
    for (int i = 0; i < n; i++)
        if (!one_task(s, a, list[i], rng_mix(seed, (uint64_t)i + 7), &(*rows)[(*count)++], worded, e)) return false;
    if (!n) (*rows)[(*count)++] = row_of(s, a, STR(""), "no list of tasks came");
    s->idle = synth_kept(s) > before ? 0 : s->idle + 1;
    return true;
}
