/* near.c - prompts that nearly repeat each other and stand on two sides of the split.
 *
 * A prompt is the set of its runs of three words (fewer words: the prompt is one run). 64 minima of hashes of the set (A. Broder, On the resemblance
 * and containment of documents, 1997) are cut into 16 bands of 4; prompts that share a band are compared exactly. Two with similarity 0.7 share
 * a band with probability 1 - (1 - 0.7^4)^16 = 0.988. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/recipe.h"

enum { RUN = 3, BANDS = 16, ROWS = 4, LISTED = 100, BAND_MAX = 200 };

typedef struct {
    uint64_t *run; /* [runs] sorted, each once */
    size_t runs;
    uint64_t band[BANDS];
    example_side side;
} sketch;

/* ---- sketches ----------------------------------------------------------------------------------------------------------------------- */

static int by_size(const void *x, const void *y) {
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

static size_t unique(uint64_t *v, size_t n) {
    size_t kept = 0;
    qsort(v, n, sizeof *v, by_size);
    for (size_t i = 0; i < n; i++)
        if (!i || v[i] != v[i - 1]) v[kept++] = v[i];
    return kept;
}

/* Hashes of the words, which one space parts. */
static size_t words_of(str s, uint64_t *out) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t hash = 0xcbf29ce484222325u;
        for (; i < s.len && s.ptr[i] != ' '; i++) hash = (hash ^ (uint8_t)s.ptr[i]) * 0x100000001b3u;
        out[n++] = hash;
    }
    return n;
}

static void cut_runs(arena *a, str words, sketch *s) {
    uint64_t *word = arena_array(a, uint64_t, words.len / 2 + 2);
    const size_t n = words_of(words, word);
    s->run = arena_array(a, uint64_t, n + 1);
    s->runs = n < RUN ? n > 0 : n - RUN + 1;
    for (size_t i = 0; i < s->runs; i++)
        for (size_t k = i; k < n && k < i + RUN; k++) s->run[i] = rng_mix(s->run[i], word[k]);
    s->runs = unique(s->run, s->runs);
}

static void sketch_bands(sketch *s) {
    for (uint64_t band = 0; band < BANDS; band++) {
        s->band[band] = band;
        for (uint64_t row = 0; row < ROWS; row++) {
            uint64_t least = UINT64_MAX;
            for (size_t i = 0; i < s->runs; i++) {
                const uint64_t hash = rng_mix(s->run[i], band * ROWS + row + 1);
                if (hash < least) least = hash;
            }
            s->band[band] = rng_mix(s->band[band], least);
        }
    }
}

/* Shared runs / all runs of both. */
static double jaccard(const sketch *x, const sketch *y) {
    size_t shared = 0;
    for (size_t i = 0, k = 0; i < x->runs && k < y->runs;) {
        shared += x->run[i] == y->run[k];
        if (x->run[i] <= y->run[k]) {
            if (x->run[i] == y->run[k]) k++;
            i++;
        } else k++;
    }
    const size_t all = x->runs + y->runs - shared;
    return all ? (double)shared / (double)all : 0;
}

/* ---- candidates --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t band;
    size_t index;
} entry;

static int by_band(const void *x, const void *y) {
    const entry *a = x, *b = y;
    if (a->band != b->band) return a->band < b->band ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

typedef struct {
    size_t a, b;
    double similarity;
} near_pair;

typedef struct {
    near_pair *item;
    size_t count, capacity;
} near_list;

static int by_place(const void *x, const void *y) {
    const near_pair *p = x, *q = y;
    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return (p->b > q->b) - (p->b < q->b);
}

static void note(near_list *l, near_pair p) {
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 64;
        l->item = memory_resize(l->item, l->capacity * sizeof *l->item);
    }
    l->item[l->count++] = p;
}

/* Pairs of one band's bucket; each is compared with BAND_MAX others at most, so that a thousand copies cost no million comparisons. */
static void compare_bucket(const sketch *s, const entry *bucket, size_t n, double similarity, near_list *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && k <= i + BAND_MAX; k++) {
            const sketch *x = &s[bucket[i].index], *y = &s[bucket[k].index];
            if (x->side == y->side) continue;
            const double found = jaccard(x, y);
            if (found >= similarity) note(out, (near_pair){bucket[i].index, bucket[k].index, found});
        }
}

static near_list find_near(arena *a, const sketch *s, size_t n, double similarity) {
    entry *entries = arena_array(a, entry, n + 1);
    near_list out = {0};
    for (size_t band = 0; band < BANDS; band++) {
        for (size_t i = 0; i < n; i++) entries[i] = (entry){s[i].band[band], i};
        qsort(entries, n, sizeof *entries, by_band);
        for (size_t i = 0, first = 0; i <= n; i++)
            if (i == n || entries[i].band != entries[first].band) {
                compare_bucket(s, entries + first, i - first, similarity, &out);
                first = i;
            }
    }
    if (out.count) qsort(out.item, out.count, sizeof *out.item, by_place);
    size_t kept = 0;
    for (size_t i = 0; i < out.count; i++)
        if (!i || by_place(&out.item[i], &out.item[i - 1]) != 0) out.item[kept++] = out.item[i];
    out.count = kept;
    return out;
}

/* ---- the report --------------------------------------------------------------------------------------------------------------------- */

/* Enough of a prompt to know it by. */
static json *beginning_of(arena *a, const example *x) {
    enum { SHOWN = 200 };
    const str words = example_prompt_words(a, x);
    size_t end = words.len < SHOWN ? words.len : SHOWN;
    while (end && end < words.len && ((unsigned char)words.ptr[end] & 0xC0) == 0x80) end--;
    return json_new_text(a, str_slice(words, 0, end));
}

static json *near_row(arena *a, const example *examples, const sketch *s, near_pair p) {
    json *row = json_new_object(a), *sides = json_new_array(a);
    json_set(row, "a", json_new_text(a, examples[p.a].record));
    json_set(row, "b", json_new_text(a, examples[p.b].record));
    json_append(sides, json_new_text(a, str_of(example_side_name(s[p.a].side))));
    json_append(sides, json_new_text(a, str_of(example_side_name(s[p.b].side))));
    json_set(row, "sides", sides);
    json *texts = json_new_array(a);
    json_append(texts, beginning_of(a, &examples[p.a]));
    json_append(texts, beginning_of(a, &examples[p.b]));
    json_set(row, "prompts", texts);
    json_set(row, "similarity", json_new_real(a, p.similarity));
    return row;
}

json *split_report(arena *a, const example *examples, size_t count, double validation_percent, double test_percent,
                   double similarity) {
    arena *scratch = arena_new();
    sketch *s = arena_array(scratch, sketch, count + 1);
    int64_t sides[3] = {0};
    json *out = json_new_object(a), *list = json_new_array(a);
    for (size_t i = 0; i < count; i++) {
        cut_runs(scratch, example_prompt_words(scratch, &examples[i]), &s[i]);
        sketch_bands(&s[i]);
        sides[s[i].side = example_split(&examples[i], validation_percent, test_percent)]++;
    }
    near_list near_ones = find_near(scratch, s, count, similarity);
    for (size_t i = 0; i < near_ones.count && i < LISTED; i++) json_append(list, near_row(a, examples, s, near_ones.item[i]));
    for (int side = 0; side < 3; side++) json_set(out, example_side_name((example_side)side), json_new_int(a, sides[side]));
    json_set(out, "near", list);
    json_set(out, "near_count", json_new_int(a, (int64_t)near_ones.count));
    memory_release(near_ones.item);
    arena_free(scratch);
    return out;
}
