/* recipe.h - answers become examples: what a dataset of feedback can train, and the rows to train it on.
 *
 *   fields, questions ──► recipe_guess ──► mapping {"recipe", "question", "prompt", "answer", ...}, shown, edited by people
 *   mapping, options  ──► recipe_open  ──► recipe ──► recipe_convert(record, target) ──► examples with lineage
 *                                               └──► recipe_report(records) ──► how many of each target, and why none
 *
 *              | sft                 | pairs (dpo, reward ...)             | labelled (kto)          | prompts (ppo, grpo)
 *   text       | prompt, the text    | the text over what it edits         |                         | prompt
 *   ranking    | the best            | every strict pair                   |                         | prompt
 *   rating     | from the threshold  | higher over lower, margin = difference | from / below the threshold | prompt
 *   comparison | the winner          | winner over loser, margin = strength |                         | prompt
 *   label      | good ones           |                                     | good or bad             | prompt
 *
 * A record is as the API answers it: {"id", "fields", "metadata", "responses": [{"id", "user_id", "status", "values", "updated_at"}],
 * "suggestions": [{"question_id", "value", "agent"}], "gold": {question: {"value"}}}; gold is what an adjudicator decided, optional.
 * Records should have passed the checks of kinds.h; what does not fit is left out and counted, never an error.
 * Examples share texts of the record: it must live as long as they do. */
#ifndef FETTLE_DATA_RECIPE_H
#define FETTLE_DATA_RECIPE_H

#include "data/data.h"
#include "base/opt.h"

/* One file and one row per recipe; data/recipe_kind.h has the descriptor. The order is that of guesses: what was
 * written says more than how good what stood there was. */
#define RECIPES(X) X(comparison) X(ranking) X(text) X(rating) X(label)

// clang-format off
/*     token            name        what it trains */
#define RECIPE_TARGETS(X)                                                                 \
    X(TARGET_SFT,      "sft",      "answers to imitate: sft")                             \
    X(TARGET_PAIRS,    "pairs",    "better over worse: reward, dpo, ipo, orpo, cpo ...")  \
    X(TARGET_LABELLED, "labelled", "answers that are good or bad: kto, bco")              \
    X(TARGET_PROMPTS,  "prompts",  "prompts to answer: ppo, rloo, grpo ...")
// clang-format on

typedef enum {
#define X(token, name, words) token,
    RECIPE_TARGETS(X)
#undef X
        TARGET_COUNT
} recipe_target;
const char *recipe_target_name(recipe_target t);
const char *recipe_target_words(recipe_target t);
bool recipe_target_find(str name, recipe_target *out);

/* How several people's answers become one, and what the rows look like. Rows of `recipe_option_table`. */
typedef struct {
    const char *unify; /* auto, gold, majority, mean, latest, all */
    double threshold;  /* ratings from here on are good; NAN: above the middle of the scale */
    const char *form;  /* messages or text: conversations for a chat template, or plain texts */
    const char *sft;   /* prompt-completion or messages */
    bool
        suggestions; /* where nobody answered, a suggestion stands in, its agent in the lineage; one of a file (mapping.h) always does */
    const char *purpose; /* any or commercial */
    opt_list without;    /* ids or pseudonyms of people whose answers are left out */
    const char *salt;    /* secret of the server that pseudonyms are made with */
} recipe_options;
extern const opt recipe_option_table[];

typedef struct recipe recipe; /* owned by the arena it was opened with */

typedef struct {
    example *item;
    size_t count, capacity;
} example_list; /* in the arena given with it */

/* A mapping: {"recipe", "question", and names of fields under the roles "prompt", "system", "context", "answer", "answer_a", "answer_b",
 * "messages" (a conversation that ends with the answer), "answers": {option or rating question: field}, "good": [labels], "bad": [labels]}.
 * Returns an array with one mapping per question that some recipe can use, likeliest first, each with "ask": [{"role", "choices", "words"}]:
 * what names alone did not tell; empty when the mapping can be used as it is. */
json *recipe_guess(arena *a, const json *fields, const json *questions);

/* Fails with words when the mapping lacks a role its recipe needs, or names what the dataset does not have. o NULL: defaults. */
recipe *recipe_open(arena *a, const json *fields, const json *questions, const json *mapping, const recipe_options *o, err *e);

/* Appends the examples of one record. */
void recipe_convert(arena *a, const recipe *r, const json *record, recipe_target as, example_list *out);
/* Of all records (an array): as recipe_convert one after the other, and for pairs of ratings also between records with the same prompt. With
 * purpose commercial, ERR_REFUSED names the records whose licence forbids it. */
bool recipe_convert_all(arena *a, const recipe *r, const json *records, recipe_target as, example_list *out, err *e);

/* {"recipe", "question", "records", "targets": {"sft": {"count", "reason" (null unless count is 0), "left_out": {why: records},
 *  "with_suggestions": number, only where suggestions would add some}, ...},
 *  "licences": [{"licence", "records", "commercial": bool or null when unknown, "competing": ...}], "people": number} */
json *recipe_report(arena *a, const recipe *r, const json *records);

/* What the dataset can train: for every mapping of recipe_guess {"mapping", "report": as above, or null while something is asked or does not
 * fit, "problem": words or null}. */
json *recipe_overview(arena *a, const json *fields, const json *questions, const json *records, const recipe_options *o);

/* ---- licences ------------------------------------------------------------------------------------------------------------------------ */

/* What a licence (or the terms of a source) says about training on a text. A record tells its licence and source in its metadata. */
typedef struct {
    const char *name, *words;
    const char *const *also; /* other spellings, ended by NULL; one that ends with '*' is the beginning of a name */
    bool commercial;         /* may be used commercially */
    bool competing;          /* may train models that compete with whom the text comes from */
} licence_terms;
const licence_terms *licence_find(str name); /* spelling does not count: case, '-', '_', ' '. NULL: unknown */
const licence_terms *
licence_of_record(const json *record); /* of metadata "licence" or "license", else by "source"; NULL: unknown or not said */
str licence_text_of_record(const json *record); /* as it is written, or the name of what its source implies; empty: not said */
/* purpose "commercial": ERR_REFUSED, naming records whose licence or source forbids it (what is unknown forbids nothing: the report
 * shows it); other purposes: fine. */
bool licences_allow(const json *records, const char *purpose, err *e);

/* A person as lineage names them: the same for the same salt and id, and not to be turned back. */
char *person_pseudonym(arena *a, const char *salt, str user_id);

/* ---- the split ------------------------------------------------------------------------------------------------------------------------ */

/* {"train", "validation", "test": numbers of examples, "near": [{"a", "b" (record ids), "sides": [side, side], "prompts": [beginnings],
 * "similarity"}], "near_count"}.
 * near: prompts that nearly repeat each other (Jaccard similarity of their runs of three words from `similarity` on, e.g. 0.7) and stand
 * on two sides; at most 100 are listed. */
json *split_report(arena *a, const example *examples, size_t count, double validation_percent, double test_percent,
                   double similarity);
const char *example_side_name(example_side s);
str example_prompt_words(arena *a, const example *x); /* what the split is made by: lower case, one space between words */

/* ---- for TRL -------------------------------------------------------------------------------------------------------------------------- */

/* Examples as JSON Lines in TRL's types, lineage in columns of its own. */
void recipe_put_rows(buf *out, const example *examples, size_t count);
/* A Python script that trains on those rows with TRL (the trainer of the target; prompts: GRPO with a reward model). rows: path of the
 * file; model: name or path. */
void recipe_put_trl(buf *out, recipe_target as, const char *rows, const char *model);

#endif
