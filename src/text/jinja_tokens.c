/* jinja_tokens.c - a template to tokens: text, what stands between {{ }}, {% %} and {# #}, and the white space around them. */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"

typedef struct {
    arena *a;
    str s;
    jinja_options o;
    token *list;
    int count, room, line;
    err *e;
} lexer;

static void put(lexer *l, token t) {
    if (l->count == l->room) {
        const int room = l->room ? 2 * l->room : 256;
        token *grown = arena_array(l->a, token, room);
        if (l->count) memcpy(grown, l->list, (size_t)l->count * sizeof *grown);
        l->list = grown;
        l->room = room;
    }
    l->list[l->count++] = t;
}

static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }
static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }
static bool digit(char c) { return c >= '0' && c <= '9'; }

static int lines_in(str s) {
    int n = 0;
    for (size_t i = 0; i < s.len; i++) n += s.ptr[i] == '\n';
    return n;
}

/* The text before a tag, without what its marks take away. */
static void put_text(lexer *l, size_t from, size_t to, char mark, bool block) {
    const int line = l->line;
    l->line += lines_in(str_slice(l->s, from, to));
    if (mark == '-')
        while (to > from && space(l->s.ptr[to - 1])) to--;
    else if (block && l->o.lstrip_blocks && mark != '+') {
        size_t at = to;
        while (at > from && (l->s.ptr[at - 1] == ' ' || l->s.ptr[at - 1] == '\t')) at--;
        if (at == 0 || l->s.ptr[at - 1] == '\n') to = at;
    }
    if (to > from) put(l, (token){T_TEXT, str_slice(l->s, from, to), line, 0, 0});
}

/* What follows a tag's end: '-' takes all white space, a block takes one newline. */
static size_t after_tag(lexer *l, size_t at, bool strip, bool keep, bool block) {
    const size_t from = at;
    if (strip)
        while (at < l->s.len && space(l->s.ptr[at])) at++;
    else if (block && l->o.trim_blocks && !keep && at < l->s.len && l->s.ptr[at] == '\n') at++;
    l->line += lines_in(str_slice(l->s, from, at));
    return at;
}

