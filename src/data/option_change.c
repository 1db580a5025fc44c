/* option_change.c - options of a question that are renamed, merged or removed, and what becomes of values that hold them. */
#include "data/kind.h"

#include <stdio.h>
#include <string.h>

static const json *options_of(const json *settings) { return json_get(settings, "options"); }

static json *option_value(const json *options, size_t i) { return json_get(json_at(options, i), "value"); }

/* Is it the option that a key or word of a plan means? Numbers are written as texts there. */
static bool means(const json *option, str word) {
    char number[24];
    if (json_kind_of(option) == JSON_STRING) return str_eq(json_text(option, STR("")), word);
    snprintf(number, sizeof number, "%lld", (long long)json_int(option, -1));
    return str_is(word, number);
}

static str word_of(arena *a, const json *v) {
    if (json_kind_of(v) == JSON_STRING) return json_text(v, STR(""));
    return str_of(arena_printf(a, "%lld", (long long)json_int(v, -1)));
}

static json *option_meant(const json *settings, str word) {
    const json *options = options_of(settings);
    for (size_t i = 0; i < json_count(options); i++)
        if (means(option_value(options, i), word)) return option_value(options, i);
    return NULL;
}

static option_fate *fate_of(option_change *c, const json *old) {
    for (int i = 0; i < c->count; i++)
        if (json_equal(c->fate[i].value, old)) return &c->fate[i];
    return NULL;
}

/* The fate of an old option, made when there is none yet. */
static option_fate *fate_for(option_change *c, const json *before, str word, const char *key, err *e) {
    json *old = option_meant(before, word);
    if (!old)
        return err_null(e, ERR_INPUT, "'%s' names '%.*s', which is no option: they are %s", key, STR_ARG(word),
                        option_names(before));
    option_fate *f = fate_of(c, old);
    if (!f) *(f = &c->fate[c->count++]) = (option_fate){.value = old};
    return f;
}

static void note_gone(option_change *c, const json *before) {
    const json *options = options_of(before);
    for (size_t i = 0; i < json_count(options); i++) {
        json *v = option_value(options, i);
        bool there = false;
        for (size_t k = 0; k < json_count(options_of(c->settings)); k++)
            there = there || json_equal(option_value(options_of(c->settings), k), v);
        if (!there) c->fate[c->count++] = (option_fate){.value = v, .gone = true};
    }
}

static bool take_map(arena *a, const json *before, const json *plan, option_change *c, err *e) {
    const json *map = json_get(plan, "map");
    if (!map) return true;
    if (json_kind_of(map) != JSON_OBJECT) return key_wrong(plan, "map", "an object {\"old\": \"new\"}", e);
    for (json_member m = {0}; json_next(map, &m);) {
        option_fate *f = fate_for(c, before, str_of(m.key), "map", e);
        if (!f) return false;
        const str word = word_of(a, m.value);
        f->told = true;
        if (!(f->becomes = option_meant(c->settings, word)))
            return err_set(e, ERR_INPUT, "'map' makes '%s' to '%.*s', which is no option of the new ones: they are %s", m.key,
                           STR_ARG(word), option_names(c->settings));
    }
    return true;
}

static bool take_drop(arena *a, const json *before, const json *plan, option_change *c, err *e) {
    const json *drop = json_get(plan, "drop");
    c->drop_all = json_kind_of(drop) == JSON_BOOL && json_bool(drop, false);
    if (!drop || json_kind_of(drop) == JSON_BOOL) return true;
    if (json_kind_of(drop) != JSON_ARRAY) return key_wrong(plan, "drop", "true or a list of options", e);
    for (size_t i = 0; i < json_count(drop); i++) {
        const str word = word_of(a, json_at(drop, i));
        option_fate *f = fate_for(c, before, word, "drop", e);
        if (!f) return false;
        if (f->becomes) return err_set(e, ERR_INPUT, "'%.*s' stands in 'map' and in 'drop'", STR_ARG(word));
        f->told = true;
    }
    return true;
}

static bool take_incomplete(const json *plan, option_change *c, err *e) {
    const str word = json_get_text(plan, "incomplete", STR(""));
    if (!json_get(plan, "incomplete")) return true;
    c->to_draft = str_is(word, "draft");
    c->append = str_is(word, "last");
    return c->to_draft || c->append || key_wrong(plan, "incomplete", "'draft' or 'last'", e);
}

bool option_change_plan(arena *a, const json *before, const json *after, const json *plan, option_change *out, err *e) {
    *out = (option_change){
        .before = before, .settings = after, .fate = arena_array(a, option_fate, json_count(options_of(before)) + 1)};
    if (plan && !body_is_object(plan, "'migration'", e)) return false;
    note_gone(out, before);
    return (take_map(a, before, plan, out, e) && take_drop(a, before, plan, out, e) && take_incomplete(plan, out, e)) ||
           err_prefix(e, "migration");
}

json *option_becomes(option_change *c, const json *old) {
    option_fate *f = fate_of(c, old);
    if (!f) return to_share(old);
    f->seen = true;
    return f->becomes;
}

json *question_replace(arena *a, const json *question, const json *value, option_change *c) {
    const question_type *type = question_type_of(question);
    for (int i = 0; i < c->count; i++) c->fate[i].seen = false;
    if (!type || !type->replace || !value) return to_share(value);
    json *now = type->replace(a, value, c);
    return now && json_equal(now, value) ? to_share(value) : now;
}
