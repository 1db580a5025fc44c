/* tokenizer_normalizers.c - the kinds of "normalizer" in tokenizer.json: the text changes, there are no cuts yet.
 *
 * Spans follow Hugging Face's NormalizedString: what replaces a match stands for the match's last byte, what is put in front
 * for the first character, what a character becomes for that character. */
#include <string.h>

#include "text/tokenizer_parts.h"

static span at(const pieces *p, size_t i) { return i < p->text.len ? p->from[i] : (span){0, 0}; }

/* ---- Replace: content instead of each match of the pattern ---- */

static bool read_replace(arena *a, const json *j, step *s, err *e) {
    str with;
    if (!json_want_text(j, "content", &with, e)) return false;
    s->with = text_keep(a, with);
    return step_read_pattern(a, j, s, e);
}

static bool run_replace(const step *s, const pieces *in, pieces *out, err *e) {
    const str text = buf_str(&in->text);
    size_t done = 0, begin, end;
    err local = {0};
    matches m;
    matches_open(&m, s);
    matches_text(&m, text);
    while (matches_next(&m, &begin, &end, &local)) {
        pieces_copy(in, out, done, begin);
        pieces_put(out, s->with.ptr, s->with.len, end ? at(in, end - 1) : (span){0, 0});
        done = end;
    }
    pieces_copy(in, out, done, text.len);
    matches_close(&m);
    return !local.code || err_set(e, local.code, "%s", local.text);
}

/* ---- Prepend: a text in front, unless there is nothing ---- */

static bool read_prepend(arena *a, const json *j, step *s, err *e) {
    str text;
    if (!json_want_text(j, "prepend", &text, e)) return false;
    s->content = text_keep(a, text);
    return true;
}

static bool run_prepend(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    pieces_put(out, s->content.ptr, s->content.len, at(in, 0));
    pieces_copy(in, out, 0, in->text.len);
    return true;
}

/* ---- normal forms, one cluster after the other ---- */

static size_t characters(str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    return n;
}

/* Appends `made`, what became of the characters of in[begin, end). One for one where the counts agree; what is more or less
 * goes to the first. */
static void put_changed(const pieces *in, pieces *out, size_t begin, size_t end, str made) {
    const str was = str_slice(buf_str(&in->text), begin, end);
    const size_t had = characters(was), has = characters(made);
    size_t from = begin, skip = had > has ? had - has : 0, stay = has > had ? has - had : 0;
    int32_t code;
    for (size_t i = 0, n; i < made.len; i += n) {
        n = utf8_next(made, i, &code);
        pieces_put(out, made.ptr + i, n, at(in, from));
        if (stay) {
            stay--;
            continue;
        }
        for (size_t k = 0; k <= skip && from < end; k++) from += utf8_next(buf_str(&in->text), from, &code);
        skip = 0;
    }
}

static bool normalise(const pieces *in, pieces *out, normal_form f) {
    const str text = buf_str(&in->text);
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && (unsigned char)text.ptr[end] < 0x80) end++;
        if (end > i && end < text.len) end--; /* an ASCII letter may join with marks behind it */
        if (end > i) {
            pieces_copy(in, out, i, end);
            i = end;
            continue;
        }
        end = unicode_cluster(text, i);
        buf made = {0};
        unicode_normalise(&made, str_slice(text, i, end), f);
        if (str_eq(buf_str(&made), str_slice(text, i, end))) pieces_copy(in, out, i, end);
        else put_changed(in, out, i, end, buf_str(&made));
        buf_free(&made);
        i = end;
    }
    return true;
}

static bool run_nfc(const step *s, const pieces *in, pieces *out, err *e) { return (void)s, (void)e, normalise(in, out, FORM_NFC); }
static bool run_nfd(const step *s, const pieces *in, pieces *out, err *e) { return (void)s, (void)e, normalise(in, out, FORM_NFD); }
static bool run_nfkc(const step *s, const pieces *in, pieces *out, err *e) { return (void)s, (void)e, normalise(in, out, FORM_NFKC); }
static bool run_nfkd(const step *s, const pieces *in, pieces *out, err *e) { return (void)s, (void)e, normalise(in, out, FORM_NFKD); }

/* ---- letters ---- */

static bool run_lowercase(const step *s, const pieces *in, pieces *out, err *e) {
    (void)s, (void)e;
    const str text = buf_str(&in->text);
    int32_t code;
    for (size_t i = 0, n; i < text.len; i += n) {
        char lower[8];
        n = utf8_next(text, i, &code);
        pieces_put(out, lower, unicode_lower_text(code, lower), at(in, i));
    }
    return true;
}

static bool run_strip_accents(const step *s, const pieces *in, pieces *out, err *e) {
    (void)s, (void)e;
    int32_t code;
    for (size_t i = 0, n; i < in->text.len; i += n) {
        n = utf8_next(buf_str(&in->text), i, &code);
        if (!unicode_is_mark(code)) pieces_copy(in, out, i, i + n);
    }
    return true;
}

static bool read_strip(arena *a, const json *j, step *s, err *e) {
    (void)a, (void)e;
    s->flag = json_get_bool(j, "strip_left", true);
    s->other = json_get_bool(j, "strip_right", true);
    return true;
}

static bool run_strip(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    const str text = buf_str(&in->text);
    size_t begin = 0, end = text.len, n;
    int32_t code;
    while (s->flag && begin < end && (n = utf8_next(text, begin, &code), unicode_is_space(code))) begin += n;
    while (s->other && end > begin) {
        const size_t last = utf8_before(text, end, &code);
        if (!unicode_is_space(code)) break;
        end = last;
    }
    pieces_copy(in, out, begin, end);
    return true;
}

/* ---- ByteLevel: every byte as a letter of GPT-2's alphabet (a pre-tokenizer, too) ---- */

bool step_letters(const step *s, const pieces *in, pieces *out, err *e) {
    (void)s, (void)e;
    size_t cut = 0;
    for (size_t i = 0; i < in->text.len; i++) {
        const int32_t letter = byte_to_letter((unsigned char)in->text.ptr[i]);
        const char two[2] = {(char)(0xC0 | letter >> 6), (char)(0x80 | (letter & 0x3F))};
        if (letter < 0x80) pieces_copy(in, out, i, i + 1);
        else pieces_put(out, two, 2, in->from[i]);
        if (cut < in->cuts && in->cut[cut] == i + 1) pieces_cut(out, out->text.len), cut++;
    }
    return true;
}

const step_kind normalizer_kinds[] = {
    {"Replace", read_replace, run_replace},
    {"Prepend", read_prepend, run_prepend},
    {"NFC", NULL, run_nfc},
    {"NFD", NULL, run_nfd},
    {"NFKC", NULL, run_nfkc},
    {"NFKD", NULL, run_nfkd},
    {"Lowercase", NULL, run_lowercase},
    {"StripAccents", NULL, run_strip_accents},
    {"Strip", read_strip, run_strip},
    {"ByteLevel", NULL, step_letters},
    {0},
};
