/* cmd_backup.c - fettle backup: the store copied, also while a server has it open; fettle restore: a copy in its place. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/desk.h"

typedef struct {
    const char *home;
} options;

static const opt table[] = {
    {"home", OPT_TEXT, offsetof(options, home), NULL, 0, 0, NULL, "data folder (unset: FETTLE_HOME, else ~/.local/share/fettle)"},
    OPT_END,
};

static bool run_backup(arena *a, int argc, char **argv, err *e);
static bool run_restore(arena *a, int argc, char **argv, err *e);

const command command_backup = {
    "backup", "copy the store, also while a server runs",
    "[FILE]\n\nWithout FILE into backups/ of the data folder. Holds people, datasets, records and answers; runs and models are\n"
    "files beside the store: copy their folders.",
    table, run_backup};
const command command_restore = {"restore", "put a backup in the place of the store",
                                 "FILE\n\nAlso while a server runs: it ends its requests and begins again. FILE is checked "
                                 "first; the store that was there stays in\n"
                                 "backups/.",
                                 table, run_restore};

static bool run_backup(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    desk d;
    json *made;
    if (!arguments_read(a, &command_backup, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest > 1) return err_set(e, ERR_USAGE, "fettle backup takes one file, got %d", rest);
    const char *const body[] = {"file", rest ? path_absolute(a, argv[0]) : NULL, NULL};
    if (!desk_open(a, o.home, &d, e)) return false;
    const bool ok = desk_ask(a, &d, "POST", "/api/v1/backup", desk_body(a, body), &made, e);
    desk_close(&d);
    if (ok) printf("%.*s   %.1f MB\n", STR_ARG(json_get_text(made, "file", STR(""))), json_get_real(made, "bytes", 0) / 1e6);
    return ok;
}

/* The server that has the store begins again; until it answers nobody knows what came of it. */
static bool wait_restored(arena *a, const char *home, const char **kept, err *e) {
    enum { TRIES = 600 };
    for (int i = 0; i < TRIES && !sys_stop_requested(); i++) {
        int status;
        str text;
        json *answer = NULL;
        err none = {0};
        usleep(100000);
        if (!server_call_socket(a, home, "GET", "/api/v1/restore", STR(""), &status, &text, &none)) continue;
        if (!json_parse_any(a, text, &answer, e)) return false;
        const str state = desk_text(answer, "state"), before = desk_text(answer, "kept");
        if (str_is(state, "failed")) return err_set(e, ERR_IO, "nothing is restored: %.*s", STR_ARG(desk_text(answer, "error")));
        *kept = before.len ? str_copy(a, before) : NULL;
        if (str_is(state, "finished")) return true;
    }
    return err_set(e, ERR_BUSY, "the server has not come back within a minute: see its log");
}

static bool restore_running(arena *a, const char *home, const char *file, const char **kept, err *e) {
    int status;
    str text;
    const char *const body[] = {"file", path_absolute(a, file), NULL};
    return server_call_socket(a, home, "POST", "/api/v1/restore", desk_body(a, body), &status, &text, e) &&
           wait_restored(a, home, kept, e);
}

static bool is_running(arena *a, const char *home) {
    int status;
    str text;
    err none = {0};
    return server_call_socket(a, home, "GET", "/health", STR(""), &status, &text, &none) || none.code != ERR_NOT_FOUND;
}

static bool run_restore(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    const char *kept = NULL;
    if (!arguments_read(a, &command_restore, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1) return err_set(e, ERR_USAGE, "say which backup: fettle restore FILE");
    const char *home = o.home ? o.home : sys_home(a);
    if (is_running(a, home)) {
        if (!restore_running(a, home, argv[0], &kept, e)) return false;
    } else if (!store_restore(a, home, argv[0], &kept, e)) return e->code == ERR_CONFLICT ? err_prefix(e, "end it first") : false;
    printf("%s is restored from %s\n", home, argv[0]);
    if (kept) printf("what was there before is %s\n", kept);
    return true;
}
