/* indexer.h - brings the index of words and metadata up to the records that imports wrote. Used inside serve alone.
 *
 *     import: rows ──► records, and a range of them "behind" ──► acknowledged
 *                                     │ when no import wrote for a moment, in jobs of the one writer that end when others wait
 *                                     ▼
 *                              text index, facets;  the range shrinks in the same transaction
 *                                     │ in a thread of its own, which reads
 *                                     ▼
 *                              lists of words, copies of vectors, in memory
 *
 * What asks the index (RUN_FIND) helps along and waits, at most FIND_SECONDS; if records are still missing the answer says how
 * many ("indexing"). Without a server nobody goes on: the next server, or the next search, does. */
#ifndef FETTLE_SERVE_INDEXER_H
#define FETTLE_SERVE_INDEXER_H

#include "serve/api.h"

typedef struct indexer indexer;
indexer *indexer_start(server *s, err *e);
void indexer_stop(indexer *x); /* what is left is gone on with after the next start; NULL is fine */

bool index_look(server *s, err *e); /* at the start: is something left? */
/* Until the dataset's index is up to date or the time is over; *left: records that are not in it then. */
bool index_wait(server *s, int64_t dataset, int64_t *left, err *e);

#endif
