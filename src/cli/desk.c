/* desk.c - one request, two ways. */
#include "cli/desk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"

bool desk_open(arena *a, const char *home, desk *out, err *e) {
    int status;
    str answer;
    err none = {0};
    *out = (desk){.home = home ? home : sys_home(a)};
    if (server_call_socket(a, out->home, "GET", "/health", STR(""), &status, &answer, &none)) return true;
    const serve_options o = {.home = out->home, .host = "127.0.0.1", .body_max = (int64_t)1 << 30};
    out->own = server_open(&o, e);
    return out->own != NULL;
}

bool desk_ask_raw(arena *a, desk *d, const char *method, const char *path, str body, str *out, err *e) {
    int status;
    if (!d->own) return server_call_socket(a, d->home, method, path, body, &status, out, e);
    buf answer = {0};
    const bool ok = server_call(d->own, method, path, body, &status, &answer, e);
    *out = (str){arena_copy(a, answer.ptr ? answer.ptr : "", answer.len), answer.len};
    buf_free(&answer);
    return ok;
}

bool desk_ask(arena *a, desk *d, const char *method, const char *path, str body, json **out, err *e) {
    str text;
    *out = NULL;
    return desk_ask_raw(a, d, method, path, body, &text, e) && (!text.len || json_parse_any(a, text, out, e));
}

bool desk_ask_to(desk *d, const char *method, const char *path, str body, answer_sink sink, void *context, err *e) {
    return d->own ? server_call_to(d->own, method, path, body, sink, context, e)
                  : server_call_socket_to(d->home, method, path, body, sink, context, e);
}

void desk_close(desk *d) { server_close(d->own); }

bool desk_wait(arena *a, desk *d, const json *begun, const char *what, bool quiet, json **ended, err *e) {
    const char *path = arena_printf(a, "/api/v1/jobs/%.*s", STR_ARG(desk_text(begun, "id")));
    progress p = progress_begin(what, quiet);
    bool ok = true, asked = false;
    for (;;) {
        if (!(ok = desk_ask(a, d, "GET", path, STR(""), ended, e)) || json_get(*ended, "ended_at")) break;
        const double total = (double)json_get_int(*ended, "total", 0);
        if (total > 0) progress_show(&p, (double)json_get_int(*ended, "done", 0), total, NULL);
        json *none;
        err ignored = {0};
        if (sys_stop_requested() && !asked)
            asked = desk_ask(a, d, "POST", arena_printf(a, "%s/stop", path), STR("{}"), &none, &ignored);
        usleep(100000);
    }
    progress_end(&p, NULL);
    if (!ok) return false;
    const str error = desk_text(*ended, "error");
    if (error.len) return err_set(e, ERR_INPUT, "%.*s", STR_ARG(error));
    return !str_is(desk_text(*ended, "status"), "stopped") || err_set(e, ERR_STOPPED, "stopped");
}

str desk_text(const json *answer, const char *key) { return json_get_text(answer, key, STR("")); }

void desk_print(const json *answer) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_put_value(&w, answer);
    printf("%s\n", out.ptr);
    buf_free(&out);
}

str desk_body(arena *a, const char *const *pairs) {
    buf text = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '{');
    for (; pairs[0]; pairs += 2)
        if (pairs[1]) json_key(&w, pairs[0]), json_put_cstr(&w, pairs[1]);
    json_close(&w);
    const str out = {arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

bool desk_find(arena *a, desk *d, const char *list, const char *member, const char *name, const json **out, err *e) {
    json *answer;
    if (!desk_ask(a, d, "GET", list, STR(""), &answer, e)) return false;
    const json *items = json_get(answer, "items");
    buf names = {0};
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        const str own = json_get_text(v, member, STR(""));
        if (str_is(own, name) || str_is(json_get_text(v, "id", STR("")), name)) {
            buf_free(&names);
            *out = v;
            return true;
        }
        buf_printf(&names, "%s%.*s", names.len ? ", " : "", STR_ARG(own));
    }
    err_set(e, ERR_NOT_FOUND, "there is no '%s'; there are: %s", name, names.len ? names.ptr : "none");
    buf_free(&names);
    return false;
}
