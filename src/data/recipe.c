/* recipe.c - recipes opened, records put through them, and the report of what they give. See recipe.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

enum {
#define X(name) RECIPE_##name,
    RECIPES(X)
#undef X
        RECIPE_COUNT
};

static const recipe_kind *const kinds[RECIPE_COUNT] = {
#define X(name) &recipe_##name,
    RECIPES(X)
#undef X
};

static const struct {
    const char *name, *words;
} targets[TARGET_COUNT] = {
#define X(token, name, words) [token] = {name, words},
    RECIPE_TARGETS(X)
#undef X
};

static const char *const left_words[LEFT_COUNT] = {
#define X(token, words) [token] = words,
    LEFT_OUT(X)
#undef X
};

const opt recipe_option_table[] = {
    {"unify", OPT_CHOICE, offsetof(recipe_options, unify), "auto", 0, 0, "auto|gold|majority|mean|latest|all",
     "how several people's answers become one; a gold answer comes first"},
    {"threshold", OPT_REAL, offsetof(recipe_options, threshold), NULL, 0, 10, NULL,
     "ratings from here on are good (unset: above the middle of the scale)"},
    {"form", OPT_CHOICE, offsetof(recipe_options, form), "messages", 0, 0, "messages|text",
     "conversations for the model's chat template, or plain texts"},
    {"sft", OPT_CHOICE, offsetof(recipe_options, sft), "prompt-completion", 0, 0, "prompt-completion|messages",
     "rows of answers to imitate"},
    {"suggestions", OPT_BOOL, offsetof(recipe_options, suggestions), "false", 0, 0, NULL,
     "where nobody answered, a model's suggestion stands in (labels that came with a file always do)"},
    {"purpose", OPT_CHOICE, offsetof(recipe_options, purpose), "any", 0, 0, "any|commercial",
     "refuse records whose licence forbids it"},
    {"without", OPT_LIST, offsetof(recipe_options, without), NULL, 0, 0, NULL,
     "people whose answers are left out, by id or pseudonym"},
    {"salt", OPT_TEXT, offsetof(recipe_options, salt), "", 0, 0, NULL, "secret that people's pseudonyms are made with"},
    OPT_END,
};

const char *recipe_target_name(recipe_target t) { return targets[t].name; }
const char *recipe_target_words(recipe_target t) { return targets[t].words; }

bool recipe_target_find(str name, recipe_target *out) {
    for (int t = 0; t < TARGET_COUNT; t++)
        if (str_is(name, targets[t].name)) return *out = (recipe_target)t, true;
    return false;
}

const recipe_kind *recipe_kind_find(str name) {
    for (int i = 0; i < RECIPE_COUNT; i++)
        if (str_is(name, kinds[i]->name)) return kinds[i];
    return NULL;
}

static bool takes(const recipe_kind *kind, const json *question) {
    const question_type *type = question_type_of(question);
    for (size_t i = 0; type && i < 3 && kind->question_types[i]; i++)
        if (!strcmp(kind->question_types[i], type->name)) return true;
    return false;
}

/* ---- guessing ----------------------------------------------------------------------------------------------------------------------- */

static void guess_from(arena *a, const recipe_kind *kind, const json *fields, const json *question, json *out) {
    json *mapping = json_new_object(a), *ask = json_new_array(a);
    json_set(mapping, "recipe", json_new_text(a, str_of(kind->name)));
    json_set(mapping, "question", json_get(question, "name"));
    guess_prompt(a, fields, mapping, ask);
    if (!kind->guess(a, fields, question, mapping, ask)) return;
    json_set(mapping, "ask", ask);
    json_append(out, mapping);
}

