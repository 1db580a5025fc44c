/* listing.h - rows of words under their heads, each column as wide as its widest word: what the `list` commands print. */
#ifndef FETTLE_CLI_LISTING_H
#define FETTLE_CLI_LISTING_H

#include "base/arena.h"

typedef struct {
    arena *arena;
    int columns, rows, room;
    const char **cells; /* [rows][columns], the heads first */
} listing;

/* `heads` ends with NULL. */
listing listing_new(arena *a, const char *const *heads);

/* A row: as many cells as there are heads, kept until it is printed; NULL is an empty one. */
void listing_add(listing *l, const char *const *cells);

/* Prints heads and rows to stdout; where there are no rows, nothing there and `none` to stderr (NULL: not a word). */
void listing_print(const listing *l, const char *none);

#endif
