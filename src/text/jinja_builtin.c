/* jinja_builtin.c - what templates can call: filters, tests, methods and globals; each a row of a table. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

/* ---- arguments --------------------------------------------------------------------------------------------------------------------- */

jvalue jinja_arg(const jargs *args, int place, const char *name, jvalue fallback) {
    for (int i = 0; i < args->count; i++)
        if (args->name[i].len && str_is(args->name[i], name)) return args->item[i];
    for (int i = 0; i < args->count; i++)
        if (!args->name[i].len && place-- == 0) return args->item[i];
    return fallback;
}

str jinja_text_arg(run *r, const jargs *args, int place, const char *name, str fallback) {
    const jvalue v = jinja_arg(args, place, name, jv_text(fallback));
    return v.kind == V_NONE ? fallback : jv_string(r, v);
}

static int64_t int_arg(const jargs *args, int place, const char *name, int64_t fallback) {
    const jvalue v = jinja_arg(args, place, name, jv_int(fallback));
    return v.kind == V_INT ? v.u.integer : v.kind == V_BOOL ? v.u.boolean : v.kind == V_FLOAT ? (int64_t)v.u.real : fallback;
}

/* An attribute by a dotted name or number. */
static jvalue dotted(run *r, jvalue v, jvalue attribute) {
    if (attribute.kind == V_INT) {
        const jlist *l = jv_iterate(r, v);
        const int64_t i = attribute.u.integer;
        return i >= 0 && i < l->count ? l->item[i] : jv_undefined(STR("item"));
    }
    const str path = jv_string(r, attribute);
    for (size_t at = 0; at <= path.len;) {
        const ptrdiff_t dot = str_find(path, STR("."), at);
        const size_t end = dot < 0 ? path.len : (size_t)dot;
        v = jinja_attribute(r, v, str_slice(path, at, end), true);
        at = end + 1;
    }
    return v;
}

/* ---- text ---------------------------------------------------------------------------------------------------------------------------- */

static bool in_set(int32_t c, str set) {
    int32_t s;
    if (!set.ptr) return unicode_is_space(c);
    for (size_t i = 0, n; i < set.len; i += n) {
        n = utf8_next(set, i, &s);
        if (s == c) return true;
    }
    return false;
}

static str stripped(str s, str set, bool left, bool right) {
    size_t b = 0, e = s.len, n;
    int32_t c;
    while (left && b < e && (n = utf8_next(s, b, &c), in_set(c, set))) b += n;
    while (right && e > b) {
        size_t at = e - 1;
        while (at > b && ((unsigned char)s.ptr[at] & 0xC0) == 0x80) at--;
        utf8_next(s, at, &c);
        if (!in_set(c, set)) break;
        e = at;
    }
    return str_slice(s, b, e);
}

static jvalue mapped(run *r, str s, int mode) { /* 0 lower, 1 upper, 2 title, 3 capitalize, 4 swap, 5 Jinja's title */
    buf *out = jinja_buf(r);
    int32_t c;
    bool start = true;
    for (size_t i = 0, n; i < s.len; i += n) {
        n = utf8_next(s, i, &c);
        const bool up = mode == 1 || ((mode == 2 || mode == 3 || mode == 5) && start) || (mode == 4 && unicode_lower(c) != c);
        if (c < 0) buf_put(out, s.ptr + i, n);
        else if (mode == 4) utf8_put(out, up ? unicode_lower(c) : unicode_upper(c));
        else utf8_put(out, up ? unicode_upper(c) : unicode_lower(c));
        start = mode == 2   ? !unicode_is_letter(c)
                : mode == 5 ? unicode_is_space(c) || (c > 0 && c < 128 && strchr("-({[<", c) != NULL)
                            : mode != 3 && start;
    }
    return jv_of_buf(r, out);
}

static jvalue replaced(run *r, str s, str from, str to, int64_t most) {
    buf *out = jinja_buf(r);
    size_t at = 0;
    int32_t c;
    while (most != 0) {
        if (!from.len) { /* between all characters */
            buf_put_str(out, to);
            most--;
            if (at >= s.len) break;
            const size_t n = utf8_next(s, at, &c);
            buf_put(out, s.ptr + at, n);
            at += n;
            continue;
        }
        const ptrdiff_t found = str_find(s, from, at);
        if (found < 0) break;
        buf_put(out, s.ptr + at, (size_t)found - at);
        buf_put_str(out, to);
        at = (size_t)found + from.len;
        most--;
    }
    if (at < s.len) buf_put(out, s.ptr + at, s.len - at);
    if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
    return jv_of_buf(r, out);
}

static jvalue split(run *r, str s, str separator, int64_t most, bool from_right) {
    const jvalue out = jv_list(r, false);
    if (!separator.ptr) { /* at runs of white space */
        size_t at = 0;
        int32_t c;
        while (at < s.len) {
            size_t n;
            while (at < s.len && (n = utf8_next(s, at, &c), unicode_is_space(c))) at += n;
            if (at >= s.len) break;
            size_t end = at;
            while (end < s.len && (n = utf8_next(s, end, &c), !unicode_is_space(c))) end += n;
            if (most >= 0 && out.u.list->count == most) end = s.len; /* the rest as it is */
            jv_append(r, out, jv_text(str_slice(s, at, end)));
            at = most >= 0 && out.u.list->count == most + 1 ? s.len : end;
        }
        return out;
    }
    if (!separator.len) jinja_fail(r, "empty separator");
    if (from_right && most >= 0) {
        int64_t all = 0;
        for (ptrdiff_t at = 0; (at = str_find(s, separator, (size_t)at)) >= 0; at += (ptrdiff_t)separator.len) all++;
        int64_t skip = all > most ? all - most : 0;
        size_t from = 0, at = 0;
        for (ptrdiff_t found; (found = str_find(s, separator, at)) >= 0;) {
            at = (size_t)found + separator.len;
            if (skip-- > 0) continue;
            jv_append(r, out, jv_text(str_slice(s, from, (size_t)found)));
            from = at;
        }
        jv_append(r, out, jv_text(str_slice(s, from, s.len)));
        return out;
    }
    size_t at = 0;
    for (ptrdiff_t found; (most < 0 || out.u.list->count < most) && (found = str_find(s, separator, at)) >= 0;
         at = (size_t)found + separator.len)
        jv_append(r, out, jv_text(str_slice(s, at, (size_t)found)));
    jv_append(r, out, jv_text(str_slice(s, at, s.len)));
    return out;
}

static str set_arg(run *r, const jargs *args, int place, const char *name) {
    return jinja_text_arg(r, args, place, name, (str){NULL, 0});
}

/* ---- methods ---------------------------------------------------------------------------------------------------------------------------- */

