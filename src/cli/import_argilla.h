/* import_argilla.h - everything of a running Argilla, over its REST API, into this store. */
#ifndef FETTLE_CLI_IMPORT_ARGILLA_H
#define FETTLE_CLI_IMPORT_ARGILLA_H

#include "cli/desk.h"

typedef struct {
    const char *url, *key; /* of an owner there */
    const char *workspace; /* only this one; NULL: all */
    const char *passwords; /* file for the new passwords of people who were not here, mode 0600; NULL: standard output */
    bool quiet;
} argilla_from;

/* Moves workspaces, people, settings, records, suggestions, responses and vectors, page by page, and prints what there was and what
 * is here now. People are the same when their user names are; everything else that is here already stays or is brought up to
 * date, so that it can run again. Ids of new people and records are kept. False when something did not come along, with the rest
 * in the store. */
bool import_argilla(arena *a, desk *d, const argilla_from *from, err *e);

#endif
