/* synth.h - new tasks out of a few: Self-Instruct (arXiv:2212.10560), as Alpaca used it. Used through assist.h.
 *
 *   pool: seeds, and what was kept ──► some of both in a prompt ──► new instructions ──► filters ──► ROUGE-L below `similar` to all of the pool
 *        ──► is it a classification? ──┬─ no   input first: an input, then its output     (what came without an output is answered)
 *                                      └─ yes  output first: a class label, then an input that it belongs to
 *        ──► filters of instances ──► a row: {"round", "instruction", "is_classification", "instances": [{"input", "output"}], "nearest", "rouge_l",
 *                                             "origin", "by", "licence"}
 * What is not kept is a row too: {"round", "instruction", "left_out": why}. Rows of a round depend on the pool, the seed and the round's number
 * alone, so work that was cut off goes on by giving the rows that are there to synth_recall. */
#ifndef FETTLE_ASSIST_SYNTH_H
#define FETTLE_ASSIST_SYNTH_H

#include "assist/judge.h"

typedef struct {
    endpoint *p;
    str licence; /* of what the generator writes: its terms; empty: not known, and no row says any */
    double similar, temperature;
    int asked;     /* new instructions that a round asks for */
    int instances; /* of a task, at most */
    int max_tokens;
    uint64_t seed;
} synth_order;

typedef struct synth synth;
synth *synth_new(arena *a, const synth_order *o); /* lives in a; o is copied */
void synth_seed(synth *s, str instruction);       /* into the pool */
void synth_recall(synth *s, const json *row);     /* a row that synth_round made before */
/* The next round's rows, for the caller to keep; worded as in judge.h. ERR_INPUT: no seeds. */
bool synth_round(synth *s, arena *a, json ***rows, int *count, int *worded, err *e);
int synth_kept(const synth *s); /* tasks, seeds left out */
int synth_idle(const synth *s); /* rounds in a row that kept nothing */

/* To a file. OUT.part has what every round made, kept or not, and the same work goes on behind it; at the end the first `count` tasks become OUT, in
 * the format self-instruct, and OUT.part goes. ERR_STOPPED when go_on says so; ERR_INPUT behind ten rounds in a row without a new task. */
typedef struct {
    const char *out;
    int64_t count;
    bool (*go_on)(void *self, int kept); /* before each round; NULL: to the end */
    void *self;
} synth_file;
typedef struct {
    int64_t tasks, left_out;
    int worded;
    char why[400]; /* of what was left out */
} synth_made;
bool synth_run(synth *s, const synth_file *f, synth_made *made, err *e);

/* ---- parts, for tests ------------------------------------------------------------------------------------------------------------------ */

/* The items of a numbered list ("9. Name ...", "10) ..."), one a line. */
int synth_read_list(arena *a, str words, str *out, int most);
const char *synth_unfit(str instruction); /* why it is left out before it is compared; NULL: it is fit */

typedef struct {
    str input, output;
} synth_instance;
/* "Input: ... Output: ..." one after the other; labelled: "Class label: ... Input: ...". */
int synth_read_instances(arena *a, str words, bool labelled, synth_instance *out, int most);
/* Leaves out doubles, empty outputs, outputs that repeat their input, what ends with a colon, and inputs with several outputs; returns how many
 * are left. An empty output is kept where `open`: it will be written. */
int synth_fit_instances(synth_instance *x, int count, bool open);

#endif