#define METHOD(name) static jvalue name(run *r, const jfunction *f, const jargs *args)
#define SELF         (f->self->u.text)
METHOD(m_strip) { return jv_text(stripped(SELF, set_arg(r, args, 0, "chars"), true, true)); }
METHOD(m_lstrip) { return jv_text(stripped(SELF, set_arg(r, args, 0, "chars"), true, false)); }
METHOD(m_rstrip) { return jv_text(stripped(SELF, set_arg(r, args, 0, "chars"), false, true)); }
METHOD(m_split) { return split(r, SELF, set_arg(r, args, 0, "sep"), int_arg(args, 1, "maxsplit", -1), false); }
METHOD(m_rsplit) { return split(r, SELF, set_arg(r, args, 0, "sep"), int_arg(args, 1, "maxsplit", -1), true); }
METHOD(m_lower) {
    (void)args;
    return mapped(r, SELF, 0);
}
METHOD(m_upper) {
    (void)args;
    return mapped(r, SELF, 1);
}
METHOD(m_title) {
    (void)args;
    return mapped(r, SELF, 2);
}
METHOD(m_capitalize) {
    (void)args;
    return mapped(r, SELF, 3);
}
METHOD(m_swapcase) {
    (void)args;
    return mapped(r, SELF, 4);
}
METHOD(m_replace) {
    return replaced(r, SELF, set_arg(r, args, 0, "old"), set_arg(r, args, 1, "new"), int_arg(args, 2, "count", -1));
}

static bool any_affix(run *r, const jfunction *f, const jargs *args, bool start) {
    const jvalue v = jinja_arg(args, 0, "prefix", jv_text(STR("")));
    const jlist one = {.item = (jvalue *)(uintptr_t)&v, .count = 1}, *l = v.kind == V_LIST ? v.u.list : &one;
    for (int i = 0; i < l->count; i++)
        if (start ? str_starts(SELF, jv_string(r, l->item[i])) : str_ends(SELF, jv_string(r, l->item[i]))) return true;
    return false;
}
METHOD(m_startswith) { return jv_bool(any_affix(r, f, args, true)); }
METHOD(m_endswith) { return jv_bool(any_affix(r, f, args, false)); }
METHOD(m_removeprefix) {
    const str p = set_arg(r, args, 0, "prefix");
    return jv_text(str_starts(SELF, p) ? str_slice(SELF, p.len, SELF.len) : SELF);
}
METHOD(m_removesuffix) {
    const str p = set_arg(r, args, 0, "suffix");
    return jv_text(p.len && str_ends(SELF, p) ? str_slice(SELF, 0, SELF.len - p.len) : SELF);
}
static int64_t characters(run *r, str s) { return jv_length(r, jv_text(s)); }

/* where: the text to the left (-1), the right (1), or the middle. */
static jvalue padded(run *r, str s, int64_t width, str with, int where) {
    const int64_t n = characters(r, s), more = width > n ? width - n : 0;
    if (more > 100000) jinja_fail(r, "at most 100000 columns are padded");
    /* str.center: where it cannot be even, the odd one goes left if the width is odd */
    const int64_t left = where < 0 ? 0 : where > 0 ? more : more / 2 + (more & width & 1);
    buf *out = jinja_buf(r);
    for (int64_t i = 0; i < left; i++) buf_put_str(out, with);
    buf_put_str(out, s);
    for (int64_t i = left; i < more; i++) buf_put_str(out, with);
    return jv_of_buf(r, out);
}
METHOD(m_ljust) { return padded(r, SELF, int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), -1); }
METHOD(m_rjust) { return padded(r, SELF, int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), 1); }
METHOD(m_center) { return padded(r, SELF, int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), 0); }
METHOD(m_zfill) {
    const bool sign = SELF.len && strchr("+-", SELF.ptr[0]);
    const str rest = str_slice(SELF, sign, SELF.len);
    const jvalue made = padded(r, rest, int_arg(args, 0, "width", 0) - sign, STR("0"), 1);
    return jv_text(str_join(r->a, str_slice(SELF, 0, sign), made.u.text));
}
static jvalue three(run *r, str a, str b, str c) {
    const jvalue out = jv_list(r, true);
    jv_append(r, out, jv_text(a)), jv_append(r, out, jv_text(b)), jv_append(r, out, jv_text(c));
    return out;
}
METHOD(m_partition) {
    const str sep = jinja_text_arg(r, args, 0, "sep", STR(" "));
    const ptrdiff_t at = sep.len ? str_find(SELF, sep, 0) : -1;
    return at < 0 ? three(r, SELF, STR(""), STR(""))
                  : three(r, str_slice(SELF, 0, (size_t)at), sep, str_slice(SELF, (size_t)at + sep.len, SELF.len));
}
METHOD(m_rpartition) {
    const str sep = jinja_text_arg(r, args, 0, "sep", STR(" "));
    ptrdiff_t last = -1;
    for (ptrdiff_t at = 0; sep.len && (at = str_find(SELF, sep, (size_t)at)) >= 0; at++) last = at;
    return last < 0 ? three(r, STR(""), STR(""), SELF)
                    : three(r, str_slice(SELF, 0, (size_t)last), sep, str_slice(SELF, (size_t)last + sep.len, SELF.len));
}
METHOD(m_find) {
    const ptrdiff_t at = str_find(SELF, set_arg(r, args, 0, "sub"), 0);
    return jv_int(at < 0 ? -1 : characters(r, str_slice(SELF, 0, (size_t)at)));
}
METHOD(m_rfind) {
    const str sub = set_arg(r, args, 0, "sub");
    ptrdiff_t last = -1;
    for (ptrdiff_t at = 0; (at = str_find(SELF, sub, (size_t)at)) >= 0; at++) last = at;
    return jv_int(last < 0 ? -1 : characters(r, str_slice(SELF, 0, (size_t)last)));
}
METHOD(m_count) {
    const str sub = set_arg(r, args, 0, "sub");
    int64_t n = 0;
    for (ptrdiff_t at = 0; sub.len && (at = str_find(SELF, sub, (size_t)at)) >= 0; at += (ptrdiff_t)sub.len) n++;
    return jv_int(n);
}
METHOD(m_splitlines) {
    (void)args;
    const jvalue out = jv_list(r, false);
    for (size_t at = 0; at < SELF.len;) {
        const ptrdiff_t end = str_find(SELF, STR("\n"), at);
        jv_append(r, out, jv_text(str_slice(SELF, at, end < 0 ? SELF.len : (size_t)end)));
        at = end < 0 ? SELF.len : (size_t)end + 1;
    }
    return out;
}
static jvalue join_items(run *r, str separator, const jlist *l) {
    buf *out = jinja_buf(r);
    for (int i = 0; i < l->count; i++) {
        if (i) buf_put_str(out, separator);
        jv_str(r, out, l->item[i]);
    }
    return jv_of_buf(r, out);
}
METHOD(m_join) { return join_items(r, SELF, jv_iterate(r, jinja_arg(args, 0, "iterable", jv_undefined(STR("iterable"))))); }
static bool all_letters(str s, bool (*is)(int32_t)) {
    int32_t c;
    for (size_t i = 0; i < s.len;) {
        i += utf8_next(s, i, &c);
        if (!is(c)) return false;
    }
    return s.len > 0;
}
METHOD(m_isdigit) {
    (void)r, (void)args;
    return jv_bool(all_letters(SELF, unicode_is_digit));
}
METHOD(m_isalpha) {
    (void)r, (void)args;
    return jv_bool(all_letters(SELF, unicode_is_letter));
}
static bool is_letter_or_digit(int32_t c) { return unicode_is_letter(c) || unicode_is_digit(c); }
METHOD(m_isalnum) {
    (void)r, (void)args;
    return jv_bool(all_letters(SELF, is_letter_or_digit));
}
/* No letter is of the other case, and at least one has a case. */
static bool has_case(str s, bool upper) {
    bool some = false;
    int32_t c;
    for (size_t i = 0; i < s.len;) {
        i += utf8_next(s, i, &c);
        if (c >= 0 && (upper ? unicode_upper(c) : unicode_lower(c)) != c) return false;
        some |= c >= 0 && (upper ? unicode_lower(c) : unicode_upper(c)) != c;
    }
    return some;
}
METHOD(m_islower) {
    (void)r, (void)args;
    return jv_bool(has_case(SELF, false));
}
METHOD(m_isupper) {
    (void)r, (void)args;
    return jv_bool(has_case(SELF, true));
}
METHOD(m_isspace) {
    (void)r, (void)args;
    return jv_bool(all_letters(SELF, unicode_is_space));
}

