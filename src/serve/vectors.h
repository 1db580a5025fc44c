/* vectors.h - vectors of records, computed in the background. Used inside serve alone.
 *
 *     POST /api/v1/datasets/{id}/vectors {"setting", "model", "fields", "keep", "again"} ─► a job of kind "vectors"
 *
 *     records that want one ──► texts of their fields ──► endpoint (no transaction is open) ──► a page of vectors, written at once
 *
 * Pages are small and each is a write of its own: nobody waits for the model, and a job that was cut off goes on where it was, as
 * what is there is not wanted again. A setting keeps its source; with "keep" the server fills what is new or changed by itself. */
#ifndef FETTLE_SERVE_VECTORS_H
#define FETTLE_SERVE_VECTORS_H

#include "serve/api.h"

typedef struct vector_keeper vector_keeper;
vector_keeper *vector_keeper_start(server *s, err *e);
void vector_keeper_stop(vector_keeper *k); /* NULL is fine */

#endif
