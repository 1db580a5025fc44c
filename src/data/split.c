/* split.c - which side of a split an example stands on.
 *
 * A number in [0, 100) is made of the SHA-256 of the example's group, or else of its prompt: tests are the lowest test_percent of that
 * range, validation the highest validation_percent, training what lies between. Nothing else enters, so an example never changes
 * sides when rows are added, files are joined or a seed is changed, and a larger share is taken from training alone.
 *
 * The prompt is the words alone, whatever the format: of messages the contents one after the other, up to the last answer; of a text,
 * all of it. White space counts as one space wherever it stands, capital ASCII letters as small ones. */
#include <string.h>

#include "base/file.h"
#include "data/data.h"

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Appends the words of `s`, each behind one space. */
static void put_words(buf *out, str s) {
    for (size_t i = 0; i < s.len;) {
        while (i < s.len && is_space(s.ptr[i])) i++;
        if (i < s.len) buf_put_char(out, ' ');
        for (; i < s.len && !is_space(s.ptr[i]); i++) {
            const char c = s.ptr[i];
            buf_put_char(out, c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c);
        }
    }
}

static void put_message(buf *out, const json *message) {
    const json *content = json_get(message, "content");
    put_words(out, json_text(content, STR("")));
    for (size_t i = 0; json_kind_of(content) == JSON_ARRAY && i < json_count(content); i++)
        put_words(out, json_get_text(json_at(content, i), "text", STR("")));
}

static void put_messages(buf *out, const json *list, size_t count) {
    for (size_t i = 0; i < count; i++) put_message(out, json_at(list, i));
}

/* Messages before the last answer; all where nobody answers. */
static size_t before_answer(const json *list) {
    for (size_t i = json_count(list); i-- > 0;)
        if (str_is(json_get_text(json_at(list, i), "role", STR("")), "assistant")) return i;
    return json_count(list);
}

static void put_prompt(buf *out, const example *x) {
    if (x->kind == EXAMPLE_TEXT) put_words(out, x->text);
    else if (x->kind == EXAMPLE_MESSAGES) put_messages(out, x->messages, before_answer(x->messages));
    else if (x->prompt.type == PART_MESSAGES) put_messages(out, x->prompt.messages, json_count(x->prompt.messages));
    else put_words(out, x->prompt.text);
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* The first 48 bits of the hash as a number in [0, 100). */
static double percent_of(str words) {
    sha256_text hash;
    double place = 0;
    bytes_sha256(words.ptr, words.len, hash);
    for (int i = 0; i < 12; i++) place = place * 16 + digit(hash[i]);
    return place / 0x1p48 * 100;
}

example_side example_split(const example *x, double validation_percent, double test_percent) {
    buf words = {0};
    if (x->group.len) put_words(&words, x->group);
    else put_prompt(&words, x);
    const double place = percent_of(words.len ? buf_str(&words) : STR(""));
    buf_free(&words);
    if (place < test_percent) return SPLIT_TEST;
    return place >= 100 - validation_percent ? SPLIT_VALIDATION : SPLIT_TRAIN;
}

const char *example_side_name(example_side s) {
    static const char *const names[] = {[SPLIT_TRAIN] = "train", [SPLIT_VALIDATION] = "validation", [SPLIT_TEST] = "test"};
    return names[s];
}

str example_prompt_words(arena *a, const example *x) {
    buf words = {0};
    put_prompt(&words, x);
    const str all = str_slice(buf_str(&words), words.len > 0, words.len);
    const str out = {str_copy(a, all), all.len};
    buf_free(&words);
    return out;
}
