/* dataset_show.c - the answer of GET .../recipes in words: how many examples of what, why none, what is asked, near-duplicates. */
#include "cli/dataset_show.h"

#include <stdio.h>
#include <string.h>

#include "data/data.h"

static long long number(const json *v, const char *key) { return (long long)json_get_int(v, key, 0); }

/* ---- what it can train -------------------------------------------------------------------------------------------------------------- */

static void print_target(const char *name, const json *v) {
    const long long count = number(v, "count"), more = number(v, "with_suggestions") - count;
    if (count) printf("  %-9s %8lld examples", name, count);
    else printf("  %-9s        0: %.*s", name, STR_ARG(desk_text(v, "reason")));
    if (more > 0) printf("; %lld more where suggestions stand in (--set suggestions=true)", more);
    printf("\n");
}

static void print_targets(const json *report) {
    json_member m = {0};
    printf("It can train:\n");
    while (json_next(json_get(report, "targets"), &m)) print_target(m.key, m.value);
}

static void print_mapping(const json *mapping) {
    json_member x = {0};
    bool first = true;
    printf("Mapping: ");
    while (mapping && json_next(mapping, &x)) {
        if (strcmp(x.key, "ask") == 0) continue;
        buf value = {0};
        json_put(&value, x.value);
        printf("%s%s=%s", first ? "" : ", ", x.key, value.ptr);
        buf_free(&value);
        first = false;
    }
    printf("\n");
}

static void print_choices(const json *choices) {
    for (size_t k = 0; k < json_count(choices); k++)
        printf("%s%.*s", k ? ", " : "", STR_ARG(json_text(json_at(choices, k), STR("?"))));
}

/* What the names of fields did not tell, and how to tell it. */
static void print_asked(const json *guess, str name) {
    const json *ask = json_get(guess, "ask");
    printf("It cannot train before this is said:\n");
    for (size_t i = 0; i < json_count(ask); i++) {
        const json *one = json_at(ask, i);
        printf("  %.*s  ", STR_ARG(desk_text(one, "words")));
        print_choices(json_get(one, "choices"));
        printf("\n    fettle dataset map %.*s --set %.*s=%.*s\n", STR_ARG(name), STR_ARG(desk_text(one, "role")),
               STR_ARG(json_text(json_at(json_get(one, "choices"), 0), STR("FIELD"))));
    }
}

/* Several questions can give examples; one is used at a time. */
static void print_others(const json *what, const json *used, str name) {
    const json *guesses = json_get(what, "guesses");
    for (size_t i = 0; i < json_count(guesses); i++) {
        const str question = desk_text(json_at(guesses, i), "question");
        if (str_eq(question, desk_text(used, "question"))) continue;
        printf("Or by its question '%.*s' (%.*s): fettle dataset map %.*s --set question=%.*s\n", STR_ARG(question),
               STR_ARG(desk_text(json_at(guesses, i), "recipe")), STR_ARG(name), STR_ARG(question));
    }
}

/* What the first records give: so many examples of each target. */
static void print_preview(const json *preview) {
    enum { EXAMPLES = 3 };
    json_member m = {0};
    while (preview && json_next(preview, &m)) {
        if (json_count(m.value)) printf("The first of %s:\n", m.key);
        for (size_t i = 0; i < json_count(m.value) && i < EXAMPLES; i++) {
            buf row = {0};
            json_put(&row, json_at(m.value, i));
            printf("  %.400s%s\n", row.ptr, row.len > 400 ? " ..." : "");
            buf_free(&row);
        }
    }
}

/* ---- the split ------------------------------------------------------------------------------------------------------------------------ */

static void print_near(const json *row) {
    const json *sides = json_get(row, "sides"), *prompts = json_get(row, "prompts");
    printf("  %.2f alike:\n", json_get_real(row, "similarity", 0));
    for (size_t i = 0; i < 2; i++)
        printf("    %-10.*s %.*s\n", STR_ARG(json_text(json_at(sides, i), STR(""))),
               STR_ARG(json_text(json_at(prompts, i), STR(""))));
}

