/* jinja_value.c - values of templates, with Python's ideas of truth, equality, order and text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

jvalue jv_none(void) { return (jvalue){.kind = V_NONE}; }
jvalue jv_bool(bool b) { return (jvalue){.kind = V_BOOL, .u.boolean = b}; }
jvalue jv_int(int64_t n) { return (jvalue){.kind = V_INT, .u.integer = n}; }
jvalue jv_real(double x) { return (jvalue){.kind = V_FLOAT, .u.real = x}; }
jvalue jv_text(str s) { return (jvalue){.kind = V_STRING, .u.text = s}; }
jvalue jv_marked(jvalue text, bool markup) {
    text.markup = markup && text.kind == V_STRING;
    return text;
}
jvalue jv_undefined(str name) { return (jvalue){.kind = V_UNDEFINED, .u.text = name}; }

jvalue jv_copy_text(run *r, str s) {
    jinja_burn(r, (int64_t)(s.len / 16) + 1);
    r->made += s.len;
    if (r->made > 4 * r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", 4 * r->output_max);
    return jv_text((str){arena_copy(r->a, s.ptr ? s.ptr : "", s.len), s.len});
}

static void free_buf(void *b) { buf_free(b); }

buf *jinja_buf(run *r) {
    buf *b = arena_new_of(r->a, buf);
    arena_defer(r->a, free_buf, b);
    return b;
}

jvalue jv_of_buf(run *r, buf *b) {
    const jvalue v = jv_copy_text(r, buf_str(b));
    buf_free(b);
    return v;
}

jvalue jv_list(run *r, bool tuple) {
    jlist *l = arena_new_of(r->a, jlist);
    l->tuple = tuple;
    return (jvalue){.kind = V_LIST, .u.list = l};
}

jvalue jv_dict(run *r) { return (jvalue){.kind = V_DICT, .u.dict = arena_new_of(r->a, jdict)}; }

void jv_append(run *r, jvalue list, jvalue item) {
    jlist *l = list.u.list;
    jinja_burn(r, 1);
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 8;
        jvalue *grown = arena_array(r->a, jvalue, l->room);
        if (l->count) memcpy(grown, l->item, (size_t)l->count * sizeof *grown);
        l->item = grown;
    }
    l->item[l->count++] = item;
}

const jvalue *jv_get(const jdict *d, jvalue key) {
    for (int i = 0; i < d->count; i++)
        if (d->key[i].kind == key.kind && key.kind == V_STRING ? str_eq(d->key[i].u.text, key.u.text) : jv_equal(d->key[i], key))
            return &d->value[i];
    return NULL;
}

void jv_put(run *r, jdict *d, jvalue key, jvalue value) {
    jvalue *there = (jvalue *)(uintptr_t)jv_get(d, key);
    jinja_burn(r, 1 + d->count / 8);
    if (there) {
        *there = value;
        return;
    }
    if (d->count == d->room) {
        d->room = d->room ? 2 * d->room : 8;
        jvalue *keys = arena_array(r->a, jvalue, d->room), *values = arena_array(r->a, jvalue, d->room);
        if (d->count) {
            memcpy(keys, d->key, (size_t)d->count * sizeof *keys);
            memcpy(values, d->value, (size_t)d->count * sizeof *values);
        }
        d->key = keys;
        d->value = values;
    }
    d->key[d->count] = key;
    d->value[d->count++] = value;
}

jvalue jv_of_json(run *r, const json *j) {
    jinja_burn(r, 1);
    switch (json_kind_of(j)) {
    case JSON_NULL: return jv_none();
    case JSON_BOOL: return jv_bool(json_bool(j, false));
    case JSON_INT: return jv_int(json_int(j, 0));
    case JSON_REAL: return jv_real(json_real(j, 0));
    case JSON_STRING: return jv_text(json_text(j, STR("")));
    case JSON_ARRAY: {
        const jvalue l = jv_list(r, false);
        for (size_t i = 0; i < json_count(j); i++) jv_append(r, l, jv_of_json(r, json_at(j, i)));
        return l;
    }
    default: {
        const jvalue d = jv_dict(r);
        json_member m = {0};
        while (json_next(j, &m)) jv_put(r, d.u.dict, jv_copy_text(r, json_key_text(r->a, m.key)), jv_of_json(r, m.value));
        return d;
    }
    }
}

bool jv_truth(jvalue v) {
    switch (v.kind) {
    case V_UNDEFINED:
    case V_NONE: return false;
    case V_BOOL: return v.u.boolean;
    case V_INT: return v.u.integer != 0;
    case V_FLOAT: return v.u.real != 0;
    case V_STRING: return v.u.text.len > 0;
    case V_LIST: return v.u.list->count > 0;
    case V_DICT: return v.u.dict->namespace || v.u.dict->count > 0;
    default: return true;
    }
}

bool jv_is_number(jvalue v) { return v.kind == V_BOOL || v.kind == V_INT || v.kind == V_FLOAT; }

bool jv_equal(jvalue a, jvalue b) {
    if (jv_is_number(a) && jv_is_number(b))
        return a.kind == V_FLOAT || b.kind == V_FLOAT ? jv_real_of(a) == jv_real_of(b) : jv_whole_of(a) == jv_whole_of(b);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case V_STRING: return str_eq(a.u.text, b.u.text);
    case V_LIST: {
        if (a.u.list->count != b.u.list->count || a.u.list->tuple != b.u.list->tuple) return false;
        for (int i = 0; i < a.u.list->count; i++)
            if (!jv_equal(a.u.list->item[i], b.u.list->item[i])) return false;
        return true;
    }
    case V_DICT: {
        if (a.u.dict->count != b.u.dict->count) return false;
        for (int i = 0; i < a.u.dict->count; i++) {
            const jvalue *other = jv_get(b.u.dict, a.u.dict->key[i]);
            if (!other || !jv_equal(a.u.dict->value[i], *other)) return false;
        }
        return true;
    }
    case V_FUNCTION: return a.u.function == b.u.function;
    default: return true;
    }
}

int jv_compare(run *r, jvalue a, jvalue b) {
    jinja_burn(r, 1);
    if (jv_is_number(a) && jv_is_number(b)) {
        if (a.kind != V_FLOAT && b.kind != V_FLOAT) return (jv_whole_of(a) > jv_whole_of(b)) - (jv_whole_of(a) < jv_whole_of(b));
        return (jv_real_of(a) > jv_real_of(b)) - (jv_real_of(a) < jv_real_of(b));
    }
    if (a.kind == V_STRING && b.kind == V_STRING) return str_compare(a.u.text, b.u.text);
    if (a.kind == V_LIST && b.kind == V_LIST) {
        for (int i = 0; i < a.u.list->count && i < b.u.list->count; i++) {
            const int c = jv_compare(r, a.u.list->item[i], b.u.list->item[i]);
            if (c) return c;
        }
        return (a.u.list->count > b.u.list->count) - (a.u.list->count < b.u.list->count);
    }
    jinja_fail(r, "'<' not supported between instances of '%s' and '%s'", jv_type(a), jv_type(b));
}

const char *jv_type(jvalue v) {
    static const char *const names[] = {"Undefined", "NoneType", "bool", "int", "float", "str", "list", "dict", "function"};
    return v.kind == V_LIST && v.u.list->tuple ? "tuple" : names[v.kind];
}

/* ---- as text ---------------------------------------------------------------------------------------------------------------------- */

