/* jinja_percent.c - "%s of %05.1f" % values, as Python formats texts (printf with its own idea of texts and whole numbers). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

enum { WIDTH_MAX = 100000, PRECISION_MAX = 300 };

/* One %[(name)][flags][width][.precision]kind of a format. */
typedef struct {
    str name;
    bool named, left, zeros, plus, blank, alternate;
    int64_t width, precision; /* precision -1: none */
    char kind;
} spec;

/* The values a format takes, in turn or (of one dict) by name. */
typedef struct {
    const jargs *args;
    int next;
    bool markup; /* texts are escaped */
} values;

static jvalue next_value(run *r, values *v) {
    if (v->next >= v->args->count) jinja_fail(r, "not enough arguments for format string");
    return v->args->item[v->next++];
}

static jvalue named_value(run *r, values *v, str name) {
    const bool mapping = v->args->count == 1 && v->args->item[0].kind == V_DICT;
    const jvalue *found = mapping ? jv_get(v->args->item[0].u.dict, jv_text(name)) : NULL;
    if (!found) jinja_fail(r, "the format wants '%.*s', which was not given", STR_ARG(name));
    v->next = v->args->count;
    return *found;
}

static int64_t number_at(run *r, values *v, str s, size_t *at) {
    int64_t n = 0;
    if (*at < s.len && s.ptr[*at] == '*') {
        const jvalue given = next_value(r, v);
        if (given.kind != V_INT) jinja_fail(r, "* wants int");
        ++*at;
        return given.u.integer;
    }
    for (; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9' && n <= WIDTH_MAX; ++*at) n = 10 * n + s.ptr[*at] - '0';
    return n;
}

static bool take_flag(spec *f, char c) {
    bool *const flag = c == '-'   ? &f->left
                       : c == '0' ? &f->zeros
                       : c == '+' ? &f->plus
                       : c == ' ' ? &f->blank
                       : c == '#' ? &f->alternate
                                  : NULL;
    if (flag) *flag = true;
    return flag != NULL;
}

/* What stands behind the % at s[at - 1]; the place behind it. */
static size_t read_spec(run *r, values *v, str s, size_t at, spec *f) {
    *f = (spec){.precision = -1};
    if (at < s.len && s.ptr[at] == '(') {
        const ptrdiff_t end = str_find(s, STR(")"), at);
        if (end < 0) jinja_fail(r, "incomplete format key");
        f->name = str_slice(s, at + 1, (size_t)end);
        f->named = true;
        at = (size_t)end + 1;
    }
    while (at < s.len && take_flag(f, s.ptr[at])) at++;
    f->width = number_at(r, v, s, &at);
    if (f->width < 0) f->left = true, f->width = -f->width;
    if (at < s.len && s.ptr[at] == '.') f->precision = number_at(r, v, s, (at++, &at));
    if (at < s.len && strchr("hlL", s.ptr[at])) at++;
    if (at >= s.len) jinja_fail(r, "incomplete format");
    if (f->width > WIDTH_MAX || f->precision > WIDTH_MAX) jinja_fail(r, "a format wants at most %d columns", WIDTH_MAX);
    f->kind = s.ptr[at];
    return at + 1;
}

static void put_times(run *r, buf *out, char c, int64_t times) {
    if (times > 0) jinja_burn(r, times / 16);
    for (; times > 0; times--) buf_put_char(out, c);
}

/* sign and prefix, zeros or blanks up to the width, digits */
static void put_number(run *r, buf *out, const spec *f, bool negative, const char *prefix, const char *digits) {
    char head[8];
    snprintf(head, sizeof head, "%s%s", negative ? "-" : f->plus ? "+" : f->blank ? " " : "", prefix);
    const int64_t more = f->width - (int64_t)strlen(head) - (int64_t)strlen(digits);
    if (!f->left && !f->zeros) put_times(r, out, ' ', more);
    buf_put_text(out, head);
    if (!f->left && f->zeros) put_times(r, out, '0', more);
    buf_put_text(out, digits);
    if (f->left) put_times(r, out, ' ', more);
}

static void put_whole(run *r, buf *out, const spec *f, jvalue x) {
    const bool decimal = strchr("diu", f->kind) != NULL;
    if (!jv_is_number(x) || (x.kind == V_FLOAT && !decimal))
        jinja_fail(r, "%%%c format: %s is required, not %s", f->kind, decimal ? "a real number" : "an integer", jv_type(x));
    if (x.kind == V_FLOAT && !(fabs(x.u.real) < 9e18)) jinja_fail(r, "%%%c format: the number is too large", f->kind);
    const int64_t n = x.kind == V_FLOAT ? (int64_t)x.u.real : jv_whole_of(x);
    const unsigned long long size = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
    const int least = f->precision < 0 ? 0 : (int)(f->precision < PRECISION_MAX ? f->precision : PRECISION_MAX);
    const char *form = f->kind == 'x' ? "%.*llx" : f->kind == 'X' ? "%.*llX" : f->kind == 'o' ? "%.*llo" : "%.*llu";
    char digits[PRECISION_MAX + 32];
    snprintf(digits, sizeof digits, form, least ? least : 1, size);
    const char *prefix = !f->alternate || decimal ? "" : f->kind == 'x' ? "0x" : f->kind == 'X' ? "0X" : "0o";
    put_number(r, out, f, n < 0, prefix, digits);
}

static void put_real(run *r, buf *out, const spec *f, jvalue x) {
    if (!jv_is_number(x)) jinja_fail(r, "must be real number, not %s", jv_type(x));
    if (f->precision > PRECISION_MAX) jinja_fail(r, "a format wants at most %d digits", PRECISION_MAX);
    const double v = jv_real_of(x);
    char digits[2 * PRECISION_MAX + 32], form[8];
    snprintf(form, sizeof form, f->alternate ? "%%#.*%c" : "%%.*%c", f->kind);
    snprintf(digits, sizeof digits, form, f->precision < 0 ? 6 : (int)f->precision, fabs(v));
    put_number(r, out, f, signbit(v) && !isnan(v), "", digits);
}

static void put_text(run *r, buf *out, const spec *f, str s) {
    int32_t c;
    size_t end = 0;
    for (int64_t n = 0; f->precision >= 0 && n < f->precision && end < s.len; n++) end += utf8_next(s, end, &c);
    if (f->precision >= 0) s = str_slice(s, 0, end);
    const int64_t more = f->width - str_characters(s);
    if (!f->left) put_times(r, out, ' ', more);
    buf_put_str(out, s);
    if (f->left) put_times(r, out, ' ', more);
}

static buf *ascii(run *r, str s) {
    buf *out = jinja_buf(r);
    int32_t c;
    for (size_t i = 0, n; i < s.len; i += n) {
        n = utf8_next(s, i, &c);
        if (c >= 0 && c < 128) buf_put_char(out, (char)c);
        else buf_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c & 0x1fffff);
    }
    return out;
}

