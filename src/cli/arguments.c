/* arguments.c - command lines read by option tables. */
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void command_help(const command *c) {
    buf out = {0};
    buf_printf(&out, "fettle %s: %s\n\nusage: fettle %s %s\n", c->name, c->words, c->name, c->usage);
    if (c->options) {
        buf_put_text(&out, "\noptions:\n");
        opt_help(&out, c->options);
    }
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
}

static bool unknown_flag(arena *a, const command *c, str key, err *e) {
    const char *near = c->options ? opt_nearest(a, c->options, key) : "";
    return err_set(e, ERR_USAGE, "fettle %s has no option '--%.*s'%s%s%s; 'fettle %s --help' lists them", c->name, STR_ARG(key),
                   *near ? " (did you mean '--" : "", near, *near ? "'?)" : "", c->name);
}

/* One flag at argv[*i]; advances *i past its value. */
static bool read_flag(arena *a, const command *c, void *target, int argc, char **argv, int *i, resolved *from, err *e) {
    str word = str_of(argv[*i] + 2), key = word, value = {0};
    const ptrdiff_t equals = str_find(word, STR("="), 0);
    if (equals >= 0) {
        key = str_slice(word, 0, (size_t)equals);
        value = str_slice(word, (size_t)equals + 1, word.len);
    }
    const opt *o = c->options ? opt_find(c->options, key) : NULL;
    bool negated = false;
    if (!o && c->options && str_starts(key, STR("no-"))) {
        o = opt_find(c->options, str_slice(key, 3, key.len));
        negated = o && o->type == OPT_BOOL;
    }
    if (!o || (key.len > 3 && negated && equals >= 0)) return unknown_flag(a, c, key, e);
    if (o->type == OPT_BOOL && equals < 0) value = negated ? STR("false") : STR("true");
    else if (equals < 0) {
        if (*i + 1 >= argc) return err_set(e, ERR_USAGE, "--%.*s wants a value (%s)", STR_ARG(key), o->help);
        value = str_of(argv[++*i]);
    }
    if (from) resolve_note(a, from, o->key, "command line");
    return opt_set(o, target, value, a, e) || err_prefix(e, "--%.*s", STR_ARG(key));
}

/* Onto what is in the target already; from: may be NULL. */
static bool read_flags(arena *a, const command *c, void *target, int argc, char **argv, int *rest, bool *help, resolved *from,
                       err *e) {
    *rest = 0;
    *help = false;
    bool flags = true;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0) flags = false;
        else if (flags && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            *help = true;
            command_help(c);
            return true;
        } else if (flags && strncmp(argv[i], "--", 2) == 0) {
            if (!read_flag(a, c, target, argc, argv, &i, from, e)) return false;
        } else if (flags && argv[i][0] == '-' && isalpha((unsigned char)argv[i][1]))
            return unknown_flag(a, c, str_of(argv[i] + 1), e);
        else argv[(*rest)++] = argv[i];
    }
    return true;
}

bool arguments_read(arena *a, const command *c, void *target, int argc, char **argv, int *rest, bool *help, err *e) {
    if (c->options) opt_defaults(c->options, target, a);
    return read_flags(a, c, target, argc, argv, rest, help, NULL, e);
}

bool arguments_resolve(arena *a, const command *c, const char *prefix, void *target, int argc, char **argv, int *rest, bool *help,
                       resolved *from, err *e) {
    opt_group *group = arena_new_of(a, opt_group);
    char **copy = arena_array(a, char *, argc + 1); /* reading moves words about */
    for (int i = 0; i < argc; i++) copy[i] = argv[i];
    *group = (opt_group){c->options, target};
    *from = (resolved){.groups = group, .count = 1, .prefix = prefix};
    if (!arguments_read(a, c, target, argc, copy, rest, help, e) || *help) return *help;
    const char *file = *(const char **)(void *)((char *)target + opt_find(c->options, STR("config"))->offset);
    if (!file) file = getenv(arena_printf(a, "%sCONFIG", prefix));
    resolve_defaults(a, from);
    return (!file || !*file || resolve_file(a, from, file, e)) && resolve_environment(a, from, e) &&
           read_flags(a, c, target, argc, argv, rest, help, from, e);
}
