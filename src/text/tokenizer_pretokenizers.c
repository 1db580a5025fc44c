/* tokenizer_pretokenizers.c - the kinds of "pre_tokenizer" in tokenizer.json: every piece is cut further.
 *
 * Each kind finds parts of a piece, some of which are matches (delimiters); what becomes of those is the behavior:
 *     parts of "a--b" by "-"   removed a b   isolated a - - b   with previous a- - b   with next a - -b   contiguous a -- b */
#include <string.h>

#include "text/tokenizer_parts.h"

typedef struct {
    size_t begin, end;
    bool match;
} part;

typedef struct {
    part *item;
    size_t count, room;
} parts;

static void put_part(parts *p, size_t begin, size_t end, bool match) {
    if (end <= begin) return;
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        p->item = memory_resize(p->item, p->room * sizeof *p->item);
    }
    p->item[p->count++] = (part){begin, end, match};
}

/* Joins and drops the parts of one piece as the behavior says, and appends what is left as pieces. */
static void cut_parts(const pieces *in, pieces *out, const parts *list, cut_behavior b) {
    const part *p = list->item;
    for (size_t i = 0, next; i < list->count; i = next) {
        size_t end = p[i].end;
        next = i + 1;
        if (b == CUT_REMOVED && p[i].match) continue;
        if (b == CUT_WITH_PREVIOUS && !p[i].match && next < list->count && p[next].match) end = p[next++].end;
        if (b == CUT_WITH_NEXT && p[i].match && next < list->count && !p[next].match) end = p[next++].end;
        while (b == CUT_CONTIGUOUS && next < list->count && p[next].match == p[i].match) end = p[next++].end;
        pieces_copy(in, out, p[i].begin, end);
        pieces_cut(out, out->text.len);
    }
}

/* ---- by a pattern ---- */

static bool cut_by_pattern(const step *s, const pieces *in, pieces *out, err *e) {
    parts p = {0};
    matches m;
    err local = {0};
    matches_open(&m, s);
    for (size_t c = 0, begin = 0; c < in->cuts && !local.code; begin = in->cut[c++]) {
        size_t done = 0, from, to;
        p.count = 0;
        matches_text(&m, (str){in->text.ptr + begin, in->cut[c] - begin});
        while (matches_next(&m, &from, &to, &local)) {
            put_part(&p, begin + done, begin + from, s->invert);
            put_part(&p, begin + from, begin + to, !s->invert);
            done = to;
        }
        put_part(&p, begin + done, in->cut[c], s->invert);
        cut_parts(in, out, &p, s->cut);
    }
    matches_close(&m);
    memory_release(p.item);
    return !local.code || err_set(e, local.code, "%s", local.text);
}

static bool read_behavior(const json *j, step *s, err *e) {
    static const char *const names[] = {"removed", "isolated", "mergedwithprevious", "mergedwithnext", "contiguous"};
    const str given = json_get_text(j, "behavior", STR("Isolated"));
    char plain[32] = "";
    size_t n = 0;
    for (size_t i = 0; i < given.len && n < sizeof plain - 1; i++)
        if (given.ptr[i] != '_') plain[n++] = (char)(given.ptr[i] | 32);
    for (int i = 0; i < 5; i++)
        if (strcmp(plain, names[i]) == 0) return s->cut = (cut_behavior)i, true;
    return err_set(e, ERR_UNSUPPORTED, "behavior '%.*s' is not among those we have", STR_ARG(given));
}

static bool read_split(arena *a, const json *j, step *s, err *e) {
    s->invert = json_get_bool(j, "invert", false);
    return read_behavior(j, s, e) && step_read_pattern(a, j, s, e);
}

static bool read_delimiter(arena *a, const json *j, step *s, err *e) {
    str text;
    if (!json_want_text(j, "delimiter", &text, e)) return false;
    if (!text.len) return err_set(e, ERR_INPUT, "delimiter should be a character, it is empty");
    s->content = text_keep(a, text);
    s->cut = CUT_REMOVED;
    return true;
}

/* ---- ByteLevel: a space in front (flag), GPT-2's pattern (other), then letters ---- */

static bool read_byte_level(arena *a, const json *j, step *s, err *e) {
    s->flag = json_get_bool(j, "add_prefix_space", true);
    s->other = json_get_bool(j, "use_regex", true);
    s->pattern_text = STR(GPT2_PATTERN);
    return !s->other || (s->pattern = regex_new(a, s->pattern_text, e)) != NULL;
}

static void put_spaces(const pieces *in, pieces *out) {
    for (size_t c = 0, begin = 0; c < in->cuts; begin = in->cut[c++]) {
        if (in->text.ptr[begin] != ' ') pieces_put(out, " ", 1, in->from[begin]);
        pieces_copy(in, out, begin, in->cut[c]);
        pieces_cut(out, out->text.len);
    }
}

static bool run_byte_level(const step *s, const pieces *in, pieces *out, err *e) {
    pieces spaced = {0}, words = {0};
    const pieces *now = in;
    if (s->flag) put_spaces(in, &spaced), now = &spaced;
    bool ok = true;
    if (s->other) ok = cut_by_pattern(s, now, &words, e), now = &words;
    if (ok) step_letters(s, now, out, e);
    out->full |= spaced.full | words.full;
    pieces_free(&spaced);
    pieces_free(&words);
    return ok;
}

/* ---- by classes of characters; class 1 is the match ---- */

