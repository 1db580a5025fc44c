/* jinja_methods.c - methods of texts, dictionaries and lists, as Python has them; each a row of a table. */
#include <stdio.h>
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

#define METHOD(name) static jvalue name(run *r, const jfunction *f, const jargs *args)
#define SELF         (f->self->u.text)
METHOD(m_strip) { return jv_text(jinja_stripped(SELF, jinja_set_arg(r, args, 0, "chars"), true, true)); }
METHOD(m_lstrip) { return jv_text(jinja_stripped(SELF, jinja_set_arg(r, args, 0, "chars"), true, false)); }
METHOD(m_rstrip) { return jv_text(jinja_stripped(SELF, jinja_set_arg(r, args, 0, "chars"), false, true)); }
METHOD(m_split) { return jinja_split(r, SELF, jinja_set_arg(r, args, 0, "sep"), jinja_int_arg(args, 1, "maxsplit", -1), false); }
METHOD(m_rsplit) { return jinja_split(r, SELF, jinja_set_arg(r, args, 0, "sep"), jinja_int_arg(args, 1, "maxsplit", -1), true); }
METHOD(m_lower) {
    (void)args;
    return jinja_cased(r, SELF, 0);
}
METHOD(m_upper) {
    (void)args;
    return jinja_cased(r, SELF, 1);
}
METHOD(m_title) {
    (void)args;
    return jinja_cased(r, SELF, 2);
}
METHOD(m_capitalize) {
    (void)args;
    return jinja_cased(r, SELF, 3);
}
METHOD(m_swapcase) {
    (void)args;
    return jinja_cased(r, SELF, 4);
}
METHOD(m_replace) {
    return jinja_replaced(r, SELF, jinja_set_arg(r, args, 0, "old"), jinja_set_arg(r, args, 1, "new"),
                          jinja_int_arg(args, 2, "count", -1));
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
    const str p = jinja_set_arg(r, args, 0, "prefix");
    return jv_text(str_starts(SELF, p) ? str_slice(SELF, p.len, SELF.len) : SELF);
}
METHOD(m_removesuffix) {
    const str p = jinja_set_arg(r, args, 0, "suffix");
    return jv_text(p.len && str_ends(SELF, p) ? str_slice(SELF, 0, SELF.len - p.len) : SELF);
}

METHOD(m_ljust) {
    return jinja_padded(r, SELF, jinja_int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), -1);
}
METHOD(m_rjust) {
    return jinja_padded(r, SELF, jinja_int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), 1);
}
METHOD(m_center) {
    return jinja_padded(r, SELF, jinja_int_arg(args, 0, "width", 0), jinja_text_arg(r, args, 1, "fillchar", STR(" ")), 0);
}
METHOD(m_zfill) {
    const bool sign = SELF.len && strchr("+-", SELF.ptr[0]);
    const str rest = str_slice(SELF, sign, SELF.len);
    const jvalue made = jinja_padded(r, rest, jinja_int_arg(args, 0, "width", 0) - sign, STR("0"), 1);
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
    const ptrdiff_t at = str_find(SELF, jinja_set_arg(r, args, 0, "sub"), 0);
    return jv_int(at < 0 ? -1 : str_characters(str_slice(SELF, 0, (size_t)at)));
}
METHOD(m_rfind) {
    const str sub = jinja_set_arg(r, args, 0, "sub");
    ptrdiff_t last = -1;
    for (ptrdiff_t at = 0; (at = str_find(SELF, sub, (size_t)at)) >= 0; at++) last = at;
    return jv_int(last < 0 ? -1 : str_characters(str_slice(SELF, 0, (size_t)last)));
}
METHOD(m_count) {
    const str sub = jinja_set_arg(r, args, 0, "sub");
    int64_t n = 0;
    for (ptrdiff_t at = 0; sub.len && (at = str_find(SELF, sub, (size_t)at)) >= 0; at += (ptrdiff_t)sub.len) n++;
    return jv_int(n);
}
METHOD(m_splitlines) { return jinja_lines(r, SELF, jv_truth(jinja_arg(args, 0, "keepends", jv_bool(false)))); }
METHOD(m_join) { return jinja_join(r, SELF, jv_iterate(r, jinja_arg(args, 0, "iterable", jv_undefined(STR("iterable"))))); }
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
METHOD(m_islower) {
    (void)r, (void)args;
    return jv_bool(jinja_has_case(SELF, false));
}
METHOD(m_isupper) {
    (void)r, (void)args;
    return jv_bool(jinja_has_case(SELF, true));
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
    const bool is_number = jv_is_number(x);
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
    const int64_t more = width - str_characters(text), left = align == '<' ? 0 : align == '>' ? more : more / 2;
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
    if (end < name.len && name.ptr[end] == '.') v = jinja_dotted(r, v, jv_text(str_slice(name, end + 1, name.len)));
    else if (end < name.len) v = jinja_dotted(r, v, jv_text(str_slice(name, end + 1, name.len - 1)));
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
METHOD(m_items) { return (void)args, jv_items(r, DICT); }
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

static jvalue marked_items(run *r, jvalue v) {
    if (v.kind != V_LIST) return jv_marked(v, true);
    const jvalue out = jv_list(r, v.u.list->tuple);
    for (int i = 0; i < v.u.list->count; i++) jv_append(r, out, jv_marked(v.u.list->item[i], true));
    return out;
}

static jvalue escaped_items(run *r, jvalue v) {
    if (v.kind == V_STRING) return jinja_escape(r, v);
    if (v.kind != V_LIST) return v;
    const jvalue out = jv_list(r, v.u.list->tuple);
    for (int i = 0; i < v.u.list->count; i++) jv_append(r, out, jinja_escape(r, v.u.list->item[i]));
    return out;
}

/* A method of markup: the texts that join, format and replace put in are escaped, and what comes out is markup. */
static jvalue call_of_markup(run *r, const jfunction *f, const jargs *args) {
    size_t i = 0;
    while (methods[i].of != V_STRING || strcmp(methods[i].name, f->name) != 0) i++;
    jargs given = *args;
    if (methods[i].call == m_join || methods[i].call == m_format || methods[i].call == m_replace) {
        given.item = arena_array(r->a, jvalue, args->count + 1);
        for (int k = 0; k < args->count; k++)
            given.item[k] = methods[i].call == m_replace && k != 1 ? args->item[k] : escaped_items(r, args->item[k]);
    }
    return marked_items(r, methods[i].call(r, f, &given));
}

jvalue jinja_function(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *)) {
    jfunction *f = arena_new_of(r->a, jfunction);
    *f = (jfunction){.call = call, .name = name};
    return (jvalue){.kind = V_FUNCTION, .u.function = f};
}

jvalue jinja_bound(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *), jvalue *self) {
    const jvalue v = jinja_function(r, name, call);
    v.u.function->self = self;
    return v;
}

bool jinja_method(run *r, jvalue v, str name, jvalue *out) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].of == v.kind && str_is(name, methods[i].name)) {
            *out = jinja_function(r, methods[i].name, v.kind == V_STRING && v.markup ? call_of_markup : methods[i].call);
            out->u.function->self = arena_new_of(r->a, jvalue);
            *out->u.function->self = v;
            return true;
        }
    return false;
}