static void print_split(const json *split) {
    enum { SHOWN = 3 };
    const json *near_ones = json_get(split, "near");
    const long long count = number(split, "near_count");
    if (!split) return;
    printf("Split by prompt: %lld train, %lld validation, %lld test; %lld pairs of prompts nearly repeat each other across it\n",
           number(split, "train"), number(split, "validation"), number(split, "test"), count);
    for (size_t i = 0; i < json_count(near_ones) && i < SHOWN; i++) print_near(json_at(near_ones, i));
    if (count > SHOWN) printf("  ... metadata 'group' keeps records on one side; all of them: --json\n");
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------ */

/* The objective that most examples are for. */
static const char *objective_for(const json *report) {
    static const char *const objectives[][2] = {{"pairs", "dpo"}, {"labelled", "kto"}, {"sft", "sft"}};
    for (size_t i = 0; i < 3; i++)
        if (number(json_get(json_get(report, "targets"), objectives[i][0]), "count")) return objectives[i][1];
    return NULL;
}

bool show_dataset(arena *a, desk *d, const json *set, bool as_json, err *e) {
    json *what;
    const str name = desk_text(set, "name"), id = desk_text(set, "id");
    if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/recipes", STR_ARG(id)), STR(""), &what, e)) return false;
    if (as_json) return desk_print(what), true;
    const json *report = json_get(what, "report"), *kept = json_get(what, "mapping"),
               *guess = json_at(json_get(what, "guesses"), 0);
    const bool asks = !kept && json_count(json_get(guess, "ask")) > 0;
    printf("%.*s: %lld records, %lld completed\n", STR_ARG(name), number(what, "records"), number(what, "completed"));
    if (report) print_targets(report);
    else if (asks) print_asked(guess, name);
    else printf("It cannot train: %.*s\n", STR_ARG(desk_text(what, "reason")));
    if (kept || guess) print_mapping(kept ? kept : guess);
    print_others(what, kept ? kept : guess, name);
    print_split(json_get(report, "split"));
    print_preview(json_get(what, "preview"));
    const char *objective = objective_for(report);
    if (objective) printf("Train with it: fettle train %s --base smollm2 --data store:%.*s\n", objective, STR_ARG(name));
    return true;
}

/* ---- saying it ---------------------------------------------------------------------------------------------------------------------------- */

static str said(const opt_list *list, const char *key) {
    const size_t n = strlen(key);
    for (int i = 0; i < list->count; i++)
        if (strncmp(list->item[i], key, n) == 0 && list->item[i][n] == '=') return str_of(list->item[i] + n + 1);
    return (str){NULL, 0};
}

/* What is kept, unless another question is named. */
static json *mapping_for(const json *what, str question) {
    json *kept = json_get(what, "mapping");
    const json *guesses = json_get(what, "guesses");
    if (!question.ptr) return kept ? kept : json_at(guesses, 0);
    if (kept && str_eq(desk_text(kept, "question"), question)) return kept;
    for (size_t i = 0; i < json_count(guesses); i++)
        if (str_eq(desk_text(json_at(guesses, i), "question"), question)) return json_at(guesses, i);
    return NULL;
}

static json *list_of(arena *a, str words) {
    json *out = json_new_array(a);
    for (size_t at = 0; at <= words.len;) {
        const ptrdiff_t comma = str_find(words, STR(","), at);
        const size_t end = comma < 0 ? words.len : (size_t)comma;
        if (end > at) json_append(out, json_new_text(a, str_slice(words, at, end)));
        at = end + 1;
    }
    return out;
}

/* A number, true, false, or a text, as options of recipes are written. */
static json *option_value(arena *a, str words) {
    json *v = NULL;
    err none = {0};
    const bool reads = json_parse_any(a, words, &v, &none) &&
                       (json_kind_of(v) == JSON_BOOL || json_kind_of(v) == JSON_INT || json_kind_of(v) == JSON_REAL);
    return reads ? v : json_new_text(a, words);
}

static bool take(arena *a, json *mapping, json *options, const char *words, err *e) {
    const char *equals = strchr(words, '=');
    if (!equals) return err_set(e, ERR_USAGE, "--set wants ROLE=FIELD, not '%s'", words);
    const char *key = arena_copy(a, words, (size_t)(equals - words));
    const str value = str_of(equals + 1);
    const bool labels = strcmp(key, "good") == 0 || strcmp(key, "bad") == 0;
    if (opt_find(recipe_option_table, str_of(key))) json_set(options, key, option_value(a, value));
    else json_set(mapping, key, labels ? list_of(a, value) : json_new_text(a, value));
    return true;
}

/* What was asked and is said now is asked no more. */
static void forget_asked(arena *a, json *mapping) {
    const json *ask = json_get(mapping, "ask");
    json *left = json_new_array(a);
    for (size_t i = 0; i < json_count(ask); i++) {
        const char *asked = str_copy(a, desk_text(json_at(ask, i), "role"));
        if (!json_get(mapping, asked)) json_append(left, json_at(ask, i));
    }
    json_set(mapping, "ask", left);
}

bool map_dataset(arena *a, desk *d, const json *set, const opt_list *words, err *e) {
    json *what, *body = json_new_object(a);
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/recipe", STR_ARG(desk_text(set, "id")));
    if (!desk_ask(a, d, "GET", arena_printf(a, "%ss", path), STR(""), &what, e)) return false;
    json *mapping = mapping_for(what, said(words, "question")), *options = json_get(what, "options");
    if (!mapping)
        return err_set(e, ERR_INPUT, "no question of '%.*s' that is named gives examples", STR_ARG(desk_text(set, "name")));
    if (!options) options = json_new_object(a);
    for (int i = 0; i < words->count; i++)
        if (!take(a, mapping, options, words->item[i], e)) return false;
    forget_asked(a, mapping);
    json_set(body, "mapping", mapping);
    json_set(body, "options", options);
    buf out = {0};
    json_put(&out, body);
    const bool ok = desk_ask(a, d, "PUT", path, buf_str(&out), &what, e);
    buf_free(&out);
    if (ok) print_mapping(json_get(what, "mapping"));
    return ok;
}
