/* dataset_work.c - tables of people and their work. */
#include "cli/dataset_work.h"

#include <stdio.h>
#include <string.h>

static long long number(const json *v, const char *key) { return (long long)json_get_int(v, key, 0); }

static bool list_of(arena *a, desk *d, const json *set, const char *what, const json **items, bool as_json, err *e) {
    json *answer;
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/%s", STR_ARG(desk_text(set, "id")), what);
    if (!desk_ask(a, d, "GET", path, STR(""), &answer, e)) return false;
    *items = json_get(answer, "items");
    if (!as_json) return true;
    desk_print(*items);
    *items = NULL;
    return true;
}

/* ---- annotators -------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *key, *title;
} shares[] = {{"gold", "gold"}, {"hidden_gold", "hidden_gold"}, {"majority", "majority"}, {"suggestions", "suggestion"}};
enum { SHARES = sizeof shares / sizeof *shares };

/* A text as RFC 4180 wants it; one that a spreadsheet would take for a formula gets an apostrophe before it. */
static void print_field(str s) {
    printf("\"%s", s.len && strchr("=+-@\t\r", *s.ptr) ? "'" : "");
    for (size_t i = 0; i < s.len; i++) printf(s.ptr[i] == '"' ? "\"\"" : "%c", s.ptr[i]);
    printf("\"");
}

static void print_real(const json *v, const char *key) {
    if (json_get(v, key)) printf(",%.6g", json_get_real(v, key, 0));
    else printf(",");
}

static void print_csv(const json *items) {
    printf("username,user_id,submitted,drafts,discarded,active_seconds,median_seconds");
    for (int k = 0; k < SHARES; k++) printf(",%s_compared,%s_same,%s_share", shares[k].title, shares[k].title, shares[k].title);
    printf(",erased\n");
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        print_field(desk_text(v, "username"));
        printf(",%.*s,%lld,%lld,%lld", STR_ARG(desk_text(v, "user_id")), number(v, "submitted"), number(v, "drafts"),
               number(v, "discarded"));
        print_real(v, "active_seconds");
        print_real(v, "median_seconds");
        for (int k = 0; k < SHARES; k++) {
            const json *s = json_get(v, shares[k].key);
            if (s) printf(",%lld,%lld", number(s, "compared"), number(s, "same"));
            else printf(",,");
            print_real(s, "share");
        }
        printf(",%s\n", json_get_bool(v, "erased", false) ? "true" : "false");
    }
}

static void print_share(const json *v) {
    if (json_get(v, "share")) printf(" %5.0f%% of %-5lld", 100 * json_get_real(v, "share", 0), number(v, "compared"));
    else printf(" %-15s", "     -");
}

static void print_annotators(const json *items) {
    printf("%-20s %9s %9s %9s  %-14s %-15s %-15s %-15s\n", "", "submitted", "active", "a record", "as gold", "as hidden gold",
           "as most others", "as suggested");
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        const double active = json_get_real(v, "active_seconds", 0);
        printf("%-20.*s %9lld %4.0f h %02.0f m", STR_ARG(desk_text(v, "username")), number(v, "submitted"),
               (double)(int)(active / 3600), (double)((int)(active / 60) % 60));
        if (json_get(v, "median_seconds")) printf(" %7.1f s", json_get_real(v, "median_seconds", 0));
        else printf(" %9s", "-");
        for (int k = 0; k < SHARES; k++) print_share(json_get(v, shares[k].key));
        printf("%s\n", json_get_bool(v, "erased", false) ? " (erased)" : "");
    }
}

bool work_annotators(arena *a, desk *d, const json *set, bool csv, bool as_json, err *e) {
    const json *items;
    if (!list_of(a, d, set, "annotators", &items, as_json, e)) return false;
    if (csv && items) print_csv(items);
    else if (items) print_annotators(items);
    return true;
}

/* ---- assignments ------------------------------------------------------------------------------------------------------------------- */

static void print_assignment(const json *v) {
    printf("%-24.*s %lld records, %lld answered", STR_ARG(desk_text(v, "username")), number(v, "records"), number(v, "answered"));
    if (json_get(v, "quota")) printf(" of %lld", number(v, "quota"));
    printf("\n");
}

