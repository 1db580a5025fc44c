/* dataset_options.h - options of a question change with the answers that hold them, from a terminal: for fettle dataset options. */
#ifndef FETTLE_CLI_DATASET_OPTIONS_H
#define FETTLE_CLI_DATASET_OPTIONS_H

#include "base/opt.h"
#include "cli/desk.h"

typedef struct {
    const char *question;   /* its name */
    opt_list options;       /* VALUE or VALUE=TEXT: all there will be; empty: they stay */
    opt_list becomes, drop; /* OLD=NEW; values that go */
    const char *incomplete; /* what becomes of rankings that lack an option: draft, last; NULL: not said */
    bool apply, undo;       /* write it, not only tell; or take the newest change back */
} options_order;

/* set: a dataset as the API answers it. Tells what would happen to answers; writes it with `apply`. */
bool options_change(arena *a, desk *d, const json *set, const options_order *o, bool as_json, err *e);

#endif
