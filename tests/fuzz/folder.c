/* Any bytes as a data set's README.md: its patterns lie in it, and matching them ends. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int fd = memfd_create("readme", 0);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    arena *a = arena_new();
    err e = {0};
    folder_patterns p;
    if (folder_readme(a, path, &p, &e))
        for (int i = 0; i < p.count; i++) {
            if (!p.item[i].pattern.len || !p.item[i].subset.len) abort();
            folder_glob(p.item[i].pattern, STR("data/train-00000-of-00002.parquet"));
            folder_glob(p.item[i].pattern, p.item[i].pattern);
        }
    arena_free(a);
    close(fd);
    return 0;
}
