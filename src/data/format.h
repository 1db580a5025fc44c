/* format.h - what a format of examples is, and the words it is written with. Used inside data alone.
 *
 * A format is one file, format_NAME.c, and one token in FORMATS (data.h). It answers two questions about a row: is this mine, and
 * what example is it. Everything around that (files, lines, detection, lineage, tools, errors' file and line) is done for it. */
#ifndef FETTLE_DATA_FORMAT_H
#define FETTLE_DATA_FORMAT_H

#include "base/message.h"
#include "data/data.h"

/* How sure a format is that a row is written in it. The surest format wins; two as sure as each other are asked about. */
typedef enum { LIKELY_NOT, LIKELY_PERHAPS, LIKELY, LIKELY_SURELY } likelihood;
typedef struct {
    likelihood level;
    example_kind kind;
} guess;
#define NOT_MINE ((guess){LIKELY_NOT, EXAMPLE_TEXT})

typedef struct {
    const char *name;
    const char *const *columns;     /* what it reads of a row, ended by NULL; rows that have them are why it is chosen */
    guess (*look)(const json *row); /* NULL: read only when it is named, and its rows may be of several kinds */
    /* Examples in a row, possibly none; NULL: one each. */
    int64_t (*count)(const json *row);
    /* The nth example of the row into *out (zeroed before, margin NAN): kind, parts, label. Errors name the field alone. */
    bool (*convert)(arena *a, json *row, int64_t nth, example *out, err *e);
    const char *becomes; /* for help and docs/formats.md: what kind of example */
    const char *sample;  /* a row, as it stands in a file */
} format;

#define X(name) extern const format format_##name;
FORMATS(X)
#undef X
const format *const *format_list(int *count);
const format *format_find(str name);                   /* '-' and '_' are the same; NULL: none */
const char *format_names(arena *a);                    /* "text, messages, ..." */
bool format_reads_itself(const format *f, str column); /* one of its columns */
bool format_reads(const format *f, str column);        /* or one that is read of every row: tools, lineage ... */

/* ---- fields of a row: each fails with "field 'KEY' should be ..., but is ..." ----------------------------------------------------- */

bool field_wrong(const json *row, const char *key, const char *expected, err *e);
bool field_text(const json *row, const char *key, str *out, err *e);
bool field_text_if_any(const json *row, const char *key, str *out, err *e); /* missing or null: the empty text */
bool field_messages(const json *row, const char *key, json **out, err *e);
bool field_part(const json *row, const char *key, example_part *out, err *e);     /* a text or a list of messages */
bool field_label(const json *row, const char *key, bool *out, err *e);            /* true, false, 1 or 0 */
bool field_tools(arena *a, const json *row, const char *key, json **out, err *e); /* a list, a JSON text of one, or nothing */

/* ---- looking ------------------------------------------------------------------------------------------------------------------- */

bool is_text(const json *row, const char *key);
bool is_list(const json *row, const char *key);
bool is_flag(const json *row, const char *key);                      /* true or false */
bool is_turns(const json *row, const char *key, const char *member); /* a list of objects whose first has this member */
bool is_part(const json *row, const char *key);                      /* text, or a list of messages */

/* ---- messages ------------------------------------------------------------------------------------------------------------------ */

/* A list of {"role", "content"}: roles are texts; content is a text, a list of text parts, or null beside tool_calls. */
bool messages_check(const json *list, const char *field, err *e);
json *messages_slice(arena *a, const json *list, size_t from, size_t to);
json *messages_one(arena *a, json *message);
example_part part_text(str text);
example_part part_messages(json *list);
/* Cuts a conversation before its last message, which must be the assistant's. */
bool messages_cut(arena *a, const json *list, const char *field, example_part *prompt, example_part *answer, err *e);

#endif