/* [[fill]align][0][width][.precision][type] behind the colon of a field */
static jvalue formatted(run *r, jvalue x, str spec) {
    int32_t c;
    str fill = STR(" "), text;
    char align = 0, number[16] = "%";
    size_t at = 0;
    const size_t first = utf8_next(spec, 0, &c);
    if (spec.len > first && strchr("<>^", spec.ptr[first]))
        fill = str_slice(spec, 0, first), align = spec.ptr[first], at = first + 1;
    else if (spec.len && strchr("<>^", spec.ptr[0])) align = spec.ptr[at++];
    if (at < spec.len && spec.ptr[at] == '0') fill = STR("0"), align = align ? align : '>', at++;
    int64_t width = 0, precision = -1;
    for (; at < spec.len && spec.ptr[at] >= '0' && spec.ptr[at] <= '9' && width < 100000; at++)
        width = 10 * width + spec.ptr[at] - '0';
    if (at < spec.len && spec.ptr[at] == '.')
        for (precision = 0, at++; at < spec.len && spec.ptr[at] >= '0' && spec.ptr[at] <= '9' && precision < 1000; at++)
            precision = 10 * precision + spec.ptr[at] - '0';
    const char kind = at < spec.len ? spec.ptr[at] : 0;
    const bool is_number = x.kind == V_INT || x.kind == V_FLOAT || x.kind == V_BOOL;
    if (at + 1 < spec.len || (kind && !strchr(is_number ? "dfFeEgGxXo" : "s", kind)))
        jinja_fail(r, "the format '%.*s' is not here", STR_ARG(spec));
    if (kind && strchr("fFeEgG", kind)) {
        char digits[400];
        snprintf(number, sizeof number, "%%.*%c", kind);
        const double value = x.kind == V_FLOAT ? x.u.real : x.kind == V_INT ? (double)x.u.integer : x.u.boolean;
        snprintf(digits, sizeof digits, number, precision < 0 ? 6 : (int)(precision < 60 ? precision : 60), value);
        text = str_of(arena_text(r->a, digits));
    } else if (kind && strchr("xXo", kind) && x.kind == V_INT) {
        text = str_of(arena_printf(r->a, kind == 'x' ? "%llx" : kind == 'X' ? "%llX" : "%llo", (long long)x.u.integer));
    } else text = jv_string(r, x);
    if (!is_number && precision >= 0) {
        size_t end = 0;
        for (int64_t n = 0; n < precision && end < text.len; n++) end += utf8_next(text, end, &c);
        text = str_slice(text, 0, end);
    }
    if (!align) align = is_number ? '>' : '<';
    const int64_t more = width - characters(r, text), left = align == '<' ? 0 : align == '>' ? more : more / 2;
    buf *out = jinja_buf(r);
    for (int64_t i = 0; i < left; i++) buf_put_str(out, fill);
    buf_put_str(out, text);
    for (int64_t i = left; i < more; i++) buf_put_str(out, fill);
    return jv_of_buf(r, out);
}

/* "{} {0} {name} {name.part:>8}".format(...) */
static jvalue field(run *r, const jargs *args, str name, int *next) {
    size_t end = 0;
    long place;
    while (end < name.len && name.ptr[end] != '.' && name.ptr[end] != '[') end++;
    const str head = str_slice(name, 0, end);
    const bool number = !head.len || str_to_long(head, &place);
    jvalue v = number ? jinja_arg(args, head.len ? (int)place : (*next)++, "", jv_undefined(head))
                      : jinja_arg(args, 1 << 20, str_copy(r->a, head), jv_undefined(head));
    if (v.kind == V_UNDEFINED) jinja_fail(r, "the format wants '%.*s', which was not given", STR_ARG(head));
    if (end < name.len && name.ptr[end] == '.') v = dotted(r, v, jv_text(str_slice(name, end + 1, name.len)));
    else if (end < name.len) v = dotted(r, v, jv_text(str_slice(name, end + 1, name.len - 1)));
    return v;
}
METHOD(m_format) {
    buf *out = jinja_buf(r);
    int next = 0;
    for (size_t i = 0; i < SELF.len; i++) {
        const char c = SELF.ptr[i];
        if ((c == '{' || c == '}') && i + 1 < SELF.len && SELF.ptr[i + 1] == c) {
            buf_put_char(out, c);
            i++;
        } else if (c == '{') {
            const ptrdiff_t end = str_find(SELF, STR("}"), i);
            if (end < 0) jinja_fail(r, "expected '}' before end of string");
            const str inside = str_slice(SELF, i + 1, (size_t)end);
            const ptrdiff_t colon = str_find(inside, STR(":"), 0);
            const jvalue v = field(r, args, colon < 0 ? inside : str_slice(inside, 0, (size_t)colon), &next);
            if (colon < 0) jv_str(r, out, v);
            else buf_put_str(out, formatted(r, v, str_slice(inside, (size_t)colon + 1, inside.len)).u.text);
            i = (size_t)end;
        } else buf_put_char(out, c);
    }
    return jv_of_buf(r, out);
}
#undef SELF

