/* cmd_record.c - fettle record show|erase ID, and record scrub: one record, from a terminal. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/erased.h"

typedef struct {
    const char *home;
    bool json;
} options;

static const opt table[] = {
    {"home", OPT_TEXT, offsetof(options, home), NULL, 0, 0, NULL, "data folder"},
    {"json", OPT_BOOL, offsetof(options, json), "false", 0, 0, NULL, "erase: the answer as JSON"},
    OPT_END,
};

static bool record_run(arena *a, int argc, char **argv, err *e);
const command command_record = {"record", "show a record, or erase it everywhere",
                                "show ID\nrecord erase ID [ID ...]\nrecord scrub", table, record_run};

static bool show(arena *a, desk *d, const char *id, err *e) {
    json *v;
    buf out = {0};
    if (!desk_ask(a, d, "GET", arena_printf(a, "/api/v1/records/%s", id), STR(""), &v, e)) return false;
    json_writer w = json_writer_on(&out, true);
    json_put_value(&w, v);
    printf("%s\n", out.ptr);
    buf_free(&out);
    return true;
}

static bool record_run(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    desk d;
    if (!arguments_read(a, &command_record, &o, argc, argv, &rest, &help, e) || help) return help;
    const bool erases = rest > 1 && strcmp(argv[0], "erase") == 0, shows = rest == 2 && strcmp(argv[0], "show") == 0;
    const bool scrubs = rest == 1 && strcmp(argv[0], "scrub") == 0;
    if (!erases && !shows && !scrubs) return err_set(e, ERR_USAGE, "fettle record show ID | erase ID [ID ...] | scrub");
    if (!desk_open(a, o.home, &d, e)) return false;
    json *none;
    bool ok = !scrubs || desk_ask(a, &d, "POST", "/api/v1/erasures/scrub", STR(""), &none, e);
    for (int i = 1; ok && i < rest; i++) { /* the file is made anew once, with the last */
        const char *more = i + 1 < rest ? "?scrub=false" : "";
        ok = shows ? show(a, &d, argv[i], e)
                   : erased_ask(a, &d, arena_printf(a, "/api/v1/records/%s/erase%s", argv[i], more), argv[i], o.json, e);
    }
    err ignored = {0};
    if (!ok && erases) desk_ask(a, &d, "POST", "/api/v1/erasures/scrub", STR(""), &none, &ignored); /* of those before it */
    desk_close(&d);
    return ok;
}
