/* row.h - how a record is read from a row, for the files of store that ask for records. */
#ifndef FETTLE_STORE_ROW_H
#define FETTLE_STORE_ROW_H

#include "store/db.h"

#define RECORD_COLUMNS                                                                                                           \
    "r.seq, r.id, r.dataset, (SELECT d.id FROM datasets d WHERE d.seq = r.dataset), r.completed, r.fields, r.metadata, "         \
    "r.external_id,"                                                                                                             \
    " r.submitted, r.inserted_at, r.updated_at, r.import "
#define RECORD_FROM "FROM records r "
record record_read(db_rows *r, arena *a);

/* The records of a query, by seq alone. */
bool search_seqs(store_tx *t, arena *a, const record_query *q, int64_t **out, int64_t *count, err *e);

/* Records that were found, in their order. */
typedef struct {
    int64_t seq;
    double score;
} found;
typedef struct {
    found *item;
    int count;
} found_list;
/* A page and the total of a query of plain words from the lists in memory. False in *done: they cannot tell. by_one_number: it is sorted by
 * one number of the metadata, of which each record has one at most. */
bool plain_page(store_tx *t, arena *a, const record_query *q, bool by_one_number, found_list *out, int64_t *total, bool *done,
                err *e);

bool guidelines_keep(store_tx *t, const dataset *d, err *e); /* when they are not the newest kept */

/* Records a person answered, and their status counted anew once the answers are gone. */
typedef struct {
    int64_t seq, dataset;
} answered;
typedef struct {
    answered *item;
    int count;
} answered_list;
bool answered_by(store_tx *t, arena *a, int64_t user, answered_list *out, err *e);
bool answered_recount(store_tx *t, const answered_list *list, err *e);

/* Before a record goes: the settings whose vectors it takes along have another state (store_similar.c). */
bool vector_states_change(store_tx *t, int64_t record, err *e);
bool vector_states_change_all(store_tx *t, int64_t dataset, err *e); /* before many go */

#endif
