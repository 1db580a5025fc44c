/* demo.h - what the files of the demo share (private to cmd_demo.c, demo_plan.c, demo_train.c, demo_table.c). */
#ifndef FETTLE_CLI_DEMO_H
#define FETTLE_CLI_DEMO_H

#include "cli/comparison.h"
#include "cli/demo_method.h"

enum { EACH = 4, ANSWER_TOKENS = 96 };
enum { REWARD_HELD_OUT = 4 }; /* of the training prompts: the reward model does not see them */

typedef struct {
    const char *taste, *feedback, *method, *model, *preset, *report;
    opt_list set, methods;
    int64_t seed;
    bool shuffle, quiet;
} demo_options;

/* One run of the demo; memory of its arena. */
typedef struct {
    arena *a;
    demo_options o;
    const taste *taste;
    const demo_method *method;
    answering_options answering;
    subjects all;
    subject start;
    const char *feedback, *run;
    const char *reward; /* the reward model's run, NULL: none */
    const char *begin;  /* the run that imitated the edits, from whose adapter reinforcement goes on; NULL: none */
    const char *reward_data,
        *reward_held_out; /* the scripted annotator's pairs for it, by prompt; NULL: a share of `feedback` is held out */
    bool judged;          /* a rule may say which answer is better */
    int pairs;
    double begun;
    double seconds, preparing_seconds; /* that training took; of the reward model and the imitation alone */
    size_t memory, preparing_memory;   /* bytes: the most that the training process had */
} demo;

/* One message of TRL's conversational form: {"role": ..., "content": ...} in a list of its own. */
void demo_put_message(json_writer *w, const char *key, const char *role, str content);

/* ---- demo_plan.c ---- */
/* Prints what will happen, and about how long it takes on this machine. */
bool demo_print_plan(const demo *d, err *e);

/* ---- demo_train.c ---- */
/* A new run folder for d->method (d->run), and in it what d->feedback teaches; a method that is rewarded makes its reward model first, unless d->reward is
 * there. Fills seconds and memory. */
bool demo_train(demo *d, err *e);
/* The last value of a metric in a run; NAN: it was never logged. */
double demo_metric(const demo *d, const char *folder, const char *name);
/* What a reward model knows of pairs it has not seen, and where reinforcement ended. */
void demo_put_learning(json_writer *w, const demo *d);

/* ---- demo_table.c ---- */
/* The same feedback through each of --methods, every result against the same answers of the start model, as one table. */
bool demo_table(demo *d, err *e);
/* The names of --methods are methods. */
bool demo_table_check(const demo *d, err *e);

#endif
