/* lesson.h - a lesson as its routes see it: the row, its datasets' records, and what follows from them. Used by api_teach.c and
 * lesson.c alone. */
#ifndef FETTLE_SERVE_LESSON_H
#define FETTLE_SERVE_LESSON_H

#include "serve/runs.h"

enum { LESSON_PICKS = 12, LESSON_CHECKS = 12, LESSON_AHEAD = 3, LESSON_ITEMS = 64 };

// clang-format off
/*     token              word */
#define LESSON_STATES(X)               \
    X(LESSON_TEACHING,    "teaching")  \
    X(LESSON_READY,       "ready")     \
    X(LESSON_TRAINING,    "training")  \
    X(LESSON_CHECKING,    "checking")  \
    X(LESSON_RESULT,      "result")
// clang-format on

typedef enum {
#define X(token, word) token,
    LESSON_STATES(X)
#undef X
} lesson_state;
const char *lesson_state_word(lesson_state s);

typedef struct {
    lesson row;
    json *data;
    const char *taste, *model; /* model: what it began with */
    int round;                 /* from 1 */
    dataset set, check;
    schema set_schema, check_schema;
    json *picks, *checks; /* all records of both, as recipes want them */
    int picked, voted;    /* answered ones of this round */
    int pairs;            /* of all rounds: what a run would train on */
    const char *run;      /* of this round; NULL: none yet */
    run_view trained;     /* when run */
    lesson_state state;
} lesson_view;

bool lesson_load(call *c, const char *id, lesson_view *v, err *e); /* inside a transaction; a foreign one is not found */
int lesson_wanted(const lesson_view *v);                           /* votes of this round */
/* What the person's answers are drawn from in this round, and what the check of `against` compares the new model with. */
const char *lesson_source(call *c, const lesson_view *v);
const char *lesson_rival(call *c, const lesson_view *v, const char *against);
const char *lesson_against(const lesson_view *v, int index); /* "start" or "previous" */
json *lesson_of_round(const lesson_view *v, int round);      /* of data.rounds */

bool lesson_is_of(const json *record, int round);
int lesson_index(const json *row);
bool lesson_answered(const json *row);                                          /* submitted or discarded */
const json *lesson_first_open(const json *rows, int round, bool answered_last); /* last answered instead, when asked */

/* Has the next answers made, so many ahead. */
bool lesson_plan_picks(call *c, const lesson_view *v, err *e);
bool lesson_plan_checks(call *c, const lesson_view *v, err *e);

void lesson_put(call *c, const lesson_view *v);
void lesson_put_item(json_writer *w, const json *row); /* members record_id, prompt, answers, ready of an open object */

/* The datasets of a new lesson; inside no transaction. */
bool lesson_make_sets(call *c, const char *space, const char *taste, const char **set, const char **check, err *e);

#endif
