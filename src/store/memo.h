/* memo.h - rows that a reading connection remembers from one transaction to the next, as long as nobody has written in between.
 *
 * Nearly every request asks who has this key, which dataset a record is of and which settings that has. The database says at the beginning
 * of a transaction whether it is as it was (db_driver.version); what was read then is read from memory now. A connection that writes keeps
 * nothing. Used by db.c alone: the store's other files say db_query_memo. */
#ifndef FETTLE_STORE_MEMO_H
#define FETTLE_STORE_MEMO_H

#include "store/db.h"

typedef struct memo memo; /* of one connection */

/* What a statement with its parameters gave, row by row. */
typedef struct {
    const db_value *cell;
    int rows, columns;
} memo_rows;

memo *memo_new(void);
void memo_free(memo *k);
/* At the beginning of a transaction: another version than the last one's forgets all. */
void memo_begin(memo *k, int64_t version);
bool memo_has_room(const memo *k);
/* NULL: not remembered. The rows stay where they are until the next memo_begin. */
const memo_rows *memo_find(const memo *k, const char *sql, const db_value *v, int count);
/* Where cells and their texts are made that memo_add gets; there has to be room. */
arena *memo_memory(memo *k);
const memo_rows *memo_add(memo *k, const char *sql, const db_value *v, int count, memo_rows rows);

#endif
