/* format_text.c - language modelling: a column `text`, or rows that are texts themselves. */
#include "data/format.h"

static guess look(const json *row) {
    const bool mine = json_kind_of(row) == JSON_STRING || is_text(row, "text");
    return mine ? (guess){LIKELY_PERHAPS, EXAMPLE_TEXT} : NOT_MINE;
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)a, (void)nth;
    out->kind = EXAMPLE_TEXT;
    if (json_kind_of(row) != JSON_STRING) return field_text(row, "text", &out->text, e);
    out->text = json_text(row, STR(""));
    return true;
}

static const char *const columns[] = {"text", NULL};
const format format_text = {
    "text", columns, look, NULL, convert, "text, every word of it to imitate", "{\"text\": \"The sky is blue.\"}",
};
