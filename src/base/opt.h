/* opt.h - options as rows.
 *
 * One row gives a flag (--learning-rate), a key for --set and config files (learning_rate), TRL's name and default, a range
 * check, help and documentation. A table describes the members of one struct. */
#ifndef FETTLE_BASE_OPT_H
#define FETTLE_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

typedef enum {
    OPT_BOOL,   /* bool    */
    OPT_INT,    /* int64_t */
    OPT_REAL,   /* double  */
    OPT_TEXT,   /* const char *, NULL when unset */
    OPT_CHOICE, /* const char *, one of `choices` ("a|b|c") */
    OPT_LIST,   /* opt_list: texts; from JSON arrays or "a,b,c" */
    OPT_EACH    /* opt_list: every flag adds its text as it stands */
} opt_type;

typedef struct {
    const char **item;
    int count;
} opt_list;

typedef struct {
    const char *key; /* TRL's name: learning_rate */
    opt_type type;
    size_t offset;        /* in the struct the table describes */
    const char *fallback; /* default as text; NULL: unset (NULL text, empty list, NAN for reals, INT64_MIN for ints) */
    double min, max;      /* of numbers, inclusive; both 0: any */
    const char *choices;  /* OPT_CHOICE: "linear|cosine" ; else NULL */
    const char *help;     /* one line, no full stop */
} opt;

#define OPT_END                                                                                                                  \
    { NULL, OPT_BOOL, 0, NULL, 0, 0, NULL, NULL }
#define OPT_UNSET_INT INT64_MIN

typedef struct { /* where a value came from, for `fettle config` and config.json */
    const char *key, *source;
} opt_origin;

void opt_defaults(const opt *table, void *target, arena *a);
const opt *opt_find(const opt *table, str key); /* '-' and '_' are the same; NULL: no such key */
/* Messages of the two setters say what was expected and what came; the caller puts the key before them as the reader wrote it. */
bool opt_set(const opt *o, void *target, str value, arena *a, err *e); /* text from a flag or the environment */
bool opt_set_json(const opt *o, void *target, const json *value, arena *a, err *e);
void opt_put_json(json_writer *w, const opt *o, const void *target); /* the value alone */
void opt_put_default(buf *out, const opt *o);        /* as people read it: a line's end is \n, nothing where it is unset */
void opt_help(buf *out, const opt *table);           /* aligned lines: --flag VALUE  help (default) */
void opt_describe(json_writer *w, const opt *table); /* [{key,type,default,min,max,choices,help}] */
/* The nearest keys of the table, for "unknown key 'betta' (did you mean 'beta'?)"; "" when none is near. */
const char *opt_nearest(arena *a, const opt *table, str key);
/* The same among several tables: begin with {0} and give each; best.key is the answer. */
typedef struct {
    const char *key;
    int far;
} opt_near;
void opt_nearer(arena *a, const opt *table, str key, opt_near *best);

#endif
