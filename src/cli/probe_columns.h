/* probe_columns.h - what fettle probe objective is given: columns in JSON, under the names of COLUMNS (private to
 * cli). */
#ifndef FETTLE_CLI_PROBE_COLUMNS_H
#define FETTLE_CLI_PROBE_COLUMNS_H

#include "base/json.h"
#include "train/train.h"

/* A list of `count` numbers, from the arena; NULL when there is none. */
const float *probe_numbers(arena *a, const json *given, int count);
const int *probe_integers(arena *a, const json *given, int count);

/* Columns, counts of the step and what the objective keeps; rollouts are judged on the way, their metrics go to m. Changes `in`. */
bool probe_columns(arena *a, json *in, const train_settings *settings, columns *c, metrics *m, err *e);
#endif
