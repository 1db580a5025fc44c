/* data.h - files of feedback in anybody's format, read as neutral examples.
 *
 *   file ── rows (JSON Lines, JSON, a table of text, Parquet) ──► format (a row of FORMATS, found by looking) ──► example ──► sink
 *
 * An example says what TRL's data set types say, whatever the file's format was; which words become tokens is train's business.
 * Files are streamed: what is in memory is one row of at most 64 MB, never the file. */
#ifndef FETTLE_DATA_DATA_H
#define FETTLE_DATA_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "data/agreement.h"
#include "data/kinds.h"
#include "data/argilla_export.h"
#include "data/mapping.h"
#include "data/parquet_write.h"
#include "data/row_out.h"

/* ---- examples ----------------------------------------------------------------------------------------------------------------- */

// clang-format off
/*     token                       name                      what it holds */
#define EXAMPLE_KINDS(X)                                                                          \
    X(EXAMPLE_TEXT,              "text",                   "text to imitate")                     \
    X(EXAMPLE_MESSAGES,          "messages",               "a conversation to imitate")           \
    X(EXAMPLE_PROMPT_COMPLETION, "prompt-completion",      "a prompt and the answer to imitate")  \
    X(EXAMPLE_PREFERENCE,        "preference",             "a prompt, a better and a worse answer")\
    X(EXAMPLE_PROMPT,            "prompt",                 "a prompt to answer")                  \
    X(EXAMPLE_LABELLED,          "unpaired-preference",    "a prompt and an answer, good or bad") \
    X(EXAMPLE_STEPWISE,          "stepwise-supervision",   "a prompt and steps, each right or wrong")
// clang-format on

typedef enum {
#define X(token, name, words) token,
    EXAMPLE_KINDS(X)
#undef X
        EXAMPLE_KIND_COUNT
} example_kind;
const char *example_kind_name(example_kind k);
const char *example_kind_words(example_kind k);
bool example_kind_find(str name, example_kind *out);

/* A part of an example: a conversation or plain text. Conversations have been checked: a list of objects with a text `role` and a
 * `content` that is text, a list of text parts, or null beside tool_calls. */
typedef enum { PART_ABSENT, PART_TEXT, PART_MESSAGES } part_type;
typedef struct {
    part_type type;
    str text;        /* PART_TEXT */
    json *messages;  /* PART_MESSAGES: an array; may be empty only in a prompt taken out of two answers with nothing in common */
    bool unfinished; /* an answer that was cut off at a limit: nobody chose its end, and none is taught */
} example_part;

/* Lives in the arena given to source_next. Which parts are set follows from the kind:
 *     text: text   messages: messages   prompt-completion: prompt, completion   preference: prompt, chosen, rejected (and reference,
 *     TRL's third answer, where given)   prompt: prompt   unpaired-preference: prompt, completion, label
 *     stepwise-supervision: prompt, completions[steps], labels[steps] (steps are plain texts) */
typedef struct {
    example_kind kind;
    str text;
    json *messages;
    bool unfinished; /* messages: the last turn, as example_part has it */
    example_part prompt, completion, chosen, rejected, reference;
    bool prompt_implicit; /* the prompt is what chosen and rejected began with */
    bool label;
    double margin;      /* how much better `chosen` is; NAN: not given */
    double reward;      /* of an answer; NAN: not given */
    double probability; /* of a labelled answer: how probable a good answer to this prompt is (BCO); NAN: not given */
    str *completions;
    bool *labels;
    int steps;
    json *tools;           /* an array, or NULL */
    json *template_kwargs; /* an object for the chat template (chat_template_kwargs), or NULL */
    str record, licence;   /* lineage: kept from keys record and licence (or license); empty: not given */
    json *responses;       /* lineage: ids of the answers it was made from, as in the file; or NULL */
    json *people;          /* lineage: pseudonyms of who gave these answers; or NULL */
    str origin, by;        /* lineage: where the record's texts come from; who answered when it was not people ("gold",
                              "suggestion:AGENT"); empty: not given */
    str group;             /* examples of one group stand on one side of a split; empty: grouped by prompt */
    json *raw;             /* the row as it stands in the file (an object or a string); extra columns are here */
    int64_t row, line;     /* row of the file from 0, line from 1 (where the row begins) */
    const char *source;    /* path; lives as long as the source */
} example;

/* Answers that may be unfinished: as rows call it, that there is one, its mark. */
#define EXAMPLE_ANSWERS(X)                                                                                                       \
    X("messages", messages != NULL, unfinished)                                                                                  \
    X("completion", completion.type != PART_ABSENT, completion.unfinished)                                                       \
    X("chosen", chosen.type != PART_ABSENT, chosen.unfinished)                                                                   \
    X("rejected", rejected.type != PART_ABSENT, rejected.unfinished)

bool example_is_conversational(const example *x);       /* any part is a list of messages */
bool example_equal(const example *a, const example *b); /* what is learned from: kind, parts, label, margin, tools; not lineage */
uint64_t example_hash(const example *x);                /* equal examples have equal hashes: for counting duplicates */

/* Which side of the split an example stands on: decided by a hash of its group or its prompt alone (white space runs as one space,
 * ASCII letters small), so it depends on no seed, order or file, and no prompt stands on two sides. */
typedef enum { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST } example_side;
example_side example_split(const example *x, double validation_percent, double test_percent);

/* TRL's rule for a prompt that chosen and rejected share: it ends where they first differ (characters; whole messages), one back
 * when the character before is a space; when one is the beginning of the other, before the shorter one's last character. */
