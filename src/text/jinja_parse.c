/* jinja_parse.c - templates to tokens to a syntax tree (the grammar of Jinja2's parser). */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"

enum { NESTING_MAX = 200 };

/* ---- tokens -------------------------------------------------------------------------------------------------------------------- */

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

token *jinja_tokens(arena *a, str text, jinja_options o, int *count, err *e) {
    buf clean = {0};
    for (size_t i = 0; i < text.len; i++) /* every kind of line end is one newline */
        if (text.ptr[i] != '\r') buf_put_char(&clean, text.ptr[i]);
        else if (i + 1 >= text.len || text.ptr[i + 1] != '\n') buf_put_char(&clean, '\n');
    if (clean.len && clean.ptr[clean.len - 1] == '\n') clean.len--; /* as Jinja2 without keep_trailing_newline */
    lexer l = {.a = a, .s = {arena_copy(a, clean.ptr ? clean.ptr : "", clean.len), clean.len}, .o = o, .line = 1, .e = e};
    buf_free(&clean);
    for (size_t at = 0, from = 0;;) {
        const ptrdiff_t open = str_find(l.s, STR("{"), at);
        const char next = open >= 0 && (size_t)open + 1 < l.s.len ? l.s.ptr[open + 1] : 0;
        if (open < 0) {
            put_text(&l, from, l.s.len, 0, false);
            break;
        }
        at = (size_t)open + 1;
        if (next != '{' && next != '%' && next != '#') continue;
        size_t inside = (size_t)open + 2;
        const char mark =
            inside < l.s.len && (l.s.ptr[inside] == '-' || (l.s.ptr[inside] == '+' && next != '{')) ? l.s.ptr[inside] : 0;
        put_text(&l, from, (size_t)open, mark, next != '{');
        inside += mark != 0;
        bool strip = false, keep = false;
        if (next == '#') {
            const ptrdiff_t end = str_find(l.s, STR("#}"), inside);
            if (end < 0) return err_null(e, ERR_INPUT, "line %d: a comment is not closed", l.line);
            strip = (size_t)end > inside && l.s.ptr[end - 1] == '-';
            keep = (size_t)end > inside && l.s.ptr[end - 1] == '+';
            l.line += lines_in(str_slice(l.s, (size_t)open, (size_t)end));
            inside = (size_t)end + 2;
        } else {
            put(&l, (token){next == '{' ? T_OPEN : T_TAG, {NULL, 0}, l.line, 0, 0});
            const int begun = l.count;
            if (!lex_inside(&l, &inside, next == '{' ? "}}" : "%}", &strip, &keep)) return NULL;
            if (next == '%' && l.count == begun + 1 && l.list[begun].kind == T_NAME && str_is(l.list[begun].text, "raw")) {
                l.count = begun - 1;
                if (!lex_raw(&l, &inside, strip, keep)) return NULL;
                at = from = inside;
                continue;
            }
            put(&l, (token){next == '{' ? T_CLOSE : T_ENDTAG, {NULL, 0}, l.line, 0, 0});
        }
        at = from = after_tag(&l, inside, strip, keep, next != '{');
    }
    put(&l, (token){T_END, {NULL, 0}, l.line, 0, 0});
    *count = l.count;
    return l.list;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    arena *a;
    const token *t;
    int at, depth, loops;
    bool *generation;
    err *e;
} parser;

static jnode *expression(parser *p);
static jnode *unary(parser *p, bool filters);

static const token *peek(const parser *p) { return &p->t[p->at]; }
static bool is_op(const parser *p, const char *op) { return peek(p)->kind == T_OP && str_is(peek(p)->text, op); }
static bool is_name(const parser *p, const char *name) { return peek(p)->kind == T_NAME && str_is(peek(p)->text, name); }
static bool take_op(parser *p, const char *op) { return is_op(p, op) && ++p->at; }
static bool take_name(parser *p, const char *name) { return is_name(p, name) && ++p->at; }

