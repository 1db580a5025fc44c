/* jinja_filters_text.c - filters of texts: case, padding, lines, json. What a filter makes of markup is markup where Jinja2 leaves it
 * so. */
#include <math.h>
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

static jvalue like(jvalue before, jvalue text) { return jv_marked(text, before.kind == V_STRING && before.markup); }

static str want_text(run *r, jvalue v, const char *filter) {
    jinja_refuse_undefined(r, v);
    if (v.kind != V_STRING) jinja_fail(r, "%s wants a text, not '%s'", filter, jv_type(v));
    return v.u.text;
}
FILTER(f_trim) { return like(v, jv_text(jinja_stripped(jv_string(r, v), jinja_set_arg(r, args, 0, "chars"), true, true))); }
FILTER(f_lower) {
    (void)args;
    return like(v, jinja_cased(r, jv_string(r, v), 0));
}
FILTER(f_upper) {
    (void)args;
    return like(v, jinja_cased(r, jv_string(r, v), 1));
}
FILTER(f_title) { /* words begin behind white space and -({[<, so that it's stays It's */
    (void)args;
    return jinja_cased(r, jv_string(r, v), 5);
}
FILTER(f_capitalize) {
    (void)args;
    return like(v, jinja_cased(r, jv_string(r, v), 3));
}
FILTER(f_string) {
    (void)args;
    return like(v, jv_text(jv_string(r, v)));
}
FILTER(f_replace) {
    return jinja_replaced(r, jv_string(r, v), jinja_set_arg(r, args, 0, "old"), jinja_set_arg(r, args, 1, "new"),
                          jinja_int_arg(args, 2, "count", -1));
}
static str spaces(run *r, int64_t n) {
    buf *out = jinja_buf(r);
    for (int64_t i = 0; i < n && i < 1000; i++) buf_put_char(out, ' ');
    return jv_of_buf(r, out).u.text;
}
FILTER(f_tojson) { /* as transformers overrides it: ensure_ascii, indent, separators, sort_keys */
    buf *out = jinja_buf(r);
    const jvalue indent = jinja_arg(args, 1, "indent", jv_none()), separators = jinja_arg(args, 2, "separators", jv_none());
    json_style s = {.broken = indent.kind != V_NONE,
                    .ascii = jv_truth(jinja_arg(args, 0, "ensure_ascii", jv_bool(false))),
                    .sorted = jv_truth(jinja_arg(args, 3, "sort_keys", jv_bool(false))),
                    .between = indent.kind == V_NONE ? STR(", ") : STR(","),
                    .behind_key = STR(": ")};
    if (indent.kind == V_STRING) s.indent = indent.u.text;
    else if (indent.kind == V_INT) s.indent = spaces(r, indent.u.integer);
    if (separators.kind == V_LIST && separators.u.list->count == 2) {
        s.between = jv_string(r, separators.u.list->item[0]);
        s.behind_key = jv_string(r, separators.u.list->item[1]);
    } else if (separators.kind != V_NONE) jinja_fail(r, "separators wants two texts");
    jv_json(r, out, v, &s, 0);
    return jv_of_buf(r, out);
}
FILTER(f_indent) {
    const jvalue width = jinja_arg(args, 0, "width", jv_int(4));
    const bool first = jv_truth(jinja_arg(args, 1, "first", jv_bool(false))),
               blank = jv_truth(jinja_arg(args, 2, "blank", jv_bool(false)));
    str s = want_text(r, v, "indent"),
        pad = width.kind == V_STRING ? width.u.text : spaces(r, jinja_int_arg(args, 0, "width", 4));
    const jlist *l = jinja_lines(r, str_join(r->a, s, STR("\n")), false).u.list;
    buf *out = jinja_buf(r);
    for (int i = 0; i < l->count; i++) {
        if (i) buf_put_char(out, '\n');
        if (i ? l->item[i].u.text.len || blank : first) buf_put_str(out, pad);
        buf_put_str(out, l->item[i].u.text);
        if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
    }
    return like(v, jv_of_buf(r, out));
}
FILTER(f_wordcount) { /* runs of letters, digits and _ */
    const str s = jv_string(r, v);
    int64_t words = 0;
    int32_t c;
    (void)args;
    jinja_burn(r, (int64_t)(s.len / 16));
    for (size_t at = 0, inside = 0; at < s.len;) {
        at += utf8_next(s, at, &c);
        if (jinja_is_word(c) && !inside) words++;
        inside = jinja_is_word(c);
    }
    return jv_int(words);
}
FILTER(f_center) { return like(v, jinja_padded(r, jv_string(r, v), jinja_int_arg(args, 0, "width", 80), STR(" "), 0)); }
FILTER(f_truncate) {
    const int64_t length = jinja_int_arg(args, 0, "length", 255), leeway = jinja_int_arg(args, 3, "leeway", 5);
    jvalue end = jinja_arg(args, 2, "end", jv_text(STR("...")));
    const int64_t keep = length - str_characters(want_text(r, end, "truncate's end"));
    if (keep < 0) jinja_fail(r, "expected length >= %lld, got %lld", (long long)(length - keep), (long long)length);
    if (jv_length(r, v) <= length + leeway) return v;
    const str s = want_text(r, v, "truncate");
    if (v.markup) end = jinja_escape(r, end);
    size_t kept = 0;
    int32_t c;
    for (int64_t i = 0; i < keep && kept < s.len; i++) kept += utf8_next(s, kept, &c);
    if (!jv_truth(jinja_arg(args, 1, "killwords", jv_bool(false))))
        for (size_t i = kept; i > 0; i--)
            if (s.ptr[i - 1] == ' ') {
                kept = i - 1;
                break;
            }
    return jv_marked(jv_text(str_join(r->a, str_slice(s, 0, kept), end.u.text)), v.markup || end.markup);
}
FILTER(f_filesizeformat) {
    static const char *const prefixes = "kMGTPEZY";
    const bool binary = jv_truth(jinja_arg(args, 0, "binary", jv_bool(false)));
    const double base = binary ? 1024 : 1000;
    long double unit = base; /* every power is exact in it */
    double bytes;
    if (jv_is_number(v)) bytes = jv_real_of(v);
    else if (v.kind != V_STRING || !str_to_double(str_trim(v.u.text), &bytes))
        jinja_fail(r, "filesizeformat wants a number of bytes, not '%s'", jv_type(v));
    if (bytes == 1) return jv_text(STR("1 Byte"));
    if (bytes < base) return jv_text(str_of(arena_printf(r->a, "%.0f Bytes", trunc(bytes))));
    int i = 0;
    while (unit *= base, i < 7 && bytes >= unit) i++;
    const char letter = binary && !i ? 'K' : prefixes[i];
    return jv_text(str_of(arena_printf(r->a, "%.1f %c%sB", base * bytes / (double)unit, letter, binary ? "i" : "")));
}
FILTER(f_format) {
    int named = 0;
    for (int i = 0; i < args->count; i++) named += args->name[i].len > 0;
    if (named && named < args->count) jinja_fail(r, "can't handle positional and keyword arguments at the same time");
    jvalue all = jv_dict(r);
    for (int i = 0; i < named; i++) jv_put(r, all.u.dict, jv_text(args->name[i]), args->item[i]);
    const jargs one = {.item = &all, .name = &(str){NULL, 0}, .count = 1};
    return jinja_percent(r, v.kind == V_STRING ? v : jv_text(jv_string(r, v)), named ? &one : args);
}
FILTER(f_pprint) {
    buf *out = jinja_buf(r);
    (void)args;
    jinja_pretty(r, out, v);
    return jv_of_buf(r, out);
}

