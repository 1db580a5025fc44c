/* tokenizer_steps.c - normalizers and pre-tokenizers of tokenizer.json: one row each. */
#include <string.h>

#include "text/tokenizer_parts.h"

/* ---- piece lists ----------------------------------------------------------------------------------------------------------------- */

void pieces_free(pieces *p) {
    buf_free(&p->text);
    memory_release(p->origin);
    memory_release(p->cut);
    *p = (pieces){0};
}

void pieces_put(pieces *p, const void *bytes, size_t n, int32_t from, bool same) {
    const size_t at = p->text.len;
    buf_put(&p->text, bytes, n);
    if (p->origin_room < p->text.len + 1) {
        p->origin_room = 2 * p->text.len + 64;
        p->origin = memory_resize(p->origin, p->origin_room * sizeof *p->origin);
    }
    for (size_t i = 0; i < n; i++) p->origin[at + i] = from + (same ? (int32_t)i : 0);
}

void pieces_cut(pieces *p, size_t end) {
    if (p->cuts && p->cut[p->cuts - 1] >= end) return;
    if (p->cuts == p->cut_room) {
        p->cut_room = p->cut_room ? 2 * p->cut_room : 64;
        p->cut = memory_resize(p->cut, p->cut_room * sizeof *p->cut);
    }
    p->cut[p->cuts++] = end;
}

/* Bytes from .. to of one list behind another, with their origins. */
static void copy_bytes(const pieces *in, pieces *out, size_t from, size_t to) {
    const size_t at = out->text.len;
    if (to <= from) return;
    pieces_put(out, in->text.ptr + from, to - from, 0, false);
    memcpy(out->origin + at, in->origin + from, (to - from) * sizeof *out->origin);
}

static int32_t end_origin(const pieces *p) { return p->origin[p->text.len]; }
static void close_list(const pieces *in, pieces *out) {
    if (!out->origin) pieces_put(out, "", 0, 0, false);
    out->origin[out->text.len] = end_origin(in);
    pieces_cut(out, out->text.len);
    out->first = in->first;
}

/* ---- normalizers: the text changes, there are no cuts yet ------------------------------------------------------------------------- */

static bool read_pattern(arena *a, const json *j, step *s, err *e) {
    const json *p = json_get(j, "pattern");
    const str literal = json_get_text(p, "String", json_text(p, STR(""))), expression = json_get_text(p, "Regex", STR(""));
    s->content = (str){str_copy(a, literal), literal.len};
    if (!literal.len && !expression.len) return err_set(e, ERR_INPUT, "no pattern {\"String\"} or {\"Regex\"}");
    s->pattern_text = str_copy(a, expression.len ? expression : literal);
    return !expression.len || (s->pattern = regex_new(a, str_of(str_copy(a, expression)), e)) != NULL;
}

static bool find_pattern(const step *s, str text, size_t from, size_t *begin, size_t *end) {
    if (s->pattern) return regex_find(s->pattern, text, from, begin, end);
    const ptrdiff_t at = str_find(text, s->content, from);
    if (at < 0) return false;
    *begin = (size_t)at;
    *end = *begin + s->content.len;
    return true;
}

static bool read_replace(arena *a, const json *j, step *s, err *e) {
    const str with = json_get_text(j, "content", STR(""));
    s->with = (str){str_copy(a, with), with.len};
    return read_pattern(a, j, s, e);
}

static void run_replace(const step *s, const pieces *in, pieces *out) {
    const str text = buf_str(&in->text);
    size_t at = 0, begin, end;
    while (at <= text.len && find_pattern(s, text, at, &begin, &end)) {
        copy_bytes(in, out, at, begin);
        pieces_put(out, s->with.ptr, s->with.len, in->origin[begin], false);
        if (end == begin) {
            copy_bytes(in, out, begin, begin + 1 <= text.len ? begin + 1 : begin);
            end++;
        }
        at = end;
    }
    if (at < text.len) copy_bytes(in, out, at, text.len);
}

static bool read_prepend(arena *a, const json *j, step *s, err *e) {
    (void)e;
    const str text = json_get_text(j, "prepend", STR(""));
    s->content = (str){str_copy(a, text), text.len};
    return true;
}
static void run_prepend(const step *s, const pieces *in, pieces *out) {
    if (in->text.len) pieces_put(out, s->content.ptr, s->content.len, in->origin[0], false);
    copy_bytes(in, out, 0, in->text.len);
}

