/* jinja_text.c - arguments of calls, and what methods and filters do to texts alike. */
#include <string.h>

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

int64_t jinja_int_arg(const jargs *args, int place, const char *name, int64_t fallback) {
    const jvalue v = jinja_arg(args, place, name, jv_int(fallback));
    return v.kind == V_INT ? v.u.integer : v.kind == V_BOOL ? v.u.boolean : v.kind == V_FLOAT ? (int64_t)v.u.real : fallback;
}

/* An attribute by a dotted name or number. */
jvalue jinja_dotted(run *r, jvalue v, jvalue attribute) {
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

str jinja_stripped(str s, str set, bool left, bool right) {
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

jvalue jinja_cased(run *r, str s, int mode) { /* 0 lower, 1 upper, 2 title, 3 capitalize, 4 swap, 5 Jinja's title */
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

jvalue jinja_replaced(run *r, str s, str from, str to, int64_t most) {
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

jvalue jinja_split(run *r, str s, str separator, int64_t most, bool from_right) {
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

str jinja_set_arg(run *r, const jargs *args, int place, const char *name) {
    return jinja_text_arg(r, args, place, name, (str){NULL, 0});
}

jvalue jinja_join(run *r, str separator, const jlist *l) {
    buf *out = jinja_buf(r);
    for (int i = 0; i < l->count; i++) {
        if (i) buf_put_str(out, separator);
        jv_str(r, out, l->item[i]);
    }
    return jv_of_buf(r, out);
}

jvalue jinja_padded(run *r, str s, int64_t width, str with, int where) {
    const int64_t n = str_characters(s), more = width > n ? width - n : 0;
    if (more > 100000) jinja_fail(r, "at most 100000 columns are padded");
    /* str.center: where it cannot be even, the odd one goes left if the width is odd */
    const int64_t left = where < 0 ? 0 : where > 0 ? more : more / 2 + (more & width & 1);
    buf *out = jinja_buf(r);
    for (int64_t i = 0; i < left; i++) buf_put_str(out, with);
    buf_put_str(out, s);
    for (int64_t i = left; i < more; i++) buf_put_str(out, with);
    return jv_of_buf(r, out);
}
bool jinja_has_case(str s, bool upper) {
    bool some = false;
    int32_t c;
    for (size_t i = 0; i < s.len;) {
        i += utf8_next(s, i, &c);
        if (c >= 0 && (upper ? unicode_upper(c) : unicode_lower(c)) != c) return false;
        some |= c >= 0 && (upper ? unicode_lower(c) : unicode_upper(c)) != c;
    }
    return some;
}
bool jinja_is_word(int32_t code) { return code == '_' || unicode_is_letter(code) || unicode_is_digit(code); }

/* Where str.splitlines breaks. */
static bool ends_line(int32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

jvalue jinja_lines(run *r, str s, bool keep_ends) {
    const jvalue out = jv_list(r, false);
    int32_t c;
    for (size_t at = 0, from = 0; at < s.len; from = at) {
        size_t end = s.len;
        while (at < s.len && end == s.len) {
            const size_t n = utf8_next(s, at, &c);
            if (ends_line(c)) end = at;
            at += n;
            if (c == '\r' && at < s.len && s.ptr[at] == '\n') at++;
        }
        jv_append(r, out, jv_text(str_slice(s, from, keep_ends ? at : end)));
    }
    return out;
}