/* The shortest digits that read back, laid out as Python does: an exponent below 1e-4 and from 1e16 on. */
void jinja_put_float(buf *out, double x) {
    if (isnan(x) || isinf(x)) {
        buf_put_text(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    char e[40];
    int p = 1;
    for (; p <= 17; p++) {
        snprintf(e, sizeof e, "%.*e", p - 1, x);
        if (strtod(e, NULL) == x) break;
    }
    const int exponent = atoi(strchr(e, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        buf_put_text(out, e);
        return;
    }
    const int decimals = p - 1 - exponent;
    buf_printf(out, "%.*f", decimals > 0 ? decimals : 1, x);
}

static void put_quoted(buf *out, str s) {
    const char quote = str_find(s, STR("'"), 0) >= 0 && str_find(s, STR("\""), 0) < 0 ? '"' : '\'';
    int32_t code;
    buf_put_char(out, quote);
    for (size_t i = 0, n; i < s.len; i += n) {
        n = utf8_next(s, i, &code);
        if (code == quote || code == '\\') buf_put_char(out, '\\'), buf_put_char(out, (char)code);
        else if (code == '\n') buf_put_text(out, "\\n");
        else if (code == '\r') buf_put_text(out, "\\r");
        else if (code == '\t') buf_put_text(out, "\\t");
        else if (code >= 0 && !unicode_is_printable(code))
            buf_printf(out, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)code);
        else buf_put(out, s.ptr + i, n);
    }
    buf_put_char(out, quote);
}

static void check_size(run *r, const buf *out) {
    jinja_burn(r, 1);
    if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
}

void jv_repr(run *r, buf *out, jvalue v) {
    check_size(r, out);
    if (++r->depth > r->depth_max) jinja_fail(r, "more than %d levels of nesting", r->depth_max);
    if (v.kind == V_STRING) {
        if (v.markup) buf_put_text(out, "Markup(");
        put_quoted(out, v.u.text);
        if (v.markup) buf_put_char(out, ')');
    } else if (v.kind == V_LIST) {
        buf_put_char(out, v.u.list->tuple ? '(' : '[');
        for (int i = 0; i < v.u.list->count; i++) {
            if (i) buf_put_text(out, ", ");
            jv_repr(r, out, v.u.list->item[i]);
        }
        if (v.u.list->tuple && v.u.list->count == 1) buf_put_char(out, ',');
        buf_put_char(out, v.u.list->tuple ? ')' : ']');
    } else if (v.kind == V_DICT) {
        buf_put_char(out, '{');
        for (int i = 0; i < v.u.dict->count; i++) {
            if (i) buf_put_text(out, ", ");
            jv_repr(r, out, v.u.dict->key[i]);
            buf_put_text(out, ": ");
            jv_repr(r, out, v.u.dict->value[i]);
        }
        buf_put_char(out, '}');
    } else if (v.kind == V_UNDEFINED) buf_put_text(out, "Undefined");
    else jv_str(r, out, v);
    r->depth--;
}

void jv_str(run *r, buf *out, jvalue v) {
    switch (v.kind) {
    case V_UNDEFINED: break;
    case V_NONE: buf_put_text(out, "None"); break;
    case V_BOOL: buf_put_text(out, v.u.boolean ? "True" : "False"); break;
    case V_INT: buf_printf(out, "%lld", (long long)v.u.integer); break;
    case V_FLOAT: jinja_put_float(out, v.u.real); break;
    case V_STRING: buf_put_str(out, v.u.text); break;
    case V_FUNCTION: buf_printf(out, "<function %s>", v.u.function->name ? v.u.function->name : "macro"); break;
    default: jv_repr(r, out, v);
    }
    check_size(r, out);
}

str jv_string(run *r, jvalue v) {
    if (v.kind == V_STRING) return v.u.text;
    buf *out = jinja_buf(r);
    jv_str(r, out, v);
    return jv_of_buf(r, out).u.text;
}

/* ---- json.dumps ----------------------------------------------------------------------------------------------------------------------- */

static void line_break(buf *out, const json_style *s, int level) {
    if (!s->broken) return;
    buf_put_char(out, '\n');
    for (int i = 0; i < level; i++) buf_put_str(out, s->indent);
}

static void put_code(buf *out, int32_t code) {
    if (code < 0x10000) buf_printf(out, "\\u%04x", (unsigned)code);
    else
        buf_printf(out, "\\u%04x\\u%04x", 0xD800 + (unsigned)((code - 0x10000) >> 10),
                   0xDC00 + (unsigned)((code - 0x10000) & 0x3FF));
}

static void put_json_text(buf *out, str text, bool ascii) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    int32_t code;
    buf_put_char(out, '"');
    for (size_t i = 0, n; i < text.len; i += n) {
        n = utf8_next(text, i, &code);
        const char *hit = code > 0 && code < 128 ? strchr(plain, code) : NULL;
        if (hit) buf_put_char(out, '\\'), buf_put_char(out, letters[hit - plain]);
        else if (code < 0) buf_put_text(out, "\xef\xbf\xbd");
        else if (code < 32 || (ascii && code > 126)) put_code(out, code);
        else buf_put(out, text.ptr + i, n);
    }
    buf_put_char(out, '"');
}

static void put_json_number(run *r, buf *out, jvalue v) {
    if (v.kind == V_FLOAT && !isfinite(v.u.real))
        buf_put_text(out, isnan(v.u.real) ? "NaN" : v.u.real < 0 ? "-Infinity" : "Infinity");
    else jv_str(r, out, v);
}

static int by_key(const void *a, const void *b) {
    const jvalue *x = *(const jvalue *const *)a, *y = *(const jvalue *const *)b;
    return x->kind == V_STRING && y->kind == V_STRING ? str_compare(x->u.text, y->u.text) : 0;
}

/* Keys that are no texts become one: true, null, 1. */
static void put_json_key(run *r, buf *out, jvalue key, const json_style *s) {
    buf *text = jinja_buf(r);
    if (key.kind == V_STRING) put_json_text(out, key.u.text, s->ascii);
    else {
        jv_json(r, text, key, s, 0);
        put_json_text(out, buf_str(text), s->ascii);
    }
    buf_free(text);
}

static void put_json_dict(run *r, buf *out, const jdict *d, const json_style *s, int level) {
    const jvalue **order = arena_array(r->a, const jvalue *, d->count + 1);
    for (int i = 0; i < d->count; i++) order[i] = &d->key[i];
    if (s->sorted) qsort(order, (size_t)d->count, sizeof *order, by_key);
    buf_put_char(out, '{');
    for (int i = 0; i < d->count; i++) {
        if (i) buf_put_str(out, s->between);
        line_break(out, s, level + 1);
        put_json_key(r, out, *order[i], s);
        buf_put_str(out, s->behind_key);
        jv_json(r, out, d->value[order[i] - d->key], s, level + 1);
    }
    if (d->count) line_break(out, s, level);
    buf_put_char(out, '}');
}

void jv_json(run *r, buf *out, jvalue v, const json_style *s, int level) {
    check_size(r, out);
    if (level > r->depth_max) jinja_fail(r, "more than %d levels of nesting", r->depth_max);
    switch (v.kind) {
    case V_NONE: buf_put_text(out, "null"); break;
    case V_BOOL: buf_put_text(out, v.u.boolean ? "true" : "false"); break;
    case V_STRING: put_json_text(out, v.u.text, s->ascii); break;
    case V_INT:
    case V_FLOAT: put_json_number(r, out, v); break;
    case V_LIST:
        buf_put_char(out, '[');
        for (int i = 0; i < v.u.list->count; i++) {
            if (i) buf_put_str(out, s->between);
            line_break(out, s, level + 1);
            jv_json(r, out, v.u.list->item[i], s, level + 1);
        }
        if (v.u.list->count) line_break(out, s, level);
        buf_put_char(out, ']');
        break;
    case V_DICT: put_json_dict(r, out, v.u.dict, s, level); break;
    default: jinja_fail(r, "Object of type %s is not JSON serializable", jv_type(v));
    }
}

/* ---- containers --------------------------------------------------------------------------------------------------------------------- */

jlist *jv_iterate(run *r, jvalue v) {
    if (v.kind == V_LIST) return v.u.list;
    const jvalue out = jv_list(r, false);
    if (v.kind == V_DICT)
        for (int i = 0; i < v.u.dict->count; i++) jv_append(r, out, v.u.dict->key[i]);
    else if (v.kind == V_STRING) {
        int32_t code;
        for (size_t i = 0, n; i < v.u.text.len; i += n) {
            n = utf8_next(v.u.text, i, &code);
            jv_append(r, out, jv_text(str_slice(v.u.text, i, i + n)));
        }
    } else if (v.kind != V_UNDEFINED) jinja_fail(r, "'%s' object is not iterable", jv_type(v));
    return out.u.list;
}

int64_t jv_length(run *r, jvalue v) {
    if (v.kind == V_LIST) return v.u.list->count;
    if (v.kind == V_DICT) return v.u.dict->count;
    if (v.kind == V_UNDEFINED) return 0;
    if (v.kind != V_STRING) jinja_fail(r, "object of type '%s' has no len()", jv_type(v));
    return str_characters(v.u.text);
}

bool jv_contains(run *r, jvalue c, jvalue item) {
    if (c.kind == V_DICT) return jv_get(c.u.dict, item) != NULL;
    if (c.kind == V_STRING) {
        if (item.kind != V_STRING) jinja_fail(r, "'in <string>' requires string as left operand, not %s", jv_type(item));
        return str_find(c.u.text, item.u.text, 0) >= 0;
    }
    const jlist *l = jv_iterate(r, c);
    jinja_burn(r, l->count);
    for (int i = 0; i < l->count; i++)
        if (jv_equal(l->item[i], item)) return true;
    return false;
}

jvalue jv_items(run *r, const jdict *d) {
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < d->count; i++) {
        const jvalue pair = jv_list(r, true);
        jv_append(r, pair, d->key[i]);
        jv_append(r, pair, d->value[i]);
        jv_append(r, out, pair);
    }
    return out;
}