static str normal(buf *out, str s, normal_form f) {
    buf_clear(out);
    unicode_normalise(out, s, f);
    return buf_str(out);
}

/* Does the character at s[at..end) stand for itself behind s[0..at)? */
static bool stands_alone(str s, size_t at, size_t end, normal_form f) {
    buf before = {0}, after = {0}, both = {0};
    const str x = normal(&before, str_slice(s, 0, at), f), y = normal(&after, str_slice(s, at, end), f),
              all = normal(&both, str_slice(s, 0, end), f);
    const bool alone = all.len == x.len + y.len && str_starts(all, x) && str_ends(all, y);
    buf_free(&before), buf_free(&after), buf_free(&both);
    return alone;
}

/* The end of the characters from `at` on that have one normal form together: a letter and its marks, a syllable's letters. */
static size_t group_end(str s, size_t at, normal_form f) {
    int32_t c;
    size_t end = at + utf8_next(s, at, &c);
    for (size_t n; end < s.len; end += n) {
        n = utf8_next(s, end, &c);
        if (!unicode_combines(c) && stands_alone(str_slice(s, at, end + n), end - at, end + n - at, f)) break;
    }
    return end;
}

/* What a group becomes, each character with its origin (as Hugging Face's tokenizers count them): where there are fewer than before, the
 * first stands for those that went into it; where there are more, the new ones come from the first. */
static void put_group(const pieces *in, pieces *out, size_t from, size_t end, normal_form f) {
    buf made = {0};
    const str before = str_slice(buf_str(&in->text), from, end), text = normal(&made, before, f);
    int64_t more = str_characters(text) - str_characters(before);
    int32_t c;
    for (size_t i = 0, at = 0, n; i < text.len; i += n) {
        size_t next = at;
        n = utf8_next(text, i, &c);
        for (int64_t k = more < 0 ? more : 0; k <= 0 && next < before.len; k++) next += utf8_next(before, next, &c);
        for (size_t k = 0; k < n; k++) /* its bytes one behind the other, so that each of their tokens has a length */
            pieces_put(out, text.ptr + i + k, 1, in->origin[from + (at + k < next ? at + k : next > at ? next - 1 : at)], false);
        if (more <= 0) at = next;
        more = more > 0 ? more - 1 : 0;
    }
    buf_free(&made);
}

/* An ASCII character with what follows it that is not ASCII is one unit; of a unit that changes each group is looked at. */
static void normalise_units(const pieces *in, pieces *out, normal_form f) {
    const str text = buf_str(&in->text);
    buf made = {0};
    for (size_t i = 0; i < text.len;) {
        size_t end = i + 1;
        while (end < text.len && (unsigned char)text.ptr[end] >= 0x80) end++;
        const bool plain = end == i + 1 && (unsigned char)text.ptr[i] < 0x80;
        const str unit = str_slice(text, i, end);
        if (plain || str_eq(normal(&made, unit, f), unit)) copy_bytes(in, out, i, end);
        else
            for (size_t at = 0, next; at < unit.len; at = next) {
                next = group_end(unit, at, f);
                put_group(in, out, i + at, i + next, f);
            }
        i = end;
    }
    buf_free(&made);
}
static void run_nfc(const step *s, const pieces *in, pieces *out) { (void)s, normalise_units(in, out, FORM_NFC); }
static void run_nfd(const step *s, const pieces *in, pieces *out) { (void)s, normalise_units(in, out, FORM_NFD); }
static void run_nfkc(const step *s, const pieces *in, pieces *out) { (void)s, normalise_units(in, out, FORM_NFKC); }
static void run_nfkd(const step *s, const pieces *in, pieces *out) { (void)s, normalise_units(in, out, FORM_NFKD); }

static void run_lowercase(const step *s, const pieces *in, pieces *out) {
    (void)s;
    int32_t code;
    for (size_t i = 0, n; i < in->text.len; i += n) {
        buf one = {0};
        n = utf8_next(buf_str(&in->text), i, &code);
        if (code == 0x130) buf_put_text(&one, "i\xCC\x87"); /* the one letter that becomes two */
        else utf8_put(&one, unicode_lower(code));
        pieces_put(out, one.ptr, one.len, in->origin[i], one.len == n);
        buf_free(&one);
    }
}