static void *complain(parser *p, const char *wanted) {
    const token *t = peek(p);
    const char *what = t->kind == T_END                            ? "the end of the template"
                       : t->kind == T_ENDTAG || t->kind == T_CLOSE ? "the end of the tag"
                       : t->kind == T_TEXT                         ? "text"
                       : t->kind == T_OPEN || t->kind == T_TAG     ? "a tag"
                                                                   : NULL;
    if (what) return err_null(p->e, ERR_INPUT, "line %d: expected %s, found %s", t->line, wanted, what);
    return err_null(p->e, ERR_INPUT, "line %d: expected %s, found '%.*s'", t->line, wanted, STR_ARG(t->text));
}

static jnode *node_at(parser *p, node_kind kind) {
    jnode *n = arena_new_of(p->a, jnode);
    n->kind = kind;
    n->line = peek(p)->line;
    return n;
}

static void push(parser *p, jnode *n, jnode *item, str name) {
    if ((n->count & (n->count - 1)) == 0) { /* powers of two: grow */
        const int room = n->count ? 2 * n->count : 1;
        jnode **list = arena_array(p->a, jnode *, room);
        str *names = arena_array(p->a, str, room);
        if (n->count) {
            memcpy(list, n->list, (size_t)n->count * sizeof *list);
            memcpy(names, n->names, (size_t)n->count * sizeof *names);
        }
        n->list = list;
        n->names = names;
    }
    n->list[n->count] = item;
    n->names[n->count++] = name;
}

static jnode *literal(parser *p, jvalue v) {
    jnode *n = node_at(p, N_LITERAL);
    n->value = arena_new_of(p->a, jvalue);
    *n->value = v;
    return n;
}

static jnode *binary(parser *p, node_kind kind, const char *op, jnode *a, jnode *b) {
    jnode *n = node_at(p, kind);
    n->name = str_of(op);
    n->a = a;
    n->b = b;
    return a && b ? n : NULL;
}

/* (a, b=c, *list, **dict, ...) behind an open bracket; * and ** stand where a keyword would. */
static bool arguments(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        str name = {NULL, 0};
        if (n->count && !take_op(p, ",")) return complain(p, "',' or ')'") != NULL;
        if (take_op(p, ")")) break;
        if (take_op(p, "**")) name = STR("**");
        else if (take_op(p, "*")) name = STR("*");
        else if (peek(p)->kind == T_NAME && p->t[p->at + 1].kind == T_OP && str_is(p->t[p->at + 1].text, "=")) {
            name = peek(p)->text;
            p->at += 2;
        }
        jnode *v = expression(p);
        if (!v) return false;
        push(p, n, v, name);
    }
    return true;
}

