/* Any JSON as a data set of feedback: {"fields", "questions", "properties", "vectors", "records", "mapping"}. Nothing may crash; a definition
 * that was made is made again from itself unchanged; recipes and agreement take records as they come. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_equal(const json *a, const json *b, const char *what) {
    if (json_equal(a, b)) return;
    buf text = {0};
    json_put(&text, a);
    buf_put_char(&text, '\n');
    json_put(&text, b);
    fprintf(stderr, "%s\n%s\n", what, text.ptr);
    abort();
}

static void try_question(arena *a, const json *body, const json *fields) {
    const kind_context c = {fields, NULL, false}, free_one = {fields, NULL, true};
    json *made, *again;
    err e = {0}, none = {0};
    if (!question_create(a, body, &c, &made, &e)) return;
    if (!question_create(a, made, &c, &again, &none)) abort();
    must_be_equal(made, again, "made twice");
    if (!question_update(a, made, made, &c, &again, &none)) abort();
    must_be_equal(made, again, "changed to itself");
    if (!question_update(a, made, made, &free_one, &again, &none)) abort();
    must_be_equal(made, again, "freely changed to itself");
}

static void try_parts(arena *a, const json *v) {
    const json *fields = json_get(v, "fields"), *properties = json_get(v, "properties"), *vectors = json_get(v, "vectors");
    json *made, *again;
    for (size_t i = 0; i < json_count(fields) && i < 16; i++) {
        err e = {0}, none = {0};
        if (!field_create(a, json_at(fields, i), NULL, &made, &e)) continue;
        if (!field_update(a, made, made, &again, &none)) abort();
        must_be_equal(made, again, "a field changed to itself");
    }
    for (size_t i = 0; i < json_count(properties) && i < 16; i++) {
        err e = {0}, none = {0};
        if (!metadata_create(a, json_at(properties, i), NULL, &made, &e)) continue;
        if (!metadata_update(a, made, made, &again, &none)) abort();
        must_be_equal(made, again, "a property changed to itself");
    }
    for (size_t i = 0; i < json_count(vectors) && i < 8; i++) {
        err e = {0};
        vector_create(a, json_at(vectors, i), vectors, &made, &e);
    }
    err e = {0};
    dataset_create(a, v, &made, &e);
}

static void try_record(arena *a, const json *v, const json *record) {
    const json *questions = json_get(v, "questions"), *fields = json_get(v, "fields"), *values = json_get(record, "fields");
    const json *responses = json_get(record, "responses"), *suggestions = json_get(record, "suggestions");
    buf text = {0};
    err e = {0};
    if (fields_check(fields, values, &e)) {
        err none = {0};
        if (!fields_check(fields, fields_normal(a, fields, values), &none)) abort();
    }
    fields_search_text(fields, values, &text);
    buf_free(&text);
    metadata_check(json_get(v, "properties"), false, json_get(record, "metadata"), &e);
    vectors_check(json_get(v, "vectors"), json_get(record, "vectors"), &e);
    for (size_t i = 0; i < json_count(responses) && i < 8; i++) {
        const json *one = json_at(responses, i), *answers = json_get(one, "values");
        err why = {0}, draft = {0};
        const bool whole = response_check(questions, values, answers, STR("submitted"), true, &why);
        if (whole && !response_check(questions, values, answers, STR("draft"), true, &draft)) abort();
        for (json_member m = {0}; json_next(answers, &m);) {
            const json *question = question_named(questions, str_of(m.key)), *value = json_get(m.value, "value");
            double n;
            question_terms(a, question, value);
            question_number(question, value, &n);
        }
    }
    for (size_t i = 0; i < json_count(suggestions) && i < 8; i++) {
        err why = {0};
        suggestion_check(questions, values, json_at(suggestions, i), NULL, &why);
    }
}

static void try_recipe(arena *a, const json *v, const json *mapping) {
    err e = {0};
    const recipe *r = recipe_open(a, json_get(v, "fields"), json_get(v, "questions"), mapping, NULL, &e);
    for (int t = 0; r && t < TARGET_COUNT; t++) {
        example_list list = {0};
        err why = {0};
        buf rows = {0};
        recipe_convert_all(a, r, json_get(v, "records"), (recipe_target)t, &list, &why);
        recipe_put_rows(&rows, list.item, list.count);
        split_report(a, list.item, list.count, 10, 10, 0.7);
        buf_free(&rows);
    }
    if (r) recipe_report(a, r, json_get(v, "records"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new();
    err e = {0};
    const json *v = json_parse(a, (str){(const char *)data, size}, &e), *records = json_get(v, "records");
    const json *questions = json_get(v, "questions");
    if (v && json_count(records) <= 32 && json_count(questions) <= 16) {
        for (size_t i = 0; i < json_count(questions); i++) try_question(a, json_at(questions, i), json_get(v, "fields"));
        try_parts(a, v);
        for (size_t i = 0; i < json_count(records); i++) try_record(a, v, json_at(records, i));
        agreement_report(a, questions, records, 10);
        try_recipe(a, v, json_get(v, "mapping"));
        const json *guesses = recipe_guess(a, json_get(v, "fields"), questions);
        for (size_t i = 0; i < json_count(guesses); i++) try_recipe(a, v, json_at(guesses, i));
    }
    arena_free(a);
    return 0;
}