#define DICT (f->self->u.dict)
METHOD(m_items) {
    (void)args;
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < DICT->count; i++) {
        const jvalue pair = jv_list(r, true);
        jv_append(r, pair, DICT->key[i]);
        jv_append(r, pair, DICT->value[i]);
        jv_append(r, out, pair);
    }
    return out;
}
METHOD(m_keys) {
    (void)args;
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < DICT->count; i++) jv_append(r, out, DICT->key[i]);
    return out;
}
METHOD(m_values) {
    (void)args;
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < DICT->count; i++) jv_append(r, out, DICT->value[i]);
    return out;
}
METHOD(m_get) {
    const jvalue *found = jv_get(DICT, jinja_arg(args, 0, "key", jv_none()));
    (void)r;
    return found ? *found : jinja_arg(args, 1, "default", jv_none());
}
METHOD(m_copy) {
    (void)args;
    const jvalue d = jv_dict(r);
    for (int i = 0; i < DICT->count; i++) jv_put(r, d.u.dict, DICT->key[i], DICT->value[i]);
    return d;
}
#undef DICT
METHOD(m_refuse) {
    (void)args;
    jinja_fail(r, "%s() would change its object, which templates may not do", f->name);
}
METHOD(m_list_index) {
    const jlist *l = f->self->u.list;
    const jvalue wanted = jinja_arg(args, 0, "value", jv_none());
    for (int i = 0; i < l->count; i++)
        if (jv_equal(l->item[i], wanted)) return jv_int(i);
    jinja_fail(r, "the value is not in list");
}
METHOD(m_list_count) {
    int64_t n = 0;
    (void)r;
    for (int i = 0; i < f->self->u.list->count; i++)
        n += jv_equal(f->self->u.list->item[i], jinja_arg(args, 0, "value", jv_none()));
    return jv_int(n);
}

static const struct {
    value_kind of;
    const char *name;
    jvalue (*call)(run *, const jfunction *, const jargs *);
} methods[] = {
    {V_STRING, "strip", m_strip},
    {V_STRING, "lstrip", m_lstrip},
    {V_STRING, "rstrip", m_rstrip},
    {V_STRING, "split", m_split},
    {V_STRING, "rsplit", m_rsplit},
    {V_STRING, "lower", m_lower},
    {V_STRING, "upper", m_upper},
    {V_STRING, "title", m_title},
    {V_STRING, "capitalize", m_capitalize},
    {V_STRING, "swapcase", m_swapcase},
    {V_STRING, "ljust", m_ljust},
    {V_STRING, "rjust", m_rjust},
    {V_STRING, "center", m_center},
    {V_STRING, "zfill", m_zfill},
    {V_STRING, "partition", m_partition},
    {V_STRING, "rpartition", m_rpartition},
    {V_STRING, "isalnum", m_isalnum},
    {V_STRING, "islower", m_islower},
    {V_STRING, "isupper", m_isupper},
    {V_STRING, "replace", m_replace},
    {V_STRING, "startswith", m_startswith},
    {V_STRING, "endswith", m_endswith},
    {V_STRING, "removeprefix", m_removeprefix},
    {V_STRING, "removesuffix", m_removesuffix},
    {V_STRING, "find", m_find},
    {V_STRING, "rfind", m_rfind},
    {V_STRING, "index", m_find},
    {V_STRING, "count", m_count},
    {V_STRING, "splitlines", m_splitlines},
    {V_STRING, "join", m_join},
    {V_STRING, "format", m_format},
    {V_STRING, "isdigit", m_isdigit},
    {V_STRING, "isnumeric", m_isdigit},
    {V_STRING, "isalpha", m_isalpha},
    {V_STRING, "isspace", m_isspace},
    {V_DICT, "items", m_items},
    {V_DICT, "keys", m_keys},
    {V_DICT, "values", m_values},
    {V_DICT, "get", m_get},
    {V_DICT, "copy", m_copy},
    {V_DICT, "update", m_refuse},
    {V_DICT, "pop", m_refuse},
    {V_LIST, "append", m_refuse},
    {V_LIST, "extend", m_refuse},
    {V_LIST, "insert", m_refuse},
    {V_LIST, "pop", m_refuse},
    {V_LIST, "index", m_list_index},
    {V_LIST, "count", m_list_count},
};

jvalue jinja_function(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *)) {
    jfunction *f = arena_new_of(r->a, jfunction);
    *f = (jfunction){.call = call, .name = name};
    return (jvalue){V_FUNCTION, {.function = f}};
}

bool jinja_method(run *r, jvalue v, str name, jvalue *out) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].of == v.kind && str_is(name, methods[i].name)) {
            *out = jinja_function(r, methods[i].name, methods[i].call);
            out->u.function->self = arena_new_of(r->a, jvalue);
            *out->u.function->self = v;
            return true;
        }
    return false;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------------------ */

#define TEST(name) static bool name(run *r, jvalue v, const jargs *args)
#define ARG0       jinja_arg(args, 0, "other", jv_none())
TEST(t_defined) {
    (void)r, (void)args;
    return v.kind != V_UNDEFINED;
}
TEST(t_undefined) {
    (void)r, (void)args;
    return v.kind == V_UNDEFINED;
}
TEST(t_none) {
    (void)r, (void)args;
    return v.kind == V_NONE;
}
TEST(t_boolean) {
    (void)r, (void)args;
    return v.kind == V_BOOL;
}
TEST(t_true) {
    (void)r, (void)args;
    return v.kind == V_BOOL && v.u.boolean;
}
TEST(t_false) {
    (void)r, (void)args;
    return v.kind == V_BOOL && !v.u.boolean;
}
TEST(t_integer) {
    (void)r, (void)args;
    return v.kind == V_INT;
}
TEST(t_float) {
    (void)r, (void)args;
    return v.kind == V_FLOAT;
}
TEST(t_number) {
    (void)r, (void)args;
    return v.kind == V_INT || v.kind == V_FLOAT || v.kind == V_BOOL;
}
TEST(t_string) {
    (void)r, (void)args;
    return v.kind == V_STRING;
}
TEST(t_mapping) {
    (void)r, (void)args;
    return v.kind == V_DICT;
}
TEST(t_iterable) {
    (void)r, (void)args;
    return v.kind == V_LIST || v.kind == V_DICT || v.kind == V_STRING || v.kind == V_UNDEFINED;
}
TEST(t_sequence) {
    (void)r, (void)args;
    return v.kind == V_LIST || v.kind == V_DICT || v.kind == V_STRING || v.kind == V_UNDEFINED;
}
TEST(t_callable) {
    (void)r, (void)args;
    return v.kind == V_FUNCTION;
}
static int64_t modulo(run *r, jvalue v, int64_t by) {
    if (v.kind != V_INT && v.kind != V_BOOL) jinja_fail(r, "not all arguments converted: '%s' is no whole number", jv_type(v));
    if (!by) jinja_fail(r, "integer modulo by zero");
    return (v.kind == V_INT ? v.u.integer : v.u.boolean) % by;
}
TEST(t_odd) {
    (void)args;
    return modulo(r, v, 2) != 0;
}
TEST(t_even) {
    (void)args;
    return modulo(r, v, 2) == 0;
}
TEST(t_divisibleby) { return modulo(r, v, int_arg(args, 0, "num", 1)) == 0; }
TEST(t_eq) {
    (void)r;
    return jv_equal(v, ARG0);
}
TEST(t_ne) {
    (void)r;
    return !jv_equal(v, ARG0);
}
TEST(t_lt) { return jv_compare(r, v, ARG0) < 0; }
TEST(t_le) { return jv_compare(r, v, ARG0) <= 0; }
TEST(t_gt) { return jv_compare(r, v, ARG0) > 0; }
TEST(t_ge) { return jv_compare(r, v, ARG0) >= 0; }
TEST(t_in) { return jv_contains(r, ARG0, v); }
TEST(t_lower) {
    (void)args;
    const str s = jv_string(r, v);
    return str_eq(s, mapped(r, s, 0).u.text);
}
TEST(t_upper) {
    (void)args;
    const str s = jv_string(r, v);
    return str_eq(s, mapped(r, s, 1).u.text);
}
TEST(t_sameas) {
    (void)r;
    const jvalue o = ARG0;
    return v.kind == o.kind && jv_equal(v, o);
}