static jnode *list_until(parser *p, jnode *n, const char *end) {
    while (!take_op(p, end)) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or the end of the list");
        if (take_op(p, end)) break;
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *dictionary(parser *p) {
    jnode *n = node_at(p, N_DICT);
    while (!take_op(p, "}")) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or '}'");
        if (take_op(p, "}")) break;
        jnode *key = expression(p);
        if (!key) return NULL;
        if (!take_op(p, ":")) return complain(p, "':'");
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, key, (str){NULL, 0});
        push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *bracketed(parser *p) {
    jnode *n = node_at(p, N_TUPLE);
    if (take_op(p, ")")) return n;
    jnode *first = expression(p);
    if (!first) return NULL;
    if (take_op(p, ")")) return first;
    push(p, n, first, (str){NULL, 0});
    return list_until(p, n, ")");
}

static jnode *primary(parser *p) {
    const token *t = peek(p);
    if (t->kind == T_INT) return p->at++, literal(p, (jvalue){V_INT, {.integer = t->number}});
    if (t->kind == T_FLOAT) return p->at++, literal(p, (jvalue){V_FLOAT, {.real = t->real}});
    if (t->kind == T_STRING) {
        buf all = {0};
        for (; peek(p)->kind == T_STRING; p->at++) buf_put_str(&all, peek(p)->text);
        const str kept = {arena_copy(p->a, all.ptr ? all.ptr : "", all.len), all.len};
        buf_free(&all);
        return literal(p, (jvalue){V_STRING, {.text = kept}});
    }
    if (t->kind == T_NAME) {
        p->at++;
        if (str_is(t->text, "true") || str_is(t->text, "True")) return literal(p, (jvalue){V_BOOL, {.boolean = true}});
        if (str_is(t->text, "false") || str_is(t->text, "False")) return literal(p, (jvalue){V_BOOL, {.boolean = false}});
        if (str_is(t->text, "none") || str_is(t->text, "None")) return literal(p, (jvalue){.kind = V_NONE});
        jnode *n = node_at(p, N_NAME);
        n->name = t->text;
        return n;
    }
    if (take_op(p, "[")) return list_until(p, node_at(p, N_LIST), "]");
    if (take_op(p, "{")) return dictionary(p);
    if (take_op(p, "(")) return bracketed(p);
    return complain(p, "a value");
}

/* [a], [a:b:c] behind an open bracket */
static jnode *subscript(parser *p, jnode *of) {
    jnode *part[3] = {0};
    int k = 0;
    bool slice = false;
    while (!take_op(p, "]")) {
        if (take_op(p, ":")) {
            slice = true;
            if (++k > 2) return complain(p, "']'");
        } else if (!(part[k] = expression(p))) return NULL;
    }
    if (!slice && !part[0]) return complain(p, "an index");
    jnode *n = node_at(p, slice ? N_SLICE : N_ITEM);
    n->a = of;
    n->b = part[0];
    n->c = part[1];
    n->d = part[2];
    return n;
}

static jnode *call_of(parser *p, jnode *f) {
    jnode *n = node_at(p, N_CALL);
    n->a = f;
    return arguments(p, n) ? n : NULL;
}

static jnode *postfix(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, ".")) {
            if (peek(p)->kind == T_INT) {
                jnode *i = node_at(p, N_ITEM);
                i->a = n;
                i->b = literal(p, (jvalue){V_INT, {.integer = peek(p)->number}});
                p->at++;
                n = i;
                continue;
            }
            if (peek(p)->kind != T_NAME) return complain(p, "a name behind '.'");
            jnode *i = node_at(p, N_ATTRIBUTE);
            i->a = n;
            i->name = p->t[p->at++].text;
            n = i;
        } else if (take_op(p, "[")) n = subscript(p, n);
        else if (take_op(p, "(")) n = call_of(p, n);
        else return n;
    }
    return NULL;
}

static jnode *one_filter(parser *p, jnode *n) {
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a filter");
    jnode *f = node_at(p, N_FILTER);
    f->a = n;
    f->name = p->t[p->at++].text;
    return !take_op(p, "(") || arguments(p, f) ? f : NULL;
}

static jnode *one_test(parser *p, jnode *n) {
    jnode *t = node_at(p, N_TEST);
    t->a = n;
    t->flag = take_name(p, "not");
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a test");
    t->name = p->t[p->at++].text;
    const token *next = peek(p);
    const bool word = next->kind == T_NAME && !str_is(next->text, "else") && !str_is(next->text, "or") &&
                      !str_is(next->text, "and") && !str_is(next->text, "is") && !str_is(next->text, "if") &&
                      !str_is(next->text, "in") && !str_is(next->text, "not");
    if (take_op(p, "(")) return arguments(p, t) ? t : NULL;
    if (word || next->kind == T_STRING || next->kind == T_INT || next->kind == T_FLOAT || is_op(p, "[") || is_op(p, "{")) {
        jnode *v = postfix(p, primary(p));
        if (!v) return NULL;
        push(p, t, v, (str){NULL, 0});
    }
    return t;
}

static jnode *filters_and_tests(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, "|")) n = one_filter(p, n);
        else if (take_name(p, "is")) n = one_test(p, n);
        else if (take_op(p, "(")) n = call_of(p, n);
        else return n;
    }
    return NULL;
}

static jnode *unary(parser *p, bool filters) {
    jnode *n;
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    if (is_op(p, "-") || is_op(p, "+")) {
        n = node_at(p, N_UNARY);
        n->name = p->t[p->at++].text;
        n->a = unary(p, false);
        if (!n->a) n = NULL;
    } else n = postfix(p, primary(p));
    if (filters) n = filters_and_tests(p, n);
    p->depth--;
    return n;
}

