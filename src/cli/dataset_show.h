/* dataset_show.h - what a dataset can train, from a terminal: for fettle dataset show|map. */
#ifndef FETTLE_CLI_DATASET_SHOW_H
#define FETTLE_CLI_DATASET_SHOW_H

#include "base/opt.h"
#include "cli/desk.h"

/* set: a dataset as the API answers it. */
bool show_dataset(arena *a, desk *d, const json *set, bool as_json, err *e);
/* The mapping that is kept, else the likeliest guess for the question that is named, with ROLE=FIELD in `said` besides; it is kept. */
bool map_dataset(arena *a, desk *d, const json *set, const opt_list *said, err *e);

#endif
