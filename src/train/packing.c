/* packing.c - which documents share a row.
 *
 *     bfd        best-fit decreasing: longest first, each into the row with the least room that still takes it; longer ones are cut
 *     bfd_split  the same, but longer ones are split and every piece is kept                         (arXiv:2404.10830)
 *     wrapped    one stream, cut every `most` tokens; documents see one another */
#include "base/err.h"
#include "train/packing.h"

#include <stdlib.h>
#include <string.h>

static void add_fragment(arena *a, packed_row *r, int most, fragment f) {
    if (!r->item) r->item = arena_array(a, fragment, most < PACKED_AT_ONCE ? most : PACKED_AT_ONCE);
    r->item[r->count++] = f;
    r->length += f.length;
}

static int by_length(const void *x, const void *y) { /* longest first, equal ones in order */
    const fragment *a = x, *b = y;
    if (a->length != b->length) return b->length - a->length;
    return a->document != b->document ? a->document - b->document : a->from - b->from;
}

/* Rows that have room, with a number that tells which one came to its present room first: among equals it is filled first. */
typedef struct {
    int row, room;
    long since;
} opening;

static int best_fit(const opening *open, int count, int length) {
    int best = -1;
    for (int i = 0; i < count; i++) {
        if (open[i].room < length) continue;
        if (best < 0 || open[i].room < open[best].room || (open[i].room == open[best].room && open[i].since < open[best].since))
            best = i;
    }
    return best;
}

static packed_rows fill(arena *a, fragment *f, int count, int most) {
    packed_rows out = {.row = arena_array(a, packed_row, count + 1)};
    opening *open = arena_array(a, opening, count + 1);
    int opened = 0;
    qsort(f, (size_t)count, sizeof *f, by_length);
    for (int i = 0; i < count; i++) {
        int at = best_fit(open, opened, f[i].length);
        if (at < 0) open[at = opened++] = (opening){out.count++, most, 0};
        add_fragment(a, &out.row[open[at].row], most, f[i]);
        open[at] = (opening){open[at].row, open[at].room - f[i].length, i};
        if (!open[at].room) open[at] = open[--opened];
    }
    return out;
}

static packed_rows pack_bfd(arena *a, const int *lengths, int count, int most) {
    fragment *f = arena_array(a, fragment, count + 1);
    int n = 0;
    for (int i = 0; i < count; i++)
        if (lengths[i]) f[n++] = (fragment){i, 0, lengths[i] < most ? lengths[i] : most};
    return fill(a, f, n, most);
}

static packed_rows pack_bfd_split(arena *a, const int *lengths, int count, int most) {
    int n = 0;
    for (int i = 0; i < count; i++) n += (lengths[i] + most - 1) / most;
    fragment *f = arena_array(a, fragment, n + 1);
    n = 0;
    for (int i = 0; i < count; i++)
        for (int from = 0; from < lengths[i]; from += most)
            f[n++] = (fragment){i, from, lengths[i] - from < most ? lengths[i] - from : most};
    return fill(a, f, n, most);
}

static packed_rows pack_wrapped(arena *a, const int *lengths, int count, int most) {
    long tokens = 0;
    for (int i = 0; i < count; i++) tokens += lengths[i];
    packed_rows out = {.row = arena_array(a, packed_row, tokens / most + 2)};
    for (int i = 0; i < count; i++)
        for (int from = 0, n; from < lengths[i]; from += n) {
            if (!out.count || out.row[out.count - 1].length == most) out.count++;
            packed_row *r = &out.row[out.count - 1];
            n = lengths[i] - from < most - r->length ? lengths[i] - from : most - r->length;
            add_fragment(a, r, most, (fragment){i, from, n});
        }
    return out;
}

static const struct {
    const char *name;
    packed_rows (*pack)(arena *a, const int *lengths, int count, int most);
    bool apart;
} packings[] = {
#define X(name, function, apart) {#name, function, apart},
    PACKINGS(X)
#undef X
};

packed_rows pack_documents(arena *a, const char *strategy, const int *lengths, int count, int most) {
    for (size_t i = 0; i < sizeof packings / sizeof *packings; i++) {
        if (strcmp(packings[i].name, strategy) != 0) continue;
        packed_rows out = packings[i].pack(a, lengths, count, most);
        out.apart = packings[i].apart;
        return out;
    }
    bug("packing strategy '%s'", strategy);
}