static const struct {
    const char *name;
    bool (*test)(run *, jvalue, const jargs *);
} tests[] = {{"defined", t_defined},
             {"undefined", t_undefined},
             {"none", t_none},
             {"boolean", t_boolean},
             {"true", t_true},
             {"false", t_false},
             {"integer", t_integer},
             {"float", t_float},
             {"number", t_number},
             {"string", t_string},
             {"mapping", t_mapping},
             {"iterable", t_iterable},
             {"sequence", t_sequence},
             {"callable", t_callable},
             {"odd", t_odd},
             {"even", t_even},
             {"divisibleby", t_divisibleby},
             {"eq", t_eq},
             {"equalto", t_eq},
             {"==", t_eq},
             {"ne", t_ne},
             {"!=", t_ne},
             {"lt", t_lt},
             {"lessthan", t_lt},
             {"<", t_lt},
             {"le", t_le},
             {"<=", t_le},
             {"gt", t_gt},
             {"greaterthan", t_gt},
             {">", t_gt},
             {"ge", t_ge},
             {">=", t_ge},
             {"in", t_in},
             {"lower", t_lower},
             {"upper", t_upper},
             {"sameas", t_sameas}};

bool jinja_test(run *r, str name, jvalue v, const jargs *args) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (str_is(name, tests[i].name)) return tests[i].test(r, v, args);
    jinja_fail(r, "no test named '%.*s'", STR_ARG(name));
}

/* ---- filters ----------------------------------------------------------------------------------------------------------------------------- */

#define FILTER(name) static jvalue name(run *r, jvalue v, const jargs *args)
FILTER(f_default) {
    (void)r;
    return v.kind == V_UNDEFINED || (jv_truth(jinja_arg(args, 1, "boolean", jv_bool(false))) && !jv_truth(v))
               ? jinja_arg(args, 0, "default_value", jv_text(STR("")))
               : v;
}
FILTER(f_length) {
    (void)args;
    return jv_int(jv_length(r, v));
}
FILTER(f_trim) { return jv_text(stripped(jv_string(r, v), set_arg(r, args, 0, "chars"), true, true)); }
FILTER(f_lower) {
    (void)args;
    return mapped(r, jv_string(r, v), 0);
}
FILTER(f_upper) {
    (void)args;
    return mapped(r, jv_string(r, v), 1);
}
FILTER(f_title) { /* words begin behind white space and -({[<, so that it's stays It's */
    (void)args;
    return mapped(r, jv_string(r, v), 5);
}
FILTER(f_capitalize) {
    (void)args;
    return mapped(r, jv_string(r, v), 3);
}
FILTER(f_string) {
    (void)args;
    return jv_text(jv_string(r, v));
}
FILTER(f_same) {
    (void)r, (void)args;
    return v;
}
FILTER(f_replace) {
    return replaced(r, jv_string(r, v), set_arg(r, args, 0, "old"), set_arg(r, args, 1, "new"), int_arg(args, 2, "count", -1));
}
FILTER(f_list) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < l->count; i++) jv_append(r, out, l->item[i]);
    return out;
}
FILTER(f_first) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    return l->count ? l->item[0] : jv_undefined(STR("No first item, sequence was empty."));
}
FILTER(f_last) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    return l->count ? l->item[l->count - 1] : jv_undefined(STR("No last item, sequence was empty."));
}
FILTER(f_join) {
    const jvalue attribute = jinja_arg(args, 1, "attribute", jv_none());
    const jlist *l = jv_iterate(r, v);
    if (attribute.kind == V_NONE) return join_items(r, jinja_text_arg(r, args, 0, "d", STR("")), l);
    const jvalue of = jv_list(r, false);
    for (int i = 0; i < l->count; i++) jv_append(r, of, dotted(r, l->item[i], attribute));
    return join_items(r, jinja_text_arg(r, args, 0, "d", STR("")), of.u.list);
}
FILTER(f_reverse) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false);
    for (int i = l->count - 1; i >= 0; i--) jv_append(r, out, l->item[i]);
    return v.kind == V_STRING ? join_items(r, STR(""), out.u.list) : out;
}
FILTER(f_abs) {
    (void)args;
    return v.kind == V_FLOAT ? jv_real(fabs(v.u.real))
           : v.kind == V_INT ? jv_int(v.u.integer < 0 ? -v.u.integer : v.u.integer)
                             : (jinja_fail(r, "bad operand type for abs(): '%s'", jv_type(v)), v);
}
FILTER(f_int) {
    if (v.kind == V_INT) return v;
    if (v.kind == V_BOOL) return jv_int(v.u.boolean);
    if (v.kind == V_FLOAT) return jv_int((int64_t)v.u.real);
    double x;
    long n;
    const int64_t base = int_arg(args, 1, "base", 10);
    if (v.kind == V_STRING && base != 10 && base >= 0 && base <= 36) {
        const char *digits = str_copy(r->a, str_trim(v.u.text));
        char *end;
        if (digits[0] == '0' && digits[1] && strchr(base == 8 ? "oO" : base == 2 ? "bB" : "", digits[1])) digits += 2;
        const long long based = strtoll(digits, &end, (int)base);
        if (end != digits && !*end) return jv_int(based);
        return jinja_arg(args, 0, "default", jv_int(0));
    }
    if (v.kind == V_STRING && str_to_long(str_trim(v.u.text), &n)) return jv_int(n);
    if (v.kind == V_STRING && str_to_double(str_trim(v.u.text), &x)) return jv_int((int64_t)x);
    (void)r;
    return jinja_arg(args, 0, "default", jv_int(0));
}
FILTER(f_float) {
    double x;
    (void)r;
    if (v.kind == V_FLOAT) return v;
    if (v.kind == V_INT) return jv_real((double)v.u.integer);
    if (v.kind == V_BOOL) return jv_real(v.u.boolean);
    return v.kind == V_STRING && str_to_double(str_trim(v.u.text), &x) ? jv_real(x) : jinja_arg(args, 0, "default", jv_real(0));
}
FILTER(f_round) {
    const int64_t digits = int_arg(args, 0, "precision", 0);
    const str method = jinja_text_arg(r, args, 1, "method", STR("common"));
    const double x = f_float(r, v, &(jargs){0}).u.real, by = pow(10, (double)digits);
    if (!str_is(method, "common")) return jv_real((str_is(method, "ceil") ? ceil(x * by) : floor(x * by)) / by);
    if (v.kind == V_INT && digits >= 0) return v;
    if (digits < 0 || digits > 300 || !isfinite(x)) return jv_real(digits < 0 ? rint(x * by) / by : x);
    return jv_real(strtod(arena_printf(r->a, "%.*f", (int)digits, x), NULL)); /* the nearest decimal, as round() finds it */
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
    const str s = jv_string(r, v);
    buf *out = jinja_buf(r), *pad = jinja_buf(r);
    if (width.kind == V_STRING) buf_put_str(pad, width.u.text);
    else
        for (int64_t i = 0; i < int_arg(args, 0, "width", 4) && i < 1000; i++) buf_put_char(pad, ' ');
    for (size_t at = 0, line = 0; at <= s.len; line++) {
        const ptrdiff_t end = str_find(s, STR("\n"), at);
        const str text = str_slice(s, at, end < 0 ? s.len : (size_t)end);
        if (line) buf_put_char(out, '\n');
        if ((line || first) && (text.len || blank)) buf_put_str(out, buf_str(pad));
        buf_put_str(out, text);
        if (end < 0) break;
        at = (size_t)end + 1;
    }
    buf_free(pad);
    return jv_of_buf(r, out);
}
FILTER(f_escape) {
    static const struct {
        char c;
        const char *with;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    (void)args;
    const str s = jv_string(r, v);
    buf *out = jinja_buf(r);
    for (size_t i = 0; i < s.len; i++) {
        const char *with = NULL;
        for (int k = 0; k < 5; k++)
            if (s.ptr[i] == escapes[k].c) with = escapes[k].with;
        if (with) buf_put_text(out, with);
        else buf_put_char(out, s.ptr[i]);
    }
    return jv_of_buf(r, out);
}
/* "%s of %d" % values */
FILTER(f_format) {
    const str s = jv_string(r, v);
    buf *out = jinja_buf(r);
    int next = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%' || i + 1 >= s.len) {
            buf_put_char(out, s.ptr[i]);
            continue;
        }
        if (s.ptr[i + 1] == '%') {
            buf_put_char(out, '%');
            i++;
            continue;
        }
        char spec[32] = "%";
        size_t n = 1;
        while (++i < s.len && strchr("0123456789.+- #", s.ptr[i]) && n < 20) spec[n++] = s.ptr[i];
        const char kind = i < s.len ? s.ptr[i] : 's';
        const jvalue x = jinja_arg(args, next++, "", jv_undefined(STR("")));
        if (x.kind == V_UNDEFINED) jinja_fail(r, "not enough arguments for format string");
        if (kind == 's' || kind == 'r') {
            memcpy(spec + n, "s", 2);
            buf_printf(out, spec, str_copy(r->a, jv_string(r, x)));
        } else if (strchr("dixXo", kind)) {
            memcpy(spec + n, "ll", 2);
            spec[n + 2] = kind == 'i' ? 'd' : kind;
            spec[n + 3] = 0;
            buf_printf(out, spec, (long long)f_int(r, x, &(jargs){0}).u.integer);
        } else if (strchr("eEfFgG", kind)) {
            spec[n] = kind;
            spec[n + 1] = 0;
            buf_printf(out, spec, f_float(r, x, &(jargs){0}).u.real);
        } else jinja_fail(r, "unsupported format character '%c'", kind);
    }
    return jv_of_buf(r, out);
}

