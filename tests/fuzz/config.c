/* Any JSON as a config.json: refused with words, or good enough to measure a model and to be written again. */
#include <stdint.h>
#include <stdlib.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static backend *b;
    err e = {0};
    if (!b && !(b = backend_open(NULL, &e))) abort();
    arena *a = arena_new();
    buf out = {0};
    const json *config = json_parse(a, (str){(const char *)data, size}, &e);
    const model_options o = {.measure = true};
    const model *m = config && json_get_int(config, "num_hidden_layers", 0) <= 64 && json_get_int(config, "n_layer", 0) <= 64
                         ? model_new(a, b, config, 1, &o, &e)
                         : NULL;
    if (m) {
        json_writer w = json_writer_on(&out, false);
        json_open(&w, '{');
        m->config.family->write_config(&w, &m->config);
        json_close(&w);
        err again = {0};
        if (!json_parse(a, buf_str(&out), &again)) abort();
        if (model_parameter_count(m) == 0) abort();
    } else if (!e.code && config) { /* left out above */
    } else if (!*e.text) abort();   /* every refusal has words */
    buf_free(&out);
    arena_free(a);
    return 0;
}
