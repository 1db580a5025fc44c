/* desk.h - a server of this process on an empty data folder, requests as its owner, and a dataset to work on. */
#ifndef FETTLE_TESTS_SERVE_DESK_H
#define FETTLE_TESTS_SERVE_DESK_H

#include "test.h"

#include <string.h>

#include "base/json.h"
#include "serve/api.h"
#include "serve/serve.h"
#include "store/store.h"

typedef struct {
    arena *a;
    char *home;
    server *s;
    const char *space, *set, *question, *label; /* ids */
} desk;

/* The answer, or the code of the refusal in *why (NULL: must succeed). */
static inline json *ask(desk *d, const char *method, const char *path, const char *body, err *why) {
    int status;
    buf out = {0};
    err e = {0};
    json *v = NULL;
    const bool ok = server_call(d->s, method, path, str_of(body), &status, &out, &e);
    if (!ok && !why) fail_msg("%s %s: %s", method, path, e.text);
    if (ok && why) fail_msg("%s %s should have been refused", method, path);
    if (why) *why = e;
    if (ok && out.len && !json_parse_any(d->a, str_of(str_copy(d->a, buf_str(&out))), &v, &e))
        fail_msg("%s %s: %s", method, path, e.text);
    buf_free(&out);
    return v;
}

static inline const char *id_of(desk *d, const json *v) { return str_copy(d->a, json_get_text(v, "id", STR(""))); }

static inline const char *a_member(desk *d, const char *name, const char *as) {
    const json *u =
        ask(d, "POST", "/api/v1/users",
            arena_printf(d->a, "{\"username\":\"%s\",\"first_name\":\"%s\",\"role\":\"%s\",\"password\":\"12345678\"}", name,
                         name, as),
            NULL);
    const char *id = id_of(d, u);
    ask(d, "POST", arena_printf(d->a, "/api/v1/workspaces/%s/users", d->space), arena_printf(d->a, "{\"user_id\":\"%s\"}", id),
        NULL);
    return id;
}

/* Somebody whose requests are made under their key. */
typedef struct {
    const char *id, *key;
} somebody;

static inline somebody a_person(desk *d, const char *name, const char *as) {
    const char *id = a_member(d, name, as);
    const json *v = ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/keys", id), "", NULL);
    return (somebody){id, str_copy(d->a, json_get_text(v, "api_key", STR("")))};
}

/* The answer's status; *out what was answered. */
static inline int ask_as(desk *d, const somebody *p, const char *method, const char *path, const char *body, json **out) {
    err e = {0};
    call *c = arena_new_of(d->a, call);
    *c = (call){.server = d->s, .a = d->a, .method = method, .path = path, .raw = str_of(body), .api_key = str_of(p->key)};
    route_run(c);
    *out = NULL;
    if (c->out.len) json_parse_any(d->a, str_of(str_copy(d->a, buf_str(&c->out))), out, &e);
    buf_free(&c->out);
    return c->status;
}

/* Fields prompt and answer; questions note (text) and good (label yes, no); a terms property source. */
static inline void a_dataset(desk *d) {
    d->space = id_of(d, ask(d, "POST", "/api/v1/workspaces", "{\"name\":\"space\"}", NULL));
    d->set = id_of(
        d, ask(d, "POST", "/api/v1/datasets",
               arena_printf(d->a,
                            "{\"name\":\"set\",\"workspace_id\":\"%s\",\"guidelines\":\"first\",\"distribution\":{\"strategy\":"
                            "\"overlap\",\"min_submitted\":2}}",
                            d->space),
               NULL));
    const char *path = arena_printf(d->a, "/api/v1/datasets/%s", d->set);
    static const char *const fields[] = {"prompt", "answer"};
    for (int i = 0; i < 2; i++)
        ask(d, "POST", arena_printf(d->a, "%s/fields", path),
            arena_printf(
                d->a,
                "{\"name\":\"%s\",\"title\":\"%s\",\"required\":%s,\"settings\":{\"type\":\"text\",\"use_markdown\":false}}",
                fields[i], fields[i], i ? "false" : "true"),
            NULL);
    d->question =
        id_of(d, ask(d, "POST", arena_printf(d->a, "%s/questions", path),
                     "{\"name\":\"note\",\"title\":\"Note\",\"required\":false,\"settings\":{\"type\":\"text\"}}", NULL));
    d->label = id_of(
        d, ask(d, "POST", arena_printf(d->a, "%s/questions", path),
               "{\"name\":\"good\",\"title\":\"Good\",\"required\":true,\"settings\":{\"type\":\"label_selection\",\"options\":["
               "{\"value\":\"yes\",\"text\":\"yes\"},{\"value\":\"no\",\"text\":\"no\"}]}}",
               NULL));
    ask(d, "POST", arena_printf(d->a, "%s/metadata-properties", path),
        "{\"name\":\"source\",\"title\":\"Source\",\"settings\":{\"type\":\"terms\"},\"visible_for_annotators\":true}", NULL);
    ask(d, "PUT", arena_printf(d->a, "%s/publish", path), "", NULL);
}

