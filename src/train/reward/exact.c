/* exact.c - 1 where the completion is the answer that the data give in a column, white space at the ends left out. Where the answer stands in
 * a longer text (a chain of thought), the last line or what stands behind "####", "Answer:" or in \boxed{} counts. */
#include <string.h>

#include "train/reward.h"

static bool exact_open(arena *a, str argument, void **state, err *e) {
    (void)e;
    *state = str_copy(a, argument.len ? argument : STR("answer"));
    return true;
}

static str behind_last(str text, str mark) {
    ptrdiff_t last = -1;
    for (ptrdiff_t at = str_find(text, mark, 0); at >= 0; at = str_find(text, mark, (size_t)at + 1)) last = at;
    return last < 0 ? (str){0} : str_trim(str_slice(text, (size_t)last + mark.len, text.len));
}

static str last_line(str text) {
    const str behind = behind_last(text, STR("\n"));
    return behind.len ? behind : text;
}

static bool says(str text, str answer) {
    static const char *const marks[] = {"####", "Answer:", "answer:"};
    const str boxed = behind_last(text, STR("\\boxed{"));
    if (str_eq(text, answer) || str_eq(last_line(text), answer)) return true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (str_eq(behind_last(text, str_of(marks[i])), answer)) return true;
    return boxed.len > answer.len && str_starts(boxed, answer) && boxed.ptr[answer.len] == '}';
}

/* A number in the data is compared as it is written. */
static str answer_of(const json *row, const char *column, buf *text) {
    const json *v = json_get(row, column);
    buf_clear(text);
    if (json_kind_of(v) == JSON_STRING) buf_put_str(text, json_text(v, STR("")));
    else if (v) json_put(text, v);
    return str_trim(buf_str(text));
}

static bool exact_score(void *state, const reward_case *c, int count, float *out, err *e) {
    buf text = {0};
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        if (!json_has(c[i].row, state))
            ok = err_set(e, ERR_INPUT, "the data have no column '%s' with the right answer; name another: exact:COLUMN",
                         (const char *)state);
        else out[i] = says(str_trim(c[i].text), answer_of(c[i].row, state, &text));
    }
    buf_free(&text);
    return ok;
}

const reward_kind reward_exact = {.name = "exact",
                                  .argument = "COLUMN",
                                  .words = "1 where the answer in that column of the data (answer) is given, else 0",
                                  .open = exact_open,
                                  .score = exact_score};
