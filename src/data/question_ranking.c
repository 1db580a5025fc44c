/* question_ranking.c - options in the order of their worth; ties are allowed. */
#include "data/kind.h"

#include <stdlib.h>

static const option_limits limits = {2, 50};

static bool create(arena *a, const json *in, const kind_context *c, json **out, err *e) {
    (void)c;
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("ranking")));
    return take_options(a, in, limits, *out, e);
}

static bool update(arena *a, const json *old, const json *in, const kind_context *c, json **out, err *e) {
    if (!same_type(old, in, e)) return false;
    return create(a, c && c->free ? with_changes(a, old, in) : old, c, out, e);
}

static bool is_repeated(const json *list, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (json_equal(json_get(json_at(list, k), "value"), json_get(json_at(list, i), "value"))) return true;
    return false;
}

static bool check_item(const json *settings, const json *value, size_t i, err *e) {
    const json *item = json_at(value, i), *rank = json_get(item, "rank");
    if (!body_is_object(item, "it", e) || !check_label(settings, json_get(item, "value"), "'value'", e)) return false;
    if (rank && json_kind_of(rank) != JSON_INT) return key_wrong(item, "rank", "a whole number or null", e);
    return !is_repeated(value, i) ||
           err_set(e, ERR_INPUT, "%s is ranked already; every option stands once", value_words(json_get(item, "value")));
}

/* What only a final answer has to be: every option there, every rank from 1 to their number. */
static bool check_whole(const json *settings, const json *value, err *e) {
    const size_t n = json_count(json_get(settings, "options"));
    if (json_count(value) != n)
        return err_set(e, ERR_INPUT, "a submitted ranking should have all %zu options, but has %zu", n, json_count(value));
    for (size_t i = 0; i < n; i++) {
        const json *rank = json_get(json_at(value, i), "rank");
        if (json_int(rank, 0) < 1 || json_int(rank, 0) > (int64_t)n)
            return err_set(e, ERR_INPUT,
                           "item %zu: 'rank' should be a whole number from 1 to %zu in a submitted ranking, but is %s", i + 1, n,
                           value_words(rank));
    }
    return true;
}

static bool check(const json *settings, const json *value, const value_context *c, err *e) {
    if (json_kind_of(value) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "the answer should be a list of {\"value\", \"rank\"}, but is %s", value_words(value));
    for (size_t i = 0; i < json_count(value); i++)
        if (!check_item(settings, value, i, e)) return err_prefix(e, "item %zu", i + 1);
    return !(c && c->submitted) || check_whole(settings, value, e);
}

/* How many items stand before this one: gaps between ranks say nothing. Items without a rank come last. */
static size_t place(const json *value, size_t i) {
    size_t before = 0;
    const int64_t rank = json_get_int(json_at(value, i), "rank", INT64_MAX);
    for (size_t k = 0; k < json_count(value); k++) before += json_get_int(json_at(value, k), "rank", INT64_MAX) < rank;
    return before;
}

typedef struct {
    size_t place;
    str value;
} placed;

static int by_place(const void *x, const void *y) {
    const placed *a = x, *b = y;
    return a->place != b->place ? (a->place < b->place ? -1 : 1) : str_compare(a->value, b->value);
}

static void same(const json *value, buf *out) {
    const size_t n = json_count(value);
    placed *list = memory_alloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (placed){place(value, i), json_get_text(json_at(value, i), "value", STR(""))};
    qsort(list, n, sizeof *list, by_place);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%zu", list[i].place);
        json_quote(out, list[i].value);
    }
    memory_release(list);
}

const question_type question_type_ranking = {
    "ranking", "options in the order of their worth", SCALE_NONE, create, update, check, NULL, NULL, same,
};
