/* Any bytes as a table of text: every row that is not called damaged is JSON with all columns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "data/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(const char *path) {
    arena *a = arena_new();
    csv_reader r;
    err e = {0};
    buf row = {0};
    int64_t line, before = 0;
    if (csv_reader_open(&r, a, path, NULL, &e))
        for (err bad = {0}; csv_reader_next(&r, &row, &line, &bad, &e); bad.code = ERR_NONE) {
            const json *v = bad.code ? NULL : json_parse(a, buf_str(&row), &e);
            if (line < before || (!bad.code && json_count(v) != (size_t)r.columns)) abort();
            before = line;
        }
    csv_reader_close(&r);
    buf_free(&row);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int fd = memfd_create("csv", 0);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_rows(path);
    close(fd);
    return 0;
}
