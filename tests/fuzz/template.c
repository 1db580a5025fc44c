/* Any bytes as a chat template: refused with words, or rendered within its limits to marks that lie inside the text. */
#include <stdint.h>
#include <stdlib.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char globals[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"Hi <you>\\n\\u00e9\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":[1,2.5,true]}}}]"
    "},"
    "{\"role\":\"assistant\",\"content\":\"Hello.\"}],\"bos_token\":\"<s>\",\"eos_token\":\"</"
    "s>\",\"add_generation_prompt\":true,"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"n\":-7,\"big\":9007199254740993}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new();
    err e = {0};
    const jinja *j = jinja_parse(a, (str){(const char *)data, size}, (jinja_options){true, true}, &e);
    if (!j && !*e.text) abort();
    if (j) {
        const jinja_limits limits = {.fuel = 20000, .output = 1 << 16, .depth = 50};
        jinja_output out = {0};
        if (!jinja_render(j, json_parse(a, STR(globals), NULL), &limits, a, &out, &e)) {
            if (!*e.text) abort();
        } else if (out.text.len > limits.output) abort();
        for (int i = 0; i < out.ranges && !e.code; i++)
            if (out.range[i].begin > out.range[i].end || out.range[i].end > out.text.len) abort();
        buf_free(&out.text);
    }
    arena_free(a);
    return 0;
}
