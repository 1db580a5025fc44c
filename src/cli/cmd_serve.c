/* cmd_serve.c - fettle serve: the feedback server; fettle ui: the same for one person on this machine, without a login. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/configured.h"
#include "serve/serve.h"

typedef struct {
    const char *config, *home, *host, *port_file, *web;
    int64_t port, body_mb;
    bool browser;
} options;

#define AT(member) offsetof(options, member)
static const opt table[] = {
    {"config", OPT_TEXT, AT(config), NULL, 0, 0, NULL, "a JSON file of these options; FETTLE_SERVE_PORT=N and so on win over it"},
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder (unset: FETTLE_HOME, else ~/.local/share/fettle)"},
    {"host", OPT_TEXT, AT(host), "127.0.0.1", 0, 0, NULL, "address to listen on"},
    {"port", OPT_INT, AT(port), "6900", 0, 65535, NULL, "port; 0: any free one"},
    {"port_file", OPT_TEXT, AT(port_file), NULL, 0, 0, NULL, "write the port there when ready"},
    {"body_mb", OPT_INT, AT(body_mb), "512", 1, 4096, NULL, "largest request"},
    {"web", OPT_TEXT, AT(web), NULL, 0, 0, NULL, "folder with the web app's files (unset: those in the program)"},
    {"browser", OPT_BOOL, AT(browser), "true", 0, 0, NULL, "fettle ui: open the browser, where there is a display"},
    OPT_END,
};

static const char prefix[] = "FETTLE_SERVE_";

/* The server ended for a restore: the file comes in the place of the store, or all stays as it was. */
static void put_back(arena *a, const char *home, serve_restore *r) {
    const char *kept = NULL;
    r->failed = (err){0};
    if (!store_restore(a, home, r->file, &kept, &r->failed)) log_error("nothing is restored: %s", r->failed.text);
    else log_note("restored from %s", r->file);
    snprintf(r->kept, sizeof r->kept, "%s", kept ? kept : "");
    r->done = true;
    r->asked = false;
}

static bool run_again_and_again(arena *a, serve_options *s, err *e) {
    serve_restore *r = arena_new_of(a, serve_restore);
    bool ok = true;
    s->restore = r;
    do {
        if (r->asked) put_back(a, s->home, r);
        server *made = server_open(s, e);
        ok = made && server_run(made, e);
        if (ok) s->port = server_port(made);
        s->ready = NULL;
        server_close(made);
    } while (ok && r->asked && !sys_stop_requested());
    return ok;
}

static bool serve(arena *a, const command *c, bool open, int argc, char **argv, err *e) {
    options o;
    resolved from;
    int rest;
    bool help;
    if (!arguments_resolve(a, c, prefix, &o, argc, argv, &rest, &help, &from, e) || help) return help;
    if (rest) return err_set(e, ERR_USAGE, "fettle %s takes no words, got '%s'", c->name, argv[0]);
    serve_options s = {.home = o.home ? o.home : sys_home(a),
                       .host = o.host,
                       .port = o.port,
                       .port_file = o.port_file,
                       .open = open,
                       .web = o.web,
                       .ready = open && o.browser ? sys_show_address : NULL,
                       .program = "/proc/self/exe",
                       .body_max = o.body_mb << 20};
    return run_again_and_again(a, &s, e);
}

static bool run_serve(arena *a, int argc, char **argv, err *e);
static bool run_ui(arena *a, int argc, char **argv, err *e);

const command command_serve = {"serve", "collect feedback: a server that Argilla's clients take for Argilla",
                               "[options]\n\nEnds on Ctrl-C or SIGTERM, after the requests that run.", table, run_serve};
const command command_ui = {"ui", "the same on this machine alone, without a login", "[options]", table, run_ui};

static bool run_serve(arena *a, int argc, char **argv, err *e) { return serve(a, &command_serve, false, argc, argv, e); }
static bool run_ui(arena *a, int argc, char **argv, err *e) { return serve(a, &command_ui, true, argc, argv, e); }

bool serve_configured(arena *a, int argc, char **argv, resolved *out, bool *help, err *e) {
    options *o = arena_new_of(a, options);
    int rest;
    if (!arguments_resolve(a, &command_serve, prefix, o, argc, argv, &rest, help, out, e) || *help) return *help;
    if (rest) return err_set(e, ERR_USAGE, "fettle serve takes no words, got '%s'", argv[0]);
    if (o->home) return true;
    o->home = sys_home(a);
    const char *named = getenv("FETTLE_HOME"), *data = getenv("XDG_DATA_HOME");
    resolve_note(a, out, "home", named && *named ? "FETTLE_HOME" : data && *data ? "XDG_DATA_HOME" : "default");
    return true;
}
