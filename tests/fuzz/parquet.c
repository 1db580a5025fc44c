/* Any bytes as a Parquet file: reading ends, with rows that are JSON or with words. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "data/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(const char *path) {
    arena *a = arena_new();
    err e = {0};
    buf row = {0};
    parquet *p = parquet_open(a, path, &e);
    size_t bytes = 0;
    for (int n = 0; p && n < 2000 && bytes < (8u << 20) && parquet_next(p, &row, &e); n++) {
        arena *one = arena_new();
        err why = {0};
        bytes += row.len;
        if (n < 8 && !json_parse(one, buf_str(&row), &why)) {
            fprintf(stderr, "%s\n%s\n", why.text, row.ptr);
            abort();
        }
        arena_free(one);
    }
    if (!p && !e.code) abort();
    buf_free(&row);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int fd = memfd_create("parquet", 0);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_rows(path);
    close(fd);
    return 0;
}