static void run_strip_accents(const step *s, const pieces *in, pieces *out) {
    (void)s;
    int32_t code;
    for (size_t i = 0, n; i < in->text.len; i += n) {
        n = utf8_next(buf_str(&in->text), i, &code);
        if (!unicode_is_mark(code)) copy_bytes(in, out, i, i + n);
    }
}

static bool read_strip(arena *a, const json *j, step *s, err *e) {
    (void)a, (void)e;
    s->flag = json_get_bool(j, "strip_left", true);
    s->other = json_get_bool(j, "strip_right", true);
    return true;
}
static void run_strip(const step *s, const pieces *in, pieces *out) {
    const str text = buf_str(&in->text);
    size_t begin = 0, end = text.len, n;
    int32_t code;
    while (s->flag && begin < end && (n = utf8_next(text, begin, &code), unicode_is_space(code))) begin += n;
    while (s->other && end > begin) {
        size_t at = end - 1;
        while (at > begin && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) at--;
        utf8_next(text, at, &code);
        if (!unicode_is_space(code)) break;
        end = at;
    }
    copy_bytes(in, out, begin, end);
}

/* As a normalizer ByteLevel turns bytes into letters; our byte-level models match raw bytes, so nothing changes. */
static void run_same(const step *s, const pieces *in, pieces *out) {
    (void)s;
    copy_bytes(in, out, 0, in->text.len);
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
    {"ByteLevel", NULL, run_same},
    {0},
};

/* ---- pre-tokenizers: every piece is cut further ------------------------------------------------------------------------------------- */

/* What to do with a match of a delimiter. */
typedef enum { REMOVED, ISOLATED, WITH_PREVIOUS, WITH_NEXT, CONTIGUOUS } behavior;
static behavior behavior_of(const char *name) {
    static const char *const names[] = {"removed", "isolated", "mergedwithprevious", "mergedwithnext", "contiguous"};
    char plain[32] = "";
    size_t n = 0;
    for (; name && *name && n < sizeof plain - 1; name++)
        if (*name != '_') plain[n++] = (char)(*name | 32);
    plain[n] = 0;
    for (int i = 0; i < 5; i++)
        if (strcmp(plain, names[i]) == 0) return (behavior)i;
    return ISOLATED;
}

typedef struct {
    size_t begin, end;
    bool match;
} part;

/* Joins and drops parts as the behavior says, and appends what is left as pieces. */
static void put_parts(const pieces *in, pieces *out, const part *p, size_t count, behavior b) {
    for (size_t i = 0; i < count;) {
        size_t begin = p[i].begin, end = p[i].end;
        size_t next = i + 1;
        if (b == REMOVED && p[i].match) {
            i = next;
            continue;
        }
        if (b == WITH_PREVIOUS && !p[i].match && next < count && p[next].match) end = p[next++].end;
        if (b == WITH_NEXT && p[i].match && next < count && !p[next].match) end = p[next++].end;
        if (b == CONTIGUOUS)
            while (next < count && p[next].match == p[i].match) end = p[next++].end;
        copy_bytes(in, out, begin, end);
        pieces_cut(out, out->text.len);
        i = next;
    }
}

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

static bool read_split(arena *a, const json *j, step *s, err *e) {
    s->behavior = str_copy(a, json_get_text(j, "behavior", STR("Isolated")));
    s->invert = json_get_bool(j, "invert", false);
    return read_pattern(a, j, s, e);
}

static void cut_by_pattern(const step *s, const pieces *in, pieces *out, behavior b) {
    parts p = {0};
    size_t piece = 0;
    for (size_t c = 0; c < in->cuts; piece = in->cut[c++]) {
        const str text = {in->text.ptr + piece, in->cut[c] - piece};
        size_t at = 0, begin, end;
        p.count = 0;
        while (at < text.len && find_pattern(s, text, at, &begin, &end)) {
            if (end == begin) { /* an empty match cuts nothing: look further */
                int32_t code;
                const size_t next = begin + (begin < text.len ? utf8_next(text, begin, &code) : 1);
                if (next > text.len) break;
                put_part(&p, piece + at, piece + begin, s->invert);
                at = begin;
                size_t b2, e2;
                if (!find_pattern(s, text, next, &b2, &e2)) break;
                put_part(&p, piece + at, piece + b2, s->invert);
                put_part(&p, piece + b2, piece + e2, !s->invert);
                at = e2 > at ? e2 : next;
                continue;
            }
            put_part(&p, piece + at, piece + begin, s->invert);
            put_part(&p, piece + begin, piece + end, !s->invert);
            at = end;
        }
        put_part(&p, piece + at, piece + text.len, s->invert);
        put_parts(in, out, p.item, p.count, b);
    }
    memory_release(p.item);
}
static void run_split(const step *s, const pieces *in, pieces *out) { cut_by_pattern(s, in, out, behavior_of(s->behavior)); }

