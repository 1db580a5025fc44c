/* command.h - what a command of the program is: one file cmd_NAME.c and one row in COMMANDS. */
#ifndef FETTLE_CLI_COMMAND_H
#define FETTLE_CLI_COMMAND_H

#include "base/version.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"
#include "run/run.h"

/* A command gets the arguments after its name and answers with a filled err or success; main turns that into words on stderr
 * and the exit status of base/err.h. Results go to stdout, progress and messages to stderr. */
typedef struct {
    const char *name, *words; /* "chat", "talk with a model" */
    const char *usage;        /* lines after "fettle NAME", for --help */
    const opt *options;       /* its flags, or NULL */
    bool (*run)(arena *a, int argc, char **argv, err *e);
} command;

#define COMMANDS(X)                                                                                                              \
    X(demo)                                                                                                                      \
    X(train)                                                                                                                     \
    X(runs)                                                                                                                      \
    X(chat)                                                                                                                      \
    X(generate)                                                                                                                  \
    X(eval)                                                                                                                      \
    X(compare)                                                                                                                   \
    X(model)                                                                                                                     \
    X(data)                                                                                                                      \
    X(serve)                                                                                                                     \
    X(ui)                                                                                                                        \
    X(dataset)                                                                                                                   \
    X(import)                                                                                                                    \
    X(export)                                                                                                                    \
    X(record)                                                                                                                    \
    X(judge)                                                                                                                     \
    X(rlaif)                                                                                                                     \
    X(synth)                                                                                                                     \
    X(suggest)                                                                                                                   \
    X(user)                                                                                                                      \
    X(backup)                                                                                                                    \
    X(restore)                                                                                                                   \
    X(probe)                                                                                                                     \
    X(verify)                                                                                                                    \
    X(bench)                                                                                                                     \
    X(config)                                                                                                                    \
    X(completion)                                                                                                                \
    X(doctor)                                                                                                                    \
    X(docs)

#define X(name) extern const command command_##name;
COMMANDS(X)
#undef X
extern const command *const command_list[]; /* NULL-terminated, in the order of COMMANDS */

/* ---- arguments: flags from an option table, the rest stays ------------------------------------------------------------------ */

/* Reads --flag VALUE, --flag=VALUE, --switch and --no-switch by the table into target (filled with defaults first); what is no
 * flag is moved to the front of argv and counted in *rest. "--" ends the flags. --help prints and sets *help. */
bool arguments_read(arena *a, const command *c, void *target, int argc, char **argv, int *rest, bool *help, err *e);
void command_help(const command *c);

/* The same for a command whose options may also come from a JSON file (--config FILE, PREFIXCONFIG) and from the environment
 * (PREFIXKEY): defaults < file < environment < flags; *from says where each came from. */
bool arguments_resolve(arena *a, const command *c, const char *prefix, void *target, int argc, char **argv, int *rest, bool *help,
                       resolved *from, err *e);

#endif
