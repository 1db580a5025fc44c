/* cmd_config.c - fettle config: what a command would run with, and where each value came from. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/configured.h"

typedef struct {
    bool json, changed;
} options;

static const opt table[] = {
    {"json", OPT_BOOL, offsetof(options, json), "false", 0, 0, NULL, "as JSON: {key: {value, source}}"},
    {"changed", OPT_BOOL, offsetof(options, changed), "false", 0, 0, NULL, "only what is not at its default"},
    OPT_END,
};

static const struct {
    const char *name;
    bool (*configured)(arena *a, int argc, char **argv, resolved *out, bool *help, err *e);
} parts[] = {{"serve", serve_configured}, {"train", train_configured}};
enum { PARTS = sizeof parts / sizeof *parts };

static bool tell_config(arena *a, int argc, char **argv, err *e);

const command command_config = {
    "config", "tell what a command would run with, and where each value came from",
    "[--json] [--changed] serve [options of serve]\nfettle config [--json] [--changed] train OBJECTIVE [options of train]\n\n"
    "Flags win over the environment, that over a --config file, that over a preset, that over the default.",
    table, tell_config};

static void put_lines(const resolved *r, bool changed) {
    buf value = {0};
    for (int g = 0; g < r->count; g++)
        for (const opt *o = r->groups[g].table; o->key; o++) {
            const char *source = resolve_source(r, o->key);
            if (changed && strcmp(source, "default") == 0) continue;
            buf_clear(&value);
            json_writer w = json_writer_on(&value, false);
            opt_put_json(&w, o, r->groups[g].target);
            printf("%-28s %-24.*s %s\n", o->key, STR_ARG(buf_str(&value)), source);
        }
    buf_free(&value);
}

static void put_json(const resolved *r, bool changed) {
    buf text = {0};
    json_writer w = json_writer_on(&text, true);
    json_open(&w, '{');
    for (int g = 0; g < r->count; g++)
        for (const opt *o = r->groups[g].table; o->key; o++) {
            const char *source = resolve_source(r, o->key);
            if (changed && strcmp(source, "default") == 0) continue;
            json_key(&w, o->key), json_open(&w, '{');
            json_key(&w, "value"), opt_put_json(&w, o, r->groups[g].target);
            json_key(&w, "source"), json_put_cstr(&w, source);
            json_close(&w);
        }
    json_close(&w);
    printf("%.*s\n", STR_ARG(buf_str(&text)));
    buf_free(&text);
}

/* Flags before the word are ours, those behind it the other command's. */
static bool tell_config(arena *a, int argc, char **argv, err *e) {
    options o;
    resolved r = {0};
    int own = 0, rest, part = 0;
    bool help;
    while (own < argc && argv[own][0] == '-') own++;
    if (!arguments_read(a, &command_config, &o, own, argv, &rest, &help, e) || help) return help;
    if (own == argc) return err_set(e, ERR_USAGE, "say of which command: fettle config serve, or fettle config train OBJECTIVE");
    while (part < PARTS && strcmp(argv[own], parts[part].name) != 0) part++;
    if (part == PARTS) return err_set(e, ERR_USAGE, "fettle config knows serve and train, not '%s'", argv[own]);
    if (!parts[part].configured(a, argc - own - 1, argv + own + 1, &r, &help, e) || help) return help;
    if (o.json) put_json(&r, o.changed);
    else put_lines(&r, o.changed);
    return true;
}