static int hex(char c) {
    return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void put_code(buf *out, unsigned c) {
    char b[4];
    int n = 1;
    if (c < 0x80) b[0] = (char)c;
    else if (c < 0x800) b[0] = (char)(0xC0 | c >> 6), b[1] = (char)(0x80 | (c & 63)), n = 2;
    else if (c < 0x10000)
        b[0] = (char)(0xE0 | c >> 12), b[1] = (char)(0x80 | (c >> 6 & 63)), b[2] = (char)(0x80 | (c & 63)), n = 3;
    else
        b[0] = (char)(0xF0 | (c >> 18 & 7)), b[1] = (char)(0x80 | (c >> 12 & 63)), b[2] = (char)(0x80 | (c >> 6 & 63)),
        b[3] = (char)(0x80 | (c & 63)), n = 4;
    buf_put(out, b, (size_t)n);
}

/* A quoted text with Python's escapes. */
static bool lex_string(lexer *l, size_t *at) {
    static const char from[] = "nrtabfv0\\'\"", to[] = "\n\r\t\a\b\f\v\0\\'\"";
    const char quote = l->s.ptr[(*at)++];
    const int line = l->line;
    buf out = {0};
    for (; *at < l->s.len && l->s.ptr[*at] != quote; (*at)++) {
        const char c = l->s.ptr[*at];
        if (c == '\n') l->line++;
        if (c != '\\' || *at + 1 >= l->s.len) {
            buf_put_char(&out, c);
            continue;
        }
        const char n = l->s.ptr[++*at];
        const int width = n == 'x' ? 2 : n == 'u' ? 4 : n == 'U' ? 8 : 0;
        const char *known = strchr(from, n);
        if (width && *at + (size_t)width < l->s.len) {
            unsigned code = 0;
            for (int i = 0; i < width; i++) code = code * 16 + (unsigned)(hex(l->s.ptr[*at + 1 + (size_t)i]) & 15);
            put_code(&out, code);
            *at += (size_t)width;
        } else if (known && n) buf_put_char(&out, to[known - from]);
        else if (n != '\n') {
            buf_put_char(&out, '\\');
            buf_put_char(&out, n);
        }
    }
    const str text = {arena_copy(l->a, out.ptr ? out.ptr : "", out.len), out.len};
    buf_free(&out);
    if (*at >= l->s.len) return err_set(l->e, ERR_INPUT, "line %d: a text is not closed", line);
    (*at)++;
    put(l, (token){T_STRING, text, line, 0, 0});
    return true;
}

/* 0x1f, 0o17, 0b101 */
static bool lex_based(lexer *l, size_t *at) {
    static const struct {
        char letter;
        int base;
    } bases[] = {{'x', 16}, {'o', 8}, {'b', 2}};
    const str s = str_slice(l->s, *at, l->s.len);
    for (size_t i = 0; s.len > 2 && s.ptr[0] == '0' && i < 3; i++) {
        if ((s.ptr[1] | 32) != bases[i].letter) continue;
        char *end, plain[70];
        const size_t n = s.len - 2 < sizeof plain - 1 ? s.len - 2 : sizeof plain - 1;
        memcpy(plain, s.ptr + 2, n);
        plain[n] = 0;
        const int64_t value = strtoll(plain, &end, bases[i].base);
        if (end == plain || plain[0] == '-' || plain[0] == '+' || plain[0] == ' ') return false;
        const size_t used = (size_t)(end - plain) + 2;
        put(l, (token){T_INT, str_slice(s, 0, used), l->line, value, (double)value});
        *at += used;
        return true;
    }
    return false;
}

static void lex_number(lexer *l, size_t *at) {
    const size_t from = *at;
    if (lex_based(l, at)) return;
    bool real = false;
    const bool index = l->count && l->list[l->count - 1].kind == T_OP && str_is(l->list[l->count - 1].text, "."); /* rows.0.1 */
    while (*at < l->s.len && (digit(l->s.ptr[*at]) || l->s.ptr[*at] == '_')) (*at)++;
    if (!index && *at + 1 < l->s.len && l->s.ptr[*at] == '.' && digit(l->s.ptr[*at + 1])) {
        real = true;
        (*at)++;
        while (*at < l->s.len && digit(l->s.ptr[*at])) (*at)++;
    }
    if (*at + 1 < l->s.len && (l->s.ptr[*at] | 32) == 'e' &&
        (digit(l->s.ptr[*at + 1]) || (*at + 2 < l->s.len && strchr("+-", l->s.ptr[*at + 1]) && digit(l->s.ptr[*at + 2])))) {
        real = true;
        *at += 2;
        while (*at < l->s.len && digit(l->s.ptr[*at])) (*at)++;
    }
    char plain[64];
    size_t n = 0;
    for (size_t i = from; i < *at && n < sizeof plain - 1; i++)
        if (l->s.ptr[i] != '_') plain[n++] = l->s.ptr[i];
    plain[n] = 0;
    put(l, (token){real ? T_FLOAT : T_INT, str_slice(l->s, from, *at), l->line, strtoll(plain, NULL, 10), strtod(plain, NULL)});
}

static bool lex_operator(lexer *l, size_t *at) {
    static const char *const operators[] = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "(",
                                            ")",  "[",  "]",  "{",  "}",  ",",  ":", ".", "|", "=", "<", ">", ";"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (str_starts(str_slice(l->s, *at, l->s.len), str_of(operators[i]))) {
            put(l, (token){T_OP, str_of(operators[i]), l->line, 0, 0});
            *at += strlen(operators[i]);
            return true;
        }
    return err_set(l->e, ERR_INPUT, "line %d: unexpected character '%c'", l->line, l->s.ptr[*at]);
}

/* Inside a tag up to its end; brackets hide an end. */
static bool lex_inside(lexer *l, size_t *at, const char *end, bool *strip, bool *keep) {
    int depth = 0;
    while (*at < l->s.len) {
        const char c = l->s.ptr[*at];
        if (depth == 0) {
            const size_t mark = c == '-' || c == '+';
            if (str_starts(str_slice(l->s, *at + mark, l->s.len), str_of(end))) {
                *strip = c == '-';
                *keep = c == '+';
                *at += mark + 2;
                return true;
            }
        }
        if (space(c)) {
            l->line += c == '\n';
            (*at)++;
        } else if (c == '"' || c == '\'') {
            if (!lex_string(l, at)) return false;
        } else if (digit(c)) lex_number(l, at);
        else if (letter(c)) {
            const size_t from = *at;
            while (*at < l->s.len && (letter(l->s.ptr[*at]) || digit(l->s.ptr[*at]))) (*at)++;
            put(l, (token){T_NAME, str_slice(l->s, from, *at), l->line, 0, 0});
        } else {
            depth += strchr("([{", c) != NULL;
            depth -= depth && strchr(")]}", c) != NULL;
            if (!lex_operator(l, at)) return false;
        }
    }
    return err_set(l->e, ERR_INPUT, "line %d: a tag is not closed by '%s'", l->line, end);
}

/* {% raw %} ... {% endraw %}: where the end tag begins, and behind it. */
static bool find_endraw(str s, size_t at, size_t *begin, size_t *end, bool *strip_before, bool *strip_after) {
    for (ptrdiff_t found; (found = str_find(s, STR("{%"), at)) >= 0; at = (size_t)found + 2) {
        size_t i = (size_t)found + 2;
        *strip_before = i < s.len && s.ptr[i] == '-';
        if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) i++;
        while (i < s.len && space(s.ptr[i])) i++;
        if (!str_starts(str_slice(s, i, s.len), STR("endraw"))) continue;
        i += 6;
        while (i < s.len && space(s.ptr[i])) i++;
        *strip_after = i < s.len && s.ptr[i] == '-';
        if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) i++;
        if (!str_starts(str_slice(s, i, s.len), STR("%}"))) continue;
        *begin = (size_t)found;
        *end = i + 2;
        return true;
    }
    return false;
}