static bool read_byte_level(arena *a, const json *j, step *s, err *e) {
    s->flag = json_get_bool(j, "add_prefix_space", true);
    s->other = json_get_bool(j, "use_regex", true);
    s->pattern_text = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    return !s->other || (s->pattern = regex_new(a, str_of(s->pattern_text), e)) != NULL;
}
static void run_byte_level(const step *s, const pieces *in, pieces *out) {
    pieces spaced = {.first = in->first};
    const pieces *from = in;
    if (s->flag) { /* every piece begins with a space */
        size_t piece = 0;
        for (size_t c = 0; c < in->cuts; piece = in->cut[c++]) {
            if (in->cut[c] > piece && in->text.ptr[piece] != ' ') pieces_put(&spaced, " ", 1, in->origin[piece], false);
            copy_bytes(in, &spaced, piece, in->cut[c]);
            pieces_cut(&spaced, spaced.text.len);
        }
        close_list(in, &spaced);
        from = &spaced;
    }
    if (s->other) cut_by_pattern(s, from, out, ISOLATED);
    else {
        copy_bytes(from, out, 0, from->text.len);
        for (size_t c = 0; c < from->cuts; c++) pieces_cut(out, from->cut[c]);
    }
    pieces_free(&spaced);
}

/* Cuts by classes of characters. */
static void cut_by_class(const pieces *in, pieces *out, int (*class_of)(int32_t), bool each, behavior b) {
    parts p = {0};
    size_t piece = 0;
    for (size_t c = 0; c < in->cuts; piece = in->cut[c++]) {
        size_t begin = piece;
        int current = -1;
        int32_t code;
        p.count = 0;
        for (size_t i = piece, n; i < in->cut[c]; i += n) {
            n = utf8_next(buf_str(&in->text), i, &code);
            const int k = class_of(code);
            if (i > begin && (k != current || (each && k == 1))) {
                put_part(&p, begin, i, current == 1);
                begin = i;
            }
            current = k;
        }
        put_part(&p, begin, in->cut[c], current == 1);
        put_parts(in, out, p.item, p.count, b);
    }
    memory_release(p.item);
}
static int class_digit(int32_t c) { return unicode_is_digit(c); }
static int class_space(int32_t c) { return unicode_is_space(c); }
static int class_punctuation(int32_t c) { return unicode_is_punctuation(c); }

static bool read_digits(arena *a, const json *j, step *s, err *e) {
    (void)a, (void)e;
    s->flag = json_get_bool(j, "individual_digits", false);
    return true;
}
static void run_digits(const step *s, const pieces *in, pieces *out) { cut_by_class(in, out, class_digit, s->flag, ISOLATED); }
static void run_whitespace_split(const step *s, const pieces *in, pieces *out) {
    (void)s, cut_by_class(in, out, class_space, true, REMOVED);
}
static bool read_punctuation(arena *a, const json *j, step *s, err *e) {
    (void)e;
    s->behavior = str_copy(a, json_get_text(j, "behavior", STR("Isolated")));
    return true;
}
static void run_punctuation(const step *s, const pieces *in, pieces *out) {
    cut_by_class(in, out, class_punctuation, true, behavior_of(s->behavior));
}
static void run_bert(const step *s, const pieces *in, pieces *out) {
    pieces words = {.first = in->first};
    (void)s;
    cut_by_class(in, &words, class_space, true, REMOVED);
    close_list(in, &words);
    cut_by_class(&words, out, class_punctuation, true, ISOLATED);
    pieces_free(&words);
}
static bool read_whitespace(arena *a, const json *j, step *s, err *e) {
    (void)j;
    s->invert = true;
    s->pattern_text = "\\w+|[^\\w\\s]+";
    return (s->pattern = regex_new(a, str_of(s->pattern_text), e)) != NULL;
}
static void run_whitespace(const step *s, const pieces *in, pieces *out) { cut_by_pattern(s, in, out, REMOVED); }