void example_take_prompt(arena *a, example *x); /* kind preference, prompt absent, both answers of one type */

/* ---- sinks -------------------------------------------------------------------------------------------------------------------- */

/* One row in TRL's type of this kind, lineage included; reading it back gives an equal example. */
void example_put_json(json_writer *w, const example *x);

/* The same feedback as another kind, as far as it says it: anything with an answer as messages or prompt-completion (of a pair the
 * chosen one), anything with a prompt as prompt. CONVERT_LEFT_OUT: nothing to imitate (an answer labelled bad). CONVERT_FAILED:
 * e says why this kind never becomes that one. */
typedef enum { CONVERT_FAILED, CONVERT_DONE, CONVERT_LEFT_OUT } convert_result;
convert_result example_convert(arena *a, const example *x, example_kind to, example *out, err *e);

/* ---- sources ------------------------------------------------------------------------------------------------------------------ */

/* One file and one row per format; src/data/format.h has the descriptor, docs/add-a-format.md shows how. */
#define FORMATS(X)                                                                                                               \
    X(text)                                                                                                                      \
    X(messages)                                                                                                                  \
    X(prompt_completion)                                                                                                         \
    X(preference)                                                                                                                \
    X(unpaired_preference)                                                                                                       \
    X(stepwise_supervision)                                                                                                      \
    X(prompt)                                                                                                                    \
    X(alpaca)                                                                                                                    \
    X(alpaca_plain)                                                                                                              \
    X(sharegpt)                                                                                                                  \
    X(openai_preference)                                                                                                         \
    X(self_instruct)                                                                                                             \
    X(open_assistant)                                                                                                            \
    X(open_assistant_pairs)                                                                                                      \
    X(examples)

typedef struct source source; /* an open file of examples; owned by the arena it was opened with */

#define KIND(k) (1u << (k))
typedef struct {
    unsigned kinds; /* KIND(EXAMPLE_PREFERENCE) | ...: what the caller can use; chooses where a file fits two formats. 0: any */
    bool skip_bad;  /* leave bad rows out and count them, instead of failing */
} source_options;

enum { SOURCE_PREVIEW = 3 };
typedef struct {
    const char *path, *format, *layout; /* "data.jsonl", "sharegpt", "JSON Lines" */
    const char *reason;                 /* why this format: "columns 'prompt', 'chosen', 'rejected'" */
    example_kind kind;
    bool conversational;
    const char **used, **ignored;        /* columns of the first rows, each list ended by NULL */
    const char *preview[SOURCE_PREVIEW]; /* the first examples in TRL's type; NULL where there are fewer */
    int64_t bytes, rows;                 /* rows: -1 until the file was read to its end */
} source_info;

/* `spec` is a path, or FORMAT:PATH to say the format ("sharegpt:chats.json"). A path is a file, a folder that holds a data set, or one of
 * its splits: DIR#split=validation, DIR#subset=en,split=test (docs/formats.md). Looks at the first rows and decides; fails with
 * words when nothing fits, or when two formats fit as well (and says how to choose). */
source *source_open(arena *a, const char *spec, err *e);
source *source_open_with(arena *a, const char *spec, const source_options *o, err *e);
const source_info *source_describe(const source *s);
/* The next example, in memory of `row` (the caller frees it when done with the example; one arena may hold many rows).
 * False: the end (e->code == 0), or an error that names file, line and field. */
bool source_next(source *s, arena *row, example *out, err *e);
bool source_rewind(source *s, err *e);
int64_t source_skipped(const source *s);       /* bad rows left out since the last rewind */
const char *source_first_bad(const source *s); /* what was wrong with the first of them, or NULL */
int64_t source_position(const source *s);      /* bytes read so far, for a progress line */
void source_close(source *s);                  /* the arena does it too; NULL is fine */

void format_put_help(buf *out); /* one line per format: name, columns, what it becomes */

#include "data/recipe.h" /* answers become examples */
#include "data/taste.h"  /* what a person may like, as rules and prompts */
/* ---- rows as they stand, whatever they mean: for import ------------------------------------------------------------------------- */

/* Objects of JSON Lines, JSON, tables of text, Parquet, or a data set's folder; `path` as in source_open, without a format. Numbers of classes
 * become their names where a Parquet file of `datasets` tells them (ClassLabel). */
typedef struct row_source row_source;

typedef struct {
    const char *name;
    const char *type; /* "text", "integer", "number", "flag", "list", "object", "null" (nothing but that), "mixed" */
} row_column;
typedef struct {
    const char *path, *layout;
    row_column *columns; /* of the first 200 rows, in the order met */
    int column_count;
    int64_t bytes;
} row_source_info;

row_source *row_source_open(arena *a, const char *path, err *e);
const row_source_info *row_source_describe(const row_source *s);
/* The next row, an object in memory of a. False: the end (e->code == 0), or an error that names file and line. Behind a row that is damaged
 * by itself the next call goes on; where that cannot be, row_source_ended is true. */
bool row_source_next(row_source *s, arena *a, json **row, err *e);
bool row_source_ended(const row_source *s);
bool row_source_rewind(row_source *s, err *e);
int64_t row_source_row(const row_source *s);                 /* number of the row last read, from 0 */
const char *row_source_place(const row_source *s, arena *a); /* "data.jsonl line 17", of the row last read */
int64_t row_source_position(const row_source *s);            /* bytes read so far */
void row_source_close(row_source *s);                        /* the arena does it too */

#include "data/intake.h" /* a file opened for an import */

#endif
