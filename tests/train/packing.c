/* packing.c - which documents share a row: rows worked out by hand, and what always holds. */
#include "test.h"

#include <string.h>

#include "base/rng.h"
#include "train/packing.h"

/* "0:0+4 2:0+4 | 1:0+2" : fragments (document, from, length), rows apart by a bar */
static char *shown(arena *a, const packed_rows *p) {
    char *out = arena_text(a, "");
    for (int r = 0; r < p->count; r++) {
        int length = 0;
        for (int i = 0; i < p->row[r].count; i++) {
            const fragment *f = &p->row[r].item[i];
            out = arena_printf(a, "%s%s%d:%d+%d", out, i ? " " : r ? " | " : "", f->document, f->from, f->length);
            length += f->length;
        }
        assert_int_equal(length, p->row[r].length);
    }
    return out;
}

static void each_strategy_fills_rows_as_trl_does(void **state) {
    static const struct {
        const char *strategy;
        int most, count, length[6];
        const char *rows;
    } cases[] = {
        {"bfd", 4, 3, {3, 4, 1}, "1:0+4 | 0:0+3 2:0+1"},
        {"bfd", 4, 4, {5, 2, 4, 1}, "0:0+4 | 2:0+4 | 1:0+2 3:0+1"},
        {"bfd_split", 4, 4, {5, 2, 4, 1}, "0:0+4 | 2:0+4 | 1:0+2 0:4+1 3:0+1"},
        {"bfd_split", 5, 4, {5, 1, 4, 3}, "0:0+5 | 2:0+4 1:0+1 | 3:0+3"},
        {"bfd_split", 4, 5, {2, 0, 3, 0, 1}, "2:0+3 4:0+1 | 0:0+2"},
        {"bfd_split", 4, 4, {6, 3, 3, 4}, "0:0+4 | 3:0+4 | 1:0+3 | 2:0+3 | 0:4+2"},
        {"wrapped", 3, 3, {3, 4, 1}, "0:0+3 | 1:0+3 | 1:3+1 2:0+1"},
        {"wrapped", 4, 0, {0}, ""},
        /* two rows have room 2; the one that came to it first is filled first, although it was opened second */
        {"bfd", 8, 6, {5, 4, 2, 1, 2, 0}, "0:0+5 2:0+2 3:0+1 | 1:0+4 4:0+2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        const packed_rows p = pack_documents(a, cases[i].strategy, cases[i].length, cases[i].count, cases[i].most);
        assert_string_equal(shown(a, &p), cases[i].rows);
        assert_true(p.apart == (strcmp(cases[i].strategy, "wrapped") != 0));
        arena_free(a);
    }
}

static void no_token_is_lost_or_doubled(void **state) {
    static const char *const strategies[] = {"bfd", "bfd_split", "wrapped"};
    enum { COUNT = 1000 };
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        arena *a = arena_new();
        rng r = rng_new(seed, 1);
        const int most = 1 + (int)rng_below(&r, 200);
        int length[COUNT], seen[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) length[i] = (int)rng_below(&r, 150);
        const packed_rows p = pack_documents(a, strategies[seed % 3], length, COUNT, most);
        for (int k = 0; k < p.count; k++) {
            assert_true(p.row[k].length > 0 && p.row[k].length <= most);
            for (int i = 0; i < p.row[k].count; i++) {
                const fragment *f = &p.row[k].item[i];
                assert_true(f->from + f->length <= length[f->document]);
                seen[f->document] += f->length;
            }
        }
        for (int i = 0; i < COUNT; i++) assert_int_equal(seen[i], seed % 3 == 0 && length[i] > most ? most : length[i]);
        arena_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(each_strategy_fills_rows_as_trl_does), TEST(no_token_is_lost_or_doubled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