/* Spaces become U+2581; one is put in front ("always", or "first": only where the text begins); cut before each. */
static bool read_metaspace(arena *a, const json *j, step *s, err *e) {
    (void)e;
    const str letter = json_get_text(j, "replacement", STR("\xE2\x96\x81")),
              scheme =
                  json_get_text(j, "prepend_scheme", json_get_bool(j, "add_prefix_space", true) ? STR("always") : STR("never"));
    s->content = (str){str_copy(a, letter), letter.len};
    s->start = str_is(scheme, "always") ? 2 : str_is(scheme, "first") ? 1 : 0;
    s->flag = json_get_bool(j, "split", true);
    return true;
}
static void run_metaspace(const step *s, const pieces *in, pieces *out) {
    parts p = {0};
    pieces made = {.first = in->first};
    size_t piece = 0;
    for (size_t c = 0; c < in->cuts; piece = in->cut[c++]) {
        const str text = {in->text.ptr + piece, in->cut[c] - piece};
        const size_t begin = made.text.len;
        const bool has = str_starts(text, s->content) || (text.len && text.ptr[0] == ' ');
        if (text.len && !has && (s->start == 2 || (s->start == 1 && in->first && piece == 0)))
            pieces_put(&made, s->content.ptr, s->content.len, in->origin[piece], false);
        for (size_t i = piece; i < in->cut[c]; i++) {
            if (in->text.ptr[i] == ' ') pieces_put(&made, s->content.ptr, s->content.len, in->origin[i], false);
            else copy_bytes(in, &made, i, i + 1);
        }
        size_t from = begin;
        for (size_t i = begin; s->flag && i < made.text.len; i++)
            if (i > from && str_starts(str_slice(buf_str(&made.text), i, made.text.len), s->content)) {
                put_part(&p, from, i, false);
                from = i;
            }
        put_part(&p, from, made.text.len, false);
    }
    close_list(in, &made);
    put_parts(&made, out, p.item, p.count, ISOLATED);
    memory_release(p.item);
    pieces_free(&made);
}

const step_kind pre_tokenizer_kinds[] = {
    {"Split", read_split, run_split},
    {"ByteLevel", read_byte_level, run_byte_level},
    {"Digits", read_digits, run_digits},
    {"Metaspace", read_metaspace, run_metaspace},
    {"Whitespace", read_whitespace, run_whitespace},
    {"WhitespaceSplit", NULL, run_whitespace_split},
    {"Punctuation", read_punctuation, run_punctuation},
    {"BertPreTokenizer", NULL, run_bert},
    {0},
};

/* ---- reading ----------------------------------------------------------------------------------------------------------------------------- */

bool steps_add(arena *a, steps *s, const step_kind *kinds, const char *name, const json *settings, err *e) {
    const step_kind *k = kinds;
    while (k->name && strcmp(k->name, name) != 0) k++;
    if (!k->name) return err_set(e, ERR_UNSUPPORTED, "kind '%s' is not here", name);
    step *grown = arena_array(a, step, s->count + 1);
    if (s->count) memcpy(grown, s->item, (size_t)s->count * sizeof *grown);
    s->item = grown;
    grown[s->count] = (step){.kind = k};
    return (!k->read || k->read(a, settings, &grown[s->count], e)) && ++s->count;
}

bool steps_read(arena *a, const json *j, const step_kind *kinds, const char *what, steps *s, err *e) {
    if (!j) return true;
    const str type = json_get_text(j, "type", STR(""));
    if (str_is(type, "Sequence")) {
        const json *list = json_get(j, strcmp(what, "normalizer") == 0 ? "normalizers" : "pretokenizers");
        for (size_t i = 0; i < json_count(list); i++)
            if (!steps_read(a, json_at(list, i), kinds, what, s, e)) return false;
        return true;
    }
    return steps_add(a, s, kinds, str_copy(a, type), j, e) || err_prefix(e, "%s", what);
}
