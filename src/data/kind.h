/* kind.h - the words in which kinds of questions, fields and metadata are written. Used inside data alone.
 *
 * Every function that fails has set e; messages begin with what was looked at ("'title' should be ..., but is ..."). */
#ifndef FETTLE_DATA_KIND_H
#define FETTLE_DATA_KIND_H

#include "data/kinds.h"

/* "a text", "a list", "an object", "the whole number 3" ...: what came, for messages. */
const char *value_words(const json *v);
/* "'KEY' should be EXPECTED, but is ...", or "... but is missing". */
bool key_wrong(const json *object, const char *key, const char *expected, err *e);

/* ---- keys of a body -------------------------------------------------------------------------------------------------------------- */

bool body_is_object(const json *body, const char *what, err *e);
bool key_text(const json *body, const char *key, size_t min, size_t max, str *out, err *e); /* lengths in code points */
/* Puts the text into `out`; missing or null: null. */
bool take_text_or_null(arena *a, const json *body, const char *key, size_t max, json *out, err *e);
bool take_text(arena *a, const json *body, const char *key, size_t max, json *out, err *e); /* 1..max, required */
/* Puts true or false into `out`, `fallback` when missing. null: fallback when null_is_missing, else an error. */
bool take_flag(arena *a, const json *body, const char *key, bool fallback, bool null_is_missing, json *out, err *e);
bool keys_not_null(const json *body, const char *const *keys, err *e); /* keys ended by NULL; those there must have a value */
bool name_is_free(const json *others, str name, const char *what, err *e);
static inline json *to_share(const json *v) { return (json *)(uintptr_t)v; } /* for json_set and json_append: only counted */
json *copy_object(arena *a, const json *object);                             /* a new object with the same members */
json *with_changes(arena *a, const json *old, const json *in); /* members of both, those of `in` where both have one */
json *member_named(const json *list, str name);                /* the object of the list whose "name" is this; NULL: none */
json *value_of(const json *object, str key); /* json_get for a key that is a view; NULL too when it is too long to be a name */
/* Checks that `in` is an object of the type `old` has (or names none). */
bool same_type(const json *old, const json *in, err *e);

/* ---- options (labels) ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    size_t min, max;
} option_limits;

/* Options of texts: [{"value", "text", "description"}], normalised into out.options. */
bool take_options(arena *a, const json *in, option_limits limits, json *out, err *e);
/* The same set of values as before; texts, descriptions and order may differ. */
bool options_keep_values(const json *old, const json *new_options, err *e);
/* visible_options: null or 3 .. number of options in `out`. */
bool take_visible_options(arena *a, const json *in, json *out, err *e);
bool option_is(const json *settings, str value);
const char *option_names(const json *settings); /* "'a', 'b', 'c' ..." cut short, in a static buffer of the thread */
/* `same` of answers that are one text. */
void same_text(const json *value, buf *out);
bool check_label(const json *settings, const json *value, const char *what, err *e);

/* ---- bounds of numbers ----------------------------------------------------------------------------------------------------------- */

bool bounds_in_order(const json *settings, err *e); /* min < max where both are given */
bool within_bounds(const json *settings, const json *value, err *e);

#endif
