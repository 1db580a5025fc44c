/* near.h - the vectors of a setting as unit vectors in float32, one row after the other, for searches that look at all of them. Used
 * inside store alone.
 *
 *     vectors (rows, double) ──► near_take: what this transaction sees ──► rows of { seq, n floats } in the order of seq
 *
 * Few rows are kept in memory; many in a file, vectors/SETTING in the data folder, which is mapped. It is a copy: made anew when it is
 * missing, left out of backups, and gone when something was erased.
 *
 *     | mark | setting | state | n | count |   row | row | row ...          the head is written last, when the rows are on the disk
 *
 * The state of a setting has two halves. The upper one, its epoch, goes up with every change but one: a vector of a record behind all
 * that have one. So within an epoch rows are only added behind others, and what is there for one transaction is the beginning of what is
 * there for a later one. The lower one is drawn by lot at every change, which is how a file that an earlier process left is known. */
#ifndef FETTLE_STORE_NEAR_H
#define FETTLE_STORE_NEAR_H

#include "store/store.h"

typedef struct near_shelf near_shelf; /* of a store, whose folder it is */
near_shelf *near_shelf_new(const char *folder);
void near_shelf_free(near_shelf *s); /* NULL is fine */

/* What one transaction sees, until near_give. A row is `stride` bytes: an int64_t seq, then n floats. */
typedef struct {
    const char *row;
    int64_t count;
    size_t stride;
    void *held;
    bool own; /* of a transaction that writes: nobody else may see it */
} near_rows;
bool near_take(store_tx *t, int64_t setting, int n, near_rows *out, err *e); /* makes or extends what is not there yet */
void near_give(near_rows *r);
void near_unit(float *to, const double *v, int n); /* of length one; zeros stay zeros */

/* Takes away the copies that are not of this epoch, and their files. */
bool near_sweep(store_tx *t, err *e);

#endif