/* What everybody answers comes before what some may answer. */
json *recipe_guess(arena *a, const json *fields, const json *questions) {
    json *out = json_new_array(a);
    for (int required = 1; required >= 0; required--)
        for (int k = 0; k < RECIPE_COUNT; k++)
            for (size_t i = 0; i < json_count(questions); i++) {
                const json *question = json_at(questions, i);
                if (takes(kinds[k], question) && json_get_bool(question, "required", false) == (required == 1))
                    guess_from(a, kinds[k], fields, question, out);
            }
    return out;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------------ */

static bool take_role(arena *a, recipe *r, const char *role, const char **out, err *e) {
    const json *v = json_get(r->mapping, role);
    *out = NULL;
    if (!v) return true;
    if (json_kind_of(v) != JSON_STRING || !member_named(r->fields, json_text(v, STR(""))))
        return key_wrong(r->mapping, role, "the name of a field", e);
    *out = str_copy(a, json_text(v, STR("")));
    return true;
}

static bool take_roles(arena *a, recipe *r, err *e) {
    return take_role(a, r, "prompt", &r->prompt, e) && take_role(a, r, "system", &r->system, e) &&
           take_role(a, r, "context", &r->context, e) && take_role(a, r, "answer", &r->answer, e) &&
           take_role(a, r, "answer_a", &r->answer_a, e) && take_role(a, r, "answer_b", &r->answer_b, e) &&
           take_role(a, r, "messages", &r->messages, e);
}

/* The first option above the middle of the scale. */
static double usual_threshold(const json *question) {
    const json *options = json_get(json_get(question, "settings"), "options");
    double low = INFINITY, high = -INFINITY, best = INFINITY;
    for (size_t i = 0; i < json_count(options); i++) {
        const double v = json_get_real(json_at(options, i), "value", NAN);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    for (size_t i = 0; i < json_count(options); i++) {
        const double v = json_get_real(json_at(options, i), "value", NAN);
        if (v > (low + high) / 2 && v < best) best = v;
    }
    return best;
}

static bool take_kind(recipe *r, err *e) {
    buf names = {0};
    r->kind = recipe_kind_find(json_get_text(r->mapping, "recipe", STR("")));
    for (int i = 0; i < RECIPE_COUNT; i++) buf_printf(&names, "%s%s", i ? ", " : "one of ", kinds[i]->name);
    const bool ok = r->kind || key_wrong(r->mapping, "recipe", names.ptr, e);
    buf_free(&names);
    return ok;
}

static bool take_question(recipe *r, err *e) {
    r->question = member_named(r->questions, json_get_text(r->mapping, "question", STR("")));
    if (!r->question) return key_wrong(r->mapping, "question", "the name of a question", e);
    if (takes(r->kind, r->question)) return true;
    return err_set(e, ERR_INPUT, "the recipe '%s' is for questions of type %s, but '%.*s' is none", r->kind->name,
                   r->kind->question_types[0], STR_ARG(json_get_text(r->question, "name", STR("?"))));
}

static bool take_options_of(arena *a, recipe *r, const recipe_options *o, err *e) {
    opt_defaults(recipe_option_table, &r->o, a);
    if (o) r->o = *o;
    r->gold_alone = strcmp(r->o.unify, "all") != 0;
    if (!strcmp(r->o.unify, "auto")) r->o.unify = r->kind->unify;
    if (!strcmp(r->o.unify, "mean") && !r->kind->mean)
        return err_set(e, ERR_INPUT, "unify mean: there is no mean of answers to a %s question; use majority, latest or all",
                       r->kind->question_types[0]);
    r->threshold = isnan(r->o.threshold) ? usual_threshold(r->question) : r->o.threshold;
    return true;
}

static bool has_prompt(const recipe *r, err *e) {
    const json *prompt = r->prompt ? member_named(r->fields, str_of(r->prompt)) : NULL;
    if (!r->prompt && !r->messages)
        return err_set(e, ERR_INPUT, "no field is the prompt: name it as 'prompt' (or a conversation as 'messages')");
    if (r->context && (r->messages || field_type_of(prompt) == &field_type_chat))
        return err_set(e, ERR_INPUT, "'context' goes with a prompt that is a text, not with a conversation");
    return true;
}

recipe *recipe_open(arena *a, const json *fields, const json *questions, const json *mapping, const recipe_options *o, err *e) {
    recipe *r = arena_new_of(a, recipe);
    r->fields = fields;
    r->questions = questions;
    r->mapping = mapping;
    const bool ok = body_is_object(mapping, "a mapping", e) && take_kind(r, e) && take_question(r, e) && take_roles(a, r, e) &&
                    take_options_of(a, r, o, e) && has_prompt(r, e) && r->kind->ready(r, e);
    return ok ? r : NULL;
}

/* ---- one record --------------------------------------------------------------------------------------------------------------------- */

static void convert_rated(kitchen *k) {
    rated_list list = {0};
    k->r->kind->collect(k, &list);
    for (size_t i = 0; i < list.count; i++) {
        const rated *x = &list.item[i];
        if (k->as == TARGET_SFT && x->rating >= k->r->threshold) give_sft(k, &x->voice, x->answer);
        else if (k->as == TARGET_SFT) leave(k, LEFT_NOT_GOOD);
        if (k->as == TARGET_LABELLED) give_labelled(k, &x->voice, x->answer, x->rating >= k->r->threshold);
        for (size_t j = 0; k->as == TARGET_PAIRS && j < i; j++) pair_rated(k, &list.item[j], x);
    }
    if (k->as == TARGET_PAIRS && list.count) leave(k, LEFT_NO_DIFFERENCE);
}

static void convert_voices(kitchen *k) {
    voice *voices;
    left_out why;
    const size_t n = voices_of(k->a, k->r, k->record, k->r->question, &voices, &why);
    if (!n) leave(k, why);
    for (size_t i = 0; i < n; i++) k->r->kind->convert(k, &voices[i]);
}

/* Why nothing came of it; LEFT_NOTHING when something did. */
static left_out convert(arena *a, const recipe *r, const json *record, recipe_target as, example_list *out) {
    kitchen k = {.a = a, .r = r, .record = record, .as = as, .out = out, .why = LEFT_NOTHING};
    const size_t before = out->count;
    if (r->kind->never[as]) return LEFT_NOTHING;
    if (is_discarded(record)) leave(&k, LEFT_DISCARDED);
    else if (!build_prompt(&k)) leave(&k, LEFT_NO_PROMPT);
    else if (as == TARGET_PROMPTS) dish(&k, EXAMPLE_PROMPT, NULL);
    else if (r->kind->collect) convert_rated(&k);
    else convert_voices(&k);
    return out->count > before ? LEFT_NOTHING : k.why;
}

void recipe_convert(arena *a, const recipe *r, const json *record, recipe_target as, example_list *out) {
    convert(a, r, record, as, out);
}

/* ---- all records -------------------------------------------------------------------------------------------------------------------- */

static int by_prompt(const void *x, const void *y) {
    const rated *a = *(const rated *const *)x, *b = *(const rated *const *)y;
    const int order = str_compare(a->words, b->words);
    return order ? order : (a > b) - (a < b);
}

/* Pairs of rated answers to one prompt, wherever they stand. */
static void pairs_between(arena *a, const recipe *r, const json *records, example_list *out) {
    rated_list list = {0};
    kitchen k = {.a = a, .r = r, .as = TARGET_PAIRS, .out = out};
    for (size_t i = 0; i < json_count(records); i++) {
        k.record = json_at(records, i);
        if (!is_discarded(k.record) && build_prompt(&k)) r->kind->collect(&k, &list);
    }
    const rated **order = arena_array(a, const rated *, list.count + 1);
    for (size_t i = 0; i < list.count; i++) {
        const example x = {.kind = EXAMPLE_PROMPT, .prompt = list.item[i].prompt};
        list.item[i].words = example_prompt_words(a, &x);
        order[i] = &list.item[i];
    }
    qsort(order, list.count, sizeof *order, by_prompt);
    for (size_t i = 0, first = 0; i < list.count; i++) {
        if (!str_eq(order[first]->words, order[i]->words)) first = i;
        for (size_t j = first; j < i; j++) pair_rated(&k, order[j], order[i]);
    }
}

bool recipe_convert_all(arena *a, const recipe *r, const json *records, recipe_target as, example_list *out, err *e) {
    if (!licences_allow(records, r->o.purpose, e)) return false;
    if (as == TARGET_PAIRS && r->kind->collect && !r->kind->never[as]) return pairs_between(a, r, records, out), true;
    for (size_t i = 0; i < json_count(records); i++) convert(a, r, json_at(records, i), as, out);
    return true;
}

/* ---- the report --------------------------------------------------------------------------------------------------------------------- */

static const char *reason(arena *a, const recipe *r, recipe_target as, size_t records, const size_t *left) {
    int most = 0;
    if (r->kind->never[as]) return r->kind->never[as];
    if (!records) return "there are no records yet";
    for (int i = 1; i < LEFT_COUNT; i++)
        if (left[i] > left[most]) most = i;
    return arena_printf(a, "%s (%zu of %zu records)", left_words[most], left[most], records);
}

/* Examples of all records, and how many records give none for which reason. */
static size_t count_examples(const recipe *r, const json *records, recipe_target as, size_t left[LEFT_COUNT]) {
    size_t count = 0;
    for (size_t i = 0; i < json_count(records); i++) {
        arena *scratch = arena_new();
        example_list list = {0};
        const left_out one = convert(scratch, r, json_at(records, i), as, &list);
        count += list.count;
        if (one != LEFT_NOTHING) left[one]++;
        arena_free(scratch);
    }
    if (as == TARGET_PAIRS && r->kind->collect) {
        arena *scratch = arena_new();
        example_list list = {0};
        pairs_between(scratch, r, records, &list);
        count = list.count;
        arena_free(scratch);
    }
    return count;
}

static json *target_report(arena *a, const recipe *r, const json *records, recipe_target as) {
    size_t left[LEFT_COUNT] = {0}, unused[LEFT_COUNT] = {0};
    const size_t count = count_examples(r, records, as, left);
    json *out = json_new_object(a), *why = json_new_object(a);
    recipe lenient = *r;
    lenient.o.suggestions = true;
    const bool some = left[LEFT_NO_ANSWER] && !r->o.suggestions;
    const size_t more = some ? count_examples(&lenient, records, as, unused) : 0;
    for (int i = 0; i < LEFT_COUNT; i++)
        if (left[i]) json_set(why, left_words[i], json_new_int(a, (int64_t)left[i]));
    json_set(out, "count", json_new_int(a, (int64_t)count));
    json_set(out, "reason", count ? NULL : json_new_text(a, str_of(reason(a, r, as, json_count(records), left))));
    json_set(out, "left_out", why);
    if (more > count) json_set(out, "with_suggestions", json_new_int(a, (int64_t)more));
    return out;
}

static json *licence_row(arena *a, str name, const licence_terms *l) {
    json *row = json_new_object(a);
    json_set(row, "licence", name.len ? json_new_text(a, name) : NULL);
    json_set(row, "records", json_new_int(a, 0));
    json_set(row, "commercial", l ? json_new_bool(a, l->commercial) : NULL);
    json_set(row, "competing", l ? json_new_bool(a, l->competing) : NULL);
    return row;
}

static json *licences_of(arena *a, const json *records) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(records); i++) {
        const str name = licence_text_of_record(json_at(records, i));
        json *row = NULL;
        for (size_t k = 0; k < json_count(out) && !row; k++)
            if (str_eq(json_get_text(json_at(out, k), "licence", STR("")), name)) row = json_at(out, k);
        if (!row) json_append(out, row = licence_row(a, name, licence_of_record(json_at(records, i))));
        json_set(row, "records", json_new_int(a, json_get_int(row, "records", 0) + 1));
    }
    return out;
}