static bool lex_raw(lexer *l, size_t *at, bool strip, bool keep) {
    size_t begin, end;
    bool before, after;
    *at = after_tag(l, *at, strip, keep, true);
    if (!find_endraw(l->s, *at, &begin, &end, &before, &after))
        return err_set(l->e, ERR_INPUT, "line %d: {%% raw %%} has no {%% endraw %%}", l->line);
    put_text(l, *at, begin, before ? '-' : 0, true);
    *at = after_tag(l, end, after, false, true);
    return true;
}

/* Every kind of line end is one newline; the last one goes, as in Jinja2 without keep_trailing_newline. */
static str with_newlines(arena *a, str text) {
    buf clean = {0};
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\r') buf_put_char(&clean, text.ptr[i]);
        else if (i + 1 >= text.len || text.ptr[i + 1] != '\n') buf_put_char(&clean, '\n');
    if (clean.len && clean.ptr[clean.len - 1] == '\n') clean.len--;
    const str out = {arena_copy(a, clean.ptr ? clean.ptr : "", clean.len), clean.len};
    buf_free(&clean);
    return out;
}

/* Where the next tag opens, from *at on, and its second character; -1: there is none. */
static ptrdiff_t find_tag(str s, size_t at, char *kind) {
    for (ptrdiff_t open; (open = str_find(s, STR("{"), at)) >= 0; at = (size_t)open + 1) {
        *kind = (size_t)open + 1 < s.len ? s.ptr[open + 1] : 0;
        if (*kind == '{' || *kind == '%' || *kind == '#') return open;
    }
    return -1;
}

static bool lex_comment(lexer *l, size_t open, size_t inside, size_t *behind) {
    const ptrdiff_t end = str_find(l->s, STR("#}"), inside);
    if (end < 0) return err_set(l->e, ERR_INPUT, "line %d: a comment is not closed", l->line);
    const char mark = (size_t)end > inside ? l->s.ptr[end - 1] : 0;
    l->line += lines_in(str_slice(l->s, open, (size_t)end));
    *behind = after_tag(l, (size_t)end + 2, mark == '-', mark == '+', true);
    return true;
}

/* {{ ... }} or {% ... %}, and what stands up to {% endraw %}. */
static bool lex_tag(lexer *l, char kind, size_t inside, size_t *behind) {
    const bool prints = kind == '{';
    bool strip = false, keep = false;
    const int begun = l->count + 1;
    put(l, (token){prints ? T_OPEN : T_TAG, {NULL, 0}, l->line, 0, 0});
    *behind = inside;
    if (!lex_inside(l, behind, prints ? "}}" : "%}", &strip, &keep)) return false;
    if (!prints && l->count == begun + 1 && l->list[begun].kind == T_NAME && str_is(l->list[begun].text, "raw")) {
        l->count = begun - 1;
        return lex_raw(l, behind, strip, keep);
    }
    put(l, (token){prints ? T_CLOSE : T_ENDTAG, {NULL, 0}, l->line, 0, 0});
    *behind = after_tag(l, *behind, strip, keep, !prints);
    return true;
}

token *jinja_tokens(arena *a, str text, jinja_options o, int *count, err *e) {
    lexer l = {.a = a, .s = with_newlines(a, text), .o = o, .line = 1, .e = e};
    size_t from = 0;
    char kind;
    for (ptrdiff_t open; (open = find_tag(l.s, from, &kind)) >= 0;) {
        size_t inside = (size_t)open + 2;
        const char first = inside < l.s.len ? l.s.ptr[inside] : 0,
                   mark = first == '-' || (first == '+' && kind != '{') ? first : 0;
        put_text(&l, from, (size_t)open, mark, kind != '{');
        inside += mark != 0;
        if (!(kind == '#' ? lex_comment(&l, (size_t)open, inside, &from) : lex_tag(&l, kind, inside, &from))) return NULL;
    }
    put_text(&l, from, l.s.len, 0, false);
    put(&l, (token){T_END, {NULL, 0}, l.line, 0, 0});
    *count = l.count;
    return l.list;
}
