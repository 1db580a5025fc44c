/* erased.h - the erasure of a record or a person, asked for and told: for fettle record erase and fettle user erase. */
#ifndef FETTLE_CLI_ERASED_H
#define FETTLE_CLI_ERASED_H

#include "cli/desk.h"

/* POST PATH ("/api/v1/records/ID/erase"); the numbers, the runs and models that trained on it, and copies that still hold it. */
bool erased_ask(arena *a, desk *d, const char *path, const char *name, bool as_json, err *e);

#endif
