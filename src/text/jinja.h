/* jinja.h - a small Jinja interpreter for chat templates, with the meaning of Jinja2 as transformers sets it up: trim_blocks,
 * lstrip_blocks, loop controls, {% generation %}, raise_exception, strftime_now, tojson without HTML escaping.
 *
 * A template is foreign: it has fuel (steps of evaluation), and limits on depth and on the size of what it makes. */
#ifndef FETTLE_TEXT_JINJA_H
#define FETTLE_TEXT_JINJA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

typedef struct jinja jinja;

typedef struct {
    bool trim_blocks, lstrip_blocks;
} jinja_options;

/* Syntax errors name the line. */
jinja *jinja_parse(arena *a, str text, jinja_options o, err *e);
bool jinja_has_generation(const jinja *j);

typedef struct {
    int64_t fuel;  /* 0: the default, 20 million steps */
    size_t output; /* bytes; 0: the default, 64 MB */
    int depth;     /* of calls and expressions; 0: the default, 200 */
} jinja_limits;

/* Bytes of the output that {% generation %} blocks made. */
typedef struct {
    size_t begin, end;
} jinja_range;

typedef struct {
    buf text;           /* the caller frees it */
    jinja_range *range; /* from the arena */
    int ranges;
} jinja_output;

/* globals: an object of variables. */
bool jinja_render(const jinja *j, const json *globals, const jinja_limits *limits, arena *a, jinja_output *out, err *e);

#endif