static jnode *power(parser *p) {
    jnode *n = unary(p, true);
    while (n && take_op(p, "**")) n = binary(p, N_BINARY, "**", n, unary(p, true));
    return n;
}

static jnode *products(parser *p) {
    static const char *const ops[] = {"*", "//", "/", "%"};
    jnode *n = power(p);
    for (bool more = true; n && more;) {
        more = false;
        for (int i = 0; i < 4 && n && !more; i++)
            if (take_op(p, ops[i])) {
                n = binary(p, N_BINARY, ops[i], n, power(p));
                more = true;
            }
    }
    return n;
}

static jnode *joined(parser *p) {
    jnode *n = products(p);
    while (n && take_op(p, "~")) n = binary(p, N_BINARY, "~", n, products(p));
    return n;
}

static jnode *sums(parser *p) {
    jnode *n = joined(p);
    for (;;) {
        if (n && take_op(p, "+")) n = binary(p, N_BINARY, "+", n, joined(p));
        else if (n && take_op(p, "-")) n = binary(p, N_BINARY, "-", n, joined(p));
        else return n;
    }
}

/* a < b <= c: list holds b, c with the operators as names */
static jnode *comparison(parser *p) {
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    jnode *first = sums(p), *n = NULL;
    while (first) {
        const char *op = NULL;
        for (int i = 0; i < 6 && !op; i++)
            if (take_op(p, ops[i])) op = ops[i];
        if (!op && take_name(p, "in")) op = "in";
        if (!op && is_name(p, "not") && p->t[p->at + 1].kind == T_NAME && str_is(p->t[p->at + 1].text, "in")) {
            p->at += 2;
            op = "not in";
        }
        if (!op) break;
        if (!n) {
            n = node_at(p, N_COMPARE);
            n->a = first;
        }
        jnode *right = sums(p);
        if (!right) return NULL;
        push(p, n, right, str_of(op));
    }
    return n ? n : first;
}

static jnode *negation(parser *p) {
    if (!take_name(p, "not")) return comparison(p);
    jnode *n = node_at(p, N_NOT);
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", n->line, NESTING_MAX);
    n->a = negation(p);
    p->depth--;
    return n->a ? n : NULL;
}

static jnode *conjunction(parser *p) {
    jnode *n = negation(p);
    while (n && take_name(p, "and")) n = binary(p, N_AND, "and", n, negation(p));
    return n;
}

static jnode *disjunction(parser *p) {
    jnode *n = conjunction(p);
    while (n && take_name(p, "or")) n = binary(p, N_OR, "or", n, conjunction(p));
    return n;
}

static jnode *expression(parser *p) {
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    jnode *n = disjunction(p);
    while (n && take_name(p, "if")) {
        jnode *c = node_at(p, N_IF);
        c->a = disjunction(p);
        c->b = n;
        if (c->a && take_name(p, "else")) {
            c->c = expression(p);
            if (!c->c) return NULL;
        }
        n = c->a ? c : NULL;
    }
    p->depth--;
    return n;
}

/* a, b without brackets is a tuple */
static jnode *tuple(parser *p) {
    jnode *n = expression(p);
    if (!n || !is_op(p, ",")) return n;
    jnode *t = node_at(p, N_TUPLE);
    push(p, t, n, (str){NULL, 0});
    while (take_op(p, ",")) {
        if (peek(p)->kind == T_ENDTAG || peek(p)->kind == T_CLOSE || is_op(p, "=")) break;
        if (!(n = expression(p))) return NULL;
        push(p, t, n, (str){NULL, 0});
    }
    return t;
}

/* ---- statements ------------------------------------------------------------------------------------------------------------------------ */

static jnode *statements(parser *p, const char *const *ends, str *end);

static bool end_tag(parser *p) { return peek(p)->kind == T_ENDTAG ? (bool)++p->at : complain(p, "'%}'") != NULL; }

/* The body of a block up to one of `ends`, whose tag is open behind its name then. */
static jnode *body(parser *p, str *end, const char *e1, const char *e2, const char *e3) {
    const char *const ends[] = {e1, e2, e3, NULL};
    return end_tag(p) ? statements(p, ends, end) : NULL;
}

