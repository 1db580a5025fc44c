/* ask.h - a question of a dataset, put to a model about one record: its answer is a suggestion. Used through assist.h.
 *
 *   text             the model writes it, with the guidelines before it
 *   label_selection  the likeliest label, its probability the score               (both orders of the labels)
 *   multi_label_selection  the labels that fit, each asked about by itself; the scores are their probabilities
 *   rating           the likeliest number, its probability the score              (both orders of the numbers)
 *   comparison       a or b, or a tie; the score is the probability of the choice (both orders of the answers)
 *   ranking          every two answers compared; the scores are mean probabilities to be the better one
 *
 * To add a kind: one file ask_NAME.c with its ask_kind, one token in the list below; NAME is the type of the question. */
#ifndef FETTLE_ASSIST_ASK_H
#define FETTLE_ASSIST_ASK_H

#include "assist/judge.h"

#define ASK_KINDS(X) X(text) X(label_selection) X(multi_label_selection) X(rating) X(comparison) X(ranking)

typedef struct {
    endpoint *p;
    arena *a;
    str guidelines;
    const json *fields;   /* definitions of the dataset */
    const json *question; /* the one that is asked */
    const json *mapping;  /* which field is prompt, answer ...: recipe.h; NULL: not known */
    const json *values;   /* the record's fields */
    double tie;           /* comparison: so near to one half is a tie */
    uint64_t seed;
} ask_order;

typedef struct {
    json *value; /* NULL: there is nothing to ask about (an answer is missing), or what came is of no use */
    bool no_use; /* the model wrote nothing, or came to no end */
    json *score; /* a number, a list for a ranking, or NULL */
    int worded;  /* choices that were read from words, for want of log-probabilities */
} ask_answer;

typedef struct {
    const char *type;
    bool judges; /* what it says is a judgement of answers that are there */
    bool (*ask)(const ask_order *o, ask_answer *out, err *e);
} ask_kind;

#define X(name) extern const ask_kind ask_kind_##name;
ASK_KINDS(X)
#undef X
const ask_kind *ask_kind_of(const json *question); /* NULL: a model cannot be asked this one */

/* ---- for the kinds ------------------------------------------------------------------------------------------------------------------- */

str ask_field(const ask_order *o, str name);                             /* a field of the record as text; empty: it has none */
str ask_context(const ask_order *o, const str *without, int count);      /* the other fields, each under its name */
str ask_words(const ask_order *o);                                       /* title and description of the question */
const json *ask_options(const ask_order *o);                             /* settings.options */
bool ask_option_texts(const ask_order *o, str *out, int *count, err *e); /* [JUDGE_OPTIONS_MOST]: text, else value */
int ask_likeliest(const double *p, int n);

#endif
