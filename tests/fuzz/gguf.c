/* Any bytes as a GGUF file: refused with words, or every tensor lies inside it and its config and vocabulary can be read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touch(const tensor_file *f) {
    unsigned sum = 0;
    for (int i = 0; i < f->count; i++)
        for (size_t k = 0; f->tensor[i].data && k < f->tensor[i].bytes; k++) sum += ((const uint8_t *)f->tensor[i].data)[k];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[64];
    static backend *b;
    err e = {0};
    if (!*path) snprintf(path, sizeof path, "/tmp/fettle-fuzz-%d.gguf", (int)getpid());
    if (!b && !(b = backend_open(NULL, &e))) abort();
    arena *a = arena_new();
    FILE *out = fopen(path, "wb");
    if (!out || (size && fwrite(data, size, 1, out) != 1)) abort();
    fclose(out);
    const gguf *g = gguf_open(a, path, &e);
    if (!g && !*e.text) abort();
    if (g) {
        tokenizer_vocab v;
        err ignored = {0};
        touch(gguf_tensors(g));
        gguf_metadata(g);
        gguf_chat_template(g);
        if (gguf_vocab(g, a, &v, &ignored)) tokenizer_from_vocab(a, &v, &ignored);
        if (!model_open(a, b, path, &(model_options){.measure = true}, &e) && !*e.text) abort();
    }
    unlink(path);
    arena_free(a);
    return 0;
}
