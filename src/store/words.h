/* words.h - which records say a word and how often, in memory: for texts of plain words, where the database's index would have to rank
 * nearly every record. Used inside store alone.
 *
 *     text_changes (rows) ──► words_take: a piece of what is to be read ──► texts (the caller's) ──► words_give ──► lists
 *     query of plain words ──► lists of the words, merged ──► records with score (bm25, as FTS5 defines it), and how many
 *
 * An index is made piece by piece beside the work of the store, and used by a transaction only when it stands where that transaction
 * sees the dataset's texts: the number of the last change says so. Else the database's index answers, with the same result. */
#ifndef FETTLE_STORE_WORDS_H
#define FETTLE_STORE_WORDS_H

#include "store/store.h"

typedef struct words_shelf words_shelf; /* the indexes of a store */
words_shelf *words_shelf_new(void);
void words_shelf_free(words_shelf *s); /* NULL is fine */

bool words_changed(store_tx *t, int64_t dataset, int64_t record, err *e); /* record 0: all of them */

/* What a query found: records in the order of seq. */
typedef struct {
    int64_t *seq;
    double *score;
    int64_t count;
} words_hits;
/* The records that say all of the words (not folded: the tokenizer does that). False without an error: there is no index at this state,
 * or this is no list of plain words; the hits are released with words_hits_free. */
bool words_find(store_tx *t, arena *a, int64_t dataset, const str *word, int count, words_hits *out, err *e);
void words_hits_free(words_hits *h);

#endif
