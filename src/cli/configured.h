/* configured.h - the options a command would run with, and where each came from, without running it: for fettle config. */
#ifndef FETTLE_CLI_CONFIGURED_H
#define FETTLE_CLI_CONFIGURED_H

#include "run/run.h"

/* argv: what would stand behind the command's name. --help prints the command's and sets *help. */
bool serve_configured(arena *a, int argc, char **argv, resolved *out, bool *help, err *e);
bool train_configured(arena *a, int argc, char **argv, resolved *out, bool *help, err *e);

#endif
