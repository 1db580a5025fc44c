/* Any body to any route that reads one: it is answered in JSON, never with an error of ours, and what was written can be read back.
 *
 * The first byte chooses the route, the rest is the body. Passwords are left out: each would cost a tenth of a second. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 400 };
static server *opened;
static route_info routes[ROOM];
static char path[ROOM][256];
static int count;
static char set[64], row[64], space[64], question[64], suggested[64];

static json *ask(arena *a, const char *method, const char *to, str body, int *status) {
    buf out = {0};
    err e = {0}, bad = {0};
    json *v = NULL;
    server_call(opened, method, to, body, status, &out, &e);
    if (*status >= 500 || (out.len && !json_parse_any(a, buf_str(&out), &v, &bad))) {
        fprintf(stderr, "%s %s: %d %.*s\n", method, to, *status, (int)out.len, out.ptr);
        abort();
    }
    buf_free(&out);
    return v;
}

static void made(arena *a, const char *method, const char *to, const char *body, const char *key, char *id) {
    int status;
    const json *v = ask(a, method, to, str_of(body), &status);
    if (key) v = json_at(json_get(v, key), 0);
    if (status >= 300) fprintf(stderr, "%s %s: %d\n", method, to, status), exit(2);
    if (id) snprintf(id, 64, "%s", str_copy(a, json_get_text(v, "id", STR(""))));
}

static void furnish(arena *a) {
    const char *at;
    made(a, "POST", "/api/v1/workspaces", "{\"name\":\"w\"}", NULL, space);
    made(a, "POST", "/api/v1/datasets", arena_printf(a, "{\"name\":\"d\",\"workspace_id\":\"%s\"}", space), NULL, set);
    at = arena_printf(a, "/api/v1/datasets/%s", set);
    made(a, "POST", arena_printf(a, "%s/fields", at),
         "{\"name\":\"text\",\"title\":\"T\",\"required\":true,\"settings\":{\"type\":\"text\"}}", NULL, NULL);
    made(a, "POST", arena_printf(a, "%s/fields", at), "{\"name\":\"chat\",\"title\":\"C\",\"settings\":{\"type\":\"chat\"}}",
         NULL, NULL);
    made(a, "POST", arena_printf(a, "%s/questions", at),
         "{\"name\":\"label\",\"title\":\"L\",\"required\":true,\"settings\":{\"type\":\"label_selection\",\"options\":[{\"value\":\"a\",\"text\":"
         "\"A\"},{\"value\":\"b\",\"text\":\"B\"}]}}",
         NULL, question);
    made(a, "POST", arena_printf(a, "%s/questions", at),
         "{\"name\":\"span\",\"title\":\"S\",\"settings\":{\"type\":\"span\",\"field\":\"text\",\"options\":[{\"value\":\"a\","
         "\"text\":\"A\"}]}}",
         NULL, NULL);
    made(a, "POST", arena_printf(a, "%s/metadata-properties", at),
         "{\"name\":\"m\",\"title\":\"M\",\"settings\":{\"type\":\"float\"}}", NULL, NULL);
    made(a, "POST", arena_printf(a, "%s/vectors-settings", at), "{\"name\":\"v\",\"title\":\"V\",\"dimensions\":2}", NULL, NULL);
    made(a, "PUT", arena_printf(a, "%s/publish", at), "", NULL, NULL);
    made(a, "PUT", arena_printf(a, "%s/records/bulk", at),
         "{\"items\":[{\"fields\":{\"text\":\"hello\"},\"external_id\":\"1\",\"vectors\":{\"v\":[1,2]}}]}", "items", row);
    made(a, "PUT", arena_printf(a, "/api/v1/records/%s/suggestions", row),
         arena_printf(a, "{\"question_id\":\"%s\",\"value\":\"a\"}", question), NULL, suggested);
}

/* The id in a path of this class; NULL: routes that name others are left out. */
static const char *object_of(const char *class) {
    if (!*class) return "x";
    return strcmp(class, "Dataset") == 0     ? set
           : strcmp(class, "Record") == 0    ? row
           : strcmp(class, "Workspace") == 0 ? space
           : strcmp(class, "Question") == 0  ? question
                                             : NULL;
}

static bool reads_body(const route_info *r) {
    static const char *const without[] = {"token", "password", "welcome", "/users", "erase", "backup", "restore"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strstr(r->path, without[i])) return false;
    return strcmp(r->method, "GET") != 0 && strcmp(r->method, "DELETE") != 0 && object_of(r->of);
}

static void choose(void) {
    const int all = server_routes(routes, ROOM);
    for (int i = 0; i < all; i++) {
        if (!reads_body(&routes[i])) continue;
        const char *brace = strchr(routes[i].path, '{');
        routes[count] = routes[i];
        if (!brace) snprintf(path[count], sizeof path[count], "%s", routes[i].path);
        else
            snprintf(path[count], sizeof path[count], "%.*s%s%s", (int)(brace - routes[i].path), routes[i].path,
                     object_of(routes[i].of), strchr(brace, '}') + 1);
        count++;
    }
}

static const char *home;

static void remove_home(void) {
    err e = {0};
    dir_remove(home, &e);
}

static void begin(void) {
    static char memory_folder[] = "/dev/shm/fettle-fuzz-XXXXXX", folder[] = "/tmp/fettle-fuzz-XXXXXX";
    err e = {0};
    arena *a = arena_new();
    log_most = LOG_ERROR;
    home = mkdtemp(memory_folder);
    if (!home) home = mkdtemp(folder);
    const serve_options o = {.home = home, .host = "127.0.0.1", .body_max = 1 << 20};
    if (!home || !(opened = server_open(&o, &e))) {
        fprintf(stderr, "no server: %s\n", e.text);
        exit(2);
    }
    atexit(remove_home);
    furnish(a);
    choose();
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int runs;
    int status;
    if (!opened) begin();
    if (!size) return 0;
    arena *a = arena_new();
    const int i = data[0] % count;
    ask(a, routes[i].method, path[i], (str){(const char *)data + 1, size - 1}, &status);
    if (++runs % 64 == 0) { /* whatever was written by then */
        ask(a, "GET", arena_printf(a, "/api/v1/datasets/%s/records?limit=20&include=responses,suggestions,vectors", set), STR(""),
            &status);
        ask(a, "GET", arena_printf(a, "/api/v1/records/%s", row), STR(""), &status);
    }
    arena_free(a);
    return 0;
}
