/* kind_options.c - options of label, ranking and span questions: values a person chooses from, with a text to show. */
#include "data/kind.h"

#include <stdio.h>
#include <string.h>

enum { VALUE_MAX = 200, TEXT_MAX = 500, DESCRIPTION_MAX = 1000, VISIBLE_MIN = 3 };

static bool take_option(arena *a, const json *in, json *out, err *e) {
    return body_is_object(in, "it", e) && take_text(a, in, "value", VALUE_MAX, out, e) &&
           take_text(a, in, "text", TEXT_MAX, out, e) && take_text_or_null(a, in, "description", DESCRIPTION_MAX, out, e);
}

static const json *option_of(const json *options, str value) {
    for (size_t i = 0; i < json_count(options); i++)
        if (str_eq(json_get_text(json_at(options, i), "value", STR("")), value)) return json_at(options, i);
    return NULL;
}

static bool options_wrong(const json *in, option_limits limits, err *e) {
    char came[64];
    const json *v = json_get(in, "options");
    if (json_kind_of(v) != JSON_ARRAY) snprintf(came, sizeof came, "%.60s", json_has(in, "options") ? value_words(v) : "missing");
    else snprintf(came, sizeof came, "a list of %zu", json_count(v));
    return err_set(e, ERR_INPUT, "'options' should be a list of %zu to %zu options, but is %s", limits.min, limits.max, came);
}

bool take_options(arena *a, const json *in, option_limits limits, json *out, err *e) {
    const json *given = json_get(in, "options");
    const size_t n = json_count(given);
    json *options = json_new_array(a);
    if (json_kind_of(given) != JSON_ARRAY || n < limits.min || n > limits.max) return options_wrong(in, limits, e);
    for (size_t i = 0; i < n; i++) {
        json *one = json_new_object(a);
        if (!take_option(a, json_at(given, i), one, e)) return err_prefix(e, "option %zu", i + 1);
        const str value = json_get_text(one, "value", STR(""));
        if (option_of(options, value))
            return err_set(e, ERR_INPUT, "option %zu: the value '%.*s' is there already; values should differ", i + 1,
                           STR_ARG(value));
        json_append(options, one);
    }
    json_set(out, "options", options);
    return true;
}

bool options_keep_values(const json *old, const json *new_options, err *e) {
    const json *before = json_get(old, "options");
    if (json_count(before) != json_count(new_options))
        return err_set(e, ERR_INPUT, "the number of options cannot change: expected %zu, got %zu", json_count(before),
                       json_count(new_options));
    for (size_t i = 0; i < json_count(new_options); i++) {
        const str value = json_get_text(json_at(new_options, i), "value", STR(""));
        if (!option_of(before, value))
            return err_set(e, ERR_INPUT, "the values of options cannot change: '%.*s' is not one of %s", STR_ARG(value),
                           option_names(old));
    }
    return true;
}

bool take_visible_options(arena *a, const json *in, json *out, err *e) {
    const json *v = json_get(in, "visible_options");
    const int64_t n = (int64_t)json_count(json_get(out, "options")), visible = json_int(v, -1);
    char expected[64];
    snprintf(expected, sizeof expected, "null or a whole number from %d to %lld, the number of options", VISIBLE_MIN,
             (long long)n);
    if (v && (json_kind_of(v) != JSON_INT || visible < VISIBLE_MIN || visible > n))
        return key_wrong(in, "visible_options", expected, e);
    json_set(out, "visible_options", v ? json_new_int(a, visible) : NULL);
    return true;
}

bool option_is(const json *settings, str value) { return option_of(json_get(settings, "options"), value) != NULL; }

const char *option_names(const json *settings) {
    static _Thread_local char names[240];
    const json *options = json_get(settings, "options");
    size_t used = 0;
    names[0] = 0;
    for (size_t i = 0; i < json_count(options); i++) {
        const json *v = json_get(json_at(options, i), "value");
        const str text = json_text(v, STR(""));
        if (used + text.len + 16 > sizeof names - 8) {
            strcpy(names + used, i ? ", ..." : "its options");
            break;
        }
        used += (size_t)(json_kind_of(v) == JSON_INT
                             ? snprintf(names + used, sizeof names - used, "%s%lld", i ? ", " : "", (long long)json_int(v, 0))
                             : snprintf(names + used, sizeof names - used, "%s'%.*s'", i ? ", " : "", STR_ARG(text)));
    }
    return names;
}

bool check_label(const json *settings, const json *value, const char *what, err *e) {
    if (json_kind_of(value) == JSON_STRING && option_is(settings, json_text(value, STR("")))) return true;
    return err_set(e, ERR_INPUT, "%s should be one of %s, but is %s", what, option_names(settings), value_words(value));
}