static str as_text(run *r, const spec *f, jvalue x, bool markup) {
    buf *text = jinja_buf(r);
    if (f->kind == 'c') {
        const int64_t code = x.kind == V_INT || x.kind == V_BOOL ? jv_whole_of(x) : -1;
        if (code >= 0 && code < 0x110000) utf8_put(text, (int32_t)code);
        else if (x.kind == V_STRING && str_characters(x.u.text) == 1) buf_put_str(text, x.u.text);
        else jinja_fail(r, "%%c requires int or char");
    } else if (f->kind == 's') jv_str(r, text, markup ? jinja_escape(r, x) : x);
    else jv_repr(r, text, x);
    if (f->kind == 'a') text = ascii(r, buf_str(text));
    const str s = jv_of_buf(r, text).u.text;
    return markup && strchr("ra", f->kind) ? jinja_escape(r, jv_text(s)).u.text : s;
}

static void put_value(run *r, buf *out, const spec *f, values *v) {
    const jvalue x = f->named ? named_value(r, v, f->name) : next_value(r, v);
    if (strchr("diuoxX", f->kind)) put_whole(r, out, f, x);
    else if (strchr("eEfFgG", f->kind)) put_real(r, out, f, x);
    else if (strchr("srac", f->kind)) put_text(r, out, f, as_text(r, f, x, v->markup));
    else jinja_fail(r, "unsupported format character '%c'", f->kind);
}

/* Nothing may be left over, but of one dict or list, which Python takes for a mapping. */
static void refuse_rest(run *r, const values *v) {
    if (v->next >= v->args->count) return;
    const value_kind kind = v->args->item[0].kind;
    if (v->args->count == 1 && !v->next && (kind == V_DICT || kind == V_LIST)) return;
    jinja_fail(r, "not all arguments converted during string formatting");
}

jvalue jinja_percent(run *r, jvalue format, const jargs *args) {
    const str s = format.u.text;
    values v = {.args = args, .markup = format.markup};
    buf *out = jinja_buf(r);
    for (size_t at = 0; at < s.len;) {
        if (s.ptr[at] != '%') {
            buf_put_char(out, s.ptr[at++]);
            continue;
        }
        spec f;
        at = read_spec(r, &v, s, at + 1, &f);
        if (f.kind == '%') buf_put_char(out, '%');
        else put_value(r, out, &f, &v);
        if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
    }
    refuse_rest(r, &v);
    return jv_marked(jv_of_buf(r, out), format.markup);
}
