/* kinds.h - what a dataset of feedback is made of: fields, questions, metadata properties, vectors; and which values fit them.
 *
 *   body of a request ──► X_create / X_update ──► definition as it is stored and answered     {"name", "title", ..., "settings"}
 *   values of a record ──► X_check             ──► fits, or words that name the field or question
 *
 * Pure functions on JSON: no database, no HTTP. The contract is Argilla's REST API, with `comparison` besides. Definitions are
 * objects as the API answers them, with or without ids and times; lists of them are JSON arrays. Unknown keys of a body are passed
 * over; a NULL array stands for an empty one. Codes of errors: ERR_INPUT (a rule broken, 422), ERR_CONFLICT (the name is taken, 409).
 * Lengths and offsets count Unicode code points. Whole numbers are JSON integers: 3.0 is none. Results share parts of the values given, so
 * these live as long as the arena or are kept by reference (json.h).
 *
 * To add a kind: one file question_NAME.c (field_NAME.c, metadata_NAME.c) with its descriptor, one token in the list below. */
#ifndef FETTLE_DATA_KINDS_H
#define FETTLE_DATA_KINDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* ---- kinds of questions ------------------------------------------------------------------------------------------------------- */

#define QUESTION_TYPES(X) X(text) X(rating) X(label_selection) X(multi_label_selection) X(ranking) X(span) X(comparison)

/* What else there is in the dataset when something is made or changed. */
typedef struct {
    const json *fields;    /* array of fields */
    const json *questions; /* array of the other questions: not the one that is changed */
    bool free; /* change: also what Argilla keeps as it is (options of every kind, the field of a span ...): a draft, or
                              answers are migrated afterwards. The type stays in any case */
} kind_context;

typedef struct {
    bool submitted;            /* the response is final: rankings must be whole */
    const json *record_fields; /* values of the record, {name: value}: spans are measured against them */
} value_context;

/* How far apart two answers are, for agreement. */
typedef enum { SCALE_NONE, SCALE_NOMINAL, SCALE_ORDINAL, SCALE_INTERVAL } answer_scale;

typedef struct option_change option_change;

typedef struct {
    const char *name, *words; /* words: one line for help and forms */
    answer_scale scale;
    /* The settings as they are answered back: checked, complete, defaults filled in, unknown keys left out. */
    bool (*create)(arena *a, const json *in, const kind_context *c, json **out, err *e);
    /* `old` with what `in` changes. `in` may be whole or partial; its type, when there, must be the old one. */
    bool (*update)(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e);
    bool (*check)(const json *settings, const json *value, const value_context *c, err *e);
    /* Appends to `out` (an array of strings) the words under which the value is found by a terms filter: labels, numbers, a choice.
     * NULL: cannot be filtered. */
    void (*terms)(arena *a, const json *value, json *out);
    /* The number for ranges and sorting. NULL: none. */
    bool (*number)(const json *value, double *out);
    /* A text that is the same exactly for answers that say the same (order of labels does not count): for majorities and agreement. */
    void (*same)(const json *value, buf *out);
    /* The value with its options replaced as option_becomes says, what is dropped left out; NULL where nothing is left of it. NULL
     * instead of the function: values do not hold options of the settings. */
    json *(*replace)(arena *a, const json *value, option_change *c);
    /* A value as it is stored, from a shorter way to write it that `check` takes too; before: what stood there (NULL: nothing), whose
     * further members stay where the value says the same. NULL: values are stored as they come. */
    json *(*whole)(arena *a, const json *value, const json *before);
} question_type;

#define X(name) extern const question_type question_type_##name;
QUESTION_TYPES(X)
#undef X
const question_type *const *question_types(int *count);
const question_type *question_type_find(str name);           /* NULL: none */
const question_type *question_type_of(const json *question); /* of a definition, by settings.type; NULL: none */

/* A question from the body of a POST: {"name", "title", "description", "required", "settings"}. ERR_CONFLICT: a name of c->questions. */
bool question_create(arena *a, const json *body, const kind_context *c, json **out, err *e);
/* The same keys after a PATCH: title, description and settings change as far as they may, everything else of `old` stays. */
bool question_update(arena *a, const json *old, const json *body, const kind_context *c, json **out, err *e);

json *question_named(const json *questions, str name);                                        /* NULL: none */
bool question_check(const json *question, const json *value, const value_context *c, err *e); /* one value; names the question */
json *question_terms(arena *a, const json *question, const json *value); /* array of strings, empty when it cannot be filtered */
bool question_number(const json *question, const json *value, double *out);
json *question_whole(arena *a, const json *question, const json *value, const json *before);
/* {question: {"value"}} with every value whole; before: the same of what stood there, or NULL. Shared where nothing changes. */
json *values_whole(arena *a, const json *questions, const json *values, const json *before);
str question_same(arena *a, const json *question, const json *value);
answer_scale question_scale(const json *question);

/* ---- options that change -------------------------------------------------------------------------------------------------------- */

/* What becomes of one option of a question in the values that hold it. */
typedef struct {
    json *value;     /* as it stands in values: "bad", 3 */
    json *becomes;   /* NULL: dropped */
    bool gone, told; /* no option any more; the plan says what becomes of it */
    bool seen;       /* in the value that was replaced last */
} option_fate;

/* A change of options with the plan for values that hold what goes:
 *     {"map": {"old": "new"}, "drop": ["old"] or true, "incomplete": "draft" or "last"}
 * "drop": true drops whatever has no other fate, also values that fit the new settings in no other way. incomplete: of a ranking that
 * lacks a new option: its answer becomes a draft again, or the new options come last. */
