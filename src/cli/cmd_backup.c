/* cmd_backup.c - fettle backup: the store copied, also while a server has it open; fettle restore: a copy in its place. */
#include <stdio.h>

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
const command command_restore = {
    "restore", "put a backup in the place of the store",
    "FILE\n\nThe server must have ended. FILE is checked first; the store that was there stays in backups/.", table, run_restore};

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

static bool run_restore(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    const char *kept;
    if (!arguments_read(a, &command_restore, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1) return err_set(e, ERR_USAGE, "say which backup: fettle restore FILE");
    const char *home = o.home ? o.home : sys_home(a);
    if (!store_restore(a, home, argv[0], &kept, e))
        return e->code == ERR_CONFLICT ? err_prefix(e, "end the server first") : false;
    printf("%s is restored from %s\n", home, argv[0]);
    if (kept) printf("what was there before is %s\n", kept);
    return true;
}
