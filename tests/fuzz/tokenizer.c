/* Any bytes as a tokenizer.json and a text for it (behind the first NUL): refused with words, or ids inside the vocabulary that
 * decode at once as they do one after the other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const tokenizer *t, str text) {
    token_ids ids = {0};
    buf whole = {0}, streamed = {0};
    err e = {0};
    if (!tokenizer_encode(t, text, true, &ids, &e)) {
        if (!*e.text) abort();
        token_ids_free(&ids);
        return;
    }
    for (size_t i = 0; i < ids.count; i++) {
        if (ids.ids[i] < 0 || ids.ids[i] >= tokenizer_size(t)) abort();
        if (ids.begin[i] < 0 || ids.begin[i] > ids.end[i]) abort();
    }
    tokenizer_decode(t, ids.ids, (int)ids.count, false, &whole);
    if (!str_is_utf8(buf_str(&whole))) abort();
    stream_decoder *d = stream_decoder_new(t, false);
    for (size_t i = 0; i < ids.count; i++) stream_decoder_push(d, ids.ids[i], &streamed);
    stream_decoder_flush(d, &streamed);
    if (!str_is_utf8(buf_str(&streamed))) abort();
    stream_decoder_free(d);
    token_ids_free(&ids);
    buf_free(&whole);
    buf_free(&streamed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new();
    err e = {0};
    const char *bytes = (const char *)data, *nul = size ? memchr(bytes, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - bytes) : size;
    const tokenizer *t = tokenizer_from_json(a, (str){bytes, n}, STR(""), "fuzz", &e);
    if (!t && !*e.text) abort();
    if (t) {
        buf written = {0};
        use(t, nul ? (str){nul + 1, size - n - 1} : STR("ab <s> ab\xFF"));
        tokenizer_write_json(t, &written);
        buf_free(&written);
    }
    arena_free(a);
    return 0;
}
