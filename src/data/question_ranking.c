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

static json *item_of(const json *list, const json *option) {
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_get(json_at(list, i), "value"), option)) return json_at(list, i);
    return NULL;
}

static json *ranked(arena *a, json *option, const json *rank) {
    json *out = json_new_object(a);
    json_set(out, "value", option);
    json_set(out, "rank", to_share(rank));
    return out;
}

/* Of options that became one, the better rank counts. */
static void put_item(arena *a, json *list, json *option, const json *rank) {
    json *there = item_of(list, option);
    if (!there) json_append(list, ranked(a, option, rank));
    else if (json_int(rank, INT64_MAX) < json_get_int(there, "rank", INT64_MAX)) json_set(there, "rank", to_share(rank));
}

/* Without gaps: a rank is how many stand before it, and one. */
static json *closed(arena *a, const json *list) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *item = json_at(list, i), *rank = json_get(item, "rank");
        json_append(out, ranked(a, json_get(item, "value"), rank ? json_new_int(a, (int64_t)place(list, i) + 1) : NULL));
    }
    return out;
}

static void append_new(arena *a, json *list, const json *options) {
    const int64_t last = (int64_t)json_count(list) + 1;
    for (size_t i = 0; i < json_count(options); i++) {
        json *option = json_get(json_at(options, i), "value");
        if (!item_of(list, option)) json_append(list, ranked(a, option, json_new_int(a, last)));
    }
}

static json *replace(arena *a, const json *value, option_change *c) {
    json *kept = json_new_array(a);
    for (size_t i = 0; i < json_count(value); i++) {
        json *option = option_becomes(c, json_get(json_at(value, i), "value"));
        if (option) put_item(a, kept, option, json_get(json_at(value, i), "rank"));
    }
    json *out = json_count(kept) == json_count(value) ? kept : closed(a, kept);
    if (c->append && json_count(value) == json_count(json_get(c->before, "options")))
        append_new(a, out, json_get(c->settings, "options"));
    return json_count(out) ? out : NULL;
}

const question_type question_type_ranking = {
    "ranking", "options in the order of their worth", SCALE_NONE, create, update, check, NULL, NULL, same, replace, NULL,
};