static jnode *target(parser *p);

/* A name, an attribute of a namespace, or more of them in brackets. */
static jnode *one_target(parser *p) {
    if (take_op(p, "(")) {
        if (++p->depth > NESTING_MAX) return complain(p, "fewer brackets");
        jnode *inside = target(p);
        p->depth--;
        return inside && !take_op(p, ")") ? complain(p, "')'") : inside;
    }
    if (peek(p)->kind != T_NAME) return complain(p, "a name");
    jnode *n = node_at(p, N_NAME);
    n->name = p->t[p->at++].text;
    while (take_op(p, ".")) {
        if (peek(p)->kind != T_NAME) return complain(p, "a name behind '.'");
        jnode *i = node_at(p, N_ATTRIBUTE);
        i->a = n;
        i->name = p->t[p->at++].text;
        n = i;
    }
    return n;
}

static jnode *target(parser *p) {
    jnode *t = node_at(p, N_TUPLE);
    do {
        if (t->count && peek(p)->kind != T_NAME && !is_op(p, "(")) return t; /* a comma at the end */
        jnode *n = one_target(p);
        if (!n) return NULL;
        push(p, t, n, (str){NULL, 0});
    } while (take_op(p, ","));
    return t->count == 1 ? t->list[0] : t;
}

static jnode *parse_if(parser *p) {
    jnode *n = node_at(p, S_IF);
    str end;
    if (!(n->a = tuple(p)) || !(n->b = body(p, &end, "elif", "else", "endif"))) return NULL;
    if (str_is(end, "elif")) return (n->c = parse_if(p)) ? n : NULL;
    if (str_is(end, "else") && !(n->c = body(p, &end, "endif", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_for(parser *p) {
    jnode *n = node_at(p, S_FOR);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (!take_name(p, "in")) return complain(p, "'in'");
    if (!(n->b = disjunction(p))) return NULL;
    if (is_op(p, ",")) { /* for x in a, b */
        jnode *t = node_at(p, N_TUPLE);
        push(p, t, n->b, (str){NULL, 0});
        while (take_op(p, ",")) {
            jnode *v = disjunction(p);
            if (!v) return NULL;
            push(p, t, v, (str){NULL, 0});
        }
        n->b = t;
    }
    if (take_name(p, "if") && !(n->d = expression(p))) return NULL;
    n->flag = take_name(p, "recursive");
    p->loops++;
    jnode *inside = body(p, &end, "else", "endfor", NULL);
    p->loops--;
    if (!inside) return NULL;
    push(p, n, inside, (str){NULL, 0});
    if (str_is(end, "else") && !(n->c = body(p, &end, "endfor", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_set(parser *p) {
    jnode *n = node_at(p, S_SET);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (take_op(p, "=")) return (n->b = tuple(p)) && end_tag(p) ? n : NULL;
    n->kind = S_SETBLOCK;
    jnode *filter = NULL;
    while (take_op(p, "|")) {
        if (!(filter = one_filter(p, filter))) return NULL;
    }
    n->c = filter;
    return (n->b = body(p, &end, "endset", NULL, NULL)) && end_tag(p) ? n : NULL;
}

/* (a, b=1) of a macro: names with defaults (NULL: none) */
static bool parameters(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or ')'") != NULL;
        if (peek(p)->kind != T_NAME) return complain(p, "the name of a parameter") != NULL;
        const str name = p->t[p->at++].text;
        jnode *fallback = NULL;
        if (take_op(p, "=") && !(fallback = expression(p))) return false;
        push(p, n, fallback, name);
    }
    return true;
}

static jnode *parse_macro(parser *p) {
    jnode *n = node_at(p, S_MACRO);
    str end;
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a macro");
    n->name = p->t[p->at++].text;
    if (!take_op(p, "(")) return complain(p, "'('");
    return parameters(p, n) && (n->a = body(p, &end, "endmacro", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_call(parser *p) {
    jnode *n = node_at(p, S_CALL);
    str end;
    if (take_op(p, "(") && !parameters(p, n)) return NULL;
    if (!(n->b = postfix(p, primary(p)))) return NULL;
    if (n->b->kind != N_CALL) return complain(p, "a call");
    return (n->a = body(p, &end, "endcall", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_filter_block(parser *p) {
    jnode *n = node_at(p, S_FILTER), *filter = NULL;
    str end;
    do
        if (!(filter = one_filter(p, filter))) return NULL;
    while (take_op(p, "|"));
    n->a = filter;
    return (n->b = body(p, &end, "endfilter", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_with(parser *p) {
    jnode *n = node_at(p, S_WITH);
    str end;
    while (peek(p)->kind == T_NAME) {
        const str name = p->t[p->at++].text;
        if (!take_op(p, "=")) return complain(p, "'='");
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, v, name);
        take_op(p, ",");
    }
    return (n->a = body(p, &end, "endwith", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_generation(parser *p) {
    jnode *n = node_at(p, S_GENERATION);
    str end;
    *p->generation = true;
    return (n->a = body(p, &end, "endgeneration", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *leave_loop(parser *p, node_kind kind) {
    jnode *n = node_at(p, kind);
    if (!p->loops) return complain(p, "a loop around break or continue");
    return end_tag(p) ? n : NULL;
}
static jnode *parse_break(parser *p) { return leave_loop(p, S_BREAK); }
static jnode *parse_continue(parser *p) { return leave_loop(p, S_CONTINUE); }

static const struct {
    const char *name;
    jnode *(*parse)(parser *p);
} tags[] = {{"if", parse_if},       {"for", parse_for},
            {"set", parse_set},     {"macro", parse_macro},
            {"call", parse_call},   {"filter", parse_filter_block},
            {"with", parse_with},   {"generation", parse_generation},
            {"break", parse_break}, {"continue", parse_continue}};

static jnode *one_tag(parser *p) {
    const str name = peek(p)->text;
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a tag");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (str_is(name, tags[i].name)) {
            p->at++;
            return tags[i].parse(p);
        }
    return err_null(p->e, ERR_INPUT, "line %d: the tag '%.*s' is not known here", peek(p)->line, STR_ARG(name));
}

static bool ends_here(const parser *p, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (p->t[p->at + 1].kind == T_NAME && str_is(p->t[p->at + 1].text, *ends)) return true;
    return false;
}

static jnode *statements(parser *p, const char *const *ends, str *end) {
    jnode *block = node_at(p, S_BLOCK);
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    for (;;) {
        const token *t = peek(p);
        jnode *n = NULL;
        if (t->kind == T_END) {
            p->depth--;
            return ends ? complain(p, arena_printf(p->a, "{%% %s %%}", ends[0])) : block;
        }
        if (t->kind == T_TEXT) {
            n = node_at(p, S_TEXT);
            n->name = t->text;
            p->at++;
        } else if (t->kind == T_OPEN) {
            p->at++;
            n = node_at(p, S_PRINT);
            if (!(n->a = tuple(p))) return NULL;
            if (peek(p)->kind != T_CLOSE) return complain(p, "'}}'");
            p->at++;
        } else {
            if (ends_here(p, ends)) {
                *end = p->t[p->at + 1].text;
                p->at += 2;
                p->depth--;
                return block;
            }
            p->at++;
            if (!(n = one_tag(p))) return NULL;
        }
        push(p, block, n, (str){NULL, 0});
    }
}

jnode *jinja_parse_tokens(arena *a, const token *t, int count, bool *generation, err *e) {
    (void)count;
    parser p = {.a = a, .t = t, .generation = generation, .e = e};
    return statements(&p, NULL, NULL);
}

jinja *jinja_parse(arena *a, str text, jinja_options o, err *e) {
    int count;
    if (text.len > 16u << 20) return err_null(e, ERR_LIMIT, "a template of %zu bytes; at most 16 MB are read", text.len);
    const token *t = jinja_tokens(a, text, o, &count, e);
    jinja *j = arena_new_of(a, jinja);
    return t && (j->root = jinja_parse_tokens(a, t, count, &j->generation, e)) ? j : NULL;
}

bool jinja_has_generation(const jinja *j) { return j->generation; }
