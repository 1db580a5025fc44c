/* erased.c - what an erasure answers, as a person reads it. */
#include "cli/erased.h"

#include <stdio.h>

static long long number(const json *v, const char *key) { return (long long)json_get_int(v, key, 0); }

static void print_run(const json *r) {
    const str through = desk_text(r, "through"), model = desk_text(r, "model");
    printf("  %.*s: ", STR_ARG(desk_text(r, "name")));
    if (through.len) printf("began with the model of %.*s", STR_ARG(through));
    else printf("%lld of its examples went", number(r, "examples"));
    if (model.len) printf("; its model: %.*s", STR_ARG(model));
    for (size_t i = 0; i < json_count(json_get(r, "added")); i++)
        printf("%s%.*s", i ? ", " : "; added as ", STR_ARG(json_text(json_at(json_get(r, "added"), i), STR(""))));
    printf("\n");
}

static void print_erased(const json *v, const char *name) {
    const json *runs = json_get(v, "runs"), *backups = json_get(v, "backups");
    printf("%s is erased: %lld answers, %lld earlier versions, %lld suggestions, %lld notes, %lld settled answers", name,
           number(v, "responses"), number(v, "versions"), number(v, "suggestions"), number(v, "notes"), number(v, "gold"));
    if (number(v, "export_lines")) printf(", %lld lines of exports", number(v, "export_lines"));
    printf("\n");
    if (desk_text(v, "username").len) printf("The numbers stay under the name %.*s.\n", STR_ARG(desk_text(v, "username")));
    if (json_count(runs))
        printf("These runs trained on it and are marked (fettle runs show NAME); train them again without it:\n");
    for (size_t i = 0; i < json_count(runs); i++) print_run(json_at(runs, i));
    if (json_count(backups))
        printf("These copies of the store were made before and may hold it still; remove them when you can:\n");
    for (size_t i = 0; i < json_count(backups); i++) printf("  %.*s\n", STR_ARG(json_text(json_at(backups, i), STR(""))));
}

bool erased_ask(arena *a, desk *d, const char *path, const char *name, bool as_json, err *e) {
    json *answer;
    if (!desk_ask(a, d, "POST", path, STR(""), &answer, e)) return false;
    if (!as_json) {
        print_erased(answer, name);
        return true;
    }
    buf out = {0};
    json_put(&out, answer);
    printf("%s\n", out.ptr);
    buf_free(&out);
    return true;
}
