/* api_docs.c - the routes, described from their table: for programs (OpenAPI) and for people (one page without script or style). */
#include <string.h>

#include "base/version.h"
#include "serve/api.h"

enum { ROUTES_MOST = 512 };

static int all_routes(route_info *out) {
    const int n = server_routes(out, ROUTES_MOST);
    if (n > ROUTES_MOST) bug("%d routes, room for %d", n, ROUTES_MOST);
    return n;
}

/* ---- for programs -------------------------------------------------------------------------------------------------------------------- */

static void put_idempotency(json_writer *w) {
    json_open(w, '{');
    json_key(w, "name"), json_put_cstr(w, "Idempotency-Key");
    json_key(w, "in"), json_put_cstr(w, "header");
    json_key(w, "description"), json_put_cstr(w, "the same request again under the same key gets the first answer");
    json_key(w, "schema"), json_open(w, '{'), json_key(w, "type"), json_put_cstr(w, "string"), json_close(w);
    json_close(w);
}

static void put_parameters(json_writer *w, const route_info *r) {
    json_key(w, "parameters"), json_open(w, '[');
    for (const char *at = r->path; (at = strchr(at, '{')) != NULL; at++) {
        const bool first = strchr(r->path, '{') == at;
        json_open(w, '{');
        json_key(w, "name"), json_put_text(w, (str){at + 1, strcspn(at, "}") - 1});
        json_key(w, "in"), json_put_cstr(w, "path");
        json_key(w, "required"), json_put_bool(w, true);
        if (first && *r->of) json_key(w, "description"), json_put_cstr(w, r->of);
        json_key(w, "schema"), json_open(w, '{');
        json_key(w, "type"), json_put_cstr(w, "string");
        json_key(w, "format"), json_put_cstr(w, "uuid");
        json_close(w), json_close(w);
    }
    if (r->writes) put_idempotency(w);
    json_close(w);
}

static void put_answer(json_writer *w, const char *status, const char *words) {
    json_key(w, status), json_open(w, '{');
    json_key(w, "description"), json_put_cstr(w, words);
    json_close(w);
}

/* Which refusals a route has follows from its row. */
static void put_answers(json_writer *w, const route_info *r) {
    const bool anyone = strcmp(r->who, "anyone") == 0, roles = strcmp(r->who, "admin") == 0 || strcmp(r->who, "owner") == 0;
    json_key(w, "responses"), json_open(w, '{');
    put_answer(w, "2XX", "done");
    if (!anyone) put_answer(w, "401", "nobody is logged in, or the key is unknown");
    if (roles) put_answer(w, "403", "the role does not allow it");
    if (*r->of) put_answer(w, "404", "there is none, or it is in a workspace of others");
    put_answer(w, "default", "an error: {\"detail\": ...}");
    json_close(w);
}

static void put_operation(json_writer *w, const route_info *r) {
    static const char *const methods[][2] = {
        {"GET", "get"}, {"POST", "post"}, {"PUT", "put"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i][0], r->method) == 0) json_key(w, methods[i][1]);
    json_open(w, '{');
    json_key(w, "summary"), json_put_cstr(w, r->words);
    json_key(w, "tags"), json_open(w, '['), json_put_cstr(w, r->group), json_close(w);
    json_key(w, "x-who"), json_put_cstr(w, r->who);
    if (strcmp(r->who, "anyone") == 0) json_key(w, "security"), json_open(w, '['), json_close(w);
    put_parameters(w, r);
    put_answers(w, r);
    json_close(w);
}

static void put_security(json_writer *w) {
    json_key(w, "components"), json_open(w, '{');
    json_key(w, "securitySchemes"), json_open(w, '{');
    json_key(w, "key"), json_open(w, '{');
    json_key(w, "type"), json_put_cstr(w, "apiKey");
    json_key(w, "in"), json_put_cstr(w, "header");
    json_key(w, "name"), json_put_cstr(w, "X-Argilla-Api-Key");
    json_close(w);
    json_key(w, "token"), json_open(w, '{');
    json_key(w, "type"), json_put_cstr(w, "http");
    json_key(w, "scheme"), json_put_cstr(w, "bearer");
    json_close(w), json_close(w), json_close(w);
    json_key(w, "security"), json_open(w, '[');
    for (int i = 0; i < 2; i++) {
        json_open(w, '{'), json_key(w, i ? "token" : "key"), json_open(w, '['), json_close(w), json_close(w);
    }
    json_close(w);
}