/* ---- wordwrap: textwrap.wrap of every line ---------------------------------------------------------------------------------------------- */

/* A line as characters, and how it is to be broken. */
typedef struct {
    str text;
    int32_t *code;
    size_t *at; /* of each character in text; at[count]: the end */
    bool
        *piece_end; /* before character i a piece ends; a word too long for a line is cut without making new pieces of its rest */
    int count, width;
    bool long_words, hyphens;
    str between;
} wrapping;

static bool is_blank(const wrapping *w, int i) { return w->code[i] == ' ' || (w->code[i] >= '\t' && w->code[i] <= '\r'); }
static bool is_letter(const wrapping *w, int i) {
    return i >= 0 && i < w->count && jinja_is_word(w->code[i]) && !unicode_is_digit(w->code[i]);
}
static bool is_word_or_mark(const wrapping *w, int i) {
    const int32_t c = i >= 0 && i < w->count ? w->code[i] : -1;
    return c >= 0 && (jinja_is_word(c) || (c > 0 && c < 128 && strchr("!\"'&.,?", c)));
}
/* Two or more hyphens at i between words: their end, or 0. */
static int dash_end(const wrapping *w, int i) {
    int end = i;
    while (end < w->count && w->code[end] == '-') end++;
    return end - i >= 2 && end < w->count && jinja_is_word(w->code[end]) && is_word_or_mark(w, i - 1) ? end : 0;
}
/* Behind the hyphen at i a word may be broken: two letters (or letter, hyphen, sign) before it, letters behind. */
static bool breaks_behind(const wrapping *w, int i) {
    const bool before = (is_letter(w, i - 2) && is_letter(w, i - 1)) ||
                        (is_letter(w, i - 3) && w->code[i - 2] == '-' && is_word_or_mark(w, i - 1));
    const int next = i + 2 < w->count && w->code[i + 2] == '-' ? i + 3 : i + 2;
    return w->code[i] == '-' && before && is_letter(w, i + 1) && is_letter(w, next);
}

