/* near_copy.h - the copy of one setting's vectors: its rows, in memory or in a file, and how they follow the database. Used by
 * store_near.c alone, which sees to the lock: what changes a copy wants it alone. */
#ifndef FETTLE_STORE_NEAR_COPY_H
#define FETTLE_STORE_NEAR_COPY_H

#include <pthread.h>

#include "store/near.h"

#define NEAR_MARK "fettle2" /* files of other programs, and of earlier ones, have another */

enum { NEAR_LATE_MOST = 503, NEAR_RECENT = 512 };

/* Of a setting, as a transaction sees it (store_vector.c). */
typedef struct {
    int64_t state, epoch, last; /* state 0: no vector was ever put; last: the highest record that ever had one */
} near_sight;

/* The first 4096 bytes of a file. `late` are records whose vectors came when later ones had rows already: they have none, and are read
 * from the database. */
typedef struct {
    char mark[8];
    int64_t setting, n, state, epoch, count, last, dead, lates; /* last: all records up to it have been looked at */
    int64_t late[NEAR_LATE_MOST];
} near_head;

typedef struct {
    int64_t epoch, record;
} near_change;

typedef struct near_copy {
    near_head h;                     /* as the rows are; state 0: nothing is there */
    int64_t saved;                   /* the state of the head in the file */
    int64_t seen;                    /* the state when near_refresh looked last */
    int fd;                          /* -1: in memory */
    char *map, *row;                 /* the mapped file; the rows, of the file or on the heap */
    size_t mapped, room;             /* bytes; rows of the heap */
    near_change recent[NEAR_RECENT]; /* the last ones that were followed, for transactions that began before: a ring */
    int64_t recents, known;          /* followed so far; all behind this epoch are in the ring */
    pthread_rwlock_t lock;           /* read: the rows are looked at */
    struct near_copy *next;
} near_copy;

near_copy *copy_new(int64_t setting);
void copy_free(near_copy *c);
void copy_empty(near_copy *c); /* nothing is there; its file stays */

size_t copy_stride(int64_t n);
int64_t copy_find(const near_copy *c, int64_t seq);  /* the row of this record, -1 without */
int64_t copy_count(const near_copy *c, int64_t seq); /* rows of records up to this one */

bool copy_extend_memory(store_tx *t, near_copy *c, err *e); /* by the rows behind the last one */
bool copy_extend_file(store_tx *t, near_copy *c, err *e);   /* likewise; the head in the file stays what it was */
bool copy_make_file(const char *folder, store_tx *t, near_copy *c, const near_sight *s, err *e);
/* The file of an earlier process, when what it holds is an earlier state of these vectors or this one; false: it is of no use. */
bool copy_adopt(const char *folder, store_tx *t, near_copy *c, const near_sight *s, err *e);
/* Follows the changes since, row by row, in place. *done false: they cannot be followed (all changed, too many, too long ago). */
bool copy_follow(store_tx *t, near_copy *c, const near_sight *s, bool *done, err *e);
bool copy_save(near_copy *c, err *e); /* brings the rows to the disk, then the head that says so */

#endif
