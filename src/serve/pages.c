/* pages.c - the web app: its first page, and the files that page asks for.
 *
 * Where pages are shown the policy allows nothing but this server's own files: no inline script or style, no other address. Text becomes
 * HTML through the policies named here alone: Svelte's for its own templates, DOMPurify's for markdown, and Vite's for nothing yet. */
#include "serve/pages.h"

#include <string.h>

#include "base/compress.h"
#include "base/file.h"
#include "serve/api.h"

enum { FILE_MOST = 16 << 20 };

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

static const char *type_of(const char *path) {
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".woff2", "font/woff2"},
                 {".json", "application/json"},
                 {".txt", "text/plain; charset=utf-8"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i].ending) == 0) return types[i].type;
    return "application/octet-stream";
}

static bool none_there(const char *path, err *e) { return err_set(e, ERR_NOT_FOUND, "there is no page %s", path); }

/* ---- from a folder ------------------------------------------------------------------------------------------------------------------- */

static bool answer_file(call *c, const char *folder, const char *path, err *e) {
    str text;
    err none = {0};
    if (!file_read(c->a, path_join(c->a, folder, path + 1), FILE_MOST, &text, &none)) return none_there(path, e);
    buf_put_str(&c->out, text);
    return true;
}

/* ---- from the program ---------------------------------------------------------------------------------------------------------------- */

static const page *page_at(const char *path) {
    for (const page *p = page_list; p->path; p++)
        if (strcmp(p->path, path) == 0) return p;
    return NULL;
}

static bool put_plain(call *c, const page *p, err *e) {
    char *out = arena_alloc(c->a, p->size + 1);
    if (!bytes_unpack(COMPRESS_GZIP, (str){(const char *)p->begin, (size_t)(p->end - p->begin)}, out, p->size, e)) return false;
    buf_put(&c->out, out, p->size);
    return true;
}

/* The names below assets hold a hash of what is in them: they never change. Everything else is asked for again each time. */
static bool answer_page(call *c, const char *path, err *e) {
    const page *p = page_at(path);
    if (!p) return none_there(path, e);
    c->etag = p->etag;
    c->cache = strncmp(path, "/assets/", 8) == 0 ? "public, max-age=31536000, immutable" : "no-cache";
    if (str_find(c->if_none_match, str_of(p->etag), 0) >= 0) {
        c->status = 304;
        c->no_body = true;
        return true;
    }
    if (!c->takes_gzip) return put_plain(c, p, e);
    c->encoding = "gzip";
    buf_put(&c->out, p->begin, (size_t)(p->end - p->begin));
    return true;
}

static bool answer_path(call *c, const char *path, err *e) {
    const char *folder = server_pages(c->server);
    if (!(folder ? answer_file(c, folder, path, e) : answer_page(c, path, e))) return false;
    c->type = type_of(path);
    c->policy = policy;
    return true;
}

static bool get_app(call *c, err *e) { return answer_path(c, "/index.html", e); }
static bool get_file(call *c, err *e) { return answer_path(c, c->path, e); }
static bool get_asset(call *c, err *e) {
    if (c->arg[0].ptr[0] == '.') return none_there(c->path, e);
    return answer_path(c, c->path, e);
}

const route routes_pages[] = {
    {"GET", "/", WHO_ANYONE, OF_NOTHING, RUN_READ, get_app, "the web app"},
    {"GET", "/welcome", WHO_ANYONE, OF_NOTHING, RUN_READ, get_app, "the same: what the link of an empty server opens"},
    {"GET", "/join", WHO_ANYONE, OF_NOTHING, RUN_READ, get_app, "the same: what the link of an invitation opens"},
    {"GET", "/favicon.svg", WHO_ANYONE, OF_NOTHING, RUN_READ, get_file, "the app's picture"},
    {"GET", "/licences.txt", WHO_ANYONE, OF_NOTHING, RUN_READ, get_file, "licences of what the app is made of"},
    {"GET", "/assets/{name}", WHO_ANYONE, OF_NOTHING, RUN_READ, get_asset, "a file of the app"},
    {0},
};