/* select, reject, selectattr, rejectattr */
static jvalue choose(run *r, jvalue v, const jargs *args, bool by_attribute, bool want) {
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false);
    const int shift = by_attribute ? 1 : 0;
    const bool named = args->count > shift;
    const jargs rest = {args->item + shift + 1, args->name + shift + 1,
                        args->count - shift - 1 > 0 ? args->count - shift - 1 : 0};
    for (int i = 0; i < l->count; i++) {
        const jvalue x = by_attribute ? dotted(r, l->item[i], jinja_arg(args, 0, "attribute", jv_none())) : l->item[i];
        const bool yes = named ? jinja_test(r, jv_string(r, args->item[shift]), x, &rest) : jv_truth(x);
        if (yes == want) jv_append(r, out, l->item[i]);
    }
    return out;
}
FILTER(f_select) { return choose(r, v, args, false, true); }
FILTER(f_reject) { return choose(r, v, args, false, false); }
FILTER(f_selectattr) { return choose(r, v, args, true, true); }
FILTER(f_rejectattr) { return choose(r, v, args, true, false); }
FILTER(f_map) {
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false), attribute = jinja_arg(args, 1 << 20, "attribute", jv_none()),
                 fallback = jinja_arg(args, 1 << 20, "default", jv_undefined(STR("default")));
    const jargs rest = {args->item + 1, args->name + 1, args->count ? args->count - 1 : 0};
    for (int i = 0; i < l->count; i++) {
        jvalue x = attribute.kind != V_NONE ? dotted(r, l->item[i], attribute)
                                            : jinja_filter(r, jinja_text_arg(r, args, 0, "filter", STR("")), l->item[i], &rest);
        if (x.kind == V_UNDEFINED && fallback.kind != V_UNDEFINED) x = fallback;
        jv_append(r, out, x);
    }
    return out;
}