static void cut_by_class(const pieces *in, pieces *out, int (*class_of)(int32_t), bool each, cut_behavior b) {
    parts p = {0};
    int32_t code;
    for (size_t c = 0, begin = 0; c < in->cuts; begin = in->cut[c++]) {
        size_t from = begin;
        int current = -1;
        p.count = 0;
        for (size_t i = begin, n; i < in->cut[c]; i += n) {
            n = utf8_next(buf_str(&in->text), i, &code);
            const int k = class_of(code);
            if (i > from && (k != current || (each && k == 1))) {
                put_part(&p, from, i, current == 1);
                from = i;
            }
            current = k;
        }
        put_part(&p, from, in->cut[c], current == 1);
        cut_parts(in, out, &p, b);
    }
    memory_release(p.item);
}

static int class_digit(int32_t c) { return unicode_is_digit(c); }
static int class_space(int32_t c) { return unicode_is_space(c); }
static int class_punctuation(int32_t c) { return unicode_is_punctuation(c); }
static int class_word(int32_t c) { return unicode_is_space(c) ? 1 : unicode_is_word(c) ? 2 : 3; }

static bool read_digits(arena *a, const json *j, step *s, err *e) {
    (void)a, (void)e;
    s->flag = json_get_bool(j, "individual_digits", false);
    return true;
}
static bool run_digits(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    cut_by_class(in, out, class_digit, s->flag, CUT_ISOLATED);
    return true;
}

/* \w+|[^\w\s]+ */
static bool run_whitespace(const step *s, const pieces *in, pieces *out, err *e) {
    (void)s, (void)e;
    cut_by_class(in, out, class_word, false, CUT_REMOVED);
    return true;
}
static bool run_whitespace_split(const step *s, const pieces *in, pieces *out, err *e) {
    (void)s, (void)e;
    cut_by_class(in, out, class_space, true, CUT_REMOVED);
    return true;
}

static bool read_punctuation(arena *a, const json *j, step *s, err *e) {
    (void)a;
    return read_behavior(j, s, e);
}
static bool run_punctuation(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    cut_by_class(in, out, class_punctuation, true, s->cut);
    return true;
}

static bool run_bert(const step *s, const pieces *in, pieces *out, err *e) {
    pieces words = {0};
    run_whitespace_split(s, in, &words, e);
    cut_by_class(&words, out, class_punctuation, true, CUT_ISOLATED);
    pieces_free(&words);
    return true;
}

/* ---- Metaspace: spaces become U+2581 (content); one in front always (start 2) or where the text begins (1); cut before each
 * (flag) ---- */

static bool read_metaspace(arena *a, const json *j, step *s, err *e) {
    static const char *const schemes[] = {"never", "first", "always"};
    const bool prefix = json_get_bool(j, "add_prefix_space", true); /* the older spelling */
    const str scheme = json_get_text(j, "prepend_scheme", prefix ? STR("always") : STR("never"));
    s->content = text_keep(a, json_get_text(j, "replacement", STR("\xE2\x96\x81")));
    s->flag = json_get_bool(j, "split", true);
    if (!s->content.len) return err_set(e, ERR_INPUT, "replacement should be a character, it is empty");
    for (s->start = 0; s->start < 3; s->start++)
        if (str_is(scheme, schemes[s->start])) return true;
    return err_set(e, ERR_UNSUPPORTED, "prepend_scheme '%.*s' is not always, first or never", STR_ARG(scheme));
}

static bool run_metaspace(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    for (size_t c = 0, begin = 0; c < in->cuts; begin = in->cut[c++]) {
        const str text = {in->text.ptr + begin, in->cut[c] - begin};
        const bool has = str_starts(text, s->content) || text.ptr[0] == ' ';
        const size_t from = out->text.len;
        if (!has && (s->start == 2 || (s->start == 1 && in->from[begin].begin == 0)))
            pieces_put(out, s->content.ptr, s->content.len, in->from[begin]);
        for (size_t i = 0; i < text.len && !out->full;) {
            const bool space = text.ptr[i] == ' ', mark = space || str_starts(str_slice(text, i, text.len), s->content);
            if (mark && s->flag && out->text.len > from) pieces_cut(out, out->text.len);
            if (space) pieces_put(out, s->content.ptr, s->content.len, in->from[begin + i]);
            else pieces_copy(in, out, begin + i, begin + i + (mark ? s->content.len : 1));
            i += mark && !space ? s->content.len : 1;
        }
        pieces_cut(out, out->text.len);
    }
    return true;
}

/* ---- FixedLength: pieces of so many characters (start) ---- */

static bool read_fixed(arena *a, const json *j, step *s, err *e) {
    (void)a;
    int64_t n;
    if (!json_want_int(j, "length", 1, 1 << 30, &n, e)) return false;
    s->start = (int)n;
    return true;
}

static bool run_fixed(const step *s, const pieces *in, pieces *out, err *e) {
    (void)e;
    int32_t code;
    for (size_t c = 0, begin = 0; c < in->cuts; begin = in->cut[c++])
        for (size_t i = begin, k = 0; i < in->cut[c];) {
            const size_t n = utf8_next(buf_str(&in->text), i, &code);
            pieces_copy(in, out, i, i + n);
            i += n;
            if (++k == (size_t)s->start || i == in->cut[c]) pieces_cut(out, out->text.len), k = 0;
        }
    return true;
}

const step_kind pre_tokenizer_kinds[] = {
    {"Split", read_split, cut_by_pattern},
    {"ByteLevel", read_byte_level, run_byte_level},
    {"Digits", read_digits, run_digits},
    {"Metaspace", read_metaspace, run_metaspace},
    {"Whitespace", NULL, run_whitespace},
    {"WhitespaceSplit", NULL, run_whitespace_split},
    {"Punctuation", read_punctuation, run_punctuation},
    {"BertPreTokenizer", NULL, run_bert},
    {"CharDelimiterSplit", read_delimiter, cut_by_pattern},
    {"FixedLength", read_fixed, run_fixed},
    {0},
};