void server_put_openapi(json_writer *w) {
    route_info *list = memory_alloc(ROUTES_MOST * sizeof *list);
    const int n = all_routes(list);
    json_open(w, '{');
    json_key(w, "openapi"), json_put_cstr(w, "3.1.0");
    json_key(w, "info"), json_open(w, '{');
    json_key(w, "title"), json_put_cstr(w, "fettle");
    json_key(w, "version"), json_put_cstr(w, FETTLE_VERSION);
    json_close(w);
    put_security(w);
    json_key(w, "paths"), json_open(w, '{');
    for (int i = 0; i < n; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= strcmp(list[i].path, list[k].path) == 0;
        if (seen) continue;
        json_key(w, list[i].path), json_open(w, '{');
        for (int k = i; k < n; k++)
            if (strcmp(list[i].path, list[k].path) == 0) put_operation(w, &list[k]);
        json_close(w);
    }
    json_close(w), json_close(w);
    memory_release(list);
}

static bool get_openapi(call *c, err *e) {
    (void)e;
    server_put_openapi(&c->w);
    return true;
}

/* ---- for people ---------------------------------------------------------------------------------------------------------------------- */

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>fettle: the API</title></head><body><h1>The API</h1>\n"
    "<p>For programs: <a href=\"/api/v1/openapi.json\">openapi.json</a>. Who is asking is told by X-Argilla-Api-Key, by\n"
    "Authorization: Bearer TOKEN, or by the cookie of a session. Bodies have the shapes of Argilla's REST API 2.x.</p>\n";

static void put_words(buf *out, const char *words) {
    for (; *words; words++)
        if (*words == '<' || *words == '&') buf_put_text(out, *words == '<' ? "&lt;" : "&amp;");
        else buf_put_char(out, *words);
}

static void put_page(buf *out, const route_info *list, int n) {
    buf_put_text(out, page_head);
    for (int i = 0; i < n; i++) {
        const route_info *r = &list[i];
        if (i == 0 || strcmp(r->group, list[i - 1].group) != 0)
            buf_printf(out, "%s<h2>%s</h2>\n<table>\n<tr><th>Method<th>Path<th>{id}<th>Who<th>\n", i ? "</table>\n" : "",
                       r->group);
        buf_printf(out, "<tr><td>%s<td><code>%s</code><td>%s<td>%s<td>", r->method, r->path, r->of, r->who);
        put_words(out, r->words);
        buf_put_char(out, '\n');
    }
    buf_put_text(out, "</table>\n</body></html>\n");
}

static bool get_docs(call *c, err *e) {
    (void)e;
    route_info *list = memory_alloc(ROUTES_MOST * sizeof *list);
    put_page(&c->out, list, all_routes(list));
    memory_release(list);
    c->type = "text/html; charset=utf-8";
    return true;
}

static bool get_elsewhere(call *c, err *e) {
    (void)e;
    c->status = 307;
    c->location = "/api/v1/docs";
    c->no_body = true;
    return true;
}

const route routes_docs[] = {
    {"GET", "/api/v1/openapi.json", WHO_ANYONE, OF_NOTHING, RUN_READ, get_openapi, "this table"},
    {"GET", "/api/v1/docs", WHO_ANYONE, OF_NOTHING, RUN_READ, get_docs, "this table as a page"},
    {"GET", "/docs", WHO_ANYONE, OF_NOTHING, RUN_READ, get_elsewhere, "leads to that page"},
    {"GET", "/api", WHO_ANYONE, OF_NOTHING, RUN_READ, get_elsewhere, "leads to that page"},
    {0},
};
