/* Any bytes as a text query: it is never an error of the database, finds no more than there is, and -query finds what query leaves. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 6 };
static const char *const texts[RECORDS] = {"The quick brown fox",   "lazy dog, sleeping",       "a b c d e",
                                           "C++ \"quoted\" (text)", "na\xc3\xafve caf\xc3\xa9", ""};

static store *opened;
static int64_t set, field;

static bool furnish(store_tx *t, void *context, err *e) {
    workspace w = {.name = "w"};
    (void)context;
    if (!workspace_add(t, &w, e)) return false;
    dataset d = {.workspace = w.seq, .name = "d", .min_submitted = 1};
    if (!dataset_add(t, &d, e)) return false;
    part p[] = {{.dataset = d.seq, .kind = PART_FIELD, .name = "text", .title = "T", .settings = STR("{}")},
                {.dataset = d.seq, .kind = PART_FIELD, .name = "more", .title = "M", .settings = STR("{}")}};
    const parts fields = {p, 2};
    if (!part_add(t, &p[0], e) || !part_add(t, &p[1], e) || !search_create(t, d.seq, &fields, e)) return false;
    for (int i = 0; i < RECORDS; i++) {
        record r = {.dataset = d.seq, .fields = STR("{}")};
        const str both[] = {str_of(texts[i]), str_of(texts[(i + 1) % RECORDS])};
        if (!record_add(t, &r, e) || !search_put(t, d.seq, r.seq, &fields, NULL, both, e)) return false;
    }
    set = d.seq;
    field = p[0].seq;
    return true;
}

static const char *home;

static void remove_home(void) {
    err e = {0};
    dir_remove(home, &e);
}

static void begin(void) {
    static char folder[] = "/tmp/fettle-fuzz-XXXXXX";
    err e = {0};
    if (!(home = mkdtemp(folder)) || !(opened = store_open(home, &e)) || !store_write(opened, furnish, NULL, &e)) {
        fprintf(stderr, "no store: %s\n", e.text);
        exit(2);
    }
    atexit(remove_home);
}

static bool ask(store_tx *t, void *context, err *e) {
    const str *text = context;
    arena *a = arena_new();
    record_hits hits;
    for (int i = 0; i < 2; i++) {
        const record_query q = {.dataset = set, .text = *text, .text_field = i ? field : 0, .limit = 10};
        if (!record_search(t, a, &q, &hits, e)) {
            fprintf(stderr, "%s\n", e->text);
            abort();
        }
        if (hits.count > RECORDS || hits.total != hits.count) abort();
    }
    arena_free(a);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str text = {(const char *)data, size};
    err e = {0};
    if (!opened) begin();
    if (!store_read(opened, ask, &text, &e)) abort();
    return 0;
}
