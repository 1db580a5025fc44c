/* main.c - fettle NAME ...: finds the command, runs it, turns its err into words and an exit status. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"

const command *const command_list[] = {
#define X(name) &command_##name,
    COMMANDS(X)
#undef X
        NULL};

static void print_overview(FILE *out) {
    fprintf(out, "fettle: people's judgement into a better language model, on your own machine\n\n"
                 "usage: fettle COMMAND [options]\n\n");
    for (const command *const *c = command_list; *c; c++) fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->words);
    fprintf(out, "\n'fettle COMMAND --help' says more. New here? Try 'fettle demo'.\n");
}

static const command *find_command(const char *name) {
    for (const command *const *c = command_list; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

static void say_unknown(const char *name) {
    enum { COUNT = sizeof command_list / sizeof *command_list };
    opt names[COUNT] = {{0}}; /* the last row has no key */
    for (int i = 0; command_list[i]; i++) names[i].key = command_list[i]->name;
    arena *a = arena_new();
    const char *near = opt_nearest(a, names, str_of(name));
    log_error("there is no command '%s'%s%s%s; 'fettle --help' lists them", name, *near ? " (did you mean '" : "", near,
              *near ? "'?)" : "");
    arena_free(a);
}

/* A thread that waits for others turns in circles; with OpenMP's own patience that is milliseconds in which nobody has its processor, and
 * two programs at once take twenty times as long (docs/decisions/0021). Its library reads this before main, so we begin once more. */
static void be_patient(char **argv) {
    char path[4096];
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", "10000", 1) != 0) return;
    path[n] = 0;
    execv(path, argv); /* where that cannot be, we go on as we are */
}

int main(int argc, char **argv) {
    be_patient(argv);
    if (argc < 2) {
        print_overview(stderr);
        return err_exit_status(ERR_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("fettle %s\n", FETTLE_VERSION);
        return 0;
    }
    const command *c = find_command(argv[1]);
    if (!c) {
        say_unknown(argv[1]);
        return err_exit_status(ERR_USAGE);
    }
    sys_catch_signals();
    arena *a = arena_new();
    err e = {0};
    if (!c->run(a, argc - 2, argv + 2, &e) && e.code == ERR_NONE) err_set(&e, ERR_INPUT, "the command failed without saying why");
    arena_free(a);
    if (fflush(stdout) != 0 || ferror(stdout)) err_errno(&e, ERR_IO, "cannot write to standard output");
    if (e.code) log_error("%s", e.text);
    return err_exit_status(e.code);
}
