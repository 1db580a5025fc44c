/* rows_parts.h - rows in the making (private to rows*.c). */
#ifndef FETTLE_TRAIN_ROWS_PARTS_H
#define FETTLE_TRAIN_ROWS_PARTS_H

#include "train/packing.h"
#include "train/train.h"

typedef struct {
    int64_t at; /* in the file: ids, then mask, padded to 4 */
    int64_t example;
    int32_t length, prompt, unit, label, role, note; /* note: bytes behind the mask */
    float margin, probability;
} rows_entry;

struct rows {
    rows_entry *item;
    int64_t count, room;
    str file;
    row_counts counts;
    objective_rows kind;
    bool older, documents; /* documents: several in a row */
    bool writes;           /* the policy learns to write: it should learn where to stop */
};

/* A row before it is written. */
typedef struct {
    int32_t *ids;
    uint8_t *mask;
    int length, prompt;
    bool cut; /* to max_length */
} fresh;

/* Where a row stands. unit -1: alone. */
typedef struct {
    int64_t example;
    int unit, label;
    sequence_role role;
    float margin, probability;
    float reward; /* until it is decided what is kept */
    str note;     /* of a prompt: its row in the data, as JSON */
} place;

/* Documents that wait to be packed. */
typedef struct {
    arena *a;
    fresh item[PACKED_AT_ONCE];
    int64_t example[PACKED_AT_ONCE];
    int count;
} waiting;

/* Rows that wait: for the others of their group, or behind those of the pairs' chosen answers. */
typedef struct {
    arena *a;
    fresh *item;
    place *at;
    int count, room;
} queue;

typedef struct {
    const model *m;
    const train_settings *s;
    rows *r;
    file_out out;
    waiting *waiting;                /* NULL: rows are not packed */
    queue group, rejected, rewarded; /* of labelled or rewarded answers */
    uint64_t *seen;                  /* hashes of examples, open addressing */
    int64_t seen_count, seen_room;
    int32_t end[16]; /* tokens that end a turn */
    int ends;
    bool quiet, held_out, from_eval; /* from_eval: of files of their own, not of a share of the data */
    err *e;
} preparing;

/* ---- rows_text.c: words to ids ---- */

/* Text that is trained from end to end, its end token's text behind it if it is not there. */
bool rows_plain(arena *a, const preparing *p, str text, bool special, fresh *out); /* as it stands */
bool rows_text(arena *a, const preparing *p, str text, fresh *out);
/* As the template ends it; asking for an answer; in the midst of the last one. */
typedef enum { ENDS_CLOSED, ENDS_ASKING, ENDS_OPEN } chat_ending;
chat_ending rows_ending(bool unfinished); /* of the conversation whose last turn is so marked */
/* marks: the mask is what {% generation %} says. */
bool rows_chat(arena *a, const preparing *p, const example *x, json *messages, chat_ending ending, bool marks, fresh *out);
/* Prompt alone, and prompt with answer; full->prompt is where the answer begins. The mask is 1 (or the marks) everywhere. */
bool rows_both(arena *a, const preparing *p, const example *x, const example_part *answer, bool marks, fresh *prompt,
               fresh *full);
/* A prompt that is to be answered; nothing of it is trained. */
bool rows_prompt(arena *a, const preparing *p, const example *x, fresh *out);
/* The same as TRL's older trainers do it. */
bool rows_both_older(arena *a, const preparing *p, const example *x, const example_part *answer, fresh *full);
int rows_common_prefix(const fresh *a, const fresh *b);
void rows_collect_ends(preparing *p); /* tokens that end a turn */
bool rows_ends_turn(const preparing *p, int32_t id);

/* ---- rows_steps.c: answers in steps ---- */

bool rows_steps(arena *a, const preparing *p, const example *x, fresh *out);

/* ---- rows_units.c: examples to units ---- */

bool rows_add(arena *a, preparing *p, const example *x);
bool rows_flush(preparing *p); /* what waits is written */
void rows_forget(preparing *p);
void rows_note(row_numbers *n, int64_t from_zero);

#endif
