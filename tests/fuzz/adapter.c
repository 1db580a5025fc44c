/* Any JSON as an adapter_config.json beside one good pair of matrices: refused with words, or the adapter opens. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
    "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":4,\"num_hidden_layers\":1,\"num_attention_heads\":1,"
    "\"intermediate_size\":4}";
static const char *const targets[] = {"q_proj"};

typedef struct {
    char folder[64], *path;
    model *m;
} base;

static base make_base(void) {
    base x = {.folder = "/tmp/fettle-fuzz-XXXXXX"};
    arena *a = arena_new(); /* for the life of the process */
    err e = {0};
    backend *b = backend_open(NULL, &e);
    const model_options o = {0};
    x.m = b ? model_new(a, b, json_parse(a, str_of(config), &e), 1, &o, &e) : NULL;
    const lora_options l = {.r = 2, .alpha = 2, .targets = targets, .target_count = 1};
    const adapter *ad = x.m ? adapter_new(a, x.m, &l, 1, false, &e) : NULL;
    if (!ad || !mkdtemp(x.folder) || !adapter_save(ad, x.m, x.folder, TYPE_F32, &e)) abort();
    x.path = path_join(a, x.folder, "adapter_config.json");
    return x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static base x;
    if (!x.m) x = make_base();
    arena *a = arena_new();
    err e = {0};
    FILE *out = fopen(x.path, "wb");
    if (!out || (size && fwrite(data, size, 1, out) != 1)) abort();
    fclose(out);
    if (!adapter_open(a, x.m, x.folder, false, &e) && !*e.text) abort();
    arena_free(a);
    return 0;
}
