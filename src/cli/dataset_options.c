/* dataset_options.c - a plan for options, its dry run, and the change (the route: serve/migrate.h). */
#include "cli/dataset_options.h"

#include <stdio.h>
#include <string.h>

static bool find_question(arena *a, desk *d, const json *set, const char *name, const json **out, err *e) {
    json *all;
    buf names = {0};
    if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/questions", STR_ARG(desk_text(set, "id"))), STR(""), &all,
                  e))
        return false;
    *out = NULL;
    for (size_t i = 0; i < json_count(json_get(all, "items")); i++) {
        const json *q = json_at(json_get(all, "items"), i);
        if (str_is(desk_text(q, "name"), name)) *out = q;
        buf_printf(&names, "%s%.*s", i ? ", " : "", STR_ARG(desk_text(q, "name")));
    }
    if (!*out) err_set(e, ERR_NOT_FOUND, "the dataset has no question '%s'; it has: %s", name, names.ptr ? names.ptr : "none");
    buf_free(&names);
    return *out != NULL;
}

/* ---- the plan ----------------------------------------------------------------------------------------------------------------------- */

static bool split(arena *a, const char *text, str *before, str *behind) {
    const char *at = strchr(text, '=');
    *before = at ? (str){text, (size_t)(at - text)} : str_of(text);
    *behind = at ? str_of(arena_text(a, at + 1)) : *before;
    return at != NULL;
}

static json *numbers_or_texts(arena *a, str value, bool numbers, err *e) {
    long n;
    if (!numbers) return json_new_text(a, value);
    if (str_to_long(value, &n)) return json_new_int(a, n);
    return err_null(e, ERR_USAGE, "this question's options are whole numbers, not '%.*s'", STR_ARG(value));
}

static bool put_settings(arena *a, json *body, const json *question, const opt_list *options, err *e) {
    const json *settings = json_get(question, "settings");
    const bool numbers =
        json_kind_of(json_get(json_at(json_get(settings, "options"), 0), "value")) == JSON_INT; /* as those it has */
    json *list = json_new_array(a), *out = json_new_object(a);
    for (int i = 0; i < options->count; i++) {
        str value, text;
        json *one = json_new_object(a);
        split(a, options->item[i], &value, &text);
        json *v = numbers_or_texts(a, value, numbers, e);
        if (!v) return false;
        json_set(one, "value", v);
        if (!numbers) json_set(one, "text", json_new_text(a, text));
        json_append(list, one);
    }
    json_set(out, "type", json_get(settings, "type"));
    json_set(out, "options", options->count ? list : json_get(settings, "options"));
    json_set(body, "settings", out);
    return true;
}

static bool put_plan(arena *a, json *body, const options_order *o, err *e) {
    json *plan = json_new_object(a), *becomes = json_new_object(a), *drop = json_new_array(a);
    for (int i = 0; i < o->becomes.count; i++) {
        str old, new;
        if (!split(a, o->becomes.item[i], &old, &new))
            return err_set(e, ERR_USAGE, "--map wants OLD=NEW, not '%s'", o->becomes.item[i]);
        json_set(becomes, str_copy(a, old), json_new_text(a, new));
    }
    for (int i = 0; i < o->drop.count; i++) json_append(drop, json_new_text(a, str_of(o->drop.item[i])));
    json_set(plan, "map", becomes);
    json_set(plan, "drop", drop);
    if (o->incomplete) json_set(plan, "incomplete", json_new_text(a, str_of(o->incomplete)));
    json_set(body, "migration", plan);
    return true;
}

/* ---- telling ------------------------------------------------------------------------------------------------------------------------ */

/* What --apply would refuse: options that go while something holds them. */
static void print_undecided(const json *options) {
    for (size_t i = 0; i < json_count(options); i++) {
        const json *one = json_at(options, i), *value = json_get(one, "value");
        buf text = {0};
        json_writer w = json_writer_on(&text, false);
        json_put_value(&w, value);
        if (!json_get_bool(one, "decided", true))
            printf("%.*s goes, and the plan is silent: --map %.*s=NEW or --drop %.*s (%lld answers, %lld suggestions, %lld "
                   "settled hold it)\n",
                   STR_ARG(buf_str(&text)), STR_ARG(buf_str(&text)), STR_ARG(buf_str(&text)),
                   (long long)json_get_int(one, "answers", 0), (long long)json_get_int(one, "suggestions", 0),
                   (long long)json_get_int(one, "settled", 0));
        buf_free(&text);
    }
}

static void print_report(const json *report, bool applied) {
    static const char *const kinds[] = {"answers", "suggestions", "settled"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json *n = json_get(report, kinds[i]);
        if (n)
            printf("%-12s %lld %s, %lld lose their value, %lld become drafts\n", kinds[i],
                   (long long)json_get_int(n, "touched", 0), applied ? "changed" : "would change",
                   (long long)json_get_int(n, "emptied", 0), (long long)json_get_int(n, "become_drafts", 0));
    }
    print_undecided(json_get(report, "options"));
    if (!applied) printf("nothing is written yet: the same with --apply does it; --undo takes it back\n");
}

static bool undo(arena *a, desk *d, const char *place, err *e) {
    json *answer;
    if (!desk_ask(a, d, "POST", arena_printf(a, "%s/undo", place), STR("{}"), &answer, e)) return false;
    printf("the newest change is taken back\n");
    return true;
}

bool options_change(arena *a, desk *d, const json *set, const options_order *o, bool as_json, err *e) {
    const json *question;
    json *answer, *body = json_new_object(a);
    buf text = {0};
    if (!find_question(a, d, set, o->question, &question, e)) return false;
    const char *place = arena_printf(a, "/api/v1/questions/%.*s", STR_ARG(desk_text(question, "id")));
    if (o->undo) return undo(a, d, place, e);
    if (!put_settings(a, body, question, &o->options, e) || !put_plan(a, body, o, e)) return false;
    json_writer w = json_writer_on(&text, false);
    json_put_value(&w, body);
    const char *path = arena_printf(a, "%s?migrate=true%s", place, o->apply ? "" : "&dry_run=true");
    const bool ok = desk_ask(a, d, "PATCH", path, buf_str(&text), &answer, e);
    buf_free(&text);
    if (!ok) return false;
    if (as_json) desk_print(json_get(answer, "migration"));
    else print_report(json_get(answer, "migration"), o->apply);
    return true;
}
