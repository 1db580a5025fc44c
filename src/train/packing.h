/* packing.h - several documents in one row of at most `most` tokens (private to train). */
#ifndef FETTLE_TRAIN_PACKING_H
#define FETTLE_TRAIN_PACKING_H

#include <stdbool.h>

#include "base/arena.h"

/*     name (TRL's)  function   documents stay apart */
#define PACKINGS(X)                                                                                                              \
    X(bfd, pack_bfd, true)                                                                                                       \
    X(bfd_split, pack_bfd_split, true)                                                                                           \
    X(wrapped, pack_wrapped, false)
#define PACKING_NAME(name, function, apart) "|" #name
#define PACKING_NAMES                       (&("" PACKINGS(PACKING_NAME))[1]) /* "bfd|bfd_split|wrapped" */

enum { PACKED_AT_ONCE = 1000 }; /* documents that are packed together, as in TRL */

/* Tokens from .. from+length-1 of a document. */
typedef struct {
    int document, from, length;
} fragment;

typedef struct {
    fragment *item;
    int count, length; /* fragments, tokens */
} packed_row;

typedef struct {
    packed_row *row;
    int count;
    bool apart; /* attention stays inside each fragment, positions restart there, its first token is not predicted */
} packed_rows;

/* strategy: one of PACKING_NAMES. Documents without a token vanish. */
packed_rows pack_documents(arena *a, const char *strategy, const int *lengths, int count, int most);

#endif