/* The end of the piece that begins at i: blanks, a dash, or a word up to where it may be broken. */
static int find_piece_end(const wrapping *w, int i) {
    int end = i;
    while (end < w->count && is_blank(w, end)) end++;
    if (end > i) return end;
    if (w->hyphens && (end = dash_end(w, i))) return end;
    for (end = i + 1; end < w->count && !is_blank(w, end); end++) {
        if (!w->hyphens) continue;
        if (breaks_behind(w, end)) return end + 1;
        if (dash_end(w, end)) return end;
    }
    return end;
}

static int piece_end(const wrapping *w, int i) {
    while (i < w->count && !w->piece_end[++i]) continue;
    return i;
}

/* A word longer than a line: how much of it fits into `room`, up to a hyphen if there is one. */
static int long_word_end(const wrapping *w, int from, int end, int room) {
    const int most = from + (room < end - from ? room : end - from);
    if (!w->hyphens) return most;
    int hyphen = most - 1;
    while (hyphen > from && w->code[hyphen] != '-') hyphen--;
    for (int i = from; i < hyphen; i++)
        if (w->code[i] != '-') return hyphen + 1;
    return most;
}

static bool all_blank(const wrapping *w, int from, int end) {
    for (; from < end; from++)
        if (!unicode_is_space(w->code[from])) return false;
    return true;
}

/* One line from `from`; where the next begins. */
static int wrap_line(const wrapping *w, int from, bool first, int *begin, int *end) {
    int next = piece_end(w, from), last = from;
    if (!first && all_blank(w, from, next)) from = next, next = from < w->count ? piece_end(w, from) : from;
    *begin = *end = last = from;
    while (*end < w->count && next - from <= w->width) {
        last = *end;
        *end = next;
        next = *end < w->count ? piece_end(w, *end) : *end;
    }
    if (*end < w->count && next - *end > w->width && (w->long_words || *end == from)) {
        last = *end;
        *end = w->long_words ? long_word_end(w, *end, next, w->width - (*end - from)) : next;
    }
    const int rest = *end;
    if (*end > last && all_blank(w, last, *end)) *end = last;
    return rest;
}

static void wrap(run *r, buf *out, wrapping *w) {
    bool first = true;
    w->code = arena_array(r->a, int32_t, w->text.len + 1);
    w->at = arena_array(r->a, size_t, w->text.len + 1);
    jinja_burn(r, (int64_t)w->text.len);
    for (size_t at = 0; at < w->text.len; w->count++) {
        w->at[w->count] = at;
        at += utf8_next(w->text, at, &w->code[w->count]);
    }
    w->at[w->count] = w->text.len;
    w->piece_end = arena_array(r->a, bool, w->count + 1);
    for (int i = 0; i < w->count;) w->piece_end[i = find_piece_end(w, i)] = true;
    for (int at = 0, begin, end; at < w->count;) {
        at = wrap_line(w, at, first, &begin, &end);
        jinja_burn(r, 1);
        if (end <= begin) continue;
        if (!first) buf_put_str(out, w->between);
        first = false;
        buf_put_str(out, str_slice(w->text, w->at[begin], w->at[end]));
        if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
    }
}

FILTER(f_wordwrap) {
    const jvalue between = jinja_arg(args, 2, "wrapstring", jv_none());
    const jlist *l = jinja_lines(r, want_text(r, v, "wordwrap"), false).u.list;
    const int64_t width = jinja_int_arg(args, 0, "width", 79);
    buf *out = jinja_buf(r);
    if (width <= 0) jinja_fail(r, "invalid width %lld (must be > 0)", (long long)width);
    for (int i = 0; i < l->count; i++) {
        wrapping w = {.text = l->item[i].u.text,
                      .width = width > 1 << 30 ? 1 << 30 : (int)width,
                      .long_words = jv_truth(jinja_arg(args, 1, "break_long_words", jv_bool(true))),
                      .hyphens = jv_truth(jinja_arg(args, 3, "break_on_hyphens", jv_bool(true))),
                      .between = between.kind == V_NONE ? STR("\n") : want_text(r, between, "wordwrap's wrapstring")};
        if (i) buf_put_str(out, w.between);
        wrap(r, out, &w);
    }
    return jv_of_buf(r, out);
}

const jinja_filter_row jinja_filters_of_text[] = {{"trim", f_trim},
                                                  {"lower", f_lower},
                                                  {"upper", f_upper},
                                                  {"title", f_title},
                                                  {"capitalize", f_capitalize},
                                                  {"string", f_string},
                                                  {"replace", f_replace},
                                                  {"tojson", f_tojson},
                                                  {"indent", f_indent},
                                                  {"format", f_format},
                                                  {"wordcount", f_wordcount},
                                                  {"wordwrap", f_wordwrap},
                                                  {"center", f_center},
                                                  {"truncate", f_truncate},
                                                  {"filesizeformat", f_filesizeformat},
                                                  {"pprint", f_pprint},
                                                  {NULL, NULL}};