/* Merge sort, stable as Python's; keys are compared without case unless asked. */
static jvalue folded(run *r, jvalue v, bool fold) { return fold && v.kind == V_STRING ? mapped(r, v.u.text, 0) : v; }
static void sort_by(run *r, jvalue *item, jvalue *key, int n, bool reverse) {
    for (int i = 1; i < n; i++) { /* insertion: lists in templates are short; fuel bounds the rest */
        const jvalue x = item[i], k = key[i];
        int at = i;
        for (; at > 0; at--) {
            const int c =
                jv_equal(key[at - 1], k) ? 0 : jv_compare(r, key[at - 1], k); /* equal things have no order to ask for */
            if (reverse ? c >= 0 : c <= 0) break;
            item[at] = item[at - 1];
            key[at] = key[at - 1];
        }
        item[at] = x;
        key[at] = k;
    }
}
/* The values of "a,b.c" in a list: what is sorted by. */
static jvalue sort_key(run *r, jvalue item, jvalue attribute, bool fold) {
    if (attribute.kind == V_NONE) return folded(r, item, fold);
    if (attribute.kind != V_STRING || str_find(attribute.u.text, STR(","), 0) < 0)
        return folded(r, dotted(r, item, attribute), fold);
    const jvalue out = jv_list(r, false);
    for (size_t at = 0; at <= attribute.u.text.len;) {
        const ptrdiff_t comma = str_find(attribute.u.text, STR(","), at);
        const size_t end = comma < 0 ? attribute.u.text.len : (size_t)comma;
        jv_append(r, out, folded(r, dotted(r, item, jv_text(str_slice(attribute.u.text, at, end))), fold));
        at = end + 1;
    }
    return out;
}
FILTER(f_sort) {
    const jvalue out = f_list(r, v, args), attribute = jinja_arg(args, 2, "attribute", jv_none());
    const bool reverse = jv_truth(jinja_arg(args, 0, "reverse", jv_bool(false))),
               fold = !jv_truth(jinja_arg(args, 1, "case_sensitive", jv_bool(false)));
    jlist *l = out.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1);
    for (int i = 0; i < l->count; i++) key[i] = sort_key(r, l->item[i], attribute, fold);
    sort_by(r, l->item, key, l->count, reverse);
    return out;
}
/* Pairs of a value of the attribute and the items that have it, in the order of the values. */
FILTER(f_groupby) {
    const jvalue items = f_list(r, v, args), attribute = jinja_arg(args, 0, "attribute", jv_none()), out = jv_list(r, false),
                 fallback = jinja_arg(args, 1, "default", jv_undefined(STR("default")));
    const bool fold = !jv_truth(jinja_arg(args, 2, "case_sensitive", jv_bool(false)));
    const jlist *l = items.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1), group = jv_none();
    for (int i = 0; i < l->count; i++) {
        const jvalue x = dotted(r, l->item[i], attribute);
        key[i] = folded(r, x.kind == V_UNDEFINED ? fallback : x, fold);
    }
    sort_by(r, l->item, key, l->count, false);
    for (int i = 0; i < l->count; i++) {
        if (!i || !jv_equal(key[i - 1], key[i])) {
            const jvalue x = dotted(r, l->item[i], attribute);
            group = jv_list(r, true);
            group.u.list->group = true;
            jv_append(r, group, x.kind == V_UNDEFINED ? fallback : x);
            jv_append(r, group, jv_list(r, false));
            jv_append(r, out, group);
        }
        jv_append(r, group.u.list->item[1], l->item[i]);
    }
    return out;
}
/* So many columns of nearly the same length. */
FILTER(f_slice) {
    const jlist *l = jv_iterate(r, v);
    const int64_t n = int_arg(args, 0, "slices", 1);
    const jvalue out = jv_list(r, false), fill = jinja_arg(args, 1, "fill_with", jv_none());
    if (n < 1 || n > 100000) jinja_fail(r, "slice wants a number from 1 to 100000");
    for (int64_t i = 0, at = 0; i < n; i++) {
        const jvalue part = jv_list(r, false);
        const int64_t size = l->count / n + (i < l->count % n);
        for (int64_t k = 0; k < size; k++) jv_append(r, part, l->item[at++]);
        if (fill.kind != V_NONE && i >= l->count % n && l->count % n) jv_append(r, part, fill);
        jv_append(r, out, part);
    }
    return out;
}
FILTER(f_dictsort) {
    if (v.kind != V_DICT) jinja_fail(r, "dictsort wants a dict, not '%s'", jv_type(v));
    const jvalue out = m_items(r, &(jfunction){.self = &v}, args);
    const bool by_value = str_is(jinja_text_arg(r, args, 1, "by", STR("key")), "value"),
               fold = !jv_truth(jinja_arg(args, 0, "case_sensitive", jv_bool(false)));
    jlist *l = out.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1);
    for (int i = 0; i < l->count; i++) key[i] = folded(r, l->item[i].u.list->item[by_value], fold);
    sort_by(r, l->item, key, l->count, jv_truth(jinja_arg(args, 2, "reverse", jv_bool(false))));
    return out;
}
FILTER(f_unique) {
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false), seen = jv_list(r, false), attribute = jinja_arg(args, 1, "attribute", jv_none());
    for (int i = 0; i < l->count; i++) {
        const jvalue k = folded(r, attribute.kind == V_NONE ? l->item[i] : dotted(r, l->item[i], attribute),
                                !jv_truth(jinja_arg(args, 0, "case_sensitive", jv_bool(false))));
        if (jv_contains(r, seen, k)) continue;
        jv_append(r, seen, k);
        jv_append(r, out, l->item[i]);
    }
    return out;
}
FILTER(f_sum) {
    const jlist *l = jv_iterate(r, v);
    const jvalue attribute = jinja_arg(args, 0, "attribute", jv_none()), start = jinja_arg(args, 1, "start", jv_int(0));
    if (start.kind == V_LIST) { /* lists, one behind the other */
        const jvalue all = f_list(r, start, args);
        for (int i = 0; i < l->count; i++) {
            const jlist *more = jv_iterate(r, attribute.kind == V_NONE ? l->item[i] : dotted(r, l->item[i], attribute));
            for (int k = 0; k < more->count; k++) jv_append(r, all, more->item[k]);
        }
        return all;
    }
    bool real = start.kind == V_FLOAT;
    double x = real ? start.u.real : 0;
    int64_t n = start.kind == V_INT ? start.u.integer : 0;
    for (int i = 0; i < l->count; i++) {
        const jvalue k = attribute.kind == V_NONE ? l->item[i] : dotted(r, l->item[i], attribute);
        if (!t_number(r, k, args)) jinja_fail(r, "unsupported operand type(s) for +: 'int' and '%s'", jv_type(k));
        real |= k.kind == V_FLOAT;
        if (k.kind == V_FLOAT) x += k.u.real;
        else n += k.kind == V_INT ? k.u.integer : k.u.boolean;
    }
    return real ? jv_real(x + (double)n) : jv_int(n);
}
static jvalue extreme(run *r, jvalue v, const jargs *args, int sign) {
    const jlist *l = jv_iterate(r, v);
    const jvalue attribute = jinja_arg(args, 1, "attribute", jv_none());
    int best = 0;
    if (!l->count) return jv_undefined(STR("No aggregated item, sequence was empty."));
    for (int i = 1; i < l->count; i++) {
        const jvalue a = attribute.kind == V_NONE ? l->item[i] : dotted(r, l->item[i], attribute),
                     b = attribute.kind == V_NONE ? l->item[best] : dotted(r, l->item[best], attribute);
        if (jv_compare(r, folded(r, a, true), folded(r, b, true)) * sign > 0) best = i;
    }
    return l->item[best];
}
FILTER(f_max) { return extreme(r, v, args, 1); }
FILTER(f_min) { return extreme(r, v, args, -1); }
FILTER(f_items) {
    return v.kind == V_UNDEFINED ? jv_list(r, false)
           : v.kind == V_DICT    ? m_items(r, &(jfunction){.self = &v}, args)
                                 : (jinja_fail(r, "Can only get item pairs from a mapping."), v);
}
FILTER(f_attr) { return jinja_attribute(r, v, jinja_text_arg(r, args, 0, "name", STR("")), false); }
FILTER(f_batch) {
    const jlist *l = jv_iterate(r, v);
    const int64_t n = int_arg(args, 0, "linecount", 1);
    const jvalue out = jv_list(r, false), fill = jinja_arg(args, 1, "fill_with", jv_none());
    if (n < 1) jinja_fail(r, "batch wants a positive number");
    for (int i = 0; i < l->count; i += (int)n) {
        const jvalue part = jv_list(r, false);
        for (int k = i; k < i + n; k++)
            if (k < l->count) jv_append(r, part, l->item[k]);
            else if (fill.kind != V_NONE) jv_append(r, part, fill);
        jv_append(r, out, part);
    }
    return out;
}
FILTER(f_wordcount) {
    (void)args;
    return jv_int(split(r, jv_string(r, v), (str){NULL, 0}, -1, false).u.list->count);
}
FILTER(f_center) {
    const str s = jv_string(r, v);
    const int64_t width = int_arg(args, 0, "width", 80), n = characters(r, s), left = width > n ? (width - n) / 2 : 0;
    buf *out = jinja_buf(r);
    if (width > 100000) jinja_fail(r, "center wants at most 100000 columns");
    for (int64_t i = 0; i < left; i++) buf_put_char(out, ' ');
    buf_put_str(out, s);
    for (int64_t i = left + n; i < width; i++) buf_put_char(out, ' ');
    return jv_of_buf(r, out);
}
FILTER(f_truncate) {
    const int64_t length = int_arg(args, 0, "length", 255), leeway = int_arg(args, 3, "leeway", 5);
    const str s = jv_string(r, v), end = jinja_text_arg(r, args, 2, "end", STR("..."));
    if (characters(r, s) <= length + leeway) return jv_text(s);
    const jlist *l = jv_iterate(r, jv_text(s));
    buf *out = jinja_buf(r);
    const int64_t keep = length - characters(r, end);
    for (int i = 0; i < keep && i < l->count; i++) buf_put_str(out, l->item[i].u.text);
    if (!jv_truth(jinja_arg(args, 1, "killwords", jv_bool(false))))
        for (size_t i = out->len; i > 0; i--)
            if (out->ptr[i - 1] == ' ') {
                out->len = i - 1;
                break;
            }
    buf_put_str(out, end);
    return jv_of_buf(r, out);
}

