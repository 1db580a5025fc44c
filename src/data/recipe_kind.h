/* recipe_kind.h - what a recipe is, and the words it is written with. Used inside data alone.
 *
 * A recipe is one file, recipe_NAME.c, and one token in RECIPES (recipe.h). It is given, record by record, the voices (answers of people,
 * unified as the options say) to its question, and appends examples. Prompts, lineage, licences, counting are done for it. */
#ifndef FETTLE_DATA_RECIPE_KIND_H
#define FETTLE_DATA_RECIPE_KIND_H

#include "data/recipe.h"

typedef struct recipe_kind recipe_kind;

struct recipe {
    const recipe_kind *kind;
    const json *fields, *questions, *question, *mapping;
    const char *prompt, *system, *context, *answer, *answer_a, *answer_b, *messages; /* names of fields, or NULL */
    recipe_options o;
    double threshold; /* resolved */
    bool gold_alone;  /* a settled answer stands for all of its record: always but under a `unify` of all that was asked for */
};

/* One answer to the question after unification. */
typedef struct {
    const json *value; /* as kinds.h has it, but means may be reals */
    json *responses, *people;
    str origin; /* "gold", "suggestion:AGENT", or empty: people */
} voice;

/* Why a record gave nothing, counted for the report. */
#define LEFT_OUT(X)                                                                                                              \
    X(LEFT_NO_PROMPT, "the prompt is empty")                                                                                     \
    X(LEFT_DISCARDED, "everybody discarded it")                                                                                  \
    X(LEFT_NO_ANSWER, "nobody has answered the question")                                                                        \
    X(LEFT_DISAGREED, "people disagree and there is no gold answer")                                                             \
    X(LEFT_NO_TEXT, "the answer's field is empty")                                                                               \
    X(LEFT_NOT_GOOD, "the answer is not good enough to imitate")                                                                 \
    X(LEFT_NO_DIFFERENCE, "no answer is better than another")                                                                    \
    X(LEFT_NO_LABEL, "its label says neither good nor bad")
typedef enum {
    LEFT_NOTHING = -1,
#define X(token, words) token,
    LEFT_OUT(X)
#undef X
        LEFT_COUNT
} left_out;

/* What convert appends to, and what it knows of the record. */
typedef struct {
    arena *a;
    const recipe *r;
    const json *record;
    example_part prompt; /* built already */
    example_part ending; /* role messages: the answer the conversation ends with */
    recipe_target as;
    example_list *out;
    left_out why; /* of the last thing left out */
} kitchen;

/* An answer with a number: what ratings give, and what pairs between records are made of. */
typedef struct {
    example_part prompt, answer;
    const json *record;
    voice voice;
    double rating;
    str words; /* of the prompt, as the split sees them */
} rated;
typedef struct {
    rated *item;
    size_t count, capacity;
} rated_list;

struct recipe_kind {
    const char *name, *question_types[3], *words;
    const char *never[TARGET_COUNT]; /* why it never gives that target; NULL: it may */
    const char *unify;               /* what `auto` means for it */
    /* Fills in what names tell; asks for the rest. False: this question is nothing for it. */
    bool (*guess)(arena *a, const json *fields, const json *question, json *mapping, json *ask);
    bool (*ready)(const recipe *r, err *e); /* has every role it needs */
    /* One of the two: examples of one voice; or all rated answers of the record, from which sft, pairs and labelled follow. */
    void (*convert)(kitchen *k, const voice *v);
    void (*collect)(kitchen *k, rated_list *out);
    /* The mean of values (n >= 1); NULL: means make no sense. */
    json *(*mean)(arena *a, const recipe *r, const json *const *values, size_t n);
};

#define X(name) extern const recipe_kind recipe_##name;
RECIPES(X)
#undef X
const recipe_kind *recipe_kind_find(str name);

/* ---- guessing ----------------------------------------------------------------------------------------------------------------------- */

/* Fields whose name (case, '-' and spaces do not count) is one of `names` ("prompt|instruction"), or begins with one that ends with '*'. */
json *fields_named(arena *a, const json *fields, const char *names);
bool name_is_like(arena *a, str name, const char *names);
void ask_for(arena *a, json *ask, const char *role, json *choices, const char *words);
json *all_field_names(arena *a, const json *fields, const char *type); /* NULL: of any type */
/* prompt, system, context, messages */
void guess_prompt(arena *a, const json *fields, json *mapping, json *ask);
bool guess_answer(arena *a, const json *fields, json *mapping, json *ask, const char *words);
json *answer_fields(arena *a, const json *fields); /* in their order: fields that look like answers */

/* ---- building ----------------------------------------------------------------------------------------------------------------------- */

bool build_prompt(kitchen *k);                                  /* false: k->why */
example_part field_answer(const kitchen *k, const char *field); /* PART_ABSENT: empty */
example_part text_answer(const kitchen *k, str text);
/* A new example with prompt and lineage, appended; fill in the rest. */
example *dish(kitchen *k, example_kind kind, const voice *v);
void give_sft(kitchen *k, const voice *v, example_part answer);
void give_pair(kitchen *k, const voice *v, example_part chosen, example_part rejected, double margin);
void give_labelled(kitchen *k, const voice *v, example_part answer, bool good);
void leave(kitchen *k, left_out why);

void pair_rated(kitchen *k, const rated *x, const rated *y); /* the higher over the lower; nothing when they are equal */

/* ---- voices ------------------------------------------------------------------------------------------------------------------------- */

/* The voices of a record to `question`; 0: *why says why. */
size_t voices_of(arena *a, const recipe *r, const json *record, const json *question, voice **out, left_out *why);
bool is_discarded(const json *record); /* somebody answered, and all discarded it */

#endif
