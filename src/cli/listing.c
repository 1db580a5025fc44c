/* listing.c - see listing.h. */
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum { GAP = 2 /* characters between columns */ };

listing listing_new(arena *a, const char *const *heads) {
    listing l = {.arena = a};
    while (heads[l.columns]) l.columns++;
    listing_add(&l, heads);
    return l;
}

void listing_add(listing *l, const char *const *cells) {
    const size_t row = (size_t)l->columns * sizeof *cells;
    if (l->rows == l->room) {
        const int room = l->room ? 2 * l->room : 16;
        const char **more = arena_alloc(l->arena, (size_t)room * row);
        if (l->rows) memcpy(more, l->cells, (size_t)l->rows * row);
        l->cells = more, l->room = room;
    }
    const char **at = l->cells + (size_t)l->rows++ * (size_t)l->columns;
    for (int c = 0; c < l->columns; c++) at[c] = cells[c] ? cells[c] : "";
}

static int width(const char *cell) { return (int)str_characters(str_of(cell)); }

/* Nothing stands behind the last word of a line. */
static void print_row(const char *const *cells, const int *wide, int columns) {
    while (columns && !*cells[columns - 1]) columns--;
    for (int c = 0; c < columns; c++) printf("%s%*s", cells[c], c + 1 < columns ? wide[c] - width(cells[c]) + GAP : 0, "");
    putchar('\n');
}

void listing_print(const listing *l, const char *none) {
    if (l->rows == 1) {
        if (none) log_note("%s", none);
        return;
    }
    int *wide = arena_alloc(l->arena, (size_t)l->columns * sizeof *wide);
    for (int r = 0; r < l->rows; r++)
        for (int c = 0; c < l->columns; c++) {
            const int w = width(l->cells[r * l->columns + c]);
            if (w > wide[c]) wide[c] = w;
        }
    for (int r = 0; r < l->rows; r++) print_row(l->cells + (size_t)r * (size_t)l->columns, wide, l->columns);
}