static const struct {
    const char *name;
    jvalue (*apply)(run *, jvalue, const jargs *);
} filters[] = {{"default", f_default},
               {"d", f_default},
               {"length", f_length},
               {"count", f_length},
               {"trim", f_trim},
               {"lower", f_lower},
               {"upper", f_upper},
               {"title", f_title},
               {"capitalize", f_capitalize},
               {"string", f_string},
               {"safe", f_same},
               {"replace", f_replace},
               {"list", f_list},
               {"first", f_first},
               {"last", f_last},
               {"join", f_join},
               {"reverse", f_reverse},
               {"abs", f_abs},
               {"int", f_int},
               {"float", f_float},
               {"round", f_round},
               {"tojson", f_tojson},
               {"indent", f_indent},
               {"escape", f_escape},
               {"e", f_escape},
               {"format", f_format},
               {"select", f_select},
               {"reject", f_reject},
               {"selectattr", f_selectattr},
               {"rejectattr", f_rejectattr},
               {"map", f_map},
               {"sort", f_sort},
               {"groupby", f_groupby},
               {"slice", f_slice},
               {"dictsort", f_dictsort},
               {"unique", f_unique},
               {"sum", f_sum},
               {"max", f_max},
               {"min", f_min},
               {"items", f_items},
               {"attr", f_attr},
               {"batch", f_batch},
               {"wordcount", f_wordcount},
               {"center", f_center},
               {"truncate", f_truncate}};

jvalue jinja_filter(run *r, str name, jvalue v, const jargs *args) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (str_is(name, filters[i].name)) return filters[i].apply(r, v, args);
    jinja_fail(r, "No filter named '%.*s'.", STR_ARG(name));
}

/* ---- globals -------------------------------------------------------------------------------------------------------------------------------- */

METHOD(g_range) {
    (void)f;
    const int64_t a = int_arg(args, 0, "start", 0), b = int_arg(args, 1, "stop", 0), step = int_arg(args, 2, "step", 1);
    const int64_t from = args->count > 1 ? a : 0, to = args->count > 1 ? b : a;
    const jvalue out = jv_list(r, false);
    if (!step) jinja_fail(r, "range() arg 3 must not be zero");
    if ((step > 0 ? to - from : from - to) / (step > 0 ? step : -step) > 100000)
        jinja_fail(r, "Range too big. The sandbox blocks ranges larger than 100000.");
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) jv_append(r, out, jv_int(i));
    return out;
}
static jvalue keyed(run *r, const jargs *args, bool namespace) {
    const jvalue d = jv_dict(r);
    d.u.dict->namespace = namespace;
    for (int i = 0; i < args->count; i++) {
        if (args->name[i].len) jv_put(r, d.u.dict, jv_text(args->name[i]), args->item[i]);
        else if (args->item[i].kind == V_DICT)
            for (int k = 0; k < args->item[i].u.dict->count; k++)
                jv_put(r, d.u.dict, args->item[i].u.dict->key[k], args->item[i].u.dict->value[k]);
    }
    return d;
}
METHOD(g_namespace) {
    (void)f;
    return keyed(r, args, true);
}
METHOD(g_dict) {
    (void)f;
    return keyed(r, args, false);
}
METHOD(g_raise) {
    (void)f;
    const str s = jinja_text_arg(r, args, 0, "message", STR(""));
    jinja_fail(r, "%.*s", STR_ARG(s));
}
METHOD(g_strftime) {
    char out[256];
    const time_t now = time(NULL);
    struct tm t;
    (void)f;
    localtime_r(&now, &t);
    const size_t n = strftime(out, sizeof out, str_copy(r->a, jinja_text_arg(r, args, 0, "format", STR("%Y"))), &t);
    return jv_copy_text(r, (str){out, n});
}

static const struct {
    const char *name;
    jvalue (*call)(run *, const jfunction *, const jargs *);
} globals[] = {
    {"range", g_range}, {"namespace", g_namespace}, {"dict", g_dict}, {"raise_exception", g_raise}, {"strftime_now", g_strftime}};

bool jinja_global(run *r, str name, jvalue *out) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (str_is(name, globals[i].name)) {
            *out = jinja_function(r, globals[i].name, globals[i].call);
            return true;
        }
    return false;
}