struct option_change {
    const json *before, *settings; /* old and new */
    option_fate *fate;             /* of the old options that go or are mapped */
    int count;
    bool drop_all, to_draft, append;
};
/* ERR_INPUT: the plan names what is no option, or maps to what is none. plan NULL: says nothing. */
bool option_change_plan(arena *a, const json *before, const json *after, const json *plan, option_change *out, err *e);
json *option_becomes(option_change *c,
                     const json *old); /* for `replace`: the option to write, NULL: none; notes that it was seen */
/* A value under the new settings: shared where nothing changes, NULL where nothing is left. */
json *question_replace(arena *a, const json *question, const json *value, option_change *c);

/* ---- kinds of fields ------------------------------------------------------------------------------------------------------------ */

#define FIELD_TYPES(X) X(text) X(image) X(chat) X(custom)

typedef struct {
    const char *name, *words;
    bool (*create)(arena *a, const json *in, json **out, err *e);
    bool (*update)(arena *a, const json *old, const json *in, json **out, err *e);
    bool (*check)(const json *value, err *e);
    void (*search_text)(const json *value, buf *out); /* appends what full-text search sees; images: nothing */
} field_type;

#define X(name) extern const field_type field_type_##name;
FIELD_TYPES(X)
#undef X
const field_type *const *field_types(int *count);
const field_type *field_type_find(str name);
const field_type *field_type_of(const json *field);

/* From a POST: {"name", "title", "required", "settings"}; from a PATCH: title and settings change. ERR_CONFLICT: a name of `others`. */
bool field_create(arena *a, const json *body, const json *others, json **out, err *e);
bool field_update(arena *a, const json *old, const json *body, json **out, err *e);
void field_search_text(const json *field, const json *value, buf *out);

/* ---- kinds of metadata ---------------------------------------------------------------------------------------------------------- */

#define METADATA_TYPES(X) X(terms) X(integer) X(float)

typedef struct {
    const char *name, *words;
    bool (*create)(arena *a, const json *in, json **out, err *e);
    bool (*check)(const json *settings, const json *value, err *e); /* value is not null */
    bool numeric;                                                   /* ranges and sorting by number */
} metadata_type;

#define X(name) extern const metadata_type metadata_type_##name;
METADATA_TYPES(X)
#undef X
const metadata_type *const *metadata_types(int *count);
const metadata_type *metadata_type_find(str name);
const metadata_type *metadata_type_of(const json *property);

/* From a POST: {"name", "title", "visible_for_annotators", "settings"}; from a PATCH: title, visible_for_annotators. */
bool metadata_create(arena *a, const json *body, const json *others, json **out, err *e);
bool metadata_update(arena *a, const json *old, const json *body, json **out, err *e);
/* A value as filters see it: strings as they are, numbers and booleans as JSON writes them, lists item by item. */
json *metadata_terms(arena *a, const json *value);
bool metadata_number(const json *value, double *out);

/* ---- vectors ---------------------------------------------------------------------------------------------------------------------- */

enum { VECTORS_MAX = 5 }; /* vector settings of one dataset */
/* From a POST: {"name", "title", "dimensions"}; from a PATCH: title. Names are letters, digits, '-' and '_'. */
bool vector_create(arena *a, const json *body, const json *others, json **out, err *e);
bool vector_update(arena *a, const json *old, const json *body, json **out, err *e);

/* ---- datasets and names ---------------------------------------------------------------------------------------------------------- */

/* From a POST: {"name", "guidelines", "allow_extra_metadata", "distribution", "metadata"}, defaults filled in (the workspace is the
 * caller's business); from a PATCH: the same keys change. */
bool dataset_create(arena *a, const json *body, json **out, err *e);
bool dataset_update(arena *a, const json *old, const json *body, json **out, err *e);
bool dataset_publishable(const json *fields, const json *questions, err *e); /* a field and a required question at least */

bool workspace_name_check(str name, err *e);

size_t text_characters(str s); /* code points; a byte that is no UTF-8 counts as one */

/* ---- values of records ------------------------------------------------------------------------------------------------------------ */

/* At least one value; every required field is there; no field unknown; every value fits. Numbers may stand for texts. */
bool fields_check(const json *fields, const json *values, err *e);
/* The values as they are stored: numbers of text fields as texts. After fields_check. */
json *fields_normal(arena *a, const json *fields, const json *values);
void fields_search_text(const json *fields, const json *values, buf *out); /* of all fields, a line each */

/* NULL values: none. Values of configured properties fit; others stand only when allow_extra; null fits everything. */
bool metadata_check(const json *properties, bool allow_extra, const json *values, err *e);
bool vectors_check(const json *settings, const json *values, err *e); /* {name: [numbers]}; null for a name: to be removed */

/* values: {question: {"value": ...}} or NULL. submitted: all required questions answered. bulk: a draft comes with an object of values (a
 * response of its own may be an empty draft). Discarded ones may be empty. */
bool response_check(const json *questions, const json *record_fields, const json *values, str status, bool bulk, err *e);

/* {"question_id" (or "question_name" where there is no id), "value", "type", "agent", "score"}. *question: the one it is for (may be
 * NULL where the caller does not want it). */
bool suggestion_check(const json *questions, const json *record_fields, const json *suggestion, json **question, err *e);

#endif
