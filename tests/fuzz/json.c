/* Any bytes to the JSON reader: what it takes must come back from the writer as an equal value. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new();
    buf out = {0};
    json *v, *again;
    err e = {0};
    const str text = {(const char *)data, size};
    if (json_parse_any(a, text, &v, &e)) {
        json_put(&out, v);
        if (!json_parse_any(a, buf_str(&out), &again, &e) || !json_equal(v, again)) abort();
    }
    buf_clear(&out);
    json_quote(&out, text); /* any bytes make a string */
    err quoted = {0};
    if (!json_parse(a, buf_str(&out), &quoted)) abort();
    buf_free(&out);
    arena_free(a);
    return 0;
}
