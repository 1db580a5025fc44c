/* Any bytes as a safetensors file: what is taken must lie inside the file, and come back from the writer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_bytes(arena *a, const char *path, const void *data, size_t size, tensor_file *f) {
    err e = {0};
    FILE *out = fopen(path, "wb");
    if (!out || (size && fwrite(data, size, 1, out) != 1)) abort();
    fclose(out);
    return safetensors_open(a, path, f, &e);
}

/* Adds up every byte, so that a wrong place is found by the sanitizer. */
static unsigned touch(const tensor_file *f) {
    unsigned sum = 0;
    for (int i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->tensor[i].bytes; k++) sum += ((const uint8_t *)f->tensor[i].data)[k];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[64];
    if (!*path) snprintf(path, sizeof path, "/tmp/fettle-fuzz-%d.safetensors", (int)getpid());
    arena *a = arena_new();
    buf with_length = {0};
    tensor_file f;
    const uint64_t length = size;
    if (read_bytes(a, path, data, size, &f)) touch(&f);
    buf_put(&with_length, &length, 8); /* and as a header whose length is right, with data behind it */
    buf_put(&with_length, data, size);
    for (int i = 0; i < 16; i++) buf_put_char(&with_length, (char)i);
    for (size_t more = 0; more <= 16; more += 4)
        if (read_bytes(a, path, with_length.ptr, with_length.len - 16 + more, &f)) touch(&f);
    buf_free(&with_length);
    unlink(path);
    arena_free(a);
    return 0;
}
