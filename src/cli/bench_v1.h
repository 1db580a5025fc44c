/* bench_v1.h - fettle bench v1: answers of a model over HTTP, one at a time and many together. */
#ifndef FETTLE_CLI_BENCH_V1_H
#define FETTLE_CLI_BENCH_V1_H

#include "base/json.h"
#include "tensor/tensor.h"

/* config: of a model that is made for it, random weights, in a server on a temporary folder; seconds: of each load. Prints a table, or puts
 * a list when out is not NULL. */
bool bench_v1_run(arena *a, backend *b, const json *config, double seconds, json_writer *out, err *e);

#endif
