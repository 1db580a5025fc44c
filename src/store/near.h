/* near.h - the vectors of a setting as unit vectors in float32, one row after the other, for searches that look at all of them. Used
 * inside store alone.
 *
 *     vectors (rows, double) ──► near_take: what this transaction sees ──► rows of { seq, n floats } in the order of seq
 *
 * Few rows are kept in memory; many in a file, vectors/SETTING in the data folder, which is mapped. It is a copy: made anew when it is
 * missing, left out of backups. What is erased is overwritten with zeros in it.
 *
 *     | mark | setting | n | state | epoch | count ... |   row | row | row ...       the head is written last, when the rows are on the disk
 *
 * A setting's state is drawn by lot whenever its vectors change, so it names them. Its epoch counts the changes but one kind: a vector of
 * a record behind all that ever had one. So within an epoch rows are only added behind others. Each change of an epoch is noted in
 * vector_changes with the record and the state before; a file follows those, row by row. A transaction that began before them reads the
 * records that changed since from the database (`apart`). */
#ifndef FETTLE_STORE_NEAR_H
#define FETTLE_STORE_NEAR_H

#include "store/store.h"

typedef struct near_shelf near_shelf; /* of a store, whose folder it is */
near_shelf *near_shelf_new(const char *folder);
void near_shelf_free(near_shelf *s); /* NULL is fine */

/* What one transaction sees, until near_give. A row is `stride` bytes: an int64_t seq (negative: it has no vector any more), then n
 * floats. */
typedef struct {
    const char *row;
    int64_t count;
    size_t stride;
    int64_t *apart; /* sorted seqs: their rows do not count, their vectors are in the database or nowhere */
    int64_t aparts;
    void *held;
    bool own; /* nobody else sees it: of a transaction that writes, or of one that began long ago */
} near_rows;
bool near_take(store_tx *t, int64_t setting, int n, near_rows *out, err *e); /* makes or extends what is not there yet */
void near_give(near_rows *r);
void near_unit(float *to, const double *v, int n); /* of length one; zeros stay zeros */

/* After an erasure, outside a transaction that writes: no copy has vectors that the database has not. */
bool near_sweep(store_tx *t, err *e);

#endif