static inline int desk_begin(void **state) {
    arena *a = arena_new();
    desk *d = arena_new_of(a, desk);
    err e = {0};
    d->a = a;
    d->home = scratch_folder(a);
    const serve_options o = {.home = d->home, .host = "127.0.0.1", .body_max = 1 << 24, .program = the_program()};
    *state = d;
    if (!(d->s = server_open(&o, &e))) return -1;
    ask(d, "POST", "/api/v1/users",
        "{\"username\":\"owner\",\"first_name\":\"Owner\",\"role\":\"owner\",\"password\":\"12345678\"}", NULL);
    a_dataset(d);
    return 0;
}

static inline int desk_end(void **state) {
    desk *d = *state;
    err e = {0};
    server_close(d->s);
    dir_remove(d->home, &e);
    arena_free(d->a);
    return 0;
}

#define DESK_TEST(name) cmocka_unit_test_setup_teardown(name, desk_begin, desk_end)

/* A record of JSON members; its id. */
static inline const char *a_record(desk *d, const char *members) {
    const json *v = ask(d, "POST", arena_printf(d->a, "/api/v1/datasets/%s/records/bulk", d->set),
                        arena_printf(d->a, "{\"items\":[{%s}]}", members), NULL);
    return id_of(d, json_at(json_get(v, "items"), 0));
}

/* The rows of an export of a dataset, one JSON each. */
static inline json *rows_of(desk *d, const char *set, const char *body) {
    int status;
    buf out = {0};
    err e = {0};
    if (!server_call(d->s, "POST", arena_printf(d->a, "/api/v1/datasets/%s/rows", set), str_of(body), &status, &out, &e))
        fail_msg("%s: %s", body, e.text);
    json *list = json_new_array(d->a);
    for (size_t at = 0; at < out.len;) {
        const ptrdiff_t end = str_find(buf_str(&out), STR("\n"), at);
        assert_true(end >= 0);
        const str line = str_of(str_copy(d->a, str_slice(buf_str(&out), at, (size_t)end)));
        json *row = json_parse(d->a, line, &e);
        assert_ok(row != NULL, e);
        json_append(list, row);
        at = (size_t)end + 1;
    }
    buf_free(&out);
    return list;
}

/* An answer of a person, as an import brings it: {"note": ..., "good": ...}; NULL: left out. */
static inline void an_answer(desk *d, const char *row, const char *person, const char *words, const char *good) {
    char *values = arena_printf(d->a, "{\"good\":{\"value\":\"%s\"}%s%s%s}", good, words ? ",\"note\":{\"value\":\"" : "",
                                words ? words : "", words ? "\"}" : "");
    ask(d, "PUT", arena_printf(d->a, "/api/v1/datasets/%s/records/bulk", d->set),
        arena_printf(d->a,
                     "{\"items\":[{\"id\":\"%s\",\"responses\":[{\"user_id\":\"%s\",\"status\":\"submitted\",\"values\":%s}]}]}",
                     row, person, values),
        NULL);
}

#endif