static int64_t people_of(arena *a, const json *records) {
    json *seen = json_new_object(a);
    for (size_t i = 0; i < json_count(records); i++) {
        const json *responses = json_get(json_at(records, i), "responses");
        for (size_t k = 0; k < json_count(responses); k++) {
            const json *one = json_at(responses, k);
            if (str_is(json_get_text(one, "status", STR("")), "submitted"))
                json_set(seen, str_copy(a, json_get_text(one, "user_id", STR("?"))), NULL);
        }
    }
    return (int64_t)json_count(seen);
}

json *recipe_report(arena *a, const recipe *r, const json *records) {
    json *out = json_new_object(a), *each = json_new_object(a);
    json_set(out, "recipe", json_new_text(a, str_of(r->kind->name)));
    json_set(out, "question", json_get(r->question, "name"));
    json_set(out, "records", json_new_int(a, (int64_t)json_count(records)));
    for (int t = 0; t < TARGET_COUNT; t++) json_set(each, targets[t].name, target_report(a, r, records, (recipe_target)t));
    json_set(out, "targets", each);
    json_set(out, "licences", licences_of(a, records));
    json_set(out, "people", json_new_int(a, people_of(a, records)));
    return out;
}

/* The caller's options, but the recipe's own way where it knows no mean. */
static recipe_options fitting(arena *a, const recipe_options *o, const recipe_kind *kind) {
    recipe_options own;
    opt_defaults(recipe_option_table, &own, a);
    if (o) own = *o;
    if (!strcmp(own.unify, "mean") && !kind->mean) own.unify = "auto";
    return own;
}

static json *overview_row(arena *a, const json *fields, const json *questions, json *mapping, const json *records,
                          const recipe_options *o) {
    err e = {0};
    json *row = json_new_object(a);
    const recipe_options own = fitting(a, o, recipe_kind_find(json_get_text(mapping, "recipe", STR(""))));
    const bool clear = !json_count(json_get(mapping, "ask"));
    const recipe *r = clear ? recipe_open(a, fields, questions, mapping, &own, &e) : NULL;
    json_set(row, "mapping", mapping);
    json_set(row, "report", r ? recipe_report(a, r, records) : NULL);
    json_set(row, "problem", clear && !r ? json_new_text(a, str_of(e.text)) : NULL);
    return row;
}

json *recipe_overview(arena *a, const json *fields, const json *questions, const json *records, const recipe_options *o) {
    json *guesses = recipe_guess(a, fields, questions), *out = json_new_array(a);
    for (size_t i = 0; i < json_count(guesses); i++)
        json_append(out, overview_row(a, fields, questions, json_at(guesses, i), records, o));
    return out;
}