bool work_assign(arena *a, desk *d, const json *set, const work_order *o, err *e) {
    const json *person;
    json *answer;
    if (!desk_find(a, d, "/api/v1/users", "username", o->person, &person, e)) return false;
    buf body = {0};
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{');
    json_key(&w, "user_id"), json_put_text(&w, desk_text(person, "id"));
    if (o->quota) json_key(&w, "quota"), json_put_int(&w, o->quota);
    if (o->count) {
        json_key(&w, "batch"), json_open(&w, '{');
        json_key(&w, "offset"), json_put_int(&w, o->from);
        json_key(&w, "count"), json_put_int(&w, o->count);
        json_close(&w);
    }
    json_close(&w);
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/assignments", STR_ARG(desk_text(set, "id")));
    const bool ok = desk_ask(a, d, "POST", path, buf_str(&body), &answer, e);
    buf_free(&body);
    if (ok) print_assignment(answer);
    return ok;
}

bool work_unassign(arena *a, desk *d, const json *set, const char *person, err *e) {
    const json *one;
    json *answer;
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/assignments", STR_ARG(desk_text(set, "id")));
    return desk_find(a, d, path, "username", person, &one, e) &&
           desk_ask(a, d, "DELETE", arena_printf(a, "%s/%.*s", path, STR_ARG(desk_text(one, "id"))), STR(""), &answer, e);
}

bool work_assignments(arena *a, desk *d, const json *set, bool as_json, err *e) {
    const json *items;
    if (!list_of(a, d, set, "assignments", &items, as_json, e)) return false;
    for (size_t i = 0; i < json_count(items); i++) print_assignment(json_at(items, i));
    return true;
}

/* ---- disagreements ----------------------------------------------------------------------------------------------------------------- */

bool work_disagreements(arena *a, desk *d, const json *set, bool as_json, err *e) {
    const json *items;
    if (!list_of(a, d, set, "disagreements?limit=1000", &items, as_json, e)) return false;
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i), *questions = json_get(v, "questions");
        printf("%.*s ", STR_ARG(desk_text(json_get(v, "record"), "id")));
        for (size_t k = 0; k < json_count(questions); k++) {
            const json *q = json_at(questions, k);
            printf("%s%.*s: %lld answers, %.0f%% agree", k ? "; " : "", STR_ARG(desk_text(q, "name")), number(q, "answers"),
                   100 * json_get_real(q, "agreement", 0));
        }
        printf("\n");
    }
    if (items && !json_count(items)) printf("nobody disagrees, or no record has two answers yet\n");
    return true;
}

/* ---- vectors --------------------------------------------------------------------------------------------------------------------------- */

static bool list_vectors(arena *a, desk *d, const json *set, bool as_json, err *e) {
    const json *items;
    if (!list_of(a, d, set, "vectors", &items, as_json, e)) return false;
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        const str model = desk_text(json_get(v, "source"), "model");
        printf("%-24.*s %6lld numbers  %8lld vectors, %lld records lack one  %.*s\n", STR_ARG(desk_text(v, "name")),
               number(v, "dimensions"), number(v, "vectors"), number(v, "wanting"),
               STR_ARG(model.len ? model : STR("given by hand")));
    }
    if (items && !json_count(items)) printf("no vectors yet: fettle dataset vectors NAME --setting NAME --model MODEL\n");
    return true;
}

static void put_names(json_writer *w, const char *names) {
    json_open(w, '[');
    for (const char *at = names; *at;) {
        const size_t n = strcspn(at, ",");
        json_put_text(w, (str){at, n});
        at += n + (at[n] == ',');
    }
    json_close(w);
}

bool work_vectors(arena *a, desk *d, const json *set, const work_vectors_order *o, bool as_json, err *e) {
    if (!o->setting) return list_vectors(a, d, set, as_json, e);
    buf body = {0};
    json *job;
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{');
    json_key(&w, "setting"), json_put_cstr(&w, o->setting);
    if (o->model) json_key(&w, "model"), json_put_cstr(&w, o->model);
    if (o->fields) json_key(&w, "fields"), put_names(&w, o->fields);
    if (o->again) json_key(&w, "again"), json_put_bool(&w, true);
    json_close(&w);
    const char *path = arena_printf(a, "/api/v1/datasets/%.*s/vectors", STR_ARG(desk_text(set, "id")));
    const bool ok = desk_ask(a, d, "POST", path, buf_str(&body), &job, e) && desk_wait(a, d, job, "vectors", o->quiet, &job, e);
    buf_free(&body);
    if (!ok) return false;
    if (as_json) return desk_print(job), true;
    const json *result = json_get(job, "result");
    printf("%lld vectors of %lld numbers, %lld records without text\n", number(result, "computed"), number(result, "dimensions"),
           number(result, "without_text"));
    return true;
}
