/* Any bytes as a file of examples: read to the end with bad rows left out; every example must survive sink and source, and
 * whatever can be asked of an example is asked. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, and a path to it; -1 when there is none to be had. */
static int file_in_memory(const void *data, size_t size, char path[64]) {
    const int fd = memfd_create("rows", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void must_come_back(arena *a, const example *x) {
    err e = {0};
    example y;
    char path[64], spec[128];
    buf row = {0};
    json_writer w = json_writer_on(&row, false);
    example_put_json(&w, x);
    const int fd = file_in_memory(row.ptr, row.len, path);
    snprintf(spec, sizeof spec, "%s:%s", example_kind_name(x->kind), path);
    source *s = source_open(a, spec, &e);
    if (!s || !source_next(s, a, &y, &e) || !example_equal(x, &y) || example_hash(x) != example_hash(&y)) {
        fprintf(stderr, "%s\n%s\n", e.text, row.ptr);
        abort();
    }
    source_close(s);
    close(fd);
    buf_free(&row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const prefixes[] = {"", "alpaca:", "sharegpt:", "open-assistant-pairs:", "preference:"};
    if (!size) return 0;
    char path[64], spec[128];
    const int fd = file_in_memory(data + 1, size - 1, path);
    snprintf(spec, sizeof spec, "%s%s", prefixes[(uint8_t)(data[0] - '0') % 5], path);
    arena *a = arena_new();
    err e = {0};
    const source_options forgiving = {.skip_bad = true};
    source *s = source_open_with(a, spec, &forgiving, &e);
    for (int n = 0; s && n < 64; n++) {
        arena *row = arena_new();
        example x, y;
        err why = {0};
        const bool more = source_next(s, row, &x, &e);
        if (more && n < 4) must_come_back(row, &x);
        if (more) example_split(&x, 10, 10);
        for (int to = 0; more && to < EXAMPLE_KIND_COUNT; to++) example_convert(row, &x, (example_kind)to, &y, &why);
        arena_free(row);
        if (!more) break;
    }
    arena_free(a);
    close(fd);
    return 0;
}
